/* store_checkpoint.c - moving the log into the file, off the path of commits.
 *
 * A thread with a handle of its own checkpoints (PASSIVE: it waits for nobody and nobody for it) whenever the log has grown by CHECKPOINT_PAGES.
 * A log under constant writing never starts over that way: from LIMIT_PAGES on the committing thread does what is left, which is little, and
 * the next commit begins at the log's start. A checkpoint that meets an I/O error poisons the store. Tests do without the thread
 * (checkpoint_pages). */
#include "store_sqlite_internal.h"

#define CHECKPOINT_PAGES 1024  /* x 4 KiB = 4 MiB */
#define LIMIT_PAGES      16384 /* 64 MiB */
#define AGAIN_PAGES      2048  /* one that a reader held up is tried again after 8 MiB more */

static void checkpoint(struct sl_store *store, sqlite3 *db)
{
    if (sl_store_poisoned(store))
        return;
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    if ((rc & 0xff) == SQLITE_IOERR || sl_store_code(rc) == SL_CORRUPT)
        atomic_store(&store->poisoned, true);
}

static void *run(void *arg)
{
    struct sl_store *store = arg;
    pthread_mutex_lock(&store->mutex);
    int done_pages = 0;
    while (!store->stop) {
        if (store->wal_pages < done_pages) /* the log has started over */
            done_pages = 0;
        if (store->wal_pages - done_pages < CHECKPOINT_PAGES) {
            pthread_cond_wait(&store->wake, &store->mutex);
            continue;
        }
        done_pages = store->wal_pages;
        pthread_mutex_unlock(&store->mutex);
        checkpoint(store, store->checkpoint_db);
        pthread_mutex_lock(&store->mutex);
    }
    pthread_mutex_unlock(&store->mutex);
    return NULL;
}

/* Called by SQLite after a commit, which stands whatever comes of this. */
static int committed(void *arg, sqlite3 *db, const char *schema, int pages)
{
    (void)schema;
    struct sl_store *store = arg;
    if (pages < LIMIT_PAGES)
        store->wal_next_pages = LIMIT_PAGES;
    if (pages >= store->wal_next_pages) {
        store->wal_next_pages = pages + AGAIN_PAGES;
        checkpoint(store, db);
    }
    pthread_mutex_lock(&store->mutex);
    store->wal_pages = pages;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->mutex);
    return SQLITE_OK;
}

/* As committed(), without a second thread. */
static int committed_inline(void *arg, sqlite3 *db, const char *schema, int pages)
{
    (void)schema;
    struct sl_store *store = arg;
    if (pages >= store->inline_pages)
        checkpoint(store, pages < 2 * store->inline_pages ? store->checkpoint_db : db);
    return SQLITE_OK;
}

enum sl_code sl_store_start_checkpointer(struct sl_store *store, const struct sl_store_options *options, struct sl_err *err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(store->path, &store->checkpoint_db, flags, options->vfs);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(store->checkpoint_db, "PRAGMA synchronous = FULL; PRAGMA cache_size = -1024", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return sl_store_failed(store, store->checkpoint_db, rc, err);
    sqlite3_extended_result_codes(store->checkpoint_db, 1);
    sqlite3_db_config(store->checkpoint_db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    store->wal_next_pages = LIMIT_PAGES;
    store->inline_pages = options->checkpoint_pages;
    if (store->inline_pages > 0) {
        sqlite3_wal_hook(store->db, committed_inline, store);
        return SL_OK;
    }
    sqlite3_wal_hook(store->db, committed, store); /* takes the place of wal_autocheckpoint */
    if (pthread_create(&store->checkpointer, NULL, run, store) != 0)
        return sl_fail(err, SL_UNAVAILABLE, "broker store %s: no thread for the checkpointer", store->path);
    store->started = true;
    return SL_OK;
}

void sl_store_stop_checkpointer(struct sl_store *store)
{
    if (store->started) {
        pthread_mutex_lock(&store->mutex);
        store->stop = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->mutex);
        pthread_join(store->checkpointer, NULL);
        store->started = false;
    }
    sqlite3_close(store->checkpoint_db);
    store->checkpoint_db = NULL;
}
