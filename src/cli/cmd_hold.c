/* cmd_hold.c - hold add, list, remove: triggers suppressed for a while, with an end. */
#include "commands.h"

static const struct sl_flag ADD_FLAGS[] = {
    {"until", "T", "as 6h or 3d from now, or a date: to the end of that day; for good when not given", 0},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {0},
};
static const struct sl_flag REMOVE_FLAGS[] = {{"reason", "TEXT", "why; goes on record", 'r'}, {0}};

/* A duration from now or the last day of it. */
static enum sl_code read_until(struct sl_cli *cli, int64_t *out)
{
    const char *text = sl_args_get(&cli->args, "until");
    int64_t ms;
    sl_date date;
    *out = SL_NEVER_US;
    if (text == NULL)
        return SL_OK;
    if (sl_duration_parse(text, &ms) && ms > 0 && ms < 100LL * 365 * 86400 * 1000) {
        *out = cli->now_us + ms * 1000;
        return SL_OK;
    }
    if (sl_cli_date(cli, text, &date) != SL_OK)
        return sl_fail(&cli->err, SL_INVALID, "--until %.40s is neither a time from now (6h, 3d) nor a date", text);
    *out = sl_zone_instant(cli->config->zone, date + 1, 0);
    return *out > cli->now_us ? SL_OK : sl_fail(&cli->err, SL_INVALID, "--until %.40s is over already", text);
}

static int print_holds(struct sl_cli *cli, const struct sl_hold *holds, size_t n, bool single)
{
    static const struct sl_field FIELDS[] = {{"id", false, true},      {"phase", false, false}, {"from", false, false},
                                             {"to", false, false},     {"until", false, false}, {"active", false, false},
                                             {"reason", false, false}, {"who", false, false},   {"created_at", true, false}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 9, single);
    for (size_t i = 0; i < n; i++) {
        sl_rows_int(rows, holds[i].id);
        sl_rows_str(rows, holds[i].phase);
        sl_rows_date(rows, holds[i].from);
        sl_rows_date(rows, holds[i].to);
        sl_rows_time(rows, holds[i].until_us);
        sl_rows_bool(rows, holds[i].until_us > cli->now_us);
        sl_rows_str(rows, holds[i].reason);
        sl_rows_str(rows, holds[i].who);
        sl_rows_time(rows, holds[i].created_us);
    }
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

static int run_add(struct sl_cli *cli)
{
    struct sl_ops ops;
    struct sl_hold hold = {
        .phase = cli->select.phase->name,
        .from = cli->select.from,
        .to = cli->select.to,
        .reason = sl_args_get(&cli->args, "reason"),
        .who = sl_cli_who(cli),
    };
    if (hold.reason == NULL || hold.reason[0] == '\0')
        return sl_cli_usage(cli, "why? say --reason TEXT");
    if (read_until(cli, &hold.until_us) != SL_OK)
        return sl_cli_usage_err(cli);
    sl_cli_ops(cli, &ops);
    if (sl_ops_hold_add(&ops, &hold, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    int exit_code = print_holds(cli, &hold, 1, true);
    return exit_code == SL_EXIT_OK ? sl_cli_decide_due(cli, exit_code) : exit_code;
}

/* Does the hold say anything about a day of the line's range? */
static bool overlaps(const struct sl_hold *hold, const struct sl_selection *select)
{
    bool before = hold->to != SL_DATE_NONE && select->from != SL_DATE_NONE && hold->to < select->from;
    bool after = hold->from != SL_DATE_NONE && select->to != SL_DATE_NONE && hold->from > select->to;
    return !before && !after;
}

static int run_list(struct sl_cli *cli)
{
    struct sl_hold *holds = NULL;
    size_t n = 0, kept = 0;
    if (sl_ledger_holds(cli->ledger, &holds, &n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    for (size_t i = 0; i < n; i++)
        if ((cli->select.phase == NULL || sl_str_eq(cli->select.phase->name, holds[i].phase)) && overlaps(&holds[i], &cli->select))
            holds[kept++] = holds[i];
    return print_holds(cli, holds, kept, false);
}

/* The phase's holds; with dates those that were added with the same ones, for a part of a hold can't be taken away. */
static bool is_named(const struct sl_hold *hold, const struct sl_selection *select)
{
    bool dated = select->from != SL_DATE_NONE || select->to != SL_DATE_NONE;
    return sl_str_eq(hold->phase, select->phase->name) && (!dated || (hold->from == select->from && hold->to == select->to));
}

static enum sl_code remove_one(struct sl_cli *cli, int64_t id)
{
    struct sl_ops ops;
    sl_cli_ops(cli, &ops);
    enum sl_code code = sl_ops_hold_remove(&ops, id, sl_cli_who(cli), sl_args_get(&cli->args, "reason"), &cli->arena, &cli->err);
    if (code == SL_OK)
        sl_cli_note(cli, "hold %lld is removed; what it held is on `sluice pending` until released", (long long)id);
    return code;
}

static enum sl_code remove_named(struct sl_cli *cli)
{
    struct sl_hold *holds = NULL;
    size_t n = 0, n_removed = 0;
    enum sl_code code = sl_ledger_holds(cli->ledger, &holds, &n, &cli->arena, &cli->err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        if (is_named(&holds[i], &cli->select)) {
            code = remove_one(cli, holds[i].id);
            n_removed++;
        }
    if (code == SL_OK && n_removed == 0)
        return sl_fail(&cli->err, SL_NOT_FOUND, "phase %s has no such hold", cli->select.phase->name);
    return code;
}

static int run_remove(struct sl_cli *cli)
{
    int64_t id;
    const char *word = cli->select.word;
    if ((word == NULL) == (cli->select.phase == NULL))
        return sl_cli_usage(cli, "which hold? say its id, which `sluice hold list` has, or --phase P");
    if (word != NULL && !sl_parse_i64(word, &id))
        return sl_cli_usage(cli, "%.40s is no id of a hold; `sluice hold list` has them", word);
    if ((word != NULL ? remove_one(cli, id) : remove_named(cli)) != SL_OK)
        return sl_cli_failed(cli, "sluice hold list");
    return sl_cli_decide_due(cli, SL_EXIT_OK);
}

const struct sl_command SL_CMD_HOLD_ADD = {
    .name = "hold add",
    .usage = "PHASE [A..B] [--until T] --reason TEXT",
    .help = "suppresses a phase's triggers for a while",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_WANTS_PHASE,
    .opens = SL_CHANGES,
    .flags = ADD_FLAGS,
    .examples = {"hold add orders_daily --until 6h --reason \"the consumer is being upgraded\"",
                 "hold add --phase orders_daily --from 2025-01-01 --to 2025-01-31 --reason \"January is being reloaded\""},
    .run = run_add,
};

const struct sl_command SL_CMD_HOLD_LIST = {
    .name = "hold list",
    .usage = "[PHASE] [A..B]",
    .help = "the holds",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_READS,
    .examples = {"hold list", "hold list --phase orders_daily -o json"},
    .run = run_list,
};

const struct sl_command SL_CMD_HOLD_REMOVE = {
    .name = "hold remove",
    .usage = "(ID | PHASE [A..B]) [--reason TEXT]",
    .help = "ends a hold; what it held waits for `sluice release`",
    .more = "By its id, or all holds of a phase; with dates those that were added with the same ones.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_TAKES_WORD,
    .opens = SL_CHANGES,
    .flags = REMOVE_FLAGS,
    .examples = {"hold remove 2", "hold remove --phase orders_daily --reason \"upgrade done\""},
    .run = run_remove,
};
