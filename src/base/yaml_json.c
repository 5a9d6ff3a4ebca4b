/* yaml_json.c - strict JSON (RFC 8259) as a tree. The text is valid UTF-8 without NUL: the caller has looked.
 * Two ways to stop: the text is no JSON (`not_json`, nothing is said, it may be YAML), or it is JSON that is refused (`code`).
 * An empty or doubled key and too many levels are refusals: the reader goes no further, what follows isn't looked at. */
#include "yaml_internal.h"

#include <string.h>

#include "utf8_internal.h"

struct json {
    struct sl_tree *tree;
    const char *at, *end;
    int line, depth;
    bool not_json;
    enum sl_code code;
    struct sl_buf text; /* of the string being read */
};

static bool stop(struct json *json)
{
    json->not_json = true;
    return false;
}

static bool refuse(struct json *json, enum sl_code code)
{
    json->code = code;
    return false;
}

static void skip_blanks(struct json *json)
{
    for (; json->at < json->end && strchr(" \t\r\n", *json->at) != NULL; json->at++)
        json->line += *json->at == '\n';
}

/* After blanks. */
static bool take(struct json *json, char c)
{
    skip_blanks(json);
    if (json->at == json->end || *json->at != c)
        return false;
    json->at++;
    return true;
}

static bool is_digit(const struct json *json)
{
    return json->at < json->end && *json->at >= '0' && *json->at <= '9';
}

static bool take_digits(struct json *json)
{
    if (!is_digit(json))
        return false;
    while (is_digit(json))
        json->at++;
    return true;
}

static bool take_here(struct json *json, const char *any)
{
    if (json->at == json->end || strchr(any, *json->at) == NULL)
        return false;
    json->at++;
    return true;
}

static bool read_number(struct json *json, struct sl_yaml **out)
{
    const char *start = json->at;
    take_here(json, "-");
    if (!take_here(json, "0") && !take_digits(json))
        return stop(json);
    if (take_here(json, ".") && !take_digits(json))
        return stop(json);
    if (take_here(json, "eE")) {
        take_here(json, "+-");
        if (!take_digits(json))
            return stop(json);
    }
    *out = sl_tree_scalar(json->tree, start, (size_t)(json->at - start), false, json->line);
    return true;
}

static bool read_word(struct json *json, struct sl_yaml **out)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        size_t len = strlen(words[i]);
        if ((size_t)(json->end - json->at) < len || memcmp(json->at, words[i], len) != 0)
            continue;
        json->at += len;
        *out = sl_tree_scalar(json->tree, words[i], len, false, json->line);
        return true;
    }
    return stop(json);
}

static bool take_hex4(struct json *json, uint32_t *out)
{
    *out = 0;
    if (json->end - json->at < 4)
        return false;
    for (int i = 0; i < 4; i++, json->at++) {
        char c = *json->at;
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return false;
        *out = *out * 16 + (uint32_t)digit;
    }
    return true;
}

/* Behind "\u": one character, or two halves of one. */
static bool read_unicode(struct json *json)
{
    uint32_t character, low;
    if (!take_hex4(json, &character))
        return stop(json);
    if (character == 0)
        return refuse(json, sl_tree_fail(json->tree, json->line, "a NUL character is not accepted"));
    if (character >= 0xD800 && character <= 0xDFFF) {
        if (character > 0xDBFF || !take_here(json, "\\") || !take_here(json, "u") || !take_hex4(json, &low) || low < 0xDC00 || low > 0xDFFF)
            return refuse(json, sl_tree_fail(json->tree, json->line, "half of a surrogate pair"));
        character = 0x10000 + ((character - 0xD800) << 10) + (low - 0xDC00);
    }
    char bytes[4];
    sl_buf_add(&json->text, bytes, sl_utf8_encode(character, bytes));
    return true;
}

static bool read_escape(struct json *json)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (json->at == json->end)
        return stop(json);
    char c = *json->at++;
    if (c == 'u')
        return read_unicode(json);
    const char *found = memchr(from, c, sizeof(from) - 1);
    if (found == NULL)
        return stop(json);
    sl_buf_char(&json->text, to[found - from]);
    return true;
}

/* The characters of a string into json->text. */
static bool read_string(struct json *json)
{
    sl_buf_clear(&json->text);
    if (!take(json, '"'))
        return stop(json);
    while (json->at < json->end && *json->at != '"') {
        if ((unsigned char)*json->at < 0x20)
            return stop(json);
        const char *clean = json->at;
        while (json->at < json->end && (unsigned char)*json->at >= 0x20 && *json->at != '"' && *json->at != '\\')
            json->at++;
        sl_buf_add(&json->text, clean, (size_t)(json->at - clean));
        if (take_here(json, "\\") && !read_escape(json))
            return false;
    }
    return take_here(json, "\"") || stop(json);
}

static bool read_value(struct json *json, struct sl_yaml **out);

static bool enter(struct json *json)
{
    if (++json->depth > SL_YAML_MAX_DEPTH)
        return refuse(json, sl_tree_fail(json->tree, json->line, "deeper than %d levels", SL_YAML_MAX_DEPTH));
    return true;
}

static bool read_list(struct json *json, struct sl_yaml *list)
{
    if (take(json, ']'))
        return true;
    do {
        struct sl_yaml *item;
        if (!read_value(json, &item))
            return false;
        sl_tree_append(json->tree, list, item);
    } while (take(json, ','));
    return take(json, ']') || stop(json);
}

static bool read_pair(struct json *json, struct sl_keys *keys, struct sl_yaml *map)
{
    skip_blanks(json);
    int line = json->line;
    if (!read_string(json))
        return false;
    const char *key = sl_arena_strndup(json->tree->arena, sl_buf_text(&json->text), json->text.len);
    if (!take(json, ':'))
        return stop(json);
    enum sl_code code = sl_tree_check_key(json->tree, keys, map, key, line);
    struct sl_yaml *value;
    if (code != SL_OK)
        return refuse(json, code);
    if (!read_value(json, &value))
        return false;
    value->key = key;
    value->line = line;
    sl_tree_append(json->tree, map, value);
    return true;
}

static bool read_map(struct json *json, struct sl_yaml *map)
{
    if (take(json, '}'))
        return true;
    struct sl_keys keys = {NULL};
    bool good;
    do
        good = read_pair(json, &keys, map);
    while (good && take(json, ','));
    sl_keys_fini(&keys);
    return good && (take(json, '}') || stop(json));
}

static bool read_value(struct json *json, struct sl_yaml **out)
{
    skip_blanks(json);
    if (json->at == json->end)
        return stop(json);
    if (*json->at == '"') {
        int line = json->line;
        if (!read_string(json))
            return false;
        *out = sl_tree_scalar(json->tree, sl_buf_text(&json->text), json->text.len, true, line);
        return true;
    }
    if (*json->at == '-' || is_digit(json))
        return read_number(json, out);
    bool is_map = *json->at == '{';
    if (!is_map && *json->at != '[')
        return read_word(json, out);
    if (!enter(json))
        return false;
    json->at++;
    *out = sl_tree_node(json->tree, is_map ? SL_YAML_MAP : SL_YAML_LIST, json->line);
    bool good = is_map ? read_map(json, *out) : read_list(json, *out);
    json->depth--;
    return good;
}

bool sl_tree_read_json(struct sl_tree *tree, const char *text, size_t len, struct sl_yaml **out, enum sl_code *code)
{
    struct json json = {.tree = tree, .at = text, .end = text + len, .line = 1, .code = SL_OK};
    bool good = read_value(&json, out);
    skip_blanks(&json);
    bool whole = good && json.at == json.end;
    sl_buf_fini(&json.text);
    *code = json.code;
    return json.code != SL_OK || whole;
}
