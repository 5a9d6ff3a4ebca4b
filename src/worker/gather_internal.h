/* gather_internal.h - what the files that gather facts share. */
#ifndef SLUICE_GATHER_INTERNAL_H
#define SLUICE_GATHER_INTERNAL_H

#include "worker_internal.h"

/* A calendar whose unit is the date asks tables for the date, whatever units they have. */
bool sl_has_units(const struct sl_worker *worker);
/* What rows are due of on the date: its done units; with every_day, or without a calendar, the date itself. n 0: nothing. */
struct sl_due sl_due_on(const struct sl_worker *worker, sl_date date, bool every_day, struct sl_arena *arena);
struct sl_due sl_due_of(const struct sl_worker *worker, const struct sl_facts *facts);
void sl_newest_runs(struct sl_proc_facts *proc, const struct group *group);
/* What its newest run says of the quality of its rows. */
void sl_take_reported(struct sl_worker *worker, struct sl_proc_facts *proc);
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
/* Known gaps as they count today. */
struct sl_known_gaps {
    struct sl_known_gap *items;
    size_t n;
    sl_date today;
};
/* Does an accepted gap excuse this unit ("" for the whole date) of the table, for gates of the phase? */
bool sl_gap_is_excused(const struct sl_known_gaps *known, const struct sl_phase *phase, const char *table, sl_date date, const char *unit);
void sl_gaps_read(struct sl_worker *worker, struct gap_table *tables, size_t n_tables, struct work *works, size_t n,
                  const struct sl_sources *sources, const struct sl_known_gaps *known);

/* ---- questions_entities.c ---- */

struct entity_question;
struct sl_entity_questions { /* zero-initialised, freed by sl_entities_fini() */
    struct entity_question *items;
    size_t n, cap;
};
/* Rows of from..to by our column `column`; by_date: without units; with_tiers: and by their own quality_tier. Ranges of one table and column become one. */
void sl_entities_add(struct sl_entity_questions *questions, const struct sl_source *source, const char *column, bool by_date,
                     bool with_tiers, sl_date from, sl_date to);
enum sl_code sl_entities_ask(struct sl_entity_questions *questions, struct sl_warehouse *warehouse, struct sl_arena *arena,
                             struct sl_err *err);
struct sl_entity_answer {
    const struct sl_entity_row *rows; /* ascending by (date, unit, entity) */
    size_t n;
    bool has_tiers;
    const char *error; /* the table could not be asked */
};
struct sl_entity_answer sl_entities_answer(const struct sl_entity_questions *questions, const struct sl_source *source, const char *column,
                                           bool by_date, bool with_tiers);
void sl_entities_fini(struct sl_entity_questions *questions);
/* The rows of from..to. */
const struct sl_entity_row *sl_entities_slice(const struct sl_entity_row *rows, size_t n, sl_date from, sl_date to, size_t *n_slice);
int sl_entities_compare(const void *left, const void *right); /* by date, unit, entity */

/* ---- gather_completeness.c ---- */

/* Where rows of a table come from: the sources of the processor that owns it (*owner, *phase), else the table alone (NULL), asked by the calendar's columns. Borrowed or arena-held. */
const struct sl_source *sl_table_sources(const struct sl_worker *worker, const char *table, size_t *n, const struct sl_processor **owner,
                                         const struct sl_phase **phase, struct sl_arena *arena);
/* The completeness of many gates: plan every gate -> ask `entities` (which others may share) -> read every gate. */
struct sl_completing {
    struct sl_worker *worker;
    struct sl_arena *arena;
    struct sl_entity_questions entities;
    struct sl_present *presents;
    size_t n_presents;
};
void sl_completeness_plan(struct sl_completing *c, const struct work *work);
void sl_completeness_read(struct sl_completing *c, struct work *work, const struct sl_known_gaps *known);

/* ---- gather_sources.c ---- */

/* Units that no source covers: their reconstruction is run, and their coverage read again. */
enum sl_code sl_gather_rebuilt(struct sl_worker *worker, struct work *works, size_t n, struct sl_err *err);
/* Of a gate that was decided before, or of a later generation. */
enum sl_code sl_gather_open_events(struct sl_worker *worker, struct work *work, struct sl_err *err);

/* How many rows the primaries have on the dates, and what these hold. */
struct sl_contents {
    struct sl_questions counts, fingerprints;
};
#define SL_CONTENTS_INIT                                                                                                                   \
    {                                                                                                                                      \
        .counts = {.what = SL_ASK_COUNT}, .fingerprints = {.what = SL_ASK_FINGERPRINT }                                                    \
    }
void sl_contents_ask(struct sl_contents *contents, const struct work *work);
enum sl_code sl_contents_answer(struct sl_contents *contents, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err);
void sl_contents_read(const struct sl_contents *contents, struct work *work);
void sl_contents_fini(struct sl_contents *contents);

/* ---- gather_histories.c ---- */

/* The counted runs of a pass, and what the processors' own run history says of them. Nothing is asked where Sluice writes it. */
struct sl_histories {
    struct sl_proc_facts **procs;
    struct sl_run_key *keys; /* of the procs, in the same order */
    size_t n;
};
void sl_histories_plan(struct sl_histories *histories, struct sl_worker *worker, struct work *work);
enum sl_code sl_histories_ask(struct sl_histories *histories, struct sl_worker *worker, struct sl_err *err);

#endif
