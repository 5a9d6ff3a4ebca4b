/* A config from file or memory to structs; see config_internal.h for its way. Nothing is bound unless everything is valid, so a reader of sl_config never
 * meets half of one. The reader and its arena live for one reading; the config has an arena of its own. */
#include <stdlib.h>
#include <string.h>

#include <sluice/file.h>
#include <sluice/hash.h>

#include "config_internal.h"

static const char *process_env(const char *name)
{
    return getenv(name);
}

static void reader_init(struct sl_reader *reader, struct sl_arena *arena, const char *name, const char *(*getenv_fn)(const char *))
{
    *reader = (struct sl_reader){.arena = arena, .file = name, .getenv_fn = getenv_fn != NULL ? getenv_fn : process_env};
    reader->root = sl_options_tree(arena);
    reader->lines = sl_map_create();
    reader->from_env = sl_map_create();
}

static void reader_fini(struct sl_reader *reader)
{
    sl_map_destroy(&reader->lines);
    sl_map_destroy(&reader->from_env);
}

static const char *normal_text(struct sl_arena *arena, const json_t *root)
{
    char *text = json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(15));
    const char *kept = sl_arena_strdup(arena, text);
    free(text);
    return kept;
}

static void keep_warnings(struct sl_config *config, const struct sl_reader *reader, struct sl_arena *arena)
{
    config->warnings = sl_arena_array(arena, reader->n_warnings + 1, sizeof *config->warnings);
    config->n_warnings = reader->n_warnings;
    for (size_t i = 0; i < reader->n_warnings; i++)
        config->warnings[i] = sl_arena_strdup(arena, reader->warnings[i]);
}

/* Bound from the normal form itself, its keys sorted: what has one hash is one config, whatever the order of the file's keys. */
static enum sl_code bind_normal(struct sl_config *config, struct sl_arena *arena, struct sl_err *err)
{
    json_error_t error;
    json_t *sorted = json_loads(config->normal, 0, &error);
    if (sorted == NULL)
        return sl_fail(err, SL_INTERNAL, "the normal form does not read back: %s", error.text);
    enum sl_code code = sl_config_bind(config, sorted, arena, err);
    json_decref(sorted);
    return code;
}

static enum sl_code build(struct sl_config **out, struct sl_reader *reader, const json_t *root, const char *dir, struct sl_err *err)
{
    struct sl_config *config = sl_calloc(1, sizeof *config);
    struct sl_config_owner *owner = sl_calloc(1, sizeof *owner);
    config->owner = owner;
    config->file = sl_arena_strdup(&owner->arena, reader->file);
    config->dir = sl_arena_strdup(&owner->arena, dir);
    config->normal = normal_text(&owner->arena, root);
    char hash[SL_SHA256_HEX + 1];
    config->hash = sl_arena_strdup(&owner->arena, sl_sha256_hex(config->normal, strlen(config->normal), hash));
    enum sl_code code = bind_normal(config, &owner->arena, err);
    if (code != SL_OK) {
        sl_config_destroy(&config);
        return code;
    }
    owner->shown = sl_config_masked(reader, root);
    keep_warnings(config, reader, &owner->arena);
    *out = config;
    return SL_OK;
}

static enum sl_code read_tree(struct sl_config **out, struct sl_reader *reader, struct sl_yaml *yaml, const char *dir,
                              const struct sl_override *sets, size_t n_sets, struct sl_buf *errors, struct sl_err *err)
{
    sl_config_override(reader, &yaml, sets, n_sets);
    json_t *root = sl_config_normalise(reader, yaml);
    sl_config_fill(reader, root);
    sl_config_check(reader, root);
    enum sl_code code = sl_reader_report(reader, errors, err);
    if (code == SL_OK)
        code = build(out, reader, root, dir, err);
    json_decref(root);
    return code;
}

enum sl_code sl_config_parse(struct sl_config **out, const char *text, size_t len, const char *name, const char *dir,
                             const struct sl_override *sets, size_t n_sets, const char *(*getenv_fn)(const char *), struct sl_buf *errors,
                             struct sl_err *err)
{
    struct sl_err own = {0};
    struct sl_err *fault = err != NULL ? err : &own;
    struct sl_arena arena = {0};
    struct sl_yaml *yaml = NULL;
    *out = NULL;
    enum sl_code code = sl_yaml_parse(&yaml, text, len, name, &arena, fault);
    if (code == SL_OK) {
        struct sl_reader reader;
        reader_init(&reader, &arena, name, getenv_fn);
        code = read_tree(out, &reader, yaml, dir, sets, n_sets, errors, fault);
        reader_fini(&reader);
    } else if (errors != NULL) {
        sl_buf_printf(errors, "%s\n", fault->text);
    }
    sl_arena_fini(&arena);
    return code;
}

enum sl_code sl_config_load(struct sl_config **out, const char *path, const struct sl_override *sets, size_t n_sets,
                            const char *(*getenv_fn)(const char *), struct sl_buf *errors, struct sl_err *err)
{
    struct sl_err own = {0};
    struct sl_err *fault = err != NULL ? err : &own;
    struct sl_buf text = {0};
    *out = NULL;
    enum sl_code code = sl_file_read(&text, path, SL_YAML_MAX_BYTES, fault);
    if (code == SL_OK) {
        char *dir = sl_path_dirname(path);
        code = sl_config_parse(out, sl_buf_text(&text), text.len, path, dir, sets, n_sets, getenv_fn, errors, fault);
        free(dir);
    } else if (errors != NULL) {
        sl_buf_printf(errors, "%s\n", fault->text);
    }
    sl_buf_fini(&text);
    return code;
}

void sl_config_destroy(struct sl_config **config)
{
    if (config == NULL || *config == NULL)
        return;
    struct sl_config_owner *owner = (*config)->owner;
    sl_zone_destroy(&(*config)->zone);
    sl_zone_destroy(&(*config)->message.naive_zone);
    sl_arena_fini(&owner->arena);
    free(owner->shown);
    free(owner);
    free(*config);
    *config = NULL;
}
