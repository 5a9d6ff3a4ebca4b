/* verify.c - is everything there that a phase owes for its done dates? Runs, rows of every unit, and for what has no rows an event that says so.
 * Per date, per processor that the date's profile requires; a processor can have several findings on a date. Accepted gaps excuse missing rows, nothing else. */
#include <sluice/ops.h>

#include <string.h>

struct verifying {
    const struct sl_ops *ops;
    const struct sl_phase *phase;
    const struct sl_known_gap *known;
    size_t n_known;
    struct sl_map *spoken; /* "date|processor|unit" of events that are warnings or worse */
    struct sl_finding *findings;
    size_t n;
    struct sl_arena *arena;
};

/* One processor's answer about its rows; `next` follows the dates. */
struct answered {
    struct sl_date_coverage *days;
    size_t n, next;
};

static const char *spoken_key(struct sl_arena *arena, sl_date date, const char *processor, const char *unit)
{
    char text[SL_DATE_LEN + 1];
    return sl_arena_printf(arena, "%s|%s|%s", sl_date_format(date, text), processor, unit == NULL ? "" : unit);
}

static enum sl_code read_events(struct verifying *v, sl_date from, sl_date to, struct sl_err *err)
{
    size_t severity = sl_log_column("severity"), processor = sl_log_column("processor_name"), unit = sl_log_column("game_id"),
           date = sl_log_column("game_date");
    struct sl_log_filter filter = {.date = SL_DATE_NONE, .from = from, .to = to, .phase = v->phase->name};
    struct sl_log_row *rows = NULL;
    size_t n = 0;
    enum sl_code code = sl_ops_events(v->ops, &filter, &rows, &n, v->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        const char *const *cells = rows[i].cells;
        sl_date day;
        if (cells[processor] == NULL || cells[date] == NULL || sl_str_eq(cells[severity], "info"))
            continue;
        if (sl_date_parse(cells[date], strlen(cells[date]), &day))
            sl_map_put(v->spoken, spoken_key(v->arena, day, cells[processor], cells[unit]), v);
    }
    return code;
}

static bool is_spoken_of(struct verifying *v, sl_date date, const char *processor, const char *unit)
{
    return sl_map_get(v->spoken, spoken_key(v->arena, date, processor, unit)) != NULL ||
           sl_map_get(v->spoken, spoken_key(v->arena, date, processor, NULL)) != NULL;
}

static struct sl_finding *add(struct verifying *v, sl_date date, const char *kind, const struct sl_processor *processor)
{
    enum sl_need need = processor->need[sl_profile_of(date, v->ops->today)];
    v->findings = sl_arena_push(v->arena, v->findings, &v->n, sizeof *v->findings);
    struct sl_finding *finding = &v->findings[v->n - 1];
    *finding = (struct sl_finding){
        .date = date,
        .kind = kind,
        .severity = need == SL_CRITICAL ? SL_SEV_CRITICAL : SL_SEV_WARNING,
        .processor = processor->name,
        .table = processor->n_sources > 0 ? processor->sources[0].table : NULL,
    };
    return finding;
}

static const struct sl_run *newest_terminal(const struct sl_run *runs, size_t n, const char *processor)
{
    const struct sl_run *newest = NULL;
    for (size_t i = 0; i < n; i++)
        if (runs[i].status != SL_RUN_RUNNING && sl_str_eq(runs[i].processor, processor) &&
            (newest == NULL || sl_run_newer(&runs[i], newest)))
            newest = &runs[i];
    return newest;
}

static void verify_run(struct verifying *v, sl_date date, const struct sl_processor *processor, const struct sl_run *runs, size_t n)
{
    const struct sl_run *run = newest_terminal(runs, n, processor->name);
    if (run == NULL) {
        add(v, date, "run_missing", processor)->detail = "no run has reported";
    } else if (run->status == SL_RUN_FAILED) {
        add(v, date, "run_failed", processor)->detail = sl_arena_printf(v->arena, "execution %s failed%s%s", run->execution_id,
                                                                        run->error_message == NULL ? "" : ": ",
                                                                        run->error_message == NULL ? "" : run->error_message);
    }
}

static void verify_events(struct verifying *v, const struct sl_processor *processor, const struct sl_date_coverage *day)
{
    const char **silent = sl_arena_array(v->arena, day->coverage.n_missing, sizeof *silent);
    size_t n = 0;
    for (size_t i = 0; i < day->coverage.n_missing; i++)
        if (!is_spoken_of(v, day->date, processor->name, day->coverage.missing[i]))
            silent[n++] = day->coverage.missing[i];
    if (n == 0)
        return;
    struct sl_finding *finding = add(v, day->date, "event_missing", processor);
    finding->units = silent;
    finding->n_units = day->coverage.by_date ? 0 : n;
    finding->detail = "there are no rows, and no event of the coverage log says so";
}

static void verify_rows(struct verifying *v, const struct sl_processor *processor, const struct sl_date_coverage *day)
{
    const struct sl_coverage *coverage = &day->coverage;
    const char *table = processor->sources[0].table;
    struct sl_excuses excuses = {v->known, v->n_known, v->phase->name, table, v->ops->today};
    if (coverage->n_source_errors > 0 && coverage->source_errors[0] != NULL) {
        add(v, day->date, "table_error", processor)->detail = coverage->source_errors[0];
        return;
    }
    const char **units = sl_arena_array(v->arena, coverage->n_missing, sizeof *units);
    size_t n = 0;
    for (size_t i = 0; i < coverage->n_missing; i++)
        if (!sl_excused(&excuses, day->date, coverage->missing[i]))
            units[n++] = coverage->missing[i];
    if (n > 0 && !sl_excused(&excuses, day->date, NULL)) {
        struct sl_finding *finding = add(v, day->date, "rows_missing", processor);
        finding->units = units;
        finding->n_units = coverage->by_date ? 0 : n;
        finding->detail = coverage->by_date ? sl_arena_printf(v->arena, "%s has no rows", table)
                                            : sl_arena_printf(v->arena, "%zu of %zu units have no rows in any source", n, coverage->n_due);
    }
    verify_events(v, processor, day);
}

static enum sl_code verify_date(struct verifying *v, sl_date date, struct answered *answers, struct sl_err *err)
{
    struct sl_run *runs = NULL;
    size_t n = 0;
    enum sl_code code = sl_ledger_runs_of(v->ops->ledger, v->phase->name, date, &runs, &n, v->arena, err);
    for (size_t i = 0; code == SL_OK && i < v->phase->n_processors; i++) {
        const struct sl_processor *processor = &v->phase->processors[i];
        struct answered *answer = &answers[i];
        if (processor->need[sl_profile_of(date, v->ops->today)] == SL_NOT_REQUIRED)
            continue;
        verify_run(v, date, processor, runs, n);
        while (answer->next < answer->n && answer->days[answer->next].date < date)
            answer->next++;
        if (answer->next < answer->n && answer->days[answer->next].date == date)
            verify_rows(v, processor, &answer->days[answer->next]);
    }
    return code;
}

static enum sl_code ask_tables(struct verifying *v, sl_date from, sl_date to, struct answered *answers, struct sl_err *err)
{
    for (size_t i = 0; i < v->phase->n_processors; i++) {
        const struct sl_processor *processor = &v->phase->processors[i];
        if (processor->n_sources == 0)
            continue;
        enum sl_code code = sl_worker_coverage(v->ops->worker, processor, from, to, false, &answers[i].days, &answers[i].n, v->arena, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

static enum sl_code verify_all(struct verifying *v, sl_date from, sl_date to, size_t *n_dates, struct sl_err *err)
{
    struct answered *answers = sl_arena_array(v->arena, v->phase->n_processors, sizeof *answers);
    struct sl_known_gap *known = NULL;
    sl_date *dates = NULL;
    enum sl_code code = sl_ops_expected_dates(v->ops, from, to, false, &dates, n_dates, v->arena, err);
    if (code == SL_OK)
        code = sl_ledger_known_gaps(v->ops->ledger, &known, &v->n_known, v->arena, err);
    v->known = known;
    if (code == SL_OK)
        code = read_events(v, from, to, err);
    if (code == SL_OK)
        code = ask_tables(v, from, to, answers, err);
    for (size_t i = 0; code == SL_OK && i < *n_dates; i++)
        code = verify_date(v, dates[i], answers, err);
    return code;
}

enum sl_code sl_ops_verify(const struct sl_ops *ops, const struct sl_phase *phase, sl_date from, sl_date to, struct sl_finding **out,
                           size_t *n, size_t *n_dates, struct sl_arena *arena, struct sl_err *err)
{
    struct verifying v = {.ops = ops, .phase = phase, .spoken = sl_map_create(), .arena = arena};
    enum sl_code code = verify_all(&v, from, to, n_dates, err);
    sl_map_destroy(&v.spoken);
    *out = v.findings;
    *n = v.n;
    return code;
}
