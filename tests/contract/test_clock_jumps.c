/* test_clock_jumps.c - the wall clock is set by an hour, forward and back, while leases are out: they neither end nor live on for it, on either side.
 *
 * clock_gettime() of this program is its own (also for the libraries): it adds `jump_s` to what the wall clock says. Waits are the kernel's and see nothing of it, so that an
 * instant of the wall clock that somebody waits for would be an hour away. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <sluice/grpc_bus.h>
#include <sluice/worker.h>

#include "../../src/pubsub/grpc_retry.h"
#include "broker_bed.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

enum { LIMIT_MS = 60000, LEASE_S = 10, HOUR_S = 3601 }; /* a second beyond the cap on extensions */

static _Atomic int64_t jump_s;

int clock_gettime(clockid_t id, struct timespec *out)
{
    const long failed = syscall(SYS_clock_gettime, id, out);
    if (!failed && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        out->tv_sec += atomic_load(&jump_s);
    return (int)failed;
}

static int64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static const struct {
    const char *label;
    int64_t to_s;
} JUMPS[] = {{"an hour forward", HOUR_S}, {"and two back", -HOUR_S}, {"and as it was", 0}};

/* ---- the client ---- */

static struct sl_phase raw = {.name = "raw", .subscription = "worker"};
static const struct sl_phase *const PHASES[] = {&raw};

static struct sl_grpc_bus_stats stats(struct sl_bus *bus)
{
    struct sl_grpc_bus_stats out;
    sl_grpc_bus_stats(bus, &out);
    return out;
}

static void wait_extensions(struct sl_bus *bus, uint64_t n, const char *label)
{
    struct sl_bus_batch none = {0};
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    while (stats(bus).extensions < n) {
        cr_assert_lt(sl_monotonic_ms(), until_ms, "%s: %d extensions", label, (int)stats(bus).extensions);
        cr_assert_eq(sl_bus_receive(bus, 1, 1000, 20, &none, NULL), SL_OK);
        cr_assert_eq(none.n, 0, "%s: what is leased came again", label);
    }
    sl_bus_batch_fini(&none);
}

Test(clock_jumps, the_client_keeps_its_leases)
{
    struct bed bed;
    struct sl_bus *bus;
    struct sl_bus_batch batch = {0};
    struct sl_err err = {0};
    struct sl_config config = {.bus = {.project = "p"}, .worker = {.batch_messages = 10, .batch_bytes = 100000}};
    const struct sl_grpc_bus_options options = {
        .receipt_ms = 1, .lease_s = LEASE_S, .extend_before_ms = LEASE_S * 1000 - 50, .pings = SL_PINGS_DEMANDED};
    bed_open_with_sub(&bed, NULL);
    publish(&bed, TOPIC, "kept");
    cr_assert_eq(sl_grpc_bus_create(&bus, SL_PLAIN_PEER(bed.address), &config, PHASES, 1, &options, &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_bus_receive(bus, 1, 1000, LIMIT_MS, &batch, &err), SL_OK, "%s", err.text);
    cr_assert_eq(batch.n, 1);
    for (size_t i = 0; i < N(JUMPS); i++) {
        atomic_store(&jump_s, JUMPS[i].to_s);
        wait_extensions(bus, stats(bus).extensions + 3, JUMPS[i].label);
        expect_backlog(&bed, SUB, 0, 1);
    }
    sl_bus_ack(bus, &batch, NULL);
    sl_bus_batch_fini(&batch);
    const struct sl_grpc_bus_stats seen = stats(bus);
    cr_expect_eq(seen.streams_opened, 1, "the stream has stayed");
    cr_expect_eq(seen.torn_down, 0);
    cr_expect_eq(seen.acks_lost, 0);
    sl_bus_destroy(&bus);
    expect_backlog(&bed, SUB, 0, 0);
    bed_close(&bed);
}

/* ---- the broker ---- */

/* Until what was leased comes again, and is acked. */
static void pull_again(struct bed *bed, const char *label)
{
    struct gots gots = {0};
    const int64_t until_ms = sl_monotonic_ms() + LIMIT_MS;
    while (gots.n == 0) {
        cr_assert_lt(sl_monotonic_ms(), until_ms, "%s: its lease does not end", label);
        pull(bed, SUB, 1, false, &gots);
    }
    ack(bed, SUB, &gots, 0, 1);
    gots_fini(&gots);
}

Test(clock_jumps, the_broker_ends_leases_in_their_time)
{
    enum { SHORT_S = 2 };
    struct bed bed;
    bed_open_with_sub(&bed, NULL);
    for (size_t i = 0; i < N(JUMPS); i++) {
        struct gots gots = {0};
        int64_t undelivered, leased;
        publish(&bed, TOPIC, "leased");
        pull(&bed, SUB, 1, false, &gots);
        const int64_t leased_ms = sl_monotonic_ms();
        cr_assert_eq(modify(&bed, SUB, &gots, 0, 1, SHORT_S), SL_RPC_OK);
        atomic_store(&jump_s, JUMPS[i].to_s);
        sl_broker_backlog(bed.broker, &(const char *){SUB}, 1, &undelivered, &leased);
        cr_expect(leased == 1 || sl_monotonic_ms() - leased_ms > SHORT_S * 1000, "%s: a lease of %d s has ended", JUMPS[i].label, SHORT_S);
        pull_again(&bed, JUMPS[i].label);
        cr_expect_geq(sl_monotonic_ms() - leased_ms, SHORT_S * 1000, "%s: it came again too early", JUMPS[i].label);
        gots_fini(&gots);
    }
    bed_close(&bed);
}

/* The wall clock is for what people read; only that a topic's times never go back, whatever it does. */
Test(clock_jumps, publish_times_are_the_wall_clocks)
{
    struct bed bed;
    int64_t last_us = 0;
    bed_open_with_sub(&bed, NULL);
    for (size_t i = 0; i < N(JUMPS); i++) {
        struct sl_buf request = {0}, response = {0};
        struct sl_arena arena = {0};
        struct sl_streaming_response read;
        atomic_store(&jump_s, JUMPS[i].to_s);
        const int64_t before_us = wall_us(), least_us = before_us > last_us ? before_us : last_us;
        publish(&bed, TOPIC, "now");
        const int64_t after_us = wall_us();
        sl_pubsub_put_pull(&request, SUB, 1, false);
        cr_assert_eq(bed_call(&bed, "Subscriber/Pull", &request, &response), SL_RPC_OK);
        cr_assert_eq(sl_pubsub_read_streaming_response(&read, response.data, response.len, &arena, NULL), SL_OK);
        cr_assert_eq(read.n, 1);
        last_us = read.messages[0].message.publish_us;
        cr_expect_geq(last_us, least_us, "%s", JUMPS[i].label);
        cr_expect_leq(last_us, after_us > least_us ? after_us : least_us, "%s", JUMPS[i].label);
        sl_arena_fini(&arena);
        sl_buf_fini(&response);
    }
    bed_close(&bed);
}

/* ---- the worker ---- */

static _Atomic int n_checkpoints;

/* The linker's --wrap: every checkpoint goes through here. */
enum sl_code __real_sl_ledger_checkpoint(struct sl_ledger *ledger, struct sl_err *err);
enum sl_code __wrap_sl_ledger_checkpoint(struct sl_ledger *ledger, struct sl_err *err);
enum sl_code __wrap_sl_ledger_checkpoint(struct sl_ledger *ledger, struct sl_err *err)
{
    atomic_fetch_add(&n_checkpoints, 1);
    return __real_sl_ledger_checkpoint(ledger, err);
}

static const char CONFIG[] = "version: 1\n"
                             "pipeline: p\n"
                             "timezone: UTC\n"
                             "ledger: {type: sqlite, path: ledger.db}\n"
                             "warehouse: {type: sqlite, path: warehouse}\n"
                             "coverage: {log: l.log}\n"
                             "phases: [{name: one, processors: [{name: a, required: critical}]}]\n";

struct job {
    char dir[64];
    struct sl_config *config;
    struct sl_ledger *ledger;
    struct sl_warehouse *warehouse;
    struct sl_bus *bus;
    struct sl_worker *worker;
    volatile int stop;
    int checkpoints_before;
    int64_t limit_ms;
    struct sl_err err;
};

#define MUST(call) cr_assert_eq((call), SL_OK, "%s: %s", #call, job->err.text)

static void open_job(struct job *job)
{
    struct sl_arena arena = {0};
    const char **made;
    size_t n;
    *job = (struct job){.dir = "/tmp/sluice-jumps-XXXXXX"};
    cr_assert_not_null(mkdtemp(job->dir));
    MUST(sl_config_parse(&job->config, CONFIG, sizeof CONFIG - 1, "test", job->dir, NULL, 0, NULL, NULL, &job->err));
    MUST(sl_ledger_open(&job->ledger, job->config, SL_LEDGER_WRITE, &job->err));
    MUST(sl_warehouse_open(&job->warehouse, job->config, &job->err));
    MUST(sl_warehouse_init(job->warehouse, job->config, &made, &n, &arena, &job->err));
    sl_memory_bus_create(&job->bus, job->config);
    sl_worker_create(&job->worker, job->config, job->ledger, job->warehouse, job->bus, NULL);
    sl_arena_fini(&arena);
}

static void close_job(struct job *job)
{
    char command[128];
    sl_worker_destroy(&job->worker);
    sl_bus_destroy(&job->bus);
    sl_warehouse_destroy(&job->warehouse);
    sl_ledger_destroy(&job->ledger);
    sl_config_destroy(&job->config);
    snprintf(command, sizeof command, "rm -rf '%s'", job->dir);
    cr_assert_eq(system(command), 0);
}

/* The decider looks in at least every 250 ms: it stops when the checkpoints have come, or the time is over. */
static void look(void *arg)
{
    struct job *job = arg;
    if (atomic_load(&n_checkpoints) >= job->checkpoints_before + 3 || sl_monotonic_ms() > job->limit_ms)
        __atomic_store_n(&job->stop, 1, __ATOMIC_RELAXED);
}

Test(clock_jumps, the_ledger_is_checkpointed_on)
{
    for (size_t i = 0; i < N(JUMPS); i++) {
        struct job opened, *job = &opened;
        open_job(job);
        atomic_store(&jump_s, JUMPS[i].to_s);
        job->checkpoints_before = atomic_load(&n_checkpoints);
        job->limit_ms = sl_monotonic_ms() + LIMIT_MS;
        const int64_t start_ms = sl_monotonic_ms();
        const struct sl_run_options options = {.until_idle_ms = -1, .stop = &job->stop, .alive = look, .arg = job};
        MUST(sl_worker_run(job->worker, &options, &job->err));
        const int n = atomic_load(&n_checkpoints) - job->checkpoints_before;
        cr_expect_geq(n, 3, "%s: %d checkpoints", JUMPS[i].label, n);
        cr_expect_leq(n, 10 + (sl_monotonic_ms() - start_ms) / 100, "%s: %d checkpoints, a busy loop", JUMPS[i].label, n);
        close_job(job);
    }
}
