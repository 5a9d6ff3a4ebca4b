/* Triggers that are held back, and what operators do about it; what can't be understood; what can't be published. */
#include <criterion/criterion.h>
#include <string.h>

#include "sim.h"

#define DAY "2025-01-09"

Test(sim_operator, skip_holds_until_released)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "a", DAY, "success", .skip = true);
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_pass(&sim, SIM_HOUR);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 suppressed skip by all_complete\n"
                     "0:00:00 event gate_suppressed info raw 01-09\n"
                     "0:00:00 ack 5\n");
    sim_release(&sim, "raw", DAY, DAY, false, true);
    sim_release(&sim, "raw", DAY, DAY, false, false);
    sim_step(&sim);
    sim_release(&sim, "raw", DAY, DAY, false, false); /* nothing is left */
    sim_expect(&sim, "1:00:00 would release raw 01-09: triggered\n"
                     "1:00:00 release raw 01-09: triggered\n"
                     "1:00:00 raw 01-09 past/1 triggered by released T1\n"
                     "1:00:00 event gate_triggered info raw 01-09\n"
                     "1:00:00 event gate_released info raw 01-09\n"
                     "1:00:00 event operator_action info raw 01-09\n"
                     "1:00:00 publish stats-go 01-09 past/1 released T1\n");
    sim_close(&sim);
}

Test(sim_operator, skip_drops)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, SETS("phases.raw.on_skip=drop"));
    report(&sim, "raw", "a", DAY, "success", .skip = true);
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_release(&sim, "raw", DAY, DAY, false, false);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 suppressed skip by all_complete dropped\n"
                     "0:00:00 event gate_suppressed info raw 01-09\n"
                     "0:00:00 ack 5\n");
    sim_close(&sim);
}

Test(sim_operator, dropped_gates_are_off_the_list)
{
    struct sim sim = {.options = {.skip_downstream_trigger = true}};
    sim_open_decided(&sim, DAY, NULL);
    sim_drop(&sim, "raw", DAY, DAY);
    sim_drop(&sim, "raw", DAY, DAY);
    sim_release(&sim, "raw", DAY, DAY, true, false);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 suppressed skip by all_complete\n"
                     "0:00:00 event gate_suppressed info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 drop 1\n"
                     "0:00:00 raw 01-09 past/1 suppressed skip by all_complete dropped\n"
                     "0:00:00 event operator_action info raw 01-09\n"
                     "0:00:00 drop 0\n");
    sim_close(&sim);
}

/* A release decides on fresh facts: what is blocked by now is refused, unless it is forced. */
Test(sim_operator, release_is_refused_and_forced)
{
    struct sim sim = {.options = {.skip_downstream_trigger = true}};
    sim_open(&sim, SIM_CASCADE, NULL);
    sim_day(&sim, "2025-01-08", "G0");
    sim_day(&sim, DAY, "G1");
    sim_four(&sim, "2025-01-08");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_sql(&sim, "raw", "DELETE FROM b WHERE game_date = '2025-01-08'");
    sim_expect(&sim, "0:00:00 raw 01-08 past/1 suppressed skip by all_complete\n"
                     "0:00:00 raw 01-09 past/1 suppressed skip by all_complete\n"
                     "0:00:00 event gate_suppressed info raw 01-08\n"
                     "0:00:00 event gate_suppressed info raw 01-09\n"
                     "0:00:00 ack 8\n");
    sim_release(&sim, "raw", "2025-01-01", DAY, false, true);
    sim_release(&sim, "raw", "2025-01-01", DAY, false, false);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 would release raw 01-08: blocked no_data\n"
                     "0:00:00 would release raw 01-09: triggered gaps\n"
                     "0:00:00 release raw 01-08: blocked no_data\n"
                     "0:00:00 release raw 01-09: triggered gaps\n"
                     "0:00:00 raw 01-09 past/1 triggered gaps by released not-ready T1\n"
                     "0:00:00 event date_gap warning raw/b 01-08\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 event gate_released info raw 01-09\n"
                     "0:00:00 event operator_action info raw 01-09\n"
                     "0:00:00 publish stats-go 01-09 past/1 released T1\n");
    sim_release(&sim, "raw", "2025-01-01", DAY, true, false);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 release raw 01-08: triggered barrier,no_data\n"
                     "0:00:00 raw 01-08 past/1 triggered barrier,no_data by released not-ready missing b T2\n"
                     "0:00:00 event source_missing critical raw/b 01-08 G0\n"
                     "0:00:00 event gate_triggered info raw 01-08\n"
                     "0:00:00 event gate_released info raw 01-08\n"
                     "0:00:00 event operator_action info raw 01-08\n"
                     "0:00:00 publish stats-go 01-08 past/1 released T2\n");
    sim_close(&sim);
}

Test(sim_operator, a_hold_expires)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    sim_day(&sim, "2025-01-07", "GA");
    sim_day(&sim, "2025-01-08", "G0");
    sim_day(&sim, DAY, "G1");
    sim_hold(&sim, "raw", "2025-01-08", DAY, SIM_HOUR);
    sim_four(&sim, "2025-01-07");
    sim_four(&sim, "2025-01-08");
    sim_step(&sim);
    sim_pass(&sim, 2 * SIM_HOUR);
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 event operator_action info raw 01-08\n"
                     "0:00:00 raw 01-07 past/1 triggered by all_complete T1\n"
                     "0:00:00 raw 01-08 past/1 suppressed hold by all_complete\n"
                     "0:00:00 event gate_triggered info raw 01-07\n"
                     "0:00:00 event gate_suppressed info raw 01-08\n"
                     "0:00:00 ack 8\n"
                     "0:00:00 publish stats-go 01-07 past/1 all_complete T1\n"
                     "2:00:00 event trigger_unanswered warning raw 01-07\n"
                     "2:00:00 raw 01-09 past/1 triggered by all_complete T2\n"
                     "2:00:00 event gate_triggered info raw 01-09\n"
                     "2:00:00 ack 4\n"
                     "2:00:00 publish stats-go 01-09 past/1 all_complete T2\n");
    sim_release(&sim, "raw", "2025-01-08", "2025-01-08", false, false);
    sim_step(&sim);
    sim_expect(&sim, "2:00:00 release raw 01-08: triggered\n"
                     "2:00:00 raw 01-08 past/1 triggered by released T3\n"
                     "2:00:00 event gate_triggered info raw 01-08\n"
                     "2:00:00 event gate_released info raw 01-08\n"
                     "2:00:00 event operator_action info raw 01-08\n"
                     "2:00:00 publish stats-go 01-08 past/1 released T3\n");
    sim_close(&sim);
}

Test(sim_operator, a_new_generation_takes_the_place_of_a_held_one)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "a", DAY, "success", .skip = true);
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_advance(&sim, SIM_SECOND);
    report(&sim, "raw", "a", DAY, "success", .run = "a2"); /* this one does not ask to skip */
    sim_step(&sim);
    sim_pass(&sim, 6 * SIM_MINUTE);
    sim_release(&sim, "raw", DAY, DAY, false, false);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 suppressed skip by all_complete\n"
                     "0:00:00 event gate_suppressed info raw 01-09\n"
                     "0:00:00 ack 5\n"
                     "0:00:01 raw 01-09 past/1 superseded skip by all_complete\n"
                     "0:00:01 raw 01-09 past/2 waiting settle\n"
                     "0:00:01 ack 1\n"
                     "0:05:01 raw 01-09 past/2 triggered by all_complete T1\n"
                     "0:05:01 event gate_triggered info raw 01-09\n"
                     "0:05:01 publish stats-go 01-09 past/2 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_operator, retrigger)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_day(&sim, "2025-01-08", "G0");
    sim_retrigger(&sim, "raw", DAY, false);
    sim_four(&sim, DAY);
    report(&sim, "raw", "a", "2025-01-08", "success");
    sim_step(&sim);
    sim_pass(&sim, SIM_HOUR);
    sim_forget(&sim);
    sim_retrigger(&sim, "raw", "2025-01-08", false); /* waits: nothing to publish */
    sim_retrigger(&sim, "raw", "2025-01-08", true);
    sim_retrigger(&sim, "raw", DAY, false);
    sim_step(&sim);
    sim_retrigger(&sim, "raw", DAY, true);
    sim_step(&sim);
    sim_expect(&sim, "1:00:00 retrigger: invalid\n"
                     "1:00:00 retrigger: invalid\n"
                     "1:00:00 retrigger raw 01-09: triggered\n"
                     "1:00:00 event operator_action info raw 01-09\n"
                     "1:00:00 publish stats-go 01-09 past/1 retriggered T1\n"
                     "1:00:00 retrigger raw 01-09: triggered\n"
                     "1:00:00 raw 01-09 past/2 triggered by retriggered T2\n"
                     "1:00:00 event gate_triggered info raw 01-09\n"
                     "1:00:00 event operator_action info raw 01-09\n"
                     "1:00:00 publish stats-go 01-09 past/2 retriggered T2\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

/* Decided while the day was today, retriggered when it is over: the gate is the one that has fired. */
Test(sim_operator, retrigger_what_was_decided_the_day_before)
{
    struct sim sim = {0};
    sim_open_decided(&sim, "2025-01-10", NULL);
    sim_pass(&sim, 36 * SIM_HOUR);
    sim_forget(&sim);
    sim_retrigger(&sim, "raw", "2025-01-10", false);
    sim_step(&sim);
    sim_expect(&sim, "36:00:00 retrigger raw 01-10: triggered\n"
                     "36:00:00 event operator_action info raw 01-10\n"
                     "36:00:00 publish stats-go 01-10 today/1 retriggered T1\n");
    sim_close(&sim);
}

Test(sim_operator, observe_publishes_nothing)
{
    struct sim sim = {0};
    sim_open_decided(&sim, DAY, SETS("phases.raw.mode=observe"));
    sim_advance(&sim, SIM_SECOND);
    report(&sim, "raw", "a", DAY, "success", .run = "a2");
    sim_step(&sim);
    sim_pass(&sim, 6 * SIM_MINUTE);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 observed by all_complete\n"
                     "0:00:00 ack 4\n"
                     "0:00:01 raw 01-09 past/2 waiting settle\n"
                     "0:00:01 ack 1\n"
                     "0:05:01 raw 01-09 past/2 observed by all_complete\n");
    sim_close(&sim);
}

/* ---- what can't be understood ---- */

Test(sim_operator, rejects_go_where_they_belong)
{
    struct sim sim = {0};
    struct sl_reject_row *rows = NULL;
    size_t n = 0;
    sim_open(&sim, SIM_CASCADE, NULL);
    sim_send(&sim, "raw", "{oops");
    sim_send(&sim, "stats", "[1]"); /* no dead-letter topic: the ledger keeps it */
    sim_send(&sim, NULL, "{\"phase\": \"nowhere\"}");
    sim_send_again(&sim, 2);
    sim_send(&sim, "stats",
             "{\"processor_name\": \"a\", \"phase\": \"raw\", \"execution_id\": \"1\", \"game_date\": \"" DAY
             "\", \"status\": \"success\", \"timestamp\": \"2025-01-10T20:00:00Z\"}");
    sim_step(&sim);
    sim_send_again(&sim, 0);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 event calendar_suspect critical\n"
                     "0:00:00 event message_rejected warning raw\n"
                     "0:00:00 event message_rejected warning stats\n"
                     "0:00:00 event message_rejected warning\n"
                     "0:00:00 event message_rejected warning stats\n"
                     "0:00:00 ack 5\n"
                     "0:00:00 publish raw-dlq rejected not_json m0: {oops\n"
                     "0:00:00 ack 1\n");
    cr_assert_eq(sl_ledger_rejects(sim.watch, 0, &rows, &n, &sim.arena, NULL), SL_OK);
    cr_assert_eq(n, 3);
    cr_assert_str_eq(rows[0].code, "not_object");
    cr_assert_str_eq(rows[0].subscription, "stats-done-sub");
    cr_assert_str_eq(rows[1].code, "missing_field");
    cr_assert_null(rows[1].subscription);
    cr_assert_str_eq(rows[2].code, "wrong_subscription");
    const struct sl_published *published = NULL;
    cr_assert_eq(sl_memory_bus_published(sim.memory, &published), 1);
    cr_assert(strstr(published[0].attributes, "\"sluice_source_subscription\":\"raw-done-sub\""), "%s", published[0].attributes);
    cr_assert(strstr(published[0].attributes, "\"sluice_source_topic\":\"raw-done\""), "%s", published[0].attributes);
    cr_assert(strstr(published[0].attributes, "\"sluice_replay_count\":\"0\""), "%s", published[0].attributes);
    sim_close(&sim);
}

Test(sim_operator, an_unknown_processor_counts_for_nothing_and_warns_once)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "stranger", DAY, "success");
    sim_step(&sim);
    sim_crash(&sim);
    report(&sim, "raw", "stranger", "2025-01-08", "success");
    report(&sim, "raw", "stranger", DAY, "failed", .run = "2");
    sim_step(&sim);
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 ack 1\n"
                     "0:00:00 crash\n"
                     "0:00:00 ack 2\n"
                     "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n");
    cr_assert_eq(sim_logged(&sim, "that the config does not know"), 1);
    struct sl_run *runs = NULL;
    size_t n = 0;
    cr_assert_eq(sl_ledger_runs_of(sim.watch, "raw", sim_date(DAY), &runs, &n, &sim.arena, NULL), SL_OK);
    cr_assert_eq(n, 6);
    sim_close(&sim);
}

Test(sim_operator, events_that_the_processor_sends_along)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "a", DAY, "success",
           .extra = ", \"coverage_events\": [{\"event_type\": \"insufficient_sample\", \"severity\": \"warning\", \"game_id\": \"G1\"}]");
    report(&sim, "raw", "b", DAY, "partial", .failed = 2);
    report(&sim, "raw", "c", DAY, "no_data", .records = -1);
    report(&sim, "raw", "d", DAY, "failed", .extra = ", \"error_message\": \"boom\"");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered partial by critical_and_share not-ready missing d T1\n"
                     "0:00:00 event insufficient_sample warning raw/a 01-09 G1\n"
                     "0:00:00 event run_failed warning raw/d 01-09\n"
                     "0:00:00 event rows_without_run warning raw/c 01-09\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish stats-go 01-09 past/1 critical_and_share T1\n");
    sim_close(&sim);
}

/* ---- what can't be published ---- */

Test(sim_operator, a_failing_publish_backs_off_and_keeps_its_order)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    sim.poll_ms = SIM_SECOND;
    sim_day(&sim, "2025-01-08", "G0");
    sim_day(&sim, DAY, "G1");
    sl_memory_bus_fail_publishes(sim.memory, 3, SL_UNAVAILABLE);
    sim_four(&sim, DAY);
    sim_send(&sim, "raw", "oops"); /* another topic */
    sim_step(&sim);
    sim_advance(&sim, SIM_SECOND / 2);
    sim_four(&sim, "2025-01-08"); /* an earlier date comes later */
    sim_step(&sim);
    sim_pass(&sim, SIM_MINUTE);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event message_rejected warning raw\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 5\n"
                     "0:00:00.500 raw 01-08 past/1 triggered by all_complete T2\n"
                     "0:00:00.500 event gate_triggered info raw 01-08\n"
                     "0:00:00.500 ack 4\n"
                     "0:00:01.500 publish raw-dlq rejected not_json m4: oops\n"
                     "0:00:01.500 publish stats-go 01-08 past/1 all_complete T2\n"
                     "0:00:01.500 publish stats-go 01-09 past/1 all_complete T1\n");
    cr_assert_eq(sim_logged(&sim, "could not be published"), 3);
    sim_close(&sim);
}

/* The date after the one that fails waits for it, though the bus would take it. */
Test(sim_operator, nothing_overtakes_a_failing_publish)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    sim.poll_ms = SIM_SECOND;
    sim_day(&sim, "2025-01-08", "G0");
    sim_day(&sim, DAY, "G1");
    sl_memory_bus_fail_publishes(sim.memory, 1, SL_UNAVAILABLE);
    sim_four(&sim, DAY);
    sim_four(&sim, "2025-01-08");
    sim_step(&sim);
    sim_pass(&sim, 5 * SIM_SECOND);
    sim_expect(&sim, "0:00:00 raw 01-08 past/1 triggered by all_complete T1\n"
                     "0:00:00 raw 01-09 past/1 triggered by all_complete T2\n"
                     "0:00:00 event gate_triggered info raw 01-08\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 8\n"
                     "0:00:01 publish stats-go 01-08 past/1 all_complete T1\n"
                     "0:00:01 publish stats-go 01-09 past/1 all_complete T2\n");
    sim_close(&sim);
}
