/* fault_world.h - a small season decided by the engine over a disk that fails: ledger and warehouse through power_vfs, a bus that remembers what was acked
 * and what was published, time passed in.
 *
 * A world's life: world_create() makes tables and files once, with the power on -> world_begin() puts that state back and opens everything ->
 * world_run() feeds batches, ticks, drains, loads, checkpoints and restarts in a fixed order until the season is over or a call fails ->
 * after a failure world_close(), power_vfs_restart() where the power was lost, world_open(), world_check(), world_run() again. One thread. */
#ifndef SLUICE_TESTS_FAULT_WORLD_H
#define SLUICE_TESTS_FAULT_WORLD_H

#include <sluice/ledger_sqlite.h>
#include <sluice/warehouse_sqlite.h>
#include <sluice/worker.h>

enum world_step { WORLD_OPEN, WORLD_BATCH, WORLD_TICK, WORLD_DRAIN, WORLD_LOAD, WORLD_CHECKPOINT, WORLD_CLOSE };

struct world {
    struct sl_arena arena;
    char *dir, *template_dir;
    struct sl_config *config;
    struct sl_ledger *ledger, *checkpointer;
    struct sl_warehouse *warehouse;
    struct sl_worker *worker;
    struct sl_bus *bus;
    struct sl_bus_message *messages;
    size_t n_messages, n_batches;
    size_t restarted_at;
    size_t at;                       /* the next batch */
    enum world_step step;            /* that failed, or was made last */
    enum sl_sqlite_sync synchronous; /* of the ledger */
    int64_t now_us;
};

void world_create(struct world *world, enum sl_sqlite_sync synchronous);
void world_destroy(struct world *world);
/* The state of the beginning, nothing acked, the VFS begun with `seed`; not open yet. */
void world_begin(struct world *world, uint64_t seed);
enum sl_code world_open(struct world *world, struct sl_err *err);
void world_close(struct world *world);
/* Go on to the end. On a failure world->step says where; the world is still open. */
enum sl_code world_run(struct world *world, struct sl_err *err);

/* Messages that were acked and have left nothing in the ledger. The world must be open. */
size_t world_lost(struct world *world);
/* What integrity_check says of the ledger and the log, other than ok; NULL when they are sound. free() it. The world must be open. */
char *world_unsound(struct world *world);
size_t world_acked(const struct world *world);
/* Everything that must be the same however often the season was disturbed, as text; free() it. Times and job ids aside. The world must be closed. */
char *world_end_state(const struct world *world);
/* NULL when the texts are the same; else where `actual` goes another way, and in *instead_of where `expected` does. Both borrowed. */
const char *world_difference(const char *expected, const char *actual, const char **instead_of);
/* $SLUICE_SEED, or the default. */
uint64_t world_seed(void);

#endif
