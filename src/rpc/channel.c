/* channel.c - a connection to a server, and the list of what is open on it.
 * A call enters the list when it is created and leaves it after its last handler. Destroying the channel cancels the list and waits until it is empty; a call that a handler
 * starts meanwhile is cancelled at once. */
#include <assert.h>
#include <stdlib.h>

#include <grpc/compression.h>
#include <grpc/grpc_security.h>

#include <sluice/mem.h>

#include "rpc_internal.h"

enum {
    KEEPALIVE_MS = 30 * 1000,
    KEEPALIVE_TIMEOUT_MS = 20 * 1000,
    FIRST_BACKOFF_MS = 100, /* a broker on the same machine is back soon */
    LAST_BACKOFF_MS = 5 * 1000,
};

struct sl_rpc_channel {
    struct sl_rpc_loop *loop;
    grpc_channel *channel;
    pthread_mutex_t lock;
    pthread_cond_t empty;
    struct sl_rpc_dial *dials;
    bool closing;
};

struct sl_rpc_loop *sl_rpc_channel_loop(const struct sl_rpc_channel *channel)
{
    return channel->loop;
}

/* ---- life ---- */

static grpc_arg text(const char *key, const char *value)
{
    return (grpc_arg){.type = GRPC_ARG_STRING, .key = (char *)(uintptr_t)key, .value.string = (char *)(uintptr_t)value};
}

static grpc_channel *connect_to(const char *target, const struct sl_rpc_channel_options *options, grpc_channel_credentials *credentials)
{
    int keepalive_ms = options->keepalive_ms > 0 && options->keepalive_ms < INT32_MAX ? (int)options->keepalive_ms : KEEPALIVE_MS;
    grpc_arg args[] = {
        text(GRPC_ARG_PRIMARY_USER_AGENT_STRING, "sluice/" SLUICE_VERSION),
        sl_rpc_number(GRPC_ARG_CHANNEL_ID, options->channel_id),
        sl_rpc_number(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1), /* no backoff inherited from another channel */
        sl_rpc_number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, SL_RPC_MAX_RECEIVE_BYTES),
        sl_rpc_number(GRPC_ARG_MAX_METADATA_SIZE, SL_RPC_MAX_METADATA_BYTES),
        sl_rpc_number(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms),
        sl_rpc_number(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_ms < KEEPALIVE_TIMEOUT_MS ? keepalive_ms : KEEPALIVE_TIMEOUT_MS),
        sl_rpc_number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0), /* for as long as a stream is idle */
        sl_rpc_number(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, FIRST_BACKOFF_MS),
        sl_rpc_number(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, LAST_BACKOFF_MS),
        sl_rpc_number(GRPC_ARG_ENABLE_RETRIES, 0), /* our callers retry, and know what is safe to */
        sl_rpc_number(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        sl_rpc_number(GRPC_ARG_ENABLE_HTTP_PROXY, options->tls), /* plaintext goes to an emulator or to our own broker */
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof *args, .args = args};
    return grpc_channel_create(target, credentials, &all);
}

enum sl_code sl_rpc_channel_create(struct sl_rpc_channel **out, struct sl_rpc_loop *loop, const char *target,
                                   const struct sl_rpc_channel_options *options, struct sl_err *err)
{
    static const struct sl_rpc_channel_options DEFAULTS = {0};
    grpc_channel_credentials *credentials;
    *out = NULL;
    if (!options)
        options = &DEFAULTS;
    if (sl_rpc_secure(&credentials, options, err) != SL_OK)
        return SL_INVALID;
    grpc_channel *made = connect_to(target, options, credentials);
    grpc_channel_credentials_release(credentials);
    if (!made)
        return sl_fail(err, SL_INVALID, "not an address to connect to: %s", target);
    struct sl_rpc_channel *channel = sl_calloc(1, sizeof *channel);
    channel->loop = loop;
    channel->channel = made;
    pthread_mutex_init(&channel->lock, NULL);
    pthread_cond_init(&channel->empty, NULL);
    *out = channel;
    return SL_OK;
}

static void cancel_all(struct sl_rpc_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    channel->closing = true;
    for (struct sl_rpc_dial *dial = channel->dials; dial; dial = dial->next)
        grpc_call_cancel_with_status(dial->call, GRPC_STATUS_CANCELLED, "the channel is closed", NULL);
    while (channel->dials)
        pthread_cond_wait(&channel->empty, &channel->lock);
    pthread_mutex_unlock(&channel->lock);
}

void sl_rpc_channel_destroy(struct sl_rpc_channel **channel)
{
    struct sl_rpc_channel *it = *channel;
    if (!it)
        return;
    assert(!sl_rpc_loop_is_mine(it->loop));
    cancel_all(it);
    grpc_channel_destroy(it->channel);
    pthread_cond_destroy(&it->empty);
    pthread_mutex_destroy(&it->lock);
    free(it);
    *channel = NULL;
}

/* ---- a call of the channel ---- */

static gpr_timespec deadline_of(int64_t timeout_ms)
{
    if (timeout_ms <= 0)
        return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

static void add_header(struct sl_rpc_dial *dial, const char *key, grpc_slice value)
{
    dial->headers[dial->n_headers++] = (grpc_metadata){.key = grpc_slice_from_static_string(key), .value = value};
}

/* A value that no header can hold ends the call before it starts. */
static void add_headers(struct sl_rpc_dial *dial, const struct sl_rpc_request *request)
{
    static const char CLIENT[] = "gl-c/11 gccl/" SLUICE_VERSION " grpc/1"; /* as official clients name themselves */
    add_header(dial, "x-goog-api-client", grpc_slice_from_static_string(CLIENT));
    if (request->gzip)
        add_header(dial, GRPC_COMPRESSION_REQUEST_ALGORITHM_MD_KEY, grpc_slice_from_static_string("gzip"));
    if (!request->routing)
        return;
    grpc_slice routing = grpc_slice_from_copied_string(request->routing);
    if (grpc_header_nonbin_value_is_legal(routing)) {
        add_header(dial, "x-goog-request-params", routing);
        return;
    }
    grpc_slice_unref(routing);
    grpc_call_cancel_with_status(dial->call, GRPC_STATUS_INVALID_ARGUMENT, "the routing header holds bytes that it can't", NULL);
}

static void enlist(struct sl_rpc_dial *dial)
{
    struct sl_rpc_channel *channel = dial->channel;
    pthread_mutex_lock(&channel->lock);
    dial->next = channel->dials;
    if (dial->next)
        dial->next->prev = dial;
    channel->dials = dial;
    if (channel->closing)
        grpc_call_cancel_with_status(dial->call, GRPC_STATUS_CANCELLED, "the channel is closed", NULL);
    pthread_mutex_unlock(&channel->lock);
}

void sl_rpc_dial_open(struct sl_rpc_dial *dial, struct sl_rpc_channel *channel, const struct sl_rpc_request *request)
{
    *dial = (struct sl_rpc_dial){.channel = channel};
    dial->details = grpc_empty_slice();
    grpc_metadata_array_init(&dial->initial);
    grpc_metadata_array_init(&dial->trailing);
    if (request->wait_for_ready)
        dial->flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY | GRPC_INITIAL_METADATA_WAIT_FOR_READY_EXPLICITLY_SET;
    grpc_slice method = grpc_slice_from_copied_string(request->method);
    dial->call = grpc_channel_create_call(channel->channel, NULL, 0, channel->loop->cq, method, NULL, deadline_of(request->timeout_ms),
                                          NULL);
    grpc_slice_unref(method);
    add_headers(dial, request);
    enlist(dial);
}

void sl_rpc_dial_status(const struct sl_rpc_dial *dial, struct sl_rpc_status *out)
{
    sl_rpc_status_set(out, dial->code, (const char *)GRPC_SLICE_START_PTR(dial->details), GRPC_SLICE_LENGTH(dial->details));
}

const void *sl_rpc_dial_details(const struct sl_rpc_dial *dial, size_t *len)
{
    for (size_t i = 0; i < dial->trailing.count; i++) {
        const grpc_metadata *header = &dial->trailing.metadata[i];
        if (grpc_slice_str_cmp(header->key, "grpc-status-details-bin") != 0)
            continue;
        *len = GRPC_SLICE_LENGTH(header->value);
        return GRPC_SLICE_START_PTR(header->value);
    }
    *len = 0;
    return NULL;
}

static void delist(struct sl_rpc_dial *dial)
{
    struct sl_rpc_channel *channel = dial->channel;
    pthread_mutex_lock(&channel->lock);
    if (dial->next)
        dial->next->prev = dial->prev;
    if (dial->prev)
        dial->prev->next = dial->next;
    else
        channel->dials = dial->next;
    if (!channel->dials)
        pthread_cond_signal(&channel->empty);
    pthread_mutex_unlock(&channel->lock);
}

void sl_rpc_dial_close(struct sl_rpc_dial *dial)
{
    delist(dial);
    grpc_slice_unref(dial->details);
    for (size_t i = 0; i < dial->n_headers; i++)
        grpc_slice_unref(dial->headers[i].value);
    grpc_metadata_array_destroy(&dial->initial);
    grpc_metadata_array_destroy(&dial->trailing);
    grpc_call_unref(dial->call);
    dial->call = NULL;
}

/* ---- operations ---- */

grpc_op sl_rpc_dial_op_initial(const struct sl_rpc_dial *dial)
{
    grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA, .flags = dial->flags};
    op.data.send_initial_metadata.count = dial->n_headers;
    op.data.send_initial_metadata.metadata = (grpc_metadata *)(uintptr_t)dial->headers;
    return op;
}

grpc_op sl_rpc_dial_op_opened(struct sl_rpc_dial *dial)
{
    grpc_op op = {.op = GRPC_OP_RECV_INITIAL_METADATA};
    op.data.recv_initial_metadata.recv_initial_metadata = &dial->initial;
    return op;
}

grpc_op sl_rpc_dial_op_status(struct sl_rpc_dial *dial)
{
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &dial->trailing;
    op.data.recv_status_on_client.status = &dial->code;
    op.data.recv_status_on_client.status_details = &dial->details;
    return op;
}
