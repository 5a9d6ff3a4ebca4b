/* common.c - what commands that change something share. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *sl_cli_who(struct sl_cli *cli)
{
    const char *user = getenv("USER");
    if (user != NULL && user[0] != '\0' && sl_utf8_valid(user, strnlen(user, 256)))
        return sl_arena_strndup(&cli->arena, user, 256);
    return sl_arena_printf(&cli->arena, "uid %u", (unsigned)getuid());
}

int sl_cli_decide_due(struct sl_cli *cli, int code_when_done)
{
    struct sl_ops ops;
    bool left_to_worker;
    sl_cli_ops(cli, &ops);
    if (sl_ops_decide_due(&ops, &left_to_worker, &cli->err) != SL_OK) {
        sl_wrap(&cli->err, "it is recorded, but the gates could not be decided again");
        return sl_cli_failed(cli, NULL);
    }
    if (left_to_worker)
        sl_cli_note(cli, "a worker is running: it decides the gates that are due now");
    return code_when_done;
}
