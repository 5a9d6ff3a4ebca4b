/* The worker as a whole: cascade, order, duplicates, crashes, generations, late ones. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define DAY "2025-01-09"

Test(sim_flow, cascade_of_three_phases)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "RawA", DAY, "running");
    report(&sim, "raw", "a", DAY, "success", .run = "other");
    sim_step(&sim);
    sim_advance(&sim, SIM_SECOND);
    report(&sim, "raw", "RawA", DAY, "success");
    report(&sim, "raw", "b", DAY, "success", .records = 1);
    sim_step(&sim);
    sim_advance(&sim, SIM_SECOND);
    sim_succeed(&sim, "raw", "cd", DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting barrier missing b,c,d\n"
                     "0:00:00 ack 2\n"
                     "0:00:01 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:00:01 ack 2\n"
                     "0:00:02 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:02 event gate_triggered info raw 01-09\n"
                     "0:00:02 ack 2\n"
                     "0:00:02 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_pass(&sim, 10 * SIM_MINUTE);
    report(&sim, "stats", "s", DAY, "success");
    sim_step(&sim);
    report(&sim, "stats", "t", DAY, "success");
    sim_step(&sim);
    report(&sim, "show", "p", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:10:02 stats 01-09 past/1 waiting barrier missing t\n"
                     "0:10:02 ack 1\n"
                     "0:10:02 stats 01-09 past/1 triggered by all_complete T2\n"
                     "0:10:02 event gate_triggered info stats 01-09\n"
                     "0:10:02 ack 1\n"
                     "0:10:02 publish show-go 01-09 past/1 all_complete T2\n"
                     "0:10:02 show 01-09 past/1 triggered by all_complete\n"
                     "0:10:02 event gate_triggered info show 01-09\n"
                     "0:10:02 ack 1\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

/* In Heap's order: every permutation of 0..3. */
static void permute(int *items, int n, void (*each)(void *arg, const int *items), void *arg)
{
    if (n == 1) {
        each(arg, items);
        return;
    }
    for (int i = 0; i < n; i++) {
        permute(items, n - 1, each, arg);
        int *other = n % 2 ? &items[0] : &items[i], swap = *other;
        *other = items[n - 1];
        items[n - 1] = swap;
    }
}

struct permutations {
    struct sl_buf first;
    size_t n;
};

/* One message per batch, all within a batch for every other permutation. */
static void one_order(void *arg, const int *items)
{
    static const char *const PROCESSORS[] = {"a", "b", "c", "d"};
    struct permutations *all = arg;
    struct sl_buf state = {0};
    struct sim sim = {.quiet_trace = true};
    sim_open_day(&sim, DAY, NULL);
    for (int i = 0; i < 4; i++) {
        report(&sim, "raw", PROCESSORS[items[i]], DAY, "success", .at_us = sim.start_us + items[i]);
        if (all->n % 2)
            sim_step(&sim);
    }
    sim_step(&sim);
    sim_state(&sim, &state);
    if (all->n++ == 0)
        sl_buf_str(&all->first, sl_buf_text(&state));
    cr_assert_str_eq(sl_buf_text(&state), sl_buf_text(&all->first), "order %d%d%d%d", items[0], items[1], items[2], items[3]);
    sl_buf_fini(&state);
    sim_close(&sim);
}

Test(sim_flow, order_of_arrival_does_not_matter)
{
    int items[] = {0, 1, 2, 3};
    struct permutations all = {0};
    permute(items, 4, one_order, &all);
    cr_assert_eq(all.n, 24);
    cr_assert(strstr(sl_buf_text(&all.first), "triggered by all_complete"));
    sl_buf_fini(&all.first);
}

Test(sim_flow, a_duplicate_has_no_effect)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_four(&sim, DAY);
    sim_send_again(&sim, 0);                                                   /* in the same batch */
    report(&sim, "raw", "b", DAY, "success", .at_us = sim.start_us + 1000000); /* other message, same execution and status */
    sim_step(&sim);
    sim_send_again(&sim, 2);
    report(&sim, "raw", "d", DAY, "success", .at_us = sim.start_us + 1000000);
    report(&sim, "raw", "d", DAY, "running", .at_us = sim.start_us + 2000000);
    report(&sim, "raw", "a", DAY, "success", .run = "older", .at_us = sim.start_us - 1000000);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 6\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n"
                     "0:00:00 ack 4\n");
    struct sl_worker_counters counters;
    sl_worker_counters(sim.worker, &counters);
    cr_assert_eq(counters.received, 10);
    cr_assert_eq(counters.duplicates, 5);
    cr_assert_eq(counters.triggered, 1);
    cr_assert_eq(counters.published, 1);
    sim_close(&sim);
}

/* Killed before the commit: nothing happened. After it: known. After a publish: published again under its id. */
Test(sim_flow, a_crash_has_effects_once)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_four(&sim, DAY);
    sim_break(&sim, SIM_LEDGER_commit, 1, SL_UNAVAILABLE, .for_ever = true);
    sim_batch(&sim);
    sim_crash(&sim);
    sim_expect(&sim, "0:00:00 batch: unavailable\n"
                     "0:00:00 crash\n");
    sim_break(&sim, SIM_LEDGER_commit, 1, SL_UNAVAILABLE, .for_ever = true, .after = true);
    sim_batch(&sim);
    sim_crash(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 batch: unavailable\n"
                     "0:00:00 crash\n");
    sim_break(&sim, SIM_BUS_ack, 1, SL_UNAVAILABLE);
    sim_batch(&sim);
    sim_crash(&sim);
    sim_batch(&sim);
    sim_expect(&sim, "0:00:00 batch: unavailable\n"
                     "0:00:00 crash\n"
                     "0:00:00 ack 4\n");
    /* the claim, the publish, and the commit that would have marked it */
    sim_break(&sim, SIM_LEDGER_commit, 2, SL_UNAVAILABLE, .for_ever = true);
    sim_drain(&sim);
    sim_crash(&sim);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n"
                     "0:00:00 drain: unavailable\n"
                     "0:00:00 crash\n" /* the next worker takes over what the dead one had claimed */
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

Test(sim_flow, a_rerun_opens_one_generation_once_settled)
{
    struct sim sim = {0};
    sim_open_decided(&sim, DAY, NULL);
    sim_forget(&sim);
    sim_pass(&sim, SIM_HOUR);
    report(&sim, "raw", "a", DAY, "success", .run = "a2");
    sim_step(&sim);
    sim_pass(&sim, 4 * SIM_MINUTE);
    report(&sim, "raw", "b", DAY, "success", .run = "b2"); /* joins it, and it settles anew */
    sim_step(&sim);
    sim_pass(&sim, 3 * SIM_MINUTE);
    sim_restart(&sim, SETS("environment=other")); /* decided again, and still not settled */
    sim_pass(&sim, SIM_MINUTE);
    sim_expect(&sim, "1:00:00 raw 01-09 past/2 waiting settle\n"
                     "1:00:00 ack 1\n"
                     "1:04:00 ack 1\n"
                     "1:07:00 restart\n");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "1:09:00 raw 01-09 past/2 triggered by all_complete T2\n"
                     "1:09:00 event gate_triggered info raw 01-09\n"
                     "1:09:00 publish stats-go 01-09 past/2 all_complete T2\n");
    sim_close(&sim);
}

Test(sim_flow, a_generation_waits_for_runs_in_progress)
{
    struct sim sim = {0};
    sim_open_decided(&sim, DAY, NULL);
    sim_forget(&sim);
    sim_advance(&sim, SIM_SECOND);
    report(&sim, "raw", "a", DAY, "success", .run = "a2");
    report(&sim, "raw", "b", DAY, "running", .run = "b2");
    sim_step(&sim);
    sim_pass(&sim, SIM_HOUR);
    sim_expect(&sim, "0:00:01 raw 01-09 past/2 waiting settle\n"
                     "0:00:01 ack 2\n");
    report(&sim, "raw", "b", DAY, "failed", .run = "b2");
    sim_step(&sim);
    sim_pass(&sim, 6 * SIM_MINUTE);
    report(&sim, "raw", "b", DAY, "success", .run = "b3");
    sim_step(&sim);
    sim_pass(&sim, 6 * SIM_MINUTE);
    sim_expect(&sim, "1:00:01 raw 01-09 past/2 waiting settle missing b\n"
                     "1:00:01 ack 1\n"
                     "1:05:01 raw 01-09 past/2 blocked run_failed missing b\n"
                     "1:05:01 event run_failed critical raw/b 01-09\n"
                     "1:05:01 event gate_blocked critical raw 01-09\n"
                     "1:06:01 raw 01-09 past/2 waiting settle\n"
                     "1:06:01 ack 1\n"
                     "1:11:01 raw 01-09 past/2 triggered by all_complete T2\n"
                     "1:11:01 event gate_triggered info raw 01-09\n"
                     "1:11:01 publish stats-go 01-09 past/2 all_complete T2\n");
    sim_close(&sim);
}

/* a, b and c have delivered, d comes after the trigger. */
static void open_without_d(struct sim *sim, const char *on_late)
{
    char set[64];
    snprintf(set, sizeof set, "phases.raw.on_late=%s", on_late);
    sim_open_day(sim, DAY, SETS(set));
    sim_succeed(sim, "raw", "abc", DAY);
    sim_step(sim);
    sim_pass(sim, 6 * SIM_MINUTE);
}

Test(sim_flow, late_is_marked)
{
    struct sim sim = {0};
    open_without_d(&sim, "mark");
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 waiting grace missing d\n"
                     "0:00:00 ack 3\n"
                     "0:05:05 raw 01-09 past/1 triggered by critical_and_share missing d T1\n"
                     "0:05:05 event gate_triggered info raw 01-09\n"
                     "0:05:05 publish stats-go 01-09 past/1 critical_and_share T1\n");
    report(&sim, "raw", "d", DAY, "success");
    sim_step(&sim);
    report(&sim, "raw", "d", DAY, "success", .run = "d2", .skip = true);
    sim_step(&sim);
    sim_expect(&sim, "0:06:00 raw 01-09 past/1 triggered by critical_and_share missing d late d T1\n"
                     "0:06:00 event processor_late warning raw/d 01-09\n"
                     "0:06:00 ack 1\n"
                     "0:06:00 event processor_late warning raw/d 01-09\n"
                     "0:06:00 ack 1\n");
    sim_close(&sim);
}

Test(sim_flow, late_is_ignored)
{
    struct sim sim = {0};
    open_without_d(&sim, "ignore");
    sim_forget(&sim);
    report(&sim, "raw", "d", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:06:00 event processor_late warning raw/d 01-09\n"
                     "0:06:00 ack 1\n");
    sim_close(&sim);
}

Test(sim_flow, late_retriggers)
{
    struct sim sim = {0};
    open_without_d(&sim, "retrigger");
    sim_forget(&sim);
    report(&sim, "raw", "d", DAY, "success");
    sim_step(&sim);
    sim_pass(&sim, 6 * SIM_MINUTE);
    sim_expect(&sim, "0:06:00 raw 01-09 past/2 waiting settle\n"
                     "0:06:00 event processor_late warning raw/d 01-09\n"
                     "0:06:00 ack 1\n"
                     "0:11:00 raw 01-09 past/2 triggered by all_complete T2\n"
                     "0:11:00 event gate_triggered info raw 01-09\n"
                     "0:11:00 publish stats-go 01-09 past/2 all_complete T2\n");
    sim_close(&sim);
}

Test(sim_flow, a_fallback_and_missing_units)
{
    struct sim sim = {0};
    sim_open_day(&sim, DAY, NULL);
    sim_calendar(&sim, DAY, "G2", "done");
    sim_rows(&sim, "raw.a2", DAY, "G2");
    sim_four(&sim, DAY);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked units missing b,c,d\n"
                     "0:00:00 event fallback_used info raw/a 01-09 G2\n"
                     "0:00:00 event source_missing critical raw/b 01-09 G2\n"
                     "0:00:00 event source_missing warning raw/c 01-09 G2\n"
                     "0:00:00 event source_missing warning raw/d 01-09 G2\n"
                     "0:00:00 event units_missing warning raw 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 4\n");
    sim_rows(&sim, "raw.b", DAY, "G2");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:01:00 raw 01-09 past/1 waiting barrier missing c,d\n"
                     "0:01:00 event source_available info raw/b 01-09 G2\n");
    sim_close(&sim);
}

/* A done unit with rows in both tables of the join. */
static void open_join(struct sim *sim, const char *const *sets)
{
    sim_open(sim, SIM_JOIN, sets);
    sim_calendar(sim, DAY, "G1", "done");
    sim_rows(sim, "raw.l", DAY, "G1");
    sim_rows(sim, "raw.r", DAY, "G1");
}

/* Both in one batch, and one after the other: one trigger, which the other adopts. */
Test(sim_flow, a_join_in_one_batch)
{
    struct sim sim = {0};
    open_join(&sim, NULL);
    report(&sim, "right", "r", DAY, "success");
    report(&sim, "left", "l", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 left 01-09 past/1 waiting join\n"
                     "0:00:00 right 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info right 01-09\n"
                     "0:00:00 ack 2\n"
                     "0:00:00 left 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info left 01-09\n"
                     "0:00:00 publish joined-go 01-09 past/1 all_complete T1\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

/* A phase that is only watched completes a join too: who waits for it is decided at once, not at its next recheck. */
Test(sim_flow, an_observed_phase_completes_a_join)
{
    struct sim sim = {0};
    open_join(&sim, SETS("phases.left.mode=observe"));
    report(&sim, "right", "r", DAY, "success");
    sim_step(&sim);
    report(&sim, "left", "l", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 right 01-09 past/1 waiting join\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 left 01-09 past/1 observed by all_complete\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 right 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info right 01-09\n"
                     "0:00:00 publish joined-go 01-09 past/1 all_complete T1\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

Test(sim_flow, a_join_one_after_the_other)
{
    struct sim sim = {0};
    sim_open(&sim, SIM_JOIN, NULL);
    sim_calendar(&sim, DAY, "G1", "done");
    sim_rows(&sim, "raw.r", DAY, "G1");
    report(&sim, "right", "r", DAY, "success");
    sim_step(&sim);
    report(&sim, "left", "l", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 right 01-09 past/1 waiting join\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 left 01-09 past/1 blocked no_data missing l\n"
                     "0:00:00 event source_missing critical left/l 01-09 G1\n"
                     "0:00:00 event gate_blocked critical left 01-09\n"
                     "0:00:00 ack 1\n");
    sim_rows(&sim, "raw.l", DAY, "G1");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:01:00 left 01-09 past/1 triggered by all_complete T1\n"
                     "0:01:00 right 01-09 past/1 triggered by all_complete T1\n"
                     "0:01:00 event source_available info left/l 01-09 G1\n"
                     "0:01:00 event gate_triggered info left 01-09\n"
                     "0:01:00 event gate_triggered info right 01-09\n"
                     "0:01:00 publish joined-go 01-09 past/1 all_complete T1\n");
    /* a new generation of one of them fires on its own */
    report(&sim, "right", "r", DAY, "success", .run = "r2");
    sim_step(&sim);
    sim_pass(&sim, 6 * SIM_MINUTE);
    sim_expect(&sim, "0:02:00 right 01-09 past/2 waiting settle\n"
                     "0:02:00 ack 1\n"
                     "0:07:00 right 01-09 past/2 triggered by all_complete T2\n"
                     "0:07:00 event gate_triggered info right 01-09\n"
                     "0:07:00 publish joined-go 01-09 past/2 all_complete T2\n");
    sim_check_triggers(&sim);
    sim_close(&sim);
}

/* Asked to send it once more, a gate that adopted another's trigger has no other id to send. */
Test(sim_flow, an_adopted_trigger_is_republished_under_its_id)
{
    struct sim sim = {0};
    open_join(&sim, NULL);
    report(&sim, "right", "r", DAY, "success");
    report(&sim, "left", "l", DAY, "success");
    sim_step(&sim);
    sim_forget(&sim);
    sim_retrigger(&sim, "left", DAY, false);
    sim_step(&sim);
    sim_retrigger(&sim, "right", DAY, false);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 retrigger: invalid\n"
                     "0:00:00 retrigger right 01-09: triggered\n"
                     "0:00:00 event operator_action info right 01-09\n"
                     "0:00:00 publish joined-go 01-09 past/1 retriggered T1\n");
    sim_close(&sim);
}

/* The id of message i is still known. Looked at in a transaction that is given up. */
static bool remembers(struct sim *sim, size_t i)
{
    struct sl_err err = {0};
    bool is_new = false;
    cr_assert_eq(sl_ledger_begin(sim->watch, &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_ledger_inbox_add(sim->watch, "raw-done-sub", sim->sent[i].id, sim->sent[i].publish_us, sim->now_us, &is_new, &err),
                 SL_OK, "%s", err.text);
    sl_ledger_rollback(sim->watch);
    return !is_new;
}

static void prune(struct sim *sim)
{
    struct sl_err err = {0};
    cr_assert_eq(sl_worker_prune(sim->worker, sim->now_us, &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_worker_prune(sim->worker, sim->now_us, &err), SL_OK, "%s",
                 err.text); /* the first one found some, this one that there are no more */
}

Test(sim_flow, message_ids_are_forgotten_in_time)
{
    struct sim sim = {.options = {.inbox_ms = 8 * SIM_DAY}};
    sim_open_day(&sim, DAY, NULL);
    report(&sim, "raw", "a", DAY, "success");
    sim_step(&sim);
    sim_advance(&sim, 20 * SIM_MINUTE);
    report(&sim, "raw", "b", DAY, "success");
    sim_step(&sim);
    prune(&sim);
    cr_assert(remembers(&sim, 0) && remembers(&sim, 1));
    sim_advance(&sim, 8 * SIM_DAY - 10 * SIM_MINUTE);
    prune(&sim);
    cr_assert(!remembers(&sim, 0) && remembers(&sim, 1));
    sim_advance(&sim, 30 * SIM_MINUTE);
    prune(&sim);
    cr_assert(remembers(&sim, 1), "it is looked for once an hour");
    sim_advance(&sim, 30 * SIM_MINUTE);
    prune(&sim);
    cr_assert_not(remembers(&sim, 1));
    sim_send_again(&sim, 0);
    sim_forget(&sim);
    sim_step(&sim);
    sim_expect(&sim, "193:10:00 ack 1\n"); /* what it says is known: nothing happens twice */
    sim_close(&sim);
}
