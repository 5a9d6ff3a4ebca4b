/* test_bus_broker.c - our client on our broker, when one of them is not as it should be: streams that end all the time, a full disk, refusals; and responses that hold what nobody knows. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>

#include "../../src/pubsub/grpc_retry.h"
#include "broker_bed.h"
#include "fake_pubsub.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

enum { LIMIT_MS = 60000 };

static struct sl_phase raw = {.name = "raw", .subscription = "worker"};
static const struct sl_phase *const PHASES[] = {&raw};

struct line {
    struct bed bed;
    struct sl_config config;
    struct sl_bus *bus;
    struct sl_bus_batch batch;
    struct sl_err err;
};

static void join(struct line *line, const char *address)
{
    const struct sl_grpc_bus_options options = {
        .backoff_min_ms = 20, .backoff_max_ms = 200, .publish_ms = 2000, .pings = SL_PINGS_DEMANDED};
    line->config.bus.project = "p";
    line->config.worker.batch_messages = 100;
    line->config.worker.batch_bytes = 1000000;
    cr_assert_eq(sl_grpc_bus_create(&line->bus, SL_PLAIN_PEER(address), &line->config, PHASES, 1, &options, &line->err), SL_OK, "%s",
                 line->err.text);
}

static void start(struct line *line, const struct sl_broker_options *options)
{
    *line = (struct line){0};
    bed_open_with_sub(&line->bed, options);
}

static void leave(struct line *line)
{
    sl_bus_batch_fini(&line->batch);
    sl_bus_destroy(&line->bus);
}

static struct sl_grpc_bus_stats stats(const struct line *line)
{
    struct sl_grpc_bus_stats out;
    sl_grpc_bus_stats(line->bus, &out);
    return out;
}

/* The newest message that has come; older ones come again when their acks were on the way as a stream ended. */
static int receive_one(struct line *line, int newest)
{
    cr_assert_eq(sl_bus_receive(line->bus, 1, 1000, LIMIT_MS, &line->batch, &line->err), SL_OK, "%s", line->err.text);
    cr_assert_eq(line->batch.n, 1, "message %d does not come", newest + 1);
    const int came = atoi(line->batch.messages[0].message.data);
    cr_assert(came >= 0 && came <= newest + 1, "%d after %d", came, newest);
    sl_bus_ack(line->bus, &line->batch, NULL);
    return came > newest ? came : newest;
}

/* Each message is published when the one before has come, so that they fall on every part of a stream's life. */
Test(bus_broker, a_stream_that_ends_every_second)
{
    enum { ENDS = 3, LEAST = 11 };
    const struct sl_broker_options options = {.stream_age_ms = 1000};
    struct line line;
    int n = 0;
    start(&line, &options);
    join(&line, line.bed.address);
    const int64_t start_ms = sl_monotonic_ms();
    for (; stats(&line).streams_ended < ENDS || n < LEAST; n++) {
        char text[16];
        snprintf(text, sizeof text, "%d", n);
        publish(&line.bed, TOPIC, text);
        for (int newest = n - 1; newest < n;)
            newest = receive_one(&line, newest);
    }
    const uint64_t opened = stats(&line).streams_opened;
    const int64_t took_ms = sl_monotonic_ms() - start_ms;
    cr_expect_geq(took_ms, ENDS * 1000 - 100);
    cr_expect_leq(opened, (uint64_t)took_ms / 1000 + 2, "a stream a second");
    leave(&line);
    bed_close(&line.bed);
}

Test(bus_broker, a_full_disk_is_told_to_who_publishes_and_what_is_there_is_delivered)
{
    const struct sl_broker_options options = {.max_pages = 200};
    struct line line;
    char *data = sl_calloc(1, 100000);
    size_t n = 0, got = 0;
    start(&line, &options);
    join(&line, line.bed.address);
    memset(data, 'x', 100000);
    while (n < 100 && try_publish(&line.bed, TOPIC, data, 100000, NULL) == SL_RPC_OK)
        n++;
    cr_expect_eq(sl_bus_publish(line.bus, "events", data, 100000, NULL, &line.err), SL_UNAVAILABLE, "kept, and tried again later");
    cr_expect_not_null(strstr(line.err.text, "full"), "%s", line.err.text);
    cr_assert_gt(n, 3);
    while (got < n) {
        cr_assert_eq(sl_bus_receive(line.bus, 10, 10000000, LIMIT_MS, &line.batch, &line.err), SL_OK, "%s", line.err.text);
        cr_assert_gt(line.batch.n, 0, "%zu of %zu", got, n);
        got += line.batch.n;
        sl_bus_ack(line.bus, &line.batch, NULL);
    }
    cr_expect_eq(got, n, "what was refused is not there");
    leave(&line);
    expect_backlog(&line.bed, SUB, 0, 0);
    free(data);
    bed_close(&line.bed);
}

Test(bus_broker, refusals_end_the_bus_with_a_sentence)
{
    static const struct {
        const char *label, *method, *sentence;
        int rpc;
        enum sl_code code;
    } CASES[] = {
        {"denied", "StreamingPull", "PERMISSION_DENIED", SL_RPC_PERMISSION_DENIED, SL_DENIED},
        {"no such subscription", NULL, "`sluice init` makes what is missing", 0, SL_NOT_FOUND},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct line line;
        start(&line, NULL);
        if (CASES[i].method)
            sl_broker_fail_next(line.bed.broker, CASES[i].method, 1, CASES[i].rpc);
        else
            delete_subscription(&line.bed, SUB);
        join(&line, line.bed.address);
        cr_expect_eq(sl_bus_receive(line.bus, 1, 1000, LIMIT_MS, &line.batch, &line.err), CASES[i].code, "%s", CASES[i].label);
        cr_expect_not_null(strstr(line.err.text, CASES[i].sentence), "%s: %s", CASES[i].label, line.err.text);
        cr_expect_not_null(strstr(line.err.text, SUB), "%s: %s", CASES[i].label, line.err.text);
        cr_expect_eq(stats(&line).streams_opened, 1, "%s", CASES[i].label);
        leave(&line);
        bed_close(&line.bed);
    }
}

Test(bus_broker, no_such_topic)
{
    struct line line;
    start(&line, NULL);
    join(&line, line.bed.address);
    cr_expect_eq(sl_bus_publish(line.bus, "nowhere", "x", 1, NULL, &line.err), SL_NOT_FOUND);
    cr_expect_not_null(strstr(line.err.text, "projects/p/topics/nowhere"), "%s", line.err.text);
    leave(&line);
    bed_close(&line.bed);
}

/* A response of a later version: fields that nobody knows at every level, an enum's value beyond its list where a flag was, attributes that are empty. */
Test(bus_broker, what_nobody_knows_in_a_response_is_skipped)
{
    static const char MESSAGE[] = "\x0a\x04"                 /* data */
                                  "data"                     /* */
                                  "\x12\x00"                 /* an attribute of nothing */
                                  "\x12\x05\x0a\x03"         /* one of a key alone */
                                  "key"                      /* */
                                  "\x1a\x02"                 /* message id */
                                  "m1"                       /* */
                                  "\xa0\x06\xff\xff\xff\x7f" /* field 100, a number */
                                  "\xaa\x06\x03"             /* field 101, bytes */
                                  "\x00\xff\x01";
    struct line line = {0};
    struct fake fake;
    struct sl_buf received = {0}, response = {0};
    sl_buf_add(&received, "\x0a\x02\x61\x31\x12", 5); /* ack id "a1", then the message */
    sl_buf_char(&received, (char)(sizeof MESSAGE - 1));
    sl_buf_add(&received, MESSAGE, sizeof MESSAGE - 1);
    sl_buf_add(&received, "\xf8\x07\x63", 3); /* field 127 */
    sl_buf_char(&response, 0x0a);
    sl_buf_char(&response, (char)received.len);
    sl_buf_add(&response, received.data, received.len);
    sl_buf_add(&response, "\x22\x04\x08\x63\x38\x63", 6); /* properties: 99 for a flag, and a field of an enum */
    sl_buf_add(&response, "\xa1\x06\x31\x32\x33\x34\x35\x36\x37\x38", 10);
    fake_start(&fake, "127.0.0.1:0");
    fake_on_open(&fake, &response);
    join(&line, fake.address);
    cr_assert_eq(sl_bus_receive(line.bus, 1, 1000, LIMIT_MS, &line.batch, &line.err), SL_OK, "%s", line.err.text);
    cr_assert_eq(line.batch.n, 1);
    const struct sl_message *message = &line.batch.messages[0].message;
    cr_expect_str_eq(message->data, "data");
    cr_expect_str_eq(message->message_id, "m1");
    cr_assert_eq(message->n_attributes, 2);
    cr_expect_str_eq(message->attributes[0].key, "");
    cr_expect_str_eq(message->attributes[0].value, "");
    cr_expect_str_eq(message->attributes[1].key, "key");
    cr_expect_str_eq(message->attributes[1].value, "");
    sl_bus_ack(line.bus, &line.batch, NULL);
    cr_assert(fake_wait_calls(&fake, "Acknowledge", 1, LIMIT_MS));
    cr_expect(fake_acked(&fake, "a1"));
    cr_expect_eq(stats(&line).malformed + stats(&line).bad_ids, 0);
    leave(&line);
    fake_fini(&fake);
    sl_buf_fini(&received);
    sl_buf_fini(&response);
}
