/* test_gate_json.c - facts and decisions as JSON: same facts, same bytes; what is missing and counts; never over the limit (RULES 23). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include "support/facts_builder.h"

static void write_facts(struct sl_buf *out, const struct sl_facts *facts)
{
    struct sl_json json;
    sl_buf_clear(out);
    sl_json_init(&json, out);
    sl_facts_json(&json, facts);
}

static void write_decision(struct sl_buf *out, const struct sl_decision *decision)
{
    struct sl_json json;
    sl_buf_clear(out);
    sl_json_init(&json, out);
    sl_decision_json(&json, decision);
}

static const struct fb_row FULL = FB_EVERYTHING;

Test(gate_json, facts_to_the_byte)
{
    static const char EXPECTED[] =
        "{\"phase\":\"phase_3_analytics\",\"date\":\"2025-04-15\",\"profile\":\"past\",\"generation\":1,\"now\":\"2025-04-17T08:00:00Z\","
        "\"today\":\"2025-04-17\","
        "\"config_hash\":\"c0ffee\",\"calendar\":{\"planned\":5,\"done\":5,\"season\":\"2024-25\",\"season_first\":\"2024-10-22\"},"
        "\"processors\":[{\"name\":\"p0\",\"required\":\"critical\",\"run\":{\"execution_id\":\"e0\",\"status\":\"success\",\"timestamp\":"
        "\"2025-04-16T08:00:00Z\","
        "\"generation\":1,\"record_count\":30},\"rows\":{\"due\":5,\"primary\":3,\"fallbacks\":{\"nba_analytics.f0\":[\"u4\"]},\"missing_"
        "count\":1,\"missing\":[\"u5\"]}}],"
        "\"clocks\":{\"drained\":true,\"clock_ms\":0,\"first_completion\":\"2025-04-17T08:00:00Z\",\"last_report\":\"2025-04-17T08:00:"
        "00Z\",\"settled\":true,"
        "\"in_progress\":false},\"suppression\":{\"worker_skip\":false}}";
    const struct fb_row row = {.procs = "Cs3+1/5", .no_checks = true};
    struct facts_builder b;
    struct sl_buf text = {0};
    facts_build(&b, &row);
    write_facts(&text, &b.facts);
    cr_expect_str_eq(text.data, EXPECTED);
    sl_buf_fini(&text);
    facts_fini(&b);
}

Test(gate_json, facts_of_the_checks_to_the_byte)
{
    static const char PROCESSOR[] =
        "\"rows\":{\"due\":5,\"primary\":3,\"fallbacks\":{\"nba_analytics.f0\":[\"u4\",\"u5\"]},\"missing_count\":0,\"all\":28},"
        "\"quality\":{\"units\":5,\"flawless\":2,\"others\":["
        "{\"unit\":\"u1\",\"rows\":2,\"tier\":\"poor\",\"score\":30.0,\"issues\":[\"thin\"]},"
        "{\"unit\":\"u4\",\"source\":\"nba_analytics.f0\",\"rows\":2,\"tier\":\"gold\",\"score\":100.0,\"issues\":[]},"
        "{\"unit\":\"u5\",\"source\":\"nba_analytics.f0\",\"rows\":2,\"tier\":\"gold\",\"score\":100.0,\"issues\":[]}]}";
    static const char CHECKS[] =
        "\"completeness\":{\"from\":\"2025-03-26\",\"to\":\"2025-04-15\",\"entities\":2,\"expected\":20,\"actual\":18,\"known_gaps\":0,"
        "\"lacking\":[{\"entity\":\"MIA\",\"expected\":10,\"actual\":8,\"missing\":[\"m1\",\"m2\"]}]},"
        "\"inherited\":[{\"phase\":\"phase_2_raw\",\"tier\":\"silver\",\"score\":85.0,\"issues\":[\"old\"],\"culprit\":{\"phase\":\"phase_"
        "2_raw\","
        "\"processor\":\"p0\",\"table\":\"nba_raw.f0\",\"date\":\"2025-04-15\",\"unit\":\"u4\"},\"keys\":5,\"below_gold\":0,\"parts\":{}}]"
        "}";
    const struct fb_row row = {.procs = "Cs3+2/5",
                               .quality = "p0:u1:poor:30:thin p0:rows=28",
                               .completeness = SL_SOFT,
                               .complete = "BOS:10/10 MIA:8/10",
                               .inherited = "silver:85:old"};
    struct facts_builder b;
    struct sl_buf text = {0};
    facts_build(&b, &row);
    facts_decide(&b, &row);
    write_facts(&text, &b.facts);
    cr_expect_not_null(strstr(text.data, PROCESSOR), "%s", text.data);
    cr_expect_not_null(strstr(text.data, CHECKS), "%s", text.data);
    sl_buf_fini(&text);
    facts_fini(&b);
}

Test(gate_json, a_decision_to_the_byte)
{
    static const char EXPECTED[] =
        "{\"state\":\"waiting\",\"reasons\":[\"barrier\"],\"trigger_reason\":null,\"completed\":[\"p0\"],\"missing\":[\"p1\"],\"late\":[],"
        "\"is_production_ready\":false,"
        "\"degraded\":false,\"trigger_id\":null,\"waits_for\":\"1 of 2 required processors delivered; missing: p1\",\"checks\":["
        "{\"name\":\"reported\",\"mode\":\"strict\",\"passed\":true,\"expected\":\"no critical processor's newest run "
        "failed\",\"actual\":\"1 of 2 required processors "
        "reported\",\"detail\":null},"
        "{\"name\":\"units\",\"mode\":\"strict\",\"passed\":true,\"expected\":\"rows for every done unit\",\"actual\":\"1 of 2 required "
        "processors deliver\",\"detail\":null},"
        "{\"name\":\"barrier\",\"mode\":\"strict\",\"passed\":false,\"expected\":\"all, or every critical one and 60 % of the required "
        "processors\",\"actual\":\"1 of 2 "
        "delivered, 1 of 2 critical\",\"detail\":\"missing: p1\"}],\"triggers\":[]}";
    const struct fb_row row = {.procs = "Cs1/1d C.", .no_calendar = true, .planned = 1};
    struct facts_builder b;
    struct sl_buf text = {0};
    facts_build(&b, &row);
    facts_decide(&b, &row);
    write_decision(&text, &b.decision);
    cr_expect_str_eq(text.data, EXPECTED);
    sl_buf_fini(&text);
    facts_fini(&b);
}

Test(gate_json, a_trigger_in_the_decision)
{
    static const char EXPECTED[] = "\"triggers\":[{\"to\":\"phase_4_precompute\",\"trigger_id\":\"%s\"}]}";
    const struct fb_row row = {.completeness = SL_STRICT, .complete = "MIA:10/10", .quality = "p0:u2:silver:80.5:old"};
    struct facts_builder b;
    struct sl_buf text = {0};
    char id[SL_UUID_LEN + 1];
    facts_build(&b, &row);
    facts_decide(&b, &row);
    write_decision(&text, &b.decision);
    sl_trigger_id(&b.config, &b.phases[FB_OWN], &b.phases[FB_NEXT], FB_DATE, SL_PAST, 1, id);
    cr_expect_not_null(strstr(text.data, sl_arena_printf(&b.arena, EXPECTED, id)), "%s", text.data);
    cr_expect_not_null(strstr(text.data,
                              "\"completeness_pct\":100.0,\"quality_tier\":\"silver\",\"quality_score\":80.5,\"quality_issues\":[\"old\"],"
                              "\"quality_culprit\":\"phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15, u2\",\"unusable_units\":[]"),
                       "%s", text.data);
    sl_buf_fini(&text);
    facts_fini(&b);
}

/* Built twice, at other addresses: the same bytes of the facts and of the decision. */
Test(gate_json, same_facts_same_bytes)
{
    static const struct {
        const char *label;
        const struct fb_row row;
    } CASES[] = {{"small", {.procs = "Cs5/5"}},
                 {"blocked", {.procs = "Cs4/5 Cf"}},
                 {"today", {.procs = "Cs0/0", .profile = SL_TODAY, .not_done = 5}}};
    for (size_t i = 0; i <= sizeof CASES / sizeof *CASES; i++) {
        const struct fb_row *row = i < sizeof CASES / sizeof *CASES ? &CASES[i].row : &FULL;
        struct facts_builder one, two;
        struct sl_buf texts[4] = {{0}};
        facts_build(&one, row);
        facts_build(&two, row);
        facts_decide(&one, row);
        facts_decide(&two, row);
        write_facts(&texts[0], &one.facts);
        write_facts(&texts[1], &two.facts);
        write_decision(&texts[2], &one.decision);
        write_decision(&texts[3], &two.decision);
        cr_expect_str_eq(texts[0].data, texts[1].data);
        cr_expect_str_eq(texts[2].data, texts[3].data);
        for (size_t k = 0; k < 4; k++)
            sl_buf_fini(&texts[k]);
        facts_fini(&one);
        facts_fini(&two);
    }
}

static const char *text_at(json_t *root, const char *path)
{
    char keys[128];
    json_t *at = root;
    snprintf(keys, sizeof keys, "%s", path);
    for (char *rest = keys, *key; at && (key = strsep(&rest, "."));)
        at = json_is_array(at) ? json_array_get(at, (size_t)(key[0] - '0')) : json_object_get(at, key);
    static char text[512];
    char *dumped = at ? json_dumps(at, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    snprintf(text, sizeof text, "%s", dumped ? dumped : "absent");
    free(dumped);
    return text;
}

Test(gate_json, every_fact_has_its_place)
{
    static const struct {
        const char *path, *expected;
    } CASES[] = {
        {"processors.0.run.status", "\"partial\""},
        {"processors.0.run.records_failed", "2"},
        {"processors.0.rows.missing", "[\"u5\"]"},
        {"processors.1.rows.fallbacks", "{\"nba_analytics.f1\":[\"u4\",\"u5\"]}"},
        {"processors.1.rows.source_errors", "[null,\"no such table: nba_analytics.f1\",null]"},
        {"processors.2.rows", "{\"by_date\":true,\"due\":1,\"primary\":1,\"missing_count\":0}"},
        {"processors.3", "{\"name\":\"p3\",\"required\":\"optional\"}"},
        {"processors.4", "absent"},
        {"suppression.skip_by", "[\"p0\"]"},
        {"suppression.hold_id", "7"},
        {"suppression.hold_reason", "\"maintenance\""},
        {"late", "[\"p1\"]"},
        {"upstream.0.phase", "\"phase_2_raw\""},
        {"upstream.0.processors.0.running.status", "\"running\""},
        {"gaps.count", "3"},
        {"gaps.from", "\"2025-03-16\""},
        {"gaps.to", "\"2025-04-14\""},
        {"gaps.dates", "28"},
        {"gaps.found.0", "{\"processor\":\"p0\",\"date\":\"2024-12-17\",\"due\":2,\"units\":[\"d119u1\"]}"},
        {"gaps.found.2.error", "\"no such column: game_id\""},
        {"joins.0", "{\"to\":\"phase_4_precompute\",\"with\":\"phase_3_side\",\"state\":\"triggered\",\"waits_for_join\":false,\"trigger_"
                    "id\":\"8e2c\"}"},
        {"truncated", "absent"},
    };
    struct facts_builder b;
    struct sl_buf text = {0};
    facts_build(&b, &FULL);
    facts_decide(&b, &FULL);
    write_facts(&text, &b.facts);
    json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(root, "%s", text.data);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_str_eq(text_at(root, CASES[i].path), CASES[i].expected, "%s: %s", CASES[i].path, text_at(root, CASES[i].path));
    json_decref(root);
    sl_buf_fini(&text);
    facts_fini(&b);
}

Test(gate_json, typical_facts_are_small)
{
    struct facts_builder b;
    struct sl_buf text = {0};
    facts_build(&b, &FULL);
    facts_decide(&b, &FULL);
    write_facts(&text, &b.facts);
    cr_expect_lt(text.len, 4096, "%zu bytes", text.len);
    sl_buf_fini(&text);
    facts_fini(&b);
}

/* Many missing units of many processors, after other text in the same buffer: cut to the limit, counts kept, and the text before untouched. */
Test(gate_json, large_facts_are_cut)
{
    static const struct {
        const char *label;
        size_t n_missing, n_gaps;
        bool truncated;
    } CASES[] = {
        {"fits", 1000, 0, false},      {"many units", 40000, 0, true}, {"very many units", 400000, 0, true},
        {"many gaps", 0, 20000, true}, {"both", 400000, 20000, true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct fb_row row = {.procs = "Cs0/5 Cs0/5 Cs0/5"};
        struct facts_builder b;
        struct sl_buf text = {0};
        struct sl_json json;
        facts_build(&b, &row);
        const char **missing = sl_arena_array(&b.arena, CASES[i].n_missing + 1, sizeof *missing);
        for (size_t k = 0; k < CASES[i].n_missing; k++)
            missing[k] = "0022400123";
        for (size_t p = 0; p < 3; p++) {
            b.facts.procs[p].coverage.missing = missing;
            b.facts.procs[p].coverage.n_missing = CASES[i].n_missing;
        }
        b.facts.checks_gathered = true;
        b.facts.n_gaps = CASES[i].n_gaps;
        b.facts.gaps = sl_arena_array(&b.arena, CASES[i].n_gaps + 1, sizeof *b.facts.gaps);
        for (size_t k = 0; k < CASES[i].n_gaps; k++)
            b.facts.gaps[k] = (struct sl_gap){.processor = b.facts.procs[0].processor, .date = FB_DATE - 1, .n_due = 1};
        sl_json_init(&json, &text);
        sl_json_array(&json);
        if (i % 2)
            sl_json_int(&json, 1);
        const size_t start = text.len;
        sl_facts_json(&json, &b.facts);
        cr_expect_leq(text.len - start, SL_FACTS_MAX_BYTES + 1, "%s: %zu bytes", CASES[i].label, text.len - start);
        cr_expect(!CASES[i].truncated || text.len - start > SL_FACTS_MAX_BYTES / 4, "%s: cut to %zu bytes", CASES[i].label,
                  text.len - start);
        sl_json_end_array(&json);
        json_t *root = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL), *facts = json_array_get(root, i % 2);
        cr_assert_not_null(facts, "%s: not JSON", CASES[i].label);
        cr_expect_eq(json_is_true(json_object_get(facts, "truncated")), CASES[i].truncated, "%s", CASES[i].label);
        cr_expect_eq(json_integer_value(json_object_get(json_object_get(facts, "gaps"), "count")), (json_int_t)CASES[i].n_gaps, "%s",
                     CASES[i].label);
        json_t *rows = json_object_get(json_array_get(json_object_get(facts, "processors"), 0), "rows");
        cr_expect_eq(json_integer_value(json_object_get(rows, "missing_count")), (json_int_t)CASES[i].n_missing, "%s", CASES[i].label);
        json_decref(root);
        sl_buf_fini(&text);
        facts_fini(&b);
    }
}
