/* test_grpc_delivery.c - exactly-once delivery, the order of keys, the outcome of acks, several streams: against a server that does what it is told. */
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>

#include "../../src/pubsub/ack_results.h"
#include "../../src/pubsub/grpc_retry.h"
#include "../../src/pubsub/wire.h"
#include "client_bed.h"

static struct {
    pthread_mutex_t lock;
    char text[512]; /* "ID:OUTCOME," of every ack */
    size_t n;
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void start(struct client *f)
{
    client_start(f);
    f->fake.answer_pings = false; /* its answers say that nothing is ordered or exactly-once */
}

/* Would wait for itself for ever if it ran under the bus's lock. */
static void acked(void *arg, const char *subscription, const char *message_id, enum sl_ack_outcome outcome)
{
    static const char *const NAMES[] = {"confirmed", "lost", "invalid"};
    client_stats(arg);
    cr_assert_str_eq(subscription, "projects/p/subscriptions/raw-sub");
    pthread_mutex_lock(&told.lock);
    snprintf(told.text + strlen(told.text), sizeof told.text - strlen(told.text), "%s:%s,", message_id, NAMES[outcome]);
    told.n++;
    pthread_mutex_unlock(&told.lock);
}

static void join(struct client *f, struct sl_grpc_bus_options options)
{
    options.pings = SL_PINGS_LEARNED;
    options.receipt_ms = 5;
    options.backoff_min_ms = 5;
    options.backoff_max_ms = 50;
    options.acked = acked;
    options.acked_arg = f;
    client_join(f, 1, options);
}

static void put_message(struct sl_buf *out, const char *id, const char *key)
{
    struct sl_buf stored = {0};
    struct sl_arena arena = {0};
    sl_wire_put_text(&stored, 1, "body");
    sl_wire_put_text(&stored, 5, key);
    sl_pubsub_put_received(out, sl_arena_printf(&arena, "ack-%s", id), stored.data, stored.len, id, 1700000000000000, 0, NULL, 0);
    sl_buf_fini(&stored);
    sl_arena_fini(&arena);
}

/* "1k 2k 3" : messages 1 and 2 of key k, 3 without; the subscription's properties go along. */
static void respond_on_open(struct client *f, const char *messages, bool exactly_once, bool ordering)
{
    struct sl_buf response = {0};
    char text[64], *rest = NULL;
    snprintf(text, sizeof text, "%s", messages);
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        put_message(&response, (char[]){word[0], '\0'}, word + 1);
    sl_pubsub_put_properties(&response, exactly_once, ordering);
    fake_on_open(&f->fake, &response);
    sl_buf_fini(&response);
}

static bool nothing_comes(struct client *f)
{
    cr_assert_eq(sl_bus_receive(f->bus, 100, 1000000, 50, &f->batch, &f->err), SL_OK);
    return f->batch.n == 0;
}

static struct sl_grpc_bus_options plain(void)
{
    return (struct sl_grpc_bus_options){0};
}

/* ---- receipts ---- */

Test(grpc_delivery, exactly_once_hands_out_after_the_receipt_is_confirmed)
{
    static const int CODES[] = {FAKE_NEVER};
    struct client f;
    start(&f);
    fake_answer(&f.fake, "ModifyAckDeadline", CODES, 1);
    respond_on_open(&f, "1 2", true, false);
    join(&f, plain());
    cr_assert(fake_wait_calls(&f.fake, "ModifyAckDeadline", 1, LIMIT_MS));
    cr_expect(nothing_comes(&f));
    cr_expect_eq(sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0), -1, "what is held is no silence");
    fake_answer_held(&f.fake);
    cr_expect_str_eq(client_receive(&f, 2, true), "1,2");
    client_wait(&f, client_stats(&f).acks_confirmed == 2);
    client_finish(&f);
}

Test(grpc_delivery, without_exactly_once_nothing_waits_for_a_receipt)
{
    static const int CODES[] = {FAKE_NEVER};
    struct client f;
    start(&f);
    fake_answer(&f.fake, "ModifyAckDeadline", CODES, 1);
    respond_on_open(&f, "1 2", false, false);
    join(&f, plain());
    cr_expect_str_eq(client_receive(&f, 2, true), "1,2");
    client_finish(&f);
}

Test(grpc_delivery, a_receipt_that_fails_for_a_while_is_sent_again_and_the_order_kept)
{
    static const int CODES[] = {SL_RPC_UNAVAILABLE};
    struct client f;
    start(&f);
    fake_answer(&f.fake, "ModifyAckDeadline", CODES, 1);
    f.fake.verdicts[0] = (struct fake_verdict){"ModifyAckDeadline", "ack-1", "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE", 2};
    respond_on_open(&f, "1 2 3", true, false);
    join(&f, plain());
    cr_expect_str_eq(client_receive(&f, 3, true), "1,2,3");
    cr_expect_eq(client_stats(&f).lapsed, 0);
    client_finish(&f);
}

Test(grpc_delivery, a_receipt_that_is_refused_leaves_its_message_to_the_next_delivery)
{
    struct client f;
    start(&f);
    f.fake.verdicts[0] = (struct fake_verdict){"ModifyAckDeadline", "ack-1", "PERMANENT_FAILURE_INVALID_ACK_ID", 1};
    respond_on_open(&f, "1 2 3", true, false);
    join(&f, plain());
    cr_expect_str_eq(client_receive(&f, 2, true), "2,3");
    cr_expect_eq(client_stats(&f).lapsed, 1);
    client_wait(&f, client_stats(&f).leases == 0);
    cr_expect_not(fake_acked(&f.fake, "ack-1"));
    client_finish(&f);
}

/* k's second message must not overtake the first, which will come again. */
Test(grpc_delivery, a_lost_message_takes_the_later_ones_of_its_key_along)
{
    static const struct {
        bool exactly_once, ordering;
        const char *expected;
        size_t n;
    } CASES[] = {{true, true, "3,5", 2}, {true, false, "2,3,4,5", 4}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct client f;
        start(&f);
        f.fake.verdicts[0] = (struct fake_verdict){"ModifyAckDeadline", "ack-1", "PERMANENT_FAILURE_INVALID_ACK_ID", 1};
        respond_on_open(&f, "1k 2k 3m 4k 5", CASES[i].exactly_once, CASES[i].ordering);
        join(&f, plain());
        cr_expect_str_eq(client_receive(&f, CASES[i].n, true), CASES[i].expected);
        client_wait(&f, client_stats(&f).leases == 0);
        cr_expect_eq(client_stats(&f).lapsed, 5 - CASES[i].n);
        client_finish(&f);
    }
}

Test(grpc_delivery, the_key_comes_with_the_message)
{
    struct client f;
    start(&f);
    respond_on_open(&f, "1k 2", false, true);
    join(&f, plain());
    client_receive(&f, 2, false);
    cr_expect_str_eq(f.batch.messages[0].ordering_key, "k");
    cr_expect_null(f.batch.messages[1].ordering_key);
    client_finish(&f);
}

/* A heartbeat without properties, as some servers send, doesn't switch exactly-once off. */
Test(grpc_delivery, flags_change_only_when_properties_are_there)
{
    static const int CODES[] = {FAKE_NEVER};
    struct client f;
    struct sl_buf bare = {0};
    start(&f);
    respond_on_open(&f, "1", true, false);
    join(&f, plain());
    client_receive(&f, 1, true);
    fake_send(&f.fake, &bare);
    fake_answer(&f.fake, "ModifyAckDeadline", CODES, 1);
    put_message(&bare, "2", "");
    fake_send(&f.fake, &bare);
    cr_assert(fake_wait_calls(&f.fake, "ModifyAckDeadline", 2, LIMIT_MS));
    cr_expect(nothing_comes(&f), "it is exactly-once still");
    fake_answer_held(&f.fake);
    cr_expect_str_eq(client_receive(&f, 1, true), "2");
    sl_buf_fini(&bare);
    client_finish(&f);
}

/* ---- acks ---- */

Test(grpc_delivery, each_ack_has_its_own_outcome)
{
    struct client f;
    start(&f);
    f.fake.verdicts[0] = (struct fake_verdict){"Acknowledge", "ack-2", "TRANSIENT_FAILURE_UNORDERED_ACK_ID", 2};
    f.fake.verdicts[1] = (struct fake_verdict){"Acknowledge", "ack-3", "PERMANENT_FAILURE_INVALID_ACK_ID", 9};
    f.fake.verdicts[2] = (struct fake_verdict){"Acknowledge", "ack-4", "PERMANENT_FAILURE_SOMETHING_NEW", 9};
    respond_on_open(&f, "1 2 3 4", true, false);
    join(&f, plain());
    client_receive(&f, 4, true);
    cr_assert(sl_grpc_bus_settle(f.bus, LIMIT_MS));
    cr_expect_eq(told.n, 4);
    cr_expect_not_null(strstr(told.text, "1:confirmed,"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "2:confirmed,"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "3:invalid,"), "%s", told.text);
    cr_expect_not_null(strstr(told.text, "4:invalid,"), "%s", told.text);
    cr_expect_eq(client_stats(&f).acks_confirmed, 2);
    cr_expect_eq(client_stats(&f).acks_lost, 2);
    cr_expect_eq(client_stats(&f).leases, 0);
    cr_expect_eq(fake_calls(&f.fake, "Acknowledge"), 3, "only what failed for a while is asked for again");
    cr_expect_str_eq(f.fake.calls[f.fake.n_calls - 1].ids, "ack-2");
    client_finish(&f);
}

Test(grpc_delivery, an_ack_without_an_answer_is_told_as_lost_at_the_end)
{
    static const int CODES[] = {FAKE_NEVER};
    struct client f;
    start(&f);
    fake_answer(&f.fake, "Acknowledge", CODES, 1);
    respond_on_open(&f, "1", false, false);
    join(&f, (struct sl_grpc_bus_options){.close_ms = 20});
    client_receive(&f, 1, true);
    cr_expect_not(sl_grpc_bus_settle(f.bus, 10));
    cr_assert(fake_wait_calls(&f.fake, "Acknowledge", 1, LIMIT_MS));
    sl_bus_destroy(&f.bus);
    cr_expect_str_eq(told.text, "1:lost,");
    client_finish(&f);
}

/* ---- streams ---- */

Test(grpc_delivery, several_streams_of_one_subscription)
{
    struct client f;
    start(&f);
    respond_on_open(&f, "1", false, false);
    join(&f, (struct sl_grpc_bus_options){.streams = 3, .connections = 2});
    client_receive(&f, 3, true);
    cr_assert(sl_grpc_bus_settle(f.bus, LIMIT_MS));
    cr_assert(fake_wait(&f.fake, &f.fake.firsts, 3, LIMIT_MS));
    cr_expect_eq(fake_count(&f.fake, &f.fake.opened), 3);
    cr_expect_eq(f.fake.first.max_outstanding_messages, 67, "200 of three streams");
    const char *ids = f.fake.every_client_id;
    cr_assert_eq(strlen(ids), 3 * (SL_UUID_LEN + 1), "%s", ids);
    for (size_t i = 0; i < 3; i++)
        cr_expect_neq(memcmp(ids + i * (SL_UUID_LEN + 1), ids + (i + 1) % 3 * (SL_UUID_LEN + 1), SL_UUID_LEN), 0, "streams are told apart");
    client_wait(&f, sl_bus_silent_ms(f.bus, CLIENT_PHASES[0], 0) >= 0);
    client_finish(&f);
}

/* ---- what the details say ---- */

Test(grpc_delivery, details_that_say_nothing_of_ids)
{
    static const struct {
        const char *label, *bytes;
        size_t len;
    } CASES[] = {
        {"none", "", 0},
        {"garbage", "\xff\xff\xff\xff", 4},
        {"a status alone", "\x08\x0e", 2},
        {"an Any that is cut", "\x1a\x7f", 2},
        {"an Any of nothing", "\x1a\x00", 2},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        cr_expect_null(sl_ack_results_read(CASES[i].bytes, CASES[i].len), "%s", CASES[i].label);
}

static void put_entry(struct sl_buf *info, const char *id, size_t len, const char *reason)
{
    struct sl_buf entry = {0};
    sl_wire_put_bytes(&entry, 1, id, len);
    sl_wire_put_text(&entry, 2, reason);
    sl_wire_put_message(info, 3, &entry);
    sl_buf_fini(&entry);
}

static void put_any(struct sl_buf *details, const char *type, const struct sl_buf *value)
{
    struct sl_buf any = {0};
    sl_wire_put_text(&any, 1, type);
    sl_wire_put_message(&any, 2, value);
    sl_wire_put_message(details, 3, &any);
    sl_buf_fini(&any);
}

Test(grpc_delivery, details_that_name_ids)
{
    struct sl_buf details = {0}, info = {0}, other = {0};
    put_entry(&info, "later", 5, "TRANSIENT_FAILURE_SERVICE_UNAVAILABLE");
    put_entry(&info, "gone", 4, "PERMANENT_FAILURE_INVALID_ACK_ID");
    put_entry(&info, "new", 3, "PERMANENT_FAILURE_OF_NEXT_YEAR");
    put_entry(&info, "unknown", 7, "SOMETHING_ELSE");
    put_entry(&info, "", 0, "PERMANENT_FAILURE_INVALID_ACK_ID");
    put_entry(&info, "a\0b", 3, "PERMANENT_FAILURE_INVALID_ACK_ID");
    put_entry(&other, "other", 5, "PERMANENT_FAILURE_INVALID_ACK_ID");
    put_any(&details, "type.googleapis.com/google.rpc.RetryInfo", &other);
    put_any(&details, "type.googleapis.com/google.rpc.ErrorInfo", &info);
    struct sl_map *results = sl_ack_results_read(details.data, details.len);
    cr_assert_not_null(results);
    cr_expect_eq(sl_map_count(results), 3);
    cr_expect_eq(sl_ack_results_of(results, "later"), SL_ID_LATER);
    cr_expect_eq(sl_ack_results_of(results, "gone"), SL_ID_INVALID);
    cr_expect_eq(sl_ack_results_of(results, "new"), SL_ID_INVALID);
    cr_expect_eq(sl_ack_results_of(results, "unknown"), SL_ID_DONE);
    cr_expect_eq(sl_ack_results_of(results, "other"), SL_ID_DONE);
    cr_expect_eq(sl_ack_results_of(results, "never named"), SL_ID_DONE);
    sl_map_destroy(&results);
    sl_buf_fini(&details);
    sl_buf_fini(&info);
    sl_buf_fini(&other);
}

/* ---- fields as they may come ---- */

/* Unknown fields and enum values, fields that are there and empty, and none at all. */
Test(grpc_delivery, odd_fields_are_no_harm)
{
    struct client f;
    struct sl_buf response = {0}, received = {0}, message = {0};
    start(&f);
    sl_wire_put_bytes(&message, 1, "", 0);          /* no data */
    sl_wire_put_bytes(&message, 2, "", 0);          /* an attribute of nothing */
    sl_wire_put_bytes(&message, 2, "\x0a\x01k", 3); /* one without a value */
    sl_wire_put_text(&message, 3, "1");
    sl_wire_put_bytes(&message, 4, "", 0); /* a time of nothing */
    sl_wire_put_bytes(&message, 5, "", 0);
    sl_wire_put_int(&message, 99, 77);
    sl_wire_put_text(&received, 1, "ack-1");
    sl_wire_put_message(&received, 2, &message);
    sl_wire_put_int(&received, 3, -1);
    sl_wire_put_int(&received, 50, 1);
    sl_wire_put_message(&response, 1, &received);
    sl_wire_put_bytes(&response, 4, "\x18\x63", 2); /* properties: a field of next year, 99 */
    sl_wire_put_bytes(&response, 3, "", 0);         /* acknowledge_confirmation of nothing */
    sl_wire_put_int(&response, 200, 5);
    fake_on_open(&f.fake, &response);
    join(&f, plain());
    cr_expect_str_eq(client_receive(&f, 1, true), "1");
    const struct sl_message *got = &f.batch.messages[0].message;
    cr_expect(got->len == 0 && got->data && got->publish_us == 0 && got->n_attributes == 2);
    cr_expect_str_eq(got->attributes[0].key, "");
    cr_expect_str_eq(got->attributes[1].key, "k");
    cr_expect_str_eq(got->attributes[1].value, "");
    cr_assert(sl_grpc_bus_settle(f.bus, LIMIT_MS));
    cr_expect_str_eq(told.text, "1:confirmed,");
    sl_buf_fini(&response);
    sl_buf_fini(&received);
    sl_buf_fini(&message);
    client_finish(&f);
}

Test(grpc_delivery, a_subscription_of_a_state_that_is_not_known)
{
    struct sl_buf bytes = {0};
    struct sl_arena arena = {0};
    struct sl_pubsub_subscription subscription;
    sl_wire_put_text(&bytes, 1, "projects/p/subscriptions/s");
    sl_wire_put_int(&bytes, 19, 99);      /* state */
    sl_wire_put_bytes(&bytes, 4, "", 0);  /* push_config, of nothing: it is pulled */
    sl_wire_put_bytes(&bytes, 14, "", 0); /* retry_policy, of nothing: the defaults */
    struct sl_err err = {0};
    cr_expect_eq(sl_pubsub_read_subscription(&subscription, bytes.data, bytes.len, &arena, &err), SL_OK, "%s", err.text);
    cr_expect(!subscription.has_push && subscription.has_retry && subscription.min_backoff_ms == 10000);
    sl_buf_fini(&bytes);
    sl_arena_fini(&arena);
}

Test(grpc_delivery, leases_are_as_long_as_acks_take)
{
    static const struct {
        const char *label;
        int n_quick, n_slow, slow_s, least_s, expected_s;
    } CASES[] = {
        {"too few to say", 50, 0, 0, 10, 60},
        {"quick", 200, 0, 0, 10, 10},
        {"one of a hundred is slow", 990, 10, 300, 10, 10},
        {"two of a hundred", 980, 20, 300, 10, 300},
        {"exactly-once", 200, 0, 0, 60, 60},
        {"beyond the API", 0, 200, 5000, 10, 600},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_ack_times times = {0};
        for (int n = 0; n < CASES[i].n_quick; n++)
            sl_ack_times_add(&times, 20);
        for (int n = 0; n < CASES[i].n_slow; n++)
            sl_ack_times_add(&times, CASES[i].slow_s * INT64_C(1000));
        cr_expect_eq(sl_ack_times_lease_s(&times, CASES[i].least_s, 60), CASES[i].expected_s, "%s: %d", CASES[i].label,
                     sl_ack_times_lease_s(&times, CASES[i].least_s, 60));
    }
    struct sl_ack_times times = {0};
    for (int n = 0; n < 5000; n++)
        sl_ack_times_add(&times, 300000);
    for (int n = 0; n < 200000; n++)
        sl_ack_times_add(&times, 20);
    cr_expect_eq(sl_ack_times_lease_s(&times, 10, 60), 10, "what was is forgotten");
}
