/* delivery.c - does a processor deliver a date? The one place for DESIGN section 1 "deliver", section 6 step 6 and RULES 9, 11 and 12. */
#include "gate_internal.h"

const char *sl_primary_error(const struct sl_coverage *coverage)
{
    return coverage->n_source_errors ? coverage->source_errors[0] : NULL;
}

const char *sl_source_name(const struct sl_processor *processor, size_t source)
{
    return source < processor->n_sources ? processor->sources[source].table : "reconstruction";
}

/* The difference as a share of the larger; 0 when one of them says nothing. */
static double apart(int64_t a, int64_t b)
{
    if (a <= 0 || b <= 0)
        return 0;
    return a > b ? (double)(a - b) / (double)a : (double)(b - a) / (double)b;
}

double sl_rows_difference(const struct sl_proc_facts *proc)
{
    if (!proc->run || !proc->rows_counted || sl_primary_error(&proc->coverage))
        return 0;
    return apart(proc->run->record_count, proc->n_rows);
}

double sl_record_difference(const struct sl_proc_facts *proc)
{
    const struct sl_run_said *record = &proc->record;
    if (!proc->run || !record->asked || record->error)
        return 0;
    return record->found ? apart(proc->run->record_count, record->record_count) : 1;
}

bool sl_running_is_stuck(const struct sl_run *running, int64_t timeout_ms, int64_t now_us)
{
    return now_us - running->timestamp_us >= timeout_ms * 1000;
}

/* Without a table the run is all there is: nothing written although units have taken place is no data. */
static enum sl_standing stands_by_run(const struct sl_run *run, size_t n_done)
{
    bool nothing = run->status == SL_RUN_NO_DATA || (run->status == SL_RUN_SUCCESS && run->record_count == 0);
    return nothing && n_done > 0 ? SL_STANDS_NO_DATA : SL_STANDS_ALL;
}

enum sl_standing sl_processor_standing(const struct sl_proc_facts *facts, size_t n_done)
{
    const struct sl_coverage *coverage = &facts->coverage;
    if (!facts->run)
        return SL_STANDS_UNREPORTED;
    if (facts->run->status == SL_RUN_FAILED)
        return SL_STANDS_FAILED;
    if (!coverage->asked)
        return stands_by_run(facts->run, n_done);
    if (sl_primary_error(coverage))
        return SL_STANDS_UNKNOWN;
    size_t covered = coverage->n_primary + coverage->n_served;
    if (covered >= coverage->n_due)
        return SL_STANDS_ALL;
    return covered == 0 ? SL_STANDS_NO_DATA : SL_STANDS_SOME;
}

bool sl_standing_delivers(enum sl_standing standing, enum sl_need need, bool strict)
{
    return standing == SL_STANDS_ALL || (standing == SL_STANDS_SOME && need == SL_CRITICAL && !strict);
}

bool sl_processor_delivered(const struct sl_proc_facts *facts, size_t n_done, bool strict)
{
    return sl_standing_delivers(sl_processor_standing(facts, n_done), facts->need, strict);
}

static sl_date bootstrap_end(const struct sl_phase *phase, const struct sl_facts *facts)
{
    if (phase->bootstrap_days <= 0 || facts->season_first == SL_DATE_NONE)
        return SL_DATE_NONE;
    return facts->season_first + phase->bootstrap_days;
}

bool sl_in_bootstrap(const struct sl_phase *phase, const struct sl_facts *facts)
{
    sl_date end = bootstrap_end(phase, facts);
    return end != SL_DATE_NONE && facts->date < end;
}
