/* trigger_internal.h - what the files of the trigger share. Pure. Private to src/core. */
#ifndef SLUICE_CORE_TRIGGER_INTERNAL_H
#define SLUICE_CORE_TRIGGER_INTERNAL_H

#include "gate_internal.h"

#define SL_TRIGGER_METADATA "metadata"

/* Does the trigger speak of the processor's run? */
static inline bool sl_trigger_counts(const struct sl_proc_facts *proc)
{
    return proc->need != SL_NOT_REQUIRED && proc->run;
}

/* The member `metadata`, where there is something to pass on: what the counted runs say in fields that are not read, and in members of their `metadata` that are not, bytes as sent.
 * Of processors that say the same name the first in config order counts. What doesn't fit into SL_EXTRA_MAX_BYTES is left out, and "truncated": true says so. */
void sl_trigger_put_metadata(struct sl_json *json, const struct sl_facts *facts);

#endif
