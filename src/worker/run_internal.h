/* run_internal.h - what the threads of a run share (run_threads.c) and the decider uses (run.c). */
#ifndef SLUICE_WORKER_RUN_INTERNAL_H
#define SLUICE_WORKER_RUN_INTERNAL_H

#include <pthread.h>

#include <sluice/queue.h>

#include "worker_internal.h"

#define POLL_MS 250 /* RULES 31: changes by other processes are noticed within 250 ms */

/* A batch that was received and decoded, or why there is none; `awake` only wakes the decider. */
struct reading {
    struct sl_incoming incoming;
    enum sl_code code;
    struct sl_err err;
    bool awake;
};

/* What the loader does beside the decider: step 2 of a load, or a batch of stamps. */
struct load_work {
    bool is_stamping;
    struct sl_load_job job;
    struct sl_stamping stamping;
    struct sl_arena arena;
    enum sl_code code;
    struct sl_err err;
};

struct runner {
    struct sl_worker *worker;
    const struct sl_run_options *options;
    struct sl_queue *readings, *loads, *loaded, *sends, *sent;
    pthread_t reader, loader, publisher, checkpointer;
    atomic_bool stopping;
    pthread_mutex_t mutex; /* of `wake` */
    pthread_cond_t wake;   /* the checkpointer is told to end */
    struct sl_warehouse *load_warehouse;
    struct sl_ledger *checkpoint_ledger;
    bool reader_on, loader_on, publisher_on, checkpointer_on;

    /* the decider's own; instants of the monotonic clock unless they end in _at_us */
    bool bus_ended, load_in_flight, send_in_flight;
    enum sl_load_kind next_kind;
    int64_t received_us, connected_us, ticked_us, load_after_us, stop_seen_us;
    int64_t started_at_us;
    char send_error[256]; /* the last one */
};

int64_t sl_run_now_us(void); /* what the ledger and the gates are told */
bool sl_run_told_to_stop(const struct runner *run);

enum sl_code sl_run_start(struct runner *run, struct sl_err *err);
/* Ends and joins what was started, and drops what is queued. */
void sl_run_finish(struct runner *run);

void sl_run_reading_free(struct reading *reading);
void sl_run_load_free(struct load_work *work);
void sl_run_sending_free(struct sl_sending *sending);

#endif
