/* grpc_subscriber.c - one StreamingPull: opened, kept alive, and opened again.
 *
 *   waits -> open -> (ends by a code of sl_retry_stream) -> waits its backoff -> open ...
 *                 -> (ends by any other code) -> the bus has failed
 *
 * The stream only carries messages and pings; what is acked or extended goes beside it. A message is asked for only while the limits allow it, so an unread response stays in the
 * transport's window. A ping goes out at once and every ping_ms; when nothing at all has come for answer_ms after one, although we were reading, the peer is taken for dead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/log.h>

#include "grpc_bus_internal.h"

enum { LEASED_TIMES = 2 }; /* of the limit: with acks that nobody answers, no more than that is held */

void sl_subscriber_init(struct sl_subscriber *out, struct sl_grpc_bus *bus, const struct sl_phase *phase)
{
    *out = (struct sl_subscriber){
        .bus = bus,
        .phase = phase,
        .subscription = sl_pubsub_resource(&bus->arena, bus->config, "subscriptions", phase->subscription),
        .backoff = {.min_ms = bus->options.backoff_min_ms, .max_ms = bus->options.backoff_max_ms, .factor = 2},
        .receipt_due_ms = SL_MS_NEVER,
    };
    out->routing = sl_routing("subscription", out->subscription);
    sl_uuid_format(sl_uuid4(), out->client_id);
}

/* With nothing in flight any more. */
void sl_subscriber_fini(struct sl_subscriber *subscriber)
{
    while (subscriber->first)
        sl_lease_over(subscriber->first, SL_ACK_LOST);
    free(subscriber->routing);
}

void sl_subscriber_connected(struct sl_subscriber *subscriber, int64_t now_ms)
{
    if (subscriber->connected)
        return;
    subscriber->connected = true;
    subscriber->connected_ms = now_ms;
}

void sl_subscriber_cancel(struct sl_subscriber *subscriber)
{
    if (!subscriber->stream || subscriber->cancelled)
        return;
    subscriber->cancelled = true;
    sl_rpc_stream_cancel(subscriber->stream);
}

static bool has_room(const struct sl_subscriber *subscriber)
{
    const struct sl_grpc_bus_options *options = &subscriber->bus->options;
    const size_t most = (size_t)options->max_outstanding_messages;
    return subscriber->held < most && subscriber->held_bytes < (size_t)options->max_outstanding_bytes &&
           subscriber->leased < LEASED_TIMES * most;
}

void sl_subscriber_read(struct sl_subscriber *subscriber)
{
    if (!subscriber->stream || subscriber->reading || subscriber->cancelled || !has_room(subscriber))
        return;
    subscriber->reading = true;
    subscriber->read_ms = sl_monotonic_ms();
    sl_rpc_stream_read(subscriber->stream);
}

/* ---- what comes ---- */

static void warn_bad_ids(struct sl_subscriber *subscriber, size_t n)
{
    subscriber->bus->stats.bad_ids += n;
    if (n == 0 || subscriber->warned)
        return;
    subscriber->warned = true;
    sl_log(SL_WARNING, "messages without a usable id are left alone", {"subscription", subscriber->subscription});
}

static void malformed(struct sl_subscriber *subscriber, const struct sl_err *err)
{
    subscriber->bus->stats.malformed++;
    sl_log(SL_WARNING, "a response can't be read, the stream is opened again", {"subscription", subscriber->subscription},
           {"error", err->text});
    sl_subscriber_cancel(subscriber);
}

static void on_message(void *arg, const void *data, size_t len)
{
    struct sl_subscriber *subscriber = arg;
    struct sl_err err = {0};
    size_t n_bad = 0;
    bool is_empty = false;
    struct sl_chunk *chunk = sl_chunk_create(data, len, subscriber->stream, &n_bad, &is_empty, &err);
    const int64_t now_ms = sl_monotonic_ms();
    sl_bus_lock(subscriber->bus);
    subscriber->reading = false;
    if (!chunk) {
        malformed(subscriber, &err);
        sl_bus_unlock(subscriber->bus);
        return;
    }
    sl_backoff_reset(&subscriber->backoff);
    sl_subscriber_connected(subscriber, now_ms);
    subscriber->pinged = false;
    if (is_empty)
        subscriber->answers_pings = true;
    else
        subscriber->message_ms = now_ms;
    if (chunk->has_properties) { /* a response without them, as a heartbeat may be, changes nothing */
        subscriber->exactly_once = chunk->exactly_once;
        subscriber->ordering = chunk->ordering;
    }
    warn_bad_ids(subscriber, n_bad);
    if (chunk->n) {
        sl_leases_add(subscriber, chunk, now_ms);
        pthread_cond_broadcast(&subscriber->bus->arrived);
    } else {
        sl_chunk_unref(chunk);
    }
    sl_subscriber_read(subscriber);
    sl_bus_unlock(subscriber->bus);
}

static void on_opened(void *arg)
{
    struct sl_subscriber *subscriber = arg;
    sl_bus_lock(subscriber->bus);
    sl_subscriber_connected(subscriber, sl_monotonic_ms());
    sl_bus_unlock(subscriber->bus);
}

/* ---- the end, and after ---- */

void sl_subscriber_fail(struct sl_subscriber *subscriber, const struct sl_rpc_status *status)
{
    struct sl_grpc_bus *bus = subscriber->bus;
    if (bus->failure.code != SL_OK)
        return;
    const bool missing = status->code == SL_RPC_NOT_FOUND;
    sl_fail(&bus->failure, sl_rpc_to_code(status->code), "subscription %s of phase %s: %s: %s%s", subscriber->subscription,
            subscriber->phase->name, sl_rpc_code_name(status->code), status->message,
            missing ? "; `sluice init` makes what is missing" : "; does `sluice init` pass?");
    pthread_cond_broadcast(&bus->arrived);
}

/* No token will ever be had: waiting can't mend that either. */
static bool is_refused_a_token(struct sl_subscriber *subscriber)
{
    struct sl_grpc_bus *bus = subscriber->bus;
    struct sl_err err = {0};
    if (!bus->peer.credentials || !sl_credentials_failed(bus->peer.credentials, &err))
        return false;
    if (bus->failure.code == SL_OK)
        sl_fail(&bus->failure, err.code, "%s", err.text);
    pthread_cond_broadcast(&bus->arrived);
    return true;
}

static void log_reopening(const struct sl_subscriber *subscriber, const struct sl_rpc_status *status, int64_t wait_ms)
{
    char wait[24];
    snprintf(wait, sizeof wait, "%lld", (long long)wait_ms);
    sl_log(SL_INFO, "a stream has ended and is opened again", {"subscription", subscriber->subscription},
           {"code", sl_rpc_code_name(status->code)}, {"error", status->message[0] ? status->message : NULL}, {"in_ms", wait});
}

static void on_end(void *arg, const struct sl_rpc_status *status)
{
    struct sl_subscriber *subscriber = arg;
    struct sl_grpc_bus *bus = subscriber->bus;
    sl_bus_lock(bus);
    const bool ours = subscriber->cancelled;
    sl_rpc_stream_release(&subscriber->stream);
    subscriber->reading = subscriber->connected = subscriber->cancelled = subscriber->warned = false;
    bus->stats.streams_ended++;
    if (!ours && !sl_retry_stream(status->code)) {
        subscriber->reopen_ms = SL_MS_NEVER;
        if (!bus->stopping)
            sl_subscriber_fail(subscriber, status);
    } else if (!bus->stopping && !ours && is_refused_a_token(subscriber)) {
        subscriber->reopen_ms = SL_MS_NEVER;
    } else if (!bus->stopping) {
        const int64_t wait_ms = sl_backoff_next(&subscriber->backoff);
        subscriber->reopen_ms = sl_monotonic_ms() + wait_ms;
        log_reopening(subscriber, status, wait_ms);
    }
    pthread_cond_signal(&bus->wake);
    sl_bus_unlock(bus);
}

/* ---- the keeper's part ---- */

static void ping(struct sl_subscriber *subscriber, int64_t now_ms)
{
    sl_rpc_stream_write(subscriber->stream, "", 0); /* an empty StreamingPullRequest */
    subscriber->ping_ms = now_ms;
    if (!subscriber->pinged)
        subscriber->asked_ms = now_ms;
    subscriber->pinged = true;
    subscriber->bus->stats.pings++;
}

static void open_stream(struct sl_subscriber *subscriber, int64_t now_ms)
{
    static const struct sl_rpc_stream_handlers HANDLERS = {.opened = on_opened, .message = on_message, .end = on_end};
    struct sl_grpc_bus *bus = subscriber->bus;
    struct sl_buf first = {0};
    subscriber->lease_s = sl_leases_length_s(subscriber);
    sl_pubsub_put_streaming_request(&first, subscriber->subscription, subscriber->lease_s, subscriber->client_id,
                                    bus->options.max_outstanding_messages, bus->options.max_outstanding_bytes);
    const struct sl_rpc_request request = {
        .method = "/google.pubsub.v1.Subscriber/StreamingPull", .routing = subscriber->routing, .data = first.data, .len = first.len};
    subscriber->stream_no++;
    subscriber->message_ms = now_ms;
    subscriber->pinged = false;
    sl_rpc_stream_open(&subscriber->stream, subscriber->channel, &request, &HANDLERS, subscriber);
    bus->stats.streams_opened++;
    sl_buf_fini(&first);
    ping(subscriber, now_ms);
    sl_subscriber_read(subscriber);
    if (bus->options.pings == SL_PINGS_LEARNED && !subscriber->answers_pings)
        sl_unary_probe(subscriber);
}

/* When the oldest ping since the last response counts as unanswered; never, while there is none or we don't read. */
static int64_t judged_ms(const struct sl_subscriber *subscriber)
{
    const bool demanded = subscriber->answers_pings || subscriber->bus->options.pings == SL_PINGS_DEMANDED;
    if (!demanded || !subscriber->reading || subscriber->cancelled || !subscriber->pinged)
        return SL_MS_NEVER;
    const int64_t since = subscriber->asked_ms > subscriber->read_ms ? subscriber->asked_ms : subscriber->read_ms;
    return since + subscriber->bus->options.answer_ms;
}

static int64_t keep_alive(struct sl_subscriber *subscriber, int64_t now_ms)
{
    const struct sl_grpc_bus_options *options = &subscriber->bus->options;
    if (!subscriber->cancelled && now_ms >= judged_ms(subscriber)) {
        sl_log(SL_WARNING, "a stream is silent and is opened again", {"subscription", subscriber->subscription});
        subscriber->bus->stats.torn_down++;
        sl_subscriber_cancel(subscriber);
    }
    if (subscriber->cancelled)
        return SL_MS_NEVER;
    if (now_ms - subscriber->ping_ms >= options->ping_ms)
        ping(subscriber, now_ms);
    const int64_t next = subscriber->ping_ms + options->ping_ms, judged = judged_ms(subscriber);
    return judged < next ? judged : next;
}

int64_t sl_subscriber_tick(struct sl_subscriber *subscriber, int64_t now_ms)
{
    const int64_t leases = sl_leases_tick(subscriber, now_ms);
    int64_t next = subscriber->reopen_ms;
    if (!subscriber->stream && now_ms >= subscriber->reopen_ms)
        open_stream(subscriber, now_ms);
    if (subscriber->stream)
        next = keep_alive(subscriber, now_ms);
    return leases < next ? leases : next;
}
