/* power_vfs.h - a SQLite VFS whose power fails: it remembers, per file, what was synced apart from what was only written.
 *
 * The files are real ones (the system's VFS reads, locks and maps them), but nothing is ever synced for real. For every file that was opened
 * the VFS keeps the bytes that a power loss would leave and the writes since the last sync; for every name, the file that the directory would
 * still have. Names become durable as SQLite's own unix VFS makes them so: at the first sync of a new journal or write-ahead log, and at a
 * deletion that asks for it.
 *
 * Every call that changes the disk (open that creates, write, truncate, sync, delete) is one operation; faults are ordered by their number.
 * One thread. One instance, registered under POWER_VFS. */
#ifndef SLUICE_TESTS_POWER_VFS_H
#define SLUICE_TESTS_POWER_VFS_H

#include <stdbool.h>
#include <stdint.h>

#define POWER_VFS "power"

enum power_fault {
    POWER_GOOD,
    POWER_LOSS,         /* the operation may have reached the disk or not; every call after it fails until power_vfs_restart() */
    POWER_LOSS_OUTSIDE, /* the same, at a power_vfs_step(): only those are counted */
    POWER_ERROR,        /* the operation fails once with SQLITE_IOERR; what a failed sync was to make durable never will be by itself */
    POWER_FULL          /* from the operation on, writes that make a file longer fail with SQLITE_FULL, until power_vfs_order(POWER_GOOD) */
};

/* What a season runs into, for tests of all of it, and how it goes on. */
struct power_trouble {
    const char *label;
    enum power_fault fault;
    bool power_lost; /* after it: what a failed sync threw away is really gone */
    bool reopen;     /* else the same handles go on */
};
enum { POWER_N_TROUBLES = 5 };
extern const struct power_trouble POWER_TROUBLES[POWER_N_TROUBLES];

/* Register the VFS; what it knew before is forgotten: the disk as it is now is durable. `seed` decides what survives. */
void power_vfs_begin(uint64_t seed);
/* Forget everything and free it. */
void power_vfs_end(void);

/* `fault` strikes at the `at`th operation from now on (1: the next one). */
void power_vfs_order(enum power_fault fault, uint64_t at);
bool power_vfs_struck(void); /* since the last order */
/* Of the operation that was struck last: "ledger.db-wal", and "write", "sync", ...; "" when none was. Borrowed. */
const char *power_vfs_struck_file(void);
const char *power_vfs_struck_what(void);
/* An operation that leaves the machine, such as an ack: true when it was done, false when it was struck or the power is out. */
bool power_vfs_step(const char *what);
/* Operations since power_vfs_begin(), and how many of them were power_vfs_step(). */
uint64_t power_vfs_operations(void);
uint64_t power_vfs_steps(void);
/* Operations on files whose name begins with `prefix` since the last strike. */
uint64_t power_vfs_operations_after(const char *prefix);

/* The power fails (if it hasn't yet) and comes back: what was not synced is gone, or partly there: by write, by sector of 512 bytes, torn within
 * one. Every handle must be closed. */
void power_vfs_restart(void);

#endif
