/* broker.h - the embedded Pub/Sub server: google.pubsub.v1 Publisher and Subscriber over gRPC, durable in one SQLite file.
 *
 * Threads: the rpc loop moves bytes and pushes events to one queue; one broker thread owns everything else: it takes what has queued, applies it to core and store, commits once
 * for all of it (one fsync: group commit, no timer, RULES 27), answers, and hands messages to streams that have room. Bodies are read from the store on delivery, so a backlog
 * costs a cursor, not memory. All of both services but push: ordering keys, exactly-once delivery, retry and dead-letter policies, filters, seek, snapshots, retention, detaching.
 * Life: create (opens or makes PATH, takes its lock, listens) -> serves -> stop (streams get UNAVAILABLE) -> destroy. */
#ifndef SLUICE_BROKER_H
#define SLUICE_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

struct sl_broker_options {
    const char *path;      /* directory of the store; made when missing */
    const char *listen;    /* "127.0.0.1:8085", port 0 allowed, "unix:/path" */
    int64_t stream_age_ms; /* streams are closed with UNAVAILABLE at this age; 0: 30 min */
    int64_t heartbeat_ms;  /* an empty response on an idle stream; 0: 15 s */
    const char *vfs;       /* tests: SQLite VFS, which one thread at a time uses (no checkpointer); NULL: the default */
    int64_t max_pages;     /* tests: the store can't grow beyond so many pages of 4 KiB (a full disk); 0: no limit */
};

struct sl_broker;
/* SL_CONFLICT: another process has PATH's lock (the sentence names pid and address); SL_UNAVAILABLE: port in use; SL_DENIED; SL_CORRUPT. */
enum sl_code sl_broker_create(struct sl_broker **out, const struct sl_broker_options *options, struct sl_err *err);
const char *sl_broker_address(const struct sl_broker *broker); /* "127.0.0.1:41234" as a client dials it */
/* Messages that are neither acked nor dead-lettered and wait, and leases held, over the named subscriptions ("projects/p/subscriptions/s"; one that isn't there holds nothing);
 * n 0: over all. For idleness (RULES 30): triggers wait on subscriptions that are not the worker's. Any thread but an rpc loop's; waits for a commit or two.
 * Another process asks "/sluice.broker.v1.Broker/Backlog": request field 1, repeated string: the subscriptions; response fields 1 and 2, int64: undelivered, leased. */
void sl_broker_backlog(struct sl_broker *broker, const char *const *subscriptions, size_t n, int64_t *undelivered, int64_t *leased);
/* Did the broker stop by itself (its store failed)? Any thread. */
bool sl_broker_failed(struct sl_broker *broker, struct sl_err *err);
void sl_broker_stop(struct sl_broker *broker, int64_t grace_ms);
void sl_broker_destroy(struct sl_broker **broker);

/* Pure: can only this machine reach what listens there? The broker asks nobody who they are. */
bool sl_broker_is_local(const char *listen);

/* Who serves `path` now: the address its holder wrote into the lock file. SL_NOT_FOUND: nobody. SL_UNAVAILABLE: somebody who is still starting. */
enum sl_code sl_broker_find(char *address, size_t size, const char *path, struct sl_err *err);

/* Tests: the next `n` calls of this method ("Publish", "Acknowledge", "StreamingPull", ...) answer with this gRPC status code. Any thread. */
void sl_broker_fail_next(struct sl_broker *broker, const char *method, int n, int rpc_code);
/* The same and more, from lines of text that take the place of what was ordered before:
 *   fail METHOD N CODE   the next N calls of it, or streams, answer with this code ("UNAVAILABLE")
 *   slow METHOD N MS     the next N calls of it are served so many milliseconds late; of the next N streams everything that is said is heard so late
 *   drop                 all streams end now, with UNAVAILABLE
 * Empty lines and lines that begin with # are none. SL_INVALID: the line and why; nothing has changed. Any thread. */
enum sl_code sl_broker_order_faults(struct sl_broker *broker, const char *text, struct sl_err *err);

#endif
