/* gate_events_internal.h - what the makers of a decision's events share. Private to the gate's files. Pure. */
#ifndef SLUICE_CORE_GATE_EVENTS_INTERNAL_H
#define SLUICE_CORE_GATE_EVENTS_INTERNAL_H

#include "gate_internal.h"

struct sl_eventing {
    const struct sl_config *config;
    const struct sl_facts *facts;
    const struct sl_decision *decision;
    struct sl_arena *arena;
    struct sl_event *events;
    size_t n;
};

/* A new event of the gate's phase, date and generation. */
struct sl_event *sl_eventing_add(struct sl_eventing *m, const char *type, enum sl_severity severity);
/* The same of one processor and its primary. */
struct sl_event *sl_eventing_of(struct sl_eventing *m, const struct sl_proc_facts *proc, const char *type, enum sl_severity severity);

/* critical for a critical processor, else warning. */
enum sl_severity sl_severity_by_need(const struct sl_proc_facts *proc);

/* gate_events_sources.c: what the units step found in the sources, and what had been found before and is over. */
void sl_eventing_sources(struct sl_eventing *m);
/* gate_events_quality.c: what the checks found in the rows: fewer than expected, below gold, other than the message says, who lacks units. */
void sl_eventing_quality(struct sl_eventing *m);

#endif
