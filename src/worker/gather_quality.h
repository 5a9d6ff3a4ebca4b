/* gather_quality.h - what the files share that gather quality: assessments of units, what phases before hand down, what inputs give to rows.
 *
 * Life of a batch's sl_assessing: plan every gate (own processors, phases before, inputs) -> sl_entities_ask() (who the rows are about) -> sl_inputs_sort() -> the sources of what is
 * not covered yet are asked -> sl_assess_read_sources() -> tallies are asked -> sl_assess_read() -> every gate takes its part. */
#ifndef SLUICE_GATHER_QUALITY_H
#define SLUICE_GATHER_QUALITY_H

#include "gather_internal.h"

/* A processor's due units of a date. */
struct sl_assessed {
    const struct sl_processor *processor;
    struct sl_due due;
    bool covered; /* coverage is known */
    struct sl_coverage coverage;
    struct sl_proc_quality quality;
};

struct sl_assessing {
    struct sl_worker *worker;
    struct sl_arena *arena;
    struct sl_map *index;      /* "processor date" -> struct sl_assessed */
    struct sl_map *passed;     /* "phase date profile" -> what that phase hands down */
    struct sl_assessed **list; /* as they were wanted */
    size_t n;
    struct sl_questions tallies;
    struct sl_entity_questions *entities; /* shared with completeness */
    struct sl_input_table **tables;       /* that inputs and their processors' own rows are read from */
    size_t n_tables;
};
void sl_assessing_init(struct sl_assessing *a, struct sl_worker *worker, struct sl_entity_questions *entities);
void sl_assessing_fini(struct sl_assessing *a);

/* ---- gather_quality.c ---- */

/* Ask for, and read, the aggregates of one unit (NULL: the date) of a processor with a profile. Returns why it could not be assessed; out->rows 0: it has no rows. */
void sl_tally_add(struct sl_questions *tallies, const struct sl_processor *processor, size_t source, sl_date date, const char *unit);
const char *sl_tally_assess(struct sl_unit_quality *out, const struct sl_questions *tallies, const struct sl_quality_policy *policy,
                            const struct sl_processor *processor, size_t source, sl_date date, const char *unit, struct sl_arena *arena);

/* The assessment of a processor (with sources and a profile) on a date, made when the answers are there; `coverage` may be NULL: to be asked. */
struct sl_assessed *sl_assess_want(struct sl_assessing *a, const struct sl_processor *processor, const struct sl_due *due,
                                   const struct sl_coverage *coverage);
void sl_assess_ask_sources(const struct sl_assessing *a, struct sl_sources *sources);
void sl_assess_read_sources(struct sl_assessing *a, const struct sl_sources *sources); /* and plan the tallies */
void sl_assess_read(struct sl_assessing *a);
void sl_assess_plan(struct sl_assessing *a, const struct work *work);
void sl_assess_take(struct sl_assessing *a, struct work *work);

/* ---- gather_inherited.c ---- */

void sl_inherited_plan(struct sl_assessing *a, const struct work *work);
enum sl_code sl_inherited_take(struct sl_assessing *a, struct work *work, struct sl_err *err);

/* ---- gather_inputs.c ---- */

/* The rows of `input` that the processor's rows of the date are made from will be looked at. */
void sl_inputs_plan(struct sl_assessing *a, const struct sl_processor *processor, const struct sl_input *input, sl_date date);
/* Once the entities are known: which source serves whom; what else is to be asked about these rows. */
void sl_inputs_sort(struct sl_assessing *a, struct sl_sources *sources);
/* What was asked of `sources` is known: the tallies of the input tables. */
void sl_inputs_tally(struct sl_assessing *a, const struct sl_sources *sources);
/* What the processor's rows of the date inherit from the input; false: nothing can be. */
bool sl_inputs_take(struct sl_assessing *a, struct sl_inherited *out, const struct sl_processor *processor, const struct sl_input *input,
                    sl_date date);

#endif
