/* cmd_dlq.c - dlq list and show: what was rejected, with its reason and its bytes as they came. Looking changes nothing. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sl_field LIST_FIELDS[] = {{"id", false, true},           {"received_at", false, false}, {"phase", false, false},
                                              {"subscription", true, false}, {"message_id", true, false},   {"publish_time", true, false},
                                              {"code", false, false},        {"detail", false, false}};
#define N_LIST_FIELDS 8

static void add_row(struct sl_rows *rows, const struct sl_reject_row *row)
{
    sl_rows_int(rows, row->id);
    sl_rows_time(rows, row->received_us);
    sl_rows_str(rows, row->phase);
    sl_rows_str(rows, row->subscription);
    sl_rows_str(rows, row->message_id);
    sl_rows_time(rows, row->publish_us);
    sl_rows_str(rows, row->code);
    sl_rows_str(rows, row->detail);
}

static int run_list(struct sl_cli *cli)
{
    struct sl_reject_row *rejects = NULL;
    struct sl_rows *rows;
    size_t n = 0;
    if (sl_ledger_rejects(cli->ledger, 0, &rejects, &n, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_rows(cli, &rows, LIST_FIELDS, N_LIST_FIELDS, false);
    for (size_t i = 0; i < n; i++)
        if (cli->select.phase == NULL || sl_str_eq(cli->select.phase->name, rejects[i].phase))
            add_row(rows, &rejects[i]);
    if (sl_rows_finish(&rows, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    return SL_EXIT_OK;
}

static const char *base64(const char *data, size_t len, struct sl_arena *arena)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = (const unsigned char *)data;
    char *out = sl_arena_alloc(arena, (len + 2) / 3 * 4 + 1), *p = out;
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        unsigned bits = (unsigned)in[i] << 16 | (have > 1 ? (unsigned)in[i + 1] << 8 : 0) | (have > 2 ? in[i + 2] : 0);
        *p++ = DIGITS[bits >> 18 & 63];
        *p++ = DIGITS[bits >> 12 & 63];
        *p++ = have > 1 ? DIGITS[bits >> 6 & 63] : '=';
        *p++ = have > 2 ? DIGITS[bits & 63] : '=';
    }
    return out;
}

/* As text when it is UTF-8 without NUL, else base64: nothing is lost either way. */
static void print_record(struct sl_cli *cli, const struct sl_reject_row *row)
{
    static const struct sl_field FIELDS[] = {{"id", false, true},           {"received_at", false, false}, {"phase", false, false},
                                             {"subscription", true, false}, {"message_id", true, false},   {"publish_time", true, false},
                                             {"code", false, false},        {"detail", false, false},      {"attributes", false, false},
                                             {"bytes", false, true},        {"encoding", false, false},    {"data", false, false}};
    bool text = row->len == 0 || (memchr(row->data, '\0', row->len) == NULL && sl_utf8_valid(row->data, row->len));
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, N_LIST_FIELDS + 4, true);
    add_row(rows, row);
    sl_rows_json(rows, row->attributes == NULL ? "{}" : row->attributes);
    sl_rows_int(rows, (int64_t)row->len);
    sl_rows_str(rows, text ? "text" : "base64");
    sl_rows_str(rows,
                text ? sl_arena_strndup(&cli->arena, row->len == 0 ? "" : row->data, row->len) : base64(row->data, row->len, &cli->arena));
    sl_rows_finish(&rows, &cli->err);
}

static void print_line(struct sl_cli *cli, const char *label, const char *text)
{
    if (text == NULL)
        return;
    fprintf(cli->out, "%-13s ", label);
    sl_print_safe(cli->out, text);
    fputc('\n', cli->out);
}

static void print_text(struct sl_cli *cli, const struct sl_reject_row *row)
{
    char received[SL_TIME_LEN + 1];
    print_line(cli, "id", cli->select.word);
    print_line(cli, "received", sl_time_format(row->received_us, received));
    print_line(cli, "phase", row->phase);
    print_line(cli, "subscription", row->subscription);
    print_line(cli, "message_id", row->message_id);
    print_line(cli, "code", row->code);
    print_line(cli, "detail", row->detail);
    print_line(cli, "attributes", row->attributes);
    fprintf(cli->out, "%-13s %zu bytes\n\n", "data", row->len);
    if (isatty(fileno(cli->out)) != 0)
        sl_print_safe(cli->out, row->len == 0 ? "" : sl_arena_strndup(&cli->arena, row->data, row->len));
    else if (row->len > 0)
        fwrite(row->data, 1, row->len, cli->out);
    fputc('\n', cli->out);
}

static int run_show(struct sl_cli *cli)
{
    struct sl_reject_row *rejects = NULL;
    size_t n = 0;
    int64_t id;
    if (!sl_parse_i64(cli->select.word, &id) || id < 1)
        return sl_cli_usage(cli, "%.40s is no id of a rejected message; `sluice dlq list` has them", cli->select.word);
    enum sl_code code = sl_ledger_rejects(cli->ledger, id, &rejects, &n, &cli->arena, &cli->err);
    if (code == SL_OK && n == 0)
        code = sl_fail(&cli->err, SL_NOT_FOUND, "there is no rejected message %lld", (long long)id);
    if (code != SL_OK)
        return sl_cli_failed(cli, "sluice dlq list");
    if (cli->format == SL_FORMAT_TABLE)
        print_text(cli, &rejects[0]);
    else
        print_record(cli, &rejects[0]);
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_DLQ_LIST = {
    .name = "dlq list",
    .usage = "[PHASE]",
    .help = "the messages that were rejected, with their reasons",
    .takes = SL_TAKES_PHASE,
    .opens = SL_READS,
    .examples = {"dlq list", "dlq list --phase orders_raw -o ndjson"},
    .run = run_list,
};

const struct sl_command SL_CMD_DLQ_SHOW = {
    .name = "dlq show",
    .usage = "ID",
    .help = "one of them: reason, attributes and the bytes as they came",
    .more = "In JSON, data is text when it is UTF-8 and base64 when not; `encoding` says which.",
    .takes = SL_TAKES_WORD | SL_WANTS_WORD,
    .opens = SL_READS,
    .examples = {"dlq show 4", "dlq show 4 -o json"},
    .run = run_show,
};
