/* test_gate_events.c - what a decision leaves in the coverage log: which events, how severe, and with ids that a recheck repeats (RULES 4, 12, 22). */
#include <criterion/criterion.h>
#include <string.h>

#include "support/facts_builder.h"

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

struct events {
    struct sl_event *all;
    size_t n;
};

static struct events events_of(struct facts_builder *b, const struct sl_gate *before)
{
    struct events events = {0};
    sl_gate_events(&events.all, &events.n, &b->config, &b->facts, &b->decision, before, &b->arena);
    return events;
}

/* "type:severity[:processor[:unit or date]]", one per event, joined by blanks. */
static const char *events_text(struct facts_builder *b, const struct events *events)
{
    const char *text = "";
    char date[SL_DATE_LEN + 1];
    for (size_t i = 0; i < events->n; i++) {
        const struct sl_event *event = &events->all[i];
        const char *what = event->unit ? event->unit : event->date != FB_DATE ? sl_date_format(event->date, date) : NULL;
        text = sl_arena_printf(&b->arena, "%s%s%s:%s%s%s%s%s", text, i ? " " : "", event->type, sl_severity_name(event->severity),
                               event->processor ? ":" : "", event->processor ? event->processor : "", what ? ":" : "", what ? what : "");
    }
    return text;
}

/* Decides on the facts of `row`, of a gate that is new; `b` is the caller's to free. */
static struct events expect_events(struct facts_builder *b, const struct fb_row *row, const char *expected, const char *label)
{
    facts_build(b, row);
    facts_decide(b, row);
    struct events events = events_of(b, NULL);
    cr_expect_str_eq(events_text(b, &events), expected, "%s: %s", label, events_text(b, &events));
    return events;
}

Test(gate_events, of_a_new_gate)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *expected;
    } CASES[] = {
        {"open", {.procs = "Cs5/5"}, "gate_triggered:info"},
        {"open, nothing comes after", {.no_follower = true}, "gate_triggered:info"},
        {"waiting for others", {.procs = "Cs5/5 C."}, ""},
        {"who has not reported is not judged", {.procs = "Cs5/5 C.3/5"}, ""},
        {"nothing has taken place, though records were written",
         {.procs = "Cs0/0", .profile = SL_TODAY, .not_done = 5},
         "gate_triggered:info"},
        {"waiting for the calendar: nothing was looked at", {.procs = "Cf", .not_done = 1}, ""},
        {"empty", {.planned = -1}, ""},
        {"empty, triggers", {.planned = -1, .on_empty_trigger = true}, "gate_triggered:info"},
        {"observed", {.observe = true}, ""},
        {"suppressed", {.skip = true}, "gate_suppressed:info"},
        {"settling: nothing was looked at", {.procs = "Cs4/5", .generation = 2, .unsettled = true}, ""},
        {"a critical run failed", {.procs = "Cf"}, "run_failed:critical:p0 gate_blocked:critical"},
        {"a critical run failed, an optional too",
         {.procs = "Cf Of"},
         "run_failed:critical:p0 run_failed:warning:p1 gate_blocked:critical"},
        {"a run that is not required failed", {.procs = "Cs5/5 Nf"}, "gate_triggered:info"},
        {"an optional run failed", {.procs = "Cs5/5 Cs5/5 Of"}, "run_failed:warning:p2 gate_triggered:info"},
        {"units of a critical one",
         {.procs = "Cs3/5"},
         "source_missing:critical:p0:u4 source_missing:critical:p0:u5 units_missing:warning gate_blocked:critical"},
        {"units of an optional one",
         {.procs = "Cs5/5 Cs5/5 Os4/5"},
         "source_missing:warning:p2:u5 units_missing:warning gate_triggered:info"},
        {"no unit of an optional one", {.procs = "Cs5/5 Cs5/5 On0/1"}, "source_missing:warning:p2:u1 gate_triggered:info"},
        {"no data", {.procs = "Cs0/1z"}, "source_missing:critical:p0:u1 gate_blocked:critical"},
        {"by date", {.procs = "Cs0/1dz"}, "source_missing:critical:p0 gate_blocked:critical"},
        {"a fallback has it", {.procs = "Cs4+1/5"}, "fallback_used:info:p0:u5 gate_triggered:info"},
        {"a fallback has it, by date, and the run knew", {.procs = "Cn0+1/1d"}, "fallback_used:info:p0 gate_triggered:info"},
        {"the first fallback can't be asked",
         {.procs = "Cs4/5?"},
         "source_error:info:p0 source_missing:critical:p0:u5 fallback_failed:info:p0:u5 units_missing:warning gate_blocked:critical"},
        {"the primary can't be asked: nothing is said to be missing", {.procs = "Cs!"}, "source_error:info:p0 gate_blocked:critical"},
        {"no_data, though the rows are there", {.procs = "Cn5/5"}, "rows_without_run:warning:p0 gate_triggered:info"},
        {"no_data, though some rows are there",
         {.procs = "Cn2/2 On1/2 Cs5/5"},
         "rows_without_run:warning:p0 source_missing:warning:p1:u2 rows_without_run:warning:p1 "
         "units_missing:warning gate_triggered:info"},
        {"success of nothing, though the rows are there: that is data", {.procs = "Cs5/5z"}, "gate_triggered:info"},
        {"records, but no rows", {.procs = "Cs0/1"}, "source_missing:critical:p0:u1 run_without_rows:critical:p0 gate_blocked:critical"},
        {"records of an optional one, but no rows",
         {.procs = "Cs5/5 Cs5/5 Os0/1"},
         "source_missing:warning:p2:u1 run_without_rows:warning:p2 gate_triggered:info"},
        {"nothing has taken place", {.procs = "Cn0/0", .profile = SL_TODAY, .not_done = 5}, "gate_triggered:info"},
        {"no table, no_data: its run says so", {.procs = "Cn"}, "gate_blocked:critical"},
        {"strict gap", {.gaps = "p0-119:2/2"}, "date_gap:critical:p0:2024-12-17 gate_blocked:critical"},
        {"soft gap", {.gaps = "p0-119:2/2", .soft_gaps = true}, "date_gap:warning:p0:2024-12-17 gate_triggered:info"},
        {"strict gap in the bootstrap: soft",
         {.gaps = "p0-1:2/2", .bootstrap_days = 14, .season_day = 5},
         "date_gap:warning:p0:2025-04-14 gate_triggered:info"},
        {"a gap that can't be asked", {.gaps = "p0-1:!"}, "gate_blocked:critical"},
        {"gaps of two",
         {.procs = "Cs5/5 Cs5/5", .gaps = "p0-2:1/2 p1-2:2/2 p1-1:date"},
         "date_gap:critical:p0:2025-04-13 date_gap:critical:p1:2025-04-13 "
         "date_gap:critical:p1:2025-04-14 gate_blocked:critical"},
        {"upstream alone: it follows", {.upstream = "Cf"}, "gate_blocked:info"},
        {"upstream failed and running: it follows", {.upstream = "Cf Cr"}, "gate_blocked:info"},
        {"upstream and gaps", {.upstream = "Cf", .gaps = "p0-1:2/2"}, "date_gap:critical:p0:2025-04-14 gate_blocked:critical"},
        {"upstream is running", {.upstream = "Cr"}, ""},
        {"upstream can't be asked", {.upstream = "Cs!"}, "gate_blocked:critical"},
        {"opened by the deadline",
         {.procs = "Cs5/5 O. O.", .deadline_ms = MINUTE, .clock_ms = HOUR},
         "gate_triggered:info gate_degraded:warning"},
        {"held by the deadline",
         {.procs = "Cs5/5 O. O.", .then = SL_DEADLINE_HOLD, .deadline_ms = MINUTE, .clock_ms = HOUR},
         "gate_blocked:critical"},
        {"opened by degrade_after",
         {.gaps = "p0-1:2/2", .degrade_after_ms = HOUR, .blocked_by_gaps_for_ms = HOUR},
         "date_gap:critical:p0:2025-04-14 gate_triggered:info "
         "gate_degraded:warning"},
        {"soft failures are no degradation", {.procs = "Cp5/5"}, "gate_triggered:info"},
        {"released", {.skip = true, .released = true}, "gate_triggered:info gate_released:info"},
        {"adopted by a join", {.joins = "triggered+8e2c"}, "gate_triggered:info"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        struct events events = expect_events(&b, &CASES[i].row, CASES[i].expected, CASES[i].label);
        for (size_t k = 0; k < events.n; k++) {
            cr_expect_eq(strlen(events.all[k].event_id), SL_UUID_LEN, "%s", CASES[i].label);
            cr_expect_not_null(events.all[k].description, "%s: %s", CASES[i].label, events.all[k].type);
            cr_expect_eq(events.all[k].requires_alert, events.all[k].severity == SL_SEV_CRITICAL, "%s: %s", CASES[i].label,
                         events.all[k].type);
            for (size_t other = 0; other < k; other++)
                cr_expect_str_neq(events.all[k].event_id, events.all[other].event_id, "%s", CASES[i].label);
        }
        facts_fini(&b);
    }
}

/* Gate events only when state or reasons change; what the steps found always, under the same ids. */
Test(gate_events, of_the_checks)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *expected;
    } CASES[] = {
        {"gold", {.quality = "p0"}, "gate_triggered:info"},
        {"below gold",
         {.quality = "p0:u2:silver:80 p0:u3:unusable:0"},
         "quality_degradation:info:p0:u2 quality_degradation:info:p0:u3 gate_triggered:info"},
        {"counts differ a little", {.quality = "p0:rows=28"}, "validation_failure:info:p0 gate_triggered:info"},
        {"counts differ", {.quality = "p0:rows=20"}, "validation_failure:warning:p0 gate_triggered:info"},
        {"the run history says other",
         {.quality = "p0:rows=20 p0:record=29"},
         "validation_failure:warning:p0 validation_failure:info:p0 gate_triggered:info"},
        {"the run history has no such run", {.quality = "p0:record=none"}, "validation_failure:warning:p0 gate_triggered:info"},
        {"who lacks units, strict",
         {.completeness = SL_STRICT, .complete = "BOS:10/10 MIA:1/10"},
         "completeness_gap:critical gate_blocked:critical"},
        {"who lacks units, soft",
         {.completeness = SL_SOFT, .complete = "BOS:1/10 MIA:1/10"},
         "completeness_gap:warning completeness_gap:warning gate_triggered:info"},
        {"lacks some, but not too many", {.completeness = SL_STRICT, .complete = "MIA:9/10"}, "gate_triggered:info"},
        {"who lacks units in the bootstrap",
         {.completeness = SL_STRICT, .complete = "MIA:0/3", .bootstrap_days = 14, .season_day = 3},
         "completeness_gap:warning gate_triggered:info"},
        {"what was missing has come",
         {.found_before = "p0:u2:source_missing p0:u3:fallback_used"},
         "source_available:info:p0:u2 source_available:info:p0:u3 gate_triggered:info"},
        {"it has come to a fallback only",
         {.procs = "Cs1+4/5", .found_before = "p0:u2:source_missing"},
         "fallback_used:info:p0:u2 fallback_used:info:p0:u3 fallback_used:info:p0:u4 fallback_used:info:p0:u5 gate_triggered:info"},
        {"the unit is gone", {.found_before = "p0:u9:source_missing"}, "gate_triggered:info"},
        {"the date has come",
         {.procs = "Cs1/1d", .found_before = "p0:date:source_missing"},
         "source_available:info:p0 gate_triggered:info"},
        {"no fallback could say",
         {.procs = "Cs4/5?"},
         "source_error:info:p0 source_missing:critical:p0:u5 fallback_failed:info:p0:u5 units_missing:warning gate_blocked:critical"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        expect_events(&b, &CASES[i].row, CASES[i].expected, CASES[i].label);
        facts_fini(&b);
    }
}

/* Reconstructions: made, too few rows, failed; a source that took too long; fewer rows than expected. */
Test(gate_events, of_sources)
{
    static struct sl_served SERVED[] = {{"u5", 3}};
    static struct sl_rebuilt REBUILT[] = {{"u5", 4, NULL}, {"u6", 1, NULL}, {"u7", 0, "no such table: raw.x"}};
    static struct sl_quality_profile PROFILE = {.expected_rows = 3};
    const struct fb_row row = {.procs = "Cs4+1/5!", .quality = "p0"};
    struct facts_builder b;
    facts_build(&b, &row);
    struct sl_proc_facts *proc = &b.facts.procs[0];
    struct sl_processor *processor = b.phases[FB_OWN].processors;
    bool timed_out[] = {false, true, false};
    const char *errors[] = {NULL, "took longer than 60s", NULL};
    processor->quality = &PROFILE;
    processor->reconstruction_min_rows = 2;
    proc->coverage.served = SERVED;
    proc->coverage.rebuilt = REBUILT;
    proc->coverage.n_rebuilt = 3;
    proc->coverage.source_errors = errors;
    proc->coverage.source_timed_out = timed_out;
    proc->quality.n_units = 1;
    facts_decide(&b, &row);
    struct events events = events_of(&b, NULL);
    cr_expect_str_eq(events_text(&b, &events),
                     "source_timeout:info:p0 reconstruction:info:p0:u5 reconstruction_failed:info:p0:u6 reconstruction_failed:info:p0:u7 "
                     "source_degraded:info:p0:u1 gate_triggered:info",
                     "%s", events_text(&b, &events));
    facts_fini(&b);
}

Test(gate_events, gate_events_only_on_change)
{
    static const struct {
        const char *label;
        struct fb_row row;
        enum sl_state before;
        sl_reasons reasons;
        const char *expected;
    } CASES[] = {
        {"still blocked", {.procs = "Cs0/1z"}, SL_BLOCKED, SL_REASON_BIT(SL_REASON_NO_DATA), "source_missing:critical:p0:u1"},
        {"blocked for another reason",
         {.procs = "Cs0/1z"},
         SL_BLOCKED,
         SL_REASON_BIT(SL_REASON_UNITS),
         "source_missing:critical:p0:u1 gate_blocked:critical"},
        {"was waiting",
         {.procs = "Cs0/1z"},
         SL_WAITING,
         SL_REASON_BIT(SL_REASON_NO_DATA),
         "source_missing:critical:p0:u1 gate_blocked:critical"},
        {"opens", {.procs = "Cs5/5"}, SL_WAITING, SL_REASON_BIT(SL_REASON_BARRIER), "gate_triggered:info"},
        {"is open", {.procs = "Cs5/5"}, SL_TRIGGERED, 0, ""},
        {"is open, with a reason more", {.procs = "Cp5/5"}, SL_TRIGGERED, 0, "gate_triggered:info"},
        {"is suppressed", {.skip = true}, SL_SUPPRESSED, SL_REASON_BIT(SL_REASON_SKIP), ""},
        {"is released",
         {.skip = true, .released = true},
         SL_SUPPRESSED,
         SL_REASON_BIT(SL_REASON_SKIP),
         "gate_triggered:info gate_released:info"},
        {"still waits with units", {.procs = "Os4/5 C."}, SL_WAITING, SL_REASON_BIT(SL_REASON_BARRIER), "source_missing:warning:p0:u5"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        const struct sl_gate before = {.state = CASES[i].before, .reasons = CASES[i].reasons};
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        struct events events = events_of(&b, &before);
        cr_expect_str_eq(events_text(&b, &events), CASES[i].expected, "%s: %s", CASES[i].label, events_text(&b, &events));
        facts_fini(&b);
    }
}

static const char *id_of(struct facts_builder *b, const struct fb_row *row, const char *type)
{
    facts_build(b, row);
    facts_decide(b, row);
    struct events events = events_of(b, NULL);
    for (size_t i = 0; i < events.n; i++)
        if (!strcmp(events.all[i].type, type))
            return events.all[i].event_id;
    cr_assert_fail("no %s", type);
    return NULL;
}

/* Two decisions, and whether an event of both is one and the same. */
Test(gate_events, identities)
{
    static const struct {
        const char *label, *type;
        struct fb_row one, two;
        bool same;
    } CASES[] = {
        {"source_missing, an hour later", "source_missing", {.procs = "Cs4/5"}, {.procs = "Cs4/5", .now_after_ms = HOUR}, true},
        {"source_missing, a newer run", "source_missing", {.procs = "Cs4/5"}, {.procs = "Cp4/5"}, true},
        {"source_missing, another generation", "source_missing", {.procs = "Cs4/5"}, {.procs = "Cs4/5", .generation = 2}, false},
        {"source_missing, another unit", "source_missing", {.procs = "Cs4/5"}, {.procs = "Cs3/4"}, false},
        {"source_missing, another processor", "source_missing", {.procs = "Cs4/5"}, {.procs = "Cs5/5 Cs4/5"}, false},
        {"fallback_used, again", "fallback_used", {.procs = "Cs4+1/5"}, {.procs = "Cs4+1/5", .now_after_ms = HOUR}, true},
        {"fallback_used, another generation", "fallback_used", {.procs = "Cs4+1/5"}, {.procs = "Cs4+1/5", .generation = 2}, false},
        {"run_failed, the same execution in another generation", "run_failed", {.procs = "Cf"}, {.procs = "Cf", .generation = 2}, true},
        {"rows_without_run, the same execution", "rows_without_run", {.procs = "Cn5/5"}, {.procs = "Cn4/5"}, true},
        {"date_gap, another gate of the phase",
         "date_gap",
         {.gaps = "p0-3:1/2"},
         {.gaps = "p0-3:2/2", .generation = 2, .profile = SL_TODAY},
         true},
        {"date_gap, another date", "date_gap", {.gaps = "p0-3:1/2"}, {.gaps = "p0-4:1/2"}, false},
        {"gate_blocked, the same reasons", "gate_blocked", {.procs = "Cf"}, {.procs = "Cf C.", .now_after_ms = HOUR}, true},
        {"gate_blocked, other reasons", "gate_blocked", {.procs = "Cf"}, {.procs = "Cs4/5"}, false},
        {"gate_blocked, another generation", "gate_blocked", {.procs = "Cf"}, {.procs = "Cf", .generation = 2}, false},
        {"gate_triggered, a soft reason", "gate_triggered", {.procs = "Cs5/5"}, {.procs = "Cp5/5"}, false},
        {"units_missing, once per generation", "units_missing", {.procs = "Cs4/5"}, {.procs = "Cs4/5", .soft_units = true}, true},
        {"units_missing, another generation", "units_missing", {.procs = "Cs4/5"}, {.procs = "Cs4/5", .generation = 2}, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder one, two;
        const char *a = id_of(&one, &CASES[i].one, CASES[i].type), *b = id_of(&two, &CASES[i].two, CASES[i].type);
        cr_expect_eq(!strcmp(a, b), CASES[i].same, "%s: %s and %s", CASES[i].label, a, b);
        facts_fini(&one);
        facts_fini(&two);
    }
}

/* RULES 4, computed by hand. */
Test(gate_events, the_id_is_made_of_its_parts)
{
    static const struct {
        const char *label, *type;
        struct fb_row row;
        const char *name;
    } CASES[] = {
        {"a unit", "source_missing", {.procs = "Cs4/5"}, "nba|source_missing|phase_3_analytics|p0|nba_analytics.t0|2025-04-15|u5||1"},
        {"a date",
         "source_missing",
         {.procs = "Cs0/1d", .generation = 3},
         "nba|source_missing|phase_3_analytics|p0|nba_analytics.t0|2025-04-15|||3"},
        {"a fallback",
         "fallback_used",
         {.procs = "Cs4+1/5"},
         "nba|fallback_used|phase_3_analytics|p0|nba_analytics.t0|2025-04-15|u5|nba_analytics.f0|1"},
        {"a run", "run_failed", {.procs = "Cf5/5"}, "nba|run_failed|phase_3_analytics|p0|nba_analytics.t0|2025-04-15|||e0"},
        {"a gap", "date_gap", {.gaps = "p0-119:2/2"}, "nba|date_gap|phase_3_analytics|p0|nba_analytics.t0|2024-12-17|||"},
        {"a gate", "gate_blocked", {.procs = "Cs4/5 Cs0/5"}, "nba|gate_blocked|phase_3_analytics|||2025-04-15||blocked:no_data,units|1"},
        {"a gate without reasons", "gate_triggered", {.procs = "Cs5/5"}, "nba|gate_triggered|phase_3_analytics|||2025-04-15||triggered:|1"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        char text[SL_UUID_LEN + 1];
        const char *id = id_of(&b, &CASES[i].row, CASES[i].type);
        struct sl_uuid ns = sl_uuid5(SL_UUID_DNS, "sluice.event", strlen("sluice.event"));
        cr_expect_str_eq(id, sl_uuid_format(sl_uuid5(ns, CASES[i].name, strlen(CASES[i].name)), text), "%s", CASES[i].label);
        facts_fini(&b);
    }
}

Test(gate_events, what_an_event_says)
{
    static const struct {
        const char *label, *type;
        struct fb_row row;
        const char *table, *status, *resolution, *details, *impact, *tried, *execution;
    } CASES[] = {
        {"source_missing",
         "source_missing",
         {.procs = "Cs4/5"},
         "nba_analytics.t0",
         "missing",
         "failed",
         NULL,
         "predictions_blocked",
         "nba_analytics.f0,nba_analytics.f0_2",
         "e0"},
        {"source_missing of an optional one",
         "source_missing",
         {.procs = "Os4/5"},
         "nba_analytics.t0",
         "missing",
         "failed",
         NULL,
         NULL,
         "nba_analytics.f0,nba_analytics.f0_2",
         "e0"},
        {"fallback_used",
         "fallback_used",
         {.procs = "Cs4+1/5"},
         "nba_analytics.t0",
         "missing",
         "used_fallback",
         "nba_analytics.f0",
         "predictions_degraded",
         "nba_analytics.f0",
         "e0"},
        {"date_gap, some units", "date_gap", {.gaps = "p0-1:1/2"}, "nba_analytics.t0", "partial", NULL, NULL, NULL, "", NULL},
        {"date_gap, every unit", "date_gap", {.gaps = "p0-1:2/2"}, "nba_analytics.t0", "missing", NULL, NULL, NULL, "", NULL},
        {"date_gap by date", "date_gap", {.gaps = "p0-1:date"}, "nba_analytics.t0", "missing", NULL, NULL, NULL, "", NULL},
        {"source_error", "source_error", {.procs = "Cs!"}, "nba_analytics.t0", "error", NULL, NULL, NULL, "", "e0"},
        {"gate_blocked", "gate_blocked", {.procs = "Cf"}, NULL, NULL, NULL, NULL, "predictions_blocked", "", NULL},
        {"units_missing", "units_missing", {.procs = "Cs4/5"}, NULL, NULL, NULL, NULL, "features_partial", "", NULL},
        {"adopted trigger", "gate_triggered", {.joins = "triggered+8e2c"}, NULL, NULL, NULL, "8e2c", NULL, "", NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        struct events events = events_of(&b, NULL);
        const struct sl_event *event = NULL;
        for (size_t k = 0; !event && k < events.n; k++)
            event = !strcmp(events.all[k].type, CASES[i].type) ? &events.all[k] : NULL;
        cr_assert_not_null(event, "%s", CASES[i].label);
        cr_expect(sl_str_eq(event->table, CASES[i].table), "%s: table %s", CASES[i].label, event->table);
        cr_expect(sl_str_eq(event->primary_source_status, CASES[i].status), "%s: status %s", CASES[i].label, event->primary_source_status);
        cr_expect(sl_str_eq(event->resolution, CASES[i].resolution), "%s: resolution", CASES[i].label);
        cr_expect(sl_str_eq(event->resolution_details, CASES[i].details), "%s: details", CASES[i].label);
        cr_expect(sl_str_eq(event->downstream_impact, CASES[i].impact), "%s: impact", CASES[i].label);
        cr_expect(sl_str_eq(event->execution_id, CASES[i].execution), "%s: execution %s", CASES[i].label, event->execution_id);
        cr_expect_str_eq(facts_names(&b, event->fallbacks_tried, event->n_fallbacks_tried), CASES[i].tried, "%s", CASES[i].label);
        cr_expect_str_eq(event->phase, "phase_3_analytics");
        cr_expect_str_eq(event->season, "2024-25");
        cr_expect_eq(event->at_us, FB_NOW_US);
        facts_fini(&b);
    }
}
