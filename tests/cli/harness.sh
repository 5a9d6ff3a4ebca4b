# harness.sh - runs the built binary ($SLUICE) in a directory of its own and compares what it says. Sourced by the tests of this folder.
#   run ARGS...          runs it; $out, $errs and $status hold what came; its stdin is the file $input, else nothing
#   expect CODE ARGS...  the same, and it must end with CODE
#   has TEXT / lacks TEXT / says TEXT    stdout holds it / doesn't; stderr holds it
#   equal LABEL ACTUAL EXPECTED
#   begin ARGS...        runs it in the background: $process; its stdout and stderr are begun.out and begun.err
#   behind NAME ARGS...  the same with NAME.out and NAME.err
#   until_has FILE TEXT  waits for a text, two minutes at most
#   own_port             prints a port for what ends and is started again: none that the kernel gives away meanwhile, nor one of the other tests (from 10000)
#   pull SUBSCRIPTION    the bodies of what waits there, one a line, into $out: a second pipeline receives them and rejects them, so its list of rejects holds them
set -uo pipefail

: "${SLUICE:?the binary to test}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/tests/support/own_port.sh"
unset SLUICE_CONFIG SLUICE_LOG NO_COLOR PUBSUB_EMULATOR_HOST NOTIFY_SOCKET WATCHDOG_USEC
directory=$(mktemp -d)
process=
# Only at the end of the shell itself: a child that is killed before it has become the program runs its parent's trap, and would take the folder from under the test.
clean_up() {
    [[ $BASHPID == "$$" ]] || return 0
    if [[ -n $process ]]; then
        kill -KILL "$process" 2>/dev/null
    fi
    rm -rf "$directory"
}
trap clean_up EXIT
cd "$directory" || exit 1

failures=0
checks=0
last=
out=
errs=
status=0

fail() {
    failures=$((failures + 1))
    {
        echo "FAILED: sluice $last: $1"
        echo "  status $status"
        echo "  stdout ${out:0:2000}"
        echo "  stderr ${errs:0:2000}"
    } >&2
}

run() {
    last="$*"
    out=$("$SLUICE" "$@" 2>stderr.txt <"${input:-/dev/null}")
    status=$?
    errs=$(<stderr.txt)
}

expect() {
    local code=$1
    shift
    run "$@"
    checks=$((checks + 1))
    if ((status != code)); then
        fail "expected exit code $code"
    fi
}

has() {
    checks=$((checks + 1))
    [[ $out == *"$1"* ]] || fail "stdout lacks: $1"
}

lacks() {
    checks=$((checks + 1))
    [[ $out != *"$1"* ]] || fail "stdout has: $1"
}

says() {
    checks=$((checks + 1))
    [[ $errs == *"$1"* ]] || fail "stderr lacks: $1"
}

equal() {
    checks=$((checks + 1))
    [[ $2 == "$3" ]] || fail "$1 is '$2', expected '$3'"
}

# Lines of stdout that hold a text.
lines_with() {
    grep -c -F -- "$1" <<<"$out"
}

begin() {
    behind begun "$@"
}

# The files are emptied before the child is there: what until_has finds in them is never the last one's.
behind() {
    local name=$1
    shift
    last="$* &"
    : >"$name.out"
    : >"$name.err"
    "$SLUICE" "$@" >"$name.out" 2>"$name.err" <"${input:-/dev/null}" &
    process=$!
}

# ended CODE: what was begun has ended with it.
ended() {
    wait "$process"
    status=$?
    process=
    out=$(<begun.out)
    errs=$(<begun.err)
    checks=$((checks + 1))
    ((status == $1)) || fail "expected exit code $1"
}

until_has() {
    local tries=0
    checks=$((checks + 1))
    until grep -qF -- "$2" "$1" 2>/dev/null; do
        if ((++tries > 2400)); then
            fail "$1 never had: $2"
            return
        fi
        read -rt 0.05 <> <(:) || true
    done
}

pull() {
    local id
    {
        sed -n '/^version:/p;/^timezone:/p' sluice.yaml
        echo "pipeline: puller"
        echo "bus: {type: embedded, listen: \"127.0.0.1:0\", path: state/broker}"
        echo "ledger: {type: sqlite, path: puller/ledger.db}"
        echo "warehouse: {type: sqlite, path: puller}"
        echo "coverage: {log: puller.log}"
        echo "phases: [{name: pulled, completions: {subscription: $1}, processors: [{name: nobody, required: critical}]}]"
    } >puller.yaml
    rm -rf puller
    "$SLUICE" --config puller.yaml init >/dev/null 2>puller.err && "$SLUICE" --config puller.yaml run --until-idle 300ms >/dev/null 2>>puller.err
    out=$(for id in $("$SLUICE" --config puller.yaml dlq list -o csv 2>>puller.err | tail -n +2 | cut -d, -f1); do
        "$SLUICE" --config puller.yaml dlq show "$id" -o ndjson
    done)
}

# The demo's config, on a port that nobody else has.
make_config() {
    sed 's/127.0.0.1:8085/127.0.0.1:0/' "$root/deploy/demo.yaml" >sluice.yaml
}

# The demo's season and config, imported; not ingested.
make_season() {
    local file
    "$root/scripts/demo-season" .
    make_config
    expect 0 init
    for file in tables/*.csv; do
        file=${file#tables/}
        expect 0 import "tables/$file" --table "${file%.csv}"
    done
}

finish() {
    if ((failures > 0)); then
        echo "$failures of $checks checks failed" >&2
        exit 1
    fi
    if ((checks == 0)); then
        echo "nothing was checked" >&2
        exit 1
    fi
    echo "$checks checks passed"
}
