/* JSON: the bytes of every call. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/json.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

Test(json, whole_document)
{
    struct sl_buf out = {0};
    struct sl_json json;
    sl_json_init(&json, &out);
    sl_json_object(&json);
    sl_json_put_str(&json, "s", "t");
    sl_json_put_str(&json, "none", NULL);
    sl_json_put_int(&json, "min", INT64_MIN);
    sl_json_put_int(&json, "max", INT64_MAX);
    sl_json_put_double(&json, "d", 85);
    sl_json_put_bool(&json, "yes", true);
    sl_json_put_bool(&json, "no", false);
    sl_json_put_null(&json, "null");
    sl_json_put_date(&json, "date", 20193);
    sl_json_put_date(&json, "no_date", SL_DATE_NONE);
    sl_json_put_time(&json, "time", 1500000);
    sl_json_put_time(&json, "no_time", 0);
    sl_json_put_time(&json, "before", -1);
    sl_json_put_strs(&json, "list", (const char *const[]){"a", NULL, "b"}, 3);
    sl_json_put_strs(&json, "empty", NULL, 0);
    sl_json_key(&json, "nested");
    sl_json_array(&json);
    sl_json_object(&json);
    sl_json_end_object(&json);
    sl_json_array(&json);
    sl_json_end_array(&json);
    sl_json_raw(&json, "{\"x\":1}", 7);
    sl_json_int(&json, 1);
    sl_json_bool(&json, true);
    sl_json_end_array(&json);
    sl_json_put_int(&json, "last", 2);
    sl_json_end_object(&json);
    cr_assert_str_eq(sl_buf_text(&out), "{\"s\":\"t\",\"none\":null,\"min\":-9223372036854775808,\"max\":9223372036854775807,\"d\":85.0,"
                                        "\"yes\":true,\"no\":false,\"null\":null,\"date\":\"2025-04-15\",\"no_date\":null,"
                                        "\"time\":\"1970-01-01T00:00:01.500000Z\",\"no_time\":null,\"before\":null,"
                                        "\"list\":[\"a\",null,\"b\"],\"empty\":[],\"nested\":[{},[],{\"x\":1},1,true],\"last\":2}");
    sl_buf_fini(&out);
}

Test(json, strings)
{
    static const struct {
        const char *text;
        size_t len;
        const char *json;
    } cases[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1F\x7F", 3, "\"\\u0001\\u001f\x7F\""},
        {"\0x", 2, "\"\\u0000x\""},
        {"\u00e9\u20ac\U0001F600", 9, "\"\u00e9\u20ac\U0001F600\""},
        {"a\xFFz", 3, "\"a\xEF\xBF\xBDz\""},
        {"\xC3", 1, "\"\xEF\xBF\xBD\""},
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xF0\x9F\x98\"", 4, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\\\"\""},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_buf out = {0};
        struct sl_json json;
        sl_json_init(&json, &out);
        sl_json_strn(&json, cases[i].text, cases[i].len);
        cr_expect_str_eq(sl_buf_text(&out), cases[i].json, "case %zu: %s", i, sl_buf_text(&out));
        sl_buf_fini(&out);
    }
}

static void write_double(struct sl_buf *out, double number)
{
    struct sl_json json;
    sl_buf_clear(out);
    sl_json_init(&json, out);
    sl_json_double(&json, number);
}

Test(json, doubles)
{
    static const struct {
        double number;
        const char *json;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {85, "85.0"},
        {99.1, "99.1"},
        {0.1, "0.1"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {100.0 * 212 / 214, "99.06542056074767"},
        {1e15, "1e+15"},
        {123456789012345.0, "123456789012345.0"},
        {9007199254740993.0, "9007199254740992.0"},
        {1e300, "1e+300"},
        {5e-324, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {-2.5, "-2.5"},
        {(double)NAN, "null"},
        {(double)INFINITY, "null"},
        {-(double)INFINITY, "null"},
    };
    struct sl_buf out = {0};
    for (size_t i = 0; i < N(cases); i++) {
        write_double(&out, cases[i].number);
        cr_expect_str_eq(sl_buf_text(&out), cases[i].json, "%s, not %s", sl_buf_text(&out), cases[i].json);
    }
    sl_buf_fini(&out);
}

/* Numbers of every size read back to the bit. */
Test(json, doubles_read_back)
{
    struct sl_buf out = {0};
    uint64_t bits = 88172645463325252ULL;
    for (int i = 0; i < 50000; i++) {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        double number, back = 0;
        memcpy(&number, &bits, sizeof(number));
        if (!isfinite(number))
            continue;
        write_double(&out, number);
        cr_assert(sl_parse_double(sl_buf_text(&out), &back));
        cr_assert_eq(memcmp(&number, &back, sizeof(back)), 0, "%s", sl_buf_text(&out));
    }
    sl_buf_fini(&out);
}
