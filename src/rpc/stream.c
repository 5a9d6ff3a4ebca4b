/* stream.c - streams of the client.
 * Four kinds of batches: the status, alone and from the start, which completes when the call is over; the server's initial metadata; one read when asked for; one write, the
 * first with our initial metadata. `end` runs when the status is there and nothing else is outstanding, so after the last `message`. Two references: the caller's, given up by
 * release, and the loop's, given up after `end`. Whatever is called after the status came does nothing. */
#include <stdlib.h>

#include <sluice/mem.h>

#include "rpc_internal.h"

struct sl_rpc_stream {
    struct sl_rpc_dial dial;
    struct sl_rpc_stream_handlers handlers;
    void *arg;
    struct sl_rpc_tag status_tag, opened_tag, read_tag, write_tag;
    grpc_byte_buffer *received, *sent;  /* of the batch that is outstanding */
    const struct sl_rpc_bytes *message; /* while its handler runs */

    pthread_mutex_t lock; /* guards what follows, and the start of batches */
    int refs, outstanding;
    struct sl_rpc_outbox outbox;
    bool reading, writing, half_close, half_closed;
    bool over; /* the status is there */
    bool dead; /* the call is freed: nothing may touch it */
};

static void unref(struct sl_rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool last = --stream->refs == 0;
    pthread_mutex_unlock(&stream->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&stream->lock);
    free(stream);
}

/* ---- batches; under the lock ---- */

static void start(struct sl_rpc_stream *stream, const grpc_op *ops, size_t n, struct sl_rpc_tag *tag)
{
    stream->outstanding++;
    sl_rpc_batch(stream->dial.call, ops, n, tag);
}

static void start_read(struct sl_rpc_stream *stream)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &stream->received};
    if (stream->reading || stream->over)
        return;
    stream->reading = true;
    start(stream, &op, 1, &stream->read_tag);
}

/* The next of what waits, or the half close after the last. */
static void start_write(struct sl_rpc_stream *stream)
{
    size_t len;
    grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
    if (stream->writing || stream->over)
        return;
    if (sl_rpc_outbox_take(&stream->outbox, &stream->sent, &len))
        op = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = stream->sent};
    else if (stream->half_close && !stream->half_closed)
        stream->half_closed = true;
    else
        return;
    stream->writing = true;
    start(stream, &op, 1, &stream->write_tag);
}

/* ---- completions; the loop's thread ---- */

static void end(struct sl_rpc_stream *stream)
{
    struct sl_rpc_status status;
    sl_rpc_dial_status(&stream->dial, &status);
    stream->handlers.end(stream->arg, &status);
    pthread_mutex_lock(&stream->lock);
    stream->dead = true;
    sl_rpc_outbox_clear(&stream->outbox);
    pthread_mutex_unlock(&stream->lock);
    sl_rpc_dial_close(&stream->dial);
    unref(stream);
}

/* A batch is dealt with, its handler has returned. */
static void settle(struct sl_rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    bool last = --stream->outstanding == 0 && stream->over;
    pthread_mutex_unlock(&stream->lock);
    if (last)
        end(stream);
}

static void status_came(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_stream *stream = SL_RPC_OWNER(tag, struct sl_rpc_stream, status_tag);
    (void)ok;
    pthread_mutex_lock(&stream->lock);
    stream->over = true;
    pthread_mutex_unlock(&stream->lock);
    settle(stream);
}

static void opened(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_stream *stream = SL_RPC_OWNER(tag, struct sl_rpc_stream, opened_tag);
    if (ok && stream->handlers.opened)
        stream->handlers.opened(stream->arg);
    settle(stream);
}

static void message_came(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_stream *stream = SL_RPC_OWNER(tag, struct sl_rpc_stream, read_tag);
    struct sl_rpc_bytes bytes;
    grpc_byte_buffer *buffer = stream->received;
    pthread_mutex_lock(&stream->lock);
    stream->received = NULL;
    stream->reading = buffer == NULL; /* after the last there is nothing to read */
    pthread_mutex_unlock(&stream->lock);
    if (ok && buffer && sl_rpc_bytes_open(&bytes, buffer)) {
        stream->message = &bytes;
        stream->handlers.message(stream->arg, bytes.data, bytes.len);
        stream->message = NULL;
        sl_rpc_bytes_close(&bytes);
    }
    grpc_byte_buffer_destroy(buffer);
    settle(stream);
}

static void written(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_stream *stream = SL_RPC_OWNER(tag, struct sl_rpc_stream, write_tag);
    pthread_mutex_lock(&stream->lock);
    grpc_byte_buffer_destroy(stream->sent);
    stream->sent = NULL;
    stream->writing = !ok; /* a write that failed was the last: the call is ending */
    start_write(stream);
    pthread_mutex_unlock(&stream->lock);
    settle(stream);
}

/* ---- from outside ---- */

static void start_all(struct sl_rpc_stream *stream)
{
    grpc_op status = sl_rpc_dial_op_status(&stream->dial);
    grpc_op initial = sl_rpc_dial_op_opened(&stream->dial);
    grpc_op first[] = {
        sl_rpc_dial_op_initial(&stream->dial),
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = stream->sent},
    };
    stream->writing = true;
    start(stream, &status, 1, &stream->status_tag);
    start(stream, first, 2, &stream->write_tag);
    start(stream, &initial, 1, &stream->opened_tag);
}

void sl_rpc_stream_open(struct sl_rpc_stream **out, struct sl_rpc_channel *channel, const struct sl_rpc_request *first,
                        const struct sl_rpc_stream_handlers *handlers, void *arg)
{
    struct sl_rpc_stream *stream = sl_calloc(1, sizeof *stream);
    stream->handlers = *handlers;
    stream->arg = arg;
    stream->refs = 2;
    stream->status_tag.run = status_came;
    stream->opened_tag.run = opened;
    stream->read_tag.run = message_came;
    stream->write_tag.run = written;
    pthread_mutex_init(&stream->lock, NULL);
    stream->sent = sl_rpc_buffer(first->data, first->len);
    *out = stream;
    pthread_mutex_lock(&stream->lock);
    sl_rpc_dial_open(&stream->dial, channel, first);
    start_all(stream);
    pthread_mutex_unlock(&stream->lock);
}

void sl_rpc_stream_read(struct sl_rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    start_read(stream);
    pthread_mutex_unlock(&stream->lock);
}

void sl_rpc_stream_write(struct sl_rpc_stream *stream, const void *data, size_t len)
{
    grpc_byte_buffer *buffer = sl_rpc_buffer(data, len);
    pthread_mutex_lock(&stream->lock);
    if (stream->over || stream->half_close) {
        grpc_byte_buffer_destroy(buffer);
    } else {
        sl_rpc_outbox_put(&stream->outbox, buffer, len);
        start_write(stream);
    }
    pthread_mutex_unlock(&stream->lock);
}

void sl_rpc_stream_half_close(struct sl_rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    stream->half_close = true;
    start_write(stream);
    pthread_mutex_unlock(&stream->lock);
}

void sl_rpc_stream_cancel(struct sl_rpc_stream *stream)
{
    pthread_mutex_lock(&stream->lock);
    if (!stream->dead)
        grpc_call_cancel(stream->dial.call, NULL);
    pthread_mutex_unlock(&stream->lock);
}

struct sl_rpc_held *sl_rpc_stream_hold(struct sl_rpc_stream *stream)
{
    return sl_rpc_bytes_hold(stream->message);
}

void sl_rpc_stream_release(struct sl_rpc_stream **stream)
{
    if (*stream)
        unref(*stream);
    *stream = NULL;
}
