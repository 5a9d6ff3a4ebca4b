/* gates.c - gates as people want to see them: in the order of the pipeline, and whether they still wait for somebody. */
#include <sluice/ops.h>

#include <stdlib.h>
#include <string.h>

bool sl_gate_is_pending(const struct sl_gate *gate)
{
    return gate->state == SL_BLOCKED || (gate->state == SL_SUPPRESSED && !gate->dropped);
}

bool sl_gate_is_open(const struct sl_gate *gate)
{
    return gate->state == SL_TRIGGERED || gate->state == SL_OBSERVED || gate->state == SL_EMPTY;
}

/* Open and superseded are ends; a suppressed gate can be released, unless it was dropped. */
bool sl_gate_can_become(const struct sl_gate *gate, enum sl_state state)
{
    if (gate->state == state)
        return true;
    switch (gate->state) {
    case SL_WAITING:
    case SL_BLOCKED: return true;
    case SL_SUPPRESSED: return state == SL_SUPERSEDED || (state == SL_TRIGGERED && !gate->dropped);
    case SL_TRIGGERED:
    case SL_OBSERVED:
    case SL_EMPTY:
    case SL_SUPERSEDED: return false;
    }
    return false;
}

struct ranked {
    size_t rank;
    struct sl_gate gate;
};

static size_t rank_of(const struct sl_config *config, const char *phase)
{
    const struct sl_phase *known = sl_config_phase(config, phase);
    return known == NULL ? config->n_phases : known->rank;
}

static int compare_i64(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_rank(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = compare_i64((int64_t)x->rank, (int64_t)y->rank);
    if (order == 0)
        order = strcmp(x->gate.phase, y->gate.phase);
    if (order == 0)
        order = compare_i64(x->gate.date, y->gate.date);
    if (order == 0)
        order = compare_i64((int64_t)x->gate.profile, (int64_t)y->gate.profile);
    return order != 0 ? order : compare_i64(x->gate.generation, y->gate.generation);
}

enum sl_code sl_ops_gates(const struct sl_ops *ops, const struct sl_gate_filter *filter, struct sl_gate **out, size_t *n,
                          struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = sl_ledger_gates(ops->ledger, filter, out, n, arena, err);
    if (code != SL_OK || *n == 0)
        return code;
    struct ranked *ranked = sl_calloc(*n, sizeof *ranked);
    for (size_t i = 0; i < *n; i++)
        ranked[i] = (struct ranked){rank_of(ops->config, (*out)[i].phase), (*out)[i]};
    qsort(ranked, *n, sizeof *ranked, by_rank);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = ranked[i].gate;
    free(ranked);
    return SL_OK;
}
