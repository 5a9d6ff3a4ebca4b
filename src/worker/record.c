/* record.c - a batch is written down before anything is decided (RULES 6): inbox id, reject or run, coverage events that the processor sent along, and what the run means to
 * its gate. All in the ledger transaction that is open; a rollback forgets it all. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <sluice/log.h>

#include "worker_internal.h"

void sl_incoming_decode(struct sl_incoming *incoming, const struct sl_config *config, int64_t now_us)
{
    struct sl_bus_batch *batch = &incoming->batch;
    struct sl_arena *arena = &batch->arena;
    incoming->completions = sl_arena_array(arena, batch->n + 1, sizeof *incoming->completions);
    incoming->rejected = sl_arena_array(arena, batch->n + 1, sizeof *incoming->rejected);
    incoming->rejects = sl_arena_array(arena, batch->n + 1, sizeof *incoming->rejects);
    incoming->details = sl_arena_array(arena, batch->n + 1, sizeof *incoming->details);
    for (size_t i = 0; i < batch->n; i++) {
        struct sl_err err = {0};
        if (sl_completion_decode(&incoming->completions[i], &batch->messages[i].message, batch->messages[i].phase, config, now_us, arena,
                                 &incoming->rejects[i], &err) == SL_OK)
            continue;
        incoming->rejected[i] = true;
        incoming->details[i] = sl_arena_strdup(arena, err.text);
    }
}

/* ---- groups: the runs and the gate of one (phase, date) ---- */

enum sl_code sl_worker_group(struct sl_worker *worker, const struct sl_phase *phase, sl_date date, struct group **out, struct sl_err *err)
{
    char key[32];
    snprintf(key, sizeof key, "%zu/%d", phase->index, date);
    *out = sl_map_get(worker->groups, key);
    if (*out)
        return SL_OK;
    struct group *group = sl_arena_alloc(&worker->arena, sizeof *group);
    group->phase = phase;
    group->date = date;
    enum sl_code code = sl_ledger_runs_of(worker->ledger, phase->name, date, &group->runs, &group->n_runs, &worker->arena, err);
    if (code != SL_OK)
        return code;
    sl_map_put(worker->groups, key, group);
    worker->group_list = sl_arena_push(&worker->arena, worker->group_list, &worker->n_groups, sizeof(struct group *));
    worker->group_list[worker->n_groups - 1] = group;
    *out = group;
    return SL_OK;
}

void sl_worker_forget_groups(struct sl_worker *worker)
{
    sl_map_destroy(&worker->groups);
    worker->groups = sl_map_create();
    worker->group_list = NULL;
    worker->n_groups = 0;
}

void sl_gate_new(struct sl_gate *gate, const struct sl_phase *phase, sl_date date, enum sl_profile profile, int generation, int64_t now_us)
{
    *gate = (struct sl_gate){
        .phase = phase->name,
        .date = date,
        .profile = profile,
        .generation = generation,
        .state = SL_WAITING,
        .completed = "[]",
        .missing = "[]",
        .late = "[]",
        .created_us = now_us,
        .since_us = now_us,
        .clock_start_ms = -1,
        .due_us = SL_NEVER_US,
        .answer_due_us = SL_NEVER_US,
    };
}

static enum sl_code load_gate(struct sl_worker *worker, struct group *group, int64_t now_us, struct sl_err *err)
{
    if (group->gate_loaded)
        return SL_OK;
    group->profile = sl_profile_of(group->date, sl_zone_date(worker->config->zone, now_us));
    enum sl_code code = sl_ledger_gate_get(worker->ledger, group->phase->name, group->date, group->profile, 0, &group->gate, &worker->arena,
                                           err);
    group->gate_exists = code == SL_OK;
    group->gate_loaded = code == SL_OK || code == SL_NOT_FOUND;
    return group->gate_loaded ? SL_OK : code;
}

/* ---- events and rejects ---- */

enum sl_code sl_worker_event(struct sl_worker *worker, const struct sl_event *event, struct sl_err *err)
{
    const char *cells[SL_N_LOG_COLUMNS];
    bool is_new = false;
    sl_event_cells(event, worker->config->environment, &worker->arena, cells);
    enum sl_code code = sl_ledger_event_add(worker->ledger, cells, &is_new, err);
    if (code == SL_OK && is_new) {
        worker->counters.events++;
        worker->events_unloaded++;
    }
    return code;
}

static void put_attribute(struct sl_json *json, const char *key, const char *value)
{
    if (value)
        sl_json_put_str(json, key, value);
}

/* Where it came from at first: a replay doesn't change it. */
static void put_source(struct sl_json *json, const struct sl_bus_message *message)
{
    const struct sl_replay *replay = message->replay;
    char published[SL_TIME_LEN + 1] = "";
    put_attribute(json, "sluice_source_subscription", replay ? replay->source_subscription : message->message.subscription);
    put_attribute(json, "sluice_source_topic", replay ? replay->source_topic : message->phase ? message->phase->topic : NULL);
    put_attribute(json, "sluice_source_message_id", replay ? replay->source_message_id : message->message.message_id);
    if (replay)
        put_attribute(json, "sluice_source_publish_time", replay->source_publish_time);
    else if (message->message.publish_us)
        put_attribute(json, "sluice_source_publish_time", sl_time_format(message->message.publish_us, published));
}

/* How often it was replayed: as we do it here, or as its own attribute says when it was replayed to its topic. */
static void put_replays(struct sl_json *json, const struct sl_bus_message *message)
{
    char number[32];
    int64_t count = 0;
    for (size_t i = 0; i < message->message.n_attributes; i++)
        if (strcmp(message->message.attributes[i].key, "sluice_replay_count") == 0)
            sl_parse_i64(message->message.attributes[i].value, &count);
    if (message->replay)
        count = message->replay->count;
    snprintf(number, sizeof number, "%lld", (long long)(count > 0 ? count : 0));
    put_attribute(json, "sluice_replay_count", number);
    put_attribute(json, "sluice_replay_id", message->replay ? message->replay->id : NULL);
}

/* The message's own attributes, then why and where from (contract/messages.md, "Dead letter"). */
static void dead_letter_attributes(struct sl_buf *out, const struct sl_bus_message *message, const char *code, const char *detail)
{
    const bool as_they_came = !code && !message->replay; /* in our own list */
    struct sl_json json;
    sl_json_init(&json, out);
    sl_json_object(&json);
    for (size_t i = 0; i < message->message.n_attributes; i++)
        if (as_they_came || !sl_replay_is_mark(message->message.attributes[i].key))
            put_attribute(&json, message->message.attributes[i].key, message->message.attributes[i].value);
    if (code) {
        put_attribute(&json, "sluice_reject_reason", code);
        put_attribute(&json, "sluice_reject_detail", detail);
        put_source(&json, message);
    }
    if (!as_they_came)
        put_replays(&json, message);
    sl_json_end_object(&json);
}

static enum sl_code keep_reject(struct sl_worker *worker, const struct sl_bus_message *message, const char *code_name, const char *detail,
                                int64_t now_us, struct sl_err *err)
{
    const struct sl_message *m = &message->message;
    const bool to_topic = message->phase && message->phase->dead_letter_topic && m->subscription;
    struct sl_buf attributes = {0};
    enum sl_code code;
    dead_letter_attributes(&attributes, message, to_topic ? code_name : NULL, detail);
    if (to_topic) {
        struct sl_outbox_row row = {.kind = SL_OUTBOX_DEAD_LETTER,
                                    .topic = message->phase->dead_letter_topic,
                                    .phase = message->phase->name,
                                    .date = SL_DATE_NONE,
                                    .data = m->data,
                                    .len = m->len,
                                    .attributes = sl_buf_text(&attributes),
                                    .created_us = now_us,
                                    .next_us = now_us};
        code = sl_ledger_outbox_add(worker->ledger, &row, err);
    } else {
        struct sl_reject_row row = {.received_us = now_us,
                                    .phase = message->phase ? message->phase->name : NULL,
                                    .subscription = m->subscription,
                                    .message_id = m->message_id,
                                    .publish_us = m->publish_us,
                                    .code = code_name,
                                    .detail = detail,
                                    .data = m->data,
                                    .len = m->len,
                                    .attributes = sl_buf_text(&attributes)};
        code = sl_ledger_reject_add(worker->ledger, &row, err);
    }
    sl_buf_fini(&attributes);
    return code;
}

/* A reject is identified by where it came from, or by its bytes when it was fed in directly: the same line fed again is the same reject. */
static enum sl_code record_reject(struct sl_worker *worker, const struct sl_bus_message *message, enum sl_reject reject, const char *detail,
                                  int64_t now_us, struct sl_err *err)
{
    char digest[SL_SHA256_HEX + 1];
    const uint64_t before = worker->counters.events;
    struct sl_event event = sl_event_make("message_rejected", SL_SEV_WARNING, now_us);
    sl_sha256_hex(message->message.data, message->message.len, digest);
    event.phase = message->phase ? message->phase->name : NULL;
    event.source = message->message.subscription && message->message.message_id
                       ? sl_arena_printf(&worker->arena, "%s/%s/%lld", message->message.subscription, message->message.message_id,
                                         (long long)message->message.publish_us)
                       : sl_arena_strdup(&worker->arena, digest);
    event.description = sl_arena_printf(&worker->arena, "%s: %s", sl_reject_name(reject), detail);
    sl_event_identify(&event, worker->config->pipeline);
    worker->counters.rejected++;
    enum sl_code code = sl_worker_event(worker, &event, err);
    if (code != SL_OK || worker->counters.events == before)
        return code;
    return keep_reject(worker, message, sl_reject_name(reject), detail, now_us, err);
}

static enum sl_severity sent_severity(const struct sl_sent_event *sent)
{
    enum sl_severity severity = SL_SEV_INFO;
    if (sent->severity)
        sl_severity_parse(sent->severity, &severity);
    return severity;
}

/* What only the processor can know, recorded as it is. */
static enum sl_code record_sent_events(struct sl_worker *worker, const struct sl_completion *completion, int64_t now_us, struct sl_err *err)
{
    for (size_t i = 0; i < completion->n_events; i++) {
        const struct sl_sent_event *sent = &completion->events[i];
        struct sl_event event = sl_event_make(sent->event_type, sent_severity(sent), now_us);
        event.phase = completion->phase->name;
        event.processor = completion->processor_name;
        event.table = sent->table;
        event.unit = sent->unit;
        event.date = completion->date;
        event.player_id = sent->entity_player;
        event.team_abbr = sent->entity_team;
        event.primary_source = sent->source;
        event.description = sent->description;
        event.execution_id = completion->execution_id;
        event.identify_by_execution = true;
        event.source = sl_arena_printf(&worker->arena, "%s/%s/%s", sent->source ? sent->source : "",
                                       sent->entity_player ? sent->entity_player : "", sent->entity_team ? sent->entity_team : "");
        sl_event_identify(&event, worker->config->pipeline);
        enum sl_code code = sl_worker_event(worker, &event, err);
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}

/* ---- runs ---- */

static struct sl_run run_of(struct sl_worker *worker, const struct sl_completion *completion, const struct sl_message *message,
                            int64_t now_us)
{
    struct sl_arena *arena = &worker->arena;
    struct sl_run run = {
        .phase = completion->phase->name,
        .processor = completion->processor_name,
        .execution_id = completion->execution_id,
        .date = completion->date,
        .status = completion->status,
        .timestamp_us = completion->timestamp_us,
        .publish_us = message->publish_us,
        .received_us = now_us,
        .known = completion->processor != NULL,
        .skip = completion->skip,
        .record_count = completion->record_count,
        .records_failed = completion->records_failed,
        .duration_s = completion->duration_s,
        .correlation_id = completion->correlation_id,
        .traceparent = completion->traceparent,
        .trigger_source = completion->trigger_source,
        .trigger_message_id = completion->trigger_message_id,
        .error_message = completion->error_message,
        .is_incremental = completion->has_incremental ? completion->is_incremental : -1,
    };
    if (completion->extra_len > 2) /* more than {} */
        run.extra = sl_arena_strndup(arena, completion->extra, completion->extra_len);
    if (completion->n_entities_changed)
        run.entities_changed = sl_json_names(completion->entities_changed, completion->n_entities_changed, arena);
    return run;
}

static struct sl_run *find_run(struct group *group, const char *processor, const char *execution_id)
{
    for (size_t i = 0; i < group->n_runs; i++)
        if (!strcmp(group->runs[i].processor, processor) && !strcmp(group->runs[i].execution_id, execution_id))
            return &group->runs[i];
    return NULL;
}

static const struct sl_run *newest_terminal(const struct group *group, const char *processor)
{
    const struct sl_run *newest = NULL;
    for (size_t i = 0; i < group->n_runs; i++) {
        const struct sl_run *run = &group->runs[i];
        if (run->status != SL_RUN_RUNNING && !strcmp(run->processor, processor) && (!newest || sl_run_newer(run, newest)))
            newest = run;
    }
    return newest;
}

static const char *names_add(struct sl_arena *arena, const char *json_array, const char *name)
{
    struct sl_buf quoted = {0};
    struct sl_json json;
    sl_json_init(&json, &quoted);
    sl_json_str(&json, name);
    const char *result = json_array;
    if (!strstr(json_array, sl_buf_text(&quoted)))
        result = strcmp(json_array, "[]") == 0
                     ? sl_arena_printf(arena, "[%s]", sl_buf_text(&quoted))
                     : sl_arena_printf(arena, "%.*s,%s]", (int)strlen(json_array) - 1, json_array, sl_buf_text(&quoted));
    sl_buf_fini(&quoted);
    return result;
}

static enum sl_code say_late(struct sl_worker *worker, const struct group *group, const struct sl_run *run, int64_t now_us,
                             struct sl_err *err)
{
    struct sl_event event = sl_event_make("processor_late", SL_SEV_WARNING, now_us);
    event.phase = group->phase->name;
    event.processor = run->processor;
    event.date = group->date;
    event.execution_id = run->execution_id;
    event.identify_by_execution = true;
    event.description = sl_arena_printf(&worker->arena, "%s reported %s after the gate of generation %d was %s", run->processor,
                                        sl_status_name(run->status), group->gate.generation, sl_state_name(group->gate.state));
    sl_event_identify(&event, worker->config->pipeline);
    return sl_worker_event(worker, &event, err);
}

static enum sl_code processor_late(struct sl_worker *worker, struct group *group, const struct sl_processor *processor,
                                   const struct sl_run *run, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = say_late(worker, group, run, now_us, err);
    if (code != SL_OK || group->phase->on_late == SL_LATE_IGNORE)
        return code;
    group->gate.late = names_add(&worker->arena, group->gate.late, run->processor);
    code = sl_ledger_gate_put(worker->ledger, &group->gate, err);
    const bool may_bring_rows = run->status == SL_RUN_SUCCESS || run->status == SL_RUN_PARTIAL;
    return code == SL_OK && may_bring_rows ? sl_worker_mark_late(worker, group->phase, &group->gate, processor, now_us, err) : code;
}

/* A newer run of a processor that had delivered to an open gate: the next generation, which carries over the others' runs. */
static enum sl_code open_generation(struct sl_worker *worker, struct group *group, int64_t now_us, struct sl_err *err)
{
    struct sl_gate *gate = &group->gate;
    enum sl_code code = SL_OK;
    if (gate->state == SL_SUPPRESSED) {
        gate->state = SL_SUPERSEDED;
        gate->since_us = now_us;
        gate->waits_for = NULL;
        code = sl_ledger_gate_put(worker->ledger, gate, err);
        sl_worker_note(worker, gate);
    }
    sl_gate_new(gate, group->phase, group->date, group->profile, gate->generation + 1, now_us);
    group->gate_exists = false;
    return code;
}

static void counts_for_gate(struct sl_worker *worker, struct group *group, struct sl_run *run, int64_t now_us)
{
    struct sl_gate *gate = &group->gate;
    if (!group->gate_exists && !group->touched && gate->generation == 0)
        sl_gate_new(gate, group->phase, group->date, group->profile, 1, now_us);
    if (gate->clock_start_ms < 0) {
        gate->clock_start_ms = worker->clocks[group->phase->index].ms;
        gate->created_us = now_us;
    }
    gate->last_report_us = now_us;
    group->touched = true;
    run->generation = gate->generation;
}

/* What a newly recorded terminal run means to its gate; sets run->generation. */
static enum sl_code meets_gate(struct sl_worker *worker, struct group *group, const struct sl_processor *processor, struct sl_run *run,
                               const struct sl_run *prior, int64_t now_us, struct sl_err *err)
{
    enum sl_code code = load_gate(worker, group, now_us, err);
    if (code != SL_OK || processor->need[group->profile] == SL_NOT_REQUIRED)
        return code;
    const struct sl_gate *gate = group->gate_exists || group->touched ? &group->gate : NULL;
    const enum sl_arrival arrival = sl_gate_arrival(group->phase, gate, run, prior, processor);
    switch (arrival) {
    case SL_ARRIVAL_OLDER: return SL_OK;
    case SL_ARRIVAL_LATE: return processor_late(worker, group, processor, run, now_us, err);
    case SL_ARRIVAL_LATE_GENERATION:
    case SL_ARRIVAL_NEW_GENERATION:
        if (arrival == SL_ARRIVAL_LATE_GENERATION)
            code = say_late(worker, group, run, now_us, err);
        if (code == SL_OK)
            code = open_generation(worker, group, now_us, err);
        counts_for_gate(worker, group, run, now_us);
        return code;
    case SL_ARRIVAL_COUNTS: counts_for_gate(worker, group, run, now_us); return SL_OK;
    }
    return SL_OK;
}

static enum sl_code warn_unknown(struct sl_worker *worker, const struct sl_run *run, struct sl_err *err)
{
    bool is_new = false;
    const char *what = sl_arena_printf(&worker->arena, "unknown processor %s/%s", run->phase, run->processor);
    enum sl_code code = sl_ledger_warn_once(worker->ledger, what, &is_new, err);
    if (code == SL_OK && is_new)
        sl_log(SL_WARNING, "a completion names a processor that the config does not know; it is recorded and counts for nothing",
               {"phase", run->phase}, {"processor", run->processor});
    return code;
}

static void keep_in_group(struct sl_worker *worker, struct group *group, struct sl_run *known, const struct sl_run *run)
{
    if (known) {
        *known = *run;
        return;
    }
    /* runs_of() hands over an exact array: copied once into one that grows */
    struct sl_run *runs = sl_arena_array(&worker->arena, group->n_runs + 1, sizeof *runs);
    if (group->n_runs)
        memcpy(runs, group->runs, group->n_runs * sizeof *runs);
    runs[group->n_runs++] = *run;
    group->runs = runs;
}

static enum sl_code record_completion(struct sl_worker *worker, const struct sl_completion *completion, const struct sl_message *message,
                                      int64_t now_us, struct sl_err *err)
{
    struct group *group = NULL;
    enum sl_code code = sl_worker_group(worker, completion->phase, completion->date, &group, err);
    if (code != SL_OK)
        return code;
    struct sl_run run = run_of(worker, completion, message, now_us);
    struct sl_run *known = find_run(group, run.processor, run.execution_id);
    if (known && !sl_run_is_update(known, run.status, run.timestamp_us)) {
        worker->counters.duplicates++;
        return SL_OK;
    }
    run.skip = run.skip || (known && known->skip);
    struct sl_run prior_copy;
    const struct sl_run *prior = newest_terminal(group, run.processor);
    if (prior)
        prior_copy = *prior;
    if (!completion->processor)
        code = warn_unknown(worker, &run, err);
    else if (run.status != SL_RUN_RUNNING)
        code = meets_gate(worker, group, completion->processor, &run, prior ? &prior_copy : NULL, now_us, err);
    if (code == SL_OK)
        code = sl_ledger_run_put(worker->ledger, &run, err);
    if (code != SL_OK)
        return code;
    worker->runs_unloaded++;
    group->reported |= completion->processor && run.status != SL_RUN_RUNNING;
    keep_in_group(worker, group, known, &run);
    return record_sent_events(worker, completion, now_us, err);
}

static enum sl_code is_seen(struct sl_worker *worker, const struct sl_message *message, int64_t now_us, bool *seen, struct sl_err *err)
{
    bool is_new = true;
    enum sl_code code = SL_OK;
    if (message->subscription && message->message_id)
        code = sl_ledger_inbox_add(worker->ledger, message->subscription, message->message_id, message->publish_us, now_us, &is_new, err);
    *seen = !is_new;
    return code;
}

enum sl_code sl_worker_record(struct sl_worker *worker, const struct sl_incoming *incoming, int64_t now_us, struct sl_err *err)
{
    for (size_t i = 0; i < incoming->batch.n; i++) {
        const struct sl_bus_message *message = &incoming->batch.messages[i];
        const uint64_t known = worker->counters.duplicates;
        bool seen = false;
        enum sl_code code = is_seen(worker, &message->message, now_us, &seen, err);
        worker->counters.received++;
        worker->counters.duplicates += seen;
        if (code == SL_OK && !seen)
            code = incoming->rejected[i] ? record_reject(worker, message, incoming->rejects[i], incoming->details[i], now_us, err)
                                         : record_completion(worker, &incoming->completions[i], &message->message, now_us, err);
        if (code == SL_OK && message->replay) {
            message->replay->outcome = worker->counters.duplicates > known ? SL_REPLAY_KNOWN
                                       : incoming->rejected[i]             ? SL_REPLAY_REJECTED
                                                                           : SL_REPLAY_COMMITTED;
            code = sl_replay_record(worker, message, incoming->rejected[i] ? NULL : &incoming->completions[i], NULL, now_us, err);
        }
        if (code != SL_OK)
            return code;
    }
    return SL_OK;
}
