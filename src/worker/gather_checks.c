/* gather_checks.c - the facts of the checks, step two, only for gates whose barrier is met: what the phases before delivered, asked afresh, and gaps (DESIGN section 6, step 8). */
#include "gather_internal.h"

/* ---- upstream ---- */

static bool runs_are_unknown(const struct sl_worker *worker, sl_date date)
{
    const struct sl_calendar_config *calendar = worker->config->calendar;
    return calendar && calendar->history_from != SL_DATE_NONE && date < calendar->history_from;
}

static enum sl_code upstream_phase(struct sl_worker *worker, struct work *work, const struct sl_phase *phase, struct sl_sources *sources,
                                   struct sl_err *err)
{
    struct sl_facts *facts = &work->facts;
    struct group *group = NULL;
    enum sl_code code = sl_worker_group(worker, phase, facts->date, &group, err);
    if (code != SL_OK)
        return code;
    struct sl_upstream_facts *up = &facts->upstream[facts->n_upstream++];
    const struct sl_due due = sl_due_of(worker, facts);
    up->phase = phase;
    up->procs = sl_arena_array(&worker->arena, phase->n_processors, sizeof *up->procs);
    for (size_t i = 0; i < phase->n_processors; i++) {
        if (phase->processors[i].need[facts->profile] != SL_CRITICAL)
            continue;
        struct sl_proc_facts *proc = &up->procs[up->n++];
        proc->processor = &phase->processors[i];
        proc->need = SL_CRITICAL;
        sl_newest_runs(proc, group);
        if (sl_is_judged(proc))
            sl_coverage_ask(sources, proc->processor, &due);
    }
    return SL_OK;
}

static enum sl_code gather_upstream(struct sl_worker *worker, struct work *work, struct sl_sources *sources, struct sl_err *err)
{
    const struct sl_phase *phase = work->phase;
    if (phase->checks.upstream.mode == SL_OFF || runs_are_unknown(worker, work->facts.date))
        return SL_OK;
    work->facts.upstream = sl_arena_array(&worker->arena, phase->n_after + 1, sizeof *work->facts.upstream);
    for (size_t i = 0; i < phase->n_after; i++) {
        enum sl_code code = upstream_phase(worker, work, &worker->config->phases[phase->after[i]], sources, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

static void read_upstream(struct sl_worker *worker, struct work *work, const struct sl_sources *sources)
{
    const struct sl_due due = sl_due_of(worker, &work->facts);
    for (size_t u = 0; u < work->facts.n_upstream; u++)
        for (size_t i = 0; i < work->facts.upstream[u].n; i++) {
            struct sl_proc_facts *proc = &work->facts.upstream[u].procs[i];
            if (sl_is_judged(proc))
                sl_coverage_read(&proc->coverage, sources, proc->processor, &due, &worker->arena);
        }
}

/* ---- all of them ---- */

enum sl_code sl_gather_checks(struct sl_worker *worker, struct work *works, size_t n, struct sl_err *err)
{
    struct sl_sources sources = SL_SOURCES_INIT;
    struct gap_table *tables = sl_arena_array(&worker->arena, worker->config->n_phases, sizeof *tables);
    enum sl_code code = SL_OK;
    sl_gaps_windows(worker, works, n);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        if (works[i].decision.wants_checks)
            code = gather_upstream(worker, &works[i], &sources, err);
    size_t n_tables = code == SL_OK ? sl_gaps_plan(worker, tables, works, n, &sources) : 0;
    if (code == SL_OK)
        code = sl_sources_ask(&sources, worker->warehouse, &worker->arena, err);
    if (code == SL_OK)
        code = sl_gaps_read(worker, tables, n_tables, works, n, &sources, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        if (!works[i].decision.wants_checks)
            continue;
        read_upstream(worker, &works[i], &sources);
        works[i].facts.checks_gathered = true;
    }
    sl_sources_fini(&sources);
    return code;
}
