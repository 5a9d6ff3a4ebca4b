/* test_outbox.c - what leaves by the bus: order, failures that hold up a topic, dead letters that the bus refuses, and what a worker that died had claimed. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/file.h>
#include <sluice/worker.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define NOW_US   1700000000000000LL

static const char CONFIG[] = "version: 1\n"
                             "pipeline: p\n"
                             "timezone: UTC\n"
                             "ledger: {type: sqlite, path: ledger.db}\n"
                             "warehouse: {type: sqlite, path: warehouse}\n"
                             "coverage: {log: l.log}\n"
                             "phases: [{name: one, processors: [{name: a, required: critical}]}]\n";

struct fixture {
    char dir[64];
    struct sl_config *config;
    struct sl_ledger *ledger;
    struct sl_bus *bus;
    struct sl_worker *worker;
    struct sl_arena arena;
    struct sl_err err;
};

#define expect_ok(call) cr_assert_eq((call), SL_OK, "%s: %s", #call, f->err.text)

static void begin(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/sluice-outbox-XXXXXX"};
    cr_assert_not_null(mkdtemp(f->dir));
    expect_ok(sl_config_parse(&f->config, CONFIG, sizeof CONFIG - 1, "test", f->dir, NULL, 0, NULL, NULL, &f->err));
    expect_ok(sl_ledger_open(&f->ledger, f->config, SL_LEDGER_WRITE, &f->err));
    sl_memory_bus_create(&f->bus, f->config);
    sl_worker_create(&f->worker, f->config, f->ledger, NULL, f->bus, NULL);
}

static void end(struct fixture *f)
{
    static const char *const FILES[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm"};
    sl_worker_destroy(&f->worker);
    sl_bus_destroy(&f->bus);
    sl_ledger_destroy(&f->ledger);
    sl_config_destroy(&f->config);
    sl_arena_fini(&f->arena);
    for (size_t i = 0; i < N(FILES); i++) {
        char *path = sl_path_join(f->dir, FILES[i]);
        unlink(path);
        free(path);
    }
    rmdir(f->dir);
}

static void add(struct fixture *f, enum sl_outbox_kind kind, const char *topic, sl_date date, const char *data, size_t len,
                const char *attributes)
{
    const struct sl_outbox_row row = {.kind = kind,
                                      .topic = topic,
                                      .key = kind == SL_OUTBOX_TRIGGER ? data : NULL,
                                      .phase = "one",
                                      .date = date,
                                      .data = data,
                                      .len = len,
                                      .attributes = attributes,
                                      .created_us = NOW_US - 5,
                                      .next_us = NOW_US};
    expect_ok(sl_ledger_outbox_add(f->ledger, &row, &f->err));
}

static void add_trigger(struct fixture *f, const char *topic, sl_date date, const char *data)
{
    add(f, SL_OUTBOX_TRIGGER, topic, date, data, strlen(data), "{}");
}

/* Drains; what is left. */
static size_t drain(struct fixture *f, int64_t now_us)
{
    size_t left = 99;
    expect_ok(sl_worker_drain(f->worker, now_us, &left, &f->err));
    return left;
}

/* What was published so far: "topic:data ..." */
static const char *published(struct fixture *f)
{
    const struct sl_published *all;
    const char *text = "";
    size_t n = sl_memory_bus_published(f->bus, &all);
    for (size_t i = 0; i < n; i++)
        text = sl_arena_printf(&f->arena, "%s%s%s:%.20s", text, i ? " " : "", all[i].topic, all[i].data);
    return text;
}

Test(outbox, in_date_order_within_a_topic)
{
    struct fixture fixture, *f = &fixture;
    struct sl_worker_counters counters;
    begin(f);
    cr_expect_eq(drain(f, NOW_US), 0, "nothing to do");
    add_trigger(f, "t2", 3, "c");
    add_trigger(f, "t1", 2, "b");
    add_trigger(f, "t1", 1, "a");
    cr_expect_eq(drain(f, NOW_US), 0);
    cr_expect_str_eq(published(f), "t1:a t1:b t2:c");
    sl_worker_counters(f->worker, &counters);
    cr_expect_eq(counters.published, 3);
    end(f);
}

Test(outbox, a_failure_holds_up_its_topic_only)
{
    struct fixture fixture, *f = &fixture;
    size_t n;
    int64_t since_us;
    begin(f);
    add_trigger(f, "t1", 1, "a");
    add_trigger(f, "t1", 2, "b");
    add_trigger(f, "t2", 1, "c");
    sl_memory_bus_fail_publishes(f->bus, 1, SL_UNAVAILABLE);
    cr_expect_eq(drain(f, NOW_US), 2);
    cr_expect_str_eq(published(f), "t2:c");
    expect_ok(sl_ledger_outbox_left(f->ledger, &n, &since_us, &f->err));
    cr_expect(n == 2 && since_us == NOW_US);
    cr_expect_eq(drain(f, NOW_US), 2, "not due yet");
    cr_expect_eq(drain(f, NOW_US + 1000000), 0);
    cr_expect_str_eq(published(f), "t2:c t1:a t1:b");
    end(f);
}

Test(outbox, a_trigger_is_never_given_up)
{
    static const enum sl_code CODES[] = {SL_INVALID, SL_NOT_FOUND, SL_UNAVAILABLE, SL_DENIED, SL_INTERNAL};
    for (size_t i = 0; i < N(CODES); i++) {
        struct fixture fixture, *f = &fixture;
        begin(f);
        add_trigger(f, "t", 1, "a");
        sl_memory_bus_fail_publishes(f->bus, 1, CODES[i]);
        cr_expect_eq(drain(f, NOW_US), 1, "%s", sl_code_name(CODES[i]));
        cr_expect_eq(drain(f, NOW_US + 60000000), 0, "%s", sl_code_name(CODES[i]));
        end(f);
    }
}

/* RULES 25 */
Test(outbox, a_dead_letter_that_is_refused_stays_with_us)
{
    static const char ATTRIBUTES[] = "{\"origin\":\"x\",\"sluice_reject_reason\":\"too_large\",\"sluice_reject_detail\":\"10000001 "
                                     "bytes\",\"sluice_source_subscription\":\"s\","
                                     "\"sluice_source_topic\":\"t\",\"sluice_source_message_id\":\"m1\",\"sluice_source_publish_time\":"
                                     "\"2025-01-02T03:04:05Z\",\"sluice_replay_count\":\"0\"}";
    static const struct {
        const char *label;
        size_t len;
        enum sl_code code;
        bool refused;
    } CASES[] = {
        {"invalid", 3, SL_INVALID, true},      {"too large by its size", 10000000, SL_UNAVAILABLE, true},
        {"a quota", 3, SL_UNAVAILABLE, false}, {"no such topic", 3, SL_NOT_FOUND, false},
        {"denied", 3, SL_DENIED, false},
    };
    char *data = malloc(10000000);
    memset(data, 'x', 10000000);
    for (size_t i = 0; i < N(CASES); i++) {
        struct fixture fixture, *f = &fixture;
        struct sl_reject_row *rejects;
        size_t n;
        begin(f);
        add(f, SL_OUTBOX_DEAD_LETTER, "dlq", SL_DATE_NONE, data, CASES[i].len, ATTRIBUTES);
        add(f, SL_OUTBOX_DEAD_LETTER, "dlq", SL_DATE_NONE, "next", 4, "{}");
        sl_memory_bus_fail_publishes(f->bus, CASES[i].code == SL_INVALID ? 2 : 1, CASES[i].code); /* together, then alone */
        cr_expect_eq(drain(f, NOW_US), CASES[i].refused ? 0 : 2, "%s", CASES[i].label);
        cr_expect_str_eq(published(f), CASES[i].refused ? "dlq:next" : "", "%s", CASES[i].label);
        expect_ok(sl_ledger_rejects(f->ledger, 0, &rejects, &n, &f->arena, &f->err));
        cr_expect_eq(n, CASES[i].refused, "%s", CASES[i].label);
        if (n == 1) {
            expect_ok(sl_ledger_rejects(f->ledger, rejects[0].id, &rejects, &n, &f->arena, &f->err));
            cr_expect(rejects[0].len == CASES[i].len && memcmp(rejects[0].data, data, CASES[i].len) == 0, "%s", CASES[i].label);
            cr_expect_str_eq(rejects[0].attributes, "{\"origin\":\"x\"}");
            cr_expect_str_eq(rejects[0].code, "too_large");
            cr_expect_str_eq(rejects[0].detail, "10000001 bytes");
            cr_expect(sl_str_eq(rejects[0].subscription, "s") && sl_str_eq(rejects[0].message_id, "m1") &&
                      sl_str_eq(rejects[0].phase, "one"));
            cr_expect_eq(rejects[0].publish_us, 1735787045000000LL);
            cr_expect_eq(rejects[0].received_us, NOW_US - 5);
        }
        end(f);
    }
    free(data);
}

/* One worker at a time has a SQLite ledger: what the one before had claimed doesn't wait for the claim's end. */
Test(outbox, claims_of_a_worker_that_died)
{
    struct fixture fixture, *f = &fixture;
    struct sl_outbox_row *rows;
    size_t n;
    begin(f);
    add_trigger(f, "t", 1, "a");
    sl_memory_bus_fail_publishes(f->bus, 1, SL_UNAVAILABLE);
    cr_expect_eq(drain(f, NOW_US), 1, "claimed, tried");
    expect_ok(sl_ledger_outbox_claim(f->ledger, "worker", NOW_US + 2000000, NOW_US + 60000000, 0, &rows, &n, &f->arena, &f->err));
    cr_assert_eq(n, 1);
    sl_worker_destroy(&f->worker);
    sl_worker_create(&f->worker, f->config, f->ledger, NULL, f->bus, NULL);
    cr_expect_eq(drain(f, NOW_US + 3000000), 0);
    cr_expect_str_eq(published(f), "t:a");
    end(f);
}

/* A claim is held in memory: large bodies end it early, and the next one goes on. */
Test(outbox, large_bodies_go_in_several_claims)
{
    struct fixture fixture, *f = &fixture;
    struct sl_outbox_row *rows;
    char *data = malloc(9000000);
    size_t n;
    begin(f);
    memset(data, 'y', 9000000);
    for (int i = 0; i < 3; i++)
        add(f, SL_OUTBOX_DEAD_LETTER, "dlq", SL_DATE_NONE, data, 9000000, "{}");
    expect_ok(sl_ledger_outbox_claim(f->ledger, "worker", NOW_US, NOW_US + 1, 0, &rows, &n, &f->arena, &f->err));
    cr_expect_eq(n, 2);
    cr_expect_eq(drain(f, NOW_US), 0);
    free(data);
    end(f);
}
