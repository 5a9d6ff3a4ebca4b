#!/usr/bin/env bash
# The client against a real server: starts one on a free port and runs test_grpc_peer on it.
#   grpc_peer.sh emulator|broker TEST_BINARY      the official Pub/Sub emulator ($PUBSUB_EMULATOR_JAR names it if it is elsewhere), or $SLUICE broker
# Exits with 77, which ctest shows as skipped, where there is no emulator or no java.
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

source "$(dirname "${BASH_SOURCE[0]}")/../support/own_port.sh"

work="$(mktemp -d)"
server=
trap '[[ -z "$server" ]] || { kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; }; rm -rf "$work"' EXIT
port="$(own_port)"
case "$1" in
    emulator)
        jar="$(find_jar)" && command -v java >/dev/null || {
            echo "skipped: the Pub/Sub emulator is not installed"
            exit 77
        }
        java -jar "$jar" --host=127.0.0.1 --port="$port" >"$work/log" 2>&1 &
        ;;
    broker) "$SLUICE" broker --listen "127.0.0.1:$port" --path "$work/store" >"$work/log" 2>&1 & ;;
esac
server=$!
until grep -qE 'listening on|"listening"' "$work/log"; do
    kill -0 "$server" || {
        cat "$work/log"
        exit 1
    }
    sleep 0.1
done
SLUICE_PUBSUB_PEER="127.0.0.1:$port" "$2" --jobs 1
