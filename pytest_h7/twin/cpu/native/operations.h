/* The operations that instructions decode to. Operand forms: IMM constant, REG register, LSL register
 * shifted left by a constant, SHIFT register shifted in any way by a constant; S sets the flags. */
#ifndef H7_OPERATIONS_H
#define H7_OPERATIONS_H

#define H7_FORMS(NAME) \
    H7_OP(NAME##_IMM) H7_OP(NAME##_REG) H7_OP(NAME##_LSL) H7_OP(NAME##_SHIFT) \
    H7_OP(NAME##S_IMM) H7_OP(NAME##S_REG) H7_OP(NAME##S_LSL) H7_OP(NAME##S_SHIFT)
#define H7_COMPARISON(NAME) H7_OP(NAME##_IMM) H7_OP(NAME##_REG) H7_OP(NAME##_LSL) H7_OP(NAME##_SHIFT)
#define H7_ADDRESSED(NAME) H7_OP(NAME##_IMM) H7_OP(NAME##_REG) H7_OP(NAME##_PRE) H7_OP(NAME##_POST)
#define H7_BOTH(NAME) H7_OP(NAME) H7_OP(NAME##S)

#define H7_OPERATIONS \
    /* not instructions: still to be decoded; behind the page's end; not to be cached; breakpoint */ \
    H7_OP(DECODE) H7_OP(NEXT_PAGE) H7_OP(STRADDLE) H7_OP(BREAKPOINT) \
    /* data processing */ \
    H7_FORMS(AND) H7_FORMS(BIC) H7_FORMS(ORR) H7_FORMS(ORN) H7_FORMS(EOR) H7_FORMS(MOV) H7_FORMS(MVN) \
    H7_FORMS(ADD) H7_FORMS(ADC) H7_FORMS(SUB) H7_FORMS(SBC) H7_FORMS(RSB) \
    H7_COMPARISON(TST) H7_COMPARISON(TEQ) H7_COMPARISON(CMP) H7_COMPARISON(CMN) \
    H7_BOTH(LSL) H7_BOTH(LSR) H7_BOTH(ASR) H7_BOTH(ROR) \
    H7_OP(ADD_SP_IMM) H7_OP(ADD_SP_REG) H7_OP(SUB_SP_REG) H7_OP(MOV_SP) H7_OP(FLAGS_SP) H7_OP(MOVT) \
    H7_OP(SXTB) H7_OP(SXTH) H7_OP(UXTB) H7_OP(UXTH) \
    H7_OP(SXTAB) H7_OP(SXTAH) H7_OP(UXTAB) H7_OP(UXTAH) \
    H7_OP(BFI) H7_OP(SBFX) H7_OP(UBFX) H7_OP(CLZ) H7_OP(RBIT) H7_OP(REV) H7_OP(REV16) H7_OP(REVSH) \
    H7_BOTH(MUL) H7_OP(MLA) H7_OP(MLS) H7_OP(SMULL) H7_OP(UMULL) H7_OP(SMLAL) H7_OP(UMLAL) \
    H7_OP(SDIV) H7_OP(UDIV) H7_OP(DSP) \
    /* loads and stores */ \
    H7_ADDRESSED(LDR) H7_ADDRESSED(LDRB) H7_ADDRESSED(LDRH) H7_ADDRESSED(LDRSB) H7_ADDRESSED(LDRSH) \
    H7_ADDRESSED(STR) H7_ADDRESSED(STRB) H7_ADDRESSED(STRH) \
    H7_OP(LDR_LIT) H7_OP(LDRB_LIT) H7_OP(LDRH_LIT) H7_OP(LDRSB_LIT) H7_OP(LDRSH_LIT) \
    H7_OP(LDR_SPECIAL) H7_OP(UNPRIVILEGED) H7_OP(LDRD) H7_OP(STRD) \
    H7_OP(LDM) H7_OP(LDM_PC) H7_OP(STM) H7_OP(TBB) H7_OP(TBH) \
    H7_OP(LDREX) H7_OP(STREX) H7_OP(CLREX) \
    /* branches */ \
    H7_OP(B) H7_OP(BL) H7_OP(BX) H7_OP(BLX) H7_OP(CBZ) H7_OP(CBNZ) H7_OP(MOV_PC) H7_OP(ADD_PC) \
    H7_OP(BEQ) H7_OP(BNE) H7_OP(BCS) H7_OP(BCC) H7_OP(BMI) H7_OP(BPL) H7_OP(BVS) H7_OP(BVC) \
    H7_OP(BHI) H7_OP(BLS) H7_OP(BGE) H7_OP(BLT) H7_OP(BGT) H7_OP(BLE) \
    /* system */ \
    H7_OP(IT) H7_OP(NOP) H7_OP(WFI) H7_OP(WFE) H7_OP(SEV) H7_OP(SVC) H7_OP(BKPT) H7_OP(CPS) H7_OP(MRS) \
    H7_OP(MSR) H7_OP(UNDEFINED) H7_OP(NO_COPROCESSOR) \
    /* floating point */ \
    H7_OP(FLOAT) H7_OP(FLOAT_UNDEFINED)

enum h7_op {
#define H7_OP(NAME) H7_OP_##NAME,
    H7_OPERATIONS
#undef H7_OP
    H7_OPERATION_COUNT
};

enum { H7_LSL, H7_LSR, H7_ASR, H7_ROR, H7_RRX }; /* h7_insn.aux of the SHIFT forms */

/* h7_insn.aux of LDR_SPECIAL (a load into SP or PC) and UNPRIVILEGED: addressing, or what is accessed. */
enum { H7_OFFSET, H7_OFFSET_REG, H7_PRE, H7_POST, H7_LITERAL };
enum { H7_WORD, H7_BYTE, H7_HALF, H7_SIGNED_BYTE, H7_SIGNED_HALF, H7_IS_STORE = 8 };

/* h7_insn.aux of DSP (dsp.c). The parallel additions are H7_PARALLEL + 8 * what + how, as in the opcode. */
/* A register 15 to be added stands for zero. `imm` has the variant: halfwords to multiply, exchange, rounding,
 * rotation or the constant to saturate to. */
enum {
    H7_PARALLEL = 0,
    H7_QADD = 64, H7_QDADD, H7_QSUB, H7_QDSUB, H7_SEL, H7_PKHBT, H7_PKHTB,
    H7_SSAT, H7_USAT, H7_SSAT16, H7_USAT16,
    H7_SXTAB16, H7_UXTAB16,
    H7_USADA8, H7_UMAAL,
    H7_SMLAXY, H7_SMLAWY, H7_SMLAD, H7_SMLSD, H7_SMMLA, H7_SMMLS, H7_SMLALXY, H7_SMLALD, H7_SMLSLD
};

#endif
