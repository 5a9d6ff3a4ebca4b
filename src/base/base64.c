/* base64.c - three bytes are four characters. */
#include <sluice/base64.h>

#include <stdint.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *sl_base64_encode(const void *bytes, size_t len, struct sl_arena *arena)
{
    const unsigned char *in = bytes;
    char *out = sl_arena_alloc(arena, (len + 2) / 3 * 4 + 1), *p = out;
    for (size_t i = 0; i < len; i += 3) {
        const size_t have = len - i < 3 ? len - i : 3;
        const unsigned bits = (unsigned)in[i] << 16 | (have > 1 ? (unsigned)in[i + 1] << 8 : 0) | (have > 2 ? in[i + 2] : 0);
        *p++ = DIGITS[bits >> 18 & 63];
        *p++ = DIGITS[bits >> 12 & 63];
        *p++ = have > 1 ? DIGITS[bits >> 6 & 63] : '=';
        *p++ = have > 2 ? DIGITS[bits & 63] : '=';
    }
    return out;
}

/* -1: no digit */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Without the padding, of which there is as much as is needed or none. */
static bool cut_padding(const char *text, size_t *len)
{
    size_t digits = *len;
    while (digits > 0 && *len - digits < 2 && text[digits - 1] == '=')
        digits--;
    if (digits != *len && *len % 4 != 0)
        return false;
    *len = digits;
    return digits % 4 != 1;
}

bool sl_base64_decode(const char *text, size_t len, struct sl_arena *arena, char **out, size_t *out_len)
{
    uint32_t bits = 0;
    int n_bits = 0;
    size_t n = 0;
    if (!cut_padding(text, &len))
        return false;
    char *bytes = sl_arena_alloc(arena, len / 4 * 3 + 3);
    for (size_t i = 0; i < len; i++) {
        const int value = value_of(text[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            bytes[n++] = (char)(unsigned char)(bits >> n_bits & 0xFF);
        }
    }
    *out = bytes;
    *out_len = n;
    return (bits & ((UINT32_C(1) << n_bits) - 1)) == 0;
}
