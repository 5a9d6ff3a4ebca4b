/* cmd_known_gaps.c - known-gaps add, list, remove: gaps that somebody has accepted, with a reason. */
#include "commands.h"

static const struct sl_flag ADD_FLAGS[] = {
    {"unit", "U", "one unit instead of a whole date", 'u'},
    {"table", "DATASET.TABLE", "only this table's gap; every table's when not given", 't'},
    {"until", "D", "last day on which it is accepted; for good when not given", 0},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {0},
};
static const struct sl_flag REMOVE_FLAGS[] = {{"reason", "TEXT", "why; goes on record", 'r'}, {0}};

static int print_gaps(struct sl_cli *cli, const struct sl_known_gap *gaps, size_t n)
{
    static const struct sl_field FIELDS[] = {{"id", false, true},      {"phase", false, false}, {"date", false, false},
                                             {"unit", false, false},   {"table", false, false}, {"until", false, false},
                                             {"reason", false, false}, {"who", false, false},   {"created_at", true, false}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 9, false);
    for (size_t i = 0; i < n; i++) {
        sl_rows_int(rows, gaps[i].id);
        sl_rows_str(rows, gaps[i].phase);
        sl_rows_date(rows, gaps[i].date);
        sl_rows_str(rows, gaps[i].unit);
        sl_rows_str(rows, gaps[i].table);
        sl_rows_date(rows, gaps[i].until);
        sl_rows_str(rows, gaps[i].reason);
        sl_rows_str(rows, gaps[i].who);
        sl_rows_time(rows, gaps[i].created_us);
    }
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

/* One gap per named phase; all but the phase is the same. */
static enum sl_code read_gaps(struct sl_cli *cli, struct sl_known_gap **out, size_t *n)
{
    const char *until = sl_args_get(&cli->args, "until");
    struct sl_known_gap gap = {
        .date = cli->select.date,
        .unit = sl_args_get(&cli->args, "unit"),
        .table = sl_args_get(&cli->args, "table"),
        .reason = sl_args_get(&cli->args, "reason"),
        .who = sl_cli_who(cli),
        .until = SL_DATE_NONE,
    };
    if (gap.reason == NULL || gap.reason[0] == '\0')
        return sl_fail(&cli->err, SL_INVALID, "why? say --reason TEXT");
    if ((gap.unit == NULL) == (gap.date == SL_DATE_NONE))
        return sl_fail(&cli->err, SL_INVALID, "say either --date D or --unit U");
    if (until != NULL && sl_cli_date(cli, until, &gap.until) != SL_OK)
        return cli->err.code;
    const char **names = sl_arena_array(&cli->arena, cli->args.n_values + 1, sizeof *names);
    *n = sl_args_all(&cli->args, "phase", names);
    if (*n == 0)
        names[(*n)++] = cli->select.phase->name; /* it came as a word */
    *out = sl_arena_array(&cli->arena, *n, sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        const struct sl_phase *phase = NULL;
        if (sl_cli_phase(cli, names[i], &phase) != SL_OK)
            return cli->err.code;
        (*out)[i] = gap;
        (*out)[i].phase = phase->name;
    }
    return SL_OK;
}

static int run_add(struct sl_cli *cli)
{
    struct sl_ops ops;
    struct sl_known_gap *gaps = NULL;
    size_t n = 0;
    if (read_gaps(cli, &gaps, &n) != SL_OK)
        return sl_cli_usage_err(cli);
    sl_cli_ops(cli, &ops);
    if (sl_ops_known_gap_add(&ops, gaps, n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    int exit_code = print_gaps(cli, gaps, n);
    return exit_code == SL_EXIT_OK ? sl_cli_decide_due(cli, exit_code) : exit_code;
}

static int run_list(struct sl_cli *cli)
{
    struct sl_known_gap *gaps = NULL;
    size_t n = 0, kept = 0;
    if (sl_ledger_known_gaps(cli->ledger, &gaps, &n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    for (size_t i = 0; i < n; i++)
        if (cli->select.phase == NULL || sl_str_eq(cli->select.phase->name, gaps[i].phase))
            gaps[kept++] = gaps[i];
    return print_gaps(cli, gaps, kept);
}

static int run_remove(struct sl_cli *cli)
{
    struct sl_ops ops;
    int64_t id;
    if (!sl_parse_i64(cli->select.word, &id))
        return sl_cli_usage(cli, "%.40s is no id of a known gap; `sluice known-gaps list` has them", cli->select.word);
    sl_cli_ops(cli, &ops);
    if (sl_ops_known_gap_remove(&ops, id, sl_cli_who(cli), sl_args_get(&cli->args, "reason"), &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, "sluice known-gaps list");
    sl_cli_note(cli, "known gap %lld is removed", (long long)id);
    return sl_cli_decide_due(cli, SL_EXIT_OK);
}

const struct sl_command SL_CMD_KNOWN_GAPS_ADD = {
    .name = "known-gaps add",
    .usage = "--phase P [--phase Q] (--date D | --unit U) [--table T] [--until D] --reason TEXT",
    .help = "accepts a gap: the phase's gap check no longer holds gates for it",
    .more = "The gates that it held are decided again at once, in date order. The date itself stays as it is.",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE,
    .opens = SL_CHANGES,
    .flags = ADD_FLAGS,
    .examples = {"known-gaps add --phase orders_daily --date 2025-01-03 --reason \"store was closed\"",
                 "known-gaps add --phase orders_raw --phase orders_daily --unit store-7 --until 2025-03-01 --reason \"lost feed\""},
    .run = run_add,
};

const struct sl_command SL_CMD_KNOWN_GAPS_LIST = {
    .name = "known-gaps list",
    .usage = "[PHASE]",
    .help = "the accepted gaps",
    .takes = SL_TAKES_PHASE,
    .opens = SL_READS,
    .examples = {"known-gaps list", "known-gaps list --phase orders_daily -o ndjson"},
    .run = run_list,
};

const struct sl_command SL_CMD_KNOWN_GAPS_REMOVE = {
    .name = "known-gaps remove",
    .usage = "ID [--reason TEXT]",
    .help = "a gap that is no longer accepted",
    .takes = SL_TAKES_WORD | SL_WANTS_WORD,
    .opens = SL_CHANGES,
    .flags = REMOVE_FLAGS,
    .examples = {"known-gaps remove 3", "known-gaps remove 3 --reason \"the feed was repaired\""},
    .run = run_remove,
};
