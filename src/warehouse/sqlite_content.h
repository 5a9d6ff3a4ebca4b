/* sqlite_content.h - the content of rows per key as a hash: what fingerprints and reconstructions are compared by.
 * Private to the warehouse. One thread at a time. */
#ifndef SLUICE_WAREHOUSE_SQLITE_CONTENT_H
#define SLUICE_WAREHOUSE_SQLITE_CONTENT_H

#include <sluice/hash.h>

#include "sqlite_ask.h"

/* Per key of a question whose `db` is set: the fingerprint of its rows without the quality columns and `exclude` (our names), and how many they are (`rows` may be NULL). */
enum sl_code sl_wh_content(struct sl_wh_question *q, const char *const *exclude, size_t n_exclude, struct sl_fingerprint *out,
                           int64_t *rows, struct sl_err *err);

#endif
