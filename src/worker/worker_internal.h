/* worker_internal.h - what the files of the worker share. One thread: the decider. */
#ifndef SLUICE_WORKER_INTERNAL_H
#define SLUICE_WORKER_INTERNAL_H

#include <stdatomic.h>

#include <sluice/str.h>
#include <sluice/worker.h>

/* ---- the calendar as it was last read (calendar.c) ---- */

struct sl_calendar {
    struct sl_arena arena;
    bool loaded;
    bool has_version;
    int64_t version;              /* of the warehouse when it was read */
    char *error;                  /* why it could not be read, arena-held; NULL */
    struct sl_calendar_row *rows; /* planned ones, ascending by (date, unit) */
    size_t n;
    bool suspect;        /* empty, or a season lost more than suspect_above of what the ledger remembers */
    struct sl_key *lost; /* remembered units that are gone, ascending; only when suspect */
    size_t n_lost;
    const char *suspect_sentence, *suspect_season;
    struct season {
        const char *name;
        sl_date first;
        size_t n;
    } * seasons;
    size_t n_seasons;
};

/* Read the calendar again if it may have changed; compare it with the ledger's memory; make gates of changed dates due. In a ledger transaction. */
enum sl_code sl_calendar_refresh(struct sl_worker *worker, int64_t now_us, struct sl_err *err);
/* Could it have changed since it was read? */
bool sl_calendar_is_stale(struct sl_worker *worker);
sl_date sl_calendar_season_first(const struct sl_calendar *calendar, const char *season);
/* First date of the season that holds the date: that of its units, else the last one that began before it; SL_DATE_NONE. */
sl_date sl_calendar_season_of(const struct sl_calendar *calendar, sl_date date);
bool sl_calendar_lost_on(const struct sl_calendar *calendar, sl_date date);
void sl_calendar_fini(struct sl_calendar *calendar);

/* ---- questions to the warehouse, one per table for a whole batch (questions.c) ---- */

enum sl_asking { SL_ASK_PRESENT, SL_ASK_RECONSTRUCTED, SL_ASK_COUNT, SL_ASK_TALLY, SL_ASK_FINGERPRINT };
struct question;
struct sl_questions { /* zero-initialised: SL_ASK_PRESENT */
    enum sl_asking what;
    struct question *items;
    size_t n, cap;
};
/* Add a thing to ask; `unit` NULL: by date (fingerprints always). Keys may repeat. */
void sl_questions_add(struct sl_questions *questions, const struct sl_source *source, sl_date date, const char *unit);
/* SL_ASK_TALLY: count the NULLs of our column `column` too; SL_ASK_FINGERPRINT: leave these out. Borrowed. */
void sl_questions_count_nulls(struct sl_questions *questions, const struct sl_source *source, bool by_date, const char *column);
void sl_questions_exclude(struct sl_questions *questions, const struct sl_source *source, const char *const *columns, size_t n);
/* Ask each table once. Errors of a table are kept with it; only what makes the whole batch impossible is returned. */
enum sl_code sl_questions_ask(struct sl_questions *questions, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err);
struct sl_answer {
    const char *error; /* the table could not be asked; nothing else is set then */
    bool timed_out;    /* ... because it took too long */
    bool present;      /* rows, or (SL_ASK_RECONSTRUCTED) rows that a reconstruction made */
    int64_t rows;      /* SL_ASK_COUNT, SL_ASK_TALLY */
    const char *fingerprint;
    const int64_t *nulls;
    const struct question *question;
};
struct sl_answer sl_questions_answer(const struct sl_questions *questions, const struct sl_source *source, sl_date date, const char *unit);
int64_t sl_answer_nulls(const struct sl_answer *answer, const struct sl_source *source, const char *column); /* -1: no such column */
void sl_questions_fini(struct sl_questions *questions);
/* Is this failure a fact about the table that was asked, and no trouble of the whole batch? */
bool sl_warehouse_about_the_table(const struct sl_warehouse *warehouse, enum sl_code code);

/* ---- gates at work ---- */

/* The runs of one (phase, date), kept for the length of a batch. */
struct group {
    const struct sl_phase *phase;
    sl_date date;
    struct sl_run *runs; /* as in the ledger, with this batch's */
    size_t n_runs;
    bool gate_loaded, gate_exists;
    bool touched;  /* a run that counts for its gate came: decide it */
    bool reported; /* a terminal run came: gates that look at this date may change */
    enum sl_profile profile;
    struct sl_gate gate; /* newest generation for the profile */
    bool open_events_read;
    struct sl_open_event *open_events; /* as they were before this batch */
    size_t n_open_events;
};

/* One gate to be decided in this pass. */
struct work {
    struct sl_gate gate; /* as stored, or as it will be when new */
    bool exists;         /* in the ledger */
    bool reported;       /* a completion came that counts for it: its clocks may have moved */
    const struct sl_phase *phase;
    struct sl_facts facts;
    struct sl_decision decision;
    bool released, forced;
};

struct sl_worker {
    const struct sl_config *config;
    struct sl_ledger *ledger;
    struct sl_warehouse *warehouse;
    struct sl_bus *bus;
    struct sl_worker_options options;
    struct sl_worker_counters counters;
    struct sl_calendar calendar;
    struct sl_arena arena; /* of the call in progress */
    struct sl_map *groups; /* "phase index/date" -> struct group, of the batch in progress */
    struct group **group_list;
    size_t n_groups;
    struct sl_map *changed; /* gates that this worker changed -> their state + 1, for the counters (RULES 36) */
    struct change {
        char *key;
        enum sl_state state;
    } * pending; /* of the transaction that is open */
    size_t n_pending;
    struct phase_clock {
        int64_t ms;      /* time for which the stream was connected and silent */
        int64_t last_us; /* of the last reading; 0: none */
        int64_t saved_ms;
    } * clocks; /* per phase */
    size_t events_unloaded, runs_unloaded;
    int64_t loaded_us;               /* when the last load ended, or the worker began */
    int64_t expected_us;             /* when expect_by was looked at last */
    bool looking;                    /* the pass is only looked at: nothing is changed outside the ledger's transaction */
    int64_t stale_due_us;            /* when on_stale: retrigger has something to do; SL_NEVER_US */
    int64_t stamp_due_us;            /* when the next stamp is due, or earlier; SL_NEVER_US */
    int64_t prune_due_us;            /* when what is finished is looked for next */
    bool at_rest;                    /* everything that was sent has come and is decided: streams count as silent */
    char owner[64];                  /* of outbox claims */
    struct sl_worker_counters saved; /* as they were when the transaction began */
    size_t saved_events, saved_runs;
};

/* record.c: deduplicate and record a decoded batch; groups that a gate must be decided for are `touched`. */
struct sl_incoming {
    struct sl_bus_batch batch;
    struct sl_completion *completions; /* per message; valid where !rejected */
    bool *rejected;
    enum sl_reject *rejects;
    const char **details;
};
void sl_incoming_decode(struct sl_incoming *incoming, const struct sl_config *config, int64_t now_us);
enum sl_code sl_worker_record(struct sl_worker *worker, const struct sl_incoming *incoming, int64_t now_us, struct sl_err *err);
/* replay.c: the event of one message, and what record.c made of it. In the transaction that is open. */
enum sl_code sl_replay_record(struct sl_worker *worker, const struct sl_bus_message *message, const struct sl_completion *completion,
                              const char *to, int64_t now_us, struct sl_err *err);
enum sl_code sl_worker_process(struct sl_worker *worker, const struct sl_incoming *incoming, int64_t now_us, struct sl_err *err);
enum sl_code sl_worker_group(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, struct group **out, struct sl_err *err);
void sl_worker_forget_groups(struct sl_worker *worker);
enum sl_code sl_worker_event(struct sl_worker *worker, const struct sl_event *event, struct sl_err *err);
void sl_gate_new(struct sl_gate *gate, const struct sl_phase *phase, sl_date date, enum sl_profile profile, int generation, int64_t now_us);

/* gather*.c: facts, set by set. */
enum sl_code sl_gather_units(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err);
enum sl_code sl_gather_checks(struct sl_worker *worker, struct work *works, size_t n, struct sl_err *err);
enum sl_code sl_gather_joins(struct sl_worker *worker, struct work *work, struct sl_err *err);

/* coverage.c: what the answers say of a processor's date. */
struct sl_due {
    sl_date date;
    const char **units;
    size_t n;
    bool by_date_only;
}; /* by_date_only: no units are known (no calendar, or a day without units) */
/* The questions behind it. */
struct sl_sources {
    struct sl_questions present, reconstructed;
};
#define SL_SOURCES_INIT                                                                                                                    \
    {                                                                                                                                      \
        .reconstructed = {.what = SL_ASK_RECONSTRUCTED }                                                                                   \
    }
void sl_sources_fini(struct sl_sources *sources);
enum sl_code sl_sources_ask(struct sl_sources *sources, struct sl_warehouse *warehouse, struct sl_arena *arena, struct sl_err *err);
void sl_coverage_ask(struct sl_sources *sources, const struct sl_processor *processor, const struct sl_due *due);
void sl_coverage_read(struct sl_coverage *out, const struct sl_sources *sources, const struct sl_processor *processor,
                      const struct sl_due *due, struct sl_arena *arena);

/* decide.c */
/* Decide `works` (any order; sorted here: dates ascending, phases in DAG order) and write everything, in the ledger transaction that is open. */
enum sl_code sl_worker_decide(struct sl_worker *worker, struct work *works, size_t n, int64_t now_us, struct sl_err *err);
enum sl_code sl_worker_write(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err);
/* The gate as its decision leaves it, but for the clocks, which only a write changes. Its lists are of the worker's arena. */
struct sl_gate sl_worker_outcome(struct sl_worker *worker, const struct work *work, int64_t now_us);
/* For a republication: decided afresh, with the triggers that the gate's own decision published (none: it had adopted another gate's). */
enum sl_code sl_worker_decide_again(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err);
enum sl_code sl_worker_outbox_triggers(struct sl_worker *worker, const struct work *work, int64_t now_us, struct sl_err *err);

enum sl_code sl_worker_decide_one(struct sl_worker *worker, struct work *work, int64_t now_us,
                                  struct sl_err *err); /* facts and the final decision of one gate; nothing is written */

/* operator.c */
/* Open the next generation of a gate that has fired, decide and write it, in the transaction that is open. SL_INVALID: it has not. */
enum sl_code sl_worker_reopen(struct sl_worker *worker, struct work *work, int64_t now_us, struct sl_err *err);
/* The operator_action event of a gate. */
enum sl_code sl_worker_action(struct sl_worker *worker, const struct work *work, const char *what, const char *who, const char *reason,
                              int64_t now_us, struct sl_err *err);

/* stale.c: content that has changed, and the decisions that had used it. */
/* After a newer generation was decided: when its rows are other than those before, the decisions that used them are marked. */
enum sl_code sl_worker_follow_content(struct sl_worker *worker, const struct work *work, const struct sl_gate *gate, int64_t now_us,
                                      struct sl_err *err);
/* A processor came late to an open gate: mark what used its date, unless its rows are those that the gate saw. */
enum sl_code sl_worker_mark_late(struct sl_worker *worker, const struct sl_phase *phase, const struct sl_gate *gate,
                                 const struct sl_processor *processor, int64_t now_us, struct sl_err *err);
/* on_stale: retrigger. Fires at most what the rate allows; in a transaction. */
enum sl_code sl_worker_restart_stale(struct sl_worker *worker, int64_t now_us, struct sl_err *err);

/* worker.c: transactions of the engine. */
enum sl_code sl_worker_begin(struct sl_worker *worker, struct sl_err *err);
/* Commit, or roll back when `code` is an error; counters follow. Returns the code that counts. */
enum sl_code sl_worker_end(struct sl_worker *worker, enum sl_code code, struct sl_err *err);
void sl_worker_undo(struct sl_worker *worker);
void sl_worker_note(struct sl_worker *worker, const struct sl_gate *gate);

/* clocks.c */
enum sl_code sl_clocks_load(struct sl_worker *worker, struct sl_err *err);
/* As of now, or a little later: what a running worker hasn't saved yet may only make gates wait. */
enum sl_code sl_clocks_borrow(struct sl_worker *worker, struct sl_err *err);
bool sl_clocks_unsaved(const struct sl_worker *worker); /* for so long that a tick saves them though nothing is due */
void sl_clocks_advance(struct sl_worker *worker, int64_t now_us);
enum sl_code sl_clocks_save(struct sl_worker *worker, bool all, struct sl_err *err);
bool sl_clock_drained(struct sl_worker *worker, const struct sl_phase *phase, int64_t now_us);
bool sl_worker_expects(const struct sl_worker *worker, int64_t now_us); /* is it time to look at expect_by again? */
enum sl_code sl_worker_expect(struct sl_worker *worker, int64_t now_us, struct work **works, size_t *n, struct sl_err *err);
enum sl_code sl_worker_unanswered(struct sl_worker *worker, int64_t now_us, struct sl_err *err);

/* outbox.c: rows between their claim and what became of them; the middle step may run on another thread, beside the decider. Zero-initialised, then claimed once. */
struct sl_sending {
    struct sl_arena arena; /* freed by its owner */
    struct sl_outbox_row *rows;
    size_t n;
    struct sl_sent {
        bool tried; /* else the row stays claimed and is given again */
        enum sl_code code;
        const char *error;
    } * sent; /* one per row */
};
enum sl_code sl_outbox_claim(struct sl_worker *worker, int64_t now_us, struct sl_sending *out, struct sl_err *err);
void sl_outbox_send(struct sl_bus *bus, struct sl_sending *sending, const atomic_bool *quit /* may be NULL */);
/* *stuck: something is left that waits for a later attempt. */
enum sl_code sl_outbox_record(struct sl_worker *worker, const struct sl_sending *sending, int64_t now_us, bool *stuck, struct sl_err *err);

/* stamp.c: quality columns. Queued with the decision, in its transaction; then per table and batch taken, run (which may be on another thread, beside the decider) and finished. */
enum sl_code sl_stamp_queue(struct sl_worker *worker, const struct work *work, int64_t now_us, struct sl_err *err);
struct sl_stamping {           /* zero-initialised, then taken once */
    struct sl_arena arena;     /* freed by its owner */
    struct sl_stamp_row *rows; /* of one table, ascending by date */
    size_t n;
    struct sl_stamp_body *bodies;         /* beside rows */
    bool *unreadable;                     /* beside rows: fails for itself */
    struct sl_confidence_result *results; /* beside rows; zero where confidence was not capped */
    enum sl_code code;
    struct sl_err err;
};
bool sl_stamp_is_due(const struct sl_worker *worker, int64_t now_us);
/* n == 0: nothing was due after all. */
enum sl_code sl_stamp_take(struct sl_worker *worker, int64_t now_us, struct sl_stamping *out, struct sl_err *err);
void sl_stamp_run(const struct sl_config *config, struct sl_warehouse *warehouse, struct sl_stamping *stamping);
enum sl_code sl_stamp_finish(struct sl_worker *worker, struct sl_stamping *stamping, int64_t now_us, struct sl_err *err);

/* load.c: one load between its steps, so that step 2 may run on another thread. */
bool sl_load_is_due(const struct sl_worker *worker, int64_t now_us);
enum sl_code sl_load_fix(struct sl_worker *worker, enum sl_load_kind kind, struct sl_load_job *job, struct sl_arena *arena,
                         struct sl_err *err);
enum sl_code sl_load_run(const struct sl_config *config, struct sl_warehouse *warehouse, const struct sl_load_job *job, struct sl_err *err);
enum sl_code sl_load_finish(struct sl_worker *worker, const struct sl_load_job *job, int64_t now_us, struct sl_err *err);

#endif
