/* ledger_contract_flow.c - the ledger's cases of what flows through it: decisions, events, outbox, rejects, operators' words, loads. */
#include "ledger_contract.h"

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "ledger_expect.h"

void ledger_case_decisions_share_facts(struct ledger_fixture *f)
{
    struct sl_gate gate = ledger_test_gate("p", 1, SL_BLOCKED);
    struct sl_decision_record first, second, other;
    gate.decided_us = 11;
    expect_ok(sl_ledger_decision_add(f->ledger, &gate, "{\"f\":1}", 7, "{\"d\":1}", 7, &f->err));
    expect_ok(sl_ledger_decision_get(f->ledger, "p", 1, SL_PAST, 1, &first, &f->arena, &f->err));
    cr_expect_str_eq(first.facts, "{\"f\":1}");
    cr_expect_str_eq(first.decision, "{\"d\":1}");
    cr_expect_str_eq(first.config_hash, "c1");
    cr_expect_eq(first.decided_us, 11);
    expect_ok(sl_ledger_decision_add(f->ledger, &gate, "{\"f\":1} and more", 7, "{\"d\":2} and more", 7, &f->err));
    expect_ok(sl_ledger_decision_get(f->ledger, "p", 1, SL_PAST, 1, &second, &f->arena, &f->err));
    cr_expect(second.id > first.id && !strcmp(second.facts, first.facts) && !strcmp(second.decision, "{\"d\":2}"));
    gate.generation = 2;
    expect_ok(sl_ledger_decision_add(f->ledger, &gate, "{}", 2, "{\"d\":3}", 7, &f->err));
    expect_ok(sl_ledger_decision_get(f->ledger, "p", 1, SL_PAST, 0, &other, &f->arena, &f->err));
    cr_expect_str_eq(other.decision, "{\"d\":3}", "0: the newest generation");
    expect_ok(sl_ledger_decision_get(f->ledger, "p", 1, SL_PAST, 1, &other, &f->arena, &f->err));
    cr_expect_eq(other.id, second.id);
    expect_code(sl_ledger_decision_get(f->ledger, "p", 1, SL_TODAY, 0, &other, &f->arena, &f->err), SL_NOT_FOUND);
}

void ledger_case_configs_and_warnings_once(struct ledger_fixture *f)
{
    bool is_new = false;
    expect_ok(sl_ledger_config_add(f->ledger, "h", "{}", 1, &f->err));
    expect_ok(sl_ledger_config_add(f->ledger, "h", "{\"other\":1}", 2, &f->err));
    const char *normal = NULL;
    expect_ok(sl_ledger_config_get(f->ledger, "h", &normal, &f->arena, &f->err));
    cr_expect_str_eq(normal, "{}", "the first one stays");
    expect_code(sl_ledger_config_get(f->ledger, "g", &normal, &f->arena, &f->err), SL_NOT_FOUND);
    expect_ok(sl_ledger_warn_once(f->ledger, "unknown processor X", &is_new, &f->err));
    cr_expect(is_new);
    expect_ok(sl_ledger_warn_once(f->ledger, "unknown processor X", &is_new, &f->err));
    cr_expect_not(is_new);
    expect_ok(sl_ledger_warn_once(f->ledger, "unknown processor Y", &is_new, &f->err));
    cr_expect(is_new);
}

struct seen_events {
    struct ledger_fixture *f;
    const char *ids;                     /* joined by blanks */
    const char *cells[SL_N_LOG_COLUMNS]; /* of the last */
};

static void see_event(void *arg, const char *const *cells)
{
    struct seen_events *seen = arg;
    seen->ids = sl_arena_printf(&seen->f->arena, "%s%s%s", seen->ids, *seen->ids ? " " : "", cells[0]);
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        seen->cells[i] = sl_arena_strdup(&seen->f->arena, cells[i]);
}

static struct seen_events events_of(struct ledger_fixture *f, const struct sl_log_filter *filter)
{
    struct seen_events seen = {.f = f, .ids = ""};
    expect_ok(sl_ledger_events(f->ledger, filter, see_event, &seen, &f->err));
    return seen;
}

static const struct sl_log_filter NO_FILTER = {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE};

void ledger_case_events_once_and_in_order(struct ledger_fixture *f)
{
    const char *cells[SL_N_LOG_COLUMNS];
    bool is_new = false;
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        cells[i] = SL_LOG_COLUMNS[i]; /* every cell its own column's name */
    cells[0] = "z";
    expect_ok(sl_ledger_event_add(f->ledger, cells, &is_new, &f->err));
    cr_expect(is_new);
    cells[14] = "another description";
    expect_ok(sl_ledger_event_add(f->ledger, cells, &is_new, &f->err));
    cr_expect_not(is_new, "the same event again adds nothing");
    struct seen_events seen = events_of(f, &NO_FILTER);
    cr_expect_str_eq(seen.ids, "z");
    for (size_t i = 1; i < SL_N_LOG_COLUMNS; i++)
        cr_expect_str_eq(seen.cells[i], SL_LOG_COLUMNS[i]);
    expect_ok(sl_ledger_event_add(f->ledger, ledger_test_event(cells, "a", NULL), &is_new, &f->err));
    seen = events_of(f, &NO_FILTER);
    cr_expect_str_eq(seen.ids, "z a", "by sequence, not by id");
    cr_expect_null(seen.cells[10]);
    cr_expect_null(seen.cells[35]);
    for (size_t missing = 0; missing < 5; missing++) {
        ledger_test_event(cells, "b", NULL);
        cells[1] = "batch";
        cells[missing] = NULL;
        expect_code(sl_ledger_event_add(f->ledger, cells, &is_new, &f->err), missing == 1 ? SL_OK : SL_INVALID);
    }
}

void ledger_case_events_are_filtered(struct ledger_fixture *f)
{
    static const struct {
        const char *id, *date, *type, *severity, *unit, *phase;
    } events[] = {
        {"1", "2025-04-15", "source_missing", "critical", "u1", "p"}, {"2", "2025-04-14", "fallback_used", "info", "u1", "p"},
        {"3", "2025-04-16", "source_missing", "warning", "u2", "q"},  {"4", NULL, "operator_action", "info", NULL, NULL},
        {"5", "2025-04-15", "gate_blocked", "critical", NULL, "q"},
    };
    sl_date day = 20193; /* 2025-04-15 */
    const struct {
        struct sl_log_filter filter;
        const char *expected;
    } rows[] = {
        {NO_FILTER, "1 2 3 4 5"},
        {{day, SL_DATE_NONE, SL_DATE_NONE, NULL, NULL, NULL, NULL}, "1 5"},
        {{SL_DATE_NONE, day, SL_DATE_NONE, NULL, NULL, NULL, NULL}, "1 3 5"},
        {{SL_DATE_NONE, SL_DATE_NONE, day, NULL, NULL, NULL, NULL}, "1 2 5"},
        {{SL_DATE_NONE, day - 1, day, NULL, "critical", NULL, NULL}, "1 5"},
        {{day, day + 1, SL_DATE_NONE, NULL, NULL, NULL, NULL}, ""},
        {{SL_DATE_NONE, SL_DATE_NONE, SL_DATE_NONE, "source_missing", NULL, NULL, NULL}, "1 3"},
        {{SL_DATE_NONE, SL_DATE_NONE, SL_DATE_NONE, NULL, NULL, "u1", NULL}, "1 2"},
        {{SL_DATE_NONE, SL_DATE_NONE, SL_DATE_NONE, NULL, NULL, NULL, "q"}, "3 5"},
        {{day, SL_DATE_NONE, SL_DATE_NONE, "gate_blocked", "critical", NULL, "q"}, "5"},
    };
    const char *cells[SL_N_LOG_COLUMNS];
    bool is_new;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        ledger_test_event(cells, events[i].id, events[i].date);
        cells[3] = events[i].type;
        cells[4] = events[i].severity;
        cells[6] = events[i].phase;
        cells[9] = events[i].unit;
        expect_ok(sl_ledger_event_add(f->ledger, cells, &is_new, &f->err));
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        cr_expect_str_eq(events_of(f, &rows[i].filter).ids, rows[i].expected, "row %zu", i);
}

/* What a later state of a source resolves, until an event says that it did. */
void ledger_case_open_events(struct ledger_fixture *f)
{
    static const struct {
        const char *id, *date, *type, *phase, *processor, *unit, *details;
    } events[] = {
        {"1", "2025-04-15", "source_missing", "p", "a", "u'1", NULL}, {"2", "2025-04-15", "fallback_used", "p", "a", "u2", "raw.a2"},
        {"3", "2025-04-15", "reconstruction", "p", "b", NULL, NULL},  {"4", "2025-04-15", "source_missing", "q", "c", "u1", NULL},
        {"5", "2025-04-16", "source_missing", "p", "a", "u1", NULL},  {"6", "2025-04-15", "source_missing", "p", NULL, "u1", NULL},
        {"7", "2025-04-15", "gate_blocked", "p", "a", NULL, NULL},    {"8", "2025-04-15", "source_available", "p", "a", "u2", "2"},
    };
    const char *cells[SL_N_LOG_COLUMNS];
    bool is_new;
    struct sl_open_event *open = NULL;
    size_t n = 0;
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        ledger_test_event(cells, events[i].id, events[i].date);
        cells[3] = events[i].type;
        cells[6] = events[i].phase;
        cells[8] = events[i].processor;
        cells[9] = events[i].unit;
        cells[19] = events[i].details;
        expect_ok(sl_ledger_event_add(f->ledger, cells, &is_new, &f->err));
    }
    expect_ok(sl_ledger_open_events(f->ledger, "p", 20193, &open, &n, &f->arena, &f->err));
    cr_assert_eq(n, 2);
    cr_expect_str_eq(open[0].event_id, "1");
    cr_expect_str_eq(open[0].type, "source_missing");
    cr_expect_str_eq(open[0].processor, "a");
    cr_expect_str_eq(open[0].unit, "u'1");
    cr_expect_str_eq(open[1].event_id, "3");
    cr_expect_null(open[1].unit);
    expect_ok(sl_ledger_open_events(f->ledger, "p", 20195, &open, &n, &f->arena, &f->err));
    cr_expect_eq(n, 0);
}

static void add_row(struct ledger_fixture *f, const char *topic, sl_date date, const char *key, int64_t next_us)
{
    struct sl_outbox_row row = {.kind = SL_OUTBOX_TRIGGER,
                                .topic = topic,
                                .key = key,
                                .phase = "p",
                                .date = date,
                                .data = key,
                                .len = strlen(key),
                                .attributes = "{\"k\":\"v\"}",
                                .created_us = 1,
                                .next_us = next_us};
    expect_ok(sl_ledger_outbox_add(f->ledger, &row, &f->err));
}

/* Claims at `now_us` for 100 µs; the keys, joined by blanks. */
static const char *claim(struct ledger_fixture *f, const char *owner, int64_t now_us, size_t limit, struct sl_outbox_row **rows)
{
    struct sl_outbox_row *own;
    const char *text = "";
    size_t n;
    expect_ok(sl_ledger_outbox_claim(f->ledger, owner, now_us, now_us + 100, limit, rows ? rows : &own, &n, &f->arena, &f->err));
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(&f->arena, "%s%s%s", text, i ? " " : "", (rows ? *rows : own)[i].key);
    return text;
}

void ledger_case_outbox_order_within_topics(struct ledger_fixture *f)
{
    struct sl_outbox_row *rows;
    add_row(f, "t2", 5, "t2-5", 0);
    add_row(f, "t1", 7, "t1-7", 0);
    add_row(f, "t1", 3, "t1-3", 0);
    add_row(f, "t1", 3, "t1-3b", 0);
    add_row(f, "t1", SL_DATE_NONE, "t1-none", 0);
    add_row(f, "t2", 4, "t2-4", 50);
    cr_expect_str_eq(claim(f, "w", 10, 0, &rows), "t1-none t1-3 t1-3b t1-7", "t2's first row is not due, so t2 waits");
    cr_expect_eq(rows[0].date, SL_DATE_NONE);
    cr_expect(rows[1].kind == SL_OUTBOX_TRIGGER && rows[1].date == 3 && rows[1].len == 4 && !memcmp(rows[1].data, "t1-3", 4));
    cr_expect_str_eq(rows[1].attributes, "{\"k\":\"v\"}");
    cr_expect(!strcmp(rows[1].topic, "t1") && !strcmp(rows[1].phase, "p") && rows[1].attempts == 0 && rows[1].created_us == 1);
    expect_ok(sl_ledger_outbox_done(f->ledger, rows[0].id, &f->err));
    expect_code(sl_ledger_outbox_done(f->ledger, rows[0].id, &f->err), SL_NOT_FOUND);
    cr_expect_str_eq(claim(f, "w", 10, 2, NULL), "t1-3 t1-3b", "the limit; one's own rows come again");
    cr_expect_str_eq(claim(f, "w", 50, 4, NULL), "t1-3 t1-3b t1-7 t2-4");
    cr_expect_str_eq(claim(f, "w", 50, 0, NULL), "t1-3 t1-3b t1-7 t2-4 t2-5");
}

void ledger_case_outbox_two_owners(struct ledger_fixture *f)
{
    struct sl_outbox_row *rows;
    add_row(f, "t1", 1, "a", 0);
    add_row(f, "t1", 2, "b", 0);
    add_row(f, "t2", 1, "c", 0);
    cr_expect_str_eq(claim(f, "one", 10, 1, &rows), "a");
    add_row(f, "t1", 0, "earlier", 0);
    cr_expect_str_eq(claim(f, "two", 10, 0, NULL), "c", "t1 has an unfinished row of another owner");
    cr_expect_str_eq(claim(f, "one", 10, 0, NULL), "earlier a b");
    cr_expect_str_eq(claim(f, "two", 109, 0, NULL), "c", "until 110 they are one's");
    cr_expect_str_eq(claim(f, "two", 110, 0, &rows), "earlier a b c", "and then free");
    for (size_t i = 0; i < 3; i++)
        expect_ok(sl_ledger_outbox_done(f->ledger, rows[i].id, &f->err));
    add_row(f, "t1", 9, "d", 0);
    cr_expect_str_eq(claim(f, "one", 111, 0, NULL), "d", "what two finished holds up nothing");
}

void ledger_case_outbox_failures_hold_up_their_topic(struct ledger_fixture *f)
{
    struct sl_outbox_row *rows;
    struct sl_ledger_counts counts;
    add_row(f, "t", 1, "a", 0);
    add_row(f, "t", 2, "b", 0);
    claim(f, "w", 10, 0, &rows);
    int64_t id = rows[0].id;
    expect_ok(sl_ledger_outbox_failed(f->ledger, id, "peer down", 11, 30, &f->err));
    cr_expect_str_eq(claim(f, "w", 29, 0, NULL), "", "b waits behind a");
    expect_ok(sl_ledger_outbox_failed(f->ledger, id, "still down", 30, 60, &f->err));
    cr_expect_str_eq(claim(f, "w", 60, 0, &rows), "a b");
    cr_expect(rows[0].attempts == 2 && rows[0].failing_since_us == 11 && rows[1].attempts == 0 && rows[1].failing_since_us == 0);
    cr_expect_str_eq(rows[0].last_error, "still down");
    expect_ok(sl_ledger_counts(f->ledger, 60, &counts, &f->err));
    cr_expect(counts.outbox == 2 && counts.outbox_failing == 1);
    expect_ok(sl_ledger_counts(f->ledger, 10, &counts, &f->err));
    cr_expect_eq(counts.outbox_failing, 0, "at 10 it did not fail yet");
    expect_code(sl_ledger_outbox_failed(f->ledger, 999, "x", 1, 2, &f->err), SL_NOT_FOUND);
}

static void expect_left(struct ledger_fixture *f, size_t n, int64_t failing_since_us, const char *when)
{
    size_t got = 99;
    int64_t since_us = 99;
    expect_ok(sl_ledger_outbox_left(f->ledger, &got, &since_us, &f->err));
    cr_expect(got == n && since_us == failing_since_us, "%s: %zu rows, failing since %lld", when, got, (long long)since_us);
}

void ledger_case_outbox_left(struct ledger_fixture *f)
{
    struct sl_outbox_row *rows;
    expect_left(f, 0, 0, "empty");
    add_row(f, "t1", 1, "a", 0);
    add_row(f, "t1", 2, "b", 0);
    add_row(f, "t2", 1, "c", 0);
    expect_left(f, 3, 0, "nothing has failed");
    claim(f, "w", 10, 0, &rows);
    expect_left(f, 3, 0, "claimed rows are left");
    expect_ok(sl_ledger_outbox_failed(f->ledger, rows[2].id, "peer down", 20, 30, &f->err));
    expect_ok(sl_ledger_outbox_failed(f->ledger, rows[0].id, "peer down", 15, 30, &f->err));
    expect_left(f, 3, 15, "the one failing longest");
    expect_ok(sl_ledger_outbox_failed(f->ledger, rows[0].id, "still down", 40, 50, &f->err));
    expect_left(f, 3, 15, "since its first failure");
    expect_ok(sl_ledger_outbox_done(f->ledger, rows[0].id, &f->err));
    expect_left(f, 2, 20, "the other one");
    expect_ok(sl_ledger_outbox_done(f->ledger, rows[2].id, &f->err));
    expect_left(f, 1, 0, "none fails");
}

void ledger_case_rejects_keep_their_bytes(struct ledger_fixture *f)
{
    enum { BIG = 10000000 };
    char *big = sl_alloc(BIG);
    struct sl_reject_row *rows;
    size_t n;
    memset(big, 'x', BIG);
    big[0] = '\0';
    big[BIG - 1] = '\xff';
    struct sl_reject_row row = {.received_us = 5,
                                .phase = "p",
                                .subscription = "s",
                                .message_id = "m",
                                .publish_us = 4,
                                .code = "too_large",
                                .detail = "it's too large",
                                .data = big,
                                .len = BIG,
                                .attributes = "{}"};
    struct sl_reject_row empty = {.code = "not_json", .data = NULL, .len = 0};
    expect_ok(sl_ledger_reject_add(f->ledger, &row, &f->err));
    expect_ok(sl_ledger_reject_add(f->ledger, &empty, &f->err));
    expect_ok(sl_ledger_rejects(f->ledger, 0, &rows, &n, &f->arena, &f->err));
    cr_assert_eq(n, 2);
    cr_expect(rows[0].data == NULL && rows[0].len == BIG && rows[1].len == 0 && rows[1].phase == NULL);
    int64_t id = rows[0].id;
    expect_ok(sl_ledger_rejects(f->ledger, id, &rows, &n, &f->arena, &f->err));
    cr_assert(n == 1 && rows[0].len == BIG);
    cr_expect(memcmp(rows[0].data, big, BIG) == 0);
    cr_expect(rows[0].id == id && rows[0].received_us == 5 && rows[0].publish_us == 4);
    cr_expect_str_eq(rows[0].code, "too_large");
    cr_expect_str_eq(rows[0].detail, "it's too large");
    cr_expect(!strcmp(rows[0].subscription, "s") && !strcmp(rows[0].message_id, "m") && !strcmp(rows[0].attributes, "{}"));
    expect_code(sl_ledger_rejects(f->ledger, 999, &rows, &n, &f->arena, &f->err), SL_NOT_FOUND);
    expect_ok(sl_ledger_reject_remove(f->ledger, id, &f->err));
    expect_code(sl_ledger_reject_remove(f->ledger, id, &f->err), SL_NOT_FOUND);
    expect_ok(sl_ledger_rejects(f->ledger, 0, &rows, &n, &f->arena, &f->err));
    cr_expect(n == 1 && rows[0].id != id);
    free(big);
}

void ledger_case_known_gaps_and_holds(struct ledger_fixture *f)
{
    struct sl_known_gap dated = {.phase = "p", .date = 5, .table = "d.t", .reason = "cup final", .who = "me", .until = 9, .created_us = 3};
    struct sl_known_gap unit = {.phase = "p", .date = SL_DATE_NONE, .unit = "u", .until = SL_DATE_NONE};
    struct sl_hold hold = {.phase = "p", .from = 1, .to = 2, .until_us = 77, .reason = "r", .who = "w", .created_us = 4};
    struct sl_hold open = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .until_us = SL_NEVER_US};
    struct sl_known_gap *gaps;
    struct sl_hold *holds;
    size_t n;
    expect_ok(sl_ledger_known_gap_add(f->ledger, &dated, &f->err));
    expect_ok(sl_ledger_known_gap_add(f->ledger, &unit, &f->err));
    expect_ok(sl_ledger_known_gaps(f->ledger, &gaps, &n, &f->arena, &f->err));
    cr_assert(n == 2 && gaps[0].id == dated.id && gaps[1].id == unit.id && dated.id != unit.id);
    cr_expect(gaps[0].date == 5 && gaps[0].until == 9 && gaps[0].created_us == 3 && gaps[0].unit == NULL);
    cr_expect(!strcmp(gaps[0].table, "d.t") && !strcmp(gaps[0].reason, "cup final") && !strcmp(gaps[0].who, "me"));
    cr_expect(gaps[1].date == SL_DATE_NONE && gaps[1].until == SL_DATE_NONE && !strcmp(gaps[1].unit, "u"));
    expect_ok(sl_ledger_known_gap_remove(f->ledger, dated.id, &f->err));
    expect_code(sl_ledger_known_gap_remove(f->ledger, dated.id, &f->err), SL_NOT_FOUND);
    expect_ok(sl_ledger_known_gaps(f->ledger, &gaps, &n, &f->arena, &f->err));
    cr_expect(n == 1 && gaps[0].id == unit.id);
    expect_ok(sl_ledger_hold_add(f->ledger, &hold, &f->err));
    expect_ok(sl_ledger_hold_add(f->ledger, &open, &f->err));
    expect_ok(sl_ledger_holds(f->ledger, &holds, &n, &f->arena, &f->err));
    cr_assert(n == 2 && holds[0].id == hold.id && holds[1].id == open.id);
    cr_expect(!strcmp(holds[0].phase, "p") && holds[0].from == 1 && holds[0].to == 2 && holds[0].until_us == 77 &&
              holds[0].created_us == 4);
    cr_expect(holds[1].phase == NULL && holds[1].from == SL_DATE_NONE && holds[1].to == SL_DATE_NONE && holds[1].until_us == SL_NEVER_US);
    expect_ok(sl_ledger_hold_remove(f->ledger, open.id, &f->err));
    expect_code(sl_ledger_hold_remove(f->ledger, open.id, &f->err), SL_NOT_FOUND);
}

static const char *units_text(struct ledger_fixture *f)
{
    struct sl_known_unit *units;
    const char *text = "";
    size_t n;
    expect_ok(sl_ledger_units(f->ledger, &units, &n, &f->arena, &f->err));
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(&f->arena, "%s%s%d/%s/%s/%d", text, i ? " " : "", units[i].date, units[i].unit ? units[i].unit : "-",
                               units[i].season ? units[i].season : "-", units[i].done);
    return text;
}

void ledger_case_units_are_replaced(struct ledger_fixture *f)
{
    static const struct sl_known_unit before[] = {{"b", 2, "s", false}, {"a", 2, "s", false}, {"a", 1, NULL, true}, {NULL, 3, NULL, false}};
    static const struct sl_known_unit after[] = {{"c", 1, "s", true}, {"b", 2, "s2", false}, {"a", 2, "s", true}, {"b", 9, "s", true}};
    expect_ok(sl_ledger_units_set(f->ledger, before, 4, &f->err));
    cr_expect_str_eq(units_text(f), "1/a/-/1 2/a/s/0 2/b/s/0 3/-/-/0");
    expect_ok(sl_ledger_units_set(f->ledger, after, 4, &f->err));
    cr_expect_str_eq(units_text(f), "1/c/s/1 2/a/s/1 2/b/s2/0 9/b/s/1");
    expect_ok(sl_ledger_units_set(f->ledger, after, 4, &f->err));
    cr_expect_str_eq(units_text(f), "1/c/s/1 2/a/s/1 2/b/s2/0 9/b/s/1");
    expect_ok(sl_ledger_units_set(f->ledger, NULL, 0, &f->err));
    cr_expect_str_eq(units_text(f), "");
}

void ledger_case_clocks_are_kept(struct ledger_fixture *f)
{
    int64_t ms = -1;
    expect_ok(sl_ledger_clock_get(f->ledger, "p", &ms, &f->err));
    cr_expect_eq(ms, 0);
    expect_ok(sl_ledger_clock_set(f->ledger, "p", 12345678901, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "q", 1, &f->err));
    expect_ok(sl_ledger_clock_set(f->ledger, "p", 12345678902, &f->err));
    expect_ok(sl_ledger_clock_get(f->ledger, "p", &ms, &f->err));
    cr_expect_eq(ms, 12345678902);
}

static void add_events(struct ledger_fixture *f, int from, int to)
{
    const char *cells[SL_N_LOG_COLUMNS];
    bool is_new;
    for (int i = from; i <= to; i++)
        expect_ok(sl_ledger_event_add(f->ledger, ledger_test_event(cells, sl_arena_printf(&f->arena, "event-%04d", i), "2025-04-15"),
                                      &is_new, &f->err));
}

/* The next load, and the first cell of its first and last row. */
static struct sl_load_job fix(struct ledger_fixture *f, enum sl_load_kind kind, size_t max_rows, size_t max_bytes, const char **ends)
{
    struct sl_load_job job;
    size_t width = kind == SL_LOAD_EVENTS ? SL_N_LOG_COLUMNS : SL_N_RUN_COLUMNS;
    expect_ok(sl_ledger_load_fix(f->ledger, kind, max_rows, max_bytes, &job, &f->arena, &f->err));
    cr_assert_gt(job.n_rows, 0);
    *ends = sl_arena_printf(&f->arena, "%s..%s", job.cells[0], job.cells[(job.n_rows - 1) * width]);
    return job;
}

void ledger_case_loads_of_events(struct ledger_fixture *f)
{
    struct sl_load_job first, again, next;
    struct sl_ledger_counts counts;
    const char *ends;
    expect_code(sl_ledger_load_fix(f->ledger, SL_LOAD_EVENTS, 0, 0, &first, &f->arena, &f->err), SL_NOT_FOUND);
    add_events(f, 1, 3);
    first = fix(f, SL_LOAD_EVENTS, 0, 0, &ends);
    cr_expect(first.attempt == 1 && first.n_rows == 3 && strlen(first.job_id) == SL_UUID_LEN);
    cr_expect_str_eq(ends, "event-0001..event-0003");
    add_events(f, 4, 5);
    sl_ledger_destroy(&f->ledger); /* a crash between the steps, as the next process sees it */
    f->ledger = ledger_contract_open(f, SL_LEDGER_WRITE);
    again = fix(f, SL_LOAD_EVENTS, 1, 1, &ends);
    cr_expect_str_eq(again.job_id, first.job_id);
    cr_expect_eq(again.attempt, 2);
    cr_expect(again.n_rows == 3 && again.first_seq == first.first_seq && again.last_seq == first.last_seq, "the very same rows");
    cr_expect_str_eq(ends, "event-0001..event-0003");
    again = fix(f, SL_LOAD_EVENTS, 1, 1, &ends);
    cr_expect(again.attempt == 3 && !strcmp(again.job_id, first.job_id), "every attempt is counted");
    expect_ok(sl_ledger_counts(f->ledger, 0, &counts, &f->err));
    cr_expect(counts.events_unloaded == 5 && counts.last_load_us == 0, "fixed is not loaded");
    expect_ok(sl_ledger_load_done(f->ledger, again.job_id, 70, &f->err));
    expect_ok(sl_ledger_load_done(f->ledger, again.job_id, 80, &f->err));
    expect_ok(sl_ledger_counts(f->ledger, 0, &counts, &f->err));
    cr_expect(counts.events_unloaded == 2 && counts.last_load_us == 70);
    next = fix(f, SL_LOAD_EVENTS, 0, 0, &ends);
    cr_expect(next.attempt == 1 && next.n_rows == 2 && strcmp(next.job_id, first.job_id) != 0);
    cr_expect_str_eq(ends, "event-0004..event-0005");
    cr_expect_str_eq(next.cells[10], "2025-04-15");
    cr_expect_null(next.cells[35]);
    expect_ok(sl_ledger_load_done(f->ledger, next.job_id, 90, &f->err));
    expect_code(sl_ledger_load_fix(f->ledger, SL_LOAD_EVENTS, 0, 0, &first, &f->arena, &f->err), SL_NOT_FOUND);
    expect_code(sl_ledger_load_done(f->ledger, "no such job", 1, &f->err), SL_NOT_FOUND);
}

void ledger_case_loads_are_limited(struct ledger_fixture *f)
{
    static const struct {
        const char *label;
        size_t max_rows, max_bytes, expected;
    } rows[] = {
        {"rows", 2, 0, 2}, {"bytes", 0, 200, 3}, {"whichever first", 2, 200, 2}, {"at least one row", 0, 1, 1}, {"the rest", 10, 10000, 2}};
    struct sl_load_job job;
    const char *ends;
    add_events(f, 1, 10); /* 62 bytes of cells each */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        job = fix(f, SL_LOAD_EVENTS, rows[i].max_rows, rows[i].max_bytes, &ends);
        cr_expect_eq(job.n_rows, rows[i].expected, "%s: %zu", rows[i].label, job.n_rows);
        expect_ok(sl_ledger_load_done(f->ledger, job.job_id, 1, &f->err));
    }
    expect_ok(sl_ledger_begin(f->ledger, &f->err));
    add_events(f, 11, 11);
    job = fix(f, SL_LOAD_EVENTS, 0, 0, &ends);
    sl_ledger_rollback(f->ledger);
    expect_code(sl_ledger_load_done(f->ledger, job.job_id, 1, &f->err), SL_NOT_FOUND); /* it was in the caller's transaction */
}

void ledger_case_loads_of_runs(struct ledger_fixture *f)
{
    static const char *const expected[3][SL_N_RUN_COLUMNS] = {
        {"P", "p", "2025-04-15", "e1", "c", "success", "30", "0", "2025-04-16T08:00:49.500000Z", "2025-04-16T08:01:02Z", "12.5", "1",
         "oops", "pubsub", "m"},
        {"P", "p", "2025-04-15", "e2", NULL, "running", NULL, NULL, "2025-04-16T08:01:02Z", NULL, NULL, "0", NULL, NULL, NULL},
        {"P", "p", "2025-04-15", "e3", NULL, "failed", NULL, NULL, NULL, "2025-04-16T08:01:02Z", NULL, "0", NULL, NULL, NULL},
    };
    struct sl_run run = ledger_test_run(20193, "P", "e1");
    const char *ends;
    run.timestamp_us = 1744790462000000;
    run.duration_s = 12.5;
    run.record_count = 30;
    run.records_failed = 0;
    run.skip = true;
    run.correlation_id = "c", run.error_message = "oops", run.trigger_source = "pubsub", run.trigger_message_id = "m";
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    run = ledger_test_run(20193, "P", "e2");
    run.timestamp_us = 1744790462000000;
    run.status = SL_RUN_RUNNING;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    run.execution_id = "e3";
    run.status = SL_RUN_FAILED;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    struct sl_load_job job = fix(f, SL_LOAD_RUNS, 0, 0, &ends);
    cr_assert_eq(job.n_rows, 3);
    for (size_t row = 0; row < 3; row++) {
        for (size_t i = 0; i < SL_N_RUN_COLUMNS; i++) {
            const char *cell = job.cells[row * SL_N_RUN_COLUMNS + i];
            cr_expect(sl_str_eq(cell, expected[row][i]), "row %zu, %s: %s", row, SL_RUN_COLUMNS[i], cell ? cell : "NULL");
        }
    }
}

void ledger_case_loads_of_moved_runs(struct ledger_fixture *f)
{
    struct sl_run run = ledger_test_run(1, "P", "e1");
    struct sl_load_job job, next;
    const char *ends;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    job = fix(f, SL_LOAD_RUNS, 0, 0, &ends);
    expect_ok(sl_ledger_load_done(f->ledger, job.job_id, 1, &f->err));
    run.status = SL_RUN_PARTIAL;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    next = fix(f, SL_LOAD_RUNS, 0, 0, &ends);
    cr_expect(next.n_rows == 1 && next.first_seq > job.last_seq && !strcmp(next.cells[5], "partial"), "an update comes again");
    run.status = SL_RUN_FAILED;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    job = fix(f, SL_LOAD_RUNS, 0, 0, &ends);
    cr_expect(job.n_rows == 1 && job.attempt == 1 && !strcmp(job.cells[5], "failed"), "a load that has nothing left makes way");
    cr_expect_str_neq(job.job_id, next.job_id);
    expect_ok(sl_ledger_load_done(f->ledger, job.job_id, 2, &f->err));
    expect_code(sl_ledger_load_fix(f->ledger, SL_LOAD_RUNS, 0, 0, &job, &f->arena, &f->err), SL_NOT_FOUND);
}

void ledger_case_counts(struct ledger_fixture *f)
{
    struct sl_ledger_counts counts;
    struct sl_run run = ledger_test_run(1, "P", "e1");
    expect_ok(sl_ledger_counts(f->ledger, 1, &counts, &f->err));
    cr_expect(counts.runs == 0 && counts.oldest_waiting_us == 0 && counts.last_commit_us == 0 && counts.last_load_us == 0);
    for (int i = 0; i < 4; i++) {
        struct sl_gate gate = ledger_test_gate("p", i, i < 3 ? SL_WAITING : SL_OBSERVED);
        gate.since_us = 50 - i;
        expect_ok(sl_ledger_gate_put(f->ledger, &gate, &f->err));
    }
    struct sl_gate newer = ledger_test_gate("p", 2, SL_TRIGGERED);
    newer.generation = 2;
    expect_ok(sl_ledger_gate_put(f->ledger, &newer, &f->err));
    run.received_us = 99;
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_counts(f->ledger, 1, &counts, &f->err));
    cr_expect(counts.gates[SL_WAITING] == 2 && counts.gates[SL_OBSERVED] == 1 && counts.gates[SL_TRIGGERED] == 1);
    cr_expect(counts.oldest_waiting_us == 49, "the newest generations count");
    cr_expect(counts.runs == 1 && counts.runs_unloaded == 1 && counts.last_commit_us == 99);
}

void ledger_case_prune_keeps_the_newest(struct ledger_fixture *f)
{
    struct sl_gate gate = ledger_test_gate("p", 1, SL_BLOCKED), other = ledger_test_gate("p", 2, SL_BLOCKED);
    struct sl_run run = ledger_test_run(1, "P", "e1");
    struct sl_decision_record record;
    bool is_new;
    for (int i = 0; i < 5000; i++) { /* more than a chunk */
        if (i == 0)
            expect_ok(sl_ledger_begin(f->ledger, &f->err));
        const char *facts = sl_arena_printf(&f->arena, "{\"f\":%d}", i);
        gate.decided_us = i;
        expect_ok(sl_ledger_decision_add(f->ledger, &gate, facts, strlen(facts), "{}", 2, &f->err));
        expect_ok(sl_ledger_inbox_add(f->ledger, "s", sl_arena_printf(&f->arena, "%d", i), 1, i, &is_new, &f->err));
    }
    expect_ok(sl_ledger_decision_add(f->ledger, &other, "{\"f\":0}", 7, "{}", 2, &f->err)); /* shares the oldest facts */
    expect_ok(sl_ledger_run_put(f->ledger, &run, &f->err));
    expect_ok(sl_ledger_commit(f->ledger, &f->err));
    int chunks = 0;
    for (bool more = true; more; chunks++)
        expect_ok(sl_ledger_prune(f->ledger, 4000, 1000000, &more, &f->err));
    cr_expect_geq(chunks, 3, "a chunk is 2,000 rows at most");
    expect_ok(sl_ledger_decision_get(f->ledger, "p", 1, SL_PAST, 1, &record, &f->arena, &f->err));
    cr_expect_str_eq(record.facts, "{\"f\":4999}", "a gate's newest stays, however old");
    expect_ok(sl_ledger_decision_get(f->ledger, "p", 2, SL_PAST, 1, &record, &f->arena, &f->err));
    cr_expect_str_eq(record.facts, "{\"f\":0}", "facts stay while a decision uses them");
    expect_ok(sl_ledger_inbox_add(f->ledger, "s", "3999", 1, 1, &is_new, &f->err));
    cr_expect(is_new, "pruned");
    expect_ok(sl_ledger_inbox_add(f->ledger, "s", "4000", 1, 1, &is_new, &f->err));
    cr_expect_not(is_new, "not old enough");
    expect_ok(sl_ledger_run_get(f->ledger, "p", 1, "P", "e1", &run, &f->arena, &f->err));
}
