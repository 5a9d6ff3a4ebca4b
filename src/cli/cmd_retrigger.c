/* cmd_retrigger.c - publishes a gate's trigger again under its id, or opens a new generation of it. */
#include "gate_view.h"

#include "commands.h"

static const struct sl_flag FLAGS[] = {
    {"reason", "TEXT", "why; goes on record", 'r'},
    {"new-generation", NULL, "open a generation, with a trigger of its own", 0},
    {0},
};

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {SL_GATE_FIELDS};
    const char *reason = sl_args_get(&cli->args, "reason");
    char date[SL_DATE_LEN + 1];
    struct sl_verdict verdict = {0};
    struct sl_rows *rows;
    if (reason == NULL || reason[0] == '\0')
        return sl_cli_usage(cli, "why? say --reason TEXT");
    enum sl_code code = sl_worker_retrigger(cli->worker, cli->select.phase, cli->select.date, sl_args_has(&cli->args, "new-generation"),
                                            reason, sl_cli_who(cli), cli->now_us, &verdict, &cli->arena, &cli->err);
    if (code != SL_OK)
        return sl_cli_failed(
            cli, sl_arena_printf(&cli->arena, "sluice why %s %s", cli->select.phase->name, sl_date_format(cli->select.date, date)));
    sl_cli_rows(cli, &rows, FIELDS, SL_N_GATE_FIELDS, true);
    sl_gate_row(cli, rows, &verdict.after);
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return sl_cli_decide_due(cli, SL_EXIT_OK);
}

const struct sl_command SL_CMD_RETRIGGER = {
    .name = "retrigger",
    .usage = "PHASE DATE --reason TEXT [--new-generation]",
    .help = "publishes the same trigger_id again, or opens a generation",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE | SL_WANTS_DATE,
    .opens = SL_CHANGES,
    .flags = FLAGS,
    .examples = {"retrigger orders_daily 2025-01-03 --reason \"the consumer lost it\"",
                 "retrigger --phase orders_daily --date 2025-01-03 --new-generation --reason \"source was corrected\""},
    .run = run,
};
