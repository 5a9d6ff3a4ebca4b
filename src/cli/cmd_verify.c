/* cmd_verify.c - is everything there that a phase owes: runs, rows of every unit, events for what has no rows. */
#include "commands.h"

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {{"date", false, false},      {"finding", false, false}, {"severity", false, false},
                                             {"processor", false, false}, {"table", true, false},    {"units", false, false},
                                             {"detail", false, false}};
    struct sl_ops ops;
    struct sl_finding *findings = NULL;
    struct sl_rows *rows;
    size_t n = 0, n_dates = 0;
    sl_cli_ops(cli, &ops);
    if (sl_ops_verify(&ops, cli->select.phase, cli->select.from, cli->select.to, &findings, &n, &n_dates, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_rows(cli, &rows, FIELDS, 7, false);
    for (size_t i = 0; i < n; i++) {
        sl_rows_date(rows, findings[i].date);
        sl_rows_str(rows, findings[i].kind);
        sl_rows_painted(rows, sl_severity_name(findings[i].severity),
                        findings[i].severity == SL_SEV_CRITICAL ? SL_PAINT_BAD : SL_PAINT_WARN);
        sl_rows_str(rows, findings[i].processor);
        sl_rows_str(rows, findings[i].table);
        sl_rows_json(rows, sl_json_names(findings[i].units, findings[i].n_units, &cli->arena));
        sl_rows_str(rows, findings[i].detail);
    }
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_note(cli, "%s: %zu dates looked at, %zu findings", cli->select.phase->name, n_dates, n);
    return n > 0 ? SL_EXIT_FINDINGS : SL_EXIT_OK;
}

const struct sl_command SL_CMD_VERIFY = {
    .name = "verify",
    .usage = "PHASE (DATE | A..B)",
    .help = "gaps, units, run records and coverage log of a phase; 3 if anything is missing",
    .more = "Findings: run_missing, run_failed, rows_missing, event_missing (rows are missing and the coverage log does not say so),\n"
            "table_error. Accepted gaps excuse missing rows.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_WANTS_PHASE | SL_WANTS_RANGE,
    .opens = SL_ASKS,
    .examples = {"verify orders_daily 2025-01-01..2025-01-31", "verify --phase orders_raw --date yesterday -o ndjson"},
    .run = run,
};
