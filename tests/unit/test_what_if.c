/* test_what_if.c - stored facts under another config: what is worked out again, and what the record lacks, as far as the decision comes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/what_if.h>

static const char CONFIG[] =
    "{version: 1, pipeline: p, timezone: UTC, calendar: {table: d.c, date_column: day, unit_column: unit, planned: {kind: x}, done: {kind: "
    "x},"
    " entities: {team: [home, away]}}, coverage: {log: l.g}, defaults: {date_column: day, unit_column: unit}, phases: ["
    "{name: a, completions: {subscription: as}, processors: ["
    "{name: p0, required: critical, table: d.p0, fallback: [d.f0, d.f1], quality: {required: [v]}}, {name: p9, required: optional, table: "
    "d.p9}]},"
    "{name: z, completions: {subscription: zs}, processors: [{name: p0, required: critical}]},"
    "{name: b, after: [a], started_by: {topic: bt}, completions: {subscription: bs}, processors: ["
    "{name: p0, required: critical, table: d.q0, fallback: [d.q1], quality: {required: [v]}}, {name: p1, required: {past: optional, today: "
    "none}, table: d.q2},"
    " {name: p2, required: {today: critical}, table: d.q3}],"
    " checks: {upstream: strict, units: soft, gaps: {mode: strict, look_back: 30d}, quality: strict,"
    " completeness: {mode: strict, entity: team, table: d.q0, entity_column: team}}}]}";

#define HEAD                                                                                                                               \
    "{\"phase\":\"b\",\"date\":\"2025-04-15\",\"profile\":\"past\",\"generation\":%s,\"now\":\"2025-04-17T08:00:00Z\",\"today\":\"2025-"   \
    "04-17\","                                                                                                                             \
    "\"config_hash\":\"c\",\"calendar\":{\"planned\":2,\"done\":2,\"season\":\"s\",\"season_first\":\"2024-10-22\"},\"processors\":["
#define P0_FALLBACK                                                                                                                        \
    "{\"name\":\"p0\",\"required\":\"critical\",\"run\":{\"execution_id\":\"e\",\"status\":\"success\",\"timestamp\":\"2025-04-16T08:00:"  \
    "00Z\","                                                                                                                               \
    "\"generation\":1,\"skip_downstream_trigger\":true},\"rows\":{\"due\":2,\"primary\":1,\"fallbacks\":{\"d.q1\":[\"u2\"]},\"missing_"    \
    "count\":0}}"
#define P0_WHOLE                                                                                                                           \
    "{\"name\":\"p0\",\"required\":\"critical\",\"run\":{\"execution_id\":\"e\",\"status\":\"success\",\"timestamp\":\"2025-04-16T08:00:"  \
    "00Z\","                                                                                                                               \
    "\"generation\":1},\"rows\":{\"due\":2,\"primary\":2,\"missing_count\":0}}"
#define P0_MISSING                                                                                                                         \
    "{\"name\":\"p0\",\"required\":\"critical\",\"run\":{\"execution_id\":\"e\",\"status\":\"success\",\"timestamp\":\"2025-04-16T08:00:"  \
    "00Z\","                                                                                                                               \
    "\"generation\":1},\"rows\":{\"due\":2,\"primary\":0,\"missing_count\":2,\"missing\":[\"u1\",\"u2\"]}}"
#define P1                                                                                                                                 \
    ",{\"name\":\"p1\",\"required\":\"optional\",\"run\":{\"execution_id\":\"e1\",\"status\":\"success\",\"timestamp\":\"2025-04-16T08:"   \
    "00:00Z\","                                                                                                                            \
    "\"generation\":1},\"rows\":{\"due\":2,\"primary\":2,\"missing_count\":0}}],"
#define CLOCKS                                                                                                                             \
    "\"clocks\":{\"drained\":true,\"clock_ms\":0,\"first_completion\":\"2025-04-17T07:58:00Z\",\"last_report\":\"2025-04-17T07:58:00Z\","  \
    "\"settled\":false,\"in_progress\":false},\"suppression\":{\"worker_skip\":false}"
#define UPSTREAM                                                                                                                           \
    ",\"upstream\":[{\"phase\":\"a\",\"processors\":[{\"name\":\"p0\",\"required\":\"critical\",\"run\":{\"execution_id\":\"e\","          \
    "\"status\":\"success\",\"timestamp\":\"2025-04-16T08:00:00Z\",\"generation\":1},\"rows\":{\"due\":2,\"primary\":2,\"missing_count\":" \
    "0}}]}]"
#define GAPS(found) ",\"gaps\":{\"from\":\"2025-03-16\",\"to\":\"2025-04-14\",\"dates\":20,\"known_gaps\":0,\"count\":" found "]}"
#define ONE_GAP     "1,\"found\":[{\"processor\":\"p0\",\"date\":\"2025-04-01\",\"due\":2,\"units\":[\"x\",\"y\"]}"
#define PART_GAP    "1,\"found\":[{\"processor\":\"p0\",\"date\":\"2025-04-01\",\"due\":2,\"units\":[\"x\"]}"
#define NO_GAP      "0,\"found\":["
#define COMPLETE                                                                                                                           \
    ",\"completeness\":{\"from\":\"2025-03-20\",\"to\":\"2025-04-15\",\"entities\":4,\"expected\":40,\"actual\":40,\"known_gaps\":0,"      \
    "\"lacking\":[]}"

#define WHOLE   HEAD P0_WHOLE P1 CLOCKS UPSTREAM GAPS(NO_GAP) COMPLETE "}"
#define GAPPED  HEAD P0_WHOLE P1 CLOCKS UPSTREAM GAPS(ONE_GAP) COMPLETE "}"
#define PARTLY  HEAD P0_WHOLE P1 CLOCKS UPSTREAM GAPS(PART_GAP) COMPLETE "}"
#define SERVED  HEAD P0_FALLBACK P1 CLOCKS UPSTREAM GAPS(NO_GAP) COMPLETE "}"
#define ROWLESS HEAD P0_MISSING P1 CLOCKS "}"

struct world {
    struct sl_arena arena;
    struct sl_config *old, *config;
    struct sl_config_change *changes;
    size_t n_changes;
    struct sl_facts recorded, facts;
};

static struct sl_config *parse(const char *set, const char *second)
{
    struct sl_config *config = NULL;
    struct sl_override sets[2];
    struct sl_err err = {0};
    size_t n = 0;
    for (size_t i = 0; i < 2; i++) {
        const char *text = i ? second : set, *equals = text ? strchr(text, '=') : NULL;
        if (equals)
            sets[n++] = (struct sl_override){strndup(text, (size_t)(equals - text)), equals + 1};
    }
    cr_assert_eq(sl_config_parse(&config, CONFIG, sizeof CONFIG - 1, "test", ".", sets, n, NULL, NULL, &err), SL_OK, "%s: %s", set,
                 err.text);
    while (n)
        free((char *)sets[--n].key);
    return config;
}

static void world_make(struct world *w, const char *format, const char *generation, const char *before, const char *set, const char *second)
{
    struct sl_err err = {0};
    *w = (struct world){.old = parse(before, NULL), .config = parse(set, second)};
    char *text = sl_arena_alloc(&w->arena, strlen(format) + 16);
    const char *mark = strstr(format, "%s");
    sprintf(text, "%.*s%s%s", (int)(mark - format), format, generation, mark + 2);
    cr_assert_eq(sl_facts_read(&w->recorded, w->old, text, strlen(text), &w->arena, &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_facts_read(&w->facts, w->config, text, strlen(text), &w->arena, &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_config_diff(&w->changes, &w->n_changes, w->old->normal, w->config->normal, &w->arena, &err), SL_OK);
    sl_what_if_refit(&w->facts, w->old, w->config, &w->arena);
}

static void world_end(struct world *w)
{
    sl_config_destroy(&w->old);
    sl_config_destroy(&w->config);
    sl_arena_fini(&w->arena);
}

static const char *lacks_of(struct world *w)
{
    struct sl_what_if_lacks lacks;
    const struct sl_gate gate = {.phase = "b", .date = w->facts.date, .profile = SL_PAST, .created_us = INT64_C(1744876800000000)};
    sl_what_if_find_lacks(&lacks, &w->facts, &w->recorded, w->old, w->config, w->changes, w->n_changes, &gate, &w->arena);
    const char *text = lacks.tier_unknown ? "(tier)" : "";
    for (size_t i = 0; i < lacks.n; i++)
        text = sl_arena_printf(&w->arena, "%s%s%s", text, *text ? "; " : "", lacks.names[i]);
    return text;
}

Test(what_if, what_the_record_lacks)
{
    static const struct {
        const char *label, *facts, *before, *set, *second, *expected;
    } CASES[] = {
        {"nothing changed", WHOLE, NULL, NULL, NULL, ""},
        {"what shapes no facts", WHOLE, NULL, "audit.at=08:00", "phases.b.share=100%", ""},
        {"modes", WHOLE, NULL, "phases.b.checks.gaps.mode=soft", "phases.b.checks.completeness.threshold=10%", ""},
        {"units of the calendar", WHOLE, NULL, "calendar.planned={kind: y}", NULL, "calendar.planned.kind: the units of the dates"},
        {"another calendar, even without rows", ROWLESS, NULL, "calendar.table=d.other", NULL, "calendar.table: the units of the dates"},
        {"zone", WHOLE, NULL, "timezone=Asia/Tokyo", NULL, ""},
        /* processors */
        {"newly required", WHOLE, NULL, "phases.b.processors.p2.required=optional", NULL,
         "phases.b.processors.p2.required: its run and its rows"},
        {"optional is asked too", WHOLE, NULL, "phases.b.processors.p1.required=critical", NULL,
         "phases.b.processors.p1: its rows on the dates before"},
        {"another table", WHOLE, NULL, "phases.b.processors.p1.table=d.new", NULL,
         "(tier); phases.b.processors.p1.table: which units have rows there; "
         "phases.b.processors.p1.table: the quality of the rows"},
        {"another table of a run that failed nothing", ROWLESS, NULL, "phases.b.processors.p0.table=d.new", NULL,
         "phases.b.processors.p0.table: which units have rows there"},
        {"no table any more", WHOLE, "phases.b.checks.quality=off", "phases.b.checks.quality=off", "phases.b.processors.p1.table=null",
         "(tier)"},
        {"one more fallback, and nothing is missing", WHOLE, "phases.b.checks.quality=off", "phases.b.checks.quality=off",
         "phases.b.processors.p1.fallback=[d.more]", "(tier)"},
        {"one more fallback for what is missing", ROWLESS, NULL, "phases.b.processors.p0.fallback=[d.q1, d.more]", NULL,
         "phases.b.processors.p0.fallback: which units have rows there"},
        {"a fallback less, of what was missing anyway", ROWLESS, NULL, "phases.b.processors.p0.fallback=[]", NULL, ""},
        {"the fallback that served is gone", SERVED, "phases.b.checks.completeness.mode=off", "phases.b.checks.completeness.mode=off",
         "phases.b.processors.p0.fallback=[]",
         "(tier); phases.b.processors.p0.fallback: which units have rows there; phases.b.processors.p0: its rows on the dates before; "
         "phases.b.processors.p0.fallback: the quality of the rows"},
        /* checks */
        {"comes to its checks only now", ROWLESS, NULL, "phases.b.bootstrap=400d", NULL,
         "the gate comes to its checks only now: upstream, gaps, completeness and quality were not looked at"},
        {"upstream was off", HEAD P0_WHOLE P1 CLOCKS ",\"upstream\":[]" GAPS(NO_GAP) COMPLETE "}", "phases.b.checks.upstream=off", NULL,
         NULL, "phases.b.checks.upstream: what the phases before delivered"},
        {"another phase before", WHOLE, NULL, "phases.b.after=[a, z]", NULL,
         "(tier); phases.b.after: what z delivered; phases.b.after: the quality of the rows"},
        {"newly critical before", WHOLE, NULL, "phases.a.processors.p9.required=critical", NULL,
         "(tier); phases.a.processors.p9.required: its run and its rows; phases.a.processors.p9.required.future: the quality of the rows; "
         "phases.a.processors.p9.required.past: the quality of the rows; phases.a.processors.p9.required.today: the quality of the rows"},
        {"gaps were off", WHOLE, "phases.b.checks.gaps.mode=off", NULL, NULL, "phases.b.checks.gaps: rows on the dates before"},
        {"a longer look-back", WHOLE, NULL, "phases.b.checks.gaps.look_back=60d", NULL,
         "phases.b.checks.gaps.look_back: rows from 2025-02-14 to 2025-03-15"},
        {"a longer look-back, but a gap in the shorter", GAPPED, NULL, "phases.b.checks.gaps.look_back=60d", NULL, ""},
        {"a shorter look-back", GAPPED, NULL, "phases.b.checks.gaps.look_back=5d", NULL, ""},
        {"every day", WHOLE, NULL, "phases.b.checks.gaps.every_day=true", NULL,
         "phases.b.checks.gaps.every_day: rows on days without units"},
        {"every day, and a gap anyway", GAPPED, NULL, "phases.b.checks.gaps.every_day=true", NULL, ""},
        {"strict units", WHOLE, NULL, "phases.b.checks.units=strict", NULL, "phases.b.checks.units: dates of which some units have rows"},
        {"units not strict any more", PARTLY, "phases.b.checks.units=strict", NULL, NULL, ""},
        {"completeness was off", WHOLE, "phases.b.checks.completeness.mode=off", NULL, NULL,
         "phases.b.checks.completeness: who has which units"},
        {"another window", WHOLE, NULL, "phases.b.checks.completeness.window=5 units", NULL,
         "phases.b.checks.completeness.window: who has which units"},
        {"other entities", WHOLE, NULL, "calendar.entities={team: [home]}", NULL,
         "the sources of d.q0, or calendar.entities: who has which units"},
        {"history that reaches into the window", WHOLE, "calendar.history_from=2025-04-01", "calendar.history_from=2025-03-25", NULL,
         "calendar.history_from: who has which units in the other window"},
        {"another profile of quality", WHOLE, NULL, "phases.b.processors.p0.quality.expected_rows=5", NULL,
         "(tier); phases.b.processors.p0.quality.expected_rows: the quality of the rows"},
        {"other numbers, without a check", WHOLE, "phases.b.checks.quality=off", "phases.b.checks.quality=off", "quality.thin=10%",
         "(tier)"},
        {"a run history of the processors", WHOLE, NULL, "coverage.runs.written_by=processors", NULL,
         "coverage.runs: what the run history of the processors says"},
        {"another of them", WHOLE, "coverage.runs.written_by=processors", "coverage.runs.written_by=processors",
         "coverage.runs.table=d.runs", "coverage.runs: what the run history of the processors says"},
        {"none any more", WHOLE, "coverage.runs.written_by=processors", NULL, NULL, ""},
        {"where the log is", WHOLE, NULL, "coverage.log=l.other", NULL, ""},
        {"ceilings are for confidence", WHOLE, NULL, "quality.ceilings.silver=0.9", NULL, ""},
        {"nothing of the checks before they are reached", ROWLESS, NULL, "phases.b.checks.completeness.window=5 units", "quality.thin=10%",
         ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct world w;
        world_make(&w, CASES[i].facts, "1", CASES[i].before, CASES[i].set, CASES[i].second);
        const char *lacks = lacks_of(&w);
        cr_expect_str_eq(lacks, CASES[i].expected, "%s: %s", CASES[i].label, lacks);
        world_end(&w);
    }
}

/* What follows from the config is worked out again. */
Test(what_if, facts_are_refitted)
{
    struct world w;
    world_make(&w, SERVED, "2", NULL, "phases.b.settle=1m", NULL);
    cr_expect(w.facts.settled && !w.recorded.settled, "two minutes have passed");
    cr_expect_eq(w.facts.n_skip_by, 0, "a run of the generation before does not skip this one");
    world_end(&w);
    world_make(&w, SERVED, "1", NULL, "phases.b.settle=10m", NULL);
    cr_assert_eq(w.facts.n_skip_by, 1);
    cr_expect_str_eq(w.facts.skip_by[0], "p0");
    world_end(&w);
    world_make(&w, GAPPED, "1", NULL, "phases.b.checks.gaps.look_back=14d", NULL);
    cr_expect_eq(w.facts.n_gaps, 1);
    world_end(&w);
    world_make(&w, GAPPED, "1", NULL, "phases.b.checks.gaps.look_back=13d", NULL);
    cr_expect_eq(w.facts.n_gaps, 0);
    world_end(&w);
    world_make(&w, GAPPED, "1", NULL, "phases.b.processors.p0.required=optional", NULL);
    cr_expect_eq(w.facts.n_gaps, 0, "only critical processors make gaps");
    world_end(&w);
    world_make(&w, PARTLY, "1", "phases.b.checks.units=strict", NULL, NULL);
    cr_expect_eq(w.facts.n_gaps, 0, "a date with rows of some units is none without units: strict");
    world_end(&w);
    world_make(&w, WHOLE, "1", NULL, "phases.b.after=[z]", NULL);
    cr_expect_eq(w.facts.n_upstream, 0);
    world_end(&w);
}
