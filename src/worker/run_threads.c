/* run_threads.c - the threads beside the decider: reader, loader, publisher, checkpointer. Each waits on one queue or the bus, and ends when the queues are closed.
 * Nobody but the decider writes the ledger. What they hand back wakes the decider, which waits on `readings`. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/clock.h>
#include <sluice/log.h>

#include "run_internal.h"

#define READ_AHEAD    4 /* batches: at most 4 x worker.batch.bytes in memory beside the one at work */
#define CHECKPOINT_MS 200

int64_t sl_run_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool sl_run_told_to_stop(const struct runner *run)
{
    return atomic_load(&run->stopping) || (run->options->stop && __atomic_load_n(run->options->stop, __ATOMIC_RELAXED));
}

/* ---- reader ---- */

void sl_run_reading_free(struct reading *reading)
{
    sl_bus_batch_fini(&reading->incoming.batch);
    free(reading);
}

static void *reader_main(void *arg)
{
    struct runner *run = arg;
    const struct sl_config *config = run->worker->config;
    bool end = false;
    while (!end && !sl_run_told_to_stop(run)) {
        struct reading *reading = sl_calloc(1, sizeof *reading);
        reading->code = sl_bus_receive(run->worker->bus, config->worker.batch_messages, config->worker.batch_bytes, POLL_MS,
                                       &reading->incoming.batch, &reading->err);
        end = reading->code != SL_OK || reading->incoming.batch.end;
        if (reading->code == SL_OK && reading->incoming.batch.n == 0 && !end) {
            sl_run_reading_free(reading);
            continue;
        }
        if (reading->code == SL_OK)
            sl_incoming_decode(&reading->incoming, config, sl_run_now_us());
        if (!sl_queue_push(run->readings, reading)) {
            sl_run_reading_free(reading);
            break;
        }
    }
    return NULL;
}

/* Full means that it is awake. */
static void wake_decider(struct runner *run)
{
    struct reading *reading = sl_calloc(1, sizeof *reading);
    reading->awake = true;
    if (!sl_queue_try_push(run->readings, reading))
        sl_run_reading_free(reading);
}

/* ---- loader ---- */

void sl_run_load_free(struct load_work *work)
{
    sl_arena_fini(&work->arena);
    sl_arena_fini(&work->stamping.arena);
    free(work);
}

static void *loader_main(void *arg)
{
    struct runner *run = arg;
    void *item = NULL;
    while (sl_queue_pop(run->loads, &item, -1)) {
        struct load_work *work = item;
        if (work->is_stamping)
            sl_stamp_run(run->worker->config, run->load_warehouse, &work->stamping);
        else
            work->code = sl_load_run(run->worker->config, run->load_warehouse, &work->job, &work->err);
        if (!sl_queue_push(run->loaded, work))
            sl_run_load_free(work);
    }
    return NULL;
}

/* ---- publisher ---- */

void sl_run_sending_free(struct sl_sending *sending)
{
    sl_arena_fini(&sending->arena);
    free(sending);
}

static void *publisher_main(void *arg)
{
    struct runner *run = arg;
    void *item = NULL;
    while (sl_queue_pop(run->sends, &item, -1)) {
        struct sl_sending *sending = item;
        sl_outbox_send(run->worker->bus, sending, &run->stopping);
        if (!sl_queue_push(run->sent, sending))
            sl_run_sending_free(sending);
        wake_decider(run);
    }
    return NULL;
}

/* ---- checkpointer ---- */

static void *checkpointer_main(void *arg)
{
    struct runner *run = arg;
    pthread_mutex_lock(&run->mutex);
    while (!atomic_load(&run->stopping)) {
        sl_cond_wait(&run->wake, &run->mutex, sl_monotonic_ms() + CHECKPOINT_MS);
        pthread_mutex_unlock(&run->mutex);
        struct sl_err err = {0};
        if (sl_ledger_checkpoint(run->checkpoint_ledger, &err) == SL_INTERNAL)
            sl_log(SL_ERROR, "the ledger could not be checkpointed", {"error", err.text});
        pthread_mutex_lock(&run->mutex);
    }
    pthread_mutex_unlock(&run->mutex);
    return NULL;
}

/* ---- start and end ---- */

static enum sl_code start_thread(pthread_t *thread, void *(*main)(void *), struct runner *run, bool *on, struct sl_err *err)
{
    int failed = pthread_create(thread, NULL, main, run);
    *on = failed == 0;
    return failed ? sl_fail(err, SL_UNAVAILABLE, "a thread could not be started: %s", strerror(failed)) : SL_OK;
}

enum sl_code sl_run_start(struct runner *run, struct sl_err *err)
{
    const struct sl_config *config = run->worker->config;
    pthread_mutex_init(&run->mutex, NULL);
    sl_cond_init(&run->wake);
    sl_queue_create(&run->readings, READ_AHEAD);
    sl_queue_create(&run->loads, 1);
    sl_queue_create(&run->loaded, 1);
    sl_queue_create(&run->sends, 1);
    sl_queue_create(&run->sent, 1);
    enum sl_code code = sl_warehouse_open(&run->load_warehouse, config, err);
    if (code == SL_OK)
        code = sl_ledger_open(&run->checkpoint_ledger, config, SL_LEDGER_WRITE, err);
    if (code == SL_OK)
        code = start_thread(&run->checkpointer, checkpointer_main, run, &run->checkpointer_on, err);
    if (code == SL_OK)
        code = start_thread(&run->loader, loader_main, run, &run->loader_on, err);
    if (code == SL_OK)
        code = start_thread(&run->publisher, publisher_main, run, &run->publisher_on, err);
    if (code == SL_OK)
        code = start_thread(&run->reader, reader_main, run, &run->reader_on, err);
    return code;
}

static void drop_queue(struct sl_queue **queue, void (*drop)(void *item))
{
    void *item = NULL;
    while (sl_queue_pop(*queue, &item, 0))
        drop(item);
    sl_queue_destroy(queue);
}

static void drop_reading(void *item)
{
    sl_run_reading_free(item);
}

static void drop_load(void *item)
{
    sl_run_load_free(item);
}

static void drop_sending(void *item)
{
    sl_run_sending_free(item);
}

static void join(pthread_t thread, bool on)
{
    if (on)
        pthread_join(thread, NULL);
}

void sl_run_finish(struct runner *run)
{
    struct sl_queue *const queues[] = {run->readings, run->loads, run->loaded, run->sends, run->sent};
    atomic_store(&run->stopping, true);
    for (size_t i = 0; i < sizeof queues / sizeof queues[0]; i++)
        sl_queue_close(queues[i]);
    pthread_mutex_lock(&run->mutex);
    pthread_cond_broadcast(&run->wake);
    pthread_mutex_unlock(&run->mutex);
    join(run->reader, run->reader_on);
    join(run->publisher, run->publisher_on);
    join(run->loader, run->loader_on);
    join(run->checkpointer, run->checkpointer_on);
    drop_queue(&run->readings, drop_reading);
    drop_queue(&run->loads, drop_load);
    drop_queue(&run->loaded, drop_load);
    drop_queue(&run->sends, drop_sending);
    drop_queue(&run->sent, drop_sending);
    sl_warehouse_destroy(&run->load_warehouse);
    sl_ledger_destroy(&run->checkpoint_ledger);
    pthread_cond_destroy(&run->wake);
    pthread_mutex_destroy(&run->mutex);
}
