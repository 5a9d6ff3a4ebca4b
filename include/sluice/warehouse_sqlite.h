/* warehouse_sqlite.h - the SQLite warehouse opened with settings that production never changes: for tests (power loss, full disk, failing fsync).
 * Everybody else calls sl_warehouse_open(). Opening creates nothing; one thread at a time per handle. */
#ifndef SLUICE_WAREHOUSE_SQLITE_OPEN_H
#define SLUICE_WAREHOUSE_SQLITE_OPEN_H

#include <sluice/warehouse.h>

struct sl_warehouse_sqlite_options { /* zero-initialised: what sl_warehouse_open() uses, but for the timeout */
    const char *vfs;                 /* NULL: the system's. Its files must be where stat() sees them */
    int busy_timeout_ms;             /* 0: 10,000 */
    int checkpoint_pages;            /* 0: 1,000; a write-ahead log of that many pages is checkpointed after the commit */
    int64_t timeout_ms;              /* of one question; 0: none */
};

/* `options` is borrowed for the call, but the VFS's name must outlive the handle. SL_INVALID: no directory given. */
enum sl_code sl_warehouse_sqlite_open(struct sl_warehouse **out, const char *dir, const struct sl_warehouse_sqlite_options *options,
                                      struct sl_err *err);

#endif
