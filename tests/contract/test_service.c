/* test_service.c - which bus a command gets, and what init makes on it: with brokers of our own, in this process. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/broker.h>
#include <sluice/dead_letters.h>
#include <sluice/file.h>
#include <sluice/grpc_bus.h>
#include <sluice/service.h>

#include "fake_pubsub.h"
#include "support/own_port.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char CONFIG[] = "version: 1\n"
                             "pipeline: p\n"
                             "timezone: UTC\n"
                             "bus: {type: %s, project: prj, listen: \"127.0.0.1:0\", path: broker}\n"
                             "coverage: {log: l.log}\n"
                             "phases:\n"
                             "  - name: one\n"
                             "    completions: {topic: one-done, subscription: one-sub, dead_letter_topic: dead}\n"
                             "    processors: [{name: a, required: critical}]\n"
                             "  - name: two\n"
                             "    after: [one]\n"
                             "    started_by: {topic: two-go}\n"
                             "    completions: {topic: projects/other/topics/two-done, subscription: two-sub, dead_letter_topic: dead}\n"
                             "    processors: [{name: b, required: critical}]\n";

struct fixture {
    char dir[64];
    struct sl_config *config;
    struct sl_arena arena;
    struct sl_err err;
    char made[2048];
};

#define expect_ok(call) cr_assert_eq((call), SL_OK, "%s: %s", #call, f->err.text)

static void begin(struct fixture *f, const char *type)
{
    struct sl_buf text = {0};
    *f = (struct fixture){.dir = "/tmp/sluice-service-XXXXXX"};
    cr_assert_not_null(mkdtemp(f->dir));
    const char *at = strstr(CONFIG, "%s");
    sl_buf_add(&text, CONFIG, (size_t)(at - CONFIG));
    sl_buf_str(&text, type);
    sl_buf_str(&text, at + 2);
    expect_ok(sl_config_parse(&f->config, sl_buf_text(&text), text.len, "test", f->dir, NULL, 0, NULL, NULL, &f->err));
    sl_buf_fini(&text);
}

static void end(struct fixture *f)
{
    static const char *const FILES[] = {"broker/lock", "broker/broker.db", "broker/broker.db-wal", "broker/broker.db-shm", "broker"};
    sl_config_destroy(&f->config);
    sl_arena_fini(&f->arena);
    for (size_t i = 0; i < N(FILES); i++) {
        char *path = sl_path_join(f->dir, FILES[i]);
        if (i + 1 < N(FILES))
            unlink(path);
        else
            rmdir(path);
        free(path);
    }
    cr_expect_eq(rmdir(f->dir), 0, "%s is not empty", f->dir);
}

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static const char *some_host(const char *name)
{
    return strcmp(name, "PUBSUB_EMULATOR_HOST") == 0 ? "http://127.0.0.1:1/" : NULL;
}

static const char *no_key(const char *name)
{
    return strcmp(name, "GOOGLE_APPLICATION_CREDENTIALS") == 0 ? "/none/key.json" : NULL;
}

static const struct sl_service_options PLAIN = {.getenv_fn = no_env, .wait_ms = -1};

static void note(void *arg, const char *kind, const char *name)
{
    struct fixture *f = arg;
    size_t len = strlen(f->made);
    const char *last = strrchr(name, '/');
    snprintf(f->made + len, sizeof f->made - len, "%s %s\n", kind, last ? last + 1 : name);
}

static const char *init(struct fixture *f, const struct sl_service *service)
{
    f->made[0] = '\0';
    expect_ok(sl_bus_init(sl_service_peer(service), f->config, note, f, &f->err));
    return f->made;
}

Test(service, init_makes_what_is_missing)
{
    struct fixture fixture, *f = &fixture;
    struct sl_service *service;
    begin(f, "embedded");
    expect_ok(sl_service_open(&service, f->config, &PLAIN, &f->err));
    cr_expect(sl_service_is_ours(service));
    expect_ok(sl_service_reach(service, &f->err));
    cr_expect_str_eq(init(f, service),
                     "topic one-done\ntopic dead\ntopic two-go\ntopic two-done\nsubscription one-sub\nsubscription two-sub\n"
                     "subscription dead-sub\nsubscription two-go-sub\n");
    cr_expect_str_eq(init(f, service), "", "nothing is missing now");
    sl_service_close(&service);
    expect_ok(sl_service_open(&service, f->config, &PLAIN, &f->err));
    cr_expect_str_eq(init(f, service), "", "and it is kept");
    sl_service_close(&service);
    end(f);
}

/* Somebody else's subscriptions and policies count; only what is missing is added. */
Test(service, init_keeps_what_is_there)
{
    struct fixture fixture, *f = &fixture;
    struct sl_service *service;
    struct sl_pubsub_admin *admin;
    struct sl_pubsub_subscription found;
    begin(f, "embedded");
    expect_ok(sl_service_open(&service, f->config, &PLAIN, &f->err));
    expect_ok(sl_pubsub_admin_create(&admin, sl_service_peer(service), &f->err));
    expect_ok(sl_pubsub_admin_create_topic(admin, &(struct sl_pubsub_topic){.name = "projects/prj/topics/one-done"}, &f->err));
    expect_ok(sl_pubsub_admin_create_topic(admin, &(struct sl_pubsub_topic){.name = "projects/prj/topics/two-go"}, &f->err));
    const struct sl_pubsub_subscription own = {.name = "projects/prj/subscriptions/one-sub",
                                               .topic = "projects/prj/topics/one-done",
                                               .ack_deadline_s = 30,
                                               .retention_ms = 3600000,
                                               .has_retry = true,
                                               .min_backoff_ms = 1000,
                                               .max_backoff_ms = 2000};
    const struct sl_pubsub_subscription listener = {
        .name = "projects/prj/subscriptions/listener", .topic = "projects/prj/topics/two-go", .ack_deadline_s = 10};
    expect_ok(sl_pubsub_admin_create_subscription(admin, &own, &f->err));
    expect_ok(sl_pubsub_admin_create_subscription(admin, &listener, &f->err));
    cr_expect_str_eq(init(f, service), "topic dead\ntopic two-done\npolicy one-sub\nsubscription two-sub\nsubscription dead-sub\n");
    expect_ok(sl_pubsub_admin_get_subscription(admin, own.name, &found, &f->arena, &f->err));
    cr_expect(found.ack_deadline_s == 30 && found.min_backoff_ms == 1000 && found.max_backoff_ms == 2000);
    cr_expect(sl_str_eq(found.dead_letter_topic, "projects/prj/topics/dead") && found.max_delivery_attempts == 100);
    expect_ok(sl_pubsub_admin_get_subscription(admin, "projects/prj/subscriptions/two-sub", &found, &f->arena, &f->err));
    cr_expect(found.ack_deadline_s == 60 && found.min_backoff_ms == 10000 && found.max_backoff_ms == 600000 &&
              found.max_delivery_attempts == 100);
    cr_expect_str_eq(found.topic, "projects/other/topics/two-done");
    const struct sl_phase *const phases[] = {&f->config->phases[0], &f->config->phases[1]};
    cr_expect_eq(sl_service_retention_ms(service, phases, 1), 3600000);
    cr_expect_eq(sl_service_retention_ms(service, phases, 2), INT64_C(7) * 86400000, "the service's default");
    expect_ok(sl_pubsub_admin_delete_subscription(admin, "projects/prj/subscriptions/two-sub", &f->err));
    cr_expect_eq(sl_service_retention_ms(service, phases, 2), INT64_C(31) * 86400000, "nobody can say");
    sl_pubsub_admin_destroy(&admin);
    sl_service_close(&service);
    end(f);
}

Test(service, a_subscription_of_another_topic)
{
    struct fixture fixture, *f = &fixture;
    struct sl_service *service;
    struct sl_pubsub_admin *admin;
    begin(f, "embedded");
    expect_ok(sl_service_open(&service, f->config, &PLAIN, &f->err));
    expect_ok(sl_pubsub_admin_create(&admin, sl_service_peer(service), &f->err));
    expect_ok(sl_pubsub_admin_create_topic(admin, &(struct sl_pubsub_topic){.name = "projects/prj/topics/elsewhere"}, &f->err));
    const struct sl_pubsub_subscription own = {
        .name = "projects/prj/subscriptions/one-sub", .topic = "projects/prj/topics/elsewhere", .ack_deadline_s = 30};
    expect_ok(sl_pubsub_admin_create_subscription(admin, &own, &f->err));
    cr_expect_eq(sl_bus_init(sl_service_peer(service), f->config, note, f, &f->err), SL_CONFLICT);
    cr_expect_not_null(strstr(f->err.text, "elsewhere"), "%s", f->err.text);
    sl_pubsub_admin_destroy(&admin);
    sl_service_close(&service);
    end(f);
}

static bool holds(const struct sl_bus_batch *batch, const char *body)
{
    bool found = false;
    for (size_t i = 0; i < batch->n; i++)
        found |= batch->messages[i].message.len == strlen(body) && memcmp(batch->messages[i].message.data, body, strlen(body)) == 0;
    return found;
}

/* Acks what comes until it is there. What was acked to a server that was leaving may come again, alone or beside it. */
static void receive_until(struct fixture *f, struct sl_bus *bus, struct sl_bus_batch *batch, const char *body)
{
    const time_t until = time(NULL) + 60;
    bool found = false;
    while (!found && time(NULL) < until) {
        expect_ok(sl_bus_receive(bus, 10, 1000, 1000, batch, &f->err));
        found = holds(batch, body);
        expect_ok(sl_bus_ack(bus, batch, &f->err));
    }
    cr_assert(found, "%s did not come within a minute", body);
}

/* It answers before it knows that it does. */
static void wait_until_ours(struct sl_service *service)
{
    const time_t until = time(NULL) + 60;
    while (!sl_service_is_ours(service) && time(NULL) < until)
        sched_yield();
    cr_assert(sl_service_is_ours(service), "it did not take over within a minute");
}

/* The holder leaves: who was connected serves, at the same address, with everything that was there. */
Test(service, takes_over)
{
    struct fixture fixture, *f = &fixture;
    struct sl_service *first, *second;
    struct sl_bus *bus;
    struct sl_bus_batch batch = {0};
    const struct sl_phase *phases[1];
    char address[128];
    begin(f, "embedded");
    phases[0] = &f->config->phases[0];
    f->config->bus.listen = sl_arena_printf(&f->arena, "127.0.0.1:%u", own_port());
    expect_ok(sl_service_open(&first, f->config, &PLAIN, &f->err));
    init(f, first);
    expect_ok(sl_service_open(&second, f->config, &PLAIN, &f->err));
    snprintf(address, sizeof address, "%s", sl_service_address(second));
    cr_expect_str_eq(address, sl_service_address(first));
    cr_expect(!sl_service_is_ours(second));
    expect_ok(sl_service_bus(&bus, second, phases, 1, &f->err));
    expect_ok(sl_bus_publish(bus, "one-done", "before", 6, NULL, &f->err));
    int64_t undelivered, leased;
    sl_bus_backlog(bus, &undelivered, &leased);
    cr_expect_eq(undelivered + leased, 1, "asked of the other: %lld, %lld", (long long)undelivered, (long long)leased);
    sl_service_close(&first);
    receive_until(f, bus, &batch, "before");
    for (int i = 0; i < 20 && sl_bus_publish(bus, "one-done", "after", 5, NULL, &f->err) != SL_OK; i++)
        ;
    receive_until(f, bus, &batch, "after");
    wait_until_ours(second);
    cr_expect_str_eq(sl_service_address(second), address);
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&bus);
    sl_service_close(&second);
    end(f);
}

Test(service, what_is_refused)
{
    static const struct {
        const char *label, *type;
        const char *(*env)(const char *);
        enum sl_code code;
        const char *says;
    } CASES[] = {
        {"an emulator that nobody names", "emulator", no_env, SL_INVALID, "is not set"},
        {"an emulator", "emulator", some_host, SL_OK, NULL},
        {"Google, with an emulator", "pubsub", some_host, SL_INVALID, "unset it"},
        {"Google, with a key that is not there", "pubsub", no_key, SL_INVALID, "/none/key.json"},
    };
    for (size_t i = 0; i < N(CASES); i++) {
        struct fixture fixture, *f = &fixture;
        struct sl_service *service = NULL;
        const struct sl_service_options options = {.getenv_fn = CASES[i].env};
        begin(f, CASES[i].type);
        cr_expect_eq(sl_service_open(&service, f->config, &options, &f->err), CASES[i].code, "%s: %s", CASES[i].label, f->err.text);
        if (CASES[i].says)
            cr_expect_not_null(strstr(f->err.text, CASES[i].says), "%s: %s", CASES[i].label, f->err.text);
        if (service) {
            cr_expect_str_eq(sl_service_address(service), "127.0.0.1:1");
            cr_expect_eq(sl_service_reach(service, &f->err), SL_UNAVAILABLE);
            cr_expect(!sl_service_is_ours(service) && !sl_service_failed(service, &f->err));
        }
        sl_service_close(&service);
        end(f);
    }
}

/* A brief command serves on any port when the configured one belongs to somebody else; a worker says so. */
Test(service, port_in_use)
{
    struct fixture one, two, *f = &one;
    struct sl_service *first, *second = NULL;
    begin(&one, "embedded");
    begin(&two, "embedded");
    expect_ok(sl_service_open(&first, one.config, &PLAIN, &one.err));
    two.config->bus.listen = sl_service_address(first);
    cr_expect_eq(sl_service_open(&second, two.config, &PLAIN, &two.err), SL_UNAVAILABLE);
    cr_expect_not_null(strstr(two.err.text, sl_service_address(first)), "%s", two.err.text);
    const struct sl_service_options brief = {.brief = true, .getenv_fn = no_env, .wait_ms = -1};
    f = &two;
    expect_ok(sl_service_open(&second, two.config, &brief, &two.err));
    cr_expect_str_neq(sl_service_address(second), sl_service_address(first));
    sl_service_close(&second);
    sl_service_close(&first);
    end(&one);
    end(&two);
}

/* ---- dead letters that are held ---- */

enum { LIMIT_MS = 60000 };
static char fake_address[64];

static const char *fake_host(const char *name)
{
    return strcmp(name, "PUBSUB_EMULATOR_HOST") == 0 ? fake_address : NULL;
}

/* It comes when it was asked for three times what waits. */
static void *send_late(void *arg)
{
    struct fake *fake = arg;
    struct sl_buf response = {0};
    fake_wait_calls(fake, "Backlog", 3, LIMIT_MS);
    fake_response(&response, (const char *const[]){"late"}, 1);
    fake_send(fake, &response);
    sl_buf_fini(&response);
    return NULL;
}

/* A broker that has nothing waiting, because all of it is leased and on its way to us, is not empty. */
Test(service, what_is_on_its_way_to_a_hold_is_waited_for)
{
    struct fixture fixture, *f = &fixture;
    static struct fake fake;
    const struct sl_service_options options = {.getenv_fn = fake_host};
    const struct sl_letter_box box = {.subscription = "projects/prj/subscriptions/dead-sub"};
    const volatile int stop = 0;
    struct sl_service *service;
    struct sl_letter_hold *hold;
    struct sl_dead_letter *letters;
    size_t n;
    bool full;
    pthread_t sender;
    begin(f, "emulator");
    fake_start(&fake, "127.0.0.1:0");
    snprintf(fake_address, sizeof fake_address, "%s", fake.address);
    sl_buf_add(&fake.reply, "\x10\x01", 2); /* none waits, one is leased */
    expect_ok(sl_service_open(&service, f->config, &options, &f->err));
    expect_ok(sl_letter_hold_open(&hold, &box, service, f->config, 10, 100000, &f->err));
    cr_assert_eq(pthread_create(&sender, NULL, send_late, &fake), 0);
    expect_ok(sl_letter_hold_fill(hold, 0, &stop, &letters, &n, &full, &f->arena, &f->err));
    cr_expect_eq(n, 1, "%zu letters", n);
    pthread_join(sender, NULL);
    sl_letter_hold_close(&hold);
    sl_service_close(&service);
    fake_fini(&fake);
    end(f);
}
