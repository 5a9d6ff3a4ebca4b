/* grpc_lease.c - the messages that the server holds for us, from the response that brought them to the answer to their ack.
 *
 * Receipts are sent together, at most receipt_ms late; they start a full lease, for a response may have waited long in buffers. Then each lease is extended when less than
 * extend_before_ms of it is left, up to lease_cap_ms, also while its ack is not answered. An ack that fails for a while is sent again until its leases have ended: a lost ack
 * would be committed work that is delivered again. Ids that the server refuses as invalid are searched for by halving the request, so that one bad id spoils no other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/log.h>

#include "grpc_bus_internal.h"

enum {
    MAX_IDS = 2500,            /* of one request: 2,500 x 164 bytes stay below the server's 524,288 */
    MAX_ID_BYTES = 510 * 1024, /* should ids be longer */
    ID_OVERHEAD = 5,
    MAX_ID_LEN = 4096,
};

/* ---- chunks ---- */

static bool is_usable(const struct sl_received *received)
{
    const struct sl_span id = received->ack_id;
    return id.len > 0 && id.len <= MAX_ID_LEN && !memchr(id.ptr, '\0', id.len) && received->message.message_id.len > 0;
}

static size_t bytes_of(const struct sl_received *received)
{
    size_t bytes = received->message.data.len;
    for (size_t i = 0; i < received->message.n_attributes; i++)
        bytes += received->message.attributes[i].key.len + received->message.attributes[i].value.len;
    return bytes;
}

static void add_lease(struct sl_chunk *chunk, const struct sl_received *received)
{
    struct sl_lease *lease = &chunk->leases[chunk->n++];
    lease->chunk = chunk;
    lease->received = received;
    lease->ack_id = sl_arena_strndup(&chunk->arena, received->ack_id.ptr, received->ack_id.len);
    lease->bytes = bytes_of(received);
    lease->refs = 1;
}

struct sl_chunk *sl_chunk_create(const void *data, size_t len, size_t *n_bad, bool *is_empty, struct sl_err *err)
{
    struct sl_chunk *chunk = sl_calloc(1, sizeof *chunk);
    struct sl_streaming_response response;
    chunk->bytes = sl_alloc(len);
    memcpy(chunk->bytes, data, len);
    if (sl_pubsub_read_streaming_response(&response, chunk->bytes, len, &chunk->arena, err) != SL_OK) {
        sl_chunk_destroy(chunk);
        return NULL;
    }
    chunk->leases = sl_arena_array(&chunk->arena, response.n, sizeof *chunk->leases);
    for (size_t i = 0; i < response.n; i++)
        if (is_usable(&response.messages[i]))
            add_lease(chunk, &response.messages[i]);
    chunk->alive = chunk->n;
    *n_bad = response.n - chunk->n;
    *is_empty = response.n == 0;
    return chunk;
}

void sl_chunk_destroy(struct sl_chunk *chunk)
{
    sl_arena_fini(&chunk->arena);
    free(chunk->bytes);
    free(chunk);
}

/* ---- leases ---- */

static void unref(struct sl_lease *lease)
{
    struct sl_chunk *chunk = lease->chunk;
    if (--lease->refs == 0 && --chunk->alive == 0)
        sl_chunk_destroy(chunk);
}

static void wait_in_line(struct sl_grpc_bus *bus, struct sl_lease *lease)
{
    *(bus->last_waiting ? &bus->last_waiting->next_waiting : &bus->first_waiting) = lease;
    bus->last_waiting = lease;
}

void sl_leases_add(struct sl_subscriber *subscriber, struct sl_chunk *chunk, int64_t now_ms)
{
    struct sl_grpc_bus *bus = subscriber->bus;
    for (size_t i = 0; i < chunk->n; i++) {
        struct sl_lease *lease = &chunk->leases[i];
        lease->subscriber = subscriber;
        lease->received_ms = now_ms;
        lease->expires_ms = now_ms + bus->options.lease_s * 1000;
        lease->prev = subscriber->last;
        *(subscriber->last ? &subscriber->last->next : &subscriber->first) = lease;
        subscriber->last = lease;
        subscriber->held++;
        subscriber->held_bytes += lease->bytes;
        wait_in_line(bus, lease);
    }
    subscriber->leased += chunk->n;
    if (subscriber->receipt_due_ms == SL_MS_NEVER)
        subscriber->receipt_due_ms = now_ms + bus->options.receipt_ms;
}

void sl_lease_over(struct sl_lease *lease)
{
    struct sl_subscriber *subscriber = lease->subscriber;
    lease->state = SL_LEASE_OVER;
    *(lease->prev ? &lease->prev->next : &subscriber->first) = lease->next;
    *(lease->next ? &lease->next->prev : &subscriber->last) = lease->prev;
    subscriber->leased--;
    unref(lease);
}

/* ---- requests ---- */

static struct sl_unary *new_unary(struct sl_subscriber *subscriber, enum sl_unary_kind kind)
{
    const struct sl_grpc_bus_options *options = &subscriber->bus->options;
    struct sl_unary *unary = sl_calloc(1, sizeof *unary);
    unary->subscriber = subscriber;
    unary->kind = kind;
    unary->backoff = (struct sl_backoff){.min_ms = options->backoff_min_ms, .max_ms = options->backoff_max_ms, .factor = 2};
    return unary;
}

void sl_unary_free(struct sl_unary *unary)
{
    free(unary->leases);
    free(unary);
}

static void send_soon(struct sl_unary *unary)
{
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    struct sl_unary **at = &bus->to_send;
    while (*at)
        at = &(*at)->next;
    unary->next = NULL;
    *at = unary;
}

/* Takes a reference to each lease; as many requests as the limits ask for. */
static void request_for(struct sl_subscriber *subscriber, enum sl_unary_kind kind, struct sl_lease *const *leases, size_t n)
{
    for (size_t at = 0; at < n && !subscriber->bus->stopping;) {
        size_t end = at, bytes = 0;
        while (end < n && end - at < MAX_IDS && (end == at || bytes + strlen(leases[end]->ack_id) + ID_OVERHEAD <= MAX_ID_BYTES))
            bytes += strlen(leases[end++]->ack_id) + ID_OVERHEAD;
        struct sl_unary *unary = new_unary(subscriber, kind);
        unary->n = end - at;
        unary->leases = sl_alloc(unary->n * sizeof(struct sl_lease *));
        memcpy(unary->leases, leases + at, unary->n * sizeof(struct sl_lease *));
        for (size_t i = 0; i < unary->n; i++)
            unary->leases[i]->refs++;
        if (kind == SL_UNARY_ACK)
            subscriber->bus->acks++;
        send_soon(unary);
        at = end;
    }
}

/* The request is done with, whatever became of it. */
static void end_unary(struct sl_unary *unary)
{
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    for (size_t i = 0; i < unary->n; i++)
        unref(unary->leases[i]);
    if (unary->kind == SL_UNARY_ACK && --bus->acks == 0)
        pthread_cond_broadcast(&bus->quiet);
    sl_unary_free(unary);
}

/* ---- answers ---- */

static const char *count_text(char *out, size_t size, size_t n)
{
    snprintf(out, size, "%zu", n);
    return out;
}

static void log_lost(const struct sl_unary *unary, const char *why)
{
    char n[24];
    sl_log(SL_WARNING, "acks are lost, these messages come again", {"subscription", unary->subscriber->subscription},
           {"messages", count_text(n, sizeof n, unary->n)}, {"why", why});
}

static void give_up_acks(struct sl_unary *unary, const char *why)
{
    log_lost(unary, why);
    unary->subscriber->bus->stats.acks_lost += unary->n;
    for (size_t i = 0; i < unary->n; i++)
        sl_lease_over(unary->leases[i]);
    end_unary(unary);
}

/* Some id in it is not one: each half on its own. */
static void halve(struct sl_unary *unary)
{
    const size_t half = unary->n / 2;
    request_for(unary->subscriber, unary->kind, unary->leases, half);
    request_for(unary->subscriber, unary->kind, unary->leases + half, unary->n - half);
    end_unary(unary);
}

static void retry_later(struct sl_unary *unary)
{
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    unary->due_ms = sl_monotonic_ms() + sl_backoff_next(&unary->backoff);
    unary->next = bus->to_retry;
    bus->to_retry = unary;
    bus->stats.acks_retried++;
    pthread_cond_signal(&bus->wake);
}

static void ack_answered(struct sl_unary *unary, const struct sl_rpc_status *status)
{
    struct sl_subscriber *subscriber = unary->subscriber;
    if (status->code == SL_RPC_OK) {
        for (size_t i = 0; i < unary->n; i++)
            sl_lease_over(unary->leases[i]);
        end_unary(unary);
    } else if (sl_retry_ack(status->code)) {
        retry_later(unary);
    } else if (status->code == SL_RPC_INVALID_ARGUMENT && unary->n > 1) {
        halve(unary);
    } else {
        if (status->code != SL_RPC_INVALID_ARGUMENT && !sl_retry_stream(status->code)) /* no such subscription, denied, ... */
            sl_subscriber_fail(subscriber, status);
        give_up_acks(unary, status->message);
    }
    sl_subscriber_read(subscriber);
}

static void modify_answered(struct sl_unary *unary, const struct sl_rpc_status *status)
{
    const int64_t lease_ms = unary->subscriber->bus->options.lease_s * 1000;
    const bool invalid = status->code == SL_RPC_INVALID_ARGUMENT;
    for (size_t i = 0; i < unary->n; i++) {
        unary->leases[i]->extending = invalid && unary->n > 1;
        if (status->code == SL_RPC_OK)
            unary->leases[i]->expires_ms = unary->sent_ms + lease_ms;
        else if (invalid && unary->n == 1)
            unary->leases[i]->refused = true;
    }
    if (invalid && unary->n > 1)
        halve(unary);
    else
        end_unary(unary);
}

static void probe_answered(struct sl_unary *unary, const struct sl_rpc_status *status)
{
    struct sl_subscriber *subscriber = unary->subscriber;
    if (status->code == SL_RPC_OK && subscriber->stream && unary->stream_no == subscriber->stream_no)
        sl_subscriber_connected(subscriber, sl_monotonic_ms());
    end_unary(unary);
}

static void on_answer(void *arg, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct sl_unary *unary = arg;
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    (void)data;
    (void)len;
    sl_bus_lock(bus);
    switch (unary->kind) {
    case SL_UNARY_ACK: ack_answered(unary, status); break;
    case SL_UNARY_MODIFY: modify_answered(unary, status); break;
    case SL_UNARY_PROBE: probe_answered(unary, status); break;
    }
    sl_bus_unlock(bus);
}

static void put_ids(struct sl_buf *out, const struct sl_unary *unary)
{
    const struct sl_subscriber *subscriber = unary->subscriber;
    const char **ids = sl_calloc(unary->n, sizeof *ids);
    for (size_t i = 0; i < unary->n; i++)
        ids[i] = unary->leases[i]->ack_id;
    if (unary->kind == SL_UNARY_ACK)
        sl_pubsub_put_acknowledge(out, subscriber->subscription, ids, unary->n);
    else
        sl_pubsub_put_modify(out, subscriber->subscription, ids, unary->n, (int)subscriber->bus->options.lease_s);
    free(ids);
}

void sl_unary_send(struct sl_unary *unary)
{
    static const char *const METHODS[] = {
        [SL_UNARY_ACK] = "/google.pubsub.v1.Subscriber/Acknowledge",
        [SL_UNARY_MODIFY] = "/google.pubsub.v1.Subscriber/ModifyAckDeadline",
        [SL_UNARY_PROBE] = "/google.pubsub.v1.Subscriber/GetSubscription",
    };
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    struct sl_buf request = {0};
    if (unary->kind == SL_UNARY_PROBE)
        sl_pubsub_put_name(&request, unary->subscriber->subscription);
    else
        put_ids(&request, unary);
    unary->sent_ms = sl_monotonic_ms();
    const struct sl_rpc_request call = {.method = METHODS[unary->kind],
                                        .routing = unary->subscriber->routing,
                                        .data = sl_buf_text(&request),
                                        .len = request.len,
                                        .timeout_ms = bus->options.call_ms};
    sl_rpc_call_start(bus->channel, &call, on_answer, unary);
    sl_buf_fini(&request);
}

void sl_probe(struct sl_subscriber *subscriber)
{
    struct sl_unary *unary = new_unary(subscriber, SL_UNARY_PROBE);
    unary->stream_no = subscriber->stream_no;
    send_soon(unary);
}

/* ---- acks ---- */

void sl_leases_ack(struct sl_grpc_bus *bus, const struct sl_bus_batch *batch)
{
    struct sl_lease **leases = sl_calloc(batch->n, sizeof *leases);
    for (size_t s = 0; s < bus->n; s++) {
        struct sl_subscriber *subscriber = &bus->subscribers[s];
        size_t n = 0;
        for (size_t i = 0; i < batch->n; i++) {
            struct sl_lease *lease = batch->messages[i].receipt;
            if (!lease || lease->subscriber != subscriber || lease->state != SL_LEASE_OUT)
                continue;
            lease->state = SL_LEASE_ACKING;
            subscriber->held--;
            subscriber->held_bytes -= lease->bytes;
            leases[n++] = lease;
        }
        bus->stats.acks_sent += n;
        request_for(subscriber, SL_UNARY_ACK, leases, n);
        sl_subscriber_read(subscriber);
    }
    free(leases);
}

/* Those whose lease has ended are not ours any more: their ack would be void, or somebody else's. */
static void send_again(struct sl_unary *unary, int64_t now_ms)
{
    size_t kept = 0, ended = 0;
    for (size_t i = 0; i < unary->n; i++) {
        struct sl_lease *lease = unary->leases[i];
        if (lease->expires_ms > now_ms) {
            unary->leases[kept++] = lease;
            continue;
        }
        sl_lease_over(lease);
        unref(lease);
        ended++;
    }
    unary->n = ended;
    if (ended)
        log_lost(unary, "not confirmed before the lease ended");
    unary->subscriber->bus->stats.acks_lost += ended;
    unary->n = kept;
    if (kept)
        send_soon(unary);
    else
        end_unary(unary);
}

int64_t sl_acks_tick(struct sl_grpc_bus *bus, int64_t now_ms)
{
    int64_t next = SL_MS_NEVER;
    struct sl_unary *due = NULL;
    for (struct sl_unary **at = &bus->to_retry; *at;) {
        struct sl_unary *unary = *at;
        if (unary->due_ms > now_ms) {
            next = unary->due_ms < next ? unary->due_ms : next;
            at = &unary->next;
            continue;
        }
        *at = unary->next;
        unary->next = due;
        due = unary;
    }
    while (due) {
        struct sl_unary *unary = due;
        due = unary->next;
        send_again(unary, now_ms);
    }
    return next;
}

/* ---- receipts and extensions ---- */

static bool wants_extension(const struct sl_lease *lease, const struct sl_grpc_bus_options *options, int64_t now_ms)
{
    if (lease->extending || lease->refused || now_ms - lease->received_ms >= options->lease_cap_ms || lease->expires_ms <= now_ms)
        return false;
    return lease->expires_ms - now_ms <= options->extend_before_ms;
}

/* One pass over what is leased: what has no receipt yet (when they are due) and what is about to end. */
static void modify(struct sl_subscriber *subscriber, bool receipts, int64_t now_ms)
{
    struct sl_grpc_bus *bus = subscriber->bus;
    struct sl_lease **leases = sl_calloc(subscriber->leased, sizeof *leases);
    size_t n = 0;
    for (struct sl_lease *lease = subscriber->first; lease; lease = lease->next) {
        const bool receipt = receipts && !lease->receipted && lease->state != SL_LEASE_ACKING;
        if (!receipt && !wants_extension(lease, &bus->options, now_ms))
            continue;
        *(receipt ? &bus->stats.receipts : &bus->stats.extensions) += 1;
        lease->receipted = lease->extending = true;
        leases[n++] = lease;
    }
    request_for(subscriber, SL_UNARY_MODIFY, leases, n);
    free(leases);
}

int64_t sl_leases_tick(struct sl_subscriber *subscriber, int64_t now_ms)
{
    const struct sl_grpc_bus_options *options = &subscriber->bus->options;
    const bool receipts = now_ms >= subscriber->receipt_due_ms;
    if (!subscriber->first) {
        subscriber->receipt_due_ms = SL_MS_NEVER;
        return SL_MS_NEVER;
    }
    if (receipts || now_ms >= subscriber->scan_ms) {
        modify(subscriber, receipts, now_ms);
        if (receipts)
            subscriber->receipt_due_ms = SL_MS_NEVER;
        subscriber->scan_ms = now_ms + options->extend_before_ms / 10;
    }
    return subscriber->receipt_due_ms < subscriber->scan_ms ? subscriber->receipt_due_ms : subscriber->scan_ms;
}
