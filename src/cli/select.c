/* select.c - which phase and which dates a line names: `PHASE DATE`, `PHASE A..B`, or the flags. What looks like a date is one; the first other word is the phase, where
 * the command takes one, the next its own word. */
#include "command.h"

#include <string.h>

enum sl_code sl_cli_date(struct sl_cli *cli, const char *text, sl_date *out)
{
    if (strcmp(text, "today") == 0) {
        *out = cli->today;
        return SL_OK;
    }
    if (strcmp(text, "yesterday") == 0) {
        *out = cli->today - 1;
        return SL_OK;
    }
    if (sl_date_parse(text, strlen(text), out))
        return SL_OK;
    return sl_fail(&cli->err, SL_INVALID, "%.40s is no date; expected YYYY-MM-DD, today or yesterday", text);
}

enum sl_code sl_cli_phase(struct sl_cli *cli, const char *name, const struct sl_phase **out)
{
    *out = sl_config_phase(cli->config, name);
    if (*out != NULL)
        return SL_OK;
    const char **names = sl_arena_array(&cli->arena, cli->config->n_phases, sizeof *names);
    for (size_t i = 0; i < cli->config->n_phases; i++)
        names[i] = cli->config->phases[i].name;
    const char *near = sl_str_nearest(name, names, cli->config->n_phases);
    if (near != NULL)
        return sl_fail(&cli->err, SL_INVALID, "the config names no phase %.80s; did you mean %s?", name, near);
    return sl_fail(&cli->err, SL_INVALID, "the config names no phase %.80s", name);
}

enum sl_code sl_cli_number(struct sl_cli *cli, const char *flag, int64_t least, int64_t fallback, int64_t *out)
{
    const char *text = sl_args_get(&cli->args, flag);
    *out = fallback;
    if (text == NULL)
        return SL_OK;
    if (!sl_parse_i64(text, out) || *out < least)
        return sl_fail(&cli->err, SL_INVALID, "--%s %.40s is no whole number of at least %lld", flag, text, (long long)least);
    return SL_OK;
}

static bool looks_like_date(const char *text)
{
    bool year = strspn(text, "0123456789") == 4 && text[4] == '-';
    return year || strcmp(text, "today") == 0 || strcmp(text, "yesterday") == 0 || strstr(text, "..") != NULL;
}

/* "A..B", either end may be left out; or one date. */
static enum sl_code read_range(struct sl_cli *cli, const char *text)
{
    struct sl_selection *select = &cli->select;
    const char *dots = strstr(text, "..");
    if (dots == NULL) {
        enum sl_code code = sl_cli_date(cli, text, &select->date);
        select->from = select->to = select->date;
        return code;
    }
    const char *from = sl_arena_strndup(&cli->arena, text, (size_t)(dots - text)), *to = dots + 2;
    enum sl_code code = from[0] == '\0' ? SL_OK : sl_cli_date(cli, from, &select->from);
    return code != SL_OK || to[0] == '\0' ? code : sl_cli_date(cli, to, &select->to);
}

/* Where a command takes a phase or a word of its own, a phase is what the config knows as one. */
static bool is_phase(const struct sl_cli *cli, const char *word)
{
    return !(cli->command->takes & SL_TAKES_WORD) || sl_config_phase(cli->config, word) != NULL;
}

static enum sl_code read_word(struct sl_cli *cli, const char *word)
{
    unsigned takes = cli->command->takes;
    struct sl_selection *select = &cli->select;
    bool dates = (takes & (SL_TAKES_DATE | SL_TAKES_RANGE)) != 0;
    if (dates && looks_like_date(word)) {
        if (select->date != SL_DATE_NONE || select->from != SL_DATE_NONE || select->to != SL_DATE_NONE)
            return sl_fail(&cli->err, SL_INVALID, "%.40s is a second date; a range is A..B", word);
        return takes & SL_TAKES_RANGE ? read_range(cli, word) : sl_cli_date(cli, word, &select->date);
    }
    if ((takes & SL_TAKES_PHASE) && select->phase == NULL && is_phase(cli, word))
        return sl_cli_phase(cli, word, &select->phase);
    if ((takes & SL_TAKES_WORD) && select->word == NULL) {
        select->word = word;
        return SL_OK;
    }
    return sl_fail(&cli->err, SL_INVALID, "%.80s is one word too many", word);
}

/* Then the command reads the dates among its values itself. */
static bool has_own_to(const struct sl_command *command)
{
    for (const struct sl_flag *flag = command->flags; flag != NULL && flag->name != NULL; flag++)
        if (strcmp(flag->name, "to") == 0)
            return true;
    return false;
}

static enum sl_code read_flags(struct sl_cli *cli)
{
    struct sl_selection *select = &cli->select;
    const unsigned takes = cli->command->takes; /* a command that takes no dates may have flags of these names itself */
    const bool dates = (takes & (SL_TAKES_DATE | SL_TAKES_RANGE)) != 0, range = (takes & SL_TAKES_RANGE) != 0;
    const char *phase = takes & SL_TAKES_PHASE ? sl_args_get(&cli->args, "phase") : NULL;
    const char *date = dates ? sl_args_get(&cli->args, "date") : NULL;
    const char *from = range ? sl_args_get(&cli->args, "from") : NULL;
    const char *to = range && !has_own_to(cli->command) ? sl_args_get(&cli->args, "to") : NULL;
    enum sl_code code = phase == NULL ? SL_OK : sl_cli_phase(cli, phase, &select->phase);
    if (code == SL_OK && date != NULL)
        code = range ? read_range(cli, date) : sl_cli_date(cli, date, &select->date);
    if (code == SL_OK && from != NULL)
        code = sl_cli_date(cli, from, &select->from);
    if (code == SL_OK && to != NULL)
        code = sl_cli_date(cli, to, &select->to);
    return code;
}

static enum sl_code require(struct sl_cli *cli)
{
    const struct sl_selection *select = &cli->select;
    unsigned takes = cli->command->takes;
    if ((takes & SL_WANTS_PHASE) && select->phase == NULL)
        return sl_fail(&cli->err, SL_INVALID, "which phase? say --phase P");
    if ((takes & SL_WANTS_DATE) && select->date == SL_DATE_NONE)
        return sl_fail(&cli->err, SL_INVALID, "which date? say --date YYYY-MM-DD");
    if ((takes & SL_WANTS_RANGE) && (select->from == SL_DATE_NONE || select->to == SL_DATE_NONE))
        return sl_fail(&cli->err, SL_INVALID, "which dates? say A..B or --from A --to B");
    if ((takes & SL_WANTS_WORD) && select->word == NULL)
        return sl_fail(&cli->err, SL_INVALID, "something is missing: sluice %s %s", cli->command->name, cli->command->usage);
    if (select->from != SL_DATE_NONE && select->to != SL_DATE_NONE && select->to < select->from)
        return sl_fail(&cli->err, SL_INVALID, "the range ends before it starts");
    return SL_OK;
}

enum sl_code sl_cli_select(struct sl_cli *cli)
{
    cli->select = (struct sl_selection){.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE};
    enum sl_code code = read_flags(cli);
    for (size_t i = 0; code == SL_OK && i < cli->args.n_words; i++)
        code = read_word(cli, cli->args.words[i]);
    return code == SL_OK ? require(cli) : code;
}
