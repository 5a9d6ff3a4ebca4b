/* replay_internal.h - a replay at work. Private to src/ops. */
#ifndef SLUICE_OPS_REPLAY_INTERNAL_H
#define SLUICE_OPS_REPLAY_INTERNAL_H

#include <sluice/replay.h>

struct sl_replaying {
    const struct sl_ops *ops;
    struct sl_service *service;
    const struct sl_replay_options *options;
    struct sl_replay_policy policy; /* the options', with id and quarantine */
    struct sl_replay_counts *counts;
    struct sl_letter_hold *hold; /* NULL: the ledger's own list */
    struct sl_worker *worker;    /* an engine beside whoever is at work, on `bus` */
    struct sl_bus *bus;          /* only publishes */
    bool quarantine_made;
    size_t done;
    int64_t started_ms, drained_ms;
    char id[SL_UUID_LEN + 1];
    struct sl_arena arena; /* of a batch */
};

/* Steps of one kind: `n` of them go the same way together. What is safe is let go of. */
enum sl_code sl_replay_batch(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, struct sl_err *err);

#endif
