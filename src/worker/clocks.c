/* clocks.c - time that the gates wait by.
 *
 * Grace and deadline run on the phase's own clock: the time for which its stream has been connected and silent for SILENT_MS, kept in the ledger, so that neither an outage of the
 * worker nor a backlog can open a gate (RULES 18). expect_by and answer_within look at the wall clock. */
#include <string.h>

#include <sluice/log.h>

#include "worker_internal.h"

#define SILENT_MS       5000  /* RULES 18 */
#define SAVE_EVERY_MS   60000 /* what a crash may cost a clock: it can only be late */
#define EXPECT_EVERY_US 60000000LL
#define EXPECT_DAYS     3 /* expect_by looks back this far: a weekend without the worker */

bool sl_clock_drained(struct sl_worker *worker, const struct sl_phase *phase, int64_t now_us)
{
    return worker->bus && (worker->at_rest || sl_bus_silent_ms(worker->bus, phase, now_us) >= SILENT_MS);
}

enum sl_code sl_clocks_load(struct sl_worker *worker, struct sl_err *err)
{
    for (size_t i = 0; i < worker->config->n_phases; i++) {
        struct phase_clock *clock = &worker->clocks[i];
        enum sl_code code = sl_ledger_clock_get(worker->ledger, worker->config->phases[i].name, &clock->ms, err);
        if (code != SL_OK)
            return code;
        clock->saved_ms = clock->ms;
    }
    return SL_OK;
}

enum sl_code sl_clocks_borrow(struct sl_worker *worker, struct sl_err *err)
{
    enum sl_code code = sl_clocks_load(worker, err);
    for (size_t i = 0; i < worker->config->n_phases; i++)
        worker->clocks[i].ms += 2 * SAVE_EVERY_MS; /* what isn't saved yet, and as much again for a worker that is busy */
    return code;
}

bool sl_clocks_unsaved(const struct sl_worker *worker)
{
    for (size_t i = 0; i < worker->config->n_phases; i++)
        if (worker->clocks[i].ms - worker->clocks[i].saved_ms >= SAVE_EVERY_MS)
            return true;
    return false;
}

/* The part of the time since the last reading in which the stream was silent. A clock that went backwards adds nothing. */
void sl_clocks_advance(struct sl_worker *worker, int64_t now_us)
{
    for (size_t i = 0; worker->bus && i < worker->config->n_phases; i++) {
        struct phase_clock *clock = &worker->clocks[i];
        int64_t silent_ms = sl_bus_silent_ms(worker->bus, &worker->config->phases[i], now_us);
        int64_t passed_ms = clock->last_us ? (now_us - clock->last_us) / 1000 : 0;
        clock->last_us = now_us;
        if (silent_ms < SILENT_MS || passed_ms <= 0)
            continue;
        int64_t counted_ms = silent_ms - SILENT_MS;
        clock->ms += passed_ms < counted_ms ? passed_ms : counted_ms;
    }
}

enum sl_code sl_clocks_save(struct sl_worker *worker, bool all, struct sl_err *err)
{
    for (size_t i = 0; i < worker->config->n_phases; i++) {
        struct phase_clock *clock = &worker->clocks[i];
        if (clock->ms == clock->saved_ms || (!all && clock->ms - clock->saved_ms < SAVE_EVERY_MS))
            continue;
        enum sl_code code = sl_ledger_clock_set(worker->ledger, worker->config->phases[i].name, clock->ms, err);
        if (code != SL_OK)
            return code;
        clock->saved_ms = clock->ms;
    }
    return SL_OK;
}

/* ---- expect_by: a date with done units and no completion gets a gate, and an alert ---- */

bool sl_worker_expects(const struct sl_worker *worker, int64_t now_us)
{
    if (now_us - worker->expected_us < EXPECT_EVERY_US)
        return false;
    for (size_t i = 0; i < worker->config->n_phases; i++)
        if (worker->config->phases[i].expect_by_minutes >= 0)
            return true;
    return false;
}

static bool has_done_units(const struct sl_worker *worker, sl_date date)
{
    const struct sl_calendar_row *rows = NULL;
    size_t n = sl_calendar_units(&worker->calendar, date, date, &rows);
    for (size_t i = 0; i < n; i++)
        if (rows[i].done)
            return true;
    return false;
}

/* Reported on the day itself, say: its gate then was today's, and no clock may open the one of the finished day. */
static enum sl_code has_report(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, bool *reported, struct sl_err *err)
{
    struct sl_run *runs = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_runs_of(worker->ledger, phase->name, date, &runs, &n, &worker->arena, err);
    *reported = false;
    for (size_t i = 0; code == SL_OK && i < n; i++)
        *reported |= runs[i].known && runs[i].status != SL_RUN_RUNNING;
    return code;
}

static enum sl_code expect_date(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, int64_t now_us, struct work **works,
                                size_t *n, struct sl_err *err)
{
    struct sl_gate gate;
    if (!has_done_units(worker, date))
        return SL_OK;
    bool reported = false;
    enum sl_code code = sl_ledger_gate_get(worker->ledger, phase->name, date, SL_PAST, 0, &gate, &worker->arena, err);
    if (code != SL_NOT_FOUND)
        return code;
    code = has_report(worker, phase, date, &reported, err);
    if (code != SL_OK || reported)
        return code;
    char day[SL_DATE_LEN + 1];
    sl_log(SL_ERROR, "no completion has come by the time it was expected", {"phase", phase->name}, {"date", sl_date_format(date, day)});
    *works = sl_arena_push(&worker->arena, *works, n, sizeof **works);
    struct work *work = &(*works)[*n - 1];
    work->phase = phase;
    sl_gate_new(&work->gate, phase, date, SL_PAST, 1, now_us);
    return SL_OK;
}

enum sl_code sl_worker_expect(struct sl_worker *worker, int64_t now_us, struct work **works, size_t *n, struct sl_err *err)
{
    if (!sl_worker_expects(worker, now_us))
        return SL_OK;
    const sl_date today = sl_zone_date(worker->config->zone, now_us);
    worker->expected_us = now_us;
    for (size_t i = 0; i < worker->config->n_phases; i++) {
        const struct sl_phase *phase = &worker->config->phases[i];
        for (sl_date date = today - EXPECT_DAYS; phase->expect_by_minutes >= 0 && date < today; date++) {
            if (now_us < sl_zone_instant(worker->config->zone, date + 1, (int64_t)phase->expect_by_minutes * 60 * 1000000))
                continue;
            enum sl_code code = expect_date(worker, phase, date, now_us, works, n, err);
            if (code != SL_OK)
                return code;
        }
    }
    return SL_OK;
}

/* ---- answer_within: the next phase recorded nothing after a trigger ---- */

static enum sl_code was_answered(struct sl_worker *worker, const struct sl_phase *phase, const struct sl_gate *gate, bool *answered,
                                 struct sl_err *err)
{
    *answered = false;
    for (size_t f = 0; f < phase->n_followers; f++) {
        struct sl_run *runs = NULL;
        size_t n = 0;
        const struct sl_phase *follower = &worker->config->phases[phase->followers[f]];
        enum sl_code code = sl_ledger_runs_of(worker->ledger, follower->name, gate->date, &runs, &n, &worker->arena, err);
        if (code != SL_OK)
            return code;
        for (size_t i = 0; i < n; i++)
            *answered |= runs[i].received_us >= gate->decided_us;
    }
    return SL_OK;
}

static enum sl_code say_unanswered(struct sl_worker *worker, const struct sl_phase *phase, const struct sl_gate *gate, int64_t now_us,
                                   struct sl_err *err)
{
    struct sl_event event = sl_event_make("trigger_unanswered", SL_SEV_WARNING, now_us);
    event.phase = phase->name;
    event.date = gate->date;
    event.generation = gate->generation;
    event.source = gate->trigger_id;
    event.resolution_details = gate->trigger_id;
    event.requires_alert = true;
    event.description = "The next phase has recorded nothing since the trigger";
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

/* Publish the same trigger once more: its facts and decision as they were made, the same trigger_id. */
static enum sl_code retrigger(struct sl_worker *worker, const struct sl_phase *phase, const struct sl_gate *gate, int64_t now_us,
                              struct sl_err *err)
{
    struct work work = {.gate = *gate, .exists = true, .phase = phase};
    enum sl_code code = sl_worker_decide_again(worker, &work, now_us, err);
    return code == SL_OK ? sl_worker_outbox_triggers(worker, &work, now_us, err) : code;
}

static enum sl_code look_for_answer(struct sl_worker *worker, struct sl_gate *gate, int64_t now_us, struct sl_err *err)
{
    const struct sl_phase *phase = sl_config_phase(worker->config, gate->phase);
    bool answered = true;
    enum sl_code code = phase ? was_answered(worker, phase, gate, &answered, err) : SL_OK;
    gate->answer_due_us = SL_NEVER_US;
    if (code == SL_OK && !answered)
        code = say_unanswered(worker, phase, gate, now_us, err);
    if (code == SL_OK && !answered && phase->on_unanswered == SL_UNANSWERED_RETRIGGER)
        code = retrigger(worker, phase, gate, now_us, err);
    return code == SL_OK ? sl_ledger_gate_touch(worker->ledger, gate, err) : code;
}

enum sl_code sl_worker_unanswered(struct sl_worker *worker, int64_t now_us, struct sl_err *err)
{
    struct sl_gate_filter filter = {
        .from = SL_DATE_NONE, .to = SL_DATE_NONE, .answer_due_by_us = now_us, .limit = 1000, .all_generations = true};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_gates(worker->ledger, &filter, &gates, &n, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = look_for_answer(worker, &gates[i], now_us, err);
    return code;
}
