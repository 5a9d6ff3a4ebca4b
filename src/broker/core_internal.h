/* core_internal.h - what one subscription knows about its messages: acked, leased, waiting for another try, dead.
 * Pure: no I/O, no clock, no logging; time is an argument (any clock that only goes forward, in ms). One thread at a time.
 *
 * A topic numbers its messages 1, 2, 3, ... A message of this subscription is, by its number n,
 *   acked      in `acked` (everything up to its floor, and ranges above it);
 *   an entry   leased, waiting (backoff), ready (to be delivered again), or dead (to be forwarded); or
 *   unseen     none of them: above `cursor`, or at most as many below it as a restart has made unseen again.
 * Only entries cost memory, at most SL_ENTRIES_MAX; what is unseen is read from the store when somebody has room for it.
 * What must be stored changes is collected until sl_delivery_clean(): ranges in `acked`, numbers in `changed`. */
#ifndef SLUICE_BROKER_CORE_INTERNAL_H
#define SLUICE_BROKER_CORE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ranges_internal.h"

/* x 64 bytes, and as much again for index and heap: 32 MiB a subscription; then nothing unseen is delivered until some are acked. */
#define SL_ENTRIES_MAX ((size_t)262144)
#define SL_NEVER       INT64_MAX

/* Of a lease's serial; above them is the epoch, which a seek advances. A process begins at a random place of the lower half. */
#define SL_SERIAL_BITS 47
#define SL_EPOCH_MAX   ((UINT64_C(1) << 16) - 1)

enum sl_entry_state {
    SL_ENTRY_FREE = 0,
    SL_ENTRY_STORED, /* ordered: tried before the last restart; unseen since, but its attempts are known */
    SL_ENTRY_LEASED,
    SL_ENTRY_WAITING,
    SL_ENTRY_READY,
    SL_ENTRY_BLOCKED,
    SL_ENTRY_DEAD
};

struct sl_entry_list {
    uint32_t first, last; /* index + 1; 0: none */
    size_t n;
};

/* Who holds leases: a stream with its limits, or everybody who pulls. Embedded by its owner; sl_delivery_release() before it goes. */
struct sl_flow {
    int64_t max_messages, max_bytes; /* 0: no limit */
    int64_t bytes;
    uint64_t holder; /* who it is, for keys: no two the same */
    struct sl_entry_list leases;
};

struct sl_entry {
    int64_t n;
    int64_t at_ms;   /* leased: ends; waiting, stored: may be delivered again */
    uint64_t serial; /* of the newest lease; 0: none, or it was called back */
    struct sl_flow *flow;
    int64_t bytes;
    int attempts;  /* nacks and expiries so far */
    uint32_t heap; /* position + 1; 0: not in it */
    uint32_t before, after;
    uint32_t key, key_before, key_after; /* index + 1; 0: none */
    enum sl_entry_state state;
    bool attempts_dirty, attempts_stored;
    bool lease_stored; /* exactly once: the store knows its newest lease */
};

/* A key that has entries: ascending by n; leased ones come first, all with one holder. Two keys of one hash are ordered as if they were one. */
struct sl_key {
    uint64_t hash, holder;
    uint32_t first, last; /* index + 1; a free one chains by `first` */
    uint32_t n_leased;
    uint32_t n_held; /* leases since the holder has it */
};
/* So many leases a holder gets of a key before it must have acked them all, where others want some too: it can't keep a key for ever. */
#define SL_KEY_TENURE 64

struct sl_delivery_policy {
    bool ordered;
    int max_attempts; /* 0: no dead letter policy */
    bool has_retry;
    int64_t min_backoff_ms, max_backoff_ms;
};

struct sl_delivery {    /* sl_delivery_fini() frees */
    bool shared;        /* there are several holders */
    bool stores_leases; /* there may be some in the store */
    struct sl_delivery_policy policy;
    struct sl_ranges acked;
    int64_t cursor;
    struct sl_entry *entries;
    size_t n_slots, cap, n_entries;
    uint32_t free_slot; /* index + 1, chained by `after` */
    uint32_t *index;    /* open addressing from n to index + 1 */
    size_t index_cap;
    uint32_t *heap; /* slots by at_ms */
    size_t n_heap, cap_heap;
    struct sl_entry_list ready, dead;
    struct sl_key *keys;
    size_t n_key_slots, cap_keys, n_keys;
    uint32_t free_key;   /* index + 1 */
    uint32_t *key_index; /* open addressing from hash to index + 1 */
    size_t key_index_cap;
    struct sl_flow pulled;
    size_t n_leased;
    int64_t
        *changed; /* numbers whose attempts, or whose lease that has ended, are not stored as they are: an entry's own, or none any more */
    size_t n_changed, cap_changed;
    uint64_t serial;
};

void sl_delivery_init(struct sl_delivery *self, int64_t floor, uint64_t first_serial);
void sl_delivery_fini(struct sl_delivery *self);
/* After a start: an acked range (ascending), and a message that has been tried, and when it may be again. */
void sl_delivery_restore_acked(struct sl_delivery *self, int64_t first, int64_t last);
void sl_delivery_restore_attempts(struct sl_delivery *self, int64_t n, int attempts, int64_t until_ms);

/* A lease that an earlier process gave and that was stored, by ascending n after everything else: whoever has it may go on with it. */
void sl_delivery_restore_lease(struct sl_delivery *self, int64_t n, uint64_t serial, uint64_t key, int64_t until_ms);

/* What to deliver: first what is ready again and may go to `flow`; 0: nothing. `passed` (may be NULL) begins as 0 and keeps the place. */
int64_t sl_delivery_ready(const struct sl_delivery *self, const struct sl_flow *flow, uint32_t *passed);
/* The next unseen number in cursor+1 .. last; 0: none, or too many entries. */
int64_t sl_delivery_unseen(const struct sl_delivery *self, int64_t last);
/* Ordered: may the unseen message, of this key (a hash; 0: none), be leased to `flow` now? false: it is put aside until it may, and seen. */
bool sl_delivery_offer(struct sl_delivery *self, int64_t n, uint64_t key, const struct sl_flow *flow, int64_t now_ms);
/* The store has no such messages: they count as acked. */
void sl_delivery_missing(struct sl_delivery *self, int64_t first, int64_t last);

bool sl_flow_has_room(const struct sl_flow *flow, int64_t bytes);
struct sl_lease {
    uint64_t serial;
    int attempt; /* 1 + nacks + expiries */
};
/* Leases a ready, an offered or the next unseen message. */
struct sl_lease sl_delivery_lease(struct sl_delivery *self, int64_t n, struct sl_flow *flow, int64_t bytes, int64_t until_ms);

/* The newest lease is in the store now. */
void sl_delivery_lease_stored(struct sl_delivery *self, int64_t n);
bool sl_delivery_has_stored_lease(const struct sl_delivery *self, int64_t n); /* and does it last? */
uint64_t sl_delivery_serial(const struct sl_delivery *self, int64_t n);       /* of an entry's newest lease */
uint64_t sl_delivery_key(const struct sl_delivery *self, int64_t n);          /* of an entry; 0: none */
/* It was never told to anybody. */
void sl_delivery_unlease(struct sl_delivery *self, int64_t n);

/* `last`: the topic's newest number. An ack counts whatever its lease has become: the work is done. false: acked before, or no such number. */
bool sl_delivery_ack(struct sl_delivery *self, int64_t n, int64_t last);
/* Would an ack of this lease be of work that counts? Of a message with a key only the newest lease's is, unless it was called back. */
bool sl_delivery_accepts(const struct sl_delivery *self, int64_t n, uint64_t serial);
bool sl_delivery_holds(const struct sl_delivery *self, int64_t n, uint64_t serial); /* is this the newest lease, and does it last? */
/* Only of the newest lease and while it lasts; false otherwise, and nothing has changed. */
bool sl_delivery_extend(struct sl_delivery *self, int64_t n, uint64_t serial, int64_t until_ms);
bool sl_delivery_nack(struct sl_delivery *self, int64_t n, uint64_t serial, int64_t now_ms);
/* The holder is gone: all its leases are free again at once, in order, before what else is ready; no attempt is counted. */
void sl_delivery_release(struct sl_delivery *self, struct sl_flow *flow);
/* The holder is gone, its leases last on, as those of pulls. */
void sl_delivery_adopt(struct sl_delivery *self, struct sl_flow *flow);
/* Leases that have ended count as an attempt; what has waited long enough becomes ready. */
void sl_delivery_tick(struct sl_delivery *self, int64_t now_ms);
int64_t sl_delivery_due_ms(const struct sl_delivery *self); /* SL_NEVER */

/* Messages that have had all their attempts, up to `max`; their number. Forwarded: ack it. Can't be: it is tried again. */
size_t sl_delivery_dead(const struct sl_delivery *self, int64_t *out, size_t max);
void sl_delivery_revive(struct sl_delivery *self, int64_t n, int64_t now_ms);

/* All anew: acked is what `acked` has (copied), nothing is leased, nothing was tried. Leases of before mean nothing any more. */
void sl_delivery_seek(struct sl_delivery *self, const struct sl_ranges *acked);

int sl_delivery_attempts(const struct sl_delivery *self, int64_t n); /* nacks and expiries so far; 0 when it is no entry */
int64_t sl_delivery_waits_ms(const struct sl_delivery *self, int64_t n, int64_t now_ms); /* how much of its backoff is left */
int64_t sl_delivery_unacked(const struct sl_delivery *self, int64_t last);
bool sl_delivery_dirty(const struct sl_delivery *self);
void sl_delivery_clean(struct sl_delivery *self);

#endif
