/* core_order.c - messages of one key, in order.
 *
 * The entries of a key are a list, ascending by number:
 *
 *   leased, leased, ... (to one holder)   then   ready | waiting | dead   then   blocked, blocked, ...
 *
 * The first that is not leased is ready when the one before it is leased (only its holder may have it then) or there is none before it; a holder thus
 * gets many of a key at a time, in order, and nobody else gets one meanwhile. When one fails, those after it are called back: blocked until its turn has
 * come again. An earlier process's attempts are known for messages that nobody has seen since (stored); their turn comes by number like
 * everybody's.
 * The index from hash to key is that of core_index.c: open addressing, at most half full, no tombstones. */
#include "core_order_internal.h"

#include <stdlib.h>

#include <sluice/mem.h>

#include "core_index_internal.h"

#define INDEX_MIN ((size_t)64)

/* ---- keys by hash ---- */

static struct sl_key *key_at(const struct sl_delivery *self, uint32_t key)
{
    return &self->keys[key - 1];
}

static size_t home(const struct sl_delivery *self, uint64_t hash)
{
    return (size_t)((hash * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (self->key_index_cap - 1);
}

static size_t probe(const struct sl_delivery *self, uint64_t hash)
{
    size_t at = home(self, hash);
    while (self->key_index[at] && key_at(self, self->key_index[at])->hash != hash)
        at = (at + 1) & (self->key_index_cap - 1);
    return at;
}

static void grow_index(struct sl_delivery *self)
{
    uint32_t *old = self->key_index;
    size_t old_cap = self->key_index_cap;
    self->key_index_cap = old_cap ? old_cap * 2 : INDEX_MIN;
    self->key_index = sl_calloc(self->key_index_cap, sizeof(*self->key_index));
    for (size_t i = 0; i < old_cap; i++)
        if (old[i])
            self->key_index[probe(self, key_at(self, old[i])->hash)] = old[i];
    free(old);
}

static void unindex(struct sl_delivery *self, uint64_t hash)
{
    size_t mask = self->key_index_cap - 1, hole = probe(self, hash);
    for (size_t at = (hole + 1) & mask; self->key_index[at]; at = (at + 1) & mask) {
        size_t wish = home(self, key_at(self, self->key_index[at])->hash);
        if (((at - wish) & mask) >= ((at - hole) & mask)) {
            self->key_index[hole] = self->key_index[at];
            hole = at;
        }
    }
    self->key_index[hole] = 0;
}

static uint32_t take_slot(struct sl_delivery *self)
{
    if (self->free_key) {
        uint32_t key = self->free_key;
        self->free_key = key_at(self, key)->first;
        return key;
    }
    sl_grow((void **)&self->keys, &self->cap_keys, self->n_key_slots + 1, sizeof(*self->keys));
    return (uint32_t)++self->n_key_slots;
}

static uint32_t key_of_hash(struct sl_delivery *self, uint64_t hash)
{
    if (2 * (self->n_keys + 1) > self->key_index_cap)
        grow_index(self);
    size_t at = probe(self, hash);
    if (!self->key_index[at]) {
        uint32_t key = take_slot(self);
        *key_at(self, key) = (struct sl_key){.hash = hash};
        self->key_index[at] = key;
        self->n_keys++;
    }
    return self->key_index[at];
}

static void drop_key(struct sl_delivery *self, uint32_t key)
{
    unindex(self, key_at(self, key)->hash);
    *key_at(self, key) = (struct sl_key){.first = self->free_key};
    self->free_key = key;
    self->n_keys--;
}

void sl_key_fini(struct sl_delivery *self)
{
    free(self->keys);
    free(self->key_index);
}

/* ---- entries of a key ---- */

struct sl_key *sl_key_of(const struct sl_delivery *self, const struct sl_entry *entry)
{
    return key_at(self, entry->key);
}

/* Nearly always the last: numbers are seen ascending. */
void sl_key_put(struct sl_delivery *self, uint32_t id, uint64_t hash)
{
    uint32_t key = key_of_hash(self, hash);
    struct sl_entry *entry = sl_entry_of(self, id);
    struct sl_key *list = key_at(self, key);
    uint32_t before = list->last;
    while (before && sl_entry_of(self, before)->n > entry->n)
        before = sl_entry_of(self, before)->key_before;
    uint32_t after = before ? sl_entry_of(self, before)->key_after : list->first;
    entry->key = key;
    entry->key_before = before;
    entry->key_after = after;
    if (before)
        sl_entry_of(self, before)->key_after = id;
    else
        list->first = id;
    if (after)
        sl_entry_of(self, after)->key_before = id;
    else
        list->last = id;
}

void sl_key_take(struct sl_delivery *self, uint32_t id)
{
    struct sl_entry *entry = sl_entry_of(self, id);
    struct sl_key *list = sl_key_of(self, entry);
    if (entry->key_before)
        sl_entry_of(self, entry->key_before)->key_after = entry->key_after;
    else
        list->first = entry->key_after;
    if (entry->key_after)
        sl_entry_of(self, entry->key_after)->key_before = entry->key_before;
    else
        list->last = entry->key_before;
    if (!list->first)
        drop_key(self, entry->key);
    entry->key = entry->key_before = entry->key_after = 0;
}

bool sl_key_is_next(const struct sl_delivery *self, const struct sl_entry *entry)
{
    return !entry->key || !entry->key_before || self->entries[entry->key_before - 1].state == SL_ENTRY_LEASED;
}

bool sl_key_allows(const struct sl_delivery *self, const struct sl_entry *entry, uint64_t holder)
{
    if (!entry->key)
        return true;
    const struct sl_key *key = sl_key_of(self, entry);
    if (!sl_key_is_next(self, entry))
        return false;
    return key->n_leased == 0 || (key->holder == holder && (!self->shared || key->n_held < SL_KEY_TENURE));
}
