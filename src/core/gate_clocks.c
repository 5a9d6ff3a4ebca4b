/* gate_clocks.c - grace and deadline: they run on the phase's own clock and count only while its stream is drained (RULES 18). */
#include "gate_making.h"

/* Clocks of grace and deadline pass only on a stream that has been silent for 5 s (RULES 18): while it isn't, looking sooner is of no use. */
void sl_making_clock_due_in(struct sl_making *m, int64_t ms)
{
    enum { SILENCE_MS = 5000 };
    sl_making_due_in(m, !m->facts->drained && ms < SILENCE_MS ? SILENCE_MS : ms);
}

/* Clocks run on the phase's own time, and only count while its stream is drained (RULES 18). */
bool sl_making_clock_passed(const struct sl_making *m, int64_t ms)
{
    return m->facts->drained && m->facts->clock_ms >= 0 && m->facts->clock_ms >= ms;
}

static int64_t deadline_at_us(const struct sl_making *m)
{
    if (m->phase->deadline.at_minutes < 0 || m->facts->first_completion_us == 0)
        return SL_NEVER_US;
    const int64_t of_day = (int64_t)m->phase->deadline.at_minutes * 60 * 1000000;
    sl_date day = sl_zone_date(m->config->zone, m->facts->first_completion_us);
    int64_t at = sl_zone_instant(m->config->zone, day, of_day);
    return at >= m->facts->first_completion_us ? at : sl_zone_instant(m->config->zone, day + 1, of_day);
}

void sl_making_read_deadline(struct sl_making *m)
{
    int64_t at = deadline_at_us(m);
    bool after = m->phase->deadline.after_ms >= 0 && sl_making_clock_passed(m, m->phase->deadline.after_ms);
    m->deadline_passed = after || (at != SL_NEVER_US && m->facts->drained && m->facts->now_us >= at);
    m->waive_critical = m->deadline_passed && m->phase->deadline.then == SL_DEADLINE_DEGRADE && m->phase->deadline.waive_critical;
}

/* Look again when the deadline passes. */
void sl_making_await_deadline(struct sl_making *m)
{
    int64_t at = deadline_at_us(m);
    if (m->deadline_passed)
        return;
    if (m->phase->deadline.after_ms >= 0 && m->facts->clock_ms >= 0)
        sl_making_clock_due_in(m, m->phase->deadline.after_ms - m->facts->clock_ms);
    if (at != SL_NEVER_US)
        sl_making_clock_due_in(m, (at - m->facts->now_us) / 1000);
}

/* A gate stopped by what only the deadline would waive. */
void sl_making_await_waiver(struct sl_making *m)
{
    if (m->phase->deadline.then == SL_DEADLINE_DEGRADE && m->phase->deadline.waive_critical)
        sl_making_await_deadline(m);
}
