/* ledger.h - the port to Sluice's own transactional state (SQLite; PostgreSQL later).
 *
 * Life of a batch: sl_ledger_begin() takes the write lock (BEGIN IMMEDIATE) and everything is read afresh inside it; inbox ids, runs, gates, decisions with facts, events
 * and outbox rows are written; sl_ledger_commit() returns after fsync. Reads outside a transaction see the last commit. A crash at any point leaves the last commit.
 * A failed commit with an I/O error gives SL_INTERNAL, and every later call on the handle fails (RULES 29).
 *
 * After SL_UNAVAILABLE for a full disk the open transaction is rolled back already, and every call but rollback and commit is refused until one of them was made;
 * a commit that fails has rolled back. Calls that write outside a transaction commit by themselves.
 *
 * One thread at a time per handle; several handles and processes on one ledger are fine. Strings in results live in the arena that was passed.
 * Errors: SL_NOT_FOUND only for "no such row"; SL_UNAVAILABLE busy (after 10 s) or disk full; SL_DENIED read-only; SL_CORRUPT; SL_CONFLICT a ledger of a newer version;
 * SL_INTERNAL an I/O error or misuse. */
#ifndef SLUICE_LEDGER_H
#define SLUICE_LEDGER_H

#include <sluice/config.h>
#include <sluice/event.h>
#include <sluice/gate.h>
#include <sluice/mem.h>
#include <sluice/records.h>

struct sl_gate_filter { /* zero-initialise, then set; SL_DATE_NONE dates are off */
    const char *phase;  /* NULL: all */
    sl_date from, to;
    unsigned states;          /* bit mask of 1u << state; 0: all */
    bool all_generations;     /* else the newest per (phase, date, profile) */
    int64_t due_by_us;        /* > 0: due_us <= this */
    int64_t answer_due_by_us; /* > 0: answer_due_us <= this */
    size_t limit;             /* 0: none */
};

struct sl_decision_record {
    int64_t id;
    const char *facts, *decision, *config_hash;
    int64_t decided_us;
}; /* JSON texts */

enum sl_outbox_kind { SL_OUTBOX_TRIGGER, SL_OUTBOX_DEAD_LETTER };
struct sl_outbox_row {
    int64_t id;
    enum sl_outbox_kind kind;
    const char *topic;
    const char *key; /* trigger_id; NULL for dead letters */
    const char *phase;
    sl_date date; /* of the gate, or of the rejecting phase */
    const char *data;
    size_t len;
    const char *attributes; /* JSON object of strings */
    int attempts;
    int64_t created_us, next_us, failing_since_us; /* failing_since: 0 when the last attempt did not fail */
    const char *last_error;
};

struct sl_reject_row {
    int64_t id;
    int64_t received_us;
    const char *phase, *subscription, *message_id;
    int64_t publish_us;
    const char *code, *detail, *data;
    size_t len;
    const char *attributes;
};

struct sl_known_gap {
    int64_t id;
    const char *phase;
    sl_date date;
    const char *unit, *table, *reason, *who;
    sl_date until;
    int64_t created_us;
}; /* date or unit; until SL_DATE_NONE: for good */
struct sl_hold {
    int64_t id;
    const char *phase;
    sl_date from, to;
    int64_t until_us;
    const char *reason, *who;
    int64_t created_us;
}; /* until SL_NEVER_US: for good */
struct sl_known_unit {
    const char *unit;
    sl_date date;
    const char *season;
    bool done;
}; /* what the ledger remembers of the calendar */

enum sl_load_kind { SL_LOAD_EVENTS, SL_LOAD_RUNS };
/* A load fixed in the ledger: rows seq first..last of a kind (RULES 26). Cells are in the order of the kind's columns (SL_LOG_COLUMNS, SL_RUN_COLUMNS). */
struct sl_load_job {
    char job_id[SL_UUID_LEN + 1];
    enum sl_load_kind kind;
    int64_t first_seq, last_seq;
    int attempt;
    size_t n_rows;
    const char **cells;
};

/* gates: newest generations. outbox_failing: failing since now_us or before. Instants are 0 when there is none; oldest_waiting: since when the oldest waiting gate is as it is. */
struct sl_ledger_counts {
    int64_t gates[SL_N_STATES];
    int64_t outbox, outbox_failing, rejects, events_unloaded, runs_unloaded, runs;
    int64_t oldest_waiting_us, last_load_us, last_commit_us;
};

struct sl_ledger;
/* Quality columns that wait to be written into the rows of (table, date). */
struct sl_stamp_row {
    int64_t id;
    const char *table, *phase, *processor;
    sl_date date;
    const char *body; /* JSON, the worker's */
    int attempts;
    int64_t created_us, next_us, failing_since_us; /* failing_since: 0 when the last attempt did not fail */
    bool alarmed;
    const char *last_error;
};

struct sl_ledger_ops {
    const char *name;
    void (*destroy)(struct sl_ledger *self);
    enum sl_code (*begin)(struct sl_ledger *self, struct sl_err *err);
    enum sl_code (*commit)(struct sl_ledger *self, struct sl_err *err);
    void (*rollback)(struct sl_ledger *self);
    /* Anything changed by another handle since the last call? (PRAGMA data_version) */
    enum sl_code (*changed)(struct sl_ledger *self, bool *changed, struct sl_err *err);

    enum sl_code (*inbox_add)(struct sl_ledger *self, const char *subscription, const char *message_id, int64_t publish_us, int64_t now_us,
                              bool *is_new, struct sl_err *err);
    enum sl_code (*run_get)(struct sl_ledger *self, const char *phase, sl_date date, const char *processor, const char *execution_id,
                            struct sl_run *out, struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*run_put)(struct sl_ledger *self, const struct sl_run *run,
                            struct sl_err *err); /* insert or replace by its key; queued for the run history */
    /* Every run of (phase, date), ascending by (processor, timestamp, publish, execution_id). */
    enum sl_code (*runs_of)(struct sl_ledger *self, const char *phase, sl_date date, struct sl_run **out, size_t *n, struct sl_arena *arena,
                            struct sl_err *err);

    enum sl_code (*gate_get)(struct sl_ledger *self, const char *phase, sl_date date, enum sl_profile profile,
                             int generation /* 0: newest */, struct sl_gate *out, struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*gate_put)(struct sl_ledger *self, const struct sl_gate *gate, struct sl_err *err);
    enum sl_code (*gate_touch)(struct sl_ledger *self, const struct sl_gate *gate,
                               struct sl_err *err); /* only checked_us, due_us, recheck_ms, answer_due_us, config_hash */
    /* Ascending by (phase, date, profile, generation). */
    enum sl_code (*gates)(struct sl_ledger *self, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n,
                          struct sl_arena *arena, struct sl_err *err);
    /* due_us = at_us for the gates of `phase` (NULL: all) in from..to (SL_DATE_NONE: no bound) that are waiting, blocked or empty (when their due_us is later). */
    enum sl_code (*gates_make_due)(struct sl_ledger *self, const char *phase, sl_date from, sl_date to, int64_t at_us, int64_t *n,
                                   struct sl_err *err);
    /* The same for every such gate whose config_hash differs. */
    enum sl_code (*gates_make_due_for_config)(struct sl_ledger *self, const char *config_hash, int64_t at_us, int64_t *n,
                                              struct sl_err *err);

    /* The least due_us or answer_due_us of all gates; SL_NEVER_US. */
    enum sl_code (*next_due)(struct sl_ledger *self, int64_t *out_us, struct sl_err *err);

    enum sl_code (*decision_add)(struct sl_ledger *self, const struct sl_gate *gate, const char *facts, size_t facts_len,
                                 const char *decision, size_t decision_len, struct sl_err *err); /* facts once per content hash */
    enum sl_code (*decision_get)(struct sl_ledger *self, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                 struct sl_decision_record *out, struct sl_arena *arena, struct sl_err *err); /* the newest of that gate */
    enum sl_code (*config_add)(struct sl_ledger *self, const char *hash, const char *normal, int64_t now_us, struct sl_err *err);
    enum sl_code (*config_get)(struct sl_ledger *self, const char *hash, const char **normal, struct sl_arena *arena, struct sl_err *err);

    enum sl_code (*event_add)(struct sl_ledger *self, const char *const *cells /* SL_N_LOG_COLUMNS */, bool *is_new, struct sl_err *err);
    /* By sequence. Cells are borrowed for the callback, which must not call the ledger. */
    enum sl_code (*events)(struct sl_ledger *self, const struct sl_log_filter *filter, void (*row)(void *arg, const char *const *cells),
                           void *arg, struct sl_err *err);
    /* Events of a processor of (phase, date) that a later state of its source resolves (source_missing, fallback_used, reconstruction) and that no source_available names yet: by sequence. */
    enum sl_code (*open_events)(struct sl_ledger *self, const char *phase, sl_date date, struct sl_open_event **out, size_t *n,
                                struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*warn_once)(struct sl_ledger *self, const char *what, bool *is_new, struct sl_err *err);

    enum sl_code (*outbox_add)(struct sl_ledger *self, const struct sl_outbox_row *row, struct sl_err *err);
    /* Claim rows due by now for `owner` until `until_us`: ascending by (topic, date, id). Within a topic strictly from its first row on, up to the first that is not due; a topic of which another owner holds
     * an unfinished claim is passed over. Rows that `owner` itself has claimed and not finished are given again, so claim when nothing is in flight. limit 0: none; bodies of 16 MiB end a claim early. */
    enum sl_code (*outbox_claim)(struct sl_ledger *self, const char *owner, int64_t now_us, int64_t until_us, size_t limit,
                                 struct sl_outbox_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
    /* Published and confirmed: the row goes. SL_NOT_FOUND when it is gone already (another owner finished it after the claim had run out). */
    enum sl_code (*outbox_done)(struct sl_ledger *self, int64_t id, struct sl_err *err);
    /* Counts the attempt, gives the claim back; the rows after it in its topic wait for next_us too. */
    enum sl_code (*outbox_failed)(struct sl_ledger *self, int64_t id, const char *error, int64_t now_us, int64_t next_us,
                                  struct sl_err *err);

    /* How many rows there are, and since when the one failing longest fails (0: none does). Cheap: asked between batches. */
    enum sl_code (*outbox_left)(struct sl_ledger *self, size_t *n, int64_t *failing_since_us, struct sl_err *err);

    enum sl_code (*reject_add)(struct sl_ledger *self, const struct sl_reject_row *row, struct sl_err *err);
    enum sl_code (*rejects)(struct sl_ledger *self, int64_t id /* 0: all, data NULL, but len */, struct sl_reject_row **out, size_t *n,
                            struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*reject_remove)(struct sl_ledger *self, int64_t id, struct sl_err *err); /* SL_NOT_FOUND: gone already */

    enum sl_code (*known_gap_add)(struct sl_ledger *self, struct sl_known_gap *gap /* id is set */, struct sl_err *err);
    enum sl_code (*known_gaps)(struct sl_ledger *self, struct sl_known_gap **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*known_gap_remove)(struct sl_ledger *self, int64_t id, struct sl_err *err);
    enum sl_code (*hold_add)(struct sl_ledger *self, struct sl_hold *hold, struct sl_err *err);
    enum sl_code (*holds)(struct sl_ledger *self, struct sl_hold **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*hold_remove)(struct sl_ledger *self, int64_t id, struct sl_err *err);

    enum sl_code (*stale_add)(struct sl_ledger *self, const struct sl_stale_mark *mark, bool *is_new, struct sl_err *err);
    /* Those that are not cleared, of `phase` (NULL: all) and from..to (SL_DATE_NONE: no bound), ascending by (date, phase, profile, id). */
    enum sl_code (*stale)(struct sl_ledger *self, const char *phase, sl_date from, sl_date to, struct sl_stale_mark **out, size_t *n,
                          struct sl_arena *arena, struct sl_err *err);
    /* The marks of generations below this one are over: it was made again. */
    enum sl_code (*stale_clear)(struct sl_ledger *self, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                int64_t now_us, struct sl_err *err);
    enum sl_code (*stale_triggered)(struct sl_ledger *self, int64_t id, int64_t now_us, struct sl_err *err);

    /* Queue a stamp, due at its next_us; one that waits for the same (table, date) is replaced, but how long it has been failing is kept. Other fields of the row are not read. */
    enum sl_code (*stamp_put)(struct sl_ledger *self, const struct sl_stamp_row *row, struct sl_err *err);
    /* The stamps due by now of one table, that of the longest due, ascending by date: at most `limit` rows, and of max_bytes of bodies, but one always. */
    enum sl_code (*stamps_due)(struct sl_ledger *self, int64_t now_us, size_t limit, size_t max_bytes, struct sl_stamp_row **out, size_t *n,
                               struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*stamp_done)(struct sl_ledger *self, int64_t id, struct sl_err *err); /* one that was replaced meanwhile stays */
    enum sl_code (*stamp_failed)(struct sl_ledger *self, int64_t id, const char *error, int64_t now_us, int64_t next_us, bool alarmed,
                                 struct sl_err *err);
    /* When the next one is due; SL_NEVER_US when none waits. */
    enum sl_code (*stamps_next)(struct sl_ledger *self, int64_t *due_us, struct sl_err *err);

    enum sl_code (*units)(struct sl_ledger *self, struct sl_known_unit **out, size_t *n, struct sl_arena *arena,
                          struct sl_err *err); /* ascending by (date, unit) */
    /* Replace the memory by `units`: rows that are new or differ are written, rows that are gone deleted. */
    enum sl_code (*units_set)(struct sl_ledger *self, const struct sl_known_unit *units, size_t n, struct sl_err *err);
    enum sl_code (*clock_get)(struct sl_ledger *self, const char *phase, int64_t *ms, struct sl_err *err); /* 0 when never set */
    enum sl_code (*clock_set)(struct sl_ledger *self, const char *phase, int64_t ms, struct sl_err *err);

    /* Step 1: the unfinished job of this kind (attempt + 1) if there is one, else a new one over what is not loaded yet, up to the limits; SL_NOT_FOUND when there is nothing. In its own transaction unless one is open.
     * Limits 0: none; max_bytes counts the cells' text, and one row is always given. */
    enum sl_code (*load_fix)(struct sl_ledger *self, enum sl_load_kind kind, size_t max_rows, size_t max_bytes, struct sl_load_job *out,
                             struct sl_arena *arena, struct sl_err *err);
    enum sl_code (*load_done)(struct sl_ledger *self, const char *job_id, int64_t now_us, struct sl_err *err); /* step 3 */

    enum sl_code (*counts)(struct sl_ledger *self, int64_t now_us, struct sl_ledger_counts *out, struct sl_err *err);
    /* A chunk of the inbox ids received before, of the decisions decided before (but never a gate's newest) and of the facts that no decision uses any more. Never runs. In a
     * transaction of its own unless one is open. *more: there may be another chunk. */
    enum sl_code (*prune)(struct sl_ledger *self, int64_t inbox_before_us, int64_t facts_before_us, bool *more, struct sl_err *err);
    /* Move committed pages from the write-ahead log into the file without blocking writers (SQLite: PASSIVE). Called by a thread of its own on a handle of its own. */
    enum sl_code (*checkpoint)(struct sl_ledger *self, struct sl_err *err);
};

struct sl_ledger {
    const struct sl_ledger_ops *ops;
    struct {
        uint64_t commits, rollbacks, errors;
    } counters;
};

enum sl_ledger_open_mode {
    SL_LEDGER_READ,  /* the file must exist: SL_NOT_FOUND with "run sluice init" */
    SL_LEDGER_WRITE, /* created and migrated when missing */
};
enum sl_code sl_ledger_open(struct sl_ledger **out, const struct sl_config *config, enum sl_ledger_open_mode mode, struct sl_err *err);
void sl_ledger_destroy(struct sl_ledger **ledger);

/* One wrapper per slot: same arguments; counts. */
enum sl_code sl_ledger_begin(struct sl_ledger *ledger, struct sl_err *err);
enum sl_code sl_ledger_commit(struct sl_ledger *ledger, struct sl_err *err);
void sl_ledger_rollback(struct sl_ledger *ledger);
enum sl_code sl_ledger_changed(struct sl_ledger *ledger, bool *changed, struct sl_err *err);
enum sl_code sl_ledger_inbox_add(struct sl_ledger *ledger, const char *subscription, const char *message_id, int64_t publish_us,
                                 int64_t now_us, bool *is_new, struct sl_err *err);
enum sl_code sl_ledger_run_get(struct sl_ledger *ledger, const char *phase, sl_date date, const char *processor, const char *execution_id,
                               struct sl_run *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_run_put(struct sl_ledger *ledger, const struct sl_run *run, struct sl_err *err);
enum sl_code sl_ledger_runs_of(struct sl_ledger *ledger, const char *phase, sl_date date, struct sl_run **out, size_t *n,
                               struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_gate_get(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                struct sl_gate *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_gate_put(struct sl_ledger *ledger, const struct sl_gate *gate, struct sl_err *err);
enum sl_code sl_ledger_gate_touch(struct sl_ledger *ledger, const struct sl_gate *gate, struct sl_err *err);
enum sl_code sl_ledger_gates(struct sl_ledger *ledger, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n,
                             struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_gates_make_due(struct sl_ledger *ledger, const char *phase, sl_date from, sl_date to, int64_t at_us, int64_t *n,
                                      struct sl_err *err);
enum sl_code sl_ledger_gates_make_due_for_config(struct sl_ledger *ledger, const char *config_hash, int64_t at_us, int64_t *n,
                                                 struct sl_err *err);
enum sl_code sl_ledger_next_due(struct sl_ledger *ledger, int64_t *out_us, struct sl_err *err);
enum sl_code sl_ledger_decision_add(struct sl_ledger *ledger, const struct sl_gate *gate, const char *facts, size_t facts_len,
                                    const char *decision, size_t decision_len, struct sl_err *err);
enum sl_code sl_ledger_decision_get(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                    struct sl_decision_record *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_config_add(struct sl_ledger *ledger, const char *hash, const char *normal, int64_t now_us, struct sl_err *err);
enum sl_code sl_ledger_config_get(struct sl_ledger *ledger, const char *hash, const char **normal, struct sl_arena *arena,
                                  struct sl_err *err);
enum sl_code sl_ledger_event_add(struct sl_ledger *ledger, const char *const *cells, bool *is_new, struct sl_err *err);
enum sl_code sl_ledger_events(struct sl_ledger *ledger, const struct sl_log_filter *filter,
                              void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err);
enum sl_code sl_ledger_open_events(struct sl_ledger *ledger, const char *phase, sl_date date, struct sl_open_event **out, size_t *n,
                                   struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_warn_once(struct sl_ledger *ledger, const char *what, bool *is_new, struct sl_err *err);
enum sl_code sl_ledger_outbox_add(struct sl_ledger *ledger, const struct sl_outbox_row *row, struct sl_err *err);
enum sl_code sl_ledger_outbox_claim(struct sl_ledger *ledger, const char *owner, int64_t now_us, int64_t until_us, size_t limit,
                                    struct sl_outbox_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_outbox_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err);
enum sl_code sl_ledger_outbox_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us,
                                     struct sl_err *err);
enum sl_code sl_ledger_outbox_left(struct sl_ledger *ledger, size_t *n, int64_t *failing_since_us, struct sl_err *err);
enum sl_code sl_ledger_reject_add(struct sl_ledger *ledger, const struct sl_reject_row *row, struct sl_err *err);
enum sl_code sl_ledger_rejects(struct sl_ledger *ledger, int64_t id, struct sl_reject_row **out, size_t *n, struct sl_arena *arena,
                               struct sl_err *err);
enum sl_code sl_ledger_reject_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err);
enum sl_code sl_ledger_known_gap_add(struct sl_ledger *ledger, struct sl_known_gap *gap, struct sl_err *err);
enum sl_code sl_ledger_known_gaps(struct sl_ledger *ledger, struct sl_known_gap **out, size_t *n, struct sl_arena *arena,
                                  struct sl_err *err);
enum sl_code sl_ledger_known_gap_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err);
enum sl_code sl_ledger_hold_add(struct sl_ledger *ledger, struct sl_hold *hold, struct sl_err *err);
enum sl_code sl_ledger_holds(struct sl_ledger *ledger, struct sl_hold **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_hold_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err);
enum sl_code sl_ledger_stale_add(struct sl_ledger *ledger, const struct sl_stale_mark *mark, bool *is_new, struct sl_err *err);
enum sl_code sl_ledger_stale(struct sl_ledger *ledger, const char *phase, sl_date from, sl_date to, struct sl_stale_mark **out, size_t *n,
                             struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_stale_clear(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                   int64_t now_us, struct sl_err *err);
enum sl_code sl_ledger_stale_triggered(struct sl_ledger *ledger, int64_t id, int64_t now_us, struct sl_err *err);
enum sl_code sl_ledger_stamp_put(struct sl_ledger *ledger, const struct sl_stamp_row *row, struct sl_err *err);
enum sl_code sl_ledger_stamps_due(struct sl_ledger *ledger, int64_t now_us, size_t limit, size_t max_bytes, struct sl_stamp_row **out,
                                  size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_stamp_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err);
enum sl_code sl_ledger_stamp_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us, bool alarmed,
                                    struct sl_err *err);
enum sl_code sl_ledger_stamps_next(struct sl_ledger *ledger, int64_t *due_us, struct sl_err *err);
enum sl_code sl_ledger_units(struct sl_ledger *ledger, struct sl_known_unit **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_units_set(struct sl_ledger *ledger, const struct sl_known_unit *units, size_t n, struct sl_err *err);
enum sl_code sl_ledger_clock_get(struct sl_ledger *ledger, const char *phase, int64_t *ms, struct sl_err *err);
enum sl_code sl_ledger_clock_set(struct sl_ledger *ledger, const char *phase, int64_t ms, struct sl_err *err);
enum sl_code sl_ledger_load_fix(struct sl_ledger *ledger, enum sl_load_kind kind, size_t max_rows, size_t max_bytes,
                                struct sl_load_job *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_ledger_load_done(struct sl_ledger *ledger, const char *job_id, int64_t now_us, struct sl_err *err);
enum sl_code sl_ledger_counts(struct sl_ledger *ledger, int64_t now_us, struct sl_ledger_counts *out, struct sl_err *err);
enum sl_code sl_ledger_prune(struct sl_ledger *ledger, int64_t inbox_before_us, int64_t facts_before_us, bool *more, struct sl_err *err);
enum sl_code sl_ledger_checkpoint(struct sl_ledger *ledger, struct sl_err *err);

#endif
