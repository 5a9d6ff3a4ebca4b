/* admin.c - topics and subscriptions, and the requests that name them, as values. Strings are UTF-8 without NUL, copied into the arena. */
#include <string.h>

#include "wire.h"

enum { MAX_LABELS = 10000, MAX_PATHS = 1000, MAX_ITEMS = 100000, MAX_REGIONS = 1000 };
enum { MIN_BACKOFF_MS = 10000, MAX_BACKOFF_MS = 600000, DEFAULT_RETENTION_MS = 7 * 86400 * 1000 }; /* where a retry policy doesn't say */

static const int64_t MAX_DURATION_S = INT64_C(315576000000); /* 10,000 years, as google.protobuf.Duration has it */

/* ---- reading ---- */

void sl_wire_add_label(struct sl_wire *wire, struct sl_pubsub_labels *out, struct sl_span bytes, struct sl_arena *arena)
{
    struct sl_wire entry = sl_wire_open(bytes, "label", wire->err);
    struct sl_wire_field field;
    size_t n = out->n;
    if (n == MAX_LABELS) {
        sl_wire_fail(wire, "too many labels");
        return;
    }
    out->keys = sl_arena_push(arena, out->keys, &out->n, sizeof *out->keys);
    out->values = sl_arena_push(arena, out->values, &n, sizeof *out->values);
    out->keys[n - 1] = out->values[n - 1] = "";
    while (sl_wire_next(&entry, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_string(&entry, &field, arena, &out->keys[n - 1]);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            sl_wire_string(&entry, &field, arena, &out->values[n - 1]);
    wire->code = entry.code;
}

/* A Duration that may come in parts; the milliseconds of what is known so far. */
static void read_duration(struct sl_wire *wire, struct sl_wire_time *time, struct sl_span bytes, int64_t *out_ms)
{
    wire->code = sl_wire_read_time(time, bytes, wire->err);
    if (wire->code != SL_OK)
        return;
    if (time->seconds < -MAX_DURATION_S || time->seconds > MAX_DURATION_S || time->nanos <= -1000000000 || time->nanos >= 1000000000)
        sl_wire_fail(wire, "a duration is out of range");
    else
        *out_ms = time->seconds * 1000 + time->nanos / 1000000;
}

static enum sl_code read_storage_policy(struct sl_pubsub_topic *out, struct sl_span bytes, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "MessageStoragePolicy", err);
    struct sl_wire_field field;
    out->has_storage_policy = true;
    while (sl_wire_next(&wire, &field)) {
        if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            out->enforce_in_transit = field.value != 0;
        if (field.key != SL_KEY(1, SL_WIRE_BYTES))
            continue;
        if (out->n_regions == MAX_REGIONS) {
            sl_wire_fail(&wire, "too many regions");
            break;
        }
        out->regions = sl_arena_push(arena, out->regions, &out->n_regions, sizeof *out->regions);
        sl_wire_string(&wire, &field, arena, &out->regions[out->n_regions - 1]);
    }
    return wire.code;
}

/* An empty message asks for nothing. */
static void note_unsupported(const char **out, const struct sl_wire_field *field, const char *name)
{
    if (!*out && field->bytes.len > 0)
        *out = name;
}

int64_t sl_pubsub_retention_ms(const struct sl_pubsub_subscription *subscription)
{
    return subscription->retention_ms > 0 ? subscription->retention_ms : DEFAULT_RETENTION_MS;
}

enum sl_code sl_pubsub_read_topic(struct sl_pubsub_topic *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "Topic", err);
    struct sl_wire_field field;
    struct sl_wire_time retention = {0};
    *out = (struct sl_pubsub_topic){.name = ""};
    while (sl_wire_next(&wire, &field)) {
        switch (field.key) {
        case SL_KEY(1, SL_WIRE_BYTES): sl_wire_string(&wire, &field, arena, &out->name); break;
        case SL_KEY(2, SL_WIRE_BYTES): sl_wire_add_label(&wire, &out->labels, field.bytes, arena); break;
        case SL_KEY(3, SL_WIRE_BYTES): wire.code = read_storage_policy(out, field.bytes, arena, err); break;
        case SL_KEY(5, SL_WIRE_BYTES): sl_wire_string(&wire, &field, arena, &out->kms_key); break;
        case SL_KEY(6, SL_WIRE_BYTES): note_unsupported(&out->unsupported, &field, "schema_settings"); break;
        case SL_KEY(8, SL_WIRE_BYTES): read_duration(&wire, &retention, field.bytes, &out->retention_ms); break;
        case SL_KEY(10, SL_WIRE_BYTES): note_unsupported(&out->unsupported, &field, "ingestion_data_source_settings"); break;
        case SL_KEY(13, SL_WIRE_BYTES): note_unsupported(&out->unsupported, &field, "message_transforms"); break;
        default: break;
        }
    }
    return wire.code;
}

static enum sl_code read_dead_letter(struct sl_pubsub_subscription *out, struct sl_span bytes, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "DeadLetterPolicy", err);
    struct sl_wire_field field;
    if (!out->dead_letter_topic)
        out->dead_letter_topic = "";
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &out->dead_letter_topic);
        else if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            out->max_delivery_attempts = (int32_t)(uint32_t)field.value;
    return wire.code;
}

struct durations {
    struct sl_wire_time retention, min_backoff, max_backoff, topic_retention, ttl;
};

static enum sl_code read_retry(struct sl_pubsub_subscription *out, struct durations *durations, struct sl_span bytes, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "RetryPolicy", err);
    struct sl_wire_field field;
    if (!out->has_retry) {
        out->has_retry = true;
        out->min_backoff_ms = MIN_BACKOFF_MS;
        out->max_backoff_ms = MAX_BACKOFF_MS;
    }
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            read_duration(&wire, &durations->min_backoff, field.bytes, &out->min_backoff_ms);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            read_duration(&wire, &durations->max_backoff, field.bytes, &out->max_backoff_ms);
    return wire.code;
}

static enum sl_code read_expiration(struct sl_pubsub_subscription *out, struct durations *durations, struct sl_span bytes,
                                    struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "ExpirationPolicy", err);
    struct sl_wire_field field;
    out->has_expiration = true;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            read_duration(&wire, &durations->ttl, field.bytes, &out->ttl_ms);
    return wire.code;
}

static enum sl_code read_push(struct sl_pubsub_subscription *out, struct sl_span bytes, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "PushConfig", err);
    struct sl_wire_field field;
    const char *endpoint = "";
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            out->has_push = sl_wire_string(&wire, &field, arena, &endpoint) && *endpoint;
    return wire.code;
}

static void read_subscription_field(struct sl_pubsub_subscription *out, struct sl_wire *wire, const struct sl_wire_field *field,
                                    struct durations *durations, struct sl_arena *arena)
{
    switch (field->key) {
    case SL_KEY(1, SL_WIRE_BYTES): sl_wire_string(wire, field, arena, &out->name); break;
    case SL_KEY(2, SL_WIRE_BYTES): sl_wire_string(wire, field, arena, &out->topic); break;
    case SL_KEY(4, SL_WIRE_BYTES): wire->code = read_push(out, field->bytes, arena, wire->err); break;
    case SL_KEY(5, SL_WIRE_VARINT): out->ack_deadline_s = (int32_t)(uint32_t)field->value; break;
    case SL_KEY(7, SL_WIRE_VARINT): out->retain_acked = field->value != 0; break;
    case SL_KEY(8, SL_WIRE_BYTES): read_duration(wire, &durations->retention, field->bytes, &out->retention_ms); break;
    case SL_KEY(9, SL_WIRE_BYTES): sl_wire_add_label(wire, &out->labels, field->bytes, arena); break;
    case SL_KEY(10, SL_WIRE_VARINT): out->ordering = field->value != 0; break;
    case SL_KEY(11, SL_WIRE_BYTES): wire->code = read_expiration(out, durations, field->bytes, wire->err); break;
    case SL_KEY(12, SL_WIRE_BYTES): sl_wire_string(wire, field, arena, &out->filter); break;
    case SL_KEY(13, SL_WIRE_BYTES): wire->code = read_dead_letter(out, field->bytes, arena, wire->err); break;
    case SL_KEY(14, SL_WIRE_BYTES): wire->code = read_retry(out, durations, field->bytes, wire->err); break;
    case SL_KEY(15, SL_WIRE_VARINT): out->detached = field->value != 0; break;
    case SL_KEY(16, SL_WIRE_VARINT): out->exactly_once = field->value != 0; break;
    case SL_KEY(17, SL_WIRE_BYTES): read_duration(wire, &durations->topic_retention, field->bytes, &out->topic_retention_ms); break;
    case SL_KEY(18, SL_WIRE_BYTES): note_unsupported(&out->unsupported, field, "bigquery_config"); break;
    case SL_KEY(22, SL_WIRE_BYTES): note_unsupported(&out->unsupported, field, "cloud_storage_config"); break;
    case SL_KEY(25, SL_WIRE_BYTES): note_unsupported(&out->unsupported, field, "message_transforms"); break;
    case SL_KEY(27, SL_WIRE_BYTES): note_unsupported(&out->unsupported, field, "bigtable_config"); break;
    default: break;
    }
}

enum sl_code sl_pubsub_read_subscription(struct sl_pubsub_subscription *out, const void *data, size_t len, struct sl_arena *arena,
                                         struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "Subscription", err);
    struct sl_wire_field field;
    struct durations durations = {0};
    *out = (struct sl_pubsub_subscription){.name = "", .topic = "", .filter = ""};
    while (sl_wire_next(&wire, &field))
        read_subscription_field(out, &wire, &field, &durations, arena);
    return wire.code;
}

static enum sl_code read_mask(const char ***paths, size_t *n, struct sl_span bytes, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "FieldMask", err);
    struct sl_wire_field field;
    while (sl_wire_next(&wire, &field)) {
        if (field.key != SL_KEY(1, SL_WIRE_BYTES))
            continue;
        if (*n == MAX_PATHS) {
            sl_wire_fail(&wire, "too many paths");
            break;
        }
        *paths = sl_arena_push(arena, *paths, n, sizeof **paths);
        sl_wire_string(&wire, &field, arena, &(*paths)[*n - 1]);
    }
    return wire.code;
}

/* The two parts of an Update*Request. An object that comes in parts is read as one: its parts one after the other are its bytes. */
enum sl_code sl_wire_read_update(struct sl_span *object, const char ***paths, size_t *n, const char *what, struct sl_span bytes,
                                 struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, what, err);
    struct sl_wire_field field;
    struct sl_buf joined = {0};
    *paths = NULL;
    *n = 0;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_buf_add(&joined, field.bytes.ptr, field.bytes.len);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            wire.code = read_mask(paths, n, field.bytes, arena, err);
    *object = (struct sl_span){sl_arena_strndup(arena, sl_buf_text(&joined), joined.len), joined.len};
    sl_buf_fini(&joined);
    return wire.code;
}

enum sl_code sl_pubsub_read_update_topic(struct sl_pubsub_topic *out, const char ***paths, size_t *n, const void *data, size_t len,
                                         struct sl_arena *arena, struct sl_err *err)
{
    struct sl_span object;
    const enum sl_code code = sl_wire_read_update(&object, paths, n, "UpdateTopicRequest", (struct sl_span){data, len}, arena, err);
    return code == SL_OK ? sl_pubsub_read_topic(out, object.ptr, object.len, arena, err) : code;
}

enum sl_code sl_pubsub_read_update_subscription(struct sl_pubsub_subscription *out, const char ***paths, size_t *n, const void *data,
                                                size_t len, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_span object;
    const enum sl_code code = sl_wire_read_update(&object, paths, n, "UpdateSubscriptionRequest", (struct sl_span){data, len}, arena, err);
    return code == SL_OK ? sl_pubsub_read_subscription(out, object.ptr, object.len, arena, err) : code;
}

enum sl_code sl_pubsub_read_modify_push(const char **subscription, bool *has_push, const void *data, size_t len, struct sl_arena *arena,
                                        struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "ModifyPushConfigRequest", err);
    struct sl_wire_field field;
    struct sl_pubsub_subscription asked = {.has_push = false};
    *subscription = "";
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, subscription);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            wire.code = read_push(&asked, field.bytes, arena, err);
    *has_push = asked.has_push;
    return wire.code;
}

enum sl_code sl_pubsub_read_name(const char **name, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    int page_size;
    const char *page_token;
    return sl_pubsub_read_list(name, &page_size, &page_token, data, len, arena, err);
}

enum sl_code sl_pubsub_read_list(const char **parent, int *page_size, const char **page_token, const void *data, size_t len,
                                 struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "request", err);
    struct sl_wire_field field;
    *parent = *page_token = "";
    *page_size = 0;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, parent);
        else if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            *page_size = (int32_t)(uint32_t)field.value;
        else if (field.key == SL_KEY(3, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, page_token);
    return wire.code;
}

enum sl_code sl_pubsub_read_items(struct sl_span **items, size_t *n, const char **page_token, const void *data, size_t len,
                                  struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "list", err);
    struct sl_wire_field field;
    *items = NULL;
    *n = 0;
    *page_token = "";
    while (sl_wire_next(&wire, &field)) {
        if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, page_token);
        if (field.key != SL_KEY(1, SL_WIRE_BYTES))
            continue;
        if (*n == MAX_ITEMS) {
            sl_wire_fail(&wire, "too many items");
            break;
        }
        *items = sl_arena_push(arena, *items, n, sizeof **items);
        (*items)[*n - 1] = field.bytes;
    }
    return wire.code;
}

/* ---- writing ---- */

void sl_wire_put_labels(struct sl_buf *out, int number, const struct sl_pubsub_labels *labels)
{
    struct sl_buf entry = {0};
    for (size_t i = 0; i < labels->n; i++) {
        sl_buf_clear(&entry);
        sl_wire_put_text(&entry, 1, labels->keys[i]);
        sl_wire_put_text(&entry, 2, labels->values[i]);
        sl_wire_put_message(out, number, &entry);
    }
    sl_buf_fini(&entry);
}

static void put_duration(struct sl_buf *out, int number, int64_t ms)
{
    sl_wire_put_time(out, number, (struct sl_wire_time){ms / 1000, (int32_t)(ms % 1000) * 1000000});
}

static void put_storage_policy(struct sl_buf *out, const struct sl_pubsub_topic *topic)
{
    struct sl_buf policy = {0};
    for (size_t i = 0; i < topic->n_regions; i++)
        sl_wire_put_bytes(&policy, 1, topic->regions[i], strlen(topic->regions[i]));
    sl_wire_put_int(&policy, 2, topic->enforce_in_transit);
    if (topic->has_storage_policy)
        sl_wire_put_message(out, 3, &policy);
    sl_buf_fini(&policy);
}

void sl_pubsub_put_topic(struct sl_buf *out, const struct sl_pubsub_topic *topic)
{
    sl_wire_put_text(out, 1, topic->name);
    sl_wire_put_labels(out, 2, &topic->labels);
    put_storage_policy(out, topic);
    sl_wire_put_text(out, 5, topic->kms_key);
    if (topic->retention_ms)
        put_duration(out, 8, topic->retention_ms);
}

static void put_policies(struct sl_buf *out, const struct sl_pubsub_subscription *subscription)
{
    struct sl_buf policy = {0};
    if (subscription->dead_letter_topic) {
        sl_wire_put_text(&policy, 1, subscription->dead_letter_topic);
        sl_wire_put_int(&policy, 2, subscription->max_delivery_attempts);
        sl_wire_put_message(out, 13, &policy);
    }
    if (subscription->has_retry) {
        sl_buf_clear(&policy);
        put_duration(&policy, 1, subscription->min_backoff_ms);
        put_duration(&policy, 2, subscription->max_backoff_ms);
        sl_wire_put_message(out, 14, &policy);
    }
    sl_buf_fini(&policy);
}

static void put_expiration(struct sl_buf *out, const struct sl_pubsub_subscription *subscription)
{
    struct sl_buf policy = {0};
    if (!subscription->has_expiration)
        return;
    if (subscription->ttl_ms)
        put_duration(&policy, 1, subscription->ttl_ms);
    sl_wire_put_message(out, 11, &policy);
    sl_buf_fini(&policy);
}

void sl_pubsub_put_subscription(struct sl_buf *out, const struct sl_pubsub_subscription *subscription)
{
    sl_wire_put_text(out, 1, subscription->name);
    sl_wire_put_text(out, 2, subscription->topic);
    sl_wire_put_int(out, 5, subscription->ack_deadline_s);
    sl_wire_put_int(out, 7, subscription->retain_acked);
    if (subscription->retention_ms)
        put_duration(out, 8, subscription->retention_ms);
    sl_wire_put_labels(out, 9, &subscription->labels);
    sl_wire_put_int(out, 10, subscription->ordering);
    put_expiration(out, subscription);
    sl_wire_put_text(out, 12, subscription->filter);
    put_policies(out, subscription);
    sl_wire_put_int(out, 15, subscription->detached);
    sl_wire_put_int(out, 16, subscription->exactly_once);
    if (subscription->topic_retention_ms)
        put_duration(out, 17, subscription->topic_retention_ms);
}

void sl_wire_put_mask(struct sl_buf *out, const char *const *paths, size_t n)
{
    struct sl_buf mask = {0};
    for (size_t i = 0; i < n; i++)
        sl_wire_put_bytes(&mask, 1, paths[i], strlen(paths[i]));
    sl_wire_put_message(out, 2, &mask);
    sl_buf_fini(&mask);
}

void sl_pubsub_put_update_topic(struct sl_buf *out, const struct sl_pubsub_topic *topic, const char *const *paths, size_t n)
{
    struct sl_buf object = {0};
    sl_pubsub_put_topic(&object, topic);
    sl_wire_put_message(out, 1, &object);
    sl_wire_put_mask(out, paths, n);
    sl_buf_fini(&object);
}

void sl_pubsub_put_update_subscription(struct sl_buf *out, const struct sl_pubsub_subscription *subscription, const char *const *paths,
                                       size_t n)
{
    struct sl_buf object = {0};
    sl_pubsub_put_subscription(&object, subscription);
    sl_wire_put_message(out, 1, &object);
    sl_wire_put_mask(out, paths, n);
    sl_buf_fini(&object);
}

void sl_pubsub_put_name(struct sl_buf *out, const char *name)
{
    sl_wire_put_text(out, 1, name);
}

void sl_pubsub_put_list(struct sl_buf *out, const char *parent, int page_size, const char *page_token)
{
    sl_wire_put_text(out, 1, parent);
    sl_wire_put_int(out, 2, page_size);
    sl_wire_put_text(out, 3, page_token);
}

void sl_pubsub_put_item(struct sl_buf *out, const void *message, size_t len)
{
    sl_wire_put_bytes(out, 1, message, len);
}

void sl_pubsub_put_page_token(struct sl_buf *out, const char *token)
{
    sl_wire_put_text(out, 2, token);
}
