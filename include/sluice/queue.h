/* queue.h - a bounded queue of pointers between threads. Any thread.
 * Closing wakes everybody: pushes fail at once, pops drain what is left and then fail. */
#ifndef SLUICE_QUEUE_H
#define SLUICE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_queue;

void sl_queue_create(struct sl_queue **out, size_t limit);
void sl_queue_destroy(struct sl_queue **queue);             /* must be empty and without waiters; items are not freed */
bool sl_queue_push(struct sl_queue *queue, void *item);     /* blocks while full; false when closed (item stays the caller's) */
bool sl_queue_try_push(struct sl_queue *queue, void *item); /* never blocks */
bool sl_queue_pop(struct sl_queue *queue, void **item,
                  int64_t timeout_ms); /* timeout < 0: for ever; 0: don't wait. false: timeout or closed and drained */
void sl_queue_close(struct sl_queue *queue);
size_t sl_queue_length(const struct sl_queue *queue);

#endif
