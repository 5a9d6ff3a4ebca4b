/* quality.h - the quality of a unit's rows: score, tier, issues; how tiers join; what confidence a tier allows (DESIGN section 7; the numbers are exact).
 * Pure: no I/O, no clock. Any thread. Results are arena-held; strings of inputs are borrowed and may be shared by results. */
#ifndef SLUICE_QUALITY_H
#define SLUICE_QUALITY_H

#include <sluice/config.h>
#include <sluice/json.h>
#include <sluice/mem.h>

/* Best first: the greater, the worse. */
enum sl_tier { SL_TIER_GOLD, SL_TIER_SILVER, SL_TIER_BRONZE, SL_TIER_POOR, SL_TIER_UNUSABLE };
#define SL_N_TIERS 5
const char *sl_tier_name(enum sl_tier tier);             /* static storage */
bool sl_tier_parse(const char *text, enum sl_tier *out); /* NULL and unknown names: false, *out stays */
enum sl_tier sl_tier_read(const char *text);             /* for joining: NULL and unknown names are unusable */

/* How many rows have NULL in a field. A field that no count names does not exist as a column. */
struct sl_null_count {
    const char *field;
    int64_t n;
};

/* The aggregates of one unit's rows (or of one date's, where the table has no units). */
struct sl_quality_input {
    int64_t row_count;
    const struct sl_null_count *nulls;
    size_t n_nulls;
    const char *const *data_sources; /* "primary", a table, "reconstruction"; without "primary" a backup; none: says nothing */
    size_t n_data_sources;
    bool reconstructed;
    int expected; /* rows; 0: by season progress of `date` */
    sl_date date; /* SL_DATE_NONE: none */
};

struct sl_quality {
    enum sl_tier tier;
    double score; /* 0..100, one decimal */
    const char **issues;
    size_t n_issues; /* in the order they were found; none twice */
    /* metadata */
    bool critical_failure; /* required fields are missing as columns: only these are told, and early_season as false */
    const char **missing_required;
    size_t n_missing_required;
    int64_t sample_size;
    double expected_sample_size, null_penalty;
    bool reconstructed, early_season;
    int games_into_season; /* -1: no date */
};

/* `policy`: &config->quality, or sl_quality_policy_default(). */
void sl_quality_assess(struct sl_quality *out, const struct sl_quality_policy *policy, const struct sl_quality_profile *profile,
                       const struct sl_quality_input *input, struct sl_arena *arena);
const struct sl_quality_policy *sl_quality_policy_default(void);
/* The metadata of the vectors and of quality_metadata, as an object. */
void sl_quality_metadata_json(struct sl_json *json, const struct sl_quality *quality);

/* What a run says of the quality of its rows, all of them. */
struct sl_reported {
    bool any; /* else nothing below is set */
    enum sl_tier tier;
    double score; /* 100 where it says none */
    const char **issues;
    size_t n_issues;
};
/* From `quality` and `data_sources` of `extra`, the JSON object of what a completion says besides (may be NULL). Arena. */
void sl_reported_read(struct sl_reported *out, const struct sl_quality_policy *policy, const char *extra, struct sl_arena *arena);

/* Worst wins: the worst tier, the least score, the union of issues in order without repeats. `worst` (may be NULL) gets the index that decided: the worst tier, of these the
 * least score, of these the first. SL_INVALID for an empty list. */
struct sl_quality_item {
    enum sl_tier tier;
    double score;
    const char *const *issues;
    size_t n_issues;
};
enum sl_code sl_quality_worst(struct sl_quality_item *out, size_t *worst, const struct sl_quality_item *items, size_t n,
                              struct sl_arena *arena, struct sl_err *err);

/* What confidence a tier allows. `tier` as written: NULL counts as bronze, an unknown name has the ceiling of poor; unusable: no prediction. */
struct sl_capped {
    double confidence;
    bool capped, skipped;
};
struct sl_capped sl_confidence_cap(const struct sl_quality_policy *policy, const char *tier, double confidence);

#endif
