/* sqlite_init.c - what `init` makes: the coverage log, the run history, their views and indexes, and the (date, unit) indexes of configured tables that are
 * there. One transaction per file; what is there already is left as it is, so a second call makes nothing. The tables are
 * contract/source_coverage_log.md, to the column. */
#include "sqlite.h"

#include <string.h>

struct init {
    struct sl_wh *wh;
    const char **made;
    size_t n_made;
    struct sl_arena *arena;
};

/* --- definitions; %w is the table's name, already validated ------------------------------------------------------------------------ */

static const char LOG_SQL[] =
    "CREATE TABLE \"%w\"(event_id TEXT NOT NULL UNIQUE, batch_id TEXT, event_timestamp TIMESTAMP TEXT NOT NULL, event_type TEXT NOT NULL, "
    "severity TEXT NOT NULL, is_synthetic BOOL INTEGER, phase TEXT, table_name TEXT, processor_name TEXT, game_id TEXT, game_date DATE "
    "TEXT, "
    "season TEXT, player_id TEXT, team_abbr TEXT, description TEXT, primary_source TEXT, primary_source_status TEXT, "
    "fallback_sources_tried JSON TEXT, "
    "resolution TEXT, resolution_details TEXT, quality_tier_before TEXT, quality_tier_after TEXT, quality_score_before REAL, "
    "quality_score_after REAL, "
    "downstream_impact TEXT, requires_alert BOOL INTEGER, alert_sent BOOL INTEGER, alert_channel TEXT, alert_sent_at TIMESTAMP TEXT, "
    "is_resolved BOOL INTEGER, resolved_at TIMESTAMP TEXT, resolution_method TEXT, resolved_by TEXT, created_at TIMESTAMP TEXT, "
    "processor_run_id TEXT, "
    "environment TEXT)";

static const char RUNS_SQL[] = "CREATE TABLE \"%w\"(processor_name TEXT, phase TEXT, data_date DATE TEXT, run_id TEXT, correlation_id "
                               "TEXT, status TEXT, record_count INTEGER, "
                               "records_failed INTEGER, started_at TIMESTAMP TEXT, finished_at TIMESTAMP TEXT, duration_seconds REAL, "
                               "backfill_mode BOOL INTEGER, errors TEXT, "
                               "trigger_source TEXT, trigger_message_id TEXT)";

/* The run is (processor_name, phase, data_date, run_id); rows are only appended, so the newest has the greatest rowid. */
static const char RUNS_LATEST_SQL[] = "CREATE VIEW \"%w_latest\" AS SELECT * FROM \"%w\" WHERE rowid IN (SELECT max(rowid) FROM \"%w\" "
                                      "GROUP BY processor_name, phase, data_date, run_id)";

/* A resolution is a later event whose resolution_details name the resolved event's id: at least its 36 bytes, which the index is partial by. */
#define RANKED_LOG                                                                                                                         \
    "SELECT e.*, CASE e.severity WHEN 'critical' THEN 3 WHEN 'warning' THEN 2 WHEN 'info' THEN 1 END AS severity_rank, "                   \
    "CASE e.quality_tier_after WHEN 'gold' THEN 1 WHEN 'silver' THEN 2 WHEN 'bronze' THEN 3 WHEN 'poor' THEN 4 "                           \
    "ELSE CASE WHEN e.quality_tier_after IS NOT NULL THEN 5 END END AS tier_rank, "                                                        \
    "e.severity = 'critical' AND e.is_resolved IS NOT 1 AND NOT EXISTS (SELECT 1 FROM \"%w\" AS r WHERE length(r.resolution_details) >= "  \
    "36 "                                                                                                                                  \
    "AND instr(r.resolution_details, e.event_id) > 0 AND r.event_timestamp >= e.event_timestamp AND r.event_id <> e.event_id) AS "         \
    "is_unresolved "                                                                                                                       \
    "FROM \"%w\" AS e"

#define SUMMARY_COLUMNS                                                                                                                    \
    "count(*) AS event_count, sum(severity = 'critical') AS critical_count, sum(severity = 'warning') AS warning_count, "                  \
    "sum(severity = 'info') AS info_count, CASE max(severity_rank) WHEN 3 THEN 'critical' WHEN 2 THEN 'warning' WHEN 1 THEN 'info' END "   \
    "AS worst_severity, "                                                                                                                  \
    "CASE max(tier_rank) WHEN 1 THEN 'gold' WHEN 2 THEN 'silver' WHEN 3 THEN 'bronze' WHEN 4 THEN 'poor' WHEN 5 THEN 'unusable' END AS "   \
    "worst_quality_tier, "                                                                                                                 \
    "min(quality_score_after) AS min_quality_score, avg(quality_score_after) AS avg_quality_score, max(quality_score_after) AS "           \
    "max_quality_score, "                                                                                                                  \
    "json_group_array(DISTINCT primary_source) FILTER (WHERE primary_source IS NOT NULL) AS sources, "                                     \
    "max(event_type = 'reconstruction') AS has_reconstruction, min(event_timestamp) AS first_event_at, max(event_timestamp) AS "           \
    "last_event_at, "                                                                                                                      \
    "sum(is_unresolved) AS unresolved_critical_count "

static const char SUMMARY_SQL[] =
    "CREATE VIEW game_source_coverage_summary AS SELECT game_id, max(game_date) AS game_date, max(season) AS season, " SUMMARY_COLUMNS
    "FROM (" RANKED_LOG ") WHERE game_id IS NOT NULL GROUP BY game_id";
static const char DATES_SQL[] =
    "CREATE VIEW date_coverage AS SELECT game_date, phase, count(DISTINCT game_id) AS unit_count, " SUMMARY_COLUMNS "FROM (" RANKED_LOG
    ") WHERE game_date IS NOT NULL GROUP BY game_date, phase";

static const char LOG_GAME_SQL[] = "CREATE INDEX \"%w_game_id\" ON \"%w\"(game_id)";
static const char LOG_DATE_SQL[] = "CREATE INDEX \"%w_game_date\" ON \"%w\"(game_date, phase)";
static const char LOG_TYPE_SQL[] = "CREATE INDEX \"%w_event_type\" ON \"%w\"(event_type, severity)";
static const char LOG_RESOLUTION_SQL[] =
    "CREATE INDEX \"%w_resolution\" ON \"%w\"(event_timestamp, resolution_details, event_id) WHERE length(resolution_details) >= 36";
static const char RUNS_RUN_SQL[] = "CREATE INDEX \"%w_run\" ON \"%w\"(processor_name, phase, data_date, run_id)";
static const char RUNS_DATE_SQL[] = "CREATE INDEX \"%w_date\" ON \"%w\"(data_date, phase)";

struct thing {
    const char *kind, *name; /* %w in the name too */
    const char *sql;
};

static const struct thing LOG_THINGS[] = {
    {"table", "%w", LOG_SQL},
    {"index", "%w_game_id", LOG_GAME_SQL},
    {"index", "%w_game_date", LOG_DATE_SQL},
    {"index", "%w_event_type", LOG_TYPE_SQL},
    {"index", "%w_resolution", LOG_RESOLUTION_SQL},
    {"view", "game_source_coverage_summary", SUMMARY_SQL},
    {"view", "date_coverage", DATES_SQL},
};

static const struct thing RUNS_THINGS[] = {
    {"table", "%w", RUNS_SQL},
    {"index", "%w_run", RUNS_RUN_SQL},
    {"index", "%w_date", RUNS_DATE_SQL},
    {"view", "%w_latest", RUNS_LATEST_SQL},
};

/* --- making ----------------------------------------------------------------------------------------------------------------------- */

static void add_made(struct init *init, const char *text)
{
    init->made = sl_arena_push(init->arena, init->made, &init->n_made, sizeof *init->made);
    init->made[init->n_made - 1] = text;
}

static void fill_in(struct sl_buf *out, const char *pattern, const char *table)
{
    for (const char *mark; (mark = strstr(pattern, "%w")); pattern = mark + 2) {
        sl_buf_add(out, pattern, (size_t)(mark - pattern));
        sl_buf_str(out, table);
    }
    sl_buf_str(out, pattern);
}

static enum sl_code exists(struct sl_wh_db *db, const struct thing *thing, const char *name, bool *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_wh_cached(db, "SELECT 1 FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE", &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, thing->kind);
    sl_wh_bind(stmt, 2, name);
    code = sl_wh_step(db, stmt, out, err);
    sl_wh_done(stmt);
    return code;
}

static enum sl_code make(struct init *init, struct sl_wh_db *db, const struct thing *thing, const struct sl_wh_name *name,
                         struct sl_err *err)
{
    struct sl_buf thing_name = {0}, sql = {0};
    bool there;
    fill_in(&thing_name, thing->name, name->table);
    enum sl_code code = exists(db, thing, sl_buf_text(&thing_name), &there, err);
    if (!code && !there) {
        fill_in(&sql, thing->sql, name->table);
        code = sl_wh_exec(db, sl_buf_text(&sql), err);
        if (!code)
            add_made(init, sl_arena_printf(init->arena, "%s %s.%s", thing->kind, name->dataset, sl_buf_text(&thing_name)));
    }
    sl_buf_fini(&thing_name);
    sl_buf_fini(&sql);
    return code;
}

static enum sl_code make_things(struct init *init, const char *table, const struct thing *things, size_t n, struct sl_err *err)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    size_t n_before = init->n_made;
    enum sl_code code = sl_wh_name_parse(&name, table, err);
    if (!code)
        code = sl_wh_begin(init->wh, &name, true, &db, err);
    if (code)
        return code;
    if (db->of->made_schema)
        add_made(init, sl_arena_printf(init->arena, "table %s.sluice_load_jobs", name.dataset));
    for (size_t i = 0; !code && i < n; i++)
        code = make(init, db, &things[i], &name, err);
    code = sl_wh_end(db, code, err);
    if (code)
        init->n_made = n_before;
    return code;
}

/* The index of one configured table; a dataset, table or column that isn't there is not an error: import makes them later. */
static enum sl_code make_index(struct init *init, const struct sl_wh_use *use, struct sl_err *err)
{
    struct sl_wh_name name;
    struct sl_wh_db *db;
    const char *made = NULL;
    enum sl_code code = sl_wh_name_parse(&name, use->table, err);
    if (!code)
        code = sl_wh_check_column(use->table, use->date, err);
    if (!code && use->unit)
        code = sl_wh_check_column(use->table, use->unit, err);
    if (!code)
        code = sl_wh_begin(init->wh, &name, false, &db, err);
    if (code)
        return code == SL_NOT_FOUND ? SL_OK : code;
    code = sl_wh_end(db, sl_wh_index_make(db, name.table, use, &made, init->arena, err), err);
    if (!code && made)
        add_made(init, sl_arena_printf(init->arena, "index %s.%s", name.dataset, made));
    return code;
}

enum sl_code sl_wh_init(struct sl_warehouse *self, const struct sl_config *config, const char ***made, size_t *n_made,
                        struct sl_arena *arena, struct sl_err *err)
{
    struct init init = {.wh = (struct sl_wh *)self, .arena = arena};
    struct sl_wh_use *uses;
    size_t n_uses;
    enum sl_code code = SL_OK;
    if (config->coverage.log_table)
        code = make_things(&init, config->coverage.log_table, LOG_THINGS, sizeof LOG_THINGS / sizeof *LOG_THINGS, err);
    if (!code && config->coverage.runs_table && config->coverage.runs_by_sluice)
        code = make_things(&init, config->coverage.runs_table, RUNS_THINGS, sizeof RUNS_THINGS / sizeof *RUNS_THINGS, err);
    sl_wh_uses(config, &uses, &n_uses, arena);
    for (size_t i = 0; !code && i < n_uses; i++)
        code = make_index(&init, &uses[i], err);
    *made = init.made;
    *n_made = init.n_made;
    return code;
}

/* --- what the tables would be today ----------------------------------------------------------------------------------------------------- */

/* An empty database is asked, so that the definitions above are the only ones. */
enum sl_code sl_wh_own_columns(bool log, struct sl_wh_columns *out, struct sl_arena *arena, struct sl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3 *handle = NULL;
    struct sl_buf sql = {0};
    fill_in(&sql, log ? LOG_SQL : RUNS_SQL, "t");
    *out = (struct sl_wh_columns){0};
    int rc = sqlite3_open(":memory:", &handle);
    if (!rc)
        rc = sqlite3_exec(handle, sl_buf_text(&sql), NULL, NULL, NULL);
    if (!rc)
        rc = sqlite3_prepare_v2(handle, "SELECT name, type FROM pragma_table_info('t')", -1, &stmt, NULL);
    while (!rc && sqlite3_step(stmt) == SQLITE_ROW) {
        out->items = sl_arena_push(arena, out->items, &out->n, sizeof *out->items);
        out->items[out->n - 1].name = sl_arena_strdup(arena, (const char *)sqlite3_column_text(stmt, 0));
        out->items[out->n - 1].declared = sl_arena_strdup(arena, (const char *)sqlite3_column_text(stmt, 1));
    }
    enum sl_code code = rc || out->n == 0 ? sl_fail(err, SL_INTERNAL, "the log's columns: %s", sqlite3_errmsg(handle)) : SL_OK;
    sqlite3_finalize(stmt);
    sqlite3_close(handle);
    sl_buf_fini(&sql);
    return code;
}
