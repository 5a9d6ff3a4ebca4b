/* test_quality.c - scores, tiers and issues to the number; how tiers join; what confidence they allow. Cases of our own, and the shared vectors where they are. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/quality.h>

#include "support/shared.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* "a=0 b=3": NULLs by column; "a b": names; "a=2 c=1.5": weights. Arena-held. */
static const char *next_word(struct sl_arena *arena, const char **at, double *value)
{
    while (**at == ' ')
        ++*at;
    size_t len = strcspn(*at, " "), name = strcspn(*at, " =");
    if (len == 0)
        return NULL;
    *value = (*at)[name] == '=' ? atof(*at + name + 1) : 0;
    const char *word = sl_arena_strndup(arena, *at, name);
    *at += len;
    return word;
}

static const char **words(struct sl_arena *arena, const char *text, size_t *n)
{
    const char **out = NULL, *word;
    double value;
    *n = 0;
    while ((word = next_word(arena, &text, &value)) != NULL) {
        out = sl_arena_push(arena, out, n, sizeof *out);
        out[*n - 1] = word;
    }
    return out;
}

struct row {
    const char *label, *required, *optional, *weights;
    int64_t rows;
    const char *nulls, *sources;
    bool reconstructed;
    int expected;
    const char *date;
    const char *told; /* "tier score issue issue... | metadata" */
};

static void read_row(const struct row *row, struct sl_quality_profile *profile, struct sl_quality_input *input, struct sl_arena *arena)
{
    const char *text, *word;
    double value;
    profile->required = words(arena, row->required, &profile->n_required);
    profile->optional = words(arena, row->optional, &profile->n_optional);
    for (text = row->weights; (word = next_word(arena, &text, &value)) != NULL;) {
        profile->weights = sl_arena_push(arena, profile->weights, &profile->n_weights, sizeof *profile->weights);
        profile->weights[profile->n_weights - 1] = (struct sl_weight){word, value};
    }
    struct sl_null_count *nulls = NULL;
    for (text = row->nulls; (word = next_word(arena, &text, &value)) != NULL;) {
        nulls = sl_arena_push(arena, nulls, &input->n_nulls, sizeof *nulls);
        nulls[input->n_nulls - 1] = (struct sl_null_count){word, (int64_t)value};
    }
    input->nulls = nulls;
    input->data_sources = words(arena, row->sources, &input->n_data_sources);
    input->row_count = row->rows;
    input->reconstructed = row->reconstructed;
    input->expected = row->expected;
    input->date = SL_DATE_NONE;
    if (row->date != NULL)
        cr_assert(sl_date_parse(row->date, strlen(row->date), &input->date), "%s", row->label);
}

static void tell(struct sl_buf *out, const struct sl_quality *quality)
{
    struct sl_json json;
    sl_json_init(&json, out);
    sl_buf_printf(out, "%s %.1f", sl_tier_name(quality->tier), quality->score);
    for (size_t i = 0; i < quality->n_issues; i++)
        sl_buf_printf(out, " %s", quality->issues[i]);
    sl_buf_str(out, " | ");
    sl_quality_metadata_json(&json, quality);
}

static void expect_told(const struct row *row, const struct sl_quality_policy *policy)
{
    struct sl_arena arena = {0};
    struct sl_buf told = {0};
    struct sl_quality_profile profile = {0};
    struct sl_quality_input input = {0};
    struct sl_quality quality;
    read_row(row, &profile, &input, &arena);
    sl_quality_assess(&quality, policy, &profile, &input, &arena);
    tell(&told, &quality);
    cr_expect_str_eq(sl_buf_text(&told), row->told, "%s:\n  found    %s\n  expected %s", row->label, sl_buf_text(&told), row->told);
    sl_buf_fini(&told);
    sl_arena_fini(&arena);
}

#define DATA(rows, expected, penalty, rebuilt, early, games)                                                                               \
    " | {\"sample_size\":" rows ",\"expected_sample_size\":" expected ",\"null_penalty\":" penalty ",\"reconstruction_applied\":" rebuilt  \
    ",\"early_season\":" early ",\"games_into_season\":" games "}"
#define PLAIN(rows, expected, penalty) DATA(rows, expected, penalty, "false", "false", "null")

Test(quality, scores)
{
    static const struct row rows[] = {
        {"all there", "a b", "c", "", 10, "a=0 b=0 c=0", "primary", false, 10, NULL, "gold 100.0" PLAIN("10", "10", "0.0")},
        {"a column that nobody needs", "a", "", "", 4, "a=0 z=4", "", false, 4, NULL, "gold 100.0" PLAIN("4", "4", "0.0")},
        {"required columns are missing", "b a", "c", "", 10, "c=0", "x", true, 10, "2024-10-20",
         "unusable 0.0 missing_required:b missing_required:a | "
         "{\"critical_failure\":true,\"missing_required_fields\":[\"b\",\"a\"],\"early_season\":false}"},
        {"a required column named twice", "a a", "", "", 10, "", "", false, 10, NULL,
         "unusable 0.0 missing_required:a | {\"critical_failure\":true,\"missing_required_fields\":[\"a\"],\"early_season\":false}"},
        {"optional columns are missing", "a", "b c", "", 10, "a=0 c=0", "primary", false, 10, NULL,
         "bronze 66.7 missing_optional:b" PLAIN("10", "10", "0.0")},
        {"an optional column named twice", "a", "b b", "", 10, "a=0", "primary", false, 10, NULL,
         "poor 33.3 missing_optional:b" PLAIN("10", "10", "0.0")},
        {"a profile without columns", "", "", "", 10, "a=10", "primary", false, 10, NULL, "gold 100.0" PLAIN("10", "10", "0.0")},
        {"weights pull the mean down", "a", "b", "a=1 b=3", 10, "a=0", "primary", false, 10, NULL,
         "poor 37.5 missing_optional:b" PLAIN("10", "10", "0.0")},
        {"a weight names a column of neither list, and it is missing", "a", "", "z=1 a=3", 10, "a=0", "primary", false, 10, NULL,
         "silver 87.5" PLAIN("10", "10", "0.0")},
        {"a weight names a column of neither list, with NULLs", "a", "", "z=2", 10, "a=0 z=3", "primary", false, 10, NULL,
         "silver 80.0 high_null_rate:20.0pct" PLAIN("10", "10", "20.0")},
        {"weights that sum to nothing do not count", "a", "b", "a=0", 10, "a=0 b=0", "primary", false, 10, NULL,
         "gold 100.0" PLAIN("10", "10", "0.0")},
        {"only weights", "", "", "z=2 y=2", 10, "z=0", "primary", false, 10, NULL, "silver 75.0" PLAIN("10", "10", "0.0")},
        {"a fifth of NULLs in a required column is free", "a", "", "", 10, "a=2", "primary", false, 10, NULL,
         "gold 100.0" PLAIN("10", "10", "0.0")},
        {"a tenth of NULLs in a weighted column is free", "", "a", "a=8", 10, "a=1", "primary", false, 10, NULL,
         "gold 100.0" PLAIN("10", "10", "0.0")},
        {"NULLs in an optional column without weight are free", "", "a", "", 10, "a=10", "primary", false, 10, NULL,
         "gold 100.0" PLAIN("10", "10", "0.0")},
        {"required and weighted pays twice", "a", "", "a=1", 10, "a=4", "primary", false, 10, NULL,
         "bronze 65.0 high_null_rate:35.0pct" PLAIN("10", "10", "35.0")},
        {"a penalty of 10 is no issue", "a", "", "", 10, "a=3", "primary", false, 10, NULL, "silver 90.0" PLAIN("10", "10", "10.0")},
        {"a penalty above 10 is", "a", "", "", 26, "a=8", "primary", false, 10, NULL,
         "silver 89.2 high_null_rate:10.8pct" PLAIN("26", "10", "10.8")},
        {"the penalty ends at 50, and is whole", "a", "", "", 10, "a=10", "primary", false, 10, NULL,
         "bronze 50.0 high_null_rate:50.0pct" PLAIN("10", "10", "50")},
        {"never below 0", "a", "b c", "", 10, "a=10", "primary", false, 10, NULL,
         "unusable 0.0 missing_optional:b missing_optional:c high_null_rate:50.0pct" PLAIN("10", "10", "50")},
        {"no rows", "a", "", "", 0, "a=0", "primary", false, 4, NULL, "poor 80.0 thin_sample:0/4" PLAIN("0", "4", "0.0")},
        {"one row", "a", "", "", 1, "a=0", "primary", false, 1, NULL, "poor 100.0" PLAIN("1", "1", "0.0")},
        {"one row does not better what is unusable", "a", "b c", "", 1, "a=1", "primary", false, 1, NULL,
         "unusable 0.0 missing_optional:b missing_optional:c high_null_rate:50.0pct" PLAIN("1", "1", "50")},
        {"half of the expected is not thin", "a", "", "", 5, "a=0", "primary", false, 10, NULL, "gold 100.0" PLAIN("5", "10", "0.0")},
        {"less than half is", "a", "", "", 5, "a=0", "primary", false, 11, NULL, "bronze 80.0 thin_sample:5/11" PLAIN("5", "11", "0.0")},
        {"the issues' order", "a", "b", "", 3, "a=2", "x", false, 10, NULL,
         "unusable 2.7 missing_optional:b high_null_rate:46.7pct thin_sample:3/10" PLAIN("3", "10", "46.7")},
        {"a share first, then times 100", "s m p z", "a r", "z=8 r=5 s=2.5 m=10", 12, "s=3 m=0 p=2 z=0 r=2", "primary", false, 10, NULL,
         "bronze 51.3 missing_optional:a high_null_rate:40.4pct" PLAIN("12", "10", "40.4")},
        {"rounded at the end, half to even", "a", "", "", 16, "a=5", "primary", false, 4, NULL,
         "silver 88.8 high_null_rate:11.2pct" PLAIN("16", "4", "11.2")},
    };
    for (size_t i = 0; i < N(rows); i++)
        expect_told(&rows[i], sl_quality_policy_default());
}

Test(quality, sources)
{
    static const struct row rows[] = {
        {"nothing said caps nothing", "a", "", "", 9, "a=0", "", false, 9, NULL, "gold 100.0" PLAIN("9", "9", "0.0")},
        {"a backup", "a", "", "", 9, "a=0", "x", false, 9, NULL, "silver 100.0" PLAIN("9", "9", "0.0")},
        {"a backup beside the primary", "a", "", "", 9, "a=0", "x primary", false, 9, NULL, "gold 100.0" PLAIN("9", "9", "0.0")},
        {"a reconstruction, by its name", "a", "", "", 9, "a=0", "reconstruction", false, 9, NULL, "silver 100.0" PLAIN("9", "9", "0.0")},
        {"reconstructed rows in the primary", "a", "", "", 9, "a=0", "primary", true, 9, NULL,
         "silver 100.0" DATA("9", "9", "0.0", "true", "false", "null")},
        {"reconstructed, nothing else said", "a", "", "", 9, "a=0", "", true, 9, NULL,
         "silver 100.0" DATA("9", "9", "0.0", "true", "false", "null")},
        {"a backup does not better bronze", "a", "b c", "", 9, "a=0 b=0", "x", false, 9, NULL,
         "bronze 66.7 missing_optional:c" PLAIN("9", "9", "0.0")},
    };
    for (size_t i = 0; i < N(rows); i++)
        expect_told(&rows[i], sl_quality_policy_default());
}

Test(quality, seasons)
{
#define SEASON(tier_score, rows, expected, early, games) tier_score DATA(rows, expected, "0.0", "false", early, games)
    static const struct row rows[] = {
        {"no date", "a", "", "", 5, "a=0", "", false, 0, NULL, SEASON("gold 100.0", "5", "10", "false", "null")},
        {"the first day", "a", "", "", 2, "a=0", "", false, 0, "2024-10-15", SEASON("gold 100.0", "2", "1", "true", "0")},
        {"two days later", "a", "", "", 2, "a=0", "", false, 0, "2024-10-17", SEASON("gold 100.0", "2", "2", "true", "1")},
        {"the ninth", "a", "", "", 2, "a=0", "", false, 0, "2024-11-03", SEASON("gold 100.0", "2", "3", "true", "9")},
        {"the tenth", "a", "", "", 3, "a=0", "", false, 0, "2024-11-04", SEASON("gold 100.0", "3", "5", "true", "10")},
        {"the last early one", "a", "", "", 3, "a=0", "", false, 0, "2024-11-13", SEASON("gold 100.0", "3", "5", "true", "14")},
        {"the first that is not early", "a", "", "", 3, "a=0", "", false, 0, "2024-11-14", SEASON("gold 100.0", "3", "5", "false", "15")},
        {"the thirtieth", "a", "", "", 4, "a=0", "", false, 0, "2024-12-14", SEASON("gold 100.0", "4", "8", "false", "30")},
        {"before the start", "a", "", "", 2, "a=0", "", false, 0, "2024-10-14", SEASON("gold 100.0", "2", "1", "true", "0")},
        {"July is of the season to come", "a", "", "", 2, "a=0", "", false, 0, "2024-07-01", SEASON("gold 100.0", "2", "1", "true", "0")},
        {"June is of the one that ends", "a", "", "", 9, "a=0", "", false, 0, "2024-06-30", SEASON("gold 100.0", "9", "8", "false", "129")},
        {"January", "a", "", "", 9, "a=0", "", false, 0, "2025-01-01", SEASON("gold 100.0", "9", "8", "false", "39")},
        {"what is given counts, early too", "a", "", "", 4, "a=0", "", false, 10, "2024-10-20",
         SEASON("silver 80.0 thin_sample:4/10", "4", "10", "true", "2")},
        {"three tenths are not thin early", "a", "", "", 3, "a=0", "", false, 10, "2024-10-20",
         SEASON("silver 80.0 thin_sample:3/10", "3", "10", "true", "2")},
        {"less than three tenths are", "a", "", "", 3, "a=0", "", false, 11, "2024-10-20",
         SEASON("bronze 80.0 thin_sample:3/11", "3", "11", "true", "2")},
        {"the year 1", "a", "", "", 2, "a=0", "", false, 0, "0001-01-01", SEASON("gold 100.0", "2", "1", "true", "0")},
        {"the last day", "a", "", "", 8, "a=0", "", false, 0, "9999-12-31", SEASON("gold 100.0", "8", "8", "false", "38")},
    };
    for (size_t i = 0; i < N(rows); i++)
        expect_told(&rows[i], sl_quality_policy_default());
}

Test(quality, numbers_of_the_config)
{
    struct sl_quality_policy policy = *sl_quality_policy_default();
    policy = (struct sl_quality_policy){.thresholds = {90, 60, 40, 10},
                                        .thin = 0.8,
                                        .thin_early = 0.5,
                                        .early_units = 2,
                                        .expected_early = 2.5,
                                        .expected_mid = 6,
                                        .expected_full = 7.5,
                                        .expected_none = 4,
                                        .season_month = 2,
                                        .season_day = 1};
    static const struct row rows[] = {
        {"thresholds", "a b c d e f g h i", "j", "", 4, "a=0 b=0 c=0 d=0 e=0 f=0 g=0 h=0 i=0", "primary", false, 4, NULL,
         "gold 90.0 missing_optional:j" PLAIN("4", "4", "0.0")},
        {"poor from 10 on", "a", "b c d e f g h i j", "", 4, "a=0", "primary", false, 4, NULL,
         "poor 10.0 missing_optional:b missing_optional:c missing_optional:d missing_optional:e missing_optional:f missing_optional:g "
         "missing_optional:h missing_optional:i missing_optional:j" PLAIN("4", "4", "0.0")},
        {"no date", "a", "", "", 3, "a=0", "primary", false, 0, NULL, "bronze 80.0 thin_sample:3/4" PLAIN("3", "4", "0.0")},
        {"a fraction is expected", "a", "", "", 5, "a=0", "primary", false, 0, "2025-08-01",
         "bronze 80.0 thin_sample:5/7.5" DATA("5", "7.5", "0.0", "false", "false", "90")},
        {"early", "a", "", "", 2, "a=0", "primary", false, 4, "2025-02-03",
         "silver 80.0 thin_sample:2/4" DATA("2", "4", "0.0", "false", "true", "1")},
        {"a season that starts in February takes November on", "a", "", "", 2, "a=0", "primary", false, 0, "2024-11-01",
         "gold 100.0" DATA("2", "1", "0.0", "false", "true", "0")},
        {"October is of the one before", "a", "", "", 6, "a=0", "primary", false, 0, "2024-10-31",
         "gold 100.0" DATA("6", "7.5", "0.0", "false", "false", "136")},
    };
    for (size_t i = 0; i < N(rows); i++)
        expect_told(&rows[i], &policy);
}

/* ---- joins ---- */

Test(quality, the_worst_wins)
{
    static const char *const thin[] = {"thin_sample:1/8", "missing_optional:a"}, *const null[] = {"missing_optional:a",
                                                                                                  "high_null_rate:20.0pct"};
    static const struct {
        const char *label;
        struct sl_quality_item items[3];
        size_t n;
        enum sl_tier tier;
        double score;
        size_t worst;
        const char *issues;
    } rows[] = {
        {"one", {{SL_TIER_SILVER, 80, thin, 2}}, 1, SL_TIER_SILVER, 80, 0, "thin_sample:1/8 missing_optional:a"},
        {"tier and score of different ones", {{SL_TIER_BRONZE, 80, NULL, 0}, {SL_TIER_SILVER, 76, NULL, 0}}, 2, SL_TIER_BRONZE, 76, 0, ""},
        {"of the worst tier the least score decides",
         {{SL_TIER_POOR, 60, thin, 1}, {SL_TIER_POOR, 30, NULL, 0}, {SL_TIER_GOLD, 99, NULL, 0}},
         3,
         SL_TIER_POOR,
         30,
         1,
         "thin_sample:1/8"},
        {"of equals the first",
         {{SL_TIER_GOLD, 99, NULL, 0}, {SL_TIER_POOR, 30, NULL, 0}, {SL_TIER_POOR, 30, NULL, 0}},
         3,
         SL_TIER_POOR,
         30,
         1,
         ""},
        {"issues in order, none twice",
         {{SL_TIER_GOLD, 99, thin, 2}, {SL_TIER_UNUSABLE, 0, null, 2}, {SL_TIER_GOLD, 98, thin, 2}},
         3,
         SL_TIER_UNUSABLE,
         0,
         1,
         "thin_sample:1/8 missing_optional:a high_null_rate:20.0pct"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct sl_arena arena = {0};
        struct sl_buf issues = {0};
        struct sl_quality_item out;
        struct sl_err err = {0};
        size_t worst = 99;
        cr_assert_eq(sl_quality_worst(&out, &worst, rows[i].items, rows[i].n, &arena, &err), SL_OK);
        for (size_t k = 0; k < out.n_issues; k++)
            sl_buf_printf(&issues, "%s%s", k > 0 ? " " : "", out.issues[k]);
        cr_expect_eq(out.tier, rows[i].tier, "%s", rows[i].label);
        cr_expect_float_eq(out.score, rows[i].score, 0, "%s", rows[i].label);
        cr_expect_eq(worst, rows[i].worst, "%s", rows[i].label);
        cr_expect_str_eq(sl_buf_text(&issues), rows[i].issues, "%s", rows[i].label);
        sl_buf_fini(&issues);
        sl_arena_fini(&arena);
    }
}

Test(quality, nothing_cannot_be_joined)
{
    struct sl_arena arena = {0};
    struct sl_quality_item out;
    struct sl_err err = {0};
    cr_expect_eq(sl_quality_worst(&out, NULL, NULL, 0, &arena, &err), SL_INVALID);
    cr_expect(strstr(err.text, "at least one") != NULL, "%s", err.text);
    sl_arena_fini(&arena);
}

Test(quality, tiers_by_name)
{
    static const struct {
        const char *text;
        enum sl_tier tier;
    } rows[] = {{"gold", SL_TIER_GOLD},     {"silver", SL_TIER_SILVER},     {"bronze", SL_TIER_BRONZE}, {"poor", SL_TIER_POOR},
                {"Gold", SL_TIER_UNUSABLE}, {"unusable", SL_TIER_UNUSABLE}, {"", SL_TIER_UNUSABLE},     {NULL, SL_TIER_UNUSABLE}};
    for (size_t i = 0; i < N(rows); i++)
        cr_expect_eq(sl_tier_read(rows[i].text), rows[i].tier, "%s", rows[i].text);
}

Test(quality, confidence)
{
    static const struct {
        const char *tier;
        double confidence, final;
        bool capped, skipped;
    } rows[] = {
        {"gold", 1.0, 1.0, false, false},     {"gold", 0.3, 0.3, false, false},    {"silver", 0.95, 0.95, false, false},
        {"silver", 0.951, 0.95, true, false}, {"bronze", 0.9, 0.8, true, false},   {"poor", 0.6, 0.6, false, false},
        {"poor", 0.7, 0.6, true, false},      {"unusable", 0.4, 0, true, true},    {"unusable", 0, 0, false, true},
        {NULL, 0.9, 0.8, true, false},        {"platinum", 0.9, 0.6, true, false}, {"", 0.5, 0.5, false, false},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct sl_capped capped = sl_confidence_cap(sl_quality_policy_default(), rows[i].tier, rows[i].confidence);
        cr_expect_float_eq(capped.confidence, rows[i].final, 0, "%s %g", rows[i].tier, rows[i].confidence);
        cr_expect_eq(capped.capped, rows[i].capped, "%s %g", rows[i].tier, rows[i].confidence);
        cr_expect_eq(capped.skipped, rows[i].skipped, "%s %g", rows[i].tier, rows[i].confidence);
    }
}

/* ---- the shared vectors ---- */

static const char **texts(struct sl_arena *arena, const json_t *list, size_t *n)
{
    *n = json_array_size(list);
    const char **out = sl_arena_array(arena, *n + 1, sizeof *out);
    for (size_t i = 0; i < *n; i++)
        out[i] = json_string_value(json_array_get(list, i));
    return out;
}

static void read_vector(const json_t *line, struct sl_quality_profile *profile, struct sl_quality_input *input, struct sl_arena *arena)
{
    json_t *from = json_object_get(line, "profile"), *facts = json_object_get(line, "input"), *value;
    json_t *weights = json_object_get(from, "field_weights"), *nulls = json_object_get(facts, "null_counts");
    const char *key, *date = json_string_value(json_object_get(facts, "date"));
    profile->required = texts(arena, json_object_get(from, "required_fields"), &profile->n_required);
    profile->optional = texts(arena, json_object_get(from, "optional_fields"), &profile->n_optional);
    profile->weights = sl_arena_array(arena, json_object_size(weights) + 1, sizeof *profile->weights);
    json_object_foreach(weights, key, value) profile->weights[profile->n_weights++] = (struct sl_weight){key, json_number_value(value)};
    struct sl_null_count *counts = sl_arena_array(arena, json_object_size(nulls) + 1, sizeof *counts);
    json_object_foreach(nulls, key, value) counts[input->n_nulls++] = (struct sl_null_count){key, json_integer_value(value)};
    input->nulls = counts;
    input->row_count = json_integer_value(json_object_get(facts, "row_count"));
    input->data_sources = texts(arena, json_object_get(facts, "data_sources"), &input->n_data_sources);
    input->reconstructed = json_is_true(json_object_get(facts, "reconstruction_applied"));
    input->expected = (int)json_integer_value(json_object_get(facts, "expected_sample_size"));
    if (date == NULL || !sl_date_parse(date, strlen(date), &input->date))
        input->date = SL_DATE_NONE;
}

static json_t *issues_json(const struct sl_quality *quality)
{
    json_t *list = json_array();
    for (size_t i = 0; i < quality->n_issues; i++)
        json_array_append_new(list, json_string(quality->issues[i]));
    return list;
}

static void expect_vector(const json_t *line)
{
    struct sl_arena arena = {0};
    struct sl_quality_profile profile = {0};
    struct sl_quality_input input = {0};
    struct sl_quality quality;
    struct sl_buf metadata = {0};
    struct sl_json json;
    const json_t *expect = json_object_get(line, "expect");
    const char *id = json_string_value(json_object_get(line, "id"));
    read_vector(line, &profile, &input, &arena);
    sl_quality_assess(&quality, sl_quality_policy_default(), &profile, &input, &arena);
    sl_json_init(&json, &metadata);
    sl_quality_metadata_json(&json, &quality);
    json_t *found = json_loads(sl_buf_text(&metadata), 0, NULL), *issues = issues_json(&quality);
    cr_expect_str_eq(sl_tier_name(quality.tier), json_string_value(json_object_get(expect, "tier")), "%s", id);
    cr_expect_float_eq(quality.score, json_number_value(json_object_get(expect, "score")), 1e-9, "%s: %f", id, quality.score);
    cr_expect(json_equal(issues, json_object_get(expect, "issues")), "%s: issues", id);
    cr_expect(json_equal(found, json_object_get(expect, "metadata")), "%s: metadata %s", id, sl_buf_text(&metadata));
    json_decref(found);
    json_decref(issues);
    sl_buf_fini(&metadata);
    sl_arena_fini(&arena);
}

Test(quality, vectors)
{
    char *text = NULL;
    size_t cap = 0, n = 0;
    char *path = shared_path("vectors/quality.ndjson");
    if (path == NULL)
        cr_skip_test("no quality.ndjson");
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    while (getline(&text, &cap, file) > 0) {
        json_t *line = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        cr_assert_not_null(line, "line %zu", n + 1);
        expect_vector(line);
        json_decref(line);
        n++;
    }
    cr_expect_geq(n, 300);
    free(text);
    free(path);
    fclose(file);
}

/* What a completion says of its rows. */
Test(quality, reported)
{
    static const struct {
        const char *extra, *claim; /* NULL: it claims nothing */
    } cases[] = {
        {NULL, NULL},
        {"{}", NULL},
        {"{\"metadata\":{\"quality\":{\"tier\":\"poor\"}}}", NULL},
        {"{\"quality\":null,\"data_sources\":null}", NULL},
        {"{\"quality\":{\"tier\":\"bronze\",\"score\":60.0,\"issues\":[\"thin_sample:1/5\"]}}", "bronze 60.0 thin_sample:1/5"},
        {"{\"quality\":{\"quality_tier\":\"bronze\",\"quality_score\":60,\"quality_issues\":[\"a\",\"b\",\"a\",7]}}", "bronze 60.0 a b"},
        {"{\"quality\":{\"tier\":null,\"quality_tier\":\"silver\"}}", "silver 100.0"},
        {"{\"quality\":\"poor\"}", "poor 100.0"},
        {"{\"quality\":{\"tier\":\"platinum\"}}", "unusable 100.0"},
        {"{\"quality\":{\"score\":74.9}}", "bronze 74.9"},
        {"{\"quality\":{\"score\":95}}", "gold 95.0"},
        {"{\"quality\":{\"score\":0}}", "unusable 0.0"},
        {"{\"quality\":{\"tier\":\"gold\",\"score\":10}}", "gold 10.0"},
        {"{\"quality\":{\"score\":101}}", NULL},
        {"{\"quality\":{\"score\":\"80\"}}", NULL},
        {"{\"quality\":7,\"data_sources\":\"backup\"}", NULL},
        {"{\"data_sources\":[\"primary\",\"backup\"]}", NULL},
        {"{\"data_sources\":[]}", NULL},
        {"{\"data_sources\":[\"espn\"]}", "silver 100.0 backup_source_used"},
        {"{\"quality\":{\"tier\":\"gold\",\"score\":98,\"issues\":[\"backup_source_used\"]},\"data_sources\":[\"espn\"]}",
         "silver 98.0 backup_source_used"},
        {"{\"quality\":{\"tier\":\"poor\"},\"data_sources\":[\"espn\"]}", "poor 100.0 backup_source_used"},
        {"{\"quality\":", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sl_arena arena = {0};
        struct sl_reported reported;
        struct sl_buf said = {0};
        sl_reported_read(&reported, sl_quality_policy_default(), cases[i].extra, &arena);
        cr_expect_eq(reported.any, cases[i].claim != NULL, "%s", cases[i].extra);
        sl_buf_printf(&said, "%s %.1f", sl_tier_name(reported.tier), reported.score);
        for (size_t k = 0; k < reported.n_issues; k++)
            sl_buf_printf(&said, " %s", reported.issues[k]);
        cr_expect(cases[i].claim == NULL || strcmp(sl_buf_text(&said), cases[i].claim) == 0, "%s: %s", cases[i].extra, sl_buf_text(&said));
        sl_buf_fini(&said);
        sl_arena_fini(&arena);
    }
}
