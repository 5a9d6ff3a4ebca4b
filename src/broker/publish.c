/* publish.c - Publish: all messages of a request are taken or none. Ids are given when the rows are written and told after the commit.
 * Who subscribes at that moment gets the messages, since a subscription begins at its topic's newest number; where nobody does, and nothing retains
 * them, nothing is stored, but numbers are used up, so that no id is given twice. */
#include "broker_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MESSAGES_MAX ((size_t)1000)
/* The service takes 10,000,000 bytes of a request and says this above 10 MiB. Between the two there is room here for a dead letter of 10,000,000 bytes with its attributes. */
#define REQUEST_MAX_BYTES  ((size_t)10485760)
#define ATTRIBUTES_MAX     ((size_t)100 + 5) /* 5 more: those of dead letters */
#define KEY_MAX_BYTES      ((size_t)256)
#define VALUE_MAX_BYTES    ((size_t)1024)
#define ORDERING_MAX_BYTES ((size_t)1024)

void sl_message_id(char out[SL_MESSAGE_ID_SIZE], const struct sl_broker *broker, const struct sl_topic *topic, int64_t n)
{
    snprintf(out, SL_MESSAGE_ID_SIZE, "%" PRIu32 "%" PRId64, sl_store_id(broker->store), topic->id << SL_STORE_N_BITS | n);
}

enum sl_code sl_topic_add_message(struct sl_broker *broker, struct sl_topic *topic, const void *body, size_t len, struct sl_err *err)
{
    if (topic->last >= SL_STORE_N_MAX)
        return sl_fail(err, SL_UNAVAILABLE, "topic %s has given all its numbers", topic->config.name);
    if (broker->now_us > topic->publish_us)
        topic->publish_us = broker->now_us;
    int64_t n = topic->last + 1;
    enum sl_code code = SL_OK;
    if (sl_topic_is_wanted(topic))
        code = sl_store_add_message(broker->store, topic->id, n, topic->publish_us, body, len, err);
    if (code == SL_OK)
        topic->last = n;
    return code;
}

static bool begins(const struct sl_span *key, const char *with)
{
    return key->len >= strlen(with) && memcmp(key->ptr, with, strlen(with)) == 0;
}

/* The official clients' own attributes are an exception: they publish their traces so. */
static bool is_reserved(const struct sl_span *key)
{
    return begins(key, "goog") && !begins(key, "googclient_");
}

static bool attribute_valid(struct sl_event *event, const struct sl_pubsub_attribute *attribute)
{
    if (attribute->key.len == 0)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "An attribute key is empty");
    else if (attribute->key.len > KEY_MAX_BYTES)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "An attribute key has %zu bytes; at most %zu", attribute->key.len, KEY_MAX_BYTES);
    else if (attribute->value.len > VALUE_MAX_BYTES)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "The value of attribute %.*s has %zu bytes; at most %zu", (int)attribute->key.len,
                        attribute->key.ptr, attribute->value.len, VALUE_MAX_BYTES);
    else if (is_reserved(&attribute->key))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Attribute key %.*s begins with goog, which is reserved", (int)attribute->key.len,
                        attribute->key.ptr);
    else
        return true;
    return false;
}

static bool message_valid(struct sl_event *event, const struct sl_pubsub_message *message)
{
    if (message->data.len == 0 && message->n_attributes == 0)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Some messages are empty");
    else if (message->n_attributes > ATTRIBUTES_MAX)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "A message has %zu attributes; at most %zu", message->n_attributes,
                        ATTRIBUTES_MAX - 5);
    else if (message->ordering_key.len > ORDERING_MAX_BYTES)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "An ordering key has %zu bytes; at most %zu", message->ordering_key.len,
                        ORDERING_MAX_BYTES);
    else
        return true;
    return false;
}

static bool same_text(struct sl_span a, struct sl_span b)
{
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

static bool request_valid(struct sl_event *event, const struct sl_pubsub_message *messages, size_t n)
{
    if (event->len > REQUEST_MAX_BYTES) {
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Request payload size exceeds the limit: %zu bytes.", REQUEST_MAX_BYTES);
        return false;
    }
    if (n == 0 || n > MESSAGES_MAX) {
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, n == 0 ? "No messages to publish" : "Too many messages to publish");
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!message_valid(event, &messages[i]))
            return false;
        for (size_t k = 0; k < messages[i].n_attributes; k++)
            if (!attribute_valid(event, &messages[i].attributes[k]))
                return false;
        if (!same_text(messages[i].ordering_key, messages[0].ordering_key)) {
            sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "All messages of a request must have the same ordering key");
            return false;
        }
    }
    return true;
}

static enum sl_code add_all(struct sl_broker *broker, struct sl_event *event, struct sl_topic *topic, const struct sl_span *raw, size_t n,
                            struct sl_err *err)
{
    enum sl_code code = sl_store_begin(broker->store, err); /* numbers are stored even where messages are not */
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        char id[SL_MESSAGE_ID_SIZE];
        code = sl_topic_add_message(broker, topic, raw[i].ptr, raw[i].len, err);
        sl_message_id(id, broker, topic, topic->last);
        sl_pubsub_put_publish_response(&event->response, &(const char *){id}, 1);
    }
    return code;
}

/* Once into the log, and once more into the file. */
bool sl_has_room(struct sl_broker *broker, size_t bytes)
{
    if (!broker->room_asked)
        broker->room_bytes = sl_store_room_bytes(broker->store);
    broker->room_asked = true;
    const bool fits = broker->room_bytes >= 2 * (int64_t)bytes;
    if (fits)
        broker->room_bytes -= 2 * (int64_t)bytes;
    else
        broker->shrink_ms = broker->now_ms;
    broker->short_of_room = !fits;
    return fits;
}

enum sl_answer sl_publish(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_span name, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_publish(&name, &messages, &n, &raw, event->data, event->len, &broker->arena, &err), &err) ||
        !request_valid(event, messages, n))
        return SL_ANSWER_NOW;
    struct sl_topic *topic = sl_catalog_topic(&broker->catalog, name.ptr, name.len);
    if (!topic)
        return name.len == 0 ? sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [topics] name: (name=)")
                             : sl_event_refuse(event, SL_RPC_NOT_FOUND, "Topic not found");
    if (broker->batch.refuse_publishes) {
        event->status = broker->batch.refusal;
        return SL_ANSWER_NOW;
    }
    if (!sl_has_room(broker, event->len))
        return sl_event_refuse(event, SL_RPC_RESOURCE_EXHAUSTED, "the broker's disk is full, but for what acks need");
    if (add_all(broker, event, topic, raw, n, &err)) {
        sl_batch_refuse_publishes(broker, &err);
        event->status = broker->batch.refusal;
        return SL_ANSWER_NOW;
    }
    return SL_ANSWER_AFTER_COMMIT;
}
