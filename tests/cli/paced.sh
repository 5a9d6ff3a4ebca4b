#!/usr/bin/env bash
# release --max-in-flight: the next phase sets the pace, by the answers that the worker hears; without a worker, or without an answer in time, it ends and leaves the rest.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

all=2025-03-03..2025-03-14

held_back() {
    input=messages/orders_raw.ndjson expect 0 publish --topic orders-raw-complete
    expect 0 run --until-idle 300ms --skip-downstream-trigger
    expect 0 pending orders_raw --state suppressed -o csv
    dates=$(tail -n +2 <<<"$out" | cut -d, -f2)
    equal "held back" "$(wc -w <<<"$dates")" 10
}

fired() {
    run gates orders_raw --state triggered -o csv
    equal "fired so far" "$(tail -n +2 <<<"$out" | wc -l)" "$1"
}

misused() {
    expect 2 release orders_raw $all --max-in-flight 0
    expect 2 release orders_raw $all --max-in-flight many
    expect 5 release orders_raw $all --max-in-flight 2 --dry-run -o csv
    equal "would be fired" "$(lines_with 'would fire')" 10
    fired 0
}

unheard() {
    expect 75 release orders_raw $all --max-in-flight 2
    says "no worker is running"
    fired 2
}

unanswered() {
    behind worker run --log info
    worker=$process
    until_has worker.err '"served_by":"this process"'
    expect 75 release orders_raw $all --max-in-flight 1 --set phases.orders_raw.answer_within=1s
    says "has no answer yet"
    fired 3
}

# `running` is no answer.
paced() {
    local n=3 date
    behind release release orders_raw $all --max-in-flight 1 -o csv
    for date in $(tail -n +4 <<<"$dates"); do
        n=$((n + 1))
        expect 0 wait orders_raw "$date" --for triggered --timeout 60s
        expect 0 complete daily_sales "$date" --processor sales --status running
        fired "$n"
        expect 0 complete daily_sales "$date" --processor sales --status success --records 3
    done
    wait "$process"
    equal "exit code of release" "$?" 5
    out=$(<release.out)
    equal "in date order" "$(grep '^fired' <<<"$out" | cut -d, -f4)" "$(tail -n +4 <<<"$dates")"
    equal "refused" "$(grep '^refused' <<<"$out" | cut -d, -f4)" 2025-03-10
    kill -TERM "$worker"
    wait "$worker"
    equal "exit code of the worker" "$?" 0
    process=
}

make_season
held_back
misused
unheard
unanswered
paced
finish
