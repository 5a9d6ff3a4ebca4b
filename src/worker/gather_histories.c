/* gather_histories.c - the third voice of the three-way check: what the processors' own run history says of the runs that count (coverage.runs.written_by: processors). */
#include "gather_internal.h"

void sl_histories_plan(struct sl_histories *histories, struct sl_worker *worker, struct work *work)
{
    if (worker->config->coverage.runs_by_sluice || !worker->config->coverage.runs_table)
        return;
    for (size_t p = 0; p < work->facts.n_procs; p++) {
        struct sl_proc_facts *proc = &work->facts.procs[p];
        if (proc->need == SL_NOT_REQUIRED || !proc->run)
            continue;
        size_t n = histories->n;
        histories->keys = sl_arena_push(&worker->arena, histories->keys, &n, sizeof *histories->keys);
        histories->procs = sl_arena_push(&worker->arena, histories->procs, &histories->n, sizeof *histories->procs);
        histories->keys[histories->n - 1] = (struct sl_run_key){.date = work->facts.date, .run_id = proc->run->execution_id};
        histories->procs[histories->n - 1] = proc;
    }
}

enum sl_code sl_histories_ask(struct sl_histories *histories, struct sl_worker *worker, struct sl_err *err)
{
    if (histories->n == 0)
        return SL_OK;
    struct sl_run_record *records = sl_arena_array(&worker->arena, histories->n, sizeof *records);
    enum sl_code code = sl_warehouse_run_records(worker->warehouse, worker->config->coverage.runs_table, histories->keys, histories->n,
                                                 records, &worker->arena, err);
    const char *error = code == SL_OK ? NULL : sl_arena_strdup(&worker->arena, err->text);
    if (code != SL_OK && !sl_warehouse_about_the_table(worker->warehouse, code))
        return code;
    for (size_t i = 0; i < histories->n; i++)
        histories->procs[i]->record = (struct sl_run_said){
            .asked = true, .found = records[i].found, .record_count = records[i].record_count, .status = records[i].status, .error = error};
    return SL_OK;
}
