/* test_replay_run.c - whole replays in this process, on a broker of our own, with windows that are smaller than what lies there. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <sluice/replay.h>
#include <sluice/worker.h>

static const char CONFIG[] = "version: 1\n"
                             "pipeline: p\n"
                             "timezone: UTC\n"
                             "bus: {type: embedded, project: prj, listen: \"127.0.0.1:0\", path: broker}\n"
                             "ledger: {type: sqlite, path: ledger.db}\n"
                             "warehouse: {type: sqlite, path: warehouse}\n"
                             "message: {fields: {date: [day]}}\n"
                             "coverage: {log: l.log}\n"
                             "phases:\n"
                             "  - name: one\n"
                             "    completions: {topic: one-done, subscription: one-sub, dead_letter_topic: dead}\n"
                             "    processors: [{name: a, required: critical}]\n";

static const char GOOD[] = "{\"processor_name\":\"a\",\"phase\":\"one\",\"execution_id\":\"e%zu\",\"day\":\"2025-01-0%zu\","
                           "\"status\":\"success\",\"record_count\":1,\"timestamp\":\"2025-01-10T00:00:00Z\",\"ballast\":\"%s\"}";

struct fixture {
    char dir[64];
    struct sl_config *config;
    struct sl_service *service;
    struct sl_warehouse *warehouse;
    struct sl_ops ops;
    struct sl_letter_box box;
    struct sl_replay_options options;
    struct sl_replay_counts counts;
    volatile int stop;
    struct sl_arena arena;
    struct sl_err err;
};

#define MUST(call) cr_assert_eq((call), SL_OK, "%s: %s", #call, f->err.text)

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static void made_one(void *arg, const char *kind, const char *name)
{
    (void)arg, (void)kind, (void)name;
}

static void begin(struct fixture *f)
{
    static const struct sl_service_options BRIEF = {.getenv_fn = no_env, .wait_ms = -1, .brief = true};
    const char **made;
    size_t n;
    *f = (struct fixture){.dir = "/tmp/sluice-replays-XXXXXX"};
    cr_assert_not_null(mkdtemp(f->dir));
    MUST(sl_config_parse(&f->config, CONFIG, sizeof CONFIG - 1, "test", f->dir, NULL, 0, NULL, NULL, &f->err));
    MUST(sl_ledger_open(&f->ops.ledger, f->config, SL_LEDGER_WRITE, &f->err));
    MUST(sl_warehouse_open(&f->warehouse, f->config, &f->err));
    MUST(sl_warehouse_init(f->warehouse, f->config, &made, &n, &f->arena, &f->err));
    MUST(sl_service_open(&f->service, f->config, &BRIEF, &f->err));
    MUST(sl_bus_init(sl_service_peer(f->service), f->config, made_one, NULL, &f->err));
    f->ops.config = f->config;
    f->ops.warehouse = f->warehouse;
    f->ops.now_us = INT64_C(1736500000000000); /* 2025-01-10 */
    f->box = (struct sl_letter_box){.subscription = "projects/prj/subscriptions/dead-sub",
                                    .topic = "projects/prj/topics/dead",
                                    .phase = &f->config->phases[0],
                                    .is_there = true};
    f->options = (struct sl_replay_options){
        .policy = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .max_replays = 3}, .box = &f->box, .stop = &f->stop, .pause = pause_ms};
}

static void end(struct fixture *f)
{
    char command[128];
    sl_service_close(&f->service);
    sl_warehouse_destroy(&f->warehouse);
    sl_ledger_destroy(&f->ops.ledger);
    sl_config_destroy(&f->config);
    sl_arena_fini(&f->arena);
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    cr_assert_eq(system(command), 0);
}

static void on_published(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *why)
{
    (void)arg, (void)index, (void)id;
    cr_assert_eq(code, SL_OK, "%s", why ? why->text : "");
}

static char *text_of(size_t i, bool good, size_t bytes)
{
    struct sl_buf out = {0};
    char *ballast = calloc(1, bytes + 1);
    memset(ballast, 'x', bytes);
    sl_buf_printf(&out, good ? GOOD : "no completion %zu %zu %s", i, i % 9 + 1, ballast);
    free(ballast);
    return out.data;
}

/* Dead letters from number `from` on, with so much ballast each. */
static void lay(struct fixture *f, size_t from, size_t n, bool good, size_t bytes)
{
    const struct sl_attribute reason = {"sluice_reject_reason", good ? "unknown_phase" : "not_json"};
    struct sl_grpc_publisher *publisher;
    MUST(sl_grpc_publisher_create(&publisher, sl_service_peer(f->service), f->box.topic, NULL, on_published, NULL, &f->err));
    for (size_t i = from; i < from + n; i++) {
        char *text = text_of(i, good, bytes);
        MUST(sl_grpc_publisher_add(publisher, text, strlen(text), &reason, 1, &f->err));
        free(text);
    }
    MUST(sl_grpc_publisher_flush(publisher, &f->err));
    sl_grpc_publisher_destroy(&publisher);
}

static enum sl_code replay(struct fixture *f)
{
    return sl_replay_run(&f->ops, f->service, &f->options, &f->counts, &f->err);
}

static bool one_more(void *arg, const struct sl_dead_letter *letter)
{
    (void)letter;
    ++*(size_t *)arg;
    return true;
}

static size_t count_letters(struct fixture *f)
{
    struct sl_letter_look look;
    size_t n = 0;
    MUST(sl_letters_look(&look, &f->box, f->service, f->config, f->ops.now_us, one_more, &n, &f->stop, &f->err));
    return n;
}

Test(replay_run, a_window_is_used_again_and_again)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    lay(f, 0, 60, true, 1000);
    f->options.window_messages = 7;
    MUST(replay(f));
    cr_expect_eq(f->counts.replayed, 60);
    f->options.window_messages = 0;
    f->options.window_bytes = 5000;
    lay(f, 60, 60, true, 1000);
    MUST(replay(f));
    cr_expect_eq(f->counts.replayed, 60);
    cr_expect_eq(count_letters(f), 0);
    end(f);
}

Test(replay_run, what_has_gone_costs_no_memory)
{
    struct rusage before, after;
    struct fixture fixture, *f = &fixture;
    begin(f);
    lay(f, 0, 200, true, 1000000);
    f->options.window_bytes = 8000000;
    getrusage(RUSAGE_SELF, &before);
    MUST(replay(f));
    getrusage(RUSAGE_SELF, &after);
    cr_expect_eq(f->counts.replayed, 200);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    cr_expect_lt(after.ru_maxrss - before.ru_maxrss, 100000, "%ld KB more for 200 MB of letters", after.ru_maxrss - before.ru_maxrss);
#endif
    end(f);
}

/* What is rejected again is published while the replay goes on, and comes to it. */
Test(replay_run, its_own_copies_fill_no_window)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    lay(f, 0, 40, false, 10);
    f->options.window_messages = 10;
    f->options.rate = 20; /* the outbox is emptied every second */
    MUST(replay(f));
    cr_expect_eq(f->counts.matched, 40);
    cr_expect_eq(f->counts.rejected, 40);
    cr_expect_eq(f->counts.outbox, 0);
    cr_expect_eq(count_letters(f), 40);
    end(f);
}

Test(replay_run, what_is_not_meant_is_in_the_way)
{
    struct fixture fixture, *f = &fixture;
    struct sl_letter_filter *filter;
    begin(f);
    lay(f, 0, 12, false, 10);
    lay(f, 12, 3, true, 10);
    MUST(sl_letter_filter_parse(&filter, "reason = unknown_phase", f->config, 20098, &f->arena, &f->err));
    f->options.policy.filter = filter;
    f->options.window_messages = 10;
    cr_expect_eq(replay(f), SL_CONFLICT);
    cr_expect_not_null(strstr(f->err.text, "letters that are not meant are held, and more wait behind them"), "%s", f->err.text);
    cr_expect_eq(f->counts.replayed, 0);
    cr_expect_eq(count_letters(f), 15);
    f->options.window_messages = 20;
    MUST(replay(f));
    cr_expect_eq(f->counts.replayed, 3);
    cr_expect_eq(count_letters(f), 12);
    end(f);
}

Test(replay_run, the_ledgers_list_has_windows_too)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    for (size_t i = 0; i < 30; i++) {
        char *text = text_of(i, i % 3 > 0, 1000);
        const struct sl_reject_row row = {.received_us = f->ops.now_us,
                                          .phase = "one",
                                          .subscription = "one-sub",
                                          .message_id = "1",
                                          .code = "unknown_phase",
                                          .detail = "",
                                          .data = text,
                                          .len = strlen(text),
                                          .attributes = "{}"};
        MUST(sl_ledger_begin(f->ops.ledger, &f->err));
        MUST(sl_ledger_reject_add(f->ops.ledger, &row, &f->err));
        MUST(sl_ledger_commit(f->ops.ledger, &f->err));
        free(text);
    }
    f->options.box = NULL;
    f->options.window_bytes = 5000;
    MUST(replay(f));
    cr_expect_eq(f->counts.read, 30);
    cr_expect_eq(f->counts.replayed, 20);
    cr_expect_eq(f->counts.rejected, 10);
    end(f);
}
