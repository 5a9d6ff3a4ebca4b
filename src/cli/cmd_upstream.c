/* cmd_upstream.c - is a processor's output for a date safe to read? */
#include "commands.h"

static const struct sl_flag FLAGS[] = {
    {"processor", "X", "the processor, by name or alias", 'x'},
    {0},
};

/* A name that the config does not know may be a typing error: said beside the answer, which stays not_found. */
static void note_unknown(struct sl_cli *cli, const char *name)
{
    const char *names[256];
    size_t n = 0;
    for (size_t p = 0; p < cli->config->n_phases; p++) {
        const struct sl_phase *phase = &cli->config->phases[p];
        if (sl_phase_processor(phase, name) != NULL)
            return;
        for (size_t i = 0; i < phase->n_processors && n < sizeof names / sizeof names[0]; i++)
            names[n++] = phase->processors[i].name;
    }
    const char *near = sl_str_nearest(name, names, n);
    sl_cli_note(cli, "the config names no processor %s%s%s", name, near == NULL ? "" : "; did you mean ", near == NULL ? "" : near);
}

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {{"processor", false, false},           {"date", false, false},
                                             {"processor_succeeded", false, false}, {"status", false, false},
                                             {"safe_to_process", false, false},     {"error_message", false, false}};
    const char *name = sl_args_get(&cli->args, "processor");
    struct sl_upstream_report report;
    struct sl_ops ops;
    struct sl_rows *rows;
    name = name != NULL ? name : cli->select.word;
    if (name == NULL)
        return sl_cli_usage(cli, "which processor? say --processor X");
    sl_cli_ops(cli, &ops);
    if (sl_ops_upstream(&ops, NULL, name, cli->select.date, &report, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    note_unknown(cli, name);
    sl_cli_rows(cli, &rows, FIELDS, 6, true);
    sl_rows_str(rows, report.processor);
    sl_rows_date(rows, report.date);
    sl_rows_bool(rows, report.succeeded);
    sl_rows_str(rows, report.status);
    sl_rows_bool(rows, report.safe);
    sl_rows_str(rows, report.error_message);
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return report.safe ? SL_EXIT_OK : SL_EXIT_FINDINGS;
}

const struct sl_command SL_CMD_UPSTREAM = {
    .name = "upstream",
    .usage = "(PROCESSOR | --processor X) DATE",
    .help = "the newest run of a processor for a date, and whether it is safe to process",
    .more = "Safe means that the newest run delivered: it reported, did not fail, and the rows are there. Exit 3 when it is not safe.",
    .takes = SL_TAKES_DATE | SL_TAKES_WORD | SL_WANTS_DATE,
    .opens = SL_ASKS,
    .flags = FLAGS,
    .examples = {"upstream --processor orders --date 2025-01-03", "upstream orders yesterday -o json"},
    .run = run,
};
