/* gather_sources.c - what the units step does where no source covers a unit, and what is asked of sources besides: events that they may resolve, counts, fingerprints.
 *
 * Life of a reconstruction: the units step finds a unit of a reported processor that no source covers -> the rule runs in the warehouse, durable at once -> the sources are asked
 * again, and the unit is served by the reconstruction for as long as its rows are as it left them. What was tried is a fact either way. Whoever only looks (check, dry runs) runs none. */
#include <string.h>

#include "gather_internal.h"

/* ---- reconstructions ---- */

/* Nothing is made while a source that took too long may have the rows. */
static bool wants_rebuilding(const struct sl_worker *worker, const struct sl_proc_facts *proc)
{
    const struct sl_coverage *coverage = &proc->coverage;
    if (worker->looking || !sl_is_judged(proc) || !proc->processor->reconstruction_sql || !coverage->n_missing)
        return false;
    for (size_t i = 0; i < coverage->n_source_errors; i++)
        if (coverage->source_timed_out[i] || (i == 0 && coverage->source_errors[0]))
            return false;
    return true;
}

static enum sl_code rebuild_unit(struct sl_worker *worker, const struct sl_processor *processor, sl_date date, struct sl_rebuilt *out,
                                 bool *tried, struct sl_err *err)
{
    const struct sl_reconstruct rule = {.source = &processor->sources[0],
                                        .sql = processor->reconstruction_sql,
                                        .min_rows = processor->reconstruction_min_rows,
                                        .date = date,
                                        .unit = *out->unit ? out->unit : NULL};
    enum sl_code code = sl_warehouse_reconstruct(worker->warehouse, &rule, &out->rows, err);
    const bool too_few = code == SL_NOT_FOUND && out->rows < rule.min_rows;
    *tried = code != SL_CONFLICT; /* its rows have come in the meantime */
    if (code != SL_OK && !sl_warehouse_about_the_table(worker->warehouse, code))
        return code;
    if (code != SL_OK && *tried && !too_few)
        out->error = sl_arena_strdup(&worker->arena, err->text);
    return SL_OK;
}

/* What was tried for a processor's date in this pass: gates of several profiles share it. */
struct rebuilt {
    struct sl_rebuilt *items;
    size_t n;
};

static enum sl_code rebuild(struct sl_worker *worker, const struct sl_proc_facts *proc, sl_date date, struct rebuilt *out,
                            struct sl_err *err)
{
    const struct sl_coverage *coverage = &proc->coverage;
    out->items = sl_arena_array(&worker->arena, coverage->n_missing, sizeof *out->items);
    for (size_t i = 0; i < coverage->n_missing; i++) {
        bool tried = false;
        out->items[out->n] = (struct sl_rebuilt){.unit = coverage->missing[i]};
        enum sl_code code = rebuild_unit(worker, proc->processor, date, &out->items[out->n], &tried, err);
        if (code != SL_OK)
            return code;
        out->n += tried;
    }
    return SL_OK;
}

struct rebuilding {
    struct sl_worker *worker;
    struct sl_map *tried; /* "processor date" -> struct rebuilt */
    struct sl_sources sources;
};

static const char *key_of(const struct rebuilding *r, const struct sl_proc_facts *proc, sl_date date)
{
    return sl_arena_printf(&r->worker->arena, "%p %d", (const void *)proc->processor, date);
}

static enum sl_code rebuild_gate(struct rebuilding *r, struct sl_facts *facts, struct sl_err *err)
{
    const struct sl_due due = sl_due_of(r->worker, facts);
    for (size_t p = 0; p < facts->n_procs; p++) {
        const struct sl_proc_facts *proc = &facts->procs[p];
        if (!wants_rebuilding(r->worker, proc) || sl_map_get(r->tried, key_of(r, proc, facts->date)))
            continue;
        struct rebuilt *rebuilt = sl_arena_alloc(&r->worker->arena, sizeof *rebuilt);
        sl_map_put(r->tried, key_of(r, proc, facts->date), rebuilt);
        enum sl_code code = rebuild(r->worker, proc, facts->date, rebuilt, err);
        if (code != SL_OK)
            return code;
        sl_coverage_ask(&r->sources, proc->processor, &due);
    }
    return SL_OK;
}

static void read_again(struct rebuilding *r, struct sl_facts *facts)
{
    const struct sl_due due = sl_due_of(r->worker, facts);
    for (size_t p = 0; p < facts->n_procs; p++) {
        struct sl_proc_facts *proc = &facts->procs[p];
        const struct rebuilt *rebuilt = wants_rebuilding(r->worker, proc) ? sl_map_get(r->tried, key_of(r, proc, facts->date)) : NULL;
        if (!rebuilt)
            continue;
        sl_coverage_read(&proc->coverage, &r->sources, proc->processor, &due, &r->worker->arena);
        proc->coverage.rebuilt = rebuilt->items;
        proc->coverage.n_rebuilt = rebuilt->n;
    }
}

enum sl_code sl_gather_rebuilt(struct sl_worker *worker, struct work *works, size_t n, struct sl_err *err)
{
    struct rebuilding r = {.worker = worker, .tried = sl_map_create(), .sources = SL_SOURCES_INIT};
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = rebuild_gate(&r, &works[i].facts, err);
    if (code == SL_OK && sl_map_count(r.tried))
        code = sl_sources_ask(&r.sources, worker->warehouse, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && sl_map_count(r.tried) && i < n; i++)
        read_again(&r, &works[i].facts);
    sl_sources_fini(&r.sources);
    sl_map_destroy(&r.tried);
    return code;
}

/* ---- events that a source may resolve ---- */

/* Only rows of a primary resolve anything. */
static bool has_primary_rows(const struct sl_facts *facts)
{
    for (size_t p = 0; p < facts->n_procs; p++)
        if (facts->procs[p].coverage.n_primary > 0)
            return true;
    return false;
}

enum sl_code sl_gather_open_events(struct sl_worker *worker, struct work *work, struct sl_err *err)
{
    struct group *group = NULL;
    if ((!work->exists && work->gate.generation <= 1) || !has_primary_rows(&work->facts))
        return SL_OK;
    enum sl_code code = sl_worker_group(worker, work->phase, work->facts.date, &group, err);
    if (code == SL_OK && !group->open_events_read)
        code = sl_ledger_open_events(worker->ledger, work->phase->name, work->facts.date, &group->open_events, &group->n_open_events,
                                     &worker->arena, err);
    if (code != SL_OK)
        return code;
    group->open_events_read = true;
    work->facts.open_events = group->open_events;
    work->facts.n_open_events = group->n_open_events;
    return SL_OK;
}

/* ---- counts and fingerprints, for gates whose barrier is met ---- */

static bool wants_count(const struct sl_proc_facts *proc)
{
    return sl_is_judged(proc) && proc->run->record_count > 0 && proc->coverage.n_primary > 0;
}

/* Only a phase that others come after can make anything stale. */
static bool wants_fingerprint(const struct work *work, const struct sl_proc_facts *proc)
{
    return work->phase->n_followers > 0 && sl_is_judged(proc);
}

/* The unit's rows stand in the primary, but no run has written them. */
static bool was_made(const struct sl_proc_facts *proc, size_t served)
{
    return proc->coverage.served[served].source >= proc->processor->n_sources;
}

static void ask_count(struct sl_contents *contents, const struct sl_proc_facts *proc, sl_date date)
{
    sl_questions_add(&contents->counts, &proc->processor->sources[0], date, NULL);
    for (size_t k = 0; k < proc->coverage.n_served; k++)
        if (was_made(proc, k))
            sl_questions_add(&contents->counts, &proc->processor->sources[0], date, proc->coverage.served[k].unit);
}

void sl_contents_ask(struct sl_contents *contents, const struct work *work)
{
    for (size_t p = 0; p < work->facts.n_procs; p++) {
        const struct sl_proc_facts *proc = &work->facts.procs[p];
        const struct sl_processor *processor = proc->processor;
        if (wants_count(proc))
            ask_count(contents, proc, work->facts.date);
        if (!wants_fingerprint(work, proc))
            continue;
        sl_questions_add(&contents->fingerprints, &processor->sources[0], work->facts.date, NULL);
        sl_questions_exclude(&contents->fingerprints, &processor->sources[0], processor->fingerprint_exclude,
                             processor->n_fingerprint_exclude);
    }
}

/* The rows of the date that a run may have written. */
static void read_count(const struct sl_contents *contents, struct sl_proc_facts *proc, sl_date date)
{
    const struct sl_source *primary = proc->processor->sources;
    struct sl_answer answer = sl_questions_answer(&contents->counts, primary, date, NULL);
    proc->rows_counted = !answer.error;
    proc->n_rows = answer.rows;
    for (size_t k = 0; k < proc->coverage.n_served; k++) {
        if (!was_made(proc, k))
            continue;
        answer = sl_questions_answer(&contents->counts, primary, date, proc->coverage.served[k].unit);
        proc->rows_counted &= !answer.error;
        proc->n_rows -= answer.rows;
    }
}

void sl_contents_read(const struct sl_contents *contents, struct work *work)
{
    for (size_t p = 0; p < work->facts.n_procs; p++) {
        struct sl_proc_facts *proc = &work->facts.procs[p];
        const struct sl_source *primary = proc->processor->sources;
        if (wants_count(proc))
            read_count(contents, proc, work->facts.date);
        if (wants_fingerprint(work, proc))
            proc->fingerprint = sl_questions_answer(&contents->fingerprints, primary, work->facts.date, NULL).fingerprint;
    }
}

enum sl_code sl_contents_answer(struct sl_contents *contents, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = sl_questions_ask(&contents->counts, warehouse, arena, err);
    return code == SL_OK ? sl_questions_ask(&contents->fingerprints, warehouse, arena, err) : code;
}

void sl_contents_fini(struct sl_contents *contents)
{
    sl_questions_fini(&contents->counts);
    sl_questions_fini(&contents->fingerprints);
}
