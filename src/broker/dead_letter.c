/* dead_letter.c - the copy that goes to the dead letter topic. The stored message is walked field by field and copied as it is, but for what an earlier
 * dead-lettering has added; then comes where it was this time. Pure. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include <sluice/date.h>

#define PREFIX "CloudPubSubDeadLetterSource"

static uint64_t get_varint(const unsigned char **at, const unsigned char *end)
{
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        unsigned char byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            break;
    }
    return value;
}

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

/* The end of the field's value that begins at `at`; what was stored is well-formed, what is not ends the copy. */
static const unsigned char *skip(uint64_t key, const unsigned char *at, const unsigned char *end)
{
    uint64_t len = 0;
    switch (key & 7) {
    case 0: get_varint(&at, end); return at;
    case 1: len = 8; break;
    case 2: len = get_varint(&at, end); break;
    case 5: len = 4; break;
    default: return end;
    }
    return len <= (uint64_t)(end - at) ? at + len : end;
}

/* Is this map entry's key (its field 1) one of ours? */
static bool is_ours(const unsigned char *at, const unsigned char *end)
{
    get_varint(&at, end); /* the entry's length */
    while (at < end) {
        uint64_t key = get_varint(&at, end);
        const unsigned char *value = at;
        at = skip(key, at, end);
        if (key != (1 << 3 | 2))
            continue;
        uint64_t len = get_varint(&value, end);
        return len >= strlen(PREFIX) && memcmp(value, PREFIX, strlen(PREFIX)) == 0;
    }
    return false;
}

static void copy_fields(struct sl_buf *out, const char *body, size_t len)
{
    const unsigned char *at = (const unsigned char *)body, *end = at + len;
    while (at < end) {
        const unsigned char *start = at;
        uint64_t key = get_varint(&at, end);
        const unsigned char *value = at;
        at = skip(key, at, end);
        if (key != (2 << 3 | 2) || !is_ours(value, at))
            sl_buf_add(out, start, (size_t)(at - start));
    }
}

static void put_string(struct sl_buf *out, int field, const char *text, size_t len)
{
    put_varint(out, (uint64_t)field << 3 | 2);
    put_varint(out, len);
    sl_buf_add(out, text, len);
}

static void put_attribute(struct sl_buf *out, const char *key, const char *value, size_t len)
{
    struct sl_buf entry = {0};
    put_string(&entry, 1, key, strlen(key));
    put_string(&entry, 2, value, len);
    put_string(out, 2, entry.data, entry.len);
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
