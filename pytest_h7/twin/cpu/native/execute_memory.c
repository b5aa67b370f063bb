/* Loads and stores that are more than one access, or not of the usual kind. */
#include "execute.h"
#include "memory.h"
#include "operations.h"

enum h7_result h7_double_access(struct h7_core *core, const struct h7_insn *insn, bool load) {
    enum { OFFSET, PRE, POST, LITERAL };
    uint32_t base = insn->ra == LITERAL ? 0 : core->r[insn->rn];
    uint32_t address = insn->ra == POST ? base : base + insn->imm;
    uint32_t first = core->r[insn->rd], second = core->r[insn->rm];
    if (address & 3) {
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    }
    enum h7_result result = load ? h7_read32(core, address, &first) : h7_write32(core, address, first);
    if (result == H7_DONE) {
        result = load ? h7_read32(core, address + 4, &second) : h7_write32(core, address + 4, second);
    }
    if (result != H7_DONE) {
        return result;
    }
    if (load) {
        core->r[insn->rd] = first;
        core->r[insn->rm] = second;
    }
    if (insn->ra == PRE || insn->ra == POST) {
        core->r[insn->rn] = (base + insn->imm) & (insn->rn == 13 ? ~3u : ~0u);
    }
    return H7_DONE;
}

/* LDRT, STRT and their kin: accesses as if unprivileged. */
enum h7_result h7_unprivileged_access(struct h7_core *core, const struct h7_insn *insn) {
    static const uint8_t size[5] = {[H7_WORD] = 4, [H7_BYTE] = 1, [H7_HALF] = 2, [H7_SIGNED_BYTE] = 1,
                                    [H7_SIGNED_HALF] = 2};
    uint32_t address = core->r[insn->rn] + insn->imm, value = 0, kind = insn->aux & 7u;
    if (insn->aux & H7_IS_STORE) {
        return h7_store_as(core, address, size[kind], core->r[insn->rd], false);
    }
    enum h7_result result = h7_load_as(core, address, size[kind], &value, false);
    if (result == H7_DONE) {
        core->r[insn->rd] = kind == H7_SIGNED_BYTE   ? signed_byte(value)
                            : kind == H7_SIGNED_HALF ? signed_half(value)
                                                     : value;
    }
    return result;
}

/* LDR into SP or PC: the value; the base is written back here. */
enum h7_result h7_special_load(struct h7_core *core, const struct h7_insn *insn, uint32_t *value) {
    uint32_t base = core->r[insn->rn], address = base + insn->imm;
    switch (insn->aux) {
    case H7_LITERAL:
        address = insn->imm;
        break;
    case H7_OFFSET_REG:
        address = base + (core->r[insn->rm] << insn->shift);
        break;
    case H7_POST:
        address = base;
        break;
    default:
        break;
    }
    if (insn->rd == 15 && address & 3) {
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    }
    enum h7_result result = h7_read32(core, address, value);
    if (result == H7_DONE && (insn->aux == H7_PRE || insn->aux == H7_POST)) {
        core->r[insn->rn] = (base + insn->imm) & (insn->rn == 13 ? ~3u : ~0u);
    }
    return result;
}
