/* Words in D3's SRAM4, which D2's Standby does not touch. */
#include "power.h"

#define MAGIC 0x5352414Du
#define WAKE_UP_LINE 1u /* EXTI line 0, triggered by software */

struct shared {
    uint32_t magic, starts, sram2_kept, reset_flags;
};

#define SHARED ((volatile struct shared *)0x38000000)
