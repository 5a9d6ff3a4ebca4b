/* json_scan.c - the scanner.
 * Raw UTF-8 is checked first, in one fast pass. Then the text is walked once, by functions that mirror the grammar
 * and call each other at most SL_JSON_MAX_DEPTH deep. The first fault ends the walk; a big object that is still open
 * then may hold an earlier duplicate key, so that is asked last (json_keys.h). Nothing is allocated but unescaped
 * keys, in the arena, and the keys beyond the 64th that are open at once. */
#include "json_scan.h"

#include <stdint.h>
#include <string.h>

#include <sluice/str.h>

#include "json_keys.h"

_Static_assert(sizeof(((struct sl_json_keys *)0)->bases) / sizeof(size_t) == SL_JSON_MAX_DEPTH, "an object per level");

struct scan {
    const char *start, *p, *end;
    struct sl_arena *arena;
    sl_json_visit *visit;
    void *context;
    unsigned depth; /* of open objects and arrays */
    bool failed;
    enum sl_reject reject;
    size_t fault_at;
    const char *expected; /* for not_json: what the grammar wants here */
    struct sl_json_key twice;
    struct sl_json_keys keys;
};

static bool scan_value(struct scan *scan, struct sl_json_value *value);

/* ---- faults ---- */

static bool fault(struct scan *scan, enum sl_reject reject, const char *at)
{
    scan->failed = true;
    scan->reject = reject;
    scan->fault_at = (size_t)(at - scan->start);
    return false;
}

static bool not_json(struct scan *scan, const char *expected)
{
    scan->expected = expected;
    return fault(scan, SL_REJECT_NOT_JSON, scan->p);
}

/* ---- strings ---- */

/* At the backslash of "\uXXXX". */
static bool scan_unicode_escape(struct scan *scan)
{
    const char *at = scan->p;
    int32_t code = sl_json_hex4(at + 2, scan->end), low = -1;
    if (code < 0)
        return not_json(scan, "four hexadecimal digits after \\u");
    if (code == 0)
        return fault(scan, SL_REJECT_NUL, at);
    scan->p += 6;
    if (sl_json_is_low(code))
        return fault(scan, SL_REJECT_BAD_UTF8, at);
    if (!sl_json_is_high(code))
        return true;
    if (scan->end - scan->p >= 2 && scan->p[0] == '\\' && scan->p[1] == 'u')
        low = sl_json_hex4(scan->p + 2, scan->end);
    if (!sl_json_is_low(low))
        return fault(scan, SL_REJECT_BAD_UTF8, at);
    scan->p += 6;
    return true;
}

static bool scan_escape(struct scan *scan)
{
    if (scan->end - scan->p < 2 || scan->p[1] == '\0' || !strchr("\"\\/bfnrtu", scan->p[1]))
        return not_json(scan, "a valid escape after the backslash");
    if (scan->p[1] == 'u')
        return scan_unicode_escape(scan);
    scan->p += 2;
    return true;
}

/* The next quote, backslash or control character, eight bytes at a time. A byte of `word` that is 0 sets its high
 * bit in (word - ONES) & ~word; bytes with the high bit set (UTF-8) never match. */
static const char *skip_plain(const char *p, const char *end)
{
    static const uint64_t ONES = UINT64_C(0x0101010101010101), HIGHS = UINT64_C(0x8080808080808080);
    uint64_t word, quote, backslash, hit;
    while ((size_t)(end - p) >= sizeof word) {
        memcpy(&word, p, sizeof word);
        quote = word ^ (ONES * '"');
        backslash = word ^ (ONES * '\\');
        hit = ((word - ONES * 0x20) & ~word) | ((quote - ONES) & ~quote) | ((backslash - ONES) & ~backslash);
        if (hit & HIGHS)
            break;
        p += sizeof word;
    }
    while (p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20)
        p++;
    return p;
}

/* At the opening quote. */
static bool scan_string(struct scan *scan, struct sl_json_value *value)
{
    value->kind = SL_JSON_STRING;
    value->at = scan->p++;
    value->escaped = false;
    for (;;) {
        scan->p = skip_plain(scan->p, scan->end);
        if (scan->p == scan->end)
            return not_json(scan, "the closing quote of a string");
        if (*scan->p == '"')
            break;
        if (*scan->p != '\\')
            return not_json(scan, "no raw control character in a string");
        value->escaped = true;
        if (!scan_escape(scan))
            return false;
    }
    scan->p++;
    value->len = (size_t)(scan->p - value->at);
    return true;
}

/* ---- numbers and words ---- */

static size_t scan_digits(struct scan *scan)
{
    const char *from = scan->p;
    while (scan->p < scan->end && *scan->p >= '0' && *scan->p <= '9')
        scan->p++;
    return (size_t)(scan->p - from);
}

static bool at_char(const struct scan *scan, char c)
{
    return scan->p < scan->end && *scan->p == c;
}

static bool scan_fraction(struct scan *scan)
{
    if (!at_char(scan, '.'))
        return true;
    scan->p++;
    return scan_digits(scan) > 0 || not_json(scan, "a digit after the decimal point");
}

static bool scan_exponent(struct scan *scan)
{
    if (!at_char(scan, 'e') && !at_char(scan, 'E'))
        return true;
    scan->p++;
    if (at_char(scan, '+') || at_char(scan, '-'))
        scan->p++;
    return scan_digits(scan) > 0 || not_json(scan, "a digit in the exponent");
}

static bool scan_number(struct scan *scan, struct sl_json_value *value)
{
    value->kind = SL_JSON_NUMBER;
    value->at = scan->p;
    if (at_char(scan, '-'))
        scan->p++;
    if (at_char(scan, '0'))
        scan->p++;
    else if (scan_digits(scan) == 0)
        return not_json(scan, "a digit after the minus sign");
    if (!scan_fraction(scan) || !scan_exponent(scan))
        return false;
    value->len = (size_t)(scan->p - value->at);
    return true;
}

static bool scan_word(struct scan *scan, const char *word, enum sl_json_kind kind, struct sl_json_value *value)
{
    size_t len = strlen(word);
    if ((size_t)(scan->end - scan->p) < len || memcmp(scan->p, word, len) != 0)
        return not_json(scan, "a JSON value");
    value->kind = kind;
    value->at = scan->p;
    value->len = len;
    scan->p += len;
    return true;
}

/* ---- objects and arrays ---- */

static bool push_key(struct scan *scan, const struct sl_json_value *string, struct sl_json_member *member)
{
    size_t at = (size_t)(string->at - scan->start);
    member->key = string->at + 1;
    member->key_len = string->len - 2;
    if (string->escaped)
        member->key = sl_json_text(string, scan->arena, &member->key_len);
    return sl_json_keys_push(&scan->keys, member->key, member->key_len, at) || fault(scan, SL_REJECT_DUPLICATE_KEY, string->at);
}

static void skip_space(struct scan *scan)
{
    while (scan->p < scan->end && (*scan->p == ' ' || *scan->p == '\n' || *scan->p == '\t' || *scan->p == '\r'))
        scan->p++;
}

/* At the opening bracket: moves behind it and the space after it. */
static bool enter(struct scan *scan)
{
    if (scan->depth == SL_JSON_MAX_DEPTH)
        return fault(scan, SL_REJECT_TOO_DEEP, scan->p);
    scan->depth++;
    scan->p++;
    skip_space(scan);
    return true;
}

static bool scan_key(struct scan *scan, struct sl_json_member *member)
{
    struct sl_json_value string;
    if (!at_char(scan, '"'))
        return not_json(scan, "a key in double quotes");
    if (!scan_string(scan, &string) || !push_key(scan, &string, member))
        return false;
    skip_space(scan);
    if (!at_char(scan, ':'))
        return not_json(scan, "a colon after the key");
    scan->p++;
    skip_space(scan);
    return true;
}

/* `key: value` of an object, or the value of an array; and the space after it. */
static bool scan_member(struct scan *scan, bool keyed, struct sl_json_member *member)
{
    member->raw = scan->p;
    if (keyed && !scan_key(scan, member))
        return false;
    if (!scan_value(scan, &member->value))
        return false;
    member->raw_len = (size_t)(scan->p - member->raw);
    if (scan->depth == 1 && scan->visit)
        scan->visit(scan->context, member);
    member->index++;
    skip_space(scan);
    return true;
}

/* From behind the opening bracket to behind `close`. */
static bool scan_members(struct scan *scan, bool keyed, char close)
{
    struct sl_json_member member = {0};
    if (at_char(scan, close)) {
        scan->p++;
        return true;
    }
    for (;;) {
        if (!scan_member(scan, keyed, &member))
            return false;
        if (at_char(scan, close))
            break;
        if (!at_char(scan, ','))
            return not_json(scan, keyed ? "a comma or the closing brace of an object" : "a comma or the closing bracket of a list");
        scan->p++;
        skip_space(scan);
    }
    scan->p++;
    return true;
}

static bool scan_array(struct scan *scan, struct sl_json_value *value)
{
    value->kind = SL_JSON_ARRAY;
    value->at = scan->p;
    if (!enter(scan) || !scan_members(scan, false, ']'))
        return false;
    scan->depth--;
    value->len = (size_t)(scan->p - value->at);
    return true;
}

static bool scan_object(struct scan *scan, struct sl_json_value *value)
{
    value->kind = SL_JSON_OBJECT;
    value->at = scan->p;
    if (!enter(scan))
        return false;
    sl_json_keys_open(&scan->keys);
    if (!scan_members(scan, true, '}'))
        return false;
    if (!sl_json_keys_distinct(&scan->keys))
        return fault(scan, SL_REJECT_DUPLICATE_KEY, scan->p);
    sl_json_keys_close(&scan->keys);
    scan->depth--;
    value->len = (size_t)(scan->p - value->at);
    return true;
}

static bool scan_value(struct scan *scan, struct sl_json_value *value)
{
    value->escaped = false;
    if (scan->p == scan->end)
        return not_json(scan, "a JSON value");
    switch (*scan->p) {
    case '{': return scan_object(scan, value);
    case '[': return scan_array(scan, value);
    case '"': return scan_string(scan, value);
    case 't': return scan_word(scan, "true", SL_JSON_BOOL, value);
    case 'f': return scan_word(scan, "false", SL_JSON_BOOL, value);
    case 'n': return scan_word(scan, "null", SL_JSON_NULL, value);
    default: break;
    }
    if (*scan->p == '-' || (*scan->p >= '0' && *scan->p <= '9'))
        return scan_number(scan, value);
    return not_json(scan, "a JSON value");
}

static bool scan_text(struct scan *scan, struct sl_json_value *root)
{
    size_t len = (size_t)(scan->end - scan->start);
    if (!sl_utf8_valid(scan->start, len))
        return fault(scan, SL_REJECT_BAD_UTF8, scan->start + sl_json_bad_utf8(scan->start, len));
    skip_space(scan);
    if (!scan_value(scan, root))
        return false;
    skip_space(scan);
    return scan->p == scan->end || not_json(scan, "nothing after the JSON value");
}

/* After a fault: of it and the duplicates that nobody has looked for yet, the one that comes first in the text. */
static void settle_fault(struct scan *scan)
{
    if (sl_json_keys_earliest(&scan->keys, &scan->twice) && scan->twice.at <= scan->fault_at)
        fault(scan, SL_REJECT_DUPLICATE_KEY, scan->start + scan->twice.at);
}

/* ---- the sentence ---- */

static void say_not_json(const struct scan *scan, struct sl_err *err)
{
    size_t at = scan->fault_at, len = (size_t)(scan->end - scan->start);
    unsigned char found = at < len ? (unsigned char)scan->start[at] : 0;
    if (len == 0)
        sl_fail(err, SL_INVALID, "the body is empty; expected a JSON object");
    else if (at == 0 && len >= 3 && memcmp(scan->start, "\xEF\xBB\xBF", 3) == 0)
        sl_fail(err, SL_INVALID, "the body is not JSON: it begins with a byte order mark; expected none");
    else if (at == len)
        sl_fail(err, SL_INVALID, "the body is not JSON: it ends after %zu bytes; expected %s", len, scan->expected);
    else if (found > 0x20 && found < 0x7F)
        sl_fail(err, SL_INVALID, "the body is not JSON: '%c' at offset %zu; expected %s", found, at, scan->expected);
    else
        sl_fail(err, SL_INVALID, "the body is not JSON: byte 0x%02x at offset %zu; expected %s", found, at, scan->expected);
}

static void say_duplicate(const struct scan *scan, struct sl_err *err)
{
    char key[SL_JSON_SHOWN_BYTES];
    sl_json_show(scan->twice.text, scan->twice.len, key);
    sl_fail(err, SL_INVALID, "the key \"%s\" at offset %zu is in its object twice; expected each key once", key, scan->fault_at);
}

static void say_fault(const struct scan *scan, struct sl_err *err)
{
    size_t at = scan->fault_at;
    if (scan->reject == SL_REJECT_NOT_JSON)
        say_not_json(scan, err);
    else if (scan->reject == SL_REJECT_DUPLICATE_KEY)
        say_duplicate(scan, err);
    else if (scan->reject == SL_REJECT_TOO_DEEP)
        sl_fail(err, SL_INVALID, "the bracket at offset %zu opens level %d; expected at most %d levels", at, SL_JSON_MAX_DEPTH + 1,
                SL_JSON_MAX_DEPTH);
    else if (scan->reject == SL_REJECT_NUL)
        sl_fail(err, SL_INVALID, "the string has \\u0000 at offset %zu; expected no NUL in a string", at);
    else if (scan->start[at] == '\\')
        sl_fail(err, SL_INVALID, "the escape at offset %zu is half of a surrogate pair; expected both halves", at);
    else
        sl_fail(err, SL_INVALID, "byte 0x%02x at offset %zu is not UTF-8; expected valid UTF-8", (unsigned char)scan->start[at], at);
}

static void scan_init(struct scan *scan, const char *text, size_t len)
{
    scan->start = scan->p = len > 0 ? text : "";
    scan->end = scan->start + len;
    scan->depth = 0;
    scan->failed = false;
    sl_json_keys_init(&scan->keys);
}

bool sl_json_scan(const char *text, size_t len, sl_json_visit *visit, void *context, struct sl_arena *arena, struct sl_json_value *root,
                  enum sl_reject *reject, struct sl_err *err)
{
    struct scan scan; /* not zeroed as a whole: the room for keys is most of it */
    if (len > SL_JSON_MAX_BYTES) {
        *reject = SL_REJECT_TOO_LARGE;
        sl_fail(err, SL_INVALID, "the text has %zu bytes; expected at most %d", len, SL_JSON_MAX_BYTES);
        return false;
    }
    scan_init(&scan, text, len);
    scan.arena = arena;
    scan.visit = visit;
    scan.context = context;
    if (!scan_text(&scan, root)) {
        settle_fault(&scan);
        *reject = scan.reject;
        say_fault(&scan, err);
    }
    sl_json_keys_fini(&scan.keys);
    return !scan.failed;
}
