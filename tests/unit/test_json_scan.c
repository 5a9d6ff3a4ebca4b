/* test_json_scan.c - the strict scanner: the grammar, what it refuses beyond it, and jansson as a second opinion. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/str.h>

#include "../src/core/json_scan.h"

#define N(table) (sizeof(table) / sizeof((table)[0]))
#define FINE     (-1)

/* The reject code, or FINE. */
static int verdict_n(const char *text, size_t len, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_json_value root;
    enum sl_reject reject = SL_REJECT_NOT_JSON;
    bool fine = sl_json_scan(text, len, NULL, NULL, &arena, &root, &reject, err);
    if (fine) {
        cr_assert_geq(root.at, text);
        cr_assert_leq(root.at + root.len, text + len);
    }
    sl_arena_fini(&arena);
    return fine ? FINE : (int)reject;
}

static int verdict(const char *text)
{
    return verdict_n(text, strlen(text), NULL);
}

Test(json_scan, accepts)
{
    static const char *const cases[] = {
        "{}",
        "[]",
        "\"\"",
        "0",
        "-0",
        "true",
        "false",
        "null",
        " \t\r\n{ \t\r\n} \t\r\n",
        "[1,2,3]",
        "{\"a\":1,\"b\":[{}]}",
        "{\"\":0}",
        "18446744073709551615",
        "1e400",
        "-1e-400",
        "1.50",
        "1E+5",
        "0.0e-0",
        "123456789012345678901234567890.123456789",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
        "\"\\ud83c\\udfc0\"",
        "\"\\uD83C\\uDFC0\"",
        "\"\x7f\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\x80\"",
        "\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\"",
        "{\"a\":{\"a\":{\"a\":1}},\"b\":{\"a\":1}}",
        "[{\"a\":1},{\"a\":1}]",
        "{\"a\":1,\"A\":1,\"a \":1}",
        "\"\\\\u0000\"",
        "{\"\\u0061\":1,\"\\u0062\":2}",
    };
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(verdict(cases[i]), FINE, "%s", cases[i]);
}

Test(json_scan, refuses_what_is_not_json)
{
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{'a':1}",
        "{1:1}",
        "{\"a\" 1}",
        "{\"a\"::1}",
        "{\"a\":1 \"b\":2}",
        "{}{}",
        "{} x",
        "1 2",
        "tru",
        "truE",
        "TRUE",
        "True",
        "nul",
        "nulll",
        "NaN",
        "Infinity",
        "-Infinity",
        "01",
        "-01",
        "00",
        "-",
        "+1",
        ".5",
        "1.",
        "1.e5",
        "1e",
        "1e+",
        "0x10",
        "1_000",
        "--1",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\",
        "\"\\x41\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\u",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\x01\"",
        "\"\x1f\"",
        "\xef\xbb\xbf{}",
        "\f{}",
        "\v1",
        "// c\n1",
        "/**/1",
        "[1}",
        "{\"a\":1]",
        "'a'",
        "\"\\'\"",
        "\"\\U0041\"",
        ":",
        ",",
    };
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(verdict(cases[i]), SL_REJECT_NOT_JSON, "%s", cases[i]);
    cr_assert_eq(verdict_n("\"a\0b\"", 5, NULL), SL_REJECT_NOT_JSON, "a raw NUL is a control character");
    cr_assert_eq(verdict_n("{}\0", 3, NULL), SL_REJECT_NOT_JSON);
}

Test(json_scan, refuses_bad_utf8)
{
    static const char *const cases[] = {
        "\"\xff\"",
        "\"\x80\"",
        "\"\xc3\"",
        "\"\xc0\xaf\"",
        "\"\xe0\x9f\xbf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf0\x8f\xbf\xbf\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xf8\x88\x80\x80\x80\"",
        "\"\xe2\x82\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800x\"",
        "\"\\ud800\\n\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud83c",
        "\"\\ud83c\\udf",
        "{\"\\udfff\":1}",
    };
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(verdict(cases[i]), SL_REJECT_BAD_UTF8, "%s", cases[i]);
}

Test(json_scan, refuses_nul_and_duplicate_keys)
{
    static const struct {
        const char *text;
        int expected;
    } cases[] = {
        {"\"\\u0000\"", SL_REJECT_NUL},
        {"{\"a\\u0000\":1}", SL_REJECT_NUL},
        {"[[\"x\\u0000y\"]]", SL_REJECT_NUL},
        {"{\"a\":1,\"a\":1}", SL_REJECT_DUPLICATE_KEY},
        {"{\"a\":1,\"\\u0061\":2}", SL_REJECT_DUPLICATE_KEY},
        {"{\"\\u0061\":1,\"\\u0061\":2}", SL_REJECT_DUPLICATE_KEY},
        {"{\"\\/\":1,\"/\":2}", SL_REJECT_DUPLICATE_KEY},
        {"{\"\xf0\x9f\x8f\x80\":1,\"\\uD83C\\uDFC0\":2}", SL_REJECT_DUPLICATE_KEY},
        {"{\"\":1,\"\":2}", SL_REJECT_DUPLICATE_KEY},
        {"{\"x\":[{\"y\":{\"z\":1,\"w\":2,\"z\":3}}]}", SL_REJECT_DUPLICATE_KEY},
    };
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(verdict(cases[i].text), cases[i].expected, "%s", cases[i].text);
}

/* The fault that comes first in the text is the one that is told; raw bytes that are no UTF-8 come before all. */
Test(json_scan, the_first_fault_wins)
{
    static const struct {
        const char *text;
        int expected;
    } cases[] = {
        {"{\"a\":1,\"a\":\"\\u0000\"", SL_REJECT_DUPLICATE_KEY},
        {"{\"a\":\"\\u0000\",\"a\":1", SL_REJECT_NUL},
        {"{\"a\":1,\"a\"", SL_REJECT_DUPLICATE_KEY},
        {"{\"a\":tru,\"a\":1}", SL_REJECT_NOT_JSON},
        {"{\"a\":1,\"a\":1,}\xff", SL_REJECT_BAD_UTF8},
        {"{\"a\":\"\\ud800\",\"a\":1}", SL_REJECT_BAD_UTF8},
        {"{\"a\":1,\"a\":\"\\ud800\"}", SL_REJECT_DUPLICATE_KEY},
        {"{\"a\":1,\"b\":{\"c\":1,\"c\":2},\"a\":3}", SL_REJECT_DUPLICATE_KEY},
    };
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(verdict(cases[i].text), cases[i].expected, "%s", cases[i].text);
}

static void nest(struct sl_buf *text, const char *open, const char *inner, const char *close, int levels)
{
    for (int i = 0; i < levels; i++)
        sl_buf_str(text, open);
    sl_buf_str(text, inner);
    for (int i = 0; i < levels; i++)
        sl_buf_str(text, close);
}

Test(json_scan, depth)
{
    static const struct {
        const char *open, *inner, *close;
        int levels;
        int expected;
    } cases[] = {
        {"[", "", "]", 32, FINE},
        {"[", "", "]", 33, SL_REJECT_TOO_DEEP},
        {"{\"a\":", "1", "}", 32, FINE},
        {"{\"a\":", "1", "}", 33, SL_REJECT_TOO_DEEP},
        {"[{\"a\":", "0", "}]", 16, FINE},
        {"[{\"a\":", "[]", "}]", 16, SL_REJECT_TOO_DEEP},
        {"[[],", "1", "]", 31, FINE},
        {"[", "", "", 100000, SL_REJECT_TOO_DEEP},
        {"[", "", "", 32, SL_REJECT_NOT_JSON},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_buf text = {0};
        nest(&text, cases[i].open, cases[i].inner, cases[i].close, cases[i].levels);
        cr_assert_eq(verdict_n(text.data, text.len, NULL), cases[i].expected, "case %zu", i);
        sl_buf_fini(&text);
    }
}

/* An object of `n` keys, `extra` at its end. */
static void big_object(struct sl_buf *text, size_t n, const char *extra)
{
    sl_buf_char(text, '{');
    for (size_t i = 0; i < n; i++)
        sl_buf_printf(text, "%s\"key_%zu\":%zu", i > 0 ? "," : "", i, i);
    sl_buf_str(text, extra);
}

Test(json_scan, duplicates_at_every_size)
{
    for (size_t n = 2; n < 200; n++) {
        struct sl_buf text = {0};
        char extra[64];
        size_t twice = n * 7 % n, first = n / 2;
        big_object(&text, n, "}");
        cr_assert_eq(verdict_n(text.data, text.len, NULL), FINE, "%zu keys", n);
        sl_buf_clear(&text);
        snprintf(extra, sizeof(extra), ",\"key_%zu\":0,\"key_%zu\":0}", first, twice);
        big_object(&text, n, extra);
        struct sl_err err = {0};
        cr_assert_eq(verdict_n(text.data, text.len, &err), SL_REJECT_DUPLICATE_KEY, "%zu keys", n);
        snprintf(extra, sizeof(extra), "\"key_%zu\"", first);
        cr_assert(strstr(err.text, extra), "the earlier one of two: %s", err.text);
        sl_buf_fini(&text);
    }
}

Test(json_scan, a_duplicate_in_a_big_open_object_comes_first)
{
    static const struct {
        const char *extra;
        int expected;
    } cases[] = {
        {",\"key_1\":0,\"x\":tru}", SL_REJECT_DUPLICATE_KEY},
        {",\"x\":tru,\"key_1\":0}", SL_REJECT_NOT_JSON},
        {",\"key_1\":0,\"x\":{\"y\":1,\"y\":2}}", SL_REJECT_DUPLICATE_KEY},
        {",\"x\":\"\\u0000\",\"key_1\":0}", SL_REJECT_NUL},
        {",\"key_1\":\"\\u0000\"}", SL_REJECT_DUPLICATE_KEY},
        {",\"key_1\":0", SL_REJECT_DUPLICATE_KEY},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_buf text = {0};
        struct sl_err err = {0};
        big_object(&text, 100, cases[i].extra);
        cr_assert_eq(verdict_n(text.data, text.len, &err), cases[i].expected, "%s", cases[i].extra);
        if (cases[i].expected == SL_REJECT_DUPLICATE_KEY)
            cr_assert(strstr(err.text, "\"key_1\""), "%s", err.text);
        sl_buf_fini(&text);
    }
}

/* Comparing each key with each would take hours. */
Test(json_scan, half_a_million_keys)
{
    struct sl_buf text = {0};
    big_object(&text, 500000, "}");
    cr_assert_eq(verdict_n(text.data, text.len, NULL), FINE);
    text.len--;
    sl_buf_str(&text, ",\"key_499999\":1}");
    cr_assert_eq(verdict_n(text.data, text.len, NULL), SL_REJECT_DUPLICATE_KEY);
    sl_buf_fini(&text);
}

Test(json_scan, sentences)
{
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"", "the body is empty; expected a JSON object"},
        {"\xef\xbb\xbf{}", "the body is not JSON: it begins with a byte order mark; expected none"},
        {"{\"a\"", "the body is not JSON: it ends after 4 bytes; expected a colon after the key"},
        {"{\"a\";1}", "the body is not JSON: ';' at offset 4; expected a colon after the key"},
        {"[\"\n\"]", "the body is not JSON: byte 0x0a at offset 2; expected no raw control character in a string"},
        {"{\"a\":1,\"a\":2}", "the key \"a\" at offset 7 is in its object twice; expected each key once"},
        {"{\"\\u001b\":1,\"\\u001b\":2}", "the key \"\\u001b\" at offset 12 is in its object twice; expected each key once"},
        {"[\"x\\u0000\"]", "the string has \\u0000 at offset 3; expected no NUL in a string"},
        {"[\"\\ud800\"]", "the escape at offset 2 is half of a surrogate pair; expected both halves"},
        {"[\"a\xff\"]", "byte 0xff at offset 3 is not UTF-8; expected valid UTF-8"},
        {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "the bracket at offset 32 opens level 33; expected at most 32 levels"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_err err = {0};
        cr_assert_neq(verdict_n(cases[i].text, strlen(cases[i].text), &err), FINE);
        cr_assert_str_eq(err.text, cases[i].sentence);
        cr_assert_eq(err.code, SL_INVALID);
    }
}

Test(json_scan, text_of_strings)
{
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"\"\"", ""},
        {"\"plain\"", "plain"},
        {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
        {"\"\\u0041\\u00e9\\u20ac\\ud83c\\udfc0\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x8f\x80"},
        {"\"\\uDBFF\\uDFFF\\uFFFF\\u07FF\\u0800\"", "\xf4\x8f\xbf\xbf\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80"},
        {"\"a\\nb\xc3\xa9\"", "a\nb\xc3\xa9"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_arena arena = {0};
        struct sl_json_value root;
        enum sl_reject reject;
        size_t len;
        cr_assert(sl_json_scan(cases[i].json, strlen(cases[i].json), NULL, NULL, &arena, &root, &reject, NULL));
        cr_assert_str_eq(sl_json_text(&root, &arena, &len), cases[i].text);
        cr_assert_eq(len, strlen(cases[i].text));
        sl_arena_fini(&arena);
    }
}

Test(json_scan, extent)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        {"{}", 2},          {"{} x", 2},    {"{\"}\":[\"]\\\"}\"]}x", 14},
        {"\"a\\\"b\"c", 6}, {"[[[]]]]", 6}, {"{", 0},
        {"\"a", 0},         {"\"a\\", 0},   {"[\"", 0},
        {"12", 0},          {"", 0},        {"{a b c}", 7},
    };
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_eq(sl_json_extent(cases[i].text, strlen(cases[i].text)), cases[i].len, "%s", cases[i].text);
}

Test(json_scan, shown_texts)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"plain \xc3\xa9", "plain \xc3\xa9"},
        {"a\"b\\c\nd\x1b\x7f", "a\\\"b\\\\c\\u000ad\\u001b\\u007f"},
        {"\xc2\x9b", "\\u009b"},
        {"\xff\xc3", "??"},
        {"0123456789012345678901234567890123456789012345678901234567890123",
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"01234567890123456789012345678901234567890123456789012345678901234",
         "0123456789012345678901234567890123456789012345678901234567890123..."},
        {"012345678901234567890123456789012345678901234567890123456789012\xc3\xa9",
         "012345678901234567890123456789012345678901234567890123456789012..."},
    };
    char shown[SL_JSON_SHOWN_BYTES];
    for (size_t i = 0; i < N(cases); i++)
        cr_assert_str_eq(sl_json_show(cases[i].text, strlen(cases[i].text), shown), cases[i].shown);
    struct sl_json_value list = {.kind = SL_JSON_ARRAY, .at = "[1,\n\"a\\\"\"]", .len = 10};
    cr_assert_str_eq(sl_json_show_value(&list, shown), "[1, \"a\\\"\"]");
    struct sl_buf worst = {0};
    for (int i = 0; i < 100; i++)
        sl_buf_char(&worst, '\x01');
    cr_assert_eq(strlen(sl_json_show(worst.data, worst.len, shown)), 64 * 6 + 3);
    sl_buf_fini(&worst);
}

/* ---- jansson as a second opinion ---- */

static uint32_t roll(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static const char *pick(uint32_t *seed, const char *const *items, size_t n)
{
    return items[roll(seed, (uint32_t)n)];
}

static void random_text(struct sl_buf *out, uint32_t *seed)
{
    static const char *const parts[] = {
        "a", "b", "key", "\\n", "\\u0061", "\\ud83c\\udfc0", "\xc3\xa9", "\\\"", " ", "\xf0\x9f\x8f\x80", "\\/", "longer text here"};
    sl_buf_char(out, '"');
    for (uint32_t n = roll(seed, 4); n > 0; n--)
        sl_buf_str(out, pick(seed, parts, N(parts)));
    sl_buf_char(out, '"');
}

static void random_value(struct sl_buf *out, uint32_t *seed, int depth)
{
    static const char *const words[] = {"true", "false", "null", "0", "-1", "1.5", "2e3", "-0.25E-2", "9007199254740993", "{}", "[]"};
    uint32_t kind = roll(seed, depth > 0 ? 4 : 2);
    if (kind == 0)
        random_text(out, seed);
    if (kind == 1)
        sl_buf_str(out, pick(seed, words, N(words)));
    if (kind < 2)
        return;
    sl_buf_char(out, kind == 2 ? '[' : '{');
    for (uint32_t i = 0, n = roll(seed, 6); i < n; i++) {
        sl_buf_str(out, i > 0 ? ", " : "");
        if (kind == 3) {
            random_text(out, seed);
            sl_buf_str(out, ":");
        }
        random_value(out, seed, depth - 1);
    }
    sl_buf_char(out, kind == 2 ? ']' : '}');
}

/* One byte changed, dropped or doubled, or the end cut off. */
static void mutate(struct sl_buf *text, uint32_t *seed)
{
    static const char alphabet[] = "{}[]\",:\\u0d8c1e.-+tfn \n\x01\x80\xc3\xff";
    if (text->len == 0)
        return;
    size_t at = roll(seed, (uint32_t)text->len);
    switch (roll(seed, 4)) {
    case 0: text->data[at] = alphabet[roll(seed, sizeof(alphabet))]; break;
    case 1:
        memmove(text->data + at, text->data + at + 1, text->len - at);
        text->len--;
        break;
    case 2: text->len = at; break;
    default: sl_buf_char(text, text->data[at]); break;
    }
}

struct against {
    json_t *root;
    struct sl_arena *arena;
    size_t members;
};

static void compare_member(void *context, const struct sl_json_member *member)
{
    struct against *against = context;
    size_t len = 0;
    json_t *theirs = member->key ? json_object_getn(against->root, member->key, member->key_len)
                                 : json_array_get(against->root, member->index);
    cr_assert_not_null(theirs);
    cr_assert_eq(member->index, against->members++);
    if (member->value.kind != SL_JSON_STRING)
        return;
    const char *text = sl_json_text(&member->value, against->arena, &len);
    cr_assert(json_is_string(theirs) && json_string_length(theirs) == len && memcmp(json_string_value(theirs), text, len) == 0);
}

/* True when both had an opinion. */
static bool compare_verdicts(const struct sl_buf *text, size_t *n_fine)
{
    json_error_t error;
    struct sl_json_value root;
    enum sl_reject reject;
    struct sl_arena arena = {0};
    json_t *theirs = json_loadb(text->len ? text->data : "", text->len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    struct against against = {theirs, &arena, 0};
    if (!theirs && json_error_code(&error) == json_error_numeric_overflow)
        return false;
    bool ours = sl_json_scan(text->data, text->len, theirs ? compare_member : NULL, &against, &arena, &root, &reject, NULL);
    cr_assert_eq(ours, theirs != NULL, "%.*s: we %d, jansson: %s", (int)text->len, text->data, ours, theirs ? "fine" : error.text);
    if (ours && root.kind == SL_JSON_OBJECT)
        cr_assert_eq(against.members, json_object_size(theirs));
    if (ours && root.kind == SL_JSON_ARRAY)
        cr_assert_eq(against.members, json_array_size(theirs));
    *n_fine += ours;
    json_decref(theirs);
    sl_arena_fini(&arena);
    return true;
}

Test(json_scan, agrees_with_jansson)
{
    uint32_t seed = 20250416;
    size_t n_fine = 0, n_compared = 0;
    json_object_seed(1);
    for (int i = 0; i < 6000; i++) {
        struct sl_buf text = {0};
        random_value(&text, &seed, 5);
        for (uint32_t n = roll(&seed, 4); n > 0; n--)
            mutate(&text, &seed);
        n_compared += compare_verdicts(&text, &n_fine);
        sl_buf_fini(&text);
    }
    cr_assert_gt(n_compared, 5900);
    cr_assert(n_fine > 1500 && n_fine < 5000, "%zu of %zu were valid", n_fine, n_compared);
}
