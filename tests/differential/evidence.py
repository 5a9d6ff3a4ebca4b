"""What the rows say: the quality of units, what is inherited, and who has all the units of a window. Part of the model: by the design and its rules alone.

Everything is asked afresh from the tables; no gate's state is looked at.
"""
import bisect

from world import DAY, day, fraction
import quality

LAST = "\U0010ffff"


class Evidence:
    """Answers about one state of tables, calendar and config; a new one is made when any of them changes."""

    def __init__(self, config, policy, warehouse, calendar, known_gaps):
        self.config, self.policy, self.warehouse, self.calendar, self.known_gaps = config, policy, warehouse, calendar, known_gaps
        self.memo = {}
        begin = config["calendar"].get("season", {}).get("starts", {})
        self.starts = begin.get("month", 10), begin.get("day", 15)
        self.owners = {p.table: p for ps in policy.processors.values() for p in ps if p.table}

    def once(self, key, make):
        if key not in self.memo:
            self.memo[key] = make()
        return self.memo[key]

    # quality of units

    def serving(self, p, date, unit):
        """The first source that has rows of the unit, and these; (None, []) when none has."""
        for index, source in enumerate(self.policy.sources(p)):
            rows = self.warehouse.rows(source, date, None if unit == "" else unit)
            if rows:
                return index, rows
        return None, []

    def expected(self, p, date):
        given = p.profile.get("expected_rows")
        return given or quality.expected_rows(quality.games_into_season(date, self.starts), self.numbers())

    def numbers(self):
        """The settings of `quality`, shares as numbers."""
        given = self.config.get("quality") or {}
        return {**quality.DEFAULTS, **{k: fraction(v) if k.startswith("thin") else v for k, v in given.items()}}

    def assess(self, p, date, unit):
        return self.once(("unit", p.name, date, unit), lambda: self.assess_rows(p, date, unit))

    def assess_rows(self, p, date, unit):
        """((tier, score, issues), rows) of a unit, None when it has no rows anywhere."""
        index, rows = self.serving(p, date, unit)
        if index is None:
            return None
        table, names = self.policy.sources(p)[index][0], p.column_map(index)
        there = self.warehouse.columns[table]
        fields = {*(p.profile.get("required") or []), *(p.profile.get("optional") or []), *(p.profile.get("weights") or {})}
        theirs = {f: names.get(f, f) for f in fields}
        nulls = {f: sum(r[c] == "" for r in rows) for f, c in theirs.items() if c in there}
        tier, score, issues, _ = quality.assess(p.profile, len(rows), nulls, ["primary"] if index == 0 else [table],
                                                expected=p.profile.get("expected_rows"), date=date, starts=self.starts, settings=self.numbers())
        return (tier, score, issues + (["backup_source_used"] if index else [])), len(rows)

    def due(self, p, date):
        by_date = self.policy.sources(p)[0][2] == "none"
        done = sorted(self.calendar.done.get(date, set()))
        return ([""] if done else []) if by_date else done

    def units_of(self, p, date):
        """[(unit, (tier, score, issues), rows)] of the due units that have rows."""
        if not p.profile or not p.table:
            return []
        found = [(unit, self.assess(p, date, unit)) for unit in self.due(p, date)]
        return [(unit, *one) for unit, one in found if one]

    # inheritance

    def of_phase(self, phase, date, reported=None):
        """What a phase's own rows come to: of every processor those that are usable, unless it has no other."""
        found = []
        for p in self.policy.processors[phase]:
            if p.need("past") and (reported is None or p.name in reported):
                found += quality.usable_first(one for _, one, _ in self.units_of(p, date))
        return found

    def of_inputs(self, phase, date, reported=None):
        found = []
        for p in self.policy.processors[phase]:
            if p.need("past") and p.inputs and (reported is None or p.name in reported):
                for given in p.inputs:
                    found += quality.usable_first(x for x in (self.entity(given, e, date) for e in self.entities(p, given, date)) if x)
        return found

    def gate(self, phase, date, reported):
        """What a gate's rows come to, and what they are made of: [(tier, score, issues)]."""
        found = self.of_phase(phase, date, reported) + self.of_inputs(phase, date, reported)
        for before in self.policy.all_before(phase):
            found += self.of_phase(before, date) + self.of_inputs(before, date)
        return found

    def entities(self, p, given, date):
        """Who the processor's own rows of the date are about."""
        column = given["entity_column"]
        rows = self.warehouse.rows(self.policy.sources(p)[0], date)
        return sorted({r[column] for r in rows if r.get(column)})

    def not_before(self, date):
        starts = [x for x in (self.calendar.season_start(date), self.config["calendar"].get("history_from")) if x]
        return max(map(str, starts), default="0000-00-00")

    def inside(self, keys, text, date):
        """Of ascending (date, unit) those in the window up to and with the date, within the season."""
        number, kind = window(text)
        first, keys = self.not_before(date), keys[:bisect.bisect(keys, (date, LAST))]
        if kind == "days":
            first = max(first, str(day(date) - (number - 1) * DAY))
        return [k for k in (keys if kind == "days" else keys[-number:]) if k[0] >= first]

    def entity_rows(self, table, column):
        """{entity: [(date, unit)]}, ascending, each once: who is in the rows of the source that serves a unit of the table."""
        def make():
            owner, found = self.owners.get(table), {}
            sources = self.policy.sources(owner) if owner else [(table, *self.policy.columns({}))]
            for date, unit in {(d, u) for s in sources if s[0] in self.warehouse.tables for d, us in self.warehouse.index(s).items() for u in us}:
                index, rows = self.serving(owner, date, unit) if owner else (0, self.warehouse.rows(sources[0], date, unit))
                theirs = owner.column_map(index).get(column, column) if owner else column
                for entity in {r[theirs] for r in rows if r.get(theirs)}:
                    found.setdefault(entity, []).append((date, unit))
            return {e: sorted(keys) for e, keys in found.items()}
        return self.once(("entities", table, column), make)

    def entity(self, given, entity, date):
        """What one entity inherits from its rows in the window: the worst of them."""
        return self.once(("entity", given["table"], given["entity_column"], given["window"], entity, date),
                         lambda: self.entity_worst(given, entity, date))

    def entity_worst(self, given, entity, date):
        keys = self.inside(self.entity_rows(given["table"], given["entity_column"]).get(entity, []), given["window"], date)
        return quality.join(x for k in keys for x in self.row_tiers(given["table"], entity, *k))

    def row_tiers(self, table, entity, date, unit):
        owner = self.owners.get(table)
        if owner is None:
            return []
        own = [self.assess(owner, date, unit)[0]] if owner.profile else []
        return own + [x for x in (self.entity(g, entity, date) for g in owner.inputs) if x]

    # completeness

    def completeness(self, phase, date):
        """{entity: (actual, expected)} of the date's planned units, by the phase's check."""
        check = self.policy.check(phase, "completeness")
        result = {}
        for entity in sorted({e for u in self.calendar.planned.get(date, set()) for e in self.calendar.entities(u, check["entity"])}):
            keys = self.inside(self.calendar.units_of(check["entity"], entity), check.get("window", "10 units"), date)
            there = [self.has_rows(check, entity, *k) for k in keys]
            expected = sum(t or not self.excused(phase, check["table"], *k) for k, t in zip(keys, there))
            result[entity] = sum(there), expected
        return result

    def has_rows(self, check, entity, date, unit):
        """In the table, or in a fallback of the processor it belongs to, whose columns may be called otherwise."""
        owner, column = self.owners.get(check["table"]), check["entity_column"]
        if owner is None:
            return (date, unit, entity) in self.who((check["table"], *self.policy.columns({})), column)
        return any((date, "" if source[2] == "none" else unit, entity) in self.who(source, owner.column_map(i).get(column, column))
                   for i, source in enumerate(self.policy.sources(owner)))

    def who(self, source, column):
        """(date, unit, entity) of every row of a source."""
        return self.once(("who", source, column), lambda: {
            (date, unit, r.get(column)) for date, units in self.warehouse.index(source).items() for unit, rows in units.items() for r in rows}
            if source[0] in self.warehouse.tables else set())

    def excused(self, phase, table, date, unit):
        return any(p == phase and what in (date, unit) and t in (None, table) for p, what, t in self.known_gaps)

    def incomplete(self, phase, date):
        """The entities that have less than the threshold."""
        least = fraction(self.policy.check(phase, "completeness").get("threshold", "70%"))
        return [e for e, (have, want) in self.completeness(phase, date).items() if want and have / want < least - 1e-9]


def window(text):
    """"10 units" -> (10, "units"); what a table with inputs calls rows counts in the same way."""
    number, kind = str(text).split()
    return int(number), "days" if kind.startswith("day") else "units"
