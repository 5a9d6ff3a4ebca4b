/* sqlite_decisions.c - decisions with their facts, the configs they were made under, and the pruning of what is old.
 * Facts are stored once per content hash: a recheck that finds the world as it was adds a decision, not its facts again. The same content
 * has the same date, which therefore comes first in the key: a batch's hashes would lie on as many pages of the index as it has gates. */
#include "sqlite_internal.h"

#include <limits.h>

#include <sluice/hash.h>

#define SQL_FACTS_ADD "INSERT INTO facts (date, hash, facts) VALUES (?1, ?2, ?3) ON CONFLICT (date, hash) DO NOTHING"
#define SQL_FACTS_ID  "SELECT id FROM facts WHERE date = ?1 AND hash = ?2"
#define SQL_DECISION_ADD                                                                                                                   \
    "INSERT INTO decisions (phase, date, profile, generation, facts_id, decided_us, config_hash, decision)"                                \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
#define DECISION_OF                                                                                                                        \
    "SELECT d.id, f.facts, d.decision, d.config_hash, d.decided_us FROM decisions d LEFT JOIN facts f ON f.id ="                           \
    " d.facts_id WHERE d.phase = ?1 AND d.date = ?2 AND d.profile = ?3"
#define SQL_DECISION_GET    DECISION_OF " AND d.generation = ?4 ORDER BY d.id DESC LIMIT 1"
#define SQL_DECISION_NEWEST DECISION_OF " ORDER BY d.generation DESC, d.id DESC LIMIT 1"
#define SQL_CONFIG_GET      "SELECT normal FROM configs WHERE hash = ?1"
#define SQL_CONFIG_ADD      "INSERT INTO configs (hash, normal, created_us) VALUES (?1, ?2, ?3) ON CONFLICT (hash) DO NOTHING"

/* A chunk at a time, so that other writers get their turn between the transactions. */
#define PRUNE_CHUNK     "2000"
#define SQL_PRUNE_INBOX "DELETE FROM inbox WHERE id IN (SELECT id FROM inbox ORDER BY id LIMIT " PRUNE_CHUNK ") AND received_us < ?1"
#define SQL_PRUNE_PICK                                                                                                                     \
    "SELECT d.id, d.facts_id FROM decisions d WHERE d.decided_us < ?1 AND EXISTS (SELECT 1 FROM decisions n WHERE"                         \
    " n.phase = d.phase AND n.date = d.date AND n.profile = d.profile AND n.generation = d.generation AND n.id > d.id)"                    \
    " LIMIT " PRUNE_CHUNK
#define SQL_PRUNE_DECISION "DELETE FROM decisions WHERE id = ?1"
#define SQL_PRUNE_FACTS    "DELETE FROM facts WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM decisions WHERE facts_id = ?1)"

struct picked {
    int64_t id, facts_id;
};

static enum sl_code facts_id_of(struct sl_lsqlite *self, sl_date date, const char *hash, int64_t *out, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_FACTS_ID, SQL_FACTS_ID, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, date);
    sl_lsqlite_bind_text(stmt, 2, hash);
    code = sl_lsqlite_one_int(self, stmt, 0, out, err);
    if (code == SL_NOT_FOUND)
        return sl_fail(err, SL_CORRUPT, "ledger %s: facts %s are there and are not", self->path, hash);
    return code;
}

static enum sl_code put_facts(struct sl_lsqlite *self, sl_date date, const char *facts, size_t len, int64_t *id, struct sl_err *err)
{
    char hash[SL_SHA256_HEX + 1];
    sqlite3_stmt *stmt;
    int64_t added = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_FACTS_ADD, SQL_FACTS_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, date);
    sl_lsqlite_bind_text(stmt, 2, sl_sha256_hex(facts, len, hash));
    sqlite3_bind_text64(stmt, 3, facts, len, SQLITE_STATIC, SQLITE_UTF8);
    code = sl_lsqlite_run(self, stmt, &added, err);
    if (code)
        return code;
    if (added == 0)
        return facts_id_of(self, date, hash, id, err);
    *id = sl_lsqlite_last_id(self);
    return SL_OK;
}

static enum sl_code put_decision(struct sl_lsqlite *self, const struct sl_gate *gate, int64_t facts_id, const char *decision, size_t len,
                                 struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_DECISION_ADD, SQL_DECISION_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, gate->phase);
    sl_lsqlite_bind_int(stmt, 2, gate->date);
    sl_lsqlite_bind_int(stmt, 3, gate->profile);
    sl_lsqlite_bind_int(stmt, 4, gate->generation);
    sl_lsqlite_bind_int(stmt, 5, facts_id);
    sl_lsqlite_bind_int(stmt, 6, gate->decided_us);
    sl_lsqlite_bind_text(stmt, 7, gate->config_hash);
    sqlite3_bind_text64(stmt, 8, decision, len, SQLITE_STATIC, SQLITE_UTF8);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

enum sl_code sl_lsqlite_decision_add(struct sl_ledger *ledger, const struct sl_gate *gate, const char *facts, size_t facts_len,
                                     const char *decision, size_t decision_len, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    int64_t facts_id = 0;
    bool own;
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    code = put_facts(self, gate->date, facts, facts_len, &facts_id, err);
    if (code == SL_OK)
        code = put_decision(self, gate, facts_id, decision, decision_len, err);
    return sl_lsqlite_leave(self, own, code, err);
}

enum sl_code sl_lsqlite_decision_get(struct sl_ledger *ledger, const char *phase, sl_date date, enum sl_profile profile, int generation,
                                     struct sl_decision_record *out, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = generation > 0 ? sl_lsqlite_use(self, SQ_DECISION_GET, SQL_DECISION_GET, &stmt, err)
                                       : sl_lsqlite_use(self, SQ_DECISION_NEWEST, SQL_DECISION_NEWEST, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, phase);
    sl_lsqlite_bind_int(stmt, 2, date);
    sl_lsqlite_bind_int(stmt, 3, profile);
    if (generation > 0)
        sl_lsqlite_bind_int(stmt, 4, generation);
    code = sl_lsqlite_step(self, stmt, err);
    if (code == SL_NOT_FOUND)
        return sl_fail(err, code, "no decision of %s for this date", phase);
    if (code)
        return code;
    *out = (struct sl_decision_record){
        .id = sqlite3_column_int64(stmt, 0),
        .facts = sl_lsqlite_text(stmt, 1, arena),
        .decision = sl_lsqlite_text(stmt, 2, arena),
        .config_hash = sl_lsqlite_text(stmt, 3, arena),
        .decided_us = sqlite3_column_int64(stmt, 4),
    };
    sqlite3_reset(stmt);
    return SL_OK;
}

enum sl_code sl_lsqlite_config_add(struct sl_ledger *ledger, const char *hash, const char *normal, int64_t now_us, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_CONFIG_ADD, SQL_CONFIG_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, hash);
    sl_lsqlite_bind_text(stmt, 2, normal);
    sl_lsqlite_bind_int(stmt, 3, now_us);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

enum sl_code sl_lsqlite_config_get(struct sl_ledger *ledger, const char *hash, const char **normal, struct sl_arena *arena,
                                   struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_CONFIG_GET, SQL_CONFIG_GET, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, hash);
    code = sl_lsqlite_one_text(self, stmt, normal, arena, err);
    if (code == SL_NOT_FOUND)
        return sl_fail(err, code, "no config %.12s is recorded", hash);
    return code;
}

/* The next chunk of received ids; *n is how many there were. */
static enum sl_code prune_inbox(struct sl_lsqlite *self, int64_t before_us, int64_t *n, struct sl_err *err)
{
    return sl_lsqlite_run_with(self, SQ_PRUNE_INBOX, SQL_PRUNE_INBOX, before_us, n, err);
}

static enum sl_code pick(struct sl_lsqlite *self, int64_t before_us, struct picked **out, size_t *n, struct sl_arena *arena,
                         struct sl_err *err)
{
    struct picked *rows = NULL;
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_PRUNE_PICK, SQL_PRUNE_PICK, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, before_us);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        rows = sl_arena_push(arena, rows, n, sizeof(*rows));
        rows[*n - 1] = (struct picked){sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1)};
    }
    *out = rows;
    return code == SL_NOT_FOUND ? SL_OK : code;
}

/* The next chunk of decisions that a newer one of their gate has replaced, and the facts that nobody uses then. */
static enum sl_code prune_decisions(struct sl_lsqlite *self, int64_t before_us, int64_t *n, struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct picked *rows = NULL;
    size_t n_rows = 0;
    enum sl_code code = pick(self, before_us, &rows, &n_rows, &arena, err);
    for (size_t i = 0; i < n_rows && code == SL_OK; i++) {
        code = sl_lsqlite_run_with(self, SQ_PRUNE_DECISION, SQL_PRUNE_DECISION, rows[i].id, NULL, err);
        if (code == SL_OK)
            code = sl_lsqlite_run_with(self, SQ_PRUNE_FACTS, SQL_PRUNE_FACTS, rows[i].facts_id, NULL, err);
    }
    *n = (int64_t)n_rows;
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_lsqlite_prune(struct sl_ledger *ledger, int64_t inbox_before_us, int64_t facts_before_us, bool *more, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    int64_t n_ids = 0, n_decisions = 0;
    bool own;
    *more = false;
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    code = prune_inbox(self, inbox_before_us, &n_ids, err);
    if (code == SL_OK)
        code = prune_decisions(self, facts_before_us, &n_decisions, err);
    *more = n_ids > 0 || n_decisions > 0;
    return sl_lsqlite_leave(self, own, code, err);
}
