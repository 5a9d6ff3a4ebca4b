/* ledger_contract_stamps.c - the ledger's cases of stamps: quality columns that wait to be written. */
#include "ledger_contract.h"
#include "ledger_expect.h"

#include <string.h>

#include <sluice/str.h>

static void put(struct ledger_fixture *f, const char *table, sl_date date, const char *body, int64_t now_us)
{
    const struct sl_stamp_row row = {
        .table = table, .phase = "p", .processor = "x", .date = date, .body = body, .created_us = now_us, .next_us = now_us};
    expect_ok(sl_ledger_stamp_put(f->ledger, &row, &f->err));
}

static size_t due(struct ledger_fixture *f, int64_t now_us, size_t limit, size_t max_bytes, struct sl_stamp_row **rows)
{
    size_t n = 7;
    expect_ok(sl_ledger_stamps_due(f->ledger, now_us, limit, max_bytes, rows, &n, &f->arena, &f->err));
    return n;
}

static void expect_next(struct ledger_fixture *f, int64_t want_us)
{
    int64_t next_us = 0;
    expect_ok(sl_ledger_stamps_next(f->ledger, &next_us, &f->err));
    cr_expect_eq(next_us, want_us, "%lld", (long long)next_us);
}

void ledger_case_stamps_are_replaced_and_retried(struct ledger_fixture *f)
{
    struct sl_stamp_row *rows, *again;
    cr_expect_eq(due(f, 100, 10, 1000, &rows), 0);
    expect_next(f, SL_NEVER_US);
    put(f, "d.t", 5, "{\"a\":\"'\"}", 10);
    expect_next(f, 10);
    cr_expect_eq(due(f, 9, 10, 1000, &rows), 0);
    cr_assert_eq(due(f, 10, 10, 1000, &rows), 1);
    cr_expect(rows->date == 5 && rows->created_us == 10 && rows->attempts == 0 && rows->failing_since_us == 0 && !rows->alarmed);
    cr_expect(!strcmp(rows->table, "d.t") && !strcmp(rows->phase, "p") && !strcmp(rows->processor, "x") && !rows->last_error);
    cr_expect_str_eq(rows->body, "{\"a\":\"'\"}");

    expect_ok(sl_ledger_stamp_failed(f->ledger, rows->id, "no column", 20, 80, false, &f->err));
    cr_expect_eq(due(f, 79, 10, 1000, &again), 0);
    expect_next(f, 80);
    cr_assert_eq(due(f, 80, 10, 1000, &again), 1);
    cr_expect(again->attempts == 1 && again->failing_since_us == 20 && !strcmp(again->last_error, "no column"));
    expect_ok(sl_ledger_stamp_failed(f->ledger, rows->id, "still", 90, 91, true, &f->err));

    put(f, "d.t", 5, "new", 92);
    cr_assert_eq(due(f, 92, 10, 1000, &again), 1);
    cr_expect_str_eq(again->body, "new");
    cr_expect(again->attempts == 0 && again->failing_since_us == 20 && again->alarmed, "how long it has failed is kept");
    cr_expect_str_eq(again->last_error, "still");
    expect_ok(sl_ledger_stamp_done(f->ledger, rows->id, &f->err)); /* of the one that was replaced */
    expect_ok(sl_ledger_stamp_failed(f->ledger, rows->id, "x", 93, 1000, false, &f->err));
    cr_assert_eq(due(f, 93, 10, 1000, &again), 1);
    expect_ok(sl_ledger_stamp_done(f->ledger, again->id, &f->err));
    cr_expect_eq(due(f, 100, 10, 1000, &rows), 0);
    expect_next(f, SL_NEVER_US);
}

void ledger_case_stamps_of_one_table_at_a_time(struct ledger_fixture *f)
{
    struct sl_stamp_row *rows;
    put(f, "d.b", 9, "0123456789", 30);
    put(f, "d.b", 7, "0123456789", 10);
    put(f, "d.b", 8, "0123456789", 30);
    put(f, "d.a", 1, "0123456789", 20);
    cr_assert_eq(due(f, 30, 10, 1000, &rows), 3);
    cr_expect(!strcmp(rows->table, "d.b") && rows[0].date == 7 && rows[1].date == 8 && rows[2].date == 9);
    cr_expect_eq(due(f, 30, 2, 1000, &rows), 2);
    cr_expect_eq(due(f, 30, 10, 25, &rows), 2);
    cr_expect_eq(due(f, 30, 10, 1, &rows), 1, "one always");
    cr_assert_eq(due(f, 20, 10, 1000, &rows), 1, "those that are not due stay");
    expect_ok(sl_ledger_stamp_done(f->ledger, rows[0].id, &f->err));
    cr_assert_eq(due(f, 30, 10, 1000, &rows), 1);
    cr_expect_str_eq(rows->table, "d.a");
}
