/* stale.h - which later decisions used a date that has changed since, and in which order they are made again (DESIGN section 6, "Stale downstream").
 * Pure: no I/O, no clock. Any thread. Results are arena-held. */
#ifndef SLUICE_STALE_H
#define SLUICE_STALE_H

#include <sluice/config.h>
#include <sluice/mem.h>
#include <sluice/records.h>
#include <sluice/rows.h>

/* Does `phase` come after `before`, directly or by others? */
bool sl_phase_follows(const struct sl_config *config, const struct sl_phase *phase, const struct sl_phase *before);
/* Do the rows of `table` belong to `changed` or to a phase after it: is a date of it other than it was? */
bool sl_table_is_touched(const struct sl_config *config, const char *table, const struct sl_phase *changed);

/* Does a window of the last `n` days up to and with `date` hold `culprit`? */
bool sl_days_hold(int n, sl_date culprit, sl_date date);
/* Does the window of the last n units of an entity of `date` hold one of `culprit`'s? `units`: the calendar's planned rows of culprit..date, ascending; an entity's windows end with its last
 * done unit up to `date`. */
bool sl_units_hold(const struct sl_calendar_row *units, size_t n_units, size_t kind, int n, sl_date culprit, sl_date date);
/* The same for the last n rows (or units) of an entity in a table: `rows` are its rows of culprit..date, ascending by (date, unit, entity), `own` the rows of the table that is made of them. */
bool sl_rows_hold(const struct sl_entity_row *rows, size_t n_rows, const struct sl_entity_row *own, size_t n_own, int n, sl_date culprit,
                  sl_date date);

/* One step of the plan: a decision to be made again. */
struct sl_stale_step {
    const struct sl_phase *phase;
    sl_date date;
    enum sl_profile profile;
    int generation;
    const struct sl_stale_mark *marks; /* its culprits: at least one, borrowed; the first is the oldest */
    size_t n_marks;
    bool first;     /* nothing before it is stale for this date: its trigger is to be sent; the others follow from it */
    bool triggered; /* that was done already */
};
/* Dates ascending, phases in DAG order. `marks` are sorted in place; those of phases that the config no longer has are left out. */
void sl_stale_plan(struct sl_stale_step **out, size_t *n, const struct sl_config *config, struct sl_stale_mark *marks, size_t n_marks,
                   struct sl_arena *arena);

#endif
