/* clock.c - CLOCK_MONOTONIC, and conditions that wait by it. */
#include <sluice/clock.h>

#include <errno.h>
#include <time.h>

static struct timespec as_timespec(int64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

int64_t sl_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t sl_monotonic_ms(void)
{
    return sl_monotonic_us() / 1000;
}

void sl_pause_ms(int64_t ms)
{
    const struct timespec wait = as_timespec(ms);
    nanosleep(&wait, NULL);
}

void sl_cond_init(pthread_cond_t *out)
{
    pthread_condattr_t steady;
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(out, &steady);
    pthread_condattr_destroy(&steady);
}

bool sl_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms)
{
    if (until_ms == SL_MS_NEVER)
        return pthread_cond_wait(cond, mutex) == 0;
    const struct timespec until = as_timespec(until_ms);
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}
