/* How keys are named, in errors and in --set alike: items of lists by their name where they have one of their own, else by index. */
#include <string.h>

#include "config_internal.h"

bool sl_config_name_ok(const char *text)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t len = text == NULL ? 0 : strlen(text);
    return len > 0 && len <= SL_CONFIG_MAX_NAME && strspn(text, letters) == len && text[0] != '.' && text[0] != '-';
}

const char *sl_path_key(struct sl_arena *arena, const char *path, const char *key)
{
    return path[0] == '\0' ? sl_arena_strdup(arena, key) : sl_arena_printf(arena, "%s.%s", path, key);
}

/* `name_of(list, i)`: the name of item i or NULL. An item that is not the first of its name goes by index. */
static const char *item_path(struct sl_arena *arena, const char *path, const void *list, size_t index,
                             const char *(*name_of)(const void *list, size_t i))
{
    const char *name = name_of(list, index);
    bool own = sl_config_name_ok(name);
    for (size_t i = 0; own && i < index; i++)
        own = !sl_str_eq(name_of(list, i), name);
    return own ? sl_path_key(arena, path, name) : sl_arena_printf(arena, "%s.%zu", path, index);
}

static const char *json_item_name(const void *list, size_t i)
{
    return json_string_value(json_object_get(json_array_get(list, i), "name"));
}

static const char *yaml_item_name(const void *list, size_t i)
{
    const struct sl_yaml *name = sl_yaml_get(((const struct sl_yaml *)list)->items[i], "name");
    return name != NULL && name->kind == SL_YAML_SCALAR ? name->text : NULL;
}

const char *sl_path_item(struct sl_arena *arena, const char *path, const json_t *list, size_t index)
{
    return item_path(arena, path, list, index, json_item_name);
}

const char *sl_path_yaml_item(struct sl_arena *arena, const char *path, const struct sl_yaml *list, size_t index)
{
    return item_path(arena, path, list, index, yaml_item_name);
}
