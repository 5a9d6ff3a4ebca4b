/* fuzz_completion.c - any bytes as a line of NDJSON and as a completion's body. */
#include "completion_checks.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct sl_arena arena = {0};
    struct sl_message body = {.data = (const char *)bytes, .len = len}, line = {0};
    decode(&body, &arena);
    sl_message_from_line(&line, (const char *)bytes, len, &arena);
    decode(&line, &arena);
    sl_arena_fini(&arena);
    return 0;
}
