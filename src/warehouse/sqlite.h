/* sqlite.h - the inside of the SQLite backend: files, connections, statements, names.
 * One file per dataset, a connection that reads (opened by the first question) and one that writes (opened by the first load). No transaction spans
 * two files. Private to the warehouse and its tests. One thread at a time. */
#ifndef SLUICE_WAREHOUSE_SQLITE_H
#define SLUICE_WAREHOUSE_SQLITE_H

#include <sqlite3.h>
#include <sys/types.h>

#include <sluice/str.h>
#include <sluice/warehouse_sqlite.h>

/* A dataset is a file name ("<dataset>.db-wal" must fit in NAME_MAX), a table a name in SQL. */
#define SL_WH_MAX_NAME 200
/* What this version writes into PRAGMA user_version. */
#define SL_WH_SCHEMA_VERSION 1
#define SL_WH_BUSY_MS        10000
/* A passive checkpoint after a commit that leaves this many pages in the WAL: 1,000 x 4 KiB = 4 MiB, SQLite's own default. */
#define SL_WH_CHECKPOINT_PAGES 1000
/* 32 MiB of pages while reading: an index page for every date of ten years is 15 MiB, read once, then found. */
#define SL_WH_READ_CACHE_KIB "32768"
/* 64 MiB of pages while writing, given back after large commits: a load's index pages stay in memory instead of being written again and again, and
 * building an index sorts there. */
#define SL_WH_CACHE_KIB "65536"

struct sl_wh_name {
    char dataset[SL_WH_MAX_NAME + 1], table[SL_WH_MAX_NAME + 1];
};

struct sl_wh_dataset;

/* One connection. */
struct sl_wh_db {
    sqlite3 *handle; /* NULL: not open */
    struct sl_wh_dataset *of;
    struct sl_map *statements; /* SQL -> sqlite3_stmt, cached until the connection closes */
    dev_t device;              /* of the file that it has open: another one may take its place */
    ino_t inode;
    int wal_pages; /* after the last commit */
};

/* What a question about (table, date column, unit column) needs to know; true while the file's version is the same. */
struct sl_wh_plan {
    struct sl_wh_plan *next;
    char *key;
    int64_t version;
    bool seek;       /* an index leads to (date, unit) or (date) */
    bool date_first; /* an index begins with the date column */
    bool cast;       /* the unit column is not text */
};

struct sl_wh_dataset {
    struct sl_wh_dataset *next;
    struct sl_wh *owner;
    char *name, *path;
    struct sl_wh_db reader, writer;
    struct sl_wh_plan *plans;
    unsigned data_version; /* last seen by the reader */
    int64_t version;       /* grows when data_version changes or the file is another one */
    bool broken;           /* a commit failed with an I/O error: nothing is asked of this file any more */
    bool made_schema;      /* the open transaction made sluice_load_jobs */
};

struct sl_wh {
    struct sl_warehouse base;
    char *dir;
    const char *vfs; /* NULL: the system's */
    int busy_ms, checkpoint_pages;
    int64_t timeout_ms;  /* of one question; 0: none */
    int64_t deadline_us; /* of the question that runs, monotonic; 0: none */
    struct sl_wh_dataset *datasets;
};

/* --- names.c: validated before any SQL, quoted always ------------------------------------------------------------------------- */
bool sl_wh_is_identifier(const char *text); /* [A-Za-z_][A-Za-z0-9_]*, not too long */
/* SL_INVALID when `text` is no "dataset.table". */
enum sl_code sl_wh_name_parse(struct sl_wh_name *out, const char *text, struct sl_err *err);
enum sl_code sl_wh_check_column(const char *table, const char *column, struct sl_err *err);
void sl_wh_quote(struct sl_buf *sql, const char *name);

/* --- sqlite_db.c: connections, statements, transactions ------------------------------------------------------------------------ */
/* The one mapping of SQLite's (extended) result codes. Never SL_NOT_FOUND: that is said only by who has looked. */
enum sl_code sl_wh_code(int rc, int sys_errno);
/* "doing: what SQLite says (path)"; marks the dataset broken when `commit`ting failed with an I/O error. */
enum sl_code sl_wh_error(struct sl_wh_db *db, const char *doing, struct sl_err *err);

struct sl_wh_dataset *sl_wh_dataset_get(struct sl_wh *wh, const char *name);
void sl_wh_dataset_free(struct sl_wh_dataset *dataset);

/* The reading connection of the table's dataset, on the file that is there now; starts the question's clock. A missing file is SL_NOT_FOUND and names the table. */
enum sl_code sl_wh_reader(struct sl_wh *wh, const struct sl_wh_name *name, struct sl_wh_db **out, struct sl_err *err);
/* A writing connection of the caller's own to the file that is there, timed like a question; a schema that is newer is SL_CONFLICT. Close it in any case. What a checkpoint on
 * closing would have written is left to the others. */
enum sl_code sl_wh_open_own(struct sl_wh *wh, const struct sl_wh_name *name, struct sl_wh_db *out, struct sl_err *err);
void sl_wh_close_own(struct sl_wh_db *db);
/* dataset->version, brought up to date; the reader must be open. */
enum sl_code sl_wh_refresh(struct sl_wh_dataset *dataset, struct sl_err *err);

enum sl_code sl_wh_exec(struct sl_wh_db *db, const char *sql, struct sl_err *err);
enum sl_code sl_wh_prepare(struct sl_wh_db *db, const char *sql, sqlite3_stmt **out, struct sl_err *err); /* finalize it */
enum sl_code sl_wh_cached(struct sl_wh_db *db, const char *sql, sqlite3_stmt **out, struct sl_err *err);  /* sl_wh_done it */
enum sl_code sl_wh_step(struct sl_wh_db *db, sqlite3_stmt *stmt, bool *row, struct sl_err *err);
void sl_wh_done(sqlite3_stmt *stmt);                           /* reset and unbind; NULL is fine */
void sl_wh_bind(sqlite3_stmt *stmt, int at, const char *text); /* NULL is NULL; borrowed until done */

/* BEGIN IMMEDIATE on the writing connection. Makes the directory and the file when `create`, else a missing file is SL_NOT_FOUND; a newer user_version is SL_CONFLICT. Brings
 * the file to SL_WH_SCHEMA_VERSION in the same transaction. */
enum sl_code sl_wh_begin(struct sl_wh *wh, const struct sl_wh_name *name, bool create, struct sl_wh_db **out, struct sl_err *err);
void sl_wh_rollback(struct sl_wh_db *db);
/* Commit when `code` is SL_OK, else roll back; returns what became of it. */
enum sl_code sl_wh_end(struct sl_wh_db *db, enum sl_code code, struct sl_err *err);

/* --- sqlite_tally.c: functions of ours in SQL, known to every connection ---------------------------------------------------------- */
int sl_wh_add_functions(sqlite3 *handle);                                           /* SQLite's result code */
void sl_wh_stamp_function(sqlite3_context *context, int n, sqlite3_value **values); /* sqlite_stamp.c */

/* --- sqlite_schema.c: what a file holds --------------------------------------------------------------------------------------- */
struct sl_wh_column {
    char *name, *declared;
};
struct sl_wh_columns { /* arena-held; n == 0: no such table */
    struct sl_wh_column *items;
    size_t n;
};
enum sl_code sl_wh_columns_read(struct sl_wh_db *db, const char *table, struct sl_wh_columns *out, struct sl_arena *arena,
                                struct sl_err *err);
const struct sl_wh_column *sl_wh_column_find(const struct sl_wh_columns *columns, const char *name); /* NULL when absent */
/* The columns of "dataset.table" of a reader or writer; SL_NOT_FOUND names the table. */
enum sl_code sl_wh_columns_need(struct sl_wh_db *db, const struct sl_wh_name *name, struct sl_wh_columns *out, struct sl_arena *arena,
                                struct sl_err *err);
/* The column, or SL_NOT_FOUND naming it. */
enum sl_code sl_wh_column_need(const struct sl_wh_columns *columns, const struct sl_wh_name *name, const char *column,
                               const struct sl_wh_column **out, struct sl_err *err);
/* SL_INVALID when dates can't be in it: neither DATE nor STRING. */
enum sl_code sl_wh_date_column_check(const struct sl_wh_column *column, const struct sl_wh_name *name, struct sl_err *err);

#define SL_WH_INDEX_DATE_FIRST 1u /* an index begins with the date column */
#define SL_WH_INDEX_PAIR       2u /* the first two columns of one are (date, unit), in any order */
#define SL_WH_INDEX_DATE_UNIT  4u /* ... in this order */
/* The indexes without a WHERE; `unit` may be NULL. */
enum sl_code sl_wh_indexes(struct sl_wh_db *db, const char *table, const char *date, const char *unit, unsigned *out, struct sl_err *err);
/* "table", "view", ... of the name, "" when there is no such thing. Into `out` of 16 bytes. */
enum sl_code sl_wh_kind(struct sl_wh_db *db, const char *name, char *out, struct sl_err *err);
/* The columns of the coverage log (`log`) or the run history as `init` makes them. */
enum sl_code sl_wh_own_columns(bool log, struct sl_wh_columns *out, struct sl_arena *arena, struct sl_err *err);
/* Record a load in sluice_load_jobs; inside a transaction. */
enum sl_code sl_wh_job_add(struct sl_wh_db *db, const char *job_id, const char *table, int64_t rows, struct sl_err *err);

/* --- sqlite_index.c: the indexes that init and import make ------------------------------------------------------------------------------ */
/* A table that the config names, with the columns it is asked by. */
struct sl_wh_use {
    const char *table, *date, *unit;          /* unit NULL: by date */
    const struct sl_quality_profile *quality; /* of its owner; NULL: none */
};
/* Every distinct use in the config: sources of processors, then the calendar. Arena. */
void sl_wh_uses(const struct sl_config *config, struct sl_wh_use **out, size_t *n, struct sl_arena *arena);
/* Make the index of a use where the table has its date column and no such index; *made is its name (arena) or NULL. Inside a transaction. */
enum sl_code sl_wh_index_make(struct sl_wh_db *db, const char *table, const struct sl_wh_use *use, const char **made,
                              struct sl_arena *arena, struct sl_err *err);
/* Columns (theirs) in the order of a mask's bits; false: they can't have one (none, too many, one twice). */
bool sl_wh_mask_sort(const char **columns, size_t n);
/* The number whose bits say which of the columns are NULL. */
void sl_wh_add_mask(struct sl_buf *sql, const char *const *columns, size_t n);
/* Is there an index on (date, unit, the mask of these columns)? */
enum sl_code sl_wh_has_mask(struct sl_wh_db *db, const char *table, const char *date, const char *unit, const char *const *columns,
                            size_t n, bool *out, struct sl_err *err);

/* --- the slots ------------------------------------------------------------------------------------------------------------------ */
enum sl_code sl_wh_present(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n, uint8_t *present,
                           struct sl_err *err);
enum sl_code sl_wh_count(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n, int64_t *rows,
                         struct sl_err *err);
enum sl_code sl_wh_tally(struct sl_warehouse *self, const struct sl_source *source, const char *const *columns, size_t n_columns,
                         const struct sl_key *keys, size_t n, int64_t *rows, int64_t *nulls, struct sl_err *err);
enum sl_code sl_wh_tiers(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                         bool *has, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_entities(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                            struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_fingerprint(struct sl_warehouse *self, const struct sl_source *source, const char *const *exclude, size_t n_exclude,
                               const sl_date *dates, size_t n, struct sl_fingerprint *out, struct sl_err *err);
enum sl_code sl_wh_reconstruct(struct sl_warehouse *self, const struct sl_reconstruct *rule, int64_t *rows, struct sl_err *err);
enum sl_code sl_wh_reconstructed(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                 uint8_t *reconstructed, struct sl_err *err);
enum sl_code sl_wh_stamp(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column,
                         const struct sl_stamp *stamps, size_t n, int64_t *rows, struct sl_err *err);
enum sl_code sl_wh_confidence(struct sl_warehouse *self, const struct sl_source *source, const struct sl_confidence_columns *columns,
                              const double *ceilings, const sl_date *dates, size_t n, struct sl_confidence_result *out, struct sl_err *err);
enum sl_code sl_wh_migrate(struct sl_warehouse *self, const struct sl_config *config, bool apply, struct sl_migration **out, size_t *n,
                           struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_dates(struct sl_warehouse *self, const struct sl_source *source, sl_date from, sl_date to, sl_date **out, size_t *n,
                         struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_calendar(struct sl_warehouse *self, const struct sl_calendar_config *config, struct sl_calendar_row **out, size_t *n,
                            struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_load(struct sl_warehouse *self, const struct sl_load *load, bool *already, struct sl_err *err);
enum sl_code sl_wh_init(struct sl_warehouse *self, const struct sl_config *config, const char ***made, size_t *n_made,
                        struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_import_csv(struct sl_warehouse *self, const struct sl_config *config, const char *table, const char *path,
                              const char *replace_date_column, struct sl_import_result *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_run_records(struct sl_warehouse *self, const char *table, const struct sl_run_key *keys, size_t n,
                               struct sl_run_record *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_log_rows(struct sl_warehouse *self, const struct sl_config *config, const struct sl_log_filter *filter,
                            void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err);

#endif
