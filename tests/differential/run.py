#!/usr/bin/env python3
"""Random seasons, decided by the built binary and by the model, compared gate by gate, event by event, mark by mark.

usage: run.py SLUICE SHARED [--seed N] [--count M] [--only I] [--keep DIR] [--no-events] [--reading NAME=0|1]...

Prints every difference with the command that repeats the case, then `N passed, M failed`; 1 when something failed.
"""
import argparse, collections, copy, json, os, shlex, shutil, subprocess, sys, tempfile

import yaml

import model as gate_model
import seasons

COMPARED = ("phase", "date", "profile", "generation", "state", "reasons", "trigger_id", "quality_tier", "quality_score")
FREE_EVENTS = {"operator_action", "audit_heartbeat"}
SHOWN = 12


class Failed(Exception):
    """The binary did not do what was asked."""


class Binary:
    """The built binary on a home of its own."""

    def __init__(self, path, home):
        self.path, self.config = os.path.abspath(path), home + "/sluice.yaml"
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_CONFIG", "PUBSUB_"))}

    def call(self, *arguments, settings=(), codes=(0,)):
        sets = [x for s in settings for x in ("--set", s)]
        command = [self.path, "--config", self.config, *sets, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=self.env)
        if done.returncode not in codes:
            raise Failed(f"{shlex.join(command)}: exit {done.returncode}\n{done.stderr.strip()[-2000:]}")
        return done.stdout

    def rows(self, *arguments, **options):
        return [json.loads(line) for line in self.call(*arguments, "-o", "ndjson", **options).splitlines() if line.strip()]

    def gates(self):
        return self.rows("gates")

    def events(self):
        return self.rows("events")

    def stale(self):
        return self.rows("stale", codes=(0, 3))

    def ingest(self, path, settings):
        line = json.loads(self.call("ingest", path, settings=settings).strip().splitlines()[-1])
        if line.get("rejected"):
            raise Failed(f"ingest {path}: rejected {line['rejected']}")

    def known_gap(self, phase, what, table):
        where = ["--date" if "-" in what else "--unit", what, *(["--table", table] if table else [])]
        self.call("known-gaps", "add", "--phase", phase, *where, "--reason", "accepted by the test")


def play_binary(binary, plan):
    """Plays the plan; the differences between a mark and the next `same`."""
    found, marked = [], None
    binary.call("init")
    for kind, *rest in plan:
        if kind == "import":
            binary.call("import", rest[1], "--table", rest[0])
        elif kind == "replace":
            binary.call("import", rest[1], "--table", rest[0], "--replace-date", rest[2])
        elif kind == "ingest":
            binary.ingest(*rest)
        elif kind == "known-gap":
            binary.known_gap(*rest)
        elif kind == "mark":
            marked = binary.gates()
        else:
            found += compare_gates(binary.gates(), marked, "before it was fed again")
    return found


def play_model(config, plan, batch):
    model = gate_model.Model(copy.deepcopy(config), batch)
    for kind, *rest in plan:
        if kind in ("import", "replace"):
            model.load(*rest)
        elif kind == "ingest":
            model.use(config, rest[1])
            gate_model.feed_file(model, rest[0])
        elif kind == "known-gap":
            model.add_known_gap(*rest)
    return model


def shape(gate):
    return {**{k: gate.get(k) for k in COMPARED}, "reasons": sorted(gate.get("reasons") or [])}


def compare_gates(got, want, who="the model"):
    got, want = [shape(g) for g in got], [shape(g) for g in want]
    key = lambda g: (g["phase"], g["date"], g["profile"])
    ours, theirs = {key(g): g for g in got}, {key(g): g for g in want}
    found = [f"gate {' '.join(k)} twice" for k, n in collections.Counter(map(key, got)).items() if n > 1]
    for k in [*theirs, *(k for k in ours if k not in theirs)]:
        a, b = ours.get(k), theirs.get(k)
        if a is None or b is None:
            found.append(f"gate {' '.join(k)}: {'missing' if a is None else 'not in ' + who}: {brief(a or b)}")
        elif a != b:
            found.append(f"gate {' '.join(k)}: got {brief(a)}, {who}: {brief(b)}")
    if not found and [key(g) for g in got] != [key(g) for g in want]:
        found.append("gates are not sorted by phase in DAG order, then date")
    return found


def brief(gate):
    return f"g{gate['generation']} {gate['state']}({','.join(gate['reasons'])}) trigger {str(gate['trigger_id'])[:8]} {gate['quality_tier']} {gate['quality_score']}"


def compare_generations(every):
    """No gate is there twice, and no trigger_id belongs to two."""
    keys = collections.Counter((g["phase"], g["date"], g["profile"], g["generation"]) for g in every)
    ids = collections.Counter(g["trigger_id"] for g in every if g["trigger_id"])
    return [f"gate {k} {n} times" for k, n in keys.items() if n > 1] + [f"trigger_id {i} {n} times" for i, n in ids.items() if n > 1]


def compare_ready(got, model):
    """Open gates say whether soft checks failed, and which processors were not there."""
    found = []
    lines = {(g["phase"], g["date"]): g for g in got}
    for gate in model.newest_gates():
        line = lines.get((gate.phase, gate.date), {})
        if gate.state not in ("triggered", "suppressed") or line.get("state") != gate.state or gate.ready is None:
            continue
        if line.get("is_production_ready") is not gate.ready:
            found.append(f"gate {gate.phase} {gate.date}: is_production_ready {line.get('is_production_ready')}, model {gate.ready}")
        if not line.get("late") and sorted(line.get("missing", [])) != sorted(gate.missing):
            found.append(f"gate {gate.phase} {gate.date}: missing {line.get('missing')}, model {gate.missing}")
    return found


def compare_stale(got, want):
    """The plan, line by line; what a line says of its first culprit only when it has one, since marks of one moment have no order."""
    fields = ("date", "phase", "generation", "culprits", "culprit_phase", "culprit_date", "culprit_generation", "reason")
    line = lambda row: " ".join(str(row[f]) for f in (fields if row["culprits"] == 1 else fields[:4]))
    got, want = [line(r) for r in got], [line(r) for r in want]
    found = [f"stale, not in the model: {x}" for x in got if x not in want] + [f"not stale, in the model: {x}" for x in want if x not in got]
    return found if found or got == want else ["stale decisions are in another order"]


def event_key(kind, severity, phase, date, unit):
    return kind, severity, phase or "", date or "", unit or ""


def model_events(events):
    return collections.Counter(event_key(k[0], sev, k[1], k[4], k[5]) for k, sev in events.items())


def compare_events(got, models):
    """What every way of cutting batches makes must be there; beyond it only what one of them, or another reading, makes."""
    have = collections.Counter(event_key(e["event_type"], e["severity"], e.get("phase"), e.get("game_date"), e.get("game_id"))
                               for e in got if e["event_type"] not in FREE_EVENTS)
    made = [model_events(m.events) for m in models]
    must, may = made[0], made[0]
    for one in made[1:]:
        must, may = must & one, may | one
    may = may + sum((model_events(m.extra()) for m in models), collections.Counter())
    found = [f"event missing: {n} x {' '.join(k)}" for k, n in sorted((must - have).items())]
    found += [f"event too many: {n} x {' '.join(k)}" for k, n in sorted((have - may).items())]
    if found:
        count = lambda c: ", ".join(f"{t} {s} {n}" for (t, s), n in sorted(per_type(c).items()))
        found.append(f"events counted: got {count(have)}; model {count(made[0])}")
    return found


def per_type(counter):
    total = collections.Counter()
    for key, n in counter.items():
        total[key[:2]] += n
    return total


def one_case(options, index, root):
    """The differences of one case, and its story."""
    with open(f"{options.shared}/contract/nba.yaml") as file:
        text = file.read()
    config = yaml.safe_load(text)
    season, changed = seasons.make(options.seed, index, options.shared, root, config)
    home = root + "/home"
    os.makedirs(home)
    with open(home + "/sluice.yaml", "w") as file:
        file.write(yaml.safe_dump(config, sort_keys=False) if changed else text)
    binary = Binary(options.sluice, home)
    try:
        found = play_binary(binary, season.plan)
        models = [play_model(config, season.plan, batch) for batch in (1000, 1 << 30, 1)]
        gates = binary.gates()
        found += compare_gates(gates, [g.line() for g in models[0].newest_gates()])
        tally(options.seen, gates, models[0])
        found += compare_generations(binary.rows("gates", "--all"))
        found += compare_ready(gates, models[0])
        found += compare_stale(binary.stale(), models[0].stale.plan())
        if not options.no_events:
            found += compare_events(binary.events(), models)
    except (Failed, subprocess.TimeoutExpired, json.JSONDecodeError, KeyError, OSError) as error:
        found = [f"{type(error).__name__}: {error}"]
    return found, season.notes


def tally(seen, gates, model):
    """What a case has had, so that one sees what the seasons put to the test."""
    seen.update("tier " + g["quality_tier"] for g in gates if g["quality_tier"])
    seen.update("reason " + r for g in gates for r in g["reasons"])
    seen.update("event " + key[0] for key in model.events)
    seen.update("mark " + culprit[3] for culprits in model.stale.marks.values() for culprit in culprits)
    seen["stale at the end"] += len(model.stale.plan())


def report(options, index, found, notes):
    print(f"\ncase {index} of seed {options.seed}: {len(found)} differences; again with: run.py {options.sluice} {options.shared} "
          f"--seed {options.seed} --only {index} --keep DIR" + "".join(f" --reading {r}" for r in options.reading))
    for note in notes:
        print("    " + note)
    for line in found[:SHOWN]:
        print("  " + line)
    if len(found) > SHOWN:
        print(f"  and {len(found) - SHOWN} more")
    sys.stdout.flush()


def run_case(options, index):
    root = f"{options.keep}/case-{index}" if options.keep else tempfile.mkdtemp(prefix="sluice-diff-")
    if options.keep:
        shutil.rmtree(root, ignore_errors=True)
        os.makedirs(root)
    try:
        found, notes = one_case(options, index, root)
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    if found:
        report(options, index, found, notes)
    return not found


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sluice")
    parser.add_argument("shared")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--only", type=int)
    parser.add_argument("--keep")
    parser.add_argument("--no-events", action="store_true")
    parser.add_argument("--reading", action="append", default=[])
    return parser.parse_args()


def main():
    options = parse()
    options.seen = collections.Counter()
    for reading in options.reading:
        name, _, value = reading.partition("=")
        if name not in gate_model.READINGS:
            sys.exit(f"no reading {name}; there are {', '.join(gate_model.READINGS)}")
        gate_model.READINGS[name] = value in ("1", "true")
    chosen = range(options.count) if options.only is None else [options.only]
    passed = sum(run_case(options, index) for index in chosen)
    print("seen: " + ", ".join(f"{what} {n}" for what, n in sorted(options.seen.items())))
    print(f"{passed} passed, {len(chosen) - passed} failed")
    return passed != len(chosen)


if __name__ == "__main__":
    sys.exit(main())
