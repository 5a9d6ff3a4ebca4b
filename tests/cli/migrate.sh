#!/usr/bin/env bash
# migrate: what it shows, what it asks, and that a second run changes nothing.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

cat >sluice.yaml <<'EOF'
version: 1
pipeline: shop
timezone: UTC
bus: {type: embedded, listen: "127.0.0.1:0", path: state/broker}
ledger: {type: sqlite, path: state/ledger.db}
warehouse: {type: sqlite, path: state/warehouse}
message: {fields: {date: [game_date]}}
coverage: {log: shop.coverage_log}
defaults: {date_column: day, unit_column: none}
phases:
  - name: daily
    processors: [{name: sales, required: critical, table: shop.sales, quality: {required: [amount]}, stamp: true}]
EOF
printf 'day,amount\n2025-03-01,5\n2025-03-02,\n' >sales.csv

expect 0 migrate
says "nothing to change"
expect 0 import sales.csv --table shop.sales

expect 0 migrate --dry-run -o ndjson
equal "statements" "$(wc -l <<<"$out")" 10
has '"statement":"ALTER TABLE \"sales\" ADD COLUMN \"quality_tier\" TEXT"'
has "'silver'"
says "10 statements would be run"
expect 2 migrate
has "ALTER TABLE"
says "--yes"
expect 2 migrate --yes --dry-run
expect 0 migrate --dry-run -o ndjson
equal "still to do" "$(wc -l <<<"$out")" 10

if command -v script >/dev/null; then
    last="migrate on a terminal"
    out=$(script -qec "'$SLUICE' migrate" /dev/null <<<n)
    status=$?
    equal "exit after no" "$status" 1
    has "[y/N]"
    has "nothing was changed"
    out=$(script -qec "'$SLUICE' migrate" /dev/null <<<y)
    status=$?
    equal "exit after yes" "$status" 0
    has "10 statements were run"
else
    expect 0 migrate --yes
    says "10 statements were run"
fi
expect 0 migrate --yes
says "nothing to change"
lacks "ALTER"

# The worker writes after it has decided: confidence is capped, and what was cut is on record.
cat >guess.yaml <<'EOF'
version: 1
pipeline: shop
timezone: UTC
bus: {type: embedded, listen: "127.0.0.1:0", path: guess/broker}
ledger: {type: sqlite, path: guess/ledger.db}
warehouse: {type: sqlite, path: guess/warehouse}
message: {fields: {date: [game_date]}}
coverage: {log: shop.coverage_log}
defaults: {date_column: day, unit_column: none}
phases:
  - name: daily
    completions: {topic: daily-complete, subscription: daily-sub}
    processors: [{name: guess, required: critical, table: shop.guess, confidence: {base: base, final: final, capped: capped}}]
EOF
printf 'day,base,final,capped,quality_tier\n2025-03-01,0.9,,,poor\n2025-03-02,0.9,,,gold\n' >guess.csv
for day in 2025-03-01 2025-03-02; do
    echo "{\"processor_name\":\"guess\",\"phase\":\"daily\",\"execution_id\":\"e-$day\",\"game_date\":\"$day\",\"status\":\"success\",\"record_count\":1,\"timestamp\":\"${day}T23:00:00Z\"}"
done >guess.ndjson
expect 0 --config guess.yaml init
expect 0 --config guess.yaml import guess.csv --table shop.guess
expect 0 --config guess.yaml ingest guess.ndjson
has '"triggered":2'
expect 0 --config guess.yaml events --type quality_degradation -o ndjson
equal "events" "$(lines_with quality_degradation)" 1
has '"game_date":"2025-03-01"'
has 'capped, by up to 0.30'

finish
