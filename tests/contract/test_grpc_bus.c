/* test_grpc_bus.c - the bus over gRPC against a server that does what it is told, wrong things too. */
#include <stdlib.h>
#include <string.h>

#include "../../src/pubsub/grpc_retry.h"
#include "client_bed.h"
#include "support/own_port.h"

static void respond_on_open(struct client *client, const char *const *ids, size_t n)
{
    struct sl_buf response = {0};
    fake_response(&response, ids, n);
    fake_on_open(&client->fake, &response);
    sl_buf_fini(&response);
}

static void respond(struct client *client, const char *const *ids, size_t n)
{
    struct sl_buf response = {0};
    fake_response(&response, ids, n);
    fake_send(&client->fake, &response);
    sl_buf_fini(&response);
}

/* The server responds with these messages on opening; then the client joins. */
static void join_with(struct client *client, const char *const *ids, size_t n, struct sl_grpc_bus_options options)
{
    client_start(client);
    respond_on_open(client, ids, n);
    client_join(client, 1, options);
}

/* One message is received and acked; the server answers acks with these codes first, then well. */
static void ack_one(struct client *client, const int *codes, size_t n_codes, struct sl_grpc_bus_options options)
{
    client_start(client);
    fake_answer(&client->fake, "Acknowledge", codes, n_codes);
    respond_on_open(client, (const char *const[]){"1"}, 1);
    client_join(client, 1, options);
    client_receive(client, 1, true);
}

/* ---- receiving and acking ---- */

Test(grpc_bus, receives_in_order_and_acks_in_one_call)
{
    struct client f;
    join_with(&f, (const char *const[]){"1", "2", "3"}, 3, client_quick());
    cr_assert_str_eq(client_receive(&f, 3, false), "1,2,3");
    const struct sl_message *message = &f.batch.messages[1].message;
    cr_assert_str_eq(message->subscription, "raw-sub");
    cr_assert_eq(f.batch.messages[1].phase, CLIENT_PHASES[0]);
    cr_assert_eq(message->len, 6);
    cr_assert_str_eq(message->data, "data-2");
    cr_assert_eq(message->publish_us, 1700000000000000);
    cr_assert_eq(message->n_attributes, 1);
    cr_assert_str_eq(message->attributes[0].value, "2");
    cr_assert_not(fake_acked(&f.fake, "ack-1"), "acked before it was told to");
    cr_assert_eq(sl_bus_ack(f.bus, &f.batch, NULL), SL_OK);
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 1, LIMIT_MS));
    client_wait(&f, client_stats(&f).leases == 0);
    for (size_t i = 0; i < f.fake.n_calls; i++)
        if (strcmp(f.fake.calls[i].method, "Acknowledge") == 0) {
            cr_expect_str_eq(f.fake.calls[i].ids, "ack-1,ack-2,ack-3");
            cr_expect_str_eq(f.fake.calls[i].subscription, "projects/p/subscriptions/raw-sub");
        }
    cr_assert_eq(fake_calls(&f.fake, "Acknowledge"), 1);
    cr_assert(fake_wait(&f.fake, &f.fake.firsts, 1, LIMIT_MS));
    cr_assert_eq(f.fake.first.max_outstanding_messages, 200);
    cr_assert_eq(f.fake.first.max_outstanding_bytes, 60000000);
    cr_assert_eq(f.fake.first.stream_ack_deadline_s, 10);
    cr_assert_eq(f.fake.first.protocol_version, 1);
    client_finish(&f);
}

Test(grpc_bus, two_phases_are_merged_and_acked_each_at_its_own)
{
    struct client f;
    client_start(&f);
    respond_on_open(&f, (const char *const[]){"x"}, 1);
    client_join(&f, 2, client_quick());
    client_receive(&f, 2, true);
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 2, LIMIT_MS));
    client_wait(&f, client_stats(&f).leases == 0);
    bool own = false, other = false;
    for (size_t i = 0; i < f.fake.n_calls; i++) {
        own |= strcmp(f.fake.calls[i].subscription, "projects/p/subscriptions/raw-sub") == 0;
        other |= strcmp(f.fake.calls[i].subscription, "projects/other/subscriptions/a-sub") == 0;
    }
    cr_assert(own && other);
    client_finish(&f);
}

Test(grpc_bus, a_batch_keeps_to_its_limits)
{
    struct client f;
    join_with(&f, (const char *const[]){"1", "2", "3", "4", "5"}, 5, client_quick());
    static const struct {
        size_t max_n, max_bytes, expected;
    } CASES[] = {{2, 1000000, 2}, {100, 1, 1}, {100, 20, 2}};
    size_t seen = 0;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cr_assert_eq(sl_bus_receive(f.bus, CASES[i].max_n, CASES[i].max_bytes, LIMIT_MS, &f.batch, NULL), SL_OK);
        cr_assert_eq(f.batch.n, CASES[i].expected, "case %zu: %zu", i, f.batch.n);
        seen += f.batch.n;
    }
    cr_assert_eq(seen, 5);
    cr_assert_eq(sl_bus_receive(f.bus, 100, 100, 0, &f.batch, NULL), SL_OK);
    cr_assert_eq(f.batch.n, 0);
    client_finish(&f);
}

Test(grpc_bus, everything_received_gets_a_receipt)
{
    struct client f;
    join_with(&f, (const char *const[]){"1", "2"}, 2, client_quick());
    cr_assert(fake_wait_calls(&f.fake, "ModifyAckDeadline", 1, LIMIT_MS));
    client_wait(&f, client_stats(&f).receipts == 2);
    for (size_t i = 0; i < f.fake.n_calls; i++)
        if (strcmp(f.fake.calls[i].method, "ModifyAckDeadline") == 0) {
            cr_expect_str_eq(f.fake.calls[i].ids, "ack-1,ack-2");
            cr_expect_eq(f.fake.calls[i].deadline_s, 10);
        }
    client_finish(&f);
}

Test(grpc_bus, a_redelivery_has_a_receipt_of_its_own)
{
    struct client f;
    join_with(&f, (const char *const[]){"1"}, 1, client_quick());
    client_receive(&f, 1, false);
    struct sl_buf again = {0};
    sl_pubsub_put_received(&again, "ack-later", "", 0, "1", 1700000000000000, 2, NULL, 0);
    fake_send(&f.fake, &again);
    sl_buf_fini(&again);
    cr_assert_str_eq(client_receive(&f, 1, true), "1");
    cr_assert_eq(f.batch.messages[0].message.delivery_attempt, 2);
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 1, LIMIT_MS));
    cr_assert(fake_acked(&f.fake, "ack-later"));
    cr_assert_not(fake_acked(&f.fake, "ack-1"));
    client_finish(&f);
}

/* ---- acks that go wrong ---- */

Test(grpc_bus, acks_that_fail_for_a_while_are_sent_again)
{
    static const int CODES[] = {SL_RPC_UNAVAILABLE,       SL_RPC_INTERNAL,           SL_RPC_ABORTED,
                                SL_RPC_DEADLINE_EXCEEDED, SL_RPC_RESOURCE_EXHAUSTED, SL_RPC_CANCELLED};
    struct client f;
    ack_one(&f, CODES, 6, client_quick());
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 7, LIMIT_MS));
    client_wait(&f, client_stats(&f).leases == 0);
    cr_assert_eq(client_stats(&f).acks_retried, 6);
    cr_assert_eq(client_stats(&f).acks_lost, 0);
    client_finish(&f);
}

Test(grpc_bus, an_ack_that_is_never_answered_is_sent_again)
{
    static const int CODES[] = {FAKE_NEVER};
    struct client f;
    struct sl_grpc_bus_options options = client_quick();
    options.call_ms = 100;
    ack_one(&f, CODES, 1, options);
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 2, LIMIT_MS));
    client_wait(&f, client_stats(&f).leases == 0);
    client_finish(&f);
}

/* A lease that can't be kept ends; its ack with it. */
Test(grpc_bus, acks_are_given_up_when_the_lease_has_ended)
{
    static int codes[64];
    struct client f;
    for (size_t i = 0; i < 64; i++)
        codes[i] = SL_RPC_UNAVAILABLE;
    struct sl_grpc_bus_options options = client_quick();
    options.lease_s = 1;
    options.lease_cap_ms = 1;
    ack_one(&f, codes, 64, options);
    client_wait(&f, client_stats(&f).acks_lost == 1);
    cr_assert_eq(client_stats(&f).leases, 0);
    cr_assert_lt(fake_calls(&f.fake, "Acknowledge"), 60, "backoff grows");
    client_finish(&f);
}

Test(grpc_bus, one_bad_id_spoils_no_other)
{
    struct client f;
    client_start(&f);
    f.fake.bad_id = "ack-4";
    respond_on_open(&f, (const char *const[]){"1", "2", "3", "4", "5", "6", "7"}, 7);
    client_join(&f, 1, client_quick());
    client_receive(&f, 7, true);
    client_wait(&f, client_stats(&f).leases == 0);
    cr_assert_eq(client_stats(&f).acks_lost, 1);
    cr_assert_leq(fake_calls(&f.fake, "Acknowledge"), 7);
    client_finish(&f);
}

Test(grpc_bus, an_ack_that_is_denied_stops_the_bus)
{
    static const int CODES[] = {SL_RPC_PERMISSION_DENIED};
    struct client f;
    ack_one(&f, CODES, 1, client_quick());
    cr_assert_eq(sl_bus_receive(f.bus, 10, 1000, LIMIT_MS, &f.batch, &f.err), SL_DENIED);
    cr_assert(strstr(f.err.text, "projects/p/subscriptions/raw-sub"), "%s", f.err.text);
    client_finish(&f);
}

Test(grpc_bus, an_ack_that_fails_for_no_known_reason_is_given_up_alone)
{
    static const int CODES[] = {SL_RPC_UNKNOWN};
    struct client f;
    ack_one(&f, CODES, 1, client_quick());
    client_wait(&f, client_stats(&f).acks_lost == 1);
    respond(&f, (const char *const[]){"1"}, 1);
    client_receive(&f, 1, true);
    client_wait(&f, client_stats(&f).leases == 0);
    cr_assert_eq(client_stats(&f).acks_lost, 1);
    client_finish(&f);
}

/* n messages with ids of that length are received, and acked in three requests. */
static void ack_in_three(struct client *f, int n, int id_len)
{
    char id[1024];
    struct sl_buf response = {0};
    client_start(f);
    for (int i = 0; i < n; i++) {
        snprintf(id, sizeof id, "%0*d", id_len, i);
        sl_pubsub_put_received(&response, id, "", 0, id + id_len - 8, 0, 0, NULL, 0);
    }
    fake_on_open(&f->fake, &response);
    sl_buf_fini(&response);
    struct sl_grpc_bus_options options = client_quick();
    options.max_outstanding_messages = n;
    client_join(f, 1, options);
    cr_assert_eq(sl_bus_receive(f->bus, (size_t)n, 100000, LIMIT_MS, &f->batch, NULL), SL_OK);
    cr_assert_eq(f->batch.n, (size_t)n);
    sl_bus_ack(f->bus, &f->batch, NULL);
    cr_assert(fake_wait_calls(&f->fake, "Acknowledge", 3, LIMIT_MS));
    client_wait(f, client_stats(f).leases == 0);
    cr_assert_eq(fake_calls(&f->fake, "Acknowledge"), 3);
}

Test(grpc_bus, many_acks_go_in_requests_of_2500_ids)
{
    struct client f;
    ack_in_three(&f, 6000, 8);
    for (size_t i = 0; i < f.fake.n_calls; i++)
        cr_assert_leq(f.fake.calls[i].n_ids, 2500);
    client_finish(&f);
}

/* Ids of exactly-once delivery are long: so many bytes are a request's limit before so many ids are. */
Test(grpc_bus, long_ids_go_in_requests_of_half_a_mebibyte)
{
    struct client f;
    ack_in_three(&f, 1200, 1000);
    for (size_t i = 0; i < f.fake.n_calls; i++)
        cr_assert_leq(f.fake.calls[i].len, 524288, "%s of %zu ids", f.fake.calls[i].method, f.fake.calls[i].n_ids);
    client_finish(&f);
}

Test(grpc_bus, destroying_waits_for_the_answers_to_acks)
{
    static const int CODES[] = {SL_RPC_UNAVAILABLE, SL_RPC_UNAVAILABLE};
    struct client f;
    ack_one(&f, CODES, 2, client_quick());
    sl_bus_destroy(&f.bus);
    cr_assert_eq(fake_calls(&f.fake, "Acknowledge"), 3);
    client_finish(&f);
}

/* ---- leases ---- */

static struct sl_grpc_bus_options extending(void)
{
    struct sl_grpc_bus_options options = client_quick();
    options.lease_s = 10;
    options.extend_before_ms = 9950; /* so an extension falls due 50 ms after the last */
    options.receipt_ms = 1;
    return options;
}

Test(grpc_bus, leases_are_extended_while_a_message_is_out)
{
    struct client f;
    join_with(&f, (const char *const[]){"1"}, 1, extending());
    client_receive(&f, 1, false);
    client_wait(&f, client_stats(&f).extensions >= 2);
    pthread_mutex_lock(&f.fake.mutex); /* they go on */
    cr_assert_eq(f.fake.calls[f.fake.n_calls - 1].deadline_s, 10);
    pthread_mutex_unlock(&f.fake.mutex);
    client_finish(&f);
}

Test(grpc_bus, leases_are_extended_until_the_ack_is_answered)
{
    static const int CODES[] = {FAKE_NEVER};
    struct client f;
    ack_one(&f, CODES, 1, extending());
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 1, LIMIT_MS));
    const uint64_t before = client_stats(&f).extensions;
    client_wait(&f, client_stats(&f).extensions >= before + 2);
    fake_answer_held(&f.fake);
    client_wait(&f, client_stats(&f).leases == 0);
    client_finish(&f);
}

Test(grpc_bus, no_extension_beyond_the_cap)
{
    struct client f;
    struct sl_grpc_bus_options options = extending();
    options.lease_cap_ms = 1;
    join_with(&f, (const char *const[]){"1"}, 1, options);
    client_receive(&f, 1, false);
    cr_assert_not(fake_wait_calls(&f.fake, "ModifyAckDeadline", 2, 1300), "one receipt, then nothing");
    client_finish(&f);
}

/* ---- limits ---- */

Test(grpc_bus, no_more_is_read_than_the_limit)
{
    struct client f;
    client_start(&f);
    for (int i = 0; i < 8; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        respond_on_open(&f, (const char *const[]){id}, 1);
    }
    struct sl_grpc_bus_options options = client_quick();
    options.max_outstanding_messages = 3;
    client_join(&f, 1, options);
    client_wait(&f, client_stats(&f).leases == 3);
    fake_wait(&f.fake, &(size_t){0}, 1, 100); /* longer than a response takes */
    cr_assert_eq(client_stats(&f).leases, 3);
    cr_assert_eq(sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0), -1, "more waits");
    cr_assert_str_eq(client_receive(&f, 8, true), "0,1,2,3,4,5,6,7");
    client_wait(&f, client_stats(&f).leases == 0);
    client_finish(&f);
}

/* ---- peers that are not as they should be ---- */

Test(grpc_bus, messages_without_usable_ids_are_left_alone)
{
    struct client f;
    client_start(&f);
    struct sl_buf response = {0};
    sl_pubsub_put_received(&response, "", "", 0, "no-ack-id", 0, 0, NULL, 0);
    sl_buf_add(&response,
               "\x0a\x05\x0a\x03"
               "a\0b",
               7); /* a NUL in the ack id, no message */
    sl_buf_add(&response,
               "\x0a\x03\x0a\x01"
               "c",
               5);                        /* no message */
    sl_buf_add(&response, "\x0a\x00", 2); /* nothing */
    fake_on_open(&f.fake, &response);
    sl_buf_fini(&response);
    respond_on_open(&f, (const char *const[]){"good"}, 1);
    client_join(&f, 1, client_quick());
    cr_assert_str_eq(client_receive(&f, 1, true), "good");
    cr_assert_eq(client_stats(&f).bad_ids, 4);
    client_wait(&f, client_stats(&f).leases == 0);
    cr_assert_eq(fake_count(&f.fake, &f.fake.opened), 1);
    client_finish(&f);
}

/* At most so many streams in a second: waits of a tenth of a step at least, which double. The second may be longer: this thread may not have been let on in time. */
static void expect_no_busy_loop(struct client *f, size_t most)
{
    const size_t before = fake_count(&f->fake, &f->fake.opened);
    const int64_t start_ms = sl_monotonic_ms();
    fake_wait(&f->fake, &f->fake.opened, before + most, 1000);
    const size_t n = fake_count(&f->fake, &f->fake.opened) - before;
    const int64_t took_ms = sl_monotonic_ms() - start_ms;
    cr_assert(n < most || (took_ms > 1000 && n * 1000 <= most * (size_t)took_ms), "%zu streams in %lld ms, more than %zu in a second", n,
              (long long)took_ms, most);
}

Test(grpc_bus, malformed_responses_are_no_busy_loop)
{
    struct client f;
    client_start(&f);
    const struct sl_buf garbage = {.data = (char[]){"\xff\xff\xff\xff"}, .len = 4};
    fake_on_open(&f.fake, &garbage);
    client_join(&f, 1, client_quick());
    client_wait(&f, client_stats(&f).malformed >= 2);
    expect_no_busy_loop(&f, 60);
    cr_assert_eq(sl_bus_receive(f.bus, 1, 1, 0, &f.batch, &f.err), SL_OK);
    cr_assert_eq(f.batch.n, 0);
    client_finish(&f);
}

Test(grpc_bus, streams_that_end_are_opened_again_by_code)
{
    static const struct {
        int code;
        const char *label;
    } CASES[] = {
        {SL_RPC_OK, "clean close"},      {SL_RPC_UNAVAILABLE, "UNAVAILABLE"},
        {SL_RPC_INTERNAL, "INTERNAL"},   {SL_RPC_ABORTED, "ABORTED"},
        {SL_RPC_CANCELLED, "CANCELLED"}, {SL_RPC_DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"},
        {SL_RPC_UNKNOWN, "UNKNOWN"},     {SL_RPC_RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct client f;
        client_start(&f);
        f.fake.end_on_open = CASES[i].code;
        client_join(&f, 1, client_quick());
        cr_assert(fake_wait(&f.fake, &f.fake.opened, 3, LIMIT_MS), "%s", CASES[i].label);
        cr_assert_eq(sl_bus_receive(f.bus, 1, 1, 0, &f.batch, &f.err), SL_OK, "%s: %s", CASES[i].label, f.err.text);
        client_finish(&f);
    }
}

Test(grpc_bus, a_stream_that_gives_one_message_and_ends_is_no_busy_loop)
{
    struct client f;
    client_start(&f);
    f.fake.end_on_open = SL_RPC_UNAVAILABLE;
    respond_on_open(&f, (const char *const[]){"1"}, 1);
    struct sl_grpc_bus_options options = client_quick();
    options.backoff_min_ms = 100; /* as it is by default; every response starts it anew */
    client_join(&f, 1, options);
    client_receive(&f, 3, true);
    expect_no_busy_loop(&f, 60);
    client_wait(&f, client_stats(&f).streams_ended >= 3);
    client_finish(&f);
}

Test(grpc_bus, a_server_that_refuses_streams_is_asked_less_and_less)
{
    struct client f;
    client_start(&f);
    f.fake.end_on_open = SL_RPC_UNAVAILABLE;
    struct sl_grpc_bus_options options = client_quick();
    options.backoff_min_ms = 100;
    options.backoff_max_ms = 10000;
    client_join(&f, 1, options);
    cr_assert(fake_wait(&f.fake, &f.fake.opened, 2, LIMIT_MS));
    expect_no_busy_loop(&f, 12);
    client_finish(&f);
}

Test(grpc_bus, the_client_id_stays_across_reconnects)
{
    struct client f;
    client_start(&f);
    f.fake.end_on_open = SL_RPC_UNAVAILABLE;
    client_join(&f, 1, client_quick());
    cr_assert(fake_wait(&f.fake, &f.fake.opened, 4, LIMIT_MS));
    pthread_mutex_lock(&f.fake.mutex);
    const char *seen = NULL;
    for (size_t i = 0; i < 8; i++) {
        if (!f.fake.client_ids[i][0])
            continue;
        cr_assert_eq(strlen(f.fake.client_ids[i]), 36);
        if (seen)
            cr_assert_str_eq(f.fake.client_ids[i], seen);
        seen = f.fake.client_ids[i];
    }
    pthread_mutex_unlock(&f.fake.mutex);
    client_finish(&f);
}

Test(grpc_bus, codes_that_waiting_cant_mend_stop_receiving)
{
    static const struct {
        int rpc;
        enum sl_code code;
        const char *name;
    } CASES[] = {
        {SL_RPC_NOT_FOUND, SL_NOT_FOUND, "NOT_FOUND"},
        {SL_RPC_PERMISSION_DENIED, SL_DENIED, "PERMISSION_DENIED"},
        {SL_RPC_UNAUTHENTICATED, SL_DENIED, "UNAUTHENTICATED"},
        {SL_RPC_INVALID_ARGUMENT, SL_INVALID, "INVALID_ARGUMENT"},
        {SL_RPC_FAILED_PRECONDITION, SL_INVALID, "FAILED_PRECONDITION"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct client f;
        client_start(&f);
        f.fake.end_on_open = CASES[i].rpc;
        client_join(&f, 1, client_quick());
        cr_assert_eq(sl_bus_receive(f.bus, 1, 1, LIMIT_MS, &f.batch, &f.err), CASES[i].code, "%s", CASES[i].name);
        cr_assert(strstr(f.err.text, "subscription projects/p/subscriptions/raw-sub of phase raw"), "%s", f.err.text);
        cr_assert(strstr(f.err.text, CASES[i].name) && strstr(f.err.text, "sluice init"), "%s", f.err.text);
        cr_assert_not(fake_wait(&f.fake, &f.fake.opened, 2, 100), "opened again after %s", CASES[i].name);
        client_finish(&f);
    }
}

Test(grpc_bus, a_silent_peer_is_given_up_and_called_again)
{
    struct client f;
    client_start(&f);
    f.fake.answer_pings = false;
    struct sl_grpc_bus_options options = client_quick();
    options.pings = SL_PINGS_DEMANDED;
    options.ping_ms = 50;
    options.answer_ms = 100;
    client_join(&f, 1, options);
    cr_assert(fake_wait(&f.fake, &f.fake.opened, 3, LIMIT_MS));
    cr_assert_geq(client_stats(&f).torn_down, 2);
    pthread_mutex_lock(&f.fake.mutex);
    f.fake.answer_pings = true;
    pthread_mutex_unlock(&f.fake.mutex);
    const size_t pings = fake_count(&f.fake, &f.fake.pings);
    client_wait(&f, sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0) >= 0);
    cr_assert(fake_wait(&f.fake, &f.fake.pings, pings + 6, LIMIT_MS));
    client_finish(&f);
}

/* For longer than a ping may be unanswered; and that is longer than this machine may be slow. */
Test(grpc_bus, a_peer_that_answers_is_kept)
{
    struct client f;
    client_start(&f);
    struct sl_grpc_bus_options options = client_quick();
    options.pings = SL_PINGS_DEMANDED;
    options.ping_ms = 30;
    options.answer_ms = 2000;
    client_join(&f, 1, options);
    cr_assert(fake_wait(&f.fake, &f.fake.pings, 100, LIMIT_MS)); /* 3 s at least */
    cr_assert_eq(client_stats(&f).torn_down, 0);
    cr_assert_eq(fake_count(&f.fake, &f.fake.opened), 1);
    client_finish(&f);
}

Test(grpc_bus, a_peer_that_never_answered_a_ping_is_kept)
{
    struct client f;
    client_start(&f);
    f.fake.answer_pings = false;
    struct sl_grpc_bus_options options = client_quick();
    options.ping_ms = 30;
    options.answer_ms = 60;
    client_join(&f, 1, options);
    cr_assert(fake_wait(&f.fake, &f.fake.pings, 12, LIMIT_MS));
    cr_assert_eq(client_stats(&f).torn_down, 0);
    cr_assert_eq(fake_count(&f.fake, &f.fake.opened), 1);
    client_wait(&f, sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0) >= 0); /* a call beside the stream has told that it is there */
    client_finish(&f);
}

/* Pings can't be answered to a client that doesn't read: that is no silence of the peer's. */
Test(grpc_bus, a_client_that_is_full_doesnt_blame_the_peer)
{
    struct client f;
    struct sl_grpc_bus_options options = client_quick();
    options.max_outstanding_messages = 2;
    options.pings = SL_PINGS_DEMANDED;
    options.ping_ms = 30;
    options.answer_ms = 2000; /* until it is full it does read */
    join_with(&f, (const char *const[]){"1", "2"}, 2, options);
    client_receive(&f, 2, false);
    cr_assert(fake_wait(&f.fake, &f.fake.pings, fake_count(&f.fake, &f.fake.pings) + 100, LIMIT_MS));
    cr_assert_eq(client_stats(&f).torn_down, 0);
    client_finish(&f);
}

Test(grpc_bus, silence_is_counted_from_the_last_message)
{
    struct client f;
    client_start_at(&f, own_port());
    client_join(&f, 1, client_quick());
    cr_assert_eq(sl_bus_silent_ms(f.bus, CLIENT_PHASES[1], 0), -1, "not received from");
    client_wait(&f, sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0) >= 20);
    respond(&f, (const char *const[]){"1"}, 1);
    client_wait(&f, sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0) == -1);
    client_receive(&f, 1, false);
    cr_assert_eq(sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0), -1, "not acked yet");
    sl_bus_ack(f.bus, &f.batch, NULL);
    const int64_t silent_ms = sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0);
    cr_assert(silent_ms >= 0 && silent_ms < LIMIT_MS);
    fake_stop(&f.fake);
    client_wait(&f, sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0) == -1);
    client_finish(&f);
}

Test(grpc_bus, twenty_megabytes_in_one_response)
{
    enum { BYTES = 9900000 };
    struct client f;
    client_start(&f);
    char *data = malloc(BYTES);
    memset(data, 'x', BYTES);
    struct sl_buf stored = {0}, response = {0};
    sl_buf_add(&stored, "\x0a\xe0\x9f\xdc\x04", 5); /* data, of 9,900,000 bytes */
    sl_buf_add(&stored, data, BYTES);
    sl_pubsub_put_received(&response, "ack-1", stored.data, stored.len, "1", 0, 0, NULL, 0);
    sl_pubsub_put_received(&response, "ack-2", stored.data, stored.len, "2", 0, 0, NULL, 0);
    fake_on_open(&f.fake, &response);
    client_join(&f, 1, client_quick());
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(sl_bus_receive(f.bus, 1, BYTES, LIMIT_MS, &f.batch, NULL), SL_OK);
        cr_assert_eq(f.batch.n, 1);
        cr_assert_eq(f.batch.messages[0].message.len, BYTES);
        cr_assert_eq(memcmp(f.batch.messages[0].message.data, data, BYTES), 0);
        cr_assert_eq(sl_bus_ack(f.bus, &f.batch, NULL), SL_OK);
    }
    sl_buf_fini(&stored);
    sl_buf_fini(&response);
    free(data);
    client_finish(&f);
}

Test(grpc_bus, a_response_beyond_the_limit_is_no_busy_loop)
{
    enum { BYTES = 21 * 1024 * 1024 };
    struct client f;
    client_start(&f);
    struct sl_buf response = {.data = calloc(BYTES + 1, 1), .len = BYTES, .cap = BYTES + 1};
    fake_on_open(&f.fake, &response);
    struct sl_grpc_bus_options options = client_quick();
    options.backoff_min_ms = 100;
    client_join(&f, 1, options);
    cr_assert(fake_wait(&f.fake, &f.fake.closed, 2, LIMIT_MS));
    expect_no_busy_loop(&f, 30);
    cr_assert_eq(sl_bus_receive(f.bus, 1, 1, 0, &f.batch, &f.err), SL_OK, "%s", f.err.text);
    sl_buf_fini(&response);
    client_finish(&f);
}

Test(grpc_bus, goes_on_when_the_server_has_been_away)
{
    struct client f;
    client_start_at(&f, own_port());
    respond_on_open(&f, (const char *const[]){"1"}, 1);
    struct sl_grpc_bus_options options = client_quick();
    options.call_ms = 1000;
    client_join(&f, 1, options);
    client_receive(&f, 1, false);
    fake_stop(&f.fake); /* GOAWAY, then nobody */
    sl_bus_ack(f.bus, &f.batch, NULL);
    client_wait(&f, client_stats(&f).acks_retried >= 1);
    fake_restart(&f.fake);
    cr_assert_str_eq(client_receive(&f, 1, true), "1");
    client_wait(&f, client_stats(&f).leases == 0);
    cr_assert_eq(client_stats(&f).acks_lost, 0);
    client_finish(&f);
}

Test(grpc_bus, nobody_there_at_all)
{
    struct client f;
    client_start_at(&f, own_port());
    fake_stop(&f.fake);
    const int64_t start_ms = sl_monotonic_ms();
    client_join(&f, 1, client_quick());
    cr_assert_eq(sl_bus_receive(f.bus, 1, 1, 200, &f.batch, &f.err), SL_OK);
    cr_assert_eq(f.batch.n, 0);
    cr_assert_eq(sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0), -1);
    const uint64_t opened = client_stats(&f).streams_opened;
    cr_assert_lt(opened, 20 + (uint64_t)(sl_monotonic_ms() - start_ms) / 20,
                 "a tenth of 200 ms is between them at least, once it has doubled to that");
    client_finish(&f);
}

Test(grpc_bus, what_cant_be_created)
{
    static struct sl_phase without = {.name = "bare"};
    static const struct sl_phase *const BARE[] = {&without};
    struct sl_config config = {.bus = {.type = SL_BUS_PUBSUB, .project = "p"}};
    struct sl_bus *bus;
    struct sl_err err = {0};
    cr_assert_eq(sl_grpc_bus_create(&bus, SL_PLAIN_PEER("127.0.0.1:1"), &config, CLIENT_PHASES, 1, NULL, &err), SL_INVALID);
    cr_assert(strstr(err.text, "TLS"), "%s", err.text);
    cr_assert_null(bus);
    config.bus.type = SL_BUS_EMULATOR;
    cr_assert_eq(sl_grpc_bus_create(&bus, SL_PLAIN_PEER("127.0.0.1:1"), &config, BARE, 1, NULL, &err), SL_INVALID);
    cr_assert_str_eq(err.text, "phase bare has no completions.subscription to receive from");
}

static void known(void *arg, const char *const *subscriptions, size_t n, int64_t *undelivered, int64_t *leased)
{
    cr_assert_str_eq(arg, "arg");
    cr_assert_eq(n, 2);
    cr_assert_str_eq(subscriptions[1], "projects/other/subscriptions/a-sub");
    *undelivered = 7;
    *leased = 3;
}

Test(grpc_bus, the_backlog_is_the_brokers_to_say)
{
    struct client f;
    int64_t undelivered, leased;
    client_start(&f);
    client_join(&f, 1, client_quick());
    sl_bus_backlog(f.bus, &undelivered, &leased);
    cr_assert(undelivered == -1 && leased == -1);
    sl_bus_destroy(&f.bus);
    struct sl_grpc_bus_options options = client_quick();
    options.backlog = known;
    options.backlog_arg = (char[]){"arg"};
    client_join(&f, 2, options);
    sl_bus_backlog(f.bus, &undelivered, &leased);
    cr_assert(undelivered == 7 && leased == 3);
    client_finish(&f);
}

/* ---- tables ---- */

Test(grpc_bus, codes_row_by_row)
{
    static const struct {
        enum sl_rpc_code code;
        bool stream, ack, publish;
    } ROWS[] = {
        {SL_RPC_OK, true, false, false},
        {SL_RPC_CANCELLED, true, true, true},
        {SL_RPC_UNKNOWN, true, false, true},
        {SL_RPC_INVALID_ARGUMENT, false, false, false},
        {SL_RPC_DEADLINE_EXCEEDED, true, true, true},
        {SL_RPC_NOT_FOUND, false, false, false},
        {SL_RPC_ALREADY_EXISTS, false, false, false},
        {SL_RPC_PERMISSION_DENIED, false, false, false},
        {SL_RPC_RESOURCE_EXHAUSTED, true, true, true},
        {SL_RPC_FAILED_PRECONDITION, false, false, false},
        {SL_RPC_ABORTED, true, true, true},
        {SL_RPC_OUT_OF_RANGE, false, false, false},
        {SL_RPC_UNIMPLEMENTED, false, false, false},
        {SL_RPC_INTERNAL, true, true, true},
        {SL_RPC_UNAVAILABLE, true, true, true},
        {SL_RPC_DATA_LOSS, false, false, false},
        {SL_RPC_UNAUTHENTICATED, false, false, false},
        {(enum sl_rpc_code)99, false, false, false},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        cr_expect_eq(sl_retry_stream(ROWS[i].code), ROWS[i].stream, "stream, %d", ROWS[i].code);
        cr_expect_eq(sl_retry_ack(ROWS[i].code), ROWS[i].ack, "ack, %d", ROWS[i].code);
        cr_expect_eq(sl_retry_publish(ROWS[i].code), ROWS[i].publish, "publish, %d", ROWS[i].code);
    }
}

Test(grpc_bus, backoff_doubles_up_to_its_cap_with_jitter)
{
    struct sl_backoff backoff = {.min_ms = 100, .max_ms = 10000, .factor = 2};
    static const int64_t STEPS[] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000};
    bool differs = false;
    for (int round = 0; round < 50; round++, sl_backoff_reset(&backoff))
        for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
            const int64_t wait_ms = sl_backoff_next(&backoff);
            cr_assert(wait_ms >= STEPS[i] / 10 && wait_ms <= STEPS[i], "step %zu: %lld", i, (long long)wait_ms);
            differs |= wait_ms < STEPS[i] / 2;
        }
    cr_assert(differs);
}

Test(grpc_bus, routing_is_escaped)
{
    char *routing = sl_routing("subscription", "projects/p/subscriptions/a+b%c d\xc3\xa9~1");
    cr_assert_str_eq(routing, "subscription=projects/p/subscriptions/a%2Bb%25c%20d%C3%A9~1");
    free(routing);
}
