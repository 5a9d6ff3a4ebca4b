/* gate_json_internal.h - what the writers of facts share. Private to the gate's files. Pure.
 * `most`: lists are cut after so many; counts are kept beside every list. */
#ifndef SLUICE_CORE_GATE_JSON_INTERNAL_H
#define SLUICE_CORE_GATE_JSON_INTERNAL_H

#include "gate_internal.h"

/* Nothing when there are none. */
void sl_facts_put_names(struct sl_json *json, const char *key, const char *const *names, size_t n, size_t most);

/* ---- gate_json_quality.c: the facts of quality and completeness ---- */

void sl_facts_put_reported(struct sl_json *json, const struct sl_reported *reported);
void sl_facts_put_quality(struct sl_json *json, const struct sl_proc_facts *proc, size_t most);
void sl_facts_put_completeness(struct sl_json *json, const struct sl_completeness_facts *facts, size_t most);
void sl_facts_put_inherited(struct sl_json *json, const struct sl_facts *facts, size_t most);

#endif
