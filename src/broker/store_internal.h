/* store_internal.h - the broker's SQLite file: topics, subscriptions, messages, and what each subscription has done with them.
 * May block on the disk. One thread at a time, but for the store's own checkpointer.
 *
 * Writes happen between sl_store_begin() and sl_store_commit(), which returns after the log was fsynced. A write that fails leaves the
 * transaction to be rolled back. SL_UNAVAILABLE: disk full or busy, nothing has changed, the next transaction may try again. SL_INTERNAL:
 * an I/O error; the file is not touched any more, sl_store_poisoned() from now on (a failed fsync is never retried and believed). */
#ifndef SLUICE_BROKER_STORE_INTERNAL_H
#define SLUICE_BROKER_STORE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/str.h>

#include "core_internal.h"

/* A message's key is topic << 40 | n: a topic's messages lie together, in order, under one integer. */
#define SL_STORE_N_BITS 40
#define SL_STORE_N_MAX  ((INT64_C(1) << SL_STORE_N_BITS) - 1) /* messages of one topic, ever */

struct sl_store_options {
    const char *vfs;   /* tests; NULL: the default */
    int64_t max_pages; /* tests: the file can't grow beyond; 0: no limit */
    /* Tests: from so many pages of log on, the committing thread moves it into the file, through the checkpointer's handle, and there is no
     * other thread; 0: as usual. */
    int checkpoint_pages;
    bool keep_nothing;       /* tests: every unused page is given back */
    bool synchronous_normal; /* tests: commits are not synced, so a power loss takes them */
};

struct sl_store;
/* Opens or makes the file. SL_CORRUPT, SL_DENIED, SL_UNAVAILABLE; SL_INVALID: written by a newer version. */
enum sl_code sl_store_open(struct sl_store **out, const char *path, const struct sl_store_options *options, struct sl_err *err);
void sl_store_close(struct sl_store **store); /* rolls back what is open */
bool sl_store_poisoned(const struct sl_store *store);
uint32_t sl_store_id(const struct sl_store *store); /* random, of ten decimal digits, made with the file */

enum sl_code sl_store_begin(struct sl_store *store, struct sl_err *err); /* nothing when one is open */
bool sl_store_in_transaction(const struct sl_store *store);
enum sl_code sl_store_commit(struct sl_store *store, struct sl_err *err); /* rolls back when it fails */
void sl_store_rollback(struct sl_store *store);

/* ---- loading; rows are borrowed for the call; a callback that fails ends the loading with its code ---- */

struct sl_topic_row {
    int64_t id, last, trimmed; /* newest number ever given; everything up to `trimmed` is deleted */
    const char *name;          /* NULL: deleted, but subscriptions still have its messages */
    const void *config;        /* the Topic's bytes */
    size_t config_len;
};
struct sl_subscription_row {
    int64_t id, topic, floor, born; /* born: the topic's newest number when it was made */
    const char *name;
    const void *config; /* the Subscription's bytes */
    size_t config_len;
    uint64_t epoch; /* of its leases */
};
struct sl_snapshot_row {
    int64_t id, topic, floor;
    const char *name;
    const void *config; /* the Snapshot's bytes */
    size_t config_len;
};
struct sl_attempts_row {
    int64_t subscription, n;
    int attempts;
    int64_t due_us; /* not before; 0: at any time */
};
struct sl_lease_row {
    int64_t subscription, n;
    uint64_t serial, key;
};
struct sl_store_loader {
    enum sl_code (*topic)(void *arg, const struct sl_topic_row *row, struct sl_err *err);
    enum sl_code (*subscription)(void *arg, const struct sl_subscription_row *row, struct sl_err *err);
    enum sl_code (*acked)(void *arg, int64_t subscription, int64_t first, int64_t last, struct sl_err *err);
    enum sl_code (*attempts)(void *arg, const struct sl_attempts_row *row, struct sl_err *err);
    enum sl_code (*lease)(void *arg, const struct sl_lease_row *row, struct sl_err *err);
    enum sl_code (*snapshot)(void *arg, const struct sl_snapshot_row *row, struct sl_err *err);
    enum sl_code (*snapshot_acked)(void *arg, int64_t snapshot, int64_t first, int64_t last, struct sl_err *err);
};
enum sl_code sl_store_load(struct sl_store *store, const struct sl_store_loader *loader, void *arg, struct sl_err *err);

/* ---- writing ---- */

enum sl_code sl_store_add_topic(struct sl_store *store, const struct sl_topic_row *row, int64_t *id, struct sl_err *err);
/* name, config, last and trimmed. */
enum sl_code sl_store_put_topic(struct sl_store *store, const struct sl_topic_row *row, struct sl_err *err);
enum sl_code sl_store_set_topic_last(struct sl_store *store, int64_t id, int64_t last, struct sl_err *err);
enum sl_code sl_store_delete_topic(struct sl_store *store, int64_t id, struct sl_err *err); /* once it has no messages */
enum sl_code sl_store_add_subscription(struct sl_store *store, const struct sl_subscription_row *row, int64_t *id, struct sl_err *err);
enum sl_code sl_store_set_subscription_config(struct sl_store *store, int64_t id, const void *config, size_t len, struct sl_err *err);
enum sl_code sl_store_delete_subscription(struct sl_store *store, int64_t id, struct sl_err *err);
enum sl_code sl_store_add_message(struct sl_store *store, int64_t topic, int64_t n, int64_t publish_us, const void *body, size_t len,
                                  struct sl_err *err);
struct sl_now { /* one moment on both clocks: monotonic, and the time of day */
    int64_t ms, us;
};
/* What is dirty in `delivery`; sl_delivery_clean() it after the commit. */
enum sl_code sl_store_put_delivery(struct sl_store *store, int64_t subscription, const struct sl_delivery *delivery, struct sl_now now,
                                   struct sl_err *err);
enum sl_code sl_store_put_lease(struct sl_store *store, const struct sl_lease_row *row, struct sl_err *err);
enum sl_code sl_store_set_epoch(struct sl_store *store, int64_t subscription, uint64_t epoch, struct sl_err *err);
/* With all of `acked`, whose floor is the row's. */
enum sl_code sl_store_add_snapshot(struct sl_store *store, const struct sl_snapshot_row *row, const struct sl_ranges *acked, int64_t *id,
                                   struct sl_err *err);
enum sl_code sl_store_set_snapshot_config(struct sl_store *store, int64_t id, const void *config, size_t len, struct sl_err *err);
enum sl_code sl_store_delete_snapshot(struct sl_store *store, int64_t id, struct sl_err *err);
enum sl_code sl_store_put_policy(struct sl_store *store, const char *resource, int64_t revision, const void *policy, size_t len,
                                 struct sl_err *err);
/* Deletes messages of the topic after `from` up to `upto`, at most `limit` of their numbers; *trimmed: how far it came. */
enum sl_code sl_store_trim(struct sl_store *store, int64_t topic, int64_t from, int64_t upto, int64_t limit, int64_t *trimmed,
                           struct sl_err *err);

/* What may be written before the disk is so full that acks could not be: the log has to fit into the file, too. INT64_MAX: not known. */
int64_t sl_store_room_bytes(struct sl_store *store);
/* Gives some of the file's unused pages back, in a commit of its own; when no more are left than should be, none with `everything`, the log is cut. *wait_ms: until
 * it should be called again, SL_NEVER when that is done. */
enum sl_code sl_store_shrink(struct sl_store *store, bool everything, int64_t *wait_ms, struct sl_err *err);

/* ---- reading; what was read is borrowed until the next read or write ---- */

struct sl_stored {
    int64_t n, publish_us;
    const char *body;
    size_t len;
};
/* Appends the policy. SL_NOT_FOUND: nobody has set one. */
enum sl_code sl_store_get_policy(struct sl_store *store, const char *resource, int64_t *revision, struct sl_buf *policy,
                                 struct sl_err *err);
enum sl_code sl_store_get(struct sl_store *store, int64_t topic, int64_t n, struct sl_stored *out, struct sl_err *err); /* SL_NOT_FOUND */
/* The messages first..last, ascending: open, then next until SL_NOT_FOUND, then close (always). One at a time. */
enum sl_code sl_store_scan_open(struct sl_store *store, int64_t topic, int64_t first, int64_t last, struct sl_err *err);
enum sl_code sl_store_scan_next(struct sl_store *store, struct sl_stored *out, struct sl_err *err);
void sl_store_scan_close(struct sl_store *store);
/* The first message of n..last, without its body. SL_NOT_FOUND. */
enum sl_code sl_store_next(struct sl_store *store, int64_t topic, int64_t n, int64_t last, struct sl_stored *out, struct sl_err *err);
/* The newest number after `from` whose message, and all before it, was published before `before_us`; looks at `limit` of them. `from`: none. */
enum sl_code sl_store_older(struct sl_store *store, int64_t topic, int64_t from, int64_t before_us, int64_t limit, int64_t *out,
                            struct sl_err *err);

#endif
