/* body.c - what the broker reads in a stored message (the bytes of a PubsubMessage, as they were published): attributes and the ordering key. What was
 * stored is well-formed; what is not ends the walk. Pure. */
#include "broker_internal.h"

enum { ATTRIBUTES = 2, ORDERING_KEY = 5 };

struct sl_wire sl_body_open(const char *body, size_t len)
{
    return sl_wire_open((struct sl_span){body, len}, "stored message", NULL);
}

bool sl_body_attribute(const struct sl_wire_field *field, struct sl_pubsub_attribute *out)
{
    if (field->key != SL_KEY(ATTRIBUTES, SL_WIRE_BYTES))
        return false;
    sl_wire_pair(&out->key, &out->value, field->bytes, "attribute", NULL);
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
    struct sl_wire wire = sl_body_open(body, len);
    struct sl_wire_field field;
    struct sl_span key = {"", 0};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(ORDERING_KEY, SL_WIRE_BYTES))
            key = field.bytes;
    return key.len ? hash(key) : 0;
}
