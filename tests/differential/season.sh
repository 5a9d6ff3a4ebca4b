#!/usr/bin/env bash
# The real 2024-25 season through the built binary, against the numbers that are known of it.
#   season.sh SHARED      $SLUICE is the binary
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/season_common.sh"

begin base
feed "$here/out/messages" >/dev/null
is "phase_2 triggered, all well" 185 "$(count phase_2_raw triggered '')"
is "phase_2 triggered behind the gap" 28 "$(count phase_2_raw triggered gaps)"
is "phase_2 blocked" 1 "$(count phase_2_raw blocked no_data)"
is "phase_3 triggered" 185 "$(count phase_3_analytics triggered '')"
is "phase_3 blocked by the gap" 28 "$(count phase_3_analytics blocked gaps)"
is "phase_3 without data" 1 "$(count phase_3_analytics blocked no_data)"
is "phase_4 without data" 214 "$(count phase_4_precompute blocked no_data)"
is "the log" "date_gap/critical=2 date_gap/warning=1 fallback_used/info=6 gate_blocked/critical=244 gate_triggered/info=398 quality_degradation/info=150 source_missing/critical=232 source_missing/warning=58" "$(events)"
is "fallbacks" "0052400101 0052400111 0052400121 0052400131 0052400201 0052400211" \
    "$(sluice events --type fallback_used -o ndjson | python3 -c 'import json,sys; print(*sorted(json.loads(l)["game_id"] for l in sys.stdin))')"
is "the missing cup final" "0062400001 critical" \
    "$(sluice events --type source_missing --phase phase_2_raw -o ndjson | python3 -c 'import json,sys; [print(e["game_id"], e["severity"]) for e in map(json.loads, sys.stdin)]')"
is "why phase_4 waits" 1 "$(sluice why phase_4_precompute 2025-01-10 | grep -c 'waits for.*ml_feature_store_v2 has no rows')"
is "dates missing from the primary" "2025-04-15 2025-04-16 2025-04-18" \
    "$(sluice gaps --table nba_raw.nbac_team_boxscore --from 2024-10-22 --to 2025-06-22 -o json | python3 -c 'import json,sys; print(*json.load(sys.stdin)["missing_dates"])')"
is "with every day" "244 211 33" \
    "$(sluice gaps --table nba_raw.nbac_team_boxscore --from 2024-10-22 --to 2025-06-22 --every-day -o json | python3 -c 'import json,sys; g=json.load(sys.stdin); print(g["expected_dates"], g["present_dates"], g["gap_count"])')"
tells() { # label, phase, date, texts that why has
    local label=$1 said
    said=$(sluice why "$2" "$3" || true)
    shift 3
    for text in "$@"; do
        is "$label: $text" 1 "$(grep -cF -- "$text" <<<"$said" || true)"
    done
}
tells "why tells sources and quality" phase_2_raw 2025-04-15 "nbac_team_boxscore  nba_raw.bdl_box_scores  2 of 2: 0052400101, 0052400121" "Quality: silver, 100.0" \
    "because of   phase_2_raw/nbac_team_boxscore: nba_raw.bdl_box_scores of 2025-04-15, 0052400101" "nbac_team_boxscore  0052400121  nba_raw.bdl_box_scores     2  silver"
tells "why tells what is inherited" phase_3_analytics 2025-04-15 "phase_2_raw  silver  100.0" "2 of 2: 0052400101 silver, 0052400121 silver" "by topic nba-phase4-trigger"
tells "why tells each gap" phase_3_analytics 2025-01-10 "gaps           failed    strict: it stops the gate" "player_game_summary 2024-12-17: 1 of 1 units: 0062400001" \
    "Next: sluice known-gaps add --phase phase_3_analytics --date 2024-12-17 --reason TEXT"
is "what if nothing were otherwise" "" "$(sluice what-if -o ndjson 2>/dev/null)"
soft=phases.phase_3_analytics.checks.gaps.mode=soft
is "what if gaps were soft in phase_3" "28 phase_3_analytics blocked gaps triggered gaps 2024-12-19 2025-01-16 0 lack" "$(sluice --set $soft what-if -o ndjson 2>/dev/null |
    python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
def every(key): return "+".join(sorted({"+".join(r[key]) if isinstance(r[key], list) else str(r[key]) for r in rows}))
print(len(rows), *map(every, ("phase", "state_before", "reasons_before", "state_after", "reasons_after")), min(r["date"] for r in rows), max(r["date"] for r in rows),
      sum(bool(r["lacks"]) for r in rows), "lack")')"
gates >"$work/base.gates"

feed "$here/out/messages" >/dev/null
is "everything twice" "" "$(gates | diff "$work/base.gates" - | head -5)"
is "everything twice, the log" 1091 "$(sluice events -o ndjson | wc -l)"

sluice known-gaps add --phase phase_3_analytics --date 2024-12-17 --reason "the cup final has no box scores" >/dev/null 2>&1
is "an accepted gap opens what it held" 213 "$(count phase_3_analytics triggered '')"
is "in date order" "28 True" "$(sluice events --type gate_triggered --phase phase_3_analytics --from 2024-12-19 --to 2025-01-16 -o ndjson |
    python3 -c 'import json,sys; d=[json.loads(l)["game_date"] for l in sys.stdin]; print(len(d), d == sorted(d))')"

python3 "$shared/scenarios/season.py" "$here/rerun" --rerun phase_2_raw,nbac_team_boxscore,2024-11-20 >/dev/null
feed "$here/rerun/messages" --set defaults.settle=0s >/dev/null
is "a rerun opens one generation" "1 2" "$(sluice gates --all -o ndjson | python3 -c '
import json, sys
later = [g for g in map(json.loads, sys.stdin) if g["generation"] > 1]
print(len(later), *(g["generation"] for g in later))')"
is "no second trigger_id" "" "$(sluice gates --all -o ndjson | python3 -c '
import collections, json, sys
seen = collections.Counter(g["trigger_id"] for g in map(json.loads, sys.stdin) if g["trigger_id"])
print(*(i for i, n in seen.items() if n > 1))')"

begin shuffled --shuffle 7 --duplicate 500
feed "$here/out/messages" >/dev/null
is "shuffled, with duplicates" "" "$(gates | diff "$work/base.gates" - | head -5)"

begin dropped --drop-units nba_raw.nbac_player_boxscore,0022400061 --unfinal 2024-11-21
feed "$here/out/messages" >/dev/null
is "a lost game blocks its date" "1" "$(count phase_2_raw blocked units)"
is "and is named" 1 "$(sluice why phase_2_raw 2024-10-22 | grep -c 'waits for.*0022400061')"
is "games that are not final are waited for" 1 "$(count phase_2_raw waiting calendar)"

finish
