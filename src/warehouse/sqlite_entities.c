/* sqlite_entities.c - who the rows of a range of dates are about: distinct (date, unit, entity), and the rows' own tiers.
 * The statement takes out what repeats; texts are compared and sorted bytewise here, whatever a column's type or collation. */
#include "sqlite_ask.h"

#include <stdlib.h>
#include <string.h>

struct entities {
    struct sl_entity_row *rows;
    size_t n;
    struct sl_arena *arena;
};

/* `tier` NULL: not asked. */
static void entities_sql(struct sl_buf *sql, const struct sl_wh_question *q, const char *entity, const char *tier)
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
    sl_buf_printf(sql, ", %s", sl_buf_text(&column));
    if (tier) {
        sl_buf_str(sql, ", ");
        sl_wh_add_column(sql, tier);
    }
    sl_buf_str(sql, " FROM ");
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
    const char *tier = sqlite3_column_count(stmt) > 3 ? (const char *)sqlite3_column_text(stmt, 3) : NULL;
    struct sl_entity_row row, none = {0};
    if (!date || !sl_date_parse(date, strlen(date), &row.date))
        return sl_fail(err, SL_INVALID, "table %s: column %s holds \"%.40s\", which is no date (YYYY-MM-DD)", q->source->table,
                       q->source->date_column, date ? date : "");
    if (!entity || !*entity || !unit || (q->unit && !*unit))
        return SL_OK;
    const struct sl_entity_row *before = entities->n ? &entities->rows[entities->n - 1] : &none;
    row.unit = keep(entities, unit, before->unit);
    row.entity = keep(entities, entity, before->entity);
    row.tier = keep(entities, tier, before->tier);
    entities->rows = sl_arena_push(entities->arena, entities->rows, &entities->n, sizeof *entities->rows);
    entities->rows[entities->n - 1] = row;
    return SL_OK;
}

static int by_tier(const struct sl_entity_row *a, const struct sl_entity_row *b)
{
    if (!a->tier || !b->tier)
        return (a->tier != NULL) - (b->tier != NULL);
    return a->tier == b->tier ? 0 : strcmp(a->tier, b->tier);
}

static int by_date_unit_entity(const void *left, const void *right)
{
    const struct sl_entity_row *a = left, *b = right;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    int order = a->unit == b->unit ? 0 : strcmp(a->unit, b->unit);
    if (!order)
        order = strcmp(a->entity, b->entity);
    return order ? order : by_tier(a, b);
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

/* The entity column has to be there; *has_tier: the tier column (may be NULL) is. */
static enum sl_code need_entity(const struct sl_wh_question *q, const char *entity, const char *tier, bool *has_tier, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_wh_columns columns;
    const struct sl_wh_column *found;
    enum sl_code code = sl_wh_columns_need(q->db, &q->name, &columns, &arena, err);
    if (!code)
        code = sl_wh_column_need(&columns, &q->name, entity, &found, err);
    *has_tier = !code && tier && sl_wh_column_find(&columns, tier);
    sl_arena_fini(&arena);
    return code;
}

struct asking {
    const char *entity, *tier;
    sl_date from, to;
};

static enum sl_code ask(const struct sl_wh_question *q, const struct asking *a, struct entities *out, struct sl_err *err)
{
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    char first[SL_DATE_LEN + 1], last[SL_DATE_LEN + 1];
    entities_sql(&sql, q, a->entity, a->tier);
    enum sl_code code = sl_wh_cached(q->db, sl_buf_text(&sql), &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 1, sl_date_format(a->from, first));
        sl_wh_bind(stmt, 2, sl_date_format(a->to, last));
    }
    while (!code && !(code = sl_wh_step(q->db, stmt, &row, err)) && row)
        code = add_row(out, q, stmt, err);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    return code;
}

enum sl_code sl_wh_entities(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                            struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_question q = {.source = source, .unit = source->unit_column};
    const struct asking a = {.entity = sl_source_column(source, entity_column), .from = from, .to = to};
    struct entities entities = {.arena = arena};
    bool has_tier;
    enum sl_code code = sl_wh_plan(self, &q, err);
    if (!code)
        code = need_entity(&q, a.entity, NULL, &has_tier, err);
    if (!code && from <= to)
        code = ask(&q, &a, &entities, err);
    *out = code ? NULL : entities.rows;
    *n = code ? 0 : unique(entities.rows, entities.n);
    return code;
}

enum sl_code sl_wh_tiers(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column, sl_date from, sl_date to,
                         bool *has, struct sl_entity_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_question q = {.source = source, .unit = source->unit_column};
    const struct asking a = {
        .entity = sl_source_column(source, entity_column), .tier = sl_source_column(source, SL_QUALITY_COLUMNS[0]), .from = from, .to = to};
    struct entities entities = {.arena = arena};
    enum sl_code code = sl_wh_plan(self, &q, err);
    if (!code)
        code = need_entity(&q, a.entity, a.tier, has, err);
    if (!code && *has && from <= to)
        code = ask(&q, &a, &entities, err);
    *out = code ? NULL : entities.rows;
    *n = code ? 0 : unique(entities.rows, entities.n);
    return code;
}
