/* coverage.c - from answers about rows to what one processor covers of a date: per unit the first source that has rows (DESIGN section 6.6). Rows of the primary that a
 * reconstruction made, and that are still as it left them, are a source of their own. */
#include "worker_internal.h"

static bool judged_by_date(const struct sl_processor *processor, const struct sl_due *due)
{
    return due->by_date_only || !processor->sources[0].unit_column;
}

/* A fallback that knows no units is asked for the date. */
static const char *unit_for(const struct sl_source *source, const char *unit)
{
    return source->unit_column ? unit : NULL;
}

void sl_sources_fini(struct sl_sources *sources)
{
    sl_questions_fini(&sources->present);
    sl_questions_fini(&sources->reconstructed);
}

enum sl_code sl_sources_ask(struct sl_sources *sources, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = sl_questions_ask(&sources->present, warehouse, arena, err);
    return code == SL_OK ? sl_questions_ask(&sources->reconstructed, warehouse, arena, err) : code;
}

static void ask_source(struct sl_questions *questions, const struct sl_source *source, const struct sl_due *due, bool by_date)
{
    if (by_date || !source->unit_column)
        sl_questions_add(questions, source, due->date, NULL);
    else
        for (size_t i = 0; i < due->n; i++)
            sl_questions_add(questions, source, due->date, due->units[i]);
}

void sl_coverage_ask(struct sl_sources *sources, const struct sl_processor *processor, const struct sl_due *due)
{
    const bool by_date = judged_by_date(processor, due);
    if (!due->n)
        return;
    for (size_t s = 0; s < processor->n_sources; s++)
        ask_source(&sources->present, &processor->sources[s], due, by_date);
    if (processor->reconstruction_sql && processor->n_sources)
        ask_source(&sources->reconstructed, &processor->sources[0], due, by_date);
}

struct reading {
    struct sl_coverage *out;
    const struct sl_sources *sources;
    const struct sl_processor *processor;
    struct sl_arena *arena;
};

static void note_error(struct reading *r, size_t source, const struct sl_answer *answer)
{
    struct sl_coverage *out = r->out;
    if (!out->n_source_errors) {
        out->n_source_errors = r->processor->n_sources;
        out->source_errors = sl_arena_array(r->arena, r->processor->n_sources, sizeof *out->source_errors);
        out->source_timed_out = sl_arena_array(r->arena, r->processor->n_sources, sizeof *out->source_timed_out);
    }
    out->source_errors[source] = answer->error;
    out->source_timed_out[source] = answer->timed_out;
}

static void add_served(struct reading *r, const char *unit, size_t source)
{
    struct sl_coverage *out = r->out;
    out->served = sl_arena_push(r->arena, out->served, &out->n_served, sizeof *out->served);
    out->served[out->n_served - 1] = (struct sl_served){.unit = unit, .source = source};
}

static bool is_reconstructed(const struct reading *r, sl_date date, const char *unit)
{
    return r->processor->reconstruction_sql &&
           sl_questions_answer(&r->sources->reconstructed, &r->processor->sources[0], date, unit).present;
}

static void read_unit(struct reading *r, sl_date date, const char *unit, bool by_date)
{
    struct sl_coverage *out = r->out;
    for (size_t s = 0; s < r->processor->n_sources; s++) {
        const struct sl_source *source = &r->processor->sources[s];
        const char *asked = by_date ? NULL : unit_for(source, unit);
        const struct sl_answer answer = sl_questions_answer(&r->sources->present, source, date, asked);
        if (answer.error)
            note_error(r, s, &answer);
        if (!answer.present)
            continue;
        if (s == 0 && !is_reconstructed(r, date, asked))
            out->n_primary++;
        else
            add_served(r, unit, s == 0 ? r->processor->n_sources : s);
        return;
    }
    out->missing = sl_arena_push(r->arena, out->missing, &out->n_missing, sizeof *out->missing);
    out->missing[out->n_missing - 1] = unit;
}

void sl_coverage_read(struct sl_coverage *out, const struct sl_sources *sources, const struct sl_processor *processor,
                      const struct sl_due *due, struct sl_arena *arena)
{
    struct reading r = {.out = out, .sources = sources, .processor = processor, .arena = arena};
    *out = (struct sl_coverage){.asked = true, .by_date = judged_by_date(processor, due)};
    if (!due->n)
        return;
    out->n_due = out->by_date ? 1 : due->n;
    if (out->by_date)
        read_unit(&r, due->date, "", true);
    else
        for (size_t i = 0; i < due->n; i++)
            read_unit(&r, due->date, due->units[i], false);
}
