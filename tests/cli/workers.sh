#!/usr/bin/env bash
# Two processes on one ledger: one worker at a time, commands beside it, and a worker that is interrupted.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# An ingest that reads a pipe stays a worker for as long as file descriptor 9 is open.
start_worker() {
    mkfifo feed
    "$SLUICE" ingest feed >worker.out 2>worker.err &
    worker=$!
    exec 9>feed
    cat messages/orders_raw.ndjson >&9
    expect 0 wait orders_raw 2025-03-14 --for triggered --timeout 30s
}

beside_it() {
    expect 75 ingest messages/daily_sales.ndjson
    says "worker"
    expect 0 known-gaps add --phase orders_raw --date 2025-03-10 --reason "accepted beside the worker"
    says "a worker is running"
    expect 0 known-gaps list -o ndjson
    has "accepted beside the worker"
}

interrupted() {
    kill -INT "$worker"
    wait "$worker"
    equal "exit code after SIGINT" "$?" 130
    exec 9>&-
    out=$(<worker.out)
    has '"received":24'
    errs=$(<worker.err)
    says "interrupted"
}

free_again() {
    expect 0 ingest messages/daily_sales.ndjson
    expect 0 gates orders_raw 2025-03-14 -o ndjson
    has '"state":"triggered"'
}

make_season
start_worker
beside_it
interrupted
free_again
finish
