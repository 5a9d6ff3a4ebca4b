/* grpc_publish.h - messages published in one request and confirmed. Private to src/pubsub. */
#ifndef SLUICE_GRPC_PUBLISH_H
#define SLUICE_GRPC_PUBLISH_H

#include <sluice/completion.h>
#include <sluice/pubsub.h>
#include <sluice/rpc.h>

#include "grpc_retry.h"

#define SL_PUBLISH_METHOD "/google.pubsub.v1.Publisher/Publish"
enum { SL_COMPRESS_FROM = 240 }; /* a smaller request gains nothing */

struct sl_publish_limits {
    int64_t total_ms, call_ms;
    bool compress;
    struct sl_backoff backoff;
};

/* A JSON object of strings (NULL, "": none). SL_INVALID otherwise, also for what isn't UTF-8. */
enum sl_code sl_attributes_parse(struct sl_attribute **out, size_t *n, const char *json, struct sl_arena *arena, struct sl_err *err);
/* `messages` are n fields 2 of a PublishRequest. Blocks; tries again by sl_retry_publish() until total_ms is over. */
enum sl_code sl_publish_request(struct sl_rpc_channel *channel, const char *topic, const struct sl_buf *messages, size_t n,
                                const struct sl_publish_limits *limits, struct sl_err *err);

#endif
