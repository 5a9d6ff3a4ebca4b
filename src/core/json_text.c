/* json_text.c - the text inside JSON: escapes, faulty UTF-8, and where a value ends. */
#include "json_scan.h"

#include <stdio.h>
#include <string.h>

#include <sluice/str.h>

#define SHOWN_MAX 64

const char *sl_json_kind_name(enum sl_json_kind kind)
{
    static const char *const NAMES[] = {"null", "a boolean", "a number", "a string", "a list", "an object"};
    return NAMES[kind];
}

bool sl_json_key_is(const struct sl_json_member *member, const char *name)
{
    return member->key && strlen(name) == member->key_len && memcmp(name, member->key, member->key_len) == 0;
}

bool sl_json_is_integer(const struct sl_json_value *number)
{
    for (size_t i = 0; i < number->len; i++)
        if (number->at[i] != '-' && (number->at[i] < '0' || number->at[i] > '9'))
            return false;
    return true;
}

/* Walks by what each lead byte promises; sl_utf8_valid() judges the character. */
size_t sl_json_bad_utf8(const char *text, size_t len)
{
    size_t at = 0;
    while (at < len) {
        unsigned char lead = (unsigned char)text[at];
        size_t n = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (n > len - at || !sl_utf8_valid(text + at, n))
            return at;
        at += n;
    }
    return len;
}

/* ---- escapes ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int32_t sl_json_hex4(const char *p, const char *end)
{
    int32_t code = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        code = code * 16 + digit;
    }
    return code;
}

bool sl_json_is_high(int32_t code)
{
    return code >= 0xD800 && code <= 0xDBFF;
}

bool sl_json_is_low(int32_t code)
{
    return code >= 0xDC00 && code <= 0xDFFF;
}

static char *put_utf8(char *out, int32_t code)
{
    static const unsigned char LEADS[] = {0, 0, 0xC0, 0xE0, 0xF0};
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(LEADS[len] | code);
    return out + len;
}

/* One escape of a scanned string: *p is at its backslash and moves behind it. */
static char *unescape_one(char *out, const char **p, const char *end)
{
    static const char FROM[] = "\"\\/bfnrt", TO[] = "\"\\/\b\f\n\r\t";
    int32_t code;
    if ((*p)[1] != 'u') {
        *out = TO[strchr(FROM, (*p)[1]) - FROM];
        *p += 2;
        return out + 1;
    }
    code = sl_json_hex4(*p + 2, end);
    *p += 6;
    if (sl_json_is_high(code)) {
        code = 0x10000 + ((code - 0xD800) << 10) + (sl_json_hex4(*p + 2, end) - 0xDC00);
        *p += 6;
    }
    return put_utf8(out, code);
}

/* Unescaped text is never longer than its source, whose quotes leave room for the NUL. */
char *sl_json_text(const struct sl_json_value *string, struct sl_arena *arena, size_t *len)
{
    const char *p = string->at + 1, *end = string->at + string->len - 1;
    char *text, *out;
    if (!string->escaped) {
        *len = string->len - 2;
        return sl_arena_strndup(arena, p, *len);
    }
    text = out = sl_arena_alloc(arena, string->len);
    while (p < end) {
        if (*p == '\\')
            out = unescape_one(out, &p, end);
        else
            *out++ = *p++;
    }
    *len = (size_t)(out - text);
    return text;
}

/* ---- in a sentence ---- */

/* The next character of [p, end) as it is shown, into `out`: its length in the text is returned. `raw`: the text is
 * JSON already, and quotes and backslashes stay. */
static size_t show_char(const char *p, const char *end, bool raw, char *out)
{
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (n > (size_t)(end - p) || !sl_utf8_valid(p, n)) {
        strcpy(out, "?");
        return 1;
    }
    bool c1 = n == 2 && c == 0xC2 && (unsigned char)p[1] < 0xA0;
    if (raw && c < 0x20)
        strcpy(out, " "); /* line ends between the values of a list */
    else if (c < 0x20 || c == 0x7F || c1)
        snprintf(out, 8, "\\u%04x", c1 ? (unsigned char)p[1] : c);
    else
        snprintf(out, 8, "%s%.*s", !raw && (c == '"' || c == '\\') ? "\\" : "", (int)n, p);
    return n;
}

/* 64 bytes are at most 64 times "\uXXXX": 384 and the dots fit into SL_JSON_SHOWN_BYTES. */
static char *show(const char *text, size_t len, bool raw, char *out)
{
    const char *p = text, *end = text + len;
    char *to = out, shown[8];
    *to = '\0';
    while (p < end) {
        size_t n = show_char(p, end, raw, shown);
        if ((size_t)(p - text) + n > SHOWN_MAX)
            break;
        to = stpcpy(to, shown);
        p += n;
    }
    if (p < end)
        strcpy(to, raw && text[0] == '"' ? "...\"" : "...");
    return out;
}

char *sl_json_show(const char *text, size_t len, char *out)
{
    return show(text, len, false, out);
}

char *sl_json_show_value(const struct sl_json_value *value, char *out)
{
    return show(value->at, value->len, true, out);
}

/* ---- where a value ends ---- */

/* From the opening quote to behind the closing one; 0 when there is none. */
static size_t string_extent(const char *text, size_t len)
{
    for (size_t i = 1; i < len; i++) {
        if (text[i] == '"')
            return i + 1;
        if (text[i] == '\\')
            i++;
    }
    return 0;
}

static size_t bracketed_extent(const char *text, size_t len)
{
    size_t depth = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '"') {
            size_t n = string_extent(text + i, len - i);
            if (n == 0)
                return 0;
            i += n - 1;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        if (depth == 0)
            return i + 1;
    }
    return 0;
}

size_t sl_json_extent(const char *text, size_t len)
{
    if (len > 0 && text[0] == '"')
        return string_extent(text, len);
    if (len > 0 && (text[0] == '{' || text[0] == '['))
        return bracketed_extent(text, len);
    return 0;
}
