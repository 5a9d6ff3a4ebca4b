/* cmd_what_if.c - what-if: every recorded gate decided again under the config that is given, from stored facts; only what would be otherwise is printed. */
#include "gate_view.h"

#include <sluice/what_if.h>

#include "commands.h"

#include <string.h>

static const struct sl_field FIELDS[] = {
    {"phase", false, false},
    {"date", false, false},
    {"profile", false, false},
    {"generation", false, true},
    {"state_before", false, false},
    {"reasons_before", false, false},
    {"state_after", false, false},
    {"reasons_after", false, false},
    {"is_production_ready_before", true, false},
    {"is_production_ready_after", true, false},
    {"quality_tier_before", true, false},
    {"quality_tier_after", true, false},
    {"trigger_id_before", true, false},
    {"trigger_id_after", true, false},
    {"rules", false, false},
    {"lacks", false, false},
};
enum { N_FIELDS = sizeof FIELDS / sizeof FIELDS[0] };

static void state_cells(struct sl_cli *cli, struct sl_rows *rows, const struct sl_what_if_outcome *outcome)
{
    if (outcome == NULL) {
        sl_rows_str(rows, NULL);
        sl_rows_str(rows, NULL);
        return;
    }
    sl_rows_painted(rows, sl_state_name(outcome->state), sl_state_paint(outcome->state));
    sl_rows_json(rows, sl_reasons_json(cli, outcome->reasons));
}

static void ready_cell(struct sl_rows *rows, const struct sl_what_if_outcome *outcome)
{
    if (outcome == NULL)
        sl_rows_str(rows, NULL);
    else
        sl_rows_bool(rows, outcome->is_production_ready);
}

static void print_gate(struct sl_cli *cli, struct sl_rows *rows, const struct sl_what_if_gate *gate)
{
    const struct sl_what_if_outcome *after = gate->has_after ? &gate->after : NULL;
    sl_rows_str(rows, gate->gate.phase);
    sl_rows_date(rows, gate->gate.date);
    sl_rows_str(rows, sl_profile_name(gate->gate.profile));
    sl_rows_int(rows, gate->gate.generation);
    state_cells(cli, rows, &gate->before);
    state_cells(cli, rows, after);
    ready_cell(rows, &gate->before);
    ready_cell(rows, after);
    sl_rows_str(rows, gate->before.quality_tier);
    sl_rows_str(rows, after == NULL ? NULL : after->quality_tier);
    sl_rows_str(rows, gate->before.trigger_id);
    sl_rows_str(rows, after == NULL ? NULL : after->trigger_id);
    sl_rows_json(rows, sl_json_names(gate->rules, gate->n_rules, &cli->arena));
    sl_rows_json(rows, sl_json_names(gate->lacks, gate->n_lacks, &cli->arena));
}

static bool is_shown(const struct sl_cli *cli, const struct sl_what_if_gate *gate)
{
    const struct sl_phase *only = cli->select.phase;
    return (gate->differs || gate->n_lacks > 0) && (only == NULL || strcmp(only->name, gate->gate.phase) == 0);
}

static int print(struct sl_cli *cli, const struct sl_what_if *found)
{
    struct sl_rows *rows;
    size_t n_differ = 0, n_unknown = 0;
    sl_cli_rows(cli, &rows, FIELDS, N_FIELDS, false);
    for (size_t i = 0; i < found->n; i++) {
        if (!is_shown(cli, &found->gates[i]))
            continue;
        print_gate(cli, rows, &found->gates[i]);
        n_differ += found->gates[i].differs;
        n_unknown += found->gates[i].n_lacks > 0;
    }
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_note(cli,
                "%zu gates decided again from their stored facts: %zu would differ, of %zu the record says too little; nothing was changed",
                found->n, n_differ, n_unknown);
    return n_differ + n_unknown > 0 ? SL_EXIT_FINDINGS : SL_EXIT_OK;
}

static int run(struct sl_cli *cli)
{
    struct sl_ops ops;
    struct sl_what_if found;
    const struct sl_gate_filter filter = {.from = cli->select.from, .to = cli->select.to};
    sl_cli_ops(cli, &ops);
    if (sl_ops_what_if(&ops, &filter, &found, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return print(cli, &found);
}

const struct sl_command SL_CMD_WHAT_IF = {
    .name = "what-if",
    .usage = "--config NEW.yaml [PHASE] [A..B]",
    .help = "decides every recorded gate again under another config and prints the differences; changes nothing",
    .more = "The ledger is the one that NEW.yaml names, and it is only read: --set ledger.path=FILE names another, --set KEY=VALUE tries "
            "one key.\n"
            "Each gate is decided from the facts that were stored with it, as of the moment it was decided. `rules` are the changed keys "
            "that explain a\n"
            "difference; `lacks` is what NEW.yaml needs to know and nobody asked then: such a gate has no state after.\n"
            "Exit 0 when no gate would differ, 3 when some would or the record says too little.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_READS,
    .examples = {"what-if --config new.yaml", "what-if --config new.yaml --from 2025-01-01 --to 2025-01-31 -o ndjson",
                 "what-if --set phases.orders_daily.checks.gaps.mode=soft"},
    .run = run,
};
