/* test_stale.c - whose windows hold a date that has changed, and the plan to make again what used it. */
#include <criterion/criterion.h>
#include <string.h>

#include <sluice/stale.h>

/* first > second > third, and side beside second. */
static struct sl_processor PROCESSORS[4];
static struct sl_source SOURCES[5] = {
    {.table = "a.first"}, {.table = "a.second"}, {.table = "a.third"}, {.table = "a.side"}, {.table = "a.spare"}};
static size_t OF_FIRST[] = {0}, OF_SECOND[] = {1};
static struct sl_phase PHASES[4];
static struct sl_config CONFIG;

static void pipeline(void)
{
    static const char *const NAMES[] = {"first", "second", "third", "side"};
    static const size_t RANKS[] = {0, 1, 3, 2};
    for (size_t i = 0; i < 4; i++) {
        PROCESSORS[i] = (struct sl_processor){.name = NAMES[i], .sources = &SOURCES[i], .n_sources = 1};
        PHASES[i] = (struct sl_phase){.name = NAMES[i], .index = i, .rank = RANKS[i], .processors = &PROCESSORS[i], .n_processors = 1};
    }
    PHASES[1].after = PHASES[3].after = OF_FIRST;
    PHASES[2].after = OF_SECOND;
    PHASES[1].n_after = PHASES[2].n_after = PHASES[3].n_after = 1;
    CONFIG = (struct sl_config){.phases = PHASES, .n_phases = 4};
}

Test(stale, follows)
{
    static const char EXPECTED[4][5] = {"....", "x...", "xx..", "x..."}; /* row follows column */
    pipeline();
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++)
            cr_expect_eq(sl_phase_follows(&CONFIG, &PHASES[i], &PHASES[k]), EXPECTED[i][k] == 'x', "%s after %s", PHASES[i].name,
                         PHASES[k].name);
}

Test(stale, touched_tables)
{
    static const struct {
        const char *table;
        size_t changed;
        bool expected;
    } CASES[] = {{"a.first", 0, true},  {"a.second", 0, true}, {"a.third", 0, true}, {"a.side", 0, true},  {"a.first", 1, false},
                 {"a.second", 1, true}, {"a.third", 1, true},  {"a.side", 1, false}, {"a.other", 0, false}};
    pipeline();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_eq(sl_table_is_touched(&CONFIG, CASES[i].table, &PHASES[CASES[i].changed]), CASES[i].expected, "%s by %zu",
                     CASES[i].table, CASES[i].changed);
}

Test(stale, a_fallback_stands_for_what_it_serves)
{
    struct sl_source sources[] = {SOURCES[1], SOURCES[4]};
    pipeline();
    PROCESSORS[1].sources = sources;
    PROCESSORS[1].n_sources = 2;
    cr_expect(sl_table_is_touched(&CONFIG, "a.spare", &PHASES[0]));
    cr_expect(!sl_table_is_touched(&CONFIG, "a.spare", &PHASES[3]));
}

Test(stale, days)
{
    static const struct {
        int n;
        sl_date culprit, date;
        bool expected;
    } CASES[] = {{1, 10, 10, true}, {1, 10, 11, false}, {30, 10, 39, true}, {30, 10, 40, false}, {30, 10, 9, false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_eq(sl_days_hold(CASES[i].n, CASES[i].culprit, CASES[i].date), CASES[i].expected, "case %zu", i);
}

/* Days 10 to 13: A meets B, then C; B rests on day 12; A's unit of day 13 is planned. */
Test(stale, units)
{
    static const char *AB[] = {"A", "B"}, *AC[] = {"A", "C"}, *BC[] = {"B", "C"};
    static struct sl_row_entities KINDS[] = {{AB, 2}, {AC, 2}, {AC, 2}, {BC, 2}, {AC, 2}};
    static const struct sl_calendar_row UNITS[] = {
        {.date = 10, .unit = "u1", .planned = true, .done = true, .kinds = &KINDS[0]},
        {.date = 11, .unit = "u2", .planned = true, .done = true, .kinds = &KINDS[1]},
        {.date = 12, .unit = "u3", .planned = true, .done = true, .kinds = &KINDS[2]},
        {.date = 13, .unit = "u4", .planned = true, .done = true, .kinds = &KINDS[3]},
        {.date = 14, .unit = "u5", .planned = true, .done = false, .kinds = &KINDS[4]},
    };
    static const struct {
        const char *label;
        int n;
        sl_date date;
        bool expected;
    } CASES[] = {
        {"the next day, by A's last two", 2, 11, true},
        {"the next day, last one only", 1, 11, false},
        {"A has two since, last two", 2, 12, false},
        {"A has two since, last three", 3, 12, true},
        {"B comes back: its last two", 2, 13, true},
        {"B comes back: last one only", 1, 13, false},
        {"A's planned unit is none of its last three done", 3, 14, true},
        {"C was not there on day 10, A has two since", 2, 14, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_eq(sl_units_hold(UNITS, 5, 0, CASES[i].n, 10, CASES[i].date), CASES[i].expected, "%s", CASES[i].label);
    cr_expect(!sl_units_hold(UNITS + 1, 4, 0, 9, 10, 13), "no done unit on the culprit's date");
}

Test(stale, rows)
{
    static const struct sl_entity_row ROWS[] = {
        {10, "u1", "p1", NULL}, {10, "u1", "p2", NULL}, {11, "u2", "p1", NULL}, {12, "u3", "p1", NULL}, {12, "u3", "p3", NULL}};
    static const struct sl_entity_row OWN[] = {{11, "", "p1", NULL}, {12, "", "p1", NULL}, {13, "", "p2", NULL}, {14, "", "p3", NULL}};
    static const struct {
        const char *label;
        int n;
        sl_date date;
        bool expected;
    } CASES[] = {
        {"one row since, last two", 2, 11, true},       {"one row since, last one", 1, 11, false},
        {"two rows since, last two", 2, 12, false},     {"two rows since, last three", 3, 12, true},
        {"no row since, last one", 1, 13, true},        {"was not there", 9, 14, false},
        {"nothing is made on that date", 9, 15, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_eq(sl_rows_hold(ROWS, 5, OWN, 4, CASES[i].n, 10, CASES[i].date), CASES[i].expected, "%s", CASES[i].label);
}

/* ---- the plan ---- */

static const char *plan_text(struct sl_stale_mark *marks, size_t n_marks, struct sl_arena *arena)
{
    struct sl_stale_step *steps = NULL;
    size_t n = 0;
    const char *text = "";
    sl_stale_plan(&steps, &n, &CONFIG, marks, n_marks, arena);
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(arena, "%s%s%d:%s/%d%s%s*%zu", text, i ? " " : "", steps[i].date, steps[i].phase->name, steps[i].generation,
                               steps[i].first ? "!" : "", steps[i].triggered ? "t" : "", steps[i].n_marks);
    return text;
}

Test(stale, plan)
{
    struct sl_arena arena = {0};
    struct sl_stale_mark marks[] = {
        {.id = 1, .phase = "third", .date = 11, .generation = 1},
        {.id = 2, .phase = "second", .date = 11, .generation = 2},
        {.id = 3, .phase = "side", .date = 11, .generation = 1},
        {.id = 4, .phase = "third", .date = 10, .generation = 1, .triggered_us = 5},
        {.id = 5, .phase = "gone", .date = 10, .generation = 1},
        {.id = 6, .phase = "second", .date = 11, .generation = 1},
        {.id = 7, .phase = "third", .date = 11, .generation = 1, .profile = SL_TODAY},
        {.id = 8, .phase = "second", .date = 12, .generation = 1, .triggered_us = 5},
        {.id = 9, .phase = "second", .date = 12, .generation = 1},
    };
    pipeline();
    cr_expect_str_eq(plan_text(marks, 9, &arena), "10:third/1!t*1 11:second/2!*2 11:side/1!*1 11:third/1*1 11:third/1!*1 12:second/1!*2",
                     "%s", plan_text(marks, 9, &arena));
    cr_expect_str_eq(plan_text(marks, 0, &arena), "");
    sl_arena_fini(&arena);
}
