/* sqlite.c - the ledger in one SQLite file: opening, transactions, and what a failure does to the handle.
 *
 * The file is in WAL mode with synchronous=FULL: sl_ledger_commit() returns after the log was fsynced, readers see the last commit and
 * never wait. Moving pages from the log into the file is kept off the committing path: a thread with a handle of its own calls
 * sl_ledger_checkpoint(); only when the log grows beyond wal_limit_pages nevertheless does the writer do it itself.
 *
 * Failure modes. Busy: SQLite waits busy_timeout, then SL_UNAVAILABLE, nothing has changed. Disk full: SL_UNAVAILABLE, and an open
 * transaction is rolled back at once; until the caller has rolled back too, every statement is refused, so that none of its rest is
 * committed by itself. I/O error: what the file holds is unknown, so the handle is poisoned: no further statement, no checkpoint at close
 * (a failed fsync is never retried and believed); the next process recovers what the log really holds. */
#include "sqlite_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/ledger_sqlite.h>

#define SQL_BEGIN        "BEGIN IMMEDIATE"
#define SQL_COMMIT       "COMMIT"
#define SQL_ROLLBACK     "ROLLBACK"
#define SQL_DATA_VERSION "PRAGMA data_version"

#define BUSY_TIMEOUT_MS 10000
#define WAL_LIMIT_PAGES 65536 /* x 4 KiB pages = 256 MiB */
#define WAL_AGAIN_PAGES 4096  /* a checkpoint that readers held up is tried again after 16 MiB more */
#define CACHE_KIB       32768 /* pages of a batch's transaction and the upper levels of every index; SQLite's 2 MiB would spill */

/* SQLite calls a full disk by its name where it writes a file, and an I/O error where it makes the shared memory longer. A failed sync stays an I/O error. */
static bool is_full(struct sl_lsqlite *self, int rc)
{
    if ((rc & 0xff) != SQLITE_IOERR || rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
        return (rc & 0xff) == SQLITE_FULL;
    int sys_errno = sqlite3_system_errno(self->db);
    return sys_errno == ENOSPC || sys_errno == EDQUOT;
}

enum sl_code sl_lsqlite_failed(struct sl_lsqlite *self, int rc, struct sl_err *err)
{
    const bool full = is_full(self, rc);
    enum sl_code code = sl_ledger_sqlite_code(full ? SQLITE_FULL : rc);
    int primary = full ? SQLITE_FULL : rc & 0xff;
    sl_fail(err, code, "ledger %s: %s (%s)", self->path, full ? "the disk is full" : sqlite3_errmsg(self->db), sqlite3_errstr(rc));
    if (primary == SQLITE_IOERR)
        self->poisoned = true;
    if (self->tx != SQ_TX_OPEN)
        return code;
    if (primary == SQLITE_FULL && !sqlite3_get_autocommit(self->db) &&
        (sqlite3_exec(self->db, SQL_ROLLBACK, NULL, NULL, NULL) & 0xff) == SQLITE_IOERR)
        self->poisoned = true;
    if (self->poisoned || sqlite3_get_autocommit(self->db)) {
        self->tx = SQ_TX_BROKEN;
        self->broken_code = code;
    }
    return code;
}

/* Nothing more may run on this handle, or nothing before a rollback. */
static enum sl_code usable(struct sl_lsqlite *self, struct sl_err *err)
{
    if (self->poisoned)
        return sl_fail(err, SL_INTERNAL, "ledger %s: refused after an I/O error; stop, look at the disk, start again", self->path);
    if (self->tx == SQ_TX_BROKEN)
        return sl_fail(err, self->broken_code, "ledger %s: the transaction was rolled back after a failure", self->path);
    return SL_OK;
}

enum sl_code sl_lsqlite_use(struct sl_lsqlite *self, enum sl_lsqlite_id id, const char *sql, sqlite3_stmt **out, struct sl_err *err)
{
    enum sl_code code = usable(self, err);
    if (code)
        return code;
    if (!self->statements[id]) {
        int rc = sqlite3_prepare_v3(self->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &self->statements[id], NULL);
        if (rc != SQLITE_OK)
            return sl_lsqlite_failed(self, rc, err);
    }
    *out = self->statements[id];
    return SL_OK;
}

enum sl_code sl_lsqlite_step(struct sl_lsqlite *self, sqlite3_stmt *stmt, struct sl_err *err)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return SL_OK;
    sqlite3_reset(stmt);
    return rc == SQLITE_DONE ? SL_NOT_FOUND : sl_lsqlite_failed(self, rc, err);
}

enum sl_code sl_lsqlite_run(struct sl_lsqlite *self, sqlite3_stmt *stmt, int64_t *changed, struct sl_err *err)
{
    enum sl_code code = sl_lsqlite_step(self, stmt, err);
    if (code == SL_OK)
        sqlite3_reset(stmt);
    if (code != SL_OK && code != SL_NOT_FOUND)
        return code;
    if (changed)
        *changed = sqlite3_changes64(self->db);
    return SL_OK;
}

enum sl_code sl_lsqlite_run_with(struct sl_lsqlite *self, enum sl_lsqlite_id id, const char *sql, int64_t value, int64_t *changed,
                                 struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, id, sql, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, value);
    return sl_lsqlite_run(self, stmt, changed, err);
}

enum sl_code sl_lsqlite_one_int(struct sl_lsqlite *self, sqlite3_stmt *stmt, int64_t null, int64_t *out, struct sl_err *err)
{
    enum sl_code code = sl_lsqlite_step(self, stmt, err);
    if (code)
        return code;
    *out = sl_lsqlite_int_or(stmt, 0, null);
    sqlite3_reset(stmt);
    return SL_OK;
}

enum sl_code sl_lsqlite_one_text(struct sl_lsqlite *self, sqlite3_stmt *stmt, const char **out, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = sl_lsqlite_step(self, stmt, err);
    if (code)
        return code;
    *out = sl_lsqlite_text(stmt, 0, arena);
    sqlite3_reset(stmt);
    return SL_OK;
}

int64_t sl_lsqlite_last_id(struct sl_lsqlite *self)
{
    return sqlite3_last_insert_rowid(self->db);
}

static enum sl_code begin(struct sl_ledger *ledger, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    if (self->tx == SQ_TX_OPEN)
        return sl_fail(err, SL_INTERNAL, "ledger %s: a transaction is open already", self->path);
    if (self->read_only)
        return sl_fail(err, SL_DENIED, "ledger %s was opened for reading only", self->path);
    enum sl_code code = sl_lsqlite_use(self, SQ_BEGIN, SQL_BEGIN, &stmt, err);
    if (code == SL_OK)
        code = sl_lsqlite_run(self, stmt, NULL, err);
    if (code == SL_OK)
        self->tx = SQ_TX_OPEN;
    return code;
}

static void rollback(struct sl_ledger *ledger)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    bool open = self->tx == SQ_TX_OPEN;
    if (open && sl_lsqlite_use(self, SQ_ROLLBACK, SQL_ROLLBACK, &stmt, NULL) == SL_OK)
        sl_lsqlite_run(self, stmt, NULL, NULL);
    self->tx = SQ_TX_NONE;
}

static enum sl_code commit(struct sl_ledger *ledger, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    if (self->tx == SQ_TX_NONE && !self->poisoned)
        return sl_fail(err, SL_INTERNAL, "ledger %s: there is no transaction to commit", self->path);
    enum sl_code code = sl_lsqlite_use(self, SQ_COMMIT, SQL_COMMIT, &stmt, err);
    if (code == SL_OK)
        code = sl_lsqlite_run(self, stmt, NULL, err);
    if (code == SL_OK)
        self->tx = SQ_TX_NONE;
    else
        rollback(ledger);
    return code;
}

enum sl_code sl_lsqlite_enter(struct sl_lsqlite *self, bool *own, struct sl_err *err)
{
    *own = self->tx == SQ_TX_NONE;
    return *own ? begin(&self->base, err) : usable(self, err);
}

enum sl_code sl_lsqlite_leave(struct sl_lsqlite *self, bool own, enum sl_code code, struct sl_err *err)
{
    if (!own)
        return code;
    if (code != SL_OK && code != SL_NOT_FOUND) {
        rollback(&self->base);
        return code;
    }
    enum sl_code committed = commit(&self->base, err);
    return committed ? committed : code;
}

static enum sl_code read_data_version(struct sl_lsqlite *self, int64_t *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_DATA_VERSION, SQL_DATA_VERSION, &stmt, err);
    return code ? code : sl_lsqlite_one_int(self, stmt, 0, out, err);
}

static enum sl_code changed(struct sl_ledger *ledger, bool *out, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    int64_t now = 0;
    enum sl_code code = read_data_version(self, &now, err);
    if (code)
        return code;
    *out = now != self->data_version;
    self->data_version = now;
    return SL_OK;
}

static enum sl_code checkpoint(struct sl_ledger *ledger, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    enum sl_code code = usable(self, err);
    if (code)
        return code;
    if (self->read_only)
        return sl_fail(err, SL_DENIED, "ledger %s was opened for reading only", self->path);
    int rc = sqlite3_wal_checkpoint_v2(self->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY) /* busy: another handle is at it */
        return SL_OK;
    return sl_lsqlite_failed(self, rc, err);
}

/* Called by SQLite after a commit: the commit stands whatever comes of the checkpoint. */
static int committed_pages(void *arg, sqlite3 *db, const char *schema, int pages)
{
    struct sl_lsqlite *self = arg;
    if (pages < self->wal_limit_pages)
        self->wal_next_pages = self->wal_limit_pages;
    if (pages < self->wal_next_pages)
        return SQLITE_OK;
    self->wal_next_pages = pages + WAL_AGAIN_PAGES;
    int rc = sqlite3_wal_checkpoint_v2(db, schema, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if ((rc & 0xff) == SQLITE_IOERR)
        self->poisoned = true;
    return SQLITE_OK;
}

static void destroy(struct sl_ledger *ledger)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    for (size_t i = 0; i < SQ_N_STATEMENTS; i++)
        sqlite3_finalize(self->statements[i]);
    if (self->db && self->poisoned)
        sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(self->db);
    free(self->path);
    free(self);
}

static const struct sl_ledger_ops SQLITE_OPS = {
    .name = "sqlite",
    .destroy = destroy,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .changed = changed,
    .inbox_add = sl_lsqlite_inbox_add,
    .run_get = sl_lsqlite_run_get,
    .run_put = sl_lsqlite_run_put,
    .runs_of = sl_lsqlite_runs_of,
    .gate_get = sl_lsqlite_gate_get,
    .gate_put = sl_lsqlite_gate_put,
    .gate_touch = sl_lsqlite_gate_touch,
    .gates = sl_lsqlite_gates,
    .gates_make_due = sl_lsqlite_gates_make_due,
    .gates_make_due_for_config = sl_lsqlite_gates_make_due_for_config,
    .next_due = sl_lsqlite_next_due,
    .decision_add = sl_lsqlite_decision_add,
    .decision_get = sl_lsqlite_decision_get,
    .config_add = sl_lsqlite_config_add,
    .config_get = sl_lsqlite_config_get,
    .event_add = sl_lsqlite_event_add,
    .events = sl_lsqlite_events,
    .open_events = sl_lsqlite_open_events,
    .warn_once = sl_lsqlite_warn_once,
    .outbox_add = sl_lsqlite_outbox_add,
    .outbox_claim = sl_lsqlite_outbox_claim,
    .outbox_done = sl_lsqlite_outbox_done,
    .outbox_failed = sl_lsqlite_outbox_failed,
    .outbox_left = sl_lsqlite_outbox_left,
    .reject_add = sl_lsqlite_reject_add,
    .rejects = sl_lsqlite_rejects,
    .reject_remove = sl_lsqlite_reject_remove,
    .known_gap_add = sl_lsqlite_known_gap_add,
    .known_gaps = sl_lsqlite_known_gaps,
    .known_gap_remove = sl_lsqlite_known_gap_remove,
    .hold_add = sl_lsqlite_hold_add,
    .holds = sl_lsqlite_holds,
    .hold_remove = sl_lsqlite_hold_remove,
    .stamp_put = sl_lsqlite_stamp_put,
    .stamps_due = sl_lsqlite_stamps_due,
    .stamp_done = sl_lsqlite_stamp_done,
    .stamp_failed = sl_lsqlite_stamp_failed,
    .stamps_next = sl_lsqlite_stamps_next,
    .stale_add = sl_lsqlite_stale_add,
    .stale = sl_lsqlite_stale,
    .stale_clear = sl_lsqlite_stale_clear,
    .stale_triggered = sl_lsqlite_stale_triggered,
    .units = sl_lsqlite_units,
    .units_set = sl_lsqlite_units_set,
    .clock_get = sl_lsqlite_clock_get,
    .clock_set = sl_lsqlite_clock_set,
    .load_fix = sl_lsqlite_load_fix,
    .load_done = sl_lsqlite_load_done,
    .counts = sl_lsqlite_counts,
    .prune = sl_lsqlite_prune,
    .checkpoint = checkpoint,
};

/* A number into a PRAGMA, which binds no values. */
static enum sl_code pragma(struct sl_lsqlite *self, const char *name, int64_t value, struct sl_err *err)
{
    char sql[64];
    sqlite3_snprintf((int)sizeof(sql), sql, "PRAGMA %s = %lld", name, (long long)value);
    int rc = sqlite3_exec(self->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SL_OK : sl_lsqlite_failed(self, rc, err);
}

static enum sl_code set_wal(struct sl_lsqlite *self, int timeout_ms, struct sl_err *err)
{
    /* A switch to WAL that meets another one gives SQLITE_BUSY without waiting, so the wait is ours. */
    enum sl_code code = SL_OK;
    for (int waited_ms = 0;; waited_ms += 10) {
        int rc = sqlite3_exec(self->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        code = rc == SQLITE_OK ? SL_OK : sl_lsqlite_failed(self, rc, err);
        if ((rc & 0xff) != SQLITE_BUSY || waited_ms >= timeout_ms)
            return code;
        sqlite3_sleep(10);
    }
}

static enum sl_code configure(struct sl_lsqlite *self, const struct sl_ledger_sqlite_options *options, struct sl_err *err)
{
    static const int SYNCHRONOUS[] = {[SL_SYNC_FULL] = 2, [SL_SYNC_NORMAL] = 1, [SL_SYNC_OFF] = 0};
    self->wal_limit_pages = options->wal_limit_pages ? (int)options->wal_limit_pages : WAL_LIMIT_PAGES;
    self->wal_next_pages = self->wal_limit_pages;
    sqlite3_wal_hook(self->db, committed_pages, self); /* takes the place of wal_autocheckpoint */
    if (pragma(self, "synchronous", SYNCHRONOUS[options->synchronous], err) || pragma(self, "cache_size", -CACHE_KIB, err) ||
        pragma(self, "temp_store", 2, err))
        return err->code;
    return SL_OK;
}

/* A version that we may not touch must leave the file as it was, therefore no checkpoint at close until it is known. */
static enum sl_code prepare_file(struct sl_lsqlite *self, const struct sl_ledger_sqlite_options *options, struct sl_err *err)
{
    int timeout_ms = options->busy_timeout_ms ? options->busy_timeout_ms : BUSY_TIMEOUT_MS;
    int64_t version;
    sqlite3_extended_result_codes(self->db, 1);
    sqlite3_busy_timeout(self->db, timeout_ms);
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (!self->read_only && sqlite3_db_readonly(self->db, "main") == 1)
        return sl_fail(err, SL_DENIED, "ledger %s can't be written", self->path);
    if (sl_lsqlite_check(self, &version, err) || configure(self, options, err))
        return err->code;
    if (!self->read_only && set_wal(self, timeout_ms, err))
        return err->code;
    if (sl_lsqlite_migrate(self, err))
        return err->code;
    sqlite3_db_config(self->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    if (options->max_pages && pragma(self, "max_page_count", options->max_pages, err))
        return err->code;
    return read_data_version(self, &self->data_version, err);
}

static enum sl_code open_file(struct sl_lsqlite *self, const char *vfs_name, struct sl_err *err)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    int exists = 0;
    if (!vfs)
        return sl_fail(err, SL_INTERNAL, "SQLite has no VFS %s", vfs_name ? vfs_name : "at all");
    if (self->read_only && vfs->xAccess(vfs, self->path, SQLITE_ACCESS_EXISTS, &exists) == SQLITE_OK && !exists)
        return sl_fail(err, SL_NOT_FOUND, "there is no ledger %s; run sluice init", self->path);
    int flags = self->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int rc = sqlite3_open_v2(self->path, &self->db, flags | SQLITE_OPEN_NOMUTEX, vfs_name);
    return rc == SQLITE_OK ? SL_OK : sl_lsqlite_failed(self, rc, err);
}

/* SQLite's memory statistics, which nobody reads, lock a mutex of the whole process at every allocation. Refused when SQLite is in use already. */
static void without_statistics(void)
{
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum sl_code sl_ledger_sqlite_open(struct sl_ledger **out, const char *path, enum sl_ledger_open_mode mode,
                                   const struct sl_ledger_sqlite_options *options, struct sl_err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sl_err local;
    struct sl_err *e = err ? err : &local;
    pthread_once(&once, without_statistics);
    struct sl_lsqlite *self = sl_calloc(1, sizeof(*self));
    self->base.ops = &SQLITE_OPS;
    self->path = sl_strdup(path);
    self->read_only = mode == SL_LEDGER_READ;
    *out = NULL;
    if (open_file(self, options->vfs, e) || prepare_file(self, options, e)) {
        destroy(&self->base);
        return e->code;
    }
    *out = &self->base;
    return SL_OK;
}
