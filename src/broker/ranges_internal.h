/* ranges_internal.h - a set of message numbers above a floor, as disjoint ranges, and what of it is not stored yet.
 * Everything up to the floor is in the set. Pure. One thread at a time. */
#ifndef SLUICE_BROKER_RANGES_INTERNAL_H
#define SLUICE_BROKER_RANGES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_range {
    int64_t first, last; /* inclusive */
    bool stored;         /* a row with this `first` is in the store */
    bool dirty;          /* that row's `last` is not this one, or there is no row */
};

struct sl_ranges { /* sl_ranges_fini() frees */
    int64_t floor;
    int64_t total; /* numbers above the floor */
    bool floor_dirty;
    bool dirty;             /* anything in `items` or `gone` */
    struct sl_range *items; /* ascending; neighbours never touch */
    size_t head, n, cap;    /* items[head .. head+n) */
    int64_t *gone;          /* `first` of stored rows that must go */
    size_t n_gone, cap_gone;
};

void sl_ranges_init(struct sl_ranges *set, int64_t floor);
void sl_ranges_fini(struct sl_ranges *set);
/* All anew, with what `from` has; both keep their own memory. */
void sl_ranges_replace(struct sl_ranges *set, const struct sl_ranges *from);
/* Add first..last; what is in the set already stays. Moves the floor when it can. */
void sl_ranges_add(struct sl_ranges *set, int64_t first, int64_t last);
/* Take over a stored row; ascending, after init. */
void sl_ranges_restore(struct sl_ranges *set, int64_t first, int64_t last);
bool sl_ranges_has(const struct sl_ranges *set, int64_t n);
/* The smallest number >= n that is not in the set. */
int64_t sl_ranges_next_absent(const struct sl_ranges *set, int64_t n);
/* The store has it all now. */
void sl_ranges_clean(struct sl_ranges *set);

#endif
