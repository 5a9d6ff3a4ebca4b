/* pubsub_call.h - one blocking call on an admin's channel, for the questions that have files of their own. Private to src/pubsub. */
#ifndef SLUICE_PUBSUB_PUBSUB_CALL_H
#define SLUICE_PUBSUB_PUBSUB_CALL_H

#include <sluice/grpc_bus.h>

/* `key` and `name` are the routing header's; `name` is named in an error. Takes the request's memory. */
enum sl_code sl_pubsub_admin_call(struct sl_pubsub_admin *admin, const char *method, const char *key, const char *name,
                                  struct sl_buf *request, struct sl_buf *response, struct sl_err *err);

#endif
