/* bus.h - the port to the message bus, as the worker sees it. The in-memory bus (tests, simulation) and the one-way bus of `sluice ingest` implement it here;
 * the gRPC client of Google Cloud Pub/Sub is an addition behind the same table.
 * One thread receives, one acknowledges, one publishes, all beside each other; may block where it says so. Outcomes are per row and start as "not written". */
#ifndef SLUICE_BUS_H
#define SLUICE_BUS_H

#include <stdio.h>

#include <sluice/completion.h>
#include <sluice/error.h>
#include <sluice/mem.h>

/* A dead letter that is given to the worker again: where it came from at first, and what became of it. Texts may be NULL. */
enum sl_replay_outcome { SL_REPLAY_COMMITTED, SL_REPLAY_KNOWN, SL_REPLAY_REJECTED };
struct sl_replay {
    const char *source_subscription, *source_topic, *source_message_id, *source_publish_time;
    const char *id; /* of the whole replay: its own copies are told by it */
    int64_t count;  /* with this time */
    enum sl_replay_outcome outcome;
};

struct sl_bus_message {
    struct sl_message message;
    const struct sl_phase *phase; /* whose subscription; NULL when fed in directly */
    void *receipt;                /* the bus's own; NULL when nothing is to be acked */
    struct sl_replay *replay;     /* NULL: it comes for the first time */
    const char *ordering_key;     /* "" or NULL: none */
};

/* Memory that messages lie in and that isn't the arena's; released with the batch. */
struct sl_bus_pin {
    struct sl_bus_pin *next;
    void (*release)(void *arg); /* any thread, also after the bus is destroyed */
    void *arg;
};

struct sl_bus_batch {
    struct sl_bus_message *messages;
    size_t n;
    size_t bytes;
    bool end;                /* nothing will ever come again */
    struct sl_bus_pin *pins; /* arena */
    struct sl_arena arena;
};

struct sl_outgoing {
    const char *data;
    size_t len;
    const char *attributes;   /* JSON object of strings, or NULL */
    const char *ordering_key; /* "" or NULL: none; what is published in one request has the same */
};

struct sl_bus;
struct sl_bus_ops {
    const char *name;
    void (*destroy)(struct sl_bus *self);
    /* Up to max_n messages and about max_bytes (at least one message). Blocks up to timeout_ms while there is none; an empty batch is no error. The batch holds everything: in its arena, and by its pins. */
    enum sl_code (*receive)(struct sl_bus *self, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                            struct sl_err *err);
    /* After the commit: the batch is done with. */
    enum sl_code (*ack)(struct sl_bus *self, const struct sl_bus_batch *batch, struct sl_err *err);
    /* NULL: this bus can't publish (ingest): the outbox keeps its rows for a worker that can. Attributes: JSON object of strings. */
    enum sl_code (*publish)(struct sl_bus *self, const char *topic, const char *data, size_t len, const char *attributes,
                            struct sl_err *err);
    /* NULL: one after the other. Many of one topic in one request, in order: all or none. */
    enum sl_code (*publish_all)(struct sl_bus *self, const char *topic, const struct sl_outgoing *messages, size_t n, struct sl_err *err);
    /* Milliseconds for which the phase's stream has been connected and silent; -1: not connected or not drained. */
    int64_t (*silent_ms)(struct sl_bus *self, const struct sl_phase *phase, int64_t now_us);
    /* NULL: can't be known. Messages of the subscriptions received from that wait, and those handed out whose ack is not confirmed; -1: not known now. Any thread. */
    void (*backlog)(struct sl_bus *self, int64_t *undelivered, int64_t *leased);
};
struct sl_bus {
    const struct sl_bus_ops *ops;
    struct {
        uint64_t received, acked, published, errors;
    } counters;
};

void sl_bus_destroy(struct sl_bus **bus);
/* `out` is emptied first (zero-initialised is valid, so is the batch of the call before). timeout_ms 0: doesn't wait; negative: for ever. */
enum sl_code sl_bus_receive(struct sl_bus *bus, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                            struct sl_err *err);
enum sl_code sl_bus_ack(struct sl_bus *bus, const struct sl_bus_batch *batch, struct sl_err *err);
bool sl_bus_can_publish(const struct sl_bus *bus);
enum sl_code sl_bus_publish(struct sl_bus *bus, const char *topic, const char *data, size_t len, const char *attributes,
                            struct sl_err *err);
/* In order; *done of them are confirmed, less than n when the code is not SL_OK. */
enum sl_code sl_bus_publish_all(struct sl_bus *bus, const char *topic, const struct sl_outgoing *messages, size_t n, size_t *done,
                                struct sl_err *err);
int64_t sl_bus_silent_ms(struct sl_bus *bus, const struct sl_phase *phase, int64_t now_us);
/* -1 each when it can't be known. */
void sl_bus_backlog(struct sl_bus *bus, int64_t *undelivered, int64_t *leased);
void sl_bus_batch_fini(struct sl_bus_batch *batch);

/* Lines of NDJSON from a file descriptor-backed stream (borrowed, read by its descriptor from where that stands), to its end; empty lines are skipped. Bodies over `max_line_bytes`
 * are handed over cut to one byte more, so that they are rejected as too large. Nothing is acked, nothing published. message_id is "NAME:LINE". `end` comes with the last batch, perhaps
 * an empty one; from then on it is silent. SL_INVALID: the stream has no descriptor. */
enum sl_code sl_file_bus_create(struct sl_bus **out, FILE *file, const char *name, size_t max_line_bytes, struct sl_err *err);

/* A bus in memory for tests: messages put in come out until acked; publishes are kept; faults can be ordered. Any thread. `config` is borrowed. An ack after the redelivery is void. */
void sl_memory_bus_create(struct sl_bus **out, const struct sl_config *config);
void sl_memory_bus_put(struct sl_bus *bus, const struct sl_phase *phase, const char *data, size_t len, const char *message_id,
                       int64_t publish_us);
void sl_memory_bus_redeliver(struct sl_bus *bus);          /* everything not acked comes again, as after a lost connection */
void sl_memory_bus_end(struct sl_bus *bus);                /* nothing more will be put in: `end` comes once everything is acked */
void sl_memory_bus_silent(struct sl_bus *bus, int64_t ms); /* what silent_ms says while nothing of the phase waits; at first -1 */
void sl_memory_bus_fail_publishes(struct sl_bus *bus, int n, enum sl_code code); /* the next n */
struct sl_published {
    const char *topic, *data, *attributes;
};
size_t sl_memory_bus_published(const struct sl_bus *bus, const struct sl_published **out); /* borrowed until the next publish */
size_t sl_memory_bus_backlog(const struct sl_bus *bus);

#endif
