/* Zones: against zdump over two centuries, fixed cases, rules of our own, broken files. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/date.h>
#include <sluice/mem.h>
#include <sluice/str.h>

#include "../../src/base/zone_internal.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define S        1000000LL

static struct sl_zone *load(const char *name)
{
    struct sl_zone *zone = NULL;
    struct sl_err err = {0};
    cr_assert_eq(sl_zone_load(&zone, name, &err), SL_OK, "%s: %s", name, err.text);
    return zone;
}

static int64_t utc(const char *text)
{
    int64_t us = 0;
    bool offset;
    cr_assert(sl_time_parse(text, strlen(text), &us, &offset) && offset, "%s", text);
    return us;
}

static sl_date day(const char *text)
{
    sl_date date = 0;
    cr_assert(sl_date_parse(text, strlen(text), &date), "%s", text);
    return date;
}

static const char *const ZONES[] = {
    "UTC",           "America/Los_Angeles", "America/New_York",   "America/St_Johns", "America/Sao_Paulo",
    "America/Nuuk",  "America/Havana",      "Europe/London",      "Europe/Berlin",    "Europe/Dublin",
    "Europe/Moscow", "Africa/Cairo",        "Africa/Casablanca",  "Asia/Kolkata",     "Asia/Kathmandu",
    "Asia/Tehran",   "Asia/Gaza",           "Asia/Tokyo",         "Australia/Sydney", "Australia/Lord_Howe",
    "Pacific/Apia",  "Pacific/Chatham",     "Pacific/Kiritimati", "America/Asuncion",
};

/* "America/Los_Angeles  Sun Mar  9 09:59:59 2025 UT = Sun Mar  9 01:59:59 2025 PST isdst=0 gmtoff=-28800" */
static bool zdump_line(const char *line, int64_t *us, int *gmtoff)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4];
    int d, h, m, s, year;
    const char *offset = strstr(line, "gmtoff=");
    if (offset == NULL || sscanf(line, "%*s %*s %3s %d %d:%d:%d %d UT", month, &d, &h, &m, &s, &year) != 6)
        return false;
    sl_date date;
    int index = (int)(strstr(months, month) - months) / 3 + 1;
    if (!sl_date_from_civil((struct sl_civil){year, index, d}, &date))
        return false;
    *us = date * SL_US_PER_DAY + ((h * 60LL + m) * 60 + s) * S;
    *gmtoff = atoi(offset + 7);
    return true;
}

static int compare_with_zdump(const char *name)
{
    char command[128], line[512];
    snprintf(command, sizeof(command), "zdump -v -c 1850,2110 %s", name);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    struct sl_zone *zone = load(name);
    int compared = 0;
    while (fgets(line, sizeof(line), pipe) != NULL) {
        int64_t us;
        int gmtoff;
        if (!zdump_line(line, &us, &gmtoff))
            continue;
        compared++;
        cr_expect_eq(sl_zone_offset_s(zone, us), gmtoff, "%d, but %s", sl_zone_offset_s(zone, us), line);
    }
    cr_expect_eq(pclose(pipe), 0);
    sl_zone_destroy(&zone);
    return compared;
}

Test(zone, as_zdump_has_it)
{
    if (system("command -v zdump >/dev/null 2>&1") != 0)
        cr_skip_test("zdump is not installed");
    int compared = 0;
    for (size_t i = 0; i < N(ZONES); i++)
        compared += compare_with_zdump(ZONES[i]);
    cr_assert_gt(compared, 5000);
}

Test(zone, offsets_dates_minutes)
{
    static const struct {
        const char *zone, *utc;
        int32_t offset_s;
        const char *date;
        int minutes;
    } cases[] = {
        {"UTC", "2025-04-15T23:59:59.999999Z", 0, "2025-04-15", 1439},
        {"America/Los_Angeles", "2025-03-09T09:59:59.999999Z", -28800, "2025-03-09", 119},
        {"America/Los_Angeles", "2025-03-09T10:00:00Z", -25200, "2025-03-09", 180},
        {"America/Los_Angeles", "2025-11-02T08:59:59Z", -25200, "2025-11-02", 119},
        {"America/Los_Angeles", "2025-11-02T09:00:00Z", -28800, "2025-11-02", 60},
        {"America/Los_Angeles", "2025-04-16T06:59:59Z", -25200, "2025-04-15", 1439},
        {"America/Los_Angeles", "2025-04-16T07:00:00Z", -25200, "2025-04-16", 0},
        {"America/Los_Angeles", "1800-01-01T00:00:00Z", -28378, "1799-12-31", 967},
        {"America/Los_Angeles", "2100-01-15T00:00:00Z", -28800, "2100-01-14", 960},
        {"America/Los_Angeles", "2100-03-14T10:00:00Z", -25200, "2100-03-14", 180},
        {"America/Los_Angeles", "2100-07-15T00:00:00Z", -25200, "2100-07-14", 1020},
        {"America/Los_Angeles", "2100-11-07T09:00:00Z", -28800, "2100-11-07", 60},
        {"America/Los_Angeles", "9999-07-04T12:00:00Z", -25200, "9999-07-04", 300},
        {"Asia/Kolkata", "2025-04-15T18:30:00Z", 19800, "2025-04-16", 0},
        {"Asia/Kathmandu", "2100-04-15T18:15:00Z", 20700, "2100-04-16", 0},
        {"Australia/Lord_Howe", "2025-04-05T14:59:59Z", 39600, "2025-04-06", 119},
        {"Australia/Lord_Howe", "2025-04-05T15:00:00Z", 37800, "2025-04-06", 90},
        {"Australia/Lord_Howe", "2025-10-04T15:30:00Z", 39600, "2025-10-05", 150},
        {"Australia/Sydney", "2025-01-01T00:00:00Z", 39600, "2025-01-01", 660},
        {"Australia/Sydney", "2025-07-01T00:00:00Z", 36000, "2025-07-01", 600},
        {"Australia/Sydney", "2100-01-01T00:00:00Z", 39600, "2100-01-01", 660},
        {"Australia/Sydney", "2100-07-01T00:00:00Z", 36000, "2100-07-01", 600},
        {"Europe/Dublin", "2100-07-01T00:00:00Z", 3600, "2100-07-01", 60},
        {"Europe/Dublin", "2100-01-01T00:00:00Z", 0, "2100-01-01", 0},
        {"Pacific/Kiritimati", "2025-01-01T10:00:00Z", 50400, "2025-01-02", 0},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_zone *zone = load(cases[i].zone);
        char date[SL_DATE_LEN + 1];
        int64_t us = utc(cases[i].utc);
        cr_expect_str_eq(sl_zone_name(zone), cases[i].zone);
        cr_expect_eq(sl_zone_offset_s(zone, us), cases[i].offset_s, "%s %s", cases[i].zone, cases[i].utc);
        cr_expect_str_eq(sl_date_format(sl_zone_date(zone, us), date), cases[i].date, "%s", cases[i].utc);
        cr_expect_eq(sl_zone_minutes(zone, us), cases[i].minutes, "%s %s", cases[i].zone, cases[i].utc);
        sl_zone_destroy(&zone);
    }
}

Test(zone, lengths_of_days)
{
    static const struct {
        const char *zone, *date;
        int minutes;
    } cases[] = {
        {"America/Los_Angeles", "2025-03-08", 1440}, {"America/Los_Angeles", "2025-03-09", 1380},
        {"America/Los_Angeles", "2025-11-02", 1500}, {"America/Los_Angeles", "2100-03-14", 1380},
        {"America/Los_Angeles", "2100-11-07", 1500}, {"Australia/Lord_Howe", "2025-04-06", 1470},
        {"Australia/Lord_Howe", "2025-10-05", 1410}, {"America/Sao_Paulo", "2018-11-04", 1380},
        {"Asia/Kolkata", "2025-03-09", 1440},        {"UTC", "2025-03-09", 1440},
        {"Pacific/Apia", "2011-12-30", 0},           {"Pacific/Apia", "2011-12-31", 1440},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_zone *zone = load(cases[i].zone);
        sl_date date = day(cases[i].date);
        int64_t length = sl_zone_instant(zone, date + 1, 0) - sl_zone_instant(zone, date, 0);
        cr_expect_eq(length, cases[i].minutes * 60 * S, "%s %s", cases[i].zone, cases[i].date);
        sl_zone_destroy(&zone);
    }
}

Test(zone, instants)
{
    static const struct {
        const char *label, *zone, *date;
        int64_t of_day_us;
        const char *utc;
    } cases[] = {
        {"plain", "America/Los_Angeles", "2025-04-15", 0, "2025-04-15T07:00:00Z"},
        {"with a fraction", "America/Los_Angeles", "2025-04-15", 1500001, "2025-04-15T07:00:01.500001Z"},
        {"before the gap", "America/Los_Angeles", "2025-03-09", 7199 * S + 999999, "2025-03-09T09:59:59.999999Z"},
        {"in the gap", "America/Los_Angeles", "2025-03-09", 9000 * S + 5, "2025-03-09T10:00:00Z"},
        {"gap begins", "America/Los_Angeles", "2025-03-09", 7200 * S, "2025-03-09T10:00:00Z"},
        {"gap ends", "America/Los_Angeles", "2025-03-09", 10800 * S, "2025-03-09T10:00:00Z"},
        {"after the gap", "America/Los_Angeles", "2025-03-09", 10801 * S, "2025-03-09T10:00:01Z"},
        {"first of two", "America/Los_Angeles", "2025-11-02", 5400 * S + 7, "2025-11-02T08:30:00.000007Z"},
        {"last of the fold", "America/Los_Angeles", "2025-11-02", 7199 * S, "2025-11-02T08:59:59Z"},
        {"after the fold", "America/Los_Angeles", "2025-11-02", 7200 * S, "2025-11-02T10:00:00Z"},
        {"gap by the rule", "America/Los_Angeles", "2100-03-14", 9000 * S, "2100-03-14T10:00:00Z"},
        {"fold by the rule", "America/Los_Angeles", "2100-11-07", 5400 * S, "2100-11-07T08:30:00Z"},
        {"no midnight", "America/Sao_Paulo", "2018-11-04", 0, "2018-11-04T03:00:00Z"},
        {"a day that never was", "Pacific/Apia", "2011-12-30", 43200 * S, "2011-12-30T10:00:00Z"},
        {"half an hour", "Australia/Lord_Howe", "2025-10-05", 8000 * S, "2025-10-04T15:30:00Z"},
        {"first day", "UTC", "0001-01-01", 0, "0001-01-01T00:00:00Z"},
        {"last day", "UTC", "9999-12-31", SL_US_PER_DAY - 1, "9999-12-31T23:59:59.999999Z"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_zone *zone = load(cases[i].zone);
        char text[SL_TIME_LEN + 1];
        int64_t us = sl_zone_instant(zone, day(cases[i].date), cases[i].of_day_us);
        cr_expect_str_eq(sl_time_format(us, text), cases[i].utc, "%s: %s", cases[i].label, text);
        sl_zone_destroy(&zone);
    }
}

/* Any instant's local time leads back to it, or to the first of the two that have it. */
Test(zone, there_and_back)
{
    for (size_t i = 0; i < N(ZONES); i++) {
        struct sl_zone *zone = load(ZONES[i]);
        int64_t end = utc("2120-01-01T00:00:00Z");
        for (int64_t us = utc("1960-01-01T00:00:00Z") + 123; us < end; us += 53 * 3607 * S) {
            int64_t local = us + sl_zone_offset_s(zone, us) * S;
            sl_date date = sl_zone_date(zone, us);
            int64_t back = sl_zone_instant(zone, date, local - date * SL_US_PER_DAY);
            cr_assert_leq(back, us, "%s", ZONES[i]);
            cr_assert_eq(back + sl_zone_offset_s(zone, back) * S, local, "%s", ZONES[i]);
        }
        sl_zone_destroy(&zone);
    }
}

Test(zone, extreme_instants)
{
    static const int64_t cases[] = {INT64_MIN, INT64_MIN + 1, -1, INT64_MAX - 1, INT64_MAX};
    for (size_t z = 0; z < N(ZONES); z++) {
        struct sl_zone *zone = load(ZONES[z]);
        for (size_t i = 0; i < N(cases); i++) {
            int minutes = sl_zone_minutes(zone, cases[i]);
            cr_expect(minutes >= 0 && minutes < 1440);
            sl_zone_date(zone, cases[i]);
        }
        sl_zone_instant(zone, SL_DATE_NONE, 0);
        sl_zone_instant(zone, INT32_MAX, SL_US_PER_DAY - 1);
        sl_zone_destroy(&zone);
    }
}

Test(zone, unknown_names)
{
    static const char *const cases[] = {"",           "/etc/passwd", "..",      "../zoneinfo/UTC", "America/../UTC", "America/Nowhere",
                                        "America",    "America/",    "Utc Now", "zone.tab",        "PST8PDT,M3",     "UTC/x",
                                        "\xC3\xA9ole"};
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_zone *zone = (void *)1;
        struct sl_err err = {0};
        cr_expect_eq(sl_zone_load(&zone, cases[i], &err), SL_INVALID, "\"%s\": %s", cases[i], err.text);
        cr_expect_null(zone);
        cr_expect_neq(err.text[0], '\0');
    }
    struct sl_zone *zone = NULL;
    cr_expect_eq(sl_zone_load(&zone, NULL, NULL), SL_INVALID);
    char longest[8000];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cr_expect_eq(sl_zone_load(&zone, longest, NULL), SL_INVALID);
}

/* ---- files of our own making ---- */

struct made {
    const char *footer; /* with its line ends */
    const int64_t *at_s;
    const uint8_t *type;
    size_t n;
    int32_t offsets[2];
    size_t n_types, n_leap;
    char version;
};

static void put(struct sl_buf *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        sl_buf_char(out, (char)(value >> (8 * i)));
}

static void put_block(struct sl_buf *out, const struct made *made, int time_bytes)
{
    sl_buf_str(out, "TZif");
    sl_buf_char(out, made->version);
    put(out, 0, 8);
    put(out, 0, 7);
    put(out, 0, 8);
    put(out, made->n_leap, 4);
    put(out, made->n, 4);
    put(out, made->n_types, 4);
    put(out, 4, 4);
    for (size_t i = 0; i < made->n; i++)
        put(out, (uint64_t)made->at_s[i], time_bytes);
    for (size_t i = 0; i < made->n; i++)
        put(out, made->type[i], 1);
    for (size_t i = 0; i < made->n_types; i++) {
        put(out, (uint64_t)made->offsets[i % 2], 4);
        put(out, 0, 2);
    }
    sl_buf_add(out, "ABC", 4);
    for (size_t i = 0; i < made->n_leap; i++)
        sl_buf_add(out, "\0\0\0\0\0\0\0\0\0\0\0", (size_t)time_bytes + 4);
}

static enum sl_code parse(struct sl_zone **out, const struct made *made, struct sl_err *err)
{
    struct sl_buf bytes = {0};
    put_block(&bytes, made, 4);
    put_block(&bytes, made, 8);
    sl_buf_str(&bytes, made->footer);
    enum sl_code code = sl_zone_parse(out, "Made/Up", bytes.data, bytes.len, err);
    sl_buf_fini(&bytes);
    return code;
}

Test(zone, rules)
{
    static const struct {
        const char *label, *rule, *utc;
        int32_t offset_s;
    } cases[] = {
        {"fixed", "EST5", "2025-07-01T00:00:00Z", -18000},
        {"quoted name", "<+03>-3", "2025-07-01T00:00:00Z", 10800},
        {"quoted minutes", "<+0530>-5:30", "2025-07-01T00:00:00Z", 19800},
        {"seconds", "LMT0:01:15", "2025-07-01T00:00:00Z", -75},
        {"plus sign", "XXX+5", "2025-07-01T00:00:00Z", -18000},
        {"M, before", "PST8PDT,M3.2.0,M11.1.0", "2025-03-09T09:59:59Z", -28800},
        {"M, after", "PST8PDT,M3.2.0,M11.1.0", "2025-03-09T10:00:00Z", -25200},
        {"last week", "CET-1CEST,M3.5.0,M10.5.0/3", "2025-03-30T00:59:59Z", 3600},
        {"last week, after", "CET-1CEST,M3.5.0,M10.5.0/3", "2025-03-30T01:00:00Z", 7200},
        {"last week of a month with five", "CET-1CEST,M3.5.0,M10.5.0/3", "2024-03-31T01:00:00Z", 7200},
        {"own DST offset", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2025-01-01T00:00:00Z", 39600},
        {"south, winter", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-07-01T00:00:00Z", 36000},
        {"south, new year", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2025-12-31T23:00:00Z", 39600},
        {"negative DST, summer", "IST-1GMT0,M10.5.0,M3.5.0/1", "2025-07-01T00:00:00Z", 3600},
        {"negative DST, winter", "IST-1GMT0,M10.5.0,M3.5.0/1", "2025-01-01T00:00:00Z", 0},
        {"J60 is March 1, leap", "AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 3600},
        {"J60, leap, before", "AAA0BBB,J60/0,J300/0", "2024-02-29T23:59:59Z", 0},
        {"J60 is March 1", "AAA0BBB,J60/0,J300/0", "2025-03-01T00:00:00Z", 3600},
        {"59 is Feb 29", "AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 3600},
        {"59 is March 1", "AAA0BBB,59/0,300/0", "2025-02-28T23:59:59Z", 0},
        {"negative time", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2025-03-30T00:59:59Z", -7200},
        {"negative time, after", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2025-03-30T01:00:00Z", -3600},
        {"over 24 hours", "IST-2IDT,M3.4.4/26,M10.5.0", "2025-03-27T23:59:59Z", 7200},
        {"over 24 hours, after", "IST-2IDT,M3.4.4/26,M10.5.0", "2025-03-28T00:00:00Z", 10800},
        {"DST all year", "EST5EDT,0/0,J365/25", "2025-07-01T00:00:00Z", -14400},
        {"DST all year, at its seam", "EST5EDT,0/0,J365/25", "2025-01-01T05:00:00Z", -14400},
        {"DST all year, before it", "EST5EDT,0/0,J365/25", "2025-01-01T04:59:59Z", -14400},
        {"end in the next year, before", "AAA0BBB,M1.3.1/-167,M12.5.0/167", "2025-01-04T21:59:59Z", 3600},
        {"end in the next year", "AAA0BBB,M1.3.1/-167,M12.5.0/167", "2025-01-04T22:00:00Z", 0},
        {"start a week early", "AAA0BBB,M1.3.1/-167,M12.5.0/167", "2025-01-13T01:00:00Z", 3600},
    };
    for (size_t i = 0; i < N(cases); i++) {
        char footer[100];
        snprintf(footer, sizeof(footer), "\n%s\n", cases[i].rule);
        struct made made = {.footer = footer, .n_types = 1, .version = '3'};
        struct sl_zone *zone = NULL;
        struct sl_err err = {0};
        cr_assert_eq(parse(&zone, &made, &err), SL_OK, "%s: %s", cases[i].label, err.text);
        cr_expect_eq(sl_zone_offset_s(zone, utc(cases[i].utc)), cases[i].offset_s, "%s", cases[i].label);
        sl_zone_destroy(&zone);
    }
}

Test(zone, broken_rules)
{
    static const char *const cases[] = {
        "",
        "\n",
        "EST5\n",
        "\nEST5",
        "\nES5\n",
        "\nEST\n",
        "\nEST25\n",
        "\nEST5EDT\n",
        "\nEST5EDT,M3.2.0\n",
        "\nEST5EDT,M3.2.0,M11.1.0,\n",
        "\n<+3>-3\n",
        "\n<+03-3\n",
        "\nEST5EDT,M13.2.0,M11.1.0\n",
        "\nEST5EDT,M3.6.0,M11.1.0\n",
        "\nEST5EDT,M3.2.7,M11.1.0\n",
        "\nEST5EDT,J0,J300\n",
        "\nEST5EDT,J366,J300\n",
        "\nEST5EDT,366,300\n",
        "\nEST5EDT,M3.2.0/168,M11.1.0\n",
        "\nEST5:60\n",
        "\nEST5 \n",
        "\nEST5EDT,M3.2.0,M11.1.0x\n",
        "\nEST5EDT,M3.2.0/,M11.1.0\n",
        "\nEST5EDT,M3.2.,M11.1.0\n",
        "\nEST9999999999999\n",
        ("\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA5\n"),
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct made made = {.footer = cases[i], .n_types = 1, .version = '2'};
        struct sl_zone *zone = (void *)1;
        struct sl_err err = {0};
        cr_expect_eq(parse(&zone, &made, &err), SL_CORRUPT, "%s", cases[i]);
        cr_expect_null(zone);
    }
}

Test(zone, tables)
{
    static const int64_t rising[] = {-100, 0, 100}, falling[] = {0, 100, 50}, equal[] = {0, 0, 1}, far[] = {INT64_MIN, 0, INT64_MAX};
    static const uint8_t types[] = {1, 0, 1}, beyond[] = {0, 2, 0};
    static const struct {
        const char *label;
        struct made made;
        enum sl_code code;
    } cases[] = {
        {"good", {"\n\n", rising, types, 3, {60, 120}, 2, 0, '2'}, SL_OK},
        {"extreme times", {"\n\n", far, types, 3, {60, 120}, 2, 0, '2'}, SL_OK},
        {"no table, no rule", {"\n\n", NULL, NULL, 0, {60, 120}, 1, 0, '4'}, SL_OK},
        {"version 1", {"\n\n", rising, types, 3, {60, 120}, 2, 0, '\0'}, SL_CORRUPT},
        {"falling", {"\n\n", falling, types, 3, {60, 120}, 2, 0, '2'}, SL_CORRUPT},
        {"equal", {"\n\n", equal, types, 3, {60, 120}, 2, 0, '2'}, SL_CORRUPT},
        {"no such type", {"\n\n", rising, beyond, 3, {60, 120}, 2, 0, '2'}, SL_CORRUPT},
        {"no types", {"\n\n", NULL, NULL, 0, {60, 120}, 0, 0, '2'}, SL_CORRUPT},
        {"offset of days", {"\n\n", rising, types, 3, {60, 200000}, 2, 0, '2'}, SL_CORRUPT},
        {"offset of INT32_MIN", {"\n\n", rising, types, 3, {INT32_MIN, 0}, 2, 0, '2'}, SL_CORRUPT},
        {"leap seconds", {"\n\n", rising, types, 3, {60, 120}, 2, 1, '2'}, SL_INVALID},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_zone *zone = NULL;
        struct sl_err err = {0};
        cr_expect_eq(parse(&zone, &cases[i].made, &err), cases[i].code, "%s: %s", cases[i].label, err.text);
        cr_expect_eq(zone != NULL, cases[i].code == SL_OK);
        if (zone != NULL)
            sl_zone_instant(zone, 0, 0);
        sl_zone_destroy(&zone);
    }
}

Test(zone, table_without_rule)
{
    static const int64_t at[] = {-100, 0, 100};
    static const uint8_t types[] = {1, 0, 1};
    struct made made = {"\n\n", at, types, 3, {60, 120}, 2, 0, '2'};
    struct sl_zone *zone = NULL;
    cr_assert_eq(parse(&zone, &made, NULL), SL_OK);
    cr_expect_eq(sl_zone_offset_s(zone, -101 * S), 60, "before the table: type 0");
    cr_expect_eq(sl_zone_offset_s(zone, -100 * S), 120);
    cr_expect_eq(sl_zone_offset_s(zone, -1), 120);
    cr_expect_eq(sl_zone_offset_s(zone, 0), 60);
    cr_expect_eq(sl_zone_offset_s(zone, 100 * S), 120);
    cr_expect_eq(sl_zone_offset_s(zone, INT64_MAX), 120, "for ever");
    sl_zone_destroy(&zone);
}

/* Every cut of a real file, every byte of it changed: a refusal or a zone that answers, never a crash. */
static void try_bytes(const char *bytes, size_t len)
{
    char *exact = sl_alloc(len);
    memcpy(exact, bytes, len);
    struct sl_zone *zone = NULL;
    struct sl_err err = {0};
    enum sl_code code = sl_zone_parse(&zone, "Hurt", exact, len, &err);
    cr_assert(code == SL_OK || code == SL_CORRUPT || code == SL_INVALID);
    if (zone != NULL)
        sl_zone_instant(zone, sl_zone_date(zone, 1751328000 * S), 5000 * S);
    sl_zone_destroy(&zone);
    free(exact);
}

Test(zone, hurt_files)
{
    FILE *file = fopen("/usr/share/zoneinfo/America/Los_Angeles", "rb");
    cr_assert_not_null(file);
    char bytes[8192];
    size_t len = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    struct sl_zone *zone = NULL;
    for (size_t cut = 0; cut < len; cut++) {
        cr_assert_eq(sl_zone_parse(&zone, "Cut", bytes, cut, NULL), SL_CORRUPT, "%zu", cut);
        try_bytes(bytes, cut);
    }
    static const unsigned char changes[] = {0x01, 0x80, 0xFF};
    for (size_t i = 0; i < len; i++)
        for (size_t c = 0; c < N(changes); c++) {
            bytes[i] = (char)(bytes[i] ^ (char)changes[c]);
            try_bytes(bytes, len);
            bytes[i] = (char)(bytes[i] ^ (char)changes[c]);
        }
}
