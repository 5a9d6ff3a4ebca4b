#!/usr/bin/env python3
"""what-if against the truth: a season is decided under the contract's config; what-if says what another config would have made of it; then the same
messages are decided under that config. Wherever what-if says something, it must be so; what it can't tell it must say, and where nothing changed it must be silent.

usage: what_if.py SLUICE SHARED [--only I]

A few configs over the whole season, all of them over a rough part of it.
"""
import argparse, glob, json, os, shutil, subprocess, sys, tempfile

P2, P3, P4 = "phases.phase_2_raw.", "phases.phase_3_analytics.", "phases.phase_4_precompute."
SEASONS = {
    "whole": [],
    "rough": ["--from", "2024-12-05", "--to", "2025-01-20", "--drop-units", "nba_raw.nbac_player_boxscore,0022400400",
              "--unfinal", "2024-12-28", "--fail-run", "phase_2_raw,nbac_team_boxscore,2025-01-03",
              "--drop-run", "phase_3_analytics,team_defense_game_summary,2025-01-05", "--skip-run", "phase_2_raw,odds_game_lines,2025-01-06",
              "--partial-run", "phase_3_analytics,player_game_summary,2025-01-07"],
}
# settings; may what-if be unable to tell of some gates?
CASES = [
    ([P3 + "checks.gaps.mode=soft"], False),
    ([P3 + "checks.gaps.mode=off"], False),
    ([P3 + "checks.gaps.look_back=5d"], False),
    ([P3 + "checks.gaps.look_back=60d"], True),
    ([P3 + "checks.gaps.every_day=true"], True),
    ([P2 + "checks.gaps.mode=strict"], False),
    ([P2 + "checks.gaps.mode=strict", P2 + "checks.units=soft"], True),
    ([P2 + "checks.units=soft", P3 + "checks.units=soft"], True),
    ([P3 + "checks.upstream=off"], True),
    ([P3 + "checks.upstream=soft", P3 + "checks.gaps.mode=soft"], True),
    ([P2 + "processors.nbac_team_boxscore.fallback=[]"], True),
    ([P2 + "processors.nbac_player_boxscore.required=optional"], True),
    ([P2 + "processors.bdl_box_scores.required=critical"], True),
    ([P2 + "share=100%", P3 + "share=100%"], True),
    ([P4 + "processors.ml_feature_store.required=none", P4 + "checks.gaps.mode=off"], True),
    ([P3 + "processors.team_defense_game_summary.required=none"], True),
    ([P3 + "checks.completeness.mode=soft"], False),
    ([P3 + "checks.completeness.threshold=70%", P2 + "checks.completeness.threshold=100%"], False),
    ([P3 + "checks.completeness.window=5 units"], True),
    ([P3 + "bootstrap=90d"], True),
    (["defaults.mode=observe"], False),
    (["pipeline=other"], False),
    (["calendar.history_from=2025-01-01"], True),
    (["calendar.planned={game_kind: regular}"], True),
    (["timezone=Asia/Tokyo"], False),
    (["quality.thin=10%", "audit.at=08:00", "defaults.on_late=ignore"], True),
]


class Home:
    """The built binary on a directory of its own."""

    def __init__(self, path, home):
        self.path, self.home = os.path.abspath(path), home
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_CONFIG", "PUBSUB_"))}

    def call(self, *arguments, settings=(), codes=(0,)):
        sets = [x for s in settings for x in ("--set", s)]
        done = subprocess.run([self.path, "--config", self.home + "/nba.yaml", *sets, *arguments], capture_output=True, text=True, env=self.env)
        if done.returncode not in codes:
            raise SystemExit(f"{arguments} {settings}: exit {done.returncode}\n{done.stderr[-2000:]}")
        return done.stdout

    def rows(self, *arguments, **options):
        return [json.loads(line) for line in self.call(*arguments, "-o", "ndjson", **options).splitlines()]

    def feed(self, messages, settings=()):
        for phase in ("phase2", "phase3", "phase4"):
            for file in sorted(glob.glob(f"{messages}/*{phase}*")):
                self.call("ingest", file, settings=settings)

    def gates(self, settings=()):
        return {key(g): (g["state"], g["reasons"], g["trigger_id"], g["is_production_ready"]) for g in self.rows("gates", settings=settings)}


def key(row):
    return row["phase"], row["date"], row["profile"], row["generation"]


def begin(sluice, shared, root, name, options):
    home = Home(sluice, f"{root}/{name}")
    os.makedirs(home.home)
    shutil.copy(f"{shared}/contract/nba.yaml", home.home)
    out = f"{home.home}/out"
    subprocess.run([sys.executable, f"{shared}/scenarios/season.py", out, *options], check=True, stdout=subprocess.DEVNULL)
    home.call("init")
    for file in sorted(glob.glob(out + "/tables/*.csv")):
        home.call("import", file, "--table", os.path.basename(file)[:-4])
    shutil.copytree(home.home + "/state/warehouse", home.home + "/tables")  # as it was before anything was decided
    home.feed(out + "/messages")
    return home


def decided_anew(home, settings):
    other = Home(home.path, home.home + "/other")
    shutil.rmtree(other.home, ignore_errors=True)
    os.makedirs(other.home + "/state")
    shutil.copy(home.home + "/nba.yaml", other.home)
    shutil.copytree(home.home + "/tables", other.home + "/state/warehouse")
    other.call("init", settings=settings)
    other.feed(home.home + "/out/messages", settings)
    return other.gates(settings)


def compare(home, settings, may_lack):
    """What is wrong, as sentences."""
    before, wrong = home.gates(), []
    said = dict(before)
    for row in home.rows("what-if", settings=settings, codes=(0, 3)):
        if row["state_after"] is None:
            del said[key(row)]
        else:
            said[key(row)] = (row["state_after"], row["reasons_after"], row["trigger_id_after"], row["is_production_ready_after"])
        if row["state_after"] is None and not row["lacks"]:
            wrong.append(f"{key(row)}: nothing is known, nothing is lacking")
        if row["state_after"] is not None and not row["rules"] and not row["lacks"]:
            wrong.append(f"{key(row)}: differs without a rule")
    now = decided_anew(home, settings)
    wrong += [f"{k}: said {said[k]}, became {now.get(k)}, was {before[k]}" for k in said if said[k] != now.get(k)]
    if len(said) < len(before) and not may_lack:
        wrong.append(f"{len(before) - len(said)} gates are not known")
    changed = sum(before[k] != now.get(k) for k in before)
    print(f"{'differ' if wrong else 'ok'}: {' '.join(settings)}: {changed} of {len(before)} gates changed, {len(before) - len(said)} not known", flush=True)
    return wrong


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("sluice")
    arguments.add_argument("shared")
    arguments.add_argument("--only", type=int)
    options = arguments.parse_args()
    ran = failed = 0
    with tempfile.TemporaryDirectory() as root:
        for name, made in SEASONS.items():
            home = begin(options.sluice, options.shared, root, name, made)
            print(f"season {name}", flush=True)
            if home.call("what-if", "-o", "ndjson"):
                raise SystemExit("the same config makes a difference")
            for i, (settings, may_lack) in enumerate(CASES):
                if options.only == i or (options.only is None and (name == "rough" or i < 6)):
                    ran += 1
                    wrong = compare(home, settings, may_lack)
                    failed += bool(wrong)
                    print("".join(f"  {line}\n" for line in wrong[:5]), end="")
    print(f"{failed} of {ran} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
