/* sqlite.c - the SQLite backend as an object. Nothing is created by opening it; files appear with the first init, load or import. */
#include "sqlite.h"

#include <stdlib.h>

#include "values.h"

static void destroy(struct sl_warehouse *self)
{
    struct sl_wh *wh = (struct sl_wh *)self;
    for (struct sl_wh_dataset *dataset = wh->datasets, *next; dataset; dataset = next) {
        next = dataset->next;
        sl_wh_dataset_free(dataset);
    }
    free(wh->dir);
    free(wh);
}

static enum sl_code describe(struct sl_warehouse *self, const char *table, struct sl_table_info *out, struct sl_arena *arena,
                             struct sl_err *err)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    struct sl_wh_columns columns;
    *out = (struct sl_table_info){0};
    enum sl_code code = sl_wh_name_parse(&name, table, err);
    if (!code)
        code = sl_wh_reader((struct sl_wh *)self, &name, &db, err);
    if (!code)
        code = sl_wh_columns_need(db, &name, &columns, arena, err);
    if (code)
        return code;
    out->columns = sl_arena_array(arena, columns.n, sizeof *out->columns);
    out->n_columns = columns.n;
    for (size_t i = 0; i < columns.n; i++)
        out->columns[i] = (struct sl_column){columns.items[i].name, sl_wh_type_of(columns.items[i].declared)};
    return SL_OK;
}

static bool version(struct sl_warehouse *self, const char *table, int64_t *out)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    struct sl_err err;
    if (sl_wh_name_parse(&name, table, &err) || sl_wh_reader((struct sl_wh *)self, &name, &db, &err) || sl_wh_refresh(db->of, &err))
        return false;
    *out = db->of->version;
    return true;
}

static const struct sl_warehouse_ops OPS = {
    .name = "sqlite",
    .destroy = destroy,
    .describe = describe,
    .present = sl_wh_present,
    .count = sl_wh_count,
    .tally = sl_wh_tally,
    .entities = sl_wh_entities,
    .tiers = sl_wh_tiers,
    .fingerprint = sl_wh_fingerprint,
    .reconstruct = sl_wh_reconstruct,
    .reconstructed = sl_wh_reconstructed,
    .stamp = sl_wh_stamp,
    .confidence = sl_wh_confidence,
    .migrate = sl_wh_migrate,
    .dates = sl_wh_dates,
    .calendar = sl_wh_calendar,
    .version = version,
    .load = sl_wh_load,
    .init = sl_wh_init,
    .import_csv = sl_wh_import_csv,
    .run_records = sl_wh_run_records,
    .log_rows = sl_wh_log_rows,
};

enum sl_code sl_warehouse_sqlite_open(struct sl_warehouse **out, const char *dir, const struct sl_warehouse_sqlite_options *options,
                                      struct sl_err *err)
{
    *out = NULL;
    if (!dir || !*dir)
        return sl_fail(err, SL_INVALID, "warehouse.path is empty: expected a directory");
    struct sl_wh *wh = sl_calloc(1, sizeof *wh);
    wh->base.ops = &OPS;
    wh->dir = sl_strdup(dir);
    wh->vfs = options->vfs;
    wh->busy_ms = options->busy_timeout_ms ? options->busy_timeout_ms : SL_WH_BUSY_MS;
    wh->timeout_ms = options->timeout_ms;
    wh->checkpoint_pages = options->checkpoint_pages ? options->checkpoint_pages : SL_WH_CHECKPOINT_PAGES;
    *out = &wh->base;
    return SL_OK;
}
