#!/usr/bin/env bash
# Dead letters: listed and shown without a trace, replayed into Sluice and to their topic, held, limited, quarantined, skipped when their run is known; and from the ledger's own list.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

box=orders-raw-complete-dlq-sub

# Completions of the demo's season whose phase the config doesn't know yet, and one that never will be understood.
make_letters() {
    sed 's/"phase":"orders_raw"/"phase":"orders_rwa"/' messages/orders_raw.ndjson >wrong.ndjson
    echo '{"data": "not a completion", "attributes": {"origin": "nowhere"}}' >>wrong.ndjson
    input=wrong.ndjson expect 0 publish --topic orders-raw-complete --attr run=7
    expect 0 run --until-idle 300ms
    has '"rejected":25,'
}

# The alias that makes them right.
mend_config() {
    sed -i 's/- name: orders_raw$/- name: orders_raw\n    aliases: [orders_rwa]/' sluice.yaml
}

looked_at() {
    expect 0 dlq list -o ndjson
    equal "letters" "$(wc -l <<<"$out")" 25
    equal "they have a place" "$(lines_with "\"where\":\"projects/sluice-local/subscriptions/$box\"")" 25
    equal "reasons" "$(lines_with '"code":"unknown_phase"')" 24
    id=$(grep -F '"code":"not_json"' <<<"$out" | sed 's/^{"id":"\([^"]*\)".*/\1/')
    expect 0 dlq show "$id" -o json
    has '"attributes":{"origin":"nowhere","run":"7","sluice_reject_reason":"not_json"'
    has '"data":"not a completion"'
    expect 0 dlq show "${id#*/}" --subscription "$box"
    has "not a completion"
    expect 0 dlq list 2025-03-05..2025-03-06 --filter 'processor = orders' -o csv
    equal "two dates of a processor" "$(tail -n +2 <<<"$out" | wc -l)" 2
    expect 0 dlq list --limit 3 -o csv
    says "more than 3 messages"
    expect 0 dlq list --limit 1 --filter 'reason = not_json' -o ndjson
    equal "the one that is meant, though many lie before it" "$(lines_with '"code":"not_json"')" 1
    equal "no more is said to be there" "$errs" ""
    expect 0 dlq list --limit 24 --filter 'reason = unknown_phase' -o ndjson
    equal "as many as there are" "$(wc -l <<<"$out")" 24
    equal "no more is said to be there" "$errs" ""
    expect 1 dlq show "$box/nothing"
    says "no message nothing lies on"
    expect 0 dlq list --subscription ledger -o ndjson
    equal "the ledger's list" "$out" ""
}

dry_run() {
    expect 0 replay --phase orders_raw --dry-run -o ndjson
    has '{"action":"replay","to":"sluice","phase":"orders_raw","processor":"orders","reason":"unknown_phase","count":'
    has '"note":"will be rejected again: not_json"}'
    says "25 of 25 letters; nothing was changed"
    expect 0 replay --phase orders_raw --dry-run --to topic --filter 'reason = unknown_phase'
    has "projects/sluice-local/topics/orders-raw-complete "
    has "########################################"
    expect 0 dlq list -o ndjson
    equal "letters after it" "$(wc -l <<<"$out")" 25
    lacks '"replays":1'
}

# The first by date, whatever the order in which they came.
some() {
    expect 0 replay --phase orders_raw --limit 4 --filter 'reason = unknown_phase' --hold -o json
    equal "counts" "$out" '{"read":25,"matched":4,"replayed":4,"skipped":0,"rejected":0,"quarantined":0,"kept":0,"outbox":0}'
    expect 0 gates -o csv
    equal "gates" "$(tail -n +2 <<<"$out" | cut -d, -f1,2,5 | tr '\n' ' ')" "orders_raw,2025-03-03,suppressed orders_raw,2025-03-04,suppressed "
    expect 0 dlq list -o ndjson
    equal "letters left" "$(wc -l <<<"$out")" 21
    expect 0 events --type message_replayed -o ndjson
    equal "an event each" "$(wc -l <<<"$out")" 4
    has '"description":"dead letter '
    has ", time 1: recorded"
    pull daily-sales-trigger-sub
    equal "triggers" "$out" ""
}

# Dates are said as everywhere, though --to says where as well.
dated() {
    local range
    for range in "orders_raw 2025-03-05..2025-03-06" "--phase orders_raw --dates 2025-03-05..2025-03-06" \
        "orders_raw --from 2025-03-05 --to 2025-03-06" "--phase orders_raw --to topic --from 2025-03-05 --to 2025-03-06"; do
        # shellcheck disable=SC2086
        expect 0 replay $range --dry-run
        says "4 of 21 letters"
    done
    has "topic"
    expect 0 replay --phase orders_raw --date 2025-03-05 --dry-run
    says "2 of 21 letters"
    expect 0 replay orders_raw 2025-03-05.. --to self --to 2025-03-06 --dry-run
    says "4 of 21 letters"
}

to_topic() {
    expect 0 replay --subscription "$box" --to topic --dates 2025-03-05..2025-03-06 --rate 200/s -o json
    has '"replayed":4,'
    expect 0 run --until-idle 300ms
    has '"received":4,"acked":4,'
    expect 0 gates --state triggered -o csv
    equal "gates that fired" "$(tail -n +2 <<<"$out" | cut -d, -f1,2 | tr '\n' ' ')" "orders_raw,2025-03-05 orders_raw,2025-03-06 "
}

# Published once more as they were: their runs are known, so they go without effect, whichever way.
known() {
    before=$("$SLUICE" gates -o ndjson)
    head -6 wrong.ndjson | sed 's/orders_rwa/nowhere/' >again.ndjson
    input=again.ndjson expect 0 publish --topic orders-raw-complete
    expect 0 run --until-idle 300ms
    has '"rejected":6,'
    sed -i 's/aliases: \[orders_rwa\]/aliases: [orders_rwa, nowhere]/' sluice.yaml
    expect 0 replay --phase orders_raw --dry-run --filter 'date <= 2025-03-05' -o csv
    has "skip,,orders_raw,orders,unknown_phase,3,2025-03-03,2025-03-05,"
    expect 0 replay --phase orders_raw --filter 'date <= 2025-03-04' -o json
    has '"replayed":0,"skipped":4,'
    expect 0 replay --phase orders_raw --filter 'date = 2025-03-05' --to topic -o json
    has '"replayed":0,"skipped":2,'
    expect 0 run --until-idle 300ms
    has '"received":0,'
    equal "gates" "$("$SLUICE" gates -o ndjson | sed 's/"config_hash":"[^"]*"//')" "$(sed 's/"config_hash":"[^"]*"//' <<<"$before")"
}

the_rest() {
    expect 0 replay --phase orders_raw -o json
    has '"matched":17,"replayed":16,"skipped":0,"rejected":1,'
    expect 0 dlq list -o ndjson
    equal "letters left" "$(wc -l <<<"$out")" 1
    has '"replays":1,'
    expect 0 gates --phase orders_raw -o csv
    equal "gates" "$(tail -n +2 <<<"$out" | wc -l)" 12
}

quarantined() {
    expect 0 replay --phase orders_raw --to topic -o json
    has '"replayed":1,'
    expect 0 run --until-idle 300ms
    has '"received":1,'
    has '"rejected":1,'
    expect 0 replay --phase orders_raw --max-replays 2 -o json
    has '"matched":1,"replayed":0,"skipped":0,"rejected":0,"quarantined":1,'
    expect 0 dlq list -o ndjson
    equal "letters left" "$out" ""
    expect 0 dlq list --subscription orders-raw-complete-dlq-quarantine-sub -o ndjson
    equal "in quarantine" "$(wc -l <<<"$out")" 1
    has '"replays":2,'
    expect 0 dlq show "$(sed 's/^{"id":"\([^"]*\)".*/\1/' <<<"$out")" -o json
    has '"origin":"nowhere","run":"7"'
    has '"sluice_source_subscription":"orders-raw-complete-sub","sluice_source_topic":"orders-raw-complete"'
    expect 0 events --type operator_action -o ndjson
    has "quarantine "
}

# A phase without a dead-letter topic keeps its rejects in the ledger.
from_ledger() {
    sed -i 's/, dead_letter_topic: daily-sales-complete-dlq//' sluice.yaml
    sed 's/"phase":"daily_sales"/"phase":"dayly_sales"/' messages/daily_sales.ndjson | head -3 >wrong.ndjson
    input=wrong.ndjson expect 0 publish --topic daily-sales-complete
    expect 0 run --until-idle 300ms
    has '"rejected":3,'
    expect 0 dlq list --subscription ledger -o ndjson
    equal "the ledger's list" "$(lines_with '"where":"ledger"')" 3
    expect 0 replay --ledger -o json
    has '"matched":3,"replayed":0,"skipped":0,"rejected":3,'
    expect 5 replay --ledger --max-replays 1 -o json
    has '"kept":3,'
    says "there is no dead-letter topic to quarantine it beside"
    sed -i 's/- name: daily_sales$/- name: daily_sales\n    aliases: [dayly_sales]/' sluice.yaml
    expect 0 replay --ledger --dry-run -o ndjson
    has '"phase":"daily_sales"'
    expect 0 replay --ledger -o json
    has '"matched":3,"replayed":3,'
    expect 0 dlq list --subscription ledger -o ndjson
    equal "the ledger's list" "$out" ""
}

# code|words|what stderr says
misused() {
    local code words text
    while IFS='|' read -r code words text; do
        # shellcheck disable=SC2086
        expect "$code" $words
        says "$text"
    done <<'TABLE'
2|replay|say --subscription S, --phase P or --ledger
2|replay --ledger --subscription s|say one of them
2|replay --phase orders_raw --to nowhere|neither self nor topic
2|replay --phase orders_raw --rate fast|is not N/s
2|replay --phase orders_raw --limit 0|at least 1
2|replay --phase orders_raw --dates soon|is no date
2|replay --phase orders_raw --dates 2025-03-02..2025-03-01|ends before it starts
2|replay --phase orders_raw --from 2025-03-02 --to 2025-03-01|ends before it starts
2|replay orders_raw 2025-03-02 --dates 2025-03-01|second range
2|replay --phase orders_raw --filter phse=x|expected phase
2|replay --subscription orders-raw-complete-sub|is where orders_raw receives its completions
1|replay --subscription nowhere|nowhere
1|replay --phase daily_sales|no completions.dead_letter_topic
2|dlq list --filter age>soon|expected a duration
1|dlq list --subscription nowhere|nowhere
TABLE
}

make_season
make_letters
looked_at
mend_config
dry_run
some
dated
to_topic
known
the_rest
quarantined
from_ledger
misused
finish
