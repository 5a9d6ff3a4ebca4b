/* hot_write.c - the messages that carry the load, written straight into the buffer: the size of a nested message is counted before it is written. */
#include <string.h>

#include "wire.h"

enum { TIMESTAMP_BYTES = 2 * (1 + SL_WIRE_MAX_VARINT_BYTES) }; /* two keys, two numbers */

static size_t text_size(int number, const char *text)
{
    return text && *text ? sl_wire_bytes_size(number, strlen(text)) : 0;
}

static size_t entry_size(const struct sl_attribute *attribute)
{
    return text_size(1, attribute->key) + text_size(2, attribute->value);
}

static size_t attributes_size(const struct sl_attribute *attributes, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += sl_wire_bytes_size(2, entry_size(&attributes[i]));
    return size;
}

static void put_attributes(struct sl_buf *out, const struct sl_attribute *attributes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sl_wire_put_key(out, 2, SL_WIRE_BYTES);
        sl_wire_put_varint(out, entry_size(&attributes[i]));
        sl_wire_put_text(out, 1, attributes[i].key);
        sl_wire_put_text(out, 2, attributes[i].value);
    }
}

void sl_pubsub_put_message(struct sl_buf *out, int field, const char *data, size_t len, const struct sl_attribute *attributes,
                           size_t n_attributes, const char *ordering_key)
{
    const size_t data_size = len ? sl_wire_bytes_size(1, len) : 0;
    sl_wire_put_key(out, field, SL_WIRE_BYTES);
    sl_wire_put_varint(out, data_size + attributes_size(attributes, n_attributes) + text_size(5, ordering_key));
    if (len)
        sl_wire_put_bytes(out, 1, data, len);
    put_attributes(out, attributes, n_attributes);
    sl_wire_put_text(out, 5, ordering_key);
}

void sl_pubsub_put_publish_topic(struct sl_buf *out, const char *topic)
{
    sl_wire_put_text(out, 1, topic);
}

void sl_pubsub_put_publish_response(struct sl_buf *out, const char *const *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sl_wire_put_bytes(out, 1, ids[i], strlen(ids[i]));
}

/* Both fields even when they are 0: they go over what the stored message may hold, and merging would keep its own. */
static size_t write_timestamp(char out[static TIMESTAMP_BYTES], int64_t us)
{
    const struct sl_wire_time time = sl_wire_time_of(us);
    size_t n = 0;
    out[n++] = (char)SL_KEY(1, SL_WIRE_VARINT);
    n += sl_wire_write_varint(out + n, (uint64_t)time.seconds);
    out[n++] = (char)SL_KEY(2, SL_WIRE_VARINT);
    return n + sl_wire_write_varint(out + n, (uint64_t)time.nanos);
}

static size_t int_size(int number, int64_t value)
{
    return value ? sl_wire_varint_size(SL_KEY(number, SL_WIRE_VARINT)) + sl_wire_varint_size((uint64_t)value) : 0;
}

void sl_pubsub_put_received(struct sl_buf *out, const char *ack_id, const char *stored, size_t stored_len, const char *message_id,
                            int64_t publish_us, int delivery_attempt, const struct sl_attribute *more, size_t n_more)
{
    char time[TIMESTAMP_BYTES];
    const size_t time_len = write_timestamp(time, publish_us), id_len = strlen(message_id);
    const size_t message = stored_len + attributes_size(more, n_more) + sl_wire_bytes_size(3, id_len) + sl_wire_bytes_size(4, time_len);
    sl_wire_put_key(out, 1, SL_WIRE_BYTES);
    sl_wire_put_varint(out, text_size(1, ack_id) + sl_wire_bytes_size(2, message) + int_size(3, delivery_attempt));
    sl_wire_put_text(out, 1, ack_id);
    sl_wire_put_key(out, 2, SL_WIRE_BYTES);
    sl_wire_put_varint(out, message);
    sl_buf_add(out, stored, stored_len);
    put_attributes(out, more, n_more);
    sl_wire_put_bytes(out, 3, message_id, id_len);
    sl_wire_put_bytes(out, 4, time, time_len);
    sl_wire_put_int(out, 3, delivery_attempt);
}

void sl_pubsub_put_properties(struct sl_buf *out, bool exactly_once, bool ordering)
{
    struct sl_buf bytes = {0};
    sl_wire_put_int(&bytes, 1, exactly_once);
    sl_wire_put_int(&bytes, 2, ordering);
    sl_wire_put_message(out, 4, &bytes);
    sl_buf_fini(&bytes);
}

void sl_pubsub_put_streaming_request(struct sl_buf *out, const char *subscription, int stream_ack_deadline_s, const char *client_id,
                                     int64_t max_outstanding_messages, int64_t max_outstanding_bytes)
{
    sl_wire_put_text(out, 1, subscription);
    sl_wire_put_int(out, 5, stream_ack_deadline_s);
    sl_wire_put_text(out, 6, client_id);
    sl_wire_put_int(out, 7, max_outstanding_messages);
    sl_wire_put_int(out, 8, max_outstanding_bytes);
    sl_wire_put_int(out, 10, 1); /* we know what an empty response is: the server may send heartbeats */
}

static void put_ids(struct sl_buf *out, int number, const char *const *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sl_wire_put_bytes(out, number, ids[i], strlen(ids[i]));
}

void sl_pubsub_put_acknowledge(struct sl_buf *out, const char *subscription, const char *const *ack_ids, size_t n)
{
    sl_wire_put_text(out, 1, subscription);
    put_ids(out, 2, ack_ids, n);
}

void sl_pubsub_put_modify(struct sl_buf *out, const char *subscription, const char *const *ack_ids, size_t n, int deadline_s)
{
    sl_wire_put_text(out, 1, subscription);
    sl_wire_put_int(out, 3, deadline_s);
    put_ids(out, 4, ack_ids, n);
}

void sl_pubsub_put_pull(struct sl_buf *out, const char *subscription, int max_messages, bool return_immediately)
{
    sl_wire_put_text(out, 1, subscription);
    sl_wire_put_int(out, 2, return_immediately);
    sl_wire_put_int(out, 3, max_messages);
}
