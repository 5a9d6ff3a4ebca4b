/* records.h - the records that core decides on and the ledger keeps: runs, gates, and which of them are stale. Open values; strings are borrowed or arena-held by the maker. Pure. */
#ifndef SLUICE_RECORDS_H
#define SLUICE_RECORDS_H

#include <stdbool.h>

#include <sluice/date.h>
#include <sluice/names.h>

#define SL_NEVER_US INT64_MAX

/* One execution of a processor for one date. */
struct sl_run {
    const char *phase, *processor, *execution_id;
    sl_date date;
    enum sl_status status;
    int64_t timestamp_us, publish_us, received_us; /* received: when its commit was made */
    int generation;                                /* it was reported for; 0: for no gate (running, unknown processor, older, late) */
    bool known;                                    /* the config named the processor when it came */
    bool skip;
    int64_t record_count, records_failed; /* -1: absent */
    double duration_s;                    /* NaN: absent */
    const char *correlation_id, *traceparent, *trigger_source, *trigger_message_id, *error_message;
    const char *extra;            /* JSON object: metadata and unknown fields; NULL when empty */
    int is_incremental;           /* -1 absent, 0, 1 */
    const char *entities_changed; /* JSON array of strings, or NULL */
};

/* The columns of processor_run_history in its order; the order of cells everywhere. */
extern const char *const SL_RUN_COLUMNS[];
#define SL_N_RUN_COLUMNS 15

/* Newer by RULES 2: (timestamp, publish time, execution_id). */
bool sl_run_newer(const struct sl_run *a, const struct sl_run *b);
/* RULES 2: is this report of a known execution news? */
bool sl_run_is_update(const struct sl_run *known, enum sl_status status, int64_t timestamp_us);

/* One gate: the current decision of (phase, date, profile, generation). */
struct sl_gate {
    const char *phase;
    sl_date date;
    enum sl_profile profile;
    int generation;
    enum sl_state state;
    sl_reasons reasons;
    enum sl_trigger_reason trigger_reason;
    const char *completed, *missing, *late;      /* JSON arrays of processor names, config order */
    bool is_production_ready, degraded, dropped; /* dropped: suppressed, and off the pending list */
    const char *trigger_id;                      /* of the first trigger; NULL */
    const char *quality_tier;                    /* NULL: not assessed */
    double quality_score;                        /* of quality_tier; 0 without one */
    const char *waits_for;                       /* a sentence; NULL */
    const char *config_hash;
    int64_t created_us, decided_us, checked_us;
    int64_t clock_start_ms; /* the phase clock at its first completion; -1: no completion yet */
    int64_t since_us;       /* in this state and with these reasons since */
    int64_t last_report_us; /* commit of the last completion that counts for it */
    int64_t due_us;         /* when it is to be decided again; SL_NEVER_US */
    int64_t recheck_ms;     /* the next recheck interval */
    int64_t answer_due_us;  /* trigger to be answered by; SL_NEVER_US: none, or answered */
    bool reopened;          /* generation was opened by an operator's retrigger */
};

/* A decision that used what has changed since: (phase, date, profile, generation), by the culprit's newer generation or a late run. */
struct sl_stale_mark {
    int64_t id;
    const char *phase;
    sl_date date;
    enum sl_profile profile;
    int generation;
    const char *culprit_phase;
    sl_date culprit_date;
    int culprit_generation;
    const char *reason;              /* "rerun", "late" */
    int64_t marked_us, triggered_us; /* triggered: when a trigger to reprocess it was sent; 0: not yet */
};

#endif
