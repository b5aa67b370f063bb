/* Floating-point arithmetic as ARMv7-M defines it: pure functions on bit patterns and an FPSCR.
 *
 * The approach is integer arithmetic, written here; the host's floating-point unit is never used. The host
 * cannot give what FPSCR needs without being asked about every operation: x86 detects underflow after
 * rounding and Arm before; Arm's flush-to-zero signals IDC and UFC in its own way and affects the inputs
 * of comparisons and conversions too; NaNs are chosen by other rules; half precision, ties-away and fixed
 * point are missing; and C compilers move operations across changes of the rounding mode. Integers give
 * the same bits on every host, compiler and optimisation level, which deterministic board runs need
 * anyway, at some nanoseconds per operation.
 *
 * Every function reads AHP, DN, FZ and RMode from *fpscr and adds the cumulative flags its operation
 * raises: exactly those of the pseudocode in the Arm manual (DDI 0403E A2.5), whose function is named at each
 * declaration. No function traps: M-profile has no FP traps. */
#ifndef H7_FLOAT_H
#define H7_FLOAT_H

#include <stdbool.h>
#include <stdint.h>

/* FPSCR, DDI 0403E A2.5. */
#define H7_FPSCR_IOC (UINT32_C(1) << 0)  /* invalid operation */
#define H7_FPSCR_DZC (UINT32_C(1) << 1)  /* division by zero */
#define H7_FPSCR_OFC (UINT32_C(1) << 2)  /* overflow */
#define H7_FPSCR_UFC (UINT32_C(1) << 3)  /* underflow */
#define H7_FPSCR_IXC (UINT32_C(1) << 4)  /* inexact */
#define H7_FPSCR_IDC (UINT32_C(1) << 7)  /* a denormal operand was flushed to zero */
#define H7_FPSCR_RMODE_SHIFT 22
#define H7_FPSCR_RMODE (UINT32_C(3) << H7_FPSCR_RMODE_SHIFT)
#define H7_FPSCR_FZ (UINT32_C(1) << 24)  /* flush denormals to zero */
#define H7_FPSCR_DN (UINT32_C(1) << 25)  /* every NaN result is the default NaN */
#define H7_FPSCR_AHP (UINT32_C(1) << 26) /* alternative half precision: no infinities and NaNs */
#define H7_FPSCR_NZCV UINT32_C(0xF0000000)
#define H7_FPSCR_WRITABLE UINT32_C(0xF7C0009F) /* the bits VMSR changes; the others read as zero */
#define H7_FPDSCR_WRITABLE UINT32_C(0x07C00000) /* the bits of FPSCR that FPDSCR gives a new context */

/* The first four are numbered as in FPSCR.RMode; the last is only named by instructions (VRINTA, VCVTA). */
enum h7_rounding {
    H7_ROUND_NEAREST, /* to nearest, ties to even */
    H7_ROUND_UP,      /* towards plus infinity */
    H7_ROUND_DOWN,    /* towards minus infinity */
    H7_ROUND_ZERO,    /* towards zero */
    H7_ROUND_AWAY,    /* to nearest, ties away from zero */
};

static inline enum h7_rounding h7_fpscr_rounding(uint32_t fpscr)
{
    return (enum h7_rounding)((fpscr & H7_FPSCR_RMODE) >> H7_FPSCR_RMODE_SHIFT);
}

/* FPAdd, FPSub, FPMul, FPDiv, FPSqrt. */
uint32_t h7_f32_add(uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_add(uint64_t a, uint64_t b, uint32_t *fpscr);
uint32_t h7_f32_sub(uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_sub(uint64_t a, uint64_t b, uint32_t *fpscr);
uint32_t h7_f32_mul(uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_mul(uint64_t a, uint64_t b, uint32_t *fpscr);
uint32_t h7_f32_div(uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_div(uint64_t a, uint64_t b, uint32_t *fpscr);
uint32_t h7_f32_sqrt(uint32_t a, uint32_t *fpscr);
uint64_t h7_f64_sqrt(uint64_t a, uint32_t *fpscr);

/* FPMulAdd: addend + a * b, rounded once. */
uint32_t h7_f32_fma(uint32_t addend, uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_fma(uint64_t addend, uint64_t a, uint64_t b, uint32_t *fpscr);

/* FPMaxNum, FPMinNum: one quiet NaN loses against a number. */
uint32_t h7_f32_maxnum(uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_maxnum(uint64_t a, uint64_t b, uint32_t *fpscr);
uint32_t h7_f32_minnum(uint32_t a, uint32_t b, uint32_t *fpscr);
uint64_t h7_f64_minnum(uint64_t a, uint64_t b, uint32_t *fpscr);

/* FPCompare: replaces N, Z, C and V of *fpscr. quiet_nan_invalid (VCMPE): a quiet NaN raises IOC as well. */
void h7_f32_compare(uint32_t a, uint32_t b, bool quiet_nan_invalid, uint32_t *fpscr);
void h7_f64_compare(uint64_t a, uint64_t b, bool quiet_nan_invalid, uint32_t *fpscr);

/* FPRoundInt: to an integral value in the same format. exact (VRINTX): an altered value raises IXC. */
uint32_t h7_f32_round_int(uint32_t a, enum h7_rounding rounding, bool exact, uint32_t *fpscr);
uint64_t h7_f64_round_int(uint64_t a, enum h7_rounding rounding, bool exact, uint32_t *fpscr);

/* FPToFixed: to a 16- or 32-bit fixed-point number with `fraction_bits` (0 to 32) bits behind the point;
 * saturates with IOC. The result is sign- or zero-extended to 32 bits. */
uint32_t h7_f32_to_fixed(uint32_t a, int width, int fraction_bits, bool is_signed,
                         enum h7_rounding rounding, uint32_t *fpscr);
uint32_t h7_f64_to_fixed(uint64_t a, int width, int fraction_bits, bool is_signed,
                         enum h7_rounding rounding, uint32_t *fpscr);

/* FixedToFP: from the low `width` (16 or 32) bits of `operand`. */
uint32_t h7_f32_from_fixed(uint32_t operand, int width, int fraction_bits, bool is_signed,
                           enum h7_rounding rounding, uint32_t *fpscr);
uint64_t h7_f64_from_fixed(uint32_t operand, int width, int fraction_bits, bool is_signed,
                           enum h7_rounding rounding, uint32_t *fpscr);

/* FPSingleToDouble, FPDoubleToSingle, FPHalfToSingle, FPSingleToHalf, FPHalfToDouble, FPDoubleToHalf. */
uint64_t h7_f32_to_f64(uint32_t a, uint32_t *fpscr);
uint32_t h7_f64_to_f32(uint64_t a, uint32_t *fpscr);
uint32_t h7_f16_to_f32(uint16_t a, uint32_t *fpscr);
uint16_t h7_f32_to_f16(uint32_t a, uint32_t *fpscr);
uint64_t h7_f16_to_f64(uint16_t a, uint32_t *fpscr);
uint16_t h7_f64_to_f16(uint64_t a, uint32_t *fpscr);

/* VFPExpandImm: the number that the 8-bit immediate of VMOV stands for. */
uint32_t h7_f32_expand_imm(uint32_t imm8);
uint64_t h7_f64_expand_imm(uint32_t imm8);

#endif
