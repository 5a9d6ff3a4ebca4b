/* test_cli.c - flags by tables, rows in their four formats, exit codes. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/cli.h>
#include <sluice/date.h>

static const struct sl_flag GLOBALS[] = {{"config", "FILE", "", 'c'}, {"output", "FORMAT", "", 'o'}, {"help", NULL, "", 'h'}, {0}};
static const struct sl_flag OWN[] = {{"phase", "P", "", 'p'}, {"set", "K=V", "", 0}, {"all", NULL, "", 'a'}, {0}};

#define MAX_ARGV 8

static int count(const char *const *argv)
{
    int n = 0;
    while (n < MAX_ARGV && argv[n] != NULL)
        n++;
    return n;
}

/* Flags and words as one text: "phase=x all= | word word". */
static char *read_back(const struct sl_args *args)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < args->n_values; i++)
        fprintf(out, "%s=%s ", args->values[i].flag->name, args->values[i].text);
    fputs("|", out);
    for (size_t i = 0; i < args->n_words; i++)
        fprintf(out, " %s", args->words[i]);
    fclose(out);
    return text;
}

Test(cli, flags)
{
    static const struct {
        const char *label, *argv[MAX_ARGV], *expected;
    } CASES[] = {
        {"nothing", {NULL}, "|"},
        {"a value of its own", {"--phase", "raw"}, "phase=raw |"},
        {"a value behind =", {"--phase=raw"}, "phase=raw |"},
        {"an empty value", {"--phase="}, "phase= |"},
        {"a value with =", {"--set", "a.b=c"}, "set=a.b=c |"},
        {"short, apart", {"-o", "json"}, "output=json |"},
        {"short, together", {"-ojson"}, "output=json |"},
        {"short, =", {"-o=json"}, "output=json |"},
        {"a switch", {"--all"}, "all= |"},
        {"before the words", {"--all", "raw", "2025-01-01"}, "all= | raw 2025-01-01"},
        {"after the words", {"raw", "2025-01-01", "--all"}, "all= | raw 2025-01-01"},
        {"between", {"raw", "-p", "x", "w"}, "phase=x | raw w"},
        {"a value that looks like a flag", {"--phase", "--all"}, "phase=--all |"},
        {"words only after --", {"--", "--all", "-p"}, "| --all -p"},
        {"- is a word", {"-"}, "| -"},
        {"repeated", {"--set", "a=1", "--set", "b=2"}, "set=a=1 set=b=2 |"},
    };
    const struct sl_flag *const tables[] = {OWN, GLOBALS, NULL};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct sl_arena arena = {0};
        struct sl_args args;
        struct sl_err err = {0};
        enum sl_code code = sl_args_parse(&args, tables, count(CASES[i].argv), CASES[i].argv, &arena, &err);
        cr_assert_eq(code, SL_OK, "%s: %s", CASES[i].label, err.text);
        char *text = read_back(&args);
        cr_assert_str_eq(text, CASES[i].expected, "%s: %s", CASES[i].label, text);
        free(text);
        sl_arena_fini(&arena);
    }
}

Test(cli, refused_flags)
{
    static const struct {
        const char *label, *argv[MAX_ARGV], *sentence;
    } CASES[] = {
        {"unknown, with a neighbour", {"--fase", "x"}, "unknown flag --fase; did you mean --phase?"},
        {"unknown, with a value", {"--outptu=json"}, "unknown flag --outptu=json; did you mean --output?"},
        {"unknown, far away", {"--zzzzzzzzz"}, "unknown flag --zzzzzzzzz"},
        {"unknown letter", {"-z"}, "unknown flag -z"},
        {"no value", {"--phase"}, "--phase needs a value: --phase P"},
        {"no value, short", {"-p"}, "--phase needs a value: --phase P"},
        {"a switch with a value", {"--all=yes"}, "--all takes no value"},
        {"a prefix is not enough", {"--pha", "x"}, "unknown flag --pha; did you mean --phase?"},
    };
    const struct sl_flag *const tables[] = {OWN, GLOBALS, NULL};
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct sl_arena arena = {0};
        struct sl_args args;
        struct sl_err err = {0};
        enum sl_code code = sl_args_parse(&args, tables, count(CASES[i].argv), CASES[i].argv, &arena, &err);
        cr_assert_eq(code, SL_INVALID, "%s", CASES[i].label);
        cr_assert_str_eq(err.text, CASES[i].sentence, "%s: %s", CASES[i].label, err.text);
        sl_arena_fini(&arena);
    }
}

Test(cli, first_word)
{
    static const struct {
        const char *label, *argv[MAX_ARGV];
        int at;
    } CASES[] = {
        {"nothing", {NULL}, 0},
        {"at once", {"gates", "--all"}, 0},
        {"after a flag with its value", {"--config", "x.yaml", "gates"}, 2},
        {"after a flag that has it", {"--config=x.yaml", "gates"}, 1},
        {"after a switch", {"-h", "gates"}, 1},
        {"only flags", {"--help"}, 1},
        {"an unknown flag ends it", {"--nope", "gates"}, 2},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int at = sl_args_first_word(GLOBALS, count(CASES[i].argv), CASES[i].argv);
        cr_assert_eq(at, CASES[i].at, "%s: %d", CASES[i].label, at);
    }
}

Test(cli, values)
{
    const char *const argv[] = {"--set", "a=1", "--set", "b=2", "-p", "x", "-p", "y"};
    const struct sl_flag *const tables[] = {OWN, NULL};
    const char *all[8];
    struct sl_arena arena = {0};
    struct sl_args args;
    struct sl_err err;
    cr_assert_eq(sl_args_parse(&args, tables, 8, argv, &arena, &err), SL_OK);
    cr_assert_str_eq(sl_args_get(&args, "phase"), "y", "the last one counts");
    cr_assert_eq(sl_args_all(&args, "set", all), 2);
    cr_assert_str_eq(all[0], "a=1");
    cr_assert_str_eq(all[1], "b=2");
    cr_assert_not(sl_args_has(&args, "all"));
    cr_assert_null(sl_args_get(&args, "all"));
    sl_arena_fini(&arena);
}

static const struct sl_field FIELDS[] = {
    {"name", false, false}, {"hidden", true, false}, {"n", false, true}, {"list", false, false}, {"state", false, false}};

/* Two rows with every kind of cell. */
static char *print_rows(struct sl_rows_options options, bool empty)
{
    char *text = NULL;
    size_t size;
    struct sl_rows *rows;
    struct sl_err err;
    FILE *out = open_memstream(&text, &size);
    sl_rows_create(&rows, out, &options, FIELDS, sizeof FIELDS / sizeof FIELDS[0]);
    if (!empty) {
        sl_rows_str(rows, "a \"b\", c");
        sl_rows_bool(rows, true);
        sl_rows_int(rows, 7);
        sl_rows_json(rows, "[\"x\",\"y\"]");
        sl_rows_painted(rows, "blocked", SL_PAINT_BAD);
        sl_rows_str(rows, "\xc3\xa9t\xc3\xa9\033[31m\n");
        sl_rows_str(rows, NULL);
        sl_rows_double(rows, 98.6);
        sl_rows_json(rows, "[]");
        sl_rows_double(rows, NAN);
    }
    cr_assert_eq(sl_rows_finish(&rows, &err), SL_OK);
    cr_assert_null(rows);
    fclose(out);
    return text;
}

Test(cli, rows)
{
    static const struct {
        const char *label;
        struct sl_rows_options options;
        bool empty;
        const char *expected;
    } CASES[] = {
        {"table",
         {SL_FORMAT_TABLE, false, false},
         false,
         "name          n  list  state\n"
         "a \"b\", c      7  x, y  blocked\n"
         "\xc3\xa9t\xc3\xa9?[31m?  98.6  -     -\n"},
        {"table in colour",
         {SL_FORMAT_TABLE, true, false},
         false,
         "\033[2mname\033[0m          \033[2mn\033[0m  \033[2mlist\033[0m  \033[2mstate\033[0m\n"
         "a \"b\", c      7  x, y  \033[31mblocked\033[0m\n"
         "\xc3\xa9t\xc3\xa9?[31m?  98.6  -     -\n"},
        {"table of nothing", {SL_FORMAT_TABLE, false, false}, true, "name  n  list  state\n"},
        {"json",
         {SL_FORMAT_JSON, false, false},
         false,
         "[\n{\"name\":\"a \\\"b\\\", c\",\"hidden\":true,\"n\":7,\"list\":[\"x\",\"y\"],\"state\":\"blocked\"},\n"
         "{\"name\":\"\xc3\xa9t\xc3\xa9\\u001b[31m\\n\",\"hidden\":null,\"n\":98.6,\"list\":[],\"state\":null}\n]\n"},
        {"json of nothing", {SL_FORMAT_JSON, false, false}, true, "[]\n"},
        {"ndjson",
         {SL_FORMAT_NDJSON, true, false},
         false,
         "{\"name\":\"a \\\"b\\\", c\",\"hidden\":true,\"n\":7,\"list\":[\"x\",\"y\"],\"state\":\"blocked\"}\n"
         "{\"name\":\"\xc3\xa9t\xc3\xa9\\u001b[31m\\n\",\"hidden\":null,\"n\":98.6,\"list\":[],\"state\":null}\n"},
        {"ndjson of nothing", {SL_FORMAT_NDJSON, false, false}, true, ""},
        {"csv",
         {SL_FORMAT_CSV, true, false},
         false,
         "name,hidden,n,list,state\n"
         "\"a \"\"b\"\", c\",true,7,\"[\"\"x\"\",\"\"y\"\"]\",blocked\n"
         "\"\xc3\xa9t\xc3\xa9\033[31m\n\",,98.6,[],\n"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *text = print_rows(CASES[i].options, CASES[i].empty);
        cr_assert_str_eq(text, CASES[i].expected, "%s:\n%s", CASES[i].label, text);
        free(text);
    }
}

Test(cli, single_row_is_an_object)
{
    static const struct sl_field ONE[] = {{"date", false, false}, {"at", false, false}};
    struct sl_rows_options options = {SL_FORMAT_JSON, false, true};
    char *text = NULL;
    size_t size;
    struct sl_rows *rows;
    struct sl_err err;
    FILE *out = open_memstream(&text, &size);
    sl_rows_create(&rows, out, &options, ONE, 2);
    sl_rows_date(rows, 0);
    sl_rows_time(rows, 1500000);
    cr_assert_eq(sl_rows_finish(&rows, &err), SL_OK);
    fclose(out);
    cr_assert_str_eq(text, "{\"date\":\"1970-01-01\",\"at\":\"1970-01-01T00:00:01.500000Z\"}\n", "%s", text);
    free(text);
}

Test(cli, a_stream_that_refuses_is_said)
{
    struct sl_rows_options options = {SL_FORMAT_NDJSON, false, false};
    struct sl_rows *rows;
    struct sl_err err = {0};
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    sl_rows_create(&rows, full, &options, FIELDS, 1);
    sl_rows_str(rows, "x");
    cr_assert_eq(sl_rows_finish(&rows, &err), SL_UNAVAILABLE);
    fclose(full);
}

Test(cli, exit_codes)
{
    static const struct {
        enum sl_code code;
        enum sl_exit expected;
    } CASES[] = {
        {SL_OK, SL_EXIT_OK},         {SL_INVALID, SL_EXIT_FAILED},    {SL_NOT_FOUND, SL_EXIT_FAILED}, {SL_CONFLICT, SL_EXIT_FAILED},
        {SL_DENIED, SL_EXIT_DENIED}, {SL_UNAVAILABLE, SL_EXIT_LATER}, {SL_CORRUPT, SL_EXIT_FAILED},   {SL_INTERNAL, SL_EXIT_FAILED},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        cr_assert_eq(sl_exit_of(CASES[i].code), CASES[i].expected, "%s", sl_code_name(CASES[i].code));
}

Test(cli, format_names)
{
    static const struct {
        const char *name;
        bool known;
        enum sl_format format;
    } CASES[] = {
        {"table", true, SL_FORMAT_TABLE},
        {"json", true, SL_FORMAT_JSON},
        {"ndjson", true, SL_FORMAT_NDJSON},
        {"csv", true, SL_FORMAT_CSV},
        {"JSON", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        enum sl_format format = SL_FORMAT_TABLE;
        cr_assert_eq(sl_format_parse(CASES[i].name, &format), CASES[i].known, "%s", CASES[i].name);
        if (CASES[i].known)
            cr_assert_eq(format, CASES[i].format, "%s", CASES[i].name);
    }
}
