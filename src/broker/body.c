/* body.c - a stored message (the bytes of a PubsubMessage, as they were published) walked field by field. What was stored is well-formed; what is not
 * ends the walk. Pure. */
#include "broker_internal.h"

#include <string.h>

enum { ATTRIBUTES = 2, ORDERING_KEY = 5, VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

#define KEY(number, type) ((uint64_t)(number) << 3 | (uint64_t)(type))

static bool get_varint(struct sl_body *at, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; at->at < at->end && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)*at->at++;
        *out |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

bool sl_body_next(struct sl_body *at, struct sl_body_field *out)
{
    uint64_t len = 0;
    out->start = at->at;
    if (at->at == at->end || !get_varint(at, &out->key))
        return false;
    out->value.ptr = at->at;
    switch (out->key & 7) {
    case VARINT:
        if (!get_varint(at, &len))
            return false;
        out->value.len = (size_t)(at->at - out->value.ptr);
        return true;
    case FIXED64: len = 8; break;
    case FIXED32: len = 4; break;
    case BYTES:
        if (!get_varint(at, &len))
            return false;
        break;
    default: return false;
    }
    if (len > (uint64_t)(at->end - at->at))
        return false;
    out->value = (struct sl_span){at->at, (size_t)len};
    at->at += len;
    return true;
}

bool sl_body_attribute(const struct sl_body_field *field, struct sl_pubsub_attribute *out)
{
    struct sl_body at = {field->value.ptr, field->value.ptr + field->value.len};
    struct sl_body_field part;
    *out = (struct sl_pubsub_attribute){.key = {"", 0}, .value = {"", 0}};
    if (field->key != KEY(ATTRIBUTES, BYTES))
        return false;
    while (sl_body_next(&at, &part))
        if (part.key == KEY(1, BYTES))
            out->key = part.value;
        else if (part.key == KEY(2, BYTES))
            out->value = part.value;
    return true;
}

/* FNV-1a. */
static uint64_t hash(struct sl_span text)
{
    uint64_t value = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++)
        value = (value ^ (unsigned char)text.ptr[i]) * UINT64_C(0x100000001b3);
    return value ? value : 1;
}

uint64_t sl_body_order(const char *body, size_t len)
{
    struct sl_body at = {body, body + len};
    struct sl_body_field field;
    struct sl_span key = {"", 0};
    while (sl_body_next(&at, &field))
        if (field.key == KEY(ORDERING_KEY, BYTES))
            key = field.value;
    return key.len ? hash(key) : 0;
}
