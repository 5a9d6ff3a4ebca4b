/* file.c - whole files, directories, paths, and the lock file.
 * The lock is an open-file-description lock: the kernel frees it however the process ends, and a second descriptor of the same
 * process doesn't. The file itself stays; what it says counts only while somebody holds the lock. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* open-file-description locks, strerror_r */
#endif

#include <sluice/file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/mem.h>

#define READ_STEP_BYTES ((size_t)64 * 1024)
#define NOTE_MAX_BYTES  200

struct sl_lock {
    int fd;
    char *path;
};

/* The one place that maps errno. */
static enum sl_code code_of(int error)
{
    switch (error) {
    case ENOENT: return SL_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS: return SL_DENIED;
    case EISDIR:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG: return SL_INVALID;
    default: return SL_UNAVAILABLE;
    }
}

static enum sl_code fail_errno(struct sl_err *err, const char *path, const char *what)
{
    int error = errno;
    char text[128];
    return sl_fail(err, code_of(error), "%s: %s: %s", path, what, strerror_r(error, text, sizeof(text)));
}

/* One step of reading; `*done` at the end of the file. */
static enum sl_code read_step(struct sl_buf *out, int fd, const char *path, size_t max_bytes, bool *done, struct sl_err *err)
{
    char bytes[READ_STEP_BYTES];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n < 0 && errno == EINTR)
        return SL_OK;
    if (n < 0)
        return fail_errno(err, path, "cannot be read");
    *done = n == 0;
    if ((size_t)n > max_bytes - out->len)
        return sl_fail(err, SL_INVALID, "%s: longer than %zu bytes", path, max_bytes);
    sl_buf_add(out, bytes, (size_t)n);
    return SL_OK;
}

static enum sl_code read_all(struct sl_buf *out, int fd, const char *path, size_t max_bytes, struct sl_err *err)
{
    struct stat about;
    if (fstat(fd, &about) != 0)
        return fail_errno(err, path, "cannot be read");
    if (S_ISDIR(about.st_mode) || S_ISBLK(about.st_mode))
        return sl_fail(err, SL_INVALID, "%s: is not a file", path);
    if (S_ISREG(about.st_mode) && about.st_size > 0 && (size_t)about.st_size > max_bytes)
        return sl_fail(err, SL_INVALID, "%s: longer than %zu bytes", path, max_bytes);
    enum sl_code code = SL_OK;
    bool done = false;
    while (code == SL_OK && !done)
        code = read_step(out, fd, path, max_bytes, &done, err);
    return code;
}

enum sl_code sl_file_read(struct sl_buf *out, const char *path, size_t max_bytes, struct sl_err *err)
{
    sl_buf_clear(out);
    if (strcmp(path, "-") == 0)
        return read_all(out, STDIN_FILENO, "stdin", max_bytes, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, path, "cannot be opened");
    enum sl_code code = read_all(out, fd, path, max_bytes, err);
    close(fd);
    return code;
}

static enum sl_code make_one(const char *path, struct sl_err *err)
{
    if (mkdir(path, 0750) == 0)
        return SL_OK;
    int error = errno;
    struct stat about;
    if (stat(path, &about) != 0) {
        errno = error;
        return fail_errno(err, path, "cannot be made");
    }
    return S_ISDIR(about.st_mode) ? SL_OK : sl_fail(err, SL_INVALID, "%s: is not a directory", path);
}

enum sl_code sl_dir_make(const char *path, struct sl_err *err)
{
    if (path[0] == '\0')
        return sl_fail(err, SL_INVALID, "a directory needs a name");
    char *part = sl_strdup(path);
    enum sl_code code = SL_OK;
    for (char *slash = strchr(part + 1, '/'); slash != NULL && code == SL_OK; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        code = make_one(part, err);
        *slash = '/';
    }
    if (code == SL_OK)
        code = make_one(part, err);
    free(part);
    return code;
}

char *sl_path_join(const char *base, const char *path)
{
    if (path[0] == '/' || base == NULL || base[0] == '\0')
        return sl_strdup(path);
    struct sl_buf joined = {0};
    sl_buf_str(&joined, base);
    if (joined.data[joined.len - 1] != '/')
        sl_buf_char(&joined, '/');
    sl_buf_str(&joined, path);
    return joined.data;
}

char *sl_path_dirname(const char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    while (len > 0 && path[len - 1] != '/')
        len--;
    while (len > 1 && path[len - 1] == '/')
        len--;
    return len == 0 ? sl_strdup(".") : sl_strndup(path, len);
}

/* What the holder wrote: one line, shown as it is but for control characters. */
static enum sl_code fail_held(int fd, const char *path, struct sl_err *err)
{
    char note[NOTE_MAX_BYTES + 32];
    ssize_t n = pread(fd, note, sizeof(note) - 1, 0);
    note[n > 0 ? n : 0] = '\0';
    note[strcspn(note, "\r\n")] = '\0';
    for (char *at = note; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    if (note[0] == '\0')
        return sl_fail(err, SL_CONFLICT, "%s: held by another process", path);
    return sl_fail(err, SL_CONFLICT, "%s: held by process %s", path, note);
}

static enum sl_code write_note(int fd, const char *path, const char *note, struct sl_err *err)
{
    struct sl_buf line = {0};
    sl_buf_printf(&line, "%ld %.*s\n", (long)getpid(), NOTE_MAX_BYTES, note == NULL ? "" : note);
    bool written = ftruncate(fd, 0) == 0 && pwrite(fd, line.data, line.len, 0) == (ssize_t)line.len;
    enum sl_code code = written ? SL_OK : fail_errno(err, path, "cannot be written");
    sl_buf_fini(&line);
    return code;
}

static enum sl_code lock_fd(int fd, const char *path, const char *note, struct sl_err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &whole) == 0)
        return write_note(fd, path, note, err);
    if (errno == EAGAIN || errno == EACCES)
        return fail_held(fd, path, err);
    return fail_errno(err, path, "cannot be locked");
}

enum sl_code sl_lock_take(struct sl_lock **out, const char *path, const char *note, struct sl_err *err)
{
    *out = NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0)
        return fail_errno(err, path, "cannot be opened");
    enum sl_code code = lock_fd(fd, path, note, err);
    if (code != SL_OK) {
        close(fd);
        return code;
    }
    *out = sl_alloc(sizeof(**out));
    (*out)->fd = fd;
    (*out)->path = sl_strdup(path);
    return SL_OK;
}

enum sl_code sl_lock_note(struct sl_lock *lock, const char *note, struct sl_err *err)
{
    return write_note(lock->fd, lock->path, note, err);
}

/* "pid note\n" */
static enum sl_code read_held(struct sl_buf *note, int fd, const char *path, struct sl_err *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char text[NOTE_MAX_BYTES + 32];
    if (fcntl(fd, F_OFD_GETLK, &whole) != 0)
        return fail_errno(err, path, "cannot be asked for its lock");
    if (whole.l_type == F_UNLCK)
        return sl_fail(err, SL_NOT_FOUND, "%s: held by nobody", path);
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    const char *space = strchr(text, ' ');
    sl_buf_str(note, space != NULL ? space + 1 : "");
    return SL_OK;
}

enum sl_code sl_lock_holder(struct sl_buf *note, const char *path, struct sl_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, path, "cannot be opened");
    enum sl_code code = read_held(note, fd, path, err);
    close(fd);
    return code;
}

/* The note goes before the lock does: nobody reads the name of one who has left. */
void sl_lock_free(struct sl_lock **lock)
{
    if (*lock == NULL)
        return;
    int ignored = ftruncate((*lock)->fd, 0);
    (void)ignored;
    close((*lock)->fd);
    free((*lock)->path);
    free(*lock);
    *lock = NULL;
}
