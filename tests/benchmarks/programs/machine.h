/* What the programs need of the machine: the virtual board (virtual_board.c), or QEMU's mps2-an500 (mps2.c). */
#ifndef MACHINE_H
#define MACHINE_H

/* Set the clocks. */
void machine_start(void);

/* Start SysTick at 1 kHz; its handler counts `ticks`. */
void start_ticks(void);

/* Nothing is left to do. */
__attribute__((noreturn)) void stop(void);

#endif
