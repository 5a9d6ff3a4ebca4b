/* gaps.c - expected dates minus present dates, for a table by its own rows or for a phase as its gaps check judges it.
 * Expected are the calendar's done dates: an off-day is no gap. A calendar that is empty is an error, never "no gaps". */
#include <sluice/ops.h>

#include <math.h>

void sl_gap_report_make(struct sl_gap_report *out, const char *table, sl_date from, sl_date to, const sl_date *expected, size_t n_expected,
                        const sl_date *present, size_t n_present, struct sl_arena *arena)
{
    sl_date *missing = sl_arena_array(arena, n_expected, sizeof *missing);
    size_t n = 0, p = 0;
    for (size_t i = 0; i < n_expected; i++) {
        while (p < n_present && present[p] < expected[i])
            p++;
        if (p == n_present || present[p] != expected[i])
            missing[n++] = expected[i];
    }
    *out = (struct sl_gap_report){table, from, to, n_expected, n_expected - n, missing, n};
}

double sl_gap_report_pct(const struct sl_gap_report *report)
{
    if (report->n_expected == 0)
        return 100.0;
    return round(1000.0 * (double)report->n_present / (double)report->n_expected) / 10.0;
}

static bool excuse_counts(const struct sl_excuses *excuses, const struct sl_known_gap *gap)
{
    if (!sl_str_eq(gap->phase, excuses->phase))
        return false;
    if (gap->table != NULL && !sl_str_eq(gap->table, excuses->table))
        return false;
    return gap->until == SL_DATE_NONE || excuses->today <= gap->until;
}

bool sl_excused(const struct sl_excuses *excuses, sl_date date, const char *unit)
{
    for (size_t i = 0; i < excuses->n; i++) {
        const struct sl_known_gap *gap = &excuses->gaps[i];
        if (!excuse_counts(excuses, gap))
            continue;
        if (gap->unit != NULL ? sl_str_eq(gap->unit, unit) : gap->date == date)
            return true;
    }
    return false;
}

enum sl_date_standing sl_date_judge(const struct sl_date_coverage *day, bool strict, const struct sl_excuses *excuses)
{
    const struct sl_coverage *coverage = &day->coverage;
    if (coverage->n_due == 0)
        return SL_DATE_NOT_DUE;
    bool is_gap = strict ? coverage->n_missing > 0 : coverage->n_missing == coverage->n_due;
    if (!is_gap)
        return SL_DATE_PRESENT;
    if (sl_excused(excuses, day->date, NULL))
        return SL_DATE_EXCUSED;
    size_t n_excused = 0;
    for (size_t i = 0; i < coverage->n_missing; i++)
        n_excused += sl_excused(excuses, day->date, coverage->missing[i]);
    if (strict ? n_excused < coverage->n_missing : n_excused == 0)
        return SL_DATE_MISSING;
    return coverage->n_missing < coverage->n_due ? SL_DATE_PRESENT : SL_DATE_EXCUSED;
}

static enum sl_code every_date(sl_date from, sl_date to, sl_date **out, size_t *n, struct sl_arena *arena)
{
    *n = to < from ? 0 : (size_t)(to - from) + 1;
    *out = sl_arena_array(arena, *n, sizeof **out);
    for (size_t i = 0; i < *n; i++)
        (*out)[i] = from + (sl_date)i;
    return SL_OK;
}

static bool is_due(const struct sl_calendar_config *calendar, const struct sl_calendar_row *row, sl_date from, sl_date to)
{
    bool known = calendar->history_from == SL_DATE_NONE || row->date >= calendar->history_from;
    return row->planned && row->done && known && row->date >= from && row->date <= to;
}

enum sl_code sl_ops_expected_dates(const struct sl_ops *ops, sl_date from, sl_date to, bool every_day, sl_date **out, size_t *n,
                                   struct sl_arena *arena, struct sl_err *err)
{
    const struct sl_calendar_config *calendar = ops->config->calendar;
    if (calendar == NULL || every_day)
        return every_date(from, to, out, n, arena);
    struct sl_calendar_row *rows = NULL;
    size_t n_rows = 0;
    enum sl_code code = sl_warehouse_calendar(ops->warehouse, calendar, &rows, &n_rows, arena, err);
    if (code != SL_OK)
        return code;
    if (n_rows == 0)
        return sl_fail(err, SL_NOT_FOUND, "the calendar %s has no rows, so it is not known which dates are due", calendar->table);
    *n = 0;
    *out = sl_arena_array(arena, n_rows, sizeof **out);
    for (size_t i = 0; i < n_rows; i++)
        if (is_due(calendar, &rows[i], from, to) && (*n == 0 || (*out)[*n - 1] != rows[i].date))
            (*out)[(*n)++] = rows[i].date;
    return SL_OK;
}

static const struct sl_source *find_source(const struct sl_config *config, const char *table)
{
    const struct sl_processor *owner = sl_config_table_owner(config, table, NULL);
    if (owner != NULL)
        return &owner->sources[0];
    for (size_t p = 0; p < config->n_phases; p++)
        for (size_t i = 0; i < config->phases[p].n_processors; i++) {
            const struct sl_processor *processor = &config->phases[p].processors[i];
            for (size_t s = 0; s < processor->n_sources; s++)
                if (sl_str_eq(processor->sources[s].table, table))
                    return &processor->sources[s];
        }
    return NULL;
}

static const char *date_column_of(const struct sl_config *config, const char *table)
{
    const struct sl_source *source = find_source(config, table);
    if (source != NULL)
        return source->date_column;
    if (config->calendar != NULL)
        return config->calendar->date_column;
    return config->message.date[0];
}

enum sl_code sl_ops_gaps_table(const struct sl_ops *ops, const char *table, const char *date_column, sl_date from, sl_date to,
                               bool every_day, struct sl_gap_report *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_source source = {
        .table = table,
        .date_column = date_column != NULL ? date_column : date_column_of(ops->config, table),
    };
    sl_date *expected = NULL, *present = NULL;
    size_t n_expected = 0, n_present = 0;
    enum sl_code code = sl_ops_expected_dates(ops, from, to, every_day, &expected, &n_expected, arena, err);
    if (code != SL_OK)
        return code;
    code = sl_warehouse_dates(ops->warehouse, &source, from, to, &present, &n_present, arena, err);
    if (code == SL_OK)
        sl_gap_report_make(out, table, from, to, expected, n_expected, present, n_present, arena);
    return code;
}

static bool is_critical(const struct sl_processor *processor)
{
    for (size_t i = 0; i < SL_N_PROFILES; i++)
        if (processor->need[i] == SL_CRITICAL)
            return true;
    return false;
}

/* The primary that can't be asked: an error of a command that names its phase. */
static const char *table_error(const struct sl_date_coverage *day)
{
    return day->coverage.n_source_errors > 0 ? day->coverage.source_errors[0] : NULL;
}

struct gaps_question {
    const struct sl_phase *phase;
    sl_date from, to;
    bool every_day;
    const struct sl_known_gap *known;
    size_t n_known;
};

static enum sl_code gaps_of_processor(const struct sl_ops *ops, const struct gaps_question *ask, const struct sl_processor *processor,
                                      struct sl_gap_report *out, struct sl_arena *arena, struct sl_err *err)
{
    const char *table = processor->sources[0].table;
    struct sl_excuses excuses = {ask->known, ask->n_known, ask->phase->name, table, ops->today};
    struct sl_date_coverage *days = NULL;
    size_t n = 0;
    enum sl_code code = sl_worker_coverage(ops->worker, processor, ask->from, ask->to, ask->every_day, &days, &n, arena, err);
    if (code != SL_OK)
        return code;
    bool strict = ask->phase->checks.units == SL_STRICT;
    sl_date *missing = sl_arena_array(arena, n, sizeof *missing);
    *out = (struct sl_gap_report){.table = table, .from = ask->from, .to = ask->to, .missing = missing};
    for (size_t i = 0; i < n; i++) {
        if (table_error(&days[i]) != NULL)
            return sl_fail(err, SL_NOT_FOUND, "%s", table_error(&days[i]));
        if (sl_config_is_before_history(ops->config, days[i].date))
            continue;
        enum sl_date_standing standing = sl_date_judge(&days[i], strict, &excuses);
        out->n_present += standing == SL_DATE_PRESENT;
        out->n_expected += standing == SL_DATE_PRESENT || standing == SL_DATE_MISSING;
        if (standing == SL_DATE_MISSING)
            missing[out->n_missing++] = days[i].date;
    }
    return SL_OK;
}

enum sl_code sl_ops_gaps_phase(const struct sl_ops *ops, const struct sl_phase *phase, sl_date from, sl_date to, bool every_day,
                               struct sl_gap_report **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_known_gap *known = NULL;
    struct gaps_question ask = {phase, from, to, every_day, NULL, 0};
    sl_date *expected = NULL;
    size_t n_expected = 0;
    *out = NULL;
    *n = 0;
    /* an empty calendar is an error here too */
    enum sl_code code = sl_ops_expected_dates(ops, from, to, every_day, &expected, &n_expected, arena, err);
    if (code == SL_OK)
        code = sl_ledger_known_gaps(ops->ledger, &known, &ask.n_known, arena, err);
    ask.known = known;
    for (size_t i = 0; code == SL_OK && i < phase->n_processors; i++) {
        const struct sl_processor *processor = &phase->processors[i];
        if (!is_critical(processor) || processor->n_sources == 0)
            continue;
        *out = sl_arena_push(arena, *out, n, sizeof **out);
        code = gaps_of_processor(ops, &ask, processor, &(*out)[*n - 1], arena, err);
    }
    return code;
}
