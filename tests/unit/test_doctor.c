/* test_doctor.c - what the doctor makes of what it was told: variables, disk, clock, subscriptions, grants. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/doctor.h>
#include <sluice/grpc_bus.h>

#define N(table) (sizeof(table) / sizeof((table)[0]))

struct fixture {
    struct sl_arena arena;
    struct sl_config config;
    struct sl_doctor doctor;
};

static void set_up(struct fixture *f)
{
    *f = (struct fixture){0};
    f->config.environment = "dev";
    f->config.bus.project = "p";
    f->config.retention.inbox_ms = -1;
    f->doctor = (struct sl_doctor){.config = &f->config, .arena = &f->arena, .outage_ms = INT64_C(3) * 86400000, .batch_ms = 50};
}

/* "health check; ..." of everything that was found, worst first, without what is fine. */
static const char *findings(struct fixture *f, size_t *n)
{
    struct sl_buf text = {0};
    *n = sl_doctor_sort(&f->doctor);
    for (size_t i = 0; i < f->doctor.n; i++)
        if (f->doctor.results[i].health != SL_HEALTH_OK)
            sl_buf_printf(&text, "%s %s; ", sl_health_name(f->doctor.results[i].health), f->doctor.results[i].check);
    const char *out = sl_arena_strdup(&f->arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return out;
}

/* ---- the environment ---- */

static const char *pubsub_host, *bigquery_host, *credentials;

static const char *fake_env(const char *name)
{
    if (strcmp(name, "PUBSUB_EMULATOR_HOST") == 0)
        return pubsub_host;
    if (strcmp(name, "BIGQUERY_EMULATOR_HOST") == 0)
        return bigquery_host;
    return strcmp(name, "GOOGLE_APPLICATION_CREDENTIALS") == 0 ? credentials : NULL;
}

Test(doctor, emulator_variables)
{
    static const struct {
        const char *label;
        enum sl_bus_type bus;
        const char *environment, *pubsub, *bigquery, *expected;
    } cases[] = {
        {"nothing", SL_BUS_EMBEDDED, "prod", NULL, NULL, ""},
        {"empty is unset", SL_BUS_PUBSUB, "prod", "", "", ""},
        {"pubsub with it", SL_BUS_PUBSUB, "dev", "h:1", NULL, "critical emulator; "},
        {"an emulator without it", SL_BUS_EMULATOR, "dev", NULL, NULL, "critical emulator; "},
        {"an emulator with it", SL_BUS_EMULATOR, "dev", "h:1", NULL, ""},
        {"an emulator in production", SL_BUS_EMULATOR, "production", "h:1", NULL, "critical emulator; "},
        {"ignored", SL_BUS_EMBEDDED, "dev", "h:1", NULL, "warning emulator; "},
        {"another one's in production", SL_BUS_EMBEDDED, "prod", NULL, "h:2", "critical emulator; "},
        {"another one's elsewhere", SL_BUS_EMBEDDED, "dev", NULL, "h:2", ""},
        {"both", SL_BUS_PUBSUB, "prod", "h:1", "h:2", "critical emulator; critical emulator; "},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        size_t n;
        set_up(&f);
        f.config.bus.type = cases[i].bus;
        f.config.environment = cases[i].environment;
        pubsub_host = cases[i].pubsub;
        bigquery_host = cases[i].bigquery;
        credentials = NULL;
        sl_doctor_environment(&f.doctor, fake_env);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "%s", cases[i].label);
        sl_arena_fini(&f.arena);
    }
}

Test(doctor, who_reaches_the_broker)
{
    static const struct {
        const char *listen, *expected;
    } cases[] = {{"127.0.0.1:8085", ""},
                 {"127.0.0.2:0", ""},
                 {"localhost:8085", ""},
                 {"[::1]:8085", ""},
                 {"unix:/run/sluice/broker.sock", ""},
                 {"0.0.0.0:8085", "warning listen; "},
                 {"[::]:8085", "warning listen; "},
                 {"10.0.0.7:8085", "warning listen; "},
                 {"broker.example.com:8085", "warning listen; "}};
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        size_t n;
        set_up(&f);
        f.config.bus.listen = cases[i].listen;
        pubsub_host = bigquery_host = credentials = NULL;
        sl_doctor_environment(&f.doctor, fake_env);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "%s", cases[i].listen);
        f.config.bus.type = SL_BUS_EMULATOR;
        pubsub_host = "127.0.0.1:1";
        f.doctor.n = 0;
        sl_doctor_environment(&f.doctor, fake_env);
        cr_expect_str_eq(findings(&f, &n), "", "only our own broker listens there");
        sl_arena_fini(&f.arena);
    }
}

Test(doctor, credentials_that_are_none)
{
    static const struct {
        const char *content, *expected; /* NULL: no such file */
    } cases[] = {{"{\"type\":\"service_account\",\"private_key\":\"s3cret\"}", ""},
                 {"{\"type\":7}", "critical credentials; "},
                 {"-----BEGIN", "critical credentials; "},
                 {"", "critical credentials; "},
                 {NULL, "critical credentials; "}};
    for (size_t i = 0; i < N(cases); i++) {
        char path[] = "/tmp/test_doctor.XXXXXX";
        struct fixture f;
        size_t n;
        set_up(&f);
        f.config.bus.type = SL_BUS_PUBSUB;
        int fd = mkstemp(path);
        FILE *file = fdopen(fd, "w");
        fputs(cases[i].content ? cases[i].content : "", file);
        fclose(file);
        if (!cases[i].content)
            remove(path);
        pubsub_host = bigquery_host = NULL;
        credentials = path;
        sl_doctor_environment(&f.doctor, fake_env);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "case %zu", i);
        for (size_t k = 0; k < f.doctor.n; k++)
            cr_expect(!strstr(f.doctor.results[k].text, "s3cret"));
        remove(path);
        sl_arena_fini(&f.arena);
    }
}

/* ---- disk and clock ---- */

Test(doctor, disk)
{
    static const struct {
        int64_t free_mb, total_mb;
        const char *expected;
    } cases[] = {{100000, 200000, ""},          {150, 200000, "critical disk; "}, {900, 200000, "warning disk; "},
                 {900, 1000, "warning disk; "}, {5000, 200000, "warning disk; "}, {20000, 1000000, ""},
                 {0, 0, "critical disk; "}};
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        size_t n;
        set_up(&f);
        sl_doctor_disk(&f.doctor, "here", cases[i].free_mb * 1000000, cases[i].total_mb * 1000000);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "case %zu", i);
        sl_arena_fini(&f.arena);
    }
}

Test(doctor, clocks)
{
    static const struct {
        const char *label;
        struct sl_clock_facts facts;
        const char *expected;
    } cases[] = {
        {"fine", {true, true, 1000, 100000000, 99000000, 0, 5}, ""},
        {"nobody knows", {false, false, 0, 100000000, 0, 0, 0}, "unknown clock; unknown clock; "},
        {"not synchronised", {true, false, 0, 100000000, 0, 0, 1}, "unknown clock; "},
        {"far off", {true, true, 5000000, 100000000, 0, 0, 1}, "warning clock; "},
        {"set back", {true, true, 0, 100000000, 200000000, 0, 1}, "critical clock; "},
        {"the bus is ahead", {true, true, 0, 100000000, 0, 3000000, 1}, "warning clock; "},
        {"a little ahead", {true, true, 0, 100000000, 101000000, 1500000, 1}, ""},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        size_t n;
        set_up(&f);
        sl_doctor_clock(&f.doctor, &cases[i].facts);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "%s", cases[i].label);
        sl_arena_fini(&f.arena);
    }
}

/* ---- the bus ---- */

static struct sl_pubsub_subscription as_made(void)
{
    return (struct sl_pubsub_subscription){.name = "s",
                                           .topic = "t",
                                           .ack_deadline_s = 60,
                                           .dead_letter_topic = "d",
                                           .max_delivery_attempts = 100,
                                           .has_retry = true,
                                           .min_backoff_ms = 10000,
                                           .max_backoff_ms = 600000};
}

Test(doctor, subscriptions)
{
    static const struct {
        const char *label;
        int attempts, deadline_s;
        int64_t retention_ms, inbox_ms, batch_ms;
        const char *topic, *letters, *filter;
        bool no_retry, detached;
        const char *expected;
    } cases[] = {
        {"as it is made", 100, 60, 0, -1, 50, "t", "d", "", false, false, ""},
        {"least and default attempts", 5, 60, 0, -1, 50, "t", "d", NULL, false, false, ""},
        {"attempts not said", 0, 60, 0, -1, 50, "t", "d", NULL, false, false, ""},
        {"too few attempts", 4, 60, 0, -1, 50, "t", "d", NULL, false, false, "critical max_delivery_attempts; "},
        {"too many attempts", 101, 60, 0, -1, 50, "t", "d", NULL, false, false, "critical max_delivery_attempts; "},
        {"no dead letters", 0, 60, 0, -1, 50, "t", NULL, NULL, false, false, "critical dead_letter_policy; "},
        {"other dead letters", 100, 60, 0, -1, 50, "t", "e", NULL, false, false, "warning dead_letter_policy; "},
        {"no retry policy", 100, 60, 0, -1, 50, "t", "d", NULL, true, false, "warning retry_policy; "},
        {"another topic", 100, 60, 0, -1, 50, "x", "d", NULL, false, false, "critical subscription; "},
        {"detached", 100, 60, 0, -1, 50, "t", "d", NULL, false, true, "critical subscription; "},
        {"a filter", 100, 60, 0, -1, 50, "t", "d", "attributes:a", false, false, "warning filter; "},
        {"slow batches", 100, 10, 0, -1, 6000, "t", "d", NULL, false, false, "warning ack_deadline; "},
        {"batches not measured", 100, 10, 0, -1, -1, "t", "d", NULL, false, false, "unknown ack_deadline; "},
        {"kept for a day", 100, 60, 86400000, -1, 50, "t", "d", NULL, false, false, "warning retention; "},
        {"kept for three days", 100, 60, INT64_C(3) * 86400000, -1, 50, "t", "d", NULL, false, false, ""},
        {"forgotten too soon", 100, 60, 0, 86400000, 50, "t", "d", NULL, false, false, "warning inbox; "},
        {"everything", 3, 10, 60000, 1000, 50000, "x", "d", "f", true, false,
         "critical subscription; critical max_delivery_attempts; warning filter; warning retry_policy; warning ack_deadline; warning "
         "retention; warning inbox; "},
    };
    for (size_t i = 0; i < N(cases); i++) {
        const struct sl_pubsub_subscription wanted = as_made();
        struct sl_pubsub_subscription found = wanted;
        struct fixture f;
        size_t n;
        set_up(&f);
        found.topic = cases[i].topic;
        found.dead_letter_topic = cases[i].letters;
        found.max_delivery_attempts = cases[i].attempts;
        found.ack_deadline_s = cases[i].deadline_s;
        found.retention_ms = cases[i].retention_ms;
        found.filter = cases[i].filter;
        found.has_retry = !cases[i].no_retry;
        found.detached = cases[i].detached;
        f.config.retention.inbox_ms = cases[i].inbox_ms;
        f.doctor.batch_ms = cases[i].batch_ms;
        sl_doctor_subscription(&f.doctor, &wanted, &found);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "%s", cases[i].label);
        sl_arena_fini(&f.arena);
    }
}

Test(doctor, a_subscription_that_is_not_there)
{
    const struct sl_pubsub_subscription wanted = as_made();
    struct fixture f;
    size_t n;
    set_up(&f);
    sl_doctor_subscription(&f.doctor, &wanted, NULL);
    cr_expect_str_eq(findings(&f, &n), "critical subscription; ");
    cr_expect_eq(n, 1);
    cr_expect_str_eq(f.doctor.results[0].help, "sluice init");
    sl_arena_fini(&f.arena);
}

Test(doctor, who_listens)
{
    struct sl_pubsub_subscription found = as_made();
    struct fixture f;
    size_t n;
    set_up(&f);
    sl_doctor_watched(&f.doctor, "dead letters", "d", NULL, 0);
    sl_doctor_watched(&f.doctor, "triggers", "t", NULL, 0);
    sl_doctor_watched(&f.doctor, "dead letters", "d", &found, 1);
    found.dead_letter_topic = NULL;
    sl_doctor_watched(&f.doctor, "dead letters", "d", &found, 1);
    cr_expect_str_eq(findings(&f, &n), "critical watched; warning watched; warning watched; ");
    cr_expect_eq(f.doctor.n, 4);
    sl_arena_fini(&f.arena);
}

Test(doctor, grants_of_the_agent)
{
    static const char AGENT[] = "serviceAccount:service-12345@gcp-sa-pubsub.iam.gserviceaccount.com";
    static const struct {
        struct sl_grant grant;
        const char *expected;
    } cases[] = {
        {{"roles/pubsub.publisher", AGENT}, ""},
        {{"roles/pubsub.editor", AGENT}, ""},
        {{"roles/pubsub.subscriber", AGENT}, "warning grant; "},
        {{"roles/pubsub.publisher", "serviceAccount:service-12345@example.iam.gserviceaccount.com"}, "warning grant; "},
        {{"roles/pubsub.publisher", "user:a@example.com"}, "warning grant; "},
        {{"", ""}, "warning grant; "},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct fixture f;
        size_t n;
        set_up(&f);
        sl_doctor_agent_grant(&f.doctor, "d", "roles/pubsub.publisher", &cases[i].grant, 1);
        cr_expect_str_eq(findings(&f, &n), cases[i].expected, "case %zu", i);
        sl_arena_fini(&f.arena);
    }
}
