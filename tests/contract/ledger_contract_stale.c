/* ledger_contract_stale.c - the ledger's cases of stale decisions: marks, each once, until they are cleared. */
#include "ledger_contract.h"
#include "ledger_expect.h"

#include <string.h>

static struct sl_stale_mark mark(const char *phase, sl_date date, int generation, sl_date culprit)
{
    return (struct sl_stale_mark){.phase = phase,
                                  .date = date,
                                  .profile = SL_PAST,
                                  .generation = generation,
                                  .culprit_phase = "raw",
                                  .culprit_date = culprit,
                                  .culprit_generation = 2,
                                  .reason = "rerun",
                                  .marked_us = 100};
}

static bool add(struct ledger_fixture *f, const struct sl_stale_mark *one)
{
    bool is_new = false;
    expect_ok(sl_ledger_stale_add(f->ledger, one, &is_new, &f->err));
    return is_new;
}

static size_t open_marks(struct ledger_fixture *f, const char *phase, sl_date from, sl_date to, struct sl_stale_mark **marks)
{
    size_t n = 7;
    expect_ok(sl_ledger_stale(f->ledger, phase, from, to, marks, &n, &f->arena, &f->err));
    return n;
}

void ledger_case_stale_marks_come_once(struct ledger_fixture *f)
{
    struct sl_stale_mark one = mark("stats", 10, 1, 9), other = mark("stats", 9, 1, 9), *marks;
    cr_expect_eq(open_marks(f, NULL, SL_DATE_NONE, SL_DATE_NONE, &marks), 0);
    one.triggered_us = 50;
    cr_expect(add(f, &one));
    cr_expect(!add(f, &one), "the same mark again");
    cr_expect(add(f, &other));
    one.culprit_generation = 3;
    cr_expect(add(f, &one), "another culprit");
    cr_assert_eq(open_marks(f, NULL, SL_DATE_NONE, SL_DATE_NONE, &marks), 3);
    cr_expect(marks[0].date == 9 && marks[0].triggered_us == 0);
    cr_expect(marks[1].date == 10 && marks[1].culprit_generation == 2 && marks[1].triggered_us == 50 && marks[1].marked_us == 100);
    cr_expect(marks[1].generation == 1 && marks[1].profile == SL_PAST && marks[1].culprit_date == 9);
    cr_expect(!strcmp(marks[1].phase, "stats") && !strcmp(marks[1].culprit_phase, "raw") && !strcmp(marks[1].reason, "rerun"));
    cr_expect_eq(open_marks(f, "stats", 10, SL_DATE_NONE, &marks), 2);
    cr_expect_eq(open_marks(f, "show", SL_DATE_NONE, SL_DATE_NONE, &marks), 0);
    cr_expect_eq(open_marks(f, NULL, SL_DATE_NONE, 9, &marks), 1);
}

void ledger_case_stale_marks_are_cleared(struct ledger_fixture *f)
{
    const struct sl_stale_mark first = mark("stats", 10, 1, 9), second = mark("stats", 10, 2, 8), show = mark("show", 10, 1, 9);
    struct sl_stale_mark *marks;
    add(f, &first);
    add(f, &second);
    add(f, &show);
    cr_assert_eq(open_marks(f, "stats", SL_DATE_NONE, SL_DATE_NONE, &marks), 2);
    expect_ok(sl_ledger_stale_triggered(f->ledger, marks[0].id, 200, &f->err));
    cr_assert_eq(open_marks(f, "stats", SL_DATE_NONE, SL_DATE_NONE, &marks), 2);
    cr_expect(marks[0].triggered_us == 200 && marks[1].triggered_us == 0);
    expect_ok(sl_ledger_stale_clear(f->ledger, "stats", 10, SL_PAST, 2, 300, &f->err)); /* generation 2 is here: 1 is over */
    cr_assert_eq(open_marks(f, "stats", SL_DATE_NONE, SL_DATE_NONE, &marks), 1);
    cr_expect_eq(marks[0].generation, 2);
    cr_expect(!add(f, &first), "what was cleared does not come again");
    cr_expect_eq(open_marks(f, NULL, SL_DATE_NONE, SL_DATE_NONE, &marks), 2);
    expect_ok(sl_ledger_stale_clear(f->ledger, "stats", 10, SL_TODAY, 9, 300, &f->err));
    cr_expect_eq(open_marks(f, "stats", SL_DATE_NONE, SL_DATE_NONE, &marks), 1, "another profile's");
}
