"""Random seasons: season.py with random options, then a few turns that it does not know, then a plan of steps.

A plan is a list of ("import", table, file), ("replace", table, file, date column), ("ingest", file, settings),
("known-gap", phase, date or unit, table or None) and ("same",): the gates must be what they were at the last ("mark",).
"""
import datetime, glob, json, os, random, subprocess, sys, uuid

import policies, spoils
from files import read_csv, rewrite_csv, rewrite_messages, table_file

PROCESSORS = {
    "phase_2_raw": {"nbac_team_boxscore": "nba_raw.nbac_team_boxscore", "nbac_player_boxscore": "nba_raw.nbac_player_boxscore",
                    "bdl_box_scores": "nba_raw.bdl_box_scores", "odds_game_lines": "nba_raw.odds_game_lines"},
    "phase_3_analytics": {n: "nba_analytics." + n for n in (
        "player_game_summary", "team_defense_game_summary", "team_offense_game_summary", "upcoming_player_game_context",
        "upcoming_team_game_context")},
    "phase_4_precompute": {"ml_feature_store": "nba_predictions.ml_feature_store_v2", **{n: "nba_precompute." + n for n in (
        "player_daily_cache", "player_shot_zone_analysis", "player_composite_factors", "team_defense_zone_analysis")}},
}
ALIASES = {"nbac_team_boxscore": "NbacTeamBoxscoreProcessor", "player_game_summary": "PlayerGameSummaryProcessor",
           "odds_game_lines": "OddsApiGameLinesBatchProcessor", "phase_2_raw": "phase_2", "phase_3_analytics": "phase_3"}
SCHEDULE, FEATURES = "nba_raw.nbac_schedule", "nba_predictions.ml_feature_store_v2"
PLANNED = {"regular", "playin", "playoffs", "cup_final"}
# dates around which the real season does something of its own
TURNS = ["2024-10-22", "2024-12-05", "2024-12-15", "2024-12-25", "2025-01-05", "2025-02-10", "2025-04-10", "2025-04-20"]


class Season:
    """The pieces of one generated case."""

    def __init__(self, rng, shared, root):
        self.rng, self.shared, self.root, self.notes, self.plan = rng, shared, root, [], []
        self.games = read_csv(f"{shared}/data/nba_schedule_2024_25.csv")
        self.fill_from = None

    def note(self, text):
        self.notes.append(text)

    def chance(self, p):
        return self.rng.random() < p

    def choose_dates(self, full):
        dates = sorted({g["game_date"] for g in self.games if g["game_kind"] in PLANNED})
        if full:
            self.dates = dates
            return
        start = self.rng.choice(TURNS) if self.chance(0.7) else self.rng.choice(dates)
        begin = min(dates.index(next(d for d in dates if d >= start)), len(dates) - 3)
        self.dates = dates[begin:begin + self.rng.choice([3, 8, 15, 25, 40])]

    def window(self):
        return ["--from", self.dates[0], "--to", self.dates[-1]]

    def generate(self, name, options):
        out = f"{self.root}/{name}"
        command = [sys.executable, f"{self.shared}/scenarios/season.py", out, *self.window(), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        self.note("season.py " + " ".join([name, *self.window(), *options]))
        return out

    def pick_runs(self, most):
        found = []
        for _ in range(self.rng.randint(0, most)):
            phase = self.rng.choice(list(PROCESSORS))
            found.append((phase, self.rng.choice(list(PROCESSORS[phase])), self.rng.choice(self.dates)))
        return found

    def run_options(self, flag, most):
        return [x for run in self.pick_runs(most) for x in ("--" + flag, ",".join(run))]

    def row_options(self):
        found = []
        for phase, processor, date in self.pick_runs(4):
            table = PROCESSORS[phase][processor]
            games = [g["game_id"] for g in self.games if g["game_date"] == date and g["game_kind"] in PLANNED]
            picked = self.rng.sample(games, self.rng.randint(1, len(games))) if self.chance(0.6) else None
            if picked is None:
                found += ["--drop-rows", f"{table},{date}"]
            else:
                found += [x for g in picked for x in ("--drop-units", f"{table},{g}")]
        return found

    def faults(self):
        found = self.row_options()
        for flag, most in (("drop-run", 4), ("fail-run", 4), ("skip-run", 3), ("partial-run", 4), ("rerun", 3)):
            found += self.run_options(flag, most) if self.chance(0.5) else []
        found += ["--unfinal", self.rng.choice(self.dates)] if self.chance(0.2) else []
        found += ["--unknown-processor", str(self.rng.randint(1, 3))] if self.chance(0.2) else []
        return found + self.manners()

    def manners(self):
        found = ["--nulls"] if self.chance(0.2) else []
        found += ["--naive-time"] if self.chance(0.2) else []
        return found + (["--duplicate", str(self.rng.randint(1, 60))] if self.chance(0.3) else [])


# turns on the files of a season

def trim_calendar(season, folder):
    """The season begins with the window, so that older dates are no gaps."""
    season.note("calendar begins " + season.dates[0])
    rewrite_csv(table_file(folder, SCHEDULE), lambda rows: [r for r in rows if r[1] >= season.dates[0]])


def unfinish_game(season, folder):
    game = season.rng.choice([g for g in season.games if g["game_date"] in season.dates and g["game_kind"] in PLANNED])
    season.note(f"game {game['game_id']} of {game['game_date']} not done")
    rewrite_csv(table_file(folder, SCHEDULE), lambda rows: [[*r[:4], "1", *r[5:]] if r[0] == game["game_id"] else r for r in rows])


def features(season):
    """Which dates have rows in the feature store, and whether its runs say so."""
    holes = season.rng.choice([0, 0, 0.03, 0.1])
    dates = [d for d in season.dates if not season.chance(holes)]
    honest = season.chance(0.5)
    season.note(f"feature store filled on {len(dates)} of {len(season.dates)} dates, runs {'say so' if honest else 'say no_data'}")
    return dates, honest


def fill_features(folder, dates, honest):
    rewrite_csv(table_file(folder, FEATURES), lambda rows: rows + [[d, "", "", "p1", "1", "1", "1", "1", "1", "1", "z"] for d in dates])

    def change(messages):
        for m in messages:
            body = m["data"]
            if honest and body["processor_name"] == "ml_feature_store" and body["game_date"] in dates and body["status"] == "no_data":
                body.update(status="success", record_count=1)
        return messages
    rewrite_messages(folder, change)


def lose_rows(season, folder):
    """Rows vanish that the runs still tell of."""
    phase, processor, date = season.rng.choice([(p, x, d) for p in PROCESSORS for x in PROCESSORS[p] for d in season.dates])
    season.note(f"lost rows of {processor} on {date}")
    rewrite_csv(table_file(folder, PROCESSORS[phase][processor]), lambda rows: [r for r in rows if r[0] != date])


def off_days(season, folder):
    """Completions for dates that nothing is planned on."""
    planned = {g["game_date"] for g in season.games if g["game_kind"] in PLANNED}
    first = datetime.date.fromisoformat(season.dates[0])
    days = [str(first + datetime.timedelta(n)) for n in range(-20, 60)]
    free = [d for d in days if d not in planned and d >= "2024-10-01"]
    picked = season.rng.sample(free, min(2, len(free)))
    season.note("completions on off-days " + " ".join(picked))

    def change(messages):
        extra = []
        for date in picked:
            for m in season.rng.sample(messages, min(3, len(messages))):
                name = str(uuid.UUID(int=season.rng.getrandbits(128)))
                extra.append({**m, "data": {**m["data"], "game_date": date, "execution_id": name, "timestamp": date + "T13:00:00Z"}})
        return messages + extra
    rewrite_messages(folder, change)


def use_aliases(season, folder):
    season.note("aliases")

    def change(messages):
        for m in messages:
            for field in ("processor_name", "phase"):
                m["data"][field] = ALIASES.get(m["data"][field], m["data"][field])
        return messages
    rewrite_messages(folder, change)


def skip_by_attribute(season, folder):
    season.note("skip by attribute")

    def change(messages):
        for m in messages:
            if season.chance(0.02):
                m["attributes"] = {**m["attributes"], "skip_downstream_trigger": "true"}
        return messages
    rewrite_messages(folder, change)


def tell_quality(season, folder):
    """Runs that say how good their rows are."""
    share, told = season.rng.choice([0.01, 0.05, 0.3]), 0
    claims = [{"quality": {"tier": "silver", "score": 88.5, "issues": ["slow_feed"]}}, {"quality": {"tier": "bronze", "score": 61.0}},
              {"quality": {"tier": "gold", "score": 97.5}}, {"quality": {"tier": "poor", "score": 30.0}}, {"quality": None},
              {"quality": {"tier": "unusable", "score": 4.0}}, {"data_sources": ["espn"]}, {"data_sources": ["espn", "primary"]},
              {"data_sources": []}, {"quality": {"tier": "gold", "score": 99.0}, "data_sources": ["espn"]}]

    def change(messages):
        nonlocal told
        for m in messages:
            if season.chance(share):
                m["data"].update(season.rng.choice(claims))
                told += 1
        return messages
    rewrite_messages(folder, change)
    season.note(f"{told} runs tell their quality")


def turn(season, folder):
    if season.chance(0.25):
        tell_quality(season, folder)
    for p, change in ((0.05, unfinish_game), (0.2, lose_rows), (0.2, off_days), (0.15, use_aliases), (0.1, skip_by_attribute)):
        if season.chance(p):
            change(season, folder)
    if season.chance(0.6):
        spoils.spoil(season, folder)


# plans

def message_files(season, folder):
    """The files in phase order, mostly; else in another order, or all in one."""
    files = sorted(glob.glob(folder + "/messages/*.ndjson"))
    if season.chance(0.15):
        season.rng.shuffle(files)
    if season.chance(0.15):
        whole = folder + "/messages/all.json"
        with open(whole, "w") as out:
            for path in files:
                with open(path) as file:
                    out.write(file.read())
        files = [whole]
    season.note("order " + " ".join(os.path.basename(f) for f in files))
    return files


def import_all(season, folder):
    for path in sorted(glob.glob(folder + "/tables/*.csv")):
        season.plan.append(("import", os.path.basename(path)[:-4], path))


def ingest_all(season, folder, settings=()):
    files = message_files(season, folder)
    season.plan += [("ingest", path, tuple(settings)) for path in files]
    return files


def first_season(season, options):
    """The tables, and the first feed. What was drawn for the feature store holds for every later feed."""
    season.filled, season.trim = (features(season) if season.chance(0.75) else ([], True)), season.chance(0.75)
    folder = generate_like(season, "first", options)
    if season.trim:
        trim_calendar(season, folder)
    turn(season, folder)
    import_all(season, folder)
    return folder


def generate_like(season, name, options):
    folder = season.generate(name, options)
    fill_features(folder, *season.filled)
    return folder


def plain(season):
    ingest_all(season, first_season(season, season.faults()))


def twice(season):
    """Everything once more, in the same order: nothing changes."""
    files = ingest_all(season, first_season(season, season.faults()))
    season.plan += [("mark",), *(("ingest", path, ()) for path in files), ("same",)]


def shuffled(season):
    """In any order, with duplicates; then in the first order again."""
    options = season.faults()
    folder = first_season(season, options)
    ordered = sorted(glob.glob(folder + "/messages/*.ndjson"))
    mixed = []
    for path in ordered:
        with open(path) as file:
            lines = file.readlines()
        lines += [season.rng.choice(lines) for _ in range(min(500, 950 - len(lines)))] if 0 < len(lines) < 950 else []
        season.rng.shuffle(lines)
        mixed.append(path + ".mixed")
        with open(mixed[-1], "w") as file:
            file.writelines(lines)
    season.rng.shuffle(mixed)
    season.note("shuffled with duplicates, files in order " + " ".join(os.path.basename(m) for m in mixed))
    season.plan += [*(("ingest", path, ()) for path in mixed), ("mark",), *(("ingest", path, ()) for path in ordered), ("same",)]


def rerun_later(season):
    """A season, then another with runs that the first has not."""
    ingest_all(season, first_season(season, season.faults()))
    options = [x for run in season.pick_runs(8) for x in ("--rerun", ",".join(run))]
    for flag in ("skip-run", "fail-run", "partial-run"):
        options += season.run_options(flag, 3) if season.chance(0.3) else []
    settings = ["defaults.settle=0s"] if season.chance(0.7) else []
    season.note("second feed with " + (" ".join(settings) or "settle as it is"))
    ingest_all(season, generate_like(season, "second", options), settings)


def repaired(season):
    """A season with holes; then the rows come, and a new run of each processor that lacked them."""
    holes = sorted({(p, x, d) for p, x, d in season.pick_runs(6)})
    options = [x for p, n, d in holes for x in ("--drop-rows", f"{PROCESSORS[p][n]},{d}")]
    ingest_all(season, first_season(season, options))
    whole = season.generate("whole", [x for run in holes for x in ("--rerun", ",".join(run))])
    for phase, name, date in holes:
        table = PROCESSORS[phase][name]
        path = f"{whole}/{table}.{date}.csv"
        with open(table_file(whole, table)) as file:
            header, *rows = file.readlines()
        with open(path, "w") as file:
            file.writelines([header, *(r for r in rows if r.startswith(date))])
        season.plan.append(("import", table, path))
    spoils.reruns_only(whole, holes)
    season.plan += [("ingest", path, ()) for path in sorted(glob.glob(whole + "/messages/*.ndjson"))]


DATE_COLUMNS = {"nba_precompute.player_daily_cache": "cache_date", "nba_precompute.player_shot_zone_analysis": "analysis_date",
                "nba_precompute.team_defense_zone_analysis": "analysis_date"}


def corrected(season):
    """A season; then some processors run again, after their rows were written again: the same, in another order, or otherwise."""
    folder = first_season(season, season.faults() if season.chance(0.4) else [])
    ingest_all(season, folder)
    for turn in range(season.rng.randint(1, 3)):
        runs = {(p, n, d) for p, n, d in season.pick_runs(4)} or {("phase_2_raw", "nbac_team_boxscore", season.rng.choice(season.dates))}
        again = season.generate(f"again-{turn}", [x for run in sorted(runs) for x in ("--rerun", ",".join(run))])
        spoils.reruns_only(again, runs)
        for phase, name, date in sorted(runs):
            table = PROCESSORS[phase][name]
            path = spoils.altered(season, folder, table, date, season.rng.choice(["same", "order", "value", "value", "row"]))
            season.plan += [("replace", table, path, DATE_COLUMNS.get(table, "game_date"))] if path else []
        new_executions(again, turn)
        settings = ("defaults.settle=0s",) if season.chance(0.8) else ()
        season.plan += [("ingest", path, settings) for path in sorted(glob.glob(again + "/messages/*.ndjson"))]


def new_executions(folder, turn):
    """Runs of a later turn are later ones, of their own."""
    def change(messages):
        for m in messages:
            m["data"].update(execution_id=f"{m['data']['execution_id']}/{turn}", timestamp=m["data"]["timestamp"].replace("T18:", f"T{19 + turn}:"))
        return messages
    rewrite_messages(folder, change)


def accepted(season):
    """A season with holes, some of which are accepted afterwards."""
    folder = first_season(season, season.faults() + season.row_options())
    files = ingest_all(season, folder)
    phases = season.rng.sample(["phase_2_raw", "phase_3_analytics", "phase_4_precompute"], 2)
    units = [g["game_id"] for g in season.games if g["game_date"] in season.dates]
    for p in phases:
        what = season.rng.sample(season.dates, min(4, len(season.dates))) + season.rng.sample(units, min(6, len(units)))
        season.plan += [("known-gap", p, w, season.rng.choice([None, None, spoils.PRIMARY])) for w in what if season.chance(0.7)]
    season.plan += [("ingest", path, ()) for path in files]


KINDS = {plain: 6, twice: 2, shuffled: 3, rerun_later: 4, repaired: 3, accepted: 2, corrected: 5}


def make(seed, index, shared, root, config):
    """The case of that number: a Season with its plan; config is changed in place. Returns (season, changed)."""
    rng = random.Random(f"{seed}/{index}")
    season = Season(rng, shared, root)
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    season.choose_dates(full=rng.random() < 0.03 and kind in (plain, twice))
    season.note("kind " + kind.__name__)
    changed = policies.vary(season, config)
    kind(season)
    return season, changed
