/* What the programs share whose cores use the same peripheral. */
#ifndef SHARED_H
#define SHARED_H

#include "example.h"

#define SEMAPHORE HSEM_R5
#define SEMAPHORE_READ_LOCK (&HSEM_RLR0)[5]

#ifdef CORE_CM7
#define OWN_CORE 3u /* COREID (RM0399 11.3.2) */
#else
#define OWN_CORE 1u
#endif

/* Take hardware semaphore 5 in one step: a read of RLR takes it, if it is free (RM0399 11.3.3). */
static inline void lock(void)
{
    const uint32_t taken = HSEM_RLR0_LOCK_Msk | OWN_CORE << HSEM_RLR0_COREID_Pos;

    while (SEMAPHORE_READ_LOCK != taken) {
    }
}

static inline void unlock(void)
{
    SEMAPHORE = OWN_CORE << HSEM_RLR0_COREID_Pos;
}

#endif
