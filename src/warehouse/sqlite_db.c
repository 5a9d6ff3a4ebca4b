/* sqlite_db.c - files and connections of the SQLite backend.
 * A dataset's file is looked at (stat) before every use: a file that is gone closes its connections, a file that was replaced is opened again. Writing goes
 * BEGIN IMMEDIATE -> user_version checked -> statements -> COMMIT with synchronous=FULL. The checkpoint is ours, not SQLite's automatic one, because
 * that one swallows a failed fsync. After a commit or checkpoint that failed with an I/O error the file is asked nothing any more, and closing it
 * does not checkpoint it. */
#include "sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sluice/clock.h>
#include <sluice/file.h>

#define TEXT_OF(number) #number
#define TEXT(number)    TEXT_OF(number)

static const char JOBS_SQL[] =
    "CREATE TABLE IF NOT EXISTS sluice_load_jobs("
    "job_id TEXT PRIMARY KEY NOT NULL, table_name TEXT NOT NULL, row_count INTEGER NOT NULL, loaded_at TIMESTAMP TEXT NOT NULL"
    ") WITHOUT ROWID; PRAGMA user_version=" TEXT(SL_WH_SCHEMA_VERSION);

/* --- result codes --------------------------------------------------------------------------------------------------------------- */

static const struct {
    int rc;
    enum sl_code code;
} CODES[] = {
    {SQLITE_OK, SL_OK},
    {SQLITE_ROW, SL_OK},
    {SQLITE_DONE, SL_OK},
    {SQLITE_BUSY, SL_UNAVAILABLE},
    {SQLITE_LOCKED, SL_UNAVAILABLE},
    {SQLITE_PROTOCOL, SL_UNAVAILABLE},
    {SQLITE_FULL, SL_UNAVAILABLE},
    {SQLITE_NOMEM, SL_UNAVAILABLE},
    {SQLITE_INTERRUPT, SL_UNAVAILABLE},
    {SQLITE_CANTOPEN, SL_UNAVAILABLE},
    {SQLITE_READONLY, SL_DENIED},
    {SQLITE_PERM, SL_DENIED},
    {SQLITE_AUTH, SL_DENIED},
    {SQLITE_CORRUPT, SL_CORRUPT},
    {SQLITE_NOTADB, SL_CORRUPT},
    {SQLITE_FORMAT, SL_CORRUPT},
    {SQLITE_CONSTRAINT, SL_INVALID},
    {SQLITE_MISMATCH, SL_INVALID},
    {SQLITE_TOOBIG, SL_INVALID},
    {SQLITE_IOERR, SL_INTERNAL},
};

static bool no_space(int sys_errno)
{
    return sys_errno == ENOSPC || sys_errno == EDQUOT;
}

static bool no_permission(int sys_errno)
{
    return sys_errno == EACCES || sys_errno == EPERM || sys_errno == EROFS;
}

enum sl_code sl_wh_code(int rc, int sys_errno)
{
    bool sync_failed = rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC;
    if ((rc & 0xff) == SQLITE_IOERR && no_space(sys_errno) && !sync_failed)
        return SL_UNAVAILABLE;
    if ((rc & 0xff) == SQLITE_CANTOPEN && no_permission(sys_errno))
        return SL_DENIED;
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if (CODES[i].rc == (rc & 0xff))
            return CODES[i].code;
    return SL_INTERNAL;
}

enum sl_code sl_wh_error(struct sl_wh_db *db, const char *doing, struct sl_err *err)
{
    int rc = db->handle ? sqlite3_extended_errcode(db->handle) : SQLITE_NOMEM;
    enum sl_code code = sl_wh_code(rc, db->handle ? sqlite3_system_errno(db->handle) : 0);
    if (code == SL_OK) /* the call failed, so this can't be success */
        code = SL_INTERNAL;
    if (db->of->owner->base.timed_out)
        return sl_fail(err, code, "%s: took longer than warehouse.timeout (%lld ms) and was ended (%s)", doing,
                       (long long)db->of->owner->timeout_ms, db->of->path);
    const char *said = db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc);
    if (code == SL_UNAVAILABLE && (rc & 0xff) == SQLITE_IOERR)
        said = "the disk is full";
    return sl_fail(err, code, "%s: %s (%s)", doing, said, db->of->path);
}

/* --- connections -------------------------------------------------------------------------------------------------------------- */

static void close_db(struct sl_wh_db *db)
{
    if (!db->handle)
        return;
    for (sqlite3_stmt *stmt; (stmt = sqlite3_next_stmt(db->handle, NULL));)
        sqlite3_finalize(stmt);
    sl_map_destroy(&db->statements);
    if (db->of->broken)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    sqlite3_close(db->handle);
    db->handle = NULL;
}

static void close_both(struct sl_wh_dataset *dataset)
{
    close_db(&dataset->reader);
    close_db(&dataset->writer);
    dataset->version++;
}

struct sl_wh_dataset *sl_wh_dataset_get(struct sl_wh *wh, const char *name)
{
    struct sl_wh_dataset *dataset = wh->datasets;
    while (dataset && strcmp(dataset->name, name))
        dataset = dataset->next;
    if (dataset)
        return dataset;
    dataset = sl_calloc(1, sizeof *dataset);
    struct sl_buf file = {0};
    sl_buf_printf(&file, "%s/%s.db", wh->dir, name);
    dataset->path = sl_strdup(sl_buf_text(&file));
    sl_buf_fini(&file);
    dataset->name = sl_strdup(name);
    dataset->owner = wh;
    dataset->reader.of = dataset->writer.of = dataset;
    dataset->next = wh->datasets;
    wh->datasets = dataset;
    return dataset;
}

void sl_wh_dataset_free(struct sl_wh_dataset *dataset)
{
    close_both(dataset);
    for (struct sl_wh_plan *plan = dataset->plans, *next; plan; plan = next) {
        next = plan->next;
        free(plan->key);
        free(plan);
    }
    free(dataset->name);
    free(dataset->path);
    free(dataset);
}

static int count_wal_pages(void *arg, sqlite3 *handle, const char *schema, int pages)
{
    struct sl_wh_db *db = arg;
    (void)handle, (void)schema;
    db->wal_pages = pages;
    return SQLITE_OK;
}

/* --- the clock of a question -------------------------------------------------------------------------------------------------------- */

/* Instructions of SQLite's machine between two looks at the clock: about a tenth of a millisecond. */
#define INSTRUCTIONS_PER_LOOK 10000

/* The question's clock starts: after warehouse.timeout the statements of connections under it fail with SL_UNAVAILABLE. */
static void start_clock(struct sl_wh *wh)
{
    wh->base.timed_out = false;
    wh->deadline_us = wh->timeout_ms ? sl_monotonic_us() + wh->timeout_ms * 1000 : 0;
}

/* Non-zero ends the statement with SQLITE_INTERRUPT. */
static int look_at_clock(void *arg)
{
    struct sl_wh *wh = arg;
    if (wh->deadline_us == 0 || sl_monotonic_us() < wh->deadline_us)
        return 0;
    wh->base.timed_out = true;
    return 1;
}

static void put_under_clock(struct sl_wh_db *db)
{
    sqlite3_progress_handler(db->handle, INSTRUCTIONS_PER_LOOK, look_at_clock, db->of->owner);
}

static enum sl_code open_db(struct sl_wh_db *db, int flags, const char *pragmas, struct sl_err *err)
{
    struct sl_wh_dataset *dataset = db->of;
    int rc = sqlite3_open_v2(dataset->path, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, dataset->owner->vfs);
    enum sl_code code = SL_OK;
    struct stat info;
    if (!rc)
        rc = sl_wh_add_functions(db->handle);
    if (rc)
        code = sl_wh_error(db, "open the dataset", err);
    else if (stat(dataset->path, &info))
        code = sl_fail(err, SL_UNAVAILABLE, "%s: %s", dataset->path, strerror(errno));
    if (!code) {
        sqlite3_busy_timeout(db->handle, dataset->owner->busy_ms);
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, (int *)NULL);
        db->device = info.st_dev;
        db->inode = info.st_ino;
        db->statements = sl_map_create();
        code = sl_wh_exec(db, pragmas, err);
    }
    if (code)
        close_db(db);
    return code;
}

static bool is_other_file(const struct sl_wh_db *db, const struct stat *info)
{
    return db->handle && (db->device != info->st_dev || db->inode != info->st_ino);
}

/* Looks at the file; *exists. Connections to a file that is no longer there, or another one now, are closed. */
static enum sl_code look(struct sl_wh_dataset *dataset, bool *exists, struct sl_err *err)
{
    struct stat info;
    *exists = !stat(dataset->path, &info);
    if (dataset->broken)
        return sl_fail(err, SL_INTERNAL, "%s had an I/O error while committing: it is not used again before a restart", dataset->path);
    if (!*exists && errno != ENOENT && errno != ENOTDIR)
        return sl_fail(err, no_permission(errno) ? SL_DENIED : SL_UNAVAILABLE, "%s: %s", dataset->path, strerror(errno));
    bool is_open = dataset->reader.handle || dataset->writer.handle;
    if (is_open && (!*exists || is_other_file(&dataset->reader, &info) || is_other_file(&dataset->writer, &info)))
        close_both(dataset);
    return SL_OK;
}

static enum sl_code check_version(struct sl_wh_db *db, int64_t *version, struct sl_err *err);

static enum sl_code no_dataset(const struct sl_wh_name *name, const struct sl_wh_dataset *dataset, struct sl_err *err)
{
    return sl_fail(err, SL_NOT_FOUND, "there is no table %s.%s: dataset %s has no file (%s)", name->dataset, name->table, name->dataset,
                   dataset->path);
}

enum sl_code sl_wh_reader(struct sl_wh *wh, const struct sl_wh_name *name, struct sl_wh_db **out, struct sl_err *err)
{
    struct sl_wh_dataset *dataset = sl_wh_dataset_get(wh, name->dataset);
    bool exists;
    start_clock(wh);
    enum sl_code code = look(dataset, &exists, err);
    *out = &dataset->reader;
    if (code || dataset->reader.handle)
        return code;
    if (!exists)
        return no_dataset(name, dataset, err);
    dataset->version++;
    dataset->data_version = 0;
    code = open_db(&dataset->reader, SQLITE_OPEN_READWRITE,
                   "PRAGMA query_only=ON; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-" SL_WH_READ_CACHE_KIB, err);
    if (!code)
        put_under_clock(&dataset->reader);
    return code;
}

enum sl_code sl_wh_refresh(struct sl_wh_dataset *dataset, struct sl_err *err)
{
    struct sl_wh_db *db = &dataset->reader;
    sqlite3_stmt *stmt;
    bool row;
    enum sl_code code = sl_wh_cached(db, "PRAGMA data_version", &stmt, err);
    if (code)
        return code;
    code = sl_wh_step(db, stmt, &row, err);
    if (!code && row) {
        unsigned seen = (unsigned)sqlite3_column_int64(stmt, 0);
        dataset->version += seen != dataset->data_version;
        dataset->data_version = seen;
    }
    sl_wh_done(stmt);
    return code;
}

enum sl_code sl_wh_open_own(struct sl_wh *wh, const struct sl_wh_name *name, struct sl_wh_db *out, struct sl_err *err)
{
    struct sl_wh_dataset *dataset = sl_wh_dataset_get(wh, name->dataset);
    int64_t version;
    bool exists;
    *out = (struct sl_wh_db){.of = dataset};
    start_clock(wh);
    enum sl_code code = look(dataset, &exists, err);
    if (!code && !exists)
        return no_dataset(name, dataset, err);
    if (!code)
        code = open_db(out, SQLITE_OPEN_READWRITE, "PRAGMA synchronous=FULL", err);
    if (!code)
        code = check_version(out, &version, err); /* before journal_mode, which writes */
    if (!code)
        code = sl_wh_exec(out, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0", err);
    if (!code)
        put_under_clock(out);
    return code;
}

void sl_wh_close_own(struct sl_wh_db *db)
{
    if (db->handle)
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
    close_db(db);
}

/* --- statements --------------------------------------------------------------------------------------------------------------- */

enum sl_code sl_wh_exec(struct sl_wh_db *db, const char *sql, struct sl_err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) ? sl_wh_error(db, db->of->name, err) : SL_OK;
}

enum sl_code sl_wh_prepare(struct sl_wh_db *db, const char *sql, sqlite3_stmt **out, struct sl_err *err)
{
    return sqlite3_prepare_v2(db->handle, sql, -1, out, NULL) ? sl_wh_error(db, db->of->name, err) : SL_OK;
}

enum sl_code sl_wh_cached(struct sl_wh_db *db, const char *sql, sqlite3_stmt **out, struct sl_err *err)
{
    *out = sl_map_get(db->statements, sql);
    if (*out)
        return SL_OK;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL))
        return sl_wh_error(db, db->of->name, err);
    sl_map_put(db->statements, sql, *out);
    return SL_OK;
}

enum sl_code sl_wh_step(struct sl_wh_db *db, sqlite3_stmt *stmt, bool *row, struct sl_err *err)
{
    int rc = sqlite3_step(stmt);
    *row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SL_OK : sl_wh_error(db, db->of->name, err);
}

void sl_wh_done(sqlite3_stmt *stmt)
{
    if (!stmt)
        return;
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
}

void sl_wh_bind(sqlite3_stmt *stmt, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(stmt, at);
}

/* --- transactions ------------------------------------------------------------------------------------------------------------- */

/* The first row's number of a PRAGMA. */
static enum sl_code pragma_number(struct sl_wh_db *db, const char *sql, int64_t *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    enum sl_code code = sl_wh_cached(db, sql, &stmt, err);
    if (code)
        return code;
    code = sl_wh_step(db, stmt, &row, err);
    *out = row ? sqlite3_column_int64(stmt, 0) : 0;
    sl_wh_done(stmt);
    return code;
}

static enum sl_code check_version(struct sl_wh_db *db, int64_t *version, struct sl_err *err)
{
    enum sl_code code = pragma_number(db, "PRAGMA user_version", version, err);
    if (code || *version <= SL_WH_SCHEMA_VERSION)
        return code;
    return sl_fail(err, SL_CONFLICT, "%s has schema version %lld, this Sluice knows %d: use a newer Sluice", db->of->path,
                   (long long)*version, SL_WH_SCHEMA_VERSION);
}

static enum sl_code open_writer(struct sl_wh_db *db, bool create, struct sl_err *err)
{
    int64_t version;
    enum sl_code code = create ? sl_dir_make(db->of->owner->dir, err) : SL_OK;
    if (!code)
        code = open_db(db, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), "PRAGMA synchronous=FULL", err);
    if (!code)
        code = check_version(db, &version, err); /* before journal_mode, which writes */
    if (!code)
        code = sl_wh_exec(db, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-" SL_WH_CACHE_KIB, err);
    if (!code)
        sqlite3_wal_hook(db->handle, count_wal_pages, db);
    else
        close_db(db);
    return code;
}

static enum sl_code make_schema(struct sl_wh_db *db, struct sl_err *err)
{
    int64_t version;
    enum sl_code code = check_version(db, &version, err);
    db->of->made_schema = !code && version < SL_WH_SCHEMA_VERSION;
    return db->of->made_schema ? sl_wh_exec(db, JOBS_SQL, err) : code;
}

enum sl_code sl_wh_begin(struct sl_wh *wh, const struct sl_wh_name *name, bool create, struct sl_wh_db **out, struct sl_err *err)
{
    struct sl_wh_dataset *dataset = sl_wh_dataset_get(wh, name->dataset);
    struct sl_wh_db *db = &dataset->writer;
    bool exists;
    wh->base.timed_out = false; /* what writes takes its time */
    enum sl_code code = look(dataset, &exists, err);
    *out = db;
    if (!code && !exists && !create)
        return no_dataset(name, dataset, err);
    if (!code && !db->handle)
        code = open_writer(db, create, err);
    if (!code)
        code = sl_wh_exec(db, "BEGIN IMMEDIATE", err);
    if (code)
        return code;
    code = make_schema(db, err);
    if (code)
        sl_wh_rollback(db);
    return code;
}

/* An I/O error here leaves it unknown what is on the disk. */
static enum sl_code distrust(struct sl_wh_db *db, enum sl_code code)
{
    db->of->broken = db->of->broken || (code == SL_INTERNAL && (sqlite3_errcode(db->handle) & 0xff) == SQLITE_IOERR);
    return code;
}

static enum sl_code checkpoint(struct sl_wh_db *db, struct sl_err *err)
{
    if (db->wal_pages < db->of->owner->checkpoint_pages)
        return SL_OK;
    db->wal_pages = 0;
    sqlite3_db_release_memory(db->handle);
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if (!rc || (rc & 0xff) == SQLITE_BUSY || sl_wh_code(rc, sqlite3_system_errno(db->handle)) == SL_UNAVAILABLE)
        return SL_OK; /* the commit is in the WAL; the next one tries again */
    return distrust(db, sl_wh_error(db, "checkpoint", err));
}

static enum sl_code commit(struct sl_wh_db *db, struct sl_err *err)
{
    if (sqlite3_exec(db->handle, "COMMIT", NULL, NULL, NULL)) {
        enum sl_code code = distrust(db, sl_wh_error(db, "commit", err));
        sl_wh_rollback(db);
        return code;
    }
    return checkpoint(db, err);
}

void sl_wh_rollback(struct sl_wh_db *db)
{
    if (!db->of->broken && !sqlite3_get_autocommit(db->handle))
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

enum sl_code sl_wh_end(struct sl_wh_db *db, enum sl_code code, struct sl_err *err)
{
    if (!code)
        return commit(db, err);
    sl_wh_rollback(db);
    return code;
}
