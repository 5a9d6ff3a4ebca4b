/* gate_internal.h - what the files of the gate share: how one processor stands, and the decision in the making. Pure. */
#ifndef SLUICE_CORE_GATE_INTERNAL_H
#define SLUICE_CORE_GATE_INTERNAL_H

#include <sluice/gate.h>

/* How one processor stands on the gate's date. */
enum sl_standing {
    SL_STANDS_UNREPORTED, /* no terminal run yet */
    SL_STANDS_FAILED,     /* its newest run failed */
    SL_STANDS_UNKNOWN,    /* its table could not be asked */
    SL_STANDS_NO_DATA,    /* due, and no unit has rows in any source */
    SL_STANDS_SOME,       /* some due units lack rows */
    SL_STANDS_ALL,        /* every due unit has rows, or nothing is due */
};

/* `n_done`: done units of the date, for a processor without a table (judged by its run against the calendar). */
enum sl_standing sl_processor_standing(const struct sl_proc_facts *facts, size_t n_done);

/* Does that standing deliver (DESIGN section 1, RULES 9, 11, 12)? */
bool sl_standing_delivers(enum sl_standing standing, enum sl_need need, bool strict);

bool sl_in_bootstrap(const struct sl_phase *phase, const struct sl_facts *facts);

/* The error of the processor's primary, or NULL. */
const char *sl_primary_error(const struct sl_coverage *coverage);

/* A `running` run counts as failed after the timeout (RULES 13). */
bool sl_running_is_stuck(const struct sl_run *running, int64_t timeout_ms, int64_t now_us);

/* What message and rows say of the number of rows (three-way check): the difference as a share of the larger, 0 when they agree or one of them says nothing. */
double sl_rows_difference(const struct sl_proc_facts *proc);
#define SL_ROWS_DIFFER_FROM 0.1 /* issue: info below 10 %, a warning and not production ready from there on */

/* The same of message and run record; a run that the history has no row of is wholly different. */
double sl_record_difference(const struct sl_proc_facts *proc);

/* Is the unit not worth naming: gold, whole, from the primary? */
bool sl_is_flawless(const struct sl_unit_quality *unit);

/* Was step 6 (units) reached, so that what it found is recorded? */
bool sl_decision_saw_units(const struct sl_decision *decision);

const struct sl_check *sl_decision_check(const struct sl_decision *decision, const char *name);

#endif
