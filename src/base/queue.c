/* queue.c - a ring of pointers under one mutex, with a condition for each direction.
 * Life: created open; closed once, for good; destroyed when empty and nobody waits. */
#include <sluice/queue.h>

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include <sluice/mem.h>

struct sl_queue {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    void **ring;
    size_t limit, first, count;
    bool closed;
};

/* Waiting is on the monotonic clock: a set wall clock neither hangs nor hurries anybody. */
void sl_queue_create(struct sl_queue **out, size_t limit)
{
    struct sl_queue *queue = sl_calloc(1, sizeof(*queue));
    queue->limit = limit > 0 ? limit : 1;
    queue->ring = sl_calloc(queue->limit, sizeof(*queue->ring));
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->not_empty, &monotonic);
    pthread_cond_init(&queue->not_full, &monotonic);
    pthread_condattr_destroy(&monotonic);
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

static struct timespec deadline_after(int64_t timeout_ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t limit_ms = timeout_ms < (int64_t)1 << 40 ? timeout_ms : (int64_t)1 << 40;
    at.tv_sec += (time_t)(limit_ms / 1000);
    at.tv_nsec += (long)(limit_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_nsec -= 1000000000;
        at.tv_sec++;
    }
    return at;
}

/* Under the mutex: wait for an item, the close or the timeout. */
static void wait_for_item(struct sl_queue *queue, int64_t timeout_ms)
{
    if (timeout_ms == 0 || queue->count > 0)
        return;
    struct timespec deadline = timeout_ms > 0 ? deadline_after(timeout_ms) : (struct timespec){0};
    while (!queue->closed && queue->count == 0) {
        if (timeout_ms < 0)
            pthread_cond_wait(&queue->not_empty, &queue->mutex);
        else if (pthread_cond_timedwait(&queue->not_empty, &queue->mutex, &deadline) == ETIMEDOUT)
            return;
    }
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

bool sl_queue_closed(const struct sl_queue *queue)
{
    struct sl_queue *locked = lock_const(queue);
    bool closed = locked->closed && locked->count == 0;
    pthread_mutex_unlock(&locked->mutex);
    return closed;
}

size_t sl_queue_length(const struct sl_queue *queue)
{
    struct sl_queue *locked = lock_const(queue);
    size_t count = locked->count;
    pthread_mutex_unlock(&locked->mutex);
    return count;
}
