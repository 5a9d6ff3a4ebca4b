/* what_if.c - every recorded gate under another config: its stored facts are read back, refitted and decided; what they lack is said; then joins, differences, and what explains them.
 *
 * A record must first decide as it did under its own config. One that doesn't (it was cut, its config is gone, or another version decided) tells nothing about the other config, and says so. */
#include "what_if_internal.h"

#include <stdlib.h>
#include <string.h>

void sl_what_if_lack(struct sl_what_if_run *run, struct sl_what_if_gate *gate, const char *text)
{
    gate->lacks = sl_arena_push(run->arena, gate->lacks, &gate->n_lacks, sizeof *gate->lacks);
    gate->lacks[gate->n_lacks - 1] = sl_arena_strdup(run->arena, text);
    gate->has_after = false;
}

void sl_what_if_rule(struct sl_what_if_run *run, struct sl_what_if_gate *gate, const char *text)
{
    gate->rules = sl_arena_push(run->arena, gate->rules, &gate->n_rules, sizeof *gate->rules);
    gate->rules[gate->n_rules - 1] = sl_arena_strdup(run->arena, text);
}

bool sl_what_if_same(const struct sl_what_if_outcome *a, const struct sl_what_if_outcome *b)
{
    return a->state == b->state && a->reasons == b->reasons && sl_str_eq(a->trigger_id, b->trigger_id);
}

/* ---- configs that gates were decided under ---- */

static const char *no_env(const char *name)
{
    (void)name;
    return NULL; /* a normal form is expanded already */
}

static enum sl_code read_old(struct sl_what_if_run *run, struct sl_what_if_old *old, struct sl_err *err)
{
    const char *normal = NULL;
    struct sl_err why;
    const struct sl_config *config = run->ops->config;
    enum sl_code code = sl_ledger_config_get(run->ops->ledger, old->hash, &normal, run->arena, err);
    if (code != SL_OK)
        return code == SL_NOT_FOUND ? SL_OK : code;
    if (sl_config_parse(&old->config, normal, strlen(normal), "recorded", config->dir, NULL, 0, no_env, NULL, &why) != SL_OK)
        return SL_OK;
    return sl_config_diff(&old->changes, &old->n_changes, old->config->normal, config->normal, run->arena, err);
}

static enum sl_code find_old(struct sl_what_if_run *run, const char *hash, struct sl_what_if_old **out, struct sl_err *err)
{
    for (size_t i = 0; i < run->n_olds; i++)
        if (sl_str_eq(run->olds[i]->hash, hash)) {
            *out = run->olds[i];
            return SL_OK;
        }
    run->olds = sl_arena_push(run->arena, run->olds, &run->n_olds, sizeof(*run->olds));
    struct sl_what_if_old *old = run->olds[run->n_olds - 1] = sl_arena_alloc(run->arena, sizeof *old);
    old->hash = sl_arena_strdup(run->arena, hash);
    *out = old;
    return hash ? read_old(run, old, err) : SL_OK;
}

static void close_olds(struct sl_what_if_run *run)
{
    for (size_t i = 0; i < run->n_olds; i++) {
        struct sl_what_if_old *old = run->olds[i];
        for (size_t c = 0; old->made && c < old->n_changes; c++) {
            sl_config_destroy(&old->with[c]);
            sl_config_destroy(&old->without[c]);
        }
        sl_config_destroy(&old->config);
    }
}

/* ---- one gate ---- */

static enum sl_code record_of(struct sl_what_if_run *run, const struct sl_what_if_entry *entry, struct sl_decision_record *out,
                              struct sl_err *err)
{
    const struct sl_gate *gate = &entry->out->gate;
    enum sl_code code = sl_ledger_decision_get(run->ops->ledger, gate->phase, gate->date, gate->profile, gate->generation, out,
                                               &run->scratch, err);
    return code == SL_OK && !out->facts ? sl_fail(err, SL_NOT_FOUND, "the facts are gone") : code;
}

enum sl_code sl_what_if_facts(struct sl_what_if_run *run, const struct sl_what_if_entry *entry, const struct sl_config *config,
                              struct sl_facts *out, struct sl_err *err)
{
    struct sl_decision_record record;
    enum sl_code code = record_of(run, entry, &record, err);
    if (code == SL_OK)
        code = sl_facts_read(out, config, record.facts, strlen(record.facts), &run->scratch, err);
    if (code == SL_OK)
        sl_what_if_refit(out, entry->old->config, config, &run->scratch);
    return code;
}

bool sl_what_if_decide(struct sl_what_if_run *run, const struct sl_config *config, const struct sl_facts *facts,
                       struct sl_what_if_outcome *out)
{
    struct sl_decision decision;
    sl_gate_decide(&decision, config, facts, &run->scratch);
    *out = (struct sl_what_if_outcome){.state = decision.state,
                                       .reasons = decision.reasons,
                                       .trigger_id = sl_arena_strdup(run->arena, decision.trigger_id),
                                       .is_production_ready = decision.is_production_ready,
                                       .quality_tier = decision.has_quality ? sl_tier_name(decision.quality_tier) : NULL};
    return !decision.wants_checks;
}

/* Does the record decide under its own config as it did? */
static enum sl_code check_record(struct sl_what_if_run *run, struct sl_what_if_entry *entry, const struct sl_decision_record *record,
                                 struct sl_facts *recorded, struct sl_err *err)
{
    struct sl_what_if_outcome again;
    struct sl_err why;
    if (!entry->old->config) {
        sl_what_if_lack(run, entry->out,
                        "the config that it was decided under: the ledger does not have it, or this version does not accept it");
        return SL_OK;
    }
    enum sl_code code = sl_facts_read(recorded, entry->old->config, record->facts, strlen(record->facts), &run->scratch, &why);
    if (code != SL_OK && code != SL_CORRUPT && code != SL_NOT_FOUND)
        return sl_fail(err, code, "%s", why.text);
    if (code != SL_OK)
        sl_what_if_lack(run, entry->out, sl_arena_printf(&run->scratch, "facts that can be read: %s", why.text));
    else if (!sl_what_if_decide(run, entry->old->config, recorded, &again) || !sl_what_if_same(&again, &entry->out->before))
        sl_what_if_lack(run, entry->out,
                        recorded->truncated ? "facts as they were: too long, they were cut"
                                            : "facts that decide as they did: another version may have recorded them");
    else
        entry->read = true;
    return SL_OK;
}

/* The triggers of its own that went out, for followers that wait for several phases. */
static void note_fired(struct sl_what_if_run *run, struct sl_what_if_entry *entry, const char *decision)
{
    char id[SL_UUID_LEN + 1];
    const struct sl_phase *phase = entry->phase;
    const struct sl_gate *gate = &entry->out->gate;
    entry->fired = sl_arena_array(run->arena, phase->n_followers + 1, sizeof *entry->fired);
    for (size_t f = 0; f < phase->n_followers; f++) {
        const struct sl_phase *follower = &run->ops->config->phases[phase->followers[f]];
        entry->joined |= follower->n_after > 1;
        sl_trigger_id(entry->old->config, phase, follower, gate->date, gate->profile, gate->generation, id); /* as it was made then */
        const char *triggers = strstr(decision, "\"triggers\":");
        entry->fired[f] = triggers && strstr(triggers, id);
    }
}

static enum sl_code decide_alone(struct sl_what_if_run *run, struct sl_what_if_entry *entry, const struct sl_facts *recorded,
                                 struct sl_err *err)
{
    struct sl_facts facts;
    struct sl_what_if_lacks lacks;
    const struct sl_what_if_old *old = entry->old;
    enum sl_code code = sl_what_if_facts(run, entry, run->ops->config, &facts, err);
    if (code != SL_OK)
        return code;
    facts.n_joins = 0;
    entry->out->has_after = true;
    const bool decided = sl_what_if_decide(run, run->ops->config, &facts, &entry->alone);
    sl_what_if_find_lacks(&lacks, &facts, recorded, old->config, run->ops->config, old->changes, old->n_changes, &entry->out->gate,
                          &run->scratch);
    for (size_t i = 0; i < lacks.n; i++)
        sl_what_if_lack(run, entry->out, lacks.names[i]);
    if (!decided && lacks.n == 0)
        sl_what_if_lack(run, entry->out, "the facts of the checks");
    if (lacks.tier_unknown)
        entry->alone.quality_tier = NULL;
    entry->out->after = entry->alone;
    return SL_OK;
}

static enum sl_code look_at(struct sl_what_if_run *run, struct sl_what_if_entry *entry, struct sl_err *err)
{
    struct sl_decision_record record;
    struct sl_facts recorded;
    struct sl_what_if_gate *out = entry->out;
    if (!entry->phase) {
        sl_what_if_rule(run, out, sl_arena_printf(&run->scratch, "phases.%s: removed", out->gate.phase));
        out->differs = true;
        return SL_OK;
    }
    enum sl_code code = record_of(run, entry, &record, err);
    if (code == SL_NOT_FOUND) {
        sl_what_if_lack(run, out, "its facts: they are pruned after a while");
        return SL_OK;
    }
    if (code == SL_OK)
        code = find_old(run, record.config_hash, &entry->old, err);
    if (code == SL_OK)
        code = check_record(run, entry, &record, &recorded, err);
    if (code != SL_OK || !entry->read)
        return code;
    note_fired(run, entry, record.decision);
    return decide_alone(run, entry, &recorded, err);
}

/* ---- all gates ---- */

bool sl_what_if_is_before(const struct sl_config *config, const struct sl_phase *phase, const char *name)
{
    bool found = !strcmp(phase->name, name);
    for (size_t i = 0; !found && i < phase->n_after; i++)
        found = sl_what_if_is_before(config, &config->phases[phase->after[i]], name);
    return found;
}

const struct sl_phase *sl_what_if_phase(const struct sl_config *config, const char *name)
{
    for (size_t i = 0; i < config->n_phases; i++)
        if (!strcmp(config->phases[i].name, name))
            return &config->phases[i];
    return NULL;
}

static void begin_entries(struct sl_what_if_run *run, struct sl_what_if *out, const struct sl_gate *gates, size_t n)
{
    char day[SL_DATE_LEN + 1];
    out->gates = sl_arena_array(run->arena, n + 1, sizeof *out->gates);
    run->entries = sl_arena_array(run->arena, n + 1, sizeof *run->entries);
    for (size_t i = 0; i < n; i++) {
        const struct sl_gate *gate = &gates[i];
        if (gate->state == SL_SUPERSEDED)
            continue;
        struct sl_what_if_gate *mine = &out->gates[out->n++];
        mine->gate = *gate;
        mine->before = (struct sl_what_if_outcome){gate->state, gate->reasons, gate->trigger_id, gate->is_production_ready,
                                                   gate->quality_tier};
        struct sl_what_if_entry *entry = &run->entries[run->n++];
        entry->out = mine;
        entry->phase = sl_what_if_phase(run->ops->config, gate->phase);
        /* generations ascend: the newest stays */
        sl_map_put(run->newest, sl_arena_printf(run->arena, "%s/%s/%d", gate->phase, sl_date_format(gate->date, day), (int)gate->profile),
                   entry);
    }
}

static enum sl_code judge(struct sl_what_if_run *run, struct sl_what_if *out, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < run->n; i++) {
        sl_arena_reset(&run->scratch);
        code = look_at(run, &run->entries[i], err);
    }
    if (code == SL_OK)
        code = sl_what_if_join(run, err);
    for (size_t i = 0; code == SL_OK && i < run->n; i++) {
        struct sl_what_if_entry *entry = &run->entries[i];
        struct sl_what_if_gate *gate = entry->out;
        sl_arena_reset(&run->scratch);
        gate->differs |= gate->has_after && !sl_what_if_same(&gate->before, &gate->after);
        out->n_differ += gate->differs;
        out->n_unknown += entry->phase && !gate->has_after;
        if (gate->differs && gate->has_after)
            sl_what_if_explain(run, entry);
    }
    return code;
}

enum sl_code sl_ops_what_if(const struct sl_ops *ops, const struct sl_gate_filter *filter, struct sl_what_if *out, struct sl_arena *arena,
                            struct sl_err *err)
{
    struct sl_what_if_run run = {.ops = ops, .arena = arena, .newest = sl_map_create()};
    const struct sl_gate_filter all = {.from = filter->from, .to = filter->to, .all_generations = true};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    *out = (struct sl_what_if){0};
    enum sl_code code = sl_ops_gates(ops, &all, &gates, &n, arena, err);
    if (code == SL_OK) {
        begin_entries(&run, out, gates, n);
        code = judge(&run, out, err);
    }
    close_olds(&run);
    sl_map_destroy(&run.newest);
    sl_arena_fini(&run.scratch);
    return code;
}
