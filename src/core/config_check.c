/* What only the whole config can show: things that need each other, and the parts that are no phases. The tree is filled and may hold what is faulty;
 * whatever is absent here has been reported already. */
#include <stdlib.h>
#include <string.h>

#include "config_internal.h"

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

const char *sl_column_key(struct sl_arena *arena, const char *name)
{
    char *key = sl_arena_strdup(arena, name);
    for (char *c = key; *c != '\0'; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
    return key;
}

/* `key` of `object` must be there because `why` says so. */
static void need(struct sl_reader *reader, const json_t *object, const char *path, const char *key, const char *why)
{
    if (text_at(object, key) == NULL)
        sl_reader_fault(reader, sl_path_key(reader->arena, path, key), "missing; expected a text, because %s", why);
}

static void check_engines(struct sl_reader *reader, const json_t *root)
{
    static const struct {
        const char *part, *type, *key, *why;
    } needs[] = {
        {"bus", "pubsub", "project", "bus.type is pubsub"},
        {"bus", "emulator", "project", "bus.type is emulator"},
        {"ledger", "postgres", "dsn", "ledger.type is postgres"},
        {"warehouse", "bigquery", "project", "warehouse.type is bigquery"},
    };
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        const json_t *part = json_object_get(root, needs[i].part);
        if (sl_str_eq(text_at(part, "type"), needs[i].type))
            need(reader, part, needs[i].part, needs[i].key, needs[i].why);
    }
}

static void check_season(struct sl_reader *reader, const json_t *calendar)
{
    const json_t *starts = json_object_get(json_object_get(calendar, "season"), "starts");
    const json_t *month = json_object_get(starts, "month"), *day = json_object_get(starts, "day");
    sl_date date;
    if (!json_is_integer(month) || !json_is_integer(day))
        return;
    struct sl_civil civil = {2001, (int)json_integer_value(month), (int)json_integer_value(day)};
    if (!sl_date_from_civil(civil, &date))
        sl_reader_fault(reader, "calendar.season.starts", "found month %d day %d; expected a day that every year has", civil.month,
                        civil.day);
}

static void check_lists_not_empty(struct sl_reader *reader, const json_t *map, const char *path)
{
    const char *key;
    json_t *list;
    json_object_foreach((json_t *)map, key, list)
    {
        if (json_is_array(list) && json_array_size(list) == 0)
            sl_reader_fault(reader, sl_path_key(reader->arena, path, key), "found an empty list; expected at least one item");
    }
}

static void check_thresholds(struct sl_reader *reader, const json_t *root)
{
    const json_t *list = json_object_get(json_object_get(root, "quality"), "thresholds");
    bool ok = json_array_size(list) == 4;
    for (size_t i = 1; ok && i < 4; i++)
        ok = json_number_value(json_array_get(list, i - 1)) > json_number_value(json_array_get(list, i));
    if (list == NULL || ok)
        return;
    char *found = json_dumps(list, JSON_REAL_PRECISION(6));
    sl_reader_fault(reader, "quality.thresholds", "found %.60s; expected four descending numbers of 0 to 100: gold, silver, bronze, poor",
                    found);
    free(found);
}

static void check_recheck(struct sl_reader *reader, const json_t *root)
{
    const json_t *recheck = json_object_get(json_object_get(root, "worker"), "recheck");
    int64_t least, most;
    if (sl_duration_parse(text_at(recheck, "min"), &least) && sl_duration_parse(text_at(recheck, "max"), &most) && least > most)
        sl_reader_fault(reader, "worker.recheck.min", "found '%s'; expected at most worker.recheck.max, which is %s",
                        text_at(recheck, "min"), text_at(recheck, "max"));
}

static void check_channels(struct sl_reader *reader, const json_t *root)
{
    const json_t *channels = json_object_get(json_object_get(root, "alerts"), "channels");
    for (size_t i = 0; i < json_array_size(channels); i++) {
        const json_t *channel = json_array_get(channels, i);
        const char *path = sl_path_item(reader->arena, "alerts.channels", channels, i);
        bool slack = sl_str_eq(text_at(channel, "type"), "slack"), hook = sl_str_eq(text_at(channel, "type"), "webhook");
        if (slack && json_object_get(channel, "webhook") == NULL)
            need(reader, channel, path, "webhook_env", "the channel is slack and has no webhook");
        if (hook && json_object_get(channel, "url") == NULL)
            need(reader, channel, path, "url_env", "the channel is webhook and has no url");
        if (sl_str_eq(text_at(channel, "type"), "mail")) {
            need(reader, channel, path, "host", "the channel is mail");
            need(reader, channel, path, "from", "the channel is mail");
            if (json_array_size(json_object_get(channel, "to")) == 0)
                sl_reader_fault(reader, sl_path_key(reader->arena, path, "to"), "missing; expected at least one receiver");
        }
    }
}

/* "host:port" with a port that there is, or "unix:path". */
static bool is_address(const char *text)
{
    enum { MAX_PORT = 65535 };
    const char *colon = strrchr(text, ':');
    int64_t port;
    if (strncmp(text, "unix:", 5) == 0)
        return text[5] != '\0';
    return colon != NULL && colon != text && sl_parse_i64(colon + 1, &port) && port >= 0 && port <= MAX_PORT;
}

static void check_addresses(struct sl_reader *reader, const json_t *root)
{
    static const char *const parts[] = {"bus", "http"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *listen = text_at(json_object_get(root, parts[i]), "listen");
        if (listen != NULL && !is_address(listen))
            sl_reader_fault(reader, sl_path_key(reader->arena, parts[i], "listen"),
                            "found '%.80s'; expected HOST:PORT with a port of 0 to 65535, or unix:PATH", listen);
    }
}

void sl_config_check(struct sl_reader *reader, json_t *root)
{
    const json_t *calendar = json_object_get(root, "calendar");
    check_engines(reader, root);
    check_addresses(reader, root);
    check_season(reader, calendar);
    check_lists_not_empty(reader, json_object_get(json_object_get(root, "message"), "fields"), "message.fields");
    check_lists_not_empty(reader, json_object_get(calendar, "entities"), "calendar.entities");
    check_lists_not_empty(reader, json_object_get(calendar, "planned"), "calendar.planned");
    check_lists_not_empty(reader, json_object_get(calendar, "done"), "calendar.done");
    check_lists_not_empty(reader, json_object_get(calendar, "cancelled"), "calendar.cancelled");
    check_thresholds(reader, root);
    check_recheck(reader, root);
    check_channels(reader, root);
    sl_config_check_phases(reader, root);
    sl_config_check_data(reader, root);
}
