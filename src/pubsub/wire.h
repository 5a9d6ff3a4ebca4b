/* wire.h - the protobuf wire format as google.pubsub.v1 needs it: times, and parts of requests. Private to src/pubsub. Pure. Any thread.
 * An unknown field is skipped, and so is a known field of another wire type, as the official parsers do. */
#ifndef SLUICE_PUBSUB_WIRE_H
#define SLUICE_PUBSUB_WIRE_H

#include <sluice/pubsub.h>
#include <sluice/wire.h>

/* Timestamp and Duration; read over what is there, as merged messages are. */
struct sl_wire_time {
    int64_t seconds;
    int32_t nanos;
};
enum sl_code sl_wire_read_time(struct sl_wire_time *out, struct sl_span bytes, struct sl_err *err);

int64_t sl_wire_time_us(struct sl_wire_time time); /* within the years 1 to 9999 */
struct sl_wire_time sl_wire_time_of(int64_t us);
void sl_wire_put_time(struct sl_buf *out, int number, struct sl_wire_time time);

/* Parts of admin messages (admin.c). */
void sl_wire_add_label(struct sl_wire *wire, struct sl_pubsub_labels *out, struct sl_span bytes, struct sl_arena *arena);
void sl_wire_put_labels(struct sl_buf *out, int number, const struct sl_pubsub_labels *labels);
/* The two parts of an Update*Request. */
enum sl_code sl_wire_read_update(struct sl_span *object, const char ***paths, size_t *n, const char *what, struct sl_span bytes,
                                 struct sl_arena *arena, struct sl_err *err);
void sl_wire_put_mask(struct sl_buf *out, const char *const *paths, size_t n);

#endif
