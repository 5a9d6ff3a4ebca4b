/* zone.c - a zone: the table of its TZif file (RFC 9636, the 64-bit block), then the file's POSIX rule for ever.
 * The file is not trusted: every count is checked against the bytes before anything is read or allocated. */
#include <sluice/date.h>

#include <stdlib.h>
#include <string.h>

#include <sluice/file.h>
#include <sluice/mem.h>
#include <sluice/str.h>

#include "zone_internal.h"

#define ZONE_DIR       "/usr/share/zoneinfo"
#define FILE_MAX_BYTES ((size_t)1024 * 1024) /* the largest of tzdata has 4 KiB */
#define HEADER_BYTES   44
#define TYPE_BYTES     6
#define OFFSET_MAX_S   (26 * 3600) /* RFC 9636: more than -25 h, less than 26 h */
#define US_PER_S       1000000LL

struct sl_zone {
    char *name;
    size_t n;          /* transitions */
    int64_t *at_s;     /* ascending */
    int32_t *offset_s; /* from at_s[i] on */
    int32_t first_s;   /* before the first */
    bool has_rule;
    struct sl_tz_rule rule; /* from the last on */
};

struct header {
    uint8_t version;
    size_t n_ut, n_std, n_leap, n_times, n_types, n_chars;
};

struct reader {
    const uint8_t *bytes;
    size_t left;
};

static int64_t big_endian(const uint8_t *bytes, size_t n)
{
    uint64_t value = bytes[0] & 0x80 ? UINT64_MAX : 0;
    for (size_t i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return (int64_t)value;
}

static const uint8_t *take(struct reader *reader, size_t n)
{
    if (n > reader->left)
        return NULL;
    const uint8_t *at = reader->bytes;
    reader->bytes += n;
    reader->left -= n;
    return at;
}

static size_t count_at(const uint8_t *bytes)
{
    return (size_t)(uint32_t)big_endian(bytes, 4);
}

static bool read_header(struct reader *reader, struct header *out)
{
    const uint8_t *at = take(reader, HEADER_BYTES);
    if (at == NULL || memcmp(at, "TZif", 4) != 0)
        return false;
    *out = (struct header){
        at[4], count_at(at + 20), count_at(at + 24), count_at(at + 28), count_at(at + 32), count_at(at + 36), count_at(at + 40)};
    return true;
}

/* Bytes of the block behind a header; counts are below 2^32, so this can't overflow. */
static size_t block_bytes(const struct header *header, size_t time_bytes)
{
    return header->n_times * (time_bytes + 1) + header->n_types * TYPE_BYTES + header->n_chars + header->n_leap * (time_bytes + 4) +
           header->n_std + header->n_ut;
}

/* The offset of type `index`; false when there is none or it is no sane one. */
static bool type_offset(const uint8_t *types, size_t n_types, size_t index, int32_t *out_s)
{
    if (index >= n_types)
        return false;
    *out_s = (int32_t)big_endian(types + index * TYPE_BYTES, 4);
    return *out_s > -OFFSET_MAX_S && *out_s < OFFSET_MAX_S;
}

/* `block` holds what `header` says. */
static bool read_table(struct sl_zone *zone, const struct header *header, const uint8_t *block)
{
    const uint8_t *indexes = block + header->n_times * 8;
    const uint8_t *types = indexes + header->n_times;
    if (!type_offset(types, header->n_types, 0, &zone->first_s))
        return false;
    zone->n = header->n_times;
    zone->at_s = sl_calloc(zone->n, sizeof(*zone->at_s));
    zone->offset_s = sl_calloc(zone->n, sizeof(*zone->offset_s));
    for (size_t i = 0; i < zone->n; i++) {
        zone->at_s[i] = big_endian(block + i * 8, 8);
        if (i > 0 && zone->at_s[i] <= zone->at_s[i - 1])
            return false;
        if (!type_offset(types, header->n_types, indexes[i], &zone->offset_s[i]))
            return false;
    }
    return true;
}

/* "\nPST8PDT,M3.2.0,M11.1.0\n"; between the line ends nothing may be, then the last offset holds for ever. */
static bool read_footer(struct sl_zone *zone, struct reader *reader)
{
    char text[128];
    const uint8_t *start = take(reader, 1);
    if (start == NULL || *start != '\n')
        return false;
    const uint8_t *end = memchr(reader->bytes, '\n', reader->left);
    size_t len = end == NULL ? sizeof(text) : (size_t)(end - reader->bytes);
    if (len >= sizeof(text) || memchr(reader->bytes, '\0', len) != NULL)
        return false;
    memcpy(text, reader->bytes, len);
    text[len] = '\0';
    zone->has_rule = len > 0;
    return len == 0 || sl_tz_parse(&zone->rule, text);
}

static enum sl_code parse(struct sl_zone *zone, struct reader reader, struct sl_err *err)
{
    struct header header;
    if (!read_header(&reader, &header))
        return sl_fail(err, SL_CORRUPT, "time zone %s: not a TZif file", zone->name);
    if (header.version < '2')
        return sl_fail(err, SL_CORRUPT, "time zone %s: TZif version 1, 2 or later is needed", zone->name);
    if (take(&reader, block_bytes(&header, 4)) == NULL || !read_header(&reader, &header))
        return sl_fail(err, SL_CORRUPT, "time zone %s: the file is cut short", zone->name);
    const uint8_t *block = take(&reader, block_bytes(&header, 8));
    if (block == NULL)
        return sl_fail(err, SL_CORRUPT, "time zone %s: the file is cut short", zone->name);
    if (header.n_leap > 0)
        return sl_fail(err, SL_INVALID, "time zone %s counts leap seconds, choose one that doesn't", zone->name);
    if (!read_table(zone, &header, block))
        return sl_fail(err, SL_CORRUPT, "time zone %s: its table is broken", zone->name);
    if (!read_footer(zone, &reader))
        return sl_fail(err, SL_CORRUPT, "time zone %s: its rule for later years is broken", zone->name);
    return SL_OK;
}

enum sl_code sl_zone_parse(struct sl_zone **out, const char *name, const void *bytes, size_t len, struct sl_err *err)
{
    struct sl_zone *zone = sl_calloc(1, sizeof(*zone));
    zone->name = sl_strdup(name);
    enum sl_code code = parse(zone, (struct reader){bytes, len}, err);
    if (code != SL_OK)
        sl_zone_destroy(&zone);
    *out = zone;
    return code;
}

void sl_zone_destroy(struct sl_zone **zone)
{
    if (*zone == NULL)
        return;
    free((*zone)->name);
    free((*zone)->at_s);
    free((*zone)->offset_s);
    free(*zone);
    *zone = NULL;
}

/* Letters, digits, "_", "+", "-" and "/": no zone has others, and so none is a path out of the directory. */
static bool is_zone_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/";
    return name != NULL && name[0] != '\0' && name[0] != '/' && name[strspn(name, allowed)] == '\0';
}

enum sl_code sl_zone_load(struct sl_zone **out, const char *name, struct sl_err *err)
{
    *out = NULL;
    if (!is_zone_name(name))
        return sl_fail(err, SL_INVALID, "\"%s\" is not the name of a time zone", name == NULL ? "" : name);
    const char *dir = getenv("TZDIR");
    char *path = sl_path_join(dir != NULL && dir[0] != '\0' ? dir : ZONE_DIR, name);
    struct sl_buf bytes = {0};
    enum sl_code code = sl_file_read(&bytes, path, FILE_MAX_BYTES, err);
    if (code == SL_NOT_FOUND || code == SL_INVALID)
        code = sl_fail(err, SL_INVALID, "time zone \"%s\" is unknown: no such file as %s", name, path);
    if (code == SL_OK)
        code = sl_zone_parse(out, name, sl_buf_text(&bytes), bytes.len, err);
    sl_buf_fini(&bytes);
    free(path);
    return code;
}

const char *sl_zone_name(const struct sl_zone *zone)
{
    return zone->name;
}

static struct sl_zone_span span_at(const struct sl_zone *zone, int64_t at_s)
{
    size_t low = 0, high = zone->n; /* transitions at or before `at_s` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at_s[middle] <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == zone->n && zone->has_rule)
        return sl_tz_span(&zone->rule, at_s);
    return (struct sl_zone_span){low == 0 ? zone->first_s : zone->offset_s[low - 1], low == zone->n ? INT64_MAX : zone->at_s[low]};
}

int32_t sl_zone_offset_s(const struct sl_zone *zone, int64_t us)
{
    return span_at(zone, sl_floor_div(us, US_PER_S)).offset_s;
}

static int64_t local_s(const struct sl_zone *zone, int64_t us)
{
    int64_t at_s = sl_floor_div(us, US_PER_S);
    return at_s + span_at(zone, at_s).offset_s;
}

sl_date sl_zone_date(const struct sl_zone *zone, int64_t us)
{
    return (sl_date)sl_floor_div(local_s(zone, us), 86400);
}

int sl_zone_minutes(const struct sl_zone *zone, int64_t us)
{
    int64_t seconds = local_s(zone, us);
    return (int)((seconds - sl_floor_div(seconds, 86400) * 86400) / 60);
}

/* The first second whose local time is `wanted_s` or later. The search begins where the local time is certainly earlier and
 * goes from span to span; inside one, local time runs evenly. */
static int64_t first_at_or_after(const struct sl_zone *zone, int64_t wanted_s)
{
    int64_t begin_s = wanted_s - OFFSET_MAX_S;
    for (;;) {
        struct sl_zone_span span = span_at(zone, begin_s);
        int64_t candidate_s = wanted_s - span.offset_s;
        candidate_s = candidate_s < begin_s ? begin_s : candidate_s;
        if (candidate_s < span.end_s)
            return candidate_s;
        begin_s = span.end_s;
    }
}

int64_t sl_zone_instant(const struct sl_zone *zone, sl_date date, int64_t us_of_day)
{
    int64_t wanted_s = date * 86400LL + us_of_day / US_PER_S;
    int64_t found_s = first_at_or_after(zone, wanted_s);
    bool exists = found_s + span_at(zone, found_s).offset_s == wanted_s;
    int64_t us;
    if (__builtin_mul_overflow(found_s, US_PER_S, &us))
        return found_s < 0 ? INT64_MIN : INT64_MAX;
    return exists ? us + us_of_day % US_PER_S : us;
}
