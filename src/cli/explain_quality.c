/* explain_quality.c - where the rows of a gate come from and how good they are, for people: sources, quality below gold, what is inherited, and who lacks which units. */
#include "explain_internal.h"

#include <string.h>

enum { MOST_NAMES = 12, MOST_ROWS = 40 };

static long long number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *score_of(struct sl_cli *cli, const json_t *object)
{
    const json_t *score = json_object_get(object, "score");
    return json_is_number(score) ? sl_arena_printf(&cli->arena, "%.1f", json_number_value(score)) : "-";
}

static enum sl_paint tier_paint(const char *tier)
{
    enum sl_tier parsed = SL_TIER_GOLD;
    sl_tier_parse(tier, &parsed);
    return parsed == SL_TIER_GOLD ? SL_PAINT_GOOD : parsed <= SL_TIER_BRONZE ? SL_PAINT_WARN : SL_PAINT_BAD;
}

static const char *or_dash(const char *text)
{
    return text == NULL || text[0] == '\0' ? NULL : text;
}

/* "boxscores: nba_raw.bdl of 2025-04-15, 0052400101, MIA" */
static const char *culprit_words(struct sl_cli *cli, const json_t *culprit)
{
    const char *unit = sl_explain_text(culprit, "unit"), *entity = sl_explain_text(culprit, "entity");
    if (culprit == NULL)
        return NULL;
    return sl_arena_printf(&cli->arena, "%s/%s: %s of %s%s%s%s%s", sl_explain_text(culprit, "phase"), sl_explain_text(culprit, "processor"),
                           sl_explain_text(culprit, "table"), sl_explain_text(culprit, "date"), unit[0] ? ", " : "", unit,
                           entity[0] ? ", " : "", entity);
}

/* ---- sources ---- */

static void source_rows(struct sl_cli *cli, struct sl_rows *rows, const json_t *proc, size_t *n)
{
    const json_t *found = json_object_get(proc, "rows"), *fallbacks = json_object_get(found, "fallbacks");
    const char *table;
    json_t *units;
    json_object_foreach((json_t *)fallbacks, table, units)
    {
        (*n)++;
        if (rows == NULL)
            continue;
        const bool by_date = json_is_true(json_object_get(found, "by_date"));
        sl_rows_str(rows, sl_explain_indent(cli, sl_explain_text(proc, "name")));
        sl_rows_str(rows, table);
        sl_rows_str(rows, by_date ? "the date"
                                  : sl_arena_printf(&cli->arena, "%zu of %lld: %s", json_array_size(units), number_of(found, "due"),
                                                    sl_explain_names(cli, units, json_array_size(units), MOST_NAMES)));
    }
}

/* Units that the primary does not have. */
static enum sl_code print_sources(struct sl_cli *cli, const json_t *facts)
{
    static const struct sl_field FIELDS[] = {{"  processor", false, false}, {"source", false, false}, {"units", false, false}};
    const json_t *proc, *procs = json_object_get(facts, "processors");
    struct sl_rows *rows;
    size_t i, n = 0;
    json_array_foreach(procs, i, proc) source_rows(cli, NULL, proc, &n);
    if (n == 0)
        return SL_OK;
    fputs("\nSources other than the primary\n", cli->out);
    sl_cli_rows(cli, &rows, FIELDS, 3, false);
    json_array_foreach(procs, i, proc) source_rows(cli, rows, proc, &n);
    return sl_rows_finish(&rows, &cli->err);
}

/* ---- quality ---- */

static void print_gate_quality(struct sl_cli *cli, const json_t *decision)
{
    const char *tier = sl_explain_text(decision, "quality_tier");
    const enum sl_paint paint = cli->colour ? tier_paint(tier) : SL_PAINT_NONE;
    const json_t *score = json_object_get(decision, "quality_score"), *issues = json_object_get(decision, "quality_issues");
    const json_t *unusable = json_object_get(decision, "unusable_units");
    fprintf(cli->out, "\nQuality: %s%s%s, %.1f\n", sl_paint_start(paint), tier, paint == SL_PAINT_NONE ? "" : SL_PAINT_END,
            json_number_value(score));
    sl_explain_line(cli, "because of", sl_explain_text(decision, "quality_culprit"));
    sl_explain_line(cli, "issues", sl_explain_names(cli, issues, json_array_size(issues), MOST_NAMES));
    sl_explain_line(cli, "unusable", sl_explain_names(cli, unusable, json_array_size(unusable), MOST_NAMES));
    sl_explain_line(cli, "note", sl_explain_text(decision, "quality_note"));
}

static const char *date_or_unit(const json_t *unit)
{
    const char *name = sl_explain_text(unit, "unit");
    return name[0] == '\0' ? "the date" : name;
}

static void unit_row(struct sl_cli *cli, struct sl_rows *rows, const json_t *proc, const json_t *unit)
{
    const json_t *issues = json_object_get(unit, "issues");
    const char *tier = sl_explain_text(unit, "tier"), *source = sl_explain_text(unit, "source");
    sl_rows_str(rows, sl_explain_indent(cli, sl_explain_text(proc, "name")));
    sl_rows_str(rows, date_or_unit(unit));
    sl_rows_str(rows, source[0] == '\0' ? "primary" : source);
    sl_rows_int(rows, number_of(unit, "rows"));
    sl_rows_painted(rows, tier, tier_paint(tier));
    sl_rows_str(rows, score_of(cli, unit));
    sl_rows_str(rows, or_dash(sl_explain_names(cli, issues, json_array_size(issues), MOST_NAMES)));
}

static enum sl_code print_units(struct sl_cli *cli, const json_t *facts)
{
    static const struct sl_field FIELDS[] = {{"  processor", false, false}, {"unit", false, false}, {"source", false, false},
                                             {"rows", false, true},         {"tier", false, false}, {"score", false, true},
                                             {"issues", false, false}};
    const json_t *proc, *unit, *procs = json_object_get(facts, "processors");
    size_t i, u, n = 0;
    struct sl_rows *rows;
    json_array_foreach(procs, i, proc) n += json_array_size(json_object_get(json_object_get(proc, "quality"), "others"));
    if (n == 0)
        return SL_OK;
    sl_cli_rows(cli, &rows, FIELDS, 7, false);
    n = 0;
    json_array_foreach(procs, i, proc)
    {
        const json_t *others = json_object_get(json_object_get(proc, "quality"), "others");
        json_array_foreach(others, u, unit)
        {
            if (n++ < MOST_ROWS)
                unit_row(cli, rows, proc, unit);
        }
    }
    enum sl_code code = sl_rows_finish(&rows, &cli->err);
    if (n > MOST_ROWS)
        fprintf(cli->out, "  and %zu more: -o json has them\n", n - MOST_ROWS);
    return code;
}

/* "player_a silver, player_b bronze" */
static const char *part_words(struct sl_cli *cli, const json_t *from)
{
    const char *key, *text = NULL;
    json_t *tier;
    size_t n = 0;
    const long long below = number_of(from, "below_gold");
    json_object_foreach((json_t *)json_object_get(from, "parts"), key, tier)
    {
        if (n++ < MOST_NAMES)
            text = sl_arena_printf(&cli->arena, "%s%s%s %s", text ? text : "", text ? ", " : "", key, json_string_value(tier));
    }
    if (below == 0)
        return NULL;
    if (below > (long long)(n < MOST_NAMES ? n : MOST_NAMES))
        text = sl_arena_printf(&cli->arena, "%s and %lld more", text ? text : "", below - (long long)(n < MOST_NAMES ? n : MOST_NAMES));
    return sl_arena_printf(&cli->arena, "%lld of %lld: %s", below, number_of(from, "keys"), text);
}

static void inherited_row(struct sl_cli *cli, struct sl_rows *rows, const json_t *from)
{
    const char *phase = sl_explain_text(from, "phase"), *tier = sl_explain_text(from, "tier");
    const char *where = phase[0] != '\0' ? phase
                                         : sl_arena_printf(&cli->arena, "%s (input of %s)", sl_explain_text(from, "input"),
                                                           sl_explain_text(from, "processor"));
    const json_t *issues = json_object_get(from, "issues");
    sl_rows_str(rows, sl_explain_indent(cli, where));
    sl_rows_painted(rows, or_dash(tier), tier[0] == '\0' ? SL_PAINT_NONE : tier_paint(tier));
    sl_rows_str(rows, score_of(cli, from));
    sl_rows_str(rows,
                json_object_get(from, "error") ? sl_explain_text(from, "error") : culprit_words(cli, json_object_get(from, "culprit")));
    sl_rows_str(rows, or_dash(sl_explain_names(cli, issues, json_array_size(issues), MOST_NAMES)));
    sl_rows_str(rows, part_words(cli, from));
}

static bool tells_something(const json_t *from)
{
    return json_object_get(from, "error") != NULL || json_object_get(from, "tier") != NULL;
}

static enum sl_code print_inherited(struct sl_cli *cli, const json_t *facts)
{
    static const struct sl_field FIELDS[] = {{"  from", false, false},     {"tier", false, false},   {"score", false, true},
                                             {"because of", false, false}, {"issues", false, false}, {"below gold", false, false}};
    const json_t *from, *inherited = json_object_get(facts, "inherited");
    size_t i, n = 0;
    struct sl_rows *rows;
    json_array_foreach(inherited, i, from) n += tells_something(from);
    if (n == 0)
        return SL_OK;
    fputs("\nInherited\n", cli->out);
    sl_cli_rows(cli, &rows, FIELDS, 6, false);
    json_array_foreach(inherited, i, from)
    {
        if (tells_something(from))
            inherited_row(cli, rows, from);
    }
    return sl_rows_finish(&rows, &cli->err);
}

/* ---- completeness ---- */

static void entity_row(struct sl_cli *cli, struct sl_rows *rows, const json_t *entity)
{
    const json_t *missing = json_object_get(entity, "missing");
    const long long expected = number_of(entity, "expected"), actual = number_of(entity, "actual");
    sl_rows_str(rows, sl_explain_indent(cli, sl_explain_text(entity, "entity")));
    sl_rows_int(rows, expected);
    sl_rows_int(rows, actual);
    sl_rows_str(rows, expected > 0 ? sl_arena_printf(&cli->arena, "%.1f %%", 100.0 * (double)actual / (double)expected) : "100.0 %");
    sl_rows_str(rows, sl_explain_names(cli, missing, (size_t)(expected - actual), MOST_NAMES));
}

static enum sl_code print_completeness(struct sl_cli *cli, const json_t *decision, const json_t *facts)
{
    static const struct sl_field FIELDS[] = {
        {"  entity", false, false}, {"expected", false, true}, {"actual", false, true}, {"share", false, true}, {"missing", false, false}};
    const json_t *complete = json_object_get(facts, "completeness"), *entity, *lacking = json_object_get(complete, "lacking");
    const json_t *pct = json_object_get(decision, "completeness_pct");
    size_t i;
    struct sl_rows *rows;
    if (complete == NULL || json_array_size(lacking) == 0)
        return SL_OK;
    fprintf(cli->out, "\nCompleteness: %zu of %lld entities lack units from %s to %s", json_array_size(lacking),
            number_of(complete, "entities"), sl_explain_text(complete, "from"), sl_explain_text(complete, "to"));
    if (json_is_number(pct))
        fprintf(cli->out, ", %.1f %% over all", json_number_value(pct));
    fputc('\n', cli->out);
    sl_cli_rows(cli, &rows, FIELDS, 5, false);
    json_array_foreach(lacking, i, entity)
    {
        if (i < MOST_ROWS)
            entity_row(cli, rows, entity);
    }
    enum sl_code code = sl_rows_finish(&rows, &cli->err);
    if (json_array_size(lacking) > MOST_ROWS)
        fprintf(cli->out, "  and %zu more: -o json has them\n", json_array_size(lacking) - MOST_ROWS);
    return code;
}

enum sl_code sl_explain_quality(struct sl_cli *cli, const json_t *decision, const json_t *facts)
{
    enum sl_code code = print_completeness(cli, decision, facts);
    if (code == SL_OK)
        code = print_sources(cli, facts);
    if (code == SL_OK && json_object_get(decision, "quality_tier") != NULL) {
        print_gate_quality(cli, decision);
        code = print_units(cli, facts);
    }
    return code == SL_OK ? print_inherited(cli, facts) : code;
}
