/* json.c - JSON into a buffer, compact, in the order of the calls. One flag knows whether a comma is due: it is cleared by an
 * opening bracket and by a key, and set by every value that ended. */
#include <sluice/json.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "utf8_internal.h"

void sl_json_init(struct sl_json *json, struct sl_buf *out)
{
    *json = (struct sl_json){.out = out, .comma = false};
}

/* What stands before a value, and what holds after it. */
static struct sl_buf *value(struct sl_json *json)
{
    if (json->comma)
        sl_buf_char(json->out, ',');
    json->comma = true;
    return json->out;
}

void sl_json_object(struct sl_json *json)
{
    sl_buf_char(value(json), '{');
    json->comma = false;
}

void sl_json_end_object(struct sl_json *json)
{
    sl_buf_char(json->out, '}');
    json->comma = true;
}

void sl_json_array(struct sl_json *json)
{
    sl_buf_char(value(json), '[');
    json->comma = false;
}

void sl_json_end_array(struct sl_json *json)
{
    sl_buf_char(json->out, ']');
    json->comma = true;
}

static void escape(struct sl_buf *out, unsigned char c)
{
    switch (c) {
    case '"': sl_buf_add(out, "\\\"", 2); break;
    case '\\': sl_buf_add(out, "\\\\", 2); break;
    case '\b': sl_buf_add(out, "\\b", 2); break;
    case '\f': sl_buf_add(out, "\\f", 2); break;
    case '\n': sl_buf_add(out, "\\n", 2); break;
    case '\r': sl_buf_add(out, "\\r", 2); break;
    case '\t': sl_buf_add(out, "\\t", 2); break;
    default: sl_buf_printf(out, "\\u%04x", c); break;
    }
}

/* Bytes at `at` that go as they are: a character that needs no escape; 0 for any other. */
static inline size_t unescaped(const unsigned char *at, size_t left)
{
    if (*at < 0x20 || *at == '"' || *at == '\\')
        return 0;
    return *at < 0x80 ? 1 : sl_utf8_length(at, left);
}

static void quote(struct sl_buf *out, const char *text, size_t len)
{
    const unsigned char *at = (const unsigned char *)text;
    sl_buf_char(out, '"');
    for (size_t i = 0, clean = 0; i < len; clean = i) {
        for (size_t n; i < len && (n = unescaped(at + i, len - i)) > 0;)
            i += n;
        sl_buf_add(out, text + clean, i - clean);
        if (i == len)
            break;
        if (at[i] >= 0x80)
            sl_buf_add(out, "\xEF\xBF\xBD", 3);
        else
            escape(out, at[i]);
        i++;
    }
    sl_buf_char(out, '"');
}

void sl_json_key(struct sl_json *json, const char *key)
{
    struct sl_buf *out = value(json);
    quote(out, key, strlen(key));
    sl_buf_char(out, ':');
    json->comma = false;
}

void sl_json_strn(struct sl_json *json, const char *text, size_t len)
{
    if (text == NULL)
        sl_json_null(json);
    else
        quote(value(json), text, len);
}

void sl_json_str(struct sl_json *json, const char *text)
{
    sl_json_strn(json, text, text == NULL ? 0 : strlen(text));
}

void sl_json_int(struct sl_json *json, int64_t number)
{
    char text[24], *end = text + sizeof(text), *at = end;
    uint64_t left = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do
        *--at = (char)('0' + left % 10);
    while ((left /= 10) > 0);
    if (number < 0)
        *--at = '-';
    sl_buf_add(value(json), at, (size_t)(end - at));
}

/* `number` with `digits` significant digits; whatever the locale's decimal point is becomes ".". */
static void print_double(char *out, size_t size, double number, int digits)
{
    char raw[48];
    snprintf(raw, sizeof(raw), "%.*g", digits, number);
    size_t n = 0;
    for (const char *at = raw; *at != '\0' && n + 1 < size;) {
        size_t plain = strspn(at, "0123456789+-e");
        if (plain > size - 1 - n)
            plain = size - 1 - n;
        memcpy(out + n, at, plain);
        n += plain;
        at += plain;
        if (*at != '\0' && n + 1 < size)
            out[n++] = '.';
        at += strcspn(at, "0123456789+-e");
    }
    out[n] = '\0';
}

void sl_json_double(struct sl_json *json, double number)
{
    if (!isfinite(number)) {
        sl_json_null(json);
        return;
    }
    char text[48];
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        print_double(text, sizeof(text), number, digits);
        if (sl_parse_double(text, &back) && !(back < number) && !(back > number))
            break;
    }
    struct sl_buf *out = value(json);
    sl_buf_str(out, text);
    if (strpbrk(text, ".e") == NULL)
        sl_buf_add(out, ".0", 2);
}

void sl_json_bool(struct sl_json *json, bool truth)
{
    sl_buf_str(value(json), truth ? "true" : "false");
}

void sl_json_null(struct sl_json *json)
{
    sl_buf_str(value(json), "null");
}

void sl_json_raw(struct sl_json *json, const char *text, size_t len)
{
    sl_buf_add(value(json), text, len);
}

void sl_json_date(struct sl_json *json, sl_date date)
{
    char text[SL_DATE_LEN + 1];
    sl_json_str(json, date == SL_DATE_NONE ? NULL : sl_date_format(date, text));
}

void sl_json_time(struct sl_json *json, int64_t us)
{
    char text[SL_TIME_LEN + 1];
    sl_json_str(json, us <= 0 ? NULL : sl_time_format(us, text));
}

void sl_json_put_str(struct sl_json *json, const char *key, const char *text)
{
    sl_json_key(json, key);
    sl_json_str(json, text);
}

void sl_json_put_int(struct sl_json *json, const char *key, int64_t number)
{
    sl_json_key(json, key);
    sl_json_int(json, number);
}

void sl_json_put_double(struct sl_json *json, const char *key, double number)
{
    sl_json_key(json, key);
    sl_json_double(json, number);
}

void sl_json_put_bool(struct sl_json *json, const char *key, bool truth)
{
    sl_json_key(json, key);
    sl_json_bool(json, truth);
}

void sl_json_put_null(struct sl_json *json, const char *key)
{
    sl_json_key(json, key);
    sl_json_null(json);
}

void sl_json_put_date(struct sl_json *json, const char *key, sl_date date)
{
    sl_json_key(json, key);
    sl_json_date(json, date);
}

void sl_json_put_time(struct sl_json *json, const char *key, int64_t us)
{
    sl_json_key(json, key);
    sl_json_time(json, us);
}

static void put_array(struct sl_json *json, const char *const *texts, size_t n)
{
    sl_json_array(json);
    for (size_t i = 0; i < n; i++)
        sl_json_str(json, texts[i]);
    sl_json_end_array(json);
}

void sl_json_put_strs(struct sl_json *json, const char *key, const char *const *texts, size_t n)
{
    sl_json_key(json, key);
    put_array(json, texts, n);
}

const char *sl_json_names(const char *const *names, size_t n, struct sl_arena *arena)
{
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    put_array(&json, names, n);
    const char *out = sl_arena_strndup(arena, sl_buf_text(&text), text.len);
    sl_buf_fini(&text);
    return out;
}
