/* test_clock.c - the steady clock, and waits that end by it. */
#include <criterion/criterion.h>

#include <sluice/clock.h>

Test(clock, never_goes_back_and_counts_the_same_in_both_units)
{
    const int64_t before_ms = sl_monotonic_ms(), us = sl_monotonic_us(), after_ms = sl_monotonic_ms();
    cr_assert_leq(before_ms, us / 1000);
    cr_assert_leq(us / 1000, after_ms);
}

Test(clock, a_wait_ends_when_its_time_has_come)
{
    static const int64_t AHEAD_MS[] = {-1000000, 0, 30};
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    sl_cond_init(&cond);
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < sizeof AHEAD_MS / sizeof *AHEAD_MS; i++) {
        const int64_t until_ms = sl_monotonic_ms() + AHEAD_MS[i];
        while (sl_cond_wait(&cond, &mutex, until_ms))
            ;
        cr_assert_geq(sl_monotonic_ms(), until_ms, "%lld ahead", (long long)AHEAD_MS[i]);
    }
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&cond);
}

struct bell {
    pthread_mutex_t mutex;
    pthread_cond_t rung;
    bool is_rung;
};

static void *ring(void *arg)
{
    struct bell *bell = arg;
    pthread_mutex_lock(&bell->mutex);
    bell->is_rung = true;
    pthread_cond_signal(&bell->rung);
    pthread_mutex_unlock(&bell->mutex);
    return NULL;
}

Test(clock, a_wait_without_end_and_a_long_one_are_woken)
{
    const int64_t UNTIL_MS[] = {SL_MS_NEVER, sl_monotonic_ms() + 1000000};
    for (size_t i = 0; i < 2; i++) {
        struct bell bell = {.mutex = PTHREAD_MUTEX_INITIALIZER};
        pthread_t ringer;
        sl_cond_init(&bell.rung);
        pthread_mutex_lock(&bell.mutex);
        cr_assert_eq(pthread_create(&ringer, NULL, ring, &bell), 0);
        while (!bell.is_rung)
            cr_assert(sl_cond_wait(&bell.rung, &bell.mutex, UNTIL_MS[i]));
        pthread_mutex_unlock(&bell.mutex);
        pthread_join(ringer, NULL);
        pthread_cond_destroy(&bell.rung);
    }
}
