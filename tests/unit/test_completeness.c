/* test_completeness.c - windows of units and days per entity, what is present of them, what is excused; and random calendars against a model that looks at everything. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/completeness.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define DAY(n)   ((sl_date)(20000 + (n)))

/* "1 g1 A,B; 2 g2 A,C -; 3 g3 B,C *": day, unit, entities; "-": planned, not done; "*": done, not planned. Ascending. */
static struct sl_calendar_row *calendar(const char *text, size_t *n, struct sl_arena *arena)
{
    struct sl_calendar_row *rows = NULL;
    char *copy = sl_arena_strdup(arena, text), *save = NULL;
    *n = 0;
    for (char *part = strtok_r(copy, ";", &save); part != NULL; part = strtok_r(NULL, ";", &save)) {
        char *inner = NULL, *names = NULL, *day = strtok_r(part, " ", &inner), *unit = strtok_r(NULL, " ", &inner);
        rows = sl_arena_push(arena, rows, n, sizeof *rows);
        struct sl_calendar_row *row = &rows[*n - 1];
        *row = (struct sl_calendar_row){.date = DAY(atoi(day)), .unit = unit, .season = "s", .planned = true, .done = true};
        row->kinds = sl_arena_array(arena, 2, sizeof *row->kinds);
        struct sl_row_entities *who = &row->kinds[1];
        char *list = strtok_r(NULL, " ", &inner), *mark = strtok_r(NULL, " ", &inner);
        for (char *name = strtok_r(list, ",", &names); name != NULL; name = strtok_r(NULL, ",", &names)) {
            who->names = sl_arena_push(arena, who->names, &who->n, sizeof *who->names);
            who->names[who->n - 1] = name;
        }
        row->done = mark == NULL || *mark != '-';
        row->planned = mark == NULL || *mark != '*';
    }
    return rows;
}

static int by_row(const void *a, const void *b)
{
    const struct sl_entity_row *x = a, *y = b;
    if (x->date != y->date)
        return x->date < y->date ? -1 : 1;
    int order = strcmp(x->unit, y->unit);
    return order != 0 ? order : strcmp(x->entity, y->entity);
}

/* "1 g1 A; 2 . B": day, unit ("." for none), entity. */
static struct sl_entity_row *rows_of(const char *text, size_t *n, struct sl_arena *arena)
{
    struct sl_entity_row *rows = NULL;
    char *copy = sl_arena_strdup(arena, text), *save = NULL;
    *n = 0;
    for (char *part = strtok_r(copy, ";", &save); part != NULL; part = strtok_r(NULL, ";", &save)) {
        char *inner = NULL, *day = strtok_r(part, " ", &inner), *unit = strtok_r(NULL, " ", &inner);
        rows = sl_arena_push(arena, rows, n, sizeof *rows);
        rows[*n - 1] = (struct sl_entity_row){DAY(atoi(day)), *unit == '.' ? "" : unit, strtok_r(NULL, " ", &inner), NULL};
    }
    return rows;
}

/* arg: " g2 g5 ": the units that a known gap excuses. */
static bool is_excused(void *arg, sl_date date, const char *unit)
{
    char word[32];
    (void)date;
    snprintf(word, sizeof word, " %s ", unit);
    return arg != NULL && strstr(arg, word) != NULL;
}

/* "A 1/2 g2; B 0/0; excused 1, from day 1" */
static void tell(struct sl_buf *out, const struct sl_completeness_facts *facts)
{
    for (size_t i = 0; i < facts->n_entities; i++) {
        const struct sl_entity_facts *entity = &facts->entities[i];
        sl_buf_printf(out, "%s %zu/%zu", entity->entity, entity->n_actual, entity->n_expected);
        for (size_t k = 0; k < entity->n_missing; k++)
            sl_buf_printf(out, " %s", entity->missing[k]);
        sl_buf_str(out, "; ");
    }
    for (size_t i = 0; i < facts->n_nameless; i++)
        sl_buf_printf(out, "nobody %s; ", facts->nameless[i]);
    sl_buf_printf(out, "excused %zu, from day %d", facts->n_excused, facts->from - DAY(0));
}

#define SEASON "1 g1 A,B;2 g2 A,C;3 g3 B,C;4 g4 A,B;5 g5 A,C;6 g6 B,D"

Test(completeness, windows)
{
    static const struct {
        const char *label, *units;
        struct sl_window window;
        int day, not_before; /* 0: none */
        const char *present, *excused, *told;
    } rows[] = {
        {"all there",
         SEASON,
         {SL_WINDOW_UNITS, 2},
         4,
         0,
         "1 g1 A;3 g3 B;4 g4 A;4 g4 B;2 g2 A",
         NULL,
         "A 2/2; B 2/2; excused 0, from day 2"},
        {"only the entities of the date count",
         SEASON,
         {SL_WINDOW_UNITS, 10},
         1,
         0,
         "1 g1 A;1 g1 B",
         NULL,
         "A 1/1; B 1/1; excused 0, from day 1"},
        {"home and away count", SEASON, {SL_WINDOW_UNITS, 10}, 6, 0, "", NULL, "B 0/4 g1 g3 g4 g6; D 0/1 g6; excused 0, from day 1"},
        {"missing ones by name, oldest first",
         SEASON,
         {SL_WINDOW_UNITS, 3},
         5,
         0,
         "4 g4 A;5 g5 C",
         NULL,
         "A 1/3 g2 g5; C 1/3 g2 g3; excused 0, from day 2"},
        {"the unit is there, for somebody else",
         SEASON,
         {SL_WINDOW_UNITS, 1},
         4,
         0,
         "4 g4 B",
         NULL,
         "A 0/1 g4; B 1/1; excused 0, from day 4"},
        {"the entity is there, in another unit",
         SEASON,
         {SL_WINDOW_UNITS, 1},
         4,
         0,
         "2 g2 A;4 g5 A",
         NULL,
         "A 0/1 g4; B 0/1 g4; excused 0, from day 4"},
        {"days, the date one of them",
         SEASON,
         {SL_WINDOW_DAYS, 3},
         5,
         0,
         "3 g3 C;5 g5 C",
         NULL,
         "A 0/2 g4 g5; C 2/2; excused 0, from day 3"},
        {"one day", SEASON, {SL_WINDOW_DAYS, 1}, 5, 0, "5 g5 A", NULL, "A 1/1; C 0/1 g5; excused 0, from day 5"},
        {"the season's start", SEASON, {SL_WINDOW_UNITS, 10}, 5, 3, "5 g5 A", NULL, "A 1/2 g4; C 0/2 g3 g5; excused 0, from day 3"},
        {"the season's start, in days", SEASON, {SL_WINDOW_DAYS, 100}, 5, 4, "", NULL, "A 0/2 g4 g5; C 0/1 g5; excused 0, from day 4"},
        {"units of later dates don't count",
         SEASON,
         {SL_WINDOW_UNITS, 10},
         2,
         0,
         "5 g5 A",
         NULL,
         "A 0/2 g1 g2; C 0/1 g2; excused 0, from day 1"},
        {"a date without units", SEASON, {SL_WINDOW_UNITS, 10}, 9, 0, "1 g1 A", NULL, "excused 0, from day 9"},
        {"not done is not expected, its entities are",
         "1 g1 A,B;2 g2 A,C -",
         {SL_WINDOW_UNITS, 5},
         2,
         0,
         "1 g1 A",
         NULL,
         "A 1/1; C 0/0; excused 0, from day 1"},
        {"nobody takes part: only of the date, planned, done and not excused",
         "1 g1 ,;2 g2 A;2 g3 ,;2 g4 , -;2 g5 , *;2 g6 ,;2 g7 ,;3 g8 ,",
         {SL_WINDOW_UNITS, 5},
         2,
         0,
         "2 g2 A",
         " g6 ",
         "A 1/1; nobody g3; nobody g7; excused 0, from day 2"},
        {"not planned brings no entities", "1 g1 A,B;2 g2 A,C *", {SL_WINDOW_UNITS, 5}, 2, 0, "", NULL, "excused 0, from day 2"},
        {"a row without unit stands for all of its date",
         "1 g1 A,B;1 g2 A,C;2 g3 A,B",
         {SL_WINDOW_UNITS, 5},
         2,
         0,
         "1 . A;2 g3 A",
         NULL,
         "A 3/3; B 0/2 g1 g3; excused 0, from day 1"},
        {"two units of a date",
         "1 g1 A,B;1 g2 A,B;1 g3 A,B",
         {SL_WINDOW_UNITS, 2},
         1,
         0,
         "1 g1 A;1 g2 A;1 g3 B",
         NULL,
         "A 1/2 g3; B 1/2 g2; excused 0, from day 1"},
        {"excused where it is missing",
         SEASON,
         {SL_WINDOW_UNITS, 2},
         4,
         0,
         "4 g4 A;3 g3 B",
         " g4 g2 ",
         "A 1/1; B 1/1; excused 2, from day 2"},
        {"an excuse for what is there", SEASON, {SL_WINDOW_UNITS, 1}, 4, 0, "4 g4 A;4 g4 B", " g4 ", "A 1/1; B 1/1; excused 0, from day 4"},
        {"everything excused", SEASON, {SL_WINDOW_UNITS, 1}, 4, 0, "", " g4 ", "A 0/0; B 0/0; excused 1, from day 4"},
        {"an entity named twice in a unit",
         "1 g1 A,A,B",
         {SL_WINDOW_UNITS, 3},
         1,
         0,
         "1 g1 A",
         NULL,
         "A 1/1; B 0/1 g1; excused 0, from day 1"},
        {"names that end alike",
         "1 g1 LA,LAL,LAC",
         {SL_WINDOW_UNITS, 3},
         1,
         0,
         "1 g1 LAL",
         NULL,
         "LA 0/1 g1; LAC 0/1 g1; LAL 1/1; excused 0, from day 1"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct sl_arena arena = {0};
        struct sl_completeness_ask ask = {.kind = 1, .window = rows[i].window, .date = DAY(rows[i].day)};
        struct sl_completeness_facts facts;
        struct sl_buf told = {0};
        size_t n = 0;
        ask.units = calendar(rows[i].units, &ask.n_units, &arena);
        ask.not_before = rows[i].not_before == 0 ? SL_DATE_NONE : DAY(rows[i].not_before);
        struct sl_entity_row *present = rows_of(rows[i].present, &n, &arena);
        if (n > 1)
            qsort(present, n, sizeof *present, by_row);
        sl_completeness_find(&facts, &ask, present, n, is_excused, (void *)(uintptr_t)rows[i].excused, &arena);
        tell(&told, &facts);
        cr_expect_str_eq(sl_buf_text(&told), rows[i].told, "%s:\n  found    %s\n  expected %s", rows[i].label, sl_buf_text(&told),
                         rows[i].told);
        cr_expect_eq(sl_completeness_from(&ask), facts.from, "%s", rows[i].label);
        cr_expect(facts.gathered && facts.to == ask.date, "%s", rows[i].label);
        sl_buf_fini(&told);
        sl_arena_fini(&arena);
    }
}

Test(completeness, per_cent)
{
    static const struct {
        size_t actual, expected;
        double pct;
    } rows[] = {{0, 0, 100}, {8, 10, 80}, {1, 3, 33.3}, {2, 3, 66.7}, {0, 7, 0}, {7, 7, 100}, {99999, 100000, 100}, {1, 16, 6.3}};
    for (size_t i = 0; i < N(rows); i++)
        cr_expect_float_eq(sl_completeness_pct(rows[i].actual, rows[i].expected), rows[i].pct, 1e-9, "%zu of %zu", rows[i].actual,
                           rows[i].expected);
}

/* ---- against a model ---- */

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % n;
}

static const char *const NAMES[] = {"A", "AA", "AB", "B", "C", "D'", "E;", "Z"};

struct world {
    struct sl_arena arena;
    struct sl_completeness_ask ask;
    struct sl_calendar_row *units;
    struct sl_entity_row *present;
    size_t n_present;
    char excused[4096];
};

static void add_present(struct world *w, sl_date date, const char *unit, const char *entity)
{
    w->present = sl_arena_push(&w->arena, w->present, &w->n_present, sizeof *w->present);
    w->present[w->n_present - 1] = (struct sl_entity_row){date, unit, entity, NULL};
}

static void add_unit(struct world *w, int day, int number)
{
    size_t n = w->ask.n_units;
    w->units = sl_arena_push(&w->arena, w->units, &w->ask.n_units, sizeof *w->units);
    struct sl_calendar_row *row = &w->units[n];
    *row = (struct sl_calendar_row){.date = DAY(day), .unit = sl_arena_printf(&w->arena, "u%02d%d", day, number)};
    row->done = below(8) > 0;
    row->planned = below(10) > 0;
    row->kinds = sl_arena_array(&w->arena, 1, sizeof *row->kinds);
    row->kinds->names = sl_arena_array(&w->arena, 3, sizeof *row->kinds->names);
    row->kinds->n = below(4);
    for (size_t k = 0; k < row->kinds->n; k++)
        row->kinds->names[k] = NAMES[below(N(NAMES))];
    if (below(6) == 0)
        snprintf(w->excused + strlen(w->excused), sizeof w->excused - strlen(w->excused), " %s ", row->unit);
}

static void world_make(struct world *w, uint64_t seed)
{
    *w = (struct world){0};
    state = seed;
    for (int day = 0; day < 30; day++)
        for (int k = (int)below(4); k > 0; k--)
            add_unit(w, day, 9 - k);
    for (size_t i = 0; i < w->ask.n_units; i++)
        for (size_t k = 0; k < N(NAMES); k++)
            if (below(3) > 0)
                add_present(w, w->units[i].date, below(20) == 0 ? "" : below(20) == 0 ? "other" : w->units[i].unit, NAMES[k]);
    if (w->n_present > 0)
        qsort(w->present, w->n_present, sizeof *w->present, by_row);
    w->ask.units = w->units;
    w->ask.window = (struct sl_window){below(2) ? SL_WINDOW_UNITS : SL_WINDOW_DAYS, 1 + (int)below(12)};
    w->ask.date = DAY((int)below(31));
    w->ask.not_before = below(2) ? SL_DATE_NONE : DAY((int)below(20));
}

static bool takes_part(const struct sl_calendar_row *row, const char *entity)
{
    for (size_t k = 0; k < row->kinds->n; k++)
        if (strcmp(row->kinds->names[k], entity) == 0)
            return true;
    return false;
}

static bool has_row(const struct world *w, const struct sl_calendar_row *row, const char *entity)
{
    for (size_t i = 0; i < w->n_present; i++) {
        const struct sl_entity_row *one = &w->present[i];
        if (one->date == row->date && (*one->unit == '\0' || strcmp(one->unit, row->unit) == 0) && strcmp(one->entity, entity) == 0)
            return true;
    }
    return false;
}

/* How many done units of the entity lie after this one, up to the date? */
static int newer(const struct world *w, size_t unit, const char *entity)
{
    int n = 0;
    for (size_t i = unit + 1; i < w->ask.n_units; i++)
        n += w->units[i].date <= w->ask.date && w->units[i].done && takes_part(&w->units[i], entity);
    return n;
}

static bool in_window(const struct world *w, size_t unit, const char *entity)
{
    const struct sl_calendar_row *row = &w->units[unit];
    if (!row->done || !takes_part(row, entity) || row->date > w->ask.date)
        return false;
    if (w->ask.not_before != SL_DATE_NONE && row->date < w->ask.not_before)
        return false;
    return w->ask.window.kind == SL_WINDOW_DAYS ? row->date > w->ask.date - w->ask.window.n : newer(w, unit, entity) < w->ask.window.n;
}

static bool is_of_date(const struct world *w, const char *entity)
{
    for (size_t i = 0; i < w->ask.n_units; i++)
        if (w->units[i].date == w->ask.date && w->units[i].planned && takes_part(&w->units[i], entity))
            return true;
    return false;
}

static void model_entity(const struct world *w, const char *entity, bool *unit_excused, int *from, struct sl_buf *out)
{
    struct sl_buf missing = {0};
    size_t n = 0, actual = 0;
    for (size_t i = 0; i < w->ask.n_units; i++) {
        const struct sl_calendar_row *row = &w->units[i];
        if (!in_window(w, i, entity))
            continue;
        bool there = has_row(w, row, entity), excused = !there && is_excused((void *)(uintptr_t)w->excused, row->date, row->unit);
        unit_excused[i] |= excused;
        *from = row->date < DAY(*from) ? row->date - DAY(0) : *from;
        n += !excused;
        actual += there;
        if (!there && !excused)
            sl_buf_printf(&missing, " %s", row->unit);
    }
    sl_buf_printf(out, "%s %zu/%zu%s; ", entity, actual, n, sl_buf_text(&missing));
    sl_buf_fini(&missing);
}

static void model(const struct world *w, struct sl_buf *out)
{
    bool excused[200] = {false};
    int n_excused = 0, from = w->ask.date - DAY(0);
    for (size_t k = 0; k < N(NAMES); k++)
        if (is_of_date(w, NAMES[k]))
            model_entity(w, NAMES[k], excused, &from, out);
    for (size_t i = 0; i < w->ask.n_units; i++) {
        const struct sl_calendar_row *row = &w->units[i];
        if (row->date == w->ask.date && row->planned && row->done && row->kinds->n == 0 &&
            !is_excused((void *)(uintptr_t)w->excused, row->date, row->unit))
            sl_buf_printf(out, "nobody %s; ", row->unit);
    }
    for (size_t i = 0; i < N(excused); i++)
        n_excused += excused[i];
    sl_buf_printf(out, "excused %d, from day %d", n_excused, from);
}

Test(completeness, random_calendars)
{
    size_t n_entities = 0, n_missing = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct world w;
        struct sl_completeness_facts facts;
        struct sl_buf found = {0}, expected = {0};
        world_make(&w, seed);
        sl_completeness_find(&facts, &w.ask, w.present, w.n_present, is_excused, w.excused, &w.arena);
        tell(&found, &facts);
        model(&w, &expected);
        cr_assert_str_eq(sl_buf_text(&found), sl_buf_text(&expected), "seed %llu", (unsigned long long)seed);
        cr_assert_eq(sl_completeness_from(&w.ask), facts.from, "seed %llu", (unsigned long long)seed);
        n_entities += facts.n_entities;
        for (size_t i = 0; i < facts.n_entities; i++)
            n_missing += facts.entities[i].n_missing;
        sl_buf_fini(&found);
        sl_buf_fini(&expected);
        sl_arena_fini(&w.arena);
    }
    cr_expect_gt(n_entities, 3000);
    cr_expect_gt(n_missing, 3000);
}

/* 100,000 entities in 1,000 units; the last unit of each lacks every seventh. */
Test(completeness, many_entities)
{
    enum { UNITS = 1000, PER_UNIT = 100, PAST = 3 };
    struct sl_arena arena = {0};
    struct sl_calendar_row *units = sl_arena_array(&arena, UNITS * PAST, sizeof *units);
    struct sl_entity_row *present = sl_arena_array(&arena, (size_t)UNITS * PER_UNIT * PAST, sizeof *present);
    size_t n_present = 0;
    for (size_t i = 0; i < UNITS * PAST; i++) {
        units[i] = (struct sl_calendar_row){.date = DAY((int)(i / UNITS)), .unit = sl_arena_printf(&arena, "u%05zu", i), .planned = true};
        units[i].done = true;
        units[i].kinds = sl_arena_array(&arena, 1, sizeof *units[i].kinds);
        units[i].kinds->names = sl_arena_array(&arena, PER_UNIT, sizeof(char *));
        units[i].kinds->n = PER_UNIT;
        for (size_t k = 0; k < PER_UNIT; k++) {
            units[i].kinds->names[k] = sl_arena_printf(&arena, "e%06zu", i % UNITS * PER_UNIT + k);
            if (i < UNITS * (PAST - 1) || k % 7 > 0)
                present[n_present++] = (struct sl_entity_row){units[i].date, units[i].unit, units[i].kinds->names[k], NULL};
        }
    }
    struct sl_completeness_ask ask = {units, UNITS * PAST, 0, {SL_WINDOW_UNITS, 10}, DAY(PAST - 1), SL_DATE_NONE};
    struct sl_completeness_facts facts;
    sl_completeness_find(&facts, &ask, present, n_present, NULL, NULL, &arena);
    cr_assert_eq(facts.n_entities, (size_t)UNITS * PER_UNIT);
    size_t n_missing = 0;
    for (size_t i = 0; i < facts.n_entities; i++) {
        cr_assert_eq(facts.entities[i].n_expected, PAST);
        n_missing += facts.entities[i].n_missing;
    }
    cr_expect_eq(n_missing, (size_t)UNITS * 15);
    sl_arena_fini(&arena);
}
