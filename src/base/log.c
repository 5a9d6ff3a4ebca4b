/* log.c - one line per event, built in memory and written at once.
 * A line that can't be written is lost: the log never stops the work. */
#include <sluice/log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/date.h>
#include <sluice/json.h>
#include <sluice/str.h>

#include "utf8_internal.h"

/* Set by sl_log_open() before there are threads, only read afterwards. */
static struct {
    int fd;
    bool json, colour;
    enum sl_level least;
} state = {.fd = STDERR_FILENO, .json = true, .colour = false, .least = SL_INFO};

static const struct {
    const char *name, *colour;
} LEVELS[] = {
    [SL_DEBUG] = {"DEBUG", "\033[2m"},
    [SL_INFO] = {"INFO", "\033[32m"},
    [SL_WARNING] = {"WARNING", "\033[33m"},
    [SL_ERROR] = {"ERROR", "\033[31m"},
};

static bool wants_json(int fd, enum sl_log_format format)
{
    if (format != SL_LOG_AUTO)
        return format == SL_LOG_JSON;
    return sl_str_eq(getenv("SLUICE_LOG"), "json") || isatty(fd) == 0;
}

void sl_log_open(int fd, enum sl_log_format format, enum sl_level least, bool colour)
{
    const char *no_colour = getenv("NO_COLOR");
    bool allowed = no_colour == NULL || no_colour[0] == '\0';
    state.fd = fd;
    state.json = wants_json(fd, format);
    state.least = least;
    state.colour = colour && allowed && !state.json && isatty(fd) != 0;
}

static bool is_written(const struct sl_tag *tag)
{
    return tag->key != NULL && tag->value != NULL;
}

/* Keys of the line itself: a tag of that name gets a trailing "_", a line never holds one key twice for that reason. */
static bool is_reserved(const char *key)
{
    return sl_str_eq(key, "severity") || sl_str_eq(key, "message") || sl_str_eq(key, "time");
}

static void json_line(struct sl_buf *out, enum sl_level level, const char *now, const char *sentence, const struct sl_tag *tags, size_t n)
{
    struct sl_json json;
    sl_json_init(&json, out);
    sl_json_object(&json);
    sl_json_put_str(&json, "severity", LEVELS[level].name);
    sl_json_put_str(&json, "message", sentence);
    sl_json_put_str(&json, "time", now);
    struct sl_buf renamed = {0};
    for (size_t i = 0; i < n; i++) {
        if (!is_written(&tags[i]))
            continue;
        sl_buf_clear(&renamed);
        sl_buf_str(&renamed, tags[i].key);
        sl_buf_str(&renamed, is_reserved(tags[i].key) ? "_" : "");
        sl_json_put_str(&json, sl_buf_text(&renamed), tags[i].value);
    }
    sl_buf_fini(&renamed);
    sl_json_end_object(&json);
}

/* Text as a terminal may see it: control characters (also U+0080..U+009F) and invalid bytes as \xHH. */
static void add_visible(struct sl_buf *out, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    for (size_t left = strlen(text); left > 0;) {
        size_t n = sl_utf8_length(at, left);
        bool control = n == 0 || at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && at[1] < 0xA0);
        n = n == 0 ? 1 : n;
        for (size_t i = 0; control && i < n; i++)
            sl_buf_printf(out, "\\x%02x", at[i]);
        if (!control)
            sl_buf_add(out, at, n);
        at += n;
        left -= n;
    }
}

static void text_line(struct sl_buf *out, enum sl_level level, const char *now, const char *sentence, const struct sl_tag *tags, size_t n)
{
    const char *end = state.colour ? "\033[0m" : "";
    sl_buf_printf(out, "%s %s%-7s%s ", now, state.colour ? LEVELS[level].colour : "", LEVELS[level].name, end);
    add_visible(out, sentence == NULL ? "" : sentence);
    for (size_t i = 0; i < n; i++) {
        if (!is_written(&tags[i]))
            continue;
        const char *quote = tags[i].value[0] == '\0' || strpbrk(tags[i].value, " =\"") != NULL ? "\"" : "";
        sl_buf_char(out, ' ');
        add_visible(out, tags[i].key);
        sl_buf_printf(out, "=%s", quote);
        add_visible(out, tags[i].value);
        sl_buf_str(out, quote);
    }
}

static void write_line(int fd, const struct sl_buf *line)
{
    const char *at = sl_buf_text(line);
    for (size_t left = line->len; left > 0;) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += n;
        left -= (size_t)n;
    }
}

void sl_log_write(enum sl_level level, const char *sentence, const struct sl_tag *tags, size_t n)
{
    if (level < state.least)
        return;
    int saved_errno = errno;
    struct timespec clock;
    clock_gettime(CLOCK_REALTIME, &clock);
    char now[SL_TIME_LEN + 1];
    sl_time_format((int64_t)clock.tv_sec * 1000000 + clock.tv_nsec / 1000, now);
    struct sl_buf line = {0};
    if (state.json)
        json_line(&line, level, now, sentence, tags, n);
    else
        text_line(&line, level, now, sentence, tags, n);
    sl_buf_char(&line, '\n');
    write_line(state.fd, &line);
    sl_buf_fini(&line);
    errno = saved_errno;
}
