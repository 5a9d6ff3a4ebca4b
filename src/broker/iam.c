/* iam.c - IAM policies of topics, subscriptions and snapshots: kept and told, and never asked. Whoever reaches this broker may do everything, so every permission that there is for a
 * resource is granted; what is wished for is a place where the tests and tools of official clients can read back what they have set.
 * An etag is the time of the last change, and guards read-modify-write as the service's does. As admin.c: each change is its own transaction. */
#include "broker_internal.h"

#include <string.h>

#define NEVER_SET "\x00\x20\x01" /* the service's etag of a policy that nobody has set */

struct policy {
    int64_t revision; /* 0: nobody has set one */
    struct sl_buf bytes;
};

static bool is_there(const struct sl_broker *broker, const char *name, const char **permissions)
{
    const struct sl_catalog *catalog = &broker->catalog;
    size_t len = strlen(name);
    *permissions = strstr(name, "/topics/")          ? "pubsub.topics."
                   : strstr(name, "/subscriptions/") ? "pubsub.subscriptions."
                                                     : "pubsub.snapshots.";
    return sl_catalog_topic(catalog, name, len) || sl_catalog_subscription(catalog, name, len) || sl_catalog_snapshot(catalog, name, len);
}

static bool find(struct sl_broker *broker, struct sl_event *event, const char *name)
{
    const char *permissions;
    if (!is_there(broker, name, &permissions))
        sl_event_refuse(event, SL_RPC_NOT_FOUND, "Resource not found (resource=%s).", name);
    return event->status.code == SL_RPC_OK;
}

static enum sl_code read_policy(struct sl_broker *broker, const char *name, struct policy *out, struct sl_err *err)
{
    *out = (struct policy){0};
    enum sl_code code = sl_store_get_policy(broker->store, name, &out->revision, &out->bytes, err);
    return code == SL_NOT_FOUND ? SL_OK : code;
}

static struct sl_span etag_of(const struct policy *policy)
{
    return policy->revision ? (struct sl_span){(const char *)&policy->revision, sizeof(policy->revision)}
                            : (struct sl_span){NEVER_SET, sizeof(NEVER_SET) - 1};
}

enum sl_answer sl_get_policy(struct sl_broker *broker, struct sl_event *event)
{
    const char *name;
    struct policy policy;
    struct sl_err err;
    if (!sl_read_name(broker, event, &name) || !find(broker, event, name))
        return SL_ANSWER_NOW;
    if (read_policy(broker, name, &policy, &err))
        sl_refuse_store(broker, event, &err);
    else
        sl_iam_put_policy(&event->response, (struct sl_span){sl_buf_text(&policy.bytes), policy.bytes.len}, etag_of(&policy));
    sl_buf_fini(&policy.bytes);
    return SL_ANSWER_NOW;
}

static bool is_newest(struct sl_event *event, const struct policy *now, struct sl_span etag)
{
    struct sl_span newest = etag_of(now);
    if (etag.len > 0 && (etag.len != newest.len || memcmp(etag.ptr, newest.ptr, etag.len) != 0))
        sl_event_refuse(event, SL_RPC_ABORTED,
                        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.");
    return event->status.code == SL_RPC_OK;
}

enum sl_answer sl_set_policy(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_policy_change change;
    struct policy policy;
    struct sl_err err;
    if (sl_read_failed(event, sl_iam_read_set_policy(&change, event->data, event->len, &broker->arena, &err), &err) ||
        !find(broker, event, change.resource))
        return SL_ANSWER_NOW;
    enum sl_code code = read_policy(broker, change.resource, &policy, &err);
    sl_buf_fini(&policy.bytes);
    if (code)
        return sl_refuse_store(broker, event, &err);
    if (!is_newest(event, &policy, change.etag))
        return SL_ANSWER_NOW;
    policy.revision = broker->now_us > policy.revision ? broker->now_us : policy.revision + 1;
    sl_batch_commit(broker);
    if (sl_store_put_policy(broker->store, change.resource, policy.revision, change.policy.ptr, change.policy.len, &err) ||
        sl_store_commit(broker->store, &err))
        return sl_refuse_store(broker, event, &err);
    sl_iam_put_policy(&event->response, change.policy, etag_of(&policy));
    return SL_ANSWER_NOW;
}

/* Of what is not there nothing is granted, which is no error. */
enum sl_answer sl_test_permissions(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_permissions asked;
    const char *prefix;
    struct sl_err err;
    if (sl_read_failed(event, sl_iam_read_test_permissions(&asked, event->data, event->len, &broker->arena, &err), &err) ||
        !is_there(broker, asked.resource, &prefix))
        return SL_ANSWER_NOW;
    for (size_t i = 0; i < asked.n; i++)
        if (strncmp(asked.names[i], prefix, strlen(prefix)) != 0 || strchr(asked.names[i], '*'))
            return sl_event_refuse(event, SL_RPC_INVALID_ARGUMENT, "Permission %.100s is not valid for this resource.", asked.names[i]);
    sl_iam_put_permissions(&event->response, asked.names, asked.n);
    return SL_ANSWER_NOW;
}
