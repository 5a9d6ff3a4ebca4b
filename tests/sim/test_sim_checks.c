/* Gates that checks hold: gaps that are filled or accepted, phases before that still run, tables that can't be asked; and the calendar. */
#include <criterion/criterion.h>
#include <string.h>

#include "sim.h"

/* Three dates; the middle one lacks b's rows, so that raw goes on with a soft reason and stats is held. */
static void with_a_gap(struct sim *sim, const char *const *sets)
{
    static const char *const DATES[] = {"2025-01-07", "2025-01-08", "2025-01-09"};
    sim_open(sim, SIM_CASCADE, sets);
    for (int i = 0; i < 3; i++)
        sim_day(sim, DATES[i], DATES[i] + 8);
    sim_sql(sim, "stats", "DELETE FROM s WHERE game_date = '2025-01-07'");
    for (int i = 2; i >= 0; i--)
        sim_four(sim, DATES[i]);
    sim_step(sim);
    sim_forget(sim);
    for (int i = 2; i >= 0; i--) {
        sim_succeed(sim, "stats", "st", DATES[i]);
    }
    sim_step(sim);
}

Test(sim_checks, a_filled_gap_opens_what_it_held_in_date_order)
{
    struct sim sim = {0};
    with_a_gap(&sim, NULL);
    sim_expect(&sim, "0:00:00 stats 01-07 past/1 blocked no_data missing s\n"
                     "0:00:00 stats 01-08 past/1 blocked gaps\n"
                     "0:00:00 stats 01-09 past/1 blocked gaps\n"
                     "0:00:00 event source_missing critical stats/s 01-07 07\n"
                     "0:00:00 event gate_blocked critical stats 01-07\n"
                     "0:00:00 event date_gap critical stats/s 01-07\n"
                     "0:00:00 event gate_blocked critical stats 01-08\n"
                     "0:00:00 event gate_blocked critical stats 01-09\n"
                     "0:00:00 ack 6\n");
    sim_rows(&sim, "stats.s", "2025-01-07", "07");
    report(&sim, "stats", "s", "2025-01-07", "success", .run = "again");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 stats 01-07 past/1 triggered by all_complete T4\n"
                     "0:00:00 stats 01-08 past/1 triggered by all_complete T5\n"
                     "0:00:00 stats 01-09 past/1 triggered by all_complete T6\n"
                     "0:00:00 event source_available info stats/s 01-07 07\n"
                     "0:00:00 event gate_triggered info stats 01-07\n"
                     "0:00:00 event gate_triggered info stats 01-08\n"
                     "0:00:00 event gate_triggered info stats 01-09\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 publish show-go 01-07 past/1 all_complete T4\n"
                     "0:00:00 publish show-go 01-08 past/1 all_complete T5\n"
                     "0:00:00 publish show-go 01-09 past/1 all_complete T6\n");
    sim_close(&sim);
}

Test(sim_checks, a_filled_gap_is_found_by_a_recheck_too)
{
    struct sim sim = {0};
    with_a_gap(&sim, NULL);
    sim_forget(&sim);
    sim_rows(&sim, "stats.s", "2025-01-07", "07");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:01:00 stats 01-07 past/1 triggered by all_complete T4\n"
                     "0:01:00 stats 01-08 past/1 triggered by all_complete T5\n"
                     "0:01:00 stats 01-09 past/1 triggered by all_complete T6\n"
                     "0:01:00 event source_available info stats/s 01-07 07\n"
                     "0:01:00 event gate_triggered info stats 01-07\n"
                     "0:01:00 event gate_triggered info stats 01-08\n"
                     "0:01:00 event gate_triggered info stats 01-09\n"
                     "0:01:00 publish show-go 01-07 past/1 all_complete T4\n"
                     "0:01:00 publish show-go 01-08 past/1 all_complete T5\n"
                     "0:01:00 publish show-go 01-09 past/1 all_complete T6\n");
    sim_close(&sim);
}

Test(sim_checks, an_accepted_gap_opens_the_rest)
{
    struct sim sim = {0};
    with_a_gap(&sim, NULL);
    sim_forget(&sim);
    sim_pass(&sim, 30 * SIM_MINUTE);
    sim_known_gap(&sim, "stats", "2025-01-07");
    sim_step(&sim);
    sim_expect(&sim, "0:30:00 event operator_action info stats 01-07\n"
                     "0:30:00 stats 01-08 past/1 triggered by all_complete T4\n"
                     "0:30:00 stats 01-09 past/1 triggered by all_complete T5\n"
                     "0:30:00 event gate_triggered info stats 01-08\n"
                     "0:30:00 event gate_triggered info stats 01-09\n"
                     "0:30:00 publish show-go 01-08 past/1 all_complete T4\n"
                     "0:30:00 publish show-go 01-09 past/1 all_complete T5\n");
    sim_close(&sim);
}

Test(sim_checks, another_config_decides_again)
{
    struct sim sim = {0};
    with_a_gap(&sim, NULL);
    sim_forget(&sim);
    sim_restart(&sim, SETS("phases.stats.checks.gaps.mode=soft"));
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 restart\n"
                     "0:00:00 stats 01-08 past/1 triggered gaps by all_complete not-ready T4\n"
                     "0:00:00 stats 01-09 past/1 triggered gaps by all_complete not-ready T5\n"
                     "0:00:00 event gate_triggered info stats 01-08\n"
                     "0:00:00 event gate_triggered info stats 01-09\n"
                     "0:00:00 publish show-go 01-08 past/1 all_complete T4\n"
                     "0:00:00 publish show-go 01-09 past/1 all_complete T5\n");
    sim_crash(&sim); /* the same config decides nothing */
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 crash\n");
    sim_close(&sim);
}

Test(sim_checks, a_gap_degrades_after_its_time)
{
    struct sim sim = {0};
    with_a_gap(&sim, SETS("phases.stats.checks.gaps.degrade_after=24h"));
    sim_forget(&sim);
    sim_pass(&sim, 25 * SIM_HOUR);
    sim_expect(&sim, "24:00:00 stats 01-08 past/1 triggered gaps by all_complete not-ready degraded T4\n"
                     "24:00:00 stats 01-09 past/1 triggered gaps by all_complete not-ready degraded T5\n"
                     "24:00:00 event gate_triggered info stats 01-08\n"
                     "24:00:00 event gate_degraded warning stats 01-08\n"
                     "24:00:00 event gate_triggered info stats 01-09\n"
                     "24:00:00 event gate_degraded warning stats 01-09\n"
                     "24:00:00 publish show-go 01-08 past/1 all_complete T4\n"
                     "24:00:00 publish show-go 01-09 past/1 all_complete T5\n");
    sim_close(&sim);
}

#define DAY "2025-01-09"

static void stats_report(struct sim *sim)
{
    sim_succeed(sim, "stats", "st", DAY);
    sim_step(sim);
}

Test(sim_checks, upstream_that_still_runs_is_awaited_for_4_hours)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "a", DAY, "success");
    report(&sim, "raw", "b", DAY, "running");
    stats_report(&sim);
    sim_pass(&sim, 5 * SIM_HOUR);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting barrier missing b,c,d\n"
                     "0:00:00 stats 01-09 past/1 waiting upstream_running\n"
                     "0:00:00 ack 4\n"
                     "4:00:00 stats 01-09 past/1 blocked upstream\n"
                     "4:00:00 event gate_blocked info stats 01-09\n");
    report(&sim, "raw", "b", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "5:00:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "5:00:00 stats 01-09 past/1 triggered by all_complete T1\n"
                     "5:00:00 event gate_triggered info stats 01-09\n"
                     "5:00:00 ack 1\n"
                     "5:00:00 publish show-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_checks, upstream_that_failed_or_lacks_rows)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    stats_report(&sim);
    report(&sim, "raw", "a", DAY, "success");
    report(&sim, "raw", "b", DAY, "failed");
    sim_step(&sim);
    sim_sql(&sim, "raw", "DELETE FROM b");
    report(&sim, "raw", "b", DAY, "success", .run = "b2", .records = 4);
    sim_step(&sim);
    sim_rows(&sim, "raw.b", DAY, "G1");
    report(&sim, "raw", "b", DAY, "success", .run = "b3");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 stats 01-09 past/1 blocked upstream\n"
                     "0:00:00 event gate_blocked info stats 01-09\n"
                     "0:00:00 ack 2\n"
                     "0:00:00 raw 01-09 past/1 blocked run_failed missing b,c,d\n"
                     "0:00:00 event run_failed critical raw/b 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 2\n"
                     "0:00:00 raw 01-09 past/1 blocked no_data missing b,c,d\n"
                     "0:00:00 event source_missing critical raw/b 01-09 G1\n"
                     "0:00:00 event run_without_rows critical raw/b 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:00:00 stats 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event source_available info raw/b 01-09 G1\n"
                     "0:00:00 event gate_triggered info stats 01-09\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 publish show-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_checks, a_missing_table_is_a_finding)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_sql(&sim, "raw", "DROP TABLE b");
    sim_sql(&sim, "raw", "DROP TABLE a2"); /* a fallback that nobody needs */
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked check_error missing b\n"
                     "0:00:00 event source_error info raw/b 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 4\n");
    sim_sql(&sim, "raw", "CREATE TABLE b (game_date DATE TEXT, game_id TEXT)");
    sim_rows(&sim, "raw.b", DAY, "G1");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:01:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:01:00 event gate_triggered info raw 01-09\n"
                     "0:01:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

/* ---- calendar ---- */

Test(sim_checks, an_empty_date)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, SETS("phases.raw.on_empty=trigger"));
    sim_calendar(&sim, "2025-01-08", "G0", "cancelled");
    sim_four(&sim, "2025-01-08");
    report(&sim, "stats", "s", "2025-01-08", "no_data");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-08 past/1 triggered by all_complete T1\n"
                     "0:00:00 stats 01-08 past/1 empty\n"
                     "0:00:00 event gate_triggered info raw 01-08\n"
                     "0:00:00 ack 5\n"
                     "0:00:00 publish stats-go 01-08 past/1 all_complete T1\n");
    /* it was played after all */
    sim_day(&sim, "2025-01-08", "G0");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 stats 01-08 past/1 waiting barrier missing t\n"
                     "0:00:00 event rows_without_run warning stats/s 01-08\n");
    sim_close(&sim);
}

Test(sim_checks, a_planned_unit_becomes_done)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_calendar(&sim, DAY, "G2", "planned");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_pass(&sim, SIM_HOUR);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting calendar\n"
                     "0:00:00 ack 4\n");
    sim_day(&sim, DAY, "G2"); /* seen at once, without a message */
    sim_advance(&sim, SIM_SECOND);
    sim_step(&sim);
    sim_expect(&sim, "1:00:01 raw 01-09 past/1 triggered by all_complete T1\n"
                     "1:00:01 event gate_triggered info raw 01-09\n"
                     "1:00:01 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

/* What the comparison with the memory found is rolled back with everything else, and found again. */
Test(sim_checks, a_change_is_not_lost_with_a_failed_commit)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_calendar(&sim, DAY, "G2", "planned");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_pass(&sim, SIM_HOUR);
    sim_forget(&sim);
    sim_day(&sim, DAY, "G2");
    sim_break(&sim, SIM_LEDGER_commit, 1, SL_UNAVAILABLE);
    sim_tick(&sim);
    sim_tick(&sim);
    sim_expect(&sim, "1:00:00 tick: unavailable\n"
                     "1:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "1:00:00 event gate_triggered info raw 01-09\n");
    sim_close(&sim);
}

Test(sim_checks, a_new_unit_decides_again)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_sql(&sim, "raw", "DELETE FROM a");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_pass(&sim, 10 * SIM_MINUTE);
    sim_forget(&sim);
    sim_day(&sim, DAY, "G2");
    sim_step(&sim);
    sim_expect(&sim, "0:10:00 raw 01-09 past/1 blocked units missing a\n"
                     "0:10:00 event units_missing warning raw 01-09\n"
                     "0:10:00 event gate_blocked critical raw 01-09\n");
    sim_close(&sim);
}

static void a_season(struct sim *sim)
{
    char date[SL_DATE_LEN + 1], unit[8];
    for (int i = 0; i < 10; i++) {
        sl_date_format(sim_date("2025-01-01") + i, date);
        unit[0] = 'G';
        unit[1] = (char)('0' + i);
        unit[2] = '\0';
        sim_day(sim, date, unit);
    }
}

Test(sim_checks, an_empty_calendar_is_suspect)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting calendar_suspect\n"
                     "0:00:00 event calendar_suspect critical\n"
                     "0:00:00 ack 4\n");
    a_season(&sim);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_checks, a_calendar_that_shrank_is_suspect)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    a_season(&sim);
    sim_step(&sim);
    sim_sql(&sim, "raw", "DELETE FROM schedule WHERE game_date <= '2025-01-03'");
    sim_four(&sim, "2025-01-02"); /* lost */
    sim_four(&sim, "2025-01-05"); /* still there */
    sim_step(&sim);
    sim_pass(&sim, 8 * SIM_DAY); /* rechecks are over */
    sim_expect(&sim, "0:00:00 raw 01-02 past/1 waiting calendar_suspect\n"
                     "0:00:00 raw 01-05 past/1 triggered by all_complete T1\n"
                     "0:00:00 event calendar_suspect critical\n"
                     "0:00:00 event gate_triggered info raw 01-05\n"
                     "0:00:00 ack 8\n"
                     "0:00:00 publish stats-go 01-05 past/1 all_complete T1\n"
                     "2:00:00 event trigger_unanswered warning raw 01-05\n");
    a_season(&sim);
    sim_step(&sim);
    sim_expect(&sim, "192:00:00 raw 01-02 past/1 triggered by all_complete T2\n"
                     "192:00:00 event gate_triggered info raw 01-02\n"
                     "192:00:00 publish stats-go 01-02 past/1 all_complete T2\n");
    sim_close(&sim);
}

Test(sim_checks, a_calendar_may_lose_a_few)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    a_season(&sim);
    sim_step(&sim);
    sim_sql(&sim, "raw", "DELETE FROM schedule WHERE game_date <= '2025-01-02'"); /* 20 % */
    sim_four(&sim, "2025-01-02");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-02 past/1 empty\n"
                     "0:00:00 ack 4\n");
    sim_close(&sim);
}

Test(sim_checks, a_calendar_that_cannot_be_read)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_sql(&sim, "raw", "ALTER TABLE schedule RENAME TO elsewhere");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked check_error\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 4\n");
    sim_sql(&sim, "raw", "ALTER TABLE elsewhere RENAME TO schedule");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:01:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:01:00 event gate_triggered info raw 01-09\n"
                     "0:01:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

/* The date is the unit. */
Test(sim_checks, a_calendar_without_units)
{
    struct sim sim = {0};
    sim_open_day(&sim, "2025-01-08", SETS("calendar.unit_column=none"));
    sim_day(&sim, DAY, "G2");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_crash(&sim);
    sim_sql(&sim, "raw", "UPDATE schedule SET status = 'planned'");
    sim_four(&sim, "2025-01-08");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n"
                     "0:00:00 crash\n"
                     "0:00:00 raw 01-08 past/1 waiting calendar\n"
                     "0:00:00 ack 4\n");
    sim_close(&sim);
}

Test(sim_checks, no_calendar)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, SETS("calendar=null", "phases.raw.checks.gaps.look_back=2d"));
    sim_rows(&sim, "raw.a2", DAY, "whatever");
    sim_rows(&sim, "raw.b", DAY, "whatever");
    sim_rows(&sim, "raw.c", DAY, "whatever");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered gaps by critical_and_share not-ready missing d T1\n"
                     "0:00:00 event fallback_used info raw/a 01-09\n"
                     "0:00:00 event source_missing warning raw/d 01-09\n"
                     "0:00:00 event date_gap warning raw/a 01-07\n"
                     "0:00:00 event date_gap warning raw/b 01-07\n"
                     "0:00:00 event date_gap warning raw/a 01-08\n"
                     "0:00:00 event date_gap warning raw/b 01-08\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish stats-go 01-09 past/1 critical_and_share T1\n");
    sim_close(&sim);
}
