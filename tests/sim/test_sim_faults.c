/* Ledger and warehouse in trouble: nothing is acked that isn't committed, what failed is made again whole, every row is loaded once. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define DAY "2025-01-09"

static void one_day(struct sim *sim)
{
    sim_open_day(sim, DAY, NULL);
    sim_four(sim, DAY);
}

/* The first try fails and leaves nothing, the second is whole. */
static void try_twice(struct sim *sim, enum sim_slot slot, enum sl_code code)
{
    one_day(sim);
    sim_break(sim, slot, 1, code);
    sim_batch(sim);
    cr_assert_eq(sl_memory_bus_backlog(sim->memory), 4);
    sl_memory_bus_redeliver(sim->memory);
    sim_batch(sim);
}

#define TRIGGERED                                                                                                                          \
    "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"                                                                              \
    "0:00:00 event gate_triggered info raw 01-09\n"                                                                                        \
    "0:00:00 ack 4\n"

Test(sim_faults, a_batch_that_fails_is_made_again_whole)
{
    static const struct {
        enum sim_slot slot;
        enum sl_code code;
        const char *said;
    } CASES[] = {
        {SIM_LEDGER_begin, SL_UNAVAILABLE, "0:00:00 batch: unavailable\n"},
        {SIM_LEDGER_commit, SL_UNAVAILABLE, "0:00:00 batch: unavailable\n"},
        {SIM_LEDGER_commit, SL_INTERNAL, "0:00:00 batch: internal\n"},
        {SIM_LEDGER_run_put, SL_CORRUPT, "0:00:00 batch: corrupt\n"},
        {SIM_LEDGER_gate_put, SL_DENIED, "0:00:00 batch: denied\n"},
        {SIM_LEDGER_outbox_add, SL_UNAVAILABLE, "0:00:00 batch: unavailable\n"},
        {SIM_WAREHOUSE_present, SL_UNAVAILABLE, "0:00:00 batch: unavailable\n"},
        {SIM_WAREHOUSE_present, SL_DENIED, "0:00:00 batch: denied\n"},
        {SIM_WAREHOUSE_calendar, SL_UNAVAILABLE, "0:00:00 batch: unavailable\n"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sim sim = {0};
        char expected[512];
        struct sl_worker_counters counters;
        try_twice(&sim, CASES[i].slot, CASES[i].code);
        snprintf(expected, sizeof expected, "%s" TRIGGERED, CASES[i].said);
        sim_expect(&sim, expected);
        sl_worker_counters(sim.worker, &counters);
        cr_expect_eq(counters.received, 4);
        cr_expect_eq(counters.acked, 4);
        cr_expect_eq(counters.events, 1);
        sim_close(&sim);
    }
}

/* What is wrong with a table is a finding of the gate, and the batch is acked. */
Test(sim_faults, a_table_that_is_missing_blocks_only_its_gate)
{
    struct sim sim = {0};
    one_day(&sim);
    sim_break(&sim, SIM_WAREHOUSE_present, 1, SL_NOT_FOUND);
    sim_batch(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked check_error missing a\n"
                     "0:00:00 event source_error info raw/a 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 4\n");
    sim_close(&sim);
}

/* The ledger's file is not trusted any more: every call fails until a new process opens it. */
Test(sim_faults, after_an_io_error_nothing_is_acked)
{
    struct sim sim = {0};
    one_day(&sim);
    sim_break(&sim, SIM_LEDGER_commit, 1, SL_INTERNAL, .for_ever = true);
    sim_batch(&sim);
    sl_memory_bus_redeliver(sim.memory);
    sim_batch(&sim);
    sim_tick(&sim);
    sim_drain(&sim);
    cr_assert_eq(sl_memory_bus_backlog(sim.memory), 4);
    sim_crash(&sim);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 batch: internal\n"
                     "0:00:00 batch: internal\n"
                     "0:00:00 tick: internal\n"
                     "0:00:00 drain: internal\n"
                     "0:00:00 crash\n"
                     "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

/* ---- loads ---- */

static void check_loaded_once(struct sim *sim, const char *label)
{
    cr_expect_eq(sim_count(sim, "ref", "SELECT count(*) FROM log"), 3, "%s: events", label);
    cr_expect_eq(sim_count(sim, "ref", "SELECT count(DISTINCT event_id) FROM log"), 3, "%s: events", label);
    cr_expect_eq(sim_count(sim, "ref", "SELECT count(*) FROM runs"), 5, "%s: runs", label);
    struct sl_ledger_counts counts;
    cr_expect_eq(sl_ledger_counts(sim->watch, sim->now_us, &counts, NULL), SL_OK);
    cr_expect_eq(counts.events_unloaded, 0, "%s", label);
    cr_expect_eq(counts.runs_unloaded, 0, "%s", label);
}

Test(sim_faults, every_row_is_loaded_once)
{
    static const struct {
        const char *label;
        struct sim_fault fault;
        bool crash;
    } CASES[] = {
        {"no fault", {.at = 0}, false},
        {"step 1", {.slot = SIM_LEDGER_load_fix, .at = 1, .code = SL_UNAVAILABLE}, false},
        {"step 1 of the runs", {.slot = SIM_LEDGER_load_fix, .at = 3, .code = SL_UNAVAILABLE}, true},
        {"step 2", {.slot = SIM_WAREHOUSE_load, .at = 1, .code = SL_UNAVAILABLE}, false},
        {"step 2 of the runs", {.slot = SIM_WAREHOUSE_load, .at = 2, .code = SL_UNAVAILABLE}, false},
        {"crash in step 2", {.slot = SIM_WAREHOUSE_load, .at = 1, .code = SL_UNAVAILABLE, .for_ever = true}, true},
        {"step 2 was done", {.slot = SIM_WAREHOUSE_load, .at = 1, .code = SL_UNAVAILABLE, .after = true}, false},
        {"crash after step 2", {.slot = SIM_WAREHOUSE_load, .at = 1, .code = SL_UNAVAILABLE, .for_ever = true, .after = true}, true},
        {"crash after step 2 of the runs",
         {.slot = SIM_WAREHOUSE_load, .at = 2, .code = SL_UNAVAILABLE, .for_ever = true, .after = true},
         true},
        {"step 3", {.slot = SIM_LEDGER_load_done, .at = 1, .code = SL_UNAVAILABLE}, false},
        {"crash in step 3", {.slot = SIM_LEDGER_load_done, .at = 2, .code = SL_INTERNAL, .for_ever = true}, true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sim sim = {0};
        one_day(&sim);
        sim_rows(&sim, "raw.a2", DAY, "G1");
        sim_sql(&sim, "raw", "DELETE FROM a");
        report(&sim, "raw", "d", DAY, "failed", .run = "older", .at_us = sim.now_us - 1000000);
        sim_send(&sim, "raw", "oops");
        sim_step(&sim);
        sim.faults.fault = CASES[i].fault;
        sim_load(&sim, true);
        if (CASES[i].crash)
            sim_crash(&sim);
        sim_faults_clear(&sim.faults);
        sim_load(&sim, true);
        sim_load(&sim, true);
        check_loaded_once(&sim, CASES[i].label);
        sim_close(&sim);
    }
}

/* In its time, without a flush; what a dead process left too. */
Test(sim_faults, loads_are_due_by_time)
{
    struct sim sim = {0};
    one_day(&sim);
    sim_step(&sim);
    sim_load(&sim, false);
    cr_assert_eq(sim_count(&sim, "ref", "SELECT count(*) FROM runs"), 0);
    sim_advance(&sim, SIM_MINUTE);
    sim_load(&sim, false);
    cr_assert_eq(sim_count(&sim, "ref", "SELECT count(*) FROM runs"), 4);
    report(&sim, "raw", "stranger", DAY, "success");
    sim_step(&sim);
    sim_crash(&sim);
    sim_advance(&sim, SIM_MINUTE);
    sim_load(&sim, false);
    cr_assert_eq(sim_count(&sim, "ref", "SELECT count(*) FROM runs"), 5);
    sim_close(&sim);
}

/* ---- every call of the ledger fails once ---- */

static void short_story(struct sim *sim, const struct sim_fault *fault)
{
    sim_open(sim, SIM_CASCADE, NULL);
    sim->quiet_trace = true;
    sim_day(sim, "2025-01-08", "G0");
    sim_day(sim, DAY, "G1");
    sim_sql(sim, "raw", "DELETE FROM b WHERE game_date = '2025-01-08'");
    sim->faults.fault = *fault;
    sim->faults.calls[SIM_LEDGER_ANY] = 0;
    sim_four(sim, DAY);
    sim_four(sim, "2025-01-08");
    sim_send(sim, "raw", "oops");
    sim_persist(sim);
    sim_advance(sim, SIM_MINUTE);
    report(sim, "stats", "s", DAY, "success");
    report(sim, "raw", "a", DAY, "success", .run = "a2");
    sim_persist(sim);
    sim_rows(sim, "raw.b", "2025-01-08", "G0");
    sim_advance(sim, SIM_MINUTE);
    report(sim, "stats", "t", DAY, "success");
    report(sim, "raw", "stranger", DAY, "success");
    sim_persist(sim);
    for (int i = 0; i < 8; i++) {
        sim_advance(sim, SIM_MINUTE);
        sim_persist(sim);
    }
    sim_check_triggers(sim);
}

/* Returns how many calls of the ledger there were. */
static size_t tell(const struct sim_fault *fault, struct sl_buf *state)
{
    struct sim sim = {0};
    struct sim_fault once = *fault;
    short_story(&sim, &once);
    sim_state(&sim, state);
    sl_buf_printf(state, "log %lld runs %lld\n", (long long)sim_count(&sim, "ref", "SELECT count(*) FROM log"),
                  (long long)sim_count(&sim, "ref", "SELECT count(*) FROM runs"));
    size_t calls = sim.faults.calls[SIM_LEDGER_ANY];
    sim_close(&sim);
    return calls;
}

Test(sim_faults, every_call_of_the_ledger_fails_once, .timeout = 120)
{
    struct sl_buf first = {0};
    const size_t n = tell(&(struct sim_fault){.at = 0}, &first);
    cr_assert_gt(n, 100);
    cr_assert(strstr(sl_buf_text(&first), "past/2 triggered"), "%s", sl_buf_text(&first));
    for (size_t k = 1; k <= n; k++) {
        const bool dies = k % 2;
        struct sl_buf state = {0};
        tell(
            &(struct sim_fault){
                .slot = SIM_LEDGER_ANY, .at = k, .code = dies ? SL_INTERNAL : SL_UNAVAILABLE, .for_ever = dies, .after = k % 4 == 1},
            &state);
        cr_assert_str_eq(sl_buf_text(&state), sl_buf_text(&first), "the %zuth call of the ledger failed", k);
        sl_buf_fini(&state);
    }
    sl_buf_fini(&first);
}
