/* ops.h - what operators ask, apart from how it is printed: gaps, verify, upstream, the joined coverage log, the status summary, and deciding after an operator's change.
 * May block on ledger and warehouse; one thread. Results are arena-held. The functions marked pure do no I/O. */
#ifndef SLUICE_OPS_H
#define SLUICE_OPS_H

#include <sluice/config.h>
#include <sluice/gate.h>
#include <sluice/ledger.h>
#include <sluice/warehouse.h>
#include <sluice/worker.h>

/* What the questions are put to. All borrowed; ledger and worker may be NULL where a function says so. */
struct sl_ops {
    const struct sl_config *config;
    struct sl_ledger *ledger;
    struct sl_warehouse *warehouse;
    struct sl_worker *worker;
    int64_t now_us;
    sl_date today; /* of now_us in the pipeline's zone */
};

/* ---- gaps ---- */
struct sl_gap_report {
    const char *table;
    sl_date from, to;
    size_t n_expected, n_present;
    const sl_date *missing;
    size_t n_missing; /* ascending */
};

/* Pure. Dates of `expected` that `present` lacks; both ascending, borrowed for the call. */
void sl_gap_report_make(struct sl_gap_report *out, const char *table, sl_date from, sl_date to, const sl_date *expected, size_t n_expected,
                        const sl_date *present, size_t n_present, struct sl_arena *arena);
/* Pure. Per cent with one decimal; 100 when nothing is expected. */
double sl_gap_report_pct(const struct sl_gap_report *report);

/* Pure. What one date's rows mean to the gaps of a phase: `excused` dates are left out. */
enum sl_date_standing { SL_DATE_NOT_DUE, SL_DATE_PRESENT, SL_DATE_MISSING, SL_DATE_EXCUSED };
/* The known gaps that count for `phase` and `table` today. */
struct sl_excuses {
    const struct sl_known_gap *gaps;
    size_t n;
    const char *phase, *table;
    sl_date today;
};
enum sl_date_standing sl_date_judge(const struct sl_date_coverage *day, bool strict, const struct sl_excuses *excuses);
/* Pure. `unit` NULL: is the whole date excused? */
bool sl_excused(const struct sl_excuses *excuses, sl_date date, const char *unit);

/* The dates that should have rows: the calendar's done dates, or every day without a calendar or when asked. Needs no ledger. SL_NOT_FOUND: the calendar is empty. */
enum sl_code sl_ops_expected_dates(const struct sl_ops *ops, sl_date from, sl_date to, bool every_day, sl_date **out, size_t *n,
                                   struct sl_arena *arena, struct sl_err *err);
/* One table by its own rows. `date_column` NULL: that of the config's source of that name, else the calendar's, else the first name of the messages' date field. Needs no ledger. */
enum sl_code sl_ops_gaps_table(const struct sl_ops *ops, const char *table, const char *date_column, sl_date from, sl_date to,
                               bool every_day, struct sl_gap_report *out, struct sl_arena *arena, struct sl_err *err);
/* Every critical table of the phase, as its gaps check judges them: fallbacks counted, accepted gaps left out. */
enum sl_code sl_ops_gaps_phase(const struct sl_ops *ops, const struct sl_phase *phase, sl_date from, sl_date to, bool every_day,
                               struct sl_gap_report **out, size_t *n, struct sl_arena *arena, struct sl_err *err);

/* ---- the coverage log, ledger and warehouse joined ---- */
struct sl_log_row {
    const char *const *cells; /* SL_N_LOG_COLUMNS; NULL: SQL NULL */
};
/* Each event once, ascending by (event_timestamp, as written). A log table that is not there yet holds nothing. */
enum sl_code sl_ops_events(const struct sl_ops *ops, const struct sl_log_filter *filter, struct sl_log_row **out, size_t *n,
                           struct sl_arena *arena, struct sl_err *err);
/* Pure. The index of a column in SL_LOG_COLUMNS; SL_N_LOG_COLUMNS when there is none. */
size_t sl_log_column(const char *name);

/* ---- verify ---- */
struct sl_finding {
    sl_date date;
    const char *kind;              /* run_missing, run_failed, rows_missing, event_missing, table_error */
    enum sl_severity severity;     /* critical for a critical processor, else warning */
    const char *processor, *table; /* table NULL: it has none */
    const char **units;
    size_t n_units; /* none: the date itself */
    const char *detail;
};
/* Every done date of from..to: runs, rows per unit, and events for what has no rows. Accepted gaps are no findings. Ascending by date, then the config's order. */
enum sl_code sl_ops_verify(const struct sl_ops *ops, const struct sl_phase *phase, sl_date from, sl_date to, struct sl_finding **out,
                           size_t *n, size_t *n_dates, struct sl_arena *arena, struct sl_err *err);

/* ---- completeness ---- */
#define SL_STRICT_COMPLETENESS 0.9 /* the least threshold of a strict judgement */
struct sl_entity_report {
    const struct sl_entity_facts *facts;
    double pct;            /* one decimal */
    bool complete, enough; /* nothing is missing; production ready: at the threshold */
};
struct sl_completeness_report {
    const struct sl_phase *phase;
    sl_date date, from; /* the windows span from..date */
    double threshold;   /* 0..1 */
    struct sl_entity_report *entities;
    size_t n, n_incomplete, n_short; /* short: not enough */
    size_t n_excused;                /* missing units that known gaps excuse */
    const char *const *nameless;     /* done units of the date in which, by the calendar, nobody takes part */
    size_t n_nameless;
};
/* The phase's completeness check on a date, whatever its mode; `strict` judges at SL_STRICT_COMPLETENESS at least. SL_INVALID: it has no such check; SL_NOT_FOUND: its table could not be
 * asked. */
enum sl_code sl_ops_completeness(const struct sl_ops *ops, const struct sl_phase *phase, sl_date date, bool strict,
                                 struct sl_completeness_report *out, struct sl_arena *arena, struct sl_err *err);
/* "MIA has 8 of 10 (80.0 %), missing 0052400101, 0052400121". Arena. */
const char *sl_entity_sentence(const struct sl_entity_report *entity, struct sl_arena *arena);

/* ---- upstream ---- */
struct sl_upstream_report {
    const char *processor;
    sl_date date;
    bool succeeded, safe;
    const char *status, *error_message;
};
/* The newest run of `name` (a name or alias of any phase, or of `phase` when given) and whether it delivered. Unknown names and dates without a run are not_found. */
enum sl_code sl_ops_upstream(const struct sl_ops *ops, const struct sl_phase *phase, const char *name, sl_date date,
                             struct sl_upstream_report *out, struct sl_arena *arena, struct sl_err *err);

/* ---- gates ---- */
/* The gates that the filter finds, ascending by phase in DAG order (phases that the config no longer names last), date, profile, generation. */
enum sl_code sl_ops_gates(const struct sl_ops *ops, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n,
                          struct sl_arena *arena, struct sl_err *err);
/* Pure. Waits for somebody: blocked, or suppressed and not dropped. */
bool sl_gate_is_pending(const struct sl_gate *gate);
/* Pure. triggered, observed or empty. */
bool sl_gate_is_open(const struct sl_gate *gate);
/* Pure. Can a gate that stands so still come to `state`? It is there already when gate->state == state. */
bool sl_gate_can_become(const struct sl_gate *gate, enum sl_state state);
/* Pure. The command that would help this gate, by its state, reasons and facts (may be NULL); NULL when none is needed. Arena. */
const char *sl_gate_next(const struct sl_config *config, const struct sl_gate *gate, const char *facts_json, struct sl_arena *arena);

/* ---- answers ---- */
/* Has a phase after this one recorded a run of the date, ended, since then? True where none comes after it. */
enum sl_code sl_ops_answered(const struct sl_ops *ops, const struct sl_phase *phase, sl_date date, int64_t since_us, bool *out,
                             struct sl_err *err);
/* Does a worker hold the ledger just now? It alone hears answers. */
enum sl_code sl_ops_worker_runs(const struct sl_ops *ops, bool *out, struct sl_err *err);

/* ---- status ---- */
struct sl_status_report {
    struct sl_ledger_counts counts;
    int64_t n_pending, n_holds;
    bool has_oldest;
    struct sl_gate oldest; /* the gate that has waited longest */
    const char **wrong;
    size_t n_wrong;   /* sentences, worst first */
    const char *next; /* a command, or NULL */
};
enum sl_code sl_ops_status(const struct sl_ops *ops, struct sl_status_report *out, struct sl_arena *arena, struct sl_err *err);

/* ---- an operator's change ---- */
struct sl_operator_act {
    const char *what; /* "known-gaps add 3" */
    const char *who, *reason;
    const char *phase, *table, *unit;
    sl_date date;
};
/* Records the operator_action event, inside the caller's transaction. */
enum sl_code sl_ops_record_act(const struct sl_ops *ops, const struct sl_operator_act *act, struct sl_arena *arena, struct sl_err *err);
/* Decide what is due and load the events, unless a worker runs (*left_to_worker): then it does. */
enum sl_code sl_ops_decide_due(const struct sl_ops *ops, bool *left_to_worker, struct sl_err *err);
/* Add or remove, make the gates due that it touches, record the act: one transaction. */
enum sl_code sl_ops_known_gap_add(const struct sl_ops *ops, struct sl_known_gap *gaps, size_t n, struct sl_arena *arena,
                                  struct sl_err *err);
enum sl_code sl_ops_known_gap_remove(const struct sl_ops *ops, int64_t id, const char *who, const char *reason, struct sl_arena *arena,
                                     struct sl_err *err);
enum sl_code sl_ops_hold_add(const struct sl_ops *ops, struct sl_hold *hold, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ops_hold_remove(const struct sl_ops *ops, int64_t id, const char *who, const char *reason, struct sl_arena *arena,
                                struct sl_err *err);

#endif
