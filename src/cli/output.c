/* output.c - rows in four formats. A table is kept until its end, because its widths are known only then; the others are written row by row. */
#include <sluice/cli.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sluice/date.h>
#include <sluice/json.h>
#include <sluice/records.h>
#include <sluice/str.h>

enum kind { CELL_NULL, CELL_TEXT, CELL_NUMBER, CELL_JSON };
struct cell {
    enum kind kind;
    enum sl_paint paint;
    const char *text;
};

struct sl_rows {
    FILE *file;
    struct sl_rows_options options;
    const struct sl_field *fields;
    size_t n_fields;
    struct cell *row; /* n_fields */
    size_t n_cells;   /* of the row that is being filled */
    size_t n_rows;
    struct cell *table; /* rows of the table, n_fields each */
    size_t table_cap;
    struct sl_arena arena; /* texts: of the row, or of the whole table */
    struct sl_buf line;
};

bool sl_format_parse(const char *text, enum sl_format *out)
{
    static const char *const NAMES[] = {"table", "json", "ndjson", "csv"};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (strcmp(text, NAMES[i]) == 0) {
            *out = (enum sl_format)i;
            return true;
        }
    return false;
}

const char *sl_paint_start(enum sl_paint paint)
{
    static const char *const CODES[] = {"", "\033[32m", "\033[33m", "\033[31m", "\033[2m"};
    return CODES[paint];
}

/* A sequence that a terminal would act on (C0, DEL, C1) becomes "?"; the rest of UTF-8 stays. Appends to `out`; returns the columns it takes. */
static size_t add_safe(struct sl_buf *out, const char *text)
{
    size_t columns = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        if (*p < 0x20 || *p == 0x7f || c1) {
            sl_buf_char(out, '?');
            p += c1 ? 1 : 0;
        } else {
            sl_buf_char(out, (char)*p);
        }
        columns += (*p & 0xc0) != 0x80 || c1;
    }
    return columns;
}

void sl_print_safe(FILE *file, const char *text)
{
    struct sl_buf buf;
    sl_buf_init(&buf);
    add_safe(&buf, text);
    fputs(sl_buf_text(&buf), file);
    sl_buf_fini(&buf);
}

/* A list of texts as "a, b"; anything else as it is. */
static void add_json_plain(struct sl_buf *out, const char *json)
{
    json_t *root = json_loads(json, 0, NULL);
    if (!json_is_array(root)) {
        sl_buf_str(out, json);
        json_decref(root);
        return;
    }
    size_t i;
    json_t *item;
    json_array_foreach(root, i, item)
    {
        char *dump = json_is_string(item) ? NULL : json_dumps(item, JSON_COMPACT | JSON_ENCODE_ANY);
        sl_buf_str(out, i > 0 ? ", " : "");
        sl_buf_str(out, dump != NULL ? dump : json_string_value(item));
        free(dump);
    }
    json_decref(root);
}

static const char *plain_text(struct sl_rows *rows, const struct cell *cell)
{
    if (cell->kind == CELL_NULL)
        return "-";
    if (cell->kind != CELL_JSON)
        return cell->text[0] == '\0' ? "-" : cell->text;
    struct sl_buf buf;
    sl_buf_init(&buf);
    add_json_plain(&buf, cell->text);
    const char *text = buf.len == 0 ? "-" : sl_arena_strdup(&rows->arena, buf.data);
    sl_buf_fini(&buf);
    return text;
}

static void add_json_cell(struct sl_json *json, const struct cell *cell)
{
    switch (cell->kind) {
    case CELL_NULL: sl_json_null(json); break;
    case CELL_TEXT: sl_json_str(json, cell->text); break;
    case CELL_NUMBER:
    case CELL_JSON: sl_json_raw(json, cell->text, strlen(cell->text)); break;
    }
}

static void write_json_row(struct sl_rows *rows)
{
    struct sl_json json;
    sl_buf_clear(&rows->line);
    sl_json_init(&json, &rows->line);
    sl_json_object(&json);
    for (size_t i = 0; i < rows->n_fields; i++) {
        sl_json_key(&json, rows->fields[i].name);
        add_json_cell(&json, &rows->row[i]);
    }
    sl_json_end_object(&json);
    bool in_array = rows->options.format == SL_FORMAT_JSON && !rows->options.single;
    if (in_array)
        fputs(rows->n_rows == 0 ? "[\n" : ",\n", rows->file);
    fwrite(rows->line.data, 1, rows->line.len, rows->file);
    if (!in_array)
        fputc('\n', rows->file);
}

static void write_csv_field(FILE *file, const char *text)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0') {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void write_csv_header(struct sl_rows *rows)
{
    for (size_t i = 0; i < rows->n_fields; i++) {
        fputs(i > 0 ? "," : "", rows->file);
        write_csv_field(rows->file, rows->fields[i].name);
    }
    fputc('\n', rows->file);
}

static void write_csv_row(struct sl_rows *rows)
{
    for (size_t i = 0; i < rows->n_fields; i++) {
        fputs(i > 0 ? "," : "", rows->file);
        if (rows->row[i].kind != CELL_NULL)
            write_csv_field(rows->file, rows->row[i].text);
    }
    fputc('\n', rows->file);
}

static void keep_table_row(struct sl_rows *rows)
{
    size_t used = rows->n_rows * rows->n_fields;
    sl_grow((void **)&rows->table, &rows->table_cap, used + rows->n_fields, sizeof *rows->table);
    for (size_t i = 0; i < rows->n_fields; i++) {
        rows->table[used + i] = rows->row[i];
        rows->table[used + i].text = rows->fields[i].detail ? "" : plain_text(rows, &rows->row[i]);
    }
}

static void end_row(struct sl_rows *rows)
{
    switch (rows->options.format) {
    case SL_FORMAT_TABLE: keep_table_row(rows); break;
    case SL_FORMAT_JSON:
    case SL_FORMAT_NDJSON: write_json_row(rows); break;
    case SL_FORMAT_CSV: write_csv_row(rows); break;
    }
    rows->n_rows++;
    rows->n_cells = 0;
    if (rows->options.format != SL_FORMAT_TABLE)
        sl_arena_reset(&rows->arena);
}

static void add_cell(struct sl_rows *rows, enum kind kind, const char *text, enum sl_paint paint)
{
    rows->row[rows->n_cells++] = (struct cell){
        text == NULL ? CELL_NULL : kind,
        paint,
        sl_arena_strdup(&rows->arena, text),
    };
    if (rows->n_cells == rows->n_fields)
        end_row(rows);
}

void sl_rows_create(struct sl_rows **out, FILE *file, const struct sl_rows_options *options, const struct sl_field *fields, size_t n)
{
    struct sl_rows *rows = sl_calloc(1, sizeof *rows);
    rows->file = file;
    rows->options = *options;
    rows->fields = fields;
    rows->n_fields = n;
    rows->row = sl_calloc(n, sizeof *rows->row);
    *out = rows;
    if (options->format == SL_FORMAT_CSV)
        write_csv_header(rows);
}

void sl_rows_str(struct sl_rows *rows, const char *text)
{
    add_cell(rows, CELL_TEXT, text, SL_PAINT_NONE);
}

void sl_rows_painted(struct sl_rows *rows, const char *text, enum sl_paint paint)
{
    add_cell(rows, CELL_TEXT, text, paint);
}

void sl_rows_int(struct sl_rows *rows, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    add_cell(rows, CELL_NUMBER, text, SL_PAINT_NONE);
}

void sl_rows_double(struct sl_rows *rows, double value)
{
    struct sl_buf buf;
    struct sl_json json;
    sl_buf_init(&buf);
    sl_json_init(&json, &buf);
    sl_json_double(&json, value);
    add_cell(rows, CELL_NUMBER, isfinite(value) ? buf.data : NULL, SL_PAINT_NONE);
    sl_buf_fini(&buf);
}

void sl_rows_bool(struct sl_rows *rows, bool value)
{
    add_cell(rows, CELL_NUMBER, value ? "true" : "false", SL_PAINT_NONE);
}

void sl_rows_date(struct sl_rows *rows, sl_date date)
{
    char text[SL_DATE_LEN + 1];
    sl_rows_str(rows, date == SL_DATE_NONE ? NULL : sl_date_format(date, text));
}

void sl_rows_time(struct sl_rows *rows, int64_t us)
{
    char text[SL_TIME_LEN + 1];
    sl_rows_str(rows, us <= 0 || us == SL_NEVER_US ? NULL : sl_time_format(us, text));
}

void sl_rows_json(struct sl_rows *rows, const char *json)
{
    add_cell(rows, CELL_JSON, json, SL_PAINT_NONE);
}

/* Columns that a text takes, after the bytes that are not shown. */
static size_t width_of(struct sl_buf *scratch, const char *text)
{
    sl_buf_clear(scratch);
    return add_safe(scratch, text);
}

static size_t column_width(struct sl_rows *rows, size_t column)
{
    size_t width = strlen(rows->fields[column].name);
    for (size_t r = 0; r < rows->n_rows; r++) {
        size_t w = width_of(&rows->line, rows->table[r * rows->n_fields + column].text);
        width = w > width ? w : width;
    }
    return width;
}

static size_t last_column(const struct sl_rows *rows)
{
    size_t last = 0;
    for (size_t i = 0; i < rows->n_fields; i++)
        if (!rows->fields[i].detail)
            last = i;
    return last;
}

static void write_spaces(FILE *file, size_t n)
{
    fprintf(file, "%*s", (int)n, "");
}

static void write_table_cell(struct sl_rows *rows, size_t column, size_t width, const char *text, enum sl_paint paint)
{
    bool last = column == last_column(rows), right = rows->fields[column].right;
    size_t columns = width_of(&rows->line, text), pad = width > columns ? width - columns : 0;
    bool painted = rows->options.colour && paint != SL_PAINT_NONE;
    write_spaces(rows->file, right ? pad : 0);
    fputs(painted ? sl_paint_start(paint) : "", rows->file);
    fputs(sl_buf_text(&rows->line), rows->file);
    fputs(painted ? SL_PAINT_END : "", rows->file);
    write_spaces(rows->file, (right || last ? 0 : pad) + (last ? 0 : 2));
}

static void write_table(struct sl_rows *rows)
{
    size_t *widths = sl_calloc(rows->n_fields, sizeof *widths);
    for (size_t i = 0; i < rows->n_fields; i++)
        widths[i] = rows->fields[i].detail ? 0 : column_width(rows, i);
    for (size_t r = 0; r <= rows->n_rows; r++) {
        for (size_t i = 0; i < rows->n_fields; i++) {
            if (rows->fields[i].detail)
                continue;
            const struct cell *cell = r == 0 ? NULL : &rows->table[(r - 1) * rows->n_fields + i];
            write_table_cell(rows, i, widths[i], cell == NULL ? rows->fields[i].name : cell->text,
                             cell == NULL ? SL_PAINT_DIM : cell->paint);
        }
        fputc('\n', rows->file);
    }
    free(widths);
}

enum sl_code sl_rows_finish(struct sl_rows **rows_p, struct sl_err *err)
{
    struct sl_rows *rows = *rows_p;
    FILE *file = rows->file;
    *rows_p = NULL;
    if (rows->options.format == SL_FORMAT_TABLE)
        write_table(rows);
    else if (rows->options.format == SL_FORMAT_JSON && !rows->options.single)
        fputs(rows->n_rows == 0 ? "[]\n" : "\n]\n", file);
    sl_arena_fini(&rows->arena);
    sl_buf_fini(&rows->line);
    free(rows->table);
    free(rows->row);
    free(rows);
    if (fflush(file) != 0 || ferror(file))
        return sl_fail(err, SL_UNAVAILABLE, "the output could not be written: %s", strerror(errno));
    return SL_OK;
}
