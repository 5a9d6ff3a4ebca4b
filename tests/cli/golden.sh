#!/usr/bin/env bash
# A whole season from init to an accepted gap, as a newcomer would do it; then everything twice.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

ingest_it() {
    expect 0 ingest messages/orders_raw.ndjson
    equal "keys of the last line" "${out//[0-9]/}" \
        '{"received":,"acked":,"nacked":,"duplicates":,"rejected":,"decided":,"triggered":,"suppressed":,"blocked":,"waiting":,"events":,"loads":,"published":}'
    input=messages/daily_sales.ndjson expect 0 ingest -
    has '"received":12'
    input=messages/daily_sales.ndjson expect 0 ingest
    has '"duplicates":12'
}

states() {
    expect 0 gates "$1" -o ndjson
    equal "gates of $1" "$(grep -o '"state":"[a-z]*"' <<<"$out" | cut -d'"' -f4 | sort | uniq -c | tr -s ' \n' ' ')" "$2"
}

decided() {
    states orders_raw " 1 blocked 1 empty 10 triggered "
    states daily_sales " 5 blocked 1 empty 6 triggered "
    expect 0 gates orders_raw 2025-03-06 -o ndjson
    has '{"phase":"orders_raw","date":"2025-03-06","profile":"past","generation":1,"state":"triggered","reasons":[],"completed":["orders","payments"],"missing":[],"late":[],"quality_tier":"silver","quality_score":100.0,"is_production_ready":true,"trigger_id":"'
    expect 0 gates --phase daily_sales --from 2025-03-11 --to 2025-03-12 --state blocked,waiting -o json
    equal "array" "${out:0:2}" $'[\n'
    equal "gates with gaps" "$(lines_with '"reasons":["gaps"]')" 2
    expect 0 gates -o csv
    equal "order of phases" "$(cut -d, -f1 <<<"$out" | uniq | tr '\n' ' ')" "phase orders_raw daily_sales "
    expect 0 pending
    equal "pending" "$(lines_with blocked)" 6
}

explained() {
    expect 3 why daily_sales 2025-03-12
    has "blocked (gaps)"
    has "sales 2025-03-10 (3 of 3 units: h-03-10, n-03-10, s-03-10)"
    has "Next: sluice known-gaps add --phase daily_sales --date 2025-03-10 --reason TEXT"
    expect 3 why --phase daily_sales --date 2025-03-12 -o json
    has '"checks":[{"name":"calendar","mode":"strict","passed":true,"expected":'
    has '"facts":{"phase":"daily_sales","date":"2025-03-12"'
    has '"messages":[{"processor":"sales","execution_id":"SalesJob-2025-03-12"'
    has '"next":"sluice known-gaps add --phase daily_sales --date 2025-03-10 --reason TEXT"}'
    expect 0 why orders_raw 2025-03-06
    expect 0 why orders_raw 2025-03-09
    has ": empty"
    expect 0 why daily_sales 2025-03-06
    has "Quality: silver, 100.0"
    has "because of   orders_raw/orders: shop_raw.orders_backup of 2025-03-06, h-03-06"
    has "backup_source_used"
    expect 3 why orders_raw 2025-04-01
    has "no completion"
    expect 3 check daily_sales 2025-03-12
    expect 0 check orders_raw 2025-03-06
    states daily_sales " 5 blocked 1 empty 6 triggered "
}

missing() {
    expect 3 gaps --phase daily_sales --from 2025-03-03 --to 2025-03-14 -o json
    equal "gaps of a phase" "$(tr -d '\n' <<<"$out")" \
        '[{"table":"shop_daily.sales","from":"2025-03-03","to":"2025-03-14","expected_dates":11,"present_dates":10,"missing_dates":["2025-03-10"],"gap_count":1,"coverage_pct":90.9,"has_gaps":true,"is_continuous":false}]'
    expect 0 gaps --table shop_raw.orders 2025-03-03..2025-03-14 -o json
    equal "gaps of a table" "$out" \
        '{"table":"shop_raw.orders","from":"2025-03-03","to":"2025-03-14","expected_dates":11,"present_dates":11,"missing_dates":[],"gap_count":0,"coverage_pct":100.0,"has_gaps":false,"is_continuous":true}'
    expect 3 gaps --table shop_raw.orders 2025-03-03..2025-03-14 --every-day -o json
    has '"missing_dates":["2025-03-09"]'
    expect 1 gaps --table shop_raw.nothing 2025-03-03..2025-03-14
    says "shop_raw.nothing"
    expect 1 gaps --table shop_raw.orders --date-column dy 2025-03-03..2025-03-14
    says "dy"
    expect 3 verify orders_raw 2025-03-03..2025-03-14
    has "rows_missing"
    expect 0 verify orders_raw 2025-03-03..2025-03-08
    expect 0 upstream --processor SalesJob --date 2025-03-06 -o json
    equal "upstream" "$out" \
        '{"processor":"sales","date":"2025-03-06","processor_succeeded":true,"status":"success","safe_to_process":true,"error_message":null}'
    expect 3 upstream payments 2025-03-10 -o json
    has '"processor_succeeded":false,"status":"no_data","safe_to_process":false'
    expect 3 upstream --processor sales --date 2025-04-01 -o json
    has '"status":"not_found","safe_to_process":false'
}

recorded() {
    expect 0 events -o ndjson
    equal "each event once" "$(grep -o '"event_id":"[^"]*"' <<<"$out" | sort | uniq -d)" ""
    equal "events" "$(wc -l <<<"$out")" 32
    expect 0 events --type fallback_used -o ndjson
    has '"game_id":"h-03-06","game_date":"2025-03-06"'
    has '"is_synthetic":false'
    has '"quality_score_before":null'
    expect 0 events --severity critical --date 2025-03-10 --phase orders_raw -o ndjson
    equal "critical events" "$(lines_with source_missing)" 3
    expect 0 events --unit n-03-10 -o ndjson
    equal "events of a unit" "$(lines_with '"game_id":"n-03-10"')" 2
    expect 0 status
    has "6 gates are blocked"
    expect 0 status -o json
    has '"gates":{"waiting":0,"blocked":6,"suppressed":0,"empty":2,"triggered":16,'
}

accepted() {
    expect 0 known-gaps add --phase daily_sales --date 2025-03-10 --reason "payment terminal"
    states daily_sales " 1 blocked 1 empty 10 triggered "
    expect 0 gaps --phase daily_sales 2025-03-03..2025-03-14
    expect 0 events --type operator_action -o ndjson
    has "payment terminal"
    expect 0 known-gaps list -o ndjson
    has '"id":1,"phase":"daily_sales","date":"2025-03-10","unit":null,"table":null,"until":null,"reason":"payment terminal"'
    expect 0 known-gaps remove 1
    expect 0 known-gaps list -o ndjson
    equal "known gaps" "$out" ""
    states daily_sales " 1 blocked 1 empty 10 triggered "
    expect 0 known-gaps add --phase daily_sales --unit h-03-10 --reason "one shop"
    expect 1 known-gaps add --phase daily_sales --unit nowhere --reason "no such unit"
}

# By what they were added with, as by their ids.
accepted_by_name() {
    expect 0 known-gaps add --phase daily_sales --phase orders_raw --date 2025-03-08 --table shop_raw.orders --reason "one day"
    expect 0 known-gaps list --phase daily_sales --phase orders_raw --date 2025-03-08 -o ndjson
    equal "listed" "$(lines_with '"date":"2025-03-08"')" 2
    expect 0 known-gaps list --unit h-03-10 -o ndjson
    equal "of a unit" "$(lines_with '"unit":"h-03-10"')" 1
    expect 0 known-gaps list daily_sales --table shop_raw.orders -o ndjson
    equal "of a table" "$(wc -l <<<"$out")" 1
    expect 1 known-gaps remove --phase daily_sales --date 2025-03-08 --table shop_raw.nothing --reason "another table"
    says "no such known gap"
    expect 0 known-gaps remove --phase daily_sales --phase orders_raw --date 2025-03-08 --reason "it has come"
    expect 0 known-gaps list --date 2025-03-08 -o ndjson
    equal "both are gone" "$out" ""
    expect 0 known-gaps remove daily_sales --unit h-03-10
    expect 0 known-gaps list -o ndjson
    equal "none is left" "$out" ""
    expect 0 events --type operator_action -o ndjson
    has "it has come"
    expect 2 known-gaps remove --phase daily_sales
    expect 2 known-gaps remove --date 2025-03-08
    expect 2 known-gaps remove 1 --phase daily_sales --date 2025-03-08
    expect 2 known-gaps remove --phase daily_sale --date 2025-03-08
    says "did you mean daily_sales?"
}

twice() {
    local before
    expect 0 gates -o csv
    before=$(cut -d, -f1-5,13 <<<"$out")
    expect 0 ingest messages/orders_raw.ndjson
    has '"duplicates":24'
    has '"events":0'
    expect 0 ingest messages/daily_sales.ndjson
    expect 0 gates -o csv
    equal "gates after everything twice" "$(cut -d, -f1-5,13 <<<"$out")" "$before"
    expect 0 init
    says "nothing was missing"
}

# The worst of what the run says and of what is computed counts.
reported() {
    local n=0 quality expected
    while IFS='|' read -r quality expected; do
        n=$((n + 1))
        echo "{\"processor_name\":\"payments\",\"phase\":\"orders_raw\",\"execution_id\":\"said$n\",\"day\":\"2025-03-03\",\"status\":\"success\",\"record_count\":3,\"timestamp\":\"2025-03-04T0$n:00:00Z\",$quality}" >said.ndjson
        expect 0 --set defaults.settle=0s ingest said.ndjson
        expect 0 gates orders_raw 2025-03-03 -o ndjson
        has "$expected"
    done <<'TABLE'
"quality":{"tier":"bronze","score":60.5,"issues":["thin_sample:1/5"]}|"quality_tier":"bronze","quality_score":60.5
"data_sources":["espn"]|"quality_tier":"silver","quality_score":100.0
"quality":null,"data_sources":null|"quality_tier":"gold","quality_score":100.0
TABLE
    expect 0 events --type quality_degradation --date 2025-03-03 -o ndjson
    has "The run says that its rows are bronze, 60.5: thin_sample:1/5"
    expect 0 what-if --config sluice.yaml orders_raw 2025-03-03 --set defaults.settle=0s
}

# What is said of a phase's rows holds for those that are made of them.
reported_before() {
    echo '{"processor_name":"payments","phase":"orders_raw","execution_id":"said9","day":"2025-03-03","status":"success","record_count":3,"timestamp":"2025-03-04T09:00:00Z","quality":{"tier":"bronze","score":60.5}}' >said.ndjson
    echo '{"processor_name":"sales","phase":"daily_sales","execution_id":"after9","day":"2025-03-03","status":"success","record_count":3,"timestamp":"2025-03-04T09:10:00Z"}' >>said.ndjson
    expect 0 --set defaults.settle=0s ingest said.ndjson
    expect 0 gates daily_sales 2025-03-03 -o ndjson
    has '"quality_tier":"bronze","quality_score":60.5'
    expect 0 why daily_sales 2025-03-03
    has "because of   orders_raw/payments"
    expect 0 what-if --config sluice.yaml daily_sales 2025-03-03 --set defaults.settle=0s
    says ": 0 would differ"
}

make_season
ingest_it
decided
explained
missing
recorded
accepted
accepted_by_name
twice
reported
reported_before
finish
