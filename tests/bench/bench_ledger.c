/* bench_ledger.c - how many completions a second one thread commits to the ledger (RULES 37): batches of 1,000 messages, each with its
 * inbox id and run, and a gate, a decision with facts, an event and an outbox row for every fourth; synchronous=FULL, checkpoints on a
 * thread of their own. Prints one JSON line. Usage: bench_ledger [completions [directory]]. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/ledger_sqlite.h>

#define BATCH      1000
#define PROCESSORS 4
#define FACTS_SIZE 1500

struct checkpointer {
    const char *path;
    atomic_bool stop;
};

static void must(enum sl_code code, const struct sl_err *err)
{
    if (code == SL_OK)
        return;
    fprintf(stderr, "bench_ledger: %s\n", err->text);
    exit(1);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *checkpoint_loop(void *arg)
{
    static const struct sl_ledger_sqlite_options PRODUCTION = {0};
    struct checkpointer *self = arg;
    struct sl_ledger *ledger;
    struct sl_err err;
    must(sl_ledger_sqlite_open(&ledger, self->path, SL_LEDGER_WRITE, &PRODUCTION, &err), &err);
    while (!self->stop) {
        must(sl_ledger_checkpoint(ledger, &err), &err);
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    sl_ledger_destroy(&ledger);
    return NULL;
}

static void put_run(struct sl_ledger *ledger, int i, sl_date date, struct sl_err *err)
{
    static const char *const NAMES[PROCESSORS] = {"NbacTeamBoxscoreProcessor", "NbacPlayerBoxscoreProcessor", "NbacGamebookProcessor",
                                                  "NbacScheduleProcessor"};
    char execution[32], message[32];
    bool is_new;
    snprintf(execution, sizeof(execution), "exec-%08d", i);
    snprintf(message, sizeof(message), "%d", 1000000000 + i);
    int64_t at_us = 1744790462000000 + i;
    must(sl_ledger_inbox_add(ledger, "nba-phase2-raw-complete-sub", message, at_us, at_us, &is_new, err), err);
    struct sl_run run = {.phase = "phase_2_raw",
                         .processor = NAMES[i % PROCESSORS],
                         .execution_id = execution,
                         .date = date,
                         .timestamp_us = at_us,
                         .publish_us = at_us,
                         .received_us = at_us,
                         .generation = 1,
                         .known = true,
                         .record_count = 30,
                         .records_failed = 0,
                         .duration_s = 12.5,
                         .is_incremental = -1,
                         .correlation_id = "nba/2025-04-15",
                         .trigger_source = "pubsub",
                         .trigger_message_id = message};
    must(sl_ledger_run_put(ledger, &run, err), err);
}

static void put_event(struct sl_ledger *ledger, int i, const char *date, struct sl_err *err)
{
    const char *cells[SL_N_LOG_COLUMNS] = {0};
    char id[SL_UUID_LEN + 1];
    bool is_new;
    cells[0] = sl_uuid_format(sl_uuid5(SL_UUID_DNS, &i, sizeof(i)), id);
    cells[1] = "NbacTeamBoxscoreProcessor_2025-04-15_exec";
    cells[2] = cells[33] = "2025-04-16T08:01:02Z";
    cells[3] = "gate_triggered";
    cells[4] = "info";
    cells[6] = "phase_2_raw";
    cells[10] = date;
    cells[14] = "phase_3_analytics was triggered for this date: all 4 processors delivered";
    must(sl_ledger_event_add(ledger, cells, &is_new, err), err);
}

static void put_gate(struct sl_ledger *ledger, int i, sl_date date, struct sl_err *err)
{
    char facts[FACTS_SIZE], day[SL_DATE_LEN + 1];
    memset(facts, 'f', sizeof(facts));
    memcpy(facts, &i, sizeof(i));
    static const char DECISION[] = "{\"state\":\"triggered\",\"reasons\":[],\"completed\":[\"a\",\"b\",\"c\",\"d\"]}";
    static const char BODY[] = "{\"game_date\":\"2025-04-15\",\"phase\":\"phase_3_analytics\",\"trigger_source\":\"sluice\"}";
    struct sl_gate gate = {.phase = "phase_2_raw",
                           .date = date,
                           .profile = SL_PAST,
                           .generation = 1,
                           .state = SL_TRIGGERED,
                           .completed = "[\"a\",\"b\",\"c\",\"d\"]",
                           .missing = "[]",
                           .late = "[]",
                           .is_production_ready = true,
                           .trigger_id = "1c7050bc-b40a-553b-96eb-2b37087c942a",
                           .due_us = SL_NEVER_US,
                           .decided_us = i,
                           .answer_due_us = 1744790462000000 + i};
    must(sl_ledger_gate_put(ledger, &gate, err), err);
    must(sl_ledger_decision_add(ledger, &gate, facts, sizeof(facts), DECISION, sizeof(DECISION) - 1, err), err);
    put_event(ledger, i, sl_date_format(date, day), err);
    struct sl_outbox_row row = {.kind = SL_OUTBOX_TRIGGER,
                                .topic = "nba-phase3-trigger",
                                .key = gate.trigger_id,
                                .phase = gate.phase,
                                .date = date,
                                .data = BODY,
                                .len = sizeof(BODY) - 1,
                                .attributes = "{}",
                                .created_us = i};
    must(sl_ledger_outbox_add(ledger, &row, err), err);
}

static void put_batch(struct sl_ledger *ledger, int first, struct sl_err *err)
{
    must(sl_ledger_begin(ledger, err), err);
    for (int i = first; i < first + BATCH; i++) {
        sl_date date = i / PROCESSORS;
        put_run(ledger, i, date, err);
        if (i % PROCESSORS == PROCESSORS - 1)
            put_gate(ledger, i, date, err);
    }
    must(sl_ledger_commit(ledger, err), err);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_bench(const char *path, int n_batches)
{
    static const struct sl_ledger_sqlite_options PRODUCTION = {0};
    struct checkpointer checkpointer = {.path = path};
    double *took = calloc((size_t)n_batches, sizeof(*took));
    struct sl_ledger *ledger;
    struct sl_err err;
    pthread_t thread;
    must(sl_ledger_sqlite_open(&ledger, path, SL_LEDGER_WRITE, &PRODUCTION, &err), &err);
    pthread_create(&thread, NULL, checkpoint_loop, &checkpointer);
    double start = seconds();
    for (int i = 0; i < n_batches; i++) {
        double before = seconds();
        put_batch(ledger, i * BATCH, &err);
        took[i] = seconds() - before;
    }
    double total = seconds() - start;
    checkpointer.stop = true;
    pthread_join(thread, NULL);
    sl_ledger_destroy(&ledger);
    qsort(took, (size_t)n_batches, sizeof(*took), by_value);
    printf("{\"bench\":\"ledger\",\"completions\":%d,\"batch\":%d,\"seconds\":%.3f,\"per_second\":%.0f,\"batch_p50_ms\":%.1f,"
           "\"batch_p99_ms\":%.1f}\n",
           n_batches * BATCH, BATCH, total, n_batches * BATCH / total, took[n_batches / 2] * 1e3, took[n_batches * 99 / 100] * 1e3);
    free(took);
}

int main(int argc, char **argv)
{
    int completions = argc > 1 ? atoi(argv[1]) : 200000;
    char dir[256], path[320];
    snprintf(dir, sizeof(dir), "%s/bench_ledger.XXXXXX", argc > 2 ? argv[2] : "/tmp");
    if (completions < BATCH || !mkdtemp(dir)) {
        fprintf(stderr, "usage: bench_ledger [completions (at least %d) [directory]]\n", BATCH);
        return 2;
    }
    snprintf(path, sizeof(path), "%s/ledger.db", dir);
    run_bench(path, completions / BATCH);
    unlink(path);
    rmdir(dir);
    return 0;
}
