/* operator.c - what an operator changes: accepted gaps and holds. Each change, the gates that it makes due and the record of who did it are one transaction; deciding
 * them comes after it, by the running worker or, when there is none, by the command itself. */
#include <sluice/ops.h>

#include <sluice/file.h>

#define FIRST_DATE (-719162) /* 0001-01-01 */
#define LAST_DATE  2932896   /* 9999-12-31 */

enum sl_code sl_ops_record_act(const struct sl_ops *ops, const struct sl_operator_act *act, struct sl_arena *arena, struct sl_err *err)
{
    const char *cells[SL_N_LOG_COLUMNS];
    char now[SL_TIME_LEN + 1];
    bool is_new;
    struct sl_event event = sl_event_make("operator_action", SL_SEV_INFO, ops->now_us);
    event.phase = act->phase;
    event.table = act->table;
    event.unit = act->unit;
    event.date = act->date;
    event.description = sl_arena_printf(arena, "%s: %s%s%s", act->who, act->what, act->reason == NULL ? "" : ": ",
                                        act->reason == NULL ? "" : act->reason);
    event.resolution_details = act->reason;
    event.resolved_by = act->who;
    /* the same act at another time is another event */
    event.source = sl_arena_printf(arena, "%s %s", act->what, sl_time_format(ops->now_us, now));
    sl_event_identify(&event, ops->config->pipeline);
    sl_event_cells(&event, ops->config->environment, arena, cells);
    return sl_ledger_event_add(ops->ledger, cells, &is_new, err);
}

static enum sl_code decide_all(const struct sl_ops *ops, struct sl_err *err)
{
    bool more = true;
    enum sl_code code = sl_worker_start(ops->worker, ops->now_us, err);
    while (code == SL_OK && more)
        code = sl_worker_tick(ops->worker, ops->now_us, &more, err);
    if (code == SL_OK)
        code = sl_worker_stamp(ops->worker, ops->now_us, err);
    return code == SL_OK ? sl_worker_load(ops->worker, ops->now_us, true, err) : code;
}

enum sl_code sl_ops_decide_due(const struct sl_ops *ops, bool *left_to_worker, struct sl_err *err)
{
    struct sl_lock *lock = NULL;
    enum sl_code code = sl_worker_lock(&lock, ops->config, 0, err);
    *left_to_worker = code == SL_UNAVAILABLE;
    if (*left_to_worker)
        return SL_OK;
    if (code == SL_OK)
        code = decide_all(ops, err);
    sl_lock_free(&lock);
    return code;
}

static enum sl_code unit_date(const struct sl_ops *ops, const char *unit, sl_date *out, struct sl_arena *arena, struct sl_err *err)
{
    const struct sl_calendar_config *calendar = ops->config->calendar;
    struct sl_calendar_row *rows = NULL;
    size_t n = 0;
    if (calendar == NULL)
        return sl_fail(err, SL_NOT_FOUND, "the pipeline has no calendar, so a unit has no date; say --date");
    enum sl_code code = sl_warehouse_calendar(ops->warehouse, calendar, &rows, &n, arena, err);
    if (code != SL_OK)
        return code;
    for (size_t i = 0; i < n; i++)
        if (rows[i].planned && sl_str_eq(rows[i].unit, unit)) {
            *out = rows[i].date;
            return SL_OK;
        }
    return sl_fail(err, SL_NOT_FOUND, "the calendar %s plans no unit %s", calendar->table, unit);
}

static enum sl_code end(const struct sl_ops *ops, enum sl_code code, struct sl_err *err)
{
    if (code == SL_OK)
        return sl_ledger_commit(ops->ledger, err);
    sl_ledger_rollback(ops->ledger);
    return code;
}

/* The gates of its phase whose look-back holds the date. */
/* For how many days after it gates look at a date: in their look-back, or in the window of their completeness, whose units are those of a season. */
static int days_looked_at(const struct sl_phase *phase)
{
    enum { SEASON = 366 };
    const struct sl_window window = phase->checks.completeness.window;
    int days = phase->checks.gaps.look_back_days;
    if (phase->checks.completeness.mode != SL_OFF) {
        const int reach = window.kind == SL_WINDOW_DAYS && window.n < SEASON ? window.n : SEASON;
        days = reach > days ? reach : days;
    }
    return days;
}

static enum sl_code make_due(const struct sl_ops *ops, const struct sl_known_gap *gap, sl_date date, struct sl_err *err)
{
    const struct sl_phase *phase = sl_config_phase(ops->config, gap->phase);
    sl_date last = date + (phase == NULL ? 0 : days_looked_at(phase));
    int64_t n;
    return sl_ledger_gates_make_due(ops->ledger, gap->phase, date, last, ops->now_us, &n, err);
}

static enum sl_code add_known_gap(const struct sl_ops *ops, struct sl_known_gap *gap, sl_date date, struct sl_arena *arena,
                                  struct sl_err *err)
{
    gap->created_us = ops->now_us;
    enum sl_code code = sl_ledger_known_gap_add(ops->ledger, gap, err);
    if (code == SL_OK)
        code = make_due(ops, gap, date, err);
    if (code != SL_OK)
        return code;
    struct sl_operator_act act = {
        .what = sl_arena_printf(arena, "known-gaps add %lld", (long long)gap->id),
        .who = gap->who,
        .reason = gap->reason,
        .phase = gap->phase,
        .table = gap->table,
        .unit = gap->unit,
        .date = date,
    };
    return sl_ops_record_act(ops, &act, arena, err);
}

/* The date itself, or that of the unit. */
static enum sl_code date_of_gap(const struct sl_ops *ops, const struct sl_known_gap *gap, sl_date *out, struct sl_arena *arena,
                                struct sl_err *err)
{
    *out = gap->date;
    return gap->unit == NULL ? SL_OK : unit_date(ops, gap->unit, out, arena, err);
}

enum sl_code sl_ops_known_gap_add(const struct sl_ops *ops, struct sl_known_gap *gaps, size_t n, struct sl_arena *arena, struct sl_err *err)
{
    sl_date *dates = sl_arena_array(arena, n, sizeof *dates);
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = date_of_gap(ops, &gaps[i], &dates[i], arena, err);
    if (code == SL_OK)
        code = sl_ledger_begin(ops->ledger, err);
    if (code != SL_OK)
        return code;
    for (size_t i = 0; code == SL_OK && i < n; i++)
        code = add_known_gap(ops, &gaps[i], dates[i], arena, err);
    return end(ops, code, err);
}

static enum sl_code find_known_gap(const struct sl_ops *ops, int64_t id, struct sl_known_gap *out, struct sl_arena *arena,
                                   struct sl_err *err)
{
    struct sl_known_gap *gaps = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_known_gaps(ops->ledger, &gaps, &n, arena, err);
    if (code != SL_OK)
        return code;
    for (size_t i = 0; i < n; i++)
        if (gaps[i].id == id) {
            *out = gaps[i];
            return SL_OK;
        }
    return sl_fail(err, SL_NOT_FOUND, "there is no known gap %lld", (long long)id);
}

static enum sl_code remove_known_gap(const struct sl_ops *ops, const struct sl_known_gap *gap, const char *who, const char *reason,
                                     struct sl_arena *arena, struct sl_err *err)
{
    sl_date date = gap->date;
    enum sl_code code = sl_ledger_known_gap_remove(ops->ledger, gap->id, err);
    if (code == SL_OK && date_of_gap(ops, gap, &date, arena, err) == SL_OK)
        code = make_due(ops, gap, date, err);
    else if (code == SL_OK) /* its unit has left the calendar: any gate of the phase may have leant on it */
        code = sl_ledger_gates_make_due(ops->ledger, gap->phase, FIRST_DATE, LAST_DATE, ops->now_us, &(int64_t){0}, err);
    if (code != SL_OK)
        return code;
    struct sl_operator_act act = {
        .what = sl_arena_printf(arena, "known-gaps remove %lld", (long long)gap->id),
        .who = who,
        .reason = reason,
        .phase = gap->phase,
        .table = gap->table,
        .unit = gap->unit,
        .date = date,
    };
    return sl_ops_record_act(ops, &act, arena, err);
}

enum sl_code sl_ops_known_gap_remove(const struct sl_ops *ops, int64_t id, const char *who, const char *reason, struct sl_arena *arena,
                                     struct sl_err *err)
{
    struct sl_known_gap gap = {0};
    enum sl_code code = sl_ledger_begin(ops->ledger, err);
    if (code != SL_OK)
        return code;
    code = find_known_gap(ops, id, &gap, arena, err);
    if (code == SL_OK)
        code = remove_known_gap(ops, &gap, who, reason, arena, err);
    return end(ops, code, err);
}

static enum sl_code hold_changed(const struct sl_ops *ops, const char *verb, const struct sl_hold *hold, const char *who,
                                 const char *reason, struct sl_arena *arena, struct sl_err *err)
{
    int64_t n;
    sl_date from = hold->from == SL_DATE_NONE ? FIRST_DATE : hold->from;
    sl_date to = hold->to == SL_DATE_NONE ? LAST_DATE : hold->to;
    enum sl_code code = sl_ledger_gates_make_due(ops->ledger, hold->phase, from, to, ops->now_us, &n, err);
    if (code != SL_OK)
        return code;
    struct sl_operator_act act = {
        .what = sl_arena_printf(arena, "hold %s %lld", verb, (long long)hold->id),
        .who = who,
        .reason = reason,
        .phase = hold->phase,
        .date = hold->from,
    };
    return sl_ops_record_act(ops, &act, arena, err);
}

enum sl_code sl_ops_hold_add(const struct sl_ops *ops, struct sl_hold *hold, struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = sl_ledger_begin(ops->ledger, err);
    if (code != SL_OK)
        return code;
    hold->created_us = ops->now_us;
    code = sl_ledger_hold_add(ops->ledger, hold, err);
    if (code == SL_OK)
        code = hold_changed(ops, "add", hold, hold->who, hold->reason, arena, err);
    return end(ops, code, err);
}

static enum sl_code find_hold(const struct sl_ops *ops, int64_t id, struct sl_hold *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_hold *holds = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_holds(ops->ledger, &holds, &n, arena, err);
    if (code != SL_OK)
        return code;
    for (size_t i = 0; i < n; i++)
        if (holds[i].id == id) {
            *out = holds[i];
            return SL_OK;
        }
    return sl_fail(err, SL_NOT_FOUND, "there is no hold %lld", (long long)id);
}

enum sl_code sl_ops_hold_remove(const struct sl_ops *ops, int64_t id, const char *who, const char *reason, struct sl_arena *arena,
                                struct sl_err *err)
{
    struct sl_hold hold;
    enum sl_code code = sl_ledger_begin(ops->ledger, err);
    if (code != SL_OK)
        return code;
    code = find_hold(ops, id, &hold, arena, err);
    if (code == SL_OK)
        code = sl_ledger_hold_remove(ops->ledger, id, err);
    if (code == SL_OK)
        code = hold_changed(ops, "remove", &hold, who, reason, arena, err);
    return end(ops, code, err);
}
