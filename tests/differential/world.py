"""The world of the model: config, tables, calendar. What a gate may look at, and nothing that decides."""
import csv, datetime, functools, re, uuid

import yaml

TRIGGER_NS = uuid.uuid5(uuid.NAMESPACE_DNS, "sluice.trigger")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DAY = datetime.timedelta(days=1)


def seconds(text):
    match = re.fullmatch(r"(\d+)([smhd])", str(text))
    if not match:
        raise ValueError(f"not a duration: {text!r}")
    return int(match[1]) * SECONDS[match[2]]


def fraction(value):
    return float(value[:-1]) / 100 if isinstance(value, str) and value.endswith("%") else float(value)


def day(text):
    return datetime.date.fromisoformat(text)


def instant(text):
    when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return when if when.tzinfo else when.replace(tzinfo=datetime.timezone.utc)


def override(config, setting):
    """KEY=VALUE on a parsed config; a list of named things is walked by name."""
    path, value = setting.split("=", 1)
    keys, node = path.split("."), config
    for key in keys[:-1]:
        node = next(x for x in node if x["name"] == key) if isinstance(node, list) else node.setdefault(key, {})
    node[keys[-1]] = yaml.safe_load(value)


class Processor:
    def __init__(self, raw, phase):
        self.name, self.phase, self.raw = raw["name"], phase, raw
        self.names = [raw["name"], *raw.get("aliases", [])]
        self.table = raw.get("table")
        self.required, self.profile, self.inputs = raw.get("required"), raw.get("quality"), raw.get("inputs", [])

    def need(self, profile):
        return self.required.get(profile) if isinstance(self.required, dict) else self.required

    def column_map(self, source):
        """What a fallback calls our columns; source 0 is the primary."""
        given = (self.raw.get("fallback") or [])[source - 1] if source else {}
        return given.get("columns", {}) if isinstance(given, dict) else {}

    def ever_critical(self):
        return "critical" in (self.required.values() if isinstance(self.required, dict) else [self.required])


class Policy:
    """The part of the config that decides."""

    def __init__(self, config):
        self.config, self.defaults, self.phases = config, config.get("defaults", {}), {}
        self.found = {}
        for raw in config["phases"]:
            self.phases[raw["name"]] = raw
        self.order = sorted_by_dag(self.phases)
        self.processors = {p: [Processor(x, p) for x in raw["processors"]] for p, raw in self.phases.items()}
        self.aliases = {a: p for p, raw in self.phases.items() for a in [p, *raw.get("aliases", [])]}

    def value(self, phase, key, default=None):
        return self.phases[phase].get(key, self.defaults.get(key, default))

    def check(self, phase, name):
        """None where the check is not in the config, else its settings with a mode."""
        raw = self.phases[phase].get("checks", {}).get(name)
        if raw is None:
            return None
        return {"mode": "strict", **raw} if isinstance(raw, dict) else {"mode": raw}

    def strict_units(self, phase):
        check = self.check(phase, "units")
        return bool(check) and check["mode"] == "strict"

    def before(self, phase):
        return self.phases[phase].get("after", [])

    def all_before(self, phase):
        """Every phase before, however far, in DAG order."""
        found, rest = set(), list(self.before(phase))
        while rest:
            one = rest.pop()
            rest += [] if one in found else self.before(one)
            found.add(one)
        return [p for p in self.order if p in found]

    def after(self, phase):
        return [p for p in self.order if phase in self.before(p)]

    def columns(self, owner):
        get = lambda key: owner.get(key, self.defaults.get(key))
        return get("date_column"), get("unit_column")

    def sources(self, processor):
        """(table, date column, unit column) of the primary and each fallback; a fallback's columns are its owner's."""
        if processor.name not in self.found:
            self.found[processor.name] = self.find_sources(processor)
        return self.found[processor.name]

    def find_sources(self, processor):
        owners = {p.table: p for ps in self.processors.values() for p in ps if p.table}
        found = [(processor.table, *self.columns(processor.raw))]
        for raw in processor.raw.get("fallback", []):
            given = raw if isinstance(raw, dict) else {"table": raw}
            owner = owners.get(given["table"])
            found.append((given["table"], *self.columns(owner.raw if owner else given)))
        return found


def sorted_by_dag(phases):
    done, rest = [], list(phases)
    while rest:
        ready = [p for p in rest if all(a in done for a in phases[p].get("after", []))]
        if not ready:
            raise ValueError("the phases make a circle")
        done.append(ready[0])
        rest.remove(ready[0])
    return done


@functools.lru_cache(maxsize=64)
def read_table(path):
    """Rows and columns of a file. Nobody changes them: several models share them."""
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        return list(reader), list(reader.fieldnames)


class Warehouse:
    def __init__(self):
        self.tables, self.columns, self.indexes = {}, {}, {}

    def load(self, table, path, replaced=None):
        """Appends a file; `replaced` names the date column whose dates it takes the place of."""
        rows, self.columns[table] = read_table(path)
        old = self.tables.get(table, [])
        gone = {r[replaced] for r in rows} if replaced else set()
        self.tables[table] = [r for r in old if not replaced or r[replaced] not in gone] + rows
        self.indexes = {k: v for k, v in self.indexes.items() if k[0] != table}

    def index(self, source):
        """{date: {unit: rows}}; without a unit column "" is the date itself."""
        if source not in self.indexes:
            table, date_column, unit_column = source
            index = {}
            for row in self.tables[table]:
                unit = "" if unit_column == "none" or unit_column not in row else row[unit_column]
                index.setdefault(row[date_column], {}).setdefault(unit, []).append(row)
            self.indexes[source] = index
        return self.indexes[source]

    def units(self, source, date):
        """Units with rows, None where the source is not there."""
        return set(self.index(source).get(date, {})) if source[0] in self.tables else None

    def rows(self, source, date, unit=None):
        """The rows of a date, or of one of its units."""
        if source[0] not in self.tables:
            return []
        units = self.index(source).get(date, {})
        return [r for rows in units.values() for r in rows] if unit is None else units.get(unit, [])


class Calendar:
    def __init__(self, config, warehouse):
        raw = config["calendar"]
        self.planned, self.done, self.first = {}, {}, {}
        self.kinds, self.who, self.done_of = raw.get("entities", {}), {}, {}
        self.ordered = {}
        matches = lambda row, rule: all(
            row[column] in [str(v) for v in (want if isinstance(want, list) else [want])] for column, want in rule.items())
        for row in warehouse.tables.get(raw["table"], []):
            if not matches(row, raw["planned"]):
                continue
            date, unit, season = row[raw["date_column"]], row[raw["unit_column"]], row[raw["season"]["column"]]
            self.planned.setdefault(date, set()).add(unit)
            self.who[unit] = {kind: {row[c] for c in columns if row[c]} for kind, columns in self.kinds.items()}
            self.first[season] = min(date, self.first.get(season, date))
            if matches(row, raw["done"]):
                self.done.setdefault(date, set()).add(unit)
                for kind, names in self.who[unit].items():
                    for name in names:
                        self.done_of.setdefault((kind, name), set()).add((date, unit))
        self.starts = sorted(self.first.values())

    def season_start(self, date):
        return max((s for s in self.starts if s <= date), default=None)

    def entities(self, unit, kind):
        return self.who[unit][kind]

    def units_of(self, kind, entity):
        """Its done units as (date, unit), ascending."""
        if (kind, entity) not in self.ordered:
            self.ordered[kind, entity] = sorted(self.done_of.get((kind, entity), ()))
        return self.ordered[kind, entity]
