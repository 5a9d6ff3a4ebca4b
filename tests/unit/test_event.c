/* test_event.c - the identity of a coverage event and its row in the log. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include <sluice/event.h>
#include <sluice/mem.h>

/* contract/source_coverage_log.md, column by column. */
static const char *const CONTRACT[] = {
    "event_id",
    "batch_id",
    "event_timestamp",
    "event_type",
    "severity",
    "is_synthetic",
    "phase",
    "table_name",
    "processor_name",
    "game_id",
    "game_date",
    "season",
    "player_id",
    "team_abbr",
    "description",
    "primary_source",
    "primary_source_status",
    "fallback_sources_tried",
    "resolution",
    "resolution_details",
    "quality_tier_before",
    "quality_tier_after",
    "quality_score_before",
    "quality_score_after",
    "downstream_impact",
    "requires_alert",
    "alert_sent",
    "alert_channel",
    "alert_sent_at",
    "is_resolved",
    "resolved_at",
    "resolution_method",
    "resolved_by",
    "created_at",
    "processor_run_id",
    "environment",
};

static sl_date day(const char *text)
{
    sl_date date = SL_DATE_NONE;
    cr_assert(sl_date_parse(text, strlen(text), &date));
    return date;
}

static const char *cell(const char **cells, const char *column)
{
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        if (strcmp(SL_LOG_COLUMNS[i], column) == 0)
            return cells[i];
    cr_assert_fail("no column %s", column);
    return NULL;
}

static void check_cells(const char **cells, const char *const expected[][2], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = cell(cells, expected[i][0]);
        cr_assert_str_eq(value ? value : "NULL", expected[i][1] ? expected[i][1] : "NULL", "%s is %s", expected[i][0],
                         value ? value : "NULL");
    }
}

Test(event, columns_are_the_contract)
{
    cr_assert_eq(sizeof(CONTRACT) / sizeof(CONTRACT[0]), SL_N_LOG_COLUMNS);
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        cr_assert_str_eq(SL_LOG_COLUMNS[i], CONTRACT[i]);
}

Test(event, a_new_event_is_empty)
{
    struct sl_event event = sl_event_make("date_gap", SL_SEV_CRITICAL, 5);
    cr_assert_str_eq(event.type, "date_gap");
    cr_assert(event.severity == SL_SEV_CRITICAL && event.at_us == 5 && event.date == SL_DATE_NONE);
    cr_assert(isnan(event.score_before) && isnan(event.score_after));
    cr_assert(!event.phase && !event.unit && event.event_id[0] == '\0' && event.generation == 0 && !event.is_synthetic);
}

/* The ids are Python's uuid.uuid5 of the same strings. */
Test(event, identity_of_a_run_event)
{
    struct sl_event event = sl_event_make("source_missing", SL_SEV_CRITICAL, 1);
    event.phase = "phase_2_raw";
    event.processor = "nbac_team_boxscore";
    event.table = event.source = "nba_raw.nbac_team_boxscore";
    event.date = day("2025-04-15");
    event.unit = "0052400101";
    event.execution_id = "def-456";
    event.generation = 3;
    event.identify_by_execution = true;
    sl_event_identify(&event, "nba");
    cr_assert_str_eq(event.event_id, "35698d56-155e-5b9f-9947-dd5f03f03e85");
    event.at_us = 99; /* says nothing about what the event is */
    event.severity = SL_SEV_INFO;
    event.description = "other words";
    sl_event_identify(&event, "nba");
    cr_assert_str_eq(event.event_id, "35698d56-155e-5b9f-9947-dd5f03f03e85");
}

Test(event, identity_of_a_gate_event)
{
    struct sl_event event = sl_event_make("gate_blocked", SL_SEV_CRITICAL, 1);
    event.phase = "phase_2_raw";
    event.date = day("2024-12-17");
    event.source = "blocked:no_data";
    event.generation = 2;
    event.execution_id = "not part of it";
    sl_event_identify(&event, "nba");
    cr_assert_str_eq(event.event_id, "a378f292-b574-562d-86a0-bb4bfe74cd1c");
}

Test(event, identity_of_absent_parts_is_empty)
{
    struct sl_event event = sl_event_make("audit_heartbeat", SL_SEV_INFO, 1);
    sl_event_identify(&event, "nba");
    cr_assert_str_eq(event.event_id, "2507bf20-6f5d-556a-b116-17fae622761b");
    event.identify_by_execution = true; /* without an execution id */
    sl_event_identify(&event, "nba");
    cr_assert_str_eq(event.event_id, "2507bf20-6f5d-556a-b116-17fae622761b");
}

Test(event, every_cell_of_a_full_event)
{
    static const char *tried[] = {"nba_raw.espn_team_boxscore", "a \"quoted\" one"};
    static const char *const expected[][2] = {
        {"event_id", "35698d56-155e-5b9f-9947-dd5f03f03e85"},
        {"batch_id", "nbac_team_boxscore_0052400101_def-456"},
        {"event_timestamp", "2025-04-16T08:01:02.123456Z"},
        {"event_type", "fallback_used"},
        {"severity", "info"},
        {"is_synthetic", "1"},
        {"phase", "phase_2_raw"},
        {"table_name", "nba_raw.nbac_team_boxscore"},
        {"processor_name", "nbac_team_boxscore"},
        {"game_id", "0052400101"},
        {"game_date", "2025-04-15"},
        {"season", "2024-25"},
        {"player_id", "lebron-james"},
        {"team_abbr", "LAL"},
        {"description", "a sentence"},
        {"primary_source", "nba_raw.nbac_team_boxscore"},
        {"primary_source_status", "missing"},
        {"fallback_sources_tried", "[\"nba_raw.espn_team_boxscore\",\"a \\\"quoted\\\" one\"]"},
        {"resolution", "used_fallback"},
        {"resolution_details", "espn"},
        {"quality_tier_before", "gold"},
        {"quality_tier_after", "silver"},
        {"quality_score_before", "95.5"},
        {"quality_score_after", "85.0"},
        {"downstream_impact", "predictions_degraded"},
        {"requires_alert", "1"},
        {"alert_sent", "0"},
        {"alert_channel", NULL},
        {"alert_sent_at", NULL},
        {"is_resolved", "1"},
        {"resolved_at", "2025-04-16T08:01:03Z"},
        {"resolution_method", "source_recovered"},
        {"resolved_by", "system"},
        {"created_at", "2025-04-16T08:01:02.123456Z"},
        {"processor_run_id", "def-456"},
        {"environment", "prod"},
    };
    struct sl_event event = sl_event_make("fallback_used", SL_SEV_INFO, INT64_C(1744790462123456));
    const char *cells[SL_N_LOG_COLUMNS];
    struct sl_arena arena = {0};
    strcpy(event.event_id, "35698d56-155e-5b9f-9947-dd5f03f03e85");
    event.is_synthetic = event.requires_alert = event.is_resolved = true;
    event.phase = "phase_2_raw", event.table = "nba_raw.nbac_team_boxscore", event.processor = "nbac_team_boxscore";
    event.unit = "0052400101", event.date = day("2025-04-15"), event.season = "2024-25", event.player_id = "lebron-james",
    event.team_abbr = "LAL";
    event.description = "a sentence", event.primary_source = "nba_raw.nbac_team_boxscore", event.primary_source_status = "missing";
    event.fallbacks_tried = tried, event.n_fallbacks_tried = 2, event.resolution = "used_fallback", event.resolution_details = "espn";
    event.tier_before = "gold", event.tier_after = "silver", event.score_before = 95.5, event.score_after = 85;
    event.downstream_impact = "predictions_degraded", event.resolved_us = INT64_C(1744790463000000);
    event.resolution_method = "source_recovered", event.resolved_by = "system", event.execution_id = "def-456";
    sl_event_cells(&event, "prod", &arena, cells);
    cr_assert_eq(sizeof(expected) / sizeof(expected[0]), SL_N_LOG_COLUMNS);
    check_cells(cells, expected, SL_N_LOG_COLUMNS);
    sl_arena_fini(&arena);
}

Test(event, cells_of_an_empty_event)
{
    static const char *const expected[][2] = {
        {"batch_id", NULL},
        {"is_synthetic", "0"},
        {"game_id", NULL},
        {"game_date", NULL},
        {"fallback_sources_tried", "[]"},
        {"is_resolved", "0"},
        {"resolved_at", NULL},
        {"requires_alert", "0"},
        {"quality_score_before", NULL},
        {"quality_score_after", NULL},
        {"environment", NULL},
        {"processor_run_id", NULL},
        {"severity", "warning"},
    };
    struct sl_event event = sl_event_make("date_gap", SL_SEV_WARNING, INT64_C(1744790462000000));
    const char *cells[SL_N_LOG_COLUMNS];
    struct sl_arena arena = {0};
    event.resolved_us = 5; /* without is_resolved it says nothing */
    sl_event_cells(&event, NULL, &arena, cells);
    check_cells(cells, expected, sizeof(expected) / sizeof(expected[0]));
    sl_arena_fini(&arena);
}

Test(event, batch_id_needs_processor_and_execution)
{
    static const struct {
        const char *processor, *unit, *execution, *expected;
    } cases[] = {
        {"p", "u", "e", "p_u_e"},
        {"p", NULL, "e", "p_2025-04-15_e"},
        {NULL, "u", "e", NULL},
        {"p", "u", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sl_event event = sl_event_make("run_failed", SL_SEV_WARNING, 1);
        const char *cells[SL_N_LOG_COLUMNS], *batch;
        struct sl_arena arena = {0};
        event.processor = cases[i].processor, event.unit = cases[i].unit, event.execution_id = cases[i].execution;
        event.date = day("2025-04-15");
        sl_event_cells(&event, "dev", &arena, cells);
        batch = cell(cells, "batch_id");
        cr_assert_str_eq(batch ? batch : "NULL", cases[i].expected ? cases[i].expected : "NULL");
        sl_arena_fini(&arena);
    }
}
