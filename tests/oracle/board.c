/* A board for the programs of this directory: what they use of QEMU's mps2-an386 (Cortex-M4) and mps2-an500
 * (Cortex-M7), on our engine. With --both there is one of each, which take turns; the consoles follow each other.
 *
 * usage: board [--m4 | --both] [--quantum CYCLES] [--cycles CYCLES] [--no-jumps] program.elf [program of the M4]
 * Prints the console. Ends with 1 if the program did not end by itself. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h7core.h"

enum { MEMORY = 0x400000, CODE = 0, RAM = 0x20000000, UART = 0x40004000, CONSOLE = 0x10000 };
enum { END_OF_TRANSMISSION = 4 };

struct machine {
    struct h7_core *core;
    uint8_t *code, *ram;
    char console[CONSOLE];
    size_t printed;
    bool ended;
};

static enum h7_bus bus_read(void *context, struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value) {
    (void)context, (void)core, (void)size;
    *value = 0;
    return address - UART < 0x1000 ? H7_BUS_OK : H7_BUS_FAULT;
}

static enum h7_bus bus_write(void *context, struct h7_core *core, uint32_t address, uint32_t size, uint32_t value) {
    struct machine *machine = context;
    (void)size;
    if (address == UART && value == END_OF_TRANSMISSION) {
        machine->ended = true;
        h7_core_stop(core);
    } else if (address == UART && machine->printed < CONSOLE) {
        machine->console[machine->printed++] = (char)value;
    }
    return address - UART < 0x1000 ? H7_BUS_OK : H7_BUS_FAULT;
}

static void nothing(void *context, struct h7_core *core) { (void)context, (void)core; }

static bool load(struct machine *machine, const char *path) {
    static uint8_t file[MEMORY];
    FILE *stream = fopen(path, "rb");
    size_t size = stream ? fread(file, 1, sizeof file, stream) : 0;
    if (stream) {
        fclose(stream);
    }
    const Elf32_Ehdr *header = (const void *)file;
    if (size < sizeof *header || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        return false;
    }
    for (uint32_t index = 0; index < header->e_phnum; index++) {
        const Elf32_Phdr *segment = (const void *)(file + header->e_phoff + index * sizeof *segment);
        bool in_ram = segment->p_paddr >= RAM;
        uint8_t *memory = in_ram ? machine->ram + (segment->p_paddr - RAM) : machine->code + segment->p_paddr;
        if (segment->p_type == PT_LOAD && segment->p_filesz) {
            memcpy(memory, file + segment->p_offset, segment->p_filesz);
        }
    }
    return true;
}

static void make(struct machine *machine, enum h7_model model, const char *path) {
    struct h7_host host = {machine, bus_read, bus_write, nothing, nothing, nothing, nothing};
    machine->code = calloc(1, MEMORY);
    machine->ram = calloc(1, MEMORY);
    if (!load(machine, path)) {
        fprintf(stderr, "%s is no program\n", path);
        exit(2);
    }
    machine->core = h7_core_new(model, &host);
    h7_core_map(machine->core, CODE, MEMORY, machine->code, true);
    h7_core_map(machine->core, RAM, MEMORY, machine->ram, true);
    h7_core_reset(machine->core, CODE, true);
}

int main(int count, char **arguments) {
    static struct machine machine[2];
    uint64_t quantum = 1000, cycles = UINT64_C(2000000000);
    enum h7_model model = H7_CORTEX_M7;
    const char *path[2] = {NULL, NULL};
    int machines = 1, paths = 0;
    bool jumps = true, all_ended = true;
    for (int index = 1; index < count; index++) {
        if (!strcmp(arguments[index], "--m4")) {
            model = H7_CORTEX_M4;
        } else if (!strcmp(arguments[index], "--both")) {
            machines = 2;
        } else if (!strcmp(arguments[index], "--no-jumps")) {
            jumps = false;
        } else if (!strcmp(arguments[index], "--quantum") && index + 1 < count) {
            quantum = strtoull(arguments[++index], NULL, 0);
        } else if (!strcmp(arguments[index], "--cycles") && index + 1 < count) {
            cycles = strtoull(arguments[++index], NULL, 0);
        } else if (paths < 2) {
            path[paths++] = arguments[index];
        }
    }
    if (paths < machines) {
        fprintf(stderr, "a program for each core\n");
        return 2;
    }
    for (int index = 0; index < machines; index++) {
        make(&machine[index], index ? H7_CORTEX_M4 : model, path[index]);
        h7_core_set_jumps(machine[index].core, jumps);
    }
    if (machines == 2) {
        h7_core_connect(machine[0].core, machine[1].core);
    }
    for (uint64_t now = 0; now < cycles; now += quantum) {
        bool running = false;
        for (int index = 0; index < machines; index++) {
            struct h7_core *core = machine[index].core;
            uint64_t until = now + quantum;
            while (!machine[index].ended && !core->lockup && h7_cycles(core) < until) {
                uint64_t before = h7_cycles(core);
                h7_core_run(core, until - before);
                if (core->sleep == H7_DEEP_SLEEP || h7_cycles(core) == before) {
                    break;
                }
                running = true;
            }
        }
        if (!running) {
            break;
        }
    }
    for (int index = 0; index < machines; index++) {
        struct h7_core *core = machine[index].core;
        fwrite(machine[index].console, 1, machine[index].printed, stdout);
        if (!machine[index].ended) {
            fprintf(stderr, "stopped at %08x%s\n", core->r[15], core->lockup ? " in lockup" : "");
        }
        fprintf(stderr, "%llu cycles\n", (unsigned long long)h7_cycles(core));
        all_ended = all_ended && machine[index].ended;
        h7_core_free(core);
        free(machine[index].code);
        free(machine[index].ram);
    }
    return all_ended ? 0 : 1;
}
