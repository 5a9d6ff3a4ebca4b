/* test_cuts.c - connections and streams that break at every step between our client and our broker, by every means.
 *
 * A session: six messages wait; the client receives, extends, acks, publishes over a proxy that breaks at the step's frame. What it "commits" is a set here, as the ledger's
 * inbox is in the worker. After each: the client has gone on by itself and in time, with few connections; only what was committed is acked, and exactly that; each published
 * message is there. One message is never committed, and must be all that is left. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/grpc_bus.h>

#include "../../src/pubsub/grpc_retry.h"
#include "broker_bed.h"
#include "cut_proxy.h"

#define N(array)  (sizeof(array) / sizeof((array)[0]))
#define TRIGGERS  "projects/p/topics/triggers"
#define TRIGGERED "projects/p/subscriptions/triggered"

enum {
    LIMIT_MS = 60000,
    LEASE_S = LONGEST_LEASE_S, /* after a break all goes on though no lease can have ended */
    EXTENDED_S = 10,
    MESSAGES = 6,
    KEPT = MESSAGES - 1, /* the number of the one that is never committed */
    MOST_CONNECTIONS = 4,
    MOST_STREAMS = 8,
};

/* HTTP/2's codes and what gRPC makes of them: INTERNAL, UNAVAILABLE, CANCELLED, RESOURCE_EXHAUSTED. */
enum { INTERNAL_ERROR = 2, REFUSED_STREAM = 7, CANCEL = 8, ENHANCE_YOUR_CALM = 11 };

static const struct {
    const char *label;
    enum cut_kind kind;
    uint32_t code;
} KINDS[] = {
    {"TCP RST", CUT_RST, 0},
    {"RST_STREAM INTERNAL_ERROR", CUT_STREAM, INTERNAL_ERROR},
    {"RST_STREAM REFUSED_STREAM", CUT_STREAM, REFUSED_STREAM},
    {"RST_STREAM CANCEL", CUT_STREAM, CANCEL},
    {"RST_STREAM ENHANCE_YOUR_CALM", CUT_STREAM, ENHANCE_YOUR_CALM},
    {"GOAWAY", CUT_GOAWAY, 0},
    {"GOAWAY that refuses", CUT_GOAWAY_REFUSING, 0},
    {"GOAWAY and gone", CUT_GOAWAY_GONE, 0},
};

enum act {
    ACT_OPEN,    /* the order stands before the client comes */
    ACT_MESSAGE, /* the others: once all is received and quiet */
    ACT_EXTEND,
    ACT_ACK,
    ACT_PUBLISH,
    ACT_NOTHING,
};
static const struct step {
    const char *label;
    enum act act;
    enum cut_way way;
    int type;
    size_t nth;
    bool half; /* only TCP breaks within a frame */
} STEPS[] = {
    {"connecting: the client's first frame", ACT_OPEN, CUT_UP, CUT_ANY, 1, false},
    {"connecting: the server's first frame", ACT_OPEN, CUT_DOWN, CUT_ANY, 1, false},
    {"stream open: the call", ACT_OPEN, CUT_UP, CUT_HEADERS, 1, false},
    {"stream open: the first request", ACT_OPEN, CUT_UP, CUT_DATA, 1, false},
    {"stream open: the first request, half of it", ACT_OPEN, CUT_UP, CUT_DATA, 1, true},
    {"stream open: the answer", ACT_OPEN, CUT_DOWN, CUT_HEADERS, 1, false},
    {"first response", ACT_OPEN, CUT_DOWN, CUT_DATA, 1, false},
    {"first response, half of it", ACT_OPEN, CUT_DOWN, CUT_DATA, 1, true},
    {"second response", ACT_OPEN, CUT_DOWN, CUT_DATA, 2, false},
    {"mid stream", ACT_MESSAGE, CUT_DOWN, CUT_DATA, 1, false},
    {"mid stream, half a response", ACT_MESSAGE, CUT_DOWN, CUT_DATA, 1, true},
    {"modack: the call", ACT_EXTEND, CUT_UP, CUT_HEADERS, 1, false},
    {"modack: its ids", ACT_EXTEND, CUT_UP, CUT_DATA, 1, false},
    {"modack: its answer is lost", ACT_EXTEND, CUT_DOWN, CUT_HEADERS, 1, false},
    {"ack: the call", ACT_ACK, CUT_UP, CUT_HEADERS, 1, false},
    {"ack: its ids", ACT_ACK, CUT_UP, CUT_DATA, 1, false},
    {"ack: half of its ids", ACT_ACK, CUT_UP, CUT_DATA, 1, true},
    {"ack: its answer is lost", ACT_ACK, CUT_DOWN, CUT_HEADERS, 1, false},
    {"publish: the call", ACT_PUBLISH, CUT_UP, CUT_HEADERS, 1, false},
    {"publish: its messages", ACT_PUBLISH, CUT_UP, CUT_DATA, 1, false},
    {"publish: its answer is lost", ACT_PUBLISH, CUT_DOWN, CUT_HEADERS, 1, false},
    {"publish: half of its answer", ACT_PUBLISH, CUT_DOWN, CUT_DATA, 1, true},
    {"nothing under way", ACT_NOTHING, CUT_UP, CUT_ANY, 0, false},
};

static struct sl_phase raw = {.name = "raw", .subscription = "worker"};
static const struct sl_phase *const PHASES[] = {&raw};

struct session {
    struct bed *bed;
    struct cut_proxy proxy;
    struct sl_config config;
    struct sl_bus *bus;
    struct sl_bus_batch batch;
    struct sl_err err;
    char label[160];
    size_t waiting;                 /* how many were published for it */
    size_t committed[MESSAGES + 1]; /* how often each was */
};

static void open_bed(struct bed *bed)
{
    bed_open(bed, NULL);
    struct sl_pubsub_subscription config = {.name = SUB, .topic = TOPIC, .dead_letter_topic = DLQ, .max_delivery_attempts = 100};
    make_topic(bed, TOPIC);
    make_topic(bed, DLQ);
    cr_assert_eq(try_subscription(bed, &config), SL_RPC_OK, "%s", bed->message);
    make_topic(bed, TRIGGERS);
    make_subscription(bed, TRIGGERED, TRIGGERS);
}

static int64_t backlog(const struct session *s)
{
    int64_t undelivered, leased;
    sl_broker_backlog(s->bed->broker, &(const char *){SUB}, 1, &undelivered, &leased);
    return undelivered + leased;
}

static void join(struct session *s, bool extends)
{
    struct sl_grpc_bus_options options = {
        .receipt_ms = 1, .lease_s = LEASE_S, .backoff_min_ms = 20, .backoff_max_ms = 200, .pings = SL_PINGS_DEMANDED};
    if (extends) {
        options.lease_s = EXTENDED_S;
        options.extend_before_ms = EXTENDED_S * 1000 - 50; /* falls due 50 ms after the last */
    }
    s->config.bus.project = "p";
    s->config.worker.batch_messages = 100;
    s->config.worker.batch_bytes = 1000000;
    cr_assert_eq(sl_grpc_bus_create(&s->bus, SL_PLAIN_PEER(s->proxy.address), &s->config, PHASES, 1, &options, &s->err), SL_OK, "%s",
                 s->err.text);
}

static struct sl_grpc_bus_stats stats(const struct session *s)
{
    struct sl_grpc_bus_stats out;
    sl_grpc_bus_stats(s->bus, &out);
    return out;
}

static void receive(struct session *s, int64_t timeout_ms)
{
    cr_assert_eq(sl_bus_receive(s->bus, 100, 1000000, timeout_ms, &s->batch, &s->err), SL_OK, "%s: %s", s->label, s->err.text);
}

/* The inbox: a message is committed once, however often it comes. The one that is kept is taken out of the batch, so that it is not acked. */
static void commit_and_ack(struct session *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->batch.n; i++) {
        const int number = atoi(s->batch.messages[i].message.data + 1);
        cr_assert(number >= 0 && number <= MESSAGES, "%s", s->label);
        if (number == KEPT)
            continue;
        s->committed[number]++;
        s->batch.messages[n++] = s->batch.messages[i];
    }
    s->batch.n = n;
    sl_bus_ack(s->bus, &s->batch, NULL);
    s->batch.n = 0;
}

static size_t n_committed(const struct session *s)
{
    size_t n = 0;
    for (size_t i = 0; i <= MESSAGES; i++)
        n += s->committed[i] > 0;
    return n;
}

/* Until everything but the kept one is committed and its ack has arrived. */
static void go_on(struct session *s)
{
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    commit_and_ack(s);
    while (n_committed(s) < s->waiting - 1 || backlog(s) > 1) {
        cr_assert_lt(sl_monotonic_ms(), until_ms, "%s: %zu committed, %lld left", s->label, n_committed(s), (long long)backlog(s));
        receive(s, 20);
        commit_and_ack(s);
    }
}

static void publish_one(struct session *s)
{
    cr_assert_eq(sl_bus_publish(s->bus, "triggers", s->label, strlen(s->label), NULL, &s->err), SL_OK, "%s: %s", s->label, s->err.text);
}

/* ---- the steps ---- */

/* All is received, in one batch as it was published, and its receipts are on their way; nothing is committed. */
static void settle(struct session *s)
{
    struct sl_bus_batch none = {0};
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    receive(s, LIMIT_MS);
    cr_assert_eq(s->batch.n, MESSAGES, "%s: %zu", s->label, s->batch.n);
    while (stats(s).receipts + stats(s).extensions < MESSAGES) { /* an extension that is due at once is a receipt too */
        cr_assert_lt(sl_monotonic_ms(), until_ms, "%s: no receipts", s->label);
        cr_assert_eq(sl_bus_receive(s->bus, 1, 1, 1, &none, &s->err), SL_OK, "%s: %s", s->label, s->err.text);
    }
    sl_bus_batch_fini(&none);
    cr_assert_eq(backlog(s), MESSAGES, "%s: nothing is acked before it is committed", s->label);
}

static void act(struct session *s, const struct step *step, const struct cut *cut)
{
    if (step->act == ACT_OPEN)
        return;
    settle(s);
    cut_proxy_order(&s->proxy, cut);
    switch (step->act) {
    case ACT_OPEN:
    case ACT_EXTEND: /* comes by itself */
    case ACT_NOTHING: break;
    case ACT_MESSAGE:
        publish(s->bed, TOPIC, "m6");
        s->waiting++;
        break;
    case ACT_ACK: commit_and_ack(s); break;
    case ACT_PUBLISH: publish_one(s); break;
    }
}

static void check_triggers(struct session *s)
{
    struct gots gots = {0};
    pull(s->bed, TRIGGERED, 100, true, &gots);
    cr_assert_geq(gots.n, 1, "%s: a published message is lost", s->label);
    cr_assert_leq(gots.n, 4, "%s: published again and again", s->label);
    for (size_t i = 0; i < gots.n; i++)
        cr_assert_eq(strncmp(gots.items[i].text, s->label, 60), 0, "%s", s->label);
    ack(s->bed, TRIGGERED, &gots, 0, gots.n);
    gots_fini(&gots);
}

/* What is left is what was not committed, and comes to whoever is next. */
static void check_kept(struct session *s)
{
    struct gots gots = {0};
    char kept[8];
    snprintf(kept, sizeof kept, "m%d", KEPT);
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    cr_assert_eq(backlog(s), 1, "%s", s->label);
    do /* gRPC takes seconds, now and then, to see that a connection has ended whose stream had just come */
        pull(s->bed, SUB, 100, false, &gots);
    while (gots.n == 0 && sl_monotonic_ms() < until_ms);
    cr_assert_eq(gots.n, 1, "%s", s->label);
    cr_assert_str_eq(gots.items[0].text, kept, "%s", s->label);
    cr_assert_eq(gots.items[0].attempt, 1, "%s: it took until a lease ended", s->label);
    ack(s->bed, SUB, &gots, 0, 1);
    gots_fini(&gots);
}

/* More only when it took more than a second, as on a machine that lets nobody on in time. */
static void check_no_busy_loop(struct session *s, int64_t took_ms)
{
    const size_t late = took_ms > 1000 ? (size_t)took_ms / 100 : 0;
    const size_t streams = stats(s).streams_opened, connections = cut_proxy_connections(&s->proxy);
    cr_assert_leq(streams, MOST_STREAMS + late, "%s: %zu streams in %lld ms", s->label, streams, (long long)took_ms);
    cr_assert_leq(connections, MOST_CONNECTIONS + late / 5, "%s: %zu connections in %lld ms", s->label, connections, (long long)took_ms);
}

static void run(struct session *s, const struct step *step, const struct cut *cut, bool must_come)
{
    publish_many(s->bed, TOPIC, "m", MESSAGES, 0);
    s->waiting = MESSAGES;
    const int64_t start_ms = sl_monotonic_ms();
    cut_proxy_start(&s->proxy, s->bed->address);
    if (step->act == ACT_OPEN)
        cut_proxy_order(&s->proxy, cut);
    join(s, step->act == ACT_EXTEND);
    act(s, step, cut);
    if (must_come)
        cr_assert(cut_proxy_wait(&s->proxy, LIMIT_MS), "%s: never came to it", s->label);
    go_on(s);
    publish_one(s);
    check_no_busy_loop(s, sl_monotonic_ms() - start_ms);
    sl_bus_batch_fini(&s->batch);
    sl_bus_destroy(&s->bus);
    cut_proxy_stop(&s->proxy);
    check_triggers(s);
    check_kept(s);
}

static void every_step(struct bed *bed, size_t kind)
{
    for (size_t i = 0; i < N(STEPS); i++) {
        const struct step *step = &STEPS[i];
        const struct cut cut = {KINDS[kind].kind, KINDS[kind].code, step->way, step->type, step->nth, step->half};
        struct session session = {.bed = bed};
        if (step->half && KINDS[kind].kind != CUT_RST)
            continue;
        snprintf(session.label, sizeof session.label, "%s; %s", step->label, KINDS[kind].label);
        run(&session, step, &cut, true);
    }
}

static void every_step_of(enum cut_kind kind)
{
    struct bed bed;
    open_bed(&bed);
    for (size_t i = 0; i < N(KINDS); i++)
        if (KINDS[i].kind == kind)
            every_step(&bed, i);
    bed_close(&bed);
}

Test(cuts, tcp_reset_at_every_step)
{
    every_step_of(CUT_RST);
}

Test(cuts, rst_stream_at_every_step)
{
    every_step_of(CUT_STREAM);
}

Test(cuts, goaway_at_every_step)
{
    every_step_of(CUT_GOAWAY);
    every_step_of(CUT_GOAWAY_REFUSING);
    every_step_of(CUT_GOAWAY_GONE);
}

/* And at the frames that no step names: settings, pings, window updates, all of them. */
Test(cuts, tcp_reset_at_every_frame)
{
    enum { FRAMES = 16 };
    static const struct step ANY = {.act = ACT_OPEN};
    static const char *const WAYS[] = {"up", "down"};
    struct bed bed;
    open_bed(&bed);
    for (size_t i = 0; i < 2 * FRAMES; i++) {
        const struct cut cut = {CUT_RST, 0, i % 2 ? CUT_DOWN : CUT_UP, CUT_ANY, 1 + i / 2, i / 2 % 2 == 1};
        struct session session = {.bed = &bed};
        snprintf(session.label, sizeof session.label, "frame %zu %s", cut.nth, WAYS[cut.way]);
        run(&session, &ANY, &cut, cut.nth <= 4);
    }
    bed_close(&bed);
}

/* ---- admin calls ---- */

enum call { CREATE_TOPIC, GET_TOPIC, CREATE_SUBSCRIPTION, GET_SUBSCRIPTION, LIST, DELETE_SUBSCRIPTION, DELETE_TOPIC, N_CALLS };
static const char ADMIN_TOPIC[] = "projects/p/topics/made", ADMIN_SUB[] = "projects/p/subscriptions/made";

static enum sl_code admin_call(struct sl_pubsub_admin *admin, enum call call, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_pubsub_topic topic = {.name = ADMIN_TOPIC};
    struct sl_pubsub_subscription subscription = {.name = ADMIN_SUB, .topic = ADMIN_TOPIC};
    const char **names;
    size_t n;
    switch (call) {
    case CREATE_TOPIC: return sl_pubsub_admin_create_topic(admin, &topic, err);
    case GET_TOPIC: return sl_pubsub_admin_get_topic(admin, ADMIN_TOPIC, &topic, arena, err);
    case CREATE_SUBSCRIPTION: return sl_pubsub_admin_create_subscription(admin, &subscription, err);
    case GET_SUBSCRIPTION: return sl_pubsub_admin_get_subscription(admin, ADMIN_SUB, &subscription, arena, err);
    case LIST: return sl_pubsub_admin_topic_subscriptions(admin, ADMIN_TOPIC, &names, &n, arena, err);
    case DELETE_SUBSCRIPTION: return sl_pubsub_admin_delete_subscription(admin, ADMIN_SUB, err);
    case DELETE_TOPIC: return sl_pubsub_admin_delete_topic(admin, ADMIN_TOPIC, err);
    case N_CALLS: break;
    }
    return SL_INTERNAL;
}

/* What a second try finds when the first one was carried out and its answer lost. */
static const enum sl_code DONE_BEFORE[N_CALLS] = {
    [CREATE_TOPIC] = SL_CONFLICT, [CREATE_SUBSCRIPTION] = SL_CONFLICT, [DELETE_SUBSCRIPTION] = SL_NOT_FOUND, [DELETE_TOPIC] = SL_NOT_FOUND};

/* Whoever calls decides when; a connection that could not be made takes its backoff. */
static enum sl_code again(struct cut_proxy *proxy, struct sl_pubsub_admin *admin, enum call call, struct sl_arena *arena,
                          struct sl_err *err)
{
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    enum sl_code code = admin_call(admin, call, arena, err);
    while (code == SL_UNAVAILABLE && sl_monotonic_ms() < until_ms) {
        cut_proxy_wait_connections(proxy, cut_proxy_connections(proxy) + 1, 50);
        code = admin_call(admin, call, arena, err);
    }
    return code;
}

static void one_admin_call(struct bed *bed, enum call call, const struct cut *cut, const char *label)
{
    struct cut_proxy proxy;
    struct sl_pubsub_admin *admin;
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    cut_proxy_start(&proxy, bed->address);
    cut_proxy_order(&proxy, cut);
    cr_assert_eq(sl_pubsub_admin_create(&admin, SL_PLAIN_PEER(proxy.address), &err), SL_OK);
    enum sl_code code = admin_call(admin, call, &arena, &err);
    cr_assert(cut_proxy_wait(&proxy, LIMIT_MS), "%s: never came to it", label);
    if (code != SL_OK) {
        cr_expect_eq(code, SL_UNAVAILABLE, "%s: %s", label, err.text);
        cr_expect_not_null(strstr(err.text, "/made: "), "%s: says of what: %s", label, err.text);
        code = again(&proxy, admin, call, &arena, &err);
        cr_expect(code == SL_OK || code == DONE_BEFORE[call], "%s, again: %s", label, err.text);
    }
    cr_expect_leq(cut_proxy_connections(&proxy), 3, "%s", label);
    sl_pubsub_admin_destroy(&admin);
    cut_proxy_stop(&proxy);
    sl_arena_fini(&arena);
}

Test(cuts, admin_calls_that_break)
{
    static const struct {
        const char *label;
        enum cut_way way;
        int type;
    } PLACES[] = {{"the first frame", CUT_UP, CUT_ANY},
                  {"the call", CUT_UP, CUT_HEADERS},
                  {"its request", CUT_UP, CUT_DATA},
                  {"its answer", CUT_DOWN, CUT_HEADERS}};
    struct bed bed;
    open_bed(&bed);
    for (size_t kind = 0; kind < N(KINDS); kind++)
        for (size_t place = 0; place < N(PLACES); place++)
            for (enum call call = 0; call < N_CALLS; call++) {
                char label[128];
                const struct cut cut = {KINDS[kind].kind, KINDS[kind].code, PLACES[place].way, PLACES[place].type, 1, false};
                snprintf(label, sizeof label, "admin call %d, %s; %s", (int)call, PLACES[place].label, KINDS[kind].label);
                one_admin_call(&bed, call, &cut, label);
            }
    bed_close(&bed);
}

/* ---- a peer that resets whatever comes ---- */

Test(cuts, a_peer_that_resets_every_connection_is_no_busy_loop)
{
    struct bed bed;
    struct session s = {.bed = &bed, .label = "refused"};
    open_bed(&bed);
    publish_many(&bed, TOPIC, "m", MESSAGES, 0);
    s.waiting = MESSAGES;
    cut_proxy_start(&s.proxy, bed.address);
    cut_proxy_refuse(&s.proxy, true);
    join(&s, false);
    cr_assert(cut_proxy_wait_connections(&s.proxy, 2, LIMIT_MS), "it tries again");
    const size_t before = cut_proxy_connections(&s.proxy);
    const int64_t start_ms = sl_monotonic_ms();
    cut_proxy_wait_connections(&s.proxy, before + 15, 1000);
    const size_t connections = cut_proxy_connections(&s.proxy) - before, streams = stats(&s).streams_opened;
    const int64_t took_ms = sl_monotonic_ms() - start_ms; /* more than a second when this thread was not let on in time */
    cr_assert(connections < 15 || (took_ms > 1000 && connections * 1000 <= 15 * (size_t)took_ms), "%zu connections in %lld ms", connections,
              (long long)took_ms);
    cr_assert(streams < 40 || (took_ms > 1000 && streams * 1000 <= 40 * (size_t)took_ms), "%zu streams in %lld ms", streams,
              (long long)took_ms);
    cut_proxy_refuse(&s.proxy, false);
    go_on(&s);
    sl_bus_batch_fini(&s.batch);
    sl_bus_destroy(&s.bus);
    cut_proxy_stop(&s.proxy);
    check_kept(&s);
    bed_close(&bed);
}
