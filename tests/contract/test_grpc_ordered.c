/* test_grpc_ordered.c - messages with ordering keys, published: one request of a key at a time, and nothing overtakes what failed. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>

#include "../../src/pubsub/grpc_retry.h"
#include "fake_pubsub.h"

enum { LIMIT_MS = 60000 };

struct fixture {
    struct fake fake;
    struct sl_grpc_publisher *publisher;
    struct sl_err err;
    char results[512]; /* "INDEX:CODE " */
};

static void on_result(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *err)
{
    struct fixture *f = arg;
    (void)id;
    (void)err;
    snprintf(f->results + strlen(f->results), sizeof f->results - strlen(f->results), "%zu:%s ", index, code == SL_OK ? "ok" : "failed");
}

static void start(struct fixture *f, struct sl_grpc_publisher_options options)
{
    *f = (struct fixture){0};
    options.backoff_min_ms = 5;
    options.backoff_max_ms = 20;
    if (!options.delay_ms)
        options.delay_ms = LIMIT_MS;
    fake_start(&f->fake, "127.0.0.1:0");
    cr_assert_eq(
        sl_grpc_publisher_create(&f->publisher, SL_PLAIN_PEER(f->fake.address), "projects/p/topics/t", &options, on_result, f, &f->err),
        SL_OK);
}

static void finish(struct fixture *f)
{
    sl_grpc_publisher_destroy(&f->publisher);
    fake_fini(&f->fake);
}

static enum sl_code add(struct fixture *f, const char *key, const char *data)
{
    return sl_grpc_publisher_add_ordered(f->publisher, key, data, strlen(data), NULL, 0, &f->err);
}

static void add_all(struct fixture *f, const char *const *messages, size_t n) /* "k1": key k, body 1 */
{
    for (size_t i = 0; i < n; i++)
        cr_assert_eq(add(f, (char[]){messages[i][0] == '-' ? '\0' : messages[i][0], '\0'}, messages[i] + 1), SL_OK, "%s", f->err.text);
}

Test(grpc_ordered, a_request_holds_one_key)
{
    static const char *const MESSAGES[] = {"a1", "b2", "a3", "-4", "b5", "-6"};
    struct fixture f;
    start(&f, (struct sl_grpc_publisher_options){0});
    add_all(&f, MESSAGES, 6);
    cr_assert_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_eq(fake_calls(&f.fake, "Publish"), 3);
    cr_expect_eq(fake_count(&f.fake, &f.fake.published), 6);
    for (size_t i = 0; i < f.fake.n_calls; i++)
        cr_expect(strcmp(f.fake.calls[i].ids, "a:1 a:3 ") == 0 || strcmp(f.fake.calls[i].ids, "b:2 b:5 ") == 0 ||
                      strcmp(f.fake.calls[i].ids, ":4 :6 ") == 0,
                  "%s", f.fake.calls[i].ids);
    cr_expect_str_eq(f.results, "0:ok 2:ok 1:ok 4:ok 3:ok 5:ok ");
    finish(&f);
}

/* Two batches of one key: the second waits for the answer to the first, over all its tries. */
Test(grpc_ordered, one_request_of_a_key_at_a_time)
{
    static const int CODES[] = {SL_RPC_UNAVAILABLE, FAKE_NEVER, FAKE_NEVER};
    struct fixture f;
    start(&f, (struct sl_grpc_publisher_options){.max_messages = 1});
    fake_answer(&f.fake, "Publish", CODES, 3);
    cr_assert_eq(add(&f, "a", "1"), SL_OK);
    cr_assert_eq(add(&f, "a", "2"), SL_OK);
    cr_assert_eq(add(&f, "b", "3"), SL_OK);
    cr_assert(fake_wait_calls(&f.fake, "Publish", 3, LIMIT_MS));
    cr_expect_not(fake_wait_calls(&f.fake, "Publish", 4, 100), "the second of a key overtakes the first");
    finish(&f);
}

Test(grpc_ordered, a_failure_stops_the_key_until_it_is_resumed)
{
    static const char *const MESSAGES[] = {"a1", "a2", "b3"};
    struct fixture f;
    start(&f, (struct sl_grpc_publisher_options){.max_messages = 1});
    f.fake.bad_data = "1";
    add_all(&f, MESSAGES, 3);
    cr_assert_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_INVALID);
    cr_expect_str_eq(f.results, "0:failed 1:failed 2:ok ");
    cr_expect_eq(fake_count(&f.fake, &f.fake.published), 1, "b's");
    cr_expect_eq(add(&f, "a", "4"), SL_UNAVAILABLE);
    cr_expect_str_eq(f.err.text, "ordering key a is stopped: an earlier message of it failed");
    sl_grpc_publisher_resume(f.publisher, "a");
    sl_grpc_publisher_resume(f.publisher, "never stopped");
    cr_expect_eq(add(&f, "a", "5"), SL_OK);
    cr_expect_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_OK);
    cr_expect_str_eq(f.results, "0:failed 1:failed 2:ok 3:ok ");
    finish(&f);
}

/* Tried message by message, the ones before the bad one are published, those after it are not. */
Test(grpc_ordered, one_bad_message_of_a_batch_ends_it_there)
{
    static const char *const MESSAGES[] = {"a1", "a2", "a3"};
    struct fixture f;
    start(&f, (struct sl_grpc_publisher_options){0});
    f.fake.bad_data = "2";
    add_all(&f, MESSAGES, 3);
    cr_assert_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_INVALID);
    cr_expect_str_eq(f.results, "0:ok 1:failed 2:failed ");
    finish(&f);
}

Test(grpc_ordered, keys_that_the_api_refuses)
{
    static char longest[1026];
    struct fixture f;
    memset(longest, 'k', 1025);
    start(&f, (struct sl_grpc_publisher_options){0});
    cr_expect_eq(add(&f, "\xff", "1"), SL_INVALID);
    cr_expect_eq(add(&f, longest, "1"), SL_INVALID);
    longest[1024] = '\0';
    cr_expect_eq(add(&f, longest, "1"), SL_OK);
    cr_expect_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_OK);
    finish(&f);
}

/* One id too few or too many: nobody can say which message has which. */
Test(grpc_ordered, answers_with_other_than_an_id_per_message)
{
    static const int MISSING[] = {1, -1, 3};
    for (size_t i = 0; i < sizeof MISSING / sizeof *MISSING; i++) {
        static const char *const MESSAGES[] = {"a1", "a2", "a3"};
        struct fixture f;
        start(&f, (struct sl_grpc_publisher_options){0});
        f.fake.missing_ids = MISSING[i];
        add_all(&f, MESSAGES, 3);
        cr_expect_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_UNAVAILABLE, "%d missing", MISSING[i]);
        cr_expect_str_eq(f.results, "0:failed 1:failed 2:failed ");
        finish(&f);
    }
}

/* More keys than batches may be open. */
Test(grpc_ordered, many_keys)
{
    struct fixture f;
    char key[16];
    start(&f, (struct sl_grpc_publisher_options){.in_flight = 3});
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "key-%d", i % 50);
        cr_assert_eq(add(&f, key, "x"), SL_OK);
        memset(f.results, 0, sizeof f.results);
    }
    cr_expect_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_OK);
    cr_expect_eq(fake_count(&f.fake, &f.fake.published), 200);
    finish(&f);
}

Test(grpc_ordered, compressed_requests_arrive_whole)
{
    struct fixture f;
    static char body[100001];
    memset(body, 'x', 100000);
    start(&f, (struct sl_grpc_publisher_options){.compress = true});
    cr_assert_eq(add(&f, NULL, body), SL_OK);
    cr_assert_eq(add(&f, "k", "small"), SL_OK);
    cr_expect_eq(sl_grpc_publisher_flush(f.publisher, &f.err), SL_OK, "%s", f.err.text);
    cr_expect_eq(fake_count(&f.fake, &f.fake.published), 2);
    finish(&f);
}

/* The bus takes lists: one message of a list is a list too. */
Test(grpc_ordered, a_list_of_the_bus_keeps_its_keys)
{
    static const struct sl_outgoing MESSAGES[] = {{"1", 1, "{}", "a"}, {"2", 1, NULL, "a"}};
    static const char *const EXPECTED[] = {"a:1 ", "a:1 a:2 "};
    for (size_t n = 1; n <= 2; n++) {
        struct fixture f = {0};
        struct sl_config config = {.bus = {.project = "p"}};
        struct sl_bus *bus;
        size_t done;
        fake_start(&f.fake, "127.0.0.1:0");
        cr_assert_eq(sl_grpc_bus_create(&bus, SL_PLAIN_PEER(f.fake.address), &config, NULL, 0, NULL, &f.err), SL_OK, "%s", f.err.text);
        cr_expect_eq(sl_bus_publish_all(bus, "t", MESSAGES, n, &done, &f.err), SL_OK, "%s", f.err.text);
        cr_expect_eq(done, n);
        cr_expect_str_eq(f.fake.calls[0].ids, EXPECTED[n - 1]);
        sl_bus_destroy(&bus);
        fake_fini(&f.fake);
    }
}
