/* loop.c - the broker thread. A round: take all that has come, apply it, forward dead letters, commit once, answer, deliver; then sleep until the
 * next thing comes or falls due. Admin calls commit by themselves on their way. Nothing here waits for a client. */
#include "broker_internal.h"

#include <string.h>
#include <time.h>

#include <sluice/clock.h>

#define QUIET_MS 500 /* without events for this long, even a few acked messages are deleted */

static enum sl_answer (*const METHODS[SL_N_METHODS])(struct sl_broker *broker, struct sl_event *event) = {
    [SL_CREATE_TOPIC] = sl_create_topic,
    [SL_GET_TOPIC] = sl_get_topic,
    [SL_UPDATE_TOPIC] = sl_update_topic,
    [SL_LIST_TOPICS] = sl_list_topics,
    [SL_LIST_TOPIC_SUBSCRIPTIONS] = sl_list_topic_subscriptions,
    [SL_LIST_TOPIC_SNAPSHOTS] = sl_list_topic_snapshots,
    [SL_DETACH_SUBSCRIPTION] = sl_detach_subscription,
    [SL_DELETE_TOPIC] = sl_delete_topic,
    [SL_PUBLISH] = sl_publish,
    [SL_CREATE_SUBSCRIPTION] = sl_create_subscription,
    [SL_GET_SUBSCRIPTION] = sl_get_subscription,
    [SL_UPDATE_SUBSCRIPTION] = sl_update_subscription,
    [SL_LIST_SUBSCRIPTIONS] = sl_list_subscriptions,
    [SL_DELETE_SUBSCRIPTION] = sl_delete_subscription,
    [SL_PULL] = sl_pull,
    [SL_ACKNOWLEDGE] = sl_acknowledge,
    [SL_MODIFY_ACK_DEADLINE] = sl_modify_ack_deadline,
    [SL_MODIFY_PUSH_CONFIG] = sl_modify_push_config,
    [SL_CREATE_SNAPSHOT] = sl_create_snapshot,
    [SL_GET_SNAPSHOT] = sl_get_snapshot,
    [SL_UPDATE_SNAPSHOT] = sl_update_snapshot,
    [SL_LIST_SNAPSHOTS] = sl_list_snapshots,
    [SL_DELETE_SNAPSHOT] = sl_delete_snapshot,
    [SL_SEEK] = sl_seek,
    [SL_SET_POLICY] = sl_set_policy,
    [SL_GET_POLICY] = sl_get_policy,
    [SL_TEST_PERMISSIONS] = sl_test_permissions,
    [SL_BACKLOG] = sl_backlog,
    [SL_LOOK] = sl_look,
};

struct sl_now sl_now(void)
{
    struct timespec day;
    clock_gettime(CLOCK_REALTIME, &day);
    return (struct sl_now){.us = (int64_t)day.tv_sec * 1000000 + day.tv_nsec / 1000, .ms = sl_monotonic_ms()};
}

static void read_clocks(struct sl_broker *broker)
{
    struct sl_now now = sl_now();
    broker->now_us = now.us;
    broker->now_ms = now.ms;
}

struct sl_now sl_broker_now(const struct sl_broker *broker)
{
    return (struct sl_now){.ms = broker->now_ms, .us = broker->now_us};
}

/* ---- events ---- */

static void apply_call(struct sl_broker *broker, struct sl_event *event)
{
    enum sl_answer answer = SL_ANSWER_NOW;
    if (sl_broker_has_failed(broker))
        sl_event_refuse(event, SL_RPC_UNAVAILABLE, "the broker's store has failed");
    else if (broker->stopping && event->method == SL_PULL)
        sl_event_refuse(event, SL_RPC_UNAVAILABLE, "the broker is stopping");
    else
        answer = METHODS[event->method](broker, event);
    switch (answer) {
    case SL_ANSWER_NOW: sl_reply(event); break;
    case SL_ANSWER_AFTER_COMMIT: sl_batch_add(broker, event); break;
    case SL_ANSWER_LATER: break;
    }
    sl_arena_reset(&broker->arena);
}

static void count(struct sl_broker *broker, struct sl_backlog_question *question)
{
    const struct sl_catalog *catalog = &broker->catalog;
    for (size_t i = 0; i < catalog->subscriptions.n; i++) {
        const struct sl_subscription *subscription = catalog->subscriptions.items[i];
        if (subscription->config.detached)
            continue;
        bool asked = question->n_names == 0;
        for (size_t k = 0; k < question->n_names && !asked; k++)
            asked = strcmp(question->names[k], subscription->config.name) == 0;
        if (!asked)
            continue;
        int64_t leased = (int64_t)subscription->delivery.n_leased;
        question->undelivered += sl_delivery_unacked(&subscription->delivery, subscription->topic->committed) - leased;
        question->leased += leased;
    }
}

/* What has come before the question counts: it is committed first. */
static void apply_question(struct sl_broker *broker, struct sl_backlog_question *question)
{
    sl_batch_commit(broker);
    pthread_mutex_lock(&question->mutex);
    count(broker, question);
    question->answered = true;
    pthread_cond_signal(&question->wake);
    pthread_mutex_unlock(&question->mutex);
}

enum sl_answer sl_backlog(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_backlog_question question = {0};
    struct sl_err err;
    struct sl_span *names;
    const char **texts;
    size_t n;
    /* BacklogRequest: field 1, repeated: the subscriptions; none: all. The same bytes as a PublishResponse. */
    if (sl_read_failed(event, sl_pubsub_read_publish_response(&names, &n, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    texts = sl_arena_array(&broker->arena, n, sizeof(*texts));
    for (size_t i = 0; i < n; i++)
        texts[i] = sl_arena_strndup(&broker->arena, names[i].ptr, names[i].len);
    question.names = texts;
    question.n_names = n;
    sl_batch_commit(broker);
    count(broker, &question);
    sl_wire_put_int(&event->response, 1, question.undelivered);
    sl_wire_put_int(&event->response, 2, question.leased);
    return SL_ANSWER_NOW;
}

static void stop(struct sl_broker *broker)
{
    broker->stopping = true;
    sl_streams_finish_all(broker, NULL, SL_RPC_UNAVAILABLE, "the broker is stopping");
    sl_pulls_refuse(broker, NULL, SL_RPC_UNAVAILABLE, "the broker is stopping");
}

static void apply_event(struct sl_broker *broker, struct sl_event *event)
{
    if (event->until_ms > broker->now_ms && !broker->stopping) {
        sl_delay(broker, event);
        return;
    }
    switch (event->kind) {
    case SL_EVENT_CALL: apply_call(broker, event); return;
    case SL_EVENT_OPENED: sl_stream_opened(broker, event->stream); break;
    case SL_EVENT_MESSAGE:
        sl_stream_message(broker, event->stream, event->data, event->len);
        sl_arena_reset(&broker->arena);
        break;
    case SL_EVENT_HALF_CLOSED: sl_stream_finish(event->stream, SL_RPC_OK, "%s", ""); break;
    case SL_EVENT_OVERLOADED: sl_stream_finish(event->stream, SL_RPC_RESOURCE_EXHAUSTED, "too much is waiting; try again"); break;
    case SL_EVENT_CLOSED: sl_stream_closed(broker, event->stream); break;
    case SL_EVENT_WRITABLE: atomic_store(&event->stream->blocked, false); break;
    case SL_EVENT_BACKLOG: apply_question(broker, event->question); break;
    case SL_EVENT_DROP: sl_streams_finish_all(broker, NULL, SL_RPC_UNAVAILABLE, "injected"); break;
    case SL_EVENT_STOP: stop(broker); break;
    case SL_EVENT_QUIT: broker->quit = true; break;
    }
    sl_event_free(event);
}

static void apply_events(struct sl_broker *broker, struct sl_event *event)
{
    if (event)
        broker->quiet_ms = broker->now_ms + QUIET_MS;
    while (event) {
        struct sl_event *next = event->next;
        apply_event(broker, event);
        event = next;
    }
    while ((event = sl_delayed_take(broker)))
        apply_event(broker, event);
}

/* ---- rounds ---- */

static void tick_deliveries(struct sl_broker *broker)
{
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++) {
        struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        sl_delivery_tick(&subscription->delivery, broker->now_ms);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t deliveries_due_ms(const struct sl_broker *broker)
{
    int64_t due_ms = SL_NEVER;
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++) {
        const struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        due_ms = earlier(due_ms, sl_delivery_due_ms(&subscription->delivery));
    }
    return due_ms;
}

static void commit(struct sl_broker *broker)
{
    bool something_new = broker->batch.first || sl_store_in_transaction(broker->store);
    if (something_new || broker->retry_ms <= broker->now_ms)
        sl_batch_commit(broker);
}

static void trim(struct sl_broker *broker)
{
    struct sl_err err;
    if (sl_trim_step(broker, 1, &err))
        sl_batch_refuse_publishes(broker, &err);
    else
        sl_batch_commit(broker);
    sl_forget_deleted_topics(broker);
}

static void shrink(struct sl_broker *broker)
{
    struct sl_err err;
    int64_t wait_ms;
    if (sl_store_shrink(broker->store, broker->short_of_room, &wait_ms, &err))
        sl_batch_refuse_publishes(broker, &err);
    else
        broker->shrink_ms = wait_ms == SL_NEVER ? SL_NEVER : broker->now_ms + wait_ms;
}

static int64_t tidy_ms(const struct sl_broker *broker)
{
    return later(broker->short_of_room ? 0 : broker->quiet_ms, broker->retry_ms);
}

/* In quiet moments: what everybody has acked goes, step by step, and then the room that it took. */
static void tidy(struct sl_broker *broker)
{
    if (broker->now_ms < tidy_ms(broker))
        return;
    if (sl_trim_waiting(broker))
        trim(broker);
    else if (broker->now_ms >= broker->shrink_ms)
        shrink(broker);
}

/* When the next round must be. */
static int64_t due_ms(struct sl_broker *broker, bool more_to_send)
{
    int64_t due = broker->now_ms + 60000;
    if (more_to_send)
        return broker->now_ms;
    if (sl_batch_pending(broker) || broker->retry_ms > broker->now_ms)
        due = earlier(due, broker->retry_ms);
    if (sl_dead_letters_waiting(broker))
        due = earlier(due, later(broker->retry_ms, broker->forward_ms));
    due = earlier(due, later(tidy_ms(broker), sl_trim_waiting(broker) ? 0 : broker->shrink_ms));
    due = earlier(due, broker->retention_ms);
    due = earlier(due, sl_delayed_due_ms(broker));
    due = earlier(due, sl_pulls_due_ms(broker));
    return earlier(due, deliveries_due_ms(broker));
}

/* A failed broker only answers that it has. */
static int64_t work(struct sl_broker *broker)
{
    bool more = false;
    int64_t streams_ms = SL_NEVER;
    tick_deliveries(broker);
    sl_expire_old(broker);
    sl_forward_dead_letters(broker);
    commit(broker);
    if (!sl_broker_has_failed(broker)) {
        more = sl_sift(broker);
        more |= sl_deliver_all(broker);
        streams_ms = sl_streams_tick(broker);
        tidy(broker);
    }
    if (sl_store_poisoned(broker->store) && !sl_broker_has_failed(broker)) {
        struct sl_err err;
        sl_fail(&err, SL_INTERNAL, "the broker's store failed while its log was moved into the file");
        sl_broker_fail(broker, &err);
    }
    return sl_broker_has_failed(broker) ? SL_NEVER : earlier(due_ms(broker, more), streams_ms);
}

static void fail_everybody(struct sl_broker *broker)
{
    sl_streams_finish_all(broker, NULL, SL_RPC_UNAVAILABLE, "the broker's store has failed");
    sl_pulls_refuse(broker, NULL, SL_RPC_UNAVAILABLE, "the broker's store has failed");
}

int64_t sl_broker_round(struct sl_broker *broker, struct sl_event *events)
{
    broker->batch.refuse_publishes = false;
    broker->room_asked = false;
    apply_events(broker, events);
    int64_t due = sl_broker_has_failed(broker) ? SL_NEVER : work(broker);
    if (sl_broker_has_failed(broker)) {
        sl_batch_commit(broker); /* answers what is left */
        fail_everybody(broker);
        due = sl_streams_tick(broker); /* of those that are ending */
    }
    return due;
}

/* Only questions can have come after the last event: calls have all ended before. */
static void answer_the_rest(struct sl_broker *broker)
{
    struct sl_event *event = sl_inbox_close(&broker->inbox);
    while (event) {
        struct sl_event *next = event->next;
        if (event->kind == SL_EVENT_BACKLOG)
            apply_question(broker, event->question);
        sl_event_free(event);
        event = next;
    }
}

void *sl_broker_run(void *arg)
{
    struct sl_broker *broker = arg;
    int64_t due = 0;
    read_clocks(broker);
    while (!broker->quit) {
        struct sl_event *events = sl_inbox_take(&broker->inbox, earlier(due, broker->now_ms + 60000));
        read_clocks(broker);
        due = sl_broker_round(broker, events);
    }
    answer_the_rest(broker);
    return NULL;
}
