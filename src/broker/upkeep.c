/* upkeep.c - what the broker does by itself: copies of dead letters, deleting what everybody has acked, dropping what is too old. All in bounded
 * steps, so that nobody waits long for them. */
#include "broker_internal.h"

#include <string.h>

#include <sluice/mem.h>

#define DEAD_STEP        64 /* copies per commit */
#define FORWARD_AGAIN_MS 1000
#define TRIM_STEP        2000 /* messages deleted per commit: about 2 ms */
#define OLD_STEP         5000
#define OLD_EVERY_MS     60000

/* ---- dead letters ---- */

static enum sl_code forward_one(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_topic *target, int64_t n,
                                struct sl_err *err)
{
    struct sl_stored stored;
    enum sl_code code = sl_store_get(broker->store, subscription->topic->id, n, &stored, err);
    if (code == SL_NOT_FOUND) {
        sl_delivery_missing(&subscription->delivery, n, n);
        return SL_OK;
    }
    if (code)
        return code;
    if (!sl_has_room(broker, stored.len))
        return sl_fail(err, SL_UNAVAILABLE, "the broker's disk is full, but for what acks need");
    struct sl_dead_letter about = {.subscription = subscription->config.name,
                                   .attempts = sl_delivery_attempts(&subscription->delivery, n),
                                   .publish_us = stored.publish_us};
    sl_buf_clear(&broker->out);
    sl_dead_letter_put(&broker->out, stored.body, stored.len, &about);
    sl_store_scan_close(broker->store);
    code = sl_store_begin(broker->store, err);
    if (code == SL_OK)
        code = sl_topic_add_message(broker, target, broker->out.data, broker->out.len, err);
    if (code)
        return code;
    struct sl_batch *batch = &broker->batch;
    sl_grow((void **)&batch->forwarded, &batch->cap_forwarded, batch->n_forwarded + 1, sizeof(*batch->forwarded));
    batch->forwarded[batch->n_forwarded++] = (struct sl_forwarded){subscription, n};
    return SL_OK;
}

/* Where there is no such topic any more, they are delivered on. */
static enum sl_code forward_of(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_err *err)
{
    int64_t dead[DEAD_STEP];
    size_t n = sl_delivery_dead(&subscription->delivery, dead, DEAD_STEP);
    const char *name = subscription->config.dead_letter_topic;
    struct sl_topic *target = name ? sl_catalog_topic(&broker->catalog, name, strlen(name)) : NULL;
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        if (target)
            code = forward_one(broker, subscription, target, dead[i], err);
        else
            sl_delivery_revive(&subscription->delivery, dead[i], broker->now_ms);
    }
    return code;
}

void sl_forward_dead_letters(struct sl_broker *broker)
{
    struct sl_err err;
    if (broker->batch.refuse_publishes || broker->retry_ms > broker->now_ms || broker->forward_ms > broker->now_ms)
        return;
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++)
        if (forward_of(broker, broker->catalog.subscriptions.items[i], &err)) {
            broker->forward_ms = broker->now_ms + FORWARD_AGAIN_MS;
            sl_batch_refuse_publishes(broker, &err);
            return;
        }
}

bool sl_dead_letters_waiting(const struct sl_broker *broker)
{
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++) {
        const struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        if (subscription->delivery.dead.n > 0)
            return true;
    }
    return false;
}

/* ---- what everybody has acked ---- */

static enum sl_code trim_topic(struct sl_broker *broker, struct sl_topic *topic, int64_t at_least, struct sl_err *err)
{
    int64_t floor = sl_topic_floor(topic);
    if (floor - topic->trimming < at_least)
        return SL_OK;
    if (floor > topic->trimming)
        broker->shrink_ms = broker->now_ms;
    return sl_store_trim(broker->store, topic->id, topic->trimming, floor, TRIM_STEP, &topic->trimming, err);
}

enum sl_code sl_trim_step(struct sl_broker *broker, int64_t at_least, struct sl_err *err)
{
    const struct sl_list *lists[] = {&broker->catalog.topics, &broker->catalog.deleted};
    enum sl_code code = SL_OK;
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n && code == SL_OK; i++)
            code = trim_topic(broker, lists[k]->items[i], at_least, err);
    return code;
}

bool sl_trim_waiting(const struct sl_broker *broker)
{
    const struct sl_list *lists[] = {&broker->catalog.topics, &broker->catalog.deleted};
    for (size_t k = 0; k < 2; k++)
        for (size_t i = 0; i < lists[k]->n; i++) {
            const struct sl_topic *topic = lists[k]->items[i];
            if (sl_topic_floor(topic) > topic->trimmed)
                return true;
        }
    return false;
}

void sl_forget_deleted_topics(struct sl_broker *broker)
{
    struct sl_list *deleted = &broker->catalog.deleted;
    struct sl_err err;
    for (size_t i = deleted->n; i-- > 0;) {
        struct sl_topic *topic = deleted->items[i];
        if (topic->subscriptions.n > 0 || topic->snapshots.n > 0 || topic->trimmed < topic->committed)
            continue;
        if (sl_store_delete_topic(broker->store, topic->id, &err) || sl_store_commit(broker->store, &err)) {
            sl_batch_refuse_publishes(broker, &err);
            return;
        }
        sl_catalog_forget_topic(&broker->catalog, topic);
    }
}

/* ---- retention ---- */

/* true: there may be more. */
static bool expire_of(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_err *err)
{
    int64_t before_us = broker->now_us - subscription->config.retention_ms * 1000;
    int64_t floor = subscription->delivery.acked.floor, old;
    if (floor >= subscription->topic->committed || subscription->config.detached ||
        sl_store_older(broker->store, subscription->topic->id, floor, before_us, OLD_STEP, &old, err))
        return false;
    if (old > floor)
        sl_delivery_missing(&subscription->delivery, floor + 1, old);
    return old > floor;
}

/* What is acked and too old to be retained. true: there may be more. */
static bool age_topic(struct sl_broker *broker, struct sl_topic *topic, struct sl_err *err)
{
    int64_t retention_ms = sl_topic_retention_ms(topic), before = topic->old > topic->trimmed ? topic->old : topic->trimmed;
    if (retention_ms == 0 || before >= topic->committed)
        return false;
    if (sl_store_older(broker->store, topic->id, before, broker->now_us - retention_ms * 1000, OLD_STEP, &topic->old, err))
        return false;
    return topic->old > before;
}

static bool expire_snapshots(struct sl_broker *broker, struct sl_err *err)
{
    struct sl_list *snapshots = &broker->catalog.snapshots;
    for (size_t i = snapshots->n; i-- > 0;) {
        struct sl_snapshot *snapshot = snapshots->items[i];
        if (snapshot->config.expire_us > broker->now_us)
            continue;
        if (sl_store_delete_snapshot(broker->store, snapshot->id, err))
            return false;
        sl_catalog_remove_snapshot(&broker->catalog, snapshot);
    }
    return true;
}

/* Those that nobody has used for the time that their policy gives them. */
static bool expire_subscriptions(struct sl_broker *broker, struct sl_err *err)
{
    struct sl_list *subscriptions = &broker->catalog.subscriptions;
    for (size_t i = subscriptions->n; i-- > 0;) {
        struct sl_subscription *subscription = subscriptions->items[i];
        if (subscription->streams.n > 0 || subscription->used_ms == 0)
            subscription->used_ms = broker->now_ms;
        int64_t ttl_ms = subscription->config.ttl_ms;
        if (ttl_ms > 0 && broker->now_ms - subscription->used_ms >= ttl_ms && sl_drop_subscription(broker, subscription, err))
            return false;
    }
    return true;
}

void sl_expire_old(struct sl_broker *broker)
{
    struct sl_err err = {0};
    bool more = false;
    if (broker->now_ms < broker->retention_ms)
        return;
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++)
        more |= expire_of(broker, broker->catalog.subscriptions.items[i], &err);
    for (size_t i = 0; i < broker->catalog.topics.n; i++)
        more |= age_topic(broker, broker->catalog.topics.items[i], &err);
    for (size_t i = 0; i < broker->catalog.deleted.n; i++)
        more |= age_topic(broker, broker->catalog.deleted.items[i], &err);
    if (err.code)
        sl_broker_fail(broker, &err);
    else if (!expire_snapshots(broker, &err) || !expire_subscriptions(broker, &err))
        sl_batch_refuse_publishes(broker, &err);
    broker->retention_ms = broker->now_ms + (more ? 0 : OLD_EVERY_MS);
}
