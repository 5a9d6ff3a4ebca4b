/* dead_letter_hold.c - messages of a dead-letter subscription, received and leased until they are acked or let go.
 * The life of one: received -> held (the bus keeps its lease) -> acked, once what was done with it is safe; or let go with the hold: our broker hands it to the next one at once,
 * another server when its lease has run out. One that comes again while it is held (its lease was lost) is acked along with the first.
 * Messages live in the batch that they were received in, which goes once all of them are acked: what a hold costs is bounded by what it may hold, however much goes through it. */
#include <sluice/dead_letters.h>

#include <stdlib.h>
#include <string.h>

#include <sluice/str.h>

#define AT_ONCE       1000
#define AT_ONCE_BYTES ((size_t)1000 * 1000) /* one letter that stays keeps so much */
#define POLL_MS       100
#define SILENT_MS     3000 /* of a server whose backlog can't be known, or where others may hold what is leased: it has nothing more for us */
#define PATIENCE_MS   30000 /* with a bus that can't be reached */

/* A batch as it was received; its messages are borrowed from it. */
struct batch {
    struct sl_bus_batch received;
    size_t n_held;
    struct batch *before, *after;
};

struct held {
    struct batch *batch;
    const struct sl_bus_message *message; /* gone once it is acked */
    struct held *again;                   /* the same message, received once more */
    bool acked;
};

struct sl_letter_hold {
    struct sl_phase phase; /* what the bus takes for one: only its subscription is looked at */
    const struct sl_phase *lies_on;
    const struct sl_config *config;
    struct sl_bus *bus;
    size_t max_n, max_bytes, n, bytes; /* bytes: of the batches */
    struct batch *batches;
    struct sl_map *by_id; /* message id -> struct held */
    struct sl_arena arena;
};

static void drop(struct sl_letter_hold *hold, struct batch *batch)
{
    *(batch->before != NULL ? &batch->before->after : &hold->batches) = batch->after;
    if (batch->after != NULL)
        batch->after->before = batch->before;
    hold->bytes -= batch->received.bytes;
    sl_bus_batch_fini(&batch->received);
    free(batch);
}

enum sl_code sl_letter_hold_open(struct sl_letter_hold **out, const struct sl_letter_box *box, struct sl_service *service,
                                 const struct sl_config *config, size_t max_n, size_t max_bytes, struct sl_err *err)
{
    struct sl_letter_hold *hold = *out = sl_calloc(1, sizeof *hold);
    hold->phase = (struct sl_phase){.name = "dead letters", .subscription = box->subscription};
    hold->lies_on = box->phase;
    hold->config = config;
    hold->max_n = max_n;
    hold->max_bytes = max_bytes;
    hold->by_id = sl_map_create();
    /* more than the limits: what is full is told by us, not by a server that stops sending */
    const enum sl_code code = sl_service_holding_bus(&hold->bus, service, &hold->phase, max_n + AT_ONCE, max_bytes + 32 * AT_ONCE_BYTES,
                                                     err);
    if (code != SL_OK)
        sl_letter_hold_close(out);
    return code;
}

void sl_letter_hold_close(struct sl_letter_hold **out)
{
    struct sl_letter_hold *hold = *out;
    if (hold == NULL)
        return;
    sl_bus_destroy(&hold->bus);
    while (hold->batches != NULL)
        drop(hold, hold->batches);
    sl_map_destroy(&hold->by_id);
    sl_arena_fini(&hold->arena);
    free(hold);
    *out = NULL;
}

/* ---- filling ---- */

struct filling {
    struct sl_letter_hold *hold;
    struct sl_dead_letter **out;
    size_t *n;
    int64_t now_us;
    struct sl_arena *arena;
};

static void add(struct filling *f, struct batch *batch, const struct sl_bus_message *message)
{
    struct sl_letter_hold *hold = f->hold;
    struct held *held = sl_arena_alloc(&hold->arena, sizeof *held), *first = sl_map_get(hold->by_id, message->message.message_id);
    held->batch = batch;
    held->message = message;
    if (first != NULL && !first->acked) {
        held->again = first->again;
        first->again = held;
        return;
    }
    sl_map_put(hold->by_id, message->message.message_id, held);
    hold->n++;
    *f->out = sl_arena_push(f->arena, *f->out, f->n, sizeof **f->out);
    sl_dead_letter_read(&(*f->out)[*f->n - 1], &message->message, hold->lies_on, hold->config, f->now_us, f->arena);
    (*f->out)[*f->n - 1].done = first != NULL;
    (*f->out)[*f->n - 1].ordering_key = message->ordering_key;
}

static enum sl_code receive(struct filling *f, size_t *n, struct sl_err *err)
{
    struct sl_letter_hold *hold = f->hold;
    struct batch *batch = sl_calloc(1, sizeof *batch);
    const size_t room = hold->max_n - hold->n, at_once = room < AT_ONCE ? room : AT_ONCE;
    const enum sl_code code = sl_bus_receive(hold->bus, at_once, AT_ONCE_BYTES, POLL_MS, &batch->received, err);
    *n = code == SL_OK ? batch->received.n : 0;
    if (*n == 0) {
        sl_bus_batch_fini(&batch->received);
        free(batch);
        return code;
    }
    batch->after = hold->batches;
    if (batch->after != NULL)
        batch->after->before = batch;
    hold->batches = batch;
    hold->bytes += batch->received.bytes;
    batch->n_held = *n;
    for (size_t i = 0; i < *n; i++)
        add(f, batch, &batch->received.messages[i]);
    return SL_OK;
}

static bool is_full(const struct sl_letter_hold *hold)
{
    return hold->n >= hold->max_n || hold->bytes >= hold->max_bytes;
}

/* Nothing waits on the subscription, as far as that can be known. A bus tells its silence only while nothing of it is held: `quiet_ms` is since something came last.
 * What is leased beyond what we hold is on its way to us, or held by somebody else: then nothing comes. */
static bool is_drained(struct sl_letter_hold *hold, int64_t quiet_ms, int64_t now_us)
{
    int64_t undelivered, leased;
    const int64_t silent_ms = sl_bus_silent_ms(hold->bus, &hold->phase, now_us);
    if (silent_ms < 0 && hold->n == 0)
        return false;
    sl_bus_backlog(hold->bus, &undelivered, &leased);
    const bool silent = quiet_ms >= SILENT_MS && (hold->n > 0 || silent_ms >= SILENT_MS);
    if (undelivered < 0)
        return silent;
    return undelivered == 0 && (leased <= (int64_t)hold->n || silent);
}

enum sl_code sl_letter_hold_fill(struct sl_letter_hold *hold, int64_t now_us, const volatile int *stop, struct sl_dead_letter **out,
                                 size_t *n, bool *full, struct sl_arena *arena, struct sl_err *err)
{
    struct filling filling = {.hold = hold, .out = out, .n = n, .now_us = now_us, .arena = arena};
    int64_t quiet_ms = 0;
    enum sl_code code = SL_OK;
    *out = NULL;
    *n = 0;
    while (code == SL_OK && !(*full = is_full(hold)) && __atomic_load_n(stop, __ATOMIC_RELAXED) == 0) {
        size_t received = 0;
        code = receive(&filling, &received, err);
        quiet_ms = received > 0 ? 0 : quiet_ms + POLL_MS;
        if (code != SL_OK || received > 0)
            continue;
        if (is_drained(hold, quiet_ms, now_us))
            break;
        if (quiet_ms > PATIENCE_MS)
            code = sl_fail(err, SL_UNAVAILABLE, "%s can't be received from: nothing has come for 30 s, though something waits there",
                           hold->phase.subscription);
    }
    return code;
}

void sl_letter_hold_backlog(struct sl_letter_hold *hold, int64_t *undelivered, int64_t *leased)
{
    sl_bus_backlog(hold->bus, undelivered, leased);
}

/* ---- acking ---- */

struct acking {
    struct sl_letter_hold *hold;
    struct sl_bus_batch batch;
    struct batch **from; /* of its messages */
    size_t n_from;
};

static void add_to(struct acking *a, struct held *held)
{
    struct sl_arena *arena = &a->batch.arena;
    held->acked = true;
    a->hold->n--;
    for (; held != NULL; held = held->again) {
        a->batch.messages = sl_arena_push(arena, a->batch.messages, &a->batch.n, sizeof *a->batch.messages);
        a->batch.messages[a->batch.n - 1] = *held->message;
        a->from = sl_arena_push(arena, a->from, &a->n_from, sizeof *a->from);
        a->from[a->n_from - 1] = held->batch;
    }
}

enum sl_code sl_letter_hold_ack(struct sl_letter_hold *hold, const struct sl_dead_letter *const *letters, size_t n, struct sl_err *err)
{
    struct acking acking = {.hold = hold};
    for (size_t i = 0; i < n; i++) {
        struct held *held = sl_map_get(hold->by_id, letters[i]->message->message_id);
        if (held != NULL && !held->acked)
            add_to(&acking, held);
    }
    const enum sl_code code = acking.batch.n > 0 ? sl_bus_ack(hold->bus, &acking.batch, err) : SL_OK;
    for (size_t i = 0; i < acking.n_from; i++)
        if (--acking.from[i]->n_held == 0)
            drop(hold, acking.from[i]);
    sl_arena_fini(&acking.batch.arena);
    return code;
}
