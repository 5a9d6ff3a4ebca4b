# harness.sh - runs the built binary ($SLUICE) in a directory of its own and compares what it says. Sourced by the tests of this folder.
#   run ARGS...          runs it; $out, $errs and $status hold what came; its stdin is the file $input, else nothing
#   expect CODE ARGS...  the same, and it must end with CODE
#   has TEXT / lacks TEXT / says TEXT    stdout holds it / doesn't; stderr holds it
#   equal LABEL ACTUAL EXPECTED
set -uo pipefail

: "${SLUICE:?the binary to test}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
unset SLUICE_CONFIG SLUICE_LOG NO_COLOR
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
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

# The demo's season and config, imported; not ingested.
make_season() {
    local file
    "$root/scripts/demo-season" .
    cp "$root/deploy/demo.yaml" sluice.yaml
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
