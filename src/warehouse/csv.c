/* csv.c - the life of a record: bytes are read until they hold a whole record (newlines inside quotes don't end it), then the record is cut into
 * fields in place. Quotes are told apart by parity first, so a stray quote is found when the record is cut, with its line. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include "csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/mem.h>

#define CHUNK_BYTES (256u << 10)

/* --- the source ------------------------------------------------------------------------------------------------------------- */

static enum sl_code open_code(int error)
{
    if (error == ENOENT || error == ENOTDIR)
        return SL_NOT_FOUND;
    return error == EACCES || error == EPERM ? SL_DENIED : SL_UNAVAILABLE;
}

static bool write_all(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* A file without a name in `dir`, with the bytes so far. */
static int spill(const char *dir, const struct sl_buf *memory)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 && !write_all(fd, memory->data, memory->len)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Keep `len` more bytes of the pipe. */
static bool spool_add(struct sl_csv_source *out, int *spilled, const char *bytes, size_t len, const char *dir, size_t limit)
{
    if (*spilled >= 0)
        return write_all(*spilled, bytes, len);
    sl_buf_add(&out->memory, bytes, len);
    if (out->memory.len <= limit)
        return true;
    *spilled = spill(dir, &out->memory);
    sl_buf_fini(&out->memory);
    return *spilled >= 0;
}

static enum sl_code spool(struct sl_csv_source *out, const char *path, const char *dir, size_t limit, struct sl_err *err)
{
    char *chunk = sl_alloc(CHUNK_BYTES);
    int spilled = -1, error = 0;
    for (;;) {
        ssize_t n = read(out->fd, chunk, CHUNK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0)
            break;
        if (n < 0 || !spool_add(out, &spilled, chunk, (size_t)n, dir, limit)) {
            error = errno;
            break;
        }
    }
    free(chunk);
    if (out->owned)
        close(out->fd);
    out->fd = spilled;
    out->owned = spilled >= 0;
    return error ? sl_fail(err, SL_UNAVAILABLE, "%s can't be read: %s", path, strerror(error)) : SL_OK;
}

enum sl_code sl_csv_source_open(struct sl_csv_source *out, const char *path, const char *spool_dir, size_t spool_bytes, struct sl_err *err)
{
    bool is_stdin = sl_str_eq(path, "-");
    *out = (struct sl_csv_source){.fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), .owned = !is_stdin};
    struct stat info;
    if (out->fd < 0 || fstat(out->fd, &info)) {
        int error = errno;
        return sl_fail(err, open_code(error), "%s can't be opened: %s", path, strerror(error));
    }
    if (S_ISDIR(info.st_mode))
        return sl_fail(err, SL_INVALID, "%s is a directory, not a CSV file", path);
    return S_ISREG(info.st_mode) ? SL_OK : spool(out, path, spool_dir, spool_bytes, err);
}

void sl_csv_source_fini(struct sl_csv_source *source)
{
    if (source->owned && source->fd >= 0)
        close(source->fd);
    sl_buf_fini(&source->memory);
    *source = (struct sl_csv_source){.fd = -1};
}

/* Bytes at `offset`: 0 at the end, -1 with errno. */
static ssize_t source_read(const struct sl_csv_source *source, int64_t offset, char *out, size_t len)
{
    if (source->fd >= 0) {
        ssize_t n;
        do
            n = pread(source->fd, out, len, offset);
        while (n < 0 && errno == EINTR);
        return n;
    }
    size_t at = (size_t)offset;
    size_t n = at >= source->memory.len ? 0 : source->memory.len - at;
    n = n < len ? n : len;
    if (n)
        memcpy(out, source->memory.data + at, n);
    return (ssize_t)n;
}

/* --- records ---------------------------------------------------------------------------------------------------------------- */

void sl_csv_init(struct sl_csv *csv, struct sl_csv_source *source, const char *name)
{
    *csv = (struct sl_csv){.source = source, .name = name, .line = 1, .next_line = 1, .cap = CHUNK_BYTES};
    csv->bytes = sl_alloc(CHUNK_BYTES + 1);
}

void sl_csv_fini(struct sl_csv *csv)
{
    free(csv->bytes);
    free(csv->fields);
    free(csv->lengths);
    *csv = (struct sl_csv){0};
}

/* Room behind `end`, by moving the unread bytes to the front or by growing. One byte is kept for the last field's NUL. */
static enum sl_code make_room(struct sl_csv *csv, struct sl_err *err)
{
    if (csv->start) {
        memmove(csv->bytes, csv->bytes + csv->start, csv->end - csv->start);
        csv->end -= csv->start;
        csv->start = 0;
    }
    if (csv->end < csv->cap)
        return SL_OK;
    if (csv->cap >= SL_CSV_MAX_RECORD_BYTES)
        return sl_fail(err, SL_INVALID, "%s:%lld: the row is longer than %u bytes: is a quote not closed?", csv->name, (long long)csv->line,
                       SL_CSV_MAX_RECORD_BYTES);
    csv->cap *= 2;
    csv->bytes = sl_realloc_array(csv->bytes, csv->cap + 1, 1);
    return SL_OK;
}

static enum sl_code fill(struct sl_csv *csv, struct sl_err *err)
{
    enum sl_code code = make_room(csv, err);
    if (code)
        return code;
    ssize_t n = source_read(csv->source, csv->offset, csv->bytes + csv->end, csv->cap - csv->end);
    if (n < 0)
        return sl_fail(err, SL_UNAVAILABLE, "%s can't be read: %s", csv->name, strerror(errno));
    if (csv->offset == 0 && n >= 3 && !memcmp(csv->bytes, "\xEF\xBB\xBF", 3))
        csv->start = 3;
    csv->offset += n;
    csv->end += (size_t)n;
    csv->at_end = n == 0;
    return SL_OK;
}

/* Bytes of the record at `start` with its newline; 0: it isn't all there. *lines: the newlines in it. */
static size_t record_bytes(const struct sl_csv *csv, int64_t *lines)
{
    const char *begin = csv->bytes + csv->start, *end = csv->bytes + csv->end;
    bool quoted = false;
    *lines = 0;
    for (const char *p = begin; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *stop = newline ? newline : end;
        for (const char *q = p; (q = memchr(q, '"', (size_t)(stop - q))); q++)
            quoted = !quoted;
        if (!newline)
            return 0;
        ++*lines;
        if (!quoted)
            return (size_t)(newline + 1 - begin);
        p = newline + 1;
    }
    return 0;
}

static void add_field(struct sl_csv *csv, char *text, size_t len)
{
    size_t need = csv->n_fields + 1;
    sl_grow((void **)&csv->fields, &csv->cap_fields, need, sizeof *csv->fields);
    sl_grow((void **)&csv->lengths, &csv->cap_lengths, need, sizeof *csv->lengths);
    text[len] = '\0';
    csv->fields[csv->n_fields] = text;
    csv->lengths[csv->n_fields++] = len;
}

int64_t sl_csv_field_line(const struct sl_csv *csv, size_t i)
{
    int64_t line = csv->line;
    for (size_t f = 0; f < i && f < csv->n_fields; f++)
        for (size_t b = 0; b < csv->lengths[f]; b++)
            line += csv->fields[f][b] == '\n';
    return line;
}

static enum sl_code refuse(const struct sl_csv *csv, struct sl_err *err, const char *what)
{
    return sl_fail(err, SL_INVALID, "%s:%lld: field %zu: %s", csv->name, (long long)sl_csv_field_line(csv, csv->n_fields),
                   csv->n_fields + 1, what);
}

/* The quoted field at *p, written over itself without its quotes; *p moves behind it. */
static enum sl_code quoted_field(struct sl_csv *csv, char **p, char *end, struct sl_err *err)
{
    char *text = *p, *out = text, *in = text + 1;
    for (;;) {
        char *quote = in < end ? memchr(in, '"', (size_t)(end - in)) : NULL;
        if (!quote)
            return refuse(csv, err, "the quote is not closed");
        memmove(out, in, (size_t)(quote - in));
        out += quote - in;
        in = quote + 1;
        if (in == end || *in != '"')
            break;
        *out++ = '"';
        in++;
    }
    if (in < end && *in != ',')
        return refuse(csv, err, "something follows the closing quote");
    *p = in;
    add_field(csv, text, (size_t)(out - text));
    return SL_OK;
}

static enum sl_code bare_field(struct sl_csv *csv, char **p, char *end, bool special, struct sl_err *err)
{
    char *text = *p, *comma = memchr(text, ',', (size_t)(end - text));
    size_t len = (size_t)((comma ? comma : end) - text);
    if (special && memchr(text, '"', len))
        return refuse(csv, err, "a quote inside a field that is not quoted");
    if (special && memchr(text, '\r', len))
        return refuse(csv, err, "a carriage return inside a field that is not quoted");
    *p = text + len;
    add_field(csv, text, len);
    return SL_OK;
}

/* Cut text..end (without its line end; one byte may be written there) into fields. */
static enum sl_code split(struct sl_csv *csv, char *text, char *end, struct sl_err *err)
{
    size_t len = (size_t)(end - text);
    bool special = memchr(text, '"', len) || memchr(text, '\r', len);
    csv->n_fields = 0;
    for (char *p = text;; p++) { /* each turn ends on the comma, which add_field may have made a NUL */
        enum sl_code code = p < end && *p == '"' ? quoted_field(csv, &p, end, err) : bare_field(csv, &p, end, special, err);
        if (code || p >= end)
            return code;
    }
}

/* ASCII without NUL: the usual case, told by words. */
static bool plain(const char *text, size_t len)
{
    uint64_t any = 0, word;
    size_t i = 0;
    for (; i + sizeof word <= len; i += sizeof word) {
        memcpy(&word, text + i, sizeof word);
        any |= word;
    }
    for (; i < len; i++)
        any |= (unsigned char)text[i];
    return !(any & 0x8080808080808080u) && !memchr(text, '\0', len);
}

static enum sl_code check_text(const struct sl_csv *csv, struct sl_err *err)
{
    for (size_t i = 0; i < csv->n_fields; i++) {
        const char *what = NULL;
        if (memchr(csv->fields[i], '\0', csv->lengths[i]))
            what = "a NUL byte";
        else if (!sl_utf8_valid(csv->fields[i], csv->lengths[i]))
            what = "bytes that are not UTF-8";
        if (what)
            return sl_fail(err, SL_INVALID, "%s:%lld: field %zu: %s", csv->name, (long long)sl_csv_field_line(csv, i), i + 1, what);
    }
    return SL_OK;
}

enum sl_code sl_csv_next(struct sl_csv *csv, bool *more, struct sl_err *err)
{
    size_t len;
    int64_t lines;
    csv->line = csv->next_line;
    while (!(len = record_bytes(csv, &lines)) && !csv->at_end) {
        enum sl_code code = fill(csv, err);
        if (code)
            return code;
    }
    bool closed = len > 0; /* by a newline; the last record need not be */
    len = closed ? len : csv->end - csv->start;
    *more = len > 0;
    if (!len)
        return SL_OK;
    char *text = csv->bytes + csv->start, *end = text + len - (closed ? 1 : 0);
    end -= end > text && end[-1] == '\r';
    csv->start += len;
    csv->next_line += lines;
    bool is_plain = plain(text, (size_t)(end - text));
    enum sl_code code = split(csv, text, end, err);
    return code || is_plain ? code : check_text(csv, err);
}
