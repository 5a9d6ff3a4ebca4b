/* completion.h - the phase-completion message: strict decoding of its JSON body.
 * Own scanner (RULES 41): spans, depth limit 32, duplicate keys found on every level, bytes of unknown fields kept as they are. Pure: `now_us` is an argument. Any thread.
 * contract/messages.md has the rule of each field; every refusal names field, value and rule. */
#ifndef SLUICE_COMPLETION_H
#define SLUICE_COMPLETION_H

#include <sluice/config.h>
#include <sluice/mem.h>

struct sl_attribute {
    const char *key, *value;
};

/* A message as a bus hands it over. All borrowed. */
struct sl_message {
    const char *subscription; /* NULL when ingested: no inbox key */
    const char *message_id;
    int64_t publish_us; /* 0 when ingested */
    const char *data;
    size_t len;
    const struct sl_attribute *attributes;
    size_t n_attributes;
    int delivery_attempt; /* 0: unknown */
};

/* One coverage event that the processor sent along; text fields as given, NULL when absent. */
struct sl_sent_event {
    const char *event_type, *severity, *unit, *entity_player, *entity_team, *table, *source, *description, *raw;
    size_t raw_len;
};

struct sl_completion {                         /* open, arena-held */
    const struct sl_phase *phase;              /* never NULL */
    const struct sl_processor *processor;      /* NULL: the config does not name it */
    const char *processor_name;                /* the config's name when known, else as sent */
    const char *execution_id, *correlation_id; /* correlation_id is made from (pipeline, date) when missing: "PIPELINE/YYYY-MM-DD" */
    sl_date date;
    enum sl_status status;
    int64_t timestamp_us;
    int64_t record_count, records_failed; /* -1: absent */
    bool skip;                            /* skip_downstream_trigger or skip_downstream or the attribute: true wins */
    double duration_s;                    /* NaN: absent */
    const char *parent_processor, *trigger_source, *trigger_message_id, *output_table, *output_dataset, *error_message;
    const char *traceparent;              /* attribute googclient_traceparent, else traceparent */
    bool has_incremental, is_incremental; /* metadata.is_incremental */
    const char **entities_changed;
    size_t n_entities_changed; /* metadata.entities_changed */
    struct sl_sent_event *events;
    size_t n_events;
    const char *body;
    size_t body_len; /* the whole body, borrowed from the message */
    const char *extra;
    size_t
        extra_len; /* a JSON object of metadata and the unknown fields, bytes as sent, at most 64 KiB (else cut to "{}" and extra_truncated) */
    bool extra_truncated;
};

/* Decode. `expected` is the phase whose subscription this came from, or NULL (ingest). SL_OK; or SL_INVALID with *reject and a sentence in err: nothing else ever. */
enum sl_code sl_completion_decode(struct sl_completion *out, const struct sl_message *message, const struct sl_phase *expected,
                                  const struct sl_config *config, int64_t now_us, struct sl_arena *arena, enum sl_reject *reject,
                                  struct sl_err *err);

/* NDJSON line of `publish`/`ingest`: an object with only `data` (object or string) and optional `attributes` (object of strings) is a whole message, anything else is the body itself.
 * Fills data/len/attributes of `out` (borrowed from line or arena); never fails on content: what can't be split is the body. */
void sl_message_from_line(struct sl_message *out, const char *line, size_t len, struct sl_arena *arena);

#endif
