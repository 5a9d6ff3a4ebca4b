/* ledger_contract.h - what every ledger must do: one list of cases over a factory of handles. A backend's test makes one Test of each:
 *     #define CASE(name) Test(ledger_sqlite, name) { ledger_contract_run(&SQLITE, ledger_case_##name); }
 *     LEDGER_CASES(CASE) */
#ifndef SLUICE_TEST_LEDGER_CONTRACT_H
#define SLUICE_TEST_LEDGER_CONTRACT_H

#include <sluice/ledger.h>

struct ledger_backend {
    const char *name;
    void *(*setup)(void); /* an empty ledger's place */
    void (*teardown)(void *state);
    /* A handle on it that waits at most a moment for locks. */
    enum sl_code (*open)(void *state, enum sl_ledger_open_mode mode, struct sl_ledger **out, struct sl_err *err);
};

struct ledger_fixture {
    const struct ledger_backend *backend;
    void *state;
    struct sl_ledger *ledger;
    struct sl_arena arena;
    struct sl_err err;
};

void ledger_contract_run(const struct ledger_backend *backend, void (*body)(struct ledger_fixture *));
/* One more handle on the same ledger. */
struct sl_ledger *ledger_contract_open(struct ledger_fixture *f, enum sl_ledger_open_mode mode);

/* Small records for tests; the caller changes what matters. */
struct sl_run ledger_test_run(sl_date date, const char *processor, const char *execution_id);
struct sl_gate ledger_test_gate(const char *phase, sl_date date, enum sl_state state);

#define LEDGER_CASES(X)                                                                                                                    \
    X(rollback_leaves_nothing)                                                                                                             \
    X(commit_is_seen_by_others)                                                                                                            \
    X(one_writer_at_a_time)                                                                                                                \
    X(misuse_of_transactions)                                                                                                              \
    X(reading_handle_refuses_writes)                                                                                                       \
    X(inbox_knows_duplicates)                                                                                                              \
    X(runs_keep_every_field)                                                                                                               \
    X(runs_are_ordered_and_replaced)                                                                                                       \
    X(gates_keep_every_field)                                                                                                              \
    X(gates_newest_generation)                                                                                                             \
    X(gates_are_filtered)                                                                                                                  \
    X(gates_by_their_clocks)                                                                                                               \
    X(next_due)                                                                                                                            \
    X(gate_touch_changes_only_clocks)                                                                                                      \
    X(gates_are_made_due)                                                                                                                  \
    X(decisions_share_facts)                                                                                                               \
    X(configs_and_warnings_once)                                                                                                           \
    X(events_once_and_in_order)                                                                                                            \
    X(open_events)                                                                                                                         \
    X(events_are_filtered)                                                                                                                 \
    X(outbox_order_within_topics)                                                                                                          \
    X(outbox_two_owners)                                                                                                                   \
    X(outbox_failures_hold_up_their_topic)                                                                                                 \
    X(outbox_left)                                                                                                                         \
    X(rejects_keep_their_bytes)                                                                                                            \
    X(known_gaps_and_holds)                                                                                                                \
    X(stamps_are_replaced_and_retried)                                                                                                     \
    X(stale_marks_come_once)                                                                                                               \
    X(stale_marks_are_cleared)                                                                                                             \
    X(stamps_of_one_table_at_a_time)                                                                                                       \
    X(units_are_replaced)                                                                                                                  \
    X(clocks_are_kept)                                                                                                                     \
    X(loads_of_events)                                                                                                                     \
    X(loads_are_limited)                                                                                                                   \
    X(loads_of_runs)                                                                                                                       \
    X(loads_of_moved_runs)                                                                                                                 \
    X(counts)                                                                                                                              \
    X(prune_keeps_the_newest)                                                                                                              \
    X(dates_at_their_limits)                                                                                                               \
    X(text_of_every_kind)                                                                                                                  \
    X(many_runs_quickly)                                                                                                                   \
    X(counters)

#define LEDGER_DECLARE(name) void ledger_case_##name(struct ledger_fixture *f);
LEDGER_CASES(LEDGER_DECLARE)

#endif
