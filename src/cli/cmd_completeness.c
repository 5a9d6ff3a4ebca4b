/* cmd_completeness.c - per entity of a date: how many of the units of its window have its rows. */
#include "commands.h"

#define MAX_TOLD 40 /* entities that are named on stderr */

static const struct sl_flag FLAGS[] = {
    {"strict", NULL, "judge at 90% at least, whatever the config's threshold", 0},
    {0},
};

static void put_entity(struct sl_json *json, const struct sl_entity_report *entity)
{
    sl_json_key(json, entity->facts->entity);
    sl_json_object(json);
    sl_json_put_int(json, "expected_count", (int64_t)entity->facts->n_expected);
    sl_json_put_int(json, "actual_count", (int64_t)entity->facts->n_actual);
    sl_json_put_double(json, "completeness_pct", entity->pct);
    sl_json_put_int(json, "missing_count", (int64_t)entity->facts->n_missing);
    sl_json_put_bool(json, "is_complete", entity->complete);
    sl_json_put_bool(json, "is_production_ready", entity->enough);
    sl_json_end_object(json);
}

static bool is_enough(const struct sl_completeness_report *report)
{
    return report->n_short == 0 && report->n_nameless == 0;
}

static void print_object(struct sl_cli *cli, const struct sl_completeness_report *report)
{
    struct sl_buf buf = {0};
    struct sl_json json;
    sl_json_init(&json, &buf);
    sl_json_object(&json);
    sl_json_put_str(&json, "phase", report->phase->name);
    sl_json_put_date(&json, "date", report->date);
    sl_json_key(&json, "entities");
    sl_json_object(&json);
    for (size_t i = 0; i < report->n; i++)
        put_entity(&json, &report->entities[i]);
    sl_json_end_object(&json);
    sl_json_put_bool(&json, "is_production_ready", is_enough(report));
    sl_json_key(&json, "incomplete");
    sl_json_array(&json);
    for (size_t i = 0; i < report->n; i++)
        if (!report->entities[i].complete)
            sl_json_str(&json, report->entities[i].facts->entity);
    sl_json_end_array(&json);
    sl_json_end_object(&json);
    sl_cli_print_json(cli, &buf);
    sl_buf_fini(&buf);
}

static const char *missing_json(struct sl_cli *cli, const struct sl_entity_facts *facts)
{
    struct sl_buf buf = {0};
    struct sl_json json;
    sl_json_init(&json, &buf);
    sl_json_array(&json);
    for (size_t i = 0; i < facts->n_missing; i++)
        sl_json_str(&json, facts->missing[i]);
    sl_json_end_array(&json);
    const char *text = sl_arena_strdup(&cli->arena, sl_buf_text(&buf));
    sl_buf_fini(&buf);
    return text;
}

static enum sl_code print_rows(struct sl_cli *cli, const struct sl_completeness_report *report)
{
    static const struct sl_field FIELDS[] = {{"entity", false, false},
                                             {"expected_count", false, true},
                                             {"actual_count", false, true},
                                             {"completeness_pct", false, true},
                                             {"missing_count", true, true},
                                             {"is_complete", true, false},
                                             {"is_production_ready", false, false},
                                             {"missing_units", false, false}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 8, false);
    for (size_t i = 0; i < report->n; i++) {
        const struct sl_entity_report *entity = &report->entities[i];
        sl_rows_str(rows, entity->facts->entity);
        sl_rows_int(rows, (int64_t)entity->facts->n_expected);
        sl_rows_int(rows, (int64_t)entity->facts->n_actual);
        sl_rows_double(rows, entity->pct);
        sl_rows_int(rows, (int64_t)entity->facts->n_missing);
        sl_rows_bool(rows, entity->complete);
        sl_rows_bool(rows, entity->enough);
        sl_rows_json(rows, missing_json(cli, entity->facts));
    }
    return sl_rows_finish(&rows, &cli->err);
}

/* Those that are short by name, with their numbers and what they lack; then the whole. */
static void tell(struct sl_cli *cli, const struct sl_completeness_report *report)
{
    size_t told = 0;
    char from[SL_DATE_LEN + 1], date[SL_DATE_LEN + 1];
    for (size_t i = 0; i < report->n && told < MAX_TOLD; i++) {
        if (report->entities[i].enough)
            continue;
        sl_cli_note(cli, "%s", sl_entity_sentence(&report->entities[i], &cli->arena));
        told++;
    }
    if (report->n_short > told)
        sl_cli_note(cli, "and %zu more", report->n_short - told);
    for (size_t i = 0; i < report->n_nameless && i < MAX_TOLD; i++)
        sl_cli_note(cli, "by the calendar nobody takes part in %s: it can't be checked", report->nameless[i]);
    sl_date_format(report->from, from);
    sl_date_format(report->date, date);
    if (report->n == 0)
        sl_cli_note(cli, "%s: nobody has a unit on %s", report->phase->name, date);
    else
        sl_cli_note(cli, "%s, units of %s..%s: %zu of %zu have %.4g %% of theirs, %zu known gaps excused", report->phase->name, from, date,
                    report->n - report->n_short, report->n, 100 * report->threshold, report->n_excused);
}

static int run(struct sl_cli *cli)
{
    const struct sl_phase *phase = cli->select.phase;
    struct sl_completeness_report report;
    struct sl_ops ops;
    if (phase->checks.completeness.table == NULL)
        return sl_cli_usage(cli, "%s has no completeness check; the config's phases.%s.checks.completeness would be one", phase->name,
                            phase->name);
    sl_cli_ops(cli, &ops);
    if (sl_ops_completeness(&ops, phase, cli->select.date, sl_args_has(&cli->args, "strict"), &report, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (cli->format == SL_FORMAT_JSON)
        print_object(cli, &report);
    else if (print_rows(cli, &report) != SL_OK)
        return sl_cli_failed(cli, NULL);
    tell(cli, &report);
    return is_enough(&report) ? SL_EXIT_OK : SL_EXIT_FINDINGS;
}

const struct sl_command SL_CMD_COMPLETENESS = {
    .name = "completeness",
    .usage = "PHASE DATE [--strict]",
    .help = "per entity of a date: how many of the units of its window have its rows",
    .more = "By the phase's checks.completeness: its table and the fallbacks of the processor that fills it, its window and threshold. A "
            "unit that\n"
            "a known gap excuses is not expected. Exit 3 when an entity has less than the threshold, or nobody takes part in a unit of the "
            "date; these are named on stderr.",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE | SL_WANTS_DATE,
    .opens = SL_ASKS,
    .flags = FLAGS,
    .examples = {"completeness orders_daily yesterday", "completeness --phase orders_daily --date 2025-01-31 --strict -o json"},
    .run = run,
};
