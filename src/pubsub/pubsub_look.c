/* pubsub_look.c - what waits on a subscription: asked of our own broker, which answers without delivering anything, or pulled from another one and given back. */
#include <string.h>

#include "pubsub_call.h"
#include "wire.h"

#define GIVE_BACK_AT_ONCE 1000 /* 176 bytes each, of the 512 KiB that a request may have */

enum sl_code sl_pubsub_admin_look(struct sl_pubsub_admin *admin, const char *subscription, const char *from, int max,
                                  struct sl_received **out, size_t *n, const char **next, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    struct sl_streaming_response messages = {0};
    struct sl_span *items;
    size_t n_items;
    *out = NULL;
    *n = 0;
    *next = "";
    sl_pubsub_put_list(&request, subscription, max, from);
    enum sl_code code = sl_pubsub_admin_call(admin, "/sluice.broker.v1.Broker/Look", "subscription", subscription, &request, &response,
                                             err);
    const char *bytes = code == SL_OK ? sl_arena_strndup(arena, sl_buf_text(&response), response.len) : NULL; /* spans point into it */
    if (code == SL_OK)
        code = sl_pubsub_read_items(&items, &n_items, next, bytes, response.len, arena, err);
    if (code == SL_OK)
        code = sl_pubsub_read_streaming_response(&messages, bytes, response.len, arena, err);
    sl_buf_fini(&response);
    *out = messages.messages;
    *n = messages.n;
    return code;
}

enum sl_code sl_pubsub_admin_pull(struct sl_pubsub_admin *admin, const char *subscription, int max, struct sl_received **out, size_t *n,
                                  struct sl_arena *arena, struct sl_err *err)
{
    struct sl_buf request = {0}, response = {0};
    struct sl_streaming_response messages = {0};
    sl_pubsub_put_pull(&request, subscription, max, true);
    enum sl_code code = sl_pubsub_admin_call(admin, "/google.pubsub.v1.Subscriber/Pull", "subscription", subscription, &request, &response,
                                             err);
    const char *bytes = code == SL_OK ? sl_arena_strndup(arena, sl_buf_text(&response), response.len) : NULL; /* spans point into it */
    if (code == SL_OK)
        code = sl_pubsub_read_streaming_response(&messages, bytes, response.len, arena, err);
    sl_buf_fini(&response);
    *out = messages.messages;
    *n = messages.n;
    return code;
}

enum sl_code sl_pubsub_admin_give_back(struct sl_pubsub_admin *admin, const char *subscription, const char *const *ack_ids, size_t n,
                                       struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < n && code == SL_OK; i += GIVE_BACK_AT_ONCE) {
        const size_t left = n - i;
        struct sl_buf request = {0}, response = {0};
        sl_pubsub_put_modify(&request, subscription, ack_ids + i, left < GIVE_BACK_AT_ONCE ? left : GIVE_BACK_AT_ONCE, 0);
        code = sl_pubsub_admin_call(admin, "/google.pubsub.v1.Subscriber/ModifyAckDeadline", "subscription", subscription, &request,
                                    &response, err);
        sl_buf_fini(&response);
    }
    return code;
}
