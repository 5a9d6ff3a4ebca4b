/* gate_view.h - gates and decisions as commands print them. Private to src/cli. */
#ifndef SLUICE_CLI_GATE_VIEW_H
#define SLUICE_CLI_GATE_VIEW_H

#include "command.h"

/* The line of `gates`, key by key. */
#define SL_N_GATE_FIELDS 16
#define SL_GATE_FIELDS                                                                                                                     \
    {"phase", false, false}, {"date", false, false}, {"profile", false, false}, {"generation", false, true}, {"state", false, false},      \
        {"reasons", false, false}, {"completed", true, false}, {"missing", false, false}, {"late", true, false},                           \
        {"quality_tier", true, false}, {"quality_score", true, true}, {"is_production_ready", false, false}, {"trigger_id", true, false},  \
        {"decided_at", true, false}, {"waits_for", false, false},                                                                          \
    {                                                                                                                                      \
        "config_hash", true, false                                                                                                         \
    }
void sl_gate_row(struct sl_cli *cli, struct sl_rows *rows, const struct sl_gate *gate);
enum sl_paint sl_state_paint(enum sl_state state);
/* A JSON array of names. Arena. */
const char *sl_reasons_json(struct sl_cli *cli, sl_reasons reasons);
/* All of them, as `gates` and `pending` print them. */
int sl_print_gates(struct sl_cli *cli, const struct sl_gate *gates, size_t n);

/* A decision with everything that is known of it. `gate.phase` NULL: there is none; phase and date are then those asked for. */
struct sl_explained {
    const char *phase;
    sl_date date;
    bool exists;
    struct sl_gate gate;
    const char *facts, *decision; /* JSON; NULL: none */
    const struct sl_run *runs;
    size_t n_runs;
    const char *next;
};
enum sl_code sl_print_explained(struct sl_cli *cli, const struct sl_explained *why);

/* The gate that `PHASE DATE [--profile] [--generation]` names: of the asked profile, else of the date's own, else the one decided last. SL_NOT_FOUND. */
enum sl_code sl_find_gate(struct sl_cli *cli, struct sl_gate *out);
extern const struct sl_flag SL_GATE_CHOICE[]; /* --profile, --generation */
/* --profile, or the date's profile today. SL_INVALID. */
enum sl_code sl_chosen_profile(struct sl_cli *cli, enum sl_profile *out, bool *given);

#endif
