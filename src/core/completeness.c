/* completeness.c - per cent of what is expected. */
#include <math.h>

#include <sluice/completeness.h>

double sl_completeness_pct(size_t n_actual, size_t n_expected)
{
    return n_expected ? floor(1000.0 * (double)n_actual / (double)n_expected + 0.5) / 10 : 100;
}
