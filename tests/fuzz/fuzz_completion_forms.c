/* fuzz_completion_forms.c - any bytes as a completion in protobuf, as a CloudEvent in JSON, and as the data of one in binary mode (the first byte says which).
 * What is accepted must hold: its strings are text, its extra fields scan again; a refusal has a sentence; and what protobuf-c can't unpack isn't accepted either. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/completion.h>
#include <sluice/str.h>

#include <sluice/v1/completion.pb-c.h>

#include "../src/core/json_scan.h"
#include "support/completion_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const int64_t NOW = INT64_C(1744790500000000);

static const struct sl_attribute PROTOBUF[] = {{"content-type", "application/protobuf"}};
static const struct sl_attribute EVENT[] = {{"content-type", "application/cloudevents+json"}};
static const struct sl_attribute BINARY[] = {
    {"ce-specversion", "1.0"}, {"ce-id", "\x01\"\xff"}, {"ce-source", "s"}, {"ce-type", "t"}, {"content-type", "application/x-protobuf"}};

static struct sl_config *config(void)
{
    static struct sl_config only;
    static struct sl_zone *zone;
    struct sl_err err;
    if (!zone) {
        if (sl_zone_load(&zone, "UTC", &err) != SL_OK)
            abort();
        only = completion_config(zone);
    }
    return &only;
}

static void check_accepted(const struct sl_completion *out, struct sl_arena *arena)
{
    struct sl_json_value root;
    enum sl_reject reject;
    if (!out->phase || out->date == SL_DATE_NONE || out->record_count < -1 || out->records_failed < -1)
        abort();
    if (!sl_json_scan(out->extra, out->extra_len, NULL, NULL, arena, &root, &reject, NULL) || root.kind != SL_JSON_OBJECT)
        abort();
    if (!sl_utf8_valid(out->processor_name, strlen(out->processor_name)) || !sl_utf8_valid(out->execution_id, strlen(out->execution_id)))
        abort();
    for (size_t i = 0; i < out->n_events; i++)
        if (!sl_utf8_valid(out->events[i].event_type, strlen(out->events[i].event_type)))
            abort();
}

static void check_second_opinion(const uint8_t *bytes, size_t len)
{
    Sluice__V1__Completion *other = sluice__v1__completion__unpack(NULL, len, bytes);
    if (!other)
        abort();
    sluice__v1__completion__free_unpacked(other, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct sl_arena arena = {0};
    struct sl_completion out;
    struct sl_err err = {0};
    enum sl_reject reject = (enum sl_reject) - 1;
    if (len == 0)
        return 0;
    const int form = bytes[0] % 3;
    struct sl_message message = {.data = (const char *)bytes + 1,
                                 .len = len - 1,
                                 .attributes = form == 0   ? PROTOBUF
                                               : form == 1 ? EVENT
                                                           : BINARY,
                                 .n_attributes = form == 2 ? 5 : 1};
    enum sl_code code = sl_completion_decode(&out, &message, NULL, config(), NOW, &arena, &reject, &err);
    if (code == SL_OK)
        check_accepted(&out, &arena);
    else if (code != SL_INVALID || !sl_reject_name(reject) || err.text[0] == '\0' || !sl_utf8_valid(err.text, strlen(err.text)))
        abort();
    if (code == SL_OK && form != 1)
        check_second_opinion(bytes + 1, len - 1);
    sl_arena_fini(&arena);
    return 0;
}
