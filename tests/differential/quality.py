#!/usr/bin/env python3
"""The quality of a unit's rows by the design's section 7 alone: the model's own numbers, not the program's.

usage: quality.py VECTORS.ndjson      holds them against the shared vectors: scores within 0.05; tier, issues and metadata equal
"""
import datetime, json, sys

TIERS = ("gold", "silver", "bronze", "poor", "unusable")
HISTORICAL = ("silver", 80.0, ["historical_data"])
DEFAULTS = {"thresholds": [95, 75, 50, 25], "thin": 0.5, "thin_early": 0.3, "early_units": 15,
            "expected": {"early": 3, "mid": 5, "full": 8, "none": 10}}
ISSUE_ABOVE, MOST = 10, 50  # points of penalty from which the rate is an issue, and the most that nulls can cost


def games_into_season(date, starts=(10, 15)):
    """Two days a game since the season's start; the three months before it belong to it already."""
    if not date:
        return None
    when, first = datetime.date.fromisoformat(date), starts[0] - 3
    begun = when.year - (when.month < first) if first > 0 else when.year + (when.month >= first + 12)
    return max((when - datetime.date(begun, *starts)).days, 0) // 2


def expected_rows(games, policy):
    sizes = policy["expected"]
    if games is None:
        return sizes["none"]
    return min(sizes["early"], games + 1) if games < 10 else sizes["mid"] if games < 30 else sizes["full"]


def null_penalty(profile, nulls, rows):
    if not rows:
        return 0.0
    total = 0.0
    for field, weight in (profile.get("weights") or {}).items():
        total += max(nulls.get(field, 0) / rows - 0.1, 0) * weight * 50
    for field in profile.get("required") or []:
        total += max(nulls.get(field, 0) / rows - 0.2, 0) * 100
    return min(total, MOST)


def share(profile, nulls):
    """Fields that are there, in percent; with weights the mean of that and of the weights that are there."""
    fields = [*(profile.get("required") or []), *(profile.get("optional") or [])]
    base = sum(f in nulls for f in fields) / len(fields) * 100 if fields else 100.0
    weights = profile.get("weights") or {}
    if not weights:
        return base
    return (base + sum(w for f, w in weights.items() if f in nulls) / sum(weights.values()) * 100) / 2


def by_score(score, policy):
    return next((t for t, least in zip(TIERS, policy["thresholds"]) if score >= least), "unusable")


def worse(*tiers):
    return max(tiers, key=TIERS.index)


def capped(tier, rows, expected, early, backup, policy):
    if backup:
        tier = worse(tier, "silver")
    if rows < expected * policy["thin_early" if early else "thin"]:
        tier = worse(tier, "bronze")
    return worse(tier, "poor") if rows < 2 else tier


def assess(profile, rows, nulls, sources=("primary",), rebuilt=False, expected=None, date=None, starts=(10, 15), settings=None):
    """(tier, score, issues, metadata). `nulls` has an entry for every field that is a column."""
    policy = {**DEFAULTS, **(settings or {})}
    absent = [f for f in profile.get("required") or [] if f not in nulls]
    if absent:
        return "unusable", 0.0, ["missing_required:" + f for f in absent], {
            "critical_failure": True, "missing_required_fields": absent, "early_season": False}
    games = games_into_season(date, starts)
    early = games is not None and games < policy["early_units"]
    expected = expected or expected_rows(games, policy)
    penalty = null_penalty(profile, nulls, rows)
    score = max(share(profile, nulls) - penalty, 0)
    issues = ["missing_optional:" + f for f in profile.get("optional") or [] if f not in nulls]
    issues += [f"high_null_rate:{penalty:.1f}pct"] if penalty > ISSUE_ABOVE + 1e-9 else []
    if rows < expected * policy["thin"]:
        score *= 0.8
        issues.append(f"thin_sample:{rows}/{expected}")
    backup = rebuilt or bool(sources) and "primary" not in sources
    tier = capped(by_score(score + 1e-9, policy), rows, expected, early, backup, policy)
    return tier, round(score, 1), issues, {
        "sample_size": rows, "expected_sample_size": expected, "null_penalty": round(penalty, 1), "reconstruction_applied": rebuilt,
        "early_season": early, "games_into_season": games}


def join(items):
    """Worst wins: (tier, score, issues) of a list of them; None of an empty one."""
    items = list(items)
    if not items:
        return None
    issues = list(dict.fromkeys(i for _, _, some in items for i in some))
    return worse(*(t for t, _, _ in items)), min(s for _, s, _ in items), issues


def usable_first(items):
    """The unusable ones are left out, unless there are no others."""
    items = list(items)
    return [i for i in items if i[0] != "unusable"] or items


def check_vectors(path):
    wrong = 0
    with open(path) as file:
        vectors = [json.loads(line) for line in file]
    for vector in vectors:
        given, want = vector["input"], vector["expect"]
        profile = {k: vector["profile"][k + suffix] for k, suffix in (("required", "_fields"), ("optional", "_fields"))}
        profile["weights"] = vector["profile"]["field_weights"]
        tier, score, issues, metadata = assess(profile, given["row_count"], given["null_counts"], given["data_sources"],
                                               given["reconstruction_applied"], given["expected_sample_size"], given["date"])
        if (tier, issues, metadata) != (want["tier"], want["issues"], want["metadata"]) or abs(score - want["score"]) > 0.05:
            wrong += 1
            print(f"{vector['id']}: {tier} {score} {issues} {metadata}, expected {want}")
    return len(vectors), wrong


if __name__ == "__main__":
    count, failed = check_vectors(sys.argv[1])
    print(f"{count} vectors, {failed} wrong")
    sys.exit(bool(failed or not count))
