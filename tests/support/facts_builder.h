/* facts_builder.h - facts of a gate by hand: short words for processors, gaps and joins, everything else at a default that opens the gate.
 *
 * The pipeline is nba: phase_2_raw ("up") > phase_3_analytics (the gate's) > phase_4_precompute, and phase_3_side beside the gate's, which joins it before
 * phase_4_precompute. The gate is of 2025-04-15, past, generation 1, with 5 done units u1..u5 of season 2024-25, whose first day is 2024-10-22. */
#ifndef SLUICE_TESTS_FACTS_BUILDER_H
#define SLUICE_TESTS_FACTS_BUILDER_H

#include <sluice/gate.h>

#define FB_DATE   20193              /* 2025-04-15 */
#define FB_NOW_US 1744876800000000LL /* 2025-04-17T08:00:00Z */
#define FB_RUN_US 1744790400000000LL /* 2025-04-16T08:00:00Z: the first processor's run; each next one a minute later */

enum { FB_MAX_PROCS = 8, FB_MAX_JOINS = 4, FB_N_PHASES = 4 };
enum fb_phase { FB_UP, FB_OWN, FB_NEXT, FB_SIDE };

/* What a row of a table says; all zero is the default.
 *
 * procs, upstream: one word per processor, "NEED STATUS [COVERAGE] [FLAGS]" without blanks:
 *   NEED      C critical, O optional, N not required
 *   STATUS    s success, p partial with failed records, q partial without, n no_data, f failed, . none; r running with no terminal run, S running after a success
 *   COVERAGE  "P/N" P of N units in the primary; "P+F/N" F more in a fallback; "!" the primary can't be asked; "P+F/N?" the first fallback can't; none: no table
 *   FLAGS     d by date, z record_count 0
 * gaps: "pI-D:M/N" processor I lacks M of N units D days before; "pI-D:date" of a table judged by date; "pI-D:!" can't be asked.
 * quality: "pI" every done unit of processor I is flawless, then overrides "pI:UNIT:TIER:SCORE[:ISSUE]"; "pI!" could not be assessed; after "pI:rows=N" the primary has N rows in all; after
 *   "pI:record=N" the run history says N records, "none" has no row of the run, "bad" can't be asked
 * complete: per entity "NAME:ACTUAL/EXPECTED", what lacks are units m1, m2, ...; "!" could not be asked
 * inherited: what phase_2_raw hands down, "TIER:SCORE[:ISSUE]"; "!" could not be assessed; "-" nothing was assessed; "@..." what its p0 inherits from an input
 * found_before: "pI:UNIT:TYPE", an open event of the name TYPE-pI-UNIT; UNIT "date" for the date
 * joins: per other phase of the join: absent waiting blocked join triggered observed empty suppressed superseded, with "+id" its trigger covers this gate. */
struct fb_row {
    const char *procs, *upstream, *gaps, *joins, *quality, *complete, *inherited, *found_before;
    /* policy */
    bool soft_units, upstream_soft_units, observe, on_empty_trigger, drop, on_late_retrigger, no_follower, no_upstream_check, no_gaps_check;
    bool soft_upstream, soft_gaps, waive_critical, deadline_at_9;
    enum sl_mode completeness, quality_check;
    double threshold, min_usable; /* 0: 0.7, 0.6 */
    double share;                 /* 0: 0.6 */
    int64_t grace_ms, settle_ms;  /* 0: 5 min */
    int64_t deadline_ms;          /* 0: none */
    enum sl_on_deadline then;
    int64_t degrade_after_ms; /* 0: never */
    int bootstrap_days;
    /* facts */
    enum sl_profile profile;
    int generation; /* 0: 1 */
    bool no_calendar, suspect, lost_units, calendar_error;
    int planned, not_done; /* planned 0: 5; -1: none */
    int season_day;        /* 0: far into the season; n: the n-th day of it */
    bool not_drained;
    int64_t clock_ms, now_after_ms; /* now_after_ms: added to now */
    int64_t running_for_ms;         /* 0: 1 h */
    bool unsettled, in_progress;
    int64_t blocked_by_gaps_for_ms; /* 0: it isn't */
    bool worker_skip, skip, hold, released, forced, retriggered, late;
    bool no_checks; /* stop before the facts of the checks */
};

/* A row with everything in it. */
#define FB_EVERYTHING                                                                                                                      \
    {                                                                                                                                      \
        .procs = "Cp4/5 Cs3+2/5? Os1/1d O. Ns5/5", .upstream = "CS5/5", .gaps = "p0-119:1/2 p1-1:date p1-2:!", .joins = "triggered+8e2c",  \
        .soft_units = true, .soft_gaps = true, .soft_upstream = true, .skip = true, .hold = true, .late = true, .clock_ms = 600000         \
    }

struct facts_builder {
    struct sl_arena arena;
    struct sl_config config;
    struct sl_phase phases[FB_N_PHASES];
    struct sl_facts facts;
    struct sl_decision decision;
    bool asked; /* the decision wanted the facts of the checks */
};

/* Facts of the row, not decided yet. */
void facts_build(struct facts_builder *b, const struct fb_row *row);
/* The part of facts_build() for the facts of quality and completeness. */
void facts_build_quality(struct facts_builder *b, const struct fb_row *row);
/* Decides in the two steps of gate.h: b->decision, b->asked. */
void facts_decide(struct facts_builder *b, const struct fb_row *row);
void facts_fini(struct facts_builder *b);

/* "triggered(gaps,units) all_complete degraded not_ready": state, reasons, trigger reason, degraded and (for a gate that is open or suppressed) not_ready. Arena-held. */
const char *facts_outcome(struct facts_builder *b);
/* Names joined by commas. Arena-held. */
const char *facts_names(struct facts_builder *b, const char *const *names, size_t n);

#endif
