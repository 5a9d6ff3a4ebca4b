/* cmd_migrate.c - alters tables that are there: quality columns, columns of the log. Shows the statements, asks, runs them; a second run finds nothing to do. */
#include "commands.h"

#include <unistd.h>

static const struct sl_flag FLAGS[] = {
    {"dry-run", NULL, "only show the statements", 'n'},
    {"yes", NULL, "run them without asking", 'y'},
    {0},
};

static int print_statements(struct sl_cli *cli, const struct sl_migration *made, size_t n)
{
    static const struct sl_field FIELDS[] = {{"table", false, false}, {"statement", false, false}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 2, false);
    for (size_t i = 0; i < n; i++) {
        sl_rows_str(rows, made[i].table);
        sl_rows_str(rows, made[i].sql);
    }
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    fflush(cli->out);
    return SL_EXIT_OK;
}

static int plan(struct sl_cli *cli, bool apply, size_t *n)
{
    struct sl_migration *made = NULL;
    if (sl_warehouse_migrate(cli->warehouse, cli->config, apply, &made, n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return print_statements(cli, made, *n);
}

static bool is_yes(void)
{
    char line[16] = "";
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

/* After the statements were shown: asks, then runs them. */
static int ask_and_run(struct sl_cli *cli, size_t n)
{
    struct sl_migration *made = NULL;
    if (!isatty(STDIN_FILENO))
        return sl_cli_usage(cli, "there is no terminal to ask on: nothing was changed; say --yes to run the statements");
    fprintf(cli->errs, "Run %zu statements? [y/N] ", n);
    fflush(cli->errs);
    if (!is_yes()) {
        sl_cli_note(cli, "nothing was changed");
        return SL_EXIT_FAILED;
    }
    if (sl_warehouse_migrate(cli->warehouse, cli->config, true, &made, &n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_note(cli, "%zu statements were run", n);
    return SL_EXIT_OK;
}

static int run(struct sl_cli *cli)
{
    const bool dry = sl_args_has(&cli->args, "dry-run"), yes = sl_args_has(&cli->args, "yes");
    size_t n = 0;
    if (dry && yes)
        return sl_cli_usage(cli, "say either --dry-run or --yes");
    int code = plan(cli, yes, &n);
    if (code != SL_EXIT_OK)
        return code;
    if (n == 0)
        sl_cli_note(cli, "nothing to change");
    else if (dry)
        sl_cli_note(cli, "%zu statements would be run", n);
    else if (yes)
        sl_cli_note(cli, "%zu statements were run", n);
    else
        return ask_and_run(cli, n);
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_MIGRATE = {
    .name = "migrate",
    .usage = "[--dry-run] [--yes]",
    .help = "adds missing columns to tables that are there: quality columns, columns of the log",
    .more =
        "Tables with `stamp: true` or `confidence` get the nine quality columns; their rows, which are from before, get the historical "
        "default\n"
        "of quality.historical. Shows the statements and asks; without a terminal it wants --yes. One transaction per dataset. Running it\n"
        "again changes nothing.",
    .opens = SL_OPENS_CONFIG | SL_OPENS_WAREHOUSE,
    .flags = FLAGS,
    .examples = {"migrate --dry-run", "migrate --yes", "migrate --dry-run -o json"},
    .run = run,
};
