/* pubsub_compare.h - every message of google.pubsub.v1 read by our reader and by protobuf-c: one table, for the unit test and for the fuzzer. */
#ifndef TESTS_SUPPORT_PUBSUB_COMPARE_H
#define TESTS_SUPPORT_PUBSUB_COMPARE_H

#include <string.h>

#include <google/pubsub/v1/pubsub.pb-c.h>

#include <sluice/pubsub.h>

typedef Google__Pubsub__V1__PubsubMessage pb_message;

/* protobuf-c hands a string over with a NUL behind it, so one that holds a NUL looks shorter. */
static bool same_text(struct sl_span ours, const char *theirs)
{
    const size_t len = strnlen(ours.ptr, ours.len);
    return strlen(theirs) == len && memcmp(ours.ptr, theirs, len) == 0;
}

static bool same_string(const char *ours, const char *theirs)
{
    return strcmp(ours ? ours : "", theirs) == 0;
}

static bool same_texts(const struct sl_span *ours, size_t n, char *const *theirs, size_t n_theirs)
{
    for (size_t i = 0; i < n && i < n_theirs; i++)
        if (!same_text(ours[i], theirs[i]))
            return false;
    return n == n_theirs;
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static int64_t publish_us_of(const pb_message *theirs)
{
    if (!theirs->publish_time)
        return 0;
    return clamp(theirs->publish_time->seconds, INT64_C(-62135596800), INT64_C(253402300799)) * 1000000 +
           clamp(theirs->publish_time->nanos, 0, 999999999) / 1000;
}

static bool same_message(const struct sl_pubsub_message *ours, const pb_message *theirs)
{
    if (ours->data.len != theirs->data.len || (ours->data.len && memcmp(ours->data.ptr, theirs->data.data, ours->data.len) != 0))
        return false;
    if (ours->n_attributes != theirs->n_attributes)
        return false;
    for (size_t i = 0; i < ours->n_attributes; i++)
        if (!same_text(ours->attributes[i].key, theirs->attributes[i]->key) ||
            !same_text(ours->attributes[i].value, theirs->attributes[i]->value))
            return false;
    return same_text(ours->message_id, theirs->message_id) && same_text(ours->ordering_key, theirs->ordering_key) &&
           ours->publish_us == publish_us_of(theirs);
}

/* Each: reads; SL_OK and *same, or our refusal. */
typedef enum sl_code compare_fn(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                struct sl_err *err);

static enum sl_code compare_publish(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                    struct sl_err *err)
{
    const Google__Pubsub__V1__PublishRequest *theirs = (const void *)message;
    struct sl_span topic, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    const enum sl_code code = sl_pubsub_read_publish(&topic, &messages, &n, &raw, bytes.ptr, bytes.len, arena, err);
    if (code != SL_OK || !theirs)
        return code;
    *same = same_text(topic, theirs->topic) && n == theirs->n_messages;
    for (size_t i = 0; *same && i < n; i++)
        *same = same_message(&messages[i], theirs->messages[i]);
    return code;
}

static enum sl_code compare_publish_response(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                             struct sl_err *err)
{
    const Google__Pubsub__V1__PublishResponse *theirs = (const void *)message;
    struct sl_span *ids;
    size_t n;
    const enum sl_code code = sl_pubsub_read_publish_response(&ids, &n, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_texts(ids, n, theirs->message_ids, theirs->n_message_ids);
    return code;
}

static bool same_received(const struct sl_received *ours, const Google__Pubsub__V1__ReceivedMessage *theirs)
{
    static const pb_message none = GOOGLE__PUBSUB__V1__PUBSUB_MESSAGE__INIT;
    return same_text(ours->ack_id, theirs->ack_id) && ours->delivery_attempt == theirs->delivery_attempt &&
           same_message(&ours->message, theirs->message ? theirs->message : &none);
}

static enum sl_code compare_streaming_response(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                               struct sl_err *err)
{
    const Google__Pubsub__V1__StreamingPullResponse *theirs = (const void *)message;
    struct sl_streaming_response ours;
    const enum sl_code code = sl_pubsub_read_streaming_response(&ours, bytes.ptr, bytes.len, arena, err);
    if (code != SL_OK || !theirs)
        return code;
    *same = ours.n == theirs->n_received_messages && ours.has_properties == (theirs->subscription_properties != NULL);
    for (size_t i = 0; *same && i < ours.n; i++)
        *same = same_received(&ours.messages[i], theirs->received_messages[i]);
    if (*same && ours.has_properties)
        *same = ours.exactly_once == theirs->subscription_properties->exactly_once_delivery_enabled &&
                ours.ordering == theirs->subscription_properties->message_ordering_enabled;
    return code;
}

static enum sl_code compare_streaming_request(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                              struct sl_err *err)
{
    const Google__Pubsub__V1__StreamingPullRequest *theirs = (const void *)message;
    struct sl_streaming_request ours;
    const enum sl_code code = sl_pubsub_read_streaming_request(&ours, bytes.ptr, bytes.len, arena, err);
    if (code != SL_OK || !theirs)
        return code;
    *same = same_text(ours.subscription, theirs->subscription) && same_text(ours.client_id, theirs->client_id) &&
            same_texts(ours.ack_ids, ours.n_ack_ids, theirs->ack_ids, theirs->n_ack_ids) &&
            same_texts(ours.modify_ack_ids, ours.n_modify_ack_ids, theirs->modify_deadline_ack_ids, theirs->n_modify_deadline_ack_ids) &&
            ours.n_modify_seconds == theirs->n_modify_deadline_seconds &&
            ours.stream_ack_deadline_s == theirs->stream_ack_deadline_seconds &&
            ours.max_outstanding_messages == theirs->max_outstanding_messages &&
            ours.max_outstanding_bytes == theirs->max_outstanding_bytes && ours.protocol_version == theirs->protocol_version;
    for (size_t i = 0; *same && i < ours.n_modify_seconds; i++)
        *same = ours.modify_seconds[i] == theirs->modify_deadline_seconds[i];
    return code;
}

static enum sl_code compare_acknowledge(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                        struct sl_err *err)
{
    const Google__Pubsub__V1__AcknowledgeRequest *theirs = (const void *)message;
    struct sl_ack_request ours;
    const enum sl_code code = sl_pubsub_read_acknowledge(&ours, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_text(ours.subscription, theirs->subscription) && same_texts(ours.ack_ids, ours.n, theirs->ack_ids, theirs->n_ack_ids);
    return code;
}

static enum sl_code compare_modify(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                   struct sl_err *err)
{
    const Google__Pubsub__V1__ModifyAckDeadlineRequest *theirs = (const void *)message;
    struct sl_ack_request ours;
    const enum sl_code code = sl_pubsub_read_modify(&ours, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_text(ours.subscription, theirs->subscription) && ours.deadline_s == theirs->ack_deadline_seconds &&
                same_texts(ours.ack_ids, ours.n, theirs->ack_ids, theirs->n_ack_ids);
    return code;
}

static enum sl_code compare_pull(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                 struct sl_err *err)
{
    const Google__Pubsub__V1__PullRequest *theirs = (const void *)message;
    struct sl_pull_request ours;
    const enum sl_code code = sl_pubsub_read_pull(&ours, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_text(ours.subscription, theirs->subscription) && ours.return_immediately == theirs->return_immediately &&
                ours.max_messages == theirs->max_messages;
    return code;
}

static bool same_labels(const struct sl_pubsub_labels *ours, char *key, char *value, size_t i)
{
    return same_string(ours->keys[i], key) && same_string(ours->values[i], value);
}

static int64_t ms_of(const Google__Protobuf__Duration *duration, int64_t absent)
{
    return duration ? duration->seconds * 1000 + duration->nanos / 1000000 : absent;
}

static bool same_storage_policy(const struct sl_pubsub_topic *ours, const Google__Pubsub__V1__MessageStoragePolicy *theirs)
{
    if (!theirs)
        return !ours->has_storage_policy;
    if (!ours->has_storage_policy || ours->n_regions != theirs->n_allowed_persistence_regions ||
        ours->enforce_in_transit != (bool)theirs->enforce_in_transit)
        return false;
    for (size_t i = 0; i < ours->n_regions; i++)
        if (!same_string(ours->regions[i], theirs->allowed_persistence_regions[i]))
            return false;
    return true;
}

static bool same_topic(const struct sl_pubsub_topic *ours, const Google__Pubsub__V1__Topic *theirs)
{
    if (ours->labels.n != theirs->n_labels)
        return false;
    for (size_t i = 0; i < ours->labels.n; i++)
        if (!same_labels(&ours->labels, theirs->labels[i]->key, theirs->labels[i]->value, i))
            return false;
    return same_string(ours->name, theirs->name) && ours->retention_ms == ms_of(theirs->message_retention_duration, 0) &&
           same_string(ours->kms_key ? ours->kms_key : "", theirs->kms_key_name) &&
           same_storage_policy(ours, theirs->message_storage_policy);
}

static enum sl_code compare_topic(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                  struct sl_err *err)
{
    struct sl_pubsub_topic ours;
    const enum sl_code code = sl_pubsub_read_topic(&ours, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && message)
        *same = same_topic(&ours, (const void *)message);
    return code;
}

static bool same_policies(const struct sl_pubsub_subscription *ours, const Google__Pubsub__V1__Subscription *theirs)
{
    const Google__Pubsub__V1__DeadLetterPolicy *dead = theirs->dead_letter_policy;
    const Google__Pubsub__V1__RetryPolicy *retry = theirs->retry_policy;
    if ((ours->dead_letter_topic != NULL) != (dead != NULL) || ours->has_retry != (retry != NULL))
        return false;
    if (dead &&
        (!same_string(ours->dead_letter_topic, dead->dead_letter_topic) || ours->max_delivery_attempts != dead->max_delivery_attempts))
        return false;
    return !retry ||
           (ours->min_backoff_ms == ms_of(retry->minimum_backoff, 10000) && ours->max_backoff_ms == ms_of(retry->maximum_backoff, 600000));
}

static bool same_subscription(const struct sl_pubsub_subscription *ours, const Google__Pubsub__V1__Subscription *theirs)
{
    if (ours->labels.n != theirs->n_labels)
        return false;
    for (size_t i = 0; i < ours->labels.n; i++)
        if (!same_labels(&ours->labels, theirs->labels[i]->key, theirs->labels[i]->value, i))
            return false;
    return same_string(ours->name, theirs->name) && same_string(ours->topic, theirs->topic) && same_string(ours->filter, theirs->filter) &&
           ours->ack_deadline_s == theirs->ack_deadline_seconds && ours->retain_acked == theirs->retain_acked_messages &&
           ours->retention_ms == ms_of(theirs->message_retention_duration, 0) && ours->ordering == theirs->enable_message_ordering &&
           ours->exactly_once == theirs->enable_exactly_once_delivery && ours->detached == theirs->detached &&
           ours->topic_retention_ms == ms_of(theirs->topic_message_retention_duration, 0) &&
           ours->has_expiration == (theirs->expiration_policy != NULL) &&
           ours->ttl_ms == ms_of(theirs->expiration_policy ? theirs->expiration_policy->ttl : NULL, 0) &&
           ours->has_push == (theirs->push_config && theirs->push_config->push_endpoint[0]) && same_policies(ours, theirs);
}

static enum sl_code compare_subscription(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                         struct sl_err *err)
{
    struct sl_pubsub_subscription ours;
    const enum sl_code code = sl_pubsub_read_subscription(&ours, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && message)
        *same = same_subscription(&ours, (const void *)message);
    return code;
}

static bool same_mask(const char *const *paths, size_t n, const Google__Protobuf__FieldMask *theirs)
{
    for (size_t i = 0; theirs && i < n && i < theirs->n_paths; i++)
        if (!same_string(paths[i], theirs->paths[i]))
            return false;
    return n == (theirs ? theirs->n_paths : 0);
}

static enum sl_code compare_update_topic(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                         struct sl_err *err)
{
    static const Google__Pubsub__V1__Topic none = GOOGLE__PUBSUB__V1__TOPIC__INIT;
    const Google__Pubsub__V1__UpdateTopicRequest *theirs = (const void *)message;
    struct sl_pubsub_topic ours;
    const char **paths;
    size_t n;
    const enum sl_code code = sl_pubsub_read_update_topic(&ours, &paths, &n, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_topic(&ours, theirs->topic ? theirs->topic : &none) && same_mask(paths, n, theirs->update_mask);
    return code;
}

static enum sl_code compare_update_subscription(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                                struct sl_err *err)
{
    static const Google__Pubsub__V1__Subscription none = GOOGLE__PUBSUB__V1__SUBSCRIPTION__INIT;
    const Google__Pubsub__V1__UpdateSubscriptionRequest *theirs = (const void *)message;
    struct sl_pubsub_subscription ours;
    const char **paths;
    size_t n;
    const enum sl_code code = sl_pubsub_read_update_subscription(&ours, &paths, &n, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_subscription(&ours, theirs->subscription ? theirs->subscription : &none) && same_mask(paths, n, theirs->update_mask);
    return code;
}

static int64_t us_of(const Google__Protobuf__Timestamp *time)
{
    if (!time)
        return 0;
    return clamp(time->seconds, INT64_C(-62135596800), INT64_C(253402300799)) * 1000000 + clamp(time->nanos, 0, 999999999) / 1000;
}

static bool same_snapshot(const struct sl_pubsub_snapshot *ours, const Google__Pubsub__V1__Snapshot *theirs)
{
    if (ours->labels.n != theirs->n_labels)
        return false;
    for (size_t i = 0; i < ours->labels.n; i++)
        if (!same_labels(&ours->labels, theirs->labels[i]->key, theirs->labels[i]->value, i))
            return false;
    return same_string(ours->name, theirs->name) && same_string(ours->topic, theirs->topic) &&
           ours->expire_us == us_of(theirs->expire_time);
}

static enum sl_code compare_snapshot(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                     struct sl_err *err)
{
    struct sl_pubsub_snapshot ours;
    const enum sl_code code = sl_pubsub_read_snapshot(&ours, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && message)
        *same = same_snapshot(&ours, (const void *)message);
    return code;
}

static enum sl_code compare_update_snapshot(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                            struct sl_err *err)
{
    static const Google__Pubsub__V1__Snapshot none = GOOGLE__PUBSUB__V1__SNAPSHOT__INIT;
    const Google__Pubsub__V1__UpdateSnapshotRequest *theirs = (const void *)message;
    struct sl_pubsub_snapshot ours;
    const char **paths;
    size_t n;
    const enum sl_code code = sl_pubsub_read_update_snapshot(&ours, &paths, &n, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_snapshot(&ours, theirs->snapshot ? theirs->snapshot : &none) && same_mask(paths, n, theirs->update_mask);
    return code;
}

static enum sl_code compare_create_snapshot(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                            struct sl_err *err)
{
    const Google__Pubsub__V1__CreateSnapshotRequest *theirs = (const void *)message;
    struct sl_create_snapshot ours;
    const enum sl_code code = sl_pubsub_read_create_snapshot(&ours, bytes.ptr, bytes.len, arena, err);
    if (code != SL_OK || !theirs)
        return code;
    *same = same_string(ours.name, theirs->name) && same_string(ours.subscription, theirs->subscription) &&
            ours.labels.n == theirs->n_labels;
    for (size_t i = 0; *same && i < ours.labels.n; i++)
        *same = same_labels(&ours.labels, theirs->labels[i]->key, theirs->labels[i]->value, i);
    return code;
}

static enum sl_code compare_seek(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                 struct sl_err *err)
{
    const Google__Pubsub__V1__SeekRequest *theirs = (const void *)message;
    struct sl_seek_request ours;
    const enum sl_code code = sl_pubsub_read_seek(&ours, bytes.ptr, bytes.len, arena, err);
    if (code != SL_OK || !theirs)
        return code;
    *same = same_string(ours.subscription, theirs->subscription) && ours.has_time == (theirs->time != NULL) &&
            ours.time_us == us_of(theirs->time) && same_string(ours.snapshot, theirs->snapshot);
    return code;
}

static enum sl_code compare_list(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                 struct sl_err *err)
{
    const Google__Pubsub__V1__ListTopicsRequest *theirs = (const void *)message;
    const char *parent, *token;
    int page_size;
    const enum sl_code code = sl_pubsub_read_list(&parent, &page_size, &token, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_string(parent, theirs->project) && same_string(token, theirs->page_token) && page_size == theirs->page_size;
    return code;
}

static enum sl_code compare_items(bool *same, const ProtobufCMessage *message, struct sl_span bytes, struct sl_arena *arena,
                                  struct sl_err *err)
{
    const Google__Pubsub__V1__ListTopicSubscriptionsResponse *theirs = (const void *)message;
    struct sl_span *items;
    size_t n;
    const char *token;
    const enum sl_code code = sl_pubsub_read_items(&items, &n, &token, bytes.ptr, bytes.len, arena, err);
    if (code == SL_OK && theirs)
        *same = same_texts(items, n, theirs->subscriptions, theirs->n_subscriptions) && same_string(token, theirs->next_page_token);
    return code;
}

static const struct compared {
    const ProtobufCMessageDescriptor *descriptor;
    compare_fn *compare;
} COMPARED[] = {
    {&google__pubsub__v1__publish_request__descriptor, compare_publish},
    {&google__pubsub__v1__publish_response__descriptor, compare_publish_response},
    {&google__pubsub__v1__streaming_pull_response__descriptor, compare_streaming_response},
    {&google__pubsub__v1__streaming_pull_request__descriptor, compare_streaming_request},
    {&google__pubsub__v1__acknowledge_request__descriptor, compare_acknowledge},
    {&google__pubsub__v1__modify_ack_deadline_request__descriptor, compare_modify},
    {&google__pubsub__v1__pull_request__descriptor, compare_pull},
    {&google__pubsub__v1__topic__descriptor, compare_topic},
    {&google__pubsub__v1__subscription__descriptor, compare_subscription},
    {&google__pubsub__v1__update_topic_request__descriptor, compare_update_topic},
    {&google__pubsub__v1__update_subscription_request__descriptor, compare_update_subscription},
    {&google__pubsub__v1__list_topics_request__descriptor, compare_list},
    {&google__pubsub__v1__list_topic_subscriptions_response__descriptor, compare_items},
    {&google__pubsub__v1__snapshot__descriptor, compare_snapshot},
    {&google__pubsub__v1__update_snapshot_request__descriptor, compare_update_snapshot},
    {&google__pubsub__v1__create_snapshot_request__descriptor, compare_create_snapshot},
    {&google__pubsub__v1__seek_request__descriptor, compare_seek},
};
enum { N_COMPARED = sizeof COMPARED / sizeof *COMPARED };

#endif
