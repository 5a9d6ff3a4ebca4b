/* fuzz_completion_forms.c - any bytes as a completion in protobuf, as a CloudEvent in JSON, and as the data of one in binary mode (the first byte says which).
 * What protobuf-c can't unpack isn't accepted either. */
#include <sluice/v1/completion.pb-c.h>

#include "completion_checks.h"

static const struct sl_attribute PROTOBUF[] = {{"content-type", "application/protobuf"}};
static const struct sl_attribute EVENT[] = {{"content-type", "application/cloudevents+json"}};
static const struct sl_attribute BINARY[] = {
    {"ce-specversion", "1.0"}, {"ce-id", "\x01\"\xff"}, {"ce-source", "s"}, {"ce-type", "t"}, {"content-type", "application/x-protobuf"}};

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
    if (len == 0)
        return 0;
    const int form = bytes[0] % 3;
    struct sl_message message = {.data = (const char *)bytes + 1,
                                 .len = len - 1,
                                 .attributes = form == 0   ? PROTOBUF
                                               : form == 1 ? EVENT
                                                           : BINARY,
                                 .n_attributes = form == 2 ? 5 : 1};
    if (decode(&message, &arena) == SL_OK && form != 1)
        check_second_opinion(bytes + 1, len - 1);
    sl_arena_fini(&arena);
    return 0;
}
