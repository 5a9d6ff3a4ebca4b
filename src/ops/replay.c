/* replay.c - some dead letters go their way together: through the engine in one transaction, or to a topic in one request, or into quarantine. Only then, and only those that are
 * safe, are let go of where they lay. A crash in between makes them come again: the engine knows them by where they lay, a topic's consumer by their run. */
#include <stdio.h>
#include <string.h>

#include <sluice/clock.h>
#include <sluice/grpc_bus.h>
#include <sluice/json.h>
#include <sluice/str.h>

#include "replay_internal.h"

bool sl_replay_is_recorded(const struct sl_ops *ops, const struct sl_dead_letter *letter)
{
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_run run = {0};
    enum sl_status status = SL_RUN_FAILED;
    if (letter->phase_name == NULL || letter->date == SL_DATE_NONE || letter->status == NULL)
        return false;
    sl_status_parse(letter->status, strlen(letter->status), &status);
    enum sl_code code = sl_ledger_run_get(ops->ledger, letter->phase_name, letter->date, letter->processor, letter->execution_id, &run,
                                          &arena, &err);
    const bool recorded = code == SL_OK && !sl_run_is_update(&run, status, letter->timestamp_us);
    sl_arena_fini(&arena);
    return recorded;
}

/* ---- messages ---- */

static const char *short_name(struct sl_replaying *r, const char *kind, const char *name)
{
    const char *prefix = sl_arena_printf(&r->arena, "projects/%s/%s/", r->ops->config->bus.project, kind);
    return name != NULL && strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : name;
}

static struct sl_replay *mark(struct sl_replaying *r, const struct sl_dead_letter *letter)
{
    struct sl_replay *replay = sl_arena_alloc(&r->arena, sizeof *replay);
    *replay = (struct sl_replay){.source_subscription = short_name(r, "subscriptions", letter->source_subscription),
                                 .source_topic = letter->source_topic,
                                 .source_message_id = letter->source_message_id,
                                 .source_publish_time = letter->source_publish_time,
                                 .id = r->policy.id,
                                 .count = letter->replays + 1};
    if (replay->source_topic == NULL && letter->phase != NULL)
        replay->source_topic = letter->phase->topic;
    return replay;
}

/* As it was before it was a dead letter; where it lies is what it is known by. */
static void make_batch(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, struct sl_bus_batch *out)
{
    out->messages = sl_arena_array(&r->arena, n, sizeof *out->messages);
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        const struct sl_dead_letter *letter = steps[i].letter;
        struct sl_bus_message *message = &out->messages[i];
        message->message = *letter->message;
        message->message.attributes = letter->own;
        message->message.n_attributes = letter->n_own;
        message->phase = letter->phase;
        message->replay = mark(r, letter);
        out->bytes += letter->message->len;
    }
}

static void put(struct sl_json *json, const char *key, const char *value)
{
    if (value != NULL)
        sl_json_put_str(json, key, value);
}

static void put_own(struct sl_json *json, const struct sl_dead_letter *letter, bool hold)
{
    for (size_t i = 0; i < letter->n_own; i++)
        if (!hold || strcmp(letter->own[i].key, "skip_downstream_trigger") != 0)
            put(json, letter->own[i].key, letter->own[i].value);
    if (hold)
        put(json, "skip_downstream_trigger", "true");
}

/* To its topic: its own, and how often it was replayed. */
static const char *topic_attributes(struct sl_replaying *r, const struct sl_dead_letter *letter)
{
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    sl_json_object(&json);
    put_own(&json, letter, r->options->hold);
    put(&json, "sluice_replay_count", sl_arena_printf(&r->arena, "%lld", (long long)letter->replays + 1));
    put(&json, "sluice_replay_id", r->policy.id);
    sl_json_end_object(&json);
    const char *out = sl_arena_strdup(&r->arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return out;
}

/* Into quarantine: all of it, as a dead letter that anybody can read. */
static const char *quarantine_attributes(struct sl_replaying *r, const struct sl_dead_letter *letter)
{
    const struct sl_replay *from = mark(r, letter);
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    sl_json_object(&json);
    put_own(&json, letter, false);
    put(&json, "sluice_reject_reason", letter->reason);
    put(&json, "sluice_reject_detail", letter->detail);
    put(&json, "sluice_source_subscription", from->source_subscription);
    put(&json, "sluice_source_topic", from->source_topic);
    put(&json, "sluice_source_message_id", from->source_message_id);
    put(&json, "sluice_source_publish_time", from->source_publish_time);
    put(&json, "sluice_replay_count", sl_arena_printf(&r->arena, "%lld", (long long)letter->replays));
    sl_json_end_object(&json);
    const char *out = sl_arena_strdup(&r->arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return out;
}

/* ---- letting go ---- */

static enum sl_code let_go_of_rows(struct sl_replaying *r, const struct sl_dead_letter *const *letters, size_t n, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        code = sl_ledger_reject_remove(r->ops->ledger, letters[i]->reject_id, err);
        if (code == SL_NOT_FOUND)
            code = SL_OK;
    }
    return code;
}

/* The first `n`, which are safe. */
static enum sl_code let_go(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, struct sl_err *err)
{
    const struct sl_dead_letter **letters = sl_arena_array(&r->arena, n + 1, sizeof *letters);
    for (size_t i = 0; i < n; i++)
        letters[i] = steps[i].letter;
    return r->hold != NULL ? sl_letter_hold_ack(r->hold, letters, n, err) : let_go_of_rows(r, letters, n, err);
}

static void keep(struct sl_replaying *r, size_t n, const char *why)
{
    if (r->counts->kept == 0)
        snprintf(r->counts->why, sizeof r->counts->why, "%.299s", why);
    r->counts->kept += n;
}

/* ---- the ways ---- */

static void count(struct sl_replay_counts *counts, const struct sl_bus_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        const enum sl_replay_outcome outcome = batch->messages[i].replay->outcome;
        counts->replayed += outcome == SL_REPLAY_COMMITTED;
        counts->skipped += outcome == SL_REPLAY_KNOWN;
        counts->rejected += outcome == SL_REPLAY_REJECTED;
    }
}

static enum sl_code through_the_engine(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us,
                                       struct sl_err *err)
{
    struct sl_bus_batch batch = {0};
    make_batch(r, steps, n, &batch);
    enum sl_code code = sl_worker_replay(r->worker, &batch, now_us, err);
    if (code == SL_OK) {
        count(r->counts, &batch);
        code = let_go(r, steps, n, err);
    }
    sl_arena_fini(&batch.arena);
    return code;
}

/* An event for each; outcome as given. */
static enum sl_code record(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, enum sl_replay_outcome outcome,
                           int64_t now_us, struct sl_err *err)
{
    struct sl_bus_batch batch = {0};
    make_batch(r, steps, n, &batch);
    for (size_t i = 0; i < n; i++)
        batch.messages[i].replay->outcome = outcome;
    return sl_worker_replayed(r->worker, &batch, steps[0].to, now_us, err);
}

/* How letters leave for a topic. */
struct way {
    const char *(*attributes)(struct sl_replaying *r, const struct sl_dead_letter *letter);
    enum sl_code (*safe)(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us, struct sl_err *err);
    size_t *count;
};

static enum sl_code publish(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n,
                            const char *(*attributes)(struct sl_replaying *, const struct sl_dead_letter *), size_t *done,
                            struct sl_err *err)
{
    struct sl_outgoing *messages = sl_arena_array(&r->arena, n, sizeof *messages);
    for (size_t i = 0; i < n; i++) {
        const struct sl_dead_letter *letter = steps[i].letter;
        messages[i] = (struct sl_outgoing){letter->message->data, letter->message->len, attributes(r, letter), letter->ordering_key};
    }
    return sl_bus_publish_all(r->bus, steps[0].to, messages, n, done, err);
}

/* What was published, as far as it went: `safe` records it, then it is let go of. One that the bus refuses for good stays; the others go on without it. */
static enum sl_code publish_and_let_go(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us,
                                       const struct way *way, struct sl_err *err)
{
    size_t done = 0;
    const enum sl_code published = publish(r, steps, n, way->attributes, &done, err);
    const struct sl_err failure = *err;
    enum sl_code code = done > 0 ? way->safe(r, steps, done, now_us, err) : SL_OK;
    if (code == SL_OK && done > 0)
        code = let_go(r, steps, done, err);
    if (code != SL_OK)
        return code;
    *way->count += done;
    if (published == SL_INVALID && n - done > 1) { /* one of them is refused: each for itself */
        for (size_t i = done; i < n && code == SL_OK; i++)
            code = publish_and_let_go(r, &steps[i], 1, now_us, way, err);
        return code;
    }
    *err = failure;
    if (published != SL_INVALID && published != SL_NOT_FOUND)
        return published;
    keep(r, n - done, failure.text);
    return SL_OK;
}

static enum sl_code note_published(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us, struct sl_err *err)
{
    return record(r, steps, n, SL_REPLAY_COMMITTED, now_us, err);
}

static enum sl_code to_the_topic(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us, struct sl_err *err)
{
    const struct way way = {topic_attributes, note_published, &r->counts->replayed};
    return publish_and_let_go(r, steps, n, now_us, &way, err);
}

static enum sl_code skip(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = record(r, steps, n, SL_REPLAY_KNOWN, now_us, err);
    if (code == SL_OK)
        code = let_go(r, steps, n, err);
    if (code == SL_OK)
        r->counts->skipped += n;
    return code;
}

/* The topic and somebody who listens to it, so that nothing published there is lost. */
static enum sl_code make_quarantine(struct sl_replaying *r, struct sl_err *err)
{
    struct sl_pubsub_admin *admin = NULL;
    const struct sl_pubsub_topic topic = {.name = r->policy.quarantine};
    const struct sl_pubsub_subscription watcher = {
        .name = sl_bus_watcher(topic.name, &r->arena), .topic = topic.name, .ack_deadline_s = 60};
    enum sl_code code = r->quarantine_made ? SL_OK : sl_pubsub_admin_create(&admin, sl_service_peer(r->service), err);
    if (r->quarantine_made || code != SL_OK)
        return code;
    code = sl_pubsub_admin_create_topic(admin, &topic, err);
    if (code == SL_OK || code == SL_CONFLICT)
        code = sl_pubsub_admin_create_subscription(admin, &watcher, err);
    sl_pubsub_admin_destroy(&admin);
    r->quarantine_made = code == SL_OK || code == SL_CONFLICT;
    return r->quarantine_made ? SL_OK : sl_wrap(err, "the quarantine topic %s can't be made", topic.name);
}

static enum sl_code note_quarantine(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us,
                                    struct sl_err *err)
{
    (void)now_us; /* an operator's act is of the command's time */
    enum sl_code code = sl_ledger_begin(r->ops->ledger, err);
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        const struct sl_dead_letter *letter = steps[i].letter;
        const struct sl_operator_act act = {.what = sl_arena_printf(&r->arena, "quarantine %s of %s in %s", letter->message->message_id,
                                                                    letter->message->subscription, steps[i].to),
                                            .who = "sluice replay",
                                            .reason = steps[i].note,
                                            .phase = letter->phase != NULL ? letter->phase->name : NULL,
                                            .date = letter->date};
        code = sl_ops_record_act(r->ops, &act, &r->arena, err);
    }
    if (code == SL_OK)
        return sl_ledger_commit(r->ops->ledger, err);
    sl_ledger_rollback(r->ops->ledger);
    return code;
}

static enum sl_code into_quarantine(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, int64_t now_us,
                                    struct sl_err *err)
{
    const struct way way = {quarantine_attributes, note_quarantine, &r->counts->quarantined};
    const enum sl_code code = make_quarantine(r, err);
    return code == SL_OK ? publish_and_let_go(r, steps, n, now_us, &way, err) : code;
}

enum sl_code sl_replay_batch(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, struct sl_err *err)
{
    const int64_t now_us = r->ops->now_us + (sl_monotonic_ms() - r->started_ms) * 1000;
    sl_arena_reset(&r->arena);
    switch (steps[0].action) {
    case SL_ACT_KEEP: keep(r, n, steps[0].note); return SL_OK;
    case SL_ACT_QUARANTINE: return into_quarantine(r, steps, n, now_us, err);
    case SL_ACT_SKIP: return r->policy.to_topic ? skip(r, steps, n, now_us, err) : through_the_engine(r, steps, n, now_us, err);
    case SL_ACT_REPLAY: return r->policy.to_topic ? to_the_topic(r, steps, n, now_us, err) : through_the_engine(r, steps, n, now_us, err);
    }
    return SL_OK;
}
