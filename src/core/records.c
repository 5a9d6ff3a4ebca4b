/* records.c - the order of runs, and the run history's columns. */
#include <sluice/records.h>

#include <string.h>

const char *const SL_RUN_COLUMNS[] = {
    "processor_name",   "phase",         "data_date",      "run_id",         "correlation_id",
    "status",           "record_count",  "records_failed", "started_at",     "finished_at",
    "duration_seconds", "backfill_mode", "errors",         "trigger_source", "trigger_message_id",
};
_Static_assert(sizeof(SL_RUN_COLUMNS) / sizeof(SL_RUN_COLUMNS[0]) == SL_N_RUN_COLUMNS, "every column has a name");

bool sl_run_newer(const struct sl_run *a, const struct sl_run *b)
{
    if (a->timestamp_us != b->timestamp_us)
        return a->timestamp_us > b->timestamp_us;
    if (a->publish_us != b->publish_us)
        return a->publish_us > b->publish_us;
    return strcmp(a->execution_id, b->execution_id) > 0;
}

bool sl_run_is_update(const struct sl_run *known, enum sl_status status, int64_t timestamp_us)
{
    if (known->status == status || status == SL_RUN_RUNNING)
        return false;
    return known->status == SL_RUN_RUNNING || timestamp_us > known->timestamp_us;
}
