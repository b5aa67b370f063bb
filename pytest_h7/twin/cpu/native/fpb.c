/* Flash patch and breakpoint unit (Arm DDI0403E C1.11): version 2 of the Cortex-M7, whose comparators are breakpoints
 * and nothing else, and version 1 of the Cortex-M4, whose comparators may also replace a word of the code region,
 * below 2000_0000, by a word of a table in SRAM. Six of them replace what is fetched, two what is loaded.
 *
 * Instructions of replaced words are decoded each time anew, so the table may change at any time. A load is taken
 * to be replaced whatever instruction it is of, if it is aligned: not known of the hardware. The vector table is
 * read as it is. */
#include "debug.h"

enum { CTRL = 0x000, REMAP = 0x004, COMP = 0x008 };
/* The upper two bits of a comparator of version 1 say which halfwords of the word to break at. */
enum { ENABLE = 1, KEY = 2, V1_LOWER = 1, V1_UPPER = 2 };
#define V1_ADDRESS 0x1FFFFFFCu
#define V1_BITS 0xDFFFFFFDu
#define REMAP_BITS 0x1FFFFFE0u
#define SRAM 0x20000000u /* in FP_REMAP: remapping is supported */

void h7_fpb_reset(struct h7_core *core) {
    core->fpb = core->model == H7_CORTEX_M7 ? (struct h7_fpb){.code = 8, .version = 2}
                                            : (struct h7_fpb){.code = 6, .literals = 2, .version = 1};
}

static bool is_enabled(const struct h7_fpb *fpb, uint32_t index) {
    return fpb->enabled && fpb->comparator[index] & ENABLE;
}

uint32_t h7_fpb_breakpoints(const struct h7_fpb *fpb, uint32_t index, uint32_t addresses[2]) {
    uint32_t value = fpb->comparator[index], count = 0;
    if (index >= fpb->code || !is_enabled(fpb, index)) {
        return 0;
    }
    if (fpb->version == 2) {
        addresses[count++] = value & ~1u;
    } else {
        if (value >> 30 & V1_LOWER) {
            addresses[count++] = value & V1_ADDRESS;
        }
        if (value >> 30 & V1_UPPER) {
            addresses[count++] = (value & V1_ADDRESS) + 2;
        }
    }
    return count;
}

bool h7_fpb_breaks_at(const struct h7_fpb *fpb, uint32_t address) {
    uint32_t addresses[2];
    for (uint32_t index = 0; index < fpb->code; index++) {
        uint32_t count = h7_fpb_breakpoints(fpb, index, addresses);
        for (uint32_t number = 0; number < count; number++) {
            if (addresses[number] == address) {
                return true;
            }
        }
    }
    return false;
}

/* ---- replaced words ----------------------------------------------------------------------------------- */

static bool is_literal(const struct h7_fpb *fpb, uint32_t index) { return index >= fpb->code; }

static bool replaces(const struct h7_fpb *fpb, uint32_t index) {
    return fpb->version == 1 && is_enabled(fpb, index) &&
           (is_literal(fpb, index) || !(fpb->comparator[index] >> 30));
}

/* The word for that at an address; the address itself if there is none. */
static uint32_t replaced(const struct h7_fpb *fpb, uint32_t address, bool literal) {
    for (uint32_t index = 0; index < fpb->code + fpb->literals; index++) {
        if (is_literal(fpb, index) == literal && replaces(fpb, index) &&
            (fpb->comparator[index] & V1_ADDRESS) == (address & ~3u)) {
            return SRAM + fpb->remap + 4 * index + (address & 3);
        }
    }
    return address;
}

uint32_t h7_fpb_fetched(const struct h7_core *core, uint32_t address) {
    return core->fpb.patches_code ? replaced(&core->fpb, address, false) : address;
}

uint32_t h7_fpb_loaded(const struct h7_core *core, uint32_t address) {
    return core->fpb.patches_literals ? replaced(&core->fpb, address, true) : address;
}

bool h7_fpb_patches_page(const struct h7_core *core, uint32_t page) {
    const struct h7_fpb *fpb = &core->fpb;
    for (uint32_t index = fpb->code; fpb->patches_literals && index < fpb->code + fpb->literals; index++) {
        if (replaces(fpb, index) && (fpb->comparator[index] & V1_ADDRESS) - page < H7_PAGE) {
            return true;
        }
    }
    return false;
}

/* Note what is replaced, and forget what has been decoded and translated without it. */
static void update_patches(struct h7_core *core) {
    struct h7_fpb *fpb = &core->fpb;
    bool patched_code = fpb->patches_code;
    fpb->patches_code = fpb->patches_literals = false;
    for (uint32_t index = 0; index < fpb->code + fpb->literals; index++) {
        if (replaces(fpb, index)) {
            *(is_literal(fpb, index) ? &fpb->patches_literals : &fpb->patches_code) = true;
        }
    }
    if (patched_code || fpb->patches_code) {
        h7_flush_code(core);
    }
    if (fpb->patches_literals) {
        h7_flush_translations(core);
    }
}

/* ---- registers ---------------------------------------------------------------------------------------- */

static uint32_t identity(const struct h7_fpb *fpb) {
    return (fpb->version - 1) << 28 | (fpb->code & 0xF) << 4 | (fpb->code & 0x70) << 8 | fpb->literals << 8;
}

uint32_t h7_fpb_read(const struct h7_core *core, uint32_t offset) {
    const struct h7_fpb *fpb = &core->fpb;
    uint32_t index = (offset - COMP) / 4;
    switch (offset) {
    case CTRL:
        return identity(fpb) | fpb->enabled;
    case REMAP:
        return fpb->version == 1 ? SRAM | fpb->remap : 0;
    default:
        return index < fpb->code + fpb->literals ? fpb->comparator[index] : 0;
    }
}

void h7_fpb_write(struct h7_core *core, uint32_t offset, uint32_t value) {
    struct h7_fpb *fpb = &core->fpb;
    uint32_t index = (offset - COMP) / 4;
    if (offset == CTRL) {
        if (!(value & KEY)) {
            return;
        }
        fpb->enabled = value & ENABLE;
    } else if (offset == REMAP) {
        fpb->remap = fpb->version == 1 ? value & REMAP_BITS : 0;
    } else if (index < fpb->code + fpb->literals) {
        fpb->comparator[index] = fpb->version == 1 ? value & V1_BITS : value;
    }
    update_patches(core);
    h7_debug_update(core);
}
