/* warehouse.c - the port: one wrapper per slot, which counts and refuses names that are no dataset.table before any SQL. */
#include "sqlite.h"

#include <string.h>

enum sl_code sl_warehouse_open(struct sl_warehouse **out, const struct sl_config *config, struct sl_err *err)
{
    const struct sl_warehouse_sqlite_options options = {.timeout_ms = config->warehouse.timeout_ms};
    *out = NULL;
    switch (config->warehouse.type) {
    case SL_WAREHOUSE_SQLITE: return sl_warehouse_sqlite_open(out, config->warehouse.path, &options, err);
    case SL_WAREHOUSE_BIGQUERY: return sl_fail(err, SL_INVALID, "warehouse.type: bigquery is not built into this version; use sqlite");
    }
    return sl_fail(err, SL_INTERNAL, "warehouse.type %d is unknown", (int)config->warehouse.type);
}

void sl_warehouse_destroy(struct sl_warehouse **warehouse)
{
    if (*warehouse)
        (*warehouse)->ops->destroy(*warehouse);
    *warehouse = NULL;
}

const char *const SL_QUALITY_COLUMNS[SL_N_QUALITY_COLUMNS] = {
    "quality_tier",          "quality_score",         "quality_issues",        "data_sources",     "quality_sample_size",
    "quality_used_fallback", "quality_reconstructed", "quality_calculated_at", "quality_metadata",
};
const char *const SL_QUALITY_TYPES[SL_N_QUALITY_COLUMNS] = {
    "STRING", "FLOAT64", "ARRAY<STRING>", "ARRAY<STRING>", "INT64", "BOOL", "BOOL", "TIMESTAMP", "JSON",
};

static enum sl_code counted(struct sl_warehouse *w, uint64_t *counter, enum sl_code code)
{
    if (code != SL_UNAVAILABLE)
        w->timed_out = false;
    ++*counter;
    w->counters.errors += code != SL_OK;
    return code;
}

static enum sl_code asked(struct sl_warehouse *w, enum sl_code code)
{
    return counted(w, &w->counters.queries, code);
}

static enum sl_code loaded(struct sl_warehouse *w, enum sl_code code)
{
    return counted(w, &w->counters.loads, code);
}

static enum sl_code check_table(const char *table, struct sl_err *err)
{
    struct sl_wh_name name;
    return sl_wh_name_parse(&name, table, err);
}

static enum sl_code check_source(const struct sl_source *source, struct sl_err *err)
{
    enum sl_code code = check_table(source->table, err);
    if (!code)
        code = sl_wh_check_column(source->table, source->date_column, err);
    if (!code && source->unit_column)
        code = sl_wh_check_column(source->table, source->unit_column, err);
    for (size_t i = 0; !code && i < source->n_columns; i++)
        code = sl_wh_check_column(source->table, source->columns[i].value, err);
    return code;
}

static enum sl_code check_columns(const char *table, const char *const *columns, size_t n, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; !code && i < n; i++)
        code = sl_wh_check_column(table, columns[i], err);
    return code;
}

enum sl_code sl_warehouse_describe(struct sl_warehouse *w, const char *table, struct sl_table_info *out, struct sl_arena *arena,
                                   struct sl_err *err)
{
    enum sl_code code = check_table(table, err);
    return asked(w, code ? code : w->ops->describe(w, table, out, arena, err));
}

enum sl_code sl_warehouse_present(struct sl_warehouse *w, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                  uint8_t *present, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    return asked(w, code ? code : w->ops->present(w, source, keys, n, present, err));
}

enum sl_code sl_warehouse_count(struct sl_warehouse *w, const struct sl_source *source, const struct sl_key *keys, size_t n, int64_t *rows,
                                struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    return asked(w, code ? code : w->ops->count(w, source, keys, n, rows, err));
}

enum sl_code sl_warehouse_tally(struct sl_warehouse *w, const struct sl_source *source, const char *const *columns, size_t n_columns,
                                const struct sl_key *keys, size_t n, int64_t *rows, int64_t *nulls, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    if (!code)
        code = check_columns(source->table, columns, n_columns, err);
    return asked(w, code ? code : w->ops->tally(w, source, columns, n_columns, keys, n, rows, nulls, err));
}

enum sl_code sl_warehouse_entities(struct sl_warehouse *w, const struct sl_source *source, const char *entity_column, sl_date from,
                                   sl_date to, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    *out = NULL;
    *n = 0;
    if (!code)
        code = sl_wh_check_column(source->table, entity_column, err);
    return asked(w, code ? code : w->ops->entities(w, source, entity_column, from, to, out, n, arena, err));
}

enum sl_code sl_warehouse_tiers(struct sl_warehouse *w, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                                bool *has, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    *out = NULL;
    *n = 0;
    *has = false;
    if (!code)
        code = sl_wh_check_column(source->table, entity_column, err);
    return asked(w, code ? code : w->ops->tiers(w, source, entity_column, from, to, has, out, n, arena, err));
}

enum sl_code sl_warehouse_fingerprint(struct sl_warehouse *w, const struct sl_source *source, const char *const *exclude, size_t n_exclude,
                                      const sl_date *dates, size_t n, struct sl_fingerprint *out, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    if (!code)
        code = check_columns(source->table, exclude, n_exclude, err);
    return asked(w, code ? code : w->ops->fingerprint(w, source, exclude, n_exclude, dates, n, out, err));
}

enum sl_code sl_warehouse_reconstruct(struct sl_warehouse *w, const struct sl_reconstruct *rule, int64_t *rows, struct sl_err *err)
{
    enum sl_code code = check_source(rule->source, err);
    *rows = 0;
    return loaded(w, code ? code : w->ops->reconstruct(w, rule, rows, err));
}

enum sl_code sl_warehouse_reconstructed(struct sl_warehouse *w, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                        uint8_t *reconstructed, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    return asked(w, code ? code : w->ops->reconstructed(w, source, keys, n, reconstructed, err));
}

enum sl_code sl_warehouse_stamp(struct sl_warehouse *w, const struct sl_source *source, const char *entity_column,
                                const struct sl_stamp *stamps, size_t n, int64_t *rows, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    *rows = 0;
    if (!code && entity_column)
        code = sl_wh_check_column(source->table, entity_column, err);
    return loaded(w, code ? code : w->ops->stamp(w, source, entity_column, stamps, n, rows, err));
}

enum sl_code sl_warehouse_confidence(struct sl_warehouse *w, const struct sl_source *source, const struct sl_confidence_columns *columns,
                                     const double *ceilings, const sl_date *dates, size_t n, struct sl_confidence_result *out,
                                     struct sl_err *err)
{
    const char *const names[] = {columns->base, columns->final, columns->capped, columns->skipped};
    enum sl_code code = check_source(source, err);
    if (!code)
        code = check_columns(source->table, names, columns->skipped ? 4 : 3, err);
    return loaded(w, code ? code : w->ops->confidence(w, source, columns, ceilings, dates, n, out, err));
}

enum sl_code sl_warehouse_migrate(struct sl_warehouse *w, const struct sl_config *config, bool apply, struct sl_migration **out, size_t *n,
                                  struct sl_arena *arena, struct sl_err *err)
{
    return loaded(w, w->ops->migrate(w, config, apply, out, n, arena, err));
}

enum sl_code sl_warehouse_dates(struct sl_warehouse *w, const struct sl_source *source, sl_date from, sl_date to, sl_date **out, size_t *n,
                                struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = check_source(source, err);
    return asked(w, code ? code : w->ops->dates(w, source, from, to, out, n, arena, err));
}

enum sl_code sl_warehouse_calendar(struct sl_warehouse *w, const struct sl_calendar_config *config, struct sl_calendar_row **out, size_t *n,
                                   struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = check_table(config->table, err);
    return asked(w, code ? code : w->ops->calendar(w, config, out, n, arena, err));
}

bool sl_warehouse_version(struct sl_warehouse *w, const char *table, int64_t *out)
{
    struct sl_err err;
    return !check_table(table, &err) && w->ops->version(w, table, out);
}

enum sl_code sl_warehouse_load(struct sl_warehouse *w, const struct sl_load *load, bool *already, struct sl_err *err)
{
    *already = false;
    enum sl_code code = check_table(load->table, err);
    if (!code)
        code = check_columns(load->table, load->columns, load->n_columns, err);
    return loaded(w, code ? code : w->ops->load(w, load, already, err));
}

enum sl_code sl_warehouse_init(struct sl_warehouse *w, const struct sl_config *config, const char ***made, size_t *n_made,
                               struct sl_arena *arena, struct sl_err *err)
{
    return loaded(w, w->ops->init(w, config, made, n_made, arena, err));
}

enum sl_code sl_warehouse_import_csv(struct sl_warehouse *w, const struct sl_config *config, const char *table, const char *path,
                                     const char *replace_date_column, struct sl_import_result *out, struct sl_arena *arena,
                                     struct sl_err *err)
{
    memset(out, 0, sizeof *out);
    enum sl_code code = check_table(table, err);
    if (!code && replace_date_column)
        code = sl_wh_check_column(table, replace_date_column, err);
    return loaded(w, code ? code : w->ops->import_csv(w, config, table, path, replace_date_column, out, arena, err));
}

enum sl_code sl_warehouse_log_rows(struct sl_warehouse *w, const struct sl_config *config, const struct sl_log_filter *filter,
                                   void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err)
{
    enum sl_code code = check_table(config->coverage.log_table, err);
    return asked(w, code ? code : w->ops->log_rows(w, config, filter, row, arg, err));
}

enum sl_code sl_warehouse_run_records(struct sl_warehouse *w, const char *table, const struct sl_run_key *keys, size_t n,
                                      struct sl_run_record *out, struct sl_arena *arena, struct sl_err *err)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (struct sl_run_record){.record_count = -1};
    enum sl_code code = check_table(table, err);
    return n ? asked(w, code ? code : w->ops->run_records(w, table, keys, n, out, arena, err)) : code;
}
