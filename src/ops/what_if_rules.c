/* what_if_rules.c - which changed keys explain a difference. Each change is tried alone on the recorded config; where none alone makes a difference, each is taken back from the other config.
 * A gate that differs only by a join is explained by the phase it is joined with. */
#include "what_if_internal.h"

#include <stdio.h>
#include <string.h>

enum { MOST_TRIED = 24, MOST_VALUE = 120 };

static bool concerns(const struct sl_what_if_run *run, const struct sl_what_if_entry *entry, const struct sl_config_change *change)
{
    static const char *const ROOTS[] = {"calendar", "coverage", "pipeline", "quality", "timezone"};
    for (size_t i = 0; i < sizeof ROOTS / sizeof *ROOTS; i++)
        if (!strcmp(change->keys[0], ROOTS[i]))
            return true;
    if (strcmp(change->keys[0], "phases") != 0)
        return false;
    return change->n_keys < 2 || sl_what_if_is_before(run->ops->config, entry->phase, change->keys[1]) ||
           !strcmp(change->keys[change->n_keys - 1], "after");
}

static const char *value_words(struct sl_arena *arena, const char *value)
{
    if (!value)
        return "(none)";
    size_t len = strlen(value);
    if (len <= MOST_VALUE)
        return value;
    for (len = MOST_VALUE; len > 0 && ((unsigned char)value[len] & 0xc0) == 0x80;)
        len--;
    return sl_arena_printf(arena, "%.*s...", (int)len, value);
}

static void explain_by(struct sl_what_if_run *run, struct sl_what_if_entry *entry, const struct sl_config_change *change)
{
    sl_what_if_rule(run, entry->out,
                    sl_arena_printf(&run->scratch, "%s: %s -> %s", change->path, value_words(&run->scratch, change->before),
                                    value_words(&run->scratch, change->after)));
}

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static struct sl_config *parse(struct sl_what_if_run *run, const char *text)
{
    struct sl_config *config = NULL;
    struct sl_err none;
    if (text && sl_config_parse(&config, text, strlen(text), "what-if", run->ops->config->dir, NULL, 0, no_env, NULL, &none) != SL_OK)
        return NULL;
    return config;
}

static void make_configs(struct sl_what_if_run *run, struct sl_what_if_old *old)
{
    if (old->made)
        return;
    const char *before = old->config->normal, *after = run->ops->config->normal;
    old->made = true;
    old->with = sl_arena_array(run->arena, old->n_changes + 1, sizeof *old->with);
    old->without = sl_arena_array(run->arena, old->n_changes + 1, sizeof *old->without);
    for (size_t i = 0; i < old->n_changes && i < MOST_TRIED; i++) {
        old->with[i] = parse(run, sl_config_with(before, after, &old->changes[i], &run->scratch));
        old->without[i] = parse(run, sl_config_with(after, before, &old->changes[i], &run->scratch));
    }
}

/* Under this config, joins left aside; false when it can't be told. */
static bool alone_under(struct sl_what_if_run *run, const struct sl_what_if_entry *entry, const struct sl_config *config,
                        struct sl_what_if_outcome *out)
{
    struct sl_facts facts;
    struct sl_err none;
    if (!config || sl_what_if_facts(run, entry, config, &facts, &none) != SL_OK)
        return false;
    facts.n_joins = 0;
    return sl_what_if_decide(run, config, &facts, out);
}

/* The changes under which the outcome is not `from`; how many. */
static size_t try_each(struct sl_what_if_run *run, struct sl_what_if_entry *entry, struct sl_config **configs,
                       const struct sl_what_if_outcome *from)
{
    size_t n = 0;
    for (size_t i = 0; i < entry->old->n_changes && i < MOST_TRIED; i++) {
        struct sl_what_if_outcome now;
        if (!concerns(run, entry, &entry->old->changes[i]) || !alone_under(run, entry, configs[i], &now) || sl_what_if_same(&now, from))
            continue;
        explain_by(run, entry, &entry->old->changes[i]);
        n++;
    }
    return n;
}

static void explain_join(struct sl_what_if_run *run, struct sl_what_if_entry *entry)
{
    char key[256], day[SL_DATE_LEN + 1];
    const struct sl_gate *gate = &entry->out->gate;
    const struct sl_config *config = run->ops->config;
    for (size_t f = 0; f < entry->phase->n_followers; f++) {
        const struct sl_phase *follower = &config->phases[entry->phase->followers[f]];
        for (size_t a = 0; a < follower->n_after; a++) {
            const struct sl_phase *other = &config->phases[follower->after[a]];
            snprintf(key, sizeof key, "%s/%s/%d", other->name, sl_date_format(gate->date, day), (int)gate->profile);
            const struct sl_what_if_entry *there = sl_map_get(run->newest, key);
            if (other != entry->phase && there && there->out->has_after && !sl_what_if_same(&there->out->before, &there->alone))
                sl_what_if_rule(
                    run, entry->out,
                    sl_arena_printf(&run->scratch, "the join with %s, which would be %s", other->name, sl_state_name(there->alone.state)));
        }
    }
}

void sl_what_if_explain(struct sl_what_if_run *run, struct sl_what_if_entry *entry)
{
    struct sl_what_if_old *old = entry->old;
    struct sl_what_if_outcome then;
    make_configs(run, old);
    if (!alone_under(run, entry, old->config, &then))
        return;
    if (sl_what_if_same(&then, &entry->alone))
        explain_join(run, entry);
    else if (try_each(run, entry, old->with, &then) == 0)
        try_each(run, entry, old->without, &entry->alone);
    const bool open = entry->out->n_rules == 0;
    for (size_t i = 0; open && i < old->n_changes; i++)
        if (concerns(run, entry, &old->changes[i]))
            explain_by(run, entry, &old->changes[i]);
}
