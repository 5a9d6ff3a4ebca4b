/* rpc_internal.h - what the files of this folder share: tags, bytes, the client's and the server's calls.
 * Every batch of gRPC carries a tag of ours; the loop's thread runs it once when the batch is complete. So all completions of a loop come one after the other, and an object
 * is locked only against the threads that use it from outside. */
#ifndef SLUICE_RPC_INTERNAL_H
#define SLUICE_RPC_INTERNAL_H

#include <pthread.h>
#include <stddef.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

#include <sluice/rpc.h>

enum { SL_RPC_MAX_RECEIVE_BYTES = 20 * 1024 * 1024, SL_RPC_MAX_METADATA_BYTES = 4 * 1024 * 1024 };

static inline grpc_arg sl_rpc_number(const char *key, int value)
{
    return (grpc_arg){.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

/* ---- loop.c ---- */

struct sl_rpc_tag { /* embedded in what the batch is for; lives until it has run */
    void (*run)(struct sl_rpc_tag *tag, bool ok);
};
/* The object that holds `tag` as `member`. */
#define SL_RPC_OWNER(tag, type, member) ((type *)(void *)((char *)(tag)-offsetof(type, member)))

struct sl_rpc_loop {
    grpc_completion_queue *cq;
    pthread_t thread;
};

bool sl_rpc_loop_is_mine(const struct sl_rpc_loop *loop); /* is this the loop's thread? */
/* What was written up to here is seen by the tag's run. Before every call that hands a tag to gRPC. */
void sl_rpc_arm(struct sl_rpc_tag *tag);
/* start_batch, the one place; an error of it is a bug of ours and ends the process. */
void sl_rpc_batch(grpc_call *call, const grpc_op *ops, size_t n, struct sl_rpc_tag *tag);

/* ---- bytes.c ---- */

grpc_byte_buffer *sl_rpc_buffer(const void *data, size_t len); /* copies */

struct sl_rpc_bytes { /* a received message in one piece, without a copy when it came as one */
    grpc_byte_buffer_reader reader;
    grpc_slice whole, *first; /* where `data` lies: in `whole`, unless `first` is set */
    const void *data;
    size_t len;
};
bool sl_rpc_bytes_open(struct sl_rpc_bytes *out, grpc_byte_buffer *buffer); /* borrows the buffer; false: it can't be read */
void sl_rpc_bytes_close(struct sl_rpc_bytes *bytes);
struct sl_rpc_held *sl_rpc_bytes_hold(const struct sl_rpc_bytes *bytes);

struct sl_rpc_packet;
struct sl_rpc_outbox { /* what waits to be written, in order; zero-initialised is empty */
    struct sl_rpc_packet *first, **last;
};
void sl_rpc_outbox_put(struct sl_rpc_outbox *box, grpc_byte_buffer *buffer, size_t len); /* steals the buffer */
bool sl_rpc_outbox_take(struct sl_rpc_outbox *box, grpc_byte_buffer **buffer, size_t *len);
void sl_rpc_outbox_clear(struct sl_rpc_outbox *box);

void sl_rpc_status_set(struct sl_rpc_status *out, grpc_status_code code, const char *text, size_t len);

/* ---- security.c ---- */

/* SL_INVALID: tokens without TLS. */
enum sl_code sl_rpc_secure(grpc_channel_credentials **out, const struct sl_rpc_channel_options *options, struct sl_err *err);

/* ---- channel.c ---- */

struct sl_rpc_dial { /* a call of ours, in its channel's list of what is open */
    struct sl_rpc_channel *channel;
    struct sl_rpc_dial *prev, *next;
    grpc_call *call;
    grpc_metadata headers[3];
    size_t n_headers;
    uint32_t flags;
    grpc_metadata_array initial, trailing;
    grpc_status_code code;
    grpc_slice details;
};

void sl_rpc_dial_open(struct sl_rpc_dial *dial, struct sl_rpc_channel *channel, const struct sl_rpc_request *request);
void sl_rpc_dial_status(const struct sl_rpc_dial *dial, struct sl_rpc_status *out);
const void *sl_rpc_dial_details(const struct sl_rpc_dial *dial, size_t *len); /* NULL: none; until it is closed */
/* Off the list; the channel may be gone when it returns. */
void sl_rpc_dial_close(struct sl_rpc_dial *dial);
grpc_op sl_rpc_dial_op_initial(const struct sl_rpc_dial *dial);
grpc_op sl_rpc_dial_op_opened(struct sl_rpc_dial *dial);
grpc_op sl_rpc_dial_op_status(struct sl_rpc_dial *dial);
struct sl_rpc_loop *sl_rpc_channel_loop(const struct sl_rpc_channel *channel);

/* ---- server.c, server_call.c ---- */

struct sl_rpc_server {
    struct sl_rpc_loop *loop;
    grpc_server *server;
    struct sl_rpc_method *methods; /* copies */
    size_t n_methods;
    struct sl_rpc_server_handlers handlers;
    void *arg;
    struct sl_rpc_accept *accepts;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t n_open;    /* calls with anything outstanding, accepts that wait, and the shutdown */
    size_t n_serving; /* of them, calls that handlers know */
    bool stopping, stopped;
    struct sl_rpc_tag shutdown;
};

void sl_rpc_server_drop(struct sl_rpc_server *server, bool serving); /* the server may be gone when it returns */

/* Take over a call that came, counted already, with its headers. */
void sl_rpc_peer_call_begin(struct sl_rpc_server *server, grpc_call *call, size_t method, grpc_metadata_array *headers);
void sl_rpc_peer_call_refuse(struct sl_rpc_server *server, grpc_call *call, enum sl_rpc_code code, const char *sentence);

#endif
