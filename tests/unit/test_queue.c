/* The queue: order, limit, closing, and many threads. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdint.h>

#include <sluice/queue.h>

Test(queue, first_in_first_out_within_the_limit)
{
    struct sl_queue *queue;
    sl_queue_create(&queue, 3);
    int items[10];
    void *got;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 3; i++)
            cr_assert(sl_queue_try_push(queue, &items[i]));
        cr_assert_not(sl_queue_try_push(queue, &items[3]), "fourth of three");
        cr_assert_eq(sl_queue_length(queue), 3);
        cr_assert(sl_queue_pop(queue, &got, 0));
        cr_assert_eq(got, &items[0]);
        cr_assert(sl_queue_push(queue, &items[3]));
        for (int i = 1; i < 4; i++) {
            cr_assert(sl_queue_pop(queue, &got, -1));
            cr_assert_eq(got, &items[i]);
        }
    }
    cr_assert_not(sl_queue_pop(queue, &got, 0), "empty, no waiting");
    cr_assert_not(sl_queue_pop(queue, &got, 5), "empty, timeout");
    sl_queue_destroy(&queue);
    cr_assert_null(queue);
    sl_queue_destroy(&queue);
}

Test(queue, closing_drains)
{
    struct sl_queue *queue;
    sl_queue_create(&queue, 4);
    int item;
    void *got;
    cr_assert(sl_queue_push(queue, &item));
    sl_queue_close(queue);
    cr_assert_not(sl_queue_push(queue, &item));
    cr_assert_not(sl_queue_try_push(queue, &item));
    cr_assert(sl_queue_pop(queue, &got, -1));
    cr_assert_not(sl_queue_pop(queue, &got, -1));
    sl_queue_destroy(&queue);
}

struct work {
    struct sl_queue *queue;
    uintptr_t sum;
    size_t n;
};

static void *consume(void *arg)
{
    struct work *work = arg;
    void *item;
    while (sl_queue_pop(work->queue, &item, -1)) {
        work->sum += (uintptr_t)item;
        work->n++;
    }
    return NULL;
}

static void *produce(void *arg)
{
    struct work *work = arg;
    for (uintptr_t i = 1; i <= 5000; i++)
        work->n += sl_queue_push(work->queue, (void *)i);
    return NULL;
}

Test(queue, many_threads_lose_nothing)
{
    struct sl_queue *queue;
    sl_queue_create(&queue, 7);
    struct work makers[3] = {{queue, 0, 0}, {queue, 0, 0}, {queue, 0, 0}}, takers[3] = {{queue, 0, 0}, {queue, 0, 0}, {queue, 0, 0}};
    pthread_t made[3], taken[3];
    for (size_t i = 0; i < 3; i++) {
        pthread_create(&taken[i], NULL, consume, &takers[i]);
        pthread_create(&made[i], NULL, produce, &makers[i]);
    }
    for (size_t i = 0; i < 3; i++)
        pthread_join(made[i], NULL);
    sl_queue_close(queue);
    uintptr_t sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < 3; i++) {
        pthread_join(taken[i], NULL);
        sum += takers[i].sum;
        n += takers[i].n;
        cr_assert_eq(makers[i].n, 5000);
    }
    cr_assert_eq(n, 15000);
    cr_assert_eq(sum, 3U * 5000 * 5001 / 2);
    sl_queue_destroy(&queue);
}

static void *push_one(void *arg)
{
    struct work *work = arg;
    work->n = sl_queue_push(work->queue, work);
    return NULL;
}

/* Whether or not the pusher already waits when the queue is closed, it must come back with false. */
Test(queue, closing_wakes_a_pusher)
{
    struct sl_queue *queue;
    sl_queue_create(&queue, 1);
    struct work work = {queue, 0, 9};
    cr_assert(sl_queue_push(queue, &work));
    pthread_t thread;
    pthread_create(&thread, NULL, push_one, &work);
    sl_queue_close(queue);
    pthread_join(thread, NULL);
    cr_assert_eq(work.n, 0);
    void *got;
    cr_assert(sl_queue_pop(queue, &got, 0));
    sl_queue_destroy(&queue);
}
