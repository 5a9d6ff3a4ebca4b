/* warehouse_contract.c - the list of warehouse_contract.h. Only the port is used. */
#include "warehouse_contract.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sluice/event.h>

#define COUNT(items) (sizeof(items) / sizeof *(items))

static struct sl_source SCORES_SOURCES[] = {{.table = "raw.scores", .date_column = "day", .unit_column = "game"}};
static struct sl_source DAILY_SOURCES[] = {{.table = "raw.daily", .date_column = "day"}};
static struct sl_processor PROCESSORS[] = {
    {.name = "scores", .sources = SCORES_SOURCES, .n_sources = 1},
    {.name = "daily", .sources = DAILY_SOURCES, .n_sources = 1},
};
static struct sl_phase PHASES[] = {{.name = "raw", .processors = PROCESSORS, .n_processors = 2}};

static const char *KINDS[] = {"regular", "playoffs"};
static const char *DONE[] = {"3"};
static const char *CANCELLED[] = {"yes"};
static const char *TEAMS[] = {"home", "away"};
static struct sl_term PLANNED_TERMS[] = {{"kind", KINDS, 2}};
static struct sl_term DONE_TERMS[] = {{"status", DONE, 1}};
static struct sl_term CANCELLED_TERMS[] = {{"called_off", CANCELLED, 1}};
static struct sl_entity_columns ENTITIES[] = {{"team", TEAMS, 2}};
static struct sl_calendar_config CALENDAR = {
    .table = "raw.schedule",
    .date_column = "day",
    .unit_column = "game",
    .planned = {PLANNED_TERMS, 1},
    .done = {DONE_TERMS, 1},
    .cancelled = {CANCELLED_TERMS, 1},
    .entities = ENTITIES,
    .n_entities = 1,
    .season_column = "season",
    .history_from = SL_DATE_NONE,
};

void warehouse_fixture_config(struct warehouse_fixture *f)
{
    f->config.warehouse.type = SL_WAREHOUSE_SQLITE;
    f->config.warehouse.path = f->dir;
    f->config.phases = PHASES;
    f->config.n_phases = 1;
    f->config.calendar = &CALENDAR;
    f->config.coverage.log_table = "ref.source_coverage_log";
    f->config.coverage.runs_table = "ref.processor_run_history";
    f->config.coverage.runs_by_sluice = true;
}

sl_date warehouse_day(const char *text)
{
    sl_date day = SL_DATE_NONE;
    cr_assert(sl_date_parse(text, strlen(text), &day), "%s", text);
    return day;
}

struct sl_key warehouse_key(const char *text)
{
    char day[SL_DATE_LEN + 1] = {0};
    memcpy(day, text, SL_DATE_LEN);
    return (struct sl_key){warehouse_day(day), text[SL_DATE_LEN] ? text + SL_DATE_LEN + 1 : NULL};
}

enum sl_code warehouse_import(struct warehouse_fixture *f, const char *table, const char *text, const char *replace,
                              struct sl_import_result *out)
{
    struct sl_import_result result;
    char path[160];
    snprintf(path, sizeof path, "%s/input.csv", f->dir);
    FILE *file = fopen(path, "wb");
    cr_assert(file);
    cr_assert_eq(fwrite(text, 1, strlen(text), file), strlen(text));
    cr_assert_eq(fclose(file), 0);
    return sl_warehouse_import_csv(f->warehouse, &f->config, table, path, replace, out ? out : &result, &f->arena, &f->err);
}

static void import_ok(struct warehouse_fixture *f, const char *table, const char *text)
{
    cr_assert_eq(warehouse_import(f, table, text, NULL, NULL), SL_OK, "%s: %s", table, f->err.text);
}

static void says(const struct warehouse_fixture *f, const char *part)
{
    cr_expect(strstr(f->err.text, part), "\"%s\" does not say \"%s\"", f->err.text, part);
}

/* Ask for keys "2025-01-01 a" (or only dates) and compare with "count count ...". */
static void expect_counts(struct warehouse_fixture *f, const struct sl_source *source, const char *const *keys, size_t n,
                          const char *expected)
{
    struct sl_key asked[16];
    uint8_t present[16];
    int64_t rows[16];
    char got[128] = "", got_present[128] = "", expected_present[128] = "";
    for (size_t i = 0; i < n; i++)
        asked[i] = warehouse_key(keys[i]);
    cr_assert_eq(sl_warehouse_count(f->warehouse, source, asked, n, rows, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(sl_warehouse_present(f->warehouse, source, asked, n, present, &f->err), SL_OK, "%s", f->err.text);
    for (size_t i = 0; i < n; i++) {
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%lld", i ? " " : "", (long long)rows[i]);
        snprintf(got_present + strlen(got_present), sizeof got_present - strlen(got_present), "%d", present[i]);
        snprintf(expected_present + strlen(expected_present), sizeof expected_present - strlen(expected_present), "%d", rows[i] > 0);
    }
    cr_expect_str_eq(got, expected);
    cr_expect_str_eq(got_present, expected_present);
}

void warehouse_contract_names_are_checked_before_anything(struct warehouse_fixture *f)
{
    static const char *const BAD[] = {"",      "scores",   "raw.",   ".scores", "raw.scores.x", "raw.sco res",
                                      "raw.1", "raw.a\"b", "../x.y", "raw.a;b", "r-w.a"};
    struct sl_table_info info;
    struct sl_load load = {.job_id = "j", .columns = (const char *[]){"a"}, .n_columns = 1};
    bool already;
    int64_t version;
    for (size_t i = 0; i < COUNT(BAD); i++) {
        cr_expect_eq(sl_warehouse_describe(f->warehouse, BAD[i], &info, &f->arena, &f->err), SL_INVALID, "%s", BAD[i]);
        cr_expect_eq(warehouse_import(f, BAD[i], "a\n1\n", NULL, NULL), SL_INVALID, "%s", BAD[i]);
        load.table = BAD[i];
        cr_expect_eq(sl_warehouse_load(f->warehouse, &load, &already, &f->err), SL_INVALID, "%s", BAD[i]);
        cr_expect_not(sl_warehouse_version(f->warehouse, BAD[i], &version));
    }
    const struct sl_source source = {.table = "raw.scores", .date_column = "day\" OR 1=1 --"};
    cr_expect_eq(sl_warehouse_present(f->warehouse, &source, NULL, 0, NULL, &f->err), SL_INVALID);
    says(f, "column");
}

void warehouse_contract_missing_things_are_not_found_and_named(struct warehouse_fixture *f)
{
    struct sl_table_info info;
    struct sl_key key = {warehouse_day("2025-01-01"), "a"};
    uint8_t present;
    int64_t version;
    cr_expect_eq(sl_warehouse_describe(f->warehouse, "raw.scores", &info, &f->arena, &f->err), SL_NOT_FOUND);
    says(f, "raw.scores");
    cr_expect_not(sl_warehouse_version(f->warehouse, "raw.scores", &version));
    cr_expect_eq(sl_warehouse_present(f->warehouse, &SCORES_SOURCES[0], &key, 1, &present, &f->err), SL_NOT_FOUND);
    says(f, "raw.scores");

    import_ok(f, "raw.other", "day,points\n2025-01-01,3\n");
    cr_expect_eq(sl_warehouse_present(f->warehouse, &SCORES_SOURCES[0], &key, 1, &present, &f->err), SL_NOT_FOUND);
    says(f, "raw.scores");
    struct sl_source source = {.table = "raw.other", .date_column = "day", .unit_column = "game"};
    cr_expect_eq(sl_warehouse_present(f->warehouse, &source, &key, 1, &present, &f->err), SL_NOT_FOUND);
    says(f, "game");
    source.date_column = "game_date";
    cr_expect_eq(sl_warehouse_present(f->warehouse, &source, &key, 1, &present, &f->err), SL_NOT_FOUND);
    says(f, "game_date");
}

void warehouse_contract_describe_tells_the_types(struct warehouse_fixture *f)
{
    static const struct sl_column EXPECTED[] = {
        {"id", SL_COL_STRING},   {"n", SL_COL_INT64},  {"x", SL_COL_FLOAT64},   {"d", SL_COL_DATE},
        {"t", SL_COL_TIMESTAMP}, {"s", SL_COL_STRING}, {"none", SL_COL_STRING},
    };
    struct sl_table_info info;
    import_ok(f, "raw.types", "id,n,x,d,t,s,none\n007,12,1.5,2025-01-31,2025-01-31T10:00:00Z,2025-02-30,\n");
    cr_assert_eq(sl_warehouse_describe(f->warehouse, "raw.types", &info, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(info.n_columns, COUNT(EXPECTED));
    for (size_t i = 0; i < COUNT(EXPECTED); i++) {
        cr_expect_str_eq(info.columns[i].name, EXPECTED[i].name);
        cr_expect_eq(info.columns[i].type, EXPECTED[i].type, "%s", EXPECTED[i].name);
    }
}

static const char SCORES[] = "day,game,points\n2025-01-01,a,1\n2025-01-01,a,2\n2025-01-01,b,3\n2025-01-03,a,4\n2025-01-03,\xC3\xA9\"x,5\n"
                             "2025-01-05,,6\n";

void warehouse_contract_present_and_count_by_unit(struct warehouse_fixture *f)
{
    static const char *const KEYS[] = {"2024-12-31 a", "2025-01-01 a", "2025-01-01 aa", "2025-01-01 b",
                                       "2025-01-02 a", "2025-01-03 a", "2025-01-03 b"};
    import_ok(f, "raw.scores", "day,game,points\n2025-01-01,a,1\n2025-01-01,a,2\n2025-01-01,b,3\n2025-01-03,a,4\n");
    expect_counts(f, &SCORES_SOURCES[0], KEYS, COUNT(KEYS), "0 2 0 1 0 1 0");
    import_ok(f, "raw.loose", "day,game,points\n2025-01-01,a,1\n2025-01-01,a,2\n2025-01-01,b,3\n2025-01-03,a,4\n");
    const struct sl_source loose = {.table = "raw.loose", .date_column = "day", .unit_column = "game"};
    expect_counts(f, &loose, KEYS, COUNT(KEYS), "0 2 0 1 0 1 0");
    expect_counts(f, &loose, KEYS, 0, "");
}

void warehouse_contract_present_and_count_by_date(struct warehouse_fixture *f)
{
    static const char *const KEYS[] = {"2025-01-01", "2025-01-02", "2025-01-03", "2025-01-05"};
    const struct sl_source daily = {.table = "raw.daily", .date_column = "day"};
    import_ok(f, "raw.scores", "day,game,points\n2025-01-01,a,1\n2025-01-01,a,2\n2025-01-01,b,3\n2025-01-03,a,4\n2025-01-05,,6\n");
    import_ok(f, "raw.daily", "day,points\n2025-01-01,1\n2025-01-01,2\n2025-01-03,3\n");
    expect_counts(f, &SCORES_SOURCES[0], KEYS, COUNT(KEYS), "3 0 1 1");
    expect_counts(f, &daily, KEYS, COUNT(KEYS), "2 0 1 0");
}

void warehouse_contract_null_and_empty_units_never_count(struct warehouse_fixture *f)
{
    static const char *const KEYS[] = {"2025-01-01 a", "2025-01-03 a", "2025-01-03 \xC3\xA9\"x", "2025-01-05 "};
    static const char *const TABLES[] = {"raw.scores", "raw.loose"};
    for (size_t i = 0; i < COUNT(TABLES); i++) {
        char text[sizeof SCORES];
        memcpy(text, SCORES, sizeof SCORES);
        *strchr(text, '"') = '\''; /* a bare quote is no CSV; the apostrophe is as good a test of binding */
        const struct sl_source source = {.table = TABLES[i], .date_column = "day", .unit_column = "game"};
        static const char *const WITH_APOSTROPHE[] = {"2025-01-01 a", "2025-01-03 a", "2025-01-03 \xC3\xA9'x", "2025-01-05 "};
        import_ok(f, TABLES[i], text);
        expect_counts(f, &source, KEYS, COUNT(KEYS), "2 1 0 0");
        expect_counts(f, &source, WITH_APOSTROPHE, COUNT(KEYS), "2 1 1 0");
    }
}

void warehouse_contract_units_compare_as_text(struct warehouse_fixture *f)
{
    static const char *const KEYS[] = {"2025-01-01 007", "2025-01-01 7", "2025-01-01 7.0"};
    static const char *const TABLES[] = {"raw.scores", "raw.loose"};
    for (size_t i = 0; i < COUNT(TABLES); i++) {
        const struct sl_source source = {.table = TABLES[i], .date_column = "day", .unit_column = "game"};
        import_ok(f, TABLES[i], "day,game\n2025-01-01,7\n");
        expect_counts(f, &source, KEYS, COUNT(KEYS), "0 1 0");
    }
}

void warehouse_contract_date_columns_of_other_types_are_refused(struct warehouse_fixture *f)
{
    static const char *const COLUMNS[] = {"i", "x", "t"};
    struct sl_key key = {warehouse_day("2025-01-01"), NULL};
    uint8_t present;
    import_ok(f, "raw.types", "i,x,t,s\n20250101,1.5,2025-01-01T00:00:00Z,2025-01-01 or so\n");
    for (size_t i = 0; i < COUNT(COLUMNS); i++) {
        const struct sl_source source = {.table = "raw.types", .date_column = COLUMNS[i]};
        cr_expect_eq(sl_warehouse_present(f->warehouse, &source, &key, 1, &present, &f->err), SL_INVALID, "%s", COLUMNS[i]);
        says(f, "raw.types");
    }
    says(f, "TIMESTAMP");
    const struct sl_source text = {.table = "raw.types", .date_column = "s"};
    sl_date *dates;
    size_t n;
    cr_expect_eq(sl_warehouse_dates(f->warehouse, &text, key.date, key.date + 1, &dates, &n, &f->arena, &f->err), SL_INVALID);
    says(f, "2025-01-01 or so");
}

void warehouse_contract_dates_ascend_within_the_range(struct warehouse_fixture *f)
{
    static const char *const TABLES[] = {"raw.scores", "raw.loose"};
    for (size_t i = 0; i < COUNT(TABLES); i++) {
        const struct sl_source source = {.table = TABLES[i], .date_column = "day", .unit_column = "game"};
        sl_date *dates;
        size_t n;
        import_ok(f, TABLES[i], "day,game\n2025-01-05,a\n2025-01-01,a\n2025-01-03,a\n2025-01-03,b\n2025-01-09,a\n,z\n");
        cr_assert_eq(sl_warehouse_dates(f->warehouse, &source, warehouse_day("2025-01-02"), warehouse_day("2025-01-09"), &dates, &n,
                                        &f->arena, &f->err),
                     SL_OK, "%s", f->err.text);
        cr_assert_eq(n, 3);
        cr_expect_eq(dates[0], warehouse_day("2025-01-03"));
        cr_expect_eq(dates[1], warehouse_day("2025-01-05"));
        cr_expect_eq(dates[2], warehouse_day("2025-01-09"));
        cr_assert_eq(sl_warehouse_dates(f->warehouse, &source, warehouse_day("2025-01-06"), warehouse_day("2025-01-08"), &dates, &n,
                                        &f->arena, &f->err),
                     SL_OK);
        cr_expect_eq(n, 0);
        cr_assert_eq(sl_warehouse_dates(f->warehouse, &source, warehouse_day("2025-01-06"), warehouse_day("2025-01-05"), &dates, &n,
                                        &f->arena, &f->err),
                     SL_OK);
        cr_expect_eq(n, 0);
    }
}

static void expect_calendar(struct warehouse_fixture *f, const char *expected)
{
    struct sl_calendar_row *rows;
    size_t n;
    struct sl_buf got = {0};
    char day[SL_DATE_LEN + 1];
    cr_assert_eq(sl_warehouse_calendar(f->warehouse, f->config.calendar, &rows, &n, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    for (size_t i = 0; i < n; i++) {
        sl_buf_printf(&got, "%s %s %s%s%s", sl_date_format(rows[i].date, day), rows[i].unit, rows[i].season ? rows[i].season : "-",
                      rows[i].planned ? " planned" : "", rows[i].done ? " done" : "");
        for (size_t e = 0; f->config.calendar->n_entities && e < rows[i].kinds[0].n; e++)
            sl_buf_printf(&got, " %s", rows[i].kinds[0].names[e]);
        sl_buf_char(&got, '\n');
    }
    cr_expect_str_eq(sl_buf_text(&got), expected);
    sl_buf_fini(&got);
}

void warehouse_contract_calendar_evaluates_conditions(struct warehouse_fixture *f)
{
    import_ok(f, "raw.schedule",
              "game,day,season,kind,status,called_off,home,away\n"
              "b,2025-01-02,s,regular,3,,X,Y\n"
              "a,2025-01-02,s,preseason,3,no,X,Z\n"
              "c,2025-01-01,s,playoffs,1,,Y,\n"
              "d,2025-01-03,,regular,3,yes,X,X\n"
              "e,2025-01-03,s,,,,,\n");
    expect_calendar(f, "2025-01-01 c s planned Y\n"
                       "2025-01-02 a s done X Z\n"
                       "2025-01-02 b s planned done X Y\n"
                       "2025-01-03 d - X\n"
                       "2025-01-03 e s\n");
    /* numbers and text alike */
    struct sl_import_result result;
    cr_assert_eq(warehouse_import(f, "raw.schedule", "game,day,kind,status\nf,2025-01-02,regular,3\n", "day", &result), SL_OK, "%s",
                 f->err.text);
    cr_expect_eq(result.replaced_rows, 2);
    expect_calendar(f, "2025-01-01 c s planned Y\n2025-01-02 f - planned done\n2025-01-03 d - X\n2025-01-03 e s\n");

    struct sl_calendar_config bare = *f->config.calendar, *kept = f->config.calendar;
    bare.planned.n = bare.done.n = bare.cancelled.n = 0;
    bare.season_column = NULL;
    bare.n_entities = 0;
    f->config.calendar = &bare;
    expect_calendar(f,
                    "2025-01-01 c - planned done\n2025-01-02 f - planned done\n2025-01-03 d - planned done\n2025-01-03 e - planned done\n");
    bare.planned.n = 1;
    PLANNED_TERMS[0].column = "missing";
    struct sl_calendar_row *rows;
    size_t n;
    cr_expect_eq(sl_warehouse_calendar(f->warehouse, &bare, &rows, &n, &f->arena, &f->err), SL_NOT_FOUND);
    says(f, "missing");
    PLANNED_TERMS[0].column = "kind";
    f->config.calendar = kept;
}

/* The config writes values as text; the column's type says what they are. */
void warehouse_contract_calendar_compares_by_type(struct warehouse_fixture *f)
{
    static const struct {
        const char *type, *cell, *value; /* type: the first row's, which the import reads it from */
        bool done;
        const char *says;
    } CASES[] = {
        {"3", "3", "3", true, NULL},
        {"3", "4", "3", false, NULL},
        {"3", "3", "3.0", true, NULL},
        {"1.5", "3.0", "3", true, NULL},
        {"1.5", "3.25", "3", false, NULL},
        {"x", "3", "3", true, NULL},
        {"x", "3.0", "3", false, NULL},
        {"3", "3", "three", false, "column status is INT64, which can't be compared with 'three'"},
        {"1.5", "3.0", "final", false, "column status is FLOAT64, which can't be compared with 'final'"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *values[] = {CASES[i].value};
        struct sl_term term = {"status", values, 1};
        struct sl_calendar_config calendar = *f->config.calendar;
        struct sl_calendar_row *rows;
        size_t n;
        char table[32], text[200];
        snprintf(table, sizeof table, "raw.typed_%zu", i);
        snprintf(text, sizeof text,
                 "game,day,season,kind,status,called_off,home,away\na,2025-01-01,s,x,%s,,,\nb,2025-01-02,s,regular,%s,,,\n", CASES[i].type,
                 CASES[i].cell);
        import_ok(f, table, text);
        calendar.table = table;
        calendar.done = (struct sl_condition){&term, 1};
        const enum sl_code code = sl_warehouse_calendar(f->warehouse, &calendar, &rows, &n, &f->arena, &f->err);
        cr_assert_eq(code, CASES[i].says ? SL_INVALID : SL_OK, "case %zu: %s", i, f->err.text);
        if (CASES[i].says)
            says(f, CASES[i].says);
        else
            cr_expect_eq(rows[1].done, CASES[i].done, "case %zu", i);
    }
}

void warehouse_contract_calendar_merges_duplicates(struct warehouse_fixture *f)
{
    import_ok(f, "raw.schedule",
              "game,day,season,kind,status,called_off,home,away\n"
              "a,2025-01-02,,regular,1,,X,Y\n"
              "a,2025-01-02,s,preseason,3,,X,Z\n"
              "a,2025-01-02,s,regular,3,yes,X,Z\n"
              "a,2025-01-03,s,regular,1,,X,Y\n");
    expect_calendar(f, "2025-01-02 a s planned done X Y Z\n2025-01-03 a s planned X Y\n");
}

void warehouse_contract_calendar_refuses_rows_without_date_or_unit(struct warehouse_fixture *f)
{
    static const struct {
        const char *label, *row, *says;
    } CASES[] = {
        {"no date", "b,,s,regular,3,,X,Y\n", "day"},
        {"no unit", ",2025-01-01,s,regular,3,,X,Y\n", "game"},
        {"bad date", "b,2025-02-30,s,regular,3,,X,Y\n", "2025-02-30"},
    };
    for (size_t i = 0; i < COUNT(CASES); i++) {
        struct sl_calendar_config calendar = *f->config.calendar;
        struct sl_calendar_row *rows;
        struct sl_buf text = {0};
        size_t n;
        char table[32];
        snprintf(table, sizeof table, "raw.schedule_%zu", i);
        calendar.table = table;
        sl_buf_printf(&text, "game,day,season,kind,status,called_off,home,away\na,2025-01-01,s,regular,3,,X,Y\n%s", CASES[i].row);
        import_ok(f, table, sl_buf_text(&text));
        sl_buf_fini(&text);
        cr_expect_eq(sl_warehouse_calendar(f->warehouse, &calendar, &rows, &n, &f->arena, &f->err), SL_INVALID, "%s", CASES[i].label);
        says(f, CASES[i].says);
        says(f, "row 2");
    }
}

void warehouse_contract_version_changes_with_every_change(struct warehouse_fixture *f)
{
    int64_t first, same, second;
    import_ok(f, "raw.scores", "day,game\n2025-01-01,a\n");
    cr_assert(sl_warehouse_version(f->warehouse, "raw.scores", &first));
    cr_assert(sl_warehouse_version(f->warehouse, "raw.scores", &same));
    cr_expect_eq(first, same);
    import_ok(f, "raw.scores", "day,game\n2025-01-02,a\n");
    cr_assert(sl_warehouse_version(f->warehouse, "raw.scores", &second));
    cr_expect_neq(first, second);
    static const char *const KEYS[] = {"2025-01-02 a"};
    expect_counts(f, &SCORES_SOURCES[0], KEYS, 1, "1");
    cr_assert(sl_warehouse_version(f->warehouse, "raw.scores", &same));
    cr_expect_eq(same, second);
}

static void init_ok(struct warehouse_fixture *f, size_t *n_made)
{
    const char **made;
    cr_assert_eq(sl_warehouse_init(f->warehouse, &f->config, &made, n_made, &f->arena, &f->err), SL_OK, "%s", f->err.text);
}

void warehouse_contract_init_twice_makes_nothing_more(struct warehouse_fixture *f)
{
    struct sl_table_info info;
    size_t n;
    init_ok(f, &n);
    cr_expect_gt(n, 0);
    init_ok(f, &n);
    cr_expect_eq(n, 0);
    cr_assert_eq(sl_warehouse_describe(f->warehouse, "ref.source_coverage_log", &info, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(info.n_columns, SL_N_LOG_COLUMNS);
    for (size_t i = 0; i < info.n_columns; i++)
        cr_expect_str_eq(info.columns[i].name, SL_LOG_COLUMNS[i]);
    cr_expect_eq(info.columns[0].type, SL_COL_STRING);
    cr_expect_eq(info.columns[2].type, SL_COL_TIMESTAMP);
    cr_expect_eq(info.columns[5].type, SL_COL_BOOL);
    cr_expect_eq(info.columns[10].type, SL_COL_DATE);
    cr_expect_eq(info.columns[22].type, SL_COL_FLOAT64);
    static const char *const VIEWS[] = {"ref.processor_run_history", "ref.processor_run_history_latest", "ref.game_source_coverage_summary",
                                        "ref.date_coverage"};
    for (size_t i = 0; i < COUNT(VIEWS); i++)
        cr_expect_eq(sl_warehouse_describe(f->warehouse, VIEWS[i], &info, &f->arena, &f->err), SL_OK, "%s", f->err.text);
}

static const char *const EVENT_COLUMNS[] = {"event_id", "event_timestamp", "event_type",   "severity",           "phase",
                                            "game_id",  "game_date",       "is_synthetic", "quality_score_after"};
#define N_EVENT_COLUMNS COUNT(EVENT_COLUMNS)

static const char *const EVENTS[] = {
    "00000000-0000-0000-0000-000000000001",
    "2025-01-01T00:00:01Z",
    "source_missing",
    "critical",
    "raw",
    "007",
    "2025-01-01",
    "true",
    "85.5",
    "00000000-0000-0000-0000-000000000002",
    "2025-01-01T00:00:02Z",
    "fallback_used",
    "info",
    "raw",
    "008",
    "2025-01-01",
    "false",
    NULL,
    "00000000-0000-0000-0000-000000000003",
    "2025-01-02T00:00:03Z",
    "source_missing",
    "warning",
    "api",
    "007",
    "2025-01-02",
    "0",
    "1.0",
};

static struct sl_load event_load(const char *job_id, size_t n)
{
    return (struct sl_load){.job_id = job_id,
                            .table = "ref.source_coverage_log",
                            .columns = EVENT_COLUMNS,
                            .n_columns = N_EVENT_COLUMNS,
                            .cells = EVENTS,
                            .n_rows = n};
}

static void load_ok(struct warehouse_fixture *f, const struct sl_load *load, bool expected_already)
{
    bool already = !expected_already;
    cr_assert_eq(sl_warehouse_load(f->warehouse, load, &already, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(already, expected_already);
}

/* Rows as "event_id's last digit, game_id, is_synthetic, score". */
static void add_log_row(void *arg, const char *const *cells)
{
    sl_buf_printf(arg, "%s,%s,%s,%s;", cells[0] + 35, cells[9], cells[5] ? cells[5] : "-", cells[23] ? cells[23] : "-");
}

static void expect_log(struct warehouse_fixture *f, struct sl_log_filter filter, const char *expected)
{
    struct sl_buf got = {0};
    cr_assert_eq(sl_warehouse_log_rows(f->warehouse, &f->config, &filter, add_log_row, &got, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_str_eq(sl_buf_text(&got), expected);
    sl_buf_fini(&got);
}

static const struct sl_log_filter ALL = {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE};

void warehouse_contract_load_happens_once_per_job(struct warehouse_fixture *f)
{
    static const char *const RUN_COLUMNS[] = {"processor_name", "run_id", "record_count", "data_date"};
    static const char *const RUN[] = {"scores", "r1", "12", "2025-01-01"};
    struct sl_load runs = {
        .job_id = "job-r", .table = "ref.processor_run_history", .columns = RUN_COLUMNS, .n_columns = 4, .cells = RUN, .n_rows = 1};
    static const char *const KEYS[] = {"2025-01-01"};
    const struct sl_source source = {.table = "ref.processor_run_history", .date_column = "data_date"};
    const struct sl_source latest = {.table = "ref.processor_run_history_latest", .date_column = "data_date"};
    size_t n;
    init_ok(f, &n);
    load_ok(f, &runs, false);
    load_ok(f, &runs, true);
    expect_counts(f, &source, KEYS, 1, "1");
    runs.job_id = "job-s";
    load_ok(f, &runs, false);
    expect_counts(f, &source, KEYS, 1, "2");
    expect_counts(f, &latest, KEYS, 1, "1");
    const struct sl_load none = event_load("empty", 0);
    load_ok(f, &none, false);
    load_ok(f, &none, true);
}

void warehouse_contract_load_keeps_event_ids_unique(struct warehouse_fixture *f)
{
    const struct sl_load first = event_load("job-1", 2), second = event_load("job-2", 3);
    size_t n;
    init_ok(f, &n);
    load_ok(f, &first, false);
    load_ok(f, &second, false);
    expect_log(f, ALL, "1,007,1,85.5;2,008,0,-;3,007,0,1.0;");
}

void warehouse_contract_load_into_nothing_is_not_found(struct warehouse_fixture *f)
{
    struct sl_load load = event_load("job", 1);
    bool already;
    size_t n;
    cr_expect_eq(sl_warehouse_load(f->warehouse, &load, &already, &f->err), SL_NOT_FOUND);
    says(f, "ref.source_coverage_log");
    init_ok(f, &n);
    load.table = "ref.nothing";
    cr_expect_eq(sl_warehouse_load(f->warehouse, &load, &already, &f->err), SL_NOT_FOUND);
    says(f, "ref.nothing");
    load.table = "ref.processor_run_history";
    cr_expect_eq(sl_warehouse_load(f->warehouse, &load, &already, &f->err), SL_NOT_FOUND);
    says(f, "event_id");
    load.table = "ref.source_coverage_log"; /* and the job was not taken for done */
    load_ok(f, &load, false);
}

void warehouse_contract_load_is_whole_or_nothing(struct warehouse_fixture *f)
{
    const char *cells[3 * N_EVENT_COLUMNS];
    struct sl_load load = event_load("job", 3);
    bool already;
    size_t n;
    memcpy(cells, EVENTS, sizeof cells);
    cells[2 * N_EVENT_COLUMNS + 3] = NULL; /* severity is NOT NULL */
    load.cells = cells;
    init_ok(f, &n);
    cr_expect_eq(sl_warehouse_load(f->warehouse, &load, &already, &f->err), SL_INVALID, "%s", f->err.text);
    expect_log(f, ALL, "");
    load.cells = EVENTS;
    load_ok(f, &load, false);
    expect_log(f, ALL, "1,007,1,85.5;2,008,0,-;3,007,0,1.0;");
}

void warehouse_contract_log_rows_are_filtered(struct warehouse_fixture *f)
{
    const struct {
        const char *label;
        struct sl_log_filter filter;
        const char *expected;
    } cases[] = {
        {"date", {.date = warehouse_day("2025-01-01"), .from = SL_DATE_NONE, .to = SL_DATE_NONE}, "1,007,1,85.5;2,008,0,-;"},
        {"from", {.date = SL_DATE_NONE, .from = warehouse_day("2025-01-02"), .to = SL_DATE_NONE}, "3,007,0,1.0;"},
        {"to", {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = warehouse_day("2025-01-01")}, "1,007,1,85.5;2,008,0,-;"},
        {"type", {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE, .type = "fallback_used"}, "2,008,0,-;"},
        {"severity", {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE, .severity = "warning"}, "3,007,0,1.0;"},
        {"unit", {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE, .unit = "007"}, "1,007,1,85.5;3,007,0,1.0;"},
        {"unit and phase", {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE, .unit = "007", .phase = "api"}, "3,007,0,1.0;"},
        {"nothing", {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE, .unit = "7"}, ""},
    };
    const struct sl_load load = event_load("job", 3);
    struct sl_buf unused = {0};
    size_t n;
    cr_expect_eq(sl_warehouse_log_rows(f->warehouse, &f->config, &ALL, add_log_row, &unused, &f->err), SL_NOT_FOUND);
    init_ok(f, &n);
    load_ok(f, &load, false);
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_log(f, cases[i].filter, cases[i].expected);
}

void warehouse_contract_run_records(struct warehouse_fixture *f)
{
    const struct sl_run_key keys[] = {{warehouse_day("2025-01-01"), "e1"},
                                      {warehouse_day("2025-01-01"), "e'2\"; --"},
                                      {warehouse_day("2025-01-01"), "e3"},
                                      {warehouse_day("2025-01-02"), "e1"},
                                      {warehouse_day("2025-01-02"), "e4"}};
    struct sl_run_record got[COUNT(keys)];
    cr_expect_eq(sl_warehouse_run_records(f->warehouse, "ref.runs", keys, COUNT(keys), got, &f->arena, &f->err), SL_NOT_FOUND);
    import_ok(f, "ref.runs",
              "processor_name,data_date,run_id,status,record_count\n"
              "a,2025-01-01,e1,running,\na,2025-01-01,e1,success,30\nb,2025-01-01,\"e'2\"\"; --\",failed,\n"
              "a,2025-01-02,e1,success,7\na,2025-01-03,e4,success,9\na,,e4,success,9\n");
    cr_assert_eq(sl_warehouse_run_records(f->warehouse, "ref.runs", keys, COUNT(keys), got, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    cr_expect(got[0].found && got[0].record_count == 30, "the last row of a run counts");
    cr_expect_str_eq(got[0].status, "success");
    cr_expect(got[1].found && got[1].record_count == -1);
    cr_expect_str_eq(got[1].status, "failed");
    cr_expect(!got[2].found && got[2].record_count == -1);
    cr_expect(got[3].found && got[3].record_count == 7, "the same id on another date");
    cr_expect(!got[4].found, "that date has no such run");
    cr_expect_eq(sl_warehouse_run_records(f->warehouse, "raw.none", keys, 0, got, &f->arena, &f->err), SL_OK);
}

void warehouse_contract_counters_count(struct warehouse_fixture *f)
{
    struct sl_table_info info;
    import_ok(f, "raw.scores", "day,game\n2025-01-01,a\n");
    sl_warehouse_describe(f->warehouse, "raw.scores", &info, &f->arena, &f->err);
    sl_warehouse_describe(f->warehouse, "raw.nothing", &info, &f->arena, &f->err);
    cr_expect_eq(f->warehouse->counters.loads, 1);
    cr_expect_eq(f->warehouse->counters.queries, 2);
    cr_expect_eq(f->warehouse->counters.errors, 1);
}
