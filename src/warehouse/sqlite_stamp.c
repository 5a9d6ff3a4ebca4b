/* sqlite_stamp.c - quality columns and confidence, written into rows: one UPDATE for a table and a batch.
 * The stamps go into the statement as a pointer; a function of ours finds the most specific one of a row: by unit and entity, else by entity, else by unit, else the date's. So the
 * statement is linear in the rows of the dates, however many stamps there are, and no text of a stamp is ever part of the SQL. */
#include <stdio.h>
#include <string.h>

#include "sqlite_content.h"

#define POINTER "sluice_stamps"

/* --- sluice_stamp(stamps, part, date, unit, entity) ------------------------------------------------------------------------------------ */

enum part {
    PART_FOUND = -1, /* 1 when there is a stamp for the row, else 0; the others are the quality columns in their order */
    PART_TIER,
    PART_SCORE,
    PART_ISSUES,
    PART_SOURCES,
    PART_SAMPLE,
    PART_FALLBACK,
    PART_RECONSTRUCTED,
    PART_AT,
    PART_METADATA,
};

struct stamps {
    struct sl_map *by_key; /* -> const struct sl_stamp */
    struct sl_buf scratch;
};

/* The length tells where the unit ends, so no two keys read the same. */
static const char *key_of(struct stamps *stamps, const char *date, const char *unit, const char *entity)
{
    sl_buf_clear(&stamps->scratch);
    sl_buf_printf(&stamps->scratch, "%s/%d/", date, unit ? (int)strlen(unit) : -1);
    sl_buf_str(&stamps->scratch, unit ? unit : "");
    sl_buf_str(&stamps->scratch, entity ? "/" : "");
    sl_buf_str(&stamps->scratch, entity ? entity : "");
    return sl_buf_text(&stamps->scratch);
}

static const struct sl_stamp *find(struct stamps *stamps, const char *date, const char *unit, const char *entity)
{
    const struct sl_stamp *found = NULL;
    if (unit && entity)
        found = sl_map_get(stamps->by_key, key_of(stamps, date, unit, entity));
    if (!found && entity)
        found = sl_map_get(stamps->by_key, key_of(stamps, date, NULL, entity));
    if (!found && unit)
        found = sl_map_get(stamps->by_key, key_of(stamps, date, unit, NULL));
    return found ? found : sl_map_get(stamps->by_key, key_of(stamps, date, NULL, NULL));
}

static void give_text(sqlite3_context *context, const char *text)
{
    if (text)
        sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void give(sqlite3_context *context, const struct sl_stamp *stamp, enum part part)
{
    char at[SL_TIME_LEN + 1];
    switch (part) {
    case PART_FOUND: sqlite3_result_int(context, 1); break;
    case PART_TIER: give_text(context, stamp->tier); break;
    case PART_SCORE: sqlite3_result_double(context, stamp->score); break;
    case PART_ISSUES: give_text(context, stamp->issues); break;
    case PART_SOURCES: give_text(context, stamp->data_sources); break;
    case PART_SAMPLE: sqlite3_result_int64(context, stamp->sample_size); break;
    case PART_FALLBACK: sqlite3_result_int(context, stamp->used_fallback); break;
    case PART_RECONSTRUCTED: sqlite3_result_int(context, stamp->reconstructed); break;
    case PART_AT: give_text(context, sl_time_format(stamp->calculated_us, at)); break;
    case PART_METADATA: give_text(context, stamp->metadata); break;
    }
}

void sl_wh_stamp_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct stamps *stamps = sqlite3_value_pointer(values[0], POINTER);
    const int part = sqlite3_value_int(values[1]);
    const char *date = (const char *)sqlite3_value_text(values[2]), *unit = (const char *)sqlite3_value_text(values[3]);
    const char *entity = (const char *)sqlite3_value_text(values[4]);
    (void)n;
    const struct sl_stamp *stamp = stamps && date ? find(stamps, date, unit, entity) : NULL;
    if (stamp)
        give(context, stamp, (enum part)part);
    else if (part == PART_FOUND)
        sqlite3_result_int(context, 0);
}

/* --- stamping --------------------------------------------------------------------------------------------------------------------------- */

struct stamping {
    struct sl_wh_question q; /* keys: the stamps' dates */
    const char *entity;      /* theirs, or NULL */
    struct stamps stamps;
};

static void add_call(struct sl_buf *sql, const struct stamping *stamping, int part)
{
    sl_buf_printf(sql, "sluice_stamp(?2, %d, ", part);
    sl_wh_add_column(sql, stamping->q.source->date_column);
    const char *const columns[] = {stamping->q.source->unit_column, stamping->entity};
    for (size_t i = 0; i < 2; i++) {
        sl_buf_str(sql, ", ");
        if (columns[i])
            sl_wh_add_column(sql, columns[i]);
        else
            sl_buf_str(sql, "NULL");
    }
    sl_buf_str(sql, ")");
}

static void stamp_sql(struct sl_buf *sql, const struct stamping *stamping)
{
    sl_buf_str(sql, "UPDATE ");
    sl_wh_quote(sql, stamping->q.name.table);
    sl_buf_str(sql, " AS t SET ");
    for (int i = 0; i < SL_N_QUALITY_COLUMNS; i++) {
        sl_buf_str(sql, i ? ", " : "");
        sl_wh_quote(sql, SL_QUALITY_COLUMNS[i]);
        sl_buf_str(sql, " = ");
        add_call(sql, stamping, i);
    }
    sl_wh_add_where_dates(sql, &stamping->q);
    sl_buf_str(sql, " AND ");
    add_call(sql, stamping, PART_FOUND);
}

static enum sl_code need_columns(const struct sl_wh_question *q, const char *const *names, size_t n, const char *then, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_wh_columns columns;
    const struct sl_wh_column *found;
    enum sl_code code = sl_wh_columns_need(q->db, &q->name, &columns, &arena, err);
    for (size_t i = 0; !code && i < n; i++)
        if (names[i])
            code = sl_wh_column_need(&columns, &q->name, names[i], &found, err);
    if (code == SL_NOT_FOUND && columns.n && then)
        sl_fail(err, code, "table %s.%s has not all quality columns; add them with: %s", q->name.dataset, q->name.table, then);
    sl_arena_fini(&arena);
    return code;
}

static enum sl_code check_stamping(const struct stamping *stamping, struct sl_err *err)
{
    const char *const own[] = {stamping->q.source->date_column, stamping->q.source->unit_column, stamping->entity};
    enum sl_code code = need_columns(&stamping->q, own, 3, NULL, err);
    return code ? code : need_columns(&stamping->q, SL_QUALITY_COLUMNS, SL_N_QUALITY_COLUMNS, "sluice migrate", err);
}

static enum sl_code run_stamping(struct stamping *stamping, int64_t *rows, struct sl_err *err)
{
    struct sl_buf sql = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    stamp_sql(&sql, stamping);
    sl_wh_dates_json(&json, &stamping->q);
    enum sl_code code = sl_wh_bind_json(&stamping->q, sl_buf_text(&sql), &json, &stmt, err);
    if (!code && sqlite3_bind_pointer(stmt, 2, &stamping->stamps, POINTER, NULL))
        code = sl_wh_error(stamping->q.db, stamping->q.source->table, err);
    if (!code)
        code = sl_wh_step(stamping->q.db, stmt, &row, err);
    if (!code)
        *rows = sqlite3_changes64(stamping->q.db->handle);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    sl_buf_fini(&json);
    return code;
}

/* The stamps by key, and their dates; of two for the same rows the later one counts. */
static void collect(struct stamping *stamping, struct sl_key *keys, const struct sl_stamp *stamps, size_t n)
{
    char date[SL_DATE_LEN + 1];
    stamping->stamps.by_key = sl_map_create();
    for (size_t i = 0; i < n; i++) {
        const char *key = key_of(&stamping->stamps, sl_date_format(stamps[i].date, date), stamps[i].unit, stamps[i].entity);
        sl_map_put(stamping->stamps.by_key, key, (void *)(uintptr_t)&stamps[i]);
        keys[i].date = stamps[i].date;
    }
}

enum sl_code sl_wh_stamp(struct sl_warehouse *self, const struct sl_source *source, const char *entity_column,
                         const struct sl_stamp *stamps, size_t n, int64_t *rows, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_key *keys = sl_arena_array(&arena, n + 1, sizeof *keys);
    struct stamping stamping = {.q = sl_wh_question(source, keys, n),
                                .entity = entity_column ? sl_source_column(source, entity_column) : NULL};
    enum sl_code code = sl_wh_name_parse(&stamping.q.name, source->table, err);
    if (!code)
        code = sl_wh_begin((struct sl_wh *)self, &stamping.q.name, false, &stamping.q.db, err);
    if (!code) {
        collect(&stamping, keys, stamps, n);
        code = check_stamping(&stamping, err);
        if (!code && n)
            code = run_stamping(&stamping, rows, err);
        code = sl_wh_end(stamping.q.db, code, err);
        sl_map_destroy(&stamping.stamps.by_key);
        sl_buf_fini(&stamping.stamps.scratch);
    }
    sl_arena_fini(&arena);
    *rows = code ? 0 : *rows;
    return code;
}

/* --- confidence ------------------------------------------------------------------------------------------------------------------------- */

/* Ceilings are ?2 .. ?5, gold to poor; no tier counts as bronze, an unknown one as poor; unusable makes no prediction (sl_confidence_cap). */
static void confidence_sql(struct sl_buf *sql, const struct sl_wh_question *q, const struct sl_confidence_columns *columns)
{
    static const char CEILING[] =
        "CASE coalesce(t.\"quality_tier\", 'bronze') WHEN 'gold' THEN ?2 WHEN 'silver' THEN ?3 WHEN 'bronze' THEN ?4 "
        "ELSE ?5 END";
    struct sl_buf base = {0};
    sl_buf_str(&base, "CAST(");
    sl_wh_add_column(&base, columns->base);
    sl_buf_str(&base, " AS REAL)");
    sl_buf_str(sql, "UPDATE ");
    sl_wh_quote(sql, q->name.table);
    sl_buf_str(sql, " AS t SET ");
    sl_wh_quote(sql, columns->final);
    sl_buf_printf(sql, " = CASE WHEN t.\"quality_tier\" = 'unusable' THEN NULL ELSE min(%s, %s) END, ", sl_buf_text(&base), CEILING);
    sl_wh_quote(sql, columns->capped);
    sl_buf_printf(sql, " = CASE WHEN t.\"quality_tier\" = 'unusable' THEN 1 ELSE coalesce(%s > %s, 0) END", sl_buf_text(&base), CEILING);
    if (columns->skipped) {
        sl_buf_str(sql, ", ");
        sl_wh_quote(sql, columns->skipped);
        sl_buf_str(sql, " = coalesce(t.\"quality_tier\" = 'unusable', 0)");
    }
    sl_wh_add_where_dates(sql, q);
    sl_buf_fini(&base);
}

static void result_sql(struct sl_buf *sql, const struct sl_wh_question *q, const struct sl_confidence_columns *columns)
{
    sl_wh_add_key_columns(sql, q);
    sl_buf_str(sql, ", count(*), sum(");
    sl_wh_add_column(sql, columns->capped);
    sl_buf_str(sql, "), sum(coalesce(t.\"quality_tier\" = 'unusable', 0)), max(CAST(");
    sl_wh_add_column(sql, columns->base);
    sl_buf_str(sql, " AS REAL) - ");
    sl_wh_add_column(sql, columns->final);
    sl_buf_str(sql, ")");
    sl_wh_add_from_dates(sql, q);
    sl_buf_str(sql, " GROUP BY 1");
}

static enum sl_code bind_confidence(struct sl_wh_question *q, const char *sql, const struct sl_buf *json, const double *ceilings,
                                    sqlite3_stmt **out, struct sl_err *err)
{
    enum sl_code code = sl_wh_bind_json(q, sql, json, out, err);
    for (int i = 0; !code && ceilings && i < 4; i++)
        if (sqlite3_bind_double(*out, i + 2, ceilings[i]))
            code = sl_wh_error(q->db, q->source->table, err);
    return code;
}

static void read_result(const struct sl_wh_question *q, sqlite3_stmt *stmt, struct sl_confidence_result *out)
{
    size_t first = sl_wh_question_match(q, stmt);
    for (size_t i = first; i < q->n && sl_wh_question_same(q, first, i); i++) {
        double cut = sqlite3_column_double(stmt, 4);
        out[i].rows = sqlite3_column_int64(stmt, 1);
        out[i].n_capped = sqlite3_column_int64(stmt, 2);
        out[i].n_skipped = sqlite3_column_int64(stmt, 3);
        out[i].most_cut = cut > 0 ? cut : 0;
    }
}

static enum sl_code run_confidence(struct sl_wh_question *q, const struct sl_confidence_columns *columns, const double *ceilings,
                                   struct sl_confidence_result *out, struct sl_err *err)
{
    struct sl_buf write = {0}, read = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    confidence_sql(&write, q, columns);
    result_sql(&read, q, columns);
    sl_wh_dates_json(&json, q);
    enum sl_code code = bind_confidence(q, sl_buf_text(&write), &json, ceilings, &stmt, err);
    if (!code)
        code = sl_wh_step(q->db, stmt, &row, err);
    sl_wh_done(stmt);
    stmt = NULL;
    if (!code)
        code = bind_confidence(q, sl_buf_text(&read), &json, NULL, &stmt, err);
    while (!code && !(code = sl_wh_step(q->db, stmt, &row, err)) && row)
        read_result(q, stmt, out);
    sl_wh_done(stmt);
    sl_buf_fini(&write);
    sl_buf_fini(&read);
    sl_buf_fini(&json);
    return code;
}

enum sl_code sl_wh_confidence(struct sl_warehouse *self, const struct sl_source *source, const struct sl_confidence_columns *columns,
                              const double *ceilings, const sl_date *dates, size_t n, struct sl_confidence_result *out, struct sl_err *err)
{
    static const char *const TIER[] = {"quality_tier"};
    const char *const own[] = {source->date_column, columns->base, columns->final, columns->capped, columns->skipped};
    struct sl_arena arena = {0};
    struct sl_key *keys = sl_arena_array(&arena, n + 1, sizeof *keys);
    struct sl_wh_question q = sl_wh_question(source, keys, n);
    struct sl_wh_kept kept[2];
    for (size_t i = 0; i < n; i++)
        keys[i].date = dates[i];
    memset(out, 0, n * sizeof *out);
    enum sl_code code = sl_wh_name_parse(&q.name, source->table, err);
    if (!code)
        code = sl_wh_begin((struct sl_wh *)self, &q.name, false, &q.db, err);
    if (!code) {
        code = need_columns(&q, own, 5, NULL, err);
        if (!code)
            code = need_columns(&q, TIER, 1, "sluice migrate", err);
        if (!code)
            code = sl_wh_records_keep(&q, kept, &arena, err);
        if (!code && n)
            code = run_confidence(&q, columns, ceilings, out, err);
        if (!code)
            code = sl_wh_records_renew(&q, kept, &arena, err);
        code = sl_wh_end(q.db, code, err);
    }
    sl_arena_fini(&arena);
    return code;
}
