/* fault_season.c - the season of the fault world: a mill's 14 days of 2 lots, two phases of 3 processors, with a hole, a fallback, a failed run, runs
 * announced first, a rerun, duplicates and rejects. Invented data. */
#include "fault_internal.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/file.h>

enum { DAYS = 14, LOTS = 2, HOLE = 9, FAILED = 4, FALLBACK = 6, RERUN = 2 };

const char FAULT_CONFIG[] =
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
                    .publish_us = FAULT_BEGIN_US - 1000000 + (int64_t)i,
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

void fault_season_messages(struct world *world)
{
    for (int day = 0; day < DAYS; day++)
        add_day(world, day);
    add_completion(world, 0, "saw", RERUN, "success", 20, "again");
    add_completion(world, 1, "box", RERUN, "success", 21, "again");
    world->n_batches = (world->n_messages + FAULT_BATCH - 1) / FAULT_BATCH;
}

/* ---- its tables ---- */

static void run_sql(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "%s: %s\n", sql, message);
        abort();
    }
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

void fault_season_tables(struct world *world)
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
