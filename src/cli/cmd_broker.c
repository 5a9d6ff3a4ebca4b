/* cmd_broker.c - the embedded broker alone: any client of Google Cloud Pub/Sub can use it by PUBSUB_EMULATOR_HOST, and workers on the same directory find it. */
#include "commands.h"

#include <signal.h>
#include <sys/stat.h>

#include <sluice/broker.h>
#include <sluice/clock.h>
#include <sluice/file.h>
#include <sluice/log.h>

#define DEFAULT_LISTEN "127.0.0.1:8085"
#define LOOK_EVERY_MS  200
#define GRACE_MS       2000
#define STOP_BUDGET_S  10
#define FAULTS_MAX     65536

static const struct sl_flag FLAGS[] = {
    {"listen", "H:P", "where it listens (" DEFAULT_LISTEN "); port 0: any free one", 0},
    {"path", "DIR", "the directory of its state; made when missing", 0},
    {"stream-age", "DURATION", "streams are ended with UNAVAILABLE at this age (30m), as Google's are: clients open them again", 0},
    {"faults", "FILE", "what to do wrong (see above), for tests of clients; read at the start and whenever it changes", 0},
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

/* ---- faults: a file that is looked at again and again ---- */

struct faults {
    const char *path; /* NULL: none */
    struct timespec changed;
    off_t size;
    ino_t inode;
};

static bool has_changed(struct faults *faults)
{
    struct stat now;
    if (faults->path == NULL || stat(faults->path, &now) != 0)
        return false;
    bool same = now.st_mtim.tv_sec == faults->changed.tv_sec && now.st_mtim.tv_nsec == faults->changed.tv_nsec &&
                now.st_size == faults->size && now.st_ino == faults->inode;
    faults->changed = now.st_mtim;
    faults->size = now.st_size;
    faults->inode = now.st_ino;
    return !same;
}

static enum sl_code order_faults(struct faults *faults, struct sl_broker *broker, struct sl_err *err)
{
    struct sl_buf text;
    if (!has_changed(faults))
        return SL_OK;
    sl_buf_init(&text);
    enum sl_code code = sl_file_read(&text, faults->path, FAULTS_MAX, err);
    if (code == SL_OK && sl_broker_order_faults(broker, sl_buf_text(&text), err) != SL_OK)
        code = sl_wrap(err, "%s", faults->path);
    sl_buf_fini(&text);
    return code;
}

static void look_for_faults(struct faults *faults, struct sl_broker *broker)
{
    struct sl_err err;
    if (order_faults(faults, broker, &err) != SL_OK)
        sl_log(SL_WARNING, "the file of faults can't be read; those of before stay", {"why", err.text});
}

static int serve(struct sl_cli *cli, struct sl_broker *broker, struct faults *faults)
{
    const int64_t watchdog_ms = sl_cli_watchdog_ms();
    int64_t fed_ms = sl_monotonic_ms();
    bool failed = false;
    if (!sl_broker_is_local(sl_broker_address(broker)))
        sl_log(SL_WARNING, "other machines may reach the broker, which asks nobody who they are", {"address", sl_broker_address(broker)});
    print_address(cli, broker);
    sl_cli_notify("READY=1");
    while (sl_cli_stopped() == 0 && !failed) {
        sl_cli_pause(LOOK_EVERY_MS);
        look_for_faults(faults, broker);
        failed = sl_broker_failed(broker, &cli->err);
        if (watchdog_ms > 0 && sl_monotonic_ms() - fed_ms >= watchdog_ms) {
            sl_cli_notify("WATCHDOG=1");
            fed_ms = sl_monotonic_ms();
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

static void say_missing(const struct faults *faults)
{
    struct stat now;
    if (faults->path != NULL && stat(faults->path, &now) != 0)
        sl_log(SL_WARNING, "there is no file of faults yet", {"path", faults->path});
}

/* A broken order is an error at the start, a warning later. */
static int run_on(struct sl_cli *cli, const struct sl_broker_options *options)
{
    struct sl_broker *broker = NULL;
    struct faults faults = {.path = sl_args_get(&cli->args, "faults")};
    enum sl_code code = sl_broker_create(&broker, options, &cli->err);
    if (code == SL_CONFLICT) /* somebody serves it: that may end */
        cli->err.code = SL_UNAVAILABLE;
    if (code == SL_OK)
        code = order_faults(&faults, broker, &cli->err);
    if (code == SL_OK)
        say_missing(&faults);
    int exit_code = code == SL_OK                          ? serve(cli, broker, &faults)
                    : code == SL_INVALID && broker == NULL ? sl_cli_usage_err(cli)
                                                           : sl_cli_failed(cli, NULL);
    sl_broker_destroy(&broker);
    return exit_code;
}

static int run(struct sl_cli *cli)
{
    const char *listen = sl_args_get(&cli->args, "listen"), *age = sl_args_get(&cli->args, "stream-age");
    struct sl_broker_options options = {.path = sl_args_get(&cli->args, "path"), .listen = listen == NULL ? DEFAULT_LISTEN : listen};
    if (options.path == NULL || options.path[0] == '\0')
        return sl_cli_usage(cli, "where is its state? say --path DIR");
    if (age != NULL && (!sl_duration_parse(age, &options.stream_age_ms) || options.stream_age_ms <= 0))
        return sl_cli_usage(cli, "--stream-age is no duration; 30m is");
    sl_cli_catch_signals();
    sl_cli_limit_stop(STOP_BUDGET_S);
    return run_on(cli, &options);
}

const struct sl_command SL_CMD_BROKER = {
    .name = "broker",
    .usage = "--path DIR [--listen H:P] [--stream-age DURATION] [--faults FILE]",
    .help = "the embedded broker alone; prints one line when it is ready",
    .more = "It speaks google.pubsub.v1 and keeps everything in DIR. Clients find it by PUBSUB_EMULATOR_HOST, workers by bus.path. The "
            "line on\n"
            "stdout is {\"listening\":\"127.0.0.1:8085\"}. SIGTERM ends it, a second one at once.\n"
            "--faults makes it fail on purpose. Each line of FILE is one of\n"
            "  fail METHOD N CODE   the next N calls of METHOD (Publish, StreamingPull, ...) are answered with CODE (UNAVAILABLE, ...)\n"
            "  slow METHOD N MS     the next N calls of METHOD are served MS milliseconds late; on a stream: all that\n"
            "                       it says, so the first message and the answers to pings are late\n"
            "  drop                 all streams end now\n"
            "and a new FILE takes the place of what the old one has left over.",
    .flags = FLAGS,
    .examples = {"broker --path state/broker", "broker --listen 127.0.0.1:0 --path /var/lib/sluice/broker",
                 "broker --path state/broker --faults faults.txt"},
    .run = run,
};
