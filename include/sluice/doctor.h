/* doctor.h - what is misconfigured here: the environment, the clock, the disk, the tables, and the bus with its policies and grants.
 * Judging is pure, and looking is apart from it; looking blocks on disk, ledger, warehouse and bus and changes nothing. What can't be known is said to be unknown, never fine. */
#ifndef SLUICE_DOCTOR_H
#define SLUICE_DOCTOR_H

#include <sluice/ops.h>
#include <sluice/pubsub.h>
#include <sluice/service.h>

enum sl_health { SL_HEALTH_CRITICAL, SL_HEALTH_WARNING, SL_HEALTH_UNKNOWN, SL_HEALTH_OK };
const char *sl_health_name(enum sl_health health);

struct sl_diagnosis { /* texts are static or in the doctor's arena */
    enum sl_health health;
    const char *check;   /* "disk", "retention", ... */
    const char *subject; /* what was looked at */
    const char *text;    /* a sentence */
    const char *help;    /* what would mend it, or NULL */
};

struct sl_doctor { /* zero-initialise, then set config and arena */
    const struct sl_config *config;
    struct sl_arena *arena; /* borrowed: results live there */
    struct sl_diagnosis *results;
    size_t n;
    int64_t outage_ms; /* that the bus should survive without a loss */
    int64_t batch_ms;  /* what one batch takes here; -1: not measured */
};

void sl_doctor_add(struct sl_doctor *doctor, enum sl_health health, const char *check, const char *subject, const char *help,
                   const char *fmt, ...) SL_PRINTF(6, 7);
/* The worst first, then as they were found. How many are findings (critical or warning). */
size_t sl_doctor_sort(struct sl_doctor *doctor);

/* ---- judging: pure ---- */

/* Emulator variables and credentials; `getenv_fn` is asked for both. */
void sl_doctor_environment(struct sl_doctor *doctor, const char *(*getenv_fn)(const char *));
void sl_doctor_disk(struct sl_doctor *doctor, const char *subject, int64_t free_bytes, int64_t total_bytes);
struct sl_clock_facts {
    bool has_kernel, synchronised;
    int64_t error_us; /* of the kernel's estimate */
    int64_t now_us;
    int64_t last_commit_us; /* of the ledger; 0: none */
    int64_t ahead_us;       /* by how much the bus's clock was ahead of ours in the newest messages, at least; 0: not at all */
    size_t n_messages;      /* that this was seen in */
};
void sl_doctor_clock(struct sl_doctor *doctor, const struct sl_clock_facts *facts);
/* `found` NULL: it is not there. `wanted` as `sluice init` would make it. */
void sl_doctor_subscription(struct sl_doctor *doctor, const struct sl_pubsub_subscription *wanted,
                            const struct sl_pubsub_subscription *found);
/* The subscriptions (n of them) on a topic of dead letters or triggers; `what` says which. */
void sl_doctor_watched(struct sl_doctor *doctor, const char *what, const char *topic, const struct sl_pubsub_subscription *found, size_t n);
struct sl_grant;
/* Does Google's own agent hold the role on the resource? The members that the policy names. */
void sl_doctor_agent_grant(struct sl_doctor *doctor, const char *resource, const char *role, const struct sl_grant *grants, size_t n);

/* ---- looking ---- */

void sl_doctor_look_here(struct sl_doctor *doctor, const struct sl_ops *ops); /* ops->ledger may be NULL: then only the machine */
void sl_doctor_look_at_tables(struct sl_doctor *doctor, struct sl_warehouse *warehouse);
void sl_doctor_look_at_bus(struct sl_doctor *doctor, struct sl_service *service);

#endif
