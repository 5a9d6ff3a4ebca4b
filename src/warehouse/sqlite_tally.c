/* sqlite_tally.c - rows and NULLs per key, in one statement for all keys.
 * The rows of the asked dates are grouped in the order of the (date, unit) index and matched with the keys here. One aggregate of ours counts the NULLs of
 * all columns at once: a count() per column takes twice as long. A column that the table does not have is told, not asked for. */
#include "sqlite_ask.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Arguments of one call of the aggregate; SQLite's limit is 127. */
#define MAX_ARGUMENTS 100

/* --- sluice_nulls(a, b, ...): how many NULLs each argument had, as a blob of int64 --------------------------------------------------- */

struct nulls {
    int64_t n, counts[];
};

static void nulls_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct nulls *nulls = sqlite3_aggregate_context(context, (int)(sizeof *nulls + (size_t)n * sizeof *nulls->counts));
    if (!nulls) {
        sqlite3_result_error_nomem(context);
        return;
    }
    nulls->n = n;
    for (int i = 0; i < n; i++)
        nulls->counts[i] += sqlite3_value_type(values[i]) == SQLITE_NULL;
}

static void nulls_final(sqlite3_context *context)
{
    const struct nulls *nulls = sqlite3_aggregate_context(context, 0);
    if (nulls)
        sqlite3_result_blob(context, nulls->counts, (int)nulls->n * (int)sizeof *nulls->counts, SQLITE_TRANSIENT);
}

int sl_wh_add_functions(sqlite3 *handle)
{
    int rc = sqlite3_create_function_v2(handle, "sluice_nulls", -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, NULL, NULL,
                                        nulls_step, nulls_final, NULL);
    return rc ? rc
              : sqlite3_create_function_v2(handle, "sluice_stamp", 5, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, sl_wh_stamp_function, NULL,
                                           NULL, NULL);
}

/* --- the question ----------------------------------------------------------------------------------------------------------------- */

struct tally {
    struct sl_wh_question q;
    const char *const *columns; /* ours */
    size_t n_columns;
    size_t *counted; /* those that are in the statement: indices of `columns` */
    size_t n_counted;
    int64_t *rows, *nulls;
};

/* The rows of a key have a date and, by unit, a unit: those columns have no NULLs to count. */
static bool is_key(const struct sl_wh_question *q, const char *theirs)
{
    return !strcasecmp(theirs, q->source->date_column) || (q->unit && !strcasecmp(theirs, q->unit));
}

static void set_nulls(struct tally *tally, size_t column, int64_t value)
{
    for (size_t i = 0; i < tally->q.n; i++)
        tally->nulls[i * tally->n_columns + column] = value;
}

/* Which columns are there and worth counting. */
static enum sl_code choose(struct tally *tally, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_columns columns;
    enum sl_code code = sl_wh_columns_need(tally->q.db, &tally->q.name, &columns, arena, err);
    tally->counted = sl_arena_array(arena, tally->n_columns + 1, sizeof *tally->counted);
    for (size_t i = 0; !code && i < tally->n_columns; i++) {
        const char *theirs = sl_wh_theirs(tally->q.source, tally->columns[i]);
        bool there = sl_wh_column_find(&columns, theirs) != NULL;
        set_nulls(tally, i, there ? 0 : -1);
        if (there && !is_key(&tally->q, theirs))
            tally->counted[tally->n_counted++] = i;
    }
    return code;
}

static void add_counts(struct sl_buf *sql, const struct tally *tally)
{
    for (size_t i = 0; i < tally->n_counted; i++) {
        if (i % MAX_ARGUMENTS == 0)
            sl_buf_str(sql, i ? "), sluice_nulls(" : ", sluice_nulls(");
        else
            sl_buf_str(sql, ", ");
        sl_wh_add_column(sql, sl_wh_theirs(tally->q.source, tally->columns[tally->counted[i]]));
    }
    sl_buf_str(sql, tally->n_counted ? ")" : "");
}

static void tally_sql(struct sl_buf *sql, const struct tally *tally)
{
    sl_wh_add_key_columns(sql, &tally->q);
    sl_buf_str(sql, ", count(*)");
    add_counts(sql, tally);
    sl_wh_add_from_dates(sql, &tally->q);
    sl_buf_str(sql, tally->q.unit ? " GROUP BY 1, 2" : " GROUP BY 1");
}

/* One group: units that read the same (7 and '7') are one key, so everything is added. */
static void add_group(struct tally *tally, sqlite3_stmt *stmt)
{
    const int at = tally->q.unit ? 2 : 1;
    size_t first = sl_wh_question_match(&tally->q, stmt);
    for (size_t i = first; i < tally->q.n && sl_wh_question_same(&tally->q, first, i); i++) {
        const int64_t *counts = NULL;
        tally->rows[i] += sqlite3_column_int64(stmt, at);
        for (size_t c = 0; c < tally->n_counted; c++) {
            if (c % MAX_ARGUMENTS == 0)
                counts = sqlite3_column_blob(stmt, at + 1 + (int)(c / MAX_ARGUMENTS));
            int64_t count;
            memcpy(&count, counts + c % MAX_ARGUMENTS, sizeof count);
            tally->nulls[i * tally->n_columns + tally->counted[c]] += count;
        }
    }
}

static enum sl_code tally_all(struct tally *tally, struct sl_err *err)
{
    struct sl_buf sql = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    tally_sql(&sql, tally);
    sl_wh_dates_json(&json, &tally->q);
    enum sl_code code = sl_wh_bind_json(&tally->q, sl_buf_text(&sql), &json, &stmt, err);
    while (!code && !(code = sl_wh_step(tally->q.db, stmt, &row, err)) && row)
        add_group(tally, stmt);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    sl_buf_fini(&json);
    return code;
}

enum sl_code sl_wh_tally(struct sl_warehouse *self, const struct sl_source *source, const char *const *columns, size_t n_columns,
                         const struct sl_key *keys, size_t n, int64_t *rows, int64_t *nulls, struct sl_err *err)
{
    struct tally tally = {.q = sl_wh_question(source, keys, n), .columns = columns, .n_columns = n_columns, .rows = rows, .nulls = nulls};
    struct sl_arena arena = {0};
    memset(rows, 0, n * sizeof *rows);
    enum sl_code code = sl_wh_plan(self, &tally.q, err);
    if (!code)
        code = choose(&tally, &arena, err);
    if (!code && n)
        code = tally_all(&tally, err);
    sl_arena_fini(&arena);
    return code;
}
