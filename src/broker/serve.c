/* serve.c - the gRPC side: which methods there are, and the handlers on the rpc loop, which only put an event into the inbox. */
#include "broker_internal.h"

#define PUBLISHER  "/google.pubsub.v1.Publisher/"
#define SUBSCRIBER "/google.pubsub.v1.Subscriber/"
#define IAM        "/google.iam.v1.IAMPolicy/"

const struct sl_rpc_method SL_METHODS[SL_N_METHODS] = {
    [SL_CREATE_TOPIC] = {PUBLISHER "CreateTopic", false},
    [SL_GET_TOPIC] = {PUBLISHER "GetTopic", false},
    [SL_UPDATE_TOPIC] = {PUBLISHER "UpdateTopic", false},
    [SL_LIST_TOPICS] = {PUBLISHER "ListTopics", false},
    [SL_LIST_TOPIC_SUBSCRIPTIONS] = {PUBLISHER "ListTopicSubscriptions", false},
    [SL_LIST_TOPIC_SNAPSHOTS] = {PUBLISHER "ListTopicSnapshots", false},
    [SL_DETACH_SUBSCRIPTION] = {PUBLISHER "DetachSubscription", false},
    [SL_DELETE_TOPIC] = {PUBLISHER "DeleteTopic", false},
    [SL_PUBLISH] = {PUBLISHER "Publish", false},
    [SL_CREATE_SUBSCRIPTION] = {SUBSCRIBER "CreateSubscription", false},
    [SL_GET_SUBSCRIPTION] = {SUBSCRIBER "GetSubscription", false},
    [SL_UPDATE_SUBSCRIPTION] = {SUBSCRIBER "UpdateSubscription", false},
    [SL_LIST_SUBSCRIPTIONS] = {SUBSCRIBER "ListSubscriptions", false},
    [SL_DELETE_SUBSCRIPTION] = {SUBSCRIBER "DeleteSubscription", false},
    [SL_PULL] = {SUBSCRIBER "Pull", false},
    [SL_ACKNOWLEDGE] = {SUBSCRIBER "Acknowledge", false},
    [SL_MODIFY_ACK_DEADLINE] = {SUBSCRIBER "ModifyAckDeadline", false},
    [SL_MODIFY_PUSH_CONFIG] = {SUBSCRIBER "ModifyPushConfig", false},
    [SL_CREATE_SNAPSHOT] = {SUBSCRIBER "CreateSnapshot", false},
    [SL_GET_SNAPSHOT] = {SUBSCRIBER "GetSnapshot", false},
    [SL_UPDATE_SNAPSHOT] = {SUBSCRIBER "UpdateSnapshot", false},
    [SL_LIST_SNAPSHOTS] = {SUBSCRIBER "ListSnapshots", false},
    [SL_DELETE_SNAPSHOT] = {SUBSCRIBER "DeleteSnapshot", false},
    [SL_SEEK] = {SUBSCRIBER "Seek", false},
    [SL_SET_POLICY] = {IAM "SetIamPolicy", false},
    [SL_GET_POLICY] = {IAM "GetIamPolicy", false},
    [SL_TEST_PERMISSIONS] = {IAM "TestIamPermissions", false},
    [SL_BACKLOG] = {"/sluice.broker.v1.Broker/Backlog", false},
    [SL_LOOK] = {"/sluice.broker.v1.Broker/Look", false},
    [SL_STREAMING_PULL] = {SUBSCRIBER "StreamingPull", true},
};

static void on_call(void *arg, struct sl_rpc_peer_call *call, size_t method, const void *data, size_t len)
{
    struct sl_broker *broker = arg;
    struct sl_rpc_status status;
    int64_t slow_ms;
    if (sl_fault_take(broker, method, &status, &slow_ms)) {
        sl_rpc_reply(call, &status, NULL, 0);
        return;
    }
    struct sl_event *event = sl_event_create(SL_EVENT_CALL, data, len);
    event->call = call;
    event->until_ms = slow_ms > 0 ? sl_now().ms + slow_ms : 0;
    event->method = (enum sl_method)method;
    if (sl_inbox_push(&broker->inbox, event, true))
        return;
    sl_event_refuse(event, SL_RPC_RESOURCE_EXHAUSTED, "too much is waiting; try again");
    sl_reply(event);
}

/* When what a stream says is heard; 0: at once. */
static int64_t heard_ms(const struct sl_stream *stream)
{
    return stream->slow_ms > 0 ? sl_now().ms + stream->slow_ms : 0;
}

static void push(struct sl_broker *broker, struct sl_stream *stream, enum sl_event_kind kind)
{
    struct sl_event *event = sl_event_create(kind, NULL, 0);
    event->stream = stream;
    if (kind == SL_EVENT_HALF_CLOSED)
        event->until_ms = heard_ms(stream);
    sl_inbox_push(&broker->inbox, event, false);
}

static void on_opened(void *arg, struct sl_rpc_peer_call *call, size_t method)
{
    struct sl_broker *broker = arg;
    struct sl_rpc_status status;
    int64_t slow_ms;
    if (sl_fault_take(broker, method, &status, &slow_ms)) {
        sl_rpc_set_data(call, NULL);
        sl_rpc_finish(call, &status);
        return;
    }
    struct sl_stream *stream = sl_stream_create(call);
    stream->slow_ms = slow_ms;
    sl_rpc_set_data(call, stream);
    push(broker, stream, SL_EVENT_OPENED);
}

static void on_message(void *arg, struct sl_rpc_peer_call *call, const void *data, size_t len)
{
    struct sl_broker *broker = arg;
    struct sl_stream *stream = sl_rpc_data(call);
    if (!stream)
        return;
    struct sl_event *event = sl_event_create(SL_EVENT_MESSAGE, data, len);
    event->stream = stream;
    event->until_ms = heard_ms(stream);
    if (sl_inbox_push(&broker->inbox, event, true))
        return;
    sl_event_free(event);
    push(broker, stream, SL_EVENT_OVERLOADED);
}

static void on_half_closed(void *arg, struct sl_rpc_peer_call *call)
{
    if (sl_rpc_data(call))
        push(arg, sl_rpc_data(call), SL_EVENT_HALF_CLOSED);
}

static void on_closed(void *arg, struct sl_rpc_peer_call *call)
{
    if (sl_rpc_data(call))
        push(arg, sl_rpc_data(call), SL_EVENT_CLOSED);
}

static void on_writable(void *arg, struct sl_rpc_peer_call *call)
{
    struct sl_stream *stream = sl_rpc_data(call);
    if (stream && atomic_load(&stream->blocked))
        push(arg, stream, SL_EVENT_WRITABLE);
}

const struct sl_rpc_server_handlers SL_HANDLERS = {
    .call = on_call,
    .opened = on_opened,
    .message = on_message,
    .half_closed = on_half_closed,
    .closed = on_closed,
    .writable = on_writable,
};
