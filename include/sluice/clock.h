/* clock.h - the steady clock, and waiting by it: a wall clock that is set neither hangs nor hurries anybody. Any thread. */
#ifndef SLUICE_CLOCK_H
#define SLUICE_CLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define SL_MS_NEVER INT64_MAX

int64_t sl_monotonic_us(void);
int64_t sl_monotonic_ms(void);

void sl_pause_ms(int64_t ms); /* less when a signal comes */

/* A condition whose waits are by the steady clock; pthread_cond_destroy() it. */
void sl_cond_init(pthread_cond_t *out);
/* false: until_ms of the steady clock has come. SL_MS_NEVER: no end. As with every condition, true may mean nothing. */
bool sl_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_ms);

#endif
