/* cmd_complete.c - one completion, for processors that are scripts. It is read as the worker will read it before it leaves. */
#include "commands.h"

#include <string.h>

#include <sluice/completion.h>
#include <sluice/grpc_bus.h>
#include <sluice/hash.h>

static const struct sl_flag FLAGS[] = {
    {"processor", "X", "the processor, by name or alias", 0},
    {"status", "S", "success, partial, no_data, failed or running", 0},
    {"records", "N", "how many records it wrote", 0},
    {"execution-id", "E", "which run it was; else a new random one", 0},
    {"correlation-id", "C", "what the triggers carry on; else made from pipeline and date", 0},
    {"skip-downstream-trigger", NULL, "the gate is held on the pending list when it opens", 0},
    {0},
};

struct completing {
    struct sl_cli *cli;
    const struct sl_processor *processor;
    const char *status, *execution_id, *correlation_id, *topic, *message_id;
    int64_t records; /* -1: not given */
    bool skip;
    struct sl_buf body;
};

static enum sl_code read_processor(struct completing *c)
{
    const struct sl_phase *phase = c->cli->select.phase;
    const char *name = sl_args_get(&c->cli->args, "processor");
    if (name == NULL)
        return sl_fail(&c->cli->err, SL_INVALID, "which processor? say --processor X");
    c->processor = sl_phase_processor(phase, name);
    if (c->processor != NULL)
        return SL_OK;
    const char **names = sl_arena_array(&c->cli->arena, phase->n_processors + 1, sizeof *names);
    for (size_t i = 0; i < phase->n_processors; i++)
        names[i] = phase->processors[i].name;
    const char *near = sl_str_nearest(name, names, phase->n_processors);
    return sl_fail(&c->cli->err, SL_INVALID, "phase %s has no processor %.80s%s%s%s", phase->name, name,
                   near == NULL ? "" : "; did you mean ", near == NULL ? "" : near, near == NULL ? "" : "?");
}

static enum sl_code read_status(struct completing *c)
{
    enum sl_status status;
    c->status = sl_args_get(&c->cli->args, "status");
    if (c->status == NULL)
        return sl_fail(&c->cli->err, SL_INVALID, "how did it end? say --status S");
    if (!sl_status_parse(c->status, strlen(c->status), &status))
        return sl_fail(&c->cli->err, SL_INVALID, "--status %.40s is none of success, partial, no_data, failed, running", c->status);
    return SL_OK;
}

static enum sl_code read_line(struct completing *c)
{
    struct sl_cli *cli = c->cli;
    char id[SL_UUID_LEN + 1];
    enum sl_code code = read_processor(c);
    if (code == SL_OK)
        code = read_status(c);
    if (code == SL_OK)
        code = sl_cli_number(cli, "records", 0, -1, &c->records);
    if (code == SL_OK && cli->select.phase->topic == NULL)
        code = sl_fail(&cli->err, SL_INVALID, "phase %s has no completions.topic to publish to", cli->select.phase->name);
    if (code != SL_OK)
        return code;
    c->execution_id = sl_args_get(&cli->args, "execution-id");
    if (c->execution_id == NULL)
        c->execution_id = sl_arena_strdup(&cli->arena, sl_uuid_format(sl_uuid4(), id));
    c->correlation_id = sl_args_get(&cli->args, "correlation-id");
    c->skip = sl_args_has(&cli->args, "skip-downstream-trigger");
    c->topic = sl_pubsub_resource(&cli->arena, cli->config, "topics", cli->select.phase->topic);
    return SL_OK;
}

/* The name that the config's messages have for a field. */
static const char *named(const struct sl_config *config, const char *field)
{
    for (size_t i = 0; i < config->message.n_others; i++)
        if (strcmp(config->message.others[i].field, field) == 0 && config->message.others[i].n > 0)
            return config->message.others[i].names[0];
    return field;
}

static void write_body(struct completing *c)
{
    const struct sl_config *config = c->cli->config;
    char now[SL_TIME_LEN + 1];
    struct sl_json json;
    sl_json_init(&json, &c->body);
    sl_json_object(&json);
    sl_json_put_str(&json, config->message.n_processor_name > 0 ? config->message.processor_name[0] : "processor_name", c->processor->name);
    sl_json_put_str(&json, named(config, "phase"), c->cli->select.phase->name);
    sl_json_put_str(&json, named(config, "execution_id"), c->execution_id);
    if (c->correlation_id != NULL)
        sl_json_put_str(&json, named(config, "correlation_id"), c->correlation_id);
    sl_json_put_date(&json, config->message.n_date > 0 ? config->message.date[0] : "date", c->cli->select.date);
    sl_json_put_str(&json, named(config, "status"), c->status);
    if (c->records >= 0)
        sl_json_put_int(&json, named(config, "record_count"), c->records);
    sl_json_put_str(&json, named(config, "timestamp"), sl_time_format(c->cli->now_us, now));
    if (c->skip)
        sl_json_put_bool(&json, named(config, "skip_downstream_trigger"), true);
    sl_json_end_object(&json);
}

/* Would the worker take it? */
static enum sl_code check_body(struct completing *c)
{
    struct sl_cli *cli = c->cli;
    const struct sl_message message = {.data = sl_buf_text(&c->body), .len = c->body.len};
    struct sl_completion completion;
    enum sl_reject reject;
    return sl_completion_decode(&completion, &message, cli->select.phase, cli->config, cli->now_us, &cli->arena, &reject, &cli->err);
}

static void on_result(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *err)
{
    struct completing *c = arg;
    (void)index, (void)err;
    if (code == SL_OK)
        c->message_id = sl_arena_strdup(&c->cli->arena, id);
}

static enum sl_code publish(struct completing *c, const struct sl_service *service)
{
    struct sl_cli *cli = c->cli;
    const struct sl_grpc_publisher_options options = {.max_messages = 1};
    struct sl_grpc_publisher *publisher = NULL;
    enum sl_code code = sl_cli_topic_exists(cli, service, c->topic);
    if (code == SL_OK)
        code = sl_grpc_publisher_create(&publisher, sl_service_peer(service), c->topic, &options, on_result, c, &cli->err);
    if (code == SL_OK)
        code = sl_grpc_publisher_add(publisher, sl_buf_text(&c->body), c->body.len, NULL, 0, &cli->err);
    if (code == SL_OK)
        code = sl_grpc_publisher_flush(publisher, &cli->err);
    sl_grpc_publisher_destroy(&publisher);
    return code;
}

static int print_result(struct completing *c)
{
    static const struct sl_field FIELDS[] = {{"phase", false, false},  {"date", false, false},         {"processor", false, false},
                                             {"status", false, false}, {"execution_id", false, false}, {"message_id", true, false},
                                             {"topic", true, false}};
    struct sl_rows *rows;
    sl_cli_rows(c->cli, &rows, FIELDS, sizeof FIELDS / sizeof FIELDS[0], true);
    sl_rows_str(rows, c->cli->select.phase->name);
    sl_rows_date(rows, c->cli->select.date);
    sl_rows_str(rows, c->processor->name);
    sl_rows_str(rows, c->status);
    sl_rows_str(rows, c->execution_id);
    sl_rows_str(rows, c->message_id);
    sl_rows_str(rows, c->topic);
    return sl_rows_finish(&rows, &c->cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(c->cli, NULL);
}

static int complete(struct completing *c)
{
    struct sl_cli *cli = c->cli;
    struct sl_service *service = NULL;
    write_body(c);
    if (check_body(c) != SL_OK)
        return sl_cli_usage_err(cli);
    int exit_code = sl_cli_open_service(cli, true, &service);
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    enum sl_code code = publish(c, service);
    exit_code = code == SL_OK ? print_result(c) : sl_cli_failed(cli, code == SL_NOT_FOUND ? "sluice init" : NULL);
    sl_service_close(&service);
    return exit_code;
}

static int run(struct sl_cli *cli)
{
    struct completing c = {.cli = cli};
    int exit_code = read_line(&c) == SL_OK ? complete(&c) : sl_cli_usage_err(cli);
    sl_buf_fini(&c.body);
    return exit_code;
}

const struct sl_command SL_CMD_COMPLETE = {
    .name = "complete",
    .usage = "PHASE DATE --processor X --status S [--records N] [--execution-id E]",
    .help = "publishes one completion, for processors that are scripts",
    .more =
        "The message goes to the phase's completion topic, with the time of now. It prints the execution id: reporting the same one again\n"
        "with another status is an update, not another run.",
    .takes = SL_TAKES_PHASE | SL_TAKES_DATE | SL_WANTS_PHASE | SL_WANTS_DATE,
    .opens = SL_OPENS_CONFIG,
    .flags = FLAGS,
    .examples = {"complete orders_raw yesterday --processor orders --status success --records 30",
                 "complete --phase orders_raw --date 2025-03-10 --processor payments --status no_data"},
    .run = run,
};
