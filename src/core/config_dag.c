/* The order of the phases: every phase after those that its `after` names, ties in config order. Pure. */
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

static void index_name(struct sl_map *index, const char *name, size_t i)
{
    if (name != NULL && sl_map_get(index, name) == NULL)
        sl_map_put(index, name, (void *)(uintptr_t)(i + 1));
}

struct sl_map *sl_config_phase_index(const json_t *phases)
{
    struct sl_map *index = sl_map_create();
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i);
        const json_t *aliases = json_object_get(phase, "aliases");
        index_name(index, json_string_value(json_object_get(phase, "name")), i);
        for (size_t j = 0; j < json_array_size(aliases); j++)
            index_name(index, json_string_value(json_array_get(aliases, j)), i);
    }
    return index;
}

int sl_config_find_phase(const struct sl_map *index, const char *name)
{
    return name == NULL ? -1 : (int)(uintptr_t)sl_map_get(index, name) - 1;
}

/* edge[i * n + j]: phase i comes after phase j; waits[i]: how many it comes after. Unknown phases hold nobody up: they have an error of their own. */
static void fill_edges(const json_t *phases, const struct sl_map *index, size_t n, bool *edge, size_t *waits)
{
    for (size_t i = 0; i < n; i++) {
        const json_t *after = json_object_get(json_array_get(phases, i), "after");
        for (size_t a = 0; a < json_array_size(after); a++) {
            int j = sl_config_find_phase(index, json_string_value(json_array_get(after, a)));
            if (j < 0 || edge[i * n + (size_t)j])
                continue;
            edge[i * n + (size_t)j] = true;
            waits[i]++;
        }
    }
}

bool sl_config_dag(const json_t *phases, const struct sl_map *index, size_t *dag, size_t *n_placed)
{
    size_t n = json_array_size(phases);
    bool *edge = sl_calloc(n * n + 1, sizeof *edge);
    bool *placed = sl_calloc(n + 1, sizeof *placed);
    size_t *waits = sl_calloc(n + 1, sizeof *waits);
    fill_edges(phases, index, n, edge, waits);
    *n_placed = 0;
    for (size_t i = 0; i < n;) {
        if (placed[i] || waits[i] > 0) {
            i++;
            continue;
        }
        placed[i] = true;
        dag[(*n_placed)++] = i;
        for (size_t follower = 0; follower < n; follower++)
            if (edge[follower * n + i])
                waits[follower]--;
        i = 0;
    }
    free(edge);
    free(placed);
    free(waits);
    return *n_placed == n;
}
