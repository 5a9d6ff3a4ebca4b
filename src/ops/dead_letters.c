/* dead_letters.c - what a dead letter says of itself. Three hands may have marked it: ours (sluice_reject_*, sluice_source_*), the bus's own dead-letter policy
 * (CloudPubSubDeadLetterSource*), and a replay (sluice_replay_*). The rest of its attributes, and its bytes, are as they were. Its body is decoded as if it came now; where that
 * fails, the fields that can still be found are taken for filters and lists. */
#include <sluice/dead_letters.h>

#include <string.h>

#include <jansson.h>
#include <sluice/grpc_bus.h>
#include <sluice/str.h>
#include <sluice/worker.h>

#define BUS "CloudPubSubDeadLetterSource"

static const char *get(const struct sl_message *message, const char *key)
{
    for (size_t i = message->n_attributes; i-- > 0;)
        if (strcmp(message->attributes[i].key, key) == 0)
            return message->attributes[i].value;
    return NULL;
}

static int64_t get_count(const struct sl_message *message, const char *key)
{
    const char *text = get(message, key);
    int64_t count = 0;
    return text != NULL && sl_parse_i64(text, &count) && count > 0 ? count : 0;
}

static void read_own(struct sl_dead_letter *out, const struct sl_message *message, struct sl_arena *arena)
{
    struct sl_attribute *own = sl_arena_array(arena, message->n_attributes + 1, sizeof *own);
    for (size_t i = 0; i < message->n_attributes; i++)
        if (!sl_replay_is_mark(message->attributes[i].key))
            own[out->n_own++] = message->attributes[i];
    out->own = own;
}

static void read_source(struct sl_dead_letter *out, const struct sl_message *message, struct sl_arena *arena)
{
    const char *subscription = get(message, BUS "Subscription"), *project = get(message, BUS "SubscriptionProject");
    bool has_offset;
    out->source_subscription = get(message, "sluice_source_subscription");
    if (out->source_subscription == NULL && subscription != NULL)
        out->source_subscription = project == NULL ? subscription
                                                   : sl_arena_printf(arena, "projects/%s/subscriptions/%s", project, subscription);
    out->source_topic = get(message, "sluice_source_topic");
    out->source_message_id = get(message, "sluice_source_message_id");
    out->source_publish_time = get(message, "sluice_source_publish_time");
    if (out->source_publish_time == NULL)
        out->source_publish_time = get(message, BUS "TopicPublishTime");
    if (out->source_publish_time == NULL ||
        !sl_time_parse(out->source_publish_time, strlen(out->source_publish_time), &out->source_publish_us, &has_offset))
        out->source_publish_us = message->publish_us;
}

static void read_reason(struct sl_dead_letter *out, const struct sl_message *message)
{
    out->deliveries = get_count(message, BUS "DeliveryCount");
    out->replays = get_count(message, "sluice_replay_count");
    out->replay_id = get(message, "sluice_replay_id");
    out->reason = get(message, "sluice_reject_reason");
    out->detail = get(message, "sluice_reject_detail");
    if (out->reason == NULL)
        out->reason = get(message, BUS "Subscription") != NULL ? "undelivered" : "unknown";
    if (out->detail == NULL)
        out->detail = get(message, BUS "DeliveryErrorMessage");
}

/* Names with and without "projects/P/subscriptions/" are the same when the project is ours. */
static const struct sl_phase *phase_of_subscription(const struct sl_config *config, const char *name, struct sl_arena *arena)
{
    if (name == NULL)
        return NULL;
    const char *full = sl_pubsub_resource(arena, config, "subscriptions", name);
    for (size_t i = 0; i < config->n_phases; i++) {
        const char *own = config->phases[i].subscription;
        if (own != NULL && strcmp(sl_pubsub_resource(arena, config, "subscriptions", own), full) == 0)
            return &config->phases[i];
    }
    return NULL;
}

/* ---- a body that is refused ---- */

static const char *find_text(const json_t *object, const char *const *names, size_t n, struct sl_arena *arena)
{
    for (size_t i = 0; i < n; i++) {
        const char *text = json_string_value(json_object_get(object, names[i]));
        if (text != NULL)
            return sl_arena_strdup(arena, text);
    }
    return NULL;
}

/* As far as it can be read at all; nothing of it is believed but for lists and filters. */
static void read_broken(struct sl_dead_letter *out, const struct sl_config *config, struct sl_arena *arena)
{
    static const char *const PHASE[] = {"phase"}, *const EXECUTION[] = {"execution_id"}, *const STATUS[] = {"status"};
    json_t *body = json_loadb(out->message->data != NULL ? out->message->data : "", out->message->len, 0, NULL);
    const char *date = find_text(body, config->message.date, config->message.n_date, arena);
    out->processor = find_text(body, config->message.processor_name, config->message.n_processor_name, arena);
    out->execution_id = find_text(body, EXECUTION, 1, arena);
    out->status = find_text(body, STATUS, 1, arena);
    out->phase_name = find_text(body, PHASE, 1, arena);
    if (date == NULL || !sl_date_parse(date, strlen(date), &out->date))
        out->date = SL_DATE_NONE;
    json_decref(body);
}

static void take_completion(struct sl_dead_letter *out, const struct sl_completion *completion)
{
    out->processor = completion->processor_name;
    out->execution_id = completion->execution_id;
    out->status = sl_status_name(completion->status);
    out->date = completion->date;
    out->timestamp_us = completion->timestamp_us;
    if (out->phase == NULL)
        out->phase = completion->phase;
    out->phase_name = completion->phase->name;
}

/* A phase's own or an alias; the processor likewise. */
static void use_config_names(struct sl_dead_letter *out, const struct sl_config *config)
{
    const struct sl_phase *named = out->phase_name == NULL ? NULL : sl_config_phase(config, out->phase_name);
    const struct sl_processor *processor = NULL;
    if (out->phase == NULL)
        out->phase = named;
    if (named != NULL)
        out->phase_name = named->name;
    else if (out->phase_name == NULL && out->phase != NULL)
        out->phase_name = out->phase->name;
    if (out->phase != NULL && out->processor != NULL)
        processor = sl_phase_processor(out->phase, out->processor);
    if (processor != NULL)
        out->processor = processor->name;
}

void sl_dead_letter_read(struct sl_dead_letter *out, const struct sl_message *message, const struct sl_phase *lies_on,
                         const struct sl_config *config, int64_t now_us, struct sl_arena *arena)
{
    struct sl_completion completion;
    struct sl_err err = {0};
    *out = (struct sl_dead_letter){.message = message, .date = SL_DATE_NONE};
    read_own(out, message, arena);
    read_source(out, message, arena);
    read_reason(out, message);
    out->phase = phase_of_subscription(config, out->source_subscription, arena);
    if (out->phase == NULL)
        out->phase = lies_on;
    struct sl_message as_sent = *message;
    as_sent.attributes = out->own;
    as_sent.n_attributes = out->n_own;
    out->code = sl_completion_decode(&completion, &as_sent, out->phase, config, now_us, arena, &out->reject, &err);
    if (out->code == SL_OK)
        take_completion(out, &completion);
    else
        read_broken(out, config, arena);
    use_config_names(out, config);
}

/* ---- a copy ---- */

static const struct sl_attribute *copy_attributes(const struct sl_attribute *from, size_t n, struct sl_arena *arena)
{
    struct sl_attribute *out = sl_arena_array(arena, n + 1, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (struct sl_attribute){sl_arena_strdup(arena, from[i].key), sl_arena_strdup(arena, from[i].value)};
    return out;
}

void sl_dead_letter_copy(struct sl_dead_letter *out, const struct sl_dead_letter *letter, struct sl_arena *arena)
{
    struct sl_message *message = sl_arena_alloc(arena, sizeof *message);
    *out = *letter;
    *message = *letter->message;
    message->data = NULL;
    message->subscription = sl_arena_strdup(arena, message->subscription);
    message->message_id = sl_arena_strdup(arena, message->message_id);
    message->attributes = copy_attributes(message->attributes, message->n_attributes, arena);
    out->message = message;
    out->own = copy_attributes(letter->own, letter->n_own, arena);
    const char **texts[] = {&out->source_subscription,
                            &out->source_topic,
                            &out->source_message_id,
                            &out->source_publish_time,
                            &out->phase_name,
                            &out->processor,
                            &out->execution_id,
                            &out->status,
                            &out->reason,
                            &out->detail,
                            &out->replay_id,
                            &out->ordering_key};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = sl_arena_strdup(arena, *texts[i]);
}

/* ---- the ledger's own list ---- */

static void attributes_of(struct sl_message *message, const char *json, struct sl_arena *arena)
{
    json_t *object = json_loads(json != NULL ? json : "{}", 0, NULL), *value;
    struct sl_attribute *attributes = sl_arena_array(arena, json_object_size(object) + 1, sizeof *attributes);
    const char *key;
    json_object_foreach(object, key, value)
    {
        if (json_is_string(value))
            attributes[message->n_attributes++] = (struct sl_attribute){sl_arena_strdup(arena, key),
                                                                        sl_arena_strdup(arena, json_string_value(value))};
    }
    message->attributes = attributes;
    json_decref(object);
}

void sl_dead_letter_of_reject(struct sl_dead_letter *out, const struct sl_reject_row *row, const struct sl_config *config, int64_t now_us,
                              struct sl_arena *arena)
{
    struct sl_message *message = sl_arena_alloc(arena, sizeof *message);
    char time[SL_TIME_LEN + 1];
    *message = (struct sl_message){.subscription = SL_LEDGER_LIST,
                                   .message_id = sl_arena_printf(arena, "%lld", (long long)row->id),
                                   .publish_us = row->received_us,
                                   .data = row->data,
                                   .len = row->len};
    attributes_of(message, row->attributes, arena);
    const struct sl_phase *phase = row->phase != NULL ? sl_config_phase(config, row->phase) : NULL;
    sl_dead_letter_read(out, message, phase, config, now_us, arena);
    out->reject_id = row->id;
    out->reason = row->code;
    out->detail = row->detail;
    out->source_subscription = row->subscription;
    out->source_message_id = row->message_id;
    out->source_publish_us = row->publish_us > 0 ? row->publish_us : row->received_us;
    if (row->publish_us > 0)
        out->source_publish_time = sl_arena_strdup(arena, sl_time_format(row->publish_us, time));
    if (out->phase != NULL)
        out->source_topic = out->phase->topic;
}
