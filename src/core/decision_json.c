/* decision_json.c - a decision as JSON, in a fixed order, for the record. */
#include <math.h>

#include "gate_internal.h"

static const char *mode_name(enum sl_mode mode)
{
    static const char *const NAMES[] = {[SL_OFF] = "off", [SL_SOFT] = "soft", [SL_STRICT] = "strict"};
    return NAMES[mode];
}

static void put_checks(struct sl_json *json, const struct sl_decision *decision)
{
    sl_json_key(json, "checks");
    sl_json_array(json);
    for (size_t i = 0; i < decision->n_checks; i++) {
        const struct sl_check *check = &decision->checks[i];
        sl_json_object(json);
        sl_json_put_str(json, "name", check->name);
        sl_json_put_str(json, "mode", mode_name(check->mode));
        if (check->evaluated)
            sl_json_put_bool(json, "passed", check->passed);
        else
            sl_json_put_null(json, "passed");
        sl_json_put_str(json, "expected", check->expected);
        sl_json_put_str(json, "actual", check->actual);
        sl_json_put_str(json, "detail", check->detail);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
}

static void put_decided_quality(struct sl_json *json, const struct sl_decision *decision)
{
    if (!isnan(decision->completeness_pct))
        sl_json_put_double(json, "completeness_pct", decision->completeness_pct);
    if (decision->quality_note)
        sl_json_put_str(json, "quality_note", decision->quality_note);
    if (!decision->has_quality)
        return;
    sl_json_put_str(json, "quality_tier", sl_tier_name(decision->quality_tier));
    sl_json_put_double(json, "quality_score", decision->quality_score);
    sl_json_put_strs(json, "quality_issues", decision->quality_issues, decision->n_quality_issues);
    sl_json_put_str(json, "quality_culprit", decision->quality_culprit);
    sl_json_put_strs(json, "unusable_units", decision->unusable_units, decision->n_unusable_units);
}

void sl_decision_json(struct sl_json *json, const struct sl_decision *decision)
{
    const char *reasons[SL_N_REASONS];
    size_t n = sl_reasons_names(decision->reasons, reasons);
    sl_json_object(json);
    sl_json_put_str(json, "state", sl_state_name(decision->state));
    sl_json_put_strs(json, "reasons", reasons, n);
    sl_json_put_str(json, "trigger_reason", sl_trigger_reason_name(decision->trigger_reason));
    sl_json_put_strs(json, "completed", decision->completed, decision->n_completed);
    sl_json_put_strs(json, "missing", decision->missing, decision->n_missing);
    sl_json_put_strs(json, "late", decision->late, decision->n_late);
    sl_json_put_bool(json, "is_production_ready", decision->is_production_ready);
    sl_json_put_bool(json, "degraded", decision->degraded);
    sl_json_put_str(json, "trigger_id", decision->trigger_id);
    sl_json_put_str(json, "waits_for", decision->waits_for);
    put_decided_quality(json, decision);
    put_checks(json, decision);
    sl_json_key(json, "triggers");
    sl_json_array(json);
    for (size_t i = 0; i < decision->n_triggers; i++) {
        sl_json_object(json);
        sl_json_put_str(json, "to", decision->triggers[i].to->name);
        sl_json_put_str(json, "trigger_id", decision->triggers[i].trigger_id);
        sl_json_end_object(json);
    }
    sl_json_end_array(json);
    sl_json_end_object(json);
}
