#!/usr/bin/env bash
# Help, wrong usage and its exit codes, the config's place, colour and pipes.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

commands() {
    "$SLUICE" --help | sed -n '/^Commands:/,/^$/p' | sed -n 's/^  \([a-z -]*[a-z]\)   *.*/\1/p'
}

helped() {
    local command n=0
    expect 0 --version
    equal "version" "${out%% *}" sluice
    expect 0 --help
    expect 2
    while read -r command; do
        n=$((n + 1))
        # shellcheck disable=SC2086 # two words for `hold add`
        expect 0 $command --help
        has "usage: sluice $command"
        has "Examples:"
        equal "examples of $command" "$(($(sed -n '/^Examples:/,$p' <<<"$out" | grep -c '^  sluice ') >= 2))" 1
        # shellcheck disable=SC2086
        expect 0 help $command
    done < <(commands)
    equal "commands" "$((n >= 27))" 1
    for command in hold known-gaps dlq quality config; do
        expect 0 "$command" --help
        has "Examples:"
        equal "examples of $command" "$(($(sed -n '/^Examples:/,$p' <<<"$out" | grep -c "^  sluice $command ") >= 2))" 1
    done
    expect 0 hold --help
    has "hold remove"
}

# code|words|what stderr says
misused() {
    local code words text
    while IFS='|' read -r code words text; do
        # shellcheck disable=SC2086
        expect "$code" $words
        says "$text"
        equal "stdout of $words" "$out" ""
    done <<'TABLE'
2|gate|unknown command gate; did you mean gates?
2|hold lst|did you mean hold list
2|hold|hold add
2|gates --fase x|unknown flag --fase; did you mean --phase?
2|--confg x gates|did you mean --config?
2|gates --phase|--phase needs a value
2|gates --all=yes|--all takes no value
2|gates orders_rw|did you mean orders_raw?
2|gates 2025-02-30|2025-02-30 is no date
2|gates 2025-03-04..2025-03-03|ends before it starts
2|gates orders_raw 2025-03-03 extra|extra is one word too many
2|gates 2025-03-03 2025-03-04|second date
2|gates --state open|--state open
2|gates -o yaml|-o yaml
2|gates --set x|KEY=VALUE
2|gates --set defaults.sttle=0s|defaults
2|why orders_raw|which date?
2|why 2025-03-03|which phase?
2|why orders_raw 2025-03-03 --profile tomorrow|--profile tomorrow
2|gaps --phase orders_raw|which dates?
2|gaps 2025-03-01..2025-03-02|--phase P or --table
2|known-gaps add --phase orders_raw --date 2025-03-03|--reason
2|known-gaps add --phase orders_raw --reason x|--date D or --unit U
2|known-gaps remove x|no id
2|upstream --date 2025-03-03|which processor?
2|import a.csv|--table
2|--config nowhere.yaml gates|nowhere.yaml
1|import nowhere.csv --table a.b|nowhere.csv
1|ingest nowhere.ndjson|nowhere.ndjson
TABLE
}

configured() {
    expect 0 config check
    has "sluice.yaml is valid"
    expect 0 config schema
    has '$schema'
    expect 0 config show
    has '"pipeline"'
    printf 'version: 1\npipline: x\n' >broken.yaml
    expect 2 config check --config broken.yaml
    says "broken.yaml:2:"
    says "pipeline"
    mkdir -p elsewhere
    mv sluice.yaml elsewhere/
    expect 2 gates
    out=$(SLUICE_CONFIG=elsewhere/sluice.yaml "$SLUICE" config check 2>&1)
    equal "by SLUICE_CONFIG" "$?" 0
    mv elsewhere/sluice.yaml .
}

without_init() {
    expect 1 gates
    says "sluice init"
    expect 1 release orders_raw 2025-03-03
    says "sluice init"
    equal "no ledger was made" "$(ls state 2>/dev/null)" ""
}

# Nothing but a terminal gets colour: a pipe, a file and NO_COLOR have no ESC byte.
plain() {
    local command
    for command in "gates" "status" "why orders_raw 2025-03-10" "events" "verify orders_raw 2025-03-03..2025-03-14"; do
        # shellcheck disable=SC2086
        run $command
        lacks $'\033'
        equal "ESC on stderr of $command" "${errs//[^$'\033']/}" ""
    done
    if command -v script >/dev/null; then
        out=$(TERM=xterm script -qec "$SLUICE gates" /dev/null </dev/null)
        has $'\033'
        out=$(TERM=xterm NO_COLOR=1 script -qec "$SLUICE gates" /dev/null </dev/null)
        lacks $'\033['
        out=$(TERM=dumb script -qec "$SLUICE gates" /dev/null </dev/null)
        lacks $'\033['
        out=$(TERM=xterm script -qec "$SLUICE gates --no-color" /dev/null </dev/null)
        lacks $'\033['
    fi
}

# A file and message text can't drive the terminal.
harmless() {
    printf '{"processor_name":"orders","phase":"\\u001b[31mred"}\n' >escape.ndjson
    expect 0 ingest escape.ndjson
    expect 0 dlq list
    lacks $'\033'
}

full_disk() {
    "$SLUICE" gates >/dev/full 2>stderr.txt
    equal "exit code with a full stdout" "$(($? != 0))" 1
    errs=$(<stderr.txt)
    says "could not be written"
}

helped
"$root/scripts/demo-season" .
cp "$root/deploy/demo.yaml" sluice.yaml
without_init
configured
make_season
misused
expect 0 ingest messages/orders_raw.ndjson
plain
harmless
full_disk
finish
