/* dead_letter.c - the copy that goes to the dead letter topic. The stored message is walked field by field and copied as it is, but for what an earlier
 * dead-lettering has added; then comes where it was this time. Pure. */
#include "broker_internal.h"

#include <stdio.h>
#include <string.h>

#include <sluice/date.h>

#define PREFIX "CloudPubSubDeadLetterSource"

static bool is_ours(const struct sl_wire_field *field)
{
    struct sl_pubsub_attribute attribute;
    return sl_body_attribute(field, &attribute) && attribute.key.len >= strlen(PREFIX) &&
           memcmp(attribute.key.ptr, PREFIX, strlen(PREFIX)) == 0;
}

static void copy_fields(struct sl_buf *out, const char *body, size_t len)
{
    struct sl_wire wire = sl_body_open(body, len);
    struct sl_wire_field field;
    for (const char *start = wire.at; sl_wire_next(&wire, &field); start = wire.at)
        if (!is_ours(&field))
            sl_buf_add(out, start, (size_t)(wire.at - start));
}

static void put_attribute(struct sl_buf *out, const char *key, const char *value, size_t len)
{
    struct sl_buf entry = {0};
    sl_wire_put_bytes(&entry, 1, key, strlen(key));
    sl_wire_put_bytes(&entry, 2, value, len);
    sl_wire_put_message(out, 2, &entry);
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
