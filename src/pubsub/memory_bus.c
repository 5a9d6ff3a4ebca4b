/* memory_bus.c - a bus in memory, for tests and the simulation. Any thread.
 * The life of a message: put -> waiting -> received (leased) -> acked and gone; or the connection is lost (sl_memory_bus_redeliver), and all that is leased waits
 * again, in the order of the puts. A receipt is of one delivery: an ack that comes after the redelivery is void, the message comes again all the same. */
#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/bus.h>
#include <sluice/clock.h>

/* One message, in a list by the order of the puts. */
struct entry {
    struct entry *prev, *next;
    const struct sl_phase *phase;
    char *data, *message_id;
    size_t len;
    int64_t publish_us;
    int attempts;
    uintptr_t receipt; /* of its delivery; 0: it waits */
};

struct memory_bus {
    struct sl_bus base;
    const struct sl_config *config;
    pthread_mutex_t mutex;
    pthread_cond_t changed;     /* a message waits, or the end */
    struct entry *first, *last; /* everything that isn't acked */
    struct entry *next_waiting; /* it and all after it wait, none before it does */
    size_t backlog;
    uintptr_t last_receipt;
    int64_t silent_ms;
    bool ending;
    int failures;         /* publishes that are still to fail, */
    enum sl_code failure; /* with this */
    struct sl_published *published;
    size_t n_published, cap_published;
};

static void entry_free(struct entry *entry)
{
    free(entry->data);
    free(entry->message_id);
    free(entry);
}

static void unlink_entry(struct memory_bus *bus, struct entry *entry)
{
    *(entry->prev ? &entry->prev->next : &bus->first) = entry->next;
    *(entry->next ? &entry->next->prev : &bus->last) = entry->prev;
    bus->backlog--;
}

static bool has_ended(const struct memory_bus *bus)
{
    return bus->ending && !bus->first;
}

/* Under the mutex: until a message waits, nothing can come any more, or the time is over. */
static void wait_for_message(struct memory_bus *bus, int64_t timeout_ms)
{
    const int64_t until_ms = timeout_ms < 0 ? SL_MS_NEVER : sl_monotonic_ms() + timeout_ms;
    bool in_time = timeout_ms != 0;
    while (in_time && !bus->next_waiting && !has_ended(bus))
        in_time = sl_cond_wait(&bus->changed, &bus->mutex, until_ms);
}

/* Under the mutex: the next message into the batch, leased. */
static void deliver(struct memory_bus *bus, struct sl_bus_batch *out)
{
    struct entry *entry = bus->next_waiting;
    bus->next_waiting = entry->next;
    entry->receipt = ++bus->last_receipt;
    entry->attempts++;
    out->messages = sl_arena_push(&out->arena, out->messages, &out->n, sizeof *out->messages);
    struct sl_bus_message *message = &out->messages[out->n - 1];
    message->phase = entry->phase;
    message->receipt = (void *)entry->receipt;
    message->message = (struct sl_message){
        .subscription = entry->phase ? sl_arena_strdup(&out->arena, entry->phase->subscription) : NULL,
        .message_id = sl_arena_strdup(&out->arena, entry->message_id),
        .publish_us = entry->publish_us,
        .data = sl_arena_strndup(&out->arena, entry->data, entry->len),
        .len = entry->len,
        .delivery_attempt = entry->attempts,
    };
    out->bytes += entry->len;
}

static enum sl_code memory_receive(struct sl_bus *self, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                                   struct sl_err *err)
{
    struct memory_bus *bus = (struct memory_bus *)self;
    (void)err;
    pthread_mutex_lock(&bus->mutex);
    wait_for_message(bus, timeout_ms);
    while (bus->next_waiting && out->n < max_n && (out->n == 0 || out->bytes + bus->next_waiting->len <= max_bytes))
        deliver(bus, out);
    out->end = has_ended(bus);
    pthread_mutex_unlock(&bus->mutex);
    return SL_OK;
}

static void ack_one(struct memory_bus *bus, const void *receipt)
{
    for (struct entry *entry = bus->first; receipt && entry != bus->next_waiting; entry = entry->next) {
        if ((const void *)entry->receipt != receipt)
            continue;
        unlink_entry(bus, entry);
        entry_free(entry);
        return;
    }
}

static enum sl_code memory_ack(struct sl_bus *self, const struct sl_bus_batch *batch, struct sl_err *err)
{
    struct memory_bus *bus = (struct memory_bus *)self;
    (void)err;
    pthread_mutex_lock(&bus->mutex);
    for (size_t i = 0; i < batch->n; i++)
        ack_one(bus, batch->messages[i].receipt);
    if (has_ended(bus))
        pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
    return SL_OK;
}

/* Under the mutex. */
static enum sl_code keep_published(struct memory_bus *bus, const char *topic, const char *data, size_t len, const char *attributes,
                                   struct sl_err *err)
{
    if (bus->failures > 0) {
        bus->failures--;
        return sl_fail(err, bus->failure, "publishing to %s: a fault was ordered", topic);
    }
    sl_grow((void **)&bus->published, &bus->cap_published, bus->n_published + 1, sizeof *bus->published);
    bus->published[bus->n_published++] = (struct sl_published){sl_strdup(topic), sl_strndup(data, len), sl_strdup(attributes)};
    return SL_OK;
}

static enum sl_code memory_publish(struct sl_bus *self, const char *topic, const char *data, size_t len, const char *attributes,
                                   struct sl_err *err)
{
    struct memory_bus *bus = (struct memory_bus *)self;
    pthread_mutex_lock(&bus->mutex);
    enum sl_code code = keep_published(bus, topic, data, len, attributes, err);
    pthread_mutex_unlock(&bus->mutex);
    return code;
}

/* A stream with a message on the way to its receiver is not drained. */
static int64_t memory_silent_ms(struct sl_bus *self, const struct sl_phase *phase, int64_t now_us)
{
    struct memory_bus *bus = (struct memory_bus *)self;
    (void)now_us;
    pthread_mutex_lock(&bus->mutex);
    int64_t ms = bus->silent_ms;
    for (const struct entry *entry = bus->next_waiting; entry; entry = entry->next)
        if (entry->phase == phase)
            ms = -1;
    pthread_mutex_unlock(&bus->mutex);
    return ms;
}

static void memory_destroy(struct sl_bus *self)
{
    struct memory_bus *bus = (struct memory_bus *)self;
    for (struct entry *entry = bus->first, *next; entry; entry = next) {
        next = entry->next;
        entry_free(entry);
    }
    for (size_t i = 0; i < bus->n_published; i++) {
        free((char *)bus->published[i].topic);
        free((char *)bus->published[i].data);
        free((char *)bus->published[i].attributes);
    }
    free(bus->published);
    pthread_cond_destroy(&bus->changed);
    pthread_mutex_destroy(&bus->mutex);
    free(bus);
}

static const struct sl_bus_ops MEMORY_OPS = {
    .name = "memory",
    .destroy = memory_destroy,
    .receive = memory_receive,
    .ack = memory_ack,
    .publish = memory_publish,
    .silent_ms = memory_silent_ms,
};

void sl_memory_bus_create(struct sl_bus **out, const struct sl_config *config)
{
    struct memory_bus *bus = sl_calloc(1, sizeof *bus);
    sl_cond_init(&bus->changed);
    pthread_mutex_init(&bus->mutex, NULL);
    bus->base.ops = &MEMORY_OPS;
    bus->config = config;
    bus->silent_ms = -1;
    *out = &bus->base;
}

static struct memory_bus *memory_of(const struct sl_bus *self)
{
    assert(self->ops == &MEMORY_OPS);
    return (struct memory_bus *)self;
}

void sl_memory_bus_put(struct sl_bus *self, const struct sl_phase *phase, const char *data, size_t len, const char *message_id,
                       int64_t publish_us)
{
    struct memory_bus *bus = memory_of(self);
    assert(!phase || !bus->config || phase == &bus->config->phases[phase->index]);
    struct entry *entry = sl_calloc(1, sizeof *entry);
    entry->phase = phase;
    entry->data = sl_strndup(data, len);
    entry->len = len;
    entry->message_id = sl_strdup(message_id);
    entry->publish_us = publish_us;
    pthread_mutex_lock(&bus->mutex);
    entry->prev = bus->last;
    *(bus->last ? &bus->last->next : &bus->first) = entry;
    bus->last = entry;
    bus->backlog++;
    if (!bus->next_waiting)
        bus->next_waiting = entry;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}

void sl_memory_bus_redeliver(struct sl_bus *self)
{
    struct memory_bus *bus = memory_of(self);
    pthread_mutex_lock(&bus->mutex);
    for (struct entry *entry = bus->first; entry != bus->next_waiting; entry = entry->next)
        entry->receipt = 0;
    bus->next_waiting = bus->first;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}

void sl_memory_bus_end(struct sl_bus *self)
{
    struct memory_bus *bus = memory_of(self);
    pthread_mutex_lock(&bus->mutex);
    bus->ending = true;
    pthread_cond_broadcast(&bus->changed);
    pthread_mutex_unlock(&bus->mutex);
}

void sl_memory_bus_silent(struct sl_bus *self, int64_t ms)
{
    struct memory_bus *bus = memory_of(self);
    pthread_mutex_lock(&bus->mutex);
    bus->silent_ms = ms;
    pthread_mutex_unlock(&bus->mutex);
}

void sl_memory_bus_fail_publishes(struct sl_bus *self, int n, enum sl_code code)
{
    struct memory_bus *bus = memory_of(self);
    pthread_mutex_lock(&bus->mutex);
    bus->failures = n;
    bus->failure = code;
    pthread_mutex_unlock(&bus->mutex);
}

size_t sl_memory_bus_published(const struct sl_bus *self, const struct sl_published **out)
{
    struct memory_bus *bus = memory_of(self);
    pthread_mutex_lock(&bus->mutex);
    *out = bus->published;
    size_t n = bus->n_published;
    pthread_mutex_unlock(&bus->mutex);
    return n;
}

size_t sl_memory_bus_backlog(const struct sl_bus *self)
{
    struct memory_bus *bus = memory_of(self);
    pthread_mutex_lock(&bus->mutex);
    size_t n = bus->backlog;
    pthread_mutex_unlock(&bus->mutex);
    return n;
}
