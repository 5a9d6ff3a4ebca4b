/* config_diff.h - what differs between two configs, key by key, and a config with one key taken from the other.
 * Both are normal forms (sl_config.normal): canonical JSON with every default. Pure. Results are arena-held. */
#ifndef SLUICE_CONFIG_DIFF_H
#define SLUICE_CONFIG_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/error.h>
#include <sluice/mem.h>

struct sl_config_change {
    const char *const *keys; /* from the root; an item of a list of named things goes by its name, any other list is one value */
    size_t n_keys;
    const char *path;           /* the keys joined by dots, as --set takes them */
    const char *before, *after; /* values: texts as they are, anything else as JSON; NULL: absent */
};

/* Ascending by path. SL_CORRUPT: one of them is no JSON object. */
enum sl_code sl_config_diff(struct sl_config_change **out, size_t *n, const char *before, const char *after, struct sl_arena *arena,
                            struct sl_err *err);
/* `normal` with the value at the change's place taken from `donor`; absent there, it is taken away. NULL when the place does not exist. */
const char *sl_config_with(const char *normal, const char *donor, const struct sl_config_change *change, struct sl_arena *arena);

#endif
