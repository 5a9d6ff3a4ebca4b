/* sqlite_calendar.c - the calendar: every row once, its conditions evaluated on the text of its cells, sorted and merged by (date, unit). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include "sqlite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sluice/str.h>

#include "values.h"

#define MAX_EXACT 9007199254740992.0 /* 2^53 */

struct calendar {
    struct sl_wh_name name;
    const struct sl_calendar_config *config;
    struct sl_wh_db *db;
    struct sl_arena *arena;
    struct sl_calendar_row *rows;
    size_t n;
};

/* Selected columns: rowid, date, unit, season, then the terms of planned, done, cancelled, then the entity columns. */
enum { AT_ROWID, AT_DATE, AT_UNIT, AT_SEASON, AT_TERMS };

/* A number below 0: no truth value. */
static int as_bool(const char *value)
{
    const bool yes = !strcasecmp(value, "true") || !strcmp(value, "1");
    return yes || !strcasecmp(value, "false") || !strcmp(value, "0") ? yes : -1;
}

static enum sl_code need_column(const struct calendar *c, const struct sl_wh_columns *columns, const char *column, struct sl_err *err)
{
    const struct sl_wh_column *found;
    enum sl_code code = sl_wh_check_column(c->config->table, column, err);
    return code ? code : sl_wh_column_need(columns, &c->name, column, &found, err);
}

static bool is_comparable(enum sl_column_type type, const char *value)
{
    double number;
    switch (type) {
    case SL_COL_INT64:
    case SL_COL_FLOAT64: return sl_parse_double(value, &number);
    case SL_COL_BOOL: return as_bool(value) >= 0;
    case SL_COL_STRING:
    case SL_COL_DATE:
    case SL_COL_TIMESTAMP:
    case SL_COL_JSON: return true;
    }
    return true;
}

/* A value that the column's type can never hold would make the condition silently false. */
static enum sl_code need_comparable(const struct calendar *c, const struct sl_wh_columns *columns, const struct sl_term *term,
                                    struct sl_err *err)
{
    const enum sl_column_type type = sl_wh_type_of(sl_wh_column_find(columns, term->column)->declared);
    for (size_t i = 0; i < term->n; i++)
        if (!is_comparable(type, term->values[i]))
            return sl_fail(err, SL_INVALID, "calendar %s: column %s is %s, which can't be compared with '%.60s'", c->config->table,
                           term->column, sl_wh_type_name(type), term->values[i]);
    return SL_OK;
}

static enum sl_code need_terms(const struct calendar *c, const struct sl_wh_columns *columns, const struct sl_condition *condition,
                               struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; !code && i < condition->n; i++) {
        code = need_column(c, columns, condition->terms[i].column, err);
        if (!code)
            code = need_comparable(c, columns, &condition->terms[i], err);
    }
    return code;
}

static enum sl_code check_columns(const struct calendar *c, struct sl_err *err)
{
    const struct sl_calendar_config *config = c->config;
    struct sl_wh_columns columns;
    const struct sl_wh_column *date;
    enum sl_code code = sl_wh_columns_need(c->db, &c->name, &columns, c->arena, err);
    if (!code)
        code = need_column(c, &columns, config->date_column, err);
    if (!code)
        code = sl_wh_column_need(&columns, &c->name, config->date_column, &date, err);
    if (!code)
        code = sl_wh_date_column_check(date, &c->name, err);
    if (!code && config->unit_column)
        code = need_column(c, &columns, config->unit_column, err);
    if (!code && config->season_column)
        code = need_column(c, &columns, config->season_column, err);
    if (!code)
        code = need_terms(c, &columns, &config->planned, err);
    if (!code)
        code = need_terms(c, &columns, &config->done, err);
    if (!code)
        code = need_terms(c, &columns, &config->cancelled, err);
    for (size_t k = 0; k < config->n_entities; k++)
        for (size_t i = 0; !code && i < config->entities[k].n; i++)
            code = need_column(c, &columns, config->entities[k].columns[i], err);
    return code;
}

/* ", column", or ", NULL" where the config has none. */
static void add_column(struct sl_buf *sql, const char *column)
{
    sl_buf_str(sql, ", ");
    if (column)
        sl_wh_quote(sql, column);
    else
        sl_buf_str(sql, "NULL");
}

static void add_terms(struct sl_buf *sql, const struct sl_condition *condition)
{
    for (size_t i = 0; i < condition->n; i++)
        add_column(sql, condition->terms[i].column);
}

static void select_sql(struct sl_buf *sql, const struct calendar *c, const char *rowid)
{
    const struct sl_calendar_config *config = c->config;
    sl_buf_printf(sql, "SELECT %s", rowid);
    add_column(sql, config->date_column);
    add_column(sql, config->unit_column);
    add_column(sql, config->season_column);
    add_terms(sql, &config->planned);
    add_terms(sql, &config->done);
    add_terms(sql, &config->cancelled);
    for (size_t k = 0; k < config->n_entities; k++)
        for (size_t i = 0; i < config->entities[k].n; i++)
            add_column(sql, config->entities[k].columns[i]);
    sl_buf_str(sql, " FROM ");
    sl_wh_quote(sql, c->name.table);
}

/* With the row's number for errors; views and WITHOUT ROWID tables have none. */
static enum sl_code prepare(struct calendar *c, sqlite3_stmt **out, struct sl_err *err)
{
    struct sl_buf sql = {0};
    select_sql(&sql, c, "rowid");
    enum sl_code code = sl_wh_cached(c->db, sl_buf_text(&sql), out, err);
    if (code == SL_INTERNAL) {
        sl_buf_clear(&sql);
        select_sql(&sql, c, "NULL");
        code = sl_wh_cached(c->db, sl_buf_text(&sql), out, err);
    }
    sl_buf_fini(&sql);
    return code;
}

static const char *cell(sqlite3_stmt *stmt, int at)
{
    return (const char *)sqlite3_column_text(stmt, at);
}

/* 3 and 3.0 are one number; what a double can't hold exactly is equal only by its text. */
static bool same_number(double number, const char *value)
{
    double other;
    return sl_parse_double(value, &other) && fabs(number) < MAX_EXACT && !(number < other) && !(number > other);
}

/* The config's value in the words of the cell. A truth value is stored as 0 or 1. */
static bool is_value(sqlite3_stmt *stmt, int at, const char *value)
{
    const int type = sqlite3_column_type(stmt, at);
    const bool number = type == SQLITE_INTEGER || type == SQLITE_FLOAT;
    const char *declared = number ? sqlite3_column_decltype(stmt, at) : NULL;
    const double found = number ? sqlite3_column_double(stmt, at) : 0;
    if (declared && sl_wh_type_of(declared) == SL_COL_BOOL)
        return as_bool(value) == (found < 0 || found > 0);
    const char *text = cell(stmt, at);
    return text && (!strcmp(text, value) || (number && same_number(found, value)));
}

/* Every term has one of its values; *at moves behind the condition's columns. */
static bool holds(sqlite3_stmt *stmt, const struct sl_condition *condition, int *at)
{
    bool all = true;
    for (size_t i = 0; i < condition->n; i++, (*at)++) {
        const struct sl_term *term = &condition->terms[i];
        bool one = false;
        for (size_t v = 0; !one && v < term->n; v++)
            one = is_value(stmt, *at, term->values[v]);
        all = all && one;
    }
    return all;
}

static enum sl_code bad_row(const struct calendar *c, sqlite3_stmt *stmt, const char *column, const char *what, struct sl_err *err)
{
    const char *rowid = cell(stmt, AT_ROWID), *text = cell(stmt, AT_DATE);
    return sl_fail(err, SL_INVALID, "calendar %s, row %s (date %.40s): column %s %s", c->config->table, rowid ? rowid : "without number",
                   text ? text : "NULL", column, what);
}

/* The different ones of a kind's columns, in their order; NULL and empty ones are left out. */
static void add_entity(struct calendar *c, struct sl_row_entities *kind, const char *text)
{
    if (!text || !*text)
        return;
    for (size_t i = 0; i < kind->n; i++)
        if (!strcmp(kind->names[i], text))
            return;
    kind->names = sl_arena_push(c->arena, kind->names, &kind->n, sizeof *kind->names);
    kind->names[kind->n - 1] = sl_arena_strdup(c->arena, text);
}

static void read_entities(struct calendar *c, struct sl_calendar_row *row, sqlite3_stmt *stmt, int at)
{
    row->kinds = sl_arena_array(c->arena, c->config->n_entities, sizeof *row->kinds);
    for (size_t k = 0; k < c->config->n_entities; k++)
        for (size_t i = 0; i < c->config->entities[k].n; i++)
            add_entity(c, &row->kinds[k], cell(stmt, at++));
}

static enum sl_code read_row(struct calendar *c, sqlite3_stmt *stmt, struct sl_err *err)
{
    const char *date = cell(stmt, AT_DATE), *unit = cell(stmt, AT_UNIT);
    struct sl_calendar_row row = {0};
    if (!date || !sl_date_parse(date, strlen(date), &row.date))
        return bad_row(c, stmt, c->config->date_column, "holds no date (YYYY-MM-DD)", err);
    if (c->config->unit_column && (!unit || !*unit))
        return bad_row(c, stmt, c->config->unit_column, "is empty", err);
    int at = AT_TERMS;
    row.planned = holds(stmt, &c->config->planned, &at);
    row.done = holds(stmt, &c->config->done, &at);
    if (holds(stmt, &c->config->cancelled, &at) && c->config->cancelled.n)
        row.planned = row.done = false;
    row.unit = sl_arena_strdup(c->arena, unit);
    row.season = sl_arena_strdup(c->arena, cell(stmt, AT_SEASON));
    read_entities(c, &row, stmt, at);
    c->rows = sl_arena_push(c->arena, c->rows, &c->n, sizeof *c->rows);
    c->rows[c->n - 1] = row;
    return SL_OK;
}

static int compare_text(const char *a, const char *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    return strcmp(a, b);
}

static int compare_entities(const struct sl_row_entities *a, const struct sl_row_entities *b)
{
    int order = 0;
    for (size_t i = 0; !order && i < a->n && i < b->n; i++)
        order = strcmp(a->names[i], b->names[i]);
    return order ? order : (a->n > b->n) - (a->n < b->n);
}

/* By date, then unit; season and entities after that, so that merging does not depend on the order of the rows. */
static int compare_rows(const void *left, const void *right, void *n_kinds)
{
    const struct sl_calendar_row *a = left, *b = right;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    int order = compare_text(a->unit, b->unit);
    if (!order)
        order = compare_text(a->season, b->season);
    for (size_t k = 0; !order && k < *(const size_t *)n_kinds; k++)
        order = compare_entities(&a->kinds[k], &b->kinds[k]);
    return order;
}

static void merge_into(struct calendar *c, struct sl_calendar_row *into, const struct sl_calendar_row *from)
{
    into->planned = into->planned || from->planned;
    into->done = into->done || from->done;
    into->season = into->season ? into->season : from->season;
    for (size_t k = 0; k < c->config->n_entities; k++)
        for (size_t i = 0; i < from->kinds[k].n; i++)
            add_entity(c, &into->kinds[k], from->kinds[k].names[i]);
}

/* As most calendars are stored. */
static bool is_ascending(const struct calendar *c)
{
    size_t n_kinds = c->config->n_entities;
    for (size_t i = 1; i < c->n; i++)
        if (compare_rows(&c->rows[i - 1], &c->rows[i], &n_kinds) > 0)
            return false;
    return true;
}

static void merge(struct calendar *c)
{
    size_t n = 0, n_kinds = c->config->n_entities;
    if (!is_ascending(c))
        qsort_r(c->rows, c->n, sizeof *c->rows, compare_rows, &n_kinds);
    for (size_t i = 0; i < c->n; i++) {
        struct sl_calendar_row *last = n ? &c->rows[n - 1] : NULL;
        if (last && last->date == c->rows[i].date && !compare_text(last->unit, c->rows[i].unit))
            merge_into(c, last, &c->rows[i]);
        else
            c->rows[n++] = c->rows[i];
    }
    c->n = n;
}

enum sl_code sl_wh_calendar(struct sl_warehouse *self, const struct sl_calendar_config *config, struct sl_calendar_row **out, size_t *n,
                            struct sl_arena *arena, struct sl_err *err)
{
    struct calendar c = {.config = config, .arena = arena};
    sqlite3_stmt *stmt = NULL;
    bool row;
    *out = NULL;
    *n = 0;
    enum sl_code code = sl_wh_name_parse(&c.name, config->table, err);
    if (!code)
        code = sl_wh_reader((struct sl_wh *)self, &c.name, &c.db, err);
    if (!code)
        code = check_columns(&c, err);
    if (!code)
        code = prepare(&c, &stmt, err);
    while (!code && !(code = sl_wh_step(c.db, stmt, &row, err)) && row)
        code = read_row(&c, stmt, err);
    sl_wh_done(stmt);
    if (code)
        return code;
    merge(&c);
    *out = c.rows;
    *n = c.n;
    return SL_OK;
}
