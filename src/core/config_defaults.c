/* Fill in what was not said. `defaults` flows into every phase, a phase's columns into its processors, and the owner of a table lends its columns to
 * whoever names the table as a fallback (RULES 11). Afterwards `defaults` is gone: every phase says everything itself. */
#include <string.h>

#include "config_internal.h"

/* The default as a YAML node; lists and maps are written in flow style. */
static json_t *default_value(struct sl_reader *reader, const struct sl_node *node)
{
    const char *def = node->option->def;
    if (def[0] == '{' && node->option->type == SL_OPT_OBJECT)
        return json_object();
    struct sl_yaml scalar = {.kind = strcmp(def, "null") == 0 ? SL_YAML_NULL : SL_YAML_SCALAR, .text = def};
    if (def[0] != '[' && def[0] != '{' && def[0] != '"')
        return strcmp(def, "none") == 0 && (node->option->flags & SL_OPT_NONE) ? json_string("none")
                                                                               : sl_config_value(reader, node, &scalar, "");
    struct sl_yaml *yaml = NULL;
    if (sl_yaml_parse(&yaml, def, strlen(def), "default", reader->arena, NULL) != SL_OK)
        return NULL;
    return sl_config_value(reader, node, yaml, "");
}

static void fill(struct sl_reader *reader, const struct sl_node *node, json_t *value);

static void fill_object(struct sl_reader *reader, const struct sl_node *node, json_t *object)
{
    for (size_t i = 0; i < node->n; i++) {
        const struct sl_node *child = node->children[i];
        json_t *value = json_object_get(object, child->key);
        if (value == NULL && child->option->def != NULL) {
            value = default_value(reader, child);
            json_object_set_new(object, child->key, value);
        }
        if (value != NULL)
            fill(reader, child, value);
    }
}

static void fill(struct sl_reader *reader, const struct sl_node *node, json_t *value)
{
    if (node->option->type == SL_OPT_OBJECT) {
        fill_object(reader, node, value);
    } else if (node->option->type == SL_OPT_LIST) {
        for (size_t i = 0; i < json_array_size(value); i++)
            fill(reader, node->children[0], json_array_get(value, i));
    } else if (node->option->type == SL_OPT_MAP) {
        const char *key;
        json_t *item;
        json_object_foreach(value, key, item) fill(reader, node->children[0], item);
    }
}

/* What `from` says and `into` does not; maps key by key. */
static void inherit(json_t *into, const json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)from, key, value)
    {
        json_t *own = json_object_get(into, key);
        if (own == NULL)
            json_object_set_new(into, key, json_deep_copy(value));
        else if (json_is_object(own) && json_is_object(value))
            inherit(own, value);
    }
}

static void inherit_key(json_t *into, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    if (json_object_get(into, key) == NULL && value != NULL)
        json_object_set(into, key, value);
}

/* A strict completeness check asks for more unless it says how much. */
static void fill_threshold(json_t *phase)
{
    json_t *check = json_object_get(json_object_get(phase, "checks"), "completeness");
    const char *mode = json_string_value(json_object_get(check, "mode"));
    if (mode != NULL && strcmp(mode, "strict") == 0 && json_object_get(check, "threshold") == NULL)
        json_object_set_new(check, "threshold", json_string("90%"));
}

static const json_t *table_owner(const json_t *phases, const char *table)
{
    size_t i, j;
    json_t *phase, *processor;
    json_array_foreach((json_t *)phases, i, phase)
    {
        json_array_foreach(json_object_get(phase, "processors"), j, processor)
        {
            const char *own = json_string_value(json_object_get(processor, "table"));
            if (own != NULL && strcmp(own, table) == 0)
                return processor;
        }
    }
    return NULL;
}

static void resolve_fallbacks(const json_t *phases, const json_t *phase, const json_t *processor)
{
    size_t i;
    json_t *fallback;
    json_array_foreach(json_object_get(processor, "fallback"), i, fallback)
    {
        const char *table = json_string_value(json_object_get(fallback, "table"));
        const json_t *owner = table == NULL ? NULL : table_owner(phases, table);
        static const char *const columns[] = {"date_column", "unit_column"};
        for (size_t c = 0; c < 2; c++) {
            json_t *lent = json_object_get(owner, columns[c]);
            if (lent != NULL)
                json_object_set(fallback, columns[c], lent);
            inherit_key(fallback, phase, columns[c]);
        }
    }
}

static void flow_down(json_t *phase, const json_t *defaults)
{
    inherit(phase, defaults);
    fill_threshold(phase);
    size_t i;
    json_t *processor;
    json_array_foreach(json_object_get(phase, "processors"), i, processor)
    {
        inherit_key(processor, phase, "date_column");
        inherit_key(processor, phase, "unit_column");
    }
}

void sl_config_fill(struct sl_reader *reader, json_t *root)
{
    size_t i, j;
    json_t *phase, *processor;
    json_t *defaults = json_object_get(root, "defaults");
    if (defaults == NULL) {
        defaults = json_object();
        json_object_set_new(root, "defaults", defaults);
    }
    fill(reader, sl_node_child(reader->root, "defaults"), defaults);
    json_t *phases = json_object_get(root, "phases");
    json_array_foreach(phases, i, phase) flow_down(phase, defaults);
    json_object_del(root, "defaults");
    json_array_foreach(phases, i, phase)
    {
        json_array_foreach(json_object_get(phase, "processors"), j, processor) resolve_fallbacks(phases, phase, processor);
    }
    fill(reader, reader->root, root);
    json_object_del(root, "defaults");
}
