/* The address space as instructions see it: the inlined fast ways of memory.c.
 *
 * Each function returns H7_DONE, or H7_FAULTED or H7_ABORTED. Before a call, r[15] and left must be written
 * back; after it, left may be less. */
#ifndef H7_MEMORY_H
#define H7_MEMORY_H

#include <string.h>

#include "h7core.h"

static inline uint32_t h7_tlb_index(uint32_t address) {
    return (address >> H7_PAGE_BITS ^ address >> 20) % H7_TLB_SIZE;
}

/* The page and alignment bits of the address of an access. */
static inline uint32_t h7_tlb_tag(uint32_t address, uint32_t size) {
    return address & (~(uint32_t)(H7_PAGE - 1) | (size - 1));
}

/* Host address to read `size` bytes at, NULL if the long way is needed. */
static inline const uint8_t *h7_readable(const struct h7_core *core, uint32_t address, uint32_t size) {
    const struct h7_tlb_entry *entry = &core->tlb[h7_tlb_index(address)];
    return h7_tlb_tag(address, size) == entry->read ? (const uint8_t *)(entry->offset + address) : NULL;
}

static inline uint8_t *h7_writable(const struct h7_core *core, uint32_t address, uint32_t size) {
    const struct h7_tlb_entry *entry = &core->tlb[h7_tlb_index(address)];
    return h7_tlb_tag(address, size) == entry->write ? (uint8_t *)(entry->offset + address) : NULL;
}

static inline uint16_t h7_get16(const uint8_t *memory) {
    uint16_t value;
    memcpy(&value, memory, sizeof value);
    return value;
}
static inline uint32_t h7_get32(const uint8_t *memory) {
    uint32_t value;
    memcpy(&value, memory, sizeof value);
    return value;
}
static inline void h7_put16(uint8_t *memory, uint32_t value) {
    uint16_t half = (uint16_t)value;
    memcpy(memory, &half, sizeof half);
}
static inline void h7_put32(uint8_t *memory, uint32_t value) { memcpy(memory, &value, sizeof value); }

static inline enum h7_result h7_read32(struct h7_core *core, uint32_t address, uint32_t *value) {
    const uint8_t *memory = h7_readable(core, address, 4);
    if (memory) {
        *value = h7_get32(memory);
        return H7_DONE;
    }
    return h7_load(core, address, 4, value);
}

static inline enum h7_result h7_write32(struct h7_core *core, uint32_t address, uint32_t value) {
    uint8_t *memory = h7_writable(core, address, 4);
    if (memory) {
        h7_put32(memory, value);
        return H7_DONE;
    }
    return h7_store(core, address, 4, value);
}

/* For execute.c: the decoded page to execute `address` from; NULL after a fault, which is in core->fault. */
struct h7_code_page *h7_code_at(struct h7_core *core, uint32_t address);
/* Decode the one instruction at `address` into core->single, breakpoints or not; NULL after a fault. */
struct h7_code_page *h7_code_single(struct h7_core *core, uint32_t address);
/* Decode entry `index` of a page. */
void h7_code_decode(struct h7_core *core, struct h7_code_page *page, uint32_t index);

bool h7_code_prepare(struct h7_core *core);
void h7_code_free(struct h7_core *core);

/* Exclusive accesses. `status` becomes 0 if the store was done, 1 if not. */
enum h7_result h7_load_exclusive(struct h7_core *core, uint32_t address, uint32_t size, uint32_t *value);
enum h7_result h7_store_exclusive(struct h7_core *core, uint32_t address, uint32_t size, uint32_t value,
                                  uint32_t *status);

#endif
