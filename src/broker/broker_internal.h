/* broker_internal.h - what the files of the broker share. Everything here belongs to the broker thread, unless it says otherwise. */
#ifndef SLUICE_BROKER_BROKER_INTERNAL_H
#define SLUICE_BROKER_BROKER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <sluice/broker.h>
#include <sluice/file.h>
#include <sluice/pubsub.h>
#include <sluice/rpc.h>

#include "filter_internal.h"
#include "store_internal.h"

/* One response holds about this much, unless a single message is bigger; a stream that has more than UNSENT in the transport gets no more. */
#define SL_RESPONSE_BYTES ((size_t)1000 * 1000)
#define SL_UNSENT_BYTES   ((size_t)4 * 1000 * 1000)
#define SL_UNREAD_BYTES   ((size_t)16 * 1000 * 1000) /* confirmations come unasked, too many end the stream */

enum sl_method {
    SL_CREATE_TOPIC,
    SL_GET_TOPIC,
    SL_UPDATE_TOPIC,
    SL_LIST_TOPICS,
    SL_LIST_TOPIC_SUBSCRIPTIONS,
    SL_LIST_TOPIC_SNAPSHOTS,
    SL_DETACH_SUBSCRIPTION,
    SL_DELETE_TOPIC,
    SL_PUBLISH,
    SL_CREATE_SUBSCRIPTION,
    SL_GET_SUBSCRIPTION,
    SL_UPDATE_SUBSCRIPTION,
    SL_LIST_SUBSCRIPTIONS,
    SL_DELETE_SUBSCRIPTION,
    SL_PULL,
    SL_ACKNOWLEDGE,
    SL_MODIFY_ACK_DEADLINE,
    SL_MODIFY_PUSH_CONFIG,
    SL_CREATE_SNAPSHOT,
    SL_GET_SNAPSHOT,
    SL_UPDATE_SNAPSHOT,
    SL_LIST_SNAPSHOTS,
    SL_DELETE_SNAPSHOT,
    SL_SEEK,
    SL_SET_POLICY,
    SL_GET_POLICY,
    SL_TEST_PERMISSIONS,
    SL_BACKLOG,
    SL_LOOK,
    SL_STREAMING_PULL,
    SL_N_METHODS
};

/* ---- events: what other threads tell the broker thread ---- */

enum sl_event_kind {
    SL_EVENT_CALL,
    SL_EVENT_OPENED,
    SL_EVENT_MESSAGE,
    SL_EVENT_HALF_CLOSED,
    SL_EVENT_CLOSED,
    SL_EVENT_WRITABLE,
    SL_EVENT_OVERLOADED, /* from the rpc loop */
    SL_EVENT_BACKLOG,
    SL_EVENT_DROP,
    SL_EVENT_STOP,
    SL_EVENT_QUIT, /* from broker.c */
};

struct sl_stream;
struct sl_backlog_question;

struct sl_event { /* heap; a call's lives until its answer */
    struct sl_event *next;
    enum sl_event_kind kind;
    enum sl_method method;
    struct sl_rpc_peer_call *call; /* of a unary call */
    struct sl_stream *stream;      /* of a stream's event */
    struct sl_backlog_question *question;
    /* the answer */
    struct sl_rpc_status status;
    struct sl_buf response;
    struct sl_buf details; /* a google.rpc.Status that goes with a refusal */
    /* a call that is slow or what a slow stream says (0: it is not), or a pull that waits */
    int64_t until_ms;
    struct sl_subscription *subscription;
    int32_t max_messages;
    size_t len;
    char data[];
};

struct sl_inbox { /* any thread */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct sl_event *first, *last;
    size_t bytes;
    bool closed;
};

void sl_inbox_init(struct sl_inbox *inbox);
void sl_inbox_fini(struct sl_inbox *inbox);
struct sl_event *sl_event_create(enum sl_event_kind kind, const void *data, size_t len);
void sl_event_free(struct sl_event *event);
/* Steals the event. false: too much is waiting (only when `limited`), or the inbox is closed; the event stays the caller's. */
bool sl_inbox_push(struct sl_inbox *inbox, struct sl_event *event, bool limited);
/* All that has come, oldest first; waits until `until_ms` of CLOCK_MONOTONIC when there is nothing; NULL then. */
struct sl_event *sl_inbox_take(struct sl_inbox *inbox, int64_t until_ms);
struct sl_event *sl_inbox_close(struct sl_inbox *inbox); /* what was left */

/* ---- catalog: topics and subscriptions ---- */

struct sl_list { /* of pointers */
    void **items;
    size_t n, cap;
};
void sl_list_insert(struct sl_list *list, size_t at, void *item);
void sl_list_remove(struct sl_list *list, const void *item); /* nothing when it is not there */

struct sl_topic { /* heap; freed by the catalog */
    int64_t id;
    struct sl_arena arena;
    struct sl_pubsub_topic config; /* in the arena */
    bool deleted;                  /* no name any more; goes once its messages have gone */
    int64_t last, committed;       /* newest number given; newest that is durable. Differ during a batch only */
    int64_t trimmed, trimming;     /* deleted up to; and what this batch deletes */
    int64_t publish_us;            /* of the newest: never goes back */
    int64_t old;                   /* everything up to it is older than anybody retains what is acked */
    struct sl_list subscriptions;  /* of struct sl_subscription, detached ones too */
    struct sl_list snapshots;      /* of struct sl_snapshot */
};

struct sl_recent { /* an ack that counted, exactly once */
    int64_t n;
    uint64_t serial;
};
#define SL_RECENT                                                                                                                          \
    ((size_t)16384) /* x 16 bytes: 256 KiB for a subscription that is exactly once; an answer that is lost longer ago is forgotten */

struct sl_subscription { /* heap; freed by the catalog */
    int64_t id;
    struct sl_arena arena;
    struct sl_pubsub_subscription config; /* in the arena */
    struct sl_topic *topic;
    struct sl_delivery delivery;
    int64_t born;             /* it was made behind this number */
    uint64_t epoch;           /* of its leases, as it is stored */
    struct sl_filter *filter; /* NULL: everything matches */
    int64_t sifted;           /* what does not match is acked up to here; nothing is delivered beyond */
    struct sl_recent *recent; /* SL_RECENT of them, by n; NULL: not exactly once */
    struct sl_list streams;   /* of struct sl_stream: those that have said which subscription they want */
    size_t turn;              /* which stream is served first */
    int64_t used_ms;          /* when it was used last; 0: it is looked at from now on, after a start or a stream */
};

struct sl_snapshot { /* heap; freed by the catalog */
    int64_t id;
    struct sl_arena arena;
    struct sl_pubsub_snapshot config; /* in the arena */
    struct sl_topic *topic;
    struct sl_ranges acked;
};

struct sl_catalog {
    struct sl_list topics;        /* of struct sl_topic, by name, ascending */
    struct sl_list deleted;       /* of struct sl_topic */
    struct sl_list subscriptions; /* of struct sl_subscription, by name, ascending */
    struct sl_list snapshots;     /* of struct sl_snapshot, by name, ascending */
};

/* Reads the whole store. */
enum sl_code sl_catalog_load(struct sl_catalog *catalog, struct sl_store *store, struct sl_now now, struct sl_err *err);
void sl_catalog_fini(struct sl_catalog *catalog);
struct sl_topic *sl_catalog_topic(const struct sl_catalog *catalog, const char *name, size_t len);               /* NULL */
struct sl_subscription *sl_catalog_subscription(const struct sl_catalog *catalog, const char *name, size_t len); /* NULL */
struct sl_snapshot *sl_catalog_snapshot(const struct sl_catalog *catalog, const char *name, size_t len);         /* NULL */
/* The first whose name is > `after`. */
size_t sl_catalog_topic_after(const struct sl_catalog *catalog, const char *after);
size_t sl_catalog_subscription_after(const struct sl_catalog *catalog, const char *after);
size_t sl_catalog_snapshot_after(const struct sl_catalog *catalog, const char *after);
/* After the store has it. `config` is copied. */
struct sl_topic *sl_catalog_add_topic(struct sl_catalog *catalog, int64_t id, const struct sl_pubsub_topic *config);
void sl_catalog_set_topic(struct sl_topic *topic, const struct sl_pubsub_topic *config);
void sl_catalog_delete_topic(struct sl_catalog *catalog, struct sl_topic *topic); /* its subscriptions and messages stay */
void sl_catalog_forget_topic(struct sl_catalog *catalog, struct sl_topic *topic); /* a deleted one without subscriptions */
struct sl_subscription *sl_catalog_add_subscription(struct sl_catalog *catalog, const struct sl_pubsub_subscription *config,
                                                    struct sl_topic *topic, const struct sl_subscription_row *row, uint64_t first_serial);
void sl_catalog_set_subscription(struct sl_subscription *subscription, const struct sl_pubsub_subscription *config);
void sl_catalog_remove_subscription(struct sl_catalog *catalog, struct sl_subscription *subscription);
struct sl_snapshot *sl_catalog_add_snapshot(struct sl_catalog *catalog, int64_t id, const struct sl_pubsub_snapshot *config,
                                            struct sl_topic *topic, int64_t floor);
void sl_catalog_set_snapshot(struct sl_snapshot *snapshot, const struct sl_pubsub_snapshot *config);
void sl_catalog_remove_snapshot(struct sl_catalog *catalog, struct sl_snapshot *snapshot);

/* topic.c */
/* Everything up to it nobody needs any more: it is acked by every subscription and snapshot of the topic, and no retention keeps it. */
int64_t sl_topic_floor(const struct sl_topic *topic);
bool sl_topic_is_wanted(const struct sl_topic *topic); /* does anybody need what is published now? */
/* For how long acked messages are kept, by the topic or for any of its subscriptions; 0: not at all. */
int64_t sl_topic_retention_ms(const struct sl_topic *topic);

/* "projects/P/KIND/ID": the real service's rules for ids. */
bool sl_resource_name_valid(const char *name, const char *kind);
#define SL_DELETED_TOPIC "_deleted-topic_"
#define SL_DETACHED      "The subscription is detached from its topic"

/* ---- streams ---- */

struct sl_stream {                 /* heap; made on the rpc loop, freed by the broker thread at its end */
    struct sl_rpc_peer_call *call; /* not used any more once finished, and not ending */
    atomic_bool blocked;           /* the transport has enough; cleared at "writable". Any thread */
    bool finished;
    bool ending; /* finished, but for a message that is on its way: until it has gone, or end_ms */
    struct sl_rpc_status end;
    int64_t end_ms;
    int64_t slow_ms;                      /* what it says is heard so late; set before anybody else has it */
    struct sl_subscription *subscription; /* NULL before its first request and after its end */
    struct sl_flow flow;
    int deadline_s;
    int64_t opened_ms, sent_ms;
    struct sl_confirmation { /* exactly once: ack ids, one after the other, whose fate is told after the commit */
        struct sl_buf acked, invalid, modified, modify_invalid;
    } confirmation;
    struct sl_stream *before, *after;
};

/* ---- the broker ---- */

struct sl_fault { /* what has been ordered for a method; under the broker's mutex */
    int n, code;
    int n_slow;
    int64_t slow_ms;
};

struct sl_forwarded {
    struct sl_subscription *subscription;
    int64_t n;
};

struct sl_batch {
    struct sl_event *first, *last; /* calls that are answered after the commit */
    bool refuse_publishes;         /* one has failed: the rest of this round would too */
    struct sl_rpc_status refusal;
    struct sl_forwarded *forwarded; /* dead letters whose copies are written */
    size_t n_forwarded, cap_forwarded;
};

struct sl_broker {
    char *address;
    struct sl_lock *lock;
    struct sl_store *store;
    struct sl_rpc_loop *loop;
    struct sl_rpc_server *server;
    struct sl_inbox inbox;
    pthread_t thread;
    bool running, stopped; /* of the owner's thread */
    int64_t stream_age_ms, heartbeat_ms;

    pthread_mutex_t mutex; /* over the following three */
    struct sl_fault faults[SL_N_METHODS];
    bool failed;
    struct sl_err failure;

    struct sl_catalog catalog;
    struct sl_stream *streams;
    bool confirming;          /* a stream has a confirmation */
    uint64_t holder;          /* the newest that was given to a stream or a pull */
    struct sl_event *pulls;   /* waiting, oldest first */
    struct sl_event *delayed; /* slow calls and requests of slow streams, by the time at which they go on */
    struct sl_batch batch;
    struct sl_arena arena;     /* of one event */
    struct sl_buf out;         /* a response being made */
    bool room_asked;           /* in this round */
    bool short_of_room;        /* something was refused for it: deleting waits for no quiet moment */
    int64_t room_bytes;        /* of the disk, for messages of this round */
    int64_t forward_ms;        /* dead letters: not before */
    bool stopping, quit, more; /* more: there was too much to look at in one round */
    int64_t now_ms, now_us;    /* of this round: monotonic; and the time of day */
    int64_t retry_ms;          /* a commit failed: not before, unless something new comes */
    int64_t retention_ms;      /* when to look for what is too old */
    int64_t shrink_ms;         /* the file may give room back from then on, in a quiet moment; SL_NEVER: it has none to give */
    int64_t quiet_ms;          /* nothing has come until then: deleting may begin */
};

struct sl_backlog_question { /* asked by another thread, which waits */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    const char *const *names;
    size_t n_names;
    bool answered;
    int64_t undelivered, leased;
};

/* What comes of a unary call. */
enum sl_answer {
    SL_ANSWER_NOW,
    SL_ANSWER_AFTER_COMMIT,
    SL_ANSWER_LATER, /* the handler keeps the event */
};

/* Sets the status. SL_ANSWER_NOW. */
enum sl_answer sl_event_refuse(struct sl_event *event, enum sl_rpc_code code, const char *fmt, ...) SL_PRINTF(3, 4);
/* The store's failure as a status. */
enum sl_answer sl_refuse_store(struct sl_broker *broker, struct sl_event *event, const struct sl_err *err);
void sl_reply(struct sl_event *event); /* answers and frees */
struct sl_now sl_broker_now(const struct sl_broker *broker);
void sl_broker_fail(struct sl_broker *broker, const struct sl_err *err);
bool sl_broker_has_failed(struct sl_broker *broker);

/* One per method. */
enum sl_answer sl_create_topic(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_get_topic(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_update_topic(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_list_topics(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_list_topic_subscriptions(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_delete_topic(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_create_subscription(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_get_subscription(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_update_subscription(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_list_subscriptions(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_delete_subscription(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_publish(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_pull(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_acknowledge(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_modify_ack_deadline(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_modify_push_config(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_backlog(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_list_topic_snapshots(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_detach_subscription(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_create_snapshot(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_get_snapshot(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_update_snapshot(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_list_snapshots(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_delete_snapshot(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_seek(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_look(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_set_policy(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_get_policy(struct sl_broker *broker, struct sl_event *event);
enum sl_answer sl_test_permissions(struct sl_broker *broker, struct sl_event *event);

/* admin.c, admin_subscription.c */
/* Deletes it, streams and all; commits. */
enum sl_code sl_drop_subscription(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_err *err);
struct sl_topic *sl_find_topic(struct sl_broker *broker, struct sl_event *event, const char *name); /* NULL: refused */
struct sl_subscription *sl_find_subscription(struct sl_broker *broker, struct sl_event *event, const char *name);
struct sl_subscription *sl_find_subscription_span(struct sl_broker *broker, struct sl_event *event, struct sl_span name);
/* A call without a name; false: it is refused. `kind` as in sl_resource_name_valid(). */
bool sl_name_given(struct sl_event *event, const char *name, const char *kind);
bool sl_retention_valid(int64_t ms);
/* The service's rules; false: refused. */
bool sl_labels_valid(struct sl_event *event, const struct sl_pubsub_labels *labels);
#define SL_STATE_ACTIVE 1
/* What an update may not change, and what the broker has not at all; each ends in NULL. */
struct sl_fields {
    const char *kind;    /* "Topic" */
    const char *example; /* of how a path is spelled: "'kms_key_name' rather than 'kmsKeyName'" */
    const char *const *fixed, *const *missing;
};
/* `empty`: what is missing here is not asked for, but taken away, and so it is already. */
enum sl_answer sl_refuse_path(struct sl_event *event, const struct sl_fields *fields, const char *path, bool empty);
enum sl_answer sl_refuse_empty_mask(struct sl_event *event, const char *kind);
enum sl_answer sl_refuse_unsupported(struct sl_event *event, const char *field);
bool sl_read_name(struct sl_broker *broker, struct sl_event *event, const char **name);
/* A page of a list that is sorted by name; its token is the name that came last. */
struct sl_page {
    const char *parent; /* "projects/P/topics/T"; of a whole project's list "projects/P" */
    const char *prefix; /* of the names that belong to it */
    const char *after;  /* where it begins: behind this name */
    const char *newest;
    size_t left;
};
bool sl_read_list(struct sl_broker *broker, struct sl_event *event, struct sl_page *page);
/* Of all that a project has of a kind: "topics". */
bool sl_read_project_list(struct sl_broker *broker, struct sl_event *event, const char *kind, struct sl_page *page);
/* The next of the list; false: it is not of this list, or the page is full and the response says where the next one begins. */
bool sl_page_takes(struct sl_page *page, struct sl_event *event, const char *name);
bool sl_read_failed(struct sl_event *event, enum sl_code code, const struct sl_err *err);
#define SL_PAGE_DEFAULT 100
#define SL_PAGE_MAX     1000
size_t sl_page_size(int asked);

/* ack.c */
struct sl_ack_id {
    uint32_t store;
    int64_t subscription, n;
    uint64_t serial;
};
#define SL_ACK_ID_LEN 42
void sl_ack_id_format(char out[SL_ACK_ID_LEN + 1], const struct sl_ack_id *id);
bool sl_ack_id_parse(struct sl_ack_id *out, const char *text, size_t len);
/* One id. false: exactly once, and it counts for nothing. */
bool sl_apply_ack(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_span id);
bool sl_apply_modify(struct sl_broker *broker, struct sl_subscription *subscription, struct sl_span id, int32_t seconds);

/* publish.c */
/* Adds one message to the topic in this batch; nothing is stored when nobody subscribes. */
enum sl_code sl_topic_add_message(struct sl_broker *broker, struct sl_topic *topic, const void *body, size_t len, struct sl_err *err);
#define SL_MESSAGE_ID_SIZE 40
void sl_message_id(char out[SL_MESSAGE_ID_SIZE], const struct sl_broker *broker, const struct sl_topic *topic, int64_t n);

/* batch.c */
void sl_batch_add(struct sl_broker *broker, struct sl_event *event);
/* Writes everything that is dirty, commits, answers. */
void sl_batch_commit(struct sl_broker *broker);
bool sl_batch_pending(struct sl_broker *broker);
/* A publish could not be written: nothing of this batch's publishes has happened. */
void sl_batch_refuse_publishes(struct sl_broker *broker, const struct sl_err *err);
void sl_batch_fini(struct sl_broker *broker);

/* upkeep.c */
void sl_forward_dead_letters(struct sl_broker *broker);
bool sl_dead_letters_waiting(const struct sl_broker *broker);
/* Deletes what everybody has acked, a bounded step; inside the transaction of the batch. */
enum sl_code sl_trim_step(struct sl_broker *broker, int64_t at_least, struct sl_err *err);
bool sl_trim_waiting(const struct sl_broker *broker);
void sl_forget_deleted_topics(struct sl_broker *broker);
void sl_expire_old(struct sl_broker *broker);

/* body.c */
struct sl_wire sl_body_open(const char *body, size_t len);                                  /* borrows the body */
bool sl_body_attribute(const struct sl_wire_field *field, struct sl_pubsub_attribute *out); /* borrowed from the body; false: it is none */
uint64_t sl_body_order(const char *body, size_t len);                                       /* the hash of its ordering key; 0: none */

/* dead_letter.c */
struct sl_dead_letter {
    const char *subscription; /* its whole name */
    int attempts;
    int64_t publish_us;
};
/* The copy: what was published, with the five attributes that say where it comes from. Of an earlier dead-lettering none are left. */
void sl_dead_letter_put(struct sl_buf *out, const char *body, size_t len, const struct sl_dead_letter *about);

/* reason.c */
/* What goes with the refusal of these ack ids: a google.rpc.Status whose ErrorInfo names each. */
#define SL_INVALID_ACK_IDS                                                                                                                 \
    "Some acknowledgement ids in the request were invalid. This could be because the acknowledgement ids have expired or the "             \
    "acknowledgement "                                                                                                                     \
    "ids were malformed."
void sl_put_invalid_ack_ids(struct sl_buf *out, int code, const char *message, const struct sl_span *ids, size_t n);

/* publish.c: is there room on the disk for so many bytes more, apart from what acks need? They are taken from it. */
bool sl_has_room(struct sl_broker *broker, size_t bytes);

/* sift.c */
/* What filtered subscriptions don't want is acked, a part of it at a time; true: there is more. */
bool sl_sift(struct sl_broker *broker);

/* deliver.c */
/* One response for every stream that has room; true: there may be more to send. */
bool sl_deliver_all(struct sl_broker *broker);
/* Up to max_messages for a pull; the number. */
size_t sl_deliver_pull(struct sl_broker *broker, struct sl_subscription *subscription, int32_t max_messages, struct sl_buf *out);

/* stream.c */
struct sl_stream *sl_stream_create(struct sl_rpc_peer_call *call); /* on the rpc loop */
void sl_stream_opened(struct sl_broker *broker, struct sl_stream *stream);
void sl_stream_message(struct sl_broker *broker, struct sl_stream *stream, const void *data, size_t len);
void sl_stream_closed(struct sl_broker *broker, struct sl_stream *stream);                        /* frees it */
void sl_stream_send(struct sl_broker *broker, struct sl_stream *stream, struct sl_buf *response); /* adds the properties */
void sl_stream_finish(struct sl_stream *stream, enum sl_rpc_code code, const char *fmt, ...) SL_PRINTF(3, 4);
/* After a commit: what became of the acks that came on streams. */
void sl_streams_confirm(struct sl_broker *broker, bool committed);
void sl_streams_finish_all(struct sl_broker *broker, const struct sl_subscription *only, enum sl_rpc_code code, const char *text);
/* Heartbeats and age; when the next is due. */
int64_t sl_streams_tick(struct sl_broker *broker);

/* pull.c */
void sl_pulls_tick(struct sl_broker *broker);
int64_t sl_pulls_due_ms(const struct sl_broker *broker);
void sl_pulls_refuse(struct sl_broker *broker, const struct sl_subscription *only, enum sl_rpc_code code, const char *text);

/* loop.c */
void *sl_broker_run(void *broker);
/* One round at now_ms and now_us, which the caller has set; steals the events. When the next is due. */
int64_t sl_broker_round(struct sl_broker *broker, struct sl_event *events);
struct sl_now sl_now(void);

/* faults.c */
/* What was ordered for this call: true: the status. Any thread. */
bool sl_fault_take(struct sl_broker *broker, size_t method, struct sl_rpc_status *status, int64_t *slow_ms);
void sl_delay(struct sl_broker *broker, struct sl_event *event); /* until its until_ms */
struct sl_event *sl_delayed_take(struct sl_broker *broker);      /* one whose time has come; NULL */
void sl_delayed_forget(struct sl_broker *broker, const struct sl_stream *stream);
int64_t sl_delayed_due_ms(const struct sl_broker *broker);

/* serve.c */
extern const struct sl_rpc_method SL_METHODS[SL_N_METHODS];
extern const struct sl_rpc_server_handlers SL_HANDLERS;

#endif
