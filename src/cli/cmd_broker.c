/* cmd_broker.c - the embedded broker alone: any client of Google Cloud Pub/Sub can use it by PUBSUB_EMULATOR_HOST, and workers on the same directory find it. */
#include "commands.h"

#include <signal.h>

#include <sluice/broker.h>

#define DEFAULT_LISTEN "127.0.0.1:8085"
#define LOOK_EVERY_MS  200
#define GRACE_MS       2000
#define STOP_BUDGET_S  10

static const struct sl_flag FLAGS[] = {
    {"listen", "H:P", "where it listens (" DEFAULT_LISTEN "); port 0: any free one", 0},
    {"path", "DIR", "the directory of its state; made when missing", 0},
    {0},
};

static void print_address(struct sl_cli *cli, const struct sl_broker *broker)
{
    struct sl_buf buf;
    struct sl_json json;
    sl_buf_init(&buf);
    sl_json_init(&json, &buf);
    sl_json_object(&json);
    sl_json_put_str(&json, "listening", sl_broker_address(broker));
    sl_json_end_object(&json);
    sl_cli_print_json(cli, &buf);
    fflush(cli->out);
    sl_buf_fini(&buf);
}

static int serve(struct sl_cli *cli, struct sl_broker *broker)
{
    const int64_t watchdog_ms = sl_cli_watchdog_ms();
    int64_t fed_ms = sl_cli_clock_ms();
    bool failed = false;
    print_address(cli, broker);
    sl_cli_notify("READY=1");
    while (sl_cli_stopped() == 0 && !failed) {
        sl_cli_pause(LOOK_EVERY_MS);
        failed = sl_broker_failed(broker, &cli->err);
        if (watchdog_ms > 0 && sl_cli_clock_ms() - fed_ms >= watchdog_ms) {
            sl_cli_notify("WATCHDOG=1");
            fed_ms = sl_cli_clock_ms();
        }
    }
    sl_cli_notify("STOPPING=1");
    sl_broker_stop(broker, GRACE_MS);
    if (failed || sl_broker_failed(broker, &cli->err)) {
        sl_cli_failed(cli, NULL);
        return SL_EXIT_FAILED;
    }
    return sl_cli_stopped() == SIGINT ? SL_EXIT_INTERRUPTED : SL_EXIT_OK;
}

static int run(struct sl_cli *cli)
{
    const char *listen = sl_args_get(&cli->args, "listen");
    const struct sl_broker_options options = {.path = sl_args_get(&cli->args, "path"), .listen = listen == NULL ? DEFAULT_LISTEN : listen};
    struct sl_broker *broker = NULL;
    if (options.path == NULL || options.path[0] == '\0')
        return sl_cli_usage(cli, "where is its state? say --path DIR");
    sl_cli_catch_signals();
    sl_cli_limit_stop(STOP_BUDGET_S);
    enum sl_code code = sl_broker_create(&broker, &options, &cli->err);
    if (code == SL_CONFLICT) /* somebody serves it: that may end */
        cli->err.code = SL_UNAVAILABLE;
    int exit_code = code == SL_OK ? serve(cli, broker) : sl_cli_failed(cli, NULL);
    sl_broker_destroy(&broker);
    return exit_code;
}

const struct sl_command SL_CMD_BROKER = {
    .name = "broker",
    .usage = "--path DIR [--listen H:P]",
    .help = "the embedded broker alone; prints one line when it is ready",
    .more = "It speaks google.pubsub.v1 and keeps everything in DIR. Clients find it by PUBSUB_EMULATOR_HOST, workers by bus.path. The "
            "line on\n"
            "stdout is {\"listening\":\"127.0.0.1:8085\"}. SIGTERM ends it, a second one at once.",
    .flags = FLAGS,
    .examples = {"broker --path state/broker", "broker --listen 127.0.0.1:0 --path /var/lib/sluice/broker"},
    .run = run,
};
