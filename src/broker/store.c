/* store.c - opening and closing the broker's file, its transactions, its statements, and what a failure does to it.
 * WAL with synchronous=FULL: a commit is one append to the log and one fsync. store_checkpoint.c moves the log into the file.
 * secure_delete is off, which some builds of SQLite have on: every deleted message would be written once more, as zeros. */
#include "store_sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#define CACHE_KIB 32768 /* a batch's pages and the upper levels of the tree of messages; part of the 256 MiB that any backlog may cost */

static const char *const SQL[SL_ST_N] = {
    [SL_ST_BEGIN] = "BEGIN IMMEDIATE",
    [SL_ST_COMMIT] = "COMMIT",
    [SL_ST_ROLLBACK] = "ROLLBACK",
    [SL_ST_ADD_TOPIC] = "INSERT INTO topics(name, config) VALUES(?1, ?2)",
    [SL_ST_PUT_TOPIC] = "UPDATE topics SET name = ?2, config = ?3, last = ?4, trimmed = ?5 WHERE id = ?1",
    [SL_ST_SET_TOPIC_LAST] = "UPDATE topics SET last = ?2 WHERE id = ?1",
    [SL_ST_DELETE_TOPIC] = "DELETE FROM topics WHERE id = ?1",
    [SL_ST_SET_TRIMMED] = "UPDATE topics SET trimmed = ?2 WHERE id = ?1",
    [SL_ST_ADD_SUBSCRIPTION] = "INSERT INTO subscriptions(topic, name, floor, config, born) VALUES(?1, ?2, ?3, ?4, ?5)",
    [SL_ST_SET_CONFIG] = "UPDATE subscriptions SET config = ?2 WHERE id = ?1",
    [SL_ST_DELETE_SUBSCRIPTION] = "DELETE FROM subscriptions WHERE id = ?1",
    [SL_ST_DELETE_ACKED_OF] = "DELETE FROM acked WHERE subscription = ?1",
    [SL_ST_DELETE_ATTEMPTS_OF] = "DELETE FROM attempts WHERE subscription = ?1",
    [SL_ST_SET_FLOOR] = "UPDATE subscriptions SET floor = ?2 WHERE id = ?1",
    [SL_ST_PUT_ACKED] = "INSERT OR REPLACE INTO acked(subscription, first, last) VALUES(?1, ?2, ?3)",
    [SL_ST_DELETE_ACKED] = "DELETE FROM acked WHERE subscription = ?1 AND first = ?2",
    [SL_ST_PUT_ATTEMPTS] = "INSERT OR REPLACE INTO attempts(subscription, n, attempts, due_us) VALUES(?1, ?2, ?3, ?4)",
    [SL_ST_DELETE_ATTEMPTS] = "DELETE FROM attempts WHERE subscription = ?1 AND n = ?2",
    [SL_ST_SET_EPOCH] = "UPDATE subscriptions SET epoch = ?2 WHERE id = ?1",
    [SL_ST_PUT_LEASE] = "INSERT OR REPLACE INTO leases(subscription, n, serial, order_key) VALUES(?1, ?2, ?3, ?4)",
    [SL_ST_DELETE_LEASE] = "DELETE FROM leases WHERE subscription = ?1 AND n = ?2",
    [SL_ST_DELETE_LEASES_OF] = "DELETE FROM leases WHERE subscription = ?1",
    [SL_ST_ADD_SNAPSHOT] = "INSERT INTO snapshots(topic, name, floor, config) VALUES(?1, ?2, ?3, ?4)",
    [SL_ST_SET_SNAPSHOT] = "UPDATE snapshots SET config = ?2 WHERE id = ?1",
    [SL_ST_ADD_SNAPSHOT_ACKED] = "INSERT INTO snapshot_acked(snapshot, first, last) VALUES(?1, ?2, ?3)",
    [SL_ST_DELETE_SNAPSHOT] = "DELETE FROM snapshots WHERE id = ?1",
    [SL_ST_DELETE_SNAPSHOT_ACKED] = "DELETE FROM snapshot_acked WHERE snapshot = ?1",
    [SL_ST_PUT_POLICY] = "INSERT OR REPLACE INTO policies(resource, revision, policy) VALUES(?1, ?2, ?3)",
    [SL_ST_GET_POLICY] = "SELECT revision, policy FROM policies WHERE resource = ?1",
    [SL_ST_ADD_MESSAGE] = "INSERT INTO messages(id, publish_us, body) VALUES(?1, ?2, ?3)",
    [SL_ST_DELETE_MESSAGES] = "DELETE FROM messages WHERE id > ?1 AND id <= ?2",
    [SL_ST_GET] = "SELECT id, publish_us, body FROM messages WHERE id = ?1",
    [SL_ST_SCAN] = "SELECT id, publish_us, body FROM messages WHERE id >= ?1 AND id <= ?2 ORDER BY id",
    [SL_ST_TIMES] = "SELECT id, publish_us FROM messages WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3",
    [SL_ST_PAGE_COUNT] = "PRAGMA page_count",
    [SL_ST_NEXT] = "SELECT id, publish_us FROM messages WHERE id >= ?1 AND id <= ?2 ORDER BY id LIMIT 1",
};

/* First hit wins. What is not here is a bug of ours or an I/O error: SL_INTERNAL. */
static const struct {
    int rc;
    enum sl_code code;
} CODES[] = {
    {SQLITE_OK, SL_OK},
    {SQLITE_ROW, SL_OK},
    {SQLITE_DONE, SL_NOT_FOUND},
    {SQLITE_CONSTRAINT, SL_CONFLICT},
    {SQLITE_TOOBIG, SL_INVALID},
    {SQLITE_BUSY, SL_UNAVAILABLE},
    {SQLITE_LOCKED, SL_UNAVAILABLE},
    {SQLITE_FULL, SL_UNAVAILABLE},
    {SQLITE_NOMEM, SL_UNAVAILABLE},
    {SQLITE_PERM, SL_DENIED},
    {SQLITE_AUTH, SL_DENIED},
    {SQLITE_READONLY, SL_DENIED},
    {SQLITE_CANTOPEN, SL_DENIED},
    {SQLITE_CORRUPT, SL_CORRUPT},
    {SQLITE_NOTADB, SL_CORRUPT},
    {SQLITE_FORMAT, SL_CORRUPT},
};

enum sl_code sl_store_code(int rc)
{
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++)
        if (CODES[i].rc == (rc & 0xff))
            return CODES[i].code;
    return SL_INTERNAL;
}

enum sl_code sl_store_failed(struct sl_store *store, sqlite3 *db, int rc, struct sl_err *err)
{
    enum sl_code code = sl_store_code(rc);
    if ((rc & 0xff) == SQLITE_IOERR || code == SL_CORRUPT)
        atomic_store(&store->poisoned, true);
    return sl_fail(err, code, "broker store %s: %s (%s)", store->path, sqlite3_errmsg(db), sqlite3_errstr(rc));
}

bool sl_store_poisoned(const struct sl_store *store)
{
    return atomic_load(&store->poisoned);
}

uint32_t sl_store_id(const struct sl_store *store)
{
    return store->id;
}

/* ---- statements ---- */

enum sl_code sl_store_use(struct sl_store *store, enum sl_store_statement id, sqlite3_stmt **out, struct sl_err *err)
{
    if (sl_store_poisoned(store))
        return sl_fail(err, SL_INTERNAL, "broker store %s: refused after an I/O error; stop, look at the disk, start again", store->path);
    if (!store->statements[id]) {
        int rc = sqlite3_prepare_v3(store->db, SQL[id], -1, SQLITE_PREPARE_PERSISTENT, &store->statements[id], NULL);
        if (rc != SQLITE_OK)
            return sl_store_failed(store, store->db, rc, err);
    }
    *out = store->statements[id];
    return SL_OK;
}

enum sl_code sl_store_step(struct sl_store *store, sqlite3_stmt *stmt, struct sl_err *err)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return SL_OK;
    if (rc == SQLITE_DONE) {
        sqlite3_reset(stmt);
        return SL_NOT_FOUND;
    }
    enum sl_code code = sl_store_failed(store, store->db, rc, err);
    sqlite3_reset(stmt);
    return code;
}

enum sl_code sl_store_run(struct sl_store *store, sqlite3_stmt *stmt, struct sl_err *err)
{
    enum sl_code code = sl_store_step(store, stmt, err);
    if (code == SL_OK)
        sqlite3_reset(stmt);
    return code == SL_NOT_FOUND ? SL_OK : code;
}

/* ---- transactions ---- */

static enum sl_code run_plain(struct sl_store *store, enum sl_store_statement id, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_store_use(store, id, &stmt, err);
    return code ? code : sl_store_run(store, stmt, err);
}

enum sl_code sl_store_begin(struct sl_store *store, struct sl_err *err)
{
    /* After some failures SQLite has rolled back by itself: what came now would be committed row by row. */
    if (store->open_tx && sqlite3_get_autocommit(store->db))
        return sl_fail(err, SL_UNAVAILABLE, "broker store %s: the transaction was rolled back", store->path);
    if (store->open_tx)
        return SL_OK;
    enum sl_code code = run_plain(store, SL_ST_BEGIN, err);
    store->open_tx = code == SL_OK;
    return code;
}

bool sl_store_in_transaction(const struct sl_store *store)
{
    return store->open_tx;
}

enum sl_code sl_store_commit(struct sl_store *store, struct sl_err *err)
{
    if (!store->open_tx)
        return SL_OK;
    /* SQLite rolls back by itself after some failures; a COMMIT after that must not look like a success. */
    if (sqlite3_get_autocommit(store->db)) {
        store->open_tx = false;
        return sl_fail(err, SL_UNAVAILABLE, "broker store %s: the transaction was rolled back", store->path);
    }
    enum sl_code code = run_plain(store, SL_ST_COMMIT, err);
    if (code == SL_OK)
        store->open_tx = false;
    else
        sl_store_rollback(store);
    return code;
}

void sl_store_rollback(struct sl_store *store)
{
    if (store->open_tx && !sqlite3_get_autocommit(store->db) && !sl_store_poisoned(store))
        run_plain(store, SL_ST_ROLLBACK, NULL);
    store->open_tx = false;
}

/* ---- opening ---- */

static enum sl_code pragma(struct sl_store *store, const char *sql, struct sl_err *err)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SL_OK : sl_store_failed(store, store->db, rc, err);
}

static enum sl_code pragma_number(struct sl_store *store, const char *name, int64_t value, struct sl_err *err)
{
    char sql[64];
    sqlite3_snprintf((int)sizeof(sql), sql, "PRAGMA %s = %lld", name, (long long)value);
    return pragma(store, sql, err);
}

/* The log that an earlier process left may hold frames whose fsync failed: they can be read from the page cache, and will never reach the disk by
 * themselves; a later power loss would take them and all that was committed after them. So everything is written anew, into the file, and the
 * log starts over. */
static enum sl_code settle_log(struct sl_store *store, struct sl_err *err)
{
    int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? SL_OK : sl_store_failed(store, store->db, rc, err);
}

static enum sl_code configure(struct sl_store *store, const struct sl_store_options *options, struct sl_err *err)
{
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, SL_STORE_BUSY_MS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sl_store_check_version(store, err) || sl_store_before_shrinking(store, err) || pragma(store, "PRAGMA journal_mode = WAL", err) ||
        pragma(store, options->synchronous_normal ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL", err) ||
        pragma_number(store, "cache_size", -CACHE_KIB, err) || pragma(store, "PRAGMA temp_store = MEMORY", err) ||
        pragma(store, "PRAGMA secure_delete = OFF", err) || settle_log(store, err) || sl_store_migrate(store, err) ||
        sl_store_prepare_shrinking(store, options, err))
        return err->code;
    if (options->max_pages > 0 && pragma_number(store, "max_page_count", options->max_pages, err))
        return err->code;
    return SL_OK;
}

enum sl_code sl_store_open(struct sl_store **out, const char *path, const struct sl_store_options *options, struct sl_err *err)
{
    struct sl_store *store = sl_calloc(1, sizeof(*store));
    *out = store;
    store->path = sl_strdup(path);
    pthread_mutex_init(&store->mutex, NULL);
    pthread_cond_init(&store->wake, NULL);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, &store->db, flags, options->vfs);
    enum sl_code code = rc == SQLITE_OK ? SL_OK : sl_store_failed(store, store->db, rc, err);
    if (code == SL_OK)
        code = configure(store, options, err);
    if (code == SL_OK)
        code = sl_store_start_checkpointer(store, options, err);
    if (code)
        sl_store_close(out);
    return code;
}

void sl_store_close(struct sl_store **out)
{
    struct sl_store *store = *out;
    if (!store)
        return;
    sl_store_scan_close(store);
    sl_store_rollback(store);
    sl_store_stop_checkpointer(store);
    for (size_t i = 0; i < SL_ST_N; i++)
        sqlite3_finalize(store->statements[i]);
    if (store->db && !sl_store_poisoned(store))
        sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    sqlite3_close(store->db);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->mutex);
    free(store->path);
    free(store);
    *out = NULL;
}
