#!/usr/bin/env bash
# A backfill's way: completions with every trigger held back, released later, one phase only, and a worker that is killed again and again.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

feed() {
    input=messages/orders_raw.ndjson expect 0 publish --topic orders-raw-complete
    input=messages/daily_sales.ndjson expect 0 publish --topic daily-sales-complete
}

one_phase() {
    expect 0 run orders_raw --until-idle 300ms --skip-downstream-trigger
    has '"received":24,'
    has '"suppressed":10,'
    has '"published":0}'
    expect 0 pending orders_raw --state suppressed -o ndjson
    equal "pending" "$(lines_with '"state":"suppressed"')" 10
    expect 0 gates daily_sales -o ndjson
    equal "the other phase has heard nothing" "$out" ""
    pull daily-sales-trigger-sub
    equal "nothing published" "$out" ""
}

released() {
    expect 5 release orders_raw 2025-03-03..2025-03-14
    equal "fired" "$(lines_with fired)" 10
    equal "refused" "$(lines_with refused)" 1
    expect 0 status -o json
    has '"outbox":10,'
    expect 0 run --phase orders_raw --until-idle 300ms
    has '"published":10}'
    pull daily-sales-trigger-sub
    equal "in date order" "$(grep -o 'day\\":\\"2025-03-[0-9]*' <<<"$out")" "$(grep -o 'day\\":\\"2025-03-[0-9]*' <<<"$out" | sort)"
    equal "published" "$(lines_with '"encoding":"text"')" 10
    expect 0 run --until-idle 300ms
    has '"received":12,'
}

# One message a batch, and SIGKILL at a later moment each time: everything happens once.
killed() {
    local expected i
    expected=$("$SLUICE" gates -o csv | cut -d, -f1-4,13 | grep orders_raw)
    rm -rf state
    make_season
    feed
    for i in 1 2 3 4 5 6 7 8 9 10; do
        begin run --set worker.batch.messages=1 --log error
        read -rt "0.$(printf %02d $((i * 4 + 5)))" <> <(:) || true
        kill -KILL "$process"
        wait "$process" 2>/dev/null
    done
    process=
    expect 0 run --until-idle 500ms
    expect 0 status -o json
    has '"triggered":16,'
    has '"outbox":0,'
    equal "gates" "$("$SLUICE" gates -o csv | cut -d, -f1-4,13 | grep orders_raw)" "$expected"
    pull daily-sales-trigger-sub
    equal "triggers" "$(grep -o 'trigger_id\\":\\"[0-9a-f-]*' <<<"$out" | sort -u | wc -l)" 10
    expect 0 events -o ndjson
    equal "each event once" "$(grep -o '"event_id":"[^"]*"' <<<"$out" | sort | uniq -d)" ""
}

make_season
feed
one_phase
released
killed
finish
