/* queue.c - a ring of pointers under one mutex, with a condition for each direction.
 * Life: created open; closed once, for good; destroyed when empty and nobody waits. */
#include <sluice/queue.h>

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include <sluice/clock.h>
#include <sluice/mem.h>

#define TIMEOUT_MAX_MS ((int64_t)1 << 40) /* 35 years: for ever */

struct sl_queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    void **ring;
    size_t limit, first, count;
    bool closed;
};

void sl_queue_create(struct sl_queue **out, size_t limit)
{
    struct sl_queue *queue = sl_calloc(1, sizeof(*queue));
    queue->limit = limit > 0 ? limit : 1;
    queue->ring = sl_calloc(queue->limit, sizeof(*queue->ring));
    pthread_mutex_init(&queue->mutex, NULL);
    sl_cond_init(&queue->not_empty);
    sl_cond_init(&queue->not_full);
    *out = queue;
}

void sl_queue_destroy(struct sl_queue **queue)
{
    if (*queue == NULL)
        return;
    assert((*queue)->count == 0);
    pthread_cond_destroy(&(*queue)->not_full);
    pthread_cond_destroy(&(*queue)->not_empty);
    pthread_mutex_destroy(&(*queue)->mutex);
    free((*queue)->ring);
    free(*queue);
    *queue = NULL;
}

/* Under the mutex, with room. */
static void append(struct sl_queue *queue, void *item)
{
    size_t at = queue->first + queue->count;
    queue->ring[at < queue->limit ? at : at - queue->limit] = item;
    queue->count++;
    pthread_cond_signal(&queue->not_empty);
}

/* Under the mutex, with an item. */
static void *take_first(struct sl_queue *queue)
{
    void *item = queue->ring[queue->first];
    queue->first = queue->first + 1 < queue->limit ? queue->first + 1 : 0;
    queue->count--;
    pthread_cond_signal(&queue->not_full);
    return item;
}

bool sl_queue_push(struct sl_queue *queue, void *item)
{
    pthread_mutex_lock(&queue->mutex);
    while (!queue->closed && queue->count == queue->limit)
        pthread_cond_wait(&queue->not_full, &queue->mutex);
    bool open = !queue->closed;
    if (open)
        append(queue, item);
    pthread_mutex_unlock(&queue->mutex);
    return open;
}

bool sl_queue_try_push(struct sl_queue *queue, void *item)
{
    pthread_mutex_lock(&queue->mutex);
    bool room = !queue->closed && queue->count < queue->limit;
    if (room)
        append(queue, item);
    pthread_mutex_unlock(&queue->mutex);
    return room;
}

/* Under the mutex: wait for an item, the close or the timeout. */
static void wait_for_item(struct sl_queue *queue, int64_t timeout_ms)
{
    const int64_t until_ms = timeout_ms < 0 || timeout_ms > TIMEOUT_MAX_MS ? SL_MS_NEVER : sl_monotonic_ms() + timeout_ms;
    bool in_time = timeout_ms != 0;
    while (in_time && !queue->closed && queue->count == 0)
        in_time = sl_cond_wait(&queue->not_empty, &queue->mutex, until_ms);
}

bool sl_queue_pop(struct sl_queue *queue, void **item, int64_t timeout_ms)
{
    pthread_mutex_lock(&queue->mutex);
    wait_for_item(queue, timeout_ms);
    bool got = queue->count > 0;
    if (got)
        *item = take_first(queue);
    pthread_mutex_unlock(&queue->mutex);
    return got;
}

void sl_queue_close(struct sl_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    pthread_cond_broadcast(&queue->not_empty);
    pthread_cond_broadcast(&queue->not_full);
    pthread_mutex_unlock(&queue->mutex);
}

/* The mutex is no part of what the caller sees as constant. */
static struct sl_queue *lock_const(const struct sl_queue *queue)
{
    struct sl_queue *locked = (struct sl_queue *)queue;
    pthread_mutex_lock(&locked->mutex);
    return locked;
}

size_t sl_queue_length(const struct sl_queue *queue)
{
    struct sl_queue *locked = lock_const(queue);
    size_t count = locked->count;
    pthread_mutex_unlock(&locked->mutex);
    return count;
}
