"""Other policies than the contract's: checks, shares, profiles of quality, inputs."""
import copy, json

PHASES = ("phase_2_raw", "phase_3_analytics", "phase_4_precompute")
BOXSCORE, PLAYERS, SUMMARY = "nba_raw.nbac_team_boxscore", "nba_raw.nbac_player_boxscore", "nba_analytics.player_game_summary"
CACHE = "nba_precompute.player_daily_cache"
PROFILES = {
    "nbac_player_boxscore": {"required": ["player_id", "points"], "optional": ["minutes_played", "steals"], "weights": {"points": 2.5}},
    "bdl_box_scores": {"required": ["team_abbr"], "optional": ["points"]},
    "team_offense_game_summary": {"required": ["team_abbr", "points"], "weights": {"points": 10, "blocks": 2}},
    "upcoming_player_game_context": {"required": ["player_id", "minutes_played"]},
    "player_daily_cache": {"required": ["points"], "optional": ["shot_zones"], "weights": {"shot_zones": 6}},
}


def processor(phases, name):
    return next(p for raw in phases.values() for p in raw["processors"] if p["name"] == name)


def vary_gates(season, phases):
    """Shares, modes and look-backs."""
    for name in PHASES:
        checks = phases[name]["checks"]
        if season.chance(0.25):
            phases[name]["share"] = season.rng.choice(["0%", "50%", "75%", "80%", "100%"])
        if season.chance(0.25):
            checks["units"] = season.rng.choice(["strict", "soft"])
        if season.chance(0.3):
            checks["gaps"] = {"mode": season.rng.choice(["strict", "soft"]), "look_back": season.rng.choice(["3d", "7d", "30d", "60d"])}
        if season.chance(0.2) and "upstream" in checks:
            checks["upstream"] = season.rng.choice(["strict", "soft"])
        if season.chance(0.1):
            phases[name]["mode"] = "observe"
        if season.chance(0.15):
            phases[name]["processors"][-1]["required"] = season.rng.choice(["critical", "optional"])


def vary_checks(season, phases):
    """The checks of quality and completeness."""
    for name in PHASES:
        checks = phases[name]["checks"]
        if season.chance(0.4):
            checks["quality"] = {"mode": season.rng.choice(["strict", "soft"]), "min_usable": season.rng.choice(["30%", "60%", "100%"])}
        if season.chance(0.4):
            tables = [BOXSCORE, PLAYERS, "nba_raw.bdl_box_scores"] + ([SUMMARY] if name != PHASES[0] else [])
            checks["completeness"] = {
                "mode": season.rng.choice(["strict", "soft"]), "entity": "team", "table": season.rng.choice(tables), "entity_column": "team_abbr",
                "window": season.rng.choice(["1 units", "3 units", "10 units", "40 units", "1 days", "7 days", "30 days"]),
                "threshold": season.rng.choice(["50%", "70%", "80%", "90%", "100%"])}
        if season.chance(0.15):
            phases[name]["on_late"] = season.rng.choice(["ignore", "mark"])


def vary_profiles(season, phases):
    for name, profile in PROFILES.items():
        if season.chance(0.3):
            processor(phases, name)["quality"] = {**profile, **({"expected_rows": season.rng.choice([1, 2, 5, 30])} if season.chance(0.4) else {})}
    if season.chance(0.3):
        processor(phases, "nbac_team_boxscore")["quality"]["expected_rows"] = season.rng.choice([1, 3, 4, 5])
    if season.chance(0.3):
        weights = {f: season.rng.choice([0.5, 1, 5, 10]) for f in ("points", "plus_minus", "shot_zones", "rebounds") if season.chance(0.5)}
        season.note(f"weights {weights}")
        processor(phases, "player_game_summary")["quality"]["weights"] = weights
    for name, field in (("player_game_summary", "points"), ("nbac_player_boxscore", "points"), ("nbac_team_boxscore", "pts")):
        if season.chance(0.3):  # so little of it is there that a unit with nulls is unusable
            profile = processor(phases, name).setdefault("quality", {"required": ["game_id", field]})
            profile.update(optional=["plus_minus", "steals", "blocks"], weights={field: 10, "steals": 5})
    if season.chance(0.05):
        profile = processor(phases, season.rng.choice(["player_game_summary", "nbac_team_boxscore"]))["quality"]
        profile["required"].append("steals")
        profile["optional"] = [f for f in profile.get("optional", []) if f != "steals"]


def vary_inputs(season, phases):
    """Who is made from what; chains too."""
    rows = lambda: season.rng.choice(["1 rows", "3 rows", "10 rows", "5 units", "2 days", "14 days"])
    given = lambda table, column="player_id": {"table": table, "entity_column": column, "window": rows()}
    for name, tables in (("player_daily_cache", [SUMMARY, PLAYERS]), ("player_game_summary", [PLAYERS]), ("ml_feature_store", [CACHE]),
                         ("player_composite_factors", [SUMMARY]), ("team_offense_game_summary", [BOXSCORE])):
        if season.chance(0.25):
            column = "team_abbr" if name.startswith("team") else "player_id"
            processor(phases, name)["inputs"] = [given(t, column) for t in tables if season.chance(0.7)] or [given(tables[0], column)]


def vary_numbers(season, config):
    if season.chance(0.2):
        config["quality"] = {"thresholds": season.rng.choice([[95, 75, 50, 25], [99, 90, 60, 10]]), "thin": season.rng.choice(["50%", "80%"])}


def vary(season, config):
    """Another policy now and then. Returns whether anything was changed."""
    phases, before = {p["name"]: p for p in config["phases"]}, copy.deepcopy(config)
    if season.chance(0.4):
        vary_gates(season, phases)
    if season.chance(0.5):
        for change in (vary_checks, vary_profiles, vary_inputs):
            change(season, phases)
        vary_numbers(season, config)
    for old in before["phases"]:
        for key, value in phases[old["name"]].items():
            if value != old.get(key):
                parts = [x for x in value if x not in old[key]] if key == "processors" else value
                season.note(f"{old['name']}.{key}: {json.dumps(parts)}")
    if config.get("quality"):
        season.note(f"quality: {json.dumps(config['quality'])}")
    return config != before
