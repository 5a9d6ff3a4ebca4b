/* pull.c - Pull: answered as soon as there is something, with nothing after PULL_WAIT_MS, or at once when the client says so. */
#include "broker_internal.h"

#define PULL_WAIT_MS 5000
#define PULL_MAX     1000

enum sl_answer sl_pull(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_pull_request request;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_pull(&request, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    event->subscription = sl_find_subscription_span(broker, event, request.subscription);
    if (!event->subscription)
        return SL_ANSWER_NOW;
    if (request.max_messages <= 0)
        return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "No max_messages specified");
    if (event->subscription->config.detached)
        return sl_event_refuse(event, SL_RPC_FAILED_PRECONDITION, SL_DETACHED);
    event->subscription->used_ms = broker->now_ms;
    event->max_messages = request.max_messages < PULL_MAX ? request.max_messages : PULL_MAX;
    event->until_ms = request.return_immediately ? broker->now_ms : broker->now_ms + PULL_WAIT_MS;
    struct sl_event **end = &broker->pulls;
    while (*end)
        end = &(*end)->next;
    event->next = NULL;
    *end = event;
    return SL_ANSWER_LATER;
}

static void drop(struct sl_event **place)
{
    struct sl_event *event = *place;
    *place = event->next;
    sl_reply(event);
}

void sl_pulls_tick(struct sl_broker *broker)
{
    struct sl_event **place = &broker->pulls;
    while (*place) {
        struct sl_event *event = *place;
        if (sl_rpc_gone(event->call)) {
            drop(place);
            continue;
        }
        size_t n = sl_deliver_pull(broker, event->subscription, event->max_messages, &event->response);
        if (n > 0 || event->until_ms <= broker->now_ms)
            drop(place);
        else
            place = &event->next;
    }
}

int64_t sl_pulls_due_ms(const struct sl_broker *broker)
{
    int64_t due_ms = SL_NEVER;
    for (const struct sl_event *event = broker->pulls; event; event = event->next)
        due_ms = event->until_ms < due_ms ? event->until_ms : due_ms;
    return due_ms;
}

void sl_pulls_refuse(struct sl_broker *broker, const struct sl_subscription *only, enum sl_rpc_code code, const char *text)
{
    struct sl_event **place = &broker->pulls;
    while (*place) {
        if (!only || (*place)->subscription == only) {
            sl_event_refuse(*place, code, "%s", text);
            drop(place);
        } else {
            place = &(*place)->next;
        }
    }
}
