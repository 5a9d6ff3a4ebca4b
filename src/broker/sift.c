/* sift.c - subscriptions with a filter: what has come is looked at in order, and what does not match is acked, as if it had been delivered and done. Only
 * then the rest may go. A part of it at a time; after a start or a seek it begins anew where acked ends, which comes to the same. */
#include "broker_internal.h"

#define SIFT_STEP 2000 /* rows looked at in one round of a subscription: some ms */

static enum sl_code sift(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_err *err)
{
    struct sl_delivery *delivery = &subscription->delivery;
    struct sl_stored stored;
    int64_t last = subscription->topic->committed;
    enum sl_code code = sl_store_scan_open(broker->store, subscription->topic->id, subscription->sifted + 1, last, err);
    for (int i = 0; i < SIFT_STEP && code == SL_OK && (code = sl_store_scan_next(broker->store, &stored, err)) == SL_OK; i++) {
        if (!sl_filter_matches(subscription->filter, stored.body, stored.len))
            sl_delivery_ack(delivery, stored.n, last);
        subscription->sifted = stored.n;
    }
    sl_store_scan_close(broker->store);
    if (code == SL_NOT_FOUND)
        subscription->sifted = last;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

bool sl_sift(struct sl_broker *broker)
{
    struct sl_err err;
    bool more = false;
    for (size_t i = 0; i < broker->catalog.subscriptions.n; i++) {
        struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        if (!subscription->filter || subscription->config.detached || subscription->sifted >= subscription->topic->committed)
            continue;
        if (sift(broker, subscription, &err)) {
            sl_broker_fail(broker, &err);
            return false;
        }
        more |= subscription->sifted < subscription->topic->committed;
    }
    return more;
}
