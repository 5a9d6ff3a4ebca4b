/* hot_read.c - the messages that carry the load, read as spans into their bytes: nothing is copied but the arrays.
 * An element of two bytes on the wire becomes many in memory, so their numbers are limited: a hostile 20 MB message takes at most 13 MB for its messages (100,000),
 * 10 MB for all their attributes (200,000, with the room that an array leaves behind as it grows) and 32 MB for its ids (1,000,000). The API's own limits
 * are 1,000 messages of 100 attributes in a request, and 524,288 bytes of ids.
 * What a publisher sends must be UTF-8, else no official client could read the response that carries it. What a server sent is taken as it is: one bad string must
 * not make everything that came with it unreadable. */
#include "wire.h"

enum { MAX_MESSAGES = 100000, MAX_ATTRIBUTES = 200000, MAX_IDS = 1000000 };

struct reader {
    struct sl_arena *arena;
    struct sl_err *err;
    size_t attributes_left;
    bool strict; /* strings must be UTF-8 */
};

static struct reader reader(struct sl_arena *arena, struct sl_err *err, bool strict)
{
    return (struct reader){.arena = arena, .err = err, .attributes_left = MAX_ATTRIBUTES, .strict = strict};
}

static bool read_text(const struct reader *reader, struct sl_wire *wire, const struct sl_wire_field *field, struct sl_span *out)
{
    if (reader->strict)
        return sl_wire_text(wire, field, out);
    *out = field->bytes;
    return true;
}

static bool add_id(struct sl_wire *wire, const struct sl_wire_field *field, struct sl_arena *arena, struct sl_span **ids, size_t *n)
{
    if (*n == MAX_IDS)
        return sl_wire_fail(wire, "too many ids");
    *ids = sl_arena_push(arena, *ids, n, sizeof **ids);
    (*ids)[*n - 1] = field->bytes;
    return true;
}

static enum sl_code read_attribute(const struct reader *reader, struct sl_pubsub_attribute *out, struct sl_span bytes)
{
    struct sl_wire wire = sl_wire_open(bytes, "attribute", reader->err);
    struct sl_wire_field field;
    out->key = out->value = (struct sl_span){"", 0};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            read_text(reader, &wire, &field, &out->key);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            read_text(reader, &wire, &field, &out->value);
    return wire.code;
}

static enum sl_code add_attribute(struct reader *reader, struct sl_pubsub_message *out, struct sl_span bytes)
{
    if (reader->attributes_left == 0)
        return sl_fail(reader->err, SL_INVALID, "PubsubMessage: too many attributes");
    reader->attributes_left--;
    out->attributes = sl_arena_push(reader->arena, out->attributes, &out->n_attributes, sizeof *out->attributes);
    return read_attribute(reader, &out->attributes[out->n_attributes - 1], bytes);
}

static void init_message(struct sl_pubsub_message *out)
{
    *out = (struct sl_pubsub_message){.data = {"", 0}, .message_id = {"", 0}, .ordering_key = {"", 0}};
}

/* Over what `out` and `time` hold already: a message that comes in two parts is merged. */
static enum sl_code read_message(struct reader *reader, struct sl_pubsub_message *out, struct sl_wire_time *time, struct sl_span bytes)
{
    struct sl_wire wire = sl_wire_open(bytes, "PubsubMessage", reader->err);
    struct sl_wire_field field;
    while (sl_wire_next(&wire, &field)) {
        switch (field.key) {
        case SL_KEY(1, SL_WIRE_BYTES): out->data = field.bytes; break;
        case SL_KEY(2, SL_WIRE_BYTES): wire.code = add_attribute(reader, out, field.bytes); break;
        case SL_KEY(3, SL_WIRE_BYTES): read_text(reader, &wire, &field, &out->message_id); break;
        case SL_KEY(4, SL_WIRE_BYTES): wire.code = sl_wire_read_time(time, field.bytes, reader->err); break;
        case SL_KEY(5, SL_WIRE_BYTES): read_text(reader, &wire, &field, &out->ordering_key); break;
        default: break;
        }
    }
    out->publish_us = sl_wire_time_us(*time);
    return wire.code;
}

struct published {
    struct sl_pubsub_message *messages;
    size_t n;
    struct sl_span *raw;
    size_t n_raw;
};

static enum sl_code add_published(struct reader *reader, struct published *out, struct sl_span bytes)
{
    if (out->n == MAX_MESSAGES)
        return sl_fail(reader->err, SL_INVALID, "PublishRequest: more than %d messages", MAX_MESSAGES);
    out->messages = sl_arena_push(reader->arena, out->messages, &out->n, sizeof *out->messages);
    out->raw = sl_arena_push(reader->arena, out->raw, &out->n_raw, sizeof *out->raw);
    out->raw[out->n_raw - 1] = bytes;
    struct sl_wire_time time = {0};
    init_message(&out->messages[out->n - 1]);
    return read_message(reader, &out->messages[out->n - 1], &time, bytes);
}

enum sl_code sl_pubsub_read_publish(struct sl_span *topic, struct sl_pubsub_message **messages, size_t *n, struct sl_span **raw,
                                    const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    struct reader strict = reader(arena, err, true);
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "PublishRequest", err);
    struct sl_wire_field field;
    struct published out = {0};
    *topic = (struct sl_span){"", 0};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_text(&wire, &field, topic);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            wire.code = add_published(&strict, &out, field.bytes);
    *messages = out.messages;
    *raw = out.raw;
    *n = out.n;
    return wire.code;
}

enum sl_code sl_pubsub_read_publish_response(struct sl_span **ids, size_t *n, const void *data, size_t len, struct sl_arena *arena,
                                             struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "PublishResponse", err);
    struct sl_wire_field field;
    *ids = NULL;
    *n = 0;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            add_id(&wire, &field, arena, ids, n);
    return wire.code;
}

static enum sl_code read_received(struct reader *reader, struct sl_received *out, struct sl_span bytes)
{
    struct sl_wire wire = sl_wire_open(bytes, "ReceivedMessage", reader->err);
    struct sl_wire_field field;
    struct sl_wire_time time = {0};
    out->ack_id = (struct sl_span){"", 0};
    init_message(&out->message);
    while (sl_wire_next(&wire, &field)) {
        switch (field.key) {
        case SL_KEY(1, SL_WIRE_BYTES): out->ack_id = field.bytes; break;
        case SL_KEY(2, SL_WIRE_BYTES): wire.code = read_message(reader, &out->message, &time, field.bytes); break;
        case SL_KEY(3, SL_WIRE_VARINT): out->delivery_attempt = (int32_t)(uint32_t)field.value; break;
        default: break;
        }
    }
    return wire.code;
}

static enum sl_code add_received(struct reader *reader, struct sl_streaming_response *out, struct sl_span bytes)
{
    if (out->n == MAX_MESSAGES)
        return sl_fail(reader->err, SL_INVALID, "StreamingPullResponse: more than %d messages", MAX_MESSAGES);
    out->messages = sl_arena_push(reader->arena, out->messages, &out->n, sizeof *out->messages);
    return read_received(reader, &out->messages[out->n - 1], bytes);
}

static enum sl_code read_properties(struct sl_streaming_response *out, struct sl_span bytes, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "SubscriptionProperties", err);
    struct sl_wire_field field;
    out->has_properties = true;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_VARINT))
            out->exactly_once = field.value != 0;
        else if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            out->ordering = field.value != 0;
    return wire.code;
}

enum sl_code sl_pubsub_read_streaming_response(struct sl_streaming_response *out, const void *data, size_t len, struct sl_arena *arena,
                                               struct sl_err *err)
{
    struct reader lenient = reader(arena, err, false);
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "StreamingPullResponse", err);
    struct sl_wire_field field;
    *out = (struct sl_streaming_response){0};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            wire.code = add_received(&lenient, out, field.bytes);
        else if (field.key == SL_KEY(4, SL_WIRE_BYTES))
            wire.code = read_properties(out, field.bytes, err);
    return wire.code;
}

static bool add_seconds(struct sl_wire *wire, struct sl_streaming_request *out, uint64_t value, struct sl_arena *arena)
{
    if (out->n_modify_seconds == MAX_IDS)
        return sl_wire_fail(wire, "too many deadlines");
    out->modify_seconds = sl_arena_push(arena, out->modify_seconds, &out->n_modify_seconds, sizeof *out->modify_seconds);
    out->modify_seconds[out->n_modify_seconds - 1] = (int32_t)(uint32_t)value;
    return true;
}

static enum sl_code add_packed_seconds(struct sl_streaming_request *out, struct sl_span bytes, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire packed = sl_wire_open(bytes, "modify_deadline_seconds", err);
    uint64_t value;
    while (packed.at < packed.end)
        if (!sl_wire_varint(&packed, &value) || !add_seconds(&packed, out, value, arena))
            break;
    return packed.code;
}

static void read_streaming_field(struct sl_streaming_request *out, struct sl_wire *wire, const struct sl_wire_field *field,
                                 struct sl_arena *arena)
{
    switch (field->key) {
    case SL_KEY(1, SL_WIRE_BYTES): sl_wire_text(wire, field, &out->subscription); break;
    case SL_KEY(2, SL_WIRE_BYTES): add_id(wire, field, arena, &out->ack_ids, &out->n_ack_ids); break;
    case SL_KEY(3, SL_WIRE_VARINT): add_seconds(wire, out, field->value, arena); break;
    case SL_KEY(3, SL_WIRE_BYTES): wire->code = add_packed_seconds(out, field->bytes, arena, wire->err); break;
    case SL_KEY(4, SL_WIRE_BYTES): add_id(wire, field, arena, &out->modify_ack_ids, &out->n_modify_ack_ids); break;
    case SL_KEY(5, SL_WIRE_VARINT): out->stream_ack_deadline_s = (int32_t)(uint32_t)field->value; break;
    case SL_KEY(6, SL_WIRE_BYTES): sl_wire_text(wire, field, &out->client_id); break;
    case SL_KEY(7, SL_WIRE_VARINT): out->max_outstanding_messages = (int64_t)field->value; break;
    case SL_KEY(8, SL_WIRE_VARINT): out->max_outstanding_bytes = (int64_t)field->value; break;
    case SL_KEY(10, SL_WIRE_VARINT): out->protocol_version = (int64_t)field->value; break;
    default: break;
    }
}

enum sl_code sl_pubsub_read_streaming_request(struct sl_streaming_request *out, const void *data, size_t len, struct sl_arena *arena,
                                              struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "StreamingPullRequest", err);
    struct sl_wire_field field;
    *out = (struct sl_streaming_request){.subscription = {"", 0}, .client_id = {"", 0}};
    while (sl_wire_next(&wire, &field))
        read_streaming_field(out, &wire, &field, arena);
    return wire.code;
}

/* AcknowledgeRequest and ModifyAckDeadlineRequest differ in the numbers of two fields. */
static enum sl_code read_ack(struct sl_ack_request *out, struct sl_wire wire, int ids, int deadline, struct sl_arena *arena)
{
    struct sl_wire_field field;
    *out = (struct sl_ack_request){.subscription = {"", 0}};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_text(&wire, &field, &out->subscription);
        else if (field.key == SL_KEY(ids, SL_WIRE_BYTES))
            add_id(&wire, &field, arena, &out->ack_ids, &out->n);
        else if (field.key == SL_KEY(deadline, SL_WIRE_VARINT))
            out->deadline_s = (int32_t)(uint32_t)field.value;
    return wire.code;
}

enum sl_code sl_pubsub_read_acknowledge(struct sl_ack_request *out, const void *data, size_t len, struct sl_arena *arena,
                                        struct sl_err *err)
{
    return read_ack(out, sl_wire_open((struct sl_span){data, len}, "AcknowledgeRequest", err), 2, 0, arena);
}

enum sl_code sl_pubsub_read_modify(struct sl_ack_request *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    return read_ack(out, sl_wire_open((struct sl_span){data, len}, "ModifyAckDeadlineRequest", err), 4, 3, arena);
}

enum sl_code sl_pubsub_read_pull(struct sl_pull_request *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    (void)arena;
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "PullRequest", err);
    struct sl_wire_field field;
    *out = (struct sl_pull_request){.subscription = {"", 0}};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_text(&wire, &field, &out->subscription);
        else if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            out->return_immediately = field.value != 0;
        else if (field.key == SL_KEY(3, SL_WIRE_VARINT))
            out->max_messages = (int32_t)(uint32_t)field.value;
    return wire.code;
}
