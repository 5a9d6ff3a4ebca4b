/* rpc_echo.h - a server with a few plain methods on a loop of its own, and a client of it on another, for tests of rpc.h.
 * Counters are changed by handlers and waited for; nothing sleeps. */
#ifndef SLUICE_TESTS_RPC_ECHO_H
#define SLUICE_TESTS_RPC_ECHO_H

#include <pthread.h>

#include <sluice/rpc.h>

#define ECHO "/test.Echo/Echo" /* unary: the same bytes */
#define HOLD "/test.Echo/Hold" /* unary: answered when the test says so */
#define FAIL "/test.Echo/Fail" /* unary: NOT_FOUND "nothing like <request>" */
#define CHAT "/test.Echo/Chat" /* stream: each message back, OK after the half close */
#define KEEP "/test.Echo/Keep" /* stream: the test's own */

enum { ECHO_MAX_KEPT = 256 };

struct echo {
    struct sl_rpc_loop *server_loop, *client_loop;
    struct sl_rpc_server *server;
    struct sl_rpc_channel *channel;
    char address[128];

    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t opened, messages, half_closed, closed, writable; /* of streams */
    size_t message_bytes;
    struct sl_rpc_peer_call *kept[ECHO_MAX_KEPT]; /* Hold and Keep, in the order of coming */
    size_t n_kept;
};

/* On 127.0.0.1 and a free port when `listen` is NULL. */
void echo_start(struct echo *echo, const char *listen);
enum sl_code echo_listen(struct echo *echo, const char *listen, struct sl_err *err);
void echo_connect(struct echo *echo, const char *address);
void echo_stop(struct echo *echo); /* all of it */
/* The test ends when it takes longer than a minute. */
void echo_wait(struct echo *echo, const size_t *counter, size_t least);
size_t echo_count(struct echo *echo, const size_t *counter);
struct sl_rpc_peer_call *echo_kept(struct echo *echo, size_t index);
enum sl_code echo_call(struct echo *echo, const char *method, const void *data, size_t len, struct sl_buf *response,
                       struct sl_rpc_status *status);

/* ---- one side of a stream, as its client sees it ---- */

struct talk {
    struct sl_rpc_stream *stream;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t opened, messages, bytes, ended, out_of_order;
    bool reads_on; /* asks for the next message by itself */
    struct sl_rpc_status status;
};

void talk_open(struct talk *talk, struct echo *echo, const char *method, const void *first, size_t len, bool reads_on);
void talk_wait(struct talk *talk, const size_t *counter, size_t least);
void talk_close(struct talk *talk); /* waits for the end */

/* Waits until `*counter` is at least `least`; a test that waits in vain for a minute ends. */
void wait_for_counter(pthread_mutex_t *lock, pthread_cond_t *changed, const size_t *counter, size_t least);

#endif
