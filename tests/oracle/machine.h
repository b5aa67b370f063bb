/* The two machines that are compared, as the differential test sees them. Both have code memory, which they
 * cannot write, and RAM; nothing else answers. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stdint.h>

enum { CODE = 0x08000000, RAM = 0x20000000, MEMORY_SIZE = 0x4000 };

struct state {
    uint32_t r[16];
    uint32_t apsr, fpscr;
    uint64_t d[16];
};

enum outcome {
    ARRIVED, /* at the address that was asked for */
    FAULTED, /* or anything else that ends execution, at r[15] */
    STRANGE, /* Unicorn has no private peripheral bus, and ours does not fault there */
};

/* Unicorn: runs until it arrives at `until`. */
extern uint8_t unicorn_code[MEMORY_SIZE], unicorn_ram[MEMORY_SIZE];
void unicorn_make(bool is_m4);
void unicorn_free(void);
void unicorn_load(const struct state *state);
void unicorn_store(struct state *state);
enum outcome unicorn_run(uint32_t from, uint32_t until);
/* Executes `clean_up`, which must be at CODE in both machines: forgets reservations. */
static const uint16_t clean_up[] = {0xF3BF, 0x8F2F /* CLREX */, 0xEEB0, 0x0A40 /* VMOV S0, S0 */};
void unicorn_clean_up(void);
void unicorn_code_changed(uint32_t address, uint32_t size);

/* Our engine: runs a number of instructions. */
extern uint8_t engine_code[MEMORY_SIZE], engine_ram[MEMORY_SIZE];
void engine_make(bool is_m4);
void engine_free(void);
void engine_load(const struct state *state);
void engine_store(struct state *state);
enum outcome engine_run(uint32_t instructions);
void engine_code_changed(uint32_t address, uint32_t size);
/* Remember registers and RAM before a step, and go back to them. */
void engine_remember(void);
void engine_go_back(void);
bool engine_in_it_block(void);
bool engine_is_last_in_it_block(void);
/* Whether the exclusive monitor is set, and for what. */
bool engine_reservation(uint32_t *address, uint32_t *size);
bool engine_leaves_thumb(void);
bool engine_fault_is_unaligned(void);
bool engine_fault_is_late(void); /* the last instruction was a store, and was done */
uint32_t engine_pc(void);

#endif
