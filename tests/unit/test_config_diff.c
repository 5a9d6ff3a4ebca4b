/* test_config_diff.c - what differs between two normal forms, key by key, and one with a key taken from the other. */
#include <criterion/criterion.h>
#include <string.h>

#include <sluice/config_diff.h>
#include <sluice/str.h>

/* "path: before -> after" joined by "; ". */
static const char *differences(const char *before, const char *after, struct sl_arena *arena)
{
    struct sl_config_change *changes = NULL;
    struct sl_err err;
    size_t n = 0;
    const char *text = "";
    cr_assert_eq(sl_config_diff(&changes, &n, before, after, arena, &err), SL_OK, "%s", err.text);
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(arena, "%s%s%s: %s -> %s", text, i ? "; " : "", changes[i].path,
                               changes[i].before ? changes[i].before : "(none)", changes[i].after ? changes[i].after : "(none)");
    return text;
}

static const struct {
    const char *label, *before, *after, *expected;
} CASES[] = {
    {"equal", "{\"a\":1,\"b\":[1]}", "{\"b\":[1],\"a\":1}", ""},
    {"a value", "{\"a\":{\"b\":\"x\",\"c\":1}}", "{\"a\":{\"b\":\"y\",\"c\":1}}", "a.b: x -> y"},
    {"several, by path", "{\"b\":1,\"a\":{\"z\":true}}", "{\"b\":2.5,\"a\":{\"z\":null}}", "a.z: true -> null; b: 1 -> 2.5"},
    {"added and removed", "{\"a\":{\"x\":1}}", "{\"a\":{\"y\":2}}", "a.x: 1 -> (none); a.y: (none) -> 2"},
    {"an object comes", "{}", "{\"a\":{\"x\":1}}", "a: (none) -> {\"x\":1}"},
    {"another type", "{\"a\":{\"x\":1}}", "{\"a\":\"off\"}", "a: {\"x\":1} -> off"},
    {"named items in another order", "{\"p\":[{\"name\":\"a\",\"v\":1},{\"name\":\"b\",\"v\":1}]}",
     "{\"p\":[{\"name\":\"b\",\"v\":2},{\"name\":\"a\",\"v\":1}]}", "p.b.v: 1 -> 2"},
    {"a named item comes", "{\"p\":[{\"name\":\"a\"}]}", "{\"p\":[{\"name\":\"a\"},{\"name\":\"b\"}]}", "p.b: (none) -> {\"name\":\"b\"}"},
    {"a named item goes", "{\"p\":[{\"name\":\"a\"},{\"name\":\"b\"}]}", "{\"p\":[{\"name\":\"a\"}]}", "p.b: {\"name\":\"b\"} -> (none)"},
    {"two of one name are one value", "{\"p\":[{\"name\":\"a\"},{\"name\":\"a\"}]}", "{\"p\":[{\"name\":\"a\"}]}",
     "p: [{\"name\":\"a\"},{\"name\":\"a\"}] -> [{\"name\":\"a\"}]"},
    {"plain lists are one value", "{\"f\":[\"a\",\"b\"]}", "{\"f\":[\"b\",\"a\"]}", "f: [\"a\",\"b\"] -> [\"b\",\"a\"]"},
    {"names with dots", "{\"p\":[{\"name\":\"a.b\",\"v\":1}]}", "{\"p\":[{\"name\":\"a.b\",\"v\":2}]}", "p.a.b.v: 1 -> 2"},
};

Test(config_diff, what_differs)
{
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_arena arena = {0};
        cr_expect_str_eq(differences(CASES[i].before, CASES[i].after, &arena), CASES[i].expected, "%s", CASES[i].label);
        sl_arena_fini(&arena);
    }
}

/* All changes applied one after the other make the other config; each taken back unmakes it. */
Test(config_diff, with_each_change)
{
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sl_arena arena = {0};
        struct sl_config_change *changes = NULL;
        struct sl_err err;
        size_t n = 0;
        const char *text = CASES[i].before;
        cr_assert_eq(sl_config_diff(&changes, &n, text, CASES[i].after, &arena, &err), SL_OK);
        for (size_t c = 0; c < n; c++) {
            text = sl_config_with(text, CASES[i].after, &changes[c], &arena);
            cr_assert_not_null(text, "%s", CASES[i].label);
        }
        cr_expect_str_eq(differences(text, CASES[i].after, &arena), "", "%s: %s", CASES[i].label, text);
        for (size_t c = 0; c < n; c++)
            text = sl_config_with(text, CASES[i].before, &changes[c], &arena);
        cr_expect_str_eq(differences(text, CASES[i].before, &arena), "", "%s back: %s", CASES[i].label, text);
        sl_arena_fini(&arena);
    }
}

Test(config_diff, what_is_no_config)
{
    struct sl_arena arena = {0};
    struct sl_config_change *changes = NULL;
    struct sl_err err;
    size_t n = 0;
    cr_expect_eq(sl_config_diff(&changes, &n, "{", "{}", &arena, &err), SL_CORRUPT);
    cr_expect_eq(sl_config_diff(&changes, &n, "{}", "[]", &arena, &err), SL_CORRUPT);
    const char *keys[] = {"p", "x", "v"};
    const struct sl_config_change nowhere = {.keys = keys, .n_keys = 3};
    cr_expect_null(sl_config_with("{\"p\":[{\"name\":\"a\"}]}", "{}", &nowhere, &arena));
    sl_arena_fini(&arena);
}
