/* One scalar in its canonical form, by the type and range of its option. Pure. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define DAY_MS 86400000LL

/* Is low <= value <= high by the range "LOW..HIGH" (">LOW..HIGH": low itself is out), whose ends `parse` reads like the value? */
static bool in_range(const char *allowed, double value, bool (*parse)(const char *text, double *out))
{
    if (allowed == NULL)
        return true;
    bool open = allowed[0] == '>';
    const char *dots = strstr(allowed, "..");
    char low_text[32];
    snprintf(low_text, sizeof low_text, "%.*s", (int)(dots - allowed) - open, allowed + open);
    double low, high;
    if (parse(low_text, &low) && (open ? value <= low : value < low))
        return false;
    return !parse(dots + 2, &high) || value <= high;
}

static bool parse_duration(const char *text, double *out)
{
    int64_t ms;
    if (!sl_duration_parse(text, &ms))
        return false;
    *out = (double)ms;
    return true;
}

bool sl_percent_parse(const char *text, double *out_share)
{
    size_t len = strlen(text);
    char number[32];
    if (len < 2 || len > sizeof number || text[len - 1] != '%')
        return false;
    memcpy(number, text, len - 1);
    number[len - 1] = '\0';
    double percent;
    if (!sl_parse_double(number, &percent))
        return false;
    *out_share = percent / 100;
    return true;
}

static bool identifier(const char *text, size_t len)
{
    static const char letters[] = "0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (len == 0 || len > SL_CONFIG_MAX_NAME || (text[0] >= '0' && text[0] <= '9'))
        return false;
    return strspn(text, letters) >= len;
}

static json_t *value_text(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= SL_CONFIG_MAX_TEXT ? json_string(text) : NULL;
}

static json_t *value_table(const char *text)
{
    const char *dot = strchr(text, '.');
    bool ok = dot != NULL && identifier(text, (size_t)(dot - text)) && identifier(dot + 1, strlen(dot + 1));
    return ok ? json_string(text) : NULL;
}

static json_t *value_column(const char *text)
{
    return identifier(text, strlen(text)) ? json_string(text) : NULL;
}

static json_t *value_zone(const char *text)
{
    struct sl_zone *zone = NULL;
    enum sl_code code = sl_zone_load(&zone, text, NULL);
    sl_zone_destroy(&zone);
    return code == SL_OK ? json_string(text) : NULL;
}

static json_t *value_enum(const char *allowed, const char *text)
{
    size_t len = strlen(text);
    for (const char *at = allowed; len > 0;) {
        size_t n = strcspn(at, "|");
        if (n == len && memcmp(at, text, len) == 0)
            return json_string(text);
        if (at[n] == '\0')
            return NULL;
        at += n + 1;
    }
    return NULL;
}

static json_t *value_int(const char *allowed, const char *text)
{
    int64_t value;
    bool ok = sl_parse_i64(text, &value) && in_range(allowed, (double)value, sl_parse_double);
    return ok ? json_integer(value) : NULL;
}

static json_t *value_number(const char *allowed, const char *text)
{
    double value;
    bool ok = sl_parse_double(text, &value) && in_range(allowed, value, sl_parse_double);
    return ok ? json_real(value + 0.0) : NULL;
}

static json_t *value_bool(const char *text)
{
    if (strcmp(text, "true") == 0)
        return json_true();
    return strcmp(text, "false") == 0 ? json_false() : NULL;
}

static json_t *value_duration(const struct sl_option *option, const char *text)
{
    int64_t ms;
    char canonical[32];
    if (!sl_duration_parse(text, &ms) || !in_range(option->allowed, (double)ms, parse_duration))
        return NULL;
    if (option->type == SL_OPT_DAYS && ms % DAY_MS != 0)
        return NULL;
    return json_string(sl_duration_format(ms, canonical));
}

static json_t *value_percent(const char *allowed, const char *text)
{
    double share;
    char canonical[32];
    if (!sl_percent_parse(text, &share) || !in_range(allowed, share, sl_percent_parse))
        return NULL;
    snprintf(canonical, sizeof canonical, "%.10g%%", share * 100 + 0.0);
    return json_string(canonical);
}

static json_t *value_time(const char *text)
{
    int minutes;
    return sl_time_of_day_parse(text, &minutes) ? json_sprintf("%02d:%02d", minutes / 60, minutes % 60) : NULL;
}

static json_t *value_date(const char *text)
{
    sl_date date;
    return sl_date_parse(text, strlen(text), &date) ? json_string(text) : NULL;
}

bool sl_window_parse(const char *text, struct sl_window *out)
{
    static const char *const kinds[] = {"units", "days", "rows"};
    const char *space = strchr(text, ' ');
    char number[16];
    if (space == NULL || space == text || (size_t)(space - text) >= sizeof number)
        return false;
    memcpy(number, text, (size_t)(space - text));
    number[space - text] = '\0';
    int64_t n;
    if (!sl_parse_i64(number, &n) || n < 1 || n > 100000)
        return false;
    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(kinds[i]) - (n == 1); /* "1 unit" and "1 units" */
        if (strcmp(space + 1, kinds[i]) == 0 || (strlen(space + 1) == len && strncmp(space + 1, kinds[i], len) == 0)) {
            *out = (struct sl_window){(enum sl_window_kind)i, (int)n};
            return true;
        }
    }
    return false;
}

static json_t *value_window(const char *allowed, const char *text)
{
    static const char *const kinds[] = {"units", "days", "rows"};
    struct sl_window window;
    if (!sl_window_parse(text, &window) || strstr(allowed, kinds[window.kind]) == NULL)
        return NULL;
    return json_sprintf("%d %s", window.n, kinds[window.kind]);
}

json_t *sl_value_normal(const struct sl_option *option, const char *text, bool quoted)
{
    switch (option->type) {
    case SL_OPT_OBJECT:
    case SL_OPT_MAP:
    case SL_OPT_LIST: return NULL;
    case SL_OPT_TEXT: return value_text(text);
    case SL_OPT_NAME: return sl_config_name_ok(text) ? json_string(text) : NULL;
    case SL_OPT_TABLE: return value_table(text);
    case SL_OPT_COLUMN: return value_column(text);
    case SL_OPT_ZONE: return value_zone(text);
    case SL_OPT_ENUM: return value_enum(option->allowed, text);
    case SL_OPT_INT: return quoted ? NULL : value_int(option->allowed, text);
    case SL_OPT_NUMBER: return quoted ? NULL : value_number(option->allowed, text);
    case SL_OPT_BOOL: return quoted ? NULL : value_bool(text);
    case SL_OPT_DURATION:
    case SL_OPT_DAYS: return value_duration(option, text);
    case SL_OPT_PERCENT: return value_percent(option->allowed, text);
    case SL_OPT_TIME: return value_time(text);
    case SL_OPT_DATE: return value_date(text);
    case SL_OPT_WINDOW: return value_window(option->allowed, text);
    }
    return NULL;
}
