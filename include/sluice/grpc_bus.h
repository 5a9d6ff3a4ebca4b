/* grpc_bus.h - the bus over gRPC: the client of google.pubsub.v1, for the embedded broker, for emulators and for Google Cloud Pub/Sub.
 *
 * The life of a message: streamed in -> leased (a receipt, then an extension whenever its lease is about to end) -> received -> acked by the worker after its commit -> the ack
 * answered, and only then let go: leases are extended until then, lost acks are sent again until the lease has ended. What can't be acked comes again and is known by its id.
 * A stream that ends is opened again by its status code, with backoff; codes that waiting can't mend end receive() with a sentence.
 * Threads: the rpc loop's moves bytes and pushes; one keeper per bus or publisher holds the clocks (pings, leases, reopening, retries). */
#ifndef SLUICE_GRPC_BUS_H
#define SLUICE_GRPC_BUS_H

#include <sluice/bus.h>
#include <sluice/credentials.h>
#include <sluice/pubsub.h>

/* Whom to talk to. Copied; roots and credentials are borrowed until everything that was made with it is destroyed. */
struct sl_pubsub_peer {
    const char *address; /* "127.0.0.1:8085", "unix:/path" */
    bool tls;
    const char *roots;                  /* PEM; NULL: the system's */
    struct sl_credentials *credentials; /* NULL: none. Their tokens never go out without tls */
};
/* Plaintext, no credentials. */
#define SL_PLAIN_PEER(where) (&(const struct sl_pubsub_peer){.address = (where)})

enum sl_pings {
    SL_PINGS_AUTO, /* demanded, but from a peer of bus.type emulator only once it has answered one (the official emulator before 0.8.32 never does) */
    SL_PINGS_DEMANDED,
    SL_PINGS_LEARNED
};

/* What became of an ack. Only CONFIRMED means that the message will not come again. */
enum sl_ack_outcome {
    SL_ACK_CONFIRMED,
    SL_ACK_LOST,   /* not confirmed before its lease ended, or the server couldn't be asked */
    SL_ACK_INVALID /* the server says that the id is no longer, or never was, a lease of ours */
};

/* 0: the default in parentheses. */
struct sl_grpc_bus_options {
    int64_t max_outstanding_messages,
        max_outstanding_bytes; /* per stream, asked of the server and kept on this side too (2 x worker.batch.*, divided by the streams) */
    int streams, connections;  /* of each subscription; that all streams are spread over (bus.streams, bus.connections) */
    int64_t ping_ms;           /* on every stream (30,000); the first one at once */
    int64_t answer_ms;         /* a ping without any response for so long: the stream is opened again (15,000) */
    int64_t receipt_ms;        /* messages are confirmed as received at most so late (100) */
    int64_t
        lease_s; /* of the stream, and of receipts and extensions until 100 messages were acked (10, as in Google's clients: so long nobody
                  * gets what a killed process held; the API takes 10 to 600). From then on as long as 99 of 100 take: at least 10, with
                  * exactly-once delivery at least 60, at most 600 */
    int64_t extend_before_ms;               /* a lease with less than that left is extended (10,000, half a lease at most) */
    int64_t lease_cap_ms;                   /* no extension beyond this age of a message (60 min) */
    int64_t backoff_min_ms, backoff_max_ms; /* reopening and lost acks (100, doubled, 10,000) */
    int64_t call_ms;                        /* one try of a unary call (20,000) */
    int64_t publish_ms;                     /* sl_bus_publish() in all (60,000) */
    int64_t
        keepalive_ms; /* HTTP/2 pings on idle connections (30,000; emulators 300,000); one without an answer for 20 s, or as long, ends the connection */
    int64_t close_ms; /* destroying waits so long for answers to acks (5,000) */
    enum sl_pings pings;
    /* What the broker in this process says of these subscriptions; NULL: the backlog can't be known. Any thread. */
    void (*backlog)(void *arg, const char *const *subscriptions, size_t n, int64_t *undelivered, int64_t *leased);
    void *backlog_arg;
    /* Hears of every ack, once; NULL: nobody does. On a thread of the bus, under no lock; must not block. */
    void (*acked)(void *arg, const char *subscription, const char *message_id, enum sl_ack_outcome outcome);
    void *acked_arg;
};

/* Receives from the subscriptions of `phases` (n 0: only publishes). Config and phases are borrowed until destroyed. `options` may be NULL.
 * SL_INVALID: a phase without subscription, bus.type pubsub without TLS. Nothing is connected yet when it returns. */
enum sl_code sl_grpc_bus_create(struct sl_bus **out, const struct sl_pubsub_peer *peer, const struct sl_config *config,
                                const struct sl_phase *const *phases, size_t n_phases, const struct sl_grpc_bus_options *options,
                                struct sl_err *err);

/* What it did, for tests and metrics. */
struct sl_grpc_bus_stats {
    uint64_t streams_opened, streams_ended, pings, torn_down, malformed, bad_ids, acks_sent, acks_retried, acks_confirmed, acks_lost,
        receipts, extensions;
    uint64_t lapsed; /* leases lost before their message was handed out */
    size_t leases;
};
void sl_grpc_bus_stats(struct sl_bus *bus, struct sl_grpc_bus_stats *out); /* of a bus made by sl_grpc_bus_create() */

/* Waits until every ack has its outcome; false: not within timeout_ms, or the bus has failed. */
bool sl_grpc_bus_settle(struct sl_bus *bus, int64_t timeout_ms);

/* "projects/PROJECT/topics/NAME" (kind "topics" or "subscriptions"); a name that starts with "projects/" stays as it is. */
const char *sl_pubsub_resource(struct sl_arena *arena, const struct sl_config *config, const char *kind, const char *name);

/* ---- many messages to one topic ---- */

struct sl_grpc_publisher_options {
    size_t max_messages, max_bytes;         /* of a batch (1,000, 1,000,000); a larger message goes alone */
    int64_t delay_ms;                       /* a batch that doesn't fill is sent after so long (10) */
    size_t in_flight;                       /* batches sent and not answered (8); adding blocks beyond */
    int64_t publish_ms;                     /* all tries of a batch (60,000) */
    int64_t call_ms;                        /* one try (20,000) */
    int64_t backoff_min_ms, backoff_max_ms; /* (100, times 4, 10,000) */
    bool compress;                          /* requests of 240 bytes and more */
};
/* Called on the adding thread, each index (of the messages added, from 0) once, under no lock. In the order of the messages without a key; in that of its own for each key. `id` is
 * NULL unless SL_OK. */
typedef void (*sl_publish_result)(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *err);

struct sl_grpc_publisher;
/* `topic` is a resource's full name. One thread uses it. */
enum sl_code sl_grpc_publisher_create(struct sl_grpc_publisher **out, const struct sl_pubsub_peer *peer, const char *topic,
                                      const struct sl_grpc_publisher_options *options, sl_publish_result result, void *arg,
                                      struct sl_err *err);
/* Copies. SL_INVALID at once for attributes that are not UTF-8, nothing is added then. A batch that the server refuses as invalid is tried again message by message: one bad message fails alone. */
enum sl_code sl_grpc_publisher_add(struct sl_grpc_publisher *publisher, const char *data, size_t len, const struct sl_attribute *attributes,
                                   size_t n_attributes, struct sl_err *err);
/* The same with an ordering key (NULL, "": none): messages of one key arrive in the order they were added. When one of them fails, those after it fail too, and so does adding
 * (SL_UNAVAILABLE), until the key is resumed. */
enum sl_code sl_grpc_publisher_add_ordered(struct sl_grpc_publisher *publisher, const char *key, const char *data, size_t len,
                                           const struct sl_attribute *attributes, size_t n_attributes, struct sl_err *err);
void sl_grpc_publisher_resume(struct sl_grpc_publisher *publisher, const char *key);
/* Sends what waits and returns when everything has its result; the first failure since the last flush. */
enum sl_code sl_grpc_publisher_flush(struct sl_grpc_publisher *publisher, struct sl_err *err);
void sl_grpc_publisher_destroy(struct sl_grpc_publisher **publisher); /* what has no result is given up */

/* ---- topics and subscriptions ---- */

/* Blocking calls, 30 s each. Names are full. SL_NOT_FOUND, SL_CONFLICT (there already), SL_DENIED, SL_INVALID, SL_UNAVAILABLE. */
struct sl_pubsub_admin;
enum sl_code sl_pubsub_admin_create(struct sl_pubsub_admin **out, const struct sl_pubsub_peer *peer, struct sl_err *err);
void sl_pubsub_admin_destroy(struct sl_pubsub_admin **admin);
enum sl_code sl_pubsub_admin_create_topic(struct sl_pubsub_admin *admin, const struct sl_pubsub_topic *topic, struct sl_err *err);
enum sl_code sl_pubsub_admin_get_topic(struct sl_pubsub_admin *admin, const char *name, struct sl_pubsub_topic *out, struct sl_arena *arena,
                                       struct sl_err *err);
enum sl_code sl_pubsub_admin_delete_topic(struct sl_pubsub_admin *admin, const char *name, struct sl_err *err);
/* The names of a topic's subscriptions, every page. */
enum sl_code sl_pubsub_admin_topic_subscriptions(struct sl_pubsub_admin *admin, const char *topic, const char ***names, size_t *n,
                                                 struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_pubsub_admin_create_subscription(struct sl_pubsub_admin *admin, const struct sl_pubsub_subscription *subscription,
                                                 struct sl_err *err);
enum sl_code sl_pubsub_admin_get_subscription(struct sl_pubsub_admin *admin, const char *name, struct sl_pubsub_subscription *out,
                                              struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_pubsub_admin_update_subscription(struct sl_pubsub_admin *admin, const struct sl_pubsub_subscription *subscription,
                                                 const char *const *paths, size_t n, struct sl_err *err);
/* Of our own broker, in whatever process (sl_broker_backlog()); waits 3 s. SL_INVALID: the server is another one, and it can't be known. */
enum sl_code sl_pubsub_admin_backlog(struct sl_pubsub_admin *admin, const char *const *subscriptions, size_t n, int64_t *undelivered,
                                     int64_t *leased, struct sl_err *err);
/* Of our own broker: a page of what is not acked on the subscription, oldest first, whoever holds it; nothing changes by it. `from`: "" or the page before's *next, which is "" on the
 * last page; `max` 0: as the server likes. No ack ids; delivery_attempt is how often it was tried. Arena. SL_INVALID: the server is another one. */
enum sl_code sl_pubsub_admin_look(struct sl_pubsub_admin *admin, const char *subscription, const char *from, int max,
                                  struct sl_received **out, size_t *n, const char **next, struct sl_arena *arena, struct sl_err *err);
/* Up to `max` messages that wait just now, leased for the subscription's ack deadline; perhaps fewer than there are. Arena. */
enum sl_code sl_pubsub_admin_pull(struct sl_pubsub_admin *admin, const char *subscription, int max, struct sl_received **out, size_t *n,
                                  struct sl_arena *arena, struct sl_err *err);
/* Their leases end now (a deadline of 0). */
enum sl_code sl_pubsub_admin_give_back(struct sl_pubsub_admin *admin, const char *subscription, const char *const *ack_ids, size_t n,
                                       struct sl_err *err);
/* May we do this with the topic or subscription? SL_INVALID: the server has no such question. */
enum sl_code sl_pubsub_admin_test_permission(struct sl_pubsub_admin *admin, const char *resource, const char *permission, bool *granted,
                                             struct sl_err *err);
/* Who may what, without the grants that depend on a condition and those that come from the project. Arena. SL_INVALID as above; SL_DENIED: we may not ask. */
struct sl_grant {
    const char *role, *member;
};
enum sl_code sl_pubsub_admin_grants(struct sl_pubsub_admin *admin, const char *resource, struct sl_grant **out, size_t *n,
                                    struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_pubsub_admin_delete_subscription(struct sl_pubsub_admin *admin, const char *name, struct sl_err *err);

#endif
