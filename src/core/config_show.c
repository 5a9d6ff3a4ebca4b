/* The normal form for people: indented, with every secret masked. What is masked depends on the reading (did it come out of ${...}?), so it is made then. */
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define MASK "***"

/* A connection string without its password: "password=X" up to a blank (or in quotes), or the X of "scheme://user:X@host". */
static void mask_dsn(struct sl_buf *out, const char *dsn)
{
    const char *word = strstr(dsn, "password=");
    const char *scheme = strstr(dsn, "://"), *at = scheme == NULL ? NULL : strrchr(scheme, '@');
    const char *colon = at == NULL ? NULL : memchr(scheme + 3, ':', (size_t)(at - scheme - 3));
    if (word != NULL) {
        const char *value = word + strlen("password=");
        const char *end = value + strcspn(value, " &");
        if (*value == '\'') /* a quoted value may hold blanks and escapes: nothing after it is worth the risk */
            end = value + strlen(value);
        sl_buf_add(out, dsn, (size_t)(value - dsn));
        sl_buf_str(out, MASK);
        dsn = end;
        if (strstr(dsn, "password=") != NULL)
            dsn = "";
    } else if (colon != NULL) {
        sl_buf_add(out, dsn, (size_t)(colon + 1 - dsn));
        sl_buf_str(out, MASK);
        dsn = at;
    }
    sl_buf_str(out, dsn);
}

static json_t *masked_text(struct sl_reader *reader, const struct sl_node *node, const char *text, const char *path)
{
    if (strcmp(node->key, "dsn") != 0 || sl_map_get(reader->from_env, path) != NULL)
        return json_string(MASK);
    struct sl_buf buf = {0};
    mask_dsn(&buf, text);
    json_t *masked = json_string(sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return masked;
}

static json_t *masked_copy(struct sl_reader *reader, const struct sl_node *node, const json_t *value, const char *path)
{
    if (node == NULL || (!json_is_object(value) && !json_is_array(value))) {
        bool secret = node != NULL && (node->option->flags & SL_OPT_SECRET) && json_is_string(value);
        return secret ? masked_text(reader, node, json_string_value(value), path) : json_deep_copy(value);
    }
    if (json_is_array(value)) {
        json_t *list = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            json_array_append_new(
                list, masked_copy(reader, node->children[0], json_array_get(value, i), sl_path_item(reader->arena, path, value, i)));
        return list;
    }
    json_t *object = json_object();
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)value, key, item)
    {
        const struct sl_node *child = sl_node_child(node, node->option->type == SL_OPT_MAP ? "*" : key);
        json_object_set_new(object, key, masked_copy(reader, child, item, sl_path_key(reader->arena, path, key)));
    }
    return object;
}

char *sl_config_masked(struct sl_reader *reader, const json_t *root)
{
    json_t *masked = masked_copy(reader, reader->root, root, "");
    char *text = json_dumps(masked, JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    json_decref(masked);
    return text;
}

void sl_config_show(struct sl_buf *out, const struct sl_config *config)
{
    const struct sl_config_owner *owner = config->owner;
    sl_buf_str(out, owner->shown);
    sl_buf_char(out, '\n');
}
