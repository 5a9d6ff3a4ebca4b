/* coverage.c - from answers about rows to what one processor covers of a date: per unit the first source that has rows (DESIGN section 6.6). */
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

void sl_coverage_ask(struct sl_questions *questions, const struct sl_processor *processor, const struct sl_due *due)
{
    const bool by_date = judged_by_date(processor, due);
    if (!due->n)
        return;
    for (size_t s = 0; s < processor->n_sources; s++) {
        const struct sl_source *source = &processor->sources[s];
        if (by_date || !source->unit_column)
            sl_questions_add(questions, source, due->date, NULL);
        else
            for (size_t i = 0; i < due->n; i++)
                sl_questions_add(questions, source, due->date, due->units[i]);
    }
}

struct reading {
    struct sl_coverage *out;
    const struct sl_questions *questions;
    const struct sl_processor *processor;
    struct sl_arena *arena;
};

static void note_error(struct reading *r, size_t source, const char *error)
{
    if (!r->out->n_source_errors) {
        r->out->n_source_errors = r->processor->n_sources;
        r->out->source_errors = sl_arena_array(r->arena, r->processor->n_sources, sizeof *r->out->source_errors);
    }
    r->out->source_errors[source] = error;
}

static void read_unit(struct reading *r, sl_date date, const char *unit, bool by_date)
{
    struct sl_coverage *out = r->out;
    for (size_t s = 0; s < r->processor->n_sources; s++) {
        const struct sl_source *source = &r->processor->sources[s];
        const char *error = NULL;
        bool present = sl_questions_present(r->questions, source, date, by_date ? NULL : unit_for(source, unit), &error);
        if (error)
            note_error(r, s, error);
        if (!present)
            continue;
        if (s == 0) {
            out->n_primary++;
            return;
        }
        out->served = sl_arena_push(r->arena, out->served, &out->n_served, sizeof *out->served);
        out->served[out->n_served - 1] = (struct sl_served){.unit = unit, .source = s};
        return;
    }
    out->missing = sl_arena_push(r->arena, out->missing, &out->n_missing, sizeof *out->missing);
    out->missing[out->n_missing - 1] = unit;
}

void sl_coverage_read(struct sl_coverage *out, const struct sl_questions *questions, const struct sl_processor *processor,
                      const struct sl_due *due, struct sl_arena *arena)
{
    struct reading r = {.out = out, .questions = questions, .processor = processor, .arena = arena};
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
