"""Which decisions used a date whose rows have changed since. Part of the model: by the design and its rules alone."""
import operator
from collections import Counter

from evidence import window
from world import DAY, day, seconds

QUALITY_COLUMNS = {"quality_tier", "quality_score", "quality_issues", "data_sources", "quality_sample_size", "quality_used_fallback",
                   "quality_reconstructed", "quality_calculated_at", "quality_metadata"}


class Stale:
    """Marks on decisions: {(phase, date, generation): [(culprit phase, date, generation, reason)]}, oldest first."""

    def __init__(self, model):
        self.model, self.marks = model, {}

    def content(self, p, date):
        """The processor's rows of the date, whatever their order, without what says nothing of them."""
        return self.model.evidence.once(("content", p.name, date), lambda: self.count(p, date))

    def count(self, p, date):
        left_out = QUALITY_COLUMNS | set((p.raw.get("fingerprint") or {}).get("exclude", []))
        rows = self.model.warehouse.rows(self.model.policy.sources(p)[0], date)
        columns = [c for c in self.model.warehouse.columns.get(p.table, []) if c not in left_out]
        return Counter(map(operator.itemgetter(*columns), rows)) if rows else Counter()

    def prints(self, processors, date):
        return {p.name: self.content(p, date) for p in processors if p.table}

    def changed(self, old, new):
        """A rerun's rows against those that the generation before saw; of what that did not look at, nothing is known: they count as changed."""
        return any(name not in old or old[name] != new[name] for name in new)

    def spread(self, phase, date, generation, reason):
        """Marks the open gates of the phases after that used the date."""
        policy = self.model.policy
        for follower in (p for p in policy.order if phase in policy.all_before(p)):
            for (other, later), gates in sorted(self.model.gates.items()):
                gate = gates[-1] if gates else None
                if other != follower or later < date or not gate or gate.state not in ("triggered", "suppressed", "observed"):
                    continue
                if later == date or self.used(follower, later, phase, date):
                    self.mark(gate, (phase, date, generation, reason))

    def mark(self, gate, culprit):
        found = self.marks.setdefault((gate.phase, gate.date, gate.generation), [])
        if culprit not in found:
            found.append(culprit)
            self.model.event("downstream_stale", "info", gate.phase, date=gate.date, source=f"{gate.generation}/{culprit}")

    def used(self, phase, date, changed, culprit):
        """Does a window of the gate hold the culprit's date?"""
        checks = self.model.policy.check
        gaps, completeness = checks(phase, "gaps"), checks(phase, "completeness")
        if culprit < (self.model.calendar.season_start(date) or date):
            return False
        if gaps and culprit >= str(day(date) - seconds(gaps.get("look_back", "30d")) // 86400 * DAY):
            return True
        if completeness and self.touched(completeness["table"], changed) and self.holds_units(completeness, date, culprit):
            return True
        return any(self.touched(given["table"], changed) and self.holds_rows(p, given, date, culprit)
                   for p in self.model.policy.processors[phase] if p.need("past") for given in p.inputs)

    def touched(self, table, changed):
        owner = self.model.evidence.owners.get(table)
        return bool(owner) and (owner.phase == changed or changed in self.model.policy.all_before(owner.phase))

    def holds_units(self, check, date, culprit):
        number, kind = window(check.get("window", "10 units"))
        if kind == "days":
            return culprit > str(day(date) - number * DAY)
        calendar, name = self.model.calendar, check["entity"]
        entities = {e for u in calendar.planned.get(date, set()) for e in calendar.entities(u, name)}
        return any(culprit in [d for d, _ in [k for k in calendar.units_of(name, e) if k[0] <= date][-number:]] for e in entities)

    def holds_rows(self, p, given, date, culprit):
        number, kind = window(given["window"])
        if kind == "days":
            return culprit > str(day(date) - number * DAY)
        evidence = self.model.evidence
        rows = evidence.entity_rows(given["table"], given["entity_column"])
        return any(culprit in [d for d, _ in [k for k in rows.get(e, []) if k[0] <= date][-number:]]
                   for e in evidence.entities(p, given, date))

    def plan(self):
        """Lines of `sluice stale`: marks of generations after which none was decided; dates ascending, phases in DAG order."""
        order, found = self.model.policy.order, []
        for (phase, date, generation), culprits in self.marks.items():
            if all(g.generation <= generation or g.reasons == ["settle"] for g in self.model.gates[phase, date]):
                found.append({"date": date, "phase": phase, "generation": generation, "culprits": len(culprits),
                              **dict(zip(("culprit_phase", "culprit_date", "culprit_generation", "reason"), culprits[0]))})
        return sorted(found, key=lambda line: (line["date"], order.index(line["phase"])))
