/* admin_snapshot.c - snapshots: create, get, update, list, delete. A snapshot is what its subscription had acked when it was made; it keeps the rest,
 * and all that is published later, until it expires or is deleted. As admin.c: each change is its own transaction. */
#include "broker_internal.h"

#include <string.h>

#include <sluice/hash.h>

#define HOUR_US (INT64_C(3600) * 1000000)
#define LIFE_US (7 * 24 * HOUR_US)

static struct sl_snapshot *find(struct sl_broker *broker, struct sl_event *event, const char *name)
{
    struct sl_snapshot *snapshot = sl_catalog_snapshot(&broker->catalog, name, strlen(name));
    if (!snapshot && sl_name_given(event, name, "snapshots"))
        sl_event_refuse(event, SL_RPC_NOT_FOUND, "Snapshot does not exist (resource=%s)", name);
    return snapshot;
}

/* "projects/P/subscriptions/S" -> "projects/P/snapshots/snapshot-UUID" */
static const char *made_up_name(struct sl_broker *broker, const char *subscription)
{
    char uuid[SL_UUID_LEN + 1];
    const char *project = subscription + strlen("projects/");
    return sl_arena_printf(&broker->arena, "projects/%.*s/snapshots/snapshot-%s", (int)strcspn(project, "/"), project,
                           sl_uuid_format(sl_uuid4(), uuid));
}

static bool new_name_valid(struct sl_broker *broker, struct sl_event *event, const char *name)
{
    if (!sl_resource_name_valid(name, "snapshots"))
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Invalid [snapshots] name: (name=%s)", name);
    else if (sl_catalog_snapshot(&broker->catalog, name, strlen(name)))
        sl_event_refuse(event, SL_RPC_ALREADY_EXISTS, "Snapshot already exists");
    return event->status.code == SL_RPC_OK;
}

/* It lives as long as the oldest message that it keeps would have. */
static enum sl_code expiry_of(struct sl_broker *broker, const struct sl_subscription *subscription, int64_t *expire_us, struct sl_err *err)
{
    const struct sl_topic *topic = subscription->topic;
    struct sl_stored oldest;
    int64_t first = sl_ranges_next_absent(&subscription->delivery.acked, subscription->delivery.acked.floor + 1);
    enum sl_code code = sl_store_next(broker->store, topic->id, first, topic->committed, &oldest, err);
    *expire_us = (code == SL_OK ? oldest.publish_us : broker->now_us) + LIFE_US;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

static enum sl_answer add(struct sl_broker *broker, struct sl_event *event, const struct sl_subscription *subscription,
                          const struct sl_pubsub_snapshot *config)
{
    struct sl_err err;
    const struct sl_ranges *acked = &subscription->delivery.acked;
    sl_pubsub_put_snapshot(&event->response, config);
    struct sl_snapshot_row row = {.topic = subscription->topic->id,
                                  .name = config->name,
                                  .floor = acked->floor,
                                  .config = {event->response.data, event->response.len}};
    int64_t id;
    if (sl_store_add_snapshot(broker->store, &row, acked, &id, &err) || sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    struct sl_snapshot *made = sl_catalog_add_snapshot(&broker->catalog, id, config, subscription->topic, acked->floor);
    sl_ranges_replace(&made->acked, acked);
    return SL_ANSWER_NOW;
}

enum sl_answer sl_create_snapshot(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_create_snapshot request;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_create_snapshot(&request, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    const struct sl_subscription *subscription = sl_find_subscription(broker, event, request.subscription);
    if (!subscription)
        return SL_ANSWER_NOW;
    if (subscription->config.detached)
        return sl_event_refuse(event, SL_RPC_FAILED_PRECONDITION, SL_DETACHED);
    struct sl_pubsub_snapshot config = {.name = request.name, .topic = subscription->config.topic, .labels = request.labels};
    if (!*config.name)
        config.name = made_up_name(broker, request.subscription);
    if (!new_name_valid(broker, event, config.name) || !sl_labels_valid(event, &config.labels))
        return SL_ANSWER_NOW;
    sl_batch_commit(broker);
    if (expiry_of(broker, subscription, &config.expire_us, &err))
        return sl_refuse_store(broker, event, &err);
    if (config.expire_us < broker->now_us + HOUR_US)
        return sl_event_refuse(
            event, SL_RPC_FAILED_PRECONDITION,
            "The snapshot would expire in less than an hour: the subscription has an unacknowledged message that is too old");
    return add(broker, event, subscription, &config);
}

enum sl_answer sl_get_snapshot(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    const struct sl_snapshot *snapshot = sl_read_name(broker, event, &name) ? find(broker, event, name) : NULL;
    if (snapshot)
        sl_pubsub_put_snapshot(&event->response, &snapshot->config);
    return SL_ANSWER_NOW;
}

static const struct sl_fields FIELDS = {
    .kind = "Snapshot",
    .example = "'expire_time' rather than 'expireTime'",
    .fixed = (const char *const[]){"name", "topic", NULL},
    .missing = (const char *const[]){NULL},
};

static bool apply_path(struct sl_broker *broker, struct sl_event *event, struct sl_pubsub_snapshot *out,
                       const struct sl_pubsub_snapshot *in, const char *path)
{
    if (strcmp(path, "labels") == 0)
        out->labels = in->labels;
    else if (strcmp(path, "expire_time") == 0 && in->expire_us > broker->now_us)
        out->expire_us = in->expire_us;
    else if (strcmp(path, "expire_time") == 0)
        sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "expire_time is not in the future");
    else
        sl_refuse_path(event, &FIELDS, path, false);
    return event->status.code == SL_RPC_OK;
}

enum sl_answer sl_update_snapshot(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_pubsub_snapshot asked;
    const char **paths;
    size_t n;
    struct sl_err err;
    if (sl_read_failed(event, sl_pubsub_read_update_snapshot(&asked, &paths, &n, event->data, event->len, &broker->arena, &err), &err))
        return SL_ANSWER_NOW;
    struct sl_snapshot *snapshot = find(broker, event, asked.name);
    if (!snapshot)
        return SL_ANSWER_NOW;
    if (n == 0)
        return sl_refuse_empty_mask(event, FIELDS.kind);
    struct sl_pubsub_snapshot config = snapshot->config;
    for (size_t i = 0; i < n; i++)
        if (!apply_path(broker, event, &config, &asked, paths[i]))
            return SL_ANSWER_NOW;
    if (!sl_labels_valid(event, &config.labels))
        return SL_ANSWER_NOW;
    sl_pubsub_put_snapshot(&event->response, &config);
    sl_batch_commit(broker);
    if (sl_store_set_snapshot_config(broker->store, snapshot->id, event->response.data, event->response.len, &err) ||
        sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    sl_catalog_set_snapshot(snapshot, &config);
    return SL_ANSWER_NOW;
}

enum sl_answer sl_list_snapshots(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_page page;
    if (!sl_read_project_list(broker, event, "snapshots", &page))
        return SL_ANSWER_NOW;
    const struct sl_list *snapshots = &broker->catalog.snapshots;
    for (size_t i = sl_catalog_snapshot_after(&broker->catalog, page.after); i < snapshots->n; i++) {
        const struct sl_snapshot *snapshot = snapshots->items[i];
        if (!sl_page_takes(&page, event, snapshot->config.name))
            break;
        sl_buf_clear(&broker->out);
        sl_pubsub_put_snapshot(&broker->out, &snapshot->config);
        sl_pubsub_put_item(&event->response, broker->out.data, broker->out.len);
    }
    return SL_ANSWER_NOW;
}

enum sl_answer sl_list_topic_snapshots(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_page page;
    if (!sl_read_list(broker, event, &page))
        return SL_ANSWER_NOW;
    const struct sl_topic *topic = sl_find_topic(broker, event, page.parent);
    const struct sl_list *snapshots = &broker->catalog.snapshots; /* sorted, as the topic's own list is not */
    size_t i = sl_catalog_snapshot_after(&broker->catalog, page.after);
    for (; topic && i < snapshots->n; i++) {
        const struct sl_snapshot *snapshot = snapshots->items[i];
        if (snapshot->topic != topic)
            continue;
        if (!sl_page_takes(&page, event, snapshot->config.name))
            break;
        sl_pubsub_put_item(&event->response, page.newest, strlen(page.newest));
    }
    return SL_ANSWER_NOW;
}

enum sl_answer sl_delete_snapshot(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct sl_err err;
    struct sl_snapshot *snapshot = sl_read_name(broker, event, &name) ? find(broker, event, name) : NULL;
    if (!snapshot)
        return SL_ANSWER_NOW;
    sl_batch_commit(broker);
    if (sl_store_delete_snapshot(broker->store, snapshot->id, &err) || sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    sl_catalog_remove_snapshot(&broker->catalog, snapshot);
    return SL_ANSWER_NOW;
}
