/* questions_entities.c - who the rows of tables are about, over a range of dates: each (table, column) is asked once for the range that all of a batch needs. */
#include <stdlib.h>
#include <string.h>

#include "gather_internal.h"

struct entity_question {
    struct sl_source source; /* no column map */
    const char *column;      /* theirs */
    bool with_tiers;
    sl_date from, to;
    struct sl_entity_row *rows;
    size_t n;
    bool has_tiers;
    const char *error; /* arena-held */
};

static struct entity_question *find(const struct sl_entity_questions *questions, const struct sl_source *source, const char *column,
                                    bool by_date, bool with_tiers)
{
    for (size_t i = 0; i < questions->n; i++) {
        struct entity_question *q = &questions->items[i];
        if (!strcmp(q->source.table, source->table) && !strcmp(q->source.date_column, source->date_column) &&
            sl_str_eq(q->source.unit_column, by_date ? NULL : source->unit_column) && q->with_tiers == with_tiers &&
            !strcmp(q->column, sl_source_column(source, column)))
            return q;
    }
    return NULL;
}

void sl_entities_add(struct sl_entity_questions *questions, const struct sl_source *source, const char *column, bool by_date,
                     bool with_tiers, sl_date from, sl_date to)
{
    struct entity_question *q = find(questions, source, column, by_date, with_tiers);
    if (!q) {
        sl_grow((void **)&questions->items, &questions->cap, questions->n + 1, sizeof *questions->items);
        q = &questions->items[questions->n++];
        *q = (struct entity_question){
            .source = {.table = source->table, .date_column = source->date_column, .unit_column = by_date ? NULL : source->unit_column},
            .column = sl_source_column(source, column),
            .with_tiers = with_tiers,
            .from = from,
            .to = to};
    }
    q->from = from < q->from ? from : q->from;
    q->to = to > q->to ? to : q->to;
}

enum sl_code sl_entities_ask(struct sl_entity_questions *questions, struct sl_warehouse *warehouse, struct sl_arena *arena,
                             struct sl_err *err)
{
    for (size_t i = 0; i < questions->n; i++) {
        struct entity_question *q = &questions->items[i];
        enum sl_code code = q->with_tiers
                                ? sl_warehouse_tiers(warehouse, &q->source, q->column, q->from, q->to, &q->has_tiers, &q->rows, &q->n,
                                                     arena, err)
                                : sl_warehouse_entities(warehouse, &q->source, q->column, q->from, q->to, &q->rows, &q->n, arena, err);
        if (code != SL_OK && !sl_warehouse_about_the_table(warehouse, code))
            return code;
        if (code != SL_OK)
            q->error = sl_arena_strdup(arena, err->text);
    }
    return SL_OK;
}

struct sl_entity_answer sl_entities_answer(const struct sl_entity_questions *questions, const struct sl_source *source, const char *column,
                                           bool by_date, bool with_tiers)
{
    const struct entity_question *q = find(questions, source, column, by_date, with_tiers);
    if (!q)
        return (struct sl_entity_answer){0};
    if (q->error)
        return (struct sl_entity_answer){.error = q->error};
    return (struct sl_entity_answer){.rows = q->rows, .n = q->n, .has_tiers = q->has_tiers};
}

void sl_entities_fini(struct sl_entity_questions *questions)
{
    free(questions->items);
    memset(questions, 0, sizeof *questions);
}

/* The first row that is not before the date. */
static size_t lower_bound(const struct sl_entity_row *rows, size_t n, sl_date date)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct sl_entity_row *sl_entities_slice(const struct sl_entity_row *rows, size_t n, sl_date from, sl_date to, size_t *n_slice)
{
    const size_t first = lower_bound(rows, n, from), end = to == INT32_MAX ? n : lower_bound(rows, n, to + 1);
    *n_slice = end > first ? end - first : 0;
    return rows ? rows + first : NULL;
}

int sl_entities_compare(const void *left, const void *right)
{
    const struct sl_entity_row *a = left, *b = right;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    const int order = a->unit == b->unit ? 0 : strcmp(a->unit, b->unit);
    return order ? order : strcmp(a->entity, b->entity);
}
