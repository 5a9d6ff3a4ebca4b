/* facts_read_checks.c - the facts of the checks, read back: upstream, gaps, and by facts_read_quality.c completeness and what is inherited; and joins. */
#include <string.h>

#include "facts_read_internal.h"

/* ---- upstream ---- */

/* Only critical processors are looked at; those that the config makes so in addition have no facts. */
static void keep_critical(struct sl_upstream_facts *up, const struct sl_proc_facts *all)
{
    for (size_t i = 0; i < up->phase->n_processors; i++)
        if (all[i].need == SL_CRITICAL)
            up->procs[up->n++] = all[i];
}

static void read_upstream(struct sl_facts_reader *r, const json_t *list)
{
    size_t i;
    json_t *json;
    struct sl_facts *facts = r->facts;
    facts->upstream = sl_arena_array(r->arena, json_array_size(list) + 1, sizeof *facts->upstream);
    json_array_foreach((json_t *)list, i, json)
    {
        const char *name = sl_facts_text(r, json, "phase");
        const struct sl_phase *phase = name ? sl_config_phase(r->config, name) : NULL;
        if (!name)
            sl_facts_fault(r, "a phase before has no name");
        if (!phase)
            continue;
        struct sl_upstream_facts *up = &facts->upstream[facts->n_upstream++];
        struct sl_proc_facts *all = sl_arena_array(r->arena, phase->n_processors + 1, sizeof *all);
        up->phase = phase;
        up->procs = sl_arena_array(r->arena, phase->n_processors + 1, sizeof *up->procs);
        sl_facts_read_procs(r, sl_facts_array(r, json, "processors"), phase, all);
        keep_critical(up, all);
    }
}

/* ---- gaps ---- */

static void read_gap(struct sl_facts_reader *r, const json_t *json)
{
    struct sl_facts *facts = r->facts;
    const char *name = sl_facts_text(r, json, "processor");
    struct sl_gap gap = {.processor = name ? sl_phase_processor(facts->phase, name) : NULL,
                         .date = sl_facts_date(r, json, "date"),
                         .n_due = sl_facts_count(r, json, "due"),
                         .error = sl_facts_text(r, json, "error")};
    if (!name || gap.date == SL_DATE_NONE)
        sl_facts_fault(r, "a gap has no processor or no date");
    gap.units = sl_facts_names(r, json, "units", &gap.n_units, false);
    if (json_object_get(json, "unit_count")) {
        gap.n_units = sl_facts_count(r, json, "unit_count");
        gap.units = sl_facts_all_names(r, json, "units", gap.n_units);
    }
    if (!gap.processor)
        return;
    facts->gaps = sl_arena_push(r->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
    facts->gaps[facts->n_gaps - 1] = gap;
}

/* Errors come first and dates ascend: gaps that were cut off are no errors and not before the last that is named. */
static void pad_gaps(struct sl_facts_reader *r, size_t n_found, size_t n_all)
{
    struct sl_facts *facts = r->facts;
    if (!sl_facts_pad(r, "gaps", n_found, n_all) || facts->n_gaps == 0)
        return;
    const struct sl_gap last = facts->gaps[facts->n_gaps - 1];
    for (size_t i = n_found; i < n_all; i++) {
        facts->gaps = sl_arena_push(r->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
        facts->gaps[facts->n_gaps - 1] = (struct sl_gap){.processor = last.processor, .date = last.date, .n_due = last.n_due};
    }
}

static void read_gaps(struct sl_facts_reader *r, const json_t *json)
{
    size_t i;
    json_t *item;
    struct sl_facts *facts = r->facts;
    const json_t *found = sl_facts_array(r, json, "found");
    facts->gaps_from = sl_facts_date(r, json, "from");
    facts->gaps_to = sl_facts_date(r, json, "to");
    facts->n_gap_dates = sl_facts_count(r, json, "dates");
    facts->n_known_gaps = sl_facts_count(r, json, "known_gaps");
    json_array_foreach((json_t *)found, i, item) read_gap(r, item);
    pad_gaps(r, json_array_size(found), sl_facts_count(r, json, "count"));
}

/* ---- joins ---- */

static void read_join(struct sl_facts_reader *r, const json_t *json)
{
    struct sl_facts *facts = r->facts;
    const char *to = sl_facts_text(r, json, "to"), *with = sl_facts_text(r, json, "with"), *state = sl_facts_text(r, json, "state");
    if (!to || !with)
        sl_facts_fault(r, "a join has no phases");
    struct sl_join_facts join = {.follower = to ? sl_config_phase(r->config, to) : NULL,
                                 .other = with ? sl_config_phase(r->config, with) : NULL,
                                 .exists = state != NULL,
                                 .waits_for_join = sl_facts_bool(r, json, "waits_for_join"),
                                 .trigger_id = sl_facts_text(r, json, "trigger_id")};
    if (state && !sl_state_parse(state, &join.state))
        sl_facts_fault(r, "a join has no state");
    if (join.follower && join.other)
        facts->joins[facts->n_joins++] = join;
}

void sl_facts_read_checks(struct sl_facts_reader *r, const json_t *root)
{
    size_t i;
    json_t *json;
    const json_t *upstream = sl_facts_array(r, root, "upstream"), *gaps = sl_facts_object(r, root, "gaps");
    const json_t *joins = sl_facts_array(r, root, "joins");
    r->facts->checks_gathered = upstream && gaps;
    if (r->facts->checks_gathered) {
        read_upstream(r, upstream);
        read_gaps(r, gaps);
        sl_facts_read_completeness(r, root);
        sl_facts_read_inherited(r, root);
    }
    r->facts->joins = sl_arena_array(r->arena, json_array_size(joins) + 1, sizeof *r->facts->joins);
    json_array_foreach((json_t *)joins, i, json) read_join(r, json);
}
