"""mill.py - a small invented season for the fault tests, and its state directory seen from outside.

A saw mill: 60 days of 3 lots each, two phases ("cut", then "pack") of 4 processors. In it: a hole that blocks later dates, two days served by a
fallback, failed and partial runs, runs that are announced first, duplicates, an unknown processor, reruns that open a second generation, a late
processor, a day off, and lines that must be rejected. Invented data, the same every time."""

import csv
import datetime
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess

DAYS = 60
FIRST = datetime.date(2025, 1, 1)
DAY_OFF, HOLE, FAILED, PARTIAL, LATE = 33, 40, 25, 30, 12
FALLBACK = (5, 6)
RERUN = (3, 8, 21)
CUT = ("saw", "plane", "drill", "sand")
PACK = ("box", "label", "tape", "stamp")
UNKNOWN = 5  # every so many days a processor reports that the config does not name

CONFIG = """\
version: 1
pipeline: mill
timezone: UTC
environment: test
bus: {type: embedded, project: mill, listen: "127.0.0.1:0", path: state/broker}
ledger: {type: sqlite, path: state/ledger.db}
warehouse: {type: sqlite, path: state/warehouse}
message: {naive_timestamps: UTC, fields: {date: [day]}}
calendar: {table: plan.lots, date_column: day, unit_column: lot, planned: {kind: [normal]}, done: {status: 3}}
coverage:
  log: book.source_coverage_log
  runs: {table: book.processor_run_history, written_by: sluice}
  load: {every: 60s, max_events: 40}
worker: {batch: {messages: 7}}
defaults: {date_column: day, unit_column: lot, share: 60%, grace: 5m, settle: 0s}
phases:
  - name: cut
    completions: {topic: cut-done, subscription: cut-done-sub, dead_letter_topic: cut-dead}
    processors:
      - {name: saw, required: critical, table: raw.saw}
      - {name: plane, required: critical, table: raw.plane, fallback: [raw.plane_old]}
      - {name: drill, required: optional, table: raw.drill}
      - {name: sand, required: optional, table: raw.sand}
    checks: {units: strict, gaps: {mode: soft, look_back: 10d}}
  - name: pack
    after: [cut]
    started_by: {topic: pack-start}
    completions: {topic: pack-done, subscription: pack-done-sub, dead_letter_topic: pack-dead}
    processors:
      - {name: box, required: critical, table: out.box}
      - {name: label, required: critical, table: out.label}
      - {name: tape, required: optional, table: out.tape}
      - {name: stamp, required: optional, table: out.stamp}
    checks: {upstream: strict, units: strict, gaps: {mode: strict, look_back: 10d}}
audit: {at: "09:00"}
"""

REJECTS = [
    "this is no JSON",
    "[1, 2]",
    '{"processor_name": "saw", "phase": "cut", "execution_id": "r1", "day": "2025-02-30", "status": "success", "timestamp": "2025-02-01T08:00:00Z"}',
    '{"processor_name": "saw", "phase": "glue", "execution_id": "r2", "day": "2025-02-01", "status": "success", "timestamp": "2025-02-01T08:00:00Z"}',
    '{"processor_name": "saw", "phase": "cut", "execution_id": "r3", "day": "2025-02-01", "status": "Success", "timestamp": "2025-02-01T08:00:00Z"}',
    '{"processor_name": "saw", "phase": "cut", "execution_id": "r4", "day": "2025-02-01", "day": "2025-02-02", "status": "success"}',
]


def date_of(i):
    return (FIRST + datetime.timedelta(days=i)).isoformat()


def lots_of(i):
    return [] if i == DAY_OFF else ["%s-%d" % (date_of(i), n) for n in (1, 2, 3)]


# --- tables ---------------------------------------------------------------------------------------------------------------------

def has_rows(table, i):
    if table == "raw.plane":
        return i not in FALLBACK
    if table == "raw.plane_old":
        return i in FALLBACK
    if table == "raw.saw":
        return i != FAILED
    return not (table == "out.box" and i == HOLE)


def tables():
    return ["raw.%s" % p for p in CUT] + ["raw.plane_old"] + ["out.%s" % p for p in PACK]


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header] + rows)


def write_tables(folder):
    rows = [[date_of(i), lot, "normal", 3] for i in range(DAYS) for lot in lots_of(i)]
    write_csv(os.path.join(folder, "plan.lots.csv"), ["day", "lot", "kind", "status"], rows)
    for table in tables():
        rows = [[date_of(i), lot, "%d" % (i + n)] for i in range(DAYS) if has_rows(table, i) for n, lot in enumerate(lots_of(i))]
        write_csv(os.path.join(folder, table + ".csv"), ["day", "lot", "amount"], rows)


# --- completions ----------------------------------------------------------------------------------------------------------------

def completion(phase, processor, i, execution, status="success", hours=30, **more):
    at = datetime.datetime.combine(FIRST, datetime.time()) + datetime.timedelta(days=i, hours=hours)
    body = {"processor_name": processor, "phase": phase, "execution_id": execution, "day": date_of(i), "status": status,
            "timestamp": at.isoformat() + "Z", "record_count": 0 if status in ("no_data", "failed", "running") else 3}
    body.update(more)
    return json.dumps(body)


def status_of(processor, i):
    if processor == "saw" and i == FAILED or processor == "sand" and i == LATE:
        return "failed", {"error_message": "the blade broke"}
    if processor == "plane" and i == PARTIAL:
        return "partial", {"records_failed": 2}
    if i == DAY_OFF or processor == "box" and i == HOLE:
        return "no_data", {}
    return "success", {}


def day_lines(i):
    for phase, processors in (("cut", CUT), ("pack", PACK)):
        for n, processor in enumerate(processors):
            status, more = status_of(processor, i)
            execution = "%s-%s-%d" % (phase, processor, i)
            if (i + n) % 6 == 0:
                yield completion(phase, processor, i, execution, "running", 29)
            if (i + n) % 9 == 0:
                more["coverage_events"] = [{"event_type": "insufficient_sample", "severity": "info", "description": "few boards", "unit": "x%d" % i}]
            yield completion(phase, processor, i, execution, status, 30 + n, **more)
            if (i + n) % 5 == 0:
                yield completion(phase, processor, i, execution, status, 30 + n, **more)  # once more
        if i % UNKNOWN == 0:
            yield completion(phase, "varnish", i, "varnish-%s-%d" % (phase, i))
    if i % 10 == 0:
        yield REJECTS[i // 10 % len(REJECTS)]


def lines():
    """Every state that a gate passes through on its way is the same wherever a batch ends."""
    out = [line for i in range(DAYS) for line in day_lines(i)]
    for i in RERUN:
        out += [completion("cut", "saw", i, "again-saw-%d" % i, hours=80), completion("pack", "box", i, "again-box-%d" % i, hours=81)]
    out.append(completion("cut", "sand", LATE, "again-sand", hours=82))
    return out


# --- the state directory --------------------------------------------------------------------------------------------------------

class Sluice:
    """The built binary, for one folder that holds the config and the state."""

    def __init__(self, folder, binary=None):
        self.folder = folder
        self.binary = binary or os.environ["SLUICE"]

    def command(self, *words):
        return [self.binary, "--config", os.path.join(self.folder, "sluice.yaml"), *words]

    def run(self, *words, **options):
        return subprocess.run(self.command(*words), capture_output=True, text=True, **options)

    def must(self, *words):
        done = self.run(*words)
        if done.returncode != 0:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done


def make(folder, config=CONFIG):
    """Config, tables imported, message file; nothing ingested yet."""
    os.makedirs(folder)
    with open(os.path.join(folder, "sluice.yaml"), "w") as file:
        file.write(config)
    with open(os.path.join(folder, "messages.ndjson"), "w") as file:
        file.write("\n".join(lines()) + "\n")
    tables_folder = os.path.join(folder, "tables")
    os.makedirs(tables_folder)
    write_tables(tables_folder)
    sluice = Sluice(folder)
    sluice.must("init")
    for name in sorted(os.listdir(tables_folder)):
        sluice.must("import", os.path.join(tables_folder, name), "--table", name[: -len(".csv")])
    return sluice


def databases(folder):
    state = os.path.join(folder, "state")
    return [os.path.join(state, "ledger.db")] + [os.path.join(state, "warehouse", name)
                                                 for name in sorted(os.listdir(os.path.join(state, "warehouse"))) if name.endswith(".db")]


def rows(path, sql):
    db = sqlite3.connect(path, timeout=5)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def bad_files(folder):
    """What PRAGMA integrity_check has to say, of every database file."""
    found = []
    for path in databases(folder):
        said = rows(path, "PRAGMA integrity_check")
        if said != [("ok",)]:
            found.append("%s: %s" % (os.path.basename(path), said[:3]))
    return found


RUNS = "SELECT phase, date, processor, execution_id FROM runs"
EVENTS = "SELECT event_id FROM events"
REJECTED = "SELECT id, code, hex(data) FROM rejects"


def committed(folder):
    """What was accepted, as one set: runs, events, rejects."""
    ledger = os.path.join(folder, "state", "ledger.db")
    return set().union(*(set(rows(ledger, sql)) for sql in (RUNS, EVENTS, REJECTED)))


LEDGER_END = {
    "gates": "SELECT phase, date, profile, generation, state, reasons, trigger_reason, completed, missing, late, is_production_ready,"
             " degraded, dropped, trigger_id, reopened FROM gates",
    "runs": "SELECT phase, date, processor, execution_id, status, timestamp_us, generation, known, skip, record_count, records_failed FROM runs",
    "events": "SELECT event_id, event_type, severity, phase, processor_name, game_date, game_id FROM events",
    "rejects": "SELECT code, hex(data) FROM rejects",
    "triggers": "SELECT topic, key, phase, date FROM outbox WHERE kind = 0",
    "dead letters": "SELECT topic, phase FROM outbox WHERE kind = 1",
    "open loads": "SELECT job_id FROM loads WHERE done_us IS NULL",
}
BOOK_END = {
    "log": "SELECT event_id, event_type, severity, phase, processor_name, game_date, game_id FROM source_coverage_log",
    "history": "SELECT phase, processor_name, data_date, run_id, status FROM processor_run_history WHERE status != 'running'",
}


def end_state(folder):
    """Everything that must be the same however often it was interrupted: times, orders and job ids aside."""
    book = os.path.join(folder, "state", "warehouse", "book.db")
    state = {name: sorted(rows(os.path.join(folder, "state", "ledger.db"), sql), key=repr) for name, sql in LEDGER_END.items()}
    state.update({name: sorted(rows(book, sql), key=repr) for name, sql in BOOK_END.items()})
    return state


def differences(expected, actual):
    found = []
    for name in expected:
        if expected[name] == actual[name]:
            continue
        lost, extra = list(expected[name]), []
        for row in actual[name]:
            lost.remove(row) if row in lost else extra.append(row)
        found.append("%s: lost %s, too many or other %s" % (name, lost[:3], extra[:3]))
    return found


def self_check(state):
    """What must hold of an end by itself: exactly once, one trigger id per fired gate, everything loaded."""
    ids = [row[0] for row in state["events"]]
    triggers = [row[1] for row in state["triggers"]]
    fired = [row[13] for row in state["gates"] if row[13] is not None]
    found = []
    for name, holds in (
        ("an event twice in the ledger", len(ids) == len(set(ids))),
        ("the log is not the ledger's events, each once", sorted(row[0] for row in state["log"]) == sorted(ids)),
        ("a run twice in the history", len(state["history"]) == len(set(state["history"]))),
        ("the history is not the ledger's runs", len(state["history"]) == len(state["runs"])),
        ("a trigger twice", len(triggers) == len(set(triggers))),
        ("triggers are not the fired gates", sorted(triggers) == sorted(fired)),
        ("a load that is not done", not state["open loads"]),
    ):
        if not holds:
            found.append(name)
    return found


def digest(folder):
    """Bytes of every file below `folder`."""
    out = {}
    for base, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(base, name), "rb") as file:
                out[os.path.relpath(os.path.join(base, name), folder)] = hashlib.sha256(file.read()).hexdigest()
    return out


def copy(source, target):
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
