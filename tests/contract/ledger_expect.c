#include "ledger_expect.h"

#include <math.h>
#include <string.h>

#include <sluice/str.h>

void expect_same_run(const struct sl_run *got, const struct sl_run *want)
{
    expect_text(phase);
    expect_text(processor);
    expect_text(execution_id);
    expect_int(date);
    expect_int(status);
    expect_int(timestamp_us);
    expect_int(publish_us);
    expect_int(received_us);
    expect_int(generation);
    expect_int(known);
    expect_int(skip);
    expect_int(record_count);
    expect_int(records_failed);
    cr_expect(isnan(want->duration_s) ? isnan(got->duration_s)
                                      : got->duration_s >= want->duration_s && got->duration_s <= want->duration_s);
    expect_text(correlation_id);
    expect_text(traceparent);
    expect_text(trigger_source);
    expect_text(trigger_message_id);
    expect_text(error_message);
    expect_text(extra);
    expect_int(is_incremental);
    expect_text(entities_changed);
}

void expect_same_gate(const struct sl_gate *got, const struct sl_gate *want)
{
    expect_text(phase);
    expect_int(date);
    expect_int(profile);
    expect_int(generation);
    expect_int(state);
    expect_int(reasons);
    expect_int(trigger_reason);
    expect_text(completed);
    expect_text(missing);
    expect_text(late);
    expect_int(is_production_ready);
    expect_int(degraded);
    expect_int(dropped);
    expect_text(trigger_id);
    expect_text(waits_for);
    expect_text(config_hash);
    expect_int(created_us);
    expect_int(decided_us);
    expect_int(checked_us);
    expect_int(clock_start_ms);
    expect_int(since_us);
    expect_int(last_report_us);
    expect_int(due_us);
    expect_int(recheck_ms);
    expect_int(answer_due_us);
    expect_int(reopened);
}

const char *const *ledger_test_event(const char **cells, const char *event_id, const char *game_date)
{
    memset(cells, 0, SL_N_LOG_COLUMNS * sizeof(*cells));
    cells[0] = event_id;
    cells[2] = "2025-04-16T08:01:02Z";
    cells[3] = "source_missing";
    cells[4] = "critical";
    cells[10] = game_date;
    return cells;
}
