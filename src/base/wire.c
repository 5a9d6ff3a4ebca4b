/* wire.c - fields of the protobuf wire format, out of bytes that nobody vouches for. */
#include <sluice/wire.h>

#include <string.h>

#include <sluice/str.h>

enum { MAX_KEY_BYTES = 5 };

struct sl_wire sl_wire_open(struct sl_span bytes, const char *what, struct sl_err *err)
{
    const char *start = bytes.ptr ? bytes.ptr : "";
    return (struct sl_wire){.start = start, .at = start, .end = start + bytes.len, .what = what, .err = err, .code = SL_OK};
}

bool sl_wire_fail(struct sl_wire *wire, const char *why)
{
    if (wire->code != SL_OK)
        return false;
    wire->why = why;
    wire->code = sl_fail(wire->err, SL_INVALID, "%s: %s, byte %zu of %zu", wire->what, why, (size_t)(wire->at - wire->start),
                         (size_t)(wire->end - wire->start));
    return false;
}

bool sl_wire_varint(struct sl_wire *wire, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < SL_WIRE_MAX_VARINT_BYTES; i++) {
        if (wire->at == wire->end)
            return sl_wire_fail(wire, "a number is cut off");
        const unsigned char byte = (unsigned char)*wire->at++;
        if (i == SL_WIRE_MAX_VARINT_BYTES - 1 && byte > 1)
            break;
        value |= (uint64_t)(byte & 0x7F) << (7 * i);
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return sl_wire_fail(wire, "a number is longer than 64 bits");
}

/* Keys and lengths are mostly of one byte. */
static inline bool take_varint(struct sl_wire *wire, uint64_t *out)
{
    if (wire->at == wire->end || (unsigned char)*wire->at >= 0x80)
        return sl_wire_varint(wire, out);
    *out = (unsigned char)*wire->at++;
    return true;
}

static bool take(struct sl_wire *wire, uint64_t len, struct sl_span *out)
{
    if (len > (uint64_t)(wire->end - wire->at))
        return sl_wire_fail(wire, "a field runs past the end");
    *out = (struct sl_span){wire->at, (size_t)len};
    wire->at += len;
    return true;
}

static bool take_fixed(struct sl_wire *wire, size_t len, struct sl_wire_field *field)
{
    if (!take(wire, len, &field->bytes))
        return false;
    for (size_t i = 0; i < len; i++)
        field->value |= (uint64_t)(unsigned char)field->bytes.ptr[i] << (8 * i);
    return true;
}

static bool take_key(struct sl_wire *wire, struct sl_wire_field *field)
{
    const char *start = wire->at;
    uint64_t key;
    if (!take_varint(wire, &key))
        return false;
    if (key > UINT32_MAX || wire->at - start > MAX_KEY_BYTES || key >> 3 == 0)
        return sl_wire_fail(wire, "no such field number");
    field->key = (uint32_t)key;
    return true;
}

bool sl_wire_next(struct sl_wire *wire, struct sl_wire_field *field)
{
    *field = (struct sl_wire_field){.bytes = {"", 0}};
    if (wire->code != SL_OK || wire->at == wire->end || !take_key(wire, field))
        return false;
    switch (field->key & 7) {
    case SL_WIRE_VARINT: return sl_wire_varint(wire, &field->value);
    case SL_WIRE_FIXED64: return take_fixed(wire, 8, field);
    case SL_WIRE_FIXED32: return take_fixed(wire, 4, field);
    case SL_WIRE_BYTES: return take_varint(wire, &field->value) && take(wire, field->value, &field->bytes);
    default: return sl_wire_fail(wire, "a group, or no wire type at all");
    }
}

bool sl_wire_text(struct sl_wire *wire, const struct sl_wire_field *field, struct sl_span *out)
{
    if (!sl_utf8_valid(field->bytes.ptr, field->bytes.len))
        return sl_wire_fail(wire, "a string is not UTF-8");
    *out = field->bytes;
    return true;
}

bool sl_wire_string(struct sl_wire *wire, const struct sl_wire_field *field, struct sl_arena *arena, const char **out)
{
    struct sl_span text;
    if (!sl_wire_text(wire, field, &text))
        return false;
    if (memchr(text.ptr, '\0', text.len))
        return sl_wire_fail(wire, "a string holds a NUL");
    *out = sl_arena_strndup(arena, text.ptr, text.len);
    return true;
}

enum sl_code sl_wire_pair(struct sl_span *first, struct sl_span *second, struct sl_span bytes, const char *what, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, what, err);
    struct sl_wire_field field;
    *first = *second = (struct sl_span){"", 0};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            *first = field.bytes;
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            *second = field.bytes;
    return wire.code;
}
