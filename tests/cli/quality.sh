#!/usr/bin/env bash
# quality assess, aggregate, cap: lines in, lines out; the config's numbers; wrong lines, which leave no half of an answer.
source "$(dirname "${BASH_SOURCE[0]}")/harness.sh"

# given LINE...: the input of the next commands
given() {
    printf '%s\n' "$@" >lines.ndjson
    input=lines.ndjson
}

assessed() {
    given '{"id":"a","profile":{"required_fields":["x"],"optional_fields":["y","z"],"field_weights":{"x":2.5}},"input":{"row_count":10,"null_counts":{"x":3,"y":0},"data_sources":["backup"],"reconstruction_applied":false,"expected_sample_size":8,"date":"2024-10-21"}}' \
        '' \
        '{"id":7,"profile":{"required_fields":["x","w"]},"input":{"row_count":3,"null_counts":{"x":0}},"expect":"left alone"}' \
        '{"profile":{"required_fields":["x"],"optional_fields":null,"field_weights":null},"input":{"row_count":4,"null_counts":{"x":0},"data_sources":null,"date":null,"expected_sample_size":null,"reconstruction_applied":true}}'
    expect 0 quality assess
    equal "assessments" "$out" '{"id":"a","tier":"poor","score":48.3,"issues":["missing_optional:z","high_null_rate:35.0pct"],"metadata":{"sample_size":10,"expected_sample_size":8,"null_penalty":35.0,"reconstruction_applied":false,"early_season":true,"games_into_season":3}}
{"id":7,"tier":"unusable","score":0.0,"issues":["missing_required:w"],"metadata":{"critical_failure":true,"missing_required_fields":["w"],"early_season":false}}
{"id":null,"tier":"bronze","score":80.0,"issues":["thin_sample:4/10"],"metadata":{"sample_size":4,"expected_sample_size":10,"null_penalty":0.0,"reconstruction_applied":true,"early_season":false,"games_into_season":null}}'
    equal "stderr" "$errs" ""
    local before=$out
    input= expect 0 quality assess lines.ndjson
    equal "from a file" "$out" "$before"
    expect 0 quality assess - -o csv
    has 'id,tier,score,issues,metadata'
    given
    expect 0 quality assess
    equal "nothing for nothing" "$out" ""
}

joined() {
    given '{"tiers":["gold","bronze","silver"],"scores":[96,80.5,77],"issues":[["a"],["b","a"],[]]}' \
        '{"tiers":["gold",null],"scores":[100,null]}' \
        '{"tiers":["gold","platinum"],"scores":[100,99.9],"issues":[]}'
    expect 0 quality aggregate
    equal "joined" "$out" '{"tier":"bronze","score":77.0,"issues":["a","b"]}
{"tier":"unusable","score":0.0,"issues":[]}
{"tier":"unusable","score":99.9,"issues":[]}'
}

capped() {
    given '{"tier":"gold","confidence":1}' '{"tier":"silver","confidence":0.97}' '{"tier":"bronze","confidence":0.8}' \
        '{"tier":"poor","confidence":0.9}' '{"tier":"unusable","confidence":0.9}' '{"confidence":0.9}' '{"tier":null,"confidence":0.5}' \
        '{"tier":"platinum","confidence":0.9}'
    expect 0 quality cap
    equal "capped" "$out" '{"final_confidence":1.0,"confidence_capped":false,"skipped":false}
{"final_confidence":0.95,"confidence_capped":true,"skipped":false}
{"final_confidence":0.8,"confidence_capped":false,"skipped":false}
{"final_confidence":0.6,"confidence_capped":true,"skipped":false}
{"final_confidence":0.0,"confidence_capped":true,"skipped":true}
{"final_confidence":0.8,"confidence_capped":true,"skipped":false}
{"final_confidence":0.5,"confidence_capped":false,"skipped":false}
{"final_confidence":0.6,"confidence_capped":true,"skipped":false}'
}

by_the_config() {
    given '{"tier":"bronze","confidence":0.9}'
    cp "$root/deploy/demo.yaml" other.yaml
    printf 'quality: {ceilings: {bronze: 0.7}, thresholds: [99, 90, 85, 25]}\n' >>other.yaml
    expect 0 quality cap --config other.yaml
    equal "ceiling" "$out" '{"final_confidence":0.7,"confidence_capped":true,"skipped":false}'
    cp other.yaml sluice.yaml
    expect 0 quality cap
    equal "ceiling of ./sluice.yaml" "$out" '{"final_confidence":0.7,"confidence_capped":true,"skipped":false}'
    expect 0 quality cap --set quality.ceilings.bronze=0.65
    has '"final_confidence":0.65'
    given '{"profile":{"required_fields":["a","b","c","d"],"optional_fields":["e"]},"input":{"row_count":10,"null_counts":{"a":0,"b":0,"c":0,"d":0}}}'
    expect 0 quality assess
    has '"tier":"poor","score":80.0'
    rm sluice.yaml
    expect 0 quality assess
    has '"tier":"silver","score":80.0'
    expect 2 quality assess --config nowhere.yaml
    says "nowhere.yaml"
    expect 2 quality assess --set quality.thin=40%
    says "sluice.yaml"
}

# command|line|what stderr says
refused() {
    local command line text good='{"tier":"gold","confidence":1}'
    while IFS='|' read -r command line text; do
        given "$line"
        expect 2 quality "$command"
        says "stdin line 1: $text"
        equal "stdout of $line" "$out" ""
    done <<'TABLE'
assess|{"profile":|no JSON
assess|{"profile":1,"profile":2}|no JSON
assess|[]|expected an object
assess|{"input":{"row_count":1,"null_counts":{}}}|profile: missing; expected an object
assess|{"profile":{},"input":{}}|profile.required_fields: missing; expected a list of texts
assess|{"profile":{"required_fields":[1]},"input":{}}|profile.required_fields[0]: found 1; expected a text that is not empty
assess|{"profile":{"required_fields":["a"],"optional_fields":["b","a"]},"input":{}}|profile: found the column "a" twice
assess|{"profile":{"required_fields":[],"field_weights":{"a":-1}},"input":{}}|profile.field_weights.a: found -1; expected a number above 0
assess|{"profile":{"required_fields":[],"field_weights":[]},"input":{}}|profile.field_weights: found []; expected an object
assess|{"profile":{"required_fields":[]}}|input: missing; expected an object
assess|{"profile":{"required_fields":[]},"input":{"null_counts":{}}}|input.row_count: missing; expected a whole number from 0
assess|{"profile":{"required_fields":[]},"input":{"row_count":1.5,"null_counts":{}}}|input.row_count: found 1.5; expected a whole number
assess|{"profile":{"required_fields":[]},"input":{"row_count":-1,"null_counts":{}}}|input.row_count: found -1; expected a whole number from 0
assess|{"profile":{"required_fields":[]},"input":{"row_count":1}}|input.null_counts: missing; expected an object
assess|{"profile":{"required_fields":[]},"input":{"row_count":2,"null_counts":{"a":3}}}|input.null_counts.a: found 3; expected a whole number from 0 to 2
assess|{"profile":{"required_fields":[]},"input":{"row_count":2,"null_counts":{},"data_sources":"x"}}|input.data_sources: found "x"; expected a list of texts
assess|{"profile":{"required_fields":[]},"input":{"row_count":2,"null_counts":{},"reconstruction_applied":1}}|input.reconstruction_applied: found 1; expected true, false
assess|{"profile":{"required_fields":[]},"input":{"row_count":2,"null_counts":{},"expected_sample_size":0}}|input.expected_sample_size: found 0; expected a whole number from 1
assess|{"profile":{"required_fields":[]},"input":{"row_count":2,"null_counts":{},"date":"2025-02-30"}}|input.date: found "2025-02-30"; expected a date
aggregate|{"tiers":[],"scores":[],"issues":[]}|tiers: found []; expected a list of at least one tier
aggregate|{"scores":[]}|tiers: missing; expected a list of at least one tier
aggregate|{"tiers":["gold"],"scores":[]}|scores: found 0 items; expected 1, one for every tier
aggregate|{"tiers":["gold"],"scores":[101]}|scores[0]: found 101; expected a number from 0 to 100
aggregate|{"tiers":["gold"],"scores":[null]}|scores[0]: found null; expected a number from 0 to 100
aggregate|{"tiers":[1],"scores":[1]}|tiers[0]: found 1; expected a tier's name, or null
aggregate|{"tiers":["gold"],"scores":[99],"issues":[["a"],["b"]]}|issues: found 2 items; expected 1
aggregate|{"tiers":["gold"],"scores":[99],"issues":["a"]}|issues[0]: found "a"; expected a list of texts
cap|{"tier":"gold"}|confidence: missing; expected a number from 0 to 1
cap|{"tier":"gold","confidence":1.01}|confidence: found 1.01; expected a number from 0 to 1
cap|{"tier":1,"confidence":1}|tier: found 1; expected a tier's name, or null
TABLE
    given "$good" '{"tier":"gold","confidence":"x"}' "$good" 'no'
    expect 2 quality cap
    equal "no half" "$out" ""
    says "stdin line 2: confidence"
    says "stdin line 4: no JSON"
    says "2 of 4 lines of stdin are wrong, nothing is answered"
    expect 1 quality cap nowhere.ndjson
    says "nowhere.ndjson can't be opened"
    expect 2 quality
    expect 2 quality asess
    says "did you mean quality assess"
}

# What says nothing is noted once, and left out.
noted() {
    local line='{"profile":{"required_fields":["x"],"field_weigths":{"x":9}},"input":{"row_count":12,"null_counts":{"x":0}}}'
    given "$line" "$line"
    expect 0 quality assess
    equal "lines" "$(lines_with '"tier":"gold"')" 2
    equal "notes" "$errs" "stdin line 1: profile.field_weigths says nothing here and is left out"
}

assessed
joined
capped
by_the_config
refused
noted
finish
