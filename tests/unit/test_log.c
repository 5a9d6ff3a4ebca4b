/* The log: one line a call, JSON or readable, nothing in a text can break it. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/date.h>
#include <sluice/log.h>
#include <sluice/str.h>

/* An unlinked file takes the place of stderr. */
static int capture_open(void)
{
    char path[] = "/tmp/sluice-log-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    unlink(path);
    return fd;
}

/* What was written since the last call; heap. */
static char *capture_text(int fd)
{
    struct sl_buf text = {0};
    char bytes[4096];
    ssize_t n;
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    while ((n = read(fd, bytes, sizeof(bytes))) > 0)
        sl_buf_add(&text, bytes, (size_t)n);
    cr_assert_eq(ftruncate(fd, 0), 0);
    cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
    sl_buf_add(&text, "", 0);
    return text.data;
}

/* `line` with its time, which must be a real one, replaced by "T". */
static char *without_time(char *line)
{
    for (char *at = line; (at = strstr(at, "20")) != NULL; at++) {
        size_t len = strspn(at, "0123456789-:.TZ");
        int64_t us;
        bool offset;
        if (!sl_time_parse(at, len, &us, &offset))
            continue;
        *at = 'T';
        memmove(at + 1, at + len, strlen(at + len) + 1);
        return line;
    }
    return line;
}

static void expect_line(int fd, const char *expected)
{
    char *line = capture_text(fd);
    cr_expect_str_eq(without_time(line), expected);
    free(line);
}

Test(log, json_line)
{
    int fd = capture_open();
    sl_log_open(fd, SL_LOG_JSON, SL_INFO, true);
    sl_log(SL_WARNING, "a batch is \"late\"", {"phase", "p\n1"}, {"none", NULL}, {"messages", "3"});
    expect_line(fd, "{\"severity\":\"WARNING\",\"message\":\"a batch is \\\"late\\\"\",\"time\":\"T\",\"phase\":\"p\\n1\","
                    "\"messages\":\"3\"}\n");
    close(fd);
}

Test(log, json_without_tags_and_of_reserved_names)
{
    int fd = capture_open();
    sl_log_open(fd, SL_LOG_AUTO, SL_DEBUG, true);
    sl_log(SL_DEBUG, "%s %n");
    expect_line(fd, "{\"severity\":\"DEBUG\",\"message\":\"%s %n\",\"time\":\"T\"}\n");
    sl_log(SL_ERROR, "x", {"message", "m"}, {"time", "t"});
    expect_line(fd, "{\"severity\":\"ERROR\",\"message\":\"x\",\"time\":\"T\",\"message_\":\"m\",\"time_\":\"t\"}\n");
    close(fd);
}

Test(log, text_line)
{
    int fd = capture_open();
    sl_log_open(fd, SL_LOG_TEXT, SL_INFO, true);
    sl_log(SL_INFO, "gate opened", {"phase", "phase_2"}, {"reason", "two words"}, {"empty", ""});
    expect_line(fd, "T INFO    gate opened phase=phase_2 reason=\"two words\" empty=\"\"\n");
    sl_log(SL_ERROR, "bad \033[31m\n\xFF\xC2\x9B \u00e9", {"k", "\r"});
    expect_line(fd, "T ERROR   bad \\x1b[31m\\x0a\\xff\\xc2\\x9b \u00e9 k=\\x0d\n");
    close(fd);
}

Test(log, least_level)
{
    int fd = capture_open();
    sl_log_open(fd, SL_LOG_TEXT, SL_WARNING, false);
    sl_log(SL_INFO, "unseen");
    sl_log(SL_DEBUG, "unseen");
    expect_line(fd, "");
    sl_log(SL_WARNING, "seen");
    expect_line(fd, "T WARNING seen\n");
    close(fd);
}

Test(log, a_closed_descriptor_stops_nobody)
{
    sl_log_open(-1, SL_LOG_JSON, SL_INFO, false);
    sl_log(SL_ERROR, "lost");
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < 200; i++)
        sl_log(SL_INFO, arg, {"filler", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"});
    return NULL;
}

Test(log, lines_of_threads_stay_whole)
{
    int fd = capture_open();
    sl_log_open(fd, SL_LOG_JSON, SL_INFO, false);
    pthread_t threads[4];
    static char names[4][8] = {"one", "two", "three", "four"};
    for (size_t i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, write_lines, names[i]);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *text = capture_text(fd), *rest = text, *line;
    size_t n = 0;
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        cr_assert_eq(strncmp(line, "{\"severity\"", 11), 0, "%s", line);
        cr_assert_str_eq(line + strlen(line) - 3, "x\"}");
        n++;
    }
    cr_assert_eq(n, 800);
    free(text);
    close(fd);
}
