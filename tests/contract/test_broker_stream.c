/* StreamingPull of the embedded broker: pings, properties, limits, sharing, age, ends. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker_bed.h"

Test(broker_stream, many_messages_in_a_response_and_acks_on_the_stream)
{
    struct bed bed;
    struct tap tap;
    bed_open_with_sub(&bed, NULL);
    publish_many(&bed, TOPIC, "m", 1000, 100);
    tap_open_sub(&tap, &bed);
    tap_wait(&tap, 1000);
    cr_expect_gt(tap.max_per_response, 100);
    cr_expect_eq(tap.n_without_properties, 0);
    for (size_t i = 0; i < 1000; i++) {
        char expected[16];
        size_t len = (size_t)sprintf(expected, "m%zu", i);
        cr_assert_eq(strncmp(tap.gots.items[i].text, expected, len), 0, "in order");
    }
    tap_ack(&tap, 0, 1000);
    tap_sync(&tap);
    expect_backlog(&bed, SUB, 0, 0);
    tap_close(&tap);
    bed_close(&bed);
}

Test(broker_stream, pings_are_answered_and_idle_streams_hear_a_heartbeat)
{
    struct bed bed;
    struct tap tap;
    struct sl_broker_options options = {.heartbeat_ms = 50};
    bed_open_with_sub(&bed, NULL);
    tap_open_sub(&tap, &bed);
    for (size_t i = 1; i <= 3; i++) {
        tap_ping(&tap);
        tap_wait_responses(&tap, i);
    }
    cr_expect_eq(tap.n_empty, 3);
    cr_expect_eq(tap.n_without_properties, 0);
    tap_close(&tap);
    bed_close(&bed);
    bed_open_with_sub(&bed, &options);
    tap_open_sub(&tap, &bed);
    tap_wait_responses(&tap, 3);
    sl_rpc_stream_cancel(tap.stream);
    tap_wait_end(&tap);
    cr_expect_eq(tap.n_empty, tap.n_responses); /* more of them may have come meanwhile */
    cr_expect_eq(tap.n_without_properties, 0);
    tap_close(&tap);
    bed_close(&bed);
}

Test(broker_stream, limits_of_messages_and_bytes)
{
    static const struct {
        const char *label;
        int64_t max_messages, max_bytes;
        size_t first;
    } cases[] = {
        {"ten messages", 10, 0, 10},
        {"bytes for five", 0, 1030, 5}, /* a body is 200 bytes of data and 3 around it */
        {"less than one: one at a time", 0, 100, 1},
        {"the lower one counts", 3, 1030, 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed bed;
        struct tap tap;
        bed_open_with_sub(&bed, NULL);
        publish_many(&bed, TOPIC, "m", 20, 200);
        tap_open(&tap, &bed,
                 &(struct tap_options){.subscription = SUB, .max_messages = cases[i].max_messages, .max_bytes = cases[i].max_bytes});
        tap_wait(&tap, cases[i].first);
        tap_sync(&tap);
        cr_expect_eq(tap_count(&tap), cases[i].first, "%s: no more than the limit", cases[i].label);
        expect_backlog(&bed, SUB, (int64_t)(20 - cases[i].first), (int64_t)cases[i].first);
        for (size_t acked = 0; acked < 20; acked++) {
            tap_wait(&tap, acked + 1);
            tap_ack(&tap, acked, 1);
        }
        cr_expect_eq(tap_count(&tap), 20, "%s: every ack makes room", cases[i].label);
        tap_close(&tap);
        bed_close(&bed);
    }
}

Test(broker_stream, two_streams_share)
{
    struct bed bed;
    struct tap one, two;
    bed_open_with_sub(&bed, NULL);
    tap_open_sub(&one, &bed);
    tap_open_sub(&two, &bed);
    tap_ping(&one);
    tap_ping(&two);
    tap_wait_responses(&one, 1);
    tap_wait_responses(&two, 1);
    publish_many(&bed, TOPIC, "m", 100, 0);
    tap_wait(&one, 50);
    tap_wait(&two, 50);
    cr_expect_eq(tap_count(&one) + tap_count(&two), 100);
    tap_close(&one);
    tap_close(&two);
    bed_close(&bed);
}

Test(broker_stream, a_closed_stream_frees_its_leases_at_once)
{
    struct bed bed;
    struct tap one, two;
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    make_topic(&bed, DLQ);
    struct sl_pubsub_subscription config = {.name = SUB, .topic = TOPIC, .dead_letter_topic = DLQ};
    cr_assert_eq(try_subscription(&bed, &config), SL_RPC_OK);
    publish_many(&bed, TOPIC, "m", 10, 0);
    tap_open(&one, &bed, &(struct tap_options){.subscription = SUB, .deadline_s = 600});
    tap_wait(&one, 10);
    tap_ack(&one, 3, 1);
    tap_sync(&one); /* a close overtakes what is still to be written; the answer says that the ack has come */
    tap_close(&one);
    tap_open_sub(&two, &bed);
    tap_wait(&two, 9);
    static const char *const expected[] = {"m0", "m1", "m2", "m4", "m5", "m6", "m7", "m8", "m9"};
    for (size_t i = 0; i < 9; i++) {
        cr_expect_str_eq(two.gots.items[i].text, expected[i]);
        cr_expect_eq(two.gots.items[i].attempt, 1, "that is no attempt");
    }
    tap_close(&two);
    bed_close(&bed);
}

Test(broker_stream, wrong_requests_end_it)
{
    struct bed bed;
    bed_open_with_sub(&bed, NULL);
    static const struct {
        const char *label, *subscription, *later, *message;
        int deadline_s;
        enum sl_rpc_code code;
    } cases[] = {
        {"no subscription", "", NULL, "first message must set subscription", 60, SL_RPC_INVALID_ARGUMENT},
        {"unknown", "projects/p/subscriptions/none", NULL, "Subscription does not exist (resource=projects/p/subscriptions/none)", 60,
         SL_RPC_NOT_FOUND},
        {"deadline", SUB, NULL, "stream_ack_deadline_seconds must be between 10 and 600 seconds", 5, SL_RPC_INVALID_ARGUMENT},
        {"subscription again", SUB, "\x0a\x01x", "subscription may only be set in first message", 60, SL_RPC_INVALID_ARGUMENT},
        {"limits again", SUB, "\x38\x05", "flow control settings may only be set in first message", 60, SL_RPC_INVALID_ARGUMENT},
        {"deadline later", SUB, "\x28\x05", "stream_ack_deadline_seconds must be between 10 and 600 seconds", 60, SL_RPC_INVALID_ARGUMENT},
        {"lengths differ", SUB, "\x22\x01x", "ack IDs and deadlines must have the same size", 60, SL_RPC_INVALID_ARGUMENT},
        {"garbage ack id", SUB, "\x12\x02zz", "Invalid ack id (ack_id=zz)", 60, SL_RPC_INVALID_ARGUMENT},
        {"malformed", SUB, "\x0a\x7fx", NULL, 60, SL_RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tap tap;
        tap_open(&tap, &bed, &(struct tap_options){.subscription = cases[i].subscription, .deadline_s = cases[i].deadline_s});
        if (cases[i].later) {
            struct sl_buf request = {0};
            sl_buf_str(&request, cases[i].later);
            tap_write(&tap, &request);
        }
        tap_wait_end(&tap);
        cr_expect_eq(tap.status.code, cases[i].code, "%s: %d", cases[i].label, (int)tap.status.code);
        if (cases[i].message)
            cr_expect_str_eq(tap.status.message, cases[i].message, "%s", cases[i].label);
        tap_close(&tap);
    }
    bed_close(&bed);
}

Test(broker_stream, streams_end_at_their_age_and_when_the_broker_stops)
{
    struct bed bed;
    struct tap tap;
    struct sl_broker_options options = {.stream_age_ms = 100};
    bed_open_with_sub(&bed, &options);
    tap_open_sub(&tap, &bed);
    tap_expect_end(&tap, SL_RPC_UNAVAILABLE);
    bed_close(&bed);
    bed_open_with_sub(&bed, NULL);
    tap_open_sub(&tap, &bed);
    tap_ping(&tap);
    tap_wait_responses(&tap, 1);
    sl_broker_stop(bed.broker, 5000);
    tap_wait_end(&tap);
    cr_expect_eq(tap.status.code, SL_RPC_UNAVAILABLE);
    cr_expect_str_eq(tap.status.message, "the broker is stopping");
    tap_close(&tap);
    bed_close(&bed);
}

/* What flow control holds back arrives whole, when its client reads, and then the status; what has not begun is not sent any more. */
Test(broker_stream, a_message_on_its_way_arrives_before_the_end)
{
    struct bed bed;
    struct tap tap;
    static char data[9000000]; /* more than the transport takes of a client that does not read */
    memset(data, 'd', sizeof(data));
    bed_open_with_sub(&bed, NULL);
    tap_open(&tap, &bed, &(struct tap_options){.subscription = SUB, .deaf = true});
    for (int i = 0; i < 2; i++)
        cr_assert_eq(try_publish(&bed, TOPIC, data, sizeof(data), NULL), SL_RPC_OK, "%s", bed.message);
    for (int64_t undelivered = 2, leased = 0; leased == 0;)
        sl_broker_backlog(bed.broker, &(const char *){SUB}, 1, &undelivered, &leased);
    delete_subscription(&bed, SUB);
    sl_rpc_stream_read(tap.stream);
    tap_wait(&tap, 1);
    cr_expect_eq(tap.gots.items[0].len, sizeof(data));
    sl_rpc_stream_read(tap.stream);
    tap_wait_end(&tap);
    cr_expect_eq(tap.status.code, SL_RPC_NOT_FOUND, "%s", tap.status.message);
    cr_expect_eq(tap.gots.n, 1);
    tap_close(&tap);
    bed_close(&bed);
}

Test(broker_stream, who_does_not_read_holds_nobody_up)
{
    struct bed bed;
    struct tap deaf, tap;
    struct gots gots = {0};
    bed_open_with_sub(&bed, NULL);
    make_subscription(&bed, "projects/p/subscriptions/other", TOPIC);
    tap_open(&deaf, &bed, &(struct tap_options){.subscription = SUB, .deaf = true});
    for (size_t i = 0; i < 20; i++)
        publish_many(&bed, TOPIC, "m", 1000, 1000); /* 20 MB */
    tap_open(&tap, &bed, &(struct tap_options){.subscription = "projects/p/subscriptions/other"});
    tap_wait(&tap, 20000);
    int64_t undelivered, leased;
    sl_broker_backlog(bed.broker, &(const char *){SUB}, 1, &undelivered, &leased);
    cr_expect_lt(leased, 12000, "the deaf one has only what the transport holds, not %lld", (long long)leased);
    tap_close(&deaf);
    tap_close(&tap);
    gots_fini(&gots);
    bed_close(&bed);
}

static void wait_until_leased(struct bed *bed)
{
    const time_t until = time(NULL) + 60;
    int64_t undelivered, leased = 0;
    while (leased == 0 && time(NULL) < until)
        sl_broker_backlog(bed->broker, &(const char *){SUB}, 1, &undelivered, &leased);
    cr_assert_gt(leased, 0, "nothing is delivered within a minute");
}

Test(broker_stream, who_pings_and_does_not_read_piles_nothing_up)
{
    struct bed bed;
    struct tap tap;
    bed_open_with_sub(&bed, NULL);
    for (size_t i = 0; i < 10; i++)
        publish_many(&bed, TOPIC, "m", 1000, 1000); /* 10 MB: more than the transport takes */
    tap_open(&tap, &bed, &(struct tap_options){.subscription = SUB, .deaf = true});
    wait_until_leased(&bed);
    for (int i = 0; i < 2000; i++)
        tap_ping(&tap);
    publish(&bed, TOPIC, "last");
    sl_rpc_stream_read(tap.stream);
    tap_wait(&tap, 10001);
    cr_expect_lt(tap.n_empty, 1000, "%zu answers to 2000 pings", tap.n_empty);
    tap_sync(&tap);
    tap_close(&tap);
    bed_close(&bed);
}
