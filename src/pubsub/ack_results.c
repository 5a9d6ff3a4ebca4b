/* ack_results.c - google.rpc.Status -> google.rpc.ErrorInfo -> its metadata, which maps an ack id to a reason. */
#include "ack_results.h"

#include <string.h>

#include "wire.h"

enum { MAX_NAMED = 100000, HALVED_AT = 10000 };

static const char LATER[] = "TRANSIENT_", NEVER[] = "PERMANENT_";

static bool starts_with(struct sl_span text, const char *with)
{
    return text.len >= strlen(with) && memcmp(text.ptr, with, strlen(with)) == 0;
}

static void add_entry(struct sl_map **results, struct sl_span bytes)
{
    struct sl_span id, reason;
    const enum sl_code code = sl_wire_pair(&id, &reason, bytes, "metadata", NULL);
    const bool later = starts_with(reason, LATER);
    if (code != SL_OK || id.len == 0 || memchr(id.ptr, '\0', id.len) || (!later && !starts_with(reason, NEVER)))
        return;
    if (!*results)
        *results = sl_map_create();
    struct sl_buf key = {0};
    sl_buf_add(&key, id.ptr, id.len);
    if (sl_map_count(*results) < MAX_NAMED)
        sl_map_put(*results, key.data, (void *)(uintptr_t)(later ? LATER : NEVER));
    sl_buf_fini(&key);
}

static void read_error_info(struct sl_map **results, struct sl_span bytes)
{
    struct sl_wire wire = sl_wire_open(bytes, "ErrorInfo", NULL);
    struct sl_wire_field field;
    while (sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(3, SL_WIRE_BYTES))
            add_entry(results, field.bytes);
}

static void read_any(struct sl_map **results, struct sl_span bytes)
{
    static const char TYPE[] = "/google.rpc.ErrorInfo";
    struct sl_span type, value;
    sl_wire_pair(&type, &value, bytes, "Any", NULL);
    if (type.len >= sizeof TYPE - 1 && memcmp(type.ptr + type.len - (sizeof TYPE - 1), TYPE, sizeof TYPE - 1) == 0)
        read_error_info(results, value);
}

struct sl_map *sl_ack_results_read(const void *details, size_t len)
{
    struct sl_map *results = NULL;
    struct sl_wire wire = sl_wire_open((struct sl_span){details, len}, "Status", NULL);
    struct sl_wire_field field;
    while (len > 0 && sl_wire_next(&wire, &field))
        if (field.key == SL_KEY(3, SL_WIRE_BYTES))
            read_any(&results, field.bytes);
    return results;
}

enum sl_id_result sl_ack_results_of(const struct sl_map *results, const char *id)
{
    const char *reason = sl_map_get(results, id);
    return !reason ? SL_ID_DONE : reason == LATER ? SL_ID_LATER : SL_ID_INVALID;
}

/* ---- times ---- */

void sl_ack_times_add(struct sl_ack_times *times, int64_t ms)
{
    const int64_t seconds = ms <= 0 ? 0 : (ms + 999) / 1000;
    times->seconds[seconds < SL_ACK_TIMES_MAX_S ? seconds : SL_ACK_TIMES_MAX_S]++;
    if (++times->n < HALVED_AT)
        return;
    times->n = 0;
    for (size_t i = 0; i <= SL_ACK_TIMES_MAX_S; i++)
        times->n += times->seconds[i] /= 2;
}

int sl_ack_times_lease_s(const struct sl_ack_times *times, int least_s, int otherwise_s)
{
    uint64_t seen = 0;
    int seconds = -1;
    if (times->n < SL_ACK_TIMES_ENOUGH)
        return otherwise_s < least_s ? least_s : otherwise_s;
    while (seen * 100 < (uint64_t)times->n * 99)
        seen += times->seconds[++seconds];
    return seconds < least_s ? least_s : seconds;
}
