/* cmd_replay.c - dead letters come back, in the order of their dates: into Sluice itself, or to their topic. */
#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/replay.h>

#define MAX_REPLAYS 3

static const struct sl_flag FLAGS[] = {
    {"subscription", "S", "the subscription on the dead-letter topic; else that of --phase", 0},
    {"ledger", NULL, "the ledger's own list instead", 0},
    {"dates", "A..B", "only letters of these dates; or one date", 0},
    {"filter", "EXPR", "only letters that the expression means", 0},
    {"limit", "N", "at most so many, the first by date", 0},
    {"rate", "N/s", "at most so many a second", 0},
    {"max-replays", "N", "a letter that was replayed so often goes to the quarantine topic; 3 when not given", 0},
    {"to", "self|topic", "into Sluice itself (when not given), or to the topic that it came from", 0},
    {"hold", NULL, "triggers that this would fire wait on the pending list, for `sluice release`", 0},
    {"dry-run", NULL, "print what would go where, change nothing", 0},
    {0},
};

struct replaying {
    struct sl_cli *cli;
    struct sl_ops ops;
    struct sl_service *service;
    struct sl_letter_box box;
    struct sl_replay_options options;
    struct sl_letter_filter *filter;
    bool from_ledger, dry_run;
};

/* ---- the line ---- */

static enum sl_code read_rate(struct sl_cli *cli, int64_t *rate)
{
    const char *text = sl_args_get(&cli->args, "rate");
    *rate = 0;
    if (text == NULL)
        return SL_OK;
    size_t len = strlen(text);
    if (len > 2 && strcmp(text + len - 2, "/s") == 0)
        len -= 2;
    if (!sl_parse_i64(sl_arena_strndup(&cli->arena, text, len), rate) || *rate < 1 || *rate > 1000000)
        return sl_fail(&cli->err, SL_INVALID, "--rate %.40s is not N/s with N from 1 to 1000000", text);
    return SL_OK;
}

/* --to says where, and as with every range the last date. */
static enum sl_code read_to(struct replaying *r, sl_date *last)
{
    struct sl_cli *cli = r->cli;
    const char **texts = sl_arena_array(&cli->arena, cli->args.n_values + 1, sizeof *texts);
    size_t n = sl_args_all(&cli->args, "to", texts);
    for (size_t i = 0; i < n; i++) {
        const bool topic = strcmp(texts[i], "topic") == 0;
        if (topic || strcmp(texts[i], "self") == 0)
            r->options.policy.to_topic = topic;
        else if (sl_cli_date(cli, texts[i], last) != SL_OK)
            return sl_fail(&cli->err, SL_INVALID, "--to %.40s is neither self nor topic, nor a last date", texts[i]);
    }
    return SL_OK;
}

/* "A..B", either end may be left out; or one date. */
static enum sl_code read_range(struct sl_cli *cli, const char *text, struct sl_replay_policy *policy)
{
    const char *dots = strstr(text, "..");
    const char *from = dots == NULL ? text : sl_arena_strndup(&cli->arena, text, (size_t)(dots - text)),
               *to = dots == NULL ? text : dots + 2;
    enum sl_code code = from[0] == '\0' ? SL_OK : sl_cli_date(cli, from, &policy->from);
    if (code == SL_OK && to[0] != '\0')
        code = sl_cli_date(cli, to, &policy->to);
    return code;
}

/* By --dates, or as everywhere: A..B, --date, --from and --to. */
static enum sl_code read_dates(struct replaying *r)
{
    struct sl_cli *cli = r->cli;
    struct sl_replay_policy *policy = &r->options.policy;
    const char *text = sl_args_get(&cli->args, "dates");
    policy->from = cli->select.from;
    policy->to = cli->select.to;
    enum sl_code code = read_to(r, &policy->to);
    if (code == SL_OK && text != NULL && (policy->from != SL_DATE_NONE || policy->to != SL_DATE_NONE))
        return sl_fail(&cli->err, SL_INVALID, "--dates %.40s is a second range", text);
    if (code == SL_OK && text != NULL)
        code = read_range(cli, text, policy);
    if (code == SL_OK && policy->from != SL_DATE_NONE && policy->to != SL_DATE_NONE && policy->to < policy->from)
        return sl_fail(&cli->err, SL_INVALID, "the range ends before it starts");
    return code;
}

static enum sl_code read_line(struct replaying *r)
{
    struct sl_cli *cli = r->cli;
    struct sl_replay_policy *policy = &r->options.policy;
    const char *filter = sl_args_get(&cli->args, "filter");
    int64_t limit = 0;
    *policy = (struct sl_replay_policy){.phase = cli->select.phase};
    r->from_ledger = sl_args_has(&cli->args, "ledger");
    r->dry_run = sl_args_has(&cli->args, "dry-run");
    r->options.hold = sl_args_has(&cli->args, "hold");
    r->options.stop = sl_cli_stop();
    r->options.pause = sl_cli_pause;
    enum sl_code code = read_dates(r);
    if (code == SL_OK && filter != NULL)
        code = sl_letter_filter_parse(&r->filter, filter, cli->config, cli->today, &cli->arena, &cli->err);
    policy->filter = r->filter;
    if (code == SL_OK)
        code = sl_cli_number(cli, "limit", 1, 0, &limit);
    if (code == SL_OK)
        code = sl_cli_number(cli, "max-replays", 0, MAX_REPLAYS, &policy->max_replays);
    if (code == SL_OK)
        code = read_rate(cli, &r->options.rate);
    policy->limit = (size_t)limit;
    if (code == SL_OK && !r->from_ledger && sl_args_get(&cli->args, "subscription") == NULL && cli->select.phase == NULL)
        code = sl_fail(&cli->err, SL_INVALID, "which dead letters? say --subscription S, --phase P or --ledger");
    if (code == SL_OK && r->from_ledger && sl_args_get(&cli->args, "subscription") != NULL)
        code = sl_fail(&cli->err, SL_INVALID, "--ledger is the ledger's own list, --subscription one of the bus: say one of them");
    return code;
}

/* ---- where they lie ---- */

static enum sl_code find_phase_box(struct replaying *r, struct sl_pubsub_admin *admin)
{
    struct sl_cli *cli = r->cli;
    struct sl_letter_box *boxes = NULL;
    size_t n = 0;
    if (cli->select.phase->dead_letter_topic == NULL)
        return sl_fail(&cli->err, SL_NOT_FOUND,
                       "phase %s has no completions.dead_letter_topic: its dead letters are in the ledger's list (--ledger)",
                       cli->select.phase->name);
    enum sl_code code = sl_letter_boxes(&boxes, &n, admin, cli->config, cli->select.phase, &cli->arena, &cli->err);
    if (code != SL_OK)
        return code;
    if (n != 1 || boxes[0].subscription == NULL)
        return sl_fail(&cli->err, SL_NOT_FOUND, n > 1 ? "%s has %zu subscriptions: say --subscription S" : "%s has no subscription",
                       n > 0 ? boxes[0].topic : cli->select.phase->dead_letter_topic, n);
    r->box = boxes[0];
    return SL_OK;
}

static enum sl_code find_box(struct replaying *r)
{
    struct sl_cli *cli = r->cli;
    const char *name = sl_args_get(&cli->args, "subscription");
    struct sl_pubsub_admin *admin = NULL;
    if (r->from_ledger)
        return SL_OK;
    enum sl_code code = sl_pubsub_admin_create(&admin, sl_service_peer(r->service), &cli->err);
    if (code == SL_OK)
        code = name != NULL ? sl_letter_box_find(&r->box, name, admin, cli->config, &cli->arena, &cli->err) : find_phase_box(r, admin);
    sl_pubsub_admin_destroy(&admin);
    if (code != SL_OK)
        return code;
    r->options.box = &r->box;
    for (size_t i = 0; i < cli->config->n_phases; i++) {
        const char *own = cli->config->phases[i].subscription;
        if (own != NULL && strcmp(sl_pubsub_resource(&cli->arena, cli->config, "subscriptions", own), r->box.subscription) == 0)
            return sl_fail(&cli->err, SL_INVALID, "%s is where %s receives its completions, not a subscription of dead letters",
                           r->box.subscription, cli->config->phases[i].name);
    }
    return SL_OK;
}

/* ---- a dry run ---- */

static const char *bar_text(struct sl_cli *cli, size_t n, size_t most)
{
    static const char FULL[] = "########################################";
    const size_t len = (n * (sizeof FULL - 1) + most - 1) / most;
    return sl_arena_strndup(&cli->arena, FULL, len);
}

static int print_histogram(struct sl_cli *cli, const struct sl_replay_bar *bars, size_t n)
{
    static const struct sl_field FIELDS[] = {{"action", false, false},     {"to", false, false},        {"phase", false, false},
                                             {"processor", false, false},  {"reason", false, false},    {"count", false, true},
                                             {"first_date", false, false}, {"last_date", false, false}, {"oldest", true, false},
                                             {"note", false, false},       {"share", false, false}};
    const size_t n_fields = cli->format == SL_FORMAT_TABLE ? 11 : 10;
    struct sl_rows *rows;
    size_t most = 1;
    for (size_t i = 0; i < n; i++)
        most = bars[i].n > most ? bars[i].n : most;
    sl_cli_rows(cli, &rows, FIELDS, n_fields, false);
    for (size_t i = 0; i < n; i++) {
        sl_rows_str(rows, sl_replay_action_name(bars[i].action));
        sl_rows_str(rows, bars[i].to);
        sl_rows_str(rows, bars[i].phase);
        sl_rows_str(rows, bars[i].processor);
        sl_rows_str(rows, bars[i].reason);
        sl_rows_int(rows, (int64_t)bars[i].n);
        sl_rows_date(rows, bars[i].first);
        sl_rows_date(rows, bars[i].last);
        sl_rows_time(rows, bars[i].oldest_us);
        sl_rows_str(rows, bars[i].note);
        if (n_fields == 11)
            sl_rows_str(rows, bar_text(cli, bars[i].n, most));
    }
    return sl_rows_finish(&rows, &cli->err) == SL_OK ? SL_EXIT_OK : sl_cli_failed(cli, NULL);
}

static bool recorded(void *arg, const struct sl_dead_letter *letter)
{
    return sl_replay_is_recorded(arg, letter);
}

struct gathered { /* without their bodies */
    struct sl_arena *arena;
    struct sl_dead_letter *letters;
    size_t n;
};

static bool gather(void *arg, const struct sl_dead_letter *letter)
{
    struct gathered *gathered = arg;
    gathered->letters = sl_arena_push(gathered->arena, gathered->letters, &gathered->n, sizeof *gathered->letters);
    sl_dead_letter_copy(&gathered->letters[gathered->n - 1], letter, gathered->arena);
    return true;
}

static enum sl_code gather_rows(struct replaying *r, struct gathered *gathered)
{
    struct sl_cli *cli = r->cli;
    struct sl_reject_row *rows = NULL, *row = NULL;
    size_t n = 0, n_row = 0;
    enum sl_code code = sl_ledger_rejects(cli->ledger, 0, &rows, &n, &cli->arena, &cli->err);
    for (size_t i = 0; i < n && code == SL_OK; i++) {
        struct sl_arena arena = {0};
        struct sl_dead_letter letter;
        code = sl_ledger_rejects(cli->ledger, rows[i].id, &row, &n_row, &arena, &cli->err);
        if (code == SL_OK && n_row > 0) {
            sl_dead_letter_of_reject(&letter, row, cli->config, cli->now_us, &arena);
            gather(gathered, &letter);
        } else if (code == SL_NOT_FOUND) { /* somebody was quicker */
            code = SL_OK;
        }
        sl_arena_fini(&arena);
    }
    return code;
}

static int dry_run(struct replaying *r)
{
    struct sl_cli *cli = r->cli;
    struct sl_replay_policy *policy = &r->options.policy;
    struct sl_replay_step *steps;
    struct sl_replay_bar *bars;
    struct sl_letter_look look = {0};
    struct gathered gathered = {.arena = &cli->arena};
    if (r->options.box != NULL)
        policy->quarantine = sl_replay_quarantine(r->box.topic, &cli->arena);
    enum sl_code code = r->from_ledger ? gather_rows(r, &gathered)
                                       : sl_letters_look(&look, &r->box, r->service, cli->config, cli->now_us, gather, &gathered,
                                                         sl_cli_stop(), &cli->err);
    if (code != SL_OK)
        return sl_cli_failed(cli, NULL);
    if (sl_cli_stopped() != 0)
        return SL_EXIT_INTERRUPTED;
    const size_t n = sl_replay_plan(&steps, gathered.letters, gathered.n, policy, cli->config, cli->now_us, recorded, &r->ops, &cli->arena);
    const size_t n_bars = sl_replay_histogram(&bars, steps, n, &cli->arena);
    const int exit_code = print_histogram(cli, bars, n_bars);
    sl_cli_note(cli, "%zu of %zu letters; nothing was changed%s", n, gathered.n,
                look.taken ? "; this server delivered them, and has them back" : "");
    return exit_code;
}

/* ---- the run ---- */

static enum sl_code print_counts(struct sl_cli *cli, const struct sl_replay_counts *counts)
{
    static const struct sl_field FIELDS[] = {{"read", false, true},    {"matched", false, true},  {"replayed", false, true},
                                             {"skipped", false, true}, {"rejected", false, true}, {"quarantined", false, true},
                                             {"kept", false, true},    {"outbox", false, true}};
    struct sl_rows *rows;
    sl_cli_rows(cli, &rows, FIELDS, 8, true);
    sl_rows_int(rows, (int64_t)counts->read);
    sl_rows_int(rows, (int64_t)counts->matched);
    sl_rows_int(rows, (int64_t)counts->replayed);
    sl_rows_int(rows, (int64_t)counts->skipped);
    sl_rows_int(rows, (int64_t)counts->rejected);
    sl_rows_int(rows, (int64_t)counts->quarantined);
    sl_rows_int(rows, (int64_t)counts->kept);
    sl_rows_int(rows, (int64_t)counts->outbox);
    return sl_rows_finish(&rows, &cli->err);
}

static int finish(struct replaying *r, enum sl_code code, const struct sl_replay_counts *counts)
{
    struct sl_cli *cli = r->cli;
    const struct sl_err failure = cli->err;
    const size_t handled = counts->replayed + counts->skipped + counts->rejected + counts->quarantined;
    if (print_counts(cli, counts) != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_note(
        cli,
        "%zu of %zu letters are replayed, %zu were known already, %zu were rejected again, %zu are in quarantine; %zu stay where they are",
        counts->replayed, counts->matched, counts->skipped, counts->rejected, counts->quarantined, counts->matched - handled);
    if (counts->left_to_worker)
        sl_cli_note(cli, "a worker is running: it publishes what they trigger");
    else if (counts->outbox > 0)
        sl_cli_note(cli, "%zu messages of the outbox could not be published yet: `sluice run` does", counts->outbox);
    if (code != SL_OK) {
        cli->err = failure;
        sl_wrap(&cli->err, "what was done is safe, the rest stays where it is");
        int exit_code = sl_cli_failed(cli, NULL);
        return code == SL_CONFLICT ? SL_EXIT_PARTLY : exit_code;
    }
    if (sl_cli_stopped() != 0) {
        sl_cli_note(cli, "interrupted: what was done is safe, the rest stays where it is; the same line again goes on");
        return SL_EXIT_INTERRUPTED;
    }
    if (counts->kept > 0)
        sl_cli_note(cli, "%zu can't be replayed: %s", counts->kept, counts->why);
    return counts->kept > 0 ? SL_EXIT_PARTLY : SL_EXIT_OK;
}

static int with_service(struct replaying *r)
{
    struct sl_cli *cli = r->cli;
    struct sl_replay_counts counts = {0};
    if (find_box(r) != SL_OK)
        return cli->err.code == SL_INVALID ? sl_cli_usage_err(cli)
                                           : sl_cli_failed(cli, cli->err.code == SL_NOT_FOUND ? "sluice init" : NULL);
    if (r->dry_run)
        return dry_run(r);
    return finish(r, sl_replay_run(&r->ops, r->service, &r->options, &counts, &cli->err), &counts);
}

static int run(struct sl_cli *cli)
{
    struct replaying r = {.cli = cli};
    if (read_line(&r) != SL_OK)
        return sl_cli_usage_err(cli);
    sl_cli_ops(cli, &r.ops);
    sl_cli_catch_signals();
    int exit_code = sl_cli_open_service(cli, true, &r.service);
    if (exit_code != SL_EXIT_OK)
        return exit_code;
    exit_code = with_service(&r);
    sl_service_close(&r.service);
    return exit_code;
}

const struct sl_command SL_CMD_REPLAY = {
    .name = "replay",
    .usage = "(--subscription S | PHASE | --ledger) [A..B] [--filter EXPR] [--to self|topic] [--dry-run] ...",
    .help = "brings dead letters back, in the order of their dates",
    .more =
        "A letter leaves the dead letters only after what it does is committed (--to self), or the bus has confirmed its copy (--to "
        "topic).\n"
        "Stopped or killed anywhere, nothing is lost, and the same line goes on where it was; a letter whose run is recorded already goes\n"
        "without effect. What is rejected again goes back with its count (sluice_replay_count), and at --max-replays to the topic\n"
        "T-quarantine. Every replay is an event message_replayed. Dates are in order among what is held at once, 100,000 letters.\n"
        "While a letter is held, its lease is extended; what is not meant is free at the end, on another server than our broker after 20 "
        "s.\n"
        "Delivery attempts are counted only where the subscription on the dead-letter topic has a dead-letter policy itself.\n"
        "\n"
        "EXPR: FIELD OP VALUE, joined by and, or, not and parentheses. FIELD: phase, processor, date, status, reason, detail, age, "
        "published,\n"
        "subscription, message_id, replays, deliveries, attr.NAME (alone: it is there). OP: = != < <= > >= ~ (holds the text) !~\n"
        "in A..B, in (V, ...). A date that can't be read equals nothing. Reasons are the reject codes; `undelivered`: the bus gave up.\n"
        "Exit 5: some letters could not be replayed, and stay; 130: interrupted.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE,
    .opens = SL_OPENS_CONFIG | SL_OPENS_LEDGER_WRITE | SL_OPENS_WAREHOUSE,
    .flags = FLAGS,
    .examples = {"replay --phase orders_raw --dry-run",
                 "replay --subscription orders-raw-complete-dlq-sub --filter 'reason = unknown_phase' --rate 50/s",
                 "replay orders_raw 2025-01-01..2025-01-31 --hold", "replay --ledger --limit 10"},
    .run = run,
};
