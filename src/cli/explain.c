/* explain.c - a whole decision: as text for people, as the gate's line plus facts, checks, messages and next for scripts. */
#include "gate_view.h"

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

static const char *checks_json(struct sl_cli *cli, const struct sl_explained *why)
{
    json_t *decision = why->decision == NULL ? NULL : json_loads(why->decision, 0, NULL);
    char *dump = json_dumps(json_object_get(decision, "checks"), JSON_COMPACT);
    const char *text = dump == NULL ? "[]" : sl_arena_strdup(&cli->arena, dump);
    free(dump);
    json_decref(decision);
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
    static const struct sl_field FIELDS[] = {
        SL_GATE_FIELDS, {"facts", false, false}, {"checks", false, false}, {"messages", false, false}, {"next", false, false}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, SL_N_GATE_FIELDS + 4, true);
    if (why->exists)
        sl_gate_row(cli, rows, &why->gate);
    else
        unknown_gate_row(rows, why);
    sl_rows_json(rows, why->facts);
    sl_rows_json(rows, checks_json(cli, why));
    sl_rows_json(rows, messages_json(cli, why));
    sl_rows_str(rows, why->next);
    return sl_rows_finish(&rows, &cli->err);
}

/* ---- for people ---- */

static void print_line(struct sl_cli *cli, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    fprintf(cli->out, "  %-12s ", label);
    sl_print_safe(cli->out, text);
    fputc('\n', cli->out);
}

/* A JSON array of names, joined by commas. */
static void print_names(struct sl_cli *cli, const char *label, const char *names)
{
    json_t *array = names == NULL ? NULL : json_loads(names, 0, NULL);
    struct sl_buf buf;
    sl_buf_init(&buf);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *name = json_string_value(json_array_get(array, i));
        sl_buf_printf(&buf, "%s%s", i > 0 ? ", " : "", name == NULL ? "?" : name);
    }
    print_line(cli, label, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    json_decref(array);
}

static void print_state(struct sl_cli *cli, const struct sl_gate *gate)
{
    enum sl_paint paint = cli->colour ? sl_state_paint(gate->state) : SL_PAINT_NONE;
    fprintf(cli->out, "%s%s%s", sl_paint_start(paint), sl_state_name(gate->state), paint == SL_PAINT_NONE ? "" : SL_PAINT_END);
}

static void print_trigger(struct sl_cli *cli, const struct sl_gate *gate)
{
    const char *reason = sl_trigger_reason_name(gate->trigger_reason);
    if (gate->trigger_id != NULL && reason != NULL)
        print_line(cli, "trigger", sl_arena_printf(&cli->arena, "%s (%s)", gate->trigger_id, reason));
    else
        print_line(cli, "trigger", gate->trigger_id != NULL ? gate->trigger_id : reason);
}

static void print_gate(struct sl_cli *cli, const struct sl_gate *gate)
{
    char date[SL_DATE_LEN + 1], reasons[256], time[SL_TIME_LEN + 1];
    fprintf(cli->out, "%s %s (%s, generation %d): ", gate->phase, sl_date_format(gate->date, date), sl_profile_name(gate->profile),
            gate->generation);
    print_state(cli, gate);
    sl_reasons_text(gate->reasons, reasons);
    fprintf(cli->out, "%s%s%s\n", reasons[0] == '\0' ? "" : " (", reasons, reasons[0] == '\0' ? "" : ")");
    print_line(cli, "waits for", gate->waits_for);
    print_names(cli, "completed", gate->completed);
    print_names(cli, "missing", gate->missing);
    print_names(cli, "late", gate->late);
    if (gate->state == SL_TRIGGERED || gate->state == SL_OBSERVED || gate->state == SL_SUPPRESSED)
        print_line(cli, "production", gate->is_production_ready ? "ready" : "not ready");
    print_line(cli, "degraded", gate->degraded ? "yes: it did not wait for everything" : NULL);
    print_line(cli, "dropped", gate->dropped ? "yes: it is off the pending list" : NULL);
    print_trigger(cli, gate);
    if (gate->decided_us > 0)
        print_line(cli, "decided", sl_time_format(gate->decided_us, time));
    if (gate->config_hash != NULL)
        print_line(cli, "config", sl_arena_strndup(&cli->arena, gate->config_hash, 12));
}

static const char *text_of(const json_t *check, const char *key)
{
    const char *text = json_string_value(json_object_get(check, key));
    return text == NULL ? "" : text;
}

static void print_check(struct sl_cli *cli, const json_t *check)
{
    const json_t *passed = json_object_get(check, "passed");
    bool evaluated = json_is_boolean(passed), ok = json_is_true(passed);
    enum sl_paint paint = !cli->colour ? SL_PAINT_NONE : !evaluated ? SL_PAINT_DIM : ok ? SL_PAINT_GOOD : SL_PAINT_BAD;
    fprintf(cli->out, "  %-12s %-7s %s%-13s%s ", text_of(check, "name"), text_of(check, "mode"), sl_paint_start(paint),
            !evaluated ? "not evaluated"
            : ok       ? "passed"
                       : "failed",
            paint == SL_PAINT_NONE ? "" : SL_PAINT_END);
    const char *expected = text_of(check, "expected"), *actual = text_of(check, "actual"), *detail = text_of(check, "detail");
    sl_print_safe(cli->out, actual[0] != '\0' ? actual : expected);
    if (actual[0] != '\0' && expected[0] != '\0') {
        fputs(" (expected: ", cli->out);
        sl_print_safe(cli->out, expected);
        fputs(")", cli->out);
    }
    if (detail[0] != '\0') {
        fprintf(cli->out, "\n%35s", "");
        sl_print_safe(cli->out, detail);
    }
    fputc('\n', cli->out);
}

static void print_checks(struct sl_cli *cli, const struct sl_explained *why)
{
    json_t *decision = why->decision == NULL ? NULL : json_loads(why->decision, 0, NULL);
    const json_t *checks = json_object_get(decision, "checks"), *check;
    size_t i;
    if (json_array_size(checks) > 0)
        fputs("\nChecks\n", cli->out);
    json_array_foreach(checks, i, check) print_check(cli, check);
    json_decref(decision);
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

enum sl_code sl_print_explained(struct sl_cli *cli, const struct sl_explained *why)
{
    char date[SL_DATE_LEN + 1];
    if (cli->format != SL_FORMAT_TABLE)
        return print_record(cli, why);
    if (why->exists)
        print_gate(cli, &why->gate);
    else
        fprintf(cli->out, "%s %s: no completion\n", why->phase, sl_date_format(why->date, date));
    print_checks(cli, why);
    enum sl_code code = print_runs(cli, why);
    if (why->next != NULL)
        fprintf(cli->out, "\nNext: %s\n", why->next);
    return code;
}
