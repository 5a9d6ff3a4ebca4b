/* Seeking, snapshots, retention and detaching, as clients of the embedded broker see them. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker_bed.h"

#define SNAPSHOT "projects/p/snapshots/then"

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static enum sl_rpc_code call_seek(struct bed *bed, struct sl_seek_request seek)
{
    struct sl_buf request = {0};
    seek.subscription = seek.subscription ? seek.subscription : SUB;
    seek.snapshot = seek.snapshot ? seek.snapshot : "";
    sl_pubsub_put_seek(&request, &seek);
    return bed_call(bed, "Subscriber/Seek", &request, NULL);
}

static void seek_time(struct bed *bed, int64_t us)
{
    cr_assert_eq(call_seek(bed, (struct sl_seek_request){.has_time = true, .time_us = us}), SL_RPC_OK, "%s", bed->message);
}

static enum sl_rpc_code create_snapshot(struct bed *bed, const char *name, const char *subscription, struct sl_buf *response)
{
    struct sl_buf request = {0};
    sl_pubsub_put_create_snapshot(&request, &(struct sl_create_snapshot){.name = name, .subscription = subscription});
    return bed_call(bed, "Subscriber/CreateSnapshot", &request, response);
}

static void take_and_ack(struct bed *bed, const char *expected)
{
    struct gots gots = {0};
    pull(bed, SUB, 100, true, &gots);
    expect_texts(&gots, expected);
    if (gots.n > 0)
        ack(bed, SUB, &gots, 0, gots.n);
    gots_fini(&gots);
}

/* ---- to a time ---- */

Test(broker_seek, retained_messages_come_again)
{
    struct bed bed;
    bed_open_with_sub_like(&bed, (struct sl_pubsub_subscription){.retain_acked = true});
    publish(&bed, TOPIC, "m0");
    publish(&bed, TOPIC, "m1");
    int64_t between = now_us();
    publish(&bed, TOPIC, "m2");
    publish(&bed, TOPIC, "m3");
    take_and_ack(&bed, "m0 m1 m2 m3 ");
    seek_time(&bed, between);
    take_and_ack(&bed, "m2 m3 ");
    bed_restart(&bed);
    seek_time(&bed, 0);
    expect_backlog(&bed, SUB, 4, 0);
    bed_restart(&bed);
    take_and_ack(&bed, "m0 m1 m2 m3 ");
    seek_time(&bed, between);
    seek_time(&bed, now_us() + 1000000);
    take_and_ack(&bed, "");
    publish(&bed, TOPIC, "m4");
    take_and_ack(&bed, "m4 ");
    bed_close(&bed);
}

Test(broker_seek, what_is_not_retained_stays_acked)
{
    struct bed bed;
    struct gots gots = {0};
    bed_open_with_sub(&bed, NULL);
    publish(&bed, TOPIC, "m0");
    publish(&bed, TOPIC, "m1");
    publish(&bed, TOPIC, "m2");
    int64_t after = now_us();
    publish(&bed, TOPIC, "m3");
    pull(&bed, SUB, 4, true, &gots);
    ack(&bed, SUB, &gots, 1, 1);
    seek_time(&bed, 0);
    pull(&bed, SUB, 4, true, &gots);
    expect_texts(&gots, "m0 m2 m3 ");
    seek_time(&bed, after);
    pull(&bed, SUB, 4, true, &gots);
    expect_texts(&gots, "m3 ");
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker_seek, acks_from_before_it_mean_nothing)
{
    struct bed bed;
    struct gots gots = {0};
    bed_open_with_sub_like(&bed, (struct sl_pubsub_subscription){.retain_acked = true});
    publish(&bed, TOPIC, "m0");
    pull(&bed, SUB, 4, true, &gots);
    seek_time(&bed, 0);
    ack(&bed, SUB, &gots, 0, 1);
    expect_backlog(&bed, SUB, 1, 0);
    bed_restart(&bed);
    ack(&bed, SUB, &gots, 0, 1);
    expect_backlog(&bed, SUB, 1, 0);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker_seek, a_subscription_does_not_see_what_was_before_it)
{
    struct bed bed;
    bed_open_with_sub_like(&bed, (struct sl_pubsub_subscription){.retain_acked = true});
    publish(&bed, TOPIC, "m0");
    struct sl_pubsub_subscription late = {.name = "projects/p/subscriptions/late", .topic = TOPIC, .retain_acked = true};
    cr_assert_eq(try_subscription(&bed, &late), SL_RPC_OK);
    publish(&bed, TOPIC, "m1");
    cr_expect_eq(call_seek(&bed, (struct sl_seek_request){.subscription = late.name, .has_time = true}), SL_RPC_OK);
    expect_backlog(&bed, late.name, 1, 0);
    bed_close(&bed);
}

Test(broker_seek, a_topic_retains_for_everybody)
{
    struct bed bed;
    struct sl_buf request = {0};
    struct gots gots = {0};
    bed_open(&bed, NULL);
    sl_pubsub_put_topic(&request, &(struct sl_pubsub_topic){.name = TOPIC, .retention_ms = 1000});
    cr_expect_eq(bed_call(&bed, "Publisher/CreateTopic", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    sl_pubsub_put_topic(&request, &(struct sl_pubsub_topic){.name = TOPIC, .retention_ms = 600000});
    cr_assert_eq(bed_call(&bed, "Publisher/CreateTopic", &request, NULL), SL_RPC_OK);
    publish(&bed, TOPIC, "m0"); /* nobody subscribes */
    make_subscription(&bed, SUB, TOPIC);
    take_and_ack(&bed, "");
    publish(&bed, TOPIC, "m1");
    take_and_ack(&bed, "m1 ");
    bed_restart(&bed);
    seek_time(&bed, 0);
    pull(&bed, SUB, 4, true, &gots);
    expect_texts(&gots, "m0 m1 ");
    struct sl_pubsub_subscription config;
    struct sl_arena arena = {0};
    get_subscription(&bed, &config, &arena);
    cr_expect_eq(config.topic_retention_ms, 600000);
    sl_arena_fini(&arena);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker_seek, a_filter_applies_again)
{
    struct bed bed;
    bed_open_with_sub_like(&bed, (struct sl_pubsub_subscription){.retain_acked = true, .filter = "attributes:a"});
    publish_with(&bed, TOPIC, "m0", NULL, "a=1");
    publish_with(&bed, TOPIC, "m1", NULL, "b=1");
    publish_with(&bed, TOPIC, "m2", NULL, "a=1");
    take_and_ack(&bed, "m0 m2 ");
    seek_time(&bed, 0);
    take_and_ack(&bed, "m0 m2 ");
    expect_backlog(&bed, SUB, 0, 0);
    bed_close(&bed);
}

Test(broker_seek, ordered_leases_end_with_it)
{
    struct bed bed;
    struct tap tap;
    bed_open_with_sub_like(&bed, (struct sl_pubsub_subscription){.retain_acked = true, .ordering = true});
    publish_with(&bed, TOPIC, "m0", "k", NULL);
    publish_with(&bed, TOPIC, "m1", "k", NULL);
    tap_open(&tap, &bed, &(struct tap_options){.subscription = SUB, .max_messages = 2});
    tap_wait(&tap, 2);
    tap_ack(&tap, 0, 1);
    seek_time(&bed, 0);
    tap_wait(&tap, 4);
    expect_texts(&tap.gots, "m0 m1 m0 m1 ");
    tap_close(&tap);
    bed_close(&bed);
}

Test(broker_seek, is_checked)
{
    struct bed bed;
    bed_open_with_sub(&bed, NULL);
    make_topic(&bed, DLQ);
    make_subscription(&bed, "projects/p/subscriptions/other", DLQ);
    cr_assert_eq(create_snapshot(&bed, SNAPSHOT, "projects/p/subscriptions/other", NULL), SL_RPC_OK, "%s", bed.message);
    static const struct {
        struct sl_seek_request seek;
        enum sl_rpc_code code;
        const char *message;
    } cases[] = {
        {{.subscription = "projects/p/subscriptions/none", .has_time = true},
         SL_RPC_NOT_FOUND,
         "Subscription does not exist (resource=projects/p/subscriptions/none)"},
        {{.snapshot = ""}, SL_RPC_INVALID_ARGUMENT, "A time or a snapshot to seek to must be given"},
        {{.snapshot = "projects/p/snapshots/none"}, SL_RPC_NOT_FOUND, "Snapshot does not exist (resource=projects/p/snapshots/none)"},
        {{.snapshot = SNAPSHOT}, SL_RPC_INVALID_ARGUMENT, "The snapshot is of another topic than the subscription"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(call_seek(&bed, cases[i].seek), cases[i].code, "%s", cases[i].message);
        cr_expect_str_eq(bed.message, cases[i].message);
    }
    bed_close(&bed);
}

/* ---- snapshots ---- */

Test(broker_seek, a_snapshot_keeps_what_was_not_acked)
{
    struct bed bed;
    struct gots gots = {0};
    bed_open_with_sub(&bed, NULL);
    publish_many(&bed, TOPIC, "m", 5, 0);
    pull(&bed, SUB, 10, true, &gots);
    ack(&bed, SUB, &gots, 0, 1);
    ack(&bed, SUB, &gots, 2, 1);
    cr_assert_eq(create_snapshot(&bed, SNAPSHOT, SUB, NULL), SL_RPC_OK, "%s", bed.message);
    ack(&bed, SUB, &gots, 0, 5);
    publish(&bed, TOPIC, "late");
    take_and_ack(&bed, "late ");
    bed_restart(&bed);
    expect_backlog(&bed, SUB, 0, 0);
    cr_expect_eq(call_seek(&bed, (struct sl_seek_request){.snapshot = SNAPSHOT}), SL_RPC_OK, "%s", bed.message);
    bed_restart(&bed);
    take_and_ack(&bed, "m1 m3 m4 late ");
    cr_expect_eq(call_seek(&bed, (struct sl_seek_request){.snapshot = SNAPSHOT}), SL_RPC_OK, "it can be used again");
    take_and_ack(&bed, "m1 m3 m4 late ");
    gots_fini(&gots);
    bed_close(&bed);
}

static void call_name(struct bed *bed, const char *method, const char *name, enum sl_rpc_code code, struct sl_buf *response)
{
    struct sl_buf request = {0};
    sl_pubsub_put_name(&request, name);
    cr_expect_eq(bed_call(bed, method, &request, response), code, "%s %s: %s", method, name, bed->message);
}

static void expect_items(struct bed *bed, const char *method, const char *parent, const char *expected)
{
    struct sl_buf request = {0}, response = {0}, text = {0};
    struct sl_arena arena = {0};
    struct sl_span *items;
    const char *token = "";
    do {
        size_t n;
        sl_pubsub_put_list(&request, parent, 1, token);
        cr_assert_eq(bed_call(bed, method, &request, &response), SL_RPC_OK, "%s", bed->message);
        cr_assert_eq(sl_pubsub_read_items(&items, &n, &token, sl_buf_text(&response), response.len, &arena, NULL), SL_OK);
        for (size_t i = 0; i < n; i++) {
            const char *name = sl_arena_strndup(&arena, items[i].ptr, items[i].len);
            struct sl_pubsub_snapshot whole; /* or a subscription: both begin with their name */
            if (strncmp(name, "projects/", 9) != 0) {
                cr_assert_eq(sl_pubsub_read_snapshot(&whole, items[i].ptr, items[i].len, &arena, NULL), SL_OK);
                name = whole.name;
            }
            sl_buf_printf(&text, "%s ", strrchr(name, '/') + 1);
        }
    } while (*token);
    cr_expect_str_eq(sl_buf_text(&text), expected, "%s", method);
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    sl_buf_fini(&text);
}

Test(broker_seek, snapshots_are_made_listed_changed_and_deleted)
{
    struct bed bed;
    struct sl_buf response = {0}, request = {0};
    struct sl_arena arena = {0};
    struct sl_pubsub_snapshot snapshot;
    bed_open_with_sub(&bed, NULL);
    cr_expect_eq(create_snapshot(&bed, "projects/p/snapshots/s", SUB, NULL), SL_RPC_INVALID_ARGUMENT);
    cr_expect_str_eq(bed.message, "Invalid [snapshots] name: (name=projects/p/snapshots/s)");
    cr_expect_eq(create_snapshot(&bed, SNAPSHOT, "projects/p/subscriptions/none", NULL), SL_RPC_NOT_FOUND);
    const int64_t before_us = now_us(), week_us = INT64_C(7) * 86400 * 1000000;
    cr_expect_eq(create_snapshot(&bed, SNAPSHOT, SUB, &response), SL_RPC_OK);
    cr_assert_eq(sl_pubsub_read_snapshot(&snapshot, response.data, response.len, &arena, NULL), SL_OK);
    cr_expect_str_eq(snapshot.topic, TOPIC);
    cr_expect(snapshot.expire_us > before_us + week_us - 1000000 && snapshot.expire_us < now_us() + week_us + 1000000, "in a week");
    cr_expect_eq(create_snapshot(&bed, SNAPSHOT, SUB, NULL), SL_RPC_ALREADY_EXISTS);
    cr_expect_eq(create_snapshot(&bed, "projects/p/snapshots/before", SUB, NULL), SL_RPC_OK);
    expect_items(&bed, "Subscriber/ListSnapshots", "projects/p", "before then ");
    expect_items(&bed, "Publisher/ListTopicSnapshots", TOPIC, "before then ");
    expect_items(&bed, "Subscriber/ListSnapshots", "projects/q", "");
    cr_expect_eq(create_snapshot(&bed, "", SUB, &response), SL_RPC_OK, "a name is made up");
    cr_assert_eq(sl_pubsub_read_snapshot(&snapshot, response.data, response.len, &arena, NULL), SL_OK);
    cr_expect_eq(strncmp(snapshot.name, "projects/p/snapshots/snapshot-", 30), 0, "%s", snapshot.name);
    const char *keys[] = {"team"}, *values[] = {"blue"}, *paths[] = {"labels", "expire_time"}, *wrong[] = {"topic"};
    struct sl_pubsub_snapshot asked = {
        .name = SNAPSHOT, .topic = "", .labels = {.keys = keys, .values = values, .n = 1}, .expire_us = now_us() + INT64_C(3600) * 1000000};
    sl_pubsub_put_update_snapshot(&request, &asked, wrong, 1);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSnapshot", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    sl_pubsub_put_update_snapshot(&request, &asked, NULL, 0);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSnapshot", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    sl_pubsub_put_update_snapshot(&request, &asked, paths, 2);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSnapshot", &request, NULL), SL_RPC_OK, "%s", bed.message);
    bed_restart(&bed);
    call_name(&bed, "Subscriber/GetSnapshot", SNAPSHOT, SL_RPC_OK, &response);
    cr_assert_eq(sl_pubsub_read_snapshot(&snapshot, response.data, response.len, &arena, NULL), SL_OK);
    cr_expect_eq(snapshot.labels.n, 1);
    cr_expect_eq(snapshot.expire_us, asked.expire_us);
    call_name(&bed, "Subscriber/DeleteSnapshot", SNAPSHOT, SL_RPC_OK, NULL);
    call_name(&bed, "Subscriber/DeleteSnapshot", SNAPSHOT, SL_RPC_NOT_FOUND, NULL);
    call_name(&bed, "Subscriber/GetSnapshot", SNAPSHOT, SL_RPC_NOT_FOUND, NULL);
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    bed_close(&bed);
}

Test(broker_seek, a_snapshot_outlives_its_topic_and_subscription)
{
    struct bed bed;
    struct sl_buf response = {0};
    struct sl_arena arena = {0};
    struct sl_pubsub_snapshot snapshot;
    bed_open_with_sub(&bed, NULL);
    publish(&bed, TOPIC, "m0");
    cr_assert_eq(create_snapshot(&bed, SNAPSHOT, SUB, NULL), SL_RPC_OK);
    cr_expect_eq(delete_subscription(&bed, SUB), SL_RPC_OK);
    make_subscription(&bed, SUB, TOPIC);
    cr_expect_eq(call_seek(&bed, (struct sl_seek_request){.snapshot = SNAPSHOT}), SL_RPC_OK);
    take_and_ack(&bed, "m0 ");
    cr_expect_eq(delete_topic(&bed, TOPIC), SL_RPC_OK);
    cr_expect_eq(delete_subscription(&bed, SUB), SL_RPC_OK);
    bed_restart(&bed);
    call_name(&bed, "Subscriber/GetSnapshot", SNAPSHOT, SL_RPC_OK, &response);
    cr_assert_eq(sl_pubsub_read_snapshot(&snapshot, response.data, response.len, &arena, NULL), SL_OK);
    cr_expect_str_eq(snapshot.topic, "_deleted-topic_");
    call_name(&bed, "Subscriber/DeleteSnapshot", SNAPSHOT, SL_RPC_OK, NULL);
    bed_restart(&bed);
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    bed_close(&bed);
}

/* ---- detaching ---- */

Test(broker_seek, a_detached_subscription_has_and_gets_nothing)
{
    struct bed bed;
    struct tap tap;
    struct gots gots = {0};
    bed_open_with_sub(&bed, NULL);
    publish(&bed, TOPIC, "m0");
    tap_open_sub(&tap, &bed);
    tap_wait(&tap, 1);
    call_name(&bed, "Publisher/DetachSubscription", "projects/p/subscriptions/none", SL_RPC_NOT_FOUND, NULL);
    call_name(&bed, "Publisher/DetachSubscription", SUB, SL_RPC_OK, NULL);
    tap_expect_end(&tap, SL_RPC_FAILED_PRECONDITION);
    publish(&bed, TOPIC, "m1");
    for (int i = 0; i < 2; i++) {
        expect_backlog(&bed, SUB, 0, 0);
        cr_expect_eq(try_pull(&bed, SUB, 1, true, &gots), SL_RPC_FAILED_PRECONDITION);
        tap_open_sub(&tap, &bed);
        tap_expect_end(&tap, SL_RPC_FAILED_PRECONDITION);
        cr_expect_eq(call_seek(&bed, (struct sl_seek_request){.has_time = true}), SL_RPC_FAILED_PRECONDITION);
        expect_items(&bed, "Publisher/ListTopicSubscriptions", TOPIC, "");
        expect_items(&bed, "Subscriber/ListSubscriptions", "projects/p", "worker ");
        bed_restart(&bed);
    }
    call_name(&bed, "Publisher/DetachSubscription", SUB, SL_RPC_OK, NULL);
    cr_expect_eq(delete_subscription(&bed, SUB), SL_RPC_OK);
    gots_fini(&gots);
    bed_close(&bed);
}
