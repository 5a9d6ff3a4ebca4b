/* what_if_joins.c - a follower of several phases starts when all of them are open for the date. The gates are decided alone first; here each that opens gets to know the others.
 * Of a join that is complete one phase has the trigger and the others adopt it: the one whose trigger went out, else the one that was decided last. */
#include "what_if_internal.h"

#include <stdio.h>
#include <string.h>

static struct sl_what_if_entry *entry_of(const struct sl_what_if_run *run, const struct sl_phase *phase, const struct sl_gate *gate)
{
    char key[256], day[SL_DATE_LEN + 1];
    snprintf(key, sizeof key, "%s/%s/%d", phase->name, sl_date_format(gate->date, day), (int)gate->profile);
    return sl_map_get(run->newest, key);
}

static bool opens(const struct sl_what_if_entry *entry)
{
    const enum sl_state state = entry->alone.state;
    return entry->out->has_after && (state == SL_TRIGGERED || state == SL_OBSERVED || state == SL_EMPTY);
}

static bool has_fired(const struct sl_what_if_run *run, const struct sl_what_if_entry *entry, const struct sl_phase *follower)
{
    for (size_t f = 0; f < entry->phase->n_followers; f++)
        if (&run->ops->config->phases[entry->phase->followers[f]] == follower)
            return entry->fired[f];
    return false;
}

static bool comes_later(const struct sl_what_if_entry *a, const struct sl_what_if_entry *b)
{
    if (a->out->gate.decided_us != b->out->gate.decided_us)
        return a->out->gate.decided_us > b->out->gate.decided_us;
    return a->phase->rank > b->phase->rank;
}

/* The entry that has the trigger to `follower`; NULL while the join is not complete. An observed or empty phase has none to give. */
static const struct sl_what_if_entry *owner_of(const struct sl_what_if_run *run, const struct sl_phase *follower,
                                               const struct sl_gate *gate)
{
    const struct sl_what_if_entry *fired = NULL, *last = NULL;
    for (size_t a = 0; a < follower->n_after; a++) {
        const struct sl_what_if_entry *one = entry_of(run, &run->ops->config->phases[follower->after[a]], gate);
        if (!one || !opens(one))
            return NULL;
        if (one->alone.state != SL_TRIGGERED)
            continue;
        if (has_fired(run, one, follower))
            fired = one;
        if (!last || comes_later(one, last))
            last = one;
    }
    return fired ? fired : last;
}

static const char *trigger_of(struct sl_what_if_run *run, const struct sl_what_if_entry *owner, const struct sl_phase *follower)
{
    const struct sl_gate *gate = &owner->out->gate;
    char *id = sl_arena_alloc(run->arena, SL_UUID_LEN + 1);
    return sl_trigger_id(run->ops->config, owner->phase, follower, gate->date, gate->profile, gate->generation, id);
}

/* What the follower's other phases are. *unknown: the first of them that the record says too little of. */
static void add_joins(struct sl_what_if_run *run, const struct sl_what_if_entry *entry, const struct sl_phase *follower,
                      struct sl_facts *facts, const struct sl_phase **unknown)
{
    const struct sl_what_if_entry *owner = owner_of(run, follower, &entry->out->gate);
    for (size_t a = 0; a < follower->n_after; a++) {
        const struct sl_phase *other = &run->ops->config->phases[follower->after[a]];
        if (other == entry->phase)
            continue;
        const struct sl_what_if_entry *there = entry_of(run, other, &entry->out->gate);
        if (there && !there->out->has_after)
            *unknown = other;
        facts->joins = sl_arena_push(&run->scratch, facts->joins, &facts->n_joins, sizeof *facts->joins);
        facts->joins[facts->n_joins - 1] = (struct sl_join_facts){
            .follower = follower,
            .other = other,
            .exists = there != NULL,
            .state = there ? there->alone.state : SL_WAITING,
            .trigger_id = owner && owner != entry && owner == there ? trigger_of(run, owner, follower) : NULL,
        };
    }
}

static enum sl_code join(struct sl_what_if_run *run, struct sl_what_if_entry *entry, struct sl_err *err)
{
    struct sl_facts facts;
    const struct sl_phase *unknown = NULL;
    const char *tier = entry->alone.quality_tier;
    enum sl_code code = sl_what_if_facts(run, entry, run->ops->config, &facts, err);
    if (code != SL_OK)
        return code;
    facts.joins = NULL;
    facts.n_joins = 0;
    for (size_t f = 0; f < entry->phase->n_followers; f++)
        add_joins(run, entry, &run->ops->config->phases[entry->phase->followers[f]], &facts, &unknown);
    if (unknown)
        sl_what_if_lack(run, entry->out, sl_arena_printf(&run->scratch, "whether %s opens, which it is joined with", unknown->name));
    sl_what_if_decide(run, run->ops->config, &facts, &entry->out->after);
    entry->out->after.quality_tier = tier;
    return SL_OK;
}

/* What a gate lacks because of another is found out before the others look at it: alone they stay as they are. */
enum sl_code sl_what_if_join(struct sl_what_if_run *run, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < run->n; i++) {
        struct sl_what_if_entry *entry = &run->entries[i];
        if (!entry->phase || !entry->joined || !entry->out->has_after || entry->alone.state != SL_TRIGGERED)
            continue;
        sl_arena_reset(&run->scratch);
        code = join(run, entry, err);
    }
    return code;
}
