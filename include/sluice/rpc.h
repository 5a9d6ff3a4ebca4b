/* rpc.h - a thin layer over gRPC C core: calls and streams as bytes, for our client and our broker.
 *
 * One completion-queue thread per loop moves bytes and events (RULES 37): handlers run on it, must not block, must not do fsync, and never run under a lock of ours; they push
 * events to a queue. Every function here may be called from any thread, those that say they block from any but the loop's. start_batch and next are wrapped once, with the
 * annotations that ThreadSanitizer needs (RULES 40).
 * Life of a client: loop -> channel -> calls and streams -> channel destroyed (cancels what is open) -> loop destroyed (drains, joins).
 * Life of a server: loop -> server -> calls -> sl_rpc_server_stop() -> destroyed -> loop destroyed. */
#ifndef SLUICE_RPC_H
#define SLUICE_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/str.h>

/* gRPC's own status codes, by their numbers (https://grpc.io statuscodes). */
enum sl_rpc_code {
    SL_RPC_OK = 0,
    SL_RPC_CANCELLED,
    SL_RPC_UNKNOWN,
    SL_RPC_INVALID_ARGUMENT,
    SL_RPC_DEADLINE_EXCEEDED,
    SL_RPC_NOT_FOUND,
    SL_RPC_ALREADY_EXISTS,
    SL_RPC_PERMISSION_DENIED,
    SL_RPC_RESOURCE_EXHAUSTED,
    SL_RPC_FAILED_PRECONDITION,
    SL_RPC_ABORTED,
    SL_RPC_OUT_OF_RANGE,
    SL_RPC_UNIMPLEMENTED,
    SL_RPC_INTERNAL,
    SL_RPC_UNAVAILABLE,
    SL_RPC_DATA_LOSS,
    SL_RPC_UNAUTHENTICATED
};
const char *sl_rpc_code_name(enum sl_rpc_code code); /* "NOT_FOUND" */
/* Foreign code to ours, in one place: INVALID_ARGUMENT, OUT_OF_RANGE, UNIMPLEMENTED, FAILED_PRECONDITION -> SL_INVALID; NOT_FOUND; ALREADY_EXISTS -> SL_CONFLICT;
 * PERMISSION_DENIED, UNAUTHENTICATED -> SL_DENIED; DATA_LOSS -> SL_CORRUPT; the rest -> SL_UNAVAILABLE. */
enum sl_code sl_rpc_to_code(enum sl_rpc_code code);

struct sl_rpc_status {
    enum sl_rpc_code code;
    char message[512];
};

struct sl_rpc_loop;
enum sl_code sl_rpc_loop_create(struct sl_rpc_loop **out, struct sl_err *err);
/* Blocks until its thread has ended. Its channels and servers are destroyed already. NULL is fine, as in every destroy. */
void sl_rpc_loop_destroy(struct sl_rpc_loop **loop);

/* ---- client ---- */

/* `header` is the value of `authorization`, or NULL and `trouble` a sentence. */
typedef void (*sl_rpc_token_done)(void *arg, const char *header, const char *trouble);
/* What authorises a channel's calls. Asked for every call, on any thread, without blocking; never on a channel without TLS. */
struct sl_rpc_tokens {
    /* true: `header` holds it. false: `done` runs once, later and on another thread. */
    bool (*ask)(void *arg, struct sl_buf *header, sl_rpc_token_done done, void *done_arg);
    void (*retain)(void *arg), (*release)(void *arg); /* gRPC may hold it a little longer than its channel */
    void *arg;
    const char *quota_project; /* x-goog-user-project; NULL: none */
};

struct sl_rpc_channel_options {
    int channel_id;                     /* distinct ids give distinct connections */
    int64_t keepalive_ms;               /* HTTP/2 keepalive; 0: 30000 */
    bool tls;                           /* the server's certificate must be of the target's host */
    const char *roots;                  /* PEM of the authorities that may sign it; NULL: the system's */
    const struct sl_rpc_tokens *tokens; /* NULL: none. SL_INVALID without tls. Copied */
};
struct sl_rpc_channel;
/* To "host:port" or "unix:/path", in plaintext unless the options say otherwise. Receive limit 20 MiB (RULES 25), metadata 4 MiB. Connects when first used. */
enum sl_code sl_rpc_channel_create(struct sl_rpc_channel **out, struct sl_rpc_loop *loop, const char *target,
                                   const struct sl_rpc_channel_options *options, struct sl_err *err);
/* Cancels what is open and blocks until the last handler has returned: none runs afterwards. */
void sl_rpc_channel_destroy(struct sl_rpc_channel **channel);

/* "/google.pubsub.v1.Publisher/Publish"; `routing` goes into x-goog-request-params as it is ("topic=projects/p/topics/t"), NULL: none;
 * one that a header can't hold ends the call as INVALID_ARGUMENT. timeout_ms 0: none. Without wait_for_ready a server that can't be reached is UNAVAILABLE at once. */
struct sl_rpc_request {
    const char *method, *routing;
    const void *data;
    size_t len;
    int64_t timeout_ms;
    bool wait_for_ready;
    bool gzip; /* the message goes compressed */
};

/* Blocking. Must not be called on the loop's thread. `response` (may be NULL, as `status`) is appended to on OK. Returns sl_rpc_to_code(status) with "METHOD: CODE: message" in err. */
enum sl_code sl_rpc_call(struct sl_rpc_channel *channel, const struct sl_rpc_request *request, struct sl_buf *response,
                         struct sl_rpc_status *status, struct sl_err *err);
/* Copies the request. `done` runs once on the loop's thread; `data` is valid during it: the response, or, when the status isn't OK, what its grpc-status-details-bin holds (a
 * google.rpc.Status; len 0: there is none). */
typedef void (*sl_rpc_done)(void *arg, const struct sl_rpc_status *status, const void *data, size_t len);
void sl_rpc_call_start(struct sl_rpc_channel *channel, const struct sl_rpc_request *request, sl_rpc_done done, void *arg);

struct sl_rpc_stream;
struct sl_rpc_stream_handlers {
    void (*opened)(void *arg); /* the server has answered, or `end` is about to say that it can't; may be NULL */
    void (*message)(void *arg, const void *data, size_t len); /* the next one is only read after sl_rpc_stream_read() */
    void (*end)(void *arg, const struct sl_rpc_status
                               *status); /* exactly once, last; a status of the server's waits until what it sent before has been read */
};
/* Opens and sends the first message (copies); the first read is asked for by sl_rpc_stream_read(). The caller has a reference until sl_rpc_stream_release():
 * the functions below may be called before, during and after `end`, when they do nothing. `*out` is set before any handler runs. */
void sl_rpc_stream_open(struct sl_rpc_stream **out, struct sl_rpc_channel *channel, const struct sl_rpc_request *first,
                        const struct sl_rpc_stream_handlers *handlers, void *arg);
void sl_rpc_stream_read(
    struct sl_rpc_stream *stream); /* one message, once more while one is awaited does nothing; back-pressure is not asking */
void sl_rpc_stream_write(struct sl_rpc_stream *stream, const void *data, size_t len); /* queued in order, copies; one in flight */
void sl_rpc_stream_half_close(struct sl_rpc_stream *stream); /* after what is queued; nothing can be written from now on */
void sl_rpc_stream_cancel(struct sl_rpc_stream *stream);     /* `end` still comes */
/* Within `message`: its bytes stay valid until they are released, without a copy. They may pin more memory than they are. */
struct sl_rpc_held;
struct sl_rpc_held *sl_rpc_stream_hold(struct sl_rpc_stream *stream);
void sl_rpc_held_release(struct sl_rpc_held **held);
void sl_rpc_stream_release(struct sl_rpc_stream **stream); /* gives the reference up, cancels nothing; also fine within a handler */

/* ---- server ---- */

struct sl_rpc_server;
/* One call that a client made. It is its handlers' until exactly one sl_rpc_reply() (unary), sl_rpc_finish() or sl_rpc_abort() (stream), which gives it up: also when its client
 * has gone meanwhile. The layer frees it when it is given up and over. Until then every function below may be called, and does nothing once the client is gone. */
struct sl_rpc_peer_call;
struct sl_rpc_method {
    const char *path;
    bool streaming;
};

struct sl_rpc_server_handlers {
    /* A unary call: answer with sl_rpc_reply(), now or later. `data` is valid during the handler. */
    void (*call)(void *arg, struct sl_rpc_peer_call *call, size_t method, const void *data, size_t len);
    /* A stream: opened, each message (the next is read after the handler returned), half-closed, gone. All but `closed` come only while the client is there; all may still
     * come, on the loop's thread, after the call was given up. NULL: not wanted. */
    void (*opened)(void *arg, struct sl_rpc_peer_call *call, size_t method);
    void (*message)(void *arg, struct sl_rpc_peer_call *call, const void *data, size_t len);
    void (*half_closed)(void *arg, struct sl_rpc_peer_call *call);
    void (*closed)(void *arg,
                   struct sl_rpc_peer_call *call); /* exactly once per opened stream, last: its client has gone or has been answered */
    /* Everything written so far has been taken by flow control: room for more. */
    void (*writable)(void *arg, struct sl_rpc_peer_call *call);
};

/* Listens on "127.0.0.1:0", "unix:/path"; *port gets the bound port (0 for unix). Unknown methods answer UNIMPLEMENTED. Plaintext. SL_INVALID: neither of them;
 * SL_UNAVAILABLE: the port or a living socket is in use, not permitted, or of another machine.
 * Copies the methods and handlers. */
enum sl_code sl_rpc_server_create(struct sl_rpc_server **out, struct sl_rpc_loop *loop, const char *listen,
                                  const struct sl_rpc_method *methods, size_t n_methods, const struct sl_rpc_server_handlers *handlers,
                                  void *arg, int *port, struct sl_err *err);
/* The same behind TLS, with a certificate and its key as PEM: for tests of clients. */
struct sl_rpc_identity {
    const char *certificate, *key;
};
enum sl_code sl_rpc_server_create_tls(struct sl_rpc_server **out, struct sl_rpc_loop *loop, const char *listen,
                                      const struct sl_rpc_identity *identity, const struct sl_rpc_method *methods, size_t n_methods,
                                      const struct sl_rpc_server_handlers *handlers, void *arg, int *port, struct sl_err *err);
/* New calls are answered UNAVAILABLE; open ones get `grace_ms`, then are cancelled. Blocks until all have ended: no handler runs afterwards. Calls that nobody gave up yet still must be. */
void sl_rpc_server_stop(struct sl_rpc_server *server, int64_t grace_ms);
void sl_rpc_server_destroy(struct sl_rpc_server **server);

void sl_rpc_reply(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len); /* unary; copies */
/* unary, not OK; `details`: a google.rpc.Status, copied, which goes along as grpc-status-details-bin */
void sl_rpc_refuse(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *details, size_t len);
void sl_rpc_send(struct sl_rpc_peer_call *call, const void *data, size_t len); /* stream; queued in order, copies */
void sl_rpc_drop(struct sl_rpc_peer_call *call);                 /* stream: forgets what is queued and not begun to be written */
size_t sl_rpc_unsent_bytes(const struct sl_rpc_peer_call *call); /* not taken by flow control yet */
void sl_rpc_finish(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status); /* stream: ends it after what was sent */
void sl_rpc_abort(struct sl_rpc_peer_call *call,
                  const struct sl_rpc_status *status);           /* stream: ends it now, whatever is unsent; not for OK */
bool sl_rpc_gone(const struct sl_rpc_peer_call *call);           /* no answer can reach the client any more */
void sl_rpc_set_data(struct sl_rpc_peer_call *call, void *data); /* the handler's own */
void *sl_rpc_data(const struct sl_rpc_peer_call *call);
/* A header that came with the call ("authorization"), NULL: none. Within `call` and `opened` only; valid until the next one is asked for. */
const char *sl_rpc_header(struct sl_rpc_peer_call *call, const char *name);

#endif
