/* The valid, filled tree becomes the structs of sluice/config.h. Nothing here can fail but the load of a zone. */
#include <stdlib.h>
#include <string.h>

#include <sluice/file.h>

#include "config_internal.h"

#define DAY_MS 86400000LL

const char *sl_bind_str(struct sl_arena *arena, const json_t *object, const char *key)
{
    return sl_arena_strdup(arena, json_string_value(json_object_get(object, key)));
}

const char **sl_bind_strs(struct sl_arena *arena, const json_t *list, size_t *n)
{
    *n = json_array_size(list);
    const char **texts = sl_arena_array(arena, *n + 1, sizeof *texts);
    for (size_t i = 0; i < *n; i++)
        texts[i] = sl_arena_strdup(arena, json_string_value(json_array_get(list, i)));
    return texts;
}

/* A list as its items joined by commas. */
static const char *pair_text(struct sl_arena *arena, const json_t *value)
{
    if (json_is_string(value))
        return sl_arena_strdup(arena, json_string_value(value));
    if (json_is_integer(value))
        return sl_arena_printf(arena, "%lld", (long long)json_integer_value(value));
    struct sl_buf buf = {0};
    for (size_t i = 0; i < json_array_size(value); i++)
        sl_buf_printf(&buf, "%s%s", i > 0 ? "," : "", json_string_value(json_array_get(value, i)));
    const char *text = sl_arena_strdup(arena, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return text;
}

struct sl_pair *sl_bind_pairs(struct sl_arena *arena, const json_t *map, size_t *n)
{
    struct sl_pair *pairs = sl_arena_array(arena, json_object_size(map) + 1, sizeof *pairs);
    const char *key;
    json_t *value;
    *n = 0;
    json_object_foreach((json_t *)map, key, value)
    {
        pairs[(*n)++] = (struct sl_pair){sl_arena_strdup(arena, key), pair_text(arena, value)};
    }
    return pairs;
}

int64_t sl_bind_ms(const json_t *object, const char *key)
{
    int64_t ms = -1;
    sl_duration_parse(json_string_value(json_object_get(object, key)), &ms);
    return ms;
}

int sl_bind_days(const json_t *object, const char *key)
{
    int64_t ms = sl_bind_ms(object, key);
    return ms < 0 ? 0 : (int)(ms / DAY_MS);
}

int sl_bind_minutes(const json_t *object, const char *key)
{
    int minutes = -1;
    const char *text = json_string_value(json_object_get(object, key));
    if (text != NULL)
        sl_time_of_day_parse(text, &minutes);
    return minutes;
}

int64_t sl_bind_int(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

double sl_bind_share(const json_t *object, const char *key)
{
    double share = 0;
    const char *text = json_string_value(json_object_get(object, key));
    if (text != NULL)
        sl_percent_parse(text, &share);
    return share;
}

bool sl_bind_bool(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

struct sl_window sl_bind_window(const json_t *object, const char *key)
{
    struct sl_window window = {SL_WINDOW_UNITS, 0};
    const char *text = json_string_value(json_object_get(object, key));
    if (text != NULL)
        sl_window_parse(text, &window);
    return window;
}

int sl_bind_choice(const json_t *object, const char *key, const char *choices)
{
    const char *text = json_string_value(json_object_get(object, key));
    int place = 0;
    for (const char *at = choices; text != NULL; place++) {
        size_t len = strcspn(at, "|");
        if (strlen(text) == len && memcmp(text, at, len) == 0)
            return place;
        if (at[len] == '\0')
            break;
        at += len + 1;
    }
    return 0;
}

static const char *bind_path(struct sl_arena *arena, const char *dir, const json_t *object, const char *key)
{
    char *joined = sl_path_join(dir, json_string_value(json_object_get(object, key)));
    const char *path = sl_arena_strdup(arena, joined);
    free(joined);
    return path;
}

static void bind_engines(struct sl_config *config, const json_t *root, struct sl_arena *arena)
{
    const json_t *bus = json_object_get(root, "bus"), *ledger = json_object_get(root, "ledger");
    const json_t *warehouse = json_object_get(root, "warehouse");
    config->bus.type = (enum sl_bus_type)sl_bind_choice(bus, "type", "embedded|pubsub|emulator");
    config->bus.project = sl_bind_str(arena, bus, "project");
    if (config->bus.project == NULL)
        config->bus.project = "sluice-local"; /* only the embedded broker comes without */
    config->bus.listen = sl_bind_str(arena, bus, "listen");
    config->bus.path = bind_path(arena, config->dir, bus, "path");
    config->bus.endpoint = sl_bind_str(arena, bus, "endpoint");
    config->bus.ca = sl_bind_str(arena, bus, "ca") == NULL ? NULL : bind_path(arena, config->dir, bus, "ca");
    config->bus.streams = (int)sl_bind_int(bus, "streams");
    config->bus.connections = (int)sl_bind_int(bus, "connections");
    config->bus.compress = sl_bind_bool(bus, "compress");
    config->ledger.type = (enum sl_ledger_type)sl_bind_choice(ledger, "type", "sqlite|postgres");
    config->ledger.path = bind_path(arena, config->dir, ledger, "path");
    config->ledger.dsn = sl_bind_str(arena, ledger, "dsn");
    config->warehouse.type = (enum sl_warehouse_type)sl_bind_choice(warehouse, "type", "sqlite|bigquery");
    config->warehouse.path = bind_path(arena, config->dir, warehouse, "path");
    config->warehouse.project = sl_bind_str(arena, warehouse, "project");
    config->warehouse.location = sl_bind_str(arena, warehouse, "location");
    config->warehouse.max_parallel = (int)sl_bind_int(warehouse, "max_parallel");
    config->warehouse.timeout_ms = sl_bind_ms(warehouse, "timeout");
}

static void bind_message(struct sl_config *config, const json_t *message, struct sl_arena *arena)
{
    const json_t *fields = json_object_get(message, "fields");
    config->message.max_bytes = (size_t)sl_bind_int(message, "max_bytes");
    config->message.others = sl_arena_array(arena, json_object_size(fields) + 1, sizeof *config->message.others);
    const char *field;
    json_t *names;
    json_object_foreach((json_t *)fields, field, names)
    {
        size_t n;
        const char **texts = sl_bind_strs(arena, names, &n);
        if (strcmp(field, "processor_name") == 0) {
            config->message.processor_name = texts;
            config->message.n_processor_name = n;
        } else if (strcmp(field, "date") == 0) {
            config->message.date = texts;
            config->message.n_date = n;
        } else {
            config->message.others[config->message.n_others++] = (struct sl_field_names){sl_arena_strdup(arena, field), texts, n};
        }
    }
}

static struct sl_condition bind_condition(struct sl_arena *arena, const json_t *map)
{
    struct sl_condition condition = {sl_arena_array(arena, json_object_size(map) + 1, sizeof *condition.terms), 0};
    const char *column;
    json_t *values;
    json_object_foreach((json_t *)map, column, values)
    {
        struct sl_term *term = &condition.terms[condition.n++];
        term->column = sl_arena_strdup(arena, column);
        term->values = sl_bind_strs(arena, values, &term->n);
    }
    return condition;
}

const char *sl_bind_unit_column(struct sl_arena *arena, const json_t *object)
{
    const char *column = sl_bind_str(arena, object, "unit_column");
    return sl_str_eq(column, "none") ? NULL : column;
}

static void bind_calendar(struct sl_config *config, const json_t *json, struct sl_arena *arena)
{
    if (json == NULL)
        return;
    struct sl_calendar_config *calendar = sl_arena_alloc(arena, sizeof *calendar);
    calendar->table = sl_bind_str(arena, json, "table");
    calendar->date_column = sl_bind_str(arena, json, "date_column");
    calendar->unit_column = sl_bind_unit_column(arena, json);
    calendar->planned = bind_condition(arena, json_object_get(json, "planned"));
    calendar->done = bind_condition(arena, json_object_get(json, "done"));
    calendar->cancelled = bind_condition(arena, json_object_get(json, "cancelled"));
    const json_t *entities = json_object_get(json, "entities");
    calendar->entities = sl_arena_array(arena, json_object_size(entities) + 1, sizeof *calendar->entities);
    const char *entity;
    json_t *columns;
    json_object_foreach((json_t *)entities, entity, columns)
    {
        struct sl_entity_columns *one = &calendar->entities[calendar->n_entities++];
        one->entity = sl_arena_strdup(arena, entity);
        one->columns = sl_bind_strs(arena, columns, &one->n);
    }
    const json_t *season = json_object_get(json, "season"), *starts = json_object_get(season, "starts");
    calendar->season_column = sl_bind_str(arena, season, "column");
    calendar->season_month = starts == NULL ? 10 : (int)sl_bind_int(starts, "month");
    calendar->season_day = starts == NULL ? 15 : (int)sl_bind_int(starts, "day");
    const char *from = json_string_value(json_object_get(json, "history_from"));
    if (from == NULL || !sl_date_parse(from, strlen(from), &calendar->history_from))
        calendar->history_from = SL_DATE_NONE;
    calendar->suspect_above = sl_bind_share(json, "suspect_above");
    config->calendar = calendar;
}

static void bind_coverage(struct sl_config *config, const json_t *json, struct sl_arena *arena)
{
    const json_t *runs = json_object_get(json, "runs"), *load = json_object_get(json, "load");
    config->coverage.log_table = sl_bind_str(arena, json, "log");
    config->coverage.runs_table = sl_bind_str(arena, runs, "table");
    config->coverage.runs_by_sluice = sl_bind_choice(runs, "written_by", "sluice|processors") == 0;
    config->coverage.load_every_ms = sl_bind_ms(load, "every");
    config->coverage.load_max_events = (size_t)sl_bind_int(load, "max_events");
    config->coverage.load_max_bytes = (size_t)sl_bind_int(load, "max_bytes");
    config->coverage.require_partition_filter = sl_bind_bool(json, "require_partition_filter");
}

static void bind_rhythms(struct sl_config *config, const json_t *root)
{
    const json_t *worker = json_object_get(root, "worker"), *retention = json_object_get(root, "retention");
    const json_t *batch = json_object_get(worker, "batch"), *recheck = json_object_get(worker, "recheck");
    const json_t *audit = json_object_get(root, "audit");
    config->worker.batch_messages = (size_t)sl_bind_int(batch, "messages");
    config->worker.batch_bytes = (size_t)sl_bind_int(batch, "bytes");
    config->worker.recheck_min_ms = sl_bind_ms(recheck, "min");
    config->worker.recheck_max_ms = sl_bind_ms(recheck, "max");
    config->worker.recheck_for_ms = sl_bind_ms(recheck, "for");
    config->worker.retriggers_per_minute = (int)sl_bind_int(worker, "retriggers_per_minute");
    config->retention.facts_ms = sl_bind_ms(retention, "facts");
    config->retention.inbox_ms = sl_bind_ms(retention, "inbox");
    config->audit.at_minutes = sl_bind_minutes(audit, "at");
    config->audit.look_back_days = sl_bind_days(audit, "look_back");
    config->audit.heartbeat_ms = sl_bind_ms(audit, "heartbeat");
    config->audit.stuck_after_ms = sl_bind_ms(audit, "stuck_after");
}

static void bind_quality(struct sl_config *config, const json_t *json, struct sl_arena *arena)
{
    static const char *const tiers[] = {"gold", "silver", "bronze", "poor", "unusable"};
    const json_t *expected = json_object_get(json, "expected"), *historical = json_object_get(json, "historical");
    for (size_t i = 0; i < 4; i++)
        config->quality.thresholds[i] = json_number_value(json_array_get(json_object_get(json, "thresholds"), i));
    for (size_t i = 0; i < 5; i++)
        config->quality.ceilings[i] = number_of(json_object_get(json, "ceilings"), tiers[i]);
    config->quality.thin = sl_bind_share(json, "thin");
    config->quality.thin_early = sl_bind_share(json, "thin_early");
    config->quality.early_units = (int)sl_bind_int(json, "early_units");
    config->quality.expected_early = number_of(expected, "early");
    config->quality.expected_mid = number_of(expected, "mid");
    config->quality.expected_full = number_of(expected, "full");
    config->quality.expected_none = number_of(expected, "none");
    config->quality.historical_tier = sl_bind_str(arena, historical, "tier");
    config->quality.historical_score = number_of(historical, "score");
    config->quality.season_month = config->calendar ? config->calendar->season_month : 10;
    config->quality.season_day = config->calendar ? config->calendar->season_day : 15;
}

static void bind_alerts(struct sl_config *config, const json_t *json, struct sl_arena *arena)
{
    const json_t *channels = json_object_get(json, "channels");
    config->alerts.window_ms = sl_bind_ms(json, "window");
    config->alerts.digest_at_minutes = sl_bind_minutes(json, "digest_at");
    config->alerts.n_channels = json_array_size(channels);
    config->alerts.channels = sl_arena_array(arena, config->alerts.n_channels + 1, sizeof *config->alerts.channels);
    for (size_t i = 0; i < config->alerts.n_channels; i++) {
        struct sl_channel *channel = &config->alerts.channels[i];
        json_t *settings = json_copy(json_array_get(channels, i));
        channel->type = sl_bind_str(arena, settings, "type");
        json_object_del(settings, "type");
        channel->settings = sl_bind_pairs(arena, settings, &channel->n_settings);
        json_decref(settings);
    }
}

enum sl_code sl_config_bind(struct sl_config *config, const json_t *root, struct sl_arena *arena, struct sl_err *err)
{
    const json_t *message = json_object_get(root, "message");
    config->version = (int)sl_bind_int(root, "version");
    config->pipeline = sl_bind_str(arena, root, "pipeline");
    config->timezone = sl_bind_str(arena, root, "timezone");
    config->environment = sl_bind_str(arena, root, "environment");
    bind_engines(config, root, arena);
    bind_message(config, message, arena);
    bind_calendar(config, json_object_get(root, "calendar"), arena);
    bind_coverage(config, json_object_get(root, "coverage"), arena);
    bind_rhythms(config, root);
    bind_quality(config, json_object_get(root, "quality"), arena);
    bind_alerts(config, json_object_get(root, "alerts"), arena);
    config->http_listen = sl_bind_str(arena, json_object_get(root, "http"), "listen");
    sl_config_bind_phases(config, root, arena);
    if (sl_zone_load(&config->zone, config->timezone, err) != SL_OK)
        return sl_wrap(err, "timezone");
    const char *naive = json_string_value(json_object_get(message, "naive_timestamps"));
    if (sl_zone_load(&config->message.naive_zone, naive, err) != SL_OK)
        return sl_wrap(err, "message.naive_timestamps");
    return SL_OK;
}
