/* sqlite_ask.h - questions by key that the SQLite backend's slots share: the table looked at, keys as JSON, rows matched with keys.
 * Private to the warehouse. One thread at a time. */
#ifndef SLUICE_WAREHOUSE_SQLITE_ASK_H
#define SLUICE_WAREHOUSE_SQLITE_ASK_H

#include "sqlite.h"

struct sl_wh_question { /* borrows source and keys */
    struct sl_wh_name name;
    const struct sl_source *source;
    const char *unit; /* NULL: asked by date */
    const struct sl_key *keys;
    size_t n;
    struct sl_wh_db *db;
    const struct sl_wh_plan *plan;
};

/* A question about `keys`: by unit when the source has units and the keys name them. */
struct sl_wh_question sl_wh_question(const struct sl_source *source, const struct sl_key *keys, size_t n);
/* Opens the reader and looks at the table, again only when the file has changed. */
enum sl_code sl_wh_plan(struct sl_warehouse *self, struct sl_wh_question *q, struct sl_err *err);
/* The keys, each the ten bytes of its date and then its unit, as a JSON array in their order. */
void sl_wh_keys_json(struct sl_buf *out, const struct sl_wh_question *q);
/* The distinct dates of the keys, as a JSON array. */
void sl_wh_dates_json(struct sl_buf *out, const struct sl_wh_question *q);
/* The cached statement with `json` as ?1, which is borrowed until sl_wh_done(). */
enum sl_code sl_wh_bind_json(struct sl_wh_question *q, const char *sql, const struct sl_buf *json, sqlite3_stmt **out, struct sl_err *err);
/* The first key that a row's date and unit (cells 0 and, by unit, 1 of `stmt`) belong to, q->n when none; a key may come twice: go on while sl_wh_question_same(). */
size_t sl_wh_question_match(const struct sl_wh_question *q, sqlite3_stmt *stmt);
size_t sl_wh_question_find(const struct sl_wh_question *q, const char *date, const char *unit); /* the same of texts; NULL is in no key */
bool sl_wh_question_same(const struct sl_wh_question *q, size_t a, size_t b);                   /* false when b is n */

/* "t.<name>", quoted. */
void sl_wh_add_column(struct sl_buf *sql, const char *name);
/* "SELECT t.date[, t.unit]" / " FROM <table> AS t WHERE t.date IN (dates of ?1)" / only the WHERE. */
void sl_wh_add_key_columns(struct sl_buf *sql, const struct sl_wh_question *q);
void sl_wh_add_from_dates(struct sl_buf *sql, const struct sl_wh_question *q);
void sl_wh_add_where_dates(struct sl_buf *sql, const struct sl_wh_question *q);

#endif
