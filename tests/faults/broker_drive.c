/* broker_drive.c - see broker_drive.h. The functions of the gRPC layer that the broker calls are here, so none of that layer is linked. */
#include "broker_drive.h"

#include <assert.h>
#include <stdlib.h>

#include <sluice/mem.h>

#include "power_vfs.h"

enum { CHECKPOINT_PAGES = 24 }; /* so that the log moves into the file every few rounds */

#define BEGIN_US INT64_C(1750000000000000) /* 2025-06-15T15:06:40Z */

/* ---- the gRPC layer: a reply is all that is used of it ---- */

void sl_rpc_reply(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len)
{
    call->answered(call, status, data, len);
}

void sl_rpc_refuse(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *details, size_t len)
{
    (void)details, (void)len;
    call->answered(call, status, NULL, 0);
}

bool sl_rpc_gone(const struct sl_rpc_peer_call *call)
{
    (void)call;
    return false;
}

void sl_rpc_send(struct sl_rpc_peer_call *call, const void *data, size_t len)
{
    (void)call, (void)data, (void)len;
    abort();
}

size_t sl_rpc_unsent_bytes(const struct sl_rpc_peer_call *call)
{
    (void)call;
    abort();
}

void sl_rpc_finish(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status)
{
    (void)call, (void)status;
    abort();
}

void sl_rpc_abort(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status)
{
    (void)call, (void)status;
    abort();
}

void sl_rpc_drop(struct sl_rpc_peer_call *call)
{
    (void)call;
    abort();
}

void sl_rpc_set_data(struct sl_rpc_peer_call *call, void *data)
{
    (void)call, (void)data;
    abort();
}

void *sl_rpc_data(const struct sl_rpc_peer_call *call)
{
    (void)call;
    abort();
}

enum sl_code sl_rpc_loop_create(struct sl_rpc_loop **out, struct sl_err *err)
{
    (void)out;
    return sl_fail(err, SL_INTERNAL, "there is no network here");
}

void sl_rpc_loop_destroy(struct sl_rpc_loop **loop)
{
    assert(!*loop);
}

enum sl_code sl_rpc_server_create(struct sl_rpc_server **out, struct sl_rpc_loop *loop, const char *listen,
                                  const struct sl_rpc_method *methods, size_t n_methods, const struct sl_rpc_server_handlers *handlers,
                                  void *arg, int *port, struct sl_err *err)
{
    (void)out, (void)loop, (void)listen, (void)methods, (void)n_methods, (void)handlers, (void)arg, (void)port;
    return sl_fail(err, SL_INTERNAL, "there is no network here");
}

void sl_rpc_server_stop(struct sl_rpc_server *server, int64_t grace_ms)
{
    (void)server, (void)grace_ms;
    abort();
}

void sl_rpc_server_destroy(struct sl_rpc_server **server)
{
    assert(!*server);
}

/* ---- life ---- */

enum sl_code drive_open(struct drive *drive, const char *path, bool synchronous_normal, struct sl_err *err)
{
    const struct sl_store_options options = {
        .vfs = POWER_VFS, .checkpoint_pages = CHECKPOINT_PAGES, .keep_nothing = true, .synchronous_normal = synchronous_normal};
    struct sl_broker *broker = sl_calloc(1, sizeof *broker);
    drive->broker = broker;
    pthread_mutex_init(&broker->mutex, NULL);
    sl_inbox_init(&broker->inbox);
    sl_arena_init(&broker->arena);
    enum sl_code code = sl_store_open(&broker->store, path, &options, err);
    if (code == SL_OK)
        code = sl_catalog_load(&broker->catalog, broker->store, (struct sl_now){drive->now_ms, BEGIN_US + drive->now_ms * 1000}, err);
    if (code != SL_OK)
        drive_close(drive);
    return code;
}

void drive_close(struct drive *drive)
{
    assert(!drive->first);
    sl_broker_destroy(&drive->broker);
}

/* ---- rounds ---- */

void drive_call(struct drive *drive, struct sl_rpc_peer_call *call, enum sl_method method, const struct sl_buf *request)
{
    struct sl_event *event = sl_event_create(SL_EVENT_CALL, request->data, request->len);
    event->call = call;
    event->method = method;
    if (drive->last)
        drive->last->next = event;
    else
        drive->first = event;
    drive->last = event;
}

void drive_round(struct drive *drive, int64_t ms)
{
    struct sl_event *events = drive->first;
    drive->first = drive->last = NULL;
    drive->now_ms += ms;
    drive->broker->now_ms = drive->now_ms;
    drive->broker->now_us = BEGIN_US + drive->now_ms * 1000;
    sl_broker_round(drive->broker, events);
}

bool drive_failed(const struct drive *drive, struct sl_err *err)
{
    return drive->broker && sl_broker_failed(drive->broker, err);
}
