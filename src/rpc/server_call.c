/* server_call.c - one call that a client made.
 *
 * Batches: the close, alone and from the start, which completes when the call is over; one read; one write. A unary call reads one message, hands it out, and writes the whole
 * answer at once. A stream writes its initial metadata, then one message after the other, then the status; it reads the next message when the handler of the one before has
 * returned. The call is dealt with when the close is there and nothing else is outstanding: then `closed`, and gRPC's call is freed.
 *
 * Two references: the loop's, until then, and the owner's, given up by reply, finish or abort. What the owner does in between, after the client has gone, does nothing.
 * `server` is used by the loop only, whose reference ends before the server's stop does. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "rpc_internal.h"

struct sl_rpc_peer_call {
    struct sl_rpc_server *server;
    size_t method;
    bool streaming;
    bool serving; /* handlers know it */
    grpc_call *call;
    grpc_metadata_array headers; /* values of the call, for as long as that lives */
    char *header;                /* the last that was asked for */
    struct sl_rpc_tag close_tag, read_tag, write_tag;
    grpc_byte_buffer *received, *sent; /* of the batch that is outstanding */
    int cancelled;                     /* written by gRPC; the close says enough */
    void *data;

    pthread_mutex_t lock; /* guards what follows, and the start of batches */
    int refs, outstanding;
    struct sl_rpc_outbox outbox;
    size_t sent_bytes; /* of `sent` */
    size_t unsent_bytes;
    struct sl_rpc_status *last; /* set when the call is given up, to be sent after the outbox; owned */
    bool given_up, writing, answered;
    bool over; /* the close is there */
};

static void unref(struct sl_rpc_peer_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool last = --call->refs == 0;
    pthread_mutex_unlock(&call->lock);
    if (!last)
        return;
    sl_rpc_outbox_clear(&call->outbox);
    pthread_mutex_destroy(&call->lock);
    free(call->last);
    free(call->header);
    free(call);
}

static const struct sl_rpc_server_handlers *handlers(const struct sl_rpc_peer_call *call)
{
    return &call->server->handlers;
}

/* ---- batches; under the lock ---- */

static void start(struct sl_rpc_peer_call *call, const grpc_op *ops, size_t n, struct sl_rpc_tag *tag)
{
    call->outstanding++;
    sl_rpc_batch(call->call, ops, n, tag);
}

static void start_read(struct sl_rpc_peer_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &call->received};
    if (!call->over)
        start(call, &op, 1, &call->read_tag);
}

static void start_close(struct sl_rpc_peer_call *call)
{
    grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER, .data.recv_close_on_server.cancelled = &call->cancelled};
    start(call, &op, 1, &call->close_tag);
}

static void start_initial(struct sl_rpc_peer_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    call->writing = true;
    start(call, &op, 1, &call->write_tag);
}

/* The status, after `n` operations of the same batch that are in `ops` already, with `trailing` metadata or NULL. gRPC copies what it is given. */
static void start_status(struct sl_rpc_peer_call *call, grpc_op *ops, size_t n, const struct sl_rpc_status *status, grpc_metadata *trailing)
{
    grpc_slice details = grpc_slice_from_copied_string(status->message);
    ops[n] = (grpc_op){.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    ops[n].data.send_status_from_server.status = (grpc_status_code)status->code;
    ops[n].data.send_status_from_server.status_details = &details;
    ops[n].data.send_status_from_server.trailing_metadata_count = trailing ? 1 : 0;
    ops[n].data.send_status_from_server.trailing_metadata = trailing;
    call->writing = call->answered = true;
    start(call, ops, n + 1, &call->write_tag);
    grpc_slice_unref(details);
}

/* The next of what waits; after the last the status, if there is one. */
static void start_write(struct sl_rpc_peer_call *call)
{
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    if (call->writing || call->over || call->answered)
        return;
    if (sl_rpc_outbox_take(&call->outbox, &call->sent, &call->sent_bytes)) {
        op.data.send_message.send_message = call->sent;
        call->writing = true;
        start(call, &op, 1, &call->write_tag);
    } else if (call->last) {
        start_status(call, &op, 0, call->last, NULL);
    }
}

static void drop_unsent(struct sl_rpc_peer_call *call)
{
    sl_rpc_outbox_clear(&call->outbox);
    __atomic_store_n(&call->unsent_bytes, call->sent_bytes, __ATOMIC_RELAXED);
}

/* ---- completions; the loop's thread ---- */

static void end(struct sl_rpc_peer_call *call)
{
    struct sl_rpc_server *server = call->server;
    if (call->streaming && handlers(call)->closed)
        handlers(call)->closed(server->arg, call);
    bool serving = call->serving;
    grpc_metadata_array_destroy(&call->headers);
    grpc_call_unref(call->call);
    unref(call);
    sl_rpc_server_drop(server, serving);
}

/* A batch is dealt with, its handler has returned. */
static void settle(struct sl_rpc_peer_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool last = --call->outstanding == 0 && call->over;
    pthread_mutex_unlock(&call->lock);
    if (last)
        end(call);
}

static void closed(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_peer_call *call = SL_RPC_OWNER(tag, struct sl_rpc_peer_call, close_tag);
    (void)ok;
    pthread_mutex_lock(&call->lock);
    __atomic_store_n(&call->over, true, __ATOMIC_RELAXED);
    drop_unsent(call);
    pthread_mutex_unlock(&call->lock);
    settle(call);
}

static void refuse(struct sl_rpc_peer_call *call, enum sl_rpc_code code, const char *text)
{
    struct sl_rpc_status status;
    sl_rpc_status_set(&status, (grpc_status_code)code, text, strlen(text));
    sl_rpc_reply(call, &status, NULL, 0);
}

static void unary_came(struct sl_rpc_peer_call *call, const struct sl_rpc_bytes *bytes)
{
    if (call->over)
        unref(call); /* nobody will hear: it never becomes the owner's */
    else if (!bytes)
        refuse(call, SL_RPC_INTERNAL, "the request holds no message");
    else
        handlers(call)->call(call->server->arg, call, call->method, bytes->data, bytes->len);
}

/* The end of the client's messages, not of the call: neither broken nor answered by us. */
static bool is_half_close(struct sl_rpc_peer_call *call)
{
    pthread_mutex_lock(&call->lock);
    bool answered = call->answered;
    pthread_mutex_unlock(&call->lock);
    return !answered && !grpc_call_failed_before_recv_message(call->call);
}

static void stream_came(struct sl_rpc_peer_call *call, const struct sl_rpc_bytes *bytes)
{
    const struct sl_rpc_server *server = call->server;
    if (call->over)
        return;
    if (!bytes) {
        if (server->handlers.half_closed && is_half_close(call))
            server->handlers.half_closed(server->arg, call);
        return;
    }
    if (server->handlers.message)
        server->handlers.message(server->arg, call, bytes->data, bytes->len);
    pthread_mutex_lock(&call->lock);
    start_read(call);
    pthread_mutex_unlock(&call->lock);
}

static void message_came(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_peer_call *call = SL_RPC_OWNER(tag, struct sl_rpc_peer_call, read_tag);
    struct sl_rpc_bytes bytes;
    grpc_byte_buffer *buffer = call->received;
    call->received = NULL;
    bool readable = ok && buffer && sl_rpc_bytes_open(&bytes, buffer);
    if (call->streaming)
        stream_came(call, readable ? &bytes : NULL);
    else
        unary_came(call, readable ? &bytes : NULL);
    if (readable)
        sl_rpc_bytes_close(&bytes);
    grpc_byte_buffer_destroy(buffer);
    settle(call);
}

/* A write that failed was the last: the call is ending. */
static void written(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_peer_call *call = SL_RPC_OWNER(tag, struct sl_rpc_peer_call, write_tag);
    pthread_mutex_lock(&call->lock);
    bool was_message = call->streaming && call->sent;
    grpc_byte_buffer_destroy(call->sent);
    call->sent = NULL;
    __atomic_fetch_sub(&call->unsent_bytes, call->sent_bytes, __ATOMIC_RELAXED);
    call->sent_bytes = 0;
    call->writing = !ok;
    if (!ok)
        drop_unsent(call);
    start_write(call);
    bool room = ok && was_message && !call->writing && !call->over;
    pthread_mutex_unlock(&call->lock);
    if (room && handlers(call)->writable)
        handlers(call)->writable(call->server->arg, call);
    settle(call);
}

/* ---- beginning; the loop's thread ---- */

static struct sl_rpc_peer_call *make(struct sl_rpc_server *server, grpc_call *grpc)
{
    struct sl_rpc_peer_call *call = sl_calloc(1, sizeof *call);
    call->server = server;
    call->call = grpc;
    call->refs = 2;
    grpc_metadata_array_init(&call->headers);
    call->close_tag.run = closed;
    call->read_tag.run = message_came;
    call->write_tag.run = written;
    pthread_mutex_init(&call->lock, NULL);
    return call;
}

void sl_rpc_peer_call_begin(struct sl_rpc_server *server, grpc_call *grpc, size_t method, grpc_metadata_array *headers)
{
    struct sl_rpc_peer_call *call = make(server, grpc);
    call->headers = *headers;
    grpc_metadata_array_init(headers);
    call->method = method;
    call->serving = true;
    call->streaming = server->methods[method].streaming;
    pthread_mutex_lock(&call->lock);
    start_close(call);
    if (call->streaming)
        start_initial(call);
    pthread_mutex_unlock(&call->lock);
    if (call->streaming && server->handlers.opened)
        server->handlers.opened(server->arg, call, method);
    pthread_mutex_lock(&call->lock);
    start_read(call);
    pthread_mutex_unlock(&call->lock);
}

void sl_rpc_peer_call_refuse(struct sl_rpc_server *server, grpc_call *grpc, enum sl_rpc_code code, const char *sentence)
{
    struct sl_rpc_peer_call *call = make(server, grpc);
    pthread_mutex_lock(&call->lock);
    start_close(call);
    pthread_mutex_unlock(&call->lock);
    refuse(call, code, sentence);
}

/* ---- from outside ---- */

static void give_up(struct sl_rpc_peer_call *call)
{
    assert(!call->given_up);
    call->given_up = true;
}

static void reply(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, grpc_byte_buffer *buffer, grpc_metadata *trailing)
{
    grpc_op ops[3] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
    size_t n = 1;
    assert(!call->streaming);
    pthread_mutex_lock(&call->lock);
    give_up(call);
    if (call->over) {
        grpc_byte_buffer_destroy(buffer);
    } else {
        call->sent = buffer;
        if (buffer)
            ops[n++] = (grpc_op){.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer};
        start_status(call, ops, n, status, trailing);
    }
    pthread_mutex_unlock(&call->lock);
    unref(call);
}

void sl_rpc_reply(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len)
{
    reply(call, status, status->code == SL_RPC_OK ? sl_rpc_buffer(data, len) : NULL, NULL);
}

void sl_rpc_refuse(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *details, size_t len)
{
    grpc_metadata trailing = {.key = grpc_slice_from_static_string("grpc-status-details-bin"),
                              .value = grpc_slice_from_copied_buffer(details, len)};
    assert(status->code != SL_RPC_OK);
    reply(call, status, NULL, &trailing);
    grpc_slice_unref(trailing.value);
}

void sl_rpc_send(struct sl_rpc_peer_call *call, const void *data, size_t len)
{
    assert(call->streaming);
    grpc_byte_buffer *buffer = sl_rpc_buffer(data, len);
    pthread_mutex_lock(&call->lock);
    assert(!call->given_up);
    if (call->over) {
        grpc_byte_buffer_destroy(buffer);
    } else {
        sl_rpc_outbox_put(&call->outbox, buffer, len);
        __atomic_fetch_add(&call->unsent_bytes, len, __ATOMIC_RELAXED);
        start_write(call);
    }
    pthread_mutex_unlock(&call->lock);
}

static struct sl_rpc_status *status_copy(const struct sl_rpc_status *status)
{
    struct sl_rpc_status *copy = sl_alloc(sizeof *copy);
    *copy = *status;
    return copy;
}

void sl_rpc_finish(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status)
{
    assert(call->streaming);
    pthread_mutex_lock(&call->lock);
    give_up(call);
    call->last = status_copy(status);
    start_write(call);
    pthread_mutex_unlock(&call->lock);
    unref(call);
}

void sl_rpc_drop(struct sl_rpc_peer_call *call)
{
    assert(call->streaming);
    pthread_mutex_lock(&call->lock);
    drop_unsent(call);
    pthread_mutex_unlock(&call->lock);
}

/* A write that flow control holds back can't be overtaken by a status of ours; cancelling sends one past it. */
void sl_rpc_abort(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status)
{
    assert(call->streaming && status->code != SL_RPC_OK);
    pthread_mutex_lock(&call->lock);
    give_up(call);
    drop_unsent(call);
    call->last = status_copy(status);
    if (call->writing && !call->over) {
        call->answered = true;
        grpc_call_cancel_with_status(call->call, (grpc_status_code)status->code, status->message, NULL);
    }
    start_write(call);
    pthread_mutex_unlock(&call->lock);
    unref(call);
}

size_t sl_rpc_unsent_bytes(const struct sl_rpc_peer_call *call)
{
    return __atomic_load_n(&call->unsent_bytes, __ATOMIC_RELAXED);
}

bool sl_rpc_gone(const struct sl_rpc_peer_call *call)
{
    return __atomic_load_n(&call->over, __ATOMIC_RELAXED);
}

void sl_rpc_set_data(struct sl_rpc_peer_call *call, void *data)
{
    call->data = data;
}

void *sl_rpc_data(const struct sl_rpc_peer_call *call)
{
    return call->data;
}

const char *sl_rpc_header(struct sl_rpc_peer_call *call, const char *name)
{
    for (size_t i = 0; i < call->headers.count; i++) {
        const grpc_metadata *header = &call->headers.metadata[i];
        if (grpc_slice_str_cmp(header->key, name) != 0)
            continue;
        free(call->header);
        call->header = sl_strndup((const char *)GRPC_SLICE_START_PTR(header->value), GRPC_SLICE_LENGTH(header->value));
        return call->header;
    }
    return NULL;
}
