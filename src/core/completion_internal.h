/* completion_internal.h - what the files of the completion codec share: the fields, what was found of them, and how
 * one is refused. Pure. */
#ifndef SLUICE_CORE_COMPLETION_INTERNAL_H
#define SLUICE_CORE_COMPLETION_INTERNAL_H

#include <sluice/completion.h>

#include "json_scan.h"

/* The fields of a completion that are read; every other one is unknown and kept. */
enum sl_field {
    SL_FIELD_PROCESSOR_NAME,
    SL_FIELD_PHASE,
    SL_FIELD_EXECUTION_ID,
    SL_FIELD_CORRELATION_ID,
    SL_FIELD_DATE,
    SL_FIELD_STATUS,
    SL_FIELD_TIMESTAMP,
    SL_FIELD_RECORD_COUNT,
    SL_FIELD_RECORDS_FAILED,
    SL_FIELD_COVERAGE_EVENTS,
    SL_FIELD_SKIP_TRIGGER,
    SL_FIELD_SKIP,
    SL_FIELD_METADATA,
    SL_FIELD_DURATION_SECONDS,
    SL_FIELD_PARENT_PROCESSOR,
    SL_FIELD_TRIGGER_SOURCE,
    SL_FIELD_TRIGGER_MESSAGE_ID,
    SL_FIELD_OUTPUT_TABLE,
    SL_FIELD_OUTPUT_DATASET,
    SL_FIELD_ERROR_MESSAGE,
    SL_N_FIELDS /* none of them */
};

/* What the body has of one field. */
struct sl_found {
    const char *const *names; /* under which it may come, the better first */
    size_t n_names;
    size_t rank;   /* index of the name it came under; n_names: it is absent */
    bool was_null; /* it came as null only */
    bool used;     /* a rule took its value: it is no part of `extra` */
    struct sl_json_value value;
};

/* A member of the body that may have to go into `extra`. */
struct sl_kept {
    const char *raw;
    size_t raw_len;
    enum sl_field field;
    size_t rank;
};

struct sl_decode {
    struct sl_completion *out;
    const struct sl_message *message;
    const struct sl_phase *expected;
    const struct sl_config *config;
    int64_t now_us;
    struct sl_arena *arena;
    enum sl_reject *reject;
    struct sl_err *err;
    const char *json; /* the completion's object, taken out of what came */
    size_t json_len;
    bool from_proto;   /* its fields have the names of the proto file, not the config's */
    const char *event; /* "cloudevent":{...}, what came around it; NULL */
    size_t event_len;
    const char *event_traceparent; /* NULL */
    struct sl_found found[SL_N_FIELDS];
    struct sl_kept *kept;
    size_t n_kept;
    size_t unknown_bytes; /* of the unknown fields so far */
};

#define SL_EXTRA_MAX_BYTES ((size_t)64 * 1024) /* RULES 23 */

/* The member of `extra` that holds the context attributes of a CloudEvent. */
#define SL_EVENT_MEMBER "cloudevent"

/* Fills json (and what belongs to it) from whatever form the message has (completion_format.c); false: refused. */
bool sl_open_body(struct sl_decode *decode);

/* Set code and sentence; false. */
bool sl_refuse(struct sl_decode *decode, enum sl_reject reject, const char *fmt, ...) SL_PRINTF(3, 4);
/* "FIELD is VALUE; expected EXPECTED"; false. */
bool sl_refuse_value(struct sl_decode *decode, enum sl_reject reject, const char *field, const struct sl_json_value *value,
                     const char *expected);

/* All rules in the order of the table; false at the first that is broken. */
bool sl_apply_rules(struct sl_decode *decode);
/* The rules of coverage_events and metadata. */
bool sl_read_coverage_events(struct sl_decode *decode, struct sl_found *found);
bool sl_read_metadata(struct sl_decode *decode, struct sl_found *found);

#endif
