#include <string.h>
#include <unicorn/unicorn.h>

#include "machine.h"

uint8_t unicorn_code[MEMORY_SIZE], unicorn_ram[MEMORY_SIZE];

enum { CPSR = 15, FPSCR = 16, D0 = 17, WRITTEN = D0 + 16, PC = WRITTEN, READ };
static uc_engine *uc;
static int numbers[READ];
static uint64_t values[READ];
static void *pointers[READ];
static bool interrupted, met_private_bus;

/* CPSR as Unicorn wants it without UC_MODE_MCLASS: T, and supervisor mode without interrupts. */
enum { APSR = 0xF80F0000, USUAL_CPSR = 0x20 | 0x1D3 };

void unicorn_clean_up(void) { uc_emu_start(uc, CODE | 1, CODE + sizeof clean_up, 0, 0); }

static void on_interrupt(uc_engine *engine, uint32_t number, void *context) {
    (void)number, (void)context;
    interrupted = true;
    uc_emu_stop(engine);
}

static bool on_unmapped(uc_engine *engine, uc_mem_type type, uint64_t address, int size, int64_t value,
                        void *context) {
    (void)engine, (void)type, (void)size, (void)value, (void)context;
    met_private_bus = address >= 0xDFFFFFFC && address < 0xE0100000;
    return false;
}

void unicorn_free(void) { uc_close(uc); }

void unicorn_load(const struct state *state) {
    for (int n = 0; n < 15; n++) {
        values[n] = state->r[n];
    }
    values[CPSR] = (state->apsr & APSR) | USUAL_CPSR;
    values[FPSCR] = state->fpscr;
    memcpy(&values[D0], state->d, sizeof state->d);
    uc_reg_write_batch(uc, numbers, pointers, WRITTEN);
}

void unicorn_store(struct state *state) {
    memset(values, 0, sizeof values);
    uc_reg_read_batch(uc, numbers, pointers, READ);
    for (int n = 0; n < 15; n++) {
        state->r[n] = (uint32_t)values[n];
    }
    state->r[15] = (uint32_t)values[PC];
    state->apsr = values[CPSR] & APSR;
    state->fpscr = (uint32_t)values[FPSCR];
    memcpy(state->d, &values[D0], sizeof state->d);
}

void unicorn_make(bool is_m4) {
    uc_hook hook;
    uc_open(UC_ARCH_ARM, UC_MODE_THUMB, &uc);
    uc_ctl_set_cpu_model(uc, is_m4 ? UC_CPU_ARM_CORTEX_M4 : UC_CPU_ARM_CORTEX_M7);
    uc_mem_map_ptr(uc, CODE, MEMORY_SIZE, UC_PROT_READ | UC_PROT_EXEC, unicorn_code);
    uc_mem_map_ptr(uc, RAM, MEMORY_SIZE, UC_PROT_READ | UC_PROT_WRITE, unicorn_ram);
    uc_hook_add(uc, &hook, UC_HOOK_INTR, (void *)on_interrupt, NULL, 1, 0);
    uc_hook_add(uc, &hook, UC_HOOK_MEM_UNMAPPED, (void *)on_unmapped, NULL, 1, 0);
    for (int n = 0; n < 13; n++) {
        numbers[n] = UC_ARM_REG_R0 + n;
    }
    numbers[13] = UC_ARM_REG_SP;
    numbers[14] = UC_ARM_REG_LR;
    numbers[CPSR] = UC_ARM_REG_CPSR;
    numbers[FPSCR] = UC_ARM_REG_FPSCR;
    for (int n = 0; n < 16; n++) {
        numbers[D0 + n] = UC_ARM_REG_D0 + n;
    }
    numbers[PC] = UC_ARM_REG_PC;
    for (int n = 0; n < READ; n++) {
        pointers[n] = &values[n];
    }
    memcpy(unicorn_code, clean_up, sizeof clean_up);
    unicorn_clean_up(); /* the first floating-point instruction makes a new FPSCR */
}

enum outcome unicorn_run(uint32_t from, uint32_t until) {
    interrupted = met_private_bus = false;
    uc_err error = uc_emu_start(uc, from | 1, until, 0, 0);
    if (met_private_bus) {
        return STRANGE;
    }
    /* A fetch from where nothing is: it got there. */
    return (error == UC_ERR_OK || error == UC_ERR_FETCH_UNMAPPED) && !interrupted ? ARRIVED : FAULTED;
}

void unicorn_code_changed(uint32_t address, uint32_t size) {
    uc_ctl_remove_cache(uc, (uint64_t)address, (uint64_t)address + size);
}
