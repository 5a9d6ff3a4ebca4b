/* fault_world.c - see fault_world.h. The season: a mill's 14 days of 2 lots, two phases of 3 processors, with a hole, a fallback, a failed run,
 * runs announced first, a rerun, duplicates and rejects. Invented data. */
#include "fault_world.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/file.h>

#include "power_vfs.h"

enum { DAYS = 14, LOTS = 2, BATCH = 5, HOLE = 9, FAILED = 4, FALLBACK = 6, RERUN = 2 };

#define BEGIN_US 1750000000000000LL /* 2025-06-15T15:06:40Z */
#define BATCH_US 20000000LL
#define LATER_US 600000000LL /* longer than any claim, any retry and coverage.load.every */

static const char CONFIG[] =
    "version: 1\n"
    "pipeline: mill\n"
    "timezone: UTC\n"
    "environment: test\n"
    "bus: {type: embedded, project: mill, path: broker}\n"
    "ledger: {type: sqlite, path: ledger.db}\n"
    "warehouse: {type: sqlite, path: warehouse}\n"
    "message: {naive_timestamps: UTC, fields: {date: [day]}}\n"
    "calendar: {table: plan.lots, date_column: day, unit_column: lot, done: {status: 3}}\n"
    "coverage: {log: book.log, runs: {table: book.history, written_by: sluice}, load: {every: 60s, max_events: 12}}\n"
    "defaults: {date_column: day, unit_column: lot, share: 60%, settle: 0s}\n"
    "phases:\n"
    "  - name: cut\n"
    "    completions: {topic: cut-done, subscription: cut-sub}\n"
    "    processors:\n"
    "      - {name: saw, required: critical, table: raw.saw}\n"
    "      - {name: plane, required: critical, table: raw.plane, fallback: [raw.plane_old]}\n"
    "      - {name: drill, required: optional, table: raw.drill}\n"
    "    checks: {units: strict, gaps: {mode: soft, look_back: 3d}}\n"
    "  - name: pack\n"
    "    after: [cut]\n"
    "    started_by: {topic: pack-start}\n"
    "    completions: {topic: pack-done, subscription: pack-sub, dead_letter_topic: pack-dead}\n"
    "    processors:\n"
    "      - {name: box, required: critical, table: raw.box}\n"
    "      - {name: label, required: critical, table: raw.label}\n"
    "      - {name: tape, required: optional, table: raw.tape}\n"
    "    checks: {upstream: strict, units: strict, gaps: {mode: strict, look_back: 3d}}\n";

static const char *const PROCESSORS[2][3] = {{"saw", "plane", "drill"}, {"box", "label", "tape"}};

/* ---- the bus: outside of the machine, so it loses nothing ---- */

struct fault_bus {
    struct sl_bus base;
    bool *acked; /* per message; the receipt is the message's flag */
    struct sl_arena arena;
    const char **published;
    size_t n_published;
};

static enum sl_code bus_receive(struct sl_bus *bus, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                                struct sl_err *err)
{
    (void)bus, (void)max_n, (void)max_bytes, (void)timeout_ms, (void)out;
    return sl_fail(err, SL_INTERNAL, "batches are made by hand");
}

static enum sl_code bus_ack(struct sl_bus *bus, const struct sl_bus_batch *batch, struct sl_err *err)
{
    (void)bus;
    if (!power_vfs_step("ack"))
        return sl_fail(err, SL_UNAVAILABLE, "the connection is lost");
    for (size_t i = 0; i < batch->n; i++)
        *(bool *)batch->messages[i].receipt = true;
    return SL_OK;
}

/* "topic data", once per different text: published at least once. */
static enum sl_code bus_publish(struct sl_bus *bus, const char *topic, const char *data, size_t len, const char *attributes,
                                struct sl_err *err)
{
    struct fault_bus *self = (struct fault_bus *)bus;
    const char *text = sl_arena_printf(&self->arena, "%s %.*s", topic, (int)len, data);
    (void)attributes;
    if (!power_vfs_step("publish"))
        return sl_fail(err, SL_UNAVAILABLE, "the connection is lost");
    for (size_t i = 0; i < self->n_published; i++)
        if (!strcmp(self->published[i], text))
            return SL_OK;
    self->published = sl_arena_push(&self->arena, self->published, &self->n_published, sizeof *self->published);
    self->published[self->n_published - 1] = text;
    return SL_OK;
}

static int64_t bus_silent_ms(struct sl_bus *bus, const struct sl_phase *phase, int64_t now_us)
{
    (void)bus, (void)phase, (void)now_us;
    return -1;
}

static void bus_destroy(struct sl_bus *bus)
{
    struct fault_bus *self = (struct fault_bus *)bus;
    sl_arena_fini(&self->arena);
    free(self->acked);
    free(self);
}

static const struct sl_bus_ops BUS_OPS = {
    .name = "fault",
    .destroy = bus_destroy,
    .receive = bus_receive,
    .ack = bus_ack,
    .publish = bus_publish,
    .silent_ms = bus_silent_ms,
};

static struct fault_bus *bus_of(const struct world *world)
{
    return (struct fault_bus *)world->bus;
}

/* ---- the season's messages ---- */

static const char *day_text(int day)
{
    static char text[32];
    snprintf(text, sizeof text, "2025-03-%02d", day + 1);
    return text;
}

static void add_message(struct world *world, size_t phase, const char *body)
{
    world->messages = sl_arena_push(&world->arena, world->messages, &world->n_messages, sizeof *world->messages);
    const size_t i = world->n_messages - 1;
    world->messages[i] = (struct sl_bus_message){
        .phase = &world->config->phases[phase],
        .message = {.subscription = world->config->phases[phase].subscription,
                    .message_id = sl_arena_printf(&world->arena, "m%zu", i),
                    .publish_us = BEGIN_US - 1000000 + (int64_t)i,
                    .data = body,
                    .len = strlen(body)},
    };
}

static void add_completion(struct world *world, size_t phase, const char *processor, int day, const char *status, int hour,
                           const char *prefix)
{
    add_message(world, phase,
                sl_arena_printf(&world->arena,
                                "{\"processor_name\": \"%s\", \"phase\": \"%s\", \"execution_id\": \"%s-%s-%d\", \"day\": \"%s\", "
                                "\"status\": \"%s\", \"timestamp\": \"2025-04-%02dT%02d:00:00Z\"}",
                                processor, world->config->phases[phase].name, prefix, processor, day, day_text(day), status, day + 1,
                                hour));
}

static void add_day(struct world *world, int day)
{
    for (size_t phase = 0; phase < 2; phase++)
        for (int i = 0; i < 3; i++) {
            const char *processor = PROCESSORS[phase][i];
            const bool fails = day == FAILED && phase == 0 && i == 0;
            if ((day + i) % 4 == 0)
                add_completion(world, phase, processor, day, "running", 6, "run");
            add_completion(world, phase, processor, day, fails ? "failed" : "success", 8 + i, "run");
        }
    if (day % 3 == 0)
        add_completion(world, 0, "saw", day, day == FAILED ? "failed" : "success", 8, "run");
    if (day % 5 == 1)
        add_message(world, (size_t)(day % 2), sl_arena_printf(&world->arena, "no JSON %d", day));
}

static void add_messages(struct world *world)
{
    for (int day = 0; day < DAYS; day++)
        add_day(world, day);
    add_completion(world, 0, "saw", RERUN, "success", 20, "again");
    add_completion(world, 1, "box", RERUN, "success", 21, "again");
    world->n_batches = (world->n_messages + BATCH - 1) / BATCH;
}

/* ---- files ---- */

static void run_sql(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, message);
        abort();
    }
}

static void remove_files(const char *dir)
{
    DIR *open_dir = opendir(dir);
    struct dirent *entry;
    while (open_dir && (entry = readdir(open_dir))) {
        char *path = sl_path_join(dir, entry->d_name);
        if (entry->d_name[0] != '.' && unlink(path) != 0) {
            remove_files(path);
            rmdir(path);
        }
        free(path);
    }
    if (open_dir)
        closedir(open_dir);
}

static void copy_file(const char *from, const char *to)
{
    struct sl_buf bytes = {0};
    assert(sl_file_read(&bytes, from, 1u << 30, NULL) == SL_OK);
    FILE *file = fopen(to, "we");
    assert(file && fwrite(bytes.data, 1, bytes.len, file) == bytes.len);
    fclose(file);
    sl_buf_fini(&bytes);
}

/* The data: one table each, rows for every lot but those of the hole, the failed and the fallback day. */
static void make_table(const char *dir, const char *table, int only_day, int not_day)
{
    sqlite3 *db = NULL;
    char sql[256], path[4096];
    snprintf(path, sizeof path, "%s/warehouse/%s.db", dir, !strcmp(table, "lots") ? "plan" : "raw");
    assert(sqlite3_open(path, &db) == SQLITE_OK);
    run_sql(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL");
    snprintf(sql, sizeof sql, "CREATE TABLE %s (day DATE TEXT, lot TEXT, status INTEGER); CREATE INDEX i_%s ON %s (day, lot)", table, table,
             table);
    run_sql(db, sql);
    for (int day = 0; day < DAYS; day++)
        for (int lot = 0; lot < LOTS && day != not_day && (only_day < 0 || day == only_day); lot++) {
            snprintf(sql, sizeof sql, "INSERT INTO %s VALUES ('%s', 'lot-%d-%d', 3)", table, day_text(day), day, lot);
            run_sql(db, sql);
        }
    sqlite3_close(db);
}

/* Tables and an empty log, not the ledger: making that is part of what may fail. */
static void make_template(struct world *world)
{
    char path[4096];
    const char **made = NULL;
    size_t n = 0;
    struct sl_warehouse *warehouse = NULL;
    snprintf(path, sizeof path, "%s/warehouse", world->template_dir);
    assert(sl_dir_make(path, NULL) == SL_OK);
    make_table(world->template_dir, "lots", -1, -1);
    make_table(world->template_dir, "saw", -1, FAILED);
    make_table(world->template_dir, "plane", -1, FALLBACK);
    make_table(world->template_dir, "plane_old", FALLBACK, -1);
    make_table(world->template_dir, "drill", -1, -1);
    make_table(world->template_dir, "box", -1, HOLE);
    make_table(world->template_dir, "label", -1, -1);
    make_table(world->template_dir, "tape", -1, -1);
    const struct sl_warehouse_sqlite_options options = {0};
    assert(sl_warehouse_sqlite_open(&warehouse, path, &options, NULL) == SL_OK);
    assert(sl_warehouse_init(warehouse, world->config, &made, &n, &world->arena, NULL) == SL_OK);
    sl_warehouse_destroy(&warehouse);
}

static void restore_template(struct world *world)
{
    static const char *const FILES[] = {"plan.db", "raw.db", "book.db"};
    char from[4096], to[4096];
    remove_files(world->dir);
    snprintf(to, sizeof to, "%s/warehouse", world->dir);
    assert(sl_dir_make(to, NULL) == SL_OK);
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        snprintf(from, sizeof from, "%s/warehouse/%s", world->template_dir, FILES[i]);
        snprintf(to, sizeof to, "%s/warehouse/%s", world->dir, FILES[i]);
        copy_file(from, to);
    }
}

/* ---- the world ---- */

void world_create(struct world *world, enum sl_sqlite_sync synchronous)
{
    char base[] = "/tmp/sluice-power-XXXXXX";
    struct sl_err err = {0};
    *world = (struct world){.synchronous = synchronous};
    if (!mkdtemp(base))
        abort();
    world->dir = sl_path_join(base, "work");
    world->template_dir = sl_path_join(base, "template");
    if (sl_config_parse(&world->config, CONFIG, strlen(CONFIG), "mill.yaml", world->dir, NULL, 0, NULL, NULL, &err) != SL_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    add_messages(world);
    make_template(world);
}

void world_destroy(struct world *world)
{
    char *base = sl_path_dirname(world->dir);
    world_close(world);
    sl_bus_destroy(&world->bus);
    power_vfs_end();
    sl_config_destroy(&world->config);
    sl_arena_fini(&world->arena);
    remove_files(base);
    rmdir(base);
    free(base);
    free(world->dir);
    free(world->template_dir);
}

void world_begin(struct world *world, uint64_t seed)
{
    sl_bus_destroy(&world->bus);
    struct fault_bus *bus = sl_calloc(1, sizeof *bus);
    bus->base.ops = &BUS_OPS;
    bus->acked = sl_calloc(world->n_messages, sizeof *bus->acked);
    world->bus = &bus->base;
    for (size_t i = 0; i < world->n_messages; i++)
        world->messages[i].receipt = &bus->acked[i];
    restore_template(world);
    power_vfs_begin(seed);
    world->at = world->restarted_at = 0;
    world->now_us = BEGIN_US;
}

/* The first batch that is not acked, and the one before it once more: acks get lost too. */
static size_t first_to_deliver(const struct world *world)
{
    size_t batch = 0;
    while (batch < world->n_batches && bus_of(world)->acked[batch * BATCH])
        batch++;
    return batch > 0 ? batch - 1 : 0;
}

enum sl_code world_open(struct world *world, struct sl_err *err)
{
    const struct sl_ledger_sqlite_options ledger = {
        .vfs = POWER_VFS, .synchronous = world->synchronous, .busy_timeout_ms = 50, .wal_limit_pages = 120};
    const struct sl_warehouse_sqlite_options warehouse = {.vfs = POWER_VFS, .busy_timeout_ms = 50, .checkpoint_pages = 20};
    world->step = WORLD_OPEN;
    enum sl_code code = sl_ledger_sqlite_open(&world->ledger, world->config->ledger.path, SL_LEDGER_WRITE, &ledger, err);
    if (code == SL_OK)
        code = sl_ledger_sqlite_open(&world->checkpointer, world->config->ledger.path, SL_LEDGER_WRITE, &ledger, err);
    if (code == SL_OK)
        code = sl_warehouse_sqlite_open(&world->warehouse, world->config->warehouse.path, &warehouse, err);
    if (code != SL_OK)
        return code;
    sl_worker_create(&world->worker, world->config, world->ledger, world->warehouse, world->bus, NULL);
    world->at = first_to_deliver(world);
    return sl_worker_start(world->worker, world->now_us, err);
}

void world_close(struct world *world)
{
    sl_worker_destroy(&world->worker);
    sl_warehouse_destroy(&world->warehouse);
    sl_ledger_destroy(&world->checkpointer);
    sl_ledger_destroy(&world->ledger);
}

static enum sl_code batch(struct world *world, struct sl_err *err)
{
    const size_t first = world->at * BATCH;
    struct sl_bus_batch batch = {.messages = &world->messages[first]};
    batch.n = world->n_messages - first < BATCH ? world->n_messages - first : BATCH;
    world->step = WORLD_BATCH;
    enum sl_code code = sl_worker_batch(world->worker, &batch, world->now_us, err);
    sl_arena_fini(&batch.arena);
    if (code == SL_OK)
        world->at++;
    return code;
}

static enum sl_code ticks(struct world *world, struct sl_err *err)
{
    bool more = true;
    enum sl_code code = SL_OK;
    world->step = WORLD_TICK;
    while (code == SL_OK && more)
        code = sl_worker_tick(world->worker, world->now_us, &more, err);
    return code;
}

static enum sl_code drain(struct world *world, size_t *left, struct sl_err *err)
{
    world->step = WORLD_DRAIN;
    return sl_worker_drain(world->worker, world->now_us, left, err);
}

static enum sl_code load(struct world *world, struct sl_err *err)
{
    world->step = WORLD_LOAD;
    return sl_worker_load(world->worker, world->now_us, false, err);
}

static enum sl_code checkpoint(struct world *world, struct sl_err *err)
{
    world->step = WORLD_CHECKPOINT;
    return sl_ledger_checkpoint(world->checkpointer, err);
}

static enum sl_code restart(struct world *world, size_t done, struct sl_err *err)
{
    world->step = WORLD_CLOSE;
    world->restarted_at = done; /* the batch before comes again after it */
    world_close(world);
    return power_vfs_struck() ? sl_fail(err, SL_UNAVAILABLE, "while closing") : world_open(world, err);
}

/* What the worker's threads do between batches, here in a fixed order. */
static enum sl_code between(struct world *world, size_t done, struct sl_err *err)
{
    size_t left;
    enum sl_code code = load(world, err);
    if (code == SL_OK && done % 3 == 1)
        code = drain(world, &left, err);
    if (code == SL_OK && done % 4 == 2)
        code = ticks(world, err);
    if (code == SL_OK && done % 5 == 3)
        code = checkpoint(world, err);
    if (code == SL_OK && done % 11 == 10 && done > world->restarted_at)
        code = restart(world, done, err);
    return code;
}

/* Everything is acked: what is due, what is to be published, what is to be loaded. Nothing is flushed: a worker that runs must come to it by itself. */
static enum sl_code wind_up(struct world *world, struct sl_err *err)
{
    size_t left = 1;
    enum sl_code code = SL_OK;
    for (int i = 0; code == SL_OK && (i < 2 || left); i++) {
        world->now_us += LATER_US;
        code = ticks(world, err);
        if (code == SL_OK)
            code = drain(world, &left, err);
        if (code == SL_OK)
            code = load(world, err);
        assert(i < 20);
    }
    return code;
}

enum sl_code world_run(struct world *world, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    while (code == SL_OK && world->at < world->n_batches) {
        world->now_us += BATCH_US;
        code = batch(world, err);
        if (code == SL_OK)
            code = between(world, world->at, err);
    }
    return code == SL_OK ? wind_up(world, err) : code;
}

/* ---- looking at it ---- */

size_t world_acked(const struct world *world)
{
    size_t n = 0;
    for (size_t i = 0; i < world->n_messages; i++)
        n += bus_of(world)->acked[i];
    return n;
}

/* One text from one row; NULL when there is none or the question failed. Arena-held. */
static const char *ask(struct world *world, const char *path, const char *sql, const char *argument)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    const char *answer = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, POWER_VFS) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK) {
        if (argument)
            sqlite3_bind_text(stmt, 1, argument, -1, SQLITE_STATIC);
        if (sqlite3_step(stmt) == SQLITE_ROW)
            answer = sl_arena_strdup(&world->arena, (const char *)sqlite3_column_text(stmt, 0));
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return answer;
}

/* Every inbox id, and every run with its status (0 to 3 are terminal), in one text. */
#define KEPT_SQL                                                                                                                           \
    "SELECT (SELECT coalesce(group_concat(' ' || message_id || ' ', ''), '') FROM inbox) || '|' ||"                                        \
    " (SELECT coalesce(group_concat(' ' || execution_id || CASE WHEN status < 4 THEN '! ' ELSE '? ' END, ''), '') FROM runs) || '|' ||"    \
    " (SELECT coalesce(group_concat(' ' || message_id || ' ', ''), '') FROM (SELECT message_id FROM rejects UNION ALL SELECT"              \
    " json_extract(attributes, '$.sluice_source_message_id') FROM outbox_bodies))"

/* Its inbox id, and its run: as a terminal one unless the message said running. A reject's inbox id is committed with its copy. */
static bool is_kept(const struct sl_bus_message *message, const char *kept)
{
    char key[128];
    snprintf(key, sizeof key, " %s ", message->message.message_id);
    if (!strstr(kept, key))
        return false;
    const char *execution = strstr(message->message.data, "\"execution_id\": \"");
    if (!execution)
        return true;
    execution += strlen("\"execution_id\": \"");
    const int len = (int)strcspn(execution, "\"");
    snprintf(key, sizeof key, " %.*s! ", len, execution);
    if (strstr(kept, key))
        return true;
    snprintf(key, sizeof key, " %.*s? ", len, execution);
    return strstr(message->message.data, "\"running\"") && strstr(kept, key);
}

size_t world_lost(struct world *world)
{
    size_t n = 0;
    const char *kept = ask(world, world->config->ledger.path, KEPT_SQL, NULL);
    for (size_t i = 0; i < world->n_messages; i++)
        n += bus_of(world)->acked[i] && !(kept && is_kept(&world->messages[i], kept));
    return n;
}

char *world_unsound(struct world *world)
{
    static const char *const DATASETS[] = {"book", "raw", "plan"};
    const char *said = ask(world, world->config->ledger.path, "PRAGMA integrity_check", NULL);
    for (size_t i = 0; said && !strcmp(said, "ok") && i < sizeof DATASETS / sizeof *DATASETS; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.db", world->config->warehouse.path, DATASETS[i]);
        said = ask(world, path, "PRAGMA integrity_check", NULL);
    }
    if (!said && power_vfs_struck())
        return NULL; /* the power failed while we looked */
    return said && !strcmp(said, "ok") ? NULL : sl_strdup(said ? said : "it can't be read");
}

/* ---- the end ---- */

static void dump(struct sl_buf *out, const char *path, const char *title, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    sl_buf_printf(out, "# %s\n", title);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK || sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK) {
        sl_buf_printf(out, "%s\n", sqlite3_errmsg(db));
    }
    while (stmt && sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            sl_buf_printf(out, "%s ", sqlite3_column_text(stmt, i) ? (const char *)sqlite3_column_text(stmt, i) : "-");
        sl_buf_char(out, '\n');
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A trigger's time of making is the only thing in it that may differ: it is cut off. */
static void dump_published(struct sl_buf *out, const struct fault_bus *bus)
{
    const char **sorted = sl_calloc(bus->n_published + 1, sizeof *sorted);
    for (size_t i = 0; i < bus->n_published; i++)
        sorted[i] = bus->published[i];
    qsort(sorted, bus->n_published, sizeof *sorted, compare_texts);
    sl_buf_str(out, "# published\n");
    for (size_t i = 0; i < bus->n_published; i++) {
        const char *stamp = strstr(sorted[i], "\"timestamp\"");
        sl_buf_printf(out, "%.*s\n", stamp ? (int)(stamp - sorted[i]) : (int)strlen(sorted[i]), sorted[i]);
    }
    free(sorted);
}

char *world_end_state(const struct world *world)
{
    static const char *const LEDGER[][2] = {
        {"gates", "SELECT phase, date, profile, generation, state, reasons, trigger_reason, completed, missing, late, is_production_ready,"
                  " degraded, dropped, trigger_id FROM gates ORDER BY 1, 2, 3, 4"},
        {"runs", "SELECT phase, date, processor, execution_id, status, timestamp_us, generation FROM runs ORDER BY 1, 2, 3, 4"},
        {"events", "SELECT event_id, event_type, severity, phase, game_date, game_id FROM events ORDER BY 1"},
        {"inbox", "SELECT subscription, message_id FROM inbox ORDER BY 1, 2"},
        {"rejects", "SELECT message_id, code, CAST(data AS TEXT) FROM rejects ORDER BY 1"},
        {"left",
         "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM outbox_bodies), (SELECT count(*) FROM loads WHERE done_us IS NULL)"},
    };
    static const char *const BOOK[][2] = {
        {"log", "SELECT event_id, event_type, severity, phase, game_date, game_id FROM log ORDER BY 1"},
        {"history",
         "SELECT phase, data_date, processor_name, run_id, status FROM history WHERE status != 'running' ORDER BY 1, 2, 3, 4, 5"},
        {"announced twice", "SELECT run_id FROM history WHERE status = 'running' GROUP BY run_id HAVING count(*) > 1"},
    };
    struct sl_buf out = {0};
    char book[4096];
    snprintf(book, sizeof book, "%s/book.db", world->config->warehouse.path);
    for (size_t i = 0; i < sizeof LEDGER / sizeof *LEDGER; i++)
        dump(&out, world->config->ledger.path, LEDGER[i][0], LEDGER[i][1]);
    for (size_t i = 0; i < sizeof BOOK / sizeof *BOOK; i++)
        dump(&out, book, BOOK[i][0], BOOK[i][1]);
    dump_published(&out, bus_of(world));
    sl_buf_str(&out, "");
    return out.data;
}
