/* gather_inherited.c - what quality a gate inherits (DESIGN section 7): from every phase before it, transitively, assessed afresh from rows of the same date; and from the inputs of its
 * own processors and of those of the phases before; and what the runs of the phases before say of their rows. Worst wins, so nothing is better here than where it came from. */
#include <stdlib.h>
#include <string.h>

#include <sluice/inherit.h>

#include "gather_quality.h"

void sl_assessing_init(struct sl_assessing *a, struct sl_worker *worker, struct sl_entity_questions *entities)
{
    *a = (struct sl_assessing){.worker = worker,
                               .arena = &worker->arena,
                               .index = sl_map_create(),
                               .passed = sl_map_create(),
                               .tallies = {.what = SL_ASK_TALLY},
                               .entities = entities};
}

void sl_assessing_fini(struct sl_assessing *a)
{
    sl_map_destroy(&a->index);
    sl_map_destroy(&a->passed);
    sl_questions_fini(&a->tallies);
}

/* ---- phases before ---- */

static void mark_before(const struct sl_config *config, const struct sl_phase *phase, bool *before)
{
    for (size_t i = 0; i < phase->n_after; i++) {
        if (before[phase->after[i]])
            continue;
        before[phase->after[i]] = true;
        mark_before(config, &config->phases[phase->after[i]], before);
    }
}

static bool has_rows(const struct sl_processor *processor, enum sl_profile profile)
{
    return processor->need[profile] != SL_NOT_REQUIRED && processor->n_sources > 0;
}

/* In DAG order. */
static size_t phases_before(struct sl_assessing *a, const struct work *work, const struct sl_phase ***out)
{
    const struct sl_config *config = a->worker->config;
    bool *before = sl_arena_array(a->arena, config->n_phases, sizeof *before);
    size_t n = 0;
    *out = sl_arena_array(a->arena, config->n_phases, sizeof **out);
    mark_before(config, work->phase, before);
    for (size_t i = 0; i < config->n_phases; i++)
        if (before[config->dag[i]])
            (*out)[n++] = &config->phases[config->dag[i]];
    return n;
}

static const char *key_of(struct sl_assessing *a, const struct sl_phase *phase, const struct work *work)
{
    return sl_arena_printf(a->arena, "%zu %d %d", phase->index, work->facts.date, (int)work->facts.profile);
}

/* What a phase hands down on a date, once per batch: its units first, then its inputs, then what its runs say. */
struct passed {
    bool read;
    struct sl_inherited *items;
    size_t n;
};

static void plan_phase(struct sl_assessing *a, const struct sl_phase *phase, const struct work *work)
{
    const struct sl_due due = sl_due_of(a->worker, &work->facts);
    const char *key = key_of(a, phase, work);
    if (sl_map_get(a->passed, key))
        return;
    sl_map_put(a->passed, key, sl_arena_alloc(a->arena, sizeof(struct passed)));
    for (size_t i = 0; i < phase->n_processors; i++) {
        const struct sl_processor *processor = &phase->processors[i];
        if (!has_rows(processor, work->facts.profile))
            continue;
        if (processor->quality)
            sl_assess_want(a, processor, &due, NULL);
        for (size_t k = 0; k < processor->n_inputs; k++)
            sl_inputs_plan(a, processor, &processor->inputs[k], work->facts.date);
    }
}

static void add(struct sl_assessing *a, struct passed *to, const struct sl_inherited *inherited)
{
    if (!inherited->any && !inherited->error)
        return;
    to->items = sl_arena_push(a->arena, to->items, &to->n, sizeof *to->items);
    to->items[to->n - 1] = *inherited;
}

static void take_units(struct sl_assessing *a, struct passed *to, const struct sl_phase *phase, const struct work *work)
{
    const struct sl_due due = sl_due_of(a->worker, &work->facts);
    struct sl_proc_facts *procs = sl_arena_array(a->arena, phase->n_processors, sizeof *procs);
    struct sl_inherited inherited = {0};
    size_t n = 0;
    for (size_t i = 0; i < phase->n_processors; i++) {
        const struct sl_processor *processor = &phase->processors[i];
        if (!has_rows(processor, work->facts.profile) || !processor->quality)
            continue;
        const struct sl_assessed *day = sl_assess_want(a, processor, &due, NULL);
        procs[n++] = (struct sl_proc_facts){
            .processor = processor, .need = processor->need[work->facts.profile], .coverage = day->coverage, .quality = day->quality};
    }
    if (n)
        sl_inherit_phase(&inherited, phase, work->facts.date, procs, n, a->arena);
    inherited.phase = phase;
    for (size_t i = 0; i < n && !inherited.error; i++)
        inherited.error = procs[i].quality.error;
    add(a, to, &inherited);
}

static void take_inputs(struct sl_assessing *a, struct passed *to, const struct sl_phase *phase, const struct sl_processor *processor,
                        sl_date date)
{
    for (size_t k = 0; k < processor->n_inputs; k++) {
        struct sl_inherited inherited = {0};
        if (!sl_inputs_take(a, &inherited, processor, &processor->inputs[k], date))
            continue;
        inherited.phase = phase;
        inherited.processor = processor;
        inherited.input = &processor->inputs[k];
        add(a, to, &inherited);
    }
}

/* As with units, what nobody can use is left out: it has stopped its own phase, or was optional there. */
static enum sl_code take_reported(struct sl_assessing *a, struct passed *to, const struct sl_phase *phase, const struct work *work,
                                  struct sl_err *err)
{
    struct group *group = NULL;
    if (sl_worker_group(a->worker, phase, work->facts.date, &group, err))
        return err->code;
    for (size_t i = 0; i < phase->n_processors; i++) {
        struct sl_proc_facts proc = {.processor = &phase->processors[i]};
        if (proc.processor->need[work->facts.profile] == SL_NOT_REQUIRED)
            continue;
        sl_newest_runs(&proc, group);
        sl_take_reported(a->worker, &proc);
        const struct sl_reported *reported = &proc.reported;
        const struct sl_inherited inherited = {
            .phase = phase,
            .any = reported->any && reported->tier != SL_TIER_UNUSABLE,
            .tier = reported->tier,
            .score = reported->score,
            .issues = reported->issues,
            .n_issues = reported->n_issues,
            .culprit = {.phase = phase->name, .processor = proc.processor->name, .date = work->facts.date}};
        add(a, to, &inherited);
    }
    return SL_OK;
}

static enum sl_code take_phase(struct sl_assessing *a, const struct sl_phase *phase, const struct work *work, const struct passed **out,
                               struct sl_err *err)
{
    struct passed *passed = sl_map_get(a->passed, key_of(a, phase, work));
    *out = passed;
    if (passed->read)
        return SL_OK;
    passed->read = true;
    take_units(a, passed, phase, work);
    for (size_t i = 0; i < phase->n_processors; i++)
        if (has_rows(&phase->processors[i], work->facts.profile))
            take_inputs(a, passed, phase, &phase->processors[i], work->facts.date);
    return take_reported(a, passed, phase, work, err);
}

/* ---- gates ---- */

void sl_inherited_plan(struct sl_assessing *a, const struct work *work)
{
    const struct sl_phase **before = NULL;
    const size_t n = phases_before(a, work, &before);
    for (size_t i = 0; i < n; i++)
        plan_phase(a, before[i], work);
    for (size_t p = 0; p < work->facts.n_procs; p++) {
        const struct sl_proc_facts *proc = &work->facts.procs[p];
        for (size_t k = 0; sl_is_judged(proc) && k < proc->processor->n_inputs; k++)
            sl_inputs_plan(a, proc->processor, &proc->processor->inputs[k], work->facts.date);
    }
}

enum sl_code sl_inherited_take(struct sl_assessing *a, struct work *work, struct sl_err *err)
{
    const struct sl_phase **before = NULL;
    struct passed all = {0};
    const size_t n = phases_before(a, work, &before);
    for (size_t i = 0; i < n; i++) {
        const struct passed *passed;
        if (take_phase(a, before[i], work, &passed, err))
            return err->code;
        for (size_t k = 0; k < passed->n; k++)
            add(a, &all, &passed->items[k]);
    }
    for (size_t p = 0; p < work->facts.n_procs; p++)
        if (sl_is_judged(&work->facts.procs[p]))
            take_inputs(a, &all, NULL, work->facts.procs[p].processor, work->facts.date);
    work->facts.inherited = all.items;
    work->facts.n_inherited = all.n;
    return SL_OK;
}
