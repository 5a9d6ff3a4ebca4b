/* completion_proto.h - protobuf bodies of completions: a strict reader of the wire format, and the JSON that the rules are applied to. Pure. Private to src/core.
 * src/pubsub has a reader of its own: that one believes its peer as far as it can, this one judges what strangers send. */
#ifndef SLUICE_CORE_COMPLETION_PROTO_H
#define SLUICE_CORE_COMPLETION_PROTO_H

#include <sluice/json.h>

#include "completion_internal.h"

enum sl_proto_type { SL_PROTO_VARINT = 0, SL_PROTO_FIXED64 = 1, SL_PROTO_BYTES = 2, SL_PROTO_FIXED32 = 5 };

struct sl_proto { /* a message being read; borrows its bytes */
    const char *start, *at, *end;
    const char *why; /* what is wrong with the bytes; NULL: nothing yet */
};

struct sl_proto_field {
    uint32_t number;
    enum sl_proto_type type;
    uint64_t value;  /* of a varint, or the bits of a fixed one */
    const char *ptr; /* of bytes; never NULL */
    size_t len;
    const char *raw; /* tag and all */
    size_t raw_len;
};

struct sl_proto sl_proto_open(const char *bytes, size_t len);
/* The next field; false at the end or at malformed bytes (proto->why says which). Groups are malformed. */
bool sl_proto_next(struct sl_proto *proto, struct sl_proto_field *field);

/* Refuses with not_json and what proto->why says of `what`; false. */
bool sl_proto_refuse(struct sl_decode *decode, const char *what, const struct sl_proto *proto);
/* Is it the text that `where``name` may be? Refuses with wrong_type, bad_utf8 or nul. */
bool sl_proto_is_text(struct sl_decode *decode, const char *where, const char *name, const struct sl_proto_field *field);

/* The members of a google.protobuf.Struct, into the object that is open. `depth`: levels that are open around them. */
bool sl_proto_put_members(struct sl_decode *decode, struct sl_json *json, const char *name, const char *bytes, size_t len, unsigned depth);

/* A sluice.v1.Completion as a JSON object of the same fields, in the arena. false: refused. */
bool sl_proto_completion(struct sl_decode *decode, const char *bytes, size_t len);

#endif
