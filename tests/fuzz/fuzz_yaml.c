/* Any bytes as a config: a tree or a refusal with a line. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sluice/yaml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct sl_yaml *node, int depth)
{
    assert(depth <= SL_YAML_MAX_DEPTH);
    assert(node->line >= 1);
    assert((node->kind == SL_YAML_SCALAR) == (node->text != NULL));
    for (size_t i = 0; i < node->n; i++) {
        const struct sl_yaml *item = node->items[i];
        assert((node->kind == SL_YAML_MAP) == (item->key != NULL));
        assert(node->kind != SL_YAML_MAP || item->key[0] != '\0');
        check(item, depth + (item->kind == SL_YAML_LIST || item->kind == SL_YAML_MAP));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sl_arena arena = {0};
    struct sl_err err = {0};
    struct sl_yaml *root = NULL;
    enum sl_code code = sl_yaml_parse(&root, (const char *)data, size, "fuzz", &arena, &err);
    assert(code == SL_OK || (code == SL_INVALID && strncmp(err.text, "fuzz:", 5) == 0));
    assert((code == SL_OK) == (root != NULL));
    if (root != NULL)
        check(root, root->kind == SL_YAML_LIST || root->kind == SL_YAML_MAP);
    sl_arena_fini(&arena);
    return 0;
}
