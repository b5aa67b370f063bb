/* Special registers: MRS, MSR, CPS (Arm DDI0403E B5.2). */
#include "execute.h"

enum { SYS_MSP = 8, SYS_PSP, SYS_PRIMASK = 16, SYS_BASEPRI, SYS_BASEPRI_MAX, SYS_FAULTMASK, SYS_CONTROL };

uint32_t h7_read_special(const struct h7_core *core, uint32_t which) {
    if (which < 8) { /* APSR, IPSR, EPSR (reads zero) and combinations */
        uint32_t value = which & 4 ? 0 : h7_apsr(core);
        return which & 1 ? value | core->ipsr : value;
    }
    if (which == SYS_CONTROL) {
        return core->control & (core->ipsr ? ~(uint32_t)H7_CONTROL_SPSEL : ~0u);
    }
    if (!core->privileged) {
        return 0;
    }
    switch (which) {
    case SYS_MSP:
        return h7_msp(core);
    case SYS_PSP:
        return h7_psp(core);
    case SYS_PRIMASK:
        return core->primask;
    case SYS_BASEPRI:
    case SYS_BASEPRI_MAX:
        return core->basepri;
    case SYS_FAULTMASK:
        return core->faultmask;
    default:
        return 0;
    }
}

/* FAULTMASK cannot be set by what has the priority of HardFault or NMI. */
static void set_faultmask(struct h7_core *core, uint32_t value) {
    if (!value || h7_execution_priority(core, true) > -1) {
        core->faultmask = value;
        h7_mode_changed(core);
    }
}

void h7_write_special(struct h7_core *core, uint32_t which, uint32_t value, uint32_t mask) {
    if (which < 8) {
        if (!(which & 4)) {
            if (mask & 2) {
                h7_set_nzcvq(core, value);
            }
            if (mask & 1) {
                core->ge = value >> 16 & 0xF;
            }
        }
        return;
    }
    if (!core->privileged) {
        return;
    }
    switch (which) {
    case SYS_MSP:
        h7_set_msp(core, value);
        return;
    case SYS_PSP:
        h7_set_psp(core, value);
        return;
    case SYS_PRIMASK:
        core->primask = value & 1;
        break;
    case SYS_BASEPRI:
        core->basepri = value & H7_PRIORITY_MASK;
        break;
    case SYS_BASEPRI_MAX:
        value &= H7_PRIORITY_MASK;
        if (value && (value < core->basepri || !core->basepri)) {
            core->basepri = value;
        }
        break;
    case SYS_FAULTMASK:
        set_faultmask(core, value & 1);
        break;
    case SYS_CONTROL: {
        uint32_t kept = core->ipsr ? core->control & H7_CONTROL_SPSEL : 0;
        core->control = kept | (value & (core->ipsr ? 5 : 7));
        h7_mode_changed(core);
        h7_fp_ready_changed(core);
        break;
    }
    default:
        return;
    }
    if (core->nvic.attention) {
        h7_stop_after_instruction(core);
    }
}

/* CPSIE, CPSID: bit 4 disables, bit 1 PRIMASK, bit 0 FAULTMASK. */
void h7_change_masks(struct h7_core *core, uint32_t which) {
    uint32_t value = which >> 4 & 1;
    if (!core->privileged) {
        return;
    }
    if (which & 2) {
        core->primask = value;
    }
    if (which & 1) {
        set_faultmask(core, value);
    }
    if (core->nvic.attention) {
        h7_stop_after_instruction(core);
    }
}

/* What to answer to a coprocessor instruction that does not exist, with the FPU on or off. */
enum h7_result h7_no_float(struct h7_core *core) {
    uint32_t access = core->scb.cpacr >> 20 & 3;
    bool enabled = access == 3 || (access == 1 && core->privileged);
    return h7_fail(core, H7_USAGE_FAULT, enabled ? H7_UNDEFINSTR : H7_NOCP);
}
