/* The YAML tree becomes a JSON tree of the keys that were given, each in its canonical form and with shorthands written out. What does not fit the option
 * table is noted with its place; a text that is no valid name or column stays in the tree, so that one mistake is not reported twice. */
#include <string.h>

#include "config_internal.h"

#define FOUND_BYTES 60 /* of a value that is quoted in an error */

static const char *found_words(struct sl_reader *reader, const struct sl_yaml *yaml)
{
    if (yaml->kind == SL_YAML_NULL)
        return "null";
    if (yaml->kind != SL_YAML_SCALAR)
        return yaml->kind == SL_YAML_LIST ? "a list" : "a map";
    size_t len = strlen(yaml->text);
    if (len <= FOUND_BYTES)
        return sl_arena_printf(reader->arena, "'%s'", yaml->text);
    size_t cut = FOUND_BYTES;
    while (cut > 0 && ((unsigned char)yaml->text[cut] & 0xc0) == 0x80)
        cut--;
    return sl_arena_printf(reader->arena, "'%.*s...'", (int)cut, yaml->text);
}

static void fault_type(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    const struct sl_option *option = node->option;
    const char *hint = "";
    if (option->type == SL_OPT_ENUM && yaml->kind == SL_YAML_SCALAR) {
        size_t n;
        const char **choices = sl_option_choices(option->allowed, reader->arena, &n);
        hint = sl_reader_hint(reader, yaml->text, choices, n);
    }
    sl_reader_fault(reader, path, "found %s; expected %s%s", found_words(reader, yaml), sl_node_expected(node, reader->arena), hint);
}

static json_t *scalar_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    const struct sl_option *option = node->option;
    const char *text;
    bool expanded;
    if (!sl_env_expand(reader, path, yaml->text, &text, &expanded))
        return NULL;
    if (expanded && (option->flags & SL_OPT_SECRET))
        sl_map_put(reader->from_env, path, reader);
    json_t *value = sl_value_normal(option, text, yaml->quoted && !expanded);
    if (value != NULL)
        return value;
    struct sl_yaml shown = *yaml;
    shown.text = option->flags & SL_OPT_SECRET ? "***" : text;
    fault_type(reader, node, &shown, path);
    bool keep = option->type == SL_OPT_NAME || option->type == SL_OPT_COLUMN || option->type == SL_OPT_TABLE;
    return keep && strlen(text) <= SL_CONFIG_MAX_TEXT ? json_string(text) : NULL;
}

/* A scalar under one key of the object, or under every key. */
static json_t *object_from_scalar(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    const char *lone = node->option->lone;
    json_t *object = json_object();
    for (size_t i = 0; i < node->n; i++) {
        const struct sl_node *child = node->children[i];
        if (strcmp(lone, "*") != 0 && strcmp(lone, child->key) != 0)
            continue;
        json_t *value = sl_config_value(reader, child, yaml, path);
        if (value == NULL)
            break;
        json_object_set_new(object, child->key, value);
    }
    return object;
}

static void fault_unknown_key(struct sl_reader *reader, const struct sl_node *node, const char *key, const char *path)
{
    size_t n;
    const char **keys = sl_node_keys(node, reader->arena, &n);
    const char *hint = sl_reader_hint(reader, key, keys, n);
    if (hint[0] == '\0')
        hint = sl_arena_printf(reader->arena, "; expected %s", sl_node_expected(node, reader->arena));
    sl_reader_fault(reader, path, "unknown key '%.*s'%s", FOUND_BYTES, key, hint);
}

static void check_missing(struct sl_reader *reader, const struct sl_node *node, const json_t *object, const struct sl_yaml *yaml,
                          const char *path)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct sl_node *child = node->children[i];
        bool given = json_object_get(object, child->key) != NULL || (yaml != NULL && sl_yaml_get(yaml, child->key) != NULL);
        if ((child->option->flags & SL_OPT_REQUIRED) && !given)
            sl_reader_fault(reader, sl_path_key(reader->arena, path, child->key), "missing; expected %s",
                            sl_node_expected(child, reader->arena));
    }
}

static json_t *object_from_map(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    json_t *object = json_object();
    for (size_t i = 0; i < yaml->n; i++) {
        const struct sl_yaml *item = yaml->items[i];
        const struct sl_node *child = sl_node_child(node, item->key);
        const char *shown = strlen(item->key) <= SL_CONFIG_MAX_NAME ? item->key : "?";
        const char *below = sl_path_key(reader->arena, path, shown);
        sl_reader_note(reader, below, item->line);
        if (child == NULL || child->key[0] == '[' || child->key[0] == '*') {
            fault_unknown_key(reader, node, item->key, below);
            continue;
        }
        json_t *value = sl_config_value(reader, child, item, below);
        if (value != NULL)
            json_object_set_new(object, child->key, value);
    }
    return object;
}

static json_t *object_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    const struct sl_option *option = node->option;
    json_t *object;
    if (yaml->kind == SL_YAML_MAP) {
        object = object_from_map(reader, node, yaml, path);
    } else if (yaml->kind == SL_YAML_SCALAR && option->lone != NULL) {
        object = object_from_scalar(reader, node, yaml, path);
    } else if (yaml->kind == SL_YAML_NULL && !(option->flags & SL_OPT_NOT_NULL)) {
        return option->def != NULL ? json_object() : NULL;
    } else {
        fault_type(reader, node, yaml, path);
        return NULL;
    }
    if (yaml->kind == SL_YAML_MAP || json_object_size(object) > 0)
        check_missing(reader, node, object, yaml->kind == SL_YAML_MAP ? yaml : NULL, path);
    return object;
}

static bool free_key_ok(const struct sl_node *node, const char *key)
{
    static const struct sl_option column = {.path = "", .type = SL_OPT_COLUMN};
    if (strcmp(node->option->allowed, "column") != 0)
        return strlen(key) <= SL_CONFIG_MAX_NAME;
    json_t *ok = sl_value_normal(&column, key, false);
    json_decref(ok);
    return ok != NULL;
}

static json_t *map_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    if (yaml->kind == SL_YAML_NULL && (node->option->flags & SL_OPT_NULL))
        return json_null();
    if (yaml->kind != SL_YAML_MAP || yaml->n > SL_CONFIG_MAX_ITEMS) {
        fault_type(reader, node, yaml, path);
        return NULL;
    }
    json_t *map = json_object();
    for (size_t i = 0; i < yaml->n; i++) {
        const struct sl_yaml *item = yaml->items[i];
        if (!free_key_ok(node, item->key)) {
            sl_reader_fault(reader, path, "found the key '%.*s'; expected a %s name of at most %d bytes", FOUND_BYTES, item->key,
                            node->option->allowed, SL_CONFIG_MAX_NAME);
            continue;
        }
        const char *below = sl_path_key(reader->arena, path, item->key);
        sl_reader_note(reader, below, item->line);
        json_t *value = sl_config_value(reader, node->children[0], item, below);
        if (value != NULL)
            json_object_set_new(map, item->key, value);
    }
    return map;
}

/* All items, or NULL when one is faulty: what is left would only mislead. */
static json_t *list_items(struct sl_reader *reader, const struct sl_node *item, const struct sl_yaml *yaml, const char *path)
{
    json_t *list = json_array();
    bool whole = true;
    for (size_t i = 0; i < yaml->n; i++) {
        const char *below = sl_path_yaml_item(reader->arena, path, yaml, i);
        sl_reader_note(reader, below, yaml->items[i]->line);
        json_t *value = sl_config_value(reader, item, yaml->items[i], below);
        whole = value != NULL && json_array_append_new(list, value) == 0 && whole;
    }
    if (whole)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *list_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    const struct sl_node *item = node->children[0];
    bool lone = yaml->kind == SL_YAML_SCALAR || (yaml->kind == SL_YAML_MAP && item->option->type == SL_OPT_OBJECT);
    if (yaml->kind == SL_YAML_LIST && yaml->n <= SL_CONFIG_MAX_ITEMS)
        return list_items(reader, item, yaml, path);
    if (lone && (node->option->flags & SL_OPT_ONE)) {
        json_t *value = sl_config_value(reader, item, yaml, path);
        return value == NULL ? NULL : json_pack("[o]", value);
    }
    bool many = yaml->kind == SL_YAML_LIST;
    const char *found = many ? sl_arena_printf(reader->arena, "%zu items", yaml->n) : found_words(reader, yaml);
    sl_reader_fault(reader, path, "found %s; expected %s of at most %d items", found, sl_node_expected(node, reader->arena),
                    SL_CONFIG_MAX_ITEMS);
    return NULL;
}

static json_t *null_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    if (node->option->flags & SL_OPT_NONE)
        return json_string("none");
    if (node->option->flags & SL_OPT_NULL)
        return json_null();
    fault_type(reader, node, yaml, path);
    return NULL;
}

json_t *sl_config_value(struct sl_reader *reader, const struct sl_node *node, const struct sl_yaml *yaml, const char *path)
{
    enum sl_option_type type = node->option->type;
    if (type == SL_OPT_OBJECT)
        return object_value(reader, node, yaml, path);
    if (type == SL_OPT_MAP)
        return map_value(reader, node, yaml, path);
    if (type == SL_OPT_LIST)
        return list_value(reader, node, yaml, path);
    if (yaml->kind == SL_YAML_NULL)
        return null_value(reader, node, yaml, path);
    if (yaml->kind == SL_YAML_SCALAR)
        return scalar_value(reader, node, yaml, path);
    fault_type(reader, node, yaml, path);
    return NULL;
}

json_t *sl_config_normalise(struct sl_reader *reader, const struct sl_yaml *root)
{
    sl_reader_note(reader, "", root->line > 0 ? root->line : 1);
    struct sl_yaml empty = {.kind = SL_YAML_MAP, .line = root->line};
    json_t *json = sl_config_value(reader, reader->root, root->kind == SL_YAML_NULL ? &empty : root, "");
    return json != NULL ? json : json_object();
}
