/* operator.c - what an operator asks of gates: check, release, retrigger, drop. Each decides on fresh facts in a transaction of its own; what is refused or only looked at is
 * rolled back, what is done leaves an operator_action event with who and why. */
#include <stdio.h>
#include <string.h>

#include "gather_internal.h"

static const char *copy(struct sl_arena *arena, const char *text)
{
    return text ? sl_arena_strdup(arena, text) : NULL;
}

static struct sl_gate copy_gate(const struct sl_gate *gate, struct sl_arena *arena)
{
    struct sl_gate out = *gate;
    out.phase = copy(arena, gate->phase);
    out.completed = copy(arena, gate->completed);
    out.missing = copy(arena, gate->missing);
    out.late = copy(arena, gate->late);
    out.trigger_id = copy(arena, gate->trigger_id);
    out.waits_for = copy(arena, gate->waits_for);
    out.config_hash = copy(arena, gate->config_hash);
    out.quality_tier = copy(arena, gate->quality_tier);
    return out;
}

static struct sl_gate gate_as_decided(const struct work *work, struct sl_worker *worker, int64_t now_us)
{
    struct sl_gate gate = sl_worker_outcome(worker, work, now_us);
    gate.decided_us = now_us;
    return gate;
}

/* The verdict outlives the engine's arena: everything is copied into `arena`. */
static void verdict_of(struct sl_verdict *out, struct sl_worker *worker, const struct work *work, int64_t now_us, struct sl_arena *arena)
{
    struct sl_buf facts = {0}, decision = {0};
    struct sl_json json;
    struct sl_gate after = gate_as_decided(work, worker, now_us);
    sl_json_init(&json, &facts);
    sl_facts_json(&json, &work->facts);
    sl_json_init(&json, &decision);
    sl_decision_json(&json, &work->decision);
    *out = (struct sl_verdict){.before = copy_gate(&work->gate, arena),
                               .after = copy_gate(&after, arena),
                               .facts_json = sl_arena_strdup(arena, sl_buf_text(&facts)),
                               .decision_json = sl_arena_strdup(arena, sl_buf_text(&decision)),
                               .changed = after.state != work->gate.state || after.reasons != work->gate.reasons,
                               .exists = work->exists};
    sl_buf_fini(&facts);
    sl_buf_fini(&decision);
}

enum sl_code sl_worker_action(struct sl_worker *worker, const struct work *work, const char *what, const char *who, const char *reason,
                              int64_t now_us, struct sl_err *err)
{
    char stamp[SL_TIME_LEN + 1];
    struct sl_event event = sl_event_make("operator_action", SL_SEV_INFO, now_us);
    event.phase = work->phase->name;
    event.date = work->gate.date;
    event.generation = work->gate.generation;
    event.resolved_by = who;
    event.source = sl_arena_printf(&worker->arena, "%s %s", what, sl_time_format(now_us, stamp));
    event.description = sl_arena_printf(&worker->arena, "%s by %s: %s", what, who ? who : "unknown", reason ? reason : "no reason given");
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

static enum sl_code find_gate(struct sl_worker *worker, struct work *work, const struct sl_phase *phase, sl_date date,
                              enum sl_profile profile, struct sl_err *err)
{
    work->phase = phase;
    enum sl_code code = sl_ledger_gate_get(worker->ledger, phase->name, date, profile, 0, &work->gate, &worker->arena, err);
    work->exists = code == SL_OK;
    return code;
}

/* The gate of the date's profile now; else the one that was decided last: what was decided while its day was today is found there. */
static enum sl_code find_gate_of_any(struct sl_worker *worker, struct work *work, const struct sl_phase *phase, sl_date date,
                                     enum sl_profile profile, struct sl_err *err)
{
    struct work other = {0};
    enum sl_code code = find_gate(worker, work, phase, date, profile, err);
    for (int i = 0; code == SL_NOT_FOUND && i < SL_N_PROFILES; i++) {
        enum sl_code found = find_gate(worker, &other, phase, date, (enum sl_profile)i, err);
        if (found != SL_OK && found != SL_NOT_FOUND)
            return found;
        if (found == SL_OK && (!work->exists || other.gate.decided_us > work->gate.decided_us))
            *work = other;
    }
    return work->exists ? SL_OK : code;
}

/* Facts and decision of a pass that leaves nothing behind, not even in the warehouse. */
static enum sl_code look_at(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err)
{
    worker->looking = true;
    enum sl_code code = sl_worker_decide_one(worker, work, now_us, err);
    worker->looking = false;
    return code;
}

enum sl_code sl_worker_check(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, enum sl_profile profile, int64_t now_us,
                             struct sl_verdict *out, struct sl_arena *arena, struct sl_err *err)
{
    struct work work = {0};
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_calendar_refresh(worker, now_us, err);
    if (code == SL_OK)
        code = find_gate(worker, &work, phase, date, profile, err);
    if (code == SL_NOT_FOUND) {
        sl_gate_new(&work.gate, phase, date, profile, 1, now_us);
        code = SL_OK;
    }
    if (code == SL_OK)
        code = look_at(worker, &work, now_us, err);
    if (code == SL_OK)
        verdict_of(out, worker, &work, now_us, arena);
    sl_worker_undo(worker);
    return code;
}

/* ---- release ---- */

static enum sl_code release_one(struct sl_worker *worker, const struct sl_release *release, const struct sl_gate *gate, int64_t now_us,
                                struct sl_verdict *out, struct sl_arena *arena, struct sl_err *err)
{
    struct work work = {.gate = *gate, .exists = true, .phase = release->phase, .released = true, .forced = release->force};
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_calendar_refresh(worker, now_us, err);
    if (code == SL_OK) /* afresh: it may have changed since it was listed */
        code = sl_ledger_gate_get(worker->ledger, gate->phase, gate->date, gate->profile, gate->generation, &work.gate, &worker->arena,
                                  err);
    if (code == SL_OK)
        code = release->dry_run ? look_at(worker, &work, now_us, err) : sl_worker_decide_one(worker, &work, now_us, err);
    if (code != SL_OK) {
        sl_worker_undo(worker);
        return code;
    }
    verdict_of(out, worker, &work, now_us, arena);
    if (work.decision.state != SL_TRIGGERED || release->dry_run) {
        sl_worker_undo(worker);
        return SL_OK;
    }
    code = sl_worker_write(worker, &work, now_us, err);
    if (code == SL_OK)
        code = sl_worker_action(worker, &work, release->force ? "forced release" : "release", release->who, release->reason, now_us, err);
    return sl_worker_end(worker, code, err);
}

static bool is_pending(const struct sl_gate *gate)
{
    return (gate->state == SL_SUPPRESSED && !gate->dropped) || gate->state == SL_BLOCKED;
}

static enum sl_code pending_gates(struct sl_worker *worker, const struct sl_release *release, struct sl_gate **out, size_t *n,
                                  struct sl_arena *arena, struct sl_err *err)
{
    struct sl_gate_filter filter = {
        .phase = release->phase->name, .from = release->from, .to = release->to, .states = 1u << SL_SUPPRESSED | 1u << SL_BLOCKED};
    struct sl_gate *gates = NULL;
    size_t n_all = 0;
    enum sl_code code = sl_ledger_gates(worker->ledger, &filter, &gates, &n_all, arena, err);
    *n = 0;
    for (size_t i = 0; code == SL_OK && i < n_all; i++)
        if (is_pending(&gates[i]))
            gates[(*n)++] = gates[i];
    *out = gates;
    return code;
}

enum sl_code sl_worker_release(struct sl_worker *worker, const struct sl_release *release, int64_t now_us, struct sl_verdict **out,
                               size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_gate *gates = NULL;
    *out = NULL;
    *n = 0;
    size_t n_gates = 0;
    enum sl_code code = pending_gates(worker, release, &gates, &n_gates, arena, err);
    if (code != SL_OK)
        return code;
    *out = sl_arena_array(arena, n_gates + 1, sizeof **out);
    for (size_t i = 0; i < n_gates; i++) {
        code = release_one(worker, release, &gates[i], now_us, &(*out)[i], arena, err);
        if (code != SL_OK)
            return code;
        *n = i + 1;
    }
    return SL_OK;
}

enum sl_code sl_worker_drop(struct sl_worker *worker, const struct sl_release *release, int64_t now_us, size_t *n, struct sl_err *err)
{
    struct sl_gate *gates = NULL;
    size_t n_gates = 0;
    *n = 0;
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = pending_gates(worker, release, &gates, &n_gates, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n_gates; i++) {
        if (gates[i].state != SL_SUPPRESSED)
            continue;
        struct work work = {.gate = gates[i], .phase = release->phase};
        gates[i].dropped = true;
        gates[i].waits_for = NULL;
        code = sl_ledger_gate_put(worker->ledger, &gates[i], err);
        if (code == SL_OK)
            code = sl_worker_action(worker, &work, "drop", release->who, release->reason, now_us, err);
        ++*n;
    }
    return sl_worker_end(worker, code, err);
}

/* ---- retrigger ---- */

/* The same trigger_id, made again from fresh facts. */
static enum sl_code republish(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err)
{
    char day[SL_DATE_LEN + 1];
    if (work->gate.state != SL_TRIGGERED || !work->gate.trigger_id)
        return sl_fail(err, SL_INVALID, "the gate of %s for %s is %s and has no trigger to republish", work->phase->name,
                       sl_date_format(work->gate.date, day), sl_state_name(work->gate.state));
    enum sl_code code = sl_worker_decide_again(worker, work, now_us, err);
    if (code == SL_OK && work->decision.n_triggers == 0)
        return sl_fail(err, SL_INVALID,
                       "the gate of %s for %s was opened by the trigger %s of another phase of the join: retrigger that one",
                       work->phase->name, sl_date_format(work->gate.date, day), work->gate.trigger_id);
    return code == SL_OK ? sl_worker_outbox_triggers(worker, work, now_us, err) : code;
}

enum sl_code sl_worker_reopen(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err)
{
    const struct sl_gate before = work->gate;
    char day[SL_DATE_LEN + 1];
    if (before.state == SL_WAITING || before.state == SL_BLOCKED)
        return sl_fail(err, SL_INVALID, "generation %d of %s for %s is %s: it has to be decided before another is opened",
                       before.generation, work->phase->name, sl_date_format(before.date, day), sl_state_name(before.state));
    enum sl_code code = SL_OK;
    if (before.state == SL_SUPPRESSED) {
        struct sl_gate superseded = before;
        superseded.state = SL_SUPERSEDED;
        superseded.waits_for = NULL;
        superseded.since_us = now_us;
        code = sl_ledger_gate_put(worker->ledger, &superseded, err);
    }
    sl_gate_new(&work->gate, work->phase, before.date, before.profile, before.generation + 1, now_us);
    work->gate.reopened = true;
    work->gate.clock_start_ms = before.clock_start_ms;
    work->gate.last_report_us = before.last_report_us;
    work->exists = false;
    if (code == SL_OK)
        code = sl_worker_decide_one(worker, work, now_us, err);
    return code == SL_OK ? sl_worker_write(worker, work, now_us, err) : code;
}

enum sl_code sl_worker_retrigger(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, bool new_generation,
                                 const char *reason, const char *who, int64_t now_us, struct sl_verdict *out, struct sl_arena *arena,
                                 struct sl_err *err)
{
    struct work work = {0};
    const enum sl_profile profile = sl_profile_of(date, sl_zone_date(worker->config->zone, now_us));
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_calendar_refresh(worker, now_us, err);
    if (code == SL_OK)
        code = find_gate_of_any(worker, &work, phase, date, profile, err);
    if (code == SL_OK)
        code = new_generation ? sl_worker_reopen(worker, &work, now_us, err) : republish(worker, &work, now_us, err);
    if (code == SL_OK)
        code = sl_worker_action(worker, &work, new_generation ? "retrigger with a new generation" : "retrigger", who, reason, now_us, err);
    if (code == SL_OK)
        verdict_of(out, worker, &work, now_us, arena);
    return sl_worker_end(worker, code, err);
}

/* ---- coverage for commands ---- */

/* The names are the calendar's, which may be read again before the caller is done. */
static void own_units(struct sl_coverage *coverage, struct sl_arena *arena)
{
    for (size_t i = 0; i < coverage->n_missing; i++)
        coverage->missing[i] = sl_arena_strdup(arena, coverage->missing[i]);
    for (size_t i = 0; i < coverage->n_served; i++)
        coverage->served[i].unit = sl_arena_strdup(arena, coverage->served[i].unit);
}

enum sl_code sl_worker_coverage(struct sl_worker *worker, const struct sl_processor *processor, sl_date from, sl_date to, bool every_day,
                                struct sl_date_coverage **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_sources sources = SL_SOURCES_INIT;
    const struct sl_calendar *calendar = NULL;
    *out = NULL;
    *n = 0;
    enum sl_code code = worker->config->calendar ? sl_worker_calendar(worker, &calendar, err) : SL_OK;
    if (code != SL_OK)
        return code;
    size_t n_days = to >= from ? (size_t)(to - from) + 1 : 0, n_due = 0;
    struct sl_due *due = sl_arena_array(arena, n_days + 1, sizeof *due);
    for (size_t i = 0; i < n_days; i++) {
        due[n_due] = sl_due_on(worker, from + (sl_date)i, every_day, arena);
        if (due[n_due].n)
            sl_coverage_ask(&sources, processor, &due[n_due++]);
    }
    code = sl_sources_ask(&sources, worker->warehouse, arena, err);
    *out = sl_arena_array(arena, n_due + 1, sizeof **out);
    for (size_t i = 0; code == SL_OK && i < n_due; i++) {
        (*out)[i].date = due[i].date;
        sl_coverage_read(&(*out)[i].coverage, &sources, processor, &due[i], arena);
        own_units(&(*out)[i].coverage, arena);
    }
    *n = code == SL_OK ? n_due : 0;
    sl_sources_fini(&sources);
    return code;
}
