/* cli.c - the command line: which command, its flags, what it needs opened, its exit code.
 * A line is read by tables, the config is loaded, phase and dates are understood by it, the ports are opened, the command runs. Whatever fails says one
 * sentence on stderr; stdout holds data only. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/log.h>

#include "commands.h"

const struct sl_flag SL_GLOBAL_FLAGS[] = {
    {"config", "FILE", "the config; else $SLUICE_CONFIG, else ./sluice.yaml", 'c'},
    {"set", "KEY=VALUE", "override the config; repeatable: --set defaults.settle=0s", 0},
    {"output", "FORMAT", "table (default), json, ndjson or csv", 'o'},
    {"no-color", NULL, "no colour, as with NO_COLOR or TERM=dumb; there is none in a pipe", 0},
    {"log", "LEVEL", "least level of the log on stderr: debug, info, warning (default), error", 0},
    {"help", NULL, "this help", 'h'},
    {"version", NULL, "the version", 0},
    {0},
};

const struct sl_command *const SL_COMMANDS[] = {
    &SL_CMD_INIT,
    &SL_CMD_MIGRATE,
    &SL_CMD_RUN,
    &SL_CMD_BROKER,
    &SL_CMD_PUBLISH,
    &SL_CMD_COMPLETE,
    &SL_CMD_IMPORT,
    &SL_CMD_INGEST,
    &SL_CMD_STATUS,
    &SL_CMD_GATES,
    &SL_CMD_WHY,
    &SL_CMD_CHECK,
    &SL_CMD_WHAT_IF,
    &SL_CMD_WAIT,
    &SL_CMD_PENDING,
    &SL_CMD_PENDING_DROP,
    &SL_CMD_RELEASE,
    &SL_CMD_RETRIGGER,
    &SL_CMD_STALE,
    &SL_CMD_HOLD_ADD,
    &SL_CMD_HOLD_LIST,
    &SL_CMD_HOLD_REMOVE,
    &SL_CMD_GAPS,
    &SL_CMD_COMPLETENESS,
    &SL_CMD_VERIFY,
    &SL_CMD_UPSTREAM,
    &SL_CMD_EVENTS,
    &SL_CMD_KNOWN_GAPS_ADD,
    &SL_CMD_KNOWN_GAPS_LIST,
    &SL_CMD_KNOWN_GAPS_REMOVE,
    &SL_CMD_QUALITY_ASSESS,
    &SL_CMD_QUALITY_AGGREGATE,
    &SL_CMD_QUALITY_CAP,
    &SL_CMD_DLQ_LIST,
    &SL_CMD_DLQ_SHOW,
    &SL_CMD_REPLAY,
    &SL_CMD_DOCTOR,
    &SL_CMD_CONFIG_CHECK,
    &SL_CMD_CONFIG_SHOW,
    &SL_CMD_CONFIG_SCHEMA,
    NULL,
};

enum sl_exit sl_exit_of(enum sl_code code)
{
    switch (code) {
    case SL_OK: return SL_EXIT_OK;
    case SL_UNAVAILABLE: return SL_EXIT_LATER;
    case SL_DENIED: return SL_EXIT_DENIED;
    case SL_INVALID:
    case SL_NOT_FOUND:
    case SL_CONFLICT:
    case SL_CORRUPT:
    case SL_INTERNAL: return SL_EXIT_FAILED;
    }
    return SL_EXIT_FAILED;
}

static const char *command_name(const struct sl_cli *cli)
{
    return cli->command == NULL ? "sluice" : cli->command->name;
}

static void print_failure(struct sl_cli *cli, const char *next)
{
    fflush(cli->out);
    fprintf(cli->errs, "%s%s: ", cli->command == NULL ? "" : "sluice ", command_name(cli));
    sl_print_safe(cli->errs, cli->err.text);
    fputc('\n', cli->errs);
    if (next != NULL)
        fprintf(cli->errs, "try: %s\n", next);
}

int sl_cli_failed(struct sl_cli *cli, const char *next)
{
    print_failure(cli, next);
    return (int)sl_exit_of(cli->err.code);
}

int sl_cli_usage_err(struct sl_cli *cli)
{
    const char *name = cli->command == NULL ? NULL : cli->command->name;
    print_failure(cli, name == NULL ? "sluice --help" : sl_arena_printf(&cli->arena, "sluice %s --help", name));
    return SL_EXIT_USAGE;
}

int sl_cli_usage(struct sl_cli *cli, const char *fmt, ...)
{
    char text[sizeof cli->err.text];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sl_fail(&cli->err, SL_INVALID, "%s", text);
    return sl_cli_usage_err(cli);
}

void sl_cli_note(struct sl_cli *cli, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    fflush(cli->out);
    sl_print_safe(cli->errs, text);
    fputc('\n', cli->errs);
}

void sl_cli_ops(const struct sl_cli *cli, struct sl_ops *out)
{
    *out = (struct sl_ops){cli->config, cli->ledger, cli->warehouse, cli->worker, cli->now_us, cli->today};
}

void sl_cli_print_json(struct sl_cli *cli, const struct sl_buf *buf)
{
    fwrite(sl_buf_text(buf), 1, buf->len, cli->out);
    fputc('\n', cli->out);
}

void sl_cli_rows(struct sl_cli *cli, struct sl_rows **out, const struct sl_field *fields, size_t n, bool single)
{
    struct sl_rows_options options = {cli->format, cli->colour, single};
    sl_rows_create(out, cli->out, &options, fields, n);
}

/* "KEY=VALUE" texts into overrides. */
static enum sl_code read_sets(struct sl_cli *cli, struct sl_override **out, size_t *n)
{
    const char **texts = sl_arena_array(&cli->arena, cli->args.n_values + 1, sizeof *texts);
    *n = sl_args_all(&cli->args, "set", texts);
    *out = sl_arena_array(&cli->arena, *n + 1, sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const char *equals = strchr(texts[i], '=');
        if (equals == NULL || equals == texts[i])
            return sl_fail(&cli->err, SL_INVALID, "--set %s is not KEY=VALUE", texts[i]);
        (*out)[i].key = sl_arena_strndup(&cli->arena, texts[i], (size_t)(equals - texts[i]));
        (*out)[i].value = equals + 1;
    }
    return SL_OK;
}

#define OWN_CONFIG "sluice.yaml"

static const char *config_path(const struct sl_cli *cli)
{
    const char *path = sl_args_get(&cli->args, "config");
    if (path == NULL || path[0] == '\0')
        path = getenv("SLUICE_CONFIG");
    return path == NULL || path[0] == '\0' ? OWN_CONFIG : path;
}

/* A config that is named must be there; --set needs one too. */
static bool wants_config(const struct sl_cli *cli)
{
    const unsigned opens = cli->command->opens;
    if (!(opens & SL_OPENS_CONFIG_IF_ANY))
        return (opens & SL_OPENS_CONFIG) != 0;
    return strcmp(config_path(cli), OWN_CONFIG) != 0 || access(OWN_CONFIG, F_OK) == 0 || sl_args_has(&cli->args, "set");
}

/* Every line of the config's errors is printed; the exit code, 0 when it is loaded. */
static int load_config(struct sl_cli *cli)
{
    struct sl_override *sets = NULL;
    size_t n = 0;
    struct sl_buf errors;
    if (read_sets(cli, &sets, &n) != SL_OK)
        return sl_cli_usage_err(cli);
    sl_buf_init(&errors);
    enum sl_code code = sl_config_load(&cli->config, config_path(cli), sets, n, NULL, &errors, &cli->err);
    if (code == SL_OK) {
        cli->today = sl_zone_date(cli->config->zone, cli->now_us);
        sl_buf_fini(&errors);
        return SL_EXIT_OK;
    }
    fputs(errors.len > 0 ? sl_buf_text(&errors) : cli->err.text, cli->errs);
    if (errors.len == 0 || errors.data[errors.len - 1] != '\n')
        fputc('\n', cli->errs);
    sl_buf_fini(&errors);
    return code == SL_DENIED ? SL_EXIT_DENIED : SL_EXIT_USAGE;
}

/* A ledger that a command is to change must be there: only init and ingest make one. */
static enum sl_code open_ledger(struct sl_cli *cli, unsigned opens)
{
    enum sl_code code = sl_ledger_open(&cli->ledger, cli->config, SL_LEDGER_READ, &cli->err);
    if (code != SL_OK || !(opens & SL_OPENS_LEDGER_WRITE))
        return code;
    sl_ledger_destroy(&cli->ledger);
    return sl_ledger_open(&cli->ledger, cli->config, SL_LEDGER_WRITE, &cli->err);
}

enum sl_code sl_cli_open(struct sl_cli *cli, unsigned opens)
{
    enum sl_code code = SL_OK;
    if (opens & (SL_OPENS_LEDGER | SL_OPENS_LEDGER_WRITE))
        code = open_ledger(cli, opens);
    if (code == SL_OK && (opens & SL_OPENS_WAREHOUSE))
        code = sl_warehouse_open(&cli->warehouse, cli->config, &cli->err);
    if (code == SL_OK && (opens & SL_OPENS_WORKER))
        sl_worker_create(&cli->worker, cli->config, cli->ledger, cli->warehouse, NULL, &(struct sl_worker_options){0});
    return code;
}

static void close_all(struct sl_cli *cli)
{
    sl_worker_destroy(&cli->worker);
    sl_warehouse_destroy(&cli->warehouse);
    sl_ledger_destroy(&cli->ledger);
    sl_config_destroy(&cli->config);
    sl_arena_fini(&cli->arena);
}

static bool wants_colour(const struct sl_cli *cli, FILE *file)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    if (sl_args_has(&cli->args, "no-color") || (no_color != NULL && no_color[0] != '\0'))
        return false;
    return term != NULL && strcmp(term, "dumb") != 0 && isatty(fileno(file)) != 0;
}

/* Format, colour and log, before anything speaks. */
static enum sl_code set_manners(struct sl_cli *cli)
{
    static const char *const LEVELS[] = {"debug", "info", "warning", "error"};
    const char *format = sl_args_get(&cli->args, "output"), *level = sl_args_get(&cli->args, "log");
    size_t least = SL_WARNING;
    if (format != NULL && !sl_format_parse(format, &cli->format))
        return sl_fail(&cli->err, SL_INVALID, "-o %s is none of table, json, ndjson, csv", format);
    if (level != NULL)
        for (least = 0; least < 4 && strcmp(LEVELS[least], level) != 0;)
            least++;
    if (least == 4)
        return sl_fail(&cli->err, SL_INVALID, "--log %s is none of debug, info, warning, error", level);
    cli->colour = wants_colour(cli, cli->out);
    sl_log_open(STDERR_FILENO, SL_LOG_AUTO, (enum sl_level)least, wants_colour(cli, cli->errs));
    return SL_OK;
}

static const char *next_of_failure(const struct sl_cli *cli)
{
    return cli->err.code == SL_NOT_FOUND && cli->config != NULL && strstr(cli->err.text, "sluice init") == NULL ? "sluice init" : NULL;
}

static int run_command(struct sl_cli *cli)
{
    const struct sl_command *command = cli->command;
    int exit_code = wants_config(cli) ? load_config(cli) : SL_EXIT_OK;
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    if (sl_cli_select(cli) != SL_OK)
        return sl_cli_usage_err(cli);
    if (sl_cli_open(cli, command->opens) != SL_OK)
        return sl_cli_failed(cli, next_of_failure(cli));
    exit_code = command->run(cli);
    if ((fflush(cli->out) != 0 || ferror(cli->out)) && exit_code == SL_EXIT_OK) {
        sl_fail(&cli->err, SL_INTERNAL, "the output could not be written: %s", strerror(errno));
        exit_code = sl_cli_failed(cli, NULL);
    }
    return exit_code;
}

static const struct sl_command *find_command(const char *first, const char *second)
{
    size_t len = strlen(first);
    const struct sl_command *found = NULL;
    for (size_t i = 0; SL_COMMANDS[i] != NULL; i++) {
        const char *name = SL_COMMANDS[i]->name;
        if (strcmp(name, first) == 0)
            found = SL_COMMANDS[i];
        else if (second != NULL && sl_command_in_family(SL_COMMANDS[i], first) && strcmp(name + len + 1, second) == 0)
            return SL_COMMANDS[i];
    }
    return found;
}

static bool is_family(const char *word)
{
    for (size_t i = 0; SL_COMMANDS[i] != NULL; i++)
        if (sl_command_in_family(SL_COMMANDS[i], word))
            return true;
    return false;
}

static int unknown_command(struct sl_cli *cli, const char *word)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; SL_COMMANDS[i] != NULL && n < 64; i++) {
        size_t len = strcspn(SL_COMMANDS[i]->name, " ");
        names[n++] = sl_arena_strndup(&cli->arena, SL_COMMANDS[i]->name, len);
    }
    const char *near = sl_str_nearest(word, names, n);
    return near == NULL ? sl_cli_usage(cli, "unknown command %.80s", word)
                        : sl_cli_usage(cli, "unknown command %.80s; did you mean %s?", word, near);
}

/* `sluice`, `sluice --help`, `sluice --version`, or a flag that is none. */
static int without_command(struct sl_cli *cli, int argc, const char *const *argv)
{
    const struct sl_flag *const tables[] = {SL_GLOBAL_FLAGS, NULL};
    if (sl_args_parse(&cli->args, tables, argc, argv, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_usage_err(cli);
    if (sl_args_has(&cli->args, "version")) {
        fprintf(cli->out, "sluice %s\n", SLUICE_VERSION);
        return SL_EXIT_OK;
    }
    bool asked = sl_args_has(&cli->args, "help");
    sl_help_all(asked ? cli->out : cli->errs);
    return asked ? SL_EXIT_OK : SL_EXIT_USAGE;
}

/* `sluice hold lst` */
static int unknown_in_family(struct sl_cli *cli, const char *word, const char *second)
{
    const char *names[16];
    size_t n = 0;
    for (size_t i = 0; SL_COMMANDS[i] != NULL && n < 16; i++)
        if (sl_command_in_family(SL_COMMANDS[i], word))
            names[n++] = SL_COMMANDS[i]->name + strlen(word) + 1;
    const char *near = sl_str_nearest(second, names, n);
    sl_fail(&cli->err, SL_INVALID, "unknown command %.40s %.80s%s%s%s%s", word, second, near == NULL ? "" : "; did you mean ",
            near == NULL ? "" : word, near == NULL ? "" : " ", near == NULL ? "" : near);
    print_failure(cli, sl_arena_printf(&cli->arena, "sluice %s --help", word));
    return SL_EXIT_USAGE;
}

/* `sluice hold`, `sluice hold --help`, `sluice hold lst`. */
static int family_without_command(struct sl_cli *cli, const char *word, const char *second)
{
    if (second != NULL && second[0] != '-')
        return unknown_in_family(cli, word, second);
    if (second != NULL && (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)) {
        sl_help_family(cli->out, word);
        return SL_EXIT_OK;
    }
    sl_help_family(cli->errs, word);
    return SL_EXIT_USAGE;
}

/* argv without the words of the command's name. */
static enum sl_code parse_flags(struct sl_cli *cli, int argc, const char *const *argv, int at)
{
    const struct sl_flag *tables[SL_MAX_FLAG_TABLES];
    const char **rest = sl_arena_array(&cli->arena, (size_t)argc + 1, sizeof *rest);
    int skip = strchr(cli->command->name, ' ') == NULL ? 1 : 2, n = 0;
    for (int i = 0; i < argc; i++)
        if (i < at || i >= at + skip)
            rest[n++] = argv[i];
    sl_command_flags(cli->command, tables);
    return sl_args_parse(&cli->args, tables, n, rest, &cli->arena, &cli->err);
}

static int help_on(struct sl_cli *cli, const char *first, const char *second)
{
    cli->command = first == NULL ? NULL : find_command(first, second);
    if (cli->command != NULL)
        sl_help_command(cli->out, cli->command);
    else if (first != NULL && is_family(first))
        sl_help_family(cli->out, first);
    else if (first != NULL)
        return unknown_command(cli, first);
    else
        sl_help_all(cli->out);
    return SL_EXIT_OK;
}

static int dispatch(struct sl_cli *cli, int argc, const char *const *argv)
{
    int at = sl_args_first_word(SL_GLOBAL_FLAGS, argc, argv);
    if (at == argc)
        return without_command(cli, argc, argv);
    const char *first = argv[at], *second = at + 1 < argc ? argv[at + 1] : NULL;
    if (strcmp(first, "help") == 0)
        return help_on(cli, second, at + 2 < argc ? argv[at + 2] : NULL);
    cli->command = find_command(first, second);
    if (cli->command == NULL && is_family(first))
        return family_without_command(cli, first, second);
    if (cli->command == NULL)
        return unknown_command(cli, first);
    if (parse_flags(cli, argc, argv, at) != SL_OK)
        return sl_cli_usage_err(cli);
    if (sl_args_has(&cli->args, "help")) {
        sl_help_command(cli->out, cli->command);
        return SL_EXIT_OK;
    }
    return set_manners(cli) == SL_OK ? run_command(cli) : sl_cli_usage_err(cli);
}

int sl_cli_main(int argc, const char *const *argv)
{
    struct timespec now;
    struct sl_cli cli = {.out = stdout, .errs = stderr};
    clock_gettime(CLOCK_REALTIME, &now);
    cli.now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    int exit_code = dispatch(&cli, argc > 0 ? argc - 1 : 0, argv + (argc > 0));
    close_all(&cli);
    return exit_code;
}
