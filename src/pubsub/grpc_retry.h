/* grpc_retry.h - which status codes to wait out, and for how long. Private to src/pubsub. */
#ifndef SLUICE_GRPC_RETRY_H
#define SLUICE_GRPC_RETRY_H

#include <sluice/clock.h>
#include <sluice/grpc_bus.h>
#include <sluice/rpc.h>

bool sl_retry_stream(enum sl_rpc_code code); /* open the stream again? (a clean close too) */
bool sl_retry_ack(enum sl_rpc_code code);    /* Acknowledge, ModifyAckDeadline */
bool sl_retry_publish(enum sl_rpc_code code);

struct sl_backoff {
    int64_t min_ms, max_ms;
    int factor;
    int64_t next_ms; /* 0: at its start */
};
/* A random wait up to the current step (full jitter, but never under a tenth of it), and one step on. */
int64_t sl_backoff_next(struct sl_backoff *backoff);
void sl_backoff_reset(struct sl_backoff *backoff);

void sl_set_default(int64_t *option, int64_t otherwise); /* where it is not positive */

/* keepalive_ms 0: the default. */
enum sl_code sl_pubsub_dial(struct sl_rpc_channel **out, struct sl_rpc_loop *loop, const struct sl_pubsub_peer *peer, int channel_id,
                            int64_t keepalive_ms, struct sl_err *err);

/* "subscription=projects/p/subscriptions/s" for x-goog-request-params; free() it. */
char *sl_routing(const char *key, const char *name);

#endif
