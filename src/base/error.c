/* error.c - sentences of bounded length. A sentence that is cut ends at a whole UTF-8 character, so that it stays valid text
 * in a log line or in the ledger. The arguments may point into the error itself. */
#include <sluice/error.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Take back the bytes of a character that was cut at the end of `text`. */
static void trim_cut_character(char *text, size_t len)
{
    size_t lead = len;
    while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t want = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (want > len - lead + 1)
        text[lead - 1] = '\0';
}

static void set_text(struct sl_err *err, const char *text, size_t full_len)
{
    size_t len = strlen(text);
    memcpy(err->text, text, len + 1);
    if (full_len > len)
        trim_cut_character(err->text, len);
}

enum sl_code sl_fail(struct sl_err *err, enum sl_code code, const char *fmt, ...)
{
    if (err == NULL)
        return code;
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (len < 0)
        text[len = 0] = '\0';
    err->code = code;
    set_text(err, text, (size_t)len);
    return code;
}

enum sl_code sl_wrap(struct sl_err *err, const char *fmt, ...)
{
    char text[sizeof(err->text)];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    size_t used = len < 0 ? 0 : strnlen(text, sizeof(text) - 1);
    int rest = snprintf(text + used, sizeof(text) - used, ": %s", err->text);
    set_text(err, text, (size_t)(len < 0 ? 0 : len) + (size_t)(rest < 0 ? 0 : rest));
    return err->code;
}

const char *sl_code_name(enum sl_code code)
{
    switch (code) {
    case SL_OK: return "ok";
    case SL_INVALID: return "invalid";
    case SL_NOT_FOUND: return "not_found";
    case SL_CONFLICT: return "conflict";
    case SL_UNAVAILABLE: return "unavailable";
    case SL_DENIED: return "denied";
    case SL_CORRUPT: return "corrupt";
    case SL_INTERNAL: return "internal";
    }
    return "unknown";
}
