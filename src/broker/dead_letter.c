/* dead_letter.c - the copy that goes to the dead letter topic. The stored message is walked field by field and copied as it is, but for what an earlier
 * dead-lettering has added; then comes where it was this time. Pure. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include <sluice/date.h>

#define PREFIX "CloudPubSubDeadLetterSource"

static void put_varint(struct sl_buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        sl_buf_char(out, (char)(unsigned char)(0x80 | (value & 0x7F)));
    sl_buf_char(out, (char)value);
}

void sl_put_number(struct sl_buf *out, int field, int64_t value)
{
    put_varint(out, (uint64_t)field << 3);
    put_varint(out, (uint64_t)value);
}

static bool is_ours(const struct sl_body_field *field)
{
    struct sl_pubsub_attribute attribute;
    return sl_body_attribute(field, &attribute) && attribute.key.len >= strlen(PREFIX) &&
           memcmp(attribute.key.ptr, PREFIX, strlen(PREFIX)) == 0;
}

static void copy_fields(struct sl_buf *out, const char *body, size_t len)
{
    struct sl_body at = {body, body + len};
    struct sl_body_field field;
    while (sl_body_next(&at, &field))
        if (!is_ours(&field))
            sl_buf_add(out, field.start, (size_t)(field.value.ptr + field.value.len - field.start));
}

void sl_put_bytes(struct sl_buf *out, int field, const void *bytes, size_t len)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, len);
    sl_buf_add(out, bytes, len);
}

static void put_attribute(struct sl_buf *out, const char *key, const char *value, size_t len)
{
    struct sl_buf entry = {0};
    sl_put_bytes(&entry, 1, key, strlen(key));
    sl_put_bytes(&entry, 2, value, len);
    sl_put_bytes(out, 2, entry.data, entry.len);
    sl_buf_fini(&entry);
}

/* "projects/P/subscriptions/S" */
static void put_source(struct sl_buf *out, const char *name)
{
    const char *project = strchr(name, '/') + 1;
    const char *id = strrchr(name, '/') + 1;
    put_attribute(out, PREFIX "Subscription", id, strlen(id));
    put_attribute(out, PREFIX "SubscriptionProject", project, strcspn(project, "/"));
}

void sl_dead_letter_put(struct sl_buf *out, const char *body, size_t len, const struct sl_dead_letter *about)
{
    char text[64];
    copy_fields(out, body, len);
    int n = snprintf(text, sizeof(text), "%d", about->attempts);
    put_attribute(out, PREFIX "DeliveryCount", text, (size_t)n);
    put_source(out, about->subscription);
    sl_time_format(about->publish_us, text);
    put_attribute(out, PREFIX "TopicPublishTime", text, strlen(text));
    n = snprintf(text, sizeof(text), "not acknowledged in %d delivery attempts", about->attempts);
    put_attribute(out, PREFIX "DeliveryErrorMessage", text, (size_t)n);
}
