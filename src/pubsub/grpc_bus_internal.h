/* grpc_bus_internal.h - the parts of the bus over gRPC: subscribers (one stream each) and the leases of their messages. Private to src/pubsub.
 * One mutex per bus guards everything here. Calls of src/rpc never call back on the thread that makes them, so streams are read, written and cancelled under the mutex (`end`, which
 * comes on the loop's thread and takes it, can't free a stream meanwhile); unary calls are started after it is given back. */
#ifndef SLUICE_GRPC_BUS_INTERNAL_H
#define SLUICE_GRPC_BUS_INTERNAL_H

#include <pthread.h>

#include <sluice/grpc_bus.h>
#include <sluice/hash.h>
#include <sluice/rpc.h>

#include "ack_results.h"
#include "grpc_retry.h"

struct sl_grpc_bus;
struct sl_subscriber;

/* One response: its bytes, and the leases of its messages. Freed with the last of them, and the last batch that messages of it lie in. Once read, the byte behind each string and
 * body, the tag of what follows, is made a NUL: so messages are handed out without a copy. */
struct sl_chunk {
    struct sl_arena arena;
    char *bytes; /* a copy of them, NULL where they are held */
    struct sl_rpc_held *held;
    struct sl_lease *leases;
    size_t n, alive;
    int refs;                                    /* atomic: the leases that are alive, together, and each batch */
    bool has_properties, exactly_once, ordering; /* of the subscription */
};

enum sl_lease_state { SL_LEASE_HELD, SL_LEASE_WAITING, SL_LEASE_OUT, SL_LEASE_ACKING, SL_LEASE_OVER };

/* A message that the server holds for us. (with exactly-once delivery: HELD until its receipt is confirmed ->) WAITING -> OUT (received) -> ACKING -> OVER (answered, or given up).
 * HELD and WAITING may end by themselves: a lease that is lost before its message was handed out leaves the message to whoever gets it next. */
struct sl_lease {
    struct sl_lease *prev, *next;  /* of the subscriber's, in order of receipt, until OVER */
    struct sl_lease *next_waiting; /* of those held; of those in line; of results to be told */
    struct sl_subscriber *subscriber;
    struct sl_chunk *chunk;
    const struct sl_received *received; /* its strings and its data end in a NUL */
    const char *ack_id;
    size_t bytes;
    int64_t received_ms, expires_ms;
    enum sl_lease_state state;
    int refs;       /* itself until OVER, and every call in flight that names it */
    bool receipted; /* its receipt is sent */
    bool confirmed; /* and answered */
    bool extending; /* a call that extends it is in flight */
    bool refused;   /* the server doesn't know the id: extended no more */
    enum sl_ack_outcome outcome;
};

enum sl_unary_kind { SL_UNARY_ACK, SL_UNARY_MODIFY, SL_UNARY_PROBE };

/* An Acknowledge or ModifyAckDeadline of some leases, from its first try to its last; or the probe of a stream. */
struct sl_unary {
    struct sl_unary *next;
    struct sl_subscriber *subscriber;
    enum sl_unary_kind kind;
    struct sl_lease **leases;
    size_t n;
    struct sl_backoff backoff;
    int64_t due_ms, sent_ms;
    int lease_s;        /* of a MODIFY */
    uint64_t stream_no; /* of a probe */
};

struct sl_subscriber {
    struct sl_grpc_bus *bus;
    const struct sl_phase *phase;
    struct sl_rpc_channel *channel;
    const char *subscription;
    char *routing;
    char client_id[SL_UUID_LEN + 1]; /* the same on every reconnect */
    struct sl_rpc_stream *stream;    /* NULL: none is open */
    uint64_t stream_no;
    struct sl_backoff backoff;
    int64_t reopen_ms;
    bool reading;                /* a message has been asked for */
    bool connected;              /* the peer has answered on this stream, or beside it */
    bool cancelled;              /* by us; `end` is still to come */
    bool answers_pings;          /* it did once */
    bool warned;                 /* about ids, on this stream */
    bool exactly_once, ordering; /* as the last response said that said it */
    struct sl_ack_times ack_times;
    struct sl_lease *first_held, *last_held;
    bool pinged; /* and nothing has come since */
    int64_t connected_ms, message_ms, read_ms;
    int64_t ping_ms, asked_ms; /* the last ping; the first that nothing has come after */
    struct sl_lease *first, *last;
    size_t held;       /* HELD, WAITING and OUT, */
    size_t held_bytes; /* with so many bytes */
    size_t leased;     /* and ACKING */
    int lease_s;       /* of what comes on this stream, until its receipt */
    int64_t receipt_due_ms, scan_ms;
};

struct sl_grpc_bus {
    struct sl_bus base;
    const struct sl_config *config;
    struct sl_pubsub_peer peer;
    struct sl_grpc_bus_options options;
    bool halves_leases; /* options.extend_before_ms is the default */
    struct sl_rpc_loop *loop;
    struct sl_rpc_channel **channels; /* one per connection */
    size_t n_channels;
    pthread_mutex_t mutex;
    pthread_cond_t arrived; /* a message waits, or the bus has failed */
    pthread_cond_t wake;    /* the keeper has something new to look at */
    pthread_cond_t quiet;   /* an ack was answered */
    struct sl_subscriber *subscribers;
    size_t n;
    const char **names; /* the subscriptions, each once */
    size_t n_names;
    struct sl_arena arena;
    struct sl_lease *first_waiting, *last_waiting;
    struct sl_unary *to_send;                /* by sl_bus_unlock() */
    struct sl_unary *to_retry;               /* at their due_ms */
    struct sl_lease *to_tell, *last_to_tell; /* acks that have an outcome, for options.acked */
    size_t acks;                             /* not answered for good */
    size_t telling;                          /* threads that tell outcomes */
    pthread_t keeper;
    bool keeper_on, stopping;
    struct sl_err failure; /* code SL_OK: none */
    struct sl_grpc_bus_stats stats;
};

void sl_bus_lock(struct sl_grpc_bus *bus);
void sl_bus_unlock(struct sl_grpc_bus *bus); /* and starts the calls of to_send, tells the outcomes of to_tell */

/* ---- subscriber (grpc_subscriber.c), under the mutex ---- */
void sl_subscriber_init(struct sl_subscriber *out, struct sl_grpc_bus *bus, const struct sl_phase *phase);
void sl_subscriber_fini(struct sl_subscriber *subscriber);
/* Does what is due; when to call again. */
int64_t sl_subscriber_tick(struct sl_subscriber *subscriber, int64_t now_ms);
void sl_subscriber_read(struct sl_subscriber *subscriber); /* asks for a message where the limits allow it */
void sl_subscriber_cancel(struct sl_subscriber *subscriber);
void sl_subscriber_connected(struct sl_subscriber *subscriber, int64_t now_ms);
void sl_subscriber_fail(struct sl_subscriber *subscriber, const struct sl_rpc_status *status);

/* ---- leases (grpc_lease.c) ---- */
/* Reads a response (no mutex); NULL and a sentence when it is malformed. Messages that can't be acked are left out and counted. */
struct sl_chunk *sl_chunk_create(const void *data, size_t len, struct sl_rpc_stream *of, size_t *n_bad, bool *is_empty, struct sl_err *err);
void sl_chunk_unref(void *chunk);
/* Under the mutex from here. */
void sl_leases_add(struct sl_subscriber *subscriber, struct sl_chunk *chunk, int64_t now_ms);
int64_t sl_leases_tick(struct sl_subscriber *subscriber, int64_t now_ms);
int sl_leases_length_s(const struct sl_subscriber *subscriber); /* of a stream that is opened, a receipt or an extension now */
void sl_leases_ack(struct sl_grpc_bus *bus, const struct sl_bus_batch *batch);
/* The next ones in line, by next_waiting; those that were lost meanwhile are left out. */
struct sl_lease *sl_leases_take(struct sl_grpc_bus *bus, size_t max_n, size_t max_bytes, int64_t now_ms);
void sl_leases_release_held(struct sl_subscriber *subscriber); /* what is confirmed gets in line, in order */
void sl_lease_over(struct sl_lease *lease, enum sl_ack_outcome outcome);
void sl_lease_unref(struct sl_lease *lease);

/* ---- Acknowledge and ModifyAckDeadline (grpc_unary.c); under the mutex ---- */
/* As many requests as the limits ask for; a reference to each lease for as long as they last. */
void sl_unary_request(struct sl_subscriber *subscriber, enum sl_unary_kind kind, struct sl_lease *const *leases, size_t n, int lease_s);
int64_t sl_unary_tick(struct sl_grpc_bus *bus, int64_t now_ms); /* tries again what is due */
void sl_unary_probe(struct sl_subscriber *subscriber);
void sl_unary_send(struct sl_unary *unary); /* no mutex */
void sl_unary_free(struct sl_unary *unary);

#endif
