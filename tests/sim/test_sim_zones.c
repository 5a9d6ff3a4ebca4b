/* The pipeline's day: profiles around local midnight, days of 23 and 25 hours, local times that don't exist or come twice. */
#include <criterion/criterion.h>

#include "sim.h"

/* A date's gates by the day on which it is reported: today's context in the morning, the finished day at night. */
Test(sim_zones, profiles_around_midnight)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, SETS("phases.stats.checks.upstream=off", "phases.stats.checks.gaps=off"));
    sim_at(&sim, "2025-01-08 23:59:59");
    sim_calendar(&sim, "2025-01-09", "G1", "planned");
    report(&sim, "stats", "t", "2025-01-09", "success", .run = "future");
    sim_step(&sim);
    sim_advance(&sim, SIM_SECOND); /* midnight */
    report(&sim, "stats", "t", "2025-01-09", "success", .run = "today");
    sim_step(&sim);
    sim_at(&sim, "2025-01-09 23:59:59");
    sim_day(&sim, "2025-01-09", "G1");
    report(&sim, "stats", "s", "2025-01-09", "success", .run = "not required yet");
    sim_step(&sim);
    sim_advance(&sim, SIM_SECOND);
    report(&sim, "stats", "s", "2025-01-09", "success", .run = "past");
    sim_step(&sim);
    report(&sim, "stats", "t", "2025-01-09", "success", .run = "past too");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 stats 01-09 future/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info stats 01-09\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 publish show-go 01-09 future/1 all_complete T1\n"
                     "0:00:01 stats 01-09 today/1 triggered by all_complete T2\n"
                     "0:00:01 event gate_triggered info stats 01-09\n"
                     "0:00:01 ack 1\n"
                     "0:00:01 publish show-go 01-09 today/1 all_complete T2\n"
                     "24:00:00 ack 1\n"
                     "24:00:00 event trigger_unanswered warning stats 01-09\n"
                     "24:00:00 event trigger_unanswered warning stats 01-09\n"
                     "24:00:01 stats 01-09 past/1 triggered by all_complete T3\n"
                     "24:00:01 event gate_triggered info stats 01-09\n"
                     "24:00:01 ack 1\n"
                     "24:00:01 publish show-go 01-09 past/1 all_complete T3\n"
                     "24:00:01 stats 01-09 past/2 waiting settle\n"
                     "24:00:01 ack 1\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

/* Midnight in Los Angeles, not in UTC nor on the machine. */
Test(sim_zones, today_is_the_pipelines)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_CASCADE, SETS("timezone=Pacific/Kiritimati"));
    sim_at(&sim, "2025-01-10 00:00:00"); /* 10:00 UTC on the 9th */
    sim_day(&sim, "2025-01-09", "G1");
    sim_calendar(&sim, "2025-01-10", "G2", "planned");
    sim_four(&sim, "2025-01-09");
    sim_four(&sim, "2025-01-10");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 raw 01-10 today/1 triggered by all_complete T2\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 event gate_triggered info raw 01-10\n"
                     "0:00:00 ack 8\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n"
                     "0:00:00 publish stats-go 01-10 today/1 all_complete T2\n");
    sim_close(&sim);
}

static void deadline_on(struct sim *sim, const char *at, const char *start, const char *date)
{
    sim_open(sim, SIM_CASCADE, SETS(at));
    sim_at(sim, start);
    sim_day(sim, date, "G1");
    sim_succeed(sim, "raw", "ab", date);
    sim_step(sim);
    sim_pass(sim, 26 * SIM_HOUR);
}

/* 2025-03-09 has no 02:30: it is 03:00, an hour of elapsed time after 01:00 is two on the wall. */
Test(sim_zones, a_day_of_23_hours)
{
    struct sim sim = {0};
    deadline_on(&sim, "phases.raw.deadline={at: \"02:30\"}", "2025-03-09 00:00:00", "2025-03-08");
    sim_expect(&sim, "0:00:00 raw 03-08 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "2:00:00 raw 03-08 past/1 triggered deadline by deadline not-ready degraded missing c,d T1\n"
                     "2:00:00 event gate_triggered info raw 03-08\n"
                     "2:00:00 event gate_degraded warning raw 03-08\n"
                     "2:00:00 publish stats-go 03-08 past/1 deadline T1\n"
                     "4:00:00 event trigger_unanswered warning raw 03-08\n");
    sim_close(&sim);
}

/* 2025-11-02 has 01:30 twice: the first one counts. */
Test(sim_zones, a_day_of_25_hours)
{
    struct sim sim = {0};
    deadline_on(&sim, "phases.raw.deadline={at: \"01:30\"}", "2025-11-02 00:00:00", "2025-11-01");
    sim_expect(&sim, "0:00:00 raw 11-01 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "1:30:00 raw 11-01 past/1 triggered deadline by deadline not-ready degraded missing c,d T1\n"
                     "1:30:00 event gate_triggered info raw 11-01\n"
                     "1:30:00 event gate_degraded warning raw 11-01\n"
                     "1:30:00 publish stats-go 11-01 past/1 deadline T1\n"
                     "3:30:00 event trigger_unanswered warning raw 11-01\n");
    sim_close(&sim);
}

/* Durations are elapsed time: 24 hours over the night that the clocks go forward. */
Test(sim_zones, durations_are_elapsed_time)
{
    struct sim sim = {0};
    deadline_on(&sim, "phases.raw.deadline={after: 24h}", "2025-03-08 12:00:00", "2025-03-07");
    sim_expect(&sim, "0:00:00 raw 03-07 past/1 waiting barrier missing c,d\n"
                     "0:00:00 ack 2\n"
                     "24:00:05 raw 03-07 past/1 triggered deadline by deadline not-ready degraded missing c,d T1\n"
                     "24:00:05 event gate_triggered info raw 03-07\n"
                     "24:00:05 event gate_degraded warning raw 03-07\n"
                     "24:00:05 publish stats-go 03-07 past/1 deadline T1\n");
    sim_close(&sim);
}

/* today turns into past after 23 and after 25 hours. */
Test(sim_zones, the_day_ends_at_its_own_midnight)
{
    static const struct {
        const char *start, *date;
        int64_t hours;
    } CASES[] = {
        {"2025-03-09 00:00:00", "2025-03-09", 23}, {"2025-11-02 00:00:00", "2025-11-02", 25}, {"2025-11-03 00:00:00", "2025-11-03", 24}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sim sim = {0};
        sim_open(&sim, SIM_CASCADE, NULL);
        sim_at(&sim, CASES[i].start);
        const int64_t midnight_us = sim.now_us + CASES[i].hours * SIM_HOUR * 1000;
        cr_expect_eq(sl_zone_date(sim.config->zone, midnight_us - 1), sim_date(CASES[i].date), "%s", CASES[i].date);
        cr_expect_eq(sl_zone_date(sim.config->zone, midnight_us), sim_date(CASES[i].date) + 1, "%s", CASES[i].date);
        sim_calendar(&sim, CASES[i].date, "G1", "done");
        sim.now_us = midnight_us - 1000000;
        report(&sim, "raw", "a", CASES[i].date, "failed", .run = "before");
        sim_step(&sim);
        sim_advance(&sim, SIM_SECOND);
        report(&sim, "raw", "a", CASES[i].date, "failed", .run = "after");
        sim_step(&sim);
        struct sl_gate gate;
        cr_expect_eq(sl_ledger_gate_get(sim.watch, "raw", sim_date(CASES[i].date), SL_TODAY, 0, &gate, &sim.arena, NULL), SL_OK);
        cr_expect_eq(gate.created_us, midnight_us - 1000000);
        cr_expect_eq(sl_ledger_gate_get(sim.watch, "raw", sim_date(CASES[i].date), SL_PAST, 0, &gate, &sim.arena, NULL), SL_OK);
        cr_expect_eq(gate.created_us, midnight_us);
        sim_close(&sim);
    }
}
