/* Files, directories, paths, the lock. */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sluice/file.h>
#include <sluice/mem.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

static char dir[64];

static void make_dir(void)
{
    strcpy(dir, "/tmp/sluice-file-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(file, .init = make_dir, .fini = remove_dir);

/* `name` in the test's directory, with `len` bytes in it. Heap. */
static char *write_file(const char *name, const char *bytes, size_t len)
{
    char *path = sl_path_join(dir, name);
    FILE *file = fopen(path, "wb");
    cr_assert_not_null(file);
    cr_assert_eq(fwrite(bytes, 1, len, file), len);
    fclose(file);
    return path;
}

Test(file, read_within_the_limit)
{
    static const struct {
        size_t bytes, limit;
        enum sl_code code;
    } cases[] = {{0, 0, SL_OK},        {0, 10, SL_OK},          {10, 10, SL_OK},
                 {11, 10, SL_INVALID}, {200000, 200000, SL_OK}, {200001, 200000, SL_INVALID},
                 {1, 0, SL_INVALID}};
    char *bytes = sl_alloc(300000);
    memset(bytes, '\0', 300000);
    for (size_t i = 0; i < N(cases); i++) {
        char *path = write_file("f", bytes, cases[i].bytes);
        struct sl_buf out = {0};
        struct sl_err err = {0};
        sl_buf_str(&out, "what was there before");
        cr_expect_eq(sl_file_read(&out, path, cases[i].limit, &err), cases[i].code, "case %zu: %s", i, err.text);
        if (cases[i].code == SL_OK)
            cr_expect_eq(out.len, cases[i].bytes);
        else
            cr_expect_not_null(strstr(err.text, path));
        sl_buf_fini(&out);
        free(path);
    }
    free(bytes);
}

Test(file, read_refusals)
{
    char *file = write_file("plain", "x", 1);
    char *below = sl_path_join(file, "below");
    char *absent = sl_path_join(dir, "absent");
    const struct {
        const char *path;
        enum sl_code code;
    } cases[] = {{absent, SL_NOT_FOUND}, {dir, SL_INVALID}, {below, SL_INVALID}, {"", SL_NOT_FOUND}};
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_buf out = {0};
        struct sl_err err = {0};
        cr_expect_eq(sl_file_read(&out, cases[i].path, 100, &err), cases[i].code, "%s", err.text);
        cr_expect_eq(err.code, cases[i].code);
        sl_buf_fini(&out);
    }
    free(file);
    free(below);
    free(absent);
}

Test(file, read_without_permission)
{
    if (geteuid() == 0)
        cr_skip_test("root may read everything");
    char *path = write_file("secret", "x", 1);
    struct sl_buf out = {0};
    cr_assert_eq(chmod(path, 0), 0);
    cr_expect_eq(sl_file_read(&out, path, 100, NULL), SL_DENIED);
    sl_buf_fini(&out);
    free(path);
}

Test(file, read_a_pipe_and_stdin)
{
    int ends[2];
    struct sl_buf out = {0};
    for (size_t limit = 3; limit <= 4; limit++) {
        cr_assert_eq(pipe(ends), 0);
        cr_assert_eq(write(ends[1], "1234", 4), 4);
        close(ends[1]);
        cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
        close(ends[0]);
        cr_expect_eq(sl_file_read(&out, "-", limit, NULL), limit == 4 ? SL_OK : SL_INVALID);
    }
    cr_expect_str_eq(sl_buf_text(&out), "1234");
    sl_buf_fini(&out);
}

Test(file, make_directories)
{
    struct sl_err err = {0};
    struct stat about;
    mode_t mask = umask(0);
    char *deep = sl_path_join(dir, "a/b//c/d/");
    cr_expect_eq(sl_dir_make(deep, &err), SL_OK, "%s", err.text);
    cr_expect_eq(sl_dir_make(deep, &err), SL_OK, "again: %s", err.text);
    umask(mask);
    cr_assert_eq(stat(deep, &about), 0);
    cr_expect_eq(about.st_mode & 07777, 0750);
    char *file = write_file("plain", "x", 1), *below = sl_path_join(file, "b");
    cr_expect_eq(sl_dir_make(file, &err), SL_INVALID);
    cr_expect_not_null(strstr(err.text, "not a directory"));
    cr_expect_eq(sl_dir_make(below, &err), SL_INVALID);
    cr_expect_eq(sl_dir_make("", &err), SL_INVALID);
    cr_expect_eq(sl_dir_make("/", &err), SL_OK);
    cr_expect_neq(sl_dir_make("/proc/none/x", &err), SL_OK);
    free(deep);
    free(file);
    free(below);
}

Test(file, paths)
{
    static const struct {
        const char *base, *path, *joined;
    } joins[] = {{"/a", "b", "/a/b"}, {"/a/", "b", "/a/b"},  {"/a", "/b", "/b"}, {"", "b", "b"},
                 {NULL, "b", "b"},    {".", "b/c", "./b/c"}, {"/", "b", "/b"},   {"a", "", "a/"}};
    for (size_t i = 0; i < N(joins); i++) {
        char *got = sl_path_join(joins[i].base, joins[i].path);
        cr_expect_str_eq(got, joins[i].joined);
        free(got);
    }
    static const struct {
        const char *path, *dir;
    } dirs[] = {{"a/b", "a"}, {"a", "."},  {"/a", "/"},   {"/", "/"},  {"/a/b/", "/a"}, {"a/b/c", "a/b"},
                {"", "."},    {"a/", "."}, {"a//b", "a"}, {"//", "/"}, {"./x", "."}};
    for (size_t i = 0; i < N(dirs); i++) {
        char *got = sl_path_dirname(dirs[i].path);
        cr_expect_str_eq(got, dirs[i].dir, "%s gives %s", dirs[i].path, got);
        free(got);
    }
}

Test(file, lock_names_its_holder)
{
    char *path = sl_path_join(dir, "lock"), holder[32];
    struct sl_lock *lock = NULL, *second = (void *)1;
    struct sl_err err = {0};
    snprintf(holder, sizeof(holder), "%ld worker", (long)getpid());
    cr_assert_eq(sl_lock_take(&lock, path, "worker", &err), SL_OK, "%s", err.text);
    cr_assert_eq(sl_lock_take(&second, path, "other", &err), SL_CONFLICT);
    cr_assert_null(second);
    cr_expect_not_null(strstr(err.text, holder), "%s", err.text);
    struct sl_buf text = {0};
    cr_assert_eq(sl_file_read(&text, path, 100, NULL), SL_OK);
    cr_expect_eq(text.data[text.len - 1], '\n');
    cr_expect_eq(strncmp(text.data, holder, strlen(holder)), 0);
    sl_lock_free(&lock);
    cr_assert_null(lock);
    sl_lock_free(&lock);
    cr_assert_eq(sl_file_read(&text, path, 100, NULL), SL_OK);
    cr_expect_eq(text.len, 0, "the note goes with the lock");
    cr_assert_eq(sl_lock_take(&second, path, NULL, &err), SL_OK, "%s", err.text);
    sl_lock_free(&second);
    sl_buf_fini(&text);
    free(path);
}

Test(file, lock_holder_can_be_asked_and_changes_its_note)
{
    char *path = sl_path_join(dir, "lock");
    struct sl_lock *lock = NULL;
    struct sl_buf note = {0};
    struct sl_err err = {0};
    cr_expect_eq(sl_lock_holder(&note, path, &err), SL_NOT_FOUND, "no such file");
    cr_assert_eq(sl_lock_take(&lock, path, "", &err), SL_OK, "%s", err.text);
    cr_expect_eq(sl_lock_holder(&note, path, &err), SL_OK, "%s", err.text);
    cr_expect_eq(note.len, 0);
    cr_expect_eq(sl_lock_note(lock, "127.0.0.1:4711", &err), SL_OK, "%s", err.text);
    cr_expect_eq(sl_lock_holder(&note, path, &err), SL_OK, "%s", err.text);
    cr_expect_str_eq(sl_buf_text(&note), "127.0.0.1:4711");
    sl_lock_free(&lock);
    cr_expect_eq(sl_lock_holder(&note, path, &err), SL_NOT_FOUND, "the file is there, its holder is not");
    sl_buf_fini(&note);
    free(path);
}

Test(file, lock_ends_with_its_process)
{
    char *path = sl_path_join(dir, "lock");
    struct sl_lock *lock = NULL;
    struct sl_err err = {0};
    pid_t child = fork();
    if (child == 0)
        _exit(sl_lock_take(&lock, path, "a rather long note of one who dies", NULL) == SL_OK ? 7 : 1);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    cr_assert_eq(sl_lock_take(&lock, path, "next", &err), SL_OK, "%s", err.text);
    struct sl_buf text = {0};
    cr_assert_eq(sl_file_read(&text, path, 100, NULL), SL_OK);
    cr_expect_null(strstr(sl_buf_text(&text), "dies"));
    sl_buf_fini(&text);
    sl_lock_free(&lock);
    free(path);
}

Test(file, lock_of_another_process)
{
    char *path = sl_path_join(dir, "lock"), holder[32];
    struct sl_lock *lock = NULL;
    struct sl_err err = {0};
    int ready[2], leave[2];
    char byte = 0;
    cr_assert(pipe(ready) == 0 && pipe(leave) == 0);
    pid_t child = fork();
    if (child == 0) {
        close(leave[1]);
        bool taken = sl_lock_take(&lock, path, "child", NULL) == SL_OK;
        taken = write(ready[1], "r", 1) == 1 && taken;
        _exit(read(leave[0], &byte, 1) == 0 && taken ? 7 : 1);
    }
    close(leave[0]);
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    snprintf(holder, sizeof(holder), "%ld child", (long)child);
    cr_expect_eq(sl_lock_take(&lock, path, "me", &err), SL_CONFLICT);
    cr_expect_not_null(strstr(err.text, holder), "%s", err.text);
    close(leave[1]);
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    close(ready[0]);
    close(ready[1]);
    free(path);
}

Test(file, lock_without_directory)
{
    char *path = sl_path_join(dir, "none/lock");
    struct sl_lock *lock = NULL;
    struct sl_err err = {0};
    cr_expect_eq(sl_lock_take(&lock, path, "x", &err), SL_NOT_FOUND);
    cr_expect_null(lock);
    free(path);
}
