/* test_broker_store.c - the power fails at random operations of the broker's file, and single operations fail, while messages are published, acked out of
 * order, nacked and deleted: what a commit has confirmed is there afterwards, all of a batch or nothing, and the file is sound. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <sluice/broker.h>
#include <sluice/pubsub.h>
#include <sluice/rpc.h>

#include "../../src/broker/store_internal.h"
#include "power_vfs.h"
#include "support/remove_dir.h"

enum { N_MAX = 1200, BATCHES = 60, ROUNDS = 120, SUB_ID = 1 };

struct state { /* what the store must hold */
    int64_t last;
    bool acked[N_MAX + 1];
    int attempts[N_MAX + 1];
};

struct rig {
    char dir[64], path[96];
    struct sl_store *store;
    struct sl_delivery delivery;
    struct sl_flow flow;
    int64_t topic, trimmed, loaded_last;
    struct state durable, wished; /* confirmed; and with the batch that is being made */
    uint64_t random;
};

static uint64_t draw(struct rig *rig, uint64_t below)
{
    rig->random = rig->random * 6364136223846793005u + 1442695040888963407u;
    return (rig->random >> 33) % below;
}

/* A body says its number, and differs in length: some are longer than a page. */
static size_t body_of(int64_t n, char *out)
{
    size_t len = 40 + (size_t)(n * 7919 % 90) * (n % 11 == 0 ? 100 : 1);
    memset(out, 'a' + (int)(n % 26), len);
    int digits = snprintf(out, 24, "%lld", (long long)n);
    out[digits] = ':';
    return len;
}

/* ---- opening and looking ---- */

static enum sl_code load_topic(void *arg, const struct sl_topic_row *row, struct sl_err *err)
{
    struct rig *rig = arg;
    (void)err;
    rig->topic = row->id;
    rig->loaded_last = row->last;
    rig->trimmed = row->trimmed;
    return SL_OK;
}

static enum sl_code load_subscription(void *arg, const struct sl_subscription_row *row, struct sl_err *err)
{
    struct rig *rig = arg;
    (void)err;
    sl_delivery_init(&rig->delivery, row->floor, 1);
    return SL_OK;
}

static enum sl_code load_acked(void *arg, int64_t subscription, int64_t first, int64_t last, struct sl_err *err)
{
    struct rig *rig = arg;
    (void)err;
    cr_assert_eq(subscription, SUB_ID);
    sl_delivery_restore_acked(&rig->delivery, first, last);
    return SL_OK;
}

static enum sl_code load_attempts(void *arg, const struct sl_attempts_row *row, struct sl_err *err)
{
    struct rig *rig = arg;
    (void)err;
    cr_assert_eq(row->subscription, SUB_ID);
    cr_assert_not(sl_ranges_has(&rig->delivery.acked, row->n), "attempts of an acked message");
    sl_delivery_restore_attempts(&rig->delivery, row->n, row->attempts, 0);
    return SL_OK;
}

static enum sl_code begin_empty(struct rig *rig, struct sl_err *err)
{
    int64_t id;
    if (sl_store_add_topic(rig->store, &(struct sl_topic_row){.name = "t", .config = {"c", 1}}, &rig->topic, err) ||
        sl_store_add_subscription(rig->store, &(struct sl_subscription_row){.topic = rig->topic, .name = "s", .config = {"c", 1}}, &id,
                                  err))
        return err->code;
    cr_assert_eq(id, SUB_ID);
    return sl_store_commit(rig->store, err);
}

static enum sl_code open_rig(struct rig *rig, struct sl_err *err)
{
    static const struct sl_store_loader LOADER = {
        .topic = load_topic, .subscription = load_subscription, .acked = load_acked, .attempts = load_attempts};
    struct sl_store_options options = {.vfs = POWER_VFS, .checkpoint_pages = 64, .keep_nothing = true};
    rig->topic = 0;
    rig->flow = (struct sl_flow){0};
    enum sl_code code = sl_store_open(&rig->store, rig->path, &options, err);
    if (code == SL_OK)
        code = sl_store_load(rig->store, &LOADER, rig, err);
    if (code == SL_OK && !rig->topic) {
        sl_delivery_init(&rig->delivery, 0, 1);
        rig->loaded_last = 0;
        code = begin_empty(rig, err);
    }
    return code;
}

static void close_rig(struct rig *rig)
{
    sl_store_close(&rig->store);
    sl_delivery_fini(&rig->delivery);
}

static bool holds(struct rig *rig, const struct state *state)
{
    if (rig->loaded_last != state->last)
        return false;
    for (int64_t n = 1; n <= state->last; n++) {
        if (sl_ranges_has(&rig->delivery.acked, n) != state->acked[n])
            return false;
        if (!state->acked[n] && sl_delivery_attempts(&rig->delivery, n) != state->attempts[n])
            return false;
    }
    return true;
}

static enum sl_code expect_bodies(struct rig *rig, uint64_t seed, struct sl_err *err)
{
    char body[10000];
    for (int64_t n = 1; n <= rig->durable.last; n++) {
        struct sl_stored stored;
        if (rig->durable.acked[n])
            continue;
        enum sl_code code = sl_store_get(rig->store, rig->topic, n, &stored, err);
        if (code != SL_OK && code != SL_NOT_FOUND)
            return code;
        cr_assert_eq(code, SL_OK, "seed %llu: message %lld is lost", (unsigned long long)seed, (long long)n);
        size_t len = body_of(n, body);
        cr_assert(stored.len == len && memcmp(stored.body, body, len) == 0, "seed %llu: message %lld is another one",
                  (unsigned long long)seed, (long long)n);
    }
    sl_store_scan_close(rig->store);
    return SL_OK;
}

/* What was confirmed is there; the batch that was not is there as a whole or not at all. */
static enum sl_code look(struct rig *rig, uint64_t seed, struct sl_err *err)
{
    if (holds(rig, &rig->wished))
        rig->durable = rig->wished;
    else
        cr_assert(holds(rig, &rig->durable), "seed %llu: after a %s of %s neither the confirmed state nor the next one is there",
                  (unsigned long long)seed, power_vfs_struck_what(), power_vfs_struck_file());
    rig->wished = rig->durable;
    return expect_bodies(rig, seed, err);
}

/* ---- working ---- */

static enum sl_code publish_some(struct rig *rig, struct sl_err *err)
{
    char body[10000];
    enum sl_code code = SL_OK;
    for (uint64_t k = draw(rig, 30); k > 0 && rig->wished.last < N_MAX && code == SL_OK; k--) {
        int64_t n = rig->wished.last + 1;
        code = sl_store_add_message(rig->store, rig->topic, n, 1000 + n, body, body_of(n, body), err);
        if (code == SL_OK)
            rig->wished.last = n;
    }
    return code;
}

static void consume_some(struct rig *rig)
{
    int64_t n;
    for (uint64_t k = draw(rig, 30); k > 0; k--) {
        n = sl_delivery_ready(&rig->delivery, &rig->flow, NULL);
        if (!n)
            n = sl_delivery_unseen(&rig->delivery, rig->durable.last);
        if (n)
            sl_delivery_lease(&rig->delivery, n, &rig->flow, 1, SL_NEVER - 1);
    }
    for (uint64_t k = draw(rig, 30); k > 0 && rig->durable.last > 0; k--) {
        n = 1 + (int64_t)draw(rig, (uint64_t)rig->durable.last);
        if (draw(rig, 4) > 0) {
            if (sl_delivery_ack(&rig->delivery, n, rig->durable.last))
                rig->wished.acked[n] = true;
        } else {
            uint32_t i = 0; /* the newest lease of n, if it has one */
            for (; i < rig->delivery.n_slots && rig->delivery.entries[i].n != n; i++)
                ;
            if (i < rig->delivery.n_slots && sl_delivery_nack(&rig->delivery, n, rig->delivery.entries[i].serial, 1))
                rig->wished.attempts[n]++;
        }
    }
}

static enum sl_code batch(struct rig *rig, struct sl_err *err)
{
    rig->wished = rig->durable;
    enum sl_code code = publish_some(rig, err);
    if (code == SL_OK)
        code = sl_store_set_topic_last(rig->store, rig->topic, rig->wished.last, err);
    consume_some(rig);
    if (code == SL_OK)
        code = sl_store_put_delivery(rig->store, SUB_ID, &rig->delivery, (struct sl_now){0}, err);
    int64_t trimmed = rig->trimmed;
    if (code == SL_OK)
        code = sl_store_trim(rig->store, rig->topic, rig->trimmed, rig->delivery.acked.floor, 50, &trimmed, err);
    if (code == SL_OK)
        code = sl_store_commit(rig->store, err);
    if (code)
        return code;
    rig->trimmed = trimmed;
    rig->durable = rig->wished;
    sl_delivery_clean(&rig->delivery);
    int64_t wait_ms = draw(rig, 4) == 0 ? 0 : SL_NEVER;
    while (wait_ms == 0 && code == SL_OK)
        code = sl_store_shrink(rig->store, draw(rig, 2) == 0, &wait_ms, err);
    if (code)
        return code;
    return sl_store_poisoned(rig->store) ? sl_fail(err, SL_INTERNAL, "poisoned by a checkpoint") : SL_OK;
}

static void begin_rig(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof(*rig));
    rig->random = seed;
    snprintf(rig->dir, sizeof(rig->dir), "/tmp/sluice-store-XXXXXX");
    cr_assert_not_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof(rig->path), "%s/broker.db", rig->dir);
    power_vfs_begin(seed);
}

static void end_rig(struct rig *rig)
{
    remove_dir(rig->dir);
    power_vfs_end();
}

/* How many operations a round has that nobody disturbs. */
static uint64_t undisturbed(void)
{
    struct rig rig;
    struct sl_err err;
    begin_rig(&rig, 1);
    cr_assert_eq(open_rig(&rig, &err), SL_OK, "%s", err.text);
    for (int i = 0; i < BATCHES; i++)
        cr_assert_eq(batch(&rig, &err), SL_OK, "%s", err.text);
    close_rig(&rig);
    uint64_t operations = power_vfs_operations();
    cr_assert_eq(open_rig(&rig, &err), SL_OK);
    cr_assert_eq(look(&rig, 1, &err), SL_OK);
    close_rig(&rig);
    end_rig(&rig);
    return operations;
}

/* One round: `fault` strikes up to three times; after each the file is opened again and looked at. The number of strikes. */
static size_t round_of(enum power_fault fault, uint64_t seed, uint64_t operations)
{
    struct rig rig;
    struct sl_err err;
    size_t strikes = 0;
    begin_rig(&rig, seed);
    power_vfs_order(fault, 1 + draw(&rig, operations));
    for (int done = 0; done < BATCHES;) {
        enum sl_code code = open_rig(&rig, &err);
        if (code == SL_OK)
            code = look(&rig, seed, &err);
        for (; code == SL_OK && done < BATCHES; done++)
            code = batch(&rig, &err);
        if (code != SL_OK)
            cr_assert(power_vfs_struck(), "seed %llu: without a fault: %s", (unsigned long long)seed, err.text);
        close_rig(&rig);
        if (!power_vfs_struck())
            continue;
        strikes++;
        if (fault == POWER_LOSS || draw(&rig, 2))
            power_vfs_restart();
        power_vfs_order(strikes < 3 ? fault : POWER_GOOD, 1 + draw(&rig, strikes % 2 ? 30 : operations));
    }
    power_vfs_order(POWER_GOOD, 0);
    cr_assert_eq(open_rig(&rig, &err), SL_OK, "%s", err.text);
    cr_assert_eq(look(&rig, seed, &err), SL_OK, "%s", err.text);
    close_rig(&rig);
    end_rig(&rig);
    return strikes;
}

static uint64_t first_seed(void)
{
    const char *text = getenv("SLUICE_SEED");
    return text ? strtoull(text, NULL, 10) : 20260101;
}

Test(broker_store, the_power_fails, .timeout = 200)
{
    uint64_t operations = undisturbed(), seed = first_seed();
    size_t strikes = 0;
    for (uint64_t i = 0; i < ROUNDS; i++)
        strikes += round_of(POWER_LOSS, seed + i, operations);
    fprintf(stderr, "broker store: seed %llu, %llu operations a round, %zu losses of power, 0 messages lost\n", (unsigned long long)seed,
            (unsigned long long)operations, strikes);
    cr_assert_geq(strikes, ROUNDS);
}

Test(broker_store, operations_fail, .timeout = 200)
{
    uint64_t operations = undisturbed(), seed = first_seed();
    size_t strikes = 0;
    for (uint64_t i = 0; i < ROUNDS; i++)
        strikes += round_of(POWER_ERROR, seed + i, operations);
    cr_assert_geq(strikes, ROUNDS);
}

/* A full disk is waited out with the same handles: refused, nothing changed, then all goes on. */
Test(broker_store, the_disk_is_full, .timeout = 200)
{
    uint64_t operations = undisturbed(), seed = first_seed();
    for (uint64_t i = 0; i < ROUNDS / 4; i++) {
        struct rig rig;
        struct sl_err err;
        begin_rig(&rig, seed + i);
        cr_assert_eq(open_rig(&rig, &err), SL_OK);
        power_vfs_order(POWER_FULL, 1 + draw(&rig, operations));
        for (int done = 0; done < BATCHES;) {
            enum sl_code code = batch(&rig, &err);
            done += code == SL_OK;
            if (code == SL_OK)
                continue;
            cr_assert_eq(code, SL_UNAVAILABLE, "%s", err.text);
            cr_assert_not(sl_store_poisoned(rig.store));
            sl_store_rollback(rig.store);
            /* In memory acks stay, to be stored with the next commit. */
            for (int64_t n = 1; n <= rig.durable.last; n++) {
                rig.durable.acked[n] = rig.wished.acked[n];
                rig.durable.attempts[n] = rig.wished.attempts[n];
            }
            power_vfs_order(POWER_GOOD, 0);
        }
        close_rig(&rig);
        power_vfs_order(POWER_GOOD, 0);
        cr_assert_eq(open_rig(&rig, &err), SL_OK);
        cr_assert_eq(look(&rig, seed + i, &err), SL_OK);
        close_rig(&rig);
        end_rig(&rig);
    }
}

/* ---- the whole broker: a failed fsync ends it ---- */

Test(broker_store, the_broker_stops_when_its_log_can_not_be_synced, .timeout = 60)
{
    struct rig rig;
    struct sl_err err;
    struct sl_broker *broker;
    begin_rig(&rig, 1);
    struct sl_broker_options options = {.path = rig.dir, .listen = "127.0.0.1:0", .vfs = POWER_VFS};
    cr_assert_eq(sl_broker_create(&broker, &options, &err), SL_OK, "%s", err.text);
    cr_assert_not(sl_broker_failed(broker, &err));
    int64_t undelivered, leased;
    sl_broker_backlog(broker, NULL, 0, &undelivered, &leased); /* the broker thread has nothing to do now */
    power_vfs_order(POWER_ERROR, 2);                           /* the log's first frame is written, its sync fails */
    struct sl_rpc_loop *loop;
    struct sl_rpc_channel *channel;
    struct sl_rpc_channel_options channel_options = {0};
    struct sl_buf request = {0};
    struct sl_rpc_status status;
    cr_assert_eq(sl_rpc_loop_create(&loop, &err), SL_OK);
    cr_assert_eq(sl_rpc_channel_create(&channel, loop, sl_broker_address(broker), &channel_options, &err), SL_OK);
    sl_pubsub_put_topic(&request, &(struct sl_pubsub_topic){.name = "projects/p/topics/abc"});
    struct sl_rpc_request call = {.method = "/google.pubsub.v1.Publisher/CreateTopic",
                                  .data = request.data,
                                  .len = request.len,
                                  .timeout_ms = 30000,
                                  .wait_for_ready = true};
    for (int i = 0; i < 2; i++) {
        sl_rpc_call(channel, &call, NULL, &status, &err);
        cr_expect_eq(status.code, SL_RPC_UNAVAILABLE, "%s", status.message);
    }
    cr_expect(sl_broker_failed(broker, &err));
    cr_expect_eq(err.code, SL_INTERNAL, "%s", err.text);
    sl_rpc_channel_destroy(&channel);
    uint64_t before = power_vfs_operations_after("broker.db");
    sl_broker_destroy(&broker);
    cr_expect_eq(power_vfs_operations_after("broker.db"), before, "the file was touched after the failure");
    sl_rpc_loop_destroy(&loop);
    sl_buf_fini(&request);
    char lock[96];
    snprintf(lock, sizeof(lock), "%s/lock", rig.dir);
    unlink(lock);
    end_rig(&rig);
}
