/* load.c - coverage events and run history go to the warehouse in three steps (RULES 26), so that each row is loaded exactly once:
 *   1. a ledger transaction fixes the rows, the job id and the attempt;
 *   2. a transaction in the log's own file inserts the rows and the job id (there already: loaded);
 *   3. the ledger marks the job.
 * A crash between any two steps repeats the same job under the same id. Steps 1 and 3 belong to the decider; step 2 may run on another thread. */
#include "worker_internal.h"

bool sl_load_is_due(const struct sl_worker *worker, int64_t now_us)
{
    const size_t waiting = worker->events_unloaded + worker->runs_unloaded;
    return waiting && (waiting >= worker->config->coverage.load_max_events ||
                       now_us - worker->loaded_us >= worker->config->coverage.load_every_ms * 1000);
}

enum sl_code sl_load_fix(struct sl_worker *worker, enum sl_load_kind kind, struct sl_load_job *job, struct sl_arena *arena,
                         struct sl_err *err)
{
    if (kind == SL_LOAD_RUNS && !worker->config->coverage.runs_by_sluice)
        return sl_fail(err, SL_NOT_FOUND, "the run history is written by somebody else");
    return sl_ledger_load_fix(worker->ledger, kind, worker->config->coverage.load_max_events, worker->config->coverage.load_max_bytes, job,
                              arena, err);
}

enum sl_code sl_load_run(const struct sl_config *config, struct sl_warehouse *warehouse, const struct sl_load_job *job, struct sl_err *err)
{
    const bool events = job->kind == SL_LOAD_EVENTS;
    bool already = false;
    struct sl_load load = {
        .job_id = job->job_id,
        .table = events ? config->coverage.log_table : config->coverage.runs_table,
        .columns = events ? SL_LOG_COLUMNS : SL_RUN_COLUMNS,
        .n_columns = events ? SL_N_LOG_COLUMNS : SL_N_RUN_COLUMNS,
        .cells = job->cells,
        .n_rows = job->n_rows,
    };
    return sl_warehouse_load(warehouse, &load, &already, err);
}

enum sl_code sl_load_finish(struct sl_worker *worker, const struct sl_load_job *job, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = sl_ledger_load_done(worker->ledger, job->job_id, now_us, err);
    if (code != SL_OK)
        return code;
    size_t *unloaded = job->kind == SL_LOAD_EVENTS ? &worker->events_unloaded : &worker->runs_unloaded;
    *unloaded = *unloaded > job->n_rows ? *unloaded - job->n_rows : 0;
    worker->counters.loads++;
    worker->loaded_us = now_us;
    return SL_OK;
}

static enum sl_code load_kind(struct sl_worker *worker, enum sl_load_kind kind, int64_t now_us, struct sl_err *err)
{
    for (;;) {
        struct sl_load_job job;
        struct sl_arena arena = {0};
        enum sl_code code = sl_load_fix(worker, kind, &job, &arena, err);
        if (code == SL_OK)
            code = sl_load_run(worker->config, worker->warehouse, &job, err);
        else if (code == SL_NOT_FOUND) {
            sl_arena_fini(&arena);
            return SL_OK;
        }
        if (code == SL_OK)
            code = sl_load_finish(worker, &job, now_us, err);
        sl_arena_fini(&arena);
        if (code != SL_OK)
            return code;
    }
}

enum sl_code sl_worker_load(struct sl_worker *worker, int64_t now_us, bool flush, struct sl_err *err)
{
    if (!flush && !sl_load_is_due(worker, now_us))
        return SL_OK;
    enum sl_code code = load_kind(worker, SL_LOAD_EVENTS, now_us, err);
    return code == SL_OK ? load_kind(worker, SL_LOAD_RUNS, now_us, err) : code;
}
