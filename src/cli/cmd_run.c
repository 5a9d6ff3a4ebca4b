/* cmd_run.c - the worker: everything that comes is decided, until it is told to stop or idle for as long as asked.
 * Its life: the ledger's lock -> ledger and warehouse -> the bus (the broker in this process, unless somebody serves) -> ready -> decides -> stopping -> what is done is acked,
 * what is open is left -> the end. */
#include "commands.h"

#include <signal.h>

#include <sluice/clock.h>
#include <sluice/file.h>
#include <sluice/log.h>

#define LOCK_WAIT_MS  10000 /* RULES 31 */
#define STOP_BUDGET_S 10
#define DAY_MS        INT64_C(86400000)

struct running {
    struct sl_cli *cli;
    const struct sl_phase **phases;
    size_t n_phases;
    int64_t until_idle_ms; /* -1: not asked */
    int64_t watchdog_ms, fed_ms;
    bool ready, stopping, failed;
    struct sl_service *service;
    struct sl_bus *bus;
    struct sl_worker_counters counters;
    struct sl_err failure;
};

static const struct sl_flag FLAGS[] = {
    {"until-idle", "T", "end with 0 when nothing is undelivered, undecided or undrained for that long: 2s", 0},
    {"skip-downstream-trigger", NULL, "suppress every trigger: gates that open are held on the pending list", 0},
    {0},
};

static enum sl_code read_until_idle(struct running *r)
{
    const char *text = sl_args_get(&r->cli->args, "until-idle");
    r->until_idle_ms = -1;
    if (text == NULL || (sl_duration_parse(text, &r->until_idle_ms) && r->until_idle_ms <= INT64_C(86400) * 1000))
        return SL_OK;
    return sl_fail(&r->cli->err, SL_INVALID, "--until-idle %.40s is no duration of at most a day; 2s is", text);
}

/* The phase that was named, else all that have a subscription. */
static enum sl_code choose_phases(struct running *r)
{
    const struct sl_config *config = r->cli->config;
    const struct sl_phase *only = r->cli->select.phase;
    r->phases = sl_arena_array(&r->cli->arena, config->n_phases, sizeof(const struct sl_phase *));
    for (size_t i = 0; i < config->n_phases; i++)
        if (config->phases[i].subscription != NULL && (only == NULL || only == &config->phases[i]))
            r->phases[r->n_phases++] = &config->phases[i];
    if (r->n_phases > 0)
        return SL_OK;
    return only != NULL ? sl_fail(&r->cli->err, SL_INVALID, "phase %s has no completions.subscription to receive from", only->name)
                        : sl_fail(&r->cli->err, SL_INVALID, "no phase has a completions.subscription to receive from");
}

/* Between batches, by the decider: the service manager hears of us, and a broker that has failed ends the run. */
static void alive(void *arg)
{
    struct running *r = arg;
    const int64_t now_ms = sl_monotonic_ms();
    if (!r->ready) {
        sl_log(SL_INFO, "the worker is at work", {"bus", sl_service_address(r->service)},
               {"served_by", sl_service_is_ours(r->service) ? "this process" : "another"});
        sl_cli_notify("READY=1");
        r->ready = true;
    }
    if (r->watchdog_ms > 0 && now_ms - r->fed_ms >= r->watchdog_ms) {
        sl_cli_notify("WATCHDOG=1");
        r->fed_ms = now_ms;
    }
    if (sl_cli_stopped() != 0 && !r->stopping) {
        sl_cli_notify("STOPPING=1");
        r->stopping = true;
    }
    if (!r->failed && sl_service_failed(r->service, &r->failure)) {
        r->failed = true;
        sl_cli_ask_stop(SIGTERM);
    }
}

static enum sl_code decide(struct running *r)
{
    struct sl_cli *cli = r->cli;
    const int64_t kept_ms = cli->config->retention.inbox_ms;
    const struct sl_worker_options options = {
        .skip_downstream_trigger = sl_args_has(&cli->args, "skip-downstream-trigger"),
        .inbox_ms = kept_ms >= 0 ? kept_ms : sl_service_retention_ms(r->service, r->phases, r->n_phases) + DAY_MS,
    };
    const struct sl_run_options run_options = {
        .until_idle_ms = r->until_idle_ms, .stop = sl_cli_stop(), .phases = r->phases, .n_phases = r->n_phases, .alive = alive, .arg = r};
    sl_worker_create(&cli->worker, cli->config, cli->ledger, cli->warehouse, r->bus, &options);
    enum sl_code code = sl_worker_run(cli->worker, &run_options, &cli->err);
    sl_worker_counters(cli->worker, &r->counters);
    sl_worker_destroy(&cli->worker);
    r->failed |= sl_service_failed(r->service, &r->failure);
    if (r->failed)
        cli->err = r->failure;
    return code;
}

static void say_what_idle_means(struct running *r)
{
    const char *text = sl_args_get(&r->cli->args, "until-idle");
    int64_t undelivered = 0, leased;
    if (r->until_idle_ms >= 0)
        sl_bus_backlog(r->bus, &undelivered, &leased);
    if (undelivered < 0)
        sl_cli_note(r->cli, "the backlog of the bus at %s can't be known: idle means that nothing came for %s",
                    sl_service_address(r->service), text);
}

static int work(struct running *r)
{
    struct sl_cli *cli = r->cli;
    const int64_t start_ms = sl_monotonic_ms();
    enum sl_code code = sl_service_bus(&r->bus, r->service, r->phases, r->n_phases, &cli->err);
    if (code == SL_OK) {
        say_what_idle_means(r);
        code = decide(r);
        sl_bus_destroy(&r->bus);
        sl_cli_print_counters(cli, &r->counters, sl_monotonic_ms() - start_ms, r->until_idle_ms >= 0);
    }
    if (r->failed) {
        sl_cli_failed(cli, NULL);
        return SL_EXIT_FAILED;
    }
    if (code != SL_OK)
        return sl_cli_failed(cli, code == SL_NOT_FOUND ? "sluice init" : "sluice status");
    if (sl_cli_stopped() == 0)
        return SL_EXIT_OK;
    sl_cli_note(cli, "stopped: what was received is decided, the rest waits on the bus");
    return sl_cli_stopped() == SIGINT ? SL_EXIT_INTERRUPTED : SL_EXIT_OK;
}

static int with_bus(struct running *r)
{
    sl_cli_catch_signals();
    sl_cli_limit_stop(STOP_BUDGET_S);
    int exit_code = sl_cli_open_service(r->cli, false, &r->service);
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    exit_code = work(r);
    sl_service_close(&r->service);
    return exit_code;
}

static int run(struct sl_cli *cli)
{
    struct running r = {.cli = cli, .watchdog_ms = sl_cli_watchdog_ms()};
    struct sl_lock *lock = NULL;
    if (read_until_idle(&r) != SL_OK || choose_phases(&r) != SL_OK)
        return sl_cli_usage_err(cli);
    enum sl_code code = sl_worker_lock(&lock, cli->config, LOCK_WAIT_MS, &cli->err);
    if (code == SL_OK)
        code = sl_cli_open(cli, SL_OPENS_LEDGER_WRITE | SL_OPENS_WAREHOUSE);
    int exit_code = code == SL_OK ? with_bus(&r) : sl_cli_failed(cli, NULL);
    sl_lock_free(&lock);
    return exit_code;
}

const struct sl_command SL_CMD_RUN = {
    .name = "run",
    .usage = "[PHASE] [--until-idle T] [--skip-downstream-trigger]",
    .help = "the worker: receives completions, decides, publishes triggers, loads events",
    .more = "With bus.type embedded it serves the broker too, unless another process does. SIGTERM and SIGINT let it finish within 10 s, a "
            "second\n"
            "one ends it at once. With --until-idle the last line on stdout is one JSON object of counters. --phase receives for one phase "
            "only.",
    .takes = SL_TAKES_PHASE,
    .opens = SL_OPENS_CONFIG,
    .flags = FLAGS,
    .examples = {"run", "run --until-idle 2s", "run --phase orders_raw --skip-downstream-trigger"},
    .run = run,
};
