/* completeness.h - who has how many of the units that it should have, in a window up to a date (DESIGN section 6, step 8).
 * Pure: no I/O, no clock. Any thread. Results are arena-held; strings are borrowed from the units. */
#ifndef SLUICE_COMPLETENESS_H
#define SLUICE_COMPLETENESS_H

#include <sluice/gate.h>
#include <sluice/rows.h>

struct sl_completeness_ask {
    const struct sl_calendar_row *units; /* planned rows of the calendar, ascending by (date, unit); borrowed */
    size_t n_units;
    size_t kind;             /* index of the entity kind */
    struct sl_window window; /* units or days */
    sl_date date;
    sl_date not_before; /* start of the season, or history_from when later; SL_DATE_NONE */
};

/* The first date that any entity's window reaches: what has to be asked is first..date. */
sl_date sl_completeness_from(const struct sl_completeness_ask *ask);

/* Per entity of the date's units: its done units in the window, and those that `present` has. `present` is ascending by (date, unit, entity), the union over the sources; a unit "" in it
 * stands for every unit of its date (a source judged by date). A missing unit that is `excused` (may be NULL) is not expected. */
void sl_completeness_find(struct sl_completeness_facts *out, const struct sl_completeness_ask *ask, const struct sl_entity_row *present,
                          size_t n_present, bool (*excused)(void *arg, sl_date date, const char *unit), void *arg, struct sl_arena *arena);

/* Per cent, one decimal; 100 when nothing is expected. */
double sl_completeness_pct(size_t n_actual, size_t n_expected);

/* Does the entity have this share (0..1) of its units? Nothing expected is complete. */
bool sl_entity_is_complete(const struct sl_entity_facts *entity, double threshold);

#endif
