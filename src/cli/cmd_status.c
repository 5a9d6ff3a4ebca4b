/* cmd_status.c - one screen: what is wrong now, what is on its way, and where to look. */
#include "commands.h"

#include <unistd.h>

#define NOT_KNOWN (-1)

/* A broker that was never made is not made by looking; of Google's bus nothing is known. */
static bool can_be_asked(struct sl_cli *cli)
{
    const struct sl_config *config = cli->config;
    switch (config->bus.type) {
    case SL_BUS_EMBEDDED: return access(sl_arena_printf(&cli->arena, "%s/broker.db", config->bus.path), F_OK) == 0;
    case SL_BUS_EMULATOR: return true;
    case SL_BUS_PUBSUB: return false;
    }
    return false;
}

/* A bus that is away makes the rest of the screen no less true. */
static int64_t ask_backlog(struct sl_cli *cli)
{
    const struct sl_service_options options = {.brief = true, .wait_ms = -1};
    struct sl_service *service = NULL;
    struct sl_err err = {0};
    int64_t backlog = NOT_KNOWN;
    if (!can_be_asked(cli))
        return NOT_KNOWN;
    enum sl_code code = sl_service_open(&service, cli->config, &options, &err);
    if (code == SL_OK)
        code = sl_service_reach(service, &err);
    if (code == SL_OK)
        code = sl_service_backlog(service, &backlog, &err);
    sl_service_close(&service);
    return code == SL_OK ? backlog : NOT_KNOWN;
}

static void put_backlog(struct sl_json *json, int64_t backlog)
{
    if (backlog == NOT_KNOWN)
        sl_json_put_null(json, "backlog");
    else
        sl_json_put_int(json, "backlog", backlog);
}

static void put_gates(struct sl_json *json, const struct sl_ledger_counts *counts)
{
    sl_json_key(json, "gates");
    sl_json_object(json);
    for (int i = 0; i < SL_N_STATES; i++)
        sl_json_put_int(json, sl_state_name((enum sl_state)i), counts->gates[i]);
    sl_json_end_object(json);
}

static void put_oldest(struct sl_json *json, const struct sl_status_report *report)
{
    sl_json_key(json, "oldest_waiting");
    if (!report->has_oldest) {
        sl_json_null(json);
        return;
    }
    sl_json_object(json);
    sl_json_put_str(json, "phase", report->oldest.phase);
    sl_json_put_date(json, "date", report->oldest.date);
    sl_json_put_time(json, "since", report->oldest.since_us);
    sl_json_put_str(json, "waits_for", report->oldest.waits_for);
    sl_json_end_object(json);
}

static void print_record(struct sl_cli *cli, const struct sl_status_report *report, int64_t backlog)
{
    const struct sl_ledger_counts *counts = &report->counts;
    struct sl_buf buf;
    struct sl_json json;
    sl_buf_init(&buf);
    sl_json_init(&json, &buf);
    sl_json_object(&json);
    sl_json_put_str(&json, "pipeline", cli->config->pipeline);
    sl_json_put_strs(&json, "wrong", report->wrong, report->n_wrong);
    put_gates(&json, counts);
    sl_json_put_int(&json, "pending", report->n_pending);
    sl_json_put_int(&json, "holds", report->n_holds);
    put_backlog(&json, backlog);
    put_oldest(&json, report);
    sl_json_put_int(&json, "outbox", counts->outbox);
    sl_json_put_int(&json, "outbox_failing", counts->outbox_failing);
    sl_json_put_int(&json, "events_unloaded", counts->events_unloaded);
    sl_json_put_int(&json, "runs_unloaded", counts->runs_unloaded);
    sl_json_put_time(&json, "last_load_at", counts->last_load_us);
    sl_json_put_time(&json, "last_commit_at", counts->last_commit_us);
    sl_json_put_int(&json, "rejects", counts->rejects);
    sl_json_put_str(&json, "next", report->next);
    sl_json_end_object(&json);
    sl_cli_print_json(cli, &buf);
    sl_buf_fini(&buf);
}

static void print_wrong(struct sl_cli *cli, const struct sl_status_report *report)
{
    bool paint = cli->colour;
    if (report->n_wrong == 0)
        fprintf(cli->out, "%snothing is wrong%s\n", paint ? sl_paint_start(SL_PAINT_GOOD) : "", paint ? SL_PAINT_END : "");
    for (size_t i = 0; i < report->n_wrong; i++) {
        fputs(paint ? sl_paint_start(SL_PAINT_BAD) : "", cli->out);
        sl_print_safe(cli->out, report->wrong[i]);
        fprintf(cli->out, "%s\n", paint ? SL_PAINT_END : "");
    }
}

static void print_time(struct sl_cli *cli, const char *label, int64_t us)
{
    char text[SL_TIME_LEN + 1];
    fprintf(cli->out, "%-15s %s\n", label, us <= 0 ? "never" : sl_time_format(us, text));
}

static void print_oldest(struct sl_cli *cli, const struct sl_gate *gate)
{
    char date[SL_DATE_LEN + 1], since[SL_TIME_LEN + 1];
    fprintf(cli->out, "%-15s %s %s since %s", "oldest waiting", gate->phase, sl_date_format(gate->date, date),
            sl_time_format(gate->since_us, since));
    if (gate->waits_for != NULL) {
        fputs(": ", cli->out);
        sl_print_safe(cli->out, gate->waits_for);
    }
    fputc('\n', cli->out);
}

static void print_gates(struct sl_cli *cli, const struct sl_ledger_counts *counts)
{
    bool any = false;
    fprintf(cli->out, "\n%-15s", "gates");
    for (int i = 0; i < SL_N_STATES; i++)
        if (counts->gates[i] > 0) {
            fprintf(cli->out, "%s %lld %s", any ? "," : "", (long long)counts->gates[i], sl_state_name((enum sl_state)i));
            any = true;
        }
    fputs(any ? "\n" : " none\n", cli->out);
}

static void print_backlog(struct sl_cli *cli, int64_t backlog)
{
    if (backlog == NOT_KNOWN)
        fprintf(cli->out, "%-15s not known\n", "backlog");
    else
        fprintf(cli->out, "%-15s %lld messages\n", "backlog", (long long)backlog);
}

static void print_screen(struct sl_cli *cli, const struct sl_status_report *report, int64_t backlog)
{
    const struct sl_ledger_counts *counts = &report->counts;
    print_wrong(cli, report);
    print_gates(cli, counts);
    fprintf(cli->out, "%-15s %lld pending, %lld holds\n", "held", (long long)report->n_pending, (long long)report->n_holds);
    print_backlog(cli, backlog);
    if (report->has_oldest)
        print_oldest(cli, &report->oldest);
    fprintf(cli->out, "%-15s %lld messages, %lld failing\n", "outbox", (long long)counts->outbox, (long long)counts->outbox_failing);
    fprintf(cli->out, "%-15s %lld events, %lld runs\n", "to load", (long long)counts->events_unloaded, (long long)counts->runs_unloaded);
    print_time(cli, "last load", counts->last_load_us);
    print_time(cli, "last commit", counts->last_commit_us);
    fprintf(cli->out, "%-15s %lld\n", "rejects", (long long)counts->rejects);
    if (report->next != NULL)
        fprintf(cli->out, "\nNext: %s\n", report->next);
}

static int run(struct sl_cli *cli)
{
    struct sl_ops ops;
    struct sl_status_report report;
    if (cli->format == SL_FORMAT_CSV)
        return sl_cli_usage(cli, "status is one record; -o table, json or ndjson");
    sl_cli_ops(cli, &ops);
    if (sl_ops_status(&ops, &report, &cli->arena, &cli->err) != SL_OK)
        return sl_cli_failed(cli, NULL);
    const int64_t backlog = ask_backlog(cli);
    if (cli->format == SL_FORMAT_TABLE)
        print_screen(cli, &report, backlog);
    else
        print_record(cli, &report, backlog);
    return SL_EXIT_OK;
}

const struct sl_command SL_CMD_STATUS = {
    .name = "status",
    .usage = "",
    .help = "one screen: what is wrong now, backlog, oldest waiting gate, outbox, last load, rejects, the next command",
    .more = "The backlog is what waits on the phases' subscriptions. Only a broker of Sluice's own tells it.",
    .opens = SL_READS,
    .examples = {"status", "status -o json"},
    .run = run,
};
