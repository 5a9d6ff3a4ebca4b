/* replay.c - dead letters that come again: through the same way as everything else, and each leaves an event. Its identity is that of the letter, so that a replay that is
 * killed between its commit and its ack leaves one. */
#include <string.h>

#include "worker_internal.h"

bool sl_replay_is_mark(const char *key)
{
    static const char *const PREFIXES[] = {"sluice_reject_", "sluice_source_", "sluice_replay_", "CloudPubSubDeadLetterSource"};
    for (size_t i = 0; i < sizeof PREFIXES / sizeof PREFIXES[0]; i++)
        if (strncmp(key, PREFIXES[i], strlen(PREFIXES[i])) == 0)
            return true;
    return false;
}

static const char *outcome_text(const struct sl_replay *replay, const char *to)
{
    if (replay->outcome == SL_REPLAY_KNOWN)
        return "it is known already: no effect";
    if (to)
        return "published again";
    return replay->outcome == SL_REPLAY_REJECTED ? "rejected again" : "recorded";
}

static const char *resolution(const struct sl_replay *replay)
{
    switch (replay->outcome) {
    case SL_REPLAY_KNOWN: return "skipped";
    case SL_REPLAY_REJECTED: return "failed";
    case SL_REPLAY_COMMITTED: return NULL;
    }
    return NULL;
}

enum sl_code sl_replay_record(struct sl_worker *worker, const struct sl_bus_message *message, const struct sl_completion *completion,
                              const char *to, int64_t now_us, struct sl_err *err)
{
    const struct sl_message *m = &message->message;
    struct sl_event event = sl_event_make("message_replayed", SL_SEV_INFO, now_us);
    event.phase = completion ? completion->phase->name : message->phase ? message->phase->name : NULL;
    event.processor = completion ? completion->processor_name : NULL;
    event.execution_id = completion ? completion->execution_id : NULL;
    event.date = completion ? completion->date : SL_DATE_NONE;
    event.identify_by_execution = true;
    event.source = sl_arena_printf(&worker->arena, "%s/%s/%lld", m->subscription, m->message_id, (long long)m->publish_us);
    event.description = sl_arena_printf(&worker->arena, "dead letter %s of %s, time %lld: %s%s%s", m->message_id, m->subscription,
                                        (long long)message->replay->count, outcome_text(message->replay, to), to ? " to " : "",
                                        to ? to : "");
    event.resolution = resolution(message->replay);
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

enum sl_code sl_worker_replay(struct sl_worker *worker, struct sl_bus_batch *batch, int64_t now_us, struct sl_err *err)
{
    struct sl_incoming incoming = {.batch = *batch};
    sl_incoming_decode(&incoming, worker->config, now_us);
    const enum sl_code code = sl_worker_process(worker, &incoming, now_us, err);
    *batch = incoming.batch; /* its arena may have grown */
    return code;
}

static enum sl_code record_all(struct sl_worker *worker, const struct sl_incoming *incoming, const char *to, int64_t now_us,
                               struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < incoming->batch.n; i++)
        code = sl_replay_record(worker, &incoming->batch.messages[i], incoming->rejected[i] ? NULL : &incoming->completions[i], to, now_us,
                                err);
    return code;
}

enum sl_code sl_worker_replayed(struct sl_worker *worker, const struct sl_bus_batch *batch, const char *to, int64_t now_us,
                                struct sl_err *err)
{
    struct sl_incoming incoming = {.batch = {.messages = batch->messages, .n = batch->n}};
    sl_incoming_decode(&incoming, worker->config, now_us);
    enum sl_code code = sl_worker_begin(worker, err);
    if (code == SL_OK)
        code = sl_worker_end(worker, record_all(worker, &incoming, to, now_us, err), err);
    sl_arena_fini(&incoming.batch.arena);
    return code;
}
