/* status.c - one screen: what is wrong now, how much is on its way, and the command to look closer. */
#include <sluice/ops.h>

#define WRONG_LEAST_MS 60000 /* loads are due every minute by default: younger than two of them is no backlog */

struct summing {
    const struct sl_ops *ops;
    struct sl_status_report *out;
    struct sl_arena *arena;
    struct sl_gate first_blocked, first_suppressed;
};

static void add_wrong(struct summing *s, const char *sentence, const char *next)
{
    s->out->wrong = sl_arena_push(s->arena, s->out->wrong, &s->out->n_wrong, sizeof *s->out->wrong);
    s->out->wrong[s->out->n_wrong - 1] = sentence;
    if (s->out->next == NULL)
        s->out->next = next;
}

static enum sl_code read_gates(struct summing *s, struct sl_err *err)
{
    struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE};
    filter.states = 1u << SL_WAITING | 1u << SL_BLOCKED | 1u << SL_SUPPRESSED;
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ops_gates(s->ops, &filter, &gates, &n, s->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        const struct sl_gate *gate = &gates[i];
        s->out->n_pending += sl_gate_is_pending(gate);
        if (gate->state == SL_BLOCKED && s->first_blocked.phase == NULL)
            s->first_blocked = *gate;
        if (gate->state == SL_SUPPRESSED && !gate->dropped && s->first_suppressed.phase == NULL)
            s->first_suppressed = *gate;
        if (gate->state == SL_WAITING && (!s->out->has_oldest || gate->since_us < s->out->oldest.since_us)) {
            s->out->has_oldest = true;
            s->out->oldest = *gate;
        }
    }
    return code;
}

static enum sl_code read_holds(struct summing *s, struct sl_err *err)
{
    struct sl_hold *holds = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_holds(s->ops->ledger, &holds, &n, s->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        s->out->n_holds += holds[i].until_us > s->ops->now_us;
    return code;
}

static const char *on_gate(struct summing *s, const char *command, const struct sl_gate *gate)
{
    char date[SL_DATE_LEN + 1];
    return sl_arena_printf(s->arena, "sluice %s %s %s", command, gate->phase, sl_date_format(gate->date, date));
}

static void judge_gates(struct summing *s)
{
    const struct sl_ledger_counts *counts = &s->out->counts;
    if (s->first_blocked.phase != NULL)
        add_wrong(s, sl_arena_printf(s->arena, "%lld gates are blocked", (long long)counts->gates[SL_BLOCKED]),
                  on_gate(s, "why", &s->first_blocked));
    if (s->first_suppressed.phase != NULL)
        add_wrong(s, "open gates are held back (suppressed)", on_gate(s, "release", &s->first_suppressed));
    if (s->out->has_oldest && s->out->oldest.since_us + s->ops->config->audit.stuck_after_ms * 1000 < s->ops->now_us)
        add_wrong(s, "a gate has been waiting for too long", on_gate(s, "why", &s->out->oldest));
}

static void judge_backlog(struct summing *s)
{
    const struct sl_ledger_counts *counts = &s->out->counts;
    int64_t patience_us = 2 * (s->ops->config->coverage.load_every_ms + WRONG_LEAST_MS) * 1000;
    if (counts->outbox_failing > 0)
        add_wrong(s, sl_arena_printf(s->arena, "%lld messages could not be published", (long long)counts->outbox_failing), NULL);
    if (counts->rejects > 0)
        add_wrong(s, sl_arena_printf(s->arena, "%lld messages were rejected", (long long)counts->rejects), "sluice dlq list");
    if (counts->events_unloaded > 0 && counts->last_commit_us + patience_us < s->ops->now_us)
        add_wrong(s, sl_arena_printf(s->arena, "%lld events are not in the coverage log yet", (long long)counts->events_unloaded), NULL);
}

enum sl_code sl_ops_status(const struct sl_ops *ops, struct sl_status_report *out, struct sl_arena *arena, struct sl_err *err)
{
    struct summing s = {.ops = ops, .out = out, .arena = arena};
    *out = (struct sl_status_report){0};
    enum sl_code code = sl_ledger_counts(ops->ledger, ops->now_us, &out->counts, err);
    if (code == SL_OK)
        code = read_gates(&s, err);
    if (code == SL_OK)
        code = read_holds(&s, err);
    if (code != SL_OK)
        return code;
    judge_gates(&s);
    judge_backlog(&s);
    return SL_OK;
}
