/* core_index.c - slots, index and heap of a subscription's entries.
 * The index is open addressing with linear probing, at most half full; taking one out shifts the others back, so there are no tombstones.
 * The heap holds ids and every entry knows its place, so a lease that is extended moves instead of leaving an old time behind. */
#include "core_index_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#define INDEX_MIN ((size_t)256)

struct sl_entry *sl_entry_of(struct sl_delivery *self, uint32_t id)
{
    return &self->entries[id - 1];
}

/* ---- index ---- */

static size_t home(const struct sl_delivery *self, int64_t n)
{
    return (size_t)(((uint64_t)n * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (self->index_cap - 1);
}

/* Where n is, or the empty place where it would go. */
static size_t probe(const struct sl_delivery *self, int64_t n)
{
    size_t at = home(self, n);
    while (self->index[at] && self->entries[self->index[at] - 1].n != n)
        at = (at + 1) & (self->index_cap - 1);
    return at;
}

uint32_t sl_entry_find(const struct sl_delivery *self, int64_t n)
{
    return self->n_entries ? self->index[probe(self, n)] : 0;
}

static void grow_index(struct sl_delivery *self)
{
    uint32_t *old = self->index;
    size_t old_cap = self->index_cap;
    self->index_cap = old_cap ? old_cap * 2 : INDEX_MIN;
    self->index = sl_calloc(self->index_cap, sizeof(*self->index));
    for (size_t i = 0; i < old_cap; i++)
        if (old[i])
            self->index[probe(self, self->entries[old[i] - 1].n)] = old[i];
    free(old);
}

static void unindex(struct sl_delivery *self, int64_t n)
{
    size_t mask = self->index_cap - 1, hole = probe(self, n);
    for (size_t at = (hole + 1) & mask; self->index[at]; at = (at + 1) & mask) {
        size_t wish = home(self, self->entries[self->index[at] - 1].n);
        if (((at - wish) & mask) >= ((at - hole) & mask)) {
            self->index[hole] = self->index[at];
            hole = at;
        }
    }
    self->index[hole] = 0;
}

/* ---- slots ---- */

static uint32_t take_slot(struct sl_delivery *self)
{
    if (self->free_slot) {
        uint32_t id = self->free_slot;
        self->free_slot = sl_entry_of(self, id)->after;
        return id;
    }
    sl_grow((void **)&self->entries, &self->cap, self->n_slots + 1, sizeof(*self->entries));
    return (uint32_t)++self->n_slots;
}

uint32_t sl_entry_add(struct sl_delivery *self, int64_t n)
{
    uint32_t id = take_slot(self);
    *sl_entry_of(self, id) = (struct sl_entry){.n = n};
    if (2 * (self->n_entries + 1) > self->index_cap)
        grow_index(self);
    self->index[probe(self, n)] = id;
    self->n_entries++;
    return id;
}

void sl_entry_remove(struct sl_delivery *self, uint32_t id)
{
    unindex(self, sl_entry_of(self, id)->n);
    *sl_entry_of(self, id) = (struct sl_entry){.after = self->free_slot};
    self->free_slot = id;
    self->n_entries--;
}

/* ---- heap ---- */

static int64_t time_at(const struct sl_delivery *self, size_t i)
{
    return self->entries[self->heap[i] - 1].at_ms;
}

static void place(struct sl_delivery *self, size_t i, uint32_t id)
{
    self->heap[i] = id;
    self->entries[id - 1].heap = (uint32_t)i + 1;
}

static void sift_up(struct sl_delivery *self, size_t i)
{
    uint32_t id = self->heap[i];
    int64_t at_ms = time_at(self, i);
    while (i > 0 && time_at(self, (i - 1) / 2) > at_ms) {
        place(self, i, self->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    place(self, i, id);
}

static void sift_down(struct sl_delivery *self, size_t i)
{
    uint32_t id = self->heap[i];
    int64_t at_ms = time_at(self, i);
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= self->n_heap)
            break;
        if (child + 1 < self->n_heap && time_at(self, child + 1) < time_at(self, child))
            child++;
        if (time_at(self, child) >= at_ms)
            break;
        place(self, i, self->heap[child]);
        i = child;
    }
    place(self, i, id);
}

void sl_entry_heap_put(struct sl_delivery *self, uint32_t id, int64_t at_ms)
{
    struct sl_entry *entry = sl_entry_of(self, id);
    if (entry->heap) {
        int64_t before_ms = entry->at_ms;
        entry->at_ms = at_ms;
        if (at_ms < before_ms)
            sift_up(self, entry->heap - 1);
        else
            sift_down(self, entry->heap - 1);
        return;
    }
    entry->at_ms = at_ms;
    sl_grow((void **)&self->heap, &self->cap_heap, self->n_heap + 1, sizeof(*self->heap));
    place(self, self->n_heap, id);
    sift_up(self, self->n_heap++);
}

void sl_entry_heap_remove(struct sl_delivery *self, uint32_t id)
{
    size_t i = self->entries[id - 1].heap - 1;
    self->entries[id - 1].heap = 0;
    uint32_t moved = self->heap[--self->n_heap];
    if (moved == id)
        return;
    place(self, i, moved);
    sift_up(self, i);
    sift_down(self, self->entries[moved - 1].heap - 1);
}
