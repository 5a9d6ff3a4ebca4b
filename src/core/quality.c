/* quality.c - how good a unit's rows are. An assessment goes one way: columns that must be there -> share of the columns that are -> penalty for NULLs -> thin sample -> tier,
 * which sources and samples may lower -> the record. Only required columns that are missing end it early.
 * The numbers are exact: every sum keeps its order, and this file is compiled without fused multiply-add (src/core/CMakeLists.txt), so that every machine gives the same bytes. */
#include <sluice/quality.h>

#include <math.h>
#include <string.h>

/* Parts of the rule that no config names. */
#define WEIGHTED_FREE  0.1 /* share of NULLs in a weighted column that costs nothing */
#define WEIGHTED_COST  50
#define REQUIRED_FREE  0.2 /* the same for a required column */
#define REQUIRED_COST  100
#define PENALTY_CAP    50
#define PENALTY_TOLD   10 /* above it there is an issue */
#define THIN_FACTOR    0.8
#define UNITS_START    10 /* of a season: fewer are its start */
#define UNITS_MIDDLE   30
#define DAYS_PER_UNIT  2
#define MONTHS_BETWEEN 3 /* the months before a season's start that belong to it already */
#define LEAST_ROWS     2 /* fewer say next to nothing */

static const struct sl_quality_policy DEFAULT = {
    .thresholds = {95, 75, 50, 25},
    .ceilings = {1.0, 0.95, 0.8, 0.6, 0.0},
    .thin = 0.5,
    .thin_early = 0.3,
    .early_units = 15,
    .expected_early = 3,
    .expected_mid = 5,
    .expected_full = 8,
    .expected_none = 10,
    .historical_tier = "silver",
    .historical_score = 80.0,
    .season_month = 10,
    .season_day = 15,
};

struct assessment {
    struct sl_quality *out;
    const struct sl_quality_policy *policy;
    const struct sl_quality_profile *profile;
    const struct sl_quality_input *input;
    struct sl_arena *arena;
    double score; /* not rounded */
};

const struct sl_quality_policy *sl_quality_policy_default(void)
{
    return &DEFAULT;
}

/* Tenths, rounded by the exact value, ties to even. A long double holds ten times any double. */
static long long tenths(double value)
{
    return (long long)rintl((long double)value * 10.0L);
}

static double one_decimal(double value)
{
    return (double)tenths(value) / 10.0;
}

static const struct sl_null_count *find_column(const struct assessment *a, const char *field)
{
    for (size_t i = 0; i < a->input->n_nulls; i++)
        if (strcmp(a->input->nulls[i].field, field) == 0)
            return &a->input->nulls[i];
    return NULL;
}

static void add_once(struct sl_arena *arena, const char ***items, size_t *n, const char *text)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp((*items)[i], text) == 0)
            return;
    *items = sl_arena_push(arena, *items, n, sizeof **items);
    (*items)[*n - 1] = text;
}

static void add_issue(struct assessment *a, const char *text)
{
    add_once(a->arena, &a->out->issues, &a->out->n_issues, text);
}

/* The first day of the season that a date belongs to. Until some months before a start, dates still belong to the season before. */
static bool season_start(const struct sl_quality_policy *policy, sl_date date, sl_date *out)
{
    struct sl_civil day = sl_date_to_civil(date);
    bool wraps = policy->season_month <= MONTHS_BETWEEN;
    int first = policy->season_month - MONTHS_BETWEEN + (wraps ? 12 : 0);
    int year = day.year - (day.month < first) + wraps;
    return sl_date_from_civil((struct sl_civil){year, policy->season_month, policy->season_day}, out);
}

/* -1: no date. */
static int games_into_season(const struct sl_quality_policy *policy, sl_date date)
{
    sl_date start;
    if (date == SL_DATE_NONE)
        return -1;
    if (!season_start(policy, date, &start) || date < start)
        return 0;
    return (date - start) / DAYS_PER_UNIT;
}

static double expected_rows(const struct sl_quality_policy *policy, const struct sl_quality_input *input, int games)
{
    if (input->expected > 0)
        return input->expected;
    if (games < 0)
        return policy->expected_none;
    if (games < UNITS_START)
        return fmin(policy->expected_early, games + 1);
    return games < UNITS_MIDDLE ? policy->expected_mid : policy->expected_full;
}

/* false: required columns are missing, and that is all there is to say. */
static bool check_required(struct assessment *a)
{
    struct sl_quality *out = a->out;
    for (size_t i = 0; i < a->profile->n_required; i++)
        if (find_column(a, a->profile->required[i]) == NULL)
            add_once(a->arena, &out->missing_required, &out->n_missing_required, a->profile->required[i]);
    for (size_t i = 0; i < out->n_missing_required; i++)
        add_issue(a, sl_arena_printf(a->arena, "missing_required:%s", out->missing_required[i]));
    return out->n_missing_required == 0;
}

static double share_of_columns(struct assessment *a)
{
    const struct sl_quality_profile *profile = a->profile;
    size_t n = profile->n_required + profile->n_optional, n_present = profile->n_required;
    for (size_t i = 0; i < profile->n_optional; i++) {
        if (find_column(a, profile->optional[i]) != NULL)
            n_present++;
        else
            add_issue(a, sl_arena_printf(a->arena, "missing_optional:%s", profile->optional[i]));
    }
    return n == 0 ? 100.0 : (double)n_present / (double)n * 100.0;
}

/* Weights may name columns that are neither required nor optional; these count like the others. */
static double share_of_weights(const struct assessment *a, double otherwise)
{
    double total = 0, present = 0;
    for (size_t i = 0; i < a->profile->n_weights; i++) {
        const struct sl_weight *weight = &a->profile->weights[i];
        total += weight->weight;
        if (find_column(a, weight->field) != NULL)
            present += weight->weight;
    }
    return total > 0 ? present / total * 100.0 : otherwise;
}

static double null_rate(const struct assessment *a, const char *field)
{
    const struct sl_null_count *count = find_column(a, field);
    return count == NULL || a->input->row_count <= 0 ? 0 : (double)count->n / (double)a->input->row_count;
}

/* A column that is required and weighted pays twice. */
static double null_penalty(const struct assessment *a)
{
    double penalty = 0;
    for (size_t i = 0; i < a->profile->n_weights; i++) {
        double rate = null_rate(a, a->profile->weights[i].field);
        if (rate > WEIGHTED_FREE)
            penalty += (rate - WEIGHTED_FREE) * a->profile->weights[i].weight * WEIGHTED_COST;
    }
    for (size_t i = 0; i < a->profile->n_required; i++) {
        double rate = null_rate(a, a->profile->required[i]);
        if (rate > REQUIRED_FREE)
            penalty += (rate - REQUIRED_FREE) * REQUIRED_COST;
    }
    return fmin(penalty, PENALTY_CAP);
}

/* Whole numbers without a fraction: 8, 2.5. */
static const char *number_text(struct assessment *a, double value)
{
    return fmod(value, 1) == 0 ? sl_arena_printf(a->arena, "%lld", (long long)value) : sl_arena_printf(a->arena, "%.6g", value);
}

static void score_rows(struct assessment *a)
{
    struct sl_quality *out = a->out;
    a->score = share_of_columns(a);
    if (a->profile->n_weights > 0)
        a->score = (a->score + share_of_weights(a, a->score)) / 2;
    double penalty = null_penalty(a);
    if (penalty > PENALTY_TOLD)
        add_issue(a, sl_arena_printf(a->arena, "high_null_rate:%lld.%lldpct", tenths(penalty) / 10, tenths(penalty) % 10));
    out->null_penalty = one_decimal(penalty);
    a->score -= penalty;
    if ((double)out->sample_size < out->expected_sample_size * a->policy->thin) {
        a->score *= THIN_FACTOR;
        add_issue(a,
                  sl_arena_printf(a->arena, "thin_sample:%lld/%s", (long long)out->sample_size, number_text(a, out->expected_sample_size)));
    }
    a->score = fmax(0, fmin(100, a->score));
}

static enum sl_tier tier_of(const struct sl_quality_policy *policy, double score)
{
    for (size_t i = 0; i < SL_N_TIERS - 1; i++)
        if (score >= policy->thresholds[i])
            return (enum sl_tier)i;
    return SL_TIER_UNUSABLE;
}

static bool is_backup(const struct sl_quality_input *input)
{
    for (size_t i = 0; i < input->n_data_sources; i++)
        if (strcmp(input->data_sources[i], "primary") == 0)
            return input->reconstructed;
    return input->n_data_sources > 0 || input->reconstructed;
}

static void lower(enum sl_tier *tier, enum sl_tier most)
{
    if (*tier < most)
        *tier = most;
}

static enum sl_tier capped_tier(const struct assessment *a)
{
    const struct sl_quality *out = a->out;
    enum sl_tier tier = tier_of(a->policy, a->score);
    double fraction = out->early_season ? a->policy->thin_early : a->policy->thin;
    if (is_backup(a->input))
        lower(&tier, SL_TIER_SILVER);
    if ((double)out->sample_size < out->expected_sample_size * fraction)
        lower(&tier, SL_TIER_BRONZE);
    if (out->sample_size < LEAST_ROWS)
        lower(&tier, SL_TIER_POOR);
    return tier;
}

void sl_quality_assess(struct sl_quality *out, const struct sl_quality_policy *policy, const struct sl_quality_profile *profile,
                       const struct sl_quality_input *input, struct sl_arena *arena)
{
    struct assessment a = {.out = out, .policy = policy, .profile = profile, .input = input, .arena = arena};
    *out = (struct sl_quality){.tier = SL_TIER_UNUSABLE, .sample_size = input->row_count, .reconstructed = input->reconstructed};
    out->games_into_season = games_into_season(policy, input->date);
    out->expected_sample_size = expected_rows(policy, input, out->games_into_season);
    if (!check_required(&a)) {
        out->critical_failure = true;
        return;
    }
    out->early_season = out->games_into_season >= 0 && out->games_into_season < policy->early_units;
    score_rows(&a);
    out->tier = capped_tier(&a);
    out->score = one_decimal(a.score);
}

/* Integers as integers: 8, 50. */
static void put_number(struct sl_json *json, const char *key, double value, bool whole)
{
    if (whole)
        sl_json_put_int(json, key, (int64_t)value);
    else
        sl_json_put_double(json, key, value);
}

void sl_quality_metadata_json(struct sl_json *json, const struct sl_quality *quality)
{
    sl_json_object(json);
    if (quality->critical_failure) {
        sl_json_put_bool(json, "critical_failure", true);
        sl_json_put_strs(json, "missing_required_fields", quality->missing_required, quality->n_missing_required);
        sl_json_put_bool(json, "early_season", quality->early_season);
        sl_json_end_object(json);
        return;
    }
    sl_json_put_int(json, "sample_size", quality->sample_size);
    put_number(json, "expected_sample_size", quality->expected_sample_size, fmod(quality->expected_sample_size, 1) == 0);
    put_number(json, "null_penalty", quality->null_penalty, quality->null_penalty >= PENALTY_CAP);
    sl_json_put_bool(json, "reconstruction_applied", quality->reconstructed);
    sl_json_put_bool(json, "early_season", quality->early_season);
    if (quality->games_into_season < 0)
        sl_json_put_null(json, "games_into_season");
    else
        sl_json_put_int(json, "games_into_season", quality->games_into_season);
    sl_json_end_object(json);
}
