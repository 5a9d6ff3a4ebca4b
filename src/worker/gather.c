/* gather.c - the facts of many gates at once, step one: calendar, runs, clocks and units of every gate. Each table is asked once per step for all dates (DESIGN section 4, RULES 6, 38).
 * Step two, only for gates whose barrier is met, is gather_checks.c. Joins are read last, one gate at a time, because they look at decisions of the same batch: gather_joins.c. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "gather_internal.h"

/* ---- calendar ---- */

/* The calendar's planned units of a date. */
struct day {
    const struct sl_calendar_row *rows;
    size_t n;
    const char **done;
    size_t n_done;
};

static struct day day_of(const struct sl_worker *worker, sl_date date, struct sl_arena *arena)
{
    struct day day = {0};
    day.n = sl_calendar_units(&worker->calendar, date, date, &day.rows);
    day.done = sl_arena_array(arena, day.n + 1, sizeof *day.done);
    for (size_t i = 0; i < day.n; i++)
        if (day.rows[i].done)
            day.done[day.n_done++] = day.rows[i].unit;
    return day;
}

static void gather_calendar(struct sl_worker *worker, struct sl_facts *facts)
{
    const struct sl_calendar *calendar = &worker->calendar;
    facts->season_first = SL_DATE_NONE;
    facts->has_calendar = worker->config->calendar != NULL;
    if (!facts->has_calendar) {
        facts->n_planned = facts->n_done = 1; /* the date is its own unit */
        return;
    }
    struct day day = day_of(worker, facts->date, &worker->arena);
    facts->calendar_error = calendar->error;
    facts->calendar_suspect = calendar->suspect;
    facts->date_lost_units = calendar->suspect && sl_calendar_lost_on(calendar, facts->date);
    facts->n_planned = day.n;
    facts->done = day.done;
    facts->n_done = day.n_done;
    facts->not_done = sl_arena_array(&worker->arena, day.n + 1, sizeof *facts->not_done);
    for (size_t i = 0; i < day.n; i++)
        if (!day.rows[i].done)
            facts->not_done[facts->n_not_done++] = day.rows[i].unit;
    if (day.n) {
        facts->season = day.rows[0].season;
        facts->season_first = sl_calendar_season_first(calendar, day.rows[0].season);
    }
}

bool sl_has_units(const struct sl_worker *worker)
{
    return worker->config->calendar && worker->config->calendar->unit_column;
}

struct sl_due sl_due_of(const struct sl_worker *worker, const struct sl_facts *facts)
{
    if (!facts->has_calendar)
        return (struct sl_due){.date = facts->date, .n = 1, .by_date_only = true};
    return (struct sl_due){.date = facts->date, .units = facts->done, .n = facts->n_done, .by_date_only = !sl_has_units(worker)};
}

struct sl_due sl_due_on(const struct sl_worker *worker, sl_date date, bool every_day, struct sl_arena *arena)
{
    if (!worker->config->calendar)
        return (struct sl_due){.date = date, .n = 1, .by_date_only = true};
    const struct day day = day_of(worker, date, arena);
    if (day.n_done == 0 && every_day)
        return (struct sl_due){.date = date, .n = 1, .by_date_only = true};
    return (struct sl_due){.date = date, .units = day.done, .n = day.n_done, .by_date_only = !sl_has_units(worker)};
}

/* ---- runs ---- */

void sl_newest_runs(struct sl_proc_facts *proc, const struct group *group)
{
    for (size_t i = 0; i < group->n_runs; i++) {
        const struct sl_run *run = &group->runs[i];
        if (strcmp(run->processor, proc->processor->name) != 0)
            continue;
        const struct sl_run **slot = run->status == SL_RUN_RUNNING ? &proc->running : &proc->run;
        if (!*slot || sl_run_newer(run, *slot))
            *slot = run;
    }
    if (proc->running && proc->run && !sl_run_newer(proc->running, proc->run))
        proc->running = NULL;
}

void sl_take_reported(struct sl_worker *worker, struct sl_proc_facts *proc)
{
    if (proc->run && proc->run->status != SL_RUN_FAILED)
        sl_reported_read(&proc->reported, &worker->config->quality, proc->run->extra, &worker->arena);
}

static bool is_running_now(const struct sl_proc_facts *proc, const struct sl_phase *phase, int64_t now_us)
{
    return proc->running && now_us - proc->running->timestamp_us < phase->checks.upstream.running_timeout_ms * 1000;
}

static enum sl_code gather_runs(struct sl_worker *worker, struct work *work, struct sl_err *err)
{
    struct sl_facts *facts = &work->facts;
    struct group *group = NULL;
    enum sl_code code = sl_worker_group(worker, work->phase, facts->date, &group, err);
    if (code != SL_OK)
        return code;
    facts->n_procs = work->phase->n_processors;
    facts->procs = sl_arena_array(&worker->arena, facts->n_procs, sizeof *facts->procs);
    for (size_t i = 0; i < facts->n_procs; i++) {
        struct sl_proc_facts *proc = &facts->procs[i];
        proc->processor = &work->phase->processors[i];
        proc->need = proc->processor->need[facts->profile];
        sl_newest_runs(proc, group);
        if (proc->need == SL_NOT_REQUIRED)
            continue;
        sl_take_reported(worker, proc);
        facts->in_progress |= is_running_now(proc, work->phase, facts->now_us);
        if (!proc->run || !proc->run->skip || proc->run->generation != facts->generation)
            continue;
        facts->skip_by = sl_arena_push(&worker->arena, facts->skip_by, &facts->n_skip_by, sizeof *facts->skip_by);
        facts->skip_by[facts->n_skip_by - 1] = proc->processor->name;
    }
    return SL_OK;
}

/* ---- clocks, holds, late ---- */

static void gather_clocks(struct sl_worker *worker, struct work *work)
{
    struct sl_facts *facts = &work->facts;
    const struct sl_gate *gate = &work->gate;
    const sl_reasons gaps = SL_REASON_BIT(SL_REASON_GAPS);
    facts->drained = sl_clock_drained(worker, work->phase, facts->now_us);
    facts->clock_ms = gate->clock_start_ms < 0 ? -1 : worker->clocks[work->phase->index].ms - gate->clock_start_ms;
    facts->first_completion_us = gate->clock_start_ms < 0 ? 0 : gate->created_us;
    facts->last_report_us = gate->last_report_us;
    facts->settled = gate->generation <= 1 || (facts->now_us - gate->last_report_us) / 1000 >= work->phase->settle_ms;
    if (work->exists && gate->state == SL_BLOCKED && (gate->reasons & gaps))
        facts->blocked_by_gaps_since_us = gate->since_us;
}

static void gather_hold(struct sl_facts *facts, const struct sl_hold *holds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sl_hold *hold = &holds[i];
        bool inside = (hold->from == SL_DATE_NONE || hold->from <= facts->date) && (hold->to == SL_DATE_NONE || facts->date <= hold->to);
        if (facts->now_us >= hold->until_us || strcmp(hold->phase, facts->phase->name) != 0 || !inside)
            continue;
        facts->hold_id = hold->id;
        facts->hold_reason = hold->reason;
        return;
    }
}

static void gather_late(struct sl_worker *worker, struct sl_facts *facts, const char *json_array)
{
    if (!json_array || !strcmp(json_array, "[]"))
        return;
    json_t *array = json_loads(json_array, 0, NULL);
    const char **names = sl_arena_array(&worker->arena, json_array_size(array) + 1, sizeof *names);
    for (size_t i = 0; i < json_array_size(array); i++)
        names[facts->n_late++] = sl_arena_strdup(&worker->arena, json_string_value(json_array_get(array, i)));
    facts->late = names;
    json_decref(array);
}

static void begin_facts(struct sl_worker *worker, struct work *work, int64_t now_us)
{
    work->facts = (struct sl_facts){
        .phase = work->phase,
        .date = work->gate.date,
        .profile = work->gate.profile,
        .generation = work->gate.generation,
        .now_us = now_us,
        .today = sl_zone_date(worker->config->zone, now_us),
        .config_hash = worker->config->hash,
        .worker_skip = worker->options.skip_downstream_trigger,
        .released = work->released,
        .forced = work->forced,
        .retriggered = work->gate.reopened,
    };
}

bool sl_is_judged(const struct sl_proc_facts *proc)
{
    return proc->need != SL_NOT_REQUIRED && proc->run && proc->processor->n_sources > 0;
}

enum sl_code sl_gather_units(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err)
{
    struct sl_sources sources = SL_SOURCES_INIT;
    struct sl_hold *holds = NULL;
    size_t n_holds = 0;
    enum sl_code code = sl_ledger_holds(worker->ledger, &holds, &n_holds, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        struct sl_facts *facts = &works[i].facts;
        begin_facts(worker, &works[i], now_us);
        gather_calendar(worker, facts);
        gather_clocks(worker, &works[i]);
        gather_hold(facts, holds, n_holds);
        gather_late(worker, facts, works[i].gate.late);
        code = gather_runs(worker, &works[i], err);
        const struct sl_due due = sl_due_of(worker, facts);
        for (size_t p = 0; code == SL_OK && p < facts->n_procs; p++)
            if (sl_is_judged(&facts->procs[p]))
                sl_coverage_ask(&sources, facts->procs[p].processor, &due);
    }
    if (code == SL_OK)
        code = sl_sources_ask(&sources, worker->warehouse, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        struct sl_facts *facts = &works[i].facts;
        const struct sl_due due = sl_due_of(worker, facts);
        for (size_t p = 0; p < facts->n_procs; p++)
            if (sl_is_judged(&facts->procs[p]))
                sl_coverage_read(&facts->procs[p].coverage, &sources, facts->procs[p].processor, &due, &worker->arena);
    }
    sl_sources_fini(&sources);
    if (code == SL_OK)
        code = sl_gather_rebuilt(worker, works, n, err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = sl_gather_open_events(worker, &works[i], err);
    return code;
}
