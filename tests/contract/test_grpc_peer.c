/* test_grpc_peer.c - our client and a real server of google.pubsub.v1: $SLUICE_PUBSUB_PEER is its address ("127.0.0.1:8085"). Without it the tests are skipped, and say so.
 * Topics and subscriptions are made anew under names of their own, and deleted. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>
#include <sluice/hash.h>

#include "../../src/pubsub/grpc_retry.h"

enum { N = 3000, LARGE_BYTES = 3000000, LIMIT_MS = 60000 };

struct fixture {
    struct sl_config config;
    struct sl_phase phase;
    const struct sl_phase *phases[1];
    struct sl_pubsub_admin *admin;
    struct sl_bus *bus;
    struct sl_err err;
    char name[64], topic[128], subscription[128];
};

static const char *peer(void)
{
    const char *address = getenv("SLUICE_PUBSUB_PEER");
    if (!address || !*address)
        cr_skip_test("SLUICE_PUBSUB_PEER is not set: no server to test against");
    return address;
}

static void start_with(struct fixture *f, bool ordering, bool exactly_once)
{
    const char *address = peer();
    char uuid[SL_UUID_LEN + 1];
    *f = (struct fixture){0};
    f->config.bus.type = SL_BUS_EMULATOR;
    f->config.bus.project = "peer-test";
    f->config.worker.batch_messages = 1000;
    f->config.worker.batch_bytes = 10000000;
    snprintf(f->name, sizeof f->name, "t-%s", sl_uuid_format(sl_uuid4(), uuid));
    snprintf(f->topic, sizeof f->topic, "projects/peer-test/topics/%s", f->name);
    snprintf(f->subscription, sizeof f->subscription, "projects/peer-test/subscriptions/%s", f->name);
    f->phase = (struct sl_phase){.name = "raw", .subscription = f->name};
    f->phases[0] = &f->phase;
    const struct sl_pubsub_topic topic = {.name = f->topic};
    const struct sl_pubsub_subscription subscription = {
        .name = f->subscription, .topic = f->topic, .ack_deadline_s = 10, .ordering = ordering, .exactly_once = exactly_once};
    cr_assert_eq(sl_pubsub_admin_create(&f->admin, SL_PLAIN_PEER(address), &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(sl_pubsub_admin_create_topic(f->admin, &topic, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(sl_pubsub_admin_create_subscription(f->admin, &subscription, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(sl_grpc_bus_create(&f->bus, SL_PLAIN_PEER(address), &f->config, f->phases, 1, NULL, &f->err), SL_OK, "%s", f->err.text);
}

static void start(struct fixture *f)
{
    start_with(f, false, false);
}

static void finish(struct fixture *f)
{
    sl_bus_destroy(&f->bus);
    cr_assert_eq(sl_pubsub_admin_delete_subscription(f->admin, f->subscription, &f->err), SL_OK, "%s", f->err.text);
    cr_assert_eq(sl_pubsub_admin_delete_topic(f->admin, f->topic, &f->err), SL_OK, "%s", f->err.text);
    sl_pubsub_admin_destroy(&f->admin);
}

static void publish(struct fixture *f, int n)
{
    struct sl_grpc_publisher *publisher;
    const struct sl_attribute attribute = {"kind", "h\xc3\xa9"};
    cr_assert_eq(sl_grpc_publisher_create(&publisher, SL_PLAIN_PEER(peer()), f->topic, NULL, NULL, NULL, &f->err), SL_OK);
    for (int i = 0; i < n; i++) {
        char data[16];
        snprintf(data, sizeof data, "%d", i);
        cr_assert_eq(sl_grpc_publisher_add(publisher, data, strlen(data), &attribute, 1, NULL), SL_OK);
    }
    cr_assert_eq(sl_grpc_publisher_flush(publisher, &f->err), SL_OK, "%s", f->err.text);
    sl_grpc_publisher_destroy(&publisher);
}

Test(grpc_peer, everything_published_comes_once_and_is_acked)
{
    static bool seen[N];
    struct fixture f;
    struct sl_bus_batch batch = {0};
    size_t n = 0;
    start(&f);
    publish(&f, N);
    while (n < N) {
        cr_assert_eq(sl_bus_receive(f.bus, 1000, 10000000, LIMIT_MS, &batch, &f.err), SL_OK, "%s", f.err.text);
        cr_assert_gt(batch.n, 0, "%zu of %d", n, N);
        for (size_t i = 0; i < batch.n; i++) {
            const struct sl_message *message = &batch.messages[i].message;
            const int number = atoi(message->data);
            n += !seen[number];
            seen[number] = true;
            cr_assert_eq(message->n_attributes, 1);
            cr_assert_str_eq(message->attributes[0].value, "h\xc3\xa9");
            cr_assert_gt(message->publish_us, INT64_C(1600000000000000));
        }
        cr_assert_eq(sl_bus_ack(f.bus, &batch, &f.err), SL_OK);
    }
    struct sl_grpc_bus_stats stats = {.leases = 1};
    for (const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS; stats.leases && sl_monotonic_ms() < until_ms;) {
        cr_assert_eq(sl_bus_receive(f.bus, 1000, 10000000, 100, &batch, &f.err), SL_OK);
        cr_assert_eq(batch.n, 0, "one came again");
        sl_grpc_bus_stats(f.bus, &stats);
    }
    cr_assert_eq(stats.leases, 0, "not every ack was answered");
    cr_assert_eq(stats.acks_lost, 0);
    cr_assert_geq(sl_bus_silent_ms(f.bus, &f.phase, 0), 0);
    sl_bus_batch_fini(&batch);
    finish(&f);
}

Test(grpc_peer, large_messages)
{
    struct fixture f;
    struct sl_bus_batch batch = {0};
    char *data = malloc(LARGE_BYTES);
    memset(data, 'x', LARGE_BYTES);
    start(&f);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(sl_bus_publish(f.bus, f.name, data, LARGE_BYTES, "{\"a\":\"b\"}", &f.err), SL_OK, "%s", f.err.text);
    for (size_t n = 0; n < 4; n += batch.n) {
        cr_assert_eq(sl_bus_receive(f.bus, 1000, 100000000, LIMIT_MS, &batch, &f.err), SL_OK, "%s", f.err.text);
        cr_assert_gt(batch.n, 0);
        for (size_t i = 0; i < batch.n; i++)
            cr_assert(batch.messages[i].message.len == LARGE_BYTES && memcmp(batch.messages[i].message.data, data, LARGE_BYTES) == 0);
        cr_assert_eq(sl_bus_ack(f.bus, &batch, &f.err), SL_OK);
    }
    sl_bus_batch_fini(&batch);
    free(data);
    finish(&f);
}

Test(grpc_peer, topics_and_subscriptions)
{
    struct fixture f;
    struct sl_arena arena = {0};
    start(&f);
    const struct sl_pubsub_topic topic = {.name = f.topic};
    struct sl_pubsub_topic found_topic;
    struct sl_pubsub_subscription found;
    const char **names;
    size_t n;
    cr_assert_eq(sl_pubsub_admin_create_topic(f.admin, &topic, &f.err), SL_CONFLICT, "%s", f.err.text);
    cr_assert_eq(sl_pubsub_admin_get_topic(f.admin, f.topic, &found_topic, &arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_str_eq(found_topic.name, f.topic);
    cr_assert_eq(sl_pubsub_admin_get_subscription(f.admin, f.subscription, &found, &arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_str_eq(found.topic, f.topic);
    cr_assert_eq(found.ack_deadline_s, 10);
    cr_assert_eq(sl_pubsub_admin_topic_subscriptions(f.admin, f.topic, &names, &n, &arena, &f.err), SL_OK, "%s", f.err.text);
    cr_assert_eq(n, 1);
    cr_assert_str_eq(names[0], f.subscription);
    cr_assert_eq(sl_pubsub_admin_get_topic(f.admin, "projects/peer-test/topics/none-here", &found_topic, &arena, &f.err), SL_NOT_FOUND);
    sl_arena_fini(&arena);
    finish(&f);
}

Test(grpc_peer, a_subscription_that_isnt_there_stops_the_bus)
{
    struct fixture f;
    struct sl_bus_batch batch = {0};
    start(&f);
    struct sl_bus *bus;
    struct sl_phase missing = {.name = "raw", .subscription = "none-here"};
    const struct sl_phase *const phases[] = {&missing};
    cr_assert_eq(sl_grpc_bus_create(&bus, SL_PLAIN_PEER(peer()), &f.config, phases, 1, NULL, &f.err), SL_OK);
    cr_assert_eq(sl_bus_receive(bus, 1, 1, LIMIT_MS, &batch, &f.err), SL_NOT_FOUND, "%s", f.err.text);
    cr_assert(strstr(f.err.text, "sluice init"), "%s", f.err.text);
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&bus);
    finish(&f);
}

enum { N_KEYS = 5, N_ORDERED = 500 };

static void publish_ordered(struct fixture *f)
{
    struct sl_grpc_publisher *publisher;
    char key[16], data[16];
    cr_assert_eq(sl_grpc_publisher_create(&publisher, SL_PLAIN_PEER(peer()), f->topic, NULL, NULL, NULL, &f->err), SL_OK);
    for (int i = 0; i < N_ORDERED; i++) {
        snprintf(key, sizeof key, "key-%d", i % N_KEYS);
        snprintf(data, sizeof data, "%d", i);
        cr_assert_eq(sl_grpc_publisher_add_ordered(publisher, key, data, strlen(data), NULL, 0, &f->err), SL_OK, "%s", f->err.text);
    }
    cr_assert_eq(sl_grpc_publisher_flush(publisher, &f->err), SL_OK, "%s", f->err.text);
    sl_grpc_publisher_destroy(&publisher);
}

/* Each key's messages in the order they were published, and every ack confirmed. */
Test(grpc_peer, ordered_and_exactly_once)
{
    struct fixture f;
    struct sl_bus_batch batch = {0};
    struct sl_grpc_bus_stats stats;
    int last[N_KEYS] = {-1, -1, -1, -1, -1}, seen = 0;
    start_with(&f, true, true);
    publish_ordered(&f);
    while (seen < N_ORDERED) {
        cr_assert_eq(sl_bus_receive(f.bus, 50, 1000000, LIMIT_MS, &batch, &f.err), SL_OK, "%s", f.err.text);
        cr_assert_gt(batch.n, 0, "nothing came after %d", seen);
        for (size_t i = 0; i < batch.n; i++, seen++) {
            const int number = atoi(batch.messages[i].message.data), key = atoi(batch.messages[i].ordering_key + strlen("key-"));
            cr_assert_eq(number % N_KEYS, key);
            cr_assert_eq(number, last[key] < 0 ? key : last[key] + N_KEYS, "key-%d: %d after %d", key, number, last[key]);
            last[key] = number;
        }
        cr_assert_eq(sl_bus_ack(f.bus, &batch, &f.err), SL_OK);
    }
    cr_assert(sl_grpc_bus_settle(f.bus, LIMIT_MS));
    sl_grpc_bus_stats(f.bus, &stats);
    cr_expect_eq(stats.acks_confirmed, N_ORDERED);
    cr_expect_eq(stats.acks_lost, 0);
    sl_bus_batch_fini(&batch);
    finish(&f);
}
