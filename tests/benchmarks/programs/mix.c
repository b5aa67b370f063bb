/*
 * A mix of what firmware computes, for both cores: a list is sorted and searched, matrices are multiplied, and a
 * CRC is taken of the results. Each round starts from the checksum of the one before; mix.py computes the same.
 */
#include <stddef.h>
#include <stdint.h>

#include "machine.h"

#define NODES 64u
#define SEARCHES 24u
#define SIZE 12u
#define CRC32_POLYNOMIAL 0xEDB88320u

struct node {
    struct node *next;
    uint32_t value;
};

int main(void);

volatile uint32_t checksum;
volatile uint32_t rounds;

static struct node nodes[NODES];
static int32_t left[SIZE][SIZE], right[SIZE][SIZE], product[SIZE][SIZE];

static uint32_t next_number(uint32_t number)
{
    return number * 1664525u + 1013904223u;
}

static uint32_t crc32(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *byte = data;

    crc = ~crc;
    while (size--) {
        crc ^= *byte++;
        for (uint32_t bit = 0; bit < 8; ++bit) {
            crc = crc & 1u ? crc >> 1 ^ CRC32_POLYNOMIAL : crc >> 1;
        }
    }
    return ~crc;
}

static struct node *make_list(uint32_t seed)
{
    for (uint32_t i = 0; i < NODES; ++i) {
        seed = next_number(seed);
        nodes[i].value = seed >> 8;
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
    }
    return nodes;
}

/* Merge runs of 1, 2, 4 ... nodes. */
static struct node *sort_list(struct node *list)
{
    for (uint32_t length = 1;; length *= 2) {
        struct node *rest = list, **end = &list;
        uint32_t merges = 0;

        while (rest) {
            struct node *first = rest, *second = rest;
            uint32_t first_size = 0, second_size = length;

            ++merges;
            while (second && first_size < length) {
                second = second->next;
                ++first_size;
            }
            while (first_size || (second_size && second)) {
                struct node *smaller;

                if (first_size && !(second_size && second && second->value < first->value)) {
                    smaller = first;
                    first = first->next;
                    --first_size;
                } else {
                    smaller = second;
                    second = second->next;
                    --second_size;
                }
                *end = smaller;
                end = &smaller->next;
            }
            rest = second;
        }
        *end = NULL;
        if (merges <= 1) {
            return list;
        }
    }
}

/* How many nodes hold less than `value`. */
static uint32_t rank_in_list(const struct node *list, uint32_t value)
{
    uint32_t rank = 0;

    for (; list && list->value < value; list = list->next) {
        ++rank;
    }
    return rank;
}

static uint32_t list_work(uint32_t seed, uint32_t crc)
{
    const struct node *const sorted = sort_list(make_list(seed));
    uint32_t ranks = 0;

    for (uint32_t i = 0; i < SEARCHES; ++i) {
        seed = next_number(seed); /* once more the values that the list was made of */
        ranks += rank_in_list(sorted, seed >> 8);
    }
    for (const struct node *node = sorted; node; node = node->next) {
        crc = crc32(crc, &node->value, sizeof node->value);
    }
    return crc32(crc, &ranks, sizeof ranks);
}

static uint32_t matrix_work(uint32_t seed, uint32_t crc)
{
    for (uint32_t row = 0; row < SIZE; ++row) {
        for (uint32_t column = 0; column < SIZE; ++column) {
            seed = next_number(seed);
            left[row][column] = (int32_t)(seed >> 24) - 128;
            right[column][row] = (int32_t)(seed >> 16 & 0xFFu) - 128;
        }
    }
    for (uint32_t row = 0; row < SIZE; ++row) {
        int32_t sum = 0;

        for (uint32_t column = 0; column < SIZE; ++column) {
            int32_t cell = 0;

            for (uint32_t i = 0; i < SIZE; ++i) {
                cell += left[row][i] * right[i][column];
            }
            product[row][column] = cell;
            sum += cell;
        }
        crc = crc32(crc, &sum, sizeof sum);
    }
    return crc32(crc, &product[SIZE - 1], sizeof product[SIZE - 1]);
}

int main(void)
{
    uint32_t seed = 0;

    for (uint32_t round = 1; round <= ROUNDS; ++round) {
        seed = matrix_work(seed, list_work(seed, 0));
        checksum = seed;
        rounds = round;
    }
    stop();
}
