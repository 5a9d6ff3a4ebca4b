/* gate_events.c - what a decision leaves in the coverage log (DESIGN sections 7 and 8, RULES 4 and 22).
 * What the steps found is one event each, identified so that a recheck adds nothing; the gate's own events come only when its state or reasons change. */
#include <string.h>

#include "gate_events_internal.h"

struct sl_event *sl_eventing_add(struct sl_eventing *m, const char *type, enum sl_severity severity)
{
    m->events = sl_arena_push(m->arena, m->events, &m->n, sizeof *m->events);
    struct sl_event *event = &m->events[m->n - 1];
    *event = sl_event_make(type, severity, m->facts->now_us);
    event->phase = m->facts->phase->name;
    event->date = m->facts->date;
    event->season = m->facts->season;
    event->generation = m->facts->generation;
    event->requires_alert = severity == SL_SEV_CRITICAL;
    return event;
}

struct sl_event *sl_eventing_of(struct sl_eventing *m, const struct sl_proc_facts *proc, const char *type, enum sl_severity severity)
{
    struct sl_event *event = sl_eventing_add(m, type, severity);
    event->processor = proc->processor->name;
    event->execution_id = proc->run ? proc->run->execution_id : NULL;
    if (proc->processor->n_sources) {
        event->table = proc->processor->sources[0].table;
        event->primary_source = event->table;
    }
    return event;
}

enum sl_severity sl_severity_by_need(const struct sl_proc_facts *proc)
{
    return proc->need == SL_CRITICAL ? SL_SEV_CRITICAL : SL_SEV_WARNING;
}

static void failed_runs(struct sl_eventing *m)
{
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED || !proc->run || proc->run->status != SL_RUN_FAILED)
            continue;
        struct sl_event *event = sl_eventing_of(m, proc, "run_failed", sl_severity_by_need(proc));
        event->identify_by_execution = true;
        event->description = proc->run->error_message ? proc->run->error_message
                                                      : sl_arena_printf(m->arena, "The run %s failed", proc->run->execution_id);
    }
}

/* Once per (phase, table, missing date), not per gate: no generation, and the date is the missing one. */
static void gaps_found(struct sl_eventing *m)
{
    const bool strict = m->facts->phase->checks.gaps.mode == SL_STRICT && !sl_in_bootstrap(m->facts->phase, m->facts);
    for (size_t i = 0; i < m->facts->n_gaps; i++) {
        const struct sl_gap *gap = &m->facts->gaps[i];
        if (gap->error)
            continue;
        struct sl_event *event = sl_eventing_add(m, "date_gap", strict ? SL_SEV_CRITICAL : SL_SEV_WARNING);
        event->processor = gap->processor->name;
        event->table = event->primary_source = gap->processor->sources[0].table;
        event->primary_source_status = gap->n_units && gap->n_units < gap->n_due ? "partial" : "missing";
        event->date = gap->date;
        event->generation = 0;
        event->description = sl_arena_printf(m->arena, "%s lacks rows for %zu of %zu units of this date", event->table,
                                             gap->n_units ? gap->n_units : gap->n_due, gap->n_due);
    }
}

/* "blocked:gaps,upstream". An event's identity holds no profile: the gates of a date before it was past are told apart here. */
static const char *state_and_reasons(struct sl_eventing *m)
{
    char reasons[512];
    const bool past = m->facts->profile == SL_PAST;
    return sl_arena_printf(m->arena, "%s%s%s:%s", past ? "" : sl_profile_name(m->facts->profile), past ? "" : ":",
                           sl_state_name(m->decision->state), sl_reasons_text(m->decision->reasons, reasons));
}

static struct sl_event *gate_event(struct sl_eventing *m, const char *type, enum sl_severity severity)
{
    struct sl_event *event = sl_eventing_add(m, type, severity);
    event->source = state_and_reasons(m);
    return event;
}

static void gate_opened(struct sl_eventing *m)
{
    const struct sl_decision *decision = m->decision;
    char reasons[512];
    sl_reasons_text(decision->reasons, reasons);
    struct sl_event *event = gate_event(m, "gate_triggered", SL_SEV_INFO);
    event->resolution_details = decision->trigger_id;
    event->description = sl_arena_printf(m->arena, "The gate is open: %s%s%s", sl_trigger_reason_name(decision->trigger_reason),
                                         *reasons ? ", not production ready: " : "", reasons);
    if (m->facts->released) {
        event = gate_event(m, "gate_released", SL_SEV_INFO);
        event->resolution_details = decision->trigger_id;
        event->description = "An operator released the gate";
    }
    if (decision->degraded) {
        event = gate_event(m, "gate_degraded", SL_SEV_WARNING);
        event->downstream_impact = "predictions_degraded";
        event->description = sl_arena_printf(m->arena, "The gate was opened without all it asks for: %s", reasons);
    }
}

static void gate_blocked(struct sl_eventing *m)
{
    const sl_reasons upstream = SL_REASON_BIT(SL_REASON_UPSTREAM) | SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING);
    const bool follows = (m->decision->reasons & ~upstream) == 0;
    struct sl_event *event = gate_event(m, "gate_blocked", follows ? SL_SEV_INFO : SL_SEV_CRITICAL);
    event->downstream_impact = "predictions_blocked";
    event->description = sl_arena_printf(m->arena, "The gate is blocked; it waits for %s",
                                         m->decision->waits_for ? m->decision->waits_for : "a change");
}

static void gate_changed(struct sl_eventing *m)
{
    switch (m->decision->state) {
    case SL_TRIGGERED: gate_opened(m); break;
    case SL_BLOCKED: gate_blocked(m); break;
    case SL_SUPPRESSED: gate_event(m, "gate_suppressed", SL_SEV_INFO)->description = "The gate is open; its trigger is held back"; break;
    case SL_WAITING:
    case SL_EMPTY:
    case SL_OBSERVED:
    case SL_SUPERSEDED: break;
    }
}

/* One per gate generation whose reasons hold units. */
static void units_reason(struct sl_eventing *m)
{
    if (!(m->decision->reasons & SL_REASON_BIT(SL_REASON_UNITS)))
        return;
    const struct sl_check *check = sl_decision_check(m->decision, "units");
    struct sl_event *event = sl_eventing_add(m, "units_missing", SL_SEV_WARNING);
    event->description = check && check->detail ? check->detail : "Some units have no rows";
    event->downstream_impact = "features_partial";
}

void sl_gate_events(struct sl_event **out, size_t *n, const struct sl_config *config, const struct sl_facts *facts,
                    const struct sl_decision *decision, const struct sl_gate *before, struct sl_arena *arena)
{
    struct sl_eventing m = {.config = config, .facts = facts, .decision = decision, .arena = arena};
    if (sl_decision_check(decision, "reported"))
        failed_runs(&m);
    if (sl_decision_saw_units(decision))
        sl_eventing_sources(&m);
    units_reason(&m);
    if (facts->checks_gathered) {
        gaps_found(&m);
        sl_eventing_quality(&m);
    }
    if (!before || before->state != decision->state || before->reasons != decision->reasons)
        gate_changed(&m);
    for (size_t i = 0; i < m.n; i++)
        sl_event_identify(&m.events[i], config->pipeline);
    *out = m.events;
    *n = m.n;
}
