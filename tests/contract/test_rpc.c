/* test_rpc.c - the gRPC layer: status codes, addresses, unary calls, the server's life. Streams: test_rpc_stream.c. */
#define _GNU_SOURCE /* pthread_timedjoin_np */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/mem.h>

#include "contract/rpc_echo.h"
#include "support/own_port.h"

static const struct sl_rpc_status OK = {SL_RPC_OK, ""};

static double now_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

/* ---- codes ---- */

Test(rpc, codes)
{
    static const struct {
        int number;
        const char *name;
        enum sl_code code;
    } ROWS[] = {
        {0, "OK", SL_OK},
        {1, "CANCELLED", SL_UNAVAILABLE},
        {2, "UNKNOWN", SL_UNAVAILABLE},
        {3, "INVALID_ARGUMENT", SL_INVALID},
        {4, "DEADLINE_EXCEEDED", SL_UNAVAILABLE},
        {5, "NOT_FOUND", SL_NOT_FOUND},
        {6, "ALREADY_EXISTS", SL_CONFLICT},
        {7, "PERMISSION_DENIED", SL_DENIED},
        {8, "RESOURCE_EXHAUSTED", SL_UNAVAILABLE},
        {9, "FAILED_PRECONDITION", SL_INVALID},
        {10, "ABORTED", SL_UNAVAILABLE},
        {11, "OUT_OF_RANGE", SL_INVALID},
        {12, "UNIMPLEMENTED", SL_INVALID},
        {13, "INTERNAL", SL_UNAVAILABLE},
        {14, "UNAVAILABLE", SL_UNAVAILABLE},
        {15, "DATA_LOSS", SL_CORRUPT},
        {16, "UNAUTHENTICATED", SL_DENIED},
        {17, "UNKNOWN", SL_UNAVAILABLE}, /* what a peer may send though gRPC has no such code */
        {-1, "UNKNOWN", SL_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        enum sl_rpc_code code = (enum sl_rpc_code)ROWS[i].number;
        cr_expect_str_eq(sl_rpc_code_name(code), ROWS[i].name, "%d", ROWS[i].number);
        cr_expect_eq(sl_rpc_to_code(code), ROWS[i].code, "%d", ROWS[i].number);
    }
}

/* ---- addresses ---- */

static void echoes(struct echo *echo, const char *label)
{
    struct sl_buf response = {0};
    struct sl_rpc_status status;
    sl_buf_str(&response, "before ");
    cr_expect_eq(echo_call(echo, ECHO, "hello", 5, &response, &status), SL_OK, "%s: %s", label, status.message);
    cr_expect_str_eq(sl_buf_text(&response), "before hello", "%s", label);
    sl_buf_fini(&response);
}

static char *socket_address(const char *name)
{
    static char directory[] = "/tmp/sluice-rpc-XXXXXX", address[160];
    cr_assert_not_null(mkdtemp(directory));
    snprintf(address, sizeof address, "unix:%s/%s", directory, name);
    return address;
}

static void socket_remove(const char *address)
{
    char *path = sl_strdup(address + strlen("unix:"));
    unlink(path);
    *strrchr(path, '/') = '\0';
    cr_expect_eq(rmdir(path), 0, "%s", path);
    free(path);
}

Test(rpc, listens_on_a_port_or_a_socket)
{
    const char *unix_address = socket_address("s");
    const char *const listens[] = {"127.0.0.1:0", unix_address};
    for (size_t i = 0; i < 2; i++) {
        struct echo echo;
        echo_start(&echo, listens[i]);
        echoes(&echo, listens[i]);
        echo_stop(&echo);
    }
    socket_remove(unix_address);
}

Test(rpc, an_address_in_use_is_refused)
{
    char *unix_address = socket_address("s");
    const char *const listens[] = {"127.0.0.1:0", unix_address};
    for (size_t i = 0; i < 2; i++) {
        struct echo first, second;
        struct sl_err err = {0};
        echo_start(&first, listens[i]);
        echo_start(&second, NULL);
        sl_rpc_server_destroy(&second.server);
        cr_expect_eq(echo_listen(&second, first.address, &err), SL_UNAVAILABLE, "%s", listens[i]);
        cr_expect_not_null(strstr(err.text, first.address), "%s", err.text);
        cr_expect_null(second.server);
        echoes(&first, listens[i]); /* untouched */
        echo_stop(&second);
        echo_stop(&first);
    }
    socket_remove(unix_address);
}

Test(rpc, an_address_that_is_none)
{
    static const struct {
        const char *listen;
        enum sl_code want;
    } ROWS[] = {
        {"127.0.0.1:99999", SL_INVALID},          {"127.0.0.1:", SL_INVALID},      {"nonsense", SL_INVALID}, {"127.0.0.1:x", SL_INVALID},
        {"unix:/nowhere/at/all", SL_UNAVAILABLE}, {"192.0.2.1:0", SL_UNAVAILABLE},
    };
    struct echo echo;
    echo_start(&echo, NULL);
    sl_rpc_server_destroy(&echo.server);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct sl_err err = {0};
        cr_assert_eq(echo_listen(&echo, ROWS[i].listen, &err), ROWS[i].want, "%s", ROWS[i].listen);
        cr_expect_not_null(strstr(err.text, ROWS[i].listen), "%s", err.text);
    }
    echo_stop(&echo);
}

/* A socket that a killed server left behind hinders nobody. */
Test(rpc, a_socket_left_behind)
{
    char *address = socket_address("s");
    struct echo echo;
    echo_start(&echo, address);
    char *path = sl_strdup(address + strlen("unix:")), *other = sl_alloc(strlen(path) + 2);
    sprintf(other, "%s2", path);
    cr_assert_eq(link(path, other), 0); /* outlives the server that removes its own */
    sl_rpc_server_destroy(&echo.server);
    cr_assert_eq(rename(other, path), 0);
    cr_expect_eq(echo_listen(&echo, address, NULL), SL_OK);
    echo_connect(&echo, address);
    echoes(&echo, address);
    echo_stop(&echo);
    free(path);
    free(other);
    socket_remove(address);
}

/* ---- unary ---- */

Test(rpc, statuses_and_their_sentences)
{
    struct echo echo;
    struct sl_buf response = {0};
    struct sl_rpc_status status;
    struct sl_err err = {0};
    struct sl_rpc_request request = {.method = FAIL, .data = "it", .len = 2};
    echo_start(&echo, NULL);
    cr_expect_eq(sl_rpc_call(echo.channel, &request, &response, &status, &err), SL_NOT_FOUND);
    cr_expect_eq(status.code, SL_RPC_NOT_FOUND);
    cr_expect_str_eq(status.message, "nothing like it");
    cr_expect_str_eq(err.text, FAIL ": NOT_FOUND: nothing like it");
    cr_expect_eq(response.len, 0);
    request.method = "/test.Echo/Nothing";
    cr_expect_eq(sl_rpc_call(echo.channel, &request, &response, &status, &err), SL_INVALID);
    cr_expect_eq(status.code, SL_RPC_UNIMPLEMENTED);
    request = (struct sl_rpc_request){.method = ECHO, .routing = "topic=a\nb"};
    cr_expect_eq(sl_rpc_call(echo.channel, &request, &response, NULL, NULL), SL_INVALID);
    request.routing = "topic=projects/p/topics/t";
    cr_expect_eq(sl_rpc_call(echo.channel, &request, NULL, NULL, NULL), SL_OK);
    sl_buf_fini(&response);
    echo_stop(&echo);
}

/* A long sentence is cut between characters: 511 bytes would end within one. */
Test(rpc, a_long_sentence)
{
    struct echo echo;
    char text[600];
    struct sl_rpc_status status;
    echo_start(&echo, NULL);
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i + 2 <= sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    cr_expect_eq(echo_call(&echo, FAIL, text, sizeof text, NULL, &status), SL_NOT_FOUND);
    cr_expect(sl_utf8_valid(status.message, strlen(status.message)));
    cr_expect_geq(strlen(status.message), 509);
    echo_stop(&echo);
}

static void big_message(struct echo *echo, size_t bytes, enum sl_rpc_code want)
{
    struct sl_buf response = {0};
    struct sl_rpc_status status;
    char *data = sl_alloc(bytes);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (char)(i * 31 + i / 4096);
    echo_call(echo, ECHO, data, bytes, &response, &status);
    cr_expect_eq(status.code, want, "%zu bytes: %s %s", bytes, sl_rpc_code_name(status.code), status.message);
    if (want == SL_RPC_OK) {
        cr_expect_eq(response.len, bytes);
        cr_expect(response.len == bytes && memcmp(response.data, data, bytes) == 0, "%zu bytes came back changed", bytes);
    }
    sl_buf_fini(&response);
    free(data);
}

Test(rpc, sizes)
{
    static const struct {
        size_t bytes;
        enum sl_rpc_code want;
    } ROWS[] = {
        {1, SL_RPC_OK},
        {23, SL_RPC_OK}, /* the most that a slice holds in itself */
        {24, SL_RPC_OK},
        {16384, SL_RPC_OK}, /* an HTTP/2 frame */
        {100000, SL_RPC_OK},
        {10000000, SL_RPC_OK},
        {20 * 1024 * 1024, SL_RPC_OK},
        {20 * 1024 * 1024 + 1, SL_RPC_RESOURCE_EXHAUSTED},
        {21000000, SL_RPC_RESOURCE_EXHAUSTED},
        {5, SL_RPC_OK}, /* the connection still serves */
    };
    struct echo echo;
    echo_start(&echo, NULL);
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++)
        big_message(&echo, ROWS[i].bytes, ROWS[i].want);
    echo_stop(&echo);
}

Test(rpc, an_empty_message)
{
    struct echo echo;
    struct sl_buf response = {0};
    echo_start(&echo, NULL);
    cr_expect_eq(echo_call(&echo, ECHO, NULL, 0, &response, NULL), SL_OK);
    cr_expect_eq(response.len, 0);
    sl_buf_fini(&response);
    echo_stop(&echo);
}

/* ---- many at once ---- */

enum { N_MANY = 1000 };

struct many {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t ended;
    enum sl_rpc_code codes[N_MANY];
    bool wrong[N_MANY];
};

struct one {
    struct many *many;
    size_t index;
};

static void one_done(void *arg, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct one *one = arg;
    struct many *many = one->many;
    many->codes[one->index] = status->code;
    if (status->code == SL_RPC_OK)
        many->wrong[one->index] = len != sizeof one->index || memcmp(data, &one->index, len) != 0;
    pthread_mutex_lock(&many->lock);
    many->ended++;
    pthread_cond_broadcast(&many->changed);
    pthread_mutex_unlock(&many->lock);
}

static struct one *many_start(struct many *many, struct echo *echo, const char *method, size_t n)
{
    struct one *ones = sl_calloc(n, sizeof *ones);
    memset(many, 0, sizeof *many);
    pthread_mutex_init(&many->lock, NULL);
    pthread_cond_init(&many->changed, NULL);
    for (size_t i = 0; i < n; i++) {
        struct sl_rpc_request request = {.method = method, .data = &ones[i].index, .len = sizeof ones[i].index};
        ones[i] = (struct one){many, i};
        sl_rpc_call_start(echo->channel, &request, one_done, &ones[i]);
    }
    return ones;
}

static void many_end(struct many *many, size_t n, enum sl_rpc_code want)
{
    wait_for_counter(&many->lock, &many->changed, &many->ended, n);
    for (size_t i = 0; i < n; i++) {
        cr_expect_eq(many->codes[i], want, "call %zu: %s", i, sl_rpc_code_name(many->codes[i]));
        cr_expect(!many->wrong[i], "call %zu got another's answer", i);
    }
    pthread_cond_destroy(&many->changed);
    pthread_mutex_destroy(&many->lock);
}

Test(rpc, a_thousand_calls_at_once)
{
    struct echo echo;
    struct many many;
    echo_start(&echo, NULL);
    struct one *ones = many_start(&many, &echo, ECHO, N_MANY);
    many_end(&many, N_MANY, SL_RPC_OK);
    free(ones);
    echo_stop(&echo);
}

/* Every `done` has run when the channel is gone, though the server never answered; its owner gives the calls up later. */
Test(rpc, a_channel_destroyed_under_calls)
{
    enum { N = 100 };
    struct echo echo;
    struct many many;
    echo_start(&echo, NULL);
    struct one *ones = many_start(&many, &echo, HOLD, N);
    echo_kept(&echo, N - 1);
    sl_rpc_channel_destroy(&echo.channel);
    cr_expect_eq(many.ended, N);
    many_end(&many, N, SL_RPC_CANCELLED);
    for (size_t i = 0; i < N; i++)
        sl_rpc_reply(echo_kept(&echo, i), &OK, "late", 4);
    free(ones);
    echo_stop(&echo);
}

/* ---- time, and servers that go ---- */

static void wait_gone(const struct sl_rpc_peer_call *call)
{
    double until = now_s() + 60;
    while (!sl_rpc_gone(call) && now_s() < until)
        sched_yield();
    cr_assert(sl_rpc_gone(call));
}

Test(rpc, deadline)
{
    struct echo echo;
    struct sl_rpc_status status;
    struct sl_rpc_request request = {.method = HOLD, .timeout_ms = 50};
    echo_start(&echo, NULL);
    echoes(&echo, "connected");
    for (; echo_count(&echo, &echo.n_kept) == 0 && request.timeout_ms < 100000;
         request.timeout_ms *= 2) { /* until one has time to arrive */
        double from = now_s();
        cr_expect_eq(sl_rpc_call(echo.channel, &request, NULL, &status, NULL), SL_UNAVAILABLE);
        cr_expect_eq(status.code, SL_RPC_DEADLINE_EXCEEDED, "%s", status.message);
        cr_expect_gt(now_s() - from, (double)request.timeout_ms / 1000 - 0.005);
    }
    wait_gone(echo_kept(&echo, 0));
    echoes(&echo, "after a deadline");
    for (size_t i = 0; i < echo_count(&echo, &echo.n_kept); i++)
        sl_rpc_reply(echo_kept(&echo, i), &OK, "nobody", 6);
    echo_stop(&echo);
}

/* Calls go there when the server has left: nobody else may have come. */
static const char *own_address(void)
{
    static char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", own_port());
    return address;
}

Test(rpc, a_server_that_goes_during_calls)
{
    enum { N = 50 };
    struct echo echo;
    struct many many;
    struct sl_rpc_status status;
    echo_start(&echo, own_address());
    struct one *ones = many_start(&many, &echo, HOLD, N);
    echo_kept(&echo, N - 1);
    sl_rpc_server_destroy(&echo.server);
    many_end(&many, N, SL_RPC_UNAVAILABLE);
    cr_expect_eq(echo_call(&echo, ECHO, "x", 1, NULL, &status), SL_UNAVAILABLE);
    cr_expect_eq(status.code, SL_RPC_UNAVAILABLE, "at once, and not by the end of its time");
    for (size_t i = 0; i < N; i++) {
        cr_expect(sl_rpc_gone(echo_kept(&echo, i)));
        sl_rpc_reply(echo_kept(&echo, i), &OK, NULL, 0);
    }
    free(ones);
    echo_stop(&echo);
}

Test(rpc, waiting_for_a_server_that_comes)
{
    struct echo echo;
    struct many many = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct one one = {&many, 0};
    struct sl_rpc_request request = {.method = ECHO, .data = &one.index, .len = sizeof one.index, .wait_for_ready = true};
    char *address = socket_address("late");
    echo_start(&echo, NULL);
    sl_rpc_server_destroy(&echo.server);
    echo_connect(&echo, address);
    struct sl_rpc_status status;
    echo_call(&echo, ECHO, "x", 1, NULL, &status);
    cr_expect_eq(status.code, SL_RPC_UNAVAILABLE, "without waiting: %s", status.message);
    sl_rpc_call_start(echo.channel, &request, one_done, &one);
    cr_assert_eq(echo_listen(&echo, address, NULL), SL_OK);
    many_end(&many, 1, SL_RPC_OK);
    echo_stop(&echo);
    socket_remove(address);
}

static void *stop_gracefully(void *arg)
{
    struct echo *echo = arg;
    sl_rpc_server_stop(echo->server, 3600 * 1000);
    return NULL;
}

/* What is under way when the server stops gets its answer; stop returns then, not after the grace. */
Test(rpc, a_graceful_stop)
{
    struct echo echo;
    struct many many;
    pthread_t stopper;
    echo_start(&echo, own_address());
    struct one *ones = many_start(&many, &echo, HOLD, 1);
    struct sl_rpc_peer_call *call = echo_kept(&echo, 0);
    pthread_create(&stopper, NULL, stop_gracefully, &echo);
    double until = now_s() + 60;
    enum sl_rpc_code code = SL_RPC_OK;
    struct sl_rpc_status said = {0};
    while (code == SL_RPC_OK && now_s() < until) { /* until it is stopping */
        struct sl_rpc_status status;
        struct sl_buf response = {0};
        echo_call(&echo, ECHO, "x", 1, &response, &status);
        code = status.code;
        said = status;
        sl_buf_fini(&response);
    }
    cr_expect_eq(code, SL_RPC_UNAVAILABLE, "%s %s", sl_rpc_code_name(code), said.message);
    sl_rpc_reply(call, &OK, &ones[0].index, sizeof ones[0].index);
    many_end(&many, 1, SL_RPC_OK);
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 60;
    cr_assert_eq(pthread_timedjoin_np(stopper, NULL, &limit), 0, "it does not stop though nothing is under way");
    free(ones);
    echo_stop(&echo);
}

Test(rpc, loops_come_and_go)
{
    for (int i = 0; i < 20; i++) {
        struct echo echo;
        echo_start(&echo, NULL);
        if (i % 2)
            echoes(&echo, "again");
        echo_stop(&echo);
    }
    sl_rpc_loop_destroy(&(struct sl_rpc_loop *){NULL});
    sl_rpc_channel_destroy(&(struct sl_rpc_channel *){NULL});
    sl_rpc_server_destroy(&(struct sl_rpc_server *){NULL});
}

/* ---- details of a refusal ---- */

struct refusal {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done, len;
    bool same;
    enum sl_rpc_code code;
};

static void refused(void *arg, const struct sl_rpc_status *status, const void *data, size_t len)
{
    struct refusal *refusal = arg;
    const char *bytes = data;
    pthread_mutex_lock(&refusal->lock);
    refusal->code = status->code;
    refusal->len = len;
    refusal->same = len > 1 && bytes[0] == 'a' && bytes[len - 1] == '\0';
    refusal->done++;
    pthread_cond_broadcast(&refusal->changed);
    pthread_mutex_unlock(&refusal->lock);
}

/* As many as an Acknowledge of 2,500 ids may need: gRPC's own limit for metadata is 8 KiB. */
Test(rpc, details_of_megabytes_arrive)
{
    static const size_t SIZES[] = {2, 100000, 3000000};
    for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
        struct echo echo;
        struct refusal refusal = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
        const struct sl_rpc_status status = {.code = SL_RPC_FAILED_PRECONDITION};
        const struct sl_rpc_request request = {.method = HOLD, .data = "x", .len = 1, .timeout_ms = 30000};
        char *details = sl_calloc(SIZES[i], 1);
        details[0] = 'a';
        echo_start(&echo, NULL);
        sl_rpc_call_start(echo.channel, &request, refused, &refusal);
        sl_rpc_refuse(echo_kept(&echo, 0), &status, details, SIZES[i]);
        wait_for_counter(&refusal.lock, &refusal.changed, &refusal.done, 1);
        cr_expect_eq(refusal.code, SL_RPC_FAILED_PRECONDITION, "%zu bytes: %s", SIZES[i], sl_rpc_code_name(refusal.code));
        cr_expect(refusal.len == SIZES[i] && refusal.same, "%zu bytes: %zu", SIZES[i], refusal.len);
        echo_stop(&echo);
        free(details);
    }
}
