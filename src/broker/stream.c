/* stream.c - StreamingPull. Opened -> its first request says what it wants -> messages, pings, acks -> finished by us (age, an error, stop) or gone
 * -> closed, the last thing that is heard of it. Its leases are free the moment it ends; exactly once they last on, because whoever has the messages may
 * still ack them. Every response carries the properties, since clients read them from each. */
#include "broker_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#define ENDING_MS 5000 /* for a client to read the message that is on its way */

struct sl_stream *sl_stream_create(struct sl_rpc_peer_call *call)
{
    struct sl_stream *stream = sl_calloc(1, sizeof(*stream));
    stream->call = call;
    atomic_init(&stream->blocked, false);
    return stream;
}

static void leave_subscription(struct sl_stream *stream)
{
    if (!stream->subscription)
        return;
    stream->subscription->used_ms = 0; /* from now on nobody does */
    if (stream->subscription->config.exactly_once)
        sl_delivery_adopt(&stream->subscription->delivery, &stream->flow);
    else
        sl_delivery_release(&stream->subscription->delivery, &stream->flow);
    sl_list_remove(&stream->subscription->streams, stream);
    stream->subscription = NULL;
}

/* What is unsent is not leased any more. What has not begun is forgotten; a message in the middle of its bytes goes on, because a client takes half a message for a broken
 * stream, whatever the status behind it says. But a client that does not read must not hold the stream open. */
static void begin_end(struct sl_stream *stream, const struct sl_rpc_status *status)
{
    sl_rpc_drop(stream->call);
    atomic_store(&stream->blocked, true); /* before asking, as in sl_stream_send() */
    if (sl_rpc_unsent_bytes(stream->call) == 0) {
        sl_rpc_finish(stream->call, status);
        return;
    }
    stream->ending = true;
    stream->end = *status;
    stream->end_ms = SL_NEVER; /* its time begins with the next tick */
}

/* When to look again. */
static int64_t tick_end(const struct sl_broker *broker, struct sl_stream *stream)
{
    if (stream->end_ms == SL_NEVER)
        stream->end_ms = broker->now_ms + ENDING_MS;
    bool gone = sl_rpc_unsent_bytes(stream->call) == 0;
    if (!gone && stream->end_ms > broker->now_ms)
        return stream->end_ms;
    stream->ending = false;
    if (gone)
        sl_rpc_finish(stream->call, &stream->end);
    else
        sl_rpc_abort(stream->call, &stream->end);
    return SL_NEVER;
}

void sl_stream_finish(struct sl_stream *stream, enum sl_rpc_code code, const char *fmt, ...)
{
    struct sl_rpc_status status = {.code = code};
    va_list args;
    if (stream->finished)
        return;
    va_start(args, fmt);
    vsnprintf(status.message, sizeof(status.message), fmt, args);
    va_end(args);
    stream->finished = true;
    leave_subscription(stream);
    if (code != SL_RPC_OK)
        begin_end(stream, &status);
    else
        sl_rpc_finish(stream->call, &status);
}

static void clear_confirmation(struct sl_confirmation *confirmation)
{
    sl_buf_fini(&confirmation->acked);
    sl_buf_fini(&confirmation->invalid);
    sl_buf_fini(&confirmation->modified);
    sl_buf_fini(&confirmation->modify_invalid);
}

void sl_stream_opened(struct sl_broker *broker, struct sl_stream *stream)
{
    stream->opened_ms = stream->sent_ms = broker->now_ms;
    stream->flow.holder = ++broker->holder;
    stream->after = broker->streams;
    if (broker->streams)
        broker->streams->before = stream;
    broker->streams = stream;
    if (sl_broker_has_failed(broker))
        sl_stream_finish(stream, SL_RPC_UNAVAILABLE, "the broker's store has failed");
    else if (broker->stopping)
        sl_stream_finish(stream, SL_RPC_UNAVAILABLE, "the broker is stopping");
}

void sl_stream_closed(struct sl_broker *broker, struct sl_stream *stream)
{
    sl_stream_finish(stream, SL_RPC_CANCELLED, "the client is gone");
    if (stream->ending)
        sl_rpc_abort(stream->call, &stream->end);
    sl_delayed_forget(broker, stream);
    if (stream->before)
        stream->before->after = stream->after;
    else
        broker->streams = stream->after;
    if (stream->after)
        stream->after->before = stream->before;
    clear_confirmation(&stream->confirmation);
    free(stream);
}

void sl_stream_send(struct sl_broker *broker, struct sl_stream *stream, struct sl_buf *response)
{
    if (sl_rpc_unsent_bytes(stream->call) > SL_UNREAD_BYTES) {
        sl_stream_finish(stream, SL_RPC_RESOURCE_EXHAUSTED, "the client does not read what it is told");
        return;
    }
    const struct sl_pubsub_subscription *config = &stream->subscription->config;
    sl_pubsub_put_properties(response, config->exactly_once, config->ordering);
    sl_rpc_send(stream->call, response->data, response->len);
    stream->sent_ms = broker->now_ms;
    atomic_store(&stream->blocked, true); /* before asking: a "writable" that comes in between is seen by the asking */
    if (sl_rpc_unsent_bytes(stream->call) <= SL_UNSENT_BYTES)
        atomic_store(&stream->blocked, false);
}

static void send_empty(struct sl_broker *broker, struct sl_stream *stream)
{
    sl_buf_clear(&broker->out);
    sl_stream_send(broker, stream, &broker->out);
}

/* ---- requests ---- */

static void first_request(struct sl_broker *broker, struct sl_stream *stream, const struct sl_streaming_request *request)
{
    const struct sl_span *name = &request->subscription;
    if (name->len == 0) {
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "first message must set subscription");
        return;
    }
    if (request->stream_ack_deadline_s < 10 || request->stream_ack_deadline_s > 600) {
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "stream_ack_deadline_seconds must be between 10 and 600 seconds");
        return;
    }
    struct sl_subscription *subscription = sl_catalog_subscription(&broker->catalog, name->ptr, name->len);
    if (!subscription) {
        sl_stream_finish(stream, SL_RPC_NOT_FOUND, "Subscription does not exist (resource=%.*s)", (int)name->len, name->ptr);
        return;
    }
    if (subscription->config.detached) {
        sl_stream_finish(stream, SL_RPC_FAILED_PRECONDITION, SL_DETACHED);
        return;
    }
    stream->subscription = subscription;
    stream->deadline_s = request->stream_ack_deadline_s;
    stream->flow.max_messages = request->max_outstanding_messages;
    stream->flow.max_bytes = request->max_outstanding_bytes;
    sl_list_insert(&subscription->streams, subscription->streams.n, stream);
}

static bool later_request_valid(struct sl_stream *stream, const struct sl_streaming_request *request)
{
    if (request->subscription.len > 0)
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "subscription may only be set in first message");
    else if (request->max_outstanding_messages != 0 || request->max_outstanding_bytes != 0)
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "flow control settings may only be set in first message");
    else if (request->stream_ack_deadline_s != 0 && (request->stream_ack_deadline_s < 10 || request->stream_ack_deadline_s > 600))
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "stream_ack_deadline_seconds must be between 10 and 600 seconds");
    else if (request->stream_ack_deadline_s != 0)
        stream->deadline_s = request->stream_ack_deadline_s;
    return !stream->finished;
}

/* A malformed one ends the stream, also where ids are judged one by one. */
static bool ids_valid(struct sl_stream *stream, const struct sl_span *ids, size_t n)
{
    struct sl_ack_id id;
    for (size_t i = 0; i < n; i++)
        if (!sl_ack_id_parse(&id, ids[i].ptr, ids[i].len)) {
            sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "Invalid ack id (ack_id=%.*s)", (int)ids[i].len, ids[i].ptr);
            return false;
        }
    return true;
}

static bool modify_valid(struct sl_stream *stream, const struct sl_streaming_request *request)
{
    if (request->n_modify_ack_ids != request->n_modify_seconds) {
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "ack IDs and deadlines must have the same size");
        return false;
    }
    for (size_t i = 0; i < request->n_modify_seconds; i++)
        if (request->modify_seconds[i] < 0 || request->modify_seconds[i] > 600) {
            sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "modify_deadline_seconds must be between 0 and 600");
            return false;
        }
    return ids_valid(stream, request->modify_ack_ids, request->n_modify_ack_ids);
}

static bool is_ping(const struct sl_streaming_request *request)
{
    return request->n_ack_ids == 0 && request->n_modify_ack_ids == 0;
}

/* All well-formed ids have one length. */
static void confirm(struct sl_stream *stream, struct sl_buf *ids, struct sl_span id)
{
    if (stream->subscription->config.exactly_once)
        sl_buf_add(ids, id.ptr, id.len);
}

static void put_ids(struct sl_buf *out, int field, const struct sl_buf *ids)
{
    for (size_t i = 0; i < ids->len; i += SL_ACK_ID_LEN)
        sl_wire_put_bytes(out, field, ids->data + i, SL_ACK_ID_LEN);
}

enum { ACK_CONFIRMATION = 5, MODIFY_CONFIRMATION = 3, ACK_IDS = 1, INVALID_ACK_IDS = 2, ACK_FAILED = 4, MODIFY_FAILED = 3 };

static void put_confirmation(struct sl_buf *out, const struct sl_confirmation *from, bool committed)
{
    struct sl_buf ids = {0};
    put_ids(&ids, committed ? ACK_IDS : ACK_FAILED, &from->acked);
    put_ids(&ids, INVALID_ACK_IDS, &from->invalid);
    if (ids.len > 0)
        sl_wire_put_message(out, ACK_CONFIRMATION, &ids);
    sl_buf_clear(&ids);
    put_ids(&ids, committed ? ACK_IDS : MODIFY_FAILED, &from->modified);
    put_ids(&ids, INVALID_ACK_IDS, &from->modify_invalid);
    if (ids.len > 0)
        sl_wire_put_message(out, MODIFY_CONFIRMATION, &ids);
    sl_buf_fini(&ids);
}

void sl_streams_confirm(struct sl_broker *broker, bool committed)
{
    for (struct sl_stream *stream = broker->streams; stream && broker->confirming; stream = stream->after) {
        sl_buf_clear(&broker->out);
        put_confirmation(&broker->out, &stream->confirmation, committed);
        clear_confirmation(&stream->confirmation);
        if (broker->out.len > 0 && !stream->finished)
            sl_stream_send(broker, stream, &broker->out);
    }
    broker->confirming = false;
}

static void apply(struct sl_broker *broker, struct sl_stream *stream, const struct sl_streaming_request *request)
{
    if (!ids_valid(stream, request->ack_ids, request->n_ack_ids) || !modify_valid(stream, request))
        return;
    struct sl_confirmation *confirmation = &stream->confirmation;
    for (size_t i = 0; i < request->n_ack_ids; i++) {
        bool valid = sl_apply_ack(broker, stream->subscription, request->ack_ids[i]);
        confirm(stream, valid ? &confirmation->acked : &confirmation->invalid, request->ack_ids[i]);
    }
    for (size_t i = 0; i < request->n_modify_ack_ids; i++) {
        bool valid = sl_apply_modify(broker, stream->subscription, request->modify_ack_ids[i], request->modify_seconds[i]);
        confirm(stream, valid ? &confirmation->modified : &confirmation->modify_invalid, request->modify_ack_ids[i]);
    }
    broker->confirming |= stream->subscription->config.exactly_once && !is_ping(request);
}

void sl_stream_message(struct sl_broker *broker, struct sl_stream *stream, const void *data, size_t len)
{
    struct sl_streaming_request request;
    struct sl_err err;
    if (stream->finished)
        return;
    if (sl_pubsub_read_streaming_request(&request, data, len, &broker->arena, &err)) {
        sl_stream_finish(stream, SL_RPC_INVALID_ARGUMENT, "%.400s", err.text);
        return;
    }
    bool first = !stream->subscription;
    if (first)
        first_request(broker, stream, &request);
    else if (later_request_valid(stream, &request) && is_ping(&request) && sl_rpc_unsent_bytes(stream->call) == 0)
        send_empty(broker, stream); /* else something is on its way, which answers it too */
    if (!stream->finished)
        apply(broker, stream, &request);
}

/* ---- time ---- */

void sl_streams_finish_all(struct sl_broker *broker, const struct sl_subscription *only, enum sl_rpc_code code, const char *text)
{
    for (struct sl_stream *stream = broker->streams; stream; stream = stream->after)
        if (!only || stream->subscription == only)
            sl_stream_finish(stream, code, "%s", text);
}

static int64_t tick(struct sl_broker *broker, struct sl_stream *stream)
{
    if (stream->ending)
        return tick_end(broker, stream);
    if (stream->finished)
        return SL_NEVER;
    int64_t end_ms = stream->opened_ms + broker->stream_age_ms;
    if (end_ms <= broker->now_ms) {
        sl_stream_finish(stream, SL_RPC_UNAVAILABLE, "the stream has reached its age; open it again");
        return SL_NEVER;
    }
    if (!stream->subscription)
        return end_ms;
    if (stream->sent_ms + broker->heartbeat_ms <= broker->now_ms && !atomic_load(&stream->blocked))
        send_empty(broker, stream);
    int64_t beat_ms = atomic_load(&stream->blocked) ? end_ms : stream->sent_ms + broker->heartbeat_ms;
    return beat_ms < end_ms ? beat_ms : end_ms;
}

int64_t sl_streams_tick(struct sl_broker *broker)
{
    int64_t due_ms = SL_NEVER;
    for (struct sl_stream *stream = broker->streams; stream; stream = stream->after) {
        int64_t due = tick(broker, stream);
        due_ms = due < due_ms ? due : due_ms;
    }
    return due_ms;
}
