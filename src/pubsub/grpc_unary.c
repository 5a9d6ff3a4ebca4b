/* grpc_unary.c - Acknowledge and ModifyAckDeadline of some leases, from the first try to the last; and the probe of a stream.
 *
 * An ack that fails for a while is sent again until its leases have ended: a lost ack would be committed work that is delivered again. So is a receipt that a message is held for;
 * another extension is left to the next scan. A server that names the ids that failed is taken at its word, the rest is done. One that refuses a request as invalid without naming
 * any is asked for each half of it, so that one bad id spoils no other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/log.h>

#include "grpc_bus_internal.h"

enum {
    MAX_IDS = 2500,            /* of one request: 2,500 x 164 bytes stay below the server's 524,288 */
    MAX_ID_BYTES = 510 * 1024, /* should ids be longer */
    ID_OVERHEAD = 5,
};

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

/* How many of the leases fit into one request. */
static size_t fitting(struct sl_lease *const *leases, size_t n)
{
    size_t fit = 0, bytes = 0;
    for (; fit < n && fit < MAX_IDS; fit++) {
        bytes += strlen(leases[fit]->ack_id) + ID_OVERHEAD;
        if (fit > 0 && bytes > MAX_ID_BYTES)
            break;
    }
    return fit;
}

void sl_unary_request(struct sl_subscriber *subscriber, enum sl_unary_kind kind, struct sl_lease *const *leases, size_t n, int lease_s)
{
    for (size_t at = 0; at < n && !subscriber->bus->stopping;) {
        struct sl_unary *unary = new_unary(subscriber, kind);
        unary->n = fitting(leases + at, n - at);
        unary->lease_s = lease_s;
        unary->leases = sl_alloc(unary->n * sizeof(struct sl_lease *));
        memcpy(unary->leases, leases + at, unary->n * sizeof(struct sl_lease *));
        for (size_t i = 0; i < unary->n; i++)
            unary->leases[i]->refs++;
        if (kind == SL_UNARY_ACK)
            subscriber->bus->acks++;
        at += unary->n;
        send_soon(unary);
    }
}

void sl_unary_probe(struct sl_subscriber *subscriber)
{
    struct sl_unary *unary = new_unary(subscriber, SL_UNARY_PROBE);
    unary->stream_no = subscriber->stream_no;
    send_soon(unary);
}

/* The request is done with, whatever became of it. */
static void end_unary(struct sl_unary *unary)
{
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    for (size_t i = 0; i < unary->n; i++)
        sl_lease_unref(unary->leases[i]);
    if (unary->kind == SL_UNARY_ACK && --bus->acks == 0)
        pthread_cond_broadcast(&bus->quiet);
    sl_unary_free(unary);
}

/* ---- answers ---- */

static void log_lost(const struct sl_unary *unary, size_t n, const char *why)
{
    char count[24];
    snprintf(count, sizeof count, "%zu", n);
    if (n > 0)
        sl_log(SL_WARNING, "acks are lost, these messages come again", {"subscription", unary->subscriber->subscription},
               {"messages", count}, {"why", why});
}

static void retry_later(struct sl_unary *unary)
{
    struct sl_grpc_bus *bus = unary->subscriber->bus;
    unary->due_ms = sl_monotonic_ms() + sl_backoff_next(&unary->backoff);
    unary->next = bus->to_retry;
    bus->to_retry = unary;
    bus->stats.acks_retried += unary->kind == SL_UNARY_ACK;
    pthread_cond_signal(&bus->wake);
}

/* Some id in it is not one: each half on its own. */
static void halve(struct sl_unary *unary)
{
    const size_t half = unary->n / 2;
    sl_unary_request(unary->subscriber, unary->kind, unary->leases, half, unary->lease_s);
    sl_unary_request(unary->subscriber, unary->kind, unary->leases + half, unary->n - half, unary->lease_s);
    end_unary(unary);
}

static enum sl_id_result result_of(const struct sl_unary *unary, const struct sl_lease *lease, const struct sl_rpc_status *status,
                                   const struct sl_map *results)
{
    if (results)
        return sl_ack_results_of(results, lease->ack_id);
    if (status->code == SL_RPC_OK)
        return SL_ID_DONE;
    if (status->code == SL_RPC_INVALID_ARGUMENT)
        return SL_ID_INVALID;
    return unary->kind == SL_UNARY_MODIFY || sl_retry_ack(status->code) ? SL_ID_LATER : SL_ID_FAILED;
}

/* Does the request still have to do with it? */
static bool ack_settled(struct sl_lease *lease, enum sl_id_result result)
{
    if (result == SL_ID_LATER)
        return false;
    sl_lease_over(lease, result == SL_ID_DONE ? SL_ACK_CONFIRMED : result == SL_ID_INVALID ? SL_ACK_INVALID : SL_ACK_LOST);
    return true;
}

static bool modify_settled(struct sl_unary *unary, struct sl_lease *lease, enum sl_id_result result)
{
    if (result == SL_ID_LATER && lease->state == SL_LEASE_HELD)
        return false;
    lease->extending = false;
    if (result == SL_ID_DONE) {
        lease->confirmed = true;
        lease->expires_ms = unary->sent_ms + unary->lease_s * INT64_C(1000);
    } else if (result == SL_ID_INVALID) {
        lease->refused = true;
    }
    return true;
}

/* Keeps those leases that have to be asked for again. */
static size_t settle(struct sl_unary *unary, const struct sl_rpc_status *status, const struct sl_map *results)
{
    size_t kept = 0, lost = 0;
    for (size_t i = 0; i < unary->n; i++) {
        struct sl_lease *lease = unary->leases[i];
        const enum sl_id_result result = result_of(unary, lease, status, results);
        const bool settled = unary->kind == SL_UNARY_ACK ? ack_settled(lease, result) : modify_settled(unary, lease, result);
        lost += result == SL_ID_INVALID || result == SL_ID_FAILED;
        if (settled)
            sl_lease_unref(lease);
        else
            unary->leases[kept++] = lease;
    }
    unary->n = kept;
    if (unary->kind == SL_UNARY_ACK)
        log_lost(unary, lost, status->message[0] ? status->message : sl_rpc_code_name(status->code));
    return kept;
}

static void answered(struct sl_unary *unary, const struct sl_rpc_status *status, const struct sl_map *results)
{
    struct sl_subscriber *subscriber = unary->subscriber;
    const enum sl_unary_kind kind = unary->kind;
    if (!results && status->code == SL_RPC_INVALID_ARGUMENT && unary->n > 1) {
        halve(unary);
        return;
    }
    if (!results && kind == SL_UNARY_ACK && status->code != SL_RPC_INVALID_ARGUMENT && !sl_retry_stream(status->code))
        sl_subscriber_fail(subscriber, status); /* no such subscription, denied, ... */
    if (settle(unary, status, results) > 0)
        retry_later(unary);
    else
        end_unary(unary);
    if (kind == SL_UNARY_MODIFY)
        sl_leases_release_held(subscriber);
    sl_subscriber_read(subscriber);
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
    struct sl_map *results = status->code == SL_RPC_OK ? NULL : sl_ack_results_read(data, len);
    sl_bus_lock(bus);
    if (unary->kind == SL_UNARY_PROBE)
        probe_answered(unary, status);
    else
        answered(unary, status, results);
    sl_bus_unlock(bus);
    sl_map_destroy(&results);
}

/* ---- sending ---- */

static void put_ids(struct sl_buf *out, const struct sl_unary *unary)
{
    const struct sl_subscriber *subscriber = unary->subscriber;
    const char **ids = sl_calloc(unary->n, sizeof *ids);
    for (size_t i = 0; i < unary->n; i++)
        ids[i] = unary->leases[i]->ack_id;
    if (unary->kind == SL_UNARY_ACK)
        sl_pubsub_put_acknowledge(out, subscriber->subscription, ids, unary->n);
    else
        sl_pubsub_put_modify(out, subscriber->subscription, ids, unary->n, unary->lease_s);
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
    sl_rpc_call_start(unary->subscriber->channel, &call, on_answer, unary);
    sl_buf_fini(&request);
}

/* ---- again ---- */

/* Those whose lease has ended are not ours any more: their ack would be void, or somebody else's. */
static void send_again(struct sl_unary *unary, int64_t now_ms)
{
    size_t kept = 0, lost = 0;
    for (size_t i = 0; i < unary->n; i++) {
        struct sl_lease *lease = unary->leases[i];
        if (lease->expires_ms > now_ms && lease->state != SL_LEASE_OVER) {
            unary->leases[kept++] = lease;
            continue;
        }
        if (unary->kind == SL_UNARY_ACK)
            sl_lease_over(lease, SL_ACK_LOST);
        sl_lease_unref(lease);
        lost++;
    }
    unary->n = kept;
    if (unary->kind == SL_UNARY_ACK)
        log_lost(unary, lost, "not confirmed before the lease ended");
    else
        sl_leases_release_held(unary->subscriber);
    if (kept)
        send_soon(unary);
    else
        end_unary(unary);
}

int64_t sl_unary_tick(struct sl_grpc_bus *bus, int64_t now_ms)
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
