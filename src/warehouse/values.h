/* values.h - column types of a SQLite table and the text values that fit them.
 * Private to the warehouse. Pure. Any thread. */
#ifndef SLUICE_WAREHOUSE_VALUES_H
#define SLUICE_WAREHOUSE_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/warehouse.h>

/* "STRING", "INT64", ...: static storage. */
const char *sl_wh_type_name(enum sl_column_type type);

/* What a column of this type is declared as, so that SQLite's affinity leaves text as it is ("STRING" alone would eat leading zeros). */
const char *sl_wh_type_declare(enum sl_column_type type);
/* The type of a column from its declaration, ours or anybody's. NULL and "" are STRING. */
enum sl_column_type sl_wh_type_of(const char *declared);

/* A column that import made without having seen a value: reads as STRING, retyped by the first import that brings values. */
#define SL_WH_UNTYPED "TEXT UNTYPED"
bool sl_wh_untyped(const char *declared);
/* False when SQLite would turn text of this column that looks like a number into a number. */
bool sl_wh_keeps_text(const char *declared);

/* Types that all values seen so far have; start with SL_WH_CAN_ALL. */
#define SL_WH_CAN_INT64     1u
#define SL_WH_CAN_FLOAT64   2u
#define SL_WH_CAN_DATE      4u
#define SL_WH_CAN_TIMESTAMP 8u
#define SL_WH_CAN_ALL       15u
unsigned sl_wh_narrow(unsigned can, const char *text, size_t len);
enum sl_column_type sl_wh_infer(unsigned can);

/* The value of each type from its text (NUL-terminated, `len` bytes). False: it does not fit. */
bool sl_wh_int64(const char *text, int64_t *out);                    /* canonical: no plus, no leading zeros */
bool sl_wh_float64(const char *text, double *out);                   /* a JSON number that is finite */
bool sl_wh_timestamp(const char *text, size_t len, int64_t *out_us); /* RFC 3339 with an offset */
bool sl_wh_bool(const char *text, bool *out);                        /* true, false, 1, 0 */

#endif
