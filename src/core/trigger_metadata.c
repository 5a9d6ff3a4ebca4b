/* trigger_metadata.c - what completions say that nothing here reads, on its way to the next phase (contract/messages.md: kept, passed on under metadata). */
#include <string.h>

#include "completion_internal.h"
#include "trigger_internal.h"

/* The metadata in the making. */
struct passing {
    struct sl_arena arena;
    struct sl_buf text;  /* the members, with commas */
    struct sl_map *said; /* names that are in it */
    bool truncated;
};

/* Members of one completion, on one of the two levels. */
struct level {
    struct passing *passing;
    const char *const *read; /* names that mean something here, or to the next phase under a name of their own */
    size_t n_read;
};

/* It was scanned when it came. */
static void scan(const char *object, size_t len, sl_json_visit *visit, struct level *level)
{
    struct sl_json_value root;
    enum sl_reject reject;
    (void)sl_json_scan(object, len, visit, level, &level->passing->arena, &root, &reject, NULL);
}

static bool is_read(const struct level *level, const struct sl_json_member *member)
{
    for (size_t i = 0; i < level->n_read; i++)
        if (sl_json_key_is(member, level->read[i]))
            return true;
    return false;
}

/* null is the absence of a field. */
static void pass(void *context, const struct sl_json_member *member)
{
    const struct level *level = context;
    struct passing *passing = level->passing;
    if (!member->key || member->value.kind == SL_JSON_NULL || is_read(level, member))
        return;
    const char *key = sl_arena_strndup(&passing->arena, member->key, member->key_len);
    if (sl_map_get(passing->said, key))
        return;
    sl_map_put(passing->said, key, passing);
    if (passing->text.len + member->raw_len >= SL_EXTRA_MAX_BYTES) {
        passing->truncated = true;
        return;
    }
    if (passing->text.len)
        sl_buf_char(&passing->text, ',');
    sl_buf_add(&passing->text, member->raw, member->raw_len);
}

/* A member of the completion: of `metadata` what is inside, level with the other fields. */
static void pass_field(void *context, const struct sl_json_member *member)
{
    static const char *const READ[] = {"is_incremental", "entities_changed"};
    const struct level *outer = context;
    struct level inner = {outer->passing, READ, sizeof READ / sizeof *READ};
    if (sl_json_key_is(member, SL_TRIGGER_METADATA) && member->value.kind == SL_JSON_OBJECT)
        scan(member->value.at, member->value.len, pass, &inner);
    else
        pass(context, member);
}

static void pass_extra(struct passing *passing, const char *extra)
{
    static const char *const READ[] = {SL_TRIGGER_METADATA, "quality", "data_sources", SL_EVENT_MEMBER};
    struct level level = {passing, READ, sizeof READ / sizeof *READ};
    scan(extra, strlen(extra), pass_field, &level);
}

void sl_trigger_put_metadata(struct sl_json *json, const struct sl_facts *facts)
{
    struct passing passing = {.said = sl_map_create()};
    for (size_t i = 0; i < facts->n_procs; i++)
        if (sl_trigger_counts(&facts->procs[i]) && facts->procs[i].run->extra)
            pass_extra(&passing, facts->procs[i].run->extra);
    if (passing.truncated && !sl_map_get(passing.said, "truncated"))
        sl_buf_printf(&passing.text, "%s\"truncated\":true", passing.text.len ? "," : "");
    if (passing.text.len) {
        sl_json_key(json, SL_TRIGGER_METADATA);
        sl_json_object(json);
        sl_json_raw(json, passing.text.data, passing.text.len);
        sl_json_end_object(json);
    }
    sl_map_destroy(&passing.said);
    sl_buf_fini(&passing.text);
    sl_arena_fini(&passing.arena);
}
