/* test_gate_identity.c - who a gate is: profiles, trigger ids (RULES 3), and what an arriving run means to it (RULES 2, 16). */
#include <criterion/criterion.h>
#include <string.h>

#include "support/facts_builder.h"

Test(gate_identity, profiles)
{
    static const struct {
        const char *label;
        sl_date date;
        enum sl_profile expected;
    } CASES[] = {{"yesterday", 99, SL_PAST}, {"long ago", -5, SL_PAST}, {"today", 100, SL_TODAY}, {"tomorrow", 101, SL_FUTURE}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_eq(sl_profile_of(CASES[i].date, 100), CASES[i].expected, "%s", CASES[i].label);
}

/* The ids of RULES 3, letter by letter. */
Test(gate_identity, trigger_ids_of_the_rules)
{
    char text[SL_UUID_LEN + 1];
    struct sl_uuid ns = sl_uuid5(SL_UUID_DNS, "sluice.trigger", strlen("sluice.trigger"));
    cr_expect_str_eq(sl_uuid_format(ns, text), "75b36ae0-bd56-547e-8706-ff1fc7d76510");
    const struct sl_config config = {.pipeline = "nba"};
    const struct sl_phase from = {.name = "phase_2_raw"}, to = {.name = "phase_3_analytics"};
    cr_expect_eq(sl_trigger_id(&config, &from, &to, FB_DATE, SL_PAST, 1, text), text);
    cr_expect_str_eq(text, "1c7050bc-b40a-553b-96eb-2b37087c942a");
}

Test(gate_identity, trigger_ids_differ_by_each_part)
{
    static const struct {
        const char *pipeline, *from, *to;
        sl_date date;
        enum sl_profile profile;
        int generation;
    } CASES[] = {
        {"nba", "a", "b", 1, SL_PAST, 1}, {"nhl", "a", "b", 1, SL_PAST, 1}, {"nba", "x", "b", 1, SL_PAST, 1},
        {"nba", "a", "x", 1, SL_PAST, 1}, {"nba", "a", "b", 2, SL_PAST, 1}, {"nba", "a", "b", 1, SL_TODAY, 1},
        {"nba", "a", "b", 1, SL_PAST, 2},
    };
    enum { N = sizeof CASES / sizeof *CASES };
    char ids[N][SL_UUID_LEN + 1];
    for (size_t i = 0; i < N; i++) {
        const struct sl_config config = {.pipeline = CASES[i].pipeline};
        const struct sl_phase from = {.name = CASES[i].from}, to = {.name = CASES[i].to};
        sl_trigger_id(&config, &from, &to, CASES[i].date, CASES[i].profile, CASES[i].generation, ids[i]);
        for (size_t k = 0; k < i; k++)
            cr_expect_str_neq(ids[i], ids[k], "%zu and %zu", i, k);
    }
}

/* The decision of the gate before this run, the runs, and what comes of it. */
Test(gate_identity, arrivals)
{
    static const struct {
        const char *label;
        bool exists;
        enum sl_state state;
        const char *completed;   /* p0 is the processor that reports */
        const char *prior, *run; /* execution at minute: "e1@5"; prior NULL: none */
        bool on_late_retrigger, not_required;
        enum sl_arrival expected;
    } CASES[] = {
        {"the first run, no gate", false, SL_WAITING, "[]", NULL, "e1@5", false, false, SL_ARRIVAL_COUNTS},
        {"waiting", true, SL_WAITING, "[]", NULL, "e1@5", false, false, SL_ARRIVAL_COUNTS},
        {"waiting, it had delivered", true, SL_WAITING, "[\"p0\"]", "e1@5", "e2@6", false, false, SL_ARRIVAL_COUNTS},
        {"blocked, newer run", true, SL_BLOCKED, "[]", "e1@5", "e2@6", false, false, SL_ARRIVAL_COUNTS},
        {"empty", true, SL_EMPTY, "[]", "e1@5", "e2@6", false, false, SL_ARRIVAL_COUNTS},
        {"blocked, older run of another execution", true, SL_BLOCKED, "[]", "e1@5", "e2@4", false, false, SL_ARRIVAL_OLDER},
        {"waiting, older", true, SL_WAITING, "[]", "e1@5", "e2@4", false, false, SL_ARRIVAL_OLDER},
        {"same time, smaller execution id", true, SL_WAITING, "[]", "e2@5", "e1@5", false, false, SL_ARRIVAL_OLDER},
        {"same time, greater execution id", true, SL_WAITING, "[]", "e1@5", "e2@5", false, false, SL_ARRIVAL_COUNTS},
        {"waiting, another status of the same execution", true, SL_WAITING, "[]", "e1@5", "e1@6", false, false, SL_ARRIVAL_COUNTS},
        {"triggered, it had delivered", true, SL_TRIGGERED, "[\"p0\"]", "e1@5", "e2@6", false, false, SL_ARRIVAL_NEW_GENERATION},
        {"suppressed, it had delivered", true, SL_SUPPRESSED, "[\"p9\",\"p0\"]", "e1@5", "e2@6", false, false, SL_ARRIVAL_NEW_GENERATION},
        {"observed, it had delivered", true, SL_OBSERVED, "[\"p0\",\"p9\"]", "e1@5", "e2@6", false, false, SL_ARRIVAL_NEW_GENERATION},
        {"triggered, older run", true, SL_TRIGGERED, "[\"p0\"]", "e1@5", "e2@4", false, false, SL_ARRIVAL_OLDER},
        {"triggered, the same execution opens none", true, SL_TRIGGERED, "[\"p0\"]", "e1@5", "e1@6", false, false, SL_ARRIVAL_OLDER},
        {"triggered, reports first", true, SL_TRIGGERED, "[\"p9\"]", NULL, "e1@5", false, false, SL_ARRIVAL_LATE},
        {"triggered, had reported but not delivered", true, SL_TRIGGERED, "[\"p9\"]", "e1@5", "e2@6", false, false, SL_ARRIVAL_LATE},
        {"observed, reports first", true, SL_OBSERVED, "[]", NULL, "e1@5", false, false, SL_ARRIVAL_LATE},
        {"late, on_late: retrigger", true, SL_TRIGGERED, "[\"p9\"]", NULL, "e1@5", true, false, SL_ARRIVAL_LATE_GENERATION},
        {"not required by the profile", true, SL_TRIGGERED, "[]", NULL, "e1@5", false, true, SL_ARRIVAL_COUNTS},
        {"a name that only begins like it", true, SL_TRIGGERED, "[\"p01\",\"xp0\"]", "e1@5", "e2@6", false, false, SL_ARRIVAL_LATE},
        {"a name behind one that begins like it", true, SL_TRIGGERED, "[\"p01\",\"p0\"]", "e1@5", "e2@6", false, false,
         SL_ARRIVAL_NEW_GENERATION},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct sl_phase phase = {.on_late = CASES[i].on_late_retrigger ? SL_LATE_RETRIGGER : SL_LATE_MARK};
        const enum sl_need need = CASES[i].not_required ? SL_NOT_REQUIRED : SL_OPTIONAL;
        const struct sl_processor processor = {.name = "p0", .need = {need, need, need}};
        const struct sl_gate gate = {.state = CASES[i].state, .completed = CASES[i].completed};
        char executions[2][3] = {"", ""};
        struct sl_run runs[2] = {{.execution_id = executions[0]}, {.execution_id = executions[1]}};
        const char *const words[] = {CASES[i].prior, CASES[i].run};
        for (size_t k = 0; k < 2; k++)
            if (words[k]) {
                memcpy(executions[k], words[k], 2);
                runs[k].timestamp_us = words[k][3] - '0';
            }
        cr_expect_eq(sl_gate_arrival(&phase, CASES[i].exists ? &gate : NULL, &runs[1], CASES[i].prior ? &runs[0] : NULL, &processor),
                     CASES[i].expected, "%s", CASES[i].label);
    }
}
