/* what_if_refit.c - stored facts made right for another config, and what they lack for it. Pure.
 *
 * What a fact says of the world stays as it was found. Some facts follow from the config too (whether a generation has settled, which gaps lie in the look-back): those are worked out again
 * where the record has what it takes. What the other config asks of the world and nobody asked then is named, with the key that asks; but only as far as the decision comes: a gate
 * that stops at its barrier lacks nothing of the checks. A gap that is there in any case makes the dates that nobody looked at unimportant. */
#include "what_if_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- both ---- */

static const struct sl_processor *processor_called(const struct sl_phase *phase, const char *name)
{
    for (size_t i = 0; phase && i < phase->n_processors; i++)
        if (!strcmp(phase->processors[i].name, name))
            return &phase->processors[i];
    return NULL;
}

static bool comes_after(const struct sl_config *config, const struct sl_phase *phase, const char *before)
{
    for (size_t i = 0; phase && i < phase->n_after; i++)
        if (!strcmp(config->phases[phase->after[i]].name, before))
            return true;
    return false;
}

/* ---- refit ---- */

static void refit_runs(struct sl_facts *facts, struct sl_arena *arena)
{
    facts->settled = facts->generation <= 1 || (facts->now_us - facts->last_report_us) / 1000 >= facts->phase->settle_ms;
    facts->in_progress = false;
    facts->skip_by = NULL;
    facts->n_skip_by = 0;
    for (size_t i = 0; i < facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED)
            continue;
        const int64_t timeout_us = facts->phase->checks.upstream.running_timeout_ms * 1000;
        facts->in_progress |= proc->running && facts->now_us - proc->running->timestamp_us < timeout_us;
        if (!proc->run || !proc->run->skip || proc->run->generation != facts->generation)
            continue;
        facts->skip_by = sl_arena_push(arena, facts->skip_by, &facts->n_skip_by, sizeof *facts->skip_by);
        facts->skip_by[facts->n_skip_by - 1] = proc->processor->name;
    }
}

static void refit_upstream(struct sl_facts *facts, const struct sl_config *config)
{
    size_t kept = 0;
    for (size_t i = 0; i < facts->n_upstream && !sl_config_is_before_history(config, facts->date); i++)
        if (comes_after(config, facts->phase, facts->upstream[i].phase->name))
            facts->upstream[kept++] = facts->upstream[i];
    facts->n_upstream = kept;
}

/* Without `units: strict` a date is a gap only when none of its units has rows. */
static bool is_partial(const struct sl_gap *gap)
{
    return !gap->error && gap->n_units > 0 && gap->n_units < gap->n_due;
}

static void refit_gaps(struct sl_facts *facts, const struct sl_config *config)
{
    size_t kept = 0;
    const sl_date from = sl_gaps_look_back_from(config, facts->phase, facts->date, facts->season_first);
    const bool whole_only = facts->phase->checks.units != SL_STRICT && facts->n_known_gaps == 0;
    for (size_t i = 0; i < facts->n_gaps; i++) {
        const struct sl_gap *gap = &facts->gaps[i];
        if (sl_processor_is_gap_judged(gap->processor) && (gap->error || gap->date >= from) && !(whole_only && is_partial(gap)))
            facts->gaps[kept++] = *gap;
    }
    facts->n_gaps = kept;
    if (from > facts->gaps_from)
        facts->gaps_from = from;
}

/* A run history that Sluice writes itself is no third voice. */
static void refit_histories(struct sl_facts *facts, const struct sl_config *config)
{
    for (size_t i = 0; config->coverage.runs_by_sluice && i < facts->n_procs; i++)
        facts->procs[i].record = (struct sl_run_said){.record_count = -1};
}

void sl_what_if_refit(struct sl_facts *facts, const struct sl_config *old, const struct sl_config *config, struct sl_arena *arena)
{
    if (old == config || !strcmp(old->hash, config->hash))
        return;
    refit_runs(facts, arena);
    refit_upstream(facts, config);
    refit_histories(facts, config);
    if (facts->checks_gathered)
        refit_gaps(facts, config);
}

/* ---- what is lacking ---- */

/* How far the decision comes. */
enum reach { REACHES_CALENDAR, REACHES_RUNS, REACHES_ROWS, REACHES_CHECKS };

struct weighing {
    struct sl_what_if_lacks *out;
    const struct sl_facts *facts, *recorded;
    const struct sl_config *old, *config;
    const struct sl_phase *phase, *was; /* in the other config and in the recorded one */
    const struct sl_config_change *changes;
    size_t n_changes;
    enum reach reach;
    struct sl_arena *arena;
};

static void lack(struct weighing *w, const char *fmt, ...) SL_PRINTF(2, 3);
static void lack(struct weighing *w, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    w->out->names = sl_arena_push(w->arena, w->out->names, &w->out->n, sizeof *w->out->names);
    w->out->names[w->out->n - 1] = sl_arena_strdup(w->arena, text);
}

static bool is_check(const char *name)
{
    static const char *const BEFORE[] = {"calendar", "reported", "units", "barrier"};
    for (size_t i = 0; i < sizeof BEFORE / sizeof *BEFORE; i++)
        if (!strcmp(name, BEFORE[i]))
            return false;
    return true;
}

/* Decided on what is known, joins left aside. */
static enum reach reach_of(const struct weighing *w)
{
    static const char *const STEPS[] = {[REACHES_RUNS] = "reported", [REACHES_ROWS] = "units"};
    struct sl_facts facts = *w->facts;
    struct sl_decision decision;
    enum reach reach = REACHES_CALENDAR;
    facts.n_joins = 0;
    sl_gate_decide(&decision, w->config, &facts, w->arena);
    if (decision.wants_checks)
        return REACHES_CHECKS;
    for (size_t i = 0; i < decision.n_checks; i++) {
        if (is_check(decision.checks[i].name))
            return facts.n_planned || !facts.has_calendar ? REACHES_CHECKS : REACHES_CALENDAR;
        for (size_t s = REACHES_RUNS; s <= REACHES_ROWS; s++)
            if (!strcmp(decision.checks[i].name, STEPS[s]))
                reach = (enum reach)s;
    }
    const bool stopped = decision.state == SL_WAITING || decision.state == SL_BLOCKED;
    return reach == REACHES_ROWS && !stopped ? REACHES_CHECKS : reach;
}

/* ---- calendar and zone ---- */

/* Which keys of the calendar say which units there are. */
static void weigh_calendar(struct weighing *w)
{
    static const char *const UNITS[] = {"table", "date_column", "unit_column", "planned", "done", "cancelled"};
    for (size_t i = 0; i < w->n_changes; i++) {
        const struct sl_config_change *change = &w->changes[i];
        const char *below = change->n_keys > 1 ? change->keys[1] : "";
        if (strcmp(change->keys[0], "calendar") != 0)
            continue;
        bool units = change->n_keys == 1;
        for (size_t k = 0; k < sizeof UNITS / sizeof *UNITS; k++)
            units |= !strcmp(below, UNITS[k]);
        if (units)
            lack(w, "%s: the units of the dates", change->path);
        else if (!strcmp(below, "season") && w->reach >= REACHES_ROWS)
            lack(w, "%s: when the season begins", change->path);
        else if (!strcmp(below, "suspect_above"))
            lack(w, "%s: whether the calendar was suspect", change->path);
    }
}

/* The profile was made when the first completion came. */
static void weigh_zone(struct weighing *w, const struct sl_gate *gate)
{
    if (!strcmp(w->old->timezone, w->config->timezone))
        return;
    sl_date then = sl_zone_date(w->config->zone, gate->created_us);
    if (sl_profile_of(gate->date, then) != gate->profile)
        lack(w, "timezone: the date would have had another profile");
}

/* ---- runs and rows ---- */

static bool same_source(const struct sl_source *a, const struct sl_source *b)
{
    return sl_str_eq(a->table, b->table) && sl_str_eq(a->date_column, b->date_column) && sl_str_eq(a->unit_column, b->unit_column);
}

/* The place of the same source in the other processor; n_sources when it has none. */
static size_t place_of(const struct sl_processor *in, const struct sl_source *source)
{
    size_t i = 0;
    while (i < in->n_sources && !same_source(&in->sources[i], source))
        i++;
    return i;
}

static bool same_sources(const struct sl_processor *a, const struct sl_processor *b)
{
    bool same = a->n_sources == b->n_sources && sl_str_eq(a->reconstruction_sql, b->reconstruction_sql);
    for (size_t i = 0; same && i < a->n_sources; i++)
        same = same_source(&a->sources[i], &b->sources[i]);
    return same;
}

/* Could another source change what was found? One that served is gone or comes later, or one that is new might have what none had. */
static const char *rows_unknown(const struct sl_processor *was, const struct sl_processor *is, const struct sl_coverage *found)
{
    if (is->n_sources == 0)
        return NULL;
    if (was->n_sources == 0 || !same_source(&was->sources[0], &is->sources[0]))
        return "table";
    for (size_t i = 0; i < found->n_served; i++) {
        const size_t source = found->served[i].source;
        const bool rebuilt = source >= was->n_sources;
        if (rebuilt && !sl_str_eq(was->reconstruction_sql, is->reconstruction_sql))
            return "reconstruction";
        if (!rebuilt && (source >= is->n_sources || !same_source(&was->sources[source], &is->sources[source])))
            return "fallback";
    }
    for (size_t i = 1; found->n_missing && i < is->n_sources; i++)
        if (place_of(was, &is->sources[i]) == was->n_sources)
            return "fallback";
    return found->n_missing && is->reconstruction_sql && !sl_str_eq(was->reconstruction_sql, is->reconstruction_sql) ? "reconstruction"
                                                                                                                     : NULL;
}

static void weigh_rows(struct weighing *w, const struct sl_phase *phase, const struct sl_processor *was, const struct sl_processor *is,
                       const struct sl_proc_facts *found)
{
    const char *key = found->run ? rows_unknown(was, is, &found->coverage) : NULL;
    if (key)
        lack(w, "phases.%s.processors.%s.%s: which units have rows there", phase->name, is->name, key);
}

static const struct sl_proc_facts *facts_of(const struct sl_proc_facts *procs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(procs[i].processor->name, name))
            return &procs[i];
    return NULL;
}

static void weigh_processors(struct weighing *w)
{
    const enum sl_profile profile = w->facts->profile;
    for (size_t i = 0; i < w->phase->n_processors; i++) {
        const struct sl_processor *is = &w->phase->processors[i], *was = processor_called(w->was, is->name);
        if (is->need[profile] == SL_NOT_REQUIRED)
            continue;
        const struct sl_proc_facts *found = facts_of(w->recorded->procs, w->recorded->n_procs, is->name);
        if (!was || was->need[profile] == SL_NOT_REQUIRED)
            lack(w, "phases.%s.processors.%s.required: its run and its rows", w->phase->name, is->name);
        else if (found && w->reach >= REACHES_ROWS)
            weigh_rows(w, w->phase, was, is, found);
    }
}

/* ---- the checks ---- */

static void weigh_upstream_phase(struct weighing *w, const struct sl_phase *before)
{
    const enum sl_profile profile = w->facts->profile;
    const struct sl_phase *was = sl_what_if_phase(w->old, before->name);
    const struct sl_upstream_facts *up = NULL;
    for (size_t i = 0; i < w->recorded->n_upstream; i++)
        if (!strcmp(w->recorded->upstream[i].phase->name, before->name))
            up = &w->recorded->upstream[i];
    if (!up || !was) {
        lack(w, "phases.%s.after: what %s delivered", w->phase->name, before->name);
        return;
    }
    for (size_t i = 0; i < before->n_processors; i++) {
        const struct sl_processor *is = &before->processors[i], *then = processor_called(was, is->name);
        if (is->need[profile] != SL_CRITICAL)
            continue;
        const struct sl_proc_facts *found = facts_of(up->procs, up->n, is->name);
        if (!then || !found || then->need[profile] != SL_CRITICAL)
            lack(w, "phases.%s.processors.%s.required: its run and its rows", before->name, is->name);
        else
            weigh_rows(w, before, then, is, found);
    }
}

static void weigh_upstream(struct weighing *w)
{
    if (w->phase->checks.upstream.mode == SL_OFF || w->phase->n_after == 0 || sl_config_is_before_history(w->config, w->facts->date))
        return;
    if (w->was->checks.upstream.mode == SL_OFF)
        lack(w, "phases.%s.checks.upstream: what the phases before delivered", w->phase->name);
    else if (sl_config_is_before_history(w->old, w->facts->date))
        lack(w, "calendar.history_from: what the phases before delivered");
    else
        for (size_t i = 0; i < w->phase->n_after; i++)
            weigh_upstream_phase(w, &w->config->phases[w->phase->after[i]]);
}

/* A gap that is one whatever else changed. */
static bool is_certain(const struct weighing *w, const struct sl_gap *gap)
{
    const struct sl_processor *was = processor_called(w->was, gap->processor->name);
    const bool days_gone = w->was->checks.gaps.every_day && !w->phase->checks.gaps.every_day;
    if (gap->error || !was || !same_sources(was, gap->processor) || (days_gone && gap->n_units == 0))
        return false;
    return w->phase->checks.units == SL_STRICT || !is_partial(gap);
}

static void weigh_gap_tables(struct weighing *w)
{
    for (size_t i = 0; i < w->phase->n_processors; i++) {
        const struct sl_processor *is = &w->phase->processors[i], *was = processor_called(w->was, is->name);
        if (sl_processor_is_gap_judged(is) && (!was || !sl_processor_is_gap_judged(was) || !same_sources(was, is)))
            lack(w, "phases.%s.processors.%s: its rows on the dates before", w->phase->name, is->name);
    }
}

static void weigh_gaps(struct weighing *w)
{
    const char *name = w->phase->name;
    const sl_date from = sl_gaps_look_back_from(w->config, w->facts->phase, w->facts->date, w->facts->season_first);
    char day[SL_DATE_LEN + 1], last[SL_DATE_LEN + 1];
    if (w->phase->checks.gaps.mode == SL_OFF)
        return;
    if (w->was->checks.gaps.mode == SL_OFF) {
        lack(w, "phases.%s.checks.gaps: rows on the dates before", name);
        return;
    }
    for (size_t i = 0; i < w->facts->n_gaps; i++)
        if (is_certain(w, &w->facts->gaps[i]))
            return;
    if (from < w->recorded->gaps_from)
        lack(w, "phases.%s.checks.gaps.look_back: rows from %s to %s", name, sl_date_format(from, day),
             sl_date_format(w->recorded->gaps_from - 1, last));
    if (w->phase->checks.gaps.every_day != w->was->checks.gaps.every_day && (w->phase->checks.gaps.every_day || w->facts->n_gaps))
        lack(w, "phases.%s.checks.gaps.every_day: rows on days without units", name);
    if (w->phase->checks.units == SL_STRICT && w->was->checks.units != SL_STRICT)
        lack(w, "phases.%s.checks.units: dates of which some units have rows", name);
    if (w->phase->checks.units != SL_STRICT && w->was->checks.units == SL_STRICT && w->facts->n_gaps)
        lack(w, "phases.%s.checks.units: which units the known gaps excuse", name);
    weigh_gap_tables(w);
}

static bool has_change(const struct weighing *w, const char *first, const char *second)
{
    for (size_t i = 0; i < w->n_changes; i++)
        if (w->changes[i].n_keys > 1 && !strcmp(w->changes[i].keys[0], first) && !strcmp(w->changes[i].keys[1], second))
            return true;
    return false;
}

static sl_date history_of(const struct sl_config *config)
{
    return config->calendar ? config->calendar->history_from : SL_DATE_NONE;
}

/* Units before history_from are not expected. It matters where the windows reach that far; those that lack nothing stay whole when they get shorter. */
static bool history_cuts_windows(const struct weighing *w)
{
    const struct sl_completeness_facts *found = &w->facts->completeness;
    const sl_date is = history_of(w->config), was = history_of(w->old);
    size_t n_missing = 0;
    for (size_t i = 0; i < found->n_entities; i++)
        n_missing += found->entities[i].n_expected - found->entities[i].n_actual;
    if (is == was || found->error || (found->from > is && found->from > was))
        return false;
    return n_missing > 0 || is < was;
}

static void weigh_completeness(struct weighing *w)
{
    const struct sl_checks *is = &w->phase->checks, *was = &w->was->checks;
    const char *name = w->phase->name, *key = NULL;
    if (is->completeness.mode == SL_OFF)
        return;
    const struct sl_processor *owner = sl_config_table_owner(w->config, is->completeness.table, NULL);
    const struct sl_processor *owned = sl_config_table_owner(w->old, is->completeness.table, NULL);
    if (was->completeness.mode == SL_OFF)
        key = "";
    else if (!sl_str_eq(is->completeness.entity, was->completeness.entity))
        key = ".entity";
    else if (!sl_str_eq(is->completeness.table, was->completeness.table))
        key = ".table";
    else if (!sl_str_eq(is->completeness.entity_column, was->completeness.entity_column))
        key = ".entity_column";
    else if (is->completeness.window.kind != was->completeness.window.kind || is->completeness.window.n != was->completeness.window.n)
        key = ".window";
    if (key)
        lack(w, "phases.%s.checks.completeness%s: who has which units", name, key);
    else if (history_cuts_windows(w))
        lack(w, "calendar.history_from: who has which units in the other window");
    else if ((owner && owned ? !same_sources(owned, owner) : owner != owned) || has_change(w, "calendar", "entities"))
        lack(w, "the sources of %s, or calendar.entities: who has which units", is->completeness.table);
}

static bool has_inputs(const struct sl_phase *phase)
{
    for (size_t i = 0; i < phase->n_processors; i++)
        if (phase->processors[i].n_inputs)
            return true;
    return false;
}

static bool changes_tier(const struct weighing *w, const struct sl_config_change *change)
{
    static const char *const OF_PROCESSOR[] = {"quality", "inputs", "fallback", "table", "date_column", "unit_column", "reconstruction"};
    if (!strcmp(change->keys[0], "calendar") && change->n_keys > 1 && !strcmp(change->keys[1], "history_from"))
        return has_inputs(w->phase);
    if (!strcmp(change->keys[0], "quality"))
        return change->n_keys < 2 || (strcmp(change->keys[1], "ceilings") != 0 && strcmp(change->keys[1], "historical") != 0);
    if (strcmp(change->keys[0], "phases") != 0 || change->n_keys < 2 || !sl_what_if_is_before(w->config, w->phase, change->keys[1]))
        return false;
    const bool own = !strcmp(change->keys[1], w->phase->name);
    if (change->n_keys < 5)
        return change->n_keys == 2 || !strcmp(change->keys[2], "after") || (!strcmp(change->keys[2], "processors") && !own);
    for (size_t i = 0; i < sizeof OF_PROCESSOR / sizeof *OF_PROCESSOR; i++)
        if (!strcmp(change->keys[4], OF_PROCESSOR[i]))
            return true;
    return !own && !strcmp(change->keys[4], "required");
}

static void weigh_quality(struct weighing *w)
{
    for (size_t i = 0; i < w->n_changes; i++) {
        if (!changes_tier(w, &w->changes[i]))
            continue;
        w->out->tier_unknown = true;
        if (w->phase->checks.quality.mode != SL_OFF)
            lack(w, "%s: the quality of the rows", w->changes[i].path);
    }
}

static void weigh_histories(struct weighing *w)
{
    const bool other = w->old->coverage.runs_by_sluice || !sl_str_eq(w->old->coverage.runs_table, w->config->coverage.runs_table);
    if (!w->config->coverage.runs_by_sluice && other)
        lack(w, "coverage.runs: what the run history of the processors says");
}

void sl_what_if_find_lacks(struct sl_what_if_lacks *out, const struct sl_facts *facts, const struct sl_facts *recorded,
                           const struct sl_config *old, const struct sl_config *config, const struct sl_config_change *changes,
                           size_t n_changes, const struct sl_gate *gate, struct sl_arena *arena)
{
    struct weighing w = {.out = out,
                         .facts = facts,
                         .recorded = recorded,
                         .old = old,
                         .config = config,
                         .changes = changes,
                         .n_changes = n_changes,
                         .arena = arena,
                         .phase = facts->phase};
    *out = (struct sl_what_if_lacks){0};
    w.was = sl_what_if_phase(old, facts->phase->name);
    if (!w.was || n_changes == 0)
        return;
    w.reach = reach_of(&w);
    weigh_calendar(&w);
    weigh_zone(&w, gate);
    if (w.reach >= REACHES_RUNS)
        weigh_processors(&w);
    if (w.reach < REACHES_CHECKS)
        return;
    if (!facts->checks_gathered) {
        lack(&w, "the gate comes to its checks only now: upstream, gaps, completeness and quality were not looked at");
        return;
    }
    weigh_upstream(&w);
    weigh_gaps(&w);
    weigh_completeness(&w);
    weigh_quality(&w);
    weigh_histories(&w);
}
