/* dead_letters.h - messages that were not taken: what one says of itself, which of them an expression means, and what waits on a subscription of dead letters.
 * Reading and filters are pure; any thread. Looking blocks on the bus. */
#ifndef SLUICE_DEAD_LETTERS_H
#define SLUICE_DEAD_LETTERS_H

#include <sluice/bus.h>
#include <sluice/config.h>
#include <sluice/grpc_bus.h>
#include <sluice/ledger.h>
#include <sluice/service.h>

struct sl_dead_letter {               /* open: a value; texts are borrowed from the message or the arena, NULL where it doesn't say */
    const struct sl_message *message; /* as it lies there; its subscription is where */
    const struct sl_attribute *own;   /* its attributes before it was a dead letter */
    size_t n_own;
    const char *source_subscription, *source_topic, *source_message_id, *source_publish_time;
    int64_t source_publish_us;    /* else that of the copy */
    const struct sl_phase *phase; /* whose message it was: by its source, else by the topic it lies on, else by its body */
    const char *phase_name;       /* the config's name, else as the body says */
    const char *processor, *execution_id, *status;
    sl_date date;             /* SL_DATE_NONE: it says none that can be read */
    const char *reason;       /* a reject code; "undelivered": the bus gave up delivering it; "unknown" */
    const char *detail;       /* a sentence */
    int64_t deliveries;       /* that the bus made before it gave up; 0: it doesn't say */
    int64_t replays;          /* how often it was replayed */
    const char *replay_id;    /* of the replay that made this copy */
    enum sl_code code;        /* of decoding it now: SL_OK, or SL_INVALID with */
    enum sl_reject reject;    /* this code */
    int64_t timestamp_us;     /* when it decodes */
    const char *ordering_key; /* "" or NULL: none, or not known */
    bool done;                /* it was acked already: only the ack was lost */
    int64_t reject_id;        /* in the ledger's own list; 0: it lies on the bus */
};

/* What `message` (borrowed) says. `lies_on`: the phase whose dead-letter topic it lies on, or NULL. Never fails: what can't be read is left out. */
void sl_dead_letter_read(struct sl_dead_letter *out, const struct sl_message *message, const struct sl_phase *lies_on,
                         const struct sl_config *config, int64_t now_us, struct sl_arena *arena);
/* A row of the ledger's list (with its data) as a message, and what it says. */
void sl_dead_letter_of_reject(struct sl_dead_letter *out, const struct sl_reject_row *row, const struct sl_config *config, int64_t now_us,
                              struct sl_arena *arena);
/* Into the arena, but for the body's bytes: the copy's message has their number and no data. Borrows what belongs to the config. */
void sl_dead_letter_copy(struct sl_dead_letter *out, const struct sl_dead_letter *letter, struct sl_arena *arena);
#define SL_LEDGER_LIST "ledger" /* the subscription that such a message is said to lie on */

/* ---- filters ----
 * test:   FIELD OP VALUE | FIELD in A..B | FIELD in (VALUE, ...) | attr.NAME
 * joined: not, and, or, parentheses; OP: = != < <= > >= ~ (holds the text) !~
 * FIELD:  phase processor date status reason detail age published subscription message_id replays deliveries attr.NAME
 * A field that a letter doesn't have equals nothing, is neither less nor more, and holds no text. */
struct sl_letter_filter;
/* SL_INVALID says where and what was expected. Arena-held; borrows config. `today` for "today" and "yesterday". */
enum sl_code sl_letter_filter_parse(struct sl_letter_filter **out, const char *text, const struct sl_config *config, sl_date today,
                                    struct sl_arena *arena, struct sl_err *err);
/* NULL: every letter. `now_us` for the age: since it was published at first. */
bool sl_letter_filter_takes(const struct sl_letter_filter *filter, const struct sl_dead_letter *letter, int64_t now_us);

/* ---- where they lie ---- */

/* A subscription on a phase's dead-letter topic. Full names. */
struct sl_letter_box {
    const char *subscription, *topic; /* subscription NULL: the topic has none: what comes there is lost */
    const struct sl_phase *phase;     /* the first of those whose dead letters lie there; NULL: the config names none */
    bool counts_attempts;             /* it has a dead-letter policy of its own: taking messages from it raises their count */
    bool is_there;                    /* the topic is */
};
/* Of all phases that have one (or of `only`), in the config's order. */
enum sl_code sl_letter_boxes(struct sl_letter_box **out, size_t *n, struct sl_pubsub_admin *admin, const struct sl_config *config,
                             const struct sl_phase *only, struct sl_arena *arena, struct sl_err *err);
/* The one that `subscription` (a name, or a full one) is. SL_NOT_FOUND. */
enum sl_code sl_letter_box_find(struct sl_letter_box *out, const char *subscription, struct sl_pubsub_admin *admin,
                                const struct sl_config *config, struct sl_arena *arena, struct sl_err *err);

/* Gets every letter in turn, which lives for this call only (sl_dead_letter_copy()). false: enough. */
typedef bool (*sl_letter_seen)(void *arg, const struct sl_dead_letter *letter);
struct sl_letter_look {
    size_t n;   /* letters that were seen */
    bool all;   /* nobody said that it was enough */
    bool taken; /* they were leased for a moment, which others may have noticed */
};
/* What lies there, a page of it at a time, without delivering anything where the server is our own broker. Elsewhere they are pulled and given back, unacked; refused (SL_CONFLICT)
 * where that would count as an attempt. */
enum sl_code sl_letters_look(struct sl_letter_look *out, const struct sl_letter_box *box, struct sl_service *service,
                             const struct sl_config *config, int64_t now_us, sl_letter_seen seen, void *arg, const volatile int *stop,
                             struct sl_err *err);

/* ---- held: received and leased until acked or let go ---- */

struct sl_letter_hold; /* one thread */
/* Borrows all until closed. */
enum sl_code sl_letter_hold_open(struct sl_letter_hold **out, const struct sl_letter_box *box, struct sl_service *service,
                                 const struct sl_config *config, size_t max_n, size_t max_bytes, struct sl_err *err);
/* Receives until nothing more comes or the hold is full; `out` gets what is new. Returns early when *stop. */
enum sl_code sl_letter_hold_fill(struct sl_letter_hold *hold, int64_t now_us, const volatile int *stop, struct sl_dead_letter **out,
                                 size_t *n, bool *full, struct sl_arena *arena, struct sl_err *err);
/* As sl_bus_backlog(). */
void sl_letter_hold_backlog(struct sl_letter_hold *hold, int64_t *undelivered, int64_t *leased);
enum sl_code sl_letter_hold_ack(struct sl_letter_hold *hold, const struct sl_dead_letter *const *letters, size_t n, struct sl_err *err);
/* Waits for answers to acks; what is not acked may come again to anybody. */
void sl_letter_hold_close(struct sl_letter_hold **hold);

#endif
