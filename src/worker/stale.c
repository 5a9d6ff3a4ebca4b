/* stale.c - content that has changed since it was used (DESIGN section 6, "Stale downstream").
 *
 * The life of a mark: a gate is decided, and its facts keep the content of its tables -> its processors run again, and the next generation finds other content -> every decision that had used
 * the date is marked, with an event that names the culprit -> the phase is run again for that date -> its newer generation clears the mark.
 * The rows that a rerun left as they were make nothing stale, nor does a late processor that had reported without them and has none now either; content that could not be read is taken as changed. */
#include <string.h>

#include <jansson.h>

#include <sluice/log.h>
#include <sluice/stale.h>

#include "worker_internal.h"

static const unsigned FIRED = 1u << SL_TRIGGERED | 1u << SL_SUPPRESSED | 1u << SL_OBSERVED;

/* ---- who had used it ---- */

struct looking {
    struct sl_worker *worker;
    const struct sl_phase *changed, *phase; /* phase: which comes after it */
    sl_date culprit, until;
    const struct sl_calendar_row *units;
    size_t n_units; /* planned, of culprit..until */
    struct used_input {
        const struct sl_processor *processor;
        const struct sl_input *input;
        struct sl_entity_row *rows, *own;
        size_t n_rows, n_own;
        bool unknown; /* a table could not be asked: it is taken as used */
    } * inputs;
    size_t n_inputs;
};

/* The columns of a table are those of the processor that owns it. */
static struct sl_source source_of(const struct looking *l, const struct sl_input *input)
{
    const struct sl_processor *owner = sl_config_table_owner(l->worker->config, input->table, NULL);
    if (owner)
        return owner->sources[0];
    return (struct sl_source){.table = input->table, .date_column = l->phase->processors[0].sources[0].date_column};
}

static enum sl_code ask_rows(struct looking *l, const struct sl_source *source, const char *entity_column, struct sl_entity_row **out,
                             size_t *n, bool *unknown, struct sl_err *err)
{
    enum sl_code code = sl_warehouse_entities(l->worker->warehouse, source, entity_column, l->culprit, l->until, out, n, &l->worker->arena,
                                              err);
    if (code == SL_OK || !sl_warehouse_about_the_table(l->worker->warehouse, code))
        return code;
    *unknown = true;
    return SL_OK;
}

static enum sl_code ask_input(struct looking *l, const struct sl_processor *processor, const struct sl_input *input, struct sl_err *err)
{
    l->inputs = sl_arena_push(&l->worker->arena, l->inputs, &l->n_inputs, sizeof *l->inputs);
    struct used_input *used = &l->inputs[l->n_inputs - 1];
    *used = (struct used_input){.processor = processor, .input = input};
    if (input->window.kind == SL_WINDOW_DAYS)
        return SL_OK;
    const struct sl_source source = source_of(l, input);
    enum sl_code code = ask_rows(l, &source, input->entity_column, &used->rows, &used->n_rows, &used->unknown, err);
    if (code == SL_OK && !used->unknown)
        code = ask_rows(l, &processor->sources[0], input->entity_column, &used->own, &used->n_own, &used->unknown, err);
    return code;
}

/* Inputs whose table holds other rows for the culprit's date than it did. */
static enum sl_code ask_inputs(struct looking *l, struct sl_err *err)
{
    for (size_t p = 0; p < l->phase->n_processors; p++) {
        const struct sl_processor *processor = &l->phase->processors[p];
        for (size_t i = 0; processor->n_sources && i < processor->n_inputs; i++) {
            if (!sl_table_is_touched(l->worker->config, processor->inputs[i].table, l->changed))
                continue;
            enum sl_code code = ask_input(l, processor, &processor->inputs[i], err);
            if (code != SL_OK)
                return code;
        }
    }
    return SL_OK;
}

static bool input_holds(const struct looking *l, const struct used_input *used, sl_date date)
{
    if (used->unknown)
        return true;
    if (used->input->window.kind == SL_WINDOW_DAYS)
        return sl_days_hold(used->input->window.n, l->culprit, date);
    return sl_rows_hold(used->rows, used->n_rows, used->own, used->n_own, used->input->window.n, l->culprit, date);
}

static bool completeness_holds(const struct looking *l, sl_date date)
{
    const struct sl_calendar_config *calendar = l->worker->config->calendar;
    const struct sl_window window = l->phase->checks.completeness.window;
    if (l->phase->checks.completeness.mode == SL_OFF || !calendar ||
        !sl_table_is_touched(l->worker->config, l->phase->checks.completeness.table, l->changed))
        return false;
    if (window.kind == SL_WINDOW_DAYS)
        return sl_days_hold(window.n, l->culprit, date);
    const size_t kind = sl_calendar_kind(calendar, l->phase->checks.completeness.entity);
    return kind < calendar->n_entities && sl_units_hold(l->units, l->n_units, kind, window.n, l->culprit, date);
}

/* Windows end at the start of a season. */
static bool same_season(const struct looking *l, sl_date date)
{
    const struct sl_calendar_row *rows = NULL;
    if (!l->worker->config->calendar || sl_calendar_units(&l->worker->calendar, date, date, &rows) == 0)
        return true;
    sl_date first = sl_calendar_season_first(&l->worker->calendar, rows[0].season);
    return first == SL_DATE_NONE || first <= l->culprit;
}

static bool has_used(const struct looking *l, sl_date date)
{
    if (date == l->culprit)
        return true;
    if (!same_season(l, date))
        return false;
    /* a look-back of n days before the date: n + 1 with the date itself */
    if (l->phase->checks.gaps.mode != SL_OFF && sl_days_hold(l->phase->checks.gaps.look_back_days + 1, l->culprit, date))
        return true;
    bool holds = completeness_holds(l, date);
    for (size_t i = 0; i < l->n_inputs && !holds; i++)
        holds = input_holds(l, &l->inputs[i], date);
    return holds;
}

/* ---- marks ---- */

static enum sl_code say_stale(struct sl_worker *worker, const struct sl_stale_mark *mark, struct sl_err *err)
{
    char culprit[SL_DATE_LEN + 1];
    struct sl_event event = sl_event_make("downstream_stale", SL_SEV_INFO, mark->marked_us);
    sl_date_format(mark->culprit_date, culprit);
    event.phase = mark->phase;
    event.date = mark->date;
    event.generation = mark->generation;
    event.source = sl_arena_printf(&worker->arena, "%s/%s/%d", mark->culprit_phase, culprit, mark->culprit_generation);
    event.resolution_details = event.source;
    event.resolution = "requires_investigation";
    event.downstream_impact = "predictions_degraded";
    event.description = sl_arena_printf(&worker->arena, "Generation %d used rows of %s for %s that have changed since (%s)",
                                        mark->generation, mark->culprit_phase, culprit, mark->reason);
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

/* A rerun's own new trigger restarts the next phase for that date: nothing else has to. */
static bool restarts_by_itself(const struct looking *l, const struct sl_gate *culprit, const struct sl_stale_mark *mark)
{
    if (mark->date != l->culprit || culprit->state != SL_TRIGGERED || strcmp(mark->reason, "rerun") != 0)
        return false;
    return sl_phase_is_after(l->phase, l->changed);
}

static enum sl_code mark_one(const struct looking *l, const struct sl_gate *gate, const struct sl_gate *culprit, const char *reason,
                             int64_t now_us, struct sl_err *err)
{
    struct sl_worker *worker = l->worker;
    struct sl_stale_mark mark = {.phase = gate->phase,
                                 .date = gate->date,
                                 .profile = gate->profile,
                                 .generation = gate->generation,
                                 .culprit_phase = culprit->phase,
                                 .culprit_date = culprit->date,
                                 .culprit_generation = culprit->generation,
                                 .reason = reason,
                                 .marked_us = now_us};
    bool is_new = false;
    if (restarts_by_itself(l, culprit, &mark))
        mark.triggered_us = now_us;
    enum sl_code code = sl_ledger_stale_add(worker->ledger, &mark, &is_new, err);
    if (code != SL_OK || !is_new)
        return code;
    if (l->phase->on_stale == SL_STALE_RETRIGGER)
        worker->stale_due_us = now_us;
    return say_stale(worker, &mark, err);
}

static enum sl_code mark_phase(struct looking *l, const struct sl_gate *culprit, const char *reason, int64_t now_us, struct sl_err *err)
{
    struct sl_worker *worker = l->worker;
    struct sl_gate_filter filter = {.phase = l->phase->name, .from = l->culprit, .to = SL_DATE_NONE, .states = FIRED};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_gates(worker->ledger, &filter, &gates, &n, &worker->arena, err);
    if (code != SL_OK || n == 0)
        return code;
    l->until = gates[n - 1].date;
    l->n_units = worker->config->calendar ? sl_calendar_units(&worker->calendar, l->culprit, l->until, &l->units) : 0;
    code = ask_inputs(l, err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        if (has_used(l, gates[i].date))
            code = mark_one(l, &gates[i], culprit, reason, now_us, err);
    return code;
}

/* Whatever has used rows of the culprit's date. */
static enum sl_code mark_all(struct sl_worker *worker, const struct sl_phase *phase, const struct sl_gate *culprit, const char *reason,
                             int64_t now_us, struct sl_err *err)
{
    for (size_t i = 0; i < worker->config->n_phases; i++) {
        const struct sl_phase *after = &worker->config->phases[worker->config->dag[i]];
        if (!sl_phase_follows(worker->config, after, phase))
            continue;
        struct looking looking = {.worker = worker, .changed = phase, .phase = after, .culprit = culprit->date};
        enum sl_code code = mark_phase(&looking, culprit, reason, now_us, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

/* ---- content ---- */

static json_t *contents_of(const char *facts)
{
    json_t *root = json_loads(facts, 0, NULL), *contents = NULL, *processor;
    size_t i;
    json_array_foreach(json_object_get(root, "processors"), i, processor)
    {
        json_t *fingerprint = json_object_get(json_object_get(processor, "rows"), "fingerprint");
        contents = contents || !fingerprint ? contents : json_object();
        if (fingerprint)
            json_object_set(contents, json_string_value(json_object_get(processor, "name")), fingerprint);
    }
    json_decref(root);
    return contents;
}

/* The content that this generation or the newest one below it saw, as the facts that it was decided on tell: processor -> fingerprint. NULL: none was kept. */
static enum sl_code content_seen(struct sl_worker *worker, const struct sl_gate *gate, int generation, json_t **out, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    *out = NULL;
    for (; code == SL_OK && generation > 0 && !*out; generation--) {
        struct sl_decision_record record;
        code = sl_ledger_decision_get(worker->ledger, gate->phase, gate->date, gate->profile, generation, &record, &worker->arena, err);
        if (code == SL_OK)
            *out = contents_of(record.facts);
        code = code == SL_NOT_FOUND ? SL_OK : code;
    }
    return code;
}

/* Are the rows other than those that the generation before saw? */
static enum sl_code has_changed(struct sl_worker *worker, const struct work *work, const struct sl_gate *gate, bool *changed,
                                struct sl_err *err)
{
    json_t *before = NULL;
    *changed = false;
    enum sl_code code = content_seen(worker, gate, gate->generation - 1, &before, err);
    for (size_t i = 0; code == SL_OK && i < work->facts.n_procs; i++) {
        const struct sl_proc_facts *proc = &work->facts.procs[i];
        const char *was = json_string_value(json_object_get(before, proc->processor->name));
        if (proc->fingerprint) /* what was opened by an operator brings no rows: that nothing was kept then says nothing */
            *changed |= was ? strcmp(was, proc->fingerprint) != 0 : !gate->reopened;
    }
    json_decref(before);
    return code;
}

static bool has_fired(const struct sl_gate *gate)
{
    return FIRED >> gate->state & 1;
}

enum sl_code sl_worker_follow_content(struct sl_worker *worker, const struct work *work, const struct sl_gate *gate, int64_t now_us,
                                      struct sl_err *err)
{
    bool changed = false;
    if (!work->facts.checks_gathered || gate->generation <= 1)
        return SL_OK;
    enum sl_code code = has_changed(worker, work, gate, &changed, err);
    if (code == SL_OK && !gate->reopened && has_fired(gate))
        code = sl_ledger_stale_clear(worker->ledger, gate->phase, gate->date, gate->profile, gate->generation, now_us, err);
    if (code == SL_OK && changed)
        code = mark_all(worker, work->phase, gate, "rerun", now_us, err);
    return code;
}

/* Has the processor other rows than those that its open gate saw? What can't be told counts as brought. */
static enum sl_code has_brought(struct sl_worker *worker, const struct sl_gate *gate, const struct sl_processor *processor, bool *brought,
                                struct sl_err *err)
{
    struct sl_questions questions = {.what = SL_ASK_FINGERPRINT};
    json_t *before = NULL;
    *brought = true;
    if (processor->n_sources == 0)
        return SL_OK;
    enum sl_code code = content_seen(worker, gate, gate->generation, &before, err);
    const char *was = json_string_value(json_object_get(before, processor->name));
    if (code == SL_OK && was) {
        sl_questions_add(&questions, processor->sources, gate->date, NULL);
        sl_questions_exclude(&questions, processor->sources, processor->fingerprint_exclude, processor->n_fingerprint_exclude);
        code = sl_questions_ask(&questions, worker->warehouse, &worker->arena, err);
        const char *now = code == SL_OK ? sl_questions_answer(&questions, processor->sources, gate->date, NULL).fingerprint : NULL;
        *brought = !now || strcmp(was, now) != 0;
    }
    sl_questions_fini(&questions);
    json_decref(before);
    return code;
}

enum sl_code sl_worker_mark_late(struct sl_worker *worker, const struct sl_phase *phase, const struct sl_gate *gate,
                                 const struct sl_processor *processor, int64_t now_us, struct sl_err *err)
{
    bool brought = false;
    enum sl_code code = has_brought(worker, gate, processor, &brought, err);
    return code == SL_OK && brought ? mark_all(worker, phase, gate, "late", now_us, err) : code;
}

/* ---- to make them again ---- */

/* The trigger of a phase is that of a phase before it: the first one whose gate has fired opens a generation. */
static enum sl_code reopen_before(struct sl_worker *worker, const struct sl_stale_step *step, struct work *work, int64_t now_us,
                                  struct sl_err *err)
{
    char day[SL_DATE_LEN + 1];
    for (size_t i = 0; i < step->phase->n_after; i++) {
        *work = (struct work){.phase = &worker->config->phases[step->phase->after[i]]};
        enum sl_code code = sl_ledger_gate_get(worker->ledger, work->phase->name, step->date, step->profile, 0, &work->gate, &worker->arena,
                                               err);
        work->exists = code == SL_OK;
        if (code == SL_NOT_FOUND || (code == SL_OK && !has_fired(&work->gate)))
            continue;
        return code == SL_OK ? sl_worker_reopen(worker, work, now_us, err) : code;
    }
    return sl_fail(err, SL_INVALID, "no phase before %s has an open gate for %s: nothing can trigger it", step->phase->name,
                   sl_date_format(step->date, day));
}

static enum sl_code restart(struct sl_worker *worker, const struct sl_stale_step *step, const char *who, const char *reason, int64_t now_us,
                            struct sl_err *err)
{
    struct work work = {0};
    enum sl_code code = reopen_before(worker, step, &work, now_us, err);
    for (size_t i = 0; code == SL_OK && i < step->n_marks; i++)
        code = sl_ledger_stale_triggered(worker->ledger, step->marks[i].id, now_us, err);
    return code == SL_OK ? sl_worker_action(worker, &work, "restart of a stale phase", who, reason, now_us, err) : code;
}

enum sl_code sl_worker_stale_restart(struct sl_worker *worker, const struct sl_stale_step *step, const char *who, const char *reason,
                                     int64_t now_us, struct sl_err *err)
{
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_calendar_refresh(worker, now_us, err);
    if (code == SL_OK)
        code = restart(worker, step, who, reason, now_us, err);
    return sl_worker_end(worker, code, err);
}

static bool restarts_automatically(const struct sl_stale_step *step)
{
    return step->phase->on_stale == SL_STALE_RETRIGGER && step->first && !step->triggered;
}

static bool any_restarts(const struct sl_config *config)
{
    for (size_t i = 0; i < config->n_phases; i++)
        if (config->phases[i].on_stale == SL_STALE_RETRIGGER)
            return true;
    return false;
}

/* One at a time, a minute's share apart: a rerun of an old date may make a season stale. What can't be restarted is left to operators. */
enum sl_code sl_worker_restart_stale(struct sl_worker *worker, int64_t now_us, struct sl_err *err)
{
    struct sl_stale_mark *marks = NULL;
    struct sl_stale_step *steps = NULL;
    size_t n_marks = 0, n = 0, i = 0;
    if (!any_restarts(worker->config))
        worker->stale_due_us = SL_NEVER_US;
    if (now_us < worker->stale_due_us)
        return SL_OK;
    enum sl_code code = sl_ledger_stale(worker->ledger, NULL, SL_DATE_NONE, SL_DATE_NONE, &marks, &n_marks, &worker->arena, err);
    if (code != SL_OK)
        return code;
    sl_stale_plan(&steps, &n, worker->config, marks, n_marks, &worker->arena);
    worker->stale_due_us = SL_NEVER_US;
    while (i < n && !restarts_automatically(&steps[i]))
        i++;
    if (i == n)
        return SL_OK;
    worker->stale_due_us = now_us + 60000000LL / worker->config->worker.retriggers_per_minute;
    code = restart(worker, &steps[i], "sluice", "on_stale: retrigger", now_us, err);
    if (code != SL_INVALID)
        return code;
    sl_log(SL_WARNING, "a stale phase could not be restarted", {"phase", steps[i].phase->name}, {"why", err->text});
    for (size_t k = 0; k < steps[i].n_marks; k++) { /* as if it had been: it stays on the list, and is not tried again */
        code = sl_ledger_stale_triggered(worker->ledger, steps[i].marks[k].id, now_us, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}
