/* what_if_internal.h - what the files of what-if share. Private to src/ops. */
#ifndef SLUICE_OPS_WHAT_IF_INTERNAL_H
#define SLUICE_OPS_WHAT_IF_INTERNAL_H

#include <sluice/what_if.h>

/* A config that gates were decided under. */
struct sl_what_if_old {
    const char *hash;
    struct sl_config *config; /* owned; NULL: not in the ledger, or not valid any more */
    struct sl_config_change *changes;
    size_t n_changes;
    struct sl_config **with;    /* per change, owned: the old config with it alone; NULL: not made yet, or not valid */
    struct sl_config **without; /* the other config without it */
    bool made;                  /* with and without */
};

struct sl_what_if_entry {
    struct sl_what_if_gate *out;
    const struct sl_phase *phase; /* of the other config; NULL: it has no such phase */
    struct sl_what_if_old *old;
    bool read;                       /* its record could be read and decides as recorded */
    struct sl_what_if_outcome alone; /* under the other config, joins left aside */
    bool *fired;                     /* per follower: the record says that this gate's own trigger went out */
    bool joined;                     /* one of its followers waits for other phases too */
};

struct sl_what_if_run {
    const struct sl_ops *ops;
    struct sl_arena *arena;
    struct sl_arena scratch; /* of one gate */
    struct sl_what_if_old **olds;
    size_t n_olds;
    struct sl_what_if_entry *entries;
    size_t n;
    struct sl_map *newest; /* "phase/date/profile" -> entry of the newest generation */
};

/* By its name, no alias; NULL. */
const struct sl_phase *sl_what_if_phase(const struct sl_config *config, const char *name);
/* Is it the name of the phase or of one before it? */
bool sl_what_if_is_before(const struct sl_config *config, const struct sl_phase *phase, const char *name);

/* Facts of the entry's record under a config, refitted. SL_NOT_FOUND: it has no record, or the config no such phase. */
enum sl_code sl_what_if_facts(struct sl_what_if_run *run, const struct sl_what_if_entry *entry, const struct sl_config *config,
                              struct sl_facts *out, struct sl_err *err);
/* The outcome of the facts; false when the facts of the checks are missing. Strings live in the run's arena. */
bool sl_what_if_decide(struct sl_what_if_run *run, const struct sl_config *config, const struct sl_facts *facts,
                       struct sl_what_if_outcome *out);
bool sl_what_if_same(const struct sl_what_if_outcome *a, const struct sl_what_if_outcome *b);

/* what_if_joins.c: the entries whose followers wait for several phases, decided with what the others would be. */
enum sl_code sl_what_if_join(struct sl_what_if_run *run, struct sl_err *err);

/* what_if_rules.c: which changed keys explain the entry's difference. */
void sl_what_if_explain(struct sl_what_if_run *run, struct sl_what_if_entry *entry);

void sl_what_if_lack(struct sl_what_if_run *run, struct sl_what_if_gate *gate, const char *text);
void sl_what_if_rule(struct sl_what_if_run *run, struct sl_what_if_gate *gate, const char *text);

#endif
