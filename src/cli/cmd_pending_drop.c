/* cmd_pending_drop.c - forgets suppressed gates: they stay suppressed, off the pending list, with a reason on record. */
#include "commands.h"

static const struct sl_flag FLAGS[] = {
    {"reason", "TEXT", "why; goes on record", 'r'},
    {"dry-run", NULL, "say how many, change nothing", 0},
    {0},
};

static int run(struct sl_cli *cli)
{
    struct sl_release release = {
        .phase = cli->select.phase,
        .from = cli->select.from,
        .to = cli->select.to,
        .dry_run = sl_args_has(&cli->args, "dry-run"),
        .reason = sl_args_get(&cli->args, "reason"),
        .who = sl_cli_who(cli),
    };
    static const struct sl_field FIELDS[] = {{"dropped", false, true}, {"dry_run", false, false}};
    struct sl_rows *rows;
    size_t n = 0;
    if (release.reason == NULL || release.reason[0] == '\0')
        return sl_cli_usage(cli, "why? say --reason TEXT");
    if (sl_worker_drop(cli->worker, &release, cli->now_us, &n, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_rows(cli, &rows, FIELDS, 2, true);
    sl_rows_int(rows, (int64_t)n);
    sl_rows_bool(rows, release.dry_run);
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return release.dry_run ? SL_EXIT_OK : sl_cli_decide_due(cli, SL_EXIT_OK);
}

const struct sl_command SL_CMD_PENDING_DROP = {
    .name = "pending drop",
    .usage = "PHASE (DATE | A..B) --reason TEXT",
    .help = "forgets suppressed gates, with a reason",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_WANTS_PHASE | SL_WANTS_RANGE,
    .opens = SL_CHANGES,
    .flags = FLAGS,
    .examples = {"pending drop orders_daily 2025-01-01..2025-01-31 --reason \"loaded by hand\"",
                 "pending drop --phase orders_daily --date 2025-01-03 --reason test --dry-run"},
    .run = run,
};
