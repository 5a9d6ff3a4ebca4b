/* The phases as a whole: names, the DAG, who owns which subscription, and what a processor's parts need of each other. */
#include <string.h>

#include "config_internal.h"

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* Note that `path` has `name`; a fault where another path has it already. */
static void claim(struct sl_reader *reader, struct sl_map *taken, const char *name, const char *path, const char *what)
{
    if (name == NULL)
        return;
    const char *other = sl_map_get(taken, name);
    if (other != NULL)
        sl_reader_fault(reader, path, "found '%.60s', which %s has too; expected %s of its own", name, other, what);
    else
        sl_map_put(taken, name, (void *)(uintptr_t)path);
}

static void claim_names(struct sl_reader *reader, struct sl_map *taken, const json_t *item, const char *path, const char *what)
{
    claim(reader, taken, text_at(item, "name"), sl_path_key(reader->arena, path, "name"), what);
    const json_t *aliases = json_object_get(item, "aliases");
    for (size_t i = 0; i < json_array_size(aliases); i++)
        claim(reader, taken, json_string_value(json_array_get(aliases, i)), sl_arena_printf(reader->arena, "%s.aliases.%zu", path, i),
              what);
}

static void check_names(struct sl_reader *reader, const json_t *phases)
{
    struct sl_map *names = sl_map_create(), *subscriptions = sl_map_create(), *topics = sl_map_create();
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i), *completions = json_object_get(phase, "completions");
        const char *path = sl_path_item(reader->arena, "phases", phases, i);
        const char *below = sl_path_key(reader->arena, path, "completions");
        claim_names(reader, names, phase, path, "a name");
        claim(reader, subscriptions, text_at(completions, "subscription"), sl_path_key(reader->arena, below, "subscription"),
              "a subscription");
        claim(reader, topics, text_at(completions, "topic"), sl_path_key(reader->arena, below, "topic"), "a topic");
    }
    sl_map_destroy(&names);
    sl_map_destroy(&subscriptions);
    sl_map_destroy(&topics);
}

static const char **phase_names(struct sl_reader *reader, const json_t *phases, size_t *n)
{
    const char **names = sl_arena_array(reader->arena, json_array_size(phases) + 1, sizeof *names);
    *n = 0;
    for (size_t i = 0; i < json_array_size(phases); i++)
        if (text_at(json_array_get(phases, i), "name") != NULL)
            names[(*n)++] = text_at(json_array_get(phases, i), "name");
    return names;
}

static const char *joined(struct sl_arena *arena, const char *const *names, size_t n, const char *between)
{
    struct sl_buf buf = {0};
    for (size_t i = 0; i < n && buf.len < 600; i++)
        sl_buf_printf(&buf, "%s%s", i > 0 ? between : "", names[i]);
    const char *text = sl_arena_strdup(arena, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return text;
}

/* Every name in `after` is a phase, and none is named twice. */
static void check_after(struct sl_reader *reader, const json_t *phases, const struct sl_map *index, size_t i)
{
    const json_t *after = json_object_get(json_array_get(phases, i), "after");
    const char *path = sl_path_key(reader->arena, sl_path_item(reader->arena, "phases", phases, i), "after");
    bool *seen = sl_arena_array(reader->arena, json_array_size(phases) + 1, sizeof *seen);
    for (size_t a = 0; a < json_array_size(after); a++) {
        const char *name = json_string_value(json_array_get(after, a));
        int before = sl_config_find_phase(index, name);
        if (name != NULL && before < 0) {
            size_t n;
            const char **names = phase_names(reader, phases, &n);
            const char *hint = sl_reader_hint(reader, name, names, n);
            sl_reader_fault(reader, path, "found the phase '%.60s', which does not exist; expected one of %s%s", name,
                            joined(reader->arena, names, n, ", "), hint);
        } else if (before >= 0 && seen[before]) {
            sl_reader_fault(reader, path, "found the phase '%.60s' twice; expected every phase once", name);
        } else if (before >= 0) {
            seen[before] = true;
        }
    }
}

static bool is_placed(const size_t *dag, size_t n, size_t index)
{
    for (size_t i = 0; i < n; i++)
        if (dag[i] == index)
            return true;
    return false;
}

/* A phase before `at` that is in no order yet. There is one: `at` is in none either. */
static size_t unplaced_before(const json_t *phases, const struct sl_map *index, const size_t *dag, size_t n, size_t at)
{
    const json_t *after = json_object_get(json_array_get(phases, at), "after");
    for (size_t i = 0; i < json_array_size(after); i++) {
        int before = sl_config_find_phase(index, json_string_value(json_array_get(after, i)));
        if (before >= 0 && !is_placed(dag, n, (size_t)before))
            return (size_t)before;
    }
    return at;
}

/* Walk back from any phase that is in no order until one comes again: that is the cycle. */
static void fault_cycle(struct sl_reader *reader, const json_t *phases, const struct sl_map *index, const size_t *dag, size_t n_placed)
{
    size_t total = json_array_size(phases), at = 0, n = 0;
    while (is_placed(dag, n_placed, at))
        at++;
    for (size_t i = 0; i < total; i++)
        at = unplaced_before(phases, index, dag, n_placed, at);
    const char **names = sl_arena_array(reader->arena, total + 1, sizeof *names);
    const char *path = sl_path_key(reader->arena, sl_path_item(reader->arena, "phases", phases, at), "after");
    size_t first = at;
    do {
        const char *name = text_at(json_array_get(phases, at), "name");
        names[n++] = name != NULL ? name : "?";
        at = unplaced_before(phases, index, dag, n_placed, at);
    } while (at != first && n < total);
    names[n++] = names[0];
    sl_reader_fault(reader, path, "found a cycle: %s; expected phases that come after others without a cycle",
                    joined(reader->arena, names, n, " after "));
}

static void check_order(struct sl_reader *reader, const json_t *phases)
{
    struct sl_map *index = sl_config_phase_index(phases);
    size_t n = json_array_size(phases), n_placed;
    size_t *dag = sl_arena_array(reader->arena, n + 1, sizeof *dag);
    for (size_t i = 0; i < n; i++)
        check_after(reader, phases, index, i);
    if (!sl_config_dag(phases, index, dag, &n_placed))
        fault_cycle(reader, phases, index, dag, n_placed);
    sl_map_destroy(&index);
}

static void claim_columns(struct sl_reader *reader, struct sl_map *taken, const json_t *quality, const char *path, const char *key)
{
    const json_t *list = json_object_get(quality, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        const char *at = sl_arena_printf(reader->arena, "%s.%s.%zu", path, key, i);
        if (name == NULL)
            continue;
        const char *column = sl_column_key(reader->arena, name);
        if (sl_map_get(taken, column) != NULL)
            sl_reader_fault(reader, at, "found the column '%.60s' twice; expected every column once", name);
        sl_map_put(taken, column, taken);
    }
}

static void check_quality(struct sl_reader *reader, const json_t *processor, const char *path)
{
    const json_t *quality = json_object_get(processor, "quality");
    if (quality == NULL)
        return;
    const char *below = sl_path_key(reader->arena, path, "quality");
    struct sl_map *columns = sl_map_create();
    claim_columns(reader, columns, quality, below, "required");
    claim_columns(reader, columns, quality, below, "optional");
    if (sl_map_count(columns) == 0)
        sl_reader_fault(reader, below, "found no columns; expected at least one in required or optional");
    sl_map_destroy(&columns);
}

/* A source needs a date column, and no table may serve twice. */
static void check_fallbacks(struct sl_reader *reader, const json_t *processor, const char *path)
{
    const json_t *fallbacks = json_object_get(processor, "fallback");
    const char *table = text_at(processor, "table");
    struct sl_map *taken = sl_map_create();
    claim(reader, taken, table, sl_path_key(reader->arena, path, "table"), "a table");
    for (size_t i = 0; i < json_array_size(fallbacks); i++) {
        const json_t *fallback = json_array_get(fallbacks, i);
        const char *at = sl_arena_printf(reader->arena, "%s.fallback.%zu", path, i);
        claim(reader, taken, text_at(fallback, "table"), at, "a table");
        if (json_is_object(fallback) && text_at(fallback, "date_column") == NULL)
            sl_reader_fault(reader, sl_path_key(reader->arena, at, "date_column"), "missing; expected a column name here or in defaults");
    }
    sl_map_destroy(&taken);
}

/* What makes no sense without a table. */
static void check_no_table(struct sl_reader *reader, const json_t *processor, const char *path)
{
    static const char *const keys[] = {"quality", "reconstruction", "confidence"};
    for (size_t i = 0; i < 3; i++)
        if (json_object_get(processor, keys[i]) != NULL)
            sl_reader_fault(reader, sl_path_key(reader->arena, path, keys[i]), "found without a table; expected %s.table too", path);
    static const char *const lists[] = {"fallback", "inputs"};
    for (size_t i = 0; i < 2; i++)
        if (json_array_size(json_object_get(processor, lists[i])) > 0)
            sl_reader_fault(reader, sl_path_key(reader->arena, path, lists[i]), "found without a table; expected %s.table too", path);
    if (json_is_true(json_object_get(processor, "stamp")))
        sl_reader_fault(reader, sl_path_key(reader->arena, path, "stamp"), "found without a table; expected %s.table too", path);
}

static void check_processor(struct sl_reader *reader, const json_t *processor, const char *path, bool units)
{
    const json_t *table = json_object_get(processor, "table");
    check_quality(reader, processor, path);
    check_fallbacks(reader, processor, path);
    if (json_is_null(table))
        check_no_table(reader, processor, path);
    if (!json_is_string(table))
        return;
    if (text_at(processor, "date_column") == NULL)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, "date_column"), "missing; expected a column name here or in defaults");
    if (units && json_object_get(processor, "unit_column") == NULL)
        sl_reader_warn(reader,
                       "%s: the table %s is judged by date, because nothing names its unit column; unit_column: none says that it is meant",
                       path, json_string_value(table));
}

static void check_processors(struct sl_reader *reader, const json_t *phase, const char *path, bool units)
{
    const json_t *processors = json_object_get(phase, "processors");
    const char *below = sl_path_key(reader->arena, path, "processors");
    struct sl_map *names = sl_map_create();
    if (json_is_array(processors) && json_array_size(processors) == 0)
        sl_reader_fault(reader, below, "found no processors; expected at least one");
    for (size_t i = 0; i < json_array_size(processors); i++) {
        const json_t *processor = json_array_get(processors, i);
        const char *at = sl_path_item(reader->arena, below, processors, i);
        claim_names(reader, names, processor, at, "a name");
        check_processor(reader, processor, at, units);
    }
    sl_map_destroy(&names);
}

static void check_entity(struct sl_reader *reader, const json_t *calendar, const json_t *check, const char *path)
{
    const json_t *entities = json_object_get(calendar, "entities");
    const char *entity = text_at(check, "entity");
    if (entity == NULL || json_object_get(entities, entity) != NULL)
        return;
    size_t n = 0;
    const char **names = sl_arena_array(reader->arena, json_object_size(entities) + 1, sizeof *names);
    const char *key;
    json_t *columns;
    json_object_foreach((json_t *)entities, key, columns) names[n++] = key;
    sl_reader_fault(reader, sl_path_key(reader->arena, path, "entity"), "found '%.60s'; expected an entity of calendar.entities: %s%s",
                    entity, n > 0 ? joined(reader->arena, names, n, ", ") : "there is none", sl_reader_hint(reader, entity, names, n));
}

static void check_checks(struct sl_reader *reader, const json_t *root, const json_t *phase, const char *path)
{
    const json_t *checks = json_object_get(phase, "checks");
    check_entity(reader, json_object_get(root, "calendar"), json_object_get(checks, "completeness"),
                 sl_path_key(reader->arena, path, "checks.completeness"));
    if (sl_str_eq(text_at(phase, "on_skip"), "coalesce"))
        sl_reader_warn(reader, "%s.on_skip: coalesce is validated, not evaluated yet: suppressed triggers are held", path);
}

void sl_config_check_phases(struct sl_reader *reader, json_t *root)
{
    const json_t *phases = json_object_get(root, "phases");
    const char *unit = text_at(json_object_get(root, "calendar"), "unit_column");
    bool units = unit != NULL && strcmp(unit, "none") != 0;
    if (json_is_array(phases) && json_array_size(phases) == 0)
        sl_reader_fault(reader, "phases", "found no phases; expected at least one");
    check_names(reader, phases);
    check_order(reader, phases);
    for (size_t i = 0; i < json_array_size(phases); i++) {
        const json_t *phase = json_array_get(phases, i);
        const char *path = sl_path_item(reader->arena, "phases", phases, i);
        check_checks(reader, root, phase, path);
        check_processors(reader, phase, path, units);
    }
}
