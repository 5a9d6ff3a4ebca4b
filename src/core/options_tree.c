/* The option table as a tree, and what it says in words. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

const struct sl_node *sl_node_child(const struct sl_node *node, const char *key)
{
    for (size_t i = 0; i < node->n; i++)
        if (strcmp(node->children[i]->key, key) == 0)
            return node->children[i];
    return NULL;
}

static struct sl_node *node_find(struct sl_node *node, const char *key, size_t len)
{
    for (size_t i = 0; i < node->n; i++)
        if (strlen(node->children[i]->key) == len && memcmp(node->children[i]->key, key, len) == 0)
            return node->children[i];
    return NULL;
}

/* Length of the first step of a path: "[]" or up to the next "." or "[". */
static size_t step_length(const char *path)
{
    return path[0] == '[' ? 2 : strcspn(path, ".[");
}

/* Every step of `path` but the last has its row before it in the table. */
static void tree_insert(struct sl_arena *arena, struct sl_node *root, const char *path, const struct sl_option *option)
{
    struct sl_node *node = root;
    for (;;) {
        size_t len = step_length(path);
        const char *rest = path + len;
        if (*rest == '.')
            rest++;
        if (*rest == '\0') {
            struct sl_node *child = sl_arena_alloc(arena, sizeof *child);
            child->key = sl_arena_strndup(arena, path, len);
            child->option = option;
            size_t at = node->n;
            node->children = sl_arena_push(arena, node->children, &node->n, sizeof *node->children);
            node->children[at] = child;
            return;
        }
        node = node_find(node, path, len);
        assert(node != NULL);
        path = rest;
    }
}

struct sl_node *sl_options_tree(struct sl_arena *arena)
{
    static const struct sl_option root_option = {"", SL_OPT_OBJECT, 0, NULL, NULL, NULL, NULL, "a Sluice pipeline"};
    static const char *const scopes[] = {"defaults", "phases[]", "phases[].processors[]"};
    struct sl_node *root = sl_arena_alloc(arena, sizeof *root);
    root->key = "";
    root->option = &root_option;
    for (size_t i = 0; i < sl_n_options; i++) {
        const char *path = sl_options[i].path;
        size_t n = path[0] == '@' ? 2 : path[0] == '%' ? 3 : 0;
        if (n == 0)
            tree_insert(arena, root, path, &sl_options[i]);
        for (size_t s = 0; s < n; s++)
            tree_insert(arena, root, sl_arena_printf(arena, "%s%s", scopes[s], path + 1), &sl_options[i]);
    }
    return root;
}

const char **sl_node_keys(const struct sl_node *node, struct sl_arena *arena, size_t *n)
{
    const char **keys = sl_arena_array(arena, node->n + 1, sizeof *keys);
    for (size_t i = 0; i < node->n; i++)
        keys[i] = node->children[i]->key;
    *n = node->n;
    return keys;
}

const char **sl_option_choices(const char *allowed, struct sl_arena *arena, size_t *n)
{
    const char **choices = NULL;
    *n = 0;
    for (const char *at = allowed; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, "|");
        size_t i = *n;
        choices = sl_arena_push(arena, choices, n, sizeof *choices);
        choices[i] = sl_arena_strndup(arena, at, len);
        at += len + (at[len] == '|');
    }
    return choices;
}

static const char *list_words(struct sl_arena *arena, const char *before, const char *const *words, size_t n)
{
    struct sl_buf buf = {0};
    sl_buf_str(&buf, before);
    for (size_t i = 0; i < n; i++)
        sl_buf_printf(&buf, "%s%s", i > 0 ? ", " : "", words[i]);
    const char *text = sl_arena_strdup(arena, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return text;
}

static const char *choices_words(struct sl_arena *arena, const char *before, const char *allowed)
{
    size_t n;
    const char **choices = sl_option_choices(allowed, arena, &n);
    return list_words(arena, before, choices, n);
}

/* "LOW..HIGH" as "from LOW to HIGH", ">LOW..HIGH" as "above LOW, at most HIGH"; behind `before`. "" without a range. */
static const char *range_words(struct sl_arena *arena, const char *before, const char *allowed)
{
    const char *dots = allowed == NULL ? NULL : strstr(allowed, "..");
    if (dots == NULL)
        return "";
    int len = (int)(dots - allowed);
    if (allowed[0] == '>')
        return sl_arena_printf(arena, "%s above %.*s, at most %s", before, len - 1, allowed + 1, dots + 2);
    return sl_arena_printf(arena, "%s from %.*s to %s", before, len, allowed, dots + 2);
}

/* The help up to its first semicolon. */
static const char *short_help(struct sl_arena *arena, const struct sl_option *option)
{
    return sl_arena_strndup(arena, option->help, strcspn(option->help, ";"));
}

static const char *object_words(const struct sl_node *node, struct sl_arena *arena)
{
    const struct sl_option *option = node->option;
    size_t n;
    const char **keys = sl_node_keys(node, arena, &n);
    const char *map = list_words(arena, "a map with the keys ", keys, n);
    if (option->lone == NULL)
        return map;
    const struct sl_node *child = strcmp(option->lone, "*") == 0 ? node->children[0] : sl_node_child(node, option->lone);
    return sl_arena_printf(arena, "%s, or %s", sl_node_expected(child, arena), map);
}

static const char *int_words(struct sl_arena *arena, const char *allowed)
{
    if (allowed != NULL && strcmp(allowed, "1..1") == 0)
        return "1";
    return sl_arena_printf(arena, "a whole number%s", range_words(arena, "", allowed));
}

static const char *type_words(const struct sl_node *node, struct sl_arena *arena)
{
    const char *allowed = node->option->allowed;
    switch (node->option->type) {
    case SL_OPT_OBJECT: return object_words(node, arena);
    case SL_OPT_MAP: return sl_arena_printf(arena, "a map (%s)", short_help(arena, node->option));
    case SL_OPT_LIST: return sl_arena_printf(arena, "a list (%s)", short_help(arena, node->option));
    case SL_OPT_TEXT: return "a text";
    case SL_OPT_NAME: return "a name of letters, digits, '_', '-' and '.', at most 128 bytes";
    case SL_OPT_TABLE: return "a table as dataset.table, each of letters, digits and '_'";
    case SL_OPT_COLUMN:
        return node->option->flags & SL_OPT_NONE ? "a column name of letters, digits and '_', or none"
                                                 : "a column name of letters, digits and '_'";
    case SL_OPT_ZONE: return "a time zone such as America/Los_Angeles";
    case SL_OPT_ENUM: return choices_words(arena, "one of ", allowed);
    case SL_OPT_INT: return int_words(arena, allowed);
    case SL_OPT_NUMBER: return sl_arena_printf(arena, "a number%s", range_words(arena, "", allowed));
    case SL_OPT_BOOL: return "true or false";
    case SL_OPT_DURATION: return sl_arena_printf(arena, "a duration such as 5m%s", range_words(arena, ",", allowed));
    case SL_OPT_DAYS: return sl_arena_printf(arena, "whole days such as 30d%s", range_words(arena, ",", allowed));
    case SL_OPT_PERCENT: return sl_arena_printf(arena, "a percentage such as 60%%%s", range_words(arena, ",", allowed));
    case SL_OPT_TIME: return "a time of day as \"HH:MM\"";
    case SL_OPT_DATE: return "a date as YYYY-MM-DD";
    case SL_OPT_WINDOW: return choices_words(arena, "a window such as 10 units, counted in ", allowed);
    }
    return "";
}

const char *sl_node_expected(const struct sl_node *node, struct sl_arena *arena)
{
    const char *words = type_words(node, arena);
    return node->option->flags & SL_OPT_NULL ? sl_arena_printf(arena, "%s, or null", words) : words;
}
