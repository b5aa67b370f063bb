/* The address space of a core: regions of host memory, peripherals, the private bus; what stores do to decoded
 * instructions and exclusive reservations, of this core and of the others on the board. */
#include "memory.h"

#include <stdlib.h>

#include "busy.h"
#include "debug.h"
#include "operations.h"

enum { CODE_BUCKETS = 256, CODE_RECENT = 64, CODE_ENTRIES = H7_PAGE / 2 };

static uint32_t page_of(uint32_t address) { return address & ~(uint32_t)(H7_PAGE - 1); }

static bool is_peripheral(uint32_t address) { return address >= 0x40000000 && address < 0x60000000; }
static bool is_private(uint32_t address) { return address >= 0xE0000000 && address < 0xE0100000; }

/* Device and strongly ordered memory of the default map bears no unaligned accesses. */
static bool is_device(uint32_t address) { return is_peripheral(address) || address >= 0xA0000000; }

static const struct h7_region *region_at(const struct h7_core *core, uint32_t address) {
    for (uint32_t index = 0; index < core->regions; index++) {
        const struct h7_region *region = &core->region[index];
        if (address - region->address < region->size) {
            return region;
        }
    }
    return NULL;
}

/* Whether the host answers for some of the bytes, which are in the region. */
static bool is_guarded(const struct h7_region *region, uint32_t address, uint32_t length) {
    if (!region->guard) {
        return false;
    }
    uint32_t offset = address - region->address;
    for (uint32_t index = offset / H7_GUARDED; index <= (offset + length - 1) / H7_GUARDED; index++) {
        if (region->guard[index]) {
            return true;
        }
    }
    return false;
}

uint8_t *h7_memory_at(struct h7_core *core, uint32_t address, uint32_t length) {
    const struct h7_region *region = region_at(core, address);
    if (!region || length > region->size - (address - region->address) || is_guarded(region, address, length)) {
        return NULL;
    }
    return region->memory + (address - region->address);
}

/* ---- regions ------------------------------------------------------------------------------------------ */

bool h7_core_map(struct h7_core *core, uint32_t address, uint32_t size, void *memory, bool writable) {
    if (core->regions == H7_REGIONS || (address | size) & (H7_PAGE - 1)) {
        return false;
    }
    core->region[core->regions++] = (struct h7_region){address, size, memory, writable, NULL};
    h7_flush_translations(core);
    h7_flush_code(core);
    return true;
}

void h7_core_unmap(struct h7_core *core, uint32_t address) {
    for (uint32_t index = 0; index < core->regions; index++) {
        if (core->region[index].address == address) {
            core->region[index] = core->region[--core->regions];
            break;
        }
    }
    h7_flush_translations(core);
    h7_flush_code(core);
}

void h7_core_guard(struct h7_core *core, uint32_t address, const uint8_t *guard) {
    for (uint32_t index = 0; index < core->regions; index++) {
        if (core->region[index].address == address) {
            core->region[index].guard = guard;
        }
    }
    h7_flush_translations(core);
    h7_flush_code(core);
}

/* ---- decoded instructions ----------------------------------------------------------------------------- */

/* The page of decoded instructions at a page address, if it is valid. */
static struct h7_code_page *find_code(const struct h7_core *core, uint32_t address) {
    for (struct h7_code_page *page = core->code[address >> H7_PAGE_BITS & (CODE_BUCKETS - 1)]; page; page = page->next) {
        if (page->address == address) {
            return page->generation == core->code_generation ? page : NULL;
        }
    }
    return NULL;
}

/* Run the block that follows for the other core, if there is one. */
#define FOR_EACH_PEER(CORE, PEER) for (struct h7_core *PEER = (CORE)->peer; PEER; PEER = NULL)

/* Run BODY for each address at which a core sees a byte of host memory. */
#define FOR_EACH_ALIAS(CORE, HOST, ADDRESS, BODY) \
    for (uint32_t index_ = 0; index_ < (CORE)->regions; index_++) { \
        const struct h7_region *region_ = &(CORE)->region[index_]; \
        if ((uintptr_t)(HOST) - (uintptr_t)region_->memory < region_->size) { \
            uint32_t ADDRESS = region_->address + (uint32_t)((uintptr_t)(HOST) - (uintptr_t)region_->memory); \
            BODY \
        } \
    }

static bool has_code(const struct h7_core *core, const uint8_t *host) {
    FOR_EACH_ALIAS(core, host, address, {
        if (find_code(core, page_of(address))) {
            return true;
        }
    })
    return false;
}

/* Let the next store to a page of host memory take the long way. */
static void protect(struct h7_core *core, const uint8_t *host) {
    FOR_EACH_ALIAS(core, host, address, {
        struct h7_tlb_entry *entry = &core->tlb[h7_tlb_index(address)];
        if (entry->write == page_of(address)) {
            entry->write = H7_TLB_EMPTY;
        }
    })
}

/* Forget the instructions that lie in `size` bytes at `address`. */
static void drop_code(struct h7_core *core, uint32_t address, uint32_t size) {
    uint32_t first = address & ~1u;
    first -= first & (H7_PAGE - 1) ? 2 : 0; /* a 32-bit instruction may end here */
    for (uint32_t place = first; place - first < address + size - first; place += 2) {
        struct h7_code_page *page = find_code(core, page_of(place));
        if (!page) {
            place |= H7_PAGE - 2;
            continue;
        }
        struct h7_insn *insn = &page->insn[(place - page->address) / 2];
        insn->op = insn->it_op = H7_OP_DECODE;
    }
}

void h7_core_invalidate(struct h7_core *core, uint32_t address, uint32_t size) {
    const uint8_t *memory = h7_memory_at(core, address, size);
    if (size > 16 * H7_PAGE || !memory) {
        h7_flush_code(core);
        return;
    }
    FOR_EACH_ALIAS(core, memory, alias, { drop_code(core, alias, size); })
}

void h7_flush_code(struct h7_core *core) {
    core->code_generation++;
    memset(core->code_recent, 0, sizeof core->code_recent);
    h7_stop_after_instruction(core);
}

static void clear_code(struct h7_code_page *page) {
    memset(page->insn, 0, sizeof page->insn); /* all H7_OP_DECODE */
    for (uint32_t index = CODE_ENTRIES; index < CODE_ENTRIES + 2; index++) {
        page->insn[index].op = page->insn[index].it_op = H7_OP_NEXT_PAGE;
    }
}

static struct h7_code_page *new_code(struct h7_core *core, uint32_t address, const uint8_t *memory) {
    struct h7_code_page **bucket = &core->code[address >> H7_PAGE_BITS & (CODE_BUCKETS - 1)], *page;
    for (page = *bucket; page && page->address != address; page = page->next) {
    }
    if (!page) {
        page = malloc(sizeof *page);
        if (!page) {
            return NULL;
        }
        page->address = address;
        page->next = *bucket;
        *bucket = page;
    }
    page->memory = memory;
    page->generation = core->code_generation;
    clear_code(page);
    protect(core, memory);
    FOR_EACH_PEER(core, peer) { protect(peer, memory); }
    return page;
}

void h7_code_free(struct h7_core *core) {
    for (uint32_t index = 0; index < CODE_BUCKETS; index++) {
        while (core->code[index]) {
            struct h7_code_page *page = core->code[index];
            core->code[index] = page->next;
            free(page);
        }
    }
    free(core->single);
}

static struct h7_code_page *cannot_fetch(struct h7_core *core, uint32_t number, uint32_t status) {
    h7_fail(core, number, status);
    return NULL;
}

struct h7_code_page *h7_code_at(struct h7_core *core, uint32_t address) {
    bool uniform;
    uint32_t permissions = h7_mpu_permissions(core, address, core->privileged, &uniform);
    if (!uniform) {
        return h7_code_single(core, address);
    }
    if (!(permissions & H7_MAY_EXECUTE)) {
        return cannot_fetch(core, H7_MEM_MANAGE, H7_IACCVIOL);
    }
    const uint8_t *memory = h7_memory_at(core, page_of(address), H7_PAGE);
    if (!memory) { /* another one replaces it, or the host answers for a part */
        return h7_code_single(core, address);
    }
    struct h7_code_page *page = find_code(core, page_of(address));
    if (!page || page->memory != memory) {
        page = new_code(core, page_of(address), memory);
        if (!page) {
            abort(); /* out of host memory */
        }
    }
    core->code_recent[address >> H7_PAGE_BITS & (CODE_RECENT - 1)] = page;
    return page;
}

/* One halfword of an instruction; false after a fault. */
static bool fetch(struct h7_core *core, uint32_t address, uint16_t *halfword) {
    bool uniform;
    if (!(h7_mpu_permissions(core, address, core->privileged, &uniform) & H7_MAY_EXECUTE)) {
        return cannot_fetch(core, H7_MEM_MANAGE, H7_IACCVIOL);
    }
    uint32_t place = h7_fpb_fetched(core, address), value = 0;
    const uint8_t *memory = h7_memory_at(core, place, 2);
    if (memory) {
        *halfword = h7_get16(memory);
        return true;
    }
    core->busy.effect = true;
    if (!region_at(core, place) || core->host.read(core->host.context, core, place, 2, &value) != H7_BUS_OK) {
        return cannot_fetch(core, H7_BUS_FAULT_EXCEPTION, H7_IBUSERR);
    }
    *halfword = (uint16_t)value;
    return true;
}

static bool is_wide(uint16_t halfword) { return halfword >> 11 >= 0x1D; }

struct h7_code_page *h7_code_single(struct h7_core *core, uint32_t address) {
    uint16_t first, second = 0;
    if (!fetch(core, address, &first) || (is_wide(first) && !fetch(core, address + 2, &second))) {
        return NULL;
    }
    struct h7_code_page *page = core->single;
    page->address = address;
    h7_decode(core, address, first, second, &page->insn[0]);
    return page;
}

bool h7_code_prepare(struct h7_core *core) {
    core->single = malloc(sizeof *core->single);
    if (!core->single) {
        return false;
    }
    clear_code(core->single);
    for (uint32_t index = 0; index < CODE_ENTRIES; index++) {
        core->single->insn[index].op = core->single->insn[index].it_op = H7_OP_NEXT_PAGE;
    }
    return true;
}

void h7_code_decode(struct h7_core *core, struct h7_code_page *page, uint32_t index) {
    struct h7_insn *insn = &page->insn[index];
    uint32_t address = page->address + 2 * index;
    for (uint32_t number = 0; number < core->breakpoints; number++) {
        if (core->breakpoint[number] == address) {
            insn->op = insn->it_op = H7_OP_BREAKPOINT;
            return;
        }
    }
    if (h7_fpb_fetched(core, address) != address || h7_fpb_fetched(core, address + 2) != address + 2) {
        insn->op = insn->it_op = H7_OP_STRADDLE;
        return;
    }
    uint16_t first = h7_get16(page->memory + 2 * index), second = 0;
    if (is_wide(first)) {
        if (index == CODE_ENTRIES - 1) {
            insn->op = insn->it_op = H7_OP_STRADDLE;
            return;
        }
        second = h7_get16(page->memory + 2 * index + 2);
    }
    h7_decode(core, address, first, second, insn);
}

/* ---- translations ------------------------------------------------------------------------------------- */

void h7_flush_translations(struct h7_core *core) {
    for (uint32_t index = 0; index < H7_TLB_SIZE; index++) {
        core->tlb[index].read = core->tlb[index].write = H7_TLB_EMPTY;
    }
    memset(core->code_recent, 0, sizeof core->code_recent);
    h7_stop_after_instruction(core);
}

static bool reserved_by_peer(const struct h7_core *core, const uint8_t *page) {
    FOR_EACH_PEER(core, peer) {
        if (peer->monitor.exclusive && (uintptr_t)peer->monitor.memory - (uintptr_t)page < H7_PAGE) {
            return true;
        }
    }
    return false;
}

static bool holds_code(const struct h7_core *core, const uint8_t *page) {
    if (has_code(core, page)) {
        return true;
    }
    FOR_EACH_PEER(core, peer) {
        if (has_code(peer, page)) {
            return true;
        }
    }
    return false;
}

/* Make the page of an address in a region directly accessible as far as that may be. */
static void translate(struct h7_core *core, uint32_t address, const struct h7_region *region) {
    bool uniform;
    uint32_t page = page_of(address);
    uint32_t permissions = h7_mpu_permissions(core, page, core->privileged, &uniform);
    if (!uniform || (core->watching && h7_debug_watches_page(core, page)) || is_guarded(region, page, H7_PAGE)) {
        return;
    }
    uint8_t *memory = region->memory + (page - region->address);
    struct h7_tlb_entry *entry = &core->tlb[h7_tlb_index(address)];
    entry->offset = (uintptr_t)region->memory - region->address;
    entry->read = permissions & H7_MAY_READ && !h7_fpb_patches_page(core, page) ? page : H7_TLB_EMPTY;
    bool may_write = permissions & H7_MAY_WRITE && region->writable && !reserved_by_peer(core, memory) &&
                     !holds_code(core, memory);
    entry->write = may_write ? page : H7_TLB_EMPTY;
}

/* ---- single accesses ---------------------------------------------------------------------------------- */

/* Handlers of HardFault and NMI may ask for data accesses without synchronous bus faults. */
static bool ignores_bus_faults(const struct h7_core *core) {
    return core->scb.ccr & H7_CCR_BFHFNMIGN && h7_execution_priority(core, true) < 0;
}

static enum h7_result bus_result(struct h7_core *core, enum h7_bus answer, uint32_t address) {
    switch (answer) {
    case H7_BUS_OK:
        return H7_DONE;
    case H7_BUS_ABORT:
        return H7_ABORTED;
    default:
        if (ignores_bus_faults(core)) { /* by the flags software that probes an address learns of it */
            core->scb.cfsr |= H7_PRECISERR | H7_BFARVALID;
            core->scb.bfar = address;
            return H7_DONE;
        }
        h7_fail(core, H7_BUS_FAULT_EXCEPTION, H7_PRECISERR | H7_BFARVALID);
        core->fault.address = address;
        return H7_FAULTED;
    }
}

static bool permitted(struct h7_core *core, uint32_t address, uint32_t permission, bool privileged) {
    bool uniform;
    if (h7_mpu_permissions(core, address, privileged, &uniform) & permission) {
        return true;
    }
    h7_fail(core, H7_MEM_MANAGE, H7_DACCVIOL | H7_MMARVALID);
    core->fault.address = address;
    return false;
}

/* A naturally aligned access of one of the sizes that exist; or else not whole, a byte of one that is not. */
static enum h7_result load_aligned(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value,
                                   bool privileged, bool whole) {
    if (is_private(address)) {
        core->busy.effect = true;
        return h7_scs_load(core, address, size, value, privileged);
    }
    if (!permitted(core, address, H7_MAY_READ, privileged)) {
        return H7_FAULTED;
    }
    uint32_t place = whole ? h7_fpb_loaded(core, address) : address;
    const struct h7_region *region = region_at(core, place);
    enum h7_result result = H7_DONE;
    *value = 0;
    if (region && !is_guarded(region, place, size)) {
        const uint8_t *memory = region->memory + (place - region->address);
        *value = size == 4 ? h7_get32(memory) : size == 2 ? h7_get16(memory) : *memory;
        if (core->busy.observing) {
            h7_busy_read(core, memory);
        } else if (privileged == core->privileged && place == address) {
            translate(core, address, region);
        }
    } else if (region || is_peripheral(place)) {
        core->busy.effect = true;
        result = bus_result(core, core->host.read(core->host.context, core, place, size, value), address);
    } else {
        result = bus_result(core, H7_BUS_FAULT, address);
    }
    if (core->watching && result == H7_DONE) {
        h7_debug_accessed(core, address, size, false);
    }
    return result;
}

/* Tell everyone concerned that memory has changed by a store of this core. */
static void written(struct h7_core *core, const uint8_t *memory, uint32_t size) {
    FOR_EACH_ALIAS(core, memory, address, { drop_code(core, address, size); })
    FOR_EACH_PEER(core, peer) {
        FOR_EACH_ALIAS(peer, memory, address, { drop_code(peer, address, size); })
        if ((uintptr_t)peer->monitor.memory >> 2 == (uintptr_t)memory >> 2) {
            peer->monitor.exclusive = false;
        }
    }
}

/* Bits of ABFSR (Arm DDI0489F section 3.3). */
enum { ABFSR_AHBP = 1 << 2, ABFSR_AXIM = 1 << 3, SLVERR = 2 << 8, DECERR = 3 << 8 };

/* At which interface of the Cortex-M7 an error arrives: AHBP leads to the peripherals of D2 (RM0399 section 2.1).
 * That only an address which nothing answers is a decode error is not known of the hardware. */
static uint32_t interface_of(const struct h7_core *core, uint32_t address) {
    if (address >> 28 == 4 || address >= 0xE0000000) {
        return ABFSR_AHBP;
    }
    return ABFSR_AXIM | (region_at(core, address) || is_peripheral(address) ? SLVERR : DECERR);
}

/* The errors of buffered stores arrive in front of the next instruction, so there is nothing for barriers to wait
 * for. */
static enum h7_result store_result(struct h7_core *core, enum h7_bus answer, uint32_t address, bool buffered) {
    if (answer != H7_BUS_FAULT || !buffered || !h7_mpu_buffers(core, address)) {
        return bus_result(core, answer, address);
    }
    if (core->model == H7_CORTEX_M7) {
        core->scb.abfsr |= interface_of(core, address);
    }
    core->busy.effect = true;
    h7_exception_asynchronous(core);
    return H7_DONE;
}

static enum h7_result store_aligned(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value,
                                    bool privileged, bool buffered) {
    if (is_private(address)) {
        core->busy.effect = true;
        return h7_scs_store(core, address, size, value, privileged);
    }
    if (!permitted(core, address, H7_MAY_WRITE, privileged)) {
        return H7_FAULTED;
    }
    const struct h7_region *region = region_at(core, address);
    enum h7_result result = H7_DONE;
    if (region && region->writable) {
        uint8_t *memory = region->memory + (address - region->address);
        if (core->busy.observing) {
            h7_busy_write(core, memory);
        }
        if (size == 4) {
            h7_put32(memory, value);
        } else if (size == 2) {
            h7_put16(memory, value);
        } else {
            *memory = (uint8_t)value;
        }
        written(core, memory, size);
        if (privileged == core->privileged && !core->busy.observing) {
            translate(core, address, region);
        }
    } else if (region || is_peripheral(address)) {
        core->busy.effect = true;
        value &= size == 4 ? ~0u : (1u << 8 * size) - 1;
        result = store_result(core, core->host.write(core->host.context, core, address, size, value), address,
                              buffered);
    } else {
        result = store_result(core, H7_BUS_FAULT, address, buffered);
    }
    if (core->watching && result == H7_DONE) {
        h7_debug_accessed(core, address, size, true);
    }
    return result;
}

/* ---- accesses as instructions make them --------------------------------------------------------------- */

static bool bears_unaligned(struct h7_core *core, uint32_t address) {
    if (core->scb.ccr & H7_CCR_UNALIGN_TRP || is_device(address)) {
        h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
        return false;
    }
    return true;
}

enum h7_result h7_load_as(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value, bool privileged) {
    if (!(address & (size - 1))) {
        return load_aligned(core, address, size, value, privileged, true);
    }
    if (!bears_unaligned(core, address)) {
        return H7_FAULTED;
    }
    uint32_t whole = 0;
    for (uint32_t index = 0; index < size; index++) {
        uint32_t byte;
        enum h7_result result = load_aligned(core, address + index, 1, &byte, privileged, false);
        if (result != H7_DONE) {
            return result;
        }
        whole |= byte << 8 * index;
    }
    *value = whole;
    return H7_DONE;
}

enum h7_result h7_store_as(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value, bool privileged) {
    if (!(address & (size - 1))) {
        return store_aligned(core, address, size, value, privileged, true);
    }
    if (!bears_unaligned(core, address)) {
        return H7_FAULTED;
    }
    for (uint32_t index = 0; index < size; index++) {
        enum h7_result result =
            store_aligned(core, address + index, 1, value >> 8 * index & 0xFF, privileged, true);
        if (result != H7_DONE) {
            return result;
        }
    }
    return H7_DONE;
}

enum h7_result h7_store_frame(struct h7_core *core, uint32_t address, uint32_t value, bool privileged) {
    return store_aligned(core, address, 4, value, privileged, false);
}

/* Whether an unaligned access stays in a page, so that its translation counts for all bytes. */
static bool in_one_page(const struct h7_core *core, uint32_t address, uint32_t size) {
    return (address & (H7_PAGE - 1)) + size <= H7_PAGE && !(core->scb.ccr & H7_CCR_UNALIGN_TRP);
}

enum h7_result h7_load(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value) {
    const uint8_t *memory = h7_readable(core, address, 1);
    if (memory && in_one_page(core, address, size)) {
        *value = size == 4 ? h7_get32(memory) : size == 2 ? h7_get16(memory) : *memory;
        return H7_DONE;
    }
    return h7_load_as(core, address, size, value, core->privileged);
}

enum h7_result h7_store(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value) {
    uint8_t *memory = h7_writable(core, address, 1);
    if (memory && in_one_page(core, address, size)) {
        if (size == 4) {
            h7_put32(memory, value);
        } else if (size == 2) {
            h7_put16(memory, value);
        } else {
            *memory = (uint8_t)value;
        }
        return H7_DONE;
    }
    return h7_store_as(core, address, size, value, core->privileged);
}

/* ---- exclusive accesses ------------------------------------------------------------------------------- */

enum h7_result h7_load_exclusive(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value) {
    if (address & (size - 1)) {
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    }
    enum h7_result result = h7_load(core, address, size, value);
    core->busy.effect = true;
    if (result == H7_DONE) {
        const uint8_t *memory = h7_memory_at(core, address, size);
        core->monitor = (struct h7_monitor){true, address, size, memory};
        FOR_EACH_PEER(core, peer) { protect(peer, memory); }
    }
    return result;
}

enum h7_result h7_store_exclusive(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value,
                                  uint32_t *status) {
    if (address & (size - 1)) {
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    }
    *status = 1;
    bool held = core->monitor.exclusive && core->monitor.address == address && core->monitor.size == size;
    core->monitor.exclusive = false;
    if (!held) {
        return H7_DONE;
    }
    enum h7_result result = h7_store_as(core, address, size, value, core->privileged);
    if (result == H7_DONE) {
        *status = 0;
    }
    return result;
}
