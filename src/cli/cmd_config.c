/* cmd_config.c - config check, show, schema. */
#include "commands.h"

#include <string.h>

/* A config with errors does not come here: loading it has printed them and ended with 2. */
static int run_check(struct sl_cli *cli)
{
    const struct sl_config *config = cli->config;
    if (cli->format == SL_FORMAT_JSON || cli->format == SL_FORMAT_NDJSON) {
        struct sl_buf buf;
        struct sl_json json;
        sl_buf_init(&buf);
        sl_json_init(&json, &buf);
        sl_json_object(&json);
        sl_json_put_str(&json, "file", config->file);
        sl_json_put_bool(&json, "valid", true);
        sl_json_put_str(&json, "hash", config->hash);
        sl_json_put_strs(&json, "warnings", config->warnings, config->n_warnings);
        sl_json_end_object(&json);
        sl_cli_print_json(cli, &buf);
        sl_buf_fini(&buf);
        return SL_EXIT_OK;
    }
    sl_print_safe(cli->out, config->file);
    fputs(" is valid\n", cli->out);
    for (size_t i = 0; i < config->n_warnings; i++) {
        fputs("warning: ", cli->out);
        sl_print_safe(cli->out, config->warnings[i]);
        fputc('\n', cli->out);
    }
    return SL_EXIT_OK;
}

static void print_text(struct sl_cli *cli, const struct sl_buf *buf)
{
    fwrite(sl_buf_text(buf), 1, buf->len, cli->out);
    if (buf->len > 0 && buf->data[buf->len - 1] != '\n')
        fputc('\n', cli->out);
}

static int run_show(struct sl_cli *cli)
{
    struct sl_buf buf;
    sl_buf_init(&buf);
    sl_config_show(&buf, cli->config);
    print_text(cli, &buf);
    sl_buf_fini(&buf);
    return SL_EXIT_OK;
}

static int run_schema(struct sl_cli *cli)
{
    struct sl_buf buf;
    sl_buf_init(&buf);
    sl_config_schema(&buf);
    print_text(cli, &buf);
    sl_buf_fini(&buf);
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_CONFIG_CHECK = {
    .name = "config check",
    .usage = "",
    .help = "is the config valid? every error with its line, every warning",
    .more = "Exit 2 when it is not.",
    .opens = SL_OPENS_CONFIG,
    .examples = {"config check", "config check --config pipeline.yaml --set defaults.settle=0s"},
    .run = run_check,
};

const struct sl_command SL_CMD_CONFIG_SHOW = {
    .name = "config show",
    .usage = "",
    .help = "the config with all defaults, as JSON, secrets masked",
    .opens = SL_OPENS_CONFIG,
    .examples = {"config show", "config show --config pipeline.yaml > effective.json"},
    .run = run_show,
};

const struct sl_command SL_CMD_CONFIG_SCHEMA = {
    .name = "config schema",
    .usage = "",
    .help = "the JSON Schema of the config, for editors",
    .examples = {"config schema", "config schema > sluice.schema.json"},
    .run = run_schema,
};
