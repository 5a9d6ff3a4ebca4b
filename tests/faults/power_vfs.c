/* power_vfs.c - see power_vfs.h.
 *
 * The life of a byte: xWrite puts it into the real file and into the inode's list of pending writes -> xSync moves the list into `durable` ->
 * power_vfs_restart() makes the real file anew from `durable` and whatever of the list chance lets through.
 * The life of a name: xOpen or xDelete changes `now` -> a synced directory copies `now` to `durable` -> the restart takes either where they differ. */
#include "power_vfs.h"

#include <assert.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/mem.h>

#define SECTOR_BYTES 512

const struct power_trouble POWER_TROUBLES[POWER_N_TROUBLES] = {
    {"I/O error, the process starts again", POWER_ERROR, false, true},
    {"I/O error, then the power is lost", POWER_ERROR, true, true},
    {"disk full, room is made, the same handles go on", POWER_FULL, false, false},
    {"disk full, room is made, the process starts again", POWER_FULL, false, true},
    {"disk full, the power is lost", POWER_FULL, true, true},
};

/* A write, or with data NULL a truncation to `offset`. */
struct change {
    int64_t offset;
    size_t len;
    char *data;
};

struct inode {
    struct inode *next;
    char *durable;
    size_t size, cap;
    struct change *changes; /* since the last sync */
    size_t n_changes, cap_changes;
};

struct name {
    struct name *next;
    char *path;
    struct inode *now, *durable; /* NULL: there is no such file */
    bool touched;                /* the real file differs from `durable`, or may */
    uint64_t operations;         /* since the last strike */
};

struct power_file {
    sqlite3_file base;
    struct name *name; /* NULL: a temporary file, which no power loss concerns */
    struct inode *inode;
    bool sync_directory; /* at the next sync */
    sqlite3_file *real;
};

static struct power {
    sqlite3_vfs *real;
    struct name *names;
    struct inode *inodes;
    uint64_t seed, operations, steps, strikes_at;
    enum power_fault fault;
    bool struck, dead;
    char struck_file[64], struck_what[16];
} power;

/* splitmix64 */
static uint64_t chance(void)
{
    uint64_t z = power.seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* ---- inodes ---- */

static struct inode *inode_new(void)
{
    struct inode *inode = sl_calloc(1, sizeof *inode);
    inode->next = power.inodes;
    power.inodes = inode;
    return inode;
}

static void changes_forget(struct inode *inode)
{
    for (size_t i = 0; i < inode->n_changes; i++)
        free(inode->changes[i].data);
    inode->n_changes = 0;
}

static void change_add(struct inode *inode, int64_t offset, const void *data, size_t len)
{
    sl_grow((void **)&inode->changes, &inode->cap_changes, inode->n_changes + 1, sizeof *inode->changes);
    struct change *change = &inode->changes[inode->n_changes++];
    *change = (struct change){.offset = offset, .len = len};
    if (data) {
        change->data = sl_alloc(len);
        memcpy(change->data, data, len);
    }
}

static void resize(struct inode *inode, size_t size)
{
    if (size > inode->size) {
        sl_grow((void **)&inode->durable, &inode->cap, size, 1);
        memset(inode->durable + inode->size, 0, size - inode->size);
    }
    inode->size = size;
}

static void put(struct inode *inode, int64_t offset, const char *data, size_t len)
{
    if ((size_t)offset + len > inode->size)
        resize(inode, (size_t)offset + len);
    memcpy(inode->durable + offset, data, len);
}

static void change_apply(struct inode *inode, const struct change *change)
{
    if (change->data)
        put(inode, change->offset, change->data, change->len);
    else
        resize(inode, (size_t)change->offset);
}

static void inode_synced(struct inode *inode)
{
    for (size_t i = 0; i < inode->n_changes; i++)
        change_apply(inode, &inode->changes[i]);
    changes_forget(inode);
}

/* Every sector of the write by itself: kept, dropped, or torn. */
static void survive_by_sector(struct inode *inode, const struct change *change)
{
    for (size_t at = 0; at < change->len;) {
        const size_t in_sector = SECTOR_BYTES - (size_t)((uint64_t)change->offset + at) % SECTOR_BYTES;
        const size_t len = change->len - at < in_sector ? change->len - at : in_sector;
        const uint64_t draw = chance() % 5;
        if (draw < 2)
            put(inode, change->offset + (int64_t)at, change->data + at, len);
        else if (draw == 2)
            put(inode, change->offset + (int64_t)at, change->data + at, (size_t)(chance() % (len + 1)));
        at += len;
    }
}

/* What chance leaves of the writes that nobody synced. */
static void inode_survives(struct inode *inode)
{
    enum { NOTHING, EVERYTHING, BY_WRITE, BY_SECTOR, A_PREFIX, N_MOODS };
    const uint64_t mood = chance() % N_MOODS;
    const size_t prefix = inode->n_changes ? (size_t)(chance() % inode->n_changes) : 0;
    for (size_t i = 0; i < inode->n_changes && mood != NOTHING; i++) {
        const struct change *change = &inode->changes[i];
        const bool whole = mood == EVERYTHING || (mood == BY_WRITE && chance() % 2) || (mood == A_PREFIX && i < prefix);
        if (whole)
            change_apply(inode, change);
        else if (change->data && (mood == BY_SECTOR || (mood == A_PREFIX && i == prefix)))
            survive_by_sector(inode, change);
    }
    changes_forget(inode);
}

/* ---- names ---- */

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool same_directory(const char *a, const char *b)
{
    const size_t len = (size_t)(base_of(a) - a);
    return len == (size_t)(base_of(b) - b) && strncmp(a, b, len) == 0;
}

static void directory_synced(const char *path)
{
    for (struct name *name = power.names; name; name = name->next)
        if (same_directory(name->path, path))
            name->durable = name->now;
}

/* What the disk holds when a file is first seen is durable. */
static struct inode *inode_of_disk(const char *path)
{
    struct stat about;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    struct inode *inode = inode_new();
    assert(fstat(fd, &about) == 0);
    resize(inode, (size_t)about.st_size);
    assert(about.st_size == 0 || pread(fd, inode->durable, inode->size, 0) == about.st_size);
    close(fd);
    return inode;
}

static struct name *name_of(const char *path)
{
    for (struct name *name = power.names; name; name = name->next)
        if (!strcmp(name->path, path))
            return name;
    struct name *name = sl_calloc(1, sizeof *name);
    name->path = sl_strdup(path);
    name->now = name->durable = inode_of_disk(path);
    name->next = power.names;
    power.names = name;
    return name;
}

/* The real file as it is after the restart. */
static void write_back(const struct name *name)
{
    if (!name->durable) {
        unlink(name->path);
        return;
    }
    int fd = open(name->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert(fd >= 0);
    assert(name->durable->size == 0 || write(fd, name->durable->durable, name->durable->size) == (ssize_t)name->durable->size);
    close(fd);
}

/* ---- operations and faults ---- */

/* Counts one operation. SQLITE_OK: go on. For POWER_LOSS and POWER_ERROR `rc` is what to say; a full disk is asked for by `longer`. */
static int operation(struct name *name, const char *what, bool longer, int rc)
{
    if (power.dead)
        return rc;
    power.operations++;
    if (name)
        name->operations++;
    const bool outside = power.fault == POWER_LOSS_OUTSIDE;
    const bool due = power.fault != POWER_GOOD && (outside ? power.steps : power.operations) >= power.strikes_at;
    if (!due || (outside && name) || (power.fault == POWER_ERROR && power.struck) || (power.fault == POWER_FULL && !longer))
        return SQLITE_OK;
    if (!power.struck) {
        power.struck = true;
        snprintf(power.struck_file, sizeof power.struck_file, "%s", name ? base_of(name->path) : "");
        snprintf(power.struck_what, sizeof power.struck_what, "%s", what);
        for (struct name *each = power.names; each; each = each->next)
            each->operations = 0;
    }
    power.dead = power.fault == POWER_LOSS || outside;
    return power.fault == POWER_FULL ? SQLITE_FULL : rc;
}

static struct power_file *file_of(sqlite3_file *file)
{
    return (struct power_file *)file;
}

/* ---- files ---- */

static int file_close(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *out, int n, sqlite3_int64 offset)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead ? SQLITE_IOERR_READ : real->pMethods->xRead(real, out, n, offset);
}

static bool makes_longer(sqlite3_file *real, int64_t end)
{
    sqlite3_int64 size = 0;
    return real->pMethods->xFileSize(real, &size) != SQLITE_OK || end > size;
}

static int file_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 offset)
{
    struct power_file *self = file_of(file);
    if (!self->name)
        return self->real->pMethods->xWrite(self->real, data, n, offset);
    const bool was_dead = power.dead;
    int rc = operation(self->name, "write", makes_longer(self->real, offset + n), SQLITE_IOERR_WRITE);
    if (!was_dead && (rc == SQLITE_OK || power.fault == POWER_LOSS)) {
        change_add(self->inode, offset, data, (size_t)n);
        self->name->touched = true;
    }
    return rc == SQLITE_OK ? self->real->pMethods->xWrite(self->real, data, n, offset) : rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct power_file *self = file_of(file);
    int rc = self->name ? operation(self->name, "truncate", false, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    if (self->name) {
        change_add(self->inode, size, NULL, 0);
        self->name->touched = true;
    }
    return self->real->pMethods->xTruncate(self->real, size);
}

/* A sync that fails has thrown away what it was to make durable: the kernel thinks it clean, and a second sync has nothing to do. */
static int file_sync(sqlite3_file *file, int flags)
{
    struct power_file *self = file_of(file);
    (void)flags;
    if (!self->name)
        return SQLITE_OK;
    const bool was_dead = power.dead;
    int rc = operation(self->name, "sync", false, SQLITE_IOERR_FSYNC);
    if (rc != SQLITE_OK && !was_dead && power.fault == POWER_ERROR)
        changes_forget(self->inode);
    if (rc != SQLITE_OK)
        return rc;
    inode_synced(self->inode);
    if (self->sync_directory)
        directory_synced(self->name->path);
    self->sync_directory = false;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *out)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead ? SQLITE_IOERR_FSTAT : real->pMethods->xFileSize(real, out);
}

static int file_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead ? SQLITE_IOERR_LOCK : real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xUnlock(real, level);
}

static int file_check_reserved(sqlite3_file *file, int *out)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead ? SQLITE_IOERR_CHECKRESERVEDLOCK : real->pMethods->xCheckReservedLock(real, out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead ? SQLITE_IOERR : real->pMethods->xFileControl(real, op, arg);
}

static int file_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xDeviceCharacteristics(real);
}

static int shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead ? SQLITE_IOERR_SHMMAP : real->pMethods->xShmMap(real, page, size, extend, out);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    sqlite3_file *real = file_of(file)->real;
    return power.dead && flags & SQLITE_SHM_LOCK ? SQLITE_IOERR_SHMLOCK : real->pMethods->xShmLock(real, offset, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = file_of(file)->real;
    real->pMethods->xShmBarrier(real);
}

static int shm_unmap(sqlite3_file *file, int delete_it)
{
    sqlite3_file *real = file_of(file)->real;
    return real->pMethods->xShmUnmap(real, delete_it);
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the VFS ---- */

/* A file that is not there yet is an operation; its name is the directory's until that is synced. */
static int open_named(struct power_file *self, const char *path, int flags)
{
    self->name = name_of(path);
    if (!self->name->now && flags & SQLITE_OPEN_CREATE) {
        int rc = operation(self->name, "create", false, SQLITE_CANTOPEN);
        if (rc != SQLITE_OK)
            return rc;
        self->name->now = inode_new();
        self->name->touched = true;
    }
    self->inode = self->name->now;
    self->sync_directory = flags & SQLITE_OPEN_CREATE && flags & (SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL | SQLITE_OPEN_SUPER_JOURNAL);
    return SQLITE_OK;
}

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *file, int flags, int *out_flags)
{
    struct power_file *self = file_of(file);
    (void)vfs;
    *self = (struct power_file){.real = (sqlite3_file *)(self + 1)};
    self->real->pMethods = NULL;
    if (power.dead)
        return SQLITE_CANTOPEN;
    int rc = path ? open_named(self, path, flags) : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = power.real->xOpen(power.real, path, self->real, flags, out_flags);
    if (rc == SQLITE_OK)
        self->base.pMethods = &METHODS;
    return rc;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_directory)
{
    (void)vfs;
    struct name *name = name_of(path);
    if (!name->now)
        return power.dead ? SQLITE_IOERR_DELETE : SQLITE_IOERR_DELETE_NOENT;
    int rc = operation(name, "delete", false, SQLITE_IOERR_DELETE);
    if (rc != SQLITE_OK)
        return rc;
    name->now = NULL;
    name->touched = true;
    if (sync_directory)
        directory_synced(path);
    return power.real->xDelete(power.real, path, 0);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    (void)vfs;
    return power.dead ? SQLITE_IOERR_ACCESS : power.real->xAccess(power.real, path, flags, out);
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
    (void)vfs;
    return power.real->xFullPathname(power.real, path, n, out);
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    for (int i = 0; i < n; i++)
        out[i] = (char)chance();
    return n;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return power.real->xSleep(power.real, us);
}

static int vfs_current_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    return power.real->xCurrentTimeInt64(power.real, out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs, (void)n, (void)out;
    return 0;
}

static sqlite3_vfs VFS = {
    .iVersion = 2,
    .zName = POWER_VFS,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_pathname,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTimeInt64 = vfs_current_time,
    .xGetLastError = vfs_last_error,
};

/* ---- what the tests call ---- */

void power_vfs_end(void)
{
    for (struct name *name = power.names, *next; name; name = next) {
        next = name->next;
        free(name->path);
        free(name);
    }
    for (struct inode *inode = power.inodes, *next; inode; inode = next) {
        next = inode->next;
        changes_forget(inode);
        free(inode->changes);
        free(inode->durable);
        free(inode);
    }
    power = (struct power){.real = power.real};
}

void power_vfs_begin(uint64_t seed)
{
    power_vfs_end();
    power.seed = seed;
    if (power.real)
        return;
    power.real = sqlite3_vfs_find(NULL);
    VFS.szOsFile = (int)sizeof(struct power_file) + power.real->szOsFile;
    VFS.mxPathname = power.real->mxPathname;
    assert(sqlite3_vfs_register(&VFS, 0) == SQLITE_OK);
}

void power_vfs_order(enum power_fault fault, uint64_t at)
{
    power.fault = fault;
    power.strikes_at = (fault == POWER_LOSS_OUTSIDE ? power.steps : power.operations) + at;
    power.struck = false;
}

bool power_vfs_step(const char *what)
{
    power.steps++;
    return operation(NULL, what, false, SQLITE_IOERR) == SQLITE_OK;
}

bool power_vfs_struck(void)
{
    return power.struck;
}

const char *power_vfs_struck_file(void)
{
    return power.struck_file;
}

const char *power_vfs_struck_what(void)
{
    return power.struck_what;
}

uint64_t power_vfs_operations(void)
{
    return power.operations;
}

uint64_t power_vfs_steps(void)
{
    return power.steps;
}

uint64_t power_vfs_operations_after(const char *prefix)
{
    uint64_t n = 0;
    for (const struct name *name = power.names; name; name = name->next)
        if (!strncmp(base_of(name->path), prefix, strlen(prefix)))
            n += name->operations;
    return n;
}

void power_vfs_restart(void)
{
    char shm[4096];
    power.dead = false;
    power.fault = POWER_GOOD;
    for (struct name *name = power.names; name; name = name->next) {
        if (name->now != name->durable && chance() % 2)
            name->durable = name->now;
        snprintf(shm, sizeof shm, "%s-shm", name->path);
        unlink(shm);
    }
    for (struct inode *inode = power.inodes; inode; inode = inode->next)
        inode_survives(inode);
    for (struct name *name = power.names; name; name = name->next) {
        if (name->touched)
            write_back(name);
        name->now = name->durable;
        name->touched = false;
    }
}
