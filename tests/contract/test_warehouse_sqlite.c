/* test_warehouse_sqlite.c - the contract list against SQLite, and what only SQLite has: files, result codes, indexes, failing disks. */
#include "warehouse_contract.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/event.h>

#include "../../src/warehouse/sqlite.h"

#define COUNT(items) (sizeof(items) / sizeof *(items))

static void setup(struct warehouse_fixture *f)
{
    *f = (struct warehouse_fixture){0};
    snprintf(f->dir, sizeof f->dir, "/tmp/sluice-warehouse-XXXXXX");
    cr_assert(mkdtemp(f->dir));
    warehouse_fixture_config(f);
    cr_assert_eq(sl_warehouse_open(&f->warehouse, &f->config, &f->err), SL_OK, "%s", f->err.text);
}

static void teardown(struct warehouse_fixture *f)
{
    static const char *const FILES[] = {"input.csv", "raw.db", "ref.db", "raw.db-wal", "raw.db-shm", "ref.db-wal", "ref.db-shm", "old.db"};
    char path[256];
    sl_warehouse_destroy(&f->warehouse);
    cr_expect_null(f->warehouse);
    sl_arena_fini(&f->arena);
    for (size_t i = 0; i < COUNT(FILES); i++) {
        snprintf(path, sizeof path, "%s/%s", f->dir, FILES[i]);
        unlink(path);
    }
    cr_expect_eq(rmdir(f->dir), 0, "%s is not empty", f->dir);
}

#define CONTRACT_TEST(name)                                                                                                                \
    Test(warehouse_sqlite_contract, name)                                                                                                  \
    {                                                                                                                                      \
        struct warehouse_fixture f;                                                                                                        \
        setup(&f);                                                                                                                         \
        warehouse_contract_##name(&f);                                                                                                     \
        teardown(&f);                                                                                                                      \
    }
WAREHOUSE_CONTRACT(CONTRACT_TEST)

static void import_ok(struct warehouse_fixture *f, const char *table, const char *text)
{
    cr_assert_eq(warehouse_import(f, table, text, NULL, NULL), SL_OK, "%s: %s", table, f->err.text);
}

static void dataset_path(const struct warehouse_fixture *f, const char *dataset, char *out, size_t size)
{
    snprintf(out, size, "%s/%s.db", f->dir, dataset);
}

/* Somebody else's connection to a dataset. */
static sqlite3 *other(const struct warehouse_fixture *f, const char *dataset)
{
    char path[256];
    sqlite3 *db;
    dataset_path(f, dataset, path, sizeof path);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    char *text = NULL;
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &text), SQLITE_OK, "%s: %s", sql, text);
}

static void run_once(const struct warehouse_fixture *f, const char *dataset, const char *sql)
{
    sqlite3 *db = other(f, dataset);
    run(db, sql);
    sqlite3_close(db);
}

/* The first cell, "NULL", or "" when there is no row. */
static void expect_cell(const struct warehouse_fixture *f, const char *dataset, const char *sql, const char *expected)
{
    sqlite3 *db = other(f, dataset);
    sqlite3_stmt *stmt;
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    const char *got = "";
    if (sqlite3_step(stmt) == SQLITE_ROW)
        got = sqlite3_column_text(stmt, 0) ? (const char *)sqlite3_column_text(stmt, 0) : "NULL";
    cr_expect_str_eq(got, expected, "%s: %s, not %s", sql, got, expected);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

Test(warehouse_sqlite, result_codes)
{
    static const struct {
        int rc, sys_errno;
        enum sl_code code;
    } CASES[] = {
        {SQLITE_OK, 0, SL_OK},
        {SQLITE_ROW, 0, SL_OK},
        {SQLITE_DONE, 0, SL_OK},
        {SQLITE_BUSY, 0, SL_UNAVAILABLE},
        {SQLITE_BUSY_SNAPSHOT, 0, SL_UNAVAILABLE},
        {SQLITE_BUSY_RECOVERY, 0, SL_UNAVAILABLE},
        {SQLITE_LOCKED, 0, SL_UNAVAILABLE},
        {SQLITE_PROTOCOL, 0, SL_UNAVAILABLE},
        {SQLITE_FULL, ENOSPC, SL_UNAVAILABLE},
        {SQLITE_NOMEM, 0, SL_UNAVAILABLE},
        {SQLITE_INTERRUPT, 0, SL_UNAVAILABLE},
        {SQLITE_CANTOPEN, EMFILE, SL_UNAVAILABLE},
        {SQLITE_CANTOPEN, ENOENT, SL_UNAVAILABLE},
        {SQLITE_CANTOPEN, EACCES, SL_DENIED},
        {SQLITE_CANTOPEN, EROFS, SL_DENIED},
        {SQLITE_READONLY, 0, SL_DENIED},
        {SQLITE_READONLY_DIRECTORY, 0, SL_DENIED},
        {SQLITE_PERM, 0, SL_DENIED},
        {SQLITE_AUTH, 0, SL_DENIED},
        {SQLITE_CORRUPT, 0, SL_CORRUPT},
        {SQLITE_CORRUPT_INDEX, 0, SL_CORRUPT},
        {SQLITE_NOTADB, 0, SL_CORRUPT},
        {SQLITE_FORMAT, 0, SL_CORRUPT},
        {SQLITE_CONSTRAINT_NOTNULL, 0, SL_INVALID},
        {SQLITE_CONSTRAINT_UNIQUE, 0, SL_INVALID},
        {SQLITE_MISMATCH, 0, SL_INVALID},
        {SQLITE_TOOBIG, 0, SL_INVALID},
        {SQLITE_IOERR, EIO, SL_INTERNAL},
        {SQLITE_IOERR_READ, EIO, SL_INTERNAL},
        {SQLITE_IOERR_FSYNC, EIO, SL_INTERNAL},
        {SQLITE_IOERR_FSYNC, ENOSPC, SL_INTERNAL},
        {SQLITE_IOERR_WRITE, EDQUOT, SL_UNAVAILABLE},
        {SQLITE_IOERR_SHMSIZE, ENOSPC, SL_UNAVAILABLE},
        {SQLITE_ERROR, 0, SL_INTERNAL},
        {SQLITE_MISUSE, 0, SL_INTERNAL},
        {SQLITE_SCHEMA, 0, SL_INTERNAL},
        {SQLITE_RANGE, 0, SL_INTERNAL},
        {SQLITE_NOTFOUND, 0, SL_INTERNAL},
        {SQLITE_ABORT, 0, SL_INTERNAL},
    };
    for (size_t i = 0; i < COUNT(CASES); i++)
        cr_expect_eq(sl_wh_code(CASES[i].rc, CASES[i].sys_errno), CASES[i].code, "%s, errno %d: %s", sqlite3_errstr(CASES[i].rc),
                     CASES[i].sys_errno, sl_code_name(sl_wh_code(CASES[i].rc, CASES[i].sys_errno)));
    for (int rc = 0; rc < 4096; rc++)
        cr_expect_neq(sl_wh_code(rc, 0), SL_NOT_FOUND, "%d", rc);
}

Test(warehouse_sqlite, opening)
{
    struct sl_config config = {0};
    struct sl_warehouse *warehouse;
    struct sl_err err;
    config.warehouse.type = SL_WAREHOUSE_BIGQUERY;
    cr_expect_eq(sl_warehouse_open(&warehouse, &config, &err), SL_INVALID);
    cr_expect(strstr(err.text, "not built into this version"));
    cr_expect_null(warehouse);
    config.warehouse.type = SL_WAREHOUSE_SQLITE;
    cr_expect_eq(sl_warehouse_open(&warehouse, &config, &err), SL_INVALID);
    cr_expect_null(warehouse);
    sl_warehouse_destroy(&warehouse);
}

static const struct sl_source SCORES = {.table = "raw.scores", .date_column = "day", .unit_column = "game"};

static enum sl_code ask_one(struct warehouse_fixture *f, const char *day, const char *unit, uint8_t *present)
{
    struct sl_key key = {warehouse_day(day), unit};
    return sl_warehouse_present(f->warehouse, &SCORES, &key, 1, present, &f->err);
}

Test(warehouse_sqlite, questions_never_create_files)
{
    struct warehouse_fixture f;
    struct stat info;
    uint8_t present;
    char path[256];
    setup(&f);
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_NOT_FOUND);
    dataset_path(&f, "raw", path, sizeof path);
    cr_expect_eq(stat(path, &info), -1);
    teardown(&f);
}

Test(warehouse_sqlite, a_replaced_or_removed_file_is_noticed)
{
    struct warehouse_fixture f;
    uint8_t present = 0;
    int64_t before, after;
    char path[256], old[256];
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_OK);
    cr_expect_eq(present, 1);
    cr_assert(sl_warehouse_version(f.warehouse, "raw.scores", &before));
    dataset_path(&f, "raw", path, sizeof path);
    dataset_path(&f, "old", old, sizeof old);
    run_once(&f, "raw", "PRAGMA wal_checkpoint(TRUNCATE)");
    cr_assert_eq(rename(path, old), 0);
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_NOT_FOUND);
    cr_expect_not(sl_warehouse_version(f.warehouse, "raw.scores", &after));
    import_ok(&f, "raw.scores", "day,game\n2025-01-02,a\n");
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_OK);
    cr_expect_eq(present, 0);
    cr_expect_eq(ask_one(&f, "2025-01-02", "a", &present), SL_OK);
    cr_expect_eq(present, 1);
    cr_assert(sl_warehouse_version(f.warehouse, "raw.scores", &after));
    cr_expect_neq(before, after);
    teardown(&f);
}

Test(warehouse_sqlite, other_writers_are_noticed)
{
    struct warehouse_fixture f;
    uint8_t present = 0;
    int64_t before, after;
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    cr_assert(sl_warehouse_version(f.warehouse, "raw.scores", &before));
    run_once(&f, "raw", "INSERT INTO scores VALUES('2025-01-02', 'a')");
    cr_assert(sl_warehouse_version(f.warehouse, "raw.scores", &after));
    cr_expect_neq(before, after);
    cr_expect_eq(ask_one(&f, "2025-01-02", "a", &present), SL_OK);
    cr_expect_eq(present, 1);
    run_once(&f, "raw", "ALTER TABLE scores RENAME COLUMN game TO other");
    cr_expect_eq(ask_one(&f, "2025-01-02", "a", &present), SL_NOT_FOUND);
    cr_expect(strstr(f.err.text, "game"), "%s", f.err.text);
    teardown(&f);
}

Test(warehouse_sqlite, a_broken_file_is_corrupt)
{
    struct warehouse_fixture f;
    uint8_t present;
    char path[256];
    setup(&f);
    dataset_path(&f, "raw", path, sizeof path);
    FILE *file = fopen(path, "wb");
    for (int i = 0; i < 200; i++)
        fputs("this is no database. ", file);
    fclose(file);
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_CORRUPT, "%s", f.err.text);
    cr_expect_eq(warehouse_import(&f, "raw.scores", "day,game\n2025-01-01,a\n", NULL, NULL), SL_CORRUPT, "%s", f.err.text);
    teardown(&f);
}

Test(warehouse_sqlite, a_newer_schema_is_refused_before_any_write)
{
    struct warehouse_fixture f;
    const char **made;
    size_t n;
    struct sl_load load = {.job_id = "j", .table = "ref.t", .columns = (const char *[]){"a"}, .n_columns = 1};
    bool already;
    setup(&f);
    run_once(&f, "ref", "PRAGMA user_version=2; CREATE TABLE t(a TEXT)");
    cr_expect_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_CONFLICT, "%s", f.err.text);
    cr_expect_eq(sl_warehouse_load(f.warehouse, &load, &already, &f.err), SL_CONFLICT);
    cr_expect_eq(warehouse_import(&f, "ref.t", "a\nx\n", NULL, NULL), SL_CONFLICT);
    expect_cell(&f, "ref", "SELECT group_concat(name) FROM sqlite_schema", "t");
    expect_cell(&f, "ref", "PRAGMA journal_mode", "delete");
    run_once(&f, "ref", "PRAGMA user_version=0");
    cr_expect_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    run_once(&f, "ref", "PRAGMA user_version=7"); /* under an open connection */
    cr_expect_eq(sl_warehouse_load(f.warehouse, &load, &already, &f.err), SL_CONFLICT);
    expect_cell(&f, "ref", "PRAGMA user_version", "7");
    teardown(&f);
}

Test(warehouse_sqlite, busy_is_unavailable)
{
    struct warehouse_fixture f;
    setup(&f);
    ((struct sl_wh *)f.warehouse)->busy_ms = 20;
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    sqlite3 *db = other(&f, "raw");
    run(db, "BEGIN IMMEDIATE");
    cr_expect_eq(warehouse_import(&f, "raw.scores", "day,game\n2025-01-02,a\n", NULL, NULL), SL_UNAVAILABLE, "%s", f.err.text);
    uint8_t present = 0;
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_OK, "readers don't wait: %s", f.err.text);
    cr_expect_eq(present, 1);
    run(db, "ROLLBACK");
    sqlite3_close(db);
    import_ok(&f, "raw.scores", "day,game\n2025-01-02,a\n");
    teardown(&f);
}

Test(warehouse_sqlite, init_makes_indexes_of_tables_that_are_there)
{
    struct warehouse_fixture f;
    const char **made;
    size_t n;
    setup(&f);
    run_once(&f, "raw",
             "CREATE TABLE scores(day DATE, game VARCHAR, x INT); CREATE TABLE daily(day TEXT PRIMARY KEY); CREATE VIEW schedule AS SELECT "
             "* FROM scores");
    cr_assert_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_gt(n, 0);
    cr_expect_str_eq(made[n - 1], "index raw.sluice_scores_day_game");
    cr_expect_str_eq(made[0], "table ref.sluice_load_jobs");
    cr_assert_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_eq(n, 0);
    expect_cell(&f, "raw", "SELECT group_concat(name, ' ') FROM pragma_index_info('sluice_scores_day_game')", "day game");
    expect_cell(&f, "raw", "SELECT count(*) FROM pragma_index_list('daily')", "1");
    teardown(&f);
}

/* Rows of a small random table, asked with every kind of index and none, must be the same. */
Test(warehouse_sqlite, every_index_gives_the_same_answer)
{
    static const char *const INDEXES[] = {"", "CREATE INDEX i ON scores(day)", "CREATE INDEX i ON scores(day, game)",
                                          "CREATE INDEX i ON scores(game, day)", "CREATE INDEX i ON scores(day, game) WHERE game <> '3'"};
    static const char *const TYPES[] = {"TEXT", "INTEGER", "STRING", "DATE TEXT"};
    enum { N_DAYS = 12, N_UNITS = 7, N = N_DAYS * N_UNITS };
    static const char *const UNITS[N_UNITS] = {"", "0", "03", "3", "3.0", "x", "y'\"\\"};
    struct sl_key keys[N];
    struct warehouse_fixture f;
    setup(&f);
    for (int i = 0; i < N; i++)
        keys[i] = (struct sl_key){warehouse_day("2025-01-01") + i / N_UNITS, UNITS[i % N_UNITS]};
    for (size_t t = 0; t < COUNT(TYPES); t++) {
        int64_t expected[N], rows[N];
        uint8_t present[N];
        char sql[512];
        snprintf(sql, sizeof sql,
                 "DROP TABLE IF EXISTS scores; CREATE TABLE scores(day DATE, game %s); WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i "
                 "+ 1 FROM n WHERE i < 199) "
                 "INSERT INTO scores SELECT date('2025-01-01', ((i * 37) %% 15) || ' days'), "
                 "CASE (i * 13) %% 8 WHEN 0 THEN '0' WHEN 1 THEN '03' WHEN 2 THEN '3' WHEN 3 THEN 'x' WHEN 4 THEN 'y''\"\\' WHEN 5 THEN '' "
                 "WHEN 6 THEN NULL ELSE 'z' END FROM n",
                 TYPES[t]);
        run_once(&f, "raw", sql);
        for (size_t i = 0; i < COUNT(INDEXES); i++) {
            run_once(&f, "raw", "DROP INDEX IF EXISTS i");
            run_once(&f, "raw", INDEXES[i]);
            cr_assert_eq(sl_warehouse_count(f.warehouse, &SCORES, keys, N, rows, &f.err), SL_OK, "%s", f.err.text);
            cr_assert_eq(sl_warehouse_present(f.warehouse, &SCORES, keys, N, present, &f.err), SL_OK, "%s", f.err.text);
            if (i == 0)
                memcpy(expected, rows, sizeof rows);
            int64_t total = 0;
            for (int k = 0; k < N; k++) {
                cr_expect_eq(rows[k], expected[k], "%s, \"%s\", key %d", TYPES[t], INDEXES[i], k);
                cr_expect_eq(present[k], rows[k] > 0, "%s, \"%s\", key %d", TYPES[t], INDEXES[i], k);
                cr_expect(*keys[k].unit || !rows[k], "%s, \"%s\": empty units never count", TYPES[t], INDEXES[i]);
                total += rows[k];
            }
            cr_expect_gt(total, 0);
            sl_date *dates;
            size_t n;
            cr_assert_eq(sl_warehouse_dates(f.warehouse, &SCORES, keys[0].date + 1, keys[0].date + 9, &dates, &n, &f.arena, &f.err), SL_OK,
                         "%s", f.err.text);
            cr_expect_eq(n, 9);
        }
    }
    teardown(&f);
}

/* An index is taken only when it leads to every key. */
Test(warehouse_sqlite, indexed_questions_seek)
{
    static const struct {
        const char *index;
        bool seek, date_first;
    } CASES[] = {
        {"SELECT 1", false, false},
        {"CREATE INDEX i ON scores(day)", false, true},
        {"CREATE INDEX i ON scores(day, game)", true, true},
        {"CREATE INDEX i ON scores(game, day)", true, false},
        {"CREATE INDEX i ON scores(day, game) WHERE game > ''", false, false},
        {"CREATE INDEX i ON scores(lower(day), game)", false, false},
    };
    struct warehouse_fixture f;
    uint8_t present;
    setup(&f);
    run_once(&f, "raw", "CREATE TABLE scores(day TEXT, game TEXT)");
    for (size_t i = 0; i < COUNT(CASES); i++) {
        run_once(&f, "raw", "DROP INDEX IF EXISTS i");
        run_once(&f, "raw", CASES[i].index);
        cr_assert_eq(ask_one(&f, "2025-01-01", "a", &present), SL_OK, "%s", f.err.text);
        const struct sl_wh_plan *plan = sl_wh_dataset_get((struct sl_wh *)f.warehouse, "raw")->plans;
        cr_assert_not_null(plan);
        cr_expect_eq(plan->seek, CASES[i].seek, "%s", CASES[i].index);
        cr_expect_eq(plan->date_first, CASES[i].date_first, "%s", CASES[i].index);
    }
    teardown(&f);
}

Test(warehouse_sqlite, views_of_the_log)
{
    static const char *const COLUMNS[] = {"event_id",  "event_timestamp", "event_type",         "severity",       "game_id",
                                          "game_date", "phase",           "quality_tier_after", "primary_source", "resolution_details"};
    static const char *const CELLS[] = {
        "00000000-0000-0000-0000-00000000000a",
        "2025-01-01T00:00:01Z",
        "source_missing",
        "critical",
        "g1",
        "2025-01-01",
        "raw",
        NULL,
        "one",
        NULL,
        "00000000-0000-0000-0000-00000000000b",
        "2025-01-01T00:00:02Z",
        "source_missing",
        "critical",
        "g1",
        "2025-01-01",
        "raw",
        NULL,
        "two",
        NULL,
        "00000000-0000-0000-0000-00000000000c",
        "2025-01-01T00:00:03Z",
        "source_available",
        "info",
        "g1",
        "2025-01-01",
        "raw",
        "gold",
        "one",
        "resolves 00000000-0000-0000-0000-00000000000a",
        "00000000-0000-0000-0000-00000000000d",
        "2025-01-01T00:00:04Z",
        "reconstruction",
        "warning",
        "g2",
        "2025-01-01",
        "raw",
        "silver",
        NULL,
        NULL,
        "00000000-0000-0000-0000-00000000000e",
        "2025-01-01T00:00:05Z",
        "thin_sample",
        "info",
        "g2",
        "2025-01-01",
        "raw",
        "bronze",
        NULL,
        NULL,
        "00000000-0000-0000-0000-00000000000f",
        "2025-01-01T00:00:06Z",
        "gate_triggered",
        "info",
        NULL,
        "2025-01-01",
        "api",
        NULL,
        NULL,
        NULL,
    };
    static const struct {
        const char *sql, *expected;
    } CASES[] = {
        {"SELECT worst_severity FROM game_source_coverage_summary WHERE game_id = 'g1'", "critical"},
        {"SELECT unresolved_critical_count FROM game_source_coverage_summary WHERE game_id = 'g1'", "1"},
        {"SELECT critical_count || warning_count || info_count FROM game_source_coverage_summary WHERE game_id = 'g1'", "201"},
        {"SELECT sources FROM game_source_coverage_summary WHERE game_id = 'g1'", "[\"one\",\"two\"]"},
        {"SELECT worst_severity FROM game_source_coverage_summary WHERE game_id = 'g2'", "warning"},
        {"SELECT worst_quality_tier FROM game_source_coverage_summary WHERE game_id = 'g2'", "bronze"},
        {"SELECT has_reconstruction FROM game_source_coverage_summary WHERE game_id = 'g2'", "1"},
        {"SELECT count(*) FROM game_source_coverage_summary", "2"},
        {"SELECT group_concat(phase || unit_count || worst_severity, ' ') FROM date_coverage", "api0info raw2critical"},
        {"SELECT first_event_at || last_event_at FROM date_coverage WHERE phase = 'raw'", "2025-01-01T00:00:01Z2025-01-01T00:00:05Z"},
    };
    const struct sl_load load = {.job_id = "j",
                                 .table = "ref.source_coverage_log",
                                 .columns = COLUMNS,
                                 .n_columns = COUNT(COLUMNS),
                                 .cells = CELLS,
                                 .n_rows = COUNT(CELLS) / COUNT(COLUMNS)};
    struct warehouse_fixture f;
    const char **made;
    size_t n;
    bool already;
    setup(&f);
    cr_assert_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_eq(sl_warehouse_load(f.warehouse, &load, &already, &f.err), SL_OK, "%s", f.err.text);
    for (size_t i = 0; i < COUNT(CASES); i++)
        expect_cell(&f, "ref", CASES[i].sql, CASES[i].expected);
    teardown(&f);
}

/* --- a disk that fails ------------------------------------------------------------------------------------------------------------ */

enum failure { FAIL_NOTHING, FAIL_SYNC, FAIL_WRITE };
static enum failure failing;
static sqlite3_vfs failing_vfs;
static int (*real_open)(sqlite3_vfs *, const char *, sqlite3_file *, int, int *);
static struct {
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real;
} wrapped[2]; /* of main databases, of everything else */

static const sqlite3_io_methods *real_of(sqlite3_file *file)
{
    return file->pMethods == &wrapped[0].methods ? wrapped[0].real : wrapped[1].real;
}

static int failing_sync(sqlite3_file *file, int flags)
{
    return failing == FAIL_SYNC ? SQLITE_IOERR_FSYNC : real_of(file)->xSync(file, flags);
}

static int failing_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    return failing == FAIL_WRITE ? SQLITE_FULL : real_of(file)->xWrite(file, bytes, len, offset);
}

static int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
    int rc = real_open(vfs, name, file, flags, out_flags);
    if (rc || !file->pMethods || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
        return rc;
    int i = flags & SQLITE_OPEN_MAIN_DB ? 0 : 1;
    wrapped[i].real = file->pMethods;
    wrapped[i].methods = *file->pMethods;
    wrapped[i].methods.xSync = failing_sync;
    wrapped[i].methods.xWrite = failing_write;
    file->pMethods = &wrapped[i].methods;
    return rc;
}

static void use_failing_disk(void)
{
    failing_vfs = *sqlite3_vfs_find(NULL);
    real_open = failing_vfs.xOpen;
    failing_vfs.xOpen = failing_open;
    failing_vfs.zName = "failing";
    cr_assert_eq(sqlite3_vfs_register(&failing_vfs, 1), SQLITE_OK);
}

Test(warehouse_sqlite, a_failed_commit_ends_all_use_of_the_file)
{
    struct warehouse_fixture f;
    uint8_t present;
    int64_t version;
    use_failing_disk();
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    import_ok(&f, "ref.other", "a\n1\n");
    failing = FAIL_SYNC;
    cr_expect_eq(warehouse_import(&f, "raw.scores", "day,game\n2025-01-02,a\n", NULL, NULL), SL_INTERNAL, "%s", f.err.text);
    failing = FAIL_NOTHING;
    cr_expect_eq(warehouse_import(&f, "raw.scores", "day,game\n2025-01-02,a\n", NULL, NULL), SL_INTERNAL);
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_INTERNAL);
    cr_expect(strstr(f.err.text, "I/O error"), "%s", f.err.text);
    cr_expect_not(sl_warehouse_version(f.warehouse, "raw.scores", &version));
    import_ok(&f, "ref.other", "a\n2\n"); /* another file is another story */
    teardown(&f);
}

Test(warehouse_sqlite, a_full_disk_is_unavailable_and_nothing_is_lost)
{
    struct warehouse_fixture f;
    struct sl_load load = {.job_id = "j",
                           .table = "raw.scores",
                           .columns = (const char *[]){"day", "game"},
                           .n_columns = 2,
                           .cells = (const char *[]){"2025-01-02", "a"},
                           .n_rows = 1};
    bool already;
    uint8_t present = 0;
    use_failing_disk();
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    failing = FAIL_WRITE;
    cr_expect_eq(sl_warehouse_load(f.warehouse, &load, &already, &f.err), SL_UNAVAILABLE, "%s", f.err.text);
    cr_expect_eq(ask_one(&f, "2025-01-01", "a", &present), SL_OK, "reads go on: %s", f.err.text);
    cr_expect_eq(present, 1);
    failing = FAIL_NOTHING;
    cr_expect_eq(sl_warehouse_load(f.warehouse, &load, &already, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_not(already);
    cr_expect_eq(ask_one(&f, "2025-01-02", "a", &present), SL_OK);
    cr_expect_eq(present, 1);
    teardown(&f);
}

/* A question that never ends is ended, the next one is not; nothing waits. */
Test(warehouse_sqlite, a_question_that_takes_too_long_fails)
{
    static const struct sl_source slow = {.table = "raw.slow", .date_column = "day", .unit_column = "game"};
    static const struct sl_source fast = {.table = "raw.scores", .date_column = "day", .unit_column = "game"};
    struct warehouse_fixture f;
    const struct sl_key key = warehouse_key("2025-01-01 a");
    int64_t rows;
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    run_once(&f, "raw",
             "CREATE VIEW slow(day, game) AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
             "SELECT CAST(i AS TEXT), 'a' FROM n");
    sl_warehouse_destroy(&f.warehouse);
    f.config.warehouse.timeout_ms = 20;
    cr_assert_eq(sl_warehouse_open(&f.warehouse, &f.config, &f.err), SL_OK);
    cr_expect_eq(sl_warehouse_count(f.warehouse, &slow, &key, 1, &rows, &f.err), SL_UNAVAILABLE, "%s", f.err.text);
    cr_expect(f.warehouse->timed_out);
    cr_expect(strstr(f.err.text, "warehouse.timeout"), "%s", f.err.text);
    cr_expect_eq(sl_warehouse_tally(f.warehouse, &slow, NULL, 0, &key, 1, &rows, NULL, &f.err), SL_UNAVAILABLE, "%s", f.err.text);
    cr_expect(f.warehouse->timed_out);
    cr_expect_eq(sl_warehouse_count(f.warehouse, &fast, &key, 1, &rows, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_not(f.warehouse->timed_out);
    cr_expect_eq(rows, 1);
    teardown(&f);
}

/* What import can't make: an empty text beside NULL, a number beside its text, bytes. */
Test(warehouse_sqlite, fingerprints_tell_types_apart)
{
    static const char *const VALUES[] = {"NULL", "''", "'1'", "1", "1.5", "x'31'", "x''", "'1.5'"};
    struct warehouse_fixture f;
    struct sl_fingerprint got[COUNT(VALUES)];
    const sl_date day = warehouse_day("2025-01-01");
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n");
    for (size_t i = 0; i < COUNT(VALUES); i++) {
        char sql[128], table[16];
        snprintf(sql, sizeof sql, "CREATE TABLE t%zu(day DATE TEXT, v); INSERT INTO t%zu VALUES('2025-01-01', %s)", i, i, VALUES[i]);
        snprintf(table, sizeof table, "raw.t%zu", i);
        run_once(&f, "raw", sql);
        const struct sl_source source = {.table = table, .date_column = "day"};
        cr_assert_eq(sl_warehouse_fingerprint(f.warehouse, &source, NULL, 0, &day, 1, &got[i], &f.err), SL_OK, "%s", f.err.text);
        for (size_t j = 0; j < i; j++)
            cr_expect_str_neq(got[i].text, got[j].text, "%s and %s", VALUES[i], VALUES[j]);
    }
    teardown(&f);
}

Test(warehouse_sqlite, stamps_are_written_to_the_letter)
{
    static const struct sl_source source = {.table = "raw.t", .date_column = "day", .unit_column = "game"};
    const struct sl_stamp stamp = {.date = warehouse_day("2025-01-01"),
                                   .unit = "7",
                                   .tier = "bronze",
                                   .issues = "[\"a\"]",
                                   .data_sources = "[\"primary\"]",
                                   .metadata = "{}",
                                   .score = 61.5,
                                   .sample_size = 7,
                                   .reconstructed = true,
                                   .calculated_us = 1735732800000000};
    struct warehouse_fixture f;
    int64_t rows;
    setup(&f);
    import_ok(&f, "raw.scores", "day\n2025-01-01\n");
    run_once(
        &f, "raw",
        "CREATE TABLE t(day DATE TEXT, game INTEGER, quality_tier TEXT, quality_score REAL, quality_issues JSON TEXT, data_sources JSON "
        "TEXT, quality_sample_size INTEGER, quality_used_fallback BOOL INTEGER, quality_reconstructed BOOL INTEGER, "
        "quality_calculated_at TIMESTAMP TEXT, quality_metadata JSON TEXT); "
        "INSERT INTO t(day, game) VALUES('2025-01-01', 7), ('2025-01-01', 8), (NULL, 7)");
    cr_assert_eq(sl_warehouse_stamp(f.warehouse, &source, NULL, &stamp, 1, &rows, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_eq(rows, 1);
    expect_cell(
        &f, "raw",
        "SELECT quality_tier || '|' || quality_score || '|' || quality_issues || '|' || data_sources || '|' || quality_sample_size || '|' "
        "|| "
        "quality_used_fallback || '|' || quality_reconstructed || '|' || quality_calculated_at || '|' || quality_metadata FROM t WHERE "
        "game = 7 AND day IS NOT NULL",
        "bronze|61.5|[\"a\"]|[\"primary\"]|7|0|1|2025-01-01T12:00:00Z|{}");
    expect_cell(&f, "raw", "SELECT count(quality_tier) FROM t", "1");
    teardown(&f);
}

/* A trigger of the user's table is not let write elsewhere, and a unique key is not let take rows away. */
Test(warehouse_sqlite, reconstructions_write_nowhere_else)
{
    static const struct sl_source source = {.table = "raw.t", .date_column = "day"};
    struct sl_reconstruct rule = {
        .source = &source, .sql = "INSERT INTO raw.t SELECT @date, 1", .min_rows = 1, .date = warehouse_day("2025-01-01")};
    struct warehouse_fixture f;
    int64_t rows;
    setup(&f);
    import_ok(&f, "raw.scores", "day\n2025-01-01\n");
    run_once(&f, "raw",
             "CREATE TABLE t(day DATE TEXT, n UNIQUE); INSERT INTO t VALUES('2025-01-02', 1); CREATE TABLE log(n); "
             "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES(new.n); END");
    cr_expect_eq(sl_warehouse_reconstruct(f.warehouse, &rule, &rows, &f.err), SL_INVALID, "%s", f.err.text);
    cr_expect(strstr(f.err.text, "another table"), "%s", f.err.text);
    run_once(&f, "raw", "DROP TRIGGER tr");
    cr_expect_eq(sl_warehouse_reconstruct(f.warehouse, &rule, &rows, &f.err), SL_INVALID, "%s", f.err.text);
    cr_expect(strstr(f.err.text, "UNIQUE"), "%s", f.err.text);
    rule.sql = "INSERT INTO raw.t SELECT @date, 1 WHERE true ON CONFLICT DO UPDATE SET day = @date";
    cr_expect_eq(sl_warehouse_reconstruct(f.warehouse, &rule, &rows, &f.err), SL_INVALID, "%s", f.err.text);
    cr_expect(strstr(f.err.text, "update"), "%s", f.err.text);
    rule.sql = "INSERT INTO raw.t SELECT @date, 2";
    cr_expect_eq(sl_warehouse_reconstruct(f.warehouse, &rule, &rows, &f.err), SL_OK, "%s", f.err.text);
    expect_cell(&f, "raw", "SELECT group_concat(day || n) FROM t", "2025-01-021,2025-01-012");
    expect_cell(&f, "raw", "SELECT table_name || data_date || unit || row_count FROM sluice_reconstructions", "t2025-01-011");
    teardown(&f);
}

Test(warehouse_sqlite, a_reconstruction_that_takes_too_long_fails)
{
    static const struct sl_source source = {.table = "raw.scores", .date_column = "day"};
    const struct sl_reconstruct rule = {
        .source = &source,
        .sql = "INSERT INTO raw.scores WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT @date FROM n WHERE i < 0",
        .min_rows = 1,
        .date = warehouse_day("2025-01-02")};
    struct warehouse_fixture f;
    int64_t rows;
    setup(&f);
    sl_warehouse_destroy(&f.warehouse);
    f.config.warehouse.timeout_ms = 20;
    cr_assert_eq(sl_warehouse_open(&f.warehouse, &f.config, &f.err), SL_OK);
    import_ok(&f, "raw.scores", "day\n2025-01-01\n");
    cr_expect_eq(sl_warehouse_reconstruct(f.warehouse, &rule, &rows, &f.err), SL_UNAVAILABLE, "%s", f.err.text);
    cr_expect(f.warehouse->timed_out);
    expect_cell(&f, "raw", "SELECT count(*) FROM scores", "1");
    teardown(&f);
}

static void expect_nulls(struct warehouse_fixture *f, const char *const *columns, size_t n, const char *expected)
{
    static const struct sl_source source = {.table = "raw.scores", .date_column = "day", .unit_column = "game"};
    const struct sl_key keys[] = {warehouse_key("2025-01-01 a"), warehouse_key("2025-01-01 b")};
    int64_t rows[2], nulls[2 * 8];
    char got[128] = "";
    cr_assert_eq(sl_warehouse_tally(f->warehouse, &source, columns, n, keys, 2, rows, nulls, &f->err), SL_OK, "%s", f->err.text);
    for (size_t i = 0; i < 2; i++) {
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%lld", i ? " " : "", (long long)rows[i]);
        for (size_t c = 0; c < n; c++)
            snprintf(got + strlen(got), sizeof got - strlen(got), "%c%lld", c ? ',' : ':', (long long)nulls[i * n + c]);
    }
    cr_expect_str_eq(got, expected);
}

/* A profile's columns are counted from the index alone; other columns, and another profile, from the rows. */
Test(warehouse_sqlite, profiles_get_an_index_of_their_nulls)
{
    static const char INDEX[] = "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'scores'";
    static const char *const ALL[] = {"who", "pts", "day", "gone", "game", "Ast"}, *const SOME[] = {"ast", "pts"};
    static const char *const TWICE[] = {"pts", "pts"};
    static const char *required[] = {"game", "pts", "who"}, *optional[] = {"ast", "gone"};
    struct sl_quality_profile profile = {.required = required, .n_required = 3, .optional = optional, .n_optional = 2};
    struct sl_source source = {.table = "raw.scores", .date_column = "day", .unit_column = "game"};
    struct sl_processor processor = {.name = "scores", .sources = &source, .n_sources = 1, .quality = &profile};
    struct sl_phase phase = {.name = "raw", .processors = &processor, .n_processors = 1};
    struct warehouse_fixture f;
    const char **made;
    size_t n;
    setup(&f);
    f.config.phases = &phase;
    import_ok(&f, "raw.scores", "day,game,who,pts,ast,note\n2025-01-01,a,x,,1,\n2025-01-01,a,,,2,\n2025-01-01,b,y,3,,\n2025-01-02,a,,,,\n");
    expect_cell(&f, "raw", INDEX, "sluice_scores_day_game_quality");
    expect_nulls(&f, ALL, 6, "2:1,2,0,-1,0,0 1:0,0,0,-1,0,1");
    expect_nulls(&f, SOME, 2, "2:0,2 1:1,0");
    expect_nulls(&f, TWICE, 2, "2:2,2 1:0,0");
    cr_assert_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_eq(n, 0);
    profile.n_optional = 0;
    expect_nulls(&f, ALL, 6, "2:1,2,0,-1,0,0 1:0,0,0,-1,0,1");
    cr_assert_eq(sl_warehouse_init(f.warehouse, &f.config, &made, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_eq(n, 1, "another profile");
    expect_cell(&f, "raw", INDEX, "sluice_scores_day_game_quality");
    expect_nulls(&f, required, 3, "2:0,2,1 1:0,0,0");
    teardown(&f);
}

/* BOOL is kept as 0 and 1; a config says true and false. */
Test(warehouse_sqlite, truth_values_in_a_calendar)
{
    struct warehouse_fixture f;
    const char *values[] = {"true"};
    struct sl_term term = {"final", values, 1};
    struct sl_calendar_row *rows;
    size_t n;
    setup(&f);
    run_once(&f, "raw",
             "CREATE TABLE flags (day DATE TEXT, game TEXT, final BOOL INTEGER);"
             "INSERT INTO flags VALUES ('2025-01-01', 'a', 1), ('2025-01-02', 'b', 0), ('2025-01-03', 'c', NULL)");
    struct sl_calendar_config calendar = {
        .table = "raw.flags", .date_column = "day", .unit_column = "game", .done = {&term, 1}, .history_from = SL_DATE_NONE};
    cr_assert_eq(sl_warehouse_calendar(f.warehouse, &calendar, &rows, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_eq(n, 3);
    cr_expect(rows[0].done && !rows[1].done && !rows[2].done);
    values[0] = "false";
    cr_assert_eq(sl_warehouse_calendar(f.warehouse, &calendar, &rows, &n, &f.arena, &f.err), SL_OK, "%s", f.err.text);
    cr_expect(!rows[0].done && rows[1].done && !rows[2].done);
    values[0] = "yes";
    cr_expect_eq(sl_warehouse_calendar(f.warehouse, &calendar, &rows, &n, &f.arena, &f.err), SL_INVALID);
    cr_expect(strstr(f.err.text, "column final is BOOL, which can't be compared with 'yes'"), "%s", f.err.text);
    teardown(&f);
}
