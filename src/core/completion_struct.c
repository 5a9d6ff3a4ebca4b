/* completion_struct.c - google.protobuf.Struct as JSON: an object of values, lists and objects, no deeper than JSON itself may be.
 * Keys that come twice are found when the JSON is scanned. */
#include <math.h>
#include <string.h>

#include "completion_proto.h"

/* What is being written, and how deep inside. */
struct at {
    struct sl_decode *decode;
    struct sl_json *json;
    const char *name; /* of the field, for sentences */
};

static const struct sl_wire_field NOTHING = {.key = SL_KEY(1, SL_WIRE_BYTES), .bytes = {"", 0}};

static bool put_value(const struct at *at, const struct sl_wire_field *value, unsigned depth);

static bool refuse_number(const struct at *at, const struct sl_wire_field *field)
{
    return sl_refuse(at->decode, SL_REJECT_WRONG_TYPE, "%s has a field %u of wire type %d; expected a google.protobuf.Struct", at->name,
                     (unsigned)sl_wire_number(field), (int)sl_wire_type_of(field));
}

static bool enter(const struct at *at, unsigned depth)
{
    return depth < SL_JSON_MAX_DEPTH || sl_refuse(at->decode, SL_REJECT_TOO_DEEP, "%s opens level %d; expected at most %d levels", at->name,
                                                  SL_JSON_MAX_DEPTH + 1, SL_JSON_MAX_DEPTH);
}

/* An entry of the map: key 1, value 2, each once; either may be left out where it has its default. */
static bool put_member(const struct at *at, const struct sl_wire_field *entry, unsigned depth)
{
    enum { KEY, VALUE, N_PARTS };
    struct sl_wire wire = sl_wire_open(entry->bytes, "", NULL);
    struct sl_wire_field field, parts[N_PARTS] = {NOTHING, NOTHING};
    bool seen[N_PARTS] = {false};
    while (sl_wire_next(&wire, &field)) {
        if (field.key != SL_KEY(1, SL_WIRE_BYTES) && field.key != SL_KEY(2, SL_WIRE_BYTES))
            return refuse_number(at, &field);
        const int part = field.key == SL_KEY(1, SL_WIRE_BYTES) ? KEY : VALUE;
        if (seen[part])
            return sl_refuse(at->decode, SL_REJECT_DUPLICATE_KEY, "%s has an entry of two %s; expected one", at->name,
                             part == KEY ? "keys" : "values");
        seen[part] = true;
        parts[part] = field;
    }
    if (wire.why)
        return sl_proto_refuse(at->decode, at->name, &wire);
    if (!sl_proto_is_text(at->decode, "a key of ", at->name, &parts[KEY]))
        return false;
    sl_json_key(at->json, sl_arena_strndup(at->decode->arena, parts[KEY].bytes.ptr, parts[KEY].bytes.len));
    return put_value(at, &parts[VALUE], depth);
}

static bool put_members(const struct at *at, struct sl_span bytes, unsigned depth)
{
    struct sl_wire wire = sl_wire_open(bytes, "", NULL);
    struct sl_wire_field field;
    while (sl_wire_next(&wire, &field)) {
        if (field.key != SL_KEY(1, SL_WIRE_BYTES))
            return refuse_number(at, &field);
        if (!put_member(at, &field, depth))
            return false;
    }
    return !wire.why || sl_proto_refuse(at->decode, at->name, &wire);
}

static bool put_object(const struct at *at, const struct sl_wire_field *field, unsigned depth)
{
    if (!enter(at, depth))
        return false;
    sl_json_object(at->json);
    if (!put_members(at, field->bytes, depth + 1))
        return false;
    sl_json_end_object(at->json);
    return true;
}

static bool put_list(const struct at *at, const struct sl_wire_field *list, unsigned depth)
{
    struct sl_wire wire = sl_wire_open(list->bytes, "", NULL);
    struct sl_wire_field field;
    if (!enter(at, depth))
        return false;
    sl_json_array(at->json);
    while (sl_wire_next(&wire, &field)) {
        if (field.key != SL_KEY(1, SL_WIRE_BYTES))
            return refuse_number(at, &field);
        if (!put_value(at, &field, depth + 1))
            return false;
    }
    sl_json_end_array(at->json);
    return !wire.why || sl_proto_refuse(at->decode, at->name, &wire);
}

static bool put_number(const struct at *at, const struct sl_wire_field *field)
{
    double number;
    memcpy(&number, &field->value, sizeof number);
    if (!isfinite(number))
        return sl_refuse(at->decode, SL_REJECT_BAD_VALUE, "%s has a number that is not finite; expected finite ones", at->name);
    sl_json_double(at->json, number);
    return true;
}

static bool put_kind(const struct at *at, const struct sl_wire_field *field, unsigned depth)
{
    static const enum sl_wire_type TYPES[] = {
        [1] = SL_WIRE_VARINT, [2] = SL_WIRE_FIXED64, [3] = SL_WIRE_BYTES, [4] = SL_WIRE_VARINT, [5] = SL_WIRE_BYTES, [6] = SL_WIRE_BYTES};
    const uint32_t number = sl_wire_number(field);
    if (number > 6 || sl_wire_type_of(field) != TYPES[number])
        return refuse_number(at, field);
    switch (number) {
    case 1: sl_json_null(at->json); return true;
    case 2: return put_number(at, field);
    case 3:
        if (!sl_proto_is_text(at->decode, "a text of ", at->name, field))
            return false;
        sl_json_strn(at->json, field->bytes.ptr, field->bytes.len);
        return true;
    case 4: sl_json_bool(at->json, field->value != 0); return true;
    case 5: return put_object(at, field, depth);
    default: return put_list(at, field, depth);
    }
}

/* One kind; none is null. */
static bool put_value(const struct at *at, const struct sl_wire_field *value, unsigned depth)
{
    struct sl_wire wire = sl_wire_open(value->bytes, "", NULL);
    struct sl_wire_field field, kind = {0};
    while (sl_wire_next(&wire, &field)) {
        if (kind.key)
            return sl_refuse(at->decode, SL_REJECT_DUPLICATE_KEY, "%s has a value of two kinds; expected one", at->name);
        kind = field;
    }
    if (wire.why)
        return sl_proto_refuse(at->decode, at->name, &wire);
    if (kind.key)
        return put_kind(at, &kind, depth);
    sl_json_null(at->json);
    return true;
}

bool sl_proto_put_members(struct sl_decode *decode, struct sl_json *json, const char *name, struct sl_span bytes, unsigned depth)
{
    return put_members(&(struct at){decode, json, name}, bytes, depth);
}
