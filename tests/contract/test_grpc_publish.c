/* test_grpc_publish.c - publishing over gRPC, one at a time and many, and the calls for topics and subscriptions: against a server that does what it is told. */
#include <stdlib.h>
#include <string.h>

#include "client_bed.h"

/* ---- one at a time ---- */

Test(grpc_publish, publishes_one_and_tries_again)
{
    static const struct {
        const char *label;
        int codes[4];
        size_t n;
        int missing_ids;
        const char *attributes;
        enum sl_code expected;
        size_t calls;
        const char *sentence;
    } CASES[] = {
        {"at once", {0}, 0, 0, "{\"a\":\"b\"}", SL_OK, 1, ""},
        {"no attributes", {0}, 0, 0, NULL, SL_OK, 1, ""},
        {"after three", {SL_RPC_UNAVAILABLE, SL_RPC_CANCELLED, SL_RPC_UNKNOWN}, 3, 0, "{}", SL_OK, 4, ""},
        {"refused", {SL_RPC_INVALID_ARGUMENT}, 1, 0, "{}", SL_INVALID, 1, "INVALID_ARGUMENT"},
        {"no topic", {SL_RPC_NOT_FOUND}, 1, 0, "{}", SL_NOT_FOUND, 1, "NOT_FOUND"},
        {"denied", {SL_RPC_PERMISSION_DENIED}, 1, 0, "{}", SL_DENIED, 1, "PERMISSION_DENIED"},
        {"no id", {0}, 0, 1, "{}", SL_UNAVAILABLE, 1, "was answered with 0 ids"},
        {"two ids", {0}, 0, -1, "{}", SL_UNAVAILABLE, 1, "was answered with 2 ids"},
        {"attributes not JSON", {0}, 0, 0, "{", SL_INVALID, 0, "attributes are no JSON object"},
        {"attributes an array", {0}, 0, 0, "[]", SL_INVALID, 0, "attributes are no JSON object"},
        {"an attribute of a number", {0}, 0, 0, "{\"a\":1}", SL_INVALID, 0, "attribute a is no string"},
        {"not UTF-8", {0}, 0, 0, "{\"a\":\"\xff\"}", SL_INVALID, 0, "attributes are no JSON object"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct client f;
        client_start(&f);
        fake_answer(&f.fake, "Publish", CASES[i].codes, CASES[i].n);
        f.fake.missing_ids = CASES[i].missing_ids;
        client_join(&f, 0, client_quick());
        cr_expect_eq(sl_bus_publish(f.bus, "t", "data", 4, CASES[i].attributes, &f.err), CASES[i].expected, "%s: %s", CASES[i].label,
                     f.err.text);
        cr_expect_eq(fake_calls(&f.fake, "Publish"), CASES[i].calls, "%s", CASES[i].label);
        if (CASES[i].expected != SL_OK)
            cr_expect(strstr(f.err.text, CASES[i].sentence), "%s: %s", CASES[i].label, f.err.text);
        client_finish(&f);
    }
}

Test(grpc_publish, publishing_ends_in_time)
{
    static int codes[64];
    for (size_t i = 0; i < 64; i++)
        codes[i] = i % 2 ? SL_RPC_UNAVAILABLE : FAKE_NEVER;
    struct client f;
    client_start(&f);
    fake_answer(&f.fake, "Publish", codes, 64);
    struct sl_grpc_bus_options options = client_quick();
    options.call_ms = 50;
    options.publish_ms = 400;
    client_join(&f, 0, options);
    cr_assert_eq(sl_bus_publish(f.bus, "t", "data", 4, NULL, &f.err), SL_UNAVAILABLE);
    cr_assert_lt(fake_calls(&f.fake, "Publish"), 20, "the 65th would be answered well");
    client_finish(&f);
}

/* The last try has only what is left of the time: it must not hide what the server said. */
Test(grpc_publish, what_the_server_said_outlives_a_try_that_was_cut)
{
    static const int CODES[] = {SL_RPC_RESOURCE_EXHAUSTED, FAKE_NEVER};
    struct client f;
    client_start(&f);
    fake_answer(&f.fake, "Publish", CODES, 2);
    struct sl_grpc_bus_options options = client_quick();
    options.publish_ms = 2000;
    client_join(&f, 0, options);
    cr_assert_eq(sl_bus_publish(f.bus, "t", "data", 4, NULL, &f.err), SL_UNAVAILABLE);
    cr_expect_not_null(strstr(f.err.text, "RESOURCE_EXHAUSTED"), "%s", f.err.text);
    cr_expect_eq(fake_calls(&f.fake, "Publish"), 2);
    client_finish(&f);
}

/* ---- many ---- */

struct results {
    size_t next, failed;
    enum sl_code code;
    char id[64], sentence[1024];
};

static void on_result(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *err)
{
    struct results *results = arg;
    cr_assert_eq(index, results->next++, "out of order");
    cr_assert_eq(id != NULL, code == SL_OK);
    if (id)
        snprintf(results->id, sizeof results->id, "%s", id);
    if (code == SL_OK)
        return;
    results->failed++;
    results->code = code;
    snprintf(results->sentence, sizeof results->sentence, "%s", err->text);
}

static struct sl_grpc_publisher *publisher_of(struct client *f, struct sl_grpc_publisher_options options, struct results *results)
{
    struct sl_grpc_publisher *publisher;
    *results = (struct results){0};
    options.backoff_min_ms = 10;
    cr_assert_eq(
        sl_grpc_publisher_create(&publisher, SL_PLAIN_PEER(f->fake.address), "projects/p/topics/t", &options, on_result, results, NULL),
        SL_OK);
    return publisher;
}

static void add(struct sl_grpc_publisher *publisher, int from, int to)
{
    for (int i = from; i < to; i++) {
        char data[32];
        snprintf(data, sizeof data, "%d", i);
        cr_assert_eq(sl_grpc_publisher_add(publisher, data, strlen(data), NULL, 0, NULL), SL_OK);
    }
}

Test(grpc_publish, many_messages_in_batches_with_results_in_order)
{
    static const int CODES[] = {SL_RPC_UNAVAILABLE, 0, SL_RPC_INTERNAL, SL_RPC_ABORTED};
    struct client f;
    struct results results;
    client_start(&f);
    fake_answer(&f.fake, "Publish", CODES, 4);
    struct sl_grpc_publisher *publisher = publisher_of(&f, (struct sl_grpc_publisher_options){.delay_ms = LIMIT_MS}, &results);
    add(publisher, 0, 12345);
    cr_assert_eq(sl_grpc_publisher_flush(publisher, NULL), SL_OK);
    cr_assert_eq(results.next, 12345);
    cr_assert_eq(results.failed, 0);
    cr_assert_str_eq(results.id, "id-12344");
    cr_assert_eq(fake_count(&f.fake, &f.fake.published), 12345);
    cr_assert_eq(fake_count(&f.fake, &f.fake.largest_publish), 1000);
    sl_grpc_publisher_destroy(&publisher);
    client_finish(&f);
}

Test(grpc_publish, one_bad_message_fails_alone)
{
    struct client f;
    struct results results;
    client_start(&f);
    f.fake.bad_data = "7";
    struct sl_grpc_publisher *publisher = publisher_of(&f, (struct sl_grpc_publisher_options){.delay_ms = LIMIT_MS}, &results);
    struct sl_err err = {0};
    add(publisher, 0, 10);
    cr_assert_eq(sl_grpc_publisher_flush(publisher, &err), SL_INVALID);
    cr_assert_eq(results.next, 10);
    cr_assert_eq(results.failed, 1);
    cr_assert_eq(results.code, SL_INVALID);
    add(publisher, 10, 12);
    cr_assert_eq(sl_grpc_publisher_flush(publisher, &err), SL_OK, "the failure was told");
    const struct sl_attribute bad = {"a", "\xff"};
    cr_assert_eq(sl_grpc_publisher_add(publisher, "x", 1, &bad, 1, &err), SL_INVALID);
    cr_assert_eq(results.next, 12);
    sl_grpc_publisher_destroy(&publisher);
    client_finish(&f);
}

Test(grpc_publish, fewer_ids_than_messages_is_a_failure)
{
    struct client f;
    struct results results;
    client_start(&f);
    f.fake.missing_ids = 1;
    struct sl_grpc_publisher *publisher = publisher_of(&f, (struct sl_grpc_publisher_options){.delay_ms = LIMIT_MS}, &results);
    add(publisher, 0, 5);
    cr_assert_eq(sl_grpc_publisher_flush(publisher, NULL), SL_UNAVAILABLE);
    cr_assert_eq(results.failed, 5);
    cr_assert_str_eq(results.sentence, "Publish of 5 messages was answered with 4 ids");
    sl_grpc_publisher_destroy(&publisher);
    client_finish(&f);
}

Test(grpc_publish, a_batch_that_doesnt_fill_goes_after_its_delay)
{
    struct client f;
    struct results results;
    client_start(&f);
    struct sl_grpc_publisher *publisher = publisher_of(&f, (struct sl_grpc_publisher_options){.delay_ms = 5}, &results);
    add(publisher, 0, 3);
    cr_assert(fake_wait(&f.fake, &f.fake.published, 3, LIMIT_MS));
    sl_grpc_publisher_destroy(&publisher);
    client_finish(&f);
}

Test(grpc_publish, large_messages_go_alone_and_failures_end_in_time)
{
    enum { BYTES = 800000 };
    static int codes[64];
    for (size_t i = 0; i < 64; i++)
        codes[i] = SL_RPC_UNAVAILABLE;
    struct client f;
    struct results results;
    client_start(&f);
    struct sl_grpc_publisher *publisher = publisher_of(&f, (struct sl_grpc_publisher_options){.in_flight = 2}, &results);
    char *data = calloc(BYTES, 1);
    for (int i = 0; i < 6; i++)
        cr_assert_eq(sl_grpc_publisher_add(publisher, data, BYTES, NULL, 0, NULL), SL_OK);
    cr_assert_eq(sl_grpc_publisher_flush(publisher, NULL), SL_OK);
    cr_assert_eq(fake_count(&f.fake, &f.fake.largest_publish), 1);
    sl_grpc_publisher_destroy(&publisher);
    publisher = publisher_of(&f, (struct sl_grpc_publisher_options){.publish_ms = 300}, &results);
    fake_answer(&f.fake, "Publish", codes, 64);
    add(publisher, 0, 3);
    cr_assert_eq(sl_grpc_publisher_flush(publisher, NULL), SL_UNAVAILABLE);
    cr_assert_eq(results.failed, 3);
    free(data);
    sl_grpc_publisher_destroy(&publisher);
    client_finish(&f);
}

/* ---- topics and subscriptions ---- */

Test(grpc_publish, admin_calls)
{
    static const int CODES[] = {SL_RPC_ALREADY_EXISTS, SL_RPC_NOT_FOUND};
    struct client f;
    struct sl_pubsub_admin *admin;
    struct sl_arena arena = {0};
    struct sl_pubsub_topic topic = {.name = "projects/p/topics/t"};
    client_start(&f);
    cr_assert_eq(sl_pubsub_admin_create(&admin, SL_PLAIN_PEER(f.fake.address), NULL), SL_OK);
    sl_pubsub_put_topic(&f.fake.reply, &topic);
    fake_answer(&f.fake, "CreateTopic", CODES, 1);
    cr_assert_eq(sl_pubsub_admin_create_topic(admin, &topic, &f.err), SL_CONFLICT);
    cr_assert(strstr(f.err.text, "projects/p/topics/t: "), "%s", f.err.text);
    cr_assert_eq(sl_pubsub_admin_create_topic(admin, &topic, &f.err), SL_OK);
    topic.name = NULL;
    cr_assert_eq(sl_pubsub_admin_get_topic(admin, "projects/p/topics/t", &topic, &arena, &f.err), SL_OK);
    cr_assert_str_eq(topic.name, "projects/p/topics/t");
    fake_answer(&f.fake, "GetTopic", CODES + 1, 1);
    cr_assert_eq(sl_pubsub_admin_get_topic(admin, "projects/p/topics/t", &topic, &arena, &f.err), SL_NOT_FOUND);
    cr_assert_eq(sl_pubsub_admin_delete_topic(admin, "projects/p/topics/t", &f.err), SL_INVALID, "the fake has no such method");
    const char **names;
    size_t n;
    cr_assert_eq(sl_pubsub_admin_topic_subscriptions(admin, "projects/p/topics/t", &names, &n, &arena, &f.err), SL_OK);
    cr_assert_eq(n, 1);
    pthread_mutex_lock(&f.fake.mutex);
    sl_pubsub_put_page_token(&f.fake.reply, "more"); /* every page says that there is another */
    pthread_mutex_unlock(&f.fake.mutex);
    cr_assert_eq(sl_pubsub_admin_topic_subscriptions(admin, "projects/p/topics/t", &names, &n, &arena, &f.err), SL_UNAVAILABLE);
    sl_arena_fini(&arena);
    sl_pubsub_admin_destroy(&admin);
    client_finish(&f);
}
