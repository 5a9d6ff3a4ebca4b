/* look.c - Look: what of a subscription is not acked, from a place on, as it lies in the store. Nothing is leased, no attempt is counted, and it doesn't matter who holds what.
 * Request: as a list's: field 1 the subscription, 2 how many at most, 3 the page token. Response: field 1, repeated, a ReceivedMessage without ack id, whose delivery_attempt is the
 * number of nacks and expiries so far; field 2 the next page's token, "" at the end. */
#include "broker_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ROWS_MAX 2000 /* of the store, looked for by one question: a round stays short */

static int64_t place_of(const char *token)
{
    int64_t n = 0;
    return sl_parse_i64(token, &n) && n > 0 ? n : 0;
}

/* Adds what the store has of number n; false: the store has failed. */
static bool put(struct sl_broker *broker, const struct sl_subscription *subscription, int64_t n, struct sl_buf *out, size_t *n_put)
{
    char message_id[SL_MESSAGE_ID_SIZE];
    struct sl_stored stored;
    struct sl_err err;
    const enum sl_code code = sl_store_get(broker->store, subscription->topic->id, n, &stored, &err);
    if (code == SL_NOT_FOUND)
        return true;
    if (code != SL_OK) {
        sl_broker_fail(broker, &err);
        return false;
    }
    sl_message_id(message_id, broker, subscription->topic, n);
    sl_pubsub_put_received(out, "", stored.body, stored.len, message_id, stored.publish_us,
                           sl_delivery_attempts(&subscription->delivery, n), NULL, 0);
    ++*n_put;
    return true;
}

/* From behind `n` on; where it stopped, or 0 at the end. */
static int64_t put_all(struct sl_broker *broker, const struct sl_subscription *subscription, int64_t n, size_t max, struct sl_buf *out)
{
    const int64_t last = subscription->filter ? subscription->sifted : subscription->topic->committed;
    size_t n_put = 0;
    for (int rows = 0; rows < ROWS_MAX && n_put < max && out->len < SL_RESPONSE_BYTES; rows++) {
        n = sl_ranges_next_absent(&subscription->delivery.acked, n + 1);
        if (n > last || !put(broker, subscription, n, out, &n_put))
            return 0;
    }
    return n;
}

enum sl_answer sl_look(struct sl_broker *broker, struct sl_event *event)
{
    const char *name, *token;
    char next[24] = "";
    int max;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_list(&name, &max, &token, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    const struct sl_subscription *subscription = sl_catalog_subscription(&broker->catalog, name, strlen(name));
    if (!subscription)
        return sl_event_refuse(event, SL_RPC_NOT_FOUND, "Subscription does not exist (resource=%s)", name);
    sl_batch_commit(broker); /* what has come before the question counts */
    const int64_t at = put_all(broker, subscription, place_of(token), sl_page_size(max), &event->response);
    if (at > 0)
        snprintf(next, sizeof next, "%" PRId64, at);
    sl_pubsub_put_page_token(&event->response, next);
    return SL_ANSWER_NOW;
}
