/* values.c - declarations, and the narrowing of a column's type value by value. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strcasestr */
#endif
#include "values.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Above this an integer changes when it is read as a double. */
#define EXACT_DOUBLE 9007199254740992LL

static const struct {
    enum sl_column_type type;
    const char *name, *declared;
} TYPES[] = {
    {SL_COL_STRING, "STRING", "TEXT"},
    {SL_COL_INT64, "INT64", "INTEGER"},
    {SL_COL_FLOAT64, "FLOAT64", "REAL"},
    {SL_COL_DATE, "DATE", "DATE TEXT"},
    {SL_COL_TIMESTAMP, "TIMESTAMP", "TIMESTAMP TEXT"},
    {SL_COL_BOOL, "BOOL", "BOOL INTEGER"},
    {SL_COL_JSON, "JSON", "JSON TEXT"},
};

const char *sl_wh_type_name(enum sl_column_type type)
{
    return TYPES[type].name;
}

const char *sl_wh_type_declare(enum sl_column_type type)
{
    return TYPES[type].declared;
}

/* First words of declarations; the first that matches wins. Anything else goes by SQLite's own "contains INT". */
static const struct {
    const char *prefix;
    enum sl_column_type type;
} DECLARED[] = {
    {"DATETIME", SL_COL_TIMESTAMP}, {"DATE", SL_COL_DATE},       {"TIMESTAMP", SL_COL_TIMESTAMP}, {"BOOL", SL_COL_BOOL},
    {"JSON", SL_COL_JSON},          {"REAL", SL_COL_FLOAT64},    {"FLOAT", SL_COL_FLOAT64},       {"DOUBLE", SL_COL_FLOAT64},
    {"NUMERIC", SL_COL_FLOAT64},    {"DECIMAL", SL_COL_FLOAT64}, {"TEXT", SL_COL_STRING},         {"STRING", SL_COL_STRING},
    {"VARCHAR", SL_COL_STRING},
};

enum sl_column_type sl_wh_type_of(const char *declared)
{
    if (!declared)
        return SL_COL_STRING;
    for (size_t i = 0; i < sizeof DECLARED / sizeof *DECLARED; i++)
        if (!strncasecmp(declared, DECLARED[i].prefix, strlen(DECLARED[i].prefix)))
            return DECLARED[i].type;
    return strcasestr(declared, "INT") ? SL_COL_INT64 : SL_COL_STRING;
}

bool sl_wh_untyped(const char *declared)
{
    return declared && !strcasecmp(declared, SL_WH_UNTYPED);
}

/* SQLite's rules of affinity, in their order. */
bool sl_wh_keeps_text(const char *declared)
{
    if (!declared || !*declared)
        return true;
    if (strcasestr(declared, "INT"))
        return false;
    return strcasestr(declared, "CHAR") || strcasestr(declared, "CLOB") || strcasestr(declared, "TEXT") || strcasestr(declared, "BLOB");
}

static const char *digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of the canonical integer at `p`, or NULL. */
static const char *integer(const char *p)
{
    p += *p == '-';
    const char *end = digits(p);
    return end == p || (*p == '0' && end > p + 1) ? NULL : end;
}

bool sl_wh_int64(const char *text, int64_t *out)
{
    const char *end = integer(text);
    return end && !*end && !sl_str_eq(text, "-0") && sl_parse_i64(text, out);
}

bool sl_wh_float64(const char *text, double *out)
{
    const char *p = integer(text);
    if (p && *p == '.') {
        const char *fraction = p + 1;
        p = digits(fraction) > fraction ? digits(fraction) : NULL;
    }
    if (p && (*p == 'e' || *p == 'E')) {
        const char *exponent = p + 1 + (p[1] == '+' || p[1] == '-');
        p = digits(exponent) > exponent ? digits(exponent) : NULL;
    }
    return p && !*p && sl_parse_double(text, out) && isfinite(*out);
}

bool sl_wh_timestamp(const char *text, size_t len, int64_t *out_us)
{
    bool has_offset;
    return sl_time_parse(text, len, out_us, &has_offset) && has_offset;
}

bool sl_wh_bool(const char *text, bool *out)
{
    *out = !strcasecmp(text, "true") || !strcmp(text, "1");
    return *out || !strcasecmp(text, "false") || !strcmp(text, "0");
}

/* An integer that a double can't hold stays out of FLOAT64: ids of twenty digits are text. */
static bool can_be_float(const char *text)
{
    double value;
    if (!sl_wh_float64(text, &value))
        return false;
    const char *end = integer(text);
    if (!end || *end)
        return true;
    int64_t whole;
    return sl_parse_i64(text, &whole) && whole <= EXACT_DOUBLE && whole >= -EXACT_DOUBLE;
}

unsigned sl_wh_narrow(unsigned can, const char *text, size_t len)
{
    int64_t whole, us;
    sl_date date;
    if ((can & SL_WH_CAN_INT64) && !sl_wh_int64(text, &whole))
        can &= ~SL_WH_CAN_INT64;
    if ((can & SL_WH_CAN_FLOAT64) && !can_be_float(text))
        can &= ~SL_WH_CAN_FLOAT64;
    if ((can & SL_WH_CAN_DATE) && !sl_date_parse(text, len, &date))
        can &= ~SL_WH_CAN_DATE;
    if ((can & SL_WH_CAN_TIMESTAMP) && !sl_wh_timestamp(text, len, &us))
        can &= ~SL_WH_CAN_TIMESTAMP;
    return can;
}

enum sl_column_type sl_wh_infer(unsigned can)
{
    if (can & SL_WH_CAN_INT64)
        return SL_COL_INT64;
    if (can & SL_WH_CAN_FLOAT64)
        return SL_COL_FLOAT64;
    if (can & SL_WH_CAN_DATE)
        return SL_COL_DATE;
    return can & SL_WH_CAN_TIMESTAMP ? SL_COL_TIMESTAMP : SL_COL_STRING;
}
