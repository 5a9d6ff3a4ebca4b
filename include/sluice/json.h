/* json.h - deterministic JSON writing into a buffer (reading is jansson's). Same calls, same bytes. One thread at a time.
 * Numbers by our own formatter: integers as they are; doubles shortest that reads back equal, "85.0" for whole ones; non-finite ones become null. */
#ifndef SLUICE_JSON_H
#define SLUICE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/date.h>
#include <sluice/mem.h>
#include <sluice/str.h>

struct sl_json { /* open for embedding; borrows the buffer */
    struct sl_buf *out;
    bool comma; /* a value was written at this level */
};

void sl_json_init(struct sl_json *json, struct sl_buf *out);
void sl_json_object(struct sl_json *json); /* {  */
void sl_json_end_object(struct sl_json *json);
void sl_json_array(struct sl_json *json); /* [  */
void sl_json_end_array(struct sl_json *json);
void sl_json_key(struct sl_json *json, const char *key);
void sl_json_str(struct sl_json *json, const char *text); /* NULL writes null; invalid UTF-8 bytes become U+FFFD */
void sl_json_strn(struct sl_json *json, const char *text, size_t len);
void sl_json_int(struct sl_json *json, int64_t value);
void sl_json_double(struct sl_json *json, double value);
void sl_json_bool(struct sl_json *json, bool value);
void sl_json_null(struct sl_json *json);
void sl_json_raw(struct sl_json *json, const char *text, size_t len); /* valid JSON, copied as it is */
void sl_json_date(struct sl_json *json, sl_date date);                /* SL_DATE_NONE writes null */
void sl_json_time(struct sl_json *json, int64_t us);                  /* 0 or less writes null */

/* key and value in one call */
void sl_json_put_str(struct sl_json *json, const char *key, const char *text);
void sl_json_put_int(struct sl_json *json, const char *key, int64_t value);
void sl_json_put_double(struct sl_json *json, const char *key, double value);
void sl_json_put_bool(struct sl_json *json, const char *key, bool value);
void sl_json_put_null(struct sl_json *json, const char *key);
void sl_json_put_date(struct sl_json *json, const char *key, sl_date date);
void sl_json_put_time(struct sl_json *json, const char *key, int64_t us);
void sl_json_put_strs(struct sl_json *json, const char *key, const char *const *texts, size_t n);

/* A JSON array of texts, in the arena. */
const char *sl_json_names(const char *const *names, size_t n, struct sl_arena *arena);

#endif
