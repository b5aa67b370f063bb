/* A board for the programs of this directory: what they use of QEMU's mps2-an386 (Cortex-M4) and mps2-an500
 * (Cortex-M7), on our engine. With --both there is one of each at the same time, with a program and memory of its
 * own; the consoles follow each other.
 *
 * usage: board [--m4 | --both] [--seconds BOARD_SECONDS] [--no-jumps] program.elf [program of the M4]
 * Prints the console, and to stderr how many cycles it took. Ends with 1 if the program did not end by itself. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "h7core.h"
#include "schedule.h"

enum { MEMORY = 0x400000, CODE = 0, RAM = 0x20000000, UART = 0x40004000, CONSOLE = 0x100000 };
enum { END_OF_TRANSMISSION = 4, M7_HZ = 400000000, M4_HZ = 200000000 };
#define SECOND UINT64_C(1000000000000) /* in picoseconds */

struct machine {
    struct h7_core *core;
    uint8_t *code, *ram;
    char console[CONSOLE];
    size_t printed;
    uint64_t cycles; /* until it ended */
    bool ended;
    struct h7_board *board;
};

static bool all_stopped(const struct machine *machine, int machines) {
    for (int index = 0; index < machines; index++) {
        if (!machine[index].ended && !machine[index].core->lockup) {
            return false;
        }
    }
    return true;
}

static enum h7_bus bus_read(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                            uint32_t *value) {
    (void)context, (void)core, (void)size;
    *value = 0;
    return address - UART < 0x1000 ? H7_BUS_OK : H7_BUS_FAULT;
}

static enum h7_bus bus_write(void *context, struct h7_core *core, uint32_t address, uint32_t size,
                             uint32_t value) {
    struct machine *machine = context;
    (void)size;
    if (address == UART && value == END_OF_TRANSMISSION) {
        machine->ended = true;
        machine->cycles = h7_cycles(core);
        h7_board_set_clock(machine->board, core, false);
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
    struct h7_host host = {machine, bus_read, bus_write, nothing, nothing, nothing, nothing, nothing, nothing};
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
    static struct machine machine[H7_CORES];
    uint64_t slice = UINT64_C(1000000000), limit = 10 * SECOND;
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
        } else if (!strcmp(arguments[index], "--seconds") && index + 1 < count) {
            limit = strtoull(arguments[++index], NULL, 0) * SECOND;
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
    struct h7_core *cores[H7_CORES] = {machine[0].core, machine[1].core};
    struct h7_board *board = h7_board_new(cores);
    for (int index = 0; index < machines; index++) {
        h7_board_set_frequency(board, cores[index],
                               machine[index].core->model == H7_CORTEX_M7 ? M7_HZ : M4_HZ);
        h7_board_set_clock(board, cores[index], true);
        machine[index].board = board;
    }
    for (uint64_t time = 0; time < limit && !all_stopped(machine, machines); time += slice) {
        h7_board_run(board, slice);
    }
    for (int index = 0; index < machines; index++) {
        struct h7_core *core = machine[index].core;
        fwrite(machine[index].console, 1, machine[index].printed, stdout);
        if (!machine[index].ended) {
            fprintf(stderr, "stopped at %08x%s\n", core->r[15], core->lockup ? " in lockup" : "");
        }
        fprintf(stderr, "%llu cycles\n", (unsigned long long)machine[index].cycles);
        all_ended = all_ended && machine[index].ended;
    }
    h7_board_free(board);
    for (int index = 0; index < machines; index++) {
        h7_core_free(machine[index].core);
        free(machine[index].code);
        free(machine[index].ram);
    }
    return all_ended ? 0 : 1;
}
