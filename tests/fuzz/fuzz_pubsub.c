/* fuzz_pubsub.c - any bytes as any message of google.pubsub.v1 (the first byte says which). What both our reader and protobuf-c accept means the same to both, and a refusal
 * has a sentence. Two differences are protobuf-c's own, so such input is only read: a nested message that comes twice is merged with the zeros of the second lost, and a
 * boolean of another wire type is taken for true. */
#include <stdlib.h>

#include "../src/pubsub/ack_results.h"
#include "../src/pubsub/wire.h"
#include "support/pubsub_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool differs(const ProtobufCMessageDescriptor *descriptor, struct sl_span bytes)
{
    struct sl_wire wire = sl_wire_open(bytes, "fuzz", NULL);
    struct sl_wire_field field;
    uint32_t seen = 0;
    while (sl_wire_next(&wire, &field)) {
        const ProtobufCFieldDescriptor *known = protobuf_c_message_descriptor_get_field(descriptor, field.key >> 3);
        if (known && known->type == PROTOBUF_C_TYPE_BOOL && (field.key & 7) != SL_WIRE_VARINT)
            return true;
        if (!known || known->type != PROTOBUF_C_TYPE_MESSAGE || (field.key & 7) != SL_WIRE_BYTES)
            continue;
        if (known->label != PROTOBUF_C_LABEL_REPEATED && seen & 1U << known->id)
            return true;
        seen |= 1U << known->id;
        if (differs(known->descriptor, field.bytes))
            return true;
    }
    return false;
}

/* What is kept of a policy is kept again as it is. */
static void policy_twice(struct sl_span bytes, struct sl_arena *arena)
{
    struct sl_policy_change once, twice;
    struct sl_permissions permissions;
    struct sl_err err = {0};
    struct sl_buf request = {0};
    const char *name;
    bool has_push;
    sl_iam_read_test_permissions(&permissions, bytes.ptr, bytes.len, arena, NULL);
    sl_pubsub_read_modify_push(&name, &has_push, bytes.ptr, bytes.len, arena, NULL);
    if (sl_iam_read_set_policy(&once, bytes.ptr, bytes.len, arena, &err) != SL_OK) {
        if (!err.text[0])
            abort();
        return;
    }
    sl_wire_put_bytes(&request, 2, once.policy.ptr, once.policy.len);
    if (sl_iam_read_set_policy(&twice, request.data, request.len, arena, &err) != SL_OK || twice.policy.len != once.policy.len ||
        memcmp(twice.policy.ptr, once.policy.ptr, once.policy.len) != 0)
        abort();
    sl_buf_fini(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return 0;
    const struct compared *compared = &COMPARED[bytes[0] % N_COMPARED];
    ProtobufCMessage *theirs = protobuf_c_message_unpack(compared->descriptor, NULL, len - 1, bytes + 1);
    const struct sl_span span = {(const char *)bytes + 1, len - 1};
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    bool same = true;
    const enum sl_code code = compared->compare(&same, theirs, span, &arena, &err);
    if (code != SL_OK && (code != SL_INVALID || !err.text[0]))
        abort();
    if (!same && !differs(compared->descriptor, span))
        abort();
    policy_twice(span, &arena);
    struct sl_map *results = sl_ack_results_read(bytes + 1, len - 1);
    sl_map_destroy(&results);
    sl_arena_fini(&arena);
    protobuf_c_message_free_unpacked(theirs, NULL);
    return 0;
}
