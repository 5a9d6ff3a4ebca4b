/* completion_nested.c - the two fields of a completion that have an inside: coverage_events and metadata.
 * Their bytes have passed the scanner already; scanning them again only cuts them into members. */
#include <stdio.h>
#include <string.h>

#include "completion_internal.h"

#define EVENTS_MAX 1000

/* Cut a value of the body. It can't fail: the body's scan was stricter. */
static void cut(struct sl_decode *decode, const struct sl_json_value *value, sl_json_visit *visit, void *context)
{
    struct sl_json_value root;
    enum sl_reject reject;
    (void)sl_json_scan(value->at, value->len, visit, context, decode->arena, &root, &reject, NULL);
}

/* ---- coverage_events ---- */

enum {
    SENT_TYPE,
    SENT_SEVERITY,
    SENT_UNIT,
    SENT_GAME,
    SENT_PLAYER,
    SENT_TEAM,
    SENT_TABLE,
    SENT_SOURCE,
    SENT_PRIMARY,
    SENT_DESCRIPTION,
    N_SENT
};

static const char *const SENT_FIELDS[] = {
    "event_type", "severity", "unit", "game_id", "player_id", "team_abbr", "table_name", "source", "primary_source", "description",
};
_Static_assert(sizeof(SENT_FIELDS) / sizeof(SENT_FIELDS[0]) == N_SENT, "every field has a name");

/* The elements of the list, as far as they are allowed. */
struct sent_list {
    struct sl_arena *arena;
    struct sl_json_value *elements;
    size_t n_elements;
    size_t n; /* all of them */
};

/* One event in the making. */
struct sent {
    struct sl_json_value values[N_SENT];
    bool present[N_SENT];
};

static void collect_element(void *context, const struct sl_json_member *member)
{
    struct sent_list *list = context;
    if (list->n++ >= EVENTS_MAX)
        return;
    list->elements = sl_arena_push(list->arena, list->elements, &list->n_elements, sizeof(*list->elements));
    list->elements[list->n_elements - 1] = member->value;
}

static void collect_sent(void *context, const struct sl_json_member *member)
{
    struct sent *sent = context;
    for (size_t i = 0; i < N_SENT; i++)
        if (member->value.kind != SL_JSON_NULL && sl_json_key_is(member, SENT_FIELDS[i])) {
            sent->values[i] = member->value;
            sent->present[i] = true;
        }
}

static const char *text_or_null(struct sl_decode *decode, const struct sent *sent, int field)
{
    size_t len;
    return sent->present[field] ? sl_json_text(&sent->values[field], decode->arena, &len) : NULL;
}

static const char *either(const char *first, const char *second)
{
    return first ? first : second;
}

static void fill_event(struct sl_decode *decode, const struct sent *sent, const struct sl_json_value *raw, struct sl_sent_event *event)
{
    event->event_type = text_or_null(decode, sent, SENT_TYPE);
    event->severity = text_or_null(decode, sent, SENT_SEVERITY);
    event->unit = either(text_or_null(decode, sent, SENT_UNIT), text_or_null(decode, sent, SENT_GAME));
    event->entity_player = text_or_null(decode, sent, SENT_PLAYER);
    event->entity_team = text_or_null(decode, sent, SENT_TEAM);
    event->table = text_or_null(decode, sent, SENT_TABLE);
    event->source = either(text_or_null(decode, sent, SENT_SOURCE), text_or_null(decode, sent, SENT_PRIMARY));
    event->description = text_or_null(decode, sent, SENT_DESCRIPTION);
    event->raw = raw->at;
    event->raw_len = raw->len;
}

static bool check_sent(struct sl_decode *decode, const char *where, const struct sent *sent)
{
    char field[160];
    snprintf(field, sizeof(field), "%s.event_type", where);
    if (!sent->present[SENT_TYPE])
        return sl_refuse(decode, SL_REJECT_MISSING_FIELD, "%s is missing; expected the type of a coverage event", field);
    for (size_t i = 0; i < N_SENT; i++) {
        snprintf(field, sizeof(field), "%s.%s", where, SENT_FIELDS[i]);
        if (sent->present[i] && sent->values[i].kind != SL_JSON_STRING)
            return sl_refuse_value(decode, SL_REJECT_WRONG_TYPE, field, &sent->values[i], "a text");
        if (i == SENT_TYPE && sent->values[i].len == 2)
            return sl_refuse_value(decode, SL_REJECT_BAD_VALUE, field, &sent->values[i], "the type of a coverage event");
    }
    return true;
}

static bool read_event(struct sl_decode *decode, const char *where, const struct sl_json_value *value, struct sl_sent_event *event)
{
    struct sent sent = {0};
    if (value->kind != SL_JSON_OBJECT)
        return sl_refuse_value(decode, SL_REJECT_WRONG_TYPE, where, value, "an object");
    cut(decode, value, collect_sent, &sent);
    if (!check_sent(decode, where, &sent))
        return false;
    fill_event(decode, &sent, value, event);
    return true;
}

bool sl_read_coverage_events(struct sl_decode *decode, struct sl_found *found)
{
    struct sl_completion *out = decode->out;
    struct sent_list list = {.arena = decode->arena};
    char where[128];
    if (found->rank == found->n_names)
        return true;
    const char *name = found->names[found->rank];
    if (found->value.kind != SL_JSON_ARRAY)
        return sl_refuse_value(decode, SL_REJECT_WRONG_TYPE, name, &found->value, "a list of coverage events");
    cut(decode, &found->value, collect_element, &list);
    if (list.n > EVENTS_MAX)
        return sl_refuse(decode, SL_REJECT_BAD_VALUE, "%s has %zu elements; expected at most %d", name, list.n, EVENTS_MAX);
    out->events = sl_arena_array(decode->arena, list.n, sizeof(*out->events));
    out->n_events = list.n;
    for (size_t i = 0; i < list.n; i++) {
        snprintf(where, sizeof(where), "%s[%zu]", name, i);
        if (!read_event(decode, where, &list.elements[i], &out->events[i]))
            return false;
    }
    found->used = true;
    return true;
}

/* ---- metadata ---- */

struct texts {
    struct sl_arena *arena;
    const char **items;
    size_t n;
    bool only_texts;
};

static void collect_text(void *context, const struct sl_json_member *member)
{
    struct texts *texts = context;
    size_t len;
    texts->only_texts &= member->value.kind == SL_JSON_STRING;
    if (!texts->only_texts)
        return;
    texts->items = sl_arena_push(texts->arena, texts->items, &texts->n, sizeof(*texts->items));
    texts->items[texts->n - 1] = sl_json_text(&member->value, texts->arena, &len);
}

static void read_entities(struct sl_decode *decode, const struct sl_json_value *value)
{
    struct texts texts = {.arena = decode->arena, .only_texts = true};
    if (value->kind != SL_JSON_ARRAY)
        return;
    cut(decode, value, collect_text, &texts);
    if (!texts.only_texts)
        return;
    decode->out->entities_changed = texts.items;
    decode->out->n_entities_changed = texts.n;
}

static void collect_metadata(void *context, const struct sl_json_member *member)
{
    struct sl_decode *decode = context;
    if (sl_json_key_is(member, "is_incremental") && member->value.kind == SL_JSON_BOOL) {
        decode->out->has_incremental = true;
        decode->out->is_incremental = member->value.at[0] == 't';
    }
    if (sl_json_key_is(member, "entities_changed"))
        read_entities(decode, &member->value);
}

/* Stays part of `extra`, whatever of it is read. */
bool sl_read_metadata(struct sl_decode *decode, struct sl_found *found)
{
    if (found->rank == found->n_names)
        return true;
    if (found->value.kind != SL_JSON_OBJECT)
        return sl_refuse_value(decode, SL_REJECT_WRONG_TYPE, found->names[found->rank], &found->value, "an object");
    if (found->value.len > 2)
        cut(decode, &found->value, collect_metadata, decode);
    return true;
}
