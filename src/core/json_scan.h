/* json_scan.h - a strict RFC 8259 scanner over spans: the text is checked and cut into values, nothing is converted.
 * Beyond the grammar it refuses duplicate keys on every level, nesting deeper than SL_JSON_MAX_DEPTH, NUL in a
 * string, lone surrogate escapes and invalid UTF-8. Numbers have no size. Pure; any thread. Private to src/core. */
#ifndef SLUICE_CORE_JSON_SCAN_H
#define SLUICE_CORE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/mem.h>
#include <sluice/names.h>

#define SL_JSON_MAX_DEPTH 32
#define SL_JSON_MAX_BYTES 0x7fffffff /* offsets are 32 bits */

enum sl_json_kind { SL_JSON_NULL, SL_JSON_BOOL, SL_JSON_NUMBER, SL_JSON_STRING, SL_JSON_ARRAY, SL_JSON_OBJECT };

/* "a string", "an object", ...: static storage. */
const char *sl_json_kind_name(enum sl_json_kind kind);

struct sl_json_value { /* open: a value; borrows the text */
    enum sl_json_kind kind;
    const char *at; /* the bytes as they are: a string with its quotes, an object with its braces */
    size_t len;
    bool escaped; /* a string with at least one backslash */
};

struct sl_json_member { /* open: a value; borrows the text or the arena */
    const char *key;    /* unescaped, no NUL at its end; NULL for an element of an array */
    size_t key_len;
    const char *raw; /* from the key's opening quote (or the element) to the end of the value */
    size_t raw_len;
    size_t index; /* 0, 1, ... in order of appearance */
    struct sl_json_value value;
};

/* Called for each member of the top-level object, or element of the top-level array, as soon as it is scanned: the
 * text after it may still be refused. `member` is borrowed for the call. */
typedef void sl_json_visit(void *context, const struct sl_json_member *member);

/* Scan the whole of `text` (borrowed). `visit` may be NULL. True: *root is the top-level value. False: *reject is
 * the fault that comes first in the text (invalid raw UTF-8 before all others), and err, if not NULL, has its
 * sentence. `arena` holds unescaped keys. */
bool sl_json_scan(const char *text, size_t len, sl_json_visit *visit, void *context, struct sl_arena *arena, struct sl_json_value *root,
                  enum sl_reject *reject, struct sl_err *err);

/* The text of a scanned string, unescaped, NUL-terminated, in the arena. */
char *sl_json_text(const struct sl_json_value *string, struct sl_arena *arena, size_t *len);

/* Is it the member of that name? */
bool sl_json_key_is(const struct sl_json_member *member, const char *name);

/* A number written as an integer: no fraction, no exponent. */
bool sl_json_is_integer(const struct sl_json_value *number);

/* The length of the object, array or string at the start of `text`, by its brackets and quotes alone; 0 when there
 * is none or it has no end.
 * For cutting a value out of a text that need not be valid; any depth. */
size_t sl_json_extent(const char *text, size_t len);

#define SL_JSON_SHOWN_BYTES 400

/* At most 64 bytes of `text` as they can stand between quotes in a sentence, then "..." when that is not all of it:
 * control characters become \uXXXX, quotes and backslashes get a backslash, what is not UTF-8 a question mark. Into
 * `out` of SL_JSON_SHOWN_BYTES; returns out. */
char *sl_json_show(const char *text, size_t len, char *out);
/* A value as it was sent, quotes included, cut in the same way. */
char *sl_json_show_value(const struct sl_json_value *value, char *out);

/* The offset of the first byte that is not valid UTF-8; `len` when all are. */
size_t sl_json_bad_utf8(const char *text, size_t len);

/* The code of the four hexadecimal digits at p, or -1; which half of a surrogate pair it is. */
int32_t sl_json_hex4(const char *p, const char *end);
bool sl_json_is_high(int32_t code);
bool sl_json_is_low(int32_t code);

#endif
