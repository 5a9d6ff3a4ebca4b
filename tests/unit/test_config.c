/* The configuration: every error word for word, every default, the normal form and its hash, overrides, and the pipeline it was made for. */
#include <criterion/criterion.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/config.h>
#include <sluice/file.h>
#include <sluice/json.h>
#include <sluice/yaml.h>

#include "support/config_cases.h"
#include "support/shared.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const char *test_env(const char *name)
{
    static const char *const env[][2] = {
        {"SLUICE_TEST_STAGE", "blue"}, {"SLUICE_TEST_DAYS", "7d"}, {"SLUICE_TEST_SECRET", "hunter2"}, {"SLUICE_TEST_PORT", "25"}};
    for (size_t i = 0; i < N(env); i++)
        if (strcmp(env[i][0], name) == 0)
            return env[i][1];
    return NULL;
}

static enum sl_code parse(struct sl_config **out, const char *text, const struct sl_override *sets, size_t n_sets, struct sl_buf *errors,
                          struct sl_err *err)
{
    return sl_config_parse(out, text, strlen(text), "shop.yaml", "/etc/sluice", sets, n_sets, test_env, errors, err);
}

static struct sl_config *good(const char *text, const struct sl_override *sets, size_t n_sets)
{
    struct sl_config *config = NULL;
    struct sl_buf errors = {0};
    struct sl_err err = {0};
    cr_assert_eq(parse(&config, text, sets, n_sets, &errors, &err), SL_OK, "%s", sl_buf_text(&errors));
    cr_assert_not_null(config);
    cr_assert_eq(errors.len, 0);
    sl_buf_fini(&errors);
    return config;
}

static struct sl_config *shop_with(const char *key, const char *value)
{
    struct sl_override set = {key, value};
    return good(SHOP_YAML, &set, 1);
}

/* `text` with what is from `from` up to `upto` replaced by `with`; see struct broken_config. */
static void replace(struct sl_buf *out, const char *text, const char *from, const char *upto, const char *with)
{
    if (from == NULL) {
        sl_buf_str(out, with);
        return;
    }
    const char *at = strstr(text, from);
    cr_assert_not_null(at, "no '%s'", from);
    const char *end = upto == NULL ? at + strlen(from) : strstr(at, upto);
    cr_assert_not_null(end);
    sl_buf_add(out, text, (size_t)(at - text));
    sl_buf_str(out, with);
    sl_buf_str(out, end);
}

static void expect_errors(const char *label, const char *text, const struct sl_override *set, const char *expected)
{
    struct sl_config *config = NULL;
    struct sl_buf errors = {0};
    struct sl_err err = {0};
    enum sl_code code = parse(&config, text, set, set != NULL, &errors, &err);
    cr_expect_eq(code, SL_INVALID, "%s", label);
    cr_expect_null(config, "%s", label);
    cr_expect_str_eq(sl_buf_text(&errors), expected, "%s:\n%s", label, sl_buf_text(&errors));
    size_t first = strcspn(expected, "\n");
    cr_expect(strlen(err.text) == first && strncmp(err.text, expected, first) == 0, "%s: %s", label, err.text);
    sl_buf_fini(&errors);
    sl_config_destroy(&config);
}

Test(config, every_error_says_where_what_and_what_instead)
{
    for (size_t i = 0; i < N(BROKEN); i++) {
        struct sl_buf text = {0};
        replace(&text, SHOP_YAML, BROKEN[i].from, BROKEN[i].upto, BROKEN[i].with);
        expect_errors(BROKEN[i].label, sl_buf_text(&text), NULL, BROKEN[i].errors);
        sl_buf_fini(&text);
    }
}

Test(config, errors_of_an_override)
{
    for (size_t i = 0; i < N(BROKEN_SETS); i++) {
        struct sl_override set = {BROKEN_SETS[i].key, BROKEN_SETS[i].value};
        expect_errors(BROKEN_SETS[i].label, SHOP_YAML, &set, BROKEN_SETS[i].errors);
    }
}

Test(config, errors_may_go_nowhere)
{
    struct sl_config *config = NULL;
    cr_assert_eq(parse(&config, "version: 2", NULL, 0, NULL, NULL), SL_INVALID);
    cr_assert_null(config);
    sl_config_destroy(&config);
    sl_config_destroy(NULL);
}

Test(config, errors_have_an_end)
{
    struct sl_buf text = {0}, errors = {0};
    struct sl_config *config = NULL;
    for (int i = 0; i < 5000; i++)
        sl_buf_printf(&text, "key%d: x\n", i);
    cr_assert_eq(parse(&config, sl_buf_text(&text), NULL, 0, &errors, NULL), SL_INVALID);
    size_t lines = 0;
    for (const char *at = sl_buf_text(&errors); *at != '\0'; at++)
        lines += *at == '\n';
    cr_expect_eq(lines, 200);
    sl_buf_fini(&text);
    sl_buf_fini(&errors);
}

Test(config, a_secret_is_not_quoted_in_an_error)
{
    struct sl_override set = {"ledger.dsn", "''"};
    expect_errors("dsn", SHOP_YAML, &set, "--set: ledger.dsn: found '***'; expected a text, or null\n");
}

/* Writing a default down changes nothing; another value changes the hash. SHOP_YAML says none of these. */
static const struct {
    const char *key, *def, *other;
} DEFAULTS[] = {
    {"message.max_bytes", "10000000", "5000"},
    {"message.fields.processor_name", "[processor_name]", "name"},
    {"message.fields.date", "data_date", "day"},
    {"calendar.history_from", "null", "2024-10-22"},
    {"calendar.cancelled", "null", "{status: 9}"},
    {"calendar.suspect_above", "20%", "21%"},
    {"phases.raw.on_empty", "nothing", "trigger"},
    {"defaults.on_empty", "nothing", "trigger"},
    {"defaults.on_skip", "hold", "drop"},
    {"defaults.on_late", "mark", "ignore"},
    {"defaults.on_late", "mark", "retrigger"},
    {"defaults.on_stale", "mark", "retrigger"},
    {"defaults.on_unanswered", "alert", "retrigger"},
    {"defaults.mode", "live", "observe"},
    {"defaults.bootstrap", "0d", "14d"},
    {"defaults.answer_within", "2h", "121m"},
    {"defaults.expect_by", "null", "06:00"},
    {"defaults.share", "60%", "59.5%"},
    {"defaults.grace", "300s", "0s"},
    {"defaults.settle", "5m", "0s"},
    {"defaults.deadline.waive_critical", "false", "true"},
    {"defaults.deadline.at", "null", "23:59"},
    {"phases.raw.checks.units", "soft", "strict"},
    {"phases.report.checks.upstream", "{mode: strict, running_timeout: 4h}", "{running_timeout: 3h}"},
    {"phases.report.checks.gaps", "{}", "soft"},
    {"phases.report.checks.gaps.every_day", "false", "true"},
    {"phases.report.checks.gaps.degrade_after", "null", "24h"},
    {"phases.report.checks.gaps.look_back", "720h", "31d"},
    {"phases.report.checks.completeness.mode", "soft", "strict"},
    {"phases.report.checks.completeness.window", "10 units", "10 days"},
    {"phases.report.processors.totals.audit", "true", "false"},
    {"phases.report.processors.totals.stamp", "false", "true"},
    {"phases.report.processors.totals.fingerprint", "{exclude: []}", "{exclude: [processed_at]}"},
    {"phases.report.started_by.fields", "{}", "{game_date: data_date}"},
    {"phases.report.started_by.attributes", "{}", "{env: prod}"},
    {"phases.raw.processors.sales.quality.expected_rows", "null", "2"},
    {"quality.thresholds", "[95, 75, 50, 25]", "[95.5, 75, 50, 25]"},
    {"quality.ceilings", "{gold: 1.0, silver: 0.95, bronze: 0.8, poor: 0.6, unusable: 0.0}", "{poor: 0.5}"},
    {"quality.thin", "50%", "51%"},
    {"quality.thin_early", "30%", "31%"},
    {"quality.early_units", "15", "16"},
    {"quality.expected", "{early: 3, mid: 5, full: 8, none: 10}", "{early: 4}"},
    {"quality.historical", "{tier: silver, score: 80.0}", "{tier: bronze}"},
    {"coverage.load.every", "1m", "61s"},
    {"coverage.load.max_events", "50000", "1"},
    {"coverage.load.max_bytes", "8000000", "1"},
    {"coverage.require_partition_filter", "false", "true"},
    {"coverage.runs.written_by", "sluice", "processors"},
    {"worker", "{batch: {messages: 1000, bytes: 8000000}, recheck: {min: 1m, max: 1h, for: 7d}}", "{batch: {bytes: 1}}"},
    {"warehouse.max_parallel", "8", "9"},
    {"retention", "{facts: 400d, inbox: null}", "{inbox: 8d}"},
    {"audit.heartbeat", "26h", "27h"},
    {"audit.stuck_after", "6h", "7h"},
    {"audit.look_back", "30d", "31d"},
    {"alerts", "{window: 4h, digest_at: \"10:00\", channels: [{type: log}]}", "{channels: []}"},
    {"http", "null", "{listen: \"127.0.0.1:8080\"}"},
};

Test(config, defaults_are_what_the_contract_says)
{
    struct sl_config *plain = good(SHOP_YAML, NULL, 0);
    for (size_t i = 0; i < N(DEFAULTS); i++) {
        struct sl_config *same = shop_with(DEFAULTS[i].key, DEFAULTS[i].def);
        cr_expect_str_eq(same->hash, plain->hash, "%s=%s", DEFAULTS[i].key, DEFAULTS[i].def);
        sl_config_destroy(&same);
        struct sl_config *other = shop_with(DEFAULTS[i].key, DEFAULTS[i].other);
        cr_expect_str_neq(other->hash, plain->hash, "%s=%s", DEFAULTS[i].key, DEFAULTS[i].other);
        sl_config_destroy(&other);
    }
    sl_config_destroy(&plain);
}

Test(config, hash_is_of_what_is_meant)
{
    static const struct {
        const char *label, *from, *with;
    } same[] = {
        {"a comment", "pipeline: shop\n", "pipeline: shop   # the shop\n\n"},
        {"keys in another order", "pipeline: shop\ntimezone: Europe/Berlin\n", "timezone: Europe/Berlin\npipeline: shop\n"},
        {"keys of a flow map in another order", "{month: 1, day: 31}", "{day: 31, month: 1}"},
        {"another unit", "settle: 5m", "settle: 300s"},
        {"a lone value", "after: [raw]", "after: raw"},
        {"a value and its list", "{status: 3}", "{status: ['3']}"},
        {"a shorthand written out", "upstream: strict", "upstream: {mode: strict}"},
        {"need by profile", "required: critical\n", "required: {past: critical, future: critical, today: critical}\n"},
        {"a fallback written out", "[raw.backup]", "[{table: raw.backup, columns: {}}]"},
        {"a fallback's columns where the owner has its own", "[raw.backup]", "[{table: raw.backup, date_column: x, unit_column: y}]"},
        {"a default in the phase", "  - name: report\n", "  - name: report\n    settle: 5m\n"},
        {"percent", "threshold: 70%", "threshold: 70.0%"},
    };
    struct sl_config *plain = good(SHOP_YAML, NULL, 0);
    cr_assert_eq(strlen(plain->hash), 64);
    for (size_t i = 0; i < N(same); i++) {
        struct sl_buf text = {0};
        replace(&text, SHOP_YAML, same[i].from, NULL, same[i].with);
        struct sl_config *config = good(sl_buf_text(&text), NULL, 0);
        cr_expect_str_eq(config->hash, plain->hash, "%s:\n%s\n%s", same[i].label, config->normal, plain->normal);
        sl_config_destroy(&config);
        sl_buf_fini(&text);
    }
    sl_config_destroy(&plain);
}

/* Two files with one hash must not decide differently: maps are bound in sorted order. */
Test(config, maps_are_bound_sorted)
{
    struct sl_config *c = shop_with("calendar.planned", "{z: 1, a: [3, 2]}");
    cr_expect_str_eq(c->calendar->planned.terms[0].column, "a");
    cr_expect_str_eq(c->calendar->planned.terms[0].values[0], "3", "lists keep their order");
    cr_expect_str_eq(c->calendar->planned.terms[1].column, "z");
    sl_config_destroy(&c);
}

Test(config, the_normal_form_is_a_config_and_its_own_normal_form)
{
    struct sl_config *plain = good(SHOP_YAML, NULL, 0), *again = good(plain->normal, NULL, 0);
    cr_expect_str_eq(again->normal, plain->normal);
    struct sl_buf shown = {0};
    sl_config_show(&shown, plain);
    struct sl_config *of_shown = good(sl_buf_text(&shown), NULL, 0);
    cr_expect_str_eq(of_shown->hash, plain->hash);
    cr_expect_null(strstr(plain->normal, "\"defaults\""));
    sl_buf_fini(&shown);
    sl_config_destroy(&of_shown);
    sl_config_destroy(&again);
    sl_config_destroy(&plain);
}

static const struct sl_phase *phase_of(const struct sl_config *config, const char *name)
{
    const struct sl_phase *phase = sl_config_phase(config, name);
    cr_assert_not_null(phase, "%s", name);
    return phase;
}

Test(config, values_of_the_whole)
{
    struct sl_config *c = good(SHOP_YAML, NULL, 0);
    cr_expect_eq(c->version, 1);
    cr_expect_str_eq(c->pipeline, "shop");
    cr_expect_str_eq(sl_zone_name(c->zone), "Europe/Berlin");
    cr_expect_str_eq(sl_zone_name(c->message.naive_zone), "UTC");
    cr_expect_str_eq(c->file, "shop.yaml");
    cr_expect_str_eq(c->bus.path, "/etc/sluice/state/broker");
    cr_expect_str_eq(c->ledger.path, "/etc/sluice/state/ledger.db");
    cr_expect_str_eq(c->warehouse.path, "/etc/sluice/data");
    cr_expect_null(c->ledger.dsn);
    cr_expect_str_eq(c->calendar->planned.terms[0].column, "kind");
    cr_expect_str_eq(c->calendar->done.terms[0].values[0], "3");
    cr_expect_eq(c->calendar->cancelled.n, 0);
    cr_expect_str_eq(c->calendar->entities[0].columns[1], "away");
    cr_expect_eq(c->calendar->season_month, 1);
    cr_expect_eq(c->calendar->season_day, 31);
    cr_expect_eq(c->calendar->history_from, SL_DATE_NONE);
    cr_expect_eq(c->retention.inbox_ms, -1);
    cr_expect_eq(c->retention.facts_ms, 400LL * 86400000);
    cr_expect_eq(c->worker.recheck_for_ms, 7LL * 86400000);
    cr_expect_eq(c->audit.at_minutes, 9 * 60);
    cr_expect_eq(c->quality.thresholds[1], 75.0);
    cr_expect_eq(c->quality.ceilings[1], 0.95);
    cr_expect_str_eq(c->alerts.channels[0].type, "log");
    cr_expect_null(c->http_listen);
    cr_expect_str_eq(c->message.date[0], "data_date");
    sl_config_destroy(&c);
}

Test(config, values_of_phases)
{
    struct sl_config *c = good(SHOP_YAML, NULL, 0);
    const struct sl_phase *raw = phase_of(c, "phase_1"), *report = phase_of(c, "report");
    cr_expect_str_eq(raw->name, "raw");
    cr_expect_eq(raw->deadline.after_ms, 1800000);
    cr_expect_eq(raw->deadline.at_minutes, -1);
    cr_expect_eq(report->deadline.after_ms, 1800000, "a phase replaces only the keys it gives");
    cr_expect_eq(report->deadline.at_minutes, 360);
    cr_expect_eq(report->deadline.then, SL_DEADLINE_ALERT);
    cr_expect_eq(report->checks.upstream.mode, SL_STRICT);
    cr_expect_eq(report->checks.upstream.running_timeout_ms, 4LL * 3600000);
    cr_expect_eq(raw->checks.upstream.mode, SL_OFF);
    cr_expect_eq(report->checks.gaps.look_back_days, 30);
    cr_expect_eq(report->checks.gaps.degrade_after_ms, -1);
    cr_expect_eq(report->checks.completeness.mode, SL_SOFT);
    cr_expect_eq(report->checks.completeness.window.kind, SL_WINDOW_UNITS);
    cr_expect_eq(report->checks.completeness.threshold, 0.7);
    cr_expect_eq(raw->share, 0.6);
    cr_expect_eq(raw->n_followers, 1);
    cr_expect_eq(raw->followers[0], report->index);
    cr_expect_eq(report->rank, 1);
    cr_expect_str_eq(report->trigger_topic, "start-report");
    cr_expect_null(raw->trigger_topic);
    sl_config_destroy(&c);
}

Test(config, values_of_processors)
{
    struct sl_config *c = good(SHOP_YAML, NULL, 0);
    const struct sl_phase *raw = phase_of(c, "raw"), *where = NULL;
    const struct sl_processor *sales = sl_phase_processor(raw, "SalesLoader"), *backup = sl_phase_processor(raw, "backup");
    const struct sl_processor *totals = sl_config_table_owner(c, "rep.totals", &where);
    cr_assert(sales != NULL && backup != NULL && totals != NULL);
    cr_expect_str_eq(where->name, "report");
    cr_expect_null(sl_config_table_owner(c, "raw.nothing", NULL));
    cr_expect_null(sl_phase_processor(raw, "sale"));
    cr_expect_null(sl_config_phase_n(c, "raw", 2));
    cr_expect_eq(sales->n_sources, 2);
    cr_expect_str_eq(sales->sources[0].unit_column, "shop");
    cr_expect_str_eq(sales->sources[1].date_column, "bday", "the owner of a fallback lends its columns");
    cr_expect_null(sales->sources[1].unit_column);
    cr_expect_null(backup->sources[0].unit_column);
    cr_expect_str_eq(backup->sources[0].date_column, "bday");
    cr_expect_eq(totals->need[SL_PAST], SL_CRITICAL);
    cr_expect_eq(totals->need[SL_TODAY], SL_NOT_REQUIRED);
    cr_expect_eq(sales->need[SL_FUTURE], SL_CRITICAL);
    cr_expect_eq(totals->inputs[0].window.n, 10);
    cr_expect_eq(totals->inputs[0].window.kind, SL_WINDOW_ROWS);
    cr_expect_str_eq(sales->quality->weights[0].field, "a");
    cr_expect_eq(sales->quality->weights[0].weight, 2.0);
    cr_expect(totals->audit && !totals->stamp);
    sl_config_destroy(&c);
}

Test(config, columns_of_a_fallback_that_nobody_owns)
{
    static const struct {
        const char *label, *fallback, *date, *unit;
    } cases[] = {
        {"the defaults", "[raw.other]", "day", "shop"},
        {"as given", "[{table: raw.other, date_column: d, unit_column: u}]", "d", "u"},
        {"one given", "[{table: raw.other, unit_column: none}]", "day", NULL},
        {"owned", "[{table: rep.totals, date_column: d}]", "day", "shop"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_config *c = shop_with("phases.raw.processors.sales.fallback", cases[i].fallback);
        const struct sl_source *source = &phase_of(c, "raw")->processors[0].sources[1];
        cr_expect_str_eq(source->date_column, cases[i].date, "%s", cases[i].label);
        cr_expect(sl_str_eq(source->unit_column, cases[i].unit), "%s", cases[i].label);
        sl_config_destroy(&c);
    }
}

Test(config, overrides_reach_what_they_name)
{
    static const struct {
        const char *key, *raw, *report; /* settle of both, as it should be */
    } cases[] = {
        {"defaults.settle", "0", "0"},      {"phases.raw.settle", "0", "300000"},    {"phases.phase_1.settle", "0", "300000"},
        {"phases.0.settle", "0", "300000"}, {"phases.report.settle", "300000", "0"}, {"phases.1.settle", "300000", "0"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_config *c = shop_with(cases[i].key, "0s");
        cr_expect_eq(phase_of(c, "raw")->settle_ms, atoll(cases[i].raw), "%s", cases[i].key);
        cr_expect_eq(phase_of(c, "report")->settle_ms, atoll(cases[i].report), "%s", cases[i].key);
        sl_config_destroy(&c);
    }
    struct sl_override own[] = {{"phases.report.settle", "1m"}, {"defaults.settle", "0s"}};
    struct sl_config *c = good(SHOP_YAML, own, N(own));
    cr_expect_eq(phase_of(c, "report")->settle_ms, 60000, "what a phase says itself stays");
    sl_config_destroy(&c);
}

Test(config, overrides_open_shorthands)
{
    struct sl_override sets[] = {
        {"phases.report.checks.upstream.running_timeout", "1h"},
        {"phases.raw.processors.SalesLoader.required.future", "none"},
        {"phases.raw.processors.sales.fallback.0.columns.ours", "theirs"},
        {"phases.report.started_by.attributes.a.b", "dotted"},
        {"calendar.done.status", "[3, 4]"},
        {"http.listen", "\"127.0.0.1:1\""},
    };
    struct sl_config *c = good(SHOP_YAML, sets, N(sets));
    const struct sl_phase *raw = phase_of(c, "raw"), *report = phase_of(c, "report");
    cr_expect_eq(report->checks.upstream.mode, SL_STRICT);
    cr_expect_eq(report->checks.upstream.running_timeout_ms, 3600000);
    cr_expect_eq(raw->processors[0].need[SL_PAST], SL_CRITICAL);
    cr_expect_eq(raw->processors[0].need[SL_FUTURE], SL_NOT_REQUIRED);
    cr_expect_str_eq(raw->processors[0].sources[1].table, "raw.backup");
    cr_expect_str_eq(raw->processors[0].sources[1].columns[0].value, "theirs");
    cr_expect_str_eq(report->trigger_attributes[0].key, "a.b");
    cr_expect_eq(c->calendar->done.terms[0].n, 2);
    cr_expect_str_eq(c->http_listen, "127.0.0.1:1");
    sl_config_destroy(&c);
}

Test(config, variables_of_the_environment)
{
    static const struct {
        const char *value, *expected;
    } cases[] = {
        {"${SLUICE_TEST_STAGE}", "blue"},
        {"a-${SLUICE_TEST_STAGE}-${SLUICE_TEST_DAYS}", "a-blue-7d"},
        {"$${SLUICE_TEST_STAGE}", "${SLUICE_TEST_STAGE}"},
        {"5$", "5$"},
        {"'${SLUICE_TEST_STAGE}'", "blue"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_config *c = shop_with("environment", cases[i].value);
        cr_expect_str_eq(c->environment, cases[i].expected);
        sl_config_destroy(&c);
    }
    struct sl_override sets[] = {{"audit.look_back", "${SLUICE_TEST_DAYS}"},
                                 {"warehouse.max_parallel", "\"${SLUICE_TEST_PORT}\""},
                                 {"calendar.done.status", "['${SLUICE_TEST_PORT}']"}};
    struct sl_config *c = good(SHOP_YAML, sets, N(sets));
    cr_expect_eq(c->audit.look_back_days, 7);
    cr_expect_eq(c->warehouse.max_parallel, 25);
    cr_expect_str_eq(c->calendar->done.terms[0].values[0], "25");
    sl_config_destroy(&c);
}

Test(config, secrets_are_masked)
{
    static const struct {
        const char *key, *value, *shown, *hidden;
    } cases[] = {
        {"ledger.dsn", "service=sluice", "\"service=sluice\"", "***"},
        {"ledger.dsn", "host=a password=hunter2 user=b", "\"host=a password=*** user=b\"", "hunter2"},
        {"ledger.dsn", "host=a password='hun ter2' user=b", "\"host=a password=***\"", "ter2"},
        {"ledger.dsn", "password=x password=hunter2", "\"password=***\"", "hunter2"},
        {"ledger.dsn", "\"postgres://u:hunter2@h/db\"", "\"postgres://u:***@h/db\"", "hunter2"},
        {"ledger.dsn", "\"postgres://u@h/db\"", "\"postgres://u@h/db\"", "***"},
        {"ledger.dsn", "x${SLUICE_TEST_SECRET}", "\"dsn\": \"***\"", "hunter2"},
        {"alerts.channels", "[{type: slack, webhook: \"https://a/hunter2\"}]", "\"webhook\": \"***\"", "hunter2"},
        {"alerts.channels", "[{type: webhook, url: \"https://a/hunter2\"}]", "\"url\": \"***\"", "hunter2"},
        {"alerts.channels", "[{type: slack, webhook_env: HOOK}]", "\"webhook_env\": \"HOOK\"", "***"},
        {"environment", "${SLUICE_TEST_STAGE}", "\"environment\": \"blue\"", "***"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_config *c = shop_with(cases[i].key, cases[i].value);
        struct sl_buf out = {0};
        sl_config_show(&out, c);
        cr_expect_not_null(strstr(sl_buf_text(&out), cases[i].shown), "%s", cases[i].value);
        cr_expect_null(strstr(sl_buf_text(&out), cases[i].hidden), "%s", cases[i].value);
        sl_buf_fini(&out);
        sl_config_destroy(&c);
    }
}

Test(config, channels_keep_their_settings)
{
    struct sl_config *c = shop_with("alerts.channels", "[log, {type: mail, host: h, port: 25, from: a@b, to: [c@d, e@f]}]");
    cr_assert_eq(c->alerts.n_channels, 2);
    const struct sl_channel *mail = &c->alerts.channels[1];
    cr_assert_eq(mail->n_settings, 4);
    static const char *const expected[][2] = {{"from", "a@b"}, {"host", "h"}, {"port", "25"}, {"to", "c@d,e@f"}};
    for (size_t i = 0; i < 4; i++) {
        cr_expect_str_eq(mail->settings[i].key, expected[i][0]);
        cr_expect_str_eq(mail->settings[i].value, expected[i][1]);
    }
    sl_config_destroy(&c);
}

Test(config, addresses)
{
    static const struct {
        const char *listen;
        bool good;
    } cases[] = {
        {"127.0.0.1:0", true}, {"0.0.0.0:65535", true}, {"'[::1]:8085'", true}, {"'localhost:8085'", true}, {"unix:/tmp/broker", true},
        {"nowhere", false},    {"'8085'", false},       {"'127.0.0.1'", false}, {"'127.0.0.1:x'", false},   {"'127.0.0.1:65536'", false},
        {"':8085'", false},    {"'unix:'", false},      {"''", false},          {"'127.0.0.1:-1'", false},
    };
    static const char *const keys[] = {"bus.listen", "http.listen"};
    for (size_t i = 0; i < 2 * N(cases); i++) {
        const struct sl_override set = {keys[i % 2], cases[i / 2].listen};
        struct sl_config *config = NULL;
        struct sl_buf errors = {0};
        cr_expect_eq(parse(&config, SHOP_YAML, &set, 1, &errors, NULL) == SL_OK, cases[i / 2].good, "%s: %s", set.key, set.value);
        cr_expect(cases[i / 2].good || strstr(sl_buf_text(&errors), set.key) != NULL, "%s", sl_buf_text(&errors));
        sl_buf_fini(&errors);
        sl_config_destroy(&config);
    }
}

Test(config, warnings)
{
    static const struct {
        const char *key, *value, *warning; /* NULL: none */
    } cases[] = {
        {"audit.at", "09:00", NULL},
        {"phases.report.checks.completeness.mode", "off", NULL},
        {"phases.report.checks.completeness.table", "raw.others",
         "phases.report.checks.completeness.table: no processor fills raw.others: only its own rows are counted, no fallback's"},
        {"phases.report.checks.quality", "soft",
         "phases.report.checks.quality: no processor of the phase has a quality profile: there is nothing to assess"},
        {"phases.report.processors.totals.inputs.0.table", "raw.others",
         "phases.report.processors.totals.inputs.0.table: no processor fills raw.others: its rows hand down only the quality_tier that "
         "they have "
         "themselves"},
        {"phases.raw.on_skip", "coalesce", "phases.raw.on_skip: coalesce is validated, not evaluated yet: suppressed triggers are held"},
        {"defaults", "{date_column: day}",
         "phases.raw.processors.sales: the table raw.sales is judged by date, because nothing names its unit column; "
         "unit_column: none says that it is meant"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_config *c = shop_with(cases[i].key, cases[i].value);
        bool found = cases[i].warning == NULL;
        for (size_t w = 0; w < c->n_warnings; w++)
            found = found || strcmp(c->warnings[w], cases[i].warning) == 0;
        cr_expect(found, "%s", cases[i].key);
        if (cases[i].warning == NULL)
            cr_expect_eq(c->n_warnings, 0, "%s", cases[i].key);
        sl_config_destroy(&c);
    }
}

/* ---- reconstructions ---- */

/* What is found wrong in `sql`; NULL: nothing. */
static const char *found_wrong(const char *sql, const char *engine, bool units, struct sl_buf *errors)
{
    struct sl_buf text = {0};
    struct sl_config *config = NULL;
    sl_buf_printf(
        &text,
        "{version: 1, pipeline: p, warehouse: {type: %s, project: q}, calendar: {table: d.c, date_column: day, unit_column: u}, phases: "
        "[{name: a, processors: [{name: x, required: critical, table: d.t, date_column: day, unit_column: %s}]}]}",
        engine, units ? "u" : "none");
    struct sl_buf quoted = {0};
    struct sl_json json;
    sl_json_init(&json, &quoted);
    sl_json_object(&json);
    sl_json_put_str(&json, "sql", sql);
    sl_json_end_object(&json);
    const struct sl_override set = {"phases.a.processors.x.reconstruction", sl_buf_text(&quoted)};
    enum sl_code code = parse(&config, sl_buf_text(&text), &set, 1, errors, NULL);
    sl_config_destroy(&config);
    sl_buf_fini(&quoted);
    sl_buf_fini(&text);
    return code == SL_OK ? NULL : sl_buf_text(errors);
}

#define INTO   "INSERT INTO d.t SELECT a FROM d.s "
#define BOTH   "WHERE d = @date AND u = @unit"
#define SQLITE "sqlite"
#define GOOGLE "bigquery"

Test(config, a_reconstruction_is_one_insert_into_its_table)
{
    static const struct {
        const char *sql, *engine, *found; /* NULL: nothing wrong */
        bool by_date;
    } rows[] = {
        {INTO BOTH, SQLITE, NULL, false},
        {INTO BOTH ";", SQLITE, NULL, false},
        {INTO BOTH " ; -- done\n /* really */ ", SQLITE, NULL, false},
        {"insert into d.t (a, \"b c\") select a, b from d.s " BOTH, SQLITE, NULL, false},
        {"-- why\nINSERT /* where */ INTO d . t SELECT a FROM d.s " BOTH, SQLITE, NULL, false},
        {"INSERT INTO \"d\".[t] SELECT a FROM `d`.s " BOTH, SQLITE, NULL, false},
        {"INSERT INTO D.T SELECT a FROM d.s " BOTH, SQLITE, NULL, false},
        {"INSERT INTO d.t WITH x AS (SELECT 1) SELECT a FROM x " BOTH, SQLITE, NULL, false},
        {INTO "JOIN d.q ON (a = b) " BOTH " AND x = 'it''s; @no ) RETURNING'", SQLITE, NULL, false},
        {INTO BOTH " AND x = '\\'", SQLITE, NULL, false},
        {INTO "WHERE d = @date", SQLITE, NULL, true},
        {"INSERT INTO `q.d.t` SELECT a FROM d.s " BOTH, GOOGLE, NULL, false},
        {"INSERT INTO `q`.d.`t` (a) SELECT a FROM d.s # @no ;\n" BOTH, GOOGLE, NULL, false},
        {INTO BOTH " AND x IN ('it\\'s; (', \"\"\"a \"quoted\" ; ' @no\"\"\", '', [1][OFFSET(0)])", GOOGLE, NULL, false},
        {"x", SQLITE, "'x' where INSERT belongs", false},
        {" -- nothing", SQLITE, "its end where INSERT belongs", false},
        {"/* INSERT INTO d.t SELECT", SQLITE, "a comment without end where INSERT belongs", false},
        {"REPLACE INTO d.t SELECT 1 " BOTH, SQLITE, "'REPLACE' where INSERT belongs", false},
        {"INSERT OR REPLACE INTO d.t SELECT 1 " BOTH, SQLITE, "'OR' where INTO belongs", false},
        {"INSERT d.t SELECT 1 " BOTH, GOOGLE, "'d' where INTO belongs", false},
        {"WITH x AS (SELECT 1) INSERT INTO d.t SELECT 1 " BOTH, SQLITE, "'WITH' where INSERT belongs", false},
        {"INSERT INTO d.other SELECT 1 " BOTH, SQLITE, "the table 'd.other'", false},
        {"INSERT INTO t SELECT 1 " BOTH, SQLITE, "the table 't'", false},
        {"INSERT INTO xd.t SELECT 1 " BOTH, GOOGLE, "the table 'xd.t'", false},
        {"INSERT INTO D.T SELECT 1 " BOTH, GOOGLE, "the table 'D.T'", false},
        {"INSERT INTO (SELECT 1) " BOTH, SQLITE, "'(' where d.t belongs", false},
        {"INSERT INTO 'd.t' SELECT 1 " BOTH, SQLITE, "where d.t belongs", false},
        {"INSERT INTO \"d.t SELECT 1 " BOTH, SQLITE, "quotes without end where d.t belongs", false},
        {"INSERT INTO d.t VALUES (@date, @unit)", SQLITE, "'VALUES' where SELECT belongs", false},
        {"INSERT INTO d.t (a) VALUES (@date, @unit)", SQLITE, "'VALUES' where SELECT belongs", false},
        {"INSERT INTO d.t (a", SQLITE, "its end where SELECT belongs", false},
        {"INSERT INTO d.t DEFAULT VALUES", SQLITE, "'DEFAULT' where SELECT belongs", false},
        {INTO BOTH "; DROP TABLE d.t", SQLITE, "a second statement", false},
        {INTO BOTH "; -- x\n DELETE FROM d.t", SQLITE, "a second statement", false},
        {INTO BOTH ";;", SQLITE, "a second statement", false},
        {INTO BOTH " AND (1 ; )", SQLITE, "';' inside parentheses", false},
        {INTO BOTH " AND x = '\\'; DROP TABLE d.t; --'", SQLITE, "a second statement", false},
        {INTO BOTH " AND x = 'open", SQLITE, "quotes without end", false},
        {INTO BOTH " AND x = '\\'", GOOGLE, "quotes without end", false},
        {INTO BOTH " /* open", SQLITE, "a comment without end", false},
        {INTO BOTH " AND (a = 1", SQLITE, "a '(' that nothing closes", false},
        {INTO BOTH ")", SQLITE, "a ')' that nothing opens", false},
        {INTO BOTH " ON CONFLICT DO NOTHING", SQLITE, "ON CONFLICT", false},
        {INTO BOTH " RETURNING a", SQLITE, "RETURNING", false},
        {INTO "WHERE u = @unit", SQLITE, "no @date", false},
        {INTO "WHERE d = @date", SQLITE, "no @unit", false},
        {INTO "WHERE d = '@date' AND u = @unit", SQLITE, "no @date", false},
        {INTO "WHERE d = @date -- @unit", SQLITE, "no @unit", false},
        {INTO BOTH, SQLITE, "@unit, although the table is judged by date", true},
        {INTO BOTH " AND x = @dates", SQLITE, "the parameter '@dates'", false},
        {INTO BOTH " AND x = @DATE", SQLITE, "the parameter '@DATE'", false},
        {INTO BOTH " AND x = ?", SQLITE, "the parameter '?'", false},
        {INTO BOTH " AND x = :x", SQLITE, "the parameter ':x'", false},
        {INTO BOTH " AND x = $x", SQLITE, "the parameter '$x'", false},
        {INTO BOTH " AND x = @@version", GOOGLE, "the parameter '@'", false},
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct sl_buf errors = {0};
        const char *found = found_wrong(rows[i].sql, rows[i].engine, !rows[i].by_date, &errors);
        if (rows[i].found == NULL)
            cr_expect_null(found, "%s: %s", rows[i].sql, found);
        else
            cr_expect(found != NULL && strstr(found, rows[i].found) != NULL, "%s: found %s, expected %s", rows[i].sql,
                      found == NULL ? "nothing" : found, rows[i].found);
        sl_buf_fini(&errors);
    }
}

/* Inputs that go round in a circle of three, beside a phase that is fine. */
Test(config, inputs_in_a_circle)
{
    static const char text[] = "{version: 1, pipeline: p, defaults: {date_column: d, unit_column: u}, phases: [{name: a, processors: [\n"
                               "{name: x, required: critical, table: d.x, inputs: [{table: d.y, entity_column: e, window: 3 rows}]},\n"
                               "{name: y, required: critical, table: d.y, inputs: [{table: d.z, entity_column: e, window: 3 rows}]},\n"
                               "{name: z, required: critical, table: d.z, inputs: [{table: d.x, entity_column: e, window: 3 rows}]},\n"
                               "{name: w, required: critical, table: d.w, inputs: [{table: d.x, entity_column: e, window: 3 rows}]}]}]}\n";
    expect_errors(
        "a circle", text, NULL,
        "shop.yaml:4: phases.a.processors.z.inputs.0.table: found 'd.x', which is made from 'd.z' itself; expected inputs without a "
        "cycle\n");
}

Test(config, phases_in_dag_order)
{
    static const struct {
        const char *label, *after[5], *order;
    } cases[] = {
        {"alone", {"[]", "[]", "[]", "[]", "[]"}, "01234"},
        {"a chain backwards", {"[b]", "[c]", "[d]", "[e]", "[]"}, "43210"},
        {"a diamond", {"[]", "[a]", "[a]", "[c, b]", "[d]"}, "01234"},
        {"ties in config order", {"[e]", "[]", "[e]", "[]", "[]"}, "13402"},
        {"a late join", {"[d]", "[]", "[b]", "[]", "[a, c]"}, "12304"},
    };
    for (size_t i = 0; i < N(cases); i++) {
        struct sl_buf text = {0};
        sl_buf_str(&text, "{version: 1, pipeline: p, phases: [");
        for (size_t p = 0; p < 5; p++)
            sl_buf_printf(&text, "%s{name: %c, after: %s, processors: [{name: x, required: critical}]}", p > 0 ? ", " : "",
                          (char)('a' + (int)p), cases[i].after[p]);
        sl_buf_str(&text, "]}");
        struct sl_config *c = good(sl_buf_text(&text), NULL, 0);
        for (size_t r = 0; r < 5; r++) {
            cr_expect_eq(c->dag[r], (size_t)(cases[i].order[r] - '0'), "%s", cases[i].label);
            cr_expect_eq(c->phases[c->dag[r]].rank, r, "%s", cases[i].label);
        }
        sl_config_destroy(&c);
        sl_buf_fini(&text);
    }
}

/* Does the schema let `yaml` in? Types and keys only; what it does not understand it refuses. */
static bool schema_has(const json_t *schema, const struct sl_yaml *yaml);

static bool schema_has_items(const json_t *schema, const struct sl_yaml *yaml)
{
    const json_t *properties = json_object_get(schema, "properties"), *more = json_object_get(schema, "additionalProperties");
    for (size_t i = 0; i < yaml->n; i++) {
        const json_t *below = yaml->kind == SL_YAML_LIST ? json_object_get(schema, "items")
                                                         : json_object_get(properties, yaml->items[i]->key);
        if (below == NULL && json_is_object(more))
            below = more;
        if (below == NULL || !schema_has(below, yaml->items[i]))
            return false;
    }
    return true;
}

static bool schema_has(const json_t *schema, const struct sl_yaml *yaml)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(schema, "anyOf"), i, one) if (schema_has(one, yaml)) return true;
    const char *type = json_string_value(json_object_get(schema, "type"));
    if (yaml->kind == SL_YAML_MAP || yaml->kind == SL_YAML_LIST)
        return sl_str_eq(type, yaml->kind == SL_YAML_MAP ? "object" : "array") && schema_has_items(schema, yaml);
    if (yaml->kind == SL_YAML_NULL)
        return sl_str_eq(type, "null");
    json_array_foreach(json_object_get(schema, "enum"), i, one) if (sl_str_eq(json_string_value(one), yaml->text)) return true;
    bool scalar = type != NULL && strcmp(type, "object") != 0 && strcmp(type, "array") != 0 && strcmp(type, "null") != 0;
    return scalar || json_is_array(json_object_get(schema, "type"));
}

static void expect_in_schema(const char *label, const char *text, size_t len, bool expected)
{
    struct sl_buf out = {0};
    sl_config_schema(&out);
    json_error_t error;
    json_t *schema = json_loadb(sl_buf_text(&out), out.len, 0, &error);
    cr_assert_not_null(schema, "%s", error.text);
    cr_expect_str_eq(json_string_value(json_object_get(schema, "$schema")), "https://json-schema.org/draft/2020-12/schema");
    struct sl_arena arena = {0};
    struct sl_yaml *yaml = NULL;
    cr_assert_eq(sl_yaml_parse(&yaml, text, len, label, &arena, NULL), SL_OK);
    cr_expect_eq(schema_has(schema, yaml), expected, "%s", label);
    sl_arena_fini(&arena);
    json_decref(schema);
    sl_buf_fini(&out);
}

Test(config, schema)
{
    struct sl_config *plain = good(SHOP_YAML, NULL, 0);
    expect_in_schema("as written", SHOP_YAML, strlen(SHOP_YAML), true);
    expect_in_schema("normal form", plain->normal, strlen(plain->normal), true);
    static const char *const wrong[] = {"pipelin: x", "bus: {type: kafka}", "phases: [{processors: [{tabel: a.b}]}]", "phases: {a: b}",
                                        "audit: {at: null}"};
    for (size_t i = 0; i < N(wrong); i++)
        expect_in_schema(wrong[i], wrong[i], strlen(wrong[i]), false);
    sl_config_destroy(&plain);
}

static struct sl_config *load_nba(const struct sl_override *sets, size_t n_sets)
{
    char *path = shared_path("contract/nba.yaml");
    struct sl_config *config = NULL;
    struct sl_buf errors = {0};
    if (path != NULL)
        cr_assert_eq(sl_config_load(&config, path, sets, n_sets, NULL, &errors, NULL), SL_OK, "%s", sl_buf_text(&errors));
    sl_buf_fini(&errors);
    free(path);
    return config;
}

Test(config, nba_phases)
{
    struct sl_config *c = load_nba(NULL, 0);
    if (c == NULL)
        cr_skip_test("no nba.yaml");
    static const char *const names[] = {"phase_1_scrapers", "phase_2_raw", "phase_3_analytics", "phase_4_precompute",
                                        "phase_5_predictions"};
    cr_assert_eq(c->n_phases, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct sl_phase *phase = &c->phases[i];
        cr_expect_str_eq(phase->name, names[i]);
        cr_expect_eq(phase->rank, i);
        cr_expect_eq(phase->n_followers, i < 4);
        if (i < 4)
            cr_expect_eq(phase->followers[0], i + 1);
        cr_expect_eq(phase->share, 0.6);
        cr_expect_eq(phase->grace_ms, 300000);
        cr_expect_eq(phase->deadline.after_ms, 1800000);
        cr_expect_eq(phase->deadline.then, SL_DEADLINE_DEGRADE);
    }
    const struct sl_phase *raw = phase_of(c, "phase_2");
    cr_expect_eq(raw->checks.units, SL_STRICT);
    cr_expect_eq(raw->checks.gaps.mode, SL_SOFT);
    cr_expect_eq(phase_of(c, "phase_3")->checks.gaps.mode, SL_STRICT);
    cr_expect_eq(phase_of(c, "phase_3")->checks.completeness.threshold, 0.9);
    cr_expect_eq(phase_of(c, "phase_4")->on_stale, SL_STALE_MARK);
    cr_expect_eq(phase_of(c, "phase_5")->checks.gaps.mode, SL_OFF);
    cr_expect_eq(c->n_warnings, 0);
    sl_config_destroy(&c);
}

Test(config, nba_processors_and_calendar)
{
    struct sl_config *c = load_nba(NULL, 0);
    if (c == NULL)
        cr_skip_test("no nba.yaml");
    const struct sl_phase *where = NULL;
    const struct sl_processor *team = sl_phase_processor(phase_of(c, "phase_2"), "p2_nbacom_team_boxscore");
    cr_assert(team != NULL && team->n_sources == 3);
    cr_expect_str_eq(team->sources[1].table, "nba_raw.espn_team_boxscore");
    cr_expect_str_eq(team->sources[1].unit_column, "game_id");
    cr_expect_str_eq(team->sources[2].columns[0].key, "pts");
    cr_expect_str_eq(team->sources[2].columns[0].value, "points");
    cr_expect_eq(team->quality->expected_rows, 2);
    const struct sl_processor *summary = sl_config_table_owner(c, "nba_analytics.player_game_summary", &where);
    cr_assert_not_null(summary);
    cr_expect_str_eq(where->name, "phase_3_analytics");
    cr_expect_eq(summary->need[SL_PAST], SL_CRITICAL);
    cr_expect_eq(summary->need[SL_TODAY], SL_NOT_REQUIRED);
    cr_expect(summary->stamp);
    cr_expect_eq(summary->quality->n_weights, 4);
    const struct sl_processor *cache = sl_phase_processor(phase_of(c, "phase_4"), "player_daily_cache");
    cr_expect_str_eq(cache->sources[0].date_column, "cache_date");
    cr_expect_null(cache->sources[0].unit_column);
    cr_expect_eq(phase_of(c, "phase_1_scrapers")->processors[0].n_sources, 0);
    cr_expect_eq(c->calendar->planned.terms[0].n, 4);
    cr_expect_str_eq(c->calendar->season_column, "season");
    cr_expect_eq(c->calendar->suspect_above, 0.2);
    cr_expect_eq(c->message.n_processor_name, 3);
    cr_expect_str_eq(c->coverage.log_table, "nba_reference.source_coverage_log");
    cr_expect_str_eq(c->http_listen, "127.0.0.1:8080");
    cr_expect_not_null(strstr(c->ledger.path, "/contract/state/ledger.db"));
    sl_config_destroy(&c);
}

/* The keys that nba.yaml names only in its closing comment: writing them with their defaults changes nothing. */
Test(config, nba_with_all_other_keys)
{
    static const struct sl_override others[] = {
        {"message.max_bytes", "10000000"},
        {"calendar.history_from", "null"},
        {"calendar.cancelled", "null"},
        {"calendar.suspect_above", "20%"},
        {"defaults.on_empty", "nothing"},
        {"defaults.on_skip", "hold"},
        {"defaults.on_late", "mark"},
        {"phases.phase_5.on_stale", "mark"},
        {"defaults.on_unanswered", "alert"},
        {"defaults.mode", "live"},
        {"defaults.bootstrap", "0d"},
        {"phases.phase_3.answer_within", "2h"},
        {"defaults.expect_by", "null"},
        {"defaults.deadline", "{after: 30m, at: null, then: degrade, waive_critical: false}"},
        {"phases.phase_3.checks.upstream", "{mode: strict, running_timeout: 4h}"},
        {"phases.phase_4.checks.gaps", "{mode: strict, look_back: 30d, every_day: false, degrade_after: null}"},
        {"phases.phase_3.processors.player_game_summary.audit", "true"},
        {"quality",
         "{thresholds: [95, 75, 50, 25], ceilings: {gold: 1.0, silver: 0.95, bronze: 0.8, poor: 0.6, unusable: 0.0}, thin: 50%, "
         "thin_early: 30%, early_units: 15, expected: {early: 3, mid: 5, full: 8, none: 10}, historical: {tier: silver, score: 80.0}}"},
        {"coverage.load.max_bytes", "8000000"},
        {"coverage.require_partition_filter", "false"},
        {"worker", "{batch: {messages: 1000, bytes: 8000000}, recheck: {min: 1m, max: 1h, for: 7d}}"},
        {"warehouse.max_parallel", "8"},
        {"retention", "{facts: 400d, inbox: null}"},
        {"audit.heartbeat", "26h"},
        {"audit.stuck_after", "6h"},
    };
    static const struct sl_override without_default[] = {
        {"phases.phase_3.checks.quality", "{mode: strict, min_usable: 60%}"},
        {"phases.phase_3.started_by", "{topic: t, fields: {their_name: our_name}, attributes: {name: value}}"},
        {"phases.phase_3.processors.player_game_summary.reconstruction",
         "{sql: \"INSERT INTO nba_analytics.player_game_summary SELECT * FROM nba_raw.b WHERE game_date = @date AND game_id = @unit\", "
         "min_rows: 1}"},
        {"phases.phase_3.processors.player_game_summary.fingerprint", "{exclude: [processed_at]}"},
        {"phases.phase_3.processors.player_game_summary.fallback",
         "[{table: a.b, columns: {ours: theirs}, date_column: d, unit_column: u}]"},
        {"phases.phase_3.checks.completeness.window", "30 days"},
    };
    struct sl_config *plain = load_nba(NULL, 0);
    if (plain == NULL)
        cr_skip_test("no nba.yaml");
    struct sl_config *same = load_nba(others, N(others)), *more = load_nba(without_default, N(without_default));
    cr_expect_str_eq(same->hash, plain->hash);
    cr_expect_str_neq(more->hash, plain->hash);
    cr_expect_str_eq(phase_of(more, "phase_3")->processors[0].sources[1].unit_column, "u");
    sl_config_destroy(&more);
    sl_config_destroy(&same);
    sl_config_destroy(&plain);
}

Test(config, nba_is_in_the_schema)
{
    char *path = shared_path("contract/nba.yaml");
    if (path == NULL)
        cr_skip_test("no nba.yaml");
    struct sl_buf text = {0};
    cr_assert_eq(sl_file_read(&text, path, SL_YAML_MAX_BYTES, NULL), SL_OK);
    expect_in_schema("nba.yaml", text.data, text.len, true);
    sl_buf_fini(&text);
    free(path);
}

Test(config, a_file_that_is_not_there)
{
    struct sl_config *config = NULL;
    struct sl_buf errors = {0};
    struct sl_err err = {0};
    cr_expect_eq(sl_config_load(&config, "/nonexistent/sluice.yaml", NULL, 0, NULL, &errors, &err), SL_NOT_FOUND);
    cr_expect_null(config);
    cr_expect_not_null(strstr(err.text, "/nonexistent/sluice.yaml"));
    cr_expect_not_null(strstr(sl_buf_text(&errors), "/nonexistent/sluice.yaml"));
    sl_buf_fini(&errors);
}
