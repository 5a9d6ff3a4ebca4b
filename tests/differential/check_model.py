#!/usr/bin/env python3
"""Hold the model against what is known of the real season, before anything is held against the model.

usage: check_model.py SHARED
"""
import collections, os, subprocess, sys, tempfile

import yaml

import model as gate_model
import quality

PHASES = ("phase_2_raw", "phase_3_analytics", "phase_4_precompute")
NO_PLAYERS, SUSPECT = "2024-12-17", ("2024-12-19", "2025-01-16")
BASE_EVENTS = {("gate_triggered", "info"): 398, ("gate_blocked", "critical"): 244, ("fallback_used", "info"): 6,
               ("source_missing", "critical"): 232, ("source_missing", "warning"): 58,
               ("date_gap", "warning"): 1, ("date_gap", "critical"): 2, ("quality_degradation", "info"): 150}
PLAY_IN_DATES, BACKUP = ["2025-04-15", "2025-04-16", "2025-04-18"], "nba_raw.bdl_box_scores"
FIRST_ROUND = [f"2025-04-{d}" for d in (20, 22, 23, 24, 26, 28)]
PLAY_IN = {f"0052400{n}" for n in (101, 111, 121, 131, 201, 211)}
failures = []


def expect(label, got, want):
    if got != want:
        failures.append(label)
        print(f"{label}: got {got}, expected {want}")


def season(shared, out, *options):
    command = [sys.executable, f"{shared}/scenarios/season.py", out, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def played(shared, *steps):
    with open(f"{shared}/contract/nba.yaml") as file:
        model = gate_model.Model(yaml.safe_load(file))
    for text in steps:
        gate_model.step(model, text)
    return model


def states(model, phase):
    return collections.Counter((g.state, *g.reasons) for g in model.newest_gates() if g.phase == phase)


def one(model, phase, date):
    gate = model.gates[phase, date][-1]
    return gate.generation, gate.state, gate.reasons


def lines(model):
    return [gate.line() for gate in model.newest_gates()]


def base(shared, folder):
    model = played(shared, folder)
    suspects = [g.date for g in model.newest_gates() if g.phase == PHASES[0] and g.state == "triggered" and not g.ready]
    expect("phase 2", states(model, PHASES[0]), {("triggered",): 185, ("triggered", "gaps"): 28, ("blocked", "no_data"): 1})
    expect("phase 2 not ready", (len(suspects), min(suspects), max(suspects)), (28, *SUSPECT))
    expect("phase 2 hole", one(model, PHASES[0], NO_PLAYERS), (1, "blocked", ["no_data"]))
    expect("phase 3", states(model, PHASES[1]), {("triggered",): 185, ("blocked", "gaps"): 28, ("blocked", "no_data"): 1})
    expect("phase 4", states(model, PHASES[2]), {("blocked", "no_data"): 214})
    expect("events", dict(model.counts()), BASE_EVENTS)
    tiers(model)
    expect("fallback units", {k[5] for k in model.events if k[0] == "fallback_used"}, PLAY_IN)
    hole = [k[4:6] for k in model.events if k[0] == "source_missing" and k[1] == PHASES[0]]
    expect("hole of phase 2", hole, [(NO_PLAYERS, "0062400001")])
    return lines(model)


def tiers(model):
    """What the second phase says of itself, and what the third inherits from it and cannot better."""
    of = lambda phase: {g.date: g.tier for g in model.newest_gates() if g.phase == phase and g.state == "triggered"}
    second, third = of(PHASES[0]), of(PHASES[1])
    expect("silver in phase 2", [d for d, t in second.items() if t != "gold"], PLAY_IN_DATES)
    expect("tiers of phase 2", set(second.values()), {"gold", "silver"})
    expect("inherited by phase 3", {third[d] for d in PLAY_IN_DATES}, {"silver"})
    expect("phase 3 is never better", [d for d in third if d in second and third[d] == "gold" != second[d]], [])


def emptied(shared, folder):
    """Without the fallback two teams lack two games of ten in the first round."""
    model = played(shared, f"tables={folder}/tables")
    model.warehouse.tables[BACKUP] = []
    model.warehouse.indexes.clear()
    model.evidence = None
    for name in sorted(os.listdir(folder + "/messages")):
        gate_model.step(model, f"feed={folder}/messages/{name}")
    blocked = [g.date for g in model.newest_gates() if g.phase == PHASES[1] and "completeness" in g.reasons and g.date > PLAY_IN_DATES[-1]]
    expect("first round without the fallback", blocked, FIRST_ROUND)
    found = model.evidence.completeness(PHASES[1], FIRST_ROUND[0])
    expect("MIA and MEM", [found["MIA"], found["MEM"]], [(8, 10)] * 2)


def known_gap(shared, folder):
    feed = f"feed={folder}/messages/nba-phase3-analytics-complete.ndjson"
    model = played(shared, folder, f"known-gap={PHASES[1]},{NO_PLAYERS}", feed)
    expect("known gap", states(model, PHASES[1]), {("triggered",): 213, ("blocked", "no_data"): 1})


def variants(shared, root):
    model = played(shared, season(shared, root + "/units", "--drop-units", "nba_raw.nbac_player_boxscore,0022400061"))
    expect("drop-units", one(model, PHASES[0], "2024-10-22"), (1, "blocked", ["units"]))
    model = played(shared, season(shared, root + "/unfinal", "--unfinal", "2024-11-01"))
    expect("unfinal", one(model, PHASES[0], "2024-11-01"), (1, "waiting", ["calendar"]))


def again(shared, root, folder, first):
    expect("twice", lines(played(shared, folder, *(f"feed={folder}/messages/{n}" for n in sorted(os.listdir(folder + "/messages"))))), first)
    mixed = season(shared, root + "/mixed", "--shuffle", "7", "--duplicate", "500")
    expect("shuffled with duplicates", lines(played(shared, mixed)), first)
    rerun = season(shared, root + "/rerun", "--rerun", "phase_2_raw,nbac_team_boxscore,2024-11-01")
    feeds = [f"feed={rerun}/messages/{n}" for n in sorted(os.listdir(rerun + "/messages"))]
    model = played(shared, folder, "set=defaults.settle=0s", *feeds)
    expect("rerun", one(model, PHASES[0], "2024-11-01"), (2, "triggered", []))
    expect("generations", sum(len(g) - 1 for g in model.gates.values()), 1)
    model = played(shared, folder, *feeds)
    expect("unsettled", one(model, PHASES[0], "2024-11-01"), (2, "waiting", ["settle"]))


def main():
    shared = sys.argv[1]
    example = gate_model.uuid.uuid5(gate_model.TRIGGER_NS, "nba/phase_2_raw>phase_3_analytics/2025-04-15/past/1")
    expect("trigger id", str(example), "1c7050bc-b40a-553b-96eb-2b37087c942a")
    expect("vectors of quality", quality.check_vectors(f"{shared}/vectors/quality.ndjson")[1], 0)
    with tempfile.TemporaryDirectory() as root:
        folder = season(shared, root + "/base")
        first = base(shared, folder)
        emptied(shared, folder)
        known_gap(shared, folder)
        variants(shared, root)
        again(shared, root, folder, first)
    print("the model agrees with the known season" if not failures else f"{len(failures)} disagree")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
