/* calendar.c - the calendar as the worker sees it: planned units by date, and whether it can be trusted.
 *
 * It is read again only when the warehouse may have changed. What is read is compared with the units that the ledger remembers: a table that is empty, or a season that lost
 * more than calendar.suspect_above of its units, is suspect; the memory is then kept as it is, so that a broken import can't talk the ledger out of it. Otherwise the memory
 * takes over the new state, and gates of dates whose units changed become due. */
#include <stdlib.h>
#include <string.h>

#include "worker_internal.h"

static int compare_keys(sl_date date_a, const char *unit_a, sl_date date_b, const char *unit_b)
{
    if (date_a != date_b)
        return date_a < date_b ? -1 : 1;
    return strcmp(unit_a, unit_b);
}

static size_t first_row_at(const struct sl_calendar *calendar, sl_date date)
{
    size_t low = 0, high = calendar->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (calendar->rows[middle].date < date)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t sl_calendar_units(const struct sl_calendar *calendar, sl_date from, sl_date to, const struct sl_calendar_row **out)
{
    size_t first = first_row_at(calendar, from), end = to == INT32_MAX ? calendar->n : first_row_at(calendar, to + 1);
    *out = calendar->rows ? calendar->rows + first : NULL;
    return end > first ? end - first : 0;
}

bool sl_calendar_has_dates(const struct sl_calendar *calendar)
{
    return calendar->n > 0;
}

void sl_calendar_fini(struct sl_calendar *calendar)
{
    sl_arena_fini(&calendar->arena);
    memset(calendar, 0, sizeof *calendar);
}

static struct season *season_find(const struct sl_calendar *calendar, const char *name)
{
    for (size_t i = 0; i < calendar->n_seasons; i++)
        if (!strcmp(calendar->seasons[i].name, name))
            return &calendar->seasons[i];
    return NULL;
}

sl_date sl_calendar_season_first(const struct sl_calendar *calendar, const char *season)
{
    const struct season *found = season_find(calendar, season ? season : "");
    return found ? found->first : SL_DATE_NONE;
}

sl_date sl_calendar_season_of(const struct sl_calendar *calendar, sl_date date)
{
    const struct sl_calendar_row *rows = NULL;
    sl_date first = SL_DATE_NONE;
    if (sl_calendar_units(calendar, date, date, &rows))
        return sl_calendar_season_first(calendar, rows[0].season);
    for (size_t i = 0; i < calendar->n_seasons; i++)
        if (calendar->seasons[i].first <= date && calendar->seasons[i].first > first)
            first = calendar->seasons[i].first;
    return first;
}

static void count_seasons(struct sl_calendar *calendar)
{
    struct season *last = NULL;
    for (size_t i = 0; i < calendar->n; i++) {
        const char *name = calendar->rows[i].season ? calendar->rows[i].season : "";
        if (!last || strcmp(last->name, name) != 0)
            last = season_find(calendar, name);
        if (!last) {
            calendar->seasons = sl_arena_push(&calendar->arena, calendar->seasons, &calendar->n_seasons, sizeof *calendar->seasons);
            last = &calendar->seasons[calendar->n_seasons - 1];
            *last = (struct season){.name = name, .first = calendar->rows[i].date};
        }
        last->n++;
    }
}

static enum sl_code read_rows(struct sl_worker *worker, struct sl_calendar *calendar, struct sl_err *err)
{
    struct sl_calendar_row *rows = NULL;
    size_t n = 0;
    enum sl_code code = sl_warehouse_calendar(worker->warehouse, worker->config->calendar, &rows, &n, &calendar->arena, err);
    if (code == SL_NOT_FOUND || code == SL_INVALID) { /* a finding about the calendar, not a trouble of ours */
        calendar->error = sl_arena_strdup(&calendar->arena, err->text);
        return SL_OK;
    }
    if (code != SL_OK)
        return code;
    calendar->rows = rows;
    for (size_t i = 0; i < n; i++) {
        if (!rows[i].planned)
            continue;
        rows[calendar->n] = rows[i];
        if (!rows[i].unit) { /* the date is the unit */
            char *day = sl_arena_alloc(&calendar->arena, SL_DATE_LEN + 1);
            rows[calendar->n].unit = sl_date_format(rows[i].date, day);
        }
        calendar->n++;
    }
    count_seasons(calendar);
    return SL_OK;
}

/* ---- against the ledger's memory ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **unit_names(const struct sl_calendar *calendar, struct sl_arena *arena)
{
    const char **names = sl_arena_array(arena, calendar->n + 1, sizeof *names);
    for (size_t i = 0; i < calendar->n; i++)
        names[i] = calendar->rows[i].unit;
    if (calendar->n)
        qsort(names, calendar->n, sizeof *names, compare_names);
    return names;
}

struct loss {
    const char *season;
    size_t remembered, lost;
};

static struct loss *loss_of(struct loss **losses, size_t *n, const char *season, struct sl_arena *arena)
{
    const char *name = season ? season : "";
    for (size_t i = 0; i < *n; i++)
        if (!strcmp((*losses)[i].season, name))
            return &(*losses)[i];
    *losses = sl_arena_push(arena, *losses, n, sizeof **losses);
    (*losses)[*n - 1].season = name;
    return &(*losses)[*n - 1];
}

static void find_lost(struct sl_worker *worker, struct sl_calendar *calendar, const struct sl_known_unit *units, size_t n)
{
    struct sl_arena *arena = &calendar->arena;
    const char **names = unit_names(calendar, arena);
    struct loss *losses = NULL;
    size_t n_losses = 0;
    for (size_t i = 0; i < n; i++) {
        struct loss *loss = loss_of(&losses, &n_losses, units[i].season, arena);
        loss->remembered++;
        if (calendar->n && bsearch(&units[i].unit, names, calendar->n, sizeof *names, compare_names))
            continue;
        loss->lost++;
        calendar->lost = sl_arena_push(arena, calendar->lost, &calendar->n_lost, sizeof *calendar->lost);
        calendar->lost[calendar->n_lost - 1] = (struct sl_key){.date = units[i].date, .unit = sl_arena_strdup(arena, units[i].unit)};
    }
    for (size_t i = 0; i < n_losses && !calendar->suspect; i++) {
        if ((double)losses[i].lost <= worker->config->calendar->suspect_above * (double)losses[i].remembered)
            continue;
        calendar->suspect = true;
        calendar->suspect_season = sl_arena_strdup(arena, losses[i].season);
        calendar->suspect_sentence = sl_arena_printf(arena, "%s lost %zu of the %zu units of season %s that the ledger remembers",
                                                     worker->config->calendar->table, losses[i].lost, losses[i].remembered,
                                                     *losses[i].season ? losses[i].season : "(none)");
    }
    if (calendar->n == 0 && !calendar->suspect) {
        calendar->suspect = true;
        calendar->suspect_season = "";
        calendar->suspect_sentence = sl_arena_printf(arena, "%s has no planned unit", worker->config->calendar->table);
    }
}

static bool same_unit(const struct sl_known_unit *known, const struct sl_calendar_row *row)
{
    return known->done == row->done;
}

/* Walk both sorted lists; every date on which they differ makes its gates due. */
static enum sl_code due_for_changes(struct sl_worker *worker, const struct sl_calendar *calendar, const struct sl_known_unit *units,
                                    size_t n, int64_t now_us, struct sl_err *err)
{
    sl_date last = SL_DATE_NONE;
    for (size_t i = 0, k = 0; i < calendar->n || k < n;) {
        int order = i == calendar->n ? 1
                    : k == n         ? -1
                                     : compare_keys(calendar->rows[i].date, calendar->rows[i].unit, units[k].date, units[k].unit);
        bool changed = order != 0 || !same_unit(&units[k], &calendar->rows[i]);
        sl_date date = order <= 0 ? calendar->rows[i].date : units[k].date;
        i += order <= 0;
        k += order >= 0;
        if (!changed || date == last)
            continue;
        int64_t made = 0;
        enum sl_code code = sl_ledger_gates_make_due(worker->ledger, NULL, date, date, now_us, &made, err);
        if (code != SL_OK)
            return code;
        last = date;
    }
    return SL_OK;
}

static bool memory_differs(const struct sl_calendar *calendar, const struct sl_known_unit *units, size_t n)
{
    if (n != calendar->n)
        return true;
    for (size_t i = 0; i < n; i++) {
        const struct sl_calendar_row *row = &calendar->rows[i];
        if (compare_keys(row->date, row->unit, units[i].date, units[i].unit) != 0 || !same_unit(&units[i], row) ||
            strcmp(units[i].season ? units[i].season : "", row->season ? row->season : "") != 0)
            return true;
    }
    return false;
}

static enum sl_code remember(struct sl_worker *worker, const struct sl_calendar *calendar, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_known_unit *units = sl_arena_array(arena, calendar->n + 1, sizeof *units);
    for (size_t i = 0; i < calendar->n; i++)
        units[i] = (struct sl_known_unit){.unit = calendar->rows[i].unit,
                                          .date = calendar->rows[i].date,
                                          .season = calendar->rows[i].season,
                                          .done = calendar->rows[i].done};
    return sl_ledger_units_set(worker->ledger, units, calendar->n, err);
}

/* Once per season and day, in the pipeline's zone. */
static enum sl_code say_suspect(struct sl_worker *worker, const struct sl_calendar *calendar, int64_t now_us, struct sl_err *err)
{
    char today[SL_DATE_LEN + 1];
    struct sl_event event = sl_event_make("calendar_suspect", SL_SEV_CRITICAL, now_us);
    event.table = event.primary_source = worker->config->calendar->table;
    event.primary_source_status = calendar->n ? "partial" : "missing";
    event.season = *calendar->suspect_season ? calendar->suspect_season : NULL;
    event.source = sl_arena_printf(&worker->arena, "%s/%s", calendar->suspect_season,
                                   sl_date_format(sl_zone_date(worker->config->zone, now_us), today));
    event.description = calendar->suspect_sentence;
    event.requires_alert = true;
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

/* Gates that an unreadable or suspect calendar held are due once it can be trusted again. */
static enum sl_code due_for_trust(struct sl_worker *worker, struct sl_arena *arena, int64_t now_us, struct sl_err *err)
{
    const sl_reasons held = SL_REASON_BIT(SL_REASON_CALENDAR_SUSPECT) | SL_REASON_BIT(SL_REASON_CHECK_ERROR);
    struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .states = 1u << SL_WAITING | 1u << SL_BLOCKED};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_gates(worker->ledger, &filter, &gates, &n, arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        if (!(gates[i].reasons & held))
            continue;
        gates[i].due_us = now_us;
        code = sl_ledger_gate_touch(worker->ledger, &gates[i], err);
    }
    return code;
}

static enum sl_code compare_with_memory(struct sl_worker *worker, struct sl_calendar *calendar, bool was_trusted, int64_t now_us,
                                        struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_known_unit *units = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_units(worker->ledger, &units, &n, &arena, err);
    if (code == SL_OK)
        find_lost(worker, calendar, units, n);
    if (code == SL_OK && calendar->suspect)
        code = say_suspect(worker, calendar, now_us, err);
    else if (code == SL_OK && memory_differs(calendar, units, n)) {
        code = n ? due_for_changes(worker, calendar, units, n, now_us, err) : SL_OK;
        if (code == SL_OK)
            code = remember(worker, calendar, &arena, err);
    }
    if (code == SL_OK && !calendar->suspect && !was_trusted)
        code = due_for_trust(worker, &arena, now_us, err);
    sl_arena_fini(&arena);
    return code;
}

bool sl_calendar_is_stale(struct sl_worker *worker)
{
    const struct sl_calendar *calendar = &worker->calendar;
    int64_t version = 0;
    if (!worker->config->calendar)
        return false;
    if (!calendar->loaded || !calendar->has_version)
        return true;
    return !sl_warehouse_version(worker->warehouse, worker->config->calendar->table, &version) || version != calendar->version;
}

enum sl_code sl_calendar_refresh(struct sl_worker *worker, int64_t now_us, struct sl_err *err)
{
    if (!sl_calendar_is_stale(worker))
        return SL_OK;
    struct sl_calendar *calendar = &worker->calendar;
    const bool was_trusted = calendar->loaded && !calendar->error && !calendar->suspect;
    sl_calendar_fini(calendar);
    calendar->has_version = sl_warehouse_version(worker->warehouse, worker->config->calendar->table, &calendar->version);
    enum sl_code code = read_rows(worker, calendar, err);
    if (code == SL_OK && !calendar->error)
        code = compare_with_memory(worker, calendar, was_trusted, now_us, err);
    calendar->loaded = code == SL_OK;
    return code;
}

bool sl_calendar_lost_on(const struct sl_calendar *calendar, sl_date date)
{
    for (size_t i = 0; i < calendar->n_lost; i++)
        if (calendar->lost[i].date == date)
            return true;
    return false;
}

enum sl_code sl_worker_calendar(struct sl_worker *worker, const struct sl_calendar **out, struct sl_err *err)
{
    struct sl_calendar *calendar = &worker->calendar;
    *out = calendar;
    if (!worker->config->calendar)
        return sl_fail(err, SL_NOT_FOUND, "the pipeline has no calendar");
    if (!calendar->loaded) {
        sl_calendar_fini(calendar);
        enum sl_code code = read_rows(worker, calendar, err);
        if (code != SL_OK)
            return code;
    }
    return calendar->error ? sl_fail(err, SL_NOT_FOUND, "%s", calendar->error) : SL_OK;
}
