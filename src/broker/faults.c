/* faults.c - what goes wrong because somebody has ordered it: answers that are errors, answers that are late, streams that end. For tests of clients, in
 * process and, from a file, of `sluice broker`. */
#include "broker_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOW_MAX_MS 3600000

/* SL_N_METHODS: there is none. */
static size_t find_method(const char *name)
{
    size_t i = 0;
    while (i < SL_N_METHODS && strcmp(strrchr(SL_METHODS[i].path, '/') + 1, name) != 0)
        i++;
    return i;
}

/* SL_RPC_OK: there is none of that name, or it is no error. */
static enum sl_rpc_code find_code(const char *name)
{
    for (int code = SL_RPC_CANCELLED; code <= SL_RPC_UNAUTHENTICATED; code++)
        if (strcmp(sl_rpc_code_name((enum sl_rpc_code)code), name) == 0)
            return (enum sl_rpc_code)code;
    return SL_RPC_OK;
}

void sl_broker_fail_next(struct sl_broker *broker, const char *method, int n, int rpc_code)
{
    size_t i = find_method(method);
    if (i == SL_N_METHODS)
        return;
    pthread_mutex_lock(&broker->mutex);
    broker->faults[i].n = n;
    broker->faults[i].code = rpc_code;
    pthread_mutex_unlock(&broker->mutex);
}

/* ---- an order: lines of words ---- */

struct order {
    struct sl_fault faults[SL_N_METHODS];
    bool drop;
};

static enum sl_code read_number(const char *word, int64_t max, const char *what, int64_t *out, struct sl_err *err)
{
    if (!word || !sl_parse_i64(word, out) || *out < 1 || *out > max)
        return sl_fail(err, SL_INVALID, "%s must be a number from 1 to %lld", what, (long long)max);
    return SL_OK;
}

/* METHOD N, which `fail` and `slow` begin with. */
static enum sl_code read_method(struct order *order, char **rest, struct sl_fault **fault, int64_t *n, struct sl_err *err)
{
    const char *name = strtok_r(NULL, " \t\r", rest);
    size_t method = name ? find_method(name) : SL_N_METHODS;
    if (method == SL_N_METHODS)
        return sl_fail(err, SL_INVALID, "%.60s is no method; Publish is", name ? name : "nothing");
    *fault = &order->faults[method];
    return read_number(strtok_r(NULL, " \t\r", rest), INT32_MAX, "how many calls", n, err);
}

static enum sl_code read_fail(struct order *order, char **rest, struct sl_err *err)
{
    struct sl_fault *fault;
    int64_t n;
    if (read_method(order, rest, &fault, &n, err))
        return err->code;
    const char *name = strtok_r(NULL, " \t\r", rest);
    fault->code = name ? (int)find_code(name) : SL_RPC_OK;
    fault->n = (int)n;
    return fault->code ? SL_OK : sl_fail(err, SL_INVALID, "%.60s is no error; UNAVAILABLE is", name ? name : "nothing");
}

static enum sl_code read_slow(struct order *order, char **rest, struct sl_err *err)
{
    struct sl_fault *fault;
    int64_t n;
    if (read_method(order, rest, &fault, &n, err))
        return err->code;
    fault->n_slow = (int)n;
    return read_number(strtok_r(NULL, " \t\r", rest), SLOW_MAX_MS, "milliseconds", &fault->slow_ms, err);
}

static enum sl_code read_line(struct order *order, char *line, struct sl_err *err)
{
    char *rest = NULL, *word = strtok_r(line, " \t\r", &rest);
    enum sl_code code = SL_OK;
    if (!word || *word == '#')
        return SL_OK;
    if (strcmp(word, "fail") == 0)
        code = read_fail(order, &rest, err);
    else if (strcmp(word, "slow") == 0)
        code = read_slow(order, &rest, err);
    else if (strcmp(word, "drop") == 0)
        order->drop = true;
    else
        return sl_fail(err, SL_INVALID, "%.60s is no fault; fail, slow and drop are", word);
    const char *more = code ? NULL : strtok_r(NULL, " \t\r", &rest);
    return more ? sl_fail(err, SL_INVALID, "%.60s is too much", more) : code;
}

static enum sl_code read_order(struct order *order, char *text, struct sl_err *err)
{
    for (int number = 1; text; number++) {
        char *line = strsep(&text, "\n");
        if (read_line(order, line, err))
            return sl_wrap(err, "line %d", number);
    }
    return SL_OK;
}

enum sl_code sl_broker_order_faults(struct sl_broker *broker, const char *text, struct sl_err *err)
{
    struct order order = {0};
    char *copy = sl_strdup(text);
    enum sl_code code = read_order(&order, copy, err);
    free(copy);
    if (code)
        return code;
    pthread_mutex_lock(&broker->mutex);
    memcpy(broker->faults, order.faults, sizeof(order.faults));
    pthread_mutex_unlock(&broker->mutex);
    struct sl_event *drop = order.drop ? sl_event_create(SL_EVENT_DROP, NULL, 0) : NULL;
    if (drop && !sl_inbox_push(&broker->inbox, drop, false))
        sl_event_free(drop);
    return SL_OK;
}

/* ---- what comes of it ---- */

bool sl_fault_take(struct sl_broker *broker, size_t method, struct sl_rpc_status *status, int64_t *slow_ms)
{
    pthread_mutex_lock(&broker->mutex);
    struct sl_fault *fault = &broker->faults[method];
    bool failed = fault->n > 0;
    *slow_ms = fault->n_slow > 0 ? fault->slow_ms : 0;
    fault->n_slow -= fault->n_slow > 0;
    fault->n -= failed;
    if (failed)
        *status = (struct sl_rpc_status){.code = (enum sl_rpc_code)fault->code, .message = "injected"};
    pthread_mutex_unlock(&broker->mutex);
    return failed;
}

void sl_delay(struct sl_broker *broker, struct sl_event *event)
{
    struct sl_event **place = &broker->delayed;
    while (*place && (*place)->until_ms <= event->until_ms)
        place = &(*place)->next;
    event->next = *place;
    *place = event;
}

struct sl_event *sl_delayed_take(struct sl_broker *broker)
{
    struct sl_event *event = broker->delayed;
    if (!event || (event->until_ms > broker->now_ms && !broker->stopping))
        return NULL;
    broker->delayed = event->next;
    event->until_ms = 0;
    return event;
}

void sl_delayed_forget(struct sl_broker *broker, const struct sl_stream *stream)
{
    struct sl_event **place = &broker->delayed;
    while (*place) {
        struct sl_event *event = *place;
        if (event->stream != stream) {
            place = &event->next;
            continue;
        }
        *place = event->next;
        sl_event_free(event);
    }
}

int64_t sl_delayed_due_ms(const struct sl_broker *broker)
{
    return broker->delayed ? broker->delayed->until_ms : SL_NEVER;
}
