/* store_shrink.c - giving back to the file system what the file doesn't need any more.
 *
 * Deleted messages leave free pages, which the next ones use. When a backlog has gone, more are free than will be used soon: they go in steps, in quiet moments, last pages first,
 * and what lies behind free ones moves into them. A new file is made for that (auto_vacuum). One of an earlier version becomes so when it is opened while little is in it.
 * The log, which only grows by itself, is moved into the file and cut when that is done. On a full disk every page goes, and the log after each step: a step needs room, too. */
#include "store_sqlite_internal.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#define PAGE_BYTES   4096
#define KEPT_BYTES   (INT64_C(8) * 1000 * 1000) /* of the disk: a log of acks and deletions until it is moved into the file, twice */
#define KEEP_PAGES   1024                       /* x 4 KiB: unused ones that stay */
#define STEP_PAGES   "1000"
#define LITTLE_PAGES 4096 /* 16 MiB are rewritten in well under a second */
#define INCREMENTAL  2
#define AGAIN_MS     1000 /* somebody uses the log: the checkpointer, or a reader from outside */

/* The log has to fit into the file: what is in it only by now has no room on the disk yet. */
int64_t sl_store_room_bytes(struct sl_store *store)
{
    struct statvfs disk;
    struct stat file;
    struct sl_err err;
    sqlite3_stmt *stmt;
    if (store->inline_pages > 0 || statvfs(store->path, &disk) != 0 || stat(store->path, &file) != 0 ||
        sl_store_use(store, SL_ST_PAGE_COUNT, &stmt, &err) || sl_store_step(store, stmt, &err))
        return INT64_MAX;
    const int64_t wanted = sqlite3_column_int64(stmt, 0) * PAGE_BYTES, growth = wanted > file.st_size ? wanted - file.st_size : 0;
    sqlite3_reset(stmt);
    return (int64_t)disk.f_bavail * (int64_t)disk.f_frsize - growth - KEPT_BYTES;
}

static enum sl_code run_sql(struct sl_store *store, const char *sql, struct sl_err *err)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SL_OK : sl_store_failed(store, store->db, rc, err);
}

enum sl_code sl_store_before_shrinking(struct sl_store *store, struct sl_err *err)
{
    return run_sql(store, "PRAGMA auto_vacuum = INCREMENTAL", err);
}

enum sl_code sl_store_prepare_shrinking(struct sl_store *store, const struct sl_store_options *options, struct sl_err *err)
{
    int64_t mode = 0, pages = 0, unused = 0;
    store->keep_nothing = options->keep_nothing;
    if (sl_store_number(store, "PRAGMA auto_vacuum", &mode, err) || sl_store_number(store, "PRAGMA page_count", &pages, err) ||
        sl_store_number(store, "PRAGMA freelist_count", &unused, err))
        return err->code;
    store->shrinks = mode == INCREMENTAL;
    if (store->shrinks || pages - unused > LITTLE_PAGES)
        return SL_OK;
    struct sl_err trouble;
    store->shrinks = run_sql(store, "VACUUM", &trouble) == SL_OK;
    return sl_store_poisoned(store) ? sl_fail(err, trouble.code, "%s", trouble.text) : SL_OK; /* no room: another time */
}

static enum sl_code is_worth_it(struct sl_store *store, bool everything, bool *worth, struct sl_err *err)
{
    int64_t pages = 0, unused = 0;
    if (sl_store_number(store, "PRAGMA page_count", &pages, err) || sl_store_number(store, "PRAGMA freelist_count", &unused, err))
        return err->code;
    const bool many = unused > KEEP_PAGES && unused * 4 > pages;
    *worth = store->shrinks && (many || (unused > 0 && (everything || store->keep_nothing)));
    return SL_OK;
}

static enum sl_code step(struct sl_store *store, struct sl_err *err)
{
    if (sl_store_begin(store, err) || run_sql(store, "PRAGMA incremental_vacuum(" STEP_PAGES ")", err) || sl_store_commit(store, err))
        return err->code;
    store->shrinking = true;
    return SL_OK;
}

/* The file itself is cut by that, too. Nobody is waited for. */
static enum sl_code cut_log(struct sl_store *store, int64_t *wait_ms, struct sl_err *err)
{
    sqlite3_busy_timeout(store->db, 0);
    int rc = sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(store->db, SL_STORE_BUSY_MS);
    store->shrinking &= rc != SQLITE_OK;
    if (rc != SQLITE_OK && sl_store_failed(store, store->db, rc, err) != SL_UNAVAILABLE)
        return err->code;
    if (rc != SQLITE_OK)
        *wait_ms = AGAIN_MS;
    return SL_OK;
}

enum sl_code sl_store_shrink(struct sl_store *store, bool everything, int64_t *wait_ms, struct sl_err *err)
{
    bool worth = false;
    *wait_ms = SL_NEVER;
    sl_store_scan_close(store);
    if (is_worth_it(store, everything, &worth, err) || (worth && step(store, err)))
        return err->code;
    if (worth)
        *wait_ms = 0;
    return everything || (store->shrinking && !worth) ? cut_log(store, wait_ms, err) : SL_OK;
}
