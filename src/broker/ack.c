/* ack.c - ack ids, and what clients say with them: done, more time, not now.
 * An id names store, subscription, message and lease. An ack counts as long as the message is there, whatever has become of the lease, even of one
 * that an earlier process gave: the work is done. More time and "not now" concern the newest lease only. What is well-formed but means nothing
 * (any more) is passed over, as the real service does; what is no id of ours is refused where the real service refuses it.
 * Exactly once it is stricter: only the newest lease counts, and only while it lasts; of an id that does not the client is told, by name. The same ack
 * once more, because its answer was lost, is taken for done. */
#include "broker_internal.h"

#include <string.h>

#define REQUEST_MAX_BYTES ((size_t)524288)

static char *put_hex(char *out, uint64_t value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
    return out + digits;
}

static bool get_hex(const char **at, int digits, uint64_t *out)
{
    uint64_t value = 0;
    for (int i = 0; i < digits; i++) {
        char c = (*at)[i];
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *at += digits;
    *out = value;
    return true;
}

void sl_ack_id_format(char out[SL_ACK_ID_LEN + 1], const struct sl_ack_id *id)
{
    char *at = put_hex(out, id->store, 8);
    at = put_hex(at, (uint64_t)id->subscription, 8);
    at = put_hex(at, (uint64_t)id->n, 10);
    at = put_hex(at, id->serial, 16);
    *at = '\0';
}

bool sl_ack_id_parse(struct sl_ack_id *out, const char *text, size_t len)
{
    uint64_t store, subscription, n;
    if (len != SL_ACK_ID_LEN || !get_hex(&text, 8, &store) || !get_hex(&text, 8, &subscription) || !get_hex(&text, 10, &n) ||
        !get_hex(&text, 16, &out->serial))
        return false;
    out->store = (uint32_t)store;
    out->subscription = (int64_t)subscription;
    out->n = (int64_t)n;
    return true;
}

static bool parse_own(const struct sl_broker *broker, const struct sl_subscription *subscription, struct sl_span id, struct sl_ack_id *out)
{
    return sl_ack_id_parse(out, id.ptr, id.len) && out->store == sl_store_id(broker->store) && out->subscription == subscription->id;
}

static struct sl_recent *recent_of(const struct sl_subscription *subscription, int64_t n)
{
    return &subscription->recent[(uint64_t)n & (SL_RECENT - 1)];
}

static bool ack_exactly_once(struct sl_subscription *subscription, const struct sl_ack_id *id)
{
    struct sl_recent *recent = recent_of(subscription, id->n);
    if (recent->n == id->n && recent->serial == id->serial)
        return true;
    if (!sl_delivery_holds(&subscription->delivery, id->n, id->serial))
        return false;
    *recent = (struct sl_recent){id->n, id->serial};
    return sl_delivery_ack(&subscription->delivery, id->n, subscription->topic->committed);
}

bool sl_apply_ack(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_span span)
{
    struct sl_ack_id id;
    bool own = parse_own(broker, subscription, span, &id);
    if (subscription->config.exactly_once)
        return own && ack_exactly_once(subscription, &id);
    if (own && sl_delivery_accepts(&subscription->delivery, id.n, id.serial))
        sl_delivery_ack(&subscription->delivery, id.n, subscription->topic->committed);
    return true;
}

bool sl_apply_modify(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_span span, int32_t seconds)
{
    struct sl_ack_id id;
    bool held = false;
    if (parse_own(broker, subscription, span, &id))
        held = seconds == 0 ? sl_delivery_nack(&subscription->delivery, id.n, id.serial, broker->now_ms)
                            : sl_delivery_extend(&subscription->delivery, id.n, id.serial, broker->now_ms + (int64_t)seconds * 1000);
    return held || !subscription->config.exactly_once;
}

static struct sl_subscription *find(struct sl_broker *broker, struct sl_event *event, const struct sl_ack_request *request)
{
    struct sl_subscription *subscription = sl_find_subscription_span(broker, event, request->subscription);
    if (subscription && request->n == 0)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "No ack ids specified.");
    else if (subscription && event->len > REQUEST_MAX_BYTES)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Request payload size exceeds the limit: %zu bytes.", REQUEST_MAX_BYTES);
    if (event->status.code != SL_RPC_OK)
        return NULL;
    subscription->used_ms = broker->now_ms;
    return subscription;
}

/* The others have been applied: it is answered after the commit all the same. */
static void refuse_ids(struct sl_event *event, const struct sl_span *ids, size_t n)
{
    if (n == 0)
        return;
    sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "%s", SL_INVALID_ACK_IDS);
    sl_put_invalid_ack_ids(&event->details, SL_RPC_INVALID_ARGUMENT, SL_INVALID_ACK_IDS, ids, n);
}

enum sl_answer sl_acknowledge(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_ack_request request;
    struct sl_err err;
    size_t n_invalid = 0;
    if (sl_read_failed(event, sl_pubsub_read_acknowledge(&request, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    struct sl_subscription *subscription = find(broker, event, &request);
    if (!subscription)
        return SL_ANSWER_NOW;
    for (size_t i = 0; i < request.n; i++)
        if (!sl_apply_ack(broker, subscription, request.ack_ids[i]))
            request.ack_ids[n_invalid++] = request.ack_ids[i];
    refuse_ids(event, request.ack_ids, n_invalid);
    return SL_ANSWER_AFTER_COMMIT;
}

/* Where ids are judged one by one, a malformed one is only an invalid one. */
static bool ids_valid(struct sl_event *event, const struct sl_subscription *subscription, const struct sl_ack_request *request)
{
    struct sl_ack_id id;
    for (size_t i = 0; i < request->n && !subscription->config.exactly_once; i++)
        if (!sl_ack_id_parse(&id, request->ack_ids[i].ptr, request->ack_ids[i].len)) {
            sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid ack id (ack_id=%.*s)", (int)request->ack_ids[i].len,
                            request->ack_ids[i].ptr);
            return false;
        }
    return true;
}

enum sl_answer sl_modify_ack_deadline(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_ack_request request;
    struct sl_err err;
    size_t n_invalid = 0;
    if (sl_read_failed(event, sl_pubsub_read_modify(&request, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    struct sl_subscription *subscription = find(broker, event, &request);
    if (!subscription || !ids_valid(event, subscription, &request))
        return SL_ANSWER_NOW;
    if (request.deadline_s < 0 || request.deadline_s > 600)
        return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "ack_deadline_seconds must be between 0 and 600, not %d",
                               request.deadline_s);
    for (size_t i = 0; i < request.n; i++)
        if (!sl_apply_modify(broker, subscription, request.ack_ids[i], request.deadline_s))
            request.ack_ids[n_invalid++] = request.ack_ids[i];
    refuse_ids(event, request.ack_ids, n_invalid);
    return sl_delivery_dirty(&subscription->delivery) ? SL_ANSWER_AFTER_COMMIT : SL_ANSWER_NOW;
}
