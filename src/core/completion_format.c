/* completion_format.c - what a completion came as: told by the attribute content-type, and by the ce- attributes of a CloudEvent in binary mode.
 *
 *   content-type application/protobuf or application/x-protobuf   the body is a sluice.v1.Completion
 *   content-type application/cloudevents+json                     the body is an event, its data the completion (completion_event.c)
 *   ce-specversion                                                the attributes are an event's, the body is its data
 *   anything else, or nothing                                     the body is the JSON object
 *
 * Whatever it was, a JSON object comes out. */
#include <string.h>
#include <strings.h>

#include <sluice/json.h>

#include "completion_event.h"
#include "completion_proto.h"

#define EVENT_ATTRIBUTES_MAX 100 /* as many as a message may have */

/* ---- the content type ---- */

static bool is_type(const char *text, size_t len, const char *type)
{
    return strlen(type) == len && strncasecmp(text, type, len) == 0;
}

enum sl_media sl_media_of(const char *content_type, size_t len)
{
    static const char EVENTS[] = "application/cloudevents";
    static const char *const PROTOBUF[] = {"application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"};
    const char *end = memchr(content_type, ';', len);
    if (end)
        len = (size_t)(end - content_type);
    for (; len > 0 && *content_type == ' '; len--)
        content_type++;
    while (len > 0 && content_type[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < sizeof PROTOBUF / sizeof PROTOBUF[0]; i++)
        if (is_type(content_type, len, PROTOBUF[i]))
            return SL_MEDIA_PROTOBUF;
    if (is_type(content_type, len, "application/cloudevents+json"))
        return SL_MEDIA_EVENT;
    return len >= sizeof EVENTS - 1 && strncasecmp(content_type, EVENTS, sizeof EVENTS - 1) == 0 ? SL_MEDIA_OTHER_EVENT : SL_MEDIA_JSON;
}

/* Of a key that comes twice the last counts. */
static const struct sl_attribute *find(const struct sl_message *message, const char *key)
{
    for (size_t i = message->n_attributes; i-- > 0;)
        if (strcasecmp(message->attributes[i].key, key) == 0)
            return &message->attributes[i];
    return NULL;
}

/* ---- a CloudEvent in binary mode ---- */

/* The name of an event's attribute: lower-case letters and digits. */
static const char *event_name(const struct sl_attribute *attribute)
{
    if (strncasecmp(attribute->key, "ce-", 3) != 0)
        return NULL;
    const char *name = attribute->key + 3;
    const size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
    return len > 0 && name[len] == '\0' ? name : NULL;
}

static bool comes_again(const struct sl_message *message, size_t i)
{
    for (size_t k = i + 1; k < message->n_attributes; k++)
        if (strcasecmp(message->attributes[k].key, message->attributes[i].key) == 0)
            return true;
    return false;
}

static void put_event_attributes(struct sl_json *json, const struct sl_message *message)
{
    sl_json_object(json);
    for (size_t i = 0; i < message->n_attributes && i < EVENT_ATTRIBUTES_MAX; i++) {
        const char *name = event_name(&message->attributes[i]);
        if (name && !comes_again(message, i))
            sl_json_put_str(json, name, message->attributes[i].value);
    }
    sl_json_end_object(json);
}

static bool has_event_attribute(struct sl_decode *decode, const char *key)
{
    const struct sl_attribute *attribute = find(decode->message, key);
    return (attribute && attribute->value[0]) ||
           sl_refuse(decode, SL_REJECT_MISSING_FIELD, "the attribute %s is missing; expected it beside ce-specversion", key);
}

static bool read_binary_event(struct sl_decode *decode, const char *version)
{
    char shown[SL_JSON_SHOWN_BYTES];
    struct sl_buf text = {0};
    struct sl_json json;
    if (strcmp(version, SL_EVENT_VERSION) != 0)
        return sl_refuse(decode, SL_REJECT_BAD_VALUE, "the attribute ce-specversion is \"%s\"; expected \"%s\"",
                         sl_json_show(version, strlen(version), shown), SL_EVENT_VERSION);
    if (!has_event_attribute(decode, "ce-id") || !has_event_attribute(decode, "ce-source") || !has_event_attribute(decode, "ce-type"))
        return false;
    const struct sl_attribute *trace = find(decode->message, "ce-traceparent");
    decode->event_traceparent = trace ? trace->value : NULL;
    sl_json_init(&json, &text);
    put_event_attributes(&json, decode->message);
    sl_event_keep(decode, sl_buf_text(&text), text.len);
    sl_buf_fini(&text);
    return true;
}

/* ---- all of them ---- */

bool sl_open_data(struct sl_decode *decode, enum sl_media media, const char *data, size_t len)
{
    if (media == SL_MEDIA_PROTOBUF)
        return sl_proto_completion(decode, data, len);
    decode->json = data;
    decode->json_len = len;
    return true;
}

bool sl_open_body(struct sl_decode *decode)
{
    const struct sl_message *message = decode->message;
    const struct sl_attribute *type = find(message, "content-type"), *version = find(message, "ce-specversion");
    const enum sl_media media = type ? sl_media_of(type->value, strlen(type->value)) : SL_MEDIA_JSON;
    char shown[SL_JSON_SHOWN_BYTES];
    if (media == SL_MEDIA_OTHER_EVENT)
        return sl_refuse(decode, SL_REJECT_BAD_VALUE,
                         "the attribute content-type is \"%s\"; of CloudEvents expected application/cloudevents+json",
                         sl_json_show(type->value, strlen(type->value), shown));
    if (media == SL_MEDIA_EVENT)
        return sl_open_event(decode);
    if (version && !read_binary_event(decode, version->value))
        return false;
    return sl_open_data(decode, media, message->data, message->len);
}
