/* server.c - listening, taking calls, stopping.
 * Some requests for a call are always outstanding; one that is filled hands its call on (server_call.c) and asks again. n_open counts what may still complete: those
 * requests, the calls, the shutdown.
 * Stopping has two steps. During the grace the server still listens and answers new calls with UNAVAILABLE: gRPC alone would end what arrives between its shutdown and the
 * client's notice of it as CANCELLED, which clients don't retry. When no call is being served any more, or the grace is over, gRPC's server is shut down, every call is
 * cancelled, and n_open goes to 0. So nothing of a server outlives stop() but calls that their owner has not given up, and those know nothing of the server any more. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/grpc_security.h>

#include <sluice/clock.h>
#include <sluice/mem.h>

#include "rpc_internal.h"

enum {
    N_ACCEPTS = 64,         /* calls that can arrive between two turns of the loop without waiting in gRPC's own list */
    MIN_PING_MS = 5 * 1000, /* clients may ping an idle connection this often */
};

/* ---- calls that come ---- */

struct sl_rpc_accept {
    struct sl_rpc_tag tag;
    struct sl_rpc_server *server;
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
};

static void hold(struct sl_rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->n_open++;
    pthread_mutex_unlock(&server->lock);
}

void sl_rpc_server_drop(struct sl_rpc_server *server, bool serving)
{
    pthread_mutex_lock(&server->lock);
    server->n_open--;
    server->n_serving -= serving;
    if (server->n_open == 0 || server->n_serving == 0)
        pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

/* Counts the call; is it to be served? */
static bool admit(struct sl_rpc_server *server, bool known)
{
    pthread_mutex_lock(&server->lock);
    bool serving = known && !server->stopping;
    server->n_open++;
    server->n_serving += serving;
    pthread_mutex_unlock(&server->lock);
    return serving;
}

#define PATH_CHARS 200 /* of a method that nobody knows */

static void say_unknown(struct sl_rpc_server *server, grpc_call *call, grpc_slice path)
{
    char text[PATH_CHARS + sizeof " is not implemented here"];
    size_t len = GRPC_SLICE_LENGTH(path);
    snprintf(text, sizeof text, "%.*s is not implemented here", (int)(len < PATH_CHARS ? len : PATH_CHARS),
             (const char *)GRPC_SLICE_START_PTR(path));
    sl_rpc_peer_call_refuse(server, call, SL_RPC_UNIMPLEMENTED, text);
}

/* n_methods when there is none. */
static size_t find_method(const struct sl_rpc_server *server, grpc_slice path)
{
    size_t i = 0;
    while (i < server->n_methods && grpc_slice_str_cmp(path, server->methods[i].path) != 0)
        i++;
    return i;
}

static void dispatch(struct sl_rpc_server *server, grpc_call *call, grpc_slice path, grpc_metadata_array *headers)
{
    size_t method = find_method(server, path);
    bool known = method < server->n_methods;
    if (admit(server, known))
        sl_rpc_peer_call_begin(server, call, method, headers);
    else if (known)
        sl_rpc_peer_call_refuse(server, call, SL_RPC_UNAVAILABLE, "the server is stopping");
    else
        say_unknown(server, call, path);
}

static void accept_ask(struct sl_rpc_accept *accept)
{
    struct sl_rpc_server *server = accept->server;
    grpc_completion_queue *cq = server->loop->cq;
    sl_rpc_arm(&accept->tag);
    grpc_call_error error = grpc_server_request_call(server->server, &accept->call, &accept->details, &accept->metadata, cq, cq,
                                                     &accept->tag);
    assert(error == GRPC_CALL_OK);
    (void)error;
}

static void accepted(struct sl_rpc_tag *tag, bool ok)
{
    struct sl_rpc_accept *accept = SL_RPC_OWNER(tag, struct sl_rpc_accept, tag);
    if (!ok) { /* stopped */
        sl_rpc_server_drop(accept->server, false);
        return;
    }
    grpc_call *call = accept->call;
    grpc_slice path = grpc_slice_ref(accept->details.method);
    grpc_call_details_destroy(&accept->details);
    grpc_call_details_init(&accept->details);
    grpc_metadata_array headers = accept->metadata;
    grpc_metadata_array_init(&accept->metadata);
    accept_ask(accept);
    dispatch(accept->server, call, path, &headers);
    grpc_slice_unref(path);
    grpc_metadata_array_destroy(&headers);
}

static void accepts_start(struct sl_rpc_server *server)
{
    server->accepts = sl_calloc(N_ACCEPTS, sizeof *server->accepts);
    for (size_t i = 0; i < N_ACCEPTS; i++) {
        struct sl_rpc_accept *accept = &server->accepts[i];
        accept->tag.run = accepted;
        accept->server = server;
        grpc_call_details_init(&accept->details);
        grpc_metadata_array_init(&accept->metadata);
        hold(server);
        accept_ask(accept);
    }
}

static void accepts_free(struct sl_rpc_server *server)
{
    for (size_t i = 0; server->accepts && i < N_ACCEPTS; i++) {
        grpc_call_details_destroy(&server->accepts[i].details);
        grpc_metadata_array_destroy(&server->accepts[i].metadata);
    }
    free(server->accepts);
}

/* ---- listening ---- */

static grpc_server *make(void)
{
    grpc_arg args[] = {
        sl_rpc_number(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a port in use is an error, not a share of it */
        sl_rpc_number(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, SL_RPC_MAX_RECEIVE_BYTES),
        sl_rpc_number(GRPC_ARG_MAX_METADATA_SIZE, SL_RPC_MAX_METADATA_BYTES),
        sl_rpc_number(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, MIN_PING_MS),
        sl_rpc_number(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof *args, .args = args};
    return grpc_server_create(&all, NULL);
}

static const char *unix_path(const char *address)
{
    static const char SCHEME[] = "unix:";
    return strncmp(address, SCHEME, sizeof SCHEME - 1) == 0 ? address + sizeof SCHEME - 1 : NULL;
}

/* gRPC removes the socket that it finds, also one that another server listens on. */
static bool is_served(const char *address)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const char *path = unix_path(address);
    if (!path || strlen(path) >= sizeof to.sun_path)
        return false;
    memcpy(to.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool served = connect(fd, (struct sockaddr *)&to, sizeof to) == 0 || errno == EAGAIN;
    close(fd);
    return served;
}

/* The resolver takes 99999 for 34463. */
static bool port_is_possible(const char *address)
{
    enum { MAX_PORT = 65535 };
    const char *colon = strrchr(address, ':');
    int64_t port;
    return unix_path(address) || (colon && sl_parse_i64(colon + 1, &port) && port >= 0 && port <= MAX_PORT);
}

static grpc_server_credentials *credentials_of(const struct sl_rpc_identity *identity)
{
    if (!identity)
        return grpc_insecure_server_credentials_create();
    grpc_ssl_pem_key_cert_pair pair = {.private_key = identity->key, .cert_chain = identity->certificate};
    return grpc_ssl_server_credentials_create_ex(NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
}

static enum sl_code bind_to(struct sl_rpc_server *server, const char *address, const struct sl_rpc_identity *identity, int *port,
                            struct sl_err *err)
{
    if (!port_is_possible(address))
        return sl_fail(err, SL_INVALID, "can't listen on %s: not HOST:PORT or unix:PATH", address);
    if (is_served(address))
        return sl_fail(err, SL_UNAVAILABLE, "can't listen on %s: it is in use", address);
    grpc_server_credentials *credentials = credentials_of(identity);
    int bound = grpc_server_add_http2_port(server->server, address, credentials);
    grpc_server_credentials_release(credentials);
    if (bound == 0)
        return sl_fail(err, SL_UNAVAILABLE, "can't listen on %s: it is in use, not permitted, or no address of this machine", address);
    if (port)
        *port = unix_path(address) ? 0 : bound;
    return SL_OK;
}

/* ---- life ---- */

static void shut_down(struct sl_rpc_tag *tag, bool ok)
{
    (void)ok;
    sl_rpc_server_drop(SL_RPC_OWNER(tag, struct sl_rpc_server, shutdown), false);
}

static void methods_copy(struct sl_rpc_server *server, const struct sl_rpc_method *methods, size_t n)
{
    server->methods = sl_calloc(n + 1, sizeof *server->methods);
    server->n_methods = n;
    for (size_t i = 0; i < n; i++)
        server->methods[i] = (struct sl_rpc_method){sl_strdup(methods[i].path), methods[i].streaming};
}

static void server_free(struct sl_rpc_server *server)
{
    grpc_server_destroy(server->server);
    accepts_free(server);
    for (size_t i = 0; i < server->n_methods; i++)
        free((char *)(uintptr_t)server->methods[i].path);
    free(server->methods);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

enum sl_code sl_rpc_server_create_tls(struct sl_rpc_server **out, struct sl_rpc_loop *loop, const char *listen,
                                      const struct sl_rpc_identity *identity, const struct sl_rpc_method *methods, size_t n_methods,
                                      const struct sl_rpc_server_handlers *handlers, void *arg, int *port, struct sl_err *err)
{
    struct sl_rpc_server *server = sl_calloc(1, sizeof *server);
    *out = NULL;
    server->loop = loop;
    server->handlers = *handlers;
    server->arg = arg;
    server->shutdown.run = shut_down;
    methods_copy(server, methods, n_methods);
    pthread_mutex_init(&server->lock, NULL);
    sl_cond_init(&server->changed);
    server->server = make();
    grpc_server_register_completion_queue(server->server, loop->cq, NULL);
    enum sl_code code = bind_to(server, listen, identity, port, err);
    if (code != SL_OK) {
        server_free(server);
        return code;
    }
    *out = server;
    grpc_server_start(server->server);
    accepts_start(server);
    return SL_OK;
}

enum sl_code sl_rpc_server_create(struct sl_rpc_server **out, struct sl_rpc_loop *loop, const char *listen,
                                  const struct sl_rpc_method *methods, size_t n_methods, const struct sl_rpc_server_handlers *handlers,
                                  void *arg, int *port, struct sl_err *err)
{
    return sl_rpc_server_create_tls(out, loop, listen, NULL, methods, n_methods, handlers, arg, port, err);
}

/* No more calls for the handlers; those that they have get `ms`. */
static void wait_served(struct sl_rpc_server *server, int64_t ms)
{
    const int64_t until_ms = sl_monotonic_ms() + (ms > 0 ? ms : 0);
    bool in_time = true;
    pthread_mutex_lock(&server->lock);
    server->stopping = true;
    while (server->n_serving > 0 && in_time)
        in_time = sl_cond_wait(&server->changed, &server->lock, until_ms);
    pthread_mutex_unlock(&server->lock);
}

static void wait_end(struct sl_rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    while (server->n_open > 0)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

static bool stop_begins(struct sl_rpc_server *server)
{
    pthread_mutex_lock(&server->lock);
    bool first = !server->stopped;
    server->stopped = true;
    server->n_open += first;
    pthread_mutex_unlock(&server->lock);
    return first;
}

void sl_rpc_server_stop(struct sl_rpc_server *server, int64_t grace_ms)
{
    assert(!sl_rpc_loop_is_mine(server->loop));
    wait_served(server, grace_ms);
    if (stop_begins(server)) {
        sl_rpc_arm(&server->shutdown);
        grpc_server_shutdown_and_notify(server->server, server->loop->cq, &server->shutdown);
        grpc_server_cancel_all_calls(server->server);
    }
    wait_end(server);
}

void sl_rpc_server_destroy(struct sl_rpc_server **server)
{
    if (!*server)
        return;
    sl_rpc_server_stop(*server, 0);
    server_free(*server);
    *server = NULL;
}
