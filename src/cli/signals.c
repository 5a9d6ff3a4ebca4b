/* signals.c - being stopped: the first SIGINT or SIGTERM asks, the second ends the process at once, and so does the end of the time that the first one gave. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "command.h"

#include <signal.h>
#include <unistd.h>

#include <sluice/clock.h>

static volatile int stop; /* the signal; read and written atomically: threads look at it too */
static volatile unsigned budget_s;

static void on_signal(int number)
{
    if (sl_cli_stopped() != 0)
        _exit(SL_EXIT_INTERRUPTED);
    sl_cli_ask_stop(number);
    if (budget_s != 0)
        alarm(budget_s);
}

static void on_alarm(int number)
{
    static const char SENTENCE[] = "sluice: stopping took too long; what is committed is safe, the rest comes again\n";
    (void)number;
    ssize_t ignored = write(STDERR_FILENO, SENTENCE, sizeof SENTENCE - 1);
    (void)ignored;
    _exit(SL_EXIT_LATER);
}

void sl_cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

void sl_cli_limit_stop(unsigned seconds)
{
    struct sigaction action = {.sa_handler = on_alarm};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    budget_s = seconds;
}

const volatile int *sl_cli_stop(void)
{
    return &stop;
}

int sl_cli_stopped(void)
{
    return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

void sl_cli_ask_stop(int number)
{
    __atomic_store_n(&stop, number, __ATOMIC_RELAXED);
}

void sl_cli_pause(int64_t ms)
{
    if (sl_cli_stopped() == 0 && ms > 0)
        sl_pause_ms(ms);
}
