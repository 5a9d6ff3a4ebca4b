/* Phases and their processors as structs; the DAG with ranks and followers. */
#include <string.h>

#include "config_internal.h"

#define MODES "off|soft|strict"

static void bind_source(struct sl_source *source, const json_t *json, struct sl_arena *arena)
{
    source->table = sl_bind_str(arena, json, "table");
    source->date_column = sl_bind_str(arena, json, "date_column");
    source->unit_column = sl_bind_unit_column(arena, json);
    source->columns = sl_bind_pairs(arena, json_object_get(json, "columns"), &source->n_columns);
}

static void bind_sources(struct sl_processor *processor, const json_t *json, struct sl_arena *arena)
{
    const json_t *fallbacks = json_object_get(json, "fallback");
    size_t n = json_array_size(fallbacks);
    processor->sources = sl_arena_array(arena, n + 1, sizeof *processor->sources);
    if (!json_is_string(json_object_get(json, "table")))
        return;
    bind_source(&processor->sources[0], json, arena);
    for (size_t i = 0; i < n; i++)
        bind_source(&processor->sources[i + 1], json_array_get(fallbacks, i), arena);
    processor->n_sources = n + 1;
}

static struct sl_quality_profile *bind_quality(const json_t *json, struct sl_arena *arena)
{
    if (json == NULL)
        return NULL;
    struct sl_quality_profile *quality = sl_arena_alloc(arena, sizeof *quality);
    const json_t *weights = json_object_get(json, "weights");
    quality->required = sl_bind_strs(arena, json_object_get(json, "required"), &quality->n_required);
    quality->optional = sl_bind_strs(arena, json_object_get(json, "optional"), &quality->n_optional);
    quality->weights = sl_arena_array(arena, json_object_size(weights) + 1, sizeof *quality->weights);
    const char *field;
    json_t *weight;
    json_object_foreach((json_t *)weights, field, weight)
    {
        quality->weights[quality->n_weights++] = (struct sl_weight){sl_arena_strdup(arena, field), json_number_value(weight)};
    }
    quality->expected_rows = (int)sl_bind_int(json, "expected_rows");
    return quality;
}

static void bind_inputs(struct sl_processor *processor, const json_t *list, struct sl_arena *arena)
{
    processor->n_inputs = json_array_size(list);
    processor->inputs = sl_arena_array(arena, processor->n_inputs + 1, sizeof *processor->inputs);
    for (size_t i = 0; i < processor->n_inputs; i++) {
        const json_t *input = json_array_get(list, i);
        processor->inputs[i] = (struct sl_input){sl_bind_str(arena, input, "table"), sl_bind_str(arena, input, "entity_column"),
                                                 sl_bind_window(input, "window")};
    }
}

static void bind_need(struct sl_processor *processor, const json_t *required)
{
    static const enum sl_need needs[] = {SL_NOT_REQUIRED, SL_OPTIONAL, SL_CRITICAL};
    static const char *const profiles[] = {[SL_PAST] = "past", [SL_TODAY] = "today", [SL_FUTURE] = "future"};
    for (size_t i = 0; i < SL_N_PROFILES; i++)
        processor->need[i] = needs[sl_bind_choice(required, profiles[i], "none|optional|critical")];
}

static void bind_processor(struct sl_processor *processor, const json_t *json, struct sl_arena *arena)
{
    const json_t *rebuild = json_object_get(json, "reconstruction"), *exclude = json_object_get(json, "fingerprint");
    const json_t *confidence = json_object_get(json, "confidence");
    processor->name = sl_bind_str(arena, json, "name");
    processor->aliases = sl_bind_strs(arena, json_object_get(json, "aliases"), &processor->n_aliases);
    bind_need(processor, json_object_get(json, "required"));
    bind_sources(processor, json, arena);
    processor->quality = bind_quality(json_object_get(json, "quality"), arena);
    bind_inputs(processor, json_object_get(json, "inputs"), arena);
    processor->reconstruction_sql = sl_bind_str(arena, rebuild, "sql");
    processor->reconstruction_min_rows = (int)sl_bind_int(rebuild, "min_rows");
    processor->fingerprint_exclude = sl_bind_strs(arena, json_object_get(exclude, "exclude"), &processor->n_fingerprint_exclude);
    processor->confidence_base = sl_bind_str(arena, confidence, "base");
    processor->confidence_final = sl_bind_str(arena, confidence, "final");
    processor->confidence_capped = sl_bind_str(arena, confidence, "capped");
    processor->confidence_skipped = sl_bind_str(arena, confidence, "skipped");
    processor->stamp = sl_bind_bool(json, "stamp");
    processor->audit = sl_bind_bool(json, "audit");
}

/* Of a phase without an upstream check too: a generation waits for runs in progress, but not for those that are stuck. */
#define RUNNING_TIMEOUT_MS (4LL * 60 * 60 * 1000)

static void bind_checks(struct sl_checks *checks, const json_t *json, struct sl_arena *arena)
{
    const json_t *upstream = json_object_get(json, "upstream"), *gaps = json_object_get(json, "gaps");
    const json_t *complete = json_object_get(json, "completeness"), *quality = json_object_get(json, "quality");
    checks->upstream.mode = (enum sl_mode)sl_bind_choice(upstream, "mode", MODES);
    checks->upstream.running_timeout_ms = upstream ? sl_bind_ms(upstream, "running_timeout") : RUNNING_TIMEOUT_MS;
    checks->units = (enum sl_mode)sl_bind_choice(json_object_get(json, "units"), "mode", MODES);
    checks->gaps.mode = (enum sl_mode)sl_bind_choice(gaps, "mode", MODES);
    checks->gaps.look_back_days = sl_bind_days(gaps, "look_back");
    checks->gaps.every_day = sl_bind_bool(gaps, "every_day");
    checks->gaps.degrade_after_ms = sl_bind_ms(gaps, "degrade_after");
    checks->completeness.mode = (enum sl_mode)sl_bind_choice(complete, "mode", MODES);
    checks->completeness.entity = sl_bind_str(arena, complete, "entity");
    checks->completeness.table = sl_bind_str(arena, complete, "table");
    checks->completeness.entity_column = sl_bind_str(arena, complete, "entity_column");
    checks->completeness.window = sl_bind_window(complete, "window");
    checks->completeness.threshold = sl_bind_share(complete, "threshold");
    checks->quality.mode = (enum sl_mode)sl_bind_choice(quality, "mode", MODES);
    checks->quality.min_usable = sl_bind_share(quality, "min_usable");
}

static void bind_policies(struct sl_phase *phase, const json_t *json)
{
    const json_t *deadline = json_object_get(json, "deadline");
    phase->share = sl_bind_share(json, "share");
    phase->grace_ms = sl_bind_ms(json, "grace");
    phase->settle_ms = sl_bind_ms(json, "settle");
    phase->answer_within_ms = sl_bind_ms(json, "answer_within");
    phase->deadline.after_ms = sl_bind_ms(deadline, "after");
    phase->deadline.at_minutes = sl_bind_minutes(deadline, "at");
    phase->deadline.then = (enum sl_on_deadline)sl_bind_choice(deadline, "then", "degrade|alert|hold");
    phase->deadline.waive_critical = sl_bind_bool(deadline, "waive_critical");
    phase->on_empty = (enum sl_on_empty)sl_bind_choice(json, "on_empty", "nothing|trigger");
    phase->on_skip = (enum sl_on_skip)sl_bind_choice(json, "on_skip", "hold|drop|coalesce");
    phase->on_late = (enum sl_on_late)sl_bind_choice(json, "on_late", "ignore|mark|retrigger");
    phase->on_stale = (enum sl_on_stale)sl_bind_choice(json, "on_stale", "mark|retrigger");
    phase->on_unanswered = (enum sl_on_unanswered)sl_bind_choice(json, "on_unanswered", "alert|retrigger");
    phase->observe = sl_bind_choice(json, "mode", "live|observe") == 1;
    phase->bootstrap_days = sl_bind_days(json, "bootstrap");
    phase->expect_by_minutes = sl_bind_minutes(json, "expect_by");
}

static void bind_topics(struct sl_phase *phase, const json_t *json, struct sl_arena *arena)
{
    const json_t *completions = json_object_get(json, "completions"), *started = json_object_get(json, "started_by");
    phase->topic = sl_bind_str(arena, completions, "topic");
    phase->subscription = sl_bind_str(arena, completions, "subscription");
    phase->dead_letter_topic = sl_bind_str(arena, completions, "dead_letter_topic");
    phase->trigger_topic = sl_bind_str(arena, started, "topic");
    phase->trigger_fields = sl_bind_pairs(arena, json_object_get(started, "fields"), &phase->n_trigger_fields);
    phase->trigger_attributes = sl_bind_pairs(arena, json_object_get(started, "attributes"), &phase->n_trigger_attributes);
}

static void bind_phase(struct sl_phase *phase, const json_t *json, struct sl_arena *arena)
{
    const json_t *processors = json_object_get(json, "processors");
    phase->name = sl_bind_str(arena, json, "name");
    phase->aliases = sl_bind_strs(arena, json_object_get(json, "aliases"), &phase->n_aliases);
    bind_topics(phase, json, arena);
    bind_policies(phase, json);
    bind_checks(&phase->checks, json_object_get(json, "checks"), arena);
    phase->n_processors = json_array_size(processors);
    phase->processors = sl_arena_array(arena, phase->n_processors + 1, sizeof *phase->processors);
    for (size_t i = 0; i < phase->n_processors; i++)
        bind_processor(&phase->processors[i], json_array_get(processors, i), arena);
}

static void bind_after(struct sl_phase *phase, const json_t *after, const struct sl_map *index, struct sl_arena *arena)
{
    phase->after = sl_arena_array(arena, json_array_size(after) + 1, sizeof *phase->after);
    for (size_t i = 0; i < json_array_size(after); i++)
        phase->after[phase->n_after++] = (size_t)sl_config_find_phase(index, json_string_value(json_array_get(after, i)));
}

/* In config order, because the phases are gone through in it. */
static void bind_followers(struct sl_config *config, struct sl_arena *arena)
{
    for (size_t i = 0; i < config->n_phases; i++) {
        const struct sl_phase *phase = &config->phases[i];
        for (size_t a = 0; a < phase->n_after; a++) {
            struct sl_phase *before = &config->phases[phase->after[a]];
            size_t at = before->n_followers;
            before->followers = sl_arena_push(arena, before->followers, &before->n_followers, sizeof *before->followers);
            before->followers[at] = i;
        }
    }
}

void sl_config_bind_phases(struct sl_config *config, const json_t *root, struct sl_arena *arena)
{
    const json_t *phases = json_object_get(root, "phases");
    struct sl_map *index = sl_config_phase_index(phases);
    config->n_phases = json_array_size(phases);
    config->phases = sl_arena_array(arena, config->n_phases + 1, sizeof *config->phases);
    config->dag = sl_arena_array(arena, config->n_phases + 1, sizeof *config->dag);
    for (size_t i = 0; i < config->n_phases; i++) {
        const json_t *json = json_array_get(phases, i);
        config->phases[i].index = i;
        bind_phase(&config->phases[i], json, arena);
        bind_after(&config->phases[i], json_object_get(json, "after"), index, arena);
    }
    size_t n_placed;
    sl_config_dag(phases, index, config->dag, &n_placed);
    for (size_t rank = 0; rank < n_placed; rank++)
        config->phases[config->dag[rank]].rank = rank;
    bind_followers(config, arena);
    sl_map_destroy(&index);
}
