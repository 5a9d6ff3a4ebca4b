/* gather_gaps.c - dates on which rows are missing: computed once per phase over the union of the look-backs, then cut per gate (RULES 38). */
#include <string.h>

#include "gather_internal.h"

static void want_window(struct gap_table *table, const struct sl_facts *facts)
{
    for (sl_date date = facts->gaps_from; date <= facts->gaps_to; date++)
        table->days[date - table->from].wanted = true;
}

static bool wants_gaps(const struct work *work, const struct sl_phase *phase)
{
    return work->phase == phase && work->decision.wants_checks && work->facts.gaps_from <= work->facts.gaps_to;
}

static void gap_table_ask(struct sl_worker *worker, struct gap_table *table, const struct work *works, size_t n, struct sl_sources *sources)
{
    size_t n_days = (size_t)(table->to - table->from) + 1;
    table->days = sl_arena_array(&worker->arena, n_days, sizeof *table->days);
    table->errors = sl_arena_array(&worker->arena, table->phase->n_processors, sizeof *table->errors);
    for (size_t i = 0; i < n; i++)
        if (wants_gaps(&works[i], table->phase))
            want_window(table, &works[i].facts);
    for (size_t d = 0; d < n_days; d++) {
        struct gap_day *day = &table->days[d];
        day->date = table->from + (sl_date)d;
        if (!day->wanted)
            continue;
        day->due = sl_due_on(worker, day->date, table->phase->checks.gaps.every_day, &worker->arena);
        for (size_t p = 0; p < table->phase->n_processors; p++)
            if (sl_processor_is_gap_judged(&table->phase->processors[p]))
                sl_coverage_ask(sources, &table->phase->processors[p], &day->due);
    }
}

bool sl_gap_is_excused(const struct sl_known_gaps *known, const struct sl_phase *phase, const char *table, sl_date date, const char *unit)
{
    for (size_t i = 0; i < known->n; i++) {
        const struct sl_known_gap *gap = &known->items[i];
        if (strcmp(gap->phase, phase->name) != 0 || (gap->until != SL_DATE_NONE && known->today > gap->until))
            continue;
        if (gap->table && strcmp(gap->table, table) != 0)
            continue;
        if (gap->unit ? !strcmp(gap->unit, unit) : gap->date == date)
            return true;
    }
    return false;
}

struct gap_reader {
    struct sl_worker *worker;
    struct gap_table *table;
    const struct sl_sources *sources;
    const struct sl_known_gaps *known;
};

static void gap_excused(struct gap_reader *r, sl_date date)
{
    struct gap_table *table = r->table;
    table->excused = sl_arena_push(&r->worker->arena, table->excused, &table->n_excused, sizeof *table->excused);
    table->excused[table->n_excused - 1] = date;
}

static void gap_read(struct gap_reader *r, const struct gap_day *day, size_t p)
{
    struct gap_table *table = r->table;
    const struct sl_processor *processor = &table->phase->processors[p];
    struct sl_coverage coverage;
    sl_coverage_read(&coverage, r->sources, processor, &day->due, &r->worker->arena);
    if (coverage.n_source_errors && coverage.source_errors[0]) {
        table->errors[p] = coverage.source_errors[0];
        return;
    }
    const char **units = sl_arena_array(&r->worker->arena, coverage.n_missing + 1, sizeof *units);
    size_t n_units = 0, n_excused = 0;
    for (size_t i = 0; i < coverage.n_missing; i++) {
        if (sl_gap_is_excused(r->known, table->phase, processor->sources[0].table, day->date, coverage.missing[i]))
            n_excused++;
        else
            units[n_units++] = coverage.missing[i];
    }
    const bool strict = table->phase->checks.units == SL_STRICT;
    const bool would_be = coverage.n_missing > 0 && (strict || coverage.n_missing == coverage.n_due);
    if (!would_be)
        return;
    if (n_units == 0 || (!strict && n_units < coverage.n_due - n_excused)) {
        gap_excused(r, day->date);
        return;
    }
    table->gaps = sl_arena_push(&r->worker->arena, table->gaps, &table->n_gaps, sizeof *table->gaps);
    table->gaps[table->n_gaps - 1] = (struct sl_gap){
        .processor = processor, .date = day->date, .units = units, .n_units = coverage.by_date ? 0 : n_units, .n_due = coverage.n_due};
}

static void gap_table_read(struct gap_reader *r)
{
    size_t n_days = (size_t)(r->table->to - r->table->from) + 1;
    for (size_t d = 0; d < n_days; d++) {
        const struct gap_day *day = &r->table->days[d];
        for (size_t p = 0; day->wanted && day->due.n && p < r->table->phase->n_processors; p++)
            if (sl_processor_is_gap_judged(&r->table->phase->processors[p]))
                gap_read(r, day, p);
    }
}

static void cut_for_gate(struct sl_worker *worker, const struct gap_table *table, struct sl_facts *facts)
{
    for (sl_date date = facts->gaps_from; date <= facts->gaps_to; date++)
        facts->n_gap_dates += table->days[date - table->from].due.n > 0;
    for (size_t p = 0; p < table->phase->n_processors; p++) {
        if (!table->errors[p])
            continue;
        facts->gaps = sl_arena_push(&worker->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
        facts->gaps[facts->n_gaps - 1] = (struct sl_gap){
            .processor = &table->phase->processors[p], .date = facts->gaps_to, .error = table->errors[p]};
    }
    for (size_t i = 0; i < table->n_gaps; i++) {
        if (table->gaps[i].date < facts->gaps_from || table->gaps[i].date > facts->gaps_to ||
            table->errors[table->gaps[i].processor - table->phase->processors])
            continue;
        facts->gaps = sl_arena_push(&worker->arena, facts->gaps, &facts->n_gaps, sizeof *facts->gaps);
        facts->gaps[facts->n_gaps - 1] = table->gaps[i];
    }
    for (size_t i = 0; i < table->n_excused; i++)
        facts->n_known_gaps += table->excused[i] >= facts->gaps_from && table->excused[i] <= facts->gaps_to;
}

void sl_gaps_windows(const struct sl_worker *worker, struct work *works, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct sl_facts *facts = &works[i].facts;
        facts->gaps_from = sl_gaps_look_back_from(worker->config, facts->phase, facts->date, facts->season_first);
        facts->gaps_to = works[i].phase->checks.gaps.mode == SL_OFF ? facts->gaps_from - 1 : facts->date - 1;
    }
}

size_t sl_gaps_plan(struct sl_worker *worker, struct gap_table *tables, const struct work *works, size_t n, struct sl_sources *sources)
{
    size_t n_tables = 0;
    for (size_t f = 0; f < worker->config->n_phases; f++) {
        struct gap_table table = {.phase = &worker->config->phases[f], .from = INT32_MAX, .to = SL_DATE_NONE};
        for (size_t i = 0; i < n; i++) {
            if (!wants_gaps(&works[i], table.phase))
                continue;
            table.from = works[i].facts.gaps_from < table.from ? works[i].facts.gaps_from : table.from;
            table.to = works[i].facts.gaps_to > table.to ? works[i].facts.gaps_to : table.to;
        }
        if (table.to == SL_DATE_NONE)
            continue;
        gap_table_ask(worker, &table, works, n, sources);
        tables[n_tables++] = table;
    }
    return n_tables;
}

void sl_gaps_read(struct sl_worker *worker, struct gap_table *tables, size_t n_tables, struct work *works, size_t n,
                  const struct sl_sources *sources, const struct sl_known_gaps *known)
{
    struct gap_reader reader = {.worker = worker, .sources = sources, .known = known};
    for (size_t t = 0; t < n_tables; t++) {
        reader.table = &tables[t];
        gap_table_read(&reader);
        for (size_t i = 0; i < n; i++)
            if (wants_gaps(&works[i], tables[t].phase))
                cut_for_gate(worker, &tables[t], &works[i].facts);
    }
}
