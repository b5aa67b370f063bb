#include <stdlib.h>
#include <string.h>

#include "h7core.h"
#include "machine.h"
#include "snapshot.h"

uint8_t engine_code[MEMORY_SIZE], engine_ram[MEMORY_SIZE];
static uint8_t remembered_ram[MEMORY_SIZE];
static struct h7_core *core;
static void *fresh, *remembered; /* states */

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

void engine_make(bool is_m4) {
    struct h7_host host = {NULL, no_read, no_write, nothing, nothing, nothing, nothing, nothing, nothing};
    core = h7_core_new(is_m4 ? H7_CORTEX_M4 : H7_CORTEX_M7, &host);
    h7_core_map(core, CODE, MEMORY_SIZE, engine_code, false);
    h7_core_map(core, RAM, MEMORY_SIZE, engine_ram, true);
    uint32_t vectors[2] = {RAM + MEMORY_SIZE, CODE | 1};
    memcpy(engine_code, vectors, sizeof vectors);
    h7_core_reset(core, CODE, true);
    core->scb.cpacr = 0xF << 20;
    core->control = H7_CONTROL_FPCA;
    h7_fp_ready_changed(core);
    fresh = malloc(h7_core_state_size(core));
    remembered = malloc(h7_core_state_size(core));
    h7_core_save(core, fresh);
}

void engine_free(void) {
    h7_core_free(core);
    free(fresh);
    free(remembered);
}

void engine_load(const struct state *state) {
    h7_core_restore(core, fresh);
    memcpy(core->r, state->r, sizeof core->r);
    h7_set_xpsr(core, state->apsr | H7_XPSR_T);
    core->fpscr = state->fpscr;
    memcpy(core->fp.d, state->d, sizeof core->fp.d);
}

void engine_store(struct state *state) {
    memcpy(state->r, core->r, sizeof core->r);
    state->apsr = h7_apsr(core);
    state->fpscr = core->fpscr;
    memcpy(state->d, core->fp.d, sizeof state->d);
}

enum outcome engine_run(uint32_t instructions) {
    core->fault.number = 0;
    h7_core_run(core, instructions);
    return core->fault.number || core->lockup || engine_fault_is_late() ? FAULTED : ARRIVED;
}

void engine_code_changed(uint32_t address, uint32_t size) { h7_core_invalidate(core, address, size); }

void engine_remember(void) {
    h7_core_save(core, remembered);
    memcpy(remembered_ram, engine_ram, sizeof engine_ram);
}

void engine_go_back(void) {
    h7_core_restore(core, remembered);
    memcpy(engine_ram, remembered_ram, sizeof engine_ram);
}

bool engine_in_it_block(void) { return core->itstate & 15; }
bool engine_is_last_in_it_block(void) { return (core->itstate & 15) == 8; }
bool engine_reservation(uint32_t *address, uint32_t *size) {
    *address = core->monitor.address;
    *size = core->monitor.size;
    return core->monitor.exclusive;
}
bool engine_leaves_thumb(void) { return !core->thumb; }
bool engine_fault_is_unaligned(void) { return core->fault.status & H7_UNALIGNED; }
bool engine_fault_is_late(void) { return core->scb.cfsr & H7_IMPRECISERR; }
uint32_t engine_pc(void) { return core->r[15]; }
