/* date.c - civil dates. Days are counted in eras of 400 years that begin on March 1, so that a leap day ends its year
 * (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
#include <sluice/date.h>

#include "zone_internal.h"

#define DATE_MIN (-719162) /* 0001-01-01 */
#define DATE_MAX 2932896   /* 9999-12-31 */

#define DAYS_PER_ERA  146097
#define DAYS_TO_EPOCH 719468 /* 0000-03-01 .. 1970-01-01 */

int64_t sl_floor_div(int64_t value, int64_t by)
{
    int64_t quotient = value / by;
    return value % by < 0 ? quotient - 1 : quotient;
}

int64_t sl_days_from_civil(int64_t year, int month, int day)
{
    int64_t march_year = month <= 2 ? year - 1 : year;
    int64_t era = sl_floor_div(march_year, 400);
    int64_t year_of_era = march_year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH;
}

/* Year, month and day of a day number; the year may be any. */
static int64_t civil_from_days(int64_t days, int *month, int *day)
{
    int64_t shifted = days + DAYS_TO_EPOCH;
    int64_t era = sl_floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    return year_of_era + era * 400 + (*month <= 2);
}

int64_t sl_year_of_days(int64_t days)
{
    int month, day;
    return civil_from_days(days, &month, &day);
}

int sl_days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool sl_date_from_civil(struct sl_civil civil, sl_date *out)
{
    if (civil.year < 1 || civil.year > 9999 || civil.month < 1 || civil.month > 12 || civil.day < 1 ||
        civil.day > sl_days_in_month(civil.year, civil.month))
        return false;
    *out = (sl_date)sl_days_from_civil(civil.year, civil.month, civil.day);
    return true;
}

struct sl_civil sl_date_to_civil(sl_date date)
{
    struct sl_civil civil;
    civil.year = (int)civil_from_days(date, &civil.month, &civil.day);
    return civil;
}

/* `n` digits; -1 when one is none. */
static int digits(const char *text, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

bool sl_date_parse(const char *text, size_t len, sl_date *out)
{
    if (text == NULL || len != SL_DATE_LEN || text[4] != '-' || text[7] != '-')
        return false;
    struct sl_civil civil = {digits(text, 4), digits(text + 5, 2), digits(text + 8, 2)};
    return sl_date_from_civil(civil, out);
}

static char *put(char *at, int value, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

char *sl_date_format(sl_date date, char *out)
{
    char *at = out;
    if (date >= DATE_MIN && date <= DATE_MAX) {
        struct sl_civil civil = sl_date_to_civil(date);
        at = put(at, civil.year, 4);
        *at++ = '-';
        at = put(at, civil.month, 2);
        *at++ = '-';
        at = put(at, civil.day, 2);
    }
    *at = '\0';
    return out;
}
