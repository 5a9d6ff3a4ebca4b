/* facts_read_quality.c - the facts of quality and completeness, read back. What is flawless and whole is only counted in the record: it stands as "?".
 * Of a list that was cut only what it names comes back here, for nothing is known of the rest: such a record may decide otherwise, and says that it was cut. */
#include <string.h>

#include "facts_read_internal.h"

/* ---- quality of units ---- */

static void read_tier(struct sl_facts_reader *r, const json_t *json, enum sl_tier *out)
{
    const char *tier = sl_facts_text(r, json, "tier");
    if (!sl_tier_parse(tier, out))
        sl_facts_fault(r, "%.40s is no tier", tier ? tier : "null");
}

static struct sl_unit_quality *add_unit(struct sl_facts_reader *r, struct sl_proc_quality *out)
{
    out->units = sl_arena_push(r->arena, out->units, &out->n_units, sizeof *out->units);
    struct sl_unit_quality *unit = &out->units[out->n_units - 1];
    unit->quality.games_into_season = -1;
    return unit;
}

static void read_unit(struct sl_facts_reader *r, const json_t *json, struct sl_proc_facts *proc)
{
    struct sl_unit_quality *unit = add_unit(r, &proc->quality);
    const char *source = sl_facts_text(r, json, "source");
    unit->unit = sl_facts_text(r, json, "unit");
    unit->source = source ? sl_facts_source(proc->processor, source) : 0;
    unit->rows = sl_facts_int(r, json, "rows", 0, INT64_MAX, 0);
    read_tier(r, json, &unit->quality.tier);
    unit->quality.score = sl_facts_number(r, json, "score");
    unit->quality.issues = sl_facts_names(r, json, "issues", &unit->quality.n_issues, false);
    if (!unit->unit)
        sl_facts_fault(r, "an assessed unit has no name");
}

void sl_facts_read_reported(struct sl_facts_reader *r, const json_t *json, struct sl_reported *out)
{
    const json_t *reported = sl_facts_object(r, json, "reported");
    if (!reported)
        return;
    out->any = true;
    read_tier(r, reported, &out->tier);
    out->score = sl_facts_number(r, reported, "score");
    out->issues = sl_facts_names(r, reported, "issues", &out->n_issues, false);
}

void sl_facts_read_quality(struct sl_facts_reader *r, const json_t *json, struct sl_proc_facts *proc)
{
    size_t i;
    json_t *item;
    const json_t *quality = sl_facts_object(r, json, "quality"), *others = sl_facts_array(r, quality, "others");
    if (!quality)
        return;
    proc->quality.asked = true;
    proc->quality.error = sl_facts_text(r, quality, "error");
    const size_t n = sl_facts_count(r, quality, "units"), flawless = sl_facts_count(r, quality, "flawless");
    if (flawless > n || (!r->facts->truncated && n - flawless != json_array_size(others)))
        sl_facts_fault(r, "%zu units, %zu flawless, but %zu others", n, flawless, json_array_size(others));
    if (!sl_facts_unnamed(r, "units", flawless))
        return;
    for (i = 0; i < flawless; i++) {
        struct sl_unit_quality *unit = add_unit(r, &proc->quality);
        unit->unit = proc->coverage.by_date ? "" : "?";
        unit->quality.score = 100;
    }
    json_array_foreach((json_t *)others, i, item) read_unit(r, item, proc);
}

/* ---- completeness ---- */

static void read_entity(struct sl_facts_reader *r, const json_t *json, struct sl_entity_facts *entity)
{
    entity->entity = sl_facts_text(r, json, "entity");
    entity->n_expected = sl_facts_count(r, json, "expected");
    entity->n_actual = sl_facts_count(r, json, "actual");
    if (!entity->entity || entity->n_actual > entity->n_expected) {
        sl_facts_fault(r, "an entity has no name, or more than is expected");
        return;
    }
    entity->n_missing = entity->n_expected - entity->n_actual;
    entity->missing = sl_facts_all_names(r, json, "missing", entity->n_missing);
}

/* What the sums say of the entities that are not named: the first of them has it all. They are whole, unless names were cut off. */
static void add_rest(struct sl_facts_reader *r, struct sl_completeness_facts *out, struct sl_entity_facts sums, size_t n_all)
{
    for (size_t i = 0; i < out->n_entities; i++) {
        const struct sl_entity_facts *named = &out->entities[i];
        sums.n_expected = sums.n_expected >= named->n_expected ? sums.n_expected - named->n_expected : 0;
        sums.n_actual = sums.n_actual >= named->n_actual ? sums.n_actual - named->n_actual : 0;
    }
    if (n_all < out->n_entities || sums.n_actual > sums.n_expected || (!r->facts->truncated && sums.n_actual != sums.n_expected)) {
        sl_facts_fault(r, "the entities are not what their sums say");
        return;
    }
    if (!sl_facts_unnamed(r, "entities", n_all - out->n_entities))
        return;
    for (size_t i = out->n_entities; i < n_all; i++, sums.n_expected = sums.n_actual = 0) {
        out->entities = sl_arena_push(r->arena, out->entities, &out->n_entities, sizeof *out->entities);
        out->entities[i] = (struct sl_entity_facts){.entity = "?", .n_expected = sums.n_expected, .n_actual = sums.n_actual};
    }
}

void sl_facts_read_completeness(struct sl_facts_reader *r, const json_t *root)
{
    size_t i;
    json_t *item;
    struct sl_completeness_facts *out = &r->facts->completeness;
    const json_t *json = sl_facts_object(r, root, "completeness");
    if (!json)
        return;
    out->gathered = true;
    out->error = sl_facts_text(r, json, "error");
    out->from = sl_facts_date(r, json, "from");
    out->to = sl_facts_date(r, json, "to");
    out->n_excused = sl_facts_count(r, json, "known_gaps");
    out->nameless = sl_facts_names(r, json, "nameless", &out->n_nameless, false);
    json_array_foreach((json_t *)sl_facts_array(r, json, "lacking"), i, item)
    {
        out->entities = sl_arena_push(r->arena, out->entities, &out->n_entities, sizeof *out->entities);
        read_entity(r, item, &out->entities[i]);
    }
    const struct sl_entity_facts sums = {.n_expected = sl_facts_count(r, json, "expected"), .n_actual = sl_facts_count(r, json, "actual")};
    add_rest(r, out, sums, sl_facts_count(r, json, "entities"));
}

/* ---- what is inherited ---- */

static void read_culprit(struct sl_facts_reader *r, const json_t *json, struct sl_culprit *out)
{
    const json_t *culprit = sl_facts_object(r, json, "culprit");
    out->phase = sl_facts_text(r, culprit, "phase");
    out->processor = sl_facts_text(r, culprit, "processor");
    out->table = sl_facts_text(r, culprit, "table");
    out->date = sl_facts_date(r, culprit, "date");
    out->unit = sl_facts_text(r, culprit, "unit");
    out->entity = sl_facts_text(r, culprit, "entity");
}

/* The record names the first parts with their tiers, and counts all. */
static void read_parts(struct sl_facts_reader *r, const json_t *json, struct sl_inherited *from)
{
    const char *key;
    json_t *tier;
    const json_t *parts = sl_facts_object(r, json, "parts");
    const size_t n_all = sl_facts_count(r, json, "below_gold"), n = json_object_size(parts);
    if (n > n_all || !sl_facts_unnamed(r, "parts", n_all - n))
        return;
    from->parts = sl_arena_array(r->arena, n_all + 1, sizeof *from->parts);
    json_object_foreach((json_t *)parts, key, tier)
    {
        struct sl_inherited_part *part = &from->parts[from->n_parts++];
        part->key = sl_arena_strdup(r->arena, key);
        if (!sl_tier_parse(json_string_value(tier), &part->tier))
            sl_facts_fault(r, "the tier of %.40s is none", key);
    }
    for (; from->n_parts < n_all; from->n_parts++)
        from->parts[from->n_parts] = (struct sl_inherited_part){.key = "?", .tier = SL_TIER_UNUSABLE};
}

static const struct sl_input *find_input(const struct sl_processor *processor, const char *table)
{
    for (size_t i = 0; processor && table && i < processor->n_inputs; i++)
        if (!strcmp(processor->inputs[i].table, table))
            return &processor->inputs[i];
    return NULL;
}

static void read_from(struct sl_facts_reader *r, const json_t *json)
{
    struct sl_facts *facts = r->facts;
    const char *phase = sl_facts_text(r, json, "phase"), *processor = sl_facts_text(r, json, "processor");
    struct sl_inherited from = {.phase = phase ? sl_config_phase(r->config, phase) : NULL,
                                .error = sl_facts_text(r, json, "error"),
                                .any = json_object_get(json, "tier") != NULL};
    if (processor && (from.phase || !phase)) /* an input of a phase before names both */
        from.processor = sl_phase_processor(from.phase ? from.phase : facts->phase, processor);
    from.input = find_input(from.processor, sl_facts_text(r, json, "input"));
    if (!phase && !processor)
        sl_facts_fault(r, "something is inherited from nowhere");
    if (!from.phase && !from.input)
        return;
    if (from.any) {
        read_tier(r, json, &from.tier);
        from.score = sl_facts_number(r, json, "score");
        from.issues = sl_facts_names(r, json, "issues", &from.n_issues, false);
        read_culprit(r, json, &from.culprit);
        from.n_keys = sl_facts_count(r, json, "keys");
        read_parts(r, json, &from);
    }
    facts->inherited = sl_arena_push(r->arena, facts->inherited, &facts->n_inherited, sizeof *facts->inherited);
    facts->inherited[facts->n_inherited - 1] = from;
}

void sl_facts_read_inherited(struct sl_facts_reader *r, const json_t *root)
{
    size_t i;
    json_t *json;
    json_array_foreach((json_t *)sl_facts_array(r, root, "inherited"), i, json) read_from(r, json);
}
