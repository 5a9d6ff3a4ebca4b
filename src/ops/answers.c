/* answers.c - what the phases after a trigger have said to it, and whether anybody is there to hear them. */
#include <sluice/ops.h>

#include <sluice/file.h>

static bool answers(const struct sl_run *run, int64_t since_us)
{
    return run->received_us >= since_us && run->status != SL_RUN_RUNNING;
}

enum sl_code sl_ops_answered(const struct sl_ops *ops, const struct sl_phase *phase, sl_date date, int64_t since_us, bool *out,
                             struct sl_err *err)
{
    struct sl_arena arena = {0};
    enum sl_code code = SL_OK;
    *out = phase->n_followers == 0; /* nobody is asked */
    for (size_t f = 0; code == SL_OK && !*out && f < phase->n_followers; f++) {
        struct sl_run *runs = NULL;
        size_t n = 0;
        code = sl_ledger_runs_of(ops->ledger, ops->config->phases[phase->followers[f]].name, date, &runs, &n, &arena, err);
        for (size_t i = 0; code == SL_OK && i < n; i++)
            *out |= answers(&runs[i], since_us);
    }
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_ops_worker_runs(const struct sl_ops *ops, bool *out, struct sl_err *err)
{
    struct sl_lock *lock = NULL;
    enum sl_code code = sl_worker_lock(&lock, ops->config, 0, err);
    *out = code == SL_UNAVAILABLE;
    sl_lock_free(&lock);
    return *out ? SL_OK : code;
}
