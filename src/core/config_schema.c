/* The JSON Schema (draft 2020-12) that editors use, made from the option table. A text may hold ${NAME} anywhere, so every pattern lets that through. */
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

#define ENV_OR(pattern) "^(" pattern ")$|\\$\\{"

static json_t *node_schema(const struct sl_node *node, struct sl_arena *arena);

static json_t *with_pattern(const char *pattern)
{
    return json_pack("{s:s,s:s}", "type", "string", "pattern", pattern);
}

static json_t *one_of_choices(const char *allowed, struct sl_arena *arena)
{
    size_t n;
    const char **choices = sl_option_choices(allowed, arena, &n);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(choices[i]));
    return json_pack("{s:o}", "enum", list);
}

/* minimum and maximum from "LOW..HIGH" or ">LOW..HIGH". */
static void put_range(json_t *schema, const char *allowed, struct sl_arena *arena)
{
    if (allowed == NULL)
        return;
    bool open = allowed[0] == '>';
    const char *dots = strstr(allowed, "..");
    double low, high;
    if (sl_parse_double(sl_arena_strndup(arena, allowed + open, (size_t)(dots - allowed) - open), &low))
        json_object_set_new(schema, open ? "exclusiveMinimum" : "minimum", json_real(low));
    if (sl_parse_double(dots + 2, &high))
        json_object_set_new(schema, "maximum", json_real(high));
}

static json_t *number_schema(const char *type, const char *allowed, struct sl_arena *arena)
{
    json_t *schema = json_pack("{s:s}", "type", type);
    put_range(schema, allowed, arena);
    return schema;
}

static json_t *window_schema(const char *allowed, struct sl_arena *arena)
{
    size_t n;
    const char **kinds = sl_option_choices(allowed, arena, &n);
    struct sl_buf buf = {0};
    sl_buf_str(&buf, "^([1-9][0-9]{0,5} (");
    for (size_t i = 0; i < n; i++)
        sl_buf_printf(&buf, "%s%.*ss?", i > 0 ? "|" : "", (int)strlen(kinds[i]) - 1, kinds[i]);
    sl_buf_str(&buf, "))$|\\$\\{");
    json_t *schema = with_pattern(sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return schema;
}

static json_t *object_schema(const struct sl_node *node, struct sl_arena *arena)
{
    json_t *properties = json_object(), *required = json_array();
    for (size_t i = 0; i < node->n; i++) {
        const struct sl_node *child = node->children[i];
        json_object_set_new(properties, child->key, node_schema(child, arena));
        if (child->option->flags & SL_OPT_REQUIRED)
            json_array_append_new(required, json_string(child->key));
    }
    json_t *schema = json_pack("{s:s,s:b,s:o}", "type", "object", "additionalProperties", 0, "properties", properties);
    if (json_array_size(required) > 0)
        json_object_set(schema, "required", required);
    json_decref(required);
    const char *lone = node->option->lone;
    if (lone == NULL)
        return schema;
    const struct sl_node *child = strcmp(lone, "*") == 0 ? node->children[0] : sl_node_child(node, lone);
    json_t *scalar = node_schema(child, arena);
    json_object_del(scalar, "default");
    json_object_del(scalar, "description");
    return json_pack("{s:[o,o]}", "anyOf", scalar, schema);
}

static json_t *map_schema(const struct sl_node *node, struct sl_arena *arena)
{
    json_t *schema = json_pack("{s:s,s:o}", "type", "object", "additionalProperties", node_schema(node->children[0], arena));
    if (strcmp(node->option->allowed, "column") == 0)
        json_object_set_new(schema, "propertyNames", json_pack("{s:s}", "pattern", "^[A-Za-z_][A-Za-z0-9_]*$"));
    return schema;
}

static json_t *list_schema(const struct sl_node *node, struct sl_arena *arena)
{
    json_t *item = node_schema(node->children[0], arena);
    json_t *list = json_pack("{s:s,s:i,s:O}", "type", "array", "maxItems", SL_CONFIG_MAX_ITEMS, "items", item);
    if (!(node->option->flags & SL_OPT_ONE)) {
        json_decref(item);
        return list;
    }
    return json_pack("{s:[o,o]}", "anyOf", list, item);
}

static json_t *type_schema(const struct sl_node *node, struct sl_arena *arena)
{
    const char *allowed = node->option->allowed;
    switch (node->option->type) {
    case SL_OPT_OBJECT: return object_schema(node, arena);
    case SL_OPT_MAP: return map_schema(node, arena);
    case SL_OPT_LIST: return list_schema(node, arena);
    case SL_OPT_TEXT: return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean");
    case SL_OPT_NAME: return with_pattern(ENV_OR("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"));
    case SL_OPT_TABLE: return with_pattern(ENV_OR("[A-Za-z_][A-Za-z0-9_]*\\.[A-Za-z_][A-Za-z0-9_]*"));
    case SL_OPT_COLUMN: return with_pattern(ENV_OR("[A-Za-z_][A-Za-z0-9_]*"));
    case SL_OPT_ZONE: return json_pack("{s:s}", "type", "string");
    case SL_OPT_ENUM: return one_of_choices(allowed, arena);
    case SL_OPT_INT: return number_schema("integer", allowed, arena);
    case SL_OPT_NUMBER: return number_schema("number", allowed, arena);
    case SL_OPT_BOOL: return json_pack("{s:s}", "type", "boolean");
    case SL_OPT_DURATION:
    case SL_OPT_DAYS: return with_pattern(ENV_OR("[0-9]+(ms|s|m|h|d)"));
    case SL_OPT_PERCENT: return with_pattern(ENV_OR("[0-9]+(\\.[0-9]+)?%"));
    case SL_OPT_TIME: return with_pattern(ENV_OR("([01][0-9]|2[0-3]):[0-5][0-9]"));
    case SL_OPT_DATE: return with_pattern(ENV_OR("[0-9]{4}-[0-9]{2}-[0-9]{2}"));
    case SL_OPT_WINDOW: return window_schema(allowed, arena);
    }
    return json_object();
}

/* Objects that may be left empty, and what has null as a value. */
static bool may_be_null(const struct sl_option *option)
{
    if (option->flags & (SL_OPT_NULL | SL_OPT_NONE))
        return true;
    return option->type == SL_OPT_OBJECT && !(option->flags & SL_OPT_NOT_NULL) && option->path[0] != '\0';
}

static json_t *default_json(const struct sl_option *option, struct sl_arena *arena)
{
    json_t *value = json_loads(option->def, JSON_DECODE_ANY, NULL);
    if (value != NULL)
        return value;
    struct sl_yaml *yaml = NULL;
    bool list = option->type == SL_OPT_LIST && sl_yaml_parse(&yaml, option->def, strlen(option->def), "default", arena, NULL) == SL_OK;
    value = list ? json_array() : json_string(option->def);
    for (size_t i = 0; list && i < yaml->n; i++) {
        const struct sl_yaml *item = yaml->items[i];
        json_array_append_new(value, item->kind == SL_YAML_MAP ? json_pack("{s:s}", item->items[0]->key, item->items[0]->text)
                                                               : json_string(item->text));
    }
    return value;
}

static json_t *node_schema(const struct sl_node *node, struct sl_arena *arena)
{
    const struct sl_option *option = node->option;
    json_t *schema = type_schema(node, arena);
    if (may_be_null(option))
        schema = json_pack("{s:[o,{s:s}]}", "anyOf", schema, "type", "null");
    const char *unit = option->unit == NULL ? "" : sl_arena_printf(arena, " (%s)", option->unit);
    json_object_set_new(schema, "description", json_sprintf("%s%s", option->help, unit));
    if (option->def != NULL)
        json_object_set_new(schema, "default", default_json(option, arena));
    return schema;
}

void sl_config_schema(struct sl_buf *out)
{
    struct sl_arena arena = {0};
    json_t *schema = node_schema(sl_options_tree(&arena), &arena);
    json_object_set_new(schema, "$schema", json_string("https://json-schema.org/draft/2020-12/schema"));
    json_object_set_new(schema, "title", json_string("Sluice configuration"));
    char *text = json_dumps(schema, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    sl_buf_str(out, text);
    sl_buf_char(out, '\n');
    free(text);
    json_decref(schema);
    sl_arena_fini(&arena);
}
