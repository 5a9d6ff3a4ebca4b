/* completion_checks.h - for the fuzz targets that decode completions: a config to decode by, and what must hold of every answer. */
#ifndef SL_TESTS_FUZZ_COMPLETION_CHECKS_H
#define SL_TESTS_FUZZ_COMPLETION_CHECKS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/completion.h>
#include <sluice/str.h>

#include "../src/core/json_scan.h"
#include "support/completion_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const int64_t NOW = INT64_C(1744790500000000);

/* Made once. */
static inline struct sl_config *config(void)
{
    static struct sl_config only;
    static struct sl_zone *zone;
    struct sl_err err;
    if (!zone) {
        if (sl_zone_load(&zone, "America/Los_Angeles", &err) != SL_OK)
            abort();
        only = completion_config(zone);
        only.zone = zone;
        only.bus.project = "p";
    }
    return &only;
}

static inline void check_text(const char *text)
{
    if (text && !sl_utf8_valid(text, strlen(text)))
        abort();
}

static inline void check_accepted(const struct sl_completion *out, struct sl_arena *arena)
{
    struct sl_json_value root;
    enum sl_reject reject;
    if (!out->phase || out->date == SL_DATE_NONE || out->record_count < -1 || out->records_failed < -1)
        abort();
    if (!sl_json_scan(out->extra, out->extra_len, NULL, NULL, arena, &root, &reject, NULL) || root.kind != SL_JSON_OBJECT)
        abort();
    check_text(out->processor_name);
    check_text(out->execution_id);
    check_text(out->correlation_id);
    check_text(out->error_message);
    for (size_t i = 0; i < out->n_entities_changed; i++)
        check_text(out->entities_changed[i]);
    for (size_t i = 0; i < out->n_events; i++)
        check_text(out->events[i].event_type);
}

/* What is accepted must hold: its strings are text, its extra fields scan again, its counts are not below -1; and a refusal has a sentence. */
static inline enum sl_code decode(const struct sl_message *message, struct sl_arena *arena)
{
    struct sl_completion out;
    struct sl_err err = {0};
    enum sl_reject reject = (enum sl_reject) - 1;
    const enum sl_code code = sl_completion_decode(&out, message, NULL, config(), NOW, arena, &reject, &err);
    if (code == SL_OK)
        check_accepted(&out, arena);
    else if (code != SL_INVALID || !sl_reject_name(reject) || err.text[0] == '\0' || !sl_utf8_valid(err.text, strlen(err.text)))
        abort();
    return code;
}

#endif
