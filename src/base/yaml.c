/* yaml.c - a text becomes a tree of nodes with lines.
 * JSON is read first, by a reader of its own: libyaml takes no tabs before a brace and no surrogate pairs. What is no JSON
 * goes through libyaml's events. What YAML can do beyond plain maps, lists and scalars is refused, so that a config means what
 * it looks like. */
#include <sluice/yaml.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "utf8_internal.h"
#include "yaml_internal.h"

#define FEW_KEYS 16

struct parser {
    struct sl_tree tree;
    yaml_parser_t yaml;
    yaml_event_t event;
    bool has_event;
    const char *text, *end;
    const char *at; /* the character of `at_index`: events come in the order of the text */
    size_t at_index;
    int depth;
};

enum sl_code sl_tree_fail(struct sl_tree *tree, int line, const char *fmt, ...)
{
    char text[768];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return sl_fail(tree->err, SL_INVALID, "%s:%d: %s", tree->name, line, text);
}

struct sl_yaml *sl_tree_node(struct sl_tree *tree, enum sl_yaml_kind kind, int line)
{
    struct sl_yaml *node = sl_arena_alloc(tree->arena, sizeof(*node));
    node->kind = kind;
    node->line = line;
    return node;
}

struct sl_yaml *sl_tree_scalar(struct sl_tree *tree, const char *text, size_t len, bool quoted, int line)
{
    struct sl_yaml *node = sl_tree_node(tree, SL_YAML_SCALAR, line);
    node->text = sl_arena_strndup(tree->arena, text, len);
    node->quoted = quoted;
    if (quoted || (len > 0 && strcmp(node->text, "null") != 0 && strcmp(node->text, "~") != 0))
        return node;
    node->kind = SL_YAML_NULL;
    node->text = NULL;
    return node;
}

void sl_tree_append(struct sl_tree *tree, struct sl_yaml *parent, struct sl_yaml *child)
{
    struct sl_yaml **items = sl_arena_push(tree->arena, parent->items, &parent->n, sizeof(*parent->items));
    items[parent->n - 1] = child;
    parent->items = items;
}

static const struct sl_yaml *find_key(const struct sl_yaml *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->items[i]->key, key) == 0)
            return map->items[i];
    return NULL;
}

static const struct sl_yaml *find_seen(struct sl_keys *keys, const struct sl_yaml *map, const char *key)
{
    if (map->n < FEW_KEYS)
        return find_key(map, key);
    if (keys->seen == NULL)
        keys->seen = sl_map_create();
    for (size_t i = sl_map_count(keys->seen); i < map->n; i++)
        sl_map_put(keys->seen, map->items[i]->key, map->items[i]);
    return sl_map_get(keys->seen, key);
}

void sl_keys_fini(struct sl_keys *keys)
{
    sl_map_destroy(&keys->seen);
}

enum sl_code sl_tree_check_key(struct sl_tree *tree, struct sl_keys *keys, const struct sl_yaml *map, const char *key, int line)
{
    if (key[0] == '\0')
        return sl_tree_fail(tree, line, "a key is empty");
    const struct sl_yaml *first = find_seen(keys, map, key);
    if (first != NULL)
        return sl_tree_fail(tree, line, "key \"%.200s\" comes twice, first on line %d", key, first->line);
    return SL_OK;
}

static int event_line(const struct parser *parser)
{
    return (int)parser->event.start_mark.line + 1;
}

static int line_at(const struct parser *parser, size_t offset)
{
    int line = 1;
    for (const char *at = parser->text; at < parser->end && at < parser->text + offset; at++)
        line += *at == '\n';
    return line;
}

/* libyaml's own refusals. A reader error has an offset, the others have a mark, which may be a line behind the last. */
static enum sl_code fail_libyaml(struct parser *parser)
{
    const yaml_parser_t *yaml = &parser->yaml;
    const char *problem = yaml->problem != NULL ? yaml->problem : "cannot be read";
    if (yaml->error == YAML_MEMORY_ERROR)
        abort();
    if (yaml->error == YAML_READER_ERROR)
        return sl_tree_fail(&parser->tree, line_at(parser, yaml->problem_offset), "%s", problem);
    int line = (int)yaml->problem_mark.line + 1, last = line_at(parser, (size_t)(parser->end - parser->text));
    return sl_tree_fail(&parser->tree, line < last ? line : last, "%s%s%s", problem, yaml->context != NULL ? " " : "",
                        yaml->context != NULL ? yaml->context : "");
}

/* The next event replaces the one before. */
static enum sl_code next(struct parser *parser)
{
    if (parser->has_event)
        yaml_event_delete(&parser->event);
    parser->has_event = false;
    if (yaml_parser_parse(&parser->yaml, &parser->event) != 1)
        return fail_libyaml(parser);
    parser->has_event = true;
    return SL_OK;
}

/* Whether the text has a "!" where the event starts: a lone "!" is a tag that libyaml doesn't report. */
static bool starts_with_bang(struct parser *parser)
{
    for (; parser->at_index < parser->event.start_mark.index && parser->at < parser->end; parser->at_index++)
        parser->at += sl_utf8_length((const unsigned char *)parser->at, (size_t)(parser->end - parser->at));
    return parser->at < parser->end && *parser->at == '!';
}

static enum sl_code refuse_extras(struct parser *parser, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor != NULL)
        return sl_tree_fail(&parser->tree, event_line(parser), "anchors (&%.200s) are not accepted", (const char *)anchor);
    if (tag != NULL)
        return sl_tree_fail(&parser->tree, event_line(parser), "tags (%.200s) are not accepted", (const char *)tag);
    if (starts_with_bang(parser))
        return sl_tree_fail(&parser->tree, event_line(parser), "tags (!) are not accepted");
    return SL_OK;
}

static enum sl_code read_scalar(struct parser *parser, struct sl_yaml **out)
{
    const char *text = (const char *)parser->event.data.scalar.value;
    size_t len = parser->event.data.scalar.length;
    enum sl_code code = refuse_extras(parser, parser->event.data.scalar.anchor, parser->event.data.scalar.tag);
    if (code != SL_OK)
        return code;
    if (memchr(text, '\0', len) != NULL)
        return sl_tree_fail(&parser->tree, event_line(parser), "a NUL character is not accepted");
    bool quoted = parser->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    *out = sl_tree_scalar(&parser->tree, text, len, quoted, event_line(parser));
    return SL_OK;
}

static enum sl_code read_node(struct parser *parser, struct sl_yaml **out);

static enum sl_code enter(struct parser *parser)
{
    if (++parser->depth > SL_YAML_MAX_DEPTH)
        return sl_tree_fail(&parser->tree, event_line(parser), "deeper than %d levels", SL_YAML_MAX_DEPTH);
    return SL_OK;
}

static enum sl_code read_list(struct parser *parser, struct sl_yaml **out)
{
    const yaml_event_t *event = &parser->event;
    enum sl_code code = refuse_extras(parser, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    if (code == SL_OK)
        code = enter(parser);
    struct sl_yaml *list = sl_tree_node(&parser->tree, SL_YAML_LIST, event_line(parser));
    if (code == SL_OK)
        code = next(parser);
    while (code == SL_OK && event->type != YAML_SEQUENCE_END_EVENT) {
        struct sl_yaml *item;
        code = read_node(parser, &item);
        if (code != SL_OK)
            break;
        sl_tree_append(&parser->tree, list, item);
        code = next(parser);
    }
    parser->depth--;
    *out = list;
    return code;
}

/* The event is a key: read it and its value. */
static enum sl_code read_pair(struct parser *parser, struct sl_keys *keys, struct sl_yaml *map)
{
    int line = event_line(parser);
    if (parser->event.type == YAML_ALIAS_EVENT)
        return sl_tree_fail(&parser->tree, line, "aliases are not accepted");
    if (parser->event.type != YAML_SCALAR_EVENT)
        return sl_tree_fail(&parser->tree, line, "a key is a list or a map, expected text");
    const yaml_char_t *anchor = parser->event.data.scalar.anchor, *tag = parser->event.data.scalar.tag;
    enum sl_code code = refuse_extras(parser, anchor, tag);
    if (code != SL_OK)
        return code;
    const char *text = (const char *)parser->event.data.scalar.value;
    if (memchr(text, '\0', parser->event.data.scalar.length) != NULL)
        return sl_tree_fail(&parser->tree, line, "a NUL character is not accepted");
    const char *key = sl_arena_strdup(parser->tree.arena, text);
    struct sl_yaml *value;
    if ((code = sl_tree_check_key(&parser->tree, keys, map, key, line)) != SL_OK || (code = next(parser)) != SL_OK ||
        (code = read_node(parser, &value)) != SL_OK)
        return code;
    value->key = key;
    value->line = line;
    sl_tree_append(&parser->tree, map, value);
    return SL_OK;
}

static enum sl_code read_map(struct parser *parser, struct sl_yaml **out)
{
    const yaml_event_t *event = &parser->event;
    enum sl_code code = refuse_extras(parser, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    if (code == SL_OK)
        code = enter(parser);
    struct sl_yaml *map = sl_tree_node(&parser->tree, SL_YAML_MAP, event_line(parser));
    struct sl_keys keys = {NULL};
    if (code == SL_OK)
        code = next(parser);
    while (code == SL_OK && event->type != YAML_MAPPING_END_EVENT) {
        code = read_pair(parser, &keys, map);
        if (code == SL_OK)
            code = next(parser);
    }
    sl_keys_fini(&keys);
    parser->depth--;
    *out = map;
    return code;
}

/* The event opens a node; afterwards it is the node's last. */
static enum sl_code read_node(struct parser *parser, struct sl_yaml **out)
{
    if (parser->event.type == YAML_SCALAR_EVENT)
        return read_scalar(parser, out);
    if (parser->event.type == YAML_SEQUENCE_START_EVENT)
        return read_list(parser, out);
    if (parser->event.type == YAML_MAPPING_START_EVENT)
        return read_map(parser, out);
    return sl_tree_fail(&parser->tree, event_line(parser), "aliases are not accepted");
}

static enum sl_code read_document(struct parser *parser, struct sl_yaml **out)
{
    const yaml_event_t *event = &parser->event;
    enum sl_code code = next(parser); /* stream start */
    if (code == SL_OK)
        code = next(parser);
    if (code != SL_OK)
        return code;
    if (event->type == YAML_STREAM_END_EVENT) {
        *out = sl_tree_node(&parser->tree, SL_YAML_NULL, 1);
        return SL_OK;
    }
    if (event->data.document_start.tag_directives.start != event->data.document_start.tag_directives.end)
        return sl_tree_fail(&parser->tree, event_line(parser), "tags (%%TAG) are not accepted");
    if ((code = next(parser)) != SL_OK || (code = read_node(parser, out)) != SL_OK || (code = next(parser)) != SL_OK ||
        (code = next(parser)) != SL_OK)
        return code;
    if (event->type != YAML_STREAM_END_EVENT)
        return sl_tree_fail(&parser->tree, event_line(parser), "a second document is not accepted");
    return SL_OK;
}

static enum sl_code read_yaml(struct parser *parser, struct sl_yaml **out)
{
    if (yaml_parser_initialize(&parser->yaml) != 1)
        abort();
    yaml_parser_set_encoding(&parser->yaml, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser->yaml, (const unsigned char *)parser->text, (size_t)(parser->end - parser->text));
    enum sl_code code = read_document(parser, out);
    if (parser->has_event)
        yaml_event_delete(&parser->event);
    yaml_parser_delete(&parser->yaml);
    return code;
}

/* Length of the valid beginning of the text. */
static size_t valid_prefix(const char *text, size_t len)
{
    size_t at = 0, n = 1;
    while (at < len && (n = sl_utf8_length((const unsigned char *)text + at, len - at)) > 0)
        at += n;
    return at;
}

static enum sl_code check_bytes(struct parser *parser)
{
    size_t len = (size_t)(parser->end - parser->text);
    if (len > SL_YAML_MAX_BYTES)
        return sl_tree_fail(&parser->tree, 1, "longer than %d bytes", SL_YAML_MAX_BYTES);
    const char *nul = len > 0 ? memchr(parser->text, '\0', len) : NULL;
    if (nul != NULL)
        return sl_tree_fail(&parser->tree, line_at(parser, (size_t)(nul - parser->text)), "a NUL character is not accepted");
    if (!sl_utf8_valid(parser->text, len))
        return sl_tree_fail(&parser->tree, line_at(parser, valid_prefix(parser->text, len)), "invalid UTF-8");
    return SL_OK;
}

enum sl_code sl_yaml_parse(struct sl_yaml **out, const char *text, size_t len, const char *name, struct sl_arena *arena, struct sl_err *err)
{
    *out = NULL;
    text = text == NULL ? "" : text;
    struct parser parser = {.tree = {name, arena, err}, .text = text, .end = text + len, .at = text};
    struct sl_yaml *root = NULL;
    enum sl_code code = check_bytes(&parser);
    if (code != SL_OK)
        return code;
    if (!sl_tree_read_json(&parser.tree, text, len, &root, &code))
        code = read_yaml(&parser, &root);
    *out = code == SL_OK ? root : NULL;
    return code;
}

const struct sl_yaml *sl_yaml_get(const struct sl_yaml *map, const char *key)
{
    return map == NULL || map->kind != SL_YAML_MAP ? NULL : find_key(map, key);
}
