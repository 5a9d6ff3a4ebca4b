/* topic.c - what a topic's messages are still needed for; and names of resources. Pure. */
#include "broker_internal.h"

#include <string.h>

int64_t sl_topic_retention_ms(const struct sl_topic *topic)
{
    int64_t longest_ms = topic->deleted ? 0 : topic->config.retention_ms;
    for (size_t i = 0; i < topic->subscriptions.n; i++) {
        const struct sl_subscription *subscription = topic->subscriptions.items[i];
        const struct sl_pubsub_subscription *config = &subscription->config;
        if (config->retain_acked && !config->detached && config->retention_ms > longest_ms)
            longest_ms = config->retention_ms;
    }
    return longest_ms;
}

bool sl_topic_is_wanted(const struct sl_topic *topic)
{
    for (size_t i = 0; i < topic->subscriptions.n; i++) {
        const struct sl_subscription *subscription = topic->subscriptions.items[i];
        if (!subscription->config.detached)
            return true;
    }
    return topic->snapshots.n > 0 || topic->config.retention_ms > 0;
}

static int64_t lower(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t sl_topic_floor(const struct sl_topic *topic)
{
    int64_t floor = topic->committed;
    for (size_t i = 0; i < topic->subscriptions.n; i++) {
        const struct sl_subscription *subscription = topic->subscriptions.items[i];
        if (!subscription->config.detached)
            floor = lower(floor, subscription->delivery.acked.floor);
    }
    for (size_t i = 0; i < topic->snapshots.n; i++) {
        const struct sl_snapshot *snapshot = topic->snapshots.items[i];
        floor = lower(floor, snapshot->acked.floor);
    }
    return sl_topic_retention_ms(topic) > 0 ? lower(floor, topic->old) : floor;
}

/* ---- names ---- */

static bool id_valid(const char *id)
{
    size_t len = strlen(id);
    if (len < 3 || len > 255 || strncmp(id, "goog", 4) == 0)
        return false;
    if (!((id[0] >= 'a' && id[0] <= 'z') || (id[0] >= 'A' && id[0] <= 'Z')))
        return false;
    return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~+%") == len;
}

bool sl_resource_name_valid(const char *name, const char *kind)
{
    if (strncmp(name, "projects/", 9) != 0)
        return false;
    const char *slash = strchr(name + 9, '/');
    size_t kind_len = strlen(kind);
    if (!slash || slash == name + 9 || strncmp(slash + 1, kind, kind_len) != 0 || slash[1 + kind_len] != '/')
        return false;
    return id_valid(slash + 2 + kind_len);
}
