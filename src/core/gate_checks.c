/* gate_checks.c - the checks of a gate whose barrier is met, each strict or soft (DESIGN section 6, step 8): upstream and gaps here, completeness and quality in gate_quality.c. */
#include <inttypes.h>

#include "gate_making.h"

static sl_reasons upstream_of(struct sl_making *m, const struct sl_upstream_facts *up, const char **detail)
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
            sl_making_due_in(m, m->phase->checks.upstream.running_timeout_ms - (m->facts->now_us - proc->running->timestamp_us) / 1000);
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
        *detail = sl_making_listed(m, *detail, sl_arena_printf(m->arena, "%s/%s %s", up->phase->name, proc->processor->name, problem));
    }
    return failed;
}

static sl_reasons check_upstream(struct sl_making *m)
{
    const enum sl_mode mode = m->phase->checks.upstream.mode;
    if (mode == SL_OFF)
        return 0;
    sl_reasons failed = 0;
    const char *detail = NULL;
    for (size_t i = 0; i < m->facts->n_upstream; i++)
        failed |= upstream_of(m, &m->facts->upstream[i], &detail);
    struct sl_check *check = sl_making_check(m, "upstream", mode);
    check->expected = "every critical processor of the phases before reported and delivered";
    check->actual = failed ? detail : "all did";
    check->detail = detail;
    check->passed = !failed;
    return sl_making_weigh(m, mode, failed);
}

static const char *gap_sentence(struct sl_making *m, const struct sl_gap *gap, size_t most_units)
{
    if (gap->error)
        return sl_arena_printf(m->arena, "%s: %s", gap->processor->name, gap->error);
    const char *date = sl_making_date(m, gap->date);
    if (gap->n_units == 0)
        return sl_arena_printf(m->arena, "%s %s", gap->processor->name, date);
    return sl_arena_printf(m->arena, "%s %s (%zu of %zu units: %s)", gap->processor->name, date, gap->n_units, gap->n_due,
                           sl_making_first_names(m, gap->units, gap->n_units, most_units));
}

/* All of them are in the facts; a sentence names the first ones. */
static const char *gaps_text(struct sl_making *m, size_t most, size_t most_units)
{
    const size_t n = m->facts->n_gaps;
    const char *text = NULL;
    for (size_t i = 0; i < n && i < most; i++)
        text = sl_making_listed(m, text, gap_sentence(m, &m->facts->gaps[i], most_units));
    return n > most ? sl_arena_printf(m->arena, "%s and %zu more", text, n - most) : text;
}

static sl_reasons check_gaps(struct sl_making *m)
{
    const enum sl_mode mode = m->phase->checks.gaps.mode;
    if (mode == SL_OFF)
        return 0;
    sl_reasons failed = 0;
    for (size_t i = 0; i < m->facts->n_gaps; i++)
        failed |= SL_REASON_BIT(m->facts->gaps[i].error ? SL_REASON_CHECK_ERROR : SL_REASON_GAPS);
    struct sl_check *check = sl_making_check(m, "gaps", mode);
    check->expected = sl_arena_printf(m->arena, "rows on %zu due dates from %s to %s", m->facts->n_gap_dates,
                                      sl_making_date(m, m->facts->gaps_from), sl_making_date(m, m->facts->gaps_to));
    check->actual = sl_arena_printf(m->arena, "%zu gaps, %zu known gaps excused", m->facts->n_gaps, m->facts->n_known_gaps);
    check->detail = gaps_text(m, 40, 20);
    check->passed = !failed;
    return sl_making_weigh(m, mode, failed);
}

/* Only gaps hold it, for longer than degrade_after: it goes on, degraded. */
static bool gaps_may_degrade(struct sl_making *m, sl_reasons failed)
{
    const int64_t after_ms = m->phase->checks.gaps.degrade_after_ms;
    if (failed != SL_REASON_BIT(SL_REASON_GAPS) || after_ms < 0)
        return false;
    int64_t since_us = m->facts->blocked_by_gaps_since_us ? m->facts->blocked_by_gaps_since_us : m->facts->now_us;
    int64_t left_ms = after_ms - (m->facts->now_us - since_us) / 1000;
    if (left_ms > 0) {
        sl_making_due_in(m, left_ms);
        return false;
    }
    m->out->degraded = true;
    m->soft |= failed;
    return true;
}

/* An optional processor that covers nothing is only in `missing` (RULES 9). */
static void note_partial(struct sl_making *m)
{
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED || (proc->need == SL_OPTIONAL && m->standing[i] == SL_STANDS_NO_DATA))
            continue;
        if (proc->run && proc->run->status == SL_RUN_PARTIAL && proc->run->records_failed > 0)
            m->soft |= SL_REASON_BIT(SL_REASON_PARTIAL);
    }
}

struct counting {
    const char *detail;
    bool counted, differ;
};

static void count_apart(struct sl_making *m, struct counting *c, double difference, const char *sentence)
{
    if (difference <= 0)
        return;
    c->differ |= difference >= SL_ROWS_DIFFER_FROM - 1e-9;
    c->detail = sl_making_also(m, c->detail, sentence);
}

static void compare_counts(struct sl_making *m, struct counting *c, const struct sl_proc_facts *proc)
{
    const struct sl_run_said *record = &proc->record;
    const char *name = proc->processor->name;
    c->counted |= proc->rows_counted || record->asked;
    if (proc->rows_counted)
        count_apart(m, c, sl_rows_difference(proc),
                    sl_arena_printf(m->arena, "%s: the message says %" PRId64 " records, %s has %" PRId64 " rows", name,
                                    proc->run->record_count, proc->processor->sources[0].table, proc->n_rows));
    if (record->asked && !record->found)
        count_apart(m, c, sl_record_difference(proc),
                    sl_arena_printf(m->arena, "%s: the run history has no row of %s", name, proc->run->execution_id));
    else if (record->asked)
        count_apart(m, c, sl_record_difference(proc),
                    sl_arena_printf(m->arena, "%s: the message says %" PRId64 " records, the run history %" PRId64, name,
                                    proc->run->record_count, record->record_count));
}

/* Message, run record and rows: a message that says 30 where the table has 20. What could not be asked has failed. */
static void check_rows(struct sl_making *m)
{
    struct counting c = {0};
    const char *error = NULL;
    for (size_t i = 0; i < m->facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &m->facts->procs[i];
        if (proc->need == SL_NOT_REQUIRED || !proc->run)
            continue;
        compare_counts(m, &c, proc);
        error = proc->record.error ? proc->record.error : error;
    }
    if (!c.counted)
        return;
    struct sl_check *check = sl_making_check(m, "rows", SL_SOFT);
    check->expected = "the messages' counts differ from the rows by less than 10 %";
    check->actual = error ? "unknown" : c.differ ? "they differ by more" : c.detail ? "they differ by less" : "they are equal";
    check->detail = error ? error : c.detail;
    check->passed = !c.differ && !error;
    if (c.differ)
        m->soft |= SL_REASON_BIT(SL_REASON_ROWS_DIFFER);
    if (error)
        m->soft |= SL_REASON_BIT(SL_REASON_CHECK_ERROR);
}

/* What a gate waits for whose strict checks failed; `others` is what completeness and quality say. */
static const char *checks_sentence(struct sl_making *m, const char *others)
{
    const struct sl_check *upstream = sl_decision_check(m->out, "upstream"), *gaps = sl_decision_check(m->out, "gaps");
    const char *text = NULL;
    if (upstream && upstream->mode == SL_STRICT && !upstream->passed)
        text = sl_arena_printf(m->arena, "upstream: %s", upstream->detail);
    if (gaps && gaps->mode == SL_STRICT && !gaps->passed)
        text = sl_making_also(m, text, sl_arena_printf(m->arena, "gaps: %s", gaps_text(m, 3, 3)));
    return others ? sl_making_also(m, text, others) : text;
}

/* What the checks can fail with: a gate that they block names every one that failed, soft ones too (RULES 6). */
static const sl_reasons OF_CHECKS = SL_REASON_BIT(SL_REASON_UPSTREAM) | SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING) |
                                    SL_REASON_BIT(SL_REASON_GAPS) | SL_REASON_BIT(SL_REASON_COMPLETENESS) |
                                    SL_REASON_BIT(SL_REASON_QUALITY) | SL_REASON_BIT(SL_REASON_CHECK_ERROR);

bool sl_step_checks(struct sl_making *m)
{
    if (!m->facts->checks_gathered) {
        m->out->wants_checks = true;
        return true;
    }
    sl_making_take_quality(m);
    const char *blocking = NULL;
    sl_reasons failed = check_upstream(m) | check_gaps(m) | sl_check_completeness(m, &blocking) | sl_check_quality(m, &blocking);
    check_rows(m);
    note_partial(m);
    if (!failed || gaps_may_degrade(m, failed))
        return false;
    if (m->facts->forced) {
        m->soft |= failed;
        return false;
    }
    bool only_running = failed == SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING);
    return sl_making_stop(m, only_running ? SL_WAITING : SL_BLOCKED, failed | (m->soft & OF_CHECKS), checks_sentence(m, blocking));
}
