/* bus_access.c - what the commands that talk to the bus share. */
#include "command.h"

#include <sluice/grpc_bus.h>

int sl_cli_open_service(struct sl_cli *cli, bool brief, struct sl_service **out)
{
    const struct sl_service_options options = {.brief = brief};
    enum sl_code code = sl_service_open(out, cli->config, &options, &cli->err);
    if (code == SL_OK && brief)
        code = sl_service_reach(*out, &cli->err);
    if (code == SL_OK)
        return SL_EXIT_OK;
    sl_service_close(out);
    int exit_code = sl_cli_failed(cli, NULL);
    return code == SL_INVALID ? SL_EXIT_USAGE : exit_code;
}

enum sl_code sl_cli_topic_exists(struct sl_cli *cli, const struct sl_service *service, const char *topic)
{
    struct sl_pubsub_admin *admin = NULL;
    struct sl_pubsub_topic found;
    enum sl_code code = sl_pubsub_admin_create(&admin, sl_service_peer(service), &cli->err);
    if (code == SL_OK)
        code = sl_pubsub_admin_get_topic(admin, topic, &found, &cli->arena, &cli->err);
    sl_pubsub_admin_destroy(&admin);
    if (code == SL_NOT_FOUND)
        return sl_fail(&cli->err, code, "there is no topic %s; `sluice init` makes those that the config names", topic);
    return code;
}
