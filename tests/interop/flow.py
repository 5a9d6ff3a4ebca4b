"""flow.py - completions for the killed job: two phases of four processors over so many days that 10,000 completions come together, one shipment a day. Invented, the same every time.

In it: days whose critical rows are missing (blocked, and a gap to those after them), failed and repeated runs, and lines that must be rejected."""

import csv
import datetime
import json
import os

FIRST = datetime.date(2021, 1, 1)
PHASES = {"cut": ("saw", "plane", "drill", "sand"), "pack": ("box", "label", "tape", "stamp")}
HOLE, FAILED, AGAIN, BROKEN = 40, 33, 50, 100  # every so many days

CONFIG = """\
version: 1
pipeline: flow
timezone: UTC
environment: test
bus: {{type: embedded, project: flow, listen: "127.0.0.1:{port}", path: state/broker}}
ledger: {{type: sqlite, path: state/ledger.db}}
warehouse: {{type: sqlite, path: state/warehouse}}
message: {{fields: {{date: [day]}}}}
calendar: {{table: plan.lots, date_column: day, unit_column: lot, planned: {{kind: [normal]}}, done: {{status: 3}}}}
coverage:
  log: book.source_coverage_log
  runs: {{table: book.processor_run_history, written_by: sluice}}
  load: {{every: 1s, max_events: 200}}
worker: {{batch: {{messages: 20}}}}
defaults: {{date_column: day, unit_column: lot, share: 60%, grace: 10h, settle: 0s}}
phases:
  - name: cut
    completions: {{topic: cut-done, subscription: cut-done-sub, dead_letter_topic: cut-dead}}
    processors:
      - {{name: saw, required: critical, table: raw.saw}}
      - {{name: plane, required: critical, table: raw.plane}}
      - {{name: drill, required: optional, table: raw.drill}}
      - {{name: sand, required: optional, table: raw.sand}}
    checks: {{units: strict, gaps: {{mode: soft, look_back: 5d}}}}
  - name: pack
    after: [cut]
    started_by: {{topic: pack-start}}
    completions: {{topic: pack-done, subscription: pack-done-sub, dead_letter_topic: pack-dead}}
    processors:
      - {{name: box, required: critical, table: out.box}}
      - {{name: label, required: critical, table: out.label}}
      - {{name: tape, required: optional, table: out.tape}}
      - {{name: stamp, required: optional, table: out.stamp}}
    checks: {{units: strict}}
  - name: sell
    after: [pack]
    started_by: {{topic: sell-start}}
    completions: {{topic: sell-done, subscription: sell-done-sub}}
    processors: [{{name: till, required: critical}}]
audit: {{at: "09:00"}}
"""


def day_of(i):
    return (FIRST + datetime.timedelta(days=i)).isoformat()


def write_csv(path, header, rows):
    with open(path, "w", newline="", encoding="ascii") as file:
        csv.writer(file).writerows([header] + rows)


def write_tables(folder, days):
    os.makedirs(folder)
    write_csv(folder + "/plan.lots.csv", ["day", "lot", "kind", "status"], [[day_of(i), "lot-%d" % i, "normal", 3] for i in range(days)])
    for phase, dataset in (("cut", "raw"), ("pack", "out")):
        for processor in PHASES[phase]:
            rows = [[day_of(i), "lot-%d" % i, i % 97] for i in range(days) if not (processor in ("plane", "label") and i % HOLE == HOLE - 1)]
            write_csv("%s/%s.%s.csv" % (folder, dataset, processor), ["day", "lot", "amount"], rows)


def completion(phase, processor, i, run, status):
    body = {"processor_name": processor, "phase": phase, "execution_id": "%s-%05d-%d" % (processor, i, run), "day": day_of(i), "status": status,
            "record_count": 1 if status == "success" else 0, "timestamp": day_of(i + 1) + "T0%d:00:00Z" % run}
    return json.dumps(body)


def lines_of(phase, days):
    """The messages of one topic, in date order."""
    for i in range(days):
        for processor in PHASES[phase]:
            is_hole = processor in ("plane", "label") and i % HOLE == HOLE - 1
            failed = processor in ("drill", "tape") and i % FAILED == FAILED - 1
            yield completion(phase, processor, i, 1, "no_data" if is_hole else "failed" if failed else "success")
            if failed and i % 2 == 0:
                yield completion(phase, processor, i, 2, "success")
            if i % AGAIN == AGAIN - 1:
                yield completion(phase, processor, i, 1, "no_data" if is_hole else "failed" if failed else "success")
        if i % BROKEN == BROKEN - 1:
            yield '{"processor_name": "%s", "phase": "%s", "day": "2021-02-30"}' % (PHASES[phase][0], phase)
