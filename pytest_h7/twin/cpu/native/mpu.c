/* Memory protection unit, and the default memory map without it (Arm DDI0403E B3.1, B3.5). */
#include "h7core.h"

enum { TYPE = 0xD90, CTRL = 0xD94, RNR = 0xD98, RBAR = 0xD9C }; /* RASR and three aliases of both follow */

enum {
    CTRL_BITS = H7_MPU_ENABLE | H7_MPU_HFNMIENA | H7_MPU_PRIVDEFENA,
    RBAR_VALID = 0x10,
    RBAR_REGION = 0xF,
    RASR_ENABLE = 1,
    RASR_XN = 1 << 28,
    RASR_BITS = 0x173FFF3F,
    LEAST_LOG2 = 5,         /* 32 bytes is the smallest region */
    LEAST_DIVIDED_LOG2 = 8, /* 256 bytes the smallest with subregions, of which there are eight */
    SUBREGIONS_LOG2 = 3,
};
#define RBAR_ADDRESS 0xFFFFFFE0u
#define RASR_TYPE 0x003B0000u /* TEX, C and B: zero is Strongly-ordered */
#define SYSTEM_SPACE 0xE0000000u /* never executes */

enum { DATA = H7_MAY_READ | H7_MAY_WRITE, EVERYTHING = DATA | H7_MAY_EXECUTE };

/* What RASR.AP lets privileged and unprivileged code do. 100 is reserved. */
static const uint8_t rights_of_ap[8][2] = {
    {0, 0}, {DATA, 0},        {DATA, H7_MAY_READ},        {DATA, DATA},
    {0, 0}, {H7_MAY_READ, 0}, {H7_MAY_READ, H7_MAY_READ}, {H7_MAY_READ, H7_MAY_READ},
};

/* Peripherals, devices and the system do not execute: 4000_0000-5FFF_FFFF and A000_0000 onwards. */
static uint32_t default_permissions(uint32_t address) {
    uint32_t eighth = address >> 29;
    return eighth == 2 || eighth >= 5 ? DATA : EVERYTHING;
}

/* Whether a region counts at `address`. *uniform is cleared if it does not so in the whole page. */
static bool region_covers(const struct h7_mpu *mpu, uint32_t number, uint32_t address, bool *uniform) {
    uint32_t attributes = mpu->attributes[number], disabled = attributes >> 8 & 0xFF;
    uint32_t log2 = (attributes >> 1 & 0x1F) + 1;
    uint32_t granule_log2 = log2; /* of the parts that all count or all do not */
    uint32_t inside, difference;
    if (!(attributes & RASR_ENABLE) || log2 < LEAST_LOG2) {
        return false;
    }
    if (log2 < LEAST_DIVIDED_LOG2) {
        disabled = 0;
    }
    if (disabled) {
        granule_log2 -= SUBREGIONS_LOG2;
    }
    inside = (2u << (log2 - 1)) - 1; /* log2 may be 32 */
    difference = (address ^ mpu->base[number]) & ~inside;
    if (!(difference & ~(uint32_t)(H7_PAGE - 1)) && granule_log2 < H7_PAGE_BITS) {
        *uniform = false;
    }
    if (difference) {
        return false;
    }
    return !disabled || !(disabled >> ((address & inside) >> granule_log2) & 1);
}

/* Whether the regions are asked about an address at all. */
static bool applies(const struct h7_core *core, uint32_t address) {
    uint32_t control = core->mpu.control;
    return control & H7_MPU_ENABLE && address >> 20 != SYSTEM_SPACE >> 20 &&
           (control & H7_MPU_HFNMIENA || h7_execution_priority(core, false) >= 0);
}

/* The region that counts at an address, `count` if there is none. */
static uint32_t region_at(const struct h7_mpu *mpu, uint32_t address, bool *uniform) {
    for (uint32_t number = mpu->count; number-- > 0;) {
        if (region_covers(mpu, number, address, uniform)) {
            return number;
        }
    }
    return mpu->count;
}

uint32_t h7_mpu_permissions(const struct h7_core *core, uint32_t address, bool privileged, bool *uniform) {
    const struct h7_mpu *mpu = &core->mpu;
    *uniform = true;
    if (!applies(core, address)) {
        return default_permissions(address);
    }
    uint32_t number = region_at(mpu, address, uniform);
    if (number == mpu->count) {
        return privileged && mpu->control & H7_MPU_PRIVDEFENA ? default_permissions(address) : 0;
    }
    uint32_t attributes = mpu->attributes[number];
    uint32_t rights = rights_of_ap[attributes >> 24 & 7][privileged ? 0 : 1];
    if (rights & H7_MAY_READ && !(attributes & RASR_XN) && address < SYSTEM_SPACE) {
        rights |= H7_MAY_EXECUTE;
    }
    return rights;
}

bool h7_mpu_buffers(const struct h7_core *core, uint32_t address) {
    bool uniform;
    uint32_t number = applies(core, address) ? region_at(&core->mpu, address, &uniform) : core->mpu.count;
    if (core->model == H7_CORTEX_M7) {
        return true;
    }
    return number == core->mpu.count ? !(core->scb.actlr & H7_ACTLR_DISDEFWBUF)
                                     : core->mpu.attributes[number] & RASR_TYPE;
}

void h7_mpu_reset(struct h7_core *core) {
    core->mpu = (struct h7_mpu){.count = core->model == H7_CORTEX_M7 ? 16 : 8};
}

static void select_region(struct h7_mpu *mpu, uint32_t number) {
    if (number < mpu->count) {
        mpu->number = number;
    }
}

uint32_t h7_mpu_read(const struct h7_core *core, uint32_t address) {
    const struct h7_mpu *mpu = &core->mpu;
    uint32_t offset = address & 0xFFF;
    switch (offset) {
    case TYPE:
        return mpu->count << 8;
    case CTRL:
        return mpu->control;
    case RNR:
        return mpu->number;
    default:
        return (offset - RBAR) & 4 ? mpu->attributes[mpu->number] : mpu->base[mpu->number] | mpu->number;
    }
}

void h7_mpu_write(struct h7_core *core, uint32_t address, uint32_t value) {
    struct h7_mpu *mpu = &core->mpu;
    uint32_t offset = address & 0xFFF;
    switch (offset) {
    case TYPE:
        return;
    case CTRL:
        mpu->control = value & CTRL_BITS;
        break;
    case RNR:
        select_region(mpu, value & 0xFF);
        return;
    default:
        if ((offset - RBAR) & 4) {
            mpu->attributes[mpu->number] = value & RASR_BITS;
            break;
        }
        if (value & RBAR_VALID) {
            select_region(mpu, value & RBAR_REGION);
        }
        mpu->base[mpu->number] = value & RBAR_ADDRESS;
    }
    h7_flush_translations(core);
    h7_mode_changed(core); /* notes for whom translations will be made */
}
