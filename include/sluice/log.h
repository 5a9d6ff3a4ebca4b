/* log.h - structured log: a sentence plus tags. Any thread; one write(2) a line.
 * JSON lines (severity, message, time, tags) when stderr is no terminal or SLUICE_LOG=json; a readable line on a terminal. Message text is never a format. */
#ifndef SLUICE_LOG_H
#define SLUICE_LOG_H

#include <stddef.h>
#include <stdbool.h>

enum sl_level { SL_DEBUG, SL_INFO, SL_WARNING, SL_ERROR };

struct sl_tag {
    const char *key, *value;
}; /* borrowed for the call; value NULL is left out */

enum sl_log_format { SL_LOG_AUTO, SL_LOG_JSON, SL_LOG_TEXT };

/* Once, before threads. `fd` stays the caller's. Colour only for text on a terminal, without NO_COLOR and when `colour`. */
void sl_log_open(int fd, enum sl_log_format format, enum sl_level least, bool colour);
void sl_log_write(enum sl_level level, const char *sentence, const struct sl_tag *tags, size_t n);

/* sl_log(SL_INFO, "a batch is committed", {"phase", name}, {"messages", count_text}) */
#define sl_log(level, sentence, ...)                                                                                                       \
    sl_log_write((level), (sentence), (const struct sl_tag[]){{NULL, NULL}, ##__VA_ARGS__},                                                \
                 sizeof((const struct sl_tag[]){{NULL, NULL}, ##__VA_ARGS__}) / sizeof(struct sl_tag))

#endif
