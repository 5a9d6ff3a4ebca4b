/* questions.c - what a batch wants to know of the tables by key, gathered so that each table is asked once for all dates (DESIGN section 4).
 * Life: add keys (and what else the kind of question needs) -> ask: sort, drop repeats, one query per table -> look answers up by key. Answers are never kept for another batch, so
 * none can be older than the completion that asks (RULES 28). */
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

struct question {
    struct sl_source
        source; /* strings borrowed from the config; unit_column NULL: by date; no column map: `columns` are the table's own names */
    struct sl_key *keys;
    size_t n, cap;
    const char **columns; /* of a tally */
    size_t n_columns, cap_columns;
    const char *const *exclude; /* of fingerprints */
    size_t n_exclude;
    uint8_t *present;
    int64_t *rows, *nulls; /* nulls: n * n_columns */
    struct sl_fingerprint *fingerprints;
    char *error; /* arena-held */
    bool timed_out;
};

static bool same_source(const struct sl_source *a, const struct sl_source *b, bool by_date)
{
    return !strcmp(a->table, b->table) && !strcmp(a->date_column, b->date_column) &&
           sl_str_eq(a->unit_column, by_date ? NULL : b->unit_column);
}

static struct question *find(const struct sl_questions *questions, const struct sl_source *source, bool by_date)
{
    for (size_t i = 0; i < questions->n; i++)
        if (same_source(&questions->items[i].source, source, by_date))
            return &questions->items[i];
    return NULL;
}

static struct question *find_or_add(struct sl_questions *questions, const struct sl_source *source, bool by_date)
{
    struct question *question = find(questions, source, by_date);
    if (question)
        return question;
    sl_grow((void **)&questions->items, &questions->cap, questions->n + 1, sizeof *questions->items);
    question = &questions->items[questions->n++];
    *question = (struct question){
        .source = {.table = source->table, .date_column = source->date_column, .unit_column = by_date ? NULL : source->unit_column}};
    return question;
}

void sl_questions_add(struct sl_questions *questions, const struct sl_source *source, sl_date date, const char *unit)
{
    struct question *question = find_or_add(questions, source, !unit);
    sl_grow((void **)&question->keys, &question->cap, question->n + 1, sizeof *question->keys);
    question->keys[question->n++] = (struct sl_key){.date = date, .unit = unit};
}

static size_t column_at(const struct question *question, const char *column)
{
    size_t at = 0;
    while (at < question->n_columns && strcmp(question->columns[at], column) != 0)
        at++;
    return at;
}

void sl_questions_count_nulls(struct sl_questions *questions, const struct sl_source *source, bool by_date, const char *column)
{
    struct question *question = find_or_add(questions, source, by_date);
    const char *theirs = sl_source_column(source, column);
    if (column_at(question, theirs) < question->n_columns)
        return;
    sl_grow((void **)&question->columns, &question->cap_columns, question->n_columns + 1, sizeof *question->columns);
    question->columns[question->n_columns++] = theirs;
}

void sl_questions_exclude(struct sl_questions *questions, const struct sl_source *source, const char *const *columns, size_t n)
{
    struct question *question = find_or_add(questions, source, true);
    question->exclude = columns;
    question->n_exclude = n;
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
    if (question->n)
        qsort(question->keys, question->n, sizeof *question->keys, compare);
    for (size_t i = 0; i < question->n; i++)
        if (kept == 0 || compare(&question->keys[kept - 1], &question->keys[i]) != 0)
            question->keys[kept++] = question->keys[i];
    question->n = kept;
}

/* What is wrong with one table is a fact about that table; anything else is trouble with the warehouse as a whole. */
bool sl_warehouse_about_the_table(const struct sl_warehouse *warehouse, enum sl_code code)
{
    switch (code) {
    case SL_NOT_FOUND:
    case SL_INVALID:
    case SL_CONFLICT: return true;
    case SL_UNAVAILABLE: return warehouse->timed_out;
    case SL_OK:
    case SL_DENIED:
    case SL_CORRUPT:
    case SL_INTERNAL: return false;
    }
    return false;
}

static enum sl_code ask_fingerprints(struct question *q, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err)
{
    sl_date *dates = sl_arena_array(arena, q->n, sizeof *dates);
    q->fingerprints = sl_arena_array(arena, q->n, sizeof *q->fingerprints);
    for (size_t i = 0; i < q->n; i++)
        dates[i] = q->keys[i].date;
    return sl_warehouse_fingerprint(warehouse, &q->source, q->exclude, q->n_exclude, dates, q->n, q->fingerprints, err);
}

static enum sl_code ask_one(enum sl_asking what, struct question *q, struct sl_warehouse *warehouse, struct sl_arena *arena,
                            struct sl_err *err)
{
    switch (what) {
    case SL_ASK_PRESENT:
        q->present = sl_arena_array(arena, q->n, 1);
        return sl_warehouse_present(warehouse, &q->source, q->keys, q->n, q->present, err);
    case SL_ASK_RECONSTRUCTED:
        q->present = sl_arena_array(arena, q->n, 1);
        return sl_warehouse_reconstructed(warehouse, &q->source, q->keys, q->n, q->present, err);
    case SL_ASK_COUNT:
        q->rows = sl_arena_array(arena, q->n, sizeof *q->rows);
        return sl_warehouse_count(warehouse, &q->source, q->keys, q->n, q->rows, err);
    case SL_ASK_TALLY:
        q->rows = sl_arena_array(arena, q->n, sizeof *q->rows);
        q->nulls = sl_arena_array(arena, q->n * q->n_columns + 1, sizeof *q->nulls);
        return sl_warehouse_tally(warehouse, &q->source, q->columns, q->n_columns, q->keys, q->n, q->rows, q->nulls, err);
    case SL_ASK_FINGERPRINT: return ask_fingerprints(q, warehouse, arena, err);
    }
    return sl_fail(err, SL_INTERNAL, "question %d is unknown", (int)what);
}

enum sl_code sl_questions_ask(struct sl_questions *questions, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err)
{
    for (size_t i = 0; i < questions->n; i++) {
        struct question *question = &questions->items[i];
        sort_unique(question);
        if (question->n == 0)
            continue;
        enum sl_code code = ask_one(questions->what, question, warehouse, arena, err);
        if (code != SL_OK && !sl_warehouse_about_the_table(warehouse, code))
            return code;
        if (code == SL_OK)
            continue;
        question->error = sl_arena_strdup(arena, err->text);
        question->timed_out = code == SL_UNAVAILABLE;
    }
    return SL_OK;
}

struct sl_answer sl_questions_answer(const struct sl_questions *questions, const struct sl_source *source, sl_date date, const char *unit)
{
    const struct question *question = find(questions, source, !unit);
    const struct sl_key key = {.date = date, .unit = unit};
    struct sl_answer answer = {.question = question};
    if (!question)
        return answer;
    answer.error = question->error;
    answer.timed_out = question->timed_out;
    const struct sl_key *found = question->error || !question->n ? NULL : bsearch(&key, question->keys, question->n, sizeof key, compare);
    if (!found)
        return answer;
    const size_t at = (size_t)(found - question->keys);
    answer.present = question->present ? question->present[at] : question->rows && question->rows[at] > 0;
    answer.rows = question->rows ? question->rows[at] : 0;
    answer.nulls = question->nulls ? question->nulls + at * question->n_columns : NULL;
    answer.fingerprint = question->fingerprints ? question->fingerprints[at].text : NULL;
    return answer;
}

int64_t sl_answer_nulls(const struct sl_answer *answer, const struct sl_source *source, const char *column)
{
    const size_t at = answer->nulls ? column_at(answer->question, sl_source_column(source, column)) : 0;
    return answer->nulls && at < answer->question->n_columns ? answer->nulls[at] : -1;
}

void sl_questions_fini(struct sl_questions *questions)
{
    for (size_t i = 0; i < questions->n; i++) {
        free(questions->items[i].keys);
        free(questions->items[i].columns);
    }
    free(questions->items);
    memset(questions, 0, sizeof *questions);
}
