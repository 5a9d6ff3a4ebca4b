/* event.c - a coverage event as the log keeps it.
 * An event is made where something was decided, identified by what it is about (so that deciding again makes the
 * same event and adds nothing), and turned into the log's text cells when it is stored. What nobody knows yet
 * (alerting, resolution) is a later event or a later issue's update of the cell; here those cells have their neutral
 * values. */
#include <sluice/event.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sluice/json.h>
#include <sluice/mem.h>
#include <sluice/str.h>

const char *const SL_LOG_COLUMNS[] = {
    "event_id",
    "batch_id",
    "event_timestamp",
    "event_type",
    "severity",
    "is_synthetic",
    "phase",
    "table_name",
    "processor_name",
    "game_id",
    "game_date",
    "season",
    "player_id",
    "team_abbr",
    "description",
    "primary_source",
    "primary_source_status",
    "fallback_sources_tried",
    "resolution",
    "resolution_details",
    "quality_tier_before",
    "quality_tier_after",
    "quality_score_before",
    "quality_score_after",
    "downstream_impact",
    "requires_alert",
    "alert_sent",
    "alert_channel",
    "alert_sent_at",
    "is_resolved",
    "resolved_at",
    "resolution_method",
    "resolved_by",
    "created_at",
    "processor_run_id",
    "environment",
};
_Static_assert(sizeof(SL_LOG_COLUMNS) / sizeof(SL_LOG_COLUMNS[0]) == SL_N_LOG_COLUMNS, "every column has a name");

/* UUIDv5(DNS namespace, "sluice.event"); the test computes it again. */
static const struct sl_uuid EVENT_NAMESPACE = {
    {0x67, 0xa5, 0xbf, 0x13, 0xbb, 0xa4, 0x5e, 0x37, 0xab, 0x58, 0xa5, 0xee, 0x21, 0x5e, 0x3b, 0x33}};

struct sl_event sl_event_make(const char *type, enum sl_severity severity, int64_t at_us)
{
    struct sl_event event = {0};
    event.type = type;
    event.severity = severity;
    event.at_us = at_us;
    event.date = SL_DATE_NONE;
    event.score_before = NAN;
    event.score_after = NAN;
    return event;
}

static void add_part(struct sl_buf *name, const char *part)
{
    if (name->len > 0)
        sl_buf_char(name, '|');
    if (part)
        sl_buf_str(name, part);
}

/* The last part: which run, or which generation of the gate, the event is about. */
static void add_occasion(struct sl_buf *name, const struct sl_event *event)
{
    char generation[16] = "";
    if (event->generation != 0)
        snprintf(generation, sizeof generation, "%d", event->generation);
    add_part(name, event->identify_by_execution ? event->execution_id : generation);
}

void sl_event_identify(struct sl_event *event, const char *pipeline)
{
    char date[SL_DATE_LEN + 1];
    struct sl_buf name;
    sl_buf_init(&name);
    if (pipeline)
        sl_buf_str(&name, pipeline);
    sl_buf_char(&name, '|');
    if (event->type)
        sl_buf_str(&name, event->type);
    add_part(&name, event->phase);
    add_part(&name, event->processor);
    add_part(&name, event->table);
    add_part(&name, sl_date_format(event->date, date));
    add_part(&name, event->unit);
    add_part(&name, event->source);
    add_occasion(&name, event);
    sl_uuid_format(sl_uuid5(EVENT_NAMESPACE, name.data, name.len), event->event_id);
    sl_buf_fini(&name);
}

static const char *date_cell(sl_date date, struct sl_arena *arena)
{
    char text[SL_DATE_LEN + 1];
    return date == SL_DATE_NONE ? NULL : sl_arena_strdup(arena, sl_date_format(date, text));
}

static const char *time_cell(int64_t us, struct sl_arena *arena)
{
    char text[SL_TIME_LEN + 1];
    return sl_arena_strdup(arena, sl_time_format(us, text));
}

static const char *bool_cell(bool value)
{
    return value ? "1" : "0";
}

static const char *score_cell(double score, struct sl_arena *arena)
{
    struct sl_buf text;
    struct sl_json json;
    char *cell;
    if (!isfinite(score))
        return NULL;
    sl_buf_init(&text);
    sl_json_init(&json, &text);
    sl_json_double(&json, score);
    cell = sl_arena_strndup(arena, text.data, text.len);
    sl_buf_fini(&text);
    return cell;
}

/* BigQuery's arrays are never NULL, so the text ones are not either. */
static const char *array_cell(const char *const *texts, size_t n, struct sl_arena *arena)
{
    struct sl_buf text;
    struct sl_json json;
    char *cell;
    if (n == 0)
        return "[]";
    sl_buf_init(&text);
    sl_json_init(&json, &text);
    sl_json_array(&json);
    for (size_t i = 0; i < n; i++)
        sl_json_str(&json, texts[i]);
    sl_json_end_array(&json);
    cell = sl_arena_strndup(arena, text.data, text.len);
    sl_buf_fini(&text);
    return cell;
}

static const char *batch_cell(const struct sl_event *event, struct sl_arena *arena)
{
    char date[SL_DATE_LEN + 1];
    if (!event->processor || !event->execution_id)
        return NULL;
    return sl_arena_printf(arena, "%s_%s_%s", event->processor, event->unit ? event->unit : sl_date_format(event->date, date),
                           event->execution_id);
}

/* event_id to description: which, when, where. */
static const char **subject_cells(const struct sl_event *event, struct sl_arena *arena, const char **cell)
{
    *cell++ = sl_arena_strdup(arena, event->event_id);
    *cell++ = batch_cell(event, arena);
    *cell++ = time_cell(event->at_us, arena);
    *cell++ = event->type;
    *cell++ = sl_severity_name(event->severity);
    *cell++ = bool_cell(event->is_synthetic);
    *cell++ = event->phase;
    *cell++ = event->table;
    *cell++ = event->processor;
    *cell++ = event->unit;
    *cell++ = date_cell(event->date, arena);
    *cell++ = event->season;
    *cell++ = event->player_id;
    *cell++ = event->team_abbr;
    *cell++ = event->description;
    return cell;
}

/* primary_source to downstream_impact: what was expected, what was done, what it means. */
static const char **source_cells(const struct sl_event *event, struct sl_arena *arena, const char **cell)
{
    *cell++ = event->primary_source;
    *cell++ = event->primary_source_status;
    *cell++ = array_cell(event->fallbacks_tried, event->n_fallbacks_tried, arena);
    *cell++ = event->resolution;
    *cell++ = event->resolution_details;
    *cell++ = event->tier_before;
    *cell++ = event->tier_after;
    *cell++ = score_cell(event->score_before, arena);
    *cell++ = score_cell(event->score_after, arena);
    *cell++ = event->downstream_impact;
    return cell;
}

/* requires_alert to environment: alerting, resolution, provenance. */
static const char **record_cells(const struct sl_event *event, const char *environment, struct sl_arena *arena, const char **cell)
{
    *cell++ = bool_cell(event->requires_alert);
    *cell++ = bool_cell(false); /* alert_sent */
    *cell++ = NULL;             /* alert_channel */
    *cell++ = NULL;             /* alert_sent_at */
    *cell++ = bool_cell(event->is_resolved);
    *cell++ = event->is_resolved ? time_cell(event->resolved_us, arena) : NULL;
    *cell++ = event->resolution_method;
    *cell++ = event->resolved_by;
    *cell++ = time_cell(event->at_us, arena); /* created_at */
    *cell++ = event->execution_id;
    *cell++ = environment;
    return cell;
}

void sl_event_cells(const struct sl_event *event, const char *environment, struct sl_arena *arena, const char **cells)
{
    const char **cell = subject_cells(event, arena, cells);
    cell = source_cells(event, arena, cell);
    record_cells(event, environment, arena, cell);
}
