/* gate_json.c - facts as JSON, in a fixed order, for the record. Facts hold what is missing and counts; lists are cut when the whole would be larger than
 * SL_FACTS_MAX_BYTES, and the record then says "truncated": true. */
#include "gate_json_internal.h"

void sl_facts_put_names(struct sl_json *json, const char *key, const char *const *names, size_t n, size_t most)
{
    if (n)
        sl_json_put_strs(json, key, names, n < most ? n : most);
}

static void put_run(struct sl_json *json, const char *key, const struct sl_run *run)
{
    if (!run)
        return;
    sl_json_key(json, key);
    sl_json_object(json);
    sl_json_put_str(json, "execution_id", run->execution_id);
    sl_json_put_str(json, "status", sl_status_name(run->status));
    sl_json_put_time(json, "timestamp", run->timestamp_us);
    sl_json_put_int(json, "generation", run->generation);
    if (run->record_count >= 0)
        sl_json_put_int(json, "record_count", run->record_count);
    if (run->records_failed > 0)
        sl_json_put_int(json, "records_failed", run->records_failed);
    if (run->skip)
        sl_json_put_bool(json, "skip_downstream_trigger", true);
    sl_json_end_object(json);
}

static void put_served(struct sl_json *json, const struct sl_proc_facts *proc, size_t most)
{
    const struct sl_coverage *coverage = &proc->coverage;
    if (coverage->n_served == 0)
        return;
    sl_json_key(json, "fallbacks");
    sl_json_object(json);
    for (size_t source = 1; source <= proc->processor->n_sources; source++) {
        size_t n = 0;
        for (size_t i = 0; i < coverage->n_served; i++) {
            if (coverage->served[i].source != source || n >= most)
                continue;
            if (n++ == 0) {
                sl_json_key(json, sl_source_name(proc->processor, source));
                sl_json_array(json);
            }
            sl_json_str(json, coverage->served[i].unit);
        }
        if (n)
            sl_json_end_array(json);
    }
    sl_json_end_object(json);
}

static void put_rebuilt(struct sl_json *json, const struct sl_coverage *coverage, size_t most)
{
    if (coverage->n_rebuilt == 0)
        return;
    sl_json_key(json, "reconstructions");
    sl_json_array(json);
    for (size_t i = 0; i < coverage->n_rebuilt && i < most; i++) {
        sl_json_object(json);
        sl_json_put_str(json, "unit", coverage->rebuilt[i].unit);
        sl_json_put_int(json, "rows", coverage->rebuilt[i].rows);
        if (coverage->rebuilt[i].error)
            sl_json_put_str(json, "error", coverage->rebuilt[i].error);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
}

/* What the processors' own run history says. */
static void put_record(struct sl_json *json, const struct sl_run_said *record)
{
    if (!record->asked)
        return;
    sl_json_key(json, "run_record");
    sl_json_object(json);
    sl_json_put_bool(json, "found", record->found);
    if (record->status)
        sl_json_put_str(json, "status", record->status);
    if (record->record_count >= 0)
        sl_json_put_int(json, "record_count", record->record_count);
    if (record->error)
        sl_json_put_str(json, "error", record->error);
    sl_json_end_object(json);
}

static void put_coverage(struct sl_json *json, const struct sl_proc_facts *proc, size_t most)
{
    const struct sl_coverage *coverage = &proc->coverage;
    if (!coverage->asked)
        return;
    sl_json_key(json, "rows");
    sl_json_object(json);
    if (coverage->by_date)
        sl_json_put_bool(json, "by_date", true);
    sl_json_put_int(json, "due", (int64_t)coverage->n_due);
    sl_json_put_int(json, "primary", (int64_t)coverage->n_primary);
    put_served(json, proc, most);
    sl_json_put_int(json, "missing_count", (int64_t)coverage->n_missing);
    if (!coverage->by_date)
        sl_facts_put_names(json, "missing", coverage->missing, coverage->n_missing, most);
    sl_facts_put_names(json, "source_errors", coverage->source_errors, coverage->n_source_errors, most);
    put_rebuilt(json, coverage, most);
    if (proc->rows_counted)
        sl_json_put_int(json, "all", proc->n_rows);
    if (proc->fingerprint)
        sl_json_put_str(json, "fingerprint", proc->fingerprint);
    sl_json_end_object(json);
}

static void put_procs(struct sl_json *json, const struct sl_proc_facts *procs, size_t n, size_t most)
{
    static const char *const NEEDS[] = {[SL_NOT_REQUIRED] = "not_required", [SL_OPTIONAL] = "optional", [SL_CRITICAL] = "critical"};
    sl_json_array(json);
    for (size_t i = 0; i < n; i++) {
        if (procs[i].need == SL_NOT_REQUIRED)
            continue;
        sl_json_object(json);
        sl_json_put_str(json, "name", procs[i].processor->name);
        sl_json_put_str(json, "required", NEEDS[procs[i].need]);
        put_run(json, "run", procs[i].run);
        put_run(json, "running", procs[i].running);
        sl_facts_put_reported(json, &procs[i].reported);
        put_record(json, &procs[i].record);
        put_coverage(json, &procs[i], most);
        sl_facts_put_quality(json, &procs[i], most);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
}

static void put_calendar(struct sl_json *json, const struct sl_facts *facts, size_t most)
{
    sl_json_key(json, "calendar");
    if (!facts->has_calendar) {
        sl_json_null(json);
        return;
    }
    sl_json_object(json);
    sl_json_put_int(json, "planned", (int64_t)facts->n_planned);
    sl_json_put_int(json, "done", (int64_t)facts->n_done);
    sl_facts_put_names(json, "not_done", facts->not_done, facts->n_not_done, most);
    if (facts->season)
        sl_json_put_str(json, "season", facts->season);
    if (facts->season_first != SL_DATE_NONE)
        sl_json_put_date(json, "season_first", facts->season_first);
    if (facts->calendar_suspect)
        sl_json_put_bool(json, "suspect", true);
    if (facts->date_lost_units)
        sl_json_put_bool(json, "date_lost_units", true);
    if (facts->calendar_error)
        sl_json_put_str(json, "error", facts->calendar_error);
    sl_json_end_object(json);
}

static void put_clocks(struct sl_json *json, const struct sl_facts *facts)
{
    sl_json_key(json, "clocks");
    sl_json_object(json);
    sl_json_put_bool(json, "drained", facts->drained);
    sl_json_put_int(json, "clock_ms", facts->clock_ms);
    sl_json_put_time(json, "first_completion", facts->first_completion_us);
    sl_json_put_time(json, "last_report", facts->last_report_us);
    sl_json_put_bool(json, "settled", facts->settled);
    sl_json_put_bool(json, "in_progress", facts->in_progress);
    if (facts->blocked_by_gaps_since_us)
        sl_json_put_time(json, "blocked_by_gaps_since", facts->blocked_by_gaps_since_us);
    sl_json_end_object(json);
}

static void put_suppression(struct sl_json *json, const struct sl_facts *facts, size_t most)
{
    sl_json_key(json, "suppression");
    sl_json_object(json);
    sl_json_put_bool(json, "worker_skip", facts->worker_skip);
    sl_facts_put_names(json, "skip_by", facts->skip_by, facts->n_skip_by, most);
    if (facts->hold_id) {
        sl_json_put_int(json, "hold_id", facts->hold_id);
        sl_json_put_str(json, "hold_reason", facts->hold_reason);
    }
    if (facts->released)
        sl_json_put_bool(json, "released", true);
    if (facts->forced)
        sl_json_put_bool(json, "forced", true);
    if (facts->retriggered)
        sl_json_put_bool(json, "retriggered", true);
    sl_json_end_object(json);
}

static void put_upstream(struct sl_json *json, const struct sl_facts *facts, size_t most)
{
    sl_json_key(json, "upstream");
    sl_json_array(json);
    for (size_t i = 0; i < facts->n_upstream; i++) {
        sl_json_object(json);
        sl_json_put_str(json, "phase", facts->upstream[i].phase->name);
        sl_json_key(json, "processors");
        put_procs(json, facts->upstream[i].procs, facts->upstream[i].n, most);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
}

static void put_gaps(struct sl_json *json, const struct sl_facts *facts, size_t most)
{
    sl_json_key(json, "gaps");
    sl_json_object(json);
    sl_json_put_date(json, "from", facts->gaps_from);
    sl_json_put_date(json, "to", facts->gaps_to);
    sl_json_put_int(json, "dates", (int64_t)facts->n_gap_dates);
    sl_json_put_int(json, "known_gaps", (int64_t)facts->n_known_gaps);
    sl_json_put_int(json, "count", (int64_t)facts->n_gaps);
    sl_json_key(json, "found");
    sl_json_array(json);
    for (size_t i = 0; i < facts->n_gaps && i < most; i++) {
        const struct sl_gap *gap = &facts->gaps[i];
        sl_json_object(json);
        sl_json_put_str(json, "processor", gap->processor->name);
        sl_json_put_date(json, "date", gap->date);
        sl_json_put_int(json, "due", (int64_t)gap->n_due);
        if (gap->n_units > most)
            sl_json_put_int(json, "unit_count", (int64_t)gap->n_units);
        sl_facts_put_names(json, "units", gap->units, gap->n_units, most);
        if (gap->error)
            sl_json_put_str(json, "error", gap->error);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
    sl_json_end_object(json);
}

static void put_joins(struct sl_json *json, const struct sl_facts *facts)
{
    if (!facts->n_joins)
        return;
    sl_json_key(json, "joins");
    sl_json_array(json);
    for (size_t i = 0; i < facts->n_joins; i++) {
        const struct sl_join_facts *join = &facts->joins[i];
        sl_json_object(json);
        sl_json_put_str(json, "to", join->follower->name);
        sl_json_put_str(json, "with", join->other->name);
        sl_json_put_str(json, "state", join->exists ? sl_state_name(join->state) : NULL);
        sl_json_put_bool(json, "waits_for_join", join->waits_for_join);
        sl_json_put_str(json, "trigger_id", join->trigger_id);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
}

static void put_facts(struct sl_json *json, const struct sl_facts *facts, size_t most, bool truncated)
{
    sl_json_object(json);
    sl_json_put_str(json, "phase", facts->phase->name);
    sl_json_put_date(json, "date", facts->date);
    sl_json_put_str(json, "profile", sl_profile_name(facts->profile));
    sl_json_put_int(json, "generation", facts->generation);
    sl_json_put_time(json, "now", facts->now_us);
    sl_json_put_date(json, "today", facts->today);
    sl_json_put_str(json, "config_hash", facts->config_hash);
    put_calendar(json, facts, most);
    sl_json_key(json, "processors");
    put_procs(json, facts->procs, facts->n_procs, most);
    put_clocks(json, facts);
    put_suppression(json, facts, most);
    sl_facts_put_names(json, "late", facts->late, facts->n_late, most);
    if (facts->checks_gathered) {
        put_upstream(json, facts, most);
        put_gaps(json, facts, most);
        sl_facts_put_completeness(json, &facts->completeness, most);
        sl_facts_put_inherited(json, facts, most);
    }
    put_joins(json, facts);
    if (truncated)
        sl_json_put_bool(json, "truncated", true);
    sl_json_end_object(json);
}

void sl_facts_json(struct sl_json *json, const struct sl_facts *facts)
{
    const size_t start = json->out->len;
    const struct sl_json before = *json;
    size_t most = SIZE_MAX;
    put_facts(json, facts, most, facts->truncated);
    /* 2000 names of up to 64 bytes fill half of the limit; halve until it fits. Counts are kept beside every list. */
    for (most = 2000; json->out->len - start > SL_FACTS_MAX_BYTES && most > 0; most /= 2) {
        *json = before;
        json->out->len = start;
        put_facts(json, facts, most, true);
    }
}
