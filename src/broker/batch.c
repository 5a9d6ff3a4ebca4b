/* batch.c - group commit: whatever came during the last fsync is written in one transaction, and answered after its fsync.
 *
 * What is in memory about acks and attempts stays as it is when a commit fails: it is dirty until one succeeds, and no answer has said that it is
 * stored. Messages, their numbers and copies of dead letters are taken back. When the disk is full the publishes are refused and the rest, which
 * needs little or no room, is tried once more without them. After an I/O error nothing is tried: the broker has failed. */
#include "broker_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <sluice/mem.h>

#define RETRY_MS      1000
#define TRIM_AT_LEAST 1000 /* beside other work; fewer wait for a quiet moment */

/* ---- answers ---- */

enum sl_answer sl_event_refuse(struct sl_event *event, enum sl_rpc_code code, const char *fmt, ...)
{
    va_list args;
    event->status.code = code;
    va_start(args, fmt);
    vsnprintf(event->status.message, sizeof(event->status.message), fmt, args);
    va_end(args);
    return SL_ANSWER_NOW;
}

void sl_reply(struct sl_event *event)
{
    bool ok = event->status.code == SL_RPC_OK;
    if (event->details.len > 0 && !ok)
        sl_rpc_refuse(event->call, &event->status, event->details.data, event->details.len);
    else
        sl_rpc_reply(event->call, &event->status, ok ? event->response.data : NULL, ok ? event->response.len : 0);
    sl_event_free(event);
}

/* A publisher must go slower; whoever acks must try again: that is what the codes make the official clients do. */
static void set_store_status(struct sl_rpc_status *status, enum sl_rpc_code code, const struct sl_err *err)
{
    status->code = code;
    snprintf(status->message, sizeof(status->message), "%.400s", err->text);
}

static void note_failure(struct sl_broker *broker, const struct sl_err *err)
{
    sl_store_rollback(broker->store);
    broker->retry_ms = broker->now_ms + RETRY_MS;
    if (err->code != SL_UNAVAILABLE || sl_store_poisoned(broker->store))
        sl_broker_fail(broker, err);
}

enum sl_answer sl_refuse_store(struct sl_broker *broker, struct sl_event *event, const struct sl_err *err)
{
    note_failure(broker, err);
    set_store_status(&event->status, sl_broker_has_failed(broker) ? SL_RPC_UNAVAILABLE : SL_RPC_RESOURCE_EXHAUSTED, err);
    return SL_ANSWER_NOW;
}

void sl_batch_add(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_batch *batch = &broker->batch;
    event->next = NULL;
    if (batch->last)
        batch->last->next = event;
    else
        batch->first = event;
    batch->last = event;
}

/* Answers those that `which` takes, all for NULL; the others stay. */
static void answer(struct sl_broker *broker, bool (*which)(const struct sl_event *), const struct sl_rpc_status *status)
{
    struct sl_event *event = broker->batch.first;
    broker->batch.first = broker->batch.last = NULL;
    while (event) {
        struct sl_event *next = event->next;
        if (which && !which(event)) {
            sl_batch_add(broker, event);
        } else {
            if (status) {
                event->status = *status;
                sl_buf_clear(&event->details);
            }
            sl_reply(event);
        }
        event = next;
    }
}

static bool is_publish(const struct sl_event *event)
{
    return event->method == SL_PUBLISH;
}

/* ---- what a transaction holds ---- */

static void each_topic(struct sl_broker *broker, void (*apply)(struct sl_topic *topic))
{
    for (size_t i = 0; i < broker->catalog.topics.n; i++)
        apply(broker->catalog.topics.items[i]);
    for (size_t i = 0; i < broker->catalog.deleted.n; i++)
        apply(broker->catalog.deleted.items[i]);
}

static void keep_topic(struct sl_topic *topic)
{
    topic->committed = topic->last;
    topic->trimmed = topic->trimming;
}

static void restore_topic(struct sl_topic *topic)
{
    topic->last = topic->committed;
    topic->trimming = topic->trimmed;
}

static void take_back(struct sl_broker *broker)
{
    sl_store_rollback(broker->store);
    each_topic(broker, restore_topic);
    broker->batch.n_forwarded = 0;
}

void sl_batch_refuse_publishes(struct sl_broker *broker, const struct sl_err *err)
{
    struct sl_batch *batch = &broker->batch;
    note_failure(broker, err);
    take_back(broker);
    set_store_status(&batch->refusal, sl_broker_has_failed(broker) ? SL_RPC_UNAVAILABLE : SL_RPC_RESOURCE_EXHAUSTED, err);
    batch->refuse_publishes = true;
    answer(broker, is_publish, &batch->refusal);
}

static uint64_t epoch_of(const struct sl_subscription *subscription)
{
    return subscription->delivery.serial >> SL_SERIAL_BITS;
}

static enum sl_code write_subscription(struct sl_broker *broker, const struct sl_subscription *subscription, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    if (epoch_of(subscription) != subscription->epoch)
        code = sl_store_set_epoch(broker->store, subscription->id, epoch_of(subscription), err);
    if (code == SL_OK && sl_delivery_dirty(&subscription->delivery))
        code = sl_store_put_delivery(broker->store, subscription->id, &subscription->delivery, sl_broker_now(broker), err);
    return code;
}

static enum sl_code write_all(struct sl_broker *broker, struct sl_err *err)
{
    const struct sl_list *topics = &broker->catalog.topics, *subscriptions = &broker->catalog.subscriptions;
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < topics->n && code == SL_OK; i++) {
        const struct sl_topic *topic = topics->items[i];
        if (topic->last != topic->committed)
            code = sl_store_set_topic_last(broker->store, topic->id, topic->last, err);
    }
    for (size_t i = 0; i < subscriptions->n && code == SL_OK; i++)
        code = write_subscription(broker, subscriptions->items[i], err);
    if (code == SL_OK)
        code = sl_trim_step(broker, TRIM_AT_LEAST, err);
    return code ? code : sl_store_commit(broker->store, err);
}

static void keep(struct sl_broker *broker)
{
    struct sl_batch *batch = &broker->batch;
    each_topic(broker, keep_topic);
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++) {
        struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        subscription->epoch = epoch_of(subscription);
        if (sl_delivery_dirty(&subscription->delivery))
            sl_delivery_clean(&subscription->delivery);
    }
    /* Their copies are durable: now, and with the next commit, they are acked. */
    for (size_t i = 0; i < batch->n_forwarded; i++) {
        struct sl_subscription *subscription = batch->forwarded[i].subscription;
        sl_delivery_ack(&subscription->delivery, batch->forwarded[i].n, subscription->topic->committed);
    }
    batch->n_forwarded = 0;
    broker->retry_ms = 0;
}

bool sl_batch_pending(struct sl_broker *broker)
{
    if (broker->batch.first || broker->confirming || sl_store_in_transaction(broker->store))
        return true;
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++) {
        const struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        if (sl_delivery_dirty(&subscription->delivery))
            return true;
    }
    return false;
}

static bool has_publishes(const struct sl_broker *broker)
{
    const struct sl_event *event = broker->batch.first;
    while (event && !is_publish(event))
        event = event->next;
    return event != NULL;
}

void sl_batch_commit(struct sl_broker *broker)
{
    struct sl_err err = {0};
    struct sl_rpc_status status;
    if (!sl_batch_pending(broker))
        return;
    enum sl_code code = sl_broker_has_failed(broker) ? sl_fail(&err, SL_INTERNAL, "the broker's store has failed")
                                                     : write_all(broker, &err);
    if (code == SL_UNAVAILABLE && (has_publishes(broker) || broker->batch.n_forwarded > 0)) {
        sl_batch_refuse_publishes(broker, &err);
        code = write_all(broker, &err);
    }
    if (code == SL_OK) {
        keep(broker);
        answer(broker, NULL, NULL);
        sl_streams_confirm(broker, true);
        return;
    }
    take_back(broker);
    note_failure(broker, &err);
    set_store_status(&status, SL_RPC_UNAVAILABLE, &err);
    answer(broker, NULL, &status);
    sl_streams_confirm(broker, false);
}

void sl_batch_fini(struct sl_broker *broker)
{
    free(broker->batch.forwarded);
}
