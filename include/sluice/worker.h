/* worker.h - the message's way (DESIGN section 4): pulled -> decoded -> deduplicated -> recorded -> facts gathered -> decided -> committed -> acked -> outbox drained.
 *
 * The engine below is synchronous and single-threaded, and time is passed in: the simulation drives it as it is. sl_worker_run() puts threads around it (RULES 37).
 * Every call that decides does so inside one ledger transaction that reads afresh, so commands may use an engine of their own beside a running worker. */
#ifndef SLUICE_WORKER_H
#define SLUICE_WORKER_H

#include <sluice/bus.h>
#include <sluice/config.h>
#include <sluice/gate.h>
#include <sluice/ledger.h>
#include <sluice/warehouse.h>

struct sl_worker;

struct sl_worker_options {
    bool skip_downstream_trigger; /* suppress every trigger */
    bool beside;                  /* another engine may be at work: the phases' clocks are its own, read and never written here */
    int64_t inbox_ms;             /* message ids are remembered for so long; 0: nothing is pruned, facts neither */
};

/* RULES 36. */
struct sl_worker_counters {
    uint64_t received, acked, nacked, duplicates, rejected, decided, triggered, suppressed, blocked, waiting, events, loads, published;
};

/* Borrows config, ledger, warehouse and bus (may be NULL) until destroyed. */
void sl_worker_create(struct sl_worker **out, const struct sl_config *config, struct sl_ledger *ledger, struct sl_warehouse *warehouse,
                      struct sl_bus *bus, const struct sl_worker_options *options);
void sl_worker_destroy(struct sl_worker **worker);

/* Record, decide and commit one batch, then ack it. On any other code than SL_OK nothing of it was kept unless only the ack failed; it then comes again and is known. */
enum sl_code sl_worker_batch(struct sl_worker *worker, struct sl_bus_batch *batch, int64_t now_us, struct sl_err *err);
/* The same for dead letters that come again (each message has its `replay`, whose outcome is set): one transaction with an event message_replayed for each; nothing is acked. */
enum sl_code sl_worker_replay(struct sl_worker *worker, struct sl_bus_batch *batch, int64_t now_us, struct sl_err *err);
/* Pure. Is it an attribute that a dead letter was given by us or by the bus, not by its sender? */
bool sl_replay_is_mark(const char *key);
/* Only the events of messages that were replayed to their topic. */
enum sl_code sl_worker_replayed(struct sl_worker *worker, const struct sl_bus_batch *batch, const char *to, int64_t now_us,
                                struct sl_err *err);
/* Decide what is due (clocks, rechecks, known gaps, config change), at most one batch; *more: call again at once. */
enum sl_code sl_worker_tick(struct sl_worker *worker, int64_t now_us, bool *more, struct sl_err *err);
/* At start: gates that were decided under another config become due; the config is recorded. */
enum sl_code sl_worker_start(struct sl_worker *worker, int64_t now_us, struct sl_err *err);
/* Forget a chunk of what is finished: message ids after options.inbox_ms, facts after retention.facts; hourly, when there is no more. For a worker that has nothing else to do. */
enum sl_code sl_worker_prune(struct sl_worker *worker, int64_t now_us, struct sl_err *err);
/* Publish what the outbox holds (nothing when the bus can't); *left rows remain. */
enum sl_code sl_worker_drain(struct sl_worker *worker, int64_t now_us, size_t *left, struct sl_err *err);
/* Load coverage events and run history (RULES 26); everything there is when `flush`, else only when the batch is due. */
enum sl_code sl_worker_load(struct sl_worker *worker, int64_t now_us, bool flush, struct sl_err *err);
/* Write the quality columns that are due. What fails is kept and due again later; only the ledger's troubles are errors. */
enum sl_code sl_worker_stamp(struct sl_worker *worker, int64_t now_us, struct sl_err *err);
/* The earliest time at which sl_worker_tick() has something to do; SL_NEVER_US. */
enum sl_code sl_worker_next_due(struct sl_worker *worker, int64_t *out_us, struct sl_err *err);
void sl_worker_counters(struct sl_worker *worker, struct sl_worker_counters *out);
/* {"received":..,"acked":..,...}: run's last line. */
void sl_worker_counters_json(struct sl_json *json, const struct sl_worker_counters *counters);

/* What an operator asks of gates. Results are arena-held. */
struct sl_verdict {
    struct sl_gate before, after;
    struct sl_decision decision;
    const char *facts_json, *decision_json;
    bool changed, exists;
};
/* Decide now on fresh facts and roll back: changes nothing. A gate that does not exist is decided as if its first completion had come (exists = false). */
enum sl_code sl_worker_check(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, enum sl_profile profile, int64_t now_us,
                             struct sl_verdict *out, struct sl_arena *arena, struct sl_err *err);
/* Release the suppressed (and, when open now, blocked) gates of from..to in date order, each in its own commit; forced: blocked ones too. Who and reason go into operator_action. `dry_run` rolls back. */
struct sl_release {
    const struct sl_phase *phase;
    sl_date from, to;
    bool force, dry_run;
    const char *reason, *who;
};
enum sl_code sl_worker_release(struct sl_worker *worker, const struct sl_release *release, int64_t now_us, struct sl_verdict **out,
                               size_t *n, struct sl_arena *arena, struct sl_err *err);
/* Republish the gate's trigger under its id, or open a generation. SL_NOT_FOUND: no such gate; SL_INVALID: it has no trigger to republish. */
enum sl_code sl_worker_retrigger(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, bool new_generation,
                                 const char *reason, const char *who, int64_t now_us, struct sl_verdict *out, struct sl_arena *arena,
                                 struct sl_err *err);
/* Forget suppressed gates: they stay suppressed, off the pending list. */
enum sl_code sl_worker_drop(struct sl_worker *worker, const struct sl_release *release, int64_t now_us, size_t *n, struct sl_err *err);

/* Open the next generation of the phase before a stale one, so that its trigger starts the stale phase again; marks it as triggered. SL_INVALID: no phase before it has an open gate. */
struct sl_stale_step;
enum sl_code sl_worker_stale_restart(struct sl_worker *worker, const struct sl_stale_step *step, const char *who, const char *reason,
                                     int64_t now_us, struct sl_err *err);

/* The calendar as the worker reads it, for commands: rows that are planned, ascending by (date, unit). Borrowed until the next call of the worker. */
struct sl_calendar;
enum sl_code sl_worker_calendar(struct sl_worker *worker, const struct sl_calendar **out, struct sl_err *err);
size_t sl_calendar_units(const struct sl_calendar *calendar, sl_date from, sl_date to,
                         const struct sl_calendar_row **out);   /* borrowed slice of planned rows */
bool sl_calendar_has_dates(const struct sl_calendar *calendar); /* false: the table is empty */

/* Coverage of one processor on dates from..to, asked afresh: one entry per done date (all dates without a calendar). For verify, gaps --phase, upstream, why. Arena-held. */
struct sl_date_coverage {
    sl_date date;
    struct sl_coverage coverage;
};
enum sl_code sl_worker_coverage(struct sl_worker *worker, const struct sl_processor *processor, sl_date from, sl_date to, bool every_day,
                                struct sl_date_coverage **out, size_t *n, struct sl_arena *arena, struct sl_err *err);

/* Completeness of a phase on a date by its check's table, entity and window (whatever its mode), asked afresh; today's known gaps count. SL_INVALID: it has no such check. Arena-held. */
enum sl_code sl_worker_completeness(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, int64_t now_us,
                                    struct sl_completeness_facts *out, struct sl_arena *arena, struct sl_err *err);

/* Run until the bus has ended or, with until_idle_ms >= 0, until idle (RULES 30; SL_UNAVAILABLE after 30 s without a stream, or with an outbox row that fails); `stop` (may be
 * NULL) is read often and ends it within 10 s. Threads: a reader that decodes, the decider (the caller), a publisher, a loader, a checkpointer. */
struct sl_run_options {
    int64_t until_idle_ms; /* -1: only at the bus's end */
    const volatile int *stop;
    const struct sl_phase *const *phases;
    size_t n_phases; /* whose streams must have been connected and silent for idleness; none: not asked */
    void (*alive)(void *arg);
    void *arg; /* called by the decider between batches, at least every 250 ms unless it is at work; may be NULL */
};
enum sl_code sl_worker_run(struct sl_worker *worker, const struct sl_run_options *options, struct sl_err *err);

/* One worker per SQLite ledger (RULES 31): the lock file beside it. SL_UNAVAILABLE when another worker holds it for 10 s. */
struct sl_lock;
enum sl_code sl_worker_lock(struct sl_lock **out, const struct sl_config *config, int64_t wait_ms, struct sl_err *err);

#endif
