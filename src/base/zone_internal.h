/* zone_internal.h - what the date files of this folder share, and the parsers that fuzzing reaches.
 * Pure: no I/O, no clock. Any thread. Seconds (*_s) count from 1970-01-01T00:00:00Z. */
#ifndef SLUICE_BASE_ZONE_INTERNAL_H
#define SLUICE_BASE_ZONE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/date.h>

/* Days since 1970-01-01 of a day of the proleptic Gregorian calendar, any year; the day is not checked. */
int64_t sl_days_from_civil(int64_t year, int month, int day);
/* The year that day number `days` lies in. */
int64_t sl_year_of_days(int64_t days);
int sl_days_in_month(int64_t year, int month);
/* Rounds towards minus infinity; `by` > 0. */
int64_t sl_floor_div(int64_t value, int64_t by);

struct sl_tz_edge { /* open: when a year's DST begins or ends, on the wall clock that it ends */
    char kind;      /* 'M' month.week.day, 'J' 1..365 without Feb 29, 'N' 0..365 with it */
    int month, week, day;
    int32_t time_s; /* -167 h .. 167 h */
};

struct sl_tz_rule {       /* open: a POSIX TZ text as POSIX.1-2017 and RFC 9636 have it */
    int32_t std_s, dst_s; /* east of UTC */
    bool has_dst;
    struct sl_tz_edge start, end;
};

/* A time of constant offset: [.., end_s). */
struct sl_zone_span {
    int32_t offset_s;
    int64_t end_s; /* INT64_MAX: for ever */
};

/* "PST8PDT,M3.2.0,M11.1.0": false when it is none. DST without its two dates is refused. */
bool sl_tz_parse(struct sl_tz_rule *out, const char *text);
struct sl_zone_span sl_tz_span(const struct sl_tz_rule *rule, int64_t at_s);

/* Parse the bytes of a TZif file. SL_CORRUPT when broken or of version 1; SL_INVALID when it counts leap seconds. `name` is copied. */
enum sl_code sl_zone_parse(struct sl_zone **out, const char *name, const void *bytes, size_t len, struct sl_err *err);

#endif
