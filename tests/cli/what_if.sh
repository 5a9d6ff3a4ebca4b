#!/usr/bin/env bash
# what-if against what really comes of another config: the same messages decided under it, joins included; what the record lacks; and that nothing is changed.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# Two phases after the orders, and a report that waits for both.
add_join() {
    cat >>sluice.yaml <<'YAML'
  - name: daily_notes
    after: [orders_raw]
    started_by: {topic: daily-notes-trigger}
    completions: {topic: daily-notes-complete, subscription: daily-notes-complete-sub}
    processors: [{name: notes, required: critical}, {name: comments, required: optional}]
    checks: {upstream: strict}
  - name: report
    after: [daily_sales, daily_notes]
    started_by: {topic: report-trigger}
    completions: {topic: report-complete, subscription: report-complete-sub}
    processors: [{name: report, required: critical}]
YAML
}

notes() { # day, execution
    printf '{"processor_name":"notes","phase":"daily_notes","execution_id":"%s","day":"%s","status":"success","timestamp":"%sT23:00:00Z"}\n' "$2" "$1" "$1"
    printf '{"processor_name":"comments","phase":"daily_notes","execution_id":"c-%s","day":"%s","status":"success","timestamp":"%sT23:01:00Z"}\n' "$2" "$1" "$1"
}

feed() { # options of sluice
    expect 0 "$@" ingest messages/orders_raw.ndjson
    expect 0 "$@" ingest messages/daily_sales.ndjson
    { notes 2025-03-06 n-6 && notes 2025-03-12 n-12 && notes 2025-03-10 n-10; } >notes.ndjson
    expect 0 "$@" ingest notes.ndjson
}

# The part of a gate that makes an outcome (RULES 7), by the keys that hold it.
outcomes() { # state key, reasons key, trigger key; of $out
    local line
    while read -r line; do
        sed -E "s/.*\"phase\":\"([^\"]*)\",\"date\":\"([^\"]*)\".*\"$1\":\"([^\"]*)\".*\"$2\":(\[[^]]*\]).*\"$3\":(null|\"[^\"]*\").*/\1 \2 \3 \4 \5/" <<<"$line"
    done <<<"$out" | sort
}

# What what-if says of the gates that differ is what they become; all others stay.
same_as_decided() { # options that make the other config
    local before after said
    expect 0 gates -o ndjson
    before=$(outcomes state reasons trigger_id)
    run "$@" what-if -o ndjson
    equal "nothing is lacking" "$(lines_with '"lacks":["')" 0
    said=$(outcomes state_after reasons_after trigger_id_after)
    expect 0 "$@" --set ledger.path=other/ledger.db --set coverage.log=other.log --set coverage.runs.table=other.runs init
    feed "$@" --set ledger.path=other/ledger.db --set coverage.log=other.log --set coverage.runs.table=other.runs
    expect 0 "$@" --set ledger.path=other/ledger.db gates -o ndjson
    after=$(outcomes state reasons trigger_id)
    equal "what differs under $*" "$said" "$(comm -13 <(echo "$before") <(echo "$after"))"
    rm -rf other
}

decided_again() {
    local soft="phases.daily_sales.checks.gaps.mode=soft"
    expect 0 what-if
    equal "no gate" "$(wc -l <<<"$out")" 1
    says "27 gates decided again from their stored facts: 0 would differ"
    expect 3 --set "$soft" what-if -o ndjson
    has '"phase":"daily_sales","date":"2025-03-12","profile":"past","generation":1,"state_before":"blocked","reasons_before":["gaps"],"state_after":"triggered","reasons_after":["gaps"]'
    has '"rules":["phases.daily_sales.checks.gaps.mode: strict -> soft"],"lacks":[]'
    has '"rules":["the join with daily_sales, which would be triggered"]'
    expect 3 --set "$soft" what-if daily_notes -o ndjson
    equal "of one phase" "$(lines_with '"phase":"daily_notes","date":"2025-03-12"') of $(wc -l <<<"$out")" "1 of 1"
    expect 0 --set "$soft" what-if --from 2025-03-03 --to 2025-03-08
    same_as_decided --set "$soft"
    same_as_decided --set phases.daily_sales.checks.gaps.look_back=1d
    same_as_decided --set phases.orders_raw.checks.gaps.mode=strict
    same_as_decided --set pipeline=other
    same_as_decided --set phases.daily_sales.checks.upstream=off --set defaults.mode=observe
}

lacking() {
    expect 0 --set phases.daily_sales.checks.gaps.look_back=9d what-if daily_sales 2025-03-08 -o json
    equal "inside the season" "$(tr -d '\n' <<<"$out")" "[]"
    expect 0 --set phases.daily_sales.checks.gaps.look_back=2d what-if daily_sales 2025-03-08
    expect 3 --set phases.orders_raw.processors.payments.table=shop_raw.other what-if orders_raw 2025-03-06 -o ndjson
    has '"state_after":null,"reasons_after":null'
    has 'phases.orders_raw.processors.payments.table: which units have rows there'
    expect 3 --set calendar.planned.kind=special what-if orders_raw 2025-03-06 -o ndjson
    has '"lacks":["calendar.planned.kind: the units of the dates"]'
    expect 3 --set phases.orders_raw.processors.payments.required=optional --set phases.orders_raw.share=50% what-if orders_raw 2025-03-10 -o ndjson
    has 'the gate comes to its checks only now'
}

unchanged() {
    local before after
    expect 2 --config nowhere.yaml what-if
    sed 's/name: daily_notes/name: daily_remarks/; s/daily_sales, daily_notes/daily_sales, daily_remarks/' sluice.yaml >new.yaml
    before=$(sha256sum state/ledger.db state/warehouse/*)
    expect 3 what-if --config new.yaml -o ndjson
    has '"phase":"daily_notes","date":"2025-03-12"'
    has '"rules":["phases.daily_notes: removed"]'
    after=$(sha256sum state/ledger.db state/warehouse/*)
    equal "files" "$after" "$before"
    chmod -w state/ledger.db
    expect 0 what-if
    chmod +w state/ledger.db
}

make_season
add_join
feed
decided_again
lacking
unchanged
finish
