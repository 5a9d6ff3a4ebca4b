/* grpc_publish.c - messages published in one request and confirmed, with the tries that it takes. */
#include "grpc_publish.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sluice/grpc_bus.h>

const char *sl_pubsub_resource(struct sl_arena *arena, const struct sl_config *config, const char *kind, const char *name)
{
    if (strncmp(name, "projects/", strlen("projects/")) == 0)
        return sl_arena_strdup(arena, name);
    return sl_arena_printf(arena, "projects/%s/%s/%s", config->bus.project ? config->bus.project : "sluice", kind, name);
}

enum sl_code sl_attributes_parse(struct sl_attribute **out, size_t *n, const char *json, struct sl_arena *arena, struct sl_err *err)
{
    *out = NULL;
    *n = 0;
    if (!json || !*json)
        return SL_OK;
    json_error_t error;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES, &error), *value;
    const char *key;
    enum sl_code code = SL_OK;
    if (!json_is_object(object))
        code = sl_fail(err, SL_INVALID, "attributes are no JSON object%s%s", object ? "" : ": ", object ? "" : error.text);
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value)) {
            code = sl_fail(err, SL_INVALID, "attribute %s is no string", key);
            break;
        }
        *out = sl_arena_push(arena, *out, n, sizeof **out);
        (*out)[*n - 1] = (struct sl_attribute){sl_arena_strdup(arena, key), sl_arena_strdup(arena, json_string_value(value))};
    }
    json_decref(object);
    return code;
}

static enum sl_code check_answer(const struct sl_buf *response, size_t n_sent, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_span *ids;
    size_t n;
    enum sl_code code = sl_pubsub_read_publish_response(&ids, &n, sl_buf_text(response), response->len, &arena, err);
    if (code != SL_OK)
        code = sl_fail(err, SL_UNAVAILABLE, "Publish was answered with bytes that can't be read");
    else if (n != n_sent)
        code = sl_fail(err, SL_UNAVAILABLE, "Publish of %zu messages was answered with %zu ids", n_sent, n);
    sl_arena_fini(&arena);
    return code;
}

static void sleep_ms(int64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0)
        ;
}

/* A try that had only the rest of the time says nothing of its own: what the one before was told counts. */
static enum sl_code told(enum sl_code code, enum sl_rpc_code status, bool cut, struct sl_err *earlier, struct sl_err *err)
{
    if (cut && status == SL_RPC_DEADLINE_EXCEEDED && earlier->code != SL_OK && err)
        *err = *earlier;
    else if (err)
        *earlier = *err;
    return code;
}

static enum sl_code try_until(struct sl_rpc_channel *channel, struct sl_rpc_request *request, size_t n,
                              const struct sl_publish_limits *limits, struct sl_err *err)
{
    const int64_t until_ms = sl_monotonic_ms() + limits->total_ms;
    struct sl_backoff backoff = limits->backoff;
    struct sl_buf response = {0};
    struct sl_rpc_status status;
    struct sl_err earlier = {0};
    enum sl_code code;
    for (;;) {
        const int64_t left_ms = until_ms - sl_monotonic_ms();
        request->timeout_ms = left_ms < 1 ? 1 : left_ms < limits->call_ms ? left_ms : limits->call_ms;
        sl_buf_clear(&response);
        code = sl_rpc_call(channel, request, &response, &status, err);
        if (code == SL_OK)
            break;
        code = told(code, status.code, left_ms < limits->call_ms, &earlier, err);
        if (!sl_retry_publish(status.code))
            break;
        const int64_t wait_ms = sl_backoff_next(&backoff);
        if (sl_monotonic_ms() + wait_ms >= until_ms)
            break;
        sleep_ms(wait_ms);
    }
    if (code == SL_OK)
        code = check_answer(&response, n, err);
    sl_buf_fini(&response);
    return code;
}

enum sl_code sl_publish_request(struct sl_rpc_channel *channel, const char *topic, const struct sl_buf *messages, size_t n,
                                const struct sl_publish_limits *limits, struct sl_err *err)
{
    struct sl_buf bytes = {0};
    sl_pubsub_put_publish_topic(&bytes, topic);
    sl_buf_add(&bytes, messages->data, messages->len);
    char *routing = sl_routing("topic", topic);
    struct sl_rpc_request request = {.method = SL_PUBLISH_METHOD, .routing = routing, .data = bytes.data, .len = bytes.len};
    request.gzip = limits->compress && bytes.len >= SL_COMPRESS_FROM;
    enum sl_code code = try_until(channel, &request, n, limits, err);
    if (code != SL_OK && err)
        code = sl_wrap(err, "%s", topic); /* servers say "Topic not found", and not which */
    free(routing);
    sl_buf_fini(&bytes);
    return code;
}
