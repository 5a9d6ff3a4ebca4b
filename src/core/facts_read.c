/* facts_read.c - stored facts back to what a decision is made from: the text that sl_facts_json() wrote, under a config.
 *
 * Processors, phases and tables are found by name in the config that is passed. It may be another one than the facts were gathered under: what it no longer names is
 * left out, what it names in addition has no facts, and whether a processor is required is what it says. Under the same config the decision is the recorded one.
 * The text is not trusted: every type, range and count is looked at, and the first fault ends the reading. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "facts_read_internal.h"

void sl_facts_fault(struct sl_facts_reader *r, const char *fmt, ...)
{
    char text[256];
    va_list args;
    if (r->failed)
        return;
    r->failed = true;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    sl_fail(r->err, SL_CORRUPT, "stored facts: %s", text);
}

/* ---- typed looks ---- */

static const json_t *look(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

const char *sl_facts_text(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    const json_t *value = look(object, key);
    if (value && !json_is_string(value))
        sl_facts_fault(r, "%s is no text", key);
    return sl_arena_strdup(r->arena, json_string_value(value));
}

int64_t sl_facts_int(struct sl_facts_reader *r, const json_t *object, const char *key, int64_t least, int64_t most, int64_t fallback)
{
    const json_t *value = look(object, key);
    if (!value)
        return fallback;
    int64_t number = json_integer_value(value);
    if (json_is_integer(value) && number >= least && number <= most)
        return number;
    sl_facts_fault(r, "%s is no whole number from %" PRId64 " to %" PRId64, key, least, most);
    return fallback;
}

size_t sl_facts_count(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    return (size_t)sl_facts_int(r, object, key, 0, INT32_MAX, 0);
}

double sl_facts_number(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    const json_t *value = look(object, key);
    if (value && !json_is_number(value))
        sl_facts_fault(r, "%s is no number", key);
    return json_number_value(value);
}

bool sl_facts_bool(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    const json_t *value = look(object, key);
    if (value && !json_is_boolean(value))
        sl_facts_fault(r, "%s is neither true nor false", key);
    return json_is_true(value);
}

sl_date sl_facts_date(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    sl_date date = SL_DATE_NONE;
    const json_t *value = look(object, key);
    if (value && (!json_is_string(value) || !sl_date_parse(json_string_value(value), json_string_length(value), &date)))
        sl_facts_fault(r, "%s is no date", key);
    return date;
}

static int64_t read_time(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    int64_t us = 0;
    bool has_offset = false;
    const json_t *value = look(object, key);
    if (value && (!json_is_string(value) || !sl_time_parse(json_string_value(value), json_string_length(value), &us, &has_offset) ||
                  !has_offset || us <= 0))
        sl_facts_fault(r, "%s is no instant after 1970", key);
    return us;
}

const json_t *sl_facts_object(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    const json_t *value = look(object, key);
    if (value && !json_is_object(value))
        sl_facts_fault(r, "%s is no object", key);
    return json_is_object(value) ? value : NULL;
}

const json_t *sl_facts_array(struct sl_facts_reader *r, const json_t *object, const char *key)
{
    const json_t *value = look(object, key);
    if (value && !json_is_array(value))
        sl_facts_fault(r, "%s is no list", key);
    return json_is_array(value) ? value : NULL;
}

/* ---- lists of names ---- */

bool sl_facts_unnamed(struct sl_facts_reader *r, const char *key, size_t n)
{
    if (n > SL_FACTS_MOST_UNNAMED - r->n_unnamed) {
        sl_facts_fault(r, "%s: more than %d things without a name", key, SL_FACTS_MOST_UNNAMED);
        return false;
    }
    r->n_unnamed += n;
    return true;
}

bool sl_facts_pad(struct sl_facts_reader *r, const char *key, size_t n, size_t n_all)
{
    if (n == n_all)
        return true;
    if (n < n_all && r->facts->truncated)
        return sl_facts_unnamed(r, key, n_all - n);
    sl_facts_fault(r, "%s has %zu names for a count of %zu", key, n, n_all);
    return false;
}

static void copy_names(struct sl_facts_reader *r, const json_t *list, const char *key, const char **names, bool gaps)
{
    size_t i;
    json_t *value;
    json_array_foreach((json_t *)list, i, value)
    {
        if (!json_is_string(value) && !(gaps && json_is_null(value)))
            sl_facts_fault(r, "%s names something that is no text", key);
        names[i] = sl_arena_strdup(r->arena, json_string_value(value));
        if (!names[i] && !gaps)
            names[i] = "?";
    }
}

const char **sl_facts_names(struct sl_facts_reader *r, const json_t *object, const char *key, size_t *n, bool gaps)
{
    const json_t *list = sl_facts_array(r, object, key);
    *n = json_array_size(list);
    const char **names = sl_arena_array(r->arena, *n + 1, sizeof *names);
    copy_names(r, list, key, names, gaps);
    return names;
}

const char **sl_facts_all_names(struct sl_facts_reader *r, const json_t *object, const char *key, size_t n_all)
{
    const json_t *list = sl_facts_array(r, object, key);
    const size_t n = json_array_size(list);
    if (!sl_facts_pad(r, key, n, n_all))
        return NULL;
    const char **names = sl_arena_array(r->arena, n_all + 1, sizeof *names);
    copy_names(r, list, key, names, false);
    for (size_t i = n; i < n_all; i++)
        names[i] = "?";
    return names;
}

/* ---- runs and rows ---- */

static const struct sl_run *read_run(struct sl_facts_reader *r, const json_t *proc, const char *key)
{
    const json_t *json = sl_facts_object(r, proc, key);
    if (!json)
        return NULL;
    struct sl_run *run = sl_arena_alloc(r->arena, sizeof *run);
    const char *status = sl_facts_text(r, json, "status");
    if (!status || !sl_status_parse(status, strlen(status), &run->status))
        sl_facts_fault(r, "a %s has no status", key);
    run->execution_id = sl_facts_text(r, json, "execution_id");
    run->timestamp_us = read_time(r, json, "timestamp");
    run->generation = (int)sl_facts_int(r, json, "generation", 0, INT32_MAX, 0);
    run->record_count = sl_facts_int(r, json, "record_count", 0, INT64_MAX, -1);
    run->records_failed = sl_facts_int(r, json, "records_failed", 0, INT64_MAX, -1);
    run->skip = sl_facts_bool(r, json, "skip_downstream_trigger");
    run->is_incremental = -1;
    return run;
}

size_t sl_facts_source(const struct sl_processor *processor, const char *name)
{
    size_t source = 1;
    while (source < processor->n_sources && strcmp(processor->sources[source].table, name) != 0)
        source++;
    return source;
}

static int by_unit(const void *a, const void *b)
{
    return strcmp(((const struct sl_served *)a)->unit, ((const struct sl_served *)b)->unit);
}

static void read_served(struct sl_facts_reader *r, const json_t *rows, struct sl_proc_facts *proc)
{
    const char *table;
    json_t *units;
    struct sl_coverage *coverage = &proc->coverage;
    const json_t *fallbacks = sl_facts_object(r, rows, "fallbacks");
    json_object_foreach((json_t *)fallbacks, table, units)
    {
        size_t n = 0;
        const char **names = sl_facts_names(r, fallbacks, table, &n, false);
        for (size_t i = 0; i < n; i++) {
            coverage->served = sl_arena_push(r->arena, coverage->served, &coverage->n_served, sizeof *coverage->served);
            coverage->served[coverage->n_served - 1] = (struct sl_served){.unit = names[i],
                                                                          .source = sl_facts_source(proc->processor, table)};
        }
    }
    if (coverage->n_served)
        qsort(coverage->served, coverage->n_served, sizeof *coverage->served, by_unit);
}

/* Names of served units that were cut off are not counted in the record: they are what is due and neither in the primary nor missing. */
static void pad_served(struct sl_facts_reader *r, struct sl_coverage *coverage)
{
    const size_t known = coverage->n_primary + coverage->n_missing + coverage->n_served, named = coverage->n_served;
    if (!r->facts->truncated || known >= coverage->n_due || !sl_facts_pad(r, "fallbacks", known, coverage->n_due))
        return;
    while (coverage->n_served < named + coverage->n_due - known) {
        coverage->served = sl_arena_push(r->arena, coverage->served, &coverage->n_served, sizeof *coverage->served);
        coverage->served[coverage->n_served - 1] = (struct sl_served){.unit = "?", .source = 1};
    }
}

static void read_rebuilt(struct sl_facts_reader *r, const json_t *rows, struct sl_coverage *coverage)
{
    size_t i;
    json_t *json;
    const json_t *list = sl_facts_array(r, rows, "reconstructions");
    coverage->rebuilt = sl_arena_array(r->arena, json_array_size(list) + 1, sizeof *coverage->rebuilt);
    json_array_foreach((json_t *)list, i, json)
    {
        struct sl_rebuilt *one = &coverage->rebuilt[coverage->n_rebuilt++];
        one->unit = sl_facts_text(r, json, "unit");
        one->rows = sl_facts_int(r, json, "rows", INT64_MIN, INT64_MAX, 0);
        one->error = sl_facts_text(r, json, "error");
    }
}

static void read_coverage(struct sl_facts_reader *r, const json_t *json, struct sl_proc_facts *proc)
{
    const json_t *rows = sl_facts_object(r, json, "rows");
    struct sl_coverage *coverage = &proc->coverage;
    if (!rows || !proc->processor->n_sources)
        return;
    coverage->asked = true;
    coverage->by_date = sl_facts_bool(r, rows, "by_date");
    coverage->n_due = sl_facts_count(r, rows, "due");
    coverage->n_primary = sl_facts_count(r, rows, "primary");
    coverage->n_missing = sl_facts_count(r, rows, "missing_count");
    read_served(r, rows, proc);
    if (coverage->by_date && coverage->n_missing > 1)
        sl_facts_fault(r, "%zu things are missing of a table that is judged by date", coverage->n_missing);
    coverage->missing = coverage->by_date ? sl_arena_array(r->arena, 1, sizeof *coverage->missing)
                                          : sl_facts_all_names(r, rows, "missing", coverage->n_missing);
    if (coverage->by_date)
        coverage->missing[0] = "";
    pad_served(r, coverage);
    coverage->source_errors = sl_facts_names(r, rows, "source_errors", &coverage->n_source_errors, true);
    read_rebuilt(r, rows, coverage);
    proc->rows_counted = json_object_get(rows, "all") != NULL;
    proc->n_rows = sl_facts_int(r, rows, "all", 0, INT64_MAX, 0);
    proc->fingerprint = sl_facts_text(r, rows, "fingerprint");
}

static void read_record(struct sl_facts_reader *r, const json_t *json, struct sl_run_said *record)
{
    const json_t *said = json_object_get(json, "run_record");
    record->asked = said != NULL;
    record->record_count = sl_facts_int(r, said, "record_count", 0, INT64_MAX, -1);
    record->found = said && sl_facts_bool(r, said, "found");
    record->status = sl_facts_text(r, said, "status");
    record->error = sl_facts_text(r, said, "error");
}

static void read_need(struct sl_facts_reader *r, const json_t *json, struct sl_proc_facts *proc)
{
    const char *need = sl_facts_text(r, json, "required");
    if (!need || (strcmp(need, "critical") != 0 && strcmp(need, "optional") != 0))
        sl_facts_fault(r, "%s is neither critical nor optional", proc->processor->name);
}

void sl_facts_read_procs(struct sl_facts_reader *r, const json_t *list, const struct sl_phase *phase, struct sl_proc_facts *procs)
{
    size_t i;
    json_t *json;
    for (size_t p = 0; p < phase->n_processors; p++) {
        procs[p].processor = &phase->processors[p];
        procs[p].need = phase->processors[p].need[r->facts->profile];
    }
    json_array_foreach((json_t *)list, i, json)
    {
        const char *name = sl_facts_text(r, json, "name");
        const struct sl_processor *processor = name ? sl_phase_processor(phase, name) : NULL;
        if (!name)
            sl_facts_fault(r, "a processor has no name");
        if (!processor)
            continue;
        struct sl_proc_facts *proc = &procs[processor - phase->processors];
        read_need(r, json, proc);
        proc->run = read_run(r, json, "run");
        proc->running = read_run(r, json, "running");
        sl_facts_read_reported(r, json, &proc->reported);
        read_record(r, json, &proc->record);
        read_coverage(r, json, proc);
        sl_facts_read_quality(r, json, proc);
    }
}

/* ---- the rest, up to the barrier ---- */

static void read_identity(struct sl_facts_reader *r, const json_t *root)
{
    struct sl_facts *facts = r->facts;
    const char *profile = sl_facts_text(r, root, "profile");
    facts->date = sl_facts_date(r, root, "date");
    facts->today = sl_facts_date(r, root, "today");
    facts->now_us = read_time(r, root, "now");
    facts->generation = (int)sl_facts_int(r, root, "generation", 1, INT32_MAX, 0);
    facts->config_hash = sl_facts_text(r, root, "config_hash");
    if (!profile || !sl_profile_parse(profile, &facts->profile))
        sl_facts_fault(r, "there is no profile");
    if (facts->date == SL_DATE_NONE || facts->today == SL_DATE_NONE || facts->now_us == 0 || facts->generation == 0)
        sl_facts_fault(r, "date, today, now or generation is missing");
}

/* Without a calendar the date is its own unit. Of the done units only their number is kept. */
static void read_calendar(struct sl_facts_reader *r, const json_t *root)
{
    struct sl_facts *facts = r->facts;
    const json_t *calendar = sl_facts_object(r, root, "calendar");
    facts->has_calendar = calendar != NULL;
    facts->season_first = sl_facts_date(r, calendar, "season_first");
    facts->n_planned = facts->has_calendar ? sl_facts_count(r, calendar, "planned") : 1;
    facts->n_done = facts->has_calendar ? sl_facts_count(r, calendar, "done") : 1;
    facts->season = sl_facts_text(r, calendar, "season");
    facts->calendar_suspect = sl_facts_bool(r, calendar, "suspect");
    facts->date_lost_units = sl_facts_bool(r, calendar, "date_lost_units");
    facts->calendar_error = sl_facts_text(r, calendar, "error");
    if (facts->n_done > facts->n_planned)
        sl_facts_fault(r, "more units are done than planned");
    else if (facts->has_calendar) {
        facts->n_not_done = facts->n_planned - facts->n_done;
        facts->not_done = sl_facts_all_names(r, calendar, "not_done", facts->n_not_done);
    }
}

static void read_clocks(struct sl_facts_reader *r, const json_t *root)
{
    struct sl_facts *facts = r->facts;
    const int64_t ten_thousand_years_ms = INT64_C(315569520000000);
    const json_t *clocks = sl_facts_object(r, root, "clocks");
    facts->drained = sl_facts_bool(r, clocks, "drained");
    facts->clock_ms = sl_facts_int(r, clocks, "clock_ms", -1, ten_thousand_years_ms, -1);
    facts->first_completion_us = read_time(r, clocks, "first_completion");
    facts->last_report_us = read_time(r, clocks, "last_report");
    facts->settled = sl_facts_bool(r, clocks, "settled");
    facts->in_progress = sl_facts_bool(r, clocks, "in_progress");
    facts->blocked_by_gaps_since_us = read_time(r, clocks, "blocked_by_gaps_since");
}

static void read_suppression(struct sl_facts_reader *r, const json_t *root)
{
    struct sl_facts *facts = r->facts;
    const json_t *held = sl_facts_object(r, root, "suppression");
    facts->worker_skip = sl_facts_bool(r, held, "worker_skip");
    facts->skip_by = sl_facts_names(r, held, "skip_by", &facts->n_skip_by, false);
    facts->hold_id = sl_facts_int(r, held, "hold_id", INT64_MIN, INT64_MAX, 0);
    facts->hold_reason = sl_facts_text(r, held, "hold_reason");
    facts->released = sl_facts_bool(r, held, "released");
    facts->forced = sl_facts_bool(r, held, "forced");
    facts->retriggered = sl_facts_bool(r, held, "retriggered");
    facts->late = sl_facts_names(r, root, "late", &facts->n_late, false);
}

static enum sl_code find_phase(struct sl_facts_reader *r, const json_t *root)
{
    const char *name = sl_facts_text(r, root, "phase");
    r->facts->phase = name ? sl_config_phase(r->config, name) : NULL;
    if (r->facts->phase)
        return SL_OK;
    return name ? sl_fail(r->err, SL_NOT_FOUND, "the config names no phase %.80s", name)
                : sl_fail(r->err, SL_CORRUPT, "stored facts: there is no phase");
}

static enum sl_code read_root(struct sl_facts_reader *r, const json_t *root)
{
    enum sl_code code = find_phase(r, root);
    if (code != SL_OK)
        return code;
    r->facts->truncated = sl_facts_bool(r, root, "truncated");
    read_identity(r, root);
    read_calendar(r, root);
    r->facts->n_procs = r->facts->phase->n_processors;
    r->facts->procs = sl_arena_array(r->arena, r->facts->n_procs + 1, sizeof *r->facts->procs);
    sl_facts_read_procs(r, sl_facts_array(r, root, "processors"), r->facts->phase, r->facts->procs);
    read_clocks(r, root);
    read_suppression(r, root);
    sl_facts_read_checks(r, root);
    return r->failed ? SL_CORRUPT : SL_OK;
}

enum sl_code sl_facts_read(struct sl_facts *out, const struct sl_config *config, const char *text, size_t len, struct sl_arena *arena,
                           struct sl_err *err)
{
    json_error_t error;
    struct sl_facts_reader reader = {.config = config, .facts = out, .arena = arena, .err = err};
    *out = (struct sl_facts){.season_first = SL_DATE_NONE, .gaps_from = SL_DATE_NONE, .gaps_to = SL_DATE_NONE};
    json_t *root = json_loadb(text, len, 0, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return sl_fail(err, SL_CORRUPT, "stored facts are no JSON object: %s", root ? "another type" : error.text);
    }
    enum sl_code code = read_root(&reader, root);
    json_decref(root);
    return code;
}
