/* completion_wire.c - fields of the protobuf wire format, out of bytes that nobody vouches for: every length is checked against what is left before it is used. */
#include <string.h>

#include <sluice/str.h>

#include "completion_proto.h"

#define VARINT_MAX_BYTES 10
#define NUMBER_MAX       ((UINT64_C(1) << 29) - 1)

struct sl_proto sl_proto_open(const char *bytes, size_t len)
{
    const char *start = len > 0 ? bytes : "";
    return (struct sl_proto){.start = start, .at = start, .end = start + len};
}

static bool fail(struct sl_proto *proto, const char *why)
{
    proto->why = why;
    return false;
}

static bool take_varint(struct sl_proto *proto, uint64_t *out)
{
    *out = 0;
    for (unsigned i = 0; i < VARINT_MAX_BYTES && proto->at < proto->end; i++) {
        const unsigned char byte = (unsigned char)*proto->at++;
        if (i == VARINT_MAX_BYTES - 1 && byte > 1)
            return fail(proto, "a number is longer than 64 bits");
        *out |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return fail(proto, "a number is cut off");
}

static bool take_bytes(struct sl_proto *proto, uint64_t len, struct sl_proto_field *field)
{
    if (len > (uint64_t)(proto->end - proto->at))
        return fail(proto, "a field runs past the end");
    field->ptr = proto->at;
    field->len = (size_t)len;
    proto->at += len;
    return true;
}

static bool take_fixed(struct sl_proto *proto, size_t len, struct sl_proto_field *field)
{
    if (!take_bytes(proto, len, field))
        return false;
    for (size_t i = 0; i < len; i++)
        field->value |= (uint64_t)(unsigned char)field->ptr[i] << (8 * i);
    return true;
}

static bool take_value(struct sl_proto *proto, unsigned type, struct sl_proto_field *field)
{
    switch (type) {
    case SL_PROTO_VARINT: return take_varint(proto, &field->value);
    case SL_PROTO_FIXED64: return take_fixed(proto, 8, field);
    case SL_PROTO_FIXED32: return take_fixed(proto, 4, field);
    case SL_PROTO_BYTES: return take_varint(proto, &field->value) && take_bytes(proto, field->value, field);
    default: return fail(proto, "a group, or no wire type at all");
    }
}

bool sl_proto_next(struct sl_proto *proto, struct sl_proto_field *field)
{
    uint64_t key;
    *field = (struct sl_proto_field){.ptr = "", .raw = proto->at};
    if (proto->why || proto->at == proto->end || !take_varint(proto, &key))
        return false;
    if (key >> 3 == 0 || key >> 3 > NUMBER_MAX)
        return fail(proto, "no such field number");
    field->number = (uint32_t)(key >> 3);
    field->type = (enum sl_proto_type)(key & 7);
    if (!take_value(proto, (unsigned)(key & 7), field))
        return false;
    field->raw_len = (size_t)(proto->at - field->raw);
    return true;
}

bool sl_proto_refuse(struct sl_decode *decode, const char *what, const struct sl_proto *proto)
{
    return sl_refuse(decode, SL_REJECT_NOT_JSON, "%s is no protobuf message: %s at byte %zu of %zu; expected fields up to its end", what,
                     proto->why, (size_t)(proto->at - proto->start), (size_t)(proto->end - proto->start));
}

bool sl_proto_is_text(struct sl_decode *decode, const char *where, const char *name, const struct sl_proto_field *field)
{
    char shown[SL_JSON_SHOWN_BYTES];
    if (field->type != SL_PROTO_BYTES)
        return sl_refuse(decode, SL_REJECT_WRONG_TYPE, "%s%s has wire type %d; expected a text", where, name, (int)field->type);
    if (!sl_utf8_valid(field->ptr, field->len))
        return sl_refuse(decode, SL_REJECT_BAD_UTF8, "%s%s is \"%s\"; expected valid UTF-8", where, name,
                         sl_json_show(field->ptr, field->len, shown));
    if (memchr(field->ptr, '\0', field->len))
        return sl_refuse(decode, SL_REJECT_NUL, "%s%s is \"%s\"; expected no NUL in a text", where, name,
                         sl_json_show(field->ptr, field->len, shown));
    return true;
}
