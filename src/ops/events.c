/* events.c - the coverage log as one: what the ledger has and what the warehouse has, each event once. An event is in the ledger from its commit and in the
 * warehouse from its load; both until the ledger is pruned. */
#include <sluice/ops.h>

#include <stdlib.h>
#include <string.h>

size_t sl_log_column(const char *name)
{
    size_t i = 0;
    while (i < SL_N_LOG_COLUMNS && strcmp(SL_LOG_COLUMNS[i], name) != 0)
        i++;
    return i;
}

struct joining {
    struct sl_arena *arena;
    struct sl_map *seen; /* event ids */
    struct sl_log_row *rows;
    size_t n;
    size_t id_column;
};

static void add_row(void *arg, const char *const *cells)
{
    struct joining *join = arg;
    const char *id = cells[join->id_column];
    if (id != NULL && sl_map_get(join->seen, id) != NULL)
        return;
    const char **copy = sl_arena_array(join->arena, SL_N_LOG_COLUMNS, sizeof *copy);
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        copy[i] = sl_arena_strdup(join->arena, cells[i]);
    if (id != NULL)
        sl_map_put(join->seen, id, join->seen);
    join->rows = sl_arena_push(join->arena, join->rows, &join->n, sizeof *join->rows);
    join->rows[join->n - 1].cells = copy;
}

/* A row, where it came in the reading, and its instant: qsort is not stable, and timestamps as text do not sort (fractions are optional). */
struct keyed {
    int64_t at_us;
    size_t index;
};

static int by_time(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->at_us != y->at_us)
        return x->at_us < y->at_us ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int64_t instant_of(const char *text)
{
    int64_t us = 0;
    bool has_offset;
    if (text == NULL || !sl_time_parse(text, strlen(text), &us, &has_offset))
        return 0;
    return us;
}

static void sort_rows(struct joining *join)
{
    size_t column = sl_log_column("event_timestamp");
    struct keyed *keys = sl_calloc(join->n, sizeof *keys);
    struct sl_log_row *sorted = sl_arena_array(join->arena, join->n, sizeof *sorted);
    for (size_t i = 0; i < join->n; i++)
        keys[i] = (struct keyed){instant_of(join->rows[i].cells[column]), i};
    if (join->n > 0)
        qsort(keys, join->n, sizeof *keys, by_time);
    for (size_t i = 0; i < join->n; i++)
        sorted[i] = join->rows[keys[i].index];
    join->rows = sorted;
    free(keys);
}

enum sl_code sl_ops_events(const struct sl_ops *ops, const struct sl_log_filter *filter, struct sl_log_row **out, size_t *n,
                           struct sl_arena *arena, struct sl_err *err)
{
    struct joining join = {.arena = arena, .seen = sl_map_create(), .id_column = sl_log_column("event_id")};
    enum sl_code code = sl_ledger_events(ops->ledger, filter, add_row, &join, err);
    if (code == SL_OK) {
        code = sl_warehouse_log_rows(ops->warehouse, ops->config, filter, add_row, &join, err);
        code = code == SL_NOT_FOUND ? SL_OK : code;
    }
    sl_map_destroy(&join.seen);
    if (code != SL_OK)
        return code;
    sort_rows(&join);
    *out = join.rows;
    *n = join.n;
    return SL_OK;
}
