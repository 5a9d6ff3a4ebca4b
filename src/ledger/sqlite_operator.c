/* sqlite_operator.c - what operators say (known gaps, holds), what the ledger remembers of the calendar, the phases' clocks, and the
 * counts of the status page. */
#include "sqlite_internal.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_GAP_COLUMNS    "phase, date, unit, \"table\", reason, who, until, created_us"
#define SQL_KNOWN_GAP_ADD    "INSERT INTO known_gaps (" KNOWN_GAP_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
#define SQL_KNOWN_GAPS       "SELECT " KNOWN_GAP_COLUMNS ", id FROM known_gaps ORDER BY id"
#define SQL_KNOWN_GAP_REMOVE "DELETE FROM known_gaps WHERE id = ?1"

#define HOLD_COLUMNS      "phase, \"from\", \"to\", until_us, reason, who, created_us"
#define SQL_HOLD_ADD      "INSERT INTO holds (" HOLD_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
#define SQL_HOLDS         "SELECT " HOLD_COLUMNS ", id FROM holds ORDER BY id"
#define SQL_HOLD_REMOVE   "DELETE FROM holds WHERE id = ?1"
#define SQL_REJECT_REMOVE "DELETE FROM rejects WHERE id = ?1"

/* A unit that has no name (the date is the unit) is stored as ''. */
#define SQL_UNITS "SELECT date, nullif(unit, ''), season, done FROM units ORDER BY date, unit"
#define SQL_UNIT_PUT                                                                                                                       \
    "INSERT INTO units (date, unit, season, done) VALUES (?1, ?2, ?3, ?4)"                                                                 \
    " ON CONFLICT (date, unit) DO UPDATE SET season = ?3, done = ?4"
#define SQL_UNIT_REMOVE "DELETE FROM units WHERE date = ?1 AND unit = ?2"

#define SQL_CLOCK_GET "SELECT ms FROM clocks WHERE phase = ?1"
#define SQL_CLOCK_SET "INSERT INTO clocks (phase, ms) VALUES (?1, ?2) ON CONFLICT (phase) DO UPDATE SET ms = ?2"

/* One statement, so that all numbers are of one moment: (what, number, instant). Loads of a kind are done in order. */
#define UNLOADED(table, kind)                                                                                                              \
    "SELECT count(*) FROM " table " WHERE seq > (SELECT coalesce(max(last_seq), 0) FROM loads WHERE kind = " kind                          \
    " AND done_us IS NOT NULL)"
#define UNLOADED_EVENTS UNLOADED("events", "0")
#define UNLOADED_RUNS   UNLOADED("runs", "1")
#define SQL_COUNTS                                                                                                                         \
    "SELECT state, count(*), min(since_us) FROM gates g WHERE NOT EXISTS (SELECT 1 FROM gates h WHERE h.phase ="                           \
    " g.phase AND h.date = g.date AND h.profile = g.profile AND h.generation > g.generation) GROUP BY state"                               \
    " UNION ALL SELECT 100, count(*), 0 FROM outbox"                                                                                       \
    " UNION ALL SELECT 101, count(*), 0 FROM outbox WHERE failing_since_us BETWEEN 1 AND ?1"                                               \
    " UNION ALL SELECT 102, count(*), 0 FROM rejects"                                                                                      \
    " UNION ALL SELECT 103, (" UNLOADED_EVENTS "), 0"                                                                                      \
    " UNION ALL SELECT 104, (" UNLOADED_RUNS "), 0"                                                                                        \
    " UNION ALL SELECT 105, count(*), 0 FROM runs"                                                                                         \
    " UNION ALL SELECT 106, 0, coalesce(max(done_us), 0) FROM loads"                                                                       \
    " UNION ALL SELECT 107, 0, max(coalesce((SELECT received_us FROM runs ORDER BY seq DESC LIMIT 1), 0),"                                 \
    " coalesce((SELECT decided_us FROM decisions ORDER BY id DESC LIMIT 1), 0),"                                                           \
    " coalesce((SELECT received_us FROM inbox ORDER BY id DESC LIMIT 1), 0))"

enum sl_code sl_lsqlite_known_gap_add(struct sl_ledger *ledger, struct sl_known_gap *gap, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_KNOWN_GAP_ADD, SQL_KNOWN_GAP_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, gap->phase);
    sl_lsqlite_bind_date(stmt, 2, gap->date);
    sl_lsqlite_bind_text(stmt, 3, gap->unit);
    sl_lsqlite_bind_text(stmt, 4, gap->table);
    sl_lsqlite_bind_text(stmt, 5, gap->reason);
    sl_lsqlite_bind_text(stmt, 6, gap->who);
    sl_lsqlite_bind_date(stmt, 7, gap->until);
    sl_lsqlite_bind_int(stmt, 8, gap->created_us);
    code = sl_lsqlite_run(self, stmt, NULL, err);
    if (code == SL_OK)
        gap->id = sl_lsqlite_last_id(self);
    return code;
}

enum sl_code sl_lsqlite_known_gaps(struct sl_ledger *ledger, struct sl_known_gap **out, size_t *n, struct sl_arena *arena,
                                   struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_known_gap *gaps = NULL;
    sqlite3_stmt *stmt;
    *n = 0;
    *out = NULL;
    enum sl_code code = sl_lsqlite_use(self, SQ_KNOWN_GAPS, SQL_KNOWN_GAPS, &stmt, err);
    if (code)
        return code;
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        gaps = sl_arena_push(arena, gaps, n, sizeof(*gaps));
        gaps[*n - 1] = (struct sl_known_gap){
            .phase = sl_lsqlite_text(stmt, 0, arena),
            .date = sl_lsqlite_date(stmt, 1),
            .unit = sl_lsqlite_text(stmt, 2, arena),
            .table = sl_lsqlite_text(stmt, 3, arena),
            .reason = sl_lsqlite_text(stmt, 4, arena),
            .who = sl_lsqlite_text(stmt, 5, arena),
            .until = sl_lsqlite_date(stmt, 6),
            .created_us = sqlite3_column_int64(stmt, 7),
            .id = sqlite3_column_int64(stmt, 8),
        };
    }
    *out = gaps;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

static enum sl_code remove_id(struct sl_lsqlite *self, enum sl_lsqlite_id statement, const char *sql, const char *what, int64_t id,
                              struct sl_err *err)
{
    int64_t changed = 0;
    enum sl_code code = sl_lsqlite_run_with(self, statement, sql, id, &changed, err);
    if (code == SL_OK && changed == 0)
        return sl_fail(err, SL_NOT_FOUND, "no %s %lld", what, (long long)id);
    return code;
}

enum sl_code sl_lsqlite_known_gap_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return remove_id(sl_lsqlite_of(ledger), SQ_KNOWN_GAP_REMOVE, SQL_KNOWN_GAP_REMOVE, "known gap", id, err);
}

enum sl_code sl_lsqlite_hold_add(struct sl_ledger *ledger, struct sl_hold *hold, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_HOLD_ADD, SQL_HOLD_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, hold->phase);
    sl_lsqlite_bind_date(stmt, 2, hold->from);
    sl_lsqlite_bind_date(stmt, 3, hold->to);
    sl_lsqlite_bind_unless(stmt, 4, hold->until_us, SL_NEVER_US);
    sl_lsqlite_bind_text(stmt, 5, hold->reason);
    sl_lsqlite_bind_text(stmt, 6, hold->who);
    sl_lsqlite_bind_int(stmt, 7, hold->created_us);
    code = sl_lsqlite_run(self, stmt, NULL, err);
    if (code == SL_OK)
        hold->id = sl_lsqlite_last_id(self);
    return code;
}

enum sl_code sl_lsqlite_holds(struct sl_ledger *ledger, struct sl_hold **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_hold *holds = NULL;
    sqlite3_stmt *stmt;
    *n = 0;
    *out = NULL;
    enum sl_code code = sl_lsqlite_use(self, SQ_HOLDS, SQL_HOLDS, &stmt, err);
    if (code)
        return code;
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        holds = sl_arena_push(arena, holds, n, sizeof(*holds));
        holds[*n - 1] = (struct sl_hold){
            .phase = sl_lsqlite_text(stmt, 0, arena),
            .from = sl_lsqlite_date(stmt, 1),
            .to = sl_lsqlite_date(stmt, 2),
            .until_us = sl_lsqlite_int_or(stmt, 3, SL_NEVER_US),
            .reason = sl_lsqlite_text(stmt, 4, arena),
            .who = sl_lsqlite_text(stmt, 5, arena),
            .created_us = sqlite3_column_int64(stmt, 6),
            .id = sqlite3_column_int64(stmt, 7),
        };
    }
    *out = holds;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_hold_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return remove_id(sl_lsqlite_of(ledger), SQ_HOLD_REMOVE, SQL_HOLD_REMOVE, "hold", id, err);
}

enum sl_code sl_lsqlite_reject_remove(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return remove_id(sl_lsqlite_of(ledger), SQ_REJECT_REMOVE, SQL_REJECT_REMOVE, "rejected message", id, err);
}

enum sl_code sl_lsqlite_units(struct sl_ledger *ledger, struct sl_known_unit **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_known_unit *units = NULL;
    sqlite3_stmt *stmt;
    *n = 0;
    *out = NULL;
    enum sl_code code = sl_lsqlite_use(self, SQ_UNITS, SQL_UNITS, &stmt, err);
    if (code)
        return code;
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        units = sl_arena_push(arena, units, n, sizeof(*units));
        units[*n - 1] = (struct sl_known_unit){
            .date = sl_lsqlite_date(stmt, 0),
            .unit = sl_lsqlite_text(stmt, 1, arena),
            .season = sl_lsqlite_text(stmt, 2, arena),
            .done = sqlite3_column_int(stmt, 3) != 0,
        };
    }
    *out = units;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

static const char *stored_unit(const struct sl_known_unit *unit)
{
    return unit->unit ? unit->unit : "";
}

static int by_key(const struct sl_known_unit *a, const struct sl_known_unit *b)
{
    if (a->date != b->date)
        return a->date < b->date ? -1 : 1;
    return strcmp(stored_unit(a), stored_unit(b));
}

static int by_key_sort(const void *a, const void *b)
{
    return by_key(a, b);
}

static enum sl_code put_unit(struct sl_lsqlite *self, const struct sl_known_unit *unit, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_UNIT_PUT, SQL_UNIT_PUT, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, unit->date);
    sl_lsqlite_bind_text(stmt, 2, stored_unit(unit));
    sl_lsqlite_bind_text(stmt, 3, unit->season);
    sl_lsqlite_bind_int(stmt, 4, unit->done);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

static enum sl_code remove_unit(struct sl_lsqlite *self, const struct sl_known_unit *unit, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_UNIT_REMOVE, SQL_UNIT_REMOVE, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, unit->date);
    sl_lsqlite_bind_text(stmt, 2, stored_unit(unit));
    return sl_lsqlite_run(self, stmt, NULL, err);
}

/* Both ascending: write what differs, remove what is gone. */
static enum sl_code merge_units(struct sl_lsqlite *self, const struct sl_known_unit *old, size_t n_old, const struct sl_known_unit *now,
                                size_t n_now, struct sl_err *err)
{
    enum sl_code code = SL_OK;
    size_t i = 0, k = 0;
    while ((i < n_old || k < n_now) && code == SL_OK) {
        int order = i == n_old ? 1 : k == n_now ? -1 : by_key(&old[i], &now[k]);
        if (order < 0) {
            code = remove_unit(self, &old[i++], err);
            continue;
        }
        if (order > 0 || old[i].done != now[k].done || !sl_str_eq(old[i].season, now[k].season))
            code = put_unit(self, &now[k], err);
        i += order == 0;
        k++;
    }
    return code;
}

enum sl_code sl_lsqlite_units_set(struct sl_ledger *ledger, const struct sl_known_unit *units, size_t n, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_arena arena = {0};
    struct sl_known_unit *old = NULL;
    size_t n_old = 0;
    bool own;
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    struct sl_known_unit *sorted = sl_arena_array(&arena, n, sizeof(*sorted));
    if (n > 0) {
        memcpy(sorted, units, n * sizeof(*sorted));
        qsort(sorted, n, sizeof(*sorted), by_key_sort);
    }
    code = sl_lsqlite_units(ledger, &old, &n_old, &arena, err);
    if (code == SL_OK)
        code = merge_units(self, old, n_old, sorted, n, err);
    sl_arena_fini(&arena);
    return sl_lsqlite_leave(self, own, code, err);
}

enum sl_code sl_lsqlite_clock_get(struct sl_ledger *ledger, const char *phase, int64_t *ms, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    *ms = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_CLOCK_GET, SQL_CLOCK_GET, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, phase);
    code = sl_lsqlite_one_int(self, stmt, 0, ms, err);
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_clock_set(struct sl_ledger *ledger, const char *phase, int64_t ms, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_CLOCK_SET, SQL_CLOCK_SET, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_int(stmt, 2, ms);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

/* One row of SQL_COUNTS into its place. */
static void count_row(sqlite3_stmt *stmt, struct sl_ledger_counts *out)
{
    int what = sqlite3_column_int(stmt, 0);
    int64_t number = sqlite3_column_int64(stmt, 1), instant = sqlite3_column_int64(stmt, 2);
    int64_t *const numbers[] = {&out->outbox, &out->outbox_failing, &out->rejects, &out->events_unloaded, &out->runs_unloaded, &out->runs};
    if (what >= 0 && what < SL_N_STATES)
        out->gates[what] = number;
    if (what == SL_WAITING)
        out->oldest_waiting_us = instant;
    if (what >= 100 && what < 106)
        *numbers[what - 100] = number;
    if (what == 106)
        out->last_load_us = instant;
    if (what == 107)
        out->last_commit_us = instant;
}

enum sl_code sl_lsqlite_counts(struct sl_ledger *ledger, int64_t now_us, struct sl_ledger_counts *out, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    *out = (struct sl_ledger_counts){0};
    enum sl_code code = sl_lsqlite_use(self, SQ_COUNTS, SQL_COUNTS, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, now_us);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK)
        count_row(stmt, out);
    return code == SL_NOT_FOUND ? SL_OK : code;
}
