#!/usr/bin/env bash
# The harness itself: what it would take for the tested program's failure, or hide.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# A program that says what it is told to.
cat >said <<'SCRIPT'
#!/usr/bin/env bash
echo "$@"
SCRIPT
chmod +x said
SLUICE=$PWD/said

# A child that is killed before it has become the program: it is a copy of this shell, trap and all.
killed_children() {
    local signal i
    for signal in TERM INT; do
        for ((i = 0; i < 10; i++)); do
            begin nothing
            kill -"$signal" "$process"
            wait "$process"
        done 2>killed.err # such a copy complains of its own children on the way
        equal "the folder after SIG$signal" "$(ls -d "$directory")" "$directory"
    done
    process=
}

# What the last one said is not taken for what this one says.
stale_output() {
    begin ready
    until_has begun.out ready
    ended 0
    begin other
    equal "output of the one before" "$(grep -c ready begun.out)" 0
    ended 0
    has other
}

killed_children
stale_output
finish
