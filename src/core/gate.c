/* gate.c - the steps of a gate's decision, in the order of DESIGN section 6; the first that fails gives the state.
 *
 *   settle -> calendar -> reported -> units -> barrier -> [facts of the checks] -> checks -> suppression -> join -> open
 *
 * Each step is a function over one struct sl_making; it returns true when it has ended the decision. Soft failures are collected on the way in `soft` and become the
 * reasons of a gate that opens; a gate that does not open carries every failure of the step that stopped it (RULES 6). */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "gate_making.h"

static bool step_suppression(struct sl_making *m)
{
    const struct sl_facts *facts = m->facts;
    m->out->is_production_ready = m->soft == 0;
    if (m->phase->observe)
        return sl_making_stop(m, SL_OBSERVED, m->soft, NULL);
    sl_reasons held = 0;
    if (facts->n_skip_by || facts->worker_skip)
        held |= SL_REASON_BIT(SL_REASON_SKIP);
    if (facts->hold_id)
        held |= SL_REASON_BIT(SL_REASON_HOLD);
    if (!held || facts->released)
        return false;
    struct sl_check *check = sl_making_check(m, "suppression", SL_STRICT);
    check->passed = false;
    check->expected = "nobody asks to hold the trigger back";
    check->actual = facts->n_skip_by
                        ? sl_arena_printf(m->arena, "skip_downstream_trigger by %s", sl_making_names(m, facts->skip_by, facts->n_skip_by))
                    : facts->worker_skip ? "the worker runs with --skip-downstream-trigger"
                                         : sl_arena_printf(m->arena, "hold %" PRId64 ": %s", facts->hold_id, facts->hold_reason);
    m->out->dropped = m->phase->on_skip == SL_SKIP_DROP && (held & SL_REASON_BIT(SL_REASON_SKIP));
    return sl_making_stop(m, SL_SUPPRESSED, m->soft | held, m->out->dropped ? NULL : "an operator's release");
}

/* Open for a join: a trigger may count on it. */
static bool counts_as_open(const struct sl_join_facts *join)
{
    return join->exists && (join->state == SL_TRIGGERED || join->state == SL_OBSERVED || join->state == SL_EMPTY || join->waits_for_join);
}

/* May the trigger to `follower` go out now? Its other phases must be open. When another phase has completed the join already, its trigger covers this gate too. */
static bool join_is_complete(struct sl_making *m, const struct sl_phase *follower, const char **covered_by, const char **waits_for)
{
    bool complete = true;
    for (size_t i = 0; i < m->facts->n_joins; i++) {
        const struct sl_join_facts *join = &m->facts->joins[i];
        if (join->follower != follower)
            continue;
        if (join->trigger_id)
            *covered_by = join->trigger_id;
        if (counts_as_open(join))
            continue;
        complete = false;
        *waits_for = sl_making_listed(m, *waits_for, join->other->name);
    }
    return complete;
}

static bool step_open(struct sl_making *m)
{
    struct sl_decision *out = m->out;
    const char *waits_for = NULL;
    for (size_t i = 0; i < m->phase->n_followers; i++) {
        const struct sl_phase *follower = &m->config->phases[m->phase->followers[i]];
        const char *covered_by = NULL;
        if (!join_is_complete(m, follower, &covered_by, &waits_for))
            continue;
        if (covered_by) {
            out->adopted_trigger_id = covered_by;
            continue;
        }
        out->triggers = sl_arena_push(m->arena, out->triggers, &out->n_triggers, sizeof *out->triggers);
        out->triggers[out->n_triggers - 1].to = follower;
        sl_trigger_id(m->config, m->phase, follower, m->facts->date, m->facts->profile, m->facts->generation,
                      out->triggers[out->n_triggers - 1].trigger_id);
    }
    if (m->phase->n_followers && out->n_triggers == 0 && !out->adopted_trigger_id)
        return sl_making_stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_JOIN), sl_arena_printf(m->arena, "the join with %s", waits_for));
    out->trigger_id = out->n_triggers ? out->triggers[0].trigger_id : out->adopted_trigger_id;
    if (m->facts->released)
        out->trigger_reason = SL_BY_RELEASED;
    if (m->facts->retriggered)
        out->trigger_reason = SL_BY_RETRIGGERED;
    return sl_making_stop(m, SL_TRIGGERED, m->soft, NULL);
}

static bool date_is_empty(const struct sl_making *m)
{
    return m->facts->has_calendar && m->facts->n_planned == 0;
}

/* A forced release goes on past a step that stops it, and keeps its reasons. */
static bool passes(struct sl_making *m, bool stopped)
{
    if (stopped && m->facts->forced) {
        m->soft |= m->out->reasons;
        m->out->waits_for = NULL;
        return true;
    }
    return !stopped;
}

static void run_steps(struct sl_making *m)
{
    if (sl_step_settle(m) || !passes(m, sl_step_calendar(m)))
        return;
    if (date_is_empty(m)) {
        m->out->trigger_reason = SL_BY_ALL_COMPLETE;
        if (!step_suppression(m))
            step_open(m);
        return;
    }
    if (passes(m, sl_step_reported(m)) && passes(m, sl_step_units(m)) && passes(m, sl_step_barrier(m)) && !sl_step_checks(m) &&
        !step_suppression(m))
        step_open(m);
}

/* The decision of the steps before is kept for what is not opened: what would trigger is only said by a gate that does. Only a gate that waits or is blocked has a clock. */
static void close_unopened(struct sl_decision *out)
{
    const bool waits = out->state == SL_WAITING || out->state == SL_BLOCKED;
    if (waits || out->state == SL_EMPTY) {
        out->trigger_reason = SL_BY_NONE;
        out->is_production_ready = out->degraded = false;
    }
    if (!waits)
        out->due_us = SL_NEVER_US;
}

void sl_gate_decide(struct sl_decision *out, const struct sl_config *config, const struct sl_facts *facts, struct sl_arena *arena)
{
    memset(out, 0, sizeof *out);
    out->due_us = SL_NEVER_US;
    out->completeness_pct = (double)NAN;
    struct sl_making m = {.config = config, .facts = facts, .phase = facts->phase, .out = out, .arena = arena};
    m.bootstrap = sl_in_bootstrap(facts->phase, facts);
    sl_making_read_deadline(&m);
    sl_making_take_stock(&m);
    for (size_t i = 0; i < facts->n_late; i++)
        sl_making_name(&m, &out->late, &out->n_late, facts->late[i]);
    run_steps(&m);
    close_unopened(out);
}

const struct sl_check *sl_decision_check(const struct sl_decision *decision, const char *name)
{
    for (size_t i = 0; i < decision->n_checks; i++)
        if (!strcmp(decision->checks[i].name, name))
            return &decision->checks[i];
    return NULL;
}

bool sl_decision_saw_units(const struct sl_decision *decision)
{
    return sl_decision_check(decision, "units") != NULL;
}
