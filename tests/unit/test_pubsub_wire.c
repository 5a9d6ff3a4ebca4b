/* test_pubsub_wire.c - the messages of google.pubsub.v1 against protobuf-c, in both directions, and against bytes that are wrong. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/pubsub_compare.h"

enum { ROUNDS = 400, LARGE_BYTES = 10 * 1000 * 1000 };

/* ---- random messages ---- */

static uint64_t state = 88172645463325252ULL;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static size_t below(size_t n)
{
    return (size_t)(next_random() >> 11) % n;
}

static int64_t any_int(void)
{
    static const int64_t SPECIAL[] = {0, 1, -1, 127, 128, INT32_MAX, INT32_MIN, 60, 600};
    return below(3) ? SPECIAL[below(sizeof SPECIAL / sizeof *SPECIAL)] : (int64_t)next_random();
}

static char *any_text(void)
{
    static const char *const PARTS[] = {"a", "projects/p/topics/t", "é", "日本", "😀", "\x7f", " ", "0123456789abcdefghijklmnopqrstuvwxyz"};
    char *text = malloc(400);
    text[0] = '\0';
    for (size_t n = below(8); n; n--)
        strcat(text, PARTS[below(sizeof PARTS / sizeof *PARTS)]);
    return text;
}

static ProtobufCBinaryData any_bytes(void)
{
    ProtobufCBinaryData out = {.len = below(4) ? below(40) : below(400)};
    out.data = out.len ? malloc(out.len) : NULL;
    for (size_t i = 0; i < out.len; i++)
        out.data[i] = (uint8_t)next_random();
    return out;
}

/* Leave out what our writers leave out by design: the ids and times of published messages, push, and everything but the first request of a stream. */
static bool only_written;

static bool is_left_out(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field)
{
    static const char *const NAMES[] = {"push_config", "modify_deadline_seconds", "modify_deadline_ack_ids", "protocol_version"};
    if (!only_written)
        return false;
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (strcmp(field->name, NAMES[i]) == 0)
            return true;
    return descriptor == &google__pubsub__v1__streaming_pull_request__descriptor && strcmp(field->name, "ack_ids") == 0;
}

static ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *descriptor);

static void fill(void *member, const ProtobufCFieldDescriptor *field)
{
    const int64_t number = any_int();
    if (field->type == PROTOBUF_C_TYPE_STRING)
        *(char **)member = any_text();
    else if (field->type == PROTOBUF_C_TYPE_BYTES)
        *(ProtobufCBinaryData *)member = any_bytes();
    else if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        *(ProtobufCMessage **)member = any_message(field->descriptor);
    else if (field->type == PROTOBUF_C_TYPE_BOOL)
        *(protobuf_c_boolean *)member = number & 1;
    else if (field->type == PROTOBUF_C_TYPE_INT32)
        *(int32_t *)member = (int32_t)number;
    else if (field->type == PROTOBUF_C_TYPE_INT64)
        *(int64_t *)member = number;
    else
        cr_assert_fail("a type of field that the generator doesn't know: %s", field->name);
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_INT32 ? sizeof(int32_t) : sizeof(void *);
}

static void fill_repeated(ProtobufCMessage *out, const ProtobufCFieldDescriptor *field)
{
    const size_t n = below(4) ? below(4) : below(40);
    if (!n)
        return;
    char *items = calloc(n, size_of(field));
    for (size_t i = 0; i < n; i++)
        fill(items + i * size_of(field), field);
    *(void **)((char *)out + field->offset) = items;
    *(size_t *)((char *)out + field->quantifier_offset) = n;
}

/* Within what our values keep: whole milliseconds or microseconds, in range. */
static void fill_time(ProtobufCMessage *out)
{
    if (out->descriptor == &google__protobuf__duration__descriptor) {
        Google__Protobuf__Duration *duration = (void *)out;
        duration->seconds = (int64_t)below(1000000);
        duration->nanos = (int32_t)below(1000) * 1000000;
    } else {
        Google__Protobuf__Timestamp *time = (void *)out;
        time->seconds = below(2) ? (int64_t)below(253402300799) : -(int64_t)below(62135596800);
        time->nanos = (int32_t)below(1000000) * 1000;
    }
}

static bool is_time(const ProtobufCMessageDescriptor *descriptor)
{
    return descriptor == &google__protobuf__duration__descriptor || descriptor == &google__protobuf__timestamp__descriptor;
}

static void forget_ids(Google__Pubsub__V1__PublishRequest *request)
{
    for (size_t i = 0; i < request->n_messages; i++) {
        pb_message *message = request->messages[i];
        if (message->message_id != (char *)protobuf_c_empty_string)
            free(message->message_id);
        message->message_id = (char *)protobuf_c_empty_string;
        if (message->publish_time)
            google__protobuf__timestamp__free_unpacked(message->publish_time, NULL);
        message->publish_time = NULL;
    }
}

static ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *out = malloc(descriptor->sizeof_message);
    descriptor->message_init(out);
    for (unsigned i = 0; !is_time(descriptor) && i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (is_left_out(descriptor, field))
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED)
            fill_repeated(out, field);
        else if (below(3))
            fill((char *)out + field->offset, field);
    }
    if (is_time(descriptor))
        fill_time(out);
    if (only_written && descriptor == &google__pubsub__v1__streaming_pull_request__descriptor)
        ((Google__Pubsub__V1__StreamingPullRequest *)out)->protocol_version = 1;
    if (only_written && descriptor == &google__pubsub__v1__publish_request__descriptor)
        forget_ids((Google__Pubsub__V1__PublishRequest *)out);
    return out;
}

static struct sl_buf pack(const ProtobufCMessage *message)
{
    struct sl_buf out = {0};
    const size_t len = protobuf_c_message_get_packed_size(message);
    void *bytes = malloc(len + 1);
    protobuf_c_message_pack(message, bytes);
    sl_buf_add(&out, bytes, len);
    free(bytes);
    return out;
}

static struct sl_span span_of(const struct sl_buf *buf)
{
    return (struct sl_span){sl_buf_text(buf), buf->len};
}

Test(pubsub_wire, reads_what_protobuf_c_wrote)
{
    struct sl_arena arena = {0};
    for (int i = 0; i < ROUNDS * N_COMPARED; i++) {
        const struct compared *compared = &COMPARED[i % N_COMPARED];
        ProtobufCMessage *theirs = any_message(compared->descriptor);
        struct sl_buf bytes = pack(theirs);
        struct sl_err err = {0};
        bool same = false;
        cr_assert_eq(compared->compare(&same, theirs, span_of(&bytes), &arena, &err), SL_OK, "%s: %s", compared->descriptor->name,
                     err.text);
        cr_assert(same, "%s, round %d: not the same", compared->descriptor->name, i);
        sl_arena_reset(&arena);
        sl_buf_fini(&bytes);
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
    sl_arena_fini(&arena);
}

/* ---- what we write ---- */

static const char **as_strings(const struct sl_span *spans, size_t n, struct sl_arena *arena)
{
    const char **out = sl_arena_array(arena, n, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = sl_arena_strndup(arena, spans[i].ptr, spans[i].len);
    return out;
}

static struct sl_attribute *as_attributes(const struct sl_pubsub_message *message, struct sl_arena *arena)
{
    struct sl_attribute *out = sl_arena_array(arena, message->n_attributes, sizeof *out);
    for (size_t i = 0; i < message->n_attributes; i++) {
        out[i].key = as_strings(&message->attributes[i].key, 1, arena)[0];
        out[i].value = as_strings(&message->attributes[i].value, 1, arena)[0];
    }
    return out;
}

typedef void rewrite_fn(struct sl_buf *out, struct sl_span in, struct sl_arena *arena);

static void rewrite_publish(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_span topic, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    cr_assert_eq(sl_pubsub_read_publish(&topic, &messages, &n, &raw, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_publish_topic(out, as_strings(&topic, 1, arena)[0]);
    for (size_t i = 0; i < n; i++)
        sl_pubsub_put_message(out, 2, messages[i].data.ptr, messages[i].data.len, as_attributes(&messages[i], arena),
                              messages[i].n_attributes, as_strings(&messages[i].ordering_key, 1, arena)[0]);
}

static void rewrite_publish_response(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_span *ids;
    size_t n;
    cr_assert_eq(sl_pubsub_read_publish_response(&ids, &n, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_publish_response(out, as_strings(ids, n, arena), n);
}

/* As the broker does it: the message as it was published, half of its attributes added later. */
static void rewrite_streaming_response(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_streaming_response response;
    cr_assert_eq(sl_pubsub_read_streaming_response(&response, in.ptr, in.len, arena, NULL), SL_OK);
    for (size_t i = 0; i < response.n; i++) {
        const struct sl_pubsub_message *message = &response.messages[i].message;
        const struct sl_attribute *attributes = as_attributes(message, arena);
        const size_t half = message->n_attributes / 2;
        struct sl_buf request = {0};
        struct sl_span topic, *raw;
        struct sl_pubsub_message *published;
        size_t n;
        sl_pubsub_put_message(&request, 2, message->data.ptr, message->data.len, attributes, half,
                              as_strings(&message->ordering_key, 1, arena)[0]);
        cr_assert_eq(sl_pubsub_read_publish(&topic, &published, &n, &raw, request.data, request.len, arena, NULL), SL_OK);
        sl_pubsub_put_received(out, as_strings(&response.messages[i].ack_id, 1, arena)[0], raw[0].ptr, raw[0].len,
                               as_strings(&message->message_id, 1, arena)[0], message->publish_us, response.messages[i].delivery_attempt,
                               attributes + half, message->n_attributes - half);
        sl_buf_fini(&request);
    }
    if (response.has_properties)
        sl_pubsub_put_properties(out, response.exactly_once, response.ordering);
}

static void rewrite_streaming_request(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_streaming_request request;
    cr_assert_eq(sl_pubsub_read_streaming_request(&request, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_streaming_request(out, as_strings(&request.subscription, 1, arena)[0], request.stream_ack_deadline_s,
                                    as_strings(&request.client_id, 1, arena)[0], request.max_outstanding_messages,
                                    request.max_outstanding_bytes);
}

static void rewrite_acknowledge(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_ack_request request;
    cr_assert_eq(sl_pubsub_read_acknowledge(&request, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_acknowledge(out, as_strings(&request.subscription, 1, arena)[0], as_strings(request.ack_ids, request.n, arena),
                              request.n);
}

static void rewrite_modify(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_ack_request request;
    cr_assert_eq(sl_pubsub_read_modify(&request, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_modify(out, as_strings(&request.subscription, 1, arena)[0], as_strings(request.ack_ids, request.n, arena), request.n,
                         request.deadline_s);
}

static void rewrite_pull(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pull_request request;
    cr_assert_eq(sl_pubsub_read_pull(&request, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_pull(out, as_strings(&request.subscription, 1, arena)[0], request.max_messages, request.return_immediately);
}

static void rewrite_topic(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pubsub_topic topic;
    cr_assert_eq(sl_pubsub_read_topic(&topic, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_topic(out, &topic);
}

static void rewrite_subscription(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pubsub_subscription subscription;
    cr_assert_eq(sl_pubsub_read_subscription(&subscription, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_subscription(out, &subscription);
}

static void rewrite_update_topic(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pubsub_topic topic;
    const char **paths;
    size_t n;
    cr_assert_eq(sl_pubsub_read_update_topic(&topic, &paths, &n, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_update_topic(out, &topic, paths, n);
}

static void rewrite_update_subscription(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pubsub_subscription subscription;
    const char **paths;
    size_t n;
    cr_assert_eq(sl_pubsub_read_update_subscription(&subscription, &paths, &n, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_update_subscription(out, &subscription, paths, n);
}

static void rewrite_list(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    const char *parent, *token;
    int page_size;
    cr_assert_eq(sl_pubsub_read_list(&parent, &page_size, &token, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_list(out, parent, page_size, token);
}

static void rewrite_items(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_span *items;
    size_t n;
    const char *token;
    cr_assert_eq(sl_pubsub_read_items(&items, &n, &token, in.ptr, in.len, arena, NULL), SL_OK);
    for (size_t i = 0; i < n; i++)
        sl_pubsub_put_item(out, items[i].ptr, items[i].len);
    sl_pubsub_put_page_token(out, token);
}

static void rewrite_snapshot(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pubsub_snapshot snapshot;
    cr_assert_eq(sl_pubsub_read_snapshot(&snapshot, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_snapshot(out, &snapshot);
}

static void rewrite_update_snapshot(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_pubsub_snapshot snapshot;
    const char **paths;
    size_t n;
    cr_assert_eq(sl_pubsub_read_update_snapshot(&snapshot, &paths, &n, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_update_snapshot(out, &snapshot, paths, n);
}

static void rewrite_create_snapshot(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_create_snapshot request;
    cr_assert_eq(sl_pubsub_read_create_snapshot(&request, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_create_snapshot(out, &request);
}

static void rewrite_seek(struct sl_buf *out, struct sl_span in, struct sl_arena *arena)
{
    struct sl_seek_request request;
    cr_assert_eq(sl_pubsub_read_seek(&request, in.ptr, in.len, arena, NULL), SL_OK);
    sl_pubsub_put_seek(out, &request);
}

/* In the order of COMPARED. */
static rewrite_fn *const REWRITES[] = {
    rewrite_publish,
    rewrite_publish_response,
    rewrite_streaming_response,
    rewrite_streaming_request,
    rewrite_acknowledge,
    rewrite_modify,
    rewrite_pull,
    rewrite_topic,
    rewrite_subscription,
    rewrite_update_topic,
    rewrite_update_subscription,
    rewrite_list,
    rewrite_items,
    rewrite_snapshot,
    rewrite_update_snapshot,
    rewrite_create_snapshot,
    rewrite_seek,
};
_Static_assert(sizeof REWRITES / sizeof *REWRITES == N_COMPARED, "one per message");

/* protobuf-c's reading of what we wrote means what we had read from what it wrote. */
Test(pubsub_wire, protobuf_c_reads_what_we_wrote)
{
    struct sl_arena arena = {0};
    only_written = true;
    for (int i = 0; i < ROUNDS * N_COMPARED; i++) {
        const struct compared *compared = &COMPARED[i % N_COMPARED];
        ProtobufCMessage *theirs = any_message(compared->descriptor);
        struct sl_buf before = pack(theirs), ours = {0};
        REWRITES[i % N_COMPARED](&ours, span_of(&before), &arena);
        ProtobufCMessage *got = protobuf_c_message_unpack(compared->descriptor, NULL, ours.len, (const uint8_t *)sl_buf_text(&ours));
        cr_assert_not_null(got, "%s: protobuf-c can't read what we wrote", compared->descriptor->name);
        bool same = false;
        cr_assert_eq(compared->compare(&same, got, span_of(&before), &arena, NULL), SL_OK);
        cr_assert(same, "%s, round %d: not the same", compared->descriptor->name, i);
        sl_arena_reset(&arena);
        sl_buf_fini(&before);
        sl_buf_fini(&ours);
        protobuf_c_message_free_unpacked(got, NULL);
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
    sl_arena_fini(&arena);
}

/* ---- bytes that are wrong ---- */

/* The bytes in memory of their own, so that AddressSanitizer sees one read too many. */
static enum sl_code read_exactly(const struct compared *compared, const char *bytes, size_t len)
{
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    bool same;
    const enum sl_code code = compared->compare(&same, NULL, (struct sl_span){copy, len}, &arena, &err);
    cr_assert(code == SL_OK || (code == SL_INVALID && err.text[0]), "%s: code %d without a sentence", compared->descriptor->name, code);
    sl_arena_fini(&arena);
    free(copy);
    return code;
}

Test(pubsub_wire, cut_at_every_byte)
{
    size_t refused = 0;
    for (int i = 0; i < 4 * N_COMPARED; i++) {
        const struct compared *compared = &COMPARED[i % N_COMPARED];
        ProtobufCMessage *theirs = any_message(compared->descriptor);
        struct sl_buf bytes = pack(theirs);
        for (size_t len = 0; len < bytes.len && len < 3000; len++)
            refused += read_exactly(compared, bytes.data, len) != SL_OK;
        sl_buf_fini(&bytes);
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
    cr_assert_gt(refused, 1000);
}

Test(pubsub_wire, bytes_changed_at_random)
{
    size_t refused = 0;
    for (int i = 0; i < 40 * N_COMPARED; i++) {
        const struct compared *compared = &COMPARED[i % N_COMPARED];
        ProtobufCMessage *theirs = any_message(compared->descriptor);
        struct sl_buf bytes = pack(theirs);
        for (int change = 0; bytes.len && change < 20; change++) {
            bytes.data[below(bytes.len)] = (char)next_random();
            refused += read_exactly(compared, bytes.data, bytes.len) != SL_OK;
        }
        sl_buf_fini(&bytes);
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
    cr_assert_gt(refused, 1000);
}

#define BYTES(text) text, sizeof(text) - 1

Test(pubsub_wire, what_is_refused_and_what_is_skipped)
{
    static const struct {
        const char *label;
        compare_fn *compare;
        const char *bytes;
        size_t len;
        const char *sentence; /* NULL: read */
    } CASES[] = {
        {"nothing", compare_publish, BYTES(""), NULL},
        {"unknown varint", compare_publish, BYTES("\xa0\x06\x01"), NULL},
        {"unknown 64 bits", compare_publish,
         BYTES("\xa1\x06"
               "12345678"),
         NULL},
        {"unknown 32 bits", compare_publish,
         BYTES("\xa5\x06"
               "1234"),
         NULL},
        {"unknown bytes", compare_publish,
         BYTES("\xa2\x06\x03"
               "abc"),
         NULL},
        {"an enum's value beyond its list", compare_subscription, BYTES("\x98\x01\x63"), NULL}, /* state: 99 */
        {"an enum's negative value", compare_subscription, BYTES("\x98\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), NULL},
        {"known number, other type", compare_publish, BYTES("\x08\x01"), NULL},
        {"greatest field number", compare_publish, BYTES("\xf8\xff\xff\xff\x0f\x01"), NULL},
        {"field number too great", compare_publish, BYTES("\xf8\xff\xff\xff\x1f\x01"), "PublishRequest: no such field number, byte 5 of 6"},
        {"key of six bytes", compare_publish, BYTES("\x8a\x80\x80\x80\x80\x00\x00"), "PublishRequest: no such field number, byte 6 of 7"},
        {"field 0", compare_publish, BYTES("\x02\x00"), "PublishRequest: no such field number, byte 1 of 2"},
        {"group", compare_publish, BYTES("\x0b\x0c"), "PublishRequest: a group, or no wire type at all, byte 1 of 2"},
        {"end of a group", compare_publish, BYTES("\x0c"), "PublishRequest: a group, or no wire type at all, byte 1 of 1"},
        {"type 7", compare_publish, BYTES("\x0f"), "PublishRequest: a group, or no wire type at all, byte 1 of 1"},
        {"key cut", compare_publish, BYTES("\x8a"), "PublishRequest: a number is cut off, byte 1 of 1"},
        {"length cut", compare_publish, BYTES("\x0a"), "PublishRequest: a number is cut off, byte 1 of 1"},
        {"one byte short", compare_publish,
         BYTES("\x0a\x02"
               "a"),
         "PublishRequest: a field runs past the end, byte 2 of 3"},
        {"length of 2^63", compare_publish,
         BYTES("\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"
               "a"),
         "PublishRequest: a field runs past the end, byte 11 of 12"},
        {"length of 2^64-1", compare_publish,
         BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
               "a"),
         "PublishRequest: a field runs past the end, byte 11 of 12"},
        {"length of 65 bits", compare_publish,
         BYTES("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x03"
               "a"),
         "PublishRequest: a number is longer than 64 bits, byte 11 of 12"},
        {"number of eleven bytes", compare_pull, BYTES("\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"),
         "PullRequest: a number is longer than 64 bits, byte 11 of 12"},
        {"64 bits unknown, cut", compare_publish,
         BYTES("\xa1\x06"
               "1234567"),
         "PublishRequest: a field runs past the end, byte 2 of 9"},
        {"32 bits unknown, cut", compare_publish,
         BYTES("\xa5\x06"
               "123"),
         "PublishRequest: a field runs past the end, byte 2 of 5"},
        {"nested past its own end", compare_publish,
         BYTES("\x12\x02\x0a\x05"
               "abcde"),
         "PubsubMessage: a field runs past the end, byte 2 of 2"},
        {"topic not UTF-8", compare_publish, BYTES("\x0a\x01\xff"), "PublishRequest: a string is not UTF-8, byte 3 of 3"},
        {"attribute not UTF-8", compare_publish, BYTES("\x12\x05\x12\x03\x0a\x01\xff"), "attribute: a string is not UTF-8, byte 3 of 3"},
        {"attribute of a server not UTF-8", compare_streaming_response, BYTES("\x0a\x07\x12\x05\x12\x03\x0a\x01\xff"), NULL},
        {"data of any bytes", compare_publish, BYTES("\x12\x03\x0a\x01\xff"), NULL},
        {"packed, cut", compare_streaming_request, BYTES("\x1a\x01\x80"), "modify_deadline_seconds: a number is cut off, byte 1 of 1"},
        {"name with NUL", compare_list,
         BYTES("\x0a\x03"
               "a\0b"),
         "request: a string holds a NUL, byte 5 of 5"},
        {"duration of a million years", compare_topic, BYTES("\x42\x08\x08\x80\x80\xe0\xde\xd1\xe5\x1c"),
         "Topic: a duration is out of range, byte 10 of 10"},
        {"a billion nanoseconds", compare_topic, BYTES("\x42\x06\x10\x80\x94\xeb\xdc\x03"),
         "Topic: a duration is out of range, byte 8 of 8"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_arena arena = {0};
        struct sl_err err = {0};
        bool same;
        const struct sl_span span = {CASES[i].bytes, CASES[i].len};
        const enum sl_code code = CASES[i].compare(&same, NULL, span, &arena, &err);
        cr_expect_eq(code, CASES[i].sentence ? SL_INVALID : SL_OK, "%s: %s", CASES[i].label, err.text);
        cr_expect_str_eq(err.text, CASES[i].sentence ? CASES[i].sentence : "", "%s", CASES[i].label);
        sl_arena_fini(&arena);
    }
}

Test(pubsub_wire, deadlines_packed_or_not_are_the_same)
{
    static const char MIXED[] = "\x18\x0a\x1a\x03\x14\xac\x02\x18\x00";
    struct sl_arena arena = {0};
    struct sl_streaming_request request;
    cr_assert_eq(sl_pubsub_read_streaming_request(&request, MIXED, sizeof MIXED - 1, &arena, NULL), SL_OK);
    static const int32_t EXPECTED[] = {10, 20, 300, 0};
    cr_assert_eq(request.n_modify_seconds, 4);
    cr_assert_arr_eq(request.modify_seconds, EXPECTED, sizeof EXPECTED);
    sl_arena_fini(&arena);
}

Test(pubsub_wire, map_entries_in_any_order_and_the_last_scalar_wins)
{
    static const char BYTES_[] =
        "\x12\x10\x12\x06\x12\x01v\x0a\x01k\x12\x02\x0a\x00\x12\x00\x0a\x00" /* value before key; empty key; empty entry */
        "\x0a\x01"
        "a\x0a\x01"
        "b";
    struct sl_span topic, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    struct sl_arena arena = {0};
    cr_assert_eq(sl_pubsub_read_publish(&topic, &messages, &n, &raw, BYTES_, sizeof BYTES_ - 1, &arena, NULL), SL_OK);
    cr_assert(same_text(topic, "b"));
    cr_assert_eq(n, 1);
    cr_assert_eq(messages[0].n_attributes, 3);
    cr_assert(same_text(messages[0].attributes[0].key, "k") && same_text(messages[0].attributes[0].value, "v"));
    cr_assert(same_text(messages[0].attributes[1].key, "") && same_text(messages[0].attributes[1].value, ""));
    cr_assert(same_text(messages[0].attributes[2].key, "") && same_text(messages[0].attributes[2].value, ""));
    sl_arena_fini(&arena);
}

/* A publisher that sets the id and the time has no say: the server's own come after them, nanoseconds of 0 too. */
Test(pubsub_wire, a_stored_id_and_time_are_overruled)
{
    static const char STORED[] = "\x0a\x01x\x1a\x03"
                                 "bad\x22\x04\x08\x05\x10\x07";
    struct sl_buf out = {0};
    struct sl_arena arena = {0};
    struct sl_streaming_response response;
    sl_pubsub_put_received(&out, "ack", STORED, sizeof STORED - 1, "good", 1700000000000000, 0, NULL, 0);
    cr_assert_eq(sl_pubsub_read_streaming_response(&response, out.data, out.len, &arena, NULL), SL_OK);
    cr_assert_eq(response.n, 1);
    cr_assert(same_text(response.messages[0].message.message_id, "good"));
    cr_assert_eq(response.messages[0].message.publish_us, 1700000000000000);
    Google__Pubsub__V1__StreamingPullResponse *theirs = google__pubsub__v1__streaming_pull_response__unpack(NULL, out.len,
                                                                                                            (const uint8_t *)out.data);
    cr_assert_str_eq(theirs->received_messages[0]->message->message_id, "good");
    cr_assert_eq(theirs->received_messages[0]->message->publish_time->seconds, 1700000000);
    google__pubsub__v1__streaming_pull_response__free_unpacked(theirs, NULL);
    sl_buf_fini(&out);
    sl_arena_fini(&arena);
}

Test(pubsub_wire, ten_million_bytes)
{
    char *data = malloc(LARGE_BYTES);
    memset(data, 'x', LARGE_BYTES);
    struct sl_buf out = {0};
    sl_pubsub_put_publish_topic(&out, "t");
    sl_pubsub_put_message(&out, 2, data, LARGE_BYTES, NULL, 0, NULL);
    struct sl_span topic, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    struct sl_arena arena = {0};
    cr_assert_eq(sl_pubsub_read_publish(&topic, &messages, &n, &raw, out.data, out.len, &arena, NULL), SL_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(messages[0].data.len, LARGE_BYTES);
    cr_assert_eq(memcmp(messages[0].data.ptr, data, LARGE_BYTES), 0);
    cr_assert_lt(arena.used_bytes, 4096, "the body was copied");
    Google__Pubsub__V1__PublishRequest *theirs = google__pubsub__v1__publish_request__unpack(NULL, out.len, (const uint8_t *)out.data);
    cr_assert_eq(theirs->messages[0]->data.len, LARGE_BYTES);
    google__pubsub__v1__publish_request__free_unpacked(theirs, NULL);
    sl_buf_fini(&out);
    sl_arena_fini(&arena);
    free(data);
}

/* 20 MB of the smallest elements there are: refused, or in bounded memory. */
Test(pubsub_wire, many_tiny_elements)
{
    static const struct {
        const char *label;
        compare_fn *compare;
        const char *element;
        size_t len;
        bool nested; /* in one message */
        const char *sentence;
    } CASES[] = {
        {"messages", compare_publish, BYTES("\x12\x00"), false, "PublishRequest: more than 100000 messages"},
        {"received", compare_streaming_response, BYTES("\x0a\x00"), false, "StreamingPullResponse: more than 100000 messages"},
        {"attributes", compare_publish, BYTES("\x12\x00"), true, "PubsubMessage: too many attributes"},
        {"ids", compare_acknowledge, BYTES("\x12\x00"), false, "AcknowledgeRequest: too many ids, byte 2000002 of 20000000"},
        {"deadlines", compare_streaming_request, BYTES("\x18\x00"), false,
         "StreamingPullRequest: too many deadlines, byte 2000002 of 20000000"},
        {"labels", compare_topic, BYTES("\x12\x00"), false, "Topic: too many labels, byte 20002 of 20000000"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_buf elements = {0}, request = {0};
        while (elements.len < 2 * LARGE_BYTES)
            sl_buf_add(&elements, CASES[i].element, CASES[i].len);
        sl_buf_add(&request, "\x12\x80\xda\xc4\x09", 5); /* field 2 of 20,000,000 bytes */
        sl_buf_add(&request, elements.data, elements.len);
        const struct sl_buf *bytes = CASES[i].nested ? &request : &elements;
        struct sl_arena arena = {0};
        struct sl_err err = {0};
        bool same;
        cr_expect_eq(CASES[i].compare(&same, NULL, span_of(bytes), &arena, &err), SL_INVALID, "%s", CASES[i].label);
        cr_expect_str_eq(err.text, CASES[i].sentence, "%s", CASES[i].label);
        cr_expect_lt(arena.used_bytes, 64u * 1024 * 1024, "%s: %zu bytes", CASES[i].label, arena.used_bytes);
        sl_arena_fini(&arena);
        sl_buf_fini(&elements);
        sl_buf_fini(&request);
    }
}
