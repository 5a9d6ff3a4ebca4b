#!/usr/bin/env bash
# Rows are stamped with the quality of their unit and of what they are made from: one bad game of a player's last three caps that player and nobody else.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

cat >sluice.yaml <<'EOF'
version: 1
pipeline: league
timezone: UTC
bus: {type: embedded, listen: "127.0.0.1:0", path: state/broker}
ledger: {type: sqlite, path: state/ledger.db}
warehouse: {type: sqlite, path: state/warehouse}
message: {fields: {date: [game_date]}}
calendar: {table: raw.schedule, date_column: day, unit_column: game, planned: {kind: [regular]}, done: {state: 3}, season: {column: season, starts: {month: 1, day: 1}}}
coverage: {log: ref.coverage_log}
defaults: {date_column: day, unit_column: game, grace: 0s, settle: 0s}
phases:
  - name: games
    completions: {topic: games-complete, subscription: games-sub}
    processors:
      - {name: lines, required: critical, table: made.lines, quality: {required: [who, pts], optional: [ast], expected_rows: 2}, stamp: true}
  - name: cache
    after: [games]
    completions: {topic: cache-complete, subscription: cache-sub}
    processors:
      - {name: last3, required: critical, table: made.last3, unit_column: none, stamp: true, inputs: [{table: made.lines, entity_column: who, window: 3 rows}]}
EOF

# Every day x and o'brien play in one game, z and w in another; on the third day x misses its points in a game whose other player does not.
quoted="\"o'brien\"\"; --\""
{
    echo "day,game,kind,state,season"
    for d in 1 2 3 4 5 6; do printf '2025-03-0%d,a%d,regular,3,2025\n2025-03-0%d,b%d,regular,3,2025\n' "$d" "$d" "$d" "$d"; done
} >schedule.csv
{
    echo "day,game,who,pts,ast"
    for d in 1 2 3 4 5 6; do
        if ((d == 3)); then
            printf '2025-03-03,a3,x,,\n2025-03-03,a3,%s,4,\n' "$quoted"
        else
            printf '2025-03-0%d,a%d,x,5,1\n2025-03-0%d,a%d,%s,4,1\n' "$d" "$d" "$d" "$d" "$quoted"
        fi
        printf '2025-03-0%d,b%d,z,7,1\n2025-03-0%d,b%d,w,7,1\n' "$d" "$d" "$d" "$d"
    done
} >lines.csv
{
    echo "day,who,mean"
    for d in 1 2 3 4 5 6; do printf '2025-03-0%d,x,1\n2025-03-0%d,%s,1\n2025-03-0%d,z,1\n' "$d" "$d" "$quoted" "$d"; done
} >last3.csv
# report PHASE PROCESSOR DAY EXECUTION MINUTE
report() {
    echo "{\"processor_name\":\"$2\",\"phase\":\"$1\",\"execution_id\":\"$4\",\"game_date\":\"2025-03-0$3\",\"status\":\"success\",\"record_count\":4,\"timestamp\":\"2025-03-0$3T23:$5:00Z\"}"
}
{
    for d in 1 2 3 4 5 6; do report games lines "$d" "e$d" 10; done
    for d in 1 2 3 4 5 6; do report cache last3 "$d" "e$d" 20; done
} >messages.ndjson

# cells DATASET SQL: the first column of every row, joined by blanks.
cells() {
    python3 -c 'import sqlite3, sys; print(" ".join(str(row[0]) for row in sqlite3.connect("state/warehouse/" + sys.argv[1] + ".db").execute(sys.argv[2])))' "$@"
}

expect 0 init
expect 0 import schedule.csv --table raw.schedule
expect 0 import lines.csv --table made.lines
expect 0 import last3.csv --table made.last3
expect 0 migrate --yes
expect 0 ingest messages.ndjson
has '"triggered":12'

equal "games below gold" "$(cells made "SELECT DISTINCT game FROM lines WHERE quality_tier <> 'gold'")" "a3"
equal "the bad game" "$(cells made "SELECT DISTINCT quality_tier || quality_score FROM lines WHERE game = 'a3'")" "bronze70.0"
equal "who is capped, and when" \
    "$(cells made "SELECT substr(day, 9) || CASE who WHEN 'x' THEN 'x' WHEN 'z' THEN 'z' ELSE 'o' END FROM last3 WHERE quality_tier <> 'gold' ORDER BY day, who = 'x'")" \
    "03o 03x 04o 04x 05o 05x"
equal "by its tier" "$(cells made "SELECT DISTINCT quality_tier FROM last3 WHERE quality_tier <> 'gold'")" "bronze"
equal "everybody is stamped" "$(cells made "SELECT count(*) FROM last3 WHERE quality_tier IS NULL OR quality_issues LIKE '%historical%'")" 0
equal "whose fault it is" "$(cells made "SELECT DISTINCT quality_metadata ->> '\$.inherited_from.unit' FROM last3 WHERE quality_tier <> 'gold'")" "a3"

# A rerun with the row mended stamps anew, and what was made from it follows when it is made again.
sed -i 's/^2025-03-03,a3,x,,/2025-03-03,a3,x,5,1/; s/^\(2025-03-03,a3,.*\),4,$/\1,4,1/' lines.csv
expect 0 import lines.csv --table made.lines --replace-date day
{
    report games lines 3 f3 30
    report cache last3 3 f3 40
} >again.ndjson
expect 0 ingest again.ndjson
equal "mended" "$(cells made "SELECT DISTINCT quality_tier FROM lines WHERE day = '2025-03-03'")" "gold"
equal "what was made from it on its date" "$(cells made "SELECT DISTINCT quality_tier FROM last3 WHERE day = '2025-03-03'")" "gold"

finish
