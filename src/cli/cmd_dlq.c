/* cmd_dlq.c - dlq list and show: what was not taken, with its reason and its bytes as they came, on the dead-letter topics and in the ledger's own list. Looking changes nothing. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice/base64.h>
#include <sluice/dead_letters.h>
#include <sluice/file.h>

#define DEFAULT_LIMIT 1000

static const struct sl_flag LIST_FLAGS[] = {
    {"subscription", "S", "only what lies on this subscription; `ledger` is the ledger's own list", 0},
    {"filter", "EXPR", "only letters that the expression means; sluice replay --help has its words", 0},
    {"limit", "N", "at most so many of each subscription, the first that are meant; 1000 when not given", 0},
    {0},
};

static const struct sl_flag SHOW_FLAGS[] = {
    {"subscription", "S", "where the message lies, when ID doesn't say", 0},
    {0},
};

static const struct sl_field FIELDS[] = {
    {"id", false, false},         {"received_at", false, false}, {"phase", false, false},    {"subscription", true, false},
    {"message_id", true, false},  {"publish_time", true, false}, {"code", false, false},     {"detail", false, false},
    {"date", false, false},       {"processor", true, false},    {"replays", false, true},   {"where", true, false},
    {"attributes", false, false}, {"bytes", false, true},        {"encoding", false, false}, {"data", false, false},
};
#define N_LIST_FIELDS 12
#define N_ALL_FIELDS  16

struct listing {
    struct sl_cli *cli;
    struct sl_letter_filter *filter;
    const char *only; /* a subscription; NULL: all */
    size_t limit;
    struct sl_service *service;
    struct sl_pubsub_admin *admin;
    struct sl_rows *rows;
    size_t n; /* shown of this subscription */
    bool taken, partly;
};

static bool is_ledger(const char *subscription)
{
    return subscription == NULL || strcmp(subscription, SL_LEDGER_LIST) == 0;
}

static bool is_bus(const char *subscription)
{
    return subscription == NULL || strcmp(subscription, SL_LEDGER_LIST) != 0;
}

/* ---- printing ---- */

/* "SUBSCRIPTION/MESSAGE_ID", as `dlq show` takes it. */
static const char *letter_id(struct sl_cli *cli, const struct sl_dead_letter *letter)
{
    const char *prefix = sl_arena_printf(&cli->arena, "projects/%s/subscriptions/", cli->config->bus.project);
    const char *name = letter->message->subscription;
    if (strncmp(name, prefix, strlen(prefix)) == 0)
        name += strlen(prefix);
    return sl_arena_printf(&cli->arena, "%s/%s", name, letter->message->message_id);
}

static void add_row(struct sl_cli *cli, struct sl_rows *rows, const struct sl_dead_letter *letter)
{
    if (letter->reject_id != 0)
        sl_rows_int(rows, letter->reject_id);
    else
        sl_rows_str(rows, letter_id(cli, letter));
    sl_rows_time(rows, letter->message->publish_us);
    sl_rows_str(rows, letter->phase_name);
    sl_rows_str(rows, letter->source_subscription);
    sl_rows_str(rows, letter->source_message_id);
    sl_rows_time(rows, letter->source_publish_us != letter->message->publish_us ? letter->source_publish_us : 0);
    sl_rows_str(rows, letter->reason);
    sl_rows_str(rows, letter->detail);
    sl_rows_date(rows, letter->date);
    sl_rows_str(rows, letter->processor);
    sl_rows_int(rows, letter->replays);
    sl_rows_str(rows, letter->message->subscription);
}

static bool is_asked_for(const struct listing *l, const struct sl_dead_letter *letter)
{
    const struct sl_selection *select = &l->cli->select;
    if (select->phase != NULL && letter->phase != select->phase)
        return false;
    if (select->from != SL_DATE_NONE && (letter->date == SL_DATE_NONE || letter->date < select->from))
        return false;
    if (select->to != SL_DATE_NONE && (letter->date == SL_DATE_NONE || letter->date > select->to))
        return false;
    return sl_letter_filter_takes(l->filter, letter, l->cli->now_us);
}

/* ---- list ---- */

static enum sl_code list_ledger(struct listing *l)
{
    struct sl_cli *cli = l->cli;
    struct sl_reject_row *rejects = NULL, *row = NULL;
    size_t n = 0, n_row = 0;
    enum sl_code code = sl_ledger_rejects(cli->ledger, 0, &rejects, &n, &cli->arena, &cli->err);
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        struct sl_arena arena = {0};
        struct sl_dead_letter letter;
        code = sl_ledger_rejects(cli->ledger, rejects[i].id, &row, &n_row, &arena, &cli->err);
        if (code == SL_OK && n_row > 0) {
            sl_dead_letter_of_reject(&letter, row, cli->config, cli->now_us, &arena);
            if (is_asked_for(l, &letter))
                add_row(cli, l->rows, &letter);
        }
        if (code == SL_NOT_FOUND)
            code = SL_OK;
        sl_arena_fini(&arena);
    }
    return code;
}

static bool list_letter(void *arg, const struct sl_dead_letter *letter)
{
    struct listing *l = arg;
    if (!is_asked_for(l, letter))
        return true;
    if (l->n == l->limit)
        return false;
    l->n++;
    add_row(l->cli, l->rows, letter);
    return true;
}

static enum sl_code list_box(struct listing *l, const struct sl_letter_box *box)
{
    struct sl_cli *cli = l->cli;
    struct sl_letter_look look;
    l->n = 0;
    enum sl_code code = sl_letters_look(&look, box, l->service, cli->config, cli->now_us, list_letter, l, sl_cli_stop(), &cli->err);
    if (code == SL_OK && !look.all)
        sl_cli_note(cli, "%s has more than %zu messages: --limit N shows more", box->subscription, l->limit);
    l->taken |= look.taken;
    return code;
}

static enum sl_code list_boxes(struct listing *l)
{
    struct sl_cli *cli = l->cli;
    struct sl_letter_box *boxes = NULL, one;
    size_t n = 1;
    enum sl_code code;
    if (l->only != NULL) {
        code = sl_letter_box_find(&one, l->only, l->admin, cli->config, &cli->arena, &cli->err);
        boxes = &one;
    } else {
        code = sl_letter_boxes(&boxes, &n, l->admin, cli->config, cli->select.phase, &cli->arena, &cli->err);
    }
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        if (boxes[i].subscription != NULL)
            code = list_box(l, &boxes[i]);
        else if (boxes[i].is_there)
            sl_cli_note(cli, "%s has no subscription: dead letters that come there are lost (sluice init makes one)", boxes[i].topic);
    }
    return code;
}

/* Is there a bus to be looked at? A broker of our own that was never made is none. */
static bool has_bus(const struct sl_cli *cli, const char *only)
{
    bool any = only != NULL;
    for (size_t i = 0; i < cli->config->n_phases; i++)
        any |= cli->config->phases[i].dead_letter_topic != NULL;
    if (!any || cli->config->bus.type != SL_BUS_EMBEDDED)
        return any;
    char *path = sl_path_join(cli->config->bus.path, "broker.db");
    const bool is_there = access(path, F_OK) == 0;
    free(path);
    return is_there;
}

static enum sl_code list_bus(struct listing *l)
{
    struct sl_cli *cli = l->cli;
    const struct sl_service_options options = {.brief = true};
    enum sl_code code = sl_service_open(&l->service, cli->config, &options, &cli->err);
    if (code == SL_OK)
        code = sl_service_reach(l->service, &cli->err);
    if (code == SL_OK)
        code = sl_pubsub_admin_create(&l->admin, sl_service_peer(l->service), &cli->err);
    if (code == SL_OK)
        code = list_boxes(l);
    sl_pubsub_admin_destroy(&l->admin);
    sl_service_close(&l->service);
    return code;
}

/* Shared by list and show: the letters that lie there, each to add_row(). */
static int list(struct listing *l)
{
    struct sl_cli *cli = l->cli;
    struct sl_err bus_err = {0};
    enum sl_code code = is_ledger(l->only) ? list_ledger(l) : SL_OK, bus = SL_OK;
    if (code == SL_OK && is_bus(l->only) && has_bus(cli, l->only)) {
        bus = list_bus(l);
        bus_err = cli->err;
    }
    const enum sl_code printed = sl_rows_finish(&l->rows, &cli->err);
    if (code != SL_OK || printed != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (l->taken)
        sl_cli_note(cli, "this server can't be asked without delivering: the messages were pulled and given back at once");
    if (bus == SL_OK)
        return sl_cli_stopped() != 0 ? SL_EXIT_INTERRUPTED : SL_EXIT_OK;
    cli->err = bus_err;
    sl_wrap(&cli->err, "the dead-letter topics could not be looked at");
    int exit_code = sl_cli_failed(cli, NULL);
    return l->only == NULL ? SL_EXIT_PARTLY : exit_code;
}

static int run_list(struct sl_cli *cli)
{
    struct listing l = {.cli = cli, .only = sl_args_get(&cli->args, "subscription")};
    const char *filter = sl_args_get(&cli->args, "filter");
    int64_t limit;
    if (filter != NULL && sl_letter_filter_parse(&l.filter, filter, cli->config, cli->today, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_usage_err(cli);
    if (sl_cli_number(cli, "limit", 1, DEFAULT_LIMIT, &limit) != SL_OK)
        return sl_cli_usage_err(cli);
    l.limit = (size_t)limit;
    sl_cli_catch_signals();
    sl_cli_rows(cli, &l.rows, FIELDS, N_LIST_FIELDS, false);
    return list(&l);
}

/* ---- show ---- */

static const char *attributes_json(struct sl_cli *cli, const struct sl_message *message)
{
    struct sl_buf text = {0};
    struct sl_json json;
    sl_json_init(&json, &text);
    sl_json_object(&json);
    for (size_t i = 0; i < message->n_attributes; i++)
        sl_json_put_str(&json, message->attributes[i].key, message->attributes[i].value);
    sl_json_end_object(&json);
    const char *out = sl_arena_strdup(&cli->arena, sl_buf_text(&text));
    sl_buf_fini(&text);
    return out;
}

/* As text when it is UTF-8 without NUL, else base64: nothing is lost either way. */
static int print_record(struct sl_cli *cli, const struct sl_dead_letter *letter)
{
    const struct sl_message *m = letter->message;
    const bool text = m->len == 0 || (memchr(m->data, '\0', m->len) == NULL && sl_utf8_valid(m->data, m->len));
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, N_ALL_FIELDS, true);
    add_row(cli, rows, letter);
    sl_rows_json(rows, attributes_json(cli, m));
    sl_rows_int(rows, (int64_t)m->len);
    sl_rows_str(rows, text ? "text" : "base64");
    sl_rows_str(rows,
                text ? sl_arena_strndup(&cli->arena, m->len == 0 ? "" : m->data, m->len) : sl_base64_encode(m->data, m->len, &cli->arena));
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

static void print_line(struct sl_cli *cli, const char *label, const char *text)
{
    if (text == NULL)
        return;
    fprintf(cli->out, "%-13s ", label);
    sl_print_safe(cli->out, text);
    fputc('\n', cli->out);
}

static int print_text(struct sl_cli *cli, const struct sl_dead_letter *letter)
{
    const struct sl_message *m = letter->message;
    char received[SL_TIME_LEN + 1], date[SL_DATE_LEN + 1];
    print_line(cli, "id", letter->reject_id != 0 ? m->message_id : letter_id(cli, letter));
    print_line(cli, "received", sl_time_format(m->publish_us, received));
    print_line(cli, "phase", letter->phase_name);
    print_line(cli, "processor", letter->processor);
    print_line(cli, "date", letter->date == SL_DATE_NONE ? NULL : sl_date_format(letter->date, date));
    print_line(cli, "subscription", letter->source_subscription);
    print_line(cli, "message_id", letter->source_message_id);
    print_line(cli, "code", letter->reason);
    print_line(cli, "detail", letter->detail);
    print_line(cli, "replays", sl_arena_printf(&cli->arena, "%lld", (long long)letter->replays));
    print_line(cli, "attributes", attributes_json(cli, m));
    fprintf(cli->out, "%-13s %zu bytes\n\n", "data", m->len);
    if (isatty(fileno(cli->out)) != 0)
        sl_print_safe(cli->out, m->len == 0 ? "" : sl_arena_strndup(&cli->arena, m->data, m->len));
    else if (m->len > 0)
        fwrite(m->data, 1, m->len, cli->out);
    fputc('\n', cli->out);
    return SL_EXIT_OK;
}

static int print_letter(struct sl_cli *cli, const struct sl_dead_letter *letter)
{
    return cli->format == SL_FORMAT_TABLE ? print_text(cli, letter) : print_record(cli, letter);
}

static int show_row(struct sl_cli *cli, int64_t id)
{
    struct sl_reject_row *rejects = NULL;
    struct sl_dead_letter letter;
    size_t n = 0;
    enum sl_code code = sl_ledger_rejects(cli->ledger, id, &rejects, &n, &cli->arena, &cli->err);
    if (code == SL_OK && n == 0)
        code = sl_fail(&cli->err, SL_NOT_FOUND, "there is no rejected message %lld", (long long)id);
    if (code != SL_OK)
        return sl_cli_failed(cli, "sluice dlq list");
    sl_dead_letter_of_reject(&letter, &rejects[0], cli->config, cli->now_us, &cli->arena);
    return print_letter(cli, &letter);
}

struct search {
    struct sl_cli *cli;
    const char *message_id;
    bool found;
    int exit_code; /* of printing it */
};

static bool show_if_it(void *arg, const struct sl_dead_letter *letter)
{
    struct search *search = arg;
    search->found = strcmp(letter->message->message_id, search->message_id) == 0;
    if (search->found)
        search->exit_code = print_letter(search->cli, letter);
    return !search->found;
}

/* Everything that lies there is looked through: the bus knows no question for one message. */
static enum sl_code search_letter(struct listing *l, struct search *search)
{
    struct sl_cli *cli = l->cli;
    struct sl_letter_box box;
    struct sl_letter_look look;
    enum sl_code code = sl_pubsub_admin_create(&l->admin, sl_service_peer(l->service), &cli->err);
    if (code == SL_OK)
        code = sl_letter_box_find(&box, l->only, l->admin, cli->config, &cli->arena, &cli->err);
    if (code == SL_OK)
        code = sl_letters_look(&look, &box, l->service, cli->config, cli->now_us, show_if_it, search, sl_cli_stop(), &cli->err);
    sl_pubsub_admin_destroy(&l->admin);
    if (code == SL_OK && !search->found)
        code = sl_fail(&cli->err, SL_NOT_FOUND, "no message %s lies on %s", search->message_id, l->only);
    return code;
}

static int show_letter(struct sl_cli *cli, const char *subscription, const char *message_id)
{
    struct listing l = {.cli = cli, .only = subscription};
    struct search search = {.cli = cli, .message_id = message_id};
    int exit_code = sl_cli_open_service(cli, true, &l.service);
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    sl_cli_catch_signals();
    if (search_letter(&l, &search) == SL_OK)
        exit_code = search.exit_code;
    else
        exit_code = sl_cli_stopped() != 0 ? SL_EXIT_INTERRUPTED : sl_cli_failed(cli, "sluice dlq list");
    sl_service_close(&l.service);
    return exit_code;
}

static int run_show(struct sl_cli *cli)
{
    const char *word = cli->select.word, *slash = strrchr(word, '/'), *subscription = sl_args_get(&cli->args, "subscription");
    int64_t id;
    if (subscription == NULL && slash != NULL && slash != word && slash[1] != '\0')
        return show_letter(cli, sl_arena_strndup(&cli->arena, word, (size_t)(slash - word)), slash + 1);
    if (subscription != NULL && is_bus(subscription))
        return show_letter(cli, subscription, word);
    if (!sl_parse_i64(word, &id) || id < 1)
        return sl_cli_usage(cli, "%.80s is no id of a dead letter; `sluice dlq list` has them", word);
    return show_row(cli, id);
}

const struct sl_command SL_CMD_DLQ_LIST = {
    .name = "dlq list",
    .usage = "[PHASE] [A..B] [--subscription S] [--filter EXPR] [--limit N]",
    .help = "the dead letters, on the bus and in the ledger's own list, with their reasons",
    .more =
        "Looking leaves them as they are. Sluice's own broker is asked what it holds: nothing is delivered, no attempt is counted, and it\n"
        "doesn't matter who else receives. Any other server shows a message only by delivering it: there they are pulled and given back\n"
        "at once, unacked, and what others hold just then is not seen. Google counts delivery attempts only on a subscription that has a\n"
        "dead-letter policy; where the one on the dead-letter topic has one, looking would count, and is refused.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_READS,
    .flags = LIST_FLAGS,
    .examples = {"dlq list", "dlq list --phase orders_raw -o ndjson", "dlq list --filter 'reason = not_json and age > 2h'"},
    .run = run_list,
};

const struct sl_command SL_CMD_DLQ_SHOW = {
    .name = "dlq show",
    .usage = "ID | SUBSCRIPTION/MESSAGE_ID",
    .help = "one of them: reason, attributes and the bytes as they came",
    .more =
        "In JSON, data is text when it is UTF-8 and base64 when not; `encoding` says which. Looking leaves it as it is, as with dlq list.",
    .takes = SL_TAKES_WORD | SL_WANTS_WORD,
    .opens = SL_READS,
    .flags = SHOW_FLAGS,
    .examples = {"dlq show 4", "dlq show 4 -o json", "dlq show orders-raw-complete-dlq-sub/12-7"},
    .run = run_show,
};
