/* posix_tz.c - the POSIX TZ text that ends a TZif file and speaks for all the years after its table. */
#include "zone_internal.h"

#define S_PER_DAY 86400

/* An unsigned number of 1 to 3 digits, `least`..`most`. */
static bool take_number(const char **at, int least, int most, int *out)
{
    int value = 0, n = 0;
    for (; n < 3 && **at >= '0' && **at <= '9'; n++, (*at)++)
        value = value * 10 + (**at - '0');
    *out = value;
    return n > 0 && value >= least && value <= most;
}

static bool take(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **at, int max_hours, int32_t *out_s)
{
    bool negative = take(at, '-');
    if (!negative)
        take(at, '+');
    int hours, minutes = 0, seconds = 0;
    if (!take_number(at, 0, max_hours, &hours))
        return false;
    if (take(at, ':')) {
        if (!take_number(at, 0, 59, &minutes))
            return false;
        if (take(at, ':') && !take_number(at, 0, 59, &seconds))
            return false;
    }
    int32_t total = hours * 3600 + minutes * 60 + seconds;
    *out_s = negative ? -total : total;
    return true;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* "PST" or "<+03>": at least three characters. */
static bool skip_name(const char **at)
{
    bool quoted = take(at, '<');
    const char *start = *at;
    while (is_letter(**at) || (quoted && ((**at >= '0' && **at <= '9') || **at == '+' || **at == '-')))
        (*at)++;
    bool enough = *at - start >= 3;
    return enough && (!quoted || take(at, '>'));
}

/* ",M3.2.0/2", ",J60", ",59/-1" */
static bool take_edge(const char **at, struct sl_tz_edge *out)
{
    *out = (struct sl_tz_edge){.kind = 'N', .time_s = 2 * 3600};
    bool good;
    if (!take(at, ','))
        return false;
    if (take(at, 'M')) {
        out->kind = 'M';
        good = take_number(at, 1, 12, &out->month) && take(at, '.') && take_number(at, 1, 5, &out->week) && take(at, '.') &&
               take_number(at, 0, 6, &out->day);
    } else if (take(at, 'J')) {
        out->kind = 'J';
        good = take_number(at, 1, 365, &out->day);
    } else {
        good = take_number(at, 0, 365, &out->day);
    }
    return good && (!take(at, '/') || take_time(at, 167, &out->time_s));
}

bool sl_tz_parse(struct sl_tz_rule *out, const char *text)
{
    *out = (struct sl_tz_rule){0};
    const char *at = text;
    int32_t west_s;
    if (!skip_name(&at) || !take_time(&at, 24, &west_s))
        return false;
    out->std_s = -west_s;
    out->dst_s = -west_s + 3600;
    if (*at == '\0')
        return true;
    if (!skip_name(&at))
        return false;
    if (*at != ',' && *at != '\0') {
        if (!take_time(&at, 24, &west_s))
            return false;
        out->dst_s = -west_s;
    }
    out->has_dst = true;
    return take_edge(&at, &out->start) && take_edge(&at, &out->end) && *at == '\0';
}

/* The day number of an edge in a year. */
static int64_t edge_day(const struct sl_tz_edge *edge, int64_t year)
{
    if (edge->kind == 'M') {
        int64_t first = sl_days_from_civil(year, edge->month, 1);
        int64_t weekday = (first + 4) - 7 * sl_floor_div(first + 4, 7); /* 1970-01-01 was a Thursday */
        int64_t day = (edge->day - weekday + 7) % 7 + (edge->week - 1) * 7;
        return first + (day < sl_days_in_month(year, edge->month) ? day : day - 7);
    }
    int64_t january_1 = sl_days_from_civil(year, 1, 1);
    if (edge->kind == 'N')
        return january_1 + edge->day;
    bool after_leap_day = edge->day >= 60 && sl_days_in_month(year, 2) == 29;
    return january_1 + edge->day - 1 + after_leap_day;
}

/* The last edge at or before an instant, and the first after it. */
struct around {
    int64_t last_s, next_s;
    int32_t offset_s;
};

static void look_at(struct around *around, int64_t at_s, int64_t edge_s, int32_t offset_s)
{
    if (edge_s > at_s && edge_s < around->next_s)
        around->next_s = edge_s;
    if (edge_s <= at_s && edge_s >= around->last_s) {
        around->last_s = edge_s;
        around->offset_s = offset_s;
    }
}

/* Edges reach a week beyond their year, so two years on either side are looked at. Of two edges at one instant that of the
 * later year holds: that is how "DST all year" is written (",0/0,J365/25"). */
struct sl_zone_span sl_tz_span(const struct sl_tz_rule *rule, int64_t at_s)
{
    if (!rule->has_dst)
        return (struct sl_zone_span){rule->std_s, INT64_MAX};
    struct around around = {INT64_MIN, INT64_MAX, rule->std_s};
    int64_t year = sl_year_of_days(sl_floor_div(at_s + rule->std_s, S_PER_DAY));
    for (int64_t y = year - 2; y <= year + 2; y++) {
        int64_t start_s = edge_day(&rule->start, y) * S_PER_DAY + rule->start.time_s - rule->std_s;
        int64_t end_s = edge_day(&rule->end, y) * S_PER_DAY + rule->end.time_s - rule->dst_s;
        if (start_s <= end_s)
            look_at(&around, at_s, start_s, rule->dst_s);
        look_at(&around, at_s, end_s, rule->std_s);
        if (start_s > end_s)
            look_at(&around, at_s, start_s, rule->dst_s);
    }
    return (struct sl_zone_span){around.offset_s, around.next_s};
}
