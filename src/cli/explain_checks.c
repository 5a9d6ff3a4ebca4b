/* explain_checks.c - the checks of a decision for people: one line for what passed; what failed is told in full: expected, actual, and each missing thing on a line of its own. */
#include "explain_internal.h"

#include <string.h>

enum { MOST_LINES = 20, MOST_NAMES = 12 };

static void print_under(struct sl_cli *cli, const char *label, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    fprintf(cli->out, "  %-14s %-9s ", "", label);
    sl_print_safe(cli->out, text);
    fputc('\n', cli->out);
}

static void print_more(struct sl_cli *cli, size_t n, const char *label)
{
    if (n > 0)
        print_under(cli, label, sl_arena_printf(&cli->arena, "and %zu more: -o json has them", n));
}

/* ---- the missing things, from the facts ---- */

/* "sales 2025-03-10: 3 of 3 units: h-03-10, n-03-10, s-03-10" */
static const char *gap_line(struct sl_cli *cli, const json_t *gap)
{
    const json_t *units = json_object_get(gap, "units"), *count = json_object_get(gap, "unit_count");
    const char *where = sl_arena_printf(&cli->arena, "%s %s", sl_explain_text(gap, "processor"), sl_explain_text(gap, "date"));
    const size_t n = count ? (size_t)json_integer_value(count) : json_array_size(units);
    if (json_object_get(gap, "error"))
        return sl_arena_printf(&cli->arena, "%s: %s", sl_explain_text(gap, "processor"), sl_explain_text(gap, "error"));
    if (n == 0)
        return sl_arena_printf(&cli->arena, "%s: no rows", where);
    return sl_arena_printf(&cli->arena, "%s: %zu of %lld units: %s", where, n, (long long)json_integer_value(json_object_get(gap, "due")),
                           sl_explain_names(cli, units, n, MOST_NAMES));
}

static bool print_gaps(struct sl_cli *cli, const json_t *facts)
{
    size_t i;
    const json_t *gaps = json_object_get(facts, "gaps"), *gap, *found = json_object_get(gaps, "found");
    const size_t n = (size_t)json_integer_value(json_object_get(gaps, "count"));
    json_array_foreach(found, i, gap)
    {
        if (i < MOST_LINES)
            print_under(cli, i == 0 ? "missing" : "", gap_line(cli, gap));
    }
    print_more(cli, n > MOST_LINES ? n - MOST_LINES : 0, "");
    return json_array_size(found) > 0;
}

/* What a processor leaves without rows. */
static const char *rows_line(struct sl_cli *cli, const json_t *proc)
{
    const json_t *rows = json_object_get(proc, "rows");
    const long long missing = json_integer_value(json_object_get(rows, "missing_count"));
    const char *name = sl_explain_text(proc, "name");
    if (rows == NULL || missing == 0 || json_object_get(proc, "run") == NULL)
        return NULL;
    if (json_is_true(json_object_get(rows, "by_date")))
        return sl_arena_printf(&cli->arena, "%s: no rows", name);
    return sl_arena_printf(&cli->arena, "%s: %lld of %lld units: %s", name, missing,
                           (long long)json_integer_value(json_object_get(rows, "due")),
                           sl_explain_names(cli, json_object_get(rows, "missing"), (size_t)missing, MOST_NAMES));
}

static bool print_rows(struct sl_cli *cli, const json_t *facts)
{
    size_t i, n = 0;
    const json_t *proc, *procs = json_object_get(facts, "processors");
    json_array_foreach(procs, i, proc)
    {
        const char *line = rows_line(cli, proc);
        if (line != NULL)
            print_under(cli, n++ == 0 ? "missing" : "", line);
    }
    return n > 0;
}

/* The detail is sentences joined by "; ". */
static void print_detail(struct sl_cli *cli, const char *label, const char *detail)
{
    size_t n = 0;
    for (const char *at = detail; at != NULL && *at != '\0'; n++) {
        const char *end = strstr(at, "; ");
        const size_t len = end == NULL ? strlen(at) : (size_t)(end - at);
        if (n < MOST_LINES)
            print_under(cli, n == 0 ? label : "", sl_arena_strndup(&cli->arena, at, len));
        at = end == NULL ? NULL : end + 2;
    }
    print_more(cli, n > MOST_LINES ? n - MOST_LINES : 0, "");
}

/* Units and gaps have their things in the facts, all of them; the other checks name theirs in the detail. */
static void print_missing(struct sl_cli *cli, const json_t *check, const json_t *facts)
{
    const char *name = sl_explain_text(check, "name"), *detail = sl_explain_text(check, "detail");
    const bool cannot = strcmp(name, "units") == 0 && strstr(detail, "units have no rows") == NULL && strstr(detail, "has no rows") == NULL;
    if (strcmp(name, "gaps") == 0 && print_gaps(cli, facts))
        return;
    if (strcmp(name, "units") == 0 && !cannot && print_rows(cli, facts))
        return;
    if (strcmp(detail, sl_explain_text(check, "actual")) != 0)
        print_detail(cli, json_is_true(json_object_get(check, "passed")) ? "noted" : "missing", detail);
}

/* ---- the checks ---- */

static const char *verdict(const json_t *check)
{
    const json_t *passed = json_object_get(check, "passed");
    return json_is_true(passed) ? "passed" : json_is_boolean(passed) ? "failed" : "not made";
}

static enum sl_paint verdict_paint(const struct sl_cli *cli, const json_t *check)
{
    const json_t *passed = json_object_get(check, "passed");
    const bool soft = strcmp(sl_explain_text(check, "mode"), "soft") == 0;
    if (!cli->colour)
        return SL_PAINT_NONE;
    return json_is_true(passed) ? SL_PAINT_GOOD : !json_is_boolean(passed) ? SL_PAINT_DIM : soft ? SL_PAINT_WARN : SL_PAINT_BAD;
}

/* A strict check stops the gate, unless somebody or the season's start lets it pass. */
static const char *consequence(const json_t *check, const json_t *decision)
{
    const char *state = sl_explain_text(decision, "state");
    if (strcmp(sl_explain_text(check, "mode"), "soft") == 0)
        return "soft: it does not stop the gate, which is not production ready";
    const bool stopped = strcmp(state, "waiting") == 0 || strcmp(state, "blocked") == 0 || strcmp(state, "suppressed") == 0;
    return stopped ? "strict: it stops the gate" : "strict, yet the gate went on";
}

static void print_check(struct sl_cli *cli, const json_t *check, const json_t *decision, const json_t *facts)
{
    const bool passed = json_is_true(json_object_get(check, "passed"));
    const char *expected = sl_explain_text(check, "expected"), *actual = sl_explain_text(check, "actual");
    const enum sl_paint paint = verdict_paint(cli, check);
    fprintf(cli->out, "  %-14s %s%-9s%s ", sl_explain_text(check, "name"), sl_paint_start(paint), verdict(check),
            paint == SL_PAINT_NONE ? "" : SL_PAINT_END);
    if (passed) {
        sl_print_safe(cli->out, actual[0] != '\0' ? actual : expected);
        fputs(actual[0] != '\0' && expected[0] != '\0' ? "; expected: " : "", cli->out);
        sl_print_safe(cli->out, actual[0] != '\0' ? expected : "");
        fputc('\n', cli->out);
    } else {
        fprintf(cli->out, "%s\n", consequence(check, decision));
        print_under(cli, "expected", expected);
        print_under(cli, "actual", actual);
    }
    print_missing(cli, check, facts);
}

void sl_explain_checks(struct sl_cli *cli, const json_t *decision, const json_t *facts)
{
    const json_t *checks = json_object_get(decision, "checks"), *check;
    size_t i;
    if (json_array_size(checks) > 0)
        fputs("\nChecks\n", cli->out);
    json_array_foreach(checks, i, check) print_check(cli, check, decision, facts);
}
