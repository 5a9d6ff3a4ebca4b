/* completion_wire.c - what is wrong with the bytes of a protobuf message, in the codec's words. */
#include <string.h>

#include <sluice/str.h>

#include "completion_proto.h"

bool sl_proto_refuse(struct sl_decode *decode, const char *what, const struct sl_wire *wire)
{
    return sl_refuse(decode, SL_REJECT_NOT_JSON, "%s is no protobuf message: %s at byte %zu of %zu; expected fields up to its end", what,
                     wire->why, (size_t)(wire->at - wire->start), (size_t)(wire->end - wire->start));
}

bool sl_proto_is_text(struct sl_decode *decode, const char *where, const char *name, const struct sl_wire_field *field)
{
    char shown[SL_JSON_SHOWN_BYTES];
    if (sl_wire_type_of(field) != SL_WIRE_BYTES)
        return sl_refuse(decode, SL_REJECT_WRONG_TYPE, "%s%s has wire type %d; expected a text", where, name, (int)sl_wire_type_of(field));
    if (!sl_utf8_valid(field->bytes.ptr, field->bytes.len))
        return sl_refuse(decode, SL_REJECT_BAD_UTF8, "%s%s is \"%s\"; expected valid UTF-8", where, name,
                         sl_json_show(field->bytes.ptr, field->bytes.len, shown));
    if (memchr(field->bytes.ptr, '\0', field->bytes.len))
        return sl_refuse(decode, SL_REJECT_NUL, "%s%s is \"%s\"; expected no NUL in a text", where, name,
                         sl_json_show(field->bytes.ptr, field->bytes.len, shown));
    return true;
}
