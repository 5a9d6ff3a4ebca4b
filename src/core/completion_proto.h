/* completion_proto.h - protobuf bodies of completions, read strictly, as the JSON that the rules are applied to. Pure. Private to src/core.
 * src/pubsub skips known fields of another wire type; here they are refused: this judges what strangers send. */
#ifndef SLUICE_CORE_COMPLETION_PROTO_H
#define SLUICE_CORE_COMPLETION_PROTO_H

#include <sluice/json.h>
#include <sluice/wire.h>

#include "completion_internal.h"

/* Refuses with not_json and what wire->why says of `what`; false. */
bool sl_proto_refuse(struct sl_decode *decode, const char *what, const struct sl_wire *wire);
/* Is it the text that `where``name` may be? Refuses with wrong_type, bad_utf8 or nul. */
bool sl_proto_is_text(struct sl_decode *decode, const char *where, const char *name, const struct sl_wire_field *field);

/* The members of a google.protobuf.Struct, into the object that is open. `depth`: levels that are open around them. */
bool sl_proto_put_members(struct sl_decode *decode, struct sl_json *json, const char *name, struct sl_span bytes, unsigned depth);

/* A sluice.v1.Completion as a JSON object of the same fields, in the arena. false: refused. */
bool sl_proto_completion(struct sl_decode *decode, const char *bytes, size_t len);

#endif
