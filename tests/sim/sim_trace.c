/* sim_trace.c - what is seen of the worker from outside: committed gates and events, publishes, acks; each change one line. */
#include "sim.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MUST(call)                                                                                                                         \
    do {                                                                                                                                   \
        struct sl_err err = {0};                                                                                                           \
        enum sl_code code_ = (call);                                                                                                       \
        cr_assert_eq(code_, SL_OK, "%s: %s: %s", #call, sl_code_name(code_), err.text);                                                    \
    } while (0)

void sim_trace(struct sim *sim, const char *fmt, ...)
{
    char line[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (sim->quiet_trace)
        return;
    int64_t ms = (sim->now_us - sim->start_us) / 1000;
    sl_buf_printf(&sim->trace, "%lld:%02lld:%02lld", (long long)(ms / SIM_HOUR), (long long)(ms / SIM_MINUTE % 60),
                  (long long)(ms / 1000 % 60));
    if (ms % 1000)
        sl_buf_printf(&sim->trace, ".%03lld", (long long)(ms % 1000));
    sl_buf_printf(&sim->trace, " %s\n", line);
}

/* Trigger ids as T1, T2, ... in the order of their first appearance. */
static size_t number_of(struct sim *sim, const char *id)
{
    uintptr_t number = (uintptr_t)sl_map_get(sim->ids, id);
    if (!number) {
        number = ++sim->n_ids;
        sl_map_put(sim->ids, id, (void *)number);
    }
    return number;
}

/* ---- gates ---- */

/* ["a","b"] as a,b */
static void names(struct sl_buf *line, const char *before, const char *array)
{
    if (strcmp(array, "[]") == 0)
        return;
    sl_buf_str(line, before);
    for (; *array; array++)
        if (!strchr("[]\"", *array))
            sl_buf_char(line, *array);
}

/* `numbered`: its trigger as T1, T2, ..., which depends on what came before. */
static const char *gate_line(struct sim *sim, const struct sl_gate *gate, bool numbered)
{
    char date[SL_DATE_LEN + 1], reasons[512];
    struct sl_buf line = {0};
    sl_buf_printf(&line, "%s %s %s/%d %s", gate->phase, sl_date_format(gate->date, date) + 5, sl_profile_name(gate->profile),
                  gate->generation, sl_state_name(gate->state));
    if (gate->reasons)
        sl_buf_printf(&line, " %s", sl_reasons_text(gate->reasons, reasons));
    if (sl_trigger_reason_name(gate->trigger_reason))
        sl_buf_printf(&line, " by %s", sl_trigger_reason_name(gate->trigger_reason));
    if (gate->state == SL_TRIGGERED && !gate->is_production_ready)
        sl_buf_str(&line, " not-ready");
    sl_buf_str(&line, gate->degraded ? " degraded" : "");
    sl_buf_str(&line, gate->dropped ? " dropped" : "");
    names(&line, " missing ", gate->missing);
    names(&line, " late ", gate->late);
    if (gate->trigger_id && numbered)
        sl_buf_printf(&line, " T%zu", number_of(sim, gate->trigger_id));
    const char *text = sl_arena_strdup(&sim->arena, sl_buf_text(&line));
    sl_buf_fini(&line);
    return text;
}

static void all_gates(struct sim *sim, struct sl_gate **gates, size_t *n, struct sl_arena *arena)
{
    const struct sl_gate_filter filter = {.from = SL_DATE_NONE, .to = SL_DATE_NONE, .all_generations = true};
    MUST(sl_ledger_gates(sim->watch, &filter, gates, n, arena, &err));
}

static void look_at_gates(struct sim *sim)
{
    struct sl_arena arena = {0};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    all_gates(sim, &gates, &n, &arena);
    for (size_t i = 0; i < n; i++) {
        const char *key = sl_arena_printf(&arena, "%s %d %d %d", gates[i].phase, gates[i].date, (int)gates[i].profile, gates[i].generation);
        const char *line = gate_line(sim, &gates[i], true), *before = sl_map_get(sim->gates, key);
        if (before && !strcmp(before, line))
            continue;
        sl_map_put(sim->gates, key, (void *)(uintptr_t)line);
        sim_trace(sim, "%s", line);
    }
    sl_arena_fini(&arena);
}

/* ---- events ---- */

static const char *cell(const char *const *cells, const char *column)
{
    for (size_t i = 0; i < SL_N_LOG_COLUMNS; i++)
        if (!strcmp(SL_LOG_COLUMNS[i], column))
            return cells[i];
    cr_assert(false, "no column %s", column);
    return NULL;
}

struct event_reader {
    struct sim *sim;
    size_t at;
};

static void part(struct sl_buf *line, const char *before, const char *text)
{
    if (text)
        sl_buf_printf(line, "%s%s", before, text);
}

static void event_row(void *arg, const char *const *cells)
{
    struct event_reader *reader = arg;
    struct sl_buf line = {0};
    if (reader->at++ < reader->sim->n_events)
        return;
    reader->sim->n_events++;
    part(&line, "event ", cell(cells, "event_type"));
    part(&line, " ", cell(cells, "severity"));
    part(&line, " ", cell(cells, "phase"));
    part(&line, "/", cell(cells, "processor_name"));
    if (cell(cells, "game_date"))
        part(&line, " ", cell(cells, "game_date") + 5);
    part(&line, " ", cell(cells, "game_id"));
    sim_trace(reader->sim, "%s", sl_buf_text(&line));
    sl_buf_fini(&line);
}

static void look_at_events(struct sim *sim)
{
    const struct sl_log_filter filter = {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE};
    struct event_reader reader = {.sim = sim};
    MUST(sl_ledger_events(sim->watch, &filter, event_row, &reader, &err));
}

/* ---- the bus ---- */

static const char *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? json_string_value(value) : "-";
}

static void published(struct sim *sim, const struct sl_published *message)
{
    json_t *attributes = json_loads(message->attributes, 0, NULL), *body = json_loads(message->data, 0, NULL);
    cr_assert_not_null(attributes, "%s", message->attributes);
    if (json_object_get(attributes, "sluice_reject_reason"))
        sim_trace(sim, "publish %s rejected %s %s: %s", message->topic, member(attributes, "sluice_reject_reason"),
                  member(attributes, "sluice_source_message_id"), message->data);
    else
        sim_trace(sim, "publish %s %s %s/%lld %s T%zu", message->topic, member(body, "game_date") + 5, member(body, "mode"),
                  (long long)json_integer_value(json_object_get(body, "generation")), member(body, "trigger_reason"),
                  number_of(sim, member(attributes, "trigger_id")));
    json_decref(attributes);
    json_decref(body);
}

static void look_at_bus(struct sim *sim)
{
    const struct sl_published *messages = NULL;
    size_t n = sl_memory_bus_published(sim->memory, &messages);
    if (sim->bus->counters.acked != sim->n_acked)
        sim_trace(sim, "ack %llu", (unsigned long long)(sim->bus->counters.acked - sim->n_acked));
    sim->n_acked = sim->bus->counters.acked;
    for (; sim->n_published < n; sim->n_published++)
        published(sim, &messages[sim->n_published]);
}

void sim_look(struct sim *sim)
{
    if (sim->quiet_trace)
        return;
    look_at_gates(sim);
    look_at_events(sim);
    look_at_bus(sim);
}

/* ---- expectations ---- */

void sim_expect_at(struct sim *sim, const char *expected, const char *file, int line)
{
    const char *actual = sl_buf_text(&sim->trace);
    if (strcmp(actual, expected) != 0) {
        fprintf(stderr, "%s:%d: the trace is\n", file, line);
        for (const char *at = actual; *at;) {
            int len = (int)strcspn(at, "\n");
            fprintf(stderr, "    \"%.*s\\n\"\n", len, at);
            at += len + (at[len] == '\n');
        }
        fprintf(stderr, "%s:%d: not\n%s", file, line, expected);
    }
    cr_expect_str_eq(actual, expected, "%s:%d: another trace", file, line);
    sl_buf_clear(&sim->trace);
}

size_t sim_logged(struct sim *sim, const char *words)
{
    struct sl_buf text = {0};
    char block[4096];
    size_t n = 0;
    ssize_t got;
    for (off_t at = 0; (got = pread(sim->log_fd, block, sizeof block, at)) > 0; at += got)
        sl_buf_add(&text, block, (size_t)got);
    for (const char *at = sl_buf_text(&text); (at = strstr(at, words)); at++)
        n++;
    sl_buf_fini(&text);
    return n;
}

/* ---- the end state ---- */

struct lines {
    char **items;
    size_t n, cap;
};

static void line_add(struct lines *lines, char *text)
{
    sl_grow((void **)&lines->items, &lines->cap, lines->n + 1, sizeof *lines->items);
    lines->items[lines->n++] = text;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, each once. */
static void lines_end(struct lines *lines, struct sl_buf *out)
{
    if (lines->n)
        qsort(lines->items, lines->n, sizeof *lines->items, by_text);
    for (size_t i = 0; i < lines->n; i++)
        if (i == 0 || strcmp(lines->items[i], lines->items[i - 1]) != 0)
            sl_buf_printf(out, "%s\n", lines->items[i]);
    for (size_t i = 0; i < lines->n; i++)
        free(lines->items[i]);
    free(lines->items);
}

static void event_line(void *arg, const char *const *cells)
{
    struct lines *lines = arg;
    struct sl_buf text = {0};
    sl_buf_printf(&text, "event %s %s %s", cell(cells, "event_type"), cell(cells, "severity"), cells[0]);
    line_add(lines, text.data);
}

static void run_lines(struct sim *sim, struct lines *lines, struct sl_arena *arena, const char *phase, sl_date date)
{
    struct sl_run *runs = NULL;
    size_t n = 0;
    char day[SL_DATE_LEN + 1];
    MUST(sl_ledger_runs_of(sim->watch, phase, date, &runs, &n, arena, &err));
    for (size_t i = 0; i < n; i++) {
        struct sl_buf text = {0};
        sl_buf_printf(&text, "run %s/%s %s %s %s generation %d", phase, runs[i].processor, sl_date_format(date, day), runs[i].execution_id,
                      sl_status_name(runs[i].status), runs[i].generation);
        line_add(lines, text.data);
    }
}

static void trigger_lines(struct sim *sim, struct lines *lines)
{
    const struct sl_published *messages = NULL;
    size_t n = sl_memory_bus_published(sim->memory, &messages);
    for (size_t i = 0; i < n; i++) {
        struct sl_buf text = {0};
        sl_buf_printf(&text, "publish %s %s", messages[i].topic, messages[i].attributes);
        line_add(lines, text.data);
    }
}

void sim_state(struct sim *sim, struct sl_buf *out)
{
    const struct sl_log_filter filter = {.date = SL_DATE_NONE, .from = SL_DATE_NONE, .to = SL_DATE_NONE};
    struct sl_arena arena = {0};
    struct lines lines = {0};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    all_gates(sim, &gates, &n, &arena);
    for (size_t i = 0; i < n; i++) {
        struct sl_buf text = {0};
        sl_buf_printf(&text, "gate %s completed %s id %s", gate_line(sim, &gates[i], false), gates[i].completed,
                      gates[i].trigger_id ? gates[i].trigger_id : "-");
        line_add(&lines, text.data);
        run_lines(sim, &lines, &arena, gates[i].phase, gates[i].date);
    }
    MUST(sl_ledger_events(sim->watch, &filter, event_line, &lines, &err));
    trigger_lines(sim, &lines);
    lines_end(&lines, out);
    sl_arena_fini(&arena);
}

void sim_outcomes(struct sim *sim, struct sl_buf *out)
{
    char date[SL_DATE_LEN + 1], reasons[512];
    struct sl_arena arena = {0};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    all_gates(sim, &gates, &n, &arena);
    for (size_t i = 0; i < n; i++)
        sl_buf_printf(out, "%s %s %s/%d %s %s %s\n", gates[i].phase, sl_date_format(gates[i].date, date), sl_profile_name(gates[i].profile),
                      gates[i].generation, sl_state_name(gates[i].state), sl_reasons_text(gates[i].reasons, reasons),
                      gates[i].trigger_id ? gates[i].trigger_id : "-");
    sl_arena_fini(&arena);
}

/* "TOPIC DATE MODE GENERATION" -> the id it went out under. */
void sim_check_triggers(struct sim *sim)
{
    const struct sl_published *messages = NULL;
    size_t n = sl_memory_bus_published(sim->memory, &messages);
    struct sl_map *by_what = sl_map_create(), *by_id = sl_map_create();
    struct sl_arena arena = {0};
    for (size_t i = 0; i < n; i++) {
        json_t *attributes = json_loads(messages[i].attributes, 0, NULL), *body = json_loads(messages[i].data, 0, NULL);
        if (json_object_get(attributes, "trigger_id")) {
            char *id = sl_arena_strdup(&arena, member(attributes, "trigger_id"));
            char *what = sl_arena_printf(&arena, "%s %s %s %s %lld", messages[i].topic, member(body, "triggered_by"),
                                         member(body, "game_date"), member(body, "mode"),
                                         (long long)json_integer_value(json_object_get(body, "generation")));
            const char *other_id = sl_map_get(by_what, what), *other = sl_map_get(by_id, id);
            cr_assert(!other_id || !strcmp(other_id, id), "%s went out as %s and %s", what, other_id, id);
            cr_assert(!other || !strcmp(other, what), "%s is %s and %s", id, other, what);
            sl_map_put(by_what, what, id);
            sl_map_put(by_id, id, what);
        }
        json_decref(attributes);
        json_decref(body);
    }
    sl_map_destroy(&by_what);
    sl_map_destroy(&by_id);
    sl_arena_fini(&arena);
}
