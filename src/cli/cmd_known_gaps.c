/* cmd_known_gaps.c - known-gaps add, list, remove: gaps that somebody has accepted, with a reason. */
#include "commands.h"

static const struct sl_flag ADD_FLAGS[] = {
    {"unit", "U", "one unit instead of a whole date", 'u'},
    {"table", "DATASET.TABLE", "only this table's gap; every table's when not given", 't'},
    {"until", "D", "last day on which it is accepted; for good when not given", 0},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {0},
};
static const struct sl_flag LIST_FLAGS[] = {
    {"unit", "U", "this unit's", 'u'},
    {"table", "DATASET.TABLE", "this table's", 't'},
    {0},
};
static const struct sl_flag REMOVE_FLAGS[] = {
    {"unit", "U", "the gap of this unit", 'u'},
    {"table", "DATASET.TABLE", "only the gap of this table", 't'},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {0},
};

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

/* The phases that the line names; none: NULL names all. */
static enum sl_code read_phases(struct sl_cli *cli, const char ***out, size_t *n)
{
    const char **names = sl_arena_array(&cli->arena, cli->args.n_values + 1, sizeof *names);
    *out = names;
    *n = sl_args_all(&cli->args, "phase", names);
    if (*n == 0 && cli->select.phase != NULL)
        names[(*n)++] = cli->select.phase->name; /* it came as a word */
    for (size_t i = 0; i < *n; i++) {
        const struct sl_phase *phase = NULL;
        if (sl_cli_phase(cli, names[i], &phase) != SL_OK)
            return cli->err.code;
        names[i] = phase->name;
    }
    return SL_OK;
}

/* One gap per named phase; all but the phase is the same. */
static enum sl_code read_gaps(struct sl_cli *cli, struct sl_known_gap **out, size_t *n)
{
    const char *until = sl_args_get(&cli->args, "until"), **names = NULL;
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
    if (read_phases(cli, &names, n) != SL_OK)
        return cli->err.code;
    *out = sl_arena_array(&cli->arena, *n, sizeof **out);
    for (size_t i = 0; i < *n; i++) {
        (*out)[i] = gap;
        (*out)[i].phase = names[i];
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

/* Is it what phases, --date, --unit and --table say? What is not said is not asked. */
static bool is_meant(const struct sl_cli *cli, const struct sl_known_gap *gap, const char **phases, size_t n)
{
    const char *unit = sl_args_get(&cli->args, "unit"), *table = sl_args_get(&cli->args, "table");
    bool phase = n == 0;
    for (size_t i = 0; i < n; i++)
        phase |= sl_str_eq(phases[i], gap->phase);
    return phase && (cli->select.date == SL_DATE_NONE || gap->date == cli->select.date) && (unit == NULL || sl_str_eq(unit, gap->unit)) &&
           (table == NULL || sl_str_eq(table, gap->table));
}

static enum sl_code read_meant(struct sl_cli *cli, struct sl_known_gap **out, size_t *n)
{
    const char **phases = NULL;
    size_t n_phases = 0, n_all = 0;
    enum sl_code code = read_phases(cli, &phases, &n_phases);
    if (code == SL_OK)
        code = sl_ledger_known_gaps(cli->ledger, out, &n_all, &cli->arena, &cli->err);
    *n = 0;
    for (size_t i = 0; code == SL_OK && i < n_all; i++)
        if (is_meant(cli, &(*out)[i], phases, n_phases))
            (*out)[(*n)++] = (*out)[i];
    return code;
}

static int run_list(struct sl_cli *cli)
{
    struct sl_known_gap *gaps = NULL;
    size_t n = 0;
    enum sl_code code = read_meant(cli, &gaps, &n);
    if (code == SL_INVALID)
        return sl_cli_usage_err(cli);
    return code == SL_OK ? print_gaps(cli, gaps, n) : sl_cli_failed(cli, NULL);
}

static enum sl_code remove_one(struct sl_cli *cli, int64_t id)
{
    struct sl_ops ops;
    sl_cli_ops(cli, &ops);
    enum sl_code code = sl_ops_known_gap_remove(&ops, id, sl_cli_who(cli), sl_args_get(&cli->args, "reason"), &cli->arena, &cli->err);
    if (code == SL_OK)
        sl_cli_note(cli, "known gap %lld is removed", (long long)id);
    return code;
}

static enum sl_code remove_meant(struct sl_cli *cli)
{
    struct sl_known_gap *gaps = NULL;
    size_t n = 0;
    enum sl_code code = read_meant(cli, &gaps, &n);
    if (code == SL_OK && n == 0)
        return sl_fail(&cli->err, SL_NOT_FOUND, "there is no such known gap");
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = remove_one(cli, gaps[i].id);
    return code;
}

static int run_remove(struct sl_cli *cli)
{
    int64_t id;
    const char *word = cli->select.word;
    bool meant = cli->select.phase != NULL && (cli->select.date != SL_DATE_NONE || sl_args_has(&cli->args, "unit"));
    if ((word == NULL) != meant)
        return sl_cli_usage(cli, "which gap? say its id, which `sluice known-gaps list` has, or --phase P and --date D or --unit U");
    if (word != NULL && !sl_parse_i64(word, &id))
        return sl_cli_usage(cli, "%.40s is no id of a known gap; `sluice known-gaps list` has them", word);
    enum sl_code code = word != NULL ? remove_one(cli, id) : remove_meant(cli);
    if (code == SL_INVALID)
        return sl_cli_usage_err(cli);
    return code == SL_OK ? sl_cli_decide_due(cli, SL_EXIT_OK) : sl_cli_failed(cli, "sluice known-gaps list");
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
    .usage = "[PHASE] [--date D | --unit U] [--table T]",
    .help = "the accepted gaps",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE,
    .opens = SL_READS,
    .flags = LIST_FLAGS,
    .examples = {"known-gaps list", "known-gaps list --phase orders_daily -o ndjson"},
    .run = run_list,
};

const struct sl_command SL_CMD_KNOWN_GAPS_REMOVE = {
    .name = "known-gaps remove",
    .usage = "(ID | --phase P [--phase Q] (--date D | --unit U) [--table T]) [--reason TEXT]",
    .help = "a gap that is no longer accepted",
    .more = "By its id, or by what it was added with.",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_TAKES_WORD,
    .opens = SL_CHANGES,
    .flags = REMOVE_FLAGS,
    .examples = {"known-gaps remove 3", "known-gaps remove --phase orders_daily --date 2025-01-03 --reason \"the feed was repaired\""},
    .run = run_remove,
};
