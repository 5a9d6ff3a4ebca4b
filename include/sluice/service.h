/* service.h - which bus a command talks to (RULES 31, 35), and what the pipeline needs on it (RULES 24, 32).
 * bus.type embedded: the broker in this process when its lock is free, else the process that has it. emulator: whatever PUBSUB_EMULATOR_HOST names. pubsub: Google Cloud
 * Pub/Sub, by TLS and with credentials (credentials.h).
 * A service belongs to one thread, but where it says so; opening, initialising and closing block. */
#ifndef SLUICE_SERVICE_H
#define SLUICE_SERVICE_H

#include <sluice/bus.h>
#include <sluice/config.h>
#include <sluice/grpc_bus.h>

struct sl_service;

struct sl_service_options {
    bool brief;      /* serves only for as long as a command takes: any free port will do when bus.listen is in use */
    int64_t wait_ms; /* for a broker that somebody else is starting or stopping; 0: 10 s; negative: doesn't wait */
    const char *(*getenv_fn)(const char *); /* NULL: getenv */
};

/* Borrows config until closed. `options` may be NULL. SL_INVALID: the bus can't be used as the config and the environment stand; SL_UNAVAILABLE: the holder of the broker's lock
 * can't be reached, or the port is in use. An emulator is not looked for yet. While another process serves, a thread of the service waits to serve in its place once it has left. */
enum sl_code sl_service_open(struct sl_service **out, const struct sl_config *config, const struct sl_service_options *options,
                             struct sl_err *err);
/* Streams of others get UNAVAILABLE when it served. Buses and publishers on it are destroyed before. */
void sl_service_close(struct sl_service **service);
const char *sl_service_address(const struct sl_service *service);               /* for people; the same for its whole life */
const struct sl_pubsub_peer *sl_service_peer(const struct sl_service *service); /* to dial, with its TLS and credentials */
bool sl_service_is_ours(struct sl_service *service);                            /* served by this process now. Any thread */
/* Does something listen there? SL_UNAVAILABLE names the address. */
enum sl_code sl_service_reach(const struct sl_service *service, struct sl_err *err);
/* Has the broker in this process stopped by itself (its store failed)? Any thread. */
bool sl_service_failed(struct sl_service *service, struct sl_err *err);
/* The longest for which a subscription of these phases may bring a message again; what the API allows (31 days) where one can't be asked. */
int64_t sl_service_retention_ms(const struct sl_service *service, const struct sl_phase *const *phases, size_t n);
/* How many messages wait on the subscriptions of the config's phases, handed out or not. SL_INVALID: the server is none of ours, and it can't be known. */
enum sl_code sl_service_backlog(struct sl_service *service, int64_t *out, struct sl_err *err);
/* A bus that receives from the subscriptions of `phases`. Its backlog is known when the server is a broker of ours, in whatever process. */
enum sl_code sl_service_bus(struct sl_bus **out, struct sl_service *service, const struct sl_phase *const *phases, size_t n_phases,
                            struct sl_err *err);

/* A bus that holds up to so many messages of one phase's subscription, and gives them back soon when it ends without an ack. */
enum sl_code sl_service_holding_bus(struct sl_bus **out, struct sl_service *service, const struct sl_phase *phase, size_t max_messages,
                                    size_t max_bytes, struct sl_err *err);

/* ---- what is needed on a bus ---- */

/* Full names, each once, in the config's order. Arena-held. */
struct sl_bus_plan {
    const char **topics;
    size_t n_topics;
    struct sl_pubsub_subscription *subscriptions;
    size_t n_subscriptions; /* topic NULL: it must be there */
    const char **watched;
    size_t n_watched; /* topics of triggers and dead letters: a subscription of any name, else one is made */
};
/* Pure. */
void sl_bus_plan(struct sl_bus_plan *out, const struct sl_config *config, struct sl_arena *arena);
/* Pure. "projects/p/topics/t" -> "projects/p/subscriptions/t-sub". */
const char *sl_bus_watcher(const char *topic, struct sl_arena *arena);
/* Pure. "host:port" of what PUBSUB_EMULATOR_HOST holds: that, or http://host:port. SL_INVALID names what was read. Arena. */
enum sl_code sl_emulator_address(const char **out, const char *value, struct sl_arena *arena, struct sl_err *err);

/* Makes what is missing; `made` hears of each: kind "topic", "subscription" or "policy", and its full name. Blocks. */
enum sl_code sl_bus_init(const struct sl_pubsub_peer *peer, const struct sl_config *config,
                         void (*made)(void *arg, const char *kind, const char *name), void *arg, struct sl_err *err);

#endif
