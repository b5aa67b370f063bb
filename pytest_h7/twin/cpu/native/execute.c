/* The execution of decoded instructions.
 *
 * `h7_execute` jumps from the code of one operation straight to that of the next, through a table of labels
 * (or a switch, with compilers that have no computed goto). `insn` is the instruction being executed, `left`
 * the instructions that may follow. Before anything outside of this file is called, SYNC writes both back.
 *
 * IT blocks: while ITSTATE is not zero, the table leads every instruction to `it_next`, which checks the
 * condition and then takes the operation that the instruction has inside IT blocks. Outside, this costs
 * nothing. An instruction whose condition fails takes a cycle like any other.
 *
 * Instructions that must not be cached are decoded one by one into core->single: those that lie in two pages,
 * those of pages that the MPU divides, and those behind a breakpoint that did not stop. */
#include "dsp.h"
#include "execute.h"
#include "memory.h"
#include "operations.h"
#include "portable.h"

#if defined(__GNUC__) && !defined(H7_PLAIN_C)
#define HAS_COMPUTED_GOTO
#endif

/* Add with carry: the result; the flags by pointers into the core. */
static inline uint32_t add_with_carry(struct h7_core *core, uint32_t a, uint32_t b, uint32_t carry) {
    uint64_t sum = (uint64_t)a + b + carry;
    uint32_t result = (uint32_t)sum;
    core->c = (uint32_t)(sum >> 32);
    core->v = (a ^ result) & (b ^ result);
    core->n = core->z = result;
    return result;
}

static inline uint32_t rotate_right(uint32_t value, uint32_t by) {
    return value >> (by & 31) | value << (-by & 31);
}

/* A SHIFT operand; shift by 1 to 32. */
static inline uint32_t shifted(const struct h7_core *core, const struct h7_insn *insn) {
    uint32_t value = core->r[insn->rm], amount = insn->shift;
    switch (insn->aux) {
    case H7_LSL:
        return value << amount;
    case H7_LSR:
        return (uint32_t)((uint64_t)value >> amount);
    case H7_ASR:
        return (uint32_t)((int64_t)(int32_t)value >> amount);
    case H7_ROR:
        return rotate_right(value, amount);
    default:
        return core->c << 31 | value >> 1;
    }
}

/* The carry that comes out of a SHIFT or LSL operand. */
static inline uint32_t shifted_out(const struct h7_core *core, const struct h7_insn *insn) {
    uint32_t value = core->r[insn->rm], amount = insn->shift;
    return insn->aux == H7_LSL ? value >> (32 - amount) & 1 : value >> (amount - 1) & 1;
}

/* A shift by the lowest byte of a register. Leaves *carry as it is for a shift by 0. */
static uint32_t shift_by_register(uint32_t type, uint32_t value, uint32_t amount, uint32_t *carry) {
    amount &= 0xFF;
    if (amount == 0) {
        return value;
    }
    if (type == H7_ROR) {
        value = rotate_right(value, amount);
        *carry = value >> 31;
        return value;
    }
    if (amount > 32) {
        amount = 33;
    }
    if (type == H7_ASR) {
        int64_t wide = (int32_t)value;
        *carry = (uint32_t)(wide >> (amount - 1)) & 1;
        return (uint32_t)(wide >> amount);
    }
    uint64_t wide = value;
    if (type == H7_LSL) {
        wide <<= amount;
        *carry = (uint32_t)(wide >> 32) & 1;
    } else {
        *carry = (uint32_t)(wide >> (amount - 1)) & 1;
        wide >>= amount;
    }
    return (uint32_t)wide;
}

static bool condition_passes(const struct h7_core *core, uint32_t condition) {
    bool n = core->n >> 31, z = core->z == 0, c = core->c, v = core->v >> 31, result;
    switch (condition >> 1) {
    case 0:
        result = z;
        break;
    case 1:
        result = c;
        break;
    case 2:
        result = n;
        break;
    case 3:
        result = v;
        break;
    case 4:
        result = c && !z;
        break;
    case 5:
        result = n == v;
        break;
    case 6:
        result = n == v && !z;
        break;
    default:
        return true;
    }
    return result != (condition & 1);
}

static uint32_t reverse_bits(uint32_t value) {
    value = (value >> 1 & 0x55555555) | (value & 0x55555555) << 1;
    value = (value >> 2 & 0x33333333) | (value & 0x33333333) << 2;
    value = (value >> 4 & 0x0F0F0F0F) | (value & 0x0F0F0F0F) << 4;
    value = (value >> 8 & 0x00FF00FF) | (value & 0x00FF00FF) << 8;
    return value >> 16 | value << 16;
}

static uint32_t reverse_bytes(uint32_t value) {
    value = (value >> 8 & 0x00FF00FF) | (value & 0x00FF00FF) << 8;
    return value >> 16 | value << 16;
}

/* ---- loads and stores that are more than one access --------------------------------------------------- */

static enum h7_result load_multiple(struct h7_core *core, const struct h7_insn *insn, uint32_t *values) {
    uint32_t base = core->r[insn->rn], address = base + insn->imm, count = insn->ra;
    if (address & 3) {
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    }
    const uint8_t *memory = h7_readable(core, address, 4);
    if (memory && (address & (H7_PAGE - 1)) + 4 * count <= H7_PAGE) {
        memcpy(values, memory, 4 * count);
        return H7_DONE;
    }
    for (uint32_t index = 0; index < count; index++) {
        enum h7_result result = h7_read32(core, address + 4 * index, &values[index]);
        if (result != H7_DONE) {
            return result;
        }
    }
    return H7_DONE;
}

/* Put loaded values into the registers of the list, the PC apart, and write the base back. */
static inline void distribute(struct h7_core *core, const struct h7_insn *insn, const uint32_t *values) {
    core->r[insn->rn] += (uint32_t)(int32_t)(int8_t)insn->shift * 4;
    for (uint32_t list = insn->aux & 0x7FFF; list; list &= list - 1) {
        core->r[h7_lowest_bit(list)] = *values++;
    }
}

static enum h7_result store_multiple(struct h7_core *core, const struct h7_insn *insn) {
    uint32_t address = core->r[insn->rn] + insn->imm;
    if (address & 3) {
        return h7_fail(core, H7_USAGE_FAULT, H7_UNALIGNED);
    }
    uint8_t *memory = h7_writable(core, address, 4);
    if (memory && (address & (H7_PAGE - 1)) + 4u * insn->ra <= H7_PAGE) {
        for (uint32_t list = insn->aux; list; list &= list - 1, memory += 4) {
            h7_put32(memory, core->r[h7_lowest_bit(list)]);
        }
    } else {
        for (uint32_t list = insn->aux; list; list &= list - 1, address += 4) {
            enum h7_result result = h7_write32(core, address, core->r[h7_lowest_bit(list)]);
            if (result != H7_DONE) {
                return result;
            }
        }
    }
    core->r[insn->rn] += (uint32_t)(int32_t)(int8_t)insn->shift * 4;
    return H7_DONE;
}

/* ---- the interpreter ---------------------------------------------------------------------------------- */

#define ADDRESS (page->address + (uint32_t)(insn - page->insn) * 2)
#define SYNC (core->r[15] = ADDRESS, core->left = left)
#define R(field) r[insn->field]

#ifdef HAS_COMPUTED_GOTO
#define GO_BY_TABLE goto *table[insn->op]
#define GO_INSIDE_IT goto *outside[insn->it_op]
#define CASE(NAME) op_##NAME:
#else
#define GO_BY_TABLE \
    do { operation = insn->op; goto select; } while (0)
#define GO_INSIDE_IT \
    do { operation = insn->it_op; goto selected; } while (0)
#define CASE(NAME) case H7_OP_##NAME:
#endif

/* Go on with the instruction at `insn`, or return if none is left. */
#define DISPATCH \
    do { \
        if (H7_UNLIKELY(--left < 0)) { \
            goto used_up; \
        } \
        GO_BY_TABLE; \
    } while (0)
#define NEXT_2 \
    do { insn += 1; DISPATCH; } while (0)
#define NEXT \
    do { insn += insn->size >> 1; DISPATCH; } while (0)
#define BRANCH(WHERE) \
    do { \
        target = (WHERE); \
        uint32_t place = target - page->address; \
        if (H7_LIKELY(place < H7_PAGE)) { \
            insn = page->insn + (place >> 1); \
            DISPATCH; \
        } \
        goto far_branch; \
    } while (0)

#define ROTATED rotate_right(R(rm), insn->imm)
#define SET_NZ(result) (core->n = core->z = (result))

/* Operand forms of a data-processing operation. In EXPRESSION, a and b are the operands. */
#define FORMS_PLAIN(NAME, EXPRESSION) \
    CASE(NAME##_IMM) { uint32_t a = R(rn), b = insn->imm; (void)a; R(rd) = (EXPRESSION); } NEXT; \
    CASE(NAME##_REG) { uint32_t a = R(rn), b = R(rm); (void)a; R(rd) = (EXPRESSION); } NEXT; \
    CASE(NAME##_LSL) { uint32_t a = R(rn), b = R(rm) << insn->shift; (void)a; R(rd) = (EXPRESSION); } NEXT; \
    CASE(NAME##_SHIFT) { uint32_t a = R(rn), b = shifted(core, insn); (void)a; R(rd) = (EXPRESSION); } NEXT;

#define FORMS_LOGICAL(NAME, EXPRESSION) \
    FORMS_PLAIN(NAME, EXPRESSION) \
    CASE(NAME##S_IMM) { \
        uint32_t a = R(rn), b = insn->imm; \
        (void)a; \
        if (insn->aux) { \
            core->c = b >> 31; \
        } \
        R(rd) = SET_NZ(EXPRESSION); \
    } NEXT; \
    CASE(NAME##S_REG) { uint32_t a = R(rn), b = R(rm); (void)a; R(rd) = SET_NZ(EXPRESSION); } NEXT; \
    CASE(NAME##S_LSL) { \
        uint32_t a = R(rn), b = R(rm) << insn->shift; \
        (void)a; \
        core->c = shifted_out(core, insn); \
        R(rd) = SET_NZ(EXPRESSION); \
    } NEXT; \
    CASE(NAME##S_SHIFT) { \
        uint32_t a = R(rn), b = shifted(core, insn); \
        (void)a; \
        core->c = shifted_out(core, insn); \
        R(rd) = SET_NZ(EXPRESSION); \
    } NEXT;

#define FORMS_ARITHMETIC(NAME, EXPRESSION, FLAGGED) \
    FORMS_PLAIN(NAME, EXPRESSION) \
    CASE(NAME##S_IMM) { uint32_t a = R(rn), b = insn->imm; R(rd) = (FLAGGED); } NEXT; \
    CASE(NAME##S_REG) { uint32_t a = R(rn), b = R(rm); R(rd) = (FLAGGED); } NEXT; \
    CASE(NAME##S_LSL) { uint32_t a = R(rn), b = R(rm) << insn->shift; R(rd) = (FLAGGED); } NEXT; \
    CASE(NAME##S_SHIFT) { uint32_t a = R(rn), b = shifted(core, insn); R(rd) = (FLAGGED); } NEXT;

#define COMPARE_LOGICAL(NAME, EXPRESSION) \
    CASE(NAME##_IMM) { \
        uint32_t a = R(rn), b = insn->imm; \
        if (insn->aux) { \
            core->c = b >> 31; \
        } \
        SET_NZ(EXPRESSION); \
    } NEXT; \
    CASE(NAME##_REG) { uint32_t a = R(rn), b = R(rm); SET_NZ(EXPRESSION); } NEXT; \
    CASE(NAME##_LSL) { \
        uint32_t a = R(rn), b = R(rm) << insn->shift; \
        core->c = shifted_out(core, insn); \
        SET_NZ(EXPRESSION); \
    } NEXT; \
    CASE(NAME##_SHIFT) { \
        uint32_t a = R(rn), b = shifted(core, insn); \
        core->c = shifted_out(core, insn); \
        SET_NZ(EXPRESSION); \
    } NEXT;

#define COMPARE_ARITHMETIC(NAME, FLAGGED) \
    CASE(NAME##_IMM) { uint32_t a = R(rn), b = insn->imm; (void)(FLAGGED); } NEXT; \
    CASE(NAME##_REG) { uint32_t a = R(rn), b = R(rm); (void)(FLAGGED); } NEXT; \
    CASE(NAME##_LSL) { uint32_t a = R(rn), b = R(rm) << insn->shift; (void)(FLAGGED); } NEXT; \
    CASE(NAME##_SHIFT) { uint32_t a = R(rn), b = shifted(core, insn); (void)(FLAGGED); } NEXT;

#define SHIFT_BY_REGISTER(NAME) \
    CASE(NAME) { uint32_t carry = 0; R(rd) = shift_by_register(H7_##NAME, R(rn), R(rm), &carry); } NEXT; \
    CASE(NAME##S) { R(rd) = SET_NZ(shift_by_register(H7_##NAME, R(rn), R(rm), &core->c)); } NEXT;

/* A load: SIZE bytes at ADDRESS, CAST to the register's value; then AFTER. */
#define LOAD_FROM(SIZE, CAST, ADDRESS_, AFTER) \
    { \
        uint32_t address = (ADDRESS_), value; \
        const uint8_t *memory = h7_readable(core, address, SIZE); \
        if (H7_LIKELY(memory)) { \
            value = SIZE == 4 ? h7_get32(memory) : SIZE == 2 ? h7_get16(memory) : *memory; \
        } else { \
            SYNC; \
            if ((result = h7_load(core, address, SIZE, &value)) != H7_DONE) { \
                goto failed; \
            } \
            left = core->left; \
        } \
        AFTER; \
        R(rd) = (uint32_t)(CAST)value; \
    } \
    NEXT;
#define STORE_TO(SIZE, ADDRESS_, AFTER) \
    { \
        uint32_t address = (ADDRESS_); \
        uint8_t *memory = h7_writable(core, address, SIZE); \
        if (H7_LIKELY(memory)) { \
            if (SIZE == 4) { \
                h7_put32(memory, R(rd)); \
            } else if (SIZE == 2) { \
                h7_put16(memory, R(rd)); \
            } else { \
                *memory = (uint8_t)R(rd); \
            } \
        } else { \
            SYNC; \
            if ((result = h7_store(core, address, SIZE, R(rd))) != H7_DONE) { \
                goto failed; \
            } \
            left = core->left; \
        } \
        AFTER; \
    } \
    NEXT;

#define INDEXED (R(rn) + insn->imm)
#define WRITE_BASE(value) R(rn) = (value) & (insn->rn == 13 ? ~3u : ~0u)
#define LOADS(NAME, SIZE, CAST) \
    CASE(NAME##_IMM) LOAD_FROM(SIZE, CAST, INDEXED, ) \
    CASE(NAME##_REG) LOAD_FROM(SIZE, CAST, R(rn) + (R(rm) << insn->shift), ) \
    CASE(NAME##_PRE) LOAD_FROM(SIZE, CAST, INDEXED, WRITE_BASE(address)) \
    CASE(NAME##_POST) LOAD_FROM(SIZE, CAST, R(rn), WRITE_BASE(INDEXED)) \
    CASE(NAME##_LIT) LOAD_FROM(SIZE, CAST, insn->imm, )
#define STORES(NAME, SIZE) \
    CASE(NAME##_IMM) STORE_TO(SIZE, INDEXED, ) \
    CASE(NAME##_REG) STORE_TO(SIZE, R(rn) + (R(rm) << insn->shift), ) \
    CASE(NAME##_PRE) STORE_TO(SIZE, INDEXED, WRITE_BASE(address)) \
    CASE(NAME##_POST) STORE_TO(SIZE, R(rn), WRITE_BASE(INDEXED))

#define BRANCH_IF(NAME, CONDITION) \
    CASE(NAME) if (CONDITION) { BRANCH(insn->imm); } NEXT;
#define N_IS_V ((int32_t)(core->n ^ core->v) >= 0)

/* Call something that may fail, or end the stretch. */
#define CALL(EXPRESSION) \
    do { \
        SYNC; \
        if (H7_UNLIKELY((result = (EXPRESSION)) != H7_DONE)) { \
            goto failed; \
        } \
        left = core->left; \
    } while (0)

/* The function is one on purpose: every operation's code ends in a jump of its own to the next. */
static void execute(struct h7_core *core) {
#ifdef HAS_COMPUTED_GOTO
    static const void *const outside[H7_OPERATION_COUNT] = {
#define H7_OP(NAME) &&op_##NAME,
        H7_OPERATIONS
#undef H7_OP
    };
    /* What no IT block keeps from happening has its own code; all else is asked for its condition. */
    static const void *const inside[H7_OPERATION_COUNT] = {
#define H7_OP(NAME) \
        H7_OP_##NAME == H7_OP_DECODE || H7_OP_##NAME == H7_OP_NEXT_PAGE || H7_OP_##NAME == H7_OP_STRADDLE || \
                H7_OP_##NAME == H7_OP_BREAKPOINT || H7_OP_##NAME == H7_OP_BKPT \
            ? &&op_##NAME \
            : &&it_next,
        H7_OPERATIONS
#undef H7_OP
    };
    const void *const *table = core->itstate ? inside : outside;
#else
    uint32_t operation;
#endif
    uint32_t *const r = core->r;
    int64_t left = core->left;
    struct h7_code_page *page;
    struct h7_insn *insn;
    enum h7_result result;
    uint32_t target = r[15];

    goto far_branch;

used_up:
    left = 0;
    SYNC;
    return;

far_branch: /* to `target`, of which the page is to be found */
    r[15] = target;
    page = core->code_recent[target >> H7_PAGE_BITS & 63];
    if (H7_UNLIKELY(!page || target - page->address >= H7_PAGE)) {
        if (left <= 0) {
            core->left = 0;
            return;
        }
        page = h7_code_at(core, target);
        if (!page) {
            goto cannot_fetch;
        }
    }
    insn = page->insn + ((target - page->address) >> 1);
    DISPATCH;

cannot_fetch: /* the instruction at r[15] */
    core->left = left > 0 ? left - 1 : 0;
    h7_exception_fault(core, core->fault.number, core->fault.status, core->fault.address);
    return;

failed: /* r[15] and left have been written back */
    core->itstate = core->it_current;
    if (result == H7_FAULTED) {
        h7_exception_fault(core, core->fault.number, core->fault.status, core->fault.address);
    } else {
        core->aborted = true;
    }
    return;

#ifdef HAS_COMPUTED_GOTO
it_next:
    if (!core->itstate) {
        core->it_current = 0;
        table = outside;
        GO_BY_TABLE;
    }
#else
select:
    switch (operation) {
    case H7_OP_DECODE: case H7_OP_NEXT_PAGE: case H7_OP_STRADDLE: case H7_OP_BREAKPOINT: case H7_OP_BKPT:
        goto selected;
    default:
        break;
    }
    if (!core->itstate) {
        core->it_current = 0;
        goto selected;
    }
#endif
    {
        uint32_t state = core->itstate;
        core->it_current = state;
        core->itstate = state & 7 ? (state & 0xE0) | (state << 1 & 0x1F) : 0;
        if (condition_passes(core, state >> 4)) {
            GO_INSIDE_IT;
        }
        NEXT;
    }

#ifndef HAS_COMPUTED_GOTO
selected:
    switch (operation) {
#endif

    /* -- what stands in for instructions -- */

    CASE(DECODE) {
        h7_code_decode(core, page, (uint32_t)(insn - page->insn));
        GO_BY_TABLE;
    }
    CASE(NEXT_PAGE) {
        target = ADDRESS;
        left++;
        r[15] = target;
        page = core->code_recent[target >> H7_PAGE_BITS & 63];
        if (H7_UNLIKELY(!page || target - page->address >= H7_PAGE)) {
            page = h7_code_at(core, target);
            if (!page) {
                goto cannot_fetch;
            }
        }
        left--;
        insn = page->insn + ((target - page->address) >> 1);
        GO_BY_TABLE;
    }
    CASE(STRADDLE) {
        r[15] = ADDRESS;
        page = h7_code_single(core, r[15]);
        if (!page) {
            left++;
            goto cannot_fetch;
        }
        insn = page->insn;
        GO_BY_TABLE;
    }
    CASE(BREAKPOINT) {
        left++;
        SYNC;
        if (h7_debug_breakpoint(core)) {
            return;
        }
        left = core->left - 1;
        page = h7_code_single(core, r[15]);
        if (!page) {
            left++;
            goto cannot_fetch;
        }
        insn = page->insn;
        GO_BY_TABLE;
    }

    /* -- data processing -- */

    FORMS_LOGICAL(AND, a & b)
    FORMS_LOGICAL(BIC, a & ~b)
    FORMS_LOGICAL(ORR, a | b)
    FORMS_LOGICAL(ORN, a | ~b)
    FORMS_LOGICAL(EOR, a ^ b)
    FORMS_LOGICAL(MOV, b)
    FORMS_LOGICAL(MVN, ~b)
    FORMS_ARITHMETIC(ADD, a + b, add_with_carry(core, a, b, 0))
    FORMS_ARITHMETIC(ADC, a + b + core->c, add_with_carry(core, a, b, core->c))
    FORMS_ARITHMETIC(SUB, a - b, add_with_carry(core, a, ~b, 1))
    FORMS_ARITHMETIC(SBC, a + ~b + core->c, add_with_carry(core, a, ~b, core->c))
    FORMS_ARITHMETIC(RSB, b - a, add_with_carry(core, b, ~a, 1))
    COMPARE_LOGICAL(TST, a & b)
    COMPARE_LOGICAL(TEQ, a ^ b)
    COMPARE_ARITHMETIC(CMP, add_with_carry(core, a, ~b, 1))
    COMPARE_ARITHMETIC(CMN, add_with_carry(core, a, b, 0))
    SHIFT_BY_REGISTER(LSL)
    SHIFT_BY_REGISTER(LSR)
    SHIFT_BY_REGISTER(ASR)
    SHIFT_BY_REGISTER(ROR)

    CASE(ADD_SP_IMM) r[13] = (R(rn) + insn->imm) & ~3u; NEXT;
    CASE(ADD_SP_REG) r[13] = (R(rn) + (R(rm) << insn->shift)) & ~3u; NEXT;
    CASE(SUB_SP_REG) r[13] = (R(rn) - (R(rm) << insn->shift)) & ~3u; NEXT;
    CASE(MOV_SP) r[13] = R(rm) & ~3u; NEXT;
    CASE(FLAGS_SP) { /* ADDS, SUBS SP, SP, ... */
        bool by_register = insn->aux != H7_OP_ADDS_IMM && insn->aux != H7_OP_SUBS_IMM;
        bool adds = insn->aux >= H7_OP_ADDS_IMM && insn->aux <= H7_OP_ADDS_SHIFT;
        uint32_t b = by_register ? R(rm) << insn->shift : insn->imm;
        r[13] = (adds ? add_with_carry(core, r[13], b, 0) : add_with_carry(core, r[13], ~b, 1)) & ~3u;
    } NEXT;
    CASE(MOVT) R(rd) = (R(rd) & 0xFFFF) | insn->imm; NEXT;

    CASE(SXTB) R(rd) = signed_byte(ROTATED); NEXT;
    CASE(SXTH) R(rd) = signed_half(ROTATED); NEXT;
    CASE(UXTB) R(rd) = (ROTATED & 0xFF); NEXT;
    CASE(UXTH) R(rd) = (ROTATED & 0xFFFF); NEXT;
    CASE(SXTAB) R(rd) = R(rn) + signed_byte(ROTATED); NEXT;
    CASE(SXTAH) R(rd) = R(rn) + signed_half(ROTATED); NEXT;
    CASE(UXTAB) R(rd) = R(rn) + (ROTATED & 0xFF); NEXT;
    CASE(UXTAH) R(rd) = R(rn) + (ROTATED & 0xFFFF); NEXT;

    CASE(BFI) {
        uint32_t field = insn->ra ? 0 : R(rn) << insn->shift;
        R(rd) = (R(rd) & ~insn->imm) | (field & insn->imm);
    } NEXT;
    CASE(SBFX) R(rd) = (uint32_t)((int32_t)(R(rn) << insn->shift) >> insn->aux); NEXT;
    CASE(UBFX) R(rd) = R(rn) << insn->shift >> insn->aux; NEXT;
    CASE(CLZ) {
        uint32_t value = R(rm);
        R(rd) = value ? h7_leading_zeros(value) : 32;
    } NEXT;
    CASE(RBIT) R(rd) = reverse_bits(R(rm)); NEXT;
    CASE(REV) R(rd) = reverse_bytes(R(rm)); NEXT;
    CASE(REV16) R(rd) = rotate_right(reverse_bytes(R(rm)), 16); NEXT;
    CASE(REVSH) R(rd) = signed_half(reverse_bytes(R(rm)) >> 16); NEXT;

    CASE(MUL) R(rd) = R(rn) * R(rm); NEXT;
    CASE(MULS) R(rd) = SET_NZ(R(rn) * R(rm)); NEXT;
    CASE(MLA) R(rd) = R(ra) + R(rn) * R(rm); NEXT;
    CASE(MLS) R(rd) = R(ra) - R(rn) * R(rm); NEXT;
    CASE(SMULL) {
        uint64_t product = (uint64_t)((int64_t)(int32_t)R(rn) * (int32_t)R(rm));
        R(rd) = (uint32_t)product;
        R(ra) = (uint32_t)(product >> 32);
    } NEXT;
    CASE(UMULL) {
        uint64_t product = (uint64_t)R(rn) * R(rm);
        R(rd) = (uint32_t)product;
        R(ra) = (uint32_t)(product >> 32);
    } NEXT;
    CASE(SMLAL) {
        uint64_t sum = ((uint64_t)R(ra) << 32 | R(rd)) + (uint64_t)((int64_t)(int32_t)R(rn) * (int32_t)R(rm));
        R(rd) = (uint32_t)sum;
        R(ra) = (uint32_t)(sum >> 32);
    } NEXT;
    CASE(UMLAL) {
        uint64_t sum = ((uint64_t)R(ra) << 32 | R(rd)) + (uint64_t)R(rn) * R(rm);
        R(rd) = (uint32_t)sum;
        R(ra) = (uint32_t)(sum >> 32);
    } NEXT;
    CASE(SDIV) CASE(UDIV) {
        uint32_t a = R(rn), b = R(rm);
        if (b == 0) {
            if (core->scb.ccr & H7_CCR_DIV_0_TRP) {
                CALL(h7_fail(core, H7_USAGE_FAULT, H7_DIVBYZERO));
            }
            R(rd) = 0;
        } else if (insn->it_op == H7_OP_SDIV) {
            R(rd) = b == 0xFFFFFFFFu ? 0u - a : (uint32_t)((int32_t)a / (int32_t)b);
        } else {
            R(rd) = a / b;
        }
    } NEXT;
    CASE(DSP) h7_dsp(core, insn); NEXT;

    /* -- loads and stores -- */

    LOADS(LDR, 4, uint32_t)
    LOADS(LDRB, 1, uint8_t)
    LOADS(LDRH, 2, uint16_t)
    LOADS(LDRSB, 1, int8_t)
    LOADS(LDRSH, 2, int16_t)
    STORES(STR, 4)
    STORES(STRB, 1)
    STORES(STRH, 2)

    CASE(LDR_SPECIAL) {
        uint32_t value;
        CALL(h7_special_load(core, insn, &value));
        if (insn->rd == 13) {
            r[13] = value & ~3u;
            NEXT;
        }
        target = value;
        goto exchange;
    }
    CASE(UNPRIVILEGED) CALL(h7_unprivileged_access(core, insn)); NEXT;
    CASE(LDRD) CALL(h7_double_access(core, insn, true)); NEXT;
    CASE(STRD) CALL(h7_double_access(core, insn, false)); NEXT;
    CASE(LDM) {
        uint32_t values[16];
        CALL(load_multiple(core, insn, values));
        distribute(core, insn, values);
    } NEXT;
    CASE(LDM_PC) {
        uint32_t values[16];
        CALL(load_multiple(core, insn, values));
        distribute(core, insn, values);
        target = values[insn->ra - 1];
        goto exchange;
    }
    CASE(STM) CALL(store_multiple(core, insn)); NEXT;
    CASE(TBB) {
        uint32_t base = insn->ra ? insn->imm : R(rn), offset;
        CALL(h7_load(core, base + R(rm), 1, &offset));
        BRANCH(insn->imm + 2 * offset);
    }
    CASE(TBH) {
        uint32_t base = insn->ra ? insn->imm : R(rn), offset;
        CALL(h7_load(core, base + 2 * R(rm), 2, &offset));
        BRANCH(insn->imm + 2 * offset);
    }
    CASE(LDREX) {
        uint32_t value;
        CALL(h7_load_exclusive(core, INDEXED, insn->shift, &value));
        R(rd) = value;
    } NEXT;
    CASE(STREX) {
        uint32_t status;
        CALL(h7_store_exclusive(core, INDEXED, insn->shift, R(rd), &status));
        R(ra) = status;
    } NEXT;
    CASE(CLREX) core->monitor.exclusive = false; NEXT;

    /* -- branches -- */

    CASE(B) BRANCH(insn->imm);
    CASE(BL) r[14] = (ADDRESS + 4) | 1; BRANCH(insn->imm);
    CASE(BX) {
        target = insn->imm ? insn->imm : R(rm);
        goto exchange;
    }
    CASE(BLX) {
        target = R(rm);
        r[14] = (ADDRESS + 2) | 1;
        if (H7_LIKELY(target & 1)) {
            BRANCH(target & ~1u);
        }
        goto leave_thumb;
    }
    CASE(MOV_PC) BRANCH(R(rm) & ~1u);
    CASE(ADD_PC) BRANCH((insn->imm + R(rm)) & ~1u);
    CASE(CBZ) if (R(rn) == 0) { BRANCH(insn->imm); } NEXT_2;
    CASE(CBNZ) if (R(rn) != 0) { BRANCH(insn->imm); } NEXT_2;
    BRANCH_IF(BEQ, core->z == 0)
    BRANCH_IF(BNE, core->z != 0)
    BRANCH_IF(BCS, core->c)
    BRANCH_IF(BCC, !core->c)
    BRANCH_IF(BMI, core->n >> 31)
    BRANCH_IF(BPL, !(core->n >> 31))
    BRANCH_IF(BVS, core->v >> 31)
    BRANCH_IF(BVC, !(core->v >> 31))
    BRANCH_IF(BHI, core->c && core->z != 0)
    BRANCH_IF(BLS, !core->c || core->z == 0)
    BRANCH_IF(BGE, N_IS_V)
    BRANCH_IF(BLT, !N_IS_V)
    BRANCH_IF(BGT, N_IS_V && core->z != 0)
    BRANCH_IF(BLE, !N_IS_V || core->z == 0)

    /* -- system -- */

    CASE(IT) {
        core->itstate = insn->imm;
#ifdef HAS_COMPUTED_GOTO
        table = inside;
#endif
    } NEXT_2;
    CASE(NOP) NEXT;
    CASE(WFI) CASE(WFE) {
        SYNC;
        r[15] += insn->size;
        h7_wait(core, insn->it_op == H7_OP_WFE);
        left = core->left;
    } NEXT;
    CASE(SEV) {
        SYNC;
        h7_send_event(core);
        left = core->left;
    } NEXT;
    CASE(SVC) {
        SYNC;
        r[15] += 2;
        h7_exception_fault(core, H7_SVCALL, 0, 0);
        return;
    }
    CASE(BKPT) {
        left++;
        SYNC;
        h7_debug_event(core, H7_DFSR_BKPT, true);
        return;
    }
    CASE(CPS) {
        SYNC;
        h7_change_masks(core, insn->imm);
        left = core->left;
    } NEXT_2;
    CASE(MRS) R(rd) = h7_read_special(core, insn->imm); NEXT;
    CASE(MSR) {
        SYNC;
        h7_write_special(core, insn->imm, R(rn), insn->aux);
        left = core->left;
    } NEXT;
    CASE(UNDEFINED) CALL(h7_fail(core, H7_USAGE_FAULT, H7_UNDEFINSTR)); NEXT;
    CASE(NO_COPROCESSOR) CALL(h7_fail(core, H7_USAGE_FAULT, H7_NOCP)); NEXT;
    CASE(FLOAT) {
        SYNC;
        if (H7_UNLIKELY(!core->fp_ready)) {
            CALL(h7_fp_prepare(core));
        }
        CALL(h7_float_execute(core, insn));
    } NEXT;
    CASE(FLOAT_UNDEFINED) CALL(h7_no_float(core)); NEXT;

#ifndef HAS_COMPUTED_GOTO
    }
#endif

exchange: /* to `target` by BX, LDR or POP: bit 0 is the state, and exception returns are possible */
    if (H7_UNLIKELY(target >= H7_EXC_RETURNS && core->ipsr)) {
        SYNC;
        h7_exception_return(core, target);
        return;
    }
    if (H7_LIKELY(target & 1)) {
        BRANCH(target & ~1u);
    }

leave_thumb: /* there is no ARM state: the next instruction faults */
    r[15] = target & ~1u;
    core->thumb = false;
    core->left = left;
}

void h7_execute(struct h7_core *core) {
    if (!core->thumb) {
        core->left--;
        h7_exception_fault(core, H7_USAGE_FAULT, H7_INVSTATE, 0);
        return;
    }
    core->it_current = 0;
    core->executing = true;
    execute(core);
    core->executing = false;
}
