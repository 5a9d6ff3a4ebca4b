/* sqlite_stale.c - the decisions that later content has made stale. */
#include "sqlite_internal.h"

#define SQL_STALE_ADD                                                                                                                      \
    "INSERT INTO stale (phase, date, profile, generation, culprit_phase, culprit_date, culprit_generation, reason, marked_us, "            \
    "triggered_us)"                                                                                                                        \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING"
#define SQL_STALE                                                                                                                          \
    "SELECT id, phase, date, profile, generation, culprit_phase, culprit_date, culprit_generation, reason, marked_us, triggered_us"        \
    " FROM stale WHERE cleared_us IS NULL AND (?1 IS NULL OR phase = ?1) AND date BETWEEN ?2 AND ?3 ORDER BY date, phase, profile, id"
#define SQL_STALE_CLEAR                                                                                                                    \
    "UPDATE stale SET cleared_us = ?5 WHERE cleared_us IS NULL AND date = ?2 AND phase = ?1 AND profile = ?3 AND generation < ?4"
#define SQL_STALE_TRIGGERED "UPDATE stale SET triggered_us = ?2 WHERE id = ?1"

static void bind_gate(sqlite3_stmt *stmt, const char *phase, sl_date date, enum sl_profile profile, int generation)
{
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_int(stmt, 2, date);
    sl_lsqlite_bind_int(stmt, 3, profile);
    sl_lsqlite_bind_int(stmt, 4, generation);
}

enum sl_code sl_lsqlite_stale_add(struct sl_ledger *ledger, const struct sl_stale_mark *mark, bool *is_new, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    int64_t changed = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_STALE_ADD, SQL_STALE_ADD, &stmt, err);
    if (code)
        return code;
    bind_gate(stmt, mark->phase, mark->date, mark->profile, mark->generation);
    sl_lsqlite_bind_text(stmt, 5, mark->culprit_phase);
    sl_lsqlite_bind_int(stmt, 6, mark->culprit_date);
    sl_lsqlite_bind_int(stmt, 7, mark->culprit_generation);
    sl_lsqlite_bind_text(stmt, 8, mark->reason);
    sl_lsqlite_bind_int(stmt, 9, mark->marked_us);
    sl_lsqlite_bind_unless(stmt, 10, mark->triggered_us, 0);
    code = sl_lsqlite_run(self, stmt, &changed, err);
    *is_new = changed > 0;
    return code;
}

static void read_mark(sqlite3_stmt *stmt, struct sl_stale_mark *out, struct sl_arena *arena)
{
    *out = (struct sl_stale_mark){
        .id = sqlite3_column_int64(stmt, 0),
        .phase = sl_lsqlite_text(stmt, 1, arena),
        .date = sl_lsqlite_date(stmt, 2),
        .profile = (enum sl_profile)sqlite3_column_int(stmt, 3),
        .generation = sqlite3_column_int(stmt, 4),
        .culprit_phase = sl_lsqlite_text(stmt, 5, arena),
        .culprit_date = sl_lsqlite_date(stmt, 6),
        .culprit_generation = sqlite3_column_int(stmt, 7),
        .reason = sl_lsqlite_text(stmt, 8, arena),
        .marked_us = sqlite3_column_int64(stmt, 9),
        .triggered_us = sqlite3_column_int64(stmt, 10),
    };
}

enum sl_code sl_lsqlite_stale(struct sl_ledger *ledger, const char *phase, sl_date from, sl_date to, struct sl_stale_mark **out, size_t *n,
                              struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_stale_mark *marks = NULL;
    sqlite3_stmt *stmt;
    *out = NULL;
    *n = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_STALE, SQL_STALE, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_range(stmt, 2, from, to);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        marks = sl_arena_push(arena, marks, n, sizeof(*marks));
        read_mark(stmt, &marks[*n - 1], arena);
    }
    *out = marks;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_stale_clear(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                    int64_t now_us, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_STALE_CLEAR, SQL_STALE_CLEAR, &stmt, err);
    if (code)
        return code;
    bind_gate(stmt, phase, date, profile, generation);
    sl_lsqlite_bind_int(stmt, 5, now_us);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

enum sl_code sl_lsqlite_stale_triggered(struct sl_ledger *ledger, int64_t id, int64_t now_us, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_STALE_TRIGGERED, SQL_STALE_TRIGGERED, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, id);
    sl_lsqlite_bind_int(stmt, 2, now_us);
    return sl_lsqlite_run(self, stmt, NULL, err);
}
