/* cmd_release.c - decides held gates again on fresh facts and fires those that are open, in date order; what is blocked now is named, not fired. */
#include "gate_view.h"

#include "commands.h"

static const struct sl_flag FLAGS[] = {
    {"force", NULL, "fire blocked gates too; needs --reason", 0},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {"dry-run", NULL, "say what would be fired, change nothing", 0},
    {"rate", "N/s", "at most so many dates a second", 0},
    {0},
};

struct releasing {
    struct sl_cli *cli;
    struct sl_release ask;
    int64_t pause_ms; /* between dates; 0: none */
    struct sl_rows *rows;
    size_t n_fired, n_refused;
};

static void add_verdict(struct releasing *r, const struct sl_verdict *verdict)
{
    bool open = sl_gate_is_open(&verdict->after);
    r->n_fired += open;
    r->n_refused += !open;
    sl_rows_painted(r->rows, open ? (r->ask.dry_run ? "would fire" : "fired") : "refused", open ? SL_PAINT_GOOD : SL_PAINT_BAD);
    sl_rows_str(r->rows, sl_state_name(verdict->before.state));
    sl_gate_row(r->cli, r->rows, &verdict->after);
}

static enum sl_code release_dates(struct releasing *r, sl_date from, sl_date to)
{
    struct sl_cli *cli = r->cli;
    struct sl_release ask = r->ask;
    struct sl_verdict *verdicts = NULL;
    size_t n = 0;
    ask.from = from;
    ask.to = to;
    enum sl_code code = sl_worker_release(cli->worker, &ask, cli->now_us, &verdicts, &n, &cli->arena, &cli->err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        add_verdict(r, &verdicts[i]);
    return code;
}

/* Date by date, with a pause: only those that hold a pending gate. */
static enum sl_code release_slowly(struct releasing *r)
{
    struct sl_cli *cli = r->cli;
    struct sl_gate_filter filter = {.phase = r->ask.phase->name, .from = r->ask.from, .to = r->ask.to};
    struct sl_gate *gates = NULL;
    size_t n = 0;
    filter.states = 1u << SL_SUPPRESSED | 1u << SL_BLOCKED;
    enum sl_code code = sl_ledger_gates(cli->ledger, &filter, &gates, &n, &cli->arena, &cli->err);
    for (size_t i = 0; code == SL_OK && i < n && sl_cli_stopped() == 0; i++) {
        if (i > 0 && gates[i].date == gates[i - 1].date)
            continue;
        sl_cli_pause(i > 0 ? r->pause_ms : 0);
        code = release_dates(r, gates[i].date, gates[i].date);
    }
    return code;
}

static int finish(struct releasing *r, enum sl_code code)
{
    struct sl_cli *cli = r->cli;
    struct sl_err output_err = {0};
    if (sl_rows_finish(&r->rows, &output_err) != SL_OK && code == SL_OK) {
        cli->err = output_err;
        code = output_err.code;
    }
    if (code != SL_OK)
        return sl_cli_failed(cli, NULL);
    sl_cli_note(cli, "%zu %s, %zu refused because they are not open now%s", r->n_fired, r->ask.dry_run ? "would be fired" : "fired",
                r->n_refused, r->n_refused > 0 && !r->ask.force ? " (--force --reason TEXT fires blocked ones)" : "");
    if (sl_cli_stopped() != 0)
        return SL_EXIT_INTERRUPTED;
    int exit_code = r->n_refused > 0 ? SL_EXIT_PARTLY : SL_EXIT_OK;
    return r->ask.dry_run ? exit_code : sl_cli_decide_due(cli, exit_code);
}

static int run(struct sl_cli *cli)
{
    static const struct sl_field FIELDS[] = {{"result", false, false}, {"before", false, false}, SL_GATE_FIELDS};
    struct releasing r = {.cli = cli};
    r.ask.phase = cli->select.phase;
    r.ask.from = cli->select.from;
    r.ask.to = cli->select.to;
    r.ask.force = sl_args_has(&cli->args, "force");
    r.ask.dry_run = sl_args_has(&cli->args, "dry-run");
    r.ask.reason = sl_args_get(&cli->args, "reason");
    r.ask.who = sl_cli_who(cli);
    if (r.ask.force && (r.ask.reason == NULL || r.ask.reason[0] == '\0'))
        return sl_cli_usage(cli, "--force fires gates that the evidence holds back; say why with --reason TEXT");
    if (sl_cli_rate(cli, &r.pause_ms) != SL_OK)
        return sl_cli_usage_err(cli);
    sl_cli_catch_signals();
    sl_cli_rows(cli, &r.rows, FIELDS, SL_N_GATE_FIELDS + 2, false);
    return finish(&r, r.pause_ms > 0 ? release_slowly(&r) : release_dates(&r, r.ask.from, r.ask.to));
}

const struct sl_command SL_CMD_RELEASE = {
    .name = "release",
    .usage = "PHASE (DATE | A..B) [--force --reason TEXT] [--dry-run] [--rate N/s]",
    .help = "decides suppressed gates again and fires those that are open, in date order",
    .more = "What is blocked now is named and refused: exit 5. --force with a reason fires it all the same, and the trigger says so.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_WANTS_PHASE | SL_WANTS_RANGE,
    .opens = SL_CHANGES,
    .flags = FLAGS,
    .examples = {"release orders_daily 2025-01-01..2025-01-31 --dry-run", "release orders_daily 2025-01-01..2025-01-31 --rate 2/s",
                 "release --phase orders_daily --date 2025-01-03 --force --reason \"store closed, agreed with sales\""},
    .run = run,
};
