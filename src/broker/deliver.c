/* deliver.c - handing messages to whoever has room: pulls first, then the subscription's streams in turn, each a fair share per response.
 * What was tried before goes first. The rest is read from the store in order, many rows per read; a number without a row (deleted by hand) counts as
 * acked. Nothing is kept here: who is slow costs a cursor. Where there is an order, a message whose turn it is not is put aside, so that those of other
 * keys can go. */
#include "broker_internal.h"

#define SKIP_MAX  64   /* rows that are passed over one by one; from there on the read starts anew behind them */
#define ASIDE_MAX 5000 /* messages put aside in one go: some 10 ms of reading */

struct packer {
    struct sl_broker *broker;
    struct sl_subscription *subscription;
    struct sl_flow *flow;
    int64_t until_ms;
    size_t limit; /* messages */
    size_t n;
    struct sl_buf *out;
    size_t n_aside;
    int64_t *leased; /* exactly once: what was added; in the broker's arena */
    size_t n_leased;
    bool scanning, full;
    struct sl_err err;
};

static bool wants_more(const struct packer *packer)
{
    return !packer->full && packer->n < packer->limit && packer->n_aside < ASIDE_MAX && packer->out->len < SL_RESPONSE_BYTES;
}

static bool fits(struct packer *packer, const struct sl_stored *stored)
{
    packer->full = !sl_flow_has_room(packer->flow, (int64_t)stored->len) ||
                   (packer->n > 0 && packer->out->len + stored->len > 2 * SL_RESPONSE_BYTES);
    return !packer->full;
}

/* Leases the message and adds it. */
static void add(struct packer *packer, const struct sl_stored *stored)
{
    struct sl_subscription *subscription = packer->subscription;
    struct sl_lease lease = sl_delivery_lease(&subscription->delivery, stored->n, packer->flow, (int64_t)stored->len, packer->until_ms);
    char ack_id[SL_ACK_ID_LEN + 1], message_id[SL_MESSAGE_ID_SIZE];
    sl_ack_id_format(
        ack_id, &(struct sl_ack_id){
                    .store = sl_store_id(packer->broker->store), .subscription = subscription->id, .n = stored->n, .serial = lease.serial});
    sl_message_id(message_id, packer->broker, subscription->topic, stored->n);
    int attempt = subscription->config.dead_letter_topic ? lease.attempt : 0;
    if (subscription->config.exactly_once) {
        packer->leased = sl_arena_push(&packer->broker->arena, packer->leased, &packer->n_leased, sizeof(*packer->leased));
        packer->leased[packer->n_leased - 1] = stored->n;
    }
    sl_pubsub_put_received(packer->out, ack_id, stored->body, stored->len, message_id, stored->publish_us, attempt, NULL, 0);
    packer->n++;
}

static bool failed(struct packer *packer, enum sl_code code)
{
    if (code != SL_OK && code != SL_NOT_FOUND)
        sl_broker_fail(packer->broker, &packer->err);
    return code != SL_OK && code != SL_NOT_FOUND;
}

static void pack_ready(struct packer *packer)
{
    struct sl_delivery *delivery = &packer->subscription->delivery;
    struct sl_stored stored;
    int64_t n;
    uint32_t passed = 0;
    while (wants_more(packer) && (n = sl_delivery_ready(delivery, packer->flow, &passed)) != 0) {
        enum sl_code code = sl_store_get(packer->broker->store, packer->subscription->topic->id, n, &stored, &packer->err);
        if (failed(packer, code))
            return;
        if (code == SL_NOT_FOUND)
            sl_delivery_missing(delivery, n, n);
        else if (fits(packer, &stored))
            add(packer, &stored);
    }
}

/* The first one that fits not ends it: it stays unseen. */
static void add_unseen(struct packer *packer, const struct sl_stored *stored)
{
    struct sl_subscription *subscription = packer->subscription;
    if (!fits(packer, stored))
        return;
    if (!subscription->config.ordering) {
        add(packer, stored);
        return;
    }
    uint64_t key = sl_body_order(stored->body, stored->len);
    if (sl_delivery_offer(&subscription->delivery, stored->n, key, packer->flow, packer->broker->now_ms))
        add(packer, stored);
    else
        packer->n_aside++;
}

/* The row of `wanted`: SL_OK. Rows before it are passed over. None: SL_NOT_FOUND, and how far there is none. */
static enum sl_code read_row(struct packer *packer, int64_t wanted, int64_t last, struct sl_stored *stored, int64_t *gap_end)
{
    struct sl_store *store = packer->broker->store;
    enum sl_code code = SL_OK;
    int skipped = 0;
    do {
        if (!packer->scanning || skipped == SKIP_MAX) {
            code = sl_store_scan_open(store, packer->subscription->topic->id, wanted, last, &packer->err);
            packer->scanning = true;
        }
        if (code == SL_OK)
            code = sl_store_scan_next(store, stored, &packer->err);
        skipped++;
    } while (code == SL_OK && stored->n < wanted);
    *gap_end = code == SL_NOT_FOUND ? last : stored->n - 1;
    return code == SL_OK && stored->n > wanted ? SL_NOT_FOUND : code;
}

/* The newest that may go. */
static int64_t deliverable(const struct sl_subscription *subscription)
{
    return subscription->filter ? subscription->sifted : subscription->topic->committed;
}

static void pack_unseen(struct packer *packer)
{
    struct sl_delivery *delivery = &packer->subscription->delivery;
    int64_t last = deliverable(packer->subscription), wanted, gap_end;
    while (wants_more(packer) && (wanted = sl_delivery_unseen(delivery, last)) != 0) {
        struct sl_stored stored;
        enum sl_code code = read_row(packer, wanted, last, &stored, &gap_end);
        if (failed(packer, code))
            return;
        if (code == SL_OK) {
            add_unseen(packer, &stored);
            continue;
        }
        sl_delivery_missing(delivery, wanted, gap_end);
        packer->scanning = false; /* the row behind the gap is read again */
    }
}

static enum sl_code write_leases(const struct packer *packer, struct sl_err *err)
{
    struct sl_store *store = packer->broker->store;
    const struct sl_delivery *delivery = &packer->subscription->delivery;
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < packer->n_leased && code == SL_OK; i++) {
        int64_t n = packer->leased[i];
        struct sl_lease_row row = {.subscription = packer->subscription->id,
                                   .n = n,
                                   .serial = sl_delivery_serial(delivery, n),
                                   .key = sl_delivery_key(delivery, n)};
        code = sl_store_put_lease(store, &row, err);
    }
    return code ? code : sl_store_commit(store, err);
}

/* Exactly once: a lease is durable before anybody hears of it, so that after a start its holder can still ack. */
static void store_leases(struct packer *packer)
{
    struct sl_delivery *delivery = &packer->subscription->delivery;
    if (packer->n_leased == 0)
        return;
    bool stored = write_leases(packer, &packer->err) == SL_OK;
    for (size_t i = packer->n_leased; i-- > 0;)
        if (stored)
            sl_delivery_lease_stored(delivery, packer->leased[i]);
        else
            sl_delivery_unlease(delivery, packer->leased[i]);
    packer->n_leased = 0;
    packer->leased = NULL;
    sl_arena_reset(&packer->broker->arena);
    if (stored)
        return;
    packer->n = 0;
    sl_buf_clear(packer->out);
    sl_batch_refuse_publishes(packer->broker, &packer->err);
}

static size_t pack(struct packer *packer)
{
    sl_buf_clear(packer->out);
    if (packer->subscription->config.exactly_once && packer->broker->retry_ms > packer->broker->now_ms)
        return 0; /* what can't be stored can't be leased */
    pack_ready(packer);
    if (!packer->full && !sl_broker_has_failed(packer->broker))
        pack_unseen(packer);
    sl_store_scan_close(packer->broker->store);
    packer->broker->more |= packer->n_aside >= ASIDE_MAX;
    store_leases(packer);
    return packer->n;
}

size_t sl_deliver_pull(struct sl_broker *broker, struct sl_subscription *subscription, int32_t max_messages, struct sl_buf *out)
{
    subscription->delivery.pulled.holder = ++broker->holder;
    struct packer packer = {
        .broker = broker,
        .subscription = subscription,
        .flow = &subscription->delivery.pulled,
        .until_ms = broker->now_ms + (int64_t)subscription->config.ack_deadline_s * 1000,
        .limit = (size_t)max_messages,
        .out = out,
    };
    return pack(&packer);
}

/* ---- streams ---- */

static bool has_room(const struct sl_stream *stream)
{
    return !stream->finished && !atomic_load(&stream->blocked) && sl_flow_has_room(&stream->flow, 1);
}

static size_t available(const struct sl_subscription *subscription)
{
    int64_t unseen = deliverable(subscription) - subscription->delivery.cursor;
    return subscription->delivery.ready.n + (unseen > 0 ? (size_t)unseen : 0);
}

static bool anything(const struct sl_subscription *subscription)
{
    return subscription->delivery.ready.n > 0 || sl_delivery_unseen(&subscription->delivery, deliverable(subscription)) != 0;
}

static size_t deliver_to(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_stream *stream, size_t share)
{
    struct packer packer = {
        .broker = broker,
        .subscription = subscription,
        .flow = &stream->flow,
        .until_ms = broker->now_ms + (int64_t)stream->deadline_s * 1000,
        .limit = share,
        .out = &broker->out,
    };
    size_t n = pack(&packer);
    if (n > 0)
        sl_stream_send(broker, stream, &broker->out);
    return n;
}

/* One response for each stream that has room; how many messages went. */
static size_t round_of(struct sl_broker *broker, struct sl_subscription *subscription)
{
    const struct sl_list *streams = &subscription->streams;
    size_t n_room = 0, sent = 0;
    subscription->delivery.shared = streams->n > 1;
    for (size_t i = 0; i < streams->n; i++)
        n_room += has_room(streams->items[i]);
    if (n_room == 0)
        return 0;
    size_t share = (available(subscription) + n_room - 1) / n_room, turn = subscription->turn++;
    for (size_t i = 0; i < streams->n && !sl_broker_has_failed(broker); i++) {
        struct sl_stream *stream = streams->items[(turn + i) % streams->n];
        if (has_room(stream))
            sent += deliver_to(broker, subscription, stream, share ? share : 1);
    }
    return sent;
}

bool sl_deliver_all(struct sl_broker *broker)
{
    bool more = false;
    broker->more = false;
    sl_pulls_tick(broker);
    for (size_t i = 0; i < broker->catalog.subscriptions.n && !sl_broker_has_failed(broker); i++) {
        struct sl_subscription *subscription = broker->catalog.subscriptions.items[i];
        if (subscription->streams.n > 0 && anything(subscription))
            more |= round_of(broker, subscription) > 0;
    }
    return more || broker->more;
}
