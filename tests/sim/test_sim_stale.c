/* Decisions that used what has changed since: who is marked, what clears a mark, late processors, and phases that are started again by themselves. */
#include <criterion/criterion.h>
#include <string.h>

#include <sluice/stale.h>

#include "sim.h"

static const char *const DATES[] = {"2025-01-07", "2025-01-08", "2025-01-09"};

/* Three dates on which raw and stats have fired. */
static void three_days(struct sim *sim, const char *const *sets)
{
    sim_open(sim, SIM_CASCADE, sets);
    for (int i = 0; i < 3; i++) {
        sim_day(sim, DATES[i], DATES[i] + 8);
        sim_four(sim, DATES[i]);
    }
    sim_step(sim);
    for (int i = 0; i < 3; i++) {
        sim_succeed(sim, "stats", "st", DATES[i]);
    }
    sim_step(sim);
    sim_forget(sim);
}

static void rerun(struct sim *sim, const char *phase, const char *processor, const char *date, const char *run)
{
    sim_advance(sim, SIM_MINUTE);
    report(sim, phase, processor, date, "success", .run = run);
    sim_step(sim);
    sim_pass(sim, 10 * SIM_MINUTE); /* settles */
}

/* "01-08 stats 1! by raw 01-08/2 rerun": the plan, one step a line. */
static void expect_plan(struct sim *sim, const char *expected)
{
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_stale_mark *marks = NULL;
    struct sl_stale_step *steps = NULL;
    size_t n_marks = 0, n = 0;
    struct sl_buf text = {0};
    char date[SL_DATE_LEN + 1], culprit[SL_DATE_LEN + 1];
    cr_assert_eq(sl_ledger_stale(sim->watch, NULL, SL_DATE_NONE, SL_DATE_NONE, &marks, &n_marks, &arena, &err), SL_OK, "%s", err.text);
    sl_stale_plan(&steps, &n, sim->config, marks, n_marks, &arena);
    for (size_t i = 0; i < n; i++)
        sl_buf_printf(&text, "%s %s %d%s%s by %s %s/%d %s\n", sl_date_format(steps[i].date, date) + 5, steps[i].phase->name,
                      steps[i].generation, steps[i].first ? "!" : "", steps[i].triggered ? " triggered" : "",
                      steps[i].marks[0].culprit_phase, sl_date_format(steps[i].marks[0].culprit_date, culprit) + 5,
                      steps[i].marks[0].culprit_generation, steps[i].marks[0].reason);
    cr_expect_str_eq(sl_buf_text(&text), expected, "%s", sl_buf_text(&text));
    sl_buf_fini(&text);
    sl_arena_fini(&arena);
}

Test(sim_stale, an_identical_rerun_makes_nothing_stale)
{
    struct sim sim = {0};
    three_days(&sim, NULL);
    rerun(&sim, "raw", "b", "2025-01-08", "again");
    expect_plan(&sim, "");
    cr_expect_eq(sim_count(&sim, "../ledger", "SELECT count(*) FROM gates WHERE phase = 'raw' AND generation = 2 AND state = 4"), 1);
    sim_close(&sim);
}

/* Rows in another order, the same rows. */
Test(sim_stale, rows_written_again_are_the_same_rows)
{
    struct sim sim = {0};
    three_days(&sim, NULL);
    sim_rows(&sim, "raw.b", "2025-01-08", "08");
    rerun(&sim, "raw", "b", "2025-01-08", "more");
    expect_plan(&sim, "01-08 stats 1! triggered by raw 01-08/2 rerun\n"
                      "01-09 stats 1! by raw 01-08/2 rerun\n");
    sim_sql(&sim, "raw", "DELETE FROM b WHERE game_date = '2025-01-07'");
    sim_rows(&sim, "raw.b", "2025-01-07", "07");
    rerun(&sim, "raw", "b", "2025-01-07", "same");
    expect_plan(&sim, "01-08 stats 1! triggered by raw 01-08/2 rerun\n"
                      "01-09 stats 1! by raw 01-08/2 rerun\n");
    sim_close(&sim);
}

/* The rerun's own trigger starts stats for its date; the newer generation of a stale phase clears its mark. */
Test(sim_stale, a_changed_rerun_marks_and_reruns_clear)
{
    struct sim sim = {0};
    three_days(&sim, NULL);
    sim_sql(&sim, "raw", "DELETE FROM b WHERE game_date = '2025-01-08'");
    sim_sql(&sim, "raw", "INSERT INTO b (game_date, game_id) VALUES ('2025-01-08', '08'), ('2025-01-08', '08')");
    rerun(&sim, "raw", "b", "2025-01-08", "again");
    expect_plan(&sim, "01-08 stats 1! triggered by raw 01-08/2 rerun\n"
                      "01-09 stats 1! by raw 01-08/2 rerun\n");
    cr_expect_eq(sim_count(&sim, "../ledger", "SELECT count(*) FROM events WHERE event_type = 'downstream_stale'"), 2);
    rerun(&sim, "stats", "s", "2025-01-08", "again");
    expect_plan(&sim, "01-09 stats 1! by raw 01-08/2 rerun\n");
    rerun(&sim, "stats", "s", "2025-01-09", "again");
    expect_plan(&sim, "");
    sim_close(&sim);
}

Test(sim_stale, beyond_the_look_back_nobody_is_marked)
{
    struct sim sim = {0};
    three_days(&sim, SETS("phases.stats.checks.gaps.look_back=1d"));
    sim_rows(&sim, "raw.b", "2025-01-07", "07");
    rerun(&sim, "raw", "b", "2025-01-07", "again");
    expect_plan(&sim, "01-07 stats 1! triggered by raw 01-07/2 rerun\n"
                      "01-08 stats 1! by raw 01-07/2 rerun\n");
    sim_close(&sim);
}

/* An operator starts what is stale: a generation of the phase before, with a trigger of its own; its rows are the same, so that it marks nothing. */
Test(sim_stale, an_operator_restarts)
{
    struct sim sim = {0};
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_stale_mark *marks = NULL;
    struct sl_stale_step *steps = NULL;
    size_t n_marks = 0, n = 0;
    three_days(&sim, NULL);
    sim_rows(&sim, "raw.b", "2025-01-08", "08");
    rerun(&sim, "raw", "b", "2025-01-08", "again");
    cr_assert_eq(sl_ledger_stale(sim.watch, NULL, SL_DATE_NONE, SL_DATE_NONE, &marks, &n_marks, &arena, &err), SL_OK);
    sl_stale_plan(&steps, &n, sim.config, marks, n_marks, &arena);
    cr_assert_eq(n, 2);
    sim_forget(&sim);
    cr_assert_eq(sl_worker_stale_restart(sim.worker, &steps[1], "me", "because", sim.now_us, &err), SL_OK, "%s", err.text);
    sim_step(&sim);
    expect_plan(&sim, "01-08 stats 1! triggered by raw 01-08/2 rerun\n"
                      "01-09 stats 1! triggered by raw 01-08/2 rerun\n");
    cr_expect_eq(sim_count(&sim, "../ledger",
                           "SELECT count(*) FROM gates WHERE phase = 'raw' AND date = (SELECT max(date) FROM gates) AND generation = 2"),
                 1);
    cr_expect_eq(sim_count(&sim, "../ledger", "SELECT count(*) FROM events WHERE event_type = 'operator_action'"), 1);
    sl_arena_fini(&arena);
    sim_close(&sim);
}

Test(sim_stale, on_stale_retrigger_restarts_at_its_rate)
{
    struct sim sim = {0};
    three_days(&sim, SETS("phases.stats.on_stale=retrigger", "worker.retriggers_per_minute=1"));
    sim_rows(&sim, "raw.b", "2025-01-07", "07");
    sim_advance(&sim, SIM_MINUTE);
    report(&sim, "raw", "b", "2025-01-07", "success", .run = "again");
    sim_step(&sim);
    sim_pass(&sim, 5 * SIM_MINUTE); /* settles; the first goes at once */
    expect_plan(&sim, "01-07 stats 1! triggered by raw 01-07/2 rerun\n"
                      "01-08 stats 1! triggered by raw 01-07/2 rerun\n"
                      "01-09 stats 1! by raw 01-07/2 rerun\n");
    sim_pass(&sim, SIM_MINUTE);
    expect_plan(&sim, "01-07 stats 1! triggered by raw 01-07/2 rerun\n"
                      "01-08 stats 1! triggered by raw 01-07/2 rerun\n"
                      "01-09 stats 1! triggered by raw 01-07/2 rerun\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

/* d reports after raw has fired without it: its rows were not there when stats was made. */
Test(sim_stale, a_late_processor_marks_unless_it_is_ignored)
{
    static const struct {
        const char *label, *policy, *status, *expected;
    } CASES[] = {
        {"mark", "phases.raw.on_late=mark", "success", "01-09 stats 1! by raw 01-09/1 late\n"},
        {"mark, but it brought nothing", "phases.raw.on_late=mark", "failed", ""},
        {"ignore", "phases.raw.on_late=ignore", "success", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sim sim = {0};
        sim_open_day(&sim, "2025-01-09", SETS(CASES[i].policy));
        sim_succeed(&sim, "raw", "abc", "2025-01-09");
        sim_step(&sim);
        sim_pass(&sim, 10 * SIM_MINUTE); /* grace */
        sim_succeed(&sim, "stats", "st", "2025-01-09");
        sim_step(&sim);
        report(&sim, "raw", "d", "2025-01-09", CASES[i].status);
        sim_step(&sim);
        expect_plan(&sim, CASES[i].expected);
        sim_close(&sim);
    }
}

/* d had reported without bringing rows when raw fired. That it runs again and brings none changes nothing; the rows that it brings in the end do. */
Test(sim_stale, a_late_rerun_marks_when_it_brought_rows)
{
    static const char *const OTHERS[] = {"raw.a", "raw.b", "raw.c", "stats.s", "stats.t"};
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    sim_calendar(&sim, "2025-01-09", "G1", "done");
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
        sim_rows(&sim, OTHERS[i], "2025-01-09", "G1");
    sim_four(&sim, "2025-01-09");
    sim_step(&sim);
    sim_succeed(&sim, "stats", "st", "2025-01-09");
    sim_step(&sim);
    rerun(&sim, "raw", "d", "2025-01-09", "again");
    expect_plan(&sim, "");
    sim_rows(&sim, "raw.d", "2025-01-09", "G1");
    rerun(&sim, "raw", "d", "2025-01-09", "at last");
    expect_plan(&sim, "01-09 stats 1! by raw 01-09/1 late\n");
    sim_close(&sim);
}

/* Killed between the marks and their commit: all of them or none, and once. */
Test(sim_stale, marks_are_part_of_the_commit)
{
    struct sim sim = {0};
    three_days(&sim, NULL);
    sim_rows(&sim, "raw.b", "2025-01-08", "08");
    sim_advance(&sim, SIM_MINUTE);
    report(&sim, "raw", "b", "2025-01-08", "success", .run = "again");
    sim_step(&sim);
    sim_advance(&sim, 6 * SIM_MINUTE);
    sim_break(&sim, SIM_LEDGER_commit, 1, SL_UNAVAILABLE);
    cr_expect_eq(sim_tick(&sim), SL_UNAVAILABLE);
    expect_plan(&sim, "");
    sim_crash(&sim);
    sim_pass(&sim, SIM_MINUTE);
    expect_plan(&sim, "01-08 stats 1! triggered by raw 01-08/2 rerun\n"
                      "01-09 stats 1! by raw 01-08/2 rerun\n");
    sim_close(&sim);
}
