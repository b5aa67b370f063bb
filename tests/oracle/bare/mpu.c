/* The memory protection unit: permissions by privilege, execution, regions over each other, subregions. */
#include "bare.h"

static uint32_t resume, faulted;
static uint8_t arena[0x4000] __attribute__((aligned(0x4000)));

void handle(uint32_t *frame, uint32_t exc_return) {
    (void)exc_return;
    uint32_t status = CFSR;
    faulted = status | READ_SPECIAL(ipsr) << 24;
    if (status & 0x80) {
        say("[%x]", MMFAR);
    }
    CFSR = status;
    HFSR = HFSR;
    frame[FRAME_PC] = resume & ~1u;
    frame[FRAME_XPSR] = 0x01000000;
}

HANDLER(hard_fault, handle)
HANDLER(mem_manage, handle)
HANDLER(bus_fault, handle)
HANDLER(usage_fault, handle)

/* Privileged from SVC 1 on, unprivileged from SVC 2 on. */
void choose(uint32_t *frame, uint32_t exc_return) {
    (void)exc_return;
    uint32_t number = ((const uint16_t *)frame[FRAME_PC])[-1] & 0xFF;
    uint32_t control = READ_SPECIAL(control) & ~1u;
    __asm volatile("msr control, %0" : : "r"(control | (number == 2)));
}
HANDLER(svc, choose)

#define TRY(CODE, ADDRESS)                                                                                   \
    faulted = 0;                                                                                             \
    __asm volatile("adr r3, 1f\n str r3, [%0]\n mov r0, %1\n b 2f\n .balign 4\n2: " CODE                     \
                   "\n nop\n nop\n .balign 4\n1:\n"                                                          \
                   :                                                                                         \
                   : "r"(&resume), "r"(ADDRESS)                                                              \
                   : "r0", "r1", "r2", "r3", "r12", "lr", "memory", "cc");                                   \
    say(" %x", faulted)

static void try_all(const char *who, uint32_t address) {
    say("%s %x:", who, address - (uint32_t)arena);
    TRY("ldr r1, [r0]", address);
    TRY("str r1, [r0]", address);
    TRY("ldrt r1, [r0]", address);
    TRY("strbt r1, [r0, 1]", address);
    TRY("movw r1, 0x4770\n strh r1, [r0, 8]", address);
    TRY("adds r0, 9\n blx r0", address);
    TRY("ldmia r0, {r1, r2}", address);
    TRY("ldr r1, [r0, -2]", address);
    TRY("stmdb r0, {r1, r2}", address);
    say("\n");
}

static void both(uint32_t address) {
    __asm volatile("svc 1");
    try_all("privileged", address);
    __asm volatile("svc 2");
    try_all("unprivileged", address);
    __asm volatile("svc 1");
}

static void region(uint32_t number, uint32_t base, uint32_t attributes) {
    MPU_RNR = number;
    MPU_RBAR = base;
    MPU_RASR = attributes;
    BARRIER();
}

enum { ENABLE = 1, XN = 1 << 28, NORMAL = 0x000B0000, ALL = 3 << 24 };
static uint32_t size(uint32_t bits) { return (bits - 1) << 1 | ENABLE; }

int main(void) {
    static uint64_t stack[256];
    uint32_t base = (uint32_t)arena;
    for (uint32_t place = 0; place < sizeof arena; place += 2) {
        *(uint16_t *)(arena + place) = 0x4770; /* BX LR */
    }
    WRITE_SPECIAL(psp, stack + 256);
    WRITE_SPECIAL(control, 2);
    SHCSR = 7 << 16;
    say("%x\n", READ_SPECIAL(control));
    region(0, 0, NORMAL | ALL | size(22));
    region(1, 0x20000000, NORMAL | ALL | XN | size(22));
    region(2, 0x40000000, 0x00050000 | ALL | XN | size(29));
    MPU_CTRL = 1;
    BARRIER();
    for (uint32_t access = 0; access < 8; access++) {
        if (access == 4) {
            continue;
        }
        say("access %u\n", access);
        region(3, base + 0x1000, NORMAL | access << 24 | size(12));
        both(base + 0x1100);
    }
    say("never executable\n");
    region(3, base + 0x1000, NORMAL | ALL | XN | size(12));
    both(base + 0x1100);
    say("subregions\n");
    region(3, base, NORMAL | size(13) | 0xA5 << 8);
    for (uint32_t part = 0; part < 8; part++) { /* QEMU has pages of a kilobyte */
        both(base + part * 0x400 + 0x200);
    }
    say("regions over each other\n");
    region(3, base, NORMAL | ALL | size(14));
    region(4, base + 0x1000, NORMAL | 6 << 24 | size(12));
    region(5, base + 0x1400, NORMAL | 1 << 24 | size(10));
    for (uint32_t offset = 0xC00; offset < 0x2800; offset += 0x400) {
        both(base + offset);
        both(base + offset + 0x200);
    }
    say("default map for the privileged\n");
    MPU_CTRL = 5;
    region(3, base + 0x1000, NORMAL | 5 << 24 | size(12));
    region(4, base + 0x2000, NORMAL | 0 << 24 | size(12));
    region(5, 0, 0);
    both(base + 0x1800);
    both(base + 0x2800);
    region(1, base, NORMAL | ALL | XN | size(12)); /* the stack is in the default map now */
    try_all("privileged", base + 0x800);
    say("in faults and with FAULTMASK: off unless HFNMIENA\n");
    WRITE_SPECIAL(faultmask, 1);
    TRY("ldr r1, [r0]", base + 0x2800);
    MPU_CTRL = 7;
    BARRIER();
    TRY("ldr r1, [r0]", base + 0x800);
    WRITE_SPECIAL(faultmask, 0);
    MPU_CTRL = 0;
    BARRIER();
    say("\noff\n");
    both(base + 0x2800);
    finish(); /* `main` has no way back from the other stack */
}
