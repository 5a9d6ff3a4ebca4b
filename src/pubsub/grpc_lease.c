/* grpc_lease.c - the messages that the server holds for us, from the response that brought them to the answer to their ack.
 *
 * Receipts are sent together, at most receipt_ms late; they start a full lease, for a response may have waited long in buffers. Then each lease is extended when little of it is
 * left, up to lease_cap_ms, also while its ack is not answered. With exactly-once delivery a message is handed out only after its receipt is confirmed, and in the order of coming.
 * A lease that is lost before its message was handed out takes the message along: it comes again. So do, where the order of keys counts, all later messages of its key. */
#include <stdlib.h>
#include <string.h>

#include "grpc_bus_internal.h"

enum { MAX_ID_LEN = 4096, HELD_FROM = 16 * 1024, LEAST_LEASE_S = 10, LEAST_EXACT_LEASE_S = 60 };

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

/* The span ends in a NUL from now on. In place, but for the last one, behind which there is nothing. */
static void terminate(struct sl_chunk *chunk, const char *end, struct sl_span *span)
{
    if (span->len == 0)
        span->ptr = "";
    else if (span->ptr + span->len < end)
        ((char *)(uintptr_t)span->ptr)[span->len] = '\0';
    else
        span->ptr = sl_arena_strndup(&chunk->arena, span->ptr, span->len);
}

static void terminate_all(struct sl_chunk *chunk, const char *end, struct sl_received *received)
{
    struct sl_pubsub_message *message = &received->message;
    terminate(chunk, end, &received->ack_id);
    terminate(chunk, end, &message->data);
    terminate(chunk, end, &message->message_id);
    terminate(chunk, end, &message->ordering_key);
    for (size_t i = 0; i < message->n_attributes; i++) {
        terminate(chunk, end, &message->attributes[i].key);
        terminate(chunk, end, &message->attributes[i].value);
    }
}

static void add_lease(struct sl_chunk *chunk, const struct sl_received *received)
{
    struct sl_lease *lease = &chunk->leases[chunk->n++];
    lease->chunk = chunk;
    lease->received = received;
    lease->ack_id = received->ack_id.ptr;
    lease->bytes = bytes_of(received);
    lease->refs = 1;
}

/* Few bytes are copied: held, they would pin all that was read together with them. A short slice holds its bytes itself, too. */
static const char *keep(struct sl_chunk *chunk, const void *data, size_t len, struct sl_rpc_stream *of)
{
    if (len >= HELD_FROM) {
        chunk->held = sl_rpc_stream_hold(of);
        return data;
    }
    chunk->bytes = sl_alloc(len);
    memcpy(chunk->bytes, data, len);
    return chunk->bytes;
}

struct sl_chunk *sl_chunk_create(const void *data, size_t len, struct sl_rpc_stream *of, size_t *n_bad, bool *is_empty, struct sl_err *err)
{
    struct sl_chunk *chunk = sl_calloc(1, sizeof *chunk);
    struct sl_streaming_response response;
    chunk->refs = 1;
    const char *bytes = keep(chunk, data, len, of);
    if (sl_pubsub_read_streaming_response(&response, bytes, len, &chunk->arena, err) != SL_OK) {
        sl_chunk_unref(chunk);
        return NULL;
    }
    chunk->leases = sl_arena_array(&chunk->arena, response.n, sizeof *chunk->leases);
    for (size_t i = 0; i < response.n; i++)
        if (is_usable(&response.messages[i])) {
            terminate_all(chunk, bytes + len, &response.messages[i]);
            add_lease(chunk, &response.messages[i]);
        }
    chunk->alive = chunk->n;
    chunk->has_properties = response.has_properties;
    chunk->exactly_once = response.exactly_once;
    chunk->ordering = response.ordering;
    *n_bad = response.n - chunk->n;
    *is_empty = response.n == 0;
    return chunk;
}

void sl_chunk_unref(void *arg)
{
    struct sl_chunk *chunk = arg;
    if (__atomic_sub_fetch(&chunk->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    sl_arena_fini(&chunk->arena);
    sl_rpc_held_release(&chunk->held);
    free(chunk->bytes);
    free(chunk);
}

/* ---- leases ---- */

void sl_lease_unref(struct sl_lease *lease)
{
    struct sl_chunk *chunk = lease->chunk;
    if (--lease->refs == 0 && --chunk->alive == 0)
        sl_chunk_unref(chunk);
}

static void wait_in_line(struct sl_grpc_bus *bus, struct sl_lease *lease)
{
    lease->state = SL_LEASE_WAITING;
    lease->next_waiting = NULL;
    *(bus->last_waiting ? &bus->last_waiting->next_waiting : &bus->first_waiting) = lease;
    bus->last_waiting = lease;
}

static void hold(struct sl_subscriber *subscriber, struct sl_lease *lease)
{
    lease->state = SL_LEASE_HELD;
    *(subscriber->last_held ? &subscriber->last_held->next_waiting : &subscriber->first_held) = lease;
    subscriber->last_held = lease;
}

static void add(struct sl_subscriber *subscriber, struct sl_lease *lease, int64_t now_ms)
{
    lease->subscriber = subscriber;
    lease->received_ms = now_ms;
    lease->expires_ms = now_ms + subscriber->lease_s * INT64_C(1000);
    lease->prev = subscriber->last;
    *(subscriber->last ? &subscriber->last->next : &subscriber->first) = lease;
    subscriber->last = lease;
    subscriber->held++;
    subscriber->held_bytes += lease->bytes;
    if (subscriber->exactly_once)
        hold(subscriber, lease);
    else
        wait_in_line(subscriber->bus, lease);
}

/* What is held for its receipt is kept waiting by it: no delay then. */
void sl_leases_add(struct sl_subscriber *subscriber, struct sl_chunk *chunk, int64_t now_ms)
{
    const int64_t due_ms = subscriber->exactly_once ? now_ms : now_ms + subscriber->bus->options.receipt_ms;
    for (size_t i = 0; i < chunk->n; i++)
        add(subscriber, &chunk->leases[i], now_ms);
    subscriber->leased += chunk->n;
    if (due_ms >= subscriber->receipt_due_ms)
        return;
    subscriber->receipt_due_ms = due_ms;
    pthread_cond_signal(&subscriber->bus->wake);
}

static void to_tell(struct sl_grpc_bus *bus, struct sl_lease *lease, enum sl_ack_outcome outcome)
{
    if (!bus->options.acked)
        return;
    lease->refs++;
    lease->outcome = outcome;
    lease->next_waiting = NULL;
    *(bus->to_tell ? &bus->last_to_tell->next_waiting : &bus->to_tell) = lease;
    bus->last_to_tell = lease;
}

void sl_lease_over(struct sl_lease *lease, enum sl_ack_outcome outcome)
{
    struct sl_subscriber *subscriber = lease->subscriber;
    struct sl_grpc_bus *bus = subscriber->bus;
    if (lease->state == SL_LEASE_ACKING) {
        *(outcome == SL_ACK_CONFIRMED ? &bus->stats.acks_confirmed : &bus->stats.acks_lost) += 1;
        to_tell(bus, lease, outcome);
    }
    lease->state = SL_LEASE_OVER;
    *(lease->prev ? &lease->prev->next : &subscriber->first) = lease->next;
    *(lease->next ? &lease->next->prev : &subscriber->last) = lease->prev;
    subscriber->leased--;
    sl_lease_unref(lease);
}

/* ---- handing out ---- */

static bool is_lost(const struct sl_lease *lease, int64_t now_ms)
{
    return lease->refused || lease->expires_ms <= now_ms;
}

static bool same_key(const struct sl_lease *a, const struct sl_lease *b)
{
    const struct sl_span x = a->received->message.ordering_key, y = b->received->message.ordering_key;
    return x.len == y.len && memcmp(x.ptr, y.ptr, x.len) == 0;
}

/* Of a message that was never handed out, and is in no list but the subscriber's any more. */
static void lapse(struct sl_lease *lease)
{
    struct sl_subscriber *subscriber = lease->subscriber;
    const bool ordered = subscriber->ordering && lease->received->message.ordering_key.len > 0;
    for (struct sl_lease *later = lease->next; ordered && later; later = later->next)
        if ((later->state == SL_LEASE_HELD || later->state == SL_LEASE_WAITING) && same_key(lease, later))
            later->refused = true;
    subscriber->held--;
    subscriber->held_bytes -= lease->bytes;
    subscriber->bus->stats.lapsed++;
    sl_lease_over(lease, SL_ACK_LOST);
}

void sl_leases_release_held(struct sl_subscriber *subscriber)
{
    const int64_t now_ms = sl_monotonic_ms();
    bool any = false;
    while (subscriber->first_held && (subscriber->first_held->confirmed || is_lost(subscriber->first_held, now_ms))) {
        struct sl_lease *lease = subscriber->first_held;
        subscriber->first_held = lease->next_waiting;
        if (!subscriber->first_held)
            subscriber->last_held = NULL;
        if (is_lost(lease, now_ms))
            lapse(lease);
        else
            wait_in_line(subscriber->bus, lease);
        any = true;
    }
    if (any)
        pthread_cond_broadcast(&subscriber->bus->arrived);
}

struct sl_lease *sl_leases_take(struct sl_grpc_bus *bus, size_t max_n, size_t max_bytes, int64_t now_ms)
{
    struct sl_lease *first = NULL, **end = &first;
    size_t n = 0, bytes = 0;
    while (bus->first_waiting && n < max_n && (n == 0 || bytes + bus->first_waiting->bytes <= max_bytes)) {
        struct sl_lease *lease = bus->first_waiting;
        struct sl_subscriber *subscriber = lease->subscriber;
        bus->first_waiting = lease->next_waiting;
        lease->next_waiting = NULL;
        if (is_lost(lease, now_ms)) {
            lapse(lease);
            sl_subscriber_read(subscriber);
            continue;
        }
        lease->state = SL_LEASE_OUT;
        bytes += lease->bytes;
        n++;
        *end = lease;
        end = &lease->next_waiting;
    }
    if (!bus->first_waiting)
        bus->last_waiting = NULL;
    return first;
}

/* ---- acks ---- */

void sl_leases_ack(struct sl_grpc_bus *bus, const struct sl_bus_batch *batch)
{
    struct sl_lease **leases = sl_calloc(batch->n, sizeof *leases);
    const int64_t now_ms = sl_monotonic_ms();
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
            sl_ack_times_add(&subscriber->ack_times, now_ms - lease->received_ms);
            leases[n++] = lease;
        }
        bus->stats.acks_sent += n;
        sl_unary_request(subscriber, SL_UNARY_ACK, leases, n, 0);
        sl_subscriber_read(subscriber);
    }
    free(leases);
}

/* ---- receipts and extensions ---- */

int sl_leases_length_s(const struct sl_subscriber *subscriber)
{
    const int lease_s = (int)subscriber->bus->options.lease_s;
    const int least_s = subscriber->exactly_once ? LEAST_EXACT_LEASE_S : lease_s < LEAST_LEASE_S ? lease_s : LEAST_LEASE_S;
    return sl_ack_times_lease_s(&subscriber->ack_times, least_s, lease_s);
}

/* A lease of the shortest length is not to be extended all the time. */
static int64_t extend_before_ms(const struct sl_subscriber *subscriber)
{
    const struct sl_grpc_bus *bus = subscriber->bus;
    const int64_t half_ms = sl_leases_length_s(subscriber) * INT64_C(1000) / 2;
    return bus->halves_leases && half_ms < bus->options.extend_before_ms ? half_ms : bus->options.extend_before_ms;
}

static bool wants_extension(const struct sl_lease *lease, int64_t before_ms, int64_t cap_ms, int64_t now_ms)
{
    if (lease->extending || lease->refused || now_ms - lease->received_ms >= cap_ms || lease->expires_ms <= now_ms)
        return false;
    return lease->expires_ms - now_ms <= before_ms;
}

/* One pass over what is leased: what has no receipt yet (when they are due) and what is about to end. */
static void modify(struct sl_subscriber *subscriber, bool receipts, int64_t before_ms, int64_t now_ms)
{
    struct sl_grpc_bus *bus = subscriber->bus;
    struct sl_lease **leases = sl_calloc(subscriber->leased, sizeof *leases);
    size_t n = 0;
    for (struct sl_lease *lease = subscriber->first; lease; lease = lease->next) {
        const bool receipt = receipts && !lease->receipted && lease->state != SL_LEASE_ACKING;
        if (!receipt && !wants_extension(lease, before_ms, bus->options.lease_cap_ms, now_ms))
            continue;
        *(receipt ? &bus->stats.receipts : &bus->stats.extensions) += 1;
        lease->receipted = lease->extending = true;
        leases[n++] = lease;
    }
    sl_unary_request(subscriber, SL_UNARY_MODIFY, leases, n, sl_leases_length_s(subscriber));
    free(leases);
}

int64_t sl_leases_tick(struct sl_subscriber *subscriber, int64_t now_ms)
{
    const bool receipts = now_ms >= subscriber->receipt_due_ms;
    if (!subscriber->first) {
        subscriber->receipt_due_ms = SL_MS_NEVER;
        return SL_MS_NEVER;
    }
    if (receipts || now_ms >= subscriber->scan_ms) {
        const int64_t before_ms = extend_before_ms(subscriber);
        sl_leases_release_held(subscriber);
        modify(subscriber, receipts, before_ms, now_ms);
        if (receipts)
            subscriber->receipt_due_ms = SL_MS_NEVER;
        subscriber->scan_ms = now_ms + before_ms / 10;
    }
    return subscriber->receipt_due_ms < subscriber->scan_ms ? subscriber->receipt_due_ms : subscriber->scan_ms;
}
