/* Errors and warnings of a config, each at its place. All errors are collected; people fix a file in one go. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

void sl_reader_note(struct sl_reader *reader, const char *path, int line)
{
    sl_map_put(reader->lines, path, (void *)((intptr_t)line + 1));
}

/* Line of `path` or of the nearest key above it; 1 when the file has none of them. */
static int line_of(const struct sl_reader *reader, const char *path)
{
    struct sl_buf above = {0};
    sl_buf_str(&above, path);
    intptr_t found = (intptr_t)sl_map_get(reader->lines, sl_buf_text(&above));
    while (found == 0 && above.len > 0) {
        while (above.len > 0 && above.data[above.len - 1] != '.')
            above.len--;
        if (above.len > 0)
            above.len--;
        above.data[above.len] = '\0';
        found = (intptr_t)sl_map_get(reader->lines, above.data);
    }
    sl_buf_fini(&above);
    return found == 0 ? 1 : (int)(found - 1);
}

static const char *format_text(struct sl_arena *arena, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));

static const char *format_text(struct sl_arena *arena, const char *fmt, va_list args)
{
    char text[1536];
    vsnprintf(text, sizeof text, fmt, args);
    return sl_arena_strdup(arena, text);
}

void sl_reader_fault(struct sl_reader *reader, const char *path, const char *fmt, ...)
{
    if (reader->n_findings >= SL_CONFIG_MAX_FINDINGS)
        return;
    va_list args;
    va_start(args, fmt);
    const char *what = format_text(reader->arena, fmt, args);
    va_end(args);
    int line = line_of(reader, path);
    const char *place = line > 0 ? sl_arena_printf(reader->arena, "%s:%d", reader->file, line) : "--set";
    bool named = path[0] != '\0' && strcmp(path, SL_PATH_SET) != 0;
    const char *key = named ? sl_arena_printf(reader->arena, "%s: ", path) : "";
    size_t at = reader->n_findings;
    reader->findings = sl_arena_push(reader->arena, reader->findings, &reader->n_findings, sizeof *reader->findings);
    reader->findings[at] = (struct sl_finding){line, sl_arena_printf(reader->arena, "%s: %s%s", place, key, what)};
}

void sl_reader_warn(struct sl_reader *reader, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *text = format_text(reader->arena, fmt, args);
    va_end(args);
    size_t at = reader->n_warnings;
    reader->warnings = sl_arena_push(reader->arena, reader->warnings, &reader->n_warnings, sizeof *reader->warnings);
    reader->warnings[at] = text;
}

const char *sl_reader_hint(struct sl_reader *reader, const char *word, const char *const *candidates, size_t n)
{
    const char *near = strlen(word) <= SL_CONFIG_MAX_NAME ? sl_str_nearest(word, candidates, n) : NULL;
    return near == NULL ? "" : sl_arena_printf(reader->arena, "; did you mean '%s'?", near);
}

/* By line, those of --set last; a stable insertion, there are few. */
static void sort_findings(struct sl_finding *findings, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sl_finding one = findings[i];
        unsigned rank = one.line > 0 ? (unsigned)one.line : UINT32_MAX;
        size_t at = i;
        while (at > 0 && (findings[at - 1].line > 0 ? (unsigned)findings[at - 1].line : UINT32_MAX) > rank) {
            findings[at] = findings[at - 1];
            at--;
        }
        findings[at] = one;
    }
}

enum sl_code sl_reader_report(struct sl_reader *reader, struct sl_buf *errors, struct sl_err *err)
{
    if (reader->n_findings == 0)
        return SL_OK;
    sort_findings(reader->findings, reader->n_findings);
    for (size_t i = 0; i < reader->n_findings && errors != NULL; i++)
        sl_buf_printf(errors, "%s\n", reader->findings[i].text);
    return sl_fail(err, SL_INVALID, "%s", reader->findings[0].text);
}
