/* sqlite_internal.h - what the files of the SQLite ledger share: the handle, its statement cache, binding and reading.
 *
 * A statement's life: sl_lsqlite_use() hands out the cached statement of an id (prepared once), the slot binds every parameter,
 * steps it, and resets it before it returns, so that no read snapshot outlives a slot. Every failure goes through
 * sl_lsqlite_failed(), the one place that maps the code, breaks the transaction and poisons the handle. */
#ifndef SLUICE_LEDGER_SQLITE_INTERNAL_H
#define SLUICE_LEDGER_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include <sluice/ledger.h>

/* Ids of the cached statements. */
enum sl_lsqlite_id {
    SQ_BEGIN,
    SQ_COMMIT,
    SQ_ROLLBACK,
    SQ_DATA_VERSION,
    SQ_INBOX_ADD,
    SQ_RUN_GET,
    SQ_RUN_PUT,
    SQ_RUNS_OF,
    SQ_GATE_GET,
    SQ_GATE_NEWEST,
    SQ_GATE_PUT,
    SQ_GATE_TOUCH,
    SQ_GATES_ALL,
    SQ_GATES_PHASE,
    SQ_GATES_DUE,
    SQ_GATES_ANSWER,
    SQ_GATES_PENDING,
    SQ_GATES_PENDING_PHASE,
    SQ_GATES_MAKE_DUE_ALL,
    SQ_GATES_MAKE_DUE_PHASE,
    SQ_GATES_MAKE_DUE_CONFIG,
    SQ_GATES_NEXT_DUE,
    SQ_FACTS_ADD,
    SQ_FACTS_ID,
    SQ_DECISION_ADD,
    SQ_DECISION_GET,
    SQ_DECISION_NEWEST,
    SQ_CONFIG_ADD,
    SQ_CONFIG_GET,
    SQ_EVENT_ADD,
    SQ_EVENTS,
    SQ_EVENTS_DATES,
    SQ_EVENTS_OPEN,
    SQ_WARN_ONCE,
    SQ_LOAD_OPEN,
    SQ_LOAD_LAST,
    SQ_LOAD_ADD,
    SQ_LOAD_AGAIN,
    SQ_LOAD_DONE,
    SQ_LOAD_EVENTS,
    SQ_LOAD_RUNS,
    SQ_OUTBOX_ADD,
    SQ_OUTBOX_BODY_ADD,
    SQ_OUTBOX_TOPIC,
    SQ_OUTBOX_HELD,
    SQ_OUTBOX_NEXT,
    SQ_OUTBOX_CLAIM,
    SQ_OUTBOX_GET,
    SQ_OUTBOX_DONE,
    SQ_OUTBOX_BODY_DONE,
    SQ_OUTBOX_FAILED,
    SQ_OUTBOX_LEFT,
    SQ_REJECT_ADD,
    SQ_REJECTS,
    SQ_REJECT_GET,
    SQ_REJECT_REMOVE,
    SQ_KNOWN_GAP_ADD,
    SQ_KNOWN_GAPS,
    SQ_KNOWN_GAP_REMOVE,
    SQ_HOLD_ADD,
    SQ_HOLDS,
    SQ_HOLD_REMOVE,
    SQ_STAMP_PUT,
    SQ_STAMPS_TABLE,
    SQ_STAMPS_DUE,
    SQ_STAMP_DONE,
    SQ_STAMP_FAILED,
    SQ_STAMPS_NEXT,
    SQ_STALE_ADD,
    SQ_STALE,
    SQ_STALE_CLEAR,
    SQ_STALE_TRIGGERED,
    SQ_UNITS,
    SQ_UNIT_PUT,
    SQ_UNIT_REMOVE,
    SQ_CLOCK_GET,
    SQ_CLOCK_SET,
    SQ_COUNTS,
    SQ_PRUNE_INBOX,
    SQ_PRUNE_PICK,
    SQ_PRUNE_DECISION,
    SQ_PRUNE_FACTS,
    SQ_N_STATEMENTS
};

enum sl_lsqlite_tx {
    SQ_TX_NONE,   /* -> OPEN                                                                    */
    SQ_TX_OPEN,   /* -> NONE (commit, rollback), BROKEN (SQLite or we rolled back in its middle) */
    SQ_TX_BROKEN, /* -> NONE (commit, which fails, or rollback); every statement is refused      */
};

struct sl_lsqlite {
    struct sl_ledger base;
    sqlite3 *db;
    sqlite3_stmt *statements[SQ_N_STATEMENTS];
    enum sl_lsqlite_tx tx;
    enum sl_code broken_code; /* of the failure that broke the transaction */
    bool poisoned;            /* an I/O error came: no further statement on this file */
    bool read_only;
    int64_t data_version;
    int wal_limit_pages, wal_next_pages; /* checkpoint by ourselves when the log is longer than wal_next_pages */
    struct sl_uuid id;                   /* random, of the ledger: namespace of its load jobs */
    char *path;
};

static inline struct sl_lsqlite *sl_lsqlite_of(struct sl_ledger *ledger)
{
    return (struct sl_lsqlite *)ledger;
}

/* sqlite.c */

/* The cached statement `id`, prepared from `sql` at its first use. Refused on a poisoned handle and in a broken transaction. */
enum sl_code sl_lsqlite_use(struct sl_lsqlite *self, enum sl_lsqlite_id id, const char *sql, sqlite3_stmt **out, struct sl_err *err);
/* Map and describe a failed SQLite call. Poisons, breaks the transaction where they apply. */
enum sl_code sl_lsqlite_failed(struct sl_lsqlite *self, int rc, struct sl_err *err);
/* One step: SL_OK with a row, SL_NOT_FOUND (without a sentence) at the end; anything but a row resets the statement. */
enum sl_code sl_lsqlite_step(struct sl_lsqlite *self, sqlite3_stmt *stmt, struct sl_err *err);
/* Run a statement that gives no rows, and reset it. `changed` (may be NULL): rows it changed. */
enum sl_code sl_lsqlite_run(struct sl_lsqlite *self, sqlite3_stmt *stmt, int64_t *changed, struct sl_err *err);
/* Run the statement `id` with `value` as its one parameter. */
enum sl_code sl_lsqlite_run_with(struct sl_lsqlite *self, enum sl_lsqlite_id id, const char *sql, int64_t value, int64_t *changed,
                                 struct sl_err *err);
/* The first column of the one row that a bound statement gives, which is reset; SL_NOT_FOUND (without a sentence) when there is no row.
 * `null` stands for NULL; the text is copied into the arena. */
enum sl_code sl_lsqlite_one_int(struct sl_lsqlite *self, sqlite3_stmt *stmt, int64_t null, int64_t *out, struct sl_err *err);
enum sl_code sl_lsqlite_one_text(struct sl_lsqlite *self, sqlite3_stmt *stmt, const char **out, struct sl_arena *arena, struct sl_err *err);
/* The last inserted row's id. */
int64_t sl_lsqlite_last_id(struct sl_lsqlite *self);
/* Several statements as one: a transaction of their own unless one is open. `*own` goes to the end call, which commits or rolls back by `code`
 * (SL_NOT_FOUND commits too: nothing was there to do) and returns it, or the failed commit's. */
enum sl_code sl_lsqlite_enter(struct sl_lsqlite *self, bool *own, struct sl_err *err);
enum sl_code sl_lsqlite_leave(struct sl_lsqlite *self, bool own, enum sl_code code, struct sl_err *err);

/* sqlite_schema.c */

/* `err` is never NULL in these two. May this file be used at all (RULES 29)? Reads only. */
enum sl_code sl_lsqlite_check(struct sl_lsqlite *self, int64_t *version, struct sl_err *err);
/* Bring the file to SL_LEDGER_SQLITE_VERSION, one transaction per step. In read mode only checks. */
enum sl_code sl_lsqlite_migrate(struct sl_lsqlite *self, struct sl_err *err);

/* sqlite_code.c: binding and reading. Text is borrowed until the statement is bound again; NULL binds NULL. */

void sl_lsqlite_bind_text(sqlite3_stmt *stmt, int i, const char *text);
void sl_lsqlite_bind_bytes(sqlite3_stmt *stmt, int i, const char *bytes, size_t len); /* a blob, never NULL */
void sl_lsqlite_bind_int(sqlite3_stmt *stmt, int i, int64_t value);
void sl_lsqlite_bind_date(sqlite3_stmt *stmt, int i, sl_date date);                  /* NONE: NULL */
void sl_lsqlite_bind_unless(sqlite3_stmt *stmt, int i, int64_t value, int64_t null); /* NULL when value == null */
const char *sl_lsqlite_text(sqlite3_stmt *stmt, int i, struct sl_arena *arena);      /* NULL for NULL */
const char *sl_lsqlite_bytes(sqlite3_stmt *stmt, int i, struct sl_arena *arena, size_t *len);
sl_date sl_lsqlite_date(sqlite3_stmt *stmt, int i);
int64_t sl_lsqlite_int_or(sqlite3_stmt *stmt, int i, int64_t null); /* `null` for NULL */
/* from..to with SL_DATE_NONE as "no bound". */
void sl_lsqlite_bind_range(sqlite3_stmt *stmt, int i, sl_date from, sl_date to);

/* The slots, by file: see ledger.h. */
enum sl_code sl_lsqlite_inbox_add(struct sl_ledger *, const char *, const char *, int64_t, int64_t, bool *, struct sl_err *);
enum sl_code sl_lsqlite_run_get(struct sl_ledger *, const char *, sl_date, const char *, const char *, struct sl_run *, struct sl_arena *,
                                struct sl_err *);
enum sl_code sl_lsqlite_run_put(struct sl_ledger *, const struct sl_run *, struct sl_err *);
enum sl_code sl_lsqlite_runs_of(struct sl_ledger *, const char *, sl_date, struct sl_run **, size_t *, struct sl_arena *, struct sl_err *);

enum sl_code sl_lsqlite_gate_get(struct sl_ledger *, const char *, sl_date, enum sl_profile, int, struct sl_gate *, struct sl_arena *,
                                 struct sl_err *);
enum sl_code sl_lsqlite_gate_put(struct sl_ledger *, const struct sl_gate *, struct sl_err *);
enum sl_code sl_lsqlite_gate_touch(struct sl_ledger *, const struct sl_gate *, struct sl_err *);
enum sl_code sl_lsqlite_gates(struct sl_ledger *, const struct sl_gate_filter *, struct sl_gate **, size_t *, struct sl_arena *,
                              struct sl_err *);
enum sl_code sl_lsqlite_gates_make_due(struct sl_ledger *, const char *, sl_date, sl_date, int64_t, int64_t *, struct sl_err *);
enum sl_code sl_lsqlite_gates_make_due_for_config(struct sl_ledger *, const char *, int64_t, int64_t *, struct sl_err *);
enum sl_code sl_lsqlite_next_due(struct sl_ledger *, int64_t *, struct sl_err *);

enum sl_code sl_lsqlite_decision_add(struct sl_ledger *, const struct sl_gate *, const char *, size_t, const char *, size_t,
                                     struct sl_err *);
enum sl_code sl_lsqlite_decision_get(struct sl_ledger *, const char *, sl_date, enum sl_profile, int, struct sl_decision_record *,
                                     struct sl_arena *, struct sl_err *);
enum sl_code sl_lsqlite_config_add(struct sl_ledger *, const char *, const char *, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_config_get(struct sl_ledger *, const char *, const char **, struct sl_arena *, struct sl_err *);
enum sl_code sl_lsqlite_prune(struct sl_ledger *, int64_t, int64_t, bool *, struct sl_err *);

enum sl_code sl_lsqlite_event_add(struct sl_ledger *, const char *const *, bool *, struct sl_err *);
enum sl_code sl_lsqlite_open_events(struct sl_ledger *, const char *, sl_date, struct sl_open_event **, size_t *, struct sl_arena *,
                                    struct sl_err *);
enum sl_code sl_lsqlite_events(struct sl_ledger *, const struct sl_log_filter *, void (*)(void *, const char *const *), void *,
                               struct sl_err *);
enum sl_code sl_lsqlite_warn_once(struct sl_ledger *, const char *, bool *, struct sl_err *);
enum sl_code sl_lsqlite_load_fix(struct sl_ledger *, enum sl_load_kind, size_t, size_t, struct sl_load_job *, struct sl_arena *,
                                 struct sl_err *);
enum sl_code sl_lsqlite_load_done(struct sl_ledger *, const char *, int64_t, struct sl_err *);

enum sl_code sl_lsqlite_outbox_add(struct sl_ledger *, const struct sl_outbox_row *, struct sl_err *);
enum sl_code sl_lsqlite_outbox_claim(struct sl_ledger *, const char *, int64_t, int64_t, size_t, struct sl_outbox_row **, size_t *,
                                     struct sl_arena *, struct sl_err *);
enum sl_code sl_lsqlite_outbox_done(struct sl_ledger *, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_outbox_failed(struct sl_ledger *, int64_t, const char *, int64_t, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_outbox_left(struct sl_ledger *, size_t *, int64_t *, struct sl_err *);
enum sl_code sl_lsqlite_reject_add(struct sl_ledger *, const struct sl_reject_row *, struct sl_err *);
enum sl_code sl_lsqlite_reject_remove(struct sl_ledger *, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_rejects(struct sl_ledger *, int64_t, struct sl_reject_row **, size_t *, struct sl_arena *, struct sl_err *);

enum sl_code sl_lsqlite_known_gap_add(struct sl_ledger *, struct sl_known_gap *, struct sl_err *);
enum sl_code sl_lsqlite_known_gaps(struct sl_ledger *, struct sl_known_gap **, size_t *, struct sl_arena *, struct sl_err *);
enum sl_code sl_lsqlite_known_gap_remove(struct sl_ledger *, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_hold_add(struct sl_ledger *, struct sl_hold *, struct sl_err *);
enum sl_code sl_lsqlite_holds(struct sl_ledger *, struct sl_hold **, size_t *, struct sl_arena *, struct sl_err *);
enum sl_code sl_lsqlite_hold_remove(struct sl_ledger *, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_stamp_put(struct sl_ledger *ledger, const struct sl_stamp_row *row, struct sl_err *err);
enum sl_code sl_lsqlite_stamps_due(struct sl_ledger *ledger, int64_t now_us, size_t limit, size_t max_bytes, struct sl_stamp_row **out,
                                   size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_lsqlite_stamp_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err);
enum sl_code sl_lsqlite_stamp_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us, bool alarmed,
                                     struct sl_err *err);
enum sl_code sl_lsqlite_stamps_next(struct sl_ledger *ledger, int64_t *due_us, struct sl_err *err);
enum sl_code sl_lsqlite_stale_add(struct sl_ledger *, const struct sl_stale_mark *, bool *, struct sl_err *);
enum sl_code sl_lsqlite_stale(struct sl_ledger *, const char *, sl_date, sl_date, struct sl_stale_mark **, size_t *, struct sl_arena *,
                              struct sl_err *);
enum sl_code sl_lsqlite_stale_clear(struct sl_ledger *, const char *, sl_date, enum sl_profile, int, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_stale_triggered(struct sl_ledger *, int64_t, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_units(struct sl_ledger *, struct sl_known_unit **, size_t *, struct sl_arena *, struct sl_err *);
enum sl_code sl_lsqlite_units_set(struct sl_ledger *, const struct sl_known_unit *, size_t, struct sl_err *);
enum sl_code sl_lsqlite_clock_get(struct sl_ledger *, const char *, int64_t *, struct sl_err *);
enum sl_code sl_lsqlite_clock_set(struct sl_ledger *, const char *, int64_t, struct sl_err *);
enum sl_code sl_lsqlite_counts(struct sl_ledger *, int64_t, struct sl_ledger_counts *, struct sl_err *);

#endif
