/* The embedded broker as its clients see it: every method over a real connection. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker_bed.h"

#define PROJECT "projects/p"

/* ---- topics ---- */

Test(broker, topics)
{
    struct bed bed;
    bed_open(&bed, NULL);
    static const struct {
        const char *label, *name, *message;
        enum sl_rpc_code code;
    } cases[] = {
        {"new", TOPIC, "", SL_RPC_OK},
        {"again", TOPIC, "Topic already exists", SL_RPC_ALREADY_EXISTS},
        {"short id", "projects/p/topics/ab", "Invalid [topics] name: (name=projects/p/topics/ab)", SL_RPC_INVALID_ARGUMENT},
        {"reserved id", "projects/p/topics/googler", "Invalid [topics] name: (name=projects/p/topics/googler)", SL_RPC_INVALID_ARGUMENT},
        {"no name", "", "Invalid [topics] name: (name=)", SL_RPC_INVALID_ARGUMENT},
        {"another kind", SUB, "Invalid [topics] name: (name=" SUB ")", SL_RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(try_topic(&bed, cases[i].name), cases[i].code, "%s", cases[i].label);
        cr_expect_str_eq(bed.message, cases[i].message, "%s", cases[i].label);
    }
    cr_expect_eq(delete_topic(&bed, TOPIC), SL_RPC_OK);
    cr_expect_eq(delete_topic(&bed, TOPIC), SL_RPC_NOT_FOUND);
    cr_expect_str_eq(bed.message, "Topic not found");
    bed_close(&bed);
}

Test(broker, topic_get_and_update)
{
    struct bed bed;
    struct sl_buf request = {0}, response = {0};
    struct sl_arena arena = {0};
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    const char *keys[] = {"team"}, *values[] = {"blue"};
    struct sl_pubsub_topic topic = {.name = TOPIC, .labels = {.keys = keys, .values = values, .n = 1}, .retention_ms = 600000};
    const char *paths[] = {"labels", "message_retention_duration"}, *wrong[] = {"name"};
    sl_pubsub_put_update_topic(&request, &topic, paths, 1);
    cr_expect_eq(bed_call(&bed, "Publisher/UpdateTopic", &request, NULL), SL_RPC_OK, "%s", bed.message);
    sl_pubsub_put_update_topic(&request, &topic, wrong, 1);
    cr_expect_eq(bed_call(&bed, "Publisher/UpdateTopic", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    sl_pubsub_put_update_topic(&request, &topic, NULL, 0);
    cr_expect_eq(bed_call(&bed, "Publisher/UpdateTopic", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    bed_restart(&bed);
    sl_pubsub_put_name(&request, TOPIC);
    cr_expect_eq(bed_call(&bed, "Publisher/GetTopic", &request, &response), SL_RPC_OK);
    cr_assert_eq(sl_pubsub_read_topic(&topic, response.data, response.len, &arena, NULL), SL_OK);
    cr_expect_str_eq(topic.name, TOPIC);
    cr_assert_eq(topic.labels.n, 1);
    cr_expect_str_eq(topic.labels.values[0], "blue");
    cr_expect_eq(topic.retention_ms, 0, "was not in the mask");
    sl_pubsub_put_name(&request, "projects/p/topics/none");
    cr_expect_eq(bed_call(&bed, "Publisher/GetTopic", &request, &response), SL_RPC_NOT_FOUND);
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    bed_close(&bed);
}

/* Follows the pages; "a,b|c" is two pages. Whole messages begin with field 1, the name. */
static char *list_text(struct bed *bed, const char *method, const char *parent, int page, bool whole)
{
    struct sl_buf request = {0}, response = {0}, text = {0};
    struct sl_arena arena = {0};
    const char *token = "";
    do {
        struct sl_span *items;
        size_t n;
        sl_pubsub_put_list(&request, parent, page, token);
        cr_assert_eq(bed_call(bed, method, &request, &response), SL_RPC_OK, "%s", bed->message);
        char *kept = sl_arena_strndup(&arena, response.data ? response.data : "", response.len);
        cr_assert_eq(sl_pubsub_read_items(&items, &n, &token, kept, response.len, &arena, NULL), SL_OK);
        for (size_t i = 0; i < n; i++) {
            const char *name = sl_arena_strndup(&arena, items[i].ptr, items[i].len);
            if (whole)
                cr_assert_eq(sl_pubsub_read_name(&name, items[i].ptr, items[i].len, &arena, NULL), SL_OK);
            sl_buf_printf(&text, "%s%s", i ? "," : "", strrchr(name, '/') + 1);
        }
        if (*token)
            sl_buf_char(&text, '|');
    } while (*token);
    sl_buf_char(&text, '\n');
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    return text.data;
}

Test(broker, lists_are_sorted_and_paged)
{
    struct bed bed;
    bed_open(&bed, NULL);
    static const char *const topics[] = {"projects/p/topics/ccc", "projects/p/topics/aaa", "projects/p/topics/bbb", "projects/q/topics/zzz",
                                         "projects/p2/topics/yyy"};
    for (size_t i = 0; i < 5; i++)
        make_topic(&bed, topics[i]);
    make_subscription(&bed, PROJECT "/subscriptions/sub3", topics[0]);
    make_subscription(&bed, PROJECT "/subscriptions/sub1", topics[0]);
    make_subscription(&bed, PROJECT "/subscriptions/sub2", topics[1]);
    static const struct {
        const char *method, *parent, *expected;
        int page;
        bool whole;
    } cases[] = {
        {"Publisher/ListTopics", PROJECT, "aaa,bbb,ccc\n", 0, true},
        {"Publisher/ListTopics", PROJECT, "aaa,bbb|ccc\n", 2, true},
        {"Publisher/ListTopics", PROJECT, "aaa,bbb,ccc\n", 3, true},
        {"Publisher/ListTopics", "projects/q", "zzz\n", 1, true},
        {"Publisher/ListTopics", "projects/none", "\n", 1, true},
        {"Publisher/ListTopicSubscriptions", PROJECT "/topics/ccc", "sub1,sub3\n", 0, false},
        {"Publisher/ListTopicSubscriptions", PROJECT "/topics/ccc", "sub1|sub3\n", 1, false},
        {"Subscriber/ListSubscriptions", PROJECT, "sub1,sub2|sub3\n", 2, true},
        {"Subscriber/ListSubscriptions", "projects/q", "\n", 2, true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = list_text(&bed, cases[i].method, cases[i].parent, cases[i].page, cases[i].whole);
        cr_expect_str_eq(text, cases[i].expected, "%s of %s by %d: %s", cases[i].method, cases[i].parent, cases[i].page, text);
        free(text);
    }
    bed_close(&bed);
}

/* ---- subscriptions ---- */

Test(broker, subscriptions_are_checked)
{
    struct bed bed;
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    make_topic(&bed, DLQ);
    make_subscription(&bed, "projects/p/subscriptions/there", TOPIC);
    static const struct {
        const char *label;
        struct sl_pubsub_subscription config;
        enum sl_rpc_code code;
        const char *message;
    } cases[] = {
        {"name",
         {.name = "projects/p/subscriptions/x", .topic = TOPIC},
         SL_RPC_INVALID_ARGUMENT,
         "Invalid [subscriptions] name: (name=projects/p/subscriptions/x)"},
        {"there already", {.name = "projects/p/subscriptions/there", .topic = TOPIC}, SL_RPC_ALREADY_EXISTS, "Subscription already exists"},
        {"no such topic", {.name = SUB, .topic = "projects/p/topics/none"}, SL_RPC_NOT_FOUND, "Subscription topic does not exist"},
        {"deadline",
         {.name = SUB, .topic = TOPIC, .ack_deadline_s = 9},
         SL_RPC_INVALID_ARGUMENT,
         "Invalid ack deadline given: 9 (must be between 10 and 600 seconds)"},
        {"deadline",
         {.name = SUB, .topic = TOPIC, .ack_deadline_s = 601},
         SL_RPC_INVALID_ARGUMENT,
         "Invalid ack deadline given: 601 (must be between 10 and 600 seconds)"},
        {"retention",
         {.name = SUB, .topic = TOPIC, .retention_ms = 599000},
         SL_RPC_INVALID_ARGUMENT,
         "message_retention_duration must be between 10 minutes and 31 days"},
        {"attempts",
         {.name = SUB, .topic = TOPIC, .dead_letter_topic = DLQ, .max_delivery_attempts = 3},
         SL_RPC_OUT_OF_RANGE,
         "The value for max_delivery_attempts is too small. You passed 3 in the request, but the minimum value is 5."},
        {"attempts",
         {.name = SUB, .topic = TOPIC, .dead_letter_topic = DLQ, .max_delivery_attempts = 101},
         SL_RPC_OUT_OF_RANGE,
         "The value for max_delivery_attempts is too large. You passed 101 in the request, but the maximum value is 100."},
        {"dead letter topic",
         {.name = SUB, .topic = TOPIC, .dead_letter_topic = "projects/p/topics/none"},
         SL_RPC_NOT_FOUND,
         "Dead letter topic does not exist (resource=projects/p/topics/none)"},
        {"backoff",
         {.name = SUB, .topic = TOPIC, .has_retry = true, .min_backoff_ms = 1, .max_backoff_ms = 601000},
         SL_RPC_INVALID_ARGUMENT,
         "retry_policy: a backoff must be between 0 and 600 seconds"},
        {"backoff",
         {.name = SUB, .topic = TOPIC, .has_retry = true, .min_backoff_ms = 3000, .max_backoff_ms = 2000},
         SL_RPC_INVALID_ARGUMENT,
         "retry_policy: minimum_backoff is greater than maximum_backoff"},
        {"filter",
         {.name = SUB, .topic = TOPIC, .filter = "attributes:"},
         SL_RPC_INVALID_ARGUMENT,
         "Invalid filter: an attribute's key is expected at character 12"},
        {"all of it",
         {.name = SUB,
          .topic = TOPIC,
          .ack_deadline_s = 30,
          .dead_letter_topic = DLQ,
          .max_delivery_attempts = 7,
          .has_retry = true,
          .min_backoff_ms = 2000,
          .max_backoff_ms = 4000,
          .filter = "attributes:a",
          .ordering = true,
          .exactly_once = true,
          .retain_acked = true},
         SL_RPC_OK,
         ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(try_subscription(&bed, &cases[i].config), cases[i].code, "%s: %s", cases[i].label, bed.message);
        cr_expect_str_eq(bed.message, cases[i].message, "%s", cases[i].label);
    }
    bed_close(&bed);
}

Test(broker, subscription_defaults_and_update)
{
    struct bed bed;
    struct sl_pubsub_subscription config;
    struct sl_arena arena = {0};
    struct sl_buf request = {0};
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    make_topic(&bed, DLQ);
    cr_assert_eq(try_subscription(&bed, &(struct sl_pubsub_subscription){.name = SUB, .topic = TOPIC}), SL_RPC_OK, "%s", bed.message);
    get_subscription(&bed, &config, &arena);
    cr_expect_str_eq(config.topic, TOPIC);
    cr_expect_eq(config.ack_deadline_s, 10);
    cr_expect_eq(config.retention_ms, INT64_C(604800000));
    cr_expect_null(config.dead_letter_topic);
    cr_expect_not(config.has_retry);
    struct sl_pubsub_subscription asked = {.name = SUB,
                                           .topic = DLQ,
                                           .ack_deadline_s = 77,
                                           .dead_letter_topic = DLQ,
                                           .has_retry = true,
                                           .min_backoff_ms = 1000,
                                           .max_backoff_ms = 9000};
    const char *paths[] = {"ack_deadline_seconds", "dead_letter_policy", "retry_policy"}, *wrong[] = {"topic"}, *fixed[] = {"filter"};
    sl_pubsub_put_update_subscription(&request, &asked, paths, 3);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSubscription", &request, NULL), SL_RPC_OK, "%s", bed.message);
    sl_pubsub_put_update_subscription(&request, &asked, wrong, 1);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSubscription", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    sl_pubsub_put_update_subscription(&request, &asked, fixed, 1);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSubscription", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    bed_restart(&bed);
    get_subscription(&bed, &config, &arena);
    cr_expect_str_eq(config.topic, TOPIC, "was not in the mask");
    cr_expect_eq(config.ack_deadline_s, 77);
    cr_expect_str_eq(config.dead_letter_topic, DLQ);
    cr_expect_eq(config.max_delivery_attempts, 5);
    cr_expect_eq(config.min_backoff_ms, 1000);
    cr_expect_eq(delete_topic(&bed, TOPIC), SL_RPC_OK);
    get_subscription(&bed, &config, &arena);
    cr_expect_str_eq(config.topic, "_deleted-topic_");
    bed_restart(&bed);
    get_subscription(&bed, &config, &arena);
    cr_expect_str_eq(config.topic, "_deleted-topic_");
    sl_arena_fini(&arena);
    bed_close(&bed);
}

/* ---- publish ---- */

Test(broker, publish_is_checked)
{
    struct bed bed;
    struct sl_buf request = {0};
    char longest[1100];
    memset(longest, 'x', sizeof(longest));
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    static const struct {
        const char *label, *topic, *data, *key, *message;
        size_t n, key_len, value_len;
        enum sl_rpc_code code;
    } cases[] = {
        {"one", TOPIC, "x", NULL, "", 1, 0, 0, SL_RPC_OK},
        {"a thousand", TOPIC, "x", NULL, "", 1000, 0, 0, SL_RPC_OK},
        {"attributes only", TOPIC, "", "k", "", 1, 1, 1, SL_RPC_OK},
        {"none", TOPIC, "x", NULL, "No messages to publish", 0, 0, 0, SL_RPC_INVALID_ARGUMENT},
        {"too many", TOPIC, "x", NULL, "Too many messages to publish", 1001, 0, 0, SL_RPC_INVALID_ARGUMENT},
        {"empty", TOPIC, "", NULL, "Some messages are empty", 1, 0, 0, SL_RPC_INVALID_ARGUMENT},
        {"no such topic", "projects/p/topics/none", "x", NULL, "Topic not found", 1, 0, 0, SL_RPC_NOT_FOUND},
        {"empty key", TOPIC, "x", "", "An attribute key is empty", 1, 0, 1, SL_RPC_INVALID_ARGUMENT},
        {"long key", TOPIC, "x", "x", "An attribute key has 257 bytes; at most 256", 1, 257, 1, SL_RPC_INVALID_ARGUMENT},
        {"long value", TOPIC, "x", "x", "The value of attribute x has 1025 bytes; at most 1024", 1, 1, 1025, SL_RPC_INVALID_ARGUMENT},
        {"reserved key", TOPIC, "x", "goog", "Attribute key goog begins with goog, which is reserved", 1, 4, 1, SL_RPC_INVALID_ARGUMENT},
        {"the official clients' own", TOPIC, "x", "googclient_traceparent", "", 1, 22, 1, SL_RPC_OK},
        {"not UTF-8", TOPIC, "x", "\xff", NULL, 1, 1, 1, SL_RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *value = sl_strndup(longest, cases[i].value_len);
        char *key = cases[i].key && *cases[i].key == 'x' ? sl_strndup(longest, cases[i].key_len) : sl_strdup(cases[i].key);
        struct sl_attribute attribute = {key, value};
        sl_pubsub_put_publish_topic(&request, cases[i].topic);
        for (size_t k = 0; k < cases[i].n; k++)
            sl_pubsub_put_message(&request, 2, cases[i].data, strlen(cases[i].data), &attribute, key ? 1 : 0, NULL);
        cr_expect_eq(bed_call(&bed, "Publisher/Publish", &request, NULL), cases[i].code, "%s: %s", cases[i].label, bed.message);
        if (cases[i].message)
            cr_expect_str_eq(bed.message, cases[i].message, "%s", cases[i].label);
        free(key);
        free(value);
    }
    sl_buf_str(&request, "\x0a\xff\xff\xff\xff\x0f");
    cr_expect_eq(bed_call(&bed, "Publisher/Publish", &request, NULL), SL_RPC_INVALID_ARGUMENT, "malformed");
    bed_close(&bed);
}

Test(broker, sizes_of_messages)
{
    struct bed bed;
    struct gots gots = {0};
    static const size_t sizes[] = {1, 3000000, 10000000, 10485000};
    char *data = sl_alloc(10485760);
    memset(data, 'd', 10485760);
    bed_open_with_sub(&bed, NULL);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(try_publish(&bed, TOPIC, data, sizes[i], NULL), SL_RPC_OK, "%zu: %s", sizes[i], bed.message);
    cr_expect_eq(try_publish(&bed, TOPIC, data, 10485760, NULL), SL_RPC_INVALID_ARGUMENT);
    for (size_t i = 0; i < 4;) {
        pull(&bed, SUB, 10, false, &gots);
        for (size_t k = 0; k < gots.n; k++, i++)
            cr_expect_eq(gots.items[k].len, sizes[i], "%zu", i);
        ack(&bed, SUB, &gots, 0, gots.n);
    }
    struct tap tap;
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(try_publish(&bed, TOPIC, data, sizes[i], NULL), SL_RPC_OK);
    tap_open_sub(&tap, &bed);
    tap_wait(&tap, 4);
    for (size_t i = 0; i < 4; i++)
        cr_expect_eq(tap.gots.items[i].len, sizes[i], "%zu on the stream", i);
    tap_close(&tap);
    free(data);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker, only_subscriptions_that_exist_get_a_message)
{
    struct bed bed;
    struct gots gots = {0};
    char first[64], second[64];
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    cr_assert_eq(try_publish(&bed, TOPIC, "dropped", 7, first), SL_RPC_OK);
    make_subscription(&bed, SUB, TOPIC);
    publish(&bed, TOPIC, "one");
    make_subscription(&bed, "projects/p/subscriptions/later", TOPIC);
    publish(&bed, TOPIC, "two");
    pull(&bed, SUB, 10, true, &gots);
    cr_assert_eq(gots.n, 2);
    cr_expect_str_eq(gots.items[0].text, "one");
    cr_expect_str_eq(gots.items[1].text, "two");
    pull(&bed, "projects/p/subscriptions/later", 10, true, &gots);
    cr_assert_eq(gots.n, 1);
    cr_expect_str_eq(gots.items[0].text, "two");
    delete_subscription(&bed, SUB);
    cr_expect_eq(try_pull(&bed, SUB, 1, true, &gots), SL_RPC_NOT_FOUND);
    cr_expect_str_eq(bed.message, "Subscription does not exist (resource=" SUB ")");
    bed_restart(&bed);
    cr_assert_eq(try_publish(&bed, TOPIC, "x", 1, second), SL_RPC_OK);
    cr_expect_str_neq(first, second, "an id is never given twice");
    gots_fini(&gots);
    bed_close(&bed);
}

/* ---- pull, ack, modify ---- */

Test(broker, pull_ack_nack)
{
    struct bed bed;
    struct gots gots = {0}, again = {0};
    bed_open_with_sub(&bed, NULL);
    publish_many(&bed, TOPIC, "m", 5, 0);
    expect_backlog(&bed, SUB, 5, 0);
    cr_expect_eq(try_pull(&bed, SUB, 0, true, &gots), SL_RPC_INVALID_ARGUMENT);
    cr_expect_str_eq(bed.message, "No max_messages specified");
    pull(&bed, SUB, 3, true, &gots);
    cr_assert_eq(gots.n, 3);
    expect_backlog(&bed, SUB, 2, 3);
    cr_expect_eq(gots.items[0].attempt, 0, "no dead letter policy: no attempts told");
    ack(&bed, SUB, &gots, 0, 1);
    ack(&bed, SUB, &gots, 0, 1);
    cr_expect_eq(modify(&bed, SUB, &gots, 1, 1, 0), SL_RPC_OK);
    cr_expect_eq(modify(&bed, SUB, &gots, 2, 1, 600), SL_RPC_OK);
    cr_expect_eq(modify(&bed, SUB, &gots, 2, 1, 601), SL_RPC_INVALID_ARGUMENT);
    cr_expect_eq(modify(&bed, SUB, &gots, 2, 1, -1), SL_RPC_INVALID_ARGUMENT);
    pull(&bed, SUB, 10, true, &again);
    cr_assert_eq(again.n, 3);
    cr_expect_str_eq(again.items[0].text, "m1", "what was nacked comes first");
    cr_expect_str_eq(again.items[0].id, gots.items[1].id);
    cr_expect_str_neq(again.items[0].ack_id, gots.items[1].ack_id);
    cr_expect_str_eq(again.items[1].text, "m3");
    ack(&bed, SUB, &again, 0, 3);
    expect_backlog(&bed, SUB, 0, 1);
    ack(&bed, SUB, &gots, 2, 1);
    expect_backlog(&bed, SUB, 0, 0);
    pull(&bed, SUB, 10, true, &again);
    cr_expect_eq(again.n, 0);
    gots_fini(&gots);
    gots_fini(&again);
    bed_close(&bed);
}

Test(broker, ack_ids_are_checked)
{
    struct bed bed;
    struct sl_buf request = {0};
    bed_open_with_sub(&bed, NULL);
    static const char *const garbage[] = {"zz"};
    static const struct {
        const char *label, *subscription, *message;
        size_t n;
        bool is_ack;
        enum sl_rpc_code code;
    } cases[] = {
        {"ack of garbage means nothing", SUB, "", 1, true, SL_RPC_OK},
        {"ack of nothing", SUB, "No ack ids specified.", 0, true, SL_RPC_INVALID_ARGUMENT},
        {"ack elsewhere", "projects/p/subscriptions/none", "Subscription does not exist (resource=projects/p/subscriptions/none)", 1, true,
         SL_RPC_NOT_FOUND},
        {"modify of garbage", SUB, "Invalid ack id (ack_id=zz)", 1, false, SL_RPC_INVALID_ARGUMENT},
        {"modify of nothing", SUB, "No ack ids specified.", 0, false, SL_RPC_INVALID_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].is_ack)
            sl_pubsub_put_acknowledge(&request, cases[i].subscription, garbage, cases[i].n);
        else
            sl_pubsub_put_modify(&request, cases[i].subscription, garbage, cases[i].n, 10);
        const char *method = cases[i].is_ack ? "Subscriber/Acknowledge" : "Subscriber/ModifyAckDeadline";
        cr_expect_eq(bed_call(&bed, method, &request, NULL), cases[i].code, "%s", cases[i].label);
        cr_expect_str_eq(bed.message, cases[i].message, "%s", cases[i].label);
    }
    bed_close(&bed);
}

struct waiting {
    struct bed *bed;
    struct gots gots;
};

static void *pull_one(void *arg)
{
    struct waiting *waiting = arg;
    pull(waiting->bed, SUB, 1, false, &waiting->gots);
    return NULL;
}

Test(broker, a_pull_waits_for_a_message)
{
    struct bed bed;
    pthread_t thread;
    bed_open_with_sub(&bed, NULL);
    struct waiting waiting = {.bed = &bed};
    pthread_create(&thread, NULL, pull_one, &waiting);
    struct bed other = bed; /* the message of a status is per thread */
    publish(&other, TOPIC, "now");
    pthread_join(thread, NULL);
    cr_assert_eq(waiting.gots.n, 1);
    cr_expect_str_eq(waiting.gots.items[0].text, "now");
    gots_fini(&waiting.gots);
    bed_close(&bed);
}

Test(broker, a_pull_ends_when_its_subscription_does)
{
    struct bed bed;
    struct tap tap;
    bed_open_with_sub(&bed, NULL);
    tap_open_sub(&tap, &bed);
    tap_ping(&tap);
    tap_wait_responses(&tap, 1);
    delete_subscription(&bed, SUB);
    tap_expect_end(&tap, SL_RPC_NOT_FOUND);
    bed_close(&bed);
}

/* ---- dead letters ---- */

static void open_dead_letter_bed(struct bed *bed, struct sl_pubsub_subscription config)
{
    bed_open(bed, NULL);
    make_topic(bed, TOPIC);
    make_topic(bed, DLQ);
    make_subscription(bed, "projects/p/subscriptions/dead", DLQ);
    config.dead_letter_topic = DLQ;
    make_sub_like(bed, config);
}

Test(broker, dead_letters_after_their_attempts)
{
    struct bed bed;
    struct gots gots = {0};
    struct sl_buf request = {0};
    static const struct sl_attribute ATTRIBUTES[] = {{"kind", "bad"}, {"CloudPubSubDeadLetterSourceDeliveryCount", "77"}};
    open_dead_letter_bed(&bed, (struct sl_pubsub_subscription){0});
    sl_pubsub_put_publish_topic(&request, TOPIC);
    sl_pubsub_put_message(&request, 2, "poison", 6, ATTRIBUTES, 2, NULL);
    cr_assert_eq(bed_call(&bed, "Publisher/Publish", &request, NULL), SL_RPC_OK);
    for (int attempt = 1; attempt <= 5; attempt++) {
        if (attempt == 3)
            bed_restart(&bed); /* attempts are durable */
        pull(&bed, SUB, 10, false, &gots);
        cr_assert_eq(gots.n, 1, "attempt %d", attempt);
        cr_expect_eq(gots.items[0].attempt, attempt);
        cr_expect_eq(modify(&bed, SUB, &gots, 0, 1, 0), SL_RPC_OK);
    }
    pull(&bed, "projects/p/subscriptions/dead", 10, false, &gots);
    cr_assert_eq(gots.n, 1);
    cr_expect_str_eq(gots.items[0].text, "poison");
    char expected[512], *time = strstr(gots.items[0].attributes, "TopicPublishTime=");
    cr_assert_not_null(time, "%s", gots.items[0].attributes);
    snprintf(expected, sizeof(expected),
             "kind=bad\nCloudPubSubDeadLetterSourceDeliveryCount=5\nCloudPubSubDeadLetterSourceSubscription=worker\n"
             "CloudPubSubDeadLetterSourceSubscriptionProject=p\nCloudPubSubDeadLetterSource%s",
             time);
    cr_expect_str_eq(gots.items[0].attributes, expected);
    cr_expect_not_null(strstr(time, "Z\nCloudPubSubDeadLetterSourceDeliveryErrorMessage=not acknowledged in 5 delivery attempts\n"), "%s",
                       time);
    expect_backlog(&bed, SUB, 0, 0);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker, without_its_dead_letter_topic_a_message_is_delivered_on)
{
    struct bed bed;
    struct gots gots = {0};
    open_dead_letter_bed(&bed, (struct sl_pubsub_subscription){0});
    delete_topic(&bed, DLQ);
    publish(&bed, TOPIC, "poison");
    for (int attempt = 1; attempt <= 8; attempt++) {
        pull(&bed, SUB, 10, false, &gots);
        cr_assert_eq(gots.n, 1, "attempt %d", attempt);
        cr_expect_eq(gots.items[0].attempt, attempt);
        cr_expect_eq(modify(&bed, SUB, &gots, 0, 1, 0), SL_RPC_OK);
    }
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker, backoff_holds_a_nacked_message_back)
{
    struct bed bed;
    struct gots gots = {0};
    struct timespec before, after;
    open_dead_letter_bed(&bed, (struct sl_pubsub_subscription){.has_retry = true, .min_backoff_ms = 1000, .max_backoff_ms = 3000});
    publish(&bed, TOPIC, "later");
    pull(&bed, SUB, 1, false, &gots);
    clock_gettime(CLOCK_MONOTONIC, &before);
    modify(&bed, SUB, &gots, 0, 1, 0);
    pull(&bed, SUB, 1, true, &gots);
    cr_expect_eq(gots.n, 0);
    pull(&bed, SUB, 1, false, &gots);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_eq(gots.n, 1);
    cr_expect_eq(gots.items[0].attempt, 2);
    int64_t ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    cr_expect_geq(ms, 990);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker, a_lease_that_ends_counts_as_an_attempt, .timeout = 60)
{
    struct bed bed;
    struct tap tap;
    open_dead_letter_bed(&bed, (struct sl_pubsub_subscription){0});
    publish(&bed, TOPIC, "slow");
    tap_open_sub(&tap, &bed);
    tap_wait(&tap, 1);
    tap_modify(&tap, 0, 1, 1); /* it ends in a second */
    tap_wait(&tap, 2);
    cr_expect_eq(tap.gots.items[0].attempt, 1);
    cr_expect_eq(tap.gots.items[1].attempt, 2);
    cr_expect_str_eq(tap.gots.items[1].id, tap.gots.items[0].id);
    tap_close(&tap);
    bed_close(&bed);
}

/* ---- backlog, faults ---- */

Test(broker, backlog_over_the_wire)
{
    struct bed bed;
    struct gots gots = {0};
    struct sl_buf request = {0}, response = {0};
    bed_open_with_sub(&bed, NULL);
    make_subscription(&bed, "projects/p/subscriptions/other", TOPIC);
    publish_many(&bed, TOPIC, "m", 7, 0);
    pull(&bed, SUB, 3, true, &gots);
    expect_backlog(&bed, NULL, 11, 3);
    expect_backlog(&bed, "projects/p/subscriptions/none", 0, 0);
    sl_pubsub_put_name(&request, SUB);
    cr_assert_eq(bed_call(&bed, "sluice.broker.v1.Broker/Backlog", &request, &response), SL_RPC_OK, "%s", bed.message);
    cr_assert_eq(response.len, 4);
    cr_expect_eq(memcmp(response.data, "\x08\x04\x10\x03", 4), 0);
    sl_buf_fini(&response);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker, injected_failures)
{
    struct bed bed;
    struct tap tap;
    bed_open_with_sub(&bed, NULL);
    sl_broker_fail_next(bed.broker, "Publish", 2, SL_RPC_UNAVAILABLE);
    sl_broker_fail_next(bed.broker, "StreamingPull", 1, SL_RPC_PERMISSION_DENIED);
    cr_expect_eq(try_publish(&bed, TOPIC, "x", 1, NULL), SL_RPC_UNAVAILABLE);
    cr_expect_eq(try_publish(&bed, TOPIC, "x", 1, NULL), SL_RPC_UNAVAILABLE);
    cr_expect_eq(try_publish(&bed, TOPIC, "x", 1, NULL), SL_RPC_OK);
    tap_open_sub(&tap, &bed);
    tap_expect_end(&tap, SL_RPC_PERMISSION_DENIED);
    tap_open_sub(&tap, &bed);
    tap_wait(&tap, 1);
    tap_close(&tap);
    bed_close(&bed);
}

Test(broker, unknown_methods)
{
    struct bed bed;
    struct sl_buf request = {0};
    bed_open(&bed, NULL);
    cr_expect_eq(bed_call(&bed, "SchemaService/CreateSchema", &request, NULL), SL_RPC_UNIMPLEMENTED);
    cr_expect_str_eq(bed.message, "/google.pubsub.v1.SchemaService/CreateSchema is not implemented here");
    bed_close(&bed);
}
