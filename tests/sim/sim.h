/* sim.h - a small world around the real worker: an in-memory bus, a SQLite ledger and warehouse in a directory of its own, and a clock that only the
 * test moves. What happens is written into a trace, one line per change of a gate, event, publish and ack with the virtual time; the trace is
 * the assertion. Everything that is not expected to fail ends the test when it does. One thread. */
#ifndef SLUICE_TESTS_SIM_H
#define SLUICE_TESTS_SIM_H

#include <sluice/str.h>
#include <sluice/worker.h>

#include "sim_faults.h"

#define SIM_SECOND 1000LL
#define SIM_MINUTE (60 * SIM_SECOND)
#define SIM_HOUR   (60 * SIM_MINUTE)
#define SIM_DAY    (24 * SIM_HOUR)

/* raw (a, b critical; c, d optional) -> stats (s critical, t optional). a falls back on raw.a2. */
extern const char SIM_CASCADE[];
/* left (l) and right (r) -> joined (j): a join of two phases. */
extern const char SIM_JOIN[];
/* raw (a: fallback, reconstruction, profile) -> stats (s: profile) -> cache (k: made from s, by player) -> show (p: made from k and from a table of nobody's); teams are entities. */
extern const char SIM_QUALITY[];

struct sim_message {
    char *phase; /* NULL: fed in directly */
    char *data, *id;
    size_t len;
    int64_t publish_us;
};

struct sim { /* zero-initialise, then sim_open() */
    char dir[64];
    const char *text;         /* of the config */
    struct sl_config *config; /* the present one */
    struct sl_config **configs;
    size_t n_configs;                 /* all until the end: messages on the bus point into them */
    struct sl_ledger *ledger, *watch; /* watch: a second handle, sees only what was committed; the operator's too */
    struct sl_warehouse *warehouse;
    struct sl_bus *memory, *bus; /* bus: what the worker has, with faults */
    struct sl_worker *worker;
    struct sl_worker_options options;
    struct sim_faults faults;

    int64_t start_us, now_us;
    bool connected;
    int64_t quiet_us; /* since when nothing came on the stream */
    int64_t poll_ms;  /* sim_pass() looks at least this often */
    size_t batch;     /* messages per batch */
    bool quiet_trace; /* don't write the trace */

    struct sim_message *sent;
    size_t n_sent, cap_sent;

    struct sl_buf trace;
    struct sl_map *gates; /* key -> line as it was last written */
    struct sl_map *ids;   /* trigger_id -> its number */
    size_t n_ids, n_events, n_published;
    uint64_t n_acked;
    struct sl_arena arena; /* lines of `gates` */
    int log_fd;
};

/* ---- the life of a world ---- */

/* `text`: SIM_CASCADE or another config; `sets`: "key=value", ended by NULL, may be NULL. The time is noon on 2025-01-10 in Los Angeles; the stream
 * is connected; every table of the config exists and is empty; the worker has started. */
void sim_open(struct sim *sim, const char *text, const char *const *sets);
#define SETS(...) ((const char *const[]){__VA_ARGS__, NULL})
void sim_close(struct sim *sim);
/* The process dies: engine and handles are dropped without a commit, leases run out, faults are over; a new one starts. */
void sim_crash(struct sim *sim);
/* The same, with another config; nothing may be on the bus. */
void sim_restart(struct sim *sim, const char *const *sets);
/* Set the clock to a local time of the pipeline's zone, "2025-03-09 01:59:00": only forwards, or before anything has happened. */
void sim_at(struct sim *sim, const char *local);

/* ---- what the world does ---- */

struct sim_report {
    const char *phase, *processor, *date, *status;
    const char *run; /* execution_id; NULL: "PROCESSOR-DATE" */
    int64_t at_us;   /* timestamp; 0: now */
    int records;     /* record_count; 0: absent; -1: zero */
    int failed;      /* records_failed; 0: absent */
    bool skip;
    const char *extra; /* more JSON members, ", \"x\": 1" */
};
#define report(sim, of, by, on, how, ...)                                                                                                  \
    sim_report((sim), &(struct sim_report){.phase = (of), .processor = (by), .date = (on), .status = (how), ##__VA_ARGS__})
void sim_report(struct sim *sim, const struct sim_report *report);
/* Bytes as they are; `phase` NULL: fed in directly. */
void sim_send(struct sim *sim, const char *phase, const char *bytes);
void sim_send_again(struct sim *sim, size_t i); /* message number i (from 0) once more: same id, same bytes */
void sim_sql(struct sim *sim, const char *dataset, const char *sql, ...) SL_PRINTF(3, 4);
void sim_rows(struct sim *sim, const char *table, const char *date, const char *unit);      /* one row in "dataset.table" */
void sim_calendar(struct sim *sim, const char *date, const char *unit, const char *status); /* "done", "planned", "cancelled" */
void sim_day(struct sim *sim, const char *date, const char *unit); /* a done unit of SIM_CASCADE with rows in every table but raw.a2 */
void sim_open_day(struct sim *sim, const char *date, const char *const *sets); /* SIM_CASCADE with sim_day(DATE, "G1") */
void sim_open_decided(struct sim *sim, const char *date,
                      const char *const *sets); /* the same, and raw's four have reported: raw is decided */
void sim_succeed(struct sim *sim, const char *phase, const char *processors,
                 const char *date);               /* each letter is one that reports success */
void sim_four(struct sim *sim, const char *date); /* a, b, c and d of raw report success */
void sim_disconnect(struct sim *sim);
void sim_connect(struct sim *sim);

/* ---- what the worker does ---- */

void sim_advance(struct sim *sim, int64_t ms); /* only the clock */
enum sl_code sim_batch(struct sim *sim);       /* one batch, if something waits */
enum sl_code sim_tick(struct sim *sim);        /* until nothing more is due */
enum sl_code sim_drain(struct sim *sim);
enum sl_code sim_load(struct sim *sim, bool flush);
void sim_step(struct sim *sim);             /* batches until none waits, tick, drain: all must succeed */
void sim_pass(struct sim *sim, int64_t ms); /* time passes, a step at every due time and at least every poll_ms */

/* Batch, tick, drain and load until all of them succeed: what failed is tried again at the same time, a process that a fault has killed is started
 * again, and what was not acked comes again. Ends the test when it does not get better. */
void sim_persist(struct sim *sim);

/* The next fault: sim_break(&sim, SIM_LEDGER_commit, 2, SL_UNAVAILABLE, .for_ever = true). */
#define sim_break(sim, which, nth, gives, ...)                                                                                             \
    ((sim)->faults.fault = (struct sim_fault){.slot = (which), .at = (nth), .code = (gives), ##__VA_ARGS__})

/* What an operator does, beside the worker; the trace has the outcome. */
void sim_release(struct sim *sim, const char *phase, const char *from, const char *to, bool force, bool dry_run);
void sim_drop(struct sim *sim, const char *phase, const char *from, const char *to);
void sim_retrigger(struct sim *sim, const char *phase, const char *date, bool new_generation);
int64_t sim_hold(struct sim *sim, const char *phase, const char *from, const char *to, int64_t for_ms); /* 0: for good */
int64_t sim_known_gap(struct sim *sim, const char *phase, const char *date);

/* ---- what is seen ---- */

sl_date sim_date(const char *text);
void sim_trace(struct sim *sim, const char *fmt, ...) SL_PRINTF(2, 3);
void sim_look(struct sim *sim); /* write what has changed into the trace */
/* The trace since the last time must be this; it is then emptied. */
#define sim_expect(sim, expected) sim_expect_at((sim), (expected), __FILE__, __LINE__)
void sim_expect_at(struct sim *sim, const char *expected, const char *file, int line);
#define sim_forget(sim) sl_buf_clear(&(sim)->trace)
/* Everything that must not depend on faults: gates, runs, ids of events, triggers, each sorted, times left out. */
void sim_state(struct sim *sim, struct sl_buf *out);
/* Only gates as RULES 7 compares them. */
void sim_outcomes(struct sim *sim, struct sl_buf *out);
int64_t sim_count(struct sim *sim, const char *dataset, const char *sql); /* the integer that a query of a dataset gives */
size_t sim_logged(struct sim *sim, const char *words);                    /* lines of the log with these words */
/* Ends the test when a trigger has gone out under two ids, or one id for two triggers. */
void sim_check_triggers(struct sim *sim);

#endif
