/* completion.c - from the bytes of a completion message to the facts it states.
 * What came in another form is turned into a JSON object first (completion_format.c). The object is scanned once; on the way each top-level member is filed under the field it is (names are mapped by the
 * config, null is absent) or kept as unknown. Then the rules run (completion_rules.c), and the first that is broken
 * refuses the message with a code and a sentence. What no rule took is copied, byte for byte, into `extra`.
 * A refusal is the only failure there is. */
#include <sluice/completion.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "completion_internal.h"

/* The field of each member of sl_completion, as the config's message.fields and the body spell it. */
static const char *const FIELDS[] = {
    "processor_name",
    "phase",
    "execution_id",
    "correlation_id",
    "date",
    "status",
    "timestamp",
    "record_count",
    "records_failed",
    "coverage_events",
    "skip_downstream_trigger",
    "skip_downstream",
    "metadata",
    "duration_seconds",
    "parent_processor",
    "trigger_source",
    "trigger_message_id",
    "output_table",
    "output_dataset",
    "error_message",
};
_Static_assert(sizeof(FIELDS) / sizeof(FIELDS[0]) == SL_N_FIELDS, "every field has a name");

/* ---- refusing ---- */

bool sl_refuse(struct sl_decode *decode, enum sl_reject reject, const char *fmt, ...)
{
    char sentence[sizeof(decode->err->text)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    *decode->reject = reject;
    sl_fail(decode->err, SL_INVALID, "%s", sentence);
    return false;
}

bool sl_refuse_value(struct sl_decode *decode, enum sl_reject reject, const char *field, const struct sl_json_value *value,
                     const char *expected)
{
    char shown[SL_JSON_SHOWN_BYTES];
    return sl_refuse(decode, reject, "%s is %s; expected %s", field, sl_json_show_value(value, shown), expected);
}

/* ---- collecting ---- */

/* Which names count for each field: its own, or those that the config gives. */
static void name_fields(struct sl_decode *decode)
{
    const struct sl_config *config = decode->config;
    for (size_t i = 0; i < SL_N_FIELDS; i++)
        decode->found[i] = (struct sl_found){.names = &FIELDS[i], .n_names = 1, .rank = 1};
    if (decode->from_proto)
        return;
    decode->found[SL_FIELD_PROCESSOR_NAME].names = config->message.processor_name;
    decode->found[SL_FIELD_PROCESSOR_NAME].n_names = config->message.n_processor_name;
    decode->found[SL_FIELD_DATE].names = config->message.date;
    decode->found[SL_FIELD_DATE].n_names = config->message.n_date;
    for (size_t i = 0; i < config->message.n_others; i++)
        for (size_t field = 0; field < SL_N_FIELDS; field++)
            if (strcmp(config->message.others[i].field, FIELDS[field]) == 0) {
                decode->found[field].names = config->message.others[i].names;
                decode->found[field].n_names = config->message.others[i].n;
            }
    for (size_t i = 0; i < SL_N_FIELDS; i++)
        decode->found[i].rank = decode->found[i].n_names;
}

static enum sl_field field_of(const struct sl_decode *decode, const char *key, size_t len, size_t *rank)
{
    for (size_t field = 0; field < SL_N_FIELDS; field++) {
        const struct sl_found *found = &decode->found[field];
        for (size_t i = 0; i < found->n_names; i++)
            if (found->names[i][0] == (len > 0 ? key[0] : '\0') && strncmp(found->names[i], key, len) == 0 &&
                found->names[i][len] == '\0') {
                *rank = i;
                return (enum sl_field)field;
            }
    }
    *rank = 0;
    return SL_N_FIELDS;
}

/* Unknown fields beyond the limit are counted, not kept: `extra` will be cut anyway. */
static void keep(struct sl_decode *decode, const struct sl_json_member *member, enum sl_field field, size_t rank)
{
    if (field == SL_N_FIELDS)
        decode->unknown_bytes += member->raw_len + 1;
    if (decode->unknown_bytes > SL_EXTRA_MAX_BYTES)
        return;
    decode->kept = sl_arena_push(decode->arena, decode->kept, &decode->n_kept, sizeof(*decode->kept));
    decode->kept[decode->n_kept - 1] = (struct sl_kept){member->raw, member->raw_len, field, rank};
}

static void collect(void *context, const struct sl_json_member *member)
{
    struct sl_decode *decode = context;
    size_t rank;
    if (!member->key)
        return; /* the body is a list: refused when it is whole */
    enum sl_field field = field_of(decode, member->key, member->key_len, &rank);
    if (field < SL_N_FIELDS && member->value.kind == SL_JSON_NULL) {
        decode->found[field].was_null = true;
        return;
    }
    if (field < SL_N_FIELDS && rank < decode->found[field].rank) {
        decode->found[field].rank = rank;
        decode->found[field].value = member->value;
    }
    keep(decode, member, field, rank);
}

/* The context of an event is kept like an unknown field, unless the completion has one of that name itself. */
static void keep_event(struct sl_decode *decode)
{
    static const char KEY[] = "\"" SL_EVENT_MEMBER "\"";
    struct sl_json_member member = {.raw = decode->event, .raw_len = decode->event_len};
    if (!decode->event)
        return;
    for (size_t i = 0; i < decode->n_kept; i++)
        if (decode->kept[i].raw_len > sizeof KEY && memcmp(decode->kept[i].raw, KEY, sizeof KEY - 1) == 0)
            return;
    keep(decode, &member, SL_N_FIELDS, 0);
}

static bool fits(struct sl_decode *decode)
{
    const size_t len = decode->message->len, max = decode->config->message.max_bytes;
    return len <= max || sl_refuse(decode, SL_REJECT_TOO_LARGE, "the body has %zu bytes; expected at most %zu", len, max);
}

static bool scan_body(struct sl_decode *decode)
{
    struct sl_json_value root;
    if (!sl_json_scan(decode->json, decode->json_len, collect, decode, decode->arena, &root, decode->reject, decode->err))
        return false;
    if (root.kind != SL_JSON_OBJECT)
        return sl_refuse(decode, SL_REJECT_NOT_OBJECT, "the body is %s; expected a JSON object", sl_json_kind_name(root.kind));
    return true;
}

/* ---- what is kept ---- */

/* metadata, unknown fields, names that lost to a better one, and values that no rule took. */
static bool goes_to_extra(const struct sl_decode *decode, const struct sl_kept *kept)
{
    const struct sl_found *found;
    if (kept->field == SL_N_FIELDS)
        return true;
    found = &decode->found[kept->field];
    return kept->rank != found->rank || !found->used;
}

static void make_extra(struct sl_decode *decode)
{
    struct sl_completion *out = decode->out;
    size_t len = 1 + (decode->unknown_bytes > SL_EXTRA_MAX_BYTES ? SL_EXTRA_MAX_BYTES : 0);
    for (size_t i = 0; i < decode->n_kept; i++)
        if (goes_to_extra(decode, &decode->kept[i]))
            len += decode->kept[i].raw_len + 1;
    out->extra = "{}";
    out->extra_len = 2;
    out->extra_truncated = len > SL_EXTRA_MAX_BYTES;
    if (len == 1 || out->extra_truncated)
        return;
    char *text = sl_arena_alloc(decode->arena, len + 1), *p = text;
    for (size_t i = 0; i < decode->n_kept; i++)
        if (goes_to_extra(decode, &decode->kept[i])) {
            *p = p == text ? '{' : ',';
            memcpy(p + 1, decode->kept[i].raw, decode->kept[i].raw_len);
            p += 1 + decode->kept[i].raw_len;
        }
    *p = '}';
    out->extra = text;
    out->extra_len = len;
}

enum sl_code sl_completion_decode(struct sl_completion *out, const struct sl_message *message, const struct sl_phase *expected,
                                  const struct sl_config *config, int64_t now_us, struct sl_arena *arena, enum sl_reject *reject,
                                  struct sl_err *err)
{
    struct sl_decode decode = {.out = out,
                               .message = message,
                               .expected = expected,
                               .config = config,
                               .now_us = now_us,
                               .arena = arena,
                               .reject = reject,
                               .err = err};
    *out = (struct sl_completion){.date = SL_DATE_NONE, .record_count = -1, .records_failed = -1, .duration_s = NAN};
    out->body = message->data;
    out->body_len = message->len;
    if (!fits(&decode) || !sl_open_body(&decode))
        return SL_INVALID;
    name_fields(&decode);
    if (!scan_body(&decode) || !sl_apply_rules(&decode))
        return SL_INVALID;
    keep_event(&decode);
    make_extra(&decode);
    return SL_OK;
}
