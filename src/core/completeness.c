/* completeness.c - who has how many of the units that it should have.
 * One walk over the calendar, backwards from the date, gives every entity of the date its window as claims (entity, unit); then each unit's claims are merged with the rows that
 * are present for it. Nothing is asked per entity, so 100,000 of them cost little more than their names. */
#include <sluice/completeness.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An entity is due to have rows of a unit. */
struct claim {
    size_t unit, entity; /* indices */
    bool present, excused;
};

struct windows {
    const struct sl_completeness_ask *ask;
    struct sl_arena *arena;
    const char **names; /* the entities of the date, ascending */
    size_t n_names;
    struct sl_map *index; /* name -> index + 1 */
    size_t *taken;        /* per entity: units in its window so far */
    size_t *last;         /* per entity: its newest claim's unit + 1 */
    size_t n_full;
    struct claim *claims; /* units descending, entities ascending within one */
    size_t n_claims;
};

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_entity(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    return (x->entity > y->entity) - (x->entity < y->entity);
}

/* The first of the units after the date. */
static size_t units_end(const struct sl_completeness_ask *ask, sl_date date)
{
    size_t low = 0, high = ask->n_units;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ask->units[middle].date <= date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct sl_row_entities *entities_of(const struct sl_completeness_ask *ask, size_t unit)
{
    static const struct sl_row_entities NOBODY = {0};
    const struct sl_row_entities *kinds = ask->units[unit].kinds;
    return kinds == NULL ? &NOBODY : &kinds[ask->kind];
}

/* Who takes part in the date's planned units, done or not. */
static void find_names(struct windows *w)
{
    const struct sl_completeness_ask *ask = w->ask;
    size_t end = units_end(ask, ask->date), n = 0, kept = 0;
    for (size_t i = end; i > 0 && ask->units[i - 1].date == ask->date; i--) {
        const struct sl_row_entities *who = entities_of(ask, i - 1);
        for (size_t k = 0; ask->units[i - 1].planned && k < who->n; k++) {
            w->names = sl_arena_push(w->arena, w->names, &n, sizeof *w->names);
            w->names[n - 1] = who->names[k];
        }
    }
    if (n > 0)
        qsort(w->names, n, sizeof *w->names, by_bytes);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(w->names[kept - 1], w->names[i]) != 0)
            w->names[kept++] = w->names[i];
    w->n_names = kept;
}

static void index_names(struct windows *w)
{
    w->index = sl_map_create();
    w->taken = sl_arena_array(w->arena, w->n_names + 1, sizeof *w->taken);
    w->last = sl_arena_array(w->arena, w->n_names + 1, sizeof *w->last);
    for (size_t i = 0; i < w->n_names; i++)
        sl_map_put(w->index, w->names[i], (void *)(uintptr_t)(i + 1));
}

static size_t most_units(const struct sl_window *window)
{
    return window->kind == SL_WINDOW_DAYS ? SIZE_MAX : (size_t)window->n;
}

/* The first date that may be in a window. */
static sl_date window_first(const struct sl_completeness_ask *ask)
{
    int64_t first = ask->window.kind == SL_WINDOW_DAYS ? (int64_t)ask->date - ask->window.n + 1 : INT32_MIN;
    if (ask->not_before != SL_DATE_NONE && first < ask->not_before)
        first = ask->not_before;
    return (sl_date)(first < INT32_MIN ? INT32_MIN : first);
}

static void claim_unit(struct windows *w, size_t unit, size_t entity)
{
    size_t most = most_units(&w->ask->window);
    if (w->taken[entity] == most || w->last[entity] == unit + 1)
        return;
    w->last[entity] = unit + 1;
    if (++w->taken[entity] == most)
        w->n_full++;
    w->claims = sl_arena_push(w->arena, w->claims, &w->n_claims, sizeof *w->claims);
    w->claims[w->n_claims - 1] = (struct claim){.unit = unit, .entity = entity};
}

/* From the date back until every window is full or its time is over. */
static void walk_back(struct windows *w)
{
    const struct sl_completeness_ask *ask = w->ask;
    const sl_date first = window_first(ask);
    for (size_t i = units_end(ask, ask->date); i > 0 && ask->units[i - 1].date >= first && w->n_full < w->n_names; i--) {
        const struct sl_row_entities *who = entities_of(ask, i - 1);
        size_t before = w->n_claims;
        for (size_t k = 0; ask->units[i - 1].done && k < who->n; k++) {
            size_t entity = (size_t)(uintptr_t)sl_map_get(w->index, who->names[k]);
            if (entity > 0)
                claim_unit(w, i - 1, entity - 1);
        }
        if (w->n_claims - before > 1)
            qsort(&w->claims[before], w->n_claims - before, sizeof *w->claims, by_entity);
    }
}

static void windows_make(struct windows *w, const struct sl_completeness_ask *ask, struct sl_arena *arena)
{
    *w = (struct windows){.ask = ask, .arena = arena};
    find_names(w);
    index_names(w);
    walk_back(w);
    sl_map_destroy(&w->index);
}

static sl_date first_date(const struct windows *w)
{
    return w->n_claims == 0 ? w->ask->date : w->ask->units[w->claims[w->n_claims - 1].unit].date;
}

sl_date sl_completeness_from(const struct sl_completeness_ask *ask)
{
    struct sl_arena arena = {0};
    struct windows w;
    windows_make(&w, ask, &arena);
    sl_date from = first_date(&w);
    sl_arena_fini(&arena);
    return from;
}

/* ---- what is present ---- */

/* The first row that does not come before (date, unit). */
static size_t rows_at(const struct sl_entity_row *rows, size_t n, sl_date date, const char *unit)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct sl_entity_row *row = &rows[middle];
        if (row->date < date || (row->date == date && strcmp(row->unit, unit) < 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Mark the claims (of one unit, entities ascending) that have a row of (date, unit). */
static void mark_present(const struct windows *w, struct claim *claims, size_t n, const struct sl_entity_row *rows, size_t n_rows,
                         sl_date date, const char *unit)
{
    size_t at = rows_at(rows, n_rows, date, unit), i = 0;
    while (i < n && at < n_rows && rows[at].date == date && strcmp(rows[at].unit, unit) == 0) {
        int order = strcmp(w->names[claims[i].entity], rows[at].entity);
        if (order == 0)
            claims[i].present = true;
        i += order <= 0;
        at += order >= 0;
    }
}

static bool any_missing(const struct claim *claims, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!claims[i].present)
            return true;
    return false;
}

/* The number of claims of the unit that the claims start with. */
static size_t claims_of_unit(const struct claim *claims, size_t n)
{
    size_t i = 1;
    while (i < n && claims[i].unit == claims[0].unit)
        i++;
    return i;
}

/* Which claims are met, and which are missing but excused; the number of units that are. */
static size_t judge(struct windows *w, const struct sl_entity_row *present, size_t n_present,
                    bool (*excused)(void *arg, sl_date date, const char *unit), void *arg)
{
    size_t n_excused = 0;
    for (size_t at = 0, n = 0; at < w->n_claims; at += n) {
        struct claim *claims = &w->claims[at];
        const struct sl_calendar_row *unit = &w->ask->units[claims->unit];
        n = claims_of_unit(claims, w->n_claims - at);
        mark_present(w, claims, n, present, n_present, unit->date, "");
        mark_present(w, claims, n, present, n_present, unit->date, unit->unit);
        if (excused == NULL || !any_missing(claims, n) || !excused(arg, unit->date, unit->unit))
            continue;
        n_excused++;
        for (size_t i = 0; i < n; i++)
            claims[i].excused = !claims[i].present;
    }
    return n_excused;
}

/* ---- the facts ---- */

/* A known gap excuses these, too. */
static void find_nameless(const struct sl_completeness_ask *ask, bool (*excused)(void *arg, sl_date date, const char *unit), void *arg,
                          struct sl_completeness_facts *out, struct sl_arena *arena)
{
    const size_t end = units_end(ask, ask->date);
    for (size_t i = units_end(ask, ask->date - 1); i < end; i++) {
        const struct sl_calendar_row *unit = &ask->units[i];
        if (!unit->planned || !unit->done || entities_of(ask, i)->n > 0 || (excused != NULL && excused(arg, unit->date, unit->unit)))
            continue;
        out->nameless = sl_arena_push(arena, out->nameless, &out->n_nameless, sizeof *out->nameless);
        out->nameless[out->n_nameless - 1] = unit->unit;
    }
}

static void count_claims(const struct windows *w, struct sl_completeness_facts *out)
{
    for (size_t i = 0; i < w->n_claims; i++) {
        struct sl_entity_facts *entity = &out->entities[w->claims[i].entity];
        entity->n_expected += !w->claims[i].excused;
        entity->n_actual += w->claims[i].present;
    }
}

/* Ascending by (date, unit): the claims backwards. */
static void name_missing(const struct windows *w, struct sl_completeness_facts *out)
{
    for (size_t i = 0; i < out->n_entities; i++)
        out->entities[i].missing = sl_arena_array(w->arena, out->entities[i].n_expected - out->entities[i].n_actual + 1, sizeof(char *));
    for (size_t i = w->n_claims; i > 0; i--) {
        const struct claim *claim = &w->claims[i - 1];
        struct sl_entity_facts *entity = &out->entities[claim->entity];
        if (!claim->present && !claim->excused)
            entity->missing[entity->n_missing++] = w->ask->units[claim->unit].unit;
    }
}

void sl_completeness_find(struct sl_completeness_facts *out, const struct sl_completeness_ask *ask, const struct sl_entity_row *present,
                          size_t n_present, bool (*excused)(void *arg, sl_date date, const char *unit), void *arg, struct sl_arena *arena)
{
    struct windows w;
    windows_make(&w, ask, arena);
    *out = (struct sl_completeness_facts){.gathered = true, .from = first_date(&w), .to = ask->date, .n_entities = w.n_names};
    out->entities = sl_arena_array(arena, w.n_names + 1, sizeof *out->entities);
    for (size_t i = 0; i < w.n_names; i++)
        out->entities[i].entity = w.names[i];
    out->n_excused = judge(&w, present, n_present, excused, arg);
    count_claims(&w, out);
    name_missing(&w, out);
    find_nameless(ask, excused, arg, out, arena);
}

double sl_completeness_pct(size_t n_actual, size_t n_expected)
{
    return n_expected == 0 ? 100.0 : round(1000.0 * (double)n_actual / (double)n_expected) / 10.0;
}

bool sl_entity_is_complete(const struct sl_entity_facts *entity, double threshold)
{
    return (double)entity->n_actual >= threshold * (double)entity->n_expected - 1e-9;
}
