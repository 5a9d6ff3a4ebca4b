/* completeness.c - per entity of a date's units: does it have the units of its window? Asked of the tables now, as the gate's check asks. */
#include <sluice/ops.h>

#include <sluice/completeness.h>

static void judge(struct sl_completeness_report *out, const struct sl_completeness_facts *facts, struct sl_arena *arena)
{
    out->from = facts->from;
    out->n_excused = facts->n_excused;
    out->nameless = facts->nameless;
    out->n_nameless = facts->n_nameless;
    out->n = facts->n_entities;
    out->entities = sl_arena_array(arena, facts->n_entities + 1, sizeof *out->entities);
    for (size_t i = 0; i < out->n; i++) {
        const struct sl_entity_facts *entity = &facts->entities[i];
        out->entities[i] = (struct sl_entity_report){
            .facts = entity,
            .pct = sl_completeness_pct(entity->n_actual, entity->n_expected),
            .complete = entity->n_missing == 0,
            .enough = sl_entity_is_complete(entity, out->threshold),
        };
        out->n_incomplete += !out->entities[i].complete;
        out->n_short += !out->entities[i].enough;
    }
}

enum sl_code sl_ops_completeness(const struct sl_ops *ops, const struct sl_phase *phase, sl_date date, bool strict,
                                 struct sl_completeness_report *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_completeness_facts facts = {0};
    const double configured = phase->checks.completeness.threshold;
    *out = (struct sl_completeness_report){.phase = phase, .date = date, .threshold = configured};
    if (strict && configured < SL_STRICT_COMPLETENESS)
        out->threshold = SL_STRICT_COMPLETENESS;
    enum sl_code code = sl_worker_completeness(ops->worker, phase, date, ops->now_us, &facts, arena, err);
    if (code != SL_OK)
        return code;
    if (facts.error != NULL)
        return sl_fail(err, SL_NOT_FOUND, "%s could not be asked: %s", phase->checks.completeness.table, facts.error);
    judge(out, &facts, arena);
    return SL_OK;
}

const char *sl_entity_sentence(const struct sl_entity_report *entity, struct sl_arena *arena)
{
    const struct sl_entity_facts *facts = entity->facts;
    struct sl_buf text = {0};
    sl_buf_printf(&text, "%s has %zu of %zu (%.1f %%)", facts->entity, facts->n_actual, facts->n_expected, entity->pct);
    for (size_t i = 0; i < facts->n_missing; i++)
        sl_buf_printf(&text, "%s%s", i == 0 ? ", missing " : ", ", facts->missing[i]);
    const char *kept = sl_arena_strdup(arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return kept;
}
