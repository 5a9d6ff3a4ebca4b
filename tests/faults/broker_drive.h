/* broker_drive.h - the real broker without its thread, its network and its clock: calls are collected, a round applies, commits and answers them.
 * Its store is on the power VFS. One thread. */
#ifndef SLUICE_TESTS_BROKER_DRIVE_H
#define SLUICE_TESTS_BROKER_DRIVE_H

#include "broker_internal.h"

/* First member of whoever makes a call. */
struct sl_rpc_peer_call {
    void (*answered)(struct sl_rpc_peer_call *call, const struct sl_rpc_status *status, const void *data, size_t len);
};

struct drive { /* zero-initialised: closed */
    struct sl_broker *broker;
    struct sl_event *first, *last; /* of the next round */
    int64_t now_ms;
};

/* `path`: of the store's file. */
enum sl_code drive_open(struct drive *drive, const char *path, bool synchronous_normal, struct sl_err *err);
void drive_close(struct drive *drive);
/* Copies the request; `call` is answered in the next round. */
void drive_call(struct drive *drive, struct sl_rpc_peer_call *call, enum sl_method method, const struct sl_buf *request);
/* `ms` later. */
void drive_round(struct drive *drive, int64_t ms);
bool drive_failed(const struct drive *drive, struct sl_err *err);

#endif
