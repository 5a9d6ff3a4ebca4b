/* gather_checks.c - the facts of the checks, step two, only for gates whose barrier is met (DESIGN section 6, step 8): what the phases before delivered, asked afresh, is gathered here;
 * gaps, completeness, quality and contents in files of their own. All of them are planned first, then each table is asked once per check, then every gate takes its part. */
#include "gather_quality.h"

/* ---- upstream ---- */

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
    if (phase->checks.upstream.mode == SL_OFF || sl_config_is_before_history(worker->config, work->facts.date))
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

/* What one pass asks for its gates. */
struct checking {
    struct sl_worker *worker;
    struct work *works;
    size_t n;
    struct sl_sources sources;
    struct gap_table *tables;
    size_t n_tables;
    struct sl_known_gaps known;
    struct sl_completing completing;
    struct sl_assessing assessing;
    struct sl_contents contents;
    struct sl_histories histories;
};

static enum sl_code plan_checks(struct checking *c, struct sl_err *err)
{
    struct sl_worker *worker = c->worker;
    enum sl_code code = sl_ledger_known_gaps(worker->ledger, &c->known.items, &c->known.n, &worker->arena, err);
    c->known.today = c->works[0].facts.today;
    sl_gaps_windows(worker, c->works, c->n);
    for (size_t i = 0; code == SL_OK && i < c->n; i++) {
        if (!c->works[i].decision.wants_checks)
            continue;
        code = gather_upstream(worker, &c->works[i], &c->sources, err);
        sl_completeness_plan(&c->completing, &c->works[i]);
        sl_assess_plan(&c->assessing, &c->works[i]);
        sl_inherited_plan(&c->assessing, &c->works[i]);
        sl_contents_ask(&c->contents, &c->works[i]);
        sl_histories_plan(&c->histories, worker, &c->works[i]);
    }
    if (code == SL_OK)
        c->n_tables = sl_gaps_plan(worker, c->tables, c->works, c->n, &c->sources);
    return code;
}

/* Who rows are about comes first: it says which sources serve inputs. Then which sources have rows, then what these rows are like. */
static enum sl_code ask_checks(struct checking *c, struct sl_err *err)
{
    struct sl_worker *worker = c->worker;
    enum sl_code code = sl_entities_ask(&c->completing.entities, worker->warehouse, &worker->arena, err);
    if (code != SL_OK)
        return code;
    sl_inputs_sort(&c->assessing, &c->sources);
    sl_assess_ask_sources(&c->assessing, &c->sources);
    code = sl_sources_ask(&c->sources, worker->warehouse, &worker->arena, err);
    if (code != SL_OK)
        return code;
    sl_assess_read_sources(&c->assessing, &c->sources);
    sl_inputs_tally(&c->assessing, &c->sources);
    code = sl_questions_ask(&c->assessing.tallies, worker->warehouse, &worker->arena, err);
    if (code == SL_OK)
        code = sl_contents_answer(&c->contents, worker->warehouse, &worker->arena, err);
    return code == SL_OK ? sl_histories_ask(&c->histories, worker, err) : code;
}

static enum sl_code read_checks(struct checking *c, struct sl_err *err)
{
    sl_assess_read(&c->assessing);
    sl_gaps_read(c->worker, c->tables, c->n_tables, c->works, c->n, &c->sources, &c->known);
    for (size_t i = 0; i < c->n; i++) {
        struct work *work = &c->works[i];
        if (!work->decision.wants_checks)
            continue;
        read_upstream(c->worker, work, &c->sources);
        sl_completeness_read(&c->completing, work, &c->known);
        sl_assess_take(&c->assessing, work);
        if (sl_inherited_take(&c->assessing, work, err))
            return err->code;
        sl_contents_read(&c->contents, work);
        work->facts.checks_gathered = true;
    }
    return SL_OK;
}

enum sl_code sl_gather_checks(struct sl_worker *worker, struct work *works, size_t n, struct sl_err *err)
{
    struct checking c = {.worker = worker,
                         .works = works,
                         .n = n,
                         .sources = SL_SOURCES_INIT,
                         .completing = {.worker = worker, .arena = &worker->arena},
                         .contents = SL_CONTENTS_INIT};
    c.tables = sl_arena_array(&worker->arena, worker->config->n_phases, sizeof *c.tables);
    sl_assessing_init(&c.assessing, worker, &c.completing.entities);
    enum sl_code code = plan_checks(&c, err);
    if (code == SL_OK)
        code = ask_checks(&c, err);
    if (code == SL_OK)
        code = read_checks(&c, err);
    sl_sources_fini(&c.sources);
    sl_entities_fini(&c.completing.entities);
    sl_assessing_fini(&c.assessing);
    sl_contents_fini(&c.contents);
    return code;
}
