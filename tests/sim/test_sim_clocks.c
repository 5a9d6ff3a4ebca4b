/* Time that gates wait by: grace, deadlines, rechecks, expect_by, answer_within. Clocks of a phase run only while its stream is silent. */
#include <criterion/criterion.h>
#include <string.h>

#include "sim.h"

#define DAY "2025-01-09"

/* a, b and c have delivered: only the grace is awaited. */
static void await_grace(struct sim *sim)
{
    sim_open_day(sim, DAY, NULL);
    sim_succeed(sim, "raw", "abc", DAY);
    sim_step(sim);
}

Test(sim_clocks, grace_runs_on_a_silent_stream)
{
    struct sim sim = {0};
    await_grace(&sim);
    sim_pass(&sim, 10 * SIM_MINUTE);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n"
                     "0:05:05 raw 01-09 past/1 triggered by critical_and_share missing d T1\n"
                     "0:05:05 event gate_triggered info raw 01-09\n"
                     "0:05:05 publish stats-go 01-09 past/1 critical_and_share T1\n");
    sim_close(&sim);
}

Test(sim_clocks, grace_stops_while_disconnected)
{
    struct sim sim = {0};
    await_grace(&sim);
    sim_pass(&sim, 3 * SIM_MINUTE);
    sim_disconnect(&sim);
    sim_pass(&sim, 2 * SIM_HOUR);
    sim_connect(&sim);
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_trace(&sim, "still waiting");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n"
                     "2:05:00 still waiting\n"
                     "2:05:10 raw 01-09 past/1 triggered by critical_and_share missing d T1\n"
                     "2:05:10 event gate_triggered info raw 01-09\n"
                     "2:05:10 publish stats-go 01-09 past/1 critical_and_share T1\n");
    sim_close(&sim);
}

Test(sim_clocks, grace_stops_while_there_is_a_backlog)
{
    struct sim sim = {0};
    await_grace(&sim);
    report(&sim, "raw", "stranger", DAY, "success"); /* waits on the bus */
    for (int i = 0; i < 60; i++) {
        sim_advance(&sim, SIM_MINUTE);
        sim_tick(&sim);
    }
    sim_trace(&sim, "the backlog is gone");
    sim_pass(&sim, 8 * SIM_MINUTE);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n"
                     "1:00:00 the backlog is gone\n"
                     "1:01:00 ack 1\n"
                     "1:06:05 raw 01-09 past/1 triggered by critical_and_share missing d T1\n"
                     "1:06:05 event gate_triggered info raw 01-09\n"
                     "1:06:05 publish stats-go 01-09 past/1 critical_and_share T1\n");
    sim_close(&sim);
}

/* A backlog of another phase's stream stops nothing. */
Test(sim_clocks, streams_have_clocks_of_their_own)
{
    struct sim sim = {0};
    await_grace(&sim);
    report(&sim, "stats", "stranger", DAY, "success");
    for (int i = 0; i < 6; i++) {
        sim_advance(&sim, SIM_MINUTE);
        sim_tick(&sim);
    }
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n"
                     "0:06:00 raw 01-09 past/1 triggered by critical_and_share missing d T1\n"
                     "0:06:00 event gate_triggered info raw 01-09\n");
    sim_close(&sim);
}

Test(sim_clocks, a_crash_does_not_make_clocks_run)
{
    struct sim sim = {0};
    await_grace(&sim);
    sim_pass(&sim, 4 * SIM_MINUTE);
    sim_advance(&sim, 3 * SIM_HOUR); /* dead for so long */
    sim_crash(&sim);
    sim_step(&sim);
    sim_trace(&sim, "nothing yet");
    sim_pass(&sim, 5 * SIM_MINUTE); /* what was not saved is run again */
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n"
                     "3:04:00 crash\n"
                     "3:04:00 nothing yet\n"
                     "3:05:10 raw 01-09 past/1 triggered by critical_and_share missing d T1\n"
                     "3:05:10 event gate_triggered info raw 01-09\n"
                     "3:05:10 publish stats-go 01-09 past/1 critical_and_share T1\n");
    sim_close(&sim);
}

Test(sim_clocks, a_clock_that_is_set_back_opens_nothing)
{
    struct sim sim = {0};
    await_grace(&sim);
    sim_pass(&sim, 4 * SIM_MINUTE);
    sim_advance(&sim, -2 * SIM_HOUR);
    sim_tick(&sim);
    sim_advance(&sim, 2 * SIM_HOUR);
    sim_tick(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n");
    sim_close(&sim);
}

/* Only the critical ones have delivered: the share is not met. */
static void await_deadline(struct sim *sim, const char *deadline)
{
    sim_open_day(sim, DAY, SETS(deadline));
    sim_succeed(sim, "raw", "ab", DAY);
    sim_step(sim);
    sim_pass(sim, 2 * SIM_HOUR);
}

Test(sim_clocks, deadline_degrades)
{
    struct sim sim = {0};
    await_deadline(&sim, "phases.raw.deadline={after: 30m}");
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "0:30:05 raw 01-09 past/1 triggered deadline by deadline not-ready degraded missing c,d T1\n"
                     "0:30:05 event gate_triggered info raw 01-09\n"
                     "0:30:05 event gate_degraded warning raw 01-09\n"
                     "0:30:05 publish stats-go 01-09 past/1 deadline T1\n");
    sim_close(&sim);
}

Test(sim_clocks, deadline_alerts)
{
    struct sim sim = {0};
    await_deadline(&sim, "phases.raw.deadline={after: 30m, then: alert}");
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "0:30:05 raw 01-09 past/1 waiting barrier,deadline missing c,d\n");
    sim_close(&sim);
}

Test(sim_clocks, deadline_holds)
{
    struct sim sim = {0};
    await_deadline(&sim, "phases.raw.deadline={after: 30m, then: hold}");
    sim_succeed(&sim, "raw", "cd", DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "0:30:05 raw 01-09 past/1 blocked barrier,deadline missing c,d\n"
                     "0:30:05 event gate_blocked critical raw 01-09\n"
                     "2:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "2:00:00 event gate_triggered info raw 01-09\n"
                     "2:00:00 ack 2\n"
                     "2:00:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_clocks, deadline_at_a_local_time)
{
    struct sim sim = {0};
    await_deadline(&sim, "phases.raw.deadline={at: \"13:00\"}");
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "1:00:00 raw 01-09 past/1 triggered deadline by deadline not-ready degraded missing c,d T1\n"
                     "1:00:00 event gate_triggered info raw 01-09\n"
                     "1:00:00 event gate_degraded warning raw 01-09\n"
                     "1:00:00 publish stats-go 01-09 past/1 deadline T1\n");
    sim_close(&sim);
}

/* It waives optional processors and the share, a critical one only when told to. */
static void critical_failed(struct sim *sim, const char *deadline)
{
    sim_open_day(sim, DAY, SETS(deadline));
    report(sim, "raw", "a", DAY, "success");
    report(sim, "raw", "b", DAY, "failed");
    sim_step(sim);
    sim_pass(sim, SIM_HOUR);
}

Test(sim_clocks, deadline_waives_no_critical_processor)
{
    struct sim sim = {0};
    critical_failed(&sim, "phases.raw.deadline={after: 10m}");
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked run_failed missing b,c,d\n"
                     "0:00:00 event run_failed critical raw/b 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 2\n");
    sim_close(&sim);
}

Test(sim_clocks, deadline_waives_a_critical_processor_when_told_to)
{
    struct sim sim = {0};
    critical_failed(&sim, "phases.raw.deadline={after: 10m, waive_critical: true}");
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked run_failed missing b,c,d\n"
                     "0:00:00 event run_failed critical raw/b 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 2\n"
                     "0:10:05 raw 01-09 past/1 triggered deadline by deadline not-ready degraded missing b,c,d T1\n"
                     "0:10:05 event gate_triggered info raw 01-09\n"
                     "0:10:05 event gate_degraded warning raw 01-09\n"
                     "0:10:05 publish stats-go 01-09 past/1 deadline T1\n");
    sim_close(&sim);
}

/* 1 minute doubling to 1 hour, for 7 days. */
Test(sim_clocks, rechecks)
{
    struct sim sim = {0};
    struct sl_buf minutes = {0};
    int64_t due_us = 0;
    size_t n = 0;
    sim_open(&sim, SIM_CASCADE, NULL);
    sim_calendar(&sim, DAY, "G1", "done");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_forget(&sim);
    const size_t puts = sim.faults.calls[SIM_LEDGER_gate_put], decisions = sim.faults.calls[SIM_LEDGER_decision_add];
    for (;; n++) {
        cr_assert_eq(sl_worker_next_due(sim.worker, &due_us, NULL), SL_OK);
        if (due_us == SL_NEVER_US)
            break;
        cr_assert_gt(due_us, sim.now_us);
        sim.now_us = due_us;
        sim_step(&sim);
        if (n < 10)
            sl_buf_printf(&minutes, "%lld ", (long long)((sim.now_us - sim.start_us) / 60000000));
    }
    cr_assert_str_eq(sl_buf_text(&minutes), "1 3 7 15 31 63 123 183 243 303 ");
    cr_assert_eq((sim.now_us - sim.start_us) / 60000000, 7 * 24 * 60 + 3);
    cr_assert_eq(n, 6 + 167);
    sim_expect(&sim, "");
    cr_assert_eq(sim.faults.calls[SIM_LEDGER_gate_put], puts, "a recheck that changes nothing writes only checked_at");
    cr_assert_eq(sim.faults.calls[SIM_LEDGER_decision_add], decisions);
    /* then only on events */
    sim_rows(&sim, "raw.a", DAY, "G1");
    sim_rows(&sim, "raw.b", DAY, "G1");
    sim_pass(&sim, SIM_DAY);
    sim_expect(&sim, "");
    report(&sim, "raw", "c", DAY, "success", .run = "c2");
    sim_step(&sim);
    sim_expect(&sim, "192:03:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "192:03:00 event source_available info raw/a 01-09 G1\n"
                     "192:03:00 event source_available info raw/b 01-09 G1\n"
                     "192:03:00 ack 1\n");
    sl_buf_fini(&minutes);
    sim_close(&sim);
}

Test(sim_clocks, a_date_nobody_reports_gets_a_gate_and_an_alert)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, SETS("phases.raw.expect_by=\"06:00\"", "phases.raw.deadline={after: 30m, then: alert}"));
    sim_at(&sim, "2025-01-10 05:50:00");
    sim_day(&sim, DAY, "G1");
    sim_calendar(&sim, "2025-01-08", "G0", "planned"); /* nothing is done: nothing is expected */
    sim_calendar(&sim, "2025-01-10", "G2", "planned");
    sim_pass(&sim, 5 * SIM_MINUTE);
    sim_trace(&sim, "05:55");
    sim_pass(&sim, 10 * SIM_MINUTE);
    cr_assert_eq(sim_logged(&sim, "no completion has come"), 1);
    /* its clock starts with the first report, even of one that changes nothing else */
    report(&sim, "raw", "d", DAY, "failed");
    sim_step(&sim);
    sim_pass(&sim, 40 * SIM_MINUTE);
    sim_four(&sim, DAY);
    report(&sim, "raw", "d", DAY, "success", .run = "d2");
    sim_step(&sim);
    sim_expect(&sim, "0:05:00 05:55\n"
                     "0:10:00 raw 01-09 past/1 waiting barrier missing a,b,c,d\n"
                     "0:15:00 event run_failed warning raw/d 01-09\n"
                     "0:15:00 ack 1\n"
                     "0:45:05 raw 01-09 past/1 waiting barrier,deadline missing a,b,c,d\n"
                     "0:55:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:55:00 event gate_triggered info raw 01-09\n"
                     "0:55:00 ack 5\n"
                     "0:55:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

/* Reported on the day itself: nobody is missed, and the clock opens nothing. */
Test(sim_clocks, a_date_reported_on_its_day_is_no_alert)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, SETS("phases.raw.expect_by=\"06:00\""));
    sim_at(&sim, "2025-01-09 23:00:00");
    sim_day(&sim, DAY, "G1");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_pass(&sim, 8 * SIM_HOUR);
    sim_expect(&sim, "0:00:00 raw 01-09 today/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish stats-go 01-09 today/1 all_complete T1\n"
                     "2:00:00 event trigger_unanswered warning raw 01-09\n");
    cr_assert_eq(sim_logged(&sim, "no completion has come"), 0);
    sim_close(&sim);
}

static void unanswered(struct sim *sim, const char *on_unanswered)
{
    sim_open_decided(sim, DAY, SETS("phases.raw.answer_within=2h", on_unanswered));
    sim_forget(sim);
    sim_pass(sim, 3 * SIM_HOUR);
}

Test(sim_clocks, an_unanswered_trigger_is_said)
{
    struct sim sim = {0};
    unanswered(&sim, "phases.raw.on_unanswered=alert");
    sim_pass(&sim, SIM_DAY);
    sim_expect(&sim, "2:00:00 event trigger_unanswered warning raw 01-09\n");
    sim_close(&sim);
}

Test(sim_clocks, an_unanswered_trigger_is_published_again)
{
    struct sim sim = {0};
    unanswered(&sim, "phases.raw.on_unanswered=retrigger");
    sim_expect(&sim, "2:00:00 event trigger_unanswered warning raw 01-09\n"
                     "2:00:00 publish stats-go 01-09 past/1 retriggered T1\n");
    report(&sim, "stats", "s", DAY, "running");
    sim_step(&sim);
    sim_pass(&sim, SIM_DAY);
    sim_expect(&sim, "3:00:00 ack 1\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

Test(sim_clocks, an_answered_trigger_is_quiet)
{
    struct sim sim = {0};
    sim_open_decided(&sim, DAY, SETS("phases.raw.answer_within=2h"));
    sim_pass(&sim, SIM_HOUR);
    report(&sim, "stats", "s", DAY, "running");
    sim_step(&sim);
    sim_forget(&sim);
    sim_pass(&sim, SIM_DAY);
    sim_expect(&sim, "");
    sim_close(&sim);
}
