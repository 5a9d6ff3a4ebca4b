/* upstream.c - may a processor that reads another's output start? Only when the newest run there delivered the date (RULES 12, 13). */
#include <sluice/ops.h>

struct found {
    const struct sl_phase *phase;
    const struct sl_processor *processor; /* NULL: the config does not name it */
    const struct sl_run *run;             /* NULL: none */
};

static const struct sl_run *newest_of(const struct sl_run *runs, size_t n, const char *processor)
{
    const struct sl_run *newest = NULL;
    for (size_t i = 0; i < n; i++)
        if (sl_str_eq(runs[i].processor, processor) && (newest == NULL || sl_run_newer(&runs[i], newest)))
            newest = &runs[i];
    return newest;
}

/* A processor that the config names counts before a mere run of that name; of several the newest run. */
static enum sl_code find(const struct sl_ops *ops, const struct sl_phase *only, const char *name, sl_date date, struct found *out,
                         struct sl_arena *arena, struct sl_err *err)
{
    *out = (struct found){0};
    for (size_t i = 0; i < ops->config->n_phases; i++) {
        const struct sl_phase *phase = &ops->config->phases[i];
        if (only != NULL && only != phase)
            continue;
        struct sl_run *runs = NULL;
        size_t n = 0;
        enum sl_code code = sl_ledger_runs_of(ops->ledger, phase->name, date, &runs, &n, arena, err);
        if (code != SL_OK)
            return code;
        const struct sl_processor *processor = sl_phase_processor(phase, name);
        const struct sl_run *run = newest_of(runs, n, processor != NULL ? processor->name : name);
        bool better = out->run == NULL || (run != NULL && sl_run_newer(run, out->run));
        if (out->processor != NULL && processor == NULL)
            better = false;
        else if (out->processor == NULL && processor != NULL)
            better = true;
        if (better)
            *out = (struct found){phase, processor, run};
    }
    return SL_OK;
}

/* The need that judges it: critical as soon as any profile says so, because the question is asked by somebody who depends on it. */
static enum sl_need need_of(const struct sl_processor *processor, enum sl_profile profile)
{
    return processor->need[profile] == SL_NOT_REQUIRED ? SL_CRITICAL : processor->need[profile];
}

static size_t count_done(const struct sl_calendar *calendar, sl_date date)
{
    const struct sl_calendar_row *rows = NULL;
    size_t n = sl_calendar_units(calendar, date, date, &rows), done = 0;
    for (size_t i = 0; i < n; i++)
        done += rows[i].done;
    return done;
}

/* *trouble: why the table could not be asked, else NULL. */
static enum sl_code judge(const struct sl_ops *ops, const struct found *found, sl_date date, bool *delivered, const char **trouble,
                          struct sl_arena *arena, struct sl_err *err)
{
    struct sl_proc_facts facts = {
        .processor = found->processor,
        .need = need_of(found->processor, sl_profile_of(date, ops->today)),
        .run = found->run,
    };
    size_t n_done = 1, n = 0;
    const struct sl_calendar *calendar = NULL;
    struct sl_date_coverage *days = NULL;
    enum sl_code code = SL_OK;
    if (ops->config->calendar != NULL) {
        code = sl_worker_calendar(ops->worker, &calendar, err);
        if (code == SL_OK && !sl_calendar_has_dates(calendar))
            return sl_fail(err, SL_NOT_FOUND, "the calendar %s has no rows", ops->config->calendar->table);
        n_done = code == SL_OK ? count_done(calendar, date) : 0;
    }
    if (code == SL_OK && found->processor->n_sources > 0) {
        facts.coverage.asked = true;
        code = sl_worker_coverage(ops->worker, found->processor, date, date, false, &days, &n, arena, err);
    }
    if (code == SL_OK && n == 1)
        facts.coverage = days[0].coverage;
    if (facts.coverage.n_source_errors > 0)
        *trouble = facts.coverage.source_errors[0];
    *delivered = code == SL_OK && sl_processor_delivered(&facts, n_done, found->phase->checks.units == SL_STRICT);
    return code;
}

static const char *why_not(const struct found *found, const char *date, struct sl_arena *arena)
{
    const struct sl_run *run = found->run;
    if (run->status == SL_RUN_RUNNING)
        return sl_arena_printf(arena, "execution %s is still running", run->execution_id);
    if (run->status == SL_RUN_FAILED)
        return sl_arena_printf(arena, "execution %s failed", run->execution_id);
    if (found->processor == NULL)
        return "the config names no such processor, so its run counts for nothing";
    if (found->processor->n_sources == 0)
        return sl_arena_printf(arena, "execution %s wrote nothing for %s", run->execution_id, date);
    return sl_arena_printf(arena, "%s lacks rows for %s", found->processor->sources[0].table, date);
}

enum sl_code sl_ops_upstream(const struct sl_ops *ops, const struct sl_phase *phase, const char *name, sl_date date,
                             struct sl_upstream_report *out, struct sl_arena *arena, struct sl_err *err)
{
    char text[SL_DATE_LEN + 1];
    const char *trouble = NULL;
    struct found found;
    enum sl_code code = find(ops, phase, name, date, &found, arena, err);
    if (code != SL_OK)
        return code;
    *out = (struct sl_upstream_report){.processor = name, .date = date, .status = "not_found"};
    if (found.processor != NULL)
        out->processor = found.processor->name;
    sl_date_format(date, text);
    if (found.run == NULL) {
        out->error_message = sl_arena_printf(arena, "no run of %s for %s", out->processor, text);
        return SL_OK;
    }
    out->status = sl_status_name(found.run->status);
    out->succeeded = found.run->status == SL_RUN_SUCCESS;
    out->error_message = found.run->error_message;
    if (found.processor != NULL && found.run->status != SL_RUN_RUNNING)
        code = judge(ops, &found, date, &out->safe, &trouble, arena, err);
    if (out->error_message == NULL)
        out->error_message = trouble;
    if (!out->safe && out->error_message == NULL)
        out->error_message = why_not(&found, text, arena);
    return code;
}
