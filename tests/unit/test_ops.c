/* test_ops.c - the pure parts of what operators ask: gaps, excuses, what a gate can become, the command that helps. */
#include <criterion/criterion.h>

#include <string.h>

#include <sluice/ops.h>
#include <sluice/service.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static sl_date day(const char *text)
{
    sl_date date = SL_DATE_NONE;
    if (text != NULL)
        cr_assert(sl_date_parse(text, strlen(text), &date), "%s", text);
    return date;
}

Test(ops, gaps)
{
    static const struct {
        const char *label;
        sl_date expected[4];
        size_t n_expected;
        sl_date present[5];
        size_t n_present;
        sl_date missing[4];
        size_t n_missing;
        double pct;
    } CASES[] = {
        {"nothing expected", {0}, 0, {1, 2}, 2, {0}, 0, 100.0},
        {"all there", {1, 2, 3}, 3, {1, 2, 3}, 3, {0}, 0, 100.0},
        {"more than expected", {2}, 1, {1, 2, 3}, 3, {0}, 0, 100.0},
        {"none there", {1, 2}, 2, {0}, 0, {1, 2}, 2, 0.0},
        {"a hole in the middle", {1, 2, 3}, 3, {1, 3}, 2, {2}, 1, 66.7},
        {"first and last", {1, 2, 3, 4}, 4, {2, 3}, 2, {1, 4}, 2, 50.0},
        {"others do not count", {1, 4}, 2, {0, 2, 3, 5, 6}, 5, {1, 4}, 2, 0.0},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_arena arena = {0};
        struct sl_gap_report report;
        sl_gap_report_make(&report, "d.t", 0, 9, CASES[i].expected, CASES[i].n_expected, CASES[i].present, CASES[i].n_present, &arena);
        cr_assert_eq(report.n_expected, CASES[i].n_expected, "%s", CASES[i].label);
        cr_assert_eq(report.n_missing, CASES[i].n_missing, "%s: %zu", CASES[i].label, report.n_missing);
        cr_assert_eq(report.n_present, CASES[i].n_expected - CASES[i].n_missing, "%s", CASES[i].label);
        for (size_t m = 0; m < report.n_missing; m++)
            cr_assert_eq(report.missing[m], CASES[i].missing[m], "%s", CASES[i].label);
        cr_assert_float_eq(sl_gap_report_pct(&report), CASES[i].pct, 1e-9, "%s", CASES[i].label);
        sl_arena_fini(&arena);
    }
}

/* Date 10 has the units a and b; what is missing, which gaps are accepted, how the date stands. */
Test(ops, date_standing)
{
    static const char *A[] = {"a"}, *AB[] = {"a", "b"};
    static const struct {
        const char *label;
        size_t n_due;
        const char **missing;
        size_t n_missing;
        bool strict;
        struct sl_known_gap gap; /* phase NULL: none */
        enum sl_date_standing expected;
    } CASES[] = {
        {"nothing due", 0, NULL, 0, true, {0}, SL_DATE_NOT_DUE},
        {"all there", 2, NULL, 0, true, {0}, SL_DATE_PRESENT},
        {"one missing, strict", 2, A, 1, true, {0}, SL_DATE_MISSING},
        {"one missing, not strict", 2, A, 1, false, {0}, SL_DATE_PRESENT},
        {"all missing, not strict", 2, AB, 2, false, {0}, SL_DATE_MISSING},
        {"the date is accepted", 2, AB, 2, true, {.phase = "p", .date = 10, .until = SL_DATE_NONE}, SL_DATE_EXCUSED},
        {"another date is accepted", 2, AB, 2, true, {.phase = "p", .date = 11, .until = SL_DATE_NONE}, SL_DATE_MISSING},
        {"another phase", 2, AB, 2, true, {.phase = "q", .date = 10, .until = SL_DATE_NONE}, SL_DATE_MISSING},
        {"this table", 2, AB, 2, true, {.phase = "p", .date = 10, .table = "d.t", .until = SL_DATE_NONE}, SL_DATE_EXCUSED},
        {"another table", 2, AB, 2, true, {.phase = "p", .date = 10, .table = "d.u", .until = SL_DATE_NONE}, SL_DATE_MISSING},
        {"until today", 2, AB, 2, true, {.phase = "p", .date = 10, .until = 20}, SL_DATE_EXCUSED},
        {"until yesterday", 2, AB, 2, true, {.phase = "p", .date = 10, .until = 19}, SL_DATE_MISSING},
        {"the unit that is missing",
         2,
         A,
         1,
         true,
         {.phase = "p", .date = SL_DATE_NONE, .unit = "a", .until = SL_DATE_NONE},
         SL_DATE_PRESENT},
        {"one of two", 2, AB, 2, true, {.phase = "p", .date = SL_DATE_NONE, .unit = "a", .until = SL_DATE_NONE}, SL_DATE_MISSING},
        {"the only unit", 1, A, 1, true, {.phase = "p", .date = SL_DATE_NONE, .unit = "a", .until = SL_DATE_NONE}, SL_DATE_EXCUSED},
        {"accepted, but there", 2, NULL, 0, true, {.phase = "p", .date = 10, .until = SL_DATE_NONE}, SL_DATE_PRESENT},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_date_coverage cover = {
            .date = 10, .coverage = {.asked = true, .n_due = CASES[i].n_due, .missing = CASES[i].missing, .n_missing = CASES[i].n_missing}};
        struct sl_excuses excuses = {&CASES[i].gap, CASES[i].gap.phase == NULL ? 0 : 1, "p", "d.t", 20};
        cr_assert_eq(sl_date_judge(&cover, CASES[i].strict, &excuses), CASES[i].expected, "%s", CASES[i].label);
    }
}

Test(ops, what_a_gate_can_become)
{
    static const struct {
        enum sl_state from, to;
        bool dropped, expected;
    } CASES[] = {
        {SL_WAITING, SL_TRIGGERED, false, true},    {SL_BLOCKED, SL_TRIGGERED, false, true},   {SL_SUPPRESSED, SL_TRIGGERED, false, true},
        {SL_SUPPRESSED, SL_TRIGGERED, true, false}, {SL_SUPPRESSED, SL_EMPTY, false, false},   {SL_SUPPRESSED, SL_SUPERSEDED, true, true},
        {SL_EMPTY, SL_TRIGGERED, false, false},     {SL_OBSERVED, SL_TRIGGERED, false, false}, {SL_SUPERSEDED, SL_TRIGGERED, false, false},
        {SL_TRIGGERED, SL_TRIGGERED, false, true},  {SL_TRIGGERED, SL_BLOCKED, false, false},  {SL_WAITING, SL_EMPTY, false, true},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_gate gate = {.state = CASES[i].from, .dropped = CASES[i].dropped};
        cr_assert_eq(sl_gate_can_become(&gate, CASES[i].to), CASES[i].expected, "%s to %s", sl_state_name(CASES[i].from),
                     sl_state_name(CASES[i].to));
    }
}

Test(ops, pending_and_open)
{
    static const struct {
        enum sl_state state;
        bool dropped, pending, open;
    } CASES[] = {
        {SL_WAITING, false, false, false},   {SL_BLOCKED, false, true, false},     {SL_SUPPRESSED, false, true, false},
        {SL_SUPPRESSED, true, false, false}, {SL_EMPTY, false, false, true},       {SL_TRIGGERED, false, false, true},
        {SL_OBSERVED, false, false, true},   {SL_SUPERSEDED, false, false, false},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_gate gate = {.state = CASES[i].state, .dropped = CASES[i].dropped};
        cr_assert_eq(sl_gate_is_pending(&gate), CASES[i].pending, "%s", sl_state_name(CASES[i].state));
        cr_assert_eq(sl_gate_is_open(&gate), CASES[i].open, "%s", sl_state_name(CASES[i].state));
    }
}

Test(ops, the_command_that_helps)
{
    static const char FACTS[] = "{\"upstream\":[{\"phase\":\"raw\"}],\"gaps\":{\"found\":[{\"processor\":\"x\",\"date\":\"2025-01-02\"}]},"
                                "\"joins\":[{\"with\":\"done\",\"state\":\"triggered\"},{\"with\":\"side\",\"state\":\"blocked\"}],"
                                "\"completeness\":{\"lacking\":[{\"entity\":\"A\",\"expected\":10,\"actual\":9,\"missing\":[\"u0\"]},"
                                "{\"entity\":\"B\",\"expected\":10,\"actual\":7,\"missing\":[\"it's; u1\",\"u2\",\"u3\"]}]}}";
    static const struct {
        const char *label;
        enum sl_state state;
        sl_reasons reasons;
        const char *facts, *expected;
    } CASES[] = {
        {"open", SL_TRIGGERED, 0, FACTS, NULL},
        {"off-day", SL_EMPTY, 0, FACTS, NULL},
        {"held back", SL_SUPPRESSED, SL_REASON_BIT(SL_REASON_SKIP), FACTS, "sluice release daily 2025-01-03"},
        {"a gap", SL_BLOCKED, SL_REASON_BIT(SL_REASON_GAPS), FACTS, "sluice known-gaps add --phase daily --date 2025-01-02 --reason TEXT"},
        {"a gap, facts pruned", SL_BLOCKED, SL_REASON_BIT(SL_REASON_GAPS), NULL, "sluice verify daily 2025-01-03"},
        {"incomplete: the worst, as a shell takes it", SL_BLOCKED, SL_REASON_BIT(SL_REASON_COMPLETENESS), FACTS,
         "sluice known-gaps add --phase daily --unit 'it'\\''s; u1' --reason TEXT"},
        {"incomplete, facts pruned", SL_BLOCKED, SL_REASON_BIT(SL_REASON_COMPLETENESS), NULL, "sluice verify daily 2025-01-03"},
        {"no rows", SL_BLOCKED, SL_REASON_BIT(SL_REASON_NO_DATA) | SL_REASON_BIT(SL_REASON_GAPS), FACTS, "sluice verify daily 2025-01-03"},
        {"upstream", SL_BLOCKED, SL_REASON_BIT(SL_REASON_UPSTREAM), FACTS, "sluice why raw 2025-01-03"},
        {"a join", SL_WAITING, SL_REASON_BIT(SL_REASON_JOIN), FACTS, "sluice why side 2025-01-03"},
        {"still coming", SL_WAITING, SL_REASON_BIT(SL_REASON_BARRIER), FACTS, "sluice wait daily 2025-01-03 --for triggered --timeout 1h"},
        {"the deadline holds it", SL_BLOCKED, SL_REASON_BIT(SL_REASON_DEADLINE), FACTS,
         "sluice release daily 2025-01-03 --force --reason TEXT"},
        {"something else", SL_BLOCKED, SL_REASON_BIT(SL_REASON_QUALITY), FACTS, "sluice check daily 2025-01-03"},
    };
    struct sl_config config = {0};
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_arena arena = {0};
        struct sl_gate gate = {.phase = "daily", .date = day("2025-01-03"), .state = CASES[i].state, .reasons = CASES[i].reasons};
        const char *next = sl_gate_next(&config, &gate, CASES[i].facts, &arena);
        cr_assert(sl_str_eq(next, CASES[i].expected), "%s: %s", CASES[i].label, next == NULL ? "NULL" : next);
        sl_arena_fini(&arena);
    }
}

Test(ops, columns_of_the_log)
{
    cr_assert_eq(sl_log_column("event_id"), 0);
    cr_assert_eq(sl_log_column("environment"), SL_N_LOG_COLUMNS - 1);
    cr_assert_eq(sl_log_column("no_such_column"), SL_N_LOG_COLUMNS);
}

Test(ops, emulator_address)
{
    static const struct {
        const char *value, *address; /* NULL: refused */
    } CASES[] = {
        {"localhost:8085", "localhost:8085"},
        {"http://127.0.0.1:8085", "127.0.0.1:8085"},
        {"http://127.0.0.1:8085/", "127.0.0.1:8085"},
        {"[::1]:8085", "[::1]:8085"},
        {"localhost", NULL},
        {"localhost:", NULL},
        {":8085", NULL},
        {"localhost:0", NULL},
        {"localhost:65536", NULL},
        {"localhost:80x", NULL},
        {"https://localhost:8085", NULL},
        {"localhost:8085/v1", NULL},
        {"local host:8085", NULL},
        {"http://", NULL},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct sl_arena arena = {0};
        struct sl_err err = {0};
        const char *address = NULL;
        enum sl_code code = sl_emulator_address(&address, CASES[i].value, &arena, &err);
        cr_expect_eq(code, CASES[i].address != NULL ? SL_OK : SL_INVALID, "%s", CASES[i].value);
        if (code == SL_OK)
            cr_expect_str_eq(address, CASES[i].address);
        else
            cr_expect_not_null(strstr(err.text, CASES[i].value), "%s", err.text);
        sl_arena_fini(&arena);
    }
}

Test(ops, bus_watcher)
{
    struct sl_arena arena = {0};
    cr_expect_str_eq(sl_bus_watcher("projects/p/topics/t", &arena), "projects/p/subscriptions/t-sub");
    cr_expect_str_eq(sl_bus_watcher("projects/topics/topics/topics", &arena), "projects/topics/subscriptions/topics-sub");
    sl_arena_fini(&arena);
}
