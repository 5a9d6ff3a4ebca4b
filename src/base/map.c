/* map.c - a map from text to a pointer: open addressing, linear probing, at most half full, nothing is ever removed. */
#include <sluice/str.h>

#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>

#define FIRST_SLOTS 16 /* a power of two, as every later size */

struct slot {
    char *key; /* owned; NULL: free */
    uint64_t hash;
    void *value;
};

struct sl_map {
    struct slot *slots;
    size_t n_slots, count;
};

/* FNV-1a, with a last mix because the low bits choose the slot. */
static uint64_t hash_of(const char *key)
{
    uint64_t hash = 0xCBF29CE484222325ULL;
    for (const unsigned char *at = (const unsigned char *)key; *at != '\0'; at++)
        hash = (hash ^ *at) * 0x100000001B3ULL;
    return hash ^ (hash >> 32);
}

/* The slot that holds `key`, or the free one where it belongs. */
static struct slot *find(const struct sl_map *map, const char *key, uint64_t hash)
{
    size_t mask = map->n_slots - 1;
    size_t i = (size_t)hash & mask;
    while (map->slots[i].key != NULL && (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0))
        i = (i + 1) & mask;
    return &map->slots[i];
}

struct sl_map *sl_map_create(void)
{
    struct sl_map *map = sl_calloc(1, sizeof(*map));
    map->n_slots = FIRST_SLOTS;
    map->slots = sl_calloc(map->n_slots, sizeof(*map->slots));
    return map;
}

void sl_map_destroy(struct sl_map **map)
{
    if (*map == NULL)
        return;
    for (size_t i = 0; i < (*map)->n_slots; i++)
        free((*map)->slots[i].key);
    free((*map)->slots);
    free(*map);
    *map = NULL;
}

void *sl_map_get(const struct sl_map *map, const char *key)
{
    return find(map, key, hash_of(key))->value;
}

static void double_slots(struct sl_map *map)
{
    struct slot *old = map->slots;
    size_t n_old = map->n_slots;
    map->n_slots *= 2;
    map->slots = sl_calloc(map->n_slots, sizeof(*map->slots));
    for (size_t i = 0; i < n_old; i++)
        if (old[i].key != NULL)
            *find(map, old[i].key, old[i].hash) = old[i];
    free(old);
}

void sl_map_put(struct sl_map *map, const char *key, void *value)
{
    uint64_t hash = hash_of(key);
    struct slot *slot = find(map, key, hash);
    if (slot->key != NULL) {
        slot->value = value;
        return;
    }
    if ((map->count + 1) * 2 > map->n_slots) {
        double_slots(map);
        slot = find(map, key, hash);
    }
    *slot = (struct slot){sl_strdup(key), hash, value};
    map->count++;
}

size_t sl_map_count(const struct sl_map *map)
{
    return map->count;
}
