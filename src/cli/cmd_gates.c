/* cmd_gates.c - gates and pending: the states, in the pipeline's order. */
#include "gate_view.h"

#include "commands.h"

#include <string.h>

static const struct sl_flag FLAGS[] = {
    {"all", NULL, "every generation, not only the newest", 'a'},
    {"state", "S", "waiting, blocked, suppressed, empty, triggered, observed, superseded; several by commas", 's'},
    {0},
};

/* "blocked,waiting" */
static enum sl_code read_states(struct sl_cli *cli, unsigned *out)
{
    const char *text = sl_args_get(&cli->args, "state");
    *out = 0;
    while (text != NULL && *text != '\0') {
        size_t len = strcspn(text, ",");
        const char *name = sl_arena_strndup(&cli->arena, text, len);
        enum sl_state state;
        if (!sl_state_parse(name, &state))
            return sl_fail(&cli->err, SL_INVALID,
                           "--state %.40s is none of waiting, blocked, suppressed, empty, triggered, observed, superseded", name);
        *out |= 1u << state;
        text += len + (text[len] == ',');
    }
    return SL_OK;
}

static int print(struct sl_cli *cli, struct sl_gate_filter *filter, bool only_pending)
{
    struct sl_ops ops;
    struct sl_gate *gates = NULL;
    size_t n = 0, kept = 0;
    filter->phase = cli->select.phase == NULL ? NULL : cli->select.phase->name;
    filter->from = cli->select.from;
    filter->to = cli->select.to;
    filter->all_generations = sl_args_has(&cli->args, "all");
    sl_cli_ops(cli, &ops);
    if (sl_ops_gates(&ops, filter, &gates, &n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    for (size_t i = 0; i < n; i++)
        if (!only_pending || sl_gate_is_pending(&gates[i]))
            gates[kept++] = gates[i];
    return sl_print_gates(cli, gates, kept);
}

static int run_gates(struct sl_cli *cli)
{
    struct sl_gate_filter filter = {0};
    if (read_states(cli, &filter.states) != SL_OK)
        return sl_cli_usage_err(cli);
    return print(cli, &filter, false);
}

static int run_pending(struct sl_cli *cli)
{
    struct sl_gate_filter filter = {0};
    if (read_states(cli, &filter.states) != SL_OK)
        return sl_cli_usage_err(cli);
    bool by_default = filter.states == 0;
    if (by_default)
        filter.states = 1u << SL_SUPPRESSED | 1u << SL_BLOCKED;
    return print(cli, &filter, by_default);
}

const struct sl_command SL_CMD_GATES = {
    .name = "gates",
    .usage = "[PHASE] [DATE | A..B] [--state S] [--all]",
    .help = "gate states, the newest generation of each",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_READS,
    .flags = FLAGS,
    .examples = {"gates", "gates --phase orders_raw --from 2025-01-01 --to 2025-01-31",
                 "gates orders_daily 2025-01-01.. --state blocked,waiting", "gates --all -o ndjson"},
    .run = run_gates,
};

const struct sl_command SL_CMD_PENDING = {
    .name = "pending",
    .usage = "[PHASE] [DATE | A..B] [--state S] [--all]",
    .help = "gates that wait for somebody: suppressed and blocked ones",
    .more = "`sluice release` fires what is open, `sluice pending drop` forgets suppressed ones with a reason.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_READS,
    .flags = FLAGS,
    .examples = {"pending", "pending --phase orders_daily --state suppressed", "pending -o ndjson"},
    .run = run_pending,
};
