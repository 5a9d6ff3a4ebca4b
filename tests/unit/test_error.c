/* Errors: the sentence, its context, its bounds. */
#include <criterion/criterion.h>

#include <string.h>

#include <sluice/error.h>
#include <sluice/str.h>

Test(error, fail_sets_code_and_sentence)
{
    struct sl_err err = {0};
    cr_assert_eq(sl_fail(&err, SL_INVALID, "line %d: %s", 3, "bad"), SL_INVALID);
    cr_assert_eq(err.code, SL_INVALID);
    cr_assert_str_eq(err.text, "line 3: bad");
}

Test(error, fail_without_an_error_returns_the_code)
{
    cr_assert_eq(sl_fail(NULL, SL_CONFLICT, "unseen"), SL_CONFLICT);
}

Test(error, wrap_puts_context_before)
{
    struct sl_err err = {0};
    sl_fail(&err, SL_DENIED, "no key");
    cr_assert_eq(sl_wrap(&err, "topic %s", "t"), SL_DENIED);
    cr_assert_eq(sl_wrap(&err, "init"), SL_DENIED);
    cr_assert_str_eq(err.text, "init: topic t: no key");
}

Test(error, arguments_may_point_into_the_error)
{
    struct sl_err err = {0};
    sl_fail(&err, SL_INVALID, "inner");
    sl_fail(&err, SL_UNAVAILABLE, "outer (%s)", err.text);
    cr_assert_str_eq(err.text, "outer (inner)");
    sl_wrap(&err, "[%s]", err.text);
    cr_assert_str_eq(err.text, "[outer (inner)]: outer (inner)");
}

static void check_cut(const struct sl_err *err, size_t least)
{
    size_t len = strnlen(err->text, sizeof(err->text));
    cr_assert_lt(len, sizeof(err->text));
    cr_assert_geq(len, least);
    cr_assert(sl_utf8_valid(err->text, len), "cut inside a character");
}

Test(error, long_sentences_are_cut_at_a_character)
{
    static const char *const characters[] = {"x", "\u00e9", "\u20ac", "\U0001F600"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t shift = 0; shift < 4; shift++) {
            struct sl_buf text = {0};
            for (size_t i = 0; i < shift; i++)
                sl_buf_char(&text, '.');
            while (text.len < 2000)
                sl_buf_str(&text, characters[c]);
            struct sl_err err = {0};
            sl_fail(&err, SL_INTERNAL, "%s", sl_buf_text(&text));
            check_cut(&err, 1020);
            sl_wrap(&err, "context %zu", shift);
            check_cut(&err, 1020);
            cr_assert_eq(strncmp(err.text, "context ", 8), 0);
            sl_wrap(&err, "%s", sl_buf_text(&text));
            check_cut(&err, 1020);
            sl_buf_fini(&text);
        }
    }
}

Test(error, names)
{
    static const struct {
        enum sl_code code;
        const char *name;
    } cases[] = {{SL_OK, "ok"},
                 {SL_INVALID, "invalid"},
                 {SL_NOT_FOUND, "not_found"},
                 {SL_CONFLICT, "conflict"},
                 {SL_UNAVAILABLE, "unavailable"},
                 {SL_DENIED, "denied"},
                 {SL_CORRUPT, "corrupt"},
                 {SL_INTERNAL, "internal"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_str_eq(sl_code_name(cases[i].code), cases[i].name);
}
