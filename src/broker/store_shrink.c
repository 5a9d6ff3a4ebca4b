/* store_shrink.c - giving back to the file system what the file doesn't need any more.
 *
 * Deleted messages leave free pages, which the next ones use. When a backlog has gone, more are free than will be used soon: they go in steps, in quiet moments, last pages first,
 * and what lies behind free ones moves into them. A new file is made for that (auto_vacuum). One of an earlier version becomes so when it is opened while little is in it. */
#include "store_sqlite_internal.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#define PAGE_BYTES   4096
#define KEPT_BYTES   (INT64_C(8) * 1000 * 1000) /* of the disk: a log of acks and deletions until it is moved into the file, twice */
#define KEEP_PAGES   1024                       /* x 4 KiB: unused ones that stay */
#define STEP_PAGES   "1000"
#define LITTLE_PAGES 4096 /* 16 MiB are rewritten in well under a second */
#define INCREMENTAL  2

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

static bool is_worth_it(const struct sl_store *store, int64_t pages, int64_t unused)
{
    return store->keep_nothing ? unused > 0 : unused > KEEP_PAGES && unused * 4 > pages;
}

/* The file itself is cut when the log has been moved into it. */
static enum sl_code finish(struct sl_store *store)
{
    if (store->shrinking)
        sl_store_checkpoint(store);
    store->shrinking = false;
    return SL_OK;
}

enum sl_code sl_store_shrink(struct sl_store *store, bool *more, struct sl_err *err)
{
    int64_t pages = 0, unused = 0;
    *more = false;
    if (!store->shrinks)
        return SL_OK;
    if (sl_store_number(store, "PRAGMA page_count", &pages, err) || sl_store_number(store, "PRAGMA freelist_count", &unused, err))
        return err->code;
    if (!is_worth_it(store, pages, unused))
        return finish(store);
    sl_store_scan_close(store);
    if (sl_store_begin(store, err) || run_sql(store, "PRAGMA incremental_vacuum(" STEP_PAGES ")", err) || sl_store_commit(store, err))
        return err->code;
    *more = store->shrinking = true;
    return SL_OK;
}
