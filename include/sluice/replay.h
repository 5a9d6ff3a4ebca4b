/* replay.h - dead letters come back: through the worker's own way, or to their topic.
 * A letter is removed from where it lies only after what was done with it is safe: its effects are committed, or the bus has confirmed its copy. Killed or cancelled anywhere, it is
 * still there, or it is known and has no effect when it comes again. The plan is pure; running it blocks on bus and ledger. */
#ifndef SLUICE_REPLAY_H
#define SLUICE_REPLAY_H

#include <sluice/dead_letters.h>
#include <sluice/ops.h>

enum sl_replay_action {
    SL_ACT_REPLAY,
    SL_ACT_SKIP,       /* its run is recorded already: it has no effect, and goes */
    SL_ACT_QUARANTINE, /* it was replayed often enough */
    SL_ACT_KEEP        /* nothing can be done with it: it stays */
};
const char *sl_replay_action_name(enum sl_replay_action action);

struct sl_replay_step {
    const struct sl_dead_letter *letter;
    enum sl_replay_action action;
    const char *to;   /* "sluice" or a topic's full name; NULL: nowhere */
    const char *note; /* what is to be expected, or why; NULL */
};

/* What is asked for. Borrowed texts. */
struct sl_replay_policy {
    const struct sl_letter_filter *filter; /* NULL: every letter */
    const struct sl_phase *phase;          /* NULL: of any */
    sl_date from, to;                      /* SL_DATE_NONE: no bound */
    size_t limit;                          /* letters handled; 0: all */
    int64_t max_replays;
    bool to_topic;
    const char *quarantine; /* a topic's full name; NULL: there is none */
    const char *id;         /* of this replay: its own copies are left alone; NULL: it makes none */
};

/* Pure, but for `recorded`: is the run of a letter that decodes in the ledger, so that it would change nothing? The letters that are meant, in the order of their dates (those
 * without one last), then of their publishing, each with what is to be done; *steps is arena-held. `letters` is borrowed by them. */
size_t sl_replay_plan(struct sl_replay_step **steps, const struct sl_dead_letter *letters, size_t n, const struct sl_replay_policy *policy,
                      const struct sl_config *config, int64_t now_us, bool (*recorded)(void *arg, const struct sl_dead_letter *letter),
                      void *arg, struct sl_arena *arena);

/* A plan, counted: one row per (action, to, phase, processor, reason, note), sorted by them. */
struct sl_replay_bar {
    enum sl_replay_action action;
    const char *to, *phase, *processor, *reason, *note;
    size_t n;
    sl_date first, last; /* SL_DATE_NONE: none has a date */
    int64_t oldest_us;   /* published at first */
};
/* Pure. Arena-held. */
size_t sl_replay_histogram(struct sl_replay_bar **out, const struct sl_replay_step *steps, size_t n, struct sl_arena *arena);

/* "projects/p/topics/t" -> "projects/p/topics/t-quarantine". Pure. */
const char *sl_replay_quarantine(const char *topic, struct sl_arena *arena);
/* Is the letter's run recorded, with a status that it would not change? Reads the ledger; what can't be read counts as not. */
bool sl_replay_is_recorded(const struct sl_ops *ops, const struct sl_dead_letter *letter);

struct sl_replay_options {
    struct sl_replay_policy policy;  /* id and quarantine are set by the run */
    const struct sl_letter_box *box; /* NULL: the ledger's own list */
    int64_t rate;                    /* letters a second; 0: as fast as it goes */
    bool hold;                       /* triggers that it would fire wait on the pending list */
    size_t window_messages,
        window_bytes; /* held at once; 0: 100,000 and 256 MB (of the ledger's list: read at once). Dates are in order within it */
    const volatile int *stop;
    void (*pause)(int64_t ms);
    void (*progress)(void *arg, size_t done); /* after every batch; may be NULL */
    void *arg;
};

struct sl_replay_counts {
    size_t read, matched;
    size_t replayed; /* recorded, or confirmed by the topic */
    size_t skipped;  /* known already */
    size_t rejected; /* again: they went back to the dead letters, with their count */
    size_t quarantined;
    size_t kept;         /* matched, but nothing could be done: `why` has the first reason */
    bool left_to_worker; /* a running worker publishes what they trigger */
    size_t outbox;       /* rows that could not be published yet */
    char why[300];
};
/* ops: its worker is not used. Whatever the code, `counts` says what was done. */
enum sl_code sl_replay_run(const struct sl_ops *ops, struct sl_service *service, const struct sl_replay_options *options,
                           struct sl_replay_counts *counts, struct sl_err *err);

#endif
