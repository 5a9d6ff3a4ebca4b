/* warehouse.h - the port to the tables that are checked (SQLite: one file per dataset; BigQuery later).
 * Questions are set-based: one query per (check, table) for all dates of a batch. May block; one thread at a time per handle.
 * Errors: SL_NOT_FOUND a table or column is missing (the sentence names it; never said of a failure), SL_UNAVAILABLE busy or disk full, SL_DENIED, SL_CORRUPT, SL_CONFLICT the
 * file's schema is newer, SL_INVALID (name is no dataset.table, a date column that is neither DATE nor STRING, bad values), SL_INTERNAL (a failed commit: that dataset refuses everything from then on). */
#ifndef SLUICE_WAREHOUSE_H
#define SLUICE_WAREHOUSE_H

#include <sluice/config.h>
#include <sluice/mem.h>
#include <sluice/event.h>

struct sl_warehouse;

/* One row of the calendar, conditions already evaluated. Arena-held. */
struct sl_calendar_row {
    sl_date date;
    const char *unit;
    const char *season;
    bool planned, done;
    const char **entities;
    size_t n_entities; /* of the first entity kind: all its columns */
};

/* A thing that should have rows: a date, and a unit unless it is judged by date. */
struct sl_key {
    sl_date date;
    const char *unit;
};

enum sl_column_type { SL_COL_STRING, SL_COL_INT64, SL_COL_FLOAT64, SL_COL_DATE, SL_COL_TIMESTAMP, SL_COL_BOOL, SL_COL_JSON };
struct sl_column {
    const char *name;
    enum sl_column_type type;
};
struct sl_table_info {
    struct sl_column *columns;
    size_t n_columns;
};

/* What a CSV import did. */
struct sl_import_result {
    int64_t rows, replaced_rows;
    bool created_table;
    const char *job_id;
};

/* A row of text cells for a load: NULL is SQL NULL; numbers and booleans in their text form. */
struct sl_load {
    const char *job_id; /* decides whether it is there already: `sluice_load_jobs` in the same file */
    const char *table;
    const char *const *columns;
    size_t n_columns;
    const char *const *cells; /* n_rows * n_columns */
    size_t n_rows;
};

struct sl_warehouse_ops {
    const char *name;
    void (*destroy)(struct sl_warehouse *self);
    /* Columns of "dataset.table". */
    enum sl_code (*describe)(struct sl_warehouse *self, const char *table, struct sl_table_info *out, struct sl_arena *arena,
                             struct sl_err *err);
    /* present[i] = 1 when the source has at least one row for keys[i] (keys ascending by date, then unit bytewise; all with units or all without).
     * Judged by date when the source has no unit column or the keys no units. Units compare as text; NULL and empty units never count. */
    enum sl_code (*present)(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n,
                            uint8_t *present, struct sl_err *err);
    /* Number of rows per key, the same keys as above. */
    enum sl_code (*count)(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n, int64_t *rows,
                          struct sl_err *err);
    /* Dates in from..to that have rows, ascending, for a table without a calendar and for `gaps --table`. Uses index seeks (RULES 38). */
    enum sl_code (*dates)(struct sl_warehouse *self, const struct sl_source *source, sl_date from, sl_date to, sl_date **out, size_t *n,
                          struct sl_arena *arena, struct sl_err *err);
    /* All rows of the calendar (planned or not), ascending by date, then unit; rows of one (date, unit) merged: planned or done if any is. A cancelled row is neither. A row without
     * date or unit is SL_INVALID and named. */
    enum sl_code (*calendar)(struct sl_warehouse *self, const struct sl_calendar_config *config, struct sl_calendar_row **out, size_t *n,
                             struct sl_arena *arena, struct sl_err *err);
    /* A number that changes whenever the dataset of `table` may have been changed by anybody else (PRAGMA data_version); false: unknown, never reuse. */
    bool (*version)(struct sl_warehouse *self, const char *table, int64_t *out);
    /* Insert the rows and the job id in one durable transaction; SL_OK also when the job was there already (*already). */
    enum sl_code (*load)(struct sl_warehouse *self, const struct sl_load *load, bool *already, struct sl_err *err);
    /* Make the coverage log, run history, views, sluice_load_jobs where missing, and the (date, unit) indexes of the configured tables that exist. *made lists what was made (arena, text). */
    enum sl_code (*init)(struct sl_warehouse *self, const struct sl_config *config, const char ***made, size_t *n_made,
                         struct sl_arena *arena, struct sl_err *err);
    /* Load a CSV by RULES 34. `replace_date_column` may be NULL. `path` ("-": stdin; pipes are spooled) is used in errors with line and column. */
    enum sl_code (*import_csv)(struct sl_warehouse *self, const struct sl_config *config, const char *table, const char *path,
                               const char *replace_date_column, struct sl_import_result *out, struct sl_arena *arena, struct sl_err *err);
    /* Read rows of the coverage log as text cells in the order of SL_LOG_COLUMNS, filtered, by event_timestamp, then event_id; for `events`. filter fields NULL/NONE are off. */
    enum sl_code (*log_rows)(struct sl_warehouse *self, const struct sl_config *config, const struct sl_log_filter *filter,
                             void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err);
};

/* The base of every backend: first member of its struct. Counters are kept by the wrappers below. */
struct sl_warehouse {
    const struct sl_warehouse_ops *ops;
    struct {
        uint64_t queries, loads, errors;
    } counters;
};

enum sl_code sl_warehouse_open(struct sl_warehouse **out, const struct sl_config *config, struct sl_err *err);
void sl_warehouse_destroy(struct sl_warehouse **warehouse);

/* One wrapper per slot: same arguments, counts, and refuses names that are no dataset.table before any SQL. */
enum sl_code sl_warehouse_describe(struct sl_warehouse *w, const char *table, struct sl_table_info *out, struct sl_arena *arena,
                                   struct sl_err *err);
enum sl_code sl_warehouse_present(struct sl_warehouse *w, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                  uint8_t *present, struct sl_err *err);
enum sl_code sl_warehouse_count(struct sl_warehouse *w, const struct sl_source *source, const struct sl_key *keys, size_t n, int64_t *rows,
                                struct sl_err *err);
enum sl_code sl_warehouse_dates(struct sl_warehouse *w, const struct sl_source *source, sl_date from, sl_date to, sl_date **out, size_t *n,
                                struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_warehouse_calendar(struct sl_warehouse *w, const struct sl_calendar_config *config, struct sl_calendar_row **out, size_t *n,
                                   struct sl_arena *arena, struct sl_err *err);
bool sl_warehouse_version(struct sl_warehouse *w, const char *table, int64_t *out);
enum sl_code sl_warehouse_load(struct sl_warehouse *w, const struct sl_load *load, bool *already, struct sl_err *err);
enum sl_code sl_warehouse_init(struct sl_warehouse *w, const struct sl_config *config, const char ***made, size_t *n_made,
                               struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_warehouse_import_csv(struct sl_warehouse *w, const struct sl_config *config, const char *table, const char *path,
                                     const char *replace_date_column, struct sl_import_result *out, struct sl_arena *arena,
                                     struct sl_err *err);
enum sl_code sl_warehouse_log_rows(struct sl_warehouse *w, const struct sl_config *config, const struct sl_log_filter *filter,
                                   void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err);

#endif
