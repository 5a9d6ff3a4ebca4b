/* args.c - flags by tables. What a flag means is the caller's; here are only names, values and words. */
#include <sluice/cli.h>

#include <string.h>

#include <sluice/str.h>

#define MAX_FLAGS 128 /* of all tables together: the largest command has 14, the global ones are 7 */

static const struct sl_flag *find_long(const struct sl_flag *const *tables, const char *name, size_t len)
{
    for (size_t t = 0; tables[t] != NULL; t++)
        for (const struct sl_flag *flag = tables[t]; flag->name != NULL; flag++)
            if (strlen(flag->name) == len && memcmp(flag->name, name, len) == 0)
                return flag;
    return NULL;
}

static const struct sl_flag *find_short(const struct sl_flag *const *tables, char letter)
{
    for (size_t t = 0; tables[t] != NULL; t++)
        for (const struct sl_flag *flag = tables[t]; flag->name != NULL; flag++)
            if (flag->letter != 0 && flag->letter == letter)
                return flag;
    return NULL;
}

static const char *nearest(const struct sl_flag *const *tables, const char *word)
{
    const char *names[MAX_FLAGS];
    size_t n = 0;
    for (size_t t = 0; tables[t] != NULL; t++)
        for (const struct sl_flag *flag = tables[t]; flag->name != NULL && n < MAX_FLAGS; flag++)
            names[n++] = flag->name;
    return sl_str_nearest(word, names, n);
}

static enum sl_code unknown(const struct sl_flag *const *tables, const char *arg, struct sl_err *err)
{
    char name[64];
    size_t len = strcspn(arg + strspn(arg, "-"), "=");
    if (len >= sizeof name)
        len = sizeof name - 1;
    memcpy(name, arg + strspn(arg, "-"), len);
    name[len] = '\0';
    const char *near = nearest(tables, name);
    if (near == NULL)
        return sl_fail(err, SL_INVALID, "unknown flag %.80s", arg);
    return sl_fail(err, SL_INVALID, "unknown flag %.80s; did you mean --%s?", arg, near);
}

/* A flag as it stands in argv: which one, and the value that came with it. */
struct seen {
    const struct sl_flag *flag;
    const char *text; /* NULL: none yet */
};

static bool look_up(const struct sl_flag *const *tables, const char *arg, struct seen *out)
{
    if (arg[1] == '-') {
        size_t len = strcspn(arg + 2, "=");
        out->flag = find_long(tables, arg + 2, len);
        out->text = arg[2 + len] == '=' ? arg + 3 + len : NULL;
    } else {
        out->flag = find_short(tables, arg[1]);
        out->text = arg[2] == '\0' ? NULL : arg[2] == '=' ? arg + 3 : arg + 2;
    }
    return out->flag != NULL;
}

static bool is_flag(const char *arg)
{
    return arg[0] == '-' && arg[1] != '\0';
}

static void add_word(struct sl_args *out, const char *word, struct sl_arena *arena)
{
    out->words = sl_arena_push(arena, out->words, &out->n_words, sizeof *out->words);
    out->words[out->n_words - 1] = word;
}

/* One flag at argv[*i]; *i moves over a value of its own. */
static enum sl_code add_flag(struct sl_args *out, const struct sl_flag *const *tables, int argc, const char *const *argv, int *i,
                             struct sl_arena *arena, struct sl_err *err)
{
    struct seen seen;
    if (!look_up(tables, argv[*i], &seen))
        return unknown(tables, argv[*i], err);
    if (seen.flag->value == NULL && seen.text != NULL)
        return sl_fail(err, SL_INVALID, "--%s takes no value", seen.flag->name);
    if (seen.flag->value == NULL)
        seen.text = "";
    if (seen.text == NULL && *i + 1 < argc)
        seen.text = argv[++*i];
    if (seen.text == NULL)
        return sl_fail(err, SL_INVALID, "--%s needs a value: --%s %s", seen.flag->name, seen.flag->name, seen.flag->value);
    out->values = sl_arena_push(arena, out->values, &out->n_values, sizeof *out->values);
    out->values[out->n_values - 1] = (struct sl_flag_value){seen.flag, seen.text};
    return SL_OK;
}

enum sl_code sl_args_parse(struct sl_args *out, const struct sl_flag *const *tables, int argc, const char *const *argv,
                           struct sl_arena *arena, struct sl_err *err)
{
    *out = (struct sl_args){0};
    bool words_only = false;
    for (int i = 0; i < argc; i++) {
        if (!words_only && strcmp(argv[i], "--") == 0) {
            words_only = true;
        } else if (words_only || !is_flag(argv[i])) {
            add_word(out, argv[i], arena);
        } else {
            enum sl_code code = add_flag(out, tables, argc, argv, &i, arena, err);
            if (code != SL_OK)
                return code;
        }
    }
    return SL_OK;
}

int sl_args_first_word(const struct sl_flag *globals, int argc, const char *const *argv)
{
    const struct sl_flag *const tables[] = {globals, NULL};
    for (int i = 0; i < argc; i++) {
        struct seen seen;
        if (!is_flag(argv[i]))
            return i;
        if (!look_up(tables, argv[i], &seen))
            return argc;
        if (seen.flag->value != NULL && seen.text == NULL)
            i++;
    }
    return argc;
}

const char *sl_args_get(const struct sl_args *args, const char *flag)
{
    for (size_t i = args->n_values; i-- > 0;)
        if (strcmp(args->values[i].flag->name, flag) == 0)
            return args->values[i].text;
    return NULL;
}

bool sl_args_has(const struct sl_args *args, const char *flag)
{
    return sl_args_get(args, flag) != NULL;
}

size_t sl_args_all(const struct sl_args *args, const char *flag, const char **out)
{
    size_t n = 0;
    for (size_t i = 0; i < args->n_values; i++)
        if (strcmp(args->values[i].flag->name, flag) == 0)
            out[n++] = args->values[i].text;
    return n;
}
