#!/usr/bin/env bash
# completeness: per entity over a window, home and away, fallbacks counted, known gaps excused, thresholds soft and strict. A league of four teams: a game a day for each pair.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

config() {
    cat >sluice.yaml <<'YAML'
version: 1
pipeline: league
timezone: Europe/Vienna
bus: {type: embedded, listen: "127.0.0.1:0", path: state/broker}
ledger: {type: sqlite, path: state/ledger.db}
warehouse: {type: sqlite, path: state/warehouse}
calendar:
  table: raw.games
  date_column: day
  unit_column: game
  planned: {kind: [league]}
  done: {status: [final]}
  entities: {team: [home, away]}
  season: {column: season}
defaults: {date_column: day, unit_column: game}
phases:
  - name: boxes
    completions: {topic: boxes, subscription: boxes-sub}
    processors:
      - {name: box, required: critical, table: raw.box, fallback: [{table: raw.backup, columns: {team: club}}]}
    checks:
      completeness: {mode: soft, entity: team, table: raw.box, entity_column: team, window: 4 units, threshold: 70%}
  - name: reports
    after: [boxes]
    started_by: {topic: reports-trigger}
    completions: {topic: reports, subscription: reports-sub}
    processors:
      - {name: report, required: critical, table: raw.report}
YAML
}

# Eight days of two games; on the seventh one is called off. The box lacks D's row of g2-b, all of g5-a (the backup has it) and all of g6-b.
tables() {
    local day game home away status
    echo day,game,home,away,kind,status,season >raw.games.csv
    echo day,game,team,points >raw.box.csv
    echo day,game,club,points >raw.backup.csv
    echo day,game,team >raw.report.csv
    for day in 1 2 3 4 5 6 7 8; do
        for game in a b; do
            home=A away=B status=final
            if [[ $game == b ]]; then
                home=D away="C'\"; --"
            fi
            if [[ $day$game == 7b ]]; then
                status=postponed
            fi
            echo "2025-03-0$day,g$day-$game,$home,\"${away//\"/\"\"}\",league,$status,2025" >>raw.games.csv
            rows "$day" "$game" "$home" "\"${away//\"/\"\"}\""
        done
    done
    echo "2025-03-05,g5-x,A,D,friendly,final,2025" >>raw.games.csv
    echo "2025-03-09,g9-a,,,league,final,2025" >>raw.games.csv
    echo "2025-03-09,g9-a,A,7" >>raw.box.csv
}

rows() {
    local game="g$1-$2" table=raw.box.csv
    case $1$2 in
    7b | 6b) return ;;
    5a) table=raw.backup.csv ;;
    esac
    echo "2025-03-0$1,$game,$4,7" >>"$table"
    if [[ $1$2 != 2b ]]; then
        echo "2025-03-0$1,$game,$3,9" >>"$table"
    fi
}

loaded() {
    local table
    config
    tables
    expect 0 init
    for table in games box backup report; do
        expect 0 import "raw.$table.csv" --table "raw.$table"
    done
    expect 0 init
}

counted() {
    expect 0 completeness boxes 2025-03-06 -o json
    equal "the sixth day" "$out" '{"phase":"boxes","date":"2025-03-06","entities":{"A":{"expected_count":4,"actual_count":4,"completeness_pct":100.0,"missing_count":0,"is_complete":true,"is_production_ready":true},"B":{"expected_count":4,"actual_count":4,"completeness_pct":100.0,"missing_count":0,"is_complete":true,"is_production_ready":true},"C'"'"'\"; --":{"expected_count":4,"actual_count":3,"completeness_pct":75.0,"missing_count":1,"is_complete":false,"is_production_ready":true},"D":{"expected_count":4,"actual_count":3,"completeness_pct":75.0,"missing_count":1,"is_complete":false,"is_production_ready":true}},"is_production_ready":true,"incomplete":["C'"'"'\"; --","D"]}'
    expect 3 completeness --phase boxes --date 2025-03-06 --strict -o json
    has '"is_production_ready":false,"incomplete":["C'"'"'\"; --","D"]}'
    says "D has 3 of 4 (75.0 %), missing g6-b"
    says "boxes, units of 2025-03-03..2025-03-06: 2 of 4 have 90 % of theirs, 0 known gaps excused"
    expect 3 completeness boxes 2025-03-02 -o ndjson
    equal "the season's start" "$(lines_with '{"entity":"D","expected_count":2,"actual_count":1,"completeness_pct":50.0,"missing_count":1,"is_complete":false,"is_production_ready":false,"missing_units":["g2-b"]}')" 1
}

# The second day is short at 70 % as well; what is called off is expected of nobody.
short() {
    expect 3 completeness boxes 2025-03-02
    says "D has 1 of 2 (50.0 %), missing g2-b"
    has "g2-b"
    expect 0 completeness boxes 2025-03-07 -o csv
    has "D,4,3,75.0,1,false,true,\"[\"\"g6-b\"\"]\""
    expect 0 completeness boxes 2025-03-20 -o json
    equal "nobody" "$out" '{"phase":"boxes","date":"2025-03-20","entities":{},"is_production_ready":true,"incomplete":[]}'
    says "nobody has a unit on 2025-03-20"
}

excused() {
    expect 0 known-gaps add --phase boxes --unit g6-b --table raw.box --reason "the hall had no scorer"
    expect 0 completeness boxes 2025-03-06 --strict -o json
    has '"D":{"expected_count":3,"actual_count":3,"completeness_pct":100.0,"missing_count":0,"is_complete":true,"is_production_ready":true}'
    says "4 of 4 have 90 % of theirs, 1 known gaps excused"
    expect 3 completeness boxes 2025-03-02
}

# A game of nobody can't be checked, which is said, and fails the check, unless a known gap excuses it.
nameless() {
    expect 3 completeness boxes 2025-03-09 -o json
    has '"entities":{},"is_production_ready":false'
    says "by the calendar nobody takes part in g9-a"
    echo '{"processor_name":"box","phase":"boxes","execution_id":"e9","data_date":"2025-03-09","status":"success","record_count":1,"timestamp":"2025-03-10T01:00:00Z"}' >nine.ndjson
    expect 0 ingest nine.ndjson
    expect 0 gates boxes 2025-03-09 -o ndjson
    has '"state":"triggered","reasons":["check_error"]'
    expect 0 why boxes 2025-03-09
    has "by the calendar no team takes part in g9-a"
    expect 3 what-if --config sluice.yaml boxes 2025-03-09 --set phases.boxes.checks.completeness.mode=strict -o ndjson
    has '"state_after":"blocked"'
    expect 0 known-gaps add --phase boxes --unit g9-a --reason "an exhibition"
    expect 0 completeness boxes 2025-03-09
}

refused() {
    expect 2 completeness reports 2025-03-06
    says "reports has no completeness check"
    expect 2 completeness boxes
    says "which date?"
    expect 2 completeness 2025-03-06
    says "which phase?"
    expect 1 completeness boxes 2025-03-06 --set phases.boxes.checks.completeness.entity_column=tteam
    says "tteam"
    equal "stdout" "$out" ""
    expect 1 completeness boxes 2025-03-06 --set phases.boxes.checks.completeness.table=raw.nothing
    says "raw.nothing"
}

loaded
counted
short
excused
nameless
refused
finish
