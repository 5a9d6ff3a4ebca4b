/* stamp_body.c - the quality of a processor's rows, row by row, and its JSON.
 * What a row is told: the assessment of its unit, joined with what it inherits (worst wins, DESIGN section 7). A table without inputs inherits from the phases before; one with inputs
 * from the input rows of its own entity, so a bronze row of one player caps nobody else. Unlike the gate's tier, a row's tier takes unusable ones in: they are its own. */
#include "stamp.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sluice/json.h>

struct layer {
    struct sl_quality_item item;
    const struct sl_culprit *culprit; /* NULL: the rows themselves */
};

struct layers {
    struct layer *items;
    size_t n;
};

struct part { /* what one entity inherits from one input */
    const char *entity;
    struct layer layer;
};

struct making {
    const struct sl_config *config;
    const struct sl_facts *facts;
    const struct sl_proc_facts *proc;
    const char *entity; /* column */
    struct part *parts; /* ascending by entity */
    size_t n_parts;
    struct sl_json json;
    struct sl_arena *arena;
    size_t n_stamps;
    struct layers own, all; /* over all stamps */
};

static void push(struct sl_arena *arena, struct layers *layers, struct layer layer)
{
    layers->items = sl_arena_push(arena, layers->items, &layers->n, sizeof *layers->items);
    layers->items[layers->n - 1] = layer;
}

static void push_all(struct sl_arena *arena, struct layers *layers, const struct layers *more)
{
    for (size_t i = 0; i < more->n; i++)
        push(arena, layers, more->items[i]);
}

/* The worst of the layers; false when there are none. */
static bool worst_of(const struct making *m, const struct layers *layers, struct layer *out)
{
    struct sl_quality_item *items = sl_arena_array(m->arena, layers->n + 1, sizeof *items);
    size_t at = 0;
    struct sl_err none;
    for (size_t i = 0; i < layers->n; i++)
        items[i] = layers->items[i].item;
    if (layers->n == 0 || sl_quality_worst(&out->item, &at, items, layers->n, m->arena, &none) != SL_OK)
        return false;
    out->culprit = layers->items[at].culprit;
    return true;
}

/* ---- what is inherited ---- */

static struct layer of_part(const struct sl_inherited_part *part)
{
    return (struct layer){{.tier = part->tier, .score = part->score, .issues = part->issues, .n_issues = part->n_issues}, &part->culprit};
}

static struct layer of_whole(const struct sl_inherited *from)
{
    return (struct layer){{.tier = from->tier, .score = from->score, .issues = from->issues, .n_issues = from->n_issues},
                          from->tier == SL_TIER_GOLD ? NULL : &from->culprit};
}

static struct layer of_report(const struct sl_reported *reported)
{
    return (struct layer){{.tier = reported->tier, .score = reported->score, .issues = reported->issues, .n_issues = reported->n_issues},
                          NULL};
}

static const struct sl_inherited_part *find_part(const struct sl_inherited *from, const char *key)
{
    for (size_t i = 0; i < from->n_parts; i++)
        if (!strcmp(from->parts[i].key, key))
            return &from->parts[i];
    return NULL;
}

static bool is_done_unit(const struct sl_facts *facts, const char *unit)
{
    for (size_t i = 0; i < facts->n_done; i++)
        if (!strcmp(facts->done[i], unit))
            return true;
    return false;
}

/* Its parts are the date's units: then a unit that is no part is gold. */
static bool is_by_unit(const struct making *m, const struct sl_inherited *from)
{
    bool by_unit = true;
    for (size_t i = 0; by_unit && i < from->n_parts; i++)
        by_unit = is_done_unit(m->facts, from->parts[i].key);
    return by_unit;
}

/* From a phase before, for one unit ("": the date). What its runs say has no units, and holds for all. */
static void inherit_phase(const struct making *m, struct layers *layers, const struct sl_inherited *from, const char *unit)
{
    const struct sl_inherited_part *part = *unit ? find_part(from, unit) : NULL;
    if (part)
        push(m->arena, layers, of_part(part));
    else if (!*unit || from->n_keys == 0 || !is_by_unit(m, from))
        push(m->arena, layers, of_whole(from));
}

/* Of the processor's inputs, the one that is not by our entity column can only be told for the whole date. */
static bool is_by_entity(const struct making *m, const struct sl_inherited *from)
{
    return from->input && m->entity && !strcmp(from->input->entity_column, m->entity);
}

static void inherit(const struct making *m, struct layers *layers, const char *unit)
{
    const bool has_inputs = m->proc->processor->n_inputs > 0;
    for (size_t i = 0; i < m->facts->n_inherited; i++) {
        const struct sl_inherited *from = &m->facts->inherited[i];
        if (!from->any)
            continue;
        if (!has_inputs && from->phase)
            inherit_phase(m, layers, from, unit);
        else if (has_inputs && from->processor == m->proc->processor && !is_by_entity(m, from))
            push(m->arena, layers, of_whole(from));
    }
}

static int by_entity(const void *left, const void *right)
{
    return strcmp(((const struct part *)left)->entity, ((const struct part *)right)->entity);
}

static void collect_parts(struct making *m)
{
    for (size_t i = 0; i < m->facts->n_inherited; i++) {
        const struct sl_inherited *from = &m->facts->inherited[i];
        if (!from->any || from->processor != m->proc->processor || !is_by_entity(m, from))
            continue;
        for (size_t p = 0; p < from->n_parts; p++) {
            m->parts = sl_arena_push(m->arena, m->parts, &m->n_parts, sizeof *m->parts);
            m->parts[m->n_parts - 1] = (struct part){from->parts[p].key, of_part(&from->parts[p])};
        }
    }
    if (m->n_parts)
        qsort(m->parts, m->n_parts, sizeof *m->parts, by_entity);
}

/* Was anything looked at that entities could inherit from? Then who is no part is gold. */
static bool has_entities(const struct making *m)
{
    for (size_t i = 0; i < m->facts->n_inherited; i++) {
        const struct sl_inherited *from = &m->facts->inherited[i];
        if (from->any && from->processor == m->proc->processor && is_by_entity(m, from))
            return true;
    }
    return false;
}

/* ---- writing ---- */

/* The rows come from another table than the culprit's own: a fallback served it. */
static bool is_fallback(const struct making *m, const struct sl_culprit *culprit)
{
    const struct sl_phase *phase = culprit && culprit->phase ? sl_config_phase(m->config, culprit->phase) : NULL;
    const struct sl_processor *processor = phase && culprit->processor ? sl_phase_processor(phase, culprit->processor) : NULL;
    if (!processor || !culprit->table)
        return false;
    for (size_t i = 1; i < processor->n_sources; i++)
        if (!strcmp(processor->sources[i].table, culprit->table))
            return true;
    return false;
}

static void put_culprit(struct sl_json *json, const struct sl_culprit *culprit)
{
    sl_json_key(json, "inherited_from");
    sl_json_object(json);
    sl_json_put_str(json, "phase", culprit->phase);
    sl_json_put_str(json, "processor", culprit->processor);
    sl_json_put_str(json, "table", culprit->table);
    sl_json_put_date(json, "date", culprit->date);
    sl_json_put_str(json, "unit", culprit->unit);
    sl_json_put_str(json, "entity", culprit->entity);
    sl_json_end_object(json);
}

static void put_metadata(struct sl_json *json, const struct sl_unit_quality *own, const struct layer *worst)
{
    sl_json_key(json, "metadata");
    sl_json_object(json);
    if (own) {
        sl_json_key(json, "assessment");
        sl_quality_metadata_json(json, &own->quality);
    }
    if (worst->culprit)
        put_culprit(json, worst->culprit);
    sl_json_end_object(json);
}

static void put_sources(struct sl_json *json, bool reconstructed)
{
    static const char *const PRIMARY[] = {"primary"}, *const RECONSTRUCTION[] = {"reconstruction"};
    sl_json_put_strs(json, "sources", reconstructed ? RECONSTRUCTION : PRIMARY, 1);
}

/* `own` NULL: the processor has no profile. */
static void put_stamp(struct making *m, const char *unit, const char *entity, const struct sl_unit_quality *own,
                      const struct layers *layers)
{
    struct layer worst;
    if (!worst_of(m, layers, &worst))
        return;
    const bool reconstructed = own && own->source == m->proc->processor->n_sources;
    push(m->arena, &m->all, worst);
    m->n_stamps++;
    sl_json_object(&m->json);
    sl_json_put_str(&m->json, "unit", *unit ? unit : NULL);
    sl_json_put_str(&m->json, "entity", entity);
    sl_json_put_str(&m->json, "tier", sl_tier_name(worst.item.tier));
    sl_json_put_double(&m->json, "score", worst.item.score);
    sl_json_put_strs(&m->json, "issues", worst.item.issues, worst.item.n_issues);
    put_sources(&m->json, reconstructed);
    sl_json_put_int(&m->json, "sample", own ? own->quality.sample_size : 0);
    sl_json_put_bool(&m->json, "fallback", is_fallback(m, worst.culprit));
    sl_json_put_bool(&m->json, "reconstructed", reconstructed);
    put_metadata(&m->json, own, &worst);
    sl_json_end_object(&m->json);
}

/* A unit's stamp, and one more for each entity that inherits something worse than gold. */
static void put_unit(struct making *m, const char *unit, const struct sl_unit_quality *own)
{
    struct layers layers = {0};
    if (own) {
        const struct sl_quality *quality = &own->quality;
        const struct layer layer = {
            {.tier = quality->tier, .score = quality->score, .issues = (const char *const *)quality->issues, .n_issues = quality->n_issues},
            NULL};
        push(m->arena, &layers, layer);
        push(m->arena, &m->own, layer);
    } else if (has_entities(m)) {
        push(m->arena, &layers, (struct layer){{.tier = SL_TIER_GOLD, .score = 100.0}, NULL});
    }
    if (m->proc->reported.any)
        push(m->arena, &layers, of_report(&m->proc->reported));
    inherit(m, &layers, unit);
    put_stamp(m, unit, NULL, own, &layers);
    for (size_t i = 0, end; i < m->n_parts; i = end) {
        struct layers with = {0};
        push_all(m->arena, &with, &layers);
        for (end = i; end < m->n_parts && !strcmp(m->parts[end].entity, m->parts[i].entity); end++)
            push(m->arena, &with, m->parts[end].layer);
        put_stamp(m, unit, m->parts[i].entity, own, &with);
    }
}

/* Units whose rows are in the primary, its own or reconstructed ones: a fallback's table is stamped by whoever owns it. */
static bool is_in_primary(const struct making *m, const struct sl_unit_quality *unit)
{
    return unit->source == 0 || unit->source == m->proc->processor->n_sources;
}

/* Without a profile rows have only what they inherit. */
static void put_unassessed(struct making *m)
{
    const bool by_unit = m->proc->processor->sources[0].unit_column && !m->proc->coverage.by_date;
    for (size_t i = 0; by_unit && i < m->facts->n_done; i++)
        put_unit(m, m->facts->done[i], NULL);
    if (!by_unit)
        put_unit(m, "", NULL);
}

static void put_stamps(struct making *m)
{
    const struct sl_proc_quality *quality = &m->proc->quality;
    sl_json_key(&m->json, "stamps");
    sl_json_array(&m->json);
    for (size_t i = 0; m->proc->processor->stamp && quality->asked && i < quality->n_units; i++)
        if (is_in_primary(m, &quality->units[i]))
            put_unit(m, quality->units[i].unit, &quality->units[i]);
    if (m->proc->processor->stamp && !m->proc->processor->quality)
        put_unassessed(m);
    sl_json_end_array(&m->json);
}

static void put_worst(struct making *m, const char *tier, const char *score, const struct layers *layers)
{
    struct layer worst;
    const bool any = worst_of(m, layers, &worst);
    sl_json_put_str(&m->json, tier, any ? sl_tier_name(worst.item.tier) : NULL);
    sl_json_put_double(&m->json, score, any ? worst.item.score : 0);
}

bool sl_stamp_body_make(struct sl_buf *out, const struct sl_config *config, const struct sl_facts *facts, const struct sl_proc_facts *proc,
                        struct sl_arena *arena)
{
    const struct sl_processor *processor = proc->processor;
    const bool confidence = processor->confidence_final != NULL;
    struct making m = {.config = config, .facts = facts, .proc = proc, .arena = arena};
    if (!facts->checks_gathered || !proc->run || !processor->n_sources || !(processor->stamp || confidence))
        return false;
    m.entity = processor->n_inputs ? processor->inputs[0].entity_column : NULL;
    collect_parts(&m);
    sl_json_init(&m.json, out);
    sl_json_object(&m.json);
    sl_json_put_int(&m.json, "generation", facts->generation);
    sl_json_put_str(&m.json, "entity", m.n_parts ? m.entity : NULL);
    sl_json_put_bool(&m.json, "confidence", confidence);
    sl_json_put_str(&m.json, "season", facts->season);
    sl_json_put_time(&m.json, "at", facts->now_us);
    put_stamps(&m);
    put_worst(&m, "before", "score_before", &m.own);
    put_worst(&m, "after", "score_after", &m.all);
    sl_json_end_object(&m.json);
    return m.n_stamps || confidence;
}

/* ---- reading ---- */

static const char *text_of(const json_t *object, const char *key, struct sl_arena *arena)
{
    return sl_arena_strdup(arena, json_string_value(json_object_get(object, key)));
}

/* An array or object as its text. */
static const char *json_of(const json_t *object, const char *key, struct sl_arena *arena)
{
    char *text = json_dumps(json_object_get(object, key), JSON_COMPACT);
    const char *copy = sl_arena_strdup(arena, text);
    free(text);
    return copy;
}

static bool read_stamp(struct sl_stamp *out, const json_t *stamp, struct sl_arena *arena)
{
    out->unit = text_of(stamp, "unit", arena);
    out->entity = text_of(stamp, "entity", arena);
    out->tier = text_of(stamp, "tier", arena);
    out->issues = json_of(stamp, "issues", arena);
    out->data_sources = json_of(stamp, "sources", arena);
    out->metadata = json_of(stamp, "metadata", arena);
    out->score = json_number_value(json_object_get(stamp, "score"));
    out->sample_size = json_integer_value(json_object_get(stamp, "sample"));
    out->used_fallback = json_is_true(json_object_get(stamp, "fallback"));
    out->reconstructed = json_is_true(json_object_get(stamp, "reconstructed"));
    return out->tier && out->issues && out->data_sources && out->metadata;
}

static bool read_body(struct sl_stamp_body *out, const json_t *root, sl_date date, struct sl_arena *arena)
{
    const json_t *stamps = json_object_get(root, "stamps");
    const char *at = json_string_value(json_object_get(root, "at"));
    int64_t at_us = 0;
    bool has_offset;
    if (!json_is_array(stamps) || (at && !sl_time_parse(at, strlen(at), &at_us, &has_offset)))
        return false;
    out->generation = (int)json_integer_value(json_object_get(root, "generation"));
    out->entity = text_of(root, "entity", arena);
    out->confidence = json_is_true(json_object_get(root, "confidence"));
    out->season = text_of(root, "season", arena);
    out->before = text_of(root, "before", arena);
    out->after = text_of(root, "after", arena);
    out->score_before = json_number_value(json_object_get(root, "score_before"));
    out->score_after = json_number_value(json_object_get(root, "score_after"));
    out->n = json_array_size(stamps);
    out->stamps = sl_arena_array(arena, out->n + 1, sizeof *out->stamps);
    for (size_t i = 0; i < out->n; i++) {
        out->stamps[i].date = date;
        out->stamps[i].calculated_us = at_us;
        if (!read_stamp(&out->stamps[i], json_array_get(stamps, i), arena))
            return false;
    }
    return true;
}

enum sl_code sl_stamp_body_read(struct sl_stamp_body *out, const char *text, sl_date date, struct sl_arena *arena, struct sl_err *err)
{
    *out = (struct sl_stamp_body){0};
    json_t *root = text ? json_loads(text, JSON_ALLOW_NUL, NULL) : NULL;
    const bool good = json_is_object(root) && read_body(out, root, date, arena);
    json_decref(root);
    return good ? SL_OK : sl_fail(err, SL_CORRUPT, "a stamp in the ledger can't be read");
}
