/* grpc_retry.c - the retry tables of the public clients, as data. */
#include "grpc_retry.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

enum { STREAM = 1, ACK = 2, PUBLISH = 4 };

static const unsigned char RETRIED[] = {
    [SL_RPC_OK] = STREAM, /* the server has closed it, as it may */
    [SL_RPC_CANCELLED] =
        STREAM | ACK |
        PUBLISH, /* somebody on the way has reset the call; an ack that was lost would be work done again when its lease ends */
    [SL_RPC_UNKNOWN] = STREAM | PUBLISH,
    [SL_RPC_DEADLINE_EXCEEDED] = STREAM | ACK | PUBLISH,
    [SL_RPC_RESOURCE_EXHAUSTED] = STREAM | ACK | PUBLISH,
    [SL_RPC_ABORTED] = STREAM | ACK | PUBLISH,
    [SL_RPC_INTERNAL] = STREAM | ACK | PUBLISH,
    [SL_RPC_UNAVAILABLE] = STREAM | ACK | PUBLISH,
    [SL_RPC_UNAUTHENTICATED] = 0, /* and every code between them that isn't named */
};

static bool is_retried(enum sl_rpc_code code, int what)
{
    const size_t i = (size_t)code;
    return i < sizeof RETRIED && (RETRIED[i] & what);
}

bool sl_retry_stream(enum sl_rpc_code code)
{
    return is_retried(code, STREAM);
}

bool sl_retry_ack(enum sl_rpc_code code)
{
    return is_retried(code, ACK);
}

bool sl_retry_publish(enum sl_rpc_code code)
{
    return is_retried(code, PUBLISH);
}

static uint64_t any(void)
{
    const struct sl_uuid uuid = sl_uuid4();
    uint64_t out;
    memcpy(&out, uuid.bytes + 8, sizeof out); /* the variant's two bits apart, all of it is random */
    return out & (UINT64_MAX >> 1);
}

/* The floor keeps a server that answers and hangs up at once from being called in a tight loop. */
int64_t sl_backoff_next(struct sl_backoff *backoff)
{
    const int64_t step = backoff->next_ms ? backoff->next_ms : backoff->min_ms;
    const int64_t floor_ms = step / 10 > 0 ? step / 10 : 1;
    backoff->next_ms = step > backoff->max_ms / backoff->factor ? backoff->max_ms : step * backoff->factor;
    return floor_ms + (int64_t)(any() % (uint64_t)(step - floor_ms + 1));
}

void sl_backoff_reset(struct sl_backoff *backoff)
{
    backoff->next_ms = 0;
}

void sl_set_default(int64_t *option, int64_t otherwise)
{
    if (*option <= 0)
        *option = otherwise;
}

enum sl_code sl_pubsub_dial(struct sl_rpc_channel **out, struct sl_rpc_loop *loop, const struct sl_pubsub_peer *peer, int channel_id,
                            int64_t keepalive_ms, struct sl_err *err)
{
    const struct sl_rpc_channel_options options = {.channel_id = channel_id,
                                                   .keepalive_ms = keepalive_ms,
                                                   .tls = peer->tls,
                                                   .roots = peer->roots,
                                                   .tokens = peer->credentials ? sl_credentials_tokens(peer->credentials) : NULL};
    return sl_rpc_channel_create(out, loop, peer->address, &options, err);
}

char *sl_routing(const char *key, const char *name)
{
    struct sl_buf out = {0};
    sl_buf_printf(&out, "%s=", key);
    for (const unsigned char *at = (const unsigned char *)name; *at; at++)
        if (isascii(*at) && (isalnum(*at) || strchr("-_.~/", *at)))
            sl_buf_char(&out, (char)*at);
        else
            sl_buf_printf(&out, "%%%02X", *at);
    return out.data;
}
