/* sqlite_records.c - the records of reconstructions: how many rows one made, and what they hold. Rows that somebody else has changed since count as primary again; what Sluice itself
 * writes into them does not change that: quality columns are no part of the content, and after confidence the record is made again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite_content.h"

static const char MAKE_SQL[] =
    "CREATE TABLE IF NOT EXISTS main.sluice_reconstructions("
    "table_name TEXT NOT NULL, data_date DATE TEXT NOT NULL, unit TEXT NOT NULL, row_count INTEGER NOT NULL, fingerprint TEXT NOT NULL, "
    "made_at TIMESTAMP TEXT NOT NULL, PRIMARY KEY(table_name, data_date, unit)) WITHOUT ROWID";
static const char FORGET_SQL[] = "DELETE FROM main.sluice_reconstructions WHERE table_name = ?1 AND data_date = ?2 AND unit = ?3";
static const char ADD_SQL[] = "INSERT INTO main.sluice_reconstructions(table_name, data_date, unit, row_count, fingerprint, made_at) "
                              "VALUES(?1, ?2, ?3, ?4, ?5, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";
static const char RENEW_SQL[] =
    "UPDATE main.sluice_reconstructions SET row_count = ?4, fingerprint = ?5 WHERE table_name = ?1 AND data_date = ?2 AND unit = ?3";
static const char OF_KEYS_SQL[] =
    "SELECT k.key, r.row_count, r.fingerprint FROM json_each(?1) AS k JOIN sluice_reconstructions AS r ON r.table_name = ?2 "
    "AND r.data_date = substr(k.value, 1, 10) AND r.unit = substr(k.value, 11)";
static const char ON_DATES_SQL[] =
    "SELECT data_date, unit FROM sluice_reconstructions WHERE table_name = ?2 AND data_date IN (SELECT value FROM "
    "json_each(?1)) AND (unit <> '') = ?3 ORDER BY data_date, unit";

/* --- writing ---------------------------------------------------------------------------------------------------------------------------- */

static enum sl_code write_record(struct sl_wh_db *db, const char *sql, const char *table, const struct sl_key *key, int64_t rows,
                                 const char *fingerprint, struct sl_err *err)
{
    char date[SL_DATE_LEN + 1];
    sqlite3_stmt *stmt = NULL;
    bool row;
    enum sl_code code = sl_wh_cached(db, sql, &stmt, err);
    if (code)
        return code;
    sl_wh_bind(stmt, 1, table);
    sl_wh_bind(stmt, 2, sl_date_format(key->date, date));
    sl_wh_bind(stmt, 3, key->unit ? key->unit : "");
    if (fingerprint) {
        sqlite3_bind_int64(stmt, 4, rows);
        sl_wh_bind(stmt, 5, fingerprint);
    }
    code = sl_wh_step(db, stmt, &row, err);
    sl_wh_done(stmt);
    return code;
}

enum sl_code sl_wh_record_forget(struct sl_wh_db *db, const char *table, const struct sl_key *key, struct sl_err *err)
{
    enum sl_code code = sl_wh_exec(db, MAKE_SQL, err);
    return code ? code : write_record(db, FORGET_SQL, table, key, 0, NULL, err);
}

enum sl_code sl_wh_record_add(struct sl_wh_db *db, const char *table, const struct sl_key *key, int64_t rows,
                              const struct sl_fingerprint *fingerprint, struct sl_err *err)
{
    return write_record(db, ADD_SQL, table, key, rows, fingerprint->text, err);
}

/* --- reading ---------------------------------------------------------------------------------------------------------------------------- */

struct record { /* of a key; rows 0: none */
    int64_t rows;
    char fingerprint[SL_FINGERPRINT_LEN + 1];
};

static enum sl_code read_records(struct sl_wh_question *q, struct record *records, size_t *n_found, struct sl_err *err)
{
    struct sl_buf json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    sl_wh_keys_json(&json, q);
    enum sl_code code = sl_wh_bind_json(q, OF_KEYS_SQL, &json, &stmt, err);
    if (!code)
        sl_wh_bind(stmt, 2, q->name.table);
    while (!code && !(code = sl_wh_step(q->db, stmt, &row, err)) && row) {
        struct record *record = &records[sqlite3_column_int64(stmt, 0)];
        const char *text = (const char *)sqlite3_column_text(stmt, 2);
        record->rows = sqlite3_column_int64(stmt, 1);
        snprintf(record->fingerprint, sizeof record->fingerprint, "%s", text ? text : "");
        ++*n_found;
    }
    sl_wh_done(stmt);
    sl_buf_fini(&json);
    return code;
}

/* Only the rows of keys that have a record are looked at. */
static enum sl_code compare(const struct sl_wh_question *q, const struct record *records, size_t n_found, uint8_t *reconstructed,
                            struct sl_err *err)
{
    struct sl_arena arena = {0};
    struct sl_key *keys = sl_arena_array(&arena, n_found, sizeof *keys);
    size_t *of = sl_arena_array(&arena, n_found, sizeof *of), n = 0;
    struct sl_fingerprint *now = sl_arena_array(&arena, n_found, sizeof *now);
    int64_t *rows = sl_arena_array(&arena, n_found, sizeof *rows);
    for (size_t i = 0; i < q->n && n < n_found; i++)
        if (records[i].rows) {
            keys[n] = q->keys[i];
            of[n++] = i;
        }
    struct sl_wh_question some = *q;
    some.keys = keys;
    some.n = n;
    enum sl_code code = sl_wh_content(&some, NULL, 0, now, rows, err);
    for (size_t i = 0; !code && i < n; i++)
        reconstructed[of[i]] = rows[i] == records[of[i]].rows && !strcmp(now[i].text, records[of[i]].fingerprint);
    sl_arena_fini(&arena);
    return code;
}

static enum sl_code mark(struct sl_wh_question *q, uint8_t *reconstructed, struct sl_err *err)
{
    char kind[16] = "";
    size_t n_found = 0;
    memset(reconstructed, 0, q->n);
    enum sl_code code = sl_wh_kind(q->db, "sluice_reconstructions", kind, err);
    if (code || !*kind || !q->n)
        return code;
    struct record *records = sl_calloc(q->n, sizeof *records);
    code = read_records(q, records, &n_found, err);
    if (!code && n_found)
        code = compare(q, records, n_found, reconstructed, err);
    free(records);
    return code;
}

enum sl_code sl_wh_reconstructed(struct sl_warehouse *self, const struct sl_source *source, const struct sl_key *keys, size_t n,
                                 uint8_t *reconstructed, struct sl_err *err)
{
    struct sl_wh_question q = sl_wh_question(source, keys, n);
    enum sl_code code = sl_wh_plan(self, &q, err);
    return code ? code : mark(&q, reconstructed, err);
}

/* --- what Sluice writes itself ------------------------------------------------------------------------------------------------------------ */

static enum sl_code keys_on_dates(struct sl_wh_question *q, bool by_unit, struct sl_key **out, size_t *n, struct sl_arena *arena,
                                  struct sl_err *err)
{
    struct sl_buf json = {0};
    sqlite3_stmt *stmt = NULL;
    bool row;
    sl_wh_dates_json(&json, q);
    enum sl_code code = sl_wh_bind_json(q, ON_DATES_SQL, &json, &stmt, err);
    if (!code) {
        sl_wh_bind(stmt, 2, q->name.table);
        sqlite3_bind_int(stmt, 3, by_unit);
    }
    while (!code && !(code = sl_wh_step(q->db, stmt, &row, err)) && row) {
        const char *date = (const char *)sqlite3_column_text(stmt, 0), *unit = (const char *)sqlite3_column_text(stmt, 1);
        *out = sl_arena_push(arena, *out, n, sizeof **out);
        sl_date_parse(date, strlen(date), &(*out)[*n - 1].date);
        (*out)[*n - 1].unit = by_unit ? sl_arena_strdup(arena, unit) : NULL;
    }
    sl_wh_done(stmt);
    sl_buf_fini(&json);
    return code;
}

static enum sl_code keep(struct sl_wh_question *q, bool by_unit, struct sl_wh_kept *kept, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_key *keys = NULL;
    size_t n = 0;
    enum sl_code code = keys_on_dates(q, by_unit, &keys, &n, arena, err);
    if (code || n == 0)
        return code;
    struct sl_wh_question some = sl_wh_question(q->source, keys, n);
    uint8_t *same = sl_arena_array(arena, n, sizeof *same);
    some.name = q->name;
    some.db = q->db;
    code = mark(&some, same, err);
    for (size_t i = 0; !code && i < n; i++)
        if (same[i])
            keys[kept->n++] = keys[i];
    kept->keys = keys;
    return code;
}

enum sl_code sl_wh_records_keep(struct sl_wh_question *q, struct sl_wh_kept kept[2], struct sl_arena *arena, struct sl_err *err)
{
    char kind[16] = "";
    kept[0] = kept[1] = (struct sl_wh_kept){0};
    enum sl_code code = sl_wh_kind(q->db, "sluice_reconstructions", kind, err);
    if (code || !*kind)
        return code;
    code = keep(q, false, &kept[0], arena, err);
    return code || !q->source->unit_column ? code : keep(q, true, &kept[1], arena, err);
}

static enum sl_code renew(struct sl_wh_question *q, const struct sl_wh_kept *kept, struct sl_arena *arena, struct sl_err *err)
{
    struct sl_wh_question some = sl_wh_question(q->source, kept->keys, kept->n);
    struct sl_fingerprint *now = sl_arena_array(arena, kept->n + 1, sizeof *now);
    int64_t *rows = sl_arena_array(arena, kept->n + 1, sizeof *rows);
    some.name = q->name;
    some.db = q->db;
    enum sl_code code = kept->n ? sl_wh_content(&some, NULL, 0, now, rows, err) : SL_OK;
    for (size_t i = 0; !code && i < kept->n; i++)
        code = write_record(q->db, RENEW_SQL, q->name.table, &kept->keys[i], rows[i], now[i].text, err);
    return code;
}

enum sl_code sl_wh_records_renew(struct sl_wh_question *q, const struct sl_wh_kept kept[2], struct sl_arena *arena, struct sl_err *err)
{
    enum sl_code code = renew(q, &kept[0], arena, err);
    return code ? code : renew(q, &kept[1], arena, err);
}
