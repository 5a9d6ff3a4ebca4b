/* json_keys.h - finds keys that an object has twice, while a scanner walks the text.
 * The keys of all open objects lie on one stack, each with a hash. An object compares a new key with its earlier
 * ones while it is small; a big one is sorted once, when it closes. So 10 MB of keys cost n log n, whatever the keys
 * are. Pure; one thread at a time. Private to src/core. */
#ifndef SLUICE_CORE_JSON_KEYS_H
#define SLUICE_CORE_JSON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_JSON_KEYS_INLINE 64 /* more open keys than that move to the heap */

struct sl_json_key {  /* open: a value; borrows its text */
    const char *text; /* unescaped */
    uint64_t hash;
    uint32_t len;
    uint32_t at; /* offset of its opening quote */
};

struct sl_json_keys { /* open for embedding; sl_json_keys_fini() frees `heap` */
    struct sl_json_key *items;
    size_t n, cap;
    size_t bases[32]; /* where the keys of each open object begin: as many as the scanner's depth limit */
    size_t n_objects;
    struct sl_json_key *heap;
    struct sl_json_key first[SL_JSON_KEYS_INLINE];
};

void sl_json_keys_init(struct sl_json_keys *keys);
void sl_json_keys_fini(struct sl_json_keys *keys);

/* The innermost object begins / ends. At most 32 are open. */
void sl_json_keys_open(struct sl_json_keys *keys);
void sl_json_keys_close(struct sl_json_keys *keys);

/* A key of the innermost open object; `text` is borrowed until it closes. False: it is a small object's second one
 * of that name. */
bool sl_json_keys_push(struct sl_json_keys *keys, const char *text, size_t len, size_t at);

/* The innermost object is complete: false when it is a big one that has a key twice. */
bool sl_json_keys_distinct(struct sl_json_keys *keys);

/* Of all open objects, the earliest key that is there a second time; false when there is none. */
bool sl_json_keys_earliest(struct sl_json_keys *keys, struct sl_json_key *twice);

#endif
