/* sqlite_outbox.c - what is to be published, and what could not be understood.
 * An outbox row's life: added with the decision, claimed, published by its owner, and done (deleted) or failed (due again later). Within
 * a topic rows go out strictly by (date, id): a row that is not due holds up all that come after it, and a claim of somebody else the
 * whole topic.
 * The body is written once, beside the row that claims and failures write again. */
#include "sqlite_internal.h"

#define CLAIM_MAX_BYTES (16u * 1024 * 1024) /* of bodies: a claim is held in memory */

#define OUTBOX_COLUMNS      "kind, topic, key, phase, date, attempts, created_us, next_us, failing_since_us, last_error"
#define SQL_OUTBOX_ADD      "INSERT INTO outbox (" OUTBOX_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
#define SQL_OUTBOX_BODY_ADD "INSERT INTO outbox_bodies (id, data, attributes) VALUES (?1, ?2, ?3)"
#define SQL_OUTBOX_TOPIC    "SELECT topic FROM outbox WHERE topic > ?1 ORDER BY topic LIMIT 1"
#define SQL_OUTBOX_HELD                                                                                                                    \
    "SELECT 1 FROM outbox INDEXED BY outbox_claims WHERE topic = ?1 AND owner IS NOT NULL AND owner <> ?3"                                 \
    " AND until_us > ?2 LIMIT 1"
#define SQL_OUTBOX_NEXT                                                                                                                    \
    "SELECT id, next_us <= ?2 FROM outbox WHERE topic = ?1"                                                                                \
    " ORDER BY date, id LIMIT ?3"
#define SQL_OUTBOX_CLAIM     "UPDATE outbox SET owner = ?2, until_us = ?3 WHERE id = ?1"
#define SQL_OUTBOX_GET       "SELECT " OUTBOX_COLUMNS ", b.data, b.attributes FROM outbox o JOIN outbox_bodies b ON b.id = o.id WHERE o.id = ?1"
#define SQL_OUTBOX_DONE      "DELETE FROM outbox WHERE id = ?1"
#define SQL_OUTBOX_BODY_DONE "DELETE FROM outbox_bodies WHERE id = ?1"
#define SQL_OUTBOX_FAILED                                                                                                                  \
    "UPDATE outbox SET attempts = attempts + 1, last_error = ?2, next_us = ?4, owner = NULL, until_us = 0,"                                \
    " failing_since_us = CASE failing_since_us WHEN 0 THEN ?3 ELSE failing_since_us END WHERE id = ?1"

#define SQL_OUTBOX_LEFT "SELECT count(*), coalesce(min(nullif(failing_since_us, 0)), 0) FROM outbox"

#define REJECT_COLUMNS "received_us, phase, subscription, message_id, publish_us, code, detail, attributes"
#define SQL_REJECT_ADD "INSERT INTO rejects (" REJECT_COLUMNS ", data) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
#define SQL_REJECTS    "SELECT " REJECT_COLUMNS ", id, length(data) FROM rejects ORDER BY id"
#define SQL_REJECT_GET "SELECT " REJECT_COLUMNS ", id, length(data), data FROM rejects WHERE id = ?1"

static enum sl_code add_body(struct sl_lsqlite *self, int64_t id, const struct sl_outbox_row *row, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_BODY_ADD, SQL_OUTBOX_BODY_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, id);
    sl_lsqlite_bind_bytes(stmt, 2, row->data, row->len);
    sl_lsqlite_bind_text(stmt, 3, row->attributes);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

static enum sl_code add_row(struct sl_lsqlite *self, const struct sl_outbox_row *row, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_ADD, SQL_OUTBOX_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, row->kind);
    sl_lsqlite_bind_text(stmt, 2, row->topic);
    sl_lsqlite_bind_text(stmt, 3, row->key);
    sl_lsqlite_bind_text(stmt, 4, row->phase);
    sl_lsqlite_bind_int(stmt, 5, row->date); /* NONE as it is: it sorts first */
    sl_lsqlite_bind_int(stmt, 6, row->attempts);
    sl_lsqlite_bind_int(stmt, 7, row->created_us);
    sl_lsqlite_bind_int(stmt, 8, row->next_us);
    sl_lsqlite_bind_int(stmt, 9, row->failing_since_us);
    sl_lsqlite_bind_text(stmt, 10, row->last_error);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

enum sl_code sl_lsqlite_outbox_add(struct sl_ledger *ledger, const struct sl_outbox_row *row, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    bool own;
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    code = add_row(self, row, err);
    if (code == SL_OK)
        code = add_body(self, sl_lsqlite_last_id(self), row, err);
    return sl_lsqlite_leave(self, own, code, err);
}

/* The topic after `topic` that has rows. */
static enum sl_code next_topic(struct sl_lsqlite *self, const char *topic, const char **out, struct sl_arena *arena, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_TOPIC, SQL_OUTBOX_TOPIC, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, topic);
    return sl_lsqlite_one_text(self, stmt, out, arena, err);
}

struct claim {
    const char *owner;
    int64_t now_us, until_us;
    size_t limit;
    int64_t *ids;
    size_t n;
};

/* SL_OK when another owner holds a claim in the topic, SL_NOT_FOUND when nobody does. */
static enum sl_code held(struct sl_lsqlite *self, const char *topic, const struct claim *claim, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_HELD, SQL_OUTBOX_HELD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, topic);
    sl_lsqlite_bind_int(stmt, 2, claim->now_us);
    sl_lsqlite_bind_text(stmt, 3, claim->owner);
    code = sl_lsqlite_step(self, stmt, err);
    if (code == SL_OK)
        sqlite3_reset(stmt);
    return code;
}

/* The ids of the topic's rows from its first on, up to the first that may not go out now. */
static enum sl_code pick_rows(struct sl_lsqlite *self, const char *topic, struct claim *claim, struct sl_arena *arena, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_NEXT, SQL_OUTBOX_NEXT, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_text(stmt, 1, topic);
    sl_lsqlite_bind_int(stmt, 2, claim->now_us);
    sl_lsqlite_bind_int(stmt, 3, (int64_t)(claim->limit - claim->n));
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        if (!sqlite3_column_int(stmt, 1)) {
            sqlite3_reset(stmt);
            return SL_OK;
        }
        claim->ids = sl_arena_push(arena, claim->ids, &claim->n, sizeof(*claim->ids));
        claim->ids[claim->n - 1] = sqlite3_column_int64(stmt, 0);
    }
    return code == SL_NOT_FOUND ? SL_OK : code;
}

static enum sl_code mark_claimed(struct sl_lsqlite *self, int64_t id, const struct claim *claim, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_CLAIM, SQL_OUTBOX_CLAIM, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, id);
    sl_lsqlite_bind_text(stmt, 2, claim->owner);
    sl_lsqlite_bind_int(stmt, 3, claim->until_us);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

static enum sl_code read_row(struct sl_lsqlite *self, int64_t id, struct sl_outbox_row *out, struct sl_arena *arena, struct sl_err *err)
{
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_GET, SQL_OUTBOX_GET, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, id);
    code = sl_lsqlite_step(self, stmt, err);
    if (code == SL_NOT_FOUND)
        return sl_fail(err, SL_CORRUPT, "ledger %s: outbox row %lld has no body", self->path, (long long)id);
    if (code)
        return code;
    *out = (struct sl_outbox_row){
        .id = id,
        .kind = (enum sl_outbox_kind)sqlite3_column_int(stmt, 0),
        .topic = sl_lsqlite_text(stmt, 1, arena),
        .key = sl_lsqlite_text(stmt, 2, arena),
        .phase = sl_lsqlite_text(stmt, 3, arena),
        .date = sl_lsqlite_date(stmt, 4),
        .attempts = sqlite3_column_int(stmt, 5),
        .created_us = sqlite3_column_int64(stmt, 6),
        .next_us = sqlite3_column_int64(stmt, 7),
        .failing_since_us = sqlite3_column_int64(stmt, 8),
        .last_error = sl_lsqlite_text(stmt, 9, arena),
        .attributes = sl_lsqlite_text(stmt, 11, arena),
    };
    out->data = sl_lsqlite_bytes(stmt, 10, arena, &out->len);
    sqlite3_reset(stmt);
    return SL_OK;
}

static enum sl_code claim_rows(struct sl_lsqlite *self, struct claim *claim, struct sl_outbox_row **out, struct sl_arena *arena,
                               struct sl_err *err)
{
    const char *topic = "";
    enum sl_code code = SL_OK;
    while (claim->n < claim->limit && (code = next_topic(self, topic, &topic, arena, err)) == SL_OK) {
        code = held(self, topic, claim, err);
        if (code == SL_NOT_FOUND)
            code = pick_rows(self, topic, claim, arena, err);
        if (code)
            return code;
    }
    if (code != SL_OK && code != SL_NOT_FOUND)
        return code;
    *out = sl_arena_array(arena, claim->n, sizeof(**out));
    for (size_t i = 0, bytes = 0; i < claim->n; i++) {
        code = mark_claimed(self, claim->ids[i], claim, err);
        if (code == SL_OK)
            code = read_row(self, claim->ids[i], &(*out)[i], arena, err);
        if (code)
            return code;
        bytes += (*out)[i].len;
        if (bytes >= CLAIM_MAX_BYTES)
            claim->n = i + 1;
    }
    return SL_OK;
}

enum sl_code sl_lsqlite_outbox_claim(struct sl_ledger *ledger, const char *owner, int64_t now_us, int64_t until_us, size_t limit,
                                     struct sl_outbox_row **out, size_t *n, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct claim claim = {.owner = owner, .now_us = now_us, .until_us = until_us, .limit = limit ? limit : INT64_MAX};
    bool own;
    *n = 0;
    *out = NULL;
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    code = sl_lsqlite_leave(self, own, claim_rows(self, &claim, out, arena, err), err);
    if (code == SL_OK)
        *n = claim.n;
    return code;
}

static enum sl_code delete_row(struct sl_lsqlite *self, int64_t id, struct sl_err *err)
{
    int64_t changed = 0;
    enum sl_code code = sl_lsqlite_run_with(self, SQ_OUTBOX_DONE, SQL_OUTBOX_DONE, id, &changed, err);
    if (code)
        return code;
    if (changed == 0)
        return sl_fail(err, SL_NOT_FOUND, "no outbox row %lld", (long long)id);
    return sl_lsqlite_run_with(self, SQ_OUTBOX_BODY_DONE, SQL_OUTBOX_BODY_DONE, id, NULL, err);
}

enum sl_code sl_lsqlite_outbox_done(struct sl_ledger *ledger, int64_t id, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    bool own;
    enum sl_code code = sl_lsqlite_enter(self, &own, err);
    if (code)
        return code;
    return sl_lsqlite_leave(self, own, delete_row(self, id, err), err);
}

enum sl_code sl_lsqlite_outbox_failed(struct sl_ledger *ledger, int64_t id, const char *error, int64_t now_us, int64_t next_us,
                                      struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    int64_t changed = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_FAILED, SQL_OUTBOX_FAILED, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, id);
    sl_lsqlite_bind_text(stmt, 2, error);
    sl_lsqlite_bind_int(stmt, 3, now_us);
    sl_lsqlite_bind_int(stmt, 4, next_us);
    code = sl_lsqlite_run(self, stmt, &changed, err);
    if (code == SL_OK && changed == 0)
        return sl_fail(err, SL_NOT_FOUND, "no outbox row %lld", (long long)id);
    return code;
}

enum sl_code sl_lsqlite_outbox_left(struct sl_ledger *ledger, size_t *n, int64_t *failing_since_us, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    *n = 0;
    *failing_since_us = 0;
    enum sl_code code = sl_lsqlite_use(self, SQ_OUTBOX_LEFT, SQL_OUTBOX_LEFT, &stmt, err);
    if (code == SL_OK)
        code = sl_lsqlite_step(self, stmt, err);
    if (code)
        return code;
    *n = (size_t)sqlite3_column_int64(stmt, 0);
    *failing_since_us = sqlite3_column_int64(stmt, 1);
    sqlite3_reset(stmt);
    return SL_OK;
}

enum sl_code sl_lsqlite_reject_add(struct sl_ledger *ledger, const struct sl_reject_row *row, struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    sqlite3_stmt *stmt;
    enum sl_code code = sl_lsqlite_use(self, SQ_REJECT_ADD, SQL_REJECT_ADD, &stmt, err);
    if (code)
        return code;
    sl_lsqlite_bind_int(stmt, 1, row->received_us);
    sl_lsqlite_bind_text(stmt, 2, row->phase);
    sl_lsqlite_bind_text(stmt, 3, row->subscription);
    sl_lsqlite_bind_text(stmt, 4, row->message_id);
    sl_lsqlite_bind_int(stmt, 5, row->publish_us);
    sl_lsqlite_bind_text(stmt, 6, row->code);
    sl_lsqlite_bind_text(stmt, 7, row->detail);
    sl_lsqlite_bind_text(stmt, 8, row->attributes);
    sl_lsqlite_bind_bytes(stmt, 9, row->data, row->len);
    return sl_lsqlite_run(self, stmt, NULL, err);
}

static void read_reject(sqlite3_stmt *stmt, struct sl_reject_row *out, bool data, struct sl_arena *arena)
{
    *out = (struct sl_reject_row){
        .received_us = sqlite3_column_int64(stmt, 0),
        .phase = sl_lsqlite_text(stmt, 1, arena),
        .subscription = sl_lsqlite_text(stmt, 2, arena),
        .message_id = sl_lsqlite_text(stmt, 3, arena),
        .publish_us = sqlite3_column_int64(stmt, 4),
        .code = sl_lsqlite_text(stmt, 5, arena),
        .detail = sl_lsqlite_text(stmt, 6, arena),
        .attributes = sl_lsqlite_text(stmt, 7, arena),
        .id = sqlite3_column_int64(stmt, 8),
        .len = (size_t)sqlite3_column_int64(stmt, 9),
    };
    if (data)
        out->data = sl_lsqlite_bytes(stmt, 10, arena, &out->len);
}

enum sl_code sl_lsqlite_rejects(struct sl_ledger *ledger, int64_t id, struct sl_reject_row **out, size_t *n, struct sl_arena *arena,
                                struct sl_err *err)
{
    struct sl_lsqlite *self = sl_lsqlite_of(ledger);
    struct sl_reject_row *rows = NULL;
    sqlite3_stmt *stmt;
    *n = 0;
    *out = NULL;
    enum sl_code code = id ? sl_lsqlite_use(self, SQ_REJECT_GET, SQL_REJECT_GET, &stmt, err)
                           : sl_lsqlite_use(self, SQ_REJECTS, SQL_REJECTS, &stmt, err);
    if (code)
        return code;
    if (id)
        sl_lsqlite_bind_int(stmt, 1, id);
    while ((code = sl_lsqlite_step(self, stmt, err)) == SL_OK) {
        rows = sl_arena_push(arena, rows, n, sizeof(*rows));
        read_reject(stmt, &rows[*n - 1], id != 0, arena);
    }
    *out = rows;
    if (code == SL_NOT_FOUND && id && *n == 0)
        return sl_fail(err, code, "no reject %lld", (long long)id);
    return code == SL_NOT_FOUND ? SL_OK : code;
}
