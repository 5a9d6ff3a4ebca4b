/* date.h - civil dates, instants and zones by name.
 * Pure civil arithmetic on the proleptic Gregorian calendar, no time_t tricks, no process-global TZ. Any thread.
 * Instants are int64 microseconds since 1970-01-01T00:00:00Z, named *_us. */
#ifndef SLUICE_DATE_H
#define SLUICE_DATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

typedef int32_t sl_date; /* days since 1970-01-01; valid dates are 0001-01-01 .. 9999-12-31 */
#define SL_DATE_NONE  INT32_MIN
#define SL_DATE_LEN   10 /* YYYY-MM-DD */
#define SL_TIME_LEN   27 /* YYYY-MM-DDTHH:MM:SS.ffffffZ */
#define SL_US_PER_DAY 86400000000LL

struct sl_civil {
    int year, month, day;
};

bool sl_date_from_civil(struct sl_civil civil, sl_date *out); /* false when there is no such day */
struct sl_civil sl_date_to_civil(sl_date date);
/* Exactly YYYY-MM-DD, year 0001..9999, a real day. `len` bytes of `text`. */
bool sl_date_parse(const char *text, size_t len, sl_date *out);
/* Into `out` of SL_DATE_LEN + 1 bytes; returns out. SL_DATE_NONE gives "". */
char *sl_date_format(sl_date date, char *out);

/* RFC 3339 ("T", "t" or one space, "Z"/"z"/+hh:mm, any number of fraction digits, cut to microseconds, second 60 read as 59.999999), or
 * the same without offset: then *has_offset is false and *out_us is the wall clock as if it were UTC. Hours of an offset 0..23. */
bool sl_time_parse(const char *text, size_t len, int64_t *out_us, bool *has_offset);
/* RFC 3339 in UTC with six fraction digits, or none when they are all zero. Into SL_TIME_LEN + 1 bytes; returns out. */
char *sl_time_format(int64_t us, char *out);
/* "HH:MM" -> minutes of the day. */
bool sl_time_of_day_parse(const char *text, int *out_minutes);

struct sl_zone; /* opaque, immutable after load: any thread */

/* Read the zone `name` ("America/Los_Angeles", "UTC") from tzdata (TZif version 2+, with its POSIX footer for the years after the table; $TZDIR, else
 * /usr/share/zoneinfo). SL_INVALID for a name that is unknown, empty, absolute or has "..", SL_CORRUPT for a broken file. */
enum sl_code sl_zone_load(struct sl_zone **out, const char *name, struct sl_err *err);
void sl_zone_destroy(struct sl_zone **zone);
const char *sl_zone_name(const struct sl_zone *zone);

int32_t sl_zone_offset_s(const struct sl_zone *zone, int64_t us); /* seconds east of UTC at this instant */
sl_date sl_zone_date(const struct sl_zone *zone, int64_t us);     /* the local calendar day */
int sl_zone_minutes(const struct sl_zone *zone, int64_t us);      /* local minutes since midnight, 0..1439 */
/* The instant of a local wall-clock time, given as microseconds since local midnight of `date` (0..86399999999). A time that does not exist gives the first
 * instant after the gap; one that comes twice gives the first. */
int64_t sl_zone_instant(const struct sl_zone *zone, sl_date date, int64_t us_of_day);

#endif
