/* admin.c - topics: create, get, update, list, delete. Every change is its own transaction, durable before its answer; what waits for the
 * batch's commit is committed first, so that calls take effect in the order in which they came. */
#include "broker_internal.h"

#include <string.h>

bool sl_read_failed(struct sl_event *event, enum sl_code code, const struct sl_err *err)
{
    if (code)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "%s", err->text);
    return code != SL_OK;
}

bool sl_name_given(struct sl_event *event, const char *name, const char *kind)
{
    if (*name == '\0')
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [%s] name: (name=)", kind);
    return *name != '\0';
}

enum sl_answer sl_refuse_unsupported(struct sl_event *event, const char *field)
{
    return sl_event_refuse(event, SL_RPC_UNIMPLEMENTED, "This broker does not implement %s", field);
}

/* ---- masks ---- */

enum sl_answer sl_refuse_empty_mask(struct sl_event *event, const char *kind)
{
    return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT,
                           "The update_mask in the Update%sRequest must be set, and must contain a non-empty paths list.", kind);
}

/* "a.b" is within a. */
static const char *field_of(const char *const *fields, const char *path)
{
    for (; *fields; fields++) {
        size_t len = strlen(*fields);
        if (strncmp(*fields, path, len) == 0 && (path[len] == '\0' || path[len] == '.'))
            return *fields;
    }
    return NULL;
}

enum sl_answer sl_refuse_path(struct sl_event *event, const struct sl_fields *fields, const char *path, bool empty)
{
    const char *missing = field_of(fields->missing, path);
    if (missing)
        return empty ? SL_ANSWER_NOW : sl_refuse_unsupported(event, missing);
    if (field_of(fields->fixed, path))
        return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT,
                               "Invalid update_mask provided in the Update%sRequest: the '%.100s' field in the %s is not mutable.",
                               fields->kind, path, fields->kind);
    return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT,
                           "Invalid update_mask provided in the Update%sRequest: '%.100s' is not a known %s field. Note that field paths "
                           "must be of the form %s.",
                           fields->kind, path, fields->kind, fields->example);
}

/* ---- labels ---- */

#define LABELS_MAX      64
#define LABEL_CHARS_MAX 63

/* Small letters and letters of other alphabets (bytes of their UTF-8), digits, _ and -. */
static bool label_text_valid(const char *text)
{
    size_t chars = 0;
    for (const char *at = text; *at; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_' || *at == '-';
        if (!plain && !(*at & 0x80))
            return false;
        chars += (*at & 0xc0) != 0x80; /* not for what goes on with a letter */
    }
    return chars <= LABEL_CHARS_MAX;
}

static bool label_key_valid(const char *key)
{
    return ((*key >= 'a' && *key <= 'z') || (*key & 0x80)) && label_text_valid(key);
}

bool sl_labels_valid(struct sl_event *event, const struct sl_pubsub_labels *labels)
{
    if (labels->n > LABELS_MAX)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "A resource has at most %d labels; here are %zu", LABELS_MAX, labels->n);
    for (size_t i = 0; i < labels->n && event->status.code == SL_RPC_OK; i++)
        if (!label_key_valid(labels->keys[i]) || !label_text_valid(labels->values[i]))
            sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT,
                            "Invalid label %.100s=%.100s: keys begin with a small letter; keys and values have at most %d small letters, "
                            "digits, _ and -",
                            labels->keys[i], labels->values[i], LABEL_CHARS_MAX);
    return event->status.code == SL_RPC_OK;
}

/* ---- topics ---- */

size_t sl_page_size(int asked)
{
    if (asked <= 0)
        return SL_PAGE_DEFAULT;
    return asked < SL_PAGE_MAX ? (size_t)asked : SL_PAGE_MAX;
}

struct sl_topic *sl_find_topic(struct sl_broker *broker, struct sl_event *event, const char *name)
{
    struct sl_topic *topic = sl_catalog_topic(&broker->catalog, name, strlen(name));
    if (!topic && sl_name_given(event, name, "topics"))
        sl_event_refuse(event, SL_RPC_NOT_FOUND, "Topic not found");
    return topic;
}

bool sl_read_name(struct sl_broker *broker, struct sl_event *event, const char **name)
{
    struct sl_err err;
    return !sl_read_failed(event, sl_pubsub_read_name(name, event->data, event->len, &broker->arena, &err), &err);
}

#define RETENTION_MIN_MS (INT64_C(10) * 60 * 1000)
#define RETENTION_MAX_MS (INT64_C(31) * 24 * 3600 * 1000)

bool sl_retention_valid(int64_t ms)
{
    return ms >= RETENTION_MIN_MS && ms <= RETENTION_MAX_MS;
}

static bool settings_valid(struct sl_event *event, const struct sl_pubsub_topic *config)
{
    if (config->retention_ms != 0 && !sl_retention_valid(config->retention_ms))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "message_retention_duration must be between 10 minutes and 31 days");
    else if (config->unsupported)
        sl_refuse_unsupported(event, config->unsupported);
    else if (config->has_storage_policy && config->n_regions == 0)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "message_storage_policy.allowed_persistence_regions must not be empty");
    else
        return sl_labels_valid(event, &config->labels);
    return false;
}

/* As clients see it. */
static void put_now(struct sl_buf *out, const struct sl_pubsub_topic *config)
{
    enum { STATE = 9 };
    sl_pubsub_put_topic(out, config);
    sl_wire_put_int(out, STATE, SL_STATE_ACTIVE);
}

enum sl_answer sl_create_topic(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_pubsub_topic config;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_topic(&config, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    if (!sl_resource_name_valid(config.name, "topics"))
        return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [topics] name: (name=%s)", config.name);
    if (sl_catalog_topic(&broker->catalog, config.name, strlen(config.name)))
        return sl_event_refuse(event, SL_RPC_ALREADY_EXISTS, "Topic already exists");
    if (!settings_valid(event, &config))
        return SL_ANSWER_NOW;
    sl_batch_commit(broker);
    sl_buf_clear(&broker->out);
    sl_pubsub_put_topic(&broker->out, &config);
    struct sl_topic_row row = {.name = config.name, .config = {broker->out.data, broker->out.len}};
    int64_t id;
    if (sl_store_add_topic(broker->store, &row, &id, &err) || sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    sl_catalog_add_topic(&broker->catalog, id, &config);
    put_now(&event->response, &config);
    return SL_ANSWER_NOW;
}

enum sl_answer sl_get_topic(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct sl_topic *topic = sl_read_name(broker, event, &name) ? sl_find_topic(broker, event, name) : NULL;
    if (topic)
        put_now(&event->response, &topic->config);
    return SL_ANSWER_NOW;
}

/* `name` NULL: deleted. */
static enum sl_code put_topic(struct sl_broker *broker, const struct sl_topic *topic, const char *name, const struct sl_buf *config,
                              struct sl_err *err)
{
    struct sl_topic_row row = {
        .id = topic->id, .name = name, .last = topic->committed, .trimmed = topic->trimmed, .config = {config->data, config->len}};
    enum sl_code code = sl_store_put_topic(broker->store, &row, err);
    return code ? code : sl_store_commit(broker->store, err);
}

static const struct sl_fields FIELDS = {
    .kind = "Topic",
    .example = "'kms_key_name' rather than 'kmsKeyName'",
    .fixed = (const char *const[]){"name", "kms_key_name", "satisfies_pzs", "state", NULL},
    .missing = (const char *const[]){"schema_settings", "ingestion_data_source_settings", "message_transforms", NULL},
};

static void set_storage_policy(struct sl_pubsub_topic *out, const struct sl_pubsub_topic *in, bool regions, bool in_transit)
{
    if (regions) {
        out->has_storage_policy = in->has_storage_policy;
        out->regions = in->regions;
        out->n_regions = in->n_regions;
    }
    if (in_transit)
        out->enforce_in_transit = in->enforce_in_transit;
}

static bool apply_topic_path(struct sl_pubsub_topic *out, const struct sl_pubsub_topic *in, const char *path, struct sl_event *event)
{
    if (strcmp(path, "labels") == 0)
        out->labels = in->labels;
    else if (strcmp(path, "message_retention_duration") == 0)
        out->retention_ms = in->retention_ms;
    else if (strcmp(path, "message_storage_policy") == 0)
        set_storage_policy(out, in, true, true);
    else if (strcmp(path, "message_storage_policy.allowed_persistence_regions") == 0)
        set_storage_policy(out, in, true, false);
    else if (strcmp(path, "message_storage_policy.enforce_in_transit") == 0)
        set_storage_policy(out, in, false, true);
    else
        sl_refuse_path(event, &FIELDS, path, !in->unsupported);
    return event->status.code == SL_RPC_OK;
}

enum sl_answer sl_update_topic(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_pubsub_topic asked;
    const char **paths;
    size_t n;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_update_topic(&asked, &paths, &n, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    struct sl_topic *topic = sl_find_topic(broker, event, asked.name);
    if (!topic)
        return SL_ANSWER_NOW;
    if (n == 0)
        return sl_refuse_empty_mask(event, FIELDS.kind);
    struct sl_pubsub_topic config = topic->config;
    for (size_t i = 0; i < n; i++)
        if (!apply_topic_path(&config, &asked, paths[i], event))
            return SL_ANSWER_NOW;
    if (!settings_valid(event, &config))
        return SL_ANSWER_NOW;
    sl_batch_commit(broker);
    sl_buf_clear(&broker->out);
    sl_pubsub_put_topic(&broker->out, &config);
    if (put_topic(broker, topic, config.name, &broker->out, &err))
        return sl_refuse_store(broker, event, &err);
    sl_catalog_set_topic(topic, &config);
    put_now(&event->response, &topic->config);
    return SL_ANSWER_NOW;
}

bool sl_read_list(struct sl_broker *broker, struct sl_event *event, struct sl_page *page)
{
    struct sl_err err;
    int size;
    *page = (struct sl_page){.prefix = ""};
    if (sl_read_failed(event, sl_pubsub_read_list(&page->parent, &size, &page->after, event->data, event->len, &broker->arena, &err), &err))
        return false;
    if (size < 0)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "page_size must not be negative, but is %d", size);
    page->left = sl_page_size(size);
    return size >= 0;
}

bool sl_read_project_list(struct sl_broker *broker, struct sl_event *event, const char *kind, struct sl_page *page)
{
    if (!sl_read_list(broker, event, page))
        return false;
    const char *id = strncmp(page->parent, "projects/", 9) == 0 ? page->parent + 9 : "";
    if (*id == '\0' || strchr(id, '/'))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [projects] name: (name=%s)", page->parent);
    page->prefix = sl_arena_printf(&broker->arena, "%s/%s/", page->parent, kind);
    if (*page->after == '\0')
        page->after = page->prefix;
    return event->status.code == SL_RPC_OK;
}

bool sl_page_takes(struct sl_page *page, struct sl_event *event, const char *name)
{
    if (strncmp(name, page->prefix, strlen(page->prefix)) != 0)
        return false;
    if (page->left == 0) {
        sl_pubsub_put_page_token(&event->response, page->newest);
        return false;
    }
    page->left--;
    page->newest = name;
    return true;
}

enum sl_answer sl_list_topics(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_page page;
    if (!sl_read_project_list(broker, event, "topics", &page))
        return SL_ANSWER_NOW;
    const struct sl_list *topics = &broker->catalog.topics;
    for (size_t i = sl_catalog_topic_after(&broker->catalog, page.after); i < topics->n; i++) {
        const struct sl_topic *topic = topics->items[i];
        if (!sl_page_takes(&page, event, topic->config.name))
            break;
        sl_buf_clear(&broker->out);
        put_now(&broker->out, &topic->config);
        sl_pubsub_put_item(&event->response, broker->out.data, broker->out.len);
    }
    return SL_ANSWER_NOW;
}

enum sl_answer sl_list_topic_subscriptions(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_page page;
    if (!sl_read_list(broker, event, &page))
        return SL_ANSWER_NOW;
    const struct sl_topic *topic = sl_find_topic(broker, event, page.parent);
    const struct sl_list *subscriptions = &broker->catalog.subscriptions; /* sorted, as the topic's own list is not */
    size_t i = sl_catalog_subscription_after(&broker->catalog, page.after);
    for (; topic && i < subscriptions->n; i++) {
        const struct sl_subscription *subscription = subscriptions->items[i];
        if (subscription->topic != topic || subscription->config.detached)
            continue;
        if (!sl_page_takes(&page, event, subscription->config.name))
            break;
        sl_pubsub_put_item(&event->response, page.newest, strlen(page.newest));
    }
    return SL_ANSWER_NOW;
}

/* Its subscriptions and snapshots keep their messages and say _deleted-topic_. */
static enum sl_code store_deleted(struct sl_broker *broker, const struct sl_topic *topic, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < topic->subscriptions.n && code == SL_OK; i++) {
        const struct sl_subscription *subscription = topic->subscriptions.items[i];
        struct sl_pubsub_subscription config = subscription->config;
        config.topic = SL_DELETED_TOPIC;
        sl_buf_clear(&broker->out);
        sl_pubsub_put_subscription(&broker->out, &config);
        code = sl_store_set_subscription_config(broker->store, subscription->id, broker->out.data, broker->out.len, err);
    }
    for (size_t i = 0; i < topic->snapshots.n && code == SL_OK; i++) {
        const struct sl_snapshot *snapshot = topic->snapshots.items[i];
        struct sl_pubsub_snapshot config = snapshot->config;
        config.topic = SL_DELETED_TOPIC;
        sl_buf_clear(&broker->out);
        sl_pubsub_put_snapshot(&broker->out, &config);
        code = sl_store_set_snapshot_config(broker->store, snapshot->id, broker->out.data, broker->out.len, err);
    }
    return code;
}

static void tell_deleted(const struct sl_topic *topic)
{
    for (size_t i = 0; i < topic->subscriptions.n; i++) {
        struct sl_subscription *subscription = topic->subscriptions.items[i];
        struct sl_pubsub_subscription config = subscription->config;
        config.topic = SL_DELETED_TOPIC;
        sl_catalog_set_subscription(subscription, &config);
    }
    for (size_t i = 0; i < topic->snapshots.n; i++) {
        struct sl_snapshot *snapshot = topic->snapshots.items[i];
        struct sl_pubsub_snapshot config = snapshot->config;
        config.topic = SL_DELETED_TOPIC;
        sl_catalog_set_snapshot(snapshot, &config);
    }
}

enum sl_answer sl_delete_topic(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct sl_err err;
    struct sl_topic *topic = sl_read_name(broker, event, &name) ? sl_find_topic(broker, event, name) : NULL;
    if (!topic)
        return SL_ANSWER_NOW;
    sl_batch_commit(broker);
    struct sl_buf config = {0};
    sl_pubsub_put_topic(&config, &topic->config);
    enum sl_code code = store_deleted(broker, topic, &err);
    if (code == SL_OK)
        code = put_topic(broker, topic, NULL, &config, &err);
    sl_buf_fini(&config);
    if (code)
        return sl_refuse_store(broker, event, &err);
    tell_deleted(topic);
    sl_catalog_delete_topic(&broker->catalog, topic);
    return SL_ANSWER_NOW;
}
