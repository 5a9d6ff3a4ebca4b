/* config_diff.c - two trees of keys side by side. Phases and processors are compared by name, whatever their order; lists of plain values and of nameless things are compared whole. */
#include <sluice/config_diff.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <sluice/str.h>

enum { MOST_KEYS = 32 }; /* the option table is no deeper than 12 */

struct differ {
    struct sl_arena *arena;
    struct sl_config_change *changes;
    size_t n;
    const char *keys[MOST_KEYS];
    size_t n_keys;
};

static const char *name_of(const json_t *item)
{
    return json_string_value(json_object_get(item, "name"));
}

/* Does every item have a name of its own? */
static bool is_named(const json_t *list)
{
    size_t i, k;
    json_t *item;
    if (!json_is_array(list) || json_array_size(list) == 0)
        return false;
    json_array_foreach((json_t *)list, i, item)
    {
        if (!name_of(item))
            return false;
        for (k = 0; k < i; k++)
            if (!strcmp(name_of(json_array_get(list, k)), name_of(item)))
                return false;
    }
    return true;
}

static json_t *item_called(const json_t *list, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item)
    {
        if (sl_str_eq(name_of(item), name))
            return item;
    }
    return NULL;
}

static const char *value_text(struct sl_arena *arena, const json_t *value)
{
    if (!value)
        return NULL;
    if (json_is_string(value))
        return sl_arena_strdup(arena, json_string_value(value));
    char *dump = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    const char *text = sl_arena_strdup(arena, dump);
    free(dump);
    return text;
}

static void note(struct differ *d, const json_t *before, const json_t *after)
{
    const char **keys = sl_arena_array(d->arena, d->n_keys + 1, sizeof *keys);
    const char *path = "";
    for (size_t i = 0; i < d->n_keys; i++) {
        keys[i] = sl_arena_strdup(d->arena, d->keys[i]);
        path = sl_arena_printf(d->arena, "%s%s%s", path, i ? "." : "", keys[i]);
    }
    d->changes = sl_arena_push(d->arena, d->changes, &d->n, sizeof *d->changes);
    d->changes[d->n - 1] = (struct sl_config_change){
        .keys = keys, .n_keys = d->n_keys, .path = path, .before = value_text(d->arena, before), .after = value_text(d->arena, after)};
}

static void compare(struct differ *d, const json_t *before, const json_t *after);

static void compare_below(struct differ *d, const char *key, const json_t *before, const json_t *after)
{
    d->keys[d->n_keys++] = key;
    compare(d, before, after);
    d->n_keys--;
}

static void compare_objects(struct differ *d, const json_t *before, const json_t *after)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)before, key, value) compare_below(d, key, value, json_object_get(after, key));
    json_object_foreach((json_t *)after, key, value)
    {
        if (!json_object_get(before, key))
            compare_below(d, key, NULL, value);
    }
}

static void compare_named(struct differ *d, const json_t *before, const json_t *after)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)before, i, item) compare_below(d, name_of(item), item, item_called(after, name_of(item)));
    json_array_foreach((json_t *)after, i, item)
    {
        if (!item_called(before, name_of(item)))
            compare_below(d, name_of(item), NULL, item);
    }
}

static void compare(struct differ *d, const json_t *before, const json_t *after)
{
    if (before && after && json_equal(before, after))
        return;
    if (d->n_keys < MOST_KEYS && json_is_object(before) && json_is_object(after))
        compare_objects(d, before, after);
    else if (d->n_keys < MOST_KEYS && is_named(before) && is_named(after))
        compare_named(d, before, after);
    else
        note(d, before, after);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct sl_config_change *)a)->path, ((const struct sl_config_change *)b)->path);
}

enum sl_code sl_config_diff(struct sl_config_change **out, size_t *n, const char *before, const char *after, struct sl_arena *arena,
                            struct sl_err *err)
{
    struct differ d = {.arena = arena};
    json_t *left = json_loads(before, 0, NULL), *right = json_loads(after, 0, NULL);
    const bool whole = json_is_object(left) && json_is_object(right);
    if (whole)
        compare(&d, left, right);
    json_decref(left);
    json_decref(right);
    if (d.n)
        qsort(d.changes, d.n, sizeof *d.changes, by_path);
    *out = d.changes;
    *n = d.n;
    return whole ? SL_OK : sl_fail(err, SL_CORRUPT, "a recorded config is no JSON object");
}

static json_t *step_down(const json_t *at, const char *key)
{
    return json_is_array(at) ? item_called(at, key) : json_object_get(at, key);
}

static json_t *walk(json_t *root, const struct sl_config_change *change, size_t n_keys)
{
    json_t *at = root;
    for (size_t i = 0; at && i < n_keys; i++)
        at = step_down(at, change->keys[i]);
    return at;
}

static void put_item(json_t *list, const char *name, json_t *value)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!sl_str_eq(name_of(json_array_get(list, i)), name))
            continue;
        if (value)
            json_array_set(list, i, value);
        else
            json_array_remove(list, i);
        return;
    }
    if (value)
        json_array_append(list, value);
}

static void put_value(json_t *parent, const char *key, json_t *value)
{
    if (json_is_array(parent))
        put_item(parent, key, value);
    else if (value)
        json_object_set(parent, key, value);
    else
        json_object_del(parent, key);
}

const char *sl_config_with(const char *normal, const char *donor, const struct sl_config_change *change, struct sl_arena *arena)
{
    const char *text = NULL;
    json_t *root = json_loads(normal, 0, NULL), *other = json_loads(donor, 0, NULL);
    json_t *parent = change->n_keys ? walk(root, change, change->n_keys - 1) : NULL;
    if (parent) {
        put_value(parent, change->keys[change->n_keys - 1], walk(other, change, change->n_keys));
        text = value_text(arena, root);
    }
    json_decref(root);
    json_decref(other);
    return text;
}
