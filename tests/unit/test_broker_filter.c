/* The filters of subscriptions: what can be read and what can't, and what matches. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include <sluice/pubsub.h>

#include "broker/filter_internal.h"

/* "a=1,b=2" as the bytes of a message with data. */
static void make_body(struct sl_buf *out, const char *attributes)
{
    struct sl_attribute list[8];
    char text[256], *save = NULL;
    size_t n = 0;
    snprintf(text, sizeof(text), "%s", attributes);
    for (char *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        char *equals = strchr(part, '=');
        *equals = '\0';
        list[n++] = (struct sl_attribute){part, equals + 1};
    }
    struct sl_buf field = {0};
    sl_pubsub_put_message(&field, 2, "data", 4, list, n, "some key");
    sl_buf_add(out, field.data + 2, field.len - 2); /* without the key and the length, which is one byte here */
    sl_buf_fini(&field);
}

Test(broker_filter, matches)
{
    static const struct {
        const char *filter, *attributes;
        bool matches;
    } cases[] = {
        {"attributes:a", "a=1", true},
        {"attributes:a", "b=1", false},
        {"attributes:a", "a=", true},
        {"attributes:A", "a=1", false},
        {"attributes:a-b_9", "a-b_9=1", true},
        {"attributes:\"iana.org/tag\"", "iana.org/tag=x", true},
        {"attributes.a = \"1\"", "a=1", true},
        {"attributes.a=\"1\"", "a=12", false},
        {"attributes.a = \"\"", "b=1", false},
        {"attributes.a != \"1\"", "a=1", false},
        {"attributes.a != \"1\"", "a=2", true},
        {"attributes.a != \"1\"", "b=2", true},
        {"hasPrefix(attributes.a, \"co\")", "a=com", true},
        {"hasPrefix(attributes.a,\"co\")", "a=c", false},
        {"hasPrefix( attributes.a , \"\" )", "a=c", true},
        {"hasPrefix(attributes.a, \"co\")", "b=com", false},
        {"NOT attributes:a", "a=1", false},
        {"NOT attributes:a", "b=1", true},
        {"-attributes:a", "b=1", true},
        {"- attributes:a", "b=1", true},
        {"NOT(attributes:a)", "a=1", false},
        {"NOT hasPrefix(attributes.a, \"x\")", "a=yx", true},
        {"attributes:a AND attributes:b", "a=1,b=2", true},
        {"attributes:a AND attributes:b", "a=1", false},
        {"attributes:a AND attributes:b AND attributes:c", "a=1,b=2", false},
        {"attributes:a OR attributes:b OR attributes:c", "c=2", true},
        {"attributes:a OR attributes:b", "c=2", false},
        {"(attributes:a OR attributes:b) AND NOT attributes:c", "b=1", true},
        {"(attributes:a OR attributes:b) AND NOT attributes:c", "b=1,c=1", false},
        {"attributes:a AND (attributes.b = \"1\" OR attributes.b = \"2\")", "a=,b=2", true},
        {"((attributes:a))", "a=1", true},
        {"attributes.a = \"\\u00e9\\x21\\041\\\"\"", "a=\xc3\xa9!!\"", true},
        {"attributes:\"\\u307F\\u3093\\u306A\"", "\xe3\x81\xbf\xe3\x82\x93\xe3\x81\xaa=1", true},
        {"", "a=1", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_filter *filter;
        struct sl_err err = {0};
        struct sl_buf body = {0};
        make_body(&body, cases[i].attributes);
        cr_assert_eq(sl_filter_parse(&filter, cases[i].filter, &err), SL_OK, "%s: %s", cases[i].filter, err.text);
        cr_expect_eq(sl_filter_matches(filter, body.data, body.len), cases[i].matches, "%s of %s", cases[i].filter, cases[i].attributes);
        sl_filter_free(&filter);
        sl_buf_fini(&body);
    }
}

Test(broker_filter, errors_say_where)
{
    static const struct {
        const char *filter, *message;
    } cases[] = {
        {" ", "Invalid filter: attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected at character 2"},
        {"attributes", "Invalid filter: attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected at character 1"},
        {"attributes:", "Invalid filter: an attribute's key is expected at character 12"},
        {"attributes: a", "Invalid filter: an attribute's key is expected at character 12"},
        {"attributes:\"\"", "Invalid filter: an attribute's key is expected at character 14"},
        {"attributes.a", "Invalid filter: = or != is expected at character 13"},
        {"attributes.a = 1", "Invalid filter: a text in double quotes is expected at character 16"},
        {"attributes.a = \"1", "Invalid filter: a text that does not end at character 18"},
        {"attributes.a = \"\\q\"", "Invalid filter: an escape that means nothing at character 19"},
        {"attributes.a = \"\\uD800\"", "Invalid filter: an escape that means nothing at character 23"},
        {"attributes:a and attributes:b", "Invalid filter: AND, OR or the end is expected at character 14"},
        {"attributes:a ANDattributes:b", "Invalid filter: AND, OR or the end is expected at character 14"},
        {"attributes:a AND", "Invalid filter: attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected at character 17"},
        {"attributes:a AND attributes:b OR attributes:c", "Invalid filter: AND and OR together need parentheses at character 33"},
        {"attributes:a OR attributes:b AND attributes:c", "Invalid filter: AND and OR together need parentheses at character 33"},
        {"(attributes:a", "Invalid filter: a closing parenthesis is expected at character 14"},
        {"attributes:a)", "Invalid filter: AND, OR or the end is expected at character 13"},
        {"NOT NOT attributes:a", "Invalid filter: attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected at character 5"},
        {"hasPrefix(attributes.a)", "Invalid filter: a comma is expected at character 23"},
        {"hasSuffix(attributes.a, \"x\")",
         "Invalid filter: attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected at character 1"},
        {"data = \"x\"", "Invalid filter: attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected at character 1"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_filter *filter;
        struct sl_err err = {0};
        cr_expect_eq(sl_filter_parse(&filter, cases[i].filter, &err), SL_INVALID, "%s", cases[i].filter);
        cr_expect_null(filter);
        cr_expect_str_eq(err.text, cases[i].message, "%s", cases[i].filter);
    }
}

Test(broker_filter, length)
{
    struct sl_filter *filter;
    struct sl_err err = {0};
    char text[300];
    snprintf(text, sizeof(text), "attributes:%0245d", 0);
    cr_expect_eq(sl_filter_parse(&filter, text, &err), SL_OK);
    sl_filter_free(&filter);
    snprintf(text, sizeof(text), "attributes:%0246d", 0);
    cr_expect_eq(sl_filter_parse(&filter, text, &err), SL_INVALID);
    cr_expect_str_eq(err.text, "Invalid filter: it has 257 bytes; at most 256");
}
