/* sqlite_schema.c - the tables of the SQLite ledger and how a file comes to them.
 * Steps are only ever appended, each is one transaction that ends in its number as user_version, and each only adds, so that the
 * version before still opens the file. A file of a newer version is refused before any write, and so is one that holds tables but no
 * ledger.
 * Dates are days and instants microseconds since 1970-01-01; statuses, profiles, states, reasons and kinds are the numbers of their
 * enumerations, which therefore may grow at their ends only. */
#include "sqlite_internal.h"

#include <string.h>

#include <sluice/hash.h>
#include <sluice/ledger_sqlite.h>

_Static_assert(SL_RUN_SUCCESS == 0 && SL_RUN_RUNNING == 4, "stored");
_Static_assert(SL_PAST == 0 && SL_FUTURE == 2, "stored");
_Static_assert(SL_WAITING == 0 && SL_BLOCKED == 1 && SL_SUPPRESSED == 2 && SL_EMPTY == 3, "the partial index says state < 4");
_Static_assert(SL_TRIGGERED == 4 && SL_OBSERVED == 5 && SL_SUPERSEDED == 6, "stored");
_Static_assert(SL_REASON_RUN_FAILED == 0 && SL_REASON_SETTLE == 20, "stored");
_Static_assert(SL_BY_NONE == 0 && SL_BY_RETRIGGERED == 5, "stored");
_Static_assert(SL_OUTBOX_TRIGGER == 0 && SL_LOAD_EVENTS == 0, "stored");

/* What is written often stays narrow: an outbox row's body has a table of its own, so that a claim rewrites some bytes and not 10 MB.
 * Big values come last in their rows. What is unique by a random value begins with the date where it can, so that the rows of a batch lie
 * on few pages. */
static const char SCHEMA_1[] =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE inbox (id INTEGER PRIMARY KEY, subscription TEXT NOT NULL, message_id TEXT NOT NULL, publish_us "
    "INTEGER NOT NULL,"
    " received_us INTEGER NOT NULL, UNIQUE (subscription, message_id, publish_us));"
    "CREATE TABLE runs (seq INTEGER PRIMARY KEY AUTOINCREMENT, phase TEXT NOT NULL, date INTEGER NOT NULL, processor "
    "TEXT NOT NULL,"
    " execution_id TEXT NOT NULL, status INTEGER NOT NULL, timestamp_us INTEGER NOT NULL, publish_us INTEGER NOT NULL,"
    " received_us INTEGER NOT NULL, generation INTEGER NOT NULL, known INTEGER NOT NULL, skip INTEGER NOT NULL, "
    "record_count INTEGER,"
    " records_failed INTEGER, duration_s REAL, correlation_id TEXT, traceparent TEXT, trigger_source TEXT, "
    "trigger_message_id TEXT,"
    " error_message TEXT, extra TEXT, is_incremental INTEGER NOT NULL, entities_changed TEXT,"
    " UNIQUE (phase, date, processor, execution_id));"
    "CREATE TABLE gates (phase TEXT NOT NULL, date INTEGER NOT NULL, profile INTEGER NOT NULL, generation INTEGER NOT "
    "NULL,"
    " state INTEGER NOT NULL, reasons INTEGER NOT NULL, trigger_reason INTEGER NOT NULL, completed TEXT, missing TEXT, "
    "late TEXT,"
    " is_production_ready INTEGER NOT NULL, degraded INTEGER NOT NULL, dropped INTEGER NOT NULL, trigger_id TEXT, "
    "waits_for TEXT,"
    " config_hash TEXT, created_us INTEGER NOT NULL, decided_us INTEGER NOT NULL, checked_us INTEGER NOT NULL,"
    " clock_start_ms INTEGER NOT NULL, since_us INTEGER NOT NULL, last_report_us INTEGER NOT NULL, due_us INTEGER,"
    " recheck_ms INTEGER NOT NULL, answer_due_us INTEGER, reopened INTEGER NOT NULL,"
    " PRIMARY KEY (phase, date, profile, generation)) WITHOUT ROWID;"
    "CREATE INDEX gates_due ON gates (due_us) WHERE due_us IS NOT NULL;"
    "CREATE INDEX gates_answer ON gates (answer_due_us) WHERE answer_due_us IS NOT NULL;"
    "CREATE INDEX gates_pending ON gates (phase, date, profile, generation, state) WHERE state < 4;"
    "CREATE TABLE configs (hash TEXT PRIMARY KEY, created_us INTEGER NOT NULL, normal TEXT NOT NULL);"
    "CREATE TABLE facts (id INTEGER PRIMARY KEY, date INTEGER NOT NULL, hash TEXT NOT NULL, facts TEXT NOT NULL, UNIQUE (date, hash));"
    "CREATE TABLE decisions (id INTEGER PRIMARY KEY AUTOINCREMENT, phase TEXT NOT NULL, date INTEGER NOT NULL, profile "
    "INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, facts_id INTEGER NOT NULL, decided_us INTEGER NOT NULL, config_hash TEXT, decision "
    "TEXT NOT NULL);"
    "CREATE INDEX decisions_gate ON decisions (phase, date, profile, generation, id);"
    "CREATE INDEX decisions_facts ON decisions (facts_id);"
    "CREATE INDEX decisions_age ON decisions (decided_us);"
    "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, batch_id TEXT,"
    " event_timestamp TEXT NOT NULL, event_type TEXT NOT NULL, severity TEXT NOT NULL, is_synthetic TEXT, phase TEXT, "
    "table_name TEXT,"
    " processor_name TEXT, game_id TEXT, game_date TEXT, season TEXT, player_id TEXT, team_abbr TEXT, description TEXT,"
    " primary_source TEXT, primary_source_status TEXT, fallback_sources_tried TEXT, resolution TEXT, "
    "resolution_details TEXT,"
    " quality_tier_before TEXT, quality_tier_after TEXT, quality_score_before TEXT, quality_score_after TEXT, "
    "downstream_impact TEXT,"
    " requires_alert TEXT, alert_sent TEXT, alert_channel TEXT, alert_sent_at TEXT, is_resolved TEXT, resolved_at TEXT,"
    " resolution_method TEXT, resolved_by TEXT, created_at TEXT, processor_run_id TEXT, environment TEXT);"
    "CREATE INDEX events_date ON events (game_date);"
    "CREATE TABLE loads (job_id TEXT PRIMARY KEY, kind INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER "
    "NOT NULL,"
    " attempt INTEGER NOT NULL, done_us INTEGER);"
    "CREATE INDEX loads_range ON loads (kind, last_seq);"
    "CREATE INDEX loads_open ON loads (kind, first_seq) WHERE done_us IS NULL;"
    "CREATE TABLE warned (what TEXT PRIMARY KEY) WITHOUT ROWID;"
    "CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, kind INTEGER NOT NULL, topic TEXT NOT NULL, date "
    "INTEGER NOT NULL,"
    " key TEXT, phase TEXT, attempts INTEGER NOT NULL, created_us INTEGER NOT NULL, next_us INTEGER NOT NULL,"
    " failing_since_us INTEGER NOT NULL, last_error TEXT, owner TEXT, until_us INTEGER NOT NULL DEFAULT 0);"
    "CREATE INDEX outbox_claims ON outbox (topic, until_us) WHERE owner IS NOT NULL;"
    "CREATE INDEX outbox_order ON outbox (topic, date, id);"
    "CREATE TABLE outbox_bodies (id INTEGER PRIMARY KEY, attributes TEXT, data BLOB NOT NULL);"
    "CREATE TABLE rejects (id INTEGER PRIMARY KEY AUTOINCREMENT, received_us INTEGER NOT NULL, phase TEXT, "
    "subscription TEXT,"
    " message_id TEXT, publish_us INTEGER NOT NULL, code TEXT NOT NULL, detail TEXT, attributes TEXT, data BLOB NOT "
    "NULL);"
    "CREATE TABLE known_gaps (id INTEGER PRIMARY KEY AUTOINCREMENT, phase TEXT NOT NULL, date INTEGER, unit TEXT, "
    "\"table\" TEXT,"
    " reason TEXT, who TEXT, until INTEGER, created_us INTEGER NOT NULL);"
    "CREATE TABLE holds (id INTEGER PRIMARY KEY AUTOINCREMENT, phase TEXT, \"from\" INTEGER, \"to\" INTEGER, until_us "
    "INTEGER, reason TEXT,"
    " who TEXT, created_us INTEGER NOT NULL);"
    "CREATE TABLE units (date INTEGER NOT NULL, unit TEXT NOT NULL, season TEXT, done INTEGER NOT NULL, PRIMARY KEY "
    "(date, unit))"
    " WITHOUT ROWID;"
    "CREATE TABLE clocks (phase TEXT PRIMARY KEY, ms INTEGER NOT NULL) WITHOUT ROWID;";

/* Quality of a gate; decisions that later content made stale; quality columns to be written.
 * A stamp that is newer replaces the one that waits for the same table and date. */
static const char SCHEMA_2[] =
    "ALTER TABLE gates ADD COLUMN quality_tier TEXT;"
    "ALTER TABLE gates ADD COLUMN quality_score REAL;"
    "CREATE TABLE stale (id INTEGER PRIMARY KEY AUTOINCREMENT, phase TEXT NOT NULL, date INTEGER NOT NULL, profile INTEGER NOT NULL,"
    " generation INTEGER NOT NULL, culprit_phase TEXT NOT NULL, culprit_date INTEGER NOT NULL, culprit_generation INTEGER NOT NULL,"
    " reason TEXT NOT NULL, marked_us INTEGER NOT NULL, triggered_us INTEGER, cleared_us INTEGER,"
    " UNIQUE (phase, date, profile, generation, culprit_phase, culprit_date, culprit_generation));"
    "CREATE INDEX stale_open ON stale (date, phase) WHERE cleared_us IS NULL;"
    "CREATE TABLE stamps (id INTEGER PRIMARY KEY AUTOINCREMENT, table_name TEXT NOT NULL, date INTEGER NOT NULL, phase TEXT NOT NULL,"
    " processor TEXT NOT NULL, created_us INTEGER NOT NULL, attempts INTEGER NOT NULL, next_us INTEGER NOT NULL,"
    " failing_since_us INTEGER NOT NULL, alarmed INTEGER NOT NULL, last_error TEXT, body TEXT NOT NULL, UNIQUE (table_name, date));"
    "CREATE INDEX stamps_next ON stamps (next_us, id);";

static const char *const STEPS[] = {SCHEMA_1, SCHEMA_2};
_Static_assert(sizeof(STEPS) / sizeof(STEPS[0]) == SL_LEDGER_SQLITE_VERSION, "one step per version");

#define SQL_VERSION "PRAGMA user_version"
/* In one statement, so that no other handle's migration comes between version and tables. */
#define SQL_FOREIGN "SELECT (SELECT user_version FROM pragma_user_version) = 0 AND EXISTS (SELECT 1 FROM sqlite_schema)"
#define SQL_ID_ADD  "INSERT INTO meta (key, value) VALUES ('ledger_id', ?1) ON CONFLICT (key) DO NOTHING"
#define SQL_ID      "SELECT value FROM meta WHERE key = 'ledger_id'"

/* One number from a statement that is used once per open, and therefore not cached. */
static enum sl_code one_int(struct sl_lsqlite *self, const char *sql, int64_t *out, struct sl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(self->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    enum sl_code code = rc == SQLITE_ROW ? SL_OK : sl_lsqlite_failed(self, rc, err);
    sqlite3_finalize(stmt);
    return code;
}

static enum sl_code execute(struct sl_lsqlite *self, const char *sql, struct sl_err *err)
{
    int rc = sqlite3_exec(self->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SL_OK : sl_lsqlite_failed(self, rc, err);
}

static enum sl_code store_id(struct sl_lsqlite *self, struct sl_err *err)
{
    struct sl_uuid id = sl_uuid4();
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(self->db, SQL_ID_ADD, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(stmt, 1, id.bytes, sizeof(id.bytes), SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    enum sl_code code = rc == SQLITE_DONE ? SL_OK : sl_lsqlite_failed(self, rc, err);
    sqlite3_finalize(stmt);
    return code;
}

static enum sl_code read_id(struct sl_lsqlite *self, struct sl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(self->db, SQL_ID, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    enum sl_code code = SL_OK;
    if (rc == SQLITE_ROW && sqlite3_column_bytes(stmt, 0) == (int)sizeof(self->id.bytes))
        memcpy(self->id.bytes, sqlite3_column_blob(stmt, 0), sizeof(self->id.bytes));
    else if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        code = sl_fail(err, SL_CORRUPT, "ledger %s: its id is missing", self->path);
    else
        code = sl_lsqlite_failed(self, rc, err);
    sqlite3_finalize(stmt);
    return code;
}

/* The step after `version`, unless another handle made it while we waited for the lock. */
static enum sl_code step_once(struct sl_lsqlite *self, int64_t version, struct sl_err *err)
{
    int64_t now = 0;
    if (execute(self, "BEGIN IMMEDIATE", err) || one_int(self, SQL_VERSION, &now, err))
        return err->code;
    if (now != version)
        return execute(self, "ROLLBACK", err);
    char set_version[64];
    sqlite3_snprintf((int)sizeof(set_version), set_version, "PRAGMA user_version = %lld", (long long)version + 1);
    if (execute(self, STEPS[version], err) || (version == 0 && store_id(self, err)) || execute(self, set_version, err) ||
        execute(self, "COMMIT", err)) {
        if (!self->poisoned && !sqlite3_get_autocommit(self->db))
            sqlite3_exec(self->db, "ROLLBACK", NULL, NULL, NULL);
        return err->code;
    }
    return SL_OK;
}

enum sl_code sl_lsqlite_check(struct sl_lsqlite *self, int64_t *version, struct sl_err *err)
{
    int64_t foreign = 0;
    if (one_int(self, SQL_FOREIGN, &foreign, err) || one_int(self, SQL_VERSION, version, err))
        return err->code;
    if (*version > SL_LEDGER_SQLITE_VERSION)
        return sl_fail(err, SL_CONFLICT, "ledger %s is of version %lld, newer than this program's %d; use the newer program", self->path,
                       (long long)*version, SL_LEDGER_SQLITE_VERSION);
    if (*version < 0)
        return sl_fail(err, SL_CORRUPT, "ledger %s has version %lld", self->path, (long long)*version);
    if (foreign)
        return sl_fail(err, SL_INVALID, "%s is a SQLite file of something else, not a ledger", self->path);
    if (*version < SL_LEDGER_SQLITE_VERSION && self->read_only)
        return sl_fail(err, *version == 0 ? SL_NOT_FOUND : SL_CONFLICT, "ledger %s is %s; run sluice init", self->path,
                       *version == 0 ? "empty" : "of an older version");
    return SL_OK;
}

enum sl_code sl_lsqlite_migrate(struct sl_lsqlite *self, struct sl_err *err)
{
    int64_t version = 0;
    if (sl_lsqlite_check(self, &version, err))
        return err->code;
    while (version < SL_LEDGER_SQLITE_VERSION) {
        if (step_once(self, version, err) || sl_lsqlite_check(self, &version, err))
            return err->code;
    }
    return read_id(self, err);
}
