/* pubsub.h - the messages of google.pubsub.v1 that Sluice speaks, as values, and their bytes. Pure.
 * Hot ones (StreamingPullResponse, PublishRequest, Acknowledge, ModifyAckDeadline) are read as spans into the wire bytes and written straight into a buffer; the admin ones become
 * strings in an arena. All by one reader and writer of our own; protobuf-c, from the same proto file, is the second opinion of the tests and of the fuzzer.
 * proto/google/pubsub/v1/pubsub.proto is our own wire-compatible subset: the same names and field numbers, unknown fields ignored. Any thread.
 * Spans are never NULL. Of a key that comes twice both stay; the last one counts. */
#ifndef SLUICE_PUBSUB_H
#define SLUICE_PUBSUB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/completion.h> /* struct sl_attribute */
#include <sluice/error.h>
#include <sluice/mem.h>
#include <sluice/str.h>
#include <sluice/wire.h> /* struct sl_span */

struct sl_pubsub_message { /* PubsubMessage; spans into what was decoded */
    struct sl_span data, message_id, ordering_key;
    struct sl_pubsub_attribute {
        struct sl_span key, value;
    } * attributes;
    size_t n_attributes; /* arena */
    int64_t publish_us;
};
struct sl_received {
    struct sl_span ack_id;
    struct sl_pubsub_message message;
    int32_t delivery_attempt;
};

/* Decoding: SL_INVALID with a sentence on malformed bytes; unknown fields are skipped. Strings of requests must be UTF-8; ack ids, and all that a server sent, are taken as they are.
 * PullResponse is read by sl_pubsub_read_streaming_response(). */
enum sl_code sl_pubsub_read_publish(struct sl_span *topic, struct sl_pubsub_message **messages, size_t *n,
                                    struct sl_span **raw /* each message's own bytes */, const void *data, size_t len,
                                    struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_pubsub_read_publish_response(struct sl_span **ids, size_t *n, const void *data, size_t len, struct sl_arena *arena,
                                             struct sl_err *err);
struct sl_streaming_response {
    struct sl_received *messages;
    size_t n;
    bool has_properties, exactly_once, ordering;
};
enum sl_code sl_pubsub_read_streaming_response(struct sl_streaming_response *out, const void *data, size_t len, struct sl_arena *arena,
                                               struct sl_err *err);
struct sl_streaming_request {
    struct sl_span subscription, client_id;
    struct sl_span *ack_ids;
    size_t n_ack_ids;
    int32_t *modify_seconds;
    size_t n_modify_seconds;
    struct sl_span *modify_ack_ids;
    size_t n_modify_ack_ids;
    int32_t stream_ack_deadline_s;
    int64_t max_outstanding_messages, max_outstanding_bytes, protocol_version;
};
enum sl_code sl_pubsub_read_streaming_request(struct sl_streaming_request *out, const void *data, size_t len, struct sl_arena *arena,
                                              struct sl_err *err);
struct sl_ack_request {
    struct sl_span subscription;
    struct sl_span *ack_ids;
    size_t n;
    int32_t deadline_s;
};
enum sl_code sl_pubsub_read_acknowledge(struct sl_ack_request *out, const void *data, size_t len, struct sl_arena *arena,
                                        struct sl_err *err);
enum sl_code sl_pubsub_read_modify(struct sl_ack_request *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err);
struct sl_pull_request {
    struct sl_span subscription;
    bool return_immediately;
    int32_t max_messages;
};
enum sl_code sl_pubsub_read_pull(struct sl_pull_request *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err);

/* Encoding: appended to `out`. */
void sl_pubsub_put_message(struct sl_buf *out, int field, const char *data, size_t len, const struct sl_attribute *attributes,
                           size_t n_attributes, const char *ordering_key); /* a PubsubMessage without id */
void sl_pubsub_put_publish_topic(struct sl_buf *out, const char *topic);   /* then sl_pubsub_put_message(out, 2, ...) */
void sl_pubsub_put_publish_response(struct sl_buf *out, const char *const *ids, size_t n);
/* A ReceivedMessage: `stored` is a PubsubMessage without id and time, as it was published; both are added. Field 1 of StreamingPullResponse and of PullResponse. */
void sl_pubsub_put_received(struct sl_buf *out, const char *ack_id, const char *stored, size_t stored_len, const char *message_id,
                            int64_t publish_us, int delivery_attempt, const struct sl_attribute *more, size_t n_more);
void sl_pubsub_put_properties(struct sl_buf *out, bool exactly_once, bool ordering); /* field 4 of StreamingPullResponse */
void sl_pubsub_put_streaming_request(struct sl_buf *out, const char *subscription, int stream_ack_deadline_s, const char *client_id,
                                     int64_t max_outstanding_messages, int64_t max_outstanding_bytes);
void sl_pubsub_put_acknowledge(struct sl_buf *out, const char *subscription, const char *const *ack_ids, size_t n);
void sl_pubsub_put_modify(struct sl_buf *out, const char *subscription, const char *const *ack_ids, size_t n, int deadline_s);
void sl_pubsub_put_pull(struct sl_buf *out, const char *subscription, int max_messages, bool return_immediately);

/* Admin messages as values. Durations in ms; strings arena-held. */
struct sl_pubsub_labels {
    const char **keys, **values;
    size_t n;
};
struct sl_pubsub_topic {
    const char *name;
    struct sl_pubsub_labels labels;
    bool has_storage_policy; /* where its messages may lie, as somebody has said */
    const char **regions;
    size_t n_regions;
    bool enforce_in_transit;
    const char *kms_key;     /* NULL or "": none */
    int64_t retention_ms;    /* 0: none */
    const char *unsupported; /* the first field that was set and has no place here; NULL: none; never written */
};
struct sl_pubsub_subscription {
    const char *name, *topic;
    int ack_deadline_s;
    bool retain_acked;
    int64_t retention_ms;
    struct sl_pubsub_labels labels;
    bool ordering, exactly_once, detached;
    const char *filter;
    const char *dead_letter_topic;
    int max_delivery_attempts; /* NULL: no policy */
    bool has_retry;
    int64_t min_backoff_ms, max_backoff_ms; /* read: 10 s and 600 s where the policy doesn't say */
    bool has_push;                          /* a push endpoint was asked for: refused; never written */
    int64_t topic_retention_ms;             /* the topic's, as the server tells it */
    bool has_expiration;
    int64_t ttl_ms;          /* without anybody who uses it; 0: it never expires */
    const char *unsupported; /* as a topic's */
};
/* How long it keeps what is not acked; 7 days where it doesn't say, as the service does. */
int64_t sl_pubsub_retention_ms(const struct sl_pubsub_subscription *subscription);
struct sl_pubsub_snapshot {
    const char *name, *topic;
    int64_t expire_us;
    struct sl_pubsub_labels labels;
};
enum sl_code sl_pubsub_read_topic(struct sl_pubsub_topic *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_topic(struct sl_buf *out, const struct sl_pubsub_topic *topic);
enum sl_code sl_pubsub_read_subscription(struct sl_pubsub_subscription *out, const void *data, size_t len, struct sl_arena *arena,
                                         struct sl_err *err);
void sl_pubsub_put_subscription(struct sl_buf *out, const struct sl_pubsub_subscription *subscription);
/* UpdateTopicRequest / UpdateSubscriptionRequest: the object and the paths of the mask. */
enum sl_code sl_pubsub_read_update_topic(struct sl_pubsub_topic *out, const char ***paths, size_t *n, const void *data, size_t len,
                                         struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_pubsub_read_update_subscription(struct sl_pubsub_subscription *out, const char ***paths, size_t *n, const void *data,
                                                size_t len, struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_update_topic(struct sl_buf *out, const struct sl_pubsub_topic *topic, const char *const *paths, size_t n);
void sl_pubsub_put_update_subscription(struct sl_buf *out, const struct sl_pubsub_subscription *subscription, const char *const *paths,
                                       size_t n);
enum sl_code sl_pubsub_read_snapshot(struct sl_pubsub_snapshot *out, const void *data, size_t len, struct sl_arena *arena,
                                     struct sl_err *err);
void sl_pubsub_put_snapshot(struct sl_buf *out, const struct sl_pubsub_snapshot *snapshot);
enum sl_code sl_pubsub_read_update_snapshot(struct sl_pubsub_snapshot *out, const char ***paths, size_t *n, const void *data, size_t len,
                                            struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_update_snapshot(struct sl_buf *out, const struct sl_pubsub_snapshot *snapshot, const char *const *paths, size_t n);
struct sl_create_snapshot { /* name "": the server makes one up */
    const char *name, *subscription;
    struct sl_pubsub_labels labels;
};
enum sl_code sl_pubsub_read_create_snapshot(struct sl_create_snapshot *out, const void *data, size_t len, struct sl_arena *arena,
                                            struct sl_err *err);
void sl_pubsub_put_create_snapshot(struct sl_buf *out, const struct sl_create_snapshot *request);
struct sl_seek_request {
    const char *subscription, *snapshot; /* snapshot "": none; it or a time */
    bool has_time;
    int64_t time_us;
};
enum sl_code sl_pubsub_read_seek(struct sl_seek_request *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_seek(struct sl_buf *out, const struct sl_seek_request *request);
/* ModifyPushConfigRequest: the subscription, and whether it asks for push. */
enum sl_code sl_pubsub_read_modify_push(const char **subscription, bool *has_push, const void *data, size_t len, struct sl_arena *arena,
                                        struct sl_err *err);
/* Get*, Delete*: field 1 is the name. List*: field 1 the parent, 2 page_size, 3 page_token. */
enum sl_code sl_pubsub_read_name(const char **name, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_name(struct sl_buf *out, const char *name);
enum sl_code sl_pubsub_read_list(const char **parent, int *page_size, const char **page_token, const void *data, size_t len,
                                 struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_list(struct sl_buf *out, const char *parent, int page_size, const char *page_token);
/* List responses: field 1 repeated (message bytes or strings), field 2 next_page_token. */
void sl_pubsub_put_item(struct sl_buf *out, const void *message, size_t len);
/* Items are spans into `data`; *page_token is "" on the last page. */
enum sl_code sl_pubsub_read_items(struct sl_span **items, size_t *n, const char **page_token, const void *data, size_t len,
                                  struct sl_arena *arena, struct sl_err *err);
void sl_pubsub_put_page_token(struct sl_buf *out, const char *token);

/* google.iam.v1, as a server sees it. Strings and bytes arena-held. */
struct sl_policy_change { /* SetIamPolicyRequest */
    const char *resource;
    struct sl_span policy; /* its version, bindings and audit configs, checked, as they are kept */
    struct sl_span etag;   /* empty: written over whatever is there */
};
enum sl_code sl_iam_read_set_policy(struct sl_policy_change *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err);
void sl_iam_put_policy(struct sl_buf *out, struct sl_span policy, struct sl_span etag);
struct sl_permissions { /* TestIamPermissionsRequest */
    const char *resource;
    const char **names;
    size_t n;
};
enum sl_code sl_iam_read_test_permissions(struct sl_permissions *out, const void *data, size_t len, struct sl_arena *arena,
                                          struct sl_err *err);
void sl_iam_put_permissions(struct sl_buf *out, const char *const *names, size_t n);

#endif
