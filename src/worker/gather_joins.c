/* gather_joins.c - what the other phases of a join decided for the date, in this batch or before. */
#include "worker_internal.h"

static bool waits_only_for_join(const struct sl_gate *gate)
{
    return gate->state == SL_WAITING && gate->reasons == SL_REASON_BIT(SL_REASON_JOIN);
}

static enum sl_code gather_join(struct sl_worker *worker, struct work *work, const struct sl_phase *follower, const struct sl_phase *other,
                                struct sl_err *err)
{
    struct sl_facts *facts = &work->facts;
    struct sl_gate gate;
    enum sl_code code = sl_ledger_gate_get(worker->ledger, other->name, facts->date, facts->profile, 0, &gate, &worker->arena, err);
    if (code != SL_OK && code != SL_NOT_FOUND)
        return code;
    facts->joins = sl_arena_push(&worker->arena, facts->joins, &facts->n_joins, sizeof *facts->joins);
    struct sl_join_facts *join = &facts->joins[facts->n_joins - 1];
    *join = (struct sl_join_facts){.follower = follower, .other = other, .exists = code == SL_OK};
    if (!join->exists)
        return SL_OK;
    join->state = gate.state;
    join->waits_for_join = waits_only_for_join(&gate);
    if (gate.state == SL_TRIGGERED && work->exists && waits_only_for_join(&work->gate)) {
        char *id = sl_arena_alloc(&worker->arena, SL_UUID_LEN + 1);
        join->trigger_id = sl_trigger_id(worker->config, other, follower, facts->date, facts->profile, gate.generation, id);
    }
    return SL_OK;
}

enum sl_code sl_gather_joins(struct sl_worker *worker, struct work *work, struct sl_err *err)
{
    for (size_t f = 0; f < work->phase->n_followers; f++) {
        const struct sl_phase *follower = &worker->config->phases[work->phase->followers[f]];
        for (size_t a = 0; a < follower->n_after; a++) {
            const struct sl_phase *other = &worker->config->phases[follower->after[a]];
            enum sl_code code = other == work->phase ? SL_OK : gather_join(worker, work, follower, other, err);
            if (code != SL_OK)
                return code;
        }
    }
    return SL_OK;
}
