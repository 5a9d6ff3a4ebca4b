/* what_if.h - what every recorded gate would be under another config, decided again from the facts that were stored with it.
 * Reads the ledger only: no warehouse, no bus, nothing is written. One thread. Results are arena-held.
 *
 * Each gate is decided as of the moment it was decided: clocks stand where they stood. Nothing is cascaded, for nobody's gate state is looked at, except by joins. */
#ifndef SLUICE_WHAT_IF_H
#define SLUICE_WHAT_IF_H

#include <sluice/config_diff.h>
#include <sluice/gate.h>
#include <sluice/ops.h>

struct sl_what_if_outcome {
    enum sl_state state;
    sl_reasons reasons;
    const char *trigger_id;
    bool is_production_ready;
    const char *quality_tier; /* NULL: not assessed, or not known */
};
struct sl_what_if_gate {
    struct sl_gate gate; /* as recorded */
    struct sl_what_if_outcome before, after;
    bool has_after;     /* else what the record lacks decides it, or the new config has no such phase */
    bool differs;       /* by RULES 7: state, reasons, trigger_id; of gates that have an outcome, or whose phase is gone */
    const char **lacks; /* facts that the new config needs and the record does not have */
    size_t n_lacks;
    const char **rules; /* the changed keys that explain a difference: "phases.p.checks.gaps.mode: strict -> soft" */
    size_t n_rules;
};
struct sl_what_if {
    struct sl_what_if_gate *gates; /* every generation but superseded ones, phases in DAG order, then by date, profile, generation */
    size_t n;
    size_t n_differ, n_unknown;
};

/* ops->config is the other config; ops->ledger may be open for reading. Dates of `filter` are the only part that counts. */
enum sl_code sl_ops_what_if(const struct sl_ops *ops, const struct sl_gate_filter *filter, struct sl_what_if *out, struct sl_arena *arena,
                            struct sl_err *err);

/* Pure. What sl_facts_read() gave under `config` for a record made under `old`, made right for `config`: what follows from the config and not from the world (settled, runs in
 * progress, who skips, which gaps lie in the look-back, the phases before) is worked out again. Facts that are not there are named in `lacks`, as far as the decision comes to them. */
struct sl_what_if_lacks {
    const char **names; /* "KEY: what is not known" */
    size_t n;
    bool tier_unknown; /* the tier would be assessed in another way; without a quality check nothing else depends on it */
};
void sl_what_if_refit(struct sl_facts *facts, const struct sl_config *old, const struct sl_config *config, struct sl_arena *arena);
void sl_what_if_find_lacks(struct sl_what_if_lacks *out, const struct sl_facts *facts, const struct sl_facts *recorded,
                           const struct sl_config *old, const struct sl_config *config, const struct sl_config_change *changes,
                           size_t n_changes, const struct sl_gate *gate, struct sl_arena *arena);

#endif
