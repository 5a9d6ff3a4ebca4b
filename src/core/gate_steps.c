/* gate_steps.c - the steps up to the barrier: settle, calendar, reported, units, barrier (DESIGN section 6, steps 4 to 7). */
#include "gate_making.h"

bool sl_step_settle(struct sl_making *m)
{
    const struct sl_facts *facts = m->facts;
    if (facts->generation <= 1 || facts->retriggered || facts->released || (facts->settled && !facts->in_progress))
        return false;
    if (!facts->in_progress)
        sl_making_due_in(m, m->phase->settle_ms - (facts->now_us - facts->last_report_us) / 1000);
    return sl_making_stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_SETTLE),
                          facts->in_progress ? "the runs of the phase that are in progress" : "the reruns to settle");
}

static bool calendar_suspect(struct sl_making *m, struct sl_check *check)
{
    const struct sl_facts *facts = m->facts;
    if (!facts->calendar_suspect || (facts->n_planned > 0 && !facts->date_lost_units))
        return false;
    check->passed = false;
    check->actual = facts->n_planned ? "the date has lost units that it had" : "no planned unit";
    check->detail = "the calendar is empty or has lost units that the ledger remembers: no date is judged empty";
    return sl_making_stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_CALENDAR_SUSPECT), "a calendar that can be trusted");
}

static bool calendar_not_done(struct sl_making *m, struct sl_check *check)
{
    const struct sl_facts *facts = m->facts;
    if (facts->profile != SL_PAST || facts->n_not_done == 0)
        return false;
    check->passed = false;
    check->detail = sl_making_names(m, facts->not_done, facts->n_not_done);
    return sl_making_stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_CALENDAR),
                          sl_arena_printf(m->arena, "%zu planned units that are not done: %s", facts->n_not_done, check->detail));
}

/* An empty date: nothing is checked; `on_empty: trigger` lets it pass on. */
static bool calendar_empty(struct sl_making *m)
{
    m->out->n_missing = m->out->n_completed = 0;
    if (m->phase->on_empty == SL_EMPTY_NOTHING)
        return sl_making_stop(m, SL_EMPTY, 0, NULL);
    return false;
}

bool sl_step_calendar(struct sl_making *m)
{
    const struct sl_facts *facts = m->facts;
    if (!facts->has_calendar)
        return false;
    struct sl_check *check = sl_making_check(m, "calendar", SL_STRICT);
    check->expected = facts->profile == SL_PAST ? "every planned unit is done" : "planned units";
    if (facts->calendar_error) {
        check->passed = false;
        check->detail = facts->calendar_error;
        return sl_making_stop(m, SL_BLOCKED, SL_REASON_BIT(SL_REASON_CHECK_ERROR),
                              sl_arena_printf(m->arena, "a calendar that can be read: %s", facts->calendar_error));
    }
    check->actual = sl_arena_printf(m->arena, "%zu planned, %zu done", facts->n_planned, facts->n_done);
    if (calendar_suspect(m, check) || calendar_not_done(m, check))
        return true;
    return facts->n_planned == 0 && calendar_empty(m);
}

bool sl_step_reported(struct sl_making *m)
{
    const char *failed = NULL;
    for (size_t i = 0; i < m->facts->n_procs; i++)
        if (sl_making_is_critical(m, i) && m->standing[i] == SL_STANDS_FAILED)
            failed = sl_making_listed(m, failed, m->facts->procs[i].processor->name);
    struct sl_check *check = sl_making_check(m, "reported", SL_STRICT);
    check->expected = "no critical processor's newest run failed";
    check->actual = sl_arena_printf(m->arena, "%zu of %zu required processors reported", m->n_reported, m->n_required);
    check->detail = failed ? sl_arena_printf(m->arena, "failed: %s", failed) : NULL;
    check->passed = !failed;
    if (!failed || m->waive_critical)
        return false;
    sl_making_await_waiver(m);
    return sl_making_stop(m, SL_BLOCKED, SL_REASON_BIT(SL_REASON_RUN_FAILED), sl_arena_printf(m->arena, "a newer run of %s", failed));
}

/* "player_boxscore: 1 of 6 units missing: 0022400123" */
static const char *units_sentence(struct sl_making *m, size_t i)
{
    const struct sl_proc_facts *proc = &m->facts->procs[i];
    const struct sl_coverage *coverage = &proc->coverage;
    const char *name = proc->processor->name;
    if (m->standing[i] == SL_STANDS_UNKNOWN)
        return sl_arena_printf(m->arena, "%s: %s", name, sl_primary_error(coverage));
    if (!coverage->asked)
        return sl_arena_printf(m->arena, "%s: its run reports no data", name);
    const char *table = proc->processor->sources[0].table;
    if (coverage->by_date)
        return sl_arena_printf(m->arena, "%s: %s has no rows", name, table);
    return sl_arena_printf(m->arena, "%s: %zu of %zu units have no rows in %s%s: %s", name, coverage->n_missing, coverage->n_due, table,
                           proc->processor->n_sources > 1 ? " or its fallbacks" : "",
                           sl_making_names(m, coverage->missing, coverage->n_missing));
}

/* What one processor adds to step 6: failures of a critical one are returned, softer things are collected. */
static sl_reasons units_of(struct sl_making *m, size_t i)
{
    const bool strict = m->phase->checks.units == SL_STRICT, critical = sl_making_is_critical(m, i);
    switch (m->standing[i]) {
    case SL_STANDS_SOME:
        if (critical && strict)
            return sl_making_weigh(m, SL_STRICT, SL_REASON_BIT(SL_REASON_UNITS));
        m->soft |= SL_REASON_BIT(SL_REASON_UNITS);
        return 0;
    case SL_STANDS_NO_DATA:
        if (!critical)
            return 0;
        if (!m->bootstrap)
            return SL_REASON_BIT(SL_REASON_NO_DATA);
        m->soft |= SL_REASON_BIT(SL_REASON_BOOTSTRAP);
        return 0;
    case SL_STANDS_UNKNOWN: return critical ? SL_REASON_BIT(SL_REASON_CHECK_ERROR) : 0;
    case SL_STANDS_UNREPORTED:
    case SL_STANDS_FAILED:
    case SL_STANDS_ALL: return 0;
    }
    return 0;
}

bool sl_step_units(struct sl_making *m)
{
    sl_reasons failed = 0;
    const char *detail = NULL, *blocking = NULL;
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        if (m->facts->procs[i].need == SL_NOT_REQUIRED)
            continue;
        sl_reasons mine = units_of(m, i);
        bool lacking = m->standing[i] == SL_STANDS_SOME || m->standing[i] == SL_STANDS_NO_DATA || m->standing[i] == SL_STANDS_UNKNOWN;
        const char *sentence = lacking ? units_sentence(m, i) : NULL;
        if (lacking)
            detail = sl_making_also(m, detail, sentence);
        if (mine)
            blocking = sl_making_also(m, blocking, sentence);
        failed |= mine;
    }
    struct sl_check *check = sl_making_check(m, "units", m->phase->checks.units == SL_STRICT ? SL_STRICT : SL_SOFT);
    check->expected = "rows for every done unit";
    check->actual = sl_arena_printf(m->arena, "%zu of %zu required processors deliver", m->n_delivered, m->n_required);
    check->detail = detail;
    check->passed = !detail;
    if (!failed || m->waive_critical)
        return false;
    sl_making_await_waiver(m);
    return sl_making_stop(m, SL_BLOCKED, failed, sl_arena_printf(m->arena, "rows: %s", blocking));
}

static const char *barrier_sentence(struct sl_making *m)
{
    return sl_arena_printf(m->arena, "%zu of %zu required processors delivered; missing: %s", m->n_delivered, m->n_required,
                           m->out->n_missing ? sl_making_names(m, m->out->missing, m->out->n_missing) : "none");
}

/* The barrier is not met: the deadline may open it, hold it, or only say so. */
static bool barrier_waits(struct sl_making *m, bool grace_only)
{
    sl_reasons reasons = SL_REASON_BIT(grace_only ? SL_REASON_GRACE : SL_REASON_BARRIER);
    const bool critical_ok = m->n_critical_delivered == m->n_critical || m->waive_critical;
    if (grace_only)
        sl_making_clock_due_in(m, m->phase->grace_ms - m->facts->clock_ms);
    if (!m->deadline_passed) {
        sl_making_await_deadline(m);
        return sl_making_stop(m, SL_WAITING, reasons, barrier_sentence(m));
    }
    switch (m->phase->deadline.then) {
    case SL_DEADLINE_DEGRADE:
        if (!critical_ok)
            return sl_making_stop(m, SL_WAITING, reasons, barrier_sentence(m));
        m->out->degraded = true;
        m->out->trigger_reason = SL_BY_DEADLINE;
        m->soft |= SL_REASON_BIT(SL_REASON_DEADLINE);
        return false;
    case SL_DEADLINE_ALERT: return sl_making_stop(m, SL_WAITING, reasons | SL_REASON_BIT(SL_REASON_DEADLINE), barrier_sentence(m));
    case SL_DEADLINE_HOLD: return sl_making_stop(m, SL_BLOCKED, reasons | SL_REASON_BIT(SL_REASON_DEADLINE), barrier_sentence(m));
    }
    return false;
}

bool sl_step_barrier(struct sl_making *m)
{
    struct sl_check *check = sl_making_check(m, "barrier", SL_STRICT);
    check->expected = sl_arena_printf(m->arena, "all, or every critical one and %.0f %% of the required processors", m->phase->share * 100);
    check->actual = sl_arena_printf(m->arena, "%zu of %zu delivered, %zu of %zu critical", m->n_delivered, m->n_required,
                                    m->n_critical_delivered, m->n_critical);
    check->detail = m->out->n_missing ? sl_arena_printf(m->arena, "missing: %s", sl_making_names(m, m->out->missing, m->out->n_missing))
                                      : NULL;
    const double share = m->n_required ? (double)m->n_delivered / (double)m->n_required : 0;
    const bool met = m->n_required && m->n_critical_delivered == m->n_critical && share >= m->phase->share - 1e-9;
    const bool all_reported = m->n_reported == m->n_required;
    m->out->trigger_reason = SL_BY_CRITICAL_AND_SHARE;
    if (m->n_required && m->n_delivered == m->n_required) {
        m->out->trigger_reason = SL_BY_ALL_COMPLETE;
        return false;
    }
    if (met && (all_reported || sl_making_clock_passed(m, m->phase->grace_ms)))
        return false;
    check->passed = false;
    return barrier_waits(m, met && !all_reported);
}
