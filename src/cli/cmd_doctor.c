/* cmd_doctor.c - what is misconfigured here, and what would mend it. Nothing is changed. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/doctor.h>
#include <sluice/file.h>

#define OUTAGE_MS (INT64_C(3) * 86400 * 1000) /* a long weekend */

static const struct sl_flag FLAGS[] = {
    {"all", NULL, "print what is fine too", 0},
    {"outage", "T", "how long messages must be kept while nobody reads them; 3d when not given", 0},
    {0},
};

static const char *read_env(const char *name)
{
    return getenv(name);
}

static bool is_there(const char *dir, const char *name)
{
    char *path = sl_path_join(dir, name);
    const bool there = access(path, F_OK) == 0;
    free(path);
    return there;
}

static void look_at_state(struct sl_cli *cli, struct sl_doctor *doctor)
{
    struct sl_ops ops;
    struct sl_err err = {0};
    if (sl_ledger_open(&cli->ledger, cli->config, SL_LEDGER_READ, &err) != SL_OK)
        sl_doctor_add(doctor, SL_HEALTH_CRITICAL, "ledger", cli->config->ledger.path,
                      strstr(err.text, "sluice init") != NULL ? "sluice init" : NULL, "%s", err.text);
    sl_cli_ops(cli, &ops);
    sl_doctor_look_here(doctor, &ops);
    if (sl_warehouse_open(&cli->warehouse, cli->config, &err) == SL_OK)
        sl_doctor_look_at_tables(doctor, cli->warehouse);
    else
        sl_doctor_add(doctor, SL_HEALTH_CRITICAL, "warehouse", cli->config->warehouse.path, err.code == SL_NOT_FOUND ? "sluice init" : NULL,
                      "%s", err.text);
}

/* A broker that was never made is not made by looking. */
static void look_at_bus(struct sl_cli *cli, struct sl_doctor *doctor)
{
    const struct sl_service_options options = {.brief = true};
    const bool embedded = cli->config->bus.type == SL_BUS_EMBEDDED;
    struct sl_service *service = NULL;
    struct sl_err err = {0};
    if (embedded && !is_there(cli->config->bus.path, "broker.db")) {
        sl_doctor_add(doctor, SL_HEALTH_CRITICAL, "bus", cli->config->bus.path, "sluice init", "there is no broker yet");
        return;
    }
    enum sl_code code = sl_service_open(&service, cli->config, &options, &err);
    if (code == SL_OK)
        code = sl_service_reach(service, &err);
    if (code == SL_OK)
        sl_doctor_look_at_bus(doctor, service);
    else
        sl_doctor_add(doctor, SL_HEALTH_CRITICAL, "bus", service != NULL ? sl_service_address(service) : "bus.type", NULL, "%s", err.text);
    sl_service_close(&service);
}

static enum sl_paint paint_of(enum sl_health health)
{
    switch (health) {
    case SL_HEALTH_CRITICAL: return SL_PAINT_BAD;
    case SL_HEALTH_WARNING: return SL_PAINT_WARN;
    case SL_HEALTH_UNKNOWN: return SL_PAINT_DIM;
    case SL_HEALTH_OK: return SL_PAINT_GOOD;
    }
    return SL_PAINT_NONE;
}

static int print(struct sl_cli *cli, const struct sl_doctor *doctor)
{
    static const struct sl_field FIELDS[] = {
        {"status", false, false}, {"check", false, false}, {"subject", false, false}, {"detail", false, false}, {"help", false, false}};
    const bool all = sl_args_has(&cli->args, "all");
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 5, false);
    for (size_t i = 0; i < doctor->n; i++) {
        const struct sl_diagnosis *result = &doctor->results[i];
        if (result->health == SL_HEALTH_OK && !all)
            continue;
        sl_rows_painted(rows, sl_health_name(result->health), paint_of(result->health));
        sl_rows_str(rows, result->check);
        sl_rows_str(rows, result->subject);
        sl_rows_str(rows, result->text);
        sl_rows_str(rows, result->help);
    }
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

static int run(struct sl_cli *cli)
{
    struct sl_doctor doctor = {.config = cli->config, .arena = &cli->arena, .outage_ms = OUTAGE_MS, .batch_ms = -1};
    const char *outage = sl_args_get(&cli->args, "outage");
    if (outage != NULL && (!sl_duration_parse(outage, &doctor.outage_ms) || doctor.outage_ms <= 0))
        return sl_cli_usage(cli, "--outage %.40s is no duration; 3d is", outage);
    sl_doctor_environment(&doctor, read_env);
    look_at_state(cli, &doctor);
    look_at_bus(cli, &doctor);
    const size_t n_findings = sl_doctor_sort(&doctor);
    const int exit_code = print(cli, &doctor);
    sl_cli_note(cli, "%zu things were looked at: %zu findings%s", doctor.n, n_findings,
                n_findings == 0 ? "" : "; each with what would mend it under `help`");
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    return n_findings > 0 ? SL_EXIT_FINDINGS : SL_EXIT_OK;
}

const struct sl_command SL_CMD_DOCTOR = {
    .name = "doctor",
    .usage = "[--all] [--outage T]",
    .help = "what is misconfigured here: variables, clock, disk, tables, topics, subscriptions, grants",
    .more =
        "Looks only. Exit 3 when something is wrong; what can't be known is `unknown` and no finding: grants that come from the project,\n"
        "grants on a server that has none, the bus's clock before a message has come. The ack deadline is compared with a durable write\n"
        "and one question to each table, made now.",
    .opens = SL_OPENS_CONFIG,
    .flags = FLAGS,
    .examples = {"doctor", "doctor --all -o json", "doctor --outage 14d"},
    .run = run,
};
