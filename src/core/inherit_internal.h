/* inherit_internal.h - joining tiers with their culprits, for the files that say what is inherited. */
#ifndef SLUICE_CORE_INHERIT_INTERNAL_H
#define SLUICE_CORE_INHERIT_INTERNAL_H

#include <sluice/inherit.h>

/* Assessments that are joined, each with who is to blame. */
struct sl_joining {
    struct sl_arena *arena;
    struct sl_quality_item *items;
    struct sl_culprit *culprits;
    size_t n;
};

void sl_joining_add(struct sl_joining *joining, const struct sl_quality_item *item, const struct sl_culprit *culprit);
/* Worst tier, least score, all issues, and the culprit into `out`; nothing when there was nothing. */
void sl_joining_finish(const struct sl_joining *joining, struct sl_inherited *out);
/* Unless it is gold. */
void sl_inherited_part_add(struct sl_inherited *out, const struct sl_inherited_part *part, struct sl_arena *arena);

#endif
