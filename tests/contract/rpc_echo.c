/* rpc_echo.c - the server and the client of the tests of rpc.h. Handlers only count, keep, or answer; assertions are the test's thread's. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "contract/rpc_echo.h"

enum { M_ECHO, M_HOLD, M_FAIL, M_CHAT, M_KEEP };
enum { PATIENCE_S = 60 };

static const struct sl_rpc_method METHODS[] = {
    [M_ECHO] = {ECHO, false}, [M_HOLD] = {HOLD, false}, [M_FAIL] = {FAIL, false}, [M_CHAT] = {CHAT, true}, [M_KEEP] = {KEEP, true},
};

/* ---- counters ---- */

static void count(pthread_mutex_t *lock, pthread_cond_t *changed, size_t *counter, size_t n)
{
    pthread_mutex_lock(lock);
    *counter += n;
    pthread_cond_broadcast(changed);
    pthread_mutex_unlock(lock);
}

void wait_for_counter(pthread_mutex_t *lock, pthread_cond_t *changed, const size_t *counter, size_t least)
{
    struct timespec until;
    int timeout = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(lock);
    while (*counter < least && timeout == 0)
        timeout = pthread_cond_timedwait(changed, lock, &until);
    size_t n = *counter;
    pthread_mutex_unlock(lock);
    cr_assert_geq(n, least, "waited in vain: %zu of %zu", n, least);
}

/* ---- server ---- */

static void count_here(struct echo *echo, size_t *counter)
{
    count(&echo->lock, &echo->changed, counter, 1);
}

static void keep(struct echo *echo, struct sl_rpc_peer_call *call)
{
    pthread_mutex_lock(&echo->lock);
    if (echo->n_kept < ECHO_MAX_KEPT)
        echo->kept[echo->n_kept++] = call;
    pthread_cond_broadcast(&echo->changed);
    pthread_mutex_unlock(&echo->lock);
}

static void on_call(void *arg, struct sl_rpc_peer_call *call, size_t method, const void *data, size_t len)
{
    struct sl_rpc_status status = {SL_RPC_OK, ""};
    if (method == M_HOLD) {
        keep(arg, call);
        return;
    }
    if (method == M_FAIL) {
        status.code = SL_RPC_NOT_FOUND;
        snprintf(status.message, sizeof status.message, "nothing like %.*s", (int)len, (const char *)data);
    }
    sl_rpc_reply(call, &status, data, len);
}

static void on_opened(void *arg, struct sl_rpc_peer_call *call, size_t method)
{
    struct echo *echo = arg;
    static int chat;
    sl_rpc_set_data(call, method == M_CHAT ? &chat : NULL);
    if (method == M_KEEP)
        keep(echo, call);
    count_here(echo, &echo->opened);
}

static void on_message(void *arg, struct sl_rpc_peer_call *call, const void *data, size_t len)
{
    struct echo *echo = arg;
    if (sl_rpc_data(call))
        sl_rpc_send(call, data, len);
    count(&echo->lock, &echo->changed, &echo->message_bytes, len);
    count_here(echo, &echo->messages);
}

static void chat_ends(struct sl_rpc_peer_call *call)
{
    struct sl_rpc_status status = {SL_RPC_OK, ""};
    if (!sl_rpc_data(call))
        return;
    sl_rpc_set_data(call, NULL);
    sl_rpc_finish(call, &status);
}

static void on_half_closed(void *arg, struct sl_rpc_peer_call *call)
{
    struct echo *echo = arg;
    chat_ends(call);
    count_here(echo, &echo->half_closed);
}

static void on_closed(void *arg, struct sl_rpc_peer_call *call)
{
    struct echo *echo = arg;
    chat_ends(call);
    count_here(echo, &echo->closed);
}

static void on_writable(void *arg, struct sl_rpc_peer_call *call)
{
    struct echo *echo = arg;
    (void)call;
    count_here(echo, &echo->writable);
}

/* ---- both ---- */

enum sl_code echo_listen(struct echo *echo, const char *listen, struct sl_err *err)
{
    static const struct sl_rpc_server_handlers HANDLERS = {
        .call = on_call,
        .opened = on_opened,
        .message = on_message,
        .half_closed = on_half_closed,
        .closed = on_closed,
        .writable = on_writable,
    };
    int port = -1;
    enum sl_code code = sl_rpc_server_create(&echo->server, echo->server_loop, listen, METHODS, sizeof METHODS / sizeof *METHODS, &HANDLERS,
                                             echo, &port, err);
    if (code == SL_OK && port > 0)
        snprintf(echo->address, sizeof echo->address, "127.0.0.1:%d", port);
    else
        snprintf(echo->address, sizeof echo->address, "%s", listen);
    return code;
}

void echo_connect(struct echo *echo, const char *address)
{
    struct sl_err err = {0};
    sl_rpc_channel_destroy(&echo->channel);
    cr_assert_eq(sl_rpc_channel_create(&echo->channel, echo->client_loop, address, NULL, &err), SL_OK, "%s", err.text);
}

void echo_start(struct echo *echo, const char *listen)
{
    struct sl_err err = {0};
    memset(echo, 0, sizeof *echo);
    pthread_mutex_init(&echo->lock, NULL);
    pthread_cond_init(&echo->changed, NULL);
    cr_assert_eq(sl_rpc_loop_create(&echo->server_loop, &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_rpc_loop_create(&echo->client_loop, &err), SL_OK, "%s", err.text);
    cr_assert_eq(echo_listen(echo, listen ? listen : "127.0.0.1:0", &err), SL_OK, "%s", err.text);
    echo_connect(echo, echo->address);
}

void echo_stop(struct echo *echo)
{
    sl_rpc_channel_destroy(&echo->channel);
    sl_rpc_server_destroy(&echo->server);
    sl_rpc_loop_destroy(&echo->client_loop);
    sl_rpc_loop_destroy(&echo->server_loop);
    pthread_cond_destroy(&echo->changed);
    pthread_mutex_destroy(&echo->lock);
}

void echo_wait(struct echo *echo, const size_t *counter, size_t least)
{
    wait_for_counter(&echo->lock, &echo->changed, counter, least);
}

size_t echo_count(struct echo *echo, const size_t *counter)
{
    pthread_mutex_lock(&echo->lock);
    size_t n = *counter;
    pthread_mutex_unlock(&echo->lock);
    return n;
}

struct sl_rpc_peer_call *echo_kept(struct echo *echo, size_t index)
{
    echo_wait(echo, &echo->n_kept, index + 1);
    return echo->kept[index];
}

enum sl_code echo_call(struct echo *echo, const char *method, const void *data, size_t len, struct sl_buf *response,
                       struct sl_rpc_status *status)
{
    struct sl_rpc_request request = {.method = method, .data = data, .len = len, .timeout_ms = PATIENCE_S * 1000};
    struct sl_err err = {0};
    return sl_rpc_call(echo->channel, &request, response, status, &err);
}

/* ---- a stream ---- */

static void talk_counts(struct talk *talk, size_t *counter)
{
    count(&talk->lock, &talk->changed, counter, 1);
}

static void on_talk_opened(void *arg)
{
    struct talk *talk = arg;
    talk_counts(talk, &talk->opened);
}

/* Messages of at least four bytes begin with their number. */
static void on_talk_message(void *arg, const void *data, size_t len)
{
    struct talk *talk = arg;
    uint32_t number = 0;
    if (len >= sizeof number)
        memcpy(&number, data, sizeof number);
    if (len >= sizeof number && number != talk->messages)
        talk_counts(talk, &talk->out_of_order);
    count(&talk->lock, &talk->changed, &talk->bytes, len);
    talk_counts(talk, &talk->messages);
    if (talk->reads_on)
        sl_rpc_stream_read(talk->stream);
}

static void on_talk_end(void *arg, const struct sl_rpc_status *status)
{
    struct talk *talk = arg;
    talk->status = *status;
    talk_counts(talk, &talk->ended);
}

void talk_open(struct talk *talk, struct echo *echo, const char *method, const void *first, size_t len, bool reads_on)
{
    static const struct sl_rpc_stream_handlers HANDLERS = {on_talk_opened, on_talk_message, on_talk_end};
    struct sl_rpc_request request = {.method = method, .data = first, .len = len};
    memset(talk, 0, sizeof *talk);
    talk->reads_on = reads_on;
    pthread_mutex_init(&talk->lock, NULL);
    pthread_cond_init(&talk->changed, NULL);
    sl_rpc_stream_open(&talk->stream, echo->channel, &request, &HANDLERS, talk);
    if (reads_on)
        sl_rpc_stream_read(talk->stream);
}

void talk_wait(struct talk *talk, const size_t *counter, size_t least)
{
    wait_for_counter(&talk->lock, &talk->changed, counter, least);
}

void talk_close(struct talk *talk)
{
    talk_wait(talk, &talk->ended, 1);
    sl_rpc_stream_release(&talk->stream);
    pthread_cond_destroy(&talk->changed);
    pthread_mutex_destroy(&talk->lock);
}
