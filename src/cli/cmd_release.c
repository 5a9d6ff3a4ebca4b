/* cmd_release.c - decides held gates again on fresh facts and fires those that are open, in date order; what is blocked now is named, not fired.
 * With --max-in-flight a trigger is in flight until the next phase has answered it; the worker hears answers, and without one the command gives up. */
#include "gate_view.h"

#include "commands.h"

#include <inttypes.h>

#include <sluice/clock.h>

#define LOOK_EVERY_MS 250
#define PATIENCE_MS   10000 /* with a worker that isn't there: it may be starting again (RULES 31) */

static const struct sl_flag FLAGS[] = {
    {"force", NULL, "fire blocked gates too; needs --reason", 0},
    {"reason", "TEXT", "why; goes on record", 'r'},
    {"dry-run", NULL, "say what would be fired, change nothing", 0},
    {"rate", "N/s", "at most so many dates a second", 0},
    {"max-in-flight", "N", "at most so many dates that the next phase has not answered yet; needs a running worker", 0},
    {0},
};

/* A date that was fired. */
struct flight {
    sl_date date;
    int64_t since_us;
};

struct releasing {
    struct sl_cli *cli;
    struct sl_release ask;
    int64_t pause_ms;      /* between dates; 0: none */
    int64_t max_in_flight; /* 0: any number */
    int64_t started_us;    /* by the steady clock, at cli->now_us */
    struct flight *flights;
    size_t n_flights;
    struct sl_rows *rows;
    size_t n_fired, n_refused;
};

/* A release may last for hours. */
static int64_t now_us(const struct releasing *r)
{
    return r->cli->now_us + sl_monotonic_us() - r->started_us;
}

static void add_flight(struct releasing *r, sl_date date, int64_t since_us)
{
    if (r->n_flights > 0 && r->flights[r->n_flights - 1].date == date)
        return;
    r->flights = sl_arena_push(&r->cli->arena, r->flights, &r->n_flights, sizeof *r->flights);
    r->flights[r->n_flights - 1] = (struct flight){date, since_us};
}

static void add_verdict(struct releasing *r, const struct sl_verdict *verdict, int64_t fired_us)
{
    bool open = sl_gate_is_open(&verdict->after);
    if (open && r->max_in_flight > 0 && !r->ask.dry_run)
        add_flight(r, verdict->after.date, fired_us);
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
    const int64_t fired_us = now_us(r);
    ask.from = from;
    ask.to = to;
    enum sl_code code = sl_worker_release(cli->worker, &ask, fired_us, &verdicts, &n, &cli->arena, &cli->err);
    for (size_t i = 0; code == SL_OK && i < n; i++)
        add_verdict(r, &verdicts[i], fired_us);
    return code;
}

/* ---- answers ---- */

/* Those that are answered are no longer in flight. */
static enum sl_code hear_answers(struct releasing *r)
{
    struct sl_ops ops;
    size_t kept = 0;
    enum sl_code code = SL_OK;
    sl_cli_ops(r->cli, &ops);
    for (size_t i = 0; i < r->n_flights; i++) {
        bool answered = false;
        if (code == SL_OK)
            code = sl_ops_answered(&ops, r->ask.phase, r->flights[i].date, r->flights[i].since_us, &answered, &r->cli->err);
        if (!answered)
            r->flights[kept++] = r->flights[i];
    }
    r->n_flights = kept;
    return code;
}

/* The oldest first: it has waited longest. */
static enum sl_code check_patience(struct releasing *r)
{
    char date[SL_DATE_LEN + 1];
    if (now_us(r) - r->flights[0].since_us < r->ask.phase->answer_within_ms * 1000)
        return SL_OK;
    return sl_fail(&r->cli->err, SL_UNAVAILABLE,
                   "the trigger of %s has no answer yet, after %" PRId64 " s; %zu are fired, the rest is pending",
                   sl_date_format(r->flights[0].date, date), r->ask.phase->answer_within_ms / 1000, r->n_fired);
}

/* *gone_ms: since when nobody has been there; SL_MS_NEVER: somebody is. */
static enum sl_code check_worker(struct releasing *r, int64_t *gone_ms)
{
    struct sl_ops ops;
    bool runs = false;
    sl_cli_ops(r->cli, &ops);
    enum sl_code code = sl_ops_worker_runs(&ops, &runs, &r->cli->err);
    if (code != SL_OK)
        return code;
    if (runs)
        *gone_ms = SL_MS_NEVER;
    else if (*gone_ms == SL_MS_NEVER)
        *gone_ms = sl_monotonic_ms();
    else if (sl_monotonic_ms() - *gone_ms >= PATIENCE_MS)
        return sl_fail(&r->cli->err, SL_UNAVAILABLE, "no worker is running, so no answer is heard; %zu are fired, the rest is pending",
                       r->n_fired);
    return SL_OK;
}

/* Until one more may be fired. */
static enum sl_code wait_for_answers(struct releasing *r)
{
    int64_t gone_ms = SL_MS_NEVER;
    enum sl_code code = hear_answers(r);
    while (code == SL_OK && r->n_flights >= (size_t)r->max_in_flight && sl_cli_stopped() == 0) {
        bool changed = false;
        code = check_patience(r);
        if (code == SL_OK)
            code = check_worker(r, &gone_ms);
        sl_cli_pause(code == SL_OK ? LOOK_EVERY_MS : 0);
        if (code == SL_OK)
            code = sl_ledger_changed(r->cli->ledger, &changed, &r->cli->err);
        if (code == SL_OK && changed)
            code = hear_answers(r);
    }
    return code;
}

/* Date by date, with pauses: only those that hold a pending gate. */
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
        if (r->max_in_flight > 0)
            code = wait_for_answers(r);
        if (code == SL_OK && sl_cli_stopped() == 0)
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
    struct releasing r = {.cli = cli, .started_us = sl_monotonic_us()};
    r.ask.phase = cli->select.phase;
    r.ask.from = cli->select.from;
    r.ask.to = cli->select.to;
    r.ask.force = sl_args_has(&cli->args, "force");
    r.ask.dry_run = sl_args_has(&cli->args, "dry-run");
    r.ask.reason = sl_args_get(&cli->args, "reason");
    r.ask.who = sl_cli_who(cli);
    if (r.ask.force && (r.ask.reason == NULL || r.ask.reason[0] == '\0'))
        return sl_cli_usage(cli, "--force fires gates that the evidence holds back; say why with --reason TEXT");
    if (sl_cli_rate(cli, &r.pause_ms) != SL_OK || sl_cli_number(cli, "max-in-flight", 1, 0, &r.max_in_flight) != SL_OK)
        return sl_cli_usage_err(cli);
    const bool slowly = r.pause_ms > 0 || r.max_in_flight > 0;
    sl_cli_catch_signals();
    sl_cli_rows(cli, &r.rows, FIELDS, SL_N_GATE_FIELDS + 2, false);
    return finish(&r, slowly ? release_slowly(&r) : release_dates(&r, r.ask.from, r.ask.to));
}

const struct sl_command SL_CMD_RELEASE = {
    .name = "release",
    .usage = "PHASE (DATE | A..B) [--force --reason TEXT] [--dry-run] [--rate N/s] [--max-in-flight N]",
    .help = "decides suppressed gates again and fires those that are open, in date order",
    .more = "What is blocked now is named and refused: exit 5. --force with a reason fires it all the same, and the trigger says so.\n"
            "With --max-in-flight the next phase sets the pace: the worker that is running hears its answers, the first run of a date that "
            "has\nended. Exit 75 when there is no worker, or no answer within the phase's answer_within: the rest stays pending.",
    .takes = SL_TAKES_PHASE | SL_TAKES_RANGE | SL_WANTS_PHASE | SL_WANTS_RANGE,
    .opens = SL_CHANGES,
    .flags = FLAGS,
    .examples = {"release orders_daily 2025-01-01..2025-01-31 --dry-run", "release orders_daily 2025-01-01..2025-01-31 --rate 2/s",
                 "release orders_daily 2025-01-01..2025-01-31 --max-in-flight 3",
                 "release --phase orders_daily --date 2025-01-03 --force --reason \"store closed, agreed with sales\""},
    .run = run,
};
