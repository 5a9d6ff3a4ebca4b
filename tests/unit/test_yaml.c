/* YAML and JSON as one tree: what it looks like, what is refused and on which line. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>
#include <sluice/str.h>
#include <sluice/yaml.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* A tree as text: {key@line=value ...}, [@line value ...], 'quoted', plain, null. Lines on request. */
static void show(struct sl_buf *out, const struct sl_yaml *node, bool lines)
{
    if (node->key != NULL)
        sl_buf_printf(out, "%s", node->key);
    if (lines)
        sl_buf_printf(out, "@%d", node->line);
    if (node->key != NULL)
        sl_buf_char(out, '=');
    switch (node->kind) {
    case SL_YAML_NULL: sl_buf_str(out, "null"); break;
    case SL_YAML_SCALAR: sl_buf_printf(out, node->quoted ? "'%s'" : "%s", node->text); break;
    case SL_YAML_LIST:
    case SL_YAML_MAP:
        sl_buf_char(out, node->kind == SL_YAML_MAP ? '{' : '[');
        for (size_t i = 0; i < node->n; i++) {
            sl_buf_str(out, i > 0 ? " " : "");
            show(out, node->items[i], lines);
        }
        sl_buf_char(out, node->kind == SL_YAML_MAP ? '}' : ']');
        break;
    }
}

static void expect_tree(const char *label, const char *text, const char *tree, bool lines)
{
    struct sl_arena arena = {0};
    struct sl_buf out = {0};
    struct sl_err err = {0};
    struct sl_yaml *root = NULL;
    size_t len = strlen(text);
    char *exact = sl_alloc(len); /* no NUL behind it */
    memcpy(exact, text, len);
    enum sl_code code = sl_yaml_parse(&root, exact, len, "f", &arena, &err);
    cr_expect_eq(code, SL_OK, "%s: %s", label, err.text);
    if (code == SL_OK) {
        show(&out, root, lines);
        cr_expect_str_eq(sl_buf_text(&out), tree, "%s: %s", label, sl_buf_text(&out));
    }
    free(exact);
    sl_buf_fini(&out);
    sl_arena_fini(&arena);
}

Test(yaml, trees)
{
    static const struct {
        const char *label, *text, *tree;
    } cases[] = {
        {"empty", "", "null"},
        {"comment", "# only\n", "null"},
        {"blanks", "\n  \n", "null"},
        {"document markers", "---\na: 1\n...\n", "{a=1}"},
        {"directive", "%YAML 1.1\n---\na: 1\n", "{a=1}"},
        {"byte order mark",
         "\xEF\xBB\xBF"
         "a: 1\n",
         "{a=1}"},
        {"line ends of two", "a: 1\r\nb: 2\r\n", "{a=1 b=2}"},
        {"map", "a: 1\nb: two words\nc: true\n", "{a=1 b=two words c=true}"},
        {"nulls", "a:\nb: null\nc: ~\nd: \"\"\ne: 'null'\nf: \"~\"\n", "{a=null b=null c=null d='' e='null' f='~'}"},
        {"not null", "a: Null\nb: nil\n", "{a=Null b=nil}"},
        {"lists", "- 1\n- [2, 3]\n-\n- - 4\n  - x: y\n", "[1 [2 3] null [4 {x=y}]]"},
        {"flow", "{type: embedded, path: state/broker, l: [], m: {}}", "{type=embedded path=state/broker l=[] m={}}"},
        {"flow nulls", "{a: , b}", "{a=null b=null}"},
        {"quoted", "a: \"x\\ty\\u00e9\"\nb: 'it''s'\n", "{a='x\ty\u00e9' b='it's'}"},
        {"block texts", "a: |\n  one\n  two\nb: >-\n  three\n  four\n", "{a='one\ntwo\n' b='three four'}"},
        {"quoted key", "\"a b\": 1\n", "{a b=1}"},
        {"explicit key", "? a\n: 1\n", "{a=1}"},
        {"null as key", "null: 1\n~: 2\n", "{null=1 ~=2}"},
        {"merge key is a key", "<<: 1\n", "{<<=1}"},
        {"root scalar", "just text\n", "just text"},
        {"bang inside", "a: b!c\nd: 'x !y'\n", "{a=b!c d='x !y'}"},
        {"ampersand inside", "a: b&c\nd: \"*x\"\n", "{a=b&c d='*x'}"},
        {"dates and times", "at: 09:00\nd: 2025-04-15\n", "{at=09:00 d=2025-04-15}"},
    };
    for (size_t i = 0; i < N(cases); i++)
        expect_tree(cases[i].label, cases[i].text, cases[i].tree, false);
}

Test(yaml, lines)
{
    static const struct {
        const char *label, *text, *tree;
    } cases[] = {
        {"map", "# c\na: 1\n\nb:\n  c:\n    2\n", "@2{a@2=1 b@4={c@5=2}}"},
        {"list", "x:\n  - 1\n  -\n    y: 2\n", "@1{x@1=[@2 1 @4{y@4=2}]}"},
        {"list of maps", "- a: 1\n  b: 2\n- a: 3\n", "@1[@1{a@1=1 b@2=2} @3{a@3=3}]"},
        {"json", "{\n \"a\": 1,\n \"b\": [\n  2,\n  {\"c\":\n3}]}\n", "@1{a@2=1 b@3=[@4 2 @5{c@5=3}]}"},
        {"yaml flow", "{\n a: 1,\n b: [\n  2,\n  {c:\n 3}]}\n", "@1{a@2=1 b@3=[@4 2 @5{c@5=3}]}"},
        {"empty", "", "@1null"},
        {"line ends of two", "a: 1\r\nb: 2\r\n", "@1{a@1=1 b@2=2}"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        /* a scalar item is shown as "@4" and its text: a blank between them makes the cases readable */
        struct sl_buf tree = {0};
        for (const char *at = cases[i].tree; *at != '\0'; at++)
            if (!(*at == ' ' && at > cases[i].tree && at[-1] >= '0' && at[-1] <= '9' && at[1] >= '0' && at[1] <= '9'))
                sl_buf_char(&tree, *at);
        struct sl_arena arena = {0};
        struct sl_yaml *root = NULL;
        struct sl_err err = {0};
        struct sl_buf out = {0};
        cr_assert_eq(sl_yaml_parse(&root, cases[i].text, strlen(cases[i].text), "f", &arena, &err), SL_OK, "%s", err.text);
        show(&out, root, true);
        cr_expect_str_eq(sl_buf_text(&out), sl_buf_text(&tree), "%s: %s", cases[i].label, sl_buf_text(&out));
        sl_buf_fini(&out);
        sl_buf_fini(&tree);
        sl_arena_fini(&arena);
    }
}

Test(yaml, json)
{
    static const struct {
        const char *label, *text, *tree;
    } cases[] = {
        {"tabs", "\t{\n\t\t\"a\"\t:\t1,\n\t\"b\":\t[\t]\t}\t\n\t", "{a=1 b=[]}"},
        {"packed", "{\"a\":1,\"b\":[true,false,null,-1.5e+3,\"x\"]}", "{a=1 b=[true false null -1.5e+3 'x']}"},
        {"colon on the next line", "{\"a\"\n:1}", "{a=1}"},
        {"escapes", "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\"]", "['\"\\/\b\f\n\r\t\u00e9\u20ac']"},
        {"surrogate pair", "\"\\ud83d\\ude00\"", "'\U0001F600'"},
        {"words as strings", "[\"null\", \"true\", \"1\", \"\"]", "['null' 'true' '1' '']"},
        {"numbers as they are", "[1.50, 18446744073709551615, 1e400, -0]", "[1.50 18446744073709551615 1e400 -0]"},
        {"scalar", " 12 ", "12"},
        {"null", "null", "null"},
        {"with a comment it is YAML", "{\"a\": 1} # end\n", "{a=1}"},
        {"with a comma at the end it is YAML", "[1, 2,]", "[1 2]"},
        {"leading zero is YAML", "[01]", "[01]"},
        {"number and more is YAML", "12 monkeys", "12 monkeys"},
        {"word and more is YAML", "nullable", "nullable"},
        {"quoted key of a block map", "\"a\": 1\n\"b\": 2\n", "{a=1 b=2}"},
    };
    for (size_t i = 0; i < N(cases); i++)
        expect_tree(cases[i].label, cases[i].text, cases[i].tree, false);
}

/* A key of more than 1,024 characters is one that libyaml doesn't take. */
Test(yaml, json_long_key)
{
    struct sl_buf text = {0}, tree = {0};
    sl_buf_printf(&text, "{\"%02000d\": 1}", 7);
    sl_buf_printf(&tree, "{%02000d=1}", 7);
    expect_tree("long key", sl_buf_text(&text), sl_buf_text(&tree), false);
    sl_buf_fini(&text);
    sl_buf_fini(&tree);
}

static void expect_refusal(const char *label, const char *text, size_t len, const char *sentence)
{
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_yaml *root = (void *)1;
    char *exact = sl_alloc(len);
    memcpy(exact, text, len);
    cr_expect_eq(sl_yaml_parse(&root, exact, len, "f.yaml", &arena, &err), SL_INVALID, "%s", label);
    cr_expect_null(root, "%s", label);
    cr_expect(strncmp(err.text, sentence, strlen(sentence)) == 0, "%s: %s", label, err.text);
    free(exact);
    sl_arena_fini(&arena);
}

Test(yaml, refusals)
{
    static const struct {
        const char *label, *text, *sentence;
    } cases[] = {
        {"anchor", "a: 1\nb: &x 2\n", "f.yaml:2: anchors (&x) are not accepted"},
        {"anchor of a map", "b: &x\n  c: 1\n", "f.yaml:1: anchors"},
        {"anchor of a list", "b: &x [1]\n", "f.yaml:1: anchors"},
        {"anchor of a key", "&x b: 1\n", "f.yaml:1: anchors"},
        {"anchor of nothing", "b: &x\n", "f.yaml:1: anchors"},
        {"alias", "a: 1\nb: *x\n", "f.yaml:2: aliases are not accepted"},
        {"alias as key", "*x : 1\n", "f.yaml:1: aliases are not accepted"},
        {"alias in a list", "- 1\n- *x\n", "f.yaml:2: aliases are not accepted"},
        {"tag", "a: !!str 1\n", "f.yaml:1: tags (tag:yaml.org,2002:str) are not accepted"},
        {"own tag", "a: !x 1\n", "f.yaml:1: tags (!x)"},
        {"lone tag", "\u00e9: 0\na: ! 1\n", "f.yaml:2: tags (!) are not accepted"},
        {"lone tag of a text", "a: ! \"1\"\n", "f.yaml:1: tags (!)"},
        {"lone tag of a list", "a: ! [1]\n", "f.yaml:1: tags (!)"},
        {"lone tag of a key", "! a: 1\n", "f.yaml:1: tags (!)"},
        {"tag of a map", "!m {a: 1}\n", "f.yaml:1: tags (!m)"},
        {"tag directive", "%TAG ! tag:x,2000:\n---\na: 1\n", "f.yaml:1: tags (%TAG)"},
        {"doubled key", "a: 1\nb: 2\na: 3\n", "f.yaml:3: key \"a\" comes twice, first on line 1"},
        {"doubled key, quoted", "a: 1\n\"a\": 3\n", "f.yaml:2: key \"a\" comes twice, first on line 1"},
        {"doubled key, deep", "x:\n  - a: 1\n    a: 2\n", "f.yaml:3: key \"a\" comes twice, first on line 2"},
        {"doubled key, JSON", "\t{\"a\": 1,\n\"\\u0061\": 2}", "f.yaml:2: key \"a\" comes twice, first on line 1"},
        {"doubled key, then no JSON", "{\"a\": 1, \"a\": 2, #\n", "f.yaml:1: key \"a\" comes twice"},
        {"two documents", "a: 1\n---\nb: 2\n", "f.yaml:2: a second document is not accepted"},
        {"list as key", "[1, 2]: 3\n", "f.yaml:1: a key is a list or a map"},
        {"map as key", "? {a: 1}\n: 3\n", "f.yaml:1: a key is a list or a map"},
        {"nothing before the colon", "a: 1\n: 3\n", "f.yaml:2: "},
        {"empty key", "a: 1\n? \n: 3\n", "f.yaml:2: a key is empty"},
        {"empty key in braces", "{a: 1, : 3}\n", "f.yaml:1: "},
        {"empty quoted key", "a: 1\n\"\": 3\n", "f.yaml:2: a key is empty"},
        {"empty key, JSON", "{\n\"\": 3}", "f.yaml:2: a key is empty"},
        {"NUL escape", "a: 1\nb: \"x\\0y\"\n", "f.yaml:2: a NUL character is not accepted"},
        {"NUL escape in a key", "a: 1\n\"x\\0y\": 1\n", "f.yaml:2: a NUL character is not accepted"},
        {"NUL escape, JSON", "[1,\n\"x\\u0000y\"]", "f.yaml:2: a NUL character is not accepted"},
        {"half a pair", "[\"\\ud83d\"]", "f.yaml:1: half of a surrogate pair"},
        {"other half", "[\"\\ude00\"]", "f.yaml:1: half of a surrogate pair"},
        {"two first halves", "[\"\\ud83d\\ud83d\"]", "f.yaml:1: half of a surrogate pair"},
        {"invalid UTF-8", "a: 1\nb: \xFF\n", "f.yaml:2: invalid UTF-8"},
        {"UTF-16",
         "\xFF\xFE"
         "a",
         "f.yaml:1: invalid UTF-8"},
        {"control character", "a: 1\nb: \x01\n", "f.yaml:2: control characters"},
        {"tab as indent", "a:\n\tb: 1\n", "f.yaml:2: "},
        {"unclosed", "a: [1,\nb: 2\n", "f.yaml:"},
        {"unclosed text", "a: \"x\n", "f.yaml:"},
        {"two colons", "a: b: c\n", "f.yaml:1: mapping values are not allowed"},
        {"unclosed JSON", "{\"a\": 1", "f.yaml:1: "},
        {"unclosed JSON text", "{\"a", "f.yaml:"},
        {"wrong indent", "a: 1\n  b: 2\n", "f.yaml:2: "},
        {"text after", "{a: 1} x\n", "f.yaml:1: "},
    };
    for (size_t i = 0; i < N(cases); i++)
        expect_refusal(cases[i].label, cases[i].text, strlen(cases[i].text), cases[i].sentence);
    expect_refusal("NUL byte", "a: 1\nb: \0\n", 10, "f.yaml:2: a NUL character is not accepted");
}

/* `levels` lists, one in another, the innermost empty. */
static void nest(struct sl_buf *out, size_t levels, const char *open, const char *close)
{
    sl_buf_clear(out);
    for (size_t i = 0; i < levels; i++)
        sl_buf_str(out, open);
    for (size_t i = 0; i < levels; i++)
        sl_buf_str(out, close);
}

Test(yaml, depth)
{
    static const struct {
        const char *open, *close;
    } cases[] = {{"[", "]"}, {"{\"a\":", "1}"}, {"[ #\n", "]"}, {"{a: ", "}"}};
    struct sl_buf text = {0};
    for (size_t i = 0; i < N(cases); i++)
        for (size_t levels = 31; levels <= 34; levels++) {
            nest(&text, levels, cases[i].open, i == 1 ? "}" : cases[i].close);
            if (i == 1) {
                sl_buf_clear(&text);
                for (size_t k = 0; k < levels; k++)
                    sl_buf_str(&text, "{\"a\":");
                sl_buf_str(&text, "1");
                for (size_t k = 0; k < levels; k++)
                    sl_buf_str(&text, "}");
            }
            struct sl_arena arena = {0};
            struct sl_yaml *root = NULL;
            struct sl_err err = {0};
            enum sl_code code = sl_yaml_parse(&root, text.data, text.len, "f", &arena, &err);
            cr_expect_eq(code, levels <= 32 ? SL_OK : SL_INVALID, "%zu levels of %s: %s", levels, cases[i].open, err.text);
            if (levels > 32)
                cr_expect_not_null(strstr(err.text, ": deeper than 32 levels"), "%s", err.text);
            sl_arena_fini(&arena);
        }
    nest(&text, 500000, "[", "]");
    expect_refusal("half a million levels", text.data, text.len, "f.yaml:1: deeper than 32 levels");
    nest(&text, 300000, "[#", "]");
    expect_refusal("many levels of YAML", text.data, text.len, "f.yaml:");
    sl_buf_fini(&text);
}

Test(yaml, size)
{
    struct sl_arena arena = {0};
    struct sl_yaml *root = NULL;
    struct sl_buf text = {0};
    sl_buf_str(&text, "a: ");
    while (text.len < SL_YAML_MAX_BYTES)
        sl_buf_char(&text, 'x');
    struct sl_err err = {0};
    cr_expect_eq(sl_yaml_parse(&root, text.data, text.len, "f", &arena, &err), SL_OK, "%s", err.text);
    sl_buf_char(&text, 'x');
    expect_refusal("one more", text.data, text.len, "f.yaml:1: longer than 1048576 bytes");
    sl_buf_fini(&text);
    sl_arena_fini(&arena);
}

/* Many keys in one map stay fast, and a double one among them is still seen. */
Test(yaml, many_keys)
{
    struct sl_buf text = {0};
    size_t n = 0;
    while (text.len < 1000000)
        sl_buf_printf(&text, "k%zu:\n", n++);
    struct sl_arena arena = {0};
    struct sl_yaml *root = NULL;
    cr_assert_eq(sl_yaml_parse(&root, text.data, text.len, "f", &arena, NULL), SL_OK);
    cr_expect_eq(root->n, n);
    sl_buf_str(&text, "k77: again\n");
    struct sl_err err = {0};
    cr_expect_eq(sl_yaml_parse(&root, text.data, text.len, "f", &arena, &err), SL_INVALID);
    cr_expect_not_null(strstr(err.text, "key \"k77\" comes twice, first on line 78"), "%s", err.text);
    sl_buf_fini(&text);
    sl_arena_fini(&arena);
}

Test(yaml, get)
{
    struct sl_arena arena = {0};
    struct sl_yaml *root = NULL;
    cr_assert_eq(sl_yaml_parse(&root, "a: 1\nb: [2]\n", 12, "f", &arena, NULL), SL_OK);
    cr_assert_str_eq(sl_yaml_get(root, "a")->text, "1");
    cr_assert_eq(sl_yaml_get(root, "b")->kind, SL_YAML_LIST);
    cr_assert_null(sl_yaml_get(root, "c"));
    cr_assert_null(sl_yaml_get(sl_yaml_get(root, "b"), "a"));
    cr_assert_null(sl_yaml_get(NULL, "a"));
    sl_arena_fini(&arena);
}
