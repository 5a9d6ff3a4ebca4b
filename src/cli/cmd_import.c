/* cmd_import.c - a CSV into a table of the warehouse, whole or not at all (RULES 34). */
#include "commands.h"

static const struct sl_flag FLAGS[] = {
    {"table", "DATASET.TABLE", "where the rows go; made when it is not there", 't'},
    {"replace-date", "COLUMN", "first delete the rows of the file's dates in this column", 0},
    {0},
};

static void print_sentence(struct sl_cli *cli, const char *table, const struct sl_import_result *result)
{
    sl_print_safe(cli->out, table);
    fprintf(cli->out, "%s: %lld rows loaded", result->created_table ? " (made)" : "", (long long)result->rows);
    if (result->replaced_rows > 0)
        fprintf(cli->out, ", %lld replaced", (long long)result->replaced_rows);
    fputc('\n', cli->out);
}

static int print_record(struct sl_cli *cli, const char *table, const struct sl_import_result *result)
{
    static const struct sl_field FIELDS[] = {{"table", false, false},
                                             {"rows", false, true},
                                             {"replaced_rows", false, true},
                                             {"created_table", false, false},
                                             {"job_id", false, false}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 5, true);
    sl_rows_str(rows, table);
    sl_rows_int(rows, result->rows);
    sl_rows_int(rows, result->replaced_rows);
    sl_rows_bool(rows, result->created_table);
    sl_rows_str(rows, result->job_id);
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

static int run(struct sl_cli *cli)
{
    const char *table = sl_args_get(&cli->args, "table");
    struct sl_import_result result = {0};
    if (table == NULL)
        return sl_cli_usage(cli, "into which table? say --table DATASET.TABLE");
    if (sl_warehouse_import_csv(cli->warehouse, cli->config, table, cli->select.word, sl_args_get(&cli->args, "replace-date"), &result,
                                &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (cli->format != SL_FORMAT_TABLE)
        return print_record(cli, table, &result);
    print_sentence(cli, table, &result);
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_IMPORT = {
    .name = "import",
    .usage = "FILE.csv --table DATASET.TABLE [--replace-date COLUMN]",
    .help = "loads a CSV into a table of the warehouse",
    .more =
        "The header names the columns. Types are the table's, else read from all rows: INT64, FLOAT64, DATE, TIMESTAMP, else STRING; an\n"
        "empty field is NULL. A ragged row or a bad value names its line and column, and nothing is loaded.",
    .takes = SL_TAKES_WORD | SL_WANTS_WORD,
    .opens = SL_OPENS_CONFIG | SL_OPENS_WAREHOUSE,
    .flags = FLAGS,
    .examples = {"import orders.csv --table shop_raw.orders", "import orders.csv --table shop_raw.orders --replace-date order_date"},
    .run = run,
};
