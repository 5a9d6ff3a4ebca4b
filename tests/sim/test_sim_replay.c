/* Dead letters that come again, through an engine beside the worker: their effects once, an event each, and no clock runs faster for it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define DAY "2025-01-09"

struct beside {
    struct sim *sim;
    struct sl_worker *engine;
    struct sl_replay replay; /* of the letter that came last */
    struct sl_err err;
};

static void set_up(struct beside *b, struct sim *sim)
{
    *b = (struct beside){.sim = sim};
    sl_worker_create(&b->engine, sim->config, sim->watch, sim->warehouse, NULL, &(struct sl_worker_options){.beside = true});
}

/* A letter of the phase raw with this body and id. */
static enum sl_replay_outcome replay(struct beside *b, const char *id, const char *body, int64_t count)
{
    static const struct sl_attribute marks[] = {{"origin", "x"}, {"sluice_reject_reason", "not_json"}, {"sluice_replay_count", "0"}};
    b->replay = (struct sl_replay){.source_subscription = "raw-done-sub", .source_message_id = "1", .id = "this", .count = count};
    struct sl_bus_message message = {.message = {.subscription = "raw-dead-sub",
                                                 .message_id = id,
                                                 .publish_us = b->sim->now_us,
                                                 .data = body,
                                                 .len = strlen(body),
                                                 .attributes = marks,
                                                 .n_attributes = 3},
                                     .phase = sl_config_phase(b->sim->config, "raw"),
                                     .replay = &b->replay};
    struct sl_bus_batch batch = {.messages = &message, .n = 1};
    cr_assert_eq(sl_worker_replay(b->engine, &batch, b->sim->now_us, &b->err), SL_OK, "%s", b->err.text);
    sl_arena_fini(&batch.arena);
    sim_look(b->sim);
    return b->replay.outcome;
}

static const char *completion(struct beside *b, const char *processor, char *out, size_t size)
{
    char now[SL_TIME_LEN + 1];
    snprintf(out, size,
             "{\"processor_name\":\"%s\",\"phase\":\"raw\",\"execution_id\":\"%s-1\",\"game_date\":\"" DAY
             "\",\"status\":\"success\",\"record_count\":1,\"timestamp\":\"%s\"}",
             processor, processor, sl_time_format(b->sim->now_us, now));
    return out;
}

/* The worker has been idle for half an hour, so its clocks show that; a gate that an engine beside it makes begins to wait now. */
Test(sim_replay, grace_begins_with_the_replay)
{
    struct sim sim = {0};
    struct beside b;
    char body[400];
    sim_open_day(&sim, DAY, NULL);
    sim_pass(&sim, 30 * SIM_MINUTE);
    sim_forget(&sim);
    set_up(&b, &sim);
    for (const char *p = "abc"; *p; p++)
        cr_expect_eq(replay(&b, (const char[]){*p, 0}, completion(&b, (const char[]){*p, 0}, body, sizeof body), 1), SL_REPLAY_COMMITTED);
    cr_expect(strstr(sl_buf_text(&sim.trace), "waiting grace missing d"), "%s", sl_buf_text(&sim.trace));
    cr_expect(!strstr(sl_buf_text(&sim.trace), "triggered"), "%s", sl_buf_text(&sim.trace));
    sim_forget(&sim);
    sim_pass(&sim, 4 * SIM_MINUTE);
    sim_expect(&sim, "");
    sim_pass(&sim, 4 * SIM_MINUTE);
    cr_expect(strstr(sl_buf_text(&sim.trace), "triggered by critical_and_share"), "%s", sl_buf_text(&sim.trace));
    sim_check_triggers(&sim);
    sl_worker_destroy(&b.engine);
    sim_close(&sim);
}

Test(sim_replay, a_letter_counts_once)
{
    struct sim sim = {0};
    struct beside b;
    struct sl_buf before = {0}, after = {0};
    char body[400];
    sim_open_day(&sim, DAY, NULL);
    set_up(&b, &sim);
    completion(&b, "a", body, sizeof body);
    cr_expect_eq(replay(&b, "7", body, 1), SL_REPLAY_COMMITTED);
    sim_state(&sim, &before);
    cr_expect_eq(replay(&b, "7", body, 2), SL_REPLAY_KNOWN, "the same letter: its ack was lost");
    sim_state(&sim, &after);
    cr_expect_str_eq(sl_buf_text(&after), sl_buf_text(&before), "and its event is the same");
    cr_expect_eq(replay(&b, "8", body, 1), SL_REPLAY_KNOWN, "another letter of the same run");
    sl_buf_fini(&before);
    sl_buf_fini(&after);
    sl_worker_destroy(&b.engine);
    sim_close(&sim);
}

/* It goes back with its count, and with where it came from at first. */
Test(sim_replay, what_is_rejected_again_keeps_its_source)
{
    struct sim sim = {0};
    struct beside b;
    struct sl_reject_row *rows;
    size_t n = 0;
    struct sl_arena arena = {0};
    sim_open(&sim, SIM_CASCADE, NULL);
    set_up(&b, &sim);
    cr_expect_eq(replay(&b, "7", "nonsense", 2), SL_REPLAY_REJECTED);
    cr_assert_eq(sl_ledger_rejects(sim.watch, 0, &rows, &n, &arena, &b.err), SL_OK);
    if (n == 1) { /* the phase has no dead-letter topic */
        cr_expect_str_eq(rows[0].attributes, "{\"origin\":\"x\",\"sluice_replay_count\":\"2\",\"sluice_replay_id\":\"this\"}");
    } else {
        struct sl_outbox_row *out;
        cr_assert_eq(sl_ledger_outbox_claim(sim.watch, "test", sim.now_us, sim.now_us + 1, 0, &out, &n, &arena, &b.err), SL_OK);
        cr_assert_eq(n, 1);
        cr_expect(strstr(out[0].attributes, "{\"origin\":\"x\",\"sluice_reject_reason\":\"not_json\""), "%s", out[0].attributes);
        cr_expect(strstr(out[0].attributes, "\"sluice_source_subscription\":\"raw-done-sub\",\"sluice_source_message_id\":\"1\",\"sluice_"
                                            "replay_count\":\"2\",\"sluice_replay_id\":\"this\"}"),
                  "%s", out[0].attributes);
    }
    sl_arena_fini(&arena);
    sl_worker_destroy(&b.engine);
    sim_close(&sim);
}
