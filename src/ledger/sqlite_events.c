/* sqlite_events.c - coverage events, and the loads that carry them and the run history into the warehouse.
 *
 * A load's life (RULES 26): fixed here as a range of a sequence, under an id that depends on nothing but the ledger and the range;
 * made elsewhere; marked done here. Ranges follow each other, and a kind has at most one unfinished load, which is the one that
 * sl_ledger_load_fix() gives again, with the attempt counted, until it is done. A run that was written again in the meantime has moved
 * beyond the range and comes with a later load. */
#include "sqlite_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/hash.h>
#include <sluice/json.h>

/* In the order of SL_LOG_COLUMNS; the test compares them. */
#define EVENT_COLUMNS                                                                                                                      \
    "event_id, batch_id, event_timestamp, event_type, severity, is_synthetic, phase, table_name, processor_name,"                          \
    " game_id, game_date, season, player_id, team_abbr, description, primary_source, primary_source_status,"                               \
    " fallback_sources_tried, resolution, resolution_details, quality_tier_before, quality_tier_after,"                                    \
    " quality_score_before, quality_score_after, downstream_impact, requires_alert, alert_sent, alert_channel,"                            \
    " alert_sent_at, is_resolved, resolved_at, resolution_method, resolved_by, created_at, processor_run_id,"                              \
    " environment"
#define SQL_EVENT_ADD                                                                                                                      \
    "INSERT INTO events (" EVENT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15,"                     \
    " ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36)"                            \
    " ON CONFLICT (event_id) DO NOTHING"
#define EVENTS_FILTER                                                                                                                      \
    " (?3 IS NULL OR event_type = ?3) AND (?4 IS NULL OR severity = ?4) AND (?5 IS NULL OR game_id = ?5)"                                  \
    " AND (?6 IS NULL OR phase = ?6) ORDER BY seq"
#define SQL_EVENTS       "SELECT " EVENT_COLUMNS " FROM events WHERE" EVENTS_FILTER
#define SQL_EVENTS_DATES "SELECT " EVENT_COLUMNS " FROM events WHERE game_date BETWEEN ?1 AND ?2 AND" EVENTS_FILTER
#define SQL_EVENTS_OPEN                                                                                                                    \
    "SELECT event_id, event_type, processor_name, game_id FROM events AS e WHERE game_date = ?1 AND phase = ?2"                            \
    " AND event_type IN ('source_missing', 'fallback_used', 'reconstruction') AND processor_name IS NOT NULL"                              \
    " AND NOT EXISTS (SELECT 1 FROM events AS r WHERE r.game_date = ?1 AND r.event_type = 'source_available'"                              \
    " AND r.resolution_details = e.event_id) ORDER BY seq"
#define SQL_WARN_ONCE "INSERT INTO warned (what) VALUES (?1) ON CONFLICT (what) DO NOTHING"

#define SQL_LOAD_OPEN                                                                                                                      \
    "SELECT job_id, first_seq, last_seq, attempt FROM loads WHERE kind = ?1 AND done_us IS NULL"                                           \
    " ORDER BY first_seq LIMIT 1"
#define SQL_LOAD_LAST   "SELECT max(last_seq) FROM loads WHERE kind = ?1"
#define SQL_LOAD_ADD    "INSERT INTO loads (job_id, kind, first_seq, last_seq, attempt) VALUES (?1, ?2, ?3, ?4, 1)"
#define SQL_LOAD_AGAIN  "UPDATE loads SET attempt = attempt + 1 WHERE job_id = ?1"
#define SQL_LOAD_DONE   "UPDATE loads SET done_us = coalesce(done_us, ?2) WHERE job_id = ?1"
#define LOAD_RANGE      " WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq LIMIT ?3"
#define SQL_LOAD_EVENTS "SELECT seq, " EVENT_COLUMNS " FROM events" LOAD_RANGE
#define SQL_LOAD_RUNS                                                                                                                      \
    "SELECT seq, processor, phase, date, execution_id, correlation_id, status, record_count, records_failed,"                              \
    " timestamp_us, duration_s, skip, error_message, trigger_source, trigger_message_id FROM runs" LOAD_RANGE

#define REQUIRED_CELLS 5 /* of the first five only batch_id may be NULL */

enum sl_code sl_lsqlite_event_add(struct sl_ledger *ledger, const char *const *cells, bool *is_new, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    int64_t added = 0;
    *is_new = false;
    for (int i = 0; i < REQUIRED_CELLS; i++) {
        if (!cells[i] && i != 1)
            return sl_fail(err, SL_INVALID, "a coverage event has no %s", SL_LOG_COLUMNS[i]);
    }
    enum sl_code code = sl_lsqlite_use(self, SQ_EVENT_ADD, SQL_EVENT_ADD, &stmt, err);
    if (code)
        return code;
    for (int i = 0; i < SL_N_LOG_COLUMNS; i++)
        sl_lsqlite_bind_text(stmt, i + 1, cells[i]);
    code = sl_lsqlite_run(self, stmt, &added, err);
    *is_new = added > 0;
    return code;
}

/* `date`, `from` and `to` as one range of text, which sorts like the dates. */
static void bind_dates(sqlite3_stmt *stmt, const struct sl_log_filter *filter, char *from, char *to)
{
    bool one = filter->date != SL_DATE_NONE;
    sl_date first = one && (filter->from == SL_DATE_NONE || filter->date > filter->from) ? filter->date : filter->from;
    sl_date last = one && (filter->to == SL_DATE_NONE || filter->date < filter->to) ? filter->date : filter->to;
    sl_lsqlite_bind_text(stmt, 1, sl_date_format(first, from));
    sl_lsqlite_bind_text(stmt, 2, last == SL_DATE_NONE ? ":" : sl_date_format(last, to)); /* ':' follows '9' */
}

enum sl_code sl_lsqlite_events(struct sl_ledger *ledger, const struct sl_log_filter *filter,
                               void (*row)(void *arg, const char *const *cells), void *arg, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    bool dates = filter->date != SL_DATE_NONE || filter->from != SL_DATE_NONE || filter->to != SL_DATE_NONE;
    const char *cells[SL_N_LOG_COLUMNS];
    char from[SL_DATE_LEN + 1], to[SL_DATE_LEN + 1];
    sqlite3_stmt *stmt;
    enum sl_code code = dates ? sl_lsqlite_use(self, SQ_EVENTS_DATES, SQL_EVENTS_DATES, &stmt, err)
                              : sl_lsqlite_use(self, SQ_EVENTS, SQL_EVENTS, &stmt, err);
    if (code)
        return code;
    if (dates)
        bind_dates(stmt, filter, from, to);
    sl_lsqlite_bind_text(stmt, 3, filter->type);
    sl_lsqlite_bind_text(stmt, 4, filter->severity);
    sl_lsqlite_bind_text(stmt, 5, filter->unit);
    sl_lsqlite_bind_text(stmt, 6, filter->phase);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        for (int i = 0; i < SL_N_LOG_COLUMNS; i++)
            cells[i] = (const char *)sqlite3_column_text(stmt, i);
        row(arg, cells);
    }
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_open_events(struct sl_ledger *ledger, const char *phase, sl_date date, struct sl_open_event **out, size_t *n,
                                    struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    char day[SL_DATE_LEN + 1];
    sqlite3_stmt *stmt;
    *out = NULL;
    *n = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_EVENTS_OPEN, SQL_EVENTS_OPEN, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, sl_date_format(date, day));
    sl_lsqlite_bind_text(stmt, 2, phase);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        *out = sl_arena_push(arena, *out, n, sizeof **out);
        (*out)[*n - 1] = (struct sl_open_event){.event_id = sl_lsqlite_text(stmt, 0, arena),
                                                .type = sl_lsqlite_text(stmt, 1, arena),
                                                .processor = sl_lsqlite_text(stmt, 2, arena),
                                                .unit = sl_lsqlite_text(stmt, 3, arena)};
    }
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_warn_once(struct sl_ledger *ledger, const char *what, bool *is_new, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    int64_t added = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_WARN_ONCE, SQL_WARN_ONCE, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, what);
    code = sl_lsqlite_run(self, stmt, &added, err);
    *is_new = added > 0;
    return code;
}

static const char *int_cell(sqlite3_stmt *stmt, int i, struct sl_arena *arena)
{
    return sl_lsqlite_text(stmt, i, arena); /* SQLite writes an integer as we do */
}

static const char *time_cell(int64_t us, struct sl_arena *arena)
{
    return sl_time_format(us, sl_arena_alloc(arena, SL_TIME_LEN + 1));
}

static const char *seconds_cell(double seconds, struct sl_arena *arena)
{
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    sl_json_double(&json, seconds);
    const char *cell = sl_arena_strdup(arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return cell;
}

/* The instant `seconds` before `us`; false when it is before the year 1 or `seconds` makes no sense. */
static bool before(int64_t us, double seconds, int64_t *out)
{
    sl_date first;
    sl_date_from_civil((struct sl_civil){1, 1, 1}, &first);
    double room_s = (double)(us - first * SL_US_PER_DAY) / 1e6;
    if (!(seconds >= 0 && seconds < room_s))
        return false;
    *out = us - (int64_t)(seconds * 1e6 + 0.5);
    return true;
}

/* started_at, finished_at, duration_seconds. A run that is running has only started. */
static void time_cells(sqlite3_stmt *stmt, enum sl_status status, const char **cells, struct sl_arena *arena)
{
    int64_t at_us = sqlite3_column_int64(stmt, 9), started_us = at_us;
    bool timed = sqlite3_column_type(stmt, 10) != SQLITE_NULL;
    double seconds = timed ? sqlite3_column_double(stmt, 10) : 0;
    if (status == SL_RUN_RUNNING || (timed && before(at_us, seconds, &started_us)))
        cells[0] = time_cell(started_us, arena);
    if (status != SL_RUN_RUNNING)
        cells[1] = time_cell(at_us, arena);
    if (timed)
        cells[2] = seconds_cell(seconds, arena);
}

/* A row of SQL_LOAD_RUNS in the order of SL_RUN_COLUMNS. */
static void run_cells(sqlite3_stmt *stmt, const char **cells, struct sl_arena *arena)
{
    enum sl_status status = (enum sl_status)sqlite3_column_int(stmt, 6);
    cells[0] = sl_lsqlite_text(stmt, 1, arena);
    cells[1] = sl_lsqlite_text(stmt, 2, arena);
    cells[2] = sl_date_format(sl_lsqlite_date(stmt, 3), sl_arena_alloc(arena, SL_DATE_LEN + 1));
    cells[3] = sl_lsqlite_text(stmt, 4, arena);
    cells[4] = sl_lsqlite_text(stmt, 5, arena);
    cells[5] = sl_status_name(status);
    cells[6] = int_cell(stmt, 7, arena);
    cells[7] = int_cell(stmt, 8, arena);
    time_cells(stmt, status, &cells[8], arena);
    cells[11] = sqlite3_column_int(stmt, 11) ? "1" : "0";
    cells[12] = sl_lsqlite_text(stmt, 12, arena);
    cells[13] = sl_lsqlite_text(stmt, 13, arena);
    cells[14] = sl_lsqlite_text(stmt, 14, arena);
}

static void event_cells(sqlite3_stmt *stmt, const char **cells, struct sl_arena *arena)
{
    for (int i = 0; i < SL_N_LOG_COLUMNS; i++)
        cells[i] = sl_lsqlite_text(stmt, i + 1, arena);
}

static size_t bytes_of(const char *const *cells, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += cells[i] ? strlen(cells[i]) : 0;
    return bytes;
}

/* The rows of first..job->last_seq into the job's cells, up to the limits (at least one row); sets n_rows and both ends. */
static enum sl_code read_rows(struct sl_lsqlite *self, size_t max_rows, size_t max_bytes, struct sl_load_job *job, struct sl_arena *arena,
                              struct sl_err *err)
{
    bool events = job->kind == SL_LOAD_EVENTS;
    size_t width = events ? SL_N_LOG_COLUMNS : SL_N_RUN_COLUMNS, cap = 0, bytes = 0;
    void *cells = NULL;
    int64_t first = 0, last = 0;
    sqlite3_stmt *stmt;
    enum sl_code code = events ? sl_lsqlite_use(self, SQ_LOAD_EVENTS, SQL_LOAD_EVENTS, &stmt, err)
                               : sl_lsqlite_use(self, SQ_LOAD_RUNS, SQL_LOAD_RUNS, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, job->first_seq);
    sl_lsqlite_bind_int(stmt, 2, job->last_seq);
    sl_lsqlite_bind_int(stmt, 3, max_rows ? (int64_t)max_rows : -1);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        sl_grow(&cells, &cap, (job->n_rows + 1) * width, sizeof(char *));
        const char **row = (const char **)cells + job->n_rows * width;
        memset(row, 0, width * sizeof(*row));
        (events ? event_cells : run_cells)(stmt, row, arena);
        bytes += bytes_of(row, width);
        if (max_bytes && bytes > max_bytes && job->n_rows > 0) {
            sqlite3_reset(stmt);
            code = SL_NOT_FOUND;
            break;
        }
        last = sqlite3_column_int64(stmt, 0);
        first = job->n_rows++ ? first : last;
    }
    if (job->n_rows) {
        job->cells = sl_arena_array(arena, job->n_rows * width, sizeof(char *));
        memcpy(job->cells, cells, job->n_rows * width * sizeof(char *));
    }
    free(cells);
    job->first_seq = first;
    job->last_seq = last;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

static enum sl_code mark_done(struct sl_lsqlite *self, const char *job_id, int64_t now_us, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    int64_t changed = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_LOAD_DONE, SQL_LOAD_DONE, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, job_id);
    sl_lsqlite_bind_int(stmt, 2, now_us);
    code = sl_lsqlite_run(self, stmt, &changed, err);
    if (code == SL_OK && changed == 0)
        return sl_fail(err, SL_NOT_FOUND, "no load job %s", job_id);
    return code;
}

/* The unfinished load of the kind, one attempt later; SL_NOT_FOUND when there is none. */
static enum sl_code again(struct sl_lsqlite *self, struct sl_load_job *job, struct sl_arena *arena, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_LOAD_OPEN, SQL_LOAD_OPEN, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, job->kind);
    code = sl_lsqlite_step(self, stmt, err);
    if (code)
        return code;
    snprintf(job->job_id, sizeof(job->job_id), "%s", (const char *)sqlite3_column_text(stmt, 0));
    int64_t first = job->first_seq = sqlite3_column_int64(stmt, 1);
    int64_t last = job->last_seq = sqlite3_column_int64(stmt, 2);
    job->attempt = sqlite3_column_int(stmt, 3) + 1;
    sqlite3_reset(stmt);
    code = sl_lsqlite_use(self, SQ_LOAD_AGAIN, SQL_LOAD_AGAIN, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, job->job_id);
    code = sl_lsqlite_run(self, stmt, NULL, err);
    if (code == SL_OK)
        code = read_rows(self, 0, 0, job, arena, err);
    job->first_seq = first;
    job->last_seq = last;
    return code;
}

static enum sl_code last_fixed(struct sl_lsqlite *self, enum sl_load_kind kind, int64_t *seq, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_LOAD_LAST, SQL_LOAD_LAST, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, kind);
    return sl_lsqlite_one_int(self, stmt, 0, seq, err);
}

static enum sl_code fix_new(struct sl_lsqlite *self, size_t max_rows, size_t max_bytes, struct sl_load_job *job, struct sl_arena *arena,
                            struct sl_err *err)
{
    sqlite3_stmt *stmt;
    char name[96];
    int64_t last = 0;
    enum sl_code code = last_fixed(self, job->kind, &last, err);
    if (code)
        return code;
    job->first_seq = last + 1;
    job->last_seq = INT64_MAX;
    code = read_rows(self, max_rows, max_bytes, job, arena, err);
    if (code)
        return code;
    if (job->n_rows == 0)
        return sl_fail(err, SL_NOT_FOUND, "nothing to load");
    int len = snprintf(name, sizeof(name), "%s/%lld/%lld", job->kind == SL_LOAD_EVENTS ? "events" : "runs", (long long)job->first_seq,
                       (long long)job->last_seq);
    sl_uuid_format(sl_uuid5(self->id, name, (size_t)len), job->job_id);
    job->attempt = 1;
    code = sl_lsqlite_use(self, SQ_LOAD_ADD, SQL_LOAD_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, job->job_id);
    sl_lsqlite_bind_int(stmt, 2, job->kind);
    sl_lsqlite_bind_int(stmt, 3, job->first_seq);
    sl_lsqlite_bind_int(stmt, 4, job->last_seq);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

static enum sl_code fix(struct sl_lsqlite *self, size_t max_rows, size_t max_bytes, struct sl_load_job *job, struct sl_arena *arena,
                        struct sl_err *err)
{
    enum sl_code code = again(self, job, arena, err);
    if (code == SL_OK && job->n_rows > 0)
        return SL_OK;
    if (code == SL_OK) /* every run of it has moved on: nothing is left to load under this id */
        code = mark_done(self, job->job_id, 0, err);
    else if (code == SL_NOT_FOUND)
        code = SL_OK;
    return code ? code : fix_new(self, max_rows, max_bytes, job, arena, err);
}

enum sl_code sl_lsqlite_load_fix(struct sl_ledger *ledger, enum sl_load_kind kind, size_t max_rows, size_t max_bytes,
                                 struct sl_load_job *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    bool own;
    *out = (struct sl_load_job){.kind = kind};
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    return sl_lsqlite_leave(self, own, fix(self, max_rows, max_bytes, out, arena, err), err);
}

enum sl_code sl_lsqlite_load_done(struct sl_ledger *ledger, const char *job_id, int64_t now_us, struct sl_err *err)
{
    return mark_done(sl_lsqlite_of(ledger), job_id, now_us, err);
}
