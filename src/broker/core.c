/* core.c - the life of a message in one subscription.
 *
 *   unseen -> leased -> acked
 *                    -> nack, expiry: attempts + 1 -> dead            when the policy's attempts are used up -> forwarded, acked
 *                                                  -> waiting, ready  backoff by attempts -> leased
 *                    -> its holder is gone         -> ready
 *
 * An entry is in exactly one list by its state (its holder's leases, ready, dead), and in the heap while a time is due: the end of its
 * lease or of its backoff. The index finds it by number. One that has a key is in its key's list too (core_order.c). */
#include "core_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "core_index_internal.h"
#include "core_order_internal.h"

void sl_delivery_init(struct sl_delivery *self, int64_t floor, uint64_t first_serial)
{
    *self = (struct sl_delivery){.cursor = floor, .serial = first_serial};
    sl_ranges_init(&self->acked, floor);
}

void sl_delivery_fini(struct sl_delivery *self)
{
    sl_ranges_fini(&self->acked);
    free(self->entries);
    free(self->index);
    free(self->heap);
    free(self->changed);
    sl_key_fini(self);
    *self = (struct sl_delivery){0};
}

/* ---- lists ---- */

static void append(struct sl_delivery *self, struct sl_entry_list *list, uint32_t id)
{
    struct sl_entry *entry = sl_entry_of(self, id);
    entry->before = list->last;
    entry->after = 0;
    if (list->last)
        sl_entry_of(self, list->last)->after = id;
    else
        list->first = id;
    list->last = id;
    list->n++;
}

static void unlink_from(struct sl_delivery *self, struct sl_entry_list *list, uint32_t id)
{
    struct sl_entry *entry = sl_entry_of(self, id);
    if (entry->before)
        sl_entry_of(self, entry->before)->after = entry->after;
    else
        list->first = entry->after;
    if (entry->after)
        sl_entry_of(self, entry->after)->before = entry->before;
    else
        list->last = entry->before;
    entry->before = entry->after = 0;
    list->n--;
}

/* ---- states: the one place that changes them ---- */

static void note_change(struct sl_delivery *self, int64_t n)
{
    sl_grow((void **)&self->changed, &self->cap_changed, self->n_changed + 1, sizeof(*self->changed));
    self->changed[self->n_changed++] = n;
}

static void leave_state(struct sl_delivery *self, uint32_t id)
{
    struct sl_entry *entry = sl_entry_of(self, id);
    switch (entry->state) {
    case SL_ENTRY_FREE:
    case SL_ENTRY_STORED:
    case SL_ENTRY_WAITING:
    case SL_ENTRY_BLOCKED: break;
    case SL_ENTRY_LEASED:
        unlink_from(self, &entry->flow->leases, id);
        entry->flow->bytes -= entry->bytes;
        entry->flow = NULL;
        self->n_leased--;
        if (entry->key)
            sl_key_of(self, entry)->n_leased--;
        if (entry->lease_stored)
            note_change(self, entry->n);
        entry->lease_stored = false;
        break;
    case SL_ENTRY_READY: unlink_from(self, &self->ready, id); break;
    case SL_ENTRY_DEAD: unlink_from(self, &self->dead, id); break;
    }
    if (entry->heap)
        sl_entry_heap_remove(self, id);
}

static void set_ready(struct sl_delivery *self, uint32_t id)
{
    leave_state(self, id);
    sl_entry_of(self, id)->state = SL_ENTRY_READY;
    append(self, &self->ready, id);
}

static void set_blocked(struct sl_delivery *self, uint32_t id)
{
    leave_state(self, id);
    sl_entry_of(self, id)->state = SL_ENTRY_BLOCKED;
}

/* What is blocked becomes ready when it is its turn. */
static void unblock(struct sl_delivery *self, uint32_t id)
{
    if (id && sl_entry_of(self, id)->state == SL_ENTRY_BLOCKED && sl_key_is_next(self, sl_entry_of(self, id)))
        set_ready(self, id);
}

/* Ready or, behind an earlier one of its key, blocked. */
static void set_free(struct sl_delivery *self, uint32_t id)
{
    set_blocked(self, id);
    unblock(self, id);
}

/* Those after it in its key: whoever has them must not go on with them. Behind the first that nobody has nobody has any. */
static void call_back_later(struct sl_delivery *self, uint32_t id)
{
    for (uint32_t later = sl_entry_of(self, id)->key_after; later; later = sl_entry_of(self, later)->key_after) {
        struct sl_entry *entry = sl_entry_of(self, later);
        if (entry->state != SL_ENTRY_LEASED && entry->state != SL_ENTRY_READY)
            return;
        set_blocked(self, later);
        entry->serial = 0;
    }
}

static void set_waiting(struct sl_delivery *self, uint32_t id, int64_t until_ms)
{
    leave_state(self, id);
    sl_entry_of(self, id)->state = SL_ENTRY_WAITING;
    sl_entry_heap_put(self, id, until_ms);
}

static void set_dead(struct sl_delivery *self, uint32_t id)
{
    leave_state(self, id);
    sl_entry_of(self, id)->state = SL_ENTRY_DEAD;
    append(self, &self->dead, id);
}

static void set_leased(struct sl_delivery *self, uint32_t id, struct sl_flow *flow, int64_t bytes, int64_t until_ms)
{
    leave_state(self, id);
    struct sl_entry *entry = sl_entry_of(self, id);
    entry->state = SL_ENTRY_LEASED;
    entry->flow = flow;
    entry->bytes = bytes;
    entry->serial = self->serial++;
    append(self, &flow->leases, id);
    flow->bytes += bytes;
    self->n_leased++;
    sl_entry_heap_put(self, id, until_ms);
    if (!entry->key)
        return;
    struct sl_key *key = sl_key_of(self, entry);
    key->holder = flow->holder;
    key->n_held = key->n_leased > 0 ? key->n_held + 1 : 1;
    key->n_leased++;
    unblock(self, entry->key_after);
}

/* ---- attempts ---- */

static int64_t backoff_ms(const struct sl_delivery_policy *policy, int attempts)
{
    if (!policy->has_retry)
        return 0;
    int64_t wait = policy->min_backoff_ms;
    for (int i = 1; i < attempts && wait < policy->max_backoff_ms; i++)
        wait *= 2;
    return wait < policy->max_backoff_ms ? wait : policy->max_backoff_ms;
}

static void try_later(struct sl_delivery *self, uint32_t id, int64_t now_ms)
{
    int64_t wait = backoff_ms(&self->policy, sl_entry_of(self, id)->attempts);
    if (wait > 0)
        set_waiting(self, id, now_ms + wait);
    else
        set_free(self, id);
}

static void fail_attempt(struct sl_delivery *self, uint32_t id, int64_t now_ms)
{
    struct sl_entry *entry = sl_entry_of(self, id);
    entry->attempts++;
    if (!entry->attempts_dirty)
        note_change(self, entry->n);
    entry->attempts_dirty = true;
    call_back_later(self, id);
    if (self->policy.max_attempts > 0 && entry->attempts >= self->policy.max_attempts)
        set_dead(self, id);
    else
        try_later(self, id, now_ms);
}

/* ---- restoring ---- */

void sl_delivery_restore_acked(struct sl_delivery *self, int64_t first, int64_t last)
{
    sl_ranges_restore(&self->acked, first, last);
}

/* Tried before: dead, waiting, or free to go. */
static void resume(struct sl_delivery *self, uint32_t id, int64_t until_ms, int64_t now_ms)
{
    if (self->policy.max_attempts > 0 && sl_entry_of(self, id)->attempts >= self->policy.max_attempts)
        set_dead(self, id);
    else if (until_ms > now_ms)
        set_waiting(self, id, until_ms);
    else
        set_free(self, id);
}

/* The clock's beginning is now: what was due before is due. */
void sl_delivery_restore_attempts(struct sl_delivery *self, int64_t n, int attempts, int64_t until_ms)
{
    if (sl_ranges_has(&self->acked, n) || sl_entry_find(self, n))
        return;
    uint32_t id = sl_entry_add(self, n);
    struct sl_entry *entry = sl_entry_of(self, id);
    entry->attempts = attempts;
    entry->attempts_stored = true;
    entry->at_ms = until_ms;
    if (self->policy.ordered)
        entry->state = SL_ENTRY_STORED;
    else
        resume(self, id, until_ms, 0);
}

void sl_delivery_restore_lease(struct sl_delivery *self, int64_t n, uint64_t serial, uint64_t key, int64_t until_ms)
{
    if (sl_ranges_has(&self->acked, n))
        return;
    uint32_t id = sl_entry_find(self, n);
    if (!id)
        id = sl_entry_add(self, n);
    if (key)
        sl_key_put(self, id, key);
    uint64_t next = self->serial;
    self->serial = serial;
    set_leased(self, id, &self->pulled, 0, until_ms);
    self->serial = next;
    sl_entry_of(self, id)->lease_stored = self->stores_leases = true;
}

/* ---- delivering ---- */

int64_t sl_delivery_ready(const struct sl_delivery *self, const struct sl_flow *flow, uint32_t *passed)
{
    uint32_t id = passed && *passed ? self->entries[*passed - 1].after : self->ready.first;
    while (id && !sl_key_allows(self, &self->entries[id - 1], flow->holder)) {
        if (passed)
            *passed = id;
        id = self->entries[id - 1].after;
    }
    return id ? self->entries[id - 1].n : 0;
}

int64_t sl_delivery_unseen(const struct sl_delivery *self, int64_t last)
{
    if (self->n_entries >= SL_ENTRIES_MAX)
        return 0;
    int64_t n = self->cursor + 1;
    while (n <= last) {
        n = sl_ranges_next_absent(&self->acked, n);
        uint32_t id = sl_entry_find(self, n);
        if (!id || self->entries[id - 1].state == SL_ENTRY_STORED)
            break;
        n++;
    }
    return n <= last ? n : 0;
}

bool sl_delivery_offer(struct sl_delivery *self, int64_t n, uint64_t key, const struct sl_flow *flow, int64_t now_ms)
{
    uint32_t id = sl_entry_find(self, n);
    if (!id)
        id = sl_entry_add(self, n);
    if (key)
        sl_key_put(self, id, key);
    if (n > self->cursor)
        self->cursor = n;
    resume(self, id, sl_entry_of(self, id)->at_ms, now_ms);
    const struct sl_entry *entry = sl_entry_of(self, id);
    return entry->state == SL_ENTRY_READY && sl_key_allows(self, entry, flow->holder);
}

void sl_delivery_missing(struct sl_delivery *self, int64_t first, int64_t last)
{
    for (size_t i = 0; i < self->n_slots; i++) {
        const struct sl_entry *entry = &self->entries[i];
        if (entry->state != SL_ENTRY_FREE && entry->n >= first && entry->n <= last)
            sl_delivery_ack(self, entry->n, last);
    }
    sl_ranges_add(&self->acked, first, last);
    if (self->cursor >= first - 1 && self->cursor < last)
        self->cursor = last;
    if (self->cursor < self->acked.floor)
        self->cursor = self->acked.floor;
}

bool sl_flow_has_room(const struct sl_flow *flow, int64_t bytes)
{
    if (flow->max_messages > 0 && flow->leases.n >= (size_t)flow->max_messages)
        return false;
    return flow->max_bytes <= 0 || flow->leases.n == 0 || flow->bytes + bytes <= flow->max_bytes;
}

struct sl_lease sl_delivery_lease(struct sl_delivery *self, int64_t n, struct sl_flow *flow, int64_t bytes, int64_t until_ms)
{
    uint32_t id = sl_entry_find(self, n);
    if (!id)
        id = sl_entry_add(self, n);
    assert(sl_entry_of(self, id)->state == SL_ENTRY_FREE || sl_entry_of(self, id)->state == SL_ENTRY_READY);
    bool unseen = sl_entry_of(self, id)->state == SL_ENTRY_FREE;
    set_leased(self, id, flow, bytes, until_ms);
    if (unseen && n > self->cursor)
        self->cursor = n;
    return (struct sl_lease){.serial = sl_entry_of(self, id)->serial, .attempt = sl_entry_of(self, id)->attempts + 1};
}

void sl_delivery_lease_stored(struct sl_delivery *self, int64_t n)
{
    uint32_t id = sl_entry_find(self, n);
    if (id)
        sl_entry_of(self, id)->lease_stored = self->stores_leases = true;
}

bool sl_delivery_has_stored_lease(const struct sl_delivery *self, int64_t n)
{
    uint32_t id = sl_entry_find(self, n);
    return id && self->entries[id - 1].lease_stored;
}

uint64_t sl_delivery_serial(const struct sl_delivery *self, int64_t n)
{
    uint32_t id = sl_entry_find(self, n);
    return id ? self->entries[id - 1].serial : 0;
}

uint64_t sl_delivery_key(const struct sl_delivery *self, int64_t n)
{
    uint32_t id = sl_entry_find(self, n);
    return id && self->entries[id - 1].key ? sl_key_of(self, &self->entries[id - 1])->hash : 0;
}

void sl_delivery_unlease(struct sl_delivery *self, int64_t n)
{
    uint32_t id = sl_entry_find(self, n);
    if (!id || sl_entry_of(self, id)->state != SL_ENTRY_LEASED)
        return;
    call_back_later(self, id);
    set_free(self, id);
}

/* ---- what clients say ---- */

/* The next of its key may have waited for it. */
static void remove_entry(struct sl_delivery *self, uint32_t id)
{
    uint32_t next = sl_entry_of(self, id)->key_after;
    leave_state(self, id);
    if (sl_entry_of(self, id)->key)
        sl_key_take(self, id);
    sl_entry_remove(self, id);
    unblock(self, next);
}

bool sl_delivery_ack(struct sl_delivery *self, int64_t n, int64_t last)
{
    if (n < 1 || n > last || sl_ranges_has(&self->acked, n))
        return false;
    uint32_t id = sl_entry_find(self, n);
    if (id) {
        const struct sl_entry *entry = sl_entry_of(self, id);
        if (entry->attempts_stored && !entry->attempts_dirty)
            note_change(self, n);
        remove_entry(self, id);
    }
    sl_ranges_add(&self->acked, n, n);
    return true;
}

static uint32_t find_lease(const struct sl_delivery *self, int64_t n, uint64_t serial)
{
    uint32_t id = sl_entry_find(self, n);
    if (!id || self->entries[id - 1].state != SL_ENTRY_LEASED || self->entries[id - 1].serial != serial)
        return 0;
    return id;
}

bool sl_delivery_accepts(const struct sl_delivery *self, int64_t n, uint64_t serial)
{
    uint32_t id = sl_entry_find(self, n);
    return serial >> SL_SERIAL_BITS == self->serial >> SL_SERIAL_BITS &&
           (!id || !self->entries[id - 1].key || self->entries[id - 1].serial == serial);
}

bool sl_delivery_holds(const struct sl_delivery *self, int64_t n, uint64_t serial)
{
    return find_lease(self, n, serial) != 0;
}

bool sl_delivery_extend(struct sl_delivery *self, int64_t n, uint64_t serial, int64_t until_ms)
{
    uint32_t id = find_lease(self, n, serial);
    if (id)
        sl_entry_heap_put(self, id, until_ms);
    return id != 0;
}

bool sl_delivery_nack(struct sl_delivery *self, int64_t n, uint64_t serial, int64_t now_ms)
{
    uint32_t id = find_lease(self, n, serial);
    if (id)
        fail_attempt(self, id, now_ms);
    return id != 0;
}

/* What is ready behind a lease is its holder's only. */
static void call_back_ready(struct sl_delivery *self, const struct sl_flow *flow)
{
    for (uint32_t id = flow->leases.first; id; id = sl_entry_of(self, id)->after) {
        uint32_t next = sl_entry_of(self, id)->key_after;
        if (next && sl_entry_of(self, next)->state == SL_ENTRY_READY)
            set_blocked(self, next);
    }
}

void sl_delivery_release(struct sl_delivery *self, struct sl_flow *flow)
{
    call_back_ready(self, flow);
    struct sl_entry_list later = self->ready;
    self->ready = (struct sl_entry_list){0};
    while (flow->leases.first)
        set_free(self, flow->leases.first);
    if (!later.first)
        return;
    if (!self->ready.first) {
        self->ready = later;
        return;
    }
    sl_entry_of(self, self->ready.last)->after = later.first;
    sl_entry_of(self, later.first)->before = self->ready.last;
    self->ready.last = later.last;
    self->ready.n += later.n;
}

void sl_delivery_adopt(struct sl_delivery *self, struct sl_flow *flow)
{
    while (flow->leases.first) {
        uint32_t id = flow->leases.first;
        struct sl_entry *entry = sl_entry_of(self, id);
        unlink_from(self, &flow->leases, id);
        append(self, &self->pulled.leases, id);
        entry->flow = &self->pulled;
        flow->bytes -= entry->bytes;
        self->pulled.bytes += entry->bytes;
    }
}

/* ---- seeking ---- */

/* A lease's serial tells in its upper bits how often there was a seek before it. */
static uint64_t next_epoch(uint64_t serial)
{
    uint64_t epoch = ((serial >> SL_SERIAL_BITS) + 1) & SL_EPOCH_MAX;
    return epoch << SL_SERIAL_BITS | (serial & ((UINT64_C(1) << SL_SERIAL_BITS) - 1));
}

void sl_delivery_seek(struct sl_delivery *self, const struct sl_ranges *acked)
{
    for (size_t i = 0; i < self->n_slots; i++) {
        uint32_t id = (uint32_t)i + 1;
        const struct sl_entry *entry = sl_entry_of(self, id);
        if (entry->n == 0)
            continue;
        if (entry->attempts_stored && !entry->attempts_dirty)
            note_change(self, entry->n);
        remove_entry(self, id);
    }
    sl_ranges_replace(&self->acked, acked);
    self->cursor = self->acked.floor;
    self->serial = next_epoch(self->serial);
}

/* ---- time ---- */

void sl_delivery_tick(struct sl_delivery *self, int64_t now_ms)
{
    while (self->n_heap > 0 && self->entries[self->heap[0] - 1].at_ms <= now_ms) {
        uint32_t id = self->heap[0];
        if (sl_entry_of(self, id)->state == SL_ENTRY_LEASED)
            fail_attempt(self, id, now_ms);
        else
            set_free(self, id);
    }
}

int64_t sl_delivery_due_ms(const struct sl_delivery *self)
{
    return self->n_heap > 0 ? self->entries[self->heap[0] - 1].at_ms : SL_NEVER;
}

size_t sl_delivery_dead(const struct sl_delivery *self, int64_t *out, size_t max)
{
    size_t n = 0;
    for (uint32_t id = self->dead.first; id && n < max; id = self->entries[id - 1].after)
        out[n++] = self->entries[id - 1].n;
    return n;
}

void sl_delivery_revive(struct sl_delivery *self, int64_t n, int64_t now_ms)
{
    uint32_t id = sl_entry_find(self, n);
    if (id && sl_entry_of(self, id)->state == SL_ENTRY_DEAD)
        try_later(self, id, now_ms);
}

/* ---- what is known ---- */

int sl_delivery_attempts(const struct sl_delivery *self, int64_t n)
{
    uint32_t id = sl_entry_find(self, n);
    return id ? self->entries[id - 1].attempts : 0;
}

int64_t sl_delivery_waits_ms(const struct sl_delivery *self, int64_t n, int64_t now_ms)
{
    uint32_t id = sl_entry_find(self, n);
    if (!id || self->entries[id - 1].state != SL_ENTRY_WAITING || self->entries[id - 1].at_ms <= now_ms)
        return 0;
    return self->entries[id - 1].at_ms - now_ms;
}

int64_t sl_delivery_unacked(const struct sl_delivery *self, int64_t last)
{
    return last - self->acked.floor - self->acked.total;
}

bool sl_delivery_dirty(const struct sl_delivery *self)
{
    return self->acked.floor_dirty || self->acked.dirty || self->n_changed > 0;
}

void sl_delivery_clean(struct sl_delivery *self)
{
    sl_ranges_clean(&self->acked);
    for (size_t i = 0; i < self->n_changed; i++) {
        uint32_t id = sl_entry_find(self, self->changed[i]);
        if (!id)
            continue;
        sl_entry_of(self, id)->attempts_dirty = false;
        sl_entry_of(self, id)->attempts_stored = true;
    }
    self->n_changed = 0;
}
