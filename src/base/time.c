/* time.c - instants as text: RFC 3339, read strictly and written in one form. */
#include <sluice/date.h>

#include <string.h>

#include "zone_internal.h"

#define US_PER_S      1000000LL
#define US_PER_MINUTE (60 * US_PER_S)

/* What is left of the text. */
struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

/* Exactly two digits, at most `most`. */
static bool take_two(struct cursor *cursor, int most, int *out)
{
    if (cursor->end - cursor->at < 2)
        return false;
    int tens = cursor->at[0] - '0', ones = cursor->at[1] - '0';
    if (tens < 0 || tens > 9 || ones < 0 || ones > 9 || tens * 10 + ones > most)
        return false;
    cursor->at += 2;
    *out = tens * 10 + ones;
    return true;
}

/* ".1" and on, cut to microseconds; nothing is 0. */
static bool take_fraction(struct cursor *cursor, int64_t *out_us)
{
    *out_us = 0;
    if (!take(cursor, '.'))
        return true;
    int n = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
        if (n < 6)
            *out_us = *out_us * 10 + (*cursor->at - '0');
        n += n < 6; /* however many there are */
    }
    for (int i = n; i < 6; i++)
        *out_us *= 10;
    return n >= 1;
}

static bool take_clock(struct cursor *cursor, int64_t *out_us)
{
    int hour, minute, second;
    int64_t fraction_us;
    if (!take_two(cursor, 23, &hour) || !take(cursor, ':') || !take_two(cursor, 59, &minute) || !take(cursor, ':') ||
        !take_two(cursor, 60, &second) || !take_fraction(cursor, &fraction_us))
        return false;
    if (second == 60) {
        second = 59;
        fraction_us = US_PER_S - 1;
    }
    *out_us = (hour * 60 + minute) * US_PER_MINUTE + second * US_PER_S + fraction_us;
    return true;
}

static bool take_offset(struct cursor *cursor, int64_t *out_us)
{
    *out_us = 0;
    if (take(cursor, 'Z') || take(cursor, 'z'))
        return true;
    bool west = take(cursor, '-');
    int hours, minutes;
    if ((!west && !take(cursor, '+')) || !take_two(cursor, 23, &hours) || !take(cursor, ':') || !take_two(cursor, 59, &minutes))
        return false;
    *out_us = (hours * 60 + minutes) * (west ? -US_PER_MINUTE : US_PER_MINUTE);
    return true;
}

/* Instants that have a text: 0001-01-01T00:00:00Z .. 9999-12-31T23:59:59.999999Z. */
static bool has_text(int64_t us)
{
    char text[SL_DATE_LEN + 1];
    int64_t days = sl_floor_div(us, SL_US_PER_DAY);
    return sl_date_format((sl_date)days, text)[0] != '\0';
}

bool sl_time_parse(const char *text, size_t len, int64_t *out_us, bool *has_offset)
{
    sl_date date;
    if (text == NULL || len <= SL_DATE_LEN || !sl_date_parse(text, SL_DATE_LEN, &date))
        return false;
    struct cursor cursor = {text + SL_DATE_LEN, text + len};
    int64_t clock_us, offset_us = 0;
    if ((!take(&cursor, 'T') && !take(&cursor, 't') && !take(&cursor, ' ')) || !take_clock(&cursor, &clock_us))
        return false;
    bool offset = cursor.at < cursor.end;
    if (offset && (!take_offset(&cursor, &offset_us) || cursor.at != cursor.end))
        return false;
    int64_t us = date * SL_US_PER_DAY + clock_us - offset_us;
    if (!has_text(us))
        return false;
    *out_us = us;
    *has_offset = offset;
    return true;
}

static char *put(char *at, int64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

char *sl_time_format(int64_t us, char *out)
{
    out[0] = '\0';
    if (!has_text(us))
        return out;
    int64_t days = sl_floor_div(us, SL_US_PER_DAY);
    int64_t rest = us - days * SL_US_PER_DAY;
    char *at = out + strlen(sl_date_format((sl_date)days, out));
    *at++ = 'T';
    at = put(at, rest / (60 * US_PER_MINUTE), 2);
    *at++ = ':';
    at = put(at, rest / US_PER_MINUTE % 60, 2);
    *at++ = ':';
    at = put(at, rest / US_PER_S % 60, 2);
    if (rest % US_PER_S != 0) {
        *at++ = '.';
        at = put(at, rest % US_PER_S, 6);
    }
    *at++ = 'Z';
    *at = '\0';
    return out;
}

bool sl_time_of_day_parse(const char *text, int *out_minutes)
{
    if (text == NULL)
        return false;
    struct cursor cursor = {text, text + strlen(text)};
    int hour, minute;
    if (!take_two(&cursor, 23, &hour) || !take(&cursor, ':') || !take_two(&cursor, 59, &minute) || cursor.at != cursor.end)
        return false;
    *out_minutes = hour * 60 + minute;
    return true;
}
