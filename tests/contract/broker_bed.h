/* broker_bed.h - a broker in a directory of its own, and a client that speaks plain calls to it. Everything that a client got is copied.
 * A call that goes wrong where the helper's name promises success fails the test. */
#ifndef TESTS_BROKER_BED_H
#define TESTS_BROKER_BED_H

#include <pthread.h>
#include <sys/types.h>

#include <sluice/broker.h>
#include <sluice/mem.h>
#include <sluice/pubsub.h>
#include <sluice/rpc.h>
#include <sluice/wire.h>

#define TOPIC "projects/p/topics/events"
#define SUB   "projects/p/subscriptions/worker"
#define DLQ   "projects/p/topics/events-dlq"

#define LONGEST_LEASE_S 600 /* what is leased does not come again by itself, however slow the machine is */

struct bed {
    char dir[64];
    struct sl_broker_options options;
    struct sl_broker *broker; /* NULL while another process serves */
    pid_t child;
    char address[128];
    struct sl_rpc_loop *loop;
    struct sl_rpc_channel *channel;
    char message[512]; /* of the newest call's status */
};

void bed_open(struct bed *bed, const struct sl_broker_options *options); /* NULL: defaults */
/* TOPIC is there, and SUB on it; the second: SUB as make_sub_like() makes it. */
void bed_open_with_sub(struct bed *bed, const struct sl_broker_options *options);
void bed_open_with_sub_like(struct bed *bed, struct sl_pubsub_subscription config);
void bed_close(struct bed *bed);
void bed_stop(struct bed *bed);       /* nobody serves the directory, until bed_restart() */
void bed_restart(struct bed *bed);    /* stops and opens the same directory */
void bed_open_child(struct bed *bed); /* the broker in a process of its own; before anything of gRPC */
void bed_kill_child(struct bed *bed); /* SIGKILL; then serves the directory itself */

/* "Publisher/Publish", or another package's: "google.iam.v1.IAMPolicy/GetIamPolicy". `request` is emptied and freed, `response` (may be NULL) replaced. */
enum sl_rpc_code bed_call(struct bed *bed, const char *method, struct sl_buf *request, struct sl_buf *response);

/* A field as it goes over the wire, where it is empty, too. `message` is freed. */
void put_field_str(struct sl_buf *out, int field, const char *text);
void put_field_buf(struct sl_buf *out, int field, struct sl_buf *message);

enum sl_rpc_code try_topic(struct bed *bed, const char *name);
void make_topic(struct bed *bed, const char *name);
enum sl_rpc_code try_subscription(struct bed *bed, const struct sl_pubsub_subscription *config);
void make_subscription(struct bed *bed, const char *name, const char *topic);
/* SUB on TOPIC, with the longest lease; the rest of it as `config` says. */
void make_sub_like(struct bed *bed, struct sl_pubsub_subscription config);
void get_subscription(struct bed *bed, struct sl_pubsub_subscription *out,
                      struct sl_arena *arena);         /* SUB as the broker tells it; copied to the arena */
void make_snapshot(struct bed *bed, const char *name); /* of SUB */
enum sl_rpc_code delete_topic(struct bed *bed, const char *name);
enum sl_rpc_code delete_subscription(struct bed *bed, const char *name);

/* One message of these bytes; its id into `id` (of 64 bytes, may be NULL). */
enum sl_rpc_code try_publish(struct bed *bed, const char *topic, const void *data, size_t len, char *id);
void publish(struct bed *bed, const char *topic, const char *text);
/* With an ordering key (may be NULL) and attributes: "a=1,b=2" (may be NULL). */
void publish_with(struct bed *bed, const char *topic, const char *text, const char *key, const char *attributes);
/* "prefix0", "prefix1", ...: n of them in requests of at most 1000, and 10 MB. */
void publish_many(struct bed *bed, const char *topic, const char *prefix, size_t n, size_t body_bytes);

struct got {                           /* one received message */
    char ack_id[64], id[64], text[64]; /* text: the data's first 63 bytes */
    size_t len;
    int attempt;
    char *attributes; /* "k=v\n", sorted as they came; heap */
};
struct gots {
    struct got *items;
    size_t n, cap;
};
void gots_fini(struct gots *gots);
void gots_add(struct gots *gots, const struct sl_received *received);

/* Replaces `out`. */
enum sl_rpc_code try_pull(struct bed *bed, const char *subscription, int max, bool now, struct gots *out);
void pull(struct bed *bed, const char *subscription, int max, bool now, struct gots *out);
enum sl_rpc_code try_ack(struct bed *bed, const char *subscription, const struct gots *gots, size_t from, size_t n);
void ack(struct bed *bed, const char *subscription, const struct gots *gots, size_t from, size_t n);
enum sl_rpc_code modify(struct bed *bed, const char *subscription, const struct gots *gots, size_t from, size_t n, int seconds);
void expect_texts(const struct gots *gots, const char *expected); /* "a b c " */
void expect_backlog(struct bed *bed, const char *subscription, int64_t undelivered, int64_t leased);

/* A streaming pull. */
struct tap {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct sl_rpc_stream *stream;
    struct gots gots;
    size_t n_responses, n_empty, n_without_properties, max_per_response;
    bool exactly_once, ordering;                                 /* as the newest response says */
    size_t acked, ack_invalid, modified, modify_invalid, failed; /* ids in confirmations */
    bool ended, reading;
    struct sl_rpc_status status;
};
struct tap_options {
    const char *subscription;
    int deadline_s; /* 0: LONGEST_LEASE_S */
    int64_t max_messages, max_bytes;
    bool deaf; /* reads nothing */
};
void tap_open(struct tap *tap, struct bed *bed, const struct tap_options *options);
void tap_open_sub(struct tap *tap, struct bed *bed);     /* of SUB */
void tap_write(struct tap *tap, struct sl_buf *request); /* emptied */
void tap_ping(struct tap *tap);
void tap_sync(struct tap *tap);                       /* pings, and waits for the answer: what was written before has been read */
void tap_ack(struct tap *tap, size_t from, size_t n); /* on the stream */
void tap_modify(struct tap *tap, size_t from, size_t n, int seconds);
void tap_wait(struct tap *tap, size_t n_messages);
void tap_wait_responses(struct tap *tap, size_t n);
void tap_wait_confirmed(struct tap *tap, size_t n); /* ids, of whatever fate */
void tap_wait_end(struct tap *tap);
size_t tap_count(struct tap *tap);
void tap_close(struct tap *tap);                             /* cancels, waits for the end, frees */
void tap_expect_end(struct tap *tap, enum sl_rpc_code code); /* waits until it has ended by itself, with this code; closes it */

#endif
