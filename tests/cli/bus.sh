#!/usr/bin/env bash
# The worker on its own broker: made by init, fed by publish and complete, run until idle; the same gates as ingest, and every trigger on the bus.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

states() {
    "$SLUICE" gates -o csv | cut -d, -f1-5,13
}

# What ingest decides, in a ledger of its own.
reference() {
    local other=(--set ledger.path=other/ledger.db)
    expect 0 "${other[@]}" ingest messages/orders_raw.ndjson
    expect 0 "${other[@]}" ingest messages/daily_sales.ndjson
    expected=$("$SLUICE" "${other[@]}" gates -o csv | cut -d, -f1-5,13)
    rm -rf other
}

made() {
    rm -rf state/broker
    expect 0 init -o csv
    equal "what was missing" "$(sort <<<"$out")" "$(sort <<'LINES'
made,name
topic,projects/sluice-local/topics/orders-raw-complete
topic,projects/sluice-local/topics/orders-raw-complete-dlq
topic,projects/sluice-local/topics/daily-sales-trigger
topic,projects/sluice-local/topics/daily-sales-complete
topic,projects/sluice-local/topics/daily-sales-complete-dlq
subscription,projects/sluice-local/subscriptions/orders-raw-complete-sub
subscription,projects/sluice-local/subscriptions/daily-sales-complete-sub
subscription,projects/sluice-local/subscriptions/orders-raw-complete-dlq-sub
subscription,projects/sluice-local/subscriptions/daily-sales-trigger-sub
subscription,projects/sluice-local/subscriptions/daily-sales-complete-dlq-sub
LINES
)"
    expect 0 init -o csv
    equal "what was missing after that" "$out" "made,name"
    says "nothing was missing"
}

published() {
    input=messages/orders_raw.ndjson expect 0 publish --topic orders-raw-complete -o json
    equal "published" "$out" '{"published":24,"failed":0}'
    input=messages/daily_sales.ndjson expect 0 publish --topic projects/sluice-local/topics/daily-sales-complete
    has "12"
    expect 0 publish --topic orders-raw-complete -o json
    equal "nothing published" "$out" '{"published":0,"failed":0}'
    expect 0 status -o json
    has '"backlog":36,'
    expect 0 status
    has "backlog         36 messages"
    expect 0 --set bus.path=nowhere status -o json
    has '"backlog":null,'
    equal "looking makes no broker" "$(ls nowhere 2>/dev/null)" ""
}

ran() {
    expect 0 run --until-idle 500ms
    equal "lines on stdout" "$(wc -l <<<"$out")" 1
    has '"received":36,"acked":36,"nacked":0,"duplicates":0,"rejected":0,'
    has '"triggered":16,"suppressed":0,"blocked":6,"waiting":0,'
    has '"published":10}'
    says "36 completions"
    equal "gates" "$(states)" "$expected"
    expect 0 status -o json
    has '"outbox":0,"outbox_failing":0,"events_unloaded":0,"runs_unloaded":0'
    has '"backlog":0,'
    expect 0 run --until-idle 0s
    has '"received":0,'
}

pulled() {
    pull daily-sales-trigger-sub
    equal "triggers on the bus" "$(grep -c '"encoding":"text"' <<<"$out")" 10
    equal "each under one id" "$(grep -o 'trigger_id\\":\\"[0-9a-f-]*' <<<"$out" | sort -u | wc -l)" 10
    has '"schema":"sluice.trigger.v1"'
    has '\"triggered_by\":\"orders_raw\"'
    pull orders-raw-complete-dlq-sub
    equal "dead letters" "$out" ""
}

completed() {
    expect 0 known-gaps add --phase orders_raw --date 2025-03-10 --reason "payment terminal"
    expect 0 complete orders_raw 2025-03-06 --processor orders --status failed --execution-id e1 -o json
    has '{"phase":"orders_raw","date":"2025-03-06","processor":"orders","status":"failed","execution_id":"e1","message_id":"'
    has '"topic":"projects/sluice-local/topics/orders-raw-complete"}'
    expect 0 complete --phase daily_sales --date 2025-03-04 --processor SalesJob --status success --records 3 --correlation-id c-9 --skip-downstream-trigger
    expect 0 run --until-idle 300ms --set defaults.settle=0s
    has '"received":2,'
    expect 0 gates --all -o ndjson
    equal "generations that were opened" "$(lines_with '"generation":2')" 2
    expect 3 why orders_raw 2025-03-06 -o json
    has '"execution_id":"e1"'
    expect 3 why daily_sales 2025-03-04 -o json
    has '"state":"suppressed"'
}

rejected() {
    printf '%s\n' '{"data":"not a completion","attributes":{"origin":"line"}}' '{"data":{"a":1}}' >bad.ndjson
    input=bad.ndjson expect 0 publish --topic orders-raw-complete --attr origin=flag --attr run=7 -o json
    equal "published" "$out" '{"published":2,"failed":0}'
    expect 0 run --until-idle 300ms
    has '"rejected":2,'
    expect 0 dlq list --subscription ledger -o ndjson
    equal "they are on their topic, not in our list" "$out" ""
    expect 0 dlq list -o ndjson
    equal "dead letters on their topic" "$(lines_with '"id":"orders-raw-complete-dlq-sub/')" 2
    expect 0 dlq list -o ndjson
    equal "looking leaves them there" "$(lines_with '"id":"orders-raw-complete-dlq-sub/')" 2
    pull orders-raw-complete-dlq-sub
    equal "dead letters" "$(lines_with '"encoding":"text"')" 2
    has '"data":"not a completion"'
    has '"data":"{\"a\":1}"'
    has '"origin":"line"'
    has '"origin":"flag"'
    equal "attributes of the flags" "$(lines_with '"run":"7"')" 2
    equal "reasons" "$(grep -o '"sluice_reject_reason":"[a-z_]*"' <<<"$out" | sort | tr '\n' ' ')" \
        '"sluice_reject_reason":"missing_field" "sluice_reject_reason":"not_json" '
    has '"sluice_source_subscription":"orders-raw-complete-sub"'
}

ledger_sql() {
    python3 -c 'import sqlite3, sys
with sqlite3.connect("state/ledger.db") as ledger:
    print(" ".join(str(row[0]) for row in ledger.execute(sys.argv[1])))' "$1"
}

# Message ids are forgotten after the 7 days of their subscription and one more, and what they said is still known.
pruned() {
    ledger_sql "UPDATE inbox SET received_us = (strftime('%s') - 86400 * CASE WHEN id % 2 THEN 7 ELSE 9 END) * 1000000"
    local young
    young=$(ledger_sql "SELECT count(*) FROM inbox WHERE id % 2")
    expect 0 run --until-idle 300ms
    equal "ids that are left" "$(ledger_sql "SELECT count(*), min(id % 2) FROM inbox")" "$young"
    equal "ids that are old" "$(ledger_sql "SELECT count(*) FROM inbox WHERE id % 2 = 0")" 0
    expect 0 run --until-idle 300ms --set retention.inbox=1d
    equal "ids that are left" "$(ledger_sql "SELECT count(*) FROM inbox")" 0
    equal "runs that are left" "$(ledger_sql "SELECT count(*) > 36 FROM runs")" 1
}

too_large() {
    head -c 10000001 /dev/zero | tr '\0' x >large.ndjson
    { echo; echo '{"one":1}'; cat large.ndjson; echo; echo '{"two":2}'; } >three.ndjson
    input=three.ndjson expect 5 publish --topic daily-sales-trigger -o json
    equal "published" "$out" '{"published":2,"failed":1}'
    says "2 messages are confirmed, 1 are not; the first of these is message 2: it has more than 10000000 bytes"
}

# code|words|what stderr says
misused() {
    local code words text
    while IFS='|' read -r code words text; do
        # shellcheck disable=SC2086
        expect "$code" $words
        says "$text"
    done <<'TABLE'
1|publish --topic nowhere|there is no topic projects/sluice-local/topics/nowhere; `sluice init` makes
2|publish|--topic T
2|publish --topic orders-raw-complete --attr novalue|K=V
2|complete orders_raw 2025-03-06 --processor ordrs --status success|did you mean orders?
2|complete orders_raw 2025-03-06 --processor orders --status sucess|none of success
2|complete orders_raw 2025-03-06 --processor orders|--status S
2|complete orders_raw 2025-03-06 --status success|--processor X
2|complete orders_raw --processor orders --status success|which date?
2|complete orders_raw 2025-03-06 --processor orders --status success --records -1|--records
2|run nowhere|nowhere
2|run --until-idle soon|--until-idle soon
2|broker|--path DIR
2|broker --path broken --listen nowhere|nowhere
2|broker --path broken --listen 127.0.0.1:0 --stream-age soon|--stream-age is no duration
1|broker --path broken --listen 127.0.0.1:0 --faults messages/orders_raw.ndjson|is no fault; fail, slow and drop are
TABLE
}

# A name that is mistyped would be no fault at all.
no_faults_yet() {
    begin broker --path broken --listen 127.0.0.1:0 --faults none.txt
    until_has begun.out listening
    until_has begun.err "there is no file of faults yet"
    until_has begun.err none.txt
    echo "fail Publish 1 NOWHERE" >none.txt
    until_has begun.err "NOWHERE is no error"
    kill -TERM "$process"
    ended 0
}

make_season
reference
made
published
ran
pulled
completed
rejected
pruned
too_large
misused
no_faults_yet
finish
