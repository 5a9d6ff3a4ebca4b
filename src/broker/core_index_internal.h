/* core_index_internal.h - the entries of a subscription: their slots, the index by number, the heap by time. Part of core.c. Pure. */
#ifndef SLUICE_BROKER_CORE_INDEX_INTERNAL_H
#define SLUICE_BROKER_CORE_INDEX_INTERNAL_H

#include "core_internal.h"

/* Ids are slot + 1. A pointer holds until the next sl_entry_add(). */
struct sl_entry *sl_entry_of(struct sl_delivery *self, uint32_t id);
uint32_t sl_entry_find(const struct sl_delivery *self, int64_t n);            /* 0: none */
uint32_t sl_entry_add(struct sl_delivery *self, int64_t n);                   /* free, in no list */
void sl_entry_remove(struct sl_delivery *self, uint32_t id);                  /* must be in no list and not in the heap */
void sl_entry_heap_put(struct sl_delivery *self, uint32_t id, int64_t at_ms); /* puts in or moves */
void sl_entry_heap_remove(struct sl_delivery *self, uint32_t id);

#endif
