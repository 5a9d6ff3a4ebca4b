/* file_bus.c - lines of NDJSON as a bus, for `sluice ingest`: from first to last, once.
 * The life of a line: bytes are read into one buffer -> cut at the newline -> copied into the batch's arena -> split into data and attributes. What is ready is
 * handed over; reading waits only while there is no message at all, so a pipe's lines arrive when they are written.
 * What can go wrong: a line that never ends is cut and the rest of it dropped unread into memory; a read that fails is SL_UNAVAILABLE, after the lines before it. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/bus.h>

enum {
    CHUNK_BYTES = 256 * 1024,   /* room for a read */
    ESCAPE_FACTOR = 6,          /* a body inside a whole message is a string: at worst every byte of it is written \u00XX */
    ENVELOPE_BYTES = 64 * 1024, /* its keys and attributes */
};

struct file_bus {
    struct sl_bus base;
    int fd; /* of the borrowed stream */
    char *name;
    size_t max_line_bytes;
    char *buffer;
    size_t cap, start, end; /* unread bytes are start..end */
    size_t searched;        /* of these, without a newline */
    size_t line_number;
    bool skipping; /* the rest of a line that was cut */
    bool eof;
    atomic_bool ended; /* and handed over; asked by another thread than the reading one */
};

/* A line in the buffer; `size` with its newline. */
struct line {
    const char *text;
    size_t len, size;
};

/* At most this much of a line is kept: a whole message may be longer than its body. */
static size_t kept_bytes(const struct file_bus *bus)
{
    return ESCAPE_FACTOR * bus->max_line_bytes + ENVELOPE_BYTES;
}

/* Room for a chunk: what was read is moved to the front, else the buffer grows, to kept_bytes() and two chunks at most. */
static void make_room(struct file_bus *bus)
{
    if (bus->cap - bus->end >= CHUNK_BYTES)
        return;
    if (bus->start > 0) {
        memmove(bus->buffer, bus->buffer + bus->start, bus->end - bus->start);
        bus->end -= bus->start;
        bus->start = 0;
    }
    if (bus->cap - bus->end >= CHUNK_BYTES)
        return;
    size_t cap = bus->cap * 2 > bus->end + CHUNK_BYTES ? bus->cap * 2 : bus->end + CHUNK_BYTES;
    const size_t most = kept_bytes(bus) + 2 * CHUNK_BYTES;
    bus->cap = cap < most ? cap : most;
    bus->buffer = sl_realloc_array(bus->buffer, bus->cap, 1);
}

/* Wait for bytes and read them; *got false: none came in time. */
static enum sl_code fill(struct file_bus *bus, int64_t timeout_ms, bool *got, struct sl_err *err)
{
    struct pollfd ready = {.fd = bus->fd, .events = POLLIN};
    *got = false;
    int n = poll(&ready, 1, timeout_ms < 0 ? -1 : timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms);
    if (n == 0 || (n < 0 && errno == EINTR))
        return SL_OK;
    make_room(bus);
    ssize_t len = read(bus->fd, bus->buffer + bus->end, bus->cap - bus->end);
    if (len < 0 && (errno == EINTR || errno == EAGAIN))
        return SL_OK;
    if (len < 0)
        return sl_fail(err, SL_UNAVAILABLE, "%s: reading after line %zu: %s", bus->name, bus->line_number, strerror(errno));
    bus->eof = len == 0;
    bus->end += (size_t)len;
    *got = true;
    return SL_OK;
}

/* The next line in the buffer, not taken off yet: ended by a newline, by the end of the file, or because it is too long. While skipping, whatever there is. */
static bool find_line(struct file_bus *bus, struct line *line)
{
    const char *text = bus->buffer + bus->start;
    const size_t unread = bus->end - bus->start;
    const char *newline = unread > bus->searched ? memchr(text + bus->searched, '\n', unread - bus->searched) : NULL;
    line->text = text;
    line->len = newline ? (size_t)(newline - text) : unread;
    line->size = line->len + (newline != NULL);
    if (newline || line->len > kept_bytes(bus))
        return true;
    bus->searched = unread;
    return (bus->eof || bus->skipping) && unread > 0;
}

static void take_line(struct file_bus *bus, const struct line *line)
{
    const bool was_skipping = bus->skipping;
    const bool ends = line->size > line->len;
    bus->start += line->size;
    bus->searched = 0;
    bus->skipping = !ends;
    bus->line_number += !was_skipping;
    if (bus->start == bus->end)
        bus->start = bus->end = 0;
}

static void add_message(struct file_bus *bus, struct sl_bus_batch *out, const struct line *line)
{
    const bool cut = line->len > kept_bytes(bus);
    const size_t most = bus->max_line_bytes + 1, len = cut ? most : line->len;
    const char *text = sl_arena_strndup(&out->arena, line->text, len);
    out->messages = sl_arena_push(&out->arena, out->messages, &out->n, sizeof *out->messages);
    struct sl_message *message = &out->messages[out->n - 1].message;
    message->data = text;
    message->len = len;
    if (!cut)
        sl_message_from_line(message, text, len, &out->arena);
    message->message_id = sl_arena_printf(&out->arena, "%s:%zu", bus->name, bus->line_number + 1);
    if (message->len > most)
        message->len = most;
    out->bytes += line->len;
}

/* Lines from the buffer until the batch is full (true) or there is no whole line left. */
static bool add_lines(struct file_bus *bus, struct sl_bus_batch *out, size_t max_n, size_t max_bytes)
{
    struct line line;
    while (find_line(bus, &line)) {
        struct line text = line;
        if (text.len > 0 && text.size > text.len && text.text[text.len - 1] == '\r')
            text.len--;
        if (text.len > 0 && !bus->skipping) {
            if (out->n == max_n || (out->n > 0 && out->bytes + text.len > max_bytes))
                return true;
            add_message(bus, out, &text);
        }
        take_line(bus, &line);
    }
    return out->n == max_n;
}

static enum sl_code file_receive(struct sl_bus *self, size_t max_n, size_t max_bytes, int64_t timeout_ms, struct sl_bus_batch *out,
                                 struct sl_err *err)
{
    struct file_bus *bus = (struct file_bus *)self;
    bool got = true;
    while (!add_lines(bus, out, max_n, max_bytes) && got) {
        if (bus->eof) {
            out->end = true;
            atomic_store(&bus->ended, true);
            return SL_OK;
        }
        struct sl_err trouble;
        enum sl_code code = fill(bus, out->n ? 0 : timeout_ms, &got, &trouble);
        if (code != SL_OK && out->n > 0)
            return SL_OK; /* the lines before it first: reading fails again at the next call */
        if (code != SL_OK)
            return sl_fail(err, code, "%s", trouble.text);
    }
    return SL_OK;
}

static enum sl_code file_ack(struct sl_bus *self, const struct sl_bus_batch *batch, struct sl_err *err)
{
    (void)self, (void)batch, (void)err;
    return SL_OK;
}

static int64_t file_silent_ms(struct sl_bus *self, const struct sl_phase *phase, int64_t now_us)
{
    struct file_bus *bus = (struct file_bus *)self;
    (void)phase, (void)now_us;
    return atomic_load(&bus->ended) ? INT64_MAX : -1;
}

static void file_destroy(struct sl_bus *self)
{
    struct file_bus *bus = (struct file_bus *)self;
    free(bus->buffer);
    free(bus->name);
    free(bus);
}

static const struct sl_bus_ops FILE_OPS = {
    .name = "file",
    .destroy = file_destroy,
    .receive = file_receive,
    .ack = file_ack,
    .publish = NULL,
    .silent_ms = file_silent_ms,
};

enum sl_code sl_file_bus_create(struct sl_bus **out, FILE *file, const char *name, size_t max_line_bytes, struct sl_err *err)
{
    *out = NULL;
    int fd = fileno(file);
    if (fd < 0)
        return sl_fail(err, SL_INVALID, "%s: not a file that can be read by its descriptor", name);
    struct file_bus *bus = sl_calloc(1, sizeof *bus);
    bus->base.ops = &FILE_OPS;
    bus->fd = fd;
    bus->name = sl_strdup(name);
    bus->max_line_bytes = max_line_bytes;
    *out = &bus->base;
    return SL_OK;
}
