/* facts_read_internal.h - what the files that read stored facts share: the record being read, and typed looks at its JSON. Pure. */
#ifndef SLUICE_CORE_FACTS_READ_INTERNAL_H
#define SLUICE_CORE_FACTS_READ_INTERNAL_H

#include <jansson.h>

#include <sluice/gate.h>

/* A list that was cut keeps its count: what is not named stands as "?". More than this in one record is no record of ours. */
#define SL_FACTS_MOST_UNNAMED 1000000

struct sl_facts_reader {
    const struct sl_config *config;
    struct sl_facts *facts;
    struct sl_arena *arena;
    struct sl_err *err;
    size_t n_unnamed; /* so far */
    bool failed;      /* err has the first fault; what is read after it does not count */
};

/* The first fault is kept. */
void sl_facts_fault(struct sl_facts_reader *r, const char *fmt, ...) SL_PRINTF(2, 3);

/* A key of an object. An absent key gives NULL, 0, false, SL_DATE_NONE or the fallback; one of another type is a fault. Texts are copied. */
const char *sl_facts_text(struct sl_facts_reader *r, const json_t *object, const char *key);
int64_t sl_facts_int(struct sl_facts_reader *r, const json_t *object, const char *key, int64_t least, int64_t most, int64_t fallback);
size_t sl_facts_count(struct sl_facts_reader *r, const json_t *object, const char *key);
double sl_facts_number(struct sl_facts_reader *r, const json_t *object, const char *key);
bool sl_facts_bool(struct sl_facts_reader *r, const json_t *object, const char *key);
sl_date sl_facts_date(struct sl_facts_reader *r, const json_t *object, const char *key);
const json_t *sl_facts_object(struct sl_facts_reader *r, const json_t *object, const char *key);
const json_t *sl_facts_array(struct sl_facts_reader *r, const json_t *object, const char *key);
/* Names of a list; never NULL unless `gaps` lets them be. */
const char **sl_facts_names(struct sl_facts_reader *r, const json_t *object, const char *key, size_t *n, bool gaps);
/* The same, of which there are `n_all`: what was cut off is "?". */
const char **sl_facts_all_names(struct sl_facts_reader *r, const json_t *object, const char *key, size_t n_all);
/* May the list stand for `n_all` things, of which it holds `n`? A fault when not. */
bool sl_facts_pad(struct sl_facts_reader *r, const char *key, size_t n, size_t n_all);

/* May `n` more things go without a name? A fault when that is too many. */
bool sl_facts_unnamed(struct sl_facts_reader *r, const char *key, size_t n);
/* The place of a source among the processor's, by its name; n_sources for the rows of a reconstruction, and for a table that the config no longer names: what is known is that it served. */
size_t sl_facts_source(const struct sl_processor *processor, const char *name);

/* The processors of `list` into `procs` (one per processor of the phase, config order); those that the config no longer names are left out. */
void sl_facts_read_procs(struct sl_facts_reader *r, const json_t *list, const struct sl_phase *phase, struct sl_proc_facts *procs);

/* facts_read_checks.c: what is only there when the checks were gathered, and joins. */
void sl_facts_read_checks(struct sl_facts_reader *r, const json_t *root);

/* facts_read_quality.c */
void sl_facts_read_reported(struct sl_facts_reader *r, const json_t *json, struct sl_reported *out);
void sl_facts_read_quality(struct sl_facts_reader *r, const json_t *json, struct sl_proc_facts *proc);
void sl_facts_read_completeness(struct sl_facts_reader *r, const json_t *root);
void sl_facts_read_inherited(struct sl_facts_reader *r, const json_t *root);

#endif
