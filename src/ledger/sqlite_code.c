/* sqlite_code.c - SQLite's result codes as our classes, and the values that go into and come out of statements. */
#include "sqlite_internal.h"

#include <string.h>

#include <sluice/ledger_sqlite.h>

/* First hit wins: an extended code before its primary one. What is not here is a bug of ours: SL_INTERNAL. */
static const struct {
    int rc;
    enum sl_code code;
} CODES[] = {
    {SQLITE_OK, SL_OK},
    {SQLITE_ROW, SL_OK},
    {SQLITE_DONE, SL_NOT_FOUND},
    {SQLITE_CONSTRAINT_UNIQUE, SL_CONFLICT},
    {SQLITE_CONSTRAINT_PRIMARYKEY, SL_CONFLICT},
    {SQLITE_CONSTRAINT_ROWID, SL_CONFLICT},
    {SQLITE_CONSTRAINT, SL_INVALID},
    {SQLITE_TOOBIG, SL_INVALID},
    {SQLITE_MISMATCH, SL_INVALID},
    {SQLITE_BUSY, SL_UNAVAILABLE},
    {SQLITE_LOCKED, SL_UNAVAILABLE},
    {SQLITE_PROTOCOL, SL_UNAVAILABLE},
    {SQLITE_FULL, SL_UNAVAILABLE},
    {SQLITE_NOMEM, SL_UNAVAILABLE},
    {SQLITE_PERM, SL_DENIED},
    {SQLITE_AUTH, SL_DENIED},
    {SQLITE_READONLY, SL_DENIED},
    {SQLITE_CANTOPEN, SL_DENIED},
    {SQLITE_CORRUPT, SL_CORRUPT},
    {SQLITE_NOTADB, SL_CORRUPT},
    {SQLITE_FORMAT, SL_CORRUPT},
    {SQLITE_IOERR, SL_INTERNAL},
};

enum sl_code sl_ledger_sqlite_code(int rc)
{
    for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
        if (CODES[i].rc == rc || CODES[i].rc == (rc & 0xff))
            return CODES[i].code;
    }
    return SL_INTERNAL;
}

/* Binding fails only for a wrong index, a statement in use (bugs) or a value over SQLITE_MAX_LENGTH, which leaves NULL where NOT NULL
 * refuses it; so results are not looked at. */
void sl_lsqlite_bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
    sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC);
}

void sl_lsqlite_bind_bytes(sqlite3_stmt *stmt, int i, const char *bytes, size_t len)
{
    sqlite3_bind_blob64(stmt, i, bytes ? bytes : "", len, SQLITE_STATIC);
}

void sl_lsqlite_bind_int(sqlite3_stmt *stmt, int i, int64_t value)
{
    sqlite3_bind_int64(stmt, i, value);
}

void sl_lsqlite_bind_date(sqlite3_stmt *stmt, int i, sl_date date)
{
    sl_lsqlite_bind_unless(stmt, i, date, SL_DATE_NONE);
}

void sl_lsqlite_bind_unless(sqlite3_stmt *stmt, int i, int64_t value, int64_t null)
{
    if (value == null)
        sqlite3_bind_null(stmt, i);
    else
        sqlite3_bind_int64(stmt, i, value);
}

void sl_lsqlite_bind_range(sqlite3_stmt *stmt, int i, sl_date from, sl_date to)
{
    sqlite3_bind_int64(stmt, i, from); /* NONE is below every date */
    sqlite3_bind_int64(stmt, i + 1, to == SL_DATE_NONE ? INT32_MAX : to);
}

const char *sl_lsqlite_text(sqlite3_stmt *stmt, int i, struct sl_arena *arena)
{
    const char *text = (const char *)sqlite3_column_text(stmt, i);
    return text ? sl_arena_strndup(arena, text, (size_t)sqlite3_column_bytes(stmt, i)) : NULL;
}

const char *sl_lsqlite_bytes(sqlite3_stmt *stmt, int i, struct sl_arena *arena, size_t *len)
{
    const char *bytes = sqlite3_column_blob(stmt, i);
    *len = (size_t)sqlite3_column_bytes(stmt, i);
    char *copy = sl_arena_alloc(arena, *len + 1);
    if (*len)
        memcpy(copy, bytes, *len);
    return copy;
}

sl_date sl_lsqlite_date(sqlite3_stmt *stmt, int i)
{
    return (sl_date)sl_lsqlite_int_or(stmt, i, SL_DATE_NONE);
}

int64_t sl_lsqlite_int_or(sqlite3_stmt *stmt, int i, int64_t null)
{
    return sqlite3_column_type(stmt, i) == SQLITE_NULL ? null : sqlite3_column_int64(stmt, i);
}
