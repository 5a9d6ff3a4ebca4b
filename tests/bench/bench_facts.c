/* bench_facts.c - how long the warehouse's facts of the checks take in a process that runs already: the quality of every unit of a range of dates (one tally and its
 * assessments), and the completeness of every entity on every date of the range (one question for all of them). The first round opens files and is not counted.
 * Prints one JSON line of medians. Usage: bench_facts CONFIG PHASE FROM TO [ROUNDS]; the phase's first processor has a quality profile, its completeness check an entity. */
#include <string.h>

#include <sluice/completeness.h>
#include <sluice/warehouse.h>

#include "measure.h"

struct bench {
    struct sl_config *config;
    const struct sl_phase *phase;
    struct sl_warehouse *warehouse;
    struct sl_calendar_row *calendar;
    size_t n_calendar;
    struct sl_arena arena;
    sl_date from, to;
    int rounds;
    int64_t n_rows;
    size_t n_gold, n_entities, n_missing;
};

static bool in_range(const struct bench *bench, const struct sl_calendar_row *row)
{
    return row->planned && row->date >= bench->from && row->date <= bench->to;
}

/* ---- quality ---- */

static const char **columns_of(const struct sl_quality_profile *profile, struct sl_arena *arena)
{
    const char **columns = sl_arena_array(arena, profile->n_required + profile->n_optional, sizeof *columns);
    for (size_t i = 0; i < profile->n_required; i++)
        columns[i] = profile->required[i];
    for (size_t i = 0; i < profile->n_optional; i++)
        columns[profile->n_required + i] = profile->optional[i];
    return columns;
}

static void assess(struct bench *bench, const struct sl_key *key, const char **columns, size_t n_columns, int64_t rows,
                   const int64_t *nulls, struct sl_arena *arena)
{
    static const char *const PRIMARY[] = {"primary"};
    struct sl_null_count *counts = sl_arena_array(arena, n_columns, sizeof *counts);
    struct sl_quality_input input = {.row_count = rows, .nulls = counts, .data_sources = PRIMARY, .n_data_sources = 1, .date = key->date};
    struct sl_quality quality;
    for (size_t i = 0; i < n_columns; i++)
        if (nulls[i] >= 0)
            counts[input.n_nulls++] = (struct sl_null_count){columns[i], nulls[i]};
    sl_quality_assess(&quality, &bench->config->quality, bench->phase->processors[0].quality, &input, arena);
    bench->n_rows += rows;
    bench->n_gold += quality.tier == SL_TIER_GOLD;
}

static void quality_once(struct bench *bench, struct sl_arena *arena)
{
    const struct sl_processor *processor = &bench->phase->processors[0];
    const size_t n_columns = processor->quality->n_required + processor->quality->n_optional;
    const char **columns = columns_of(processor->quality, arena);
    struct sl_key *keys = sl_arena_array(arena, bench->n_calendar, sizeof *keys);
    struct sl_err err;
    size_t n = 0;
    for (size_t i = 0; i < bench->n_calendar; i++)
        if (in_range(bench, &bench->calendar[i]))
            keys[n++] = (struct sl_key){bench->calendar[i].date, bench->calendar[i].unit};
    int64_t *rows = sl_arena_array(arena, n, sizeof *rows), *nulls = sl_arena_array(arena, n * n_columns, sizeof *nulls);
    must(sl_warehouse_tally(bench->warehouse, &processor->sources[0], columns, n_columns, keys, n, rows, nulls, &err), &err);
    bench->n_rows = 0;
    bench->n_gold = 0;
    for (size_t i = 0; i < n; i++)
        assess(bench, &keys[i], columns, n_columns, rows[i], nulls + i * n_columns, arena);
}

/* ---- completeness ---- */

static void completeness_once(struct bench *bench, struct sl_arena *arena)
{
    struct sl_entity_row *present = NULL;
    struct sl_completeness_ask ask = {.units = bench->calendar,
                                      .n_units = bench->n_calendar,
                                      .kind = sl_calendar_kind(bench->config->calendar, bench->phase->checks.completeness.entity),
                                      .window = bench->phase->checks.completeness.window,
                                      .date = SL_DATE_NONE,
                                      .not_before = SL_DATE_NONE};
    struct sl_err err;
    size_t n = 0;
    must(sl_warehouse_entities(bench->warehouse, &bench->phase->processors[0].sources[0], bench->phase->checks.completeness.entity_column,
                               bench->from, bench->to, &present, &n, arena, &err),
         &err);
    bench->n_entities = bench->n_missing = 0;
    for (size_t i = 0; i < bench->n_calendar; i++) {
        if (!in_range(bench, &bench->calendar[i]) || bench->calendar[i].date == ask.date)
            continue;
        struct sl_completeness_facts facts = {0};
        ask.date = bench->calendar[i].date;
        sl_completeness_find(&facts, &ask, present, n, NULL, NULL, arena);
        bench->n_entities += facts.n_entities;
        for (size_t e = 0; e < facts.n_entities; e++)
            bench->n_missing += facts.entities[e].n_missing;
    }
}

/* ---- measuring ---- */

static void open_all(struct bench *bench, const char *config, const char *phase)
{
    struct sl_err err;
    must(sl_config_load(&bench->config, config, NULL, 0, NULL, NULL, &err), &err);
    bench->phase = sl_config_phase(bench->config, phase);
    if (!bench->phase || !bench->phase->processors[0].quality) {
        fprintf(stderr, "bench_facts: %s has no phase %s with a quality profile\n", config, phase);
        exit(2);
    }
    must(sl_warehouse_open(&bench->warehouse, bench->config, &err), &err);
    must(sl_warehouse_calendar(bench->warehouse, bench->config->calendar, &bench->calendar, &bench->n_calendar, &bench->arena, &err), &err);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    bench.rounds = argc > 5 ? atoi(argv[5]) : 21;
    if (argc < 5 || bench.rounds < 1 || bench.rounds > MOST_ROUNDS || !sl_date_parse(argv[3], strlen(argv[3]), &bench.from) ||
        !sl_date_parse(argv[4], strlen(argv[4]), &bench.to)) {
        fprintf(stderr, "usage: bench_facts CONFIG PHASE FROM TO [ROUNDS]\n");
        return 2;
    }
    open_all(&bench, argv[1], argv[2]);
    double quality_ms = median_ms(&bench, bench.rounds, quality_once);
    double completeness_ms = median_ms(&bench, bench.rounds, completeness_once);
    printf(
        "{\"bench\":\"facts\",\"rounds\":%d,\"units\":%zu,\"rows\":%lld,\"gold\":%zu,\"entities\":%zu,\"missing\":%zu,\"quality_ms\":%.2f,"
        "\"completeness_ms\":%.2f}\n",
        bench.rounds, bench.n_calendar, (long long)bench.n_rows, bench.n_gold, bench.n_entities, bench.n_missing, quality_ms,
        completeness_ms);
    sl_warehouse_destroy(&bench.warehouse);
    sl_arena_fini(&bench.arena);
    sl_config_destroy(&bench.config);
    return 0;
}
