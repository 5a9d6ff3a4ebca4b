/* measure.h - for the benches that ask a process that runs already: calls that must work, and the median of some rounds. */
#ifndef SL_TESTS_BENCH_MEASURE_H
#define SL_TESTS_BENCH_MEASURE_H

#include <stdio.h>
#include <stdlib.h>

#include <sluice/clock.h>
#include <sluice/error.h>
#include <sluice/mem.h>

#define MOST_ROUNDS 1000

static inline void must(enum sl_code code, const struct sl_err *err)
{
    if (code == SL_OK)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

static inline int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench;

/* The first round opens files and looks at the tables; it is not counted. */
static inline double median_ms(struct bench *bench, int rounds, void (*once)(struct bench *bench, struct sl_arena *arena))
{
    double took[MOST_ROUNDS];
    for (int i = -1; i < rounds; i++) {
        struct sl_arena arena = {0};
        const int64_t start_us = sl_monotonic_us();
        once(bench, &arena);
        if (i >= 0)
            took[i] = (double)(sl_monotonic_us() - start_us) / 1e3;
        sl_arena_fini(&arena);
    }
    qsort(took, (size_t)rounds, sizeof *took, by_value);
    return took[rounds / 2];
}

#endif
