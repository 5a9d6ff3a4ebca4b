/* sqlite_stamps.c - quality columns that wait to be written: one row per table and date.
 * A row's life: put with the decision, due, written by the worker, and done (deleted) or failed (due again later). A newer one of the same table and date takes its place
 * under a new id, so that whoever writes the old one does not end the new one. */
#include "sqlite_internal.h"

#define STAMP_COLUMNS "table_name, date, phase, processor, created_us, next_us, failing_since_us, alarmed, last_error, attempts, body"
#define SQL_STAMP_PUT                                                                                                                      \
    "INSERT OR REPLACE INTO stamps (" STAMP_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6,"                                                    \
    " coalesce((SELECT failing_since_us FROM stamps WHERE table_name = ?1 AND date = ?2), 0),"                                             \
    " coalesce((SELECT alarmed FROM stamps WHERE table_name = ?1 AND date = ?2), 0),"                                                      \
    " (SELECT last_error FROM stamps WHERE table_name = ?1 AND date = ?2), 0, ?7)"
#define SQL_STAMPS_TABLE "SELECT table_name FROM stamps WHERE next_us <= ?1 ORDER BY next_us, id LIMIT 1"
#define SQL_STAMPS_DUE   "SELECT " STAMP_COLUMNS ", id FROM stamps WHERE table_name = ?1 AND next_us <= ?2 ORDER BY date LIMIT ?3"
#define SQL_STAMP_DONE   "DELETE FROM stamps WHERE id = ?1"
#define SQL_STAMP_FAILED                                                                                                                   \
    "UPDATE stamps SET attempts = attempts + 1, last_error = ?2, next_us = ?4, alarmed = ?5,"                                              \
    " failing_since_us = CASE failing_since_us WHEN 0 THEN ?3 ELSE failing_since_us END WHERE id = ?1"
#define SQL_STAMPS_NEXT "SELECT min(next_us) FROM stamps"

enum sl_code sl_lsqlite_stamp_put(struct sl_ledger *ledger, const struct sl_stamp_row *row, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_STAMP_PUT, SQL_STAMP_PUT, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, row->table);
    sl_lsqlite_bind_int(stmt, 2, row->date);
    sl_lsqlite_bind_text(stmt, 3, row->phase);
    sl_lsqlite_bind_text(stmt, 4, row->processor);
    sl_lsqlite_bind_int(stmt, 5, row->created_us);
    sl_lsqlite_bind_int(stmt, 6, row->next_us);
    sl_lsqlite_bind_text(stmt, 7, row->body);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

/* SL_NOT_FOUND: nothing is due. */
static enum sl_code due_table(struct sl_lsqlite *self, int64_t now_us, const char **out, struct sl_arena *arena, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_STAMPS_TABLE, SQL_STAMPS_TABLE, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, now_us);
    return sl_lsqlite_one_text(self, stmt, out, arena, err);
}

static void read_stamp(sqlite3_stmt *stmt, struct sl_stamp_row *out, struct sl_arena *arena)
{
    *out = (struct sl_stamp_row){
        .table = sl_lsqlite_text(stmt, 0, arena),
        .date = sl_lsqlite_date(stmt, 1),
        .phase = sl_lsqlite_text(stmt, 2, arena),
        .processor = sl_lsqlite_text(stmt, 3, arena),
        .created_us = sqlite3_column_int64(stmt, 4),
        .next_us = sqlite3_column_int64(stmt, 5),
        .failing_since_us = sqlite3_column_int64(stmt, 6),
        .alarmed = sqlite3_column_int(stmt, 7) != 0,
        .last_error = sl_lsqlite_text(stmt, 8, arena),
        .attempts = sqlite3_column_int(stmt, 9),
        .body = sl_lsqlite_text(stmt, 10, arena),
        .id = sqlite3_column_int64(stmt, 11),
    };
}

static enum sl_code read_due(struct sl_lsqlite *self, sqlite3_stmt *stmt, size_t max_bytes, struct sl_stamp_row **out, size_t *n,
                             struct sl_arena *arena, struct sl_err *err)
{
    size_t bytes = 0;
    enum sl_code code;
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        bytes += (size_t)sqlite3_column_bytes(stmt, 10);
        if (*n && bytes > max_bytes) {
            sqlite3_reset(stmt);
            return SL_OK;
        }
        *out = sl_arena_push(arena, *out, n, sizeof **out);
        read_stamp(stmt, &(*out)[*n - 1], arena);
    }
    return code == SL_NOT_FOUND ? SL_OK : code;
}

enum sl_code sl_lsqlite_stamps_due(struct sl_ledger *ledger, int64_t now_us, size_t limit, size_t max_bytes, struct sl_stamp_row **out,
                                   size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    const char *table;
    *out = NULL;
    *n = 0;
    enum sl_code code = due_table(self, now_us, &table, arena, err);
    if (code)
        return code == SL_NOT_FOUND ? SL_OK : code;
    code = sl_lsqlite_use(self, SQ_STAMPS_DUE, SQL_STAMPS_DUE, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, table);
    sl_lsqlite_bind_int(stmt, 2, now_us);
    sl_lsqlite_bind_int(stmt, 3, (int64_t)limit);
    return read_due(self, stmt, max_bytes, out, n, arena, err);
}

enum sl_code sl_lsqlite_stamp_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    return sl_lsqlite_run_with(sl_lsqlite_of(ledger), SQ_STAMP_DONE, SQL_STAMP_DONE, id, NULL, err);
}

enum sl_code sl_lsqlite_stamp_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us, bool alarmed,
                                     struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_STAMP_FAILED, SQL_STAMP_FAILED, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, id);
    sl_lsqlite_bind_text(stmt, 2, error);
    sl_lsqlite_bind_int(stmt, 3, now_us);
    sl_lsqlite_bind_int(stmt, 4, next_us);
    sl_lsqlite_bind_int(stmt, 5, alarmed);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

enum sl_code sl_lsqlite_stamps_next(struct sl_ledger *ledger, int64_t *due_us, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_STAMPS_NEXT, SQL_STAMPS_NEXT, &stmt, err);
    *due_us = SL_NEVER_US;
    return code ? code : sl_lsqlite_one_int(self, stmt, SL_NEVER_US, due_us, err);
}
