# season_common.sh - a season in a directory of its own, and checks of it. Sourced by the season tests; $1 is the shared folder, $SLUICE the binary.
# shellcheck shell=bash

shared=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
checks=0

is() { # label, expected, actual
    checks=$((checks + 1))
    if [[ "$2" != "$3" ]]; then
        failures=$((failures + 1))
        printf 'FAILED %s\n  expected: %s\n  actual:   %s\n' "$1" "$2" "$3"
    fi
}

sluice() { "$SLUICE" --config "$here/nba.yaml" "$@"; }

# A season in a directory of its own: import all, ingest all.
begin() { # directory, options of season.py
    here=$work/$1
    mkdir -p "$here"
    cp "$shared/contract/nba.yaml" "$here/"
    shift
    python3 "$shared/scenarios/season.py" "$here/out" "$@" >/dev/null
    sluice init >/dev/null
    for file in "$here"/out/tables/*.csv; do
        sluice import "$file" --table "$(basename "$file" .csv)" >/dev/null
    done
}
feed() { # folder of messages, options of sluice
    local folder=$1 file
    shift
    for file in "$folder"/*phase2* "$folder"/*phase3* "$folder"/*phase4*; do
        sluice "$@" ingest "$file" 2>/dev/null
    done
}
count() { # phase, state, reasons joined by +
    sluice gates --phase "$1" --state "$2" -o ndjson |
        python3 -c 'import json,sys; print(sum("+".join(json.loads(l)["reasons"]) == sys.argv[1] for l in sys.stdin))' "$3"
}
gates() { sluice gates -o ndjson | python3 -c '
import json, sys
for line in sys.stdin:
    g = json.loads(line)
    print(g["phase"], g["date"], g["profile"], g["generation"], g["state"], g["reasons"], g["trigger_id"])'; }
events() {
    sluice events -o ndjson | python3 -c '
import collections, json, sys
seen = collections.Counter((e["event_type"], e["severity"]) for e in map(json.loads, sys.stdin))
print(" ".join(f"{t}/{s}={n}" for (t, s), n in sorted(seen.items())))'
}
# Says how many passed; fails when one did not.
finish() {
    echo "$((checks - failures)) passed, $failures failed"
    ((failures == 0))
}
