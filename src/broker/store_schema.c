/* store_schema.c - the tables of the broker's file and how a file comes to them. Steps are only appended, each is one transaction that ends in its
 * number as user_version, and each only adds. A newer version is refused before any write. */
#include "store_sqlite_internal.h"

#include <sys/random.h>

static const char *const STEPS[] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    /* name NULL: deleted, while subscriptions still have its messages. Ids are never used again: message ids hold them. */
    "CREATE TABLE topics(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, last INTEGER NOT NULL DEFAULT 0,"
    " trimmed INTEGER NOT NULL DEFAULT 0, config BLOB NOT NULL);"
    "CREATE TABLE subscriptions(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, topic INTEGER NOT NULL,"
    " floor INTEGER NOT NULL, config BLOB NOT NULL);"
    /* above the floor */
    "CREATE TABLE acked(subscription INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(subscription, first))"
    " WITHOUT ROWID;"
    "CREATE TABLE attempts(subscription INTEGER NOT NULL, n INTEGER NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY(subscription, n))"
    " WITHOUT ROWID;"
    "CREATE TABLE messages(id INTEGER PRIMARY KEY, publish_us INTEGER NOT NULL, body BLOB NOT NULL);",
    /* born: the topic's newest number when it was made. epoch: how many seeks there were. due_us: the end of the backoff, time of day; 0: none. Snapshots: what was acked when they were made. */
    "ALTER TABLE subscriptions ADD COLUMN born INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE subscriptions ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE attempts ADD COLUMN due_us INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE snapshots(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, topic INTEGER NOT NULL, floor INTEGER NOT "
    "NULL,"
    " config BLOB NOT NULL);"
    /* exactly once: leases that clients may hold; order_key: the hash of the ordering key */
    "CREATE TABLE leases(subscription INTEGER NOT NULL, n INTEGER NOT NULL, serial INTEGER NOT NULL, order_key INTEGER NOT NULL,"
    " PRIMARY KEY(subscription, n)) WITHOUT ROWID;"
    "CREATE TABLE snapshot_acked(snapshot INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, PRIMARY KEY(snapshot, first))"
    " WITHOUT ROWID;",
    /* IAM policies, by the name of what they are of: they go with it. revision: when it was set, and later than the one before. */
    "CREATE TABLE policies(resource TEXT PRIMARY KEY, revision INTEGER NOT NULL, policy BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TRIGGER topic_policy AFTER UPDATE OF name ON topics WHEN new.name IS NULL"
    " BEGIN DELETE FROM policies WHERE resource = old.name; END;"
    "CREATE TRIGGER subscription_policy AFTER DELETE ON subscriptions BEGIN DELETE FROM policies WHERE resource = old.name; END;"
    "CREATE TRIGGER snapshot_policy AFTER DELETE ON snapshots BEGIN DELETE FROM policies WHERE resource = old.name; END;",
};

#define VERSION ((int64_t)(sizeof(STEPS) / sizeof(STEPS[0])))

enum sl_code sl_store_number(struct sl_store *store, const char *sql, int64_t *out, struct sl_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(store->db, sql, -1, &stmt, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    enum sl_code code = rc == SQLITE_ROW ? SL_OK : sl_store_failed(store, store->db, rc, err);
    sqlite3_finalize(stmt);
    return code;
}

enum sl_code sl_store_check_version(struct sl_store *store, struct sl_err *err)
{
    int64_t version = 0, tables = 0;
    if (sl_store_number(store, "PRAGMA user_version", &version, err) ||
        sl_store_number(store, "SELECT count(*) FROM sqlite_schema", &tables, err))
        return err->code;
    if (version > VERSION)
        return sl_fail(err, SL_INVALID, "broker store %s: version %lld, this program knows %lld; use the newer program", store->path,
                       (long long)version, (long long)VERSION);
    if (version == 0 && tables > 0)
        return sl_fail(err, SL_CORRUPT, "broker store %s: is another program's database", store->path);
    return SL_OK;
}

static enum sl_code run_sql(struct sl_store *store, const char *sql, struct sl_err *err)
{
    int rc = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? SL_OK : sl_store_failed(store, store->db, rc, err);
}

static enum sl_code take_step(struct sl_store *store, int64_t version, struct sl_err *err)
{
    char set_version[64];
    sqlite3_snprintf((int)sizeof(set_version), set_version, "PRAGMA user_version = %lld", (long long)version + 1);
    if (sl_store_begin(store, err) || run_sql(store, STEPS[version], err) || run_sql(store, set_version, err))
        return err->code;
    return sl_store_commit(store, err);
}

/* Ten digits, so that an id's prefix has one length: ids of two stores can't meet by shifting digits. */
static uint32_t random_id(void)
{
    uint32_t id = 0;
    while (id < UINT32_C(1000000000))
        if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
            id = 0;
    return id;
}

static enum sl_code make_id(struct sl_store *store, struct sl_err *err)
{
    char sql[96];
    sqlite3_snprintf((int)sizeof(sql), sql, "INSERT OR IGNORE INTO meta(key, value) VALUES('store_id', %lld)", (long long)random_id());
    int64_t present = 0, id = 0;
    if (sl_store_number(store, "SELECT count(*) FROM meta WHERE key = 'store_id'", &present, err))
        return err->code;
    if (!present && run_sql(store, sql, err))
        return err->code;
    if (sl_store_number(store, "SELECT value FROM meta WHERE key = 'store_id'", &id, err))
        return err->code;
    store->id = (uint32_t)id;
    return SL_OK;
}

enum sl_code sl_store_migrate(struct sl_store *store, struct sl_err *err)
{
    int64_t version = 0;
    if (sl_store_number(store, "PRAGMA user_version", &version, err))
        return err->code;
    for (; version < VERSION; version++)
        if (take_step(store, version, err))
            return err->code;
    return make_id(store, err);
}
