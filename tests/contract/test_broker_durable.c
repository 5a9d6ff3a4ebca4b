/* The embedded broker when things end badly: killed, no room, somebody else there. */
#define _GNU_SOURCE /* unshare() */
#include <criterion/criterion.h>
#include <sqlite3.h>

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "broker_bed.h"

#if defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif

/* AddressSanitizer keeps what was freed for a while, ThreadSanitizer shadows everything. */
#if defined(WITH_TSAN) || defined(__SANITIZE_ADDRESS__)
#define MEMORY_MAX_KIB LONG_MAX
#else
#define MEMORY_MAX_KIB (100L * 1024)
#endif

#ifdef WITH_TSAN
#define SKIP_UNDER_TSAN() cr_skip("ThreadSanitizer can't follow a fork that starts threads")
#else
#define SKIP_UNDER_TSAN() ((void)0)
#endif

Test(broker_durable, killed_with_messages_acked_nacked_and_waiting)
{
    struct bed bed;
    struct gots gots = {0};
    SKIP_UNDER_TSAN();
    bed_open_child(&bed);
    make_topic(&bed, TOPIC);
    make_topic(&bed, DLQ);
    make_sub_like(&bed, (struct sl_pubsub_subscription){.dead_letter_topic = DLQ});
    publish_many(&bed, TOPIC, "m", 2000, 50);
    pull(&bed, SUB, 1000, true, &gots);
    cr_assert_eq(gots.n, 1000);
    for (size_t i = 0; i < 1000; i += 2) /* in holes, so that the floor can't move */
        ack(&bed, SUB, &gots, i + 1, 1);
    cr_assert_eq(modify(&bed, SUB, &gots, 10, 1, 0), SL_RPC_OK);
    bed_kill_child(&bed);
    expect_backlog(&bed, SUB, 1500, 0);
    struct gots again = {0};
    size_t n = 0;
    while (n < 1500) {
        pull(&bed, SUB, 1000, false, &again);
        cr_assert_gt(again.n, 0);
        for (size_t i = 0; i < again.n; i++, n++) {
            size_t number = strtoul(again.items[i].text + 1, NULL, 10);
            cr_assert(number >= 1000 || number % 2 == 0, "%zu was acked", number);
            cr_assert_eq(again.items[i].attempt, number == 10 ? 2 : 1, "%zu", number);
        }
        ack(&bed, SUB, &again, 0, again.n);
    }
    ack(&bed, SUB, &gots, 0, 1000); /* ids of the earlier process, of messages that are acked */
    expect_backlog(&bed, SUB, 0, 0);
    gots_fini(&gots);
    gots_fini(&again);
    bed_close(&bed);
}

Test(broker_durable, an_ack_of_an_earlier_process_counts)
{
    struct bed bed;
    struct gots gots = {0};
    bed_open_with_sub(&bed, NULL);
    publish_many(&bed, TOPIC, "m", 3, 0);
    pull(&bed, SUB, 3, true, &gots);
    bed_restart(&bed);
    ack(&bed, SUB, &gots, 1, 1);
    cr_expect_eq(modify(&bed, SUB, &gots, 0, 1, 0), SL_RPC_OK, "a nack of an earlier process means nothing");
    expect_backlog(&bed, SUB, 2, 0);
    pull(&bed, SUB, 3, true, &gots);
    cr_assert_eq(gots.n, 2);
    cr_expect_str_eq(gots.items[0].text, "m0");
    cr_expect_str_eq(gots.items[1].text, "m2");
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker_durable, ids_of_an_emptied_directory_do_not_repeat)
{
    struct bed bed;
    char ids[2][64];
    for (int i = 0; i < 2; i++) {
        bed_open(&bed, NULL);
        make_topic(&bed, TOPIC);
        cr_assert_eq(try_publish(&bed, TOPIC, "x", 1, ids[i]), SL_RPC_OK);
        bed_close(&bed);
    }
    cr_expect_str_neq(ids[0], ids[1]);
    cr_expect_eq(strspn(ids[0], "0123456789"), strlen(ids[0]));
}

Test(broker_durable, one_broker_per_directory_and_its_address_is_found)
{
    struct bed bed;
    struct sl_broker *second;
    struct sl_err err;
    char address[128];
    bed_open(&bed, NULL);
    cr_expect_eq(sl_broker_create(&second, &bed.options, &err), SL_CONFLICT);
    cr_expect_null(second);
    cr_expect_not_null(strstr(err.text, bed.address), "%s", err.text);
    cr_expect_eq(sl_broker_find(address, sizeof(address), bed.dir, &err), SL_OK);
    cr_expect_str_eq(address, bed.address);
    struct bed other = {.dir = "/tmp/sluice-broker-XXXXXX"};
    cr_assert_not_null(mkdtemp(other.dir));
    struct sl_broker_options options = {.path = other.dir, .listen = bed.address};
    cr_expect_eq(sl_broker_create(&second, &options, &err), SL_UNAVAILABLE, "the port is in use");
    bed_stop(&bed);
    cr_expect_eq(sl_broker_find(address, sizeof(address), bed.dir, &err), SL_NOT_FOUND);
    bed_close(&bed);
    bed_close(&other);
    cr_expect_eq(sl_broker_find(address, sizeof(address), other.dir, &err), SL_NOT_FOUND);
}

Test(broker_durable, a_full_disk_refuses_publishes_and_keeps_the_rest)
{
    struct bed bed;
    struct gots gots = {0};
    struct sl_broker_options options = {.max_pages = 200};
    char *data = sl_calloc(1, 100000);
    memset(data, 'x', 100000);
    bed_open_with_sub(&bed, &options);
    size_t n = 0;
    while (try_publish(&bed, TOPIC, data, 100000, NULL) == SL_RPC_OK)
        n++;
    cr_expect_eq(try_publish(&bed, TOPIC, data, 100000, NULL), SL_RPC_RESOURCE_EXHAUSTED, "%s", bed.message);
    cr_expect_not_null(strstr(bed.message, "full"), "%s", bed.message);
    cr_assert_gt(n, 3);
    expect_backlog(&bed, SUB, (int64_t)n, 0);
    cr_expect_not(sl_broker_failed(bed.broker, NULL));
    size_t got = 0;
    while (got < n) {
        pull(&bed, SUB, 100, false, &gots);
        cr_assert_gt(gots.n, 0, "%zu of %zu", got, n);
        got += gots.n;
        ack(&bed, SUB, &gots, 0, gots.n);
    }
    expect_backlog(&bed, SUB, 0, 0);
    /* What was acked has made room. Deleting waits for a quiet moment, so the first tries may still find none. */
    enum sl_rpc_code code = SL_RPC_RESOURCE_EXHAUSTED;
    for (int i = 0; i < 100 && code == SL_RPC_RESOURCE_EXHAUSTED; i++) {
        code = try_publish(&bed, TOPIC, data, 100000, NULL);
        if (code == SL_RPC_RESOURCE_EXHAUSTED)
            pull(&bed, "projects/p/subscriptions/worker", 1, false, &gots); /* waits for a message that does not come */
    }
    cr_expect_eq(code, SL_RPC_OK, "%s", bed.message);
    bed_restart(&bed);
    expect_backlog(&bed, SUB, 1, 0);
    free(data);
    gots_fini(&gots);
    bed_close(&bed);
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    cr_assert_eq(fscanf(file, "%ld %ld", &pages, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

Test(broker_durable, a_backlog_costs_no_memory, .timeout = 300)
{
    struct bed bed;
    struct tap tap;
    bed_open_with_sub(&bed, NULL);
    publish_many(&bed, TOPIC, "warm", 1000, 400);
    long before = resident_kib();
    publish_many(&bed, TOPIC, "m", 100000, 400);
    long grown = resident_kib() - before;
    cr_expect_lt(grown, MEMORY_MAX_KIB, "100,000 messages of 400 bytes cost %ld KiB", grown);
    expect_backlog(&bed, SUB, 101000, 0);
    tap_open(&tap, &bed, &(struct tap_options){.subscription = SUB, .max_messages = 2000});
    for (size_t n = 0; n < 20000; n += 1000) {
        tap_wait(&tap, n + 1000);
        tap_ack(&tap, n, 1000);
    }
    tap_close(&tap);
    bed_close(&bed);
}

static long long file_bytes(const struct bed *bed, const char *name)
{
    char path[128];
    struct stat file;
    snprintf(path, sizeof path, "%s/%s", bed->dir, name);
    cr_assert_eq(stat(path, &file), 0);
    return (long long)file.st_size;
}

/* A bed on a disk of its own, where the log and the file take each other's room. */
static void open_on_small_disk(struct bed *bed)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/tmp", "tmpfs", 0, "size=32m") != 0)
        cr_skip("no disk can be mounted here");
    bed_open_with_sub(bed, NULL);
}

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}

/* How many of `max` messages of 100,000 bytes the disk takes. */
static size_t publish_large(struct bed *bed, size_t max)
{
    static char data[100000];
    size_t n = 0;
    while (n < max && try_publish(bed, TOPIC, data, sizeof(data), NULL) == SL_RPC_OK)
        n++;
    return n;
}

/* How many it takes in all: at least one, if not at once, because deleting waits for a quiet moment. */
static size_t fill_disk(struct bed *bed)
{
    size_t n = 0;
    for (int i = 0; i < 1500 && n == 0; i++) {
        n = publish_large(bed, 1);
        nap();
    }
    cr_assert_eq(n, 1, "%s", bed->message);
    n += publish_large(bed, SIZE_MAX);
    cr_expect_not_null(strstr(bed->message, "disk is full"), "%s", bed->message);
    return n;
}

static void take_all(struct bed *bed, size_t n)
{
    struct gots gots = {0};
    for (size_t got = 0; got < n; got += gots.n) {
        pull(bed, SUB, 100, false, &gots);
        ack(bed, SUB, &gots, 0, gots.n);
    }
    expect_backlog(bed, SUB, 0, 0);
    gots_fini(&gots);
}

Test(broker_durable, a_disk_that_is_full_is_emptied_by_acks, .timeout = 120)
{
    struct bed bed;
    open_on_small_disk(&bed);
    for (int round = 0; round < 3; round++)
        take_all(&bed, fill_disk(&bed));
    cr_expect_not(sl_broker_failed(bed.broker, NULL));
    bed_close(&bed);
}

/* Whoever reads the file keeps the log from starting over, so that it takes nearly all of the disk. */
Test(broker_durable, a_log_that_has_filled_the_disk_is_cut, .timeout = 120)
{
    struct bed bed;
    char path[128];
    sqlite3 *reader;
    open_on_small_disk(&bed);
    snprintf(path, sizeof(path), "%s/broker.db", bed.dir);
    cr_assert_eq(sqlite3_open_v2(path, &reader, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL), SQLITE_OK);
    for (int refused = 0; refused < 50;) { /* until acks make no room any more */
        size_t n = publish_large(&bed, 10);
        refused = n > 0 ? 0 : refused + 1;
        take_all(&bed, n);
        nap();
    }
    cr_expect_gt(file_bytes(&bed, "broker.db-wal"), 16000000);
    sqlite3_close(reader);
    take_all(&bed, fill_disk(&bed));
    cr_expect_not(sl_broker_failed(bed.broker, NULL));
    bed_close(&bed);
}

/* In quiet moments, which every call would end. */
static void wait_for_file_below(const struct bed *bed, long long bytes)
{
    for (int i = 0; i < 1500 && file_bytes(bed, "broker.db") >= bytes; i++)
        nap();
    cr_expect_lt(file_bytes(bed, "broker.db"), bytes);
}

Test(broker_durable, the_file_shrinks_when_its_messages_have_gone, .timeout = 120)
{
    struct bed bed;
    struct gots gots = {0};
    char message[64];
    bed_open_with_sub(&bed, NULL);
    publish_many(&bed, TOPIC, "m", 4000, 10000);
    cr_expect_gt(file_bytes(&bed, "broker.db") + file_bytes(&bed, "broker.db-wal"), 40000000, "what is to be given back");
    for (size_t n = 0; n < 4000; n += gots.n) {
        pull(&bed, SUB, 1000, true, &gots);
        cr_assert_gt(gots.n, 0);
        ack(&bed, SUB, &gots, 0, gots.n);
    }
    publish(&bed, TOPIC, "the last"); /* at the end of the file: it has to move */
    wait_for_file_below(&bed, 10000000);
    pull(&bed, SUB, 10, true, &gots);
    expect_texts(&gots, "the last ");
    bed_restart(&bed);
    cr_assert_eq(try_publish(&bed, TOPIC, "x", 1, message), SL_RPC_OK);
    gots_fini(&gots);
    bed_close(&bed);
}

/* The program sqlite3 on a file that nobody serves: false where there is none. */
static bool run_sqlite3(const struct bed *bed, const char *sql)
{
    char command[512];
    snprintf(command, sizeof(command), "sqlite3 %s/broker.db '%s'", bed->dir, sql);
    return system(command) == 0;
}

Test(broker_durable, a_file_that_could_not_shrink_can_from_now_on)
{
    struct bed bed;
    struct gots gots = {0};
    char command[256];
    bed_open_with_sub(&bed, NULL);
    publish(&bed, TOPIC, "x");
    bed_stop(&bed);
    if (!run_sqlite3(&bed, "PRAGMA auto_vacuum = 0; VACUUM"))
        cr_skip("no sqlite3 here");
    bed_restart(&bed);
    pull(&bed, SUB, 10, true, &gots);
    expect_texts(&gots, "x ");
    snprintf(command, sizeof command, "test \"$(sqlite3 %s/broker.db 'PRAGMA auto_vacuum')\" = 2", bed.dir);
    cr_expect_eq(system(command), 0);
    gots_fini(&gots);
    bed_close(&bed);
}

Test(broker_durable, a_file_of_another_program_or_version_is_left_alone)
{
    struct bed bed;
    struct sl_err err;
    struct sl_broker *broker;
    char command[256];
    bed_open(&bed, NULL);
    bed_stop(&bed);
    if (run_sqlite3(&bed, "PRAGMA user_version = 99")) {
        cr_expect_eq(sl_broker_create(&broker, &bed.options, &err), SL_INVALID, "%s", err.text);
        cr_expect_null(broker);
    }
    snprintf(command, sizeof(command), "echo 'this is no database, certainly not' > %s/broker.db", bed.dir);
    cr_assert_eq(system(command), 0);
    cr_expect_eq(sl_broker_create(&broker, &bed.options, &err), SL_CORRUPT, "%s", err.text);
    bed_close(&bed);
}

Test(broker_durable, a_file_of_the_version_before_goes_on)
{
    struct bed bed;
    struct gots gots = {0};
    struct sl_buf request = {0};
    bed_open_with_sub(&bed, NULL);
    publish(&bed, TOPIC, "from before");
    bed_stop(&bed);
    const bool made = run_sqlite3(&bed, "DROP TRIGGER topic_policy; DROP TRIGGER subscription_policy; DROP TRIGGER snapshot_policy; "
                                        "DROP TABLE policies; PRAGMA user_version = 2");
    bed_restart(&bed);
    pull(&bed, SUB, 10, true, &gots);
    expect_texts(&gots, "from before ");
    sl_pubsub_put_name(&request, TOPIC);
    cr_expect_eq(bed_call(&bed, "google.iam.v1.IAMPolicy/GetIamPolicy", &request, NULL), SL_RPC_OK, "%d: %s", made, bed.message);
    delete_subscription(&bed, SUB);
    delete_topic(&bed, TOPIC);
    gots_fini(&gots);
    bed_close(&bed);
}
