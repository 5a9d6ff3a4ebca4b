/* common.c - what commands that change something share. */
#include "command.h"

#include <errno.h>
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

static void print_counters_json(struct sl_cli *cli, const struct sl_worker_counters *counters)
{
    struct sl_buf buf;
    struct sl_json json;
    sl_buf_init(&buf);
    sl_json_init(&json, &buf);
    sl_worker_counters_json(&json, counters);
    sl_cli_print_json(cli, &buf);
    sl_buf_fini(&buf);
}

void sl_cli_print_counters(struct sl_cli *cli, const struct sl_worker_counters *counters, int64_t ms, bool json)
{
    if (json)
        print_counters_json(cli, counters);
    sl_cli_note(cli,
                "%llu completions (%llu duplicates, %llu rejected) in %.1f s: %llu gates decided, %llu triggered, %llu suppressed, %llu "
                "blocked, %llu waiting; %llu events",
                (unsigned long long)counters->received, (unsigned long long)counters->duplicates, (unsigned long long)counters->rejected,
                (double)ms / 1000.0, (unsigned long long)counters->decided, (unsigned long long)counters->triggered,
                (unsigned long long)counters->suppressed, (unsigned long long)counters->blocked, (unsigned long long)counters->waiting,
                (unsigned long long)counters->events);
}

enum sl_code sl_cli_rate(struct sl_cli *cli, int64_t *pause_ms)
{
    const char *text = sl_args_get(&cli->args, "rate");
    int64_t rate;
    *pause_ms = 0;
    if (text == NULL)
        return SL_OK;
    size_t len = strlen(text);
    if (len > 2 && strcmp(text + len - 2, "/s") == 0)
        len -= 2;
    if (!sl_parse_i64(sl_arena_strndup(&cli->arena, text, len), &rate) || rate < 1 || rate > 1000)
        return sl_fail(&cli->err, SL_INVALID, "--rate %.40s is not N/s with N from 1 to 1000", text);
    *pause_ms = 1000 / rate;
    return SL_OK;
}

FILE *sl_cli_input(struct sl_cli *cli, const char **name)
{
    *name = cli->select.word;
    if (*name == NULL || strcmp(*name, "-") == 0) {
        *name = "stdin";
        return stdin;
    }
    FILE *file = fopen(*name, "re");
    if (file == NULL) {
        enum sl_code code = errno == ENOENT ? SL_NOT_FOUND : errno == EACCES || errno == EPERM ? SL_DENIED : SL_INVALID;
        sl_fail(&cli->err, code, "%s can't be opened: %s", *name, strerror(errno));
    }
    return file;
}
