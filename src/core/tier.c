/* tier.c - the names of tiers. */
#include <string.h>

#include <sluice/quality.h>

static const char *const NAMES[SL_N_TIERS] = {"gold", "silver", "bronze", "poor", "unusable"};

const char *sl_tier_name(enum sl_tier tier)
{
    return NAMES[tier];
}

bool sl_tier_parse(const char *text, enum sl_tier *out)
{
    for (size_t i = 0; text && i < SL_N_TIERS; i++) {
        if (strcmp(NAMES[i], text) != 0)
            continue;
        *out = (enum sl_tier)i;
        return true;
    }
    return false;
}

enum sl_tier sl_tier_read(const char *text)
{
    enum sl_tier tier = SL_TIER_UNUSABLE;
    sl_tier_parse(text, &tier);
    return tier;
}
