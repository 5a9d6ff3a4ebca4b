/* cloud.h - Google Cloud Pub/Sub as a peer: its address, TLS and credentials. Private to src/ops. */
#ifndef SLUICE_CLOUD_H
#define SLUICE_CLOUD_H

#include <sluice/config.h>
#include <sluice/grpc_bus.h>

struct sl_cloud { /* owns what its peer borrows */
    struct sl_pubsub_peer peer;
    struct sl_buf address, roots;
};
/* SL_INVALID, SL_DENIED: by this config and this environment nothing can be reached. sl_cloud_close() in any case. */
enum sl_code sl_cloud_open(struct sl_cloud *out, const struct sl_config *config, const char *(*getenv_fn)(const char *),
                           struct sl_err *err);
void sl_cloud_close(struct sl_cloud *cloud);
/* Is the certificate good, and can a token be had? Blocks for up to 25 s. SL_UNAVAILABLE: not now; SL_DENIED: never like this. */
enum sl_code sl_cloud_check(const struct sl_cloud *cloud, struct sl_err *err);

#endif
