"""What befalls the rows and the counts of a season: fallbacks emptied or filled, nulls, thin units, counts that differ, rows that change before a rerun."""
import glob, json

from files import read_csv, rewrite_csv, rewrite_messages, rows_of, table_file

BACKUPS = ("nba_raw.bdl_box_scores", "nba_raw.espn_team_boxscore")
PRIMARY = "nba_raw.nbac_team_boxscore"
SPOILED = {PRIMARY: ["pts", "plus_minus", "team_abbr"], "nba_raw.bdl_box_scores": ["points", "plus_minus"],
           "nba_raw.nbac_player_boxscore": ["points", "minutes_played", "player_id"],
           "nba_analytics.player_game_summary": ["points", "minutes_played", "plus_minus", "shot_zones", "player_id", "rebounds"],
           "nba_precompute.player_daily_cache": ["points", "shot_zones"]}


def where(season, rows):
    """Some of the units of some of the dates, as a test of (date, unit)."""
    dates = season.rng.sample(season.dates, min(len(season.dates), season.rng.choice([1, 1, 3, 8, 50])))
    share = season.rng.choice([0.3, 1])
    units = {r[1] for r in rows if r[0] in dates and season.chance(share)}
    return lambda r: r[0] in dates and r[1] in units


def nulls(season, folder):
    table = season.rng.choice(list(SPOILED))
    column, rate = season.rng.choice(SPOILED[table]), season.rng.choice([0.15, 0.3, 0.6, 1])
    season.note(f"nulls in {table}.{column}, {rate:.0%}")
    with open(table_file(folder, table)) as file:
        at = file.readline().strip().split(",").index(column)

    def change(rows):
        hit = where(season, rows)
        return [[*r[:at], "", *r[at + 1:]] if hit(r) and season.chance(rate) else r for r in rows]
    rewrite_csv(table_file(folder, table), change)


def thin(season, folder):
    table, most = season.rng.choice(list(SPOILED)), season.rng.choice([1, 1, 2, 4])
    season.note(f"thin units in {table}, {most} rows")

    def change(rows):
        hit, kept, seen = where(season, rows), [], {}
        for r in rows:
            seen[r[0], r[1]] = seen.get((r[0], r[1]), 0) + 1
            kept += [r] if not hit(r) or seen[r[0], r[1]] <= most else []
        return kept
    rewrite_csv(table_file(folder, table), change)


def empty_backup(season, folder):
    """The first fallback loses all its rows, or some units."""
    whole = season.chance(0.5)
    season.note("the fallback is " + ("empty" if whole else "partly empty"))

    def change(rows):
        hit = where(season, rows)
        return [] if whole else [r for r in rows if not hit(r)]
    rewrite_csv(table_file(folder, BACKUPS[0]), change)


def fill_backup(season, folder):
    """The other fallback has some units of the primary, or of those that it lacks."""
    rows = read_csv(table_file(folder, PRIMARY)) + read_csv(table_file(folder, BACKUPS[0]))
    units = {r["game_id"] for r in rows if season.chance(0.3)}
    season.note(f"espn has {len(units)} units")
    made = {(r["game_date"], r["game_id"], r["team_abbr"]): r for r in rows if r["game_id"] in units}
    rewrite_csv(table_file(folder, BACKUPS[1]), lambda _: [[*k, r["pts"], r["plus_minus"]] for k, r in sorted(made.items())])


def lose_primary(season, folder):
    """Units go from the primary, so that the fallbacks are asked."""
    table = season.rng.choice([PRIMARY, PRIMARY, "nba_raw.nbac_player_boxscore", "nba_analytics.player_game_summary"])
    season.note(f"units lost from {table}")

    def change(rows):
        hit = where(season, rows)
        return [r for r in rows if not hit(r)]
    rewrite_csv(table_file(folder, table), change)


def other_counts(season, folder):
    rate = season.rng.choice([0.05, 0.3])
    season.note("counts of runs that differ")

    def change(messages):
        for m in messages:
            count = m["data"].get("record_count")
            if count and season.chance(rate):
                m["data"]["record_count"] = season.rng.choice([count + 1, max(1, count - 1), count * 2, max(1, round(count * 0.9)), max(1, count // 2), 1])
        return messages
    rewrite_messages(folder, change)


SPOILS = ((0.3, nulls), (0.2, nulls), (0.25, thin), (0.2, empty_backup), (0.2, fill_backup), (0.25, lose_primary), (0.25, other_counts))


def spoil(season, folder):
    for p, change in SPOILS:
        if season.chance(p):
            change(season, folder)


def altered(season, folder, table, date, kind):
    """A file with the rows of the date as they are, or with one value, one row or a column that are otherwise; None when there are none."""
    header, rows = rows_of(folder, table, date)
    if not rows:
        return None
    at = season.rng.randrange(len(rows))
    if kind == "order":
        season.rng.shuffle(rows)
    elif kind == "value":
        column = header.index(season.rng.choice(["points", "pts", "rebounds"]))
        rows[at][column] = str(int(rows[at][column] or 0) + 1)
    elif kind == "row" and len(rows) > 2:
        del rows[at]
    path = f"{season.root}/{table}.{date}.{len(season.plan)}.csv"
    with open(path, "w") as file:
        file.writelines(",".join(r) + "\n" for r in [header, *rows])
    season.note(f"rows of {table} on {date} again: {kind}")
    return path


def reruns_only(folder, runs):
    """Keeps of the messages the second run of each (phase, processor, date)."""
    for path in sorted(glob.glob(folder + "/messages/*.ndjson")):
        seen, kept = set(), []
        with open(path) as file:
            for line in file:
                body = json.loads(line)["data"]
                key = body["phase"], body["processor_name"], body["game_date"]
                kept += [line] if key in runs and key in seen else []
                seen.add(key)
        with open(path, "w") as file:
            file.writelines(kept)
