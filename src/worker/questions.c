/* questions.c - what a batch wants to know of the tables, gathered so that each table is asked once for all dates (DESIGN section 4).
 * Life: add keys -> ask: sort, drop repeats, one query per table -> look answers up by key. */
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

struct question {
    struct sl_source source; /* strings borrowed from the config; unit_column NULL: by date */
    struct sl_key *keys;
    size_t n, cap;
    uint8_t *present;
    char *error; /* arena-held */
};

static bool same_column(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

static bool same_source(const struct sl_source *a, const struct sl_source *b, bool by_date)
{
    return !strcmp(a->table, b->table) && !strcmp(a->date_column, b->date_column) &&
           same_column(a->unit_column, by_date ? NULL : b->unit_column);
}

static struct question *find(const struct sl_questions *questions, const struct sl_source *source, bool by_date)
{
    for (size_t i = 0; i < questions->n; i++)
        if (same_source(&questions->items[i].source, source, by_date))
            return &questions->items[i];
    return NULL;
}

void sl_questions_add(struct sl_questions *questions, const struct sl_source *source, sl_date date, const char *unit)
{
    struct question *question = find(questions, source, !unit);
    if (!question) {
        sl_grow((void **)&questions->items, &questions->cap, questions->n + 1, sizeof *questions->items);
        question = &questions->items[questions->n++];
        *question = (struct question){.source = *source};
        if (!unit)
            question->source.unit_column = NULL;
    }
    sl_grow((void **)&question->keys, &question->cap, question->n + 1, sizeof *question->keys);
    question->keys[question->n++] = (struct sl_key){.date = date, .unit = unit};
}

static int compare(const void *left, const void *right)
{
    const struct sl_key *a = left, *b = right;
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    return a->unit && b->unit ? strcmp(a->unit, b->unit) : 0;
}

static void sort_unique(struct question *question)
{
    size_t kept = 0;
    qsort(question->keys, question->n, sizeof *question->keys, compare);
    for (size_t i = 0; i < question->n; i++)
        if (kept == 0 || compare(&question->keys[kept - 1], &question->keys[i]) != 0)
            question->keys[kept++] = question->keys[i];
    question->n = kept;
}

/* What is wrong with one table is a fact about that table; anything else is trouble with the warehouse as a whole. */
static bool is_about_the_table(enum sl_code code)
{
    switch (code) {
    case SL_NOT_FOUND:
    case SL_INVALID:
    case SL_CONFLICT: return true;
    case SL_OK:
    case SL_UNAVAILABLE:
    case SL_DENIED:
    case SL_CORRUPT:
    case SL_INTERNAL: return false;
    }
    return false;
}

enum sl_code sl_questions_ask(struct sl_questions *questions, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err)
{
    for (size_t i = 0; i < questions->n; i++) {
        struct question *question = &questions->items[i];
        sort_unique(question);
        question->present = sl_arena_array(arena, question->n, 1);
        enum sl_code code = sl_warehouse_present(warehouse, &question->source, question->keys, question->n, question->present, err);
        if (code != SL_OK && !is_about_the_table(code))
            return code;
        if (code != SL_OK)
            question->error = sl_arena_strdup(arena, err->text);
    }
    return SL_OK;
}

bool sl_questions_present(const struct sl_questions *questions, const struct sl_source *source, sl_date date, const char *unit,
                          const char **error)
{
    const struct question *question = find(questions, source, !unit);
    const struct sl_key key = {.date = date, .unit = unit};
    *error = question ? question->error : NULL;
    if (!question || question->error)
        return false;
    const struct sl_key *found = bsearch(&key, question->keys, question->n, sizeof key, compare);
    return found && question->present[found - question->keys];
}

void sl_questions_fini(struct sl_questions *questions)
{
    for (size_t i = 0; i < questions->n; i++)
        free(questions->items[i].keys);
    free(questions->items);
    memset(questions, 0, sizeof *questions);
}
