/* gate_making.h - a decision in the making: what the steps of the gate share, and the steps themselves. Private to the gate's files. Pure. */
#ifndef SLUICE_CORE_GATE_MAKING_H
#define SLUICE_CORE_GATE_MAKING_H

#include "gate_internal.h"

struct sl_making {
    const struct sl_config *config;
    const struct sl_facts *facts;
    const struct sl_phase *phase;
    struct sl_decision *out;
    struct sl_arena *arena;
    enum sl_standing *standing; /* per processor of the phase */
    bool *delivers;
    size_t n_required, n_critical, n_delivered, n_critical_delivered, n_reported;
    sl_reasons soft;
    bool bootstrap, deadline_passed, waive_critical;
};

/* ---- gate_making.c ---- */

/* A new check of the record: evaluated and passed until said otherwise. */
struct sl_check *sl_making_check(struct sl_making *m, const char *name, enum sl_mode mode);
void sl_making_name(struct sl_making *m, const char ***names, size_t *n, const char *name);
/* Append to a sentence that lists things: "a, b, c". */
const char *sl_making_listed(struct sl_making *m, const char *list, const char *item);
/* The first `most` of them, and how many more. */
const char *sl_making_first_names(struct sl_making *m, const char *const *names, size_t n, size_t most);
const char *sl_making_names(struct sl_making *m, const char *const *names, size_t n);
const char *sl_making_date(struct sl_making *m, sl_date date);
/* End the decision here. Always true. */
bool sl_making_stop(struct sl_making *m, enum sl_state state, sl_reasons reasons, const char *waits_for);
/* Decide again in `ms` at the latest. */
void sl_making_due_in(struct sl_making *m, int64_t ms);
/* A failure under a mode: soft ones, and strict ones during the bootstrap, are collected; the others are returned. */
sl_reasons sl_making_weigh(struct sl_making *m, enum sl_mode mode, sl_reasons failure);
bool sl_making_is_critical(const struct sl_making *m, size_t i);
/* How each processor stands, who delivers, who is missing. */
void sl_making_take_stock(struct sl_making *m);

/* The sentence that an item is added to: "a; b". */
const char *sl_making_also(struct sl_making *m, const char *text, const char *sentence);

/* ---- gate_quality.c ---- */

/* Tier, score, issues, culprit, unusable units and the note of the decision, from the facts of the checks. */
void sl_making_take_quality(struct sl_making *m);
/* The checks that look at quality and completeness: what fails strictly is returned, what fails softly is collected. `blocking` gets the sentence of a strict failure. */
sl_reasons sl_check_completeness(struct sl_making *m, const char **blocking);
sl_reasons sl_check_quality(struct sl_making *m, const char **blocking);

/* ---- gate_clocks.c ---- */

bool sl_making_clock_passed(const struct sl_making *m, int64_t ms);
void sl_making_clock_due_in(struct sl_making *m, int64_t ms);
void sl_making_read_deadline(struct sl_making *m);
void sl_making_await_deadline(struct sl_making *m);
void sl_making_await_waiver(struct sl_making *m);

/* ---- the steps: true when they have ended the decision (gate_steps.c, gate_checks.c) ---- */

bool sl_step_settle(struct sl_making *m);
bool sl_step_calendar(struct sl_making *m);
bool sl_step_reported(struct sl_making *m);
bool sl_step_units(struct sl_making *m);
bool sl_step_barrier(struct sl_making *m);
bool sl_step_checks(struct sl_making *m);

#endif
