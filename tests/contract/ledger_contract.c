/* ledger_contract.c - the fixture of the ledger's cases, and the cases of transactions, runs and gates. */
#include "ledger_contract.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <criterion/criterion.h>

#include "ledger_expect.h"

void ledger_contract_run(const struct ledger_backend *backend, void (*body)(struct ledger_fixture *))
{
    struct ledger_fixture f = {.backend = backend, .state = backend->setup()};
    f.ledger = ledger_contract_open(&f, SL_LEDGER_WRITE);
    body(&f);
    sl_ledger_destroy(&f.ledger);
    sl_arena_fini(&f.arena);
    backend->teardown(f.state);
}

struct sl_ledger *ledger_contract_open(struct ledger_fixture *f, enum sl_ledger_open_mode mode)
{
    struct sl_ledger *ledger = NULL;
    expect_ok(f->backend->open(f->state, mode, &ledger, &f->err));
    return ledger;
}

struct sl_run ledger_test_run(sl_date date, const char *processor, const char *execution_id)
{
    return (struct sl_run){.phase = "p",
                           .processor = processor,
                           .execution_id = execution_id,
                           .date = date,
                           .known = true,
                           .generation = 1,
                           .record_count = -1,
                           .records_failed = -1,
                           .duration_s = (double)NAN,
                           .is_incremental = -1};
}

struct sl_gate ledger_test_gate(const char *phase, sl_date date, enum sl_state state)
{
    return (struct sl_gate){.phase = phase,
                            .date = date,
                            .profile = SL_PAST,
                            .generation = 1,
                            .state = state,
                            .config_hash = "c1",
                            .clock_start_ms = -1,
                            .due_us = SL_NEVER_US,
                            .answer_due_us = SL_NEVER_US};
}

/* Everything a transaction can write, once. */
static void write_one_of_each(struct ledger_fixture *f)
{
    struct sl_run run = ledger_test_run(1, "a", "e1");
    struct sl_gate gate = ledger_test_gate("p", 1, SL_WAITING);
    struct sl_outbox_row row = {.topic = "t", .data = "x", .len = 1};
    struct sl_reject_row reject = {.code = "not_json", .data = "{", .len = 1};
    struct sl_known_gap gap = {.phase = "p", .date = 1, .until = SL_DATE_NONE};
    struct sl_hold hold = {.from = 1, .to = 2, .until_us = SL_NEVER_US};
    struct sl_known_unit unit = {.unit = "u", .date = 1};
    const char *cells[SL_N_LOG_COLUMNS];
    bool is_new;
    expect_ok(sl_ledger_inbox_add(f->ledger, "s", "m", 1, 2, &is_new, &f->err));
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    expect_ok(sl_ledger_decision_add(f->ledger, &gate, "{}", 2, "{}", 2, &f->err));
    expect_ok(sl_ledger_event_add(f->ledger, ledger_test_event(cells, "e1", "1970-01-02"), &is_new, &f->err));
    expect_ok(sl_ledger_outbox_add(f->ledger, &row, &f->err));
    expect_ok(sl_ledger_reject_add(f->ledger, &reject, &f->err));
    expect_ok(sl_ledger_known_gap_add(f->ledger, &gap, &f->err));
    expect_ok(sl_ledger_hold_add(f->ledger, &hold, &f->err));
    expect_ok(sl_ledger_units_set(f->ledger, &unit, 1, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "p", 5, &f->err));
}

/* How many rows of those a handle sees. */
static size_t seen(struct ledger_fixture *f, struct sl_ledger *ledger)
{
    struct sl_ledger_counts counts;
    struct sl_known_gap *gaps;
    struct sl_hold *holds;
    struct sl_known_unit *units;
    size_t n_gaps, n_holds, n_units;
    int64_t clock_ms;
    expect_ok(sl_ledger_counts(ledger, 1, &counts, &f->err));
    expect_ok(sl_ledger_known_gaps(ledger, &gaps, &n_gaps, &f->arena, &f->err));
    expect_ok(sl_ledger_holds(ledger, &holds, &n_holds, &f->arena, &f->err));
    expect_ok(sl_ledger_units(ledger, &units, &n_units, &f->arena, &f->err));
    expect_ok(sl_ledger_clock_get(ledger, "p", &clock_ms, &f->err));
    return (size_t)(counts.runs + counts.gates[SL_WAITING] + counts.events_unloaded + counts.outbox + counts.rejects) + n_gaps + n_holds +
           n_units + (clock_ms != 0);
}

void ledger_case_rollback_leaves_nothing(struct ledger_fixture *f)
{
    struct sl_decision_record record;
    bool is_new = false;
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    write_one_of_each(f);
    cr_expect_eq(seen(f, f->ledger), 9, "inside the transaction its writes are seen");
    sl_ledger_rollback(f->ledger);
    cr_expect_eq(seen(f, f->ledger), 0);
    expect_code(sl_ledger_decision_get(f->ledger, "p", 1, SL_PAST, 0, &record, &f->arena, &f->err), SL_NOT_FOUND);
    expect_ok(sl_ledger_inbox_add(f->ledger, "s", "m", 1, 2, &is_new, &f->err));
    cr_expect(is_new);
    sl_ledger_rollback(f->ledger); /* without a transaction: nothing */
}

void ledger_case_commit_is_seen_by_others(struct ledger_fixture *f)
{
    struct sl_ledger *other = ledger_contract_open(f, SL_LEDGER_READ);
    bool changed = true;
    expect_ok(sl_ledger_changed(other, &changed, &f->err));
    cr_expect_not(changed);
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    write_one_of_each(f);
    cr_expect_eq(seen(f, other), 0, "not before the commit");
    expect_ok(sl_ledger_changed(other, &changed, &f->err));
    cr_expect_not(changed);
    expect_ok(sl_ledger_commit(f->ledger, &f->err));
    expect_ok(sl_ledger_changed(other, &changed, &f->err));
    cr_expect(changed);
    cr_expect_eq(seen(f, other), 9);
    expect_ok(sl_ledger_changed(other, &changed, &f->err));
    cr_expect_not(changed, "only since the last call");
    expect_ok(sl_ledger_changed(f->ledger, &changed, &f->err));
    cr_expect_not(changed, "one's own changes are no news");
    sl_ledger_destroy(&other);
}

void ledger_case_one_writer_at_a_time(struct ledger_fixture *f)
{
    struct sl_ledger *other = ledger_contract_open(f, SL_LEDGER_WRITE);
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    expect_code(sl_ledger_begin(other, &f->err), SL_UNAVAILABLE);
    expect_code(sl_ledger_clock_set(other, "p", 1, &f->err), SL_UNAVAILABLE);
    cr_expect_eq(seen(f, other), 0, "readers don't wait");
    expect_ok(sl_ledger_clock_set(f->ledger, "p", 7, &f->err));
    expect_ok(sl_ledger_commit(f->ledger, &f->err));
    expect_ok(sl_ledger_begin(other, &f->err));
    int64_t ms;
    expect_ok(sl_ledger_clock_get(other, "p", &ms, &f->err));
    cr_expect_eq(ms, 7, "a transaction reads afresh");
    expect_ok(sl_ledger_commit(other, &f->err));
    sl_ledger_destroy(&other);
}

void ledger_case_misuse_of_transactions(struct ledger_fixture *f)
{
    expect_code(sl_ledger_commit(f->ledger, &f->err), SL_INTERNAL);
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    expect_code(sl_ledger_begin(f->ledger, &f->err), SL_INTERNAL);
    expect_ok(sl_ledger_commit(f->ledger, &f->err));
    expect_code(sl_ledger_commit(f->ledger, NULL), SL_INTERNAL);
}

void ledger_case_reading_handle_refuses_writes(struct ledger_fixture *f)
{
    struct sl_ledger *reader = ledger_contract_open(f, SL_LEDGER_READ);
    struct sl_run run = ledger_test_run(1, "a", "e1");
    struct sl_load_job job;
    bool is_new;
    expect_code(sl_ledger_begin(reader, &f->err), SL_DENIED);
    expect_code(sl_ledger_run_put(reader, &run, &f->err), SL_DENIED);
    expect_code(sl_ledger_inbox_add(reader, "s", "m", 1, 1, &is_new, &f->err), SL_DENIED);
    expect_code(sl_ledger_load_fix(reader, SL_LOAD_RUNS, 0, 0, &job, &f->arena, &f->err), SL_DENIED);
    expect_code(sl_ledger_checkpoint(reader, &f->err), SL_DENIED);
    expect_ok(sl_ledger_checkpoint(f->ledger, &f->err));
    sl_ledger_destroy(&reader);
}

void ledger_case_inbox_knows_duplicates(struct ledger_fixture *f)
{
    static const struct {
        const char *label, *subscription, *message_id;
        int64_t publish_us;
        bool is_new;
    } rows[] = {
        {"first", "s", "1", 10, true},
        {"again", "s", "1", 10, false},
        {"the emulator counts from 1 again", "s", "1", 11, true},
        {"another subscription", "s2", "1", 10, true},
        {"another id", "s", "2", 10, true},
        {"still known", "s", "1", 10, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bool is_new = !rows[i].is_new;
        expect_ok(sl_ledger_inbox_add(f->ledger, rows[i].subscription, rows[i].message_id, rows[i].publish_us, 99, &is_new, &f->err));
        cr_expect_eq(is_new, rows[i].is_new, "%s", rows[i].label);
    }
}

void ledger_case_runs_keep_every_field(struct ledger_fixture *f)
{
    struct sl_run got, run = {.phase = "phase_2_raw",
                              .processor = "P",
                              .execution_id = "e",
                              .date = 20193,
                              .status = SL_RUN_PARTIAL,
                              .timestamp_us = 1,
                              .publish_us = 2,
                              .received_us = 3,
                              .generation = 4,
                              .known = true,
                              .skip = true,
                              .record_count = 0,
                              .records_failed = INT64_MAX,
                              .duration_s = 0.1,
                              .correlation_id = "c",
                              .traceparent = "00-1",
                              .trigger_source = "ts",
                              .trigger_message_id = "tm",
                              .error_message = "it's \"bad\"",
                              .extra = "{\"a\":1}",
                              .is_incremental = 0,
                              .entities_changed = "[]"};
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_run_get(f->ledger, "phase_2_raw", 20193, "P", "e", &got, &f->arena, &f->err));
    expect_same_run(&got, &run);
    run = ledger_test_run(20193, "P", "bare");
    run.status = SL_RUN_RUNNING;
    run.timestamp_us = -5;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_run_get(f->ledger, "p", 20193, "P", "bare", &got, &f->arena, &f->err));
    expect_same_run(&got, &run);
    expect_code(sl_ledger_run_get(f->ledger, "p", 20193, "P", "other", &got, &f->arena, &f->err), SL_NOT_FOUND);
    expect_code(sl_ledger_run_get(f->ledger, "p", 20194, "P", "bare", &got, &f->arena, &f->err), SL_NOT_FOUND);
}

void ledger_case_runs_are_ordered_and_replaced(struct ledger_fixture *f)
{
    static const struct {
        const char *processor, *execution_id;
        int64_t timestamp_us, publish_us;
    } rows[] = {{"b", "e1", 5, 0}, {"a", "e9", 7, 1}, {"a", "e2", 7, 1}, {"a", "e5", 3, 0}, {"a", "e4", 7, 0}};
    static const char *const expected[] = {"e5", "e4", "e2", "e9", "e1"};
    struct sl_run *runs, run;
    size_t n;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        run = ledger_test_run(1, rows[i].processor, rows[i].execution_id);
        run.timestamp_us = rows[i].timestamp_us;
        run.publish_us = rows[i].publish_us;
        expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    }
    run = ledger_test_run(2, "a", "other date");
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    run = ledger_test_run(1, "a", "e5");
    run.timestamp_us = 3;
    run.status = SL_RUN_FAILED;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_runs_of(f->ledger, "p", 1, &runs, &n, &f->arena, &f->err));
    cr_assert_eq(n, 5);
    for (size_t i = 0; i < n; i++)
        cr_expect_str_eq(runs[i].execution_id, expected[i]);
    cr_expect_eq(runs[0].status, SL_RUN_FAILED, "replaced, not added");
    for (size_t i = 1; i < 4; i++)
        cr_expect(sl_run_newer(&runs[i], &runs[i - 1]) && !sl_run_newer(&runs[i - 1], &runs[i]), "the order of RULES 2");
    expect_ok(sl_ledger_runs_of(f->ledger, "none", 1, &runs, &n, &f->arena, &f->err));
    cr_expect_eq(n, 0);
}

void ledger_case_gates_keep_every_field(struct ledger_fixture *f)
{
    struct sl_gate got, gate = {.phase = "p",
                                .date = 20193,
                                .profile = SL_FUTURE,
                                .generation = 3,
                                .state = SL_SUPPRESSED,
                                .reasons = SL_REASON_BIT(SL_REASON_SETTLE) | SL_REASON_BIT(SL_REASON_RUN_FAILED),
                                .trigger_reason = SL_BY_RETRIGGERED,
                                .completed = "[\"a\"]",
                                .missing = "[]",
                                .late = "[\"b\"]",
                                .is_production_ready = true,
                                .degraded = true,
                                .dropped = true,
                                .trigger_id = "t",
                                .waits_for = "a sentence",
                                .config_hash = "h",
                                .created_us = 1,
                                .decided_us = 2,
                                .checked_us = 3,
                                .clock_start_ms = 0,
                                .since_us = 5,
                                .last_report_us = 6,
                                .due_us = 7,
                                .recheck_ms = 8,
                                .answer_due_us = 9,
                                .reopened = true};
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    expect_ok(sl_ledger_gate_get(f->ledger, "p", 20193, SL_FUTURE, 3, &got, &f->arena, &f->err));
    expect_same_gate(&got, &gate);
    gate = ledger_test_gate("p", 20193, SL_WAITING); /* other profile: another gate */
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    gate.generation = 3, gate.profile = SL_FUTURE; /* and the first one replaced, in every field */
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    expect_ok(sl_ledger_gate_get(f->ledger, "p", 20193, SL_FUTURE, 3, &got, &f->arena, &f->err));
    expect_same_gate(&got, &gate);
    gate.generation = 0;
    expect_code(sl_ledger_gate_put(f->ledger, &gate, &f->err), SL_INVALID);
    expect_code(sl_ledger_gate_get(f->ledger, "p", 20193, SL_FUTURE, 2, &got, &f->arena, &f->err), SL_NOT_FOUND);
    expect_code(sl_ledger_gate_get(f->ledger, "p", 20193, SL_TODAY, 0, &got, &f->arena, &f->err), SL_NOT_FOUND);
}

static void put_gate(struct ledger_fixture *f, const char *phase, sl_date date, enum sl_profile profile, int generation,
                     enum sl_state state)
{
    struct sl_gate gate = ledger_test_gate(phase, date, state);
    gate.profile = profile;
    gate.generation = generation;
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
}

/* "phase/date/profile/generation ..." of the gates that the filter gives. */
static const char *gates_text(struct ledger_fixture *f, const struct sl_gate_filter *filter)
{
    struct sl_gate *gates;
    size_t n;
    const char *text = "";
    expect_ok(sl_ledger_gates(f->ledger, filter, &gates, &n, &f->arena, &f->err));
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(&f->arena, "%s%s%s/%d/%d/%d", text, i ? " " : "", gates[i].phase, gates[i].date, (int)gates[i].profile,
                               gates[i].generation);
    return text;
}

void ledger_case_gates_newest_generation(struct ledger_fixture *f)
{
    struct sl_gate gate;
    struct sl_gate_filter newest = {.from = SL_DATE_NONE, .to = SL_DATE_NONE}, all = newest, blocked = newest;
    all.all_generations = true;
    blocked.states = 1u << SL_BLOCKED;
    put_gate(f, "p", 1, SL_PAST, 2, SL_WAITING);
    put_gate(f, "p", 1, SL_PAST, 10, SL_TRIGGERED);
    put_gate(f, "p", 1, SL_PAST, 1, SL_BLOCKED);
    put_gate(f, "p", 1, SL_TODAY, 1, SL_BLOCKED);
    expect_ok(sl_ledger_gate_get(f->ledger, "p", 1, SL_PAST, 0, &gate, &f->arena, &f->err));
    cr_expect_eq(gate.generation, 10);
    cr_expect_str_eq(gates_text(f, &newest), "p/1/0/10 p/1/1/1");
    cr_expect_str_eq(gates_text(f, &all), "p/1/0/1 p/1/0/2 p/1/0/10 p/1/1/1");
    cr_expect_str_eq(gates_text(f, &blocked), "p/1/1/1", "a state of an older generation doesn't count");
}

void ledger_case_gates_are_filtered(struct ledger_fixture *f)
{
    enum { WAITING = 1u << SL_WAITING, EMPTY = 1u << SL_EMPTY, TRIGGERED = 1u << SL_TRIGGERED };
    static const struct {
        struct sl_gate_filter filter;
        const char *expected;
    } rows[] = {
        {{NULL, SL_DATE_NONE, SL_DATE_NONE, 0, false, 0, 0, 0}, "a/-3/0/1 a/1/0/1 a/2/0/1 b/1/0/1 b/3/0/1"},
        {{"a", SL_DATE_NONE, SL_DATE_NONE, 0, false, 0, 0, 0}, "a/-3/0/1 a/1/0/1 a/2/0/1"},
        {{"a", 1, SL_DATE_NONE, 0, false, 0, 0, 0}, "a/1/0/1 a/2/0/1"},
        {{"a", SL_DATE_NONE, 1, 0, false, 0, 0, 0}, "a/-3/0/1 a/1/0/1"},
        {{NULL, 1, 1, 0, false, 0, 0, 0}, "a/1/0/1 b/1/0/1"},
        {{NULL, SL_DATE_NONE, SL_DATE_NONE, WAITING, false, 0, 0, 0}, "a/1/0/1 b/1/0/1"},
        {{"b", SL_DATE_NONE, SL_DATE_NONE, WAITING | EMPTY, false, 0, 0, 0}, "b/1/0/1 b/3/0/1"},
        {{"b", SL_DATE_NONE, SL_DATE_NONE, EMPTY, false, 0, 0, 0}, "b/3/0/1"},
        {{NULL, SL_DATE_NONE, SL_DATE_NONE, TRIGGERED, false, 0, 0, 0}, "a/-3/0/1 a/2/0/1"},
        {{"a", SL_DATE_NONE, SL_DATE_NONE, WAITING | TRIGGERED, false, 0, 0, 2}, "a/-3/0/1 a/1/0/1"},
        {{NULL, SL_DATE_NONE, SL_DATE_NONE, WAITING, false, 0, 0, 1}, "a/1/0/1"},
        {{"none", SL_DATE_NONE, SL_DATE_NONE, 0, false, 0, 0, 0}, ""},
    };
    put_gate(f, "b", 3, SL_PAST, 1, SL_EMPTY);
    put_gate(f, "b", 1, SL_PAST, 1, SL_WAITING);
    put_gate(f, "a", 2, SL_PAST, 1, SL_TRIGGERED);
    put_gate(f, "a", 1, SL_PAST, 1, SL_WAITING);
    put_gate(f, "a", -3, SL_PAST, 1, SL_TRIGGERED);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_str_eq(gates_text(f, &rows[i].filter), rows[i].expected, "row %zu: %s", i, gates_text(f, &rows[i].filter));
}

void ledger_case_gates_by_their_clocks(struct ledger_fixture *f)
{
    static const struct {
        sl_date date;
        int64_t due_us, answer_due_us;
    } gates[] = {{4, 100, SL_NEVER_US}, {1, 50, SL_NEVER_US}, {2, SL_NEVER_US, 70}, {3, 101, 60}, {5, SL_NEVER_US, SL_NEVER_US}};
    static const struct {
        int64_t due_by_us, answer_due_by_us;
        const char *expected;
    } rows[] = {{49, 0, ""},        {50, 0, "p/1/0/1"},           {100, 0, "p/1/0/1 p/4/0/1"},
                {0, 60, "p/3/0/1"}, {0, 1000, "p/2/0/1 p/3/0/1"}, {101, 60, "p/3/0/1"}};
    for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
        struct sl_gate gate = ledger_test_gate("p", gates[i].date, SL_WAITING);
        gate.due_us = gates[i].due_us;
        gate.answer_due_us = gates[i].answer_due_us;
        expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sl_gate_filter filter = {
            .from = SL_DATE_NONE, .to = SL_DATE_NONE, .due_by_us = rows[i].due_by_us, .answer_due_by_us = rows[i].answer_due_by_us};
        cr_expect_str_eq(gates_text(f, &filter), rows[i].expected, "row %zu", i);
    }
}

void ledger_case_next_due(struct ledger_fixture *f)
{
    static const struct {
        const char *label;
        sl_date date;
        int64_t due_us, answer_due_us, expected;
    } rows[] = {
        {"no clock runs", 1, SL_NEVER_US, SL_NEVER_US, SL_NEVER_US},
        {"a due gate", 2, 100, SL_NEVER_US, 100},
        {"a later one", 3, 101, SL_NEVER_US, 100},
        {"an earlier answer", 4, SL_NEVER_US, 90, 90},
        {"an earlier gate", 5, 80, 95, 80},
        {"it was decided", 5, SL_NEVER_US, 95, 90},
    };
    int64_t next_us = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sl_gate gate = ledger_test_gate("p", rows[i].date, SL_WAITING);
        gate.due_us = rows[i].due_us;
        gate.answer_due_us = rows[i].answer_due_us;
        expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
        expect_ok(sl_ledger_next_due(f->ledger, &next_us, &f->err));
        cr_expect_eq(next_us, rows[i].expected, "%s: %lld", rows[i].label, (long long)next_us);
    }
}

void ledger_case_gate_touch_changes_only_clocks(struct ledger_fixture *f)
{
    struct sl_gate got, gate = ledger_test_gate("p", 1, SL_BLOCKED), touched = gate;
    gate.waits_for = "rows";
    expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    touched.state = SL_TRIGGERED;
    touched.waits_for = NULL;
    gate.checked_us = touched.checked_us = 5;
    gate.due_us = touched.due_us = 6;
    gate.recheck_ms = touched.recheck_ms = 7;
    gate.answer_due_us = touched.answer_due_us = 8;
    gate.config_hash = touched.config_hash = "c2";
    expect_ok(sl_ledger_gate_touch(f->ledger, &touched, &f->err));
    expect_ok(sl_ledger_gate_get(f->ledger, "p", 1, SL_PAST, 1, &got, &f->arena, &f->err));
    expect_same_gate(&got, &gate);
    touched.generation = 2;
    expect_code(sl_ledger_gate_touch(f->ledger, &touched, &f->err), SL_NOT_FOUND);
}

static int64_t due_of(struct ledger_fixture *f, const char *phase, sl_date date)
{
    struct sl_gate gate;
    expect_ok(sl_ledger_gate_get(f->ledger, phase, date, SL_PAST, 0, &gate, &f->arena, &f->err));
    return gate.due_us;
}

void ledger_case_gates_are_made_due(struct ledger_fixture *f)
{
    struct sl_gate early = ledger_test_gate("p", 9, SL_WAITING);
    int64_t n = 0;
    for (int state = 0; state < SL_N_STATES; state++)
        put_gate(f, "p", state, SL_PAST, 1, (enum sl_state)state);
    put_gate(f, "q", 0, SL_PAST, 1, SL_BLOCKED);
    early.due_us = 10;
    early.config_hash = "c2";
    expect_ok(sl_ledger_gate_put(f->ledger, &early, &f->err));
    expect_ok(sl_ledger_gates_make_due(f->ledger, "p", 0, 1, 100, &n, &f->err));
    cr_expect_eq(n, 2);
    cr_expect(due_of(f, "p", 0) == 100 && due_of(f, "p", 1) == 100 && due_of(f, "q", 0) == SL_NEVER_US);
    expect_ok(sl_ledger_gates_make_due(f->ledger, "p", 0, 9, 90, &n, &f->err));
    cr_expect_eq(n, 3, "waiting, blocked, empty");
    cr_expect_eq(due_of(f, "p", 9), 10, "never later than it was");
    for (int state = 0; state < SL_N_STATES; state++)
        cr_expect_eq(due_of(f, "p", state) == 90, state == SL_WAITING || state == SL_BLOCKED || state == SL_EMPTY, "state %d", state);
    expect_ok(sl_ledger_gates_make_due(f->ledger, NULL, SL_DATE_NONE, SL_DATE_NONE, 80, &n, &f->err));
    cr_expect_eq(n, 4);
    cr_expect_eq(due_of(f, "q", 0), 80);
    expect_ok(sl_ledger_gates_make_due_for_config(f->ledger, "c1", 5, &n, &f->err));
    cr_expect_eq(n, 1);
    cr_expect_eq(due_of(f, "p", 9), 5);
    expect_ok(sl_ledger_gates_make_due_for_config(f->ledger, "c3", 4, &n, &f->err));
    cr_expect_eq(n, 5);
}

void ledger_case_dates_at_their_limits(struct ledger_fixture *f)
{
    sl_date first, last;
    struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE};
    struct sl_gate *gates;
    struct sl_run run;
    size_t n;
    cr_assert(sl_date_parse("0001-01-01", 10, &first) && sl_date_parse("9999-12-31", 10, &last));
    put_gate(f, "p", last, SL_PAST, 1, SL_WAITING);
    put_gate(f, "p", first, SL_PAST, 1, SL_WAITING);
    expect_ok(sl_ledger_gates(f->ledger, &filter, &gates, &n, &f->arena, &f->err));
    cr_assert_eq(n, 2);
    cr_expect(gates[0].date == first && gates[1].date == last);
    filter.from = filter.to = first;
    cr_expect_str_eq(gates_text(f, &filter), "p/-719162/0/1");
    run = ledger_test_run(first, "a", "e");
    run.timestamp_us = INT64_MIN + 1;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_run_get(f->ledger, "p", first, "a", "e", &run, &f->arena, &f->err));
    cr_expect(run.date == first && run.timestamp_us == INT64_MIN + 1);
}

void ledger_case_text_of_every_kind(struct ledger_fixture *f)
{
    static const char *const texts[] = {
        "", "'", "\"; DROP TABLE runs; --", "?1", "%s%n", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8f\x80", "a\nb\tc", "\x01"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sl_run got, run = ledger_test_run(1, texts[i], texts[i]);
        run.error_message = texts[i];
        expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
        expect_ok(sl_ledger_run_get(f->ledger, "p", 1, texts[i], texts[i], &got, &f->arena, &f->err));
        expect_same_run(&got, &run);
    }
}

void ledger_case_many_runs_quickly(struct ledger_fixture *f)
{
    enum { RUNS = 100000, BATCH = 1000 };
    struct sl_ledger_counts counts;
    clock_t start = clock();
    for (int i = 0; i < RUNS; i++) {
        char execution[32];
        snprintf(execution, sizeof(execution), "execution-%d", i);
        struct sl_run run = ledger_test_run(i / 4, "processor", execution);
        if (i % BATCH == 0)
            expect_ok(sl_ledger_begin(f->ledger, &f->err));
        if (sl_ledger_run_put(f->ledger, &run, &f->err))
            cr_assert_fail("%s", f->err.text);
        if (i % BATCH == BATCH - 1)
            expect_ok(sl_ledger_commit(f->ledger, &f->err));
    }
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    expect_ok(sl_ledger_counts(f->ledger, 0, &counts, &f->err));
    cr_expect(counts.runs == RUNS && counts.runs_unloaded == RUNS);
    cr_expect_lt(seconds, 30.0, "even under a sanitizer: %.1f s of CPU", seconds);
}

void ledger_case_counters(struct ledger_fixture *f)
{
    struct sl_gate gate;
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    expect_ok(sl_ledger_commit(f->ledger, &f->err));
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    sl_ledger_rollback(f->ledger);
    expect_code(sl_ledger_commit(f->ledger, &f->err), SL_INTERNAL);
    expect_code(sl_ledger_gate_get(f->ledger, "p", 1, SL_PAST, 0, &gate, &f->arena, &f->err), SL_NOT_FOUND);
    cr_expect_eq(f->ledger->counters.commits, 1);
    cr_expect_eq(f->ledger->counters.rollbacks, 1);
    cr_expect_eq(f->ledger->counters.errors, 1, "nothing found is no error");
}
