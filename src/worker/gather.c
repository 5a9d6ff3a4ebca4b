/* gather.c - the facts of many gates at once: each table is asked once per step for all dates (DESIGN section 4, RULES 6, 38).
 * Step one: calendar, runs and units of every gate. Step two, only for gates whose barrier is met: upstream and gaps. Joins are read last, one gate at a time, because they look
 * at decisions of the same batch. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "worker_internal.h"

/* ---- calendar ---- */

struct day {
    const struct sl_calendar_row *rows;
    size_t n;
    const char **done;
    size_t n_done;
};

static struct day day_of(struct sl_worker *worker, sl_date date)
{
    struct day day = {0};
    day.n = sl_calendar_units(&worker->calendar, date, date, &day.rows);
    day.done = sl_arena_array(&worker->arena, day.n + 1, sizeof *day.done);
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
    struct day day = day_of(worker, facts->date);
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

/* A calendar whose unit is the date asks tables for the date, whatever units they have. */
static bool has_units(const struct sl_worker *worker)
{
    return worker->config->calendar && worker->config->calendar->unit_column;
}

static struct sl_due due_of(const struct sl_worker *worker, const struct sl_facts *facts)
{
    if (!facts->has_calendar)
        return (struct sl_due){.date = facts->date, .n = 1, .by_date_only = true};
    return (struct sl_due){.date = facts->date, .units = facts->done, .n = facts->n_done, .by_date_only = !has_units(worker)};
}

/* ---- runs ---- */

static void newest_runs(struct sl_proc_facts *proc, const struct group *group)
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
        newest_runs(proc, group);
        if (proc->need == SL_NOT_REQUIRED)
            continue;
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

/* Only a processor that has reported is judged by its rows. */
static bool is_judged(const struct sl_proc_facts *proc)
{
    return proc->need != SL_NOT_REQUIRED && proc->run && proc->processor->n_sources > 0;
}

enum sl_code sl_gather_units(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err)
{
    struct sl_questions questions = {0};
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
        const struct sl_due due = due_of(worker, facts);
        for (size_t p = 0; code == SL_OK && p < facts->n_procs; p++)
            if (is_judged(&facts->procs[p]))
                sl_coverage_ask(&questions, facts->procs[p].processor, &due);
    }
    if (code == SL_OK)
        code = sl_questions_ask(&questions, worker->warehouse, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        struct sl_facts *facts = &works[i].facts;
        const struct sl_due due = due_of(worker, facts);
        for (size_t p = 0; p < facts->n_procs; p++)
            if (is_judged(&facts->procs[p]))
                sl_coverage_read(&facts->procs[p].coverage, &questions, facts->procs[p].processor, &due, &worker->arena);
    }
    sl_questions_fini(&questions);
    return code;
}

/* ---- upstream ---- */

static bool runs_are_unknown(const struct sl_worker *worker, sl_date date)
{
    const struct sl_calendar_config *calendar = worker->config->calendar;
    return calendar && calendar->history_from != SL_DATE_NONE && date < calendar->history_from;
}

static enum sl_code upstream_phase(struct sl_worker *worker, struct work *work, const struct sl_phase *phase,
                                   struct sl_questions *questions, struct sl_err *err)
{
    struct sl_facts *facts = &work->facts;
    struct group *group = NULL;
    enum sl_code code = sl_worker_group(worker, phase, facts->date, &group, err);
    if (code != SL_OK)
        return code;
    struct sl_upstream_facts *up = &facts->upstream[facts->n_upstream++];
    const struct sl_due due = due_of(worker, facts);
    up->phase = phase;
    up->procs = sl_arena_array(&worker->arena, phase->n_processors, sizeof *up->procs);
    for (size_t i = 0; i < phase->n_processors; i++) {
        if (phase->processors[i].need[facts->profile] != SL_CRITICAL)
            continue;
        struct sl_proc_facts *proc = &up->procs[up->n++];
        proc->processor = &phase->processors[i];
        proc->need = SL_CRITICAL;
        newest_runs(proc, group);
        if (is_judged(proc))
            sl_coverage_ask(questions, proc->processor, &due);
    }
    return SL_OK;
}

static enum sl_code gather_upstream(struct sl_worker *worker, struct work *work, struct sl_questions *questions, struct sl_err *err)
{
    const struct sl_phase *phase = work->phase;
    if (phase->checks.upstream.mode == SL_OFF || runs_are_unknown(worker, work->facts.date))
        return SL_OK;
    work->facts.upstream = sl_arena_array(&worker->arena, phase->n_after + 1, sizeof *work->facts.upstream);
    for (size_t i = 0; i < phase->n_after; i++) {
        enum sl_code code = upstream_phase(worker, work, &worker->config->phases[phase->after[i]], questions, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

static void read_upstream(struct sl_worker *worker, struct work *work, const struct sl_questions *questions)
{
    const struct sl_due due = due_of(worker, &work->facts);
    for (size_t u = 0; u < work->facts.n_upstream; u++)
        for (size_t i = 0; i < work->facts.upstream[u].n; i++) {
            struct sl_proc_facts *proc = &work->facts.upstream[u].procs[i];
            if (is_judged(proc))
                sl_coverage_read(&proc->coverage, questions, proc->processor, &due, &worker->arena);
        }
}

/* ---- gaps: computed once per phase over the union of the look-backs, then cut per gate ---- */

struct gap_day {
    sl_date date;
    struct sl_due due;
    bool wanted;
};

struct gap_table {
    const struct sl_phase *phase;
    sl_date from, to;
    struct gap_day *days; /* one per calendar day of from..to */
    struct sl_gap *gaps;  /* ascending by date, then processor */
    size_t n_gaps;
    sl_date *excused; /* dates of known gaps that would have been gaps */
    size_t n_excused;
    const char **errors; /* per processor: its table could not be asked */
};

static bool is_gap_judged(const struct sl_processor *processor)
{
    bool critical = false;
    for (int profile = 0; profile < SL_N_PROFILES; profile++)
        critical |= processor->need[profile] == SL_CRITICAL;
    return critical && processor->n_sources > 0;
}

static sl_date window_from(const struct sl_worker *worker, const struct sl_facts *facts)
{
    const struct sl_calendar_config *calendar = worker->config->calendar;
    sl_date from = facts->date - facts->phase->checks.gaps.look_back_days;
    if (facts->season_first != SL_DATE_NONE && from < facts->season_first)
        from = facts->season_first;
    if (calendar && calendar->history_from != SL_DATE_NONE && from < calendar->history_from)
        from = calendar->history_from;
    return from;
}

/* Days on which rows are due: done units; with every_day, or without a calendar, the day itself. */
static struct sl_due due_on(struct sl_worker *worker, const struct sl_phase *phase, sl_date date)
{
    if (!worker->config->calendar)
        return (struct sl_due){.date = date, .n = 1, .by_date_only = true};
    struct day day = day_of(worker, date);
    if (day.n_done == 0 && phase->checks.gaps.every_day)
        return (struct sl_due){.date = date, .n = 1, .by_date_only = true};
    return (struct sl_due){.date = date, .units = day.done, .n = day.n_done, .by_date_only = !has_units(worker)};
}

static void want_window(struct gap_table *table, const struct sl_facts *facts)
{
    for (sl_date date = facts->gaps_from; date <= facts->gaps_to; date++)
        table->days[date - table->from].wanted = true;
}

static bool wants_gaps(const struct work *work, const struct sl_phase *phase)
{
    return work->phase == phase && work->decision.wants_checks && work->facts.gaps_from <= work->facts.gaps_to;
}

static void gap_table_ask(struct sl_worker *worker, struct gap_table *table, const struct work *works, size_t n,
                          struct sl_questions *questions)
{
    size_t n_days = (size_t)(table->to - table->from) + 1;
    table->days = sl_arena_array(&worker->arena, n_days, sizeof *table->days);
    table->errors = sl_arena_array(&worker->arena, table->phase->n_processors, sizeof *table->errors);
    for (size_t i = 0; i < n; i++)
        if (wants_gaps(&works[i], table->phase))
            want_window(table, &works[i].facts);
    for (size_t d = 0; d < n_days; d++) {
        struct gap_day *day = &table->days[d];
        day->date = table->from + (sl_date)d;
        if (!day->wanted)
            continue;
        day->due = due_on(worker, table->phase, day->date);
        for (size_t p = 0; p < table->phase->n_processors; p++)
            if (is_gap_judged(&table->phase->processors[p]))
                sl_coverage_ask(questions, &table->phase->processors[p], &day->due);
    }
}

/* Does an accepted gap excuse this unit ("" for the whole date) of the processor's table? */
static bool is_excused(const struct sl_known_gap *known, size_t n, const struct sl_phase *phase, const struct sl_processor *processor,
                       sl_date date, const char *unit, sl_date today)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(known[i].phase, phase->name) != 0 || (known[i].until != SL_DATE_NONE && today > known[i].until))
            continue;
        if (known[i].table && strcmp(known[i].table, processor->sources[0].table) != 0)
            continue;
        if (known[i].unit ? !strcmp(known[i].unit, unit) : known[i].date == date)
            return true;
    }
    return false;
}

struct gap_reader {
    struct sl_worker *worker;
    struct gap_table *table;
    const struct sl_questions *questions;
    const struct sl_known_gap *known;
    size_t n_known;
    sl_date today;
};

static void gap_excused(struct gap_reader *r, sl_date date)
{
    struct gap_table *table = r->table;
    table->excused = sl_arena_push(&r->worker->arena, table->excused, &table->n_excused, sizeof *table->excused);
    table->excused[table->n_excused - 1] = date;
}

static void gap_read(struct gap_reader *r, const struct gap_day *day, size_t p)
{
    struct gap_table *table = r->table;
    const struct sl_processor *processor = &table->phase->processors[p];
    struct sl_coverage coverage;
    sl_coverage_read(&coverage, r->questions, processor, &day->due, &r->worker->arena);
    if (coverage.n_source_errors && coverage.source_errors[0]) {
        table->errors[p] = coverage.source_errors[0];
        return;
    }
    const char **units = sl_arena_array(&r->worker->arena, coverage.n_missing + 1, sizeof *units);
    size_t n_units = 0, n_excused = 0;
    for (size_t i = 0; i < coverage.n_missing; i++) {
        if (is_excused(r->known, r->n_known, table->phase, processor, day->date, coverage.missing[i], r->today))
            n_excused++;
        else
            units[n_units++] = coverage.missing[i];
    }
    const bool strict = table->phase->checks.units == SL_STRICT;
    const bool would_be = coverage.n_missing > 0 && (strict || coverage.n_missing == coverage.n_due);
    if (!would_be)
        return;
    if (n_units == 0 || (!strict && n_units < coverage.n_due - n_excused)) {
        gap_excused(r, day->date);
        return;
    }
    table->gaps = sl_arena_push(&r->worker->arena, table->gaps, &table->n_gaps, sizeof *table->gaps);
    table->gaps[table->n_gaps - 1] = (struct sl_gap){
        .processor = processor, .date = day->date, .units = units, .n_units = coverage.by_date ? 0 : n_units, .n_due = coverage.n_due};
}

static void gap_table_read(struct gap_reader *r)
{
    size_t n_days = (size_t)(r->table->to - r->table->from) + 1;
    for (size_t d = 0; d < n_days; d++) {
        const struct gap_day *day = &r->table->days[d];
        for (size_t p = 0; day->wanted && day->due.n && p < r->table->phase->n_processors; p++)
            if (is_gap_judged(&r->table->phase->processors[p]))
                gap_read(r, day, p);
    }
}

static void cut_for_gate(struct sl_worker *worker, const struct gap_table *table, struct sl_facts *facts)
{
    for (sl_date date = facts->gaps_from; date <= facts->gaps_to; date++)
        facts->n_gap_dates += table->days[date - table->from].due.n > 0;
    for (size_t p = 0; p < table->phase->n_processors; p++) {
        if (!table->errors[p])
            continue;
        facts->gaps = sl_arena_push(&worker->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
        facts->gaps[facts->n_gaps - 1] = (struct sl_gap){
            .processor = &table->phase->processors[p], .date = facts->gaps_to, .error = table->errors[p]};
    }
    for (size_t i = 0; i < table->n_gaps; i++) {
        if (table->gaps[i].date < facts->gaps_from || table->gaps[i].date > facts->gaps_to ||
            table->errors[table->gaps[i].processor - table->phase->processors])
            continue;
        facts->gaps = sl_arena_push(&worker->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
        facts->gaps[facts->n_gaps - 1] = table->gaps[i];
    }
    for (size_t i = 0; i < table->n_excused; i++)
        facts->n_known_gaps += table->excused[i] >= facts->gaps_from && table->excused[i] <= facts->gaps_to;
}

static void set_windows(const struct sl_worker *worker, struct work *works, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sl_facts *facts = &works[i].facts;
        facts->gaps_from = window_from(worker, facts);
        facts->gaps_to = works[i].phase->checks.gaps.mode == SL_OFF ? facts->gaps_from - 1 : facts->date - 1;
    }
}

/* One table of gaps per phase that has gates at work; `tables` has room for every phase. */
static size_t plan_gaps(struct sl_worker *worker, struct gap_table *tables, const struct work *works, size_t n,
                        struct sl_questions *questions)
{
    size_t n_tables = 0;
    for (size_t f = 0; f < worker->config->n_phases; f++) {
        struct gap_table table = {.phase = &worker->config->phases[f], .from = INT32_MAX, .to = SL_DATE_NONE};
        for (size_t i = 0; i < n; i++) {
            if (!wants_gaps(&works[i], table.phase))
                continue;
            table.from = works[i].facts.gaps_from < table.from ? works[i].facts.gaps_from : table.from;
            table.to = works[i].facts.gaps_to > table.to ? works[i].facts.gaps_to : table.to;
        }
        if (table.to == SL_DATE_NONE)
            continue;
        gap_table_ask(worker, &table, works, n, questions);
        tables[n_tables++] = table;
    }
    return n_tables;
}

static enum sl_code read_gaps(struct sl_worker *worker, struct gap_table *tables, size_t n_tables, struct work *works, size_t n,
                              const struct sl_questions *questions, struct sl_err *err)
{
    struct gap_reader reader = {.worker = worker, .questions = questions};
    struct sl_known_gap *known = NULL;
    enum sl_code code = sl_ledger_known_gaps(worker->ledger, &known, &reader.n_known, &worker->arena, err);
    reader.known = known;
    for (size_t t = 0; code == SL_OK && t < n_tables; t++) {
        reader.table = &tables[t];
        reader.today = works[0].facts.today;
        gap_table_read(&reader);
        for (size_t i = 0; i < n; i++)
            if (wants_gaps(&works[i], tables[t].phase))
                cut_for_gate(worker, &tables[t], &works[i].facts);
    }
    return code;
}

enum sl_code sl_gather_checks(struct sl_worker *worker, struct work *works, size_t n, struct sl_err *err)
{
    struct sl_questions questions = {0};
    struct gap_table *tables = sl_arena_array(&worker->arena, worker->config->n_phases, sizeof *tables);
    enum sl_code code = SL_OK;
    set_windows(worker, works, n);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        if (works[i].decision.wants_checks)
            code = gather_upstream(worker, &works[i], &questions, err);
    size_t n_tables = code == SL_OK ? plan_gaps(worker, tables, works, n, &questions) : 0;
    if (code == SL_OK)
        code = sl_questions_ask(&questions, worker->warehouse, &worker->arena, err);
    if (code == SL_OK)
        code = read_gaps(worker, tables, n_tables, works, n, &questions, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        if (!works[i].decision.wants_checks)
            continue;
        read_upstream(worker, &works[i], &questions);
        works[i].facts.checks_gathered = true;
    }
    sl_questions_fini(&questions);
    return code;
}

/* ---- joins ---- */

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
