/* broker_clients_internal.h - what the files of the broker's clients share. */
#ifndef SLUICE_TESTS_BROKER_CLIENTS_INTERNAL_H
#define SLUICE_TESTS_BROKER_CLIENTS_INTERNAL_H

#include "broker_clients.h"

struct request;
typedef void (*clients_on)(struct request *request, const struct sl_rpc_status *status, const void *data, size_t len,
                           struct sl_arena *arena);

struct request { /* heap, for one round */
    struct sl_rpc_peer_call call;
    struct clients *clients;
    enum sl_method method;
    clients_on on;
    bool answered;
    enum clients_sub sub;
    int object;
    struct message **messages; /* that it is about */
    size_t n, cap;
    struct request *next;
};

enum { CLIENTS_LEASE_MS = 10000, CLIENTS_ATTEMPTS_MAX = 5 };

uint64_t clients_chance(struct clients *clients, uint64_t below);
void clients_violation(struct clients *clients, const char *fmt, ...) SL_PRINTF(2, 3);
void clients_answered(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len);
struct request *clients_request(struct clients *clients, enum sl_method method, clients_on on);
void clients_send(struct request *request, struct sl_buf *bytes); /* frees the bytes */
void clients_pull(struct clients *clients, enum clients_sub sub, int max);
/* The collected calls, `ms` later. */
void clients_run(struct clients *clients, int64_t ms);

/* broker_objects.c */
const char *clients_name(int object);
/* false: they are not all there yet; what can be made is being made. */
bool clients_create_fixed(struct clients *clients);
void clients_change(struct clients *clients, int object, bool there);
void clients_churn(struct clients *clients);
void clients_ask_for(struct clients *clients, int object);

#endif
