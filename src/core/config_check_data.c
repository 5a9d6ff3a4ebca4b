/* What the parts of a config that look at rows need of each other: no column twice where that means nothing, inputs that exist before what is made from them, statements that
 * make rows and do nothing else, stamps that have something to say, windows inside a season. The tree is filled and may hold what is faulty; that has been reported already. */
#include <string.h>
#include <strings.h>

#include "config_internal.h"

#define SEASON_DAYS 366 /* no season is longer */

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* ---- columns named twice ---- */

/* Two keys of one object that name the same column. */
static void check_pair(struct sl_reader *reader, const json_t *object, const char *path, const char *key, const char *other)
{
    const char *name = text_at(object, key), *taken = text_at(object, other);
    if (name != NULL && strcmp(name, "none") != 0 && taken != NULL && strcasecmp(name, taken) == 0)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, key), "found the column '%.60s', which %s names too; expected another one",
                        name, other);
}

static void check_list_once(struct sl_reader *reader, const json_t *list, const char *path)
{
    struct sl_map *seen = sl_map_create();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL)
            continue;
        const char *column = sl_column_key(reader->arena, name);
        if (sl_map_get(seen, column) != NULL)
            sl_reader_fault(reader, sl_arena_printf(reader->arena, "%s.%zu", path, i),
                            "found the column '%.60s' twice; expected every column once", name);
        sl_map_put(seen, column, seen);
    }
    sl_map_destroy(&seen);
}

static void check_map_once(struct sl_reader *reader, const json_t *map, const char *path)
{
    struct sl_map *seen = sl_map_create();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)map, key, value)
    {
        const char *name = json_string_value(value), *column = name == NULL ? NULL : sl_column_key(reader->arena, name);
        const char *other = column == NULL ? NULL : sl_map_get(seen, column);
        if (other != NULL)
            sl_reader_fault(reader, sl_path_key(reader->arena, path, key),
                            "found the column '%.60s', which %.60s has too; expected another one", name, other);
        else if (column != NULL)
            sl_map_put(seen, column, (void *)(uintptr_t)key);
    }
    sl_map_destroy(&seen);
}

static void check_calendar_columns(struct sl_reader *reader, const json_t *calendar)
{
    const json_t *entities = json_object_get(calendar, "entities");
    const char *key;
    json_t *list;
    check_pair(reader, calendar, "calendar", "unit_column", "date_column");
    json_object_foreach((json_t *)entities, key, list) check_list_once(reader, list, sl_path_key(reader->arena, "calendar.entities", key));
}

static void check_columns(struct sl_reader *reader, const json_t *processor, const char *path)
{
    const json_t *fallbacks = json_object_get(processor, "fallback");
    const char *exclude = sl_path_key(reader->arena, path, "fingerprint.exclude");
    if (text_at(processor, "table") != NULL)
        check_pair(reader, processor, path, "unit_column", "date_column");
    for (size_t i = 0; i < json_array_size(fallbacks); i++) {
        const json_t *fallback = json_array_get(fallbacks, i);
        const char *at = sl_arena_printf(reader->arena, "%s.fallback.%zu", path, i);
        check_pair(reader, fallback, at, "unit_column", "date_column");
        check_map_once(reader, json_object_get(fallback, "columns"), sl_path_key(reader->arena, at, "columns"));
    }
    check_list_once(reader, json_object_get(json_object_get(processor, "fingerprint"), "exclude"), exclude);
    check_map_once(reader, json_object_get(processor, "confidence"), sl_path_key(reader->arena, path, "confidence"));
}

/* ---- windows ---- */

/* A window of days that reaches beyond any season. */
static void check_days(struct sl_reader *reader, const json_t *object, const char *path, const char *key)
{
    const char *text = text_at(object, key);
    struct sl_window window;
    if (text != NULL && sl_window_parse(text, &window) && window.kind == SL_WINDOW_DAYS && window.n > SEASON_DAYS)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, key),
                        "found '%s'; expected at most %d days, because windows end with the season", text, SEASON_DAYS);
}

static void check_look_back(struct sl_reader *reader, const json_t *checks, const char *path)
{
    const char *text = text_at(json_object_get(checks, "gaps"), "look_back");
    int64_t ms;
    if (text != NULL && sl_duration_parse(text, &ms) && ms / 86400000 > SEASON_DAYS)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, "checks.gaps.look_back"),
                        "found '%s'; expected at most %dd, because nothing before the season is looked at", text, SEASON_DAYS);
}

static void check_windows(struct sl_reader *reader, const json_t *phase, const char *path)
{
    const json_t *checks = json_object_get(phase, "checks"), *processors = json_object_get(phase, "processors");
    check_look_back(reader, checks, path);
    check_days(reader, json_object_get(checks, "completeness"), sl_path_key(reader->arena, path, "checks.completeness"), "window");
    for (size_t p = 0; p < json_array_size(processors); p++) {
        const json_t *inputs = json_object_get(json_array_get(processors, p), "inputs");
        const char *at = sl_path_item(reader->arena, sl_path_key(reader->arena, path, "processors"), processors, p);
        for (size_t i = 0; i < json_array_size(inputs); i++)
            check_days(reader, json_array_get(inputs, i), sl_arena_printf(reader->arena, "%s.inputs.%zu", at, i), "window");
    }
}

/* ---- who fills which table ---- */

struct filler {
    const char *path, *table; /* table NULL: it fills none */
    const json_t *inputs;
    size_t phase;
    enum { NEW, OPEN, DONE } search; /* for cycles; open: its inputs are being followed */
};

struct fillers {
    struct sl_reader *reader;
    const json_t *phases;
    struct sl_map *index; /* phase names */
    struct filler *all;   /* config order */
    size_t n;
    struct sl_map *by_table; /* table -> the first that fills it */
    bool *before;            /* per phase, in the search that goes on */
};

static void find_fillers(struct fillers *f)
{
    struct sl_arena *arena = f->reader->arena;
    for (size_t p = 0; p < json_array_size(f->phases); p++) {
        const json_t *processors = json_object_get(json_array_get(f->phases, p), "processors");
        const char *path = sl_path_key(arena, sl_path_item(arena, "phases", f->phases, p), "processors");
        for (size_t i = 0; i < json_array_size(processors); i++) {
            const json_t *processor = json_array_get(processors, i);
            f->all = sl_arena_push(arena, f->all, &f->n, sizeof *f->all);
            f->all[f->n - 1] = (struct filler){sl_path_item(arena, path, processors, i), text_at(processor, "table"),
                                               json_object_get(processor, "inputs"), p, NEW};
        }
    }
    for (size_t i = 0; i < f->n; i++)
        if (f->all[i].table != NULL && sl_map_get(f->by_table, f->all[i].table) == NULL)
            sl_map_put(f->by_table, f->all[i].table, &f->all[i]);
}

static struct filler *filler_of(const struct fillers *f, const char *table)
{
    return table == NULL ? NULL : sl_map_get(f->by_table, table);
}

/* Marks `phase` and all that come before it. */
static void mark_before(struct fillers *f, size_t phase)
{
    const json_t *after = json_object_get(json_array_get(f->phases, phase), "after");
    if (f->before[phase])
        return;
    f->before[phase] = true;
    for (size_t i = 0; i < json_array_size(after); i++) {
        int at = sl_config_find_phase(f->index, json_string_value(json_array_get(after, i)));
        if (at >= 0)
            mark_before(f, (size_t)at);
    }
}

/* Does `late` come after `early`, through any number of phases? */
static bool comes_after(struct fillers *f, size_t late, size_t early)
{
    if (late == early)
        return false;
    memset(f->before, 0, json_array_size(f->phases) * sizeof *f->before);
    mark_before(f, late);
    return f->before[early];
}

static bool is_later(struct fillers *f, const struct filler *owner, const struct filler *filler)
{
    return comes_after(f, owner->phase, filler->phase) && !comes_after(f, filler->phase, owner->phase);
}

static const char *input_path(struct fillers *f, const struct filler *filler, size_t input)
{
    return sl_arena_printf(f->reader->arena, "%s.inputs.%zu.table", filler->path, input);
}

/* Follows the inputs; one that leads back to where the search came from closes a cycle. */
static void follow(struct fillers *f, struct filler *filler)
{
    filler->search = OPEN;
    for (size_t i = 0; i < json_array_size(filler->inputs); i++) {
        struct filler *owner = filler_of(f, text_at(json_array_get(filler->inputs, i), "table"));
        if (owner == NULL || owner->search == DONE || is_later(f, owner, filler))
            continue;
        if (owner->search == OPEN)
            sl_reader_fault(f->reader, input_path(f, filler, i),
                            "found '%.60s', which is made from '%.60s' itself; expected inputs without a cycle", owner->table,
                            filler->table == NULL ? "?" : filler->table);
        else
            follow(f, owner);
    }
    filler->search = DONE;
}

/* Somebody fills it, and not in a later phase. */
static void check_input(struct fillers *f, const struct filler *filler, const char *table, const char *path)
{
    const struct filler *owner = filler_of(f, table);
    if (owner == NULL)
        sl_reader_warn(f->reader, "%s: no processor fills %s: its rows hand down only the quality_tier that they have themselves", path,
                       table);
    else if (is_later(f, owner, filler))
        sl_reader_fault(f->reader, path, "found '%.60s', which %s fills in a later phase; expected a table of this phase or one before",
                        table, owner->path);
}

static void check_inputs(struct fillers *f, const struct filler *filler)
{
    struct sl_map *seen = sl_map_create();
    for (size_t i = 0; filler->table != NULL && i < json_array_size(filler->inputs); i++) {
        const json_t *input = json_array_get(filler->inputs, i);
        const char *table = text_at(input, "table"), *column = text_at(input, "entity_column");
        const char *path = input_path(f, filler, i);
        if (table == NULL || column == NULL)
            continue;
        const char *both = sl_arena_printf(f->reader->arena, "%s %s", table, column);
        if (sl_map_get(seen, both) != NULL)
            sl_reader_fault(f->reader, path, "found '%.60s' with the entity column '%.60s' twice; expected every input once", table,
                            column);
        else
            check_input(f, filler, table, path);
        sl_map_put(seen, both, seen);
    }
    sl_map_destroy(&seen);
}

/* ---- checks of a phase, statements and stamps of its processors ---- */

static bool is_on(const json_t *check)
{
    return check != NULL && !sl_str_eq(text_at(check, "mode"), "off");
}

/* What a check would look at, but nothing is there. */
static void check_checks(struct fillers *f, const json_t *phase, const char *path)
{
    const json_t *checks = json_object_get(phase, "checks"), *completeness = json_object_get(checks, "completeness");
    const json_t *processors = json_object_get(phase, "processors");
    const char *table = text_at(completeness, "table");
    bool profile = false;
    if (is_on(completeness) && table != NULL && filler_of(f, table) == NULL)
        sl_reader_warn(f->reader, "%s.checks.completeness.table: no processor fills %s: only its own rows are counted, no fallback's", path,
                       table);
    for (size_t i = 0; i < json_array_size(processors); i++)
        profile = profile || json_object_get(json_array_get(processors, i), "quality") != NULL;
    if (is_on(json_object_get(checks, "quality")) && !profile)
        sl_reader_warn(f->reader, "%s.checks.quality: no processor of the phase has a quality profile: there is nothing to assess", path);
}

static bool has_units(const json_t *root, const json_t *processor)
{
    const char *calendar = text_at(json_object_get(root, "calendar"), "unit_column"), *own = text_at(processor, "unit_column");
    return calendar != NULL && strcmp(calendar, "none") != 0 && own != NULL && strcmp(own, "none") != 0;
}

static void check_reconstruction(struct sl_reader *reader, const json_t *root, const json_t *processor, const char *path)
{
    const char *sql = text_at(json_object_get(processor, "reconstruction"), "sql"), *table = text_at(processor, "table");
    bool units = has_units(root, processor);
    if (sql == NULL || table == NULL)
        return;
    bool bigquery = sl_str_eq(text_at(json_object_get(root, "warehouse"), "type"), "bigquery");
    const char *wrong = sl_sql_reconstruction(sql, table, units, bigquery, reader->arena);
    if (wrong != NULL)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, "reconstruction.sql"),
                        "found %s; expected one INSERT INTO %s ... SELECT ... with @date%s", wrong, table, units ? " and @unit" : "");
}

static void check_stamp(struct sl_reader *reader, const json_t *phase, const json_t *processor, const char *path)
{
    bool something = json_object_get(processor, "quality") != NULL || json_array_size(json_object_get(processor, "inputs")) > 0 ||
                     json_array_size(json_object_get(phase, "after")) > 0;
    if (json_is_true(json_object_get(processor, "stamp")) && !something)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, "stamp"),
                        "found true, but nothing gives these rows a tier; expected a quality profile, inputs or a phase before");
}

static void check_phase(struct fillers *f, const json_t *root, size_t index)
{
    struct sl_reader *reader = f->reader;
    const json_t *phase = json_array_get(f->phases, index), *processors = json_object_get(phase, "processors");
    const char *path = sl_path_item(reader->arena, "phases", f->phases, index);
    if (json_object_get(json_object_get(root, "calendar"), "season") != NULL)
        check_windows(reader, phase, path);
    check_checks(f, phase, path);
    for (size_t i = 0; i < json_array_size(processors); i++) {
        const json_t *processor = json_array_get(processors, i);
        const char *at = sl_path_item(reader->arena, sl_path_key(reader->arena, path, "processors"), processors, i);
        check_columns(reader, processor, at);
        check_reconstruction(reader, root, processor, at);
        check_stamp(reader, phase, processor, at);
    }
}

void sl_config_check_data(struct sl_reader *reader, const json_t *root)
{
    struct fillers f = {.reader = reader, .phases = json_object_get(root, "phases"), .by_table = sl_map_create()};
    f.index = sl_config_phase_index(f.phases);
    f.before = sl_arena_array(reader->arena, json_array_size(f.phases) + 1, sizeof *f.before);
    find_fillers(&f);
    check_calendar_columns(reader, json_object_get(root, "calendar"));
    for (size_t i = 0; i < json_array_size(f.phases); i++)
        check_phase(&f, root, i);
    for (size_t i = 0; i < f.n; i++)
        check_inputs(&f, &f.all[i]);
    for (size_t i = 0; i < f.n; i++)
        if (f.all[i].search == NEW)
            follow(&f, &f.all[i]);
    sl_map_destroy(&f.index);
    sl_map_destroy(&f.by_table);
}
