#!/usr/bin/env bash
# Runs the command with @shared and @sluice filled in, or skips (77) when there is no shared folder.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
shared=${SLUICE_SHARED:-$here/../../../shared}
if [[ ! -f $shared/scenarios/season.py ]]; then
    echo "skipped: no season data at $shared (set SLUICE_SHARED)"
    exit 77
fi
shared=$(cd "$shared" && pwd)
args=()
for arg in "$@"; do
    arg=${arg//@shared/$shared}
    args+=("${arg//@sluice/$SLUICE}")
done
exec "${args[@]}"
