/* What the broker does by the clock, with a clock that the test turns: leases, backoffs over a restart, retention, snapshots and subscriptions that expire, and what is deleted. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "broker_drive.h"
#include "power_vfs.h"
#include "support/remove_dir.h"

#define TOPIC    "projects/p/topics/t-1"
#define SUB      "projects/p/subscriptions/s-1"
#define SNAPSHOT "projects/p/snapshots/then"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS    (24 * 60 * MINUTE_MS)

struct caller {
    struct sl_rpc_peer_call call;
    struct sl_rpc_status status;
    struct sl_buf response;
    bool answered;
};

struct bed {
    char dir[64], path[80];
    struct drive drive;
    struct caller caller;
};

static void answered(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct caller *caller = (struct caller *)(void *)call;
    caller->status = *status;
    caller->answered = true;
    sl_buf_clear(&caller->response);
    if (len)
        sl_buf_add(&caller->response, data, len);
}

static void open_bed(struct bed *bed)
{
    struct sl_err err;
    memset(bed, 0, sizeof(*bed));
    snprintf(bed->dir, sizeof(bed->dir), "/tmp/sluice-broker-time-XXXXXX");
    cr_assert_not_null(mkdtemp(bed->dir));
    snprintf(bed->path, sizeof(bed->path), "%s/broker.db", bed->dir);
    bed->drive.now_ms = 1; /* a steady clock is never 0 */
    power_vfs_begin(1);
    cr_assert_eq(drive_open(&bed->drive, bed->path, false, &err), SL_OK, "%s", err.text);
}

static void restart(struct bed *bed)
{
    struct sl_err err;
    int64_t now_ms = bed->drive.now_ms;
    drive_close(&bed->drive);
    bed->drive = (struct drive){.now_ms = now_ms};
    cr_assert_eq(drive_open(&bed->drive, bed->path, false, &err), SL_OK, "%s", err.text);
}

static void close_bed(struct bed *bed)
{
    drive_close(&bed->drive);
    sl_buf_fini(&bed->caller.response);
    power_vfs_end();
    remove_dir(bed->dir);
}

/* Rounds until nothing is due at once any more; time stands still. */
static void settle(struct bed *bed)
{
    for (int i = 0; i < 20; i++)
        drive_round(&bed->drive, 0);
}

static void pass(struct bed *bed, int64_t ms)
{
    drive_round(&bed->drive, ms);
    settle(bed);
}

static enum sl_rpc_code call(struct bed *bed, enum sl_method method, struct sl_buf *request)
{
    bed->caller.call.answered = answered;
    bed->caller.answered = false;
    drive_call(&bed->drive, &bed->caller.call, method, request);
    settle(bed);
    cr_assert(bed->caller.answered, "method %d has no answer", (int)method);
    sl_buf_fini(request);
    return bed->caller.status.code;
}

static void must(struct bed *bed, enum sl_method method, struct sl_buf *request)
{
    cr_assert_eq(call(bed, method, request), SL_RPC_OK, "%s", bed->caller.status.message);
}

static void make(struct bed *bed, int64_t topic_retention_ms, struct sl_pubsub_subscription config)
{
    struct sl_buf request = {0};
    sl_pubsub_put_topic(&request, &(struct sl_pubsub_topic){.name = TOPIC, .retention_ms = topic_retention_ms});
    must(bed, SL_CREATE_TOPIC, &request);
    config.name = SUB;
    config.topic = TOPIC;
    sl_pubsub_put_subscription(&request, &config);
    must(bed, SL_CREATE_SUBSCRIPTION, &request);
}

static void publish(struct bed *bed, const char *text)
{
    struct sl_buf request = {0};
    sl_pubsub_put_publish_topic(&request, TOPIC);
    sl_pubsub_put_message(&request, 2, text, strlen(text), NULL, 0, NULL);
    must(bed, SL_PUBLISH, &request);
}

/* "a:1 b:2 ": texts and attempts; ids of the last one into `id`. */
static void expect_pull(struct bed *bed, const char *expected, char id[64])
{
    struct sl_buf request = {0}, text = {0};
    struct sl_arena arena = {0};
    struct sl_streaming_response got;
    sl_pubsub_put_pull(&request, SUB, 100, true);
    must(bed, SL_PULL, &request);
    cr_assert_eq(sl_pubsub_read_streaming_response(&got, sl_buf_text(&bed->caller.response), bed->caller.response.len, &arena, NULL),
                 SL_OK);
    for (size_t i = 0; i < got.n; i++) {
        const struct sl_received *message = &got.messages[i];
        sl_buf_printf(&text, "%.*s ", (int)message->message.data.len, message->message.data.ptr);
        if (id)
            snprintf(id, 64, "%.*s", (int)message->ack_id.len, message->ack_id.ptr);
    }
    cr_expect_str_eq(sl_buf_text(&text), expected, "%s, not %s", sl_buf_text(&text), expected);
    sl_buf_fini(&text);
    sl_arena_fini(&arena);
}

static enum sl_rpc_code ack(struct bed *bed, const char *id)
{
    struct sl_buf request = {0};
    sl_pubsub_put_acknowledge(&request, SUB, &id, 1);
    return call(bed, SL_ACKNOWLEDGE, &request);
}

static void nack(struct bed *bed, const char *id)
{
    struct sl_buf request = {0};
    sl_pubsub_put_modify(&request, SUB, &id, 1, 0);
    must(bed, SL_MODIFY_ACK_DEADLINE, &request);
}

static void seek_to_begin(struct bed *bed)
{
    struct sl_buf request = {0};
    sl_pubsub_put_seek(&request, &(struct sl_seek_request){.subscription = SUB, .snapshot = "", .has_time = true});
    must(bed, SL_SEEK, &request);
}

static size_t stored(struct bed *bed)
{
    struct sl_stored row;
    struct sl_err err;
    const struct sl_topic *topic = sl_catalog_topic(&bed->drive.broker->catalog, TOPIC, strlen(TOPIC));
    size_t n = 0;
    for (int64_t at = 1; sl_store_next(bed->drive.broker->store, topic->id, at, topic->committed, &row, &err) == SL_OK; at = row.n + 1)
        n++;
    return n;
}

/* ---- leases and backoffs ---- */

Test(broker_time, a_backoff_that_was_begun_goes_on_after_a_restart)
{
    struct bed bed;
    char id[64];
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.has_retry = true, .min_backoff_ms = 60000, .max_backoff_ms = 600000});
    publish(&bed, "m0");
    expect_pull(&bed, "m0 ", id);
    nack(&bed, id);
    pass(&bed, 40000);
    restart(&bed);
    pass(&bed, 10000);
    expect_pull(&bed, "", NULL);
    pass(&bed, 11000);
    expect_pull(&bed, "m0 ", NULL);
    close_bed(&bed);
}

Test(broker_time, exactly_once_leases_have_a_minute_after_a_restart)
{
    struct bed bed;
    char id[64], again[64];
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.exactly_once = true});
    publish(&bed, "m0");
    expect_pull(&bed, "m0 ", id);
    restart(&bed);
    pass(&bed, 59000);
    expect_pull(&bed, "", NULL);
    pass(&bed, 2000);
    expect_pull(&bed, "m0 ", again);
    cr_expect_eq(ack(&bed, id), SL_RPC_INVALID_ARGUMENT);
    pass(&bed, 9000);
    cr_expect_eq(ack(&bed, again), SL_RPC_OK);
    close_bed(&bed);
}

Test(broker_time, exactly_once_an_expired_lease_is_not_good)
{
    struct bed bed;
    char id[64];
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.exactly_once = true});
    publish(&bed, "m0");
    expect_pull(&bed, "m0 ", id);
    pass(&bed, 10001);
    cr_expect_eq(ack(&bed, id), SL_RPC_INVALID_ARGUMENT);
    restart(&bed);
    expect_pull(&bed, "m0 ", id);
    cr_expect_eq(ack(&bed, id), SL_RPC_OK);
    restart(&bed);
    pass(&bed, 100000);
    expect_pull(&bed, "", NULL);
    close_bed(&bed);
}

/* ---- exactly once, and the power fails ---- */

enum { LOSSES = 150, MESSAGES = 40 };

struct copy {
    char id[64]; /* the newest ack id that was handed out; "": none */
    bool done;   /* its ack was answered */
    bool held;   /* handed out, and neither acked nor nacked as far as anybody was told */
};

/* What comes is not done, and nobody else has it. */
static void take(struct bed *bed, struct copy *copies, unsigned seed)
{
    struct sl_buf request = {0};
    struct sl_arena arena = {0};
    struct sl_streaming_response got;
    sl_pubsub_put_pull(&request, SUB, 7, true);
    if (call(bed, SL_PULL, &request) != SL_RPC_OK)
        return;
    cr_assert_eq(sl_pubsub_read_streaming_response(&got, sl_buf_text(&bed->caller.response), bed->caller.response.len, &arena, NULL),
                 SL_OK);
    for (size_t i = 0; i < got.n; i++) {
        int number = atoi(got.messages[i].message.data.ptr);
        cr_assert_not(copies[number].done, "seed %u: %d is done and comes again", seed, number);
        cr_assert_not(copies[number].held, "seed %u: %d is out and comes again", seed, number);
        copies[number].held = true;
        snprintf(copies[number].id, sizeof(copies[number].id), "%.*s", (int)got.messages[i].ack_id.len, got.messages[i].ack_id.ptr);
    }
    sl_arena_fini(&arena);
}

/* Acks one that is out, or nacks it. An answer that does not come leaves both possible: the id must still be good, or its message done or free. */
static void give(struct bed *bed, struct copy *copy, bool nacking, unsigned seed)
{
    struct sl_buf request = {0};
    const char *id = copy->id;
    if (nacking)
        sl_pubsub_put_modify(&request, SUB, &id, 1, 0);
    else
        sl_pubsub_put_acknowledge(&request, SUB, &id, 1);
    enum sl_rpc_code code = call(bed, nacking ? SL_MODIFY_ACK_DEADLINE : SL_ACKNOWLEDGE, &request);
    copy->held = false;
    copy->done = code == SL_RPC_OK && !nacking;
    cr_assert_neq(code, SL_RPC_INVALID_ARGUMENT, "seed %u: an id that was handed out is refused", seed);
}

static void lose_power(struct bed *bed, struct copy *copies, unsigned seed)
{
    unsigned state = seed;
    power_vfs_order(POWER_LOSS, 1 + (uint64_t)(rand_r(&state) % 200));
    for (int step = 0; step < 400 && !power_vfs_struck(); step++) {
        int number = rand_r(&state) % MESSAGES;
        if (rand_r(&state) % 3 == 0)
            take(bed, copies, seed);
        else if (copies[number].held)
            give(bed, &copies[number], rand_r(&state) % 3 == 0, seed);
    }
    int64_t now_ms = bed->drive.now_ms;
    struct sl_err err;
    drive_close(&bed->drive);
    power_vfs_restart();
    bed->drive = (struct drive){.now_ms = now_ms};
    power_vfs_order(POWER_GOOD, 0);
    cr_assert_eq(drive_open(&bed->drive, bed->path, false, &err), SL_OK, "%s", err.text);
}

Test(broker_time, exactly_once_over_losses_of_power, .timeout = 240)
{
    for (unsigned seed = 1; seed <= LOSSES; seed++) {
        struct bed bed;
        struct copy copies[MESSAGES] = {0};
        open_bed(&bed);
        make(&bed, 0, (struct sl_pubsub_subscription){.exactly_once = true});
        for (int i = 0; i < MESSAGES; i++) {
            char text[16];
            sprintf(text, "%d", i);
            publish(&bed, text);
        }
        lose_power(&bed, copies, seed);
        take(&bed, copies, seed); /* nothing that is out comes, and nothing that is done */
        for (int i = 0; i < MESSAGES; i++)
            if (copies[i].held)
                give(&bed, &copies[i], false, seed); /* and what is out can be acked */
        close_bed(&bed);
    }
}

/* ---- retention ---- */

Test(broker_time, what_is_not_acked_goes_when_it_is_too_old)
{
    struct bed bed;
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.retention_ms = 10 * MINUTE_MS});
    publish(&bed, "m0");
    pass(&bed, 6 * MINUTE_MS);
    publish(&bed, "m1");
    pass(&bed, 5 * MINUTE_MS);
    expect_pull(&bed, "m1 ", NULL);
    pass(&bed, 6 * MINUTE_MS);
    pass(&bed, 1000);
    expect_pull(&bed, "", NULL);
    cr_expect_eq(stored(&bed), 0);
    close_bed(&bed);
}

Test(broker_time, what_is_acked_is_kept_as_long_as_it_is_retained)
{
    struct bed bed;
    char id[64];
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.retain_acked = true, .retention_ms = 10 * MINUTE_MS});
    publish(&bed, "m0");
    expect_pull(&bed, "m0 ", id);
    cr_expect_eq(ack(&bed, id), SL_RPC_OK);
    pass(&bed, 6 * MINUTE_MS);
    publish(&bed, "m1");
    expect_pull(&bed, "m1 ", id);
    cr_expect_eq(ack(&bed, id), SL_RPC_OK);
    pass(&bed, 1000);
    cr_expect_eq(stored(&bed), 2);
    pass(&bed, 5 * MINUTE_MS);
    pass(&bed, 1000);
    cr_expect_eq(stored(&bed), 1, "the older one is gone");
    seek_to_begin(&bed);
    expect_pull(&bed, "m1 ", NULL);
    close_bed(&bed);
}

Test(broker_time, a_topic_keeps_for_its_time)
{
    struct bed bed;
    struct sl_buf request = {0};
    const char *paths[] = {"message_retention_duration"};
    open_bed(&bed);
    make(&bed, 60 * MINUTE_MS, (struct sl_pubsub_subscription){0});
    sl_pubsub_put_name(&request, SUB);
    must(&bed, SL_DELETE_SUBSCRIPTION, &request);
    publish(&bed, "m0");
    pass(&bed, 40 * MINUTE_MS);
    publish(&bed, "m1");
    cr_expect_eq(stored(&bed), 2);
    pass(&bed, 21 * MINUTE_MS);
    pass(&bed, 1000);
    cr_expect_eq(stored(&bed), 1);
    sl_pubsub_put_update_topic(&request, &(struct sl_pubsub_topic){.name = TOPIC}, paths, 1);
    must(&bed, SL_UPDATE_TOPIC, &request);
    pass(&bed, 1000);
    pass(&bed, 1000);
    cr_expect_eq(stored(&bed), 0, "nothing is retained any more");
    close_bed(&bed);
}

/* ---- what expires ---- */

Test(broker_time, a_snapshot_keeps_messages_until_it_expires)
{
    struct bed bed;
    struct sl_buf request = {0};
    char id[64];
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.retention_ms = 30 * DAY_MS});
    publish(&bed, "m0");
    pass(&bed, 2 * DAY_MS);
    sl_pubsub_put_create_snapshot(&request, &(struct sl_create_snapshot){.name = SNAPSHOT, .subscription = SUB});
    must(&bed, SL_CREATE_SNAPSHOT, &request);
    expect_pull(&bed, "m0 ", id);
    cr_expect_eq(ack(&bed, id), SL_RPC_OK);
    pass(&bed, 4 * DAY_MS);
    restart(&bed);
    pass(&bed, 1000);
    cr_expect_eq(stored(&bed), 1);
    pass(&bed, DAY_MS);
    pass(&bed, 1000);
    cr_expect_eq(stored(&bed), 0);
    sl_pubsub_put_name(&request, SNAPSHOT);
    cr_expect_eq(call(&bed, SL_GET_SNAPSHOT, &request), SL_RPC_NOT_FOUND, "7 days from the message's publishing");
    restart(&bed);
    sl_pubsub_put_name(&request, SNAPSHOT);
    cr_expect_eq(call(&bed, SL_GET_SNAPSHOT, &request), SL_RPC_NOT_FOUND);
    close_bed(&bed);
}

Test(broker_time, no_snapshot_of_what_is_too_old)
{
    struct bed bed;
    struct sl_buf request = {0};
    open_bed(&bed);
    make(&bed, 0, (struct sl_pubsub_subscription){.retention_ms = 30 * DAY_MS});
    publish(&bed, "m0");
    pass(&bed, 7 * DAY_MS - 59 * MINUTE_MS);
    sl_pubsub_put_create_snapshot(&request, &(struct sl_create_snapshot){.name = SNAPSHOT, .subscription = SUB});
    cr_expect_eq(call(&bed, SL_CREATE_SNAPSHOT, &request), SL_RPC_FAILED_PRECONDITION);
    close_bed(&bed);
}

Test(broker_time, a_subscription_that_nobody_uses_expires)
{
    static const struct {
        const char *label;
        struct sl_pubsub_subscription config;
        int64_t days;
        bool used, there;
    } cases[] = {
        {"its policy", {.has_expiration = true, .ttl_ms = 2 * DAY_MS}, 2, false, false},
        {"before it", {.has_expiration = true, .ttl_ms = 3 * DAY_MS}, 2, false, true},
        {"used on the way", {.has_expiration = true, .ttl_ms = 2 * DAY_MS}, 3, true, true},
        {"never", {.has_expiration = true}, 400, false, true},
        {"31 days where nothing is said", {0}, 30, false, true},
        {"31 days where nothing is said", {0}, 31, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bed bed;
        struct sl_buf request = {0};
        open_bed(&bed);
        make(&bed, 0, cases[i].config);
        pass(&bed, MINUTE_MS);
        for (int64_t day = 0; day < cases[i].days; day++) {
            pass(&bed, DAY_MS);
            if (cases[i].used)
                expect_pull(&bed, "", NULL);
        }
        sl_pubsub_put_name(&request, SUB);
        cr_expect_eq(call(&bed, SL_GET_SUBSCRIPTION, &request) == SL_RPC_OK, cases[i].there, "%s, %lld days", cases[i].label,
                     (long long)cases[i].days);
        close_bed(&bed);
    }
}
