/* completion_rules.c - the table of contract/messages.md, one function a field.
 * A rule takes its value into the completion and marks it used, or leaves it to `extra`, or refuses with a sentence
 * that names field, value and rule. */
#include <stdio.h>
#include <string.h>

#include <sluice/str.h>

#include "completion_internal.h"

#define TEXT_MAX_BYTES        256
#define TRACEPARENT_MAX_BYTES 256 /* 55 in today's version */
#define FUTURE_MAX_US         SL_US_PER_DAY
#define NAME_RULE             "a non-empty text of at most 256 bytes"

static bool is_present(const struct sl_found *found)
{
    return found->rank < found->n_names;
}

/* The name that the sender used. */
static const char *name_of(const struct sl_found *found)
{
    return found->names[is_present(found) ? found->rank : 0];
}

static bool refuse_found(struct sl_decode *decode, enum sl_reject reject, const struct sl_found *found, const char *expected)
{
    return sl_refuse_value(decode, reject, name_of(found), &found->value, expected);
}

static bool refuse_missing(struct sl_decode *decode, const struct sl_found *found, const char *expected)
{
    char names[300] = "";
    size_t len = 0;
    for (size_t i = 1; i < found->n_names && len < sizeof(names); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i == 1 ? " (or " : ", ", found->names[i]);
    if (len > 0 && len < sizeof(names) - 1)
        strcat(names, ")");
    return sl_refuse(decode, SL_REJECT_MISSING_FIELD, "%s%s is %s; expected %s", found->names[0], names,
                     found->was_null ? "null" : "missing", expected);
}

/* ---- values ---- */

/* A string's text, in the body where it has no escapes. */
static const char *text_of(struct sl_decode *decode, const struct sl_json_value *value, size_t *len)
{
    if (value->escaped)
        return sl_json_text(value, decode->arena, len);
    *len = value->len - 2;
    return value->at + 1;
}

static bool check_name(struct sl_decode *decode, const struct sl_found *found)
{
    size_t len;
    if (found->value.kind != SL_JSON_STRING)
        return refuse_found(decode, SL_REJECT_WRONG_TYPE, found, NAME_RULE);
    text_of(decode, &found->value, &len);
    if (len == 0 || len > TEXT_MAX_BYTES)
        return refuse_found(decode, SL_REJECT_BAD_VALUE, found, NAME_RULE);
    return true;
}

static bool read_name(struct sl_decode *decode, struct sl_found *found, const char **out)
{
    size_t len;
    if (!is_present(found))
        return refuse_missing(decode, found, NAME_RULE);
    if (!check_name(decode, found))
        return false;
    *out = sl_json_text(&found->value, decode->arena, &len);
    found->used = true;
    return true;
}

/* A required string's text; `expected` for both refusals. */
static bool read_text(struct sl_decode *decode, struct sl_found *found, const char *expected, const char **text, size_t *len)
{
    if (!is_present(found))
        return refuse_missing(decode, found, expected);
    if (found->value.kind != SL_JSON_STRING)
        return refuse_found(decode, SL_REJECT_WRONG_TYPE, found, expected);
    *text = text_of(decode, &found->value, len);
    found->used = true;
    return true;
}

/* ---- the rules ---- */

static bool read_processor_name(struct sl_decode *decode, struct sl_found *found)
{
    return read_name(decode, found, &decode->out->processor_name);
}

static bool refuse_phase(struct sl_decode *decode, const struct sl_found *found)
{
    char names[400] = "the name or an alias of a phase: ";
    size_t len = strlen(names);
    for (size_t i = 0; i < decode->config->n_phases && len < sizeof(names); i++)
        len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%s", i > 0 ? ", " : "", decode->config->phases[i].name);
    return refuse_found(decode, SL_REJECT_UNKNOWN_PHASE, found, names);
}

static bool read_phase(struct sl_decode *decode, struct sl_found *found)
{
    struct sl_completion *out = decode->out;
    char expected[400];
    const char *name;
    if (!read_name(decode, found, &name))
        return false;
    out->phase = sl_config_phase_n(decode->config, name, strlen(name));
    if (!out->phase)
        return refuse_phase(decode, found);
    if (decode->expected && out->phase != decode->expected) {
        snprintf(expected, sizeof(expected), "%s, whose subscription it came from", decode->expected->name);
        return refuse_found(decode, SL_REJECT_WRONG_SUBSCRIPTION, found, expected);
    }
    out->processor = sl_phase_processor(out->phase, out->processor_name);
    if (out->processor)
        out->processor_name = out->processor->name;
    return true;
}

static bool read_execution_id(struct sl_decode *decode, struct sl_found *found)
{
    return read_name(decode, found, &decode->out->execution_id);
}

/* Absent or empty: made from pipeline and date once the date is known. */
static bool read_correlation_id(struct sl_decode *decode, struct sl_found *found)
{
    found->used = is_present(found) && found->value.kind == SL_JSON_STRING && found->value.len == 2;
    if (!is_present(found) || found->used)
        return true;
    return read_name(decode, found, &decode->out->correlation_id);
}

static bool read_date(struct sl_decode *decode, struct sl_found *found)
{
    static const char RULE[] = "a real calendar day written YYYY-MM-DD";
    struct sl_completion *out = decode->out;
    char day[SL_DATE_LEN + 1];
    const char *text = NULL;
    size_t len = 0;
    if (!read_text(decode, found, RULE, &text, &len))
        return false;
    if (!sl_date_parse(text, len, &out->date))
        return refuse_found(decode, SL_REJECT_BAD_VALUE, found, RULE);
    if (!out->correlation_id)
        out->correlation_id = sl_arena_printf(decode->arena, "%s/%s", decode->config->pipeline, sl_date_format(out->date, day));
    return true;
}

static bool read_status(struct sl_decode *decode, struct sl_found *found)
{
    static const char RULE[] = "one of success, partial, no_data, failed, running";
    const char *text = NULL;
    size_t len = 0;
    if (!read_text(decode, found, RULE, &text, &len))
        return false;
    return sl_status_parse(text, len, &decode->out->status) || refuse_found(decode, SL_REJECT_BAD_VALUE, found, RULE);
}

/* A wall clock, given as if it were UTC, in the zone of naive timestamps. */
static int64_t naive_instant(const struct sl_decode *decode, int64_t wall_us)
{
    int64_t of_day = wall_us % SL_US_PER_DAY;
    if (of_day < 0)
        of_day += SL_US_PER_DAY;
    return sl_zone_instant(decode->config->message.naive_zone, (sl_date)((wall_us - of_day) / SL_US_PER_DAY), of_day);
}

static bool read_timestamp(struct sl_decode *decode, struct sl_found *found)
{
    static const char RULE[] = "an RFC 3339 time such as 2025-04-16T08:01:02Z";
    char expected[80], now[SL_TIME_LEN + 1];
    int64_t us;
    bool has_offset;
    const char *text = NULL;
    size_t len = 0;
    if (!read_text(decode, found, RULE, &text, &len))
        return false;
    if (!sl_time_parse(text, len, &us, &has_offset))
        return refuse_found(decode, SL_REJECT_BAD_VALUE, found, RULE);
    decode->out->timestamp_us = has_offset ? us : naive_instant(decode, us);
    if (decode->out->timestamp_us <= decode->now_us + FUTURE_MAX_US)
        return true;
    snprintf(expected, sizeof(expected), "at most 24 hours after %s", sl_time_format(decode->now_us, now));
    return refuse_found(decode, SL_REJECT_FUTURE_TIMESTAMP, found, expected);
}

static bool read_count(struct sl_decode *decode, struct sl_found *found, int64_t *out)
{
    static const char RULE[] = "a whole number from 0 to 9223372036854775807";
    char digits[32];
    const struct sl_json_value *value = &found->value;
    if (!is_present(found))
        return true;
    if (value->kind != SL_JSON_NUMBER || !sl_json_is_integer(value))
        return refuse_found(decode, SL_REJECT_WRONG_TYPE, found, RULE);
    snprintf(digits, sizeof(digits), "%.*s", value->len < sizeof(digits) ? (int)value->len : 0, value->at);
    if (!sl_parse_i64(digits, out) || *out < 0)
        return refuse_found(decode, SL_REJECT_BAD_VALUE, found, RULE);
    found->used = true;
    return true;
}

static bool read_record_count(struct sl_decode *decode, struct sl_found *found)
{
    return read_count(decode, found, &decode->out->record_count);
}

static bool read_records_failed(struct sl_decode *decode, struct sl_found *found)
{
    return read_count(decode, found, &decode->out->records_failed);
}

/* Both spellings; true wins. */
static bool read_skip(struct sl_decode *decode, struct sl_found *found)
{
    if (!is_present(found))
        return true;
    if (found->value.kind != SL_JSON_BOOL)
        return refuse_found(decode, SL_REJECT_WRONG_TYPE, found, "true or false");
    decode->out->skip |= found->value.at[0] == 't';
    found->used = true;
    return true;
}

static bool read_duration(struct sl_decode *decode, struct sl_found *found)
{
    const struct sl_json_value *value = &found->value;
    if (!is_present(found))
        return true;
    if (value->kind != SL_JSON_NUMBER)
        return refuse_found(decode, SL_REJECT_WRONG_TYPE, found, "a number of seconds");
    if (!sl_parse_double(sl_arena_strndup(decode->arena, value->at, value->len), &decode->out->duration_s))
        return refuse_found(decode, SL_REJECT_BAD_VALUE, found, "a finite number of seconds");
    found->used = true;
    return true;
}

/* Fields without a rule: read when they are texts, else kept as they are. */
static const char **plain_text(struct sl_completion *out, enum sl_field field)
{
    if (field == SL_FIELD_PARENT_PROCESSOR)
        return &out->parent_processor;
    if (field == SL_FIELD_TRIGGER_SOURCE)
        return &out->trigger_source;
    if (field == SL_FIELD_TRIGGER_MESSAGE_ID)
        return &out->trigger_message_id;
    if (field == SL_FIELD_OUTPUT_TABLE)
        return &out->output_table;
    return field == SL_FIELD_OUTPUT_DATASET ? &out->output_dataset : &out->error_message;
}

static bool read_plain(struct sl_decode *decode, struct sl_found *found)
{
    size_t len;
    if (!is_present(found) || found->value.kind != SL_JSON_STRING)
        return true;
    *plain_text(decode->out, (enum sl_field)(found - decode->found)) = sl_json_text(&found->value, decode->arena, &len);
    found->used = true;
    return true;
}

/* In the order of contract/messages.md. */
static bool (*const RULES[])(struct sl_decode *, struct sl_found *) = {
    [SL_FIELD_PROCESSOR_NAME] = read_processor_name,
    [SL_FIELD_PHASE] = read_phase,
    [SL_FIELD_EXECUTION_ID] = read_execution_id,
    [SL_FIELD_CORRELATION_ID] = read_correlation_id,
    [SL_FIELD_DATE] = read_date,
    [SL_FIELD_STATUS] = read_status,
    [SL_FIELD_TIMESTAMP] = read_timestamp,
    [SL_FIELD_RECORD_COUNT] = read_record_count,
    [SL_FIELD_RECORDS_FAILED] = read_records_failed,
    [SL_FIELD_COVERAGE_EVENTS] = sl_read_coverage_events,
    [SL_FIELD_SKIP_TRIGGER] = read_skip,
    [SL_FIELD_SKIP] = read_skip,
    [SL_FIELD_METADATA] = sl_read_metadata,
    [SL_FIELD_DURATION_SECONDS] = read_duration,
    [SL_FIELD_PARENT_PROCESSOR] = read_plain,
    [SL_FIELD_TRIGGER_SOURCE] = read_plain,
    [SL_FIELD_TRIGGER_MESSAGE_ID] = read_plain,
    [SL_FIELD_OUTPUT_TABLE] = read_plain,
    [SL_FIELD_OUTPUT_DATASET] = read_plain,
    [SL_FIELD_ERROR_MESSAGE] = read_plain,
};
_Static_assert(sizeof(RULES) / sizeof(RULES[0]) == SL_N_FIELDS, "every field has a rule");

/* ---- attributes ---- */

static const char *attribute(const struct sl_message *message, const char *key)
{
    for (size_t i = 0; i < message->n_attributes; i++)
        if (strcmp(message->attributes[i].key, key) == 0)
            return message->attributes[i].value;
    return NULL;
}

/* What can't be one is ignored, as the trace context asks for: the trigger must stay fit to be published. */
static bool is_traceparent(const char *text)
{
    const size_t len = text ? strlen(text) : 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= 0x20 || (unsigned char)text[i] > 0x7E)
            return false;
    return len > 0 && len <= TRACEPARENT_MAX_BYTES;
}

static bool read_attributes(struct sl_decode *decode)
{
    char shown[SL_JSON_SHOWN_BYTES];
    const char *skip = attribute(decode->message, "skip_downstream_trigger");
    const char *parent = attribute(decode->message, "googclient_traceparent");
    if (!parent)
        parent = attribute(decode->message, "traceparent");
    if (!parent)
        parent = decode->event_traceparent;
    decode->out->traceparent = is_traceparent(parent) ? sl_arena_strdup(decode->arena, parent) : NULL;
    if (skip && strcmp(skip, "true") != 0 && strcmp(skip, "false") != 0)
        return sl_refuse(decode, SL_REJECT_BAD_VALUE, "the attribute skip_downstream_trigger is \"%s\"; expected \"true\" or \"false\"",
                         sl_json_show(skip, strlen(skip), shown));
    decode->out->skip |= skip && skip[0] == 't';
    return true;
}

bool sl_apply_rules(struct sl_decode *decode)
{
    for (size_t i = 0; i < SL_N_FIELDS; i++) {
        if (!RULES[i](decode, &decode->found[i]))
            return false;
        if (i == SL_FIELD_SKIP && !read_attributes(decode))
            return false;
    }
    return true;
}
