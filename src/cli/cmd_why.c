/* cmd_why.c - why and check: a decision that was made, and one made now that changes nothing. */
#include "gate_view.h"

#include "commands.h"

static enum sl_code read_runs(struct sl_cli *cli, struct sl_explained *why)
{
    struct sl_run *runs = NULL;
    enum sl_code code = sl_ledger_runs_of(cli->ledger, why->phase, why->date, &runs, &why->n_runs, &cli->arena, &cli->err);
    why->runs = runs;
    return code;
}

static enum sl_code read_decision(struct sl_cli *cli, struct sl_explained *why)
{
    struct sl_decision_record record;
    const struct sl_gate *gate = &why->gate;
    enum sl_code code = sl_ledger_decision_get(cli->ledger, gate->phase, gate->date, gate->profile, gate->generation, &record, &cli->arena,
                                               &cli->err);
    if (code == SL_NOT_FOUND) /* facts are pruned after a while, the gate stays */
        return SL_OK;
    if (code == SL_OK) {
        why->facts = record.facts;
        why->decision = record.decision;
    }
    return code;
}

static int print(struct sl_cli *cli, struct sl_explained *why)
{
    if (why->exists)
        why->next = sl_gate_next(cli->config, &why->gate, why->facts, &cli->arena);
    enum sl_code code = read_runs(cli, why);
    if (code == SL_OK)
        code = sl_print_explained(cli, why);
    if (code != SL_OK)
        return sl_cli_failed(cli, NULL);
    return why->exists && sl_gate_is_open(&why->gate) ? SL_EXIT_OK : SL_EXIT_FINDINGS;
}

static int run_why(struct sl_cli *cli)
{
    char date[SL_DATE_LEN + 1];
    struct sl_explained why = {.phase = cli->select.phase->name, .date = cli->select.date};
    enum sl_code code = sl_find_gate(cli, &why.gate);
    if (code == SL_INVALID)
        return sl_cli_usage_err(cli);
    if (code == SL_NOT_FOUND) {
        why.next = sl_arena_printf(&cli->arena, "sluice check %s %s", why.phase, sl_date_format(why.date, date));
        return print(cli, &why);
    }
    why.exists = code == SL_OK;
    if (code == SL_OK)
        code = read_decision(cli, &why);
    return code == SL_OK ? print(cli, &why) : sl_cli_failed(cli, NULL);
}

static int run_check(struct sl_cli *cli)
{
    struct sl_explained why = {.phase = cli->select.phase->name, .date = cli->select.date};
    struct sl_verdict verdict = {0};
    struct sl_gate gate;
    enum sl_profile profile;
    bool given;
    if (sl_chosen_profile(cli, &profile, &given) != SL_OK)
        return sl_cli_usage_err(cli);
    if (!given && sl_find_gate(cli, &gate) == SL_OK)
        profile = gate.profile;
    if (sl_worker_check(cli->worker, cli->select.phase, cli->select.date, profile, cli->now_us, &verdict, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    why.exists = true;
    why.gate = verdict.after;
    why.facts = verdict.facts_json;
    why.decision = verdict.decision_json;
    if (!verdict.exists)
        sl_cli_note(cli, "no completion has come; this is what the facts say");
    else if (verdict.changed)
        sl_cli_note(cli, "the recorded state is %s; this is what would be decided now", sl_state_name(verdict.before.state));
    return print(cli, &why);
}

static const struct sl_flag CHECK_FLAGS[] = {
    {"profile", "NAME", "past, today or future; else the recorded gate's, else the date's own", 0},
    {0},
};

const struct sl_command SL_CMD_WHY = {
    .name = "why",
    .usage = "PHASE DATE [--profile NAME] [--generation N]",
    .help = "the whole decision: runs, checks with numbers, reasons, trigger, what it waits for, what would help",
    .more = "Exit 0 when the gate is open (triggered, observed, empty), 3 when it is not or there is none.",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE | SL_WANTS_DATE,
    .opens = SL_READS,
    .flags = SL_GATE_CHOICE,
    .examples = {"why orders_daily 2025-01-03", "why --phase orders_daily --date yesterday -o json",
                 "why orders_daily today --profile today"},
    .run = run_why,
};

const struct sl_command SL_CMD_CHECK = {
    .name = "check",
    .usage = "PHASE DATE [--profile NAME]",
    .help = "decides now on fresh facts; changes nothing",
    .more = "Exit 0 when the gate would be open, 3 when not.",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE | SL_WANTS_DATE,
    .opens = SL_CHANGES,
    .flags = CHECK_FLAGS,
    .examples = {"check orders_daily 2025-01-03", "check --phase orders_daily --date yesterday -o json"},
    .run = run_check,
};
