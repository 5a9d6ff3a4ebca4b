/* gate_identity.c - who a gate is: its profile, the ids of its triggers, and what a newly arrived run means to it (RULES 2, 3, 16). */
#include <stdio.h>
#include <string.h>

#include <sluice/gate.h>

enum sl_profile sl_profile_of(sl_date date, sl_date today)
{
    return date < today ? SL_PAST : date == today ? SL_TODAY : SL_FUTURE;
}

char *sl_trigger_id(const struct sl_config *config, const struct sl_phase *from, const struct sl_phase *to, sl_date date,
                    enum sl_profile profile, int generation, char *out)
{
    char day[SL_DATE_LEN + 1], name[1024];
    int len = snprintf(name, sizeof name, "%s/%s>%s/%s/%s/%d", config->pipeline, from->name, to->name, sl_date_format(date, day),
                       sl_profile_name(profile), generation);
    struct sl_uuid ns = sl_uuid5(SL_UUID_DNS, "sluice.trigger", strlen("sluice.trigger"));
    return sl_uuid_format(sl_uuid5(ns, name, (size_t)len < sizeof name ? (size_t)len : sizeof name - 1), out);
}

/* Is `name` one of the names of a JSON array of plain names? */
static bool lists_name(const char *json_array, const char *name)
{
    const size_t len = strlen(name);
    for (const char *at = json_array ? strstr(json_array, name) : NULL; at; at = strstr(at + 1, name))
        if (at > json_array && at[-1] == '"' && at[len] == '"')
            return true;
    return false;
}

static bool has_fired(enum sl_state state)
{
    return state == SL_TRIGGERED || state == SL_SUPPRESSED || state == SL_OBSERVED;
}

enum sl_arrival sl_gate_arrival(const struct sl_phase *phase, const struct sl_gate *gate, const struct sl_run *run,
                                const struct sl_run *prior, const struct sl_processor *processor)
{
    if (prior && strcmp(prior->execution_id, run->execution_id) != 0 && !sl_run_newer(run, prior))
        return SL_ARRIVAL_OLDER;
    if (!gate || !has_fired(gate->state) || processor->need[gate->profile] == SL_NOT_REQUIRED)
        return SL_ARRIVAL_COUNTS;
    bool same_execution = prior && !strcmp(prior->execution_id, run->execution_id);
    if (lists_name(gate->completed, processor->name))
        return same_execution ? SL_ARRIVAL_OLDER : SL_ARRIVAL_NEW_GENERATION;
    return phase->on_late == SL_LATE_RETRIGGER ? SL_ARRIVAL_LATE_GENERATION : SL_ARRIVAL_LATE;
}
