/* cmd_ingest.c - completions from a file or stdin through the worker's way, to the end, without a bus. */
#include "commands.h"

#include <errno.h>
#include <string.h>

#include <sluice/bus.h>
#include <sluice/clock.h>
#include <sluice/file.h>

#define LOCK_WAIT_MS  10000
#define LINE_SLACK    65536 /* attributes and the wrapping of a whole message, around a body of max_bytes */
#define ESCAPE_FACTOR 6     /* data as a JSON string: \u00XX for one byte */

static const struct sl_flag FLAGS[] = {
    {"skip-downstream-trigger", NULL, "suppress every trigger: gates that open are held on the pending list", 0},
    {0},
};

static enum sl_code feed(struct sl_cli *cli, struct sl_bus *bus, struct sl_worker_counters *counters)
{
    struct sl_worker_options options = {.skip_downstream_trigger = sl_args_has(&cli->args, "skip-downstream-trigger")};
    struct sl_run_options run_options = {.until_idle_ms = -1, .stop = sl_cli_stop()};
    sl_worker_create(&cli->worker, cli->config, cli->ledger, cli->warehouse, bus, &options);
    enum sl_code code = sl_worker_start(cli->worker, cli->now_us, &cli->err);
    if (code == SL_OK)
        code = sl_worker_run(cli->worker, &run_options, &cli->err);
    sl_worker_counters(cli->worker, counters);
    sl_worker_destroy(&cli->worker);
    return code;
}

static int ingest(struct sl_cli *cli, FILE *file, const char *name)
{
    struct sl_bus *bus = NULL;
    struct sl_worker_counters counters = {0};
    int64_t start_ms = sl_monotonic_ms();
    size_t max_line = cli->config->message.max_bytes * ESCAPE_FACTOR + LINE_SLACK;
    enum sl_code code = sl_file_bus_create(&bus, file, name, max_line, &cli->err);
    if (code == SL_OK) {
        sl_cli_catch_signals();
        code = feed(cli, bus, &counters);
        sl_cli_print_counters(cli, &counters, sl_monotonic_ms() - start_ms, true);
    }
    sl_bus_destroy(&bus);
    if (code != SL_OK)
        return sl_cli_failed(cli, code == SL_NOT_FOUND ? "sluice init" : "sluice status");
    if (sl_cli_stopped() != 0) {
        sl_cli_note(cli, "interrupted: what was read is decided; feed the file again for the rest");
        return SL_EXIT_INTERRUPTED;
    }
    return SL_EXIT_OK;
}

static int locked(struct sl_cli *cli, FILE *file, const char *name)
{
    struct sl_lock *lock = NULL;
    enum sl_code code = sl_worker_lock(&lock, cli->config, LOCK_WAIT_MS, &cli->err);
    if (code == SL_OK)
        code = sl_ledger_open(&cli->ledger, cli->config, SL_LEDGER_WRITE, &cli->err);
    if (code == SL_OK)
        code = sl_warehouse_open(&cli->warehouse, cli->config, &cli->err);
    int exit_code = code == SL_OK ? ingest(cli, file, name) : sl_cli_failed(cli, NULL);
    sl_lock_free(&lock);
    return exit_code;
}

static int run(struct sl_cli *cli)
{
    const char *name;
    FILE *file = sl_cli_input(cli, &name);
    if (file == NULL)
        return sl_cli_failed(cli, NULL);
    int exit_code = locked(cli, file, name);
    if (file != stdin)
        fclose(file);
    return exit_code;
}

const struct sl_command SL_CMD_INGEST = {
    .name = "ingest",
    .usage = "[FILE.ndjson | -]",
    .help = "feeds completions from a file or stdin through the worker's way, to the end",
    .more = "A line is a completion, or a whole message: {\"data\": ..., \"attributes\": {...}}. Feeding a file twice changes nothing. The "
            "last\n"
            "line on stdout is one JSON object of counters. Triggers stay in the outbox for a worker that has a bus.",
    .takes = SL_TAKES_WORD,
    .opens = SL_OPENS_CONFIG,
    .flags = FLAGS,
    .examples = {"ingest completions.ndjson", "ingest - < completions.ndjson", "ingest old.ndjson --skip-downstream-trigger"},
    .run = run,
};
