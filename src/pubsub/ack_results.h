/* ack_results.h - what became of each id of an Acknowledge or ModifyAckDeadline, and how long messages take until their ack. Pure. Private to src/pubsub. */
#ifndef SLUICE_ACK_RESULTS_H
#define SLUICE_ACK_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/str.h>

enum sl_id_result {
    SL_ID_DONE,
    SL_ID_LATER,   /* TRANSIENT_FAILURE_...: again */
    SL_ID_INVALID, /* PERMANENT_FAILURE_...: never */
    SL_ID_FAILED   /* by a status that names no ids and that waiting can't mend */
};
/* The ids that a google.rpc.Status names as failed; NULL: it names none, and its code is for all of them. sl_map_destroy(). */
struct sl_map *sl_ack_results_read(const void *details, size_t len);
/* An id that isn't named is done with. */
enum sl_id_result sl_ack_results_of(const struct sl_map *results, const char *id);

enum { SL_ACK_TIMES_MAX_S = 600, SL_ACK_TIMES_ENOUGH = 100 };
struct sl_ack_times { /* open: zero-initialised is empty */
    uint32_t seconds[SL_ACK_TIMES_MAX_S + 1];
    uint32_t n;
};
void sl_ack_times_add(struct sl_ack_times *times, int64_t ms);
/* So many seconds that 99 of 100 messages are acked by then, at least least_s, at most 600; otherwise_s while too few were acked to say. Recent ones weigh more. */
int sl_ack_times_lease_s(const struct sl_ack_times *times, int least_s, int otherwise_s);

#endif
