/* client_bed.h - our client of the bus, joined to a server that does what it is told (fake_pubsub.h): for the tests of the client. */
#ifndef TESTS_CONTRACT_CLIENT_BED_H
#define TESTS_CONTRACT_CLIENT_BED_H

#include <criterion/criterion.h>

#include <sluice/clock.h>
#include <sluice/grpc_bus.h>

#include "fake_pubsub.h"

enum { LIMIT_MS = 60000 };

struct client {
    struct fake fake;
    struct sl_config config;
    struct sl_bus *bus;
    struct sl_bus_batch batch;
    struct sl_err err;
};

/* The phases that are received from: projects/p/subscriptions/raw-sub, and a subscription of another project. */
extern const struct sl_phase *const CLIENT_PHASES[2];

struct sl_grpc_bus_options client_quick(void);
void client_start(struct client *client); /* the server only */
void client_start_at(struct client *client, unsigned port);
void client_join(struct client *client, size_t n_phases, struct sl_grpc_bus_options options);
void client_finish(struct client *client);

/* Receives until n messages have come, acking each batch when asked to; their ids joined by ",". Borrowed until the next call. */
const char *client_receive(struct client *client, size_t n, bool ack);
struct sl_grpc_bus_stats client_stats(const struct client *client);
void client_pause(struct client *client); /* until a call comes to the server, or 5 ms have passed */

/* Until a figure of the client is reached. */
#define client_wait(client, condition)                                                                                                     \
    do {                                                                                                                                   \
        const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;                                                                             \
        while (!(condition) && sl_monotonic_ms() < until_ms)                                                                               \
            client_pause(client);                                                                                                          \
        cr_assert(condition, "%s: not within %d ms", #condition, LIMIT_MS);                                                                \
    } while (0)

#endif
