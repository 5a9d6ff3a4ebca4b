/* facts_builder.c - facts of a gate from a row's short words. A word that is not understood ends the test. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/facts_builder.h"

enum { MINUTE_MS = 60 * 1000, HOUR_MS = 60 * MINUTE_MS };

static const char *const PHASES[] = {"phase_2_raw", "phase_3_analytics", "phase_4_precompute", "phase_3_side"};

/* ---- policy ---- */

static struct sl_source source_make(struct facts_builder *b, enum fb_phase phase, int processor, int source)
{
    static const char *const DATASETS[] = {"nba_raw", "nba_analytics", "nba_precompute", "nba_side"};
    const char *name = source == 0   ? sl_arena_printf(&b->arena, "%s.t%d", DATASETS[phase], processor)
                       : source == 1 ? sl_arena_printf(&b->arena, "%s.f%d", DATASETS[phase], processor)
                                     : sl_arena_printf(&b->arena, "%s.f%d_%d", DATASETS[phase], processor, source);
    return (struct sl_source){.table = name, .date_column = "game_date", .unit_column = "game_id"};
}

static void checks_of(struct facts_builder *b, const struct fb_row *row)
{
    struct sl_checks *checks = &b->phases[FB_OWN].checks;
    checks->units = row->soft_units ? SL_SOFT : SL_STRICT;
    checks->upstream.mode = row->no_upstream_check ? SL_OFF : row->soft_upstream ? SL_SOFT : SL_STRICT;
    checks->upstream.running_timeout_ms = 4 * HOUR_MS;
    checks->gaps.mode = row->no_gaps_check ? SL_OFF : row->soft_gaps ? SL_SOFT : SL_STRICT;
    checks->gaps.look_back_days = 30;
    checks->gaps.degrade_after_ms = row->degrade_after_ms ? row->degrade_after_ms : -1;
    checks->completeness.mode = row->completeness;
    checks->completeness.entity = "team";
    checks->completeness.entity_column = "team_abbr";
    checks->completeness.table = "nba_raw.t0";
    checks->completeness.window = (struct sl_window){SL_WINDOW_UNITS, 10};
    checks->completeness.threshold = row->threshold > 0 ? row->threshold : 0.7;
    checks->quality.mode = row->quality_check;
    checks->quality.min_usable = row->min_usable > 0 ? row->min_usable : 0.6;
    b->phases[FB_UP].checks.units = row->upstream_soft_units ? SL_SOFT : SL_STRICT;
}

static void policy_of(struct facts_builder *b, const struct fb_row *row)
{
    static size_t followers[] = {FB_NEXT}, up[] = {FB_UP}, joined[] = {FB_OWN, FB_SIDE};
    b->config = (struct sl_config){.pipeline = "nba", .hash = "c0ffee", .phases = b->phases, .n_phases = FB_N_PHASES};
    cr_assert_eq(sl_zone_load(&b->config.zone, "America/Los_Angeles", NULL), SL_OK);
    for (size_t i = 0; i < FB_N_PHASES; i++)
        b->phases[i] = (struct sl_phase){.name = PHASES[i], .index = i, .rank = i, .expect_by_minutes = -1};
    struct sl_phase *own = &b->phases[FB_OWN];
    own->after = up;
    own->n_after = 1;
    own->followers = followers;
    own->n_followers = row->no_follower ? 0 : 1;
    b->phases[FB_NEXT].after = joined;
    b->phases[FB_NEXT].n_after = row->joins ? 2 : 1;
    own->share = row->share > 0 ? row->share : 0.6;
    own->grace_ms = row->grace_ms ? row->grace_ms : 5 * MINUTE_MS;
    own->settle_ms = row->settle_ms ? row->settle_ms : 5 * MINUTE_MS;
    own->deadline.after_ms = row->deadline_ms ? row->deadline_ms : -1;
    own->deadline.at_minutes = row->deadline_at_9 ? 9 * 60 : -1;
    own->deadline.then = row->then;
    own->deadline.waive_critical = row->waive_critical;
    own->on_empty = row->on_empty_trigger ? SL_EMPTY_TRIGGER : SL_EMPTY_NOTHING;
    own->on_skip = row->drop ? SL_SKIP_DROP : SL_SKIP_HOLD;
    own->on_late = row->on_late_retrigger ? SL_LATE_RETRIGGER : SL_LATE_MARK;
    own->observe = row->observe;
    own->bootstrap_days = row->bootstrap_days;
    checks_of(b, row);
}

/* ---- processors ---- */

static const char *unit_name(struct facts_builder *b, size_t i)
{
    return sl_arena_printf(&b->arena, "u%zu", i + 1);
}

/* "P+F/N": the first P units from the primary, F from the fallback, the rest missing. Returns what follows. */
static const char *read_coverage(struct facts_builder *b, struct sl_proc_facts *proc, const char *word)
{
    struct sl_coverage *coverage = &proc->coverage;
    char *at = NULL;
    size_t primary = strtoul(word, &at, 10), served = 0;
    if (*at == '+')
        served = strtoul(at + 1, &at, 10);
    cr_assert_eq(*at, '/', "coverage: %s", word);
    coverage->asked = true;
    coverage->n_due = strtoul(at + 1, &at, 10);
    coverage->n_primary = primary;
    cr_assert_leq(primary + served, coverage->n_due, "coverage: %s", word);
    coverage->served = sl_arena_array(&b->arena, coverage->n_due + 1, sizeof *coverage->served);
    coverage->missing = sl_arena_array(&b->arena, coverage->n_due + 1, sizeof *coverage->missing);
    for (size_t i = primary; i < coverage->n_due; i++) {
        if (i < primary + served)
            coverage->served[coverage->n_served++] = (struct sl_served){unit_name(b, i), 1};
        else
            coverage->missing[coverage->n_missing++] = unit_name(b, i);
    }
    return at;
}

static void source_fails(struct facts_builder *b, struct sl_proc_facts *proc, size_t source)
{
    struct sl_coverage *coverage = &proc->coverage;
    coverage->asked = true;
    coverage->n_source_errors = proc->processor->n_sources;
    coverage->source_errors = sl_arena_array(&b->arena, coverage->n_source_errors, sizeof *coverage->source_errors);
    coverage->source_errors[source] = sl_arena_printf(&b->arena, "no such table: %s", proc->processor->sources[source].table);
}

static void judged_by_date(struct sl_coverage *coverage)
{
    coverage->by_date = true;
    for (size_t i = 0; i < coverage->n_served; i++)
        coverage->served[i].unit = "";
    for (size_t i = 0; i < coverage->n_missing; i++)
        coverage->missing[i] = "";
}

static struct sl_run *run_make(struct facts_builder *b, enum fb_phase phase, const char *processor, int index, enum sl_status status)
{
    struct sl_run *run = sl_arena_alloc(&b->arena, sizeof *run);
    *run = (struct sl_run){.phase = PHASES[phase],
                           .processor = processor,
                           .date = FB_DATE,
                           .status = status,
                           .generation = 1,
                           .known = true,
                           .record_count = 30,
                           .records_failed = 0,
                           .duration_s = NAN,
                           .is_incremental = -1};
    run->execution_id = sl_arena_printf(&b->arena, "e%d", index);
    run->timestamp_us = FB_RUN_US + (int64_t)index * MINUTE_MS * 1000;
    run->correlation_id = sl_arena_printf(&b->arena, "corr-%d", index);
    return run;
}

static void read_status(struct facts_builder *b, struct sl_proc_facts *proc, enum fb_phase phase, int index, char letter,
                        const struct fb_row *row)
{
    static const struct {
        char letter;
        bool has_run, running;
        enum sl_status status;
        int failed;
    } STATUSES[] = {
        {'s', true, false, SL_RUN_SUCCESS, 0}, {'p', true, false, SL_RUN_PARTIAL, 2}, {'q', true, false, SL_RUN_PARTIAL, 0},
        {'n', true, false, SL_RUN_NO_DATA, 0}, {'f', true, false, SL_RUN_FAILED, 0},  {'.', false, false, SL_RUN_FAILED, 0},
        {'r', false, true, SL_RUN_FAILED, 0},  {'S', true, true, SL_RUN_SUCCESS, 0},
    };
    for (size_t i = 0; i < sizeof STATUSES / sizeof *STATUSES; i++) {
        if (STATUSES[i].letter != letter)
            continue;
        if (STATUSES[i].has_run) {
            struct sl_run *run = run_make(b, phase, proc->processor->name, index, STATUSES[i].status);
            run->records_failed = STATUSES[i].failed;
            run->record_count = run->status == SL_RUN_NO_DATA ? 0 : run->record_count;
            proc->run = run;
        }
        if (STATUSES[i].running) {
            struct sl_run *run = run_make(b, phase, proc->processor->name, index, SL_RUN_RUNNING);
            run->timestamp_us = b->facts.now_us - (row->running_for_ms ? row->running_for_ms : HOUR_MS) * 1000;
            proc->running = run;
        }
        return;
    }
    cr_assert_fail("status: %c", letter);
}

static void read_processor(struct facts_builder *b, struct sl_proc_facts *proc, struct sl_processor *processor, enum fb_phase phase,
                           int index, const char *word, const struct fb_row *row)
{
    static const char NEEDS[] = {[SL_NOT_REQUIRED] = 'N', [SL_OPTIONAL] = 'O', [SL_CRITICAL] = 'C'};
    const char *need = memchr(NEEDS, word[0], sizeof NEEDS), *at = word + 2;
    cr_assert(need && word[1], "processor: %s", word);
    processor->name = sl_arena_printf(&b->arena, "p%d", index);
    proc->processor = processor;
    proc->need = (enum sl_need)(need - NEEDS);
    for (size_t i = 0; i < SL_N_PROFILES; i++)
        processor->need[i] = proc->need;
    if (*at && !strchr("zd", *at)) {
        processor->n_sources = 3;
        processor->sources = sl_arena_array(&b->arena, processor->n_sources, sizeof *processor->sources);
        for (int i = 0; i < 3; i++)
            processor->sources[i] = source_make(b, phase, index, i);
    }
    read_status(b, proc, phase, index, word[1], row);
    if (*at >= '0' && *at <= '9')
        at = read_coverage(b, proc, at);
    for (; *at; at++) {
        if (*at == 'd')
            judged_by_date(&proc->coverage);
        else if (*at == 'z' && proc->run)
            ((struct sl_run *)proc->run)->record_count = 0;
        else if (*at == '!' || *at == '?')
            source_fails(b, proc, *at == '?');
        else
            cr_assert_fail("processor: %s", word);
    }
}

static size_t read_processors(struct facts_builder *b, struct sl_proc_facts **out, enum fb_phase phase, const char *words,
                              const struct fb_row *row)
{
    struct sl_phase *owner = &b->phases[phase];
    char *rest = sl_arena_strdup(&b->arena, words), *word;
    size_t n = 0;
    owner->processors = sl_arena_array(&b->arena, FB_MAX_PROCS, sizeof *owner->processors);
    *out = sl_arena_array(&b->arena, FB_MAX_PROCS, sizeof **out);
    while ((word = strsep(&rest, " "))) {
        cr_assert_lt(n, FB_MAX_PROCS);
        if (*word) {
            read_processor(b, &(*out)[n], &owner->processors[n], phase, (int)n, word, row);
            n++;
        }
    }
    owner->n_processors = n;
    return n;
}

/* ---- gaps and joins ---- */

static void read_gap(struct facts_builder *b, struct sl_gap *gap, const char *word)
{
    char *at = NULL;
    cr_assert_eq(word[0], 'p', "gap: %s", word);
    size_t processor = strtoul(word + 1, &at, 10);
    long days = strtol(at + 1, &at, 10);
    cr_assert(processor < b->facts.n_procs && *at == ':', "gap: %s", word);
    gap->processor = b->facts.procs[processor].processor;
    gap->date = FB_DATE - (sl_date)days;
    gap->n_due = 1;
    if (!strcmp(at + 1, "!")) {
        gap->error = "no such column: game_id";
    } else if (strcmp(at + 1, "date") != 0) {
        gap->n_units = strtoul(at + 1, &at, 10);
        gap->n_due = strtoul(at + 1, &at, 10);
        gap->units = sl_arena_array(&b->arena, gap->n_units + 1, sizeof *gap->units);
        for (size_t i = 0; i < gap->n_units; i++)
            gap->units[i] = sl_arena_printf(&b->arena, "d%ldu%zu", days, i + 1);
    }
}

static void read_gaps(struct facts_builder *b, const char *words)
{
    char *rest = sl_arena_strdup(&b->arena, words), *word;
    struct sl_facts *facts = &b->facts;
    while ((word = strsep(&rest, " "))) {
        facts->gaps = sl_arena_push(&b->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
        read_gap(b, &facts->gaps[facts->n_gaps - 1], word);
    }
}

static void read_joins(struct facts_builder *b, const char *words)
{
    char *rest = sl_arena_strdup(&b->arena, words), *word;
    struct sl_facts *facts = &b->facts;
    while ((word = strsep(&rest, " "))) {
        facts->joins = sl_arena_push(&b->arena, facts->joins, &facts->n_joins, sizeof *facts->joins);
        struct sl_join_facts *join = &facts->joins[facts->n_joins - 1];
        char *plus = strchr(word, '+');
        *join = (struct sl_join_facts){.follower = &b->phases[FB_NEXT], .other = &b->phases[FB_SIDE], .exists = true};
        if (plus) {
            join->trigger_id = plus + 1;
            *plus = '\0';
        }
        if (!strcmp(word, "absent"))
            join->exists = false;
        else if (!strcmp(word, "join"))
            join->waits_for_join = true; /* its state is waiting */
        else
            cr_assert(sl_state_parse(word, &join->state), "join: %s", word);
    }
}

/* ---- the rest of the facts ---- */

static const char **units(struct facts_builder *b, size_t from, size_t n)
{
    const char **names = sl_arena_array(&b->arena, n + 1, sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = unit_name(b, from + i);
    return names;
}

static void calendar_of(struct facts_builder *b, const struct fb_row *row)
{
    struct sl_facts *facts = &b->facts;
    facts->has_calendar = !row->no_calendar;
    facts->season_first = SL_DATE_NONE;
    facts->n_planned = row->planned < 0 ? 0 : row->planned ? (size_t)row->planned : 5;
    facts->n_not_done = (size_t)row->not_done;
    facts->n_done = facts->n_planned - facts->n_not_done;
    facts->done = units(b, 0, facts->n_done);
    facts->not_done = units(b, facts->n_done, facts->n_not_done);
    facts->calendar_suspect = row->suspect;
    facts->date_lost_units = row->lost_units;
    facts->calendar_error = row->calendar_error ? "no such table: nba_raw.nbac_schedule" : NULL;
    if (row->no_calendar || facts->n_planned == 0)
        return;
    facts->season = "2024-25";
    facts->season_first = row->season_day ? FB_DATE - row->season_day + 1 : 20018; /* 2024-10-22 */
}

static void clocks_of(struct facts_builder *b, const struct fb_row *row)
{
    struct sl_facts *facts = &b->facts;
    facts->drained = !row->not_drained;
    facts->clock_ms = row->clock_ms;
    facts->first_completion_us = FB_NOW_US;
    facts->last_report_us = FB_NOW_US;
    facts->settled = !row->unsettled;
    facts->in_progress = row->in_progress;
    facts->blocked_by_gaps_since_us = row->blocked_by_gaps_for_ms ? facts->now_us - row->blocked_by_gaps_for_ms * 1000 : 0;
}

static void suppression_of(struct facts_builder *b, const struct fb_row *row)
{
    static const char *skip_by[] = {"p0"}, *late[] = {"p1"};
    struct sl_facts *facts = &b->facts;
    facts->worker_skip = row->worker_skip;
    facts->skip_by = skip_by;
    facts->n_skip_by = row->skip;
    facts->hold_id = row->hold ? 7 : 0;
    facts->hold_reason = row->hold ? "maintenance" : NULL;
    facts->released = row->released;
    facts->forced = row->forced;
    facts->retriggered = row->retriggered;
    facts->late = late;
    facts->n_late = row->late;
}

static sl_date today_of(enum sl_profile profile)
{
    return profile == SL_PAST ? FB_DATE + 2 : profile == SL_TODAY ? FB_DATE : FB_DATE - 1;
}

void facts_build(struct facts_builder *b, const struct fb_row *row)
{
    memset(b, 0, sizeof *b);
    policy_of(b, row);
    struct sl_facts *facts = &b->facts;
    facts->phase = &b->phases[FB_OWN];
    facts->date = FB_DATE;
    facts->profile = row->profile;
    facts->generation = row->generation ? row->generation : 1;
    facts->now_us = FB_NOW_US + row->now_after_ms * 1000;
    facts->today = today_of(row->profile);
    facts->config_hash = b->config.hash;
    calendar_of(b, row);
    facts->n_procs = read_processors(b, &facts->procs, FB_OWN, row->procs ? row->procs : "Cs5/5", row);
    clocks_of(b, row);
    suppression_of(b, row);
    facts->n_upstream = 1;
    facts->upstream = sl_arena_alloc(&b->arena, sizeof *facts->upstream);
    facts->upstream->phase = &b->phases[FB_UP];
    facts->upstream->n = read_processors(b, &facts->upstream->procs, FB_UP, row->upstream ? row->upstream : "Cs5/5", row);
    facts->gaps_from = FB_DATE - 30;
    facts->gaps_to = FB_DATE - 1;
    facts->n_gap_dates = 28;
    if (row->gaps)
        read_gaps(b, row->gaps);
    if (row->joins)
        read_joins(b, row->joins);
    facts_build_quality(b, row);
}

void facts_decide(struct facts_builder *b, const struct fb_row *row)
{
    b->facts.checks_gathered = false;
    sl_gate_decide(&b->decision, &b->config, &b->facts, &b->arena);
    b->asked = b->decision.wants_checks;
    if (!b->asked || row->no_checks)
        return;
    b->facts.checks_gathered = true;
    sl_gate_decide(&b->decision, &b->config, &b->facts, &b->arena);
    cr_assert(!b->decision.wants_checks, "wants the facts of the checks twice");
}

void facts_fini(struct facts_builder *b)
{
    sl_zone_destroy(&b->config.zone);
    sl_arena_fini(&b->arena);
}

/* ---- what came out ---- */

const char *facts_names(struct facts_builder *b, const char *const *names, size_t n)
{
    const char *text = "";
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(&b->arena, "%s%s%s", text, i ? "," : "", names[i]);
    return text;
}

const char *facts_outcome(struct facts_builder *b)
{
    const struct sl_decision *decision = &b->decision;
    if (decision->wants_checks)
        return "wants_checks";
    char reasons[512];
    const char *by = sl_trigger_reason_name(decision->trigger_reason);
    sl_reasons_text(decision->reasons, reasons);
    const bool passes = decision->state == SL_TRIGGERED || decision->state == SL_SUPPRESSED || decision->state == SL_OBSERVED;
    return sl_arena_printf(&b->arena, "%s%s%s%s%s%s%s%s", sl_state_name(decision->state), *reasons ? "(" : "", reasons, *reasons ? ")" : "",
                           by ? " " : "", by ? by : "", decision->degraded ? " degraded" : "",
                           passes && !decision->is_production_ready ? " not_ready" : "");
}
