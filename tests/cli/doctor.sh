#!/usr/bin/env bash
# What is misconfigured is found, with what would mend it; what is fine is none; looking makes nothing.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

nothing_there() {
    make_config
    expect 3 doctor -o ndjson
    has '{"status":"critical","check":"ledger","subject":"./state/ledger.db","detail":"there is no ledger ./state/ledger.db; run sluice init","help":"sluice init"}'
    has '"check":"bus","subject":"./state/broker","detail":"there is no broker yet","help":"sluice init"}'
    has '"check":"table","subject":"shop_raw.orders"'
    equal "what looking made" "$(ls)" "sluice.yaml
stderr.txt"
}

fine() {
    rm -f sluice.yaml
    make_season
    expect 0 ingest messages/orders_raw.ndjson
    expect 0 doctor
    says "0 findings"
    expect 0 doctor --all -o csv
    has "ok,subscription,projects/sluice-local/subscriptions/orders-raw-complete-sub,it is as it should be,"
    has "ok,watched,projects/sluice-local/topics/orders-raw-complete-dlq,1 subscribes to its dead letters,"
    has "ok,table,shop_raw.orders,"
    has "ok,grant,bus,"
    has "ok,fsync,./state,"
}

# code|words|what stdout has
found() {
    local code words text
    while IFS='|' read -r code words text; do
        # shellcheck disable=SC2086
        expect "$code" doctor -o csv $words
        has "$text"
    done <<'TABLE'
3|--outage 30d|warning,retention,projects/sluice-local/subscriptions/orders-raw-complete-sub,messages are kept for 7d
3|--set retention.inbox=1d|warning,inbox,projects/sluice-local/subscriptions/orders-raw-complete-sub
3|--set phases.orders_raw.completions.dead_letter_topic=elsewhere|critical,topic,projects/sluice-local/topics/elsewhere,it is not there,sluice init
3|--set phases.orders_raw.completions.subscription=nobody|critical,subscription,projects/sluice-local/subscriptions/nobody,it is not there,sluice init
3|--set defaults.unit_column=nothing|it has no column nothing
3|--set calendar.date_column=kind|critical,table,shop_raw.shop_days,
3|--set defaults.date_column=amount|critical,table,shop_raw.orders,
3|--set defaults.date_column=shop_day_x --set defaults.unit_column=shop_day_|it has no column shop_day_x, shop_day_ (
TABLE
}

emulator() {
    export PUBSUB_EMULATOR_HOST=127.0.0.1:1
    expect 3 doctor -o csv
    has "warning,emulator,PUBSUB_EMULATOR_HOST,"
    expect 3 doctor -o csv --set bus.type=emulator --set bus.project=p --set environment=prod
    has 'critical,emulator,PUBSUB_EMULATOR_HOST,"environment is prod'
    has "critical,bus,127.0.0.1:1,nothing answers at 127.0.0.1:1"
    expect 3 doctor -o csv --set bus.type=pubsub --set bus.project=p
    has 'critical,emulator,PUBSUB_EMULATOR_HOST,"it is set to 127.0.0.1:1'
    unset PUBSUB_EMULATOR_HOST
    expect 2 doctor --outage soon
    says "--outage soon is no duration"
}

nothing_there
fine
found
emulator
finish
