/* store_sqlite_internal.h - what the files of the store share. */
#ifndef SLUICE_BROKER_STORE_SQLITE_INTERNAL_H
#define SLUICE_BROKER_STORE_SQLITE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <sqlite3.h>

#include "store_internal.h"

#define SL_STORE_BUSY_MS 10000

enum sl_store_statement {
    SL_ST_BEGIN,
    SL_ST_COMMIT,
    SL_ST_ROLLBACK,
    SL_ST_ADD_TOPIC,
    SL_ST_PUT_TOPIC,
    SL_ST_SET_TOPIC_LAST,
    SL_ST_DELETE_TOPIC,
    SL_ST_SET_TRIMMED,
    SL_ST_ADD_SUBSCRIPTION,
    SL_ST_SET_CONFIG,
    SL_ST_DELETE_SUBSCRIPTION,
    SL_ST_DELETE_ACKED_OF,
    SL_ST_DELETE_ATTEMPTS_OF,
    SL_ST_SET_FLOOR,
    SL_ST_PUT_ACKED,
    SL_ST_DELETE_ACKED,
    SL_ST_PUT_ATTEMPTS,
    SL_ST_DELETE_ATTEMPTS,
    SL_ST_SET_EPOCH,
    SL_ST_PUT_LEASE,
    SL_ST_DELETE_LEASE,
    SL_ST_DELETE_LEASES_OF,
    SL_ST_ADD_SNAPSHOT,
    SL_ST_SET_SNAPSHOT,
    SL_ST_ADD_SNAPSHOT_ACKED,
    SL_ST_DELETE_SNAPSHOT,
    SL_ST_DELETE_SNAPSHOT_ACKED,
    SL_ST_PUT_POLICY,
    SL_ST_GET_POLICY,
    SL_ST_ADD_MESSAGE,
    SL_ST_DELETE_MESSAGES,
    SL_ST_GET,
    SL_ST_SCAN,
    SL_ST_TIMES,
    SL_ST_NEXT,
    SL_ST_PAGE_COUNT,
    SL_ST_N
};

struct sl_store {
    sqlite3 *db;
    char *path;
    uint32_t id;
    bool open_tx, scanning;
    bool keep_nothing, shrinks, shrinking; /* it can give pages back; it has, and the file is still to be cut */
    atomic_bool poisoned;
    sqlite3_stmt *statements[SL_ST_N];
    int wal_next_pages;
    int inline_pages; /* 0: the checkpointer has its thread */
    /* the checkpointer */
    sqlite3 *checkpoint_db;
    pthread_t checkpointer;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool started, stop; /* stop and wal_pages under mutex */
    int wal_pages;
};

/* The one place that maps SQLite's codes; an I/O error poisons the store. */
enum sl_code sl_store_failed(struct sl_store *store, sqlite3 *db, int rc, struct sl_err *err);
enum sl_code sl_store_code(int rc);
enum sl_code sl_store_migrate(struct sl_store *store, struct sl_err *err);
enum sl_code sl_store_check_version(struct sl_store *store, struct sl_err *err); /* before any write */
enum sl_code sl_store_start_checkpointer(struct sl_store *store, const struct sl_store_options *options, struct sl_err *err);
void sl_store_stop_checkpointer(struct sl_store *store);
/* Before anything is in the file; and once its tables are there. */
enum sl_code sl_store_before_shrinking(struct sl_store *store, struct sl_err *err);
enum sl_code sl_store_prepare_shrinking(struct sl_store *store, const struct sl_store_options *options, struct sl_err *err);

/* A prepared statement, ready to be bound; SL_INTERNAL when the store is poisoned. */
enum sl_code sl_store_use(struct sl_store *store, enum sl_store_statement id, sqlite3_stmt **out, struct sl_err *err);
/* The number that a query, once asked, has in its first row. */
enum sl_code sl_store_number(struct sl_store *store, const char *sql, int64_t *out, struct sl_err *err);
/* A row: SL_OK. The end: SL_NOT_FOUND. */
enum sl_code sl_store_step(struct sl_store *store, sqlite3_stmt *stmt, struct sl_err *err);
/* To the end. */
enum sl_code sl_store_run(struct sl_store *store, sqlite3_stmt *stmt, struct sl_err *err);

#endif
