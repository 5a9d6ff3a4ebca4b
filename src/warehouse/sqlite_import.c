/* sqlite_import.c - a CSV into a table (RULES 34): all of it in one transaction, or nothing.
 * header -> BEGIN -> the table's columns -> where a type or the file's dates are still to be found, a first pass over the file -> the table is made, or its
 * columns without values are retyped -> --replace-date's dates are deleted -> the rows -> the index -> the job id -> COMMIT. */
#include "sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sluice/hash.h>
#include <sluice/json.h>

#include "csv.h"
#include "values.h"

#define MAX_COLUMNS 2000 /* SQLite's limit */

struct column {
    char *name;
    enum sl_column_type type;
    bool infer; /* its type comes from the file's values */
    bool any;   /* it has a value */
    unsigned can;
    bool keeps_text;
    char time[SL_TIME_LEN + 1]; /* a timestamp's UTC form while it is bound */
};

struct import {
    const struct sl_config *config;
    const char *table, *path;
    struct sl_wh_name name;
    struct sl_wh_db *db;
    struct sl_arena *arena;
    struct sl_csv_source source;
    struct column *columns;
    size_t n_columns;
    struct sl_wh_columns existing; /* n == 0: the table is new */
    struct column *replace;        /* of --replace-date, or NULL */
    struct sl_map *dates;          /* the file's distinct dates */
    struct sl_buf dates_json;
    struct sl_json json;
    sqlite3_stmt *insert, *json_valid;
    struct sl_import_result *out;
};

/* --- the header --------------------------------------------------------------------------------------------------------------- */

static enum sl_code add_column(struct import *im, const char *name, struct sl_err *err)
{
    if (!sl_wh_is_identifier(name))
        return sl_fail(err, SL_INVALID, "%s:1: column %zu is named \"%.60s\": expected letters, digits and _", im->path, im->n_columns + 1,
                       name);
    for (size_t i = 0; i < im->n_columns; i++)
        if (!strcasecmp(im->columns[i].name, name))
            return sl_fail(err, SL_INVALID, "%s:1: column %s comes twice", im->path, name);
    im->columns = sl_arena_push(im->arena, im->columns, &im->n_columns, sizeof *im->columns);
    im->columns[im->n_columns - 1] = (struct column){
        .name = sl_arena_strdup(im->arena, name), .infer = true, .can = SL_WH_CAN_ALL, .keeps_text = true};
    return SL_OK;
}

static enum sl_code read_header(struct import *im, struct sl_err *err)
{
    struct sl_csv csv;
    bool more;
    sl_csv_init(&csv, &im->source, im->path);
    enum sl_code code = sl_csv_next(&csv, &more, err);
    if (!code && !more)
        code = sl_fail(err, SL_INVALID, "%s:1: the file is empty: expected a header that names the columns", im->path);
    if (!code && csv.n_fields > MAX_COLUMNS)
        code = sl_fail(err, SL_INVALID, "%s:1: %zu columns are more than %d", im->path, csv.n_fields, MAX_COLUMNS);
    for (size_t i = 0; !code && i < csv.n_fields; i++)
        code = add_column(im, csv.fields[i], err);
    sl_csv_fini(&csv);
    return code;
}

static struct column *find(const struct import *im, const char *name)
{
    for (size_t i = 0; i < im->n_columns; i++)
        if (!strcasecmp(im->columns[i].name, name))
            return &im->columns[i];
    return NULL;
}

static enum sl_code find_replace(struct import *im, const char *column, struct sl_err *err)
{
    im->replace = column ? find(im, column) : NULL;
    if (!column || im->replace)
        return SL_OK;
    return sl_fail(err, SL_INVALID, "%s:1: the file has no column %s, whose dates are to be replaced", im->path, column);
}

/* --- the table's columns -------------------------------------------------------------------------------------------------------- */

/* A column that import made without a type, and that has no value to this day. */
static enum sl_code is_untyped(struct import *im, const struct sl_wh_column *column, bool *out, struct sl_err *err)
{
    *out = sl_wh_untyped(column->declared);
    if (!*out)
        return SL_OK;
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool has_value = false;
    sl_buf_str(&sql, "SELECT 1 FROM ");
    sl_wh_quote(&sql, im->name.table);
    sl_buf_str(&sql, " WHERE ");
    sl_wh_quote(&sql, column->name);
    sl_buf_str(&sql, " IS NOT NULL LIMIT 1");
    enum sl_code code = sl_wh_prepare(im->db, sl_buf_text(&sql), &stmt, err);
    if (!code)
        code = sl_wh_step(im->db, stmt, &has_value, err);
    sqlite3_finalize(stmt);
    sl_buf_fini(&sql);
    *out = !has_value;
    return code;
}

static enum sl_code match_column(struct import *im, struct column *column, struct sl_err *err)
{
    const struct sl_wh_column *found = sl_wh_column_find(&im->existing, column->name);
    if (!found)
        return sl_fail(err, SL_INVALID, "%s:1: table %s has no column %s", im->path, im->table, column->name);
    column->type = sl_wh_type_of(found->declared);
    column->keeps_text = sl_wh_keeps_text(found->declared);
    return is_untyped(im, found, &column->infer, err);
}

static enum sl_code match_table(struct import *im, struct sl_err *err)
{
    char kind[16];
    enum sl_code code = sl_wh_kind(im->db, im->name.table, kind, err);
    if (!code && !strcmp(kind, "view"))
        return sl_fail(err, SL_INVALID, "%s is a view: rows are imported into tables", im->table);
    if (!code)
        code = sl_wh_columns_read(im->db, im->name.table, &im->existing, im->arena, err);
    im->out->created_table = !im->existing.n;
    for (size_t i = 0; !code && im->existing.n && i < im->n_columns; i++)
        code = match_column(im, &im->columns[i], err);
    return code;
}

/* --- passes over the file ------------------------------------------------------------------------------------------------------- */

static enum sl_code check_width(const struct import *im, const struct sl_csv *csv, struct sl_err *err)
{
    if (csv->n_fields == im->n_columns)
        return SL_OK;
    if (csv->n_fields < im->n_columns)
        return sl_fail(err, SL_INVALID, "%s:%lld: column %s is missing: the row has %zu fields, the header %zu", im->path,
                       (long long)csv->line, im->columns[csv->n_fields].name, csv->n_fields, im->n_columns);
    return sl_fail(err, SL_INVALID, "%s:%lld: column %zu has no name: the row has %zu fields, the header %zu", im->path,
                   (long long)csv->line, im->n_columns + 1, csv->n_fields, im->n_columns);
}

typedef enum sl_code row_fn(struct import *im, const struct sl_csv *csv, struct sl_err *err);

static enum sl_code each_row(struct import *im, row_fn *fn, struct sl_err *err)
{
    struct sl_csv csv;
    bool more;
    sl_csv_init(&csv, &im->source, im->path);
    enum sl_code code = sl_csv_next(&csv, &more, err); /* the header */
    while (!code && !(code = sl_csv_next(&csv, &more, err)) && more) {
        code = check_width(im, &csv, err);
        if (!code)
            code = fn(im, &csv, err);
    }
    sl_csv_fini(&csv);
    return code;
}

/* "FILE:LINE: column C: "value" is no TYPE"; a long value is cut, not inside a character. */
static enum sl_code bad_value(const struct import *im, const struct sl_csv *csv, size_t i, const char *expected, struct sl_err *err)
{
    size_t len = csv->lengths[i] < 80 ? csv->lengths[i] : 80;
    while (len < csv->lengths[i] && len && (csv->fields[i][len] & 0xC0) == 0x80)
        len--;
    return sl_fail(err, SL_INVALID, "%s:%lld: column %s: \"%.*s\"%s does not fit: expected %s", im->path,
                   (long long)sl_csv_field_line(csv, i), im->columns[i].name, (int)len, csv->fields[i], len < csv->lengths[i] ? "..." : "",
                   expected);
}

static enum sl_code note_date(struct import *im, const struct sl_csv *csv, struct sl_err *err)
{
    size_t i = (size_t)(im->replace - im->columns);
    sl_date date;
    if (!sl_date_parse(csv->fields[i], csv->lengths[i], &date))
        return bad_value(im, csv, i, "DATE (YYYY-MM-DD) in the column whose dates are replaced", err);
    if (!sl_map_get(im->dates, csv->fields[i])) {
        sl_map_put(im->dates, csv->fields[i], im);
        sl_json_str(&im->json, csv->fields[i]);
    }
    return SL_OK;
}

static enum sl_code first_pass_row(struct import *im, const struct sl_csv *csv, struct sl_err *err)
{
    for (size_t i = 0; i < im->n_columns; i++) {
        struct column *column = &im->columns[i];
        if (!column->infer || !csv->lengths[i])
            continue;
        column->any = true;
        if (column->can)
            column->can = sl_wh_narrow(column->can, csv->fields[i], csv->lengths[i]);
    }
    return im->replace ? note_date(im, csv, err) : SL_OK;
}

static enum sl_code first_pass(struct import *im, struct sl_err *err)
{
    bool needed = im->replace != NULL;
    for (size_t i = 0; i < im->n_columns; i++)
        needed = needed || im->columns[i].infer;
    if (!needed)
        return SL_OK;
    sl_json_array(&im->json);
    enum sl_code code = each_row(im, first_pass_row, err);
    sl_json_end_array(&im->json);
    for (size_t i = 0; i < im->n_columns; i++)
        if (im->columns[i].infer)
            im->columns[i].type = im->columns[i].any ? sl_wh_infer(im->columns[i].can) : SL_COL_STRING;
    return code;
}

/* --- making and retyping the table ------------------------------------------------------------------------------------------------ */

static void add_declaration(struct sl_buf *sql, size_t i, const char *name, const char *declared)
{
    sl_buf_str(sql, i ? ", " : "(");
    sl_wh_quote(sql, name);
    sl_buf_printf(sql, " %s", declared);
}

static const char *declare(const struct column *column)
{
    return column->any ? sl_wh_type_declare(column->type) : SL_WH_UNTYPED;
}

static enum sl_code create_table(struct import *im, struct sl_err *err)
{
    struct sl_buf sql = {0};
    sl_buf_str(&sql, "CREATE TABLE ");
    sl_wh_quote(&sql, im->name.table);
    for (size_t i = 0; i < im->n_columns; i++)
        add_declaration(&sql, i, im->columns[i].name, declare(&im->columns[i]));
    sl_buf_str(&sql, ")");
    enum sl_code code = sl_wh_exec(im->db, sl_buf_text(&sql), err);
    sl_buf_fini(&sql);
    return code;
}

/* The statements that bring back the table's indexes and triggers. */
static enum sl_code dependents(struct import *im, struct sl_buf *out, struct sl_err *err)
{
    static const char SQL[] =
        "SELECT sql FROM sqlite_schema WHERE tbl_name = ?1 COLLATE NOCASE AND type IN ('index', 'trigger') AND sql IS NOT NULL";
    sqlite3_stmt *stmt = NULL;
    bool row;
    enum sl_code code = sl_wh_prepare(im->db, SQL, &stmt, err);
    if (!code)
        sl_wh_bind(stmt, 1, im->name.table);
    while (!code && !(code = sl_wh_step(im->db, stmt, &row, err)) && row)
        sl_buf_printf(out, "%s;\n", (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return code;
}

/* A copy with the new types takes the table's place. */
static void rebuild_sql(struct import *im, struct sl_buf *sql)
{
    sl_buf_str(sql, "PRAGMA legacy_alter_table=ON; CREATE TABLE sluice_retyped");
    for (size_t i = 0; i < im->existing.n; i++) {
        const struct column *column = find(im, im->existing.items[i].name);
        bool retyped = column && column->infer && column->any;
        add_declaration(sql, i, im->existing.items[i].name, retyped ? declare(column) : im->existing.items[i].declared);
    }
    sl_buf_str(sql, "); INSERT INTO sluice_retyped SELECT * FROM ");
    sl_wh_quote(sql, im->name.table);
    sl_buf_str(sql, " ORDER BY rowid; DROP TABLE ");
    sl_wh_quote(sql, im->name.table);
    sl_buf_str(sql, "; ALTER TABLE sluice_retyped RENAME TO ");
    sl_wh_quote(sql, im->name.table);
    sl_buf_str(sql, "; PRAGMA legacy_alter_table=OFF;\n");
}

static enum sl_code retype_table(struct import *im, struct sl_err *err)
{
    struct sl_buf sql = {0};
    rebuild_sql(im, &sql);
    enum sl_code code = dependents(im, &sql, err);
    if (!code)
        code = sl_wh_exec(im->db, sl_buf_text(&sql), err);
    sl_buf_fini(&sql);
    return code;
}

static enum sl_code shape_table(struct import *im, struct sl_err *err)
{
    if (!im->existing.n)
        return create_table(im, err);
    for (size_t i = 0; i < im->n_columns; i++)
        if (im->columns[i].infer && im->columns[i].any)
            return retype_table(im, err);
    return SL_OK;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------------ */

static enum sl_code delete_dates(struct import *im, struct sl_err *err)
{
    if (!im->replace || !sl_map_count(im->dates))
        return SL_OK;
    struct sl_buf sql = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    sl_buf_str(&sql, "DELETE FROM ");
    sl_wh_quote(&sql, im->name.table);
    sl_buf_str(&sql, " WHERE ");
    sl_wh_quote(&sql, im->replace->name);
    sl_buf_str(&sql, " IN (SELECT value FROM json_each(?1))");
    enum sl_code code = sl_wh_prepare(im->db, sl_buf_text(&sql), &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 1, sl_buf_text(&im->dates_json));
        code = sl_wh_step(im->db, stmt, &row, err);
    }
    if (!code)
        im->out->replaced_rows = sqlite3_changes64(im->db->handle);
    sqlite3_finalize(stmt);
    sl_buf_fini(&sql);
    return code;
}

static bool is_json(struct import *im, const char *text, size_t len)
{
    sqlite3_bind_text64(im->json_valid, 1, text, len, SQLITE_STATIC, SQLITE_UTF8);
    bool valid = sqlite3_step(im->json_valid) == SQLITE_ROW && sqlite3_column_int(im->json_valid, 0);
    sl_wh_done(im->json_valid);
    return valid;
}

/* Text in a column that SQLite takes for a number would lose its form: "007", "1e3". */
static bool stays_text(const struct column *column, const char *text)
{
    int64_t whole;
    if (column->keeps_text || sl_wh_int64(text, &whole))
        return true;
    char *end;
    (void)strtod(text, &end);
    return end == text || end[strspn(end, " \t\n\v\f\r")];
}

/* Bind the value as the column's type. NULL when it fits, else what was expected. */
static const char *bind_value(struct import *im, struct column *column, int at, const char *text, size_t len)
{
    union {
        int64_t whole;
        double number;
        sl_date date;
        int64_t us;
        bool yes;
    } v;
    switch (column->type) {
    case SL_COL_STRING:
        if (!stays_text(column, text))
            return "text that SQLite does not take for a number (declare the column TEXT)";
        break;
    case SL_COL_INT64:
        if (!sl_wh_int64(text, &v.whole))
            return "INT64";
        sqlite3_bind_int64(im->insert, at, v.whole);
        return NULL;
    case SL_COL_FLOAT64:
        if (!sl_wh_float64(text, &v.number))
            return "FLOAT64";
        sqlite3_bind_double(im->insert, at, v.number);
        return NULL;
    case SL_COL_DATE:
        if (!sl_date_parse(text, len, &v.date))
            return "DATE (YYYY-MM-DD)";
        break;
    case SL_COL_TIMESTAMP:
        if (!sl_wh_timestamp(text, len, &v.us))
            return "TIMESTAMP (RFC 3339 with an offset)";
        text = sl_time_format(v.us, column->time);
        len = strlen(text);
        break;
    case SL_COL_BOOL:
        if (!sl_wh_bool(text, &v.yes))
            return "BOOL (true or false)";
        sqlite3_bind_int(im->insert, at, v.yes);
        return NULL;
    case SL_COL_JSON:
        if (!is_json(im, text, len))
            return "JSON";
        break;
    }
    sqlite3_bind_text(im->insert, at, text, (int)len, SQLITE_STATIC);
    return NULL;
}

static enum sl_code insert_row(struct import *im, const struct sl_csv *csv, struct sl_err *err)
{
    for (size_t i = 0; i < im->n_columns; i++) {
        const char *expected = NULL;
        if (csv->lengths[i])
            expected = bind_value(im, &im->columns[i], (int)i + 1, csv->fields[i], csv->lengths[i]);
        else
            sqlite3_bind_null(im->insert, (int)i + 1);
        if (expected)
            return bad_value(im, csv, i, expected, err);
    }
    bool row;
    enum sl_code code = sl_wh_step(im->db, im->insert, &row, err);
    sqlite3_reset(im->insert);
    im->out->rows += !code;
    if (code == SL_INVALID && err)
        return sl_wrap(err, "%s:%lld", im->path, (long long)csv->line);
    return code;
}

static enum sl_code insert_rows(struct import *im, struct sl_err *err)
{
    struct sl_buf sql = {0};
    sl_buf_str(&sql, "INSERT INTO ");
    sl_wh_quote(&sql, im->name.table);
    for (size_t i = 0; i < im->n_columns; i++) {
        sl_buf_str(&sql, i ? ", " : "(");
        sl_wh_quote(&sql, im->columns[i].name);
    }
    for (size_t i = 0; i < im->n_columns; i++)
        sl_buf_str(&sql, i ? ", ?" : ") VALUES(?");
    sl_buf_str(&sql, ")");
    enum sl_code code = sl_wh_prepare(im->db, sl_buf_text(&sql), &im->insert, err);
    if (!code)
        code = sl_wh_prepare(im->db, "SELECT json_valid(?1)", &im->json_valid, err);
    if (!code)
        code = each_row(im, insert_row, err);
    sqlite3_finalize(im->insert);
    sqlite3_finalize(im->json_valid);
    sl_buf_fini(&sql);
    return code;
}

/* --- the whole ------------------------------------------------------------------------------------------------------------------- */

static enum sl_code make_indexes(struct import *im, struct sl_err *err)
{
    struct sl_wh_use *uses;
    size_t n;
    const char *made;
    enum sl_code code = SL_OK;
    sl_wh_uses(im->config, &uses, &n, im->arena);
    for (size_t i = 0; !code && i < n; i++)
        if (sl_str_eq(uses[i].table, im->table))
            code = sl_wh_index_make(im->db, im->name.table, &uses[i], &made, im->arena, err);
    return code;
}

static enum sl_code add_job(struct import *im, struct sl_err *err)
{
    char id[SL_UUID_LEN + 1];
    im->out->job_id = sl_arena_strdup(im->arena, sl_uuid_format(sl_uuid4(), id));
    return sl_wh_job_add(im->db, im->out->job_id, im->table, im->out->rows, err);
}

/* Inside the transaction. */
static enum sl_code import_table(struct import *im, struct sl_err *err)
{
    enum sl_code code = match_table(im, err);
    if (!code)
        code = first_pass(im, err);
    if (!code)
        code = shape_table(im, err);
    if (!code)
        code = delete_dates(im, err);
    if (!code)
        code = insert_rows(im, err);
    if (!code)
        code = make_indexes(im, err);
    return code ? code : add_job(im, err);
}

static enum sl_code import_file(struct import *im, struct sl_wh *wh, const char *replace_date_column, struct sl_err *err)
{
    enum sl_code code = read_header(im, err);
    if (!code)
        code = find_replace(im, replace_date_column, err);
    if (!code)
        code = sl_wh_begin(wh, &im->name, true, &im->db, err);
    if (code)
        return code;
    code = sl_wh_end(im->db, import_table(im, err), err);
    if (!im->db->of->broken)
        sqlite3_exec(im->db->handle, "PRAGMA legacy_alter_table=OFF", NULL, NULL, NULL);
    return code;
}

static void import_fini(struct import *im)
{
    sl_csv_source_fini(&im->source);
    sl_map_destroy(&im->dates);
    sl_buf_fini(&im->dates_json);
}

enum sl_code sl_wh_import_csv(struct sl_warehouse *self, const struct sl_config *config, const char *table, const char *path,
                              const char *replace_date_column, struct sl_import_result *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh *wh = (struct sl_wh *)self;
    struct import im = {.config = config, .table = table, .path = path, .arena = arena, .out = out};
    *out = (struct sl_import_result){0};
    enum sl_code code = sl_wh_name_parse(&im.name, table, err);
    if (!code && (!strncasecmp(im.name.table, "sqlite_", 7) || !strncasecmp(im.name.table, "sluice_", 7)))
        code = sl_fail(err, SL_INVALID, "%s: names that begin with sqlite_ or sluice_ are taken", table);
    if (code)
        return code;
    im.dates = sl_map_create();
    sl_json_init(&im.json, &im.dates_json);
    code = sl_csv_source_open(&im.source, path, wh->dir, SL_CSV_SPOOL_BYTES, err);
    if (!code)
        code = import_file(&im, wh, replace_date_column, err);
    import_fini(&im);
    if (code)
        *out = (struct sl_import_result){0};
    return code;
}
