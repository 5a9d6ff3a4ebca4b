/* cmd_publish.c - lines of NDJSON from stdin, each a message to one topic. What is counted as published is confirmed by the bus.
 * After a failure of the bus itself nothing more is read: every further line would fail in the same way. A line that is refused for its own sake fails alone. */
#include "commands.h"

#include <string.h>

#include <sluice/grpc_bus.h>

#define MAX_BYTES     10000000u /* of a message, RULES 25 */
#define AT_ONCE       1000
#define AT_ONCE_BYTES 4000000u
#define POLL_MS       250

struct publishing {
    struct sl_cli *cli;
    struct sl_attribute *attributes; /* of --attr */
    size_t n_attributes;
    struct sl_grpc_publisher *publisher;
    uint64_t n_read, published, failed;
    uint64_t *refused; /* numbers of those that were not even sent, ascending; of cli->arena */
    size_t n_refused;
    uint64_t first_failed; /* counted from 1; 0: none */
    struct sl_err failure; /* of it */
    bool bus_failed;
};

static const struct sl_flag FLAGS[] = {
    {"topic", "T", "a topic's name, or projects/P/topics/T", 0},
    {"attr", "K=V", "an attribute of every message; repeatable. A line's own attribute of that name wins", 0},
    {0},
};

static enum sl_code read_attributes(struct publishing *p)
{
    struct sl_cli *cli = p->cli;
    const char **texts = sl_arena_array(&cli->arena, cli->args.n_values + 1, sizeof *texts);
    p->n_attributes = sl_args_all(&cli->args, "attr", texts);
    p->attributes = sl_arena_array(&cli->arena, p->n_attributes + 1, sizeof *p->attributes);
    for (size_t i = 0; i < p->n_attributes; i++) {
        const char *equals = strchr(texts[i], '=');
        if (equals == NULL || equals == texts[i])
            return sl_fail(&cli->err, SL_INVALID, "--attr %.80s is not K=V", texts[i]);
        p->attributes[i].key = sl_arena_strndup(&cli->arena, texts[i], (size_t)(equals - texts[i]));
        p->attributes[i].value = equals + 1;
    }
    return SL_OK;
}

static void count_failure(struct publishing *p, uint64_t number, enum sl_code code, const struct sl_err *err)
{
    p->failed++;
    if (p->first_failed == 0) {
        p->first_failed = number;
        p->failure = *err;
        p->failure.code = code;
    }
    p->bus_failed |= code != SL_INVALID;
}

/* Refused here: the publisher's index doesn't count it. */
static void count_refusal(struct publishing *p, const struct sl_err *err)
{
    p->refused = sl_arena_push(&p->cli->arena, p->refused, &p->n_refused, sizeof *p->refused);
    p->refused[p->n_refused - 1] = p->n_read;
    count_failure(p, p->n_read, SL_INVALID, err);
}

static void on_result(void *arg, size_t index, enum sl_code code, const char *id, const struct sl_err *err)
{
    struct publishing *p = arg;
    uint64_t number = (uint64_t)index + 1;
    (void)id;
    for (size_t i = 0; code != SL_OK && i < p->n_refused && p->refused[i] <= number; i++)
        number++;
    if (code == SL_OK)
        p->published++;
    else
        count_failure(p, number, code, err);
}

static bool has_key(const struct sl_message *message, const char *key)
{
    for (size_t i = 0; i < message->n_attributes; i++)
        if (strcmp(message->attributes[i].key, key) == 0)
            return true;
    return false;
}

/* The line's own attributes and those of --attr. */
static struct sl_attribute *join_attributes(const struct publishing *p, const struct sl_message *message, size_t *n, struct sl_arena *arena)
{
    struct sl_attribute *all = sl_arena_array(arena, message->n_attributes + p->n_attributes + 1, sizeof *all);
    *n = message->n_attributes;
    for (size_t i = 0; i < message->n_attributes; i++)
        all[i] = message->attributes[i];
    for (size_t i = 0; i < p->n_attributes; i++)
        if (!has_key(message, p->attributes[i].key))
            all[(*n)++] = p->attributes[i];
    return all;
}

static void publish_one(struct publishing *p, const struct sl_message *message, struct sl_arena *arena)
{
    struct sl_err err = {0};
    size_t n = 0;
    p->n_read++;
    if (message->len > MAX_BYTES) {
        sl_fail(&err, SL_INVALID, "it has more than %u bytes", MAX_BYTES);
        count_refusal(p, &err);
        return;
    }
    const struct sl_attribute *attributes = join_attributes(p, message, &n, arena);
    if (sl_grpc_publisher_add(p->publisher, message->data, message->len, attributes, n, &err) != SL_OK)
        count_refusal(p, &err);
}

static enum sl_code publish_all(struct publishing *p)
{
    struct sl_bus *lines = NULL;
    struct sl_bus_batch batch = {0};
    enum sl_code code = sl_file_bus_create(&lines, stdin, "stdin", MAX_BYTES, &p->cli->err);
    while (code == SL_OK && !batch.end && !p->bus_failed && sl_cli_stopped() == 0) {
        code = sl_bus_receive(lines, AT_ONCE, AT_ONCE_BYTES, POLL_MS, &batch, &p->cli->err);
        for (size_t i = 0; code == SL_OK && i < batch.n && !p->bus_failed; i++)
            publish_one(p, &batch.messages[i].message, &batch.arena);
    }
    struct sl_err ignored = {0};
    if (p->publisher != NULL)
        sl_grpc_publisher_flush(p->publisher, &ignored); /* each failure was counted */
    sl_bus_batch_fini(&batch);
    sl_bus_destroy(&lines);
    return code;
}

static enum sl_code print_result(struct publishing *p)
{
    static const struct sl_field FIELDS[] = {{"published", false, true}, {"failed", false, true}};
    struct sl_rows *rows;
    sl_cli_rows(p->cli, &rows, FIELDS, 2, true);
    sl_rows_int(rows, (int64_t)p->published);
    sl_rows_int(rows, (int64_t)p->failed);
    return sl_rows_finish(&rows, &p->cli->err);
}

static int finish(struct publishing *p, enum sl_code code)
{
    struct sl_cli *cli = p->cli;
    const struct sl_err input = cli->err;
    if (print_result(p) != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (p->failed > 0) {
        cli->err = p->failure;
        sl_wrap(&cli->err, "%llu messages are confirmed, %llu are not; the first of these is message %llu",
                (unsigned long long)p->published, (unsigned long long)p->failed, (unsigned long long)p->first_failed);
        int exit_code = sl_cli_failed(cli, NULL);
        return p->published > 0 ? SL_EXIT_PARTLY : exit_code;
    }
    if (code != SL_OK) {
        cli->err = input;
        sl_wrap(&cli->err, "%llu messages are confirmed", (unsigned long long)p->published);
        return sl_cli_failed(cli, NULL);
    }
    if (sl_cli_stopped() == 0)
        return SL_EXIT_OK;
    sl_cli_note(cli, "interrupted: %llu messages are confirmed", (unsigned long long)p->published);
    return SL_EXIT_INTERRUPTED;
}

static int publish(struct publishing *p, const struct sl_service *service, const char *topic)
{
    struct sl_cli *cli = p->cli;
    enum sl_code code = sl_cli_topic_exists(cli, service, topic);
    if (code == SL_OK)
        code = sl_grpc_publisher_create(&p->publisher, sl_service_peer(service), topic,
                                        &(const struct sl_grpc_publisher_options){.compress = cli->config->bus.compress}, on_result, p,
                                        &cli->err);
    if (code != SL_OK)
        return sl_cli_failed(cli, code == SL_NOT_FOUND ? "sluice init" : NULL);
    sl_cli_catch_signals();
    code = publish_all(p);
    sl_grpc_publisher_destroy(&p->publisher);
    return finish(p, code);
}

static int run(struct sl_cli *cli)
{
    struct publishing p = {.cli = cli};
    struct sl_service *service = NULL;
    const char *topic = sl_args_get(&cli->args, "topic");
    if (topic == NULL || topic[0] == '\0')
        return sl_cli_usage(cli, "to which topic? say --topic T");
    if (read_attributes(&p) != SL_OK)
        return sl_cli_usage_err(cli);
    int exit_code = sl_cli_open_service(cli, true, &service);
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    exit_code = publish(&p, service, sl_pubsub_resource(&cli->arena, cli->config, "topics", topic));
    sl_service_close(&service);
    return exit_code;
}

const struct sl_command SL_CMD_PUBLISH = {
    .name = "publish",
    .usage = "--topic T [--attr K=V] < MESSAGES.ndjson",
    .help = "publishes lines from stdin to a topic, and says how many are confirmed",
    .more =
        "A line is a body, or a whole message: {\"data\": ..., \"attributes\": {...}}, where data is an object or text. Exit code 5: some\n"
        "messages were not confirmed.",
    .opens = SL_OPENS_CONFIG,
    .flags = FLAGS,
    .examples = {"publish --topic orders-raw-complete < completions.ndjson",
                 "publish --topic orders-raw-complete --attr origin=replay -o json"},
    .run = run,
};
