/* pubsub_admin.c - topics and subscriptions made, looked at, changed and deleted: one blocking call each. */
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>
#include <sluice/rpc.h>

#include "grpc_retry.h"
#include "pubsub_call.h"
#include "wire.h"

enum { CALL_MS = 30000, BACKLOG_MS = 3000, PAGE = 1000, MAX_PAGES = 1000 };

#define PUBLISHER  "/google.pubsub.v1.Publisher/"
#define SUBSCRIBER "/google.pubsub.v1.Subscriber/"

struct sl_pubsub_admin {
    struct sl_rpc_loop *loop;
    struct sl_rpc_channel *channel;
};

enum sl_code sl_pubsub_admin_create(struct sl_pubsub_admin **out, const struct sl_pubsub_peer *peer, struct sl_err *err)
{
    struct sl_pubsub_admin *admin = *out = sl_calloc(1, sizeof *admin);
    enum sl_code code = sl_rpc_loop_create(&admin->loop, err);
    if (code == SL_OK)
        code = sl_pubsub_dial(&admin->channel, admin->loop, peer, 0, 0, err);
    if (code != SL_OK)
        sl_pubsub_admin_destroy(out);
    return code;
}

void sl_pubsub_admin_destroy(struct sl_pubsub_admin **admin)
{
    if (!*admin)
        return;
    sl_rpc_channel_destroy(&(*admin)->channel);
    sl_rpc_loop_destroy(&(*admin)->loop);
    free(*admin);
    *admin = NULL;
}

enum sl_code sl_pubsub_admin_call(struct sl_pubsub_admin *admin, const char *method, const char *key, const char *name,
                                  struct sl_buf *request, struct sl_buf *response, struct sl_err *err)
{
    char *routing = sl_routing(key, name);
    struct sl_rpc_status status;
    const struct sl_rpc_request what = {
        .method = method, .routing = routing, .data = sl_buf_text(request), .len = request->len, .timeout_ms = CALL_MS};
    enum sl_code code = sl_rpc_call(admin->channel, &what, response, &status, err);
    if (code != SL_OK && err)
        code = sl_wrap(err, "%s", name);
    free(routing);
    sl_buf_fini(request);
    return code;
}

/* The answer doesn't matter. */
static enum sl_code call_only(struct sl_pubsub_admin *admin, const char *method, const char *key, const char *name, struct sl_buf *request,
                              struct sl_err *err)
{
    struct sl_buf response = {0};
    const enum sl_code code = sl_pubsub_admin_call(admin, method, key, name, request, &response, err);
    sl_buf_fini(&response);
    return code;
}

enum sl_code sl_pubsub_admin_create_topic(struct sl_pubsub_admin *admin, const struct sl_pubsub_topic *topic, struct sl_err *err)
{
    struct sl_buf request = {0};
    sl_pubsub_put_topic(&request, topic);
    return call_only(admin, PUBLISHER "CreateTopic", "name", topic->name, &request, err);
}

enum sl_code sl_pubsub_admin_get_topic(struct sl_pubsub_admin *admin, const char *name, struct sl_pubsub_topic *out, struct sl_arena *arena,
                                       struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    sl_pubsub_put_name(&request, name);
    enum sl_code code = sl_pubsub_admin_call(admin, PUBLISHER "GetTopic", "topic", name, &request, &response, err);
    if (code == SL_OK)
        code = sl_pubsub_read_topic(out, sl_buf_text(&response), response.len, arena, err);
    sl_buf_fini(&response);
    return code;
}

enum sl_code sl_pubsub_admin_delete_topic(struct sl_pubsub_admin *admin, const char *name, struct sl_err *err)
{
    struct sl_buf request = {0};
    sl_pubsub_put_name(&request, name);
    return call_only(admin, PUBLISHER "DeleteTopic", "topic", name, &request, err);
}

/* One page: its names are added; *token is the next page's. */
static enum sl_code read_page(const struct sl_buf *response, const char ***names, size_t *n, const char **token, struct sl_arena *arena,
                              struct sl_err *err)
{
    struct sl_span *items;
    size_t n_items;
    const enum sl_code code = sl_pubsub_read_items(&items, &n_items, token, sl_buf_text(response), response->len, arena, err);
    for (size_t i = 0; code == SL_OK && i < n_items; i++) {
        *names = sl_arena_push(arena, *names, n, sizeof **names);
        (*names)[*n - 1] = sl_arena_strndup(arena, items[i].ptr, items[i].len);
    }
    return code;
}

enum sl_code sl_pubsub_admin_topic_subscriptions(struct sl_pubsub_admin *admin, const char *topic, const char ***names, size_t *n,
                                                 struct sl_arena *arena, struct sl_err *err)
{
    const char *token = "";
    enum sl_code code = SL_OK;
    *names = NULL;
    *n = 0;
    for (int page = 0; page < MAX_PAGES && code == SL_OK; page++) {
        struct sl_buf request = {0}, response = {0};
        sl_pubsub_put_list(&request, topic, PAGE, token);
        code = sl_pubsub_admin_call(admin, PUBLISHER "ListTopicSubscriptions", "topic", topic, &request, &response, err);
        if (code == SL_OK)
            code = read_page(&response, names, n, &token, arena, err);
        sl_buf_fini(&response);
        if (code == SL_OK && !*token)
            return SL_OK;
    }
    return code != SL_OK ? code : sl_fail(err, SL_UNAVAILABLE, "%s: the list of its subscriptions doesn't end", topic);
}

enum sl_code sl_pubsub_admin_create_subscription(struct sl_pubsub_admin *admin, const struct sl_pubsub_subscription *subscription,
                                                 struct sl_err *err)
{
    struct sl_buf request = {0};
    sl_pubsub_put_subscription(&request, subscription);
    return call_only(admin, SUBSCRIBER "CreateSubscription", "name", subscription->name, &request, err);
}

enum sl_code sl_pubsub_admin_get_subscription(struct sl_pubsub_admin *admin, const char *name, struct sl_pubsub_subscription *out,
                                              struct sl_arena *arena, struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    sl_pubsub_put_name(&request, name);
    enum sl_code code = sl_pubsub_admin_call(admin, SUBSCRIBER "GetSubscription", "subscription", name, &request, &response, err);
    if (code == SL_OK)
        code = sl_pubsub_read_subscription(out, sl_buf_text(&response), response.len, arena, err);
    sl_buf_fini(&response);
    return code;
}

enum sl_code sl_pubsub_admin_update_subscription(struct sl_pubsub_admin *admin, const struct sl_pubsub_subscription *subscription,
                                                 const char *const *paths, size_t n, struct sl_err *err)
{
    struct sl_buf request = {0};
    sl_pubsub_put_update_subscription(&request, subscription, paths, n);
    return call_only(admin, SUBSCRIBER "UpdateSubscription", "subscription.name", subscription->name, &request, err);
}

enum sl_code sl_pubsub_admin_delete_subscription(struct sl_pubsub_admin *admin, const char *name, struct sl_err *err)
{
    struct sl_buf request = {0};
    sl_pubsub_put_name(&request, name);
    return call_only(admin, SUBSCRIBER "DeleteSubscription", "subscription", name, &request, err);
}

static enum sl_code read_backlog(const struct sl_buf *response, int64_t *undelivered, int64_t *leased, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){sl_buf_text(response), response->len}, "Backlog", err);
    struct sl_wire_field field;
    *undelivered = *leased = 0;
    while (sl_wire_next(&wire, &field)) {
        if (field.key == SL_KEY(1, SL_WIRE_VARINT))
            *undelivered = (int64_t)field.value;
        else if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            *leased = (int64_t)field.value;
    }
    return wire.code;
}

enum sl_code sl_pubsub_admin_backlog(struct sl_pubsub_admin *admin, const char *const *subscriptions, size_t n, int64_t *undelivered,
                                     int64_t *leased, struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    struct sl_rpc_status status;
    for (size_t i = 0; i < n; i++)
        sl_wire_put_text(&request, 1, subscriptions[i]);
    const struct sl_rpc_request what = {
        .method = "/sluice.broker.v1.Broker/Backlog", .data = sl_buf_text(&request), .len = request.len, .timeout_ms = BACKLOG_MS};
    enum sl_code code = sl_rpc_call(admin->channel, &what, &response, &status, err);
    if (code == SL_OK)
        code = read_backlog(&response, undelivered, leased, err);
    sl_buf_fini(&request);
    sl_buf_fini(&response);
    return code;
}
