/* seek.c - a subscription set to a time or to a snapshot, or taken from its topic. What is acked from then on:
 *
 *   to a time      everything that was published before it; behind it nothing that is retained, and of what is not retained what was acked already
 *   to a snapshot  what its subscription had acked
 *   detached       everything
 *
 * Leases end with it, and acks of them mean nothing any more. */
#include "broker_internal.h"

#include <string.h>

/* The newest number whose message, and all before it, was published before `us`. Publish times never go back, so it is searched by halves; numbers
 * without a message don't matter. */
static enum sl_code newest_before(struct sl_broker *broker, const struct sl_topic *topic, int64_t us, int64_t *out, struct sl_err *err)
{
    int64_t low = topic->trimmed + 1, high = topic->committed + 1;
    while (low < high) {
        struct sl_stored stored;
        int64_t middle = low + (high - low) / 2;
        enum sl_code code = sl_store_next(broker->store, topic->id, middle, high - 1, &stored, err);
        if (code != SL_OK && code != SL_NOT_FOUND)
            return code;
        if (code == SL_NOT_FOUND || stored.publish_us >= us)
            high = middle;
        else
            low = stored.n + 1;
    }
    *out = low - 1;
    return SL_OK;
}

/* From behind this number on, what is acked is retained. */
static enum sl_code retained_from(struct sl_broker *broker, const struct sl_subscription *subscription, int64_t *out, struct sl_err *err)
{
    const struct sl_topic *topic = subscription->topic;
    const struct sl_pubsub_subscription *config = &subscription->config;
    int64_t by_topic = topic->committed, own = topic->committed;
    enum sl_code code = SL_OK;
    if (topic->config.retention_ms > 0 && !topic->deleted)
        code = newest_before(broker, topic, broker->now_us - topic->config.retention_ms * 1000, &by_topic, err);
    if (code == SL_OK && config->retain_acked) {
        code = newest_before(broker, topic, broker->now_us - config->retention_ms * 1000, &own, err);
        own = own > subscription->born ? own : subscription->born;
    }
    *out = by_topic < own ? by_topic : own;
    return code;
}

/* Of `from` what is in first..last. */
static void add_part(struct sl_ranges *out, const struct sl_ranges *from, int64_t first, int64_t last)
{
    if (from->floor >= first)
        sl_ranges_add(out, first, from->floor < last ? from->floor : last);
    for (size_t i = 0; i < from->n; i++) {
        const struct sl_range *range = &from->items[from->head + i];
        int64_t a = range->first > first ? range->first : first, b = range->last < last ? range->last : last;
        if (a <= b)
            sl_ranges_add(out, a, b);
    }
}

static void seek(struct sl_subscription *subscription, const struct sl_ranges *acked)
{
    sl_delivery_seek(&subscription->delivery, acked);
    subscription->sifted = acked->floor;
}

static enum sl_code seek_time(struct sl_broker *broker, struct sl_subscription *subscription, int64_t us, struct sl_err *err)
{
    int64_t before, retained;
    if (newest_before(broker, subscription->topic, us, &before, err) || retained_from(broker, subscription, &retained, err))
        return err->code;
    struct sl_ranges acked;
    sl_ranges_init(&acked, before);
    if (retained > before)
        add_part(&acked, &subscription->delivery.acked, before + 1, retained);
    seek(subscription, &acked);
    sl_ranges_fini(&acked);
    return SL_OK;
}

static enum sl_answer seek_snapshot(struct sl_broker *broker, struct sl_event *event, struct sl_subscription *subscription,
                                    const char *name)
{
    const struct sl_snapshot *snapshot = sl_catalog_snapshot(&broker->catalog, name, strlen(name));
    if (!snapshot)
        return sl_event_refuse(event, SL_RPC_NOT_FOUND, "Snapshot does not exist (resource=%s)", name);
    if (snapshot->topic != subscription->topic)
        return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "The snapshot is of another topic than the subscription");
    seek(subscription, &snapshot->acked);
    return SL_ANSWER_AFTER_COMMIT;
}

enum sl_answer sl_seek(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_seek_request request;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_seek(&request, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    struct sl_subscription *subscription = sl_find_subscription(broker, event, request.subscription);
    if (!subscription)
        return SL_ANSWER_NOW;
    if (subscription->config.detached)
        return sl_event_refuse(event, SL_RPC_FAILED_PRECONDITION, SL_DETACHED);
    if (request.has_time == (*request.snapshot != '\0'))
        return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "A time or a snapshot to seek to must be given");
    sl_batch_commit(broker); /* what was published before the call is there */
    if (!request.has_time)
        return seek_snapshot(broker, event, subscription, request.snapshot);
    if (seek_time(broker, subscription, request.time_us, &err))
        return sl_refuse_store(broker, event, &err);
    return SL_ANSWER_AFTER_COMMIT;
}

/* ---- detaching ---- */

static void drop_messages(struct sl_subscription *subscription)
{
    struct sl_ranges all;
    sl_ranges_init(&all, subscription->topic->committed);
    seek(subscription, &all);
    sl_ranges_fini(&all);
}

enum sl_answer sl_detach_subscription(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct sl_err err;
    struct sl_subscription *subscription = sl_read_name(broker, event, &name) ? sl_find_subscription(broker, event, name) : NULL;
    if (!subscription || subscription->config.detached)
        return SL_ANSWER_NOW;
    struct sl_pubsub_subscription config = subscription->config;
    config.detached = true;
    sl_batch_commit(broker);
    sl_buf_clear(&broker->out);
    sl_pubsub_put_subscription(&broker->out, &config);
    if (sl_store_set_subscription_config(broker->store, subscription->id, broker->out.data, broker->out.len, &err) ||
        sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    sl_catalog_set_subscription(subscription, &config);
    sl_streams_finish_all(broker, subscription, SL_RPC_FAILED_PRECONDITION, SL_DETACHED);
    sl_pulls_refuse(broker, subscription, SL_RPC_FAILED_PRECONDITION, SL_DETACHED);
    drop_messages(subscription);
    return SL_ANSWER_AFTER_COMMIT;
}
