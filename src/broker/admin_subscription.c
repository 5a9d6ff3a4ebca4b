/* admin_subscription.c - subscriptions: create, get, update, list, delete. As admin.c: each change is its own transaction.
 * What this broker does not do (push) is refused when it is asked for, not taken and ignored. */
#include "broker_internal.h"

#include <string.h>

#define TTL_MIN_MS        (INT64_C(24) * 3600 * 1000)
#define TTL_MS            (31 * TTL_MIN_MS)
#define RETENTION_MS      (INT64_C(7) * 24 * 3600 * 1000)
#define ACK_DEADLINE_S    10
#define DELIVERY_ATTEMPTS 5
#define PUSH_ENDPOINT     "push_config.push_endpoint"
#define BACKOFF_MAX_MS    (INT64_C(600) * 1000)

struct sl_subscription *sl_find_subscription_span(struct sl_broker *broker, struct sl_event *event, struct sl_span name)
{
    struct sl_subscription *subscription = sl_catalog_subscription(&broker->catalog, name.ptr, name.len);
    if (!subscription && sl_name_given(event, name.len ? "given" : "", "subscriptions"))
        sl_event_refuse(event, SL_RPC_NOT_FOUND, "Subscription does not exist (resource=%.*s)", (int)name.len, name.ptr);
    return subscription;
}

struct sl_subscription *sl_find_subscription(struct sl_broker *broker, struct sl_event *event, const char *name)
{
    return sl_find_subscription_span(broker, event, (struct sl_span){name, strlen(name)});
}

/* As clients see it: with what is its topic's. */
static void put_now(struct sl_buf *out, const struct sl_subscription *subscription)
{
    enum { STATE = 19 };
    struct sl_pubsub_subscription config = subscription->config;
    config.topic_retention_ms = subscription->topic->deleted ? 0 : subscription->topic->config.retention_ms;
    sl_pubsub_put_subscription(out, &config);
    sl_wire_put_int(out, STATE, SL_STATE_ACTIVE);
}

static void set_defaults(struct sl_pubsub_subscription *config)
{
    if (config->ack_deadline_s == 0)
        config->ack_deadline_s = ACK_DEADLINE_S;
    if (config->retention_ms == 0)
        config->retention_ms = RETENTION_MS;
    if (!config->has_expiration)
        config->ttl_ms = TTL_MS;
    config->has_expiration = true;
    if (config->dead_letter_topic && !*config->dead_letter_topic)
        config->dead_letter_topic = NULL;
    if (config->dead_letter_topic && config->max_delivery_attempts == 0)
        config->max_delivery_attempts = DELIVERY_ATTEMPTS;
}

static void check_attempts(struct sl_event *event, int attempts)
{
    if (attempts < 5)
        sl_event_refuse(event, SL_RPC_OUT_OF_RANGE,
                        "The value for max_delivery_attempts is too small. You passed %d in the request, but the minimum value is 5.",
                        attempts);
    else if (attempts > 100)
        sl_event_refuse(event, SL_RPC_OUT_OF_RANGE,
                        "The value for max_delivery_attempts is too large. You passed %d in the request, but the maximum value is 100.",
                        attempts);
}

static bool dead_letter_valid(struct sl_broker *broker, struct sl_event *event, const struct sl_pubsub_subscription *config)
{
    const char *name = config->dead_letter_topic;
    if (!name)
        return true;
    if (!sl_resource_name_valid(name, "topics"))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [topics] name: (name=%s)", name);
    else if (!sl_catalog_topic(&broker->catalog, name, strlen(name)))
        sl_event_refuse(event, SL_RPC_NOT_FOUND, "Dead letter topic does not exist (resource=%s)", name);
    else
        check_attempts(event, config->max_delivery_attempts);
    return event->status.code == SL_RPC_OK;
}

static bool settings_valid(struct sl_broker *broker, struct sl_event *event, const struct sl_pubsub_subscription *config)
{
    if (config->ack_deadline_s < 10 || config->ack_deadline_s > 600)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid ack deadline given: %d (must be between 10 and 600 seconds)",
                        config->ack_deadline_s);
    else if (!sl_retention_valid(config->retention_ms))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "message_retention_duration must be between 10 minutes and 31 days");
    else if (config->has_retry && (config->min_backoff_ms < 0 || config->min_backoff_ms > BACKOFF_MAX_MS || config->max_backoff_ms < 0 ||
                                   config->max_backoff_ms > BACKOFF_MAX_MS))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "retry_policy: a backoff must be between 0 and 600 seconds");
    else if (config->has_retry && config->min_backoff_ms > config->max_backoff_ms)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "retry_policy: minimum_backoff is greater than maximum_backoff");
    else if (config->ttl_ms != 0 && config->ttl_ms < TTL_MIN_MS)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "expiration_policy.ttl must be at least 1 day");
    else if (config->has_push)
        sl_refuse_unsupported(event, PUSH_ENDPOINT);
    else if (config->unsupported)
        sl_refuse_unsupported(event, config->unsupported);
    else
        return sl_labels_valid(event, &config->labels) && dead_letter_valid(broker, event, config);
    return false;
}

static bool new_name_valid(struct sl_broker *broker, struct sl_event *event, const struct sl_pubsub_subscription *config)
{
    if (!sl_resource_name_valid(config->name, "subscriptions"))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [subscriptions] name: (name=%s)", config->name);
    else if (!sl_resource_name_valid(config->topic, "topics"))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [topics] name: (name=%s)", config->topic);
    else if (sl_catalog_subscription(&broker->catalog, config->name, strlen(config->name)))
        sl_event_refuse(event, SL_RPC_ALREADY_EXISTS, "Subscription already exists");
    else if (!sl_catalog_topic(&broker->catalog, config->topic, strlen(config->topic)))
        sl_event_refuse(event, SL_RPC_NOT_FOUND, "Subscription topic does not exist");
    return event->status.code == SL_RPC_OK;
}

static bool filter_valid(struct sl_event *event, const struct sl_pubsub_subscription *config)
{
    struct sl_filter *filter = NULL;
    struct sl_err err;
    bool failed = sl_read_failed(event, sl_filter_parse(&filter, config->filter, &err), &err);
    sl_filter_free(&filter);
    return !failed;
}

/* It begins after the newest message of its topic. */
static enum sl_answer add(struct sl_broker *broker, struct sl_event *event, const struct sl_pubsub_subscription *config)
{
    struct sl_err err;
    sl_batch_commit(broker);
    struct sl_topic *topic = sl_catalog_topic(&broker->catalog, config->topic, strlen(config->topic));
    sl_buf_clear(&broker->out);
    sl_pubsub_put_subscription(&broker->out, config);
    struct sl_subscription_row row = {.topic = topic->id,
                                      .name = config->name,
                                      .floor = topic->committed,
                                      .born = topic->committed,
                                      .config = {broker->out.data, broker->out.len}};
    if (sl_store_add_subscription(broker->store, &row, &row.id, &err) || sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    put_now(&event->response, sl_catalog_add_subscription(&broker->catalog, config, topic, &row,
                                                          (uint64_t)broker->now_us & ((UINT64_C(1) << (SL_SERIAL_BITS - 1)) - 1)));
    return SL_ANSWER_NOW;
}

enum sl_answer sl_create_subscription(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_pubsub_subscription config;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_subscription(&config, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    set_defaults(&config);
    if (!new_name_valid(broker, event, &config) || !settings_valid(broker, event, &config) || !filter_valid(event, &config))
        return SL_ANSWER_NOW;
    config.detached = false; /* only the server says these */
    config.topic_retention_ms = 0;
    return add(broker, event, &config);
}

enum sl_answer sl_get_subscription(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct sl_subscription *subscription = sl_read_name(broker, event, &name) ? sl_find_subscription(broker, event, name) : NULL;
    if (subscription)
        put_now(&event->response, subscription);
    return SL_ANSWER_NOW;
}

/* ---- update: one function per path ---- */

typedef void (*set_field)(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in);

static void set_ack_deadline(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->ack_deadline_s = in->ack_deadline_s;
}

static void set_retention(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->retention_ms = in->retention_ms;
}

static void set_labels(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->labels = in->labels;
}

static void set_dead_letter(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->dead_letter_topic = in->dead_letter_topic;
    out->max_delivery_attempts = in->max_delivery_attempts;
}

static void set_dead_letter_topic(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->dead_letter_topic = in->dead_letter_topic;
}

static void set_attempts(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->max_delivery_attempts = in->max_delivery_attempts;
}

static void set_retry(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->has_retry = in->has_retry;
    out->min_backoff_ms = in->min_backoff_ms;
    out->max_backoff_ms = in->max_backoff_ms;
}

static void set_min_backoff(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->has_retry = true;
    out->min_backoff_ms = in->min_backoff_ms;
}

static void set_max_backoff(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->has_retry = true;
    out->max_backoff_ms = in->max_backoff_ms;
}

static void set_retain_acked(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->retain_acked = in->retain_acked;
}

static void set_push(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->has_push = in->has_push;
}

static void set_exactly_once(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->exactly_once = in->exactly_once;
}

static void set_expiration(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in)
{
    out->has_expiration = in->has_expiration;
    out->ttl_ms = in->ttl_ms;
}

static const struct {
    const char *path;
    set_field set;
} FIELDS[] = {
    {"ack_deadline_seconds", set_ack_deadline},
    {"message_retention_duration", set_retention},
    {"labels", set_labels},
    {"expiration_policy", set_expiration},
    {"expiration_policy.ttl", set_expiration},
    {"dead_letter_policy", set_dead_letter},
    {"dead_letter_policy.dead_letter_topic", set_dead_letter_topic},
    {"dead_letter_policy.max_delivery_attempts", set_attempts},
    {"retry_policy", set_retry},
    {"retry_policy.minimum_backoff", set_min_backoff},
    {"retry_policy.maximum_backoff", set_max_backoff},
    {"retain_acked_messages", set_retain_acked},
    {"push_config", set_push},
    {"enable_exactly_once_delivery", set_exactly_once},
};

static const struct sl_fields OTHERS = {
    .kind = "Subscription",
    .example = "'push_config' rather than 'pushConfig'",
    .fixed = (const char *const[]){"name", "topic", "filter", "enable_message_ordering", "detached", "topic_message_retention_duration",
                                   "state", NULL},
    .missing = (const char *const[]){"bigquery_config", "cloud_storage_config", "bigtable_config", "message_transforms", NULL},
};

static bool apply_path(struct sl_pubsub_subscription *out, const struct sl_pubsub_subscription *in, const char *path)
{
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++)
        if (strcmp(FIELDS[i].path, path) == 0) {
            FIELDS[i].set(out, in);
            return true;
        }
    return false;
}

static enum sl_answer apply_update(struct sl_broker *broker, struct sl_event *event, struct sl_subscription *subscription,
                                   struct sl_pubsub_subscription *config)
{
    struct sl_err err;
    set_defaults(config);
    if (!settings_valid(broker, event, config))
        return SL_ANSWER_NOW;
    sl_batch_commit(broker);
    sl_buf_clear(&broker->out);
    sl_pubsub_put_subscription(&broker->out, config);
    if (sl_store_set_subscription_config(broker->store, subscription->id, broker->out.data, broker->out.len, &err) ||
        sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    sl_catalog_set_subscription(subscription, config);
    put_now(&event->response, subscription);
    return SL_ANSWER_NOW;
}

enum sl_answer sl_update_subscription(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_pubsub_subscription asked;
    const char **paths;
    size_t n;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_update_subscription(&asked, &paths, &n, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    struct sl_subscription *subscription = sl_find_subscription(broker, event, asked.name);
    if (!subscription)
        return SL_ANSWER_NOW;
    if (n == 0)
        return sl_refuse_empty_mask(event, OTHERS.kind);
    struct sl_pubsub_subscription config = subscription->config;
    for (size_t i = 0; i < n; i++)
        if (!apply_path(&config, &asked, paths[i]))
            sl_refuse_path(event, &OTHERS, paths[i], !asked.unsupported);
    if (event->status.code != SL_RPC_OK)
        return SL_ANSWER_NOW;
    return apply_update(broker, event, subscription, &config);
}

/* What is here is pulled from already: only push can't be had. */
enum sl_answer sl_modify_push_config(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    bool has_push;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_modify_push(&name, &has_push, event->data, event->len, &broker->arena, &err), &err) ||
        !sl_find_subscription(broker, event, name))
        return SL_ANSWER_NOW;
    return has_push ? sl_refuse_unsupported(event, PUSH_ENDPOINT) : SL_ANSWER_NOW;
}

enum sl_answer sl_list_subscriptions(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_page page;
    if (!sl_read_project_list(broker, event, "subscriptions", &page))
        return SL_ANSWER_NOW;
    const struct sl_list *subscriptions = &broker->catalog.subscriptions;
    for (size_t i = sl_catalog_subscription_after(&broker->catalog, page.after); i < subscriptions->n; i++) {
        const struct sl_subscription *subscription = subscriptions->items[i];
        if (!sl_page_takes(&page, event, subscription->config.name))
            break;
        sl_buf_clear(&broker->out);
        put_now(&broker->out, subscription);
        sl_pubsub_put_item(&event->response, broker->out.data, broker->out.len);
    }
    return SL_ANSWER_NOW;
}

enum sl_code sl_drop_subscription(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_err *err)
{
    sl_batch_commit(broker);
    if (sl_store_delete_subscription(broker->store, subscription->id, err) || sl_store_commit(broker->store, err))
        return err->code;
    sl_streams_finish_all(broker, subscription, SL_RPC_NOT_FOUND, "Subscription does not exist any more");
    sl_pulls_refuse(broker, subscription, SL_RPC_NOT_FOUND, "Subscription does not exist any more");
    sl_catalog_remove_subscription(&broker->catalog, subscription);
    return SL_OK;
}

enum sl_answer sl_delete_subscription(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct sl_err err;
    struct sl_subscription *subscription = sl_read_name(broker, event, &name) ? sl_find_subscription(broker, event, name) : NULL;
    if (subscription && sl_drop_subscription(broker, subscription, &err))
        return sl_refuse_store(broker, event, &err);
    return SL_ANSWER_NOW;
}
