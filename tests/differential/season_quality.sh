#!/usr/bin/env bash
# What the real 2024-25 season says of quality, completeness and stale decisions, through the built binary.
#   season_quality.sh SHARED      $SLUICE is the binary
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/season_common.sh"

tiers() { # phase, state: "date tier", one a line
    sluice gates --phase "$1" --state "$2" -o ndjson | python3 -c '
import json, sys
for g in map(json.loads, sys.stdin):
    print(g["date"], g["quality_tier"])'
}
sql() { # dataset, statement
    sqlite3 "$here/state/warehouse/$1.db" "$2"
}
facts() { # phase, date, python expression over f (facts) and g (the gate)
    { sluice why "$1" "$2" -o json || true; } | python3 -c '
import json, sys
g = json.load(sys.stdin)
f = g["facts"]
print(eval(sys.argv[1]))' "$3"
}
stale() { sluice stale "$@" -o ndjson || [[ $? == 3 ]]; }

# Units of phase_3's player_game_summary whose nulls take them below gold, from the rows alone: the weighted field shot_zones above 10 %, 5 x 50 points a share.
below_gold() {
    python3 - "$here/out/tables/nba_analytics.player_game_summary.csv" <<'PY'
import collections, csv, sys
rows, nulls = collections.Counter(), collections.Counter()
for row in csv.DictReader(open(sys.argv[1])):
    rows[row["game_id"]] += 1
    nulls[row["game_id"]] += row["shot_zones"] == ""
bad = {u for u in rows if 100 - max(0, nulls[u] / rows[u] - 0.1) * 5 * 50 < 95 - 1e-9}
print(len(bad))
PY
}

begin base
feed "$here/out/messages" >/dev/null
is "phase_2: the Play-In dates are silver" "2025-04-15 silver 2025-04-16 silver 2025-04-18 silver" "$(tiers phase_2_raw triggered | grep -v gold | xargs)"
is "phase_2: all others gold" 210 "$(tiers phase_2_raw triggered | grep -c gold)"
is "phase_3 inherits it" "2025-04-15 silver 2025-04-16 silver 2025-04-18 silver" "$(tiers phase_3_analytics triggered | grep -E '2025-04-1[568]' | xargs)"
is "and names the culprit" "phase_2_raw nba_raw.bdl_box_scores" \
    "$(facts phase_3_analytics 2025-04-18 '" ".join(next((i["culprit"]["phase"], i["culprit"]["table"]) for i in f["inherited"] if i.get("tier") == "silver"))')"
is "own nulls: units below gold, and the six of the fallback" "$(($(below_gold) + 6))" "$(sluice events --type quality_degradation -o ndjson | wc -l)"
is "the trigger's sources" "0052400101 nba_raw.bdl_box_scores silver" \
    "$(sqlite3 "$here/state/ledger.db" "select data from outbox join outbox_bodies using (id) where topic = 'nba-phase3-trigger' and date = julianday('2025-04-15') - julianday('1970-01-01')" |
        python3 -c 'import json,sys; t=json.loads(sys.stdin.read()); print(*((u, s["source"], s["tier"]) for u, s in t["unit_sources"].items() if u == "0052400101").__next__())')"
is "its note" "2 of 2 games come from nba_raw.bdl_box_scores" \
    "$(sqlite3 "$here/state/ledger.db" "select data from outbox join outbox_bodies using (id) where topic = 'nba-phase3-trigger' and date = julianday('2025-04-15') - julianday('1970-01-01')" |
        python3 -c 'import json,sys; print(json.loads(sys.stdin.read())["quality_note"])')"
for date in 2025-04-20 2025-04-22 2025-04-23 2025-04-24 2025-04-26 2025-04-28; do
    is "first round, $date: complete" "True" "$(facts phase_3_analytics $date 'f["completeness"]["lacking"] == []')"
done
gates >"$work/base.gates"

# An identical rerun makes nothing stale; one that changed a row, the date and those whose windows hold it.
sed -i 's/settle: 5m/settle: 0s/' "$here/nba.yaml"
python3 "$shared/scenarios/season.py" "$here/same" --rerun phase_2_raw,nbac_team_boxscore,2024-11-20 >/dev/null
feed "$here/same/messages" >/dev/null
is "an identical rerun" "" "$(stale)"
sql nba_raw "UPDATE nbac_team_boxscore SET pts = pts + 1 WHERE rowid = (SELECT min(rowid) FROM nbac_team_boxscore WHERE game_date = '2024-11-22')"
python3 "$shared/scenarios/season.py" "$here/other" --rerun phase_2_raw,nbac_team_boxscore,2024-11-22 >/dev/null
feed "$here/other/messages" >/dev/null
is "a rerun that changed a row: phase_3, its date and 30 days of look-back" \
    "$(sluice gates --phase phase_3_analytics --state triggered --from 2024-11-22 --to 2024-12-22 -o ndjson | python3 -c 'import json,sys; print(*(json.loads(l)["date"] for l in sys.stdin))')" \
    "$(stale | python3 -c 'import json,sys; print(*(json.loads(l)["date"] for l in sys.stdin))')"
is "with the culprit" "phase_3_analytics phase_2_raw 2024-11-22 2 rerun" \
    "$(stale | python3 -c 'import json,sys; print(*{(m["phase"], m["culprit_phase"], m["culprit_date"], m["culprit_generation"], m["reason"]) for m in map(json.loads, sys.stdin)}.pop())')"
is "its own date was triggered by the rerun" "2024-11-22" "$(stale | python3 -c 'import json,sys; print(*(m["date"] for m in map(json.loads, sys.stdin) if m["action"] == "triggered"))')"
sluice stale --trigger --reason "a score was corrected" >/dev/null 2>&1
is "all triggered" "0" "$(stale | grep -vc '"action":"triggered"' || true)"
is "each opened a generation of the phase before" "25" "$(sluice gates --all --phase phase_2_raw -o ndjson | python3 -c 'import json,sys; print(sum(json.loads(l)["generation"] == 2 for l in sys.stdin))')"
python3 "$shared/scenarios/season.py" "$here/again" $(sluice stale -o ndjson | python3 -c '
import json, sys
for m in map(json.loads, sys.stdin):
    print("--rerun", ",".join((m["phase"], "player_game_summary", m["date"])))' || true) >/dev/null
feed "$here/again/messages" >/dev/null
is "run again, nothing is stale" "" "$(stale)"

# Without fallbacks the two teams lack two of ten games.
begin emptied
sql nba_raw "DELETE FROM bdl_box_scores"
feed "$here/out/messages" >/dev/null
is "without fallbacks phase_3 blocks in the first round" "2025-04-20 2025-04-22 2025-04-23 2025-04-24 2025-04-26 2025-04-28" \
    "$(sluice gates --phase phase_3_analytics --state blocked -o ndjson | python3 -c 'import json,sys; print(*(g["date"] for g in map(json.loads, sys.stdin) if "completeness" in g["reasons"] and g["date"] > "2025-04-18"))')"
is "naming teams and games" "MEM 8 10 MIA 8 10" \
    "$(facts phase_3_analytics 2025-04-20 '" ".join(" ".join((e["entity"], str(e["actual"]), str(e["expected"]))) for e in f["completeness"]["lacking"] if e["entity"] in ("MIA", "MEM") and e["actual"] < 9)')"
is "at 80.0 %" 1 "$(sluice why phase_3_analytics 2025-04-22 2>/dev/null | grep -m 1 -c 'MEM 8 of 10 (80.0 %): 0052400[0-9]*, 0052400[0-9]*')"

# Names that would be SQL, were they not parameters: the same gates.
hostile() { python3 - "$here/out/tables" <<'PY'
import csv, glob, os, sys
def evil(text): return text + "'\"`;--/*%_\\" if text else text
for path in glob.glob(os.path.join(sys.argv[1], "*.csv")):
    rows = list(csv.DictReader(open(path)))
    fields = next(csv.reader(open(path)))
    for row in rows:
        for key in ("game_id", "team_abbr", "player_id", "home_team_tricode", "away_team_tricode"):
            if key in row: row[key] = evil(row[key])
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, fields, lineterminator="\n"); writer.writeheader(); writer.writerows(rows)
PY
}
here=$work/hostile
mkdir -p "$here"
cp "$shared/contract/nba.yaml" "$here/"
python3 "$shared/scenarios/season.py" "$here/out" >/dev/null
hostile
sluice init >/dev/null
for file in "$here"/out/tables/*.csv; do
    sluice import "$file" --table "$(basename "$file" .csv)" >/dev/null
done
feed "$here/out/messages" >/dev/null
is "names with quotes, backticks, semicolons and comment marks" "" "$(gates | diff "$work/base.gates" - | head -5)"
is "their tiers" "2025-04-15 silver 2025-04-16 silver 2025-04-18 silver" "$(tiers phase_2_raw triggered | grep -v gold | xargs)"

finish
