/* json_keys.c - the stack of keys, and the search for two equal ones. */
#include "json_keys.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#define SMALL_OBJECT 24 /* compared one by one: at most 24 * 23 / 2 comparisons of hashes */

void sl_json_keys_init(struct sl_json_keys *keys)
{
    keys->items = keys->first; /* not zeroed: most messages never touch the end of it */
    keys->n = 0;
    keys->cap = SL_JSON_KEYS_INLINE;
    keys->n_objects = 0;
    keys->heap = NULL;
}

void sl_json_keys_fini(struct sl_json_keys *keys)
{
    free(keys->heap);
    keys->heap = NULL;
}

void sl_json_keys_open(struct sl_json_keys *keys)
{
    keys->bases[keys->n_objects++] = keys->n;
}

void sl_json_keys_close(struct sl_json_keys *keys)
{
    keys->n = keys->bases[--keys->n_objects];
}

/* Multiply and fold. The hash only speeds things up: equal hashes are compared byte by byte, and sorting bounds the
 * cost of collisions. */
static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)(a ^ UINT64_C(0x9E3779B97F4A7C15)) * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_of(const char *text, size_t len)
{
    uint64_t hash = len, word;
    while (len >= sizeof(word)) {
        memcpy(&word, text, sizeof(word));
        hash = fold(hash ^ word, UINT64_C(0xA0761D6478BD642F));
        text += sizeof(word);
        len -= sizeof(word);
    }
    word = 0;
    memcpy(&word, text, len);
    return fold(hash ^ word, UINT64_C(0xE7037ED1A0B428DB));
}

static bool same(const struct sl_json_key *a, const struct sl_json_key *b)
{
    return a->hash == b->hash && a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void grow(struct sl_json_keys *keys)
{
    bool was_inline = keys->heap == NULL;
    keys->cap *= 2;
    keys->heap = sl_realloc_array(keys->heap, keys->cap, sizeof(struct sl_json_key));
    if (was_inline)
        memcpy(keys->heap, keys->first, sizeof(keys->first));
    keys->items = keys->heap;
}

bool sl_json_keys_push(struct sl_json_keys *keys, const char *text, size_t len, size_t at)
{
    size_t base = keys->bases[keys->n_objects - 1];
    if (keys->n == keys->cap)
        grow(keys);
    struct sl_json_key *key = &keys->items[keys->n];
    *key = (struct sl_json_key){text, hash_of(text, len), (uint32_t)len, (uint32_t)at};
    keys->n++;
    for (const struct sl_json_key *other = keys->items + base; key - (keys->items + base) < SMALL_OBJECT && other < key; other++)
        if (same(other, key))
            return false;
    return true;
}

/* A total order in which equal keys are neighbours, the earlier one first. */
static int compare(const struct sl_json_key *a, const struct sl_json_key *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->len != b->len)
        return a->len < b->len ? -1 : 1;
    int order = memcmp(a->text, b->text, a->len);
    if (order != 0)
        return order;
    return a->at < b->at ? -1 : a->at > b->at;
}

static void sift_down(struct sl_json_key *keys, size_t root, size_t n)
{
    struct sl_json_key moving = keys[root];
    for (size_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && compare(&keys[child], &keys[child + 1]) < 0)
            child++;
        if (compare(&moving, &keys[child]) >= 0)
            break;
        keys[root] = keys[child];
        root = child;
    }
    keys[root] = moving;
}

/* Heapsort: in place, and n log n for every input. */
static void sort(struct sl_json_key *keys, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift_down(keys, i, n);
    for (size_t last = n; last-- > 1;) {
        struct sl_json_key top = keys[0];
        keys[0] = keys[last];
        keys[last] = top;
        sift_down(keys, 0, last);
    }
}

/* Does one object's keys [from, to) hold a second one earlier than *twice (text NULL: none yet)? A small object may
 * have its duplicate last, just pushed: sorting finds that too. */
static void find_twice(struct sl_json_keys *keys, size_t from, size_t to, struct sl_json_key *twice)
{
    const struct sl_json_key *items = keys->items;
    sort(keys->items + from, to - from);
    for (size_t i = from + 1; i < to; i++)
        if (same(&items[i - 1], &items[i]) && (!twice->text || items[i].at < twice->at))
            *twice = items[i];
}

bool sl_json_keys_distinct(struct sl_json_keys *keys)
{
    struct sl_json_key twice = {0};
    size_t base = keys->bases[keys->n_objects - 1];
    if (keys->n - base <= SMALL_OBJECT)
        return true;
    find_twice(keys, base, keys->n, &twice);
    return twice.text == NULL;
}

bool sl_json_keys_earliest(struct sl_json_keys *keys, struct sl_json_key *twice)
{
    *twice = (struct sl_json_key){0};
    for (size_t i = 0; i < keys->n_objects; i++) {
        size_t to = i + 1 < keys->n_objects ? keys->bases[i + 1] : keys->n;
        find_twice(keys, keys->bases[i], to, twice);
    }
    return twice->text != NULL;
}
