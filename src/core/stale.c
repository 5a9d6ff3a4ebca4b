/* stale.c - who used a date: the phases after it, on that date and on the later ones whose windows hold it; and the plan to make them again.
 * Once a date's first stale phase has run again, its gate's new generation triggers the next one: only the first of a date needs a trigger. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include <sluice/stale.h>

#include <stdlib.h>
#include <string.h>

bool sl_phase_follows(const struct sl_config *config, const struct sl_phase *phase, const struct sl_phase *before)
{
    for (size_t i = 0; i < phase->n_after; i++) {
        const struct sl_phase *up = &config->phases[phase->after[i]];
        if (up == before || sl_phase_follows(config, up, before))
            return true;
    }
    return false;
}

/* A fallback's rows stand for those of the processor that it serves. */
static bool serves(const struct sl_phase *phase, const char *table)
{
    for (size_t p = 0; p < phase->n_processors; p++)
        for (size_t s = 0; s < phase->processors[p].n_sources; s++)
            if (!strcmp(phase->processors[p].sources[s].table, table))
                return true;
    return false;
}

bool sl_table_is_touched(const struct sl_config *config, const char *table, const struct sl_phase *changed)
{
    for (size_t i = 0; i < config->n_phases; i++) {
        const struct sl_phase *phase = &config->phases[i];
        if ((phase == changed || sl_phase_follows(config, phase, changed)) && serves(phase, table))
            return true;
    }
    return false;
}

bool sl_days_hold(int n, sl_date culprit, sl_date date)
{
    return date >= culprit && date - culprit < n;
}

/* ---- windows of units ---- */

static bool takes_part(const struct sl_calendar_row *unit, size_t kind, const char *entity)
{
    for (size_t i = 0; i < unit->kinds[kind].n; i++)
        if (!strcmp(unit->kinds[kind].names[i], entity))
            return true;
    return false;
}

/* Of culprit..date: does the entity take part on `date`, and are fewer than n of its done units after `culprit`? */
static bool entity_holds(const struct sl_calendar_row *units, size_t n_units, size_t kind, const char *entity, int n, sl_date culprit,
                         sl_date date)
{
    int after = 0;
    bool on_date = false;
    for (size_t i = 0; i < n_units; i++) {
        if (units[i].date < culprit || units[i].date > date || !takes_part(&units[i], kind, entity))
            continue;
        after += units[i].done && units[i].date > culprit;
        on_date |= units[i].date == date;
    }
    return on_date && after < n;
}

bool sl_units_hold(const struct sl_calendar_row *units, size_t n_units, size_t kind, int n, sl_date culprit, sl_date date)
{
    for (size_t i = 0; i < n_units; i++) {
        if (units[i].date != culprit || !units[i].done)
            continue;
        for (size_t e = 0; e < units[i].kinds[kind].n; e++)
            if (entity_holds(units, n_units, kind, units[i].kinds[kind].names[e], n, culprit, date))
                return true;
    }
    return false;
}

/* ---- windows of rows ---- */

struct tally {
    int after;    /* rows after the culprit, up to the date */
    bool on_date; /* the table made of them has a row of the entity on the date */
};

bool sl_rows_hold(const struct sl_entity_row *rows, size_t n_rows, const struct sl_entity_row *own, size_t n_own, int n, sl_date culprit,
                  sl_date date)
{
    struct sl_map *entities = sl_map_create();
    struct tally *tallies = sl_calloc(n_rows + 1, sizeof *tallies);
    size_t n_entities = 0;
    bool holds = false;
    for (size_t i = 0; i < n_rows; i++)
        if (rows[i].date == culprit && !sl_map_get(entities, rows[i].entity))
            sl_map_put(entities, rows[i].entity, &tallies[n_entities++]);
    for (size_t i = 0; i < n_rows; i++) {
        struct tally *tally = rows[i].date > culprit && rows[i].date <= date ? sl_map_get(entities, rows[i].entity) : NULL;
        if (tally)
            tally->after++;
    }
    for (size_t i = 0; i < n_own && !holds; i++) {
        const struct tally *tally = own[i].date == date ? sl_map_get(entities, own[i].entity) : NULL;
        holds = tally && tally->after < n;
    }
    sl_map_destroy(&entities);
    free(tallies);
    return holds;
}

/* ---- the plan ---- */

static size_t rank_of(const struct sl_config *config, const struct sl_stale_mark *mark)
{
    const struct sl_phase *phase = sl_config_phase(config, mark->phase);
    return phase ? phase->rank : config->n_phases;
}

static int by_date_and_rank(const void *left, const void *right, void *config)
{
    const struct sl_stale_mark *a = left, *b = right;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    const size_t rank_a = rank_of(config, a), rank_b = rank_of(config, b);
    if (rank_a != rank_b)
        return rank_a < rank_b ? -1 : 1;
    if (a->profile != b->profile)
        return a->profile < b->profile ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static bool is_same_decision(const struct sl_stale_step *step, const struct sl_phase *phase, const struct sl_stale_mark *mark)
{
    return step->phase == phase && step->date == mark->date && step->profile == mark->profile;
}

/* Is a phase that it comes after stale for the same date and profile? */
static bool comes_by_another(const struct sl_config *config, const struct sl_stale_step *steps, size_t n, const struct sl_stale_step *step)
{
    for (size_t i = n; i > 0 && steps[i - 1].date == step->date; i--)
        if (steps[i - 1].profile == step->profile && sl_phase_follows(config, step->phase, steps[i - 1].phase))
            return true;
    return false;
}

void sl_stale_plan(struct sl_stale_step **out, size_t *n, const struct sl_config *config, struct sl_stale_mark *marks, size_t n_marks,
                   struct sl_arena *arena)
{
    struct sl_stale_step *steps = sl_arena_array(arena, n_marks + 1, sizeof *steps);
    size_t n_steps = 0;
    if (n_marks)
        qsort_r(marks, n_marks, sizeof *marks, by_date_and_rank, (void *)config);
    for (size_t i = 0; i < n_marks; i++) {
        const struct sl_phase *phase = sl_config_phase(config, marks[i].phase);
        struct sl_stale_step *last = n_steps ? &steps[n_steps - 1] : NULL;
        if (!phase)
            continue;
        if (last && is_same_decision(last, phase, &marks[i])) {
            last->n_marks++;
        } else {
            last = &steps[n_steps];
            *last = (struct sl_stale_step){
                .phase = phase, .date = marks[i].date, .profile = marks[i].profile, .marks = &marks[i], .n_marks = 1};
            last->first = !comes_by_another(config, steps, n_steps, last);
            n_steps++;
        }
        last->generation = marks[i].generation > last->generation ? marks[i].generation : last->generation;
        last->triggered = last->n_marks == 1 ? marks[i].triggered_us > 0 : last->triggered && marks[i].triggered_us > 0;
    }
    *out = steps;
    *n = n_steps;
}
