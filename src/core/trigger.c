/* trigger.c - the trigger message (contract/messages.md): a JSON body in the contract's order of keys, and its attributes.
 * Quality fields are null where nothing was assessed. correlation_id and traceparent are those of the counted run with the smallest (timestamp, processor), RULES 21. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "json_scan.h"
#include "trigger_internal.h"

static const struct sl_run *first_run(const struct sl_facts *facts)
{
    const struct sl_run *first = NULL;
    for (size_t i = 0; i < facts->n_procs; i++) {
        const struct sl_run *run = facts->procs[i].run;
        if (!sl_trigger_counts(&facts->procs[i]))
            continue;
        if (!first || run->timestamp_us < first->timestamp_us ||
            (run->timestamp_us == first->timestamp_us && strcmp(run->processor, first->processor) < 0))
            first = run;
    }
    return first;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t collect_entities(const struct sl_facts *facts, json_t **holders, const char ***names, struct sl_arena *arena)
{
    size_t n = 0, index;
    json_t *value;
    for (size_t i = 0; i < facts->n_procs; i++) {
        holders[i] = NULL;
        if (!sl_trigger_counts(&facts->procs[i]) || !facts->procs[i].run->entities_changed)
            continue;
        holders[i] = json_loads(facts->procs[i].run->entities_changed, 0, NULL);
        json_array_foreach(holders[i], index, value)
        {
            if (!json_is_string(value))
                continue;
            *names = sl_arena_push(arena, *names, &n, sizeof **names);
            (*names)[n - 1] = json_string_value(value);
        }
    }
    return n;
}

/* The union over the generation's completions, sorted, each once. */
static void put_entities(struct sl_json *json, const struct sl_facts *facts)
{
    struct sl_arena arena = {0};
    const char **names = NULL;
    json_t **holders = sl_arena_array(&arena, facts->n_procs ? facts->n_procs : 1, sizeof *holders);
    size_t n = collect_entities(facts, holders, &names, &arena), unique = 0;
    if (n)
        qsort(names, n, sizeof *names, by_bytes);
    for (size_t i = 0; i < n; i++)
        if (unique == 0 || strcmp(names[unique - 1], names[i]) != 0)
            names[unique++] = names[i];
    sl_json_put_strs(json, "entities_changed", names, unique);
    for (size_t i = 0; i < facts->n_procs; i++)
        json_decref(holders[i]);
    sl_arena_fini(&arena);
}

static bool all_incremental(const struct sl_facts *facts)
{
    size_t n = 0;
    for (size_t i = 0; i < facts->n_procs; i++) {
        if (!sl_trigger_counts(&facts->procs[i]))
            continue;
        n++;
        if (facts->procs[i].run->is_incremental != 1)
            return false;
    }
    return n > 0;
}

/* Do the processors before number `i` have the unit from a fallback already? The first in config order is named, a key comes once. */
static bool is_named(const struct sl_facts *facts, size_t i, const char *unit)
{
    for (size_t p = 0; p < i; p++)
        for (size_t k = 0; sl_trigger_counts(&facts->procs[p]) && k < facts->procs[p].coverage.n_served; k++)
            if (!strcmp(facts->procs[p].coverage.served[k].unit, unit))
                return true;
    return false;
}

static void put_unit_quality(struct sl_json *json, const struct sl_proc_facts *proc, const char *unit)
{
    for (size_t i = 0; i < proc->quality.n_units; i++) {
        if (strcmp(proc->quality.units[i].unit, unit) != 0)
            continue;
        sl_json_put_str(json, "tier", sl_tier_name(proc->quality.units[i].quality.tier));
        sl_json_put_double(json, "score", proc->quality.units[i].quality.score);
        return;
    }
    sl_json_put_null(json, "tier");
    sl_json_put_null(json, "score");
}

/* Every unit that a primary does not serve, and what serves it. */
static void put_unit_sources(struct sl_json *json, const struct sl_facts *facts)
{
    sl_json_key(json, "unit_sources");
    sl_json_object(json);
    for (size_t i = 0; i < facts->n_procs; i++) {
        const struct sl_proc_facts *proc = &facts->procs[i];
        for (size_t k = 0; sl_trigger_counts(proc) && k < proc->coverage.n_served; k++) {
            const struct sl_served *served = &proc->coverage.served[k];
            if (!*served->unit || is_named(facts, i, served->unit))
                continue;
            sl_json_key(json, served->unit);
            sl_json_object(json);
            sl_json_put_str(json, "source", sl_source_name(proc->processor, served->source));
            put_unit_quality(json, proc, served->unit);
            sl_json_end_object(json);
        }
    }
    sl_json_end_object(json);
}

static void put_quality(struct sl_json *json, const struct sl_decision *decision)
{
    sl_json_put_double(json, "completeness_pct", decision->completeness_pct);
    sl_json_put_str(json, "quality_tier", decision->has_quality ? sl_tier_name(decision->quality_tier) : NULL);
    sl_json_put_double(json, "quality_score", decision->has_quality ? decision->quality_score : (double)NAN);
    sl_json_put_strs(json, "quality_issues", decision->quality_issues, decision->n_quality_issues);
}

static void put_correlation(struct sl_json *json, const struct sl_config *config, const struct sl_facts *facts)
{
    const struct sl_run *run = first_run(facts);
    struct sl_buf made = {0};
    char day[SL_DATE_LEN + 1];
    if (run && run->correlation_id) {
        sl_json_put_str(json, "correlation_id", run->correlation_id);
        return;
    }
    sl_buf_printf(&made, "%s/%s", config->pipeline, sl_date_format(facts->date, day));
    sl_json_put_str(json, "correlation_id", sl_buf_text(&made));
    sl_buf_fini(&made);
}

static void put_body(struct sl_json *json, const struct sl_config *config, const struct sl_facts *facts, const struct sl_decision *decision,
                     const struct sl_decision_trigger *trigger, int64_t now_us)
{
    sl_json_put_date(json, "game_date", facts->date);
    sl_json_put_str(json, "phase", trigger->to->name);
    put_correlation(json, config, facts);
    sl_json_put_str(json, "trigger_id", trigger->trigger_id);
    sl_json_put_str(json, "trigger_source", "sluice");
    sl_json_put_str(json, "triggered_by", facts->phase->name);
    sl_json_put_str(json, "trigger_reason", sl_trigger_reason_name(decision->trigger_reason));
    sl_json_put_str(json, "mode", sl_profile_name(facts->profile));
    sl_json_put_int(json, "generation", facts->generation);
    sl_json_put_str(json, "config_hash", facts->config_hash);
    sl_json_put_bool(json, "skip_downstream_trigger", false);
    sl_json_put_null(json, "backfill_id");
    sl_json_put_bool(json, "degraded", decision->degraded);
    sl_json_put_int(json, "upstream_processors_count", (int64_t)decision->n_completed);
    sl_json_put_strs(json, "missing_processors", decision->missing, decision->n_missing);
    sl_json_put_bool(json, "is_production_ready", decision->is_production_ready);
    put_quality(json, decision);
    put_entities(json, facts);
    sl_json_put_bool(json, "is_incremental", all_incremental(facts));
    put_unit_sources(json, facts);
    sl_json_put_strs(json, "unusable_units", decision->unusable_units, decision->n_unusable_units);
    sl_json_put_str(json, "quality_note", decision->quality_note);
    sl_json_put_time(json, "timestamp", now_us);
    sl_trigger_put_metadata(json, facts);
}

/* ---- the phase's own fields ---- */

/* The fields that are there, by name. */
struct ours {
    struct sl_arena arena;
    struct sl_map *values; /* struct sl_json_value */
};

static void collect_ours(void *context, const struct sl_json_member *member)
{
    struct ours *ours = context;
    struct sl_json_value *value = sl_arena_alloc(&ours->arena, sizeof *value);
    *value = member->value;
    sl_map_put(ours->values, sl_arena_strndup(&ours->arena, member->key, member->key_len), value);
}

/* metadata is ours where it is absent, too. */
static bool is_ours(const struct ours *ours, const char *name)
{
    return sl_map_get(ours->values, name) || !strcmp(name, SL_TRIGGER_METADATA);
}

static void put_own_field(struct sl_json *json, const struct ours *ours, const struct sl_pair *field)
{
    const struct sl_json_value *value = sl_map_get(ours->values, field->value);
    if (is_ours(ours, field->key) || (!value && is_ours(ours, field->value)))
        return;
    sl_json_key(json, field->key);
    if (value)
        sl_json_raw(json, value->at, value->len);
    else
        sl_json_str(json, field->value);
}

/* Their names for our fields, and constants: a value that names none of ours stands for itself. Ours stay as they are. */
static void put_own_fields(struct sl_json *json, struct sl_buf *body, const struct sl_phase *to)
{
    struct ours ours = {.values = sl_map_create()};
    struct sl_json_value root;
    enum sl_reject reject;
    const char *written = sl_arena_strndup(&ours.arena, body->data, body->len); /* the body grows under what is looked at */
    (void)sl_json_scan(written, body->len, collect_ours, &ours, &ours.arena, &root, &reject, NULL);
    body->len--; /* the brace comes again */
    for (size_t i = 0; i < to->n_trigger_fields; i++)
        put_own_field(json, &ours, &to->trigger_fields[i]);
    sl_json_end_object(json);
    sl_map_destroy(&ours.values);
    sl_arena_fini(&ours.arena);
}

static bool is_our_attribute(const char *key)
{
    static const char *const OURS[] = {
        "trigger_id", "phase", "game_date", "correlation_id", "schema", "traceparent", "googclient_traceparent"};
    for (size_t i = 0; i < sizeof OURS / sizeof *OURS; i++)
        if (!strcmp(OURS[i], key))
            return true;
    return false;
}

static void put_attributes(struct sl_buf *attributes, const struct sl_config *config, const struct sl_facts *facts,
                           const struct sl_decision_trigger *trigger)
{
    struct sl_json json;
    const struct sl_run *run = first_run(facts);
    sl_json_init(&json, attributes);
    sl_json_object(&json);
    sl_json_put_str(&json, "trigger_id", trigger->trigger_id);
    sl_json_put_str(&json, "phase", trigger->to->name);
    sl_json_put_date(&json, "game_date", facts->date);
    put_correlation(&json, config, facts);
    sl_json_put_str(&json, "schema", "sluice.trigger.v1");
    if (run && run->traceparent) { /* under the second name the official clients look for it */
        sl_json_put_str(&json, "traceparent", run->traceparent);
        sl_json_put_str(&json, "googclient_traceparent", run->traceparent);
    }
    for (size_t i = 0; i < trigger->to->n_trigger_attributes; i++)
        if (!is_our_attribute(trigger->to->trigger_attributes[i].key))
            sl_json_put_str(&json, trigger->to->trigger_attributes[i].key, trigger->to->trigger_attributes[i].value);
    sl_json_end_object(&json);
}

void sl_trigger_message(struct sl_buf *body, struct sl_buf *attributes, const struct sl_config *config, const struct sl_facts *facts,
                        const struct sl_decision *decision, const struct sl_decision_trigger *trigger, int64_t now_us)
{
    struct sl_json json;
    sl_json_init(&json, body);
    sl_json_object(&json);
    put_body(&json, config, facts, decision, trigger, now_us);
    sl_json_end_object(&json);
    if (trigger->to->n_trigger_fields)
        put_own_fields(&json, body, trigger->to);
    put_attributes(attributes, config, facts, trigger);
}
