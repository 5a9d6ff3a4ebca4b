/* signals.c - being stopped: the first SIGINT or SIGTERM asks, the second ends the process at once. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "command.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

static volatile int stop;

static void on_signal(int number)
{
    (void)number;
    if (stop != 0)
        _exit(SL_EXIT_INTERRUPTED);
    stop = 1;
}

void sl_cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

const volatile int *sl_cli_stop(void)
{
    return &stop;
}

void sl_cli_pause(int64_t ms)
{
    struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    if (stop == 0 && ms > 0)
        nanosleep(&left, NULL);
}

int64_t sl_cli_clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
