/* gate.c - the steps of a gate's decision, in the order of DESIGN section 6; the first that fails gives the state.
 *
 *   settle -> calendar -> reported -> units -> barrier -> [facts of the checks] -> checks -> suppression -> join -> open
 *
 * Each step is a function over one struct making; it returns true when it has ended the decision. Soft failures are collected on the way in `making.soft` and become the
 * reasons of a gate that opens; a gate that does not open carries every failure of the step that stopped it (RULES 6). */
#include <inttypes.h>
#include <string.h>

#include "gate_internal.h"

/* A decision in the making. */
struct making {
    const struct sl_config *config;
    const struct sl_facts *facts;
    const struct sl_phase *phase;
    struct sl_decision *out;
    struct sl_arena *arena;
    enum sl_standing *standing; /* per processor of the phase */
    bool *delivers;
    size_t n_required, n_critical, n_delivered, n_critical_delivered, n_reported;
    sl_reasons soft;
    bool bootstrap, deadline_passed, waive_critical;
};

/* ---- small helpers ---- */

static struct sl_check *check_add(struct making *m, const char *name, enum sl_mode mode)
{
    struct sl_decision *out = m->out;
    out->checks = sl_arena_push(m->arena, out->checks, &out->n_checks, sizeof *out->checks);
    struct sl_check *check = &out->checks[out->n_checks - 1];
    check->name = name;
    check->mode = mode;
    check->evaluated = check->passed = true;
    return check;
}

static void name_add(struct making *m, const char ***names, size_t *n, const char *name)
{
    *names = sl_arena_push(m->arena, *names, n, sizeof **names);
    (*names)[*n - 1] = name;
}

/* Append to a sentence that lists things: "a, b, c". */
static const char *listed(struct making *m, const char *list, const char *item)
{
    return list ? sl_arena_printf(m->arena, "%s, %s", list, item) : item;
}

/* The first `most` of them, and how many more. */
static const char *first_names(struct making *m, const char *const *names, size_t n, size_t most)
{
    const char *text = NULL;
    for (size_t i = 0; i < n && i < most; i++)
        text = listed(m, text, names[i]);
    return n > most ? sl_arena_printf(m->arena, "%s and %zu more", text, n - most) : text;
}

static const char *names_text(struct making *m, const char *const *names, size_t n)
{
    return first_names(m, names, n, 20);
}

static const char *date_text(struct making *m, sl_date date)
{
    char text[SL_DATE_LEN + 1];
    return sl_arena_strdup(m->arena, sl_date_format(date, text));
}

static bool stop(struct making *m, enum sl_state state, sl_reasons reasons, const char *waits_for)
{
    m->out->state = state;
    m->out->reasons = reasons;
    m->out->waits_for = waits_for;
    return true;
}

static void due_in(struct making *m, int64_t ms)
{
    int64_t at = m->facts->now_us + (ms > 0 ? ms : 0) * 1000;
    if (at < m->out->due_us)
        m->out->due_us = at;
}

/* Clocks of grace and deadline pass only on a stream that has been silent for 5 s (RULES 18): while it isn't, looking sooner is of no use. */
static void clock_due_in(struct making *m, int64_t ms)
{
    enum { SILENCE_MS = 5000 };
    due_in(m, !m->facts->drained && ms < SILENCE_MS ? SILENCE_MS : ms);
}

/* A failure under a mode: soft ones, and strict ones during the bootstrap, are collected; the others are returned. */
static sl_reasons weigh(struct making *m, enum sl_mode mode, sl_reasons failure)
{
    if (mode == SL_STRICT && !m->bootstrap)
        return failure;
    if (failure && mode == SL_STRICT)
        m->soft |= SL_REASON_BIT(SL_REASON_BOOTSTRAP);
    m->soft |= failure;
    return 0;
}

/* ---- what is known of the processors ---- */

static bool is_critical(const struct making *m, size_t i)
{
    return m->facts->procs[i].need == SL_CRITICAL;
}

/* During the bootstrap no data is legitimate, and units are soft. */
static bool delivers(const struct making *m, size_t i)
{
    if (sl_standing_delivers(m->standing[i], m->facts->procs[i].need, m->phase->checks.units == SL_STRICT))
        return true;
    return m->bootstrap && (m->standing[i] == SL_STANDS_NO_DATA || (m->standing[i] == SL_STANDS_SOME && is_critical(m, i)));
}

static void take_stock(struct making *m)
{
    const struct sl_facts *facts = m->facts;
    m->standing = sl_arena_array(m->arena, facts->n_procs, sizeof *m->standing);
    m->delivers = sl_arena_array(m->arena, facts->n_procs, sizeof *m->delivers);
    for (size_t i = 0; i < facts->n_procs; i++) {
        if (facts->procs[i].need == SL_NOT_REQUIRED)
            continue;
        m->standing[i] = sl_processor_standing(&facts->procs[i], facts->n_done);
        m->delivers[i] = delivers(m, i);
        m->n_required++;
        m->n_critical += is_critical(m, i);
        m->n_reported += m->standing[i] != SL_STANDS_UNREPORTED;
        m->n_delivered += m->delivers[i];
        m->n_critical_delivered += m->delivers[i] && is_critical(m, i);
        const char *name = facts->procs[i].processor->name;
        if (m->delivers[i])
            name_add(m, &m->out->completed, &m->out->n_completed, name);
        else
            name_add(m, &m->out->missing, &m->out->n_missing, name);
    }
}

/* Clocks run on the phase's own time, and only count while its stream is drained (RULES 18). */
static bool clock_passed(const struct making *m, int64_t ms)
{
    return m->facts->drained && m->facts->clock_ms >= 0 && m->facts->clock_ms >= ms;
}

static int64_t deadline_at_us(const struct making *m)
{
    if (m->phase->deadline.at_minutes < 0 || m->facts->first_completion_us == 0)
        return SL_NEVER_US;
    const int64_t of_day = (int64_t)m->phase->deadline.at_minutes * 60 * 1000000;
    sl_date day = sl_zone_date(m->config->zone, m->facts->first_completion_us);
    int64_t at = sl_zone_instant(m->config->zone, day, of_day);
    return at >= m->facts->first_completion_us ? at : sl_zone_instant(m->config->zone, day + 1, of_day);
}

static void read_deadline(struct making *m)
{
    int64_t at = deadline_at_us(m);
    bool after = m->phase->deadline.after_ms >= 0 && clock_passed(m, m->phase->deadline.after_ms);
    m->deadline_passed = after || (at != SL_NEVER_US && m->facts->drained && m->facts->now_us >= at);
    m->waive_critical = m->deadline_passed && m->phase->deadline.then == SL_DEADLINE_DEGRADE && m->phase->deadline.waive_critical;
}

/* Look again when the deadline passes. */
static void await_deadline(struct making *m)
{
    int64_t at = deadline_at_us(m);
    if (m->deadline_passed)
        return;
    if (m->phase->deadline.after_ms >= 0 && m->facts->clock_ms >= 0)
        clock_due_in(m, m->phase->deadline.after_ms - m->facts->clock_ms);
    if (at != SL_NEVER_US)
        clock_due_in(m, (at - m->facts->now_us) / 1000);
}

/* A gate stopped by what only the deadline would waive. */
static void await_waiver(struct making *m)
{
    if (m->phase->deadline.then == SL_DEADLINE_DEGRADE && m->phase->deadline.waive_critical)
        await_deadline(m);
}

/* ---- the steps ---- */

static bool step_settle(struct making *m)
{
    const struct sl_facts *facts = m->facts;
    if (facts->generation <= 1 || facts->retriggered || facts->released || (facts->settled && !facts->in_progress))
        return false;
    if (!facts->in_progress)
        due_in(m, m->phase->settle_ms - (facts->now_us - facts->last_report_us) / 1000);
    return stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_SETTLE),
                facts->in_progress ? "the runs of the phase that are in progress" : "the reruns to settle");
}

static bool calendar_suspect(struct making *m, struct sl_check *check)
{
    const struct sl_facts *facts = m->facts;
    if (!facts->calendar_suspect || (facts->n_planned > 0 && !facts->date_lost_units))
        return false;
    check->passed = false;
    check->actual = facts->n_planned ? "the date has lost units that it had" : "no planned unit";
    check->detail = "the calendar is empty or has lost units that the ledger remembers: no date is judged empty";
    return stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_CALENDAR_SUSPECT), "a calendar that can be trusted");
}

static bool calendar_not_done(struct making *m, struct sl_check *check)
{
    const struct sl_facts *facts = m->facts;
    if (facts->profile != SL_PAST || facts->n_not_done == 0)
        return false;
    check->passed = false;
    check->detail = names_text(m, facts->not_done, facts->n_not_done);
    return stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_CALENDAR),
                sl_arena_printf(m->arena, "%zu planned units that are not done: %s", facts->n_not_done, check->detail));
}

/* An empty date: nothing is checked; `on_empty: trigger` lets it pass on. */
static bool calendar_empty(struct making *m)
{
    m->out->n_missing = m->out->n_completed = 0;
    if (m->phase->on_empty == SL_EMPTY_NOTHING)
        return stop(m, SL_EMPTY, 0, NULL);
    return false;
}

static bool step_calendar(struct making *m)
{
    const struct sl_facts *facts = m->facts;
    if (!facts->has_calendar)
        return false;
    struct sl_check *check = check_add(m, "calendar", SL_STRICT);
    check->expected = facts->profile == SL_PAST ? "every planned unit is done" : "planned units";
    if (facts->calendar_error) {
        check->passed = false;
        check->detail = facts->calendar_error;
        return stop(m, SL_BLOCKED, SL_REASON_BIT(SL_REASON_CHECK_ERROR), "a calendar that can be read");
    }
    check->actual = sl_arena_printf(m->arena, "%zu planned, %zu done", facts->n_planned, facts->n_done);
    if (calendar_suspect(m, check) || calendar_not_done(m, check))
        return true;
    return facts->n_planned == 0 && calendar_empty(m);
}

static bool step_reported(struct making *m)
{
    const char *failed = NULL;
    for (size_t i = 0; i < m->facts->n_procs; i++)
        if (is_critical(m, i) && m->standing[i] == SL_STANDS_FAILED)
            failed = listed(m, failed, m->facts->procs[i].processor->name);
    struct sl_check *check = check_add(m, "reported", SL_STRICT);
    check->expected = "no critical processor's newest run failed";
    check->actual = sl_arena_printf(m->arena, "%zu of %zu required processors reported", m->n_reported, m->n_required);
    check->detail = failed ? sl_arena_printf(m->arena, "failed: %s", failed) : NULL;
    check->passed = !failed;
    if (!failed || m->waive_critical)
        return false;
    await_waiver(m);
    return stop(m, SL_BLOCKED, SL_REASON_BIT(SL_REASON_RUN_FAILED), sl_arena_printf(m->arena, "a newer run of %s", failed));
}

/* "player_boxscore: 1 of 6 units missing: 0022400123" */
static const char *units_sentence(struct making *m, size_t i)
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
                           names_text(m, coverage->missing, coverage->n_missing));
}

/* What one processor adds to step 6: failures of a critical one are returned, softer things are collected. */
static sl_reasons units_of(struct making *m, size_t i)
{
    const bool strict = m->phase->checks.units == SL_STRICT, critical = is_critical(m, i);
    switch (m->standing[i]) {
    case SL_STANDS_SOME:
        if (critical && strict)
            return weigh(m, SL_STRICT, SL_REASON_BIT(SL_REASON_UNITS));
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

static bool step_units(struct making *m)
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
            detail = detail ? sl_arena_printf(m->arena, "%s; %s", detail, sentence) : sentence;
        if (mine)
            blocking = blocking ? sl_arena_printf(m->arena, "%s; %s", blocking, sentence) : sentence;
        failed |= mine;
    }
    struct sl_check *check = check_add(m, "units", m->phase->checks.units == SL_STRICT ? SL_STRICT : SL_SOFT);
    check->expected = "rows for every done unit";
    check->actual = sl_arena_printf(m->arena, "%zu of %zu required processors deliver", m->n_delivered, m->n_required);
    check->detail = detail;
    check->passed = !detail;
    if (!failed || m->waive_critical)
        return false;
    await_waiver(m);
    return stop(m, SL_BLOCKED, failed, sl_arena_printf(m->arena, "rows: %s", blocking));
}

static const char *barrier_sentence(struct making *m)
{
    return sl_arena_printf(m->arena, "%zu of %zu required processors delivered; missing: %s", m->n_delivered, m->n_required,
                           m->out->n_missing ? names_text(m, m->out->missing, m->out->n_missing) : "none");
}

/* The barrier is not met: the deadline may open it, hold it, or only say so. */
static bool barrier_waits(struct making *m, bool grace_only)
{
    sl_reasons reasons = SL_REASON_BIT(grace_only ? SL_REASON_GRACE : SL_REASON_BARRIER);
    const bool critical_ok = m->n_critical_delivered == m->n_critical || m->waive_critical;
    if (grace_only)
        clock_due_in(m, m->phase->grace_ms - m->facts->clock_ms);
    if (!m->deadline_passed) {
        await_deadline(m);
        return stop(m, SL_WAITING, reasons, barrier_sentence(m));
    }
    switch (m->phase->deadline.then) {
    case SL_DEADLINE_DEGRADE:
        if (!critical_ok)
            return stop(m, SL_WAITING, reasons, barrier_sentence(m));
        m->out->degraded = true;
        m->out->trigger_reason = SL_BY_DEADLINE;
        m->soft |= SL_REASON_BIT(SL_REASON_DEADLINE);
        return false;
    case SL_DEADLINE_ALERT: return stop(m, SL_WAITING, reasons | SL_REASON_BIT(SL_REASON_DEADLINE), barrier_sentence(m));
    case SL_DEADLINE_HOLD: return stop(m, SL_BLOCKED, reasons | SL_REASON_BIT(SL_REASON_DEADLINE), barrier_sentence(m));
    }
    return false;
}

static bool step_barrier(struct making *m)
{
    struct sl_check *check = check_add(m, "barrier", SL_STRICT);
    check->expected = sl_arena_printf(m->arena, "all, or every critical one and %.0f %% of the required processors", m->phase->share * 100);
    check->actual = sl_arena_printf(m->arena, "%zu of %zu delivered, %zu of %zu critical", m->n_delivered, m->n_required,
                                    m->n_critical_delivered, m->n_critical);
    check->detail = m->out->n_missing ? sl_arena_printf(m->arena, "missing: %s", names_text(m, m->out->missing, m->out->n_missing)) : NULL;
    const double share = m->n_required ? (double)m->n_delivered / (double)m->n_required : 0;
    const bool met = m->n_required && m->n_critical_delivered == m->n_critical && share >= m->phase->share - 1e-9;
    const bool all_reported = m->n_reported == m->n_required;
    m->out->trigger_reason = SL_BY_CRITICAL_AND_SHARE;
    if (m->n_required && m->n_delivered == m->n_required) {
        m->out->trigger_reason = SL_BY_ALL_COMPLETE;
        return false;
    }
    if (met && (all_reported || clock_passed(m, m->phase->grace_ms)))
        return false;
    check->passed = false;
    return barrier_waits(m, met && !all_reported);
}

static sl_reasons upstream_of(struct making *m, const struct sl_upstream_facts *up, const char **detail)
{
    const bool strict = up->phase->checks.units == SL_STRICT;
    sl_reasons failed = 0;
    for (size_t i = 0; i < up->n; i++) {
        const struct sl_proc_facts *proc = &up->procs[i];
        const char *problem = NULL;
        sl_reasons mine = SL_REASON_BIT(SL_REASON_UPSTREAM);
        if (proc->running && !sl_running_is_stuck(proc->running, m->phase->checks.upstream.running_timeout_ms, m->facts->now_us)) {
            mine = SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING);
            problem = "is running";
            due_in(m, m->phase->checks.upstream.running_timeout_ms - (m->facts->now_us - proc->running->timestamp_us) / 1000);
        } else if (proc->running) {
            problem = "has been running for too long";
        } else if (!proc->run) {
            problem = "has not reported";
        } else if (proc->run->status == SL_RUN_FAILED) {
            problem = "failed";
        } else if (sl_primary_error(&proc->coverage)) {
            mine = SL_REASON_BIT(SL_REASON_CHECK_ERROR);
            problem = sl_primary_error(&proc->coverage);
        } else if (!sl_in_bootstrap(up->phase, m->facts) && !sl_processor_delivered(proc, m->facts->n_done, strict)) {
            problem = "has units without rows";
        }
        if (!problem)
            continue;
        failed |= mine;
        *detail = listed(m, *detail, sl_arena_printf(m->arena, "%s/%s %s", up->phase->name, proc->processor->name, problem));
    }
    return failed;
}

static sl_reasons check_upstream(struct making *m)
{
    const enum sl_mode mode = m->phase->checks.upstream.mode;
    if (mode == SL_OFF)
        return 0;
    sl_reasons failed = 0;
    const char *detail = NULL;
    for (size_t i = 0; i < m->facts->n_upstream; i++)
        failed |= upstream_of(m, &m->facts->upstream[i], &detail);
    struct sl_check *check = check_add(m, "upstream", mode);
    check->expected = "every critical processor of the phases before reported and delivered";
    check->actual = failed ? detail : "all did";
    check->detail = detail;
    check->passed = !failed;
    return weigh(m, mode, failed);
}

static const char *gap_sentence(struct making *m, const struct sl_gap *gap, size_t most_units)
{
    if (gap->error)
        return sl_arena_printf(m->arena, "%s: %s", gap->processor->name, gap->error);
    const char *date = date_text(m, gap->date);
    if (gap->n_units == 0)
        return sl_arena_printf(m->arena, "%s %s", gap->processor->name, date);
    return sl_arena_printf(m->arena, "%s %s (%zu of %zu units: %s)", gap->processor->name, date, gap->n_units, gap->n_due,
                           first_names(m, gap->units, gap->n_units, most_units));
}

/* All of them are in the facts; a sentence names the first ones. */
static const char *gaps_text(struct making *m, size_t most, size_t most_units)
{
    const size_t n = m->facts->n_gaps;
    const char *text = NULL;
    for (size_t i = 0; i < n && i < most; i++)
        text = listed(m, text, gap_sentence(m, &m->facts->gaps[i], most_units));
    return n > most ? sl_arena_printf(m->arena, "%s and %zu more", text, n - most) : text;
}

static sl_reasons check_gaps(struct making *m)
{
    const enum sl_mode mode = m->phase->checks.gaps.mode;
    if (mode == SL_OFF)
        return 0;
    sl_reasons failed = 0;
    for (size_t i = 0; i < m->facts->n_gaps; i++)
        failed |= SL_REASON_BIT(m->facts->gaps[i].error ? SL_REASON_CHECK_ERROR : SL_REASON_GAPS);
    struct sl_check *check = check_add(m, "gaps", mode);
    check->expected = sl_arena_printf(m->arena, "rows on %zu due dates from %s to %s", m->facts->n_gap_dates,
                                      date_text(m, m->facts->gaps_from), date_text(m, m->facts->gaps_to));
    check->actual = sl_arena_printf(m->arena, "%zu gaps, %zu known gaps excused", m->facts->n_gaps, m->facts->n_known_gaps);
    check->detail = gaps_text(m, 40, 20);
    check->passed = !failed;
    return weigh(m, mode, failed);
}

/* Validated, shown, and not counted: these checks are not evaluated by this version. */
static void check_unevaluated(struct making *m, const char *name, enum sl_mode mode)
{
    if (mode == SL_OFF)
        return;
    struct sl_check *check = check_add(m, name, mode);
    check->evaluated = check->passed = false;
    check->actual = "not evaluated";
}

/* Only gaps hold it, for longer than degrade_after: it goes on, degraded. */
static bool gaps_may_degrade(struct making *m, sl_reasons failed)
{
    const int64_t after_ms = m->phase->checks.gaps.degrade_after_ms;
    if (failed != SL_REASON_BIT(SL_REASON_GAPS) || after_ms < 0)
        return false;
    int64_t since_us = m->facts->blocked_by_gaps_since_us ? m->facts->blocked_by_gaps_since_us : m->facts->now_us;
    int64_t left_ms = after_ms - (m->facts->now_us - since_us) / 1000;
    if (left_ms > 0) {
        due_in(m, left_ms);
        return false;
    }
    m->out->degraded = true;
    m->soft |= failed;
    return true;
}

/* An optional processor that covers nothing is only in `missing` (RULES 9). */
static void note_partial(struct making *m)
{
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED || (proc->need == SL_OPTIONAL && m->standing[i] == SL_STANDS_NO_DATA))
            continue;
        if (proc->run && proc->run->status == SL_RUN_PARTIAL && proc->run->records_failed > 0)
            m->soft |= SL_REASON_BIT(SL_REASON_PARTIAL);
    }
}

static const char *checks_sentence(struct making *m)
{
    const struct sl_check *upstream = sl_decision_check(m->out, "upstream"), *gaps = sl_decision_check(m->out, "gaps");
    const char *text = NULL;
    if (upstream && upstream->mode == SL_STRICT && !upstream->passed)
        text = sl_arena_printf(m->arena, "upstream: %s", upstream->detail);
    if (gaps && gaps->mode == SL_STRICT && !gaps->passed)
        text = sl_arena_printf(m->arena, "%s%sgaps: %s", text ? text : "", text ? "; " : "", gaps_text(m, 3, 3));
    return text;
}

/* What the checks can fail with: a gate that they block names every one that failed, soft ones too (RULES 6). */
static const sl_reasons OF_CHECKS = SL_REASON_BIT(SL_REASON_UPSTREAM) | SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING) |
                                    SL_REASON_BIT(SL_REASON_GAPS) | SL_REASON_BIT(SL_REASON_CHECK_ERROR);

static bool step_checks(struct making *m)
{
    if (!m->facts->checks_gathered) {
        m->out->wants_checks = true;
        return true;
    }
    sl_reasons failed = check_upstream(m) | check_gaps(m);
    check_unevaluated(m, "completeness", m->phase->checks.completeness.mode);
    check_unevaluated(m, "quality", m->phase->checks.quality.mode);
    note_partial(m);
    if (!failed || gaps_may_degrade(m, failed))
        return false;
    if (m->facts->forced) {
        m->soft |= failed;
        return false;
    }
    bool only_running = failed == SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING);
    return stop(m, only_running ? SL_WAITING : SL_BLOCKED, failed | (m->soft & OF_CHECKS), checks_sentence(m));
}

static bool step_suppression(struct making *m)
{
    const struct sl_facts *facts = m->facts;
    m->out->is_production_ready = m->soft == 0;
    if (m->phase->observe)
        return stop(m, SL_OBSERVED, m->soft, NULL);
    sl_reasons held = 0;
    if (facts->n_skip_by || facts->worker_skip)
        held |= SL_REASON_BIT(SL_REASON_SKIP);
    if (facts->hold_id)
        held |= SL_REASON_BIT(SL_REASON_HOLD);
    if (!held || facts->released)
        return false;
    struct sl_check *check = check_add(m, "suppression", SL_STRICT);
    check->passed = false;
    check->expected = "nobody asks to hold the trigger back";
    check->actual = facts->n_skip_by
                        ? sl_arena_printf(m->arena, "skip_downstream_trigger by %s", names_text(m, facts->skip_by, facts->n_skip_by))
                    : facts->worker_skip ? "the worker runs with --skip-downstream-trigger"
                                         : sl_arena_printf(m->arena, "hold %" PRId64 ": %s", facts->hold_id, facts->hold_reason);
    m->out->dropped = m->phase->on_skip == SL_SKIP_DROP && (held & SL_REASON_BIT(SL_REASON_SKIP));
    return stop(m, SL_SUPPRESSED, m->soft | held, m->out->dropped ? NULL : "an operator's release");
}

/* Open for a join: a trigger may count on it. */
static bool counts_as_open(const struct sl_join_facts *join)
{
    return join->exists && (join->state == SL_TRIGGERED || join->state == SL_OBSERVED || join->state == SL_EMPTY || join->waits_for_join);
}

/* May the trigger to `follower` go out now? Its other phases must be open. When another phase has completed the join already, its trigger covers this gate too. */
static bool join_is_complete(struct making *m, const struct sl_phase *follower, const char **covered_by, const char **waits_for)
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
        *waits_for = listed(m, *waits_for, join->other->name);
    }
    return complete;
}

static bool step_open(struct making *m)
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
        return stop(m, SL_WAITING, SL_REASON_BIT(SL_REASON_JOIN), sl_arena_printf(m->arena, "the join with %s", waits_for));
    out->trigger_id = out->n_triggers ? out->triggers[0].trigger_id : out->adopted_trigger_id;
    if (m->facts->released)
        out->trigger_reason = SL_BY_RELEASED;
    if (m->facts->retriggered)
        out->trigger_reason = SL_BY_RETRIGGERED;
    return stop(m, SL_TRIGGERED, m->soft, NULL);
}

static bool date_is_empty(const struct making *m)
{
    return m->facts->has_calendar && m->facts->n_planned == 0;
}

/* A forced release goes on past a step that stops it, and keeps its reasons. */
static bool passes(struct making *m, bool stopped)
{
    if (stopped && m->facts->forced) {
        m->soft |= m->out->reasons;
        m->out->waits_for = NULL;
        return true;
    }
    return !stopped;
}

static void run_steps(struct making *m)
{
    if (step_settle(m) || !passes(m, step_calendar(m)))
        return;
    if (date_is_empty(m)) {
        m->out->trigger_reason = SL_BY_ALL_COMPLETE;
        if (!step_suppression(m))
            step_open(m);
        return;
    }
    if (passes(m, step_reported(m)) && passes(m, step_units(m)) && passes(m, step_barrier(m)) && !step_checks(m) && !step_suppression(m))
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
    struct making m = {.config = config, .facts = facts, .phase = facts->phase, .out = out, .arena = arena};
    m.bootstrap = sl_in_bootstrap(facts->phase, facts);
    read_deadline(&m);
    take_stock(&m);
    for (size_t i = 0; i < facts->n_late; i++)
        name_add(&m, &out->late, &out->n_late, facts->late[i]);
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
