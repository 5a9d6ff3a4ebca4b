/* ledger_expect.h - what the ledger's cases expect of codes and records. Macros where the caller's `f->err` and line matter. */
#ifndef SLUICE_TEST_LEDGER_EXPECT_H
#define SLUICE_TEST_LEDGER_EXPECT_H

#include <criterion/criterion.h>

#include <sluice/event.h>
#include <sluice/records.h>

#define expect_code(call, code)                                                                                                            \
    do {                                                                                                                                   \
        enum sl_code got_ = (call);                                                                                                        \
        cr_expect_eq(got_, (code), "%s is %s, not %s", #call, sl_code_name(got_), sl_code_name(code));                                     \
    } while (0)
#define expect_ok(call)                                                                                                                    \
    do {                                                                                                                                   \
        enum sl_code got_ = (call);                                                                                                        \
        cr_assert_eq(got_, SL_OK, "%s: %s (%s)", #call, sl_code_name(got_), f->err.text);                                                  \
    } while (0)

#define expect_int(field)  cr_expect_eq(got->field, want->field, #field ": %lld", (long long)got->field)
#define expect_text(field) cr_expect(sl_str_eq(got->field, want->field), #field ": %s", got->field ? got->field : "NULL")

void expect_same_run(const struct sl_run *got, const struct sl_run *want);
void expect_same_gate(const struct sl_gate *got, const struct sl_gate *want);

/* An event's cells: the id, a date, and neutral values for the other required ones; returns cells. */
const char *const *ledger_test_event(const char **cells, const char *event_id, const char *game_date);

#endif
