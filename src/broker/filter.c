/* filter.c - see filter_internal.h. Read by recursive descent into an array of nodes; a term costs at least two bytes of the 256, so there are few, and
 * matching walks the message once per term. */
#include "filter_internal.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>
#include <sluice/str.h>

#include "broker_internal.h"

enum kind { ALL, ANY, NOT, HAS, EQUALS, DIFFERS, PREFIX };

struct node {
    enum kind kind;
    const char *key, *text; /* in the arena */
    size_t key_len, text_len;
    size_t first, next; /* index + 1 of the first child, and of the next of one's parent; 0: none */
};

struct sl_filter {
    struct sl_arena arena;
    struct node *nodes; /* arena */
    size_t n, root;     /* index + 1 */
};

struct parser {
    struct sl_filter *filter;
    const char *text, *at;
    struct sl_err *err;
};

/* ---- tokens ---- */

static enum sl_code fail(const struct parser *parser, const char *why)
{
    return sl_fail(parser->err, SL_INVALID, "Invalid filter: %s at character %zu", why, (size_t)(parser->at - parser->text) + 1);
}

static void skip_blanks(struct parser *parser)
{
    parser->at += strspn(parser->at, " \t\r\n");
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static bool take(struct parser *parser, const char *symbol)
{
    skip_blanks(parser);
    if (strncmp(parser->at, symbol, strlen(symbol)) != 0)
        return false;
    parser->at += strlen(symbol);
    return true;
}

/* A whole word. */
static bool take_word(struct parser *parser, const char *word)
{
    skip_blanks(parser);
    size_t len = strlen(word);
    if (strncmp(parser->at, word, len) != 0 || is_key_char(parser->at[len]))
        return false;
    parser->at += len;
    return true;
}

static void put_utf8(struct sl_buf *out, uint32_t code)
{
    if (code < 0x80) {
        sl_buf_char(out, (char)code);
    } else if (code < 0x800) {
        sl_buf_char(out, (char)(unsigned char)(0xC0 | code >> 6));
        sl_buf_char(out, (char)(unsigned char)(0x80 | (code & 0x3F)));
    } else {
        sl_buf_char(out, (char)(unsigned char)(0xE0 | code >> 12));
        sl_buf_char(out, (char)(unsigned char)(0x80 | (code >> 6 & 0x3F)));
        sl_buf_char(out, (char)(unsigned char)(0x80 | (code & 0x3F)));
    }
}

/* As many digits of this base as there are, at most `max`; at least `min`. */
static bool take_digits(struct parser *parser, int base, size_t min, size_t max, uint32_t *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    size_t n = 0;
    *out = 0;
    for (; n < max && *parser->at; n++, parser->at++) {
        char c = *parser->at >= 'A' && *parser->at <= 'F' ? (char)(*parser->at - 'A' + 'a') : *parser->at;
        const char *digit = memchr(DIGITS, c, (size_t)base);
        if (!digit)
            break;
        *out = *out * (uint32_t)base + (uint32_t)(digit - DIGITS);
    }
    return n >= min;
}

/* Surrogates are no characters: a filter that names one would match nothing. */
static bool take_code(struct parser *parser, int base, size_t min, size_t max, struct sl_buf *out)
{
    uint32_t code;
    if (!take_digits(parser, base, min, max, &code) || (code >= 0xD800 && code < 0xE000))
        return false;
    put_utf8(out, code);
    return true;
}

static bool take_escape(struct parser *parser, struct sl_buf *out)
{
    static const char FROM[] = "\\\"'`?abfnrtv", TO[] = "\\\"'`?\a\b\f\n\r\t\v";
    char c = *parser->at;
    if (c >= '0' && c <= '7')
        return take_code(parser, 8, 1, 3, out);
    const char *simple = c ? strchr(FROM, c) : NULL;
    parser->at += c != '\0';
    if (simple)
        sl_buf_char(out, TO[simple - FROM]);
    if (c == 'x')
        return take_code(parser, 16, 2, 2, out);
    if (c == 'u')
        return take_code(parser, 16, 4, 4, out);
    return simple != NULL;
}

/* "TEXT", into the arena. */
static enum sl_code take_text(struct parser *parser, const char **text, size_t *len)
{
    struct sl_buf out = {0};
    if (!take(parser, "\""))
        return fail(parser, "a text in double quotes is expected");
    enum sl_code code = SL_OK;
    while (code == SL_OK && *parser->at && *parser->at != '"') {
        if (*parser->at != '\\')
            sl_buf_char(&out, *parser->at++);
        else if (parser->at++, !take_escape(parser, &out))
            code = fail(parser, "an escape that means nothing");
    }
    if (code == SL_OK && *parser->at++ != '"') {
        parser->at--;
        code = fail(parser, "a text that does not end");
    }
    *text = sl_arena_strndup(&parser->filter->arena, sl_buf_text(&out), out.len);
    *len = out.len;
    sl_buf_fini(&out);
    return code;
}

/* ---- grammar ---- */

static size_t add_node(struct parser *parser, enum kind kind)
{
    struct sl_filter *filter = parser->filter;
    filter->nodes = sl_arena_push(&filter->arena, filter->nodes, &filter->n, sizeof(*filter->nodes));
    filter->nodes[filter->n - 1].kind = kind;
    return filter->n;
}

static struct node *node_at(const struct parser *parser, size_t node)
{
    return &parser->filter->nodes[node - 1];
}

static enum sl_code take_key(struct parser *parser, size_t node)
{
    const char *key;
    size_t len = 0;
    if (*parser->at == '"') {
        enum sl_code code = take_text(parser, &key, &len);
        if (code)
            return code;
    } else {
        while (is_key_char(parser->at[len]))
            len++;
        key = sl_arena_strndup(&parser->filter->arena, parser->at, len);
        parser->at += len;
    }
    if (len == 0)
        return fail(parser, "an attribute's key is expected");
    node_at(parser, node)->key = key;
    node_at(parser, node)->key_len = len;
    return SL_OK;
}

static enum sl_code take_value(struct parser *parser, size_t node)
{
    const char *text;
    size_t len;
    enum sl_code code = take_text(parser, &text, &len);
    if (code == SL_OK) {
        node_at(parser, node)->text = text;
        node_at(parser, node)->text_len = len;
    }
    return code;
}

static enum sl_code take_prefix(struct parser *parser, size_t *out)
{
    *out = add_node(parser, PREFIX);
    if (!take(parser, "(") || !take(parser, "attributes."))
        return fail(parser, "hasPrefix(attributes.KEY, \"TEXT\") is expected");
    enum sl_code code = take_key(parser, *out);
    if (code == SL_OK && !take(parser, ","))
        code = fail(parser, "a comma is expected");
    if (code == SL_OK)
        code = take_value(parser, *out);
    if (code == SL_OK && !take(parser, ")"))
        code = fail(parser, "a closing parenthesis is expected");
    return code;
}

static enum sl_code take_comparison(struct parser *parser, size_t *out)
{
    *out = add_node(parser, EQUALS);
    enum sl_code code = take_key(parser, *out);
    if (code)
        return code;
    if (take(parser, "!="))
        node_at(parser, *out)->kind = DIFFERS;
    else if (!take(parser, "="))
        return fail(parser, "= or != is expected");
    return take_value(parser, *out);
}

static enum sl_code take_filter(struct parser *parser, size_t *out);

static enum sl_code take_simple(struct parser *parser, size_t *out)
{
    if (take_word(parser, "hasPrefix"))
        return take_prefix(parser, out);
    if (take(parser, "attributes.")) {
        return take_comparison(parser, out);
    }
    if (take(parser, "attributes:")) {
        *out = add_node(parser, HAS);
        return take_key(parser, *out);
    }
    if (!take(parser, "("))
        return fail(parser, "attributes:KEY, attributes.KEY, hasPrefix or a parenthesis is expected");
    enum sl_code code = take_filter(parser, out);
    if (code == SL_OK && !take(parser, ")"))
        code = fail(parser, "a closing parenthesis is expected");
    return code;
}

static enum sl_code take_term(struct parser *parser, size_t *out)
{
    if (!take_word(parser, "NOT") && !take(parser, "-"))
        return take_simple(parser, out);
    size_t negated;
    *out = add_node(parser, NOT);
    enum sl_code code = take_simple(parser, &negated);
    if (code == SL_OK)
        node_at(parser, *out)->first = negated;
    return code;
}

/* The first operator says which one it is. */
static enum sl_code take_filter(struct parser *parser, size_t *out)
{
    size_t last;
    enum sl_code code = take_term(parser, out);
    if (code)
        return code;
    bool all = take_word(parser, "AND");
    if (!all && !take_word(parser, "OR"))
        return SL_OK;
    last = *out;
    *out = add_node(parser, all ? ALL : ANY);
    node_at(parser, *out)->first = last;
    do {
        size_t term;
        code = take_term(parser, &term);
        if (code)
            return code;
        node_at(parser, last)->next = term;
        last = term;
    } while (take_word(parser, all ? "AND" : "OR"));
    if (take_word(parser, all ? "OR" : "AND"))
        return fail(parser, "AND and OR together need parentheses");
    return SL_OK;
}

enum sl_code sl_filter_parse(struct sl_filter **out, const char *text, struct sl_err *err)
{
    *out = NULL;
    if (!*text)
        return SL_OK;
    if (strlen(text) > SL_FILTER_MAX_BYTES)
        return sl_fail(err, SL_INVALID, "Invalid filter: it has %zu bytes; at most %d", strlen(text), SL_FILTER_MAX_BYTES);
    struct sl_filter *filter = sl_calloc(1, sizeof(*filter));
    struct parser parser = {.filter = filter, .text = text, .at = text, .err = err};
    enum sl_code code = take_filter(&parser, &filter->root);
    skip_blanks(&parser);
    if (code == SL_OK && *parser.at)
        code = fail(&parser, "AND, OR or the end is expected");
    if (code)
        sl_filter_free(&filter);
    *out = filter;
    return code;
}

void sl_filter_free(struct sl_filter **filter)
{
    if (!*filter)
        return;
    sl_arena_fini(&(*filter)->arena);
    free(*filter);
    *filter = NULL;
}

/* ---- matching ---- */

/* Of a key that is there twice the last one counts. */
static bool find(struct sl_span *value, const struct node *node, const char *body, size_t len)
{
    struct sl_wire wire = sl_body_open(body, len);
    struct sl_wire_field field;
    struct sl_pubsub_attribute attribute;
    bool found = false;
    while (sl_wire_next(&wire, &field)) {
        if (!sl_body_attribute(&field, &attribute) || attribute.key.len != node->key_len ||
            memcmp(attribute.key.ptr, node->key, node->key_len) != 0)
            continue;
        *value = attribute.value;
        found = true;
    }
    return found;
}

static bool equals(const struct node *node, const char *body, size_t len)
{
    struct sl_span value;
    return find(&value, node, body, len) && value.len == node->text_len && memcmp(value.ptr, node->text, value.len) == 0;
}

static bool matches(const struct sl_filter *filter, size_t i, const char *body, size_t len)
{
    const struct node *node = &filter->nodes[i - 1];
    struct sl_span value;
    size_t child = node->first;
    switch (node->kind) {
    case ALL:
        while (child && matches(filter, child, body, len))
            child = filter->nodes[child - 1].next;
        return child == 0;
    case ANY:
        while (child && !matches(filter, child, body, len))
            child = filter->nodes[child - 1].next;
        return child != 0;
    case NOT: return !matches(filter, child, body, len);
    case HAS: return find(&value, node, body, len);
    case EQUALS: return equals(node, body, len);
    case DIFFERS: return !equals(node, body, len);
    case PREFIX: return find(&value, node, body, len) && value.len >= node->text_len && memcmp(value.ptr, node->text, node->text_len) == 0;
    }
    return false;
}

bool sl_filter_matches(const struct sl_filter *filter, const char *body, size_t len)
{
    return !filter || matches(filter, filter->root, body, len);
}
