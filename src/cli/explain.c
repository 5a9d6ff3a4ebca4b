/* explain.c - a whole decision: as text for people, as the gate's line plus facts, checks, messages, quality, triggers and next for scripts. */
#include "explain_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* ---- for scripts ---- */

static void put_count(struct sl_json *json, const char *key, int64_t value)
{
    if (value < 0)
        sl_json_put_null(json, key);
    else
        sl_json_put_int(json, key, value);
}

static void put_raw(struct sl_json *json, const char *key, const char *text)
{
    sl_json_key(json, key);
    if (text == NULL)
        sl_json_null(json);
    else
        sl_json_raw(json, text, strlen(text));
}

static void put_run(struct sl_json *json, const struct sl_run *run)
{
    sl_json_object(json);
    sl_json_put_str(json, "processor", run->processor);
    sl_json_put_str(json, "execution_id", run->execution_id);
    sl_json_put_str(json, "status", sl_status_name(run->status));
    sl_json_put_time(json, "timestamp", run->timestamp_us);
    sl_json_put_time(json, "publish_time", run->publish_us);
    sl_json_put_time(json, "received_at", run->received_us);
    sl_json_put_int(json, "generation", run->generation);
    sl_json_put_bool(json, "known", run->known);
    sl_json_put_bool(json, "skip_downstream_trigger", run->skip);
    put_count(json, "record_count", run->record_count);
    put_count(json, "records_failed", run->records_failed);
    sl_json_put_double(json, "duration_seconds", run->duration_s);
    sl_json_put_str(json, "correlation_id", run->correlation_id);
    sl_json_put_str(json, "traceparent", run->traceparent);
    sl_json_put_str(json, "trigger_source", run->trigger_source);
    sl_json_put_str(json, "trigger_message_id", run->trigger_message_id);
    sl_json_put_str(json, "error_message", run->error_message);
    sl_json_key(json, "is_incremental");
    if (run->is_incremental < 0)
        sl_json_null(json);
    else
        sl_json_bool(json, run->is_incremental > 0);
    put_raw(json, "entities_changed", run->entities_changed);
    put_raw(json, "extra", run->extra);
    sl_json_end_object(json);
}

static const char *messages_json(struct sl_cli *cli, const struct sl_explained *why)
{
    struct sl_buf buf;
    struct sl_json json;
    sl_buf_init(&buf);
    sl_json_init(&json, &buf);
    sl_json_array(&json);
    for (size_t i = 0; i < why->n_runs; i++)
        put_run(&json, &why->runs[i]);
    sl_json_end_array(&json);
    const char *text = sl_arena_strndup(&cli->arena, sl_buf_text(&buf), buf.len);
    sl_buf_fini(&buf);
    return text;
}

/* A part of the decision as it is recorded. */
static const char *dumped(struct sl_cli *cli, const json_t *part, const char *otherwise)
{
    char *dump = part == NULL ? NULL : json_dumps(part, JSON_COMPACT);
    const char *text = dump == NULL ? otherwise : sl_arena_strdup(&cli->arena, dump);
    free(dump);
    return text;
}

/* What the decision says of quality; NULL when nothing was assessed or counted. */
static const char *quality_json(struct sl_cli *cli, const json_t *decision)
{
    static const struct {
        const char *key, *from;
    } KEYS[] = {{"tier", "quality_tier"},
                {"score", "quality_score"},
                {"issues", "quality_issues"},
                {"culprit", "quality_culprit"},
                {"note", "quality_note"},
                {"unusable_units", "unusable_units"},
                {"completeness_pct", "completeness_pct"}};
    bool any = false;
    json_t *quality = json_object();
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        json_t *value = json_object_get(decision, KEYS[i].from);
        any |= value != NULL;
        json_object_set_new(quality, KEYS[i].key, value == NULL ? json_null() : json_incref(value));
    }
    const char *text = any ? dumped(cli, quality, NULL) : NULL;
    json_decref(quality);
    return text;
}

static void unknown_gate_row(struct sl_rows *rows, const struct sl_explained *why)
{
    static const char *const LISTS[] = {"[]", "[]", "[]", "[]"};
    sl_rows_str(rows, why->phase);
    sl_rows_date(rows, why->date);
    for (int i = 0; i < 3; i++)
        sl_rows_str(rows, NULL); /* profile, generation, state */
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++)
        sl_rows_json(rows, LISTS[i]);
    for (int i = 0; i < 2; i++)
        sl_rows_str(rows, NULL); /* quality */
    sl_rows_bool(rows, false);
    for (int i = 0; i < 2; i++)
        sl_rows_str(rows, NULL); /* trigger_id, decided_at */
    sl_rows_str(rows, "no completion");
    sl_rows_str(rows, NULL); /* config_hash */
}

static enum sl_code print_record(struct sl_cli *cli, const struct sl_explained *why)
{
    static const struct sl_field FIELDS[] = {SL_GATE_FIELDS,
                                             {"facts", false, false},
                                             {"checks", false, false},
                                             {"messages", false, false},
                                             {"quality", false, false},
                                             {"triggers", false, false},
                                             {"next", false, false}};
    struct sl_rows *rows;
    json_t *decision = why->decision == NULL ? NULL : json_loads(why->decision, 0, NULL);
    sl_cli_rows(cli, &rows, FIELDS, SL_N_GATE_FIELDS + 6, true);
    if (why->exists)
        sl_gate_row(cli, rows, &why->gate);
    else
        unknown_gate_row(rows, why);
    sl_rows_json(rows, why->facts);
    sl_rows_json(rows, dumped(cli, json_object_get(decision, "checks"), "[]"));
    sl_rows_json(rows, messages_json(cli, why));
    sl_rows_json(rows, quality_json(cli, decision));
    sl_rows_json(rows, dumped(cli, json_object_get(decision, "triggers"), "[]"));
    json_decref(decision);
    sl_rows_str(rows, why->next);
    return sl_rows_finish(&rows, &cli->err);
}

/* ---- for people ---- */

void sl_explain_line(struct sl_cli *cli, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    fprintf(cli->out, "  %-12s ", label);
    sl_print_safe(cli->out, text);
    fputc('\n', cli->out);
}

const char *sl_explain_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

const char *sl_explain_indent(struct sl_cli *cli, const char *text)
{
    return sl_arena_printf(&cli->arena, "  %s", text);
}

const char *sl_explain_names(struct sl_cli *cli, const json_t *names, size_t n_all, size_t most)
{
    struct sl_buf buf;
    sl_buf_init(&buf);
    const size_t n = json_array_size(names) < most ? json_array_size(names) : most;
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(names, i));
        sl_buf_printf(&buf, "%s%s", i > 0 ? ", " : "", name == NULL ? "?" : name);
    }
    if (n_all > n)
        sl_buf_printf(&buf, "%sand %zu more", n > 0 ? " " : "", n_all - n);
    const char *text = sl_arena_strdup(&cli->arena, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return text;
}

/* A JSON array of names, joined by commas. */
static void print_names(struct sl_cli *cli, const char *label, const char *names)
{
    json_t *array = names == NULL ? NULL : json_loads(names, 0, NULL);
    sl_explain_line(cli, label, sl_explain_names(cli, array, json_array_size(array), SIZE_MAX));
    json_decref(array);
}

static void print_state(struct sl_cli *cli, const struct sl_gate *gate)
{
    enum sl_paint paint = cli->colour ? sl_state_paint(gate->state) : SL_PAINT_NONE;
    fprintf(cli->out, "%s%s%s", sl_paint_start(paint), sl_state_name(gate->state), paint == SL_PAINT_NONE ? "" : SL_PAINT_END);
}

/* "1c70... (all_complete) to phase_3 by topic phase3-trigger", one line for each that went out; a trigger that another phase's gate sent has no phase to name. */
static void print_triggers(struct sl_cli *cli, const struct sl_gate *gate, const json_t *decision)
{
    size_t i;
    const json_t *trigger, *triggers = json_object_get(decision, "triggers");
    const char *reason = sl_trigger_reason_name(gate->trigger_reason);
    const char *by = reason == NULL ? "" : sl_arena_printf(&cli->arena, " (%s)", reason);
    json_array_foreach(triggers, i, trigger)
    {
        const char *to = sl_explain_text(trigger, "to");
        const struct sl_phase *phase = sl_config_phase(cli->config, to);
        const char *topic = phase != NULL && phase->trigger_topic != NULL
                                ? sl_arena_printf(&cli->arena, " by topic %s", phase->trigger_topic)
                                : "";
        sl_explain_line(cli, "trigger",
                        sl_arena_printf(&cli->arena, "%s%s to %s%s", sl_explain_text(trigger, "trigger_id"), by, to, topic));
    }
    if (json_array_size(triggers) == 0 && gate->trigger_id != NULL)
        sl_explain_line(cli, "trigger", sl_arena_printf(&cli->arena, "%s%s", gate->trigger_id, by));
    else if (json_array_size(triggers) == 0)
        sl_explain_line(cli, "opened by", reason);
}

static void print_times(struct sl_cli *cli, const struct sl_gate *gate)
{
    char time[SL_TIME_LEN + 1];
    const bool waits = gate->state == SL_WAITING || gate->state == SL_BLOCKED;
    if (gate->decided_us > 0)
        sl_explain_line(cli, "decided", sl_time_format(gate->decided_us, time));
    if (waits && gate->checked_us > gate->decided_us)
        sl_explain_line(cli, "looked at", sl_time_format(gate->checked_us, time));
    if (waits && gate->due_us > 0 && gate->due_us != SL_NEVER_US)
        sl_explain_line(cli, "looks again", sl_time_format(gate->due_us, time));
    if (gate->config_hash != NULL)
        sl_explain_line(cli, "config", sl_arena_strndup(&cli->arena, gate->config_hash, 12));
}

static void print_gate(struct sl_cli *cli, const struct sl_gate *gate, const json_t *decision)
{
    char date[SL_DATE_LEN + 1], reasons[256];
    fprintf(cli->out, "%s %s (%s, generation %d): ", gate->phase, sl_date_format(gate->date, date), sl_profile_name(gate->profile),
            gate->generation);
    print_state(cli, gate);
    sl_reasons_text(gate->reasons, reasons);
    fprintf(cli->out, "%s%s%s\n", reasons[0] == '\0' ? "" : " (", reasons, reasons[0] == '\0' ? "" : ")");
    sl_explain_line(cli, "waits for", gate->waits_for);
    print_names(cli, "completed", gate->completed);
    print_names(cli, "missing", gate->missing);
    print_names(cli, "late", gate->late);
    if (gate->state == SL_TRIGGERED || gate->state == SL_OBSERVED || gate->state == SL_SUPPRESSED)
        sl_explain_line(cli, "production", gate->is_production_ready ? "ready" : "not ready");
    sl_explain_line(cli, "degraded", gate->degraded ? "yes: it did not wait for everything" : NULL);
    sl_explain_line(cli, "dropped", gate->dropped ? "yes: it is off the pending list" : NULL);
    print_triggers(cli, gate, decision);
    print_times(cli, gate);
}

static enum sl_code print_runs(struct sl_cli *cli, const struct sl_explained *why)
{
    static const struct sl_field FIELDS[] = {{"  processor", false, false}, {"execution", false, false}, {"status", false, false},
                                             {"records", false, true},      {"timestamp", false, false}, {"error", false, false}};
    struct sl_rows *rows;
    if (why->n_runs == 0)
        return SL_OK;
    fputs("\nRuns\n", cli->out);
    sl_cli_rows(cli, &rows, FIELDS, 6, false);
    for (size_t i = 0; i < why->n_runs; i++) {
        const struct sl_run *run = &why->runs[i];
        sl_rows_str(rows, sl_arena_printf(&cli->arena, "  %s%s", run->processor, run->known ? "" : " (unknown)"));
        sl_rows_str(rows, run->execution_id);
        sl_rows_painted(rows, sl_status_name(run->status), run->status == SL_RUN_FAILED ? SL_PAINT_BAD : SL_PAINT_NONE);
        if (run->record_count < 0)
            sl_rows_str(rows, NULL);
        else
            sl_rows_int(rows, run->record_count);
        sl_rows_time(rows, run->timestamp_us);
        sl_rows_str(rows, run->error_message);
    }
    return sl_rows_finish(&rows, &cli->err);
}

static enum sl_code print_for_people(struct sl_cli *cli, const struct sl_explained *why, const json_t *decision, const json_t *facts)
{
    char date[SL_DATE_LEN + 1];
    if (why->exists)
        print_gate(cli, &why->gate, decision);
    else
        fprintf(cli->out, "%s %s: no completion\n", why->phase, sl_date_format(why->date, date));
    sl_explain_checks(cli, decision, facts);
    enum sl_code code = sl_explain_quality(cli, decision, facts);
    if (code == SL_OK)
        code = print_runs(cli, why);
    if (why->next != NULL)
        fprintf(cli->out, "\nNext: %s\n", why->next);
    return code;
}

enum sl_code sl_print_explained(struct sl_cli *cli, const struct sl_explained *why)
{
    if (cli->format != SL_FORMAT_TABLE)
        return print_record(cli, why);
    json_t *decision = why->decision == NULL ? NULL : json_loads(why->decision, 0, NULL);
    json_t *facts = why->facts == NULL ? NULL : json_loads(why->facts, 0, NULL);
    enum sl_code code = print_for_people(cli, why, decision, facts);
    json_decref(decision);
    json_decref(facts);
    return code;
}
