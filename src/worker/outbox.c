/* outbox.c - triggers and dead letters leave: claimed, published, and marked done only when the bus has confirmed (promise 2). Within a topic in date order, one in flight. */
#include <string.h>

#include <sluice/log.h>

#include "worker_internal.h"

#define CLAIM_US       60000000LL /* a claim outlives any publish's own deadline */
#define RETRY_LEAST_US 1000000LL
#define RETRY_MOST_US  60000000LL

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

struct sent {
    const struct sl_outbox_row *row;
    bool ok, tried;
    const char *error;
};

/* After a failure the rest of the topic waits: order holds. */
static void publish_rows(struct sl_worker *worker, struct sent *sent, const struct sl_outbox_row *rows, size_t n)
{
    const char *stopped_topic = NULL;
    for (size_t i = 0; i < n; i++) {
        struct sl_err err = {0};
        sent[i].row = &rows[i];
        if (stopped_topic && !strcmp(stopped_topic, rows[i].topic))
            continue;
        sent[i].tried = true;
        sent[i].ok = sl_bus_publish(worker->bus, rows[i].topic, rows[i].data, rows[i].len, rows[i].attributes, &err) == SL_OK;
        if (sent[i].ok)
            continue;
        stopped_topic = rows[i].topic;
        sent[i].error = sl_arena_strdup(&worker->arena, err.text);
        sl_log(SL_WARNING, "a message could not be published; it is kept and tried again", {"topic", rows[i].topic}, {"error", err.text});
    }
}

static enum sl_code record_sent(struct sl_worker *worker, const struct sent *sent, size_t n, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0; code == SL_OK && i < n; i++) {
        const struct sl_outbox_row *row = sent[i].row;
        if (!sent[i].ok) {
            code = sl_ledger_outbox_failed(worker->ledger, row->id, sent[i].tried ? sent[i].error : NULL, now_us,
                                           now_us + backoff_us(row->attempts), err);
            continue;
        }
        code = sl_ledger_outbox_done(worker->ledger, row->id, err);
        if (code == SL_NOT_FOUND) { /* the claim had run out, and another owner finished it */
            code = SL_OK;
            continue;
        }
        if (code == SL_OK)
            code = await_answer(worker, row, now_us, err);
        worker->counters.published += row->kind == SL_OUTBOX_TRIGGER;
    }
    return code;
}

/* Claims are committed before anything is published; outcomes after. A crash between the two publishes again, under the same trigger_id. */
static enum sl_code drain_once(struct sl_worker *worker, int64_t now_us, size_t limit, size_t *n, bool *stuck, struct sl_err *err)
{
    struct sl_outbox_row *rows = NULL;
    enum sl_code code = sl_worker_begin(worker, err);
    if (code != SL_OK)
        return code;
    code = sl_ledger_outbox_claim(worker->ledger, worker->owner, now_us, now_us + CLAIM_US, limit, &rows, n, &worker->arena, err);
    code = sl_worker_end(worker, code, err);
    if (code != SL_OK || *n == 0)
        return code;
    struct sent *sent = sl_arena_array(&worker->arena, *n, sizeof *sent);
    publish_rows(worker, sent, rows, *n);
    for (size_t i = 0; i < *n; i++)
        *stuck |= !sent[i].ok;
    code = sl_ledger_begin(worker->ledger, err);
    if (code != SL_OK)
        return code;
    return sl_worker_end(worker, record_sent(worker, sent, *n, now_us, err), err);
}

enum sl_code sl_worker_drain(struct sl_worker *worker, int64_t now_us, size_t *left, struct sl_err *err)
{
    enum { AT_ONCE = 100 };
    struct sl_ledger_counts counts;
    bool stuck = false;
    size_t n = AT_ONCE;
    enum sl_code code = SL_OK;
    while (code == SL_OK && worker->bus && sl_bus_can_publish(worker->bus) && n == AT_ONCE && !stuck)
        code = drain_once(worker, now_us, AT_ONCE, &n, &stuck, err);
    if (code == SL_OK)
        code = sl_ledger_counts(worker->ledger, now_us, &counts, err);
    *left = code == SL_OK ? (size_t)counts.outbox : 0;
    return code;
}
