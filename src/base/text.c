/* text.c - numbers, durations and near words in text. Pure; never asks the process's locale. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtod_l */
#endif

#include <sluice/str.h>

#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 128 /* longer words have no neighbours: option and phase names are shorter */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edit distance of two words shorter than WORD_MAX, one row of the table at a time. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[WORD_MAX];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *sl_str_nearest(const char *word, const char *const *candidates, size_t n)
{
    size_t len = word == NULL ? WORD_MAX : strlen(word);
    if (len >= WORD_MAX)
        return NULL;
    size_t limit = len / 3 > 2 ? len / 3 : 2;
    if (limit >= len)
        limit = len > 0 ? len - 1 : 0;
    const char *nearest = NULL;
    size_t least = limit + 1;
    for (size_t i = 0; i < n; i++) {
        size_t other = candidates[i] == NULL ? WORD_MAX : strlen(candidates[i]);
        if (other >= WORD_MAX)
            continue;
        size_t d = distance(word, len, candidates[i], other);
        if (d < least) {
            least = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* Digits up to `end`, negative throughout, so that INT64_MIN fits. */
static bool parse_digits(const char *at, const char *end, int64_t *out)
{
    if (at == end)
        return false;
    int64_t value = 0;
    for (; at < end; at++) {
        if (*at < '0' || *at > '9')
            return false;
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *at - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

bool sl_parse_i64(const char *text, int64_t *out)
{
    if (text == NULL)
        return false;
    bool negative = text[0] == '-';
    int64_t value;
    if (!parse_digits(text + negative, text + strlen(text), &value) || (!negative && value == INT64_MIN))
        return false;
    *out = negative ? value : -value;
    return true;
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (c_locale == (locale_t)0)
        abort();
}

bool sl_parse_double(const char *text, double *out)
{
    if (text == NULL || text[0] == '\0' || text[0] == '+' || text[strspn(text, "0123456789+-.eE")] != '\0')
        return false;
    pthread_once(&c_locale_once, make_c_locale);
    char *end;
    double value = strtod_l(text, &end, c_locale);
    if (end == text || *end != '\0' || !isfinite(value))
        return false;
    *out = value;
    return true;
}

/* Descending; a duration is written in the first that divides it. */
static const struct {
    const char *name;
    int64_t ms;
} UNITS[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
#define N_UNITS (sizeof(UNITS) / sizeof(UNITS[0]))

bool sl_duration_parse(const char *text, int64_t *out_ms)
{
    if (text == NULL)
        return false;
    size_t digits = strspn(text, "0123456789");
    int64_t negative;
    if (!parse_digits(text, text + digits, &negative))
        return false;
    for (size_t i = 0; i < N_UNITS; i++) {
        if (strcmp(text + digits, UNITS[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(negative, -UNITS[i].ms, &negative))
            return false;
        *out_ms = negative;
        return true;
    }
    return false;
}

char *sl_duration_format(int64_t ms, char *out)
{
    size_t i = 0;
    while (ms % UNITS[i].ms != 0)
        i++;
    snprintf(out, 32, "%lld%s", (long long)(ms / UNITS[i].ms), UNITS[i].name);
    return out;
}
