/* inherit.c - what the units of the phases before hand down, and the joining of tiers with their culprits. */
#include <stdlib.h>
#include <string.h>

#include "inherit_internal.h"

/* ---- joining ---- */

void sl_joining_add(struct sl_joining *joining, const struct sl_quality_item *item, const struct sl_culprit *culprit)
{
    size_t n = joining->n;
    joining->items = sl_arena_push(joining->arena, joining->items, &n, sizeof *joining->items);
    joining->culprits = sl_arena_push(joining->arena, joining->culprits, &joining->n, sizeof *joining->culprits);
    joining->items[joining->n - 1] = *item;
    joining->culprits[joining->n - 1] = *culprit;
}

void sl_joining_finish(const struct sl_joining *joining, struct sl_inherited *out)
{
    struct sl_quality_item worst;
    struct sl_err none;
    size_t at = 0;
    if (joining->n == 0 || sl_quality_worst(&worst, &at, joining->items, joining->n, joining->arena, &none) != SL_OK)
        return;
    out->any = true;
    out->tier = worst.tier;
    out->score = worst.score;
    out->n_issues = worst.n_issues;
    out->issues = sl_arena_array(joining->arena, worst.n_issues + 1, sizeof *out->issues);
    for (size_t i = 0; i < worst.n_issues; i++)
        out->issues[i] = worst.issues[i];
    out->culprit = joining->culprits[at];
}

void sl_inherited_part_add(struct sl_inherited *out, const struct sl_inherited_part *part, struct sl_arena *arena)
{
    if (part->tier == SL_TIER_GOLD)
        return;
    out->parts = sl_arena_push(arena, out->parts, &out->n_parts, sizeof *out->parts);
    out->parts[out->n_parts - 1] = *part;
}

/* ---- a phase before ---- */

/* What one processor says of one unit. */
struct opinion {
    const struct sl_proc_facts *proc;
    const struct sl_unit_quality *unit;
    size_t order; /* among all, so that of equals the first decides */
};

static int by_unit(const void *a, const void *b)
{
    const struct opinion *x = a, *y = b;
    int order = strcmp(x->unit->unit, y->unit->unit);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static struct opinion *collect(const struct sl_proc_facts *procs, size_t n, size_t *n_out, struct sl_arena *arena)
{
    struct opinion *all = NULL;
    *n_out = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < procs[i].quality.n_units; k++) {
            all = sl_arena_push(arena, all, n_out, sizeof *all);
            all[*n_out - 1] = (struct opinion){&procs[i], &procs[i].quality.units[k], *n_out};
        }
    return all;
}

static struct sl_culprit culprit_of(const struct sl_phase *phase, sl_date date, const struct opinion *opinion)
{
    const char *unit = opinion->unit->unit;
    return (struct sl_culprit){.phase = phase->name,
                               .processor = opinion->proc->processor->name,
                               .table = sl_source_name(opinion->proc->processor, opinion->unit->source),
                               .date = date,
                               .unit = *unit != '\0' ? unit : NULL};
}

static void join_opinion(struct sl_joining *joining, const struct opinion *opinion, const struct sl_culprit *culprit)
{
    const struct sl_quality *quality = &opinion->unit->quality;
    const struct sl_quality_item item = {quality->tier, quality->score, quality->issues, quality->n_issues};
    sl_joining_add(joining, &item, culprit);
}

static bool is_unusable(const struct opinion *opinion)
{
    return opinion->unit->quality.tier == SL_TIER_UNUSABLE;
}

/* One processor's units: the usable ones, or, when there is none, the first for all. `all` is in the processors' order. */
static size_t join_processor(struct sl_joining *joining, const struct sl_phase *phase, sl_date date, const struct opinion *all, size_t n)
{
    size_t i = 0, n_usable = 0;
    for (; i < n && all[i].proc == all[0].proc; i++) {
        if (is_unusable(&all[i]))
            continue;
        n_usable++;
        struct sl_culprit culprit = culprit_of(phase, date, &all[i]);
        join_opinion(joining, &all[i], &culprit);
    }
    if (n_usable == 0) {
        struct sl_culprit culprit = culprit_of(phase, date, &all[0]);
        culprit.unit = i == 1 ? culprit.unit : NULL;
        join_opinion(joining, &all[0], &culprit);
    }
    return i;
}

static bool decides(const struct opinion *opinion, const struct opinion *so_far)
{
    const struct sl_quality *a = &opinion->unit->quality, *b = &so_far->unit->quality;
    bool a_waived = is_unusable(opinion) && opinion->proc->need == SL_OPTIONAL;
    bool b_waived = is_unusable(so_far) && so_far->proc->need == SL_OPTIONAL;
    if (a_waived != b_waived)
        return b_waived;
    return a->tier != b->tier ? a->tier > b->tier : a->score < b->score;
}

/* One unit: what all say of it, in the processors' order. */
static size_t add_unit(struct sl_inherited *out, const struct sl_phase *phase, sl_date date, const struct opinion *all, size_t n,
                       struct sl_arena *arena)
{
    const struct opinion *worst = &all[0];
    size_t i = 1;
    for (; i < n && strcmp(all[i].unit->unit, all[0].unit->unit) == 0; i++)
        if (decides(&all[i], worst))
            worst = &all[i];
    const struct sl_inherited_part part = {all[0].unit->unit,           worst->unit->quality.tier,
                                           worst->unit->quality.score,  culprit_of(phase, date, worst),
                                           worst->unit->quality.issues, worst->unit->quality.n_issues};
    sl_inherited_part_add(out, &part, arena);
    out->n_keys++;
    return i;
}

void sl_inherit_phase(struct sl_inherited *out, const struct sl_phase *phase, sl_date date, const struct sl_proc_facts *procs, size_t n,
                      struct sl_arena *arena)
{
    struct sl_joining joining = {.arena = arena};
    size_t n_all = 0;
    struct opinion *all = collect(procs, n, &n_all, arena);
    *out = (struct sl_inherited){.phase = phase};
    for (size_t at = 0; at < n_all;)
        at += join_processor(&joining, phase, date, &all[at], n_all - at);
    if (n_all > 0)
        qsort(all, n_all, sizeof *all, by_unit);
    for (size_t at = 0; at < n_all;)
        at += add_unit(out, phase, date, &all[at], n_all - at, arena);
    sl_joining_finish(&joining, out);
}
