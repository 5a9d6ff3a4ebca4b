/* call.c - unary calls of the client: one batch, one completion, `done`, freed.
 * The batch always completes: by an answer, the deadline, a cancelled channel or a lost connection. sl_rpc_call() is the same with a wait. */
#include <assert.h>
#include <stdlib.h>

#include <sluice/mem.h>

#include "rpc_internal.h"

struct unary {
    struct sl_rpc_tag tag;
    struct sl_rpc_dial dial;
    grpc_byte_buffer *request, *response;
    sl_rpc_done done;
    void *arg;
};

static void unary_free(struct unary *unary)
{
    grpc_byte_buffer_destroy(unary->request);
    grpc_byte_buffer_destroy(unary->response);
    free(unary);
}

/* What came in: OK needs a message to go with it. */
static void answer(struct unary *unary, struct sl_rpc_status *status)
{
    struct sl_rpc_bytes bytes;
    static const char NOTHING[] = "the answer holds no message";
    if (status->code != SL_RPC_OK) {
        size_t len;
        const void *details = sl_rpc_dial_details(&unary->dial, &len);
        unary->done(unary->arg, status, details ? details : "", len);
    } else if (!unary->response || !sl_rpc_bytes_open(&bytes, unary->response)) {
        sl_rpc_status_set(status, GRPC_STATUS_INTERNAL, NOTHING, sizeof NOTHING - 1);
        unary->done(unary->arg, status, "", 0);
    } else {
        unary->done(unary->arg, status, bytes.data, bytes.len);
        sl_rpc_bytes_close(&bytes);
    }
}

static void finished(struct sl_rpc_tag *tag, bool ok)
{
    struct unary *unary = SL_RPC_OWNER(tag, struct unary, tag);
    struct sl_rpc_status status;
    (void)ok; /* the status says it */
    sl_rpc_dial_status(&unary->dial, &status);
    answer(unary, &status);
    sl_rpc_dial_close(&unary->dial);
    unary_free(unary);
}

static void send(struct unary *unary)
{
    grpc_op ops[] = {
        sl_rpc_dial_op_initial(&unary->dial),
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = unary->request},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
        sl_rpc_dial_op_opened(&unary->dial),
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &unary->response},
        sl_rpc_dial_op_status(&unary->dial),
    };
    sl_rpc_batch(unary->dial.call, ops, sizeof ops / sizeof *ops, &unary->tag);
}

void sl_rpc_call_start(struct sl_rpc_channel *channel, const struct sl_rpc_request *request, sl_rpc_done done, void *arg)
{
    struct unary *unary = sl_calloc(1, sizeof *unary);
    unary->tag.run = finished;
    unary->done = done;
    unary->arg = arg;
    unary->request = sl_rpc_buffer(request->data, request->len);
    sl_rpc_dial_open(&unary->dial, channel, request);
    send(unary);
}

/* ---- blocking ---- */

struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool is_finished;
    struct sl_rpc_status status;
    struct sl_buf *response;
};

static void waiter_done(void *arg, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct waiter *waiter = arg;
    if (status->code == SL_RPC_OK && waiter->response)
        sl_buf_add(waiter->response, data, len);
    pthread_mutex_lock(&waiter->lock);
    waiter->status = *status;
    waiter->is_finished = true;
    pthread_cond_signal(&waiter->finished);
    pthread_mutex_unlock(&waiter->lock);
}

static void wait_for(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (!waiter->is_finished)
        pthread_cond_wait(&waiter->finished, &waiter->lock);
    pthread_mutex_unlock(&waiter->lock);
    pthread_cond_destroy(&waiter->finished);
    pthread_mutex_destroy(&waiter->lock);
}

enum sl_code sl_rpc_call(struct sl_rpc_channel *channel, const struct sl_rpc_request *request, struct sl_buf *response,
                         struct sl_rpc_status *status, struct sl_err *err)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .finished = PTHREAD_COND_INITIALIZER, .response = response};
    assert(!sl_rpc_loop_is_mine(sl_rpc_channel_loop(channel)));
    sl_rpc_call_start(channel, request, waiter_done, &waiter);
    wait_for(&waiter);
    if (status)
        *status = waiter.status;
    if (waiter.status.code == SL_RPC_OK)
        return SL_OK;
    return sl_fail(err, sl_rpc_to_code(waiter.status.code), "%s: %s: %s", request->method, sl_rpc_code_name(waiter.status.code),
                   waiter.status.message);
}
