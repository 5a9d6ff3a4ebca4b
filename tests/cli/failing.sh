#!/usr/bin/env bash
# A trigger that can't be published: the run gives up after 30 s, the trigger doesn't, and leaves when it can.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

never_made=(--set phases.daily_sales.started_by.topic=never-made)

gives_up() {
    input=messages/orders_raw.ndjson expect 0 publish --topic orders-raw-complete
    expect 75 run --until-idle 300ms "${never_made[@]}"
    says "could not be published for more than 30 s"
    says "never-made"
    has '"published":0}'
    expect 0 status -o json
    has '"outbox":10,"outbox_failing":1,'
}

leaves_later() {
    expect 0 init "${never_made[@]}"
    expect 0 run --until-idle 300ms "${never_made[@]}"
    has '"published":10}'
    pull never-made-sub
    equal "triggers" "$(lines_with '"encoding":"text"')" 10
}

make_season
gives_up
leaves_later
finish
