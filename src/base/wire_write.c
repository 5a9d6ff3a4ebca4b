/* wire_write.c - fields of the protobuf wire format, into a buffer. Sizes are known before a byte is written: nothing is moved afterwards. */
#include <sluice/wire.h>

#include <string.h>

size_t sl_wire_varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

size_t sl_wire_bytes_size(int number, size_t len)
{
    return sl_wire_varint_size(SL_KEY(number, SL_WIRE_BYTES)) + sl_wire_varint_size(len) + len;
}

size_t sl_wire_write_varint(char out[static SL_WIRE_MAX_VARINT_BYTES], uint64_t value)
{
    size_t n = 0;
    for (; value >= 0x80; value >>= 7)
        out[n++] = (char)(unsigned char)(0x80 | (value & 0x7F));
    out[n++] = (char)value;
    return n;
}

void sl_wire_put_varint(struct sl_buf *out, uint64_t value)
{
    char bytes[SL_WIRE_MAX_VARINT_BYTES];
    sl_buf_add(out, bytes, sl_wire_write_varint(bytes, value));
}

void sl_wire_put_key(struct sl_buf *out, int number, enum sl_wire_type type)
{
    sl_wire_put_varint(out, SL_KEY(number, type));
}

void sl_wire_put_bytes(struct sl_buf *out, int number, const void *bytes, size_t len)
{
    sl_wire_put_key(out, number, SL_WIRE_BYTES);
    sl_wire_put_varint(out, len);
    sl_buf_add(out, bytes, len);
}

void sl_wire_put_text(struct sl_buf *out, int number, const char *text)
{
    if (text && *text)
        sl_wire_put_bytes(out, number, text, strlen(text));
}

void sl_wire_put_int(struct sl_buf *out, int number, int64_t value)
{
    if (value == 0)
        return;
    sl_wire_put_key(out, number, SL_WIRE_VARINT);
    sl_wire_put_varint(out, (uint64_t)value);
}

void sl_wire_put_message(struct sl_buf *out, int number, const struct sl_buf *message)
{
    sl_wire_put_bytes(out, number, message->data, message->len);
}
