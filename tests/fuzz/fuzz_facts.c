/* fuzz_facts.c - any bytes as stored facts: refused with a sentence, or read. What is read can be decided on, writes itself as text that is read again, and that text is a fixed point. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/gate.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const char CONFIG[] =
    "{version: 1, pipeline: p, calendar: {table: d.c, date_column: day, unit_column: unit, planned: {kind: x}, done: {kind: x}, entities: "
    "{team: [home, away]}},"
    " coverage: {log: l.g}, defaults: {date_column: day, unit_column: unit}, phases: ["
    "{name: a, completions: {subscription: as}, processors: [{name: p0, required: critical, table: d.p0, fallback: [d.f0, d.f1], quality: "
    "{required: [v]}}],"
    " checks: {units: strict}},"
    "{name: b, after: [a], started_by: {topic: bt}, completions: {subscription: bs}, deadline: {after: 30m, at: \"09:00\", then: degrade, "
    "waive_critical: true},"
    " bootstrap: 14d, processors: [{name: p0, required: critical, table: d.q0, fallback: [d.q1], quality: {required: [v]},"
    " inputs: [{table: d.p0, entity_column: e, window: 10 rows}]},"
    " {name: p1, required: {past: optional, today: critical}, table: d.q2}, {name: p2, required: optional}],"
    " checks: {upstream: strict, units: strict, gaps: {mode: strict, degrade_after: 24h}, quality: strict,"
    " completeness: {mode: strict, entity: team, table: d.q0, entity_column: team}}},"
    "{name: s, after: [a], started_by: {topic: st}, completions: {subscription: ss}, processors: [{name: p0, required: critical}]},"
    "{name: c, after: [b, s], started_by: {topic: ct}, completions: {subscription: cs}, mode: observe, processors: [{name: p0, required: "
    "critical, table: d.r0}]}]}";

static const struct sl_config *config(void)
{
    static struct sl_config *only;
    struct sl_err err = {0};
    if (!only && sl_config_parse(&only, CONFIG, sizeof CONFIG - 1, "fuzz", ".", NULL, 0, NULL, NULL, &err) != SL_OK)
        abort();
    return only;
}

static void write_text(struct sl_buf *out, const struct sl_facts *facts)
{
    struct sl_json json;
    sl_json_init(&json, out);
    sl_facts_json(&json, facts);
}

static void fail(const char *what, const char *first, const char *second)
{
    fprintf(stderr, "%s\n%s\n%s\n", what, first, second);
    abort();
}

static void check_again(const struct sl_facts *facts, const struct sl_decision *decision, struct sl_arena *arena)
{
    struct sl_buf first = {0}, second = {0};
    struct sl_facts again;
    struct sl_decision decided;
    struct sl_err err = {0};
    write_text(&first, facts);
    if (sl_facts_read(&again, config(), first.data, first.len, arena, &err) != SL_OK)
        fail("is not read again", first.data, err.text);
    write_text(&second, &again);
    const bool cut = strstr(first.data, "\"truncated\":true") != NULL;
    if (!cut && strcmp(first.data, second.data) != 0)
        fail("is no fixed point", first.data, second.data);
    sl_gate_decide(&decided, config(), &again, arena);
    if (!cut &&
        (decided.wants_checks != decision->wants_checks || decided.state != decision->state || decided.reasons != decision->reasons))
        fail("decides otherwise", first.data, second.data);
    sl_buf_fini(&first);
    sl_buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct sl_arena arena = {0};
    struct sl_facts facts;
    struct sl_decision decision;
    struct sl_err err = {0};
    enum sl_code code = sl_facts_read(&facts, config(), (const char *)bytes, len, &arena, &err);
    if (code == SL_OK) {
        sl_gate_decide(&decision, config(), &facts, &arena);
        check_again(&facts, &decision, &arena);
    } else if ((code != SL_CORRUPT && code != SL_NOT_FOUND) || err.text[0] == '\0') {
        abort();
    }
    sl_arena_fini(&arena);
    return 0;
}
