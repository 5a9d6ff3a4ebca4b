/* sqlite_ask.c - which keys have rows, how many, and which dates.
 * One statement per question. Where an index leads to the keys, they go in as one JSON array and every key is a seek; where none does, one scan of the
 * rows of the asked dates is matched here, so that a table without an index is slow but never quadratic. NULL and empty units never count. */
#include "sqlite_ask.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/json.h>

#include "values.h"

/* Where an answer goes: one of the two. */
struct answer {
    uint8_t *present;
    int64_t *rows;
};

struct sl_wh_question sl_wh_question(const struct sl_source *source, const struct sl_key *keys, size_t n)
{
    bool by_unit = source->unit_column && n && keys[0].unit;
    return (struct sl_wh_question){.source = source, .unit = by_unit ? source->unit_column : NULL, .keys = keys, .n = n};
}

/* --- the plan ------------------------------------------------------------------------------------------------------------------- */

static struct sl_wh_plan *plan_get(struct sl_wh_dataset *dataset, const char *key)
{
    struct sl_wh_plan *plan = dataset->plans;
    while (plan && strcmp(plan->key, key))
        plan = plan->next;
    if (plan)
        return plan;
    plan = sl_calloc(1, sizeof *plan);
    plan->key = sl_strdup(key);
    plan->version = -1;
    plan->next = dataset->plans;
    dataset->plans = plan;
    return plan;
}

static enum sl_code plan_fill(struct sl_wh_plan *plan, const struct sl_wh_question *q, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_columns columns;
    const struct sl_wh_column *date = NULL, *unit = NULL;
    unsigned use = 0;
    enum sl_code code = sl_wh_columns_need(q->db, &q->name, &columns, arena, err);
    if (!code)
        code = sl_wh_column_need(&columns, &q->name, q->source->date_column, &date, err);
    if (!code)
        code = sl_wh_date_column_check(date, &q->name, err);
    if (!code && q->unit)
        code = sl_wh_column_need(&columns, &q->name, q->unit, &unit, err);
    if (!code)
        code = sl_wh_indexes(q->db, q->name.table, q->source->date_column, q->unit, &use, err);
    plan->seek = use & SL_WH_INDEX_PAIR;
    plan->date_first = use & SL_WH_INDEX_DATE_FIRST;
    plan->cast = unit && !sl_wh_keeps_text(unit->declared);
    return code;
}

enum sl_code sl_wh_plan(struct sl_warehouse *self, struct sl_wh_question *q, struct sl_err *err)
{
    enum sl_code code = sl_wh_name_parse(&q->name, q->source->table, err);
    if (!code)
        code = sl_wh_reader((struct sl_wh *)self, &q->name, &q->db, err);
    if (!code)
        code = sl_wh_refresh(q->db->of, err);
    if (code)
        return code;
    struct sl_buf key = {0};
    sl_buf_printf(&key, "%s|%s|%s", q->name.table, q->source->date_column, q->unit ? q->unit : "");
    struct sl_wh_plan *found = plan_get(q->db->of, sl_buf_text(&key));
    sl_buf_fini(&key);
    q->plan = found;
    if (found->version == q->db->of->version)
        return SL_OK;
    struct sl_arena arena = {0};
    code = plan_fill(found, q, &arena, err);
    found->version = code ? -1 : q->db->of->version;
    sl_arena_fini(&arena);
    return code;
}

/* --- seeks ---------------------------------------------------------------------------------------------------------------------- */

void sl_wh_add_column(struct sl_buf *sql, const char *name)
{
    sl_buf_str(sql, "t.");
    sl_wh_quote(sql, name);
}

/* FROM t WHERE it is the key's row; a key is the date's ten bytes, then the unit's. */
static void add_match(struct sl_buf *sql, const struct sl_wh_question *q)
{
    sl_buf_str(sql, "FROM ");
    sl_wh_quote(sql, q->name.table);
    sl_buf_str(sql, " AS t WHERE ");
    sl_wh_add_column(sql, q->source->date_column);
    sl_buf_str(sql, " = substr(k.value, 1, 10)");
    if (!q->unit)
        return;
    sl_buf_str(sql, " AND ");
    sl_wh_add_column(sql, q->unit);
    sl_buf_str(sql, " = substr(k.value, 11)");
    if (q->plan->cast) { /* a number finds '007' through the index; its text does not */
        sl_buf_str(sql, " AND CAST(");
        sl_wh_add_column(sql, q->unit);
        sl_buf_str(sql, " AS TEXT) = substr(k.value, 11)");
    }
}

static void seek_sql(struct sl_buf *sql, const struct sl_wh_question *q, bool count)
{
    sl_buf_str(sql, count ? "SELECT k.key, (SELECT count(*) " : "SELECT k.key FROM json_each(?1) AS k WHERE EXISTS (SELECT 1 ");
    add_match(sql, q);
    sl_buf_str(sql, count ? ") FROM json_each(?1) AS k" : ")");
}

static bool has_unit(const struct sl_wh_question *q, size_t i)
{
    return !q->unit || (q->keys[i].unit && *q->keys[i].unit);
}

void sl_wh_keys_json(struct sl_buf *out, const struct sl_wh_question *q)
{
    struct sl_buf key = {0};
    struct sl_json json;
    char date[SL_DATE_LEN + 1];
    sl_json_init(&json, out);
    sl_json_array(&json);
    for (size_t i = 0; i < q->n; i++) {
        sl_buf_clear(&key);
        if (has_unit(q, i)) { /* else "": no row has that date */
            sl_buf_str(&key, sl_date_format(q->keys[i].date, date));
            sl_buf_str(&key, q->unit ? q->keys[i].unit : "");
        }
        sl_json_str(&json, sl_buf_text(&key));
    }
    sl_json_end_array(&json);
    sl_buf_fini(&key);
}

enum sl_code sl_wh_bind_json(struct sl_wh_question *q, const char *sql, const struct sl_buf *json, sqlite3_stmt **out, struct sl_err *err)
{
    enum sl_code code = sl_wh_cached(q->db, sql, out, err);
    if (!code && sqlite3_bind_text64(*out, 1, sl_buf_text(json), json->len, SQLITE_STATIC, SQLITE_UTF8))
        code = sl_wh_error(q->db, q->source->table, err);
    return code;
}

static enum sl_code seek(struct sl_wh_question *q, const struct answer *answer, struct sl_err *err)
{
    struct sl_buf sql = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    seek_sql(&sql, q, answer->rows != NULL);
    sl_wh_keys_json(&json, q);
    enum sl_code code = sl_wh_bind_json(q, sl_buf_text(&sql), &json, &stmt, err);
    while (!code && !(code = sl_wh_step(q->db, stmt, &row, err)) && row) {
        size_t i = (size_t)sqlite3_column_int64(stmt, 0);
        if (answer->rows)
            answer->rows[i] = sqlite3_column_int64(stmt, 1);
        else
            answer->present[i] = 1;
    }
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    sl_buf_fini(&json);
    return code;
}

/* --- the scan ------------------------------------------------------------------------------------------------------------------- */

void sl_wh_add_key_columns(struct sl_buf *sql, const struct sl_wh_question *q)
{
    sl_buf_str(sql, "SELECT ");
    sl_wh_add_column(sql, q->source->date_column);
    if (q->unit) {
        sl_buf_str(sql, ", ");
        sl_wh_add_column(sql, q->unit);
    }
}

void sl_wh_add_from_dates(struct sl_buf *sql, const struct sl_wh_question *q)
{
    sl_buf_str(sql, " FROM ");
    sl_wh_quote(sql, q->name.table);
    sl_buf_str(sql, " AS t");
    sl_wh_add_where_dates(sql, q);
}

void sl_wh_add_where_dates(struct sl_buf *sql, const struct sl_wh_question *q)
{
    sl_buf_str(sql, " WHERE ");
    sl_wh_add_column(sql, q->source->date_column);
    sl_buf_str(sql, " IN (SELECT value FROM json_each(?1))");
}

void sl_wh_dates_json(struct sl_buf *out, const struct sl_wh_question *q)
{
    struct sl_json json;
    sl_json_init(&json, out);
    sl_json_array(&json);
    for (size_t i = 0; i < q->n; i++)
        if (i == 0 || q->keys[i].date != q->keys[i - 1].date)
            sl_json_date(&json, q->keys[i].date);
    sl_json_end_array(&json);
}

static int compare_key(const struct sl_wh_question *q, size_t i, sl_date date, const char *unit)
{
    if (q->keys[i].date != date)
        return q->keys[i].date < date ? -1 : 1;
    if (!q->unit)
        return 0;
    return strcmp(q->keys[i].unit ? q->keys[i].unit : "", unit);
}

/* The first key that is not before (date, unit): keys are ascending. */
static size_t lower_bound(const struct sl_wh_question *q, sl_date date, const char *unit)
{
    size_t low = 0, high = q->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_key(q, middle, date, unit) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t sl_wh_question_find(const struct sl_wh_question *q, const char *date, const char *unit)
{
    sl_date day;
    if (!date || !unit || (q->unit && !*unit) || !sl_date_parse(date, strlen(date), &day))
        return q->n;
    size_t i = lower_bound(q, day, unit);
    return i < q->n && compare_key(q, i, day, unit) == 0 ? i : q->n;
}

size_t sl_wh_question_match(const struct sl_wh_question *q, sqlite3_stmt *stmt)
{
    return sl_wh_question_find(q, (const char *)sqlite3_column_text(stmt, 0), q->unit ? (const char *)sqlite3_column_text(stmt, 1) : "");
}

bool sl_wh_question_same(const struct sl_wh_question *q, size_t a, size_t b)
{
    if (b >= q->n || q->keys[a].date != q->keys[b].date)
        return false;
    return !q->unit || sl_str_eq(q->keys[a].unit, q->keys[b].unit);
}

/* Count one row for the keys that it belongs to. */
static void match(const struct sl_wh_question *q, sqlite3_stmt *stmt, const struct answer *answer)
{
    size_t first = sl_wh_question_match(q, stmt);
    for (size_t i = first; i < q->n && sl_wh_question_same(q, first, i); i++) {
        if (answer->rows)
            answer->rows[i]++;
        else
            answer->present[i] = 1;
    }
}

static enum sl_code scan(struct sl_wh_question *q, const struct answer *answer, struct sl_err *err)
{
    struct sl_buf sql = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    sl_wh_add_key_columns(&sql, q);
    sl_wh_add_from_dates(&sql, q);
    sl_wh_dates_json(&json, q);
    enum sl_code code = sl_wh_bind_json(q, sl_buf_text(&sql), &json, &stmt, err);
    while (!code && !(code = sl_wh_step(q->db, stmt, &row, err)) && row)
        match(q, stmt, answer);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    sl_buf_fini(&json);
    return code;
}

static enum sl_code ask(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n,
                        const struct answer *answer, struct sl_err *err)
{
    struct sl_wh_question q = sl_wh_question(source, keys, n);
    enum sl_code code = sl_wh_plan(self, &q, err);
    if (code || !n)
        return code;
    return q.plan->seek ? seek(&q, answer, err) : scan(&q, answer, err);
}

enum sl_code sl_wh_present(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n, uint8_t *present,
                           struct sl_err *err)
{
    memset(present, 0, n * sizeof *present);
    return ask(self, source, keys, n, &(struct answer){.present = present}, err);
}

enum sl_code sl_wh_count(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n, int64_t *rows,
                         struct sl_err *err)
{
    memset(rows, 0, n * sizeof *rows);
    return ask(self, source, keys, n, &(struct answer){.rows = rows}, err);
}

/* --- dates ---------------------------------------------------------------------------------------------------------------------- */

/* With an index each date is a seek for the next greater one (RULES 38); without one it is a scan. */
static void dates_sql(struct sl_buf *sql, const struct sl_wh_question *q)
{
    struct sl_buf date = {0}, table = {0};
    sl_wh_add_column(&date, q->source->date_column);
    sl_wh_quote(&table, q->name.table);
    const char *d = sl_buf_text(&date), *t = sl_buf_text(&table);
    if (q->plan->date_first)
        sl_buf_printf(sql,
                      "WITH RECURSIVE seek(day) AS (SELECT min(%s) FROM %s AS t WHERE %s >= ?1 AND %s <= ?2 UNION ALL "
                      "SELECT (SELECT min(%s) FROM %s AS t WHERE %s > seek.day AND %s <= ?2) FROM seek WHERE seek.day IS NOT NULL) "
                      "SELECT day FROM seek WHERE day IS NOT NULL",
                      d, t, d, d, d, t, d, d);
    else
        sl_buf_printf(sql, "SELECT DISTINCT %s FROM %s AS t WHERE %s >= ?1 AND %s <= ?2 ORDER BY 1", d, t, d, d);
    sl_buf_fini(&date);
    sl_buf_fini(&table);
}

static enum sl_code add_date(const struct sl_wh_question *q, const char *text, sl_date **out, size_t *n, struct sl_arena *arena,
                             struct sl_err *err)
{
    sl_date date;
    if (!text || !sl_date_parse(text, strlen(text), &date))
        return sl_fail(err, SL_INVALID, "table %s: column %s holds \"%.40s\", which is no date (YYYY-MM-DD)", q->source->table,
                       q->source->date_column, text ? text : "");
    *out = sl_arena_push(arena, *out, n, sizeof **out);
    (*out)[*n - 1] = date;
    return SL_OK;
}

enum sl_code sl_wh_dates(struct sl_warehouse *self, const struct sl_source *source, sl_date from, sl_date to, sl_date **out, size_t *n,
                         struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_question q = {.source = source};
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    char first[SL_DATE_LEN + 1], last[SL_DATE_LEN + 1];
    *out = NULL;
    *n = 0;
    enum sl_code code = sl_wh_plan(self, &q, err);
    if (code || from > to)
        return code;
    dates_sql(&sql, &q);
    code = sl_wh_cached(q.db, sl_buf_text(&sql), &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 1, sl_date_format(from, first));
        sl_wh_bind(stmt, 2, sl_date_format(to, last));
    }
    while (!code && !(code = sl_wh_step(q.db, stmt, &row, err)) && row)
        code = add_date(&q, (const char *)sqlite3_column_text(stmt, 0), out, n, arena, err);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    return code;
}
