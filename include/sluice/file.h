/* file.h - files: whole reads with a limit, directories, and the lock that names its holder. May block on the disk. */
#ifndef SLUICE_FILE_H
#define SLUICE_FILE_H

#include <stddef.h>

#include <sluice/error.h>
#include <sluice/str.h>

/* Read a whole regular file or pipe ("-" is stdin). SL_INVALID when it is longer than `max_bytes`, SL_NOT_FOUND, SL_DENIED, SL_UNAVAILABLE. */
enum sl_code sl_file_read(struct sl_buf *out, const char *path, size_t max_bytes, struct sl_err *err);
/* mkdir -p, mode 0750. */
enum sl_code sl_dir_make(const char *path, struct sl_err *err);
/* `path` itself when absolute, else joined to the directory `base`. Heap. */
char *sl_path_join(const char *base, const char *path);
char *sl_path_dirname(const char *path); /* heap; "." when it has none */

struct sl_lock;
/* Take the exclusive lock of `path` (fcntl open-file-description lock, freed by the kernel when the process ends) and write "pid note\n" into it.
 * SL_CONFLICT when another holds it; the sentence then names its pid and note. */
enum sl_code sl_lock_take(struct sl_lock **out, const char *path, const char *note, struct sl_err *err);
/* Another note in its place, once the holder knows it (an address with a port that the kernel chose). */
enum sl_code sl_lock_note(struct sl_lock *lock, const char *note, struct sl_err *err);
/* The note of whoever holds `path` now, without its pid, appended to `note`; nothing is taken or changed. SL_NOT_FOUND: nobody does. */
enum sl_code sl_lock_holder(struct sl_buf *note, const char *path, struct sl_err *err);
void sl_lock_free(struct sl_lock **lock);

#endif
