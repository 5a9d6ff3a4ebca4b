#!/usr/bin/env python3
"""An independent model of the gate: what a season must come to, by the design and its rules alone.

usage: model.py --config nba.yaml [--set KEY=VALUE]... [--batch N] [--events FILE] STEP...
  STEP  a season.py folder (its tables, then its messages in phase order), or
        tables=DIR   feed=FILE.ndjson   set=KEY=VALUE   known-gap=PHASE,DATE

Prints the newest gates as NDJSON, sorted by phase in DAG order, then date; --events writes the coverage events.

The model stands for `sluice ingest` long after the season: every date is past, no time passes (grace, deadline and
settle are never over, unless they are 0s). Where the rules leave two
readings, READINGS names the one that is taken; events that only one reading makes are `optional`.
"""
import argparse, copy, glob, json, os, sys, uuid
from collections import Counter

import yaml

import quality
from evidence import Evidence, window
from stale import Stale
from world import DAY, TRIGGER_NS, Calendar, Policy, Warehouse, day, fraction, instant, override, seconds

READINGS = {
    "suppressed_keeps_soft": True,      # reasons of a suppressed gate: skip and the soft failures; else skip alone
    "blocked_lists_soft_checks": True,  # reasons of a gate blocked by a check: soft checks that failed too
    "blocked_lists_soft_rest": False,   # ... and partial and units, which are no failures of that step
    "skip_of_any_run": False,           # a skip flag on a run that a newer one replaced still counts
    "skip_is_carried": False,           # a skip flag on a run carried over from the generation before counts
    "observe_beats_skip": True,         # a phase in mode observe is observed, whatever a skip flag says
    "look_back_when_it_holds": True,    # a report for an earlier date decides those gates again that wait for earlier dates; else all that look back so far
    "degraded_by_season": False,        # fewer rows than the season's progress lets expect are source_degraded too, not only than expected_rows
    "failed_optional_partial": False,   # partial counts, even for a processor that covers nothing
}
OPEN = ("triggered", "suppressed", "observed")
TERMINAL = ("success", "partial", "no_data", "failed")


class Run:
    def __init__(self, message):
        body, attributes = message.get("data", message), message.get("attributes", {}) if "data" in message else {}
        if isinstance(body, str):
            body = json.loads(body)
        self.body = {k: v for k, v in body.items() if v is not None}
        self.execution, self.status = self.body["execution_id"], self.body["status"]
        self.at = instant(self.body["timestamp"])
        self.count, self.records_failed = self.body.get("record_count"), self.body.get("records_failed", 0)
        self.skip = bool(self.body.get("skip_downstream_trigger") or self.body.get("skip_downstream")
                         or attributes.get("skip_downstream_trigger") == "true")

    def rank(self):
        return self.at, self.execution

    def claim(self):
        """(tier, score, issues) that it says its rows have; None when it says nothing, or has failed."""
        told, sources = self.body.get("quality") or {}, self.body.get("data_sources") or []
        backup = bool(sources) and "primary" not in sources
        if self.status == "failed" or not told and not backup:
            return None
        tier, score, issues = told.get("tier", "gold"), told.get("score", 100.0), told.get("issues", [])
        return (quality.worse(tier, "silver"), score, [*issues, "backup_source_used"]) if backup else (tier, score, issues)


class Gate:
    def __init__(self, phase, date, generation, own):
        self.phase, self.date, self.generation, self.own = phase, date, generation, own
        self.state, self.reasons, self.trigger_id = None, [], None
        self.delivered, self.reported, self.missing, self.ready = set(), set(), [], None
        self.tier, self.score, self.prints = None, None, None
        self.due = True

    def line(self):
        return {"phase": self.phase, "date": self.date, "profile": "past", "generation": self.generation,
                "state": self.state, "reasons": self.reasons, "trigger_id": self.trigger_id,
                "quality_tier": self.tier, "quality_score": self.score}


class Model:
    def __init__(self, config, batch=1000):
        self.config, self.batch, self.warehouse = config, batch, Warehouse()
        self.policy, self.calendar, self.evidence = Policy(config), None, None
        self.runs, self.gates = {}, {}
        self.known_gaps, self.events, self.optional, self.stale = set(), {}, {}, Stale(self)

    # steps

    def load(self, table, path, replaced=None):
        self.warehouse.load(table, path, replaced)
        self.evidence = None

    def use(self, config, settings=()):
        """Another config from here on; a changed one makes every gate that is not open due."""
        config = copy.deepcopy(config)
        for setting in settings:
            override(config, setting)
        if config != self.config:
            self.config, self.policy, self.evidence = config, Policy(config), None
            self.all_due()

    def add_known_gap(self, phase, what, table=None):
        """Accepts a date or a unit, of one table or of all."""
        self.known_gaps.add((phase, what, table))
        self.all_due()

    def all_due(self):
        for gates in self.gates.values():
            gates[-1].due |= gates[-1].state not in OPEN

    def feed(self, lines):
        messages = [json.loads(line) for line in lines if line.strip()]
        if self.evidence is None:
            self.calendar = Calendar(self.config, self.warehouse)
            self.evidence = Evidence(self.config, self.policy, self.warehouse, self.calendar, self.known_gaps)
        self.decide_due()  # what another config, known gap or table made due, before the first message
        for start in range(0, len(messages), self.batch):
            for message in messages[start:start + self.batch]:
                self.record(message)
            self.decide_due()

    # events

    def event(self, kind, severity, phase, table=None, processor=None, date=None, unit=None, source="", optional=False):
        key = (kind, phase, table, processor, date, unit, source)
        (self.optional if optional else self.events).setdefault(key, severity)

    # recording

    def find(self, message):
        body = message.get("data", message)
        body = json.loads(body) if isinstance(body, str) else body
        names = self.config["message"]["fields"]
        first = lambda field: next((body[n] for n in names.get(field, [field]) if body.get(n) is not None), None)
        phase = self.policy.aliases[body["phase"]]
        name = first("processor_name")
        processor = next((p for p in self.policy.processors[phase] if name in p.names), None)
        return phase, processor, first("date")

    def record(self, message):
        phase, processor, date = self.find(message)
        run = Run(message)
        if processor is None or run.status not in TERMINAL:
            return
        key = (phase, processor.name, date)
        known = self.runs.setdefault(key, {})
        before = self.newest(key)
        old = known.get(run.execution)
        if old and (old.status == run.status or run.at <= old.at):
            return
        known[run.execution] = run
        if run.status == "failed":
            self.run_failed(processor, date, run, optional=True)
        if self.newest(key) is run:
            self.arrived(phase, processor, date, run, before)

    def newest(self, key):
        return max(self.runs.get(key, {}).values(), key=Run.rank, default=None)

    def run_failed(self, processor, date, run, optional=False):
        need = processor.need("past")
        if need:
            self.event("run_failed", severity(need), processor.phase, processor.table, processor.name, date,
                       source=run.execution, optional=optional)

    def arrived(self, phase, processor, date, run, before):
        """A run became the newest of its processor: a gate, a generation, a late one, or a decision again."""
        gates = self.gates.setdefault((phase, date), [])
        if not gates:
            gates.append(Gate(phase, date, 1, None))
        gate = gates[-1]
        if gate.state not in OPEN:
            gate.due = True
        elif processor.name in gate.delivered and before.execution != run.execution:
            if gate.state == "suppressed":
                gate.state = "superseded"
            gates.append(Gate(phase, date, gate.generation + 1, {processor.name}))
        elif processor.name not in gate.delivered and processor.need("past"):
            self.event("processor_late", "warning", phase, processor.table, processor.name, date, source=gate.generation)
            self.late(gate, processor, run)
        if gates[-1].own is not None:
            gates[-1].own.add(processor.name)
        self.touch(phase, date)

    def late(self, gate, processor, run):
        """Decisions that used the date did so without these rows, unless it is known that they were there already."""
        before, now = (gate.prints or {}).get(processor.name), self.stale.prints([processor], gate.date).get(processor.name)
        brought = run.status in ("success", "partial") and (before is None or before != now)
        if brought and self.policy.value(gate.phase, "on_late", "mark") == "mark":
            self.stale.spread(gate.phase, gate.date, gate.generation, "late")

    def touch(self, phase, date):
        """Gates that are not open, of the phase and the next ones, on the date or with the date in a look-back that holds them."""
        for p in [phase, *self.policy.after(phase)]:
            gaps, window = self.look_back(p), self.window_days(p)
            for n in range(max(gaps, window) + 1):
                gates = self.gates.get((p, str(day(date) + n * DAY)))
                if gates and gates[-1].state not in OPEN and (n == 0 or self.held_back(gates[-1], n, gaps, window)):
                    gates[-1].due = True

    def held_back(self, gate, n, gaps, window):
        """May a report of n days before open the gate? Rows that nobody reported are no reason to look."""
        if not READINGS["look_back_when_it_holds"]:
            return n <= gaps
        return "gaps" in gate.reasons and n <= gaps or "completeness" in gate.reasons and n <= window

    def window_days(self, phase):
        check = self.policy.check(phase, "completeness")
        number, kind = window(check.get("window", "10 units")) if check else (0, "days")
        return number if kind == "days" else 366

    def look_back(self, phase):
        check = self.policy.check(phase, "gaps")
        return seconds(check.get("look_back", "30d")) // 86400 if check else 0

    # deciding

    def decide_due(self):
        due = [g[-1] for g in self.gates.values() if g and g[-1].due]
        for gate in sorted(due, key=lambda g: (g.date, self.policy.order.index(g.phase))):
            gate.due = False
            before = gate.state, gate.reasons
            self.decide(gate)
            if (gate.state, gate.reasons) != before:
                self.gate_event(gate)

    def gate_event(self, gate):
        if "units" in gate.reasons:
            self.event("units_missing", "warning", gate.phase, date=gate.date, source=gate.generation)
        if gate.state == "observed":
            self.event("gate_triggered", "info", gate.phase, date=gate.date, source=gate.generation, optional=True)
        if gate.state not in ("triggered", "blocked", "suppressed"):
            return
        waits = gate.state == "blocked" and not set(gate.reasons) <= {"upstream", "upstream_running"}
        self.event("gate_" + gate.state, "critical" if waits else "info", gate.phase, date=gate.date,
                   source=f"{gate.generation}/{gate.state}/{','.join(gate.reasons)}")

    def decide(self, gate):
        gate.trigger_id, gate.ready, gate.tier, gate.score = None, None, None, None
        gate.state, reasons = self.judge(gate)
        gate.reasons = sorted(set(reasons))
        if gate.state == "triggered":
            self.fire(gate)
        before = next((g.prints for g in reversed(self.gates[gate.phase, gate.date][:-1]) if g.prints), {})
        if gate.generation > 1 and gate.prints and self.stale.changed(before, gate.prints):
            self.stale.spread(gate.phase, gate.date, gate.generation, "rerun")

    def fire(self, gate):
        following = self.policy.after(gate.phase)
        if following:
            name = f"{self.config['pipeline']}/{gate.phase}>{following[0]}/{gate.date}/past/{gate.generation}"
            gate.trigger_id = str(uuid.uuid5(TRIGGER_NS, name))

    def judge(self, gate):
        """Steps 4 to 10 of the design; the first that fails gives the state."""
        phase, date, policy = gate.phase, gate.date, self.policy
        planned, done = self.calendar.planned.get(date, set()), self.calendar.done.get(date, set())
        if gate.own is not None and gate.state in (None, "waiting") and gate.reasons in ([], ["settle"]):
            if seconds(policy.value(phase, "settle", "5m")) > 0:
                return "waiting", ["settle"]
        if not planned:
            return ("triggered" if policy.value(phase, "on_empty", "nothing") == "trigger" else "empty"), []
        if planned - done:
            return "waiting", ["calendar"]
        needed = [p for p in policy.processors[phase] if p.need("past")]
        newest = {p.name: self.newest((phase, p.name, date)) for p in needed}
        gate.reported = {name for name, run in newest.items() if run}
        self.events_of_runs(gate, needed, newest)
        stop = any(newest[p.name] and newest[p.name].status == "failed" and p.need("past") == "critical" for p in needed)
        soft, delivered, hard = self.units_step(gate, needed, newest, done, quiet=stop)
        gate.delivered = delivered
        gate.missing = [p.name for p in needed if p.name not in delivered]
        if stop:
            return "blocked", ["run_failed"]
        if hard:
            return "blocked", hard
        barrier = self.barrier(phase, needed, newest, delivered)
        if barrier:
            return "waiting", [barrier]
        return self.checks_step(gate, needed, newest, soft)

    def events_of_runs(self, gate, needed, newest):
        for p in needed:
            if newest[p.name] and newest[p.name].status == "failed":
                self.run_failed(p, gate.date, newest[p.name])

    def units_step(self, gate, needed, newest, done, quiet):
        soft, delivered, hard = set(), set(), set()
        for p in needed:
            run = newest[p.name]
            if not run:
                continue
            covered, total = self.cover(gate, p, run, done, quiet or run.status == "failed")
            whole = covered == total
            critical, strict = p.need("past") == "critical", self.policy.strict_units(p.phase)
            if run.status != "failed" and (whole or critical and not strict and covered):
                delivered.add(p.name)
            if run.status != "failed" and (covered or READINGS["failed_optional_partial"]):
                soft |= {"partial"} if run.status == "partial" and run.records_failed > 0 else set()
            if run.status == "failed" or whole:
                continue
            if critical and not covered:
                hard.add("no_data")
            elif critical and strict:
                hard.add("units")
            elif covered:
                soft.add("units")
        return soft, delivered, hard

    def cover(self, gate, p, run, done, quiet):
        """How many of the date's units have rows in one of the sources, with the events that this makes."""
        if not p.table:
            there = run.status in ("success", "partial") and run.count != 0
            return (1 if there else 0), 1
        sources = self.policy.sources(p)
        units = {""} if sources[0][2] == "none" else done
        have = [self.warehouse.units(s, gate.date) for s in sources]
        have = [set() if h is None else {""} if units == {""} and h else h for h in have]
        note = lambda kind, sev, unit, quiet: self.event(
            kind, sev, p.phase, p.table, p.name, gate.date, unit or None, gate.generation, optional=quiet)
        covered = 0
        for unit in sorted(units):
            first = next((i for i, h in enumerate(have) if unit in h), None)
            covered += first is not None
            if first is None:
                note("source_missing", severity(p.need("past")), unit, quiet)
            elif first:
                note("fallback_used", "info", unit, quiet)
            elif not quiet:
                self.resolve(p, gate, unit)
        self.compare(p, run, units, have, covered, note, quiet)
        return covered, len(units)

    def resolve(self, p, gate, unit):
        """The primary serves a unit that it lacked: an event for every earlier one that said so."""
        where = p.phase, p.table, p.name, gate.date, unit or None
        for kind in ("source_missing", "fallback_used"):
            for generation in range(1, gate.generation + 1):
                if (kind, *where, generation) in self.events:
                    self.event("source_available", "info", *where, source=f"{kind}/{generation}")

    def compare(self, p, run, units, have, covered, note, quiet):
        """Rows against what the run said of them. By unit or by date is left open, so the second is optional."""
        if run.status == "no_data" and units & have[0]:
            for unit in sorted(units & have[0]):
                note("rows_without_run", "warning", unit, quiet or units != {""})
            note("rows_without_run", "warning", None, quiet or units != {""})
        if (run.count or 0) > 0 and run.status != "failed" and not units & have[0]:
            note("run_without_rows", severity(p.need("past")), None, quiet or covered > 0)

    def barrier(self, phase, needed, newest, delivered):
        critical = all(p.name in delivered for p in needed if p.need("past") == "critical")
        share = len(delivered) / len(needed) >= fraction(self.policy.value(phase, "share", "60%")) - 1e-9
        if critical and len(delivered) == len(needed):
            return None
        if not (critical and share):
            return "barrier"
        return None if all(newest.values()) else "grace"

    def checks_step(self, gate, needed, newest, soft):
        failed = {"strict": set(), "soft": set()}
        gate.prints = self.stale.prints([p for p in needed if p.name in gate.reported], gate.date)
        for name, fails in (("upstream", self.upstream_fails), ("gaps", self.date_gaps), ("completeness", self.completeness_fails),
                            ("quality", self.quality_fails)):
            check = self.policy.check(gate.phase, name)
            if check and fails(gate, check):
                failed[check["mode"]].add(name)
        self.look_at_quality(gate)
        soft = soft | self.rows_differ(gate, needed, newest)
        if failed["strict"]:
            reasons = failed["strict"] | (failed["soft"] if READINGS["blocked_lists_soft_checks"] else set())
            return "blocked", reasons | (soft if READINGS["blocked_lists_soft_rest"] else set())
        soft = soft | failed["soft"]
        gate.ready = not soft
        observe, skipped = self.policy.value(gate.phase, "mode", "live") == "observe", self.skipped(gate, needed, newest)
        if observe and (READINGS["observe_beats_skip"] or not skipped):
            return "observed", soft
        if skipped:
            return "suppressed", {"skip"} | (soft if READINGS["suppressed_keeps_soft"] else set())
        return "triggered", soft

    def skipped(self, gate, needed, newest):
        for p in needed:
            if gate.own is not None and p.name not in gate.own and not READINGS["skip_is_carried"]:
                continue
            runs = self.runs.get((gate.phase, p.name, gate.date), {}).values() if READINGS["skip_of_any_run"] else [newest[p.name]]
            if any(r and r.skip for r in runs):
                return True
        return False

    def upstream_fails(self, gate, check):
        done = self.calendar.done.get(gate.date, set())
        for phase in self.policy.before(gate.phase):
            for p in self.policy.processors[phase]:
                if p.need("past") != "critical":
                    continue
                run = self.newest((phase, p.name, gate.date))
                if not run or run.status == "failed":
                    return True
                covered, total = self.silent_cover(p, run, gate.date, done)
                if covered < (total if self.policy.strict_units(phase) else min(1, total)):
                    return True
        return False

    def silent_cover(self, p, run, date, done):
        if not p.table:
            return (1 if run.status in ("success", "partial") and run.count != 0 else 0), 1
        total = 1 if self.by_date(p) else len(done)
        return total - len(self.uncovered(p, date, done)), total

    def by_date(self, p):
        return self.policy.sources(p)[0][2] == "none"

    def uncovered(self, p, date, done):
        rest = {""} if self.by_date(p) else set(done)
        for source in self.policy.sources(p):
            have = self.warehouse.units(source, date) or set()
            rest -= {""} if self.by_date(p) and have else have
        return rest

    def date_gaps(self, gate, check):
        """Dates before this one that a critical processor of the phase leaves without rows."""
        start, found = self.calendar.season_start(gate.date), False
        strict = self.policy.strict_units(gate.phase)
        for p in self.policy.processors[gate.phase]:
            if not p.table or not p.ever_critical():
                continue
            for n in range(self.look_back(gate.phase), 0, -1):
                date = str(day(gate.date) - n * DAY)
                done = self.calendar.done.get(date)
                if not done or date < start or self.evidence.excused(gate.phase, p.table, date, date):
                    continue
                gone = {u for u in self.uncovered(p, date, done) if not self.evidence.excused(gate.phase, p.table, date, u)}
                if gone if strict else len(gone) == (1 if self.by_date(p) else len(done)):
                    found = True
                    self.event("date_gap", "critical" if check["mode"] == "strict" else "warning", gate.phase, p.table, p.name, date)
        return found

    def completeness_fails(self, gate, check):
        lacking = self.evidence.incomplete(gate.phase, gate.date)
        for entity in lacking:
            self.event("completeness_gap", "critical" if check["mode"] == "strict" else "warning", gate.phase, check["table"],
                       date=gate.date, source=f"{gate.generation}/{entity}")
        return bool(lacking)

    def quality_fails(self, gate, check):
        """Too few of the units that were assessed are usable to the critical processors."""
        assessed, unusable = set(), set()
        for p in self.policy.processors[gate.phase]:
            if p.name in gate.reported and p.need("past"):
                units = self.evidence.units_of(p, gate.date)
                assessed |= {unit for unit, _, _ in units}
                unusable |= {unit for unit, (tier, _, _), _ in units if tier == "unusable" and p.need("past") == "critical"}
        usable = len(assessed - unusable)
        if any(claim[0] == "unusable" and p.need("past") == "critical" for p, claim in self.claims(gate.phase, gate.date)):
            return True
        return bool(assessed) and (not usable or usable / len(assessed) < fraction(check.get("min_usable", "60%")) - 1e-9)

    def claims(self, phase, date):
        """What the newest runs of those that are needed say of their rows: [(processor, (tier, score, issues))]."""
        runs = [(p, self.newest((phase, p.name, date))) for p in self.policy.processors[phase] if p.need("past")]
        return [(p, run.claim()) for p, run in runs if run and run.claim()]

    def claimed(self, gate):
        """What counts of that for a gate: unusable is what an optional processor or a phase before says is left out."""
        for p, claim in self.claims(gate.phase, gate.date):
            if claim[0] != "unusable" or p.need("past") == "critical":
                yield claim
        for before in self.policy.all_before(gate.phase):
            yield from (claim for _, claim in self.claims(before, gate.date) if claim[0] != "unusable")

    def look_at_quality(self, gate):
        worst = quality.join([*self.evidence.gate(gate.phase, gate.date, gate.reported), *self.claimed(gate)])
        for p, (tier, _, _) in self.claims(gate.phase, gate.date):
            if tier != "gold":
                self.event("quality_degradation", "info", p.phase, p.table, p.name, gate.date, source=f"{gate.generation}/reported")
        if worst:
            gate.tier, gate.score, _ = worst
        for p in self.policy.processors[gate.phase]:
            if p.name in gate.reported and p.need("past"):
                for unit, (tier, _, _), rows in self.evidence.units_of(p, gate.date):
                    source = f"{gate.generation}/{self.evidence.serving(p, gate.date, unit)[0]}"
                    note = lambda kind, optional: self.event(kind, "info", p.phase, p.table, p.name, gate.date, unit or None, source, optional)
                    if tier != "gold":
                        note("quality_degradation", False)
                    if rows < self.evidence.expected(p, gate.date):
                        note("source_degraded", not p.profile.get("expected_rows") and not READINGS["degraded_by_season"])

    def rows_differ(self, gate, needed, newest):
        """What the run said against all rows of the primary on the date; nothing where one of them is none."""
        soft = set()
        for p in needed:
            run = newest[p.name]
            if not p.table or not run or run.status not in ("success", "partial"):
                continue
            there = len(self.warehouse.rows(self.policy.sources(p)[0], gate.date))
            difference, larger = abs(there - (run.count or 0)), max(there, run.count or 0)
            if not there or not run.count or not difference:
                continue
            heavy = difference >= 0.1 * larger - 1e-9
            soft |= {"rows_differ"} if heavy else set()
            self.event("validation_failure", "warning" if heavy else "info", gate.phase, p.table, p.name, gate.date, source=gate.generation)
        return soft

    # results

    def newest_gates(self):
        found = [gates[-1] for gates in self.gates.values() if gates]
        return sorted(found, key=lambda g: (self.policy.order.index(g.phase), g.date))

    def extra(self):
        """Events that only another reading makes, without those that are due anyway."""
        return {k: v for k, v in self.optional.items() if k not in self.events}

    def counts(self):
        return Counter((key[0], sev) for key, sev in self.events.items())


def severity(need):
    return "critical" if need == "critical" else "warning"


def import_folder(model, folder):
    for path in sorted(glob.glob(folder + "/*.csv")):
        model.load(os.path.basename(path)[:-4], path)


def feed_file(model, path):
    with open(path) as file:
        model.feed(file)


def step(model, text):
    kind, _, value = text.partition("=")
    if kind == "tables":
        import_folder(model, value)
    elif kind == "feed":
        feed_file(model, value)
    elif kind == "set":
        model.use(model.config, [value])
    elif kind == "known-gap":
        model.add_known_gap(*value.split(","))
    else:
        import_folder(model, text + "/tables")
        for path in sorted(glob.glob(text + "/messages/*.ndjson")):
            feed_file(model, path)


def events_json(model):
    fields = ("event_type", "phase", "table", "processor", "date", "unit")
    rows = [dict(zip(fields, key), severity=sev) for key, sev in model.events.items()]
    rows.sort(key=lambda r: [r[f] or "" for f in fields])
    return {"counts": {f"{t} {s}": n for (t, s), n in sorted(model.counts().items())}, "events": rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--events")
    parser.add_argument("steps", nargs="+")
    options = parser.parse_args()
    with open(options.config) as file:
        model = Model(yaml.safe_load(file), options.batch)
    model.use(model.config, options.set)
    for text in options.steps:
        step(model, text)
    for gate in model.newest_gates():
        print(json.dumps(gate.line(), separators=(",", ":")))
    if options.events:
        with open(options.events, "w") as file:
            json.dump(events_json(model), file, indent=1)
    for (kind, sev), n in sorted(model.counts().items()):
        print(f"{kind} {sev} {n}", file=sys.stderr)


if __name__ == "__main__":
    main()
