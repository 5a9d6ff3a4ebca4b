/* gate_json_quality.c - the facts of quality and completeness as JSON: what is flawless and whole is only counted. */
#include "gate_json_internal.h"

static void put_assessed(struct sl_json *json, const struct sl_proc_facts *proc, const struct sl_unit_quality *unit)
{
    sl_json_object(json);
    sl_json_put_str(json, "unit", unit->unit);
    if (unit->source)
        sl_json_put_str(json, "source", sl_source_name(proc->processor, unit->source));
    sl_json_put_int(json, "rows", unit->rows);
    sl_json_put_str(json, "tier", sl_tier_name(unit->quality.tier));
    sl_json_put_double(json, "score", unit->quality.score);
    sl_json_put_strs(json, "issues", unit->quality.issues, unit->quality.n_issues);
    sl_json_end_object(json);
}

void sl_facts_put_reported(struct sl_json *json, const struct sl_reported *reported)
{
    if (!reported->any)
        return;
    sl_json_key(json, "reported");
    sl_json_object(json);
    sl_json_put_str(json, "tier", sl_tier_name(reported->tier));
    sl_json_put_double(json, "score", reported->score);
    sl_json_put_strs(json, "issues", reported->issues, reported->n_issues);
    sl_json_end_object(json);
}

/* Units that are flawless are only counted. */
void sl_facts_put_quality(struct sl_json *json, const struct sl_proc_facts *proc, size_t most)
{
    size_t flawless = 0, named = 0;
    if (!proc->quality.asked)
        return;
    sl_json_key(json, "quality");
    sl_json_object(json);
    if (proc->quality.error)
        sl_json_put_str(json, "error", proc->quality.error);
    for (size_t i = 0; i < proc->quality.n_units; i++)
        flawless += sl_is_flawless(&proc->quality.units[i]);
    sl_json_put_int(json, "units", (int64_t)proc->quality.n_units);
    sl_json_put_int(json, "flawless", (int64_t)flawless);
    sl_json_key(json, "others");
    sl_json_array(json);
    for (size_t i = 0; i < proc->quality.n_units && named < most; i++) {
        if (sl_is_flawless(&proc->quality.units[i]))
            continue;
        put_assessed(json, proc, &proc->quality.units[i]);
        named++;
    }
    sl_json_end_array(json);
    sl_json_end_object(json);
}

static void put_entity(struct sl_json *json, const struct sl_entity_facts *entity, size_t most)
{
    sl_json_object(json);
    sl_json_put_str(json, "entity", entity->entity);
    sl_json_put_int(json, "expected", (int64_t)entity->n_expected);
    sl_json_put_int(json, "actual", (int64_t)entity->n_actual);
    sl_facts_put_names(json, "missing", entity->missing, entity->n_missing, most);
    sl_json_end_object(json);
}

/* Entities that lack nothing are only counted. */
void sl_facts_put_completeness(struct sl_json *json, const struct sl_completeness_facts *facts, size_t most)
{
    size_t actual = 0, expected = 0, named = 0;
    if (!facts->gathered)
        return;
    sl_json_key(json, "completeness");
    sl_json_object(json);
    if (facts->error)
        sl_json_put_str(json, "error", facts->error);
    sl_json_put_date(json, "from", facts->from);
    sl_json_put_date(json, "to", facts->to);
    for (size_t i = 0; i < facts->n_entities; i++) {
        actual += facts->entities[i].n_actual;
        expected += facts->entities[i].n_expected;
    }
    sl_json_put_int(json, "entities", (int64_t)facts->n_entities);
    sl_json_put_int(json, "expected", (int64_t)expected);
    sl_json_put_int(json, "actual", (int64_t)actual);
    sl_json_put_int(json, "known_gaps", (int64_t)facts->n_excused);
    if (facts->n_nameless > 0)
        sl_facts_put_names(json, "nameless", facts->nameless, facts->n_nameless, most);
    sl_json_key(json, "lacking");
    sl_json_array(json);
    for (size_t i = 0; i < facts->n_entities && named < most; i++) {
        if (facts->entities[i].n_missing == 0)
            continue;
        put_entity(json, &facts->entities[i], most);
        named++;
    }
    sl_json_end_array(json);
    sl_json_end_object(json);
}

static void put_culprit(struct sl_json *json, const struct sl_culprit *culprit)
{
    sl_json_key(json, "culprit");
    sl_json_object(json);
    sl_json_put_str(json, "phase", culprit->phase);
    sl_json_put_str(json, "processor", culprit->processor);
    sl_json_put_str(json, "table", culprit->table);
    sl_json_put_date(json, "date", culprit->date);
    if (culprit->unit)
        sl_json_put_str(json, "unit", culprit->unit);
    if (culprit->entity)
        sl_json_put_str(json, "entity", culprit->entity);
    sl_json_end_object(json);
}

static void put_inherited_quality(struct sl_json *json, const struct sl_inherited *from, size_t most)
{
    enum { PARTS = 50 }; /* of hundreds of entities; the decision looks at none of them */
    sl_json_put_str(json, "tier", sl_tier_name(from->tier));
    sl_json_put_double(json, "score", from->score);
    sl_json_put_strs(json, "issues", from->issues, from->n_issues);
    put_culprit(json, &from->culprit);
    sl_json_put_int(json, "keys", (int64_t)from->n_keys);
    sl_json_put_int(json, "below_gold", (int64_t)from->n_parts);
    sl_json_key(json, "parts");
    sl_json_object(json);
    for (size_t i = 0; i < from->n_parts && i < PARTS && i < most; i++)
        sl_json_put_str(json, from->parts[i].key, sl_tier_name(from->parts[i].tier));
    sl_json_end_object(json);
}

void sl_facts_put_inherited(struct sl_json *json, const struct sl_facts *facts, size_t most)
{
    if (facts->n_inherited == 0)
        return;
    sl_json_key(json, "inherited");
    sl_json_array(json);
    for (size_t i = 0; i < facts->n_inherited; i++) {
        const struct sl_inherited *from = &facts->inherited[i];
        sl_json_object(json);
        if (from->phase)
            sl_json_put_str(json, "phase", from->phase->name);
        if (from->processor)
            sl_json_put_str(json, "processor", from->processor->name);
        if (from->input)
            sl_json_put_str(json, "input", from->input->table);
        if (from->error)
            sl_json_put_str(json, "error", from->error);
        if (from->any)
            put_inherited_quality(json, from, most);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
}
