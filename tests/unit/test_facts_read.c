/* test_facts_read.c - stored facts decide as they did: what sl_facts_json() wrote comes back, writes itself again to the byte and gives the same decision. What is not our text is refused. */
#include <criterion/criterion.h>
#include <string.h>

#include "support/facts_builder.h"

static const char *facts_text(struct facts_builder *b, const struct sl_facts *facts)
{
    struct sl_buf buf = {0};
    struct sl_json json;
    sl_json_init(&json, &buf);
    sl_facts_json(&json, facts);
    const char *text = sl_arena_strndup(&b->arena, buf.data, buf.len);
    sl_buf_fini(&buf);
    return text;
}

static const char *decision_text(struct facts_builder *b, const struct sl_decision *decision)
{
    struct sl_buf buf = {0};
    struct sl_json json;
    sl_json_init(&json, &buf);
    sl_decision_json(&json, decision);
    const char *text = sl_arena_strndup(&b->arena, buf.data, buf.len);
    sl_buf_fini(&buf);
    return text;
}

static void comes_back(const char *label, const struct fb_row *row)
{
    struct facts_builder b;
    struct sl_facts again;
    struct sl_decision decision;
    struct sl_err err = {0};
    facts_build(&b, row);
    facts_decide(&b, row);
    const char *text = facts_text(&b, &b.facts), *decided = decision_text(&b, &b.decision);
    cr_assert_eq(sl_facts_read(&again, &b.config, text, strlen(text), &b.arena, &err), SL_OK, "%s: %s", label, err.text);
    cr_expect_str_eq(facts_text(&b, &again), text, "%s", label);
    sl_gate_decide(&decision, &b.config, &again, &b.arena);
    cr_expect_eq(decision.wants_checks, b.decision.wants_checks, "%s", label);
    cr_expect_eq(decision.due_us, b.decision.due_us, "%s", label);
    if (!decision.wants_checks)
        cr_expect_str_eq(decision_text(&b, &decision), decided, "%s", label);
    facts_fini(&b);
}

Test(facts_read, every_step_decides_again)
{
    static const struct {
        const char *label;
        const struct fb_row row;
    } CASES[] = {
        {"all well", {.procs = "Cs5/5 Os5/5"}},
        {"from a fallback", {.procs = "Cs3+2/5 Os2+1/5"}},
        {"by date from a fallback", {.procs = "Cs0+1/1d"}},
        {"by date missing", {.procs = "Cs0/1d Os0/1d"}},
        {"some units", {.procs = "Cs4/5", .soft_units = true}},
        {"some units, strict", {.procs = "Cs4/5"}},
        {"no rows at all", {.procs = "Cs0/5"}},
        {"failed", {.procs = "Cf5/5 Of5/5"}},
        {"no data", {.procs = "Cn0/5"}},
        {"no table", {.procs = "Cs Cn"}},
        {"count 0 without a table", {.procs = "Csz"}},
        {"primary can't be asked", {.procs = "Cs! Os5/5"}},
        {"fallback can't be asked", {.procs = "Cs4/5?", .soft_units = true}},
        {"partial", {.procs = "Cp5/5 Cq5/5"}},
        {"one is missing", {.procs = "Cs5/5 C.5/5 O.5/5"}},
        {"grace", {.procs = "Cs5/5 Cs5/5 O.5/5", .clock_ms = 1000}},
        {"grace has passed", {.procs = "Cs5/5 Cs5/5 O.5/5", .clock_ms = 600000}},
        {"grace, not drained", {.procs = "Cs5/5 Cs5/5 O.5/5", .clock_ms = 600000, .not_drained = true}},
        {"deadline degrades", {.procs = "Cs5/5 O.5/5 O.5/5", .deadline_ms = 60000, .clock_ms = 60000}},
        {"deadline is awaited", {.procs = "Cs5/5 C.5/5", .deadline_ms = 60000, .clock_ms = 1000}},
        {"deadline at nine", {.procs = "Cs5/5 C.5/5", .deadline_at_9 = true, .now_after_ms = 36000000}},
        {"deadline holds", {.procs = "Cs5/5 C.5/5", .deadline_ms = 60000, .clock_ms = 60000, .then = SL_DEADLINE_HOLD}},
        {"critical waived", {.procs = "Cf5/5 C.5/5", .deadline_ms = 60000, .clock_ms = 60000, .waive_critical = true}},
        {"not done", {.not_done = 2}},
        {"today", {.profile = SL_TODAY, .not_done = 5, .procs = "Cs0/0"}},
        {"future", {.profile = SL_FUTURE, .not_done = 5, .procs = "Cs0/0 N."}},
        {"empty", {.planned = -1, .procs = "Cs0/0"}},
        {"empty goes on", {.planned = -1, .procs = "Cs0/0", .on_empty_trigger = true}},
        {"suspect", {.suspect = true, .lost_units = true}},
        {"no calendar can be read", {.calendar_error = true}},
        {"no calendar", {.no_calendar = true, .planned = 1, .procs = "Cs1/1d"}},
        {"bootstrap", {.bootstrap_days = 14, .season_day = 3, .procs = "Cs0/5", .gaps = "p0-1:5/5"}},
        {"upstream failed", {.upstream = "Cf5/5 Cs5/5"}},
        {"upstream absent", {.upstream = "C.5/5"}},
        {"upstream runs", {.upstream = "Cr5/5 CS5/5"}},
        {"upstream is stuck", {.upstream = "CS5/5", .running_for_ms = 20000000}},
        {"upstream lacks units", {.upstream = "Cs3+1/5 Cs5/5"}},
        {"upstream can't be asked", {.upstream = "Cs!", .soft_upstream = true}},
        {"no upstream check", {.upstream = "Cf5/5", .no_upstream_check = true}},
        {"gaps", {.gaps = "p0-5:2/3 p0-1:3/3"}},
        {"gaps, soft", {.gaps = "p0-5:2/3 p0-1:date", .soft_gaps = true}},
        {"gaps can't be asked", {.gaps = "p0-1:!"}},
        {"gaps may degrade", {.gaps = "p0-5:2/3", .degrade_after_ms = 3600000, .blocked_by_gaps_for_ms = 60000}},
        {"gaps have degraded", {.gaps = "p0-5:2/3", .degrade_after_ms = 3600000, .blocked_by_gaps_for_ms = 3600000}},
        {"skipped", {.skip = true}},
        {"skipped, dropped", {.skip = true, .drop = true}},
        {"worker skips", {.worker_skip = true}},
        {"held", {.hold = true}},
        {"released", {.hold = true, .released = true, .procs = "Cs4/5"}},
        {"forced", {.released = true, .forced = true, .procs = "Cs4/5", .gaps = "p0-5:2/3"}},
        {"late", {.late = true, .procs = "Cs5/5 Os5/5"}},
        {"observed", {.observe = true}},
        {"second generation settles", {.generation = 2, .unsettled = true}},
        {"second generation, runs in progress", {.generation = 2, .in_progress = true, .procs = "CS5/5"}},
        {"retriggered", {.generation = 2, .retriggered = true, .unsettled = true}},
        {"join is awaited", {.joins = "waiting"}},
        {"join is absent", {.joins = "absent"}},
        {"join is open", {.joins = "triggered"}},
        {"join is covered", {.joins = "triggered+8e2c"}},
        {"join waits for us", {.joins = "join"}},
        {"flawless", {.procs = "Cs5/5", .quality = "p0", .quality_check = SL_STRICT}},
        {"flawless but by date", {.procs = "Cs1/1d", .quality = "p0", .quality_check = SL_STRICT}},
        {"gold with an issue", {.procs = "Cs5/5", .quality = "p0 p0:u2:gold:96.5:nulls:pts"}},
        {"silver and bronze", {.procs = "Cs3+2/5 Os5/5", .quality = "p0 p0:u4:silver:90.1:backup p1 p1:u1:bronze:60:thin_sample:1/4"}},
        {"too few usable",
         {.procs = "Cs5/5", .quality = "p0 p0:u1:unusable:0 p0:u2:unusable:5:x p0:u3:unusable:1", .quality_check = SL_STRICT}},
        {"none usable", {.procs = "Cs1/1d", .quality = "p0 p0::unusable:0:missing", .quality_check = SL_SOFT}},
        {"not assessed", {.procs = "Cs5/5", .quality = "p0!", .quality_check = SL_STRICT}},
        {"the rows differ", {.procs = "Cs5/5 Cs5/5", .quality = "p0:rows=20 p1:rows=29"}},
        {"inherited", {.quality = "p0", .inherited = "silver:80:backup_source"}},
        {"nothing to inherit", {.inherited = "-"}},
        {"a run history", {.procs = "Cs5/5 Cs5/5 Cs5/5", .quality = "p0:record=20 p1:record=none p2:record=bad"}},
        {"an input of the phase before", {.quality = "p0", .inherited = "@bronze:60:thin_sample silver:80"}},
        {"inherited with trouble", {.inherited = "!", .quality_check = SL_STRICT}},
        {"complete", {.completeness = SL_STRICT, .complete = "LAL:10/10 MIA:0/0"}},
        {"incomplete", {.completeness = SL_STRICT, .threshold = 0.9, .complete = "BOS:9/10 LAL:10/10 MEM:4/5 MIA:8/10"}},
        {"incomplete, soft", {.completeness = SL_SOFT, .complete = "MIA:1/10"}},
        {"nobody plays", {.completeness = SL_STRICT}},
        {"completeness can't be asked", {.completeness = SL_STRICT, .complete = "!"}},
        {"everything at once", FB_EVERYTHING},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct fb_row before = CASES[i].row;
        before.no_checks = true;
        comes_back(CASES[i].label, &CASES[i].row);
        comes_back(CASES[i].label, &before);
    }
}

/* Names that JSON has to write in another way. */
Test(facts_read, awkward_names)
{
    static const char *UNITS[] = {"\"quoted\"; -- '", "back\\slash\ttab", "\xc3\xbc\xe2\x82\xac", "\x01"};
    struct facts_builder b;
    struct sl_facts again;
    struct sl_err err = {0};
    const struct fb_row row = {.procs = "Cs1/5"};
    facts_build(&b, &row);
    b.facts.procs[0].coverage.missing = UNITS;
    facts_decide(&b, &row);
    const char *text = facts_text(&b, &b.facts);
    cr_assert_eq(sl_facts_read(&again, &b.config, text, strlen(text), &b.arena, &err), SL_OK, "%s", err.text);
    for (size_t i = 0; i < 4; i++)
        cr_expect_str_eq(again.procs[0].coverage.missing[i], UNITS[i]);
    facts_fini(&b);
}

/* Lists that were cut keep their counts; what decides does so as before. */
Test(facts_read, cut_lists_keep_their_counts)
{
    enum { MANY = 40000, GAPS = 20000 };
    const struct fb_row row = {.procs = "Cs0/5 Cs0/5"};
    struct facts_builder b;
    struct sl_facts again;
    struct sl_err err = {0};
    facts_build(&b, &row);
    const char **missing = sl_arena_array(&b.arena, MANY, sizeof *missing);
    for (size_t i = 0; i < MANY; i++)
        missing[i] = "0022400123";
    struct sl_coverage *coverage = &b.facts.procs[0].coverage;
    coverage->missing = missing;
    coverage->n_missing = MANY;
    coverage->n_due = MANY + 100;
    coverage->n_primary = 100;
    b.facts.checks_gathered = true;
    b.facts.n_gaps = GAPS;
    b.facts.gaps = sl_arena_array(&b.arena, GAPS, sizeof *b.facts.gaps);
    for (size_t i = 0; i < GAPS; i++)
        b.facts.gaps[i] = (struct sl_gap){.processor = b.facts.procs[0].processor, .date = FB_DATE - 1, .n_due = 3};
    b.facts.gaps[0].units = missing;
    b.facts.gaps[0].n_units = MANY;
    const char *text = facts_text(&b, &b.facts);
    cr_assert_eq(sl_facts_read(&again, &b.config, text, strlen(text), &b.arena, &err), SL_OK, "%s", err.text);
    cr_expect_eq(again.procs[0].coverage.n_missing, MANY);
    cr_expect_str_eq(again.procs[0].coverage.missing[0], "0022400123");
    cr_expect_str_eq(again.procs[0].coverage.missing[MANY - 1], "?");
    cr_expect_eq(again.n_gaps, GAPS);
    cr_expect_eq(again.gaps[0].n_units, MANY);
    struct sl_decision now, then;
    sl_gate_decide(&then, &b.config, &b.facts, &b.arena);
    sl_gate_decide(&now, &b.config, &again, &b.arena);
    cr_expect_eq(now.state, then.state);
    cr_expect_eq(now.reasons, then.reasons);
    cr_expect_str_eq(now.waits_for, then.waits_for);
    facts_fini(&b);
}

/* Another config: what it no longer names is left out, what it names in addition has no facts, and it says what is required. */
Test(facts_read, under_another_config)
{
    const struct fb_row row = {.procs = "Cs5/5 Os2/5 Os5/5", .upstream = "Cs5/5 Cs4/5", .gaps = "p1-3:2/2 p0-2:1/2", .joins = "join"};
    struct facts_builder b, other;
    struct sl_facts again;
    struct sl_err err = {0};
    const struct fb_row smaller = {.procs = "Os5/5", .upstream = "Cs5/5", .joins = "join"};
    facts_build(&b, &row);
    facts_decide(&b, &row);
    facts_build(&other, &smaller);
    const char *text = facts_text(&b, &b.facts);
    other.phases[FB_OWN].processors[0].name = "p1";
    cr_assert_eq(sl_facts_read(&again, &other.config, text, strlen(text), &b.arena, &err), SL_OK, "%s", err.text);
    cr_assert_eq(again.n_procs, 1);
    cr_expect_eq(again.procs[0].need, SL_OPTIONAL);
    cr_expect_eq(again.procs[0].coverage.n_missing, 3);
    cr_expect_eq(again.upstream[0].n, 1);
    cr_assert_eq(again.n_gaps, 1);
    cr_expect_eq(again.gaps[0].date, FB_DATE - 3);
    other.phases[FB_OWN].processors[0].name = "somebody";
    cr_assert_eq(sl_facts_read(&again, &other.config, text, strlen(text), &b.arena, &err), SL_OK, "%s", err.text);
    cr_expect_null(again.procs[0].run);
    other.phases[FB_OWN].name = "elsewhere";
    cr_expect_eq(sl_facts_read(&again, &other.config, text, strlen(text), &b.arena, &err), SL_NOT_FOUND);
    facts_fini(&other);
    facts_fini(&b);
}

Test(facts_read, what_is_not_ours_is_refused)
{
    static const struct {
        const char *label, *from, *to;
    } CASES[] = {
        {"not JSON", "{\"phase\"", "{phase"},
        {"no phase", "\"phase\":\"phase_3_analytics\"", "\"phase\":null"},
        {"phase of another type", "\"phase\":\"phase_3_analytics\"", "\"phase\":3"},
        {"impossible date", "\"date\":\"2025-04-15\"", "\"date\":\"2025-02-30\""},
        {"unknown profile", "\"profile\":\"past\"", "\"profile\":\"gone\""},
        {"generation 0", "\"generation\":1,\"now\"", "\"generation\":0,\"now\""},
        {"no now", "\"now\":\"2025-04-17T08:00:00Z\"", "\"now\":null"},
        {"now without an offset", "\"now\":\"2025-04-17T08:00:00Z\"", "\"now\":\"2025-04-17T08:00:00\""},
        {"negative count", "\"planned\":5", "\"planned\":-5"},
        {"more done than planned", "\"done\":5", "\"done\":6"},
        {"a huge count", "\"missing_count\":1", "\"missing_count\":1000000000"},
        {"names without a count", "\"missing_count\":1", "\"missing_count\":0"},
        {"a name that is none", "[\"u5\"]", "[5]"},
        {"a list that is none", "[\"u5\"]", "\"u5\""},
        {"unknown status", "\"status\":\"success\"", "\"status\":\"fine\""},
        {"unknown need", "\"required\":\"critical\"", "\"required\":\"much\""},
        {"a clock beyond all time", "\"clock_ms\":0", "\"clock_ms\":9223372036854775807"},
        {"a flag that is none", "\"drained\":true", "\"drained\":1"},
        {"more flawless units than units", "\"flawless\":4", "\"flawless\":6"},
        {"an unknown tier", "\"tier\":\"bronze\"", "\"tier\":\"tin\""},
        {"an assessed unit without a name", "\"unit\":\"u2\"", "\"unit\":null"},
        {"more than is expected", "\"actual\":8,\"missing\"", "\"actual\":11,\"missing\""},
        {"more lack something than there are", "\"entities\":2", "\"entities\":0"},
        {"too many entities", "\"entities\":2", "\"entities\":2000000000"},
        {"inherited from nowhere", "\"inherited\":[{\"phase\"", "\"inherited\":[{\"place\""},
        {"a gap of nobody", "\"processor\":\"p0\"", "\"nobody\":\"p0\""},
        {"a gap on no date", "\"date\":\"2025-04-10\"", "\"date\":null"},
        {"a count of gaps", "\"count\":1", "\"count\":2"},
        {"a join with an unknown state", "\"state\":\"waiting\"", "\"state\":\"open\""},
    };
    const struct fb_row row = {.procs = "Cs4/5",
                               .soft_units = true,
                               .gaps = "p0-5:1/3",
                               .joins = "waiting",
                               .completeness = SL_STRICT,
                               .complete = "LAL:10/10 MIA:8/10",
                               .quality = "p0 p0:u2:bronze:60:thin",
                               .inherited = "silver:80:backup"};
    struct facts_builder b;
    struct sl_facts again;
    facts_build(&b, &row);
    facts_decide(&b, &row);
    const char *text = facts_text(&b, &b.facts);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_err err = {0};
        const char *at = strstr(text, CASES[i].from);
        cr_assert_not_null(at, "%s: %s", CASES[i].label, text);
        const char *bad = sl_arena_printf(&b.arena, "%.*s%s%s", (int)(at - text), text, CASES[i].to, at + strlen(CASES[i].from));
        cr_expect_eq(sl_facts_read(&again, &b.config, bad, strlen(bad), &b.arena, &err), SL_CORRUPT, "%s", CASES[i].label);
        cr_expect_neq(err.text[0], '\0', "%s", CASES[i].label);
    }
    facts_fini(&b);
}
