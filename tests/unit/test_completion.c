/* test_completion.c - the completion codec: every rule of contract/messages.md kept and broken. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/completion.h>
#include <sluice/str.h>

#include "support/completion_config.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define FINE     (-1)

static const int64_t NOW = INT64_C(1744790500000000); /* 2025-04-16T08:01:40Z */

/* One decoding and all it needs. */
struct fixture {
    struct sl_zone *utc;
    struct sl_config config;
    struct sl_arena arena;
    struct sl_message message;
    struct sl_completion out;
    enum sl_reject reject;
    struct sl_err err;
    struct sl_buf body;
};

static void set_up_zone(struct fixture *f, const char *zone)
{
    *f = (struct fixture){0};
    cr_assert_eq(sl_zone_load(&f->utc, zone, &f->err), SL_OK, "%s", f->err.text);
    f->config = completion_config(f->utc);
}

static void set_up(struct fixture *f)
{
    set_up_zone(f, "UTC");
}

static void tear_down(struct fixture *f)
{
    sl_arena_fini(&f->arena);
    sl_buf_fini(&f->body);
    sl_zone_destroy(&f->utc);
}

/* The reject code, or FINE. */
static int decode(struct fixture *f, const struct sl_phase *expected, const char *data, size_t len)
{
    f->message.data = data;
    f->message.len = len;
    f->err = (struct sl_err){0};
    sl_arena_reset(&f->arena);
    enum sl_code code = sl_completion_decode(&f->out, &f->message, expected, &f->config, NOW, &f->arena, &f->reject, &f->err);
    cr_assert(code == SL_OK || (code == SL_INVALID && f->err.code == SL_INVALID && f->err.text[0] != '\0'));
    return code == SL_OK ? FINE : (int)f->reject;
}

static int decode_text(struct fixture *f, const char *text)
{
    return decode(f, NULL, text, strlen(text));
}

static const struct {
    const char *key, *value;
} BASE[] = {
    {"processor_name", "\"nbac_team_boxscore\""},
    {"phase", "\"phase_2_raw\""},
    {"execution_id", "\"def-456\""},
    {"game_date", "\"2025-04-15\""},
    {"status", "\"success\""},
    {"timestamp", "\"2025-04-16T08:01:02Z\""},
};

/* The smallest completion, with `key` as `value` (NULL: without it). */
static int decode_with(struct fixture *f, const char *key, const char *value)
{
    const char *separator = "{";
    bool seen = false;
    sl_buf_clear(&f->body);
    for (size_t i = 0; i < N(BASE); i++) {
        bool is_key = strcmp(BASE[i].key, key) == 0;
        seen |= is_key;
        if (is_key && !value)
            continue;
        sl_buf_printf(&f->body, "%s\"%s\": %s", separator, BASE[i].key, is_key ? value : BASE[i].value);
        separator = ", ";
    }
    if (!seen && value)
        sl_buf_printf(&f->body, ", \"%s\": %s", key, value);
    sl_buf_char(&f->body, '}');
    return decode(f, NULL, f->body.data, f->body.len);
}

static const char EXAMPLE[] =
    "{\"processor_name\": \"NbacTeamBoxscoreProcessor\", \"phase\": \"phase_2_raw\", \"execution_id\": \"def-456\",\n"
    " \"correlation_id\": \"abc-123\", \"game_date\": \"2025-04-15\", \"output_table\": \"nbac_team_boxscore\",\n"
    " \"output_dataset\": \"nba_raw\", \"status\": \"success\", \"record_count\": 30, \"records_failed\": 0,\n"
    " \"timestamp\": \"2025-04-16T08:01:02.123456+00:00\", \"duration_seconds\": 12.5, \"parent_processor\": \"nbac_scraper\",\n"
    " \"trigger_source\": \"pubsub\", \"trigger_message_id\": \"1234567890\", \"metadata\": {\"is_incremental\": true,\n"
    " \"entities_changed\": [\"lebron-james\"]}, \"skip_downstream_trigger\": false}";

Test(completion, the_example_of_the_contract)
{
    struct fixture f;
    char date[SL_DATE_LEN + 1];
    set_up(&f);
    cr_assert_eq(decode(&f, &f.config.phases[0], EXAMPLE, strlen(EXAMPLE)), FINE, "%s", f.err.text);
    cr_assert_str_eq(f.out.processor_name, "nbac_team_boxscore", "the config's name, not the alias");
    cr_assert_eq(f.out.processor, &f.config.phases[0].processors[0]);
    cr_assert_eq(f.out.phase, &f.config.phases[0]);
    cr_assert_str_eq(f.out.execution_id, "def-456");
    cr_assert_str_eq(f.out.correlation_id, "abc-123");
    cr_assert_str_eq(sl_date_format(f.out.date, date), "2025-04-15");
    cr_assert_eq(f.out.status, SL_RUN_SUCCESS);
    cr_assert_eq(f.out.timestamp_us, INT64_C(1744790462123456));
    cr_assert(f.out.record_count == 30 && f.out.records_failed == 0 && f.out.duration_s == 12.5 && !f.out.skip);
    cr_assert_str_eq(f.out.parent_processor, "nbac_scraper");
    cr_assert_str_eq(f.out.trigger_source, "pubsub");
    cr_assert_str_eq(f.out.trigger_message_id, "1234567890");
    cr_assert_str_eq(f.out.output_table, "nbac_team_boxscore");
    cr_assert_str_eq(f.out.output_dataset, "nba_raw");
    cr_assert(f.out.has_incremental && f.out.is_incremental && f.out.n_entities_changed == 1);
    cr_assert_str_eq(f.out.entities_changed[0], "lebron-james");
    cr_assert_str_eq(f.out.extra, "{\"metadata\": {\"is_incremental\": true,\n \"entities_changed\": [\"lebron-james\"]}}");
    cr_assert_eq(f.out.extra_len, strlen(f.out.extra));
    cr_assert(f.out.body == f.message.data && f.out.body_len == f.message.len);
    tear_down(&f);
}

Test(completion, the_smallest_one)
{
    struct fixture f;
    set_up(&f);
    cr_assert_eq(decode_with(&f, "status", "\"running\""), FINE, "%s", f.err.text);
    cr_assert_eq(f.out.status, SL_RUN_RUNNING);
    cr_assert_str_eq(f.out.correlation_id, "nba/2025-04-15");
    cr_assert(f.out.record_count == -1 && f.out.records_failed == -1 && isnan(f.out.duration_s) && !f.out.skip);
    cr_assert(!f.out.parent_processor && !f.out.output_table && !f.out.error_message && !f.out.traceparent && !f.out.events);
    cr_assert(!f.out.has_incremental && f.out.n_entities_changed == 0 && f.out.n_events == 0);
    cr_assert_str_eq(f.out.extra, "{}");
    cr_assert(f.out.extra_len == 2 && !f.out.extra_truncated);
    tear_down(&f);
}

static const char NAME_257[] = "\""
                               "0123456789012345678901234567890123456789012345678901234567890123"
                               "0123456789012345678901234567890123456789012345678901234567890123"
                               "0123456789012345678901234567890123456789012345678901234567890123"
                               "0123456789012345678901234567890123456789012345678901234567890123"
                               "x\"";

#define NAME_RULE   "a non-empty text of at most 256 bytes"
#define COUNT_RULE  "a whole number from 0 to 9223372036854775807"
#define DATE_RULE   "a real calendar day written YYYY-MM-DD"
#define STATUS_RULE "one of success, partial, no_data, failed, running"
#define TIME_RULE   "an RFC 3339 time such as 2025-04-16T08:01:02Z"
#define CUT_257     "\"012345678901234567890123456789012345678901234567890123456789012...\""
#define PHASES      "the name or an alias of a phase: phase_2_raw, phase_3_analytics"

/* A field, its value, what is said about it. */
static const struct {
    const char *key, *value;
    enum sl_reject reject;
    const char *sentence;
} BREACHES[] = {
    {"processor_name", NULL, SL_REJECT_MISSING_FIELD, "processor_name (or scraper_name, name) is missing; expected " NAME_RULE},
    {"processor_name", "null", SL_REJECT_MISSING_FIELD, "processor_name (or scraper_name, name) is null; expected " NAME_RULE},
    {"processor_name", "7", SL_REJECT_WRONG_TYPE, "processor_name is 7; expected " NAME_RULE},
    {"processor_name", "\"\"", SL_REJECT_BAD_VALUE, "processor_name is \"\"; expected " NAME_RULE},
    {"processor_name", NAME_257, SL_REJECT_BAD_VALUE, "processor_name is " CUT_257 "; expected " NAME_RULE},
    {"phase", NULL, SL_REJECT_MISSING_FIELD, "phase is missing; expected " NAME_RULE},
    {"phase", "[\"phase_2_raw\"]", SL_REJECT_WRONG_TYPE, "phase is [\"phase_2_raw\"]; expected " NAME_RULE},
    {"phase", "\"\"", SL_REJECT_BAD_VALUE, "phase is \"\"; expected " NAME_RULE},
    {"phase", "\"phase_9\"", SL_REJECT_UNKNOWN_PHASE, "phase is \"phase_9\"; expected " PHASES},
    {"phase", "\"Phase_2_raw\"", SL_REJECT_UNKNOWN_PHASE, "phase is \"Phase_2_raw\"; expected " PHASES},
    {"phase", "\"\\u001b[31m\"", SL_REJECT_UNKNOWN_PHASE, "phase is \"\\u001b[31m\"; expected " PHASES},
    {"execution_id", NULL, SL_REJECT_MISSING_FIELD, "execution_id is missing; expected " NAME_RULE},
    {"execution_id", "true", SL_REJECT_WRONG_TYPE, "execution_id is true; expected " NAME_RULE},
    {"execution_id", "\"\"", SL_REJECT_BAD_VALUE, "execution_id is \"\"; expected " NAME_RULE},
    {"execution_id", NAME_257, SL_REJECT_BAD_VALUE, "execution_id is " CUT_257 "; expected " NAME_RULE},
    {"correlation_id", "5", SL_REJECT_WRONG_TYPE, "correlation_id is 5; expected " NAME_RULE},
    {"correlation_id", NAME_257, SL_REJECT_BAD_VALUE, "correlation_id is " CUT_257 "; expected " NAME_RULE},
    {"game_date", NULL, SL_REJECT_MISSING_FIELD, "game_date (or data_date) is missing; expected " DATE_RULE},
    {"game_date", "20250415", SL_REJECT_WRONG_TYPE, "game_date is 20250415; expected " DATE_RULE},
    {"game_date", "\"2025-02-30\"", SL_REJECT_BAD_VALUE, "game_date is \"2025-02-30\"; expected " DATE_RULE},
    {"game_date", "\"0000-01-01\"", SL_REJECT_BAD_VALUE, "game_date is \"0000-01-01\"; expected " DATE_RULE},
    {"game_date", "\"2025-4-15\"", SL_REJECT_BAD_VALUE, "game_date is \"2025-4-15\"; expected " DATE_RULE},
    {"game_date", "\"2025-04-15T00:00:00Z\"", SL_REJECT_BAD_VALUE, "game_date is \"2025-04-15T00:00:00Z\"; expected " DATE_RULE},
    {"game_date", "\" 2025-04-15\"", SL_REJECT_BAD_VALUE, "game_date is \" 2025-04-15\"; expected " DATE_RULE},
    {"game_date", "\"2023-02-29\"", SL_REJECT_BAD_VALUE, "game_date is \"2023-02-29\"; expected " DATE_RULE},
    {"game_date", "\"\"", SL_REJECT_BAD_VALUE, "game_date is \"\"; expected " DATE_RULE},
    {"status", NULL, SL_REJECT_MISSING_FIELD, "status is missing; expected " STATUS_RULE},
    {"status", "{}", SL_REJECT_WRONG_TYPE, "status is {}; expected " STATUS_RULE},
    {"status", "\"Success\"", SL_REJECT_BAD_VALUE, "status is \"Success\"; expected " STATUS_RULE},
    {"status", "\"success \"", SL_REJECT_BAD_VALUE, "status is \"success \"; expected " STATUS_RULE},
    {"status", "\"\"", SL_REJECT_BAD_VALUE, "status is \"\"; expected " STATUS_RULE},
    {"timestamp", NULL, SL_REJECT_MISSING_FIELD, "timestamp is missing; expected " TIME_RULE},
    {"timestamp", "1744790462", SL_REJECT_WRONG_TYPE, "timestamp is 1744790462; expected " TIME_RULE},
    {"timestamp", "\"yesterday\"", SL_REJECT_BAD_VALUE, "timestamp is \"yesterday\"; expected " TIME_RULE},
    {"timestamp", "\"2025-04-31T00:00:00Z\"", SL_REJECT_BAD_VALUE, "timestamp is \"2025-04-31T00:00:00Z\"; expected " TIME_RULE},
    {"timestamp", "\"2025-04-17T08:01:40.000001Z\"", SL_REJECT_FUTURE_TIMESTAMP,
     "timestamp is \"2025-04-17T08:01:40.000001Z\"; expected at most 24 hours after 2025-04-16T08:01:40Z"},
    {"record_count", "-1", SL_REJECT_BAD_VALUE, "record_count is -1; expected " COUNT_RULE},
    {"record_count", "1.5", SL_REJECT_WRONG_TYPE, "record_count is 1.5; expected " COUNT_RULE},
    {"record_count", "\"30\"", SL_REJECT_WRONG_TYPE, "record_count is \"30\"; expected " COUNT_RULE},
    {"record_count", "100000000000000000000", SL_REJECT_BAD_VALUE, "record_count is 100000000000000000000; expected " COUNT_RULE},
    {"record_count", "9223372036854775808", SL_REJECT_BAD_VALUE, "record_count is 9223372036854775808; expected " COUNT_RULE},
    {"record_count", "30.0", SL_REJECT_WRONG_TYPE, "record_count is 30.0; expected " COUNT_RULE},
    {"record_count", "3e1", SL_REJECT_WRONG_TYPE, "record_count is 3e1; expected " COUNT_RULE},
    {"record_count", "true", SL_REJECT_WRONG_TYPE, "record_count is true; expected " COUNT_RULE},
    {"record_count", "[]", SL_REJECT_WRONG_TYPE, "record_count is []; expected " COUNT_RULE},
    {"records_failed", "-1", SL_REJECT_BAD_VALUE, "records_failed is -1; expected " COUNT_RULE},
    {"records_failed", "0.0", SL_REJECT_WRONG_TYPE, "records_failed is 0.0; expected " COUNT_RULE},
    {"coverage_events", "{}", SL_REJECT_WRONG_TYPE, "coverage_events is {}; expected a list of coverage events"},
    {"coverage_events", "[{\"event_type\":\"x\"},3]", SL_REJECT_WRONG_TYPE, "coverage_events[1] is 3; expected an object"},
    {"coverage_events", "[null]", SL_REJECT_WRONG_TYPE, "coverage_events[0] is null; expected an object"},
    {"coverage_events", "[{}]", SL_REJECT_MISSING_FIELD, "coverage_events[0].event_type is missing; expected the type of a coverage event"},
    {"coverage_events", "[{\"event_type\":null}]", SL_REJECT_MISSING_FIELD,
     "coverage_events[0].event_type is missing; expected the type of a coverage event"},
    {"coverage_events", "[{\"event_type\":1}]", SL_REJECT_WRONG_TYPE, "coverage_events[0].event_type is 1; expected a text"},
    {"coverage_events", "[{\"event_type\":\"\"}]", SL_REJECT_BAD_VALUE,
     "coverage_events[0].event_type is \"\"; expected the type of a coverage event"},
    {"coverage_events", "[{\"event_type\":\"x\",\"severity\":2}]", SL_REJECT_WRONG_TYPE,
     "coverage_events[0].severity is 2; expected a text"},
    {"coverage_events", "[{\"event_type\":\"x\",\"game_id\":22400061}]", SL_REJECT_WRONG_TYPE,
     "coverage_events[0].game_id is 22400061; expected a text"},
    {"coverage_events", "[{\"event_type\":\"x\",\"description\":[]}]", SL_REJECT_WRONG_TYPE,
     "coverage_events[0].description is []; expected a text"},
    {"skip_downstream_trigger", "\"true\"", SL_REJECT_WRONG_TYPE, "skip_downstream_trigger is \"true\"; expected true or false"},
    {"skip_downstream", "1", SL_REJECT_WRONG_TYPE, "skip_downstream is 1; expected true or false"},
    {"metadata", "\"x\"", SL_REJECT_WRONG_TYPE, "metadata is \"x\"; expected an object"},
    {"metadata", "[]", SL_REJECT_WRONG_TYPE, "metadata is []; expected an object"},
    {"duration_seconds", "\"12\"", SL_REJECT_WRONG_TYPE, "duration_seconds is \"12\"; expected a number of seconds"},
    {"duration_seconds", "1e400", SL_REJECT_BAD_VALUE, "duration_seconds is 1e400; expected a finite number of seconds"},
};

Test(completion, every_breach_of_a_field_rule)
{
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < N(BREACHES); i++) {
        int verdict = decode_with(&f, BREACHES[i].key, BREACHES[i].value);
        cr_assert_eq(verdict, (int)BREACHES[i].reject, "%s: %s", BREACHES[i].sentence, f.err.text);
        cr_assert_str_eq(f.err.text, BREACHES[i].sentence);
    }
    tear_down(&f);
}

Test(completion, every_breach_of_the_body)
{
    static const struct {
        const char *body;
        enum sl_reject reject;
        const char *sentence;
    } cases[] = {
        {"", SL_REJECT_NOT_JSON, "the body is empty; expected a JSON object"},
        {"not json", SL_REJECT_NOT_JSON, "the body is not JSON: 'n' at offset 0; expected a JSON value"},
        {"\xef\xbb\xbf{}", SL_REJECT_NOT_JSON, "the body is not JSON: it begins with a byte order mark; expected none"},
        {"{} {}", SL_REJECT_NOT_JSON, "the body is not JSON: '{' at offset 3; expected nothing after the JSON value"},
        {"[]", SL_REJECT_NOT_OBJECT, "the body is a list; expected a JSON object"},
        {"[1,2", SL_REJECT_NOT_JSON, "the body is not JSON: it ends after 4 bytes; expected a comma or the closing bracket of a list"},
        {"null", SL_REJECT_NOT_OBJECT, "the body is null; expected a JSON object"},
        {"\"text\"", SL_REJECT_NOT_OBJECT, "the body is a string; expected a JSON object"},
        {"12", SL_REJECT_NOT_OBJECT, "the body is a number; expected a JSON object"},
        {"{\"status\":1,\"\\u0073tatus\":2}", SL_REJECT_DUPLICATE_KEY,
         "the key \"status\" at offset 12 is in its object twice; expected each key once"},
        {"{\"metadata\":{\"a\":1,\"a\":1}}", SL_REJECT_DUPLICATE_KEY,
         "the key \"a\" at offset 19 is in its object twice; expected each key once"},
        {"{\"x\":\"\xc3(\"}", SL_REJECT_BAD_UTF8, "byte 0xc3 at offset 6 is not UTF-8; expected valid UTF-8"},
        {"{\"x\":\"\\ud83c\"}", SL_REJECT_BAD_UTF8, "the escape at offset 6 is half of a surrogate pair; expected both halves"},
        {"{\"x\":\"a\\u0000b\"}", SL_REJECT_NUL, "the string has \\u0000 at offset 7; expected no NUL in a string"},
        {"{\"phase\":\"a\\u0000b\"}", SL_REJECT_NUL, "the string has \\u0000 at offset 11; expected no NUL in a string"},
        {"{}", SL_REJECT_MISSING_FIELD, "processor_name (or scraper_name, name) is missing; expected " NAME_RULE},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < N(cases); i++) {
        cr_assert_eq(decode_text(&f, cases[i].body), (int)cases[i].reject, "%s: %s", cases[i].body, f.err.text);
        cr_assert_str_eq(f.err.text, cases[i].sentence);
    }
    cr_assert_eq(decode(&f, NULL, NULL, 0), SL_REJECT_NOT_JSON, "an empty body may have no address");
    tear_down(&f);
}

/* Rules are asked in the order of the table. */
Test(completion, the_first_broken_rule_is_told)
{
    struct fixture f;
    set_up(&f);
    cr_assert_eq(decode_text(&f, "{\"record_count\":-1,\"timestamp\":5,\"status\":\"x\",\"game_date\":1,\"execution_id\":\"\",\"phase\":\"?"
                                 "\",\"processor_name\":\"p\"}"),
                 SL_REJECT_UNKNOWN_PHASE);
    cr_assert_eq(decode_text(&f, "{\"record_count\":-1,\"timestamp\":5,\"status\":\"x\",\"game_date\":1,\"execution_id\":\"\",\"phase\":"
                                 "\"phase_2\",\"name\":\"p\"}"),
                 SL_REJECT_BAD_VALUE);
    cr_assert(strstr(f.err.text, "execution_id is"), "%s", f.err.text);
    tear_down(&f);
}

Test(completion, accepted_values)
{
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"game_date", "\"2024-02-29\""},
        {"game_date", "\"0001-01-01\""},
        {"game_date", "\"9999-12-31\""},
        {"game_date", "\"2025\\u002d04-15\""},
        {"status", "\"partial\""},
        {"status", "\"no_data\""},
        {"status", "\"failed\""},
        {"status", "\"\\u0073uccess\""},
        {"phase", "\"phase_2\""},
        {"timestamp", "\"2025-04-17T08:01:40Z\""},
        {"timestamp", "\"2025-04-16 08:01:02.5\""},
        {"timestamp", "\"1970-01-01T00:00:00-23:59\""},
        {"record_count", "0"},
        {"record_count", "-0"},
        {"record_count", "9223372036854775807"},
        {"record_count", "null"},
        {"coverage_events", "[]"},
        {"coverage_events", "null"},
        {"metadata", "{}"},
        {"metadata", "null"},
        {"duration_seconds", "1e3"},
        {"duration_seconds", "null"},
        {"correlation_id", "null"},
        {"correlation_id", "\"\""},
        {"skip_downstream", "null"},
        {"a", "18446744073709551615"},
        {"b", "1e400"},
        {"c", "1.50"},
        {"quality", "{\"tier\":\"silver\"}"},
        {"output_table", "5"},
        {"trigger_message_id", "12345"},
        {"", "1"},
        {"\\ud83c\\udfc0", "\"\\ud83c\\udfc0\""},
        {"processor_name", "\"nobody_knows_it\""},
        {"processor_name", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\xc3\xa9\""},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(decode_with(&f, cases[i].key, cases[i].value), FINE, "%s %s: %s", cases[i].key, cases[i].value, f.err.text);
    cr_assert_null(f.out.processor);
    cr_assert_str_eq(f.out.processor_name, "\"\\/\b\f\n\r\t\xc3\xa9", "unknown: as sent");
    tear_down(&f);
}

Test(completion, names_of_exactly_256_bytes)
{
    struct fixture f;
    char name[sizeof(NAME_257)];
    set_up(&f);
    memcpy(name, NAME_257, sizeof(name));
    strcpy(name + 257, "\"");
    cr_assert_eq(decode_with(&f, "execution_id", name), FINE, "%s", f.err.text);
    cr_assert_eq(strlen(f.out.execution_id), 256);
    tear_down(&f);
}

Test(completion, a_phase_of_another_subscription)
{
    struct fixture f;
    set_up(&f);
    cr_assert_eq(decode(&f, &f.config.phases[1], EXAMPLE, strlen(EXAMPLE)), SL_REJECT_WRONG_SUBSCRIPTION);
    cr_assert_str_eq(f.err.text, "phase is \"phase_2_raw\"; expected phase_3_analytics, whose subscription it came from");
    tear_down(&f);
}

Test(completion, timestamps_without_offset)
{
    static const struct {
        const char *zone, *value;
        int64_t us;
    } cases[] = {
        {"UTC", "\"2025-04-16T08:01:02\"", INT64_C(1744790462000000)},
        {"America/Los_Angeles", "\"2025-04-16T01:01:02\"", INT64_C(1744790462000000)},
        {"America/Los_Angeles", "\"2025-04-16T08:01:02Z\"", INT64_C(1744790462000000)},
        {"America/Los_Angeles", "\"2025-03-09T02:30:00\"", INT64_C(1741514400000000)}, /* is not: the first instant after it */
        {"America/Los_Angeles", "\"2024-11-03T01:30:00\"", INT64_C(1730622600000000)}, /* comes twice: the first */
        {"UTC", "\"1969-12-31T23:59:59\"", -1000000},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        set_up_zone(&f, cases[i].zone);
        cr_assert_eq(decode_with(&f, "timestamp", cases[i].value), FINE, "%s", f.err.text);
        cr_assert_eq(f.out.timestamp_us, cases[i].us, "%s in %s: %lld", cases[i].value, cases[i].zone, (long long)f.out.timestamp_us);
        tear_down(&f);
    }
}

#define REST "\"phase\":\"phase_2_raw\",\"execution_id\":\"e\",\"status\":\"success\",\"timestamp\":\"2025-04-16T08:01:02Z\""

Test(completion, mapped_field_names)
{
    static const struct {
        const char *body, *processor, *date, *extra;
    } cases[] = {
        {"{\"scraper_name\":\"a\",\"data_date\":\"2025-04-15\"," REST "}", "a", "2025-04-15", "{}"},
        {"{\"name\":\"c\",\"scraper_name\":\"b\",\"data_date\":\"2025-04-15\"," REST "}", "b", "2025-04-15", "{\"name\":\"c\"}"},
        {"{\"scraper_name\":\"b\",\"name\":\"c\",\"data_date\":\"2025-04-15\"," REST "}", "b", "2025-04-15", "{\"name\":\"c\"}"},
        {"{\"processor_name\":null,\"name\":\"c\",\"game_date\":null,\"data_date\":\"2025-04-15\"," REST "}", "c", "2025-04-15", "{}"},
        {"{\"data_date\":\"2025-04-14\",\"game_date\":\"2025-04-15\",\"name\":\"c\"," REST "}", "c", "2025-04-15",
         "{\"data_date\":\"2025-04-14\"}"},
        {"{\"date\":\"2025-04-13\",\"game_date\":\"2025-04-15\",\"name\":\"c\"," REST "}", "c", "2025-04-15", "{\"date\":\"2025-04-13\"}"},
    };
    struct fixture f;
    char date[SL_DATE_LEN + 1];
    set_up(&f);
    for (size_t i = 0; i < N(cases); i++) {
        cr_assert_eq(decode_text(&f, cases[i].body), FINE, "%s", f.err.text);
        cr_assert_str_eq(f.out.processor_name, cases[i].processor);
        cr_assert_str_eq(sl_date_format(f.out.date, date), cases[i].date);
        cr_assert_str_eq(f.out.extra, cases[i].extra);
    }
    cr_assert_eq(decode_text(&f, "{\"name\":\"c\",\"data_date\":\"2025-02-30\"," REST "}"), SL_REJECT_BAD_VALUE);
    cr_assert_str_eq(f.err.text, "data_date is \"2025-02-30\"; expected " DATE_RULE, "the name that was sent");
    cr_assert_eq(decode_with(&f, "error", "\"it broke\""), FINE);
    cr_assert_str_eq(f.out.error_message, "it broke");
    tear_down(&f);
}

Test(completion, skip)
{
    static const struct {
        const char *fields, *attribute;
        int expected;
        bool skip;
    } cases[] = {
        {"", NULL, FINE, false},
        {",\"skip_downstream_trigger\":true", NULL, FINE, true},
        {",\"skip_downstream\":true", NULL, FINE, true},
        {",\"skip_downstream_trigger\":false,\"skip_downstream\":true", "false", FINE, true},
        {",\"skip_downstream_trigger\":true,\"skip_downstream\":false", NULL, FINE, true},
        {",\"skip_downstream_trigger\":false", "true", FINE, true},
        {",\"skip_downstream_trigger\":true", "false", FINE, true},
        {"", "true", FINE, true},
        {"", "false", FINE, false},
        {"", "True", SL_REJECT_BAD_VALUE, false},
        {"", "", SL_REJECT_BAD_VALUE, false},
        {"", "1\n", SL_REJECT_BAD_VALUE, false},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < N(cases); i++) {
        const struct sl_attribute attributes[] = {{"other", "x"}, {"skip_downstream_trigger", cases[i].attribute}};
        f.message.attributes = attributes;
        f.message.n_attributes = cases[i].attribute ? 2 : 1;
        sl_buf_clear(&f.body);
        sl_buf_printf(&f.body, "{\"name\":\"p\",\"game_date\":\"2025-04-15\"," REST "%s}", cases[i].fields);
        cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), cases[i].expected, "case %zu: %s", i, f.err.text);
        cr_assert_eq(f.out.skip, cases[i].skip, "case %zu", i);
    }
    cr_assert_str_eq(f.err.text, "the attribute skip_downstream_trigger is \"1\\u000a\"; expected \"true\" or \"false\"");
    tear_down(&f);
}

Test(completion, traceparent)
{
    static const struct sl_attribute attributes[] = {{"traceparent", "00-a"}, {"googclient_traceparent", "00-b"}};
    struct fixture f;
    set_up(&f);
    f.message.attributes = attributes;
    f.message.n_attributes = 2;
    cr_assert_eq(decode_text(&f, EXAMPLE), FINE);
    cr_assert_str_eq(f.out.traceparent, "00-b");
    f.message.n_attributes = 1;
    cr_assert_eq(decode_text(&f, EXAMPLE), FINE);
    cr_assert_str_eq(f.out.traceparent, "00-a");
    tear_down(&f);
}

Test(completion, metadata_is_read_where_it_has_the_shape)
{
    static const struct {
        const char *value;
        bool has, is;
        size_t n;
    } cases[] = {
        {"{\"is_incremental\":false}", true, false, 0},
        {"{\"is_incremental\":\"true\"}", false, false, 0},
        {"{\"is_incremental\":null,\"entities_changed\":[\"a\",\"b\\u0063\"]}", false, false, 2},
        {"{\"is_incremental\":true,\"entities_changed\":[\"a\",1]}", true, true, 0},
        {"{\"entities_changed\":[1,\"a\"]}", false, false, 0},
        {"{\"entities_changed\":{\"a\":\"b\"}}", false, false, 0},
        {"{\"entities_changed\":[]}", false, false, 0},
        {"{\"x\":{\"is_incremental\":true,\"entities_changed\":[\"a\"]}}", false, false, 0},
    };
    struct fixture f;
    set_up(&f);
    for (size_t i = 0; i < N(cases); i++) {
        char extra[200];
        cr_assert_eq(decode_with(&f, "metadata", cases[i].value), FINE, "%s", f.err.text);
        cr_assert(f.out.has_incremental == cases[i].has && f.out.is_incremental == cases[i].is, "%s", cases[i].value);
        cr_assert_eq(f.out.n_entities_changed, cases[i].n, "%s", cases[i].value);
        if (cases[i].n == 2)
            cr_assert_str_eq(f.out.entities_changed[1], "bc");
        snprintf(extra, sizeof(extra), "{\"metadata\": %s}", cases[i].value);
        cr_assert_str_eq(f.out.extra, extra);
    }
    tear_down(&f);
}

Test(completion, coverage_events_are_read)
{
    static const char events[] = "[{\"event_type\":\"insufficient_sample\",\"severity\":\"warning\",\"game_id\":\"0052400101\",\"player_"
                                 "id\":\"lebron-james\",\"team_abbr\":\"LAL\","
                                 "\"table_name\":\"t\",\"primary_source\":\"s\",\"description\":\"d\\u00e9\",\"season\":2024},\n"
                                 " {\"event_type\":\"x\",\"unit\":\"u\",\"game_id\":\"g\",\"source\":null,\"severity\":null}]";
    struct fixture f;
    set_up(&f);
    cr_assert_eq(decode_with(&f, "coverage_events", events), FINE, "%s", f.err.text);
    cr_assert_eq(f.out.n_events, 2);
    const struct sl_sent_event *event = &f.out.events[0];
    cr_assert_str_eq(event->event_type, "insufficient_sample");
    cr_assert_str_eq(event->severity, "warning");
    cr_assert_str_eq(event->unit, "0052400101");
    cr_assert_str_eq(event->entity_player, "lebron-james");
    cr_assert_str_eq(event->entity_team, "LAL");
    cr_assert_str_eq(event->table, "t");
    cr_assert_str_eq(event->source, "s");
    cr_assert_str_eq(event->description, "d\xc3\xa9");
    cr_assert(strncmp(event->raw, "{\"event_type\":\"insuff", 20) == 0 && event->raw[event->raw_len - 1] == '}');
    event = &f.out.events[1];
    cr_assert_str_eq(event->unit, "u", "unit before game_id");
    cr_assert(!event->source && !event->severity && !event->description && !event->entity_player);
    cr_assert_str_eq(f.out.extra, "{}");
    tear_down(&f);
}

Test(completion, at_most_a_thousand_coverage_events)
{
    struct fixture f;
    struct sl_buf list = {0};
    set_up(&f);
    for (int i = 0; i < 1000; i++)
        sl_buf_printf(&list, "%s{\"event_type\":\"e%d\"}", i > 0 ? "," : "[", i);
    sl_buf_str(&list, "]");
    cr_assert_eq(decode_with(&f, "coverage_events", list.data), FINE, "%s", f.err.text);
    cr_assert_eq(f.out.n_events, 1000);
    cr_assert_str_eq(f.out.events[999].event_type, "e999");
    list.data[--list.len] = '\0';
    sl_buf_str(&list, ",{\"event_type\":\"one more\"}]");
    cr_assert_eq(decode_with(&f, "coverage_events", list.data), SL_REJECT_BAD_VALUE);
    cr_assert_str_eq(f.err.text, "coverage_events has 1001 elements; expected at most 1000");
    sl_buf_fini(&list);
    tear_down(&f);
}

Test(completion, unknown_fields_keep_their_bytes)
{
    static const char body[] = "{\"z\":18446744073709551615,\"name\":\"p\",\"\\u0061\" : 1e400,\"game_date\":\"2025-04-15\", "
                               "\"n\":null,\"metadata\":{\"m\": 1.50}," REST
                               ",\"q\":[ 1.50 , {\"x\":\"\\u00e9\"}],\"output_table\":5,\"quality\":{},\"data_sources\":[]}";
    struct fixture f;
    set_up(&f);
    cr_assert_eq(decode_text(&f, body), FINE, "%s", f.err.text);
    cr_assert_str_eq(
        f.out.extra,
        "{\"z\":18446744073709551615,\"\\u0061\" : 1e400,\"n\":null,\"metadata\":{\"m\": 1.50},\"q\":[ 1.50 , {\"x\":\"\\u00e9\"}],"
        "\"output_table\":5,\"quality\":{},\"data_sources\":[]}");
    cr_assert_eq(f.out.extra_len, strlen(f.out.extra));
    tear_down(&f);
}

/* {"x":"..."} of exactly `extra_len` bytes of extra. */
static void fill_unknown(struct fixture *f, size_t extra_len)
{
    sl_buf_clear(&f->body);
    sl_buf_str(&f->body, "{\"name\":\"p\",\"game_date\":\"2025-04-15\"," REST ",\"x\":\"");
    for (size_t i = 0; i < extra_len - strlen("{\"x\":\"\"}"); i++)
        sl_buf_char(&f->body, 'x');
    sl_buf_str(&f->body, "\"}");
}

Test(completion, extra_is_cut_beyond_64_kib)
{
    struct fixture f;
    set_up(&f);
    fill_unknown(&f, 65536);
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), FINE);
    cr_assert(!f.out.extra_truncated && f.out.extra_len == 65536 && strlen(f.out.extra) == 65536);
    fill_unknown(&f, 65537);
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), FINE);
    cr_assert(f.out.extra_truncated && f.out.extra_len == 2);
    cr_assert_str_eq(f.out.extra, "{}");
    tear_down(&f);
}

/* Required fields behind many unknown ones are found all the same. */
Test(completion, fields_behind_a_lot_of_unknown_ones)
{
    struct fixture f;
    set_up(&f);
    sl_buf_char(&f.body, '{');
    for (int i = 0; i < 20000; i++)
        sl_buf_printf(&f.body, "\"u%d\":%d,", i, i);
    sl_buf_str(&f.body, "\"name\":\"p\",\"game_date\":\"2025-04-15\",\"metadata\":{\"is_incremental\":true}," REST "}");
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), FINE, "%s", f.err.text);
    cr_assert(f.out.extra_truncated && f.out.is_incremental);
    tear_down(&f);
}

Test(completion, ten_million_bytes_and_one_more)
{
    struct fixture f;
    set_up(&f);
    sl_buf_str(&f.body, "{\"name\":\"p\",\"game_date\":\"2025-04-15\"," REST ",\"x\":\"");
    while (f.body.len < 10000000 - 2)
        sl_buf_char(&f.body, 'x');
    sl_buf_str(&f.body, "\"}");
    cr_assert_eq(f.body.len, 10000000);
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), FINE, "%s", f.err.text);
    sl_buf_char(&f.body, ' ');
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), SL_REJECT_TOO_LARGE);
    cr_assert_str_eq(f.err.text, "the body has 10000001 bytes; expected at most 10000000");
    f.body.data[3] = '\xff'; /* size comes before everything else */
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), SL_REJECT_TOO_LARGE);
    tear_down(&f);
}

Test(completion, thirty_two_levels_and_one_more)
{
    struct fixture f;
    char lists[100];
    set_up(&f);
    memset(lists, '[', 32), memset(lists + 32, ']', 32), lists[64] = '\0';
    cr_assert_eq(decode_with(&f, "x", lists), SL_REJECT_TOO_DEEP);
    cr_assert(strstr(f.err.text, "opens level 33; expected at most 32 levels"), "%s", f.err.text);
    memset(lists, '[', 31), memset(lists + 31, ']', 31), lists[62] = '\0';
    cr_assert_eq(decode_with(&f, "x", lists), FINE, "%s", f.err.text);
    tear_down(&f);
}

Test(completion, white_space_around)
{
    struct fixture f;
    set_up(&f);
    sl_buf_printf(&f.body, " \r\n\t%s\n ", EXAMPLE);
    cr_assert_eq(decode(&f, NULL, f.body.data, f.body.len), FINE);
    tear_down(&f);
}

/* ---- lines ---- */

struct line_case {
    const char *line, *data;
    size_t n_attributes;
    const char *key, *value;
};

static void check_line(const struct line_case *c)
{
    struct sl_arena arena = {0};
    struct sl_message message = {.message_id = "kept", .data = "old", .n_attributes = 9};
    sl_message_from_line(&message, c->line, strlen(c->line), &arena);
    cr_assert_eq(message.len, strlen(c->data), "%s: %.*s", c->line, (int)message.len, message.data);
    cr_assert_eq(memcmp(message.data, c->data, message.len), 0, "%s: %.*s", c->line, (int)message.len, message.data);
    cr_assert_eq(message.n_attributes, c->n_attributes, "%s", c->line);
    if (c->key) {
        cr_assert_str_eq(message.attributes[c->n_attributes - 1].key, c->key);
        cr_assert_str_eq(message.attributes[c->n_attributes - 1].value, c->value);
    }
    cr_assert_str_eq(message.message_id, "kept");
    sl_arena_fini(&arena);
}

Test(completion, lines_that_are_whole_messages)
{
    static const struct line_case cases[] = {
        {"{\"data\": {\"a\": 1}, \"attributes\": {\"k\": \"v\"}}", "{\"a\": 1}", 1, "k", "v"},
        {"{\"attributes\":{\"j\":\"\",\"k\":\"v\\n\\u00e9\"},\"data\":{}}", "{}", 2, "k", "v\n\xc3\xa9"},
        {"{\"data\":{\"a\":1}}", "{\"a\":1}", 0, NULL, NULL},
        {"  { \"data\" : { } , \"attributes\" : { } } \r\n", "{ }", 0, NULL, NULL},
        {"{\"data\":\"{\\\"a\\\":\\u0031}\\n\"}", "{\"a\":1}\n", 0, NULL, NULL},
        {"{\"data\":\"\"}", "", 0, NULL, NULL},
        {"{\"data\":{\"a\":tru, \"a\":1}}", "{\"a\":tru, \"a\":1}", 0, NULL, NULL},
        {"{\"data\":{\"a\":\"\xff\"}, \"attributes\":{}}", "{\"a\":\"\xff\"}", 0, NULL, NULL},
        {"{\"data\":{\"a\":\"}\\\"}\"}}", "{\"a\":\"}\\\"}\"}", 0, NULL, NULL},
    };
    for (size_t i = 0; i < N(cases); i++)
        check_line(&cases[i]);
}

Test(completion, lines_that_are_bodies)
{
    static const char *const cases[] = {
        "",
        "{}",
        "not json",
        "[1]",
        EXAMPLE,
        "{\"attributes\":{}}",
        "{\"data\":5}",
        "{\"data\":null}",
        "{\"data\":[1]}",
        "{\"data\":true,\"attributes\":{}}",
        "{\"data\":{},\"attributes\":{\"k\":1}}",
        "{\"data\":{},\"attributes\":[\"k\"]}",
        "{\"data\":{},\"attributes\":\"k\"}",
        "{\"data\":{},\"attributes\":null}",
        "{\"data\":{},\"message_id\":\"1\"}",
        "{\"data\":{},\"data\":{}}",
        "{\"data\":{},\"attributes\":{\"k\":\"1\",\"k\":\"2\"}}",
        "{\"data\":\"\\ud800\"}",
        "{\"data\":{},\"attributes\":{\"k\":\"\\u0000\"}}",
        "{\"data\":{}} x",
        "{\"data\":{}",
        "{\"data\":{},}",
        "{\"data\" {}}",
        "{\"data\":\"x}",
        "{\"d\\u0061ta\":{}}",
    };
    for (size_t i = 0; i < N(cases); i++)
        check_line(&(struct line_case){cases[i], cases[i], 0, NULL, NULL});
}

/* The wrapping is no level of the body. */
Test(completion, a_line_whose_body_is_32_levels_deep)
{
    struct fixture f;
    struct sl_buf line = {0};
    set_up(&f);
    sl_buf_str(&line, "{\"data\":{\"name\":\"p\",\"game_date\":\"2025-04-15\"," REST ",\"x\":");
    for (int i = 0; i < 62; i++)
        sl_buf_char(&line, i < 31 ? '[' : ']');
    sl_buf_str(&line, "}}");
    sl_message_from_line(&f.message, line.data, line.len, &f.arena);
    cr_assert_eq(sl_completion_decode(&f.out, &f.message, NULL, &f.config, NOW, &f.arena, &f.reject, &f.err), SL_OK, "%s", f.err.text);
    sl_buf_fini(&line);
    tear_down(&f);
}
