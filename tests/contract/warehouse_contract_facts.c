/* warehouse_contract_facts.c - the entries of the list that gather facts: tally, entities, fingerprint, reconstructed. Only the port is used. */
#include "warehouse_contract.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <sluice/str.h>

#define COUNT(items) (sizeof(items) / sizeof *(items))

static void import_ok(struct warehouse_fixture *f, const char *table, const char *text)
{
    cr_assert_eq(warehouse_import(f, table, text, NULL, NULL), SL_OK, "%s: %s", table, f->err.text);
}

static void says(const struct warehouse_fixture *f, const char *part)
{
    cr_expect(strstr(f->err.text, part), "\"%s\" does not say \"%s\"", f->err.text, part);
}

/* Keys are "2025-01-01 a" (or only dates); expected is "rows:nulls,nulls rows:..." */
static void expect_tally(struct warehouse_fixture *f, const struct sl_source *source, const char *const *columns, size_t n_columns,
                         const char *const *keys, size_t n, const char *expected)
{
    struct sl_key asked[16];
    int64_t rows[16], nulls[16 * 8];
    struct sl_buf got = {0};
    for (size_t i = 0; i < n; i++)
        asked[i] = warehouse_key(keys[i]);
    cr_assert_eq(sl_warehouse_tally(f->warehouse, source, columns, n_columns, asked, n, rows, nulls, &f->err), SL_OK, "%s", f->err.text);
    for (size_t i = 0; i < n; i++) {
        sl_buf_printf(&got, "%s%lld", i ? " " : "", (long long)rows[i]);
        for (size_t c = 0; c < n_columns; c++)
            sl_buf_printf(&got, "%c%lld", c ? ',' : ':', (long long)nulls[i * n_columns + c]);
    }
    cr_expect_str_eq(sl_buf_text(&got), expected);
    sl_buf_fini(&got);
}

static const char ROWS[] = "day,game,who,pts,note\n"
                           "2025-01-01,a,x,1,\n2025-01-01,a,y,,\n2025-01-01,b,x,3,n\n2025-01-02,,x,4,n\n2025-01-03,a,,,\n";
static const struct sl_source BY_GAME = {.table = "raw.scores", .date_column = "day", .unit_column = "game"};
static const struct sl_source BY_DAY = {.table = "raw.scores", .date_column = "day"};
static const struct sl_source LOOSE = {.table = "raw.loose", .date_column = "day", .unit_column = "game"};

void warehouse_contract_tally_counts_rows_and_nulls(struct warehouse_fixture *f)
{
    static const char *const COLUMNS[] = {"pts", "gone", "note", "game"};
    static const char *const KEYS[] = {"2024-12-31 a", "2025-01-01 a", "2025-01-01 b", "2025-01-02 a", "2025-01-03 a"};
    static const char *const DAYS[] = {"2025-01-01", "2025-01-02", "2025-01-04"};
    import_ok(f, "raw.scores", ROWS);
    import_ok(f, "raw.loose", ROWS);
    expect_tally(f, &BY_GAME, COLUMNS, 4, KEYS, COUNT(KEYS), "0:0,-1,0,0 2:1,-1,2,0 1:0,-1,0,0 0:0,-1,0,0 1:1,-1,1,0");
    expect_tally(f, &LOOSE, COLUMNS, 4, KEYS, COUNT(KEYS), "0:0,-1,0,0 2:1,-1,2,0 1:0,-1,0,0 0:0,-1,0,0 1:1,-1,1,0");
    expect_tally(f, &BY_DAY, COLUMNS, 4, DAYS, COUNT(DAYS), "3:1,-1,2,0 1:0,-1,0,1 0:0,-1,0,0");
    expect_tally(f, &BY_GAME, COLUMNS, 0, KEYS, 2, "0 2");
    expect_tally(f, &BY_GAME, COLUMNS, 4, KEYS, 0, "");
    cr_expect_eq(f->warehouse->counters.queries, 5);
}

void warehouse_contract_tally_maps_columns(struct warehouse_fixture *f)
{
    static const char *const COLUMNS[] = {"points", "pts"};
    static const char *const KEYS[] = {"2025-01-01 a", "2025-01-01 b"};
    struct sl_pair map[] = {{"points", "pts"}, {"pts", "nothing"}};
    struct sl_source source = BY_GAME;
    source.columns = map;
    source.n_columns = 2;
    import_ok(f, "raw.scores", ROWS);
    expect_tally(f, &source, COLUMNS, 2, KEYS, 2, "2:1,-1 1:0,-1");
    map[0].value = "pts\"; DROP TABLE scores; --";
    struct sl_key key = warehouse_key(KEYS[0]);
    int64_t rows, nulls[2];
    cr_expect_eq(sl_warehouse_tally(f->warehouse, &source, COLUMNS, 2, &key, 1, &rows, nulls, &f->err), SL_INVALID);
    says(f, "column name");
}

void warehouse_contract_tally_takes_many_columns(struct warehouse_fixture *f)
{
    enum { N = 230 };
    static char names[N][16];
    const char *columns[N];
    struct sl_buf csv = {0};
    int64_t rows, nulls[N];
    struct sl_key key = warehouse_key("2025-01-01 a");
    sl_buf_str(&csv, "day,game");
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        columns[i] = names[i];
        sl_buf_printf(&csv, ",%s", names[i]);
    }
    for (int row = 0; row < 2; row++) {
        sl_buf_str(&csv, "\n2025-01-01,a");
        for (int i = 0; i < N; i++)
            sl_buf_str(&csv, i % 3 == 0 || (row == 1 && i % 3 == 1) ? "," : ",1");
    }
    sl_buf_str(&csv, "\n");
    import_ok(f, "raw.scores", sl_buf_text(&csv));
    sl_buf_fini(&csv);
    cr_assert_eq(sl_warehouse_tally(f->warehouse, &BY_GAME, columns, N, &key, 1, &rows, nulls, &f->err), SL_OK, "%s", f->err.text);
    for (int i = 0; i < N; i++)
        cr_expect_eq(nulls[i], i % 3 == 0 ? 2 : i % 3 == 1 ? 1 : 0, "%d: %lld", i, (long long)nulls[i]);
}

/* Units, entities and values with everything that SQL gives a meaning to. */
#define ODD_A "o'brien\"; DROP TABLE scores; --"
#define ODD_B "`x`/*"
static const char ODD[] = "day,game,who,pts\n"
                          "2025-01-01,\"o'brien\"\"; DROP TABLE scores; --\",\"o'brien\"\"; DROP TABLE scores; --\",\n"
                          "2025-01-01,`x`/*,`x`/*,2\n";

void warehouse_contract_odd_names_are_only_text(struct warehouse_fixture *f)
{
    static const char *const COLUMNS[] = {"pts"};
    static const char *const KEYS[] = {"2025-01-01 " ODD_B, "2025-01-01 " ODD_A};
    struct sl_entity_row *rows;
    size_t n;
    import_ok(f, "raw.scores", ODD);
    import_ok(f, "raw.loose", ODD);
    expect_tally(f, &BY_GAME, COLUMNS, 1, KEYS, 2, "1:0 1:1");
    expect_tally(f, &LOOSE, COLUMNS, 1, KEYS, 2, "1:0 1:1");
    sl_date day = warehouse_day("2025-01-01");
    cr_assert_eq(sl_warehouse_entities(f->warehouse, &BY_GAME, "who", day, day, &rows, &n, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(n, 2);
    cr_expect_str_eq(rows[0].entity, ODD_B);
    cr_expect_str_eq(rows[1].entity, ODD_A);
    cr_expect_str_eq(rows[1].unit, ODD_A);
}

static void expect_entities(struct warehouse_fixture *f, const struct sl_source *source, const char *column, const char *from,
                            const char *to, const char *expected)
{
    struct sl_entity_row *rows;
    size_t n;
    struct sl_buf got = {0};
    char day[SL_DATE_LEN + 1];
    cr_assert_eq(sl_warehouse_entities(f->warehouse, source, column, warehouse_day(from), warehouse_day(to), &rows, &n, &f->arena, &f->err),
                 SL_OK, "%s", f->err.text);
    for (size_t i = 0; i < n; i++)
        sl_buf_printf(&got, "%s/%s/%s ", sl_date_format(rows[i].date, day) + 8, rows[i].unit, rows[i].entity);
    cr_expect_str_eq(sl_buf_text(&got), expected);
    sl_buf_fini(&got);
}

void warehouse_contract_entities_are_distinct_and_sorted(struct warehouse_fixture *f)
{
    struct sl_pair map = {"player", "who"};
    struct sl_source mapped = BY_GAME;
    struct sl_entity_row *rows;
    size_t n;
    mapped.columns = &map;
    mapped.n_columns = 1;
    import_ok(f, "raw.scores",
              "day,game,who\n2025-01-02,b,y\n2025-01-02,b,x\n2025-01-01,c,z\n2025-01-02,a,y\n2025-01-02,b,y\n"
              "2025-01-02,b,\n2025-01-02,,w\n2025-01-04,a,x\n");
    expect_entities(f, &BY_GAME, "who", "2025-01-01", "2025-01-03", "01/c/z 02/a/y 02/b/x 02/b/y ");
    expect_entities(f, &mapped, "player", "2025-01-02", "2025-01-02", "02/a/y 02/b/x 02/b/y ");
    expect_entities(f, &BY_DAY, "who", "2025-01-02", "2025-01-04", "02//w 02//x 02//y 04//x ");
    expect_entities(f, &BY_GAME, "who", "2025-01-05", "2025-01-09", "");
    expect_entities(f, &BY_GAME, "who", "2025-01-09", "2025-01-05", "");
    import_ok(f, "raw.loose", "day,game,who\n2025-01-01,10,100\n2025-01-01,9,99\n2025-01-01,9,100\n");
    expect_entities(f, &LOOSE, "who", "2025-01-01", "2025-01-01", "01/10/100 01/9/100 01/9/99 ");
    sl_date day = warehouse_day("2025-01-01");
    cr_expect_eq(sl_warehouse_entities(f->warehouse, &BY_GAME, "gone", day, day, &rows, &n, &f->arena, &f->err), SL_NOT_FOUND);
    says(f, "gone");
    cr_expect_eq(n, 0);
}

void warehouse_contract_tiers_are_the_rows_own(struct warehouse_fixture *f)
{
    struct sl_entity_row *rows;
    size_t n;
    bool has = false;
    const sl_date day = warehouse_day("2025-01-01");
    import_ok(f, "raw.scores",
              "day,game,who,quality_tier\n2025-01-01,a,x,gold\n2025-01-01,a,x,\n2025-01-01,a,x,gold\n2025-01-01,a,y,b'ad\n"
              "2025-01-01,,y,gold\n2025-01-01,b,,gold\n2025-01-02,b,x,silver\n");
    import_ok(f, "raw.loose", "day,game,who\n2025-01-01,a,x\n");
    cr_assert_eq(sl_warehouse_tiers(f->warehouse, &BY_GAME, "who", day, day, &has, &rows, &n, &f->arena, &f->err), SL_OK, "%s",
                 f->err.text);
    cr_expect(has);
    cr_assert_eq(n, 3, "%zu", n);
    cr_expect(!strcmp(rows[0].entity, "x") && rows[0].tier == NULL);
    cr_expect(!strcmp(rows[1].entity, "x") && sl_str_eq(rows[1].tier, "gold"));
    cr_expect(!strcmp(rows[2].entity, "y") && sl_str_eq(rows[2].tier, "b'ad"));
    cr_assert_eq(sl_warehouse_tiers(f->warehouse, &LOOSE, "who", day, day, &has, &rows, &n, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    cr_expect(!has && n == 0);
    cr_expect_eq(sl_warehouse_tiers(f->warehouse, &BY_GAME, "gone", day, day, &has, &rows, &n, &f->arena, &f->err), SL_NOT_FOUND);
    says(f, "gone");
}

/* ---- fingerprints ---- */

static void fingerprint(struct warehouse_fixture *f, const char *table, const char *exclude, const char *const *days, size_t n,
                        struct sl_fingerprint *out)
{
    sl_date dates[8];
    struct sl_source source = {.table = table, .date_column = "day"};
    for (size_t i = 0; i < n; i++)
        dates[i] = warehouse_day(days[i]);
    cr_assert_eq(sl_warehouse_fingerprint(f->warehouse, &source, &exclude, exclude ? 1 : 0, dates, n, out, &f->err), SL_OK, "%s",
                 f->err.text);
}

void warehouse_contract_fingerprint_tells_content(struct warehouse_fixture *f)
{
    static const struct {
        const char *label, *csv, *exclude;
        bool same;
    } CASES[] = {
        {"the same", "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,y,2\n", NULL, true},
        {"other order of rows", "day,game,who,pts\n2025-01-01,b,y,2\n2025-01-01,a,x,1\n", NULL, true},
        {"other order of columns", "pts,who,game,day\n1,x,a,2025-01-01\n2,y,b,2025-01-01\n", NULL, true},
        {"a column without values", "day,game,who,pts,more\n2025-01-01,a,x,1,\n2025-01-01,b,y,2,\n", NULL, true},
        {"quality columns", "day,game,who,pts,quality_tier,quality_score\n2025-01-01,a,x,1,gold,99\n2025-01-01,b,y,2,poor,30\n", NULL,
         true},
        {"an excluded column", "day,game,who,pts,at\n2025-01-01,a,x,1,7\n2025-01-01,b,y,2,8\n", "at", true},
        {"other dates too", "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,y,2\n2025-01-02,b,y,2\n", NULL, true},
        {"a column more", "day,game,who,pts,at\n2025-01-01,a,x,1,7\n2025-01-01,b,y,2,8\n", NULL, false},
        {"another value", "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,y,3\n", NULL, false},
        {"values changed places", "day,game,who,pts\n2025-01-01,a,x,2\n2025-01-01,b,y,1\n", NULL, false},
        {"columns changed places", "day,game,who,pts\n2025-01-01,x,a,1\n2025-01-01,y,b,2\n", NULL, false},
        {"a row twice", "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,y,2\n2025-01-01,b,y,2\n", NULL, false},
        {"a row less", "day,game,who,pts\n2025-01-01,a,x,1\n", NULL, false},
        {"a NULL", "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,,2\n", NULL, false},
        {"another type", "day,game,who,pts\n2025-01-01,a,x,1.0\n2025-01-01,b,y,2.5\n", NULL, false},
        {"text for a number", "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,y,2\n2025-01-02,b,y,z\n", NULL, false},
    };
    static const char *const DAYS[] = {"2025-01-01"};
    struct sl_fingerprint first, other;
    import_ok(f, "raw.first", CASES[0].csv);
    fingerprint(f, "raw.first", NULL, DAYS, 1, &first);
    cr_expect_eq(strlen(first.text), SL_FINGERPRINT_LEN, "%s", first.text);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        char table[32];
        snprintf(table, sizeof table, "raw.t%zu", i);
        import_ok(f, table, CASES[i].csv);
        fingerprint(f, table, CASES[i].exclude, DAYS, 1, &other);
        cr_expect_eq(strcmp(first.text, other.text) == 0, CASES[i].same, "%s: %s and %s", CASES[i].label, first.text, other.text);
    }
}

void warehouse_contract_fingerprint_per_date(struct warehouse_fixture *f)
{
    static const char *const DAYS[] = {"2025-01-01", "2025-01-02", "2025-01-03"};
    struct sl_fingerprint before[3], after[3];
    import_ok(f, "raw.t", "day,pts\n2025-01-01,1\n2025-01-03,3\n");
    fingerprint(f, "raw.t", NULL, DAYS, 3, before);
    cr_expect_str_eq(before[1].text, "");
    cr_expect_str_neq(before[0].text, before[2].text);
    import_ok(f, "raw.t", "day,pts\n2025-01-03,3\n2025-01-02,2\n");
    fingerprint(f, "raw.t", NULL, DAYS, 3, after);
    cr_expect_str_eq(before[0].text, after[0].text);
    cr_expect_str_neq(before[1].text, after[1].text);
    cr_expect_str_neq(before[2].text, after[2].text);
}

void warehouse_contract_nothing_is_reconstructed_without_records(struct warehouse_fixture *f)
{
    const struct sl_key keys[] = {warehouse_key("2025-01-01 a"), warehouse_key("2025-01-01 b")};
    uint8_t got[2] = {7, 7};
    cr_expect_eq(sl_warehouse_reconstructed(f->warehouse, &BY_GAME, keys, 2, got, &f->err), SL_NOT_FOUND);
    import_ok(f, "raw.scores", ROWS);
    got[0] = got[1] = 7;
    cr_assert_eq(sl_warehouse_reconstructed(f->warehouse, &BY_GAME, keys, 2, got, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(got[0], 0);
    cr_expect_eq(got[1], 0);
}
