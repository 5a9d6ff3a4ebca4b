/* sqlite_content.h - the content of rows per key as a hash: what fingerprints and reconstructions are compared by.
 * Private to the warehouse. One thread at a time. */
#ifndef SLUICE_WAREHOUSE_SQLITE_CONTENT_H
#define SLUICE_WAREHOUSE_SQLITE_CONTENT_H

#include <sluice/hash.h>

#include "sqlite_ask.h"

/* Per key of a question whose `db` is set: the fingerprint of its rows without the quality columns and `exclude` (our names), and how many they are (`rows` may be NULL). */
enum sl_code sl_wh_content(struct sl_wh_question *q, const char *const *exclude, size_t n_exclude, struct sl_fingerprint *out,
                           int64_t *rows, struct sl_err *err);

/* --- sqlite_records.c: the records of reconstructions, in the table's own file ---------------------------------------------------------- */
enum sl_code sl_wh_record_forget(struct sl_wh_db *db, const char *table, const struct sl_key *key,
                                 struct sl_err *err); /* makes their table */
enum sl_code sl_wh_record_add(struct sl_wh_db *db, const char *table, const struct sl_key *key, int64_t rows,
                              const struct sl_fingerprint *fingerprint, struct sl_err *err);
/* Before Sluice changes rows of the question's dates: the keys whose rows are as a reconstruction left them, by date and by unit; afterwards: their records made again. */
struct sl_wh_kept {
    struct sl_key *keys;
    size_t n;
};
enum sl_code sl_wh_records_keep(struct sl_wh_question *q, struct sl_wh_kept kept[2], struct sl_arena *arena, struct sl_err *err);
enum sl_code sl_wh_records_renew(struct sl_wh_question *q, const struct sl_wh_kept kept[2], struct sl_arena *arena, struct sl_err *err);

#endif
