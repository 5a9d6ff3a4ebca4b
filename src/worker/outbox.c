/* outbox.c - triggers and dead letters leave: claimed, published, and marked done only when the bus has confirmed (promise 2). Within a topic in date order, one in flight.
 * Three steps, so that the middle one may run on another thread:
 *   1. sl_outbox_claim(): a ledger transaction gives the rows to this worker;
 *   2. sl_outbox_send(): they are published; after a failure the rest of that topic waits, untried and still claimed;
 *   3. sl_outbox_record(): a ledger transaction keeps the outcomes.
 * A crash between any two publishes again, under the same trigger_id. A dead letter that the bus will never take (RULES 25) goes to the ledger's own list instead. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sluice/log.h>

#include "worker_internal.h"

#define CLAIM_US         60000000LL /* a claim outlives any publish's own deadline */
#define RETRY_LEAST_US   1000000LL
#define RETRY_MOST_US    60000000LL
#define PUBSUB_MAX_BYTES 10000000u /* of a message, RULES 25 */

#define REQUEST_MAX_BYTES 1000000u

enum { AT_ONCE = 500 }; /* rows of a claim, which bounds its bytes by itself */

static int64_t backoff_us(int attempts)
{
    int64_t wait = RETRY_LEAST_US;
    for (int i = 0; i < attempts && wait < RETRY_MOST_US; i++)
        wait *= 2;
    return wait < RETRY_MOST_US ? wait : RETRY_MOST_US;
}

/* From here on the next phase is expected to answer. */
static enum sl_code await_answer(struct sl_worker *worker, const struct sl_outbox_row *row, int64_t now_us, struct sl_err *err)
{
    const struct sl_phase *phase = row->phase ? sl_config_phase(worker->config, row->phase) : NULL;
    struct sl_gate_filter filter = {
        .phase = row->phase, .from = row->date, .to = row->date, .states = 1u << SL_TRIGGERED, .all_generations = true};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    if (row->kind != SL_OUTBOX_TRIGGER || !phase)
        return SL_OK;
    enum sl_code code = sl_ledger_gates(worker->ledger, &filter, &gates, &n, &worker->arena, err);
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        if (!sl_str_eq(gates[i].trigger_id, row->key))
            continue;
        gates[i].answer_due_us = now_us + phase->answer_within_ms * 1000;
        code = sl_ledger_gate_touch(worker->ledger, &gates[i], err);
    }
    return code;
}

/* ---- a dead letter that the bus refuses stays with us (RULES 25) ---- */

/* Its bytes, attributes or both are more than Pub/Sub takes: no later attempt can succeed. A quota says SL_UNAVAILABLE too, but of small messages. */
static bool is_refused(const struct sl_outbox_row *row, enum sl_code code)
{
    const size_t bytes = row->len + (row->attributes ? strlen(row->attributes) : 0);
    if (row->kind != SL_OUTBOX_DEAD_LETTER)
        return false;
    return code == SL_INVALID || (code == SL_UNAVAILABLE && bytes >= PUBSUB_MAX_BYTES);
}

/* Takes the text out of the attributes; NULL when it isn't there. */
static const char *take(json_t *attributes, const char *key, struct sl_arena *arena)
{
    const char *text = sl_arena_strdup(arena, json_string_value(json_object_get(attributes, key)));
    json_object_del(attributes, key);
    return text;
}

static const char *dump(const json_t *attributes, struct sl_arena *arena)
{
    char *text = json_dumps(attributes, JSON_COMPACT | JSON_SORT_KEYS);
    const char *kept = sl_arena_strdup(arena, text ? text : "{}");
    free(text);
    return kept;
}

/* The row as it was before its attributes were made (record.c). */
static void undo_dead_letter(struct sl_reject_row *out, const struct sl_outbox_row *row, struct sl_arena *arena)
{
    bool has_offset = true;
    json_t *attributes = json_loads(row->attributes ? row->attributes : "{}", 0, NULL);
    *out = (struct sl_reject_row){.received_us = row->created_us, .phase = row->phase, .data = row->data, .len = row->len};
    if (!json_is_object(attributes)) {
        json_decref(attributes);
        attributes = json_object();
    }
    out->code = take(attributes, "sluice_reject_reason", arena);
    out->detail = take(attributes, "sluice_reject_detail", arena);
    out->subscription = take(attributes, "sluice_source_subscription", arena);
    out->message_id = take(attributes, "sluice_source_message_id", arena);
    const char *published = take(attributes, "sluice_source_publish_time", arena);
    if (published)
        sl_time_parse(published, strlen(published), &out->publish_us, &has_offset);
    take(attributes, "sluice_source_topic", arena);
    const char *count = take(attributes, "sluice_replay_count", arena);
    take(attributes, "sluice_replay_id", arena);
    if (count && strcmp(count, "0") != 0)
        json_object_set_new(attributes, "sluice_replay_count", json_string(count));
    if (!out->code)
        out->code = sl_reject_name(SL_REJECT_TOO_LARGE);
    out->attributes = dump(attributes, arena);
    json_decref(attributes);
}

static enum sl_code keep_refused(struct sl_worker *worker, const struct sl_outbox_row *row, const char *error, struct sl_err *err)
{
    struct sl_reject_row reject;
    undo_dead_letter(&reject, row, &worker->arena);
    sl_log(SL_ERROR, "the dead-letter topic does not take a message; it is kept in the ledger's own list (sluice dlq list)",
           {"topic", row->topic}, {"phase", row->phase}, {"message_id", reject.message_id}, {"reason", reject.code}, {"error", error});
    enum sl_code code = sl_ledger_reject_add(worker->ledger, &reject, err);
    return code == SL_OK ? sl_ledger_outbox_done(worker->ledger, row->id, err) : code;
}

/* ---- the three steps ---- */

enum sl_code sl_outbox_claim(struct sl_worker *worker, int64_t now_us, struct sl_sending *out, struct sl_err *err)
{
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_ledger_outbox_claim(worker->ledger, worker->owner, now_us, now_us + CLAIM_US, AT_ONCE, &out->rows, &out->n, &out->arena, err);
    code = sl_worker_end(worker, code, err);
    if (code != SL_OK)
        out->n = 0;
    out->sent = sl_arena_array(&out->arena, out->n + 1, sizeof *out->sent);
    return code;
}

/* Rows from `from` on that go out in one request: of one topic, and not too many bytes. */
static size_t group_end(const struct sl_sending *sending, size_t from)
{
    size_t bytes = sending->rows[from].len, end = from + 1;
    while (end < sending->n && sl_str_eq(sending->rows[end].topic, sending->rows[from].topic) &&
           bytes + sending->rows[end].len <= REQUEST_MAX_BYTES)
        bytes += sending->rows[end++].len;
    return end;
}

/* Rows from..end of one topic. One that fails takes those after it along, untried, unless it is refused for good. false: the rest of the topic waits. */
static bool send_group(struct sl_bus *bus, struct sl_sending *sending, size_t from, size_t end)
{
    struct sl_err err = {0};
    struct sl_outgoing *messages = sl_arena_array(&sending->arena, end - from, sizeof *messages);
    size_t done = 0;
    for (size_t i = from; i < end; i++)
        messages[i - from] = (struct sl_outgoing){sending->rows[i].data, sending->rows[i].len, sending->rows[i].attributes, NULL};
    enum sl_code code = sl_bus_publish_all(bus, sending->rows[from].topic, messages, end - from, &done, &err);
    for (size_t i = from; i < from + done; i++)
        sending->sent[i].tried = true;
    if (code == SL_OK)
        return true;
    if (code == SL_INVALID && end - from > 1) { /* one of them is bad: each for itself */
        bool going = true;
        for (size_t i = from + done; going && i < end; i++)
            going = send_group(bus, sending, i, i + 1);
        return going;
    }
    struct sl_sent *failed = &sending->sent[from + done];
    *failed = (struct sl_sent){.tried = true, .code = code, .error = sl_arena_strdup(&sending->arena, err.text)};
    return is_refused(&sending->rows[from + done], code) && (from + done + 1 == end || send_group(bus, sending, from + done + 1, end));
}

void sl_outbox_send(struct sl_bus *bus, struct sl_sending *sending, const atomic_bool *quit)
{
    const char *stopped_topic = NULL;
    for (size_t i = 0, end; i < sending->n && !(quit && atomic_load(quit)); i = end) {
        end = group_end(sending, i);
        if (!sl_str_eq(stopped_topic, sending->rows[i].topic) && !send_group(bus, sending, i, end))
            stopped_topic = sending->rows[i].topic;
    }
}

static enum sl_code record_one(struct sl_worker *worker, const struct sl_outbox_row *row, const struct sl_sent *sent, int64_t now_us,
                               struct sl_err *err)
{
    if (is_refused(row, sent->code))
        return keep_refused(worker, row, sent->error, err);
    if (sent->code != SL_OK) {
        sl_log(SL_WARNING, "a message could not be published; it is kept and tried again", {"topic", row->topic}, {"error", sent->error});
        return sl_ledger_outbox_failed(worker->ledger, row->id, sent->error, now_us, now_us + backoff_us(row->attempts), err);
    }
    worker->counters.published += row->kind == SL_OUTBOX_TRIGGER;
    enum sl_code code = sl_ledger_outbox_done(worker->ledger, row->id, err);
    return code == SL_OK ? await_answer(worker, row, now_us, err) : code;
}

static enum sl_code record_all(struct sl_worker *worker, const struct sl_sending *sending, int64_t now_us, bool *stuck, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < sending->n; i++) {
        if (sending->sent[i].tried)
            code = record_one(worker, &sending->rows[i], &sending->sent[i], now_us, err);
        *stuck |= !sending->sent[i].tried || (sending->sent[i].code != SL_OK && !is_refused(&sending->rows[i], sending->sent[i].code));
        if (code == SL_NOT_FOUND) /* the claim had run out and somebody else has finished it */
            code = SL_OK;
    }
    return code;
}

enum sl_code sl_outbox_record(struct sl_worker *worker, const struct sl_sending *sending, int64_t now_us, bool *stuck, struct sl_err *err)
{
    *stuck = false;
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    return sl_worker_end(worker, record_all(worker, sending, now_us, stuck, err), err);
}

static enum sl_code drain_once(struct sl_worker *worker, int64_t now_us, bool *more, struct sl_err *err)
{
    struct sl_sending sending = {0};
    bool stuck = false;
    enum sl_code code = sl_outbox_claim(worker, now_us, &sending, err);
    if (code == SL_OK && sending.n) {
        sl_outbox_send(worker->bus, &sending, NULL);
        code = sl_outbox_record(worker, &sending, now_us, &stuck, err);
    }
    *more = sending.n && !stuck;
    sl_arena_fini(&sending.arena);
    return code;
}

enum sl_code sl_worker_drain(struct sl_worker *worker, int64_t now_us, size_t *left, struct sl_err *err)
{
    int64_t failing_since_us = 0;
    bool more = true;
    *left = 0;
    enum sl_code code = sl_ledger_outbox_left(worker->ledger, left, &failing_since_us, err);
    if (code != SL_OK || *left == 0 || !worker->bus || !sl_bus_can_publish(worker->bus))
        return code;
    while (code == SL_OK && more)
        code = drain_once(worker, now_us, &more, err);
    return code == SL_OK ? sl_ledger_outbox_left(worker->ledger, left, &failing_since_us, err) : code;
}
