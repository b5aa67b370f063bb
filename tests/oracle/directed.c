/* Our engine where Unicorn does not know: a test for each row of differences.txt, of the same name, and for what
 * the random programs leave out because Unicorn models nothing of it. */
#include <stdio.h>
#include <string.h>

#include "differences.h"
#include "h7core.h"

enum { CODE_SIZE = 0x400, RAM_SIZE = 0x400, STACK = RAM + RAM_SIZE };

static uint8_t code[CODE_SIZE], ram[RAM_SIZE];
static struct h7_core *core;
static int failures;
static const char *running;

#define EXPECT(ACTUAL, EXPECTED)                                                                             \
    do {                                                                                                     \
        uint32_t actual_ = (uint32_t)(ACTUAL), expected_ = (uint32_t)(EXPECTED);                             \
        if (actual_ != expected_) {                                                                          \
            printf("%s, line %d: %s is %x, not %x\n", running, __LINE__, #ACTUAL, actual_, expected_);       \
            failures++;                                                                                      \
        }                                                                                                    \
    } while (0)

static enum h7_bus no_read(void *context, struct h7_core *c, uint32_t address, uint32_t size,
                           uint32_t *value) {
    (void)context, (void)c, (void)address, (void)size, (void)value;
    return H7_BUS_FAULT;
}
static enum h7_bus no_write(void *context, struct h7_core *c, uint32_t address, uint32_t size,
                            uint32_t value) {
    (void)context, (void)c, (void)address, (void)size, (void)value;
    return H7_BUS_FAULT;
}
static void nothing(void *context, struct h7_core *c) { (void)context, (void)c; }

/* Registers R0 to R12 hold their numbers. */
static void prepare(enum h7_model model) {
    static const struct h7_host host = {NULL,    no_read, no_write, nothing, nothing,
                                        nothing, nothing, nothing,  nothing};
    uint32_t vectors[2] = {STACK, CODE | 0x101};
    h7_core_free(core);
    memset(code, 0, sizeof code);
    memset(ram, 0, sizeof ram);
    memcpy(code, vectors, sizeof vectors);
    core = h7_core_new(model, &host);
    h7_core_map(core, CODE, CODE_SIZE, code, false);
    h7_core_map(core, RAM, RAM_SIZE, ram, true);
    h7_core_reset(core, CODE, true);
    core->scb.cpacr = 0xFu << 20;
    core->control = H7_CONTROL_FPCA;
    h7_fp_ready_changed(core);
    for (uint32_t n = 0; n < 13; n++) {
        core->r[n] = n;
    }
}

#define RUN(...)                                                                                             \
    do {                                                                                                     \
        static const uint16_t halfwords_[] = {__VA_ARGS__};                                                  \
        memcpy(code + 0x100, halfwords_, sizeof halfwords_);                                                 \
        h7_core_invalidate(core, CODE, CODE_SIZE);                                                           \
        core->r[15] = CODE + 0x100;                                                                          \
        uint32_t end_ = CODE + 0x100 + (uint32_t)sizeof halfwords_;                                          \
        for (int step_ = 0; step_ < 40 && core->r[15] != end_; step_++) {                                    \
            h7_core_run(core, 1);                                                                            \
        }                                                                                                    \
        EXPECT(core->r[15], end_);                                                                           \
    } while (0)

static uint32_t word(uint32_t offset) {
    uint32_t value;
    memcpy(&value, ram + offset, sizeof value);
    return value;
}

/* ---- rows of differences.txt --------------------------------------------------------------------------- */

static void fixed_point_rounds_to_nearest(void) {
    for (uint32_t mode = 0; mode < 4; mode++) {
        prepare(H7_CORTEX_M7);
        core->fpscr = mode << 22;
        core->fp.s[0] = 0x01000001; /* ties */
        core->fp.s[1] = 0x01000003;
        RUN(0xEEBA, 0x0AEF /* VCVT.F32.S32 S0, S0, #1 */, 0xEEFA, 0x0AEF /* S1 */);
        EXPECT(core->fp.s[0], 0x4B000000);
        EXPECT(core->fp.s[1], 0x4B000002);
    }
}

static void yield_does_nothing(void) {
    prepare(H7_CORTEX_M4);
    RUN(0xBF10, 0xF3AF, 0x8001 /* YIELD.W */, 0x2155 /* MOVS R1, #0x55 */);
    EXPECT(core->r[1], 0x55);
    EXPECT(h7_cycles(core), 3);
}

static void barriers_in_it_blocks(void) {
    prepare(H7_CORTEX_M7);
    h7_set_nzcvq(core, 1u << 30);
    RUN(0xBF07 /* ITTEE EQ */, 0x2014 /* MOVEQ R0, #20 */, 0xF3BF, 0x8F6F /* ISB */,
        0x2115 /* MOVNE R1, #21 */, 0x2216 /* MOVNE R2, #22 */, 0x2317 /* MOVS R3, #23 */);
    EXPECT(core->r[0], 20);
    EXPECT(core->r[1], 1);
    EXPECT(core->r[2], 2);
    EXPECT(core->r[3], 23);
}

static void stack_pointer_is_aligned(void) {
    prepare(H7_CORTEX_M7);
    core->r[1] = STACK - 0x81;
    core->r[0] = RAM;
    ram[0] = 0x47;
    RUN(0x468D /* MOV SP, R1 */);
    EXPECT(core->r[13], STACK - 0x84);
    RUN(0x449D /* ADD SP, R3 */);
    EXPECT(core->r[13], STACK - 0x84);
    RUN(0xF11D, 0x0D07 /* ADDS.W SP, SP, #7 */);
    EXPECT(core->r[13], STACK - 0x80);
    RUN(0xF81D, 0x2F05 /* LDRB R2, [SP, #5]! */);
    EXPECT(core->r[13], STACK - 0x7C);
    RUN(0xF8D0, 0xD000 /* LDR SP, [R0] */);
    EXPECT(core->r[13], 0x44);
}

static void dual_products_are_added_exactly(void) {
    for (uint32_t exchange = 0; exchange < 2; exchange++) {
        prepare(H7_CORTEX_M4);
        core->r[1] = core->r[2] = 0x80008000;
        core->r[3] = 0xFFFF8000;
        if (exchange) {
            RUN(0xFB21, 0x3012 /* SMLADX R0, R1, R2, R3 */);
        } else {
            RUN(0xFB21, 0x3002 /* SMLAD R0, R1, R2, R3 */);
        }
        EXPECT(core->r[0], 0x7FFF8000);
        EXPECT(core->q, 0);
        core->r[3] = 0;
        RUN(0xFB21, 0x3002);
        EXPECT(core->r[0], 0x80000000);
        EXPECT(core->q, 1);
    }
}

static void exclusive_store_after_others(void) {
    prepare(H7_CORTEX_M7);
    core->r[0] = RAM;
    RUN(0xE850, 0x1F00 /* LDREX R1, [R0] */, 0x6004 /* STR R4, [R0] */, 0xE840,
        0x3200 /* STREX R2, R3, [R0] */);
    EXPECT(core->r[2], 0);
    EXPECT(word(0), 3);
    RUN(0xE840, 0x4200 /* STREX R2, R4, [R0] */);
    EXPECT(core->r[2], 1);
    EXPECT(word(0), 3);
    RUN(0xE850, 0x1F00, 0xE8C0, 0x4F42 /* STREXB R2, R4, [R0] */);
    EXPECT(core->r[2], 1);
    RUN(0xE850, 0x1F00, 0xF3BF, 0x8F2F /* CLREX */, 0xE840, 0x4200);
    EXPECT(core->r[2], 1);
    EXPECT(word(0), 3);
}

/* Execute one instruction that faults; expect the status, no register changed but those of the exception. */
static void expect_fault(const uint16_t halfwords[2], uint32_t status) {
    uint32_t before[13];
    memcpy(before, core->r, sizeof before);
    memcpy(code + 0x100, halfwords, 4);
    h7_core_invalidate(core, CODE, CODE_SIZE);
    core->r[15] = CODE + 0x100;
    h7_core_run(core, 1);
    EXPECT(core->scb.cfsr, status);
    EXPECT(memcmp(before, core->r, sizeof before), 0);
}

static void unaligned_accesses_fault(void) {
    static const uint16_t instructions[][2] = {
        {0xE890, 0x0006} /* LDM R0, {R1, R2} */,  {0xE8A0, 0x0006} /* STM R0!, {R1, R2} */,
        {0xE9D0, 0x1200} /* LDRD R1, R2, [R0] */, {0xE9C0, 0x1200} /* STRD */,
        {0xE850, 0x1F00} /* LDREX R1, [R0] */,    {0xE840, 0x3200} /* STREX */,
        {0xE8D0, 0x1F5F} /* LDREXH R1, [R0] */,   {0xED90, 0x0A00} /* VLDR S0, [R0] */,
        {0xED80, 0x0B00} /* VSTR D0, [R0] */,     {0xECB0, 0x0A02} /* VLDM R0!, {S0, S1} */,
    };
    for (size_t index = 0; index < sizeof instructions / sizeof instructions[0]; index++) {
        prepare(H7_CORTEX_M7);
        core->r[0] = RAM + 1;
        expect_fault(instructions[index], H7_UNALIGNED);
    }
    prepare(H7_CORTEX_M7);
    core->r[0] = RAM + 3;
    ram[3] = 0x44;
    ram[6] = 0x11;
    RUN(0x6801 /* LDR R1, [R0] */);
    EXPECT(core->r[1], 0x11000044);
}

static void traps_of_ccr(void) {
    static const uint16_t divide[2] = {0xFB91, 0xF2F0} /* SDIV R2, R1, R0 */, load[2] = {0x6801, 0xBF00};
    prepare(H7_CORTEX_M4);
    core->r[0] = 0;
    RUN(0xFB91, 0xF2F0);
    EXPECT(core->r[2], 0);
    core->scb.ccr |= H7_CCR_DIV_0_TRP;
    expect_fault(divide, H7_DIVBYZERO);
    prepare(H7_CORTEX_M4);
    core->r[0] = RAM + 2;
    core->scb.ccr |= H7_CCR_UNALIGN_TRP;
    h7_flush_translations(core);
    expect_fault(load, H7_UNALIGNED);
}

static void disabled_floating_point(void) {
    static const uint16_t instructions[][2] = {
        {0xEE30, 0x0A00} /* VADD.F32 */,
        {0xED90, 0x0A00} /* VLDR */,
        {0xEEF1, 0x0A10} /* VMRS */,
        {0xEC41, 0x0B10} /* VMOV */,
    };
    for (size_t index = 0; index < sizeof instructions / sizeof instructions[0]; index++) {
        prepare(H7_CORTEX_M7);
        core->scb.cpacr = 0;
        core->control = 0;
        h7_fp_ready_changed(core);
        expect_fault(instructions[index], H7_NOCP);
        EXPECT(core->control & H7_CONTROL_FPCA, 0);
    }
}

static void faults_inside_it_blocks(void) {
    prepare(H7_CORTEX_M7);
    h7_core_write_debug(core, 0xE000ED24, 7 << 16); /* SHCSR */
    h7_set_nzcvq(core, 1u << 30);
    core->r[0] = 0x10000000; /* no memory */
    static const uint16_t block[] = {0xBF02 /* ITTT EQ */,      0xF8D0, 0x7001 /* LDREQ R7, [R0, #1] */,
                                     0x3601 /* ADDEQ R6, #1 */, 0xF04F, 0x0801 /* MOVEQ R8, #1 */};
    uint32_t vector = (CODE + 0x200) | 1;
    memcpy(code + 4 * H7_BUS_FAULT_EXCEPTION, &vector, 4);
    memcpy(code + 0x100, block, sizeof block);
    h7_core_invalidate(core, CODE, CODE_SIZE);
    core->r[15] = CODE + 0x100;
    h7_core_run(core, 3);
    EXPECT(core->ipsr, H7_BUS_FAULT_EXCEPTION);
    EXPECT(core->r[6], 6);
    EXPECT(core->r[7], 7);
    uint32_t frame = core->r[13] - RAM;
    EXPECT(word(frame + 24), CODE + 0x102);
    EXPECT(h7_it_of(word(frame + 28)), 0x02); /* the first of the block */
}

static void stores_fault_behind_themselves(void) {
    static const enum h7_model models[] = {H7_CORTEX_M7, H7_CORTEX_M4};
    static const uint16_t store[] = {0xE8A0, 0x0006 /* STMIA R0!, {R1, R2} */, 0x3601 /* ADDS R6, #1 */};
    uint32_t vector = (CODE + 0x200) | 1;
    for (size_t index = 0; index < 2; index++) {
        prepare(models[index]);
        h7_core_write_debug(core, 0xE000ED24, 7 << 16); /* SHCSR */
        memcpy(code + 4 * H7_BUS_FAULT_EXCEPTION, &vector, 4);
        memcpy(code + 0x100, store, sizeof store);
        core->r[0] = 0x10000000; /* no memory */
        core->r[15] = CODE + 0x100;
        h7_core_run(core, 2);
        EXPECT(core->ipsr, H7_BUS_FAULT_EXCEPTION);
        EXPECT(core->scb.cfsr, H7_IMPRECISERR);
        EXPECT(core->r[0], 0x10000008);
        EXPECT(core->r[6], 6);
        EXPECT(word(core->r[13] - RAM + 24), CODE + 0x104);
    }
}

static void skipped_instructions_take_time(void) {
    prepare(H7_CORTEX_M4);
    h7_set_nzcvq(core, 0);
    RUN(0xBF02 /* ITTT EQ */, 0x2014, 0x3601, 0xF04F, 0x0801);
    EXPECT(h7_cycles(core), 4);
    EXPECT(core->r[0], 0);
}

static void special_registers(void) {
    prepare(H7_CORTEX_M7);
    core->r[1] = 0xFF;
    RUN(0xF381, 0x8811 /* MSR BASEPRI, R1 */, 0xF3EF, 0x8211 /* MRS R2, BASEPRI */);
    EXPECT(core->r[2], 0xF0);
    core->r[1] = 0x20;
    RUN(0xF381, 0x8812 /* MSR BASEPRI_MAX, R1 */, 0xF3EF, 0x8211);
    EXPECT(core->r[2], 0x20);
    core->r[1] = 0xA0;
    RUN(0xF381, 0x8812, 0xF3EF, 0x8211);
    EXPECT(core->r[2], 0x20);
    core->r[1] = RAM + 0x103;
    RUN(0xF381, 0x8809 /* MSR PSP, R1 */, 0xF3EF, 0x8209, 0xF3EF, 0x8308 /* MRS R3, MSP */);
    EXPECT(core->r[2], RAM + 0x100);
    EXPECT(core->r[3], STACK);
    core->r[1] = 3;
    RUN(0xF381, 0x8814 /* MSR CONTROL, R1 */, 0xF3EF, 0x8214);
    EXPECT(core->r[2], 3);
    EXPECT(core->r[13], RAM + 0x100);
    RUN(0xF3EF, 0x8211, 0xF3EF, 0x8308 /* unprivileged: zero */, 0xF381, 0x8810 /* MSR PRIMASK: ignored */);
    EXPECT(core->r[2], 0);
    EXPECT(core->r[3], 0);
    EXPECT(core->primask, 0);
    core->r[1] = 0xFFFFFFFF;
    RUN(0xF381, 0x8C00 /* MSR APSR_nzcvqg, R1 */, 0xF3EF, 0x8203 /* MRS R2, XPSR */);
    EXPECT(core->r[2], 0xF80F0000); /* EPSR and, unprivileged, IPSR are zero */
}

static void frames_with_floats_are_aligned(void) {
    for (uint32_t floats = 0; floats < 2; floats++) {
        prepare(H7_CORTEX_M4);
        uint32_t vector = (CODE + 0x200) | 1;
        memcpy(code + 4 * (H7_FIRST_IRQ + 1), &vector, 4);
        core->scb.ccr &= ~(uint32_t)H7_CCR_STKALIGN;
        core->control = floats ? H7_CONTROL_FPCA : 0;
        h7_fp_ready_changed(core);
        core->r[13] = STACK - 4;
        h7_core_write_debug(core, 0xE000E100, 2); /* ISER */
        h7_core_pulse_irq(core, 1);
        h7_core_run(core, 1);
        EXPECT(core->ipsr, H7_FIRST_IRQ + 1);
        EXPECT(core->r[13], floats ? STACK - 8 - 0x68 : STACK - 4 - 0x20);
        EXPECT(word(core->r[13] - RAM + 28) >> 9 & 1, floats);
    }
}

/* Does a load at this address fault, for the unprivileged? */
static bool load_faults(uint32_t address) {
    core->scb.cfsr = 0;
    core->r[0] = address;
    core->r[15] = CODE + 0x100;
    core->ipsr = 0;
    core->control = H7_CONTROL_NPRIV;
    h7_mode_changed(core);
    h7_core_run(core, 1);
    bool faulted = core->scb.cfsr == (H7_DACCVIOL | H7_MMARVALID);
    EXPECT(!faulted || core->scb.mmfar == address, 1);
    h7_core_reset(core, CODE, false);
    return faulted;
}

static void small_mpu_regions(void) {
    static const uint16_t load = 0x7801; /* LDRB R1, [R0] */
    for (uint32_t offset = 0; offset < 0x140; offset += 0x10) {
        prepare(H7_CORTEX_M7);
        memcpy(code + 0x100, &load, sizeof load);
        h7_core_write_debug(core, 0xE000ED9C, CODE | 0x10);
        h7_core_write_debug(core, 0xE000EDA0, 0x06000013); /* 1 KB, read only */
        h7_core_write_debug(core, 0xE000ED9C, RAM | 0x11);
        h7_core_write_debug(core, 0xE000EDA0, 0x03000013); /* 1 KB, for all */
        h7_core_write_debug(core, 0xE000ED9C, RAM | 0x12);
        h7_core_write_debug(core, 0xE000EDA0,
                            0x0100A50F); /* 256 bytes, privileged, every but parts 0, 2, 5, 7 */
        h7_core_write_debug(core, 0xE000ED9C, (RAM + 0x100) | 0x13);
        h7_core_write_debug(core, 0xE000EDA0, 0x01000009); /* 32 bytes, privileged */
        h7_core_write_debug(core, 0xE000ED94, 5);
        bool in_part = offset < 0x100 && !(0xA5 >> (offset >> 5) & 1);
        EXPECT(load_faults(RAM + offset), in_part || (offset >= 0x100 && offset < 0x120));
    }
}

/* ---- what else Unicorn cannot show: code that changes, with and without a second core ----------------------- */

static const uint16_t adds_1[] = {0x3001 /* ADDS R0, #1 */, 0xE7FD /* B .-2 */};
static const uint16_t adds_3 = 0x3003;

/* A loop in RAM; its page has been stored to before, so that stores know a fast way. */
static struct h7_core *looping(uint8_t *memory) {
    static const struct h7_host host = {NULL,    no_read, no_write, nothing, nothing,
                                        nothing, nothing, nothing,  nothing};
    struct h7_core *one = h7_core_new(H7_CORTEX_M7, &host);
    h7_core_map(one, CODE, CODE_SIZE, code, false);
    h7_core_map(one, RAM, RAM_SIZE, memory, true);
    h7_core_reset(one, CODE, true);
    memcpy(memory + 0x100, adds_1, sizeof adds_1);
    one->r[0] = 0;
    one->r[15] = RAM + 0x100;
    return one;
}

static void code_changes_itself(void) {
    prepare(H7_CORTEX_M7);
    static const uint16_t loop[] = {0x8051 /* STRH R1, [R2, #2] */, 0x3001, 0x3404 /* ADDS R4, #4 */,
                                    0xE7FB /* B .-6 */};
    core->r[2] = RAM + 0x200;
    RUN(0x8051 /* there is a fast way into the page before it holds code */);
    memcpy(ram + 0x100, loop, sizeof loop);
    core->r[0] = 0;
    core->r[1] = adds_3;
    core->r[2] = RAM + 0x200;
    core->r[15] = RAM + 0x100;
    h7_core_run(core, 8);
    EXPECT(core->r[0], 2);
    core->r[2] = RAM + 0x100;
    h7_core_run(core, 8);
    EXPECT(core->r[0], 2 + 2 * 3);
    EXPECT(core->r[4], 4 + 4 * 4);
}

static void code_is_changed_by_the_other_core(void) {
    prepare(H7_CORTEX_M7);
    struct h7_core *other = looping(ram);
    h7_core_connect(core, other);
    core->r[1] = adds_3;
    core->r[2] = RAM + 0x100;
    RUN(0x8391 /* STRH R1, [R2, #28] */); /* a fast way into the page */
    h7_core_run(other, 10);
    EXPECT(other->r[0], 5);
    RUN(0x8011 /* STRH R1, [R2] */);
    h7_core_run(other, 10);
    EXPECT(other->r[0], 5 + 15);
    h7_core_free(other);
}

static void code_is_changed_by_another_master(void) {
    prepare(H7_CORTEX_M7);
    struct h7_core *one = looping(ram);
    h7_core_run(one, 10);
    memcpy(ram + 0x100, &adds_3, sizeof adds_3);
    h7_core_invalidate(one, RAM + 0x100, 2);
    h7_core_run(one, 10);
    EXPECT(one->r[0], 5 + 15);
    h7_core_free(one);
}

/* ---- busy-wait loops: the same with and without skipping turns --------------------------------------------- */

static uint32_t events;
static void count_event(void *context, struct h7_core *c) { (void)context, (void)c, events++; }

/* Where a core is after many cycles of a loop at its R15. */
static void loop_ends(const uint16_t loop[8], bool jumps, struct h7_core **result, uint8_t memory[RAM_SIZE]) {
    static const struct h7_host host = {NULL,        no_read, no_write, nothing, nothing,
                                        count_event, nothing, nothing,  nothing};
    struct h7_core *one = *result = h7_core_new(H7_CORTEX_M7, &host);
    prepare(H7_CORTEX_M7);
    memcpy(code + 0x100, loop, 8 * sizeof *loop);
    memset(memory, 0, RAM_SIZE);
    h7_core_map(one, CODE, CODE_SIZE, code, false);
    h7_core_map(one, RAM, RAM_SIZE, memory, true);
    h7_core_reset(one, CODE, true);
    h7_core_set_jumps(one, jumps);
    events = 0;
    one->event = true;
    one->r[0] = RAM;
    for (uint32_t run = 0; run < 7; run++) {
        h7_core_run(one, 20011);
    }
}

static void busy_wait_loops(void) {
    static const uint16_t loops[][8] = {
        {0xE7FE /* B . */},
        {0x6801 /* LDR R1, [R0] */, 0x2900 /* CMP R1, #0 */, 0xD0FC /* BEQ .-4 */},
        {0xBF20 /* WFE */, 0xE7FD},
        {0xBF40 /* SEV */, 0xE7FD},
        {0xBF40, 0xBF20, 0xE7FC},
        {0x6801, 0x3101 /* ADDS R1, #1 */, 0x6001 /* STR R1, [R0] */, 0x2100 /* MOVS R1, #0 */, 0xE7FA},
        {0x6801, 0x43C9 /* MVNS R1, R1 */, 0x6001, 0x2100, 0xE7FA /* every second turn alike */},
        {0x7801 /* LDRB */, 0x3101, 0x7001 /* STRB */, 0x2100, 0xE7FA /* every 256th */},
        {0x3101 /* ADDS R1, #1 */, 0xE7FD},
        {0xE850, 0x1F00 /* LDREX */, 0xE840, 0x1200 /* STREX R2 */, 0xE7FA},
        {0xF3BF, 0x8F2F /* CLREX */, 0xE7FC},
        {0xB402 /* PUSH {R1} */, 0xBC02 /* POP {R1} */, 0xE7FC},
    };
    static uint8_t memory[2][RAM_SIZE];
    for (size_t index = 0; index < sizeof loops / sizeof loops[0]; index++) {
        struct h7_core *with, *without;
        loop_ends(loops[index], false, &without, memory[0]);
        uint32_t sent = events;
        loop_ends(loops[index], true, &with, memory[1]);
        EXPECT(events, sent);
        EXPECT(h7_cycles(with), h7_cycles(without));
        EXPECT(h7_xpsr(with), h7_xpsr(without));
        EXPECT(with->sleep, without->sleep);
        EXPECT(with->event, without->event);
        EXPECT(memcmp(with->r, without->r, sizeof with->r), 0);
        EXPECT(memcmp(memory[0], memory[1], RAM_SIZE), 0);
        h7_core_free(with);
        h7_core_free(without);
    }
}

/* ---- */

static const struct {
    const char *name;
    void (*function)(void);
} tests[] = {
#define TEST(NAME)                                                                                           \
    { #NAME, NAME }
    TEST(fixed_point_rounds_to_nearest),
    TEST(yield_does_nothing),
    TEST(barriers_in_it_blocks),
    TEST(stack_pointer_is_aligned),
    TEST(dual_products_are_added_exactly),
    TEST(exclusive_store_after_others),
    TEST(unaligned_accesses_fault),
    TEST(traps_of_ccr),
    TEST(disabled_floating_point),
    TEST(faults_inside_it_blocks),
    TEST(stores_fault_behind_themselves),
    TEST(skipped_instructions_take_time),
    TEST(special_registers),
    TEST(frames_with_floats_are_aligned),
    TEST(small_mpu_regions),
    TEST(code_changes_itself),
    TEST(code_is_changed_by_the_other_core),
    TEST(code_is_changed_by_another_master),
    TEST(busy_wait_loops),
};
enum { TESTS = sizeof tests / sizeof tests[0] };

int main(void) {
    for (size_t row = 0; row < difference_count; row++) {
        size_t test = 0;
        while (test < TESTS && strcmp(tests[test].name, differences[row].name) != 0) {
            test++;
        }
        if (test == TESTS) {
            printf("differences.txt: %s has no test\n", differences[row].name);
            failures++;
        }
    }
    for (size_t test = 0; test < TESTS; test++) {
        running = tests[test].name;
        tests[test].function();
    }
    h7_core_free(core);
    printf("%d directed tests, %d failures\n", (int)TESTS, failures);
    return failures != 0;
}
