/* ledger_sqlite.h - the SQLite ledger opened with settings that production never changes: for tests (power loss, full disk,
 * failing fsync) and benchmarks. Everybody else calls sl_ledger_open(). May block; one thread at a time per handle. */
#ifndef SLUICE_LEDGER_SQLITE_H
#define SLUICE_LEDGER_SQLITE_H

#include <sluice/ledger.h>

enum sl_sqlite_sync { SL_SYNC_FULL, SL_SYNC_NORMAL, SL_SYNC_OFF };

struct sl_ledger_sqlite_options { /* zero-initialised: what sl_ledger_open() uses */
    const char *vfs;              /* NULL: the system's */
    enum sl_sqlite_sync synchronous;
    int busy_timeout_ms;     /* 0: 10,000 */
    int64_t max_pages;       /* 0: no limit; else a commit beyond it finds the disk full */
    int64_t wal_limit_pages; /* 0: 65,536 (256 MiB); a write-ahead log beyond it is checkpointed by the writer itself */
};

/* `options` is borrowed for the call, but the VFS's name must outlive the handle. */
enum sl_code sl_ledger_sqlite_open(struct sl_ledger **out, const char *path, enum sl_ledger_open_mode mode,
                                   const struct sl_ledger_sqlite_options *options, struct sl_err *err);

/* The class of a SQLite result code (extended). SL_NOT_FOUND only for SQLITE_DONE. Pure. */
enum sl_code sl_ledger_sqlite_code(int rc);

/* The version that this code writes into user_version. */
#define SL_LEDGER_SQLITE_VERSION 2

#endif
