/* grpc_publisher.c - many messages to one topic: batches, several of them in flight, results in the order of the messages.
 *
 * The life of a batch: FILLING (full, old enough or flushed) -> SENT -> DONE, over PAUSED where a try has failed that may succeed later. A batch that is refused as invalid goes on
 * message by message. Batches stay in a list in their order; the adding thread hands out the results of those at its head.
 * Messages with an ordering key have batches of their own, one key each, of which one at a time is sent: the next is QUEUED until it is DONE. A failure stops the key: what follows
 * in it fails too, until it is resumed, so that nothing overtakes what is missing.
 * Bounded: in_flight batches of max_bytes (or of one larger message). */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>

#include "grpc_publish.h"

enum { MAX_KEY = 1024 /* of the API */ };
enum state { FILLING, QUEUED, SENT, PAUSED, DONE };

struct result {
    enum sl_code code;
    char *id, *error;
};

struct batch {
    struct batch *next, *next_to_send;
    struct sl_grpc_publisher *publisher;
    enum state state;
    struct sl_buf bytes; /* the topic, then the messages */
    char *key;           /* NULL: none */
    size_t *offsets, cap_offsets, *indices, cap_indices;
    struct result *results;
    size_t cap_results, n;
    size_t topic_len;
    bool singly;
    size_t at; /* singly: the one in flight */
    struct sl_backoff backoff;
    int64_t opened_ms, started_ms, due_ms;
};

struct sl_grpc_publisher {
    struct sl_grpc_publisher_options options;
    struct sl_rpc_loop *loop;
    struct sl_rpc_channel *channel;
    char *topic, *routing;
    sl_publish_result result;
    void *arg;
    pthread_mutex_t mutex;
    pthread_cond_t wake, done;
    pthread_t keeper;
    bool keeper_on, stopping;
    struct batch *first, *last; /* in order */
    char **stopped;             /* keys */
    size_t n_stopped, cap_stopped;
    struct batch *to_send;
    size_t n_batches, n_messages;
    struct sl_err failure; /* the first since the last flush */
};

static struct batch *filling(const struct sl_grpc_publisher *publisher, const char *key)
{
    for (struct batch *batch = publisher->first; batch; batch = batch->next)
        if (batch->state == FILLING && sl_str_eq(batch->key, key))
            return batch;
    return NULL;
}

/* The index of a key that is stopped; n_stopped: it isn't. */
static size_t find_stopped(const struct sl_grpc_publisher *publisher, const char *key)
{
    size_t i = 0;
    while (i < publisher->n_stopped && !sl_str_eq(publisher->stopped[i], key))
        i++;
    return i;
}

static bool is_stopped(const struct sl_grpc_publisher *publisher, const char *key)
{
    return key && find_stopped(publisher, key) < publisher->n_stopped;
}

static void batch_free(struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        free(batch->results[i].id);
        free(batch->results[i].error);
    }
    sl_buf_fini(&batch->bytes);
    free(batch->key);
    free(batch->indices);
    free(batch->offsets);
    free(batch->results);
    free(batch);
}

/* ---- sending ---- */

static void send_soon(struct batch *batch)
{
    struct sl_grpc_publisher *publisher = batch->publisher;
    batch->state = SENT;
    if (publisher->stopping)
        return;
    batch->next_to_send = publisher->to_send;
    publisher->to_send = batch;
}

static void start_sending(struct batch *batch)
{
    batch->started_ms = sl_monotonic_ms();
    send_soon(batch);
}

/* No more is added to it; its turn comes when those before it in its key are done. */
static void close_batch(struct batch *batch)
{
    batch->state = QUEUED;
    for (const struct batch *before = batch->publisher->first; batch->key && before != batch; before = before->next)
        if (before->state != DONE && sl_str_eq(before->key, batch->key))
            return;
    start_sending(batch);
}

static void on_answer(void *arg, const struct sl_rpc_status *status, const void *data, size_t len);

static void send_now(struct batch *batch)
{
    const struct sl_grpc_publisher *publisher = batch->publisher;
    struct sl_buf one = {0};
    struct sl_rpc_request request = {.method = SL_PUBLISH_METHOD,
                                     .routing = publisher->routing,
                                     .data = batch->bytes.data,
                                     .len = batch->bytes.len,
                                     .timeout_ms = publisher->options.call_ms};
    if (batch->singly) {
        const size_t from = batch->offsets[batch->at], to = batch->at + 1 < batch->n ? batch->offsets[batch->at + 1] : batch->bytes.len;
        sl_buf_add(&one, batch->bytes.data, batch->topic_len);
        sl_buf_add(&one, batch->bytes.data + from, to - from);
        request.data = one.data;
        request.len = one.len;
    }
    request.gzip = publisher->options.compress && request.len >= SL_COMPRESS_FROM;
    sl_rpc_call_start(publisher->channel, &request, on_answer, batch);
    sl_buf_fini(&one);
}

static void unlock(struct sl_grpc_publisher *publisher)
{
    struct batch *list = publisher->to_send;
    publisher->to_send = NULL;
    pthread_mutex_unlock(&publisher->mutex);
    while (list) { /* once sent, a batch may be answered and gone */
        struct batch *batch = list;
        list = batch->next_to_send;
        send_now(batch);
    }
}

/* ---- answers ---- */

static void set_results(struct batch *batch, size_t from, size_t to, enum sl_code code, const char *error)
{
    for (size_t i = from; i < to; i++) {
        batch->results[i].code = code;
        batch->results[i].error = sl_strdup(error);
    }
}

static void stop_key(struct sl_grpc_publisher *publisher, const char *key)
{
    if (is_stopped(publisher, key))
        return;
    sl_grow((void **)&publisher->stopped, &publisher->cap_stopped, publisher->n_stopped + 1, sizeof(char *));
    publisher->stopped[publisher->n_stopped++] = sl_strdup(key);
}

/* A batch of a key is done: the next one's turn, or, after a failure, nobody's. */
static void next_of_key(struct batch *batch, bool failed)
{
    if (failed)
        stop_key(batch->publisher, batch->key);
    for (struct batch *later = batch->next; later; later = later->next) {
        if (!sl_str_eq(later->key, batch->key) || later->state == DONE)
            continue;
        if (failed) {
            set_results(later, 0, later->n, SL_UNAVAILABLE, "an earlier message of its ordering key failed");
            later->state = DONE;
        } else {
            if (later->state == QUEUED)
                start_sending(later);
            return;
        }
    }
}

/* What was in flight has its result: the batch, or one of it. */
static void go_on(struct batch *batch)
{
    const bool failed = batch->results[batch->singly ? batch->at : 0].code != SL_OK;
    if (batch->singly && ++batch->at < batch->n) {
        if (!failed || !batch->key) {
            sl_backoff_reset(&batch->backoff);
            start_sending(batch);
            return;
        }
        set_results(batch, batch->at, batch->n, SL_UNAVAILABLE, "an earlier message of its ordering key failed");
    }
    batch->state = DONE;
    if (batch->key)
        next_of_key(batch, failed);
    pthread_cond_signal(&batch->publisher->done);
}

static void keep_ids(struct batch *batch, size_t from, size_t to, const void *data, size_t len)
{
    struct sl_arena arena = {0};
    struct sl_span *ids;
    struct sl_err err = {0};
    size_t n = 0;
    if (sl_pubsub_read_publish_response(&ids, &n, data, len, &arena, &err) != SL_OK || n != to - from) {
        sl_fail(&err, SL_UNAVAILABLE, "Publish of %zu messages was answered with %zu ids", to - from, n);
        set_results(batch, from, to, SL_UNAVAILABLE, err.text);
    } else {
        for (size_t i = 0; i < n; i++)
            batch->results[from + i] = (struct result){.code = SL_OK, .id = sl_strndup(ids[i].ptr, ids[i].len)};
    }
    sl_arena_fini(&arena);
}

static void try_again(struct batch *batch, int64_t due_ms)
{
    batch->state = PAUSED;
    batch->due_ms = due_ms;
    pthread_cond_signal(&batch->publisher->wake);
}

static void answered(struct batch *batch, const struct sl_rpc_status *status, const void *data, size_t len)
{
    const int64_t now_ms = sl_monotonic_ms(), total_ms = batch->publisher->options.publish_ms;
    const size_t from = batch->singly ? batch->at : 0, to = batch->singly ? batch->at + 1 : batch->n;
    if (status->code == SL_RPC_OK) {
        keep_ids(batch, from, to, data, len);
        go_on(batch);
        return;
    }
    if (sl_retry_publish(status->code)) {
        const int64_t due_ms = now_ms + sl_backoff_next(&batch->backoff);
        if (due_ms < batch->started_ms + total_ms) {
            try_again(batch, due_ms);
            return;
        }
    } else if (status->code == SL_RPC_INVALID_ARGUMENT && !batch->singly && batch->n > 1) {
        batch->singly = true;
        start_sending(batch);
        return;
    }
    struct sl_err err;
    sl_fail(&err, sl_rpc_to_code(status->code), "Publish: %s: %s", sl_rpc_code_name(status->code), status->message);
    set_results(batch, from, to, err.code, err.text);
    go_on(batch);
}

static void on_answer(void *arg, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct batch *batch = arg;
    struct sl_grpc_publisher *publisher = batch->publisher;
    pthread_mutex_lock(&publisher->mutex);
    answered(batch, status, data, len);
    unlock(publisher);
}

/* ---- the keeper: delays and pauses ---- */

static int64_t tick(struct sl_grpc_publisher *publisher, int64_t now_ms)
{
    int64_t next = SL_MS_NEVER;
    for (struct batch *batch = publisher->first; batch; batch = batch->next) {
        int64_t due_ms = batch->state == FILLING  ? batch->opened_ms + publisher->options.delay_ms
                         : batch->state == PAUSED ? batch->due_ms
                                                  : SL_MS_NEVER;
        if (due_ms <= now_ms) {
            if (batch->state == FILLING)
                close_batch(batch);
            else
                send_soon(batch);
            due_ms = SL_MS_NEVER;
        }
        next = due_ms < next ? due_ms : next;
    }
    return next;
}

static void *keeper_main(void *arg)
{
    struct sl_grpc_publisher *publisher = arg;
    pthread_mutex_lock(&publisher->mutex);
    while (!publisher->stopping) {
        const int64_t next = tick(publisher, sl_monotonic_ms());
        if (publisher->to_send) {
            unlock(publisher);
            pthread_mutex_lock(&publisher->mutex);
        } else {
            sl_cond_wait(&publisher->wake, &publisher->mutex, next);
        }
    }
    unlock(publisher);
    return NULL;
}

/* ---- the adding thread ---- */

static void hand_out(struct sl_grpc_publisher *publisher, const struct batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        const struct result *result = &batch->results[i];
        struct sl_err err = {0};
        if (result->code != SL_OK)
            sl_fail(&err, result->code, "%s", result->error);
        if (result->code != SL_OK && publisher->failure.code == SL_OK)
            publisher->failure = err;
        if (publisher->result)
            publisher->result(publisher->arg, batch->indices[i], result->code, result->id, &err);
    }
}

/* Under the mutex, given back meanwhile: results of the batches that are done, up to the first that isn't. */
static void hand_out_done(struct sl_grpc_publisher *publisher)
{
    while (publisher->first && publisher->first->state == DONE) {
        struct batch *batch = publisher->first;
        publisher->first = batch->next;
        if (!publisher->first)
            publisher->last = NULL;
        publisher->n_batches--;
        unlock(publisher);
        hand_out(publisher, batch);
        batch_free(batch);
        pthread_mutex_lock(&publisher->mutex);
    }
}

/* Under the mutex: until the oldest batch is done. */
static void wait_for_first(struct sl_grpc_publisher *publisher)
{
    while (publisher->to_send) {
        unlock(publisher);
        pthread_mutex_lock(&publisher->mutex);
    }
    while (publisher->first->state != DONE)
        pthread_cond_wait(&publisher->done, &publisher->mutex);
    hand_out_done(publisher);
}

static struct batch *new_batch(struct sl_grpc_publisher *publisher, const char *key)
{
    const struct sl_grpc_publisher_options *options = &publisher->options;
    struct batch *batch = sl_calloc(1, sizeof *batch);
    batch->publisher = publisher;
    batch->backoff = (struct sl_backoff){.min_ms = options->backoff_min_ms, .max_ms = options->backoff_max_ms, .factor = 4};
    batch->key = sl_strdup(key);
    batch->opened_ms = sl_monotonic_ms();
    sl_pubsub_put_publish_topic(&batch->bytes, publisher->topic);
    batch->topic_len = batch->bytes.len;
    *(publisher->last ? &publisher->last->next : &publisher->first) = batch;
    publisher->last = batch;
    publisher->n_batches++;
    pthread_cond_signal(&publisher->wake);
    return batch;
}

static void add_message(struct batch *batch, const struct sl_buf *message)
{
    sl_grow((void **)&batch->offsets, &batch->cap_offsets, batch->n + 1, sizeof *batch->offsets);
    sl_grow((void **)&batch->indices, &batch->cap_indices, batch->n + 1, sizeof *batch->indices);
    sl_grow((void **)&batch->results, &batch->cap_results, batch->n + 1, sizeof *batch->results);
    batch->offsets[batch->n] = batch->bytes.len;
    batch->results[batch->n] = (struct result){.code = SL_UNAVAILABLE};
    batch->indices[batch->n] = batch->publisher->n_messages++;
    batch->n++;
    sl_buf_add(&batch->bytes, message->data, message->len);
}

static enum sl_code check(const char *key, const struct sl_attribute *attributes, size_t n, struct sl_err *err)
{
    if (key && (strlen(key) > MAX_KEY || !sl_utf8_valid(key, strlen(key))))
        return sl_fail(err, SL_INVALID, "the ordering key is not UTF-8 of at most %d bytes", MAX_KEY);
    for (size_t i = 0; i < n; i++)
        if (!sl_utf8_valid(attributes[i].key, strlen(attributes[i].key)) ||
            !sl_utf8_valid(attributes[i].value, strlen(attributes[i].value)))
            return sl_fail(err, SL_INVALID, "attribute %zu is not UTF-8", i + 1);
    return SL_OK;
}

/* Under the mutex: a batch of this key with room for `bytes`. */
static struct batch *batch_for(struct sl_grpc_publisher *publisher, const char *key, size_t bytes)
{
    struct batch *batch = filling(publisher, key);
    if (batch && batch->bytes.len + bytes > publisher->options.max_bytes) {
        close_batch(batch);
        batch = NULL;
    }
    while (!batch && publisher->n_batches >= publisher->options.in_flight) {
        if (publisher->first->state == FILLING)
            close_batch(publisher->first);
        wait_for_first(publisher);
    }
    return batch ? batch : new_batch(publisher, key);
}

enum sl_code sl_grpc_publisher_add_ordered(struct sl_grpc_publisher *publisher, const char *key, const char *data, size_t len,
                                           const struct sl_attribute *attributes, size_t n_attributes, struct sl_err *err)
{
    if (key && !*key)
        key = NULL;
    if (check(key, attributes, n_attributes, err) != SL_OK)
        return SL_INVALID;
    struct sl_buf message = {0};
    sl_pubsub_put_message(&message, 2, data, len, attributes, n_attributes, key);
    pthread_mutex_lock(&publisher->mutex);
    bool stopped = is_stopped(publisher, key);
    struct batch *batch = stopped ? NULL : batch_for(publisher, key, message.len);
    stopped = is_stopped(publisher, key); /* it may have been, while we waited for room */
    if (batch && !stopped)
        add_message(batch, &message);
    if (batch && batch->n == 0)
        batch->state = DONE;
    else if (batch && batch->n >= publisher->options.max_messages)
        close_batch(batch);
    hand_out_done(publisher);
    unlock(publisher);
    sl_buf_fini(&message);
    return stopped ? sl_fail(err, SL_UNAVAILABLE, "ordering key %s is stopped: an earlier message of it failed", key) : SL_OK;
}

enum sl_code sl_grpc_publisher_add(struct sl_grpc_publisher *publisher, const char *data, size_t len, const struct sl_attribute *attributes,
                                   size_t n_attributes, struct sl_err *err)
{
    return sl_grpc_publisher_add_ordered(publisher, NULL, data, len, attributes, n_attributes, err);
}

void sl_grpc_publisher_resume(struct sl_grpc_publisher *publisher, const char *key)
{
    pthread_mutex_lock(&publisher->mutex);
    const size_t i = find_stopped(publisher, key);
    if (i < publisher->n_stopped) {
        free(publisher->stopped[i]);
        publisher->stopped[i] = publisher->stopped[--publisher->n_stopped];
    }
    unlock(publisher);
}

enum sl_code sl_grpc_publisher_flush(struct sl_grpc_publisher *publisher, struct sl_err *err)
{
    pthread_mutex_lock(&publisher->mutex);
    for (struct batch *batch = publisher->first; batch; batch = batch->next)
        if (batch->state == FILLING)
            close_batch(batch);
    while (publisher->first)
        wait_for_first(publisher);
    const struct sl_err failure = publisher->failure;
    publisher->failure = (struct sl_err){0};
    unlock(publisher);
    return failure.code == SL_OK ? SL_OK : sl_fail(err, failure.code, "%s", failure.text);
}

/* ---- life ---- */

static void fill_options(struct sl_grpc_publisher_options *options)
{
    options->max_messages = options->max_messages ? options->max_messages : 1000;
    options->max_bytes = options->max_bytes ? options->max_bytes : 1000000;
    options->in_flight = options->in_flight ? options->in_flight : 8;
    sl_set_default(&options->delay_ms, 10);
    sl_set_default(&options->publish_ms, 60000);
    sl_set_default(&options->call_ms, 20000);
    sl_set_default(&options->backoff_min_ms, 100);
    sl_set_default(&options->backoff_max_ms, 10000);
}

static enum sl_code start(struct sl_grpc_publisher *publisher, const struct sl_pubsub_peer *peer, struct sl_err *err)
{
    enum sl_code code = sl_rpc_loop_create(&publisher->loop, err);
    if (code == SL_OK)
        code = sl_pubsub_dial(&publisher->channel, publisher->loop, peer, 0, 0, err);
    if (code != SL_OK)
        return code;
    if (pthread_create(&publisher->keeper, NULL, keeper_main, publisher) != 0)
        return sl_fail(err, SL_UNAVAILABLE, "no thread for the publisher");
    publisher->keeper_on = true;
    return SL_OK;
}

enum sl_code sl_grpc_publisher_create(struct sl_grpc_publisher **out, const struct sl_pubsub_peer *peer, const char *topic,
                                      const struct sl_grpc_publisher_options *options, sl_publish_result result, void *arg,
                                      struct sl_err *err)
{
    struct sl_grpc_publisher *publisher = sl_calloc(1, sizeof *publisher);
    if (options)
        publisher->options = *options;
    fill_options(&publisher->options);
    publisher->topic = sl_strdup(topic);
    publisher->routing = sl_routing("topic", topic);
    publisher->result = result;
    publisher->arg = arg;
    pthread_mutex_init(&publisher->mutex, NULL);
    sl_cond_init(&publisher->wake);
    sl_cond_init(&publisher->done);
    *out = publisher;
    const enum sl_code code = start(publisher, peer, err);
    if (code != SL_OK)
        sl_grpc_publisher_destroy(out);
    return code;
}

void sl_grpc_publisher_destroy(struct sl_grpc_publisher **publisher)
{
    struct sl_grpc_publisher *gone = *publisher;
    *publisher = NULL;
    if (!gone)
        return;
    pthread_mutex_lock(&gone->mutex);
    gone->stopping = true;
    pthread_cond_signal(&gone->wake);
    pthread_mutex_unlock(&gone->mutex);
    if (gone->keeper_on)
        pthread_join(gone->keeper, NULL);
    sl_rpc_channel_destroy(&gone->channel);
    sl_rpc_loop_destroy(&gone->loop);
    while (gone->first) {
        struct batch *batch = gone->first;
        gone->first = batch->next;
        batch_free(batch);
    }
    pthread_cond_destroy(&gone->done);
    pthread_cond_destroy(&gone->wake);
    pthread_mutex_destroy(&gone->mutex);
    for (size_t i = 0; i < gone->n_stopped; i++)
        free(gone->stopped[i]);
    free(gone->stopped);
    free(gone->topic);
    free(gone->routing);
    free(gone);
}
