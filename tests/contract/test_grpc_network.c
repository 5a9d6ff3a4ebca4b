/* test_grpc_network.c - connections that go wrong at every step: what comes still comes, in time, and nothing is acked that wasn't told to. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>
#include <sluice/log.h>

#include "../../src/pubsub/grpc_retry.h"
#include "fake_pubsub.h"
#include "mangle.h"

#define N(array) (sizeof(array) / sizeof *(array))

enum { LIMIT_MS = 60000, N_STEPS = 9 };

static struct sl_phase raw = {.name = "raw", .subscription = "raw-sub"};
static const struct sl_phase *const PHASES[] = {&raw};
static const char *const HOWS[] = {"graceful goaway", "abrupt goaway", "reset", "cut", "garbage", "stall", "slow"};

struct fixture {
    struct fake fake;
    struct mangle mangle;
    struct sl_config config;
    struct sl_bus *bus;
    struct sl_bus_batch batch;
    struct sl_err err;
};

static void start(struct fixture *f, enum mangle_how how, size_t frames, size_t n_bad, struct sl_grpc_bus_options options)
{
    char address[64];
    *f = (struct fixture){.config = {.bus.project = "p", .worker = {.batch_messages = 100, .batch_bytes = 1000000}}};
    sl_log_open(2, SL_LOG_JSON, SL_ERROR, false);
    fake_start(&f->fake, "127.0.0.1:0");
    for (int i = 0; i < 3; i++) {
        struct sl_buf response = {0};
        fake_response(&response, (const char *const[]){(char[]){(char)('1' + i), '\0'}}, 1);
        fake_on_open(&f->fake, &response);
        sl_buf_fini(&response);
    }
    mangle_start(&f->mangle, atoi(strrchr(f->fake.address, ':') + 1), how, frames, n_bad);
    snprintf(address, sizeof address, "127.0.0.1:%d", f->mangle.port);
    options.receipt_ms = 5;
    options.backoff_min_ms = 10;
    options.backoff_max_ms = 100;
    cr_assert_eq(sl_grpc_bus_create(&f->bus, SL_PLAIN_PEER(address), &f->config, PHASES, 1, &options, &f->err), SL_OK, "%s", f->err.text);
}

static void finish(struct fixture *f)
{
    sl_bus_batch_fini(&f->batch);
    sl_bus_destroy(&f->bus);
    mangle_stop(&f->mangle);
    fake_fini(&f->fake);
}

/* Receives and acks until the server has every ack; false: not in time. */
static bool all_acked(struct fixture *f)
{
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    while (!fake_acked(&f->fake, "ack-1") || !fake_acked(&f->fake, "ack-2") || !fake_acked(&f->fake, "ack-3")) {
        if (sl_monotonic_ms() >= until_ms)
            return false;
        cr_assert_eq(sl_bus_receive(f->bus, 100, 1000000, 20, &f->batch, &f->err), SL_OK, "%s", f->err.text);
        sl_bus_ack(f->bus, &f->batch, NULL);
    }
    return true;
}

/* Did the spoilt connection have to be replaced? */
static bool was_spoilt(struct fixture *f)
{
    return __atomic_load_n(&f->mangle.n_connections, __ATOMIC_ACQUIRE) >= 2;
}

static void at_each_step(enum mangle_how how)
{
    size_t spoilt = 0;
    for (size_t step = 0; step < N_STEPS; step++) {
        struct fixture f;
        start(&f, how, step, 1, (struct sl_grpc_bus_options){0});
        cr_expect(all_acked(&f), "%s after %zu frames", HOWS[how], step);
        spoilt += was_spoilt(&f);
        finish(&f);
    }
    cr_expect_geq(spoilt, 5, "%s: only %zu of %d connections were spoilt", HOWS[how], spoilt, N_STEPS);
}

Test(grpc_network, goaway_that_lets_streams_go_on)
{
    at_each_step(MANGLE_GRACEFUL);
}

Test(grpc_network, goaway_and_the_end)
{
    at_each_step(MANGLE_ABRUPT);
}

Test(grpc_network, reset)
{
    at_each_step(MANGLE_RST);
}

Test(grpc_network, cut_in_a_frame)
{
    at_each_step(MANGLE_CUT);
}

Test(grpc_network, bytes_that_are_no_frames)
{
    at_each_step(MANGLE_GARBAGE);
}

/* What isn't told to be acked isn't, whatever the connection does. */
Test(grpc_network, nothing_is_acked_that_was_not_told_to)
{
    struct fixture f;
    start(&f, MANGLE_RST, 6, 3, (struct sl_grpc_bus_options){0});
    size_t received = 0;
    while (received < 6) { /* of more than one stream */
        cr_assert_eq(sl_bus_receive(f.bus, 100, 1000000, LIMIT_MS, &f.batch, &f.err), SL_OK, "%s", f.err.text);
        cr_assert_gt(f.batch.n, 0);
        received += f.batch.n;
        if (fake_count(&f.fake, &f.fake.opened) >= 4)
            break;
    }
    cr_expect_eq(fake_calls(&f.fake, "Acknowledge"), 0);
    finish(&f);
}

/* Only HTTP/2's keepalive can tell: the connection stays up, and a new stream would be put on it. */
Test(grpc_network, a_byte_a_second_or_none)
{
    static const enum mangle_how HOW[] = {MANGLE_SLOW, MANGLE_STALL};
    for (size_t i = 0; i < N(HOW); i++) {
        struct fixture f;
        start(&f, HOW[i], 4, 1, (struct sl_grpc_bus_options){.keepalive_ms = 400, .answer_ms = 300, .call_ms = 1000});
        cr_expect(all_acked(&f), "%s", HOWS[HOW[i]]);
        cr_expect(was_spoilt(&f));
        finish(&f);
    }
}

/* Channels of one target share a connection, unless they are told apart. */
Test(grpc_network, streams_are_spread_over_connections)
{
    static const struct {
        int streams, connections;
        size_t expected;
    } CASES[] = {{3, 1, 1}, {3, 2, 2}, {1, 3, 1}};
    for (size_t i = 0; i < N(CASES); i++) {
        struct fixture f;
        start(&f, MANGLE_RST, 0, 0, (struct sl_grpc_bus_options){.streams = CASES[i].streams, .connections = CASES[i].connections});
        cr_expect(all_acked(&f));
        cr_assert(fake_wait(&f.fake, &f.fake.opened, (size_t)CASES[i].streams, LIMIT_MS));
        cr_expect_eq(__atomic_load_n(&f.mangle.n_connections, __ATOMIC_ACQUIRE), CASES[i].expected, "%d streams, %d connections",
                     CASES[i].streams, CASES[i].connections);
        finish(&f);
    }
}

Test(grpc_network, publishing_goes_through)
{
    static const enum mangle_how HOW[] = {MANGLE_GRACEFUL, MANGLE_ABRUPT, MANGLE_RST, MANGLE_CUT, MANGLE_GARBAGE};
    for (size_t i = 0; i < N(HOW); i++)
        for (size_t step = 0; step < 5; step++) {
            struct fixture f;
            start(&f, HOW[i], step, 1, (struct sl_grpc_bus_options){.publish_ms = LIMIT_MS, .call_ms = 2000});
            cr_expect_eq(sl_bus_publish(f.bus, "t", "body", 4, NULL, &f.err), SL_OK, "%s after %zu frames: %s", HOWS[HOW[i]], step,
                         f.err.text);
            cr_expect_geq(fake_count(&f.fake, &f.fake.published), 1);
            finish(&f);
        }
}
