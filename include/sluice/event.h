/* event.h - a coverage event: one row of the append-only source_coverage_log (contract/source_coverage_log.md, to the column).
 * A value; strings are borrowed or arena-held by the maker. Pure. */
#ifndef SLUICE_EVENT_H
#define SLUICE_EVENT_H

#include <stdbool.h>

#include <sluice/date.h>
#include <sluice/hash.h>
#include <sluice/names.h>

/* The columns of the log in its order; the order of cells everywhere. */
extern const char *const SL_LOG_COLUMNS[];
#define SL_N_LOG_COLUMNS 36

/* Filter of the coverage log, for the ledger and the warehouse alike: NULL and SL_DATE_NONE are off. `from`/`to`/`date` are of game_date. */
struct sl_log_filter {
    sl_date date, from, to;
    const char *type, *severity, *unit, *phase;
};

struct sl_event {
    char event_id[SL_UUID_LEN + 1]; /* by sl_event_identify() */
    int64_t at_us;                  /* event_timestamp and created_at */
    const char *type;               /* "source_missing", ... */
    enum sl_severity severity;
    bool is_synthetic;
    const char *phase, *table, *processor;
    const char *unit;
    sl_date date; /* game_id, game_date */
    const char *season, *player_id, *team_abbr;
    const char *description;
    const char *primary_source, *primary_source_status;
    const char **fallbacks_tried;
    size_t n_fallbacks_tried;
    const char *resolution, *resolution_details;
    const char *tier_before, *tier_after;
    double score_before, score_after; /* NaN: NULL */
    const char *downstream_impact;
    bool requires_alert;
    bool is_resolved;
    int64_t resolved_us;
    const char *resolution_method, *resolved_by;
    const char *execution_id;   /* processor_run_id */
    const char *source;         /* part of the identity only: the source's name, or state + reasons for gate events */
    int generation;             /* part of the identity when execution_id is not: 0 leaves it empty */
    bool identify_by_execution; /* identity ends in execution_id instead of generation */
};

/* A zeroed event with NaN scores and SL_DATE_NONE. */
struct sl_event sl_event_make(const char *type, enum sl_severity severity, int64_t at_us);

/* RULES 4: UUIDv5(UUIDv5(DNS, "sluice.event"), "pipeline|type|phase|processor|table|date|unit|source|execution_id or generation"); absent parts are empty. */
void sl_event_identify(struct sl_event *event, const char *pipeline);

/* The event as the SL_N_LOG_COLUMNS text cells of the log (NULL: SQL NULL). batch_id is `{processor}_{unit or date}_{execution_id}` when there is a processor and an execution. */
struct sl_arena;
void sl_event_cells(const struct sl_event *event, const char *environment, struct sl_arena *arena, const char **cells);

#endif
