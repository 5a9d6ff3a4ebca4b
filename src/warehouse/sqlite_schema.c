/* sqlite_schema.c - tables, columns and indexes that a dataset's file has. */
#include "sqlite.h"

#include <string.h>
#include <strings.h>

#include "values.h"

static const char COLUMNS_SQL[] = "SELECT name, type FROM pragma_table_xinfo(?1) WHERE hidden <> 1";
static const char KIND_SQL[] = "SELECT type FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND type IN ('table', 'view')";
static const char INDEXES_SQL[] = "SELECT (SELECT name FROM pragma_index_xinfo(l.name) WHERE seqno = 0), (SELECT name FROM "
                                  "pragma_index_xinfo(l.name) WHERE seqno = 1 AND key = 1) "
                                  "FROM pragma_index_list(?1) AS l WHERE l.partial = 0";
static const char JOB_SQL[] = "INSERT INTO sluice_load_jobs(job_id, table_name, row_count, loaded_at) "
                              "VALUES(?1, ?2, ?3, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";

enum sl_code sl_wh_columns_read(struct sl_wh_db *db, const char *table, struct sl_wh_columns *out, struct sl_arena *arena,
                                struct sl_err *err)
{
    *out = (struct sl_wh_columns){0};
    sqlite3_stmt *stmt;
    bool row;
    enum sl_code code = sl_wh_cached(db, COLUMNS_SQL, &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, table);
    while (!(code = sl_wh_step(db, stmt, &row, err)) && row) {
        out->items = sl_arena_push(arena, out->items, &out->n, sizeof *out->items);
        out->items[out->n - 1].name = sl_arena_strdup(arena, (const char *)sqlite3_column_text(stmt, 0));
        out->items[out->n - 1].declared = sl_arena_strdup(arena, (const char *)sqlite3_column_text(stmt, 1));
    }
    sl_wh_done(stmt);
    return code;
}

const struct sl_wh_column *sl_wh_column_find(const struct sl_wh_columns *columns, const char *name)
{
    for (size_t i = 0; i < columns->n; i++)
        if (!strcasecmp(columns->items[i].name, name))
            return &columns->items[i];
    return NULL;
}

enum sl_code sl_wh_columns_need(struct sl_wh_db *db, const struct sl_wh_name *name, struct sl_wh_columns *out, struct sl_arena *arena,
                                struct sl_err *err)
{
    enum sl_code code = sl_wh_columns_read(db, name->table, out, arena, err);
    if (code || out->n)
        return code;
    return sl_fail(err, SL_NOT_FOUND, "there is no table %s.%s in %s", name->dataset, name->table, db->of->path);
}

enum sl_code sl_wh_column_need(const struct sl_wh_columns *columns, const struct sl_wh_name *name, const char *column,
                               const struct sl_wh_column **out, struct sl_err *err)
{
    *out = sl_wh_column_find(columns, column);
    if (*out)
        return SL_OK;
    return sl_fail(err, SL_NOT_FOUND, "table %s.%s has no column %s", name->dataset, name->table, column);
}

enum sl_code sl_wh_date_column_check(const struct sl_wh_column *column, const struct sl_wh_name *name, struct sl_err *err)
{
    enum sl_column_type type = sl_wh_type_of(column->declared);
    if (type == SL_COL_DATE || type == SL_COL_STRING)
        return SL_OK;
    return sl_fail(err, SL_INVALID, "table %s.%s: column %s is %s; a date column is DATE, or STRING with YYYY-MM-DD", name->dataset,
                   name->table, column->name, sl_wh_type_name(type));
}

static unsigned index_use(const char *first, const char *second, const char *date, const char *unit)
{
    bool date_first = first && !strcasecmp(first, date);
    if (!unit)
        return date_first ? SL_WH_INDEX_DATE_FIRST | SL_WH_INDEX_PAIR | SL_WH_INDEX_DATE_UNIT : 0;
    bool then_unit = second && !strcasecmp(second, unit);
    if (date_first)
        return then_unit ? SL_WH_INDEX_DATE_FIRST | SL_WH_INDEX_PAIR | SL_WH_INDEX_DATE_UNIT : SL_WH_INDEX_DATE_FIRST;
    return first && second && !strcasecmp(first, unit) && !strcasecmp(second, date) ? SL_WH_INDEX_PAIR : 0;
}

enum sl_code sl_wh_indexes(struct sl_wh_db *db, const char *table, const char *date, const char *unit, unsigned *out, struct sl_err *err)
{
    *out = 0;
    sqlite3_stmt *stmt;
    bool row;
    enum sl_code code = sl_wh_cached(db, INDEXES_SQL, &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, table);
    while (!(code = sl_wh_step(db, stmt, &row, err)) && row)
        *out |= index_use((const char *)sqlite3_column_text(stmt, 0), (const char *)sqlite3_column_text(stmt, 1), date, unit);
    sl_wh_done(stmt);
    return code;
}

enum sl_code sl_wh_kind(struct sl_wh_db *db, const char *name, char *out, struct sl_err *err)
{
    out[0] = '\0';
    sqlite3_stmt *stmt;
    bool row;
    enum sl_code code = sl_wh_cached(db, KIND_SQL, &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, name);
    code = sl_wh_step(db, stmt, &row, err);
    if (!code && row)
        sqlite3_snprintf(16, out, "%s", (const char *)sqlite3_column_text(stmt, 0));
    sl_wh_done(stmt);
    return code;
}

enum sl_code sl_wh_job_add(struct sl_wh_db *db, const char *job_id, const char *table, int64_t rows, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    bool row;
    enum sl_code code = sl_wh_cached(db, JOB_SQL, &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, job_id);
    sl_wh_bind(stmt, 2, table);
    sqlite3_bind_int64(stmt, 3, rows);
    code = sl_wh_step(db, stmt, &row, err);
    sl_wh_done(stmt);
    return code;
}
