#!/usr/bin/env bash
# The client against the official Pub/Sub emulator: starts one on a free port and runs test_grpc_peer ($1) on it.
# Exits with 77, which ctest shows as skipped, where there is no emulator or no java. $PUBSUB_EMULATOR_JAR names it if it is elsewhere.
set -euo pipefail

find_jar() {
    local jar
    for jar in "${PUBSUB_EMULATOR_JAR:-}" /usr/lib/google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar; do
        if [[ -f "$jar" ]]; then
            echo "$jar"
            return
        fi
    done
    return 1
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

jar="$(find_jar)" && command -v java >/dev/null || {
    echo "skipped: the Pub/Sub emulator is not installed"
    exit 77
}
log="$(mktemp)"
port="$(free_port)"
java -jar "$jar" --host=127.0.0.1 --port="$port" >"$log" 2>&1 &
emulator=$!
trap 'kill "$emulator" 2>/dev/null || true; wait "$emulator" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 300); do
    grep -q "listening on" "$log" && break
    kill -0 "$emulator" || { cat "$log"; exit 1; }
    sleep 0.1
done
SLUICE_PUBSUB_PEER="127.0.0.1:$port" "$1" --jobs 1
