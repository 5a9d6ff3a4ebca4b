"""Configs, tables and completions for the measures, made from nothing but numbers: the same arguments give the same bytes.
Lines are made as they are written: the peak memory of a measured command can't be told below that of the process that starts it."""
import datetime
import os

STREAM_FIRST = datetime.date(1880, 1, 1)  # 50,000 dates end in 2016: none of them lies in the future
STREAM_PROCESSORS = ("alpha", "beta", "gamma", "delta")
GAPS_FIRST = datetime.date(2010, 1, 1)
GAPS_DAYS = 3652  # ten years
GAPS_UNITS = 10   # a day
GAPS_HOLES = (100, 101, 2000)  # days without rows

STREAM_CONFIG = """version: 1
pipeline: bench
timezone: UTC
environment: bench
ledger: {{type: sqlite, path: state/ledger.db}}
warehouse: {{type: sqlite, path: state/warehouse}}
message: {{fields: {{date: [game_date]}}}}
calendar: {{table: shop.days, date_column: day, unit_column: unit, planned: {{kind: [open]}}, done: {{state: 3}}}}
coverage: {{log: shop_log.source_coverage_log, runs: {{table: shop_log.processor_run_history, written_by: sluice}}}}
defaults: {{date_column: day, unit_column: unit}}
phases:
  - name: load
    completions: {{topic: load-complete, subscription: load-complete-sub}}
    processors:
{processors}
    checks: {{units: strict{checks}}}
"""


def write(path, lines):
    with open(path, "w", encoding="ascii") as out:
        out.writelines(lines)


def head(columns, lines):
    yield columns + "\n"
    yield from lines


def processors(names):
    return "\n".join(f"      - {{name: {name}, required: critical, table: shop.{name}}}" for name in names)


def days(first, n):
    return [(first + datetime.timedelta(days=i)).isoformat() for i in range(n)]


def stream(folder, n_dates, gaps):
    """One phase of four processors, a unit and rows for each on every date. Returns [(table, csv)] and {order: ndjson}."""
    os.makedirs(folder)
    write(f"{folder}/sluice.yaml", [STREAM_CONFIG.format(processors=processors(STREAM_PROCESSORS), checks=", gaps: {mode: soft, look_back: 30d}" if gaps else "")])
    dates = days(STREAM_FIRST, n_dates)
    write(f"{folder}/days.csv", head("day,unit,kind,state", (f"{d},u{i:05d},open,3\n" for i, d in enumerate(dates))))
    tables = [("shop.days", f"{folder}/days.csv")]
    for name in STREAM_PROCESSORS:
        write(f"{folder}/{name}.csv", head("day,unit,amount", (f"{d},u{i:05d},{i % 97}\n{d},u{i:05d},{i % 89}\n" for i, d in enumerate(dates))))
        tables.append((f"shop.{name}", f"{folder}/{name}.csv"))
    orders = {"date": f"{folder}/by_date.ndjson", "processor": f"{folder}/by_processor.ndjson"}
    write(orders["date"], (completion(i, d, name) for i, d in enumerate(dates) for name in STREAM_PROCESSORS))
    write(orders["processor"], (completion(i, d, name) for name in STREAM_PROCESSORS for i, d in enumerate(dates)))
    return tables, orders


def completion(i, day, name):
    return (f'{{"processor_name":"{name}","phase":"load","execution_id":"{name}-{i:06d}-4b5c-8f11-0242ac120002","correlation_id":"c-{i:06d}","game_date":"{day}",'
            f'"output_table":"{name}","output_dataset":"shop","status":"success","record_count":2,"records_failed":0,"timestamp":"2020-01-02T12:00:00+00:00",'
            f'"duration_seconds":12.5,"trigger_source":"pubsub","metadata":{{}}}}\n')


def gaps(folder, n_rows, n_files):
    """A table of n_rows over ten years with a calendar of GAPS_UNITS units a day. Returns the calendar and the table's files, each a part of its years."""
    os.makedirs(folder)
    write(f"{folder}/sluice.yaml", [STREAM_CONFIG.format(processors=processors(["alpha"]), checks=", gaps: soft")])
    dates = days(GAPS_FIRST, GAPS_DAYS)
    write(f"{folder}/days.csv", head("day,unit,kind,state", (f"{d},{unit(i, u)},open,3\n" for i, d in enumerate(dates) for u in range(GAPS_UNITS))))
    per_unit = max(1, n_rows // (GAPS_DAYS * GAPS_UNITS))
    files = []
    for part in range(n_files):
        path = f"{folder}/alpha-{part}.csv"
        chosen = range(part * GAPS_DAYS // n_files, (part + 1) * GAPS_DAYS // n_files)
        write(path, rows_of(dates, chosen, per_unit))
        files.append(path)
    return f"{folder}/days.csv", files


def unit(i, u):
    return f"u{i:04d}{u:02d}"


def rows_of(dates, chosen, per_unit):
    yield "day,unit,player,points,minutes,team\n"
    for i in chosen:
        if i not in GAPS_HOLES:
            for u in range(GAPS_UNITS):
                key = f"{dates[i]},{unit(i, u)},"
                yield "".join(f"{key}p{r:05d},{r % 41},{12 + r % 30}.5,T{r % 30}\n" for r in range(per_unit))
