/* test_rpc_stream.c - the gRPC layer: streams, their order, back-pressure, and ends from both sides at any moment. */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "contract/rpc_echo.h"
#include "support/own_port.h"

static const struct sl_rpc_status OK = {SL_RPC_OK, ""};
static const struct sl_rpc_status AWAY = {SL_RPC_UNAVAILABLE, "come again"};

/* ---- order and ends ---- */

Test(rpc_stream, ten_thousand_messages_in_order)
{
    enum { N = 10000 };
    struct echo echo;
    struct talk talk;
    char message[400] = {0};
    echo_start(&echo, NULL);
    talk_open(&talk, &echo, CHAT, message, sizeof message, true);
    for (uint32_t i = 1; i < N; i++) {
        memcpy(message, &i, sizeof i);
        sl_rpc_stream_write(talk.stream, message, sizeof message);
    }
    sl_rpc_stream_half_close(talk.stream);
    sl_rpc_stream_write(talk.stream, "never", 5);
    talk_wait(&talk, &talk.ended, 1);
    cr_expect_eq(talk.messages, N);
    cr_expect_eq(talk.bytes, N * sizeof message);
    cr_expect_eq(talk.out_of_order, 0);
    cr_expect_eq(talk.opened, 1);
    cr_expect_eq(talk.status.code, SL_RPC_OK, "%s", talk.status.message);
    echo_wait(&echo, &echo.closed, 1);
    cr_expect_eq(echo.messages, N);
    cr_expect_eq(echo.half_closed, 1);
    talk_close(&talk);
    echo_stop(&echo);
}

Test(rpc_stream, on_a_method_that_is_none)
{
    struct echo echo;
    struct talk talk;
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", own_port()); /* nobody else's when the server has left */
    echo_start(&echo, address);
    talk_open(&talk, &echo, "/test.Echo/Nothing", "x", 1, true);
    talk_wait(&talk, &talk.ended, 1);
    cr_expect_eq(talk.status.code, SL_RPC_UNIMPLEMENTED);
    talk_close(&talk);
    sl_rpc_server_destroy(&echo.server);
    talk_open(&talk, &echo, CHAT, "x", 1, true);
    talk_wait(&talk, &talk.ended, 1);
    cr_expect_eq(talk.status.code, SL_RPC_UNAVAILABLE);
    talk_close(&talk);
    echo_stop(&echo);
}

/* What was sent before comes before the status; the status comes to a client that half-closed and to one that didn't. */
Test(rpc_stream, the_server_finishes)
{
    struct echo echo;
    struct talk talk;
    uint32_t number;
    echo_start(&echo, NULL);
    talk_open(&talk, &echo, KEEP, "x", 1, true);
    struct sl_rpc_peer_call *call = echo_kept(&echo, 0);
    for (number = 0; number < 100; number++)
        sl_rpc_send(call, &number, sizeof number);
    sl_rpc_finish(call, &AWAY);
    talk_wait(&talk, &talk.ended, 1);
    cr_expect_eq(talk.messages, 100);
    cr_expect_eq(talk.out_of_order, 0);
    cr_expect_eq(talk.status.code, SL_RPC_UNAVAILABLE);
    cr_expect_str_eq(talk.status.message, "come again");
    echo_wait(&echo, &echo.closed, 1);
    cr_expect_eq(echo.half_closed, 0);
    sl_rpc_stream_write(talk.stream, "into nothing", 12);
    sl_rpc_stream_read(talk.stream);
    sl_rpc_stream_half_close(talk.stream);
    sl_rpc_stream_cancel(talk.stream);
    talk_close(&talk);
    echo_stop(&echo);
}

Test(rpc_stream, the_client_goes)
{
    struct echo echo;
    struct talk talk;
    echo_start(&echo, NULL);
    talk_open(&talk, &echo, KEEP, "x", 1, true);
    struct sl_rpc_peer_call *call = echo_kept(&echo, 0);
    talk_wait(&talk, &talk.opened, 1);
    sl_rpc_stream_cancel(talk.stream);
    talk_wait(&talk, &talk.ended, 1);
    cr_expect_eq(talk.status.code, SL_RPC_CANCELLED);
    echo_wait(&echo, &echo.closed, 1);
    cr_expect_eq(echo.half_closed, 0);
    cr_expect(sl_rpc_gone(call));
    sl_rpc_send(call, "into nothing", 12);
    cr_expect_eq(sl_rpc_unsent_bytes(call), 0);
    sl_rpc_finish(call, &OK);
    talk_close(&talk);
    echo_stop(&echo);
}

Test(rpc_stream, a_reference_given_up_early)
{
    struct echo echo;
    struct talk talk;
    echo_start(&echo, NULL);
    talk_open(&talk, &echo, KEEP, "x", 1, false);
    struct sl_rpc_stream *stream = talk.stream;
    sl_rpc_stream_release(&talk.stream);
    cr_expect_null(talk.stream);
    cr_expect_not_null(stream);
    sl_rpc_finish(echo_kept(&echo, 0), &AWAY);
    talk_close(&talk);
    cr_expect_eq(talk.status.code, SL_RPC_UNAVAILABLE);
    echo_stop(&echo);
}

/* ---- back-pressure ---- */

enum { FLOOD_MESSAGES = 200, FLOOD_BYTES = 100 * 1000 };

static void flood(struct sl_rpc_peer_call *call)
{
    char *message = sl_calloc(1, FLOOD_BYTES);
    for (uint32_t i = 0; i < FLOOD_MESSAGES; i++) {
        memcpy(message, &i, sizeof i);
        sl_rpc_send(call, message, FLOOD_BYTES);
    }
    free(message);
}

static struct sl_rpc_peer_call *flooded(struct echo *echo, struct talk *talk)
{
    struct sl_buf response = {0};
    talk_open(talk, echo, KEEP, "x", 1, false);
    struct sl_rpc_peer_call *call = echo_kept(echo, 0);
    flood(call);
    talk_wait(talk, &talk->opened, 1);
    cr_expect_eq(echo_call(echo, ECHO, "x", 1, &response, NULL), SL_OK); /* only the stream is held back */
    sl_buf_fini(&response);
    cr_expect_gt(sl_rpc_unsent_bytes(call), FLOOD_BYTES);
    cr_expect_eq(talk->messages, 0);
    return call;
}

Test(rpc_stream, a_client_that_does_not_read)
{
    struct echo echo;
    struct talk talk;
    echo_start(&echo, NULL);
    struct sl_rpc_peer_call *call = flooded(&echo, &talk);
    size_t before = echo_count(&echo, &echo.writable); /* the first may have gone before the next was there */
    for (size_t i = 0; i < FLOOD_MESSAGES; i++) {
        sl_rpc_stream_read(talk.stream);
        talk_wait(&talk, &talk.messages, i + 1);
        cr_expect_eq(talk.messages, i + 1, "one message per read");
    }
    echo_wait(&echo, &echo.writable, before + 1);
    cr_expect_eq(sl_rpc_unsent_bytes(call), 0);
    cr_expect_eq(talk.out_of_order, 0);
    sl_rpc_finish(call, &OK);
    talk_close(&talk);
    cr_expect_eq(talk.status.code, SL_RPC_OK);
    echo_stop(&echo);
}

/* Aborting overtakes what flow control holds back, finishing does not. */
Test(rpc_stream, an_abort_past_what_is_unsent)
{
    struct echo echo;
    struct talk talk;
    echo_start(&echo, NULL);
    struct sl_rpc_peer_call *call = flooded(&echo, &talk);
    sl_rpc_abort(call, &AWAY);
    echo_wait(&echo, &echo.closed, 1);
    talk.reads_on = true;
    sl_rpc_stream_read(talk.stream);
    talk_close(&talk);
    cr_expect_eq(talk.status.code, SL_RPC_UNAVAILABLE, "%s %s", sl_rpc_code_name(talk.status.code), talk.status.message);
    cr_expect_lt(talk.messages, FLOOD_MESSAGES);
    echo_stop(&echo);
}

Test(rpc_stream, an_abort_of_an_idle_stream)
{
    struct echo echo;
    struct talk talk;
    echo_start(&echo, NULL);
    talk_open(&talk, &echo, KEEP, "x", 1, true);
    talk_wait(&talk, &talk.opened, 1);
    sl_rpc_abort(echo_kept(&echo, 0), &AWAY);
    talk_close(&talk);
    cr_expect_eq(talk.status.code, SL_RPC_UNAVAILABLE);
    cr_expect_str_eq(talk.status.message, "come again");
    echo_stop(&echo);
}

/* Stopping ends a stream that its client holds back; its owner has it until it gives it up. */
Test(rpc_stream, the_server_stops_under_a_flood)
{
    struct echo echo;
    struct talk talk;
    echo_start(&echo, NULL);
    struct sl_rpc_peer_call *call = flooded(&echo, &talk);
    sl_rpc_server_stop(echo.server, 1);
    cr_expect_eq(echo.closed, 1);
    sl_rpc_server_destroy(&echo.server);
    cr_expect(sl_rpc_gone(call));
    cr_expect_eq(sl_rpc_unsent_bytes(call), 0);
    sl_rpc_finish(call, &OK);
    talk.reads_on = true;
    sl_rpc_stream_read(talk.stream);
    talk_close(&talk);
    cr_expect_eq(talk.status.code, SL_RPC_UNAVAILABLE, "%s", talk.status.message);
    echo_stop(&echo);
}

Test(rpc_stream, the_channel_goes_under_streams)
{
    enum { N = 50 };
    struct echo echo;
    struct talk talks[N];
    echo_start(&echo, NULL);
    for (size_t i = 0; i < N; i++)
        talk_open(&talks[i], &echo, CHAT, "x", 1, i % 2);
    echo_wait(&echo, &echo.opened, N);
    sl_rpc_channel_destroy(&echo.channel);
    for (size_t i = 0; i < N; i++) {
        cr_expect_eq(talks[i].ended, 1);
        cr_expect_eq(talks[i].status.code, SL_RPC_CANCELLED);
        sl_rpc_stream_write(talks[i].stream, "y", 1);
        sl_rpc_stream_cancel(talks[i].stream);
        talk_close(&talks[i]);
    }
    echo_wait(&echo, &echo.closed, N);
    echo_stop(&echo);
}

/* ---- ends at random moments ---- */

enum { N_ROUNDS = 200 };

struct server_side { /* a thread that owns the kept calls, one after the other */
    struct echo *echo;
    uint32_t random;
};

static uint32_t roll(uint32_t *state, uint32_t below)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state % below;
}

static void yield_some(uint32_t n)
{
    while (n-- > 0)
        sched_yield();
}

static void *serve(void *arg)
{
    struct server_side *side = arg;
    char message[2000] = {0};
    for (size_t i = 0; i < N_ROUNDS; i++) {
        struct sl_rpc_peer_call *call = echo_kept(side->echo, i);
        for (uint32_t n = roll(&side->random, 8); n > 0; n--)
            sl_rpc_send(call, message, sizeof message);
        yield_some(roll(&side->random, 60));
        if (roll(&side->random, 2))
            sl_rpc_finish(call, &OK);
        else
            sl_rpc_abort(call, &AWAY);
    }
    return NULL;
}

/* The server's thread counts on every call: one is cancelled only when it has arrived there. */
static void client_round(struct echo *echo, uint32_t *random, size_t round)
{
    struct talk talk;
    bool reads_on = roll(random, 4) > 0;
    talk_open(&talk, echo, KEEP, "x", 1, reads_on);
    echo_wait(echo, &echo->n_kept, round + 1);
    for (uint32_t n = roll(random, 4); n > 0; n--)
        sl_rpc_stream_write(talk.stream, "more", 4);
    yield_some(roll(random, 60));
    if (roll(random, 3) == 0)
        sl_rpc_stream_half_close(talk.stream);
    sl_rpc_stream_cancel(talk.stream);
    if (!reads_on) /* no handler uses it */
        sl_rpc_stream_release(&talk.stream);
    talk_close(&talk);
}

Test(rpc_stream, cancelled_from_both_sides_at_random_moments)
{
    struct echo echo;
    struct server_side side = {&echo, 2463534242u};
    uint32_t random = 88675123u;
    pthread_t server;
    echo_start(&echo, NULL);
    pthread_create(&server, NULL, serve, &side);
    for (size_t i = 0; i < N_ROUNDS; i++)
        client_round(&echo, &random, i);
    pthread_join(server, NULL);
    echo_wait(&echo, &echo.closed, N_ROUNDS);
    cr_expect_eq(echo.closed, N_ROUNDS);
    echo_stop(&echo);
}

/* Also before the server has seen it, and many on one connection. */
Test(rpc_stream, cancelled_before_they_are_open)
{
    enum { N = 200 };
    struct echo echo;
    struct talk talks[N];
    uint32_t random = 521288629u;
    echo_start(&echo, NULL);
    for (size_t i = 0; i < N; i++) {
        talk_open(&talks[i], &echo, CHAT, "x", 1, true);
        yield_some(roll(&random, 10));
        sl_rpc_stream_cancel(talks[i].stream);
    }
    for (size_t i = 0; i < N; i++) {
        talk_close(&talks[i]);
        cr_expect_eq(talks[i].status.code, SL_RPC_CANCELLED);
    }
    echo_stop(&echo);
    cr_expect_eq(echo.opened, echo.closed);
}
