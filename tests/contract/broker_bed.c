/* broker_bed.c - see broker_bed.h. */
#include "broker_bed.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "support/remove_dir.h"

#define WAIT_S 60 /* for what must come: only a failing test waits so long */

/* ---- the bed ---- */

static void dial(struct bed *bed)
{
    struct sl_err err;
    struct sl_rpc_channel_options options = {0};
    cr_assert_eq(sl_rpc_channel_create(&bed->channel, bed->loop, bed->address, &options, &err), SL_OK, "%s", err.text);
}

static void serve(struct bed *bed)
{
    struct sl_err err;
    cr_assert_eq(sl_broker_create(&bed->broker, &bed->options, &err), SL_OK, "%s", err.text);
    snprintf(bed->address, sizeof(bed->address), "%s", sl_broker_address(bed->broker));
    dial(bed);
}

static void make_dir(struct bed *bed, const struct sl_broker_options *options)
{
    memset(bed, 0, sizeof(*bed));
    snprintf(bed->dir, sizeof(bed->dir), "/tmp/sluice-broker-XXXXXX");
    cr_assert_not_null(mkdtemp(bed->dir));
    if (options)
        bed->options = *options;
    bed->options.path = bed->dir;
    if (!bed->options.listen)
        bed->options.listen = "127.0.0.1:0";
}

void bed_open(struct bed *bed, const struct sl_broker_options *options)
{
    struct sl_err err;
    make_dir(bed, options);
    cr_assert_eq(sl_rpc_loop_create(&bed->loop, &err), SL_OK, "%s", err.text);
    serve(bed);
}

void bed_open_with_sub(struct bed *bed, const struct sl_broker_options *options)
{
    bed_open(bed, options);
    make_topic(bed, TOPIC);
    make_subscription(bed, SUB, TOPIC);
}

void bed_open_with_sub_like(struct bed *bed, struct sl_pubsub_subscription config)
{
    bed_open(bed, NULL);
    make_topic(bed, TOPIC);
    make_sub_like(bed, config);
}

void bed_stop(struct bed *bed)
{
    sl_rpc_channel_destroy(&bed->channel);
    sl_broker_destroy(&bed->broker);
}

void bed_close(struct bed *bed)
{
    bed_stop(bed);
    sl_rpc_loop_destroy(&bed->loop);
    remove_dir(bed->dir);
}

void bed_restart(struct bed *bed)
{
    bed_stop(bed);
    serve(bed);
}

static _Noreturn void child_main(struct bed *bed, int out)
{
    struct sl_err err;
    if (sl_broker_create(&bed->broker, &bed->options, &err) != SL_OK)
        _exit(1);
    const char *address = sl_broker_address(bed->broker);
    if (write(out, address, strlen(address) + 1) < 0)
        _exit(1);
    for (;;)
        pause();
}

void bed_open_child(struct bed *bed)
{
    struct sl_err err;
    int ends[2];
    make_dir(bed, NULL);
    cr_assert_eq(pipe(ends), 0);
    bed->child = fork();
    cr_assert_neq(bed->child, -1);
    if (bed->child == 0)
        child_main(bed, ends[1]);
    close(ends[1]);
    cr_assert_gt(read(ends[0], bed->address, sizeof(bed->address)), 0);
    close(ends[0]);
    cr_assert_eq(sl_rpc_loop_create(&bed->loop, &err), SL_OK, "%s", err.text);
    dial(bed);
}

void bed_kill_child(struct bed *bed)
{
    kill(bed->child, SIGKILL);
    waitpid(bed->child, NULL, 0);
    bed->child = 0;
    sl_rpc_channel_destroy(&bed->channel);
    serve(bed);
}

enum sl_rpc_code bed_call(struct bed *bed, const char *method, struct sl_buf *request, struct sl_buf *response)
{
    char path[128];
    struct sl_err err;
    struct sl_rpc_status status = {0};
    struct sl_buf ignored = {0};
    snprintf(path, sizeof(path), "/%s%s", strchr(method, '.') ? "" : "google.pubsub.v1.", method);
    struct sl_rpc_request call = {.method = path,
                                  .data = request->data ? request->data : "",
                                  .len = request->len,
                                  .timeout_ms = WAIT_S * 1000,
                                  .wait_for_ready = true};
    if (response)
        sl_buf_clear(response);
    sl_rpc_call(bed->channel, &call, response ? response : &ignored, &status, &err);
    snprintf(bed->message, sizeof(bed->message), "%s", status.message);
    sl_buf_fini(&ignored);
    sl_buf_fini(request);
    return status.code;
}

/* ---- fields ---- */

void put_field_str(struct sl_buf *out, int field, const char *text)
{
    sl_wire_put_bytes(out, field, text, strlen(text));
}

void put_field_buf(struct sl_buf *out, int field, struct sl_buf *message)
{
    sl_wire_put_message(out, field, message);
    sl_buf_fini(message);
}

/* ---- admin ---- */

enum sl_rpc_code try_topic(struct bed *bed, const char *name)
{
    struct sl_buf request = {0};
    struct sl_pubsub_topic topic = {.name = name};
    sl_pubsub_put_topic(&request, &topic);
    return bed_call(bed, "Publisher/CreateTopic", &request, NULL);
}

void make_topic(struct bed *bed, const char *name)
{
    cr_assert_eq(try_topic(bed, name), SL_RPC_OK, "%s: %s", name, bed->message);
}

enum sl_rpc_code try_subscription(struct bed *bed, const struct sl_pubsub_subscription *config)
{
    struct sl_buf request = {0};
    sl_pubsub_put_subscription(&request, config);
    return bed_call(bed, "Subscriber/CreateSubscription", &request, NULL);
}

void make_subscription(struct bed *bed, const char *name, const char *topic)
{
    struct sl_pubsub_subscription config = {.name = name, .topic = topic, .ack_deadline_s = LONGEST_LEASE_S};
    cr_assert_eq(try_subscription(bed, &config), SL_RPC_OK, "%s: %s", name, bed->message);
}

void make_sub_like(struct bed *bed, struct sl_pubsub_subscription config)
{
    config.name = SUB;
    config.topic = TOPIC;
    config.ack_deadline_s = LONGEST_LEASE_S;
    cr_assert_eq(try_subscription(bed, &config), SL_RPC_OK, "%s", bed->message);
}

static enum sl_rpc_code call_name(struct bed *bed, const char *method, const char *name)
{
    struct sl_buf request = {0};
    sl_pubsub_put_name(&request, name);
    return bed_call(bed, method, &request, NULL);
}

enum sl_rpc_code delete_topic(struct bed *bed, const char *name)
{
    return call_name(bed, "Publisher/DeleteTopic", name);
}

enum sl_rpc_code delete_subscription(struct bed *bed, const char *name)
{
    return call_name(bed, "Subscriber/DeleteSubscription", name);
}

void get_subscription(struct bed *bed, struct sl_pubsub_subscription *out, struct sl_arena *arena)
{
    struct sl_buf request = {0}, response = {0};
    sl_pubsub_put_name(&request, SUB);
    cr_assert_eq(bed_call(bed, "Subscriber/GetSubscription", &request, &response), SL_RPC_OK, "%s", bed->message);
    char *kept = sl_arena_strndup(arena, response.data, response.len);
    cr_assert_eq(sl_pubsub_read_subscription(out, kept, response.len, arena, NULL), SL_OK);
    sl_buf_fini(&response);
}

void make_snapshot(struct bed *bed, const char *name)
{
    struct sl_buf request = {0};
    sl_pubsub_put_create_snapshot(&request, &(struct sl_create_snapshot){.name = name, .subscription = SUB});
    cr_assert_eq(bed_call(bed, "Subscriber/CreateSnapshot", &request, NULL), SL_RPC_OK, "%s", bed->message);
}

/* ---- publishing ---- */

enum sl_rpc_code try_publish(struct bed *bed, const char *topic, const void *data, size_t len, char *id)
{
    struct sl_buf request = {0}, response = {0};
    struct sl_arena arena = {0};
    struct sl_span *ids;
    size_t n;
    sl_pubsub_put_publish_topic(&request, topic);
    sl_pubsub_put_message(&request, 2, data, len, NULL, 0, NULL);
    enum sl_rpc_code code = bed_call(bed, "Publisher/Publish", &request, &response);
    if (code == SL_RPC_OK) {
        cr_assert_eq(sl_pubsub_read_publish_response(&ids, &n, response.data, response.len, &arena, NULL), SL_OK);
        cr_assert_eq(n, 1);
        if (id)
            snprintf(id, 64, "%.*s", (int)ids[0].len, ids[0].ptr);
    }
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    return code;
}

void publish(struct bed *bed, const char *topic, const char *text)
{
    cr_assert_eq(try_publish(bed, topic, text, strlen(text), NULL), SL_RPC_OK, "%s", bed->message);
}

void publish_with(struct bed *bed, const char *topic, const char *text, const char *key, const char *attributes)
{
    struct sl_buf request = {0};
    struct sl_attribute list[8];
    char copy[256], *save = NULL;
    size_t n = 0;
    snprintf(copy, sizeof(copy), "%s", attributes ? attributes : "");
    for (char *part = strtok_r(copy, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        *equals = '\0';
        list[n++] = (struct sl_attribute){part, equals + 1};
    }
    sl_pubsub_put_publish_topic(&request, topic);
    sl_pubsub_put_message(&request, 2, text, strlen(text), list, n, key);
    cr_assert_eq(bed_call(bed, "Publisher/Publish", &request, NULL), SL_RPC_OK, "%s", bed->message);
}

void publish_many(struct bed *bed, const char *topic, const char *prefix, size_t n, size_t body_bytes)
{
    struct sl_buf request = {0};
    char *body = sl_calloc(1, body_bytes + 64);
    for (size_t i = 0; i < n;) {
        sl_pubsub_put_publish_topic(&request, topic);
        for (size_t k = 0; k < 1000 && i < n && request.len + body_bytes < 10000000; k++, i++) {
            size_t len = (size_t)sprintf(body, "%s%zu", prefix, i);
            memset(body + len, '.', body_bytes > len ? body_bytes - len : 0);
            sl_pubsub_put_message(&request, 2, body, body_bytes > len ? body_bytes : len, NULL, 0, NULL);
        }
        cr_assert_eq(bed_call(bed, "Publisher/Publish", &request, NULL), SL_RPC_OK, "%s", bed->message);
    }
    free(body);
}

/* ---- what was received ---- */

void gots_fini(struct gots *gots)
{
    for (size_t i = 0; i < gots->n; i++)
        free(gots->items[i].attributes);
    free(gots->items);
    *gots = (struct gots){0};
}

void gots_add(struct gots *gots, const struct sl_received *received)
{
    struct sl_buf attributes = {0};
    const struct sl_pubsub_message *message = &received->message;
    for (size_t i = 0; i < message->n_attributes; i++) {
        const struct sl_pubsub_attribute *attribute = &message->attributes[i];
        sl_buf_printf(&attributes, "%.*s=%.*s\n", (int)attribute->key.len, attribute->key.ptr, (int)attribute->value.len,
                      attribute->value.ptr);
    }
    sl_grow((void **)&gots->items, &gots->cap, gots->n + 1, sizeof(struct got));
    struct got *got = &gots->items[gots->n++];
    *got = (struct got){.len = message->data.len, .attempt = received->delivery_attempt};
    snprintf(got->ack_id, sizeof(got->ack_id), "%.*s", (int)received->ack_id.len, received->ack_id.ptr);
    snprintf(got->id, sizeof(got->id), "%.*s", (int)message->message_id.len, message->message_id.ptr);
    snprintf(got->text, sizeof(got->text), "%.*s", (int)(message->data.len < 63 ? message->data.len : 63), message->data.ptr);
    got->attributes = attributes.data ? attributes.data : sl_strdup("");
    cr_assert_gt(message->publish_us, INT64_C(1600000000000000));
}

enum sl_rpc_code try_pull(struct bed *bed, const char *subscription, int max, bool now, struct gots *out)
{
    struct sl_buf request = {0}, response = {0};
    struct sl_arena arena = {0};
    struct sl_streaming_response read;
    gots_fini(out);
    sl_pubsub_put_pull(&request, subscription, max, now);
    enum sl_rpc_code code = bed_call(bed, "Subscriber/Pull", &request, &response);
    cr_assert_eq(sl_pubsub_read_streaming_response(&read, response.data ? response.data : "", response.len, &arena, NULL), SL_OK);
    for (size_t i = 0; i < read.n; i++)
        gots_add(out, &read.messages[i]);
    sl_arena_fini(&arena);
    sl_buf_fini(&response);
    return code;
}

void pull(struct bed *bed, const char *subscription, int max, bool now, struct gots *out)
{
    cr_assert_eq(try_pull(bed, subscription, max, now, out), SL_RPC_OK, "%s", bed->message);
}

static const char **ids_of(const struct gots *gots, size_t from, size_t n)
{
    const char **ids = sl_calloc(n + 1, sizeof(*ids));
    cr_assert_leq(from + n, gots->n);
    for (size_t i = 0; i < n; i++)
        ids[i] = gots->items[from + i].ack_id;
    return ids;
}

enum sl_rpc_code try_ack(struct bed *bed, const char *subscription, const struct gots *gots, size_t from, size_t n)
{
    struct sl_buf request = {0};
    const char **ids = ids_of(gots, from, n);
    sl_pubsub_put_acknowledge(&request, subscription, ids, n);
    enum sl_rpc_code code = bed_call(bed, "Subscriber/Acknowledge", &request, NULL);
    free(ids);
    return code;
}

void ack(struct bed *bed, const char *subscription, const struct gots *gots, size_t from, size_t n)
{
    cr_assert_eq(try_ack(bed, subscription, gots, from, n), SL_RPC_OK, "%s", bed->message);
}

enum sl_rpc_code modify(struct bed *bed, const char *subscription, const struct gots *gots, size_t from, size_t n, int seconds)
{
    struct sl_buf request = {0};
    const char **ids = ids_of(gots, from, n);
    sl_pubsub_put_modify(&request, subscription, ids, n, seconds);
    enum sl_rpc_code code = bed_call(bed, "Subscriber/ModifyAckDeadline", &request, NULL);
    free(ids);
    return code;
}

void expect_texts(const struct gots *gots, const char *expected)
{
    struct sl_buf text = {0};
    for (size_t i = 0; i < gots->n; i++)
        sl_buf_printf(&text, "%s ", gots->items[i].text);
    cr_expect_str_eq(sl_buf_text(&text), expected, "%s, not %s", sl_buf_text(&text), expected);
    sl_buf_fini(&text);
}

void expect_backlog(struct bed *bed, const char *subscription, int64_t undelivered, int64_t leased)
{
    int64_t got_undelivered, got_leased;
    sl_broker_backlog(bed->broker, &subscription, subscription ? 1 : 0, &got_undelivered, &got_leased);
    cr_expect_eq(got_undelivered, undelivered, "undelivered: %lld, not %lld", (long long)got_undelivered, (long long)undelivered);
    cr_expect_eq(got_leased, leased, "leased: %lld, not %lld", (long long)got_leased, (long long)leased);
}

/* ---- taps ---- */

static size_t get_varint(const unsigned char *bytes, size_t *at)
{
    size_t value = 0;
    for (int shift = 0;; shift += 7) {
        unsigned char byte = bytes[(*at)++];
        value |= (size_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return value;
    }
}

/* Of a message whose fields are all messages or strings, as confirmations are: how often each is there. */
static void count_fields(size_t counts[8], const unsigned char *bytes, size_t len, struct sl_span parts[8])
{
    for (size_t at = 0; at < len;) {
        size_t field = get_varint(bytes, &at) >> 3, n = get_varint(bytes, &at);
        cr_assert(field < 8 && at + n <= len);
        counts[field]++;
        if (parts)
            parts[field] = (struct sl_span){(const char *)bytes + at, n};
        at += n;
    }
}

/* modify_ack_deadline_confirmation is field 3, acknowledge_confirmation 5; in them 1 is ack_ids, 2 invalid_ack_ids, 3 and 4 temporary_failed_ack_ids. */
static void count_confirmed(struct tap *tap, const void *data, size_t len)
{
    size_t all[8] = {0}, acks[8] = {0}, modifies[8] = {0};
    struct sl_span parts[8] = {{"", 0}};
    count_fields(all, data, len, parts);
    if (all[5])
        count_fields(acks, (const unsigned char *)parts[5].ptr, parts[5].len, NULL);
    if (all[3])
        count_fields(modifies, (const unsigned char *)parts[3].ptr, parts[3].len, NULL);
    tap->acked += acks[1];
    tap->ack_invalid += acks[2];
    tap->modified += modifies[1];
    tap->modify_invalid += modifies[2];
    tap->failed += acks[4] + modifies[3];
}

static void on_message(void *arg, const void *data, size_t len)
{
    struct tap *tap = arg;
    struct sl_arena arena = {0};
    struct sl_streaming_response response;
    pthread_mutex_lock(&tap->mutex);
    cr_assert_eq(sl_pubsub_read_streaming_response(&response, data, len, &arena, NULL), SL_OK);
    tap->n_responses++;
    tap->n_empty += response.n == 0;
    tap->n_without_properties += !response.has_properties;
    tap->exactly_once = response.exactly_once;
    tap->ordering = response.ordering;
    if (response.n == 0)
        count_confirmed(tap, data, len);
    tap->max_per_response = response.n > tap->max_per_response ? response.n : tap->max_per_response;
    for (size_t i = 0; i < response.n; i++)
        gots_add(&tap->gots, &response.messages[i]);
    pthread_cond_broadcast(&tap->changed);
    pthread_mutex_unlock(&tap->mutex);
    sl_arena_fini(&arena);
    sl_rpc_stream_read(tap->stream);
}

static void on_end(void *arg, const struct sl_rpc_status *status)
{
    struct tap *tap = arg;
    pthread_mutex_lock(&tap->mutex);
    tap->ended = true;
    tap->status = *status;
    pthread_cond_broadcast(&tap->changed);
    pthread_mutex_unlock(&tap->mutex);
}

void tap_open(struct tap *tap, struct bed *bed, const struct tap_options *options)
{
    static const struct sl_rpc_stream_handlers HANDLERS = {.message = on_message, .end = on_end};
    struct sl_buf first = {0};
    memset(tap, 0, sizeof(*tap));
    pthread_mutex_init(&tap->mutex, NULL);
    pthread_cond_init(&tap->changed, NULL);
    if (options->subscription)
        sl_pubsub_put_streaming_request(&first, options->subscription, options->deadline_s ? options->deadline_s : LONGEST_LEASE_S,
                                        "client", options->max_messages, options->max_bytes);
    struct sl_rpc_request request = {.method = "/google.pubsub.v1.Subscriber/StreamingPull",
                                     .data = first.data ? first.data : "",
                                     .len = first.len,
                                     .wait_for_ready = true};
    sl_rpc_stream_open(&tap->stream, bed->channel, &request, &HANDLERS, tap);
    if (!options->deaf)
        sl_rpc_stream_read(tap->stream);
    sl_buf_fini(&first);
}

void tap_open_sub(struct tap *tap, struct bed *bed)
{
    tap_open(tap, bed, &(struct tap_options){.subscription = SUB});
}

static bool has_messages(const struct tap *tap, size_t n)
{
    return tap->gots.n >= n;
}

static bool has_responses(const struct tap *tap, size_t n)
{
    return tap->n_responses >= n;
}

static bool has_empty(const struct tap *tap, size_t n)
{
    return tap->n_empty >= n;
}

static bool has_confirmed(const struct tap *tap, size_t n)
{
    return tap->acked + tap->ack_invalid + tap->modified + tap->modify_invalid + tap->failed >= n;
}

static bool has_ended(const struct tap *tap, size_t n)
{
    (void)n;
    return tap->ended;
}

static void wait_until(struct tap *tap, bool (*done)(const struct tap *tap, size_t n), size_t n, const char *what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WAIT_S;
    int timeout = 0;
    pthread_mutex_lock(&tap->mutex);
    while (!done(tap, n) && (!tap->ended || done == has_ended) && timeout == 0)
        timeout = pthread_cond_timedwait(&tap->changed, &tap->mutex, &until);
    bool came = done(tap, n);
    size_t messages = tap->gots.n, responses = tap->n_responses;
    pthread_mutex_unlock(&tap->mutex);
    cr_assert(came, "%s: %zu awaited; %zu messages in %zu responses came; status %d %s", what, n, messages, responses,
              (int)tap->status.code, tap->status.message);
}

void tap_write(struct tap *tap, struct sl_buf *request)
{
    sl_rpc_stream_write(tap->stream, request->data ? request->data : "", request->len);
    sl_buf_fini(request);
}

void tap_ping(struct tap *tap)
{
    sl_rpc_stream_write(tap->stream, "", 0);
}

/* Nothing else that is empty comes meanwhile: heartbeats are far apart, and confirmations have been waited for. */
void tap_sync(struct tap *tap)
{
    pthread_mutex_lock(&tap->mutex);
    const size_t before = tap->n_empty;
    pthread_mutex_unlock(&tap->mutex);
    tap_ping(tap);
    wait_until(tap, has_empty, before + 1, "answers to pings");
}

/* StreamingPullRequest: ack_ids is field 2, as AcknowledgeRequest's. */
void tap_ack(struct tap *tap, size_t from, size_t n)
{
    struct sl_buf request = {0};
    pthread_mutex_lock(&tap->mutex);
    const char **ids = ids_of(&tap->gots, from, n);
    sl_pubsub_put_acknowledge(&request, NULL, ids, n);
    pthread_mutex_unlock(&tap->mutex);
    free(ids);
    tap_write(tap, &request);
}

/* modify_deadline_seconds 3, modify_deadline_ack_ids 4; seconds below 128 are one byte. */
void tap_modify(struct tap *tap, size_t from, size_t n, int seconds)
{
    struct sl_buf request = {0};
    pthread_mutex_lock(&tap->mutex);
    for (size_t i = 0; i < n; i++) {
        const char *id = tap->gots.items[from + i].ack_id;
        sl_buf_printf(&request, "%c%c", 4 << 3 | 2, (int)strlen(id));
        sl_buf_str(&request, id);
        sl_buf_char(&request, 3 << 3);
        sl_buf_char(&request, (char)seconds);
    }
    pthread_mutex_unlock(&tap->mutex);
    tap_write(tap, &request);
}

void tap_wait(struct tap *tap, size_t n_messages)
{
    wait_until(tap, has_messages, n_messages, "messages");
}

void tap_wait_responses(struct tap *tap, size_t n)
{
    wait_until(tap, has_responses, n, "responses");
}

void tap_wait_confirmed(struct tap *tap, size_t n)
{
    wait_until(tap, has_confirmed, n, "confirmations");
}

void tap_wait_end(struct tap *tap)
{
    wait_until(tap, has_ended, 1, "end");
}

size_t tap_count(struct tap *tap)
{
    pthread_mutex_lock(&tap->mutex);
    size_t n = tap->gots.n;
    pthread_mutex_unlock(&tap->mutex);
    return n;
}

void tap_close(struct tap *tap)
{
    sl_rpc_stream_cancel(tap->stream);
    tap_wait_end(tap);
    sl_rpc_stream_release(&tap->stream);
    gots_fini(&tap->gots);
    pthread_cond_destroy(&tap->changed);
    pthread_mutex_destroy(&tap->mutex);
}

void tap_expect_end(struct tap *tap, enum sl_rpc_code code)
{
    tap_wait_end(tap);
    cr_expect_eq(tap->status.code, code, "%s, not %s: %s", sl_rpc_code_name(tap->status.code), sl_rpc_code_name(code), tap->status.message);
    tap_close(tap);
}
