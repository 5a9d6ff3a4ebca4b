/* test_completion_forms.c - completions as protobuf and as CloudEvents: what protobuf-c writes is read as the JSON of the same run is, and each form is refused with the same codes. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/base64.h>
#include <sluice/completion.h>
#include <sluice/str.h>

#include <sluice/v1/completion.pb-c.h>

#include "support/completion_config.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define FINE     (-1)

static const int64_t NOW = INT64_C(1744790500000000); /* 2025-04-16T08:01:40Z */

struct fixture {
    struct sl_zone *utc;
    struct sl_config config;
    struct sl_arena arena, bytes;
    struct sl_attribute attributes[8];
    struct sl_message message;
    struct sl_completion out;
    enum sl_reject reject;
    struct sl_err err;
};

static void set_up(struct fixture *f)
{
    *f = (struct fixture){0};
    cr_assert_eq(sl_zone_load(&f->utc, "UTC", &f->err), SL_OK, "%s", f->err.text);
    f->config = completion_config(f->utc);
    f->message.attributes = f->attributes;
}

static void tear_down(struct fixture *f)
{
    sl_arena_fini(&f->arena);
    sl_arena_fini(&f->bytes);
    sl_zone_destroy(&f->utc);
}

static void attribute(struct fixture *f, const char *key, const char *value)
{
    f->attributes[f->message.n_attributes++] = (struct sl_attribute){key, value};
}

/* The reject code, or FINE. */
static int decode(struct fixture *f, const void *data, size_t len)
{
    f->message.data = data;
    f->message.len = len;
    f->err = (struct sl_err){0};
    sl_arena_reset(&f->arena);
    enum sl_code code = sl_completion_decode(&f->out, &f->message, NULL, &f->config, NOW, &f->arena, &f->reject, &f->err);
    cr_assert(code == SL_OK || (code == SL_INVALID && f->err.text[0] != '\0'));
    return code == SL_OK ? FINE : (int)f->reject;
}

static int decode_text(struct fixture *f, const char *text)
{
    return decode(f, text, strlen(text));
}

/* ---- protobuf ---- */

static Google__Protobuf__Timestamp TIME = {.base = {0}};

static Sluice__V1__Completion smallest(void)
{
    Sluice__V1__Completion completion = SLUICE__V1__COMPLETION__INIT;
    google__protobuf__timestamp__init(&TIME);
    TIME.seconds = 1744790462;
    TIME.nanos = 123456789;
    completion.processor_name = (char *)"nbac_team_boxscore";
    completion.phase = (char *)"phase_2";
    completion.execution_id = (char *)"def-456";
    completion.date = (char *)"2025-04-15";
    completion.status = SLUICE__V1__STATUS__STATUS_SUCCESS;
    completion.timestamp = &TIME;
    return completion;
}

static size_t pack(struct fixture *f, const Sluice__V1__Completion *completion, uint8_t **out)
{
    const size_t len = sluice__v1__completion__get_packed_size(completion);
    *out = sl_arena_alloc(&f->bytes, len + 64);
    return sluice__v1__completion__pack(completion, *out);
}

/* With `more` behind it, as fields that protobuf-c would not write. */
static int decode_packed_and(struct fixture *f, const Sluice__V1__Completion *completion, const char *more, size_t n_more)
{
    uint8_t *bytes;
    const size_t len = pack(f, completion, &bytes);
    memcpy(bytes + len, more, n_more);
    return decode(f, bytes, len + n_more);
}

static int decode_packed(struct fixture *f, const Sluice__V1__Completion *completion)
{
    return decode_packed_and(f, completion, "", 0);
}

Test(completion_forms, a_whole_completion_as_protobuf)
{
    struct fixture f;
    uint8_t *bytes;
    set_up(&f);
    Sluice__V1__Completion completion = smallest();
    Sluice__V1__CoverageEvent event = SLUICE__V1__COVERAGE_EVENT__INIT, *events[] = {&event};
    Google__Protobuf__Value yes = GOOGLE__PROTOBUF__VALUE__INIT, name = GOOGLE__PROTOBUF__VALUE__INIT, list = GOOGLE__PROTOBUF__VALUE__INIT,
                            half = GOOGLE__PROTOBUF__VALUE__INIT, none = GOOGLE__PROTOBUF__VALUE__INIT;
    Google__Protobuf__ListValue names = GOOGLE__PROTOBUF__LIST_VALUE__INIT;
    Google__Protobuf__Value *items[] = {&name};
    Google__Protobuf__Struct__FieldsEntry first = GOOGLE__PROTOBUF__STRUCT__FIELDS_ENTRY__INIT, second = first, third = first,
                                          fourth = first;
    Google__Protobuf__Struct metadata = GOOGLE__PROTOBUF__STRUCT__INIT, extra = GOOGLE__PROTOBUF__STRUCT__INIT;
    Google__Protobuf__Struct__FieldsEntry *in_metadata[] = {&first, &second}, *in_extra[] = {&third, &fourth};
    char *sources[] = {(char *)"primary", (char *)"a \"quoted\" one"};
    yes.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
    yes.bool_value = 1;
    name.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    name.string_value = (char *)"lebron-james";
    names.values = items;
    names.n_values = 1;
    list.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    list.list_value = &names;
    half.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    half.number_value = 0.5;
    none.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
    first.key = (char *)"is_incremental", first.value = &yes;
    second.key = (char *)"entities_changed", second.value = &list;
    third.key = (char *)"share", third.value = &half;
    fourth.key = (char *)"nothing", fourth.value = &none;
    metadata.fields = in_metadata, metadata.n_fields = 2;
    extra.fields = in_extra, extra.n_fields = 2;
    event.event_type = (char *)"insufficient_sample", event.severity = (char *)"warning", event.unit = (char *)"game-1";
    completion.record_count = 30, completion.records_failed = 2, completion.duration_seconds = 12.5;
    completion.skip_downstream_trigger = 1;
    completion.correlation_id = (char *)"abc-123", completion.parent_processor = (char *)"scraper";
    completion.coverage_events = events, completion.n_coverage_events = 1;
    completion.metadata = &metadata, completion.extra = &extra;
    completion.data_sources = sources, completion.n_data_sources = 2;
    attribute(&f, "content-type", "application/x-protobuf; charset=utf-8");
    const size_t len = pack(&f, &completion, &bytes);
    cr_assert_eq(decode(&f, bytes, len), FINE, "%s", f.err.text);
    cr_expect_str_eq(f.out.processor_name, "nbac_team_boxscore");
    cr_expect_str_eq(f.out.phase->name, "phase_2_raw");
    cr_expect_str_eq(f.out.execution_id, "def-456");
    cr_expect_str_eq(f.out.correlation_id, "abc-123");
    cr_expect_eq(f.out.status, SL_RUN_SUCCESS);
    cr_expect_eq(f.out.timestamp_us, INT64_C(1744790462123456));
    cr_expect_eq(f.out.record_count, 30);
    cr_expect_eq(f.out.records_failed, 2);
    cr_expect_float_eq(f.out.duration_s, 12.5, 0);
    cr_expect(f.out.skip && f.out.has_incremental && f.out.is_incremental);
    cr_expect_eq(f.out.n_entities_changed, 1);
    cr_expect_str_eq(f.out.entities_changed[0], "lebron-james");
    cr_expect_eq(f.out.n_events, 1);
    cr_expect_str_eq(f.out.events[0].unit, "game-1");
    cr_expect_str_eq(f.out.parent_processor, "scraper");
    cr_expect_str_eq(sl_arena_strndup(&f.arena, f.out.extra, f.out.extra_len),
                     "{\"metadata\":{\"is_incremental\":true,\"entities_changed\":[\"lebron-james\"]},"
                     "\"data_sources\":[\"primary\",\"a \\\"quoted\\\" one\"],\"share\":0.5,\"nothing\":null}");
    tear_down(&f);
}

/* Bytes after the smallest completion, and what they make of it. */
Test(completion_forms, what_protobuf_can_be_wrong_about)
{
    static const struct {
        const char *label, *more;
        size_t len;
        int expected;
        const char *text; /* a part of the sentence */
    } cases[] = {
        {"as it is", "", 0, FINE, NULL},
        {"cut off in a length", "\x0a", 1, SL_REJECT_NOT_JSON, "a number is cut off"},
        {"past the end",
         "\xaa\x01\x05"
         "ab",
         5, SL_REJECT_NOT_JSON, "runs past the end"},
        {"a group", "\xf3\x07", 2, SL_REJECT_NOT_JSON, "a group"},
        {"field number 0", "\x02\x00", 2, SL_REJECT_NOT_JSON, "no such field number"},
        {"an endless number", "\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 11, SL_REJECT_NOT_JSON, "longer than 64 bits"},
        {"a name twice", "\x0a\x01x", 3, SL_REJECT_DUPLICATE_KEY, "processor_name comes twice"},
        {"a name as a number", "\x22\x01x\x20\x01", 5, SL_REJECT_WRONG_TYPE, "correlation_id has wire type 0"},
        {"a count as a text", "\x42\x01x", 3, SL_REJECT_WRONG_TYPE, "record_count has wire type 2"},
        {"a count below 0", "\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, SL_REJECT_BAD_VALUE, "record_count is -1"},
        {"text that is not UTF-8", "\x22\x02\xc3\x28", 4, SL_REJECT_BAD_UTF8, "correlation_id is \""},
        {"text with a NUL",
         "\x22\x02"
         "a\0",
         4, SL_REJECT_NUL, "correlation_id is \"a"},
        {"an endless duration", "\x61\0\0\0\0\0\0\xf0\x7f", 9, SL_REJECT_BAD_VALUE, "duration_seconds is no finite number"},
        {"an empty event", "\x52\x00", 2, SL_REJECT_MISSING_FIELD, "coverage_events[0].event_type is missing"},
        {"an event cut off", "\x52\x01\x0a", 3, SL_REJECT_NOT_JSON, "coverage_events[0] is no protobuf message"},
        {"metadata of another message", "\x9a\x01\x02\x10\x01", 5, SL_REJECT_WRONG_TYPE, "metadata has a field 2"},
        {"a value of two kinds",
         "\x9a\x01\x0b\x0a\x09\x0a\x01"
         "a\x12\x04\x20\x01\x08\x00",
         14, SL_REJECT_DUPLICATE_KEY, "a value of two kinds"},
        {"metadata with a key twice",
         "\x9a\x01\x0e\x0a\x05\x0a\x01"
         "a\x12\x00\x0a\x05\x0a\x01"
         "a\x12\x00",
         17, SL_REJECT_DUPLICATE_KEY, "the key \"a\""},
        {"an entry of two values, the first of them no message",
         "\x9a\x01\x0a\x0a\x08\x0a\x01"
         "a\x12\x01\x0a\x12\x00",
         13, SL_REJECT_DUPLICATE_KEY, "an entry of two values"},
        {"an entry of two keys", "\x9a\x01\x06\x0a\x04\x0a\x00\x0a\x00", 9, SL_REJECT_DUPLICATE_KEY, "an entry of two keys"},
        {"an extra field that is known",
         "\xb2\x01\x14\x0a\x12\x0a\x0c"
         "execution_id\x12\x02\x20\x01",
         23, SL_REJECT_DUPLICATE_KEY, "execution_id"},
        {"an unknown field", "\xfa\x07\x02hi", 5, FINE, NULL},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        set_up(&f);
        attribute(&f, "content-type", "application/protobuf");
        Sluice__V1__Completion completion = smallest();
        cr_expect_eq(decode_packed_and(&f, &completion, cases[i].more, cases[i].len), cases[i].expected, "%s: %s", cases[i].label,
                     f.err.text);
        if (cases[i].text)
            cr_expect(strstr(f.err.text, cases[i].text), "%s: %s", cases[i].label, f.err.text);
        tear_down(&f);
    }
}

Test(completion_forms, a_time_of_two_seconds_is_refused)
{
    struct fixture f;
    set_up(&f);
    attribute(&f, "content-type", "application/protobuf");
    Sluice__V1__Completion completion = smallest();
    completion.timestamp = NULL;
    cr_expect_eq(decode_packed_and(&f, &completion, "\x3a\x04\x08\x01\x08\x02", 6), SL_REJECT_DUPLICATE_KEY);
    cr_expect(strstr(f.err.text, "timestamp.seconds comes twice"), "%s", f.err.text);
    tear_down(&f);
}

Test(completion_forms, unknown_protobuf_fields_are_kept)
{
    struct fixture f;
    set_up(&f);
    attribute(&f, "Content-Type", "application/protobuf");
    Sluice__V1__Completion completion = smallest();
    cr_assert_eq(decode_packed_and(&f, &completion, "\xfa\x07\x02hi", 5), FINE);
    cr_expect_str_eq(sl_arena_strndup(&f.arena, f.out.extra, f.out.extra_len), "{\"protobuf_unknown_fields\":\"+gcCaGk=\"}");
    tear_down(&f);
}

Test(completion_forms, the_rules_hold_for_protobuf_too)
{
    struct fixture f;
    set_up(&f);
    attribute(&f, "content-type", "application/protobuf");
    Sluice__V1__Completion completion = smallest();
    cr_expect_eq(decode_packed(&f, &completion), FINE);
    completion.status = SLUICE__V1__STATUS__STATUS_UNSPECIFIED;
    cr_expect_eq(decode_packed(&f, &completion), SL_REJECT_MISSING_FIELD, "%s", f.err.text);
    completion.status = (Sluice__V1__Status)9;
    cr_expect_eq(decode_packed(&f, &completion), SL_REJECT_BAD_VALUE);
    cr_expect(strstr(f.err.text, "status is 9; expected 1 (success)"), "%s", f.err.text);
    completion = smallest();
    completion.date = (char *)"2025-02-30";
    cr_expect_eq(decode_packed(&f, &completion), SL_REJECT_BAD_VALUE);
    cr_expect(strstr(f.err.text, "date is \"2025-02-30\""), "%s", f.err.text);
    completion = smallest();
    completion.phase = (char *)"phase_9";
    cr_expect_eq(decode_packed(&f, &completion), SL_REJECT_UNKNOWN_PHASE);
    completion = smallest();
    TIME.seconds = INT64_C(253402300800);
    cr_expect_eq(decode_packed(&f, &completion), SL_REJECT_BAD_VALUE);
    TIME.seconds = 1844790462;
    cr_expect_eq(decode_packed(&f, &completion), SL_REJECT_FUTURE_TIMESTAMP);
    tear_down(&f);
}

/* `field` as bytes: what the buffer held is put inside. */
static void wrap(struct sl_buf *buf, int field)
{
    struct sl_buf inside = *buf;
    *buf = (struct sl_buf){0};
    sl_buf_char(buf, (char)(field << 3 | 2));
    if (inside.len >= 128)
        sl_buf_char(buf, (char)(inside.len | 128));
    sl_buf_char(buf, (char)(inside.len >= 128 ? inside.len >> 7 : inside.len));
    sl_buf_add(buf, inside.data, inside.len);
    sl_buf_fini(&inside);
}

/* {"metadata": {"": [[...]]}}: lists inside lists, as deep as JSON may be and one deeper. */
Test(completion_forms, depth_has_a_limit)
{
    for (int lists = 30; lists <= 31; lists++) {
        struct fixture f;
        struct sl_buf body = {0}, value = {0};
        uint8_t *bytes;
        set_up(&f);
        attribute(&f, "content-type", "application/protobuf");
        Sluice__V1__Completion completion = smallest();
        const size_t len = pack(&f, &completion, &bytes);
        sl_buf_add(&body, bytes, len);
        for (int i = 0; i < lists; i++) {
            if (i > 0)
                wrap(&value, 1); /* ListValue.values */
            wrap(&value, 6);     /* Value.list_value */
        }
        wrap(&value, 2); /* FieldsEntry.value */
        wrap(&value, 1); /* Struct.fields */
        sl_buf_char(&body, (char)0x9a);
        wrap(&value, 0);
        value.data[0] = 1; /* with the byte before it the key of Completion.metadata */
        sl_buf_add(&body, value.data, value.len);
        cr_expect_eq(decode(&f, body.data, body.len), lists == 30 ? FINE : SL_REJECT_TOO_DEEP, "%d: %s", lists, f.err.text);
        sl_buf_fini(&value);
        sl_buf_fini(&body);
        tear_down(&f);
    }
}

/* ---- CloudEvents ---- */

#define BODY                                                                                                                               \
    "{\"processor_name\":\"nbac_team_boxscore\",\"phase\":\"phase_2_raw\",\"execution_id\":\"def-456\",\"game_date\":\"2025-04-15\","      \
    "\"status\":\"success\",\"timestamp\":\"2025-04-16T08:01:02Z\"}"
#define CONTEXT "\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/jobs/box\",\"type\":\"run.ended\""

Test(completion_forms, an_event_in_binary_mode)
{
    struct fixture f;
    set_up(&f);
    attribute(&f, "ce-specversion", "1.0");
    attribute(&f, "ce-id", "e-1");
    attribute(&f, "ce-source", "/jobs/\"box\"");
    attribute(&f, "ce-type", "run.ended");
    attribute(&f, "ce-traceparent", "00-c");
    attribute(&f, "content-type", "application/json");
    cr_assert_eq(decode_text(&f, BODY), FINE, "%s", f.err.text);
    cr_expect_str_eq(f.out.execution_id, "def-456");
    cr_expect_str_eq(f.out.traceparent, "00-c");
    cr_expect_str_eq(sl_arena_strndup(&f.arena, f.out.extra, f.out.extra_len),
                     "{\"cloudevent\":{\"specversion\":\"1.0\",\"id\":\"e-1\",\"source\":\"/jobs/"
                     "\\\"box\\\"\",\"type\":\"run.ended\",\"traceparent\":\"00-c\"}}");
    f.attributes[0].value = "0.3";
    cr_expect_eq(decode_text(&f, BODY), SL_REJECT_BAD_VALUE);
    f.attributes[0].value = "1.0";
    f.attributes[3].value = "";
    cr_expect_eq(decode_text(&f, BODY), SL_REJECT_MISSING_FIELD);
    cr_expect_str_eq(f.err.text, "the attribute ce-type is missing; expected it beside ce-specversion");
    tear_down(&f);
}

Test(completion_forms, an_event_in_binary_mode_with_protobuf_in_it)
{
    struct fixture f;
    set_up(&f);
    attribute(&f, "ce-specversion", "1.0");
    attribute(&f, "ce-id", "e-1");
    attribute(&f, "ce-source", "s");
    attribute(&f, "ce-type", "t");
    attribute(&f, "content-type", "application/protobuf");
    attribute(&f, "traceparent", "00-a");
    Sluice__V1__Completion completion = smallest();
    cr_assert_eq(decode_packed(&f, &completion), FINE, "%s", f.err.text);
    cr_expect_str_eq(f.out.traceparent, "00-a");
    cr_expect_str_eq(f.out.correlation_id, "nba/2025-04-15");
    tear_down(&f);
}

Test(completion_forms, an_event_in_structured_mode)
{
    static const struct {
        const char *label, *body;
        int expected;
        const char *text;
    } cases[] = {
        {"an object", "{" CONTEXT ",\"data\":" BODY "}", FINE, NULL},
        {"data first, and more",
         "{\"data\":" BODY "," CONTEXT ",\"time\":\"2025-04-16T08:01:03Z\",\"datacontenttype\":\"application/json\"}", FINE, NULL},
        {"nulls", "{" CONTEXT ",\"data\":" BODY ",\"data_base64\":null,\"datacontenttype\":null}", FINE, NULL},
        {"no JSON", "{" CONTEXT ",\"data\":" BODY, SL_REJECT_NOT_JSON, "the body is not JSON"},
        {"a list", "[1]", SL_REJECT_NOT_OBJECT, "the body is a list; expected a CloudEvent"},
        {"a key twice", "{" CONTEXT ",\"id\":\"e-2\",\"data\":" BODY "}", SL_REJECT_DUPLICATE_KEY, "id"},
        {"a bare completion", BODY, SL_REJECT_MISSING_FIELD, "specversion is missing"},
        {"another version", "{\"specversion\":\"0.3\",\"id\":\"e\",\"source\":\"s\",\"type\":\"t\",\"data\":" BODY "}", SL_REJECT_BAD_VALUE,
         "specversion is \"0.3\""},
        {"no source", "{\"specversion\":\"1.0\",\"id\":\"e\",\"type\":\"t\",\"data\":" BODY "}", SL_REJECT_MISSING_FIELD,
         "source is missing"},
        {"an empty id", "{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s\",\"type\":\"t\",\"data\":" BODY "}", SL_REJECT_BAD_VALUE,
         "id is \"\""},
        {"a number as type", "{\"specversion\":\"1.0\",\"id\":\"e\",\"source\":\"s\",\"type\":7,\"data\":" BODY "}", SL_REJECT_WRONG_TYPE,
         "type is 7"},
        {"no data", "{" CONTEXT "}", SL_REJECT_MISSING_FIELD, "data is missing"},
        {"both", "{" CONTEXT ",\"data\":{},\"data_base64\":\"e30=\"}", SL_REJECT_BAD_VALUE, "both there"},
        {"text as data", "{" CONTEXT ",\"data\":\"text\"}", SL_REJECT_NOT_OBJECT, "data is a string"},
        {"bad base64", "{" CONTEXT ",\"data_base64\":\"e3=0\"}", SL_REJECT_BAD_VALUE, "data_base64 is"},
        {"an empty object in base64", "{" CONTEXT ",\"data_base64\":\"e30=\"}", SL_REJECT_MISSING_FIELD, "processor_name"},
        {"protobuf as data", "{" CONTEXT ",\"datacontenttype\":\"application/protobuf\",\"data\":\"x\"}", SL_REJECT_WRONG_TYPE,
         "data_base64"},
        {"an event in it", "{" CONTEXT ",\"datacontenttype\":\"application/cloudevents+json\",\"data\":{}}", SL_REJECT_BAD_VALUE,
         "no event inside"},
        {"broken data", "{" CONTEXT ",\"data\":{\"phase\":\"phase_2_raw\"}}", SL_REJECT_MISSING_FIELD, "processor_name"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        set_up(&f);
        attribute(&f, "content-type", "application/cloudevents+json; charset=UTF-8");
        cr_expect_eq(decode_text(&f, cases[i].body), cases[i].expected, "%s: %s", cases[i].label, f.err.text);
        if (cases[i].text)
            cr_expect(strstr(f.err.text, cases[i].text), "%s: %s", cases[i].label, f.err.text);
        tear_down(&f);
    }
}

Test(completion_forms, what_is_around_the_data_is_kept)
{
    struct fixture f;
    set_up(&f);
    attribute(&f, "content-type", "application/cloudevents+json");
    cr_assert_eq(decode_text(&f, "{" CONTEXT ", \"data\":" BODY ", \"traceparent\": \"00-d\"}"), FINE, "%s", f.err.text);
    cr_expect_str_eq(sl_arena_strndup(&f.arena, f.out.extra, f.out.extra_len), "{\"cloudevent\":{" CONTEXT ",\"traceparent\": \"00-d\"}}");
    cr_expect_str_eq(f.out.traceparent, "00-d");
    cr_expect_eq(f.out.body, f.message.data);
    tear_down(&f);
}

Test(completion_forms, protobuf_in_an_event_in_structured_mode)
{
    struct fixture f;
    struct sl_buf body = {0};
    uint8_t *bytes;
    set_up(&f);
    attribute(&f, "content-type", "application/cloudevents+json");
    Sluice__V1__Completion completion = smallest();
    const size_t len = pack(&f, &completion, &bytes);
    sl_buf_printf(&body, "{" CONTEXT ",\"datacontenttype\":\"application/protobuf\",\"data_base64\":\"%s\"}",
                  sl_base64_encode(bytes, len, &f.bytes));
    cr_assert_eq(decode(&f, body.data, body.len), FINE, "%s", f.err.text);
    cr_expect_str_eq(f.out.execution_id, "def-456");
    sl_buf_fini(&body);
    tear_down(&f);
}

Test(completion_forms, content_types)
{
    static const struct {
        const char *type;
        int expected;
    } cases[] = {
        {"application/json", FINE},
        {"text/plain", FINE},
        {"", FINE},
        {" Application/Protobuf ", SL_REJECT_NOT_JSON},
        {"APPLICATION/CLOUDEVENTS+JSON", SL_REJECT_MISSING_FIELD},
        {"application/cloudevents-batch+json", SL_REJECT_BAD_VALUE},
        {"application/cloudevents+protobuf", SL_REJECT_BAD_VALUE},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        set_up(&f);
        attribute(&f, "content-type", cases[i].type);
        cr_expect_eq(decode_text(&f, BODY), cases[i].expected, "%s: %s", cases[i].type, f.err.text);
        tear_down(&f);
    }
}

Test(completion_forms, a_traceparent_that_can_be_none_is_ignored)
{
    char *long_one = calloc(1, 300);
    memset(long_one, 'a', 299);
    const char *cases[] = {"", "a b", "a\n", "\xc3\xa4", long_one};
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        set_up(&f);
        attribute(&f, "traceparent", cases[i]);
        cr_assert_eq(decode_text(&f, BODY), FINE);
        cr_expect_null(f.out.traceparent, "case %zu", i);
        tear_down(&f);
    }
    free(long_one);
}

/* ---- base64 ---- */

Test(completion_forms, base64_and_back)
{
    static const struct {
        const char *text, *bytes; /* bytes NULL: no base64 */
    } cases[] = {{"", ""},        {"Zg==", "f"},  {"Zg", "f"},   {"Zm8=", "fo"},  {"Zm9v", "foo"}, {"+/+/", "\xfb\xff\xbf"},
                 {"Zg=", NULL},   {"Zh==", NULL}, {"Z", NULL},   {"Zm9v=", NULL}, {"Zm 9v", NULL}, {"=", NULL},
                 {"Zg===", NULL}, {"Z-==", NULL}, {"====", NULL}};
    struct sl_arena arena = {0};
    for (size_t i = 0; i < N(cases); i++) {
        char *bytes = NULL;
        size_t len = 0;
        const bool is = sl_base64_decode(cases[i].text, strlen(cases[i].text), &arena, &bytes, &len);
        cr_expect_eq(is, cases[i].bytes != NULL, "%s", cases[i].text);
        if (!is || !cases[i].bytes)
            continue;
        cr_expect_eq(len, strlen(cases[i].bytes), "%s", cases[i].text);
        cr_expect_str_eq(bytes, cases[i].bytes);
        if (strlen(cases[i].text) % 4 == 0)
            cr_expect_str_eq(sl_base64_encode(bytes, len, &arena), cases[i].text);
    }
    sl_arena_fini(&arena);
}
