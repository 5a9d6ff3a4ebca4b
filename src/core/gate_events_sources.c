/* gate_events_sources.c - what the units step found in the sources of each processor: one event per unit, processor and generation (DESIGN section 7, RULES 22). */
#include <string.h>

#include "gate_events_internal.h"

/* The first n fallbacks were asked in vain or found it. */
static void tried(struct sl_eventing *m, struct sl_event *event, const struct sl_processor *processor, size_t n_fallbacks)
{
    if (n_fallbacks == 0)
        return;
    event->fallbacks_tried = sl_arena_array(m->arena, n_fallbacks, sizeof *event->fallbacks_tried);
    event->n_fallbacks_tried = n_fallbacks;
    for (size_t i = 0; i < n_fallbacks; i++)
        event->fallbacks_tried[i] = processor->sources[i + 1].table;
}

static const char *unit_or_date(struct sl_eventing *m, const char *unit)
{
    char day[SL_DATE_LEN + 1];
    return unit && *unit ? unit : sl_arena_strdup(m->arena, sl_date_format(m->facts->date, day));
}

static void source_missing(struct sl_eventing *m, const struct sl_proc_facts *proc, const char *unit)
{
    struct sl_event *event = sl_eventing_of(m, proc, "source_missing", sl_severity_by_need(proc));
    event->unit = unit && *unit ? unit : NULL;
    event->primary_source_status = "missing";
    tried(m, event, proc->processor, proc->processor->n_sources - 1);
    event->resolution = "failed";
    if (proc->need == SL_CRITICAL)
        event->downstream_impact = "predictions_blocked";
    event->description = sl_arena_printf(m->arena, "No source has rows of %s for %s", proc->processor->name, unit_or_date(m, unit));
}

/* None covers it, and a fallback could not be asked. */
static void fallback_failed(struct sl_eventing *m, const struct sl_proc_facts *proc, const char *unit)
{
    const char *errors = NULL;
    for (size_t i = 1; i < proc->coverage.n_source_errors; i++)
        if (proc->coverage.source_errors[i])
            errors = errors ? sl_arena_printf(m->arena, "%s; %s", errors, proc->coverage.source_errors[i])
                            : proc->coverage.source_errors[i];
    if (!errors)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "fallback_failed", SL_SEV_INFO);
    event->unit = unit && *unit ? unit : NULL;
    event->primary_source_status = "missing";
    tried(m, event, proc->processor, proc->processor->n_sources - 1);
    event->resolution = "failed";
    event->description = sl_arena_printf(m->arena, "No fallback serves %s: %s", unit_or_date(m, unit), errors);
}

static void reconstruction(struct sl_eventing *m, const struct sl_proc_facts *proc, const struct sl_served *served)
{
    struct sl_event *event = sl_eventing_of(m, proc, "reconstruction", SL_SEV_INFO);
    event->unit = *served->unit ? served->unit : NULL;
    event->primary_source_status = "missing";
    tried(m, event, proc->processor, proc->processor->n_sources - 1);
    event->resolution = "reconstructed";
    event->downstream_impact = "predictions_degraded";
    event->description = sl_arena_printf(m->arena, "%s was made by the reconstruction of %s", unit_or_date(m, served->unit), event->table);
}

static void reconstruction_failed(struct sl_eventing *m, const struct sl_proc_facts *proc, const struct sl_rebuilt *rebuilt)
{
    if (!rebuilt->error && rebuilt->rows >= proc->processor->reconstruction_min_rows)
        return;
    struct sl_event *event = sl_eventing_of(m, proc, "reconstruction_failed", SL_SEV_INFO);
    event->unit = *rebuilt->unit ? rebuilt->unit : NULL;
    event->primary_source_status = "missing";
    event->resolution = "failed";
    event->resolution_details = rebuilt->error;
    event->description =
        rebuilt->error ? sl_arena_printf(m->arena, "The reconstruction of %s failed: %s", unit_or_date(m, rebuilt->unit), rebuilt->error)
                       : sl_arena_printf(m->arena, "The reconstruction of %s made %lld rows, fewer than %d", unit_or_date(m, rebuilt->unit),
                                         (long long)rebuilt->rows, proc->processor->reconstruction_min_rows);
}

static void fallback_used(struct sl_eventing *m, const struct sl_proc_facts *proc, const struct sl_served *served)
{
    if (served->source >= proc->processor->n_sources) {
        reconstruction(m, proc, served);
        return;
    }
    const char *fallback = proc->processor->sources[served->source].table;
    struct sl_event *event = sl_eventing_of(m, proc, "fallback_used", SL_SEV_INFO);
    event->unit = *served->unit ? served->unit : NULL;
    event->source = fallback;
    event->primary_source_status = "missing";
    tried(m, event, proc->processor, served->source);
    event->resolution = "used_fallback";
    event->resolution_details = fallback;
    event->downstream_impact = "predictions_degraded";
    event->description = sl_arena_printf(m->arena, "%s comes from %s, not from %s", unit_or_date(m, served->unit), fallback, event->table);
}

static void source_errors(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    for (size_t i = 0; i < proc->coverage.n_source_errors; i++) {
        if (!proc->coverage.source_errors[i])
            continue;
        const bool timed_out = proc->coverage.source_timed_out && proc->coverage.source_timed_out[i];
        struct sl_event *event = sl_eventing_of(m, proc, timed_out ? "source_timeout" : "source_error", SL_SEV_INFO);
        event->source = proc->processor->sources[i].table;
        event->primary_source_status = timed_out ? "timeout" : "error";
        event->description = proc->coverage.source_errors[i];
    }
}

static bool says_nothing_written(const struct sl_run *run)
{
    return run->status == SL_RUN_NO_DATA;
}

/* Message against rows, as far as the units step asks (RULES 12); once per processor and generation. */
static void run_against_rows(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    const struct sl_coverage *coverage = &proc->coverage;
    const struct sl_run *run = proc->run;
    if (sl_primary_error(coverage) || coverage->n_due == 0)
        return;
    if (says_nothing_written(run) && coverage->n_primary > 0) {
        struct sl_event *event = sl_eventing_of(m, proc, "rows_without_run", SL_SEV_WARNING);
        event->description = sl_arena_printf(m->arena, "The run says no_data, but %s has rows for %zu of %zu units", event->table,
                                             coverage->n_primary, coverage->n_due);
    } else if (run->record_count > 0 && coverage->n_primary == 0) {
        struct sl_event *event = sl_eventing_of(m, proc, "run_without_rows", sl_severity_by_need(proc));
        event->description = sl_arena_printf(m->arena, "The run says %lld records, but %s has no rows", (long long)run->record_count,
                                             event->table);
    }
}

static bool is_among(const struct sl_coverage *coverage, const char *unit)
{
    for (size_t i = 0; i < coverage->n_missing; i++)
        if (!strcmp(coverage->missing[i], unit))
            return true;
    for (size_t i = 0; i < coverage->n_served; i++)
        if (!strcmp(coverage->served[i].unit, unit))
            return true;
    return false;
}

/* Does the primary have the unit now (NULL: the date)? */
static bool has_come(const struct sl_eventing *m, const struct sl_proc_facts *proc, const char *unit)
{
    const struct sl_coverage *coverage = &proc->coverage;
    if (!coverage->asked || sl_primary_error(coverage) || coverage->n_due == 0 || coverage->by_date != !unit ||
        is_among(coverage, unit ? unit : ""))
        return false;
    for (size_t i = 0; unit && i < m->facts->n_done; i++)
        if (!strcmp(m->facts->done[i], unit))
            return true;
    return !unit;
}

/* What had been missing in the primary is there: an event that names the one that it resolves. */
static void source_available(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    for (size_t i = 0; i < m->facts->n_open_events; i++) {
        const struct sl_open_event *open = &m->facts->open_events[i];
        if (strcmp(open->processor, proc->processor->name) != 0 || !has_come(m, proc, open->unit))
            continue;
        struct sl_event *event = sl_eventing_of(m, proc, "source_available", SL_SEV_INFO);
        event->unit = open->unit;
        event->source = event->resolution_details = open->event_id;
        event->is_resolved = true;
        event->resolved_us = m->facts->now_us;
        event->resolution_method = "source_recovered";
        event->resolved_by = "system";
        event->description = sl_arena_printf(m->arena, "%s has rows for %s, which it had not: resolves %s", event->table,
                                             unit_or_date(m, open->unit), open->type);
    }
}

static void processor_found(struct sl_eventing *m, const struct sl_proc_facts *proc)
{
    const struct sl_coverage *coverage = &proc->coverage;
    source_errors(m, proc);
    for (size_t k = 0; !sl_primary_error(coverage) && k < coverage->n_missing; k++) {
        source_missing(m, proc, coverage->missing[k]);
        fallback_failed(m, proc, coverage->missing[k]);
    }
    for (size_t k = 0; k < coverage->n_served; k++)
        fallback_used(m, proc, &coverage->served[k]);
    for (size_t k = 0; k < coverage->n_rebuilt; k++)
        reconstruction_failed(m, proc, &coverage->rebuilt[k]);
    source_available(m, proc);
    if (proc->run->status != SL_RUN_FAILED)
        run_against_rows(m, proc);
}

void sl_eventing_sources(struct sl_eventing *m)
{
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need != SL_NOT_REQUIRED && proc->run && proc->coverage.asked)
            processor_found(m, proc);
    }
}
