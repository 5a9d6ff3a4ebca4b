/* test_ledger_sqlite.c - the ledger's contract on SQLite, and what only SQLite can do wrong: codes, versions, disks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include <sluice/file.h>
#include <sluice/ledger_sqlite.h>

#include "ledger_contract.h"
#include "ledger_expect.h"

struct place {
    char dir[64], path[96];
};

static void *setup(void)
{
    struct place *place = sl_calloc(1, sizeof(*place));
    snprintf(place->dir, sizeof(place->dir), "/tmp/test_ledger.XXXXXX");
    cr_assert_not_null(mkdtemp(place->dir));
    snprintf(place->path, sizeof(place->path), "%s/ledger.db", place->dir);
    return place;
}

static void teardown(void *state)
{
    static const char *const SUFFIXES[] = {"", "-wal", "-shm", "-journal"};
    struct place *place = state;
    for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", place->path, SUFFIXES[i]);
        unlink(path);
    }
    rmdir(place->dir);
    free(place);
}

static enum sl_code open_handle(void *state, enum sl_ledger_open_mode mode, struct sl_ledger **out, struct sl_err *err)
{
    static const struct sl_ledger_sqlite_options IMPATIENT = {.busy_timeout_ms = 1};
    return sl_ledger_sqlite_open(out, ((struct place *)state)->path, mode, &IMPATIENT, err);
}

static const struct ledger_backend SQLITE = {"sqlite", setup, teardown, open_handle};

#define CASE(name)                                                                                                                         \
    Test(ledger_sqlite, name)                                                                                                              \
    {                                                                                                                                      \
        ledger_contract_run(&SQLITE, ledger_case_##name);                                                                                  \
    }
LEDGER_CASES(CASE)

Test(ledger_sqlite, codes)
{
    static const struct {
        int rc;
        enum sl_code code;
    } rows[] = {
        {SQLITE_OK, SL_OK},
        {SQLITE_ROW, SL_OK},
        {SQLITE_DONE, SL_NOT_FOUND},
        {SQLITE_CONSTRAINT_UNIQUE, SL_CONFLICT},
        {SQLITE_CONSTRAINT_PRIMARYKEY, SL_CONFLICT},
        {SQLITE_CONSTRAINT_ROWID, SL_CONFLICT},
        {SQLITE_CONSTRAINT, SL_INVALID},
        {SQLITE_CONSTRAINT_NOTNULL, SL_INVALID},
        {SQLITE_CONSTRAINT_CHECK, SL_INVALID},
        {SQLITE_TOOBIG, SL_INVALID},
        {SQLITE_MISMATCH, SL_INVALID},
        {SQLITE_BUSY, SL_UNAVAILABLE},
        {SQLITE_BUSY_SNAPSHOT, SL_UNAVAILABLE},
        {SQLITE_BUSY_RECOVERY, SL_UNAVAILABLE},
        {SQLITE_LOCKED, SL_UNAVAILABLE},
        {SQLITE_LOCKED_SHAREDCACHE, SL_UNAVAILABLE},
        {SQLITE_PROTOCOL, SL_UNAVAILABLE},
        {SQLITE_FULL, SL_UNAVAILABLE},
        {SQLITE_NOMEM, SL_UNAVAILABLE},
        {SQLITE_PERM, SL_DENIED},
        {SQLITE_AUTH, SL_DENIED},
        {SQLITE_READONLY, SL_DENIED},
        {SQLITE_READONLY_DIRECTORY, SL_DENIED},
        {SQLITE_READONLY_DBMOVED, SL_DENIED},
        {SQLITE_CANTOPEN, SL_DENIED},
        {SQLITE_CANTOPEN_ISDIR, SL_DENIED},
        {SQLITE_CORRUPT, SL_CORRUPT},
        {SQLITE_CORRUPT_INDEX, SL_CORRUPT},
        {SQLITE_NOTADB, SL_CORRUPT},
        {SQLITE_FORMAT, SL_CORRUPT},
        {SQLITE_IOERR, SL_INTERNAL},
        {SQLITE_IOERR_FSYNC, SL_INTERNAL},
        {SQLITE_IOERR_WRITE, SL_INTERNAL},
        {SQLITE_IOERR_READ, SL_INTERNAL},
        {SQLITE_ERROR, SL_INTERNAL},
        {SQLITE_MISUSE, SL_INTERNAL},
        {SQLITE_RANGE, SL_INTERNAL},
        {SQLITE_INTERNAL, SL_INTERNAL},
        {SQLITE_ABORT, SL_INTERNAL},
        {SQLITE_INTERRUPT, SL_INTERNAL},
        {SQLITE_SCHEMA, SL_INTERNAL},
        {SQLITE_NOTFOUND, SL_INTERNAL},
        {SQLITE_EMPTY, SL_INTERNAL},
        {SQLITE_NOLFS, SL_INTERNAL},
        {SQLITE_NOTICE, SL_INTERNAL},
        {SQLITE_WARNING, SL_INTERNAL},
        {250, SL_INTERNAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        expect_code(sl_ledger_sqlite_code(rows[i].rc), rows[i].code);
    for (int rc = 0; rc < 0x10000; rc++)
        cr_assert(sl_ledger_sqlite_code(rc) != SL_NOT_FOUND || (rc & 0xff) == SQLITE_DONE, "%d", rc);
}

/* Runs SQL on the file as anybody might, beside the ledger. */
static void outside(const char *path, const char *sql)
{
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int64_t outside_int(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

Test(ledger_sqlite, events_table_has_the_logs_columns)
{
    struct place *place = setup();
    struct ledger_fixture local = {.state = place}, *f = &local;
    char sql[160];
    expect_ok(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err));
    for (int i = 0; i < SL_N_LOG_COLUMNS; i++) {
        snprintf(sql, sizeof(sql), "SELECT count(*) FROM pragma_table_info('events') WHERE cid = %d AND name = '%s'", i + 1,
                 SL_LOG_COLUMNS[i]);
        cr_expect_eq(outside_int(place->path, sql), 1, "%s", SL_LOG_COLUMNS[i]);
    }
    sl_ledger_destroy(&f->ledger);
    teardown(place);
}

Test(ledger_sqlite, facts_and_configs_are_stored_once)
{
    struct place *place = setup();
    struct ledger_fixture local = {.state = place}, *f = &local;
    struct sl_gate gate = ledger_test_gate("p", 1, SL_BLOCKED);
    expect_ok(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err));
    for (int i = 0; i < 3; i++) {
        gate.decided_us = i;
        expect_ok(sl_ledger_decision_add(f->ledger, &gate, i ? "{\"b\":1}" : "{\"a\":1}", 7, "{}", 2, &f->err));
        expect_ok(sl_ledger_config_add(f->ledger, "h", "{}", i, &f->err));
    }
    cr_expect_eq(outside_int(place->path, "SELECT count(*) FROM facts"), 2);
    cr_expect_eq(outside_int(place->path, "SELECT count(*) FROM decisions"), 3);
    cr_expect_eq(outside_int(place->path, "SELECT count(*) FROM configs"), 1);
    bool more;
    expect_ok(sl_ledger_prune(f->ledger, 0, 100, &more, &f->err));
    cr_expect(more);
    expect_ok(sl_ledger_prune(f->ledger, 0, 100, &more, &f->err));
    cr_expect_not(more);
    cr_expect_eq(outside_int(place->path, "SELECT count(*) FROM facts"), 1);
    cr_expect_eq(outside_int(place->path, "SELECT count(*) FROM decisions"), 1);
    sl_ledger_destroy(&f->ledger);
    teardown(place);
}

Test(ledger_sqlite, opens_by_config)
{
    struct place *place = setup();
    struct sl_config config = {.ledger = {.type = SL_LEDGER_SQLITE}};
    struct ledger_fixture local = {.state = place}, *f = &local;
    char dir[160], path[192];
    snprintf(dir, sizeof(dir), "%s/state", place->dir);
    snprintf(path, sizeof(path), "%s/ledger.db", dir);
    config.ledger.path = path;
    expect_code(sl_ledger_open(&f->ledger, &config, SL_LEDGER_READ, &f->err), SL_NOT_FOUND);
    cr_expect_not_null(strstr(f->err.text, "sluice init"));
    cr_expect_eq(access(dir, F_OK), -1, "reading made nothing");
    expect_ok(sl_ledger_open(&f->ledger, &config, SL_LEDGER_WRITE, &f->err));
    sl_ledger_destroy(&f->ledger);
    cr_expect_eq(outside_int(path, "PRAGMA user_version"), SL_LEDGER_SQLITE_VERSION);
    expect_ok(sl_ledger_open(&f->ledger, &config, SL_LEDGER_READ, &f->err));
    sl_ledger_destroy(&f->ledger);
    sl_ledger_destroy(&f->ledger);
    config.ledger.type = SL_LEDGER_POSTGRES;
    expect_code(sl_ledger_open(&f->ledger, &config, SL_LEDGER_WRITE, &f->err), SL_INVALID);
    for (size_t i = 0; i < 3; i++) {
        char file[224];
        snprintf(file, sizeof(file), "%s%s", path, ((const char *const[]){"", "-wal", "-shm"})[i]);
        unlink(file);
    }
    rmdir(dir);
    teardown(place);
}

/* A ledger of the version before, with a gate in it, as that version left it. */
static void go_back_to_version_1(const char *path)
{
    static const char BACK[] = "ALTER TABLE gates DROP COLUMN quality_tier; ALTER TABLE gates DROP COLUMN quality_score;"
                               "DROP TABLE stale; DROP TABLE stamps; PRAGMA user_version = 1";
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, BACK, NULL, NULL, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(ledger_sqlite, a_ledger_of_version_1_is_brought_along)
{
    struct place *place = setup();
    struct ledger_fixture local = {.state = place}, *f = &local;
    struct sl_gate gate = ledger_test_gate("p", 1, SL_BLOCKED), got;
    struct sl_stale_mark mark = {.phase = "p", .date = 1, .generation = 1, .culprit_phase = "o", .culprit_date = 1, .reason = "rerun"};
    bool is_new = false;
    expect_ok(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err));
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    sl_ledger_destroy(&f->ledger);
    go_back_to_version_1(place->path);
    expect_code(open_handle(place, SL_LEDGER_READ, &f->ledger, &f->err), SL_CONFLICT);
    sl_ledger_destroy(&f->ledger);
    expect_ok(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err));
    cr_expect_eq(outside_int(place->path, "PRAGMA user_version"), SL_LEDGER_SQLITE_VERSION);
    expect_ok(sl_ledger_gate_get(f->ledger, "p", 1, SL_PAST, 1, &got, &f->arena, &f->err));
    cr_expect(got.state == SL_BLOCKED && !got.quality_tier && got.quality_score <= 0);
    gate.quality_tier = "silver";
    gate.quality_score = 85.5;
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    expect_ok(sl_ledger_gate_get(f->ledger, "p", 1, SL_PAST, 1, &got, &f->arena, &f->err));
    cr_expect_str_eq(got.quality_tier, "silver");
    cr_expect_float_eq(got.quality_score, 85.5, 1e-9);
    expect_ok(sl_ledger_stale_add(f->ledger, &mark, &is_new, &f->err));
    cr_expect(is_new);
    sl_ledger_destroy(&f->ledger);
    sl_arena_fini(&f->arena);
    teardown(place);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(bytes, 1, len, file) == len && fclose(file) == 0);
}

/* Opening must fail with `code`, and the file be as it was, to the byte. */
static void expect_refused_unchanged(struct place *place, enum sl_ledger_open_mode mode, enum sl_code code, const char *label)
{
    struct sl_buf before = {0}, after = {0};
    struct sl_ledger *ledger = NULL;
    struct sl_err err;
    cr_assert_eq(sl_file_read(&before, place->path, 1 << 20, &err), SL_OK);
    enum sl_code got = open_handle(place, mode, &ledger, &err);
    cr_expect_eq(got, code, "%s: %s", label, got ? err.text : "opened");
    cr_assert_eq(sl_file_read(&after, place->path, 1 << 20, &err), SL_OK);
    cr_expect(before.len == after.len && (before.len == 0 || memcmp(before.data, after.data, before.len) == 0), "%s: changed", label);
    sl_ledger_destroy(&ledger);
    sl_buf_fini(&before);
    sl_buf_fini(&after);
}

Test(ledger_sqlite, refuses_files_unchanged)
{
    static const struct {
        const char *label, *sql;
        enum sl_code code;
    } rows[] = {
        {"a newer version", "PRAGMA user_version = 2000", SL_CONFLICT},
        {"a newer version in WAL", "PRAGMA journal_mode = WAL; PRAGMA user_version = 2147483647", SL_CONFLICT},
        {"another program's file", "CREATE TABLE t (a)", SL_INVALID},
        {"a version that never was", "PRAGMA user_version = -1", SL_CORRUPT},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct place *place = setup();
        outside(place->path, rows[i].sql);
        expect_refused_unchanged(place, SL_LEDGER_WRITE, rows[i].code, rows[i].label);
        expect_refused_unchanged(place, SL_LEDGER_READ, rows[i].code, rows[i].label);
        teardown(place);
    }
    struct place *place = setup();
    write_file(place->path, "this is no database, but it is long enough to have a header of one, or so it seems to me, who wrote it", 100);
    expect_refused_unchanged(place, SL_LEDGER_WRITE, SL_CORRUPT, "no database");
    write_file(place->path, "", 0);
    expect_refused_unchanged(place, SL_LEDGER_READ, SL_NOT_FOUND, "an empty file");
    teardown(place);
}

/* A newer program has the ledger open, its commits still in the log: we refuse, and don't move a page of it. */
Test(ledger_sqlite, refuses_a_newer_version_that_is_in_use)
{
    struct place *place = setup();
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(place->path, &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA journal_mode = WAL; CREATE TABLE t (a); PRAGMA user_version = 7", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    expect_refused_unchanged(place, SL_LEDGER_WRITE, SL_CONFLICT, "newer, in its log");
    expect_refused_unchanged(place, SL_LEDGER_READ, SL_CONFLICT, "newer, in its log");
    teardown(place);
}

Test(ledger_sqlite, read_only_directory_is_denied)
{
    struct place *place = setup();
    struct ledger_fixture local = {.state = place}, *f = &local;
    uid_t user = geteuid();
    cr_assert_eq(chmod(place->dir, 0555), 0);
    if (user == 0)
        cr_assert_eq(seteuid(65534), 0); /* root may write anywhere */
    expect_code(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err), SL_DENIED);
    cr_expect_null(f->ledger);
    expect_code(open_handle(place, SL_LEDGER_READ, &f->ledger, &f->err), SL_NOT_FOUND);
    if (user == 0)
        cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chmod(place->dir, 0755), 0);
    expect_ok(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err));
    sl_ledger_destroy(&f->ledger);
    cr_assert_eq(chmod(place->path, 0444), 0);
    if (user == 0)
        cr_assert_eq(seteuid(65534), 0);
    expect_code(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err), SL_DENIED);
    if (user == 0)
        cr_assert_eq(seteuid(0), 0);
    teardown(place);
}

Test(ledger_sqlite, full_disk_rolls_back)
{
    struct place *place = setup();
    struct sl_ledger_sqlite_options full = {.max_pages = 100};
    struct ledger_fixture local = {.state = place}, *f = &local;
    struct sl_ledger_counts counts;
    char bytes[100000] = {0};
    struct sl_reject_row row = {.code = "not_json", .data = bytes, .len = sizeof(bytes)};
    int64_t ms;
    expect_ok(sl_ledger_sqlite_open(&f->ledger, place->path, SL_LEDGER_WRITE, &full, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "kept", 1, &f->err));
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "lost", 1, &f->err));
    enum sl_code code = SL_OK;
    for (int i = 0; i < 100 && code == SL_OK; i++)
        code = sl_ledger_reject_add(f->ledger, &row, &f->err);
    expect_code(code, SL_UNAVAILABLE);
    expect_code(sl_ledger_clock_set(f->ledger, "alone", 1, &f->err), SL_UNAVAILABLE);
    expect_code(sl_ledger_commit(f->ledger, &f->err), SL_UNAVAILABLE);
    expect_ok(sl_ledger_counts(f->ledger, 0, &counts, &f->err));
    cr_expect_eq(counts.rejects, 0);
    static const struct {
        const char *phase;
        int64_t ms;
    } clocks[] = {{"kept", 1}, {"lost", 0}, {"alone", 0}};
    for (size_t i = 0; i < 3; i++) {
        expect_ok(sl_ledger_clock_get(f->ledger, clocks[i].phase, &ms, &f->err));
        cr_expect_eq(ms, clocks[i].ms, "%s", clocks[i].phase);
    }
    expect_ok(sl_ledger_begin(f->ledger, &f->err)); /* and what fits can still be written */
    expect_ok(sl_ledger_clock_set(f->ledger, "after", 1, &f->err));
    expect_ok(sl_ledger_commit(f->ledger, &f->err));
    sl_ledger_destroy(&f->ledger);
    teardown(place);
}

/* A VFS that is the system's but for xSync, which fails while `sync_fails`. Main file and log differ in their locking methods. */
static struct {
    sqlite3_vfs vfs;
    sqlite3_io_methods main_file, log;
    int (*sync)(sqlite3_file *, int);
    int (*write)(sqlite3_file *, const void *, int, sqlite3_int64);
    bool sync_fails;
    int n_failed, n_after; /* syncs that failed; writes and syncs that came after the first failure */
} shim;

static int shim_sync(sqlite3_file *file, int flags)
{
    shim.n_after += shim.n_failed > 0;
    if (!shim.sync_fails)
        return shim.sync(file, flags);
    shim.n_failed++;
    return SQLITE_IOERR_FSYNC;
}

static int shim_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    shim.n_after += shim.n_failed > 0;
    return shim.write(file, bytes, n, at);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    (void)vfs;
    sqlite3_vfs *system = sqlite3_vfs_find(NULL);
    int rc = system->xOpen(system, name, file, flags, out_flags);
    if (rc != SQLITE_OK || !(flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_DB)))
        return rc;
    sqlite3_io_methods *methods = flags & SQLITE_OPEN_WAL ? &shim.log : &shim.main_file;
    *methods = *file->pMethods;
    shim.sync = methods->xSync;
    shim.write = methods->xWrite;
    methods->xSync = shim_sync;
    methods->xWrite = shim_write;
    file->pMethods = methods;
    return rc;
}

static void shim_register(void)
{
    memset(&shim, 0, sizeof(shim));
    shim.vfs = *sqlite3_vfs_find(NULL);
    shim.vfs.zName = "failing";
    shim.vfs.xOpen = shim_open;
    shim.vfs.pNext = NULL;
    cr_assert_eq(sqlite3_vfs_register(&shim.vfs, 0), SQLITE_OK);
}

Test(ledger_sqlite, failed_fsync_poisons)
{
    struct place *place = setup();
    struct sl_ledger_sqlite_options options = {.vfs = "failing"};
    struct ledger_fixture local = {.state = place}, *f = &local;
    struct sl_ledger_counts counts;
    int64_t ms;
    bool changed;
    shim_register();
    expect_ok(sl_ledger_sqlite_open(&f->ledger, place->path, SL_LEDGER_WRITE, &options, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "kept", 1, &f->err));
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "p", 1, &f->err));
    shim.sync_fails = true;
    expect_code(sl_ledger_commit(f->ledger, &f->err), SL_INTERNAL);
    shim.sync_fails = false;
    cr_expect_eq(shim.n_failed, 1, "and it was not tried again");
    expect_code(sl_ledger_begin(f->ledger, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_commit(f->ledger, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_clock_set(f->ledger, "p", 1, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_clock_get(f->ledger, "kept", &ms, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_counts(f->ledger, 0, &counts, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_changed(f->ledger, &changed, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_checkpoint(f->ledger, &f->err), SL_INTERNAL);
    sl_ledger_rollback(f->ledger);
    sl_ledger_destroy(&f->ledger);
    cr_expect_eq(shim.n_after, 0, "nothing is written or synced after a failed fsync, not even at close");
    expect_ok(open_handle(place, SL_LEDGER_WRITE, &f->ledger, &f->err));
    expect_ok(sl_ledger_clock_get(f->ledger, "kept", &ms, &f->err));
    cr_expect_eq(ms, 1, "the next process finds the last commit");
    sl_ledger_destroy(&f->ledger);
    teardown(place);
}

/* A call that commits by itself is no different; nor is a checkpoint. */
Test(ledger_sqlite, failed_fsync_poisons_outside_transactions)
{
    for (int with_checkpoint = 0; with_checkpoint < 2; with_checkpoint++) {
        struct place *place = setup();
        struct sl_ledger_sqlite_options options = {.vfs = "failing"};
        struct ledger_fixture local = {.state = place}, *f = &local;
        shim_register();
        expect_ok(sl_ledger_sqlite_open(&f->ledger, place->path, SL_LEDGER_WRITE, &options, &f->err));
        expect_ok(sl_ledger_clock_set(f->ledger, "p", 1, &f->err));
        shim.sync_fails = true;
        enum sl_code code = with_checkpoint ? sl_ledger_checkpoint(f->ledger, &f->err) : sl_ledger_clock_set(f->ledger, "p", 2, &f->err);
        expect_code(code, SL_INTERNAL);
        shim.sync_fails = false;
        expect_code(sl_ledger_clock_set(f->ledger, "p", 2, &f->err), SL_INTERNAL);
        sl_ledger_destroy(&f->ledger);
        cr_expect_eq(shim.n_after, 0);
        teardown(place);
    }
}

Test(ledger_sqlite, every_commit_is_synced)
{
    static const struct {
        enum sl_sqlite_sync synchronous;
        bool synced;
    } rows[] = {{SL_SYNC_FULL, true}, {SL_SYNC_NORMAL, false}, {SL_SYNC_OFF, false}};
    for (size_t i = 0; i < 3; i++) {
        struct place *place = setup();
        struct sl_ledger_sqlite_options options = {.vfs = "failing", .synchronous = rows[i].synchronous};
        struct ledger_fixture local = {.state = place}, *f = &local;
        shim_register();
        expect_ok(sl_ledger_sqlite_open(&f->ledger, place->path, SL_LEDGER_WRITE, &options, &f->err));
        expect_ok(sl_ledger_clock_set(f->ledger, "p", 1, &f->err));
        shim.sync_fails = true;
        enum sl_code code = sl_ledger_clock_set(f->ledger, "p", 2, &f->err);
        cr_expect_eq(code != SL_OK, rows[i].synced, "row %zu", i);
        shim.sync_fails = false;
        sl_ledger_destroy(&f->ledger);
        teardown(place);
    }
}

/* Nobody checkpoints, until the log is too long: then the writer does. */
Test(ledger_sqlite, long_log_is_checkpointed_by_the_writer)
{
    static const struct {
        int64_t limit_pages;
        bool moved;
    } rows[] = {{50, true}, {0, false}};
    for (size_t i = 0; i < 2; i++) {
        struct place *place = setup();
        struct sl_ledger_sqlite_options options = {.wal_limit_pages = rows[i].limit_pages, .synchronous = SL_SYNC_OFF};
        struct ledger_fixture local = {.state = place}, *f = &local;
        struct stat file;
        expect_ok(sl_ledger_sqlite_open(&f->ledger, place->path, SL_LEDGER_WRITE, &options, &f->err));
        for (int k = 0; k < 3000; k++) {
            struct sl_run run = ledger_test_run(k, "P", "e");
            expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
        }
        cr_assert_eq(stat(place->path, &file), 0);
        cr_expect_eq(file.st_size > 4096 * 40, rows[i].moved, "the file has %lld bytes", (long long)file.st_size);
        sl_ledger_destroy(&f->ledger);
        teardown(place);
    }
}

/* Many processes that find no ledger: one makes it, the others wait and use it. */
Test(ledger_sqlite, made_by_many_at_once)
{
    struct place *place = setup();
    struct sl_ledger_sqlite_options options = {.synchronous = SL_SYNC_OFF};
    pid_t children[8];
    for (size_t i = 0; i < 8; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct sl_ledger *ledger;
            struct sl_err err;
            enum sl_code code = sl_ledger_sqlite_open(&ledger, place->path, SL_LEDGER_WRITE, &options, &err);
            if (code == SL_OK)
                code = sl_ledger_clock_set(ledger, "p", 1, &err);
            if (code)
                fprintf(stderr, "%s\n", err.text);
            _exit((int)code);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        int status = -1;
        cr_assert_eq(waitpid(children[i], &status, 0), children[i]);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child %zu: %d", i, status);
    }
    cr_expect_eq(outside_int(place->path, "SELECT count(*) FROM meta"), 1);
    teardown(place);
}
