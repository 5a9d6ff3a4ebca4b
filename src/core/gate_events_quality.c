/* gate_events_quality.c - what the checks found in the rows: fewer than expected, units below gold, counts other than the message's, entities that lack units (DESIGN sections 6 and 7). */
#include <string.h>

#include <sluice/completeness.h>

#include "gate_events_internal.h"

static const char *joined(struct sl_eventing *m, const char *const *texts, size_t n, size_t most)
{
    const char *list = "";
    for (size_t i = 0; i < n && i < most; i++)
        list = sl_arena_printf(m->arena, "%s%s%s", list, i ? ", " : "", texts[i]);
    return n > most ? sl_arena_printf(m->arena, "%s and %zu more", list, n - most) : list;
}

static const char *unit_or_date(struct sl_eventing *m, const char *unit)
{
    char day[SL_DATE_LEN + 1];
    return *unit ? unit : sl_arena_strdup(m->arena, sl_date_format(m->facts->date, day));
}

/* Fewer rows than the profile expects, in the source that serves the unit. */
static void source_degraded(struct sl_eventing *m, const struct sl_proc_facts *proc, const struct sl_unit_quality *unit)
{
    const int expected = proc->processor->quality ? proc->processor->quality->expected_rows : 0;
    if (expected == 0 || unit->rows >= expected)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "source_degraded", SL_SEV_INFO);
    event->unit = *unit->unit ? unit->unit : NULL;
    event->source = sl_source_name(proc->processor, unit->source);
    event->primary_source_status = unit->source ? "missing" : "partial";
    event->tier_after = sl_tier_name(unit->quality.tier);
    event->score_after = unit->quality.score;
    event->downstream_impact = "features_partial";
    event->description = sl_arena_printf(m->arena, "%s has %lld of %d rows for %s", event->source, (long long)unit->rows, expected,
                                         unit_or_date(m, unit->unit));
}

static void below_gold(struct sl_eventing *m, const struct sl_proc_facts *proc, const struct sl_unit_quality *unit)
{
    if (unit->quality.tier == SL_TIER_GOLD)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "quality_degradation", SL_SEV_INFO);
    event->unit = *unit->unit ? unit->unit : NULL;
    event->source = sl_source_name(proc->processor, unit->source);
    event->tier_before = sl_tier_name(SL_TIER_GOLD);
    event->tier_after = sl_tier_name(unit->quality.tier);
    event->score_after = unit->quality.score;
    event->downstream_impact = unit->quality.tier == SL_TIER_UNUSABLE ? "features_partial" : "predictions_degraded";
    event->description = sl_arena_printf(
        m->arena, "%s in %s is %s, %.1f: %s", unit_or_date(m, unit->unit), event->source, event->tier_after, unit->quality.score,
        unit->quality.n_issues ? joined(m, unit->quality.issues, unit->quality.n_issues, 10) : "by its sample");
}

static void reported_below_gold(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    const struct sl_reported *reported = &proc->reported;
    if (!reported->any || reported->tier == SL_TIER_GOLD)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "quality_degradation", SL_SEV_INFO);
    event->source = "reported";
    event->tier_before = sl_tier_name(SL_TIER_GOLD);
    event->tier_after = sl_tier_name(reported->tier);
    event->score_after = reported->score;
    event->downstream_impact = reported->tier == SL_TIER_UNUSABLE ? "features_partial" : "predictions_degraded";
    event->description = sl_arena_printf(m->arena, "The run says that its rows are %s, %.1f%s%s", event->tier_after, reported->score,
                                         reported->n_issues ? ": " : "",
                                         reported->n_issues ? joined(m, reported->issues, reported->n_issues, 10) : "");
}

static void rows_differ(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    const double difference = sl_rows_difference(proc);
    if (difference <= 0)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "validation_failure",
                                            difference < SL_ROWS_DIFFER_FROM - 1e-9 ? SL_SEV_INFO : SL_SEV_WARNING);
    event->source = "rows_differ";
    event->primary_source_status = proc->n_rows < proc->run->record_count ? "partial" : NULL;
    event->description = sl_arena_printf(m->arena, "The message says %lld records, %s has %lld rows (%.1f %% apart)",
                                         (long long)proc->run->record_count, event->table, (long long)proc->n_rows, 100 * difference);
}

/* The message and the processors' own run history. */
static void record_differs(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    const double difference = sl_record_difference(proc);
    const struct sl_run_said *record = &proc->record;
    if (difference <= 0)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "validation_failure",
                                            difference < SL_ROWS_DIFFER_FROM - 1e-9 ? SL_SEV_INFO : SL_SEV_WARNING);
    event->source = "run_record";
    event->description = record->found
                             ? sl_arena_printf(m->arena, "The message says %lld records, the run history %lld (%.1f %% apart)",
                                               (long long)proc->run->record_count, (long long)record->record_count, 100 * difference)
                             : sl_arena_printf(m->arena, "The run history has no row of %s", proc->run->execution_id);
}

static void rows_found(struct sl_eventing *m)
{
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED || !proc->run)
            continue;
        for (size_t k = 0; k < proc->quality.n_units; k++) {
            source_degraded(m, proc, &proc->quality.units[k]);
            below_gold(m, proc, &proc->quality.units[k]);
        }
        reported_below_gold(m, proc);
        if (proc->run->status != SL_RUN_FAILED)
            rows_differ(m, proc);
        record_differs(m, proc);
    }
}

/* One per entity below the threshold and generation. The log has columns for teams and players; another kind of entity is named in the sentence. */
static void completeness_gaps(struct sl_eventing *m)
{
    const struct sl_phase *phase = m->facts->phase;
    const bool strict = phase->checks.completeness.mode == SL_STRICT && !sl_in_bootstrap(phase, m->facts);
    const struct sl_completeness_facts *facts = &m->facts->completeness;
    if (phase->checks.completeness.mode == SL_OFF || !facts->gathered || facts->error)
        return;
    for (size_t i = 0; i < facts->n_entities; i++) {
        const struct sl_entity_facts *entity = &facts->entities[i];
        if (sl_entity_is_complete(entity, phase->checks.completeness.threshold))
            continue;
        struct sl_event *event = sl_eventing_add(m, "completeness_gap", strict ? SL_SEV_CRITICAL : SL_SEV_WARNING);
        event->table = event->primary_source = phase->checks.completeness.table;
        event->source = entity->entity;
        event->team_abbr = !strcmp(phase->checks.completeness.entity, "team") ? entity->entity : NULL;
        event->player_id = !strcmp(phase->checks.completeness.entity, "player") ? entity->entity : NULL;
        event->primary_source_status = entity->n_actual ? "partial" : "missing";
        event->downstream_impact = "features_partial";
        event->description = sl_arena_printf(m->arena, "%s %s has %zu of its %zu units (%.1f %%); missing: %s",
                                             phase->checks.completeness.entity, entity->entity, entity->n_actual, entity->n_expected,
                                             sl_completeness_pct(entity->n_actual, entity->n_expected),
                                             joined(m, entity->missing, entity->n_missing, 20));
    }
}

void sl_eventing_quality(struct sl_eventing *m)
{
    rows_found(m);
    completeness_gaps(m);
}
