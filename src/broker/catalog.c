/* catalog.c - topics, subscriptions and snapshots in memory, sorted by name; the store has them all too. A deleted topic stays, without a name, as long as
 * messages of it are there: its subscriptions may still want them. */
#include "broker_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <sluice/mem.h>

#define LEASE_AGAIN_S 60 /* the official clients extend by at least so much where delivery is exactly once */

static int compare(const char *name, const char *text, size_t len)
{
    int order = strncmp(name, text, len);
    return order ? order : name[len] != '\0';
}

static const char *topic_name(const void *item)
{
    return ((const struct sl_topic *)item)->config.name;
}

static const char *subscription_name(const void *item)
{
    return ((const struct sl_subscription *)item)->config.name;
}

static const char *snapshot_name(const void *item)
{
    return ((const struct sl_snapshot *)item)->config.name;
}

/* The first whose name is not below. */
static size_t place(const struct sl_list *list, const char *(*name_of)(const void *item), const char *name, size_t len)
{
    size_t low = 0, high = list->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(name_of(list->items[middle]), name, len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void *find(const struct sl_list *list, const char *(*name_of)(const void *item), const char *name, size_t len)
{
    size_t i = place(list, name_of, name, len);
    return i < list->n && compare(name_of(list->items[i]), name, len) == 0 ? list->items[i] : NULL;
}

static size_t after_name(const struct sl_list *list, const char *(*name_of)(const void *item), const char *after)
{
    size_t i = place(list, name_of, after, strlen(after));
    return i < list->n && strcmp(name_of(list->items[i]), after) == 0 ? i + 1 : i;
}

struct sl_topic *sl_catalog_topic(const struct sl_catalog *catalog, const char *name, size_t len)
{
    return find(&catalog->topics, topic_name, name, len);
}

struct sl_subscription *sl_catalog_subscription(const struct sl_catalog *catalog, const char *name, size_t len)
{
    return find(&catalog->subscriptions, subscription_name, name, len);
}

struct sl_snapshot *sl_catalog_snapshot(const struct sl_catalog *catalog, const char *name, size_t len)
{
    return find(&catalog->snapshots, snapshot_name, name, len);
}

size_t sl_catalog_topic_after(const struct sl_catalog *catalog, const char *after)
{
    return after_name(&catalog->topics, topic_name, after);
}

size_t sl_catalog_subscription_after(const struct sl_catalog *catalog, const char *after)
{
    return after_name(&catalog->subscriptions, subscription_name, after);
}

size_t sl_catalog_snapshot_after(const struct sl_catalog *catalog, const char *after)
{
    return after_name(&catalog->snapshots, snapshot_name, after);
}

/* ---- arrays of pointers ---- */

void sl_list_insert(struct sl_list *list, size_t at, void *item)
{
    sl_grow((void **)&list->items, &list->cap, list->n + 1, sizeof(*list->items));
    memmove(list->items + at + 1, list->items + at, (list->n - at) * sizeof(*list->items));
    list->items[at] = item;
    list->n++;
}

void sl_list_remove(struct sl_list *list, const void *item)
{
    size_t at = 0;
    while (at < list->n && list->items[at] != item)
        at++;
    if (at == list->n)
        return;
    memmove(list->items + at, list->items + at + 1, (list->n - at - 1) * sizeof(*list->items));
    list->n--;
}

/* ---- topics ---- */

void sl_catalog_set_topic(struct sl_topic *topic, const struct sl_pubsub_topic *config)
{
    struct sl_buf bytes = {0};
    sl_pubsub_put_topic(&bytes, config); /* the arena's strings may be in it: read back after the reset */
    sl_arena_reset(&topic->arena);
    sl_pubsub_read_topic(&topic->config, bytes.data, bytes.len, &topic->arena, NULL);
    sl_buf_fini(&bytes);
}

static struct sl_topic *make_topic(int64_t id, const struct sl_pubsub_topic *config)
{
    struct sl_topic *topic = sl_calloc(1, sizeof(*topic));
    topic->id = id;
    sl_arena_init(&topic->arena);
    sl_catalog_set_topic(topic, config);
    return topic;
}

struct sl_topic *sl_catalog_add_topic(struct sl_catalog *catalog, int64_t id, const struct sl_pubsub_topic *config)
{
    struct sl_topic *topic = make_topic(id, config);
    const char *name = topic->config.name;
    sl_list_insert(&catalog->topics, place(&catalog->topics, topic_name, name, strlen(name)), topic);
    return topic;
}

static void put_deleted(struct sl_catalog *catalog, struct sl_topic *topic)
{
    topic->deleted = true;
    sl_list_insert(&catalog->deleted, catalog->deleted.n, topic);
}

void sl_catalog_delete_topic(struct sl_catalog *catalog, struct sl_topic *topic)
{
    sl_list_remove(&catalog->topics, topic);
    put_deleted(catalog, topic);
}

static void free_topic(struct sl_topic *topic)
{
    sl_arena_fini(&topic->arena);
    free(topic->subscriptions.items);
    free(topic->snapshots.items);
    free(topic);
}

void sl_catalog_forget_topic(struct sl_catalog *catalog, struct sl_topic *topic)
{
    sl_list_remove(&catalog->deleted, topic);
    free_topic(topic);
}

/* ---- subscriptions ---- */

void sl_catalog_set_subscription(struct sl_subscription *subscription, const struct sl_pubsub_subscription *config)
{
    struct sl_buf bytes = {0};
    sl_pubsub_put_subscription(&bytes, config);
    sl_arena_reset(&subscription->arena);
    sl_pubsub_read_subscription(&subscription->config, bytes.data, bytes.len, &subscription->arena, NULL);
    sl_buf_fini(&bytes);
    const struct sl_pubsub_subscription *now = &subscription->config;
    if (now->exactly_once && !subscription->recent)
        subscription->recent = sl_calloc(SL_RECENT, sizeof(*subscription->recent));
    subscription->delivery.policy = (struct sl_delivery_policy){
        .ordered = now->ordering,
        .max_attempts = now->dead_letter_topic ? now->max_delivery_attempts : 0,
        .has_retry = now->has_retry,
        .min_backoff_ms = now->min_backoff_ms,
        .max_backoff_ms = now->max_backoff_ms,
    };
}

struct sl_subscription *sl_catalog_add_subscription(struct sl_catalog *catalog, const struct sl_pubsub_subscription *config,
                                                    struct sl_topic *topic, const struct sl_subscription_row *row, uint64_t first_serial)
{
    struct sl_subscription *subscription = sl_calloc(1, sizeof(*subscription));
    subscription->id = row->id;
    subscription->born = row->born;
    subscription->epoch = row->epoch;
    subscription->topic = topic;
    sl_arena_init(&subscription->arena);
    sl_delivery_init(&subscription->delivery, row->floor, row->epoch << SL_SERIAL_BITS | first_serial);
    sl_catalog_set_subscription(subscription, config);
    subscription->sifted = row->floor;
    if (config->filter)
        sl_filter_parse(&subscription->filter, config->filter, NULL); /* it was accepted: it can be read */
    const char *name = subscription->config.name;
    sl_list_insert(&catalog->subscriptions, place(&catalog->subscriptions, subscription_name, name, strlen(name)), subscription);
    sl_list_insert(&topic->subscriptions, topic->subscriptions.n, subscription);
    return subscription;
}

static void free_subscription(struct sl_subscription *subscription)
{
    sl_delivery_fini(&subscription->delivery);
    sl_filter_free(&subscription->filter);
    free(subscription->recent);
    sl_arena_fini(&subscription->arena);
    free(subscription->streams.items);
    free(subscription);
}

void sl_catalog_remove_subscription(struct sl_catalog *catalog, struct sl_subscription *subscription)
{
    sl_list_remove(&catalog->subscriptions, subscription);
    sl_list_remove(&subscription->topic->subscriptions, subscription);
    free_subscription(subscription);
}

/* ---- snapshots ---- */

void sl_catalog_set_snapshot(struct sl_snapshot *snapshot, const struct sl_pubsub_snapshot *config)
{
    struct sl_buf bytes = {0};
    sl_pubsub_put_snapshot(&bytes, config);
    sl_arena_reset(&snapshot->arena);
    sl_pubsub_read_snapshot(&snapshot->config, bytes.data, bytes.len, &snapshot->arena, NULL);
    sl_buf_fini(&bytes);
}

struct sl_snapshot *sl_catalog_add_snapshot(struct sl_catalog *catalog, int64_t id, const struct sl_pubsub_snapshot *config,
                                            struct sl_topic *topic, int64_t floor)
{
    struct sl_snapshot *snapshot = sl_calloc(1, sizeof(*snapshot));
    snapshot->id = id;
    snapshot->topic = topic;
    sl_arena_init(&snapshot->arena);
    sl_ranges_init(&snapshot->acked, floor);
    sl_catalog_set_snapshot(snapshot, config);
    const char *name = snapshot->config.name;
    sl_list_insert(&catalog->snapshots, place(&catalog->snapshots, snapshot_name, name, strlen(name)), snapshot);
    sl_list_insert(&topic->snapshots, topic->snapshots.n, snapshot);
    return snapshot;
}

static void free_snapshot(struct sl_snapshot *snapshot)
{
    sl_ranges_fini(&snapshot->acked);
    sl_arena_fini(&snapshot->arena);
    free(snapshot);
}

void sl_catalog_remove_snapshot(struct sl_catalog *catalog, struct sl_snapshot *snapshot)
{
    sl_list_remove(&catalog->snapshots, snapshot);
    sl_list_remove(&snapshot->topic->snapshots, snapshot);
    free_snapshot(snapshot);
}

void sl_catalog_fini(struct sl_catalog *catalog)
{
    for (size_t i = 0; i < catalog->topics.n; i++)
        free_topic(catalog->topics.items[i]);
    for (size_t i = 0; i < catalog->deleted.n; i++)
        free_topic(catalog->deleted.items[i]);
    for (size_t i = 0; i < catalog->subscriptions.n; i++)
        free_subscription(catalog->subscriptions.items[i]);
    for (size_t i = 0; i < catalog->snapshots.n; i++)
        free_snapshot(catalog->snapshots.items[i]);
    free(catalog->snapshots.items);
    free(catalog->topics.items);
    free(catalog->deleted.items);
    free(catalog->subscriptions.items);
    *catalog = (struct sl_catalog){0};
}

/* ---- loading ---- */

struct load {
    struct sl_catalog *catalog;
    struct sl_now now;
    uint64_t first_serial;
    struct sl_list by_id; /* subscriptions as loaded: ascending ids */
    size_t at;
    struct sl_snapshot *snapshot; /* the one that was looked up last */
};

static struct sl_topic *topic_in(const struct sl_list *list, int64_t id)
{
    for (size_t i = 0; i < list->n; i++) {
        struct sl_topic *topic = list->items[i];
        if (topic->id == id)
            return topic;
    }
    return NULL;
}

static struct sl_topic *topic_by_id(const struct sl_catalog *catalog, int64_t id)
{
    struct sl_topic *topic = topic_in(&catalog->topics, id);
    return topic ? topic : topic_in(&catalog->deleted, id);
}

static enum sl_code load_topic(void *arg, const struct sl_topic_row *row, struct sl_err *err)
{
    struct load *load = arg;
    struct sl_arena arena = {0};
    struct sl_pubsub_topic config;
    enum sl_code code = sl_pubsub_read_topic(&config, row->config.ptr, row->config.len, &arena, err);
    if (code == SL_OK) {
        struct sl_topic *topic;
        if (row->name) {
            topic = sl_catalog_add_topic(load->catalog, row->id, &config);
        } else {
            topic = make_topic(row->id, &config);
            put_deleted(load->catalog, topic);
        }
        topic->last = topic->committed = row->last;
        topic->trimmed = topic->trimming = topic->old = row->trimmed;
    }
    sl_arena_fini(&arena);
    return code ? sl_fail(err, SL_CORRUPT, "broker store: topic %lld can't be read", (long long)row->id) : SL_OK;
}

static enum sl_code load_subscription(void *arg, const struct sl_subscription_row *row, struct sl_err *err)
{
    struct load *load = arg;
    struct sl_arena arena = {0};
    struct sl_pubsub_subscription config;
    struct sl_topic *topic = topic_by_id(load->catalog, row->topic);
    enum sl_code code = topic ? SL_OK : SL_CORRUPT;
    if (code == SL_OK)
        code = sl_pubsub_read_subscription(&config, row->config.ptr, row->config.len, &arena, err);
    if (code == SL_OK) {
        struct sl_subscription *made = sl_catalog_add_subscription(load->catalog, &config, topic, row, load->first_serial);
        sl_list_insert(&load->by_id, load->by_id.n, made);
    }
    sl_arena_fini(&arena);
    return code ? sl_fail(err, SL_CORRUPT, "broker store: subscription %lld can't be read", (long long)row->id) : SL_OK;
}

static struct sl_subscription *at(const struct load *load)
{
    return load->at < load->by_id.n ? load->by_id.items[load->at] : NULL;
}

/* Rows come by ascending subscription, so the place only moves on, but for the next kind of rows. */
static struct sl_subscription *loaded(struct load *load, int64_t id)
{
    if (!at(load) || at(load)->id > id)
        load->at = 0;
    while (at(load) && at(load)->id < id)
        load->at++;
    return at(load) && at(load)->id == id ? at(load) : NULL;
}

static enum sl_code load_acked(void *arg, int64_t id, int64_t first, int64_t last, struct sl_err *err)
{
    struct sl_subscription *subscription = loaded(arg, id);
    if (!subscription || first <= subscription->delivery.acked.floor || last < first)
        return sl_fail(err, SL_CORRUPT, "broker store: acked %lld..%lld of subscription %lld", (long long)first, (long long)last,
                       (long long)id);
    sl_delivery_restore_acked(&subscription->delivery, first, last);
    return SL_OK;
}

/* A backoff goes on where it was; whatever the clocks have done meanwhile, no longer than it may be. */
static int64_t wait_until(const struct load *load, const struct sl_delivery *delivery, int64_t due_us)
{
    int64_t wait_ms = due_us > load->now.us ? (due_us - load->now.us) / 1000 + 1 : 0, longest_ms = delivery->policy.max_backoff_ms;
    if (wait_ms == 0 || !delivery->policy.has_retry)
        return 0;
    return load->now.ms + (wait_ms < longest_ms ? wait_ms : longest_ms);
}

static enum sl_code load_attempts(void *arg, const struct sl_attempts_row *row, struct sl_err *err)
{
    struct load *load = arg;
    struct sl_subscription *subscription = loaded(load, row->subscription);
    if (!subscription || row->attempts < 1)
        return sl_fail(err, SL_CORRUPT, "broker store: attempts at %lld of subscription %lld", (long long)row->n,
                       (long long)row->subscription);
    struct sl_delivery *delivery = &subscription->delivery;
    sl_delivery_restore_attempts(delivery, row->n, row->attempts, wait_until(load, delivery, row->due_us));
    return SL_OK;
}

/* Whoever holds it has the subscription's deadline once more: it was extended, but nobody wrote down how far. */
static enum sl_code load_lease(void *arg, const struct sl_lease_row *row, struct sl_err *err)
{
    struct load *load = arg;
    struct sl_subscription *subscription = loaded(load, row->subscription);
    if (!subscription)
        return sl_fail(err, SL_CORRUPT, "broker store: a lease of subscription %lld", (long long)row->subscription);
    int64_t deadline_s = subscription->config.ack_deadline_s > LEASE_AGAIN_S ? subscription->config.ack_deadline_s : LEASE_AGAIN_S;
    sl_delivery_restore_lease(&subscription->delivery, row->n, row->serial, row->key, load->now.ms + deadline_s * 1000);
    return SL_OK;
}

static enum sl_code load_snapshot(void *arg, const struct sl_snapshot_row *row, struct sl_err *err)
{
    struct load *load = arg;
    struct sl_arena arena = {0};
    struct sl_pubsub_snapshot config;
    struct sl_topic *topic = topic_by_id(load->catalog, row->topic);
    enum sl_code code = topic ? sl_pubsub_read_snapshot(&config, row->config.ptr, row->config.len, &arena, err) : SL_CORRUPT;
    if (code == SL_OK)
        sl_catalog_add_snapshot(load->catalog, row->id, &config, topic, row->floor);
    sl_arena_fini(&arena);
    return code ? sl_fail(err, SL_CORRUPT, "broker store: snapshot %lld can't be read", (long long)row->id) : SL_OK;
}

/* Rows of one snapshot come together. */
static struct sl_snapshot *loaded_snapshot(struct load *load, int64_t id)
{
    const struct sl_list *snapshots = &load->catalog->snapshots;
    for (size_t i = 0; i < snapshots->n && (!load->snapshot || load->snapshot->id != id); i++)
        load->snapshot = snapshots->items[i];
    return load->snapshot && load->snapshot->id == id ? load->snapshot : NULL;
}

static enum sl_code load_snapshot_acked(void *arg, int64_t id, int64_t first, int64_t last, struct sl_err *err)
{
    struct sl_snapshot *snapshot = loaded_snapshot(arg, id);
    if (!snapshot || first <= snapshot->acked.floor || last < first)
        return sl_fail(err, SL_CORRUPT, "broker store: acked %lld..%lld of snapshot %lld", (long long)first, (long long)last,
                       (long long)id);
    sl_ranges_restore(&snapshot->acked, first, last);
    return SL_OK;
}

enum sl_code sl_catalog_load(struct sl_catalog *catalog, struct sl_store *store, struct sl_now now, struct sl_err *err)
{
    static const struct sl_store_loader LOADER = {.topic = load_topic,
                                                  .subscription = load_subscription,
                                                  .acked = load_acked,
                                                  .attempts = load_attempts,
                                                  .lease = load_lease,
                                                  .snapshot = load_snapshot,
                                                  .snapshot_acked = load_snapshot_acked};
    struct load load = {.catalog = catalog, .now = now};
    /* Leases of an earlier process must not look like ours. */
    if (getrandom(&load.first_serial, sizeof(load.first_serial), 0) != (ssize_t)sizeof(load.first_serial))
        return sl_fail(err, SL_UNAVAILABLE, "no random numbers");
    load.first_serial >>= 64 - (SL_SERIAL_BITS - 1);
    enum sl_code code = sl_store_load(store, &LOADER, &load, err);
    free(load.by_id.items);
    return code;
}
