/* wire_time.c - google.protobuf.Timestamp and Duration: seconds, and the nanoseconds after them. */
#include "wire.h"

static const int64_t MIN_SECONDS = INT64_C(-62135596800), MAX_SECONDS = INT64_C(253402300799); /* 0001 to 9999 */

enum sl_code sl_wire_read_time(struct sl_wire_time *out, struct sl_span bytes, struct sl_err *err)
{
    struct sl_wire wire = sl_wire_open(bytes, "Timestamp or Duration", err);
    struct sl_wire_field field;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(1, SL_WIRE_VARINT))
            out->seconds = (int64_t)field.value;
        else if (field.key == SL_KEY(2, SL_WIRE_VARINT))
            out->nanos = (int32_t)(uint32_t)field.value;
    return wire.code;
}

int64_t sl_wire_time_us(struct sl_wire_time time)
{
    const int64_t seconds = time.seconds < MIN_SECONDS ? MIN_SECONDS : time.seconds > MAX_SECONDS ? MAX_SECONDS : time.seconds;
    const int32_t nanos = time.nanos < 0 ? 0 : time.nanos > 999999999 ? 999999999 : time.nanos;
    return seconds * 1000000 + nanos / 1000;
}

struct sl_wire_time sl_wire_time_of(int64_t us)
{
    int64_t seconds = us / 1000000, micros = us % 1000000;
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    return (struct sl_wire_time){seconds, (int32_t)micros * 1000};
}

void sl_wire_put_time(struct sl_buf *out, int number, struct sl_wire_time time)
{
    struct sl_buf bytes = {0};
    sl_wire_put_int(&bytes, 1, time.seconds);
    sl_wire_put_int(&bytes, 2, time.nanos);
    sl_wire_put_message(out, number, &bytes);
    sl_buf_fini(&bytes);
}
