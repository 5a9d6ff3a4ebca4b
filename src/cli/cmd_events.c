/* cmd_events.c - the coverage log, ledger and warehouse joined, each event once, its columns as they are. */
#include "commands.h"

#include <string.h>

static const struct sl_flag FLAGS[] = {
    {"type", "T", "event type: source_missing, fallback_used, gate_blocked, ...", 't'},
    {"severity", "S", "critical, warning or info", 's'},
    {"unit", "U", "game_id of the log", 'u'},
    {0},
};

static const char *const IN_TABLE[] = {"event_timestamp", "event_type", "severity",  "phase",
                                       "processor_name",  "game_id",    "game_date", "description"};
static const char *const BOOLEANS[] = {"is_synthetic", "requires_alert", "alert_sent", "is_resolved"};
static const char *const NUMBERS[] = {"quality_score_before", "quality_score_after"};
static const char *const ARRAYS[] = {"fallback_sources_tried"};

#define IS_ONE_OF(name, list) is_one_of((name), (list), sizeof(list) / sizeof((list)[0]))
static bool is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static void add_cell(struct sl_rows *rows, const char *column, const char *cell)
{
    double number;
    if (cell == NULL)
        sl_rows_str(rows, NULL);
    else if (IS_ONE_OF(column, BOOLEANS))
        sl_rows_bool(rows, strcmp(cell, "1") == 0 || strcmp(cell, "true") == 0);
    else if (IS_ONE_OF(column, NUMBERS) && sl_parse_double(cell, &number))
        sl_rows_double(rows, number);
    else if (IS_ONE_OF(column, ARRAYS))
        sl_rows_json(rows, cell);
    else if (strcmp(column, "severity") == 0)
        sl_rows_painted(rows, cell,
                        strcmp(cell, "critical") == 0  ? SL_PAINT_BAD
                        : strcmp(cell, "warning") == 0 ? SL_PAINT_WARN
                                                       : SL_PAINT_NONE);
    else
        sl_rows_str(rows, cell);
}

static enum sl_code read_filter(struct sl_cli *cli, struct sl_log_filter *out)
{
    enum sl_severity severity;
    *out = (struct sl_log_filter){
        .date = SL_DATE_NONE,
        .from = cli->select.from,
        .to = cli->select.to,
        .type = sl_args_get(&cli->args, "type"),
        .severity = sl_args_get(&cli->args, "severity"),
        .unit = sl_args_get(&cli->args, "unit"),
        .phase = cli->select.phase == NULL ? NULL : cli->select.phase->name,
    };
    if (out->severity != NULL && !sl_severity_parse(out->severity, &severity))
        return sl_fail(&cli->err, SL_INVALID, "--severity %.40s is none of critical, warning, info", out->severity);
    return SL_OK;
}

static int run(struct sl_cli *cli)
{
    struct sl_field fields[SL_N_LOG_COLUMNS];
    struct sl_log_filter filter;
    struct sl_ops ops;
    struct sl_log_row *events = NULL;
    struct sl_rows *rows;
    size_t n = 0;
    if (read_filter(cli, &filter) != SL_OK)
        return sl_cli_usage_err(cli);
    sl_cli_ops(cli, &ops);
    if (sl_ops_events(&ops, &filter, &events, &n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        fields[i] = (struct sl_field){SL_LOG_COLUMNS[i], !IS_ONE_OF(SL_LOG_COLUMNS[i], IN_TABLE), false};
    sl_cli_rows(cli, &rows, fields, SL_N_LOG_COLUMNS, false);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < SL_N_LOG_COLUMNS; c++)
            add_cell(rows, SL_LOG_COLUMNS[c], events[i].cells[c]);
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_EVENTS = {
    .name = "events",
    .usage = "[PHASE] [DATE | A..B] [--type T] [--severity S] [--unit U]",
    .help = "the coverage log, ledger and warehouse joined, each event once",
    .more = "Dates are data dates. -o ndjson has every column of the log.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_READS | SL_OPENS_WAREHOUSE,
    .flags = FLAGS,
    .examples = {"events --severity critical", "events --from 2025-01-01 --to 2025-01-31 --type fallback_used -o ndjson",
                 "events orders_daily yesterday"},
    .run = run,
};
