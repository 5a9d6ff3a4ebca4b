/* quality_join.c - how tiers join on their way down, and what confidence one allows. Quality never improves: the worst wins. */
#include <sluice/quality.h>

#include <string.h>

/* Is `a` worse than `b`? */
static bool is_worse(const struct sl_quality_item *a, const struct sl_quality_item *b)
{
    return a->tier != b->tier ? a->tier > b->tier : a->score < b->score;
}

/* Each issue once, in the order of the items. */
static const char **join_issues(const struct sl_quality_item *items, size_t n, size_t *n_issues, struct sl_arena *arena)
{
    struct sl_map *seen = sl_map_create();
    const char **issues = NULL;
    *n_issues = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < items[i].n_issues; k++) {
            const char *issue = items[i].issues[k];
            if (sl_map_get(seen, issue) != NULL)
                continue;
            sl_map_put(seen, issue, seen);
            issues = sl_arena_push(arena, issues, n_issues, sizeof *issues);
            issues[*n_issues - 1] = issue;
        }
    sl_map_destroy(&seen);
    return issues;
}

enum sl_code sl_quality_worst(struct sl_quality_item *out, size_t *worst, const struct sl_quality_item *items, size_t n,
                              struct sl_arena *arena, struct sl_err *err)
{
    size_t at = 0;
    if (n == 0)
        return sl_fail(err, SL_INVALID, "there is nothing to join: a list of tiers has at least one");
    double score = items[0].score;
    for (size_t i = 1; i < n; i++) {
        if (is_worse(&items[i], &items[at]))
            at = i;
        if (items[i].score < score)
            score = items[i].score;
    }
    *out = (struct sl_quality_item){.tier = items[at].tier, .score = score};
    out->issues = join_issues(items, n, &out->n_issues, arena);
    if (worst != NULL)
        *worst = at;
    return SL_OK;
}

struct sl_capped sl_confidence_cap(const struct sl_quality_policy *policy, const char *tier, double confidence)
{
    enum sl_tier found = tier == NULL ? SL_TIER_BRONZE : SL_TIER_POOR;
    sl_tier_parse(tier, &found);
    double ceiling = policy->ceilings[found];
    return (struct sl_capped){
        .confidence = confidence > ceiling ? ceiling : confidence,
        .capped = confidence > ceiling,
        .skipped = found == SL_TIER_UNUSABLE,
    };
}
