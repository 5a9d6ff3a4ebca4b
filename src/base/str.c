/* str.c - a text buffer that grows by doubling, and UTF-8. */
#include <sluice/str.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#include "utf8_internal.h"

#define BUF_FIRST_BYTES 256
#define HIGH_BITS       0x8080808080808080ULL

void sl_buf_init(struct sl_buf *buf)
{
    *buf = (struct sl_buf){0};
}

void sl_buf_fini(struct sl_buf *buf)
{
    free(buf->data);
    *buf = (struct sl_buf){0};
}

void sl_buf_clear(struct sl_buf *buf)
{
    buf->len = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

/* Room for `more` bytes and the NUL. */
static void reserve(struct sl_buf *buf, size_t more)
{
    size_t need;
    if (__builtin_add_overflow(buf->len, more, &need) || need >= SIZE_MAX / 2)
        need = SIZE_MAX / 2; /* no such memory: the allocation aborts */
    if (need < buf->cap)
        return;
    size_t cap = buf->cap > 0 ? buf->cap : BUF_FIRST_BYTES;
    while (cap <= need)
        cap *= 2;
    buf->data = sl_realloc_array(buf->data, cap, 1);
    buf->cap = cap;
}

void sl_buf_add(struct sl_buf *buf, const void *bytes, size_t len)
{
    reserve(buf, len);
    if (len > 0)
        memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void sl_buf_str(struct sl_buf *buf, const char *text)
{
    if (text != NULL)
        sl_buf_add(buf, text, strlen(text));
}

void sl_buf_char(struct sl_buf *buf, char c)
{
    reserve(buf, 1);
    buf->data[buf->len++] = c;
    buf->data[buf->len] = '\0';
}

void sl_buf_printf(struct sl_buf *buf, const char *fmt, ...)
{
    va_list args, again;
    reserve(buf, 0);
    size_t room = buf->cap - buf->len;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(buf->data + buf->len, room, fmt, args);
    va_end(args);
    if (len >= 0 && (size_t)len >= room) {
        reserve(buf, (size_t)len);
        vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
    }
    buf->len += len < 0 ? 0 : (size_t)len;
    buf->data[buf->len] = '\0';
    va_end(again);
}

const char *sl_buf_text(const struct sl_buf *buf)
{
    return buf->data != NULL ? buf->data : "";
}

bool sl_str_eq(const char *a, const char *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return strcmp(a, b) == 0;
}

static bool continues(unsigned char byte)
{
    return (byte & 0xC0) == 0x80;
}

size_t sl_utf8_length(const unsigned char *bytes, size_t left)
{
    unsigned char first = bytes[0];
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4 || left < 2 || !continues(bytes[1]))
        return 0;
    if (first < 0xE0)
        return 2;
    if (left < 3 || !continues(bytes[2]))
        return 0;
    if (first < 0xF0) {
        bool overlong = first == 0xE0 && bytes[1] < 0xA0;
        bool surrogate = first == 0xED && bytes[1] > 0x9F;
        return overlong || surrogate ? 0 : 3;
    }
    bool overlong = first == 0xF0 && bytes[1] < 0x90;
    bool beyond = first == 0xF4 && bytes[1] > 0x8F;
    return left < 4 || !continues(bytes[3]) || overlong || beyond ? 0 : 4;
}

size_t sl_utf8_encode(uint32_t character, char *out)
{
    if (character < 0x80) {
        out[0] = (char)character;
        return 1;
    }
    size_t len = character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (character & 0x3F));
        character >>= 6;
    }
    out[0] = (char)(lead[len] | character);
    return len;
}

static uint64_t word_at(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Runs over every message: 32 bytes of ASCII at a step, characters one by one only where there are others. */
bool sl_utf8_valid(const char *bytes, size_t len)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t left = len;
    while (left > 0) {
        while (left >= 32 && ((word_at(at) | word_at(at + 8) | word_at(at + 16) | word_at(at + 24)) & HIGH_BITS) == 0) {
            at += 32;
            left -= 32;
        }
        size_t step = left > 32 ? 32 : left;
        for (size_t done = 0; done < step;) {
            size_t n = sl_utf8_length(at, left);
            if (n == 0)
                return false;
            at += n;
            left -= n;
            done += n;
        }
    }
    return true;
}
