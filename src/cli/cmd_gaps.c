/* cmd_gaps.c - missing dates: of one table by its rows, or of a phase's critical tables as its gap check judges them. */
#include "commands.h"

#include <string.h>

static const struct sl_flag FLAGS[] = {
    {"table", "DATASET.TABLE", "this table only, by its own rows", 't'},
    {"date-column", "C", "the table's date column; the config's when not given", 0},
    {"every-day", NULL, "expect every day, not only the calendar's done dates", 0},
    {0},
};

static const char *dates_json(struct sl_cli *cli, const struct sl_gap_report *report)
{
    struct sl_buf buf;
    struct sl_json json;
    sl_buf_init(&buf);
    sl_json_init(&json, &buf);
    sl_json_array(&json);
    for (size_t i = 0; i < report->n_missing; i++)
        sl_json_date(&json, report->missing[i]);
    sl_json_end_array(&json);
    const char *text = sl_arena_strndup(&cli->arena, sl_buf_text(&buf), buf.len);
    sl_buf_fini(&buf);
    return text;
}

static int print(struct sl_cli *cli, const struct sl_gap_report *reports, size_t n, bool single)
{
    static const struct sl_field FIELDS[] = {
        {"table", false, false},        {"from", false, false},          {"to", false, false},       {"expected_dates", false, true},
        {"present_dates", false, true}, {"missing_dates", false, false}, {"gap_count", false, true}, {"coverage_pct", false, true},
        {"has_gaps", true, false},      {"is_continuous", true, false}};
    struct sl_rows *rows;
    bool any = false;
    sl_cli_rows(cli, &rows, FIELDS, 10, single);
    for (size_t i = 0; i < n; i++) {
        const struct sl_gap_report *report = &reports[i];
        any = any || report->n_missing > 0;
        sl_rows_str(rows, report->table);
        sl_rows_date(rows, report->from);
        sl_rows_date(rows, report->to);
        sl_rows_int(rows, (int64_t)report->n_expected);
        sl_rows_int(rows, (int64_t)report->n_present);
        sl_rows_json(rows, dates_json(cli, report));
        sl_rows_int(rows, (int64_t)report->n_missing);
        sl_rows_double(rows, sl_gap_report_pct(report));
        sl_rows_bool(rows, report->n_missing > 0);
        sl_rows_bool(rows, report->n_missing == 0);
    }
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return any ? SL_EXIT_FINDINGS : SL_EXIT_OK;
}

static int of_table(struct sl_cli *cli, const char *table)
{
    struct sl_ops ops;
    struct sl_gap_report report;
    sl_cli_ops(cli, &ops);
    if (sl_ops_gaps_table(&ops, table, sl_args_get(&cli->args, "date-column"), cli->select.from, cli->select.to,
                          sl_args_has(&cli->args, "every-day"), &report, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return print(cli, &report, 1, true);
}

static int of_phase(struct sl_cli *cli)
{
    struct sl_ops ops;
    struct sl_gap_report *reports = NULL;
    size_t n = 0;
    if (sl_cli_open(cli, SL_OPENS_LEDGER | SL_OPENS_WORKER) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_ops(cli, &ops);
    if (sl_ops_gaps_phase(&ops, cli->select.phase, cli->select.from, cli->select.to, sl_args_has(&cli->args, "every-day"), &reports, &n,
                          &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (n == 0)
        sl_cli_note(cli, "%s has no critical processor with a table", cli->select.phase->name);
    return print(cli, reports, n, false);
}

static int run(struct sl_cli *cli)
{
    const char *table = sl_args_get(&cli->args, "table");
    if ((table == NULL) == (cli->select.phase == NULL))
        return sl_cli_usage(cli, "gaps of what? say either --phase P or --table DATASET.TABLE");
    if (table == NULL && sl_args_has(&cli->args, "date-column"))
        return sl_cli_usage(cli, "--date-column goes with --table");
    return table != NULL ? of_table(cli, table) : of_phase(cli);
}

const struct sl_command SL_CMD_GAPS = {
    .name = "gaps",
    .usage = "(PHASE | --table DATASET.TABLE) (A..B | --from A --to B) [--every-day]",
    .help = "missing dates of a phase's critical tables, or of one table",
    .more = "For a phase fallbacks count and accepted gaps are left out; for a table its own rows count. Exit 3 when there are gaps.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_WANTS_RANGE,
    .opens = SL_OPENS_CONFIG | SL_OPENS_WAREHOUSE,
    .flags = FLAGS,
    .examples = {"gaps --phase orders_raw --from 2025-01-01 --to 2025-01-31", "gaps --table shop_raw.orders 2025-01-01..2025-01-31 -o json",
                 "gaps --table shop_raw.orders --date-column order_date --every-day --from 2025-01-01 --to yesterday"},
    .run = run,
};
