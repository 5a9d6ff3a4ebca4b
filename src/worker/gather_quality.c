/* gather_quality.c - the quality of units, from set-based aggregates: which source serves each unit is known (coverage), each source is asked once for the rows and NULLs of all units of a
 * batch (tally), and sl_quality_assess() gives every unit its score and tier (DESIGN section 7). A processor's date is assessed once per batch, whoever asks: its own gate, or one of a
 * phase after it. */
#include <string.h>

#include "gather_quality.h"

/* ---- one unit ---- */

/* The source that is asked for rows served by `source`: a reconstruction's are in the primary. */
static const struct sl_source *serving_source(const struct sl_processor *processor, size_t source)
{
    return &processor->sources[source < processor->n_sources ? source : 0];
}

static void want_fields(struct sl_questions *tallies, const struct sl_processor *processor, size_t source, bool by_date)
{
    const struct sl_quality_profile *profile = processor->quality;
    const struct sl_source *of = serving_source(processor, source);
    for (size_t i = 0; i < profile->n_required; i++)
        sl_questions_count_nulls(tallies, of, by_date, profile->required[i]);
    for (size_t i = 0; i < profile->n_optional; i++)
        sl_questions_count_nulls(tallies, of, by_date, profile->optional[i]);
    for (size_t i = 0; i < profile->n_weights; i++)
        sl_questions_count_nulls(tallies, of, by_date, profile->weights[i].field);
}

void sl_tally_add(struct sl_questions *tallies, const struct sl_processor *processor, size_t source, sl_date date, const char *unit)
{
    const struct sl_source *of = serving_source(processor, source);
    sl_questions_add(tallies, of, date, unit);
    want_fields(tallies, processor, source, !unit || !of->unit_column);
}

static void add_nulls(struct sl_quality_input *input, struct sl_null_count *nulls, const struct sl_answer *answer,
                      const struct sl_source *source, const char *field)
{
    const int64_t n = sl_answer_nulls(answer, source, field);
    for (size_t i = 0; i < input->n_nulls; i++)
        if (!strcmp(nulls[i].field, field))
            return;
    if (n >= 0)
        nulls[input->n_nulls++] = (struct sl_null_count){.field = field, .n = n};
}

static void read_nulls(struct sl_quality_input *input, const struct sl_quality_profile *profile, const struct sl_answer *answer,
                       const struct sl_source *source, struct sl_arena *arena)
{
    struct sl_null_count *nulls = sl_arena_array(arena, profile->n_required + profile->n_optional + profile->n_weights + 1, sizeof *nulls);
    for (size_t i = 0; i < profile->n_required; i++)
        add_nulls(input, nulls, answer, source, profile->required[i]);
    for (size_t i = 0; i < profile->n_optional; i++)
        add_nulls(input, nulls, answer, source, profile->optional[i]);
    for (size_t i = 0; i < profile->n_weights; i++)
        add_nulls(input, nulls, answer, source, profile->weights[i].field);
    input->nulls = nulls;
}

/* The score says nothing of where rows come from: the issue does (contract/source_coverage_log.md, "Quality columns"). */
static void add_issue(struct sl_quality *quality, const char *issue, struct sl_arena *arena)
{
    const char **issues = sl_arena_array(arena, quality->n_issues + 1, sizeof *issues);
    for (size_t i = 0; i < quality->n_issues; i++)
        issues[i] = quality->issues[i];
    issues[quality->n_issues++] = issue;
    quality->issues = issues;
}

const char *sl_tally_assess(struct sl_unit_quality *out, const struct sl_questions *tallies, const struct sl_quality_policy *policy,
                            const struct sl_processor *processor, size_t source, sl_date date, const char *unit, struct sl_arena *arena)
{
    const struct sl_source *of = serving_source(processor, source);
    const struct sl_answer answer = sl_questions_answer(tallies, of, date, unit);
    const char **sources = sl_arena_alloc(arena, sizeof *sources);
    struct sl_quality_input input = {.row_count = answer.rows,
                                     .data_sources = sources,
                                     .n_data_sources = 1,
                                     .reconstructed = source >= processor->n_sources,
                                     .expected = processor->quality->expected_rows,
                                     .date = date};
    if (answer.error)
        return answer.error;
    *sources = source == 0 ? "primary" : sl_source_name(processor, source);
    read_nulls(&input, processor->quality, &answer, of, arena);
    out->source = source;
    out->rows = answer.rows;
    if (answer.rows == 0)
        return NULL;
    sl_quality_assess(&out->quality, policy, processor->quality, &input, arena);
    if (source > 0)
        add_issue(&out->quality, input.reconstructed ? "reconstructed" : "backup_source_used", arena);
    return NULL;
}

/* ---- a processor's date ---- */

struct sl_assessed *sl_assess_want(struct sl_assessing *a, const struct sl_processor *processor, const struct sl_due *due,
                                   const struct sl_coverage *coverage)
{
    const char *key = sl_arena_printf(a->arena, "%p %d", (const void *)processor, due->date);
    struct sl_assessed *assessed = sl_map_get(a->index, key);
    if (!assessed) {
        assessed = sl_arena_alloc(a->arena, sizeof *assessed);
        *assessed = (struct sl_assessed){.processor = processor, .due = *due};
        sl_map_put(a->index, key, assessed);
        a->list = sl_arena_push(a->arena, a->list, &a->n, sizeof *a->list);
        a->list[a->n - 1] = assessed;
    }
    if (coverage && !assessed->covered) {
        assessed->coverage = *coverage;
        assessed->covered = true;
    }
    return assessed;
}

void sl_assess_ask_sources(const struct sl_assessing *a, struct sl_sources *sources)
{
    for (size_t i = 0; i < a->n; i++)
        if (!a->list[i]->covered)
            sl_coverage_ask(sources, a->list[i]->processor, &a->list[i]->due);
}

/* Calls `each` for every due unit that a source serves; `asked` is the unit as that source is asked for it, NULL: by date. */
static void for_served(struct sl_assessing *a, struct sl_assessed *day,
                       void (*each)(struct sl_assessing *a, struct sl_assessed *day, const char *unit, size_t source, const char *asked))
{
    static const char *const WHOLE[] = {""};
    const struct sl_coverage *coverage = &day->coverage;
    const char *const *units = coverage->by_date ? WHOLE : day->due.units;
    for (size_t i = 0, served = 0, missing = 0; i < coverage->n_due; i++) {
        size_t source = 0;
        if (missing < coverage->n_missing && !strcmp(coverage->missing[missing], units[i])) {
            missing++;
            continue;
        }
        if (served < coverage->n_served && !strcmp(coverage->served[served].unit, units[i]))
            source = coverage->served[served++].source;
        const bool by_date = coverage->by_date || !serving_source(day->processor, source)->unit_column;
        each(a, day, units[i], source, by_date ? NULL : units[i]);
    }
}

static void tally_unit(struct sl_assessing *a, struct sl_assessed *day, const char *unit, size_t source, const char *asked)
{
    (void)unit;
    sl_tally_add(&a->tallies, day->processor, source, day->due.date, asked);
}

static const char *primary_error(const struct sl_coverage *coverage)
{
    return coverage->n_source_errors ? coverage->source_errors[0] : NULL;
}

void sl_assess_read_sources(struct sl_assessing *a, const struct sl_sources *sources)
{
    for (size_t i = 0; i < a->n; i++) {
        struct sl_assessed *day = a->list[i];
        if (!day->covered)
            sl_coverage_read(&day->coverage, sources, day->processor, &day->due, a->arena);
        day->covered = true;
        if (!primary_error(&day->coverage))
            for_served(a, day, tally_unit);
    }
}

static void assess_unit(struct sl_assessing *a, struct sl_assessed *day, const char *unit, size_t source, const char *asked)
{
    struct sl_unit_quality found = {.unit = unit};
    const char *error = sl_tally_assess(&found, &a->tallies, &a->worker->config->quality, day->processor, source, day->due.date, asked,
                                        a->arena);
    day->quality.asked = true;
    if (error)
        day->quality.error = error;
    if (error || found.rows == 0)
        return;
    day->quality.units = sl_arena_push(a->arena, day->quality.units, &day->quality.n_units, sizeof *day->quality.units);
    day->quality.units[day->quality.n_units - 1] = found;
}

void sl_assess_read(struct sl_assessing *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct sl_assessed *day = a->list[i];
        const char *error = primary_error(&day->coverage);
        if (error)
            day->quality = (struct sl_proc_quality){.asked = true, .error = error};
        else
            for_served(a, day, assess_unit);
    }
}

/* ---- a gate's own processors ---- */

static bool is_assessed(const struct sl_proc_facts *proc)
{
    return sl_is_judged(proc) && proc->processor->quality && proc->coverage.asked;
}

void sl_assess_plan(struct sl_assessing *a, const struct work *work)
{
    const struct sl_due due = sl_due_of(a->worker, &work->facts);
    for (size_t p = 0; p < work->facts.n_procs; p++)
        if (is_assessed(&work->facts.procs[p]))
            sl_assess_want(a, work->facts.procs[p].processor, &due, &work->facts.procs[p].coverage);
}

void sl_assess_take(struct sl_assessing *a, struct work *work)
{
    const struct sl_due due = sl_due_of(a->worker, &work->facts);
    for (size_t p = 0; p < work->facts.n_procs; p++) {
        struct sl_proc_facts *proc = &work->facts.procs[p];
        if (is_assessed(proc))
            proc->quality = sl_assess_want(a, proc->processor, &due, &proc->coverage)->quality;
    }
}
