/* ranges.c - acked numbers as ranges. Acks in order only move the floor; an ack out of order makes a range, or lets one grow, or joins two.
 * The array is searched by halves; taking from its front, which is what a moving floor does, costs nothing. */
#include "ranges_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

void sl_ranges_init(struct sl_ranges *set, int64_t floor)
{
    *set = (struct sl_ranges){.floor = floor};
}

void sl_ranges_fini(struct sl_ranges *set)
{
    free(set->items);
    free(set->gone);
    *set = (struct sl_ranges){0};
}

static struct sl_range *at(const struct sl_ranges *set, size_t i)
{
    return &set->items[set->head + i];
}

/* The first range whose last >= n. */
static size_t find(const struct sl_ranges *set, int64_t n)
{
    size_t low = 0, high = set->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (at(set, middle)->last < n)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget(struct sl_ranges *set, const struct sl_range *range)
{
    set->dirty = true;
    if (!range->stored)
        return;
    sl_grow((void **)&set->gone, &set->cap_gone, set->n_gone + 1, sizeof(*set->gone));
    set->gone[set->n_gone++] = range->first;
}

/* Take items[i .. i+n) out. */
static void drop(struct sl_ranges *set, size_t i, size_t n)
{
    if (n == 0)
        return;
    if (i == 0)
        set->head += n;
    else
        memmove(at(set, i), at(set, i + n), (set->n - i - n) * sizeof(struct sl_range));
    set->n -= n;
    if (set->n == 0)
        set->head = 0;
}

static void insert(struct sl_ranges *set, size_t i, struct sl_range range)
{
    if (i == 0 && set->head > 0) {
        set->head--;
    } else {
        if (set->head > set->n) { /* the front is mostly empty: use it before growing */
            memmove(set->items, at(set, 0), set->n * sizeof(struct sl_range));
            set->head = 0;
        }
        sl_grow((void **)&set->items, &set->cap, set->head + set->n + 1, sizeof(struct sl_range));
        memmove(at(set, i + 1), at(set, i), (set->n - i) * sizeof(struct sl_range));
    }
    *at(set, i) = range;
    set->n++;
}

static void raise_floor(struct sl_ranges *set, int64_t floor)
{
    size_t i = 0;
    for (; i < set->n && at(set, i)->first <= floor + 1; i++) {
        struct sl_range *range = at(set, i);
        if (range->last > floor)
            floor = range->last;
        set->total -= range->last - range->first + 1;
        forget(set, range);
    }
    drop(set, 0, i);
    set->floor = floor;
    set->floor_dirty = true;
}

/* The ranges i .. i+n touch first..last: they become one. */
static void merge(struct sl_ranges *set, size_t i, size_t n, int64_t first, int64_t last)
{
    struct sl_range merged = {.first = first, .last = last, .dirty = true};
    for (size_t k = i; k < i + n; k++) {
        struct sl_range *range = at(set, k);
        set->total -= range->last - range->first + 1;
        if (range->first <= merged.first) { /* only the leftmost: its row keeps its key */
            merged.first = range->first;
            merged.stored = range->stored;
        } else {
            forget(set, range);
        }
        if (range->last > merged.last)
            merged.last = range->last;
    }
    set->total += merged.last - merged.first + 1;
    set->dirty = true;
    if (n == 0) {
        insert(set, i, merged);
        return;
    }
    *at(set, i) = merged;
    drop(set, i + 1, n - 1);
}

void sl_ranges_add(struct sl_ranges *set, int64_t first, int64_t last)
{
    if (first <= set->floor)
        first = set->floor + 1;
    if (last < first)
        return;
    if (first == set->floor + 1) {
        raise_floor(set, last);
        return;
    }
    size_t i = find(set, first - 1), n = 0;
    if (i < set->n && at(set, i)->first <= first && at(set, i)->last >= last)
        return;
    while (i + n < set->n && at(set, i + n)->first <= last + 1)
        n++;
    merge(set, i, n, first, last);
}

void sl_ranges_replace(struct sl_ranges *set, const struct sl_ranges *from)
{
    for (size_t i = 0; i < set->n; i++)
        forget(set, at(set, i));
    set->head = set->n = 0;
    set->total = 0;
    set->floor = from->floor;
    set->floor_dirty = true;
    for (size_t i = 0; i < from->n; i++)
        sl_ranges_add(set, at(from, i)->first, at(from, i)->last);
}

void sl_ranges_restore(struct sl_ranges *set, int64_t first, int64_t last)
{
    insert(set, set->n, (struct sl_range){.first = first, .last = last, .stored = true});
    set->total += last - first + 1;
}

bool sl_ranges_has(const struct sl_ranges *set, int64_t n)
{
    if (n <= set->floor)
        return true;
    size_t i = find(set, n);
    return i < set->n && at(set, i)->first <= n;
}

int64_t sl_ranges_next_absent(const struct sl_ranges *set, int64_t n)
{
    if (n <= set->floor)
        return set->floor + 1;
    if (set->n == 0)
        return n;
    size_t i = find(set, n);
    return i < set->n && at(set, i)->first <= n ? at(set, i)->last + 1 : n;
}

void sl_ranges_clean(struct sl_ranges *set)
{
    if (set->dirty)
        for (size_t i = 0; i < set->n; i++) {
            at(set, i)->stored = true;
            at(set, i)->dirty = false;
        }
    set->n_gone = 0;
    set->dirty = set->floor_dirty = false;
}
