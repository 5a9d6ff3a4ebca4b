/* gate_making.c - what the steps of the gate have in common: the record of checks, sentences that list things, how the processors stand. */
#include "gate_making.h"

struct sl_check *sl_making_check(struct sl_making *m, const char *name, enum sl_mode mode)
{
    struct sl_decision *out = m->out;
    out->checks = sl_arena_push(m->arena, out->checks, &out->n_checks, sizeof *out->checks);
    struct sl_check *check = &out->checks[out->n_checks - 1];
    check->name = name;
    check->mode = mode;
    check->evaluated = check->passed = true;
    return check;
}

void sl_making_name(struct sl_making *m, const char ***names, size_t *n, const char *name)
{
    *names = sl_arena_push(m->arena, *names, n, sizeof **names);
    (*names)[*n - 1] = name;
}

/* Append to a sentence that lists things: "a, b, c". */
const char *sl_making_listed(struct sl_making *m, const char *list, const char *item)
{
    return list ? sl_arena_printf(m->arena, "%s, %s", list, item) : item;
}

const char *sl_making_also(struct sl_making *m, const char *text, const char *sentence)
{
    return text ? sl_arena_printf(m->arena, "%s; %s", text, sentence) : sentence;
}

/* The first `most` of them, and how many more. */
const char *sl_making_first_names(struct sl_making *m, const char *const *names, size_t n, size_t most)
{
    const char *text = NULL;
    for (size_t i = 0; i < n && i < most; i++)
        text = sl_making_listed(m, text, names[i]);
    return n > most ? sl_arena_printf(m->arena, "%s and %zu more", text, n - most) : text;
}

const char *sl_making_names(struct sl_making *m, const char *const *names, size_t n)
{
    return sl_making_first_names(m, names, n, 20);
}

const char *sl_making_date(struct sl_making *m, sl_date date)
{
    char text[SL_DATE_LEN + 1];
    return sl_arena_strdup(m->arena, sl_date_format(date, text));
}

bool sl_making_stop(struct sl_making *m, enum sl_state state, sl_reasons reasons, const char *waits_for)
{
    m->out->state = state;
    m->out->reasons = reasons;
    m->out->waits_for = waits_for;
    return true;
}

void sl_making_due_in(struct sl_making *m, int64_t ms)
{
    int64_t at = m->facts->now_us + (ms > 0 ? ms : 0) * 1000;
    if (at < m->out->due_us)
        m->out->due_us = at;
}

/* A failure under a mode: soft ones, and strict ones during the bootstrap, are collected; the others are returned. */
sl_reasons sl_making_weigh(struct sl_making *m, enum sl_mode mode, sl_reasons failure)
{
    if (mode == SL_STRICT && !m->bootstrap)
        return failure;
    if (failure && mode == SL_STRICT)
        m->soft |= SL_REASON_BIT(SL_REASON_BOOTSTRAP);
    m->soft |= failure;
    return 0;
}

bool sl_making_is_critical(const struct sl_making *m, size_t i)
{
    return m->facts->procs[i].need == SL_CRITICAL;
}

/* During the bootstrap no data is legitimate, and units are soft. */
static bool delivers(const struct sl_making *m, size_t i)
{
    if (sl_standing_delivers(m->standing[i], m->facts->procs[i].need, m->phase->checks.units == SL_STRICT))
        return true;
    return m->bootstrap && (m->standing[i] == SL_STANDS_NO_DATA || (m->standing[i] == SL_STANDS_SOME && sl_making_is_critical(m, i)));
}

void sl_making_take_stock(struct sl_making *m)
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
        m->n_critical += sl_making_is_critical(m, i);
        m->n_reported += m->standing[i] != SL_STANDS_UNREPORTED;
        m->n_delivered += m->delivers[i];
        m->n_critical_delivered += m->delivers[i] && sl_making_is_critical(m, i);
        const char *name = facts->procs[i].processor->name;
        if (m->delivers[i])
            sl_making_name(m, &m->out->completed, &m->out->n_completed, name);
        else
            sl_making_name(m, &m->out->missing, &m->out->n_missing, name);
    }
}
