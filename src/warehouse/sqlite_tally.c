/* sqlite_tally.c - rows and NULLs per key, in one statement for all keys.
 * The statement hands each row of the asked dates to an aggregate of ours, which finds the row's key and counts there. Rows of a unit come one after the other where an index
 * leads to them, so the key is mostly that of the row before; without an index it is looked up, which is slower and as right. A GROUP BY with a count() per
 * column takes twice as long. Where the index ends in the mask of the asked columns (sqlite_index.c), the rows themselves are not read at all. A column that the table does
 * not have is told, not asked for. */
#include "sqlite_ask.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define POINTER "sluice_tally"
/* Columns of one call of the aggregate; SQLite's limit is 127 arguments. */
#define AT_ONCE 100
#define N_FIXED 4    /* arguments before the columns */
#define BY_MASK (-1) /* in place of the first column: what follows is a mask */

struct tally {
    struct sl_wh_question q;
    const char *const *columns; /* ours */
    size_t n_columns;
    size_t *counted; /* those that are in the statement: indices of `columns` */
    size_t n_counted;
    const char **theirs; /* beside `counted`, in the order of a mask's bits when there is one */
    bool has_mask;
    int64_t *rows, *nulls;
    /* of the row before */
    char date[SL_DATE_LEN + 1];
    struct sl_buf unit;
    size_t key, end; /* its keys: one, none, or more when the question repeats it */
};

/* --- sluice_tally(tally, first column, date, unit, column, ... or mask): counts one row ------------------------------------------------------- */

/* Text is not terminated where it lies in a page: reading it as a blob saves a copy. */
static bool is_same(sqlite3_value *value, const char *text, size_t len)
{
    return sqlite3_value_type(value) == SQLITE_TEXT && (size_t)sqlite3_value_bytes(value) == len &&
           (len == 0 || !memcmp(sqlite3_value_blob(value), text, len));
}

static void find_key(struct tally *tally, sqlite3_value *date, sqlite3_value *unit)
{
    if (is_same(date, tally->date, SL_DATE_LEN) && is_same(unit, sl_buf_text(&tally->unit), tally->unit.len))
        return;
    const char *day = (const char *)sqlite3_value_text(date), *name = (const char *)sqlite3_value_text(unit);
    tally->key = tally->end = sl_wh_question_find(&tally->q, day, name);
    while (tally->end < tally->q.n && sl_wh_question_same(&tally->q, tally->key, tally->end))
        tally->end++;
    sqlite3_snprintf(sizeof tally->date, tally->date, "%s", day ? day : "");
    sl_buf_clear(&tally->unit);
    sl_buf_str(&tally->unit, name ? name : "");
}

static void count_nulls(struct tally *tally, size_t key, size_t first, sqlite3_value **values, size_t n)
{
    if (n == 0)
        return;
    int64_t *nulls = tally->nulls + key * tally->n_columns;
    for (size_t i = 0; i < n; i++)
        nulls[tally->counted[first + i]] += sqlite3_value_type(values[i]) == SQLITE_NULL;
}

static void count_mask(struct tally *tally, size_t key, uint64_t mask)
{
    int64_t *nulls = tally->nulls + key * tally->n_columns;
    for (size_t i = 0; mask; i++, mask >>= 1)
        nulls[tally->counted[i]] += (int64_t)(mask & 1);
}

static void tally_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct tally **known = sqlite3_aggregate_context(context, sizeof *known);
    if (known && !*known)
        *known = sqlite3_value_pointer(values[0], POINTER);
    if (!known || !*known)
        return;
    struct tally *tally = *known;
    const int first = sqlite3_value_int(values[1]);
    find_key(tally, values[2], values[3]);
    for (size_t i = tally->key; i < tally->end; i++) {
        tally->rows[i] += first <= 0;
        if (first == BY_MASK)
            count_mask(tally, i, (uint64_t)sqlite3_value_int64(values[N_FIXED]));
        else
            count_nulls(tally, i, (size_t)first, values + N_FIXED, (size_t)(n - N_FIXED));
    }
}

static void tally_final(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

int sl_wh_add_functions(sqlite3 *handle)
{
    int rc = sqlite3_create_function_v2(handle, "sluice_tally", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, NULL, tally_step, tally_final,
                                        NULL);
    return rc ? rc
              : sqlite3_create_function_v2(handle, "sluice_stamp", 5, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL, sl_wh_stamp_function, NULL,
                                           NULL, NULL);
}

/* --- the question ----------------------------------------------------------------------------------------------------------------- */

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

/* The index may end in the mask of the counted columns; then they are counted in the order of its bits. */
static enum sl_code find_mask(struct tally *tally, struct sl_arena *arena, struct sl_err *err)
{
    const size_t n = tally->n_counted;
    const char **names = sl_arena_array(arena, n + 1, sizeof *names);
    size_t *sorted = sl_arena_array(arena, n + 1, sizeof *sorted);
    for (size_t i = 0; i < n; i++)
        names[i] = tally->theirs[i];
    if (!sl_wh_mask_sort(names, n))
        return SL_OK;
    for (size_t i = 0; i < n; i++)
        for (size_t at = 0; at < n; at++)
            if (tally->theirs[at] == names[i])
                sorted[i] = tally->counted[at];
    tally->theirs = names;
    tally->counted = sorted;
    return sl_wh_has_mask(tally->q.db, tally->q.name.table, tally->q.source->date_column, tally->q.unit, names, n, &tally->has_mask, err);
}

/* Which columns are there and worth counting. */
static enum sl_code choose(struct tally *tally, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_columns columns;
    enum sl_code code = sl_wh_columns_need(tally->q.db, &tally->q.name, &columns, arena, err);
    tally->counted = sl_arena_array(arena, tally->n_columns + 1, sizeof *tally->counted);
    tally->theirs = sl_arena_array(arena, tally->n_columns + 1, sizeof *tally->theirs);
    for (size_t i = 0; !code && i < tally->n_columns; i++) {
        const char *theirs = sl_source_column(tally->q.source, tally->columns[i]);
        bool there = sl_wh_column_find(&columns, theirs) != NULL;
        set_nulls(tally, i, there ? 0 : -1);
        if (there && !is_key(&tally->q, theirs)) {
            tally->theirs[tally->n_counted] = theirs;
            tally->counted[tally->n_counted++] = i;
        }
    }
    return code ? code : find_mask(tally, arena, err);
}

static void add_key(struct sl_buf *sql, const struct tally *tally, int first)
{
    sl_buf_printf(sql, "sluice_tally(?2, %d, ", first);
    sl_wh_add_column(sql, tally->q.source->date_column);
    sl_buf_str(sql, ", ");
    if (tally->q.unit)
        sl_wh_add_column(sql, tally->q.unit);
    else
        sl_buf_str(sql, "''");
}

static void add_columns(struct sl_buf *sql, const struct tally *tally, size_t first)
{
    add_key(sql, tally, (int)first);
    for (size_t i = first; i < tally->n_counted && i < first + AT_ONCE; i++) {
        sl_buf_str(sql, ", ");
        sl_wh_add_column(sql, tally->theirs[i]);
    }
    sl_buf_str(sql, ")");
}

static void tally_sql(struct sl_buf *sql, const struct tally *tally)
{
    sl_buf_str(sql, "SELECT ");
    if (tally->has_mask) {
        add_key(sql, tally, BY_MASK);
        sl_buf_str(sql, ", ");
        sl_wh_add_mask(sql, tally->theirs, tally->n_counted);
        sl_buf_str(sql, ")");
    } else {
        add_columns(sql, tally, 0);
        for (size_t first = AT_ONCE; first < tally->n_counted; first += AT_ONCE) {
            sl_buf_str(sql, ", ");
            add_columns(sql, tally, first);
        }
    }
    sl_wh_add_from_dates(sql, &tally->q);
}

static enum sl_code tally_all(struct tally *tally, struct sl_err *err)
{
    struct sl_buf sql = {0}, json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    tally_sql(&sql, tally);
    sl_wh_dates_json(&json, &tally->q);
    enum sl_code code = sl_wh_bind_json(&tally->q, sl_buf_text(&sql), &json, &stmt, err);
    if (!code && sqlite3_bind_pointer(stmt, 2, tally, POINTER, NULL))
        code = sl_wh_error(tally->q.db, tally->q.source->table, err);
    if (!code)
        code = sl_wh_step(tally->q.db, stmt, &row, err);
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
    sl_buf_fini(&tally.unit);
    sl_arena_fini(&arena);
    return code;
}
