/* broker.c - the broker's life, seen from outside: lock, store, server, thread; and back.
 * The lock comes first: whoever does not get it must not look at the store, and is told who has it. Its note gets the address once there is one. */
#include "broker_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#define STREAM_AGE_MS (INT64_C(30) * 60 * 1000)
#define HEARTBEAT_MS  15000

/* ---- failure ---- */

void sl_broker_fail(struct sl_broker *broker, const struct sl_err *err)
{
    pthread_mutex_lock(&broker->mutex);
    if (!broker->failed)
        broker->failure = *err;
    broker->failed = true;
    pthread_mutex_unlock(&broker->mutex);
}

bool sl_broker_has_failed(struct sl_broker *broker)
{
    return sl_broker_failed(broker, NULL);
}

bool sl_broker_failed(struct sl_broker *broker, struct sl_err *err)
{
    pthread_mutex_lock(&broker->mutex);
    bool failed = broker->failed;
    if (failed && err)
        *err = broker->failure;
    pthread_mutex_unlock(&broker->mutex);
    return failed;
}

/* ---- creating ---- */

static enum sl_code open_store(struct sl_broker *broker, const struct sl_broker_options *options, struct sl_err *err)
{
    struct sl_store_options store = {.vfs = options->vfs,
                                     .max_pages = options->max_pages,
                                     .checkpoint_pages = options->vfs ? 64 : 0,
                                     .keep_nothing = options->vfs != NULL};
    char *lock_path = sl_path_join(options->path, "lock");
    char *store_path = sl_path_join(options->path, "broker.db");
    enum sl_code code = sl_dir_make(options->path, err);
    if (code == SL_OK)
        code = sl_lock_take(&broker->lock, lock_path, "", err);
    if (code == SL_OK)
        code = sl_store_open(&broker->store, store_path, &store, err);
    if (code == SL_OK)
        code = sl_catalog_load(&broker->catalog, broker->store, sl_now(), err);
    free(lock_path);
    free(store_path);
    return code;
}

/* What a client dials: the host as it was given, the port as it is. */
static char *dial_address(const char *listen, int port)
{
    if (strncmp(listen, "unix:", 5) == 0)
        return sl_strdup(listen);
    const char *colon = strrchr(listen, ':');
    int host_len = colon ? (int)(colon - listen) : (int)strlen(listen);
    struct sl_buf text = {0};
    sl_buf_printf(&text, "%.*s:%d", host_len, listen, port);
    return text.data;
}

static enum sl_code listen_on(struct sl_broker *broker, const struct sl_broker_options *options, struct sl_err *err)
{
    int port = 0;
    enum sl_code code = sl_rpc_loop_create(&broker->loop, err);
    if (code == SL_OK)
        code = sl_rpc_server_create(&broker->server, broker->loop, options->listen, SL_METHODS, SL_N_METHODS, &SL_HANDLERS, broker, &port,
                                    err);
    if (code)
        return code;
    broker->address = dial_address(options->listen, port);
    code = sl_lock_note(broker->lock, broker->address, err);
    if (code)
        return code;
    if (pthread_create(&broker->thread, NULL, sl_broker_run, broker) != 0)
        return sl_fail(err, SL_UNAVAILABLE, "no thread for the broker");
    broker->running = true;
    return SL_OK;
}

enum sl_code sl_broker_create(struct sl_broker **out, const struct sl_broker_options *options, struct sl_err *err)
{
    struct sl_broker *broker = sl_calloc(1, sizeof(*broker));
    *out = broker;
    broker->stream_age_ms = options->stream_age_ms > 0 ? options->stream_age_ms : STREAM_AGE_MS;
    broker->heartbeat_ms = options->heartbeat_ms > 0 ? options->heartbeat_ms : HEARTBEAT_MS;
    pthread_mutex_init(&broker->mutex, NULL);
    sl_inbox_init(&broker->inbox);
    sl_arena_init(&broker->arena);
    enum sl_code code = open_store(broker, options, err);
    if (code == SL_OK)
        code = listen_on(broker, options, err);
    if (code)
        sl_broker_destroy(out);
    return code;
}

const char *sl_broker_address(const struct sl_broker *broker)
{
    return broker->address;
}

bool sl_broker_is_local(const char *listen)
{
    static const char *const LOCAL[] = {"unix:", "127.", "localhost:", "[::1]:"};
    for (size_t i = 0; i < sizeof LOCAL / sizeof LOCAL[0]; i++)
        if (strncmp(listen, LOCAL[i], strlen(LOCAL[i])) == 0)
            return true;
    return false;
}

/* ---- questions ---- */

static void ask(struct sl_broker *broker, struct sl_backlog_question *question)
{
    struct sl_event *event = sl_event_create(SL_EVENT_BACKLOG, NULL, 0);
    event->question = question;
    if (!sl_inbox_push(&broker->inbox, event, false)) { /* it has stopped */
        sl_event_free(event);
        return;
    }
    pthread_mutex_lock(&question->mutex);
    while (!question->answered)
        pthread_cond_wait(&question->wake, &question->mutex);
    pthread_mutex_unlock(&question->mutex);
}

void sl_broker_backlog(struct sl_broker *broker, const char *const *subscriptions, size_t n, int64_t *undelivered, int64_t *leased)
{
    struct sl_backlog_question question = {.names = subscriptions, .n_names = n};
    pthread_mutex_init(&question.mutex, NULL);
    pthread_cond_init(&question.wake, NULL);
    ask(broker, &question);
    pthread_cond_destroy(&question.wake);
    pthread_mutex_destroy(&question.mutex);
    *undelivered = question.undelivered;
    *leased = question.leased;
}

/* ---- ending ---- */

static void push(struct sl_broker *broker, enum sl_event_kind kind)
{
    (void)sl_inbox_push(&broker->inbox, sl_event_create(kind, NULL, 0), false);
}

void sl_broker_stop(struct sl_broker *broker, int64_t grace_ms)
{
    if (broker->stopped)
        return;
    broker->stopped = true;
    if (broker->running)
        push(broker, SL_EVENT_STOP);
    if (broker->server)
        sl_rpc_server_stop(broker->server, grace_ms);
    if (broker->running) { /* every end of a call is in the inbox by now */
        push(broker, SL_EVENT_QUIT);
        pthread_join(broker->thread, NULL);
    }
}

void sl_broker_destroy(struct sl_broker **out)
{
    struct sl_broker *broker = *out;
    if (!broker)
        return;
    sl_broker_stop(broker, 0);
    sl_rpc_server_destroy(&broker->server);
    sl_rpc_loop_destroy(&broker->loop);
    sl_batch_fini(broker);
    sl_catalog_fini(&broker->catalog);
    sl_store_close(&broker->store);
    sl_lock_free(&broker->lock);
    sl_inbox_fini(&broker->inbox);
    sl_arena_fini(&broker->arena);
    sl_buf_fini(&broker->out);
    pthread_mutex_destroy(&broker->mutex);
    free(broker->address);
    free(broker);
    *out = NULL;
}

/* ---- who serves ---- */

enum sl_code sl_broker_find(char *address, size_t size, const char *path, struct sl_err *err)
{
    char *lock_path = sl_path_join(path, "lock");
    struct sl_buf note = {0};
    enum sl_code code = sl_lock_holder(&note, lock_path, err);
    if (code == SL_OK && note.len == 0)
        code = sl_fail(err, SL_UNAVAILABLE, "%s: its holder does not serve yet", lock_path);
    else if (code == SL_OK && note.len >= size)
        code = sl_fail(err, SL_CORRUPT, "%s: the address in it is too long", lock_path);
    if (code == SL_OK)
        memcpy(address, note.data, note.len + 1);
    sl_buf_fini(&note);
    free(lock_path);
    return code;
}
