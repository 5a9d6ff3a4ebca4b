/* admin_snapshot.c - snapshots and seeking, as values; see admin.c. */
#include "wire.h"

/* ---- reading ---- */

enum sl_code sl_pubsub_read_snapshot(struct sl_pubsub_snapshot *out, const void *data, size_t len, struct sl_arena *arena,
                                     struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "Snapshot", err);
    struct sl_wire_field field;
    struct sl_wire_time expires = {0};
    *out = (struct sl_pubsub_snapshot){.name = "", .topic = ""};
    while (sl_wire_next(&wire, &field)) {
        switch (field.key) {
        case SL_KEY(1, SL_WIRE_BYTES): sl_wire_string(&wire, &field, arena, &out->name); break;
        case SL_KEY(2, SL_WIRE_BYTES): sl_wire_string(&wire, &field, arena, &out->topic); break;
        case SL_KEY(3, SL_WIRE_BYTES): wire.code = sl_wire_read_time(&expires, field.bytes, err); break;
        case SL_KEY(4, SL_WIRE_BYTES): sl_wire_add_label(&wire, &out->labels, field.bytes, arena); break;
        default: break;
        }
    }
    out->expire_us = sl_wire_time_us(expires);
    return wire.code;
}

enum sl_code sl_pubsub_read_update_snapshot(struct sl_pubsub_snapshot *out, const char ***paths, size_t *n, const void *data, size_t len,
                                            struct sl_arena *arena, struct sl_err *err)
{
    struct sl_span object;
    enum sl_code code = sl_wire_read_update(&object, paths, n, "UpdateSnapshotRequest", (struct sl_span){data, len}, arena, err);
    return code == SL_OK ? sl_pubsub_read_snapshot(out, object.ptr, object.len, arena, err) : code;
}

enum sl_code sl_pubsub_read_create_snapshot(struct sl_create_snapshot *out, const void *data, size_t len, struct sl_arena *arena,
                                            struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "CreateSnapshotRequest", err);
    struct sl_wire_field field;
    *out = (struct sl_create_snapshot){.name = "", .subscription = ""};
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &out->name);
        else if (field.key == SL_KEY(2, SL_WIRE_BYTES))
            sl_wire_string(&wire, &field, arena, &out->subscription);
        else if (field.key == SL_KEY(3, SL_WIRE_BYTES))
            sl_wire_add_label(&wire, &out->labels, field.bytes, arena);
    return wire.code;
}

enum sl_code sl_pubsub_read_seek(struct sl_seek_request *out, const void *data, size_t len, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open((struct sl_span){data, len}, "SeekRequest", err);
    struct sl_wire_field field;
    struct sl_wire_time time = {0};
    *out = (struct sl_seek_request){.subscription = "", .snapshot = ""};
    while (sl_wire_next(&wire, &field)) {
        switch (field.key) {
        case SL_KEY(1, SL_WIRE_BYTES): sl_wire_string(&wire, &field, arena, &out->subscription); break;
        case SL_KEY(2, SL_WIRE_BYTES):
            wire.code = sl_wire_read_time(&time, field.bytes, err);
            out->has_time = true;
            break;
        case SL_KEY(3, SL_WIRE_BYTES): sl_wire_string(&wire, &field, arena, &out->snapshot); break;
        default: break;
        }
    }
    out->time_us = sl_wire_time_us(time);
    return wire.code;
}

/* ---- writing ---- */

void sl_pubsub_put_snapshot(struct sl_buf *out, const struct sl_pubsub_snapshot *snapshot)
{
    sl_wire_put_text(out, 1, snapshot->name);
    sl_wire_put_text(out, 2, snapshot->topic);
    sl_wire_put_time(out, 3, sl_wire_time_of(snapshot->expire_us));
    sl_wire_put_labels(out, 4, &snapshot->labels);
}

void sl_pubsub_put_update_snapshot(struct sl_buf *out, const struct sl_pubsub_snapshot *snapshot, const char *const *paths, size_t n)
{
    struct sl_buf object = {0};
    sl_pubsub_put_snapshot(&object, snapshot);
    sl_wire_put_message(out, 1, &object);
    sl_wire_put_mask(out, paths, n);
    sl_buf_fini(&object);
}

void sl_pubsub_put_create_snapshot(struct sl_buf *out, const struct sl_create_snapshot *request)
{
    sl_wire_put_text(out, 1, request->name);
    sl_wire_put_text(out, 2, request->subscription);
    sl_wire_put_labels(out, 3, &request->labels);
}

void sl_pubsub_put_seek(struct sl_buf *out, const struct sl_seek_request *request)
{
    sl_wire_put_text(out, 1, request->subscription);
    if (request->has_time)
        sl_wire_put_time(out, 2, sl_wire_time_of(request->time_us));
    sl_wire_put_text(out, 3, request->snapshot);
}
