/* sqlite_load.c - rows into the log and out of it (RULES 26): the rows and the job id in one durable transaction of the log's own file, so that a load that is
 * tried again after its answer was lost finds its job id and adds nothing. */
#include "sqlite.h"

#include <string.h>
#include <strings.h>

#include "values.h"

static const char HAS_JOB_SQL[] = "SELECT 1 FROM sluice_load_jobs WHERE job_id = ?1";

static enum sl_code has_job(struct sl_wh_db *db, const char *job_id, bool *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_wh_cached(db, HAS_JOB_SQL, &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, job_id);
    code = sl_wh_step(db, stmt, out, err);
    sl_wh_done(stmt);
    return code;
}

static void insert_sql(struct sl_buf *sql, const char *table, const struct sl_load *load)
{
    bool identified = false; /* by event_id: a row that is there already is not added again */
    sl_buf_str(sql, "INSERT INTO ");
    sl_wh_quote(sql, table);
    for (size_t i = 0; i < load->n_columns; i++) {
        sl_buf_str(sql, i ? ", " : "(");
        sl_wh_quote(sql, load->columns[i]);
        identified = identified || !strcasecmp(load->columns[i], "event_id");
    }
    for (size_t i = 0; i < load->n_columns; i++)
        sl_buf_str(sql, i ? ", ?" : ") VALUES(?");
    sl_buf_str(sql, identified ? ") ON CONFLICT(event_id) DO NOTHING" : ")");
}

/* SQLite's affinity turns text into numbers, but not "true" into 1. */
static void bind_cell(sqlite3_stmt *stmt, int at, const char *cell, bool is_bool)
{
    bool value;
    if (cell && is_bool && sl_wh_bool(cell, &value))
        sqlite3_bind_int(stmt, at, value);
    else
        sl_wh_bind(stmt, at, cell);
}

static enum sl_code insert_rows(struct sl_wh_db *db, const struct sl_load *load, const bool *is_bool, sqlite3_stmt *stmt,
                                struct sl_err *err)
{
    enum sl_code code = SL_OK;
    const char *const *cell = load->cells;
    bool row;
    for (size_t r = 0; !code && r < load->n_rows; r++) {
        for (size_t i = 0; i < load->n_columns; i++)
            bind_cell(stmt, (int)i + 1, *cell++, is_bool[i]);
        code = sl_wh_step(db, stmt, &row, err);
        sqlite3_reset(stmt);
    }
    sl_wh_done(stmt);
    return code;
}

static enum sl_code add_rows(struct sl_wh_db *db, const struct sl_wh_name *name, const struct sl_load *load, struct sl_arena *arena,
                             struct sl_err *err)
{
    struct sl_wh_columns columns;
    const struct sl_wh_column *column;
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool *is_bool = sl_arena_array(arena, load->n_columns + 1, sizeof *is_bool);
    enum sl_code code = sl_wh_columns_need(db, name, &columns, arena, err);
    for (size_t i = 0; !code && i < load->n_columns; i++) {
        code = sl_wh_column_need(&columns, name, load->columns[i], &column, err);
        is_bool[i] = !code && sl_wh_type_of(column->declared) == SL_COL_BOOL;
    }
    if (code || !load->n_rows)
        return code;
    insert_sql(&sql, name->table, load);
    code = sl_wh_cached(db, sl_buf_text(&sql), &stmt, err);
    sl_buf_fini(&sql);
    return code ? code : insert_rows(db, load, is_bool, stmt, err);
}

enum sl_code sl_wh_load(struct sl_warehouse *self, const struct sl_load *load, bool *already, struct sl_err *err)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    *already = false;
    if (!load->n_columns || !load->job_id || !*load->job_id)
        return sl_fail(err, SL_INVALID, "load of %s: a job id and columns are needed", load->table);
    enum sl_code code = sl_wh_name_parse(&name, load->table, err);
    if (!code)
        code = sl_wh_begin((struct sl_wh *)self, &name, false, &db, err);
    if (code)
        return code;
    struct sl_arena arena = {0};
    code = has_job(db, load->job_id, already, err);
    if (!code && !*already)
        code = add_rows(db, &name, load, &arena, err);
    if (!code && !*already)
        code = sl_wh_job_add(db, load->job_id, load->table, (int64_t)load->n_rows, err);
    sl_arena_fini(&arena);
    return sl_wh_end(db, code, err);
}

/* --- reading the log -------------------------------------------------------------------------------------------------------------- */

struct filter_term {
    const char *sql, *value; /* value NULL: off */
};

static void log_sql(struct sl_buf *sql, const char *table, const struct filter_term *terms, size_t n)
{
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++) {
        sl_buf_str(sql, i ? ", " : "SELECT ");
        sl_wh_quote(sql, SL_LOG_COLUMNS[i]);
    }
    sl_buf_str(sql, " FROM ");
    sl_wh_quote(sql, table);
    const char *join = " WHERE ";
    for (size_t i = 0; i < n; i++)
        if (terms[i].value) {
            sl_buf_printf(sql, "%s%s", join, terms[i].sql);
            join = " AND ";
        }
    sl_buf_str(sql, " ORDER BY event_timestamp, event_id");
}

static enum sl_code prepare_log(struct sl_wh_db *db, const char *table, const struct sl_log_filter *filter, sqlite3_stmt **out,
                                struct sl_err *err)
{
    char date[SL_DATE_LEN + 1], from[SL_DATE_LEN + 1], to[SL_DATE_LEN + 1];
    const struct filter_term terms[] = {
        {"game_date = ?", filter->date == SL_DATE_NONE ? NULL : sl_date_format(filter->date, date)},
        {"game_date >= ?", filter->from == SL_DATE_NONE ? NULL : sl_date_format(filter->from, from)},
        {"game_date <= ?", filter->to == SL_DATE_NONE ? NULL : sl_date_format(filter->to, to)},
        {"event_type = ?", filter->type},
        {"severity = ?", filter->severity},
        {"game_id = ?", filter->unit},
        {"phase = ?", filter->phase},
    };
    const size_t n = sizeof terms / sizeof *terms;
    struct sl_buf sql = {0};
    log_sql(&sql, table, terms, n);
    enum sl_code code = sl_wh_prepare(db, sl_buf_text(&sql), out, err);
    sl_buf_fini(&sql);
    int at = 0;
    for (size_t i = 0; !code && i < n; i++)
        if (terms[i].value)
            sqlite3_bind_text(*out, ++at, terms[i].value, -1, SQLITE_TRANSIENT);
    return code;
}

static enum sl_code check_log(struct sl_wh_db *db, const struct sl_wh_name *name, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_wh_columns columns;
    const struct sl_wh_column *column;
    enum sl_code code = sl_wh_columns_need(db, name, &columns, &arena, err);
    for (size_t i = 0; !code && i < SL_N_LOG_COLUMNS; i++)
        code = sl_wh_column_need(&columns, name, SL_LOG_COLUMNS[i], &column, err);
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_wh_log_rows(struct sl_warehouse *self, const struct sl_config *config, const struct sl_log_filter *filter,
                            void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    sqlite3_stmt *stmt = NULL;
    const char *cells[SL_N_LOG_COLUMNS];
    bool more;
    enum sl_code code = sl_wh_name_parse(&name, config->coverage.log_table, err);
    if (!code)
        code = sl_wh_reader((struct sl_wh *)self, &name, &db, err);
    if (!code)
        code = check_log(db, &name, err);
    if (!code)
        code = prepare_log(db, name.table, filter, &stmt, err);
    while (!code && !(code = sl_wh_step(db, stmt, &more, err)) && more) {
        for (int i = 0; i < SL_N_LOG_COLUMNS; i++)
            cells[i] = (const char *)sqlite3_column_text(stmt, i);
        row(arg, cells);
    }
    sqlite3_finalize(stmt);
    return code;
}
