/* remove_dir.h - a temporary directory goes again: one of a store, which holds files only. */
#ifndef TESTS_SUPPORT_REMOVE_DIR_H
#define TESTS_SUPPORT_REMOVE_DIR_H

#include <dirent.h>
#include <stddef.h>
#include <unistd.h>

/* All of them; the directory stays. */
static inline void remove_files_in(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)))
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static inline void remove_dir(const char *path)
{
    remove_files_in(path);
    rmdir(path);
}

#endif
