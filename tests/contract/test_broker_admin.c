/* What the official clients' own tests ask of the calls that manage topics and subscriptions: names that are missing, masks, fields that are kept, fields that are refused, labels,
 * pages, sizes. */
#define _GNU_SOURCE /* memmem */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker_bed.h"

static bool holds(const struct sl_buf *response, const char *bytes, size_t len)
{
    return response->len >= len && memmem(response->data, response->len, bytes, len) != NULL;
}

Test(broker_admin, a_name_that_is_missing_is_no_name_of_something_missing)
{
    struct bed bed;
    struct sl_buf request = {0};
    static const struct {
        const char *method, *said;
    } cases[] = {
        {"Publisher/GetTopic", "Invalid [topics] name: (name=)"},
        {"Publisher/DeleteTopic", "Invalid [topics] name: (name=)"},
        {"Publisher/UpdateTopic", "Invalid [topics] name: (name=)"},
        {"Publisher/ListTopicSubscriptions", "Invalid [topics] name: (name=)"},
        {"Publisher/ListTopicSnapshots", "Invalid [topics] name: (name=)"},
        {"Publisher/DetachSubscription", "Invalid [subscriptions] name: (name=)"},
        {"Publisher/ListTopics", "Invalid [projects] name: (name=)"},
        {"Subscriber/GetSubscription", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/UpdateSubscription", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/DeleteSubscription", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/ListSubscriptions", "Invalid [projects] name: (name=)"},
        {"Subscriber/ListSnapshots", "Invalid [projects] name: (name=)"},
        {"Subscriber/Acknowledge", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/ModifyAckDeadline", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/ModifyPushConfig", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/Pull", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/Seek", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/CreateSnapshot", "Invalid [subscriptions] name: (name=)"},
        {"Subscriber/GetSnapshot", "Invalid [snapshots] name: (name=)"},
        {"Subscriber/UpdateSnapshot", "Invalid [snapshots] name: (name=)"},
        {"Subscriber/DeleteSnapshot", "Invalid [snapshots] name: (name=)"},
    };
    bed_open(&bed, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(bed_call(&bed, cases[i].method, &request, NULL), SL_RPC_INVALID_ARGUMENT, "%s", cases[i].method);
        cr_expect_str_eq(bed.message, cases[i].said, "%s", cases[i].method);
    }
    sl_pubsub_put_message(&request, 2, "x", 1, NULL, 0, NULL);
    cr_expect_eq(bed_call(&bed, "Publisher/Publish", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    cr_expect_str_eq(bed.message, "Invalid [topics] name: (name=)");
    bed_close(&bed);
}

/* Whose subscription it is comes before what else is wrong with a request. */
Test(broker_admin, a_subscription_that_is_not_there_is_said_first)
{
    struct bed bed;
    struct sl_buf request = {0};
    static const char *const METHODS[] = {"Acknowledge", "ModifyAckDeadline", "ModifyPushConfig", "Pull", "Seek"};
    bed_open(&bed, NULL);
    for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
        char method[64];
        snprintf(method, sizeof(method), "Subscriber/%s", METHODS[i]);
        sl_pubsub_put_name(&request, "projects/p/subscriptions/none");
        cr_expect_eq(bed_call(&bed, method, &request, NULL), SL_RPC_NOT_FOUND, "%s: %s", method, bed.message);
    }
    bed_close(&bed);
}

Test(broker_admin, lists_check_whose_and_how_many)
{
    struct bed bed;
    struct sl_buf request = {0};
    static const char *const METHODS[] = {"Publisher/ListTopics", "Subscriber/ListSubscriptions", "Subscriber/ListSnapshots"};
    bed_open_with_sub(&bed, NULL);
    for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
        sl_pubsub_put_list(&request, "projects/p", -1, "");
        cr_expect_eq(bed_call(&bed, METHODS[i], &request, NULL), SL_RPC_INVALID_ARGUMENT, "%s", METHODS[i]);
        cr_expect_str_eq(bed.message, "page_size must not be negative, but is -1", "%s", METHODS[i]);
        sl_pubsub_put_list(&request, "p", 10, "");
        cr_expect_eq(bed_call(&bed, METHODS[i], &request, NULL), SL_RPC_INVALID_ARGUMENT, "%s", METHODS[i]);
        cr_expect_str_eq(bed.message, "Invalid [projects] name: (name=p)", "%s", METHODS[i]);
    }
    sl_pubsub_put_list(&request, TOPIC, -1, "");
    cr_expect_eq(bed_call(&bed, "Publisher/ListTopicSubscriptions", &request, NULL), SL_RPC_INVALID_ARGUMENT);
    bed_close(&bed);
}

static enum sl_rpc_code update(struct bed *bed, const char *kind, const char *path)
{
    struct sl_buf request = {0}, object = {0}, mask = {0};
    char method[64];
    snprintf(method, sizeof(method), "%s/Update%s", strcmp(kind, "Topic") == 0 ? "Publisher" : "Subscriber", kind);
    put_field_str(&object, 1, strcmp(kind, "Topic") == 0 ? TOPIC : strcmp(kind, "Snapshot") == 0 ? "projects/p/snapshots/one" : SUB);
    put_field_buf(&request, 1, &object);
    if (path) {
        put_field_str(&mask, 1, path);
        put_field_buf(&request, 2, &mask);
    }
    return bed_call(bed, method, &request, NULL);
}

Test(broker_admin, a_mask_is_answered_in_the_services_words)
{
    struct bed bed;
    static const struct {
        const char *kind, *path, *said;
        enum sl_rpc_code code;
    } cases[] = {
        {"Topic", NULL, "The update_mask in the UpdateTopicRequest must be set, and must contain a non-empty paths list.",
         SL_RPC_INVALID_ARGUMENT},
        {"Subscription", NULL, "The update_mask in the UpdateSubscriptionRequest must be set, and must contain a non-empty paths list.",
         SL_RPC_INVALID_ARGUMENT},
        {"Snapshot", NULL, "The update_mask in the UpdateSnapshotRequest must be set, and must contain a non-empty paths list.",
         SL_RPC_INVALID_ARGUMENT},
        {"Topic", "name", "Invalid update_mask provided in the UpdateTopicRequest: the 'name' field in the Topic is not mutable.",
         SL_RPC_INVALID_ARGUMENT},
        {"Topic", "kms_key_name",
         "Invalid update_mask provided in the UpdateTopicRequest: the 'kms_key_name' field in the Topic is not mutable.",
         SL_RPC_INVALID_ARGUMENT},
        {"Subscription", "filter",
         "Invalid update_mask provided in the UpdateSubscriptionRequest: the 'filter' field in the Subscription is not mutable.",
         SL_RPC_INVALID_ARGUMENT},
        {"Subscription", "enable_message_ordering",
         "Invalid update_mask provided in the UpdateSubscriptionRequest: the 'enable_message_ordering' field in the Subscription is not "
         "mutable.",
         SL_RPC_INVALID_ARGUMENT},
        {"Snapshot", "topic",
         "Invalid update_mask provided in the UpdateSnapshotRequest: the 'topic' field in the Snapshot is not mutable.",
         SL_RPC_INVALID_ARGUMENT},
        {"Topic", "nonsense",
         "Invalid update_mask provided in the UpdateTopicRequest: 'nonsense' is not a known Topic field. Note that field paths must be of "
         "the form "
         "'kms_key_name' rather than 'kmsKeyName'.",
         SL_RPC_INVALID_ARGUMENT},
        {"Subscription", "pushConfig",
         "Invalid update_mask provided in the UpdateSubscriptionRequest: 'pushConfig' is not a known Subscription field. Note that field "
         "paths must be "
         "of the form 'push_config' rather than 'pushConfig'.",
         SL_RPC_INVALID_ARGUMENT},
        {"Snapshot", "",
         "Invalid update_mask provided in the UpdateSnapshotRequest: '' is not a known Snapshot field. Note that field paths must be of "
         "the form "
         "'expire_time' rather than 'expireTime'.",
         SL_RPC_INVALID_ARGUMENT},
        {"Topic", "schema_settings.schema", "", SL_RPC_OK}, /* taken away, as it is already */
        {"Subscription", "bigquery_config", "", SL_RPC_OK},
        {"Subscription", "push_config", "", SL_RPC_OK},
    };
    bed_open_with_sub(&bed, NULL);
    make_snapshot(&bed, "projects/p/snapshots/one");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(update(&bed, cases[i].kind, cases[i].path), cases[i].code, "%s %s: %s", cases[i].kind, cases[i].path, bed.message);
        cr_expect_str_eq(bed.message, cases[i].said, "%s %s", cases[i].kind, cases[i].path);
    }
    bed_close(&bed);
}

/* ---- fields ---- */

#define STORAGE_POLICY "\x1a\x0c\x0a\x08us-east1\x10\x01"
#define POLICY         "message_storage_policy"
#define KMS_KEY        "\x2a\x05k/k/k"

static void get_topic(struct bed *bed, struct sl_buf *response)
{
    struct sl_buf request = {0};
    sl_pubsub_put_name(&request, TOPIC);
    cr_assert_eq(bed_call(bed, "Publisher/GetTopic", &request, response), SL_RPC_OK, "%s", bed->message);
}

static enum sl_rpc_code update_storage_policy(struct bed *bed, const char *path, const char *topic_field, size_t len,
                                              struct sl_buf *response)
{
    struct sl_buf request = {0}, object = {0}, mask = {0};
    put_field_str(&object, 1, TOPIC);
    sl_buf_add(&object, topic_field, len);
    put_field_buf(&request, 1, &object);
    put_field_str(&mask, 1, path);
    put_field_buf(&request, 2, &mask);
    return bed_call(bed, "Publisher/UpdateTopic", &request, response);
}

/* Neither has an effect here, but whoever has set them sees them again. */
Test(broker_admin, a_topics_regions_and_key_are_kept)
{
    struct bed bed;
    struct sl_buf request = {0}, response = {0};
    bed_open(&bed, NULL);
    put_field_str(&request, 1, TOPIC);
    sl_buf_add(&request, STORAGE_POLICY KMS_KEY, sizeof(STORAGE_POLICY KMS_KEY) - 1);
    cr_assert_eq(bed_call(&bed, "Publisher/CreateTopic", &request, &response), SL_RPC_OK, "%s", bed.message);
    cr_expect(holds(&response, STORAGE_POLICY KMS_KEY, sizeof(STORAGE_POLICY KMS_KEY) - 1));
    bed_restart(&bed);
    get_topic(&bed, &response);
    cr_expect(holds(&response, STORAGE_POLICY KMS_KEY, sizeof(STORAGE_POLICY KMS_KEY) - 1));
    cr_expect_eq(update_storage_policy(&bed, POLICY, "\x1a\x06\x0a\x01x\x0a\x01y", 8, &response), SL_RPC_OK, "%s", bed.message);
    cr_expect(holds(&response, "\x1a\x06\x0a\x01x\x0a\x01y" KMS_KEY, 8 + sizeof(KMS_KEY) - 1));
    cr_expect_eq(update_storage_policy(&bed, POLICY ".enforce_in_transit", "\x1a\x02\x10\x01", 4, &response), SL_RPC_OK, "%s", bed.message);
    cr_expect(holds(&response, "\x1a\x08\x0a\x01x\x0a\x01y\x10\x01", 10));
    cr_expect_eq(update_storage_policy(&bed, POLICY ".allowed_persistence_regions", "\x1a\x03\x0a\x01z", 5, &response), SL_RPC_OK);
    cr_expect(holds(&response, "\x1a\x05\x0a\x01z\x10\x01", 7));
    cr_expect_eq(update_storage_policy(&bed, POLICY, "\x1a\x06\x0a\x01x\x0a\x01y", 8, &response), SL_RPC_OK);
    cr_expect_eq(update_storage_policy(&bed, POLICY, "\x1a\x00", 2, NULL), SL_RPC_INVALID_ARGUMENT, "no region at all");
    cr_expect_str_eq(bed.message, "message_storage_policy.allowed_persistence_regions must not be empty");
    get_topic(&bed, &response);
    cr_expect(holds(&response, "\x0a\x01x\x0a\x01y", 6));
    cr_expect_eq(update_storage_policy(&bed, POLICY, "", 0, &response), SL_RPC_OK, "back to none: %s", bed.message);
    cr_expect_not(holds(&response, "\x0a\x01x", 3));
    cr_expect(holds(&response, KMS_KEY, sizeof(KMS_KEY) - 1));
    sl_buf_fini(&response);
    bed_close(&bed);
}

/* Of Topic field 9, of Subscription field 19: 1, which is ACTIVE. */
Test(broker_admin, what_is_there_is_active)
{
    struct bed bed;
    struct sl_buf request = {0}, response = {0};
    bed_open(&bed, NULL);
    put_field_str(&request, 1, TOPIC);
    cr_assert_eq(bed_call(&bed, "Publisher/CreateTopic", &request, &response), SL_RPC_OK);
    cr_expect(holds(&response, "\x48\x01", 2), "made");
    get_topic(&bed, &response);
    cr_expect(holds(&response, "\x48\x01", 2), "got");
    sl_pubsub_put_list(&request, "projects/p", 10, "");
    cr_assert_eq(bed_call(&bed, "Publisher/ListTopics", &request, &response), SL_RPC_OK);
    cr_expect(holds(&response, "\x48\x01", 2), "listed");
    put_field_str(&request, 1, SUB);
    put_field_str(&request, 2, TOPIC);
    cr_assert_eq(bed_call(&bed, "Subscriber/CreateSubscription", &request, &response), SL_RPC_OK);
    cr_expect(holds(&response, "\x98\x01\x01", 3), "made");
    sl_pubsub_put_name(&request, SUB);
    cr_assert_eq(bed_call(&bed, "Subscriber/GetSubscription", &request, &response), SL_RPC_OK);
    cr_expect(holds(&response, "\x98\x01\x01", 3), "got");
    sl_buf_fini(&response);
    bed_close(&bed);
}

Test(broker_admin, what_is_not_there_is_refused_by_its_name)
{
    struct bed bed;
    struct sl_buf request = {0};
    static const struct {
        const char *label;
        bool topic;
        int field;
        const char *bytes;
        enum sl_rpc_code code;
    } cases[] = {
        {"schema_settings", true, 6, "\x0a\x01x", SL_RPC_UNIMPLEMENTED},
        {"ingestion_data_source_settings", true, 10, "\x0a\x01x", SL_RPC_UNIMPLEMENTED},
        {"message_transforms", true, 13, "\x12\x01x", SL_RPC_UNIMPLEMENTED},
        {"push_config.push_endpoint", false, 4, "\x0a\x09https://x", SL_RPC_UNIMPLEMENTED},
        {"bigquery_config", false, 18, "\x0a\x01x", SL_RPC_UNIMPLEMENTED},
        {"cloud_storage_config", false, 22, "\x0a\x01x", SL_RPC_UNIMPLEMENTED},
        {"message_transforms", false, 25, "\x12\x01x", SL_RPC_UNIMPLEMENTED},
        {"bigtable_config", false, 27, "\x0a\x01x", SL_RPC_UNIMPLEMENTED},
        {"an empty one asks for nothing", false, 4, "", SL_RPC_OK},
    };
    bed_open(&bed, NULL);
    make_topic(&bed, DLQ);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put_field_str(&request, 1, cases[i].topic ? TOPIC : SUB);
        if (!cases[i].topic)
            put_field_str(&request, 2, DLQ);
        put_field_str(&request, cases[i].field, cases[i].bytes);
        const char *method = cases[i].topic ? "Publisher/CreateTopic" : "Subscriber/CreateSubscription";
        cr_expect_eq(bed_call(&bed, method, &request, NULL), cases[i].code, "%s: %s", cases[i].label, bed.message);
        if (cases[i].code)
            cr_expect_not_null(strstr(bed.message, cases[i].label), "%s: %s", cases[i].label, bed.message);
    }
    bed_close(&bed);
}

Test(broker_admin, what_is_not_there_is_refused_in_an_update)
{
    struct bed bed;
    struct sl_buf request = {0}, object = {0}, mask = {0};
    bed_open_with_sub(&bed, NULL);
    put_field_str(&object, 1, SUB);
    put_field_str(&object, 18, "\x0a\x01x");
    put_field_buf(&request, 1, &object);
    put_field_str(&mask, 1, "ack_deadline_seconds");
    put_field_str(&mask, 1, "bigquery_config");
    put_field_buf(&request, 2, &mask);
    cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSubscription", &request, NULL), SL_RPC_UNIMPLEMENTED);
    cr_expect_str_eq(bed.message, "This broker does not implement bigquery_config");
    put_field_str(&object, 1, TOPIC);
    put_field_str(&object, 6, "\x0a\x01x");
    put_field_buf(&request, 1, &object);
    put_field_str(&mask, 1, "schema_settings");
    put_field_buf(&request, 2, &mask);
    cr_expect_eq(bed_call(&bed, "Publisher/UpdateTopic", &request, NULL), SL_RPC_UNIMPLEMENTED);
    cr_expect_str_eq(bed.message, "This broker does not implement schema_settings");
    bed_close(&bed);
}

Test(broker_admin, a_subscription_tells_its_topics_retention)
{
    static const char HOUR[] = "\x8a\x01\x03\x08\x90\x1c"; /* field 17, 3,600 s */
    struct bed bed;
    struct sl_buf request = {0}, response = {0};
    bed_open(&bed, NULL);
    sl_pubsub_put_topic(&request, &(struct sl_pubsub_topic){.name = TOPIC, .retention_ms = 3600000});
    cr_assert_eq(bed_call(&bed, "Publisher/CreateTopic", &request, NULL), SL_RPC_OK);
    sl_pubsub_put_subscription(&request, &(struct sl_pubsub_subscription){.name = SUB, .topic = TOPIC});
    cr_assert_eq(bed_call(&bed, "Subscriber/CreateSubscription", &request, &response), SL_RPC_OK);
    cr_expect(holds(&response, HOUR, sizeof(HOUR) - 1), "made");
    const char *paths[] = {"retain_acked_messages"};
    sl_pubsub_put_update_subscription(&request, &(struct sl_pubsub_subscription){.name = SUB, .retain_acked = true}, paths, 1);
    cr_assert_eq(bed_call(&bed, "Subscriber/UpdateSubscription", &request, &response), SL_RPC_OK);
    cr_expect(holds(&response, HOUR, sizeof(HOUR) - 1), "changed");
    sl_buf_fini(&response);
    bed_close(&bed);
}

Test(broker_admin, modify_push_config)
{
    struct bed bed;
    struct sl_buf request = {0};
    bed_open_with_sub(&bed, NULL);
    put_field_str(&request, 1, SUB);
    put_field_str(&request, 2, "");
    cr_expect_eq(bed_call(&bed, "Subscriber/ModifyPushConfig", &request, NULL), SL_RPC_OK, "to pull, which it is: %s", bed.message);
    put_field_str(&request, 1, SUB);
    put_field_str(&request, 2, "\x0a\x09https://x");
    cr_expect_eq(bed_call(&bed, "Subscriber/ModifyPushConfig", &request, NULL), SL_RPC_UNIMPLEMENTED);
    cr_expect_str_eq(bed.message, "This broker does not implement push_config.push_endpoint");
    bed_close(&bed);
}

Test(broker_admin, labels_have_rules)
{
    struct bed bed;
    struct sl_buf request = {0};
    char long_text[65];
    memset(long_text, 'x', 64);
    long_text[64] = '\0';
    const struct {
        const char *label, *key, *value;
        enum sl_rpc_code code;
    } cases[] = {
        {"a value may be empty", "key", "", SL_RPC_OK},
        {"63 of each", long_text + 1, long_text + 1, SL_RPC_OK},
        {"another alphabet", "\xc3\xa9t\xc3\xa9", "\xe5\xa4\x8f", SL_RPC_OK},
        {"every sign", "a-b_9", "-_9", SL_RPC_OK},
        {"no key", "", "x", SL_RPC_INVALID_ARGUMENT},
        {"64 of a key", long_text, "x", SL_RPC_INVALID_ARGUMENT},
        {"64 of a value", "key", long_text, SL_RPC_INVALID_ARGUMENT},
        {"a capital", "Key", "x", SL_RPC_INVALID_ARGUMENT},
        {"a capital value", "key", "X", SL_RPC_INVALID_ARGUMENT},
        {"begins with a digit", "9key", "x", SL_RPC_INVALID_ARGUMENT},
        {"a blank", "key", "x y", SL_RPC_INVALID_ARGUMENT},
    };
    bed_open_with_sub(&bed, NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *keys[] = {cases[i].key}, *values[] = {cases[i].value}, *paths[] = {"labels"};
        const struct sl_pubsub_labels labels = {.keys = keys, .values = values, .n = 1};
        sl_pubsub_put_update_topic(&request, &(struct sl_pubsub_topic){.name = TOPIC, .labels = labels}, paths, 1);
        cr_expect_eq(bed_call(&bed, "Publisher/UpdateTopic", &request, NULL), cases[i].code, "%s: %s", cases[i].label, bed.message);
        sl_pubsub_put_update_subscription(&request, &(struct sl_pubsub_subscription){.name = SUB, .labels = labels}, paths, 1);
        cr_expect_eq(bed_call(&bed, "Subscriber/UpdateSubscription", &request, NULL), cases[i].code, "%s: %s", cases[i].label, bed.message);
        sl_pubsub_put_create_snapshot(&request, &(struct sl_create_snapshot){.name = "", .subscription = SUB, .labels = labels});
        cr_expect_eq(bed_call(&bed, "Subscriber/CreateSnapshot", &request, NULL), cases[i].code, "%s: %s", cases[i].label, bed.message);
    }
    bed_close(&bed);
}

Test(broker_admin, at_most_64_labels)
{
    struct bed bed;
    char texts[65][8];
    const char *keys[65], *values[65];
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    for (size_t i = 0; i < 65; i++) {
        snprintf(texts[i], sizeof(texts[i]), "key-%zu", i);
        keys[i] = texts[i];
        values[i] = "x";
    }
    struct sl_pubsub_subscription config = {.name = SUB, .topic = TOPIC, .labels = {.keys = keys, .values = values, .n = 65}};
    cr_expect_eq(try_subscription(&bed, &config), SL_RPC_INVALID_ARGUMENT);
    cr_expect_str_eq(bed.message, "A resource has at most 64 labels; here are 65");
    config.labels.n = 64;
    cr_expect_eq(try_subscription(&bed, &config), SL_RPC_OK, "%s", bed.message);
    bed_close(&bed);
}

/* The service's limit is 10,000,000 bytes for all of a request; what is refused there for its framing alone has room here, so that a dead letter may have its attributes. */
Test(broker_admin, a_publish_request_has_a_size)
{
    struct bed bed;
    struct sl_buf request = {0};
    static const struct {
        size_t len, n;
        enum sl_rpc_code code;
    } cases[] = {
        {10000000, 1, SL_RPC_OK},
        {10400000, 1, SL_RPC_OK},
        {10485760, 1, SL_RPC_INVALID_ARGUMENT},
        {5000000, 2, SL_RPC_OK},
        {5000000, 3, SL_RPC_INVALID_ARGUMENT},
    };
    char *data = sl_alloc(10485760);
    memset(data, 'd', 10485760);
    bed_open(&bed, NULL);
    make_topic(&bed, TOPIC);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        sl_pubsub_put_publish_topic(&request, TOPIC);
        for (size_t k = 0; k < cases[i].n; k++)
            sl_pubsub_put_message(&request, 2, data, cases[i].len, NULL, 0, NULL);
        cr_expect_eq(bed_call(&bed, "Publisher/Publish", &request, NULL), cases[i].code, "%zu x %zu: %s", cases[i].n, cases[i].len,
                     bed.message);
        if (cases[i].code)
            cr_expect_str_eq(bed.message, "Request payload size exceeds the limit: 10485760 bytes.");
    }
    free(data);
    bed_close(&bed);
}
