/* grpc_bus.c - the bus over gRPC behind the port: what the worker calls, the keeper's thread, birth and end.
 * End: waits a while for answers to acks -> the keeper ends -> streams are cancelled -> channel and loop drain, so that no handler can run any more -> memory. */
#include <stdlib.h>
#include <string.h>

#include "grpc_bus_internal.h"
#include "grpc_publish.h"

static const struct sl_bus_ops GRPC_BUS;

void sl_bus_lock(struct sl_grpc_bus *bus)
{
    pthread_mutex_lock(&bus->mutex);
}

static void tell(struct sl_grpc_bus *bus, struct sl_lease *list)
{
    for (struct sl_lease *lease = list; lease; lease = lease->next_waiting) {
        bus->options.acked(bus->options.acked_arg, lease->subscriber->subscription, lease->received->message.message_id.ptr,
                           lease->outcome);
    }
    pthread_mutex_lock(&bus->mutex);
    while (list) {
        struct sl_lease *lease = list;
        list = lease->next_waiting;
        sl_lease_unref(lease);
    }
    bus->telling--;
    pthread_cond_broadcast(&bus->quiet);
    pthread_mutex_unlock(&bus->mutex);
}

void sl_bus_unlock(struct sl_grpc_bus *bus)
{
    struct sl_unary *list = bus->to_send;
    struct sl_lease *told = bus->to_tell;
    bus->to_send = NULL;
    bus->to_tell = NULL;
    bus->telling += told != NULL;
    pthread_mutex_unlock(&bus->mutex);
    while (list) {
        struct sl_unary *unary = list;
        list = unary->next;
        sl_unary_send(unary);
    }
    if (told)
        tell(bus, told);
}

static int64_t tick(struct sl_grpc_bus *bus, int64_t now_ms)
{
    int64_t next = sl_unary_tick(bus, now_ms);
    for (size_t i = 0; i < bus->n; i++) {
        const int64_t due = sl_subscriber_tick(&bus->subscribers[i], now_ms);
        next = due < next ? due : next;
    }
    return next;
}

static void *keeper_main(void *arg)
{
    struct sl_grpc_bus *bus = arg;
    sl_bus_lock(bus);
    while (!bus->stopping) {
        const int64_t next = tick(bus, sl_monotonic_ms());
        if (bus->to_send) {
            sl_bus_unlock(bus);
            sl_bus_lock(bus);
        } else {
            sl_cond_wait(&bus->wake, &bus->mutex, next);
        }
    }
    sl_bus_unlock(bus);
    return NULL;
}

/* ---- receiving ---- */

/* Messages of one response come together: it is pinned once. */
static void pin(struct sl_bus_batch *out, struct sl_chunk *chunk)
{
    if (out->pins && out->pins->arg == chunk)
        return;
    struct sl_bus_pin *added = sl_arena_alloc(&out->arena, sizeof *added);
    *added = (struct sl_bus_pin){out->pins, sl_chunk_unref, chunk};
    out->pins = added;
    __atomic_add_fetch(&chunk->refs, 1, __ATOMIC_RELAXED);
}

static void deliver(struct sl_bus_batch *out, struct sl_lease *lease)
{
    const struct sl_pubsub_message *from = &lease->received->message;
    struct sl_attribute *attributes = sl_arena_array(&out->arena, from->n_attributes, sizeof *attributes);
    for (size_t i = 0; i < from->n_attributes; i++)
        attributes[i] = (struct sl_attribute){from->attributes[i].key.ptr, from->attributes[i].value.ptr};
    pin(out, lease->chunk);
    out->messages = sl_arena_push(&out->arena, out->messages, &out->n, sizeof *out->messages);
    out->messages[out->n - 1] = (struct sl_bus_message){
        .phase = lease->subscriber->phase,
        .receipt = lease,
        .ordering_key = from->ordering_key.len ? from->ordering_key.ptr : NULL,
        .message = {.subscription = lease->subscriber->phase->subscription,
                    .message_id = from->message_id.ptr,
                    .publish_us = from->publish_us,
                    .data = from->data.ptr,
                    .len = from->data.len,
                    .attributes = attributes,
                    .n_attributes = from->n_attributes,
                    .delivery_attempt = lease->received->delivery_attempt},
    };
    out->bytes += lease->bytes;
}

static enum sl_code grpc_receive(struct sl_bus *self, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                                 struct sl_err *err)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    const int64_t until_ms = timeout_ms < 0 ? SL_MS_NEVER : sl_monotonic_ms() + timeout_ms;
    sl_bus_lock(bus);
    struct sl_lease *lease = sl_leases_take(bus, max_n, max_bytes, sl_monotonic_ms());
    while (!lease && bus->failure.code == SL_OK && timeout_ms != 0) {
        const bool in_time = sl_cond_wait(&bus->arrived, &bus->mutex, until_ms);
        lease = sl_leases_take(bus, max_n, max_bytes, sl_monotonic_ms());
        if (!in_time)
            break;
    }
    const struct sl_err failure = bus->failure;
    sl_bus_unlock(bus);
    if (!lease && failure.code != SL_OK)
        return sl_fail(err, failure.code, "%s", failure.text);
    while (lease) { /* what is out stays until it is acked: no mutex needed to copy it */
        struct sl_lease *next = lease->next_waiting;
        deliver(out, lease);
        lease = next;
    }
    return SL_OK;
}

static enum sl_code grpc_ack(struct sl_bus *self, const struct sl_bus_batch *batch, struct sl_err *err)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    (void)err;
    sl_bus_lock(bus);
    sl_leases_ack(bus, batch);
    sl_bus_unlock(bus);
    return SL_OK;
}

/* -1: not connected, or there is more than it reads. */
static int64_t silent_since_ms(const struct sl_subscriber *subscriber)
{
    if (!subscriber->connected || !subscriber->reading || subscriber->held)
        return -1;
    return subscriber->message_ms > subscriber->connected_ms ? subscriber->message_ms : subscriber->connected_ms;
}

/* As long as the stream of the phase that was heard last. */
static int64_t grpc_silent_ms(struct sl_bus *self, const struct sl_phase *phase, int64_t now_us)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    int64_t since_ms = -1;
    bool silent = false, speaks = false;
    (void)now_us; /* a clock that is set must not make silence */
    sl_bus_lock(bus);
    for (size_t i = 0; i < bus->n; i++) {
        if (bus->subscribers[i].phase != phase)
            continue;
        const int64_t ms = silent_since_ms(&bus->subscribers[i]);
        silent = true;
        speaks |= ms < 0;
        since_ms = ms > since_ms ? ms : since_ms;
    }
    sl_bus_unlock(bus);
    return silent && !speaks ? sl_monotonic_ms() - since_ms : -1;
}

static void grpc_backlog(struct sl_bus *self, int64_t *undelivered, int64_t *leased)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    *undelivered = *leased = -1;
    if (bus->options.backlog)
        bus->options.backlog(bus->options.backlog_arg, bus->names, bus->n_names, undelivered, leased);
}

/* ---- publishing ---- */

static enum sl_code put_outgoing(struct sl_buf *out, const struct sl_outgoing *message, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_attribute *attributes;
    size_t n;
    enum sl_code code = sl_attributes_parse(&attributes, &n, message->attributes, &arena, err);
    if (code == SL_OK)
        sl_pubsub_put_message(out, 2, message->data, message->len, attributes, n, message->ordering_key);
    sl_arena_fini(&arena);
    return code;
}

static enum sl_code grpc_publish_all(struct sl_bus *self, const char *topic, const struct sl_outgoing *messages, size_t n,
                                     struct sl_err *err)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    const struct sl_publish_limits limits = {.total_ms = bus->options.publish_ms,
                                             .call_ms = bus->options.call_ms,
                                             .compress = bus->config->bus.compress,
                                             .backoff = {bus->options.backoff_min_ms, bus->options.backoff_max_ms, 4, 0}};
    struct sl_arena arena = {0};
    struct sl_buf bytes = {0};
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = put_outgoing(&bytes, &messages[i], err);
    if (code == SL_OK)
        code = sl_publish_request(bus->channels[0], sl_pubsub_resource(&arena, bus->config, "topics", topic), &bytes, n, &limits, err);
    sl_buf_fini(&bytes);
    sl_arena_fini(&arena);
    return code;
}

static enum sl_code grpc_publish(struct sl_bus *self, const char *topic, const char *data, size_t len, const char *attributes,
                                 struct sl_err *err)
{
    return grpc_publish_all(self, topic, &(const struct sl_outgoing){data, len, attributes, NULL}, 1, err);
}

/* ---- life ---- */

static int64_t share(int64_t of, int64_t among)
{
    return (of + among - 1) / among;
}

static void fill_options(struct sl_grpc_bus_options *options, const struct sl_config *config)
{
    const int64_t messages = (int64_t)config->worker.batch_messages, bytes = (int64_t)config->worker.batch_bytes;
    if (options->streams <= 0)
        options->streams = config->bus.streams > 0 ? config->bus.streams : 1;
    if (options->connections <= 0)
        options->connections = config->bus.connections > 0 ? config->bus.connections : 1;
    sl_set_default(&options->max_outstanding_messages, share(messages > 0 ? 2 * messages : 2000, options->streams));
    sl_set_default(&options->max_outstanding_bytes, share(bytes > 0 ? 2 * bytes : 20000000, options->streams));
    sl_set_default(&options->ping_ms, 30000);
    sl_set_default(&options->answer_ms, 15000);
    sl_set_default(&options->receipt_ms, 100);
    sl_set_default(&options->lease_s, 10);
    sl_set_default(&options->extend_before_ms, 10000);
    sl_set_default(&options->lease_cap_ms, INT64_C(60) * 60 * 1000);
    sl_set_default(&options->backoff_min_ms, 100);
    sl_set_default(&options->backoff_max_ms, 10000);
    sl_set_default(&options->call_ms, 20000);
    sl_set_default(&options->publish_ms, 60000);
    sl_set_default(&options->close_ms, 5000);
    /* Emulators are gRPC-Java, which closes connections that are probed more often than every 5 minutes. */
    sl_set_default(&options->keepalive_ms, config->bus.type == SL_BUS_EMULATOR ? 300000 : 30000);
    if (options->pings == SL_PINGS_AUTO)
        options->pings = config->bus.type == SL_BUS_EMULATOR ? SL_PINGS_LEARNED : SL_PINGS_DEMANDED;
}

static void init_waiting(struct sl_grpc_bus *bus)
{
    pthread_mutex_init(&bus->mutex, NULL);
    sl_cond_init(&bus->arrived);
    sl_cond_init(&bus->wake);
    sl_cond_init(&bus->quiet);
}

static enum sl_code check(const struct sl_pubsub_peer *peer, const struct sl_config *config, const struct sl_phase *const *phases, size_t n,
                          struct sl_err *err)
{
    if (config->bus.type == SL_BUS_PUBSUB && !peer->tls)
        return sl_fail(err, SL_INVALID, "bus.type pubsub: Google Cloud Pub/Sub is only talked to by TLS");
    for (size_t i = 0; i < n; i++)
        if (!phases[i]->subscription)
            return sl_fail(err, SL_INVALID, "phase %s has no completions.subscription to receive from", phases[i]->name);
    return SL_OK;
}

static enum sl_code start(struct sl_grpc_bus *bus, struct sl_err *err)
{
    const int64_t keepalive_ms = bus->options.keepalive_ms;
    enum sl_code code = sl_rpc_loop_create(&bus->loop, err);
    for (size_t i = 0; code == SL_OK && i < bus->n_channels; i++)
        code = sl_pubsub_dial(&bus->channels[i], bus->loop, &bus->peer, (int)i, keepalive_ms, err);
    if (code != SL_OK)
        return code;
    for (size_t i = 0; i < bus->n; i++)
        bus->subscribers[i].channel = bus->channels[i % bus->n_channels];
    if (pthread_create(&bus->keeper, NULL, keeper_main, bus) != 0)
        return sl_fail(err, SL_UNAVAILABLE, "no thread for the bus");
    bus->keeper_on = true;
    return SL_OK;
}

/* Streams of one phase get connections of their own before those of the next. */
static void init_subscribers(struct sl_grpc_bus *bus, const struct sl_phase *const *phases, size_t n_phases)
{
    const size_t streams = (size_t)bus->options.streams;
    bus->n_channels = (size_t)bus->options.connections;
    bus->channels = sl_calloc(bus->n_channels, sizeof(struct sl_rpc_channel *));
    bus->subscribers = sl_calloc(n_phases * streams, sizeof *bus->subscribers);
    bus->names = sl_arena_array(&bus->arena, n_phases, sizeof *bus->names);
    for (; bus->n < n_phases * streams; bus->n++) {
        sl_subscriber_init(&bus->subscribers[bus->n], bus, phases[bus->n / streams]);
        if (bus->n % streams == 0)
            bus->names[bus->n_names++] = bus->subscribers[bus->n].subscription;
    }
}

enum sl_code sl_grpc_bus_create(struct sl_bus **out, const struct sl_pubsub_peer *peer, const struct sl_config *config,
                                const struct sl_phase *const *phases, size_t n_phases, const struct sl_grpc_bus_options *options,
                                struct sl_err *err)
{
    *out = NULL;
    enum sl_code code = check(peer, config, phases, n_phases, err);
    if (code != SL_OK)
        return code;
    struct sl_grpc_bus *bus = sl_calloc(1, sizeof *bus);
    bus->base.ops = &GRPC_BUS;
    bus->config = config;
    bus->peer = *peer;
    if (options)
        bus->options = *options;
    bus->halves_leases = bus->options.extend_before_ms <= 0;
    fill_options(&bus->options, config);
    init_waiting(bus);
    init_subscribers(bus, phases, n_phases);
    *out = &bus->base;
    code = start(bus, err);
    if (code != SL_OK)
        sl_bus_destroy(out);
    return code;
}

/* Under the mutex: until every ack has its outcome, and has been told, or nothing more is to be had. */
static void wait_quiet(struct sl_grpc_bus *bus, int64_t until_ms)
{
    while ((bus->acks || bus->telling) && bus->failure.code == SL_OK && sl_cond_wait(&bus->quiet, &bus->mutex, until_ms))
        ;
}

static void stop_keeper(struct sl_grpc_bus *bus)
{
    const int64_t until_ms = sl_monotonic_ms() + bus->options.close_ms;
    sl_bus_lock(bus);
    wait_quiet(bus, until_ms);
    bus->stopping = true;
    pthread_cond_signal(&bus->wake);
    sl_bus_unlock(bus);
    pthread_join(bus->keeper, NULL);
    sl_bus_lock(bus);
    for (size_t i = 0; i < bus->n; i++)
        sl_subscriber_cancel(&bus->subscribers[i]);
    sl_bus_unlock(bus);
}

/* Nothing is in flight, but what waits for its next try. */
static void free_retries(struct sl_grpc_bus *bus)
{
    while (bus->to_retry) {
        struct sl_unary *unary = bus->to_retry;
        bus->to_retry = unary->next;
        for (size_t i = 0; i < unary->n; i++)
            sl_lease_unref(unary->leases[i]);
        sl_unary_free(unary);
    }
}

static void destroy_leases(struct sl_grpc_bus *bus)
{
    sl_bus_lock(bus);
    free_retries(bus);
    for (size_t i = 0; i < bus->n; i++)
        sl_subscriber_fini(&bus->subscribers[i]);
    bus->n = 0;
    sl_bus_unlock(bus); /* tells what was lost */
}

static void grpc_destroy(struct sl_bus *self)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    if (bus->keeper_on)
        stop_keeper(bus);
    for (size_t i = 0; i < bus->n_channels; i++)
        sl_rpc_channel_destroy(&bus->channels[i]);
    destroy_leases(bus); /* what they hold is gRPC's */
    sl_rpc_loop_destroy(&bus->loop);
    free(bus->channels);
    free(bus->subscribers);
    pthread_cond_destroy(&bus->quiet);
    pthread_cond_destroy(&bus->wake);
    pthread_cond_destroy(&bus->arrived);
    pthread_mutex_destroy(&bus->mutex);
    sl_arena_fini(&bus->arena);
    free(bus);
}

bool sl_grpc_bus_settle(struct sl_bus *self, int64_t timeout_ms)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    const int64_t until_ms = sl_monotonic_ms() + timeout_ms;
    sl_bus_lock(bus);
    wait_quiet(bus, until_ms);
    const bool settled = !bus->acks && !bus->telling;
    sl_bus_unlock(bus);
    return settled;
}

void sl_grpc_bus_stats(struct sl_bus *self, struct sl_grpc_bus_stats *out)
{
    struct sl_grpc_bus *bus = (struct sl_grpc_bus *)self;
    sl_bus_lock(bus);
    *out = bus->stats;
    out->leases = 0;
    for (size_t i = 0; i < bus->n; i++)
        out->leases += bus->subscribers[i].leased;
    sl_bus_unlock(bus);
}

static const struct sl_bus_ops GRPC_BUS = {
    .name = "grpc",
    .destroy = grpc_destroy,
    .receive = grpc_receive,
    .ack = grpc_ack,
    .publish = grpc_publish,
    .publish_all = grpc_publish_all,
    .silent_ms = grpc_silent_ms,
    .backlog = grpc_backlog,
};
