/* fake_pubsub.c - see the header. */
#include "fake_pubsub.h"

#include "../../src/pubsub/wire.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct sl_rpc_method METHODS[] = {
    {"/google.pubsub.v1.Subscriber/StreamingPull", true},
    {"/google.pubsub.v1.Subscriber/Acknowledge", false},
    {"/google.pubsub.v1.Subscriber/ModifyAckDeadline", false},
    {"/google.pubsub.v1.Subscriber/GetSubscription", false},
    {"/google.pubsub.v1.Publisher/Publish", false},
    {"/google.pubsub.v1.Publisher/CreateTopic", false},
    {"/google.pubsub.v1.Publisher/GetTopic", false},
    {"/google.pubsub.v1.Publisher/ListTopicSubscriptions", false},
    {"/google.pubsub.v1.Subscriber/CreateSubscription", false},
    {"/sluice.broker.v1.Broker/Backlog", false},
};
enum { N_METHODS = sizeof METHODS / sizeof *METHODS };

static const char *name_of(size_t method)
{
    return strrchr(METHODS[method].path, '/') + 1;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct sl_rpc_status status_of(int code)
{
    struct sl_rpc_status status = {.code = (enum sl_rpc_code)code};
    if (code)
        snprintf(status.message, sizeof status.message, "told to");
    return status;
}

/* ---- streams ---- */

static void opened(void *arg, struct sl_rpc_peer_call *call, size_t method)
{
    struct fake *fake = arg;
    (void)method;
    pthread_mutex_lock(&fake->mutex);
    fake->streams[fake->n_streams++ % 64] = call;
    fake->opened++;
    for (size_t i = 0; i < fake->n_on_open; i++)
        sl_rpc_send(call, sl_buf_text(&fake->on_open[i]), fake->on_open[i].len);
    if (fake->end_on_open != FAKE_NEVER) {
        const struct sl_rpc_status status = status_of(fake->end_on_open);
        for (size_t i = 0; i < fake->n_streams && i < 64; i++)
            if (fake->streams[i] == call)
                fake->streams[i] = NULL;
        sl_rpc_finish(call, &status);
    }
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}

static void message(void *arg, struct sl_rpc_peer_call *call, const void *data, size_t len)
{
    struct fake *fake = arg;
    struct sl_streaming_request request;
    struct sl_arena arena = {0};
    pthread_mutex_lock(&fake->mutex);
    cr_assert_eq(sl_pubsub_read_streaming_request(&request, data, len, &arena, NULL), SL_OK);
    if (len == 0) {
        fake->pings++;
        if (fake->answer_pings && fake->end_on_open == FAKE_NEVER) {
            struct sl_buf pong = {0};
            sl_pubsub_put_properties(&pong, false, false);
            sl_rpc_send(call, pong.data, pong.len);
            sl_buf_fini(&pong);
        }
    } else {
        fake->first = request;
        fake->firsts++;
        snprintf(fake->every_client_id + strlen(fake->every_client_id), sizeof fake->every_client_id - strlen(fake->every_client_id),
                 "%.*s,", (int)request.client_id.len, request.client_id.ptr);
        snprintf(fake->client_ids[fake->opened % 8], 64, "%.*s", (int)request.client_id.len, request.client_id.ptr);
    }
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
    sl_arena_fini(&arena);
}

/* A call is given up exactly once: here, unless `opened` has ended it. */
static void closed(void *arg, struct sl_rpc_peer_call *call)
{
    struct fake *fake = arg;
    const struct sl_rpc_status gone = status_of(SL_RPC_CANCELLED);
    pthread_mutex_lock(&fake->mutex);
    fake->closed++;
    for (size_t i = 0; i < fake->n_streams && i < 64; i++)
        if (fake->streams[i] == call) {
            fake->streams[i] = NULL;
            sl_rpc_finish(call, &gone);
        }
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
}

/* ---- unary ---- */

static void note_ids(struct fake_call *call, const struct sl_ack_request *request)
{
    call->n_ids = request->n;
    call->deadline_s = request->deadline_s;
    snprintf(call->subscription, sizeof call->subscription, "%.*s", (int)request->subscription.len, request->subscription.ptr);
    for (size_t i = 0; i < request->n; i++) {
        const size_t used = strlen(call->ids);
        snprintf(call->ids + used, sizeof call->ids - used, "%s%.*s", i ? "," : "", (int)request->ack_ids[i].len, request->ack_ids[i].ptr);
    }
}

static bool names(const struct sl_ack_request *request, const char *id)
{
    for (size_t i = 0; id && i < request->n; i++)
        if (request->ack_ids[i].len == strlen(id) && memcmp(request->ack_ids[i].ptr, id, strlen(id)) == 0)
            return true;
    return false;
}

static void put_info(struct sl_buf *details, const struct sl_buf *info)
{
    struct sl_buf any = {0};
    sl_wire_put_text(&any, 1, "type.googleapis.com/google.rpc.ErrorInfo");
    sl_wire_put_message(&any, 2, info);
    sl_wire_put_int(details, 1, SL_RPC_FAILED_PRECONDITION);
    sl_wire_put_message(details, 3, &any);
    sl_buf_fini(&any);
}

/* The details of what is to fail; false: nothing is. */
static bool judge(struct fake *fake, struct sl_buf *details, const char *method, const struct sl_ack_request *request)
{
    struct sl_buf info = {0};
    sl_wire_put_text(&info, 1, "EXACTLY_ONCE_ACKID_FAILURE");
    const size_t empty = info.len;
    for (size_t i = 0; i < sizeof fake->verdicts / sizeof *fake->verdicts; i++) {
        struct fake_verdict *verdict = &fake->verdicts[i];
        struct sl_buf entry = {0};
        if (verdict->times == 0 || strcmp(verdict->method, method) != 0 || !names(request, verdict->id))
            continue;
        verdict->times--;
        sl_wire_put_text(&entry, 1, verdict->id);
        sl_wire_put_text(&entry, 2, verdict->reason);
        sl_wire_put_message(&info, 3, &entry);
        sl_buf_fini(&entry);
    }
    const bool any = info.len > empty;
    if (any)
        put_info(details, &info);
    sl_buf_fini(&info);
    return any;
}

static int code_for(struct fake *fake, const char *method)
{
    if (!fake->answering || strcmp(fake->answering, method) != 0 || fake->n_answers == 0)
        return SL_RPC_OK;
    const int code = fake->answers[0];
    memmove(fake->answers, fake->answers + 1, --fake->n_answers * sizeof *fake->answers);
    return code;
}

static void note_published(struct fake_call *call, const struct sl_pubsub_message *messages, size_t n)
{
    for (size_t i = 0; i < n && strlen(call->ids) + 40 < sizeof call->ids; i++)
        snprintf(call->ids + strlen(call->ids), 40, "%.*s:%.*s ", (int)(messages[i].ordering_key.len % 16), messages[i].ordering_key.ptr,
                 (int)(messages[i].data.len % 16), messages[i].data.ptr);
}

static int publish(struct fake *fake, struct sl_buf *response, const void *data, size_t len, struct sl_arena *arena)
{
    struct sl_span topic, *raw;
    struct sl_pubsub_message *messages;
    size_t n;
    cr_assert_eq(sl_pubsub_read_publish(&topic, &messages, &n, &raw, data, len, arena, NULL), SL_OK);
    fake->largest_publish = n > fake->largest_publish ? n : fake->largest_publish;
    for (size_t i = 0; fake->bad_data && i < n; i++)
        if (messages[i].data.len == strlen(fake->bad_data) && memcmp(messages[i].data.ptr, fake->bad_data, messages[i].data.len) == 0)
            return SL_RPC_INVALID_ARGUMENT;
    for (size_t i = 0; (int64_t)i < (int64_t)n - fake->missing_ids; i++) {
        const char *id = sl_arena_printf(arena, "id-%.*s", i < n ? (int)messages[i].data.len : 0, i < n ? messages[i].data.ptr : "");
        sl_pubsub_put_publish_response(response, &id, 1);
    }
    note_published(&fake->calls[fake->n_calls - 1], messages, n);
    fake->published += n;
    return SL_RPC_OK;
}

static void call(void *arg, struct sl_rpc_peer_call *peer, size_t method, const void *data, size_t len)
{
    struct fake *fake = arg;
    struct sl_arena arena = {0};
    struct sl_ack_request request = {0};
    struct sl_buf response = {0};
    const char *name = name_of(method);
    pthread_mutex_lock(&fake->mutex);
    cr_assert_lt(fake->n_calls, FAKE_MAX, "calls without end: %s", name);
    struct fake_call *record = &fake->calls[fake->n_calls++];
    *record = (struct fake_call){.at_ms = now_ms(), .len = len};
    snprintf(record->method, sizeof record->method, "%s", name);
    int code = code_for(fake, name);
    if (strcmp(name, "Acknowledge") == 0)
        cr_assert_eq(sl_pubsub_read_acknowledge(&request, data, len, &arena, NULL), SL_OK);
    else if (strcmp(name, "ModifyAckDeadline") == 0)
        cr_assert_eq(sl_pubsub_read_modify(&request, data, len, &arena, NULL), SL_OK);
    else if (strcmp(name, "Publish") == 0 && code == SL_RPC_OK)
        code = publish(fake, &response, data, len, &arena);
    else
        sl_buf_add(&response, sl_buf_text(&fake->reply), fake->reply.len);
    note_ids(record, &request);
    if (names(&request, fake->bad_id))
        code = SL_RPC_INVALID_ARGUMENT;
    struct sl_buf details = {0};
    if (code == SL_RPC_OK && judge(fake, &details, name, &request))
        code = SL_RPC_FAILED_PRECONDITION;
    const struct sl_rpc_status status = status_of(code);
    if (details.len)
        sl_rpc_refuse(peer, &status, details.data, details.len);
    else if (code == FAKE_NEVER)
        fake->unanswered[fake->n_unanswered++] = peer;
    else
        sl_rpc_reply(peer, &status, sl_buf_text(&response), code == SL_RPC_OK ? response.len : 0);
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->mutex);
    sl_buf_fini(&details);
    sl_buf_fini(&response);
    sl_arena_fini(&arena);
}

/* ---- life ---- */

static void serve(struct fake *fake, const char *listen)
{
    static const struct sl_rpc_server_handlers HANDLERS = {.call = call, .opened = opened, .message = message, .closed = closed};
    struct sl_err err = {0};
    int port = 0;
    cr_assert_eq(sl_rpc_server_create(&fake->server, fake->loop, listen, METHODS, N_METHODS, &HANDLERS, fake, &port, &err), SL_OK, "%s",
                 err.text);
    snprintf(fake->address, sizeof fake->address, "127.0.0.1:%d", port);
}

void fake_start(struct fake *fake, const char *listen)
{
    *fake = (struct fake){.answer_pings = true, .end_on_open = FAKE_NEVER};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&fake->mutex, NULL);
    pthread_cond_init(&fake->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    cr_assert_eq(sl_rpc_loop_create(&fake->loop, NULL), SL_OK);
    serve(fake, listen);
}

void fake_answer_held(struct fake *fake)
{
    const struct sl_rpc_status ok = {0};
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = 0; i < fake->n_unanswered; i++)
        sl_rpc_reply(fake->unanswered[i], &ok, "", 0);
    fake->n_unanswered = 0;
    pthread_mutex_unlock(&fake->mutex);
}

void fake_stop(struct fake *fake)
{
    fake_answer_held(fake);
    sl_rpc_server_stop(fake->server, 0);
    sl_rpc_server_destroy(&fake->server);
}

void fake_restart(struct fake *fake)
{
    char listen[64];
    memcpy(listen, fake->address, sizeof listen);
    serve(fake, listen);
}

void fake_fini(struct fake *fake)
{
    if (fake->server)
        fake_stop(fake);
    sl_rpc_loop_destroy(&fake->loop);
    for (size_t i = 0; i < fake->n_on_open; i++)
        sl_buf_fini(&fake->on_open[i]);
    sl_buf_fini(&fake->reply);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->mutex);
}

/* ---- orders and questions ---- */

void fake_response(struct sl_buf *out, const char *const *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char ack[80], data[80];
        struct sl_buf stored = {0};
        struct sl_span topic, *raw;
        struct sl_pubsub_message *messages;
        size_t count;
        struct sl_arena arena = {0};
        snprintf(ack, sizeof ack, "ack-%s", ids[i]);
        snprintf(data, sizeof data, "data-%s", ids[i]);
        const struct sl_attribute attribute = {"key", ids[i]};
        sl_pubsub_put_message(&stored, 2, data, strlen(data), &attribute, 1, NULL);
        cr_assert_eq(sl_pubsub_read_publish(&topic, &messages, &count, &raw, stored.data, stored.len, &arena, NULL), SL_OK);
        sl_pubsub_put_received(out, ack, raw[0].ptr, raw[0].len, ids[i], 1700000000000000, 0, NULL, 0);
        sl_arena_fini(&arena);
        sl_buf_fini(&stored);
    }
}

void fake_on_open(struct fake *fake, const struct sl_buf *response)
{
    pthread_mutex_lock(&fake->mutex);
    sl_buf_add(&fake->on_open[fake->n_on_open++], sl_buf_text(response), response->len);
    pthread_mutex_unlock(&fake->mutex);
}

void fake_send(struct fake *fake, const struct sl_buf *response)
{
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = 0; i < fake->n_streams && i < 64; i++)
        if (fake->streams[i])
            sl_rpc_send(fake->streams[i], sl_buf_text(response), response->len);
    pthread_mutex_unlock(&fake->mutex);
}

void fake_answer(struct fake *fake, const char *method, const int *codes, size_t n)
{
    pthread_mutex_lock(&fake->mutex);
    fake->answering = method;
    memcpy(fake->answers, codes, n * sizeof *codes);
    fake->n_answers = n;
    pthread_mutex_unlock(&fake->mutex);
}

static size_t count_calls(const struct fake *fake, const char *method)
{
    size_t n = 0;
    for (size_t i = 0; i < fake->n_calls; i++)
        n += strcmp(fake->calls[i].method, method) == 0;
    return n;
}

size_t fake_count(struct fake *fake, const size_t *count)
{
    pthread_mutex_lock(&fake->mutex);
    const size_t n = *count;
    pthread_mutex_unlock(&fake->mutex);
    return n;
}

size_t fake_calls(struct fake *fake, const char *method)
{
    pthread_mutex_lock(&fake->mutex);
    const size_t n = count_calls(fake, method);
    pthread_mutex_unlock(&fake->mutex);
    return n;
}

bool fake_acked(struct fake *fake, const char *ack_id)
{
    bool found = false;
    pthread_mutex_lock(&fake->mutex);
    for (size_t i = 0; i < fake->n_calls; i++)
        found |= strcmp(fake->calls[i].method, "Acknowledge") == 0 && strstr(fake->calls[i].ids, ack_id);
    pthread_mutex_unlock(&fake->mutex);
    return found;
}

static bool wait_more(struct fake *fake, int64_t until_ms)
{
    const struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
    return pthread_cond_timedwait(&fake->changed, &fake->mutex, &until) != ETIMEDOUT;
}

bool fake_wait(struct fake *fake, const size_t *count, size_t n, int64_t limit_ms)
{
    const int64_t until_ms = now_ms() + limit_ms;
    pthread_mutex_lock(&fake->mutex);
    while (*count < n && wait_more(fake, until_ms))
        ;
    const bool reached = *count >= n;
    pthread_mutex_unlock(&fake->mutex);
    return reached;
}

bool fake_wait_calls(struct fake *fake, const char *method, size_t n, int64_t limit_ms)
{
    const int64_t until_ms = now_ms() + limit_ms;
    pthread_mutex_lock(&fake->mutex);
    while (count_calls(fake, method) < n && wait_more(fake, until_ms))
        ;
    const bool reached = count_calls(fake, method) >= n;
    pthread_mutex_unlock(&fake->mutex);
    return reached;
}
