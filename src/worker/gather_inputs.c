/* gather_inputs.c - what rows inherit from the rows that they are made from (DESIGN section 7): each entity from its own rows of the input table inside the window, and from nobody else's.
 *
 * A table of rows is read once per batch and entity column, over the dates that all windows reach. The tier of an input row is the worst of its own assessment and of what that
 * table's own inputs give it, and so on along the DAG. A table whose owner is not assessed and has no inputs says itself what its rows are worth, in quality_tier, if it has one. */
#include <stdlib.h>
#include <string.h>

#include <sluice/inherit.h>

#include "gather_quality.h"

/* Rows by who they are about, and which of the sources serves them. */
struct row {
    sl_date date;
    const char *unit, *entity; /* unit "": by date */
    size_t source;
};

struct sl_input_table {
    const char *table, *column;
    const struct sl_source *sources;
    size_t n_sources;
    const struct sl_processor *owner; /* NULL: nobody's */
    const struct sl_phase *phase;
    sl_date from, to;
    bool is_input; /* tiers of its rows are wanted, not only who they are about */
    bool planning, building, built;
    const char *error; /* it could not be asked */
    struct row *rows;  /* ascending by (date, unit, entity) */
    size_t n;
    struct sl_row_tier *tiers; /* of the rows */
    size_t n_tiers;
};

static bool by_date(const struct sl_assessing *a, const struct sl_source *source)
{
    return !sl_has_units(a->worker) || !source->unit_column;
}

static struct sl_input_table *find(const struct sl_assessing *a, const char *table, const char *column)
{
    for (size_t i = 0; i < a->n_tables; i++)
        if (!strcmp(a->tables[i]->table, table) && !strcmp(a->tables[i]->column, column))
            return a->tables[i];
    return NULL;
}

static struct sl_input_table *find_or_add(struct sl_assessing *a, const char *table, const char *column)
{
    struct sl_input_table *found = find(a, table, column);
    if (found)
        return found;
    found = sl_arena_alloc(a->arena, sizeof *found);
    *found = (struct sl_input_table){.table = table, .column = column, .from = INT32_MAX, .to = INT32_MIN};
    found->sources = sl_table_sources(a->worker, table, &found->n_sources, &found->owner, &found->phase, a->arena);
    a->tables = sl_arena_push(a->arena, a->tables, &a->n_tables, sizeof *a->tables);
    a->tables[a->n_tables - 1] = found;
    return found;
}

/* Nobody assesses its rows: they say themselves. */
static bool says_itself(const struct sl_input_table *t)
{
    return !t->owner || (!t->owner->quality && !t->owner->n_inputs);
}

/* ---- what is to be asked ---- */

static sl_date not_before(const struct sl_assessing *a, sl_date date)
{
    return sl_config_not_before(a->worker->config, sl_calendar_season_of(&a->worker->calendar, date));
}

/* The first date that a window may reach. Without a season it reaches back a year at most. */
static sl_date window_from(const struct sl_assessing *a, const struct sl_window *window, sl_date date)
{
    enum { A_YEAR = 366 };
    const sl_date limit = not_before(a, date);
    const sl_date from = window->kind == SL_WINDOW_DAYS ? date - window->n + 1 : limit == SL_DATE_NONE ? date - A_YEAR : limit;
    return from < limit ? limit : from;
}

/* Whether this widens what was to be asked. */
static bool widen(struct sl_assessing *a, struct sl_input_table *t, sl_date from, sl_date to, bool as_input)
{
    const bool wider = from < t->from || to > t->to || (as_input && !t->is_input);
    t->from = from < t->from ? from : t->from;
    t->to = to > t->to ? to : t->to;
    t->is_input |= as_input;
    if (!wider)
        return false;
    if (t->is_input && says_itself(t))
        sl_entities_add(a->entities, &t->sources[0], t->column, by_date(a, &t->sources[0]), true, t->from, t->to);
    else
        for (size_t s = 0; s < t->n_sources; s++)
            sl_entities_add(a->entities, &t->sources[s], t->column, by_date(a, &t->sources[s]), false, t->from, t->to);
    return true;
}

/* A table and, when it is an input, what its rows are made from. A table that is made from itself is not gone into again. */
static void want(struct sl_assessing *a, const char *table, const char *column, sl_date from, sl_date to, bool as_input)
{
    struct sl_input_table *t = find_or_add(a, table, column);
    if (!widen(a, t, from, to, as_input) || !t->is_input || !t->owner || t->planning)
        return;
    t->planning = true;
    for (size_t i = 0; i < t->owner->n_inputs; i++) {
        const struct sl_input *input = &t->owner->inputs[i];
        want(a, t->table, input->entity_column, t->from, t->to, false);
        want(a, input->table, input->entity_column, window_from(a, &input->window, t->from), t->to, true);
    }
    t->planning = false;
}

void sl_inputs_plan(struct sl_assessing *a, const struct sl_processor *processor, const struct sl_input *input, sl_date date)
{
    want(a, processor->sources[0].table, input->entity_column, date, date, false);
    want(a, input->table, input->entity_column, window_from(a, &input->window, date), date, true);
}

/* ---- who the rows are about ---- */

static int compare_rows(const void *left, const void *right)
{
    const struct row *x = left, *y = right;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    const int order = x->unit == y->unit ? 0 : strcmp(x->unit, y->unit);
    return order ? order : strcmp(x->entity, y->entity);
}

/* The first of the rows that is not before (date, unit). */
static size_t lower_bound(const struct row *rows, size_t n, sl_date date, const char *unit)
{
    size_t low = 0, high = n;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (rows[middle].date < date || (rows[middle].date == date && strcmp(rows[middle].unit, unit) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Does a source before have rows of the unit, or of its date where one of both is judged by date? */
static bool is_served(const struct row *rows, size_t n, sl_date date, const char *unit)
{
    const size_t first = lower_bound(rows, n, date, "");
    if (first == n || rows[first].date != date)
        return false;
    if (!*unit || !*rows[first].unit)
        return true;
    const size_t at = lower_bound(rows, n, date, unit);
    return at < n && rows[at].date == date && !strcmp(rows[at].unit, unit);
}

static size_t add_source(struct row *rows, size_t n, const struct sl_entity_answer *answer, size_t source)
{
    size_t all = n;
    bool served = false;
    for (size_t i = 0; i < answer->n; i++) {
        const struct sl_entity_row *row = &answer->rows[i];
        const struct sl_entity_row *before = i ? &answer->rows[i - 1] : NULL;
        if (!before || before->date != row->date || strcmp(before->unit, row->unit) != 0)
            served = is_served(rows, n, row->date, row->unit);
        if (!served)
            rows[all++] = (struct row){.date = row->date, .unit = row->unit, .entity = row->entity, .source = source};
    }
    if (source > 0 && all > n)
        qsort(rows, all, sizeof *rows, compare_rows);
    return all;
}

/* Per unit the first source that has rows, as everywhere. */
static void sort_table(struct sl_assessing *a, struct sl_input_table *t)
{
    size_t most = 0;
    for (size_t s = 0; s < t->n_sources; s++)
        most += sl_entities_answer(a->entities, &t->sources[s], t->column, by_date(a, &t->sources[s]), false).n;
    t->rows = sl_arena_array(a->arena, most + 1, sizeof *t->rows);
    for (size_t s = 0; s < t->n_sources; s++) {
        const struct sl_entity_answer answer = sl_entities_answer(a->entities, &t->sources[s], t->column, by_date(a, &t->sources[s]),
                                                                  false);
        if (s == 0)
            t->error = answer.error;
        t->n = add_source(t->rows, t->n, &answer, s);
    }
}

static bool same_unit(const struct row *x, const struct row *y)
{
    return x->date == y->date && !strcmp(x->unit, y->unit);
}

static const char *asked_unit(const struct row *row)
{
    return *row->unit ? row->unit : NULL;
}

void sl_inputs_sort(struct sl_assessing *a, struct sl_sources *sources)
{
    for (size_t i = 0; i < a->n_tables; i++) {
        struct sl_input_table *t = a->tables[i];
        if (t->is_input && says_itself(t))
            continue;
        sort_table(a, t);
        for (size_t k = 0; t->is_input && t->owner->reconstruction_sql && t->owner->quality && k < t->n; k++)
            if (t->rows[k].source == 0 && (k == 0 || !same_unit(&t->rows[k - 1], &t->rows[k])))
                sl_questions_add(&sources->reconstructed, &t->sources[0], t->rows[k].date, asked_unit(&t->rows[k]));
    }
}

void sl_inputs_tally(struct sl_assessing *a, const struct sl_sources *sources)
{
    for (size_t i = 0; i < a->n_tables; i++) {
        struct sl_input_table *t = a->tables[i];
        if (!t->is_input || !t->owner || !t->owner->quality)
            continue;
        for (size_t k = 0; k < t->n; k++) {
            struct row *row = &t->rows[k];
            if (k && same_unit(&t->rows[k - 1], row)) {
                row->source = t->rows[k - 1].source;
                continue;
            }
            if (row->source == 0 && t->owner->reconstruction_sql &&
                sl_questions_answer(&sources->reconstructed, &t->sources[0], row->date, asked_unit(row)).present)
                row->source = t->n_sources;
            sl_tally_add(&a->tallies, t->owner, row->source, row->date, asked_unit(row));
        }
    }
}

/* ---- what the rows are worth ---- */

static void build(struct sl_assessing *a, struct sl_input_table *t);

/* The least score of a tier: the row does not say more. */
static double floor_of(const struct sl_assessing *a, enum sl_tier tier)
{
    return tier == SL_TIER_UNUSABLE ? 0 : a->worker->config->quality.thresholds[tier];
}

static void build_from_columns(struct sl_assessing *a, struct sl_input_table *t)
{
    const struct sl_entity_answer answer = sl_entities_answer(a->entities, &t->sources[0], t->column, by_date(a, &t->sources[0]), true);
    t->error = answer.error;
    t->tiers = sl_arena_array(a->arena, answer.n + 1, sizeof *t->tiers);
    for (size_t i = 0; i < answer.n && answer.has_tiers; i++) {
        const struct sl_entity_row *row = &answer.rows[i];
        const enum sl_tier tier = sl_tier_read(row->tier);
        struct sl_row_tier *last = t->n_tiers ? &t->tiers[t->n_tiers - 1] : NULL;
        if (last && last->date == row->date && !strcmp(last->unit, row->unit) && !strcmp(last->entity, row->entity)) {
            last->tier = tier > last->tier ? tier : last->tier;
            last->score = floor_of(a, last->tier);
            continue;
        }
        t->tiers[t->n_tiers++] = (struct sl_row_tier){.date = row->date,
                                                      .unit = row->unit,
                                                      .entity = row->entity,
                                                      .tier = tier,
                                                      .score = floor_of(a, tier),
                                                      .culprit = {.table = t->table,
                                                                  .phase = t->phase ? t->phase->name : NULL,
                                                                  .processor = t->owner ? t->owner->name : NULL,
                                                                  .date = row->date,
                                                                  .unit = *row->unit ? row->unit : NULL,
                                                                  .entity = row->entity}};
    }
}

/* The rows' own assessment: that of their unit; gold where nobody assesses it. */
static void build_from_rows(struct sl_assessing *a, struct sl_input_table *t)
{
    struct sl_unit_quality found = {0};
    t->tiers = sl_arena_array(a->arena, t->n + 1, sizeof *t->tiers);
    for (size_t i = 0; i < t->n && !t->error; i++) {
        const struct row *row = &t->rows[i];
        if (t->owner->quality && (i == 0 || !same_unit(&t->rows[i - 1], row)))
            t->error = sl_tally_assess(&found, &a->tallies, &a->worker->config->quality, t->owner, row->source, row->date, asked_unit(row),
                                       a->arena);
        t->tiers[t->n_tiers++] = (struct sl_row_tier){.date = row->date,
                                                      .unit = row->unit,
                                                      .entity = row->entity,
                                                      .tier = t->owner->quality ? found.quality.tier : SL_TIER_GOLD,
                                                      .score = t->owner->quality ? found.quality.score : 100,
                                                      .issues = found.quality.issues,
                                                      .n_issues = found.quality.n_issues,
                                                      .culprit = {.phase = t->phase->name,
                                                                  .processor = t->owner->name,
                                                                  .table = sl_source_name(t->owner, row->source),
                                                                  .date = row->date,
                                                                  .unit = *row->unit ? row->unit : NULL}};
    }
}

/* Who the table's rows of a date are about: ascending, each once. */
static size_t entities_on(struct sl_assessing *a, const struct sl_input_table *t, sl_date date, const char ***out)
{
    const size_t first = lower_bound(t->rows, t->n, date, ""), end = lower_bound(t->rows, t->n, date + 1, "");
    size_t n = 0;
    struct row *rows = sl_arena_array(a->arena, end - first + 1, sizeof *rows);
    *out = sl_arena_array(a->arena, end - first + 1, sizeof **out);
    for (size_t i = first; i < end; i++)
        rows[i - first] = (struct row){.unit = "", .entity = t->rows[i].entity};
    if (end > first)
        qsort(rows, end - first, sizeof *rows, compare_rows);
    for (size_t i = 0; i < end - first; i++)
        if (n == 0 || strcmp((*out)[n - 1], rows[i].entity) != 0)
            (*out)[n++] = rows[i].entity;
    return n;
}

static size_t first_tier(const struct sl_input_table *t, sl_date date)
{
    size_t low = 0, high = t->n_tiers;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (t->tiers[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* What the entities of `own` on the date inherit from the input's rows. */
static void inherit(struct sl_assessing *a, struct sl_inherited *out, const struct sl_input_table *own, const struct sl_input *input,
                    const struct sl_input_table *from, sl_date date)
{
    const char **entities = NULL;
    const size_t n = entities_on(a, own, date, &entities);
    const size_t first = first_tier(from, window_from(a, &input->window, date)), end = first_tier(from, date + 1);
    sl_inherit_input(out, &input->window, date, not_before(a, date), from->tiers + first, end > first ? end - first : 0, entities, n,
                     a->arena);
}

static const struct sl_inherited_part *part_of(const struct sl_inherited *inherited, const char *key)
{
    size_t low = 0, high = inherited->n_parts;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(inherited->parts[middle].key, key);
        if (order == 0)
            return &inherited->parts[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static void add_issues(struct sl_assessing *a, struct sl_row_tier *row, const struct sl_inherited_part *part)
{
    const struct sl_quality_item items[] = {{row->tier, row->score, row->issues, row->n_issues},
                                            {part->tier, part->score, part->issues, part->n_issues}};
    struct sl_quality_item worst;
    struct sl_err none;
    if (sl_quality_worst(&worst, NULL, items, 2, a->arena, &none) != SL_OK)
        return;
    if (part->tier > row->tier || (part->tier == row->tier && part->score < row->score))
        row->culprit = part->culprit;
    row->tier = worst.tier;
    row->score = worst.score;
    row->issues = worst.issues;
    row->n_issues = worst.n_issues;
}

/* A row is about its entity by the input's column; where that is another kind of entity than ours, about all that its unit has of it. */
static void lower_row(struct sl_assessing *a, const struct sl_input_table *t, struct sl_row_tier *row, const struct sl_input_table *by,
                      const struct sl_inherited *inherited)
{
    const struct sl_inherited_part *part = NULL;
    if (by == t) {
        part = part_of(inherited, row->entity);
        if (part)
            add_issues(a, row, part);
        return;
    }
    for (size_t i = lower_bound(by->rows, by->n, row->date, row->unit); i < by->n; i++) {
        if (by->rows[i].date != row->date || strcmp(by->rows[i].unit, row->unit) != 0)
            return;
        part = part_of(inherited, by->rows[i].entity);
        if (part)
            add_issues(a, row, part);
    }
}

/* What the table's own input gives to its rows, date by date. */
static void lower_rows(struct sl_assessing *a, struct sl_input_table *t, const struct sl_input *input)
{
    struct sl_input_table *from = find(a, input->table, input->entity_column), *by = find(a, t->table, input->entity_column);
    if (!from || !by || from->building)
        return;
    build(a, from);
    if (from->error || by->error)
        t->error = from->error ? from->error : by->error;
    for (size_t i = 0; from->n_tiers && i < t->n_tiers;) {
        struct sl_inherited inherited = {0};
        const sl_date date = t->tiers[i].date;
        inherit(a, &inherited, by, input, from, date);
        for (; i < t->n_tiers && t->tiers[i].date == date; i++)
            lower_row(a, t, &t->tiers[i], by, &inherited);
    }
}

static void build(struct sl_assessing *a, struct sl_input_table *t)
{
    if (t->built)
        return;
    t->built = t->building = true;
    if (says_itself(t)) {
        build_from_columns(a, t);
    } else {
        build_from_rows(a, t);
        for (size_t i = 0; i < t->owner->n_inputs && !t->error; i++)
            lower_rows(a, t, &t->owner->inputs[i]);
    }
    t->building = false;
}

bool sl_inputs_take(struct sl_assessing *a, struct sl_inherited *out, const struct sl_processor *processor, const struct sl_input *input,
                    sl_date date)
{
    const struct sl_input_table *own = find(a, processor->sources[0].table, input->entity_column);
    struct sl_input_table *from = find(a, input->table, input->entity_column);
    if (!own || !from)
        return false;
    build(a, from);
    const char *error = own->error ? own->error : from->error;
    if (error)
        out->error = error;
    else if (from->n_tiers)
        inherit(a, out, own, input, from, date);
    return true;
}
