/* next.c - the command that would help a gate that is not open. Pure. */
#include <sluice/ops.h>

#include <string.h>

#include <jansson.h>

struct advising {
    const struct sl_config *config;
    const struct sl_gate *gate;
    const json_t *facts; /* NULL: none */
    struct sl_arena *arena;
    char date[SL_DATE_LEN + 1];
};

static const char *on_gate(const struct advising *a, const char *command, const char *phase, const char *rest)
{
    return sl_arena_printf(a->arena, "sluice %s %s %s%s", command, phase, a->date, rest);
}

static const char *load_calendar(const struct advising *a)
{
    const struct sl_calendar_config *calendar = a->config->calendar;
    if (calendar == NULL)
        return on_gate(a, "check", a->gate->phase, "");
    return sl_arena_printf(a->arena, "sluice import FILE.csv --table %s --replace-date %s", calendar->table, calendar->date_column);
}

static const char *look_at_rows(const struct advising *a)
{
    return on_gate(a, "verify", a->gate->phase, "");
}

/* Some of its gaps may be worth accepting: the first one shows how. */
static const char *accept_gap(const struct advising *a)
{
    const json_t *gap = json_array_get(json_object_get(json_object_get(a->facts, "gaps"), "found"), 0);
    const char *date = json_string_value(json_object_get(gap, "date"));
    if (date == NULL || json_object_get(gap, "error") != NULL)
        return look_at_rows(a);
    return sl_arena_printf(a->arena, "sluice known-gaps add --phase %s --date %s --reason TEXT", a->gate->phase, date);
}

/* The entity that lacks the largest share. */
static const json_t *worst_entity(const json_t *lacking)
{
    size_t i;
    double least = 2;
    const json_t *entity, *worst = NULL;
    json_array_foreach(lacking, i, entity)
    {
        double expected = json_number_value(json_object_get(entity, "expected"));
        double share = expected > 0 ? json_number_value(json_object_get(entity, "actual")) / expected : 1;
        if (share < least) {
            least = share;
            worst = entity;
        }
    }
    return worst;
}

/* As a shell takes it for one word. */
static const char *shell_word(const struct advising *a, const char *text)
{
    static const char PLAIN[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.:-";
    if (*text != '\0' && text[strspn(text, PLAIN)] == '\0')
        return text;
    const char *word = "'";
    for (const char *at = text; *at != '\0'; at++)
        word = sl_arena_printf(a->arena, *at == '\'' ? "%s'\\'%c" : "%s%c", word, *at);
    return sl_arena_printf(a->arena, "%s'", word);
}

/* A unit that an entity lacks in its window may have rows nowhere for good. */
static const char *accept_unit(const struct advising *a)
{
    const json_t *worst = worst_entity(json_object_get(json_object_get(a->facts, "completeness"), "lacking"));
    const char *unit = json_string_value(json_array_get(json_object_get(worst, "missing"), 0));
    if (unit == NULL)
        return look_at_rows(a);
    return sl_arena_printf(a->arena, "sluice known-gaps add --phase %s --unit %s --reason TEXT", a->gate->phase, shell_word(a, unit));
}

static const char *look_upstream(const struct advising *a)
{
    const json_t *first = json_array_get(json_object_get(a->facts, "upstream"), 0);
    const char *phase = json_string_value(json_object_get(first, "phase"));
    return phase == NULL ? look_at_rows(a) : on_gate(a, "why", phase, "");
}

static const char *look_at_join(const struct advising *a)
{
    size_t i;
    const json_t *join, *joins = json_object_get(a->facts, "joins");
    json_array_foreach(joins, i, join)
    {
        const char *state = json_string_value(json_object_get(join, "state"));
        const char *with = json_string_value(json_object_get(join, "with"));
        if (with != NULL && !sl_str_eq(state, "triggered") && !sl_str_eq(state, "observed") && !sl_str_eq(state, "empty"))
            return on_gate(a, "why", with, "");
    }
    return on_gate(a, "check", a->gate->phase, "");
}

static const char *wait_for_it(const struct advising *a)
{
    if (a->gate->state == SL_BLOCKED)
        return on_gate(a, "release", a->gate->phase, " --force --reason TEXT");
    return on_gate(a, "wait", a->gate->phase, " --for triggered --timeout 1h");
}

static const char *check_again(const struct advising *a)
{
    return on_gate(a, "check", a->gate->phase, "");
}

/* The first reason of a gate that is in this list, top to bottom, says what to do. */
static const struct {
    enum sl_reason reason;
    const char *(*advice)(const struct advising *a);
} ADVICE[] = {
    {SL_REASON_CALENDAR_SUSPECT, load_calendar},
    {SL_REASON_CALENDAR, load_calendar},
    {SL_REASON_RUN_FAILED, look_at_rows},
    {SL_REASON_NO_DATA, look_at_rows},
    {SL_REASON_UNITS, look_at_rows},
    {SL_REASON_UPSTREAM, look_upstream},
    {SL_REASON_UPSTREAM_RUNNING, look_upstream},
    {SL_REASON_GAPS, accept_gap},
    {SL_REASON_COMPLETENESS, accept_unit},
    {SL_REASON_QUALITY, check_again},
    {SL_REASON_CHECK_ERROR, check_again},
    {SL_REASON_JOIN, look_at_join},
    {SL_REASON_BARRIER, wait_for_it},
    {SL_REASON_GRACE, wait_for_it},
    {SL_REASON_DEADLINE, wait_for_it},
    {SL_REASON_SETTLE, wait_for_it},
};

static const char *advise(const struct advising *a)
{
    for (size_t i = 0; i < sizeof ADVICE / sizeof ADVICE[0]; i++)
        if (a->gate->reasons & SL_REASON_BIT(ADVICE[i].reason))
            return ADVICE[i].advice(a);
    return check_again(a);
}

const char *sl_gate_next(const struct sl_config *config, const struct sl_gate *gate, const char *facts_json, struct sl_arena *arena)
{
    struct advising a = {.config = config, .gate = gate, .arena = arena};
    sl_date_format(gate->date, a.date);
    if (gate->state == SL_SUPPRESSED)
        return on_gate(&a, "release", gate->phase, "");
    if (gate->state != SL_WAITING && gate->state != SL_BLOCKED)
        return NULL;
    json_t *facts = facts_json == NULL ? NULL : json_loads(facts_json, 0, NULL);
    a.facts = facts;
    const char *next = advise(&a);
    json_decref(facts);
    return next;
}
