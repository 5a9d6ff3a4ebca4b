/* gather_internal.h - what the files that gather facts share. */
#ifndef SLUICE_GATHER_INTERNAL_H
#define SLUICE_GATHER_INTERNAL_H

#include "worker_internal.h"

/* The calendar's planned units of a date. */
struct day {
    const struct sl_calendar_row *rows;
    size_t n;
    const char **done;
    size_t n_done;
};
struct day sl_day_of(struct sl_worker *worker, sl_date date);
/* A calendar whose unit is the date asks tables for the date, whatever units they have. */
bool sl_has_units(const struct sl_worker *worker);
struct sl_due sl_due_of(const struct sl_worker *worker, const struct sl_facts *facts);
void sl_newest_runs(struct sl_proc_facts *proc, const struct group *group);
/* Only a processor that has reported is judged by its rows. */
bool sl_is_judged(const struct sl_proc_facts *proc);

/* ---- gather_gaps.c ---- */

struct gap_day {
    sl_date date;
    struct sl_due due;
    bool wanted;
};
struct gap_table {
    const struct sl_phase *phase;
    sl_date from, to;
    struct gap_day *days; /* one per calendar day of from..to */
    struct sl_gap *gaps;  /* ascending by date, then processor */
    size_t n_gaps;
    sl_date *excused; /* dates of known gaps that would have been gaps */
    size_t n_excused;
    const char **errors; /* per processor: its table could not be asked */
};
/* The look-back of every gate: gaps_from..gaps_to, empty when the check is off. */
void sl_gaps_windows(const struct sl_worker *worker, struct work *works, size_t n);
/* One table of gaps per phase that has gates at work; `tables` has room for every phase. Returns how many. */
size_t sl_gaps_plan(struct sl_worker *worker, struct gap_table *tables, const struct work *works, size_t n, struct sl_sources *sources);
enum sl_code sl_gaps_read(struct sl_worker *worker, struct gap_table *tables, size_t n_tables, struct work *works, size_t n,
                          const struct sl_sources *sources, struct sl_err *err);

#endif
