/* Any bytes as a TZif file: a zone that answers, or a refusal. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/date.h>

#include "../../src/base/zone_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t instants[] = {INT64_MIN, -1, 0, 1751328000000000, 4118083200000000, INT64_MAX};
    struct sl_zone *zone = NULL;
    enum sl_code code = sl_zone_parse(&zone, "fuzz", data, size, NULL);
    assert(code == SL_OK || code == SL_CORRUPT || code == SL_INVALID);
    assert((code == SL_OK) == (zone != NULL));
    for (size_t i = 0; zone != NULL && i < sizeof(instants) / sizeof(instants[0]); i++) {
        int minutes = sl_zone_minutes(zone, instants[i]);
        assert(minutes >= 0 && minutes < 1440);
        sl_zone_instant(zone, sl_zone_date(zone, instants[i]), 9000000000);
    }
    sl_zone_destroy(&zone);
    return 0;
}
