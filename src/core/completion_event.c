/* completion_event.c - a CloudEvent in structured mode: a JSON object around the completion. Its context attributes are kept; `data` is the completion's object, or `data_base64`
 * its bytes, of the type that datacontenttype says. */
#include "completion_event.h"

#include <string.h>

#include <sluice/base64.h>
#include <sluice/str.h>

enum { VERSION, ID, SOURCE, TYPE, DATA_TYPE, TRACE, DATA, DATA_BASE64, N_MEMBERS };

static const char *const MEMBERS[] = {"specversion", "id", "source", "type", "datacontenttype", "traceparent", "data", "data_base64"};
_Static_assert(sizeof(MEMBERS) / sizeof(MEMBERS[0]) == N_MEMBERS, "every member has a name");

struct event {
    struct sl_decode *decode;
    struct sl_json_value values[N_MEMBERS];
    bool present[N_MEMBERS]; /* and not null */
    struct sl_buf kept;      /* all but the data, as they are */
};

static int member_of(const struct sl_json_member *member)
{
    for (int i = 0; i < N_MEMBERS; i++)
        if (sl_json_key_is(member, MEMBERS[i]))
            return i;
    return N_MEMBERS;
}

static void collect(void *context, const struct sl_json_member *member)
{
    struct event *event = context;
    if (!member->key)
        return; /* a list: refused when it is whole */
    const int i = member_of(member);
    if (i < N_MEMBERS) {
        event->values[i] = member->value;
        event->present[i] = member->value.kind != SL_JSON_NULL;
    }
    if (i == DATA || i == DATA_BASE64)
        return;
    sl_buf_char(&event->kept, event->kept.len == 0 ? '{' : ',');
    sl_buf_add(&event->kept, member->raw, member->raw_len);
}

/* A text of it; NULL when it is not there. */
static const char *text_of(struct event *event, int i)
{
    size_t len;
    return event->present[i] ? sl_json_text(&event->values[i], event->decode->arena, &len) : NULL;
}

static bool check_texts(struct event *event)
{
    for (int i = VERSION; i <= TRACE; i++) {
        if (!event->present[i] && i <= TYPE)
            return sl_refuse(event->decode, SL_REJECT_MISSING_FIELD, "%s is missing; expected it in a CloudEvent", MEMBERS[i]);
        if (event->present[i] && event->values[i].kind != SL_JSON_STRING)
            return sl_refuse_value(event->decode, SL_REJECT_WRONG_TYPE, MEMBERS[i], &event->values[i], "a text");
        if (event->present[i] && i <= TYPE && event->values[i].len == 2)
            return sl_refuse_value(event->decode, SL_REJECT_BAD_VALUE, MEMBERS[i], &event->values[i], "a non-empty text");
    }
    return strcmp(text_of(event, VERSION), SL_EVENT_VERSION) == 0 ||
           sl_refuse_value(event->decode, SL_REJECT_BAD_VALUE, MEMBERS[VERSION], &event->values[VERSION], "\"" SL_EVENT_VERSION "\"");
}

static bool open_base64(struct event *event, enum sl_media media)
{
    struct sl_decode *decode = event->decode;
    const struct sl_json_value *value = &event->values[DATA_BASE64];
    char *bytes;
    size_t len;
    if (value->kind != SL_JSON_STRING)
        return sl_refuse_value(decode, SL_REJECT_WRONG_TYPE, MEMBERS[DATA_BASE64], value, "a text in base64");
    const char *text = sl_json_text(value, decode->arena, &len);
    if (!sl_base64_decode(text, len, decode->arena, &bytes, &len))
        return sl_refuse_value(decode, SL_REJECT_BAD_VALUE, MEMBERS[DATA_BASE64], value, "a text in base64");
    return sl_open_data(decode, media, bytes, len);
}

static bool open_data(struct event *event)
{
    struct sl_decode *decode = event->decode;
    const char *type = text_of(event, DATA_TYPE);
    const enum sl_media media = type ? sl_media_of(type, strlen(type)) : SL_MEDIA_JSON;
    if (media == SL_MEDIA_EVENT || media == SL_MEDIA_OTHER_EVENT)
        return sl_refuse_value(decode, SL_REJECT_BAD_VALUE, MEMBERS[DATA_TYPE], &event->values[DATA_TYPE], "no event inside an event");
    if (event->present[DATA] && event->present[DATA_BASE64])
        return sl_refuse(decode, SL_REJECT_BAD_VALUE, "data and data_base64 are both there; expected one of them");
    if (event->present[DATA_BASE64])
        return open_base64(event, media);
    if (!event->present[DATA])
        return sl_refuse(decode, SL_REJECT_MISSING_FIELD, "data is missing; expected the completion");
    if (media == SL_MEDIA_PROTOBUF)
        return sl_refuse_value(decode, SL_REJECT_WRONG_TYPE, MEMBERS[DATA], &event->values[DATA],
                               "data_base64, as datacontenttype is protobuf");
    if (event->values[DATA].kind != SL_JSON_OBJECT)
        return sl_refuse(decode, SL_REJECT_NOT_OBJECT, "data is %s; expected a JSON object", sl_json_kind_name(event->values[DATA].kind));
    return sl_open_data(decode, media, event->values[DATA].at, event->values[DATA].len);
}

void sl_event_keep(struct sl_decode *decode, const char *object, size_t len)
{
    struct sl_buf member = {0};
    sl_buf_str(&member, "\"" SL_EVENT_MEMBER "\":");
    sl_buf_add(&member, object, len);
    decode->event = sl_arena_strndup(decode->arena, member.data, member.len);
    decode->event_len = member.len;
    sl_buf_fini(&member);
}

bool sl_open_event(struct sl_decode *decode)
{
    struct event event = {.decode = decode};
    struct sl_json_value root;
    bool fine = sl_json_scan(decode->message->data, decode->message->len, collect, &event, decode->arena, &root, decode->reject,
                             decode->err);
    if (fine && root.kind != SL_JSON_OBJECT)
        fine = sl_refuse(decode, SL_REJECT_NOT_OBJECT, "the body is %s; expected a CloudEvent", sl_json_kind_name(root.kind));
    fine = fine && check_texts(&event) && open_data(&event);
    if (fine) {
        sl_buf_char(&event.kept, '}');
        sl_event_keep(decode, event.kept.data, event.kept.len);
        decode->event_traceparent = text_of(&event, TRACE);
    }
    sl_buf_fini(&event.kept);
    return fine;
}
