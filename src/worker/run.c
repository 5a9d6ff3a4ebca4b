/* run.c - threads around the engine (RULES 37).
 *
 *   reader:        receives and decodes; a bounded queue ties what is prefetched to what is committed
 *   decider:       the caller: records, decides, commits, acks; the only writer of the ledger
 *   publisher:     step 2 of the outbox: a bus that hangs holds up triggers, not decisions
 *   loader:        step 2 of loads, and quality columns, on a warehouse handle of its own
 *   checkpointer:  moves the ledger's write-ahead log into its file, off the commit path
 *
 * It ends when the bus has ended, when it is idle for as long as asked, when told to stop, or on an error; then threads are joined. */
#include <stdio.h>
#include <stdlib.h>

#include <sluice/clock.h>
#include <sluice/log.h>

#include "run_internal.h"

#define STOP_BUDGET_US    8000000LL /* of 10 s; the rest is for the bus */
#define BUSY_TRIES        3
#define BUSY_PAUSE_MS     500
#define LOAD_RETRY_US     5000000LL
#define OUTBOX_FAILING_US 30000000LL /* RULES 30 */
#define UNCONNECTED_US    30000000LL /* the same patience with streams */

/* ---- batches ---- */

/* Busy or full may pass: the batch is tried again a few times before the run gives up; it was rolled back and nothing of it was acked. */
static enum sl_code process(struct runner *run, struct reading *reading, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (int i = 0; i < BUSY_TRIES; i++) {
        code = sl_worker_process(run->worker, &reading->incoming, sl_run_now_us(), err);
        if (code != SL_UNAVAILABLE || sl_run_told_to_stop(run))
            break;
        sl_log(SL_WARNING, "a batch could not be committed; it is tried again", {"error", err->text});
        sl_pause_ms(BUSY_PAUSE_MS);
    }
    return code;
}

/* After the commit. An ack that gets lost brings the message again, and it is known then. */
static enum sl_code ack(struct runner *run, const struct reading *reading, struct sl_err *err)
{
    enum sl_code code = sl_bus_ack(run->worker->bus, &reading->incoming.batch, err);
    if (code == SL_OK)
        run->worker->counters.acked += reading->incoming.batch.n;
    if (code != SL_UNAVAILABLE)
        return code;
    sl_log(SL_WARNING, "what is committed could not be acknowledged; it will come again and be known", {"error", err->text});
    return SL_OK;
}

static enum sl_code take_reading(struct runner *run, int64_t timeout_ms, struct sl_err *err)
{
    void *item = NULL;
    if (!sl_queue_pop(run->readings, &item, timeout_ms))
        return SL_OK;
    struct reading *reading = item;
    enum sl_code code = reading->code;
    if (!reading->awake) {
        run->received_us = sl_monotonic_us();
        run->bus_ended |= reading->incoming.batch.end;
        run->worker->at_rest = false;
        if (code == SL_OK)
            code = process(run, reading, err);
        else
            *err = reading->err;
        if (code == SL_OK && reading->incoming.batch.n)
            code = ack(run, reading, err);
    }
    sl_run_reading_free(reading);
    return code;
}

static enum sl_code tick(struct runner *run, struct sl_err *err)
{
    bool more = true;
    enum sl_code code = SL_OK;
    while (code == SL_OK && more && !sl_run_told_to_stop(run))
        code = sl_worker_tick(run->worker, sl_run_now_us(), &more, err);
    run->ticked_us = sl_monotonic_us();
    return code;
}

/* ---- loads ---- */

/* The outcome of a load that was in flight. A failed one is kept in the ledger and made again under its id. */
static enum sl_code end_load(struct runner *run, int64_t timeout_ms, struct sl_err *err)
{
    void *item = NULL;
    if (!run->load_in_flight || !sl_queue_pop(run->loaded, &item, timeout_ms))
        return SL_OK;
    struct load_work *work = item;
    enum sl_code code = SL_OK;
    run->load_in_flight = false;
    if (work->is_stamping) {
        code = sl_stamp_finish(run->worker, &work->stamping, sl_run_now_us(), err);
    } else if (work->code == SL_OK) {
        code = sl_load_finish(run->worker, &work->job, sl_run_now_us(), err);
    } else {
        sl_log(SL_WARNING, "a load failed; its rows are kept and it is made again under the same job id", {"job", work->job.job_id},
               {"error", work->err.text});
        run->load_after_us = sl_monotonic_us() + LOAD_RETRY_US;
    }
    sl_run_load_free(work);
    return code;
}

static enum sl_code begin_load(struct runner *run, struct sl_err *err)
{
    if (run->load_in_flight || sl_monotonic_us() < run->load_after_us || !sl_load_is_due(run->worker, sl_run_now_us()))
        return SL_OK;
    struct load_work *work = sl_calloc(1, sizeof *work);
    run->next_kind = run->worker->events_unloaded > run->worker->runs_unloaded ? SL_LOAD_EVENTS : SL_LOAD_RUNS;
    enum sl_code code = sl_load_fix(run->worker, run->next_kind, &work->job, &work->arena, err);
    if (code == SL_OK && sl_queue_push(run->loads, work)) {
        run->load_in_flight = true;
        return SL_OK;
    }
    sl_run_load_free(work);
    if (code != SL_NOT_FOUND)
        return code;
    if (run->next_kind == SL_LOAD_EVENTS)
        run->worker->events_unloaded = 0;
    else
        run->worker->runs_unloaded = 0;
    return SL_OK;
}

/* Stamps come after loads that are due: the loader does one thing at a time. */
static enum sl_code begin_stamping(struct runner *run, struct sl_err *err)
{
    if (run->load_in_flight || !sl_stamp_is_due(run->worker, sl_run_now_us()))
        return SL_OK;
    struct load_work *work = sl_calloc(1, sizeof *work);
    work->is_stamping = true;
    enum sl_code code = sl_stamp_take(run->worker, sl_run_now_us(), &work->stamping, err);
    run->load_in_flight = code == SL_OK && work->stamping.n && sl_queue_push(run->loads, work);
    if (!run->load_in_flight)
        sl_run_load_free(work);
    return code;
}

/* ---- the outbox ---- */

static void note_send_error(struct runner *run, const struct sl_sending *sending)
{
    for (size_t i = 0; i < sending->n; i++)
        if (sending->sent[i].error)
            snprintf(run->send_error, sizeof run->send_error, "%s", sending->sent[i].error);
}

static enum sl_code end_send(struct runner *run, int64_t timeout_ms, struct sl_err *err)
{
    void *item = NULL;
    bool stuck = false;
    if (!run->send_in_flight || !sl_queue_pop(run->sent, &item, timeout_ms))
        return SL_OK;
    struct sl_sending *sending = item;
    run->send_in_flight = false;
    note_send_error(run, sending);
    enum sl_code code = sl_outbox_record(run->worker, sending, sl_run_now_us(), &stuck, err);
    sl_run_sending_free(sending);
    return code;
}

static enum sl_code begin_send(struct runner *run, struct sl_err *err)
{
    size_t left = 0;
    int64_t failing_since_us = 0;
    if (run->send_in_flight || !sl_bus_can_publish(run->worker->bus))
        return SL_OK;
    enum sl_code code = sl_ledger_outbox_left(run->worker->ledger, &left, &failing_since_us, err);
    if (code != SL_OK || left == 0)
        return code;
    struct sl_sending *sending = sl_calloc(1, sizeof *sending);
    code = sl_outbox_claim(run->worker, sl_run_now_us(), sending, err);
    run->send_in_flight = code == SL_OK && sending->n && sl_queue_push(run->sends, sending);
    if (!run->send_in_flight)
        sl_run_sending_free(sending);
    return code;
}

/* All that is due now, within the time. */
static enum sl_code send_all(struct runner *run, int64_t budget_us, struct sl_err *err)
{
    const int64_t until_us = sl_monotonic_us() + budget_us;
    enum sl_code code = begin_send(run, err);
    while (code == SL_OK && run->send_in_flight && sl_monotonic_us() < until_us) {
        const int64_t wait_us = until_us - sl_monotonic_us();
        code = end_send(run, wait_us > 0 ? wait_us / 1000 : 0, err);
        if (code == SL_OK)
            code = begin_send(run, err);
    }
    return code;
}

/* A row that has been failing for too long ends a run that waits for idleness (RULES 30); time before this run doesn't count. */
static enum sl_code outbox_left(struct runner *run, size_t *left, struct sl_err *err)
{
    int64_t since_us = 0;
    *left = 0;
    if (!sl_bus_can_publish(run->worker->bus))
        return SL_OK;
    enum sl_code code = sl_ledger_outbox_left(run->worker->ledger, left, &since_us, err);
    if (code != SL_OK || since_us == 0 || run->options->until_idle_ms < 0)
        return code;
    if (sl_run_now_us() - (since_us > run->started_at_us ? since_us : run->started_at_us) > OUTBOX_FAILING_US)
        return sl_fail(err, SL_UNAVAILABLE, "a message of the outbox could not be published for more than 30 s: %s", run->send_error);
    return SL_OK;
}

static enum sl_code between_batches(struct runner *run, size_t *left, struct sl_err *err)
{
    enum sl_code code = end_load(run, 0, err);
    if (code == SL_OK)
        code = begin_load(run, err);
    if (code == SL_OK)
        code = begin_stamping(run, err);
    if (code == SL_OK && (sl_monotonic_us() - run->ticked_us) / 1000 >= POLL_MS)
        code = tick(run, err);
    if (code == SL_OK)
        code = end_send(run, 0, err);
    if (code == SL_OK)
        code = begin_send(run, err);
    if (code == SL_OK && sl_queue_length(run->readings) == 0)
        code = sl_worker_prune(run->worker, sl_run_now_us(), err);
    return code == SL_OK ? outbox_left(run, left, err) : code;
}

/* ---- the end ---- */

/* The least time for which a stream has been connected and silent; -1: one isn't. */
static int64_t silent_ms(const struct runner *run)
{
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < run->options->n_phases; i++) {
        int64_t ms = sl_bus_silent_ms(run->worker->bus, run->options->phases[i], sl_run_now_us());
        least = ms < least ? ms : least;
    }
    return least;
}

/* Nothing received for that long, nothing at work, nothing left to publish, and nothing waiting where that can be known (RULES 30). */
static bool is_quiet(const struct runner *run, size_t left)
{
    const int64_t idle_ms = run->options->until_idle_ms;
    int64_t undelivered, leased;
    if (sl_queue_length(run->readings) || left || run->send_in_flight || sl_stamp_is_due(run->worker, sl_run_now_us()))
        return false;
    if ((sl_monotonic_us() - run->received_us) / 1000 < idle_ms || silent_ms(run) < idle_ms)
        return false;
    sl_bus_backlog(run->worker->bus, &undelivered, &leased);
    return undelivered <= 0 && leased <= 0;
}

/* Nothing more is to come: clocks of no length have passed. */
static enum sl_code zero_clocks_due(struct runner *run, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    run->worker->at_rest = true;
    for (size_t i = 0; code == SL_OK && i < run->worker->config->n_phases; i++) {
        const struct sl_phase *phase = &run->worker->config->phases[i];
        int64_t n = 0;
        if (phase->grace_ms == 0 || phase->deadline.after_ms == 0)
            code = sl_ledger_gates_make_due(run->worker->ledger, phase->name, SL_DATE_NONE, SL_DATE_NONE, sl_run_now_us(), &n, err);
    }
    return code;
}

/* Everything that can be done without a message: what is due, what is to be published, stamped and loaded. */
static enum sl_code flush(struct runner *run, int64_t budget_us, struct sl_err *err)
{
    enum sl_code code = tick(run, err);
    if (code == SL_OK)
        code = send_all(run, budget_us, err);
    if (code == SL_OK)
        code = end_load(run, -1, err);
    if (code == SL_OK)
        code = sl_worker_stamp(run->worker, sl_run_now_us(), err);
    return code == SL_OK ? sl_worker_load(run->worker, sl_run_now_us(), true, err) : code;
}

static enum sl_code check_streams(struct runner *run, struct sl_err *err)
{
    const int64_t now_us = sl_monotonic_us();
    if (silent_ms(run) >= 0 || now_us - run->received_us < UNCONNECTED_US)
        run->connected_us = now_us;
    if (now_us - run->connected_us > UNCONNECTED_US)
        return sl_fail(err, SL_UNAVAILABLE, "the bus has not been reachable for more than 30 s");
    return SL_OK;
}

/* Quiet, and still quiet after everything was flushed at once. */
static enum sl_code look_idle(struct runner *run, size_t left, bool *idle, struct sl_err *err)
{
    *idle = run->options->until_idle_ms >= 0 && is_quiet(run, left);
    if (!*idle)
        return run->options->until_idle_ms >= 0 ? check_streams(run, err) : SL_OK;
    enum sl_code code = run->worker->at_rest ? SL_OK : zero_clocks_due(run, err);
    if (code == SL_OK)
        code = flush(run, STOP_BUDGET_US, err);
    if (code == SL_OK)
        code = outbox_left(run, &left, err);
    *idle = code == SL_OK && is_quiet(run, left);
    return code;
}

static bool is_stopped(struct runner *run)
{
    if (!sl_run_told_to_stop(run))
        return false;
    if (!run->stop_seen_us)
        run->stop_seen_us = sl_monotonic_us();
    return sl_queue_length(run->readings) == 0 || sl_monotonic_us() - run->stop_seen_us > STOP_BUDGET_US / 2;
}

static enum sl_code wind_up(struct runner *run, struct sl_err *err)
{
    const int64_t gone_us = run->stop_seen_us ? sl_monotonic_us() - run->stop_seen_us : 0;
    enum sl_code code = run->bus_ended ? zero_clocks_due(run, err) : SL_OK;
    return code == SL_OK ? flush(run, STOP_BUDGET_US - gone_us, err) : code;
}

static enum sl_code decide_until_over(struct runner *run, struct sl_err *err)
{
    size_t left = 0;
    bool over = false;
    run->received_us = run->connected_us = sl_monotonic_us();
    run->started_at_us = sl_run_now_us();
    enum sl_code code = sl_worker_start(run->worker, sl_run_now_us(), err);
    if (code == SL_OK)
        code = tick(run, err);
    while (code == SL_OK && !over) {
        code = take_reading(run, POLL_MS, err);
        if (code == SL_OK)
            code = between_batches(run, &left, err);
        if (code == SL_OK)
            code = look_idle(run, left, &over, err);
        over |= is_stopped(run) || (run->bus_ended && sl_queue_length(run->readings) == 0);
        if (run->options->alive)
            run->options->alive(run->options->arg);
    }
    return code == SL_OK ? wind_up(run, err) : code;
}

enum sl_code sl_worker_run(struct sl_worker *worker, const struct sl_run_options *options, struct sl_err *err)
{
    struct runner run = {.worker = worker, .options = options};
    enum sl_code code = sl_run_start(&run, err);
    if (code == SL_OK)
        code = decide_until_over(&run, err);
    sl_run_finish(&run);
    worker->at_rest = false;
    return code;
}
