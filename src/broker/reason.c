/* reason.c - why ack ids were refused, as the official clients read it: google.rpc.Status with an ErrorInfo that names each id and its reason. Ids that
 * it does not name have succeeded. Pure. */
#include "broker_internal.h"

#define TYPE_URL "type.googleapis.com/google.rpc.ErrorInfo"
#define REASON   "EXACTLY_ONCE_ACKID_FAILURE"
#define DOMAIN   "pubsub.googleapis.com"
#define INVALID  "PERMANENT_FAILURE_INVALID_ACK_ID"

static void put_info(struct sl_buf *out, const struct sl_span *ids, size_t n)
{
    struct sl_buf entry = {0};
    sl_wire_put_text(out, 1, REASON);
    sl_wire_put_text(out, 2, DOMAIN);
    for (size_t i = 0; i < n; i++) {
        if (!sl_utf8_valid(ids[i].ptr, ids[i].len)) /* no official client sends one, or could read it */
            continue;
        sl_buf_clear(&entry);
        sl_wire_put_bytes(&entry, 1, ids[i].ptr, ids[i].len);
        sl_wire_put_text(&entry, 2, INVALID);
        sl_wire_put_message(out, 3, &entry);
    }
    sl_buf_fini(&entry);
}

void sl_put_invalid_ack_ids(struct sl_buf *out, int code, const char *message, const struct sl_span *ids, size_t n)
{
    struct sl_buf any = {0}, info = {0};
    put_info(&info, ids, n);
    sl_wire_put_text(&any, 1, TYPE_URL);
    sl_wire_put_message(&any, 2, &info);
    sl_wire_put_int(out, 1, code);
    sl_wire_put_text(out, 2, message);
    sl_wire_put_message(out, 3, &any);
    sl_buf_fini(&info);
    sl_buf_fini(&any);
}
