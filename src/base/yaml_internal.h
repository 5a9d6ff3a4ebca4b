/* yaml_internal.h - what the two readers of a tree share: YAML by libyaml, JSON by a reader of our own.
 * Pure. One thread at a time. */
#ifndef SLUICE_BASE_YAML_INTERNAL_H
#define SLUICE_BASE_YAML_INTERNAL_H

#include <sluice/str.h>
#include <sluice/yaml.h>

/* Where a tree is put and where its errors go. Everything is borrowed. */
struct sl_tree {
    const char *name; /* of the file */
    struct sl_arena *arena;
    struct sl_err *err;
};

/* Keys of one map: compared one by one while few, in a hash map when many. */
struct sl_keys {
    struct sl_map *seen;
};

struct sl_yaml *sl_tree_node(struct sl_tree *tree, enum sl_yaml_kind kind, int line);
struct sl_yaml *sl_tree_scalar(struct sl_tree *tree, const char *text, size_t len, bool quoted, int line);
void sl_tree_append(struct sl_tree *tree, struct sl_yaml *parent, struct sl_yaml *child);
/* SL_INVALID "<name>:<line>: <sentence>" */
enum sl_code sl_tree_fail(struct sl_tree *tree, int line, const char *fmt, ...) SL_PRINTF(3, 4);
/* SL_INVALID when `key` is empty or one that `map` already has. */
enum sl_code sl_tree_check_key(struct sl_tree *tree, struct sl_keys *keys, const struct sl_yaml *map, const char *key, int line);
void sl_keys_fini(struct sl_keys *keys);

/* Read `text` as strict JSON. False when it is none: then the error isn't set and the text may still be YAML.
 * True when it is: *code tells whether it was accepted, *out is the tree. */
bool sl_tree_read_json(struct sl_tree *tree, const char *text, size_t len, struct sl_yaml **out, enum sl_code *code);

#endif
