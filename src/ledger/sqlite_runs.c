/* sqlite_runs.c - received messages and runs.
 * A run's row moves to the end of the sequence whenever it is written, which is what makes it part of the next load of the run
 * history; (phase, date, processor, execution_id) stays its key. */
#include "sqlite_internal.h"

#include <math.h>

/* Prune by age takes the oldest ids first: they were given in the order of receiving. */
#define SQL_INBOX_ADD                                                                                                                      \
    "INSERT INTO inbox (subscription, message_id, publish_us, received_us) VALUES (?1, ?2, ?3, ?4)"                                        \
    " ON CONFLICT (subscription, message_id, publish_us) DO NOTHING"

#define RUN_COLUMNS                                                                                                                        \
    "phase, date, processor, execution_id, status, timestamp_us, publish_us, received_us, generation, known, skip,"                        \
    " record_count, records_failed, duration_s, correlation_id, traceparent, trigger_source, trigger_message_id,"                          \
    " error_message, extra, is_incremental, entities_changed"

#define SQL_RUN_PUT                                                                                                                        \
    "INSERT OR REPLACE INTO runs (" RUN_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"                        \
    " ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
#define SQL_RUN_GET "SELECT " RUN_COLUMNS " FROM runs WHERE phase = ?1 AND date = ?2 AND processor = ?3 AND execution_id = ?4"
#define SQL_RUNS_OF                                                                                                                        \
    "SELECT " RUN_COLUMNS " FROM runs WHERE phase = ?1 AND date = ?2"                                                                      \
    " ORDER BY processor, timestamp_us, publish_us, execution_id"

enum sl_code sl_lsqlite_inbox_add(struct sl_ledger *ledger, const char *subscription, const char *message_id, int64_t publish_us,
                                  int64_t now_us, bool *is_new, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    int64_t added = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_INBOX_ADD, SQL_INBOX_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, subscription);
    sl_lsqlite_bind_text(stmt, 2, message_id);
    sl_lsqlite_bind_int(stmt, 3, publish_us);
    sl_lsqlite_bind_int(stmt, 4, now_us);
    code = sl_lsqlite_run(self, stmt, &added, err);
    *is_new = added > 0;
    return code;
}

enum sl_code sl_lsqlite_run_put(struct sl_ledger *ledger, const struct sl_run *run, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_RUN_PUT, SQL_RUN_PUT, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, run->phase);
    sl_lsqlite_bind_int(stmt, 2, run->date);
    sl_lsqlite_bind_text(stmt, 3, run->processor);
    sl_lsqlite_bind_text(stmt, 4, run->execution_id);
    sl_lsqlite_bind_int(stmt, 5, run->status);
    sl_lsqlite_bind_int(stmt, 6, run->timestamp_us);
    sl_lsqlite_bind_int(stmt, 7, run->publish_us);
    sl_lsqlite_bind_int(stmt, 8, run->received_us);
    sl_lsqlite_bind_int(stmt, 9, run->generation);
    sl_lsqlite_bind_int(stmt, 10, run->known);
    sl_lsqlite_bind_int(stmt, 11, run->skip);
    sl_lsqlite_bind_unless(stmt, 12, run->record_count, -1);
    sl_lsqlite_bind_unless(stmt, 13, run->records_failed, -1);
    sqlite3_bind_double(stmt, 14, run->duration_s); /* NaN: NULL */
    sl_lsqlite_bind_text(stmt, 15, run->correlation_id);
    sl_lsqlite_bind_text(stmt, 16, run->traceparent);
    sl_lsqlite_bind_text(stmt, 17, run->trigger_source);
    sl_lsqlite_bind_text(stmt, 18, run->trigger_message_id);
    sl_lsqlite_bind_text(stmt, 19, run->error_message);
    sl_lsqlite_bind_text(stmt, 20, run->extra);
    sl_lsqlite_bind_int(stmt, 21, run->is_incremental);
    sl_lsqlite_bind_text(stmt, 22, run->entities_changed);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

static void read_run(sqlite3_stmt *stmt, struct sl_run *out, struct sl_arena *arena)
{
    *out = (struct sl_run){
        .phase = sl_lsqlite_text(stmt, 0, arena),
        .date = sl_lsqlite_date(stmt, 1),
        .processor = sl_lsqlite_text(stmt, 2, arena),
        .execution_id = sl_lsqlite_text(stmt, 3, arena),
        .status = (enum sl_status)sqlite3_column_int(stmt, 4),
        .timestamp_us = sqlite3_column_int64(stmt, 5),
        .publish_us = sqlite3_column_int64(stmt, 6),
        .received_us = sqlite3_column_int64(stmt, 7),
        .generation = sqlite3_column_int(stmt, 8),
        .known = sqlite3_column_int(stmt, 9) != 0,
        .skip = sqlite3_column_int(stmt, 10) != 0,
        .record_count = sl_lsqlite_int_or(stmt, 11, -1),
        .records_failed = sl_lsqlite_int_or(stmt, 12, -1),
        .duration_s = sqlite3_column_type(stmt, 13) == SQLITE_NULL ? (double)NAN : sqlite3_column_double(stmt, 13),
        .correlation_id = sl_lsqlite_text(stmt, 14, arena),
        .traceparent = sl_lsqlite_text(stmt, 15, arena),
        .trigger_source = sl_lsqlite_text(stmt, 16, arena),
        .trigger_message_id = sl_lsqlite_text(stmt, 17, arena),
        .error_message = sl_lsqlite_text(stmt, 18, arena),
        .extra = sl_lsqlite_text(stmt, 19, arena),
        .is_incremental = sqlite3_column_int(stmt, 20),
        .entities_changed = sl_lsqlite_text(stmt, 21, arena),
    };
}

enum sl_code sl_lsqlite_run_get(struct sl_ledger *ledger, const char *phase, sl_date date, const char *processor, const char *execution_id,
                                struct sl_run *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_RUN_GET, SQL_RUN_GET, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_int(stmt, 2, date);
    sl_lsqlite_bind_text(stmt, 3, processor);
    sl_lsqlite_bind_text(stmt, 4, execution_id);
    code = sl_lsqlite_step(self, stmt, err);
    if (code == SL_NOT_FOUND)
        return sl_fail(err, code, "no run %s of %s", execution_id, processor);
    if (code)
        return code;
    read_run(stmt, out, arena);
    sqlite3_reset(stmt);
    return SL_OK;
}

enum sl_code sl_lsqlite_runs_of(struct sl_ledger *ledger, const char *phase, sl_date date, struct sl_run **out, size_t *n,
                                struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_run *runs = NULL;
    sqlite3_stmt *stmt;
    *n = 0;
    *out = NULL;
    enum sl_code code = sl_lsqlite_use(self, SQ_RUNS_OF, SQL_RUNS_OF, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_int(stmt, 2, date);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        runs = sl_arena_push(arena, runs, n, sizeof(*runs));
        read_run(stmt, &runs[*n - 1], arena);
    }
    *out = runs;
    return code == SL_NOT_FOUND ? SL_OK : code;
}
