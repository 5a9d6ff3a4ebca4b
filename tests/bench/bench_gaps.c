/* bench_gaps.c - how long a gap check takes in a process that runs already: the dates of one table that have rows, the whole check of `gaps --table`, and a
 * calendar's units judged one by one as `gaps --phase` does. The first round of each opens files and looks at the tables; it is not counted.
 * Prints one JSON line of medians. Usage: bench_gaps CONFIG PHASE TABLE FROM TO [ROUNDS]. */
#include <string.h>
#include <time.h>

#include <sluice/ops.h>

#include "measure.h"

struct bench {
    struct sl_ops ops;
    const struct sl_phase *phase;
    const char *table;
    sl_date from, to;
    int rounds;
    size_t n_dates, n_missing, n_phase_missing;
};

static void dates_once(struct bench *bench, struct sl_arena *arena)
{
    struct sl_err err;
    sl_date *dates = NULL;
    struct sl_source source = {.table = bench->table, .date_column = bench->phase->processors[0].sources[0].date_column};
    must(sl_warehouse_dates(bench->ops.warehouse, &source, bench->from, bench->to, &dates, &bench->n_dates, arena, &err), &err);
}

static void table_once(struct bench *bench, struct sl_arena *arena)
{
    struct sl_err err;
    struct sl_gap_report report;
    must(sl_ops_gaps_table(&bench->ops, bench->table, NULL, bench->from, bench->to, false, &report, arena, &err), &err);
    bench->n_missing = report.n_missing;
}

static void phase_once(struct bench *bench, struct sl_arena *arena)
{
    struct sl_err err;
    struct sl_gap_report *reports = NULL;
    size_t n = 0;
    must(sl_ops_gaps_phase(&bench->ops, bench->phase, bench->from, bench->to, false, &reports, &n, arena, &err), &err);
    bench->n_phase_missing = n ? reports[0].n_missing : 0;
}

static void open_all(struct bench *bench, struct sl_config *config)
{
    struct sl_err err;
    struct sl_ops *ops = &bench->ops;
    ops->config = config;
    ops->now_us = (int64_t)time(NULL) * 1000000;
    ops->today = sl_zone_date(config->zone, ops->now_us);
    must(sl_ledger_open(&ops->ledger, config, SL_LEDGER_WRITE, &err), &err);
    must(sl_warehouse_open(&ops->warehouse, config, &err), &err);
    sl_worker_create(&ops->worker, config, ops->ledger, ops->warehouse, NULL, NULL);
}

static void close_all(struct bench *bench)
{
    sl_worker_destroy(&bench->ops.worker);
    sl_warehouse_destroy(&bench->ops.warehouse);
    sl_ledger_destroy(&bench->ops.ledger);
}

static bool parse(struct bench *bench, char **argv, int argc)
{
    bench->table = argv[3];
    bench->rounds = argc > 6 ? atoi(argv[6]) : 21;
    return bench->rounds > 0 && bench->rounds <= MOST_ROUNDS && sl_date_parse(argv[4], strlen(argv[4]), &bench->from) &&
           sl_date_parse(argv[5], strlen(argv[5]), &bench->to);
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    struct sl_config *config = NULL;
    struct sl_err err;
    if (argc < 6 || !parse(&bench, argv, argc)) {
        fprintf(stderr, "usage: bench_gaps CONFIG PHASE TABLE FROM TO [ROUNDS]\n");
        return 2;
    }
    must(sl_config_load(&config, argv[1], NULL, 0, NULL, NULL, &err), &err);
    bench.phase = sl_config_phase(config, argv[2]);
    if (!bench.phase) {
        fprintf(stderr, "bench_gaps: %s has no phase %s\n", argv[1], argv[2]);
        return 2;
    }
    open_all(&bench, config);
    double dates_ms = median_ms(&bench, bench.rounds, dates_once);
    double table_ms = median_ms(&bench, bench.rounds, table_once);
    double phase_ms = median_ms(&bench, bench.rounds, phase_once);
    printf("{\"bench\":\"gaps\",\"rounds\":%d,\"dates\":%zu,\"missing\":%zu,\"phase_missing\":%zu,\"dates_ms\":%.2f,\"table_ms\":%.2f,"
           "\"phase_ms\":%.2f}\n",
           bench.rounds, bench.n_dates, bench.n_missing, bench.n_phase_missing, dates_ms, table_ms, phase_ms);
    close_all(&bench);
    sl_config_destroy(&config);
    return 0;
}
