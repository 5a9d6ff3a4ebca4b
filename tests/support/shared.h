/* shared.h - files of the folder that holds the contract and the vectors: $SLUICE_SHARED, else ../shared beside this tree (SL_SHARED, from CMake). */
#ifndef SLUICE_TESTS_SHARED_H
#define SLUICE_TESTS_SHARED_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sluice/str.h>

/* The path of a file in it, heap; NULL, said on stderr, when it is not there: the test is to be skipped. */
static inline char *shared_path(const char *file)
{
    const char *shared = getenv("SLUICE_SHARED");
    struct sl_buf path = {0};
    sl_buf_printf(&path, "%s/%s", shared != NULL ? shared : SL_SHARED, file);
    if (access(sl_buf_text(&path), R_OK) == 0)
        return path.data;
    fprintf(stderr, "skipped: no %s; set SLUICE_SHARED to the folder that has %s\n", sl_buf_text(&path), file);
    sl_buf_fini(&path);
    return NULL;
}

#endif
