/* reported.c - what a run says of the quality of its own rows: `quality` and `data_sources` of its completion. It is one more claim about the whole date, and the worst claim counts;
 * what it doesn't say, or not in a form that is understood, claims nothing. */
#include <sluice/quality.h>

#include <string.h>

#include <jansson.h>

#define MAX_ISSUES    100 /* facts stay small (RULES 23) */
#define MAX_ISSUE_LEN 256

/* By our name, or by that of the columns and of the trigger. */
static const json_t *either(const json_t *quality, const char *name, const char *column)
{
    const json_t *value = json_object_get(quality, name);
    return value && !json_is_null(value) ? value : json_object_get(quality, column);
}

static void add_issue(struct sl_reported *out, const char *issue, struct sl_arena *arena)
{
    for (size_t i = 0; i < out->n_issues; i++)
        if (!strcmp(out->issues[i], issue))
            return;
    if (out->n_issues == MAX_ISSUES || strlen(issue) > MAX_ISSUE_LEN)
        return;
    out->issues = sl_arena_push(arena, out->issues, &out->n_issues, sizeof *out->issues);
    out->issues[out->n_issues - 1] = sl_arena_strdup(arena, issue);
}

static enum sl_tier tier_of_score(const struct sl_quality_policy *policy, double score)
{
    size_t tier = SL_TIER_GOLD;
    while (tier < SL_TIER_UNUSABLE && score < policy->thresholds[tier])
        tier++;
    return (enum sl_tier)tier;
}

static void claim(struct sl_reported *out, enum sl_tier tier)
{
    out->any = true;
    out->tier = tier > out->tier ? tier : out->tier;
}

/* A tier that nobody knows is unusable, as wherever tiers are joined. A tier alone says nothing of the score, a score alone stands for its tier. */
static void read_quality(struct sl_reported *out, const struct sl_quality_policy *policy, const json_t *quality, struct sl_arena *arena)
{
    const json_t *tier = json_is_string(quality) ? quality : either(quality, "tier", "quality_tier");
    const json_t *score = either(quality, "score", "quality_score"), *issues = either(quality, "issues", "quality_issues"), *issue;
    size_t i;
    if (json_is_string(tier))
        claim(out, sl_tier_read(json_string_value(tier)));
    if (json_is_number(score) && json_number_value(score) >= 0 && json_number_value(score) <= 100) {
        out->score = json_number_value(score);
        claim(out, json_is_string(tier) ? out->tier : tier_of_score(policy, out->score));
    }
    json_array_foreach((json_t *)issues, i, issue)
    {
        if (json_is_string(issue))
            add_issue(out, json_string_value(issue), arena);
    }
}

/* Sources without "primary" are a backup, which is silver at best; none say nothing. */
static void read_sources(struct sl_reported *out, const json_t *sources, struct sl_arena *arena)
{
    size_t i, n = 0;
    const json_t *source;
    bool primary = false;
    json_array_foreach((json_t *)sources, i, source)
    {
        n += json_is_string(source);
        primary |= json_is_string(source) && !strcmp(json_string_value(source), "primary");
    }
    if (n == 0 || primary)
        return;
    claim(out, SL_TIER_SILVER);
    add_issue(out, "backup_source_used", arena);
}

void sl_reported_read(struct sl_reported *out, const struct sl_quality_policy *policy, const char *extra, struct sl_arena *arena)
{
    *out = (struct sl_reported){.score = 100.0};
    json_t *root = extra && (strstr(extra, "quality") || strstr(extra, "data_sources")) ? json_loads(extra, JSON_DECODE_INT_AS_REAL, NULL)
                                                                                        : NULL;
    read_quality(out, policy, json_object_get(root, "quality"), arena);
    read_sources(out, json_object_get(root, "data_sources"), arena);
    if (!out->any)
        *out = (struct sl_reported){0};
    json_decref(root);
}
