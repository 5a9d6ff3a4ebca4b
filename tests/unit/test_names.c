/* test_names.c - every name of every enumeration, there and back. */
#include <criterion/criterion.h>
#include <string.h>

#include <sluice/names.h>

Test(names, statuses_there_and_back)
{
    static const char *const names[] = {"success", "partial", "no_data", "failed", "running"};
    for (size_t i = 0; i < 5; i++) {
        enum sl_status status = SL_RUN_SUCCESS;
        cr_assert_str_eq(sl_status_name((enum sl_status)i), names[i]);
        cr_assert(sl_status_parse(names[i], strlen(names[i]), &status), "%s", names[i]);
        cr_assert_eq(status, i);
    }
}

Test(names, a_status_is_its_exact_bytes)
{
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        {"Success", 7}, {"success ", 8}, {"succes", 6}, {"success", 6}, {"", 0}, {"success\0", 8}, {NULL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum sl_status status = SL_RUN_FAILED;
        cr_assert_not(sl_status_parse(cases[i].text, cases[i].len, &status), "case %zu", i);
        cr_assert_eq(status, SL_RUN_FAILED, "case %zu leaves the value alone", i);
    }
}

Test(names, profiles_there_and_back)
{
    static const char *const names[] = {"past", "today", "future"};
    for (size_t i = 0; i < SL_N_PROFILES; i++) {
        enum sl_profile profile = SL_PAST;
        cr_assert_str_eq(sl_profile_name((enum sl_profile)i), names[i]);
        cr_assert(sl_profile_parse(names[i], &profile));
        cr_assert_eq(profile, i);
    }
}

Test(names, states_there_and_back)
{
    static const char *const names[] = {"waiting", "blocked", "suppressed", "empty", "triggered", "observed", "superseded"};
    for (size_t i = 0; i < SL_N_STATES; i++) {
        enum sl_state state = SL_WAITING;
        cr_assert_str_eq(sl_state_name((enum sl_state)i), names[i]);
        cr_assert(sl_state_parse(names[i], &state));
        cr_assert_eq(state, i);
    }
}

Test(names, severities_rise)
{
    enum sl_severity info, warning, critical;
    cr_assert(sl_severity_parse("info", &info) && sl_severity_parse("warning", &warning) && sl_severity_parse("critical", &critical));
    cr_assert(info < warning && warning < critical);
    cr_assert_str_eq(sl_severity_name(SL_SEV_WARNING), "warning");
}

Test(names, trigger_reasons)
{
    static const char *const names[] = {NULL, "all_complete", "critical_and_share", "deadline", "released", "retriggered"};
    cr_assert_null(sl_trigger_reason_name(SL_BY_NONE));
    for (size_t i = 1; i < 6; i++) {
        cr_assert_str_eq(sl_trigger_reason_name((enum sl_trigger_reason)i), names[i]);
    }
}

Test(names, rejects)
{
    static const char *const names[] = {
        "not_json",      "not_object", "duplicate_key", "too_deep",      "too_large",          "bad_utf8",        "nul",
        "missing_field", "wrong_type", "bad_value",     "unknown_phase", "wrong_subscription", "future_timestamp"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_assert_str_eq(sl_reject_name((enum sl_reject)i), names[i]);
    cr_assert_null(sl_reject_name((enum sl_reject)13));
}

Test(names, unknown_names_leave_the_value_alone)
{
    enum sl_profile profile = SL_FUTURE;
    enum sl_state state = SL_EMPTY;
    enum sl_severity severity = SL_SEV_WARNING;
    cr_assert_not(sl_profile_parse("Past", &profile) || sl_profile_parse(NULL, &profile) || sl_profile_parse("", &profile));
    cr_assert_not(sl_state_parse("open", &state) || sl_severity_parse("CRITICAL", &severity));
    cr_assert(profile == SL_FUTURE && state == SL_EMPTY && severity == SL_SEV_WARNING);
}

Test(names, a_set_lists_its_names_by_bytes)
{
    const char *names[SL_N_REASONS];
    char text[256];
    cr_assert_eq(sl_reasons_names((1u << SL_N_REASONS) - 1, names), SL_N_REASONS);
    for (size_t i = 1; i < SL_N_REASONS; i++)
        cr_assert(strcmp(names[i - 1], names[i]) < 0, "%s before %s", names[i - 1], names[i]);
    sl_reasons_text((1u << SL_N_REASONS) - 1, text);
    cr_assert_lt(strlen(text), 256);
}

Test(names, sets_as_text_there_and_back)
{
    static const struct {
        sl_reasons set;
        const char *text;
    } cases[] = {
        {0, ""},
        {SL_REASON_BIT(SL_REASON_RUN_FAILED), "run_failed"},
        {SL_REASON_BIT(SL_REASON_UNITS) | SL_REASON_BIT(SL_REASON_GAPS), "gaps,units"},
        {SL_REASON_BIT(SL_REASON_UPSTREAM_RUNNING) | SL_REASON_BIT(SL_REASON_UPSTREAM), "upstream,upstream_running"},
        {SL_REASON_BIT(SL_REASON_SETTLE) | SL_REASON_BIT(SL_REASON_BARRIER) | SL_REASON_BIT(SL_REASON_NO_DATA), "barrier,no_data,settle"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[256];
        cr_assert_str_eq(sl_reasons_text(cases[i].set, text), cases[i].text);
    }
    for (size_t i = 0; i < SL_N_REASONS; i++) {
        char text[256];
        cr_assert_str_eq(sl_reasons_text(SL_REASON_BIT(i), text), sl_reason_name((enum sl_reason)i));
    }
}
