/* sim_faults.h - faults between the worker and its ports: each call of a ledger, a warehouse or a bus passes here first.
 * Of a ledger and a warehouse the object is kept and only its table of operations taken over; a bus is put before the real one. One thread. */
#ifndef SLUICE_TESTS_SIM_FAULTS_H
#define SLUICE_TESTS_SIM_FAULTS_H

#include <sluice/bus.h>
#include <sluice/ledger.h>
#include <sluice/warehouse.h>

/* Every slot that can fail. X(port, name) */
#define SIM_LEDGER_SLOTS(X)                                                                                                                \
    X(begin)                                                                                                                               \
    X(commit)                                                                                                                              \
    X(changed)                                                                                                                             \
    X(inbox_add)                                                                                                                           \
    X(run_get)                                                                                                                             \
    X(run_put)                                                                                                                             \
    X(runs_of)                                                                                                                             \
    X(gate_get)                                                                                                                            \
    X(gate_put)                                                                                                                            \
    X(gate_touch)                                                                                                                          \
    X(gates)                                                                                                                               \
    X(gates_make_due)                                                                                                                      \
    X(gates_make_due_for_config)                                                                                                           \
    X(next_due)                                                                                                                            \
    X(decision_add)                                                                                                                        \
    X(config_add)                                                                                                                          \
    X(event_add)                                                                                                                           \
    X(open_events)                                                                                                                         \
    X(warn_once)                                                                                                                           \
    X(outbox_add)                                                                                                                          \
    X(outbox_claim)                                                                                                                        \
    X(outbox_left)                                                                                                                         \
    X(outbox_done)                                                                                                                         \
    X(outbox_failed)                                                                                                                       \
    X(reject_add)                                                                                                                          \
    X(known_gaps)                                                                                                                          \
    X(holds)                                                                                                                               \
    X(stale_add)                                                                                                                           \
    X(stale)                                                                                                                               \
    X(stale_clear)                                                                                                                         \
    X(stale_triggered)                                                                                                                     \
    X(units)                                                                                                                               \
    X(units_set)                                                                                                                           \
    X(clock_get)                                                                                                                           \
    X(clock_set)                                                                                                                           \
    X(load_fix)                                                                                                                            \
    X(load_done)                                                                                                                           \
    X(counts)

#define SIM_WAREHOUSE_SLOTS(X)                                                                                                             \
    X(present)                                                                                                                             \
    X(count)                                                                                                                               \
    X(tally)                                                                                                                               \
    X(entities)                                                                                                                            \
    X(tiers)                                                                                                                               \
    X(fingerprint)                                                                                                                         \
    X(reconstruct)                                                                                                                         \
    X(reconstructed)                                                                                                                       \
    X(calendar)                                                                                                                            \
    X(load)

enum sim_slot {
    SIM_LEDGER_ANY, /* any slot of the ledger */
#define X(name) SIM_LEDGER_##name,
    SIM_LEDGER_SLOTS(X)
#undef X
#define X(name) SIM_WAREHOUSE_##name,
        SIM_WAREHOUSE_SLOTS(X)
#undef X
            SIM_BUS_ack,
    SIM_N_SLOTS
};

/* The `at`-th call of the slot from now on (1: the next one) gives `code`; 0: never. */
struct sim_fault {
    enum sim_slot slot;
    size_t at;
    enum sl_code code;
    bool for_ever;     /* and so does every call after it, of any slot: the process is as good as dead */
    bool timed_out;    /* of a question to the warehouse: it took too long */
    const char *table; /* only questions about this one; NULL: any */
    bool after;        /* of a commit, a load, an ack: it is done, and then fails */
};

struct sim_faults;
struct sim_ledger_port {
    struct sl_ledger_ops ops; /* first: found again from self->ops */
    const struct sl_ledger_ops *real;
    struct sim_faults *faults;
};
struct sim_warehouse_port {
    struct sl_warehouse_ops ops;
    const struct sl_warehouse_ops *real;
    struct sim_faults *faults;
};
struct sim_bus_port { /* a bus of its own, that hands everything on */
    struct sl_bus base;
    struct sl_bus *inner; /* borrowed */
    struct sim_faults *faults;
};

struct sim_faults { /* embedded in a world, not moved while a port is wrapped */
    struct sim_fault fault;
    bool fired, dead;
    size_t calls[SIM_N_SLOTS]; /* [SIM_LEDGER_ANY]: of all slots of the ledger */
    struct sim_asked {         /* questions to the warehouse by slot and table, since n_asked was set to 0 */
        enum sim_slot slot;
        char table[64];
        size_t n;
    } asked[64];
    size_t n_asked;
    struct sim_ledger_port ledger;
    struct sim_warehouse_port warehouse;
    struct sim_bus_port bus;
    /* Before each ack, outside any transaction; may be NULL. */
    void (*before_ack)(void *arg, const struct sl_bus_batch *batch);
    void *before_ack_arg;
};

void sim_faults_clear(struct sim_faults *faults);
void sim_faults_wrap_ledger(struct sim_faults *faults, struct sl_ledger *ledger);
void sim_faults_wrap_warehouse(struct sim_faults *faults, struct sl_warehouse *warehouse);
/* The bus that the worker is to use; embedded in `faults`, not destroyed. `inner` is borrowed. */
struct sl_bus *sim_faults_wrap_bus(struct sim_faults *faults, struct sl_bus *inner);

#endif
