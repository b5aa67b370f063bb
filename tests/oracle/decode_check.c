/* Every opcode there is: does the engine's decoder know the same ones as the table of encodings?
 *
 * usage: decode_check [stride]     every stride-th 32-bit opcode (1: all), and all 16-bit ones */
#include <stdio.h>
#include <stdlib.h>

#include "encoding.h"
#include "h7core.h"
#include "operations.h"

enum { SHOWN = 3, ENCODINGS = 1024 };
static uint64_t checked, unpredictable, differences;
static uint32_t shown[ENCODINGS]; /* differences per encoding */

static void check(struct h7_core *core, uint32_t opcode, uint32_t size) {
    static const char *const names[] = {"undefined", "unpredictable", "of no coprocessor", "defined"};
    struct h7_insn insn = {0};
    size_t index = 0;
    bool wide = size == 4;
    enum meaning expected = opcode_meaning(opcode, size, core->model == H7_CORTEX_M4, &index), found;
    h7_decode(core, 0x08000000, (uint16_t)(wide ? opcode >> 16 : opcode), (uint16_t)opcode, &insn);
    if (insn.op == H7_OP_UNDEFINED || insn.op == H7_OP_FLOAT_UNDEFINED) {
        found = UNDEFINED;
    } else {
        found = insn.op == H7_OP_NO_COPROCESSOR ? NO_COPROCESSOR : DEFINED;
    }
    checked++;
    if (expected == UNPREDICTABLE) {
        unpredictable++;
    } else if (found != expected || insn.size != size) {
        differences++;
        if (shown[index]++ < SHOWN) {
            printf("%08x (%s) is %s, our decoder takes it as %s\n", opcode,
                   expected == UNDEFINED ? "-" : encodings[index].name, names[expected], names[found]);
        }
    }
}

static enum h7_bus no_read(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                           uint32_t *value) {
    (void)context, (void)core, (void)address, (void)size, (void)value;
    return H7_BUS_FAULT;
}
static enum h7_bus no_write(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                            uint32_t value) {
    (void)context, (void)core, (void)address, (void)size, (void)value;
    return H7_BUS_FAULT;
}
static void nothing(void *context, struct h7_core *core) { (void)context, (void)core; }

int main(int count, char **arguments) {
    uint32_t stride = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 0) : 1;
    struct h7_host host = {NULL, no_read, no_write, nothing, nothing, nothing, nothing, nothing, nothing};
    for (enum h7_model model = H7_CORTEX_M7; model <= H7_CORTEX_M4; model++) {
        struct h7_core *core = h7_core_new(model, &host);
        for (uint32_t opcode = 0; opcode < 0xE800; opcode++) {
            check(core, opcode, 2);
        }
        for (uint64_t opcode = 0xE8000000; opcode <= UINT32_MAX; opcode += stride) {
            check(core, (uint32_t)opcode, 4);
        }
        h7_core_free(core);
    }
    printf("%llu opcodes, %llu of them UNPREDICTABLE, %llu differences\n", (unsigned long long)checked,
           (unsigned long long)unpredictable, (unsigned long long)differences);
    return differences != 0;
}
