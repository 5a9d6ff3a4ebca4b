/* decide.c - from gates at work to what is written: facts in two steps, decisions in date order, and for each one row of everything it changes (DESIGN section 4, RULES 6, 19).
 * Computing changes nothing; writing happens in the ledger transaction that is open. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

static int by_date_and_rank(const void *left, const void *right)
{
    const struct work *a = left, *b = right;
    if (a->gate.date != b->gate.date)
        return a->gate.date < b->gate.date ? -1 : 1;
    if (a->phase->rank != b->phase->rank)
        return a->phase->rank < b->phase->rank ? -1 : 1;
    if (a->gate.profile != b->gate.profile)
        return a->gate.profile < b->gate.profile ? -1 : 1;
    return a->gate.generation - b->gate.generation;
}

static enum sl_code compute(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = n ? sl_gather_units(worker, works, n, now_us, err) : SL_OK;
    bool wants_checks = false;
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        sl_gate_decide(&works[i].decision, worker->config, &works[i].facts, &worker->arena);
        wants_checks |= works[i].decision.wants_checks;
    }
    return code == SL_OK && wants_checks ? sl_gather_checks(worker, works, n, err) : code;
}

/* The final decision of one gate: joins look at what was decided before it in this batch. */
static enum sl_code decide_one(struct sl_worker *worker, struct work *work, struct sl_err *err)
{
    enum sl_code code = sl_gather_joins(worker, work, err);
    if (code == SL_OK && (work->decision.wants_checks || work->facts.n_joins))
        sl_gate_decide(&work->decision, worker->config, &work->facts, &worker->arena);
    return code;
}

/* ---- writing ---- */

static bool not_open(enum sl_state state)
{
    return state == SL_WAITING || state == SL_BLOCKED;
}

/* RULES 19: doubling from recheck.min to recheck.max, for recheck.for; clocks come when they come. */
static void schedule(const struct sl_worker *worker, struct sl_gate *gate, int64_t clock_due_us, bool changed, int64_t now_us)
{
    gate->due_us = SL_NEVER_US;
    if (!not_open(gate->state))
        return;
    int64_t least = worker->config->worker.recheck_min_ms, most = worker->config->worker.recheck_max_ms;
    gate->recheck_ms = changed || gate->recheck_ms == 0 ? least : gate->recheck_ms * 2 > most ? most : gate->recheck_ms * 2;
    if (now_us - gate->since_us < worker->config->worker.recheck_for_ms * 1000)
        gate->due_us = now_us + gate->recheck_ms * 1000;
    if (clock_due_us < gate->due_us)
        gate->due_us = clock_due_us;
}

struct sl_gate sl_worker_outcome(struct sl_worker *worker, const struct work *work, int64_t now_us)
{
    const struct sl_decision *decision = &work->decision;
    struct sl_gate gate = work->gate;
    gate.state = decision->state;
    gate.reasons = decision->reasons;
    gate.trigger_reason = decision->trigger_reason;
    gate.is_production_ready = decision->is_production_ready;
    gate.degraded = decision->degraded;
    gate.trigger_id = decision->trigger_id;
    gate.waits_for = decision->waits_for;
    gate.quality_tier = decision->has_quality ? sl_tier_name(decision->quality_tier) : NULL;
    gate.quality_score = decision->has_quality ? decision->quality_score : 0;
    gate.config_hash = worker->config->hash;
    gate.checked_us = now_us;
    gate.completed = sl_json_names(decision->completed, decision->n_completed, &worker->arena);
    gate.missing = sl_json_names(decision->missing, decision->n_missing, &worker->arena);
    gate.late = sl_json_names(decision->late, decision->n_late, &worker->arena);
    gate.dropped = decision->dropped;
    return gate;
}

static bool same_outcome(const struct sl_gate *a, const struct sl_gate *b)
{
    return a->state == b->state && a->reasons == b->reasons && a->trigger_reason == b->trigger_reason &&
           !strcmp(a->completed, b->completed) && !strcmp(a->missing, b->missing) && !strcmp(a->late, b->late) &&
           a->is_production_ready == b->is_production_ready && a->degraded == b->degraded && sl_str_eq(a->trigger_id, b->trigger_id) &&
           sl_str_eq(a->quality_tier, b->quality_tier) && !(a->quality_score < b->quality_score) &&
           !(a->quality_score > b->quality_score) && sl_str_eq(a->waits_for, b->waits_for) && sl_str_eq(a->config_hash, b->config_hash);
}

static enum sl_code write_record(struct sl_worker *worker, const struct work *work, const struct sl_gate *gate, struct sl_err *err)
{
    struct sl_buf facts = {0}, decision = {0};
    struct sl_json json;
    sl_json_init(&json, &facts);
    sl_facts_json(&json, &work->facts);
    sl_json_init(&json, &decision);
    sl_decision_json(&json, &work->decision);
    enum sl_code code = sl_ledger_decision_add(worker->ledger, gate, facts.data, facts.len, decision.data, decision.len, err);
    sl_buf_fini(&facts);
    sl_buf_fini(&decision);
    return code;
}

enum sl_code sl_worker_outbox_triggers(struct sl_worker *worker, const struct work *work, int64_t now_us, struct sl_err *err)
{
    for (size_t i = 0; i < work->decision.n_triggers; i++) {
        const struct sl_decision_trigger *trigger = &work->decision.triggers[i];
        if (!trigger->to->trigger_topic)
            continue;
        struct sl_buf body = {0}, attributes = {0};
        sl_trigger_message(&body, &attributes, worker->config, &work->facts, &work->decision, trigger, now_us);
        struct sl_outbox_row row = {.kind = SL_OUTBOX_TRIGGER,
                                    .topic = trigger->to->trigger_topic,
                                    .key = trigger->trigger_id,
                                    .phase = work->phase->name,
                                    .date = work->gate.date,
                                    .data = body.data,
                                    .len = body.len,
                                    .attributes = sl_buf_text(&attributes),
                                    .created_us = now_us,
                                    .next_us = now_us};
        enum sl_code code = sl_ledger_outbox_add(worker->ledger, &row, err);
        sl_buf_fini(&body);
        sl_buf_fini(&attributes);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

static enum sl_code write_events(struct sl_worker *worker, const struct work *work, struct sl_err *err)
{
    struct sl_event *events = NULL;
    size_t n = 0;
    sl_gate_events(&events, &n, worker->config, &work->facts, &work->decision, work->exists ? &work->gate : NULL, &worker->arena);
    for (size_t i = 0; i < n; i++) {
        enum sl_code code = sl_worker_event(worker, &events[i], err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

/* The triggers that this gate's own decision published, whatever the join looks like now: one that it adopted is another gate's, and goes out under that one's id. */
static enum sl_code keep_fired(struct sl_worker *worker, struct work *work, struct sl_err *err)
{
    struct sl_decision_record fired;
    enum sl_code code = sl_ledger_decision_get(worker->ledger, work->phase->name, work->gate.date, work->gate.profile,
                                               work->gate.generation, &fired, &worker->arena, err);
    struct sl_decision *decision = &work->decision;
    decision->triggers = sl_arena_array(&worker->arena, work->phase->n_followers + 1, sizeof *decision->triggers);
    decision->n_triggers = 0;
    for (size_t i = 0; code == SL_OK && i < work->phase->n_followers; i++) {
        struct sl_decision_trigger *trigger = &decision->triggers[decision->n_triggers];
        trigger->to = &worker->config->phases[work->phase->followers[i]];
        sl_trigger_id(worker->config, work->phase, trigger->to, work->gate.date, work->gate.profile, work->gate.generation,
                      trigger->trigger_id);
        decision->n_triggers += strstr(fired.decision, trigger->trigger_id) != NULL;
    }
    return code;
}

/* Open for a join, whether it publishes or not. */
static bool completes_joins(enum sl_state state)
{
    return state == SL_TRIGGERED || state == SL_OBSERVED || state == SL_EMPTY;
}

/* The other phases of a join that wait only for it adopt this gate's trigger, or publish theirs: they are due now. */
static enum sl_code wake_joined(struct sl_worker *worker, const struct work *work, int64_t now_us, struct sl_err *err)
{
    for (size_t i = 0; i < work->facts.n_joins; i++) {
        int64_t made = 0;
        const struct sl_join_facts *join = &work->facts.joins[i];
        enum sl_code code = join->waits_for_join ? sl_ledger_gates_make_due(worker->ledger, join->other->name, work->gate.date,
                                                                            work->gate.date, now_us, &made, err)
                                                 : SL_OK;
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

static enum sl_code write_change(struct sl_worker *worker, const struct work *work, const struct sl_gate *gate, int64_t now_us,
                                 struct sl_err *err)
{
    enum sl_code code = write_record(worker, work, gate, err);
    if (code == SL_OK)
        code = sl_ledger_gate_put(worker->ledger, gate, err);
    if (code == SL_OK && gate->state == SL_TRIGGERED)
        code = sl_worker_outbox_triggers(worker, work, now_us, err);
    if (code == SL_OK && completes_joins(gate->state))
        code = wake_joined(worker, work, now_us, err);
    if (code == SL_OK)
        code = sl_worker_follow_content(worker, work, gate, now_us, err);
    if (code == SL_OK)
        sl_worker_note(worker, gate);
    return code;
}

enum sl_code sl_worker_write(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err)
{
    struct sl_gate gate = sl_worker_outcome(worker, work, now_us);
    const bool moved = !work->exists || gate.state != work->gate.state || gate.reasons != work->gate.reasons;
    const bool changed = !work->exists || !same_outcome(&gate, &work->gate);
    if (moved)
        gate.since_us = now_us;
    if (changed)
        gate.decided_us = now_us;
    schedule(worker, &gate, work->decision.due_us, moved, now_us);
    enum sl_code code = write_events(worker, work, err);
    if (code != SL_OK)
        return code;
    if (changed || work->reported) /* a report may have brought rows that nobody has stamped */
        code = sl_stamp_queue(worker, work, now_us, err);
    if (code != SL_OK)
        return code;
    if (changed)
        return write_change(worker, work, &gate, now_us, err);
    return work->reported ? sl_ledger_gate_put(worker->ledger, &gate, err) : sl_ledger_gate_touch(worker->ledger, &gate, err);
}

enum sl_code sl_worker_decide_one(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = compute(worker, work, 1, now_us, err);
    return code == SL_OK ? decide_one(worker, work, err) : code;
}

enum sl_code sl_worker_decide_again(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err)
{
    work->released = work->forced = true;
    enum sl_code code = sl_worker_decide_one(worker, work, now_us, err);
    work->decision.trigger_reason = SL_BY_RETRIGGERED;
    return code == SL_OK ? keep_fired(worker, work, err) : code;
}

static enum sl_code decide_some(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = compute(worker, works, n, now_us, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        code = decide_one(worker, &works[i], err);
        if (code == SL_OK)
            code = sl_worker_write(worker, &works[i], now_us, err);
    }
    return code;
}

enum sl_code sl_worker_decide(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err)
{
    enum { AT_ONCE = 2000 }; /* facts of a gate take about 5 KiB: 10 MiB of arena */
    enum sl_code code = SL_OK;
    if (n)
        qsort(works, n, sizeof *works, by_date_and_rank);
    for (size_t done = 0; code == SL_OK && done < n; done += AT_ONCE)
        code = decide_some(worker, works + done, n - done < AT_ONCE ? n - done : AT_ONCE, now_us, err);
    worker->counters.decided += code == SL_OK ? n : 0;
    return code;
}
