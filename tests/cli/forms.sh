#!/usr/bin/env bash
# A completion in each form that it may have, and the trace that goes on into the trigger, over the broker.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

trace=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
context='"specversion":"1.0","id":"e-1","source":"/jobs/orders","type":"run.ended"'
# sluice.v1.Completion: payments of orders_raw on 2025-03-03, execution payments-pb, success, 6 records.
protobuf=CghwYXltZW50cxIKb3JkZXJzX3JhdxoLcGF5bWVudHMtcGIqCjIwMjUtMDMtMDMwAToGCNCwmL4GQAY=

published() {
    body=$(head -1 messages/orders_raw.ndjson)
    body="${body%\}},\"cost_center\": 1.50,\"metadata\":{\"is_incremental\":false,\"region\":\"north\"}}"
    {
        echo "{\"data\":{$context,\"traceparent\":\"00-other\",\"data\":$body},\"attributes\":{\"content-type\":\"application/cloudevents+json\",\"googclient_traceparent\":\"$trace\"}}"
        echo "{\"data\":{$context,\"datacontenttype\":\"application/protobuf\",\"data_base64\":\"$protobuf\"},\"attributes\":{\"content-type\":\"application/cloudevents+json\"}}"
        echo "{\"data\":\"$protobuf\",\"attributes\":{\"content-type\":\"application/protobuf\"}}"
        echo "{\"data\":$body,\"attributes\":{\"ce-specversion\":\"1.0\",\"ce-id\":\"e-2\",\"ce-source\":\"s\",\"ce-type\":\"t\"}}"
    } >forms.ndjson
    input=forms.ndjson expect 0 publish --topic orders-raw-complete -o json
    equal "published" "$out" '{"published":4,"failed":0}'
    printf '%s\n' '{"a":1}' >plain.ndjson
    input=plain.ndjson expect 1 publish --topic orders-raw-complete --attr goog_mine=1
    says "begins with goog, which is reserved"
}

decided() {
    expect 0 run --until-idle 300ms
    has '"received":4,"acked":4,"nacked":0,"duplicates":1,"rejected":1,'
    expect 0 why orders_raw 2025-03-03 -o json
    has '"execution_id":"payments-pb"'
    has '"state":"triggered"'
    has '/jobs/orders'
    expect 0 dlq list -o ndjson
    has '"code":"not_json","detail":"the body is no protobuf message: '
}

traced() {
    pull daily-sales-trigger-sub
    has "\"traceparent\":\"$trace\",\"googclient_traceparent\":\"$trace\""
    lacks "00-other"
    has '\"metadata\":{\"cost_center\": 1.50,\"region\":\"north\"}'
}

make_season
published
decided
traced
finish
