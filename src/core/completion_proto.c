/* completion_proto.c - proto/sluice/v1/completion.proto as the JSON that the rules know: each field is looked for by a table, checked for what protobuf alone can be wrong about,
 * and written under its name. The scanner and the rules then see it like any other body, so that both forms are refused for the same reasons. */
#include <math.h>
#include <string.h>

#include <sluice/base64.h>
#include <sluice/date.h>

#include "completion_proto.h"

enum kind {
    TEXT,
    STATUS,
    TIME,
    COUNT,
    FLAG,
    SECONDS,
    TEXTS,  /* repeated */
    EVENTS, /* repeated */
    OBJECT,
    EXTRA /* its members stand for themselves */
};

struct known {
    uint32_t number;
    enum kind kind;
    const char *name;
};

static const struct known COMPLETION[] = {
    {1, TEXT, "processor_name"},
    {2, TEXT, "phase"},
    {3, TEXT, "execution_id"},
    {4, TEXT, "correlation_id"},
    {5, TEXT, "date"},
    {6, STATUS, "status"},
    {7, TIME, "timestamp"},
    {8, COUNT, "record_count"},
    {9, COUNT, "records_failed"},
    {10, EVENTS, "coverage_events"},
    {11, FLAG, "skip_downstream_trigger"},
    {12, SECONDS, "duration_seconds"},
    {13, TEXT, "parent_processor"},
    {14, TEXT, "trigger_source"},
    {15, TEXT, "trigger_message_id"},
    {16, TEXT, "output_table"},
    {17, TEXT, "output_dataset"},
    {18, TEXT, "error_message"},
    {19, OBJECT, "metadata"},
    {20, OBJECT, "quality"},
    {21, TEXTS, "data_sources"},
    {22, EXTRA, "extra"},
};

static const struct known EVENT[] = {
    {1, TEXT, "event_type"}, {2, TEXT, "severity"},   {3, TEXT, "unit"},   {4, TEXT, "player_id"},
    {5, TEXT, "team_abbr"},  {6, TEXT, "table_name"}, {7, TEXT, "source"}, {8, TEXT, "description"},
};

#define N(table) (sizeof(table) / sizeof((table)[0]))

struct seen {
    struct sl_wire_field *fields; /* one, unless it may repeat */
    size_t n;
};

/* A message on its way from one form to the other. */
struct turning {
    struct sl_decode *decode;
    struct sl_json *json;
    const char *what;  /* "the body", "coverage_events[3]" */
    const char *where; /* before a field's name: "", "coverage_events[3]." */
    const struct known *table;
    size_t n;
    struct seen *seen; /* one per entry of the table */
    struct sl_buf unknown;
};

static bool turn(struct turning *t, struct sl_span bytes);

/* ---- collecting ---- */

static enum sl_wire_type type_of(enum kind kind)
{
    if (kind == STATUS || kind == COUNT || kind == FLAG)
        return SL_WIRE_VARINT;
    return kind == SECONDS ? SL_WIRE_FIXED64 : SL_WIRE_BYTES;
}

static bool check_field(const struct turning *t, const struct known *known, const struct seen *seen, const struct sl_wire_field *field)
{
    const enum sl_wire_type type = type_of(known->kind);
    if (known->kind == TEXT || known->kind == TEXTS) {
        if (!sl_proto_is_text(t->decode, t->where, known->name, field))
            return false;
    } else if (sl_wire_type_of(field) != type) {
        return sl_refuse(t->decode, SL_REJECT_WRONG_TYPE, "%s%s has wire type %d; expected %d", t->where, known->name,
                         (int)sl_wire_type_of(field), (int)type);
    }
    return seen->n == 0 || known->kind == TEXTS || known->kind == EVENTS ||
           sl_refuse(t->decode, SL_REJECT_DUPLICATE_KEY, "%s%s comes twice; expected each field once", t->where, known->name);
}

/* `raw`: tag and all. */
static bool collect_field(struct turning *t, const struct sl_wire_field *field, struct sl_span raw)
{
    for (size_t i = 0; i < t->n; i++) {
        struct seen *seen = &t->seen[i];
        if (t->table[i].number != sl_wire_number(field))
            continue;
        if (!check_field(t, &t->table[i], seen, field))
            return false;
        seen->fields = sl_arena_push(t->decode->arena, seen->fields, &seen->n, sizeof *seen->fields);
        seen->fields[seen->n - 1] = *field;
        return true;
    }
    sl_buf_add(&t->unknown, raw.ptr, raw.len);
    return true;
}

static bool collect(struct turning *t, struct sl_span bytes)
{
    struct sl_wire wire = sl_wire_open(bytes, "", NULL);
    struct sl_wire_field field;
    for (const char *from = wire.at; sl_wire_next(&wire, &field); from = wire.at)
        if (!collect_field(t, &field, (struct sl_span){from, (size_t)(wire.at - from)}))
            return false;
    return !wire.why || sl_proto_refuse(t->decode, t->what, &wire);
}

/* ---- writing ---- */

static bool put_status(const struct turning *t, const struct known *known, const struct sl_wire_field *field)
{
    if (field->value == 0)
        return true;
    if (field->value > SL_RUN_RUNNING + 1)
        return sl_refuse(t->decode, SL_REJECT_BAD_VALUE,
                         "%s is %lld; expected 1 (success), 2 (partial), 3 (no_data), 4 (failed) or 5 (running)", known->name,
                         (long long)field->value);
    sl_json_put_str(t->json, known->name, sl_status_name((enum sl_status)(field->value - 1)));
    return true;
}

/* In whole microseconds; the years that a date can have. */
static bool put_time(const struct turning *t, const struct known *known, const struct sl_wire_field *time)
{
    static const int64_t FIRST_S = INT64_C(-62135596800), LAST_S = INT64_C(253402300799);
    struct sl_wire wire = sl_wire_open(time->bytes, "", NULL);
    struct sl_wire_field field;
    int64_t parts[3] = {0};
    bool seen[3] = {false};
    char text[SL_TIME_LEN + 1];
    while (sl_wire_next(&wire, &field)) {
        const uint32_t number = sl_wire_number(&field);
        if (number > 2 || sl_wire_type_of(&field) != SL_WIRE_VARINT)
            return sl_refuse(t->decode, SL_REJECT_WRONG_TYPE, "%s has a field %u of wire type %d; expected a google.protobuf.Timestamp",
                             known->name, (unsigned)number, (int)sl_wire_type_of(&field));
        if (seen[number])
            return sl_refuse(t->decode, SL_REJECT_DUPLICATE_KEY, "%s.%s comes twice; expected each field once", known->name,
                             number == 1 ? "seconds" : "nanos");
        seen[number] = true;
        parts[number] = (int64_t)field.value;
    }
    if (wire.why)
        return sl_proto_refuse(t->decode, known->name, &wire);
    if (parts[1] < FIRST_S || parts[1] > LAST_S || parts[2] < 0 || parts[2] > 999999999)
        return sl_refuse(t->decode, SL_REJECT_BAD_VALUE, "%s is %lld s and %lld ns; expected a time in the years 1 to 9999", known->name,
                         (long long)parts[1], (long long)parts[2]);
    sl_json_put_str(t->json, known->name, sl_time_format(parts[1] * 1000000 + parts[2] / 1000, text));
    return true;
}

static bool put_seconds(const struct turning *t, const struct known *known, const struct sl_wire_field *field)
{
    double seconds;
    memcpy(&seconds, &field->value, sizeof seconds);
    if (!isfinite(seconds))
        return sl_refuse(t->decode, SL_REJECT_BAD_VALUE, "%s is no finite number; expected a finite number of seconds", known->name);
    sl_json_put_double(t->json, known->name, seconds);
    return true;
}

static void put_texts(const struct turning *t, const struct known *known, const struct seen *seen)
{
    sl_json_key(t->json, known->name);
    sl_json_array(t->json);
    for (size_t i = 0; i < seen->n; i++)
        sl_json_strn(t->json, seen->fields[i].bytes.ptr, seen->fields[i].bytes.len);
    sl_json_end_array(t->json);
}

static bool put_event(const struct turning *t, const struct sl_wire_field *field, size_t index)
{
    struct seen seen[N(EVENT)] = {0};
    const char *what = sl_arena_printf(t->decode->arena, "coverage_events[%zu]", index);
    struct turning event = {.decode = t->decode,
                            .json = t->json,
                            .what = what,
                            .where = sl_arena_printf(t->decode->arena, "%s.", what),
                            .table = EVENT,
                            .n = N(EVENT),
                            .seen = seen};
    return turn(&event, field->bytes);
}

static bool put_events(const struct turning *t, const struct known *known, const struct seen *seen)
{
    sl_json_key(t->json, known->name);
    sl_json_array(t->json);
    for (size_t i = 0; i < seen->n; i++)
        if (!put_event(t, &seen->fields[i], i))
            return false;
    sl_json_end_array(t->json);
    return true;
}

static bool put_object(const struct turning *t, const struct known *known, const struct sl_wire_field *field)
{
    sl_json_key(t->json, known->name);
    sl_json_object(t->json);
    if (!sl_proto_put_members(t->decode, t->json, known->name, field->bytes, 2))
        return false;
    sl_json_end_object(t->json);
    return true;
}

static bool put_field(const struct turning *t, const struct known *known, const struct seen *seen)
{
    const struct sl_wire_field *field = &seen->fields[0];
    switch (known->kind) {
    case TEXT:
        if (field->bytes.len > 0) {
            sl_json_key(t->json, known->name);
            sl_json_strn(t->json, field->bytes.ptr, field->bytes.len);
        }
        return true;
    case STATUS: return put_status(t, known, field);
    case TIME: return put_time(t, known, field);
    case COUNT: sl_json_put_int(t->json, known->name, (int64_t)field->value); return true;
    case FLAG: sl_json_put_bool(t->json, known->name, field->value != 0); return true;
    case SECONDS: return put_seconds(t, known, field);
    case TEXTS: put_texts(t, known, seen); return true;
    case EVENTS: return put_events(t, known, seen);
    case OBJECT: return put_object(t, known, field);
    case EXTRA: return sl_proto_put_members(t->decode, t->json, known->name, field->bytes, 1);
    }
    return true;
}

/* One message: an object of what the table knows, and the bytes of the rest. */
static bool turn(struct turning *t, struct sl_span bytes)
{
    bool fine = collect(t, bytes);
    sl_json_object(t->json);
    for (size_t i = 0; fine && i < t->n; i++)
        fine = t->seen[i].n == 0 || put_field(t, &t->table[i], &t->seen[i]);
    if (fine && t->unknown.len > 0)
        sl_json_put_str(t->json, "protobuf_unknown_fields", sl_base64_encode(t->unknown.data, t->unknown.len, t->decode->arena));
    sl_json_end_object(t->json);
    sl_buf_fini(&t->unknown);
    return fine;
}

bool sl_proto_completion(struct sl_decode *decode, const char *bytes, size_t len)
{
    struct seen seen[N(COMPLETION)] = {0};
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    struct turning turning = {
        .decode = decode, .json = &json, .what = "the body", .where = "", .table = COMPLETION, .n = N(COMPLETION), .seen = seen};
    const bool fine = turn(&turning, (struct sl_span){bytes, len});
    if (fine) {
        decode->json = sl_arena_strndup(decode->arena, text.data, text.len);
        decode->json_len = text.len;
        decode->from_proto = true;
    }
    sl_buf_fini(&text);
    return fine;
}
