/* str.h - growing text buffer, and small text helpers. One thread at a time. */
#ifndef SLUICE_STR_H
#define SLUICE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sl_buf { /* open: zero-initialised is valid and empty; sl_buf_fini() frees */
    char *data; /* NUL-terminated whenever non-NULL */
    size_t len, cap;
};

void sl_buf_init(struct sl_buf *buf);
void sl_buf_fini(struct sl_buf *buf);
void sl_buf_clear(struct sl_buf *buf); /* len = 0, keeps the memory */
void sl_buf_add(struct sl_buf *buf, const void *bytes, size_t len);
void sl_buf_str(struct sl_buf *buf, const char *text);
void sl_buf_char(struct sl_buf *buf, char c);
void sl_buf_printf(struct sl_buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *sl_buf_text(const struct sl_buf *buf); /* "" when empty; borrowed */

bool sl_str_eq(const char *a, const char *b);      /* NULL equals only NULL */
bool sl_utf8_valid(const char *bytes, size_t len); /* no surrogates, no overlongs, <= U+10FFFF */

/* The candidate nearest to `word` by edit distance, or NULL when none is within a third of its length (at least 2, and less than the
 * whole word). The first of equals. Borrowed. */
const char *sl_str_nearest(const char *word, const char *const *candidates, size_t n);

/* The whole of `text` as a decimal integer: no blanks, no plus, no overflow. */
bool sl_parse_i64(const char *text, int64_t *out);
bool sl_parse_double(const char *text, double *out); /* finite, whole text, C locale whatever setlocale says */

/* "5m", "30d", "4h", "60s", "250ms", "0d": whole number and unit (ms s m h d); false otherwise or on overflow. */
bool sl_duration_parse(const char *text, int64_t *out_ms);
/* The largest unit that divides it: 300000 -> "5m". Into `out` of at least 32 bytes; returns out. */
char *sl_duration_format(int64_t ms, char *out);

/* A growing map from text to a pointer (keys are copied, values borrowed). */
struct sl_map;
struct sl_map *sl_map_create(void);
void sl_map_destroy(struct sl_map **map);
void *sl_map_get(const struct sl_map *map, const char *key);       /* NULL when absent */
void sl_map_put(struct sl_map *map, const char *key, void *value); /* replaces */
size_t sl_map_count(const struct sl_map *map);

#endif
