/* replay_run.c - a whole replay: what lies there is read, planned, and goes its way batch by batch, at the rate that was asked for; then what has come meanwhile.
 * Triggers and letters that are rejected again leave by the outbox: the running worker publishes them, or, while there is none, the replay itself. It holds the worker's lock only
 * for that, so that a worker may start at any time. */
#include <string.h>

#include <sluice/clock.h>
#include <sluice/file.h>
#include <sluice/grpc_bus.h>
#include <sluice/hash.h>
#include <sluice/str.h>

#include "replay_internal.h"

#define BATCH_MESSAGES  100
#define BATCH_BYTES     ((size_t)8 * 1000 * 1000)
#define WINDOW_MESSAGES 100000 /* 1 KiB each, received and copied: 200 MB */
#define WINDOW_BYTES    ((size_t)256 * 1000 * 1000)
#define PAUSE_MS        100
#define DRAIN_EVERY_MS  1000

static bool is_stopped(const struct sl_replaying *r)
{
    return __atomic_load_n(r->options->stop, __ATOMIC_RELAXED) != 0;
}

/* ---- the outbox ---- */

static enum sl_code drain(struct sl_replaying *r, struct sl_err *err)
{
    struct sl_lock *lock = NULL;
    size_t left = 0;
    const int64_t now_us = r->ops->now_us + (sl_monotonic_ms() - r->started_ms) * 1000;
    r->drained_ms = sl_monotonic_ms();
    enum sl_code code = sl_worker_lock(&lock, r->ops->config, 0, err);
    r->counts->left_to_worker = code == SL_UNAVAILABLE;
    if (code == SL_UNAVAILABLE)
        return SL_OK;
    if (code == SL_OK)
        code = sl_worker_drain(r->worker, now_us, &left, err);
    r->counts->outbox = left;
    if (code == SL_OK)
        code = sl_worker_load(r->worker, now_us, true, err);
    sl_lock_free(&lock);
    return code;
}

/* ---- a plan, batch by batch ---- */

static bool has_same_key(const struct sl_dead_letter *a, const struct sl_dead_letter *b)
{
    return strcmp(a->ordering_key != NULL ? a->ordering_key : "", b->ordering_key != NULL ? b->ordering_key : "") == 0;
}

/* Through the engine whatever is for it; in one request what is of one topic and one ordering key. */
static bool go_together(const struct sl_replay_step *a, const struct sl_replay_step *b, bool to_topic)
{
    if (!to_topic && a->action <= SL_ACT_SKIP && b->action <= SL_ACT_SKIP)
        return true;
    if (a->action != b->action || !sl_str_eq(a->to, b->to))
        return false;
    return a->action == SL_ACT_KEEP ? sl_str_eq(a->note, b->note) : has_same_key(a->letter, b->letter);
}

static size_t batch_end(const struct sl_replaying *r, const struct sl_replay_step *steps, size_t n)
{
    size_t end = 1, bytes = steps[0].letter->message->len, most = BATCH_MESSAGES;
    if (r->options->rate > 0 && r->options->rate / 5 < BATCH_MESSAGES)
        most = r->options->rate < 5 ? 1 : (size_t)(r->options->rate / 5);
    while (end < n && end < most && bytes + steps[end].letter->message->len <= BATCH_BYTES &&
           go_together(&steps[0], &steps[end], r->policy.to_topic))
        bytes += steps[end++].letter->message->len;
    return end;
}

/* Until as much time has passed as so many letters take. */
static void keep_rate(const struct sl_replaying *r)
{
    const int64_t due_ms = r->options->rate > 0 ? r->started_ms + (int64_t)r->done * 1000 / r->options->rate : 0;
    for (int64_t left_ms; (left_ms = due_ms - sl_monotonic_ms()) > 0 && !is_stopped(r);)
        r->options->pause(left_ms < PAUSE_MS ? left_ms : PAUSE_MS);
}

static enum sl_code run_steps(struct sl_replaying *r, const struct sl_replay_step *steps, size_t n, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    for (size_t i = 0, end; i < n && code == SL_OK && !is_stopped(r); i = end) {
        end = i + batch_end(r, &steps[i], n - i);
        code = sl_replay_batch(r, &steps[i], end - i, err);
        r->done += end - i;
        if (code == SL_OK && r->options->progress != NULL)
            r->options->progress(r->options->arg, r->done);
        if (code == SL_OK && sl_monotonic_ms() - r->drained_ms >= DRAIN_EVERY_MS)
            code = drain(r, err);
        if (end < n)
            keep_rate(r);
    }
    return code;
}

static bool recorded(void *arg, const struct sl_dead_letter *letter)
{
    return sl_replay_is_recorded(((const struct sl_replaying *)arg)->ops, letter);
}

static enum sl_code run_letters(struct sl_replaying *r, const struct sl_dead_letter *letters, size_t n, struct sl_arena *arena,
                                struct sl_err *err)
{
    struct sl_replay_step *steps;
    r->counts->read += n;
    n = sl_replay_plan(&steps, letters, n, &r->policy, r->ops->config, r->ops->now_us, recorded, r, arena);
    r->counts->matched += n;
    if (r->policy.limit > 0)
        r->policy.limit -= n;
    return run_steps(r, steps, n, err);
}

/* ---- where they lie ---- */

static bool is_enough(const struct sl_replaying *r)
{
    return is_stopped(r) || (r->options->policy.limit > 0 && r->policy.limit == 0);
}

/* Nothing new fits into the window. What this replay itself has laid there came after all that it is about, where a server keeps its order; as ours does, which tells its backlog. */
static enum sl_code end_full(const struct sl_replaying *r, size_t n_own, struct sl_err *err)
{
    int64_t undelivered = -1, leased = -1;
    if (n_own > 0)
        sl_letter_hold_backlog(r->hold, &undelivered, &leased);
    if (undelivered >= 0)
        return SL_OK;
    return sl_fail(err, SL_CONFLICT, "%zu letters that are not meant are held, and more wait behind them: replay or move those first",
                   r->counts->read - r->counts->matched);
}

static size_t count_own(const struct sl_replaying *r, const struct sl_dead_letter *letters, size_t n)
{
    size_t n_own = 0;
    for (size_t i = 0; i < n; i++)
        n_own += sl_str_eq(letters[i].replay_id, r->id);
    return n_own;
}

static enum sl_code from_subscription(struct sl_replaying *r, struct sl_err *err)
{
    const struct sl_replay_options *options = r->options;
    size_t n = 1, n_own = 0;
    enum sl_code code = sl_letter_hold_open(&r->hold, options->box, r->service, r->ops->config,
                                            options->window_messages > 0 ? options->window_messages : WINDOW_MESSAGES,
                                            options->window_bytes > 0 ? options->window_bytes : WINDOW_BYTES, err);
    while (code == SL_OK && n > 0 && !is_enough(r)) {
        struct sl_arena arena = {0};
        struct sl_dead_letter *letters;
        bool full = false;
        code = sl_letter_hold_fill(r->hold, r->ops->now_us, options->stop, &letters, &n, &full, &arena, err);
        n_own += code == SL_OK ? count_own(r, letters, n) : 0;
        if (code == SL_OK && n > 0)
            code = run_letters(r, letters, n, &arena, err);
        if (code == SL_OK && n == 0 && full)
            code = end_full(r, n_own, err);
        sl_arena_fini(&arena);
    }
    return code;
}

struct list { /* the ledger's, as it was at the start: what is rejected again comes behind it */
    const struct sl_reject_row *rows;
    size_t n, at;
};

/* The next of them, a window full. */
static enum sl_code read_rows(struct sl_replaying *r, struct list *list, struct sl_dead_letter **letters, size_t *n, struct sl_arena *arena,
                              struct sl_err *err)
{
    const size_t most = r->options->window_bytes > 0 ? r->options->window_bytes : WINDOW_BYTES;
    struct sl_reject_row *row = NULL;
    size_t n_row = 0;
    enum sl_code code = SL_OK;
    *letters = NULL;
    *n = 0;
    for (size_t bytes = 0; list->at < list->n && code == SL_OK && bytes < most; list->at++) {
        code = sl_ledger_rejects(r->ops->ledger, list->rows[list->at].id, &row, &n_row, arena, err);
        if (code == SL_OK && n_row > 0) {
            *letters = sl_arena_push(arena, *letters, n, sizeof **letters);
            sl_dead_letter_of_reject(&(*letters)[*n - 1], row, r->ops->config, r->ops->now_us, arena);
            bytes += row->len + 1;         /* many empty ones end somewhere, too */
        } else if (code == SL_NOT_FOUND) { /* somebody was quicker */
            code = SL_OK;
        }
    }
    return code;
}

static enum sl_code from_ledger(struct sl_replaying *r, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_reject_row *rows = NULL;
    struct list list = {0};
    enum sl_code code = sl_ledger_rejects(r->ops->ledger, 0, &rows, &list.n, &arena, err);
    list.rows = rows;
    while (code == SL_OK && list.at < list.n && !is_enough(r)) {
        struct sl_arena window = {0};
        struct sl_dead_letter *letters;
        size_t n;
        code = read_rows(r, &list, &letters, &n, &window, err);
        if (code == SL_OK && n > 0)
            code = run_letters(r, letters, n, &window, err);
        sl_arena_fini(&window);
    }
    sl_arena_fini(&arena);
    return code;
}

/* ---- the whole ---- */

static enum sl_code run_all(struct sl_replaying *r, struct sl_err *err)
{
    struct sl_arena arena = {0};
    if (r->options->box != NULL)
        r->policy.quarantine = sl_replay_quarantine(r->options->box->topic, &arena);
    enum sl_code code = sl_ledger_config_add(r->ops->ledger, r->ops->config->hash, r->ops->config->normal, r->ops->now_us, err);
    if (code == SL_OK)
        code = r->options->box != NULL ? from_subscription(r, err) : from_ledger(r, err);
    struct sl_err drain_err = {0};
    const enum sl_code drained = drain(r, &drain_err);
    if (code == SL_OK && drained != SL_OK) {
        *err = drain_err;
        code = drained;
    }
    sl_letter_hold_close(&r->hold);
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_replay_run(const struct sl_ops *ops, struct sl_service *service, const struct sl_replay_options *options,
                           struct sl_replay_counts *counts, struct sl_err *err)
{
    const struct sl_worker_options engine = {.skip_downstream_trigger = options->hold, .beside = true};
    struct sl_replaying r = {.ops = ops,
                             .service = service,
                             .options = options,
                             .policy = options->policy,
                             .counts = counts,
                             .started_ms = sl_monotonic_ms(),
                             .drained_ms = sl_monotonic_ms()};
    *counts = (struct sl_replay_counts){0};
    r.policy.id = sl_uuid_format(sl_uuid4(), r.id);
    enum sl_code code = sl_service_bus(&r.bus, service, NULL, 0, err);
    if (code != SL_OK)
        return code;
    sl_worker_create(&r.worker, ops->config, ops->ledger, ops->warehouse, r.bus, &engine);
    code = run_all(&r, err);
    sl_worker_destroy(&r.worker);
    sl_bus_destroy(&r.bus);
    sl_arena_fini(&r.arena);
    return code;
}
