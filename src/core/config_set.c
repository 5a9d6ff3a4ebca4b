/* --set KEY=VALUE: the override is put into the YAML tree before it is read, so that it passes the same rules as the file. Its nodes have line 0.
 * A list's items are addressed by name, alias or index; a shorthand on the way is written out first. */
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

static void zero_lines(struct sl_yaml *yaml)
{
    yaml->line = 0;
    for (size_t i = 0; i < yaml->n; i++)
        zero_lines(yaml->items[i]);
}

static struct sl_yaml *add_item(struct sl_arena *arena, struct sl_yaml *map, const char *key)
{
    struct sl_yaml *item = sl_arena_alloc(arena, sizeof *item);
    item->key = key;
    struct sl_yaml **items = sl_arena_array(arena, map->n + 1, sizeof *items);
    for (size_t i = 0; i < map->n; i++)
        items[i] = map->items[i];
    items[map->n++] = item;
    map->items = items;
    return item;
}

/* A null or a shorthand becomes the map it stands for. */
static void open_map(struct sl_arena *arena, struct sl_yaml *yaml, const struct sl_node *node)
{
    struct sl_yaml scalar = *yaml;
    *yaml = (struct sl_yaml){.kind = SL_YAML_MAP, .line = scalar.line, .key = scalar.key};
    const char *lone = node == NULL ? NULL : node->option->lone;
    if (scalar.kind == SL_YAML_SCALAR && lone == NULL)
        yaml->line = 0; /* the override puts keys below a value: its own fault */
    for (size_t i = 0; scalar.kind == SL_YAML_SCALAR && lone != NULL && i < node->n; i++) {
        if (strcmp(lone, "*") != 0 && strcmp(lone, node->children[i]->key) != 0)
            continue;
        struct sl_yaml *item = add_item(arena, yaml, node->children[i]->key);
        const char *key = item->key;
        *item = scalar;
        item->key = key;
    }
}

/* Bytes of `rest` that are `name` as a whole step; 0: they are not. */
static size_t step_match(const struct sl_yaml *name, const char *rest)
{
    if (name == NULL || name->kind != SL_YAML_SCALAR)
        return 0;
    size_t len = strlen(name->text);
    return strncmp(rest, name->text, len) == 0 && (rest[len] == '.' || rest[len] == '\0') ? len : 0;
}

/* The longest of the item's names that `rest` starts with. */
static size_t item_match(const struct sl_yaml *item, const char *rest)
{
    size_t best = step_match(sl_yaml_get(item, "name"), rest);
    const struct sl_yaml *aliases = sl_yaml_get(item, "aliases");
    size_t lone = step_match(aliases, rest);
    best = lone > best ? lone : best;
    for (size_t i = 0; aliases != NULL && i < aliases->n; i++) {
        size_t len = step_match(aliases->items[i], rest);
        best = len > best ? len : best;
    }
    return best;
}

static size_t index_match(const char *rest, size_t n, size_t *index)
{
    size_t len = strspn(rest, "0123456789");
    if (len == 0 || len > 4 || (rest[len] != '.' && rest[len] != '\0'))
        return 0;
    *index = 0;
    for (size_t i = 0; i < len; i++)
        *index = *index * 10 + (size_t)(rest[i] - '0');
    return *index < n ? len : 0;
}

/* The item that `rest` starts with; *len gets the bytes of its step. NULL: there is none. */
static struct sl_yaml *find_item(const struct sl_yaml *list, const char *rest, size_t *len)
{
    struct sl_yaml *found = NULL;
    *len = 0;
    for (size_t i = 0; i < list->n; i++) {
        size_t match = item_match(list->items[i], rest);
        if (match > *len) {
            *len = match;
            found = list->items[i];
        }
    }
    size_t index;
    if (found == NULL && (*len = index_match(rest, list->n, &index)) > 0)
        found = list->items[index];
    return found;
}

static void fault_no_item(struct sl_reader *reader, const char *key, const struct sl_yaml *list, const char *rest)
{
    const char **names = NULL;
    size_t n = 0;
    for (size_t i = 0; i < list->n && i < SL_CONFIG_MAX_ITEMS; i++) {
        const struct sl_yaml *name = sl_yaml_get(list->items[i], "name");
        if (name == NULL || name->kind != SL_YAML_SCALAR)
            continue;
        size_t at = n;
        names = sl_arena_push(reader->arena, names, &n, sizeof *names);
        names[at] = name->text;
    }
    const char *word = sl_arena_strndup(reader->arena, rest, strcspn(rest, "."));
    sl_reader_note(reader, key, 0);
    sl_reader_fault(reader, key, "found no item '%.60s'; expected a name, an alias or an index below %zu%s", word, list->n,
                    sl_reader_hint(reader, word, names, n));
}

static struct sl_yaml *map_step(struct sl_arena *arena, struct sl_yaml *map, const char *rest, size_t len)
{
    const char *key = sl_arena_strndup(arena, rest, len);
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->items[i]->key, key) == 0)
            return map->items[i];
    return add_item(arena, map, key);
}

/* Keys of a map of free keys may have dots in them where nothing comes below. */
static size_t key_length(const struct sl_node *node, const char *rest)
{
    bool whole = node != NULL && node->option->type == SL_OPT_MAP && node->children[0]->n == 0;
    return whole ? strlen(rest) : strcspn(rest, ".");
}

/* The node that `key` names, made where the file has none. NULL: a fault was noted. */
static struct sl_yaml *locate(struct sl_reader *reader, struct sl_yaml *root, const char *key)
{
    struct sl_yaml *at = root;
    const struct sl_node *node = reader->root;
    for (const char *rest = key;;) {
        size_t len = 0;
        if (at->kind == SL_YAML_LIST) {
            struct sl_yaml *item = find_item(at, rest, &len);
            if (item == NULL) {
                fault_no_item(reader, key, at, rest);
                return NULL;
            }
            at = item;
            node = node == NULL ? NULL : sl_node_child(node, "[]");
        } else {
            if (at->kind != SL_YAML_MAP)
                open_map(reader->arena, at, node);
            len = key_length(node, rest);
            at = map_step(reader->arena, at, rest, len);
            const struct sl_node *child = node == NULL ? NULL : sl_node_child(node, at->key);
            node = child == NULL && node != NULL ? sl_node_child(node, "*") : child;
        }
        rest += len;
        if (*rest == '\0')
            return at;
        rest++;
    }
}

static void override_one(struct sl_reader *reader, struct sl_yaml *root, const struct sl_override *set)
{
    const char *key = set->key == NULL ? "" : set->key;
    const char *value = set->value == NULL ? "" : set->value;
    struct sl_err err = {0};
    struct sl_yaml *yaml = NULL;
    bool bad_key = key[0] == '\0' || key[0] == '.' || key[strlen(key) - 1] == '.' || strstr(key, "..") != NULL;
    if (bad_key || strlen(key) > 1024) {
        sl_reader_note(reader, SL_PATH_SET, 0);
        sl_reader_fault(reader, SL_PATH_SET, "found the key '%.60s'; expected a key path such as defaults.settle", key);
        return;
    }
    if (sl_yaml_parse(&yaml, value, strlen(value), "value", reader->arena, &err) != SL_OK) {
        sl_reader_note(reader, key, 0);
        sl_reader_fault(reader, key, "%s", err.text);
        return;
    }
    zero_lines(yaml);
    struct sl_yaml *at = locate(reader, root, key);
    if (at == NULL)
        return;
    const char *own_key = at->key;
    *at = *yaml;
    at->key = own_key;
}

void sl_config_override(struct sl_reader *reader, struct sl_yaml **root, const struct sl_override *sets, size_t n_sets)
{
    if (n_sets > 0 && (*root)->kind == SL_YAML_NULL)
        (*root)->kind = SL_YAML_MAP;
    for (size_t i = 0; i < n_sets; i++)
        override_one(reader, *root, &sets[i]);
}
