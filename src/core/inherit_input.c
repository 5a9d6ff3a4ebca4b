/* inherit_input.c - what entities inherit from the rows of an input: each from its own rows inside the window, and from nobody else's. One walk over the rows, backwards. */
#include <string.h>

#include "inherit_internal.h"

/* One entity's rows in the window. */
struct holder {
    size_t taken;
    size_t worst; /* index of the row that decides */
    double score;
};

struct inputs {
    const struct sl_row_tier *rows;
    size_t n_rows;
    const char *const *entities;
    size_t n_entities;
    struct sl_map *index;   /* entity -> index + 1 */
    struct holder *holders; /* per entity */
    size_t *held_by;        /* per row: entity + 1; 0: in no window */
};

static bool is_as_bad(const struct sl_row_tier *a, const struct sl_row_tier *b)
{
    return a->tier != b->tier ? a->tier > b->tier : a->score <= b->score;
}

/* Rows come from the last to the first, so of equals the first decides. */
static void hold(struct inputs *in, size_t row, size_t entity)
{
    struct holder *holder = &in->holders[entity];
    if (holder->taken == 0 || is_as_bad(&in->rows[row], &in->rows[holder->worst]))
        holder->worst = row;
    if (holder->taken == 0 || in->rows[row].score < holder->score)
        holder->score = in->rows[row].score;
    holder->taken++;
    in->held_by[row] = entity + 1;
}

static void walk_back(struct inputs *in, const struct sl_window *window, sl_date date, sl_date not_before)
{
    const size_t most = window->kind == SL_WINDOW_DAYS ? SIZE_MAX : (size_t)window->n;
    const int64_t first = window->kind == SL_WINDOW_DAYS ? (int64_t)date - window->n + 1 : INT32_MIN;
    for (size_t i = in->n_rows; i > 0; i--) {
        const struct sl_row_tier *row = &in->rows[i - 1];
        if (row->date < first || (not_before != SL_DATE_NONE && row->date < not_before))
            return;
        size_t entity = row->date > date ? 0 : (size_t)(uintptr_t)sl_map_get(in->index, row->entity);
        if (entity > 0 && in->holders[entity - 1].taken < most)
            hold(in, i - 1, entity - 1);
    }
}

static bool is_usable(const struct inputs *in, size_t entity)
{
    return in->rows[in->holders[entity].worst].tier != SL_TIER_UNUSABLE;
}

static bool any_usable(const struct inputs *in)
{
    for (size_t i = 0; i < in->n_entities; i++)
        if (in->holders[i].taken > 0 && is_usable(in, i))
            return true;
    return false;
}

/* The tier, score and issues of all that count. Rows of one unit share their issues: they are joined once. */
static void join_rows(const struct inputs *in, struct sl_joining *joining)
{
    const bool only_usable = any_usable(in);
    const struct sl_row_tier *last = NULL;
    for (size_t i = 0; i < in->n_rows; i++) {
        const struct sl_row_tier *row = &in->rows[i];
        if (in->held_by[i] == 0 || (only_usable && !is_usable(in, in->held_by[i] - 1)))
            continue;
        if (last != NULL && row->issues == last->issues && row->tier == last->tier && row->score >= last->score)
            continue;
        const struct sl_quality_item item = {row->tier, row->score, row->issues, row->n_issues};
        sl_joining_add(joining, &item, &row->culprit);
        last = row;
    }
}

static void add_parts(const struct inputs *in, struct sl_inherited *out, struct sl_arena *arena)
{
    for (size_t i = 0; i < in->n_entities; i++) {
        if (in->holders[i].taken == 0)
            continue;
        const struct sl_row_tier *worst = &in->rows[in->holders[i].worst];
        const struct sl_inherited_part part = {in->entities[i], worst->tier,   in->holders[i].score,
                                               worst->culprit,  worst->issues, worst->n_issues};
        sl_inherited_part_add(out, &part, arena);
        out->n_keys++;
    }
}

void sl_inherit_input(struct sl_inherited *out, const struct sl_window *window, sl_date date, sl_date not_before,
                      const struct sl_row_tier *rows, size_t n_rows, const char *const *entities, size_t n_entities, struct sl_arena *arena)
{
    struct sl_joining joining = {.arena = arena};
    struct inputs in = {.rows = rows, .n_rows = n_rows, .entities = entities, .n_entities = n_entities, .index = sl_map_create()};
    *out = (struct sl_inherited){0};
    in.holders = sl_arena_array(arena, n_entities + 1, sizeof *in.holders);
    in.held_by = sl_arena_array(arena, n_rows + 1, sizeof *in.held_by);
    for (size_t i = 0; i < n_entities; i++)
        sl_map_put(in.index, entities[i], (void *)(uintptr_t)(i + 1));
    walk_back(&in, window, date, not_before);
    join_rows(&in, &joining);
    add_parts(&in, out, arena);
    sl_joining_finish(&joining, out);
    sl_map_destroy(&in.index);
}
