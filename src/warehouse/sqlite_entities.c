/* sqlite_entities.c - who the rows of a range of dates are about: distinct (date, unit, entity).
 * The statement takes out what repeats; texts are compared and sorted bytewise here, whatever a column's type or collation. */
#include "sqlite_ask.h"

#include <stdlib.h>
#include <string.h>

struct entities {
    struct sl_entity_row *rows;
    size_t n;
    struct sl_arena *arena;
};

static void entities_sql(struct sl_buf *sql, const struct sl_wh_question *q, const char *entity)
{
    struct sl_buf column = {0};
    sl_wh_add_column(&column, entity);
    sl_buf_str(sql, "SELECT DISTINCT ");
    sl_wh_add_column(sql, q->source->date_column);
    sl_buf_str(sql, ", ");
    if (q->unit)
        sl_wh_add_column(sql, q->unit);
    else
        sl_buf_str(sql, "''");
    sl_buf_printf(sql, ", %s FROM ", sl_buf_text(&column));
    sl_wh_quote(sql, q->name.table);
    sl_buf_str(sql, " AS t WHERE ");
    sl_wh_add_column(sql, q->source->date_column);
    sl_buf_str(sql, " BETWEEN ?1 AND ?2");
    sl_buf_fini(&column);
}

/* A text of the row; what the row before had is shared. */
static const char *keep(struct entities *entities, const char *text, const char *before)
{
    return sl_str_eq(text, before) ? before : sl_arena_strdup(entities->arena, text);
}

static enum sl_code add_row(struct entities *entities, const struct sl_wh_question *q, sqlite3_stmt *stmt, struct sl_err *err)
{
    const char *date = (const char *)sqlite3_column_text(stmt, 0), *unit = (const char *)sqlite3_column_text(stmt, 1);
    const char *entity = (const char *)sqlite3_column_text(stmt, 2);
    struct sl_entity_row row, none = {0};
    if (!date || !sl_date_parse(date, strlen(date), &row.date))
        return sl_fail(err, SL_INVALID, "table %s: column %s holds \"%.40s\", which is no date (YYYY-MM-DD)", q->source->table,
                       q->source->date_column, date ? date : "");
    if (!entity || !*entity || !unit || (q->unit && !*unit))
        return SL_OK;
    const struct sl_entity_row *before = entities->n ? &entities->rows[entities->n - 1] : &none;
    row.unit = keep(entities, unit, before->unit);
    row.entity = keep(entities, entity, before->entity);
    entities->rows = sl_arena_push(entities->arena, entities->rows, &entities->n, sizeof *entities->rows);
    entities->rows[entities->n - 1] = row;
    return SL_OK;
}

static int by_date_unit_entity(const void *left, const void *right)
{
    const struct sl_entity_row *a = left, *b = right;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    int order = a->unit == b->unit ? 0 : strcmp(a->unit, b->unit);
    return order ? order : strcmp(a->entity, b->entity);
}

/* Each once: a number and its text, or a date column that holds both, read the same. */
static size_t unique(struct sl_entity_row *rows, size_t n)
{
    size_t kept = 0;
    if (n)
        qsort(rows, n, sizeof *rows, by_date_unit_entity);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || by_date_unit_entity(&rows[kept - 1], &rows[i]))
            rows[kept++] = rows[i];
    return kept;
}

static enum sl_code need_entity(const struct sl_wh_question *q, const char *entity, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_wh_columns columns;
    const struct sl_wh_column *found;
    enum sl_code code = sl_wh_columns_need(q->db, &q->name, &columns, &arena, err);
    if (!code)
        code = sl_wh_column_need(&columns, &q->name, entity, &found, err);
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_wh_entities(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                            struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_question q = {.source = source, .unit = source->unit_column};
    struct entities entities = {.arena = arena};
    const char *entity = sl_wh_theirs(source, entity_column);
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    char first[SL_DATE_LEN + 1], last[SL_DATE_LEN + 1];
    enum sl_code code = sl_wh_plan(self, &q, err);
    if (!code)
        code = need_entity(&q, entity, err);
    if (code || from > to)
        return code;
    entities_sql(&sql, &q, entity);
    code = sl_wh_cached(q.db, sl_buf_text(&sql), &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 1, sl_date_format(from, first));
        sl_wh_bind(stmt, 2, sl_date_format(to, last));
    }
    while (!code && !(code = sl_wh_step(q.db, stmt, &row, err)) && row)
        code = add_row(&entities, &q, stmt, err);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    *out = code ? NULL : entities.rows;
    *n = code ? 0 : unique(entities.rows, entities.n);
    return code;
}
