/* What the small programs of the tests share. A program defines `program` and the handlers it wants. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>

#include "core.h"

/* Words that a test looks at, in SRAM4: of CM7 from 0x38000000, of CM4 from 0x38001000. */
#ifdef CORE_CM7
#define RESULTS 0x38000000u
#else
#define RESULTS 0x38001000u
#endif
#define result ((volatile uint32_t *)RESULTS)
#define REGISTER(address) (*(volatile uint32_t *)(address))

void program(void);

/* Access an address; return whether that was a bus fault. */
bool read_faults(uint32_t address);
bool write_faults(uint32_t address);

#endif
