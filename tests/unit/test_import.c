/* test_import.c - CSV into the SQLite warehouse (RULES 34): the reader, the types, and what is refused with file, line and column. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/warehouse.h>

#include "../../src/warehouse/csv.h"
#include "../../src/warehouse/values.h"

#define COUNT(items) (sizeof(items) / sizeof *(items))

/* --- a warehouse in a directory of its own -------------------------------------------------------------------------------------- */

static struct sl_source SOURCES[] = {{.table = "raw.scores", .date_column = "day", .unit_column = "game"},
                                     {.table = "raw.daily", .date_column = "day", .unit_column = NULL}};
static struct sl_processor PROCESSORS[] = {{.name = "scores", .sources = SOURCES, .n_sources = 2}};
static struct sl_phase PHASES[] = {{.name = "raw", .processors = PROCESSORS, .n_processors = 1}};

struct fixture {
    char dir[64], csv[96];
    struct sl_config config;
    struct sl_warehouse *warehouse;
    struct sl_arena arena;
    struct sl_import_result result;
    struct sl_err err;
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/sluice-import-XXXXXX"};
    cr_assert(mkdtemp(f->dir));
    snprintf(f->csv, sizeof f->csv, "%s/in.csv", f->dir);
    f->config.warehouse.path = f->dir;
    f->config.phases = PHASES;
    f->config.n_phases = 1;
    cr_assert_eq(sl_warehouse_open(&f->warehouse, &f->config, &f->err), SL_OK, "%s", f->err.text);
}

static void teardown(struct fixture *f)
{
    static const char *const FILES[] = {"in.csv", "raw.db"};
    char path[128];
    sl_warehouse_destroy(&f->warehouse);
    sl_arena_fini(&f->arena);
    for (size_t i = 0; i < COUNT(FILES); i++) {
        snprintf(path, sizeof path, "%s/%s", f->dir, FILES[i]);
        unlink(path);
    }
    cr_expect_eq(rmdir(f->dir), 0);
}

static void write_file(const char *path, const char *bytes, size_t len)
{
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    cr_assert_eq(fclose(file), 0);
}

static enum sl_code import_bytes(struct fixture *f, const char *table, const char *bytes, size_t len, const char *replace)
{
    write_file(f->csv, bytes, len);
    return sl_warehouse_import_csv(f->warehouse, &f->config, table, f->csv, replace, &f->result, &f->arena, &f->err);
}

static enum sl_code import(struct fixture *f, const char *table, const char *text, const char *replace)
{
    return import_bytes(f, table, text, strlen(text), replace);
}

static void import_ok(struct fixture *f, const char *table, const char *text, const char *replace)
{
    cr_assert_eq(import(f, table, text, replace), SL_OK, "%s", f->err.text);
}

/* All cells of a query: rows end in ';', cells in ',', with their storage class when it is not text. */
static void expect_rows(struct fixture *f, const char *sql, const char *expected)
{
    struct sl_buf got = {0};
    char path[128];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    snprintf(path, sizeof path, "%s/raw.db", f->dir);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            int type = sqlite3_column_type(stmt, i);
            const char *text = (const char *)sqlite3_column_text(stmt, i);
            sl_buf_printf(&got, "%s%s%s", i ? "," : "",
                          type == SQLITE_INTEGER ? "i:"
                          : type == SQLITE_FLOAT ? "f:"
                                                 : "",
                          text ? text : "NULL");
        }
        sl_buf_char(&got, ';');
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    cr_expect_str_eq(sl_buf_text(&got), expected, "%s: %s, not %s", sql, sl_buf_text(&got), expected);
    sl_buf_fini(&got);
}

static void run(struct fixture *f, const char *sql)
{
    char path[128], *text = NULL;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/raw.db", f->dir);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &text), SQLITE_OK, "%s: %s", sql, text);
    sqlite3_close(db);
}

/* --- values ----------------------------------------------------------------------------------------------------------------------- */

Test(import, types_of_values)
{
    static const struct {
        const char *text;
        enum sl_column_type type;
    } CASES[] = {
        {"0", SL_COL_INT64},
        {"-1", SL_COL_INT64},
        {"9223372036854775807", SL_COL_INT64},
        {"-9223372036854775808", SL_COL_INT64},
        {"9223372036854775808", SL_COL_STRING},
        {"01", SL_COL_STRING},
        {"0022400061", SL_COL_STRING},
        {"+1", SL_COL_STRING},
        {"-", SL_COL_STRING},
        {" 1", SL_COL_STRING},
        {"1 ", SL_COL_STRING},
        {"0x10", SL_COL_STRING},
        {"1.0", SL_COL_FLOAT64},
        {"-0", SL_COL_FLOAT64},
        {"-0.5", SL_COL_FLOAT64},
        {"1e3", SL_COL_FLOAT64},
        {"1E-3", SL_COL_FLOAT64},
        {"1e400", SL_COL_STRING},
        {"01.5", SL_COL_STRING},
        {".5", SL_COL_STRING},
        {"5.", SL_COL_STRING},
        {"1e", SL_COL_STRING},
        {"nan", SL_COL_STRING},
        {"inf", SL_COL_STRING},
        {"2025-01-31", SL_COL_DATE},
        {"2025-02-30", SL_COL_STRING},
        {"2025-1-31", SL_COL_STRING},
        {"2025-01-31T10:00:00Z", SL_COL_TIMESTAMP},
        {"2025-01-31T10:00:00.123456-08:00", SL_COL_TIMESTAMP},
        {"2025-01-31T10:00:00", SL_COL_STRING},
        {"2025-01-31T25:00:00Z", SL_COL_STRING},
        {"true", SL_COL_STRING},
        {"x", SL_COL_STRING},
    };
    for (size_t i = 0; i < COUNT(CASES); i++)
        cr_expect_eq(sl_wh_infer(sl_wh_narrow(SL_WH_CAN_ALL, CASES[i].text, strlen(CASES[i].text))), CASES[i].type, "\"%s\" is %s",
                     CASES[i].text, sl_wh_type_name(sl_wh_infer(sl_wh_narrow(SL_WH_CAN_ALL, CASES[i].text, strlen(CASES[i].text)))));
}

Test(import, types_of_columns)
{
    static const struct {
        const char *label, *values; /* separated by blanks */
        enum sl_column_type type;
    } CASES[] = {
        {"integers", "1 2 3", SL_COL_INT64},
        {"integers and fractions", "1 2.5", SL_COL_FLOAT64},
        {"one id with a zero", "10 11 007", SL_COL_STRING},
        {"an integer no double holds", "9007199254740993 1.5", SL_COL_STRING},
        {"ids of twenty digits", "12345678901234567890 1", SL_COL_STRING},
        {"dates", "2025-01-01 2025-01-02", SL_COL_DATE},
        {"dates and times", "2025-01-01 2025-01-02T00:00:00Z", SL_COL_STRING},
        {"numbers and dates", "1 2025-01-02", SL_COL_STRING},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        char text[128], *rest = text;
        unsigned can = SL_WH_CAN_ALL;
        snprintf(text, sizeof text, "%s", CASES[i].values);
        for (char *word; (word = strsep(&rest, " "));)
            can = sl_wh_narrow(can, word, strlen(word));
        cr_expect_eq(sl_wh_infer(can), CASES[i].type, "%s", CASES[i].label);
    }
}

Test(import, declarations)
{
    static const struct {
        const char *declared;
        enum sl_column_type type;
        bool keeps_text;
    } CASES[] = {
        {"TEXT", SL_COL_STRING, true},
        {"STRING", SL_COL_STRING, false},
        {"varchar(20)", SL_COL_STRING, true},
        {"", SL_COL_STRING, true},
        {NULL, SL_COL_STRING, true},
        {"INTEGER", SL_COL_INT64, false},
        {"bigint", SL_COL_INT64, false},
        {"INT64", SL_COL_INT64, false},
        {"REAL", SL_COL_FLOAT64, false},
        {"FLOAT64", SL_COL_FLOAT64, false},
        {"DOUBLE PRECISION", SL_COL_FLOAT64, false},
        {"DATE", SL_COL_DATE, false},
        {"DATE TEXT", SL_COL_DATE, true},
        {"DATETIME", SL_COL_TIMESTAMP, false},
        {"TIMESTAMP TEXT", SL_COL_TIMESTAMP, true},
        {"BOOLEAN", SL_COL_BOOL, false},
        {"JSON TEXT", SL_COL_JSON, true},
        {"TEXT UNTYPED", SL_COL_STRING, true},
        {"UUID", SL_COL_STRING, false},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        cr_expect_eq(sl_wh_type_of(CASES[i].declared), CASES[i].type, "%s", CASES[i].declared);
        cr_expect_eq(sl_wh_keeps_text(CASES[i].declared), CASES[i].keeps_text, "%s", CASES[i].declared);
    }
    for (int type = SL_COL_STRING; type <= SL_COL_JSON; type++)
        cr_expect_eq(sl_wh_type_of(sl_wh_type_declare((enum sl_column_type)type)), (enum sl_column_type)type);
}

/* --- the reader ------------------------------------------------------------------------------------------------------------------- */

/* Records end in '\n', fields in '|'; an error is its sentence. */
static void read_all(const char *text, size_t len, struct sl_buf *out)
{
    struct sl_csv_source source = {.fd = -1};
    struct sl_csv csv;
    struct sl_err err;
    bool more = true;
    sl_buf_add(&source.memory, text, len);
    sl_csv_init(&csv, &source, "f");
    while (more) {
        if (sl_csv_next(&csv, &more, &err)) {
            sl_buf_str(out, err.text);
            break;
        }
        for (size_t i = 0; more && i < csv.n_fields; i++)
            sl_buf_printf(out, "%s%s%s", i ? "|" : "", csv.fields[i], i + 1 == csv.n_fields ? "\n" : "");
    }
    sl_csv_fini(&csv);
    sl_csv_source_fini(&source);
}

Test(import, csv_records)
{
    static const struct {
        const char *label, *text, *expected;
    } CASES[] = {
        {"empty", "", ""},
        {"one line without end", "a,b", "a|b\n"},
        {"LF", "a,b\n1,2\n", "a|b\n1|2\n"},
        {"CRLF", "a,b\r\n1,2\r\n", "a|b\n1|2\n"},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "a,b\n",
         "a|b\n"},
        {"empty fields", ",,\n", "||\n"},
        {"quoted", "\"a\",\"b,c\"\n", "a|b,c\n"},
        {"doubled quotes", "\"a\"\"b\",\"\"\"\"\n", "a\"b|\"\n"},
        {"newline inside", "\"a\nb\",c\r\nd,e\n", "a\nb|c\nd|e\n"},
        {"CRLF inside", "\"a\r\nb\",\"c\"\r\n", "a\r\nb|c\n"},
        {"quoted empty at the end", "a,\"\"", "a|\n"},
        {"UTF-8", "\xC3\xA9,\xE2\x82\xAC\n", "\xC3\xA9|\xE2\x82\xAC\n"},
        {"blank line", "a\n\nb\n", "a\n\nb\n"},
        {"stray quote", "a,b\n1,x\"y\n", "a|b\nf:2: field 2: a quote inside a field that is not quoted"},
        {"behind the quote", "\"a\"b,c\n", "f:1: field 1: something follows the closing quote"},
        {"not closed", "a\n\"b\nc\n", "a\nf:2: field 1: the quote is not closed"},
        {"CR inside", "a\rb\n", "f:1: field 1: a carriage return inside a field that is not quoted"},
        {"bad UTF-8", "a\nb,\"x\ny\",\xFF\n", "a\nf:3: field 3: bytes that are not UTF-8"},
        {"surrogate", "\xED\xA0\x80\n", "f:1: field 1: bytes that are not UTF-8"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct sl_buf got = {0};
        read_all(CASES[i].text, strlen(CASES[i].text), &got);
        cr_expect_str_eq(sl_buf_text(&got), CASES[i].expected, "%s: %s", CASES[i].label, sl_buf_text(&got));
        sl_buf_fini(&got);
    }
    struct sl_buf got = {0};
    read_all("a\nb,\0c\n", 7, &got);
    cr_expect_str_eq(sl_buf_text(&got), "a\nf:2: field 2: a NUL byte");
    sl_buf_fini(&got);
}

/* Records of every length around the buffer's, so that each kind of byte falls on its edge. */
Test(import, csv_across_the_buffer)
{
    struct sl_buf text = {0}, expected = {0}, got = {0};
    for (int i = 0; i < 3000; i++) {
        int width = (i * 7919) % 601;
        sl_buf_printf(&text, "%d,\"%*s\"\"\n%d\",%0*d\r\n", i, width, "x", i, 1 + width % 50, i);
        sl_buf_printf(&expected, "%d|%*s\"\n%d|%0*d\n", i, width, "x", i, 1 + width % 50, i);
    }
    cr_assert_gt(text.len, 3u << 18);
    read_all(text.data, text.len, &got);
    cr_expect(!strcmp(sl_buf_text(&got), sl_buf_text(&expected)));
    sl_buf_fini(&text);
    sl_buf_fini(&expected);
    sl_buf_fini(&got);
}

Test(import, csv_record_without_end)
{
    struct sl_buf text = {0}, got = {0};
    sl_buf_str(&text, "a\n\"");
    for (size_t i = 0; i <= SL_CSV_MAX_RECORD_BYTES / 16; i++)
        sl_buf_str(&text, "0123456789abcde\n");
    read_all(text.data, text.len, &got);
    cr_expect(strstr(sl_buf_text(&got), "f:2: the row is longer than"), "%s", sl_buf_text(&got));
    sl_buf_fini(&text);
    sl_buf_fini(&got);
}

/* --- importing -------------------------------------------------------------------------------------------------------------------- */

Test(import, a_new_table)
{
    struct fixture f;
    setup(&f);
    import_ok(&f, "raw.scores",
              "day,game,n,x,at,empty\r\n2025-01-31,007,12,1.5,2025-01-31T10:00:00+01:00,\r\n2025-02-01,\"a,\"\"b\",,2,,\r\n", NULL);
    cr_expect_eq(f.result.rows, 2);
    cr_expect_eq(f.result.replaced_rows, 0);
    cr_expect(f.result.created_table);
    expect_rows(&f, "SELECT * FROM scores", "2025-01-31,007,i:12,f:1.5,2025-01-31T09:00:00Z,NULL;2025-02-01,a,\"b,NULL,f:2.0,NULL,NULL;");
    expect_rows(&f, "SELECT type FROM pragma_table_info('scores')", "DATE TEXT;TEXT;INTEGER;REAL;TIMESTAMP TEXT;TEXT UNTYPED;");
    expect_rows(&f, "SELECT name FROM pragma_index_info('sluice_scores_day_game')", "day;game;");
    expect_rows(&f, "SELECT table_name, row_count, length(job_id) FROM sluice_load_jobs", "raw.scores,i:2,i:36;");
    char job[128];
    snprintf(job, sizeof job, "SELECT count(*) FROM sluice_load_jobs WHERE job_id = '%s'", f.result.job_id);
    expect_rows(&f, job, "i:1;");
    import_ok(&f, "raw.scores", "game,day\nz,2025-02-02\n", NULL); /* appends; missing columns are NULL */
    cr_expect_not(f.result.created_table);
    expect_rows(&f, "SELECT * FROM scores WHERE game = 'z'", "2025-02-02,z,NULL,NULL,NULL,NULL;");
    expect_rows(&f, "SELECT count(*) FROM sluice_load_jobs", "i:2;");
    teardown(&f);
}

Test(import, indexes_only_for_configured_tables)
{
    struct fixture f;
    setup(&f);
    import_ok(&f, "raw.daily", "day,game\n2025-01-31,a\n", NULL);
    import_ok(&f, "raw.other", "day,game\n2025-01-31,a\n", NULL);
    import_ok(&f, "raw.scores", "day,points\n2025-01-31,1\n", NULL); /* without the unit column: by date */
    import_ok(&f, "raw.daily", "day,game\n2025-01-31,a\n", NULL);
    expect_rows(&f, "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1",
                "sluice_daily_day;sluice_scores_day;");
    teardown(&f);
}

Test(import, columns_without_values_are_retyped)
{
    struct fixture f;
    setup(&f);
    import_ok(&f, "raw.scores", "day,game,n,x\n", NULL);
    cr_expect_eq(f.result.rows, 0);
    expect_rows(&f, "SELECT DISTINCT type FROM pragma_table_info('scores')", "TEXT UNTYPED;");
    run(&f, "CREATE VIEW v AS SELECT n FROM scores; CREATE TRIGGER g AFTER INSERT ON scores BEGIN SELECT 1; END");
    import_ok(&f, "raw.scores", "day,game,n\n2025-01-31,007,\n", NULL);
    expect_rows(&f, "SELECT type FROM pragma_table_info('scores')", "DATE TEXT;TEXT;TEXT UNTYPED;TEXT UNTYPED;");
    import_ok(&f, "raw.scores", "day,game,n\n2025-02-01,008,12\n", NULL);
    expect_rows(&f, "SELECT type FROM pragma_table_info('scores')", "DATE TEXT;TEXT;INTEGER;TEXT UNTYPED;");
    expect_rows(&f, "SELECT * FROM scores", "2025-01-31,007,NULL,NULL;2025-02-01,008,i:12,NULL;");
    expect_rows(&f, "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY 1",
                "g;scores;sluice_load_jobs;sluice_scores_day_game;v;");
    expect_rows(&f, "SELECT n FROM v", "NULL;i:12;");
    cr_expect_eq(import(&f, "raw.scores", "day,game,n\n2025-02-01,009,x\n", NULL), SL_INVALID); /* once typed, it stays */
    import_ok(&f, "raw.texts", "a\n007\n", NULL);
    import_ok(&f, "raw.texts", "a\n12\n", NULL);
    expect_rows(&f, "SELECT a FROM texts", "007;12;");
    run(&f, "UPDATE scores SET x = 'by hand'");
    import_ok(&f, "raw.scores", "x\n7\n", NULL);
    expect_rows(&f, "SELECT x FROM scores", "by hand;by hand;7;");
    teardown(&f);
}

Test(import, replace_date)
{
    struct fixture f;
    setup(&f);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,a\n2025-01-01,b\n2025-01-02,a\n2025-01-03,a\n", "day");
    cr_expect_eq(f.result.replaced_rows, 0);
    import_ok(&f, "raw.scores", "day,game\n2025-01-01,c\n2025-01-03,c\n2025-01-03,d\n", "day");
    cr_expect_eq(f.result.replaced_rows, 3);
    cr_expect_eq(f.result.rows, 3);
    expect_rows(&f, "SELECT day, game FROM scores ORDER BY 1, 2", "2025-01-01,c;2025-01-02,a;2025-01-03,c;2025-01-03,d;");
    import_ok(&f, "raw.scores", "day,game\n", "day"); /* an empty file deletes nothing */
    cr_expect_eq(f.result.replaced_rows, 0);
    expect_rows(&f, "SELECT count(*) FROM scores", "i:4;");
    static const struct {
        const char *label, *text, *column, *says;
    } CASES[] = {
        {"not in the file", "game\nx\n", "day", "no column day"},
        {"a row without a date", "day,game\n2025-01-02,x\n,y\n", "day", "in.csv:3: column day"},
        {"a bad date", "day,game\n2025-02-30,x\n", "day", "2025-02-30"},
        {"no date column", "day,game\n2025-01-02,x\n", "game", "in.csv:2: column game"},
        {"a bad row later", "day,game\n2025-01-02,x\n2025-01-02\n", "day", "in.csv:3: column game"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        cr_expect_eq(import(&f, "raw.scores", CASES[i].text, CASES[i].column), SL_INVALID, "%s", CASES[i].label);
        cr_expect(strstr(f.err.text, CASES[i].says), "%s: %s", CASES[i].label, f.err.text);
        cr_expect_eq(f.result.rows, 0);
    }
    expect_rows(&f, "SELECT count(*) FROM scores", "i:4;");
    teardown(&f);
}

Test(import, refusals_name_line_and_column_and_load_nothing)
{
    static const struct {
        const char *label, *text, *says;
    } CASES[] = {
        {"no header", "", "in.csv:1: the file is empty"},
        {"bad name", "day,a b\n", "in.csv:1: column 2 is named \"a b\""},
        {"empty name", "day,\n", "column 2"},
        {"digit first", "1a\n", "column 1"},
        {"twice", "day,game,DAY\n", "column DAY comes twice"},
        {"unknown column", "day,other\n2025-01-01,x\n", "no column other"},
        {"short row", "day,game,n\n2025-01-01,a,1\n2025-01-01,a\n", "in.csv:3: column n is missing: the row has 2 fields, the header 3"},
        {"long row", "day,game\n2025-01-01,a,1\n", "in.csv:2: column 3 has no name: the row has 3 fields, the header 2"},
        {"blank row", "day,game\n2025-01-01,a\n\n", "in.csv:3: column game is missing"},
        {"no date", "day,game\n2025-01-01,a\n2025-02-30,b\n", "in.csv:3: column day: \"2025-02-30\" does not fit: expected DATE"},
        {"no integer", "game,n\na,1\nb,1.5\n", "in.csv:3: column n: \"1.5\" does not fit: expected INT64"},
        {"leading zero", "n\n007\n", "\"007\" does not fit: expected INT64"},
        {"overflow", "n\n9223372036854775808\n", "expected INT64"},
        {"no number", "x\n1,5\n", "in.csv:2"},
        {"no float", "x\nnan\n", "\"nan\" does not fit: expected FLOAT64"},
        {"no time", "at\n2025-01-01\n", "expected TIMESTAMP"},
        {"line after a long field", "game,n\n\"a\nb\nc\",x\n", "in.csv:4: column n"},
        {"NUL by UTF-8 rule", "game\n\xC0\x80\n", "not UTF-8"},
    };
    struct fixture f;
    setup(&f);
    import_ok(&f, "raw.scores", "day,game,n,x,at\n2025-01-01,a,1,1.5,2025-01-01T00:00:00Z\n", NULL);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        cr_expect_eq(import(&f, "raw.scores", CASES[i].text, NULL), SL_INVALID, "%s", CASES[i].label);
        cr_expect(strstr(f.err.text, CASES[i].says), "%s: %s", CASES[i].label, f.err.text);
        cr_expect_null(f.result.job_id);
    }
    cr_expect_eq(import(&f, "raw.fresh", "a,b\n1\n", NULL), SL_INVALID); /* a new table is not half-made */
    expect_rows(&f, "SELECT group_concat(name, ' ') FROM sqlite_schema WHERE type = 'table'", "sluice_load_jobs scores;");
    expect_rows(&f, "SELECT count(*) FROM scores", "i:1;");
    expect_rows(&f, "SELECT count(*) FROM sluice_load_jobs", "i:1;");
    teardown(&f);
}

Test(import, tables_of_others)
{
    struct fixture f;
    setup(&f);
    run(&f, "CREATE TABLE scores(day DATE, game STRING, ok BOOLEAN, j JSON, t VARCHAR(9) NOT NULL DEFAULT 'd', u INT UNIQUE); CREATE VIEW "
            "v AS SELECT 1 AS a");
    import_ok(&f, "raw.scores", "day,game,ok,j,t,u\n2025-01-01,12,true,\"{\"\"a\"\": 1}\",007,1\n,x7,0,,1,2\n", NULL);
    expect_rows(&f, "SELECT * FROM scores", "2025-01-01,i:12,i:1,{\"a\": 1},007,i:1;NULL,x7,i:0,NULL,1,i:2;");
    static const struct {
        const char *label, *table, *text, *says;
    } CASES[] = {
        {"text that SQLite eats", "raw.scores", "game,t\n0022400061,x\n", "declare the column TEXT"},
        {"exponent", "raw.scores", "game,t\n1e3,x\n", "declare the column TEXT"},
        {"bool", "raw.scores", "ok,t\nmaybe,x\n", "expected BOOL"},
        {"json", "raw.scores", "j,t\n{,x\n", "expected JSON"},
        {"NOT NULL", "raw.scores", "day,t\n2025-01-01,\n", "in.csv:2"},
        {"UNIQUE", "raw.scores", "t,u\nx,9\nx,1\n", "in.csv:3"},
        {"a view", "raw.v", "a\n1\n", "is a view"},
        {"ours", "raw.sluice_load_jobs", "job_id\n1\n", "sluice_"},
        {"SQLite's", "raw.sqlite_x", "job_id\n1\n", "sqlite_"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        cr_expect_eq(import(&f, CASES[i].table, CASES[i].text, NULL), SL_INVALID, "%s", CASES[i].label);
        cr_expect(strstr(f.err.text, CASES[i].says), "%s: %s", CASES[i].label, f.err.text);
    }
    expect_rows(&f, "SELECT count(*) FROM scores", "i:2;");
    teardown(&f);
}

Test(import, files_that_cannot_be_read)
{
    struct fixture f;
    setup(&f);
    cr_expect_eq(sl_warehouse_import_csv(f.warehouse, &f.config, "raw.scores", "/nonexistent/x.csv", NULL, &f.result, &f.arena, &f.err),
                 SL_NOT_FOUND);
    cr_expect(strstr(f.err.text, "/nonexistent/x.csv"));
    cr_expect_eq(sl_warehouse_import_csv(f.warehouse, &f.config, "raw.scores", f.dir, NULL, &f.result, &f.arena, &f.err), SL_INVALID);
    cr_expect(strstr(f.err.text, "directory"));
    teardown(&f);
}

/* --- pipes ------------------------------------------------------------------------------------------------------------------------ */

#define PIPE_ROWS 20000

static void *feed(void *arg)
{
    FILE *file = fopen(arg, "wb");
    fputs("day,game\n", file);
    for (int i = 0; i < PIPE_ROWS; i++)
        fprintf(file, "2025-01-01,g%d\n", i);
    fclose(file);
    return NULL;
}

Test(import, a_pipe_is_read_twice)
{
    struct fixture f;
    pthread_t thread;
    setup(&f);
    cr_assert_eq(mkfifo(f.csv, 0600), 0);
    cr_assert_eq(pthread_create(&thread, NULL, feed, f.csv), 0);
    cr_expect_eq(sl_warehouse_import_csv(f.warehouse, &f.config, "raw.scores", f.csv, "day", &f.result, &f.arena, &f.err), SL_OK, "%s",
                 f.err.text);
    pthread_join(thread, NULL);
    cr_expect_eq(f.result.rows, PIPE_ROWS);
    expect_rows(&f, "SELECT count(DISTINCT game) FROM scores", "i:20000;");
    teardown(&f);
}

Test(import, a_long_pipe_is_kept_in_a_file)
{
    struct fixture f;
    struct sl_csv_source source;
    pthread_t thread;
    setup(&f);
    cr_assert_eq(mkfifo(f.csv, 0600), 0);
    cr_assert_eq(pthread_create(&thread, NULL, feed, f.csv), 0);
    cr_assert_eq(sl_csv_source_open(&source, f.csv, f.dir, 1000, &f.err), SL_OK, "%s", f.err.text);
    pthread_join(thread, NULL);
    cr_expect_geq(source.fd, 0);
    for (int pass = 0; pass < 2; pass++) {
        struct sl_csv csv;
        bool more = true;
        int n = 0;
        sl_csv_init(&csv, &source, f.csv);
        while (!sl_csv_next(&csv, &more, &f.err) && more)
            n++;
        cr_expect_eq(n, PIPE_ROWS + 1);
        sl_csv_fini(&csv);
    }
    sl_csv_source_fini(&source);
    teardown(&f);
}
