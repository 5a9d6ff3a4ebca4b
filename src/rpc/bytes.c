/* bytes.c - messages as byte buffers: made from one slice, read in one piece, queued. */
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "rpc_internal.h"

grpc_byte_buffer *sl_rpc_buffer(const void *data, size_t len)
{
    grpc_slice slice = grpc_slice_from_copied_buffer(data ? data : "", len);
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return buffer;
}

/* ---- received ---- */

bool sl_rpc_bytes_open(struct sl_rpc_bytes *out, grpc_byte_buffer *buffer)
{
    *out = (struct sl_rpc_bytes){.data = ""};
    out->whole = grpc_empty_slice();
    if (!grpc_byte_buffer_reader_init(&out->reader, buffer))
        return false;
    out->len = grpc_byte_buffer_length(buffer);
    if (out->len == 0)
        return true;
    if (grpc_byte_buffer_reader_peek(&out->reader, &out->first) && GRPC_SLICE_LENGTH(*out->first) == out->len) {
        out->data = GRPC_SLICE_START_PTR(*out->first);
        return true;
    }
    out->first = NULL;
    grpc_byte_buffer_reader_destroy(&out->reader);
    grpc_byte_buffer_reader_init(&out->reader, buffer);
    out->whole = grpc_byte_buffer_reader_readall(&out->reader);
    out->data = GRPC_SLICE_START_PTR(out->whole);
    return true;
}

void sl_rpc_bytes_close(struct sl_rpc_bytes *bytes)
{
    grpc_slice_unref(bytes->whole);
    grpc_byte_buffer_reader_destroy(&bytes->reader);
}

struct sl_rpc_held {
    grpc_slice slice;
};

struct sl_rpc_held *sl_rpc_bytes_hold(const struct sl_rpc_bytes *bytes)
{
    struct sl_rpc_held *held = sl_alloc(sizeof *held);
    held->slice = grpc_slice_ref(bytes->first ? *bytes->first : bytes->whole);
    return held;
}

void sl_rpc_held_release(struct sl_rpc_held **held)
{
    if (!*held)
        return;
    grpc_slice_unref((*held)->slice);
    free(*held);
    *held = NULL;
}

/* ---- to be written ---- */

struct sl_rpc_packet {
    struct sl_rpc_packet *next;
    grpc_byte_buffer *buffer;
    size_t len;
};

void sl_rpc_outbox_put(struct sl_rpc_outbox *box, grpc_byte_buffer *buffer, size_t len)
{
    struct sl_rpc_packet *packet = sl_alloc(sizeof *packet);
    *packet = (struct sl_rpc_packet){.buffer = buffer, .len = len};
    if (!box->first)
        box->last = &box->first;
    *box->last = packet;
    box->last = &packet->next;
}

bool sl_rpc_outbox_take(struct sl_rpc_outbox *box, grpc_byte_buffer **buffer, size_t *len)
{
    struct sl_rpc_packet *packet = box->first;
    if (!packet)
        return false;
    box->first = packet->next;
    *buffer = packet->buffer;
    *len = packet->len;
    free(packet);
    return true;
}

void sl_rpc_outbox_clear(struct sl_rpc_outbox *box)
{
    grpc_byte_buffer *buffer;
    size_t len;
    while (sl_rpc_outbox_take(box, &buffer, &len))
        grpc_byte_buffer_destroy(buffer);
}

/* ---- status ---- */

static bool splits_a_character(const char *text, size_t at)
{
    return ((unsigned char)text[at] & 0xC0) == 0x80;
}

void sl_rpc_status_set(struct sl_rpc_status *out, grpc_status_code code, const char *text, size_t len)
{
    size_t n = len;
    if (n >= sizeof out->message) {
        n = sizeof out->message - 1;
        while (n > 0 && splits_a_character(text, n))
            n--;
    }
    out->code = (unsigned)code <= SL_RPC_UNAUTHENTICATED ? (enum sl_rpc_code)code : SL_RPC_UNKNOWN;
    if (n > 0)
        memcpy(out->message, text, n);
    out->message[n] = '\0';
}
