/* test_gate.c - how a gate decides: a table of facts and outcomes per step of DESIGN section 6 (RULES 6 to 20). The words of the rows are those of support/facts_builder.h. */
#include <criterion/criterion.h>
#include <string.h>

#include "support/facts_builder.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

struct gate_case {
    const char *label;
    struct fb_row row;
    const char *expected;
};

static void run_case(const struct gate_case *c)
{
    struct facts_builder b;
    facts_build(&b, &c->row);
    facts_decide(&b, &c->row);
    cr_expect_str_eq(facts_outcome(&b), c->expected, "%s: %s, expected %s", c->label, facts_outcome(&b), c->expected);
    facts_fini(&b);
}

#define RUN_CASES(cases)                                                                                                                   \
    for (size_t i = 0; i < sizeof(cases) / sizeof *(cases); i++)                                                                           \
    run_case(&(cases)[i])

#define ALL      "triggered all_complete"
#define SHARE    "triggered critical_and_share"
#define DEADLINE "triggered(deadline) deadline degraded not_ready"

/* ---- deliver: DESIGN section 1, RULES 11 and 12 ---- */

Test(gate, delivers)
{
    static const struct {
        const char *label, *procs;
        bool soft_units, expected, no_done;
    } CASES[] = {
        {"critical, every unit", "Cs5/5", false, true, false},
        {"critical, one missing, strict", "Cs4/5", false, false, false},
        {"critical, one missing, not strict", "Cs4/5", true, true, false},
        {"critical, at least one, not strict", "Cs1/5", true, true, false},
        {"critical, none, not strict", "Cs0/5", true, false, false},
        {"optional, every unit", "Os5/5", false, true, false},
        {"optional, one missing, strict", "Os4/5", false, false, false},
        {"optional, one missing, not strict either", "Os4/5", true, false, false},
        {"a fallback has the rest", "Cs3+2/5", false, true, false},
        {"a fallback has all", "Cs0+5/5", false, true, false},
        {"a fallback has some of the rest", "Cs3+1/5", false, false, false},
        {"the primary can't be asked", "Cs!", true, false, false},
        {"a fallback can't be asked, the next has it", "Cs4+1/5?", false, true, false},
        {"a fallback can't be asked, nobody needs it", "Cs5/5?", false, true, false},
        {"by date, with rows", "Cs1/1d", false, true, false},
        {"by date, rows in a fallback", "Cs0+1/1d", false, true, false},
        {"by date, without rows", "Cs0/1d", true, false, false},
        {"partial run, every unit", "Cp5/5", false, true, false},
        {"no_data with rows in the primary", "Cn5/5", false, true, false},
        {"no_data with rows in a fallback", "Cn0+5/5", false, true, false},
        {"no_data without rows", "Cn0/5", true, false, false},
        {"success with record_count 0 and rows", "Cs5/5z", false, true, false},
        {"success with record_count 0 and no rows", "Cs0/5z", true, false, false},
        {"failed, though the rows are there", "Cf5/5", true, false, false},
        {"no run, though the rows are there", "C.5/5", true, false, false},
        {"only running", "Cr5/5", true, false, false},
        {"nothing is due", "Cs0/0", false, true, false},
        {"no table, success", "Cs", false, true, false},
        {"no table, partial", "Cp", false, true, false},
        {"no table, partial of nothing", "Cpz", false, true, false},
        {"no table, no_data", "Cn", false, false, false},
        {"no table, success of nothing", "Csz", false, false, false},
        {"no table, no_data, nothing has taken place", "Cn", false, true, true},
        {"no table, success of nothing, nothing has taken place", "Csz", false, true, true},
        {"no table, failed", "Cf", false, false, false},
        {"no table, failed, nothing has taken place", "Cf", false, false, true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &(struct fb_row){.procs = CASES[i].procs});
        cr_expect_eq(sl_processor_delivered(&b.facts.procs[0], CASES[i].no_done ? 0 : 5, !CASES[i].soft_units), CASES[i].expected, "%s",
                     CASES[i].label);
        facts_fini(&b);
    }
}

/* ---- calendar ---- */

Test(gate, calendar)
{
    static const struct gate_case CASES[] = {
        {"every planned unit is done", {.procs = "Cs5/5"}, ALL},
        {"a past unit is not done", {.not_done = 1}, "waiting(calendar)"},
        {"no past unit is done", {.not_done = 5}, "waiting(calendar)"},
        {"a past unit is not done, and a run failed: the first step speaks", {.procs = "Cf5/5", .not_done = 1}, "waiting(calendar)"},
        {"today, nothing has taken place", {.procs = "Cs0/0", .profile = SL_TODAY, .not_done = 5}, ALL},
        {"today, some have taken place", {.procs = "Cs2/2", .profile = SL_TODAY, .not_done = 3}, ALL},
        {"today, one that has taken place has no rows", {.procs = "Cs1/2", .profile = SL_TODAY, .not_done = 3}, "blocked(units)"},
        {"future", {.procs = "Cs0/0", .profile = SL_FUTURE, .not_done = 5}, ALL},
        {"future, no planned unit", {.profile = SL_FUTURE, .planned = -1}, "empty"},
        {"no planned unit", {.planned = -1}, "empty"},
        {"no planned unit, failed run", {.procs = "Cf", .planned = -1}, "empty"},
        {"no planned unit, on_empty: trigger", {.planned = -1, .on_empty_trigger = true}, ALL},
        {"on_empty: trigger skips what is missing",
         {.procs = "Cf5/5 O.", .upstream = "Cf", .gaps = "p0-1:1/2", .planned = -1, .on_empty_trigger = true},
         ALL},
        {"on_empty: trigger, suppressed", {.planned = -1, .on_empty_trigger = true, .skip = true}, "suppressed(skip) all_complete"},
        {"on_empty: trigger, observed", {.planned = -1, .on_empty_trigger = true, .observe = true}, "observed all_complete"},
        {"on_empty: trigger, a join", {.planned = -1, .on_empty_trigger = true, .joins = "waiting"}, "waiting(join)"},
        {"on_empty: trigger, with planned units it is not empty", {.procs = "Cf", .on_empty_trigger = true}, "blocked(run_failed)"},
        {"suspect: no date is judged empty", {.planned = -1, .suspect = true}, "waiting(calendar_suspect)"},
        {"suspect: not even with on_empty: trigger",
         {.planned = -1, .suspect = true, .on_empty_trigger = true},
         "waiting(calendar_suspect)"},
        {"suspect: a date that has its units is decided", {.suspect = true}, ALL},
        {"suspect: a date that has lost units is not", {.suspect = true, .lost_units = true}, "waiting(calendar_suspect)"},
        {"units lost, but few of the season", {.lost_units = true}, ALL},
        {"the calendar can't be read", {.planned = -1, .calendar_error = true}, "blocked(check_error)"},
        {"no calendar: never empty", {.procs = "Cs1/1d", .no_calendar = true, .planned = 1}, ALL},
        {"no calendar, no rows", {.procs = "Cs0/1d", .no_calendar = true, .planned = 1}, "blocked(no_data)"},
    };
    RUN_CASES(CASES);
}

/* ---- reported and units ---- */

Test(gate, reported)
{
    static const struct gate_case CASES[] = {
        {"a critical run failed", {.procs = "Cf5/5"}, "blocked(run_failed)"},
        {"a critical run failed, others are missing", {.procs = "Cf5/5 C. O."}, "blocked(run_failed)"},
        {"failed, and another has no data: the first failing step", {.procs = "Cf5/5 Cs0/5"}, "blocked(run_failed)"},
        {"an optional run failed", {.procs = "Cs5/5 Cs5/5 Of5/5"}, SHARE},
        {"an optional run failed, the share is not met", {.procs = "Cs5/5 Of5/5"}, "waiting(barrier)"},
        {"a run that is not required failed", {.procs = "Cs5/5 Nf0/5"}, ALL},
    };
    RUN_CASES(CASES);
}

Test(gate, units)
{
    static const struct gate_case CASES[] = {
        {"strict, one missing", {.procs = "Cs4/5"}, "blocked(units)"},
        {"strict, none there", {.procs = "Cs0/5"}, "blocked(no_data)"},
        {"strict, the fallback has the rest", {.procs = "Cs4+1/5"}, ALL},
        {"strict, nobody has one of them", {.procs = "Cs3+1/5"}, "blocked(units)"},
        {"not strict, one missing", {.procs = "Cs4/5", .soft_units = true}, "triggered(units) all_complete not_ready"},
        {"not strict, none there", {.procs = "Cs0/5", .soft_units = true}, "blocked(no_data)"},
        {"every failure of the step", {.procs = "Cs0/5 Cs4/5 Cs!"}, "blocked(check_error,no_data,units)"},
        {"no_data without rows", {.procs = "Cn0/5"}, "blocked(no_data)"},
        {"no_data with rows", {.procs = "Cn5/5"}, ALL},
        {"success of nothing without rows", {.procs = "Cs0/5z"}, "blocked(no_data)"},
        {"no table, no_data", {.procs = "Cn"}, "blocked(no_data)"},
        {"no table, success", {.procs = "Cs"}, ALL},
        {"by date, no rows", {.procs = "Cs0/1d"}, "blocked(no_data)"},
        {"by date, rows in the fallback", {.procs = "Cs0+1/1d"}, ALL},
        {"the table can't be asked", {.procs = "Cs!"}, "blocked(check_error)"},
        {"the table can't be asked, not strict", {.procs = "Cs!", .soft_units = true}, "blocked(check_error)"},
        {"a fallback can't be asked, nobody has the unit", {.procs = "Cs4/5?"}, "blocked(units)"},
        {"blocks before the others have reported", {.procs = "Cs4/5 C. O."}, "blocked(units)"},
        {"optional, some units: soft", {.procs = "Cs5/5 Cs5/5 Os4/5"}, "triggered(units) critical_and_share not_ready"},
        {"optional, no units: only missing", {.procs = "Cs5/5 Cs5/5 Os0/5"}, SHARE},
        {"optional, no_data: only missing", {.procs = "Cs5/5 Cs5/5 On0/5"}, SHARE},
        {"optional, failed with some units: only missing", {.procs = "Cs5/5 Cs5/5 Of3/5"}, SHARE},
        {"optional, the table can't be asked: only missing", {.procs = "Cs5/5 Cs5/5 Os!"}, SHARE},
        {"not required, some units", {.procs = "Cs5/5 Ns1/5"}, ALL},
        {"partial run with failed records", {.procs = "Cp5/5"}, "triggered(partial) all_complete not_ready"},
        {"partial run without failed records", {.procs = "Cq5/5"}, ALL},
        {"optional partial run", {.procs = "Cs5/5 Op5/5"}, "triggered(partial) all_complete not_ready"},
        {"optional partial run with some units", {.procs = "Cs5/5 Cs5/5 Op4/5"}, "triggered(partial,units) critical_and_share not_ready"},
        {"optional partial run that covers nothing: only missing", {.procs = "Cs5/5 Cs5/5 Op0/5"}, SHARE},
        {"not required partial run", {.procs = "Cs5/5 Np5/5"}, ALL},
        {"partial does not join what blocks", {.procs = "Cp5/5", .gaps = "p0-1:1/2"}, "blocked(gaps)"},
    };
    RUN_CASES(CASES);
}

Test(gate, sentences_name_what_is_missing)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *contains[3];
    } CASES[] = {
        {"units", {.procs = "Cs3/5"}, {"p0", "2 of 5 units", "u4, u5"}},
        {"no data", {.procs = "Cs0/5"}, {"5 of 5", "nba_analytics.t0", "or its fallbacks"}},
        {"by date", {.procs = "Cs0/1d"}, {"nba_analytics.t0 has no rows", "p0", ""}},
        {"failed", {.procs = "Cf Cf"}, {"newer run", "p0, p1", ""}},
        {"calendar", {.not_done = 2}, {"2 planned units", "u4, u5", ""}},
        {"barrier", {.procs = "Cs5/5 C. O."}, {"1 of 3", "p1, p2", ""}},
        {"upstream", {.upstream = "Cs5/5 C."}, {"phase_2_raw/p1", "has not reported", ""}},
        {"gaps", {.gaps = "p0-119:1/2"}, {"2024-12-17", "1 of 2", "d119u1"}},
        {"check error", {.procs = "Cs!"}, {"no such table: nba_analytics.t0", "p0", ""}},
        {"join", {.joins = "waiting"}, {"phase_3_side", "", ""}},
        {"hold", {.hold = true}, {"operator", "", ""}},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        cr_assert_not_null(b.decision.waits_for, "%s", CASES[i].label);
        for (size_t k = 0; k < 3; k++)
            cr_expect(!CASES[i].contains[k] || strstr(b.decision.waits_for, CASES[i].contains[k]), "%s: no \"%s\" in \"%s\"",
                      CASES[i].label, CASES[i].contains[k], b.decision.waits_for);
        facts_fini(&b);
    }
}

Test(gate, completed_and_missing)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *completed, *missing;
    } CASES[] = {
        {"all", {.procs = "Cs5/5 Os5/5"}, "p0,p1", ""},
        {"config order, whatever came first", {.procs = "Os4/5 Cs5/5 Of Cs5/5 Os5/5"}, "p1,p3,p4", "p0,p2"},
        {"what is not required is in neither", {.procs = "Cs5/5 Ns5/5 N."}, "p0", ""},
        {"a critical one with some units, not strict", {.procs = "Cs1/5 O.", .soft_units = true}, "p0", "p1"},
        {"a blocked gate lists them too", {.procs = "Cf5/5 Cs5/5"}, "p1", "p0"},
        {"an empty date has none", {.procs = "Cs5/5 C.", .planned = -1}, "", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        cr_expect_str_eq(facts_names(&b, b.decision.completed, b.decision.n_completed), CASES[i].completed, "%s", CASES[i].label);
        cr_expect_str_eq(facts_names(&b, b.decision.missing, b.decision.n_missing), CASES[i].missing, "%s", CASES[i].label);
        facts_fini(&b);
    }
}

/* ---- bootstrap ---- */

Test(gate, bootstrap)
{
    static const struct gate_case CASES[] = {
        {"no_data is legitimate", {.procs = "Cn0/5", .bootstrap_days = 14, .season_day = 1}, "triggered(bootstrap) all_complete not_ready"},
        {"the last day", {.procs = "Cn0/5", .bootstrap_days = 14, .season_day = 14}, "triggered(bootstrap) all_complete not_ready"},
        {"the day after", {.procs = "Cn0/5", .bootstrap_days = 14, .season_day = 15}, "blocked(no_data)"},
        {"no bootstrap", {.procs = "Cn0/5", .season_day = 1}, "blocked(no_data)"},
        {"strict units are soft",
         {.procs = "Cs4/5", .bootstrap_days = 14, .season_day = 1},
         "triggered(bootstrap,units) all_complete not_ready"},
        {"strict gaps are soft",
         {.gaps = "p0-1:2/2", .bootstrap_days = 14, .season_day = 5},
         "triggered(bootstrap,gaps) all_complete not_ready"},
        {"strict upstream is soft",
         {.upstream = "Cf", .bootstrap_days = 14, .season_day = 5},
         "triggered(bootstrap,upstream) all_complete not_ready"},
        {"soft gaps need no bootstrap",
         {.gaps = "p0-1:2/2", .soft_gaps = true, .bootstrap_days = 14, .season_day = 5},
         "triggered(gaps) all_complete not_ready"},
        {"nothing to excuse", {.bootstrap_days = 14, .season_day = 1}, ALL},
        {"optional no_data delivers too", {.procs = "Cs5/5 On0/5", .bootstrap_days = 14, .season_day = 1}, ALL},
        {"a failed run is no check", {.procs = "Cf", .bootstrap_days = 14, .season_day = 1}, "blocked(run_failed)"},
        {"who has not reported is awaited", {.procs = "Cs5/5 C.", .bootstrap_days = 14, .season_day = 1}, "waiting(barrier)"},
        {"without calendar there is no season",
         {.procs = "Cn0/1d", .no_calendar = true, .planned = 1, .bootstrap_days = 14},
         "blocked(no_data)"},
    };
    RUN_CASES(CASES);
}

/* ---- barrier, grace, deadline ---- */

Test(gate, barrier)
{
    static const struct gate_case CASES[] = {
        {"all delivered", {.procs = "Cs5/5 Os5/5 Os5/5"}, ALL},
        {"3 of 5 is 60 %, all reported: at once", {.procs = "Cs5/5 Os5/5 Os5/5 Of Of"}, SHARE},
        {"2 of 5 is not, though all reported", {.procs = "Cs5/5 Os5/5 Of Of Of"}, "waiting(barrier)"},
        {"3 of 5, grace not over", {.procs = "Cs5/5 Os5/5 Os5/5 O. O.", .clock_ms = 5 * MINUTE - 1}, "waiting(grace)"},
        {"3 of 5, grace over", {.procs = "Cs5/5 Os5/5 Os5/5 O. O.", .clock_ms = 5 * MINUTE}, SHARE},
        {"3 of 5, grace over, stream not silent",
         {.procs = "Cs5/5 Os5/5 Os5/5 O. O.", .clock_ms = HOUR, .not_drained = true},
         "waiting(grace)"},
        {"3 of 5, no clock", {.procs = "Cs5/5 Os5/5 Os5/5 O. O.", .clock_ms = -1}, "waiting(grace)"},
        {"2 of 5, grace over", {.procs = "Cs5/5 Os5/5 O. O. O.", .clock_ms = HOUR}, "waiting(barrier)"},
        {"the share is met, a critical one is not there", {.procs = "C. Os5/5 Os5/5 Os5/5 Os5/5", .clock_ms = HOUR}, "waiting(barrier)"},
        {"two critical ones, one not there", {.procs = "Cs5/5 C. Os5/5", .clock_ms = HOUR}, "waiting(barrier)"},
        {"a running processor has not reported", {.procs = "Cs5/5 Or", .share = 0.5}, "waiting(grace)"},
        {"not required ones don't count in the share", {.procs = "Cs5/5 Of N. N. N."}, "waiting(barrier)"},
        {"share 0.5 of 2", {.procs = "Cs5/5 Of", .share = 0.5}, SHARE},
        {"share of 7 in 10ths: 0.7 of 10 by floats", {.procs = "Cs5/5 Os5/5 Os5/5 Os5/5 Os5/5 Of Of", .share = 5.0 / 7.0}, SHARE},
        {"a hair above what is there", {.procs = "Cs5/5 Os5/5 Os5/5 Of Of", .share = 0.6 + 1e-8}, "waiting(barrier)"},
        {"a hair within the tolerance", {.procs = "Cs5/5 Os5/5 Os5/5 Of Of", .share = 0.6 + 5e-10}, SHARE},
        {"share 100 %", {.procs = "Cs5/5 Of", .share = 1}, "waiting(barrier)"},
        {"only optional ones, share met, all reported", {.procs = "Os5/5 Os5/5 Of"}, SHARE},
        {"nobody is required", {.procs = "Ns5/5"}, "waiting(barrier)"},
        {"own grace", {.procs = "Cs5/5 Os5/5 O.", .grace_ms = MINUTE, .clock_ms = MINUTE}, SHARE},
    };
    RUN_CASES(CASES);
}

Test(gate, deadline)
{
    static const struct gate_case CASES[] = {
        {"not over", {.procs = "Cs5/5 O. O.", .deadline_ms = 30 * MINUTE, .clock_ms = 30 * MINUTE - 1}, "waiting(barrier)"},
        {"over: waives the share", {.procs = "Cs5/5 O. O.", .deadline_ms = 30 * MINUTE, .clock_ms = 30 * MINUTE}, DEADLINE},
        {"over: waives failed optional ones", {.procs = "Cs5/5 Of Of", .deadline_ms = 30 * MINUTE, .clock_ms = 30 * MINUTE}, DEADLINE},
        {"over, stream not silent",
         {.procs = "Cs5/5 O. O.", .deadline_ms = 30 * MINUTE, .clock_ms = HOUR, .not_drained = true},
         "waiting(barrier)"},
        {"over, no clock", {.procs = "Cs5/5 O. O.", .deadline_ms = 30 * MINUTE, .clock_ms = -1}, "waiting(barrier)"},
        {"over, a critical one is not there", {.procs = "Cs5/5 C. Os5/5", .deadline_ms = MINUTE, .clock_ms = HOUR}, "waiting(barrier)"},
        {"over, a critical one failed", {.procs = "Cs5/5 Cf", .deadline_ms = MINUTE, .clock_ms = HOUR}, "blocked(run_failed)"},
        {"over, a critical one has no data", {.procs = "Cs5/5 Cs0/5", .deadline_ms = MINUTE, .clock_ms = HOUR}, "blocked(no_data)"},
        {"over, a critical one has units missing", {.procs = "Cs5/5 Cs4/5", .deadline_ms = MINUTE, .clock_ms = HOUR}, "blocked(units)"},
        {"waive_critical: not there", {.procs = "Cs5/5 C.", .waive_critical = true, .deadline_ms = MINUTE, .clock_ms = HOUR}, DEADLINE},
        {"waive_critical: failed", {.procs = "Cs5/5 Cf", .waive_critical = true, .deadline_ms = MINUTE, .clock_ms = HOUR}, DEADLINE},
        {"waive_critical: no data", {.procs = "Cs5/5 Cs0/5", .waive_critical = true, .deadline_ms = MINUTE, .clock_ms = HOUR}, DEADLINE},
        {"waive_critical: the table can't be asked",
         {.procs = "Cs5/5 Cs!", .waive_critical = true, .deadline_ms = MINUTE, .clock_ms = HOUR},
         DEADLINE},
        {"waive_critical: not before the deadline",
         {.procs = "Cs5/5 Cf", .waive_critical = true, .deadline_ms = MINUTE, .clock_ms = MINUTE - 1},
         "blocked(run_failed)"},
        {"waive_critical: not with alert",
         {.procs = "Cs5/5 Cf", .waive_critical = true, .then = SL_DEADLINE_ALERT, .deadline_ms = MINUTE, .clock_ms = HOUR},
         "blocked(run_failed)"},
        {"waive_critical: the checks still run",
         {.procs = "Cs5/5 C.", .gaps = "p0-1:1/2", .waive_critical = true, .deadline_ms = MINUTE, .clock_ms = HOUR},
         "blocked(gaps)"},
        {"the checks still run", {.procs = "Cs5/5 O. O.", .upstream = "Cf", .deadline_ms = MINUTE, .clock_ms = HOUR}, "blocked(upstream)"},
        {"soft failures beside it",
         {.procs = "Cs5/5 Os4/5 O.", .deadline_ms = MINUTE, .clock_ms = HOUR},
         "triggered(deadline,units) deadline degraded not_ready"},
        {"the barrier is met by itself: no degradation", {.procs = "Cs5/5 Os5/5 O.", .deadline_ms = MINUTE, .clock_ms = HOUR}, SHARE},
        {"a deadline before the grace", {.procs = "Cs5/5 Os5/5 O.", .deadline_ms = MINUTE, .clock_ms = 2 * MINUTE}, DEADLINE},
        {"alert",
         {.procs = "Cs5/5 O. O.", .then = SL_DEADLINE_ALERT, .deadline_ms = MINUTE, .clock_ms = HOUR},
         "waiting(barrier,deadline)"},
        {"hold", {.procs = "Cs5/5 O. O.", .then = SL_DEADLINE_HOLD, .deadline_ms = MINUTE, .clock_ms = HOUR}, "blocked(barrier,deadline)"},
        {"alert, all arrive after it", {.procs = "Cs5/5 Os5/5", .then = SL_DEADLINE_ALERT, .deadline_ms = MINUTE, .clock_ms = HOUR}, ALL},
        {"at a local time, before it", {.procs = "Cs5/5 O. O.", .deadline_at_9 = true, .now_after_ms = 8 * HOUR - 1}, "waiting(barrier)"},
        {"at a local time", {.procs = "Cs5/5 O. O.", .deadline_at_9 = true, .now_after_ms = 8 * HOUR}, DEADLINE},
        {"at a local time, stream not silent",
         {.procs = "Cs5/5 O. O.", .deadline_at_9 = true, .now_after_ms = 9 * HOUR, .not_drained = true},
         "waiting(barrier)"},
    };
    RUN_CASES(CASES);
}

/* When is it to be decided again, from now on; -1: never by a clock. */
Test(gate, clocks)
{
    static const struct {
        const char *label;
        struct fb_row row;
        int64_t due_ms;
    } CASES[] = {
        {"the barrier alone has no clock", {.procs = "Cs5/5 O. O."}, -1},
        {"grace", {.procs = "Cs5/5 Os5/5 O.", .clock_ms = 2 * MINUTE}, 3 * MINUTE},
        {"grace is over, stream not silent: not before it can be",
         {.procs = "Cs5/5 Os5/5 O.", .clock_ms = HOUR, .not_drained = true},
         5 * SECOND},
        {"grace, stream not silent", {.procs = "Cs5/5 Os5/5 O.", .clock_ms = MINUTE, .not_drained = true}, 4 * MINUTE},
        {"deadline", {.procs = "Cs5/5 O. O.", .clock_ms = MINUTE, .deadline_ms = 30 * MINUTE}, 29 * MINUTE},
        {"grace before the deadline", {.procs = "Cs5/5 Os5/5 O.", .clock_ms = MINUTE, .deadline_ms = 30 * MINUTE}, 4 * MINUTE},
        {"deadline at a local time", {.procs = "Cs5/5 O. O.", .deadline_at_9 = true}, 8 * HOUR},
        {"deadline is over", {.procs = "Cs5/5 O. O.", .then = SL_DEADLINE_ALERT, .clock_ms = HOUR, .deadline_ms = MINUTE}, -1},
        {"settle", {.generation = 2, .unsettled = true, .now_after_ms = MINUTE}, 4 * MINUTE},
        {"in progress: only an event", {.generation = 2, .unsettled = true, .in_progress = true}, -1},
        {"upstream is running: until it counts as failed", {.upstream = "Cr", .running_for_ms = HOUR}, 3 * HOUR},
        {"degrade_after", {.gaps = "p0-1:1/2", .degrade_after_ms = 24 * HOUR, .blocked_by_gaps_for_ms = HOUR}, 23 * HOUR},
        {"degrade_after, just blocked", {.gaps = "p0-1:1/2", .degrade_after_ms = 24 * HOUR}, 24 * HOUR},
        {"an open gate has none", {.procs = "Cs5/5 Os5/5", .upstream = "Cr", .soft_upstream = true, .deadline_ms = MINUTE}, -1},
        {"opened by the deadline", {.procs = "Cs5/5 O. O.", .deadline_ms = MINUTE, .clock_ms = HOUR}, -1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        int64_t due_ms = b.decision.due_us == SL_NEVER_US ? -1 : (b.decision.due_us - b.facts.now_us) / 1000;
        cr_expect_eq(due_ms, CASES[i].due_ms, "%s: %lld ms", CASES[i].label, (long long)due_ms);
        facts_fini(&b);
    }
}

/* ---- checks ---- */

/* Facts for the checks are gathered only when the barrier is met (RULES 6). */
Test(gate, asks_for_checks_only_behind_the_barrier)
{
    static const struct {
        const char *label;
        struct fb_row row;
        bool asked;
    } CASES[] = {
        {"open", {.procs = "Cs5/5"}, true},
        {"suppressed later", {.procs = "Cs5/5", .skip = true}, true},
        {"opened by the deadline", {.procs = "Cs5/5 O. O.", .deadline_ms = MINUTE, .clock_ms = HOUR}, true},
        {"settling", {.generation = 2, .unsettled = true}, false},
        {"calendar", {.not_done = 1}, false},
        {"empty", {.planned = -1}, false},
        {"empty, triggers", {.planned = -1, .on_empty_trigger = true}, false},
        {"failed", {.procs = "Cf"}, false},
        {"units", {.procs = "Cs4/5"}, false},
        {"barrier", {.procs = "Cs5/5 C."}, false},
        {"grace", {.procs = "Cs5/5 Os5/5 O."}, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        cr_expect_eq(b.asked, CASES[i].asked, "%s", CASES[i].label);
        facts_fini(&b);
    }
}

Test(gate, upstream)
{
    static const struct gate_case CASES[] = {
        {"reported and delivered", {.upstream = "Cs5/5 Cs5/5"}, ALL},
        {"not reported", {.upstream = "Cs5/5 C."}, "blocked(upstream)"},
        {"failed", {.upstream = "Cf5/5"}, "blocked(upstream)"},
        {"no data", {.upstream = "Cs0/5"}, "blocked(upstream)"},
        {"units missing, the phase before is strict", {.upstream = "Cs4/5"}, "blocked(upstream)"},
        {"units missing, the phase before is not strict", {.upstream = "Cs4/5", .upstream_soft_units = true}, ALL},
        {"no data, the phase before is not strict", {.upstream = "Cs0/5", .upstream_soft_units = true}, "blocked(upstream)"},
        {"own strictness is not asked", {.procs = "Cs4/5", .upstream = "Cs4/5", .soft_units = true}, "blocked(upstream)"},
        {"rows in a fallback", {.upstream = "Cs3+2/5"}, ALL},
        {"no table, no_data", {.upstream = "Cn"}, "blocked(upstream)"},
        {"no table, success", {.upstream = "Cs"}, ALL},
        {"running", {.upstream = "Cr"}, "waiting(upstream_running)"},
        {"running again after a success", {.upstream = "CS5/5"}, "waiting(upstream_running)"},
        {"running for a bit less than 4 h", {.upstream = "Cr", .running_for_ms = 4 * HOUR - 1}, "waiting(upstream_running)"},
        {"running for 4 h: failed", {.upstream = "Cr", .running_for_ms = 4 * HOUR}, "blocked(upstream)"},
        {"running again for 4 h: failed, whatever was before", {.upstream = "CS5/5", .running_for_ms = 5 * HOUR}, "blocked(upstream)"},
        {"one is running, another failed", {.upstream = "Cr Cf"}, "blocked(upstream,upstream_running)"},
        {"one is running, and a gap", {.upstream = "Cr", .gaps = "p0-1:1/2"}, "blocked(gaps,upstream_running)"},
        {"its table can't be asked", {.upstream = "Cs!"}, "blocked(check_error)"},
        {"soft, failed", {.upstream = "Cf", .soft_upstream = true}, "triggered(upstream) all_complete not_ready"},
        {"soft, its table can't be asked", {.upstream = "Cs!", .soft_upstream = true}, "triggered(check_error) all_complete not_ready"},
        {"not in the config", {.upstream = "Cf", .no_upstream_check = true}, ALL},
        {"no phase before has a critical processor", {.upstream = ""}, ALL},
    };
    RUN_CASES(CASES);
}

Test(gate, gaps)
{
    static const struct gate_case CASES[] = {
        {"none", {.procs = "Cs5/5"}, ALL},
        {"a date without rows", {.gaps = "p0-1:2/2"}, "blocked(gaps)"},
        {"a date with a unit missing", {.gaps = "p0-3:1/2"}, "blocked(gaps)"},
        {"a table by date", {.gaps = "p0-3:date"}, "blocked(gaps)"},
        {"soft", {.gaps = "p0-1:2/2", .soft_gaps = true}, "triggered(gaps) all_complete not_ready"},
        {"not in the config", {.gaps = "p0-1:2/2", .no_gaps_check = true}, ALL},
        {"the table can't be asked", {.gaps = "p0-1:!"}, "blocked(check_error)"},
        {"the table can't be asked, soft", {.gaps = "p0-1:!", .soft_gaps = true}, "triggered(check_error) all_complete not_ready"},
        {"gaps here, can't be asked there", {.procs = "Cs5/5 Cs5/5", .gaps = "p0-2:1/2 p1-1:!"}, "blocked(check_error,gaps)"},
        {"gaps and upstream", {.upstream = "Cf", .gaps = "p0-1:2/2"}, "blocked(gaps,upstream)"},
        {"degrade_after not over",
         {.gaps = "p0-1:2/2", .degrade_after_ms = 24 * HOUR, .blocked_by_gaps_for_ms = 24 * HOUR - 1},
         "blocked(gaps)"},
        {"degrade_after over",
         {.gaps = "p0-1:2/2", .degrade_after_ms = 24 * HOUR, .blocked_by_gaps_for_ms = 24 * HOUR},
         "triggered(gaps) all_complete degraded not_ready"},
        {"degrade_after over, upstream too: not only a gap",
         {.upstream = "Cf", .gaps = "p0-1:2/2", .degrade_after_ms = HOUR, .blocked_by_gaps_for_ms = 2 * HOUR},
         "blocked(gaps,upstream)"},
        {"degrade_after over, a check error too",
         {.gaps = "p0-2:2/2 p0-1:!", .degrade_after_ms = HOUR, .blocked_by_gaps_for_ms = 2 * HOUR},
         "blocked(check_error,gaps)"},
        {"degrade_after over, suppressed",
         {.gaps = "p0-1:2/2", .degrade_after_ms = HOUR, .blocked_by_gaps_for_ms = 2 * HOUR, .skip = true},
         "suppressed(gaps,skip) all_complete degraded not_ready"},
        {"no degrade_after: for ever", {.gaps = "p0-1:2/2", .blocked_by_gaps_for_ms = 500 * HOUR}, "blocked(gaps)"},
        {"strict upstream, soft gaps: every check that failed",
         {.upstream = "Cf", .gaps = "p0-1:2/2", .soft_gaps = true},
         "blocked(gaps,upstream)"},
        {"strict gaps, soft upstream: every check that failed",
         {.upstream = "Cf", .gaps = "p0-1:2/2", .soft_upstream = true},
         "blocked(gaps,upstream)"},
        {"strict upstream is running, soft gaps",
         {.upstream = "Cr", .gaps = "p0-1:2/2", .soft_gaps = true},
         "waiting(gaps,upstream_running)"},
        {"soft units are no failure of this step", {.procs = "Cs5/5 Cs5/5 Op4/5", .gaps = "p0-1:2/2"}, "blocked(gaps)"},
        {"degrade_after over, soft upstream failed: only the gap holds it",
         {.upstream = "Cf", .gaps = "p0-1:2/2", .soft_upstream = true, .degrade_after_ms = HOUR, .blocked_by_gaps_for_ms = HOUR},
         "triggered(gaps,upstream) all_complete degraded not_ready"},
        {"all soft things together",
         {.procs = "Cp5/5 Cs5/5 Os4/5", .upstream = "Cf", .gaps = "p0-1:2/2", .soft_upstream = true, .soft_gaps = true},
         "triggered(gaps,partial,units,upstream) critical_and_share not_ready"},
    };
    RUN_CASES(CASES);
}

Test(gate, completeness)
{
    static const struct gate_case CASES[] = {
        {"off: not looked at", {.complete = "MIA:0/10"}, ALL},
        {"everybody has all", {.completeness = SL_STRICT, .complete = "BOS:10/10 MIA:10/10"}, ALL},
        {"nothing expected is complete", {.completeness = SL_STRICT, .complete = "BOS:0/0"}, ALL},
        {"nobody takes part", {.completeness = SL_STRICT}, ALL},
        {"at the threshold", {.completeness = SL_STRICT, .complete = "BOS:7/10"}, ALL},
        {"below it, strict", {.completeness = SL_STRICT, .complete = "BOS:10/10 MIA:6/10"}, "blocked(completeness)"},
        {"below it, soft", {.completeness = SL_SOFT, .complete = "BOS:10/10 MIA:6/10"}, "triggered(completeness) all_complete not_ready"},
        {"80 % of 90 %", {.completeness = SL_STRICT, .threshold = 0.9, .complete = "MIA:8/10"}, "blocked(completeness)"},
        {"9 of 10 are 90 %", {.completeness = SL_STRICT, .threshold = 0.9, .complete = "MIA:9/10"}, ALL},
        {"could not be asked, strict", {.completeness = SL_STRICT, .complete = "!"}, "blocked(check_error)"},
        {"could not be asked, soft", {.completeness = SL_SOFT, .complete = "!"}, "triggered(check_error) all_complete not_ready"},
        {"with gaps: every check that failed",
         {.completeness = SL_STRICT, .complete = "MIA:0/9", .gaps = "p0-1:1/2"},
         "blocked(completeness,gaps)"},
        {"with gaps that would degrade: no",
         {.completeness = SL_STRICT, .complete = "MIA:0/9", .gaps = "p0-1:1/2", .degrade_after_ms = 1, .blocked_by_gaps_for_ms = HOUR},
         "blocked(completeness,gaps)"},
        {"soft beside strict gaps", {.completeness = SL_SOFT, .complete = "MIA:0/9", .gaps = "p0-1:1/2"}, "blocked(completeness,gaps)"},
        {"bootstrap",
         {.completeness = SL_STRICT, .complete = "MIA:0/3", .bootstrap_days = 14, .season_day = 3},
         "triggered(bootstrap,completeness) all_complete not_ready"},
        {"forced",
         {.completeness = SL_STRICT, .complete = "MIA:0/3", .released = true, .forced = true},
         "triggered(completeness) released not_ready"},
        {"suppressed",
         {.completeness = SL_SOFT, .complete = "MIA:0/3", .skip = true},
         "suppressed(completeness,skip) all_complete not_ready"},
    };
    RUN_CASES(CASES);
}

Test(gate, quality)
{
    static const struct gate_case CASES[] = {
        {"nothing assessed", {.quality_check = SL_STRICT}, ALL},
        {"all gold", {.quality_check = SL_STRICT, .quality = "p0"}, ALL},
        {"poor is usable",
         {.quality_check = SL_STRICT, .quality = "p0:u1:poor:30 p0:u2:poor:30 p0:u3:poor:30 p0:u4:poor:30 p0:u5:poor:30"},
         ALL},
        {"two of five unusable: 60 %", {.quality_check = SL_STRICT, .quality = "p0:u1:unusable:0 p0:u2:unusable:0"}, ALL},
        {"three of five",
         {.quality_check = SL_STRICT, .quality = "p0:u1:unusable:0 p0:u2:unusable:0 p0:u3:unusable:0"},
         "blocked(quality)"},
        {"three of five, soft",
         {.quality_check = SL_SOFT, .quality = "p0:u1:unusable:0 p0:u2:unusable:0 p0:u3:unusable:0"},
         "triggered(quality) all_complete not_ready"},
        {"three of five, off", {.quality = "p0:u1:unusable:0 p0:u2:unusable:0 p0:u3:unusable:0"}, ALL},
        {"none usable, though none has to be",
         {.procs = "Cs1/1d", .quality_check = SL_STRICT, .min_usable = 0.0001, .quality = "p0::unusable:0"},
         "blocked(quality)"},
        {"of an optional processor",
         {.procs = "Cs5/5 Os5/5", .quality_check = SL_STRICT, .quality = "p0 p1:u1:unusable:0 p1:u2:unusable:0 p1:u3:unusable:0"},
         ALL},
        {"could not be assessed, strict", {.quality_check = SL_STRICT, .quality = "p0!"}, "blocked(check_error)"},
        {"could not be assessed, soft", {.quality_check = SL_SOFT, .quality = "p0!"}, "triggered(check_error) all_complete not_ready"},
        {"could not be assessed, off", {.quality = "p0!"}, ALL},
        {"what is inherited could not be", {.quality_check = SL_STRICT, .inherited = "!"}, "blocked(check_error)"},
        {"with completeness",
         {.completeness = SL_STRICT, .complete = "MIA:0/1", .quality_check = SL_STRICT, .quality = "p0!"},
         "blocked(check_error,completeness)"},
    };
    RUN_CASES(CASES);
}

/* Worst wins, and the culprit is named. */
Test(gate, tiers)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *expected; /* tier score issues unusable [culprit] */
    } CASES[] = {
        {"nothing assessed", {.quality_check = SL_STRICT}, "- - -"},
        {"gold", {.quality = "p0"}, "gold 100.0  "},
        {"one silver of five",
         {.quality = "p0:u4:silver:85:backup_source_used"},
         "silver 85.0 backup_source_used  [phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15, u4]"},
        {"served by a fallback",
         {.procs = "Cs3+2/5", .quality = "p0:u4:silver:85 p0:u5:silver:80"},
         "silver 80.0   [phase_3_analytics/p0: nba_analytics.f0 of 2025-04-15, u5]"},
        {"a better tier with a lesser score: both count",
         {.quality = "p0:u1:silver:76:a p0:u2:bronze:90:b"},
         "bronze 76.0 a,b  [phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15, u2]"},
        {"issues once",
         {.procs = "Cs5/5 Cs5/5", .quality = "p0:u1:silver:80:a p1:u1:silver:81:a p1:u2:silver:90:c"},
         "silver 80.0 a,c  [phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15, u1]"},
        {"unusable ones are left out and listed",
         {.procs = "Cs5/5 Cs5/5", .quality = "p0:u2:unusable:0:x p0:u1:unusable:0:x p1:u1:unusable:0:x"},
         "gold 100.0  u1,u2"},
        {"none is usable",
         {.procs = "Cs1/1d", .quality = "p0::unusable:0:missing_required:pts"},
         "unusable 0.0 missing_required 2025-04-15 [phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15]"},
        {"from the phase before",
         {.quality = "p0", .inherited = "silver:85:old"},
         "silver 85.0 old  [phase_2_raw/p0: nba_raw.f0 of 2025-04-15, u4]"},
        {"only from the phase before", {.inherited = "bronze:60"}, "bronze 60.0   [phase_2_raw/p0: nba_raw.f0 of 2025-04-15, u4]"},
        {"own is worse",
         {.quality = "p0:u1:poor:30", .inherited = "silver:85"},
         "poor 30.0   [phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15, u1]"},
        {"the phase before assesses nothing", {.quality = "p0", .inherited = "-"}, "gold 100.0  "},
        {"who has not reported does not count", {.procs = "Cs5/5 Cs5/5 O.5/5", .quality = "p0 p2:u1:poor:30"}, "gold 100.0  "},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        b.facts.clock_ms = HOUR;
        facts_decide(&b, &CASES[i].row);
        const struct sl_decision *d = &b.decision;
        const char *text = "- - -";
        if (d->has_quality)
            text = sl_arena_printf(&b.arena, "%s %.1f %s %s%s%s%s", sl_tier_name(d->quality_tier), d->quality_score,
                                   facts_names(&b, d->quality_issues, d->n_quality_issues),
                                   facts_names(&b, d->unusable_units, d->n_unusable_units), d->quality_culprit ? " [" : "",
                                   d->quality_culprit ? d->quality_culprit : "", d->quality_culprit ? "]" : "");
        cr_expect_str_eq(text, CASES[i].expected, "%s: %s", CASES[i].label, text);
        facts_fini(&b);
    }
}

/* Three-way check: message against rows. */
Test(gate, rows_differ)
{
    static const struct gate_case CASES[] = {
        {"the message says 30, the table has 30", {.quality = "p0:rows=30"}, ALL},
        {"28: below 10 %", {.quality = "p0:rows=28"}, ALL},
        {"27: 10 %", {.quality = "p0:rows=27"}, "triggered(rows_differ) all_complete not_ready"},
        {"more rows than said", {.quality = "p0:rows=60"}, "triggered(rows_differ) all_complete not_ready"},
        {"the message says nothing", {.procs = "Cs5/5z", .quality = "p0:rows=60"}, ALL},
        {"no rows: that is no_data, not a difference", {.procs = "Cs0+5/5", .quality = "p0:rows=0"}, ALL},
        {"of an optional processor", {.procs = "Cs5/5 Os5/5", .quality = "p1:rows=3"}, "triggered(rows_differ) all_complete not_ready"},
        {"of one that is not required", {.procs = "Cs5/5 Ns5/5", .quality = "p1:rows=3"}, ALL},
        {"the run history says the same", {.quality = "p0:rows=30 p0:record=30"}, ALL},
        {"the run history says a little less", {.quality = "p0:record=28"}, ALL},
        {"the run history says less", {.quality = "p0:record=27"}, "triggered(rows_differ) all_complete not_ready"},
        {"the run history does not know the run", {.quality = "p0:record=none"}, "triggered(rows_differ) all_complete not_ready"},
        {"the run history can't be asked", {.quality = "p0:record=bad"}, "triggered(check_error) all_complete not_ready"},
    };
    RUN_CASES(CASES);
}

Test(gate, checks_name_what_is_missing)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *check, *expected, *actual, *detail, *waits_for;
    } CASES[] = {
        {"completeness",
         {.completeness = SL_STRICT, .threshold = 0.9, .complete = "BOS:10/10 MEM:8/10 MIA:7/10"},
         "completeness",
         "90 % of each team's last 10 units in nba_raw.t0",
         "1 of 3 have it, 83.3 % over all, 0 known gaps excused",
         "MEM 8 of 10 (80.0 %): m1, m2; MIA 7 of 10 (70.0 %): m1, m2, m3",
         "completeness: MEM 8 of 10 (80.0 %): m1, m2; MIA 7 of 10 (70.0 %): m1, m2, m3"},
        {"quality",
         {.quality_check = SL_STRICT, .quality = "p0:u1:unusable:0 p0:u2:unusable:0 p0:u3:unusable:0 p0:u4:silver:80"},
         "quality",
         "60 % of the units of every critical processor are usable",
         "silver, 80.0 by phase_3_analytics/p0: nba_analytics.t0 of 2025-04-15, u4",
         "p0: 3 of 5 units are unusable: u1, u2, u3",
         "quality: p0: 3 of 5 units are unusable: u1, u2, u3"},
        {"rows",
         {.quality = "p0:rows=15"},
         "rows",
         "the messages' counts differ from the rows by less than 10 %",
         "they differ by more",
         "p0: the message says 30 records, nba_analytics.t0 has 15 rows",
         NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        const struct sl_check *found = NULL;
        for (size_t k = 0; k < b.decision.n_checks; k++)
            if (!strcmp(b.decision.checks[k].name, CASES[i].check))
                found = &b.decision.checks[k];
        cr_assert_not_null(found, "%s", CASES[i].label);
        cr_expect_str_eq(found->expected, CASES[i].expected, "%s: %s", CASES[i].label, found->expected);
        cr_expect_str_eq(found->actual, CASES[i].actual, "%s: %s", CASES[i].label, found->actual);
        cr_expect_str_eq(found->detail, CASES[i].detail, "%s: %s", CASES[i].label, found->detail);
        cr_expect(sl_str_eq(b.decision.waits_for, CASES[i].waits_for), "%s: %s", CASES[i].label, b.decision.waits_for);
        facts_fini(&b);
    }
}

Test(gate, note_of_what_fallbacks_serve)
{
    static const struct {
        const char *label, *procs, *unit_column, *expected;
    } CASES[] = {
        {"nothing", "Cs5/5", NULL, NULL},
        {"some", "Cs3+2/5", NULL, "2 of 5 units come from nba_analytics.f0"},
        {"by the name of the calendar's units", "Cs3+2/5", "game_id", "2 of 5 games come from nba_analytics.f0"},
        {"a column of another name", "Cs3+2/5", "shop_day", "2 of 5 units come from nba_analytics.f0"},
        {"two processors", "Cs3+2/5 Cs4+1/5", NULL, "2 of 5 units come from nba_analytics.f0; 1 of 5 units come from nba_analytics.f1"},
        {"by date", "Cs0+1/1d", NULL, "2025-04-15 comes from nba_analytics.f0"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct fb_row row = {.procs = CASES[i].procs};
        struct facts_builder b;
        facts_build(&b, &row);
        struct sl_calendar_config calendar = {.unit_column = CASES[i].unit_column};
        b.config.calendar = CASES[i].unit_column ? &calendar : NULL;
        facts_decide(&b, &row);
        cr_expect(sl_str_eq(b.decision.quality_note, CASES[i].expected), "%s: %s", CASES[i].label, b.decision.quality_note);
        facts_fini(&b);
    }
}

Test(gate, checks_say_how_far_it_came)
{
    static const struct {
        const char *label;
        struct fb_row row;
        const char *names; /* with ! when it did not pass */
    } CASES[] = {
        {"open", {.procs = "Cs5/5"}, "calendar reported units barrier upstream gaps"},
        {"without calendar and checks", {.no_calendar = true, .no_upstream_check = true, .no_gaps_check = true}, "reported units barrier"},
        {"settling", {.generation = 2, .unsettled = true}, ""},
        {"calendar", {.not_done = 1}, "calendar!"},
        {"empty", {.planned = -1}, "calendar"},
        {"failed", {.procs = "Cf"}, "calendar reported!"},
        {"units", {.procs = "Cs4/5"}, "calendar reported units!"},
        {"barrier", {.procs = "Cs5/5 C."}, "calendar reported units barrier!"},
        {"upstream and gaps", {.upstream = "C.", .gaps = "p0-1:1/2"}, "calendar reported units barrier upstream! gaps!"},
        {"soft gaps", {.gaps = "p0-1:1/2", .soft_gaps = true}, "calendar reported units barrier upstream gaps!"},
        {"suppressed", {.skip = true}, "calendar reported units barrier upstream gaps suppression!"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        const char *text = "";
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        for (size_t k = 0; k < b.decision.n_checks; k++)
            text = sl_arena_printf(&b.arena, "%s%s%s%s", text, k ? " " : "", b.decision.checks[k].name,
                                   b.decision.checks[k].passed ? "" : "!");
        cr_expect_str_eq(text, CASES[i].names, "%s: %s", CASES[i].label, text);
        facts_fini(&b);
    }
}

/* ---- suppression ---- */

Test(gate, suppression)
{
    static const struct gate_case CASES[] = {
        {"a completion says skip", {.skip = true}, "suppressed(skip) all_complete"},
        {"the worker's flag", {.worker_skip = true}, "suppressed(skip) all_complete"},
        {"a hold", {.hold = true}, "suppressed(hold) all_complete"},
        {"a hold and skip", {.hold = true, .skip = true}, "suppressed(hold,skip) all_complete"},
        {"soft failures are kept", {.gaps = "p0-1:1/2", .soft_gaps = true, .skip = true}, "suppressed(gaps,skip) all_complete not_ready"},
        {"a blocked gate is blocked", {.procs = "Cf", .skip = true}, "blocked(run_failed)"},
        {"a waiting gate waits", {.procs = "Cs5/5 C.", .hold = true}, "waiting(barrier)"},
        {"drop", {.drop = true, .skip = true}, "suppressed(skip) all_complete"},
        {"observe", {.observe = true}, "observed all_complete"},
        {"observe beats skip", {.observe = true, .skip = true, .hold = true}, "observed all_complete"},
        {"observe keeps soft failures", {.procs = "Cs4/5", .observe = true, .soft_units = true}, "observed(units) all_complete not_ready"},
        {"observe, blocked", {.procs = "Cf", .observe = true}, "blocked(run_failed)"},
        {"released", {.skip = true, .hold = true, .released = true}, "triggered released"},
        {"released, what is blocked now is not fired", {.procs = "Cf", .skip = true, .released = true}, "blocked(run_failed)"},
        {"released, with a gap", {.gaps = "p0-1:1/2", .skip = true, .released = true}, "blocked(gaps)"},
        {"released, soft failures are kept",
         {.gaps = "p0-1:1/2", .soft_gaps = true, .skip = true, .released = true},
         "triggered(gaps) released not_ready"},
        {"forced past a failed run", {.procs = "Cf", .released = true, .forced = true}, "triggered(barrier,run_failed) released not_ready"},
        {"forced past missing units", {.procs = "Cs4/5", .released = true, .forced = true}, "triggered(barrier,units) released not_ready"},
        {"forced past the checks",
         {.upstream = "Cf", .gaps = "p0-1:1/2", .released = true, .forced = true},
         "triggered(gaps,upstream) released not_ready"},
        {"forced past the calendar", {.not_done = 1, .released = true, .forced = true}, "triggered(calendar) released not_ready"},
        {"forced past a calendar that is suspect",
         {.planned = -1, .suspect = true, .released = true, .forced = true},
         "triggered(calendar_suspect) released not_ready"},
        {"forced without need", {.released = true, .forced = true}, "triggered released"},
    };
    RUN_CASES(CASES);
}

Test(gate, what_a_suppressed_gate_records)
{
    static const struct {
        const char *label;
        struct fb_row row;
        bool dropped, has_id;
        size_t n_triggers;
    } CASES[] = {
        {"hold", {.skip = true}, false, false, 0},
        {"drop", {.drop = true, .skip = true}, true, false, 0},
        {"drop is for skip, not for a hold", {.drop = true, .hold = true}, false, false, 0},
        {"nothing comes after", {.skip = true, .no_follower = true}, false, false, 0},
        {"observed", {.observe = true}, false, false, 0},
        {"triggered", {.procs = "Cs5/5"}, false, true, 1},
        {"triggered, nothing comes after", {.no_follower = true}, false, false, 0},
        {"waiting", {.procs = "C."}, false, false, 0},
        {"blocked", {.procs = "Cf"}, false, false, 0},
        {"empty", {.planned = -1}, false, false, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct facts_builder b;
        char id[SL_UUID_LEN + 1];
        facts_build(&b, &CASES[i].row);
        facts_decide(&b, &CASES[i].row);
        cr_expect_eq(b.decision.dropped, CASES[i].dropped, "%s", CASES[i].label);
        cr_expect_eq(b.decision.n_triggers, CASES[i].n_triggers, "%s", CASES[i].label);
        cr_assert_eq(b.decision.trigger_id != NULL, CASES[i].has_id, "%s", CASES[i].label);
        if (CASES[i].has_id)
            cr_expect_str_eq(b.decision.trigger_id,
                             sl_trigger_id(&b.config, &b.phases[FB_OWN], &b.phases[FB_NEXT], FB_DATE, SL_PAST, 1, id), "%s",
                             CASES[i].label);
        facts_fini(&b);
    }
}

/* ---- joins ---- */

Test(gate, joins)
{
    static const struct {
        struct gate_case gate;
        size_t n_triggers;
        const char *adopted;
    } CASES[] = {
        {{"the other has no gate", {.joins = "absent"}, "waiting(join)"}, 0, NULL},
        {{"the other waits", {.joins = "waiting"}, "waiting(join)"}, 0, NULL},
        {{"the other is blocked", {.joins = "blocked"}, "waiting(join)"}, 0, NULL},
        {{"the other is suppressed", {.joins = "suppressed"}, "waiting(join)"}, 0, NULL},
        {{"the other is superseded", {.joins = "superseded"}, "waiting(join)"}, 0, NULL},
        {{"the other waits for this one", {.joins = "join"}, ALL}, 1, NULL},
        {{"the other is open", {.joins = "triggered"}, ALL}, 1, NULL},
        {{"the other is observed", {.joins = "observed"}, ALL}, 1, NULL},
        {{"the other is empty", {.joins = "empty"}, ALL}, 1, NULL},
        {{"the other's trigger covers this gate", {.joins = "triggered+8e2c"}, ALL}, 0, "8e2c"},
        {{"one of two is not open", {.joins = "triggered waiting"}, "waiting(join)"}, 0, NULL},
        {{"both are open", {.joins = "triggered empty"}, ALL}, 1, NULL},
        {{"soft failures wait with it", {.gaps = "p0-1:1/2", .soft_gaps = true, .joins = "waiting"}, "waiting(join)"}, 0, NULL},
        {{"released does not pass a join", {.skip = true, .released = true, .joins = "waiting"}, "waiting(join)"}, 0, NULL},
        {{"suppressed before the join", {.skip = true, .joins = "waiting"}, "suppressed(skip) all_complete"}, 0, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct gate_case *c = &CASES[i].gate;
        struct facts_builder b;
        facts_build(&b, &c->row);
        facts_decide(&b, &c->row);
        cr_expect_str_eq(facts_outcome(&b), c->expected, "%s: %s", c->label, facts_outcome(&b));
        cr_expect_eq(b.decision.n_triggers, CASES[i].n_triggers, "%s", c->label);
        cr_expect_eq(b.decision.adopted_trigger_id != NULL, CASES[i].adopted != NULL, "%s", c->label);
        if (CASES[i].adopted && b.decision.trigger_id)
            cr_expect_str_eq(b.decision.trigger_id, CASES[i].adopted, "%s", c->label);
        facts_fini(&b);
    }
}

/* Two followers, one of them a join that is not complete: the other one is started, and the join left to the phase that completes it. */
Test(gate, a_follower_does_not_wait_for_the_join_of_another)
{
    static size_t followers[] = {FB_NEXT, FB_SIDE};
    const struct fb_row row = {.joins = "waiting"};
    struct facts_builder b;
    facts_build(&b, &row);
    b.phases[FB_OWN].followers = followers;
    b.phases[FB_OWN].n_followers = 2;
    facts_decide(&b, &row);
    cr_expect_eq(b.decision.state, SL_TRIGGERED);
    cr_assert_eq(b.decision.n_triggers, 1);
    cr_expect_eq(b.decision.triggers[0].to, &b.phases[FB_SIDE]);
    cr_expect_str_eq(b.decision.trigger_id, b.decision.triggers[0].trigger_id);
    facts_fini(&b);
}

Test(gate, a_trigger_per_follower_in_config_order)
{
    static size_t followers[] = {FB_NEXT, FB_SIDE};
    const struct fb_row row = {.procs = "Cs5/5"};
    struct facts_builder b;
    facts_build(&b, &row);
    b.phases[FB_OWN].followers = followers;
    b.phases[FB_OWN].n_followers = 2;
    facts_decide(&b, &row);
    cr_assert_eq(b.decision.n_triggers, 2);
    cr_expect_eq(b.decision.triggers[0].to, &b.phases[FB_NEXT]);
    cr_expect_eq(b.decision.triggers[1].to, &b.phases[FB_SIDE]);
    cr_expect_str_neq(b.decision.triggers[0].trigger_id, b.decision.triggers[1].trigger_id);
    facts_fini(&b);
}

/* ---- generations ---- */

Test(gate, generations)
{
    static const struct gate_case CASES[] = {
        {"the first never settles", {.unsettled = true}, ALL},
        {"the second, not settled", {.generation = 2, .unsettled = true}, "waiting(settle)"},
        {"the second, settled", {.generation = 2}, ALL},
        {"settled, but a run is in progress", {.generation = 2, .in_progress = true}, "waiting(settle)"},
        {"in progress does not hold the first", {.in_progress = true}, ALL},
        {"settling comes before everything", {.procs = "Cf", .generation = 2, .unsettled = true, .not_done = 1}, "waiting(settle)"},
        {"opened by an operator: no settling", {.generation = 2, .unsettled = true, .retriggered = true}, "triggered retriggered"},
        {"opened by an operator, checked all the same", {.procs = "Cf", .generation = 2, .retriggered = true}, "blocked(run_failed)"},
        {"released: no settling", {.generation = 2, .unsettled = true, .released = true}, "triggered released"},
        {"not required is not awaited", {.procs = "Cs5/5 N.", .generation = 3}, ALL},
    };
    RUN_CASES(CASES);
}

Test(gate, late_ones_are_listed)
{
    const struct fb_row row = {.procs = "Cs5/5 Os5/5", .late = true};
    struct facts_builder b;
    facts_build(&b, &row);
    facts_decide(&b, &row);
    cr_expect_str_eq(facts_names(&b, b.decision.late, b.decision.n_late), "p1");
    cr_expect_str_eq(facts_outcome(&b), ALL);
    facts_fini(&b);
}
