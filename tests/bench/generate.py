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

FACTS_FIRST = datetime.date(2024, 10, 15)
FACTS_CONFIG = """version: 1
pipeline: bench
timezone: UTC
environment: bench
ledger: {{type: sqlite, path: state/ledger.db}}
warehouse: {{type: sqlite, path: state/warehouse}}
calendar: {{table: shop.days, date_column: day, unit_column: unit, planned: {{kind: [open]}}, done: {{state: 3}}, entities: {{team: [home, away]}}}}
coverage: {{log: shop_log.source_coverage_log}}
defaults: {{date_column: day, unit_column: unit}}
phases:
  - name: facts
    processors:
      - name: lines
        required: critical
        table: shop.lines
        quality: {{required: [unit, player, points, minutes], optional: [plus_minus, rebounds, assists, zones], weights: {{points: 10, minutes: 8, plus_minus: 3}}}}
    checks: {{completeness: {{mode: soft, entity: team, table: shop.lines, entity_column: team, window: {window}}}}}
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


def facts(folder, n_dates, n_units, per_unit, n_teams, window):
    """n_dates dates of n_units games (or a list of how many on each date), per_unit lines a game. Returns the calendar's file and the table's, and the first and last date."""
    os.makedirs(folder)
    write(f"{folder}/sluice.yaml", [FACTS_CONFIG.format(window=window)])
    dates = days(FACTS_FIRST, n_dates)
    units = [n_units] * n_dates if isinstance(n_units, int) else n_units
    games = []  # (date, unit, home, away)
    for i, d in enumerate(dates):
        for u in range(units[i]):
            home = (2 * u + 7 * i) % n_teams
            games.append((d, unit(i, u), f"T{home:02d}", f"T{(home + 1 + i % (n_teams - 1)) % n_teams:02d}"))
    write(f"{folder}/days.csv", head("day,unit,home,away,kind,state", (f"{d},{g},{h},{a},open,3\n" for d, g, h, a in games)))
    write(f"{folder}/lines.csv", head("day,unit,player,team,points,minutes,plus_minus,rebounds,assists,zones,note", (line for g in games for line in lines_of(g, per_unit))))
    return f"{folder}/days.csv", f"{folder}/lines.csv", dates[0], dates[-1]


def lines_of(game, per_unit):
    for r in range(per_unit):
        yield f"{game[0]},{game[1]},{1000 + r},{game[2 + r % 2]},{r % 41},{12 + r % 30}.5,{'' if r % 9 == 0 else r % 20 - 10},{r % 12},{r % 9},{'' if r % 7 == 0 else 'paint'},a note of some words\n"
