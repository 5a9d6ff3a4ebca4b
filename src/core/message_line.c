/* message_line.c - a line of NDJSON as a message.
 * A line is cut by its brackets and quotes alone, so that a faulty body inside a whole message is still cut out, and
 * then refused by the decoder for what it is. What can't be cut with certainty is the body itself. */
#include <sluice/completion.h>

#include <string.h>

#include "json_scan.h"

struct line {
    const char *p, *end;
    const char *data, *attributes; /* the values' spans; NULL: not there */
    size_t data_len, attributes_len;
};

struct attributes {
    struct sl_arena *arena;
    struct sl_attribute *items;
    size_t n;
    bool only_texts;
};

static void skip_space(struct line *line)
{
    while (line->p < line->end && strchr(" \t\r\n", *line->p) && *line->p != '\0')
        line->p++;
}

/* `c` and the space around it. */
static bool take(struct line *line, char c)
{
    skip_space(line);
    if (line->p == line->end || *line->p != c)
        return false;
    line->p++;
    skip_space(line);
    return true;
}

/* A value of brackets or quotes. */
static const char *take_value(struct line *line, size_t *len)
{
    const char *at = line->p;
    *len = sl_json_extent(line->p, (size_t)(line->end - line->p));
    line->p += *len;
    return *len > 0 ? at : NULL;
}

static bool span_is(const char *at, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(at, text, len) == 0;
}

/* `"data": value` or `"attributes": value`, each once. */
static bool take_member(struct line *line)
{
    size_t key_len, len;
    const char *key = take_value(line, &key_len);
    if (!key || !take(line, ':'))
        return false;
    const char *value = take_value(line, &len);
    if (!value)
        return false;
    if (span_is(key, key_len, "\"data\"") && !line->data) {
        line->data = value;
        line->data_len = len;
        return true;
    }
    if (!span_is(key, key_len, "\"attributes\"") || line->attributes)
        return false;
    line->attributes = value;
    line->attributes_len = len;
    return true;
}

/* Is it an object of data and perhaps attributes, and nothing else? */
static bool cut_line(struct line *line)
{
    if (!take(line, '{'))
        return false;
    do {
        if (!take_member(line))
            return false;
    } while (take(line, ','));
    return take(line, '}') && line->p == line->end && line->data;
}

static void collect_attribute(void *context, const struct sl_json_member *member)
{
    struct attributes *attributes = context;
    size_t len;
    attributes->only_texts &= member->key && member->value.kind == SL_JSON_STRING;
    if (!attributes->only_texts)
        return;
    attributes->items = sl_arena_push(attributes->arena, attributes->items, &attributes->n, sizeof(*attributes->items));
    attributes->items[attributes->n - 1] = (struct sl_attribute){sl_arena_strndup(attributes->arena, member->key, member->key_len),
                                                                 sl_json_text(&member->value, attributes->arena, &len)};
}

static bool read_attributes(const struct line *line, struct attributes *out)
{
    struct sl_json_value root;
    enum sl_reject reject;
    if (!line->attributes)
        return true;
    return sl_json_scan(line->attributes, line->attributes_len, collect_attribute, out, out->arena, &root, &reject, NULL) &&
           root.kind == SL_JSON_OBJECT && out->only_texts;
}

/* `data` as a string is the body's text, as an object the body's bytes. */
static bool read_data(const struct line *line, struct sl_arena *arena, const char **data, size_t *len)
{
    struct sl_json_value string;
    enum sl_reject reject;
    *data = line->data;
    *len = line->data_len;
    if (*line->data == '{')
        return true;
    if (*line->data != '"' || !sl_json_scan(line->data, line->data_len, NULL, NULL, arena, &string, &reject, NULL))
        return false;
    *data = sl_json_text(&string, arena, len);
    return true;
}

void sl_message_from_line(struct sl_message *out, const char *text, size_t len, struct sl_arena *arena)
{
    struct line line = {.p = text, .end = text + len};
    struct attributes attributes = {.arena = arena, .only_texts = true};
    const char *data = text;
    size_t data_len = len;
    if (!cut_line(&line) || !read_attributes(&line, &attributes) || !read_data(&line, arena, &data, &data_len)) {
        out->data = text;
        out->len = len;
        out->attributes = NULL;
        out->n_attributes = 0;
        return;
    }
    out->data = data;
    out->len = data_len;
    out->attributes = attributes.items;
    out->n_attributes = attributes.n;
}
