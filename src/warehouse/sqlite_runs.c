/* sqlite_runs.c - what a run history that processors write says of runs.
 * The rows of the asked dates are read once and matched here: the table needs no index to be asked, and a run's last row counts. */
#include "sqlite.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/json.h>
#include <sluice/str.h>

enum { AT_DATE, AT_RUN, AT_STATUS, AT_RECORDS };
static const char *const COLUMNS[] = {"data_date", "run_id", "status", "record_count"};

static const char SQL_FROM[] = " WHERE data_date IN (SELECT value FROM json_each(?1)) ORDER BY rowid";

static enum sl_code check_columns(struct sl_wh_db *db, const struct sl_wh_name *name, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_wh_columns columns;
    const struct sl_wh_column *column;
    enum sl_code code = sl_wh_columns_need(db, name, &columns, &arena, err);
    for (size_t i = 0; !code && i < sizeof COLUMNS / sizeof *COLUMNS; i++)
        code = sl_wh_column_need(&columns, name, COLUMNS[i], &column, err);
    sl_arena_fini(&arena);
    return code;
}

static const char *key_of(struct sl_arena *arena, const char *date, const char *run_id)
{
    return sl_arena_printf(arena, "%s %s", date, run_id);
}

/* Key -> index + 1; the dates, as JSON. */
static struct sl_map *index_keys(const struct sl_run_key *keys, size_t n, struct sl_buf *dates, struct sl_arena *arena)
{
    struct sl_map *index = sl_map_create();
    struct sl_json json;
    char date[SL_DATE_LEN + 1];
    sl_json_init(&json, dates);
    sl_json_array(&json);
    for (size_t i = 0; i < n; i++) {
        sl_date_format(keys[i].date, date);
        sl_map_put(index, key_of(arena, date, keys[i].run_id), (void *)(i + 1));
        if (i == 0 || keys[i].date != keys[i - 1].date)
            sl_json_str(&json, date);
    }
    sl_json_end_array(&json);
    return index;
}

static void read_record(sqlite3_stmt *stmt, const struct sl_map *index, struct sl_run_record *out, struct sl_arena *arena)
{
    const char *date = (const char *)sqlite3_column_text(stmt, AT_DATE), *run = (const char *)sqlite3_column_text(stmt, AT_RUN);
    size_t i = date && run ? (size_t)sl_map_get(index, key_of(arena, date, run)) : 0;
    if (i == 0)
        return;
    const bool counted = sqlite3_column_type(stmt, AT_RECORDS) != SQLITE_NULL;
    out[i - 1] = (struct sl_run_record){.found = true,
                                        .status = sl_arena_strdup(arena, (const char *)sqlite3_column_text(stmt, AT_STATUS)),
                                        .record_count = counted ? sqlite3_column_int64(stmt, AT_RECORDS) : -1};
}

static enum sl_code prepare(struct sl_wh_db *db, const struct sl_wh_name *name, sqlite3_stmt **out, struct sl_err *err)
{
    struct sl_buf sql = {0};
    for (size_t i = 0; i < sizeof COLUMNS / sizeof *COLUMNS; i++)
        sl_buf_printf(&sql, "%s%s", i ? ", " : "SELECT ", COLUMNS[i]);
    sl_buf_str(&sql, " FROM ");
    sl_wh_quote(&sql, name->table);
    sl_buf_str(&sql, SQL_FROM);
    enum sl_code code = sl_wh_prepare(db, sl_buf_text(&sql), out, err);
    sl_buf_fini(&sql);
    return code;
}

enum sl_code sl_wh_run_records(struct sl_warehouse *self, const char *table, const struct sl_run_key *keys, size_t n,
                               struct sl_run_record *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    sqlite3_stmt *stmt = NULL;
    struct sl_buf dates = {0};
    bool more;
    enum sl_code code = sl_wh_name_parse(&name, table, err);
    if (!code)
        code = sl_wh_reader((struct sl_wh *)self, &name, &db, err);
    if (!code)
        code = check_columns(db, &name, err);
    if (!code)
        code = prepare(db, &name, &stmt, err);
    if (code)
        return code;
    struct sl_map *index = index_keys(keys, n, &dates, arena);
    sqlite3_bind_text64(stmt, 1, sl_buf_text(&dates), dates.len, SQLITE_STATIC, SQLITE_UTF8);
    while (!(code = sl_wh_step(db, stmt, &more, err)) && more)
        read_record(stmt, index, out, arena);
    sqlite3_finalize(stmt);
    sl_map_destroy(&index);
    sl_buf_fini(&dates);
    return code;
}
