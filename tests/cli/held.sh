#!/usr/bin/env bash
# Triggers that are held back: suppressed by the worker or a hold, pending, released, dropped, fired again, waited for; and what was rejected.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

suppressed() {
    expect 0 ingest messages/orders_raw.ndjson --skip-downstream-trigger
    has '"suppressed":10'
    expect 0 pending orders_raw --state suppressed -o ndjson
    equal "pending" "$(lines_with '"state":"suppressed"')" 10
    expect 3 why orders_raw 2025-03-04
    has "Next: sluice release orders_raw 2025-03-04"
    expect 0 release orders_raw 2025-03-03..2025-03-04 --dry-run
    equal "would fire" "$(lines_with 'would fire')" 2
    expect 0 pending orders_raw --state suppressed -o ndjson
    equal "still pending" "$(lines_with '"state":"suppressed"')" 10
}

released() {
    expect 0 release orders_raw 2025-03-03..2025-03-04
    equal "fired" "$(lines_with fired)" 2
    expect 0 gates orders_raw 2025-03-03 --state triggered -o ndjson
    has '"state":"triggered"'
    expect 5 release orders_raw 2025-03-08..2025-03-11 --rate 100/s
    equal "refused" "$(lines_with refused)" 1
    equal "fired" "$(lines_with fired)" 2
    expect 2 release orders_raw 2025-03-10 --force
    says "--reason"
    expect 0 release orders_raw 2025-03-10 --force --reason "agreed"
    expect 0 events --type gate_released --date 2025-03-10 -o ndjson
    equal "gate_released" "$(lines_with '"event_type":"gate_released"')" 1
}

dropped() {
    expect 2 pending drop orders_raw 2025-03-05
    expect 0 pending drop orders_raw 2025-03-05..2025-03-06 --reason "loaded by hand" -o ndjson
    equal "dropped" "$out" '{"dropped":2,"dry_run":false}'
    expect 0 pending orders_raw 2025-03-05..2025-03-06 -o ndjson
    equal "off the list" "$out" ""
    expect 3 wait orders_raw 2025-03-05 --timeout 1s
}

retriggered() {
    expect 0 gates orders_raw 2025-03-03 -o csv
    local before=${out##*$'\n'}
    expect 0 retrigger orders_raw 2025-03-03 --reason "the consumer lost it"
    expect 0 gates orders_raw 2025-03-03 -o csv
    equal "trigger_id" "$(tail -n 1 <<<"$out" | cut -d, -f13)" "$(cut -d, -f13 <<<"$before")"
    expect 1 retrigger orders_raw 2025-03-12 --reason "nothing was fired"
    expect 1 retrigger orders_raw 2025-05-01 --reason "no gate"
    expect 2 retrigger orders_raw 2025-03-03
    expect 0 gates orders_raw 2025-03-07 -o ndjson
    local completed
    completed=$(grep -o '"completed":[^]]*]' <<<"$out")
    expect 0 retrigger orders_raw 2025-03-07 --new-generation --reason "the source was corrected" -o ndjson
    has '"generation":2,"state":"triggered"'
    has "$completed"
}

held() {
    expect 0 hold add daily_sales --from 2025-03-03 --to 2025-03-04 --until 6h --reason "consumer upgrade" -o ndjson
    has '"id":1,"phase":"daily_sales","from":"2025-03-03","to":"2025-03-04"'
    expect 0 ingest messages/daily_sales.ndjson
    expect 0 gates daily_sales --state suppressed -o ndjson
    equal "held" "$(lines_with '"reasons":["hold"]')" 2
    expect 0 hold list -o ndjson
    has '"active":true'
    expect 0 hold remove 1
    expect 0 release daily_sales 2025-03-03..2025-03-04
    expect 0 gates daily_sales --state suppressed -o ndjson
    equal "held" "$out" ""
    expect 1 hold remove 1
    expect 0 hold add daily_sales 2025-04-01..2025-04-02 --reason a
    expect 0 hold add daily_sales --reason b
    expect 0 hold add orders_raw --reason c
    expect 0 hold list --phase daily_sales --from 2025-05-01 -o ndjson
    equal "of later days" "$(lines_with '"reason":"b"')/$(wc -l <<<"$out")" "1/1"
    expect 0 hold list 2025-04-02..2025-05-01 -o ndjson
    equal "of these days" "$(wc -l <<<"$out")" 3
    expect 1 hold remove --phase daily_sales --from 2025-04-01 --to 2025-04-01 --reason "half of one"
    says "no such hold"
    expect 0 hold remove --phase daily_sales --from 2025-04-01 --to 2025-04-02 --reason "upgrade done"
    expect 0 hold remove daily_sales
    expect 0 hold list -o ndjson
    equal "the other phase's is left" "$(grep -o '"reason":"[^"]*"' <<<"$out")" '"reason":"c"'
    expect 0 hold remove --phase orders_raw
    expect 2 hold remove
    expect 2 hold remove 1 --phase orders_raw
    expect 2 hold add daily_sales --until soon --reason x
    expect 2 hold add daily_sales
}

waited() {
    expect 0 wait orders_raw 2025-03-03 --for triggered --timeout 1s
    expect 3 wait orders_raw 2025-03-09 --for triggered --timeout 1s
    says "can't become triggered"
    expect 75 wait orders_raw 2025-06-01 --timeout 0s
    expect 75 wait orders_raw 2025-03-12 --timeout 300ms
    expect 2 wait orders_raw 2025-03-03 --for ready
    expect 2 wait orders_raw 2025-03-03 --timeout long
}

# One process waits while another decides.
woken() {
    "$SLUICE" wait orders_raw 2025-03-12 --for triggered --timeout 30s >waited.txt 2>&1 &
    local waiter=$!
    expect 0 release orders_raw 2025-03-12
    wait "$waiter"
    equal "the waiter's exit code" "$?" 0
}

rejected() {
    printf '{"processor_name":"orders"}\n\xff\xfe\nnot json\n' >bad.ndjson
    expect 0 ingest bad.ndjson
    has '"rejected":3'
    expect 0 dlq list -o ndjson
    equal "rejects" "$(wc -l <<<"$out")" 3
    has '"code":"missing_field"'
    has '"code":"bad_utf8"'
    has '"code":"not_json"'
    local id
    id=$(grep bad_utf8 <<<"$out" | grep -o '"id":[0-9]*' | cut -d: -f2)
    expect 0 dlq show "$id" -o json
    has '"bytes":2,"encoding":"base64","data":"//4="}'
    expect 0 dlq show 1
    has "missing_field"
    expect 1 dlq show 99
    expect 2 dlq show x
    expect 0 status -o json
    has '"rejects":3'
}

make_season
suppressed
released
dropped
retriggered
held
waited
woken
rejected
finish
