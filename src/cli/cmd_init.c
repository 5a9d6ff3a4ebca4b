/* cmd_init.c - makes what is missing: directories, ledger, log tables and views, topics and subscriptions. Running it again changes nothing. */
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/file.h>

struct making {
    struct sl_cli *cli;
    struct sl_rows *rows;
    size_t n;
};

static void made(struct making *m, const char *kind, const char *what)
{
    sl_rows_str(m->rows, kind);
    sl_rows_str(m->rows, what);
    m->n++;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static enum sl_code make_dir(struct making *m, const char *path)
{
    bool there = exists(path);
    enum sl_code code = sl_dir_make(path, &m->cli->err);
    if (code == SL_OK && !there)
        made(m, "directory", path);
    return code;
}

static enum sl_code make_ledger(struct making *m)
{
    struct sl_cli *cli = m->cli;
    const char *path = cli->config->ledger.path;
    bool there = true;
    enum sl_code code = SL_OK;
    if (cli->config->ledger.type == SL_LEDGER_SQLITE) {
        char *dir = sl_path_dirname(path);
        code = make_dir(m, dir);
        free(dir);
        there = exists(path);
    }
    if (code == SL_OK)
        code = sl_ledger_open(&cli->ledger, cli->config, SL_LEDGER_WRITE, &cli->err);
    if (code == SL_OK && !there)
        made(m, "ledger", path);
    return code;
}

static enum sl_code make_warehouse(struct making *m)
{
    struct sl_cli *cli = m->cli;
    const char **names = NULL;
    size_t n = 0;
    enum sl_code code = SL_OK;
    if (cli->config->warehouse.type == SL_WAREHOUSE_SQLITE)
        code = make_dir(m, cli->config->warehouse.path);
    if (code == SL_OK)
        code = sl_warehouse_open(&cli->warehouse, cli->config, &cli->err);
    if (code == SL_OK)
        code = sl_warehouse_init(cli->warehouse, cli->config, &names, &n, &cli->arena, &cli->err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        made(m, "warehouse", names[i]);
    return code;
}

static void made_on_bus(void *arg, const char *kind, const char *name)
{
    made(arg, kind, name);
}

/* Served in process for the moment, or made where a worker or an emulator serves. */
static enum sl_code make_bus(struct making *m)
{
    struct sl_cli *cli = m->cli;
    const struct sl_service_options options = {.brief = true};
    struct sl_service *service = NULL;
    enum sl_code code = sl_service_open(&service, cli->config, &options, &cli->err);
    if (code == SL_OK)
        code = sl_service_reach(service, &cli->err);
    if (code == SL_OK)
        code = sl_bus_init(sl_service_peer(service), cli->config, made_on_bus, m, &cli->err);
    sl_service_close(&service);
    if (code != SL_OK)
        sl_wrap(&cli->err, "state and tables are there, but not all topics and subscriptions");
    return code;
}

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {{"made", false, false}, {"name", false, false}};
    struct making m = {.cli = cli};
    sl_cli_rows(cli, &m.rows, FIELDS, 2, false);
    enum sl_code code = make_ledger(&m);
    if (code == SL_OK)
        code = make_warehouse(&m);
    if (code == SL_OK)
        code = make_bus(&m);
    struct sl_err output_err = {0};
    if (sl_rows_finish(&m.rows, &output_err) != SL_OK && code == SL_OK) {
        cli->err = output_err;
        code = output_err.code;
    }
    if (code != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (m.n == 0)
        sl_cli_note(cli, "nothing was missing");
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_INIT = {
    .name = "init",
    .usage = "",
    .help = "makes what is missing: directories, ledger, log tables and views, topics and subscriptions",
    .more = "Lists what was made. Running it again changes nothing. Subscriptions get a dead-letter and a retry policy; topics of triggers "
            "and dead\n"
            "letters that have no subscription get one named TOPIC-sub, so that nothing published there is lost.",
    .opens = SL_OPENS_CONFIG,
    .examples = {"init", "init --config pipeline.yaml -o json"},
    .run = run,
};
