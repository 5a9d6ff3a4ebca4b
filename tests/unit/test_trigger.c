/* test_trigger.c - the trigger message, to the byte and key by key (contract/messages.md, RULES 21). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <string.h>

#include <sluice/v1/trigger.pb-c.h>

#include "support/facts_builder.h"

struct message {
    struct sl_buf body, attributes;
    json_t *json, *attributes_json;
};

/* The first trigger of the decision, a second after it was made. */
static void message_make(struct message *message, struct facts_builder *b, const struct fb_row *row)
{
    *message = (struct message){0};
    facts_decide(b, row);
    cr_assert_geq(b->decision.n_triggers, 1, "%s", facts_outcome(b));
    sl_trigger_message(&message->body, &message->attributes, &b->config, &b->facts, &b->decision, &b->decision.triggers[0],
                       FB_NOW_US + 1000000);
    message->json = json_loadb(message->body.data, message->body.len, JSON_REJECT_DUPLICATES, NULL);
    message->attributes_json = json_loadb(message->attributes.data, message->attributes.len, JSON_REJECT_DUPLICATES, NULL);
    cr_assert_not_null(message->json, "%s", message->body.data);
    cr_assert_not_null(message->attributes_json, "%s", message->attributes.data);
}

static void message_fini(struct message *message)
{
    json_decref(message->json);
    json_decref(message->attributes_json);
    sl_buf_fini(&message->body);
    sl_buf_fini(&message->attributes);
}

static const char *value_of(struct facts_builder *b, json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    const char *text = dumped ? sl_arena_strdup(&b->arena, dumped) : "absent";
    free(dumped);
    return text;
}

static struct sl_run *run_of(struct facts_builder *b, size_t i)
{
    return (struct sl_run *)b->facts.procs[i].run;
}

/* proto/sluice/v1/trigger.proto is the contract: its fields, in its order, are the keys. */
Test(trigger, keys_are_the_fields_of_the_proto_file)
{
    const struct fb_row row = {.procs = "Cs5/5"};
    struct facts_builder b;
    struct message message;
    unsigned i = 0;
    const char *key;
    json_t *value;
    facts_build(&b, &row);
    run_of(&b, 0)->extra = "{\"batch\":7}"; /* or metadata is left out */
    message_make(&message, &b, &row);
    json_object_foreach(message.json, key, value)
    {
        cr_assert_lt(i, sluice__v1__trigger__descriptor.n_fields);
        cr_expect_str_eq(key, sluice__v1__trigger__descriptor.fields[i].name);
        cr_expect_eq(sluice__v1__trigger__descriptor.fields[i].id, i + 1);
        i++;
    }
    cr_expect_eq(i, sluice__v1__trigger__descriptor.n_fields);
    message_fini(&message);
    facts_fini(&b);
}

Test(trigger, keys_in_the_order_of_the_contract)
{
    static const char *const KEYS[] = {
        "game_date",
        "phase",
        "correlation_id",
        "trigger_id",
        "trigger_source",
        "triggered_by",
        "trigger_reason",
        "mode",
        "generation",
        "config_hash",
        "skip_downstream_trigger",
        "backfill_id",
        "degraded",
        "upstream_processors_count",
        "missing_processors",
        "is_production_ready",
        "completeness_pct",
        "quality_tier",
        "quality_score",
        "quality_issues",
        "entities_changed",
        "is_incremental",
        "unit_sources",
        "unusable_units",
        "quality_note",
        "timestamp",
    };
    static const char *const ATTRIBUTES[] = {"trigger_id", "phase", "game_date", "correlation_id", "schema"};
    const struct fb_row row = {.procs = "Cs5/5"};
    struct facts_builder b;
    struct message message;
    facts_build(&b, &row);
    message_make(&message, &b, &row);
    const char *key;
    json_t *value;
    size_t n = 0;
    json_object_foreach(message.json, key, value)
    {
        cr_assert_lt(n, sizeof KEYS / sizeof *KEYS, "%s is no key of a trigger", key);
        cr_expect_str_eq(key, KEYS[n], "key %zu: %s", n, key);
        n++;
    }
    cr_expect_eq(n, sizeof KEYS / sizeof *KEYS);
    n = 0;
    json_object_foreach(message.attributes_json, key, value)
    {
        cr_assert_lt(n, sizeof ATTRIBUTES / sizeof *ATTRIBUTES, "%s is no attribute of a trigger", key);
        cr_expect_str_eq(key, ATTRIBUTES[n]);
        n++;
    }
    cr_expect_eq(n, sizeof ATTRIBUTES / sizeof *ATTRIBUTES);
    message_fini(&message);
    facts_fini(&b);
}

Test(trigger, to_the_byte)
{
    static const char BODY[] = "{\"game_date\":\"2025-04-15\",\"phase\":\"phase_4_precompute\",\"correlation_id\":\"corr-0\",\"trigger_"
                               "id\":\"%s\",\"trigger_source\":\"sluice\","
                               "\"triggered_by\":\"phase_3_analytics\",\"trigger_reason\":\"critical_and_share\",\"mode\":\"past\","
                               "\"generation\":1,\"config_hash\":\"c0ffee\","
                               "\"skip_downstream_trigger\":false,\"backfill_id\":null,\"degraded\":false,\"upstream_processors_count\":2,"
                               "\"missing_processors\":[\"p2\"],"
                               "\"is_production_ready\":false,\"completeness_pct\":null,\"quality_tier\":null,\"quality_score\":null,"
                               "\"quality_issues\":[],\"entities_changed\":[],"
                               "\"is_incremental\":false,\"unit_sources\":{\"u5\":{\"source\":\"nba_analytics.f1\",\"tier\":null,\"score\":"
                               "null}},\"unusable_units\":[],"
                               "\"quality_note\":\"1 of 5 units come from nba_analytics.f1\",\"timestamp\":\"2025-04-17T08:00:01Z\"}";
    static const char ATTRIBUTES[] = "{\"trigger_id\":\"%s\",\"phase\":\"phase_4_precompute\",\"game_date\":\"2025-04-15\",\"correlation_"
                                     "id\":\"corr-0\",\"schema\":\"sluice.trigger.v1\"}";
    const struct fb_row row = {.procs = "Cp5/5 Cs4+1/5 Of"};
    struct facts_builder b;
    struct message message;
    char id[SL_UUID_LEN + 1];
    facts_build(&b, &row);
    message_make(&message, &b, &row);
    sl_trigger_id(&b.config, &b.phases[FB_OWN], &b.phases[FB_NEXT], FB_DATE, SL_PAST, 1, id);
    cr_expect_str_eq(message.body.data, sl_arena_printf(&b.arena, BODY, id), "%s", message.body.data);
    cr_expect_str_eq(message.attributes.data, sl_arena_printf(&b.arena, ATTRIBUTES, id), "%s", message.attributes.data);
    message_fini(&message);
    facts_fini(&b);
}

Test(trigger, values)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *key, *expected;
    } CASES[] = {
        {"past", {.procs = "Cs5/5"}, "mode", "\"past\""},
        {"today", {.procs = "Cs0/0", .profile = SL_TODAY, .not_done = 5}, "mode", "\"today\""},
        {"future", {.procs = "Cs0/0", .profile = SL_FUTURE, .not_done = 5}, "mode", "\"future\""},
        {"generation", {.generation = 3}, "generation", "3"},
        {"all complete", {.procs = "Cs5/5"}, "trigger_reason", "\"all_complete\""},
        {"share", {.procs = "Cs5/5 Os5/5 Of"}, "trigger_reason", "\"critical_and_share\""},
        {"deadline", {.procs = "Cs5/5 O. O.", .deadline_ms = 1, .clock_ms = 1}, "trigger_reason", "\"deadline\""},
        {"released", {.skip = true, .released = true}, "trigger_reason", "\"released\""},
        {"retriggered", {.generation = 2, .retriggered = true}, "trigger_reason", "\"retriggered\""},
        {"released: skip is not passed on", {.skip = true, .released = true}, "skip_downstream_trigger", "false"},
        {"degraded", {.procs = "Cs5/5 O. O.", .deadline_ms = 1, .clock_ms = 1}, "degraded", "true"},
        {"not degraded by soft failures", {.procs = "Cp5/5"}, "degraded", "false"},
        {"production ready", {.procs = "Cs5/5"}, "is_production_ready", "true"},
        {"missing alone does not lower it", {.procs = "Cs5/5 Os5/5 Of"}, "is_production_ready", "true"},
        {"soft failures do", {.gaps = "p0-1:1/2", .soft_gaps = true}, "is_production_ready", "false"},
        {"delivered ones are counted", {.procs = "Cs5/5 Os5/5 Of Ns5/5"}, "upstream_processors_count", "2"},
        {"missing ones in config order", {.procs = "Of Cs5/5 Os5/5 Os5/5 Of"}, "missing_processors", "[\"p0\",\"p4\"]"},
        {"nothing is missing", {.procs = "Cs5/5"}, "missing_processors", "[]"},
        {"an empty date", {.planned = -1, .on_empty_trigger = true}, "upstream_processors_count", "0"},
        {"every unit from its primary", {.procs = "Cs5/5"}, "unit_sources", "{}"},
        {"a unit from a fallback",
         {.procs = "Cs4+1/5"},
         "unit_sources",
         "{\"u5\":{\"source\":\"nba_analytics.f0\",\"tier\":null,\"score\":null}}"},
        {"a unit from the fallbacks of two is named once",
         {.procs = "Cs4+1/5 Cs4+1/5"},
         "unit_sources",
         "{\"u5\":{\"source\":\"nba_analytics.f0\",\"tier\":null,\"score\":null}}"},
        {"a table by date has no units", {.procs = "Cs0+1/1d"}, "unit_sources", "{}"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        struct message message;
        facts_build(&b, &CASES[i].row);
        message_make(&message, &b, &CASES[i].row);
        cr_expect_str_eq(value_of(&b, message.json, CASES[i].key), CASES[i].expected, "%s: %s", CASES[i].label,
                         value_of(&b, message.json, CASES[i].key));
        message_fini(&message);
        facts_fini(&b);
    }
}

/* RULES 21: of the counted run with the smallest (timestamp, processor). */
Test(trigger, quality)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *expected[4];
    } CASES[] = {
        {"assessed",
         {.procs = "Cs3+2/5", .quality = "p0:u4:silver:85:backup_source_used p0:u5:silver:90:backup_source_used"},
         {"\"quality_tier\":\"silver\",\"quality_score\":85.0,\"quality_issues\":[\"backup_source_used\"]",
          "\"u4\":{\"source\":\"nba_analytics.f0\",\"tier\":\"silver\",\"score\":85.0}",
          "\"quality_note\":\"2 of 5 units come from nba_analytics.f0\""}},
        {"completeness", {.completeness = SL_SOFT, .complete = "BOS:10/10 MIA:9/10"}, {"\"completeness_pct\":95.0"}},
        {"unusable", {.quality = "p0:u2:unusable:0"}, {"\"unusable_units\":[\"u2\"]", "\"quality_tier\":\"gold\""}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        struct message message;
        facts_build(&b, &CASES[i].row);
        message_make(&message, &b, &CASES[i].row);
        for (size_t k = 0; k < 4 && CASES[i].expected[k]; k++)
            cr_expect_not_null(strstr(message.body.data, CASES[i].expected[k]), "%s: %s", CASES[i].label, message.body.data);
        message_fini(&message);
        facts_fini(&b);
    }
}

Test(trigger, correlation)
{
    static const struct {
        const char *label, *procs;
        int64_t timestamps[3];
        bool none, no_traceparent;
        const char *correlation, *traceparent;
    } CASES[] = {
        {"the earliest", "Cs5/5 Cs5/5 Cs5/5", {30, 10, 20}, false, false, "\"corr-1\"", "\"trace-1\""},
        {"of equals the smaller name", "Cs5/5 Cs5/5 Cs5/5", {20, 10, 10}, false, false, "\"corr-2\"", "\"trace-2\""},
        {"what is not required does not count", "Cs5/5 Ns5/5 Cs5/5", {20, 10, 30}, false, false, "\"corr-0\"", "\"trace-0\""},
        {"made of pipeline and date", "Cs5/5 Cs5/5 Cs5/5", {30, 10, 20}, true, false, "\"nba/2025-04-15\"", "\"trace-1\""},
        {"no traceparent", "Cs5/5 Cs5/5 Cs5/5", {30, 10, 20}, false, true, "\"corr-1\"", "absent"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct fb_row row = {.procs = CASES[i].procs};
        struct facts_builder b;
        struct message message;
        facts_build(&b, &row);
        for (size_t p = 0; p < 3; p++) {
            run_of(&b, p)->timestamp_us = CASES[i].timestamps[p];
            run_of(&b, p)->processor = sl_arena_printf(&b.arena, "%c", (int)('c' - p)); /* in the config c, b, a */
            run_of(&b, p)->traceparent = CASES[i].no_traceparent ? NULL : sl_arena_printf(&b.arena, "trace-%zu", p);
            if (CASES[i].none)
                run_of(&b, p)->correlation_id = NULL;
        }
        message_make(&message, &b, &row);
        cr_expect_str_eq(value_of(&b, message.json, "correlation_id"), CASES[i].correlation, "%s", CASES[i].label);
        cr_expect_str_eq(value_of(&b, message.attributes_json, "correlation_id"), CASES[i].correlation, "%s", CASES[i].label);
        cr_expect_str_eq(value_of(&b, message.attributes_json, "traceparent"), CASES[i].traceparent, "%s", CASES[i].label);
        cr_expect_str_eq(value_of(&b, message.attributes_json, "googclient_traceparent"), CASES[i].traceparent, "%s", CASES[i].label);
        message_fini(&message);
        facts_fini(&b);
    }
}

/* The union over the generation's completions, each once; incremental only when all were. */
Test(trigger, entities_and_increments)
{
    static const struct {
        const char *label, *procs, *entities[3];
        int incremental[3];
        const char *expected, *is_incremental;
    } CASES[] = {
        {"nobody says", "Cs5/5 Cs5/5 Cs5/5", {NULL, NULL, NULL}, {-1, -1, -1}, "[]", "false"},
        {"union, sorted bytewise",
         "Cs5/5 Cs5/5 Cs5/5",
         {"[\"b\",\"a\"]", "[\"B\",\"b\"]", "[\"c\"]"},
         {1, 1, 1},
         "[\"B\",\"a\",\"b\",\"c\"]",
         "true"},
        {"one was not incremental", "Cs5/5 Cs5/5 Cs5/5", {"[\"a\"]", NULL, "[]"}, {1, 0, 1}, "[\"a\"]", "false"},
        {"one does not say", "Cs5/5 Cs5/5 Cs5/5", {"[\"a\"]", NULL, NULL}, {1, -1, 1}, "[\"a\"]", "false"},
        {"what is not required does not count", "Cs5/5 Ns5/5 Cs5/5", {"[\"a\"]", "[\"x\"]", NULL}, {1, 0, 1}, "[\"a\"]", "true"},
        {"beyond ASCII", "Cs5/5 Cs5/5 Cs5/5", {"[\"jokić\"]", "[\"doncic\"]", NULL}, {1, 1, 1}, "[\"doncic\",\"jokić\"]", "true"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct fb_row row = {.procs = CASES[i].procs};
        struct facts_builder b;
        struct message message;
        facts_build(&b, &row);
        for (size_t p = 0; p < 3; p++) {
            run_of(&b, p)->entities_changed = CASES[i].entities[p];
            run_of(&b, p)->is_incremental = CASES[i].incremental[p];
        }
        message_make(&message, &b, &row);
        cr_expect_str_eq(value_of(&b, message.json, "entities_changed"), CASES[i].expected, "%s", CASES[i].label);
        cr_expect_str_eq(value_of(&b, message.json, "is_incremental"), CASES[i].is_incremental, "%s", CASES[i].label);
        message_fini(&message);
        facts_fini(&b);
    }
}

/* What is read is not passed on, the rest is, as sent; the first in config order counts. */
Test(trigger, metadata)
{
    static const struct {
        const char *label, *procs, *extra[3], *expected;
    } CASES[] = {
        {"nobody says", "Cs5/5 Cs5/5 Cs5/5", {NULL, NULL, NULL}, "absent"},
        {"nothing that is not read",
         "Cs5/5 Cs5/5 Cs5/5",
         {"{\"metadata\":{}}", "{\"metadata\":{\"is_incremental\":true,\"entities_changed\":[\"a\"]},\"quality\":\"gold\"}",
          "{\"data_sources\":[\"x\"],\"cloudevent\":{\"id\":\"e\"},\"note\":null}"},
         "absent"},
        {"an unknown field, and a member of metadata",
         "Cs5/5 Cs5/5 Cs5/5",
         {"{\"batch\":7,\"metadata\":{\"is_incremental\":true,\"season\":\"2024\"}}", NULL, NULL},
         "{\"batch\":7,\"season\":\"2024\"}"},
        {"of several the first",
         "Cs5/5 Cs5/5 Cs5/5",
         {"{\"b\":1}", "{\"b\":2,\"metadata\":{\"b\":3,\"a\":4}}", "{\"c\":{\"metadata\":[5]}}"},
         "{\"b\":1,\"a\":4,\"c\":{\"metadata\":[5]}}"},
        {"null says nothing", "Cs5/5 Cs5/5 Cs5/5", {"{\"a\":null}", "{\"a\":2}", NULL}, "{\"a\":2}"},
        {"metadata that is no object", "Cs5/5 Cs5/5 Cs5/5", {"{\"metadata\":[1]}", NULL, NULL}, "absent"},
        {"what is not required does not count", "Ns5/5 Cs5/5 Cs5/5", {"{\"a\":1}", NULL, NULL}, "absent"},
        {"one name in two spellings", "Cs5/5 Cs5/5 Cs5/5", {"{\"a\":1}", "{\"\\u0061\":2}", NULL}, "{\"a\":1}"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct fb_row row = {.procs = CASES[i].procs};
        struct facts_builder b;
        struct message message;
        facts_build(&b, &row);
        for (size_t p = 0; p < 3; p++)
            run_of(&b, p)->extra = CASES[i].extra[p];
        message_make(&message, &b, &row);
        cr_expect_str_eq(value_of(&b, message.json, "metadata"), CASES[i].expected, "%s", CASES[i].label);
        message_fini(&message);
        facts_fini(&b);
    }
}

/* Numbers that no double holds stay as they are, beside fields of the phase's own, of which one can be the metadata. */
Test(trigger, metadata_is_passed_on_byte_for_byte)
{
    static struct sl_pair fields[] = {{"day", "game_date"}, {"context", "metadata"}, {"metadata", "constant"}};
    static const char MEMBER[] = "\"metadata\":{\"big\": 18446744073709551616,\"huge\":1e400,\"price\":1.50}";
    static const char OWN[] = ",\"day\":\"2025-04-15\",\"context\":{\"big\": 18446744073709551616,\"huge\":1e400,\"price\":1.50}}";
    const struct fb_row row = {.procs = "Cs5/5"};
    for (int with = 0; with < 2; with++) {
        struct sl_buf body = {0}, attributes = {0};
        struct facts_builder b;
        facts_build(&b, &row);
        run_of(&b, 0)->extra = with ? "{\"big\": 18446744073709551616,\"huge\":1e400,\"price\":1.50}" : NULL;
        facts_decide(&b, &row);
        struct sl_phase *to = (struct sl_phase *)b.decision.triggers[0].to;
        to->trigger_fields = fields;
        to->n_trigger_fields = sizeof fields / sizeof *fields;
        sl_trigger_message(&body, &attributes, &b.config, &b.facts, &b.decision, &b.decision.triggers[0], FB_NOW_US);
        const char *text = sl_buf_text(&body);
        cr_expect(!strstr(text, MEMBER) == !with, "%s", text);
        cr_expect(!strstr(text, OWN) == !with, "%s", text);
        cr_expect(strstr(text, ",\"day\":\"2025-04-15\""), "%s", text);
        cr_expect(!strstr(text, "constant") && (with || !strstr(text, "metadata")), "%s", text);
        sl_buf_fini(&body);
        sl_buf_fini(&attributes);
        facts_fini(&b);
    }
}

/* 64 KiB of it: what doesn't fit is left out, and that is said. */
Test(trigger, metadata_has_an_end)
{
    const struct fb_row row = {.procs = "Cs5/5 Cs5/5"};
    struct facts_builder b;
    struct message message;
    char *big[2];
    facts_build(&b, &row);
    for (size_t p = 0; p < 2; p++) {
        big[p] = sl_arena_alloc(&b.arena, 40100);
        snprintf(big[p], 40100, "{\"big%zu\":\"%040000d\",\"small%zu\":1}", p, 0, p);
        run_of(&b, p)->extra = big[p];
    }
    message_make(&message, &b, &row);
    const json_t *metadata = json_object_get(message.json, "metadata");
    cr_expect(json_object_get(metadata, "big0"));
    cr_expect_null(json_object_get(metadata, "big1"));
    cr_expect(json_object_get(metadata, "small0") && json_object_get(metadata, "small1"));
    cr_expect(json_is_true(json_object_get(metadata, "truncated")));
    message_fini(&message);
    facts_fini(&b);
}

/* started_by: {fields: {theirs: ours or a constant}, attributes: {name: value}}: added behind ours, which stay. */
Test(trigger, own_fields_and_attributes)
{
    static struct sl_pair fields[] = {{"analysis_date", "game_date"}, {"start_date", "game_date"}, {"run_mode", "incremental run"},
                                      {"quote", "a \"b\""},           {"tier", "quality_tier"},    {"sources", "unit_sources"},
                                      {"phase", "constant"}};
    static struct sl_pair attributes[] = {{"priority", "high"}, {"phase", "constant"}};
    static const struct {
        const char *key, *expected;
    } CASES[] = {
        {"analysis_date", "\"2025-04-15\""},
        {"start_date", "\"2025-04-15\""},
        {"run_mode", "\"incremental run\""},
        {"quote", "\"a \\\"b\\\"\""},
        {"tier", "null"},
        {"sources", "{}"},
        {"game_date", "\"2025-04-15\""},
        {"phase", "\"phase_4_precompute\""},
    };
    const struct fb_row row = {.procs = "Cs5/5"};
    struct facts_builder b;
    struct message message;
    facts_build(&b, &row);
    b.phases[FB_NEXT].trigger_fields = fields;
    b.phases[FB_NEXT].n_trigger_fields = sizeof fields / sizeof *fields;
    b.phases[FB_NEXT].trigger_attributes = attributes;
    b.phases[FB_NEXT].n_trigger_attributes = sizeof attributes / sizeof *attributes;
    message_make(&message, &b, &row);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_str_eq(value_of(&b, message.json, CASES[i].key), CASES[i].expected, "%s: %s", CASES[i].key,
                         value_of(&b, message.json, CASES[i].key));
    cr_expect_str_eq(value_of(&b, message.attributes_json, "priority"), "\"high\"");
    cr_expect_str_eq(value_of(&b, message.attributes_json, "phase"), "\"phase_4_precompute\"");
    message_fini(&message);
    facts_fini(&b);
}

Test(trigger, the_same_every_time)
{
    const struct fb_row row = {.procs = "Cp5/5 Cs4+1/5 Of"};
    struct facts_builder one, two;
    struct message a, b;
    facts_build(&one, &row);
    facts_build(&two, &row);
    message_make(&a, &one, &row);
    message_make(&b, &two, &row);
    cr_expect_str_eq(a.body.data, b.body.data);
    cr_expect_str_eq(a.attributes.data, b.attributes.data);
    message_fini(&a);
    message_fini(&b);
    facts_fini(&one);
    facts_fini(&two);
}
