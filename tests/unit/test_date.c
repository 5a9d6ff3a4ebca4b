/* Civil dates and instants as text. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include <sluice/date.h>
#include <sluice/mem.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

Test(date, every_day_of_ten_thousand_years)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    sl_date expected = -719162;
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++) {
            bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
            int last = lengths[month - 1] + (month == 2 && leap);
            for (int day = 1; day <= last; day++, expected++) {
                sl_date date = 0;
                cr_assert(sl_date_from_civil((struct sl_civil){year, month, day}, &date));
                struct sl_civil back = sl_date_to_civil(date);
                if (date != expected || back.year != year || back.month != month || back.day != day)
                    cr_assert_fail("%d-%d-%d", year, month, day);
            }
            cr_assert_not(sl_date_from_civil((struct sl_civil){year, month, last + 1}, &(sl_date){0}));
        }
    cr_assert_eq(expected, 2932897);
}

Test(date, no_such_day)
{
    static const struct sl_civil cases[] = {{0, 1, 1},    {10000, 1, 1}, {-1, 1, 1},    {2025, 0, 1},  {2025, 13, 1},
                                            {2025, 1, 0}, {2025, 1, -1}, {2025, 2, 29}, {1900, 2, 29}, {2025, 4, 31}};
    for (size_t i = 0; i < N(cases); i++) {
        sl_date date = 77;
        cr_expect_not(sl_date_from_civil(cases[i], &date));
        cr_expect_eq(date, 77);
    }
}

Test(date, texts)
{
    static const struct {
        const char *text;
        bool good;
        sl_date date;
    } cases[] = {
        {"1970-01-01", true, 0},       {"1969-12-31", true, -1},      {"2025-04-15", true, 20193}, {"2000-02-29", true, 11016},
        {"0001-01-01", true, -719162}, {"9999-12-31", true, 2932896}, {"2024-02-29", true, 19782}, {"2025-02-29", false, 0},
        {"2025-02-30", false, 0},      {"0000-01-01", false, 0},      {"2025-13-01", false, 0},    {"2025-00-10", false, 0},
        {"2025-01-00", false, 0},      {"2025-1-01", false, 0},       {"2025-01-1", false, 0},     {"2025/01/01", false, 0},
        {"2025-01-01 ", false, 0},     {" 2025-01-01", false, 0},     {"20250101", false, 0},      {"", false, 0},
        {"2025-01-0a", false, 0},      {"+025-01-01", false, 0},      {"-025-01-01", false, 0},    {"2025-01-01T", false, 0},
        {"12025-01-01", false, 0},
    };
    for (size_t i = 0; i < N(cases); i++) {
        sl_date date = 77;
        char out[SL_DATE_LEN + 1];
        cr_expect_eq(sl_date_parse(cases[i].text, strlen(cases[i].text), &date), cases[i].good, "%s", cases[i].text);
        cr_expect_eq(date, cases[i].good ? cases[i].date : 77, "%s", cases[i].text);
        if (cases[i].good)
            cr_expect_str_eq(sl_date_format(date, out), cases[i].text);
    }
    cr_expect_not(sl_date_parse(NULL, 10, &(sl_date){0}));
    cr_expect_not(sl_date_parse("2025-01-01", 9, &(sl_date){0}));
    cr_expect(sl_date_parse("2025-01-01xyz", 10, &(sl_date){0}));
}

Test(date, what_has_no_text)
{
    static const sl_date cases[] = {SL_DATE_NONE, INT32_MAX, -719163, 2932897};
    char out[SL_DATE_LEN + 1];
    for (size_t i = 0; i < N(cases); i++)
        cr_expect_str_eq(sl_date_format(cases[i], out), "");
}

#define T(days, h, m, s, us) ((days)*SL_US_PER_DAY + ((((h)*60LL + (m)) * 60 + (s)) * 1000000) + (us))

static const struct {
    const char *text;
    int64_t us;
    bool offset;
    const char *again;
} TIMES[] = {
    {"1970-01-01T00:00:00Z", 0, true, "1970-01-01T00:00:00Z"},
    {"2025-04-16T08:01:02.123456+00:00", T(20194, 8, 1, 2, 123456), true, "2025-04-16T08:01:02.123456Z"},
    {"2025-04-16 08:01:02z", T(20194, 8, 1, 2, 0), true, "2025-04-16T08:01:02Z"},
    {"2025-04-16t08:01:02-00:00", T(20194, 8, 1, 2, 0), true, "2025-04-16T08:01:02Z"},
    {"2025-04-16T08:01:02.12345678901234567890123Z", T(20194, 8, 1, 2, 123456), true, "2025-04-16T08:01:02.123456Z"},
    {"2025-04-16T08:01:02", T(20194, 8, 1, 2, 0), false, "2025-04-16T08:01:02Z"},
    {"2025-04-16T08:01:02.5", T(20194, 8, 1, 2, 500000), false, "2025-04-16T08:01:02.500000Z"},
    {"2025-04-16T08:01:02.1234569Z", T(20194, 8, 1, 2, 123456), true, "2025-04-16T08:01:02.123456Z"},
    {"2025-04-16T08:01:02.123456789Z", T(20194, 8, 1, 2, 123456), true, "2025-04-16T08:01:02.123456Z"},
    {"2025-04-16T01:30:00-07:00", T(20194, 8, 30, 0, 0), true, "2025-04-16T08:30:00Z"},
    {"2025-04-16T01:30:00+05:30", T(20193, 20, 0, 0, 0), true, "2025-04-15T20:00:00Z"},
    {"2025-04-16T23:59:59+23:59", T(20194, 0, 0, 59, 0), true, "2025-04-16T00:00:59Z"},
    {"2016-12-31T23:59:60Z", T(17166, 23, 59, 59, 999999), true, "2016-12-31T23:59:59.999999Z"},
    {"1969-12-31T23:59:59.000001Z", -999999, true, "1969-12-31T23:59:59.000001Z"},
    {"0001-01-01T00:00:00Z", T(-719162, 0, 0, 0, 0), true, "0001-01-01T00:00:00Z"},
    {"9999-12-31T23:59:59.999999Z", T(2932896, 23, 59, 59, 999999), true, "9999-12-31T23:59:59.999999Z"},
};

Test(date, instants)
{
    for (size_t i = 0; i < N(TIMES); i++) {
        int64_t us = -77;
        bool offset = !TIMES[i].offset;
        char out[SL_TIME_LEN + 1];
        cr_expect(sl_time_parse(TIMES[i].text, strlen(TIMES[i].text), &us, &offset), "%s", TIMES[i].text);
        cr_expect_eq(us, TIMES[i].us, "%s", TIMES[i].text);
        cr_expect_eq(offset, TIMES[i].offset, "%s", TIMES[i].text);
        cr_expect_str_eq(sl_time_format(us, out), TIMES[i].again);
    }
}

Test(date, no_instants)
{
    static const char *const cases[] = {
        "",
        "2025-04-16",
        "2025-04-16T",
        "2025-04-16T08:01",
        "2025-04-16T08:01Z",
        "2025-04-16T08:01:02.",
        "2025-04-16T08:01:02.Z",
        "2025-04-16T24:00:00Z",
        "2025-04-16T08:60:00Z",
        "2025-04-16T08:01:61Z",
        "2025-02-29T08:01:02Z",
        "2025-04-16  08:01:02Z",
        "2025-04-16T08:01:02+24:00",
        "2025-04-16T08:01:02+00:60",
        "2025-04-16T08:01:02+0000",
        "2025-04-16T08:01:02+00",
        "2025-04-16T08:01:02ZZ",
        "2025-04-16T08:01:02Z ",
        " 2025-04-16T08:01:02Z",
        "2025-04-16T8:01:02Z",
        "2025-04-16T08:1:02Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2025-04-16T08:01:02,5Z",
        "2025-04-16T-8:01:02Z",
        "2025-04-16T08:01:02 Z",
        "1e9",
        "20250416T080102Z",
    };
    for (size_t i = 0; i < N(cases); i++) {
        int64_t us = -77;
        bool offset = true;
        cr_expect_not(sl_time_parse(cases[i], strlen(cases[i]), &us, &offset), "%s", cases[i]);
        cr_expect_eq(us, -77);
    }
    cr_expect_not(sl_time_parse(NULL, 20, &(int64_t){0}, &(bool){0}));
}

/* Every beginning of a good text, in memory that ends there. */
Test(date, cut_texts)
{
    const char *whole = "2025-04-16T08:01:02.123456+00:00";
    for (size_t len = 0; len < strlen(whole); len++) {
        char *text = sl_alloc(len);
        memcpy(text, whole, len);
        bool offset, good = len == 19 || (len >= 21 && len <= 26);
        cr_expect_eq(sl_time_parse(text, len, &(int64_t){0}, &offset), good, "%zu bytes", len);
        free(text);
    }
}

Test(date, instants_without_text)
{
    static const int64_t cases[] = {INT64_MIN, INT64_MAX, -719162 * SL_US_PER_DAY - 1, 2932897 * SL_US_PER_DAY};
    char out[SL_TIME_LEN + 1];
    for (size_t i = 0; i < N(cases); i++)
        cr_expect_str_eq(sl_time_format(cases[i], out), "");
}

Test(date, times_of_day)
{
    static const struct {
        const char *text;
        int minutes;
    } cases[] = {{"00:00", 0},     {"09:30", 570}, {"23:59", 1439}, {"24:00", -1},  {"12:60", -1}, {"9:30", -1},
                 {"09:30:00", -1}, {"", -1},       {"09-30", -1},   {" 09:30", -1}, {"0930", -1},  {NULL, -1}};
    for (size_t i = 0; i < N(cases); i++) {
        int minutes = -1;
        cr_expect_eq(sl_time_of_day_parse(cases[i].text, &minutes), cases[i].minutes >= 0, "%s", cases[i].text);
        cr_expect_eq(minutes, cases[i].minutes, "%s", cases[i].text);
    }
}
