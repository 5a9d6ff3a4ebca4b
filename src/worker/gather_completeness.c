/* gather_completeness.c - who has rows of the units that he took part in (DESIGN section 6, step 8): the table of the check and the fallbacks of the processor that owns it are asked once
 * for all gates of a batch, each over the dates that the windows reach; the counting is sl_completeness_find(). */
#include <string.h>

#include <sluice/completeness.h>

#include "gather_internal.h"

/* ---- the check's table ---- */

const struct sl_source *sl_table_sources(const struct sl_worker *worker, const char *table, size_t *n, const struct sl_processor **owner,
                                         const struct sl_phase **phase, struct sl_arena *arena)
{
    const struct sl_calendar_config *calendar = worker->config->calendar;
    *phase = NULL;
    *owner = sl_config_table_owner(worker->config, table, phase);
    if (*owner) {
        *n = (*owner)->n_sources;
        return (*owner)->sources;
    }
    struct sl_source *source = sl_arena_alloc(arena, sizeof *source);
    *source = (struct sl_source){
        .table = table, .date_column = calendar ? calendar->date_column : "date", .unit_column = calendar ? calendar->unit_column : NULL};
    *n = 1;
    return source;
}

/* What the check asks of a gate. */
static struct sl_completeness_ask ask_of(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, sl_date season_first)
{
    struct sl_completeness_ask ask = {.window = phase->checks.completeness.window, .date = date};
    ask.kind = sl_calendar_kind(worker->config->calendar, phase->checks.completeness.entity);
    ask.not_before = sl_config_not_before(worker->config, season_first);
    ask.n_units = sl_calendar_units(&worker->calendar, ask.not_before, date, &ask.units);
    return ask;
}

static bool has_kind(const struct sl_worker *worker, const struct sl_phase *phase)
{
    const struct sl_calendar_config *calendar = worker->config->calendar;
    return calendar && sl_calendar_kind(calendar, phase->checks.completeness.entity) < calendar->n_entities;
}

static void ask_table(struct sl_worker *worker, struct sl_entity_questions *questions, const struct sl_phase *phase,
                      const struct sl_completeness_ask *ask, struct sl_arena *arena)
{
    const struct sl_processor *owner;
    const struct sl_phase *of;
    size_t n = 0;
    const struct sl_source *sources = sl_table_sources(worker, phase->checks.completeness.table, &n, &owner, &of, arena);
    const sl_date from = sl_completeness_from(ask);
    for (size_t s = 0; s < n; s++)
        sl_entities_add(questions, &sources[s], phase->checks.completeness.entity_column, !sl_has_units(worker), false, from, ask->date);
}

/* ---- the union over the sources, once per table and column ---- */

struct sl_present {
    const char *table, *column;
    const struct sl_entity_row *rows;
    size_t n;
    const char *error; /* of the primary: a fallback that can't be asked has nothing */
};

static void add_rows(struct sl_present *present, const struct sl_entity_answer *answer, struct sl_arena *arena)
{
    if (answer->n == 0)
        return;
    if (present->n == 0) {
        present->rows = answer->rows;
        present->n = answer->n;
        return;
    }
    struct sl_entity_row *all = sl_arena_array(arena, present->n + answer->n, sizeof *all);
    size_t i = 0, k = 0, n = 0;
    while (i < present->n || k < answer->n) {
        const int order = i == present->n ? 1 : k == answer->n ? -1 : sl_entities_compare(&present->rows[i], &answer->rows[k]);
        all[n++] = order <= 0 ? present->rows[i] : answer->rows[k];
        i += order <= 0;
        k += order >= 0;
    }
    present->rows = all;
    present->n = n;
}

static struct sl_present present_of(struct sl_worker *worker, const struct sl_entity_questions *questions, const struct sl_phase *phase,
                                    struct sl_arena *arena)
{
    const struct sl_processor *owner;
    const struct sl_phase *of;
    size_t n = 0;
    struct sl_present present = {.table = phase->checks.completeness.table, .column = phase->checks.completeness.entity_column};
    const struct sl_source *sources = sl_table_sources(worker, present.table, &n, &owner, &of, arena);
    for (size_t s = 0; s < n; s++) {
        const struct sl_entity_answer answer = sl_entities_answer(questions, &sources[s], present.column, !sl_has_units(worker), false);
        if (s == 0)
            present.error = answer.error;
        add_rows(&present, &answer, arena);
    }
    return present;
}

static const struct sl_present *find_present(struct sl_completing *c, const struct sl_phase *phase)
{
    for (size_t i = 0; i < c->n_presents; i++)
        if (!strcmp(c->presents[i].table, phase->checks.completeness.table) &&
            !strcmp(c->presents[i].column, phase->checks.completeness.entity_column))
            return &c->presents[i];
    c->presents = sl_arena_push(c->arena, c->presents, &c->n_presents, sizeof *c->presents);
    c->presents[c->n_presents - 1] = present_of(c->worker, &c->entities, phase, c->arena);
    return &c->presents[c->n_presents - 1];
}

/* ---- per gate ---- */

struct excusing {
    const struct sl_known_gaps *known;
    const struct sl_phase *phase;
};

static bool is_excused(void *arg, sl_date date, const char *unit)
{
    const struct excusing *e = arg;
    return sl_gap_is_excused(e->known, e->phase, e->phase->checks.completeness.table, date, unit);
}

static void find(struct sl_completing *c, const struct sl_phase *phase, const struct sl_completeness_ask *ask,
                 const struct sl_known_gaps *known, struct sl_completeness_facts *out)
{
    struct excusing e = {.known = known, .phase = phase};
    const struct sl_present *present = find_present(c, phase);
    *out = (struct sl_completeness_facts){.gathered = true, .error = present->error, .from = ask->date, .to = ask->date};
    if (present->error)
        return;
    size_t n = 0;
    const struct sl_entity_row *rows = sl_entities_slice(present->rows, present->n, sl_completeness_from(ask), ask->date, &n);
    sl_completeness_find(out, ask, rows, n, is_excused, &e, c->arena);
}

static bool wants_completeness(const struct work *work)
{
    return work->decision.wants_checks && work->phase->checks.completeness.mode != SL_OFF;
}

void sl_completeness_plan(struct sl_completing *c, const struct work *work)
{
    if (!wants_completeness(work) || !has_kind(c->worker, work->phase))
        return;
    const struct sl_completeness_ask ask = ask_of(c->worker, work->phase, work->facts.date, work->facts.season_first);
    ask_table(c->worker, &c->entities, work->phase, &ask, c->arena);
}

void sl_completeness_read(struct sl_completing *c, struct work *work, const struct sl_known_gaps *known)
{
    struct sl_completeness_facts *facts = &work->facts.completeness;
    if (!wants_completeness(work))
        return;
    if (!has_kind(c->worker, work->phase)) {
        *facts = (struct sl_completeness_facts){.gathered = true,
                                                .error = sl_arena_printf(c->arena,
                                                                         "the calendar does not say which %s takes part in a unit",
                                                                         work->phase->checks.completeness.entity),
                                                .from = work->facts.date,
                                                .to = work->facts.date};
        return;
    }
    const struct sl_completeness_ask ask = ask_of(c->worker, work->phase, work->facts.date, work->facts.season_first);
    find(c, work->phase, &ask, known, facts);
}

/* ---- for commands ---- */

/* The names are the calendar's, which may be read again before the caller is done. */
static void own_names(struct sl_completeness_facts *facts, struct sl_arena *arena)
{
    for (size_t i = 0; i < facts->n_entities; i++) {
        struct sl_entity_facts *entity = &facts->entities[i];
        entity->entity = sl_arena_strdup(arena, entity->entity);
        for (size_t k = 0; k < entity->n_missing; k++)
            entity->missing[k] = sl_arena_strdup(arena, entity->missing[k]);
    }
    for (size_t i = 0; i < facts->n_nameless; i++)
        facts->nameless[i] = sl_arena_strdup(arena, facts->nameless[i]);
}

enum sl_code sl_worker_completeness(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, int64_t now_us,
                                    struct sl_completeness_facts *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_completing c = {.worker = worker, .arena = arena};
    struct sl_known_gaps known = {.today = sl_zone_date(worker->config->zone, now_us)};
    const struct sl_calendar *calendar = NULL;
    enum sl_code code = sl_worker_calendar(worker, &calendar, err);
    memset(out, 0, sizeof *out);
    if (code == SL_OK && !phase->checks.completeness.table)
        return sl_fail(err, SL_INVALID, "%s has no completeness check", phase->name);
    if (code == SL_OK && !has_kind(worker, phase))
        return sl_fail(err, SL_INVALID, "the calendar does not say which %s takes part in a unit", phase->checks.completeness.entity);
    if (code == SL_OK)
        code = sl_ledger_known_gaps(worker->ledger, &known.items, &known.n, arena, err);
    if (code != SL_OK)
        return code;
    const struct sl_completeness_ask ask = ask_of(worker, phase, date, sl_calendar_season_of(calendar, date));
    ask_table(worker, &c.entities, phase, &ask, arena);
    code = sl_entities_ask(&c.entities, worker->warehouse, arena, err);
    if (code == SL_OK)
        find(&c, phase, &ask, &known, out);
    sl_entities_fini(&c.entities);
    own_names(out, arena);
    return code;
}
