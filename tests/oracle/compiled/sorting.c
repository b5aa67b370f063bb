#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { COUNT = 300 };

static void insertion(int32_t *values, int count) {
    for (int i = 1; i < count; i++) {
        int32_t value = values[i];
        int j = i;
        for (; j > 0 && values[j - 1] > value; j--) {
            values[j] = values[j - 1];
        }
        values[j] = value;
    }
}

static void shell(int32_t *values, int count) {
    for (int gap = count / 2; gap; gap = gap * 5 / 11) {
        for (int i = gap; i < count; i++) {
            for (int j = i; j >= gap && values[j - gap] > values[j]; j -= gap) {
                int32_t other = values[j];
                values[j] = values[j - gap];
                values[j - gap] = other;
            }
        }
    }
}

static void quick(int32_t *values, int count) {
    if (count < 8) {
        insertion(values, count);
        return;
    }
    int32_t pivot = values[count / 2];
    int low = 0, high = count - 1;
    while (low <= high) {
        while (values[low] < pivot) low++;
        while (values[high] > pivot) high--;
        if (low <= high) {
            int32_t other = values[low];
            values[low++] = values[high];
            values[high--] = other;
        }
    }
    quick(values, high + 1);
    quick(values + low, count - low);
}

static void sift(int32_t *heap, int root, int count) {
    for (int child; (child = 2 * root + 1) < count; root = child) {
        child += child + 1 < count && heap[child] < heap[child + 1];
        if (heap[root] >= heap[child]) {
            return;
        }
        int32_t other = heap[root];
        heap[root] = heap[child];
        heap[child] = other;
    }
}

static void heap(int32_t *values, int count) {
    for (int root = count / 2; root >= 0; root--) {
        sift(values, root, count);
    }
    for (int last = count - 1; last > 0; last--) {
        int32_t other = values[0];
        values[0] = values[last];
        values[last] = other;
        sift(values, 0, last);
    }
}

static void merge(int32_t *values, int count) {
    static int32_t scratch[COUNT];
    if (count < 2) {
        return;
    }
    int half = count / 2, i = 0, j = half, k = 0;
    merge(values, half);
    merge(values + half, count - half);
    while (i < half && j < count) {
        scratch[k++] = values[j] < values[i] ? values[j++] : values[i++];
    }
    while (i < half) scratch[k++] = values[i++];
    while (j < count) scratch[k++] = values[j++];
    memcpy(values, scratch, (size_t)count * sizeof *values);
}

static int by_value(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

struct record {
    uint8_t key;
    int16_t rank;
    char name[7];
    uint64_t weight;
};

static int by_record(const void *a, const void *b) {
    const struct record *x = a, *y = b;
    int order = x->key - y->key;
    order = order ? order : y->rank - x->rank;
    order = order ? order : strcmp(x->name, y->name);
    return order ? order : (x->weight > y->weight) - (x->weight < y->weight);
}

static void library(int32_t *values, int count) { qsort(values, (size_t)count, sizeof *values, by_value); }

void sorting(void) {
    static void (*const sorters[])(int32_t *, int) = {insertion, shell, quick, heap, merge, library};
    for (uint32_t which = 0; which < sizeof sorters / sizeof sorters[0]; which++) {
        int32_t values[COUNT];
        uint32_t state = 12345;
        for (int i = 0; i < COUNT; i++) {
            values[i] = (int32_t)next_random(&state) >> (i % 29);
        }
        sorters[which](values, COUNT);
        printf("sort %u: %ld %ld %ld, %08lx\n", (unsigned)which, (long)values[0], (long)values[COUNT / 2],
               (long)values[COUNT - 1], (unsigned long)hash_bytes(values, sizeof values));
    }
    static struct record records[100];
    uint32_t state = 7;
    for (int i = 0; i < 100; i++) {
        records[i].key = (uint8_t)(next_random(&state) % 5);
        records[i].rank = (int16_t)(next_random(&state) % 7 - 3);
        snprintf(records[i].name, sizeof records[i].name, "n%lu",
                 (unsigned long)(next_random(&state) % 1000));
        records[i].weight = (uint64_t)next_random(&state) << 20;
    }
    qsort(records, 100, sizeof records[0], by_record);
    for (int i = 0; i < 100; i += 9) {
        printf("%u %d %s %llu\n", records[i].key, records[i].rank, records[i].name,
               (unsigned long long)records[i].weight);
    }
}
