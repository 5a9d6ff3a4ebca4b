/* gate_view.c - the line of a gate, and which gate a line names. */
#include "gate_view.h"

const struct sl_flag SL_GATE_CHOICE[] = {
    {"profile", "NAME", "past, today or future; else the date's own, else the one decided last", 0},
    {"generation", "N", "else the newest", 0},
    {0},
};

enum sl_paint sl_state_paint(enum sl_state state)
{
    switch (state) {
    case SL_WAITING: return SL_PAINT_WARN;
    case SL_BLOCKED: return SL_PAINT_BAD;
    case SL_SUPPRESSED: return SL_PAINT_WARN;
    case SL_TRIGGERED:
    case SL_OBSERVED: return SL_PAINT_GOOD;
    case SL_EMPTY:
    case SL_SUPERSEDED: return SL_PAINT_DIM;
    }
    return SL_PAINT_NONE;
}

const char *sl_reasons_json(struct sl_cli *cli, sl_reasons reasons)
{
    const char *names[SL_N_REASONS];
    return sl_json_names(names, sl_reasons_names(reasons, names), &cli->arena);
}

static const char *list(const char *json)
{
    return json == NULL ? "[]" : json;
}

void sl_gate_row(struct sl_cli *cli, struct sl_rows *rows, const struct sl_gate *gate)
{
    sl_rows_str(rows, gate->phase);
    sl_rows_date(rows, gate->date);
    sl_rows_str(rows, sl_profile_name(gate->profile));
    sl_rows_int(rows, gate->generation);
    sl_rows_painted(rows, sl_state_name(gate->state), sl_state_paint(gate->state));
    sl_rows_json(rows, sl_reasons_json(cli, gate->reasons));
    sl_rows_json(rows, list(gate->completed));
    sl_rows_json(rows, list(gate->missing));
    sl_rows_json(rows, list(gate->late));
    sl_rows_str(rows, gate->quality_tier);
    if (gate->quality_tier)
        sl_rows_double(rows, gate->quality_score);
    else
        sl_rows_str(rows, NULL);
    sl_rows_bool(rows, gate->is_production_ready);
    sl_rows_str(rows, gate->trigger_id);
    sl_rows_time(rows, gate->decided_us);
    sl_rows_str(rows, gate->waits_for);
    sl_rows_str(rows, gate->config_hash);
}

int sl_print_gates(struct sl_cli *cli, const struct sl_gate *gates, size_t n)
{
    static const struct sl_field FIELDS[] = {SL_GATE_FIELDS};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, SL_N_GATE_FIELDS, false);
    for (size_t i = 0; i < n; i++)
        sl_gate_row(cli, rows, &gates[i]);
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return SL_EXIT_OK;
}

enum sl_code sl_chosen_profile(struct sl_cli *cli, enum sl_profile *out, bool *given)
{
    const char *name = sl_args_get(&cli->args, "profile");
    *given = name != NULL;
    *out = sl_profile_of(cli->select.date, cli->today);
    if (name != NULL && !sl_profile_parse(name, out))
        return sl_fail(&cli->err, SL_INVALID, "--profile %.40s is none of past, today, future", name);
    return SL_OK;
}

/* The date's own profile first; a day that was decided while it was today has its gate there. */
static enum sl_code newest_of_any(struct sl_cli *cli, int generation, struct sl_gate *out)
{
    bool found = false;
    for (int profile = 0; profile < SL_N_PROFILES; profile++) {
        struct sl_gate gate;
        enum sl_code code = sl_ledger_gate_get(cli->ledger, cli->select.phase->name, cli->select.date, (enum sl_profile)profile, generation,
                                               &gate, &cli->arena, &cli->err);
        if (code != SL_OK && code != SL_NOT_FOUND)
            return code;
        if (code == SL_OK && (!found || gate.decided_us > out->decided_us)) {
            *out = gate;
            found = true;
        }
    }
    return found ? SL_OK : SL_NOT_FOUND;
}

enum sl_code sl_find_gate(struct sl_cli *cli, struct sl_gate *out)
{
    enum sl_profile profile;
    bool given;
    int64_t generation;
    enum sl_code code = sl_chosen_profile(cli, &profile, &given);
    if (code == SL_OK)
        code = sl_cli_number(cli, "generation", 1, 0, &generation);
    if (code == SL_OK && generation > INT32_MAX)
        code = sl_fail(&cli->err, SL_INVALID, "--generation %lld is too large", (long long)generation);
    if (code != SL_OK)
        return code;
    code = sl_ledger_gate_get(cli->ledger, cli->select.phase->name, cli->select.date, profile, (int)generation, out, &cli->arena,
                              &cli->err);
    if (code == SL_NOT_FOUND && !given)
        code = newest_of_any(cli, (int)generation, out);
    return code;
}
