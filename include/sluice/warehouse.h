/* warehouse.h - the port to the tables that are checked (SQLite: one file per dataset; BigQuery later).
 * Questions are set-based: one query per (check, table) for all dates of a batch. May block; one thread at a time per handle.
 * Errors: SL_NOT_FOUND a table or column is missing (the sentence names it; never said of a failure), SL_UNAVAILABLE busy or disk full, SL_DENIED, SL_CORRUPT, SL_CONFLICT the
 * file's schema is newer, SL_INVALID (name is no dataset.table, a date column that is neither DATE nor STRING, bad values), SL_INTERNAL (a failed commit: that dataset refuses everything from then on). */
#ifndef SLUICE_WAREHOUSE_H
#define SLUICE_WAREHOUSE_H

#include <sluice/config.h>
#include <sluice/mem.h>
#include <sluice/event.h>
#include <sluice/rows.h>

struct sl_warehouse;

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

/* A run by which the run history is asked, and what it says. */
struct sl_run_key {
    sl_date date;
    const char *run_id;
};
struct sl_run_record {
    bool found;
    const char *status;   /* NULL: NULL */
    int64_t record_count; /* -1: NULL */
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

/* The content of a table's rows on a date: the same rows give the same text in any order. */
#define SL_FINGERPRINT_LEN 32
struct sl_fingerprint {
    char text[SL_FINGERPRINT_LEN + 1]; /* hex; "" when there are no rows */
};

/* Names of the nine quality columns (contract/source_coverage_log.md), in its order; their types in SL_QUALITY_TYPES as BigQuery names them. */
#define SL_N_QUALITY_COLUMNS 9
extern const char *const SL_QUALITY_COLUMNS[SL_N_QUALITY_COLUMNS];
extern const char *const SL_QUALITY_TYPES[SL_N_QUALITY_COLUMNS];

/* A rule that makes a unit's rows where no source has any: one INSERT INTO source->table ... SELECT, parameters @date and @unit. */
struct sl_reconstruct {
    const struct sl_source *source; /* the primary */
    const char *sql;
    int min_rows;
    sl_date date;
    const char *unit; /* NULL: judged by date */
};

/* What is written into the quality columns of the rows of (date, unit, entity). */
struct sl_stamp {
    sl_date date;
    const char *unit;                                    /* NULL: every unit */
    const char *entity;                                  /* NULL: every entity */
    const char *tier, *issues, *data_sources, *metadata; /* issues and data_sources JSON arrays of strings, metadata a JSON object */
    double score;
    int64_t sample_size;
    bool used_fallback, reconstructed;
    int64_t calculated_us;
};

/* The confidence columns of a table; the tier is each row's own quality_tier. */
struct sl_confidence_columns {
    const char *base, *final, *capped, *skipped; /* skipped may be NULL */
};
struct sl_confidence_result { /* per date */
    int64_t rows, n_capped, n_skipped;
    double most_cut; /* the greatest base - final; 0 when nothing was cut */
};

/* A statement that `migrate` would run or has run. */
struct sl_migration {
    const char *table, *sql;
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
    /* Rows and NULLs per key (keys as above): rows[i]; nulls[i * n_columns + c] for columns[c], our name, which source->columns maps to theirs; -1: the table has no such column. */
    enum sl_code (*tally)(struct sl_warehouse *self, const struct sl_source *source, const char *const *columns, size_t n_columns,
                          const struct sl_key *keys, size_t n, int64_t *rows, int64_t *nulls, struct sl_err *err);
    /* Who the rows of from..to are about, ascending by (date, unit, entity), each once; `entity_column` is our name, mapped as above. NULL and empty entities never count. */
    enum sl_code (*entities)(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                             struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
    /* The same with the rows' own quality_tier: each (date, unit, entity, tier) once. *has false, and no rows: the table has no such column. */
    enum sl_code (*tiers)(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                          bool *has, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
    /* The content of the source's rows on each date, ascending, without the quality columns and `exclude`. */
    enum sl_code (*fingerprint)(struct sl_warehouse *self, const struct sl_source *source, const char *const *exclude, size_t n_exclude,
                                const sl_date *dates, size_t n, struct sl_fingerprint *out, struct sl_err *err);
    /* Run a reconstruction in one durable transaction, recorded in `sluice_reconstructions` of the same file; only where the primary has no rows of the key (else SL_CONFLICT); fewer
     * rows than min_rows: nothing is kept, SL_NOT_FOUND. *rows: how many the statement made, in both cases. Anything but one INSERT into that table: SL_INVALID. */
    enum sl_code (*reconstruct)(struct sl_warehouse *self, const struct sl_reconstruct *rule, int64_t *rows, struct sl_err *err);
    /* reconstructed[i] = 1 where the rows of keys[i] are still as a reconstruction left them. A dataset without reconstructions answers all 0. */
    enum sl_code (*reconstructed)(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                  uint8_t *reconstructed, struct sl_err *err);
    /* Write quality columns: one statement for all stamps, which match rows by date, by unit and by `entity_column` (NULL: no stamp names an entity) as far as they name them.
     * SL_NOT_FOUND when the columns are not there (the sentence says `sluice migrate`). *rows: rows written. */
    enum sl_code (*stamp)(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column,
                          const struct sl_stamp *stamps, size_t n, int64_t *rows, struct sl_err *err);
    /* final = min(base, ceiling of the row's own quality_tier) for the rows of the dates, by sl_confidence_cap(); out: one per date. One statement writes. */
    enum sl_code (*confidence)(struct sl_warehouse *self, const struct sl_source *source, const struct sl_confidence_columns *columns,
                               const double *ceilings /* SL_N_TIERS */, const sl_date *dates, size_t n, struct sl_confidence_result *out,
                               struct sl_err *err);
    /* Quality columns and the historical default on the tables with `stamp: true`, missing columns of the log and the run history. `apply` false: only says what it would run. */
    enum sl_code (*migrate)(struct sl_warehouse *self, const struct sl_config *config, bool apply, struct sl_migration **out, size_t *n,
                            struct sl_arena *arena, struct sl_err *err);
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
    /* What the run history (coverage.runs.table) says of each run; of several rows of a run the last. One statement. */
    enum sl_code (*run_records)(struct sl_warehouse *self, const char *table, const struct sl_run_key *keys, size_t n,
                                struct sl_run_record *out, struct sl_arena *arena, struct sl_err *err);
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
    bool timed_out; /* the last call failed because it took longer than warehouse.timeout (SL_UNAVAILABLE) */
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
enum sl_code sl_warehouse_tally(struct sl_warehouse *w, const struct sl_source *source, const char *const *columns, size_t n_columns,
                                const struct sl_key *keys, size_t n, int64_t *rows, int64_t *nulls, struct sl_err *err);
enum sl_code sl_warehouse_entities(struct sl_warehouse *w, const struct sl_source *source, const char *entity_column, sl_date from,
                                   sl_date to, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_warehouse_tiers(struct sl_warehouse *w, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                                bool *has, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_warehouse_fingerprint(struct sl_warehouse *w, const struct sl_source *source, const char *const *exclude, size_t n_exclude,
                                      const sl_date *dates, size_t n, struct sl_fingerprint *out, struct sl_err *err);
enum sl_code sl_warehouse_reconstruct(struct sl_warehouse *w, const struct sl_reconstruct *rule, int64_t *rows, struct sl_err *err);
enum sl_code sl_warehouse_reconstructed(struct sl_warehouse *w, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                        uint8_t *reconstructed, struct sl_err *err);
enum sl_code sl_warehouse_stamp(struct sl_warehouse *w, const struct sl_source *source, const char *entity_column,
                                const struct sl_stamp *stamps, size_t n, int64_t *rows, struct sl_err *err);
enum sl_code sl_warehouse_confidence(struct sl_warehouse *w, const struct sl_source *source, const struct sl_confidence_columns *columns,
                                     const double *ceilings, const sl_date *dates, size_t n, struct sl_confidence_result *out,
                                     struct sl_err *err);
enum sl_code sl_warehouse_migrate(struct sl_warehouse *w, const struct sl_config *config, bool apply, struct sl_migration **out, size_t *n,
                                  struct sl_arena *arena, struct sl_err *err);
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
enum sl_code sl_warehouse_run_records(struct sl_warehouse *w, const char *table, const struct sl_run_key *keys, size_t n,
                                      struct sl_run_record *out, struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_warehouse_log_rows(struct sl_warehouse *w, const struct sl_config *config, const struct sl_log_filter *filter,
                                   void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err);

#endif
