/* warehouse_contract_write.c - the entries of the list that change rows: reconstruct, stamp, confidence, migrate. Only the port is used. */
#include "warehouse_contract.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <sluice/event.h>
#include <sluice/records.h>
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

static const struct sl_source BY_GAME = {.table = "raw.scores", .date_column = "day", .unit_column = "game"};
static const struct sl_source BY_DAY = {.table = "raw.scores", .date_column = "day"};
static const struct sl_source OTHER = {.table = "ref.other", .date_column = "day", .unit_column = "game"};

/* ---- reconstruct ---- */

static const char SCORES[] = "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,a,y,2\n2025-01-02,c,x,9\n";
static const char PLAYS[] = "day,game,who,pts\n2025-01-01,a,x,1\n2025-01-01,b,x,3\n2025-01-01,b,y,4\n2025-01-01,b,y,5\n"
                            "2025-01-03,\"o'b\"\"; DROP TABLE scores; --\",z,6\n";
static const char RULE[] = "INSERT INTO raw.scores SELECT day, game, who, sum(pts) FROM ref.plays WHERE day = @date AND game = @unit "
                           "GROUP BY day, game, who";

static enum sl_code reconstruct(struct warehouse_fixture *f, const char *sql, const char *key, int min_rows, int64_t *rows)
{
    const struct sl_key parsed = warehouse_key(key);
    const struct sl_reconstruct rule = {.source = &BY_GAME, .sql = sql, .min_rows = min_rows, .date = parsed.date, .unit = parsed.unit};
    return sl_warehouse_reconstruct(f->warehouse, &rule, rows, &f->err);
}

static uint8_t reconstructed(struct warehouse_fixture *f, const char *key)
{
    const struct sl_key parsed = warehouse_key(key);
    uint8_t out = 7;
    cr_assert_eq(sl_warehouse_reconstructed(f->warehouse, &BY_GAME, &parsed, 1, &out, &f->err), SL_OK, "%s", f->err.text);
    return out;
}

static int64_t count(struct warehouse_fixture *f, const struct sl_source *source, const char *key)
{
    const struct sl_key parsed = warehouse_key(key);
    int64_t rows = -1;
    cr_assert_eq(sl_warehouse_count(f->warehouse, source, &parsed, 1, &rows, &f->err), SL_OK, "%s", f->err.text);
    return rows;
}

static void import_both(struct warehouse_fixture *f)
{
    import_ok(f, "raw.scores", SCORES);
    import_ok(f, "ref.plays", PLAYS);
}

void warehouse_contract_reconstruct_makes_the_rows_of_a_unit(struct warehouse_fixture *f)
{
    const struct sl_key keys[] = {warehouse_key("2025-01-01 a"), warehouse_key("2025-01-01 b"), warehouse_key("2025-01-02 c")};
    uint8_t got[3];
    int64_t rows = -1;
    import_both(f);
    cr_assert_eq(reconstruct(f, RULE, "2025-01-01 b", 2, &rows), SL_OK, "%s", f->err.text);
    cr_expect_eq(rows, 2);
    cr_expect_eq(count(f, &BY_GAME, "2025-01-01 b"), 2);
    cr_assert_eq(sl_warehouse_reconstructed(f->warehouse, &BY_GAME, keys, 3, got, &f->err), SL_OK, "%s", f->err.text);
    cr_expect(got[0] == 0 && got[1] == 1 && got[2] == 0);
    cr_expect_eq(reconstruct(f, RULE, "2025-01-01 b", 2, &rows), SL_CONFLICT);
    says(f, "2025-01-01");
    cr_expect_eq(reconstruct(f, RULE, "2025-01-02 c", 1, &rows), SL_CONFLICT, "rows of somebody else");
    cr_assert_eq(reconstruct(f, RULE, "2025-01-03 o'b\"; DROP TABLE scores; --", 1, &rows), SL_OK, "%s", f->err.text);
    cr_expect_eq(reconstructed(f, "2025-01-03 o'b\"; DROP TABLE scores; --"), 1);
}

void warehouse_contract_reconstruct_by_date(struct warehouse_fixture *f)
{
    static const char SQL[] = "INSERT INTO raw.scores SELECT day, game, who, pts FROM ref.plays WHERE day = @date AND @unit IS NULL";
    const struct sl_reconstruct rule = {.source = &BY_DAY, .sql = SQL, .min_rows = 1, .date = warehouse_day("2025-01-03")};
    const struct sl_key key = warehouse_key("2025-01-03");
    uint8_t got = 0;
    int64_t rows = 0;
    import_both(f);
    cr_assert_eq(sl_warehouse_reconstruct(f->warehouse, &rule, &rows, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(sl_warehouse_reconstructed(f->warehouse, &BY_DAY, &key, 1, &got, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(got, 1);
}

void warehouse_contract_reconstruct_keeps_nothing_of_too_few(struct warehouse_fixture *f)
{
    int64_t rows = -1;
    import_both(f);
    cr_expect_eq(reconstruct(f, RULE, "2025-01-01 b", 3, &rows), SL_NOT_FOUND);
    cr_expect_eq(rows, 2);
    says(f, "at least 3");
    cr_expect_eq(count(f, &BY_GAME, "2025-01-01 b"), 0);
    cr_expect_eq(reconstruct(f, RULE, "2025-01-04 b", 0, &rows), SL_NOT_FOUND, "no row at all is no reconstruction");
    cr_expect_eq(rows, 0);
    cr_expect_eq(reconstructed(f, "2025-01-01 b"), 0);
    cr_expect_eq(reconstruct(f, RULE, "2025-01-01 b", 2, &rows), SL_OK, "%s", f->err.text);
}

void warehouse_contract_reconstruct_is_guarded(struct warehouse_fixture *f)
{
    static const struct {
        const char *sql, *says;
    } CASES[] = {
        {"", "INSERT INTO"},
        {"-- nothing", "INSERT INTO"},
        {"SELECT 1", "INSERT INTO"},
        {"DELETE FROM raw.scores", "INSERT INTO"},
        {"REPLACE INTO raw.scores SELECT * FROM ref.plays", "INSERT INTO"},
        {"INSERT OR REPLACE INTO raw.scores SELECT * FROM ref.plays", "INSERT INTO"},
        {"INSERT INTO raw.other(day) SELECT day FROM ref.plays", "another table"},
        {"INSERT INTO ref.plays SELECT * FROM raw.scores", "another table"},
        {"INSERT INTO raw.sluice_load_jobs VALUES('x', 'y', 1, 'z')", "another table"},
        {"INSERT INTO raw.scores SELECT * FROM ref.plays WHERE day = @date AND game = @unit; DROP TABLE raw.scores", "not one statement"},
        {"INSERT INTO raw.scores SELECT * FROM ref.plays; SELECT 1", "not one statement"},
        {"INSERT INTO raw.scores SELECT * FROM ref.plays WHERE day = @date AND game = :unit", "parameter :unit"},
        {"INSERT INTO raw.scores SELECT * FROM ref.plays WHERE day = ?", "parameter"},
        {"INSERT INTO raw.scores SELECT * FROM ref.nothing", "nothing"},
        {"INSERT INTO raw.scores SELECT * FROM elsewhere.plays", "elsewhere"},
        {"INSERT INTO raw.scores SELECT gone FROM ref.plays", "gone"},
        {"INSERT INTO raw.scores SELECT day FROM ref.plays", "columns"},
        {"INSERT INTO raw.scores SELECT * FROM ref.plays", "made 5 rows"},
        {"INSERT INTO raw.scores SELECT 'x', game, who, pts FROM ref.plays WHERE game = @unit", "made 3 rows"},
        {"INSERT INTO raw.scores SELECT name, 1, 1, 1 FROM pragma_database_list", "may only insert"},
        {"INSERT INTO raw.scores SELECT load_extension('x'), 1, 1, 1", "extension"},
    };
    int64_t rows;
    import_both(f);
    import_ok(f, "raw.other", "day\n2025-01-01\n");
    for (size_t i = 0; i < COUNT(CASES); i++) {
        cr_expect_eq(reconstruct(f, CASES[i].sql, "2025-01-01 b", 1, &rows), SL_INVALID, "%s: %s", CASES[i].sql, f->err.text);
        cr_expect(strstr(f->err.text, CASES[i].says), "%s: %s", CASES[i].sql, f->err.text);
    }
    cr_expect_eq(count(f, &BY_GAME, "2025-01-01 a"), 2);
    cr_expect_eq(count(f, &BY_GAME, "2025-01-01 b"), 0);
    cr_assert_eq(
        reconstruct(f,
                    " /* made */ INSERT INTO \"scores\" -- of plays\n SELECT * FROM ref.plays WHERE day = @date AND game = @unit ; -- end",
                    "2025-01-01 b", 1, &rows),
        SL_OK, "%s", f->err.text);
    cr_expect_eq(rows, 3);
}

void warehouse_contract_reconstructed_rows_that_change_are_primary(struct warehouse_fixture *f)
{
    int64_t rows;
    import_both(f);
    cr_assert_eq(reconstruct(f, RULE, "2025-01-01 b", 2, &rows), SL_OK, "%s", f->err.text);
    cr_assert_eq(reconstruct(f, RULE, "2025-01-03 o'b\"; DROP TABLE scores; --", 1, &rows), SL_OK, "%s", f->err.text);
    import_ok(f, "raw.scores", "day,game,who,pts\n2025-01-01,b,z,1\n");
    cr_expect_eq(reconstructed(f, "2025-01-01 b"), 0, "a row more");
    cr_expect_eq(reconstructed(f, "2025-01-03 o'b\"; DROP TABLE scores; --"), 1);
    cr_assert_eq(warehouse_import(f, "raw.scores", "day,game,who,pts\n2025-01-03,\"o'b\"\"; DROP TABLE scores; --\",z,7\n", "day", NULL),
                 SL_OK);
    cr_expect_eq(reconstructed(f, "2025-01-03 o'b\"; DROP TABLE scores; --"), 0, "the same number, another value");
}

void warehouse_contract_reconstruct_needs_its_table(struct warehouse_fixture *f)
{
    const struct sl_reconstruct rule = {
        .source = &OTHER, .sql = "INSERT INTO ref.other SELECT 1", .min_rows = 1, .date = warehouse_day("2025-01-01"), .unit = "a"};
    int64_t rows = 7;
    cr_expect_eq(sl_warehouse_reconstruct(f->warehouse, &rule, &rows, &f->err), SL_NOT_FOUND);
    says(f, "ref.other");
    cr_expect_eq(rows, 0);
    import_ok(f, "ref.plays", PLAYS);
    cr_expect_eq(sl_warehouse_reconstruct(f->warehouse, &rule, &rows, &f->err), SL_NOT_FOUND);
    says(f, "ref.other");
}

/* ---- stamp ---- */

#define QUALITY_HEADER                                                                                                                     \
    "quality_tier,quality_score,quality_issues,data_sources,quality_sample_size,quality_used_fallback,quality_reconstructed,"              \
    "quality_calculated_at,quality_metadata"
#define NO_QUALITY ",,,,,,,,"
static const char STAMPED[] = "day,game,who," QUALITY_HEADER "\n"
                              "2025-01-01,a,x," NO_QUALITY "\n2025-01-01,a,y," NO_QUALITY "\n2025-01-01,b,x," NO_QUALITY "\n"
                              "2025-01-01,b,z," NO_QUALITY "\n2025-01-02,c,x," NO_QUALITY "\n2025-01-03,a,x," NO_QUALITY "\n";

static struct sl_stamp stamp(const char *date, const char *unit, const char *entity, const char *tier)
{
    return (struct sl_stamp){.date = warehouse_day(date),
                             .unit = unit,
                             .entity = entity,
                             .tier = tier,
                             .issues = "[\"thin_sample:1/2\"]",
                             .data_sources = "[\"primary\"]",
                             .metadata = "{\"n\":1}",
                             .score = 61.5,
                             .sample_size = 7,
                             .used_fallback = true,
                             .calculated_us = 1735732800000000};
}

/* The port reads no cells: a stamped row is one whose quality columns are no longer NULL. */
static void expect_stamped(struct warehouse_fixture *f, const struct sl_source *source, const char *key, int64_t n_rows, int64_t n_stamped)
{
    const struct sl_key parsed = warehouse_key(key);
    int64_t rows, nulls[SL_N_QUALITY_COLUMNS];
    cr_assert_eq(sl_warehouse_tally(f->warehouse, source, SL_QUALITY_COLUMNS, SL_N_QUALITY_COLUMNS, &parsed, 1, &rows, nulls, &f->err),
                 SL_OK, "%s", f->err.text);
    cr_expect_eq(rows, n_rows, "%s: %lld rows", key, (long long)rows);
    for (size_t i = 0; i < SL_N_QUALITY_COLUMNS; i++)
        cr_expect_eq(nulls[i], n_rows - n_stamped, "%s %s: %lld", key, SL_QUALITY_COLUMNS[i], (long long)nulls[i]);
}

void warehouse_contract_stamp_by_date_unit_and_entity(struct warehouse_fixture *f)
{
    struct sl_stamp stamps[] = {stamp("2025-01-01", "a", NULL, "gold"), stamp("2025-01-01", NULL, "z", "poor"),
                                stamp("2025-01-02", NULL, NULL, "silver")};
    int64_t rows = -1;
    import_ok(f, "raw.scores", STAMPED);
    cr_assert_eq(sl_warehouse_stamp(f->warehouse, &BY_GAME, "who", stamps, 3, &rows, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(rows, 4);
    expect_stamped(f, &BY_GAME, "2025-01-01 a", 2, 2);
    expect_stamped(f, &BY_GAME, "2025-01-01 b", 2, 1);
    expect_stamped(f, &BY_GAME, "2025-01-02 c", 1, 1);
    expect_stamped(f, &BY_GAME, "2025-01-03 a", 1, 0);
    cr_assert_eq(sl_warehouse_stamp(f->warehouse, &BY_DAY, NULL, stamps, 0, &rows, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(rows, 0);
}

void warehouse_contract_the_most_specific_stamp_wins(struct warehouse_fixture *f)
{
    /* The one that wins has a tier, the others none: the rows with a tier are those that got it. */
    static const struct {
        const char *label, *unit, *entity;
    } ORDER[] = {{"unit and entity", "b", "x"}, {"entity", NULL, "x"}, {"unit", "b", NULL}, {"date", NULL, NULL}};
    const struct sl_key key = warehouse_key("2025-01-01 b");
    static const char *const TIER[] = {"quality_tier"};
    int64_t rows, nulls;
    import_ok(f, "raw.scores", STAMPED);
    for (size_t winner = 0; winner < COUNT(ORDER); winner++) {
        struct sl_stamp stamps[COUNT(ORDER)];
        size_t n = 0;
        for (size_t i = COUNT(ORDER); i-- > winner;)
            stamps[n++] = stamp("2025-01-01", ORDER[i].unit, ORDER[i].entity, i == winner ? "gold" : NULL);
        cr_assert_eq(sl_warehouse_stamp(f->warehouse, &BY_GAME, "who", stamps, n, &rows, &f->err), SL_OK, "%s", f->err.text);
        cr_assert_eq(sl_warehouse_tally(f->warehouse, &BY_GAME, TIER, 1, &key, 1, &rows, &nulls, &f->err), SL_OK);
        cr_expect_eq(nulls, winner < 2 ? 1 : 0, "%s: %lld of 2 rows without", ORDER[winner].label, (long long)nulls);
    }
}

void warehouse_contract_stamp_takes_any_text(struct warehouse_fixture *f)
{
    static const char ROWS[] = "day,game,who," QUALITY_HEADER "\n2025-01-01,\"o'b\"\"; DROP TABLE scores; --\",`x`/*," NO_QUALITY "\n"
                               "2025-01-01,a/1,b," NO_QUALITY "\n2025-01-01,a,1/b," NO_QUALITY "\n";
    struct sl_stamp stamps[] = {stamp("2025-01-01", "o'b\"; DROP TABLE scores; --", "`x`/*", "x'); --"),
                                stamp("2025-01-01", "a/1", "b", "gold")};
    int64_t rows;
    import_ok(f, "raw.scores", ROWS);
    cr_assert_eq(sl_warehouse_stamp(f->warehouse, &BY_GAME, "who", stamps, 2, &rows, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(rows, 2);
    expect_stamped(f, &BY_GAME, "2025-01-01 o'b\"; DROP TABLE scores; --", 1, 1);
    expect_stamped(f, &BY_GAME, "2025-01-01 a/1", 1, 1);
    expect_stamped(f, &BY_GAME, "2025-01-01 a", 1, 0);
}

void warehouse_contract_stamp_needs_the_columns(struct warehouse_fixture *f)
{
    struct sl_stamp one = stamp("2025-01-01", NULL, NULL, "gold");
    int64_t rows = 7;
    cr_expect_eq(sl_warehouse_stamp(f->warehouse, &BY_GAME, NULL, &one, 1, &rows, &f->err), SL_NOT_FOUND);
    says(f, "raw.scores");
    import_ok(f, "raw.scores", "day,game,who,quality_tier\n2025-01-01,a,x,\n");
    cr_expect_eq(sl_warehouse_stamp(f->warehouse, &BY_GAME, NULL, &one, 1, &rows, &f->err), SL_NOT_FOUND);
    says(f, "sluice migrate");
    cr_expect_eq(rows, 0);
    cr_expect_eq(sl_warehouse_stamp(f->warehouse, &BY_GAME, "gone", &one, 1, &rows, &f->err), SL_NOT_FOUND);
    says(f, "gone");
}

/* ---- confidence ---- */

static const double CEILINGS[] = {1.0, 0.95, 0.8, 0.6, 0.0};
static const struct sl_confidence_columns COLUMNS = {"base", "final", "capped", "skipped"};

void warehouse_contract_confidence_is_capped_by_the_rows_tier(struct warehouse_fixture *f)
{
    static const struct {
        const char *label, *row; /* tier,base */
        int64_t n_capped, n_skipped, final_nulls;
        double most_cut;
    } CASES[] = {
        {"gold", "gold,0.99", 0, 0, 0, 0},
        {"silver", "silver,0.99", 1, 0, 0, 0.04},
        {"silver below", "silver,0.9", 0, 0, 0, 0},
        {"bronze", "bronze,1", 1, 0, 0, 0.2},
        {"poor", "poor,1", 1, 0, 0, 0.4},
        {"unusable", "unusable,0.9", 1, 1, 1, 0},
        {"no tier is bronze", ",0.9", 1, 0, 0, 0.1},
        {"unknown is poor", "platinum,0.9", 1, 0, 0, 0.3},
        {"no base", "gold,", 0, 0, 1, 0},
        {"the ceiling itself", "poor,0.6", 0, 0, 0, 0},
    };
    static const char *const NAMES[] = {"final", "capped", "skipped"};
    struct sl_confidence_result result;
    const sl_date day = warehouse_day("2025-01-01");
    const struct sl_key key = {day, NULL};
    for (size_t i = 0; i < COUNT(CASES); i++) {
        char table[32], text[256];
        int64_t rows, nulls[3];
        struct sl_source source = {.table = table, .date_column = "day"};
        snprintf(table, sizeof table, "raw.t%zu", i);
        snprintf(text, sizeof text, "day,quality_tier,base,final,capped,skipped\n2025-01-01,%s,0.5,0,0\n2025-01-02,,0.5,,,\n",
                 CASES[i].row);
        import_ok(f, table, text);
        cr_assert_eq(sl_warehouse_confidence(f->warehouse, &source, &COLUMNS, CEILINGS, &day, 1, &result, &f->err), SL_OK, "%s: %s",
                     CASES[i].label, f->err.text);
        cr_assert_eq(sl_warehouse_tally(f->warehouse, &source, NAMES, 3, &key, 1, &rows, nulls, &f->err), SL_OK);
        cr_expect_eq(result.rows, 1, "%s", CASES[i].label);
        cr_expect_eq(result.n_capped, CASES[i].n_capped, "%s", CASES[i].label);
        cr_expect_eq(result.n_skipped, CASES[i].n_skipped, "%s", CASES[i].label);
        cr_expect_float_eq(result.most_cut, CASES[i].most_cut, 1e-9, "%s: %f", CASES[i].label, result.most_cut);
        cr_expect_eq(nulls[0], CASES[i].final_nulls, "%s", CASES[i].label);
        cr_expect_eq(nulls[1] + nulls[2], 0, "%s", CASES[i].label);
    }
}

void warehouse_contract_confidence_per_date(struct warehouse_fixture *f)
{
    static const struct sl_confidence_columns NO_SKIPPED = {"base", "final", "capped", NULL};
    const sl_date days[] = {warehouse_day("2025-01-01"), warehouse_day("2025-01-02"), warehouse_day("2025-01-04")};
    struct sl_confidence_result got[3];
    import_ok(f, "raw.scores",
              "day,quality_tier,base,final,capped\n2025-01-01,bronze,0.9,,\n2025-01-01,poor,0.9,,\n2025-01-02,gold,0.9,,\n"
              "2025-01-03,poor,0.9,,\n");
    cr_assert_eq(sl_warehouse_confidence(f->warehouse, &BY_DAY, &NO_SKIPPED, CEILINGS, days, 3, got, &f->err), SL_OK, "%s", f->err.text);
    cr_expect(got[0].rows == 2 && got[0].n_capped == 2 && got[0].most_cut > 0.29 && got[0].most_cut < 0.31);
    cr_expect(got[1].rows == 1 && got[1].n_capped == 0);
    cr_expect(got[2].rows == 0 && got[2].n_capped == 0);
    const struct sl_key third = warehouse_key("2025-01-03");
    static const char *const FINAL[] = {"final"};
    int64_t rows, nulls;
    cr_assert_eq(sl_warehouse_tally(f->warehouse, &BY_DAY, FINAL, 1, &third, 1, &rows, &nulls, &f->err), SL_OK);
    cr_expect_eq(nulls, 1, "a date that was not asked is left alone");
}

/* What Sluice writes into reconstructed rows does not make them somebody else's. */
void warehouse_contract_capped_rows_stay_reconstructed(struct warehouse_fixture *f)
{
    static const char SQL[] = "INSERT INTO raw.scores(day, game, base) SELECT @date, @unit, 0.9 UNION ALL SELECT @date, @unit, 0.2";
    static const struct sl_confidence_columns NO_SKIPPED = {"base", "final", "capped", NULL};
    const sl_date day = warehouse_day("2025-01-01");
    struct sl_confidence_result result;
    int64_t rows;
    import_ok(f, "raw.scores", "day,game,base,final,capped,quality_tier\n2025-01-01,z,0.9,,,\n");
    cr_assert_eq(reconstruct(f, SQL, "2025-01-01 a", 1, &rows), SL_OK, "%s", f->err.text);
    cr_assert_eq(reconstruct(f, SQL, "2025-01-01 b", 1, &rows), SL_OK, "%s", f->err.text);
    import_ok(f, "raw.scores", "day,game,base\n2025-01-01,b,0.1\n");
    cr_assert_eq(sl_warehouse_confidence(f->warehouse, &BY_GAME, &NO_SKIPPED, CEILINGS, &day, 1, &result, &f->err), SL_OK, "%s",
                 f->err.text);
    cr_expect_eq(result.rows, 6);
    cr_expect_eq(result.n_capped, 3);
    cr_expect_eq(reconstructed(f, "2025-01-01 a"), 1);
    cr_expect_eq(reconstructed(f, "2025-01-01 b"), 0, "it was somebody else's before");
    import_ok(f, "raw.scores", "day,game,base\n2025-01-01,a,0.1\n");
    cr_expect_eq(reconstructed(f, "2025-01-01 a"), 0);
}

void warehouse_contract_confidence_needs_the_columns(struct warehouse_fixture *f)
{
    struct sl_confidence_result result;
    const sl_date day = warehouse_day("2025-01-01");
    import_ok(f, "raw.scores", "day,base,final,capped\n2025-01-01,0.9,,\n");
    cr_expect_eq(sl_warehouse_confidence(f->warehouse, &BY_DAY, &COLUMNS, CEILINGS, &day, 1, &result, &f->err), SL_NOT_FOUND);
    says(f, "skipped");
    const struct sl_confidence_columns columns = {"base", "final", "capped", NULL};
    cr_expect_eq(sl_warehouse_confidence(f->warehouse, &BY_DAY, &columns, CEILINGS, &day, 1, &result, &f->err), SL_NOT_FOUND);
    says(f, "sluice migrate");
}

/* ---- migrate ---- */

static struct sl_source STAMPED_SOURCES[] = {{.table = "raw.scores", .date_column = "day", .unit_column = "game"}};
static struct sl_source CAPPED_SOURCES[] = {{.table = "ref.capped", .date_column = "day"}};
static struct sl_source LATER_SOURCES[] = {{.table = "later.rows", .date_column = "day"}};
static struct sl_source PLAIN_SOURCES[] = {{.table = "raw.plain", .date_column = "day"}};
static struct sl_processor MIGRATED[] = {
    {.name = "scores", .sources = STAMPED_SOURCES, .n_sources = 1, .stamp = true},
    {.name = "capped", .sources = CAPPED_SOURCES, .n_sources = 1, .confidence_base = "base", .confidence_final = "final"},
    {.name = "later", .sources = LATER_SOURCES, .n_sources = 1, .stamp = true},
    {.name = "plain", .sources = PLAIN_SOURCES, .n_sources = 1},
    {.name = "none", .stamp = true},
};
static struct sl_phase MIGRATED_PHASES[] = {{.name = "raw", .processors = MIGRATED, .n_processors = COUNT(MIGRATED)}};

static size_t migrate(struct warehouse_fixture *f, bool apply, struct sl_migration **made)
{
    size_t n;
    cr_assert_eq(sl_warehouse_migrate(f->warehouse, &f->config, apply, made, &n, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    return n;
}

static size_t n_columns(struct warehouse_fixture *f, const char *table)
{
    struct sl_table_info info;
    cr_assert_eq(sl_warehouse_describe(f->warehouse, table, &info, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    return info.n_columns;
}

void warehouse_contract_migrate_adds_quality_columns_once(struct warehouse_fixture *f)
{
    struct sl_migration *made;
    f->config.phases = MIGRATED_PHASES;
    f->config.quality.historical_tier = "silver";
    f->config.quality.historical_score = 80.0;
    import_ok(f, "raw.scores", "day,game,who\n2025-01-01,a,x\n2025-01-01,a,y\n");
    import_ok(f, "raw.plain", "day\n2025-01-01\n");
    import_ok(f, "ref.capped", "day,base,final,quality_tier\n2025-01-01,0.9,,gold\n");
    size_t n = migrate(f, false, &made);
    cr_assert_eq(n, 10 + 9, "%zu", n);
    cr_expect(strstr(made[0].sql, "ALTER TABLE"), "%s", made[0].sql);
    cr_expect(strstr(made[9].sql, "'silver'") && strstr(made[9].sql, "80.0") && strstr(made[9].sql, "historical_data"), "%s", made[9].sql);
    cr_expect_str_eq(made[9].table, "raw.scores");
    cr_expect_str_eq(made[10].table, "ref.capped");
    cr_expect_eq(n_columns(f, "raw.scores"), 3, "only said");
    cr_expect_eq(migrate(f, true, &made), 19);
    cr_expect_eq(n_columns(f, "raw.scores"), 12);
    cr_expect_eq(n_columns(f, "ref.capped"), 12);
    cr_expect_eq(n_columns(f, "raw.plain"), 1);
    cr_expect_eq(migrate(f, true, &made), 0);

    const struct sl_key key = warehouse_key("2025-01-01");
    int64_t rows, nulls[SL_N_QUALITY_COLUMNS];
    cr_assert_eq(sl_warehouse_tally(f->warehouse, &BY_DAY, SL_QUALITY_COLUMNS, SL_N_QUALITY_COLUMNS, &key, 1, &rows, nulls, &f->err),
                 SL_OK);
    for (size_t i = 0; i < SL_N_QUALITY_COLUMNS; i++)
        cr_expect_eq(nulls[i], strcmp(SL_QUALITY_COLUMNS[i], "quality_sample_size") ? 0 : 2, "%s: %lld", SL_QUALITY_COLUMNS[i],
                     (long long)nulls[i]);
    import_ok(f, "raw.scores", "day,game,who\n2025-01-02,a,x\n"); /* rows that come later are no history */
    cr_expect_eq(migrate(f, true, &made), 0);
    expect_stamped(f, &BY_GAME, "2025-01-02 a", 1, 0);
}

void warehouse_contract_migrate_completes_the_log(struct warehouse_fixture *f)
{
    struct sl_migration *made;
    const char **names;
    size_t n, n_log = 0;
    import_ok(f, "ref.processor_run_history", "processor_name,phase,run_id\np,q,r\n");
    cr_expect_eq(migrate(f, true, &made), SL_N_RUN_COLUMNS - 3);
    cr_expect_eq(n_columns(f, "ref.processor_run_history"), SL_N_RUN_COLUMNS);
    import_ok(f, "ref.source_coverage_log", "event_id,event_type\n1,source_missing\n");
    n_log = migrate(f, true, &made);
    cr_expect_eq(n_log, SL_N_LOG_COLUMNS - 2, "%zu", n_log);
    cr_expect_eq(migrate(f, true, &made), 0);
    cr_assert_eq(sl_warehouse_init(f->warehouse, &f->config, &names, &n, &f->arena, &f->err), SL_OK, "%s", f->err.text);
    cr_expect_eq(migrate(f, true, &made), 0);
}
