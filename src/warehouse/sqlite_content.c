/* sqlite_content.c - what rows hold, as a hash.
 * A row's hash is the first half of a SHA-256 over its columns by name, in the order of their names; a key's is the sum of its rows' hashes, so neither the order of rows nor
 * that of columns matters, and a row that comes twice counts twice. A column is hashed as name, type and value; NULL is left out, so that a new column
 * without values changes nothing, while '' and 0 are something. The quality columns are never part of it. */
#include "sqlite_content.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct sum {
    uint64_t high, low;
    int64_t rows;
};

struct content {
    struct sl_wh_question q;
    struct sl_wh_column *columns; /* hashed ones, ascending by name */
    size_t n_columns;
    struct sum *sums; /* per key */
};

/* --- which columns ---------------------------------------------------------------------------------------------------------------- */

static bool is_among(const char *name, const char *const *names, size_t n, const struct sl_source *source)
{
    for (size_t i = 0; i < n; i++)
        if (!strcasecmp(name, source ? sl_source_column(source, names[i]) : names[i]))
            return true;
    return false;
}

static int by_name(const void *left, const void *right)
{
    const struct sl_wh_column *a = left, *b = right;
    return strcasecmp(a->name, b->name);
}

static enum sl_code choose(struct content *content, const char *const *exclude, size_t n_exclude, struct sl_arena *arena,
                           struct sl_err *err)
{
    struct sl_wh_columns all;
    enum sl_code code = sl_wh_columns_need(content->q.db, &content->q.name, &all, arena, err);
    if (code)
        return code;
    content->columns = all.items;
    for (size_t i = 0; i < all.n; i++)
        if (!is_among(all.items[i].name, SL_QUALITY_COLUMNS, SL_N_QUALITY_COLUMNS, NULL) &&
            !is_among(all.items[i].name, exclude, n_exclude, content->q.source))
            content->columns[content->n_columns++] = all.items[i];
    if (content->n_columns)
        qsort(content->columns, content->n_columns, sizeof *content->columns, by_name);
    return SL_OK;
}

/* --- a row -------------------------------------------------------------------------------------------------------------------------- */

static void add_number(struct sl_buf *out, uint64_t number)
{
    char bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(unsigned char)(number >> (8 * i));
    sl_buf_add(out, bytes, sizeof bytes);
}

static void add_value(struct sl_buf *out, sqlite3_stmt *stmt, int at, int type)
{
    double real;
    uint64_t bits;
    const void *bytes;
    switch (type) {
    case SQLITE_INTEGER: add_number(out, (uint64_t)sqlite3_column_int64(stmt, at)); break;
    case SQLITE_FLOAT:
        real = sqlite3_column_double(stmt, at);
        memcpy(&bits, &real, sizeof bits);
        add_number(out, bits);
        break;
    default:
        bytes = type == SQLITE_TEXT ? (const void *)sqlite3_column_text(stmt, at) : sqlite3_column_blob(stmt, at);
        add_number(out, (uint64_t)sqlite3_column_bytes(stmt, at));
        sl_buf_add(out, bytes ? bytes : "", (size_t)sqlite3_column_bytes(stmt, at));
    }
}

static void add_name(struct sl_buf *out, const char *name)
{
    for (; *name; name++)
        sl_buf_char(out, *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name);
    sl_buf_char(out, '\0');
}

static uint64_t number_of(const uint8_t *bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < 8; i++)
        number = number << 8 | bytes[i];
    return number;
}

static struct sum row_sum(const struct content *content, sqlite3_stmt *stmt, int first, struct sl_buf *scratch)
{
    uint8_t hash[SL_SHA256_BYTES];
    sl_buf_clear(scratch);
    for (size_t i = 0; i < content->n_columns; i++) {
        int at = first + (int)i, type = sqlite3_column_type(stmt, at);
        if (type == SQLITE_NULL)
            continue;
        add_name(scratch, content->columns[i].name);
        sl_buf_char(scratch, (char)('0' + type));
        add_value(scratch, stmt, at, type);
    }
    sl_sha256(sl_buf_text(scratch), scratch->len, hash);
    return (struct sum){number_of(hash), number_of(hash + 8), 1};
}

static void add_sum(struct sum *to, struct sum one)
{
    uint64_t low = to->low + one.low;
    to->high += one.high + (low < one.low);
    to->low = low;
    to->rows += one.rows;
}

/* --- the question ------------------------------------------------------------------------------------------------------------------- */

static void content_sql(struct sl_buf *sql, const struct content *content)
{
    sl_wh_add_key_columns(sql, &content->q);
    for (size_t i = 0; i < content->n_columns; i++) {
        sl_buf_str(sql, ", ");
        sl_wh_add_column(sql, content->columns[i].name);
    }
    sl_wh_add_from_dates(sql, &content->q);
}

static void add_row(struct content *content, sqlite3_stmt *stmt, struct sl_buf *scratch)
{
    size_t first = sl_wh_question_match(&content->q, stmt);
    if (first == content->q.n)
        return;
    struct sum one = row_sum(content, stmt, content->q.unit ? 2 : 1, scratch);
    for (size_t i = first; sl_wh_question_same(&content->q, first, i); i++)
        add_sum(&content->sums[i], one);
}

static enum sl_code sum_up(struct content *content, struct sl_err *err)
{
    struct sl_buf sql = {0}, json = {0}, scratch = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    content_sql(&sql, content);
    sl_wh_dates_json(&json, &content->q);
    enum sl_code code = sl_wh_bind_json(&content->q, sl_buf_text(&sql), &json, &stmt, err);
    while (!code && !(code = sl_wh_step(content->q.db, stmt, &row, err)) && row)
        add_row(content, stmt, &scratch);
    sl_wh_done(stmt);
    sl_buf_fini(&sql);
    sl_buf_fini(&json);
    sl_buf_fini(&scratch);
    return code;
}

static struct sl_fingerprint fingerprint_of(struct sum sum)
{
    struct sl_fingerprint out = {""};
    if (sum.rows)
        snprintf(out.text, sizeof out.text, "%016llx%016llx", (unsigned long long)sum.high, (unsigned long long)sum.low);
    return out;
}

enum sl_code sl_wh_content(struct sl_wh_question *q, const char *const *exclude, size_t n_exclude, struct sl_fingerprint *out,
                           int64_t *rows, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct content content = {.q = *q, .sums = sl_arena_array(&arena, q->n + 1, sizeof *content.sums)};
    enum sl_code code = choose(&content, exclude, n_exclude, &arena, err);
    if (!code && q->n)
        code = sum_up(&content, err);
    for (size_t i = 0; !code && i < q->n; i++) {
        out[i] = fingerprint_of(content.sums[i]);
        if (rows)
            rows[i] = content.sums[i].rows;
    }
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_wh_fingerprint(struct sl_warehouse *self, const struct sl_source *source, const char *const *exclude, size_t n_exclude,
                               const sl_date *dates, size_t n, struct sl_fingerprint *out, struct sl_err *err)
{
    struct sl_key *keys = sl_calloc(n + 1, sizeof *keys);
    for (size_t i = 0; i < n; i++) {
        keys[i].date = dates[i];
        out[i].text[0] = '\0';
    }
    struct sl_wh_question q = sl_wh_question(source, keys, n);
    enum sl_code code = sl_wh_plan(self, &q, err);
    if (!code)
        code = sl_wh_content(&q, exclude, n_exclude, out, NULL, err);
    free(keys);
    return code;
}
