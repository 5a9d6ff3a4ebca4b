/* Text: the buffer, UTF-8, near words, numbers, durations, the map. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>
#include <sluice/str.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

Test(str, buffer)
{
    struct sl_buf buf;
    sl_buf_init(&buf);
    cr_assert_str_eq(sl_buf_text(&buf), "");
    sl_buf_add(&buf, NULL, 0);
    sl_buf_str(&buf, NULL);
    sl_buf_str(&buf, "a");
    sl_buf_char(&buf, 'b');
    sl_buf_printf(&buf, "%03d", 7);
    sl_buf_add(&buf, "\0z", 2);
    cr_assert_eq(buf.len, 7);
    cr_assert_eq(memcmp(buf.data, "ab007\0z", 8), 0);
    sl_buf_clear(&buf);
    cr_assert_str_eq(sl_buf_text(&buf), "");
    for (int i = 0; i < 10000; i++)
        sl_buf_printf(&buf, "%d,", i % 10);
    cr_assert_eq(buf.len, 20000);
    cr_assert_eq(strlen(buf.data), 20000);
    sl_buf_printf(&buf, "%30000d", 1);
    cr_assert_eq(buf.len, 50000);
    sl_buf_fini(&buf);
    cr_assert_null(buf.data);
}

Test(str, equality)
{
    cr_assert(sl_str_eq("a", "a"));
    cr_assert(!sl_str_eq("a", "b"));
    cr_assert(!sl_str_eq(NULL, ""));
    cr_assert(!sl_str_eq("", NULL));
    cr_assert(sl_str_eq(NULL, NULL));
}

static const struct {
    const char *label, *bytes;
    size_t len;
    bool valid;
} UTF8[] = {
    {"empty", "", 0, true},
    {"ascii", "abc", 3, true},
    {"NUL", "\0", 1, true},
    {"two bytes", "\xC3\xA9", 2, true},
    {"U+0080", "\xC2\x80", 2, true},
    {"U+0800", "\xE0\xA0\x80", 3, true},
    {"U+FFFF", "\xEF\xBF\xBF", 3, true},
    {"U+D7FF", "\xED\x9F\xBF", 3, true},
    {"U+E000", "\xEE\x80\x80", 3, true},
    {"U+10000", "\xF0\x90\x80\x80", 4, true},
    {"U+10FFFF", "\xF4\x8F\xBF\xBF", 4, true},
    {"continuation alone", "\x80", 1, false},
    {"overlong NUL", "\xC0\x80", 2, false},
    {"overlong slash", "\xC1\xAF", 2, false},
    {"overlong three", "\xE0\x9F\xBF", 3, false},
    {"overlong four", "\xF0\x8F\xBF\xBF", 4, false},
    {"surrogate D800", "\xED\xA0\x80", 3, false},
    {"surrogate DFFF", "\xED\xBF\xBF", 3, false},
    {"U+110000", "\xF4\x90\x80\x80", 4, false},
    {"F5", "\xF5\x80\x80\x80", 4, false},
    {"FF", "\xFF", 1, false},
    {"cut after one", "\xC3", 1, false},
    {"cut after two", "\xE2\x82", 2, false},
    {"cut after three", "\xF0\x9F\x98", 3, false},
    {"second no continuation", "\xE2\x28\xA1", 3, false},
    {"third no continuation", "\xE2\x82\x28", 3, false},
    {"fourth no continuation", "\xF0\x9F\x98\x28", 4, false},
};

/* Each case alone, and at every place of a long text, where the fast path is. */
Test(str, utf8)
{
    cr_assert(sl_utf8_valid(NULL, 0));
    for (size_t i = 0; i < N(UTF8); i++) {
        cr_expect_eq(sl_utf8_valid(UTF8[i].bytes, UTF8[i].len), UTF8[i].valid, "%s", UTF8[i].label);
        for (size_t before = 0; before < 140; before++) {
            char *text = sl_alloc(before + UTF8[i].len); /* exact, so that reading on is seen */
            memset(text, 'x', before);
            memcpy(text + before, UTF8[i].bytes, UTF8[i].len);
            cr_expect_eq(sl_utf8_valid(text, before + UTF8[i].len), UTF8[i].valid, "%s at %zu", UTF8[i].label, before);
            text = sl_realloc_array(text, before + UTF8[i].len + 70, 1);
            memset(text + before + UTF8[i].len, 'y', 70);
            cr_expect_eq(sl_utf8_valid(text, before + UTF8[i].len + 70), UTF8[i].valid, "%s inside, at %zu", UTF8[i].label, before);
            free(text);
        }
    }
}

Test(str, nearest)
{
    static const char *const keys[] = {"timezone", "pipeline", "warehouse", "bus", "ledger", NULL, "grace"};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"timezon", "timezone"},
        {"time_zone", "timezone"},
        {"warehouses", "warehouse"},
        {"buss", "bus"},
        {"pipline", "pipeline"},
        {"wharehosue", "warehouse"},
        {"grce", "grace"},
        {"ledger", "ledger"},
        {"xx", NULL},
        {"completely", NULL},
        {"", NULL},
        {"b", NULL},
        {"zz", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < N(cases); i++) {
        const char *got = sl_str_nearest(cases[i].word, keys, N(keys));
        cr_expect(sl_str_eq(got, cases[i].nearest), "%s gives %s", cases[i].word ? cases[i].word : "NULL", got ? got : "NULL");
    }
    char longest[400];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *same[] = {longest};
    cr_expect_null(sl_str_nearest(longest, same, 1));
    cr_expect_null(sl_str_nearest("a", same, 1));
}

Test(str, integers)
{
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"42", true, 42},
        {"-42", true, -42},
        {"007", true, 7},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"100000000000000000000", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0x10", false, 0},
        {"--1", false, 0},
        {NULL, false, 0},
    };
    for (size_t i = 0; i < N(cases); i++) {
        int64_t value = -77;
        cr_expect_eq(sl_parse_i64(cases[i].text, &value), cases[i].good, "%s", cases[i].text);
        cr_expect_eq(value, cases[i].good ? cases[i].value : -77, "%s", cases[i].text);
    }
}

Test(str, doubles)
{
    static const struct {
        const char *text;
        bool good;
        double value;
    } cases[] = {
        {"0", true, 0},      {"12.5", true, 12.5}, {"-1e3", true, -1000}, {".5", true, 0.5}, {"5.", true, 5},   {"1E-2", true, 0.01},
        {"", false, 0},      {"+1", false, 0},     {" 1", false, 0},      {"1 ", false, 0},  {"nan", false, 0}, {"inf", false, 0},
        {"1e400", false, 0}, {"-1e400", false, 0}, {"0x1p3", false, 0},   {"1,5", false, 0}, {"1e", false, 0},  {"-", false, 0},
        {"1.2.3", false, 0}, {NULL, false, 0},     {"1e-400", true, 0},   {"e5", false, 0},  {".", false, 0},   {"1e+2", true, 100},
    };
    for (size_t i = 0; i < N(cases); i++) {
        double value = -77;
        cr_expect_eq(sl_parse_double(cases[i].text, &value), cases[i].good, "%s", cases[i].text);
        cr_expect_float_eq(value, cases[i].good ? cases[i].value : -77, 0.0, "%s", cases[i].text);
    }
}

Test(str, durations)
{
    static const struct {
        const char *text;
        int64_t ms;
        const char *again;
    } good[] = {
        {"250ms", 250, "250ms"},    {"60s", 60000, "1m"},    {"5m", 300000, "5m"},   {"4h", 14400000, "4h"},
        {"30d", 2592000000, "30d"}, {"0d", 0, "0d"},         {"0s", 0, "0d"},        {"90m", 5400000, "90m"},
        {"1500ms", 1500, "1500ms"}, {"24h", 86400000, "1d"}, {"1000ms", 1000, "1s"}, {"007s", 7000, "7s"},
    };
    char text[32];
    for (size_t i = 0; i < N(good); i++) {
        int64_t ms = -1;
        cr_expect(sl_duration_parse(good[i].text, &ms), "%s", good[i].text);
        cr_expect_eq(ms, good[i].ms, "%s", good[i].text);
        cr_expect_str_eq(sl_duration_format(ms, text), good[i].again);
    }
    static const char *const bad[] = {
        "", "5", "m", "-5m", "+5m", " 5m", "5 m", "5m ", "1.5h", "5M", "5min", "5w", "9223372036854775807s", "99999999999999999999ms"};
    for (size_t i = 0; i < N(bad); i++) {
        int64_t ms = -77;
        cr_expect_not(sl_duration_parse(bad[i], &ms), "%s", bad[i]);
        cr_expect_eq(ms, -77, "%s", bad[i]);
    }
    cr_expect_not(sl_duration_parse(NULL, &(int64_t){0}));
    cr_expect_str_eq(sl_duration_format(INT64_MAX, text), "9223372036854775807ms");
    cr_expect_str_eq(sl_duration_format(INT64_MIN, text), "-9223372036854775808ms");
}

Test(str, map)
{
    static int values[5000];
    struct sl_map *map = sl_map_create();
    char key[32];
    cr_assert_null(sl_map_get(map, "none"));
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 5000; i++) {
            snprintf(key, sizeof(key), "key-%zu", i);
            sl_map_put(map, key, &values[round == 0 ? 0 : i]);
        }
        cr_assert_eq(sl_map_count(map), 5000);
    }
    for (size_t i = 0; i < 5000; i++) {
        snprintf(key, sizeof(key), "key-%zu", i);
        cr_assert_eq(sl_map_get(map, key), &values[i]);
    }
    sl_map_put(map, "", &values[1]);
    cr_assert_eq(sl_map_get(map, ""), &values[1]);
    cr_assert_null(sl_map_get(map, "key-5000"));
    cr_assert_eq(sl_map_count(map), 5001);
    sl_map_destroy(&map);
    cr_assert_null(map);
    sl_map_destroy(&map);
}
