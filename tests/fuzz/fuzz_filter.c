/* fuzz_filter.c - any bytes as a filter and, behind the first NUL, as a stored message. What is read can be read again and means the same; a refusal says where; NOT turns
 * every answer round. */
#include <stdlib.h>
#include <string.h>

#include <sluice/mem.h>
#include <sluice/str.h>

#include "../src/broker/filter_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static bool matches(const char *text, const char *body, size_t len)
{
    struct sl_filter *filter;
    struct sl_err err;
    if (sl_filter_parse(&filter, text, &err) != SL_OK)
        abort();
    const bool yes = sl_filter_matches(filter, body, len);
    sl_filter_free(&filter);
    return yes;
}

static void negate(const char *text, bool yes, const char *body, size_t len)
{
    struct sl_buf negated = {0};
    sl_buf_printf(&negated, "NOT (%s)", text);
    if (negated.len <= SL_FILTER_MAX_BYTES && matches(negated.data, body, len) == yes)
        abort();
    sl_buf_fini(&negated);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text = sl_strndup((const char *)bytes, len);
    const size_t text_len = strlen(text);
    /* Memory of its own, so that one read too many is seen. */
    const size_t body_len = text_len < len ? len - text_len - 1 : 0;
    char *body = sl_alloc(body_len ? body_len : 1);
    memcpy(body, text + len - body_len, body_len);
    struct sl_filter *filter;
    struct sl_err err = {0};
    const enum sl_code code = sl_filter_parse(&filter, text, &err);
    if (code != SL_OK && (code != SL_INVALID || !err.text[0] || filter))
        abort();
    if (code == SL_OK && filter) {
        const bool yes = sl_filter_matches(filter, body, body_len);
        if (matches(text, body, body_len) != yes)
            abort();
        negate(text, yes, body, body_len);
    }
    sl_filter_free(&filter);
    free(body);
    free(text);
    return 0;
}
