/* run.c - threads around the engine (RULES 37).
 *
 *   reader:        receives and decodes; a queue of READ_AHEAD batches bounds what is prefetched to what is committed
 *   decider:       the caller: records, decides, commits, acks, publishes; the only writer of the ledger
 *   loader:        step 2 of loads, on a warehouse handle of its own
 *   checkpointer:  moves the ledger's write-ahead log into its file, off the commit path
 *
 * It ends when the bus has ended, when it is idle for as long as asked, when told to stop, or on an error; then threads are joined in the opposite order of their start. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/log.h>
#include <sluice/queue.h>

#include "worker_internal.h"

#define READ_AHEAD        4   /* batches: at most 4 x worker.batch.bytes in memory beside the one at work */
#define POLL_MS           250 /* RULES 31: changes by other processes are noticed within 250 ms */
#define CHECKPOINT_MS     200
#define STOP_BUDGET_US    10000000LL
#define BUSY_TRIES        3
#define LOAD_RETRY_US     5000000LL
#define OUTBOX_FAILING_US 30000000LL /* RULES 30 */

struct reading {
    struct sl_incoming incoming;
    enum sl_code code;
    struct sl_err err;
};

struct load_work {
    struct sl_load_job job;
    struct sl_arena arena;
    enum sl_code code;
    struct sl_err err;
};

struct runner {
    struct sl_worker *worker;
    const struct sl_run_options *options;
    struct sl_queue *readings, *loads, *loaded;
    pthread_t reader, loader, checkpointer;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* of `wake` */
    pthread_cond_t wake;   /* the checkpointer is told to end */
    struct sl_warehouse *load_warehouse;
    struct sl_ledger *checkpoint_ledger;
    bool reader_on, loader_on, checkpointer_on;
    bool bus_ended, load_in_flight;
    enum sl_load_kind next_kind;
    int64_t received_us, ticked_us, load_after_us, stop_seen_us;
};

static int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool told_to_stop(const struct runner *run)
{
    return atomic_load(&run->stopping) || (run->options->stop && *run->options->stop);
}

/* ---- reader ---- */

static void reading_free(struct reading *reading)
{
    sl_bus_batch_fini(&reading->incoming.batch);
    free(reading);
}

static void *reader_main(void *arg)
{
    struct runner *run = arg;
    const struct sl_config *config = run->worker->config;
    bool end = false;
    while (!end && !told_to_stop(run)) {
        struct reading *reading = sl_calloc(1, sizeof *reading);
        reading->code = sl_bus_receive(run->worker->bus, config->worker.batch_messages, config->worker.batch_bytes, POLL_MS,
                                       &reading->incoming.batch, &reading->err);
        end = reading->code != SL_OK || reading->incoming.batch.end;
        if (reading->code == SL_OK && reading->incoming.batch.n == 0 && !end) {
            reading_free(reading);
            continue;
        }
        if (reading->code == SL_OK)
            sl_incoming_decode(&reading->incoming, config, clock_us());
        if (!sl_queue_push(run->readings, reading)) {
            reading_free(reading);
            break;
        }
    }
    return NULL;
}

/* ---- loader ---- */

static void load_work_free(struct load_work *work)
{
    sl_arena_fini(&work->arena);
    free(work);
}

static void *loader_main(void *arg)
{
    struct runner *run = arg;
    void *item = NULL;
    while (sl_queue_pop(run->loads, &item, -1)) {
        struct load_work *work = item;
        work->code = sl_load_run(run->worker->config, run->load_warehouse, &work->job, &work->err);
        if (!sl_queue_push(run->loaded, work))
            load_work_free(work);
    }
    return NULL;
}

/* ---- checkpointer ---- */

static void *checkpointer_main(void *arg)
{
    struct runner *run = arg;
    pthread_mutex_lock(&run->mutex);
    while (!atomic_load(&run->stopping)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += CHECKPOINT_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&run->wake, &run->mutex, &until);
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

static enum sl_code start(struct runner *run, struct sl_err *err)
{
    const struct sl_config *config = run->worker->config;
    pthread_mutex_init(&run->mutex, NULL);
    pthread_cond_init(&run->wake, NULL);
    sl_queue_create(&run->readings, READ_AHEAD);
    sl_queue_create(&run->loads, 1);
    sl_queue_create(&run->loaded, 1);
    enum sl_code code = sl_warehouse_open(&run->load_warehouse, config, err);
    if (code == SL_OK)
        code = sl_ledger_open(&run->checkpoint_ledger, config, SL_LEDGER_WRITE, err);
    if (code == SL_OK)
        code = start_thread(&run->checkpointer, checkpointer_main, run, &run->checkpointer_on, err);
    if (code == SL_OK)
        code = start_thread(&run->loader, loader_main, run, &run->loader_on, err);
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
    reading_free(item);
}

static void drop_load(void *item)
{
    load_work_free(item);
}

static void finish(struct runner *run)
{
    atomic_store(&run->stopping, true);
    sl_queue_close(run->readings);
    sl_queue_close(run->loads);
    sl_queue_close(run->loaded);
    pthread_mutex_lock(&run->mutex);
    pthread_cond_broadcast(&run->wake);
    pthread_mutex_unlock(&run->mutex);
    if (run->reader_on)
        pthread_join(run->reader, NULL);
    if (run->loader_on)
        pthread_join(run->loader, NULL);
    if (run->checkpointer_on)
        pthread_join(run->checkpointer, NULL);
    drop_queue(&run->readings, drop_reading);
    drop_queue(&run->loads, drop_load);
    drop_queue(&run->loaded, drop_load);
    sl_warehouse_destroy(&run->load_warehouse);
    sl_ledger_destroy(&run->checkpoint_ledger);
    pthread_cond_destroy(&run->wake);
    pthread_mutex_destroy(&run->mutex);
}

/* ---- decider ---- */

static void pause_ms(int64_t ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

/* Busy or full may pass: the batch is tried again a few times before the run gives up; it was rolled back and nothing of it was acked. */
static enum sl_code process(struct runner *run, struct reading *reading, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (int i = 0; i < BUSY_TRIES; i++) {
        code = sl_worker_process(run->worker, &reading->incoming, clock_us(), err);
        if (code != SL_UNAVAILABLE || told_to_stop(run))
            break;
        sl_log(SL_WARNING, "a batch could not be committed; it is tried again", {"error", err->text});
        pause_ms(500);
    }
    if (code == SL_OK)
        code = sl_bus_ack(run->worker->bus, &reading->incoming.batch, err);
    if (code == SL_OK)
        run->worker->counters.acked += reading->incoming.batch.n;
    return code;
}

static enum sl_code take_reading(struct runner *run, int64_t timeout_ms, struct sl_err *err)
{
    void *item = NULL;
    if (!sl_queue_pop(run->readings, &item, timeout_ms))
        return SL_OK;
    struct reading *reading = item;
    enum sl_code code = reading->code;
    run->received_us = clock_us();
    run->bus_ended |= reading->incoming.batch.end;
    if (code == SL_OK)
        code = process(run, reading, err);
    else
        *err = reading->err;
    reading_free(reading);
    return code;
}

static enum sl_code tick(struct runner *run, struct sl_err *err)
{
    bool more = true;
    enum sl_code code = SL_OK;
    while (code == SL_OK && more && !told_to_stop(run))
        code = sl_worker_tick(run->worker, clock_us(), &more, err);
    run->ticked_us = clock_us();
    return code;
}

/* The outcome of a load that was in flight. A failed one is kept in the ledger and made again under its id. */
static enum sl_code end_load(struct runner *run, int64_t timeout_ms, struct sl_err *err)
{
    void *item = NULL;
    if (!run->load_in_flight || !sl_queue_pop(run->loaded, &item, timeout_ms))
        return SL_OK;
    struct load_work *work = item;
    enum sl_code code = SL_OK;
    run->load_in_flight = false;
    if (work->code == SL_OK) {
        code = sl_load_finish(run->worker, &work->job, clock_us(), err);
    } else {
        sl_log(SL_WARNING, "a load failed; its rows are kept and it is made again under the same job id", {"job", work->job.job_id},
               {"error", work->err.text});
        run->load_after_us = clock_us() + LOAD_RETRY_US;
    }
    load_work_free(work);
    return code;
}

static enum sl_code begin_load(struct runner *run, struct sl_err *err)
{
    if (run->load_in_flight || clock_us() < run->load_after_us || !sl_load_is_due(run->worker, clock_us()))
        return SL_OK;
    struct load_work *work = sl_calloc(1, sizeof *work);
    run->next_kind = run->worker->events_unloaded > run->worker->runs_unloaded ? SL_LOAD_EVENTS : SL_LOAD_RUNS;
    enum sl_code code = sl_load_fix(run->worker, run->next_kind, &work->job, &work->arena, err);
    if (code == SL_OK && sl_queue_push(run->loads, work)) {
        run->load_in_flight = true;
        return SL_OK;
    }
    load_work_free(work);
    if (code != SL_NOT_FOUND)
        return code;
    if (run->next_kind == SL_LOAD_EVENTS)
        run->worker->events_unloaded = 0;
    else
        run->worker->runs_unloaded = 0;
    return SL_OK;
}

static enum sl_code drain(struct runner *run, size_t *left, struct sl_err *err)
{
    *left = 0;
    return sl_bus_can_publish(run->worker->bus) ? sl_worker_drain(run->worker, clock_us(), left, err) : SL_OK;
}

static enum sl_code between_batches(struct runner *run, size_t *left, struct sl_err *err)
{
    enum sl_code code = end_load(run, 0, err);
    if (code == SL_OK)
        code = begin_load(run, err);
    if (code == SL_OK && (clock_us() - run->ticked_us) / 1000 >= POLL_MS)
        code = tick(run, err);
    if (code == SL_OK)
        code = drain(run, left, err);
    return code;
}

/* Nothing received for that long, nothing queued, nothing left to publish (RULES 30). */
static bool is_idle(const struct runner *run, size_t left)
{
    if (run->options->until_idle_ms < 0 || sl_queue_length(run->readings) || left)
        return false;
    return (clock_us() - run->received_us) / 1000 >= run->options->until_idle_ms;
}

static bool is_over(struct runner *run, size_t left)
{
    if (told_to_stop(run)) {
        if (!run->stop_seen_us)
            run->stop_seen_us = clock_us();
        return sl_queue_length(run->readings) == 0 || clock_us() - run->stop_seen_us > STOP_BUDGET_US;
    }
    return (run->bus_ended && sl_queue_length(run->readings) == 0) || is_idle(run, left);
}

/* A bus that has ended is silent for good: clocks of no length have passed. */
static enum sl_code zero_clocks_due(struct runner *run, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && run->bus_ended && i < run->worker->config->n_phases; i++) {
        const struct sl_phase *phase = &run->worker->config->phases[i];
        int64_t n = 0;
        if (phase->grace_ms == 0 || phase->deadline.after_ms == 0)
            code = sl_ledger_gates_make_due(run->worker->ledger, phase->name, SL_DATE_NONE, SL_DATE_NONE, clock_us(), &n, err);
    }
    return code;
}

/* The last look at what is due, and everything that is left to load. */
static enum sl_code wind_up(struct runner *run, struct sl_err *err)
{
    size_t left = 0;
    enum sl_code code = zero_clocks_due(run, err);
    if (code == SL_OK)
        code = tick(run, err);
    if (code == SL_OK)
        code = drain(run, &left, err);
    if (code == SL_OK)
        code = end_load(run, -1, err);
    if (code == SL_OK)
        code = sl_worker_load(run->worker, clock_us(), true, err);
    return code;
}

static enum sl_code outbox_health(struct runner *run, struct sl_err *err)
{
    struct sl_ledger_counts counts;
    enum sl_code code = sl_bus_can_publish(run->worker->bus) ? sl_ledger_counts(run->worker->ledger, clock_us(), &counts, err)
                                                             : SL_NOT_FOUND;
    if (code == SL_NOT_FOUND || code != SL_OK)
        return code == SL_NOT_FOUND ? SL_OK : code;
    if (counts.outbox_failing && clock_us() - run->received_us > OUTBOX_FAILING_US)
        return sl_fail(err, SL_UNAVAILABLE, "%lld messages could not be published for more than 30 s", (long long)counts.outbox_failing);
    return SL_OK;
}

static enum sl_code decide_until_over(struct runner *run, struct sl_err *err)
{
    size_t left = 0;
    run->received_us = clock_us();
    enum sl_code code = sl_worker_start(run->worker, clock_us(), err);
    if (code == SL_OK)
        code = tick(run, err);
    while (code == SL_OK && !is_over(run, left)) {
        code = take_reading(run, POLL_MS, err);
        if (code == SL_OK)
            code = between_batches(run, &left, err);
        if (code == SL_OK && left)
            code = outbox_health(run, err);
    }
    return code == SL_OK ? wind_up(run, err) : code;
}

enum sl_code sl_worker_run(struct sl_worker *worker, const struct sl_run_options *options, struct sl_err *err)
{
    struct runner run = {.worker = worker, .options = options};
    enum sl_code code = start(&run, err);
    if (code == SL_OK)
        code = decide_until_over(&run, err);
    finish(&run);
    return code;
}
