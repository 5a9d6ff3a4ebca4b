/* inherit.h - what quality hands down: from a phase before to the date's units, from the rows of an input to the entities whose window holds them (DESIGN section 7).
 * Pure: no I/O, no clock. Any thread. Results are arena-held; strings are borrowed from the inputs. */
#ifndef SLUICE_INHERIT_H
#define SLUICE_INHERIT_H

#include <sluice/gate.h>

/* One row of an input table, as far as its tier goes: who it is about, and what is said of the unit it belongs to. */
struct sl_row_tier {
    sl_date date;
    const char *unit, *entity;
    enum sl_tier tier;
    double score;
    const char *const *issues;
    size_t n_issues;
    struct sl_culprit culprit;
};

/* What the entities (those of the processor's own rows on the date; ascending, each once) inherit from the input's rows (ascending by (date, unit, entity)): each the worst of its own
 * rows in the window, which are its last n rows or units, or those of its last n days, up to and with the date and not before `not_before` (SL_DATE_NONE: no limit).
 * An entity with an unusable row is unusable: a part, but left out of tier, score and issues, unless there are no others. Entities without rows inherit nothing. */
void sl_inherit_input(struct sl_inherited *out, const struct sl_window *window, sl_date date, sl_date not_before,
                      const struct sl_row_tier *rows, size_t n_rows, const char *const *entities, size_t n_entities,
                      struct sl_arena *arena);

/* What the processors of `phase` on the date, assessed in procs[].quality, hand down: tier, score and issues of all their units, of which the unusable ones are left out; a processor
 * that has no other makes the whole unusable. A part is the worst of a unit's assessments; what an optional processor finds unusable counts for it only when nobody else has the unit. */
void sl_inherit_phase(struct sl_inherited *out, const struct sl_phase *phase, sl_date date, const struct sl_proc_facts *procs, size_t n,
                      struct sl_arena *arena);

#endif
