/* test_inherit.c - what phases and inputs hand down: per unit, per entity, with the culprit; and random inputs against a model that looks at every row for every entity. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/inherit.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define DAY(n)   ((sl_date)(20000 + (n)))

static const char *const THIN[] = {"thin_sample:1/8"}, *const NULLS[] = {"high_null_rate:20.0pct", "thin_sample:1/8"};

static void put_culprit(struct sl_buf *out, const struct sl_culprit *culprit)
{
    sl_buf_printf(out, "%s/%s/%s day %d %s", culprit->phase, culprit->processor, culprit->table, culprit->date - DAY(0),
                  culprit->unit != NULL ? culprit->unit : "-");
}

/* "bronze 60.0 [issue issue] by ...; 3 keys: A bronze 60.0 by ..." */
static const char *told(struct sl_buf *out, const struct sl_inherited *from)
{
    sl_buf_clear(out);
    if (!from->any)
        sl_buf_str(out, "nothing");
    else {
        sl_buf_printf(out, "%s %.1f [", sl_tier_name(from->tier), from->score);
        for (size_t i = 0; i < from->n_issues; i++)
            sl_buf_printf(out, "%s%s", i > 0 ? " " : "", from->issues[i]);
        sl_buf_str(out, "] by ");
        put_culprit(out, &from->culprit);
    }
    sl_buf_printf(out, "; %zu keys", from->n_keys);
    for (size_t i = 0; i < from->n_parts; i++) {
        const struct sl_inherited_part *part = &from->parts[i];
        sl_buf_printf(out, "; %s %s %.1f by ", part->key, sl_tier_name(part->tier), part->score);
        put_culprit(out, &part->culprit);
    }
    return sl_buf_text(out);
}

/* ---- phases ---- */

#define GOLD(unit)                                                                                                                         \
    {                                                                                                                                      \
        unit, 0, 10,                                                                                                                       \
        {                                                                                                                                  \
            .tier = SL_TIER_GOLD, .score = 100                                                                                             \
        }                                                                                                                                  \
    }
#define UNIT(unit, t, s)                                                                                                                   \
    {                                                                                                                                      \
        unit, 0, 10,                                                                                                                       \
        {                                                                                                                                  \
            .tier = t, .score = s                                                                                                          \
        }                                                                                                                                  \
    }
#define FALLBACK(unit)                                                                                                                     \
    {                                                                                                                                      \
        unit, 1, 10,                                                                                                                       \
        {                                                                                                                                  \
            .tier = SL_TIER_SILVER, .score = 100                                                                                           \
        }                                                                                                                                  \
    }
#define REBUILT(unit)                                                                                                                      \
    {                                                                                                                                      \
        unit, 2, 10,                                                                                                                       \
        {                                                                                                                                  \
            .tier = SL_TIER_SILVER, .score = 100                                                                                           \
        }                                                                                                                                  \
    }
#define ISSUED(unit, t, s)                                                                                                                 \
    {                                                                                                                                      \
        unit, 0, 10,                                                                                                                       \
        {                                                                                                                                  \
            .tier = t, .score = s, .issues = (const char **)(uintptr_t)THIN, .n_issues = 1                                                 \
        }                                                                                                                                  \
    }

Test(inherit, phases)
{
    static const struct {
        const char *label;
        enum sl_need needs[2];
        struct sl_unit_quality units[2][3];
        size_t n[2];
        const char *told;
    } rows[] = {
        {"nothing was assessed", {SL_CRITICAL, SL_CRITICAL}, {{{0}}}, {0, 0}, "nothing; 0 keys"},
        {"all gold", {SL_CRITICAL, SL_CRITICAL}, {{GOLD("g1"), GOLD("g2")}}, {2, 0}, "gold 100.0 [] by raw/box/d.box day 3 g1; 2 keys"},
        {"a fallback",
         {SL_CRITICAL, SL_CRITICAL},
         {{GOLD("g1"), FALLBACK("g2")}},
         {2, 0},
         "silver 100.0 [] by raw/box/d.backup day 3 g2; 2 keys; g2 silver 100.0 by raw/box/d.backup day 3 g2"},
        {"a reconstruction",
         {SL_CRITICAL, SL_CRITICAL},
         {{REBUILT("g2")}},
         {1, 0},
         "silver 100.0 [] by raw/box/reconstruction day 3 g2; 1 keys; g2 silver 100.0 by raw/box/reconstruction day 3 g2"},
        {"an unusable unit is a part and left out",
         {SL_CRITICAL, SL_CRITICAL},
         {{UNIT("g1", SL_TIER_UNUSABLE, 3), UNIT("g2", SL_TIER_BRONZE, 60)}},
         {2, 0},
         "bronze 60.0 [] by raw/box/d.box day 3 g2; 2 keys; g1 unusable 3.0 by raw/box/d.box day 3 g1; g2 bronze 60.0 by raw/box/d.box day "
         "3 "
         "g2"},
        {"none is usable",
         {SL_CRITICAL, SL_CRITICAL},
         {{UNIT("g1", SL_TIER_UNUSABLE, 3), UNIT("g2", SL_TIER_UNUSABLE, 0)}, {GOLD("g1")}},
         {2, 1},
         "unusable 3.0 [] by raw/box/d.box day 3 -; 2 keys; g1 unusable 3.0 by raw/box/d.box day 3 g1; g2 unusable 0.0 by raw/box/d.box "
         "day 3 "
         "g2"},
        {"the worst of two processors",
         {SL_CRITICAL, SL_OPTIONAL},
         {{UNIT("g1", SL_TIER_SILVER, 80), GOLD("g2")}, {ISSUED("g1", SL_TIER_POOR, 90)}},
         {2, 1},
         "poor 80.0 [thin_sample:1/8] by raw/odds/d.odds day 3 g1; 2 keys; g1 poor 90.0 by raw/odds/d.odds day 3 g1"},
        {"what an optional one finds unusable waits for others",
         {SL_CRITICAL, SL_OPTIONAL},
         {{UNIT("g1", SL_TIER_SILVER, 80)}, {UNIT("g1", SL_TIER_UNUSABLE, 3), UNIT("g2", SL_TIER_UNUSABLE, 3), GOLD("g3")}},
         {1, 3},
         "silver 80.0 [] by raw/box/d.box day 3 g1; 3 keys; g1 silver 80.0 by raw/box/d.box day 3 g1; g2 unusable 3.0 by raw/odds/d.odds "
         "day 3 "
         "g2"},
        {"judged by date",
         {SL_CRITICAL, SL_CRITICAL},
         {{UNIT("", SL_TIER_BRONZE, 60)}, {GOLD("g1")}},
         {1, 1},
         "bronze 60.0 [] by raw/box/d.box day 3 -; 2 keys;  bronze 60.0 by raw/box/d.box day 3 -"},
    };
    static const struct sl_source box[] = {{.table = "d.box"}, {.table = "d.backup"}}, odds[] = {{.table = "d.odds"}};
    static const struct sl_processor processors[] = {{.name = "box", .sources = (struct sl_source *)(uintptr_t)box, .n_sources = 2},
                                                     {.name = "odds", .sources = (struct sl_source *)(uintptr_t)odds, .n_sources = 1}};
    static const struct sl_phase phase = {.name = "raw"};
    for (size_t i = 0; i < N(rows); i++) {
        struct sl_arena arena = {0};
        struct sl_inherited from;
        struct sl_buf buf = {0};
        struct sl_proc_facts procs[2] = {{0}};
        for (size_t p = 0; p < 2; p++) {
            procs[p].processor = &processors[p];
            procs[p].need = rows[i].needs[p];
            procs[p].quality.asked = true;
            procs[p].quality.units = (struct sl_unit_quality *)(uintptr_t)rows[i].units[p];
            procs[p].quality.n_units = rows[i].n[p];
        }
        sl_inherit_phase(&from, &phase, DAY(3), procs, 2, &arena);
        cr_expect_str_eq(told(&buf, &from), rows[i].told, "%s:\n  found    %s\n  expected %s", rows[i].label, sl_buf_text(&buf),
                         rows[i].told);
        cr_expect_eq(from.phase, &phase);
        sl_buf_fini(&buf);
        sl_arena_fini(&arena);
    }
}

/* ---- inputs ---- */

#define BLAME(d, u)                                                                                                                        \
    {                                                                                                                                      \
        .phase = "p", .processor = "x", .table = "t", .date = DAY(d), .unit = u                                                            \
    }
#define ROW(d, u, e, t, s)                                                                                                                 \
    {                                                                                                                                      \
        DAY(d), u, e, t, s, NULL, 0, BLAME(d, u)                                                                                           \
    }

static const char *const ENTITIES[] = {"A", "B", "C"};

/* Three units of A and B, one of C; B's second is bronze with an issue. */
static const struct sl_row_tier ROWS[] = {
    ROW(1, "g1", "A", SL_TIER_GOLD, 99),
    ROW(1, "g1", "B", SL_TIER_GOLD, 99),
    {DAY(2), "g2", "A", SL_TIER_SILVER, 90, THIN, 1, BLAME(2, "g2")},
    {DAY(2), "g2", "Z", SL_TIER_POOR, 30, NULLS, 2, BLAME(2, "g2")},
    {DAY(3), "g3", "B", SL_TIER_BRONZE, 60, NULLS, 2, BLAME(3, "g3")},
    ROW(4, "g4", "A", SL_TIER_GOLD, 97),
    ROW(4, "g4", "B", SL_TIER_GOLD, 98),
    ROW(5, "g5", "C", SL_TIER_UNUSABLE, 2),
    ROW(6, "g6", "A", SL_TIER_POOR, 40),
};

Test(inherit, inputs)
{
    static const struct {
        const char *label;
        struct sl_window window;
        int day, not_before;
        size_t n_entities;
        const char *told;
    } rows[] = {
        {"each its own rows",
         {SL_WINDOW_ROWS, 3},
         4,
         0,
         2,
         "bronze 60.0 [thin_sample:1/8 high_null_rate:20.0pct] by p/x/t day 3 g3; 2 keys; A silver 90.0 by p/x/t day 2 g2; "
         "B bronze 60.0 by p/x/t day 3 g3"},
        {"the window ends before the bronze one", {SL_WINDOW_ROWS, 1}, 4, 0, 2, "gold 97.0 [] by p/x/t day 4 g4; 2 keys"},
        {"units are rows",
         {SL_WINDOW_UNITS, 2},
         4,
         0,
         2,
         "bronze 60.0 [thin_sample:1/8 high_null_rate:20.0pct] by p/x/t day 3 g3; 2 keys; A silver 90.0 by p/x/t day 2 g2; "
         "B bronze 60.0 by p/x/t day 3 g3"},
        {"days",
         {SL_WINDOW_DAYS, 2},
         4,
         0,
         2,
         "bronze 60.0 [high_null_rate:20.0pct thin_sample:1/8] by p/x/t day 3 g3; 2 keys; B bronze 60.0 by p/x/t day 3 g3"},
        {"the season's start", {SL_WINDOW_ROWS, 10}, 4, 4, 2, "gold 97.0 [] by p/x/t day 4 g4; 2 keys"},
        {"rows of later dates don't count", {SL_WINDOW_ROWS, 10}, 1, 0, 2, "gold 99.0 [] by p/x/t day 1 g1; 2 keys"},
        {"no rows", {SL_WINDOW_ROWS, 10}, 0, 0, 3, "nothing; 0 keys"},
        {"an unusable entity is left out",
         {SL_WINDOW_ROWS, 1},
         5,
         0,
         3,
         "gold 97.0 [] by p/x/t day 4 g4; 3 keys; C unusable 2.0 by p/x/t day 5 g5"},
        {"nobody is usable", {SL_WINDOW_DAYS, 1}, 5, 0, 3, "unusable 2.0 [] by p/x/t day 5 g5; 1 keys; C unusable 2.0 by p/x/t day 5 g5"},
        {"nobody asks", {SL_WINDOW_ROWS, 10}, 5, 0, 0, "nothing; 0 keys"},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct sl_arena arena = {0};
        struct sl_inherited from;
        struct sl_buf buf = {0};
        sl_inherit_input(&from, &rows[i].window, DAY(rows[i].day), rows[i].not_before == 0 ? SL_DATE_NONE : DAY(rows[i].not_before), ROWS,
                         N(ROWS), ENTITIES, rows[i].n_entities, &arena);
        cr_expect_str_eq(told(&buf, &from), rows[i].told, "%s:\n  found    %s\n  expected %s", rows[i].label, sl_buf_text(&buf),
                         rows[i].told);
        sl_buf_fini(&buf);
        sl_arena_fini(&arena);
    }
}

/* One bronze unit of one player's last ten caps that player and nobody else. */
Test(inherit, one_of_many)
{
    enum { PLAYERS = 200, GAMES = 12 };
    struct sl_arena arena = {0};
    struct sl_row_tier *rows = sl_arena_array(&arena, PLAYERS * GAMES, sizeof *rows);
    const char **players = sl_arena_array(&arena, PLAYERS, sizeof *players);
    struct sl_inherited from;
    struct sl_window window = {SL_WINDOW_ROWS, 10};
    for (size_t p = 0; p < PLAYERS; p++)
        players[p] = sl_arena_printf(&arena, "p%03zu", p);
    for (size_t i = 0; i < PLAYERS * GAMES; i++)
        rows[i] = (struct sl_row_tier){.date = DAY((int)(i / PLAYERS)), .unit = "g", .entity = players[i % PLAYERS], .score = 100};
    rows[1 * PLAYERS + 5].tier = SL_TIER_POOR; /* out of the window */
    rows[5 * PLAYERS + 77].tier = SL_TIER_BRONZE;
    sl_inherit_input(&from, &window, DAY(GAMES - 1), SL_DATE_NONE, rows, PLAYERS * GAMES, players, PLAYERS, &arena);
    cr_expect_eq(from.tier, SL_TIER_BRONZE);
    cr_expect_eq(from.n_keys, PLAYERS);
    cr_assert_eq(from.n_parts, 1);
    cr_expect_str_eq(from.parts[0].key, "p077");
    sl_arena_fini(&arena);
}

/* ---- against a model ---- */

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(state >> 33) % n;
}

static const char *const NAMES[] = {"A", "B", "C", "D", "E"};

struct world {
    struct sl_row_tier rows[200];
    size_t n_rows;
    const char *entities[N(NAMES)];
    size_t n_entities;
    struct sl_window window;
    sl_date date, not_before;
};

static void world_make(struct world *w, uint64_t seed)
{
    static const char *const units[] = {"u1", "u2"};
    *w = (struct world){0};
    state = seed;
    for (int day = 0; day < 15; day++)
        for (unsigned u = 0; u < below(3); u++)
            for (size_t e = 0; e < N(NAMES); e++) {
                enum sl_tier tier = below(3) ? SL_TIER_GOLD : (enum sl_tier)below(SL_N_TIERS);
                if (below(2))
                    w->rows[w->n_rows++] = (struct sl_row_tier){
                        DAY(day), units[u], NAMES[e], tier, 20 * below(6), below(2) ? THIN : NULLS, 1, BLAME(day, units[u])};
            }
    for (size_t e = 0; e < N(NAMES); e++)
        if (below(4))
            w->entities[w->n_entities++] = NAMES[e];
    w->window = (struct sl_window){(enum sl_window_kind)below(3), 1 + (int)below(8)};
    w->date = DAY((int)below(16));
    w->not_before = below(2) ? SL_DATE_NONE : DAY((int)below(12));
}

static bool is_held(const struct world *w, size_t row)
{
    const struct sl_row_tier *one = &w->rows[row];
    int newer = 0;
    if (one->date > w->date || (w->not_before != SL_DATE_NONE && one->date < w->not_before))
        return false;
    if (w->window.kind == SL_WINDOW_DAYS)
        return one->date > w->date - w->window.n;
    for (size_t i = row + 1; i < w->n_rows; i++)
        newer += w->rows[i].date <= w->date && strcmp(w->rows[i].entity, one->entity) == 0;
    return newer < w->window.n;
}

/* The worst of an entity's rows in its window, by sl_quality_worst(); false: it has none. */
static bool model_entity(const struct world *w, const char *entity, struct sl_quality_item *out, size_t *row, struct sl_arena *arena)
{
    struct sl_quality_item items[200];
    size_t at[200], n = 0, worst = 0;
    struct sl_err err;
    for (size_t i = 0; i < w->n_rows; i++)
        if (strcmp(w->rows[i].entity, entity) == 0 && is_held(w, i)) {
            at[n] = i;
            items[n++] = (struct sl_quality_item){w->rows[i].tier, w->rows[i].score, w->rows[i].issues, w->rows[i].n_issues};
        }
    if (n == 0)
        return false;
    cr_assert_eq(sl_quality_worst(out, &worst, items, n, arena, &err), SL_OK);
    *row = at[worst];
    return true;
}

static void expect_model(const struct world *w, const struct sl_inherited *from, uint64_t seed, struct sl_arena *arena)
{
    struct sl_quality_item found[N(NAMES)], usable[N(NAMES)], all;
    size_t n = 0, n_usable = 0, n_parts = 0;
    struct sl_err err;
    for (size_t e = 0; e < w->n_entities; e++) {
        size_t row = 0;
        if (!model_entity(w, w->entities[e], &found[n], &row, arena))
            continue;
        if (found[n].tier != SL_TIER_UNUSABLE)
            usable[n_usable++] = found[n];
        if (found[n].tier != SL_TIER_GOLD) {
            cr_assert_lt(n_parts, from->n_parts, "seed %llu", (unsigned long long)seed);
            const struct sl_inherited_part *part = &from->parts[n_parts++];
            cr_assert(strcmp(part->key, w->entities[e]) == 0 && part->tier == found[n].tier && part->score == found[n].score &&
                          part->culprit.date == w->rows[row].date && strcmp(part->culprit.unit, w->rows[row].unit) == 0,
                      "seed %llu: %s", (unsigned long long)seed, part->key);
        }
        n++;
    }
    cr_assert(from->n_parts == n_parts && from->n_keys == n && from->any == (n > 0), "seed %llu", (unsigned long long)seed);
    if (n == 0)
        return;
    cr_assert_eq(sl_quality_worst(&all, NULL, n_usable > 0 ? usable : found, n_usable > 0 ? n_usable : n, arena, &err), SL_OK);
    cr_assert(from->tier == all.tier && from->score == all.score && from->n_issues == all.n_issues, "seed %llu", (unsigned long long)seed);
}

Test(inherit, random_inputs)
{
    size_t n_parts = 0;
    for (uint64_t seed = 1; seed <= 5000; seed++) {
        struct sl_arena arena = {0};
        struct world w;
        struct sl_inherited from;
        world_make(&w, seed);
        sl_inherit_input(&from, &w.window, w.date, w.not_before, w.rows, w.n_rows, w.entities, w.n_entities, &arena);
        expect_model(&w, &from, seed, &arena);
        n_parts += from.n_parts;
        sl_arena_fini(&arena);
    }
    cr_expect_gt(n_parts, 5000);
}
