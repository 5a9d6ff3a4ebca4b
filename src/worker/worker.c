/* worker.c - the message's way, told once (DESIGN section 4).
 *
 *   pulled -> decoded -> [ begin: deduplicated -> recorded -> facts gathered -> decided -> COMMITTED ] -> acked -> outbox drained
 *
 * Everything between begin and commit is one ledger transaction with one fsync; what fails in it is rolled back whole and the batch is not acked, so that it comes again.
 * On trouble with ledger, disk or warehouse nothing is nacked (RULES 24). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker_internal.h"

#define PRUNE_EVERY_US (INT64_C(3600) * 1000000)

void sl_worker_create(struct sl_worker **out, const struct sl_config *config, struct sl_ledger *ledger, struct sl_warehouse *warehouse,
                      struct sl_bus *bus, const struct sl_worker_options *options)
{
    struct sl_worker *worker = sl_calloc(1, sizeof *worker);
    char id[SL_UUID_LEN + 1];
    worker->config = config;
    worker->ledger = ledger;
    worker->warehouse = warehouse;
    worker->bus = bus;
    if (options)
        worker->options = *options;
    worker->groups = sl_map_create();
    worker->changed = sl_map_create();
    worker->stale_due_us = 0; /* an earlier worker may have left some */
    worker->clocks = sl_calloc(config->n_phases, sizeof *worker->clocks);
    if (config->ledger.type == SL_LEDGER_SQLITE) /* one worker at a time (RULES 31): what the one before claimed is ours at once */
        snprintf(worker->owner, sizeof worker->owner, "worker");
    else
        snprintf(worker->owner, sizeof worker->owner, "%ld-%.8s", (long)getpid(), sl_uuid_format(sl_uuid4(), id));
    *out = worker;
}

void sl_worker_destroy(struct sl_worker **worker)
{
    if (!*worker)
        return;
    sl_calendar_fini(&(*worker)->calendar);
    sl_arena_fini(&(*worker)->arena);
    sl_map_destroy(&(*worker)->groups);
    sl_map_destroy(&(*worker)->changed);
    free((*worker)->clocks);
    free(*worker);
    *worker = NULL;
}

/* ---- transactions and counters ---- */

enum sl_code sl_worker_begin(struct sl_worker *worker, struct sl_err *err)
{
    sl_worker_forget_groups(worker);
    sl_arena_reset(&worker->arena);
    worker->pending = NULL;
    worker->n_pending = 0;
    worker->saved = worker->counters;
    worker->saved_events = worker->events_unloaded;
    worker->saved_runs = worker->runs_unloaded;
    return sl_ledger_begin(worker->ledger, err);
}

void sl_worker_undo(struct sl_worker *worker)
{
    sl_ledger_rollback(worker->ledger);
    worker->counters = worker->saved;
    worker->events_unloaded = worker->saved_events;
    worker->runs_unloaded = worker->saved_runs;
    worker->calendar.loaded = false; /* its comparison with the memory may have been part of it */
}

void sl_worker_note(struct sl_worker *worker, const struct sl_gate *gate)
{
    worker->pending = sl_arena_push(&worker->arena, worker->pending, &worker->n_pending, sizeof *worker->pending);
    worker->pending[worker->n_pending - 1] = (struct change){
        .key = sl_arena_printf(&worker->arena, "%s %d %d %d", gate->phase, gate->date, (int)gate->profile, gate->generation),
        .state = gate->state};
}

static uint64_t *counter_of(struct sl_worker_counters *counters, enum sl_state state)
{
    switch (state) {
    case SL_TRIGGERED: return &counters->triggered;
    case SL_SUPPRESSED: return &counters->suppressed;
    case SL_BLOCKED: return &counters->blocked;
    case SL_WAITING: return &counters->waiting;
    case SL_EMPTY:
    case SL_OBSERVED:
    case SL_SUPERSEDED: return NULL;
    }
    return NULL;
}

static void count(struct sl_worker *worker, enum sl_state state, uint64_t by)
{
    uint64_t *counter = counter_of(&worker->counters, state);
    if (counter)
        *counter += by;
}

static void apply_pending(struct sl_worker *worker)
{
    for (size_t i = 0; i < worker->n_pending; i++) {
        const struct change *change = &worker->pending[i];
        uintptr_t before = (uintptr_t)sl_map_get(worker->changed, change->key);
        if (before)
            count(worker, (enum sl_state)(before - 1), (uint64_t)-1);
        count(worker, change->state, 1);
        sl_map_put(worker->changed, change->key, (void *)((uintptr_t)change->state + 1));
    }
    worker->n_pending = 0;
}

enum sl_code sl_worker_end(struct sl_worker *worker, enum sl_code code, struct sl_err *err)
{
    if (code == SL_OK)
        code = sl_ledger_commit(worker->ledger, err);
    if (code == SL_OK)
        apply_pending(worker);
    else
        sl_worker_undo(worker);
    return code;
}

void sl_worker_counters(struct sl_worker *worker, struct sl_worker_counters *out)
{
    *out = worker->counters;
}

void sl_worker_counters_json(struct sl_json *json, const struct sl_worker_counters *counters)
{
    sl_json_object(json);
    sl_json_put_int(json, "received", (int64_t)counters->received);
    sl_json_put_int(json, "acked", (int64_t)counters->acked);
    sl_json_put_int(json, "nacked", (int64_t)counters->nacked);
    sl_json_put_int(json, "duplicates", (int64_t)counters->duplicates);
    sl_json_put_int(json, "rejected", (int64_t)counters->rejected);
    sl_json_put_int(json, "decided", (int64_t)counters->decided);
    sl_json_put_int(json, "triggered", (int64_t)counters->triggered);
    sl_json_put_int(json, "suppressed", (int64_t)counters->suppressed);
    sl_json_put_int(json, "blocked", (int64_t)counters->blocked);
    sl_json_put_int(json, "waiting", (int64_t)counters->waiting);
    sl_json_put_int(json, "events", (int64_t)counters->events);
    sl_json_put_int(json, "loads", (int64_t)counters->loads);
    sl_json_put_int(json, "published", (int64_t)counters->published);
    sl_json_end_object(json);
}

/* ---- which gates a batch touches ---- */

struct touched {
    struct sl_worker *worker;
    struct sl_map *seen;
    struct work *works;
    size_t n;
};

static void add_work(struct touched *t, const struct sl_phase *phase, const struct sl_gate *gate, bool exists)
{
    const char *key = sl_arena_printf(&t->worker->arena, "%zu %d %d", phase->index, gate->date, (int)gate->profile);
    if (sl_map_get(t->seen, key))
        return;
    sl_map_put(t->seen, key, t->seen);
    t->works = sl_arena_push(&t->worker->arena, t->works, &t->n, sizeof *t->works);
    t->works[t->n - 1] = (struct work){.gate = *gate, .exists = exists, .phase = phase};
}

/* Gates of a range that are not open; with `held` only those that one of these reasons holds. */
static enum sl_code add_range(struct touched *t, const struct sl_phase *phase, sl_date from, sl_date to, sl_reasons held,
                              struct sl_err *err)
{
    struct sl_gate_filter filter = {
        .phase = phase->name, .from = from, .to = to, .states = 1u << SL_BLOCKED | (held ? 0 : 1u << SL_WAITING)};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_gates(t->worker->ledger, &filter, &gates, &n, &t->worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        if (!held || (gates[i].reasons & held))
            add_work(t, phase, &gates[i], true);
    return code;
}

static int compare_dates(const void *a, const void *b)
{
    sl_date x = *(const sl_date *)a, y = *(const sl_date *)b;
    return x < y ? -1 : x > y;
}

/* Dates on which this phase, or one before it, got a report: ascending. */
static size_t reported_dates(struct sl_worker *worker, const struct sl_phase *phase, sl_date **out)
{
    sl_date *dates = sl_arena_array(&worker->arena, worker->n_groups + 1, sizeof *dates);
    size_t n = 0;
    for (size_t i = 0; i < worker->n_groups; i++) {
        const struct group *group = worker->group_list[i];
        if (group->reported && (group->phase == phase || sl_phase_is_after(phase, group->phase)))
            dates[n++] = group->date;
    }
    if (n)
        qsort(dates, n, sizeof *dates, compare_dates);
    *out = dates;
    return n;
}

/* Each date reaches from first_day after it to last_day after it; overlapping reaches are asked as one range. */
static enum sl_code add_reaches(struct touched *t, const struct sl_phase *phase, const sl_date *dates, size_t n, int first_day,
                                int last_day, sl_reasons held, struct sl_err *err)
{
    for (size_t i = 0; i < n;) {
        sl_date from = dates[i] + first_day, to = dates[i] + last_day;
        for (i++; i < n && dates[i] + first_day <= to + 1; i++)
            to = dates[i] + last_day;
        enum sl_code code = add_range(t, phase, from, to, held, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

/* What a report for an earlier date may cure, directly or in a table that could not be asked. */
static const sl_reasons BY_GAPS = SL_REASON_BIT(SL_REASON_GAPS) | SL_REASON_BIT(SL_REASON_CHECK_ERROR);
static const sl_reasons BY_COMPLETENESS = SL_REASON_BIT(SL_REASON_COMPLETENESS) | SL_REASON_BIT(SL_REASON_CHECK_ERROR);

/* How many days a window reaches back at the most: units within the season. */
static int window_days(struct sl_window window)
{
    enum { SEASON = 366 };
    return window.kind == SL_WINDOW_DAYS && window.n < SEASON ? window.n : SEASON;
}

static enum sl_code add_touched(struct touched *t, struct sl_err *err)
{
    struct sl_worker *worker = t->worker;
    for (size_t i = 0; i < worker->n_groups; i++)
        if (worker->group_list[i]->touched)
            add_work(t, worker->group_list[i]->phase, &worker->group_list[i]->gate, worker->group_list[i]->gate_exists);
    for (size_t i = 0; i < t->n; i++)
        t->works[i].reported = true;
    for (size_t p = 0; p < worker->config->n_phases; p++) {
        const struct sl_phase *phase = &worker->config->phases[p];
        sl_date *dates = NULL;
        size_t n = reported_dates(worker, phase, &dates);
        enum sl_code code = add_reaches(t, phase, dates, n, 0, 0, 0, err);
        if (code == SL_OK && phase->checks.gaps.mode != SL_OFF)
            code = add_reaches(t, phase, dates, n, 1, phase->checks.gaps.look_back_days, BY_GAPS, err);
        if (code == SL_OK && phase->checks.completeness.mode != SL_OFF)
            code = add_reaches(t, phase, dates, n, 1, window_days(phase->checks.completeness.window), BY_COMPLETENESS, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

/* ---- a batch ---- */

static enum sl_code process(struct sl_worker *worker, const struct sl_incoming *incoming, int64_t now_us, struct sl_err *err)
{
    struct touched touched = {.worker = worker, .seen = sl_map_create()};
    enum sl_code code = SL_OK;
    if (worker->options.beside)
        code = sl_clocks_borrow(worker, err);
    else
        sl_clocks_advance(worker, now_us);
    if (code == SL_OK)
        code = sl_calendar_refresh(worker, now_us, err);
    if (code == SL_OK)
        code = sl_worker_record(worker, incoming, now_us, err);
    if (code == SL_OK)
        code = add_touched(&touched, err);
    if (code == SL_OK)
        code = sl_worker_decide(worker, touched.works, touched.n, now_us, err);
    if (code == SL_OK && !worker->options.beside)
        code = sl_clocks_save(worker, false, err);
    sl_map_destroy(&touched.seen);
    return code;
}

enum sl_code sl_worker_process(struct sl_worker *worker, const struct sl_incoming *incoming, int64_t now_us, struct sl_err *err)
{
    if (incoming->batch.n == 0)
        return SL_OK;
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    return sl_worker_end(worker, process(worker, incoming, now_us, err), err);
}

enum sl_code sl_worker_batch(struct sl_worker *worker, struct sl_bus_batch *batch, int64_t now_us, struct sl_err *err)
{
    struct sl_incoming incoming = {.batch = *batch};
    sl_incoming_decode(&incoming, worker->config, now_us);
    enum sl_code code = sl_worker_process(worker, &incoming, now_us, err);
    *batch = incoming.batch; /* its arena may have grown */
    if (code == SL_OK && worker->bus)
        code = sl_bus_ack(worker->bus, batch, err);
    if (code == SL_OK)
        worker->counters.acked += batch->n;
    return code;
}

/* ---- what is due without a message ---- */

static enum sl_code add_due(struct touched *t, int64_t now_us, size_t limit, bool *more, struct sl_err *err)
{
    struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .due_by_us = now_us, .limit = limit};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_gates(t->worker->ledger, &filter, &gates, &n, &t->worker->arena, err);
    *more = n == limit;
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        const struct sl_phase *phase = sl_config_phase(t->worker->config, gates[i].phase);
        if (phase) {
            add_work(t, phase, &gates[i], true);
            continue;
        }
        gates[i].due_us = SL_NEVER_US; /* the config has lost this phase: nothing can decide it */
        code = sl_ledger_gate_touch(t->worker->ledger, &gates[i], err);
    }
    return code;
}

static enum sl_code tick(struct sl_worker *worker, int64_t now_us, bool *more, struct sl_err *err)
{
    enum { AT_ONCE = 2000 };
    struct touched touched = {.worker = worker, .seen = sl_map_create()};
    enum sl_code code = sl_calendar_refresh(worker, now_us, err);
    if (code == SL_OK)
        code = add_due(&touched, now_us, AT_ONCE, more, err);
    if (code == SL_OK)
        code = sl_worker_expect(worker, now_us, &touched.works, &touched.n, err);
    if (code == SL_OK)
        code = sl_worker_decide(worker, touched.works, touched.n, now_us, err);
    if (code == SL_OK)
        code = sl_worker_unanswered(worker, now_us, err);
    if (code == SL_OK)
        code = sl_worker_restart_stale(worker, now_us, err);
    if (code == SL_OK)
        code = sl_clocks_save(worker, false, err);
    sl_map_destroy(&touched.seen);
    return code;
}

enum sl_code sl_worker_tick(struct sl_worker *worker, int64_t now_us, bool *more, struct sl_err *err)
{
    int64_t due_us = SL_NEVER_US;
    *more = false;
    sl_clocks_advance(worker, now_us);
    enum sl_code code = sl_worker_next_due(worker, &due_us, err);
    const bool idle = due_us > now_us && !sl_calendar_is_stale(worker) && !sl_worker_expects(worker, now_us);
    if (code != SL_OK || (idle && !sl_clocks_unsaved(worker)))
        return code;
    code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    return sl_worker_end(worker, tick(worker, now_us, more, err), err);
}

enum sl_code sl_worker_prune(struct sl_worker *worker, int64_t now_us, struct sl_err *err)
{
    bool more = false;
    if (worker->options.inbox_ms == 0 || now_us < worker->prune_due_us)
        return SL_OK;
    enum sl_code code = sl_ledger_prune(worker->ledger, now_us - worker->options.inbox_ms * 1000,
                                        now_us - worker->config->retention.facts_ms * 1000, &more, err);
    if (!more)
        worker->prune_due_us = now_us + PRUNE_EVERY_US;
    return code;
}

enum sl_code sl_worker_start(struct sl_worker *worker, int64_t now_us, struct sl_err *err)
{
    int64_t due = 0;
    struct sl_ledger_counts counts;
    worker->loaded_us = now_us;
    /* An fsync that failed under a worker before us may have left frames of the log in the page cache only: they are moved into the file, and synced, before anything is
     * built on them. */
    enum sl_code code = sl_ledger_checkpoint(worker->ledger, err);
    if (code == SL_OK)
        code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_ledger_config_add(worker->ledger, worker->config->hash, worker->config->normal, now_us, err);
    if (code == SL_OK)
        code = sl_ledger_gates_make_due_for_config(worker->ledger, worker->config->hash, now_us, &due, err);
    if (code == SL_OK)
        code = sl_clocks_load(worker, err);
    if (code == SL_OK)
        code = sl_ledger_counts(worker->ledger, now_us, &counts, err);
    if (code == SL_OK)
        code = sl_ledger_stamps_next(worker->ledger, &worker->stamp_due_us, err);
    if (code == SL_OK) { /* what the worker before us left to load is due like our own */
        worker->events_unloaded = (size_t)counts.events_unloaded;
        worker->runs_unloaded = (size_t)counts.runs_unloaded;
    }
    return sl_worker_end(worker, code, err);
}

enum sl_code sl_worker_next_due(struct sl_worker *worker, int64_t *out_us, struct sl_err *err)
{
    enum sl_code code = sl_ledger_next_due(worker->ledger, out_us, err);
    if (code == SL_OK && worker->stale_due_us < *out_us)
        *out_us = worker->stale_due_us;
    return code;
}
