/* What the worker gathers of quality and completeness: which source serves, what is inherited from phases before and from inputs, who lacks units, what is reconstructed; and how often
 * each table is asked. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

#define DAY "2025-01-09"

static void quality_open(struct sim *sim, const char *const *sets)
{
    sim_open(sim, SIM_QUALITY, sets);
    sim_sql(sim, "raw", "ALTER TABLE schedule ADD COLUMN home TEXT; ALTER TABLE schedule ADD COLUMN away TEXT");
    sim_sql(sim, "raw", "ALTER TABLE a ADD COLUMN team TEXT; ALTER TABLE a ADD COLUMN pts INTEGER; ALTER TABLE a ADD COLUMN extra INTEGER");
    sim_sql(sim, "raw", "ALTER TABLE a2 ADD COLUMN side TEXT; ALTER TABLE a2 ADD COLUMN points INTEGER; ALTER TABLE a2 ADD COLUMN extra");
    sim_sql(sim, "raw", "CREATE TABLE lines (game_date DATE TEXT, game_id TEXT, team TEXT, pts INTEGER, extra INTEGER)");
    sim_sql(sim, "stats", "ALTER TABLE s ADD COLUMN player TEXT; ALTER TABLE s ADD COLUMN pts INTEGER; ALTER TABLE s ADD COLUMN extra");
    sim_sql(sim, "cache", "ALTER TABLE k ADD COLUMN player TEXT");
    sim_sql(sim, "cache", "CREATE TABLE own (game_date DATE TEXT, game_id TEXT, player TEXT, quality_tier TEXT)");
    sim_sql(sim, "show", "ALTER TABLE p ADD COLUMN player TEXT");
}

static void game(struct sim *sim, const char *date, const char *unit, const char *home, const char *away)
{
    sim_sql(sim, "raw", "INSERT INTO schedule VALUES ('%s', '%s', 'done', '2025', '%s', '%s')", date, unit, home, away);
}

/* A row per side. */
static void box(struct sim *sim, const char *table, const char *date, const char *unit, const char *home, const char *away)
{
    sim_sql(sim, "raw", "INSERT INTO %s VALUES ('%s', '%s', '%s', 100, 1), ('%s', '%s', '%s', 99, 1)", table, date, unit, home, date, unit,
            away);
}

/* Two players of stats.s; `worse`: a missing value makes the unit bronze. */
static void players(struct sim *sim, const char *date, const char *unit, const char *one, const char *other, bool worse)
{
    sim_sql(sim, "stats", "INSERT INTO s VALUES ('%s', '%s', '%s', 9, 1), ('%s', '%s', '%s', %s, 1)", date, unit, one, date, unit, other,
            worse ? "NULL" : "7");
}

static void cached(struct sim *sim, const char *date, const char *player)
{
    sim_sql(sim, "cache", "INSERT INTO k VALUES ('%s', '-', '%s')", date, player);
    sim_sql(sim, "show", "INSERT INTO p VALUES ('%s', '-', '%s')", date, player);
}

/* A game with everything. */
static void whole_game(struct sim *sim, const char *date, const char *unit, const char *home, const char *away)
{
    game(sim, date, unit, home, away);
    box(sim, "a", date, unit, home, away);
    players(sim, date, unit, home, away, false);
}

static void all_report(struct sim *sim, const char *date)
{
    report(sim, "raw", "a", date, "success");
    report(sim, "stats", "s", date, "success");
    report(sim, "cache", "k", date, "success");
    report(sim, "show", "p", date, "success");
    sim_step(sim);
}

/* The facts (or the decision) of a gate's newest decision, for json_unpack. */
static json_t *recorded(struct sim *sim, const char *phase, const char *date, bool facts)
{
    struct sl_decision_record record;
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    enum sl_code code = sl_ledger_decision_get(sim->watch, phase, sim_date(date), SL_PAST, 1, &record, &arena, &err);
    cr_assert_eq(code, SL_OK, "%s %s: %s", phase, date, err.text);
    json_t *json = json_loads(facts ? record.facts : record.decision, 0, NULL);
    cr_assert_not_null(json);
    sl_arena_fini(&arena);
    return json;
}

static void expect_json(json_t *json, const char *expected, const char *label)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
    cr_expect_str_eq(text ? text : "nothing", expected, "%s: %s", label, text ? text : "nothing");
    free(text);
}

/* A member of the newest decision, or "PROC.MEMBER" of the facts' processor. */
static void expect_decided(struct sim *sim, const char *phase, const char *date, const char *member, const char *expected)
{
    json_t *json = recorded(sim, phase, date, false);
    expect_json(json_object_get(json, member), expected, member);
    json_decref(json);
}

/* "phase input: tier culprit-table culprit-date below/keys key=tier,...;" of everything inherited. */
static void expect_inherited(struct sim *sim, const char *phase, const char *date, const char *expected)
{
    json_t *facts = recorded(sim, phase, date, true), *item = NULL, *tier = NULL;
    struct sl_buf got = {0};
    const char *key = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(facts, "inherited"), i, item)
    {
        json_t *culprit = json_object_get(item, "culprit");
        const char *of = json_string_value(json_object_get(item, "phase")), *input = json_string_value(json_object_get(item, "input"));
        const char *error = json_string_value(json_object_get(item, "error"));
        sl_buf_printf(&got, "%s%s%s: ", of ? of : "", input ? "<" : "", input ? input : "");
        if (error) {
            sl_buf_printf(&got, "%s; ", error);
            continue;
        }
        sl_buf_printf(&got, "%s %s %s %d/%d", json_string_value(json_object_get(item, "tier")),
                      json_string_value(json_object_get(culprit, "table")), json_string_value(json_object_get(culprit, "date")) + 5,
                      (int)json_integer_value(json_object_get(item, "below_gold")), (int)json_integer_value(json_object_get(item, "keys")));
        json_object_foreach(json_object_get(item, "parts"), key, tier) sl_buf_printf(&got, " %s=%s", key, json_string_value(tier));
        sl_buf_str(&got, "; ");
    }
    cr_expect_str_eq(sl_buf_text(&got), expected, "%s %s: %s", phase, date, sl_buf_text(&got));
    sl_buf_fini(&got);
    json_decref(facts);
}

Test(sim_quality, a_fallback_is_silver_all_the_way_down)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, DAY, "G1", "A", "B");
    game(&sim, DAY, "G2", "C", "D");
    box(&sim, "a2", DAY, "G2", "C", "D");
    players(&sim, DAY, "G2", "C", "D", false);
    cached(&sim, DAY, "A");
    all_report(&sim, DAY);
    sim_expect(&sim, "0:00:00 cache 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 raw 01-09 past/1 triggered by all_complete T2\n"
                     "0:00:00 show 01-09 past/1 triggered by all_complete\n"
                     "0:00:00 stats 01-09 past/1 triggered by all_complete T3\n"
                     "0:00:00 event fallback_used info raw/a 01-09 G2\n"
                     "0:00:00 event quality_degradation info raw/a 01-09 G2\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 event gate_triggered info stats 01-09\n"
                     "0:00:00 event gate_triggered info cache 01-09\n"
                     "0:00:00 event gate_triggered info show 01-09\n"
                     "0:00:00 ack 4\n"
                     "0:00:00 publish cache-go 01-09 past/1 all_complete T3\n"
                     "0:00:00 publish show-go 01-09 past/1 all_complete T1\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T2\n");
    expect_decided(&sim, "raw", DAY, "quality_tier", "\"silver\"");
    expect_inherited(&sim, "stats", DAY, "raw: silver raw.a2 01-09 1/2 G2=silver; ");
    expect_inherited(&sim, "cache", DAY,
                     "raw: silver raw.a2 01-09 1/2 G2=silver; stats: gold stats.s 01-09 0/2; <stats.s: gold stats.s 01-09 0/1; ");
    expect_decided(&sim, "show", DAY, "quality_tier", "\"silver\"");
    sim_close(&sim);
}

/* p1 and p2 shared a unit that is bronze; p3 did not. The window of three rows forgets it again. */
Test(sim_quality, inputs_cap_whom_they_are_about)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    game(&sim, "2025-01-05", "G5", "A", "B");
    box(&sim, "a", "2025-01-05", "G5", "A", "B");
    players(&sim, "2025-01-05", "G5", "p1", "p2", true);
    game(&sim, "2025-01-06", "G6", "A", "B");
    box(&sim, "a", "2025-01-06", "G6", "A", "B");
    players(&sim, "2025-01-06", "G6", "p1", "p3", false);
    game(&sim, "2025-01-07", "G7", "A", "B");
    box(&sim, "a", "2025-01-07", "G7", "A", "B");
    players(&sim, "2025-01-07", "G7", "p1", "p3", false);
    game(&sim, "2025-01-08", "G8", "A", "B");
    box(&sim, "a", "2025-01-08", "G8", "A", "B");
    players(&sim, "2025-01-08", "G8", "p1", "p3", false);
    for (int day = 7; day <= 8; day++) {
        const char *date = day == 7 ? "2025-01-07" : "2025-01-08";
        cached(&sim, date, "p1");
        cached(&sim, date, "p3");
        cached(&sim, date, "newcomer");
    }
    cached(&sim, "2025-01-08", "p2");
    all_report(&sim, "2025-01-07");
    all_report(&sim, "2025-01-08");
    expect_inherited(&sim, "cache", "2025-01-07",
                     "raw: gold raw.a 01-07 0/1; stats: gold stats.s 01-07 0/1; <stats.s: bronze stats.s 01-05 1/2 p1=bronze; ");
    expect_inherited(&sim, "cache", "2025-01-08",
                     "raw: gold raw.a 01-08 0/1; stats: gold stats.s 01-08 0/1; <stats.s: bronze stats.s 01-05 1/3 p2=bronze; ");
    expect_decided(&sim, "cache", "2025-01-07", "quality_tier", "\"bronze\"");
    /* what cache's rows inherited goes on to those that are made from them, and to the phase after */
    expect_inherited(&sim, "show", "2025-01-08",
                     "raw: gold raw.a 01-08 0/1; stats: gold stats.s 01-08 0/1; cache<stats.s: bronze stats.s 01-05 1/3 p2=bronze; "
                     "<cache.k: bronze stats.s 01-05 1/4 p2=bronze; ");
    sim_close(&sim);
}

/* A table that nobody assesses and that has a quality_tier says what its rows are worth. */
Test(sim_quality, a_table_of_nobody_says_its_tiers)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, "2025-01-01", "G0", "A", "B"); /* the season's first */
    whole_game(&sim, DAY, "G1", "A", "B");
    cached(&sim, DAY, "A");
    cached(&sim, DAY, "it''s; --");
    cached(&sim, DAY, "C");
    sim_sql(&sim, "cache",
            "INSERT INTO own VALUES ('2025-01-04', 'G', 'A', 'silver'), ('2025-01-04', 'G', 'A', 'gold'), ('2025-01-03', 'G', 'C', NULL), "
            "('2025-01-02', 'G', 'A', 'poor'), ('2025-01-04', 'G', 'it''s; --', 'gold'), ('2025-01-04', 'G', NULL, 'poor'), "
            "('2025-01-04', 'G', '', 'poor')");
    all_report(&sim, DAY);
    expect_inherited(&sim, "show", DAY,
                     "raw: gold raw.a 01-09 0/1; stats: gold stats.s 01-09 0/1; cache<stats.s: gold stats.s 01-01 0/1; "
                     "<cache.k: gold cache.k 01-09 0/3; <cache.own: silver cache.own 01-04 2/3 A=silver C=unusable; ");
    sim_close(&sim);
}

Test(sim_quality, what_is_missing_for_inputs_is_said)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, DAY, "G1", "A", "B");
    cached(&sim, DAY, "A");
    sim_sql(&sim, "cache", "DROP TABLE own");
    sim_sql(&sim, "stats", "ALTER TABLE s RENAME COLUMN player TO who");
    all_report(&sim, DAY);
    expect_decided(&sim, "stats", DAY, "state", "\"blocked\""); /* a required field is gone: unusable */
    json_t *facts = recorded(&sim, "cache", DAY, true);
    char *text = json_dumps(json_object_get(facts, "inherited"), JSON_COMPACT);
    cr_expect(strstr(text, "\"error\":\"table stats.s has no column player"), "%s", text);
    free(text);
    json_decref(facts);
    facts = recorded(&sim, "show", DAY, true);
    text = json_dumps(json_object_get(facts, "inherited"), JSON_COMPACT);
    cr_expect(strstr(text, "cache.own"), "%s", text);
    free(text);
    json_decref(facts);
    sim_close(&sim);
}

/* ---- completeness ---- */

/* B plays five times; the source lacks two of the last three, and one of these is excused. Names are only text. */
#define TEAM     "O'B`\"; DROP TABLE a; --/*"
#define SQL_TEAM "O''B`\"; DROP TABLE a; --/*"

Test(sim_quality, completeness_counts_per_entity)
{
    struct sim sim = {0};
    static const char *const DATES[] = {"2025-01-03", "2025-01-04", "2025-01-05", "2025-01-06", DAY};
    quality_open(&sim, SETS("phases.stats.checks.upstream.mode=off", "phases.stats.checks.quality.mode=off"));
    for (int i = 0; i < 5; i++) {
        char unit[16];
        snprintf(unit, sizeof unit, "G'%d", i);
        char quoted[16];
        snprintf(quoted, sizeof quoted, "G''%d", i);
        game(&sim, DATES[i], quoted, "A", SQL_TEAM);
        players(&sim, DATES[i], quoted, "A", "C", false);
        if (i == 2 || i == 4) /* of A only, and rows about nobody */
            sim_sql(&sim, "raw", "INSERT INTO a VALUES ('%s', '%s', 'A', 1, 1), ('%s', '%s', NULL, 1, 1), ('%s', '%s', '', 1, 1)", DATES[i],
                    quoted, DATES[i], quoted, DATES[i], quoted);
        else
            box(&sim, i == 3 ? "a2" : "a", DATES[i], quoted, "A", SQL_TEAM);
    }
    report(&sim, "stats", "s", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 stats 01-09 past/1 blocked completeness\n"
                     "0:00:00 event completeness_gap critical stats 01-09\n"
                     "0:00:00 event gate_blocked critical stats 01-09\n"
                     "0:00:00 ack 1\n");
    json_t *facts = recorded(&sim, "stats", DAY, true);
    expect_json(json_object_get(facts, "completeness"),
                "{\"actual\":4,\"entities\":2,\"expected\":6,\"from\":\"2025-01-05\",\"known_gaps\":0,"
                "\"lacking\":[{\"actual\":1,\"entity\":\"O'B`\\\"; DROP TABLE a; --/*\",\"expected\":3,\"missing\":[\"G'2\",\"G'4\"]}],"
                "\"to\":\"2025-01-09\"}",
                "facts");
    json_decref(facts);
    struct sl_completeness_facts found;
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    sim_known_gap(&sim, "stats", "2025-01-05");
    cr_assert_eq(sl_worker_completeness(sim.worker, sl_config_phase(sim.config, "stats"), sim_date(DAY), sim.now_us, &found, &arena, &err),
                 SL_OK, "%s", err.text);
    cr_assert(found.n_entities == 2 && found.n_excused == 1 && !found.error);
    cr_expect_str_eq(found.entities[1].entity, TEAM);
    cr_expect(found.entities[1].n_expected == 2 && found.entities[1].n_actual == 1 && found.entities[1].n_missing == 1);
    cr_expect_str_eq(found.entities[1].missing[0], "G'4");
    cr_expect_eq(sl_worker_completeness(sim.worker, sl_config_phase(sim.config, "show"), sim_date(DAY), sim.now_us, &found, &arena, &err),
                 SL_INVALID);
    sl_arena_fini(&arena);
    sim_sql(&sim, "raw", "INSERT INTO a2 VALUES ('%s', 'G''4', '" SQL_TEAM "', 1, 1)", DAY);
    sim_forget(&sim);
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 stats 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event gate_triggered info stats 01-09\n"
                     "0:00:00 publish cache-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_quality, completeness_that_cannot_be_asked_has_failed)
{
    struct sim sim = {0};
    quality_open(&sim, SETS("phases.stats.checks.upstream.mode=off"));
    whole_game(&sim, DAY, "G1", "A", "B");
    sim_sql(&sim, "raw", "DROP TABLE a2"); /* a fallback that nobody needs */
    sim_sql(&sim, "raw", "ALTER TABLE a RENAME COLUMN team TO side");
    report(&sim, "stats", "s", DAY, "success");
    sim_step(&sim);
    sim_sql(&sim, "raw", "ALTER TABLE a RENAME COLUMN side TO team");
    sim_pass(&sim, 2 * SIM_MINUTE);
    sim_expect(&sim, "0:00:00 stats 01-09 past/1 blocked check_error\n"
                     "0:00:00 event gate_blocked critical stats 01-09\n"
                     "0:00:00 ack 1\n"
                     "0:01:00 stats 01-09 past/1 triggered by all_complete T1\n"
                     "0:01:00 event gate_triggered info stats 01-09\n"
                     "0:01:00 publish cache-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

/* ---- sources ---- */

static void lines(struct sim *sim, const char *unit)
{
    sim_sql(sim, "raw", "INSERT INTO lines VALUES ('" DAY "', '%s', 'A', 1, 1), ('" DAY "', '%s', 'B', 2, 2)", unit, unit);
}

Test(sim_quality, a_unit_that_no_source_covers_is_reconstructed)
{
    struct sim sim = {0};
    struct sl_verdict verdict;
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, DAY, "G1", "A", "B");
    game(&sim, DAY, "G''2", "A", "B");
    game(&sim, DAY, "G;3", "A", "B");
    lines(&sim, "G;3");
    sim_sql(&sim, "raw", "INSERT INTO lines VALUES ('" DAY "', 'G''2', 'A', 1, 1)");
    report(&sim, "raw", "a", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked units missing a\n"
                     "0:00:00 event source_missing critical raw/a 01-09 G'2\n"
                     "0:00:00 event reconstruction info raw/a 01-09 G;3\n"
                     "0:00:00 event reconstruction_failed info raw/a 01-09 G'2\n"
                     "0:00:00 event units_missing warning raw 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 1\n");
    cr_expect_eq(sim_count(&sim, "raw", "SELECT count(*) FROM a"), 4);
    sim_sql(&sim, "raw", "INSERT INTO lines VALUES ('" DAY "', 'G''2', 'B', 1, 1)");
    cr_assert_eq(
        sl_worker_check(sim.worker, sl_config_phase(sim.config, "raw"), sim_date(DAY), SL_PAST, sim.now_us, &verdict, &arena, &err), SL_OK,
        "%s", err.text);
    cr_expect_eq(verdict.after.state, SL_BLOCKED, "looking makes nothing");
    sim_release(&sim, "raw", DAY, DAY, false, true);
    cr_expect_eq(sim_count(&sim, "raw", "SELECT count(*) FROM a"), 4, "a dry run neither");
    sl_arena_fini(&arena);
    sim_forget(&sim);
    sim_pass(&sim, 2 * SIM_MINUTE);
    cr_expect_eq(sim_count(&sim, "raw", "SELECT count(*) FROM a"), 6);
    expect_decided(&sim, "raw", DAY, "state", "\"triggered\"");
    expect_decided(&sim, "raw", DAY, "quality_tier", "\"silver\"");
    report(&sim, "stats", "s", DAY, "success");
    players(&sim, DAY, "G''2", "A", "B", false);
    players(&sim, DAY, "G;3", "A", "B", false);
    sim_step(&sim);
    expect_inherited(&sim, "stats", DAY, "raw: silver reconstruction 01-09 2/3 G'2=silver G;3=silver; ");
    sim_close(&sim);
}

/* The run has written none of the rows that a reconstruction made. */
Test(sim_quality, reconstructed_rows_are_not_the_messages)
{
    static const struct {
        int records;
        const char *reasons;
    } CASES[] = {{2, "[]"}, {4, "[\"rows_differ\"]"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sim sim = {.quiet_trace = true};
        quality_open(&sim, NULL);
        whole_game(&sim, DAY, "G1", "A", "B");
        game(&sim, DAY, "G;2", "A", "B");
        lines(&sim, "G;2");
        report(&sim, "raw", "a", DAY, "success", .records = CASES[i].records);
        sim_step(&sim);
        cr_expect_eq(sim_count(&sim, "raw", "SELECT count(*) FROM a"), 4);
        expect_decided(&sim, "raw", DAY, "state", "\"triggered\"");
        expect_decided(&sim, "raw", DAY, "reasons", CASES[i].reasons);
        sim_close(&sim);
    }
}

/* The warehouse keeps what was made; the batch comes again and finds it. */
Test(sim_quality, a_reconstruction_outlives_a_failed_commit)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    game(&sim, DAY, "G2", "A", "B");
    lines(&sim, "G2");
    sim_break(&sim, SIM_LEDGER_commit, 1, SL_UNAVAILABLE);
    report(&sim, "raw", "a", DAY, "success");
    sim_persist(&sim);
    cr_expect_eq(sim_count(&sim, "raw", "SELECT count(*) FROM a"), 2);
    sim_expect(&sim, "0:00:00 batch: unavailable\n"
                     "0:00:00 raw 01-09 past/1 triggered by all_complete T1\n"
                     "0:00:00 event reconstruction info raw/a 01-09 G2\n"
                     "0:00:00 event quality_degradation info raw/a 01-09 G2\n"
                     "0:00:00 event gate_triggered info raw 01-09\n"
                     "0:00:00 ack 1\n"
                     "0:00:00 publish stats-go 01-09 past/1 all_complete T1\n");
    sim_close(&sim);
}

Test(sim_quality, a_source_that_takes_too_long)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, DAY, "G1", "A", "B");
    game(&sim, DAY, "G2", "A", "B");
    lines(&sim, "G2");
    sim_break(&sim, SIM_WAREHOUSE_present, 1, SL_UNAVAILABLE, .timed_out = true, .table = "raw.a2");
    report(&sim, "raw", "a", DAY, "success");
    sim_step(&sim);
    sim_expect(&sim, "0:00:00 raw 01-09 past/1 blocked units missing a\n"
                     "0:00:00 event source_timeout info raw/a 01-09\n"
                     "0:00:00 event source_missing critical raw/a 01-09 G2\n"
                     "0:00:00 event fallback_failed info raw/a 01-09 G2\n"
                     "0:00:00 event units_missing warning raw 01-09\n"
                     "0:00:00 event gate_blocked critical raw 01-09\n"
                     "0:00:00 ack 1\n");
    cr_expect_eq(sim_count(&sim, "raw", "SELECT count(*) FROM a"), 2, "nothing is made while the fallback may have it");
    sim_break(&sim, SIM_WAREHOUSE_tally, 1, SL_UNAVAILABLE, .timed_out = true, .table = "raw.a");
    sim_pass(&sim, 2 * SIM_MINUTE);
    expect_decided(&sim, "raw", DAY, "state", "\"triggered\"");
    json_t *facts = recorded(&sim, "raw", DAY, true);
    char *text = json_dumps(facts, JSON_COMPACT);
    cr_expect(strstr(text, "\"error\":\"a fault was ordered\""), "%s", text);
    free(text);
    json_decref(facts);
    /* without the timeout it is trouble of the whole batch */
    sim_break(&sim, SIM_WAREHOUSE_tally, 1, SL_UNAVAILABLE, .table = "raw.a");
    sim_forget(&sim);
    sim_retrigger(&sim, "raw", DAY, true);
    sim_expect(&sim, "0:02:00 retrigger: unavailable\n");
    sim_close(&sim);
}

Test(sim_quality, rows_and_fingerprints_are_facts)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, DAY, "G1", "A", "B");
    sim_sql(&sim, "raw", "INSERT INTO a VALUES ('" DAY "', 'another', 'A', 1, 1)"); /* of no unit that is planned */
    report(&sim, "raw", "a", DAY, "success", .records = 30);
    sim_step(&sim);
    json_t *facts = recorded(&sim, "raw", DAY, true);
    json_t *proc = json_array_get(json_object_get(facts, "processors"), 0), *coverage = json_object_get(proc, "rows");
    expect_json(json_object_get(coverage, "all"), "3", "all rows of the date");
    cr_expect_eq(json_string_length(json_object_get(coverage, "fingerprint")), SL_FINGERPRINT_LEN);
    json_decref(facts);
    report(&sim, "show", "p", DAY, "success", .records = 30);
    cached(&sim, DAY, "A");
    sim_step(&sim);
    facts = recorded(&sim, "show", DAY, true);
    coverage = json_object_get(json_array_get(json_object_get(facts, "processors"), 0), "rows");
    cr_expect_null(json_object_get(coverage, "fingerprint"), "nothing comes after it");
    json_decref(facts);
    sim_close(&sim);
}

/* ---- how often, and how much ---- */

/* 1,000 completions over ten dates: each check asks each table once. */
Test(sim_quality, each_check_asks_each_table_once)
{
    static const char *const PHASES[] = {"raw", "stats", "cache", "show"}, *const PROCESSORS[] = {"a", "s", "k", "p"};
    struct sim sim = {.quiet_trace = true};
    char date[SL_DATE_LEN + 1], unit[16], run[16];
    quality_open(&sim, NULL);
    for (int d = 0; d < 10; d++) {
        sl_date_format(sim_date("2024-12-28") + d, date);
        snprintf(unit, sizeof unit, "G%d", d);
        whole_game(&sim, date, unit, "A", "B");
        cached(&sim, date, "A");
    }
    for (int i = 0; i < 1000; i++) {
        sl_date_format(sim_date("2024-12-28") + i % 10, date);
        snprintf(run, sizeof run, "r%d", i);
        report(&sim, PHASES[i / 10 % 4], PROCESSORS[i / 10 % 4], date, "success", .run = run, .records = 2);
    }
    sim.faults.n_asked = 0;
    const uint64_t before = sim.warehouse->counters.queries;
    cr_assert_eq(sim_batch(&sim), SL_OK);
    struct sl_worker_counters counters;
    sl_worker_counters(sim.worker, &counters);
    cr_assert(counters.received == 1000 && counters.triggered == 40, "%d triggered", (int)counters.triggered);
    for (size_t i = 0; i < sim.faults.n_asked; i++) {
        const struct sim_asked *asked = &sim.faults.asked[i];
        const size_t most = asked->slot == SIM_WAREHOUSE_present || asked->slot == SIM_WAREHOUSE_reconstructed ? 2 : 1;
        cr_expect_leq(asked->n, most, "slot %d of %s: %zu times; present: units, then upstream and gaps", (int)asked->slot, asked->table,
                      asked->n);
    }
    cr_expect_leq(sim.warehouse->counters.queries - before, 26, "%d questions", (int)(sim.warehouse->counters.queries - before));
    sim_close(&sim);
}

Test(sim_quality, a_hundred_thousand_entities)
{
    struct sim sim = {0};
    quality_open(&sim, NULL);
    whole_game(&sim, DAY, "G1", "A", "B");
    game(&sim, DAY, "G2", "C", "D");
    box(&sim, "a", DAY, "G2", "C", "D");
    sim_sql(&sim, "stats",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO s SELECT '" DAY "', 'G2', 'player ' || i, CASE WHEN i %% 2 THEN 1 END, 1 FROM n");
    sim_sql(&sim, "cache",
            "INSERT INTO k SELECT game_date, '-', player FROM (SELECT 1) JOIN (SELECT '" DAY "' AS game_date, 'A' AS player)");
    sim_sql(&sim, "cache",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
            "INSERT INTO k SELECT '" DAY "', '-', 'player ' || i FROM n");
    cached(&sim, DAY, "B");
    all_report(&sim, DAY);
    expect_decided(&sim, "cache", DAY, "quality_tier", "\"bronze\"");
    json_t *facts = recorded(&sim, "cache", DAY, true), *inherited = json_object_get(facts, "inherited");
    json_t *input = json_array_get(inherited, json_array_size(inherited) - 1);
    expect_json(json_object_get(input, "keys"), "100002", "keys");
    expect_json(json_object_get(input, "below_gold"), "100000", "below gold");
    json_decref(facts);
    sim_close(&sim);
}

/* The third voice: a run history that the processors write. */
Test(sim_quality, message_against_run_record)
{
    static const struct {
        const char *label, *rows, *reasons;
    } CASES[] = {
        {"it says the same", "INSERT INTO history VALUES ('a', '" DAY "', 'a-" DAY "', 'success', 2)", "[]"},
        {"it says nothing of the count", "INSERT INTO history VALUES ('a', '" DAY "', 'a-" DAY "', 'success', NULL)", "[]"},
        {"it says other", "INSERT INTO history VALUES ('a', '" DAY "', 'a-" DAY "', 'success', 9)", "[\"rows_differ\"]"},
        {"it does not know the run", "SELECT 1", "[\"rows_differ\"]"},
        {"it is not there", "DROP TABLE history", "[\"check_error\"]"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sim sim = {.quiet_trace = true};
        quality_open(&sim, SETS("coverage.runs.written_by=processors", "coverage.runs.table=ref.history"));
        sim_sql(&sim, "ref",
                "CREATE TABLE history (processor_name TEXT, data_date DATE TEXT, run_id TEXT, status TEXT, record_count INTEGER)");
        sim_sql(&sim, "ref", "%s", CASES[i].rows);
        whole_game(&sim, DAY, "G1", "A", "B");
        report(&sim, "raw", "a", DAY, "success", .records = 2);
        sim_step(&sim);
        expect_decided(&sim, "raw", DAY, "state", "\"triggered\"");
        expect_decided(&sim, "raw", DAY, "reasons", CASES[i].reasons);
        sim_close(&sim);
    }
}
