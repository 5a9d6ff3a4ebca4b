/* test_stamp.c - quality columns from facts to rows: what each unit and entity is told, and how writing is queued, made, retried and alarmed. */
#include <criterion/criterion.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/file.h>

#include "worker/stamp.h"
#include "worker/worker_internal.h"

#define COUNT(items) (sizeof(items) / sizeof *(items))
#define NOW_US       1744876800000000LL /* 2025-04-17T08:00:00Z */
#define DAY          20193              /* 2025-04-15 */
#define HOUR_US      3600000000LL

static const char CONFIG[] =
    "version: 1\n"
    "pipeline: p\n"
    "timezone: UTC\n"
    "ledger: {type: sqlite, path: ledger.db}\n"
    "warehouse: {type: sqlite, path: warehouse}\n"
    "coverage: {log: ref.log}\n"
    "defaults: {date_column: day, unit_column: game}\n"
    "phases:\n"
    "  - name: raw\n"
    "    processors: [{name: box, required: critical, table: w.box, fallback: [w.other]}]\n"
    "  - name: made\n"
    "    after: [raw]\n"
    "    processors:\n"
    "      - {name: games, required: critical, table: w.games, quality: {required: [pts]}, stamp: true}\n"
    "      - {name: cache, required: critical, table: w.cache, unit_column: none, stamp: true,\n"
    "         inputs: [{table: w.games, entity_column: who, window: 10 rows}]}\n"
    "      - {name: guess, required: critical, table: w.guess, unit_column: none, quality: {required: [base]}, stamp: true,\n"
    "         confidence: {base: base, final: final, capped: capped, skipped: skipped}}\n";

struct fixture {
    char dir[64];
    struct sl_config *config;
    struct sl_ledger *ledger;
    struct sl_warehouse *warehouse;
    struct sl_worker *worker;
    struct sl_arena arena;
    struct sl_err err;
    struct work work;
    struct sl_proc_facts procs[3];
    struct sl_inherited inherited[4];
    struct sl_run run;
};

#define expect_ok(call) cr_assert_eq((call), SL_OK, "%s: %s", #call, f->err.text)

static const char *DONE[] = {"u1", "u2", "u3"};

/* A gate of phase `made` of which nothing has reported or is assessed yet. */
static void make_facts(struct fixture *f)
{
    const struct sl_phase *phase = sl_config_phase(f->config, "made");
    struct sl_facts *facts = &f->work.facts;
    f->run = (struct sl_run){.status = SL_RUN_SUCCESS};
    f->work.phase = phase;
    f->work.gate = (struct sl_gate){.phase = "made", .date = DAY, .generation = 1};
    *facts = (struct sl_facts){
        .phase = phase, .date = DAY, .generation = 1, .now_us = NOW_US, .season = "2024-25", .checks_gathered = true};
    facts->done = DONE;
    facts->n_done = COUNT(DONE);
    facts->procs = f->procs;
    facts->n_procs = COUNT(f->procs);
    facts->inherited = f->inherited;
    for (size_t i = 0; i < COUNT(f->procs); i++) {
        f->procs[i] = (struct sl_proc_facts){.processor = &phase->processors[i], .need = SL_CRITICAL};
        f->procs[i].coverage.by_date = !phase->processors[i].sources[0].unit_column;
    }
}

static void begin(struct fixture *f)
{
    *f = (struct fixture){.dir = "/tmp/sluice-stamp-XXXXXX"};
    cr_assert_not_null(mkdtemp(f->dir));
    expect_ok(sl_config_parse(&f->config, CONFIG, sizeof CONFIG - 1, "test", f->dir, NULL, 0, NULL, NULL, &f->err));
    expect_ok(sl_ledger_open(&f->ledger, f->config, SL_LEDGER_WRITE, &f->err));
    expect_ok(sl_warehouse_open(&f->warehouse, f->config, &f->err));
    sl_worker_create(&f->worker, f->config, f->ledger, f->warehouse, NULL, NULL);
    make_facts(f);
}

static void end(struct fixture *f)
{
    static const char *const FILES[] = {"ledger.db",          "ledger.db-wal",      "ledger.db-shm", "warehouse/w.db",
                                        "warehouse/w.db-wal", "warehouse/w.db-shm", "input.csv"};
    sl_worker_destroy(&f->worker);
    sl_warehouse_destroy(&f->warehouse);
    sl_ledger_destroy(&f->ledger);
    sl_config_destroy(&f->config);
    sl_arena_fini(&f->arena);
    for (size_t i = 0; i < COUNT(FILES); i++) {
        char *path = sl_path_join(f->dir, FILES[i]);
        unlink(path);
        free(path);
    }
    char *path = sl_path_join(f->dir, "warehouse");
    rmdir(path);
    free(path);
    cr_expect_eq(rmdir(f->dir), 0);
}

/* "u1:0:silver:80 u2:2:gold:99": unit, source, tier, score. */
static void assess(struct fixture *f, size_t proc, const char *words)
{
    struct sl_proc_quality *quality = &f->procs[proc].quality;
    char *copy = sl_arena_strdup(&f->arena, words), *rest = NULL;
    f->procs[proc].run = &f->run;
    quality->asked = true;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char unit[16] = "", tier[16];
        unsigned source;
        double score;
        if (sscanf(word, "%15[^:]:%u:%15[^:]:%lf", unit, &source, tier, &score) != 4)
            cr_assert_eq(sscanf(word, ":%u:%15[^:]:%lf", &source, tier, &score), 3, "%s", word);
        quality->units = sl_arena_push(&f->arena, quality->units, &quality->n_units, sizeof *quality->units);
        struct sl_unit_quality *out = &quality->units[quality->n_units - 1];
        out->unit = sl_arena_strdup(&f->arena, unit);
        out->source = source;
        out->rows = 2;
        out->quality.score = score;
        out->quality.sample_size = 2;
        cr_assert(sl_tier_parse(tier, &out->quality.tier), "%s", tier);
    }
}

static struct sl_inherited *inherit(struct fixture *f, enum sl_tier tier, double score)
{
    struct sl_inherited *out = &f->inherited[f->work.facts.n_inherited++];
    *out = (struct sl_inherited){.any = true, .tier = tier, .score = score, .n_keys = COUNT(DONE)};
    out->culprit = (struct sl_culprit){.phase = "raw", .processor = "box", .table = "w.other", .date = DAY};
    return out;
}

static const char *const ISSUES[] = {"backup_source_used"};

static void add_part(struct fixture *f, struct sl_inherited *from, const char *key, enum sl_tier tier, double score)
{
    from->parts = sl_arena_push(&f->arena, from->parts, &from->n_parts, sizeof *from->parts);
    from->parts[from->n_parts - 1] = (struct sl_inherited_part){
        .key = key, .tier = tier, .score = score, .culprit = from->culprit, .issues = ISSUES, .n_issues = 1};
}

/* "unit/entity tier score" per stamp, with a + when a fallback lies behind it, joined by "; ". */
static void expect_stamps(struct fixture *f, size_t proc, const char *expected)
{
    struct sl_buf body = {0}, got = {0};
    struct sl_stamp_body read;
    const bool any = sl_stamp_body_make(&body, f->config, &f->work.facts, &f->procs[proc], &f->arena);
    cr_assert_eq(any, *expected != '\0', "%s", sl_buf_text(&body));
    if (any) {
        cr_assert_eq(sl_stamp_body_read(&read, sl_buf_text(&body), DAY, &f->arena, &f->err), SL_OK, "%s", sl_buf_text(&body));
        for (size_t i = 0; i < read.n; i++)
            sl_buf_printf(&got, "%s%s/%s %s %.1f%s", i ? "; " : "", read.stamps[i].unit ? read.stamps[i].unit : "-",
                          read.stamps[i].entity ? read.stamps[i].entity : "-", read.stamps[i].tier, read.stamps[i].score,
                          read.stamps[i].used_fallback && strstr(read.stamps[i].issues, ISSUES[0]) ? "+" : "");
        cr_expect_str_eq(sl_buf_text(&got), expected);
    }
    sl_buf_fini(&body);
    sl_buf_fini(&got);
}

enum { GAMES, CACHE, GUESS };

Test(stamp, units_inherit_by_unit)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    assess(f, GAMES, "u1:0:silver:88 u2:0:gold:99 u3:0:gold:97");
    expect_stamps(f, GAMES, "u1/- silver 88.0; u2/- gold 99.0; u3/- gold 97.0");
    struct sl_inherited *raw = inherit(f, SL_TIER_BRONZE, 60);
    raw->phase = sl_config_phase(f->config, "raw");
    add_part(f, raw, "u1", SL_TIER_BRONZE, 60);
    add_part(f, raw, "u3", SL_TIER_UNUSABLE, 0);
    expect_stamps(f, GAMES, "u1/- bronze 60.0+; u2/- gold 99.0; u3/- unusable 0.0+");
    raw->parts[0].key = "some other id"; /* not judged by these units: its tier of the date is everybody's */
    expect_stamps(f, GAMES, "u1/- bronze 60.0; u2/- bronze 60.0; u3/- unusable 0.0+");
    end(f);
}

Test(stamp, only_what_the_primary_holds)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    f->procs[GAMES].processor = &f->config->phases[0].processors[0]; /* two sources: 1 is the fallback, 2 reconstructed rows */
    struct sl_processor processor = *f->procs[GAMES].processor;
    processor.stamp = true;
    processor.quality = f->config->phases[1].processors[0].quality;
    f->procs[GAMES].processor = &processor;
    assess(f, GAMES, "u1:0:gold:99 u2:1:silver:80 u3:2:silver:70");
    struct sl_buf body = {0};
    struct sl_stamp_body read;
    cr_assert(sl_stamp_body_make(&body, f->config, &f->work.facts, &f->procs[GAMES], &f->arena));
    expect_ok(sl_stamp_body_read(&read, sl_buf_text(&body), DAY, &f->arena, &f->err));
    cr_assert_eq(read.n, 2);
    cr_expect_str_eq(read.stamps[0].data_sources, "[\"primary\"]");
    cr_expect(read.stamps[1].reconstructed && !strcmp(read.stamps[1].unit, "u3"));
    cr_expect_str_eq(read.stamps[1].data_sources, "[\"reconstruction\"]");
    sl_buf_fini(&body);
    end(f);
}

Test(stamp, entities_inherit_from_their_own_rows)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    f->procs[CACHE].run = &f->run;
    expect_stamps(f, CACHE, "");
    struct sl_inherited *games = inherit(f, SL_TIER_BRONZE, 61), *raw = inherit(f, SL_TIER_POOR, 30);
    games->processor = f->procs[CACHE].processor;
    games->input = &games->processor->inputs[0];
    raw->phase = sl_config_phase(f->config, "raw"); /* is none of its inputs */
    expect_stamps(f, CACHE, "-/- gold 100.0");
    add_part(f, games, "203999", SL_TIER_BRONZE, 61);
    add_part(f, games, "o'b\"; --", SL_TIER_UNUSABLE, 0);
    expect_stamps(f, CACHE, "-/- gold 100.0; -/203999 bronze 61.0+; -/o'b\"; -- unusable 0.0+");
    end(f);
}

Test(stamp, nothing_without_checks_or_report)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    assess(f, GAMES, "u1:0:gold:99");
    f->work.facts.checks_gathered = false;
    expect_stamps(f, GAMES, "");
    f->work.facts.checks_gathered = true;
    f->procs[GAMES].run = NULL;
    expect_stamps(f, GAMES, "");
    f->procs[GAMES].run = &f->run;
    f->procs[GAMES].quality = (struct sl_proc_quality){.asked = true, .error = "no such table"};
    expect_stamps(f, GAMES, "");
    end(f);
}

Test(stamp, bodies_that_cant_be_read)
{
    static const char *const BAD[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"stamps\":1}",
                                      "{\"stamps\":[1]}",
                                      "{\"stamps\":[{\"tier\":\"gold\"}]}",
                                      "{\"at\":\"never\",\"stamps\":[]}"};
    struct sl_arena arena = {0};
    struct sl_err err;
    struct sl_stamp_body body;
    for (size_t i = 0; i < COUNT(BAD); i++)
        cr_expect_eq(sl_stamp_body_read(&body, BAD[i], DAY, &arena, &err), SL_CORRUPT, "%s", BAD[i]);
    sl_arena_fini(&arena);
}

/* ---- the way into the table ---- */

static void import(struct fixture *f, const char *table, const char *text)
{
    struct sl_import_result result;
    char *path = sl_path_join(f->dir, "input.csv");
    FILE *file = fopen(path, "wb");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
    expect_ok(sl_warehouse_import_csv(f->warehouse, f->config, table, path, NULL, &result, &f->arena, &f->err));
    free(path);
}

static void migrate(struct fixture *f)
{
    struct sl_migration *made;
    size_t n;
    expect_ok(sl_warehouse_migrate(f->warehouse, f->config, true, &made, &n, &f->arena, &f->err));
}

static void expect_cell(struct fixture *f, const char *sql, const char *expected)
{
    char *path = sl_path_join(f->dir, "warehouse/w.db");
    sqlite3 *db;
    sqlite3_stmt *stmt;
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK, "%s", sqlite3_errmsg(db));
    cr_assert_eq(sqlite3_step(stmt), SQLITE_ROW);
    const char *got = (const char *)sqlite3_column_text(stmt, 0);
    cr_expect_str_eq(got ? got : "NULL", expected, "%s: %s", sql, got);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    free(path);
}

static void queue(struct fixture *f, int64_t now_us)
{
    expect_ok(sl_worker_begin(f->worker, &f->err));
    expect_ok(sl_worker_end(f->worker, sl_stamp_queue(f->worker, &f->work, now_us, &f->err), &f->err));
}

struct events {
    size_t n;
    char last[512];
};

static void take_event(void *arg, const char *const *cells)
{
    struct events *events = arg;
    events->n++;
    snprintf(events->last, sizeof events->last, "%s %s %s %s %s %s %s alert=%s", cells[3], cells[4], cells[7], cells[10] ? cells[10] : "-",
             cells[20] ? cells[20] : "-", cells[21] ? cells[21] : "-", cells[23] ? cells[23] : "-", cells[25] ? cells[25] : "-");
}

static struct events events_of(struct fixture *f, const char *type)
{
    struct events events = {0};
    const struct sl_log_filter filter = {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE, .type = type};
    expect_ok(sl_ledger_events(f->ledger, &filter, take_event, &events, &f->err));
    return events;
}

static int64_t next_due(struct fixture *f)
{
    int64_t due_us;
    expect_ok(sl_ledger_stamps_next(f->ledger, &due_us, &f->err));
    return due_us;
}

Test(stamp, stamps_are_written_once_and_replaced_by_newer_ones)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    import(f, "w.games", "day,game,pts\n2025-04-15,u1,1\n2025-04-15,u1,2\n2025-04-15,u2,3\n2025-04-14,u1,4\n");
    migrate(f);
    import(f, "w.games", "day,game,pts\n2025-04-15,u3,5\n");
    assess(f, GAMES, "u1:0:silver:88 u2:0:gold:99");
    queue(f, NOW_US);
    queue(f, NOW_US + 1);
    cr_expect(sl_stamp_is_due(f->worker, NOW_US));
    expect_ok(sl_worker_stamp(f->worker, NOW_US + 1, &f->err));
    cr_expect_not(sl_stamp_is_due(f->worker, NOW_US + 1));
    expect_cell(f, "SELECT group_concat(day || game || coalesce(quality_tier, '-') || coalesce(quality_score, '-'), ' ') FROM games",
                "2025-04-15u1silver88.0 2025-04-15u1silver88.0 2025-04-15u2gold99.0 2025-04-14u1silver80.0 2025-04-15u3--");
    expect_cell(f, "SELECT quality_calculated_at || quality_issues || data_sources FROM games WHERE game = 'u2'",
                "2025-04-17T08:00:00Z[][\"primary\"]");
    cr_expect_eq(next_due(f), SL_NEVER_US);
    cr_expect_eq(f->warehouse->counters.loads, 4, "one call for both: %llu", (unsigned long long)f->warehouse->counters.loads);
    end(f);
}

Test(stamp, confidence_is_capped_after_the_stamp)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    import(f, "w.guess", "day,base,final,capped,skipped\n2025-04-15,0.9,,,\n2025-04-15,0.3,,,\n2025-04-14,0.99,,,\n");
    migrate(f);
    assess(f, GUESS, ":0:poor:40");
    queue(f, NOW_US);
    expect_ok(sl_worker_stamp(f->worker, NOW_US, &f->err));
    expect_cell(
        f, "SELECT group_concat(base || '>' || coalesce(final, '-') || coalesce(capped, '-') || coalesce(skipped, '-'), ' ') FROM guess",
        "0.9>0.610 0.3>0.300 0.99>---");
    struct events events = events_of(f, "quality_degradation");
    cr_expect_eq(events.n, 1);
    cr_expect_str_eq(events.last, "quality_degradation info w.guess 2025-04-15 poor poor 40.0 alert=0", "%s", events.last);
    queue(f, NOW_US + 5);
    expect_ok(sl_worker_stamp(f->worker, NOW_US + 5, &f->err));
    cr_expect_eq(events_of(f, "quality_degradation").n, 1, "once a generation");
    end(f);
}

Test(stamp, a_small_cut_is_no_event)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    import(f, "w.guess", "day,base,final,capped,skipped\n2025-04-15,0.9,,,\n");
    migrate(f);
    assess(f, GUESS, ":0:bronze:60"); /* 0.90 to 0.80: not more than 0.10 */
    queue(f, NOW_US);
    expect_ok(sl_worker_stamp(f->worker, NOW_US, &f->err));
    expect_cell(f, "SELECT final || capped FROM guess", "0.81");
    cr_expect_eq(events_of(f, "quality_degradation").n, 0);
    end(f);
}

/* Retried after 1 min doubling to 1 h; after a day one event; once the columns are there it is written. */
Test(stamp, failures_are_retried_and_alarmed_after_a_day)
{
    struct fixture fixture, *f = &fixture;
    int64_t now_us = NOW_US, waited_min[12];
    size_t n = 0;
    begin(f);
    import(f, "w.games", "day,game,pts\n2025-04-15,u1,1\n");
    assess(f, GAMES, "u1:0:gold:99");
    queue(f, now_us);
    while (now_us < NOW_US + 24 * HOUR_US) {
        expect_ok(sl_worker_stamp(f->worker, now_us, &f->err));
        cr_expect_not(sl_stamp_is_due(f->worker, now_us));
        const int64_t due_us = next_due(f);
        cr_assert(due_us > now_us && due_us < SL_NEVER_US);
        if (n < COUNT(waited_min))
            waited_min[n++] = (due_us - now_us) / 60000000;
        now_us = due_us;
        cr_expect_eq(events_of(f, "validation_failure").n, 0, "after %lld s", (long long)(now_us - NOW_US) / 1000000);
    }
    static const int64_t WAITED[] = {1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60};
    cr_expect_arr_eq(waited_min, WAITED, sizeof WAITED);
    for (int i = 0; i < 3; i++, now_us = next_due(f))
        expect_ok(sl_worker_stamp(f->worker, now_us, &f->err));
    struct events events = events_of(f, "validation_failure");
    cr_expect_eq(events.n, 1);
    cr_expect_str_eq(events.last, "validation_failure warning w.games - - - - alert=1", "%s", events.last);
    migrate(f);
    expect_ok(sl_worker_stamp(f->worker, now_us, &f->err));
    expect_cell(f, "SELECT quality_tier || quality_score FROM games", "gold99.0");
    cr_expect_eq(next_due(f), SL_NEVER_US);
    end(f);
}

Test(stamp, one_that_cant_be_read_fails_for_itself)
{
    struct fixture fixture, *f = &fixture;
    const struct sl_stamp_row bad = {
        .table = "w.games", .phase = "made", .processor = "games", .date = DAY - 1, .body = "{", .next_us = NOW_US};
    const struct sl_stamp_row lost = {.table = "w.gone", .phase = "made", .processor = "gone", .date = DAY, .body = "{", .next_us = NOW_US};
    begin(f);
    import(f, "w.games", "day,game,pts\n2025-04-15,u1,1\n");
    migrate(f);
    assess(f, GAMES, "u1:0:gold:99");
    queue(f, NOW_US);
    expect_ok(sl_ledger_stamp_put(f->ledger, &bad, &f->err));
    expect_ok(sl_ledger_stamp_put(f->ledger, &lost, &f->err));
    expect_ok(sl_worker_stamp(f->worker, NOW_US, &f->err));
    expect_cell(f, "SELECT quality_tier FROM games", "gold");
    cr_expect_eq(next_due(f), NOW_US + 60000000, "the bad one alone is left");
    end(f);
}

/* Nothing is written when the decision is rolled back. */
Test(stamp, queued_with_the_decision_or_not_at_all)
{
    struct fixture fixture, *f = &fixture;
    begin(f);
    assess(f, GAMES, "u1:0:gold:99");
    expect_ok(sl_worker_begin(f->worker, &f->err));
    expect_ok(sl_stamp_queue(f->worker, &f->work, NOW_US, &f->err));
    sl_worker_undo(f->worker);
    cr_expect_eq(next_due(f), SL_NEVER_US);
    expect_ok(sl_worker_stamp(f->worker, NOW_US, &f->err));
    cr_expect_not(sl_stamp_is_due(f->worker, NOW_US));
    end(f);
}
