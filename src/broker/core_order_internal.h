/* core_order_internal.h - messages of one key, in order: part of core.c. Pure. */
#ifndef SLUICE_BROKER_CORE_ORDER_INTERNAL_H
#define SLUICE_BROKER_CORE_ORDER_INTERNAL_H

#include "core_internal.h"

struct sl_key *sl_key_of(const struct sl_delivery *self, const struct sl_entry *entry); /* of an entry that has one */
void sl_key_put(struct sl_delivery *self, uint32_t id, uint64_t hash); /* the entry gets its place among those of its key */
void sl_key_take(struct sl_delivery *self, uint32_t id);               /* and leaves it */
/* May it be leased as far as its key goes: is it the first, or is the one before it leased? */
bool sl_key_is_next(const struct sl_delivery *self, const struct sl_entry *entry);
bool sl_key_allows(const struct sl_delivery *self, const struct sl_entry *entry, uint64_t holder);
void sl_key_fini(struct sl_delivery *self);

#endif
